"""What an event does to the deadlines of its case: they start, stop, go on, move, or are gone.

Each change is noted in the event itself, so that the deadline table can be computed again from the history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from ganchu_workflow.actors import Role
from ganchu_workflow.clock import from_text
from ganchu_workflow.engine import telling
from ganchu_workflow.engine.cases import CaseState, Running, describe
from ganchu_workflow.engine.limits import limit_of, period_of, started_by
from ganchu_workflow.engine.looking_back import outages_since
from ganchu_workflow.engine.remainders import counted, left_until, not_used, to_the_hour_of, whole
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import LimitPassed, YearNotPublished
from ganchu_workflow.process.deadlines import EXTENDED, Alert, FactRule, SettingRule
from ganchu_workflow.process.definition import KindDefinition, Process, Timer
from ganchu_workflow.process.values import Message
from ganchu_workflow.timing import NotLaterThan, Period
from ganchu_workflow.timing.left import Uncounted, read_left

ARMED, STOPPED, SUSPENDED, FIRED = "armed", "stopped", "suspended", "fired"
"""Running; stopped by the state of its case; suspended by an act; run out."""
AWAITING = "awaiting_calendar"
REMIND, ESCALATE = "deadline:remind", "deadline:escalate"
"""What an alert fires: a message, and no transition."""
_Changes = list[dict[str, Any]]


def settle_after(
    work: Workspace,
    process: Process,
    kind: KindDefinition,
    case: CaseState,
    source: str | None,
    at: datetime,
    *,
    entered_late: bool = False,
) -> tuple[_Changes, list[Message]]:
    """Bring the case's deadlines in line with the state it has just reached; the changes, for the event, and who is
    told of one that goes on.

    `at` is when the step takes effect: periods run from it.
    """
    tells: list[Message] = []
    if not kind.timers:
        return [], tells
    settling = Settling(work, process, case, at, entered_late=entered_late)
    for timer in kind.timers:
        before = work.deadlines(case).get(timer.name)
        after = settling.after(timer, before, source)
        settling.becomes(timer, after)
        if before is not None and before.status == STOPPED and after is not None and after.status != STOPPED:
            tells += telling.runs(kind, case, timer, settling.open_until(after))
    return settling.changes, tells


class Settling:
    """The deadlines of one case in one step, which takes effect `at`: what they become, and the changes so far."""

    def __init__(
        self, work: Workspace, process: Process, case: CaseState, at: datetime, *, entered_late: bool = False
    ) -> None:
        self.entered_late = entered_late
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
            self._note(timer.alert_name(alert), self._alert(timer, alert, after, since))

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
        fixed = self._graced(timer, Running(timer.name, ARMED, end, str(rule), _fires(timer), begun))
        return _no_earlier(fixed, before)

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
        # What is entered late may start a period whose end lies in an outage that has been told meanwhile.
        found = self.known(timer, waiting) if self.entered_late else self.resolved(timer, waiting)
        return found or waiting

    # ── what waits for a year ──

    def known(self, timer: Timer, waiting: Running) -> Running | None:
        """As `resolved`; and an outage that was told while nobody knew the end moves it as it moved those of others."""
        found = self.resolved(timer, waiting)
        return None if found is None else self.past_outages(timer, found, end_was_known=waiting.end is not None)

    def resolved(self, timer: Timer, waiting: Running) -> Running | None:
        """The deadline with its end, reckoned from where it started, or with the end of its grace, which was all that
        it lacked; None while a year that needs is not loaded, or where the case does not stand where it runs."""
        if self.case.state not in timer.runs_in:
            return None
        if waiting.shown_at is not None:
            due_at = self.grace_end(timer, waiting)
            return None if due_at is None else replace(waiting, status=ARMED, due_at=due_at)
        limit = counted(self.work, waiting.remainder or "", period_of(waiting))
        if limit is None:
            return None
        rule = waiting.rule
        if str(limit) != waiting.remainder:  # only now could it be counted
            rule = f"{timer.deadline.rule} = {limit}"
        if isinstance(limit, NotLaterThan):
            # What comes to stand here after that instant has run out as soon as it does.
            due_at, version = max(limit.instant, waiting.armed_at), None
        else:
            try:
                reckoning = self.work.reckon(limit, waiting.armed_at)
            except YearNotPublished:
                return None
            due_at, version = reckoning.due_at, reckoning.calendar_version
        armed = replace(waiting, status=ARMED, due_at=due_at, rule=rule, remainder=None, calendar=version)
        return self._graced(timer, armed)

    def past_outages(self, timer: Timer, running: Running, *, end_was_known: bool) -> Running:
        """The deadline, moved by every outage that was told since its case began and that it ends in; an end that was
        known when they were told they have moved then, and only its grace is looked at."""
        for began, until in outages_since(self.work, self.case.round, self.case.opened_at):
            running = self.past_outage(timer, running, began, until, end_moves=not end_was_known)
        return running

    def past_outage(
        self, timer: Timer, running: Running, began: datetime, until: datetime, *, end_moves: bool = True
    ) -> Running:
        """The deadline, moved to `until` where its end, or its grace alone, lies in the outage that began then; so is
        a fixed end that is stopped."""
        end, due_at = running.end, running.due_at
        if not self.is_an_end(timer):
            return running
        if running.status in (STOPPED, SUSPENDED):
            left = read_left(running.remainder) if running.remainder else None
            stands = isinstance(left, NotLaterThan) and began <= left.instant < until
            return replace(running, remainder=str(self._fixed_at(until))) if stands else running
        if end is None:
            return running
        if end_moves and began <= end < until:
            return self.moved(timer, running, until)
        if due_at is not None and end < began <= due_at < until:
            return replace(running, due_at=until)
        return running

    def is_an_end(self, timer: Timer) -> bool:
        """Whether somebody has until then to act: not the opening of a phase, nor the term of a validity."""
        if timer.deadline.validity:
            return False
        owner = self.process.kind(self.case.kind).states[self.case.state].owner
        return owner is not Role.CLOCK or bool(timer.deadline.admits)

    # ── its grace ──

    def grace_end(self, timer: Timer, running: Running) -> datetime | None:
        """When the grace after its shown end is over; that end itself where it has none, and None while a year that
        needs is not loaded. A grace that was stopped goes on with what was left of it, from when it went on."""
        grace, end = self._grace(timer), running.end
        if grace is None or end is None:
            return end
        left, start = grace, started_by(grace, end)
        if running.remainder is not None:
            rest = counted(self.work, running.remainder, grace)
            if rest is None:
                return None
            left, start = rest, running.armed_at
        if isinstance(left, NotLaterThan):
            return max(left.instant, end)
        try:
            return self.work.reckon(left, start).due_at
        except LimitPassed:
            return end  # one whose only day is that of the end itself
        except YearNotPublished:
            return None

    def _graced(self, timer: Timer, running: Running) -> Running:
        """A deadline whose end is known, with its grace; while that cannot be reckoned, only the end is known."""
        if self._grace(timer) is None or running.due_at is None:
            return running
        graced = replace(running, shown_at=running.due_at)
        due_at = self.grace_end(timer, graced)
        return replace(graced, status=running.status if due_at else AWAITING, due_at=due_at)

    # ── what an act does to a deadline ──

    def stopped(self, timer: Timer, before: Running | None, status: str) -> Running | None:
        """The deadline with what is left of it, in the rule's own units; one that ran out, or stands, as it is."""
        if before is None or isinstance(timer.deadline.rule, FactRule) or not self._runs_now(before):
            return before
        if before.shown_at is not None and before.shown_at < self.at:
            # Only its grace is left: the end that was shown stays shown.
            left = self._grace_left(timer, before)
            return replace(before, status=status, due_at=None, remainder=left, calendar=None)
        # Of one that has gone on before, this is what was left then.
        period = period_of(before)
        if isinstance(period, NotLaterThan):
            # A fixed end stays where it is, also while nobody counts; an act may have put it elsewhere.
            stays = self._fixed_at(before.end or period.instant)
            return replace(before, status=status, due_at=None, remainder=str(stays), shown_at=None)
        if before.end is None:
            left = str(not_used(self.work, self.at, read_left(before.remainder or ""), before.armed_at))
            return replace(before, status=status, remainder=left)
        # Where an act, or an end that was kept, gave it more than its period, all of that is left, to its own hour.
        fixed = before.rule.endswith(EXTENDED) or self._end_by(period, before.armed_at) != before.end
        of = to_the_hour_of(before.end.astimezone(self.work.around.zone), whole(period)) if fixed else period
        left = str(left_until(self.work, self.at, of, before.end))
        return replace(before, status=status, due_at=None, remainder=left, calendar=None, shown_at=None)

    def _fixed_at(self, end: datetime) -> NotLaterThan:
        return NotLaterThan(end.astimezone(self.work.around.zone))

    def _runs_now(self, running: Running) -> bool:
        """Whether something is left of it to be stopped."""
        if running.status == AWAITING:
            return True
        return running.status == ARMED and running.due_at is not None and running.due_at >= self.at

    def _end_by(self, period: Period, start: datetime) -> datetime | None:
        try:
            return self.work.reckon(period, start).due_at
        except YearNotPublished:
            return None

    def _grace_left(self, timer: Timer, before: Running) -> str | None:
        grace, end = self._grace(timer), before.end
        if grace is None or end is None:
            return None
        left = grace if before.remainder is None else read_left(before.remainder)
        if before.due_at is None:  # nobody knows when it would be over
            start = started_by(grace, end) if before.remainder is None else before.armed_at
            return str(not_used(self.work, self.at, left, start))
        of = left if isinstance(left, Period) else grace
        if not isinstance(of, Period):
            return str(NotLaterThan(before.due_at))
        # Where an act has lengthened it, all of that is left.
        if self.grace_end(timer, before) != before.due_at:
            of = to_the_hour_of(before.due_at.astimezone(self.work.around.zone), whole(of))
        return str(left_until(self.work, self.at, of, before.due_at))

    def resumed(self, timer: Timer, before: Running) -> Running:
        """The deadline goes on with what is left of it, from now."""
        if before.remainder is None:
            # Stopped when its end had passed: nothing is left to run.
            return Running(timer.name, ARMED, self.at, before.rule, before.fires, self.at)
        waiting = replace(before, status=AWAITING, armed_at=self.at)
        if before.shown_at is None and not isinstance(read_left(before.remainder), Uncounted):
            waiting.rule = f"{timer.deadline.rule} = {before.remainder}"
        return self.resolved(timer, waiting) or waiting

    def moved(self, timer: Timer, before: Running, end: datetime) -> Running:
        """The deadline ends at another instant, which an act has fixed: no calendar moves it any more. What an act has
        made of its grace stands."""
        rule = before.rule if before.rule.endswith(EXTENDED) else before.rule + EXTENDED
        moved = replace(before, status=ARMED, due_at=end, rule=rule, remainder=None, calendar=None, shown_at=None)
        return _no_earlier(self._graced(timer, moved), before)

    def ended(self, before: Running) -> Running:
        """The deadline ends now, by an act."""
        rule = before.rule if before.rule.endswith(EXTENDED) else before.rule + EXTENDED
        return replace(before, status=ARMED, due_at=self.at, rule=rule, remainder=None, calendar=None, shown_at=None)

    def open_until(self, running: Running | None) -> datetime | None:
        """Until when an act is in time, as the party is told: its shown end or, when that is past, its grace."""
        if running is None:
            return None
        return running.end if running.end is not None and running.end >= self.at else running.due_at

    # ── alerts ──

    def _alert(self, timer: Timer, alert: Alert, main: Running | None, since: datetime) -> Running | None:
        """The alert beside a deadline that is now `main`: at its instant, or, while a year that needs is not loaded,
        without one. For one and the same end, which its row keeps as `shown_at`, it goes out once."""
        name = timer.alert_name(alert)
        earlier = self.work.deadlines(self.case).get(name)
        told = earlier is not None and earlier.status == FIRED
        if main is None:
            return None
        if main.end is None:  # it is stopped, or waits for a year
            return earlier if told else None
        if main.status == FIRED and not (alert.after and self.case.state in timer.runs_in):
            # Where its case has been put aside since, a rung is not lost that was due, or of which nobody knew the day.
            aside = alert.after and self.case.state in timer.stops_in and earlier is not None
            due = aside and earlier is not None and (earlier.due_at is None or earlier.due_at <= self.at)
            return earlier if due else None
        if earlier is not None and not told:
            since = earlier.armed_at
        fires, distance = ESCALATE if alert.after else REMIND, str(alert.distance)
        waiting = Running(name, AWAITING, None, str(alert), fires, since, remainder=distance, shown_at=main.end)
        calendar, zone, hour = self.work.in_force()
        try:
            at = alert.instant(main.end, calendar, zone=zone, close_of_business=hour)
        except YearNotPublished:
            return waiting
        if earlier is not None and (earlier.due_at, earlier.shown_at) == (at, main.end):
            return earlier
        if earlier is not None and told and (earlier.shown_at == main.end or at <= self.at):
            return earlier
        if at <= since or not (alert.after or self.at < main.end):
            return None  # nobody is reminded of what was nearer than that from the first, or is over
        return replace(waiting, status=ARMED, due_at=at, remainder=None, calendar=calendar.version)

    # ── what its settings say ──

    def _grace(self, timer: Timer) -> Period | NotLaterThan | None:
        return self._limit(timer, timer.deadline.grace) if timer.deadline.grace else None

    def _limit(self, timer: Timer, rule: SettingRule) -> Period | NotLaterThan | None:
        return limit_of(self.process, timer, rule, self.case.stage)


def _no_earlier(graced: Running, before: Running | None) -> Running:
    """What an act has made of a grace stands: with a later end it is not over before it would have been."""
    if before is None or graced.shown_at is None or before.end is None or graced.shown_at < before.end:
        return graced
    if before.due_at is None or graced.due_at is None or graced.due_at >= before.due_at:
        return graced
    return replace(graced, due_at=before.due_at)


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
