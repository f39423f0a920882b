"""What a reckoning says of itself: day by day as data, as text for the record, and as a document that is read again."""

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow import canonical
from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing import Reckoning, WorkingCalendar, parse_limit, reckon

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOTICE = "国务院办公厅关于2026年部分节假日安排的通知 https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm"
RULES = [
    ("5 working days", "2026-09-18T10:00"),
    ("5 working days, start day counted, to 24:00", "2026-09-18T10:00"),
    ("7 calendar days", "2026-02-13T09:00:00.000001"),
    ("5 working days, and never under 7 calendar days", "2026-09-18T10:00"),
    ("5 working days, and never under 7 calendar days", "2026-09-28T10:00"),
    ("48 hours, and never under 1 working day", "2026-09-30T16:45"),
    ("3600000001 microseconds", "2026-09-30T16:45"),
    ("1 month", "2026-11-21T09:00"),
    ("1 month", "2024-12-01T09:00"),
    ("1 calendar day", "2025-01-24T10:00"),
    ("3 years, no roll", "2021-12-16T09:00"),
    ("not later than 2026-10-10 17:30 +08:00", "2026-03-01T09:00"),
]


def run(calendar: WorkingCalendar, text: str, start: str) -> Reckoning:
    begins = datetime.fromisoformat(start).replace(tzinfo=SHANGHAI)
    return reckon(parse_limit(text), begins, calendar, zone=SHANGHAI, close_of_business=time(17, 30))


def test_every_day_is_explained_as_plain_data(calendar: WorkingCalendar) -> None:
    def day(
        date: str, weekday: str, counted: bool, why: str, holiday: str = "", paper: str = "", kind: str = ""
    ) -> dict[str, Any]:
        return {
            "date": date, "weekday": weekday, "counted": counted, "why": why, "kind": kind, "holiday": holiday,
            "paper": paper,
        }  # fmt: skip

    assert run(calendar, "2 working days", "2026-09-18T10:00").explain() == [
        day("2026-09-18", "Fri", False, "start_day"),
        day("2026-09-19", "Sat", False, "weekend"),
        day("2026-09-20", "Sun", True, "make_up", "国庆节", NOTICE),
        day("2026-09-21", "Mon", True, "working"),
    ]
    # A calendar day that is off still counts; only the days of the roll do not. It may end on a day that is made up.
    assert run(calendar, "3 calendar days", "2026-02-11T10:00").explain()[-1] == day(
        "2026-02-14", "Sat", True, "calendar_day", "春节", NOTICE, "make_up"
    )
    assert run(calendar, "1 calendar day", "2025-01-24T10:00").explain()[1:] == [
        day("2025-01-25", "Sat", True, "calendar_day", kind="weekend"),
        day(
            "2025-01-26",
            "Sun",
            False,
            "moved_to",
            "春节",
            "国务院办公厅关于2025年部分节假日安排的通知 "
            "https://www.gov.cn/zhengce/zhengceku/202411/content_6986383.htm",
            "make_up",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "start", "last", "why"),
    [
        ("7 calendar days", "2024-12-25T09:00", "  2025-01-01 星期三 第7日 自然日,放假(元旦)", ("holiday", "元旦")),
        ("1 month", "2024-12-01T09:00", "  2025-01-01 星期三 计入 期间的最后一日,放假(元旦)", ("holiday", "元旦")),
        ("1 year", "2024-01-01T09:00", "  2025-01-01 星期三 计入 期间的最后一日,放假(元旦)", ("holiday", "元旦")),
        ("3 calendar days", "2026-03-04T09:00", "  2026-03-07 星期六 第3日 自然日,周末", ("weekend", "")),
        ("2 calendar days", "2026-03-04T09:00", "  2026-03-06 星期五 第2日 自然日", ("", "")),
        # what does not roll does not ask what kind of day it ends on
        ("7 calendar days, no roll", "2024-12-25T09:00", "  2025-01-01 星期三 第7日 自然日", ("", "")),
    ],
)
def test_the_last_counted_day_says_for_what_the_end_moves_on(
    calendar: WorkingCalendar, text: str, start: str, last: str, why: tuple[str, str]
) -> None:
    found = run(calendar, text, start)
    [counted] = [day for day in found.explain() if day["counted"]][-1:]

    assert last in found.text_zh().splitlines()
    assert (counted["kind"], counted["holiday"]) == why
    assert ("依据:国务院办公厅关于2025年部分节假日安排的通知" in found.text_zh()) is (why == ("holiday", "元旦"))
    assert Reckoning.from_document(found.document()) == found


def test_of_two_lengths_the_one_that_decided_is_explained(calendar: WorkingCalendar) -> None:
    found = run(calendar, "5 working days, and never under 7 calendar days", "2026-09-18T10:00")

    assert found.explain() == found.parts[1].explain()
    assert found.explain() != found.parts[0].explain()


def test_the_text_for_the_record_in_chinese(calendar: WorkingCalendar) -> None:
    assert run(calendar, "5 working days, and never under 7 calendar days", "2026-09-18T10:00").text_zh() == (
        "期限:5个工作日(公布当日不计),且不少于7个自然日\n"
        "起算:2026-09-18 10:00 星期五\n"
        "其中 5个工作日(公布当日不计)\n"
        "  2026-09-18 星期五 不计 起始日\n"
        "  2026-09-19 星期六 不计 周末\n"
        "  2026-09-20 星期日 第1日 调休上班(国庆节)\n"
        "  2026-09-21 星期一 第2日 工作日\n"
        "  2026-09-22 星期二 第3日 工作日\n"
        "  2026-09-23 星期三 第4日 工作日\n"
        "  2026-09-24 星期四 第5日 工作日\n"
        "截止:2026-09-24 17:30 星期四(下班时间)\n"
        "其中 7个自然日(公布当日不计)\n"
        "  2026-09-18 星期五 不计 起始日\n"
        "  2026-09-19 星期六 第1日 自然日\n"
        "  2026-09-20 星期日 第2日 自然日\n"
        "  2026-09-21 星期一 第3日 自然日\n"
        "  2026-09-22 星期二 第4日 自然日\n"
        "  2026-09-23 星期三 第5日 自然日\n"
        "  2026-09-24 星期四 第6日 自然日\n"
        "  2026-09-25 星期五 第7日 自然日,放假(中秋)\n"
        "  2026-09-26 星期六 不计 放假(中秋)\n"
        "  2026-09-27 星期日 不计 放假(中秋)\n"
        "  2026-09-28 星期一 不计 顺延至此日\n"
        "截止:2026-09-28 17:30 星期一(下班时间)\n"
        "取两者中较晚者:7个自然日(公布当日不计),截止2026-09-28 17:30\n"
        f"日历:{calendar.version}\n"
        f"依据:{NOTICE}"
    )


def test_the_text_for_the_record_in_english(calendar: WorkingCalendar) -> None:
    assert run(calendar, "1 month, start day counted, to 24:00", "2026-11-22T09:00:30").text_en("day of service") == (
        "rule: 1 month (day of service counted), to 24:00\n"
        "start: 2026-11-22 09:00:30 Sun\n"
        "  2026-11-22 Sun counted first day of the period\n"
        "  2026-12-21 Mon counted last day of the period\n"
        "end: 2026-12-21 24:00 Mon\n"
        f"calendar: {calendar.version}; "
        "provisional: next year's holiday notice is not out, and may change days of this December"
    )
    assert run(calendar, "1 month", "2026-11-22T09:00").text_zh("送达当日").splitlines()[::5] == [
        "期限:1个月(送达当日不计)",
        "截止:2026-12-22 17:30 星期二(下班时间)",
    ]


def test_a_long_period_prints_a_page_and_keeps_every_day(calendar: WorkingCalendar) -> None:
    found = run(calendar, "199 calendar days", "2026-01-01T09:00")
    lines = found.text_zh().splitlines()

    assert len(found.explain()) == len(found.days) == 201  # day 199 is a Sunday: it moves to the Monday
    assert [line for line in lines if "略去" in line] == ["  …… 略去139日 ……"]
    assert len(lines) == 2 + 31 + 1 + 31 + 2
    assert run(calendar, "61 calendar days, no roll", "2026-01-01T09:00").text_en().count("\n  ") == 62
    assert len(run(calendar, "3 years, no roll", "2021-12-16T09:00").text_zh().splitlines()) == 7


@pytest.mark.parametrize(("text", "start"), RULES)
def test_the_document_prints_the_same_explanation_later(calendar: WorkingCalendar, text: str, start: str) -> None:
    found = run(calendar, text, start)
    kept = canonical.encode(found.document())

    again = Reckoning.from_document(canonical.decode(kept))

    assert again == found
    assert (again.text_zh(), again.text_en(), again.explain()) == (found.text_zh(), found.text_en(), found.explain())
    assert again.due_at.tzinfo is SHANGHAI
    assert canonical.encode(again.document()) == kept


def test_the_document_says_each_thing_once(calendar: WorkingCalendar) -> None:
    assert run(calendar, "1 working day", "2026-09-18T10:00").document() == {
        "format": "ganchu-reckoning/1",
        "zone": "Asia/Shanghai",
        "rule": "1 working day",
        "start": "2026-09-18T10:00:00+08:00",
        "due_at": "2026-09-20T17:30:00+08:00",
        "first_day": "2026-09-20",
        "last_day": "2026-09-20",
        "calendar": calendar.version,
        "provisional": False,
        "days": [
            {"date": "2026-09-18", "counted": False, "why": "start_day"},
            {"date": "2026-09-19", "counted": False, "why": "weekend"},
            {"date": "2026-09-20", "counted": True, "why": "make_up", "holiday": "国庆节", "paper": NOTICE},
        ],
    }
    double = run(calendar, "1 working day, and never under 1 hour", "2026-09-18T10:00").document()
    assert (double["decided_by"], len(double["parts"]), "days" in double) == ("period", 2, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "ganchu-reckoning/2"},
        {"zone": "Asia/Nanchang"},
        {"zone": None},
        {"rule": "five working days"},
        {"rule": "1 working days"},
        {"start": "2026-09-18T02:00:00+00:00"},
        {"due_at": "2026-09-20"},
        {"first_day": "2026-02-30"},
        {"days": None},
        {"days": [{"date": "2026-09-18", "counted": True, "why": "because"}]},
        {"days": [{"date": "2026-09-18", "counted": True, "why": "working", "holiday": ""}]},
        {"days": [{"date": "2026-09-18", "counted": True, "why": "calendar_day", "kind": "working"}]},
        {"days": [{"date": "2026-09-18", "why": "working"}]},
        {"parts": [{}]},
        {"more": 1},
    ],
    ids=str,
)
def test_a_document_of_another_form_is_refused(calendar: WorkingCalendar, changes: dict[str, Any]) -> None:
    document = run(calendar, "1 working day", "2026-09-18T10:00").document()
    assert Reckoning.from_document(document).document() == document

    with pytest.raises(PeriodInvalid):
        Reckoning.from_document({**document, **changes})
    nothing: list[Any] = [None, [], {}]
    for not_one in nothing:
        with pytest.raises(PeriodInvalid, match="not the document of a reckoning"):
            Reckoning.from_document(not_one)
