"""Counting back from an end: when somebody is reminded of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ganchu_workflow.clock import MICROSECOND, aware
from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.calendar import WorkingCalendar
from ganchu_workflow.timing.periods import Period, Unit

_DAY = timedelta(days=1)


def ahead_of(end: datetime, distance: Period, calendar: WorkingCalendar, zone: ZoneInfo) -> datetime:
    """The instant `distance` before `end`, in `zone`: at the same hour, the day of the end not counted.

    Of working days only those are counted: one working day before a Monday is the Friday, and one before the day after
    a holiday is the last working day before it. Hours are exact. No law says how a reminder counts; this is how
    `提前N个工作日` is read.

    Raises `YearNotPublished` when working days reach into a year that is not loaded, `PeriodInvalid` for months and
    years, `Invalid` for a naive `end`.
    """
    local = aware(end).astimezone(zone)
    if distance.unit is Unit.HOURS:
        return (local.astimezone(UTC) - timedelta(hours=distance.length)).astimezone(zone)
    if distance.unit not in (Unit.WORKING_DAYS, Unit.CALENDAR_DAYS):
        raise PeriodInvalid(f"a distance before an end is in working days, calendar days or hours, not '{distance}'")
    # 24:00 is the end of the day before.
    last = (local - MICROSECOND).date()
    day, counted = last, 0
    while counted < distance.length:
        day -= _DAY
        counted += distance.unit is Unit.CALENDAR_DAYS or calendar.is_working_day(day)
    return local - (last - day)
