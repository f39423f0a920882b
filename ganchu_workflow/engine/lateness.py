"""What is late, by how much, and why; and what waits without an end: for a year's calendar, or for a fact.

Nothing here changes anything. What is counted is counted by the database; what is listed is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, select

from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import from_text
from ganchu_workflow.engine import queries
from ganchu_workflow.engine.attempts import ATTEMPT
from ganchu_workflow.engine.awaiting import missing_year
from ganchu_workflow.engine.behind import Behind, stands, to_be
from ganchu_workflow.engine.calendars import Calendars
from ganchu_workflow.engine.cases import Running
from ganchu_workflow.engine.deadlines import AWAITING, SUSPENDED, alerts_of
from ganchu_workflow.engine.limits import limit_of
from ganchu_workflow.engine.overdue import (
    NO_WORKER,
    REASONS,
    STEPS,
    AwaitingCalendar,
    Late,
    Overdue,
    Suspended,
    Tally,
    Unserved,
)
from ganchu_workflow.engine.requests import ADOPT
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.sql import CASE, DEADLINE, EVENT, IN_TROUBLE, NOT_CALLED_OFF, STUCK
from ganchu_workflow.engine.stuck import UNRUNNABLE
from ganchu_workflow.errors import DatabaseFault, DefinitionChanged, Invalid, WorkflowError
from ganchu_workflow.process.deadlines import FactRule
from ganchu_workflow.process.definition import KindDefinition
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import IDS, Statement

LISTED = 1000
"""How many of each sort are listed, if nothing else is said."""
Books = Callable[[str, Rows], Rulebook]

_LATE_NOW = (DEADLINE.c.status == "armed", DEADLINE.c.fires.is_not(None), DEADLINE.c.due_at < bindparam("present"))


def _within(n: int) -> Any:
    since = bindparam(f"step_{n}", type_=DEADLINE.c.due_at.type)
    return func.sum(case((DEADLINE.c.due_at >= since, 1), else_=0)).label(f"within_{n}")


_COUNTS = (
    select(
        DEADLINE.c.round_id,
        STUCK.c.status,
        func.count().label("number"),
        func.min(DEADLINE.c.due_at).label("oldest"),
        *(_within(n) for n in range(len(STEPS))),
    )
    .select_from(DEADLINE)
    .outerjoin(STUCK, IN_TROUBLE)
    .where(*_LATE_NOW, NOT_CALLED_OFF)
    .group_by(DEADLINE.c.round_id, STUCK.c.status)
)
_PLACE = (CASE.c.kind, CASE.c.stage, CASE.c.state, DEADLINE.c.case_id, DEADLINE.c.name, DEADLINE.c.round_id)
_LATE = (
    select(*_PLACE, DEADLINE.c.due_at, STUCK.c.status, STUCK.c.code, STUCK.c.why, STUCK.c.tries, STUCK.c.again_at)
    .select_from(DEADLINE)
    .join(CASE, CASE.c.id == DEADLINE.c.case_id)
    .outerjoin(STUCK, IN_TROUBLE)
    .where(*_LATE_NOW, NOT_CALLED_OFF)
    .order_by(DEADLINE.c.due_at, DEADLINE.c.case_id, DEADLINE.c.name)
    .limit(bindparam("most"))
)
_AWAITING = (
    select(*_PLACE, DEADLINE.c.armed_at)
    .select_from(DEADLINE)
    .join(CASE, CASE.c.id == DEADLINE.c.case_id)
    .where(DEADLINE.c.status == AWAITING, NOT_CALLED_OFF)
    .order_by(DEADLINE.c.armed_at, DEADLINE.c.case_id, DEADLINE.c.name)
    .limit(bindparam("most"))
)
_SUSPENDED_NOW = (
    select(*_PLACE, DEADLINE.c.remainder)
    .select_from(DEADLINE)
    .join(CASE, CASE.c.id == DEADLINE.c.case_id)
    .where(DEADLINE.c.status == SUSPENDED, NOT_CALLED_OFF)
    .order_by(DEADLINE.c.case_id, DEADLINE.c.name)
    .limit(bindparam("most"))
)
_ASKED = {"counts": _COUNTS, "late": _LATE, "awaiting": _AWAITING, "suspended": _SUSPENDED_NOW}
_OF_ALL = {name: Statement(asked) for name, asked in _ASKED.items()}
_OF_ROUND = {name: Statement(asked.where(DEADLINE.c.round_id == bindparam("round"))) for name, asked in _ASKED.items()}
_WITHOUT = Statement(
    select(CASE.c.id, CASE.c.kind, CASE.c.stage, CASE.c.state, CASE.c.facts)
    .where(CASE.c.round_id == bindparam("round"), CASE.c.kind == bindparam("kind"))
    .where(
        CASE.c.state.in_(bindparam(IDS, expanding=True)),
        ~select(DEADLINE.c.case_id)
        .where(DEADLINE.c.case_id == CASE.c.id, DEADLINE.c.name == bindparam("deadline"))
        .correlate(CASE)
        .exists(),
    )
    .order_by(CASE.c.id)
)
_TRIED = Statement(
    select(ATTEMPT.c.body)
    .where(ATTEMPT.c.case_id == bindparam("round"), ATTEMPT.c.name == bindparam("trigger"))
    .where(ATTEMPT.c.code != bindparam("done"))
    .order_by(ATTEMPT.c.recorded_at.desc(), ATTEMPT.c.id.desc())
    .limit(1)
)
_EVENTS = Statement(select(EVENT.c.body).where(EVENT.c.case_id == bindparam("case")).order_by(EVENT.c.seq.desc()))


def tally(link: Link, now: datetime, round_id: str | None = None, unrunnable: Iterable[str] = ()) -> Tally:
    """Count what is late: one question, whose cost follows what is due."""
    by_reason: Counter[str] = Counter()
    within = [0] * len(STEPS)
    oldest: datetime | None = None
    steps = {f"step_{n}": now - step for n, step in enumerate(STEPS)}
    asked = _OF_ALL["counts"] if round_id is None else _OF_ROUND["counts"]
    for row in link.execute(asked, {"present": now, "round": round_id, **steps}):
        by_reason[_why(row.status, row.round_id, unrunnable)] += row.number
        oldest = row.oldest if oldest is None else min(oldest, row.oldest)
        for n in range(len(STEPS)):
            within[n] += int(getattr(row, f"within_{n}"))
    total = by_reason.total()
    upper = [*within, total]
    counts = [most - (upper[n - 1] if n else 0) for n, most in enumerate(upper)]
    histogram = tuple(zip((*STEPS, None), counts, strict=True))
    return Tally(now, total, {reason: by_reason[reason] for reason in REASONS}, histogram, oldest)


def overdue(link: Link, books: Books, calendars: Calendars, now: datetime, round_id: str | None, limit: int) -> Overdue:
    """See `Workflow.overdue`."""
    asking = _Asking(link, books, calendars, now, round_id, limit)
    late = tuple(asking.late())
    awaiting = tuple(asking.awaiting())
    suspended, unserved = tuple(asking.suspended()), tuple(asking.unserved())
    counted = tally(link, now, round_id, asking.unrunnable)
    why = {r: why for r, (_, why) in asking.unrunnable.items()}
    return Overdue(counted, late, awaiting, suspended, unserved, why, tuple(asking.behind()))


class _Asking:
    """One look at what is late, with the rulebooks it needs."""

    def __init__(
        self, link: Link, books: Books, calendars: Calendars, now: datetime, round_id: str | None, limit: int
    ) -> None:
        self.link = link
        self.rows = Rows(link)
        self.books = books
        self.calendars = calendars
        self.now = now
        self.round = round_id
        self.limit = limit
        self.unrunnable: dict[str, tuple[str, str]] = {}
        chosen = queries.rounds(link) if round_id is None else [c.view() for c in self.rows.cases([round_id])]
        self.rounds = {r.id: self._book(r.id) for r in chosen if r.state != "cancelled"}
        self.latest = calendars.latest(self.rows)
        self.chosen = {r.id: r for r in chosen}

    def late(self) -> Iterator[Late]:
        """Every deadline that is late, the latest first."""
        for row in self._ask("late", present=self.now):
            code, reason = row.code, row.why
            if row.round_id in self.unrunnable:
                code, reason = self.unrunnable[row.round_id]
            yield Late(
                **self._place(row),
                due_at=row.due_at,
                late_by=self.now - row.due_at,
                why=_why(row.status, row.round_id, self.unrunnable),
                code=code,
                reason=reason,
                tries=row.tries or 0,
                again_at=row.again_at,
            )

    def awaiting(self) -> Iterator[AwaitingCalendar]:
        """Every deadline that waits for a year's calendar, the oldest first."""
        found = list(self._ask("awaiting"))
        beside = self.rows.deadlines({row.case_id for row in found})
        for row in found:
            missing = self._missing(row, beside.get(row.case_id, {}))
            yield AwaitingCalendar(**self._place(row), since=row.armed_at, year=missing)

    def suspended(self) -> Iterator[Suspended]:
        """Every deadline that an act has suspended."""
        for row in self._ask("suspended"):
            since = self._suspended_since(row.case_id, row.name)
            yield Suspended(**self._place(row), left=row.remainder, since=since)

    def unserved(self) -> Iterator[Unserved]:
        """Every case that stands where a period would run, if the fact were declared that it starts at."""
        left = self.limit
        for round_id, book in self.rounds.items():
            if book is None:
                continue
            for kind in book.process.kinds.values():
                for timer in kind.timers:
                    rule = timer.deadline.rule
                    if isinstance(rule, FactRule) or rule.start is None:
                        continue
                    values = {"round": round_id, "kind": kind.kind, "deadline": timer.name, IDS: sorted(timer.runs_in)}
                    for row in self.link.execute(_WITHOUT, values):
                        if left == 0:
                            return
                        served = decode(row.facts).get(rule.start.key) is not None
                        if served or limit_of(book.process, timer, rule, row.stage or "") is None:
                            continue
                        left -= 1
                        yield Unserved(
                            case=row.id,
                            kind=row.kind,
                            round=round_id,
                            stage=row.stage or "",
                            state=row.state,
                            deadline=timer.name,
                            label=timer.deadline.label or timer.name,
                            owner=kind.states[row.state].owner,
                            fact=rule.start.key,
                            since=self._stands_since(row.id, row.state),
                        )

    def behind(self) -> Iterator[Behind]:
        """Every round that does not go by the calendar that it should, and what has stood in the way."""
        for round_id in self.rounds:
            found = stands(self.calendars, self.latest, self.chosen[round_id], self.rows)
            if found is not None:
                cannot = self.unrunnable.get(round_id)
                yield replace(found, why=cannot[1] if cannot else found.why or self._in_vain(round_id))

    def _in_vain(self, round_id: str) -> str | None:
        found = self.link.execute(_TRIED, {"round": round_id, "trigger": ADOPT, "done": "calendar_adopted"}).first()
        return None if found is None else str(decode(found.body)["en"])

    def _ask(self, name: str, **values: Any) -> Iterable[Any]:
        asked = _OF_ALL[name] if self.round is None else _OF_ROUND[name]
        return self.link.execute(asked, {"most": self.limit, "round": self.round, **values})

    def _book(self, round_id: str) -> Rulebook | None:
        try:
            return self.books(round_id, self.rows)
        except (DefinitionChanged, Invalid) as error:
            self.unrunnable[round_id] = error.code, error.message
            return None

    def _place(self, row: Any) -> dict[str, Any]:
        book = self.rounds.get(row.round_id)
        kind = book.process.kinds.get(row.kind) if book else None
        state = kind.states.get(row.state) if kind else None
        return {
            "case": row.case_id,
            "kind": row.kind,
            "round": row.round_id,
            "stage": row.stage or "",
            "state": row.state,
            "deadline": row.name,
            "label": _label(kind, row.name) if kind else row.name,
            "owner": state.owner if state else None,
        }

    def _missing(self, row: Any, beside: Mapping[str, Running]) -> int | None:
        book = self.rounds.get(row.round_id)
        if book is None:
            return None
        try:
            calendar = to_be(self.calendars, self.latest, self.chosen[row.round_id], self.rows)
            return missing_year(book, book.process.kind(row.kind), row.stage or "", row.name, beside, calendar)
        except DatabaseFault:
            raise
        except WorkflowError:
            return None  # what stands in its way is told of the round, or by the sweep

    def _suspended_since(self, case_id: str, name: str) -> datetime:
        for row in self.link.execute(_EVENTS, {"case": case_id}):
            event = decode(row.body)
            if any((c["name"], c["status"]) == (name, SUSPENDED) for c in event["deadlines"]):
                return from_text(event["effective_at"])
        return self.now

    def _stands_since(self, case_id: str, state: str) -> datetime:
        since = self.now
        for row in self.link.execute(_EVENTS, {"case": case_id}):
            event = decode(row.body)
            since = from_text(event["effective_at"])
            if event["target"] == state and event["source"] != state:
                break
        return since


def _label(kind: KindDefinition, name: str) -> str:
    """What an official calls a deadline, or an alert beside one."""
    labels = {t.name: t.deadline.label or t.name for t in kind.timers}
    alerts = {alone: f"{labels[t.name]}:{a.label_zh}" for t, a, alone in alerts_of(kind)}
    return (labels | alerts).get(name, name)


def _why(status: str | None, round_id: str, unrunnable: Iterable[str]) -> str:
    return UNRUNNABLE if round_id in unrunnable else status or NO_WORKER
