"""The other way to say when something ends: a fixed instant, `not later than 2026-10-10 17:30 +08:00`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, SchemaSerializer, core_schema

from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.periods import WHOLE_NUMBER, Period
from ganchu_workflow.timing.reading import END_OF_DAY, Words, parts_of

_FORM = "not later than YYYY-MM-DD HH:MM +08:00"
_WRITTEN = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[ t]"
    r"(?P<hour>[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)"
    r"( ?(?P<offset>z|[+-][0-9]{2}:[0-9]{2}))?"
)
_PREFIX = ("not", "later", "than")
_PREFIX_ZH = ("不晚于",)
_ZONE = re.compile("(?P<beijing>北京时间)|utc(?P<offset>[+-][0-9]{2}:[0-9]{2})")
_BEIJING = timedelta(hours=8)
_MINUTE = timedelta(minutes=1)
_NOTHING = timedelta()
_AS_TEXT_IN_JSON = core_schema.to_string_ser_schema(when_used="json")


@dataclass(frozen=True, slots=True)
class NotLaterThan:
    """An end that is an instant, whatever the calendar says: an act at `instant` is in time.

    A phrase such as "10月10日前" is no limit: no law says whether that day is included (民法典 §1259 defines 以内 and
    届满, not 前), so what is written is the instant. The offset from UTC is kept as it was given, and
    `parse(str(limit)) == limit`. As a pydantic field it is read from its text, and written as its text in JSON.

    Raises `PeriodInvalid` for a naive datetime.
    """

    instant: datetime

    __pydantic_serializer__: ClassVar = SchemaSerializer(core_schema.any_schema(serialization=_AS_TEXT_IN_JSON))

    def __post_init__(self) -> None:
        offset = self.instant.utcoffset() if isinstance(self.instant, datetime) else None
        if offset is None or offset % _MINUTE != _NOTHING:
            raise PeriodInvalid(
                f"a fixed end is an instant with an offset from UTC, for example +08:00, not {self.instant!r}"
            )
        object.__setattr__(self, "instant", self.instant.replace(tzinfo=timezone(offset), fold=0))

    @classmethod
    def parse(cls, text: str) -> NotLaterThan:
        """The limit that `text` writes: `not later than 2026-10-10 17:30 +08:00`, or `2026-10-10T17:30+08:00` alone.

        What `label_zh` prints is read too: `不晚于2026-10-10 17:30(北京时间)`, or `(UTC+09:00)`.
        24:00 is 00:00 of the next day, and either may be written. Raises `PeriodInvalid` with the fields of
        `Period.parse`; an offset that is missing is pointed at, and never supplied.
        """
        if not isinstance(text, str):
            raise PeriodInvalid(f"a fixed end is text such as '{_FORM}', not {text!r}")
        first, *more = parts_of(text)
        words = first.after(3) if first.words[:3] == _PREFIX else first.after(first.words[:1] == _PREFIX_ZH)
        written = _WRITTEN.fullmatch(str(words))
        if written is None:
            raise words.unreadable([_FORM])
        offset = written["offset"]
        if first.words[:1] == _PREFIX_ZH and offset is None and more:
            zone, *more = more
            offset = _offset_of(zone)
        for part in more:
            raise part.unreadable([f"其后不再写 / nothing after {_FORM}"])
        if offset is None:
            raise words.after(len(words.words)).unreadable(["与UTC的时差 / an offset from UTC, for example +08:00"])
        at_24 = re.fullmatch("24:00(:00([.]0+)?)?", written["hour"]) is not None
        hour = "00:00" if at_24 else written["hour"]
        try:
            found = datetime.fromisoformat(f"{written['day']}T{hour}{offset.replace('z', '+00:00')}")
            return cls(found + timedelta(days=at_24))
        except (ValueError, OverflowError) as error:
            raise words.unreadable([f"存在的时刻 / an instant that exists: {_FORM}"]) from error

    def __str__(self) -> str:
        return f"not later than {self._local_text()} {self._offset_text()}"

    def label_zh(self, start_day: str = "") -> str:
        """What an official reads, for example `不晚于2026-10-10 17:30(北京时间)`; no day is counted from another."""
        zone = "北京时间" if self.instant.utcoffset() == _BEIJING else f"UTC{self._offset_text()}"
        return f"不晚于{self._local_text()}({zone})"

    def label_en(self, start_day: str = "") -> str:
        """The same in English, for example `not later than 2026-10-10 17:30 (+08:00)`."""
        return f"not later than {self._local_text()} ({self._offset_text()})"

    def _local_text(self) -> str:
        local = self.instant.replace(tzinfo=None)
        if local.time() == END_OF_DAY and local.date() > date.min:
            return f"{(local - MICROSECOND).date()} 24:00"
        return local.isoformat(" ", "auto" if local.second or local.microsecond else "minutes")

    def _offset_text(self) -> str:
        return self.instant.isoformat()[-6:]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._from_field, serialization=_AS_TEXT_IN_JSON)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "title": "NotLaterThan", "examples": ["not later than 2026-10-10 17:30 +08:00"]}

    @classmethod
    def _from_field(cls, value: Any) -> NotLaterThan:
        try:
            return value if isinstance(value, cls) else cls.parse(value)
        except PeriodInvalid as error:
            raise PydanticCustomError("period_invalid", "{reason}", {"reason": error.message}) from error


def _offset_of(zone: Words) -> str:
    found = _ZONE.fullmatch(str(zone))
    if found is None:
        raise zone.unreadable(["北京时间", "UTC+08:00"])
    return "+08:00" if found["beijing"] else found["offset"]


class _ReadAsLimit:
    """How pydantic reads a field of the type `Limit`: from one text, so that an error is one error."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._from_field, serialization=_AS_TEXT_IN_JSON)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        examples = ["5 working days", "not later than 2026-10-10 17:30 +08:00"]
        return {"type": "string", "title": "Limit", "examples": examples}

    @staticmethod
    def _from_field(value: Any) -> Period | NotLaterThan:
        try:
            return value if isinstance(value, Period | NotLaterThan) else parse_limit(value)
        except PeriodInvalid as error:
            raise PydanticCustomError("period_invalid", "{reason}", {"reason": error.message}) from error


Limit = Annotated[Period | NotLaterThan, _ReadAsLimit]
"""What says when something ends: a length of time, or an instant. `parse_limit` reads either from its text."""


def parse_limit(text: str) -> Period | NotLaterThan:
    """The period or the fixed end that `text` writes.

    Raises `PeriodInvalid` with the fields of `Period.parse`; "10月10日前" is refused like any other phrase.
    """
    if not isinstance(text, str):
        raise PeriodInvalid(f"a limit is text such as '5 working days' or '{_FORM}', not {text!r}")
    return _read(text)


@lru_cache(maxsize=256)  # a round has few periods, and reads them for every application
def _read(text: str) -> Period | NotLaterThan:
    first: Words = parts_of(text)[0]
    if first.words[:1] in (_PREFIX[:1], _PREFIX_ZH) or _WRITTEN.match(str(first)):
        return NotLaterThan.parse(text)
    if not (first.words and first.words[0].isascii() and first.words[0].isdigit()):
        raise first.unreadable([WHOLE_NUMBER, _FORM])
    return Period.parse(text)
