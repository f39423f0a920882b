"""Thousands of seeded windows against a slow oracle that knows the rules and the second source, and nothing of timing.

The oracle walks one day at a time on naive local dates; `Period`, `WorkingCalendar` and time zones are unknown to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow.entropy import SeededEntropy
from ganchu_workflow.errors import YearNotPublished
from ganchu_workflow.timing import Period, WorkingCalendar, closes_in_time, reckon, remaining

SHANGHAI = ZoneInfo("Asia/Shanghai")
UTC_PLUS_8 = timezone(timedelta(hours=8))
MICROSECOND = timedelta(microseconds=1)
WINDOWS_PER_UNIT = 600
REMAINDERS_PER_UNIT = 200
T = TypeVar("T")


class Unknown(Exception):
    """The oracle was asked about a year that the second source does not have; its argument is the year."""


@dataclass
class Rule:
    length: int
    unit: str
    counts_start: bool = False
    hour: str = "17:30"
    rolls: bool = True

    def text(self) -> str:
        options = ", start day counted" if self.counts_start else ""
        options += f", to {self.hour}" if self.unit != "hours" and self.hour != "17:30" else ""
        options += "" if self.rolls else ", no roll"
        return f"{self.length} {self.unit[:-1] if self.length == 1 else self.unit}{options}"


class Oracle:
    def __init__(self, notices: dict[str, Any]) -> None:
        self.years = {int(year) for year in notices}
        self.off = {day for notice in notices.values() for day in notice["off"]}
        self.work = {day for notice in notices.values() for day in notice["work"]}

    def works(self, day: date) -> bool:
        if day.year not in self.years:
            raise Unknown(day.year)
        if str(day) in self.work:
            return True
        return day.strftime("%a") not in ("Sat", "Sun") and str(day) not in self.off

    def counted(self, rule: Rule, start: date) -> list[date]:
        """Every day that counts, in order; for months and years every day from the first to the last."""
        day = start if rule.counts_start else start + timedelta(days=1)
        found: list[date] = []
        if rule.unit in ("working days", "calendar days"):
            while len(found) < rule.length:
                if rule.unit == "calendar days" or self.works(day):
                    found.append(day)
                day += timedelta(days=1)
            return found
        last = self.corresponding_day(rule, start)
        while day <= last:
            found.append(day)
            day += timedelta(days=1)
        return found

    def corresponding_day(self, rule: Rule, start: date) -> date:
        months_left = rule.length * (12 if rule.unit == "years" else 1)
        month = start.replace(day=1)
        while months_left:
            month = (month + timedelta(days=31)).replace(day=1)
            months_left -= 1
        day, last_of_month = month, month
        while day.month == month.month:
            if day.day == start.day:
                return day - timedelta(days=1) if rule.counts_start else day
            last_of_month = day
            day += timedelta(days=1)
        return last_of_month

    def last_day(self, rule: Rule, start: date) -> date:
        last = self.counted(rule, start)[-1]
        while rule.rolls and rule.unit != "working days" and not self.works(last):
            last += timedelta(days=1)
        return last

    def left(self, rule: Rule, start: date, stop: date) -> Rule:
        """What a window from `start` still has when it is stopped on `stop`."""
        counted, last = self.counted(rule, start), self.last_day(rule, start)
        if last == counted[-1] and rule.unit in ("working days", "calendar days"):
            return Rule(len([day for day in counted if day >= stop]), rule.unit, False, rule.hour, rule.rolls)
        whole = rule.length
        if rule.unit != "calendar days":
            whole = (last - self.months_before(last, rule.length * (12 if rule.unit == "years" else 1))).days
        still_open = [day for n in range((last - stop).days + 1) if (day := stop + timedelta(days=n)) <= last]
        return Rule(len(still_open[-whole:]), "calendar days", False, rule.hour, rule.rolls)

    def months_before(self, day: date, months: int) -> date:
        last_of_month = day
        for _ in range(months):
            last_of_month = last_of_month.replace(day=1) - timedelta(days=1)
        while last_of_month.day > day.day:
            last_of_month -= timedelta(days=1)
        return last_of_month

    def due(self, rule: Rule, start: datetime) -> datetime:
        if rule.unit == "hours":
            for _ in range(rule.length):
                start += timedelta(minutes=60)
            return start
        last = self.last_day(rule, start.date())
        if rule.hour == "24:00":
            return datetime(last.year, last.month, last.day) + timedelta(days=1)
        return datetime.fromisoformat(f"{last} {rule.hour}")


class Chance:
    """Seeded choices: the same windows on every machine."""

    def __init__(self, seed: str) -> None:
        self.entropy = SeededEntropy(seed)

    def below(self, limit: int) -> int:
        return int.from_bytes(self.entropy.take(8), "big") % limit

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def instant(self, first: datetime, days: int) -> datetime:
        seconds = self.one_of([0, self.below(86_400), 86_399])
        return first + timedelta(days=self.below(days), seconds=seconds, microseconds=self.one_of([0, 1, 999_999]))

    def start(self) -> datetime:
        if self.below(3) == 0:
            return self.instant(datetime(2025, 12, 10), 40)  # across the year boundary
        if self.below(4) == 0:
            month = self.below(24)  # the last days of a month
            return self.instant(datetime(2025 + month // 12, month % 12 + 1, 28), 4)
        return self.instant(datetime(2025, 1, 1), 729)

    def rule(self, unit: str) -> Rule:
        longest = {"working days": 30, "calendar days": 60, "hours": 500, "months": 14, "years": 2}[unit]
        hour = self.one_of(["17:30", "24:00", "09:00", "23:59"])
        if unit == "hours":
            return Rule(1 + self.below(longest), unit)
        rolls = unit == "working days" or self.below(3) > 0
        # A counted start day may be the last day too, and its hour already past: that refusal has a test of its own.
        counts_start = self.below(2) == 1
        return Rule(1 + counts_start + self.below(longest), unit, counts_start, hour, rolls)


@pytest.fixture(scope="module")
def oracle(notices: dict[str, Any]) -> Oracle:
    return Oracle({year: notice for year, notice in notices.items() if year != "2021"})


@pytest.fixture(scope="module")
def both_years(notices: dict[str, Any], calendar: WorkingCalendar) -> WorkingCalendar:
    """The calendar under test without the years the oracle does not know, so that both end at the same edge."""
    document = calendar.document()
    return WorkingCalendar.from_document(
        {**document, "years": {year: document["years"][year] for year in ("2025", "2026")}}
    )


@pytest.mark.parametrize("unit", ["working days", "calendar days", "hours", "months", "years"])
def test_every_window_ends_where_the_oracle_says(both_years: WorkingCalendar, oracle: Oracle, unit: str) -> None:
    chance = Chance(f"windows in {unit}")
    known, unknown = 0, 0
    for _ in range(WINDOWS_PER_UNIT):
        rule, start = chance.rule(unit), chance.start()
        period, begins = Period.parse(rule.text()), start.replace(tzinfo=UTC_PLUS_8)
        try:
            due = oracle.due(rule, start).replace(tzinfo=UTC_PLUS_8)
        except Unknown as year:
            with pytest.raises(YearNotPublished) as caught:
                reckon(period, begins, both_years, zone=SHANGHAI, close_of_business=time(17, 30))
            assert caught.value.fields == {"year": year.args[0]}
            unknown += 1
            continue

        found = reckon(period, begins, both_years, zone=SHANGHAI, close_of_business=time(17, 30))

        assert (rule.text(), start, found.due_at) == (rule.text(), start, due)
        assert found.due_at.tzinfo is SHANGHAI
        assert found.last_day == (due - MICROSECOND).date()
        assert [found.days[0].date, found.days[-1].date] == [start.date(), found.last_day]
        assert closes_in_time(due, found.due_at) is True
        assert closes_in_time(due + MICROSECOND, found.due_at) is False
        if unit in ("working days", "calendar days"):
            counted = oracle.counted(rule, start.date())
            assert [day.date for day in found.days if day.counted] == counted
            assert found.first_day == counted[0]
            assert len(found.days) == (found.last_day - start.date()).days + 1
        known += 1
    assert known > WINDOWS_PER_UNIT // 5
    assert (unknown > 0) is (unit != "hours")


@pytest.mark.parametrize("unit", ["working days", "calendar days", "hours", "months", "years"])
def test_every_remainder_ends_where_the_oracle_says(both_years: WorkingCalendar, oracle: Oracle, unit: str) -> None:
    chance = Chance(f"remainders in {unit}")
    tried = 0
    for _ in range(REMAINDERS_PER_UNIT):
        rule, start = chance.rule(unit), chance.start()
        try:
            due = oracle.due(rule, start)
            span = (due - start) // MICROSECOND
            stopped = start + MICROSECOND * chance.one_of([0, 1, chance.below(span), span - 1])
            resumed = stopped + timedelta(hours=chance.below(24 * 40))
            expected = resumed + (due - stopped)
            if unit != "hours":
                left = oracle.left(rule, start.date(), stopped.date())
                expected = oracle.due(left, resumed)
        except Unknown:
            continue

        period = Period.parse(rule.text())
        rest = remaining(period, stopped.replace(tzinfo=SHANGHAI), due.replace(tzinfo=SHANGHAI), both_years, SHANGHAI)
        again = reckon(
            rest, resumed.replace(tzinfo=SHANGHAI), both_years, zone=SHANGHAI, close_of_business=time(17, 30)
        )

        if unit != "hours":
            assert (rule.text(), start, stopped, str(rest)) == (rule.text(), start, stopped, left.text())
        assert again.due_at == expected.replace(tzinfo=UTC_PLUS_8)
        assert Period.parse(str(rest)) == rest
        tried += 1
    assert tried > REMAINDERS_PER_UNIT // 10
