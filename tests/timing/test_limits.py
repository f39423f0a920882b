"""An end that is an instant: what may be written, what is refused, and how it is reckoned."""

import pickle
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing import (
    Day,
    Limit,
    NotLaterThan,
    Period,
    WorkingCalendar,
    closes_in_time,
    parse_limit,
    reckon,
)
from tests.timing.test_against_oracle import Chance

SHANGHAI = ZoneInfo("Asia/Shanghai")
BEIJING = timezone(timedelta(hours=8))
MICROSECOND = timedelta(microseconds=1)
CLOSES = datetime(2026, 10, 10, 17, 30, tzinfo=BEIJING)
NOTHING = WorkingCalendar.from_document({"format": "ganchu-calendar/1", "years": {}})
FORM = "not later than YYYY-MM-DD HH:MM +08:00"


@pytest.mark.parametrize(
    ("text", "instant", "zh", "en"),
    [
        (
            "not later than 2026-10-10 17:30 +08:00",
            CLOSES,
            "不晚于2026-10-10 17:30(北京时间)",
            "not later than 2026-10-10 17:30 (+08:00)",
        ),
        (
            "not later than 2026-10-10 24:00 +08:00",
            datetime(2026, 10, 11, tzinfo=BEIJING),
            "不晚于2026-10-10 24:00(北京时间)",
            "not later than 2026-10-10 24:00 (+08:00)",
        ),
        (
            "not later than 2026-10-10 09:30:15.000001 -04:30",
            datetime(2026, 10, 10, 9, 30, 15, 1, tzinfo=timezone(-timedelta(hours=4, minutes=30))),
            "不晚于2026-10-10 09:30:15.000001(UTC-04:30)",
            "not later than 2026-10-10 09:30:15.000001 (-04:30)",
        ),
        (
            "not later than 0001-01-01 00:00 +00:00",
            datetime(1, 1, 1, tzinfo=UTC),
            "不晚于0001-01-01 00:00(UTC+00:00)",
            "not later than 0001-01-01 00:00 (+00:00)",
        ),
    ],
)
def test_text_and_labels(text: str, instant: datetime, zh: str, en: str) -> None:
    limit = NotLaterThan(instant)

    assert NotLaterThan.parse(text) == parse_limit(text) == limit
    assert limit.instant.utcoffset() == instant.utcoffset()
    assert (str(limit), limit.label_zh(), limit.label_en()) == (text, zh, en)
    assert str(NotLaterThan.parse(str(limit))) == text
    assert pickle.loads(pickle.dumps(limit)) == limit


@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        ("2026-10-10T17:30+08:00", "not later than 2026-10-10 17:30 +08:00"),
        ("2026-10-10 17:30 +08:00", "not later than 2026-10-10 17:30 +08:00"),
        (" Not  later than 2026-10-10T17:30:00+08:00 ", "not later than 2026-10-10 17:30 +08:00"),
        ("2026-10-10T09:30Z", "not later than 2026-10-10 09:30 +00:00"),
        ("2026-10-11T00:00+08:00", "not later than 2026-10-10 24:00 +08:00"),
        ("2026-12-31 24:00:00 +08:00", "not later than 2026-12-31 24:00 +08:00"),
    ],
)
def test_other_spellings_are_understood(spelling: str, text: str) -> None:
    assert str(parse_limit(spelling)) == str(NotLaterThan.parse(spelling)) == text


def test_a_named_zone_is_kept_as_its_offset() -> None:
    limit = NotLaterThan(datetime(2026, 10, 10, 17, 30, tzinfo=SHANGHAI))
    assert limit == NotLaterThan(CLOSES)
    assert limit.instant.tzinfo == BEIJING


OFFSET = ("与UTC的时差 / an offset from UTC, for example +08:00",)
EXISTING = (f"存在的时刻 / an instant that exists: {FORM}",)
EITHER = ("从1起的整数 / a whole number from 1 up", FORM)


@pytest.mark.parametrize(
    ("text", "word", "position", "allowed"),
    [
        ("not later than 2026-10-10 17:30", "", 31, OFFSET),
        ("2026-10-10T17:30", "", 16, OFFSET),
        ("not later than 2026-10-10 17:30 Beijing", "2026-10-10 17:30 Beijing", 15, (FORM,)),
        ("not later than 2026-10-10", "2026-10-10", 15, (FORM,)),
        ("not later than", "", 14, (FORM,)),
        ("not after 2026-10-10 17:30 +08:00", "not after 2026-10-10 17:30 +08:00", 0, (FORM,)),
        ("not later than 10月10日前", "10月10日前", 15, (FORM,)),
        ("not later than 2026-10-10 17:30 +08:00, no roll", "no roll", 40, (f"其后不再写 / nothing after {FORM}",)),
        ("2026-02-30T17:30+08:00", "2026-02-30T17:30+08:00", 0, EXISTING),
        ("2026-10-10 24:01 +08:00", "2026-10-10 24:01 +08:00", 0, EXISTING),
        ("2026-10-10 17:30 +24:00", "2026-10-10 17:30 +24:00", 0, EXISTING),
        ("9999-12-31 24:00 +08:00", "9999-12-31 24:00 +08:00", 0, EXISTING),
        ("10月10日前", "10月10日前", 0, EITHER),
        ("5日前", "5日前", 0, EITHER),
        ("2026-10-10前", "2026-10-10前", 0, EITHER),
        ("", "", 0, EITHER),
        ("soon", "soon", 0, EITHER),
        ("2026年10月10日前", "2026年10月10日前", 0, EITHER),
        ("不晚于10月10日前", "10月10日前", 3, (FORM,)),
        ("不晚于2026-10-10 17:30", "", 19, OFFSET),
        ("不晚于2026-10-10 17:30(本地时间)", "本地时间", 20, ("北京时间", "UTC+08:00")),
        ("不晚于2026-10-10 17:30(北京时间),末日不顺延", "末日不顺延", 26, (f"其后不再写 / nothing after {FORM}",)),
        ("不晚于2026-02-30 17:30(北京时间)", "2026-02-30 17:30", 3, EXISTING),
        ("not later than 2026-10-10 17:30, UTC+08:00", "UTC+08:00", 33, (f"其后不再写 / nothing after {FORM}",)),
        ("5 workng days", "workng days", 2, ("working days", "calendar days", "hours", "months", "years")),
    ],
)
def test_what_is_no_limit_is_pointed_at(text: str, word: str, position: int, allowed: tuple[str, ...]) -> None:
    with pytest.raises(PeriodInvalid) as caught:
        parse_limit(text)
    assert caught.value.fields == {"text": text, "word": word, "position": position, "allowed": allowed}


def test_what_the_label_of_a_fixed_end_prints_is_read_as_the_same_end() -> None:
    chance = Chance("fixed ends in Chinese")
    for _ in range(300):
        offset = timezone(timedelta(minutes=chance.one_of([480, 0, -570, chance.below(1680) - 840])))
        limit = NotLaterThan(chance.instant(datetime(2026, 1, 1), 400).replace(tzinfo=offset))
        label = limit.label_zh()
        full_width = label.translate(str.maketrans(":()", "\uff1a\uff08\uff09"))
        assert (label, parse_limit(label), parse_limit(full_width)) == (label, limit, limit)


@pytest.mark.parametrize("text", [None, 5, CLOSES])
def test_only_text_is_parsed(text: Any) -> None:
    for parse in (parse_limit, NotLaterThan.parse):
        with pytest.raises(PeriodInvalid, match="is text such as"):
            parse(text)


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 10, 10, 17, 30),
        date(2026, 10, 10),
        "2026-10-10T17:30+08:00",
        datetime(2026, 10, 10, tzinfo=timezone(timedelta(seconds=1))),
    ],
)
def test_a_fixed_end_is_an_instant_with_an_offset(instant: Any) -> None:
    with pytest.raises(PeriodInvalid, match="an instant with an offset from UTC"):
        NotLaterThan(instant)


class Settings(BaseModel):
    reply: Limit = Period.parse("5 working days")
    closes: NotLaterThan | None = None


def test_pydantic_fields_take_text_or_the_value_and_are_written_as_text() -> None:
    text = "not later than 2026-10-10 17:30 +08:00"
    settings = Settings.model_validate({"reply": text, "closes": text})

    assert settings == Settings(reply=NotLaterThan(CLOSES), closes=NotLaterThan(CLOSES))
    assert settings.model_dump(mode="json") == {"reply": text, "closes": text}
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    assert Settings().model_dump_json() == '{"reply":"5 working days","closes":null}'
    assert Settings.model_validate({"reply": "48 hours"}).reply == Period.parse("48 hours")
    assert TypeAdapter(Any).dump_python({"closes": NotLaterThan(CLOSES)}, mode="json") == {"closes": text}


@pytest.mark.parametrize("field", ["reply", "closes"])
def test_pydantic_names_the_field_once(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({field: "2026-10-10 17:30"})
    assert [(error["loc"], error["type"], error["msg"].split("\n")[0]) for error in caught.value.errors()] == [
        (
            (field,),
            "period_invalid",
            f"期限 / the period '2026-10-10 17:30': 缺少内容 / something is missing; 此处可写 / here may "
            f"stand {OFFSET[0]}",
        )
    ]


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_json_schema_says_text(mode: Any) -> None:
    properties = Settings.model_json_schema(mode=mode)["properties"]
    end = "not later than 2026-10-10 17:30 +08:00"
    assert properties["reply"] == {
        "type": "string",
        "title": "Limit",
        "examples": ["5 working days", end],
        "default": "5 working days",
    }
    assert properties["closes"]["anyOf"][0] == {"type": "string", "title": "NotLaterThan", "examples": [end]}


def test_a_fixed_end_is_what_it_says_and_asks_no_calendar() -> None:
    limit, start = NotLaterThan(CLOSES), datetime(2026, 9, 18, 10, 0, tzinfo=SHANGHAI)
    found = reckon(limit, start, NOTHING, zone=SHANGHAI, close_of_business=time(12, 0))

    assert found.due_at == CLOSES
    assert found.due_at.tzinfo is SHANGHAI
    assert closes_in_time(CLOSES, found.due_at) is True
    assert closes_in_time(CLOSES + MICROSECOND, found.due_at) is False
    assert (found.period, found.first_day, found.last_day) == (limit, date(2026, 9, 18), date(2026, 10, 10))
    assert found.days == (Day(date(2026, 9, 18), True, "first_day"), Day(date(2026, 10, 10), True, "fixed_end"))
    assert (found.provisional, found.parts, found.decided_by) == (False, (), "period")


def test_a_fixed_end_on_the_day_it_starts() -> None:
    start = datetime(2026, 10, 10, 17, 29, 59, 999999, tzinfo=SHANGHAI)
    found = reckon(NotLaterThan(CLOSES), start, NOTHING, zone=SHANGHAI, close_of_business=time(12, 0))
    assert found.days == (Day(date(2026, 10, 10), True, "fixed_end"),)


@pytest.mark.parametrize("late", [timedelta(), MICROSECOND, timedelta(days=30)])
def test_a_fixed_end_that_is_past_is_refused(late: timedelta) -> None:
    with pytest.raises(PeriodInvalid, match=r"would already end at 2026-10-10T17:30:00\+08:00"):
        reckon(NotLaterThan(CLOSES), CLOSES + late, NOTHING, zone=SHANGHAI, close_of_business=time(17, 30))
