"""Deadlines that are due and would not fire: the row of each, when it is tried again, and how a person releases one.

A rule that *refuses* is asked again ever more rarely, and never given up: it may have its reasons for months. Firing
that *crashes* is tried again a few times and then parked, for trying goes on costing and a person has to look. A round
that the installed stages *cannot run* is no fault of its deadlines: they wait, as for a refusal. Contention is nobody's
fault either, and leaves no row.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ganchu_workflow.actors import Actor
from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import Clock
from ganchu_workflow.engine import sql
from ganchu_workflow.engine.attempts import keep_attempt
from ganchu_workflow.engine.decisions import RELEASE, Decision, storable
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.steps import RuleCrashed
from ganchu_workflow.engine.transactions import Transactions
from ganchu_workflow.entropy import Entropy
from ganchu_workflow.errors import (
    Contention,
    DefinitionChanged,
    DefinitionInvalid,
    Fault,
    PlanInvalid,
    PluginInvalid,
    Refusal,
    Refused,
    Unknown,
    WorkflowError,
    no_such_case,
)
from ganchu_workflow.store.link import Link

log = logging.getLogger("ganchu_workflow")
REFUSED, UNRUNNABLE, RETRYING, PARKED = "refused", "unrunnable", "retrying", "parked"
CANNOT_RUN = (DefinitionChanged, DefinitionInvalid, PlanInvalid, PluginInvalid)
"""What says that the installed stages cannot run a round."""
PARK_AFTER = 5
"""How often firing a deadline may crash before it is parked: a default."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
"""How long one that would not fire is left alone: at first, then twice as long each time, up to the longest."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A deadline that is due and would not fire."""

    case: str
    deadline: str
    round: str
    due_at: datetime | None
    """The end at which it was due; None of one that waits for a year's calendar."""
    status: str
    """`refused`, `unrunnable` or `retrying`: tried again at `again_at`. `parked`: not before a person releases it."""
    tries: int
    """How often in a row it ended like this."""
    code: str
    why: str
    first_at: datetime
    """When it was first tried in vain."""
    last_at: datetime
    again_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueRow:
    """A deadline that is due, or waits for a year's calendar, as a look at the table found it."""

    case: str
    name: str
    due_at: datetime | None
    round: str
    last_at: datetime | None
    """When it was last tried in vain."""


def status_of(error: WorkflowError) -> str | None:
    """What an error makes of the deadline that met it; None where it is simply tried again."""
    if isinstance(error, Contention):
        return None
    if isinstance(error, Refused) and error.code != "guard_crashed":
        return REFUSED
    return UNRUNNABLE if isinstance(error, CANNOT_RUN) else RETRYING


def note(link: Link, row: DueRow, error: WorkflowError, now: datetime, park_after: int) -> None:
    """Write down that a deadline was tried in vain, unless another node has done so since `row` was read."""
    status = status_of(error)
    if status is None:
        return
    before = link.execute(sql.STUCK_DEADLINE, {"case": row.case, "deadline": row.name}).first()
    earlier = before if before is not None and before.due_at == row.due_at else None
    if earlier is not None and earlier.last_at != row.last_at:
        return
    tries = earlier.tries + 1 if earlier is not None and earlier.status == status else 1
    if status == RETRYING and tries >= park_after:
        status = PARKED
        about = {"action": "deadline_parked", "case": row.case, "deadline": row.name, "code": error.code}
        log.error("a deadline was given up after %d tries: release it when it is mended", tries, extra=about)
    values = {
        "round_id": row.round,
        "due_at": row.due_at,
        "status": status,
        "tries": tries,
        "code": error.code[:60],
        "why": _words(error),
        "first_at": now if earlier is None else earlier.first_at,
        "last_at": now,
        "again_at": None if status == PARKED else now + pause(tries),
    }
    if before is None:
        link.execute(sql.INSERTS[sql.STUCK.name], {"case_id": row.case, "name": row.name, **values})
    else:
        link.execute(sql.UPDATE_STUCK, {"case": row.case, "deadline": row.name, **values})


def pause(tries: int) -> timedelta:
    """How long a deadline is left alone that has been tried so often in vain."""
    return min(FIRST_PAUSE * (1 << min(tries - 1, 16)), LONGEST_PAUSE)


def _words(error: WorkflowError) -> str:
    """Why, without what an exception says: it may quote a private value, as may a value that could not be kept."""
    attempt = error.fields.get("attempt")
    if isinstance(error, Refused) and error.code != "guard_crashed":
        text = error.message
    elif attempt is not None:
        body = decode(attempt["body"])
        text = f"{body['zh']} / {body['en']}"
    elif isinstance(error, (RuleCrashed, Unknown, *CANNOT_RUN)) or type(error) is Fault:
        text = error.message
    else:
        text = f"firing it failed ({error.code}); the log has the whole of it"
    return storable(text)


def tidy(transactions: Transactions, most: int) -> tuple[Stuck, ...]:
    """Remove the rows of deadlines that have fired, moved or stopped since; the others, at most so many, oldest first.

    Nobody asks such a row anything: it is of another end. So it may be removed late.
    """

    def look(link: Link) -> tuple[bool, list[Any]]:
        stale = link.execute(sql.A_STALE_ONE).first() is not None
        return stale, link.execute(sql.STUCK_DEADLINES, {"most": most}).rows

    stale, found = transactions.read(look)
    if stale:
        transactions.write(lambda link: link.execute(sql.WITHOUT_STALE))
    return tuple(stuck_of(row) for row in found)


def stuck_of(row: Any) -> Stuck:
    """A row of the table as a value."""
    return Stuck(
        row.case_id,
        row.name,
        row.round_id,
        row.due_at,
        row.status,
        row.tries,
        row.code,
        row.why,
        row.first_at,
        row.last_at,
        row.again_at,
    )


def release(
    transactions: Transactions,
    clock: Clock,
    entropy: Entropy,
    case_id: str,
    deadline: str | None,
    actor: Actor,
    reason: str,
) -> tuple[Stuck, ...]:
    """See `Workflow.release`."""
    decision = Decision(RELEASE, {"case": case_id, "deadline": deadline}, actor, reason, clock, entropy)

    def work(link: Link) -> tuple[Stuck, ...]:
        round_id = Rows(link).round_of(case_id)
        decision.place = {"round_id": round_id, "case_id": case_id} if round_id else {}
        decision.require_operator()
        if round_id is None:
            raise no_such_case(case_id)
        of_round = [stuck_of(row) for row in link.execute(sql.STUCK_OF_ROUND, {"round": round_id})]
        chosen = tuple(
            each
            for each in of_round
            if (each.case == case_id or case_id == round_id) and deadline in (None, each.deadline)
        )
        if not chosen:
            raise Refused(
                Refusal(
                    "deadline_not_stuck",
                    "没有停滞的期限可恢复",
                    "no such deadline is stuck; see `ganchu overdue`",
                    {"deadlines": sorted({e.deadline for e in of_round if e.case == case_id})},
                )
            )
        for each in chosen:
            link.execute(sql.WITHOUT_STUCK, {"case": each.case, "deadline": each.deadline})
        stood = {f"{each.case} {each.deadline}": each.status for each in chosen[:50]}
        keep_attempt(link, decision.carried_out({**stood, "released": len(chosen)}))
        return chosen

    return decision.decide(transactions, work)
