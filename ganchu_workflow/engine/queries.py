"""Questions about the record that change nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select

from ganchu_workflow.actors import SCOPED, Actor
from ganchu_workflow.canonical import decode
from ganchu_workflow.engine.deadlines import ESCALATE, REMIND
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.rows import Rows, by_chunks
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.sql import CASE, DEADLINE, EVENT, NOT_CALLED_OFF, OUTBOX, PARTY
from ganchu_workflow.errors import DefinitionChanged, Invalid, Refusal, Unknown, no_such_case
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import Statement
from ganchu_workflow.store.tables import METADATA

log = logging.getLogger("ganchu_workflow")
ATTEMPT = METADATA.tables["ganchu_attempt"]
_ROUNDS_OF = Statement(select(CASE.c.id, CASE.c.round_id).where(CASE.c.id.in_(bindparam("ids", expanding=True))))
_ROUNDS = Statement(select(CASE.c.id).where(CASE.c.kind == "round"))
MOST_AHEAD = timedelta(minutes=1)
"""By how much the clock of another node may have been ahead of the one that recorded an act."""
Books = Callable[[str, Rows], Rulebook]
"""The rulebook of a round."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """One thing that can be asked for where a case stands: it may be done, or `refusal` says why not."""

    trigger: str
    refusal: Refusal | None
    fields: tuple[str, ...]
    """The names of the data it takes."""
    required: tuple[str, ...]

    @property
    def may(self) -> bool:
        """Whether nothing known stands against it."""
        return self.refusal is None


@dataclass(frozen=True, slots=True)
class Task:
    """One item of somebody's 待办: a case that waits for them, since when, and until when."""

    case: CaseView
    label: str
    due_at: datetime | None


def events(link: Link, case_id: str) -> list[dict[str, Any]]:
    """The events of a case, oldest first, each with its digest."""
    query = select(EVENT.c.body, EVENT.c.digest).where(EVENT.c.case_id == case_id).order_by(EVENT.c.seq)
    return [{**decode(r.body), "digest": r.digest} for r in link.execute(query)]


def followed(link: Link, act: Receipt) -> list[dict[str, Any]]:
    """The event of an act and those that followed from it, a cause before what it led to."""
    # Another case of the same transaction may have been recorded by a clock that was less ahead.
    since = act.recorded_at - MOST_AHEAD
    written = [decode(text) for text in Rows(link).events_since(round_of(link, [act.case_id]), since)]
    found = [e for e in written if (e["case"], e["seq"]) == (act.case_id, act.seq)]
    after: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for event in written:
        if event["cause"] is not None:
            after.setdefault((event["cause"]["case"], event["cause"]["seq"]), []).append(event)
    for event in found:
        found += after.get((event["case"], event["seq"]), [])
    return found


def cases(
    link: Link, round_id: str, kind: str | None = None, state: str | None = None, parent: str | None = None
) -> list[CaseView]:
    """The cases of a round, in the order of opening."""
    query = select(CASE.c.id).where(CASE.c.round_id == round_id)
    for column, value in ((CASE.c.kind, kind), (CASE.c.state, state), (CASE.c.parent_id, parent)):
        if value is not None:
            query = query.where(column == value)
    found = Rows(link).cases(link.execute(query).scalars())
    return [c.view() for c in sorted(found, key=lambda c: (c.opened_at, c.id))]


def cohorts(link: Link, application_id: str, kind: str) -> list[CaseView]:
    """The cohorts of a kind that list an application on its present visit, in the order of opening."""
    rows = Rows(link)
    visits = {c.id: c.visit for c in rows.cases([application_id])}
    listed = [c for a, c, its_kind, visit in rows.acts([application_id]) if (its_kind, visit) == (kind, visits[a])]
    return [c.view() for c in sorted(rows.cases(listed), key=lambda c: (c.opened_at, c.id))]


def rounds_of(link: Link, case_ids: Sequence[str]) -> dict[str, str]:
    """The round of each case; one that does not exist is not among them."""
    return {r.id: r.round_id for r in by_chunks(link, _ROUNDS_OF, case_ids)}


def require_round(link: Link, round_id: str) -> None:
    """Raise `Unknown` unless there is such a round."""
    if rounds_of(link, [round_id]) != {round_id: round_id}:
        raise Unknown(f"没有编号为“{round_id}”的批次 / there is no round '{round_id}'", case=round_id)


def round_of(link: Link, case_ids: Sequence[str]) -> str:
    """The one round that these cases belong to; of no cases, the only round that is open. Raises `Unknown`."""
    found = rounds_of(link, case_ids)
    missing = sorted(set(case_ids) - set(found))
    if missing:
        raise no_such_case(missing[0])
    belong = set(found.values())
    if not case_ids:
        belong = {r.id for r in rounds(link) if r.state in ("planning", "running", "announced")}
    if len(belong) != 1:
        why = "the cases belong to several" if case_ids else f"{len(belong)} are open"
        raise Unknown(f"say which round: round=…; {why}")
    return belong.pop()


def having(link: Link, round_id: str, kind: str, name: str, value: str) -> list[CaseView]:
    """The cases of a kind in a round whose searchable fact is this value, in the order of opening."""
    rows = Rows(link)
    found = [c for c in rows.cases(rows.having(round_id, name, value, kind)) if str(c.facts.get(name)) == value]
    return [c.view() for c in sorted(found, key=lambda c: (c.opened_at, c.id))]


def rounds(link: Link) -> list[CaseView]:
    """All rounds of the database, in the order of opening."""
    ids = link.execute(_ROUNDS).scalars()
    return [c.view() for c in sorted(Rows(link).cases(ids), key=lambda c: (c.opened_at, c.id))]


def tasks(link: Link, round_id: str, process: Process, actor: Actor) -> list[Task]:
    """The open cases of a round that wait for this actor, soonest deadline first."""
    waiting = [
        and_(CASE.c.kind == kind.kind, CASE.c.state.in_(names))
        for kind in process.kinds.values()
        if (names := [n for n, s in kind.states.items() if s.owner is actor.role])
    ]
    if not waiting:
        return []
    query = select(CASE.c.id).where(CASE.c.round_id == round_id, or_(*waiting))
    if actor.role in SCOPED:
        query = query.join(PARTY, PARTY.c.case_id == CASE.c.id)
        query = query.where(PARTY.c.role == actor.role.value, PARTY.c.scope == actor.scope)
    found = Rows(link).cases(link.execute(query).scalars())
    due = _nearest(link, [c.id for c in found])
    made = [Task(c.view(), process.kind(c.kind).states[c.state].label, due.get(c.id)) for c in found]
    return sorted(made, key=lambda t: (t.due_at is None, t.due_at or t.case.opened_at, t.case.opened_at, t.case.id))


def tasks_everywhere(link: Link, books: Books, actor: Actor) -> list[Task]:
    """The open cases that wait for this actor, in every round that can be run; the log warns of any other."""
    rows = Rows(link)
    found: list[Task] = []
    for r in rounds(link):
        if r.state == "cancelled":
            continue  # there nothing can be done any more
        try:
            book = books(r.id, rows)
        except (DefinitionChanged, Invalid) as error:
            log.warning(
                "the round %s cannot be run and is left out: %s",
                r.id,
                error.message,
                extra={"action": "round_left_out", "round": r.id, "code": error.code},
            )
            continue
        found += tasks(link, r.id, book.process, actor)
    return found


def _nearest(link: Link, case_ids: Iterable[str]) -> dict[str, datetime]:
    nearest: dict[str, datetime] = {}
    for case_id, found in Rows(link).deadlines(case_ids).items():
        running = [r for r in found.values() if r.status == "armed" and r.fires not in (REMIND, ESCALATE)]
        armed = [r.end for r in running if r.end is not None]
        if armed:
            nearest[case_id] = min(armed)
    return nearest


def next_due(
    link: Link, round_id: str | None = None, since: datetime | None = None, *, alerts: bool = True
) -> datetime | None:
    """The nearest instant, of all rounds or of one, `since` that one, at which a deadline runs out or, with `alerts`,
    somebody is told of one; None: there is none."""
    query = select(DEADLINE.c.due_at).where(DEADLINE.c.status == "armed", DEADLINE.c.fires.is_not(None), NOT_CALLED_OFF)
    if round_id is not None:
        query = query.where(DEADLINE.c.round_id == round_id)
    if since is not None:
        query = query.where(DEADLINE.c.due_at >= since)
    if not alerts:
        query = query.where(DEADLINE.c.fires.not_in([REMIND, ESCALATE]))
    found: datetime | None = link.execute(query.order_by(DEADLINE.c.due_at).limit(1)).scalar()
    return found


def last_recorded_at(link: Link) -> datetime | None:
    """When the newest event was recorded."""
    found: datetime | None = link.execute(select(func.max(EVENT.c.recorded_at))).scalar()
    return found


def attempts(link: Link, round_id: str) -> list[dict[str, Any]]:
    """What was tried in a round and refused, and what was decided about its messages: in the order of trying."""
    query = select(ATTEMPT).where(ATTEMPT.c.round_id == round_id).order_by(ATTEMPT.c.recorded_at, ATTEMPT.c.id)
    return [{**r._asdict(), "body": decode(r.body)} for r in link.execute(query)]


def as_told() -> tuple[ColumnElement[Any], ...]:
    """How messages are ordered: by the instant, then as their ids were made, but never against the events of one case.

    Within one millisecond every process numbers its ids anew: only of those of one process it is known which was first.
    """
    last_so_far = func.max(OUTBOX.c.id).over(
        partition_by=(OUTBOX.c.case_id, OUTBOX.c.created_at), order_by=(OUTBOX.c.seq, OUTBOX.c.ordinal)
    )
    return OUTBOX.c.created_at, last_so_far, OUTBOX.c.case_id, OUTBOX.c.seq, OUTBOX.c.ordinal


def messages(link: Link, round_id: str) -> Iterator[dict[str, Any]]:
    """The outbox of a round, in the order in which it was told."""
    query = select(OUTBOX).where(OUTBOX.c.round_id == round_id).order_by(*as_told())
    for row in link.execute(query):
        yield {**row._asdict(), "body": decode(row.body)}
