"""How a period runs on the calendar: where it ends, what is left of it when it is stopped, and who is in time.

The rules are 民法典 §200-§204: the start day is not counted unless the plan says so (§201, §204); hours run from the
hour; months and years end on the corresponding day, else on the month's last day (§202); an end on a rest day moves to
the next working day, which may be a make-up Saturday or Sunday, and only the *last* day does so; the end is 24:00, or
the close of business (§203). Nothing here reads a clock: every instant is handed in, aware, and every result is aware.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ganchu_workflow.clock import MICROSECOND, to_micros
from ganchu_workflow.errors import LimitPassed, PeriodInvalid
from ganchu_workflow.timing.calendar import WorkingCalendar
from ganchu_workflow.timing.days import Day, at, count_days, dates, day_it_ends, in_months, local, months_away
from ganchu_workflow.timing.limits import NotLaterThan
from ganchu_workflow.timing.periods import Period, Unit, is_minute
from ganchu_workflow.timing.reckoning import Reckoning, shown, shown_end

_DAY = timedelta(days=1)
_HOUR_IN_MICROSECONDS = 3_600_000_000


def reckon(
    limit: Period | NotLaterThan,
    start: datetime,
    calendar: WorkingCalendar,
    *,
    zone: ZoneInfo,
    close_of_business: time,
) -> Reckoning:
    """When `limit`, running from `start`, ends on `calendar` in `zone` (民法典 §200-§204).

    `close_of_business` is the end of the last day where the period names no hour; `END_OF_DAY` is 24:00. Working days
    count working and make-up days only. Calendar days count every day. With the start day counted, a period of months
    or years ends the day before the corresponding day. Hours run exactly, with no roll. Of a period with `at_least`
    both are reckoned and the later end counts; of two equal ones it is the period's. A fixed end is what it says.

    Raises `YearNotPublished` when the result depends on a year that is not loaded (never for hours or a fixed end, nor
    for a period that does not roll, unless in working days) and `PeriodInvalid` for a text, a naive `start`, an hour
    that is not a whole minute, an end that is not after the start, or one after the year 9999.
    """
    if not isinstance(limit, Period | NotLaterThan):
        raise PeriodInvalid(
            f"期限须先读取:parse_limit({limit!r}) / a limit is a Period or a NotLaterThan, not {limit!r}: "
            "read a text with parse_limit"
        )
    local_start = local("start", start, zone)
    if isinstance(limit, NotLaterThan):
        found = _fixed(limit, local_start, calendar, zone)
    elif limit.at_least is None:
        found = _reckoned(limit, local_start, calendar, zone, close_of_business)
    else:
        alone, least = (_reckoned(part, local_start, calendar, zone, close_of_business) for part in _parts(limit))
        later = least if least.due_at > alone.due_at else alone
        found = Reckoning(
            later.due_at,
            limit,
            local_start,
            later.first_day,
            later.last_day,
            later.days,
            later.calendar_version,
            alone.provisional or least.provisional,
            (alone, least),
            "at_least" if later is least else "period",
        )
    if to_micros(found.due_at) <= to_micros(start):
        raise LimitPassed(
            f"起算时已经届满:{limit.label_zh('起始日')},起算 {shown(local_start)},截止 {shown_end(found.due_at)} / "
            f"{limit} from {local_start.isoformat()} would already end at {found.due_at.isoformat()}"
        )
    return found


def remaining(
    period: Period, stopped_at: datetime, due_at: datetime, calendar: WorkingCalendar, zone: ZoneInfo
) -> Period:
    """What is left of a window of `period` that ends at `due_at` when it is stopped at `stopped_at`, read in `zone`.

    Reckon the result from the instant of resuming; its start day, the day of resuming, is not counted. The day of
    stopping is not used up: what is left are the days from it to the last day of the window, both included, and never
    more than the whole period: of months and years the most days that it may have had, counted back from that last day
    and from each day off before it from which the end may have rolled. So a window that is resumed at once never ends
    earlier than before. Working days stay working days; calendar days, months and years become calendar days. The hour
    of the end and the roll are kept. Hours leave the exact time, in hours where it is whole, else in microseconds.
    Where a roll moved the end, the days it added are not told apart from the period's own and stay with the party;
    where an act extended the window, give the period as extended.

    Of a period with `at_least`, both parts are read as if each had led to `due_at` by itself (in hours: never more
    than the part has), and what is left is again the later of both. So the part that ended earlier gets some of its
    days back, which is in the party's favour.

    Raises `PeriodInvalid` for a naive instant, or when it was stopped at or after `due_at`; `YearNotPublished` when
    working days reach into a year that is not loaded.
    """
    stop_day = local("stopped_at", stopped_at, zone).date()
    last_day = day_it_ends(local("due_at", due_at, zone))
    left = to_micros(due_at) - to_micros(stopped_at)
    if left <= 0:
        raise PeriodInvalid(
            f"nothing is left: the window ended at {due_at.isoformat()} and was stopped at {stopped_at.isoformat()}"
        )
    if period.at_least is None:
        return _left(period, left, stop_day, last_day, calendar)
    alone, least = (
        _left(part, min(left, _micros(part)) if part.unit.in_hours else left, stop_day, last_day, calendar)
        for part in period.parts
    )
    return replace(alone, at_least=Period(least.length, least.unit))


def closes_in_time(received_at: datetime, closes_at: datetime) -> bool:
    """Whether what was received at `received_at` is in time for a window that closes at `closes_at`.

    At the closing instant it is, one microsecond later it is not. Raises `Invalid` for a naive datetime.
    """
    return to_micros(received_at) <= to_micros(closes_at)


def end_of(
    period: Period, start: datetime, calendar: WorkingCalendar, zone: ZoneInfo, close_of_business: time
) -> tuple[datetime, list[Day]]:
    """The end of `period`, without what it is never under, from `start` in `zone`, and the days on the way.

    The end may lie before `start`, where the start day is the only one and its hour is past. Raises as `reckon` does.
    """
    if not is_minute(close_of_business):
        raise PeriodInvalid(f"the close of business is a whole minute without a time zone, not {close_of_business!r}")
    try:
        if period.unit.in_hours:
            length = timedelta(hours=period.length) if period.unit is Unit.HOURS else period.length * MICROSECOND
            # Through UTC: adding to a local datetime would move the hands of the clock, not the time that passes.
            due_at = (start.astimezone(UTC) + length).astimezone(zone)
            return due_at, [Day(day, True, "by_the_hour") for day in dates(start.date(), day_it_ends(due_at))]
        days = count_days(period, start.date(), calendar)
        return at(days[-1].date, close_of_business if period.ends_at is None else period.ends_at, zone), days
    except OverflowError as error:
        raise PeriodInvalid(f"{period} from {start.isoformat()} ends after the year {MAXYEAR}") from error


@lru_cache(maxsize=256)  # a round has few periods, and reckons them for every application
def _parts(period: Period) -> tuple[Period, ...]:
    return period.parts


def _reckoned(
    period: Period, start: datetime, calendar: WorkingCalendar, zone: ZoneInfo, close_of_business: time
) -> Reckoning:
    due_at, days = end_of(period, start, calendar, zone, close_of_business)
    last_day = day_it_ends(due_at)
    return Reckoning(
        due_at=due_at,
        period=period,
        start=start,
        first_day=next(day.date for day in days if day.counted),
        last_day=last_day,
        days=tuple(days),
        calendar_version=calendar.version,
        provisional=period.rolls and not period.unit.in_hours and calendar.is_provisional(last_day),
    )


def _fixed(limit: NotLaterThan, start: datetime, calendar: WorkingCalendar, zone: ZoneInfo) -> Reckoning:
    due_at = local("the fixed end", limit.instant, zone)
    try:
        first_day, last_day = start.date(), day_it_ends(due_at)
    except OverflowError as error:
        raise PeriodInvalid(f"the day of the fixed end {limit} lies before the year {MINYEAR}") from error
    first = () if first_day == last_day else (Day(first_day, True, "first_day"),)
    days = (*first, Day(last_day, True, "fixed_end"))
    return Reckoning(due_at, limit, start, first_day, last_day, days, calendar.version, provisional=False)


def _left(period: Period, micros: int, stop_day: date, last_day: date, calendar: WorkingCalendar) -> Period:
    if period.unit.in_hours:
        hours, rest = divmod(micros, _HOUR_IN_MICROSECONDS)
        return Period(micros, Unit.MICROSECONDS) if rest else Period(hours, Unit.HOURS)
    days = list(dates(stop_day, last_day))
    if period.unit is Unit.WORKING_DAYS:
        # An end fixed by hand may lie on a rest day, with no working day left in a window that is still running.
        working = max(1, sum(calendar.is_working_day(day) for day in days))
        return replace(period, length=min(working, period.length), counts_start=False)
    whole = period.length if period.unit is Unit.CALENDAR_DAYS else _most_days(period, last_day, calendar)
    return Period(min(len(days), whole), Unit.CALENDAR_DAYS, ends_at=period.ends_at, rolls=period.rolls)


def _most_days(period: Period, last_day: date, calendar: WorkingCalendar) -> int:
    """How many days `period`, of months or years, may have had up to `last_day`, those of a roll included."""
    # Counted back from the day to which the end has rolled, February may stand for a longer month.
    ends = _ends_before_roll(last_day, calendar) if period.rolls else [last_day]
    months = in_months(period)
    return max((end - months_away(end, -months)[0]).days + (last_day - end).days for end in ends)


def _ends_before_roll(last_day: date, calendar: WorkingCalendar) -> Iterator[date]:
    """`last_day` and the days off immediately before it, as far as the calendar knows them."""
    yield last_day
    day = last_day - _DAY
    while day.year in calendar.years and not calendar.is_working_day(day):
        yield day
        day -= _DAY


def _micros(period: Period) -> int:
    return period.length * (_HOUR_IN_MICROSECONDS if period.unit is Unit.HOURS else 1)
