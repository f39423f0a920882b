"""A notice that was taken down while its window ran: which days are lost, and when the window should end instead."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow.errors import PeriodInvalid, YearNotPublished
from ganchu_workflow.timing import Anomaly, Period, WorkingCalendar, check_printed
from tests.timing.oracle import Oracle
from tests.timing.test_against_oracle import Chance

SHANGHAI = ZoneInfo("Asia/Shanghai")
CLOSE_OF_BUSINESS = time(17, 30)
# Monday to the Monday after: five working days, the first not counted; none of them is a holiday.
OPENS, CLOSES = "2026-03-09 09:00", "2026-03-16 17:30"
STRICT = "5 working days"
LENIENT = "5 working days, start day counted"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def check(
    calendar: WorkingCalendar,
    *down: tuple[str, str | None],
    period: str = STRICT,
    minimum: str | None = None,
    opens: str = OPENS,
    closes: str = CLOSES,
    published: str | None = None,
) -> list[Anomaly]:
    found = check_printed(
        dated_on=at(opens).date(),
        published_at=None if published is None else at(published),
        opens_at=at(opens),
        closes_at=at(closes),
        period=Period.parse(period),
        calendar=calendar,
        zone=SHANGHAI,
        close_of_business=CLOSE_OF_BUSINESS,
        minimum=None if minimum is None else Period.parse(minimum),
        interruptions=[(at(begins), None if ends is None else at(ends)) for begins, ends in down],
    )
    return [anomaly for anomaly in found if anomaly.code == "taken_down"]


def in_short(found: list[Anomaly]) -> list[tuple[str, datetime]]:
    return [(anomaly.severity, anomaly.remedy) for anomaly in found]


def test_a_day_that_was_down_for_hours_is_not_counted(calendar: WorkingCalendar) -> None:
    assert check(calendar, ("2026-03-11 10:00", "2026-03-11 12:00")) == [
        Anomaly(
            "taken_down",
            "error",
            "公示期间曾撤下,未全天公示之日(2026-03-11)从严不计入:最早应于2026-03-17 17:30截止",
            "the notice was down on 2026-03-11; read cautiously these days do not count: "
            "the window should not end before 2026-03-17 17:30",
            at("2026-03-17 17:30"),
        )
    ]


def test_a_longer_window_may_have_days_enough(calendar: WorkingCalendar) -> None:
    longer = "2026-03-18 17:30"
    down = [("2026-03-12 10:00", "2026-03-12 12:00"), ("2026-03-11 10:00", "2026-03-12 00:00")]

    assert check(calendar, *down, closes=longer) == [
        Anomaly(
            "taken_down",
            "warning",
            "公示期间曾撤下,未全天公示之日(2026-03-11至2026-03-12)从严不计入:其余时间仍足期限",
            "the notice was down on 2026-03-11 to 2026-03-12; read cautiously these days do not count: "
            "the rest is still enough",
            at(longer),
        )
    ]
    early = "2026-03-18 17:29:59.999999"
    assert in_short(check(calendar, *down, closes=early)) == [("error", at(longer))]


@pytest.mark.parametrize(
    ("down", "period", "severity", "remedy"),
    [
        # the start day is not counted, so nothing is lost by its being down
        ([("2026-03-09 10:00", "2026-03-09 11:00")], STRICT, "warning", CLOSES),
        # counted by the rule itself, it is lost there too: 10, 11, 12, 13, 16
        ([("2026-03-09 10:00", "2026-03-09 11:00")], LENIENT, "warning", CLOSES),
        # enough under the rule's own reading (9, 10, 12, 13, 16), and one short when read strictly
        ([("2026-03-11 10:00", "2026-03-11 12:00")], LENIENT, "warning", "2026-03-17 17:30"),
        ([("2026-03-11 10:00", "2026-03-12 12:00")], LENIENT, "error", "2026-03-18 17:30"),
        # a rest day is no working day anyway
        ([("2026-03-14 00:00", "2026-03-16 00:00")], STRICT, "warning", CLOSES),
        ([("2026-03-14 00:00", "2026-03-16 00:00:00.000001")], STRICT, "error", "2026-03-17 17:30"),
        # up again at 00:00, it lost nothing of that day
        ([("2026-03-10 23:59:59.999999", "2026-03-11 00:00")], STRICT, "error", "2026-03-17 17:30"),
        # overlapping and touching times are one; their order does not matter
        (
            [
                ("2026-03-11 12:00", "2026-03-11 15:00"),
                ("2026-03-11 10:00", "2026-03-11 12:00"),
                ("2026-03-11 09:00", "2026-03-11 14:00"),
            ],
            STRICT,
            "error",
            "2026-03-17 17:30",
        ),
        ([("2026-03-10 10:00", "2026-03-10 11:00"), ("2026-03-12 10:00", "2026-03-13 11:00")], STRICT, "error",
         "2026-03-19 17:30"),
        # the day that would make up for it was down as well, after the printed end
        ([("2026-03-11 10:00", "2026-03-11 12:00"), ("2026-03-17 10:00", "2026-03-17 12:00")], STRICT, "error",
         "2026-03-18 17:30"),
        # it began before the window did
        ([("2026-03-01 10:00", "2026-03-10 12:00")], STRICT, "error", "2026-03-17 17:30"),
        # still down: as if it were up again on the day after the printed end
        ([("2026-03-16 10:00", None)], STRICT, "error", "2026-03-17 17:30"),
        ([("2026-03-12 10:00", None)], STRICT, "error", "2026-03-19 17:30"),
        # calendar days: the rest days count, and one that was down is made up for; the end rolls
        ([("2026-03-14 10:00", "2026-03-14 11:00")], "7 calendar days", "error", "2026-03-17 17:30"),
        ([("2026-03-10 10:00", "2026-03-14 11:00")], "7 calendar days, no roll", "error", "2026-03-21 17:30"),
        ([("2026-03-10 10:00", "2026-03-14 11:00")], "7 calendar days", "error", "2026-03-23 17:30"),
        # the day to which the end would roll was down
        (
            [("2026-03-10 10:00", "2026-03-14 11:00"), ("2026-03-23 10:00", "2026-03-23 10:01")],
            "7 calendar days", "error", "2026-03-24 17:30",
        ),
        # months: as many days more as were lost, 04-09 and then 04-10
        ([("2026-03-11 10:00", "2026-03-11 12:00")], "1 month", "error", "2026-04-10 17:30"),
        # hours: the time itself
        ([("2026-03-10 10:00", "2026-03-10 12:30")], "176 hours", "error", "2026-03-16 19:30"),
        ([("2026-03-10 10:00", "2026-03-10 12:30")], "174 hours", "warning", CLOSES),
        ([("2026-03-16 17:00", "2026-03-16 18:00")], "176 hours", "warning", CLOSES),
        ([("2026-03-16 16:30", "2026-03-16 17:30")], "176 hours", "error", "2026-03-16 18:00"),
        # still down: up again at 00:00 of the day after the printed end, which is 24:00 of its own
        ([("2026-03-16 10:00", None)], "176 hours", "error", "2026-03-17 07:00"),
        # still down, but only since the printed end or later: that takes nothing
        ([("2026-03-11 10:00", "2026-03-11 12:00"), ("2026-03-16 17:30", None)], STRICT, "error", "2026-03-17 17:30"),
        ([("2026-03-11 10:00", "2026-03-11 12:00"), ("2026-03-17 09:00", None)], STRICT, "error", "2026-03-17 17:30"),
    ],
)  # fmt: skip
def test_the_remedy_is_the_end_over_the_days_that_were_whole(
    calendar: WorkingCalendar, down: list[tuple[str, str | None]], period: str, severity: str, remedy: str
) -> None:
    assert in_short(check(calendar, *down, period=period)) == [(severity, at(remedy))]


def test_of_hours_the_time_does_not_count_and_of_days_and_hours_each_its_own(calendar: WorkingCalendar) -> None:
    still, hours = ("2026-03-10 09:00", None), {"opens": "2026-03-09 09:00", "closes": "2026-03-11 09:00"}
    if_seen = (
        "截止(尚未恢复,以原截止次日零时起公示计)",
        ", if it is to be seen again from the day after the printed end on",
    )

    assert check(calendar, still, period="48 hours", **hours) == [
        Anomaly(
            "taken_down",
            "error",
            "公示期间曾撤下,撤下的时间(2026-03-10 09:00至2026-03-11 09:00)从严不计入:最早应于2026-03-12 24:00"
            + if_seen[0],
            "the notice was down from 2026-03-10 09:00 to 2026-03-11 09:00; read cautiously this time does not count: "
            "the window should not end before 2026-03-12 24:00" + if_seen[1],
            at("2026-03-13 00:00"),
        )
    ]
    [both] = check(calendar, still, period="48 hours", minimum="1 working day", **hours)
    assert both == Anomaly(
        "taken_down",
        "error",
        "公示期间曾撤下,按日计的期限不计未全天公示之日(2026-03-10至2026-03-11),按小时计的期限不计撤下的时间"
        "(2026-03-10 09:00至2026-03-11 09:00),均从严:最早应于2026-03-12 24:00" + if_seen[0],
        "the notice was down from 2026-03-10 09:00 to 2026-03-11 09:00; read cautiously this time does not count in "
        "hours, nor the days 2026-03-10 to 2026-03-11 in days: the window should not end before 2026-03-12 24:00"
        + if_seen[1],
        at("2026-03-13 00:00"),
    )


def test_a_notice_that_is_down_since_its_end_is_supposed_to_be_seen_again(calendar: WorkingCalendar) -> None:
    lost, closes = ("2026-03-11 10:00", "2026-03-11 12:00"), "2026-03-17 00:00"
    for still in ("2026-03-17 00:00", "2026-03-17 09:00"):
        [found] = check(calendar, lost, (still, None), period="5 working days, to 24:00", closes=closes)
        assert (found.severity, found.remedy) == ("error", at("2026-03-18 00:00"))
        assert found.zh.endswith("最早应于2026-03-17 24:00截止(尚未恢复,以原截止次日零时起公示计)")


@pytest.mark.parametrize(
    "down",
    [
        [],
        [("2026-03-08 10:00", "2026-03-09 09:00")],
        [("2026-03-16 17:30", "2026-03-16 20:00")],
        [("2026-03-16 17:30", None)],
        [("2026-03-20 10:00", None), ("2026-03-01 10:00", "2026-03-02 10:00")],
    ],
)
def test_what_lies_outside_the_window_took_nothing_from_it(
    calendar: WorkingCalendar, down: list[tuple[str, str | None]]
) -> None:
    assert check(calendar, *down) == []


def test_each_length_is_held_against_the_days_that_were_whole(calendar: WorkingCalendar) -> None:
    down = ("2026-03-14 10:00", "2026-03-14 11:00")  # a Saturday
    double = "5 working days, and never under 7 calendar days"

    assert in_short(check(calendar, down)) == [("warning", at(CLOSES))]
    assert in_short(check(calendar, down, period=double)) == [("error", at("2026-03-17 17:30"))]
    assert in_short(check(calendar, down, minimum="7 calendar days")) == [("error", at("2026-03-17 17:30"))]


def test_it_counts_from_when_the_notice_was_published(calendar: WorkingCalendar) -> None:
    down = ("2026-03-10 08:00", "2026-03-10 10:00")

    assert in_short(check(calendar, down, published="2026-03-10 10:00")) == []
    assert in_short(check(calendar, down, published="2026-03-10 09:59", closes="2026-03-17 17:30")) == [
        ("warning", at("2026-03-17 17:30"))
    ]


def test_the_other_anomalies_stay_as_they_are(calendar: WorkingCalendar) -> None:
    found = check_printed(
        dated_on=date(2026, 3, 10),
        published_at=None,
        opens_at=at(OPENS),
        closes_at=at("2026-03-13 17:30"),
        period=Period.parse(STRICT),
        calendar=calendar,
        zone=SHANGHAI,
        close_of_business=CLOSE_OF_BUSINESS,
        interruptions=[(at("2026-03-11 10:00"), at("2026-03-11 11:00"))],
    )
    assert [(anomaly.code, anomaly.remedy) for anomaly in found] == [
        ("dated_after_start", at("2026-03-17 17:30")),
        ("shorter_than_minimum", at("2026-03-16 17:30")),
        ("taken_down", at("2026-03-17 17:30")),
    ]


def test_instants_may_be_written_in_any_zone(calendar: WorkingCalendar) -> None:
    found = check_printed(
        dated_on=date(2026, 3, 9),
        published_at=None,
        opens_at=at(OPENS),
        closes_at=at(CLOSES),
        period=Period.parse(STRICT),
        calendar=calendar,
        zone=SHANGHAI,
        close_of_business=CLOSE_OF_BUSINESS,
        # 23:00 on the 10th to 00:00 on the 11th in Nanchang
        interruptions=[(datetime(2026, 3, 10, 15, tzinfo=UTC), datetime(2026, 3, 10, 16, tzinfo=UTC))],
    )
    assert in_short(found) == [("error", at("2026-03-17 17:30"))]
    assert "(2026-03-10)" in found[0].zh


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        (
            (at("2026-03-11 12:00"), at("2026-03-11 10:00")),
            "ends after it begins, but this one begins at 2026-03-11T12",
        ),
        ((at("2026-03-11 12:00"), at("2026-03-11 12:00")), "ends after it begins"),
        ((datetime(2026, 3, 11, 12, 0), None), "an interruption's begin is an instant with a time zone"),
        (
            (at("2026-03-11 12:00"), datetime(2026, 3, 11, 13, 0)),
            "an interruption's end is an instant with a time zone",
        ),
        ((None, None), "an interruption's begin is an instant with a time zone"),
        ((at("2026-03-11 12:00"),), "is a pair of instants"),
        (at("2026-03-11 12:00"), "is a pair of instants"),
        ("ab", "is a pair of instants"),
    ],
)
def test_what_is_no_interruption_is_refused(calendar: WorkingCalendar, pair: Any, complaint: str) -> None:
    with pytest.raises(PeriodInvalid, match=complaint):
        check_printed(
            dated_on=date(2026, 3, 9),
            published_at=None,
            opens_at=at(OPENS),
            closes_at=at(CLOSES),
            period=Period.parse(STRICT),
            calendar=calendar,
            zone=SHANGHAI,
            close_of_business=CLOSE_OF_BUSINESS,
            interruptions=[pair],
        )


def test_a_remedy_that_reaches_an_unpublished_year_is_refused(calendar: WorkingCalendar) -> None:
    window = {"opens": "2026-12-23 09:00", "closes": "2026-12-30 17:30"}
    with pytest.raises(YearNotPublished):
        check(calendar, ("2026-12-28 09:00", "2026-12-29 09:00"), **window)
    assert in_short(check(calendar, ("2026-12-28 09:00", "2026-12-28 10:00"), **window)) == [
        ("error", at("2026-12-31 17:30"))
    ]


def test_a_remedy_beyond_the_last_year_is_refused(calendar: WorkingCalendar) -> None:
    with pytest.raises(PeriodInvalid, match="ends after the year 9999"):
        check(
            calendar,
            ("2026-03-11 10:00", "9999-12-31 10:00"),
            period="7 calendar days, no roll",
        )


@pytest.mark.parametrize("unit", ["working days", "calendar days"])
def test_the_remedy_is_what_the_oracle_counts(calendar: WorkingCalendar, notices: dict[str, Any], unit: str) -> None:
    """The oracle counts only days on which the notice was never down, one after the other."""
    oracle, chance = Oracle(notices), Chance(f"interruptions in {unit}")
    errors = 0
    for _ in range(300):
        start = datetime(2007 + chance.below(19), 1 + chance.below(12), 1 + chance.below(28), 9)
        length = 1 + chance.below(10)
        begins = [start + timedelta(hours=chance.below(24 * 14)) for _ in range(1 + chance.below(3))]
        times = [(begin, begin + timedelta(hours=1 + chance.below(50))) for begin in begins]
        hours = [begin + timedelta(hours=n) for begin, end in times for n in range((end - begin) // timedelta(hours=1))]
        down = {hour.date() for hour in hours}
        day, counted = start.date(), 0
        while counted < length:
            day += timedelta(days=1)
            counted += day not in down and (unit == "calendar days" or oracle.works(day))
        while not oracle.works(day) or day in down:
            day += timedelta(days=1)
        remedy = datetime.combine(day, CLOSE_OF_BUSINESS)
        text = f"{length} {unit}"

        closes = datetime.combine(max(day, max(end for _, end in times).date()), CLOSE_OF_BUSINESS)
        found = check(
            calendar, *((str(b), str(e)) for b, e in times), period=text, opens=str(start), closes=str(closes)
        )
        touched = [("warning", closes.replace(tzinfo=SHANGHAI))] if min(begins) < closes else []
        assert in_short(found) == touched
        early = remedy - timedelta(microseconds=1)
        found = check(calendar, *((str(b), str(e)) for b, e in times), period=text, opens=str(start), closes=str(early))
        if min(begins) < early:
            assert in_short(found) == [("error", remedy.replace(tzinfo=SHANGHAI))]
            errors += 1
    assert errors > 150
