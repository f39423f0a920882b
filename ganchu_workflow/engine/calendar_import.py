"""The import of a year's notice: kept as a row, then adopted by each round, each in a transaction of its own.

A round that could not adopt it then (its stages are not installed here) does so at a later sweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ganchu_workflow.actors import CLOCK, Actor, Role
from ganchu_workflow.canonical import digest_of, encode
from ganchu_workflow.engine import queries
from ganchu_workflow.engine.attempts import label
from ganchu_workflow.engine.calendars import FACT, document_of
from ganchu_workflow.engine.requests import ADOPT, Request, Step
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.transition import Engine
from ganchu_workflow.entropy import new_id
from ganchu_workflow.errors import DatabaseFault, Refusal, Refused, WorkflowError
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.store.link import Link
from ganchu_workflow.timing import Overlay


@dataclass(frozen=True, slots=True)
class Adopted:
    """What an import means for one round. Ends are (case, deadline, end until now, end by the new calendar), in UTC."""

    round: str
    code: str
    resolved: tuple[tuple[str | None, ...], ...] = ()
    """Deadlines that waited for the year and run now."""
    later: tuple[tuple[str | None, ...], ...] = ()
    """Deadlines that have moved to a later end."""
    kept: tuple[tuple[str | None, ...], ...] = ()
    """Deadlines that would end earlier, and stand: no end that runs is taken back."""
    printed: tuple[tuple[str | None, ...], ...] = ()
    """Printed ends that would be others, and stand as printed: an act has to move them, if anything does."""
    error: WorkflowError | None = None
    """Why the round has not adopted it yet."""


def import_calendar(
    engine: Engine, overlay: Overlay, actor: Actor, received_at: datetime, *, dry_run: bool = False
) -> tuple[Adopted, ...]:
    """Keep a year's notice, and let every round that was not called off go by it; what that means for each.

    The same notice twice is kept once. With `dry_run` nothing is kept. Raises `Refused` unless it is the office's act.
    """
    if actor.role is not Role.OFFICE:
        words = f"a calendar is imported by the office, not by the {actor.role}"
        raise Refused(Refusal("not_allowed", "仅牵头处室可导入工作日历", words, {"roles": [Role.OFFICE.value]}))
    if dry_run:
        return engine.together(lambda inside: _import(inside, overlay, actor, received_at), dry_run=True)
    return _import(engine, overlay, actor, received_at)


def rounds_behind(engine: Engine) -> list[CaseView]:
    """The rounds that do not go by the latest imports yet."""

    def find(link: Link) -> list[CaseView]:
        latest = engine.calendars.latest(Rows(link))
        if not latest:
            return []
        return [r for r in queries.rounds(link) if r.state != "cancelled" and r.facts.get(FACT) != latest]

    return engine.transactions.read(find)


def catch_up(engine: Engine) -> list[Adopted]:
    """Let each round that does not go by the latest imports yet adopt them, as the clock."""
    return [_adopted(engine, r, CLOCK, engine.clock.now()) for r in rounds_behind(engine)]


def _import(engine: Engine, overlay: Overlay, actor: Actor, received_at: datetime) -> tuple[Adopted, ...]:
    engine.transactions.write(lambda link: _keep(engine, Rows(link), overlay, actor))
    return tuple(_adopted(engine, r, actor, received_at) for r in rounds_behind(engine))


def _keep(engine: Engine, rows: Rows, overlay: Overlay, actor: Actor) -> None:
    document = document_of(overlay)
    digest = digest_of(document)
    if engine.calendars.latest(rows).get(str(overlay.year)) == digest:
        return
    now = engine.clock.now()
    rows.insert_import(
        {
            "id": new_id(engine.entropy, now),
            "year": overlay.year,
            "paper": overlay.paper[:300],
            "body": encode(document),
            "digest": digest,
            "actor": label(actor),
            "imported_at": now,
        }
    )


def _adopted(engine: Engine, round_: CaseView, actor: Actor, received_at: datetime) -> Adopted:
    code = str(round_.facts["code"])
    try:
        receipt = engine.carry_out(Request(Step(ADOPT, round_.id, {}, actor), round_.id, received_at))
    except DatabaseFault:
        raise
    except WorkflowError as error:
        return Adopted(round_.id, code, error=error)
    events = engine.transactions.read(lambda link: queries.events(link, round_.id))
    given = next(e["data"] for e in events if e["seq"] == receipt.seq)
    resolved, later, kept, printed = (_ends(given[name]) for name in ("resolved", "later", "kept", "printed"))
    return Adopted(round_.id, code, resolved, later, kept, printed)


def _ends(found: Mapping[str, Any]) -> tuple[tuple[str | None, ...], ...]:
    return tuple(tuple(end) for end in found["ends"])
