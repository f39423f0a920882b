"""One year's notice as a TOML file, which an office writes on the day the State Council publishes it.

    year = 2027
    notice = "国务院办公厅关于2027年部分节假日安排的通知"
    number = "国办发明电〔2026〕0号"
    dated = 2026-11-04

    [[holiday]]
    name = "元旦"
    off = ["2027-01-01..2027-01-03"]
    work = [2026-12-26]

`off` are all days that are given off, weekends within a holiday included, `work` the make-up working days (调休上班):
dates, or ranges of both ends.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ganchu_workflow.errors import CalendarInvalid, Finding
from ganchu_workflow.timing.calendar import Change, WorkingCalendar

_SATURDAY = 5
_DECEMBER = 12
_LONGEST_RANGE = 31
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
"""A later year is a slip of the hand, and the last one of Python would have no December that is settled."""
_RANGE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\s*[.]{2}\s*([0-9]{4}-[0-9]{2}-[0-9]{2}))?")
"""One date, or two; Python alone would read a week's day (2027-W01-5) or 20270102 as well."""
_WEEKDAYS = (
    ("星期一", "Monday"), ("星期二", "Tuesday"), ("星期三", "Wednesday"), ("星期四", "Thursday"), ("星期五", "Friday"),
)  # fmt: skip
_OF_EVERY_YEAR = {"元旦": "元旦", "春节": "春节", "劳动": "劳动节", "国庆": "国庆节"}
_SINCE_2008 = {"清明": "清明节", "端午": "端午节", "中秋": "中秋节"}
"""The word by which a holiday is known in a table, and its name."""
_EMPTY = "文件为空,请写年份、通知和各节日 / it is empty; write the year, the notice and its holidays"
_KEYS = ("year", "notice", "number", "dated", "holiday")
_HOLIDAY_KEYS = ("name", "off", "work")


@dataclass(frozen=True, slots=True)
class Overlay:
    """The State Council's notice of one year. `off` and `work` are in order; `names` has the holiday of each of them.

    `number` is empty and `dated` None where the file does not say them; `source` is the file's path, empty for a text.
    """

    year: int
    notice: str
    number: str
    dated: date | None
    off: tuple[date, ...]
    work: tuple[date, ...]
    names: Mapping[date, str]
    source: str = ""
    replaces: bool = False
    """Whether days that it does not name are ordinary from now on: `on` refuses to drop days off, or made up."""

    @property
    def lacks(self) -> tuple[str, ...]:
        """The holidays of every year (全国年节及纪念日放假办法) that no holiday of the table names.

        A table may be right all the same, where a notice gives two of them off under one name.
        """
        named = " ".join(self.names.values())
        of_every_year = {**_OF_EVERY_YEAR, **(_SINCE_2008 if self.year >= 2008 else {})}
        return tuple(holiday for word, holiday in of_every_year.items() if word not in named)

    @property
    def paper(self) -> str:
        """The notice as it is named in an explanation: title, number, date."""
        known = ",".join(str(one) for one in (self.number, self.dated) if one)
        return f"{self.notice}({known})" if known else self.notice

    def on(self, calendar: WorkingCalendar) -> WorkingCalendar:
        """`calendar` with this year laid over it; a year that it had is replaced as a whole, and it is unchanged.

        An amendment often names only the days that it changes, and then is no table of a year. So a table that leaves
        out a day which `calendar` has off, and which would be worked, or a weekend day which it makes up, and which
        would be off, raises `CalendarInvalid` with these days in its field `days`, unless it says that it `replaces`
        what was known (`dataclasses.replace(overlay, replaces=True)`).
        """
        after = calendar.with_year(self.year, self.off, self.work, self.paper, self.names)
        lost = [change for change in calendar.differences(after).days if _leaves_out(change)]
        if lost and not self.replaces:
            off = ", ".join(str(change.day) for change in lost if change.after.works)
            work = ", ".join(str(change.day) for change in lost if change.before.works)
            zh = "、".join(f"{words} {days}" for words, days in (("放假日", off), ("调休上班日", work)) if days)
            en = ", and ".join(
                f"days that are {words} now: {days}" for words, days in (("given off", off), ("made up", work)) if days
            )
            raise CalendarInvalid(
                f"{self.year}年放假安排缺少现行日历中的{zh}:修订通知须给出全年完整的放假表;确已改变的,请注明替换全年 / "
                f"the table of {self.year} leaves out {en}; of an amendment give the amended table of the whole year, "
                "and where these days have really changed, say that it replaces the year "
                "(ganchu calendar import --replace, or replaces=True)",
                source=self.source,
                year=self.year,
                days=[change.day.isoformat() for change in lost],
                findings=(),
            )
        return after


def read_overlay(source: Path | str) -> Overlay:
    """The overlay in the file `source`, or, where it is a `str`, in the text itself.

    Raises `CalendarInvalid` with every fault that was found and its place; its fields are `source`, `year` where it is
    known, and `findings`.
    """
    if not isinstance(source, Path):
        return _Reading(source, "").overlay()
    try:
        text = source.read_text("utf-8-sig")
    except OSError as error:
        raise _refused(
            str(source), [Finding("", f"文件无法读取 / the file cannot be read: {error.strerror or error}")]
        ) from error
    except UnicodeDecodeError as error:
        raise _refused(
            str(source), [Finding("", f"文件不是UTF-8编码,请另存为UTF-8 / the file is not UTF-8: {error}")]
        ) from error
    return _Reading(text, str(source)).overlay()


def read_overlays(paths: Iterable[Path]) -> list[Overlay]:
    """The overlays in these files, in order of their years.

    Raises `CalendarInvalid` as `read_overlay` does, and when two of them are of one year, naming both files.
    """
    found: dict[int, Overlay] = {}
    for path in paths:
        overlay = read_overlay(path)
        other = found.setdefault(overlay.year, overlay)
        if other is not overlay:
            raise CalendarInvalid(
                f"两个文件同为{overlay.year}年,请只给一个,修订的给修订后的全年表 / two overlays are of the year "
                f"{overlay.year}: {other.source} and {overlay.source}; give one of them, for an amendment the amended "
                "table",
                source=overlay.source,
                year=overlay.year,
                findings=(),
            )
    return [found[year] for year in sorted(found)]


def _leaves_out(change: Change) -> bool:
    """Whether a day that a notice had named is named no more, so that offices are open or closed on it otherwise."""
    return (change.before.code, change.after.code) in (("holiday", "working"), ("make_up", "weekend"))


def _refused(source: str, findings: list[Finding], **fields: Any) -> CalendarInvalid:
    lines = "\n".join(f"  - {finding}" for finding in findings)
    of = f" {source}" if source else ""
    return CalendarInvalid(
        f"放假安排{of}不能使用 / the calendar overlay{of} cannot be used:\n{lines}",
        source=source,
        findings=tuple(findings),
        **fields,
    )


@dataclass
class _Reading:
    """One text on its way to an overlay: what is wrong with it is gathered, so that all of it is said at once."""

    text: str
    source: str
    findings: list[Finding] = field(default_factory=list)
    seen: dict[date, tuple[str, str]] = field(default_factory=dict)
    """Each day, whether it was said first to be `off` or `work`, and where."""

    def overlay(self) -> Overlay:
        raw = self._toml()
        self._known_keys("", raw, _KEYS)
        year = self._year(raw.get("year"))
        notice = self._string(
            "notice", raw.get("notice"), "请写通知标题", "name the State Council's notice by its title"
        )
        number = (
            self._string("number", raw["number"], "请写文号", "the number of the document") if "number" in raw else ""
        )
        dated = raw.get("dated")
        if dated is not None and not _is_date(dated):
            self._wrong(
                "dated", f"{_as_written(dated)} 不是日期,请写如 2026-11-04 / is no date; write it like 2026-11-04"
            )
        off: list[date] = []
        work: list[date] = []
        names: dict[date, str] = {}
        for place, holiday in self._holidays(raw.get("holiday")):
            self._known_keys(place, holiday, _HOLIDAY_KEYS)
            name = self._string(f"{place}, name", holiday.get("name"), "请写节日名称", "name the holiday")
            if not any(holiday.get(key, []) != [] for key in ("off", "work")):
                self._wrong(place, "未列任何日子,请写 off 或 work / no day is given; write off or work")
            for key, days in (("off", off), ("work", work)):
                for where, day in self._days(f"{place}, {key}", holiday.get(key, [])):
                    self._check(where, day, key, year)
                    days.append(day)
                    names[day] = name
        if not off and not self.findings:
            self._wrong(
                "",
                "没有放假日:空表只说明通知未知,请写全年的放假日 / no day is given off: an empty table means that "
                "the notice is unknown",
            )
        if self.findings or year is None:
            raise _refused(self.source, self.findings, **({} if year is None else {"year": year}))
        return Overlay(year, notice, number, dated, tuple(sorted(off)), tuple(sorted(work)), names, self.source)

    def _wrong(self, where: str, what: str) -> None:
        self.findings.append(Finding(where, what))

    def _toml(self) -> dict[str, Any]:
        if not self.text.strip():
            raise _refused(self.source, [Finding("", _EMPTY)])
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            place = re.search(r"line (\d+), column (\d+)", str(error))
            where = f"第{place[1]}行第{place[2]}列" if place else "文件末尾"
            what = f"{where}不合TOML格式,常因缺少引号 / it is not TOML, often for want of a quote: {error}"
            raise _refused(self.source, [Finding("", what)]) from error
        except (ValueError, RecursionError) as error:
            # TOML sets no bound to a number or to brackets within brackets, Python does.
            what = f"数字过长或括号嵌套过深,不是放假安排 / a number or a nesting is too long for a notice: {error}"
            raise _refused(self.source, [Finding("", what)]) from error

    def _known_keys(self, place: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                near = get_close_matches(key, known, 1)
                zh, hint = (f",是否应为“{near[0]}”", f"did you mean '{near[0]}'? ") if near else ("", "")
                there = f"没有“{key}”这一项{zh} / there is no key '{key}'"
                self._wrong(place, f"{there}; {hint}keys are: {', '.join(known)}")

    def _year(self, value: Any) -> int | None:
        if type(value) is int and _FIRST_YEAR <= value <= _LAST_YEAR:
            return value
        between = f"{_FIRST_YEAR} to {_LAST_YEAR}"
        zh = "缺少" if value is None else f"{_as_written(value)} 不是{_FIRST_YEAR}至{_LAST_YEAR}的年份"
        en = "is missing" if value is None else f"is {_as_written(value)}, which is no year from {between}"
        like = "for example year = 2027"
        self._wrong("year", f"{zh},请写通知所安排的年份 / {en}; write the year that the notice is about, {like}")
        return None

    def _string(self, where: str, value: Any, zh: str, en: str) -> str:
        if isinstance(value, str) and value.strip():
            return value.strip()
        said = ("缺少", "is missing")
        if value is not None:
            said = (f"{_as_written(value)} 不是文字", f"is {_as_written(value)}, which is no text")
        self._wrong(where, f"{said[0]},{zh} / {said[1]}; {en}")
        return ""

    def _holidays(self, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value) or not value:
            self._wrong(
                "holiday",
                "每个节日单独成表,表头写 [[holiday]] / write each holiday as a table of its own, headed [[holiday]]",
            )
            return
        for number, holiday in enumerate(value, 1):
            name = holiday.get("name")
            yield f"holiday {number}" + (f" ({name})" if isinstance(name, str) and name.strip() else ""), holiday

    def _days(self, place: str, value: Any) -> Iterator[tuple[str, date]]:
        if not isinstance(value, list):
            what = f"{_as_written(value)} 不是日期的列表 / is {_as_written(value)}"
            self._wrong(place, f"{what}; write a list of dates, for example [2027-01-01]")
            return
        for number, one in enumerate(value, 1):
            where = f"{place} {number}"
            days = _dates_of(one)
            if days is None:
                form = 'a date is written 2027-01-01, and a range "2027-01-01..2027-01-03"'
                written = _as_written(one)
                self._wrong(where, f"{written} 不是日期或日期范围 / {written} is no date and no range of dates; {form}")
            elif not 1 <= len(days) <= _LONGEST_RANGE:
                long = (f"超过{_LONGEST_RANGE}日", f"has more than {_LONGEST_RANGE} days")
                zh, en = long if days else ("止早于起", "ends before it begins")
                self._wrong(where, f"范围 {_as_written(one)} {zh} / the range {_as_written(one)} {en}")
            else:
                yield from ((where, date.fromordinal(day)) for day in days)

    def _check(self, where: str, day: date, key: str, year: int | None) -> None:
        before, first = self.seen.setdefault(day, (key, where))
        if first != where:
            both = ("既列放假又列调休上班", "is both a day off and a make-up working day")
            zh, en = ("重复列出", "is said twice") if before == key else both
            self._wrong(where, f"{day} {zh},见 {first} / {day} {en}: see {first}")
        if key == "work" and day.weekday() < _SATURDAY:
            zh, en = _WEEKDAYS[day.weekday()]
            self._wrong(
                where, f"{day} 是{zh},本为工作日,无须调休 / {day} is made up, but it is a {en}, and worked anyway"
            )
        if year is not None and day.year != year and (day.year, day.month) != (year - 1, _DECEMBER):
            self._wrong(
                where,
                f"{day} 不在{year}年,也不在上年12月 / {day} lies neither in {year} nor in the December before",
            )


def _is_date(value: Any) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _as_written(value: Any) -> str:
    try:
        return f"'{value}'"
    except ValueError:  # Python writes no number of more than 4300 digits
        return "'…'"


def _dates_of(value: Any) -> range | None:
    """The days that a date or a range names, as ordinals; None where it is neither."""
    if _is_date(value):
        return range(value.toordinal(), value.toordinal() + 1)
    if not isinstance(value, str):
        return None
    ends = _RANGE.fullmatch(value.strip())
    if ends is None:
        return None
    try:
        first, last = (date.fromisoformat(text) for text in (ends[1], ends[2] or ends[1]))
    except ValueError:
        return None
    return range(first.toordinal(), last.toordinal() + 1)
