"""What is irregular in a printed window: real notices (DOMAIN §3.1), one fault at a time, and all of them together."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow.errors import PeriodInvalid, YearNotPublished
from ganchu_workflow.timing import Anomaly, Period, WorkingCalendar, check_printed, reckon

SHANGHAI = ZoneInfo("Asia/Shanghai")
CLOSE_OF_BUSINESS = time(17, 30)
MICROSECOND = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def check(
    calendar: WorkingCalendar,
    dated_on: str,
    published: str | None,
    opens: str,
    closes: str,
    period: str = "5 working days",
    minimum: str | None = None,
) -> list[Anomaly]:
    return check_printed(
        dated_on=date.fromisoformat(dated_on),
        published_at=None if published is None else at(published),
        opens_at=at(opens),
        closes_at=at(closes),
        period=Period.parse(period),
        calendar=calendar,
        zone=SHANGHAI,
        close_of_business=CLOSE_OF_BUSINESS,
        minimum=None if minimum is None else Period.parse(minimum),
    )


def in_short(found: list[Anomaly]) -> list[tuple[str, str, datetime]]:
    return [(anomaly.code, anomaly.severity, anomaly.remedy) for anomaly in found]


def test_a_regular_window_has_no_anomaly(calendar: WorkingCalendar) -> None:
    assert check(calendar, "2022-12-12", "2022-12-12 09:00", "2022-12-12 09:00", "2022-12-19 17:30") == []
    assert check(calendar, "2022-12-08", None, "2022-12-12 09:00", "2022-12-19 17:30") == []


@pytest.mark.parametrize(
    "text", ["5 working days", "5 working days, to 24:00", "7 calendar days", "48 hours", "1 month"]
)
def test_what_reckon_proposes_passes(calendar: WorkingCalendar, text: str) -> None:
    opens = at("2026-09-16 10:00")
    due = reckon(Period.parse(text), opens, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS).due_at
    closes = due.replace(tzinfo=None).isoformat(" ")
    early = (due - MICROSECOND).replace(tzinfo=None).isoformat(" ")

    # 48 hours from a Wednesday end on a Friday, and the others on working days too.
    assert check(calendar, "2026-09-16", None, "2026-09-16 10:00", closes, text) == []
    assert in_short(check(calendar, "2026-09-16", None, "2026-09-16 10:00", early, text)) == [
        ("shorter_than_minimum", "error", due)
    ]


# Printed windows of real notices: place, dated on, first day, last day, period claimed, anomalies.
REAL = [
    ("江西科技厅 2022", "2022-12-12", "2022-12-12", "2022-12-16", "5 working days, start day counted",
     [("shorter_than_minimum", "warning", "2022-12-19 17:30")]),
    ("银川工信 2023", "2023-11-07", "2023-11-07", "2023-11-09", "3 working days, start day counted",
     [("shorter_than_minimum", "warning", "2023-11-10 17:30")]),
    ("深圳工信 2024", "2024-12-10", "2024-12-09", "2024-12-13", "5 working days",
     [("dated_after_start", "warning", "2024-12-17 17:30"), ("shorter_than_minimum", "error", "2024-12-16 17:30")]),
    ("永州 2015", "2015-08-25", "2015-08-25", "2015-08-31", "7 calendar days, start day counted",
     [("shorter_than_minimum", "warning", "2015-09-01 17:30")]),
    ("自然资源部 2021", "2021-10-20", "2021-10-20", "2021-10-26", "4 working days", []),
]  # fmt: skip


@pytest.mark.parametrize(("dated_on", "first", "last", "period", "expected"), [row[1:] for row in REAL])
def test_real_notices(
    calendar: WorkingCalendar, dated_on: str, first: str, last: str, period: str, expected: list[tuple[str, str, str]]
) -> None:
    found = check(calendar, dated_on, None, f"{first} 09:00", f"{last} 17:30", period)
    assert in_short(found) == [(code, severity, at(remedy)) for code, severity, remedy in expected]


def test_each_minimum_is_checked_for_itself(calendar: WorkingCalendar) -> None:
    window = ("2026-09-18", None, "2026-09-18 09:00", "2026-09-24 17:30", "5 working days")

    assert check(calendar, *window) == []
    # 7 calendar days end on Friday 09-25, the Mid-Autumn holiday, and roll to Monday 09-28.
    assert check(calendar, *window, minimum="7 calendar days") == [
        Anomaly(
            "shorter_than_minimum",
            "error",
            "公示期短于7个自然日(公布当日不计):最早应于2026-09-28 17:30截止",
            "the window is shorter than 7 calendar days, start day not counted: that ends at 2026-09-28 17:30",
            at("2026-09-28 17:30"),
        )
    ]
    both = check(calendar, *window[:3], "2026-09-23 17:30", "5 working days", "7 calendar days")
    assert in_short(both) == [
        ("shorter_than_minimum", "error", at("2026-09-24 17:30")),
        ("shorter_than_minimum", "error", at("2026-09-28 17:30")),
    ]


def test_short_only_under_the_strict_reading_is_a_warning(calendar: WorkingCalendar) -> None:
    period = "5 working days, start day counted"
    dates = ("2026-09-18", None, "2026-09-18 09:00")
    remedy = at("2026-09-24 17:30")

    assert in_short(check(calendar, *dates, "2026-09-24 17:30", period)) == []
    assert in_short(check(calendar, *dates, "2026-09-23 17:30", period)) == [
        ("shorter_than_minimum", "warning", remedy)
    ]
    assert in_short(check(calendar, *dates, "2026-09-23 17:29", period)) == [("shorter_than_minimum", "error", remedy)]


def test_dated_after_start(calendar: WorkingCalendar) -> None:
    found = check(calendar, "2026-03-10", None, "2026-03-09 09:00", "2026-03-16 17:30")
    assert found == [
        Anomaly(
            "dated_after_start",
            "warning",
            "落款日期2026-03-10晚于公示开始日2026-03-09",
            "the document is dated 2026-03-10, after the window opened on 2026-03-09",
            at("2026-03-17 17:30"),
        )
    ]
    assert check(calendar, "2026-03-09", None, "2026-03-09 00:00", "2026-03-16 17:30") == []


def test_published_late(calendar: WorkingCalendar) -> None:
    closes = "2026-03-16 17:30"
    found = check(calendar, "2026-03-09", "2026-03-09 09:00:30", "2026-03-09 09:00", closes)
    assert found == [
        Anomaly(
            "published_late",
            "warning",
            "实际发布时刻2026-03-09 09:00:30晚于公示开始时刻2026-03-09 09:00",
            "it was published at 2026-03-09 09:00:30, after the window opened at 2026-03-09 09:00",
            at(closes),  # the same day: the start day is not counted anyway, and the end need not move
        )
    ]
    assert check(calendar, "2026-03-09", "2026-03-09 09:00", "2026-03-09 09:00", closes) == []
    microsecond_late = check(calendar, "2026-03-09", "2026-03-09 09:00:00.000001", "2026-03-09 09:00", closes)
    assert in_short(microsecond_late) == [("published_late", "warning", at(closes))]
    assert in_short(check(calendar, "2026-03-09", "2026-03-10 09:00", "2026-03-09 09:00", closes)) == [
        ("published_late", "warning", at("2026-03-17 17:30")),
        ("shorter_than_minimum", "error", at("2026-03-17 17:30")),
    ]


def test_published_early_gives_no_more_days(calendar: WorkingCalendar) -> None:
    found = check(calendar, "2026-03-05", "2026-03-05 09:00", "2026-03-09 09:00", "2026-03-13 17:30")
    assert in_short(found) == [("shorter_than_minimum", "error", at("2026-03-16 17:30"))]


def test_ends_on_rest_day(calendar: WorkingCalendar) -> None:
    found = check(calendar, "2026-09-16", None, "2026-09-16 09:00", "2026-09-27 12:00")
    assert found == [
        Anomaly(
            "ends_on_rest_day",
            "warning",
            "公示截止日2026-09-27为休息日(放假(中秋)),宜顺延至2026-09-28 12:00",
            "the window ends on 2026-09-27, a rest day (holiday (中秋)); better the next working day, 2026-09-28 12:00",
            at("2026-09-28 12:00"),
        )
    ]


def test_24_00_belongs_to_the_day_it_ends(calendar: WorkingCalendar) -> None:
    sunday = check(calendar, "2026-03-02", None, "2026-03-02 09:00", "2026-03-16 00:00")
    friday = check(calendar, "2026-03-02", None, "2026-03-02 09:00", "2026-03-14 00:00")

    assert [(anomaly.code, anomaly.zh, anomaly.remedy) for anomaly in sunday] == [
        ("ends_on_rest_day", "公示截止日2026-03-15为休息日(周末),宜顺延至2026-03-16 24:00", at("2026-03-17 00:00"))
    ]
    assert friday == []


def test_a_make_up_sunday_is_no_rest_day(calendar: WorkingCalendar) -> None:
    assert check(calendar, "2026-09-11", None, "2026-09-11 09:00", "2026-09-20 17:30") == []


def test_a_document_that_is_dated_after_its_publication_is_an_anomaly_of_its_own(calendar: WorkingCalendar) -> None:
    printed = ("2026-03-11 09:00", "2026-03-18 17:30")

    assert check(calendar, "2026-03-09", "2026-03-09 18:00", *printed) == []
    assert check(calendar, "2026-03-10", "2026-03-09 18:00", *printed) == [
        Anomaly(
            "dated_after_publication",
            "warning",
            "落款日期2026-03-10晚于实际发布日2026-03-09",
            "the document is dated 2026-03-10, after it was published on 2026-03-09",
            at("2026-03-18 17:30"),
        )
    ]
    later = check(calendar, "2026-03-12", "2026-03-09 18:00", *printed)
    assert in_short(later) == [("dated_after_start", "warning", at("2026-03-19 17:30"))]


def test_a_minimum_that_is_the_period_read_strictly_is_said_once_and_the_graver_counts(
    calendar: WorkingCalendar,
) -> None:
    short = ("2026-03-09", None, "2026-03-09 09:00", "2026-03-13 17:30")
    counted = "5 working days, start day counted"

    assert in_short(check(calendar, *short, counted)) == [("shorter_than_minimum", "warning", at("2026-03-16 17:30"))]
    for period, minimum in ((counted, "5 working days"), ("5 working days", counted)):
        found = check(calendar, *short, period, minimum)
        assert in_short(found) == [("shorter_than_minimum", "error", at("2026-03-16 17:30"))]


@pytest.mark.parametrize(
    ("opens", "closes", "period", "provisional"),
    [
        ("2026-11-23 09:00", "2026-11-30 17:30", "5 working days", False),
        ("2026-11-24 09:00", "2026-12-01 17:30", "5 working days", True),
        ("2026-11-24 09:00", "2026-12-01 09:00", "48 hours", True),  # whether it ends on a day off may change too
        ("2026-11-24 09:00", "2026-11-30 09:00", "150 hours", False),
        ("2025-12-08 09:00", "2025-12-15 17:30", "5 working days", False),  # the notice of 2026 is loaded
    ],
)
def test_a_window_in_a_december_that_may_still_change_is_provisional(
    calendar: WorkingCalendar, opens: str, closes: str, period: str, provisional: bool
) -> None:
    found = [one for one in check(calendar, opens[:10], None, opens, closes, period) if one.code == "provisional"]

    expected = Anomaly(
        "provisional",
        "warning",
        "2027年放假安排尚未导入,可能调整2026年12月的日子:本核对为暂定,导入后请重新核对",
        "the notice of 2027 is not loaded, and may change days of December 2026: this check is provisional; "
        "load the notice, then check again",
        at(closes),
    )
    assert found == [expected] * provisional


def test_a_window_is_provisional_by_the_end_it_was_held_against(calendar: WorkingCalendar) -> None:
    window = ("2026-11-24", None, "2026-11-24 09:00", "2026-11-30 17:30")

    assert in_short(check(calendar, *window)) == [
        ("shorter_than_minimum", "error", at("2026-12-01 17:30")),
        ("provisional", "warning", at("2026-11-30 17:30")),
    ]
    # 6 calendar days end on Monday 11-30, before which the December decides nothing
    assert check(calendar, *window, "6 calendar days") == []
    assert in_short(check(calendar, *window, "6 calendar days", "7 calendar days, no roll")) == [
        ("shorter_than_minimum", "error", at("2026-12-01 17:30")),
        ("provisional", "warning", at("2026-11-30 17:30")),
    ]


def test_an_end_in_hours_in_a_year_that_is_not_loaded_is_not_asked_of_the_calendar(calendar: WorkingCalendar) -> None:
    found = check(calendar, "2026-12-30", None, "2026-12-30 09:00", "2026-12-31 17:30", "72 hours")
    assert [one.code for one in found] == ["shorter_than_minimum", "provisional"]


def test_everything_at_once(calendar: WorkingCalendar) -> None:
    found = check(calendar, "2026-09-22", "2026-09-23 10:00", "2026-09-21 09:00", "2026-09-26 17:30")
    assert in_short(found) == [
        ("dated_after_start", "warning", at("2026-09-30 17:30")),  # 23, 24, 28, 29, 30
        ("published_late", "warning", at("2026-10-08 17:30")),  # 24, 28, 29, 30 September, 8 October
        ("ends_on_rest_day", "warning", at("2026-09-28 17:30")),
        ("shorter_than_minimum", "error", at("2026-10-08 17:30")),
    ]


def test_instants_may_be_written_in_any_zone(calendar: WorkingCalendar) -> None:
    found = check_printed(
        dated_on=date(2026, 3, 9),
        published_at=datetime(2026, 3, 9, 1, 0, tzinfo=UTC),
        opens_at=datetime(2026, 3, 8, 16, 0, tzinfo=UTC),  # 00:00 on the 9th in Nanchang
        closes_at=datetime(2026, 3, 16, 9, 30, tzinfo=UTC),
        period=Period.parse("5 working days"),
        calendar=calendar,
        zone=SHANGHAI,
        close_of_business=CLOSE_OF_BUSINESS,
    )
    assert in_short(found) == [("published_late", "warning", at("2026-03-16 17:30"))]


@pytest.mark.parametrize("closes", ["2026-03-09 09:00", "2026-03-09 08:59", "2026-03-06 17:30"])
def test_a_window_that_ends_before_it_starts_is_refused(calendar: WorkingCalendar, closes: str) -> None:
    with pytest.raises(PeriodInvalid, match="not after it opens at 2026-03-09T09:00:00"):
        check(calendar, "2026-03-09", None, "2026-03-09 09:00", closes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("published_at", datetime(2026, 3, 9, 9, 0)),
        ("opens_at", datetime(2026, 3, 9, 9, 0)),
        ("closes_at", datetime(2026, 3, 16, 17, 30)),
        ("closes_at", date(2026, 3, 16)),
        ("dated_on", datetime(2026, 3, 9, tzinfo=UTC)),
        ("dated_on", "2026-03-09"),
    ],
)
def test_naive_instants_and_other_types_are_refused(calendar: WorkingCalendar, field: str, value: Any) -> None:
    window: dict[str, Any] = {
        "dated_on": date(2026, 3, 9),
        "published_at": at("2026-03-09 09:00"),
        "opens_at": at("2026-03-09 09:00"),
        "closes_at": at("2026-03-16 17:30"),
        "period": Period.parse("5 working days"),
        "calendar": calendar,
        "zone": SHANGHAI,
        "close_of_business": CLOSE_OF_BUSINESS,
    }
    assert check_printed(**window) == []
    with pytest.raises(PeriodInvalid, match=f"^{field} is "):
        check_printed(**{**window, field: value})


def test_a_window_that_reaches_an_unpublished_year_is_refused(calendar: WorkingCalendar) -> None:
    with pytest.raises(YearNotPublished) as caught:
        check(calendar, "2026-12-28", None, "2026-12-28 09:00", "2026-12-31 17:30")
    assert caught.value.fields == {"year": 2027}


def test_what_a_period_is_never_under_is_checked_for_itself(calendar: WorkingCalendar) -> None:
    text = "5 working days, and never under 7 calendar days"
    dates = ("2026-09-18", None, "2026-09-18 09:00")

    assert in_short(check(calendar, *dates, "2026-09-28 17:30", text)) == []
    assert in_short(check(calendar, *dates, "2026-09-24 17:30", text)) == [
        ("shorter_than_minimum", "error", at("2026-09-28 17:30"))
    ]
    assert in_short(check(calendar, *dates, "2026-09-23 17:30", text)) == [
        ("shorter_than_minimum", "error", at("2026-09-24 17:30")),
        ("shorter_than_minimum", "error", at("2026-09-28 17:30")),
    ]
    assert in_short(check(calendar, *dates, "2026-09-24 17:30", minimum=text)) == [
        ("shorter_than_minimum", "error", at("2026-09-28 17:30"))
    ]
