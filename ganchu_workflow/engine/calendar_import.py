"""The import of a year's notice: kept as a row, then adopted by each round, each in a transaction of its own.

A round that could not adopt it then (its stages are not installed here) does so at a later sweep; so does every round,
where the library is made with a calendar that knows more than the one the round goes by.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ganchu_workflow.actors import CLOCK, Actor, Role
from ganchu_workflow.canonical import digest_of, encode
from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.engine import queries
from ganchu_workflow.engine.adopting import SORTS
from ganchu_workflow.engine.attempts import label
from ganchu_workflow.engine.behind import behind
from ganchu_workflow.engine.calendars import document_of
from ganchu_workflow.engine.requests import ADOPT, Request, Step
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.transition import Engine
from ganchu_workflow.entropy import new_id
from ganchu_workflow.errors import DatabaseFault, Fault, Refusal, Refused, WorkflowError
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.timing import Overlay

log = logging.getLogger("ganchu_workflow")


_Ends = tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Adopted:
    """What another calendar means for one round. Ends are (case, deadline, until now, by the new calendar), in UTC.

    Of each sort at most `adopting.SHOWN` are listed; `counts` says how many there are, and the event of each case that
    is not listed says what it is.
    """

    round: str
    code: str
    resolved: _Ends = ()
    """Deadlines that waited for the year and run now."""
    later: _Ends = ()
    """Deadlines that have moved to a later end; where only a grace is longer, the instants at which it ends."""
    kept: _Ends = ()
    """Deadlines that would end earlier, and stand: no end that runs is taken back."""
    printed: _Ends = ()
    """Printed ends that are short of their rule by the new calendar, or have none and lie on a day that it gives off.
    They stand as printed: an act has to move them."""
    fired_already: _Ends = ()
    """Deadlines that would not have ended yet when they fired; a reversal may put right what they led to."""
    unreckoned: _Ends = ()
    """Deadlines that stand because they cannot be reckoned once more; for a person to look at."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many there are of each of these sorts."""
    error: WorkflowError | None = None
    """Why the round has not adopted it yet."""


def import_calendar(
    engine: Engine, overlay: Overlay, actor: Actor, received_at: datetime, *, dry_run: bool = False
) -> tuple[Adopted, ...]:
    """Keep a year's notice, and let every round that was not called off go by it; what that means for each.

    The same notice twice is kept once. With `dry_run` nothing is kept. Raises `Refused` unless it is the office's act,
    and `CalendarInvalid` for a table that leaves out days off which are known, unless it says that it replaces them.
    """
    if actor.role is not Role.OFFICE:
        words = f"a calendar is imported by the office, not by the {actor.role}"
        raise Refused(Refusal("not_allowed", "仅牵头处室可导入工作日历", words, {"roles": [Role.OFFICE.value]}))
    if dry_run:
        return engine.together(lambda inside: _import(inside, overlay, actor, received_at), dry_run=True)
    return _import(engine, overlay, actor, received_at)


def rounds_behind(engine: Engine) -> list[CaseView]:
    """The rounds that do not go by the latest imports yet, or by a calendar of the library that knows less."""
    return engine.transactions.read(lambda link: behind(engine.calendars, Rows(link)))


def catch_up(engine: Engine) -> list[Adopted]:
    """Let each round that is behind adopt the calendar, as the clock."""
    return [_adopted(engine, r, CLOCK, engine.clock.now()) for r in rounds_behind(engine)]


def _import(engine: Engine, overlay: Overlay, actor: Actor, received_at: datetime) -> tuple[Adopted, ...]:
    # In one look: of a round that another node brings in line before this one comes to it, the lists are its too.
    found = engine.transactions.write(lambda link: _keep(engine, Rows(link), overlay, actor))
    return tuple(_adopted(engine, r, actor, received_at) for r in found)


def _keep(engine: Engine, rows: Rows, overlay: Overlay, actor: Actor) -> list[CaseView]:
    """The rounds that are to adopt it."""
    document = document_of(overlay)
    digest = digest_of(document)
    calendars = engine.calendars
    latest = calendars.latest(rows)
    if latest.get(str(overlay.year)) != digest:
        overlay.on(calendars.in_force(latest, rows))  # raises where it leaves days out
        now, last = engine.clock.now(), rows.last_import_at()
        rows.insert_import(
            {
                "id": new_id(engine.entropy, now),
                "year": overlay.year,
                "paper": overlay.paper[:300],
                "body": encode(document),
                "digest": digest,
                "actor": label(actor),
                # The last import counts, also where this machine's clock is behind that of the one before.
                "imported_at": now if last is None else max(now, last + MICROSECOND),
            }
        )
    return behind(calendars, rows)


def _adopted(engine: Engine, round_: CaseView, actor: Actor, received_at: datetime) -> Adopted:
    code = str(round_.facts["code"])
    try:
        engine.carry_out(Request(Step(ADOPT, round_.id, {}, actor), round_.id, received_at))
    except DatabaseFault:
        raise
    except WorkflowError as error:
        if error.code != "calendar_adopted":  # another node came first: what it found is as good
            return Adopted(round_.id, code, error=error)
    except Exception as error:
        if engine.transactions.failed(error):
            raise
        # Whatever is wrong with one round: it must not keep the others from it, nor a sweep from what is due.
        log.exception("a round did not adopt a calendar", extra={"action": "adoption_crashed", "case": round_.id})
        words = f"adopting the calendar crashed ({type(error).__name__}); the log has the whole of it"
        return Adopted(round_.id, code, error=Fault(words, round=round_.id))
    events = engine.transactions.read(lambda link: queries.events(link, round_.id))
    found: dict[str, dict[str, Any]] = next((e["data"] for e in reversed(events) if e["trigger"] == ADOPT), {})
    ends: dict[str, Any] = {s: tuple(tuple(end) for end in found[s]["ends"]) for s in SORTS if s in found}
    return Adopted(round_.id, code, **ends, counts={s: found[s]["count"] for s in ends})
