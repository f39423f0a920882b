"""How a period runs on the calendar: where it ends, what is left of it, and whether a printed window keeps it.

The rules are 民法典 §200-§204: the start day is not counted unless the plan says so (§201, §204); hours run from the
hour; months and years end on the corresponding day, else on the month's last day (§202); an end on a rest day moves to
the next working day, which may be a make-up Saturday or Sunday, and only the *last* day does so; the end is 24:00, or
the close of business (§203). Nothing here reads a clock: every instant is handed in, aware, and every result is aware.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from ganchu_workflow.clock import MICROSECOND, to_micros
from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.calendar import WorkingCalendar
from ganchu_workflow.timing.periods import END_OF_DAY, Period, Unit, is_minute

_DAY = timedelta(days=1)
_HOUR_IN_MICROSECONDS = 3_600_000_000

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
]
_WHY_ZH: dict[Why, str] = {
    "start_day": "起始日,不计入",
    "working": "工作日",
    "make_up": "调休上班",
    "weekend": "周末",
    "holiday": "放假",
    "calendar_day": "自然日",
    "by_the_hour": "按小时计",
    "first_day": "期间的第一日",
    "last_day": "期间的最后一日",
    "moved_to": "顺延至此日",
}


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a reckoning: whether it counts towards the period's length, and why.

    `why` is `start_day` (not counted), `working`, `make_up`, `weekend`, `holiday` (with `holiday` as its name),
    `calendar_day`, `by_the_hour`, `first_day` or `last_day` (of months and years), or `moved_to` (the end moved here).
    """

    date: date
    counted: bool
    why: Why
    holiday: str = ""

    @property
    def zh(self) -> str:
        """What an official reads, for example `放假(春节)`."""
        return f"{_WHY_ZH[self.why]}({self.holiday})" if self.holiday else _WHY_ZH[self.why]


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Where a period ends and how that was found. Instants are aware, in the zone it was reckoned in.

    An act at `due_at` is in time. `last_day` is the day the end belongs to: with 24:00 the day before `due_at`'s date.
    `days` has every day from the start to `last_day`; for months and years only those at either end.
    `provisional`: the end lies in a December that the next year's notice, not yet loaded, could still change.
    """

    due_at: datetime
    period: Period
    start: datetime
    first_day: date
    last_day: date
    days: tuple[Day, ...]
    calendar_version: str
    provisional: bool


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something an official should know about a printed window; the window stands as printed until an act changes it.

    `code` is `dated_after_start`, `published_late`, `ends_on_rest_day` or `shorter_than_minimum`; `severity` is `error`
    where the window is shorter than its period under the period's own reading, otherwise `warning`. `remedy` is the
    earliest closing instant, never before the printed one, that would cure it.
    """

    code: Literal["dated_after_start", "published_late", "ends_on_rest_day", "shorter_than_minimum"]
    severity: Literal["warning", "error"]
    zh: str
    en: str
    remedy: datetime


def reckon(
    period: Period, start: datetime, calendar: WorkingCalendar, *, zone: ZoneInfo, close_of_business: time
) -> Reckoning:
    """When `period`, running from `start`, ends on `calendar` in `zone` (民法典 §200-§204).

    `close_of_business` is the end of the last day where the period names no hour; `END_OF_DAY` is 24:00. Working days
    count working and make-up days only. Calendar days count every day. With the start day counted, a period of months
    or years ends the day before the corresponding day. Hours run exactly, with no roll.

    Raises `YearNotPublished` when the result depends on a year that is not loaded (never for hours, nor for a period
    that does not roll, unless in working days) and `PeriodInvalid` for a naive `start`, an hour that is not a whole
    minute, a period that would end before it starts, or one that ends after the year 9999.
    """
    local_start = _local("start", start, zone)
    due_at, days = _run(period, local_start, calendar, zone, close_of_business)
    if to_micros(due_at) <= to_micros(start):
        raise PeriodInvalid(f"{period} from {local_start.isoformat()} would already end at {due_at.isoformat()}")
    last_day = _day_it_ends(due_at)
    return Reckoning(
        due_at=due_at,
        period=period,
        start=local_start,
        first_day=next(day.date for day in days if day.counted),
        last_day=last_day,
        days=tuple(days),
        calendar_version=calendar.version,
        provisional=period.rolls and not period.unit.in_hours and calendar.is_provisional(last_day),
    )


def remaining(
    period: Period, stopped_at: datetime, due_at: datetime, calendar: WorkingCalendar, zone: ZoneInfo
) -> Period:
    """What is left of a window of `period` that ends at `due_at` when it is stopped at `stopped_at`, read in `zone`.

    Reckon the result from the instant of resuming; its start day, the day of resuming, is not counted. The day of
    stopping is not used up: what is left are the days from it to the last day of the window, both included, and never
    more than the whole period counted back from that last day. Working days stay working days; calendar days, months
    and years become calendar days. The hour of the end and the roll are kept. Hours leave the exact time, in hours
    where it is whole, else in microseconds. Where a roll moved the end, the days it added are not told apart from the
    period's own and stay with the party; where an act extended the window, give the period as extended.

    Raises `PeriodInvalid` for a naive instant, or when it was stopped at or after `due_at`; `YearNotPublished` when
    working days reach into a year that is not loaded.
    """
    stop_day = _local("stopped_at", stopped_at, zone).date()
    last_day = _day_it_ends(_local("due_at", due_at, zone))
    left = to_micros(due_at) - to_micros(stopped_at)
    if left <= 0:
        raise PeriodInvalid(
            f"nothing is left: the window ended at {due_at.isoformat()} and was stopped at {stopped_at.isoformat()}"
        )
    if period.unit.in_hours:
        hours, rest = divmod(left, _HOUR_IN_MICROSECONDS)
        return Period(left, Unit.MICROSECONDS) if rest else Period(hours, Unit.HOURS)
    days = list(_dates(stop_day, last_day))
    if period.unit is Unit.WORKING_DAYS:
        # An end fixed by hand may lie on a rest day, with no working day left in a window that is still running.
        working = max(1, sum(calendar.is_working_day(day) for day in days))
        return replace(period, length=min(working, period.length), counts_start=False)
    whole = period.length
    if period.unit is not Unit.CALENDAR_DAYS:
        whole = (last_day - _months_away(last_day, -_in_months(period))[0]).days
    return Period(min(len(days), whole), Unit.CALENDAR_DAYS, ends_at=period.ends_at, rolls=period.rolls)


def check_printed(
    *,
    dated_on: date,
    published_at: datetime | None,
    opens_at: datetime,
    closes_at: datetime,
    period: Period,
    calendar: WorkingCalendar,
    zone: ZoneInfo,
    close_of_business: time,
    minimum: Period | None = None,
) -> list[Anomaly]:
    """What is irregular in a printed window (落款日期, 发布时刻, 起, 止), which should keep `period` and `minimum`.

    Each of the two is reckoned from the later of `opens_at` and `published_at`, strictly: the start day not counted
    (民法典 §201), whatever the period itself says. `published_at` is None while the notice is not yet published.
    Nothing is changed: once published, the printed instants are authoritative.

    Raises `PeriodInvalid` for a naive datetime, a `dated_on` that is no date, or a window that does not end after it
    opens; `YearNotPublished` when the window or a remedy reaches into a year that is not loaded.
    """
    opens, closes = _local("opens_at", opens_at, zone), _local("closes_at", closes_at, zone)
    published = opens if published_at is None else _local("published_at", published_at, zone)
    if isinstance(dated_on, datetime) or not isinstance(dated_on, date):
        raise PeriodInvalid(f"dated_on is the date printed on the document, not {dated_on!r}")
    if closes <= opens:
        raise PeriodInvalid(f"the window closes at {closes.isoformat()}, not after it opens at {opens.isoformat()}")

    def end_of(one: Period, start: datetime) -> datetime:
        return _run(one, start, calendar, zone, close_of_business)[0]

    required = [period] if minimum is None else [period, minimum]
    strict = {one: replace(one, counts_start=False) for one in required}

    def long_enough_from(start: datetime) -> datetime:
        return max(closes, *(end_of(one, start) for one in strict.values()))

    found = []
    if dated_on > opens.date():
        remedy = long_enough_from(datetime.combine(dated_on, time(0, 0), tzinfo=zone))
        zh = f"落款日期{dated_on}晚于公示开始日{opens.date()}"
        en = f"the document is dated {dated_on}, after the window opened on {opens.date()}"
        found.append(Anomaly("dated_after_start", "warning", zh, en, remedy))
    if published > opens:
        zh = f"实际发布时刻{_shown(published)}晚于公示开始时刻{_shown(opens)}"
        en = f"it was published at {_shown(published)}, after the window opened at {_shown(opens)}"
        found.append(Anomaly("published_late", "warning", zh, en, long_enough_from(published)))
    last_day = _day_it_ends(closes)
    kind = calendar.describe(last_day)
    if not kind.works:
        remedy = closes + (_rolled(last_day, calendar)[-1].date - last_day)
        zh = f"公示截止日{last_day}为休息日({kind.zh}),宜顺延至{_shown_end(remedy)}"
        en = f"the window ends on {last_day}, a rest day ({kind.en}); better the next working day, {_shown_end(remedy)}"
        found.append(Anomaly("ends_on_rest_day", "warning", zh, en, remedy))
    start = max(opens, published)
    for one, strictly in strict.items():
        remedy = end_of(strictly, start)
        if closes < remedy:
            severity: Literal["warning", "error"] = "error" if closes < end_of(one, start) else "warning"
            zh = f"公示期短于{strictly.label_zh()}:最早应于{_shown_end(remedy)}截止"
            en = f"the window is shorter than {strictly}, start day not counted: that ends at {_shown_end(remedy)}"
            found.append(Anomaly("shorter_than_minimum", severity, zh, en, remedy))
    return found


def closes_in_time(received_at: datetime, closes_at: datetime) -> bool:
    """Whether what was received at `received_at` is in time for a window that closes at `closes_at`.

    At the closing instant it is, one microsecond later it is not. Raises `Invalid` for a naive datetime.
    """
    return to_micros(received_at) <= to_micros(closes_at)


def _run(
    period: Period, start: datetime, calendar: WorkingCalendar, zone: ZoneInfo, close_of_business: time
) -> tuple[datetime, list[Day]]:
    """The end of `period` from `start`, a local instant, and the days on the way."""
    if not is_minute(close_of_business):
        raise PeriodInvalid(f"the close of business is a whole minute without a time zone, not {close_of_business!r}")
    try:
        if period.unit.in_hours:
            length = timedelta(hours=period.length) if period.unit is Unit.HOURS else period.length * MICROSECOND
            # Through UTC: adding to a local datetime would move the hands of the clock, not the time that passes.
            due_at = (start.astimezone(UTC) + length).astimezone(zone)
            return due_at, [Day(day, True, "by_the_hour") for day in _dates(start.date(), _day_it_ends(due_at))]
        days = _count_days(period, start.date(), calendar)
        return _at(days[-1].date, close_of_business if period.ends_at is None else period.ends_at, zone), days
    except OverflowError as error:
        raise PeriodInvalid(f"{period} from {start.isoformat()} ends after the year {MAXYEAR}") from error


def _count_days(period: Period, start_day: date, calendar: WorkingCalendar) -> list[Day]:
    days = [] if period.counts_start else [Day(start_day, False, "start_day")]
    first = start_day if period.counts_start else start_day + _DAY
    if period.unit is Unit.WORKING_DAYS:
        return [*days, *_working_days(period.length, first, calendar)]
    if period.unit is Unit.CALENDAR_DAYS:
        last = first + timedelta(days=period.length - 1)
        days += [Day(day, True, "calendar_day") for day in _dates(first, last)]
    else:
        last, exists = _months_away(start_day, _in_months(period))
        if period.counts_start and exists:
            last -= _DAY
        days += [Day(first, True, "first_day"), Day(last, True, "last_day")]
    return days + _rolled(last, calendar) if period.rolls else days


@lru_cache(maxsize=256)  # in a round many windows begin on the same day
def _working_days(length: int, first: date, calendar: WorkingCalendar) -> tuple[Day, ...]:
    days: list[Day] = []
    day, counted = first, 0
    while counted < length:
        kind = calendar.describe(day)
        days.append(Day(day, kind.works, kind.code, kind.name))
        counted += kind.works
        day += _DAY
    return tuple(days)


def _rolled(last: date, calendar: WorkingCalendar) -> list[Day]:
    """The days after `last` up to the working day to which the end moves; none when `last` is worked (民法典 §203)."""
    days: list[Day] = []
    day = last
    while not (kind := calendar.describe(day)).works:
        if day != last:
            days.append(Day(day, False, kind.code, kind.name))
        day += _DAY
    return days if day == last else [*days, Day(day, False, "moved_to")]


def _in_months(period: Period) -> int:
    return period.length * 12 if period.unit is Unit.YEARS else period.length


def _months_away(day: date, months: int) -> tuple[date, bool]:
    """The corresponding day and True; where the month has none, its last day and False (民法典 §202)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not MINYEAR <= year <= MAXYEAR:
        raise PeriodInvalid(f"{abs(months)} months from {day} lie outside the years {MINYEAR} to {MAXYEAR}")
    length = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, length)), day.day <= length


def _dates(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))


def _at(day: date, hour: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + _DAY if hour == END_OF_DAY else day, hour, tzinfo=zone)


def _day_it_ends(closes: datetime) -> date:
    """The day to which a closing instant belongs: 00:00 is 24:00 of the day before."""
    return (closes - MICROSECOND).date()


def _shown(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S" if instant.second else "%Y-%m-%d %H:%M")


def _shown_end(instant: datetime) -> str:
    return f"{_day_it_ends(instant)} 24:00" if instant.time() == END_OF_DAY else _shown(instant)


def _local(what: str, instant: datetime, zone: ZoneInfo) -> datetime:
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        raise PeriodInvalid(f"{what} is an instant with a time zone, for example +08:00, not {instant!r}")
    try:
        return instant.astimezone(zone)
    except OverflowError as error:
        raise PeriodInvalid(f"{what} lies outside the years {MINYEAR} to {MAXYEAR} in {zone.key}") from error
