"""Which days are worked, which years are known, and what a new notice may say."""

import json
import pickle
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ganchu_workflow import canonical
from ganchu_workflow.errors import CalendarInvalid, Invalid, YearNotPublished
from ganchu_workflow.timing import DayKind, WorkingCalendar

NEW_YEAR_2027 = date(2027, 1, 1)


def days_of(year: int) -> list[date]:
    return [day for n in range(366) if (day := date(year, 1, 1) + timedelta(days=n)).year == year]


@pytest.mark.parametrize(("year", "working_days"), [("2021", 250), ("2025", 248), ("2026", 248)])
def test_built_in_year_equals_the_second_source_day_by_day(
    calendar: WorkingCalendar, notices: dict[str, Any], year: str, working_days: int
) -> None:
    off, work = set(notices[year]["off"]), set(notices[year]["work"])
    expected = {
        day: day.isoformat() in work or (day.isoweekday() <= 5 and day.isoformat() not in off)
        for day in days_of(int(year))
    }

    assert {day: calendar.is_working_day(day) for day in days_of(int(year))} == expected
    assert sum(expected.values()) == working_days


def test_built_in_covers_2007_to_2026_at_least() -> None:
    assert WorkingCalendar.built_in().years[:20] == tuple(range(2007, 2027))
    assert WorkingCalendar.built_in() is WorkingCalendar.built_in()


@pytest.mark.parametrize(
    ("day", "kind", "zh"),
    [
        (date(2026, 9, 18), DayKind("working"), "工作日"),
        (date(2026, 9, 19), DayKind("weekend"), "周末"),
        (date(2026, 9, 20), DayKind("make_up", "国庆节"), "调休上班(国庆节)"),
        (date(2026, 2, 17), DayKind("holiday", "春节"), "放假(春节)"),
        (date(2018, 12, 29), DayKind("make_up", "元旦"), "调休上班(元旦)"),  # by the notice of 2019
        (date(2018, 12, 31), DayKind("holiday", "元旦"), "放假(元旦)"),  # by the notice of 2019
        (date(2007, 12, 29), DayKind("make_up", "元旦"), "调休上班(元旦)"),  # by the notice of 2008
        (date(2011, 12, 31), DayKind("make_up", "元旦"), "调休上班(元旦)"),  # by the notice of 2012
    ],
)
def test_describe(calendar: WorkingCalendar, day: date, kind: DayKind, zh: str) -> None:
    assert calendar.describe(day) == kind
    assert calendar.describe(day).zh == zh
    assert calendar.describe(day).works == (kind.code in ("working", "make_up"))


def test_every_notice_of_the_built_in_calendar_has_the_address_of_the_second_source(
    calendar: WorkingCalendar, notices: dict[str, Any]
) -> None:
    for year in map(str, calendar.years):
        notice = calendar.document()["years"][year]
        papers = [
            calendar.describe(date.fromisoformat(day)).paper for day in notice["off"] + notice["work"] if day > "2007"
        ]
        addresses = {paper.partition(" ")[2] for paper in papers}
        assert addresses == set(notices[year]["papers"]), year
        titles = {paper.partition(" ")[0] for paper in papers}
        assert f"国务院办公厅关于{year}年部分节假日安排的通知" in titles
        assert len(titles) == len(addresses)


@pytest.mark.parametrize(
    ("day", "title"),
    [
        (date(2019, 5, 2), "国务院办公厅关于调整2019年劳动节假期安排的通知"),
        (date(2019, 10, 1), "国务院办公厅关于2019年部分节假日安排的通知"),
        (date(2020, 2, 1), "国务院办公厅关于延长2020年春节假期的通知"),
        (date(2015, 9, 6), "国务院关于中国人民抗日战争暨世界反法西斯战争胜利70周年纪念日调休放假的通知"),
        (date(2018, 12, 29), "国务院办公厅关于2019年部分节假日安排的通知"),
        (date(2026, 9, 18), ""),
        (date(2026, 9, 19), ""),
    ],
)
def test_a_day_names_the_notice_that_settled_it(calendar: WorkingCalendar, day: date, title: str) -> None:
    assert calendar.describe(day).paper.partition(" ")[0] == title


def test_days_of_a_loaded_year_have_its_paper(calendar: WorkingCalendar) -> None:
    extended = calendar.with_year(2027, [NEW_YEAR_2027], [date(2026, 12, 26)], "notice of 2027")
    amended = calendar.with_year(2026, [date(2026, 1, 1)], [], "amendment of 2026")

    assert extended.describe(NEW_YEAR_2027).paper == extended.describe(date(2026, 12, 26)).paper == "notice of 2027"
    assert amended.describe(date(2026, 1, 1)).paper == "amendment of 2026"


def test_the_addresses_are_no_part_of_the_version(calendar: WorkingCalendar) -> None:
    assert calendar.document()["years"]["2026"].keys() == {"off", "work", "names"}


def test_a_december_day_is_filed_under_the_notice_that_names_it(calendar: WorkingCalendar) -> None:
    years = calendar.document()["years"]

    assert years["2019"]["off"][:3] == ["2018-12-30", "2018-12-31", "2019-01-01"]
    assert years["2019"]["work"][0] == "2018-12-29"
    assert [day for day in years["2018"]["off"] + years["2018"]["work"] if day >= "2018-12"] == []


@pytest.mark.parametrize("day", [date(2027, 1, 1), date(2006, 12, 30), date(2050, 6, 1)])
def test_a_year_that_is_not_loaded_is_unknown(calendar: WorkingCalendar, day: date) -> None:
    for ask in (calendar.is_working_day, calendar.describe, calendar.is_provisional):
        with pytest.raises(YearNotPublished) as caught:
            ask(day)
        assert caught.value.fields == {"year": day.year}
        assert f"{day.year}年" in caught.value.message
        assert "import the State Council's notice of that year" in caught.value.message


@pytest.mark.parametrize("not_a_date", [datetime(2026, 9, 18, tzinfo=UTC), datetime(2026, 9, 18), "2026-09-18", None])
def test_only_a_date_is_accepted(calendar: WorkingCalendar, not_a_date: Any) -> None:
    for ask in (calendar.is_working_day, calendar.describe, calendar.is_provisional):
        with pytest.raises(Invalid, match="is asked about a date") as caught:
            ask(not_a_date)
        assert type(caught.value) is Invalid


def test_a_december_is_provisional_until_the_next_notice(calendar: WorkingCalendar) -> None:
    extended = calendar.with_year(2027, [NEW_YEAR_2027], [], "notice of 2027")

    assert calendar.is_provisional(date(2026, 11, 30)) is False
    assert calendar.is_provisional(date(2026, 12, 1)) is True
    assert calendar.is_provisional(date(2025, 12, 31)) is False
    assert extended.is_provisional(date(2026, 12, 1)) is False


def test_with_year_may_change_the_december_before(calendar: WorkingCalendar) -> None:
    off = [date(2026, 12, 31), NEW_YEAR_2027, date(2027, 1, 2), date(2027, 1, 3)]
    extended = calendar.with_year(2027, off, [date(2026, 12, 26)], "国办发明电〔2026〕0号", {off[0]: "元旦"})

    assert extended.years == (*calendar.years, 2027)
    assert extended.describe(date(2026, 12, 26)) == DayKind("make_up")
    assert extended.describe(date(2026, 12, 31)) == DayKind("holiday", "元旦")
    assert extended.describe(date(2027, 1, 4)) == DayKind("working")
    assert calendar.describe(date(2026, 12, 26)) == DayKind("weekend")
    assert calendar.describe(date(2026, 12, 31)) == DayKind("working")


def test_the_later_notice_wins_over_the_earlier_one_whichever_is_loaded_first() -> None:
    december = date(2026, 12, 26)  # a Saturday
    nothing = WorkingCalendar.from_document({"format": "ganchu-calendar/1", "years": {}})

    def load(calendar: WorkingCalendar, year: int) -> WorkingCalendar:
        off, work = ([december], []) if year == 2026 else ([NEW_YEAR_2027], [december])
        return calendar.with_year(year, off, work, f"notice of {year}")

    forwards, backwards = load(load(nothing, 2026), 2027), load(load(nothing, 2027), 2026)
    assert forwards.describe(december) == DayKind("make_up")
    assert forwards == backwards
    assert load(nothing, 2026).describe(december) == DayKind("holiday")


def test_an_amendment_replaces_the_whole_year(calendar: WorkingCalendar) -> None:
    amended = calendar.with_year(2026, [date(2026, 1, 1)], [], "amendment of 2026")

    assert amended.describe(date(2026, 2, 17)) == DayKind("working")
    assert amended.describe(date(2026, 9, 20)) == DayKind("weekend")
    assert amended.describe(date(2025, 10, 1)) == DayKind("holiday", "国庆节")
    assert amended.version != calendar.version


@pytest.mark.parametrize(
    ("off", "work", "paper", "complaint"),
    [
        ([date(2027, 1, 2)], [date(2027, 1, 2)], "paper", "both off and worked: 2027-01-02"),
        ([NEW_YEAR_2027], [date(2027, 1, 4)], "paper", "made up, but not a Saturday or Sunday: 2027-01-04"),
        ([NEW_YEAR_2027], [date(2026, 11, 28)], "paper", "neither in 2027 nor in the December before: 2026-11-28"),
        ([NEW_YEAR_2027, date(2027, 12, 31), date(2028, 1, 1)], [], "paper", "before: 2028-01-01"),
        ([NEW_YEAR_2027, date(2025, 12, 31)], [], "paper", "before: 2025-12-31"),
        ([NEW_YEAR_2027], [], "", "no paper"),
        ([NEW_YEAR_2027], [], " ", "no paper"),
        ([NEW_YEAR_2027], [], None, "no paper"),
        ([NEW_YEAR_2027], [], 2027, "no paper"),
        ([], [], "paper", "an empty table means the notice is unknown"),
        ([], [date(2027, 1, 2)], "paper", "an empty table means the notice is unknown"),
        ([datetime(2027, 1, 1)], [], "paper", "its days are dates"),
        (["2027-01-01"], [], "paper", "its days are dates"),
    ],
)
def test_a_notice_that_contradicts_itself_is_refused(
    calendar: WorkingCalendar, off: Any, work: Any, paper: Any, complaint: str
) -> None:
    with pytest.raises(CalendarInvalid) as caught:
        calendar.with_year(2027, off, work, paper)
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ({date(2027, 5, 1): "劳动节"}, "named, but neither off nor worked: 2027-05-01"),
        ({NEW_YEAR_2027: ""}, "named with no text: 2027-01-01"),
        ({NEW_YEAR_2027: 1}, "named with no text: 2027-01-01"),
    ],
)
def test_names_belong_to_named_days(calendar: WorkingCalendar, names: Any, complaint: str) -> None:
    with pytest.raises(CalendarInvalid) as caught:
        calendar.with_year(2027, [NEW_YEAR_2027], [], "paper", names)
    assert complaint in caught.value.message


def test_everything_wrong_is_listed_at_once(calendar: WorkingCalendar) -> None:
    with pytest.raises(CalendarInvalid) as caught:
        calendar.with_year(2027, [], [date(2027, 1, 4), date(2026, 1, 3)], "")
    assert caught.value.message == (
        "the calendar of 2027 cannot be used: made up, but not a Saturday or Sunday: 2027-01-04; "
        "neither in 2027 nor in the December before: 2026-01-03; "
        "no day off: an empty table means the notice is unknown, never that there are no holidays; "
        "no paper: name the State Council's notice"
    )
    assert caught.value.fields == {"year": 2027}


def test_the_document_makes_the_same_calendar(calendar: WorkingCalendar) -> None:
    extended = calendar.with_year(2027, [NEW_YEAR_2027], [date(2026, 12, 26)], "notice", {NEW_YEAR_2027: "元旦"})
    text = canonical.encode(extended.document())

    again = WorkingCalendar.from_document(canonical.decode(text))

    assert again == extended
    assert hash(again) == hash(extended)
    assert again.document() == extended.document()
    assert again.document()["years"]["2027"] == {
        "off": ["2027-01-01"],
        "work": ["2026-12-26"],
        "names": {"2027-01-01": "元旦"},
        "paper": "notice",
    }
    assert pickle.loads(pickle.dumps(extended)) == extended


def test_the_version_is_the_digest_of_the_document(calendar: WorkingCalendar) -> None:
    one = calendar.with_year(2027, [NEW_YEAR_2027], [], "paper")

    assert one.version == "cn-" + canonical.digest_of(one.document())[:16]
    assert len(one.version) == 19
    assert one == calendar.with_year(2027, [NEW_YEAR_2027, NEW_YEAR_2027], [], "paper")
    different = [
        calendar,
        calendar.with_year(2027, [NEW_YEAR_2027], [], "another paper"),
        calendar.with_year(2027, [NEW_YEAR_2027, date(2027, 1, 2)], [], "paper"),
        calendar.with_year(2027, [NEW_YEAR_2027], [date(2027, 1, 2)], "paper"),
        calendar.with_year(2027, [NEW_YEAR_2027], [], "paper", {NEW_YEAR_2027: "元旦"}),
    ]
    assert len({one.version, *(other.version for other in different)}) == 6
    assert one not in different
    assert one != one.version


def test_a_calendar_cannot_be_changed(calendar: WorkingCalendar) -> None:
    version = calendar.version
    calendar.document()["years"]["2026"]["off"].clear()
    with pytest.raises(AttributeError):
        calendar.version = "cn-0"
    assert calendar.version == version
    assert calendar.is_working_day(date(2026, 10, 1)) is False


YEAR: dict[str, Any] = {"off": ["2027-01-01"], "work": [], "paper": "paper"}


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        {"format": "ganchu-calendar/1"},
        {"format": "ganchu-calendar/2", "years": {"2027": YEAR}},
        {"format": "ganchu-calendar/1", "years": {"2027": YEAR}, "more": 1},
        {"format": "ganchu-calendar/1", "years": []},
        {"format": "ganchu-calendar/1", "years": {"next": YEAR}},
        {"format": "ganchu-calendar/1", "years": {"02027": YEAR}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "off": []}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "off": ["20270101"]}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "off": ["2027-01-02", "2027-01-01"]}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "off": ["2027-02-30"]}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "off": "2027"}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "off": None}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "work": ["2027-01-04"]}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "paper": ""}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "paper": 1}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "names": {}}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {**YEAR, "names": ["元旦"]}}},
        {"format": "ganchu-calendar/1", "years": {"2027": {"off": ["2027-01-01"]}}},
    ],
    ids=json.dumps,
)
def test_a_document_of_another_form_is_refused(document: Any) -> None:
    with pytest.raises(CalendarInvalid):
        WorkingCalendar.from_document(document)


def test_repr_names_version_and_years() -> None:
    nothing = WorkingCalendar.from_document({"format": "ganchu-calendar/1", "years": {}})
    one = nothing.with_year(2027, [NEW_YEAR_2027], [], "paper")
    assert repr(nothing) == f"<WorkingCalendar {nothing.version}: no year>"
    assert repr(one) == f"<WorkingCalendar {one.version}: 2027>"


@pytest.mark.parametrize(
    "error",
    [
        CalendarInvalid("the calendar of 2027 cannot be used", year=2027),
        YearNotPublished("2027 is not loaded", year=2027),
    ],
)
def test_errors_survive_pickling(error: CalendarInvalid | YearNotPublished) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.fields, again.code) == (
        type(error),
        error.message,
        error.fields,
        error.code,
    )
