"""What a plan may write as a period, and what it reads back."""

import pickle
from datetime import UTC, time
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing import END_OF_DAY, Period, Unit

WORKING, CALENDAR, HOURS = Unit.WORKING_DAYS, Unit.CALENDAR_DAYS, Unit.HOURS

WRITTEN = [
    ("5 working days", Period(5, WORKING), "5个工作日(公布当日不计)"),
    ("1 working day", Period(1, WORKING), "1个工作日(公布当日不计)"),
    ("5 working days, start day counted", Period(5, WORKING, counts_start=True), "5个工作日(公布当日计入)"),
    ("5 working days, to 17:30", Period(5, WORKING, ends_at=time(17, 30)), "5个工作日(公布当日不计),至17:30"),
    ("5 working days, to 24:00", Period(5, WORKING, ends_at=END_OF_DAY), "5个工作日(公布当日不计),至24:00"),
    ("7 calendar days, to 17:30", Period(7, CALENDAR, ends_at=time(17, 30)), "7个自然日(公布当日不计),至17:30"),
    ("1 calendar day, to 00:01", Period(1, CALENDAR, ends_at=time(0, 1)), "1个自然日(公布当日不计),至00:01"),
    ("7 calendar days, no roll", Period(7, CALENDAR, rolls=False), "7个自然日(公布当日不计,末日不顺延)"),
    ("48 hours", Period(48, HOURS), "48小时"),
    ("1 hour", Period(1, HOURS), "1小时"),
    ("3 months", Period(3, Unit.MONTHS), "3个月(公布当日不计)"),
    ("1 month", Period(1, Unit.MONTHS), "1个月(公布当日不计)"),
    ("3 years, no roll", Period(3, Unit.YEARS, rolls=False), "3年(公布当日不计,末日不顺延)"),
    (
        "1 year, start day counted, to 09:05, no roll",
        Period(1, Unit.YEARS, True, time(9, 5), False),
        "1年(公布当日计入,末日不顺延),至09:05",
    ),
    ("1 microsecond", Period(1, Unit.MICROSECONDS), "0小时0分0.000001秒"),
    ("7199500000 microseconds", Period(7_199_500_000, Unit.MICROSECONDS), "1小时59分59.5秒"),
    ("7260000000 microseconds", Period(7_260_000_000, Unit.MICROSECONDS), "2小时1分0秒"),
]


@pytest.mark.parametrize(("text", "period", "label"), WRITTEN, ids=[text for text, _, _ in WRITTEN])
def test_text_and_label(text: str, period: Period, label: str) -> None:
    assert Period.parse(text) == period
    assert str(period) == text
    assert period.label_zh() == label
    assert pickle.loads(pickle.dumps(period)) == period


def test_every_period_is_read_back_from_its_text() -> None:
    days = [
        Period(length, unit, counts_start, ends_at, rolls)
        for length in (1, 2, 10, 2**53 - 1)
        for unit in Unit
        for counts_start in (False, True)
        for ends_at in (None, END_OF_DAY, time(0, 1), time(9, 0), time(23, 59))
        for rolls in (True, False)
        if unit not in (HOURS, Unit.MICROSECONDS) and (rolls or unit is not WORKING)
    ]
    hours = [Period(length, unit) for length in (1, 2, 2**53 - 1) for unit in (HOURS, Unit.MICROSECONDS)]
    texts = [str(period) for period in days + hours]

    assert [Period.parse(text) for text in texts] == days + hours
    assert len(set(texts)) == len(texts) == 4 * 10 * 7 + 6


@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        ("  5  Working   DAYS ,TO 9:05,  Start day counted ", "5 working days, start day counted, to 09:05"),
        ("1 working days", "1 working day"),
        ("5 working day", "5 working days"),
        ("05 working days", "5 working days"),
        ("3 years, no roll, start day counted", "3 years, start day counted, no roll"),
    ],
)
def test_other_spellings_are_understood(spelling: str, text: str) -> None:
    assert str(Period.parse(spelling)) == text


def test_the_label_names_the_day_it_runs_from() -> None:
    assert Period.parse("5 working days").label_zh("送达当日") == "5个工作日(送达当日不计)"


NUMBER = ("a whole number from 1 up",)
UNITS = ("working days", "calendar days", "hours", "months", "years")
OPTIONS = ("start day counted", "to HH:MM", "no roll")
HOUR = ("an hour from 00:01 to 24:00",)


@pytest.mark.parametrize(
    ("text", "word", "allowed"),
    [
        ("five working days", "five", NUMBER),
        ("0 working days", "0", NUMBER),
        ("-3 working days", "-3", NUMBER),
        ("1.5 hours", "1.5", NUMBER),
        ("５ working days", "５", NUMBER),
        ("9007199254740992 hours", "9007199254740992", NUMBER),
        ("99999999999999999999 hours", "99999999999999999999", NUMBER),
        ("working days", "working", NUMBER),
        ("", "", NUMBER),
        ("5", "", UNITS),
        ("5 days", "days", UNITS),
        ("5 workng days", "workng days", UNITS),
        ("5 working days to 17:30", "working days to 17:30", UNITS),
        ("5 working days，to 17:30", "working days，to 17:30", UNITS),
        ("5 working days, sometimes", "sometimes", OPTIONS),
        ("5 working days,", "", OPTIONS),
        ("5 working days, to", "to", OPTIONS),
        ("5 working days, to noon", "noon", HOUR),
        ("5 working days, to 24:01", "24:01", HOUR),
        ("5 working days, to 25:00", "25:00", HOUR),
        ("5 working days, to 17:60", "17:60", HOUR),
        ("5 working days, to 17:30:00", "17:30:00", HOUR),
        ("5 working days, to 00:00", "00:00", HOUR),
        ("5 working days, to 0:00", "0:00", HOUR),
        ("5 working days, to 17:30, to 18:00", "to 18:00", ("each option once",)),
        ("3 years, no roll, no roll", "no roll", ("each option once",)),
    ],
)
def test_an_unreadable_period_points_at_the_word(text: str, word: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(PeriodInvalid) as caught:
        Period.parse(text)
    assert caught.value.fields == {"text": text, "word": word, "allowed": allowed}
    found = f"cannot read '{word}'" if word else "something is missing"
    assert caught.value.message == f"the period '{text}': {found}; here may stand {', '.join(allowed)}"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.message, again.fields) == (PeriodInvalid, caught.value.message, caught.value.fields)


@pytest.mark.parametrize("text", [None, 5, b"5 hours", ["5 hours"]])
def test_only_text_is_parsed(text: Any) -> None:
    with pytest.raises(PeriodInvalid, match="a period is text such as '5 working days'"):
        Period.parse(text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((0, WORKING), "from 1 up, not 0"),
        ((-1, WORKING), "from 1 up, not -1"),
        ((True, WORKING), "from 1 up, not True"),
        ((1.0, WORKING), "from 1 up, not 1.0"),
        ((2**53, HOURS), "from 1 up, not 9007199254740992"),
        ((5, "weeks"), "no unit 'weeks'; use one of working_days, calendar_days, hours, months, years, microseconds"),
        ((48, HOURS, True), "a period in hours runs from instant to instant"),
        ((48, HOURS, False, time(17, 30)), "a period in hours runs from instant to instant"),
        ((48, HOURS, False, END_OF_DAY), "a period in hours runs from instant to instant"),
        ((48, HOURS, False, None, False), "a period in hours runs from instant to instant"),
        ((1, Unit.MICROSECONDS, True), "a period in microseconds runs from instant to instant"),
        ((5, WORKING, False, None, False), "never rolls"),
        ((5, WORKING, False, time(17, 30, 1)), "a whole minute without a time zone"),
        ((5, WORKING, False, time(17, 30, 0, 1)), "a whole minute without a time zone"),
        ((5, WORKING, False, time(17, 30, tzinfo=UTC)), "a whole minute without a time zone"),
        ((5, WORKING, False, "17:30"), "a whole minute without a time zone"),
    ],
)
def test_what_cannot_be_true_is_refused(arguments: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(PeriodInvalid) as caught:
        Period(*arguments)
    assert complaint in caught.value.message


@pytest.mark.parametrize("text", ["48 hours, to 17:30", "48 hours, no roll", "5 working days, no roll"])
def test_an_option_its_unit_cannot_have_is_refused_in_text_too(text: str) -> None:
    with pytest.raises(PeriodInvalid, match="leave out"):
        Period.parse(text)


def test_a_period_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Period(5, WORKING).length = 6  # type: ignore[misc]


class Settings(BaseModel):
    window: Period = Period(5, WORKING)
    minimum: Period | None = None


def test_pydantic_field_takes_text_or_a_period() -> None:
    expected = Settings(window=Period(7, CALENDAR), minimum=Period(48, HOURS))

    assert Settings.model_validate({"window": "7 calendar days", "minimum": "48 hours"}) == expected
    assert Settings.model_validate({"window": Period(7, CALENDAR), "minimum": Period(48, HOURS)}) == expected
    assert Settings.model_validate_json('{"window": "7 calendar days", "minimum": "48 hours"}') == expected
    assert Settings.model_validate({"window": "7 calendar days"}, strict=True).window == Period(7, CALENDAR)
    assert Settings().window == Period(5, WORKING)


def test_pydantic_field_is_written_as_its_text_in_json() -> None:
    settings = Settings(window=Period(7, CALENDAR, ends_at=END_OF_DAY))

    assert settings.model_dump(mode="json") == {"window": "7 calendar days, to 24:00", "minimum": None}
    assert settings.model_dump_json() == '{"window":"7 calendar days, to 24:00","minimum":null}'
    assert settings.model_dump() == {"window": Period(7, CALENDAR, ends_at=END_OF_DAY), "minimum": None}
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_pydantic_writes_text_where_no_field_says_the_type() -> None:
    assert TypeAdapter(Any).dump_python({"window": Period(48, HOURS)}, mode="json") == {"window": "48 hours"}
    assert TypeAdapter(Period).dump_json(Period(48, HOURS)) == b'"48 hours"'
    assert TypeAdapter(Period).validate_python("48 hours") == Period(48, HOURS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "5 workng days",
            "the period '5 workng days': cannot read 'workng days'; here may stand working days, calendar days, hours, "
            "months, years",
        ),
        (5, "a period is text such as '5 working days', not 5"),
        ("{curly} days", "the period '{curly} days': cannot read '{curly}'; here may stand a whole number from 1 up"),
    ],
)
def test_pydantic_names_the_field_of_an_unreadable_period(value: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"window": value})
    found = [{key: error[key] for key in ("loc", "type", "msg")} for error in caught.value.errors()]
    assert found == [{"loc": ("window",), "type": "period_invalid", "msg": message}]


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_json_schema_says_text(mode: Any) -> None:
    window = Settings.model_json_schema(mode=mode)["properties"]["window"]
    assert window == {
        "type": "string",
        "title": "Period",
        "examples": ["5 working days", "7 calendar days, to 17:30"],
        "default": "5 working days",
    }
