"""Which days are worked in mainland China: weekdays, the State Council's holidays, and its make-up working days.

The calendar is data with a version, because the data changes: a notice may be amended in mid-year (2019, 2020), and a
year's notice may change the December before it (2007, 2008, 2012, 2019). A year that is not loaded is unknown, and
asking about it is an error; an empty table never means "no holidays".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, cached_property
from typing import Any, Literal

from ganchu_workflow.canonical import digest_of
from ganchu_workflow.errors import CalendarInvalid, Invalid, YearNotPublished
from ganchu_workflow.timing.papers import built_in_paper

FORMAT = "ganchu-calendar/1"
FIRST_BUILT_IN_YEAR = 2007
"""chinesecalendar also has 2004-2006, which no second source confirms."""

_SATURDAY = 5
_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class DayKind:
    """What kind of day it is. `name` is the holiday it belongs to, where the notice names one.

    `paper` is the State Council's notice that gives the day off or makes it up, where it is known: title and address,
    or what an office wrote when it loaded the year. Days of one kind are equal whatever their paper.
    """

    code: Literal["working", "make_up", "weekend", "holiday"]
    name: str = ""
    paper: str = field(default="", compare=False)

    @property
    def works(self) -> bool:
        """Whether offices are open: an ordinary working day or a make-up one (调休上班)."""
        return self.code in ("working", "make_up")

    @property
    def zh(self) -> str:
        """What an official reads, for example `放假(春节)`."""
        label = {"working": "工作日", "make_up": "调休上班", "weekend": "周末", "holiday": "放假"}[self.code]
        return f"{label}({self.name})" if self.name else label

    @property
    def en(self) -> str:
        """The same in English, for example `holiday (春节)`."""
        label = {"working": "working day", "make_up": "make-up working day"}.get(self.code, self.code)
        return f"{label} ({self.name})" if self.name else label


@dataclass(frozen=True, slots=True)
class Change:
    """A day of which two calendars say different things."""

    day: date
    before: DayKind
    after: DayKind

    @property
    def matters(self) -> bool:
        """Whether it is worked in one of them and not in the other."""
        return self.before.works is not self.after.works


@dataclass(frozen=True, slots=True)
class Differences:
    """What one calendar says otherwise than another: the days, in order, and the years that only one of them knows."""

    days: tuple[Change, ...]
    only_before: tuple[int, ...]
    only_after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Notice:
    """One year's notice: the days it takes off, the weekend days it makes work, their holidays' names, its paper."""

    off: frozenset[date]
    work: frozenset[date]
    names: Mapping[date, str]
    paper: str | None


@dataclass(frozen=True, eq=False, repr=False)
class WorkingCalendar:
    """An immutable working-day calendar. Two calendars are equal when their versions are.

    Make one with `built_in`, `with_year` or `from_document`.
    """

    _notices: Mapping[int, _Notice]

    @staticmethod
    @cache
    def built_in() -> WorkingCalendar:
        """The calendar that comes with the installed chinesecalendar: 2007 up to the last year it covers."""
        # Here, because whoever defines a stage, or brings a calendar of their own, needs none of it.
        from chinese_calendar.constants import Holiday, holidays, workdays

        covered = {day.year for day in holidays if day.month < _DECEMBER}
        off: dict[int, set[date]] = {year: set() for year in covered}
        work: dict[int, set[date]] = {year: set() for year in covered}
        for days, table in ((holidays, off), (workdays, work)):
            for day in days:
                table[_notice_year(day, covered)].add(day)
        names = {day: str(Holiday(value).chinese) for day, value in (*holidays.items(), *workdays.items())}
        return WorkingCalendar(
            {
                year: _notice(year, off[year], work[year], None, {d: names[d] for d in off[year] | work[year]})
                for year in sorted(covered)
                if year >= FIRST_BUILT_IN_YEAR
            }
        )

    def with_year(
        self,
        year: int,
        off: Iterable[date],
        work: Iterable[date],
        paper: str,
        names: Mapping[date, str] | None = None,
    ) -> WorkingCalendar:
        """A new calendar that also holds the State Council's notice of `year`; this one is unchanged.

        `off` are all days the notice gives off, weekends within a holiday included; `work` the make-up working days;
        both may lie in `year` or in the December before, where they replace what the earlier notice said. A year that
        is already loaded is replaced as a whole: for an amendment give the amended table. `paper` names the notice.
        Raises `CalendarInvalid`, listing all that is wrong.
        """
        notice = _notice(year, off, work, paper or "", names or {})
        return WorkingCalendar({**self._notices, year: notice})

    @property
    def years(self) -> tuple[int, ...]:
        """The years whose notice is loaded, in order."""
        return tuple(sorted(self._notices))

    @cached_property
    def version(self) -> str:
        """`cn-` and the first 16 hexadecimal digits of the SHA-256 of `document()`. A window records it."""
        return f"cn-{digest_of(self.document())[:16]}"

    def is_working_day(self, day: date) -> bool:
        """Whether `day` is a 工作日: a weekday that is not given off, or a weekend day made up.

        Raises `YearNotPublished` when the year is not loaded, `Invalid` for a datetime: its day depends on a time zone.
        """
        return self.describe(day).works

    def describe(self, day: date) -> DayKind:
        """What kind of day `day` is. Raises as `is_working_day` does."""
        self._require(day)
        marked = self._marks.get(day)
        if marked is not None:
            return marked
        return _WEEKEND if day.weekday() >= _SATURDAY else _WORKING

    def is_provisional(self, day: date) -> bool:
        """Whether the next year's notice could still change `day`: it is in December and that notice is not loaded.

        Raises as `is_working_day` does.
        """
        self._require(day)
        return day.month == _DECEMBER and day.year + 1 not in self._notices

    def differences(self, other: WorkingCalendar) -> Differences:
        """What `other` says otherwise than this calendar: days of another kind, in the years that both know.

        The name of a holiday and its paper make no difference.
        """
        known, theirs = set(self._notices), set(other._notices)
        both = (
            Change(day, self.describe(day), other.describe(day))
            for day in sorted(self._marks.keys() | other._marks.keys())
            if day.year in known & theirs
        )
        return Differences(
            tuple(change for change in both if change.before.code != change.after.code),
            tuple(sorted(known - theirs)),
            tuple(sorted(theirs - known)),
        )

    def document(self) -> dict[str, Any]:
        """The whole calendar as canonical JSON: by year of the notice, ISO dates in order; `from_document` reads it."""
        return {
            "format": FORMAT,
            "years": {str(year): _notice_document(self._notices[year]) for year in self.years},
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> WorkingCalendar:
        """The calendar that `document` describes, of the same version.

        Raises `CalendarInvalid` when a year contradicts itself or the document is not as `document()` writes it.
        """
        try:
            notices = {int(year): _read_notice(int(year), entry) for year, entry in document["years"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CalendarInvalid(f"this is not a calendar document: {error!r}") from error
        calendar = cls(notices)
        if calendar.document() != document:
            raise CalendarInvalid(f"the calendar document is not in the form {FORMAT}: unknown keys, order or spelling")
        return calendar

    def __eq__(self, other: object) -> bool:
        return self.version == other.version if isinstance(other, WorkingCalendar) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"<WorkingCalendar {self.version}: {', '.join(map(str, self.years)) or 'no year'}>"

    @cached_property
    def _marks(self) -> dict[date, DayKind]:
        marks: dict[date, DayKind] = {}
        days: frozenset[date]
        code: Literal["holiday", "make_up"]
        for year in self.years:  # in order: what a later notice says about a December replaces the earlier one
            notice = self._notices[year]
            for days, code in ((notice.off, "holiday"), (notice.work, "make_up")):
                for day in days:
                    paper = built_in_paper(year, day) if notice.paper is None else notice.paper
                    marks[day] = DayKind(code, notice.names.get(day, ""), paper)
        return marks

    def _require(self, day: date) -> None:
        if not _is_date(day):
            raise Invalid(f"a calendar is asked about a date, not {day!r}: convert an instant to its zone's date first")
        if day.year not in self._notices:
            raise YearNotPublished(
                f"{day.year}年工作日历未导入,请先导入国务院办公厅该年放假安排通知 / "
                f"the working-day calendar of {day.year} is not loaded: import the State Council's notice of that year",
                year=day.year,
            )


_WORKING = DayKind("working")
_WEEKEND = DayKind("weekend")


def _is_date(day: object) -> bool:
    return isinstance(day, date) and not isinstance(day, datetime)


def _notice_year(day: date, covered: set[int]) -> int:
    """The year of the notice that names `day`: for December the next one, whose New Year's holiday it belongs to."""
    following = day.year + 1
    return following if day.month == _DECEMBER and following in covered else day.year


def _notice(
    year: int, off: Iterable[date], work: Iterable[date], paper: str | None, names: Mapping[date, str]
) -> _Notice:
    off, work = list(off), list(work)
    if type(year) is not int or not all(_is_date(day) for day in (*off, *work, *names)):
        raise CalendarInvalid(f"the calendar of {year!r} cannot be used: a year is an int and its days are dates")
    off_days, work_days = frozenset(off), frozenset(work)
    stray = [day for day in off_days | work_days if day.year != year and (day.year, day.month) != (year - 1, _DECEMBER)]
    problems = [
        (off_days & work_days, "both off and worked"),
        ([day for day in work_days if day.weekday() < _SATURDAY], "made up, but not a Saturday or Sunday"),
        (stray, f"neither in {year} nor in the December before"),
        (names.keys() - off_days - work_days, "named, but neither off nor worked"),
        ([day for day, name in names.items() if not isinstance(name, str) or not name.strip()], "named with no text"),
    ]
    found = [f"{what}: {', '.join(map(str, sorted(days)))}" for days, what in problems if days]
    if not off_days:
        found.append("no day off: an empty table means the notice is unknown, never that there are no holidays")
    if paper is not None and not (isinstance(paper, str) and paper.strip()):
        found.append("no paper: name the State Council's notice")
    if found:
        raise CalendarInvalid(f"the calendar of {year} cannot be used: {'; '.join(found)}", year=year)
    return _Notice(off_days, work_days, dict(names), paper)


def _notice_document(notice: _Notice) -> dict[str, Any]:
    document: dict[str, Any] = {
        "off": [day.isoformat() for day in sorted(notice.off)],
        "work": [day.isoformat() for day in sorted(notice.work)],
    }
    if notice.names:
        document["names"] = {day.isoformat(): notice.names[day] for day in sorted(notice.names)}
    if notice.paper is not None:
        document["paper"] = notice.paper
    return document


def _read_notice(year: int, entry: Mapping[str, Any]) -> _Notice:
    return _notice(
        year,
        [date.fromisoformat(day) for day in entry["off"]],
        [date.fromisoformat(day) for day in entry["work"]],
        entry.get("paper"),
        {date.fromisoformat(day): name for day, name in entry.get("names", {}).items()},
    )
