"""Where a period ends: the vectors of the law and of real notices, each at its instant and one microsecond past."""

import pickle
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow.errors import Invalid, PeriodInvalid, YearNotPublished
from ganchu_workflow.timing import (
    END_OF_DAY,
    Day,
    NotLaterThan,
    Period,
    Reckoning,
    Unit,
    WorkingCalendar,
    closes_in_time,
    reckon,
    remaining,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
CLOSE_OF_BUSINESS = time(17, 30)
MICROSECOND = timedelta(microseconds=1)
NOTICE_OF_2026 = (
    "国务院办公厅关于2026年部分节假日安排的通知 https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm"
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def run(calendar: WorkingCalendar, text: str, start: str, close_of_business: time = CLOSE_OF_BUSINESS) -> Reckoning:
    return reckon(Period.parse(text), at(start), calendar, zone=SHANGHAI, close_of_business=close_of_business)


VECTORS = [
    # DOMAIN §3.3
    ("2026-09-18 10:00", "5 working days", "2026-09-24 17:30"),  # Sunday 09-20 is worked
    ("2026-09-18 10:00", "5 working days, start day counted", "2026-09-23 17:30"),
    ("2026-09-28 09:00", "5 working days", "2026-10-10 17:30"),  # a make-up Saturday
    ("2026-09-28 09:00", "5 working days, start day counted", "2026-10-09 17:30"),
    ("2026-02-13 09:00", "7 calendar days", "2026-02-24 17:30"),  # 02-20 lies in the Spring Festival
    ("2026-02-13 09:00", "7 calendar days, no roll", "2026-02-20 17:30"),
    ("2022-12-12 00:00", "5 working days", "2022-12-19 17:30"),
    ("2024-02-29 00:00", "3 years, no roll", "2027-02-28 17:30"),
    # DOMAIN §3.1: these printed windows reach their length only when the first day counts
    ("2022-12-12 09:00", "5 working days, start day counted", "2022-12-16 17:30"),
    ("2023-11-07 09:00", "3 working days, start day counted", "2023-11-09 17:30"),
    ("2024-12-09 09:00", "5 working days, start day counted", "2024-12-13 17:30"),
    ("2022-04-18 09:00", "5 calendar days, start day counted", "2022-04-22 17:30"),
    ("2015-08-25 09:00", "7 calendar days, start day counted", "2015-08-31 17:30"),
    ("2023-01-06 09:00", "7 calendar days, start day counted", "2023-01-12 17:30"),
    ("2021-10-20 09:00", "7 calendar days, start day counted", "2021-10-26 17:30"),
    ("2026-09-23 09:00", "5 working days", "2026-10-08 17:30"),  # LIBRARIES §1, checked by hand
    # a calendar-day period may end on a make-up Saturday or Sunday, or roll onto one
    ("2026-02-07 09:00", "7 calendar days", "2026-02-14 17:30"),
    ("2026-09-12 09:00", "7 calendar days", "2026-09-20 17:30"),  # Saturday 09-19 rolls to worked Sunday 09-20
    ("2025-01-18 09:00", "7 calendar days", "2025-01-26 17:30"),  # Saturday 01-25 rolls to worked Sunday 01-26
    ("2025-12-25 09:00", "7 calendar days", "2026-01-04 17:30"),  # New Year's Day rolls to worked Sunday 01-04
    # the hour of the end
    ("2026-09-18 10:00", "5 working days, to 24:00", "2026-09-25 00:00"),
    ("2026-12-30 09:00", "1 working day, to 24:00", "2027-01-01 00:00"),  # the last day is 12-31
    ("2026-09-18 10:00", "5 working days, to 00:01", "2026-09-24 00:01"),
    ("2026-09-18 23:59", "1 working day", "2026-09-20 17:30"),
    # a start day that is not worked does not count, even when it is to be counted
    ("2026-09-19 10:00", "1 working day, start day counted", "2026-09-20 17:30"),
    # hours
    ("2026-09-30 16:45", "48 hours", "2026-10-02 16:45"),
    ("2026-12-31 23:30", "1 hour", "2027-01-01 00:30"),
    # months and years: the corresponding day, else the month's last
    ("2026-01-31 09:00", "1 month", "2026-02-28 17:30"),
    ("2026-03-31 09:00", "3 months, no roll", "2026-06-30 17:30"),
    ("2026-01-15 09:00", "1 month", "2026-02-24 17:30"),  # 02-15 begins the Spring Festival
    ("2025-11-01 09:00", "2 months", "2026-01-04 17:30"),  # 01-01 rolls to worked Sunday 01-04
    ("2021-12-16 09:00", "3 years, start day counted, no roll", "2024-12-15 17:30"),
    ("2026-01-31 09:00", "1 month, start day counted, no roll", "2026-02-28 17:30"),
    ("2024-02-29 09:00", "4 years, no roll", "2028-02-29 17:30"),
    ("2026-12-31 09:00", "12 months, to 24:00, no roll", "2028-01-01 00:00"),
]


@pytest.mark.parametrize(("start", "text", "due"), VECTORS)
def test_a_period_ends(calendar: WorkingCalendar, start: str, text: str, due: str) -> None:
    found = run(calendar, text, start)

    assert found.due_at == at(due)
    assert found.due_at.tzinfo is SHANGHAI
    assert (found.period, found.start) == (Period.parse(text), at(start))
    assert found.calendar_version == calendar.version
    assert closes_in_time(at(due), found.due_at) is True
    assert closes_in_time(at(due) + MICROSECOND, found.due_at) is False


def test_the_reckoning_shows_every_day(calendar: WorkingCalendar) -> None:
    found = run(calendar, "5 working days", "2026-09-18 10:00")

    assert found.days == (
        Day(date(2026, 9, 18), False, "start_day"),
        Day(date(2026, 9, 19), False, "weekend"),
        Day(date(2026, 9, 20), True, "make_up", "国庆节", NOTICE_OF_2026),
        Day(date(2026, 9, 21), True, "working"),
        Day(date(2026, 9, 22), True, "working"),
        Day(date(2026, 9, 23), True, "working"),
        Day(date(2026, 9, 24), True, "working"),
    )
    assert [day.zh for day in found.days] == [
        "起始日", "周末", "调休上班(国庆节)", "工作日", "工作日", "工作日", "工作日"
    ]  # fmt: skip
    assert (found.first_day, found.last_day) == (date(2026, 9, 20), date(2026, 9, 24))
    assert pickle.loads(pickle.dumps(found)) == found


def test_only_the_last_calendar_day_moves(calendar: WorkingCalendar) -> None:
    found = run(calendar, "7 calendar days", "2026-02-13 09:00")

    assert found.days == (
        Day(date(2026, 2, 13), False, "start_day"),
        *(Day(date(2026, 2, day), True, "calendar_day") for day in range(14, 20)),
        Day(date(2026, 2, 20), True, "calendar_day", "春节", NOTICE_OF_2026, "holiday"),
        Day(date(2026, 2, 21), False, "holiday", "春节", NOTICE_OF_2026),
        Day(date(2026, 2, 22), False, "holiday", "春节", NOTICE_OF_2026),
        Day(date(2026, 2, 23), False, "holiday", "春节", NOTICE_OF_2026),
        Day(date(2026, 2, 24), False, "moved_to"),
    )
    assert (found.first_day, found.last_day) == (date(2026, 2, 14), date(2026, 2, 24))


def test_months_show_both_ends(calendar: WorkingCalendar) -> None:
    excluded = run(calendar, "1 month", "2026-01-21 09:00")
    included = run(calendar, "1 month, start day counted, no roll", "2026-01-21 09:00")

    assert excluded.days == (
        Day(date(2026, 1, 21), False, "start_day"),
        Day(date(2026, 1, 22), True, "first_day"),
        Day(date(2026, 2, 21), True, "last_day", "春节", NOTICE_OF_2026, "holiday"),
        Day(date(2026, 2, 22), False, "holiday", "春节", NOTICE_OF_2026),
        Day(date(2026, 2, 23), False, "holiday", "春节", NOTICE_OF_2026),
        Day(date(2026, 2, 24), False, "moved_to"),
    )
    assert included.days == (
        Day(date(2026, 1, 21), True, "first_day"),
        Day(date(2026, 2, 20), True, "last_day"),
    )
    assert (excluded.first_day, included.first_day) == (date(2026, 1, 22), date(2026, 1, 21))


def test_hours_show_the_days_they_touch(calendar: WorkingCalendar) -> None:
    found = run(calendar, "32 hours", "2026-09-30 16:00")

    assert found.due_at == at("2026-10-02 00:00")
    assert found.days == (Day(date(2026, 9, 30), True, "by_the_hour"), Day(date(2026, 10, 1), True, "by_the_hour"))
    assert (found.first_day, found.last_day) == (date(2026, 9, 30), date(2026, 10, 1))


def test_24_hours_end_the_day_that_midnight_closes(calendar: WorkingCalendar) -> None:
    found = run(calendar, "5 working days, to 24:00", "2026-09-18 10:00")

    assert (found.last_day, found.due_at.date()) == (date(2026, 9, 24), date(2026, 9, 25))


@pytest.mark.parametrize(("close", "due"), [(END_OF_DAY, "2026-09-25 00:00"), (time(12, 0), "2026-09-24 12:00")])
def test_the_close_of_business_ends_a_period_that_names_no_hour(
    calendar: WorkingCalendar, close: time, due: str
) -> None:
    assert run(calendar, "5 working days", "2026-09-18 10:00", close).due_at == at(due)
    assert run(calendar, "5 working days, to 09:00", "2026-09-18 10:00", close).due_at == at("2026-09-24 09:00")


@pytest.mark.parametrize(
    ("start", "due"),
    [
        (datetime(2026, 9, 17, 15, 59, 59, 999999, tzinfo=UTC), "2026-09-18 17:30"),  # 23:59 on the 17th in Nanchang
        (datetime(2026, 9, 17, 16, 0, tzinfo=UTC), "2026-09-20 17:30"),  # 00:00 on the 18th in Nanchang
    ],
)
def test_the_start_day_is_the_day_in_the_zone(calendar: WorkingCalendar, start: datetime, due: str) -> None:
    found = reckon(Period(1, Unit.WORKING_DAYS), start, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)
    assert found.due_at == at(due)
    assert found.start == start
    assert found.start.tzinfo is SHANGHAI


def test_hours_are_hours_where_the_clock_is_put_forward(calendar: WorkingCalendar) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 28, 12, 0, tzinfo=berlin)  # on the 29th 02:00 becomes 03:00
    found = reckon(Period(24, Unit.HOURS), start, calendar, zone=berlin, close_of_business=CLOSE_OF_BUSINESS)
    assert found.due_at.isoformat() == "2026-03-29T13:00:00+02:00"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("5 working days", "2026-12-28 09:00"),
        ("4 working days", "2026-12-28 09:00"),
        ("7 calendar days", "2026-12-28 09:00"),
        ("1 month", "2026-12-28 09:00"),
        ("3 years", "2024-02-29 09:00"),
    ],
)
def test_a_period_that_reaches_an_unpublished_year_is_refused(calendar: WorkingCalendar, text: str, start: str) -> None:
    with pytest.raises(YearNotPublished) as caught:
        run(calendar, text, start)
    assert caught.value.fields == {"year": 2027}


def test_the_imported_notice_resolves_it(calendar: WorkingCalendar) -> None:
    new_year = [date(2027, 1, day) for day in (1, 2, 3)]
    extended = calendar.with_year(2027, new_year, [date(2026, 12, 26)], "notice of 2027")

    assert run(extended, "5 working days", "2026-12-28 09:00").due_at == at("2027-01-05 17:30")
    assert run(extended, "1 working day", "2026-12-25 09:00").due_at == at("2026-12-26 17:30")
    assert run(calendar, "1 working day", "2026-12-25 09:00").due_at == at("2026-12-28 17:30")


def test_an_end_in_a_december_is_provisional_until_the_next_notice(calendar: WorkingCalendar) -> None:
    extended = calendar.with_year(2027, [date(2027, 1, 1)], [], "notice of 2027")
    texts = ["5 working days", "7 calendar days", "7 calendar days, no roll", "48 hours"]

    assert [run(calendar, text, "2026-12-21 09:00").provisional for text in texts] == [True, True, False, False]
    assert [run(extended, text, "2026-12-21 09:00").provisional for text in texts] == [False] * 4
    assert [run(calendar, text, "2026-11-23 09:00").provisional for text in texts] == [False] * 4


def test_hours_and_periods_that_do_not_roll_need_no_calendar() -> None:
    nothing = WorkingCalendar.from_document({"format": "ganchu-calendar/1", "years": {}})

    assert run(nothing, "48 hours", "2040-01-01 09:00").due_at == at("2040-01-03 09:00")
    assert run(nothing, "7 calendar days, no roll", "2040-01-01 09:00").due_at == at("2040-01-08 17:30")
    assert run(nothing, "3 months, no roll", "2040-01-01 09:00").due_at == at("2040-04-01 17:30")
    assert run(nothing, "3 years, no roll", "2040-01-01 09:00").due_at == at("2043-01-01 17:30")


@pytest.mark.parametrize("text", ["5 working days", "48 hours", "3 years, no roll"])
def test_a_naive_start_is_refused(calendar: WorkingCalendar, text: str) -> None:
    with pytest.raises(PeriodInvalid, match="start is an instant with a time zone"):
        reckon(
            Period.parse(text),
            datetime(2026, 9, 18, 10, 0),
            calendar,
            zone=SHANGHAI,
            close_of_business=CLOSE_OF_BUSINESS,
        )


@pytest.mark.parametrize("close", [time(17, 30, 1), time(17, 30, 0, 1), time(17, 30, tzinfo=UTC)])
def test_a_close_of_business_is_a_whole_minute(calendar: WorkingCalendar, close: time) -> None:
    with pytest.raises(PeriodInvalid, match="the close of business is a whole minute"):
        run(calendar, "5 working days", "2026-09-18 10:00", close)


def test_a_period_that_would_end_before_it_starts_is_refused(calendar: WorkingCalendar) -> None:
    text = "1 working day, start day counted, to 17:30"

    assert run(calendar, text, "2026-09-18 17:29").due_at == at("2026-09-18 17:30")
    for start in ("2026-09-18 17:30", "2026-09-18 18:00"):
        with pytest.raises(PeriodInvalid, match="would already end at 2026-09-18T17:30:00"):
            run(calendar, text, start)


@pytest.mark.parametrize(
    "text",
    [
        "9999999 calendar days, no roll",
        "9007199254740991 calendar days, no roll",
        "99999999999 hours",
        "9007199254740991 hours",
        "99999 months, no roll",
        "8000 years, no roll",
        "9007199254740991 years, no roll",
    ],
)
def test_a_period_beyond_the_last_year_is_refused(calendar: WorkingCalendar, text: str) -> None:
    with pytest.raises(PeriodInvalid, match="9999"):
        run(calendar, text, "2026-09-18 10:00")


def left(calendar: WorkingCalendar, text: str, stopped: str, due: str) -> str:
    return str(remaining(Period.parse(text), at(stopped), at(due), calendar, SHANGHAI))


def test_suspension_across_the_national_day_holiday(calendar: WorkingCalendar) -> None:
    period = Period.parse("9 working days")
    window = run(calendar, "9 working days", "2026-09-21 09:00")
    assert window.due_at == at("2026-10-10 17:30")  # 22, 23, 24, 28, 29, 30 September; 8, 9, 10 October

    rest = remaining(period, at("2026-09-29 15:00"), window.due_at, calendar, SHANGHAI)
    again = reckon(rest, at("2026-10-05 09:00"), calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)

    assert rest == Period(5, Unit.WORKING_DAYS)  # the 29th, on which it stopped, is not used up
    assert again.due_at == at("2026-10-13 17:30")  # 8, 9, 10, 12, 13 October


def test_stopping_on_the_start_day_leaves_the_whole_period(calendar: WorkingCalendar) -> None:
    assert left(calendar, "5 working days", "2026-09-18 10:00", "2026-09-24 17:30") == "5 working days"
    assert left(calendar, "7 calendar days", "2026-03-02 10:00", "2026-03-09 17:30") == "7 calendar days"
    assert left(calendar, "1 month", "2026-03-02 10:00", "2026-04-02 17:30") == "31 calendar days"


@pytest.mark.parametrize(
    ("text", "stopped", "due", "rest"),
    [
        ("5 working days", "2026-09-19 10:00", "2026-09-24 17:30", "5 working days"),
        ("5 working days", "2026-09-20 00:00", "2026-09-24 17:30", "5 working days"),
        ("5 working days", "2026-09-21 23:59", "2026-09-24 17:30", "4 working days"),
        ("5 working days", "2026-09-24 17:29", "2026-09-24 17:30", "1 working day"),
        ("5 working days, to 24:00", "2026-09-24 23:59", "2026-09-25 00:00", "1 working day, to 24:00"),
        ("5 working days, start day counted", "2026-09-21 10:00", "2026-09-23 17:30", "3 working days"),
        ("5 working days", "2026-09-26 10:00", "2026-09-27 17:30", "1 working day"),  # an end fixed by hand, at rest
        ("7 calendar days, to 09:00", "2026-03-07 10:00", "2026-03-09 09:00", "3 calendar days, to 09:00"),
        ("7 calendar days, no roll", "2026-02-19 10:00", "2026-02-20 17:30", "2 calendar days, no roll"),
        ("7 calendar days", "2026-02-19 10:00", "2026-02-24 17:30", "6 calendar days"),  # the roll stays with the party
        ("7 calendar days", "2026-02-14 10:00", "2026-02-24 17:30", "7 calendar days"),
        ("3 months", "2026-04-01 10:00", "2026-04-10 17:30", "10 calendar days"),
        ("3 months, start day counted, to 24:00", "2026-04-09 10:00", "2026-04-10 00:00", "1 calendar day, to 24:00"),
        ("1 year, no roll", "2026-02-27 10:00", "2026-02-28 17:30", "2 calendar days, no roll"),
        ("48 hours", "2026-10-01 16:45", "2026-10-02 16:45", "24 hours"),
        ("48 hours", "2026-10-02 15:45:00.000001", "2026-10-02 16:45", "3599999999 microseconds"),
        ("48 hours", "2026-10-02 16:44:59.999999", "2026-10-02 16:45", "1 microsecond"),
        ("3599999999 microseconds", "2026-10-02 16:00", "2026-10-02 16:30", "1800000000 microseconds"),
        ("3599999999 microseconds", "2026-10-02 16:00", "2026-10-02 17:00", "1 hour"),
    ],
)
def test_what_is_left(calendar: WorkingCalendar, text: str, stopped: str, due: str, rest: str) -> None:
    assert left(calendar, text, stopped, due) == rest


@pytest.mark.parametrize("text", ["1 month", "2 months, start day counted", "1 month, no roll", "13 months", "1 year"])
@pytest.mark.parametrize("year", [2019, 2020, 2023])
def test_months_that_are_stopped_and_resumed_at_once_never_end_earlier(
    calendar: WorkingCalendar, text: str, year: int
) -> None:
    period, first = Period.parse(text), datetime(year, 1, 1, 9, tzinfo=SHANGHAI)
    earlier = []
    for start in (first + timedelta(days=n) for n in range(366)):
        due = reckon(period, start, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS).due_at
        for days in (0, 1, 2, 15, 27):
            stopped = start + timedelta(days=days, hours=1)
            rest = remaining(period, stopped, due, calendar, SHANGHAI)
            again = reckon(rest, stopped, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS).due_at
            if again < due:
                earlier.append((start, stopped, due, again))
    assert earlier == []


def test_months_whose_end_rolled_into_the_next_month_keep_their_days(calendar: WorkingCalendar) -> None:
    # The 28th is a Sunday. A month before the Monday has 28 days, one before the Saturday 31 and two days of a roll.
    assert run(calendar, "1 month", "2021-01-28 09:00").due_at == at("2021-03-01 17:30")
    assert left(calendar, "1 month", "2021-01-28 15:00", "2021-03-01 17:30") == "33 calendar days"
    assert left(calendar, "1 month, no roll", "2021-02-01 15:00", "2021-03-01 17:30") == "28 calendar days, no roll"


def test_an_end_before_which_the_calendar_knows_no_day_is_counted_back_from_itself(calendar: WorkingCalendar) -> None:
    assert left(calendar, "1 month", "2006-12-01 10:00", "2007-01-01 17:30") == "31 calendar days"


def test_hours_lose_and_gain_nothing_by_being_stopped(calendar: WorkingCalendar) -> None:
    window = run(calendar, "48 hours", "2026-09-30 16:45")
    stopped, resumed = at("2026-10-01 09:13:07.123457"), at("2026-10-09 08:00:00.5")

    rest = Period.parse(str(remaining(Period.parse("48 hours"), stopped, window.due_at, calendar, SHANGHAI)))
    again = reckon(rest, resumed, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)

    assert again.due_at - resumed == window.due_at - stopped


@pytest.mark.parametrize("text", ["5 working days", "7 calendar days", "48 hours", "3 months"])
@pytest.mark.parametrize("stopped", ["2026-09-24 17:30", "2026-09-24 17:30:00.000001", "2026-09-28 09:00"])
def test_nothing_is_left_at_the_end(calendar: WorkingCalendar, text: str, stopped: str) -> None:
    with pytest.raises(PeriodInvalid, match="nothing is left"):
        left(calendar, text, stopped, "2026-09-24 17:30")


def test_what_is_left_refuses_naive_instants_and_unknown_years(calendar: WorkingCalendar) -> None:
    period, aware, naive = Period.parse("5 working days"), at("2026-09-24 17:30"), datetime(2026, 9, 24, 17, 30)

    with pytest.raises(PeriodInvalid, match="stopped_at is an instant with a time zone"):
        remaining(period, naive, aware, calendar, SHANGHAI)
    with pytest.raises(PeriodInvalid, match="due_at is an instant with a time zone"):
        remaining(period, aware, naive, calendar, SHANGHAI)
    with pytest.raises(YearNotPublished):
        left(calendar, "5 working days", "2026-12-30 09:00", "2027-01-04 17:30")


def test_the_closing_instant_is_in_time_wherever_it_is_written() -> None:
    closes = at("2026-09-24 17:30")
    written_in_utc = datetime(2026, 9, 24, 9, 30, tzinfo=UTC)

    assert closes_in_time(written_in_utc, closes) is True
    assert closes_in_time(written_in_utc + MICROSECOND, closes) is False
    assert closes_in_time(written_in_utc - MICROSECOND, closes) is True


def test_24_00_is_in_time_and_one_microsecond_later_is_late(calendar: WorkingCalendar) -> None:
    closes = run(calendar, "5 working days, to 24:00", "2026-09-18 10:00").due_at

    assert closes_in_time(at("2026-09-24 23:59:59.999999"), closes) is True
    assert closes_in_time(at("2026-09-25 00:00"), closes) is True
    assert closes_in_time(at("2026-09-25 00:00:00.000001"), closes) is False


def test_in_time_is_not_asked_of_naive_instants() -> None:
    naive = datetime(2026, 9, 24, 17, 30)
    for received, closes in ((naive, at("2026-09-24 17:30")), (at("2026-09-24 17:30"), naive)):
        with pytest.raises(Invalid, match="has no time zone"):
            closes_in_time(received, closes)


def test_an_instant_outside_the_calendar_of_python_is_refused(calendar: WorkingCalendar) -> None:
    last = datetime(9999, 12, 31, 23, 0, tzinfo=UTC)
    with pytest.raises(PeriodInvalid, match="start lies outside the years 1 to 9999 in Asia/Shanghai"):
        reckon(Period(1, Unit.HOURS), last, calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)


def test_a_fixed_end_before_the_first_day_of_python_is_refused(calendar: WorkingCalendar) -> None:
    first = NotLaterThan(datetime(1, 1, 1, tzinfo=UTC))
    with pytest.raises(PeriodInvalid, match=r"the day of the fixed end not later than 0001-01-01 .* before the year 1"):
        reckon(first, datetime(1, 1, 1, 9, tzinfo=UTC), calendar, zone=ZoneInfo("UTC"), close_of_business=time(17, 30))


def test_a_text_is_to_be_read_before_it_is_reckoned(calendar: WorkingCalendar) -> None:
    text: Any = "5 working days"
    with pytest.raises(PeriodInvalid, match=r"期限须先读取:parse_limit\('5 working days'\) / .* with parse_limit"):
        reckon(text, at("2026-03-09 09:00"), calendar, zone=SHANGHAI, close_of_business=CLOSE_OF_BUSINESS)


# Text, start, due, the ends of both parts, and which of them decided.
TWO_LENGTHS = [
    # 7 calendar days end on Friday 09-25, the Mid-Autumn holiday, and roll to Monday 09-28
    ("5 working days, and never under 7 calendar days", "2026-09-18 10:00", "2026-09-24 17:30", "2026-09-28 17:30"),
    # the start day is counted for the working days, and never for the minimum
    (
        "5 working days, start day counted, to 24:00, and never under 7 calendar days",
        "2026-03-02 10:00",
        "2026-03-07 00:00",
        "2026-03-10 00:00",
    ),
    ("5 working days, and never under 7 calendar days", "2026-09-28 09:00", "2026-10-10 17:30", "2026-10-08 17:30"),
    ("5 working days, and never under 7 calendar days", "2026-03-02 09:00", "2026-03-09 17:30", "2026-03-09 17:30"),
    ("1 working day, to 09:00, and never under 24 hours", "2026-03-02 10:00", "2026-03-03 09:00", "2026-03-03 10:00"),
    ("48 hours, and never under 2 working days", "2026-03-06 10:00", "2026-03-08 10:00", "2026-03-10 17:30"),
    # by itself the first would end before it starts; the later end is what counts
    (
        "1 working day, start day counted, and never under 1 working day",
        "2026-03-02 18:00",
        "2026-03-02 17:30",
        "2026-03-03 17:30",
    ),
]


@pytest.mark.parametrize(("text", "start", "alone", "least"), TWO_LENGTHS)
def test_of_two_lengths_the_later_end_counts(
    calendar: WorkingCalendar, text: str, start: str, alone: str, least: str
) -> None:
    found = run(calendar, text, start)
    later = max(at(alone), at(least))
    decided = found.parts[0 if at(alone) >= at(least) else 1]

    assert found.due_at == later
    assert closes_in_time(later, found.due_at) is True
    assert closes_in_time(later + MICROSECOND, found.due_at) is False
    assert [part.due_at for part in found.parts] == [at(alone), at(least)]
    assert tuple(part.period for part in found.parts) == Period.parse(text).parts
    assert found.decided_by == ("period" if at(alone) >= at(least) else "at_least")
    assert (found.due_at, found.first_day, found.last_day, found.days) == (
        decided.due_at,
        decided.first_day,
        decided.last_day,
        decided.days,
    )
    assert (found.period, found.start, found.calendar_version) == (Period.parse(text), at(start), calendar.version)
    assert pickle.loads(pickle.dumps(found)) == found


def test_two_lengths_are_provisional_and_unknown_as_either_is(calendar: WorkingCalendar) -> None:
    text = "5 working days, and never under {}"

    assert run(calendar, text.format("20 calendar days"), "2026-11-10 09:00").provisional is False
    assert run(calendar, text.format("30 calendar days"), "2026-11-10 09:00").provisional is True
    assert run(calendar, "48 hours, and never under 1 working day", "2026-12-09 09:00").provisional is True
    with pytest.raises(YearNotPublished):
        run(calendar, text.format("60 calendar days"), "2026-11-10 09:00")


@pytest.mark.parametrize(
    ("text", "stopped", "due", "rest"),
    [
        # from Friday 09-18: 5 working days end on the 24th, 7 calendar days on Monday the 28th
        (
            "5 working days, and never under 7 calendar days",
            "2026-09-22 10:00",
            "2026-09-28 17:30",
            "4 working days, and never under 7 calendar days",
        ),
        (
            "5 working days, to 24:00, and never under 7 calendar days",
            "2026-09-28 23:59",
            "2026-09-29 00:00",
            "1 working day, to 24:00, and never under 1 calendar day",
        ),
        (
            "2 working days, and never under 48 hours",
            "2026-03-03 09:30",
            "2026-03-10 10:00",
            "2 working days, and never under 48 hours",
        ),
        (
            "2 working days, and never under 48 hours",
            "2026-03-09 09:59:59.999999",
            "2026-03-10 10:00",
            "2 working days, and never under 86400000001 microseconds",
        ),
        (
            "1 hour, and never under 1 month",
            "2026-03-31 10:00",
            "2026-04-01 17:30",
            "1 hour, and never under 2 calendar days",
        ),
    ],
)
def test_what_is_left_of_two_lengths_is_again_the_later_of_both(
    calendar: WorkingCalendar, text: str, stopped: str, due: str, rest: str
) -> None:
    assert left(calendar, text, stopped, due) == rest
    assert str(Period.parse(rest)) == rest
