"""Which working-day calendar is in force in a round: one that a workflow was made with, and what an office imported.

A round says in its facts which of both it goes by, and goes by that on every node: what it names is stored. Every act
reads its round, so that an act that was computed by the calendar of before is computed again when another is adopted
in between.

Two nodes may be made with different calendars, while a new version of the library is rolled out above all. A round
stays with the one it goes by until a node adopts its own for it, in an event; a node does so only if its calendar knows
every year that the round's knows, and the round has never gone by it before. So no year is lost, the older node reckons
by the newer calendar at once, and two nodes whose tables of the same years differ do not take turns: each table is
adopted at most once, and the last one stays until an office imports the year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ganchu_workflow.canonical import decode, digest_of
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.errors import Fault, NotCanonical, Unknown
from ganchu_workflow.timing import Overlay, WorkingCalendar

FACT = "calendars"
"""The fact of a round that says which calendar it goes by: under `base` the version of one that a workflow was made
with, and by year the imports laid over it, each as the digest of its table."""
BASE = "base"
BASES = "calendar_bases"
"""The fact of a round that has changed its base: every one that it has gone by, in order."""


@dataclass(frozen=True, slots=True)
class Import:
    """A year's notice that an office imported, as it is stored."""

    id: str
    year: int
    paper: str
    digest: str
    body: str

    def on(self, calendar: WorkingCalendar) -> WorkingCalendar:
        """The calendar with this year laid over it."""
        return replace(_overlay(decode(self.body)), replaces=True).on(calendar)


def document_of(overlay: Overlay) -> dict[str, Any]:
    """A year's notice as canonical JSON."""
    return {
        "year": overlay.year,
        "notice": overlay.notice,
        "number": overlay.number,
        "dated": overlay.dated.isoformat() if overlay.dated else None,
        "off": [day.isoformat() for day in overlay.off],
        "work": [day.isoformat() for day in overlay.work],
        "names": {day.isoformat(): name for day, name in overlay.names.items()},
    }


def _overlay(document: Mapping[str, Any]) -> Overlay:
    return Overlay(
        document["year"],
        document["notice"],
        document["number"],
        date.fromisoformat(document["dated"]) if document["dated"] else None,
        tuple(date.fromisoformat(day) for day in document["off"]),
        tuple(date.fromisoformat(day) for day in document["work"]),
        {date.fromisoformat(day): name for day, name in document["names"].items()},
    )


class Calendars:
    """The calendars of one workflow: its own, and those that rounds go by that it has met."""

    def __init__(self, base: WorkingCalendar) -> None:
        self.base = base
        self._bases: dict[str, WorkingCalendar] = {}
        self._imports: dict[str, Import] = {}
        self._made: dict[tuple[tuple[str, str], ...], WorkingCalendar] = {(): base}

    def in_force(self, adopted: Mapping[str, str] | None, rows: Rows) -> WorkingCalendar:
        """The calendar of a round that goes by these: its fact `calendars`.

        Raises `Unknown` where one of them is not stored, and `Fault` where what is stored is another.
        """
        key = tuple(sorted((adopted or {}).items()))
        if key not in self._made:
            given = dict(key)
            calendar = self._base(given.pop(BASE, self.base.version), rows)
            for _, digest in sorted(given.items()):
                calendar = self._import(digest, rows).on(calendar)
            self._made[key] = calendar
        return self._made[key]

    def latest(self, rows: Rows) -> dict[str, str]:
        """What a round that is opened here and now goes by: of each year the last import counts."""
        found = [self._remember(Import(*row)) for row in rows.calendar_imports()]
        return {**dict(sorted({str(each.year): each.digest for each in found}.items())), BASE: self.base.version}

    def ahead(self, facts: Mapping[str, Any], latest: Mapping[str, str], rows: Rows) -> dict[str, str] | None:
        """What a round with these facts is to adopt, where `latest` holds here; None: it goes by it already."""
        adopted = facts.get(FACT, {})
        held, mine = adopted.get(BASE), latest[BASE]
        if held is not None and held != mine:
            been_before = mine in facts.get(BASES, ())
            if been_before or not {*self._base(held, rows).years} <= {*self.base.years}:
                mine = held
        wanted = {**latest, BASE: mine}
        return None if wanted == adopted else wanted

    def adopted(self, facts: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, Any]:
        """The facts of a round that goes by `wanted` from now on."""
        held = facts.get(FACT, {}).get(BASE)
        if held in (None, wanted[BASE]):
            return {FACT: dict(wanted)}
        return {FACT: dict(wanted), BASES: [*facts.get(BASES, (held,)), wanted[BASE]]}

    def _base(self, version: str, rows: Rows) -> WorkingCalendar:
        if version == self.base.version:
            return self.base
        if version not in self._bases:
            body = rows.calendar(version)
            if body is None:
                raise Unknown(f"the round goes by a calendar that is not stored: {version}", version=version)
            found = WorkingCalendar.from_document(decode(body))
            if found.version != version:
                raise Fault(
                    f"the stored calendar {version} has been altered: it is {found.version} now; nothing can be "
                    "reckoned by it until its row is put back from a backup (ganchu audit verify)",
                    version=version,
                )
            self._bases[version] = found
        return self._bases[version]

    def _import(self, digest: str, rows: Rows) -> Import:
        if digest not in self._imports:
            self.latest(rows)
        if digest not in self._imports:
            raise Unknown(f"the round goes by an imported calendar that is not there: {digest}", digest=digest)
        found = self._imports[digest]
        if _digest(found.body) != digest:
            raise Fault(
                f"the imported calendar of {found.year} has been altered: its table has not the digest {digest} any "
                "more; nothing can be reckoned by it until its row is put back from a backup (ganchu audit verify)",
                digest=digest,
                year=found.year,
            )
        return found

    def _remember(self, found: Import) -> Import:
        self._imports[found.digest] = found
        return found


def _digest(body: str) -> str | None:
    try:
        return digest_of(decode(body))
    except NotCanonical:
        return None
