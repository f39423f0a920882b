"""What an event does to the deadlines of its case: they start, stop, go on, move, or are gone.

Each change is noted in the event itself, so that the deadline table can be computed again from the history.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import YearNotPublished
from ganchu_workflow.process.definition import KindDefinition, Process, Timer
from ganchu_workflow.process.language import FactRule
from ganchu_workflow.timing import Period, remaining

ARMED, STOPPED, FIRED, AWAITING = "armed", "stopped", "fired", "awaiting_calendar"


def settle_after(
    work: Workspace, process: Process, kind: KindDefinition, case: CaseState, source: str | None, at: datetime
) -> list[dict[str, Any]]:
    """Bring the case's deadlines in line with the state it has just reached; the changes, for the event.

    `at` is when the step takes effect: periods run from it.
    """
    if not kind.timers:
        return []
    deadlines = work.deadlines(case)
    changes: list[dict[str, Any]] = []
    for timer in kind.timers:
        before = deadlines.get(timer.name)
        after = _after(work, process, case, timer, before, source, at)
        if after == before:
            continue
        if after is None:
            del deadlines[timer.name]
            changes.append({"name": timer.name, "status": "gone"})
        else:
            deadlines[timer.name] = after
            changes.append(describe(after))
    return changes


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


def _after(
    work: Workspace,
    process: Process,
    case: CaseState,
    timer: Timer,
    before: Running | None,
    source: str | None,
    at: datetime,
) -> Running | None:
    if case.state in timer.runs_in:
        stayed = source in timer.runs_in and (before is not None or not _waits_for_its_start(timer))
        if before is not None and before.status == STOPPED and before.remainder is None:
            # Stopped at its very last instant: nothing is left to run.
            return Running(timer.name, ARMED, at, before.rule, before.fires, at)
        if before is not None and before.status == STOPPED and before.remainder is not None:
            return _armed(work, timer, at, Period.parse(before.remainder))
        if isinstance(timer.deadline.rule, FactRule):
            return _fixed(timer, timer.deadline.rule, case, before, at)
        ran_out = before is not None and before.status == FIRED and source in timer.stops_in
        if (stayed and source is not None) or ran_out:
            return before
        return _started(work, process, case, timer, at)
    if case.state in timer.stops_in:
        return _stopped(work, process, case, timer, before, at)
    return None


def _waits_for_its_start(timer: Timer) -> bool:
    return not isinstance(timer.deadline.rule, FactRule) and timer.deadline.rule.start is not None


def _fixed(timer: Timer, rule: FactRule, case: CaseState, before: Running | None, at: datetime) -> Running | None:
    text = case.facts.get(rule.key)
    if text is None:
        return None
    due_at = from_text(text)
    if before is not None and before.due_at == due_at:
        return before
    return Running(timer.name, ARMED, due_at, str(rule), _fires(timer), at)


def _started(work: Workspace, process: Process, case: CaseState, timer: Timer, at: datetime) -> Running | None:
    rule = timer.deadline.rule
    if isinstance(rule, FactRule):
        raise TypeError(rule)
    period = _period(process, case, timer)
    if period is None:
        return None
    start = at
    if rule.start is not None:
        text = case.facts.get(rule.start.key)
        if text is None:
            return None
        start = from_text(text)
    return _armed(work, timer, start, period)


def _armed(work: Workspace, timer: Timer, start: datetime, period: Period) -> Running:
    written = str(period)
    waiting = Running(
        timer.name, AWAITING, None, f"{timer.deadline.rule} = {written}", _fires(timer), start, remainder=written
    )
    return _reckoned(work, waiting, period) or waiting


def resolved(work: Workspace, waiting: Running) -> Running | None:
    """The deadline with its end, reckoned from where it started; None while a year it reaches into is not loaded."""
    return _reckoned(work, waiting, Period.parse(str(waiting.remainder)))


def _reckoned(work: Workspace, waiting: Running, period: Period) -> Running | None:
    try:
        reckoning = work.reckon(period, waiting.armed_at)
    except YearNotPublished:
        return None
    return replace(waiting, status=ARMED, due_at=reckoning.due_at, remainder=None, calendar=reckoning.calendar_version)


def _stopped(
    work: Workspace, process: Process, case: CaseState, timer: Timer, before: Running | None, at: datetime
) -> Running | None:
    if before is None or before.status == STOPPED or before.due_at is None or before.due_at < at:
        return before
    period = _period(process, case, timer)
    if period is None:
        return before
    around = work.around
    left = remaining(period, at, before.due_at, around.calendar, around.zone) if before.due_at > at else None
    return Running(
        timer.name, STOPPED, None, before.rule, before.fires, before.armed_at, remainder=str(left) if left else None
    )


def _period(process: Process, case: CaseState, timer: Timer) -> Period | None:
    rule = timer.deadline.rule
    if isinstance(rule, FactRule):
        return None
    value = getattr(process.stage(timer.stage or case.stage).settings, rule.key)
    return value if value is None or isinstance(value, Period) else Period.parse(str(value))


def _fires(timer: Timer) -> str | None:
    fires = timer.deadline.fires
    if fires is None:
        return None
    return f"{timer.stage}.{fires.name}" if timer.stage else fires.name
