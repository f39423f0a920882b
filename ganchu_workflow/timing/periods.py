"""A period as a plan writes it: `5 working days, to 17:30`. How it runs on the calendar is in `windows`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import time
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, SchemaSerializer, core_schema

from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.reading import Words, comma_missing, hour_text, parts_of, read_hour

_LARGEST = 2**53 - 1
_AS_TEXT_IN_JSON = core_schema.to_string_ser_schema(when_used="json")


class Unit(StrEnum):
    """What a period is counted in."""

    WORKING_DAYS = "working_days"
    """工作日, make-up working days included."""
    CALENDAR_DAYS = "calendar_days"
    """自然日, rest days included."""
    HOURS = "hours"
    """From the hour to the hour (民法典 §201)."""
    MONTHS = "months"
    """To the corresponding day (民法典 §202)."""
    YEARS = "years"
    """To the corresponding day (民法典 §202)."""
    MICROSECONDS = "microseconds"
    """Only for what is left of a period in hours: the exact time that remained when it was stopped."""

    @property
    def in_hours(self) -> bool:
        """Whether it runs from instant to instant, so that first day, closing time and roll mean nothing."""
        return self in (Unit.HOURS, Unit.MICROSECONDS)


_ZH = {
    Unit.WORKING_DAYS: "{}个工作日",
    Unit.CALENDAR_DAYS: "{}个自然日",
    Unit.HOURS: "{}小时",
    Unit.MONTHS: "{}个月",
    Unit.YEARS: "{}年",
}
_UNITS = {
    **{word: unit for unit in Unit for word in (unit.replace("_", " "), unit.replace("_", " ").removesuffix("s"))},
    **{written.format(""): unit for unit, written in _ZH.items()},
}
_START_DAY = {
    **{f"{day} day {said}": said == "counted" for day in ("start", "publish") for said in ("counted", "not counted")},
    **{
        f"{day}{said}": said == "计入"
        for day in ("起始日", "当日", "公布当日", "送达当日", "进入当日", "恢复当日")
        for said in ("计入", "不计")
    },
}
"""In English, and as `label_zh` prints it."""
_UP_TO = f"不大于{_LARGEST}的整数 / a whole number up to {_LARGEST}"
WHOLE_NUMBER = "从1起的整数 / a whole number from 1 up"
_WRITTEN = [unit.value.replace("_", " ") for unit in Unit if unit is not Unit.MICROSECONDS]
_OPTIONS = ["start day counted", "start day not counted", "to HH:MM", "no roll", "and never under 7 calendar days"]
_NEVER_ROLLS = (
    "工作日期限的末日必为工作日,不存在顺延,请删去此项 / a period in working days ends on a working day and never "
    "rolls; leave out 'no roll'"
)
_MEANINGLESS_IN_HOURS = "start day counted, to HH:MM, no roll"


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time and how it is counted. The same text always means the same period: `parse(str(p)) == p`.

    `counts_start`: whether the start day is the first one counted (by default it is not, 民法典 §201).
    `ends_at`: the hour at which the last day ends, in the zone of the plan, to the minute; None is the office's close
    of business, `END_OF_DAY` is 24:00 (民法典 §203).
    `rolls`: whether an end on a rest day moves to the next working day (民法典 §203); a validity does not roll.
    `at_least`: a second length that is kept too, whatever the first comes to: the end is the later of both. It is a
    length and a unit alone: its start day is never counted, its end rolls, and its hour is that of the period.

    Raises `PeriodInvalid` for what cannot be true: a length below one, or an option that its unit cannot have.
    As a pydantic field it is read from its text or a `Period`, and written as its text in JSON.
    """

    length: int
    unit: Unit
    counts_start: bool = False
    ends_at: time | None = None
    rolls: bool = True
    at_least: Period | None = None

    # Where no field says its type (a default in a JSON schema, `Any`), pydantic would write the dataclass as an object.
    __pydantic_serializer__: ClassVar = SchemaSerializer(core_schema.any_schema(serialization=_AS_TEXT_IN_JSON))

    def __post_init__(self) -> None:
        if type(self.length) is not int or not 1 <= self.length <= _LARGEST:
            raise PeriodInvalid(f"a period's length is a whole number from 1 up, not {self.length!r}")
        try:
            object.__setattr__(self, "unit", Unit(self.unit))
        except ValueError as error:
            raise PeriodInvalid(f"a period has no unit {self.unit!r}; use one of {', '.join(Unit)}") from error
        if self.unit.in_hours and (self.counts_start or self.ends_at is not None or not self.rolls):
            raise PeriodInvalid(
                f"a period in {self.unit} runs from instant to instant; leave out {_MEANINGLESS_IN_HOURS}"
            )
        if self.unit is Unit.WORKING_DAYS and not self.rolls:
            raise PeriodInvalid(_NEVER_ROLLS)
        if self.ends_at is not None and not is_minute(self.ends_at):
            raise PeriodInvalid(f"a period ends at a whole minute without a time zone, not {self.ends_at!r}")
        least = self.at_least
        if least is not None and (not isinstance(least, Period) or least != Period(least.length, least.unit)):
            raise PeriodInvalid(f"what a period is never under is a number and a unit, with no options, not {least!s}")

    @classmethod
    def parse(cls, text: str) -> Period:
        """The period that `text` writes: a number, a unit, and options after commas in any order.

        `5 working days` · `7 calendar days, start day counted, to 17:30` · `5 working days, to 24:00` · `48 hours` ·
        `3 months` · `3 years, no roll` · `5 working days, and never under 7 calendar days`. `publish day counted` is
        `start day counted`; what is so anyway may be said (`start day not counted`). What `label_zh` prints is read
        too, but for microseconds: `5个工作日(公布当日不计),至17:30,且不少于7个自然日`. Raises `PeriodInvalid` with the
        fields `text`, `word` (the part that cannot be read), `position` (its place in the text, from 0) and `allowed`
        (what could stand there).
        """
        if not isinstance(text, str):
            raise PeriodInvalid(f"a period is text such as '5 working days', not {text!r}")
        head, *options = parts_of(text)
        length, unit = _read_length(head)
        found: dict[str, Any] = {}
        for option in options:
            name, value = _read_option(option)
            if name in found:
                raise option.unreadable(["各选项只写一次 / each option once"])
            if unit.in_hours and name != "at_least":
                raise option.unreadable([_OPTIONS[-1]])
            if unit is Unit.WORKING_DAYS and name == "rolls":
                raise option.refused(_NEVER_ROLLS, [one for one in _OPTIONS if one != "no roll"])
            found[name] = value
        return cls(length, unit, **found)

    @property
    def parts(self) -> tuple[Period, ...]:
        """The periods that are reckoned each for itself: this one, or this one alone and what it is never under."""
        if self.at_least is None:
            return (self,)
        hour = None if self.at_least.unit.in_hours else self.ends_at
        return replace(self, at_least=None), replace(self.at_least, ends_at=hour)

    def __str__(self) -> str:
        parts = [self._length_en()]
        if self.counts_start:
            parts.append("start day counted")
        if self.ends_at is not None:
            parts.append(f"to {hour_text(self.ends_at)}")
        if not self.rolls:
            parts.append("no roll")
        if self.at_least is not None:
            parts.append(f"and never under {self.at_least}")
        return ", ".join(parts)

    def label_zh(self, start_day: str = "公布当日") -> str:
        """What an official reads, for example `5个工作日(公布当日不计),至17:30,且不少于7个自然日`.

        `start_day` names the day it runs from: `送达当日` where it runs from service.
        """
        notes = [] if self.unit.in_hours else [f"{start_day}{'计入' if self.counts_start else '不计'}"]
        notes += [] if self.rolls else ["末日不顺延"]
        end = "" if self.ends_at is None else f",至{hour_text(self.ends_at)}"
        least = "" if self.at_least is None else f",且不少于{self.at_least._length_zh()}"
        return self._length_zh() + (f"({','.join(notes)})" if notes else "") + end + least

    def label_en(self, start_day: str = "day of publication") -> str:
        """The same in English, for example `5 working days (day of publication not counted), to 17:30`."""
        notes = [] if self.unit.in_hours else [f"{start_day} {'counted' if self.counts_start else 'not counted'}"]
        notes += [] if self.rolls else ["its last day does not roll"]
        end = "" if self.ends_at is None else f", to {hour_text(self.ends_at)}"
        least = "" if self.at_least is None else f", and never under {self.at_least._length_en()}"
        return self._length_en() + (f" ({', '.join(notes)})" if notes else "") + end + least

    def _length_zh(self) -> str:
        return _duration_zh(self.length) if self.unit is Unit.MICROSECONDS else _ZH[self.unit].format(self.length)

    def _length_en(self) -> str:
        unit = self.unit.value.replace("_", " ")
        return f"{self.length} {unit.removesuffix('s') if self.length == 1 else unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._from_field, serialization=_AS_TEXT_IN_JSON)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "title": "Period", "examples": ["5 working days", "7 calendar days, to 17:30"]}

    @classmethod
    def _from_field(cls, value: Any) -> Period:
        if isinstance(value, cls):
            return value
        try:
            return cls.parse(value)
        except PeriodInvalid as error:
            # pydantic names the field only for its own errors; ours would pass through it and lose the place.
            raise PydanticCustomError("period_invalid", "{reason}", {"reason": error.message}) from error


def is_minute(hour: object) -> bool:
    """Whether `hour` is a time of day to the whole minute, without a time zone of its own."""
    return isinstance(hour, time) and hour.tzinfo is None and not (hour.second or hour.microsecond)


def _read_length(words: Words) -> tuple[int, Unit]:
    number, unit = words.first, words.after(1)
    digits = str(number).lstrip("0")
    if not re.fullmatch("[0-9]+", digits):
        raise number.unreadable([WHOLE_NUMBER])
    if len(digits) > len(str(_LARGEST)) or int(digits) > _LARGEST:
        raise number.unreadable([_UP_TO])
    if str(unit) not in _UNITS:
        raise _run_together(unit) or unit.unreadable(_WRITTEN)
    return int(digits), _UNITS[str(unit)]


def _run_together(unit: Words) -> PeriodInvalid | None:
    """The error for a unit and an option with no comma between them."""
    for count in range(1, len(unit.words)):
        if " ".join(unit.words[:count]) in _UNITS:
            rest = unit.after(count)
            try:
                _read_option(rest)
            except PeriodInvalid as error:
                return error if error.fields.get("allowed") == (",",) else None
            return comma_missing(rest)
    return None


def _read_option(option: Words) -> tuple[str, Any]:
    words = option.words
    if str(option) in _START_DAY:
        return "counts_start", _START_DAY[str(option)]
    if str(option) in ("no roll", "末日不顺延"):
        return "rolls", False
    if len(words) > 1 and words[0] in ("to", "至"):
        return "ends_at", read_hour(option.after(1))
    if words[:1] == ("且不少于",):
        return "at_least", Period(*_read_length(option.after(1)))
    least = option.after(words[:1] == ("and",))
    if least.words[:2] == ("never", "under"):
        return "at_least", Period(*_read_length(least.after(2)))
    raise option.unreadable(_OPTIONS)


def _duration_zh(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    exact = f"{seconds}.{fraction:06}".rstrip("0") if fraction else str(seconds)
    return f"{hours}小时{minutes}分{exact}秒"
