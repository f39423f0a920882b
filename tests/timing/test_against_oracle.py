"""Seeded windows of 2007 to 2026, of every rule, against the oracle: not one may differ.

In the suite they are 24,000. For as many as are promised:

    GANCHU_WINDOWS=120000 pytest -q -s tests/timing/test_against_oracle.py
"""

import os
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow.entropy import SeededEntropy
from ganchu_workflow.errors import PeriodInvalid, YearNotPublished
from ganchu_workflow.timing import Period, WorkingCalendar, closes_in_time, reckon, remaining
from tests.timing.oracle import Oracle, Rule, Unknown

SHANGHAI = ZoneInfo("Asia/Shanghai")
UTC_PLUS_8 = timezone(timedelta(hours=8))
MICROSECOND = timedelta(microseconds=1)
CLOSE_OF_BUSINESS = time(17, 30)
WINDOWS = int(os.environ.get("GANCHU_WINDOWS", "24000"))
UNITS = ["working days", "calendar days", "hours", "months", "years", "two lengths"]
LONGEST = {"working days": 30, "calendar days": 60, "hours": 500, "months": 14, "years": 2}
T = TypeVar("T")


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
        year = 2007 + self.below(20)
        if self.below(5) == 0:
            return self.instant(datetime(year - (year > 2007), 12, 10), 40)  # across the year boundary
        if self.below(4) == 0:
            return self.instant(datetime(year, 1 + self.below(12), 28), 4)  # the last days of a month
        return self.instant(datetime(year, 1, 1), 365)

    def rule(self, unit: str) -> Rule:
        if unit == "two lengths":
            units = list(LONGEST)[:4]
            rule, least = self.rule(self.one_of(units)), self.one_of(units)
            hour = "17:30" if rule.in_hours or least == "hours" else rule.hour
            # About as long as the first, so that either may decide.
            longest = {"working days": 8, "calendar days": 12, "hours": 200, "months": 1}[least]
            shorter = Rule(1 + self.below(LONGEST[rule.unit] // 4), rule.unit, rule.counts_start, rule.hour, rule.rolls)
            return Rule(
                shorter.length,
                rule.unit,
                rule.counts_start,
                rule.hour,
                rule.rolls,
                Rule(1 + self.below(longest), least, False, hour),
            )
        length = 1 + self.below(LONGEST[unit])
        if unit == "hours":
            return Rule(length, unit)
        hour = self.one_of(["17:30", "24:00", "09:00", "23:59"])
        return Rule(length, unit, self.below(2) == 1, hour, unit == "working days" or self.below(3) > 0)


@pytest.fixture(scope="module")
def oracle(notices: dict[str, Any]) -> Oracle:
    return Oracle(notices)


@pytest.mark.parametrize("unit", UNITS)
def test_every_window_ends_where_the_oracle_says(calendar: WorkingCalendar, oracle: Oracle, unit: str) -> None:
    chance = Chance(f"windows in {unit}")
    known = unknown = refused = 0
    for _ in range(WINDOWS // len(UNITS)):
        rule, start = chance.rule(unit), chance.start()
        period, begins = Period.parse(rule.text()), start.replace(tzinfo=UTC_PLUS_8)
        try:
            dues = [due.replace(tzinfo=UTC_PLUS_8) for due in oracle.dues(rule, start)]
        except Unknown as year:
            with pytest.raises(YearNotPublished) as caught:
                reckon(period, begins, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)
            assert (rule, start, caught.value.fields) == (rule, start, {"year": year.args[0]})
            unknown += 1
            continue
        due = max(dues)
        if due <= begins:
            with pytest.raises(PeriodInvalid, match="would already end at"):
                reckon(period, begins, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)
            refused += 1
            continue

        found = reckon(period, begins, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)

        assert (rule.text(), start, found.due_at) == (rule.text(), start, due)
        assert found.due_at.tzinfo is SHANGHAI
        assert found.last_day == (due - MICROSECOND).date()
        assert found.days[-1].date == found.last_day
        assert closes_in_time(due, found.due_at) is True
        assert closes_in_time(due + MICROSECOND, found.due_at) is False
        both = [part for part in (rule, rule.least) if part]
        assert found.provisional is any(oracle.provisional(part, start.date()) for part in both)
        assert [part.due_at for part in found.parts] == (dues if rule.least else [])
        assert found.decided_by == ("at_least" if due > dues[0] else "period")
        decided = both[dues.index(due)]
        if decided.unit in ("working days", "calendar days"):
            counted = oracle.counted(decided, start.date())
            assert [day.date for day in found.days if day.counted] == counted
            assert found.first_day == counted[0]
            assert len(found.days) == (found.last_day - start.date()).days + 1
        known += 1
    print(f"\n{unit}: {known} ends the same, {unknown} in a year not published, {refused} that would end before")
    assert known > WINDOWS // len(UNITS) * 3 // 4
    assert (unknown > 0) is (unit != "hours")


@pytest.mark.parametrize("unit", UNITS)
def test_every_remainder_ends_where_the_oracle_says(calendar: WorkingCalendar, oracle: Oracle, unit: str) -> None:
    chance = Chance(f"remainders in {unit}")
    tried = 0
    for _ in range(WINDOWS // len(UNITS) // 4):
        rule, start = chance.rule(unit), chance.start()
        try:
            due = oracle.due(rule, start)
            span = (due - start) // MICROSECOND
            if span <= 0:
                continue
            stopped = start + MICROSECOND * chance.one_of([0, 1 % span, chance.below(span), span - 1])
            resumed = stopped + timedelta(hours=chance.below(24 * 40))
            left = oracle.left(rule, stopped, due)
            expected = oracle.due(left, resumed)
        except Unknown:
            continue

        period = Period.parse(rule.text())
        rest = remaining(period, stopped.replace(tzinfo=SHANGHAI), due.replace(tzinfo=SHANGHAI), calendar, SHANGHAI)
        assert (rule.text(), start, stopped, str(rest)) == (rule.text(), start, stopped, left.text())
        assert Period.parse(str(rest)) == rest
        begins = resumed.replace(tzinfo=SHANGHAI)
        again = reckon(rest, begins, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)
        assert again.due_at == expected.replace(tzinfo=UTC_PLUS_8)
        tried += 1
    assert tried > WINDOWS // len(UNITS) // 8


def test_both_sources_say_the_same_of_every_day_from_2007_to_2026(calendar: WorkingCalendar, oracle: Oracle) -> None:
    days = [date(2007, 1, 1) + timedelta(days=n) for n in range((date(2027, 1, 1) - date(2007, 1, 1)).days)]

    assert len(days) == 7305
    assert [day for day in days if calendar.is_working_day(day) is not oracle.works(day)] == []
    # What follows from the day of the week anyway (a Sunday off, a Monday worked) only one of them may say.
    off = {str(day) for day in days if calendar.describe(day).code == "holiday" and day.isoweekday() <= 5}
    made_up = {str(day) for day in days if calendar.describe(day).code == "make_up"}
    assert off == {day for day in oracle.off if day >= "2007" and date.fromisoformat(day).isoweekday() <= 5}
    assert made_up == {day for day in oracle.work if day >= "2007" and date.fromisoformat(day).isoweekday() > 5}
