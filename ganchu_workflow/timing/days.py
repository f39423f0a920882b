"""The days of a period one by one: which count and why, and to which day the end moves (民法典 §201-§203)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.calendar import DayKind, WorkingCalendar
from ganchu_workflow.timing.periods import Period, Unit
from ganchu_workflow.timing.reading import END_OF_DAY

_DAY = timedelta(days=1)

Why = Literal[
    "start_day",
    "working",
    "make_up",
    "weekend",
    "holiday",
    "calendar_day",
    "by_the_hour",
    "first_day",
    "last_day",
    "moved_to",
    "fixed_end",
]
_WHY_ZH: dict[Why, str] = {
    "start_day": "起始日",
    "working": "工作日",
    "make_up": "调休上班",
    "weekend": "周末",
    "holiday": "放假",
    "calendar_day": "自然日",
    "by_the_hour": "按小时计",
    "first_day": "期间的第一日",
    "last_day": "期间的最后一日",
    "moved_to": "顺延至此日",
    "fixed_end": "载明的截止日",
}
_WHY_EN: dict[Why, str] = {
    "start_day": "start day",
    "working": "working day",
    "make_up": "make-up working day",
    "weekend": "weekend",
    "holiday": "holiday",
    "calendar_day": "calendar day",
    "by_the_hour": "by the hour",
    "first_day": "first day of the period",
    "last_day": "last day of the period",
    "moved_to": "the end moves to this day",
    "fixed_end": "the day of the fixed end",
}


Kind = Literal["", "make_up", "weekend", "holiday"]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a reckoning: whether it counts towards the period's length, and why.

    `why` is `start_day` (not counted), `working`, `make_up`, `weekend`, `holiday` (with `holiday` as its name),
    `calendar_day`, `by_the_hour`, `first_day` or `last_day` (of months and years), `moved_to` (the end moved here), or
    `fixed_end`. `paper` is the State Council's notice that gives the day off or makes it up, where it is known.

    `kind` is set where `why` does not say it, for the last counted day of what rolls and for the day it moves to:
    `weekend` or `holiday`, for which the end moves on, or `make_up`; empty for an ordinary working day.
    """

    date: date
    counted: bool
    why: Why
    holiday: str = ""
    paper: str = ""
    kind: Kind = ""

    @property
    def zh(self) -> str:
        """What an official reads, for example `放假(春节)` or `自然日,放假(元旦)`."""
        why = f"{_WHY_ZH[self.why]},{_WHY_ZH[self.kind]}" if self.kind else _WHY_ZH[self.why]
        return f"{why}({self.holiday})" if self.holiday else why

    @property
    def en(self) -> str:
        """The same in English, for example `holiday (春节)` or `calendar day, holiday (元旦)`."""
        why = f"{_WHY_EN[self.why]}, {_WHY_EN[self.kind]}" if self.kind else _WHY_EN[self.why]
        return f"{why} ({self.holiday})" if self.holiday else why


def count_days(period: Period, start_day: date, calendar: WorkingCalendar) -> list[Day]:
    """Every day of `period` from `start_day` to its last; of months and years those at either end. Not for hours.

    Raises `YearNotPublished` and `PeriodInvalid` as `reckon` does.
    """
    days = [] if period.counts_start else [Day(start_day, False, "start_day")]
    first = start_day if period.counts_start else start_day + _DAY
    if period.unit is Unit.WORKING_DAYS:
        return [*days, *_working_days(period.length, first, calendar)]
    if period.unit is Unit.CALENDAR_DAYS:
        last = first + timedelta(days=period.length - 1)
        days += [Day(day, True, "calendar_day") for day in dates(first, last)]
    else:
        last, exists = months_away(start_day, in_months(period))
        if period.counts_start and exists:
            last -= _DAY
        days += [Day(first, True, "first_day"), Day(last, True, "last_day")]
    if not period.rolls:
        return days
    days[-1] = _of_its_kind(days[-1], calendar.describe(last))
    return days + rolled(last, calendar)


def _of_its_kind(day: Day, kind: DayKind) -> Day:
    return replace(day, holiday=kind.name, paper=kind.paper, kind="" if kind.code == "working" else kind.code)


@lru_cache(maxsize=256)  # in a round many windows begin on the same day
def _working_days(length: int, first: date, calendar: WorkingCalendar) -> tuple[Day, ...]:
    days: list[Day] = []
    day, counted = first, 0
    while counted < length:
        kind = calendar.describe(day)
        days.append(Day(day, kind.works, kind.code, kind.name, kind.paper))
        counted += kind.works
        day += _DAY
    return tuple(days)


def rolled(last: date, calendar: WorkingCalendar) -> list[Day]:
    """The days after `last` up to the working day to which the end moves; none when `last` is worked (民法典 §203)."""
    days: list[Day] = []
    day = last
    while not (kind := calendar.describe(day)).works:
        if day != last:
            days.append(Day(day, False, kind.code, kind.name, kind.paper))
        day += _DAY
    return days if day == last else [*days, _of_its_kind(Day(day, False, "moved_to"), kind)]


def in_months(period: Period) -> int:
    """The length of a period of months or years, in months."""
    return period.length * 12 if period.unit is Unit.YEARS else period.length


def months_away(day: date, months: int) -> tuple[date, bool]:
    """The corresponding day and True; where the month has none, its last day and False (民法典 §202)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not MINYEAR <= year <= MAXYEAR:
        raise PeriodInvalid(f"{abs(months)} months from {day} lie outside the years {MINYEAR} to {MAXYEAR}")
    length = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, length)), day.day <= length


def dates(first: date, last: date) -> Iterator[date]:
    """Every date from `first` to `last`."""
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))


def at(day: date, hour: time, zone: ZoneInfo) -> datetime:
    """The instant of `hour` on `day`; `END_OF_DAY` is 24:00."""
    return datetime.combine(day + _DAY if hour == END_OF_DAY else day, hour, tzinfo=zone)


def day_it_ends(closes: datetime) -> date:
    """The day to which a closing instant belongs: 00:00 is 24:00 of the day before."""
    return (closes - MICROSECOND).date()


def local(what: str, instant: datetime, zone: ZoneInfo) -> datetime:
    """`instant`, an argument of the name `what`, in `zone`. Raises `PeriodInvalid`."""
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        raise PeriodInvalid(f"{what} is an instant with a time zone, for example +08:00, not {instant!r}")
    try:
        return instant.astimezone(zone)
    except OverflowError as error:
        raise PeriodInvalid(f"{what} lies outside the years {MINYEAR} to {MAXYEAR} in {zone.key}") from error
