"""The deadlines of a case as they stand, and how the end of one was reckoned, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.engine.calendars import FACT, Calendars
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.deadlines import alerts_of
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.errors import DatabaseFault, Invalid, Unknown, WorkflowError, YearNotPublished
from ganchu_workflow.process.deadlines import EXTENDED, FactRule
from ganchu_workflow.process.definition import Timer
from ganchu_workflow.timing import Reckoning, WorkingCalendar, parse_limit, reckon
from ganchu_workflow.timing.days import day_it_ends

_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class RunningAlert:
    """A reminder, or a rung of an escalation, beside a deadline."""

    distance: str
    """`3 working days before`."""
    at: datetime | None
    status: str


@dataclass(frozen=True, slots=True)
class RunningDeadline:
    """A deadline of a case as it stands: `armed`, `stopped`, `suspended`, `fired` or `awaiting_calendar`."""

    name: str
    label: str
    """What an official calls it."""
    status: str
    ends_at: datetime | None
    """The end that is shown; None while it does not run."""
    due_at: datetime | None
    """When it fires: later than `ends_at` by its grace."""
    remainder: str | None
    """What is left of one that does not run."""
    since: datetime
    """From when it runs."""
    rule: str
    calendar: str | None
    """The version of the working-day calendar it was reckoned by; None where none had a part in its end."""
    provisional: bool
    """Whether its end lies in a December that the next year's notice, not known to that calendar, may still change."""
    rest_day: bool | None
    """Whether the shown end lies on a day off, by the calendar that the round goes by: an act may put it there, and
    nothing moves it. None where there is no end, or nobody can say."""
    alerts: tuple[RunningAlert, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the end of a deadline was found. `reckoning` is None where it was not reckoned, or cannot be any more."""

    case: str
    deadline: RunningDeadline
    reckoning: Reckoning | None
    zh: str
    en: str

    def text_zh(self) -> str:
        """For the record: which deadline it is, the note, and every day of the reckoning."""
        days = [self.reckoning.text_zh("起算当日")] if self.reckoning else []
        return "\n".join([f"{self.deadline.label}({self.deadline.name})", self.zh, *days])

    def text_en(self) -> str:
        """The same in English."""
        days = [self.reckoning.text_en("start day")] if self.reckoning else []
        return "\n".join([self.deadline.name, self.en, *days])


def deadlines_of(rows: Rows, book: Rulebook, calendars: Calendars, case: CaseState) -> list[RunningDeadline]:
    """The deadlines of a case as they stand, in the order of their declaration."""
    calendar = _goes_by(rows, calendars, case.round)
    kind = book.process.kind(case.kind)
    stored = rows.deadlines([case.id]).get(case.id, {})
    found = []
    for timer in kind.timers:
        running = stored.get(timer.name)
        if running is not None:
            alerts = [(a, stored[name]) for t, a, name in alerts_of(kind) if t is timer and name in stored]
            beside = tuple(RunningAlert(str(a), r.due_at, r.status) for a, r in alerts)
            rests = rest_day(running.end.astimezone(book.zone), calendar) if running.end and calendar else None
            found.append(_view(rows, book, timer, running, rests, beside))
    return found


def rest_day(end: datetime, calendar: WorkingCalendar) -> bool | None:
    """Whether an end, given in the zone of its round, lies on a day off; None: the calendar lacks its year."""
    try:
        return not calendar.is_working_day(day_it_ends(end))
    except YearNotPublished:
        return None


def explain(rows: Rows, book: Rulebook, calendars: Calendars, case: CaseState, name: str) -> Explanation:
    """How the end of that deadline was found: reckoned once more by the rule and the calendar it was reckoned by.

    Raises `Unknown` when the case has no such deadline now.
    """
    timer = book.process.kind(case.kind).timer(name, case.stage)
    found = deadlines_of(rows, book, calendars, case)
    view = next((d for d in found if timer is not None and d.name == timer.name), None)
    if timer is None or view is None:
        there = ", ".join(d.name for d in found) or "none"
        raise Unknown(f"no deadline '{name}' runs on the case {case.id} now; there are: {there}", case=case.id)
    if isinstance(timer.deadline.rule, FactRule):
        return _of_an_act(rows, book, case, timer.deadline.rule, view)
    if view.status == "awaiting_calendar":
        return Explanation(case.id, view, None, "所涉年度的放假安排尚未导入", "a year it reaches into is not published")
    if view.ends_at is None:
        left = f"剩余{parse_limit(view.remainder).label_zh('恢复当日')}" if view.remainder else "已无剩余"
        return Explanation(case.id, view, None, f"期限未在计算,{left}", f"it does not run; left: {view.remainder}")
    if view.rule.endswith(EXTENDED):
        fixed = next((e for e in _newest_first(rows, case) if _fixes(e, view)), None)
        return _stated(case.id, view, fixed)
    reckoning = _reckoned(rows, book, view.rule.partition(" = ")[2], to_text(view.since), view.calendar)
    return _agreeing(case.id, view, reckoning)


def _of_an_act(rows: Rows, book: Rulebook, case: CaseState, rule: FactRule, view: RunningDeadline) -> Explanation:
    """A printed end: the act that fixed it says by which rule and calendar it was reckoned, if it was."""
    fixed: Mapping[str, Any] | None = None
    for event in _newest_first(rows, case):
        facts: Mapping[str, Any] = event["facts"]
        if rule.key in facts:
            said, fixed = facts.get("rule"), event
            if not isinstance(said, str):
                break
            calendar, opens_at = facts.get("calendar", event["calendar"]), facts.get("opens_at")
            begins = opens_at if isinstance(opens_at, str) else event["effective_at"]
            return _agreeing(case.id, view, _reckoned(rows, book, said, begins, calendar))
    return _stated(case.id, view, fixed)


def _fixes(event: Mapping[str, Any], view: RunningDeadline) -> bool:
    change = next((c for c in event["deadlines"] if c["name"] == view.name), None)
    if change is None or view.due_at is None or not (change["rule"] or "").endswith(EXTENDED):
        return False
    return bool(change["due_at"] == to_text(view.due_at))


def _stated(case_id: str, view: RunningDeadline, event: Mapping[str, Any] | None) -> Explanation:
    """An end that an act has fixed, and which one; its event holds the document and the ground."""
    if event is None:
        return Explanation(case_id, view, None, "截止时间由办理事项确定", "an act has fixed this end: see the history")
    seq, trigger = event["seq"], event["trigger"]
    zh, en = f"截止时间由本案第{seq}号记录({trigger})确定", f"fixed by event {seq} of the case ({trigger})"
    return Explanation(case_id, view, None, zh, en)


def _newest_first(rows: Rows, case: CaseState) -> Iterator[Mapping[str, Any]]:
    return (decode(text) for text in rows.history(case.id))


def _agreeing(case_id: str, view: RunningDeadline, reckoning: Reckoning | None) -> Explanation:
    if reckoning is None:
        return Explanation(case_id, view, None, "无法复算", "it cannot be reckoned once more")
    if reckoning.due_at != view.ends_at:
        return Explanation(
            case_id, view, reckoning, "印发的截止时间与推算不一致,以印发为准", "the stated end differs, and stands"
        )
    return Explanation(case_id, view, reckoning, "按规则逐日推算", "reckoned day by day by its rule")


def _reckoned(rows: Rows, book: Rulebook, rule: str, begins: str, version: object) -> Reckoning | None:
    """None also where a stage has called something else by the names of these facts."""
    body = rows.calendar(version) if isinstance(version, str) else None
    calendar = WorkingCalendar.from_document(decode(body)) if body else WorkingCalendar({})
    try:
        limit, start = parse_limit(rule), from_text(begins)
        return reckon(limit, start, calendar, zone=book.zone, close_of_business=book.close_of_business)
    except (Invalid, YearNotPublished):
        return None


def _goes_by(rows: Rows, calendars: Calendars, round_id: str) -> WorkingCalendar | None:
    try:
        return calendars.in_force(rows.cases([round_id])[0].facts.get(FACT), rows)
    except DatabaseFault:
        raise
    except WorkflowError:  # somebody has altered it: how the deadlines stand is told all the same
        return None


def _view(
    rows: Rows, book: Rulebook, timer: Timer, running: Running, rests: bool | None, alerts: tuple[RunningAlert, ...]
) -> RunningDeadline:
    return RunningDeadline(
        running.name,
        timer.deadline.label or timer.deadline.name,
        running.status,
        running.end,
        running.due_at,
        running.remainder,
        running.armed_at,
        running.rule,
        running.calendar,
        _provisional(rows, book, running),
        rests,
        alerts,
    )


def _provisional(rows: Rows, book: Rulebook, running: Running) -> bool:
    end = running.end.astimezone(book.zone) if running.end else None
    if end is None or day_it_ends(end).month != _DECEMBER or running.calendar is None:
        return False
    found = _reckoned(rows, book, running.rule.partition(" = ")[2], to_text(running.armed_at), running.calendar)
    return found is not None and found.provisional
