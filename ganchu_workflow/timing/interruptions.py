"""How a period runs while its notice is taken down now and then: a day on which it was not to be seen is not counted.

No law says how such a day counts. What stands here is the cautious reading: a day during which the notice was down,
even for an hour, does not count, and each one that is lost is made up for by a day on which it was to be seen
throughout. Of a period in hours only the time itself is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.calendar import WorkingCalendar
from ganchu_workflow.timing.days import at, count_days, dates, day_it_ends, local
from ganchu_workflow.timing.periods import Period, Unit
from ganchu_workflow.timing.reading import END_OF_DAY
from ganchu_workflow.timing.windows import end_of

Interruption = tuple[datetime, datetime | None]
"""From when to when a notice was down: it was up again at the second instant, or was not yet, where that is None."""

_DAY = timedelta(days=1)
_T = TypeVar("_T", date, datetime)


def times_down(
    interruptions: Iterable[Interruption], starts: datetime, closes: datetime, zone: ZoneInfo
) -> list[tuple[datetime, datetime]]:
    """The times in `zone` at which it was down, in order, from `starts` on; those that overlap are one.

    What lies before `starts` is left away. An open end lasts until the end of the day of `closes`, for nobody knows
    more; where it began only at `closes` or later it took nothing, and is left away too. Raises `PeriodInvalid` for
    what is no pair of instants, or does not end after it begins.
    """
    still_down_until = at(day_it_ends(closes), END_OF_DAY, zone)
    found: list[tuple[datetime, datetime]] = []
    for pair in interruptions:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise PeriodInvalid(f"an interruption is a pair of instants, from when to when, not {pair!r}")
        begins = local("an interruption's begin", pair[0], zone)
        if pair[1] is None and begins >= closes:
            continue
        ends = still_down_until if pair[1] is None else local("an interruption's end", pair[1], zone)
        if ends <= begins:
            raise PeriodInvalid(
                f"撤下时段的止须晚于起 / an interruption ends after it begins, but this one begins at "
                f"{begins.isoformat()} and ends at {ends.isoformat()}"
            )
        if ends > starts:
            found.append((max(begins, starts), ends))
    return _merged(found, timedelta())


def days_down(times: Iterable[tuple[datetime, datetime]]) -> list[tuple[date, date]]:
    """The days of which a part was lost, as the first and the last of each row of them, in order.

    Up again at 00:00, it lost nothing of that day.
    """
    rows = [(begins.date(), max(begins.date(), day_it_ends(ends))) for begins, ends in times]
    return _merged(rows, _DAY)


def end_as_seen(
    period: Period,
    start: datetime,
    times: list[tuple[datetime, datetime]],
    calendar: WorkingCalendar,
    zone: ZoneInfo,
    close_of_business: time,
) -> datetime:
    """The end of `period`, without what it is never under, when the notice was down at `times`. Raises as `reckon`."""
    if period.unit.in_hours:
        return _with_time_lost(start, end_of(period, start, calendar, zone, close_of_business)[0], times, zone)
    try:
        last = _last_day(period, start.date(), days_down(times), calendar)
        return at(last, close_of_business if period.ends_at is None else period.ends_at, zone)
    except OverflowError as error:
        raise PeriodInvalid(f"{period} from {start.isoformat()} ends after the year {MAXYEAR}") from error


def _with_time_lost(start: datetime, due: datetime, times: list[tuple[datetime, datetime]], zone: ZoneInfo) -> datetime:
    # In UTC, where the difference of two instants is the time that passed between them.
    end = due.astimezone(UTC)
    for begins, ends in times:
        if begins.astimezone(UTC) < end:
            end += ends.astimezone(UTC) - begins.astimezone(UTC)
    return end.astimezone(zone)


def _last_day(period: Period, start_day: date, down: list[tuple[date, date]], calendar: WorkingCalendar) -> date:
    counted = [day.date for day in count_days(period, start_day, calendar) if day.counted]
    day = counted[-1]
    lost = sum(_up(one, down) != one for one in dates(counted[0], day) if _counts(period, one, calendar))
    while lost:
        day = _up(day + _DAY, down)
        lost -= _counts(period, day, calendar)
    while period.rolls and not calendar.is_working_day(day):
        day = _up(day + _DAY, down)
    return day


def _up(day: date, down: list[tuple[date, date]]) -> date:
    """`day`, or the next one on which it was up throughout."""
    for first, last in down:
        if first <= day <= last:
            return last + _DAY
    return day


def _counts(period: Period, day: date, calendar: WorkingCalendar) -> bool:
    return period.unit is not Unit.WORKING_DAYS or calendar.is_working_day(day)


def _merged(spans: Iterable[tuple[_T, _T]], gap: timedelta) -> list[tuple[_T, _T]]:
    merged: list[tuple[_T, _T]] = []
    for first, last in sorted(spans):
        if merged and first - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
