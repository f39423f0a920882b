"""What a person can ask of a deadline: where it stands, what is left, and how its end was reckoned."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ganchu_workflow.errors import Unknown
from tests.engine.small_process import Small, refusal_of
from tests.engine.timed_process import CALENDAR, FIRM, OFFICE, SUPERVISOR, Timed, at


def test_a_deadline_says_how_it_stands(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(grace="1 working day, to 12:00")
    [found] = timed.wf.deadlines(timed.case)

    assert (found.name, found.label, found.status) == ("asking.answer_due", "答复期限", "armed")
    assert (found.ends_at, found.due_at) == (at("2026-09-24 17:30"), at("2026-09-28 12:00"))
    assert (found.remainder, found.since, found.rule) == (
        None,
        at("2026-09-18 10:00"),
        "setting:answer = 5 working days",
    )
    assert (found.calendar, found.provisional) == (CALENDAR.version, False)
    assert [(a.distance, a.at, a.status) for a in found.alerts] == [
        ("3 working days before", at("2026-09-21 17:30"), "armed"),
        ("1 calendar day before", at("2026-09-23 17:30"), "armed"),
    ]


@pytest.mark.parametrize(("length", "provisional"), [("68", True), ("45", False), ("75", False)])
def test_an_end_in_a_december_that_may_change_is_provisional(
    make_timed: Callable[..., Timed], length: str, provisional: bool
) -> None:
    timed = make_timed(answer=f"{length} working days")
    assert [d.provisional for d in timed.wf.deadlines(timed.case)] == [provisional]


@pytest.mark.parametrize(
    ("rule", "provisional"),
    [
        ("70 working days, to 24:00", True),  # 24:00 of 31 December is 00:00 of January
        ("48 working days, to 24:00", True),  # 24:00 of 1 December
        ("47 working days, to 24:00", False),  # 24:00 of 30 November is 00:00 of December
        ("3 months", True),
        ("3 months, no roll", False),
        ("2000 hours", False),
        ("60 working days, and never under 92 calendar days", True),
    ],
)
def test_an_end_is_said_to_be_provisional_as_its_explanation_says(
    make_timed: Callable[..., Timed], rule: str, provisional: bool
) -> None:
    timed = make_timed(answer=rule)
    [found] = timed.wf.deadlines(timed.case)
    explained = timed.wf.explain(timed.case, "answer_due").reckoning
    assert (found.provisional, explained and explained.provisional) == (provisional, provisional)


def test_an_end_is_explained_day_by_day(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed()
    found = timed.wf.explain(timed.case, "answer_due")

    assert found.reckoning is not None
    assert found.reckoning.due_at == found.deadline.ends_at
    assert [(d.date, d.counted, d.why) for d in found.reckoning.days] == [
        (date(2026, 9, 18), False, "start_day"),
        (date(2026, 9, 19), False, "weekend"),
        (date(2026, 9, 20), True, "make_up"),
        *((date(2026, 9, day), True, "working") for day in (21, 22, 23, 24)),
    ]
    text = found.text_zh()
    assert "答复期限(asking.answer_due)" in text
    assert "2026-09-20 星期日 第1日 调休上班" in text
    assert CALENDAR.version in found.text_en()


def test_it_is_explained_by_the_calendar_of_then(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed()
    before = timed.wf.explain(timed.case, "answer_due")
    rival = CALENDAR.with_year(2026, [date(2026, 9, n) for n in (18, 21, 22)], [], "测试用")
    timed.wf.calendar = rival
    assert timed.wf.explain(timed.case, "answer_due") == before


@pytest.mark.parametrize("case", ["suspended", "extended", "awaiting"])
def test_what_was_not_reckoned_says_so(make_timed: Callable[..., Timed], case: str) -> None:
    timed = make_timed(answer="90 working days" if case == "awaiting" else "5 working days")
    if case == "suspended":
        timed.act("suspend")
    if case == "extended":
        timed.extend("2026-09-30 12:00")
    found = timed.wf.explain(timed.case, "answer_due")
    assert found.reckoning is None
    assert (
        found.en
        == {
            "suspended": "it does not run; left: 5 working days",
            "extended": "its end, 2026-09-30 12:00, was fixed by event 2 of the case (deadline:extend): 方案第五条",
            "awaiting": "its end waits for the calendar of 2027 (ganchu calendar import)",
        }[case]
    )
    assert found.zh in found.text_zh()


def test_an_end_that_an_act_has_stated_is_said_to_be_stated(database_url: str) -> None:
    small = Small(database_url).open_round()
    notice = small.notice(small.listed())
    found = small.wf.explain(notice, "window")
    assert (found.reckoning, found.en) == (
        None,
        "its end, 2021-08-06 14:00, was fixed by event 2 of the case (publish)",
    )
    extension = {"deadline": "window", "ground": "g", "until": "2090-01-01T00:00:00+08:00"}
    refusal = refusal_of(lambda: small.wf.fire(notice, "deadline:extend", extension, actor=OFFICE))
    assert (refusal.code, refusal.detail) == ("printed_end", {"deadline": "window"})
    with pytest.raises(Unknown, match=r"no deadline 'due' runs on the case .* now; there are: window"):
        small.wf.explain(notice, "due")
    small.wf.database.dispose()


@pytest.mark.parametrize(
    ("until", "rest_day"),
    [
        ("2026-09-26 12:00", True),  # a Saturday
        ("2026-09-28 00:00", True),  # 24:00 of the Sunday
        ("2026-10-10 12:00", False),  # a Saturday that is worked
        ("2026-10-01 12:00", True),
        ("2027-01-01 12:00", None),
    ],
)
def test_an_end_that_an_act_puts_on_a_day_off_says_so(
    make_timed: Callable[..., Timed], until: str, rest_day: bool | None
) -> None:
    timed = make_timed()
    assert [d.rest_day for d in timed.wf.deadlines(timed.case)] == [False]
    timed.extend(until)
    assert [d.rest_day for d in timed.wf.deadlines(timed.case)] == [rest_day]
    timed.act("suspend")
    assert [d.rest_day for d in timed.wf.deadlines(timed.case)] == [None]


def test_what_may_be_done_with_a_deadline_is_told_to_whoever_may_do_it(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed()

    def told(actor: Any) -> set[str]:
        return {a.trigger for a in timed.wf.allowed(timed.case, actor) if a.trigger.startswith("deadline:")}

    assert told(OFFICE) == {"deadline:suspend", "deadline:extend", "deadline:end"}
    assert told(FIRM) == told(SUPERVISOR) == set()
    timed.act("suspend")
    assert told(OFFICE) == {"deadline:resume"}
    extend = next(a for a in timed.wf.allowed(timed.case, OFFICE) if a.trigger == "deadline:resume")
    assert (extend.may, extend.required) == (True, ("deadline", "ground"))


def test_an_alert_that_is_late_is_called_one(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed()
    timed.to("2026-09-29 10:00")  # nobody has swept since the 18th
    found = timed.wf.overdue().late
    assert [each.label for each in found] == [
        "答复期限:届满前3个工作日提醒",
        "答复期限:届满前1日提醒",
        "答复期限",
    ]
