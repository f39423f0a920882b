"""What another calendar means for each end of a round that runs, has run out, or was printed."""

from collections.abc import Callable
from datetime import date

import pytest

from ganchu_workflow import Actor, Refused, Role
from ganchu_workflow.clock import to_text
from ganchu_workflow.engine import adopting, crash_points
from ganchu_workflow.timing import Overlay
from tests.engine.small_process import refusal_of
from tests.engine.test_calendar_import import NEW_YEAR, ends, make_rival, notice
from tests.engine.timed_process import CALENDAR, FIRM, OFFICE, Timed, at

DUE = "asking.answer_due"
SECOND = Actor(Role.APPLICANT, "e2")
EVE_OFF = notice(off=["2026-12-28", "2027-01-01"])
DAY_AFTER_OFF = notice(off=["2026-12-29", "2027-01-01"])
SATURDAY_WORKED = notice(off=["2027-01-01"], work=["2026-12-26"])


def with_day_off(day: date) -> Overlay:
    """The notice of 2026, amended: one day more is given off. Invented."""
    known = CALENDAR.document()["years"]["2026"]
    off = tuple(sorted([*map(date.fromisoformat, known["off"]), day]))
    work = tuple(map(date.fromisoformat, known["work"]))
    return Overlay(2026, "测试用修订通知", "", None, off, work, dict.fromkeys([*off, *work], "测试用"))


def utc(text: str) -> str:
    """A wall-clock time of 2026 in Beijing, as the record has it."""
    return to_text(at(f"2026-{text}"))


# ── a grace ──


@pytest.mark.parametrize("fixed", [False, True])
def test_a_grace_that_the_notice_lengthens_is_lengthened(make_timed: Callable[..., Timed], fixed: bool) -> None:
    timed = make_timed(answer="5 working days" if fixed else "67 working days", grace="1 working day")
    if fixed:
        timed.extend("2026-12-28 17:30")
    timed.to("2026-11-20 10:00")

    [adopted] = timed.wf.import_calendar(DAY_AFTER_OFF, actor=OFFICE)

    [found] = timed.wf.deadlines(timed.case)
    assert (found.ends_at, found.due_at) == (at("2026-12-28 17:30"), at("2026-12-30 17:30"))
    assert ends(adopted.later) == [(DUE, utc("12-29 17:30"), utc("12-30 17:30"))]
    # The end that is shown stays.
    assert timed.told == [("deadline_extended", "applicant:e1")] * fixed
    timed.to("2026-12-30 17:30", microseconds=1)
    assert refusal_of(lambda: timed.fire("answer", {}, FIRM)).code == "window_closed"
    assert timed.wf.verify().problems == []


def test_in_a_longer_grace_an_act_is_in_time_at_its_last_instant(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="67 working days", grace="1 working day")
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(DAY_AFTER_OFF, actor=OFFICE)
    timed.to("2026-12-30 17:30")
    timed.fire("answer", {}, FIRM)
    assert timed.state == "asking.answered"


def test_a_grace_that_the_notice_shortens_stays(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="66 working days", grace="1 working day")
    timed.to("2026-11-20 10:00")
    before = timed.deadlines[DUE.partition(".")[2]]
    assert before[1] == "12-28 17:30"  # after Friday 25 December
    [adopted] = timed.wf.import_calendar(SATURDAY_WORKED, actor=OFFICE)
    assert (adopted.later, timed.deadlines["answer_due"]) == ((), before)


def test_a_grace_that_now_reaches_into_a_year_without_calendar_waits_for_it(make_timed: Callable[..., Timed]) -> None:
    """In mid-year a day more is given off: the end moves to the last day of the year, and its grace beyond."""
    timed = make_timed(answer="69 working days", grace="1 working day")
    [found] = timed.wf.deadlines(timed.case)
    assert (found.ends_at, found.due_at) == (at("2026-12-30 17:30"), at("2026-12-31 17:30"))
    timed.to("2026-11-20 10:00")

    [adopted] = timed.wf.import_calendar(with_day_off(date(2026, 12, 25)), actor=OFFICE)

    [found] = timed.wf.deadlines(timed.case)
    assert (found.status, found.ends_at, found.due_at) == ("awaiting_calendar", at("2026-12-31 17:30"), None)
    assert ends(adopted.later) == [(DUE, utc("12-30 17:30"), utc("12-31 17:30"))]
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    [found] = timed.wf.deadlines(timed.case)
    assert (found.status, found.ends_at, found.due_at) == ("armed", at("2026-12-31 17:30"), at("2027-01-04 17:30"))
    assert timed.wf.verify().problems == []


# ── alerts ──


def test_an_escalation_that_reaches_into_the_year_waits_for_it_and_is_sent(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(handling="70 working days")
    timed.to("2026-09-18 11:00")
    timed.fire("answer", {}, FIRM)
    assert [a.at for a in timed.wf.deadlines(timed.case)[0].alerts] == [None, None]
    timed.to("2026-11-20 10:00")

    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)

    [handling] = timed.wf.deadlines(timed.case)
    assert handling.ends_at == at("2026-12-31 17:30")
    assert [(a.distance, a.at) for a in handling.alerts] == [
        ("1 working day after", at("2027-01-04 17:30")),
        ("3 working days after", at("2027-01-06 17:30")),
    ]
    timed.to("2027-01-04 17:30", microseconds=1)
    timed.wf.tick()
    assert timed.told == [("deadline_escalated", "office")]
    assert timed.wf.verify().problems == []


def test_an_escalation_of_what_has_run_out_already_is_sent_too(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(handling="70 working days")
    timed.to("2026-09-18 11:00")
    timed.fire("answer", {}, FIRM)
    timed.to("2026-12-31 17:30", microseconds=1)
    timed.wf.tick()
    assert timed.wf.deadlines(timed.case)[0].status == "fired"
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    timed.to("2027-01-04 17:30", microseconds=1)
    timed.wf.tick()
    assert timed.told == [("deadline_escalated", "office")]


# ── what has passed ──


def test_what_is_due_and_has_not_fired_is_moved(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="68 working days")
    timed.to("2026-12-29 17:30", microseconds=1)

    [adopted] = timed.wf.import_calendar(EVE_OFF, actor=OFFICE)

    assert ends(adopted.later) == [(DUE, utc("12-29 17:30"), utc("12-30 17:30"))]
    timed.to("2026-12-30 17:30")
    timed.fire("answer", {}, FIRM)
    assert timed.state == "asking.answered"
    assert timed.wf.verify().problems == []


def test_what_has_fired_since_the_first_changed_day_is_named(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="68 working days")
    timed.to("2026-12-29 17:30", microseconds=1)
    timed.wf.tick()
    assert timed.state == "asking.silent"

    [adopted] = timed.wf.import_calendar(EVE_OFF, actor=OFFICE)

    assert (ends(adopted.fired_already), adopted.later) == ([(DUE, utc("12-29 17:30"), utc("12-30 17:30"))], ())
    assert timed.wf.history(timed.round)[-1]["data"]["fired_already"]["count"] == 1
    assert timed.state == "asking.silent"


@pytest.mark.parametrize("when", ["before the first changed day", "not a day longer"])
def test_what_fired_as_it_would_have_by_the_new_calendar_is_not_named(
    make_timed: Callable[..., Timed], when: str
) -> None:
    before = when.startswith("before")
    timed = make_timed(answer="66 working days" if before else "68 working days")
    timed.to("2026-12-29 17:30", microseconds=1)
    timed.wf.tick()
    [adopted] = timed.wf.import_calendar(EVE_OFF if before else NEW_YEAR, actor=OFFICE)
    assert (timed.state, adopted.fired_already) == ("asking.silent", ())


# ── who is told ──


def test_the_party_is_told_of_an_end_that_moves(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="68 working days")
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(EVE_OFF, actor=OFFICE)
    assert timed.told == [("deadline_extended", "applicant:e1")]
    assert timed.wf.messages(timed.round)[0]["body"] == {
        "deadline": "答复期限",
        "was": utc("12-29 17:30"),
        "ends_at": utc("12-30 17:30"),
        "why": "calendar",
    }


# ── what cannot be reckoned ──


def test_one_that_cannot_be_reckoned_stands_and_keeps_no_other_from_it(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="1 working day, start day counted", handling="75 working days")
    timed.to("2026-09-18 11:00")
    timed.fire("answer", {}, FIRM)
    timed.to("2026-12-26 18:00")
    # By the new calendar this Saturday is worked: the period would have ended half an hour before it began.
    other = timed.wf.open("application", {}, actor=SECOND).case_id

    [adopted] = timed.wf.import_calendar(SATURDAY_WORKED, actor=OFFICE)

    assert (adopted.error, adopted.unreckoned) == (None, ((other, DUE, utc("12-28 17:30"), None),))
    assert [d.ends_at for d in timed.wf.deadlines(other)] == [at("2026-12-28 17:30")]
    assert timed.deadlines["handling_due"][:2] == ("armed", "01-07 17:30")
    assert timed.wf.verify().problems == []


# ── the lists ──


def test_what_the_event_of_the_round_has_no_room_for_stands_on_its_case(
    make_timed: Callable[..., Timed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "SHOWN", 2)
    timed = make_timed(answer="68 working days")
    for n in range(3):
        timed.wf.open("application", {}, actor=Actor(Role.APPLICANT, f"x{n}"))
    timed.to("2026-11-20 10:00")

    [adopted] = timed.wf.import_calendar(SATURDAY_WORKED, actor=OFFICE)

    assert (len(adopted.kept), adopted.counts["kept"], adopted.counts["later"]) == (2, 4, 0)
    cases = [c.id for c in timed.wf.cases(timed.round, "application")]
    said = [e["data"] for case in cases for e in timed.wf.history(case)[1:]]
    listed = [(case, DUE, utc("12-29 17:30"), utc("12-28 17:30")) for case in cases]
    assert sorted(adopted.kept) == sorted(listed)[:2]
    assert [d for d in said if d] == [{"kept": [list(end)]} for end in sorted(listed)[2:]]
    assert timed.wf.verify().problems == []


def test_who_comes_second_is_given_what_the_first_has_found(
    make_timed: Callable[..., Timed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice is kept; before this process adopts it, another node's sweep does."""
    timed = make_timed(answer="75 working days")
    timed.to("2026-11-20 10:00")
    rival = make_rival(timed)
    seen: list[str] = []

    def sweep_first(point: str) -> None:
        if point == "received" and not seen:
            seen.append(point)
            rival.tick()

    monkeypatch.setattr(crash_points, "listener", sweep_first)
    [adopted] = timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)

    assert (adopted.error, ends(adopted.resolved)) == (None, [(DUE, None, "2027-01-08T09:30:00.000000Z")])
    assert [e["trigger"] for e in timed.wf.history(timed.round)][2:] == ["round:adopt_calendar"]


def test_a_round_is_not_asked_to_adopt_what_it_goes_by(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed()
    with pytest.raises(Refused) as refused:
        timed.wf.fire(timed.round, "round:adopt_calendar", actor=OFFICE)
    assert refused.value.code == "calendar_adopted"
