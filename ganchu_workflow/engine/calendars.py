"""Which working-day calendar is in force in a round: the one a workflow is made with, and what an office imported.

A round says in its facts which imports it has adopted. Every act reads its round, so that an act that was computed by
the calendar of before is computed again when an import comes in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ganchu_workflow.canonical import decode
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.errors import Unknown
from ganchu_workflow.timing import Overlay, WorkingCalendar

FACT = "calendars"
"""The fact of a round that says by year which import it goes by, as the digest of its table."""


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
        return _overlay(decode(self.body)).on(calendar)


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
    """The calendars of one workflow: its own, and those that come of the imports it has met."""

    def __init__(self, base: WorkingCalendar) -> None:
        self.base = base
        self._imports: dict[str, Import] = {}
        self._made: dict[tuple[tuple[str, str], ...], WorkingCalendar] = {(): base}

    def in_force(self, adopted: Mapping[str, str] | None, rows: Rows) -> WorkingCalendar:
        """The calendar of a round that has adopted these imports (year → digest)."""
        key = tuple(sorted((adopted or {}).items()))
        if key not in self._made:
            calendar = self.base
            for _, digest in key:
                calendar = self._import(digest, rows).on(calendar)
            self._made[key] = calendar
        return self._made[key]

    def latest(self, rows: Rows) -> dict[str, str]:
        """Of each year that was imported the last import: year → digest, in the order of years."""
        found = [self._remember(Import(*row)) for row in rows.calendar_imports()]
        return dict(sorted({str(each.year): each.digest for each in found}.items()))

    def _import(self, digest: str, rows: Rows) -> Import:
        if digest not in self._imports:
            self.latest(rows)
        if digest not in self._imports:
            raise Unknown(f"the round goes by an imported calendar that is not there: {digest}", digest=digest)
        return self._imports[digest]

    def _remember(self, found: Import) -> Import:
        self._imports[found.digest] = found
        return found
