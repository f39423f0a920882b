"""A reminder or a rung whose own day lies in a year that nobody has published: it waits, is listed, and is sent."""

from collections.abc import Callable
from datetime import date, datetime

import pytest

from ganchu_workflow import Actor, Role, SeededEntropy, Workflow
from ganchu_workflow.clock import to_text
from ganchu_workflow.engine.deadlines import AWAITING
from tests.engine.small_process import MICROSECOND, registry
from tests.engine.test_adopting import with_day_off
from tests.engine.test_calendar_import import NEW_YEAR, notice
from tests.engine.timed_process import CALENDAR, FIRM, OFFICE, Asking, Timed, at
from tests.listening import hearing

LAST_DAY, FIRST_RUNG, SECOND_RUNG = at("2026-12-31 17:30"), at("2027-01-04 17:30"), at("2027-01-06 17:30")
"""The end of a period of 70 working days from 18 September, and one and three working days after it."""
AMENDED = notice(off=["2027-01-01", "2027-01-03"], work=["2027-01-02"], number="测试2号")
"""The Saturday is worked after all: everything after it comes a working day earlier."""
RUNGS = ["1 working day after", "3 working days after"]


@pytest.fixture
def handled(make_timed: Callable[..., Timed]) -> Timed:
    """An answer that is to be handled until the last day of 2026; both rungs stand in 2027."""
    timed = make_timed(handling="70 working days")
    timed.to("2026-09-18 11:00")
    timed.fire("answer", {}, FIRM)
    return timed


@pytest.fixture
def extended(make_timed: Callable[..., Timed]) -> Timed:
    """An answer that an act has extended to Wednesday 6 January: three working days before it is the 31 December."""
    timed = make_timed()
    timed.to("2026-09-21 10:00")
    timed.extend("2027-01-06 17:30")
    return timed


def alerts(timed: Timed) -> list[tuple[str, datetime | None, str]]:
    [found] = timed.wf.deadlines(timed.case)
    return [(a.distance, a.at, a.status) for a in found.alerts]


def waiting(timed: Timed) -> list[tuple[str, int | None]]:
    return [(w.label, w.year) for w in timed.wf.overdue().awaiting]


def sent(timed: Timed) -> list[tuple[str, str]]:
    """What a sweep sends now: each trigger, and the instant it was due at."""
    return [
        (receipt.trigger, timed.wf.history(timed.case)[receipt.seq - 1]["deadline"]["due_at"])
        for receipt in timed.wf.tick().fired
    ]


# ── a rung ──


def test_a_rung_waits_for_the_year_and_is_listed(handled: Timed) -> None:
    assert alerts(handled) == [(rung, None, AWAITING) for rung in RUNGS]
    [first, second] = handled.wf.overdue().awaiting
    assert (first.deadline, first.label) == ("asking.handling_due 1 working day after", "办理期限:届满后1个工作日督办")
    assert (first.since, first.year, first.owner) == (at("2026-09-18 11:00"), 2027, Role.OFFICE)
    assert (second.deadline, second.year) == ("asking.handling_due 3 working days after", 2027)
    change = handled.wf.history(handled.case)[-1]["deadlines"][-1]
    assert (change["status"], change["due_at"], change["remainder"]) == (AWAITING, None, "3 working days")


def test_an_alert_that_waits_is_written_once(extended: Timed) -> None:
    extended.to("2026-10-12 10:00")
    extended.fire("note")
    extended.wf.tick()
    extended.wf.tick()
    written = [e["deadlines"] for e in extended.wf.history(extended.case)[-2:]]
    assert ([c["status"] for c in written[0]], written[1]) == (["armed", AWAITING, "armed"], [])
    assert extended.wf.verify().problems == []


@pytest.mark.parametrize("fires_before", [True, False])
def test_a_rung_whose_day_has_passed_when_the_year_is_imported_is_sent_all_the_same(
    handled: Timed, fires_before: bool
) -> None:
    if fires_before:
        handled.to(LAST_DAY + MICROSECOND)
        handled.wf.tick()
    assert waiting(handled) == [("办理期限:届满后1个工作日督办", 2027), ("办理期限:届满后3个工作日督办", 2027)]
    handled.to("2027-01-05 10:00")

    [adopted] = handled.wf.import_calendar(NEW_YEAR, actor=OFFICE)

    assert adopted.resolved == (
        (handled.case, "asking.handling_due 1 working day after", None, to_text(FIRST_RUNG)),
        (handled.case, "asking.handling_due 3 working days after", None, to_text(SECOND_RUNG)),
    )
    assert handled.wf.history(handled.case)[-1]["outcome"] == "deadline_resolved"
    assert waiting(handled) == []
    overran = [] if fires_before else [("asking.overdue", to_text(LAST_DAY))]
    assert sent(handled) == [*overran, ("deadline:escalate", to_text(FIRST_RUNG))]
    assert handled.told == [("deadline_escalated", "office")]
    handled.to(SECOND_RUNG)
    assert sent(handled) == []
    handled.to(SECOND_RUNG + MICROSECOND)
    assert sent(handled) == [("deadline:escalate", to_text(SECOND_RUNG))]
    assert handled.told == [("deadline_escalated", "office"), ("deadline_escalated", "supervisor")]
    assert handled.wf.verify().problems == []


def test_no_rung_is_left_of_what_was_done_in_time(handled: Timed) -> None:
    handled.to("2026-12-01 10:00")
    handled.fire("finish")
    assert (waiting(handled), handled.wf.deadlines(handled.case)) == ([], [])
    handled.to("2027-01-05 10:00")
    handled.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    handled.to(SECOND_RUNG + MICROSECOND)
    assert (sent(handled), handled.told) == ([], [])


def test_what_waited_for_its_end_has_its_rungs_too_however_late_the_year_is_imported(
    make_timed: Callable[..., Timed],
) -> None:
    timed = make_timed(handling="71 working days")
    timed.to("2026-09-18 11:00")
    timed.fire("answer", {}, FIRM)
    assert waiting(timed) == [("办理期限", 2027)]
    timed.to("2027-01-20 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert sent(timed) == [
        ("asking.overdue", to_text(at("2027-01-04 17:30"))),
        ("deadline:escalate", to_text(at("2027-01-05 17:30"))),
        ("deadline:escalate", to_text(at("2027-01-07 17:30"))),
    ]
    assert timed.told == [("deadline_escalated", "office"), ("deadline_escalated", "supervisor")]
    assert timed.wf.verify().problems == []


def test_a_rung_that_an_amendment_moves_into_the_past_is_sent_and_once(handled: Timed) -> None:
    handled.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    handled.to("2027-01-04 10:00")
    assert sent(handled) == [("asking.overdue", to_text(LAST_DAY))]
    handled.wf.import_calendar(AMENDED, actor=OFFICE)
    assert sent(handled) == [("deadline:escalate", to_text(at("2027-01-02 17:30")))]
    handled.fire("shelve")
    handled.fire("take_up")
    assert (sent(handled), handled.told) == ([], [("deadline_escalated", "office")])


def test_a_rung_that_was_sent_is_not_sent_again_for_an_amendment(handled: Timed) -> None:
    handled.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    handled.to(FIRST_RUNG + MICROSECOND)
    assert [trigger for trigger, _ in sent(handled)] == ["asking.overdue", "deadline:escalate"]
    handled.wf.import_calendar(AMENDED, actor=OFFICE)
    assert alerts(handled)[0] == ("1 working day after", FIRST_RUNG, "fired")
    assert (sent(handled), handled.told) == ([], [("deadline_escalated", "office")])
    assert handled.wf.verify().problems == []


def test_a_rung_is_sent_once_for_one_end_however_a_notice_moves_its_day(handled: Timed) -> None:
    handled.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    handled.to(FIRST_RUNG + MICROSECOND)
    handled.wf.tick()
    later = notice(off=["2027-01-01", "2027-01-02", "2027-01-03", "2027-01-04"], number="测试3号")
    handled.wf.import_calendar(later, actor=OFFICE)  # a working day later, the rung would be of the next day
    handled.to("2027-01-05 18:00")
    assert (sent(handled), handled.told) == ([], [("deadline_escalated", "office")])


def test_a_reminder_is_sent_once_for_one_end_however_a_notice_moves_its_day(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed()
    timed.extend("2026-12-29 17:30")
    timed.to("2026-12-24 18:00")
    assert [due for _, due in sent(timed)] == [to_text(at("2026-12-24 17:30"))]
    timed.wf.import_calendar(notice(off=["2027-01-01"], work=["2026-12-27"]), actor=OFFICE)
    timed.to("2026-12-26 18:00")
    assert (sent(timed), [m for m, _ in timed.told]) == ([], ["deadline_extended", "deadline_reminder"])
    timed.extend("2026-12-31 17:30")  # another end has another reminder
    timed.to("2026-12-28 18:00")
    assert [due for _, due in sent(timed)] == [to_text(at("2026-12-28 17:30"))]


def test_a_rung_that_was_sent_is_not_sent_again_after_its_case_was_put_aside(handled: Timed) -> None:
    handled.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    handled.to(FIRST_RUNG + MICROSECOND)
    handled.wf.tick()
    handled.fire("shelve")
    handled.fire("take_up")
    later = notice(off=["2027-01-01", "2027-01-02", "2027-01-03", "2027-01-04"], number="测试3号")
    handled.wf.import_calendar(later, actor=OFFICE)
    handled.to("2027-01-05 18:00")
    assert (sent(handled), handled.told) == ([], [("deadline_escalated", "office")])


def test_a_reminder_of_a_fixed_end_is_sent_once_however_often_it_is_stopped(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="not later than 2026-12-29 17:30 +08:00")
    timed.to("2026-12-24 18:00")
    timed.wf.tick()
    timed.fire("pause")
    timed.fire("go_on")
    timed.wf.import_calendar(notice(off=["2027-01-01"], work=["2026-12-27"]), actor=OFFICE)
    timed.to("2026-12-26 18:00")
    timed.wf.tick()
    assert [message for message, _ in timed.told].count("deadline_reminder") == 1


def test_a_rung_that_waits_is_not_lost_while_its_case_is_put_aside(handled: Timed) -> None:
    handled.to(LAST_DAY + MICROSECOND)
    handled.wf.tick()
    handled.to("2027-01-05 10:00")
    handled.fire("shelve")
    assert waiting(handled) == [("办理期限:届满后1个工作日督办", 2027), ("办理期限:届满后3个工作日督办", 2027)]
    handled.to("2027-01-05 11:00")
    handled.fire("take_up")
    handled.to("2027-01-08 10:00")
    handled.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert [due for _, due in sent(handled)] == [to_text(FIRST_RUNG), to_text(SECOND_RUNG)]


# ── a reminder ──


def test_a_reminder_waits_for_the_year_and_goes_out_at_its_instant(extended: Timed) -> None:
    assert alerts(extended) == [
        ("3 working days before", None, AWAITING),
        ("1 calendar day before", at("2027-01-05 17:30"), "armed"),
    ]
    assert waiting(extended) == [("答复期限:届满前3个工作日提醒", 2027)]
    extended.to("2026-12-01 10:00")
    extended.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    extended.to(LAST_DAY)
    assert sent(extended) == []
    extended.to(LAST_DAY + MICROSECOND)
    assert sent(extended) == [("deadline:remind", to_text(LAST_DAY))]
    assert extended.told == [("deadline_extended", "applicant:e1"), ("deadline_reminder", "applicant:e1")]


def test_a_reminder_whose_day_has_passed_goes_out_while_the_end_is_still_to_come(extended: Timed) -> None:
    extended.to("2027-01-02 10:00")
    extended.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert sent(extended) == [("deadline:remind", to_text(LAST_DAY))]
    assert extended.told == [("deadline_extended", "applicant:e1"), ("deadline_reminder", "applicant:e1")]
    assert extended.wf.verify().problems == []


def test_nobody_is_reminded_of_what_ran_out_while_the_year_was_missing(extended: Timed) -> None:
    extended.to(SECOND_RUNG + MICROSECOND)
    assert [trigger for trigger, _ in sent(extended)] == ["deadline:remind", "asking.lapse"]
    gone = [(c["name"], c["status"]) for c in extended.wf.history(extended.case)[-1]["deadlines"]]
    assert ("asking.answer_due 3 working days before", "gone") in gone
    extended.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    # That it was too late for the reminder of one day before, too, is noted; neither was told.
    told = [("deadline_extended", "applicant:e1")]
    assert (waiting(extended), sent(extended), extended.told) == ([], [], told)
    assert extended.wf.verify().problems == []


def test_a_reminder_that_was_too_near_when_the_end_was_fixed_is_not_sent_later(
    make_timed: Callable[..., Timed],
) -> None:
    timed = make_timed(answer="70 working days")
    timed.to("2026-12-31 17:30")
    timed.extend("2027-01-05 17:30")
    assert alerts(timed)[0] == ("3 working days before", None, AWAITING)
    told = timed.told
    timed.to("2027-01-02 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)  # it would have stood at the 30 December, before the act
    assert [distance for distance, _, _ in alerts(timed)] == ["1 calendar day before"]
    assert (sent(timed), timed.told, waiting(timed)) == ([], told, [])


def test_a_firm_is_reminded_of_an_end_that_is_known_only_after_the_day_of_the_reminder(
    make_timed: Callable[..., Timed],
) -> None:
    timed = make_timed(answer="72 working days")
    timed.to("2027-01-02 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    [found] = timed.wf.deadlines(timed.case)
    assert found.ends_at == at("2027-01-05 17:30")
    assert sent(timed) == [("deadline:remind", to_text(at("2026-12-30 17:30")))]
    assert timed.told == [("deadline_runs", "applicant:e1"), ("deadline_reminder", "applicant:e1")]


@pytest.mark.parametrize("late", [False, True])
def test_a_firm_is_told_the_end_that_a_notice_gives_while_there_is_time(
    make_timed: Callable[..., Timed], late: bool
) -> None:
    timed = make_timed(answer="72 working days")
    timed.to(at("2027-01-05 17:30") + late * MICROSECOND)
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    body = {"deadline": "答复期限", "ends_at": to_text(at("2027-01-05 17:30")), "why": "calendar"}
    told = [(m["message"], m["recipient"], m["body"]) for m in timed.wf.messages(timed.round)]
    assert told == ([] if late else [("deadline_runs", "applicant:e1", body)])
    timed.wf.tick()
    assert timed.state == ("asking.silent" if late else "asking.asked")


# ── who brings the year, and what else waits ──


def test_a_library_that_knows_the_year_starts_what_waited(handled: Timed) -> None:
    handled.to("2026-12-31 10:00")
    updated = Workflow(
        handled.wf.database.engine,
        clock=handled.clock,
        entropy=SeededEntropy("updated"),
        calendar=NEW_YEAR.on(CALENDAR),
        stages=registry(Asking),
    )
    assert [w.year for w in updated.overdue().awaiting] == [None, None]
    updated.tick()
    assert alerts(handled) == [(RUNGS[0], FIRST_RUNG, "armed"), (RUNGS[1], SECOND_RUNG, "armed")]
    assert waiting(handled) == []


@pytest.mark.parametrize("fixed", [True, False])
def test_of_an_end_that_waits_for_its_grace_alone_the_missing_year_is_named(
    make_timed: Callable[..., Timed], fixed: bool
) -> None:
    timed = make_timed(answer="5 working days" if fixed else "70 working days", grace="1 working day")
    if fixed:
        timed.extend("2026-12-31 17:30")
    assert ("答复期限", 2027) in waiting(timed)


def statements(timed: Timed) -> int:
    """How many statements a sweep sends."""
    sent: list[str] = []
    with hearing(before=lambda _, sql, __: sent.append(sql)):
        assert timed.wf.tick().fired == ()
    return len(sent)


def test_a_sweep_asks_once_under_each_calendar_whether_what_waits_can_run(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="75 working days")
    for n in range(2):
        timed.wf.open("application", {}, actor=Actor(Role.APPLICANT, f"x{n}"))
    of_three, of_none = statements(timed), statements(timed)
    timed.wf.open("application", {}, actor=Actor(Role.APPLICANT, "x3"))
    each = statements(timed) - of_none  # of the new one alone
    assert (each > 0, of_three - of_none, statements(timed)) == (True, 3 * each, of_none)
    timed.wf.import_calendar(with_day_off(date(2026, 12, 25)), actor=OFFICE)  # not the year that they need
    assert statements(timed) == of_none + 4 * each
    assert len(waiting(timed)) == 4
