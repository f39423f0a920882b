"""A slow and obvious reckoning, one day at a time on naive local dates; it knows the rules and the second source.

Nothing of the library is imported here: `Period`, `WorkingCalendar` and time zones are unknown to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any


class Unknown(Exception):
    """The oracle was asked about a year that the second source does not have; its argument is the year."""


@dataclass(frozen=True)
class Rule:
    length: int
    unit: str
    counts_start: bool = False
    hour: str = "17:30"
    """The hour of the end; 17:30 is the close of business, and not written."""
    rolls: bool = True
    least: Rule | None = None

    def text(self) -> str:
        options = ", start day counted" if self.counts_start else ""
        options += f", to {self.hour}" if self.unit not in ("hours", "microseconds") and self.hour != "17:30" else ""
        options += "" if self.rolls else ", no roll"
        options += f", and never under {replace(self.least, hour='17:30').text()}" if self.least else ""
        return f"{self.length} {self.unit[:-1] if self.length == 1 else self.unit}{options}"

    @property
    def in_hours(self) -> bool:
        return self.unit in ("hours", "microseconds")

    @property
    def months(self) -> int:
        return self.length * (12 if self.unit == "years" else 1)


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
        month = start.replace(day=1)
        for _ in range(rule.months):
            month = (month + timedelta(days=31)).replace(day=1)
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

    def provisional(self, rule: Rule, start: date) -> bool:
        if rule.in_hours or not rule.rolls:
            return False
        last = self.last_day(rule, start)
        return last.month == 12 and last.year + 1 not in self.years

    def due(self, rule: Rule, start: datetime) -> datetime:
        """The end of the rule, the later of both where it has a length that it is never under."""
        return max(self.dues(rule, start))

    def dues(self, rule: Rule, start: datetime) -> list[datetime]:
        return [self.due_alone(part, start) for part in (rule, rule.least) if part]

    def due_alone(self, rule: Rule, start: datetime) -> datetime:
        if rule.unit == "microseconds":
            return start + timedelta(microseconds=rule.length)
        if rule.unit == "hours":
            for _ in range(rule.length):
                start += timedelta(minutes=60)
            return start
        last = self.last_day(rule, start.date())
        if rule.hour == "24:00":
            return datetime(last.year, last.month, last.day) + timedelta(days=1)
        return datetime.fromisoformat(f"{last} {rule.hour}")

    def left(self, rule: Rule, stopped: datetime, due: datetime) -> Rule:
        """What a window that ends at `due` still has when it is stopped."""
        alone = self.left_alone(rule, stopped, due, capped=rule.least is not None)
        least = self.left_alone(rule.least, stopped, due, capped=True) if rule.least else None
        return replace(alone, least=least)

    def left_alone(self, rule: Rule, stopped: datetime, due: datetime, capped: bool) -> Rule:
        if rule.in_hours:
            left = due - stopped
            if capped and rule.unit == "hours":
                left = min(left, timedelta(hours=rule.length))
            if left % timedelta(hours=1):
                return Rule(left // timedelta(microseconds=1), "microseconds")
            return Rule(left // timedelta(hours=1), "hours")
        last = due.date() - timedelta(days=1) if str(due.time()) == "00:00:00" else due.date()
        open_days = [
            day for n in range((last - stopped.date()).days + 1) if (day := stopped.date() + timedelta(n)) <= last
        ]
        if rule.unit == "working days":
            worked = [day for day in open_days if self.works(day)]
            return Rule(max(1, min(len(worked), rule.length)), rule.unit, False, rule.hour)
        whole = rule.length if rule.unit == "calendar days" else self.most_days(rule, last)
        return Rule(min(len(open_days), whole), "calendar days", False, rule.hour, rule.rolls)

    def most_days(self, rule: Rule, last: date) -> int:
        """The days of a period of months that ended on `last`, or on a rest day just before it and rolled."""
        most, day = (last - self.months_before(last, rule.months)).days, last - timedelta(days=1)
        while rule.rolls and day.year in self.years and not self.works(day):
            most = max(most, (last - self.months_before(day, rule.months)).days)
            day -= timedelta(days=1)
        return most

    def months_before(self, day: date, months: int) -> date:
        last_of_month = day
        for _ in range(months):
            last_of_month = last_of_month.replace(day=1) - timedelta(days=1)
        while last_of_month.day > day.day:
            last_of_month -= timedelta(days=1)
        return last_of_month
