"""A reckoning: where a period ends, how that was found, and both as text and as a document for the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, cast, get_args
from zoneinfo import ZoneInfo

from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.days import Day, Kind, Why, day_it_ends
from ganchu_workflow.timing.limits import NotLaterThan, parse_limit
from ganchu_workflow.timing.periods import Period, Unit
from ganchu_workflow.timing.reading import END_OF_DAY

FORMAT = "ganchu-reckoning/1"

_LINES = 62
"""So many days are shown one by one; of more, the first and the last half of that."""
_WEEKDAYS = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_WORDS = {
    "zh": {
        "rule": "期限:{}",
        "start": "起算:{}",
        "counted": "第{}日",
        "day": "计入",
        "not_counted": "不计",
        "skipped": "…… 略去{}日 ……",
        "part": "其中 {}",
        "end": "截止:{}",
        "close": "(下班时间)",
        "later": "取两者中较晚者:{},截止{}",
        "calendar": "日历:{}",
        "provisional": ";次年放假安排通知尚未公布,12月的日子可能变动,本结果为暂定",
        "paper": "依据:{}",
    },
    "en": {
        "rule": "rule: {}",
        "start": "start: {}",
        "counted": "day {}",
        "day": "counted",
        "not_counted": "not counted",
        "skipped": "… {} days left out …",
        "part": "of it, {}",
        "end": "end: {}",
        "close": " (close of business)",
        "later": "the later of both: {}, which ends at {}",
        "calendar": "calendar: {}",
        "provisional": "; provisional: next year's holiday notice is not out, and may change days of this December",
        "paper": "under: {}",
    },
}  # fmt: skip
_INDEX = {"period": 0, "at_least": 1}
_WHYS = frozenset(get_args(Why))
_KINDS = frozenset(get_args(Kind))
Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Where a period ends and how that was found. Instants are aware, in the zone it was reckoned in.

    An act at `due_at` is in time. `last_day` is the day the end belongs to: with 24:00 the day before `due_at`'s date.
    `days` has every day from the start to `last_day`; for months, years and a fixed end only those at either end.
    `provisional`: an end lies in a December that the next year's notice, not yet loaded, could still change.

    Of a period with `at_least`, `parts` holds both reckonings, that of the period alone and that of what it is never
    under, and `decided_by` says whose end is the later one; all else here is of that one. Otherwise `parts` is empty.
    """

    due_at: datetime
    period: Period | NotLaterThan
    start: datetime
    first_day: date
    last_day: date
    days: tuple[Day, ...]
    calendar_version: str
    provisional: bool
    parts: tuple[Reckoning, ...] = ()
    decided_by: Literal["period", "at_least"] = "period"

    @property
    def numbers_days(self) -> bool:
        """Whether it counts days, so that each has a number: not months, years, hours, nor a fixed end."""
        return isinstance(self.period, Period) and self.period.unit in (Unit.WORKING_DAYS, Unit.CALENDAR_DAYS)

    def explain(self) -> list[dict[str, Any]]:
        """Every day of `days` as plain data: date, weekday, counted, why, kind, holiday, paper (empty where none).

        Of a period with `at_least` it is the part that decided; each of `parts` explains itself.
        """
        return [
            {
                "date": day.date.isoformat(),
                "weekday": _WEEKDAYS["en"][day.date.weekday()],
                "counted": day.counted,
                "why": day.why,
                "kind": day.kind,
                "holiday": day.holiday,
                "paper": day.paper,
            }
            for day in self.days
        ]

    def text_zh(self, start_day: str = "公布当日") -> str:
        """The reckoning for the record, in lines: rule, start, every day with what it counts, end, calendar, notices.

        `start_day` is as in `Period.label_zh`. Of more than 62 days the first and the last 31 are shown.
        """
        return "\n".join(_lines(self, "zh", lambda limit: limit.label_zh(start_day)))

    def text_en(self, start_day: str = "day of publication") -> str:
        """The same in English."""
        return "\n".join(_lines(self, "en", lambda limit: limit.label_en(start_day)))

    def document(self) -> dict[str, Any]:
        """All of it as canonical JSON, for a stage to keep as a fact; `from_document` reads it."""
        return {"format": FORMAT, "zone": cast(ZoneInfo, self.start.tzinfo).key, **_entry(self)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Reckoning:
        """The reckoning that `document` describes, so that its explanation can be printed later.

        Nothing is reckoned anew. Raises `PeriodInvalid` when it is not as `document()` writes it.
        """
        try:
            found = _read_entry(document, ZoneInfo(document["zone"]))
        except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
            raise PeriodInvalid(f"this is not the document of a reckoning: {error!r}") from error
        if found.document() != document:
            raise PeriodInvalid(f"the document of a reckoning is not in the form {FORMAT}: unknown keys or spelling")
        return found


def shown(instant: datetime) -> str:
    """An instant as it is printed: to the minute, or to the second where it has one."""
    return instant.strftime("%Y-%m-%d %H:%M:%S" if instant.second else "%Y-%m-%d %H:%M")


def shown_end(instant: datetime) -> str:
    """A closing instant as it is printed: 00:00 is 24:00 of the day before."""
    return f"{day_it_ends(instant)} 24:00" if instant.time() == END_OF_DAY else shown(instant)


def _lines(found: Reckoning, language: Language, label: Callable[[Period | NotLaterThan], str]) -> Iterator[str]:
    words, weekdays = _WORDS[language], _WEEKDAYS[language]
    yield words["rule"].format(label(found.period))
    yield words["start"].format(f"{shown(found.start)} {weekdays[found.start.weekday()]}")
    for part in found.parts or (found,):
        if found.parts:
            yield words["part"].format(label(part.period))
        yield from _day_lines(part, language)
        at_close = isinstance(part.period, Period) and part.period.ends_at is None and not part.period.unit.in_hours
        end = words["end"].format(f"{shown_end(part.due_at)} {weekdays[part.last_day.weekday()]}")
        yield end + (words["close"] if at_close else "")
    if found.parts:
        yield words["later"].format(label(found.parts[_INDEX[found.decided_by]].period), shown_end(found.due_at))
    yield words["calendar"].format(found.calendar_version) + (words["provisional"] if found.provisional else "")
    papers = dict.fromkeys(day.paper for part in (found, *found.parts) for day in part.days if day.paper)
    for paper in papers:
        yield words["paper"].format(paper)


def _day_lines(found: Reckoning, language: Language) -> Iterator[str]:
    words, counted, lines = _WORDS[language], 0, []
    for day in found.days:
        counted += day.counted
        number = words["counted"].format(counted) if found.numbers_days else words["day"]
        weekday = _WEEKDAYS[language][day.date.weekday()]
        said = number if day.counted else words["not_counted"]
        lines.append(f"  {day.date} {weekday} {said} {day.zh if language == 'zh' else day.en}")
    half = _LINES // 2
    if len(lines) > _LINES:
        lines[half:-half] = [f"  {words['skipped'].format(len(lines) - 2 * half)}"]
    yield from lines


def _entry(found: Reckoning) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "rule": str(found.period),
        "start": found.start.isoformat(),
        "due_at": found.due_at.isoformat(),
        "first_day": found.first_day.isoformat(),
        "last_day": found.last_day.isoformat(),
        "calendar": found.calendar_version,
        "provisional": found.provisional,
    }
    if found.parts:
        # What stands above it is one of these, and is not said twice.
        return entry | {"decided_by": found.decided_by, "parts": [_entry(part) for part in found.parts]}
    return entry | {"days": [_day_entry(day) for day in found.days]}


def _day_entry(day: Day) -> dict[str, Any]:
    entry: dict[str, Any] = {"date": day.date.isoformat(), "counted": day.counted, "why": day.why}
    more = (("kind", day.kind), ("holiday", day.holiday), ("paper", day.paper))
    return entry | {key: value for key, value in more if value}


def _read_entry(entry: Mapping[str, Any], zone: ZoneInfo) -> Reckoning:
    parts = tuple(_read_entry(part, zone) for part in entry.get("parts", ()))
    decided_by: Literal["period", "at_least"] = entry["decided_by"] if parts else "period"
    days = parts[_INDEX[decided_by]].days if parts else tuple(_read_days(entry["days"]))
    return Reckoning(
        due_at=datetime.fromisoformat(entry["due_at"]).astimezone(zone),
        period=parse_limit(entry["rule"]),
        start=datetime.fromisoformat(entry["start"]).astimezone(zone),
        first_day=date.fromisoformat(entry["first_day"]),
        last_day=date.fromisoformat(entry["last_day"]),
        days=days,
        calendar_version=entry["calendar"],
        provisional=entry["provisional"],
        parts=parts,
        decided_by=decided_by,
    )


def _read_days(entries: Sequence[Mapping[str, Any]]) -> Iterator[Day]:
    for entry in entries:
        if entry["why"] not in _WHYS:
            raise ValueError(f"no reason '{entry['why']}' is known")
        if entry.get("kind", "") not in _KINDS:
            raise ValueError(f"no kind of day '{entry['kind']}' is known")
        yield Day(
            date.fromisoformat(entry["date"]),
            entry["counted"],
            entry["why"],
            entry.get("holiday", ""),
            entry.get("paper", ""),
            entry.get("kind", ""),
        )
