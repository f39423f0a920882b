"""What an event does to the deadlines of its case: they start, stop, go on, move, or are gone.

Each change is noted in the event itself, so that the deadline table can be computed again from the history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import YearNotPublished
from ganchu_workflow.process.deadlines import EXTENDED, Alert, FactRule, SettingRule
from ganchu_workflow.process.definition import KindDefinition, Process, Timer
from ganchu_workflow.timing import NotLaterThan, Period, Unit, parse_limit, remaining

ARMED, STOPPED, SUSPENDED, FIRED = "armed", "stopped", "suspended", "fired"
"""Running; stopped by the state of its case; suspended by an act; run out."""
AWAITING = "awaiting_calendar"
REMIND, ESCALATE = "deadline:remind", "deadline:escalate"
"""What an alert fires: a message, and no transition."""
_UNBOUNDED = 10**6
_Changes = list[dict[str, Any]]


def settle_after(
    work: Workspace, process: Process, kind: KindDefinition, case: CaseState, source: str | None, at: datetime
) -> _Changes:
    """Bring the case's deadlines in line with the state it has just reached; the changes, for the event.

    `at` is when the step takes effect: periods run from it.
    """
    if not kind.timers:
        return []
    settling = Settling(work, process, case, at)
    for timer in kind.timers:
        before = work.deadlines(case).get(timer.name)
        settling.becomes(timer, settling.after(timer, before, source))
    return settling.changes


def describe(running: Running) -> dict[str, Any]:
    """A deadline as it is written into an event."""
    return {
        "name": running.name,
        "status": running.status,
        "due_at": to_text(running.due_at) if running.due_at else None,
        "rule": running.rule,
        "fires": running.fires,
        "armed_at": to_text(running.armed_at),
        "remainder": running.remainder,
        "calendar": running.calendar,
        "shown_at": to_text(running.shown_at) if running.shown_at else None,
    }


class Settling:
    """The deadlines of one case in one step, which takes effect `at`: what they become, and the changes so far."""

    def __init__(self, work: Workspace, process: Process, case: CaseState, at: datetime) -> None:
        self.work = work
        self.process = process
        self.case = case
        self.at = at
        self.changes: _Changes = []

    def becomes(self, timer: Timer, after: Running | None) -> None:
        """A deadline changes, or is gone; its alerts go with it."""
        before = self.work.deadlines(self.case).get(timer.name)
        waited = before is not None and before.status == AWAITING and before.end is None
        # One that gets its end only now has been running all the while: whom it concerns is told of what has passed.
        since = before.armed_at if before is not None and waited else self.at
        self._note(timer.name, after)
        for alert in timer.deadline.alerts:
            name = timer.alert_name(alert)
            self._note(name, self._alert(timer, alert, name, after, since))

    def _note(self, name: str, after: Running | None) -> None:
        deadlines = self.work.deadlines(self.case)
        if after == deadlines.get(name):
            return
        if after is None:
            del deadlines[name]
            self.changes.append({"name": name, "status": "gone"})
        else:
            deadlines[name] = after
            self.changes.append(describe(after))

    # ── a deadline after a step of its case ──

    def after(self, timer: Timer, before: Running | None, source: str | None) -> Running | None:
        """What a deadline is once the case has come from `source` to where it stands now."""
        state, rule = self.case.state, timer.deadline.rule
        if before is not None and before.status == SUSPENDED and state in timer.runs_in | timer.stops_in:
            return before  # only an act lets it go on
        if state in timer.runs_in:
            if before is not None and before.status == STOPPED:
                return self.resumed(timer, before)
            if isinstance(rule, FactRule):
                return self._fixed(timer, rule, before)
            stayed = source in timer.runs_in and (before is not None or rule.start is None)
            ran_out = before is not None and before.status == FIRED and source in timer.stops_in
            if (stayed and source is not None) or ran_out:
                return before
            return self._started(timer, rule)
        if state in timer.stops_in:
            return self.stopped(timer, before, STOPPED)
        return None

    def _fixed(self, timer: Timer, rule: FactRule, before: Running | None) -> Running | None:
        text = self.case.facts.get(rule.key)
        if text is None:
            return None
        end = from_text(text)
        if before is not None and before.end == end:
            return before
        begun = self.at if before is None else before.armed_at
        return self._graced(timer, Running(timer.name, ARMED, end, str(rule), _fires(timer), begun))

    def _graced(self, timer: Timer, running: Running) -> Running:
        """A deadline whose end is known, with its grace; while that cannot be reckoned, only the end is known."""
        known = self.with_grace(timer, running)
        return known or replace(running, status=AWAITING, due_at=None, shown_at=running.due_at, remainder=None)

    def _started(self, timer: Timer, rule: SettingRule) -> Running | None:
        period = self._limit(timer, rule)
        start = self.at
        if rule.start is not None:
            text = self.case.facts.get(rule.start.key)
            if text is None:
                return None
            start = from_text(text)
        return None if period is None else self._armed(timer, start, period)

    def _armed(self, timer: Timer, start: datetime, limit: Period | NotLaterThan) -> Running:
        written = str(limit)
        rule = f"{timer.deadline.rule} = {written}"
        waiting = Running(timer.name, AWAITING, None, rule, _fires(timer), start, remainder=written)
        return self.resolved(timer, waiting) or waiting

    def resolved(self, timer: Timer, waiting: Running) -> Running | None:
        """The deadline with its end, reckoned from where it started; None while a year it needs is not loaded, or where
        the case does not stand in a state in which it runs."""
        if self.case.state not in timer.runs_in:
            return None
        if waiting.remainder is None:  # its end is known, and its grace was not
            return self.with_grace(timer, replace(waiting, status=ARMED, due_at=waiting.shown_at, shown_at=None))
        limit = parse_limit(waiting.remainder)
        if isinstance(limit, NotLaterThan):
            # What comes to stand here after that instant has run out as soon as it does.
            due_at = max(limit.instant, waiting.armed_at)
            return self.with_grace(timer, replace(waiting, status=ARMED, due_at=due_at, remainder=None))
        try:
            reckoning = self.work.reckon(limit, waiting.armed_at)
        except YearNotPublished:
            return None
        if waiting.shown_at is not None:  # what was left is of its grace
            return replace(waiting, status=ARMED, due_at=reckoning.due_at, remainder=None)
        version = reckoning.calendar_version
        armed = replace(waiting, status=ARMED, due_at=reckoning.due_at, remainder=None, calendar=version)
        return self.with_grace(timer, armed)

    def with_grace(self, timer: Timer, armed: Running) -> Running | None:
        """The deadline, due at the end of its grace if it has one; None while a year that needs is not loaded."""
        grace = self._limit(timer, timer.deadline.grace) if timer.deadline.grace else None
        if grace is None or armed.due_at is None:
            return armed
        try:
            return replace(armed, due_at=self.work.reckon(grace, armed.due_at).due_at, shown_at=armed.due_at)
        except YearNotPublished:
            return None

    # ── what an act does to a deadline ──

    def stopped(self, timer: Timer, before: Running | None, status: str) -> Running | None:
        """The deadline with what is left of it, in the rule's own units; one that ran out, or stands, as it is."""
        if before is None or isinstance(timer.deadline.rule, FactRule) or not self._runs_now(before):
            return before
        # Of one that has gone on before, this is what was left then.
        period = parse_limit(before.rule.removesuffix(EXTENDED).partition(" = ")[2])
        if isinstance(period, NotLaterThan):
            # A fixed end stays where it is, also while nobody counts; an act may have put it elsewhere.
            end = before.end.astimezone(self.work.around.zone) if before.end is not None else period.instant
            stays = NotLaterThan(end)
            return replace(before, status=status, due_at=None, remainder=str(stays), shown_at=None)
        if before.status == AWAITING and before.shown_at is None:
            left = str(self._not_used(period, before.armed_at))
            return replace(before, status=status, remainder=left)
        if before.rule.endswith(EXTENDED) and not period.unit.in_hours:
            # An act gave it more than its period: all of that is left, to the last day.
            whole = Unit.WORKING_DAYS if period.unit is Unit.WORKING_DAYS else Unit.CALENDAR_DAYS
            period = Period(_UNBOUNDED, whole, ends_at=period.ends_at, rolls=period.rolls)
        end = before.end or self.at
        if end < self.at:
            # Only its grace is left: the end that was shown stays shown.
            grace = self._limit(timer, timer.deadline.grace) if timer.deadline.grace else None
            rest = str(self._grace_left(grace, end, before.due_at)) if isinstance(grace, Period) else None
            return replace(before, status=status, due_at=None, remainder=rest, calendar=None, shown_at=end)
        rest = str(self._left(period, end))
        return replace(before, status=status, due_at=None, remainder=rest, calendar=None, shown_at=None)

    def _runs_now(self, running: Running) -> bool:
        """Whether something is left of it to be stopped."""
        if running.status == AWAITING:
            return True
        return running.status == ARMED and running.due_at is not None and running.due_at >= self.at

    def _not_used(self, period: Period, start: datetime) -> Period:
        """What is left of a period whose end is not known yet: less the days that have passed before today."""
        self.work.pending.calendar_used = True
        zone = self.work.around.zone
        first, today = start.astimezone(zone).date(), self.at.astimezone(zone).date()
        days = [first + timedelta(days=n) for n in range((today - first).days)]
        passed = days if period.counts_start else days[1:]
        if period.unit not in (Unit.WORKING_DAYS, Unit.CALENDAR_DAYS):
            return period
        try:
            each = [period.unit is Unit.CALENDAR_DAYS or self.work.calendar.is_working_day(day) for day in passed]
        except YearNotPublished:
            return period  # nobody knows how many of them were worked
        used = sum(each)
        return replace(period, length=max(1, period.length - used), counts_start=False)

    def _grace_left(self, grace: Period, end: datetime, due_at: datetime | None) -> Period | NotLaterThan:
        """What is left of a grace that began at `end`; `due_at`: when it would be over, if that is known."""
        return self._not_used(grace, end) if due_at is None else self._left(grace, due_at)

    def _left(self, period: Period, end: datetime) -> Period | NotLaterThan:
        self.work.pending.calendar_used = True
        # At its very last instant it has not run out: the day of stopping is not used up.
        stopped_at = min(self.at, end - timedelta(microseconds=1))
        try:
            return remaining(period, stopped_at, end, self.work.calendar, self.work.around.zone)
        except YearNotPublished:
            return NotLaterThan(
                end.astimezone(self.work.around.zone)
            )  # an act has put it into a year whose days nobody can count

    def resumed(self, timer: Timer, before: Running) -> Running:
        """The deadline goes on with what is left of it, from now."""
        if before.remainder is None:
            # Stopped when its end had passed: nothing is left to run.
            return Running(timer.name, ARMED, self.at, before.rule, before.fires, self.at)
        if before.shown_at is not None:  # what is left is of its grace
            waiting = replace(before, status=AWAITING, armed_at=self.at)
            return self.resolved(timer, waiting) or waiting
        return self._armed(timer, self.at, parse_limit(before.remainder))

    def moved(self, timer: Timer, before: Running, end: datetime) -> Running:
        """The deadline ends at another instant, which an act has fixed: no calendar moves it any more."""
        rule = before.rule if before.rule.endswith(EXTENDED) else before.rule + EXTENDED
        moved = replace(before, status=ARMED, due_at=end, rule=rule, remainder=None, calendar=None, shown_at=None)
        return self._graced(timer, moved)

    def ended(self, before: Running) -> Running:
        """The deadline ends now, by an act."""
        rule = before.rule if before.rule.endswith(EXTENDED) else before.rule + EXTENDED
        return replace(before, status=ARMED, due_at=self.at, rule=rule, remainder=None, calendar=None, shown_at=None)

    # ── alerts ──

    def _alert(self, timer: Timer, alert: Alert, name: str, main: Running | None, since: datetime) -> Running | None:
        """The alert beside a deadline that is now `main`: at its instant, or, while a year that needs is not loaded,
        without one."""
        earlier = self.work.deadlines(self.case).get(name)
        if main is None or main.end is None or main.status in (STOPPED, SUSPENDED):
            return None
        if main.status == FIRED and not (alert.after and self.case.state in timer.runs_in):
            return None
        told = earlier is not None and earlier.status == FIRED
        if earlier is not None and not told:
            since = earlier.armed_at
        fires, distance = ESCALATE if alert.after else REMIND, str(alert.distance)
        waiting = Running(name, AWAITING, None, str(alert), fires, since, remainder=distance)
        calendar, zone, hour = self.work.in_force()
        try:
            at = alert.instant(main.end, calendar, zone=zone, close_of_business=hour)
        except YearNotPublished:
            return waiting
        if earlier is not None and (earlier.due_at == at or (told and at <= self.at)):
            return earlier
        if at <= since or not (alert.after or self.at < main.end):
            return None  # nobody is reminded of what was nearer than that from the first, or is over
        return replace(waiting, status=ARMED, due_at=at, remainder=None, calendar=calendar.version)

    # ── what its settings say ──

    def _limit(self, timer: Timer, rule: SettingRule) -> Period | NotLaterThan | None:
        return limit_of(self.process, timer, rule, self.case.stage)


def limit_of(process: Process, timer: Timer, rule: SettingRule, stage: str) -> Period | NotLaterThan | None:
    """What the settings say, for a deadline of a case that stands in `stage`; None: there is no such period."""
    value = getattr(process.stage(timer.stage or stage).settings, rule.key)
    return value if value is None or isinstance(value, Period | NotLaterThan) else parse_limit(str(value))


def alerts_of(kind: KindDefinition) -> Iterator[tuple[Timer, Alert, str]]:
    """The alerts of a kind's deadlines, each with the name under which it runs."""
    for timer in kind.timers:
        for alert in timer.deadline.alerts:
            yield timer, alert, timer.alert_name(alert)


def _fires(timer: Timer) -> str | None:
    fires = timer.deadline.fires
    if fires is None:
        return None
    return f"{timer.stage}.{fires.name}" if timer.stage else fires.name
