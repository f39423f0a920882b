"""What is left of a deadline that is stopped, counted by the calendar of its round, or kept until it can be counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import YearNotPublished
from ganchu_workflow.timing import NotLaterThan, Period, Unit, remaining
from ganchu_workflow.timing.left import Uncounted, read_left

_UNBOUNDED = 10**6
_MINUTE = timedelta(minutes=1)
Left = Period | NotLaterThan | Uncounted


def left_until(work: Workspace, at: datetime, period: Period, end: datetime) -> Left:
    """What is left of a period that ends at `end`, when it is stopped `at`, not after that."""
    work.pending.calendar_used = True
    # At its very last instant it has not run out: the day of stopping is not used up.
    stopped_at, zone = min(at, end - MICROSECOND), work.around.zone
    try:
        left = remaining(period, stopped_at, end, work.calendar, zone)
        # Going on at once it ends no earlier, also where its last day is no day that counts.
        while work.reckon(left, stopped_at).due_at < end:
            left = replace(left, length=left.length + 1)
        return left
    except YearNotPublished:  # an act has put it into a year whose days nobody can count
        return Uncounted(stopped_at.astimezone(zone), end.astimezone(zone))


def not_used(work: Workspace, at: datetime, left: Left, start: datetime) -> Left:
    """What is left of a period from `start` whose end is not known: less the days before `at` that surely count."""
    if not isinstance(left, Period) or left.unit not in (Unit.WORKING_DAYS, Unit.CALENDAR_DAYS):
        return left
    zone = work.around.zone
    first, today = start.astimezone(zone).date(), at.astimezone(zone).date()
    days = [first + timedelta(days=n) for n in range((today - first).days)]
    used = sum(_counts(work, left, day) for day in (days if left.counts_start else days[1:]))
    return replace(left, length=max(1, left.length - used), counts_start=False)


def counted(work: Workspace, text: str, of: Period | NotLaterThan) -> Period | NotLaterThan | None:
    """What is left, in units that can be reckoned; None while nobody can count it. `of`: what it was left of."""
    left = read_left(text)
    if not isinstance(left, Uncounted):
        return left
    if not isinstance(of, Period):
        return NotLaterThan(left.end)
    work.pending.calendar_used = True
    try:
        return left.counted(whole(of), work.calendar, work.around.zone)
    except YearNotPublished:
        return None


def whole(period: Period) -> Period:
    """A period of the same units that is longer than any window: what is left of it are all the days there are."""
    if period.unit.in_hours:
        return period
    unit = Unit.WORKING_DAYS if period.unit is Unit.WORKING_DAYS else Unit.CALENDAR_DAYS
    return Period(_UNBOUNDED, unit, ends_at=period.ends_at, rolls=period.rolls)


def to_the_hour_of(end: datetime, period: Period) -> Period:
    """The period, to the hour of an end that an act has fixed, in its zone; it is a whole minute, and none earlier."""
    if period.unit.in_hours:
        return period
    minute = end if end == end.replace(second=0, microsecond=0) else end.replace(second=0, microsecond=0) + _MINUTE
    return replace(period, ends_at=minute.time())


def _counts(work: Workspace, period: Period, day: date) -> bool:
    work.pending.calendar_used = True
    try:
        return period.unit is Unit.CALENDAR_DAYS or work.calendar.is_working_day(day)
    except YearNotPublished:
        return False  # in the favour of whoever has the time
