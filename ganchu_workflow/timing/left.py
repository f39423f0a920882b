"""What is left of a window that was stopped: a length as a rule writes it, or, while nobody can count it, from when to
when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.calendar import WorkingCalendar
from ganchu_workflow.timing.limits import NotLaterThan, parse_limit
from ganchu_workflow.timing.periods import Period
from ganchu_workflow.timing.windows import remaining

_WRITTEN = re.compile("from (.+) to (.+)")


@dataclass(frozen=True, slots=True)
class Uncounted:
    """The days from `stopped_at` to `end`, in a year that nobody has published: they are counted once it is loaded.

    It is no rule, and no plan may write it. Raises `PeriodInvalid` for a naive datetime.
    """

    stopped_at: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("stopped_at", "end"):
            object.__setattr__(self, name, NotLaterThan(getattr(self, name)).instant)

    def counted(self, whole: Period, calendar: WorkingCalendar, zone: ZoneInfo) -> Period:
        """What is left of `whole`, in its units. Raises `YearNotPublished` while the year is not loaded."""
        return remaining(whole, self.stopped_at, self.end, calendar, zone)

    def __str__(self) -> str:
        begins, ends = (str(NotLaterThan(each)).removeprefix("not later than ") for each in (self.stopped_at, self.end))
        return f"from {begins} to {ends}"

    def label_zh(self, start_day: str = "") -> str:
        """What an official reads: from when to when, and what the number of days waits for."""
        begins, ends = (NotLaterThan(each).label_zh().removeprefix("不晚于") for each in (self.stopped_at, self.end))
        return f"自{begins}至{ends},天数待放假安排公布后计算"

    def label_en(self, start_day: str = "") -> str:
        """The same in English."""
        return f"{self}, to be counted once the notice of public holidays is out"


def read_left(text: str) -> Period | NotLaterThan | Uncounted:
    """What is left, as a stopped deadline keeps it. Raises `PeriodInvalid`."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return parse_limit(text)
    begins, ends = (NotLaterThan.parse(each).instant for each in found.groups())
    if ends <= begins:
        raise PeriodInvalid(f"nothing is left between {begins.isoformat()} and {ends.isoformat()}")
    return Uncounted(begins, ends)
