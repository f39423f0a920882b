"""The deadlines of a case as they stand, and how the end of one was reckoned, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.engine.awaiting import missing_year
from ganchu_workflow.engine.calendars import FACT, Calendars
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.deadlines import AWAITING, alerts_of
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.errors import DatabaseFault, Invalid, Unknown, WorkflowError, YearNotPublished
from ganchu_workflow.process.deadlines import EXTENDED, FactRule
from ganchu_workflow.process.definition import Timer
from ganchu_workflow.timing import Reckoning, WorkingCalendar, parse_limit, reckon
from ganchu_workflow.timing.days import day_it_ends
from ganchu_workflow.timing.left import read_left
from ganchu_workflow.timing.reckoning import shown_end

_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class RunningAlert:
    """A reminder, or a rung of an escalation, beside a deadline."""

    distance: str
    """`3 working days before`."""
    label: str
    """`届满前3个工作日提醒`."""
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
    """What is left of one that does not run; of a grace that was stopped and goes on, what was left of it."""
    since: datetime
    """From when it runs."""
    awaits: int | None
    """The year whose calendar it waits for; None where it waits for none."""
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
            beside = tuple(RunningAlert(str(a), a.label_zh, r.due_at, r.status) for a, r in alerts)
            rests = rest_day(running.end.astimezone(book.zone), calendar) if running.end and calendar else None
            waits = running.status == AWAITING and calendar is not None
            awaits = missing_year(book, kind, case.stage, timer.name, stored, calendar) if waits and calendar else None
            found.append(_view(rows, book, timer, running, awaits, rests, beside))
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
    kind = book.process.kind(case.kind)
    timer = kind.timer(name, case.stage) or next((t for t in kind.timers if t.deadline.label == name), None)
    found = deadlines_of(rows, book, calendars, case)
    view = next((d for d in found if timer is not None and d.name == timer.name), None)
    if timer is None or view is None:
        there = ", ".join(d.name for d in found) or "none"
        raise Unknown(
            f"本案现无名为“{name}”的期限,已结束的见 ganchu history / no deadline '{name}' runs on the case {case.id} "
            f"now; there are: {there}; of what is over see ganchu history",
            case=case.id,
        )
    if isinstance(timer.deadline.rule, FactRule):
        return _of_an_act(rows, book, case, timer.deadline.rule, view)
    if view.status == "awaiting_calendar" and view.ends_at is None:
        zh = f"待{view.awaits or '所涉'}年放假安排公布并导入后推算(ganchu calendar import)"
        en = f"its end waits for the calendar of {view.awaits or 'a year that is not loaded'} (ganchu calendar import)"
        return Explanation(case.id, view, None, zh, en)
    if view.status in ("stopped", "suspended"):
        left = f"剩余{read_left(view.remainder).label_zh('恢复当日')}" if view.remainder else "已无剩余"
        return Explanation(case.id, view, None, f"期限未在计算,{left}", f"it does not run; left: {view.remainder}")
    if view.remainder is not None:
        return _of_a_grace(rows, book, case.id, view, view.remainder, _goes_by(rows, calendars, case.round))
    if view.rule.endswith(EXTENDED):
        *_, fixed = [None, *(e for e in _newest_first(rows, case) if _fixes(e, view))]
        return _stated(book, case.id, view, fixed)
    rule = view.rule.partition(" = ")[2]
    reckoning = _reckoned(rows, book, rule, to_text(view.since), view.calendar)
    present = _goes_by(rows, calendars, case.round)
    anew = _reckoned(rows, book, rule, to_text(view.since), present) if present is not None else None
    return _agreeing(book, case.id, view, reckoning, anew)


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
            return _agreeing(book, case.id, view, _reckoned(rows, book, said, begins, calendar))
    return _stated(book, case.id, view, fixed)


def _of_a_grace(
    rows: Rows, book: Rulebook, case_id: str, view: RunningDeadline, left: str, calendar: WorkingCalendar | None
) -> Explanation:
    """A grace that was stopped and goes on: what was left of it is reckoned from then."""
    reckoning = _reckoned(rows, book, left, to_text(view.since), calendar)
    zh = f"已过截止时间,宽限期自恢复时起计算剩余的{read_left(left).label_zh('恢复当日')}"
    en = f"its end is past; its grace goes on with what was left of it: {left}"
    if reckoning is not None and view.due_at is not None and reckoning.due_at != view.due_at:
        over = shown_end(view.due_at.astimezone(book.zone))
        zh, en = f"{zh},经办理延至{over}", f"{en}; an act has made it longer, to {over}"
    return Explanation(case_id, view, reckoning, zh, en)


def _fixes(event: Mapping[str, Any], view: RunningDeadline) -> bool:
    change = next((c for c in event["deadlines"] if c["name"] == view.name), None)
    if change is None or view.ends_at is None or not (change.get("rule") or "").endswith(EXTENDED):
        return False
    return bool((change["shown_at"] or change["due_at"]) == to_text(view.ends_at))


def _stated(book: Rulebook, case_id: str, view: RunningDeadline, event: Mapping[str, Any] | None) -> Explanation:
    """An end that an act has fixed: which end, which act, and what that rests on."""
    if event is None or view.ends_at is None:
        return Explanation(case_id, view, None, "截止时间由办理事项确定", "an act has fixed this end: see the history")
    seq, trigger, data = event["seq"], event["trigger"], event["data"]
    end = shown_end(view.ends_at.astimezone(book.zone))
    rests = [text for text in (data.get("ground"), data.get("document")) if isinstance(text, str)]
    zh = f"截止时间{end}由本案第{seq}号记录({trigger})确定" + (f",依据{'、'.join(rests)}" if rests else "")
    en = f"its end, {end}, was fixed by event {seq} of the case ({trigger})" + (
        f": {', '.join(rests)}" if rests else ""
    )
    return Explanation(case_id, view, None, zh, en)


def _newest_first(rows: Rows, case: CaseState) -> Iterator[Mapping[str, Any]]:
    return (decode(text) for text in rows.history(case.id))


def _agreeing(
    book: Rulebook, case_id: str, view: RunningDeadline, reckoning: Reckoning | None, anew: Reckoning | None = None
) -> Explanation:
    """`anew`: as the calendar that the round goes by now would have it."""
    if reckoning is None:
        return Explanation(case_id, view, None, "无法复算", "it cannot be reckoned once more")
    if reckoning.due_at != view.ends_at:
        return Explanation(
            case_id, view, reckoning, "印发的截止时间与推算不一致,以印发为准", "the stated end differs, and stands"
        )
    if anew is not None and anew.due_at != reckoning.due_at:
        other = shown_end(anew.due_at.astimezone(book.zone))
        zh = f"按当时的日历逐日推算;按现行日历为{other},已起算的截止不提前"
        en = f"reckoned day by day by the calendar of then; by the present one it were {other}: no end moves earlier"
        return Explanation(case_id, view, reckoning, zh, en)
    return Explanation(case_id, view, reckoning, "按规则逐日推算", "reckoned day by day by its rule")


def _reckoned(rows: Rows, book: Rulebook, rule: str, begins: str, by: object) -> Reckoning | None:
    """By a calendar, or by the stored one of that version. None also where a stage has called something else by the
    names of these facts."""
    try:
        body = rows.calendar(by) if isinstance(by, str) else None
        stored = WorkingCalendar.from_document(decode(body)) if body else WorkingCalendar({})
        calendar = by if isinstance(by, WorkingCalendar) else stored
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
    rows: Rows,
    book: Rulebook,
    timer: Timer,
    running: Running,
    awaits: int | None,
    rests: bool | None,
    alerts: tuple[RunningAlert, ...],
) -> RunningDeadline:
    return RunningDeadline(
        running.name,
        timer.deadline.label or timer.deadline.name,
        running.status,
        running.end,
        running.due_at,
        running.remainder,
        running.armed_at,
        awaits,
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
