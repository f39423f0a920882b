"""Reckoning a window: no database, only the calendar."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import count
from zoneinfo import ZoneInfo

from chinese_calendar import is_workday

from ganchu_workflow.timing import Period, WorkingCalendar, reckon
from tests.benchmarks.measure import Bar, Line, interval, measure, timed
from tests.benchmarks.worlds import Wanted

_DAY = timedelta(days=1)
_ZONE = ZoneInfo("Asia/Shanghai")
_CLOSE = time(17, 30)
_FIRST = date(2007, 1, 1)
_DAYS = 6_900
"""So many different days to begin on, up to 2025: no cache holds them."""
_EACH = 50
"""Windows for one transition of a block: one alone is too short to be timed."""


def lines(wanted: Wanted) -> Iterator[Line]:
    """Each of the usual rules, against the bare count of its days with `chinese_calendar.is_workday`."""
    calendar, windows = WorkingCalendar.built_in(), wanted.block * _EACH
    assert calendar.version
    for rule, by_hand in _RULES.items():
        period, ours, theirs = Period.parse(rule), _starts(), _starts()

        def one(start: datetime, period: Period = period) -> object:
            return reckon(period, start, calendar, zone=_ZONE, close_of_business=_CLOSE).due_at

        sample = [next(ours) for _ in range(windows)]
        assert [one(start) for start in sample] == [by_hand(start) for start in sample]
        pairs = measure(wanted.patience, partial(_block, one, ours, windows), partial(_block, by_hand, theirs, windows))
        yield Line(
            f"a window of {rule}",
            "against the bare count of its days with chinesecalendar, without the days, their reasons and the version",
            interval([seconds / windows * 1e6 for seconds, _ in pairs.sides]),
            len(pairs),
            pairs.us(0, windows),
            pairs.us(1, windows),
            Bar(50, at_least=False, unit=" µs"),
            unit=" µs",
        )


def _block(act: Callable[[datetime], object], starts: Iterator[datetime], windows: int) -> float:
    some = [next(starts) for _ in range(windows)]
    return timed(lambda: [act(start) for start in some])


def _starts() -> Iterator[datetime]:
    """Another day and minute each time; 37 days on, so that a block has all seasons in it."""
    for n in count():
        yield datetime.combine(_FIRST + (n * 37 % _DAYS) * _DAY, time(9, n % 60), tzinfo=_ZONE)


def _working_days(length: int, start: datetime) -> datetime:
    day = start.date()
    while length:
        day += _DAY
        length -= is_workday(day)
    return datetime.combine(day, _CLOSE, tzinfo=_ZONE)


def _calendar_days(length: int, start: datetime) -> datetime:
    return _rolled(start.date() + length * _DAY)


def _both(start: datetime) -> datetime:
    return max(_working_days(5, start), _calendar_days(7, start))


def _three_months(start: datetime) -> datetime:
    year, month = divmod(start.year * 12 + start.month - 1 + 3, 12)
    return _rolled(date(year, month + 1, min(start.day, monthrange(year, month + 1)[1])))


def _two_days(start: datetime) -> datetime:
    return start + timedelta(hours=48)


def _rolled(day: date) -> datetime:
    while not is_workday(day):
        day += _DAY
    return datetime.combine(day, _CLOSE, tzinfo=_ZONE)


_RULES: dict[str, Callable[[datetime], datetime]] = {
    "5 working days": partial(_working_days, 5),
    "10 working days": partial(_working_days, 10),
    "7 calendar days": partial(_calendar_days, 7),
    "5 working days, and never under 7 calendar days": _both,
    "3 months": _three_months,
    "48 hours": _two_days,
}
