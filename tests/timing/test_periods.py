"""What a plan may write as a period, and what it reads back."""

import pickle
from datetime import UTC, time
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing import END_OF_DAY, Period, Unit, parse_limit
from tests.timing.test_against_oracle import Chance

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
    (
        "5 working days, and never under 7 calendar days",
        Period(5, WORKING, at_least=Period(7, CALENDAR)),
        "5个工作日(公布当日不计),且不少于7个自然日",
    ),
    (
        "2 years, start day counted, to 24:00, no roll, and never under 48 hours",
        Period(2, Unit.YEARS, True, END_OF_DAY, False, Period(48, HOURS)),
        "2年(公布当日计入,末日不顺延),至24:00,且不少于48小时",
    ),
    (
        "48 hours, and never under 1500000 microseconds",
        Period(48, HOURS, at_least=Period(1_500_000, Unit.MICROSECONDS)),
        "48小时,且不少于0小时0分1.5秒",
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
        ("5 working days, start day not counted", "5 working days"),
        ("5 working days, publish day not counted", "5 working days"),
        ("5 working days, to 17:30, Publish Day counted", "5 working days, start day counted, to 17:30"),
        ("5 working days, never under 7 calendar days", "5 working days, and never under 7 calendar days"),
        (
            "5 working days, and  never under 1 Months, to 24:00",
            "5 working days, to 24:00, and never under 1 month",
        ),
    ],
)
def test_other_spellings_are_understood(spelling: str, text: str) -> None:
    assert str(Period.parse(spelling)) == text


def test_the_label_names_the_day_it_runs_from() -> None:
    assert Period.parse("5 working days").label_zh("送达当日") == "5个工作日(送达当日不计)"
    assert Period.parse("1 working day").label_en("day of service") == "1 working day (day of service not counted)"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("5 working days", "5 working days (day of publication not counted)"),
        (
            "1 year, start day counted, to 24:00, no roll",
            "1 year (day of publication counted, its last day does not roll), to 24:00",
        ),
        ("48 hours", "48 hours"),
        (
            "5 working days, to 17:30, and never under 1 month",
            "5 working days (day of publication not counted), to 17:30, and never under 1 month",
        ),
        ("1500000 microseconds", "1500000 microseconds"),
    ],
)
def test_the_label_in_english(text: str, label: str) -> None:
    assert Period.parse(text).label_en() == label


def test_the_marks_stand_under_the_word_in_a_terminal() -> None:
    with pytest.raises(PeriodInvalid) as caught:
        Period.parse("5 个工作曰, to 17:30")
    assert caught.value.message.split("\n")[1:] == ["  5 个工作曰, to 17:30", "    ^^^^^^^^"]
    with pytest.raises(PeriodInvalid) as caught:
        Period.parse("5 working days, 至下午 , no roll, 到17时")
    assert caught.value.fields["position"] == 16
    assert caught.value.message.split("\n")[1:] == [
        "  5 working days, 至下午 , no roll, 到17时",
        "                  ^^^^^^",
    ]
    with pytest.raises(PeriodInvalid) as caught:
        Period.parse("五e\u0301 working days")  # an accent of its own takes no column
    assert caught.value.message.split("\n")[2] == "  ^^^"
    with pytest.raises(PeriodInvalid) as caught:
        Period.parse("5 working days, ")
    assert caught.value.message.split("\n")[2] == " " * 18 + "^"
    assert caught.value.fields["position"] == 16


def test_the_parts_of_a_period_are_reckoned_each_for_itself() -> None:
    simple = Period.parse("5 working days, to 24:00")
    double = Period.parse("5 working days, start day counted, to 24:00, and never under 7 calendar days")
    hours = Period.parse("5 working days, to 24:00, and never under 48 hours")

    assert simple.parts == (simple,)
    assert [str(part) for part in double.parts] == [
        "5 working days, start day counted, to 24:00",
        "7 calendar days, to 24:00",
    ]
    assert [str(part) for part in hours.parts] == ["5 working days, to 24:00", "48 hours"]


NUMBER = ("从1起的整数 / a whole number from 1 up",)
UP_TO = ("不大于9007199254740991的整数 / a whole number up to 9007199254740991",)
UNITS = ("working days", "calendar days", "hours", "months", "years")
OPTIONS = (
    "start day counted",
    "start day not counted",
    "to HH:MM",
    "no roll",
    "and never under 7 calendar days",
)
HOUR = ("00:01至24:00的时刻 / an hour from 00:01 to 24:00",)
LEAST = OPTIONS[-1:]
COMMA = (",",)
ONCE = ("各选项只写一次 / each option once",)


@pytest.mark.parametrize(
    ("text", "word", "position", "allowed"),
    [
        ("five working days", "five", 0, NUMBER),
        ("0 working days", "0", 0, NUMBER),
        ("-3 working days", "-3", 0, NUMBER),
        ("1.5 hours", "1.5", 0, NUMBER),
        ("５ working days", "５", 0, NUMBER),
        ("9007199254740992 hours", "9007199254740992", 0, UP_TO),
        ("99999999999999999999 hours", "99999999999999999999", 0, UP_TO),
        (f"{'9' * 5000} hours", "9" * 5000, 0, UP_TO),
        ("000 hours", "000", 0, NUMBER),
        ("working days", "working", 0, NUMBER),
        ("", "", 0, NUMBER),
        ("5", "", 1, UNITS),
        ("5 days", "days", 2, UNITS),
        ("5 workng days", "workng days", 2, UNITS),
        ("5 working days to 17:30", "to 17:30", 15, COMMA),
        ("5 working days and never under 7 calendar days", "and never under 7 calendar days", 15, COMMA),
        ("5 working days start day counted", "start day counted", 15, COMMA),
        ("5 working days to noon", "working days to noon", 2, UNITS),
        ("5 working days, and never under 7 calendar days no roll", "no roll", 48, COMMA),
        ("5 working days，at noon", "at noon", 15, OPTIONS),
        ("5 working days, sometimes", "sometimes", 16, OPTIONS),
        ("5 working days,", "", 15, OPTIONS),
        ("5 working days, to", "to", 16, OPTIONS),
        ("5 working days, to noon", "noon", 19, HOUR),
        ("5 working days, to 24:01", "24:01", 19, HOUR),
        ("5 working days, to 25:00", "25:00", 19, HOUR),
        ("5 working days, to 17:60", "17:60", 19, HOUR),
        ("5 working days, to 17:30:00", "17:30:00", 19, HOUR),
        ("5 working days, to 00:00", "00:00", 19, HOUR),
        ("5 working days, to 0:00", "0:00", 19, HOUR),
        ("5 working days, to 17:30, to 18:00", "to 18:00", 26, ONCE),
        ("3 years, no roll, no roll", "no roll", 18, ONCE),
        ("48 hours, to 17:30", "to 17:30", 10, LEAST),
        ("48 hours, no roll", "no roll", 10, LEAST),
        ("48 hours, start day not counted", "start day not counted", 10, LEAST),
        ("5 working days, start day counted, publish day not counted", "publish day not counted", 35, ONCE),
        ("5 working days, never under 7 calendar days, and never under 9 hours", "and never under 9 hours", 45, ONCE),
        ("5 working days, and never under", "", 31, NUMBER),
        ("5 working days, and never under seven days", "seven", 32, NUMBER),
        ("5 working days,  and  never  under 7 days", "days", 37, UNITS),
        ("5 working days, and never", "and never", 16, OPTIONS),
        ("\t5 working days,\tat noon ", "at noon", 17, OPTIONS),
        ("5 working days, foo    bar", "foo    bar", 16, OPTIONS),
        ("5UTC days", "5UTC", 0, NUMBER),
        ("5 Workng  days", "Workng  days", 2, UNITS),
    ],
)
def test_an_unreadable_period_points_at_the_word(text: str, word: str, position: int, allowed: tuple[str, ...]) -> None:
    with pytest.raises(PeriodInvalid) as caught:
        Period.parse(text)
    assert caught.value.fields == {"text": text, "word": word, "position": position, "allowed": allowed}
    found = f"无法识别 / cannot read '{word}'" if word else "缺少内容 / something is missing"
    what = f"{found}; 此处可写 / here may stand {', '.join(allowed)}"
    if allowed == COMMA:
        what = f"'{word}' 前缺少逗号 / a comma is missing before '{word}'"
    message, shown, marks = caught.value.message.split("\n")
    assert message == f"期限 / the period '{text}': {what}"
    assert shown == "  " + text.replace("\t", " ")
    assert marks.strip(" ") == "^" * len(marks.strip(" "))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.message, again.fields) == (PeriodInvalid, caught.value.message, caught.value.fields)


def test_a_full_width_comma_is_a_comma() -> None:
    rule = "5 working days，to 17:30， and never under 7 calendar days"
    assert Period.parse(rule) == Period.parse("5 working days, to 17:30, and never under 7 calendar days")


# ── in Chinese ──

NOT_IN_TEXT = {Unit.MICROSECONDS}
"""What is left to the microsecond, which no plan writes."""


def some_period(chance: Chance) -> Period:
    unit = chance.one_of([unit for unit in Unit if unit not in NOT_IN_TEXT])
    least = Period(1 + chance.below(400), chance.one_of([unit for unit in Unit if unit not in NOT_IN_TEXT]))
    at_least = chance.one_of([None, least])
    length = 1 + chance.below(400)
    if unit.in_hours:
        return Period(length, unit, at_least=at_least)
    hour = chance.one_of([None, END_OF_DAY, time(chance.below(24), 1 + chance.below(59))])
    return Period(length, unit, chance.below(2) == 1, hour, unit is WORKING or chance.below(2) == 1, at_least)


@pytest.mark.parametrize("start_day", ["公布当日", "起始日", "送达当日", "恢复当日", "进入当日", "当日"])
@pytest.mark.parametrize("full_width", [False, True])
def test_what_the_label_prints_is_read_as_the_same_period(start_day: str, full_width: bool) -> None:
    chance = Chance(f"periods in Chinese {start_day}")
    for _ in range(300):
        period = some_period(chance)
        label = period.label_zh(start_day)
        if full_width:
            label = label.translate(str.maketrans(",:()", "\uff0c\uff1a\uff08\uff09"))
        assert (label, parse_limit(label)) == (label, period)
        assert Period.parse(label) == Period.parse(str(period))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("5个工作日", "5 working days"),
        ("5 个工作日, 至 17:30", "5 working days, to 17:30"),
        ("5个工作日(公布当日计入)", "5 working days, start day counted"),
        ("5个工作日, start day counted", "5 working days, start day counted"),
        ("7个自然日,末日不顺延", "7 calendar days, no roll"),
        ("48小时,且不少于1个工作日", "48 hours, and never under 1 working day"),
        ("3个月( 送达当日不计 )", "3 months"),
    ],
)
def test_a_period_in_chinese_is_written_in_english_for_the_record(text: str, canonical: str) -> None:
    assert str(Period.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "word", "position", "allowed"),
    [
        ("五个工作日", "五个工作日", 0, NUMBER),
        ("5日", "5日", 0, NUMBER),
        ("5个工作曰", "个工作曰", 1, UNITS),
        ("5个工作日(公布日不计)", "公布日不计", 6, OPTIONS),
        ("5个工作日(公布当日不计)至17:30", "至17:30", 13, COMMA),
        ("5个工作日(公布当日不计),到17:30", "到17:30", 14, OPTIONS),
        ("5个工作日,至25:00", "25:00", 7, HOUR),
        ("5个工作日,且不少于七个自然日", "七个自然日", 10, NUMBER),
        ("5个工作日(公布当日不计", "个工作日(公布当日不计", 1, UNITS),
        ("5个工作日()", "", 6, OPTIONS),
        ("48小时(公布当日不计)", "公布当日不计", 5, LEAST),
        ("5个工作日,公布当日不计,起始日计入", "起始日计入", 13, ONCE),
        ("5个工作日,末日不顺延", "末日不顺延", 6, tuple(one for one in OPTIONS if one != "no roll")),
        ("2026年10月10日前", "2026年10月10日前", 0, NUMBER),
    ],
)
def test_an_unreadable_period_in_chinese_is_pointed_at(
    text: str, word: str, position: int, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(PeriodInvalid) as caught:
        Period.parse(text)
    assert caught.value.fields == {"text": text, "word": word, "position": position, "allowed": allowed}
    assert "^" in caught.value.message.split("\n")[2]


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
        ((5, WORKING, False, None, True, "7 calendar days"), "never under is a number and a unit, with no options"),
        ((5, WORKING, False, None, True, Period(7, CALENDAR, True)), "not 7 calendar days, start day counted"),
        ((5, WORKING, False, None, True, Period(7, CALENDAR, ends_at=END_OF_DAY)), "not 7 calendar days, to 24:00"),
        ((5, WORKING, False, None, True, Period(7, CALENDAR, rolls=False)), "not 7 calendar days, no roll"),
        (
            (5, WORKING, False, None, True, Period(7, CALENDAR, at_least=Period(1, HOURS))),
            "not 7 calendar days, and never under 1 hour",
        ),
    ],
)
def test_what_cannot_be_true_is_refused(arguments: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(PeriodInvalid) as caught:
        Period(*arguments)
    assert complaint in caught.value.message


def test_a_roll_that_working_days_cannot_have_is_refused_in_text_too() -> None:
    with pytest.raises(PeriodInvalid) as caught:
        Period.parse("5 working days, no  roll")
    assert caught.value.message == (
        "期限 / the period '5 working days, no  roll': 工作日期限的末日必为工作日,不存在顺延,请删去此项 / "
        "a period in working days ends on a working day and never rolls; leave out 'no roll'\n"
        "  5 working days, no  roll\n"
        "                  ^^^^^^^^"
    )
    others = tuple(one for one in OPTIONS if one != "no roll")
    fields = {"text": "5 working days, no  roll", "word": "no  roll", "position": 16, "allowed": others}
    assert caught.value.fields == fields


def test_the_largest_length_is_read() -> None:
    assert Period.parse("9007199254740991 hours") == Period.parse("0009007199254740991 hours")


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
            "期限 / the period '5 workng days': 无法识别 / cannot read 'workng days'; 此处可写 / here may stand "
            "working days, calendar days, hours, months, years\n  5 workng days\n    ^^^^^^^^^^^",
        ),
        (5, "a period is text such as '5 working days', not 5"),
        (
            "{curly} days",
            "期限 / the period '{curly} days': 无法识别 / cannot read '{curly}'; 此处可写 / here may stand "
            "从1起的整数 / a whole number from 1 up\n"
            "  {curly} days\n  ^^^^^^^",
        ),
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
