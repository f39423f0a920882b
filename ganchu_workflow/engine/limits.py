"""The periods of a deadline: what the settings say, what it was reckoned by, and from when one runs that follows it."""

from __future__ import annotations

from datetime import datetime

from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.engine.cases import Running
from ganchu_workflow.process.deadlines import EXTENDED, SettingRule
from ganchu_workflow.process.definition import Process, Timer
from ganchu_workflow.timing import NotLaterThan, Period, parse_limit


def limit_of(process: Process, timer: Timer, rule: SettingRule, stage: str) -> Period | NotLaterThan | None:
    """What the settings say, for a deadline of a case that stands in `stage`; None: there is no such period."""
    value = getattr(process.stage(timer.stage or stage).settings, rule.key)
    return value if value is None or isinstance(value, Period | NotLaterThan) else parse_limit(str(value))


def period_of(running: Running) -> Period | NotLaterThan:
    """The period that a deadline was reckoned by, or what was left of it when it last went on."""
    return parse_limit(running.rule.removesuffix(EXTENDED).partition(" = ")[2])


def started_by(limit: Period | NotLaterThan, end: datetime) -> datetime:
    """From when a period runs that follows an end: one at 24:00 is of the day that is over then, and not of the next.
    Hours run from the end itself."""
    return end if isinstance(limit, Period) and limit.unit.in_hours else end - MICROSECOND
