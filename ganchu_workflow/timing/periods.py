"""A period as a plan writes it: `5 working days, to 17:30`. How it runs on the calendar is in `windows`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, SchemaSerializer, core_schema

from ganchu_workflow.errors import PeriodInvalid

END_OF_DAY = time(0, 0)
"""24:00 of the last day, which is 00:00 of the next; no period ends at the first instant of its last day."""

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


_WRITTEN = [unit.value.replace("_", " ") for unit in Unit if unit is not Unit.MICROSECONDS]
_UNITS = {word: unit for unit in Unit for word in (unit.replace("_", " "), unit.replace("_", " ").removesuffix("s"))}
_OPTIONS = ["start day counted", "to HH:MM", "no roll"]
_ZH = {
    Unit.WORKING_DAYS: "{}个工作日",
    Unit.CALENDAR_DAYS: "{}个自然日",
    Unit.HOURS: "{}小时",
    Unit.MONTHS: "{}个月",
    Unit.YEARS: "{}年",
}


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time and how it is counted. The same text always means the same period: `parse(str(p)) == p`.

    `counts_start`: whether the start day is the first one counted (by default it is not, 民法典 §201).
    `ends_at`: the hour at which the last day ends, in the zone of the plan, to the minute; None is the office's close
    of business, `END_OF_DAY` is 24:00 (民法典 §203).
    `rolls`: whether an end on a rest day moves to the next working day (民法典 §203); a validity does not roll.

    Raises `PeriodInvalid` for what cannot be true: a length below one, or an option that its unit cannot have.
    As a pydantic field it is read from its text or a `Period`, and written as its text in JSON.
    """

    length: int
    unit: Unit
    counts_start: bool = False
    ends_at: time | None = None
    rolls: bool = True

    # Where no field says its type (a default in a JSON schema, `Any`), pydantic would write the dataclass as an object.
    __pydantic_serializer__: ClassVar = SchemaSerializer(core_schema.any_schema(serialization=_AS_TEXT_IN_JSON))

    def __post_init__(self) -> None:
        if type(self.length) is not int or not 1 <= self.length <= _LARGEST:
            raise PeriodInvalid(f"a period's length is a whole number from 1 up, not {self.length!r}")
        try:
            object.__setattr__(self, "unit", Unit(self.unit))
        except ValueError as error:
            raise PeriodInvalid(f"a period has no unit {self.unit!r}; use one of {_listed([*Unit])}") from error
        if self.unit.in_hours and (self.counts_start or self.ends_at is not None or not self.rolls):
            raise PeriodInvalid(f"a period in {self.unit} runs from instant to instant; leave out {_listed(_OPTIONS)}")
        if self.unit is Unit.WORKING_DAYS and not self.rolls:
            raise PeriodInvalid("a period in working days ends on a working day and never rolls; leave out 'no roll'")
        if self.ends_at is not None and not is_minute(self.ends_at):
            raise PeriodInvalid(f"a period ends at a whole minute without a time zone, not {self.ends_at!r}")

    @classmethod
    def parse(cls, text: str) -> Period:
        """The period that `text` writes: a number, a unit, and options after commas in any order.

        `5 working days` · `7 calendar days, start day counted, to 17:30` · `5 working days, to 24:00` · `48 hours` ·
        `3 months` · `3 years, no roll`. Raises `PeriodInvalid` with the fields `text`, `word` (the part that cannot be
        read) and `allowed` (what could stand there).
        """
        if not isinstance(text, str):
            raise PeriodInvalid(f"a period is text such as '5 working days', not {text!r}")
        head, *options = (" ".join(part.lower().split()) for part in text.split(","))
        number, _, unit = head.partition(" ")
        if not re.fullmatch("[0-9]{1,16}", number) or not 1 <= int(number) <= _LARGEST:
            raise _unreadable(text, number, ["a whole number from 1 up"])
        if unit not in _UNITS:
            raise _unreadable(text, unit, _WRITTEN)
        counts_start, ends_at, rolls = False, None, True
        for position, option in enumerate(options):
            if option in options[:position] or (option.startswith("to ") and ends_at is not None):
                raise _unreadable(text, option, ["each option once"])
            if option == "start day counted":
                counts_start = True
            elif option == "no roll":
                rolls = False
            elif option.startswith("to "):
                ends_at = _read_hour(text, option.removeprefix("to "))
            else:
                raise _unreadable(text, option, _OPTIONS)
        return cls(int(number), _UNITS[unit], counts_start, ends_at, rolls)

    def __str__(self) -> str:
        unit = self.unit.value.replace("_", " ")
        parts = [f"{self.length} {unit.removesuffix('s') if self.length == 1 else unit}"]
        if self.counts_start:
            parts.append("start day counted")
        if self.ends_at is not None:
            parts.append(f"to {hour_text(self.ends_at)}")
        if not self.rolls:
            parts.append("no roll")
        return ", ".join(parts)

    def label_zh(self, start_day: str = "公布当日") -> str:
        """What an official reads, for example `5个工作日(公布当日不计),至17:30`.

        `start_day` names the day it runs from: `送达当日` where it runs from service.
        """
        if self.unit is Unit.MICROSECONDS:
            return _duration_zh(self.length)
        label = _ZH[self.unit].format(self.length)
        if self.unit is Unit.HOURS:
            return label
        notes = [f"{start_day}{'计入' if self.counts_start else '不计'}"]
        if not self.rolls:
            notes.append("末日不顺延")
        end = "" if self.ends_at is None else f",至{hour_text(self.ends_at)}"
        return f"{label}({','.join(notes)}){end}"

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


def hour_text(hour: time) -> str:
    """`17:30`; `END_OF_DAY` is written 24:00."""
    return "24:00" if hour == END_OF_DAY else hour.strftime("%H:%M")


def _read_hour(text: str, word: str) -> time:
    if word == "24:00":
        return END_OF_DAY
    if re.fullmatch("([01]?[0-9]|2[0-3]):[0-5][0-9]", word):
        hour, minute = map(int, word.split(":"))
        if (hour, minute) != (0, 0):  # it would be read as END_OF_DAY, a day later than it is written
            return time(hour, minute)
    raise _unreadable(text, word, ["an hour from 00:01 to 24:00"])


def _unreadable(text: str, word: str, allowed: list[str]) -> PeriodInvalid:
    shown = f"cannot read '{word}'" if word else "something is missing"
    message = f"the period '{text}': {shown}; here may stand {_listed(allowed)}"
    return PeriodInvalid(message, text=text, word=word, allowed=tuple(allowed))


def _listed(words: list[str]) -> str:
    return ", ".join(words)


def _duration_zh(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    exact = f"{seconds}.{fraction:06}".rstrip("0") if fraction else str(seconds)
    return f"{hours}小时{minutes}分{exact}秒"
