"""Suspending, extending and ending a deadline; its grace, its reminders and the rungs of its escalation."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ganchu_workflow import Actor, Role
from ganchu_workflow.clock import to_text
from ganchu_workflow.engine.calendars import Calendars
from ganchu_workflow.timing import WorkingCalendar, read_overlay
from tests.engine.small_process import refusal_of
from tests.engine.timed_process import BEGUN, FIRM, OFFICE, SUPERVISOR, Timed, at

YEAR_2027 = read_overlay(
    'year = 2027\nnotice = "测试用通知"\n[[holiday]]\nname = "元旦"\noff = ["2027-01-01..2027-01-03"]\n'
)
REMINDERS = {
    "answer_due 3 working days before": ("armed", "09-21 17:30", None),
    "answer_due 1 calendar day before": ("armed", "09-23 17:30", None),
}


@pytest.fixture
def timed(make_timed: Callable[..., Timed]) -> Timed:
    return make_timed()


# ── suspended and going on ──


def test_what_is_suspended_keeps_its_working_days_across_a_long_holiday(timed: Timed) -> None:
    assert timed.deadlines == {"answer_due": ("armed", "09-24 17:30", None), **REMINDERS}
    timed.to("2026-09-22 11:00")
    timed.wf.tick()

    timed.act("suspend", reason="企业所在地受灾")
    stopped = timed.deadlines
    timed.to("2026-09-30 09:00")
    timed.wf.tick()
    timed.act("resume")

    sent = {"answer_due 3 working days before": ("fired", "09-21 17:30", None)}
    assert stopped == {"answer_due": ("suspended", None, "3 working days"), **sent}
    # 8, 9 and the make-up Saturday 10 October are left, to the hour at which it would have ended.
    assert timed.deadlines == {
        "answer_due": ("armed", "10-10 17:30", None),
        "answer_due 3 working days before": ("armed", "09-30 17:30", None),
        "answer_due 1 calendar day before": ("armed", "10-09 17:30", None),
    }
    timed.to("2026-10-10 17:30")
    timed.fire("answer", {"text": "在最后一刻"}, FIRM)
    assert timed.state == "asking.answered"
    assert timed.wf.verify().problems == []


def test_a_suspended_deadline_does_not_run_out_and_an_act_is_in_time_meanwhile(timed: Timed) -> None:
    timed.act("suspend")
    timed.to("2026-12-01 09:00")
    assert timed.wf.tick().fired == ()
    timed.fire("note")  # no event on the case lets it go on
    assert timed.deadlines["answer_due"] == ("suspended", None, "5 working days")

    timed.fire("answer", {"text": "中止期间"}, FIRM)

    assert timed.state == "asking.answered"
    assert timed.deadlines == {}


def test_what_goes_on_while_its_state_stops_it_waits_for_that_state(timed: Timed) -> None:
    timed.act("suspend")
    timed.fire("pause")
    suspended = timed.deadlines
    timed.act("resume")

    assert suspended == {"answer_due": ("suspended", None, "5 working days")}
    assert timed.deadlines == {"answer_due": ("stopped", None, "5 working days")}

    timed.to("2026-09-21 09:00")
    timed.fire("go_on")

    # The day of going on is not counted: 22, 23, 24, 28 and 29 September.
    assert timed.deadlines["answer_due"] == ("armed", "09-29 17:30", None)


def test_what_was_left_is_left_again_when_it_is_suspended_twice(timed: Timed) -> None:
    timed.to("2026-09-23 10:00")
    timed.act("suspend")
    timed.act("resume")
    assert timed.deadlines["answer_due"] == ("armed", "09-28 17:30", None)  # 24 and 28 September
    timed.act("suspend")
    timed.to("2026-09-29 10:00")
    timed.act("resume")

    assert timed.deadlines["answer_due"] == ("armed", "10-08 17:30", None)  # 30 September and 8 October


def test_suspended_at_its_last_instant_the_day_of_stopping_is_not_used_up(timed: Timed) -> None:
    timed.to("2026-09-24 17:30")
    timed.act("suspend")
    assert timed.deadlines["answer_due"] == ("suspended", None, "1 working day")
    timed.to("2026-09-28 09:00")
    timed.act("resume")
    assert [d.ends_at for d in timed.wf.deadlines(timed.case)] == [at("2026-09-29 17:30")]


def test_what_is_suspended_already_is_not_suspended_again(timed: Timed) -> None:
    timed.act("suspend")
    refusal = refusal_of(lambda: timed.act("suspend"))
    assert (refusal.code, refusal.detail) == ("deadline_not_running", {"status": "suspended"})
    assert refusal.zh == "该期限已经中止,无须再次办理;恢复用 deadline:resume"


def test_a_microsecond_past_its_end_nothing_can_be_suspended(timed: Timed) -> None:
    timed.to("2026-09-24 17:30", microseconds=1)
    assert refusal_of(lambda: timed.act("suspend")).code == "deadline_not_running"
    assert timed.state == "asking.silent"


# ── extended ──


def test_an_extension_moves_the_end_and_its_reminders_with_it(timed: Timed) -> None:
    timed.to("2026-09-22 09:00")
    timed.wf.tick()
    timed.extend("2026-09-30 12:00")

    assert timed.deadlines == {
        "answer_due": ("armed", "09-30 12:00", None),
        "answer_due 3 working days before": ("armed", "09-24 12:00", None),
        "answer_due 1 calendar day before": ("armed", "09-29 12:00", None),
    }
    event = timed.wf.history(timed.case)[-1]
    assert (event["trigger"], event["outcome"]) == ("deadline:extend", "deadline_adjusted")
    assert (event["source"], event["target"]) == ("asking.asked", "asking.asked")
    assert event["data"] == {
        "deadline": "answer_due",
        "document": None,
        "ground": "方案第五条",
        "reason": None,
        "until": at("2026-09-30 12:00").isoformat(),
    }
    assert event["deadlines"][0]["rule"] == "setting:answer = 5 working days (extended)"
    timed.to("2026-09-30 12:00")
    timed.fire("answer", {}, FIRM)
    assert timed.wf.verify().problems == []


def test_a_microsecond_after_the_extended_end_an_act_is_late(timed: Timed) -> None:
    timed.extend("2026-09-30 12:00")
    timed.to("2026-09-30 12:00", microseconds=1)

    refusal = refusal_of(lambda: timed.fire("answer", {}, FIRM))

    assert (refusal.code, timed.state) == ("window_closed", "asking.silent")
    assert timed.wf.history(timed.case)[-1]["effective_at"] == "2026-09-30T04:00:00.000000Z"


def test_all_of_an_extension_is_left_when_it_is_suspended(timed: Timed) -> None:
    timed.extend("2026-10-12 12:00")
    timed.to("2026-09-21 10:00")
    timed.act("suspend")

    # 21-24 and 28-30 September, 8-10 and 12 October: more than the five days of the period.
    assert timed.deadlines == {"answer_due": ("suspended", None, "11 working days, to 12:00")}


@pytest.mark.parametrize("until", ["2026-09-24 17:30", "2026-09-24 17:29", "2026-09-18 09:00"])
def test_an_end_moves_later_and_never_into_the_past(timed: Timed, until: str) -> None:
    before = timed.wf.history(timed.case)
    refusal = refusal_of(lambda: timed.extend(until))

    assert refusal.code == "end_not_later"
    assert timed.wf.history(timed.case) == before
    assert [(a["name"], a["code"]) for a in timed.wf.attempts(timed.round)] == [("deadline:extend", "end_not_later")]


def test_what_has_run_out_cannot_be_extended_though_nobody_swept(timed: Timed) -> None:
    timed.to("2026-09-24 17:30", microseconds=1)
    refusal = refusal_of(lambda: timed.extend("2026-09-30 12:00"))

    assert (refusal.code, timed.state) == ("deadline_not_running", "asking.silent")


def test_at_its_last_instant_it_can_still_be_extended(timed: Timed) -> None:
    timed.to("2026-09-24 17:30")
    timed.extend("2026-09-30 12:00")
    assert timed.deadlines["answer_due"] == ("armed", "09-30 12:00", None)


# ── ended early ──


def test_ended_early_it_fires_at_that_instant(timed: Timed) -> None:
    timed.to("2026-09-21 10:00")
    receipt = timed.act("end", document="赣工信函〔2026〕1号")

    assert (receipt.trigger, timed.state) == ("deadline:end", "asking.silent")
    last = timed.wf.history(timed.case)[-1]
    assert (last["trigger"], last["effective_at"]) == ("asking.lapse", "2026-09-21T02:00:00.000000Z")
    assert last["deadline"] == {"name": "asking.answer_due", "due_at": "2026-09-21T02:00:00.000000Z"}
    assert last["cause"] == {"case": timed.case, "seq": last["seq"] - 1}
    assert timed.wf.tick().fired == ()
    assert timed.wf.verify().problems == []


# ── suspended and going on at once ──


@pytest.mark.parametrize(
    ("until", "goes_on_to"),
    [
        ("2026-10-11 18:00", "2026-10-12 18:00"),  # a Sunday
        ("2026-10-09 20:00", "2026-10-09 20:00"),
        ("2026-10-10 00:00", "2026-10-10 00:00"),
        ("2026-10-05 12:00", "2026-10-08 12:00"),  # in the holidays
    ],
)
@pytest.mark.parametrize(("stop", "go_on"), [("suspend", "resume"), ("pause", "go_on")])
def test_an_end_that_an_act_has_fixed_comes_no_earlier(
    timed: Timed, until: str, goes_on_to: str, stop: str, go_on: str
) -> None:
    timed.extend(until)
    timed.to("2026-10-03 10:00")
    timed.act(stop) if stop == "suspend" else timed.fire(stop)
    timed.act(go_on) if go_on == "resume" else timed.fire(go_on)
    assert [d.ends_at for d in timed.wf.deadlines(timed.case)] == [at(goes_on_to)]


def test_an_end_that_was_kept_comes_no_earlier(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="70 working days")
    timed.to("2026-12-24 10:00")
    [adopted] = timed.wf.import_calendar(
        read_overlay(
            'year = 2027\nnotice = "测试用通知"\n[[holiday]]\nname = "元旦"\noff = [2027-01-01]\nwork = [2026-12-26]\n'
        ),
        actor=OFFICE,
    )
    assert adopted.counts["kept"] == 1
    timed.act("suspend")
    timed.act("resume")
    [found] = timed.wf.deadlines(timed.case)
    assert found.ends_at is not None
    assert found.ends_at >= at("2026-12-31 17:30")


# ── who may, and what may not ──


@pytest.mark.parametrize("actor", [FIRM, SUPERVISOR, Actor(Role.AUDITOR)])
@pytest.mark.parametrize("verb", ["suspend", "end"])
def test_only_the_roles_that_the_deadline_names_may_change_it(timed: Timed, actor: Actor, verb: str) -> None:
    refusal = refusal_of(lambda: timed.act(verb, actor))
    assert (refusal.code, refusal.detail["roles"]) == ("not_allowed", ["office"])
    assert timed.deadlines["answer_due"] == ("armed", "09-24 17:30", None)


@pytest.mark.parametrize(
    ("trigger", "data", "code"),
    [
        ("deadline:suspend", {"deadline": "answer_due"}, "data_invalid"),
        ("deadline:suspend", {"deadline": "answer_due", "ground": ""}, "data_invalid"),
        ("deadline:suspend", {"deadline": "due", "ground": "g"}, "no_such_deadline"),
        ("deadline:suspend", {"deadline": "answer_due 1 calendar day before", "ground": "g"}, "no_such_deadline"),
        ("deadline:resume", {"deadline": "answer_due", "ground": "g"}, "deadline_not_running"),
        ("deadline:extend", {"deadline": "answer_due", "ground": "g"}, "data_invalid"),
        ("deadline:extend", {"deadline": "answer_due", "ground": "g", "until": "2026-09-30T12:00:00"}, "data_invalid"),
    ],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(
    timed: Timed, trigger: str, data: dict[str, Any], code: str
) -> None:
    before = timed.wf.history(timed.case)
    assert refusal_of(lambda: timed.fire(trigger, data)).code == code
    assert timed.wf.history(timed.case) == before


def test_under_a_key_the_same_act_is_done_once(timed: Timed) -> None:
    data = {"deadline": "answer_due", "until": at("2026-09-30 12:00").isoformat(), "ground": "g", "reason": "密"}
    first = timed.fire("deadline:extend", data, key="k-1")
    again = timed.fire("deadline:extend", data, key="k-1")
    other = refusal_of(lambda: timed.fire("deadline:extend", {**data, "ground": "h"}, key="k-1"))

    assert (again, again.repeated) == (first, True)
    assert other.code == "key_reused"
    assert "密" not in str(timed.wf.history(timed.case))


# ── grace ──


def test_the_grace_is_apart_from_the_end_that_is_shown(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(grace="1 working day, to 12:00")
    event = timed.wf.history(timed.case)[0]
    main = event["deadlines"][0]

    assert (main["shown_at"], main["due_at"]) == ("2026-09-24T09:30:00.000000Z", "2026-09-28T04:00:00.000000Z")
    assert {k: v for k, v in timed.deadlines.items() if k != "answer_due"} == REMINDERS  # before what is shown
    assert [t.due_at for t in timed.wf.tasks(FIRM)] == [at("2026-09-24 17:30")]


@pytest.mark.parametrize(("microseconds", "state"), [(0, "asking.answered"), (1, "asking.silent")])
def test_in_its_grace_an_act_is_in_time(make_timed: Callable[..., Timed], microseconds: int, state: str) -> None:
    timed = make_timed(grace="1 working day, to 12:00")
    timed.to("2026-09-28 12:00", microseconds=microseconds)
    if microseconds:
        assert refusal_of(lambda: timed.fire("answer", {}, FIRM)).code == "window_closed"
    else:
        assert [r.trigger for r in timed.wf.tick().fired] == ["deadline:remind"] * 2
        timed.fire("answer", {}, FIRM)

    assert timed.state == state


# ── who is told ──


def test_the_firm_is_told_of_each_act_on_its_deadline(timed: Timed) -> None:
    about = {"ground": "方案第五条", "deadline": "答复期限"}
    timed.act("suspend", document="赣工信办〔2026〕3号", reason="内部研究")
    timed.to("2026-09-21 09:00")
    timed.act("resume")
    timed.extend("2026-09-30 12:00")
    timed.to("2026-09-22 09:00")
    timed.act("end", document="赣工信办〔2026〕4号")

    told = [(m["message"], m["recipient"], m["body"]) for m in timed.wf.messages(timed.round)]
    suspended_at, resumed_to = to_text(BEGUN), to_text(at("2026-09-29 17:30"))
    extended_to, ended_at = to_text(at("2026-09-30 12:00")), to_text(at("2026-09-22 09:00"))
    suspended = {"suspended_at": suspended_at, "left": "5 working days", "document": "赣工信办〔2026〕3号"}
    ended = {"was": extended_to, "ends_at": ended_at, "document": "赣工信办〔2026〕4号"}
    assert told == [
        ("deadline_suspended", "applicant:e1", about | suspended),
        ("deadline_runs", "applicant:e1", about | {"ends_at": resumed_to}),
        ("deadline_extended", "applicant:e1", about | {"was": resumed_to, "ends_at": extended_to}),
        ("deadline_ended", "applicant:e1", about | ended),
    ]


def test_the_firm_is_told_when_its_deadline_goes_on_by_the_state_of_its_case(timed: Timed) -> None:
    timed.act("suspend")
    timed.fire("pause")
    timed.act("resume")
    assert [message for message, _ in timed.told] == ["deadline_suspended"]
    timed.fire("go_on")
    last = timed.wf.messages(timed.round)[-1]
    assert (last["message"], last["recipient"]) == ("deadline_runs", "applicant:e1")
    assert last["body"] == {"deadline": "答复期限", "ends_at": to_text(at("2026-09-24 17:30"))}


@pytest.mark.parametrize(
    ("until", "code"),
    [
        ("2031-09-22 10:00", None),
        ("2031-09-22 10:01", "end_too_far"),
        ("2062-10-19 17:30", "end_too_far"),
        ("2026-09-24 17:30", "end_not_later"),
    ],
)
def test_an_end_is_put_no_further_than_five_years_away(timed: Timed, until: str, code: str | None) -> None:
    if code is None:
        timed.extend(until)
    else:
        assert refusal_of(lambda: timed.extend(until)).code == code


def test_of_what_waits_for_the_office_no_party_is_told(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(handling="3 working days")
    timed.fire("answer", {}, FIRM)
    for verb in ("suspend", "resume", "end"):
        timed.act(verb, SUPERVISOR, "handling_due")
    assert (timed.told, timed.wf.history(timed.case)[-1]["trigger"]) == ([], "asking.overdue")


# ── reminders and the ladder ──


def test_a_reminder_goes_out_at_its_instant_and_once(timed: Timed) -> None:
    timed.to("2026-09-21 17:30")
    assert timed.wf.tick().fired == ()
    timed.to("2026-09-21 17:30", microseconds=1)

    assert [(r.trigger, r.state) for r in timed.wf.tick().fired] == [("deadline:remind", "asking.asked")]
    assert timed.wf.tick().fired == ()
    assert timed.told == [("deadline_reminder", "applicant:e1")]
    event = timed.wf.history(timed.case)[-1]
    assert (event["outcome"], event["data"]) == ("deadline_alerted", {"told": True})
    assert event["deadline"] == {
        "name": "asking.answer_due 3 working days before",
        "due_at": "2026-09-21T09:30:00.000000Z",
    }
    [message] = timed.wf.messages(timed.round)
    body = {"deadline": "答复期限", "state": "待答复", "ends_at": "2026-09-24T09:30:00.000000Z"}
    assert message["body"] == body
    assert timed.wf.verify().problems == []


def test_after_an_outage_nobody_is_reminded_of_what_is_over(timed: Timed) -> None:
    timed.to("2026-09-29 09:00")
    swept = timed.wf.tick()

    assert [r.trigger for r in swept.fired] == ["deadline:remind", "deadline:remind", "asking.lapse"]
    assert timed.told == []
    events = timed.wf.history(timed.case)[-3:]
    assert [e["data"].get("told") for e in events] == [False, False, None]
    assert [e["effective_at"] for e in events] == [
        "2026-09-21T09:30:00.000000Z",
        "2026-09-23T09:30:00.000000Z",
        "2026-09-24T09:30:00.000000Z",
    ]


def test_what_is_done_needs_no_reminder(timed: Timed) -> None:
    timed.fire("answer", {}, FIRM)
    timed.to("2026-10-30 09:00")
    assert timed.wf.tick().fired == ()
    assert timed.told == []


def test_an_end_too_near_to_remind_of_has_no_such_reminder(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="1 working day")
    # It ends on the make-up Sunday; three working days before lie in the past, and one day before is tomorrow.
    assert timed.deadlines == {
        "answer_due": ("armed", "09-20 17:30", None),
        "answer_due 1 calendar day before": ("armed", "09-19 17:30", None),
    }


def test_the_ladder_is_climbed_while_nothing_is_done(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(handling="2 working days")
    timed.fire("answer", {}, FIRM)
    assert timed.deadlines == {
        "handling_due": ("armed", "09-21 17:30", None),
        "handling_due 1 working day after": ("armed", "09-22 17:30", None),
        "handling_due 3 working days after": ("armed", "09-24 17:30", None),
    }
    timed.to("2026-09-22 17:30", microseconds=1)
    assert [r.trigger for r in timed.wf.tick().fired] == ["asking.overdue", "deadline:escalate"]
    timed.to("2026-09-24 17:30", microseconds=1)
    assert [r.trigger for r in timed.wf.tick().fired] == ["deadline:escalate"]

    assert timed.told == [("deadline_escalated", "office"), ("deadline_escalated", "supervisor")]
    assert timed.wf.verify().problems == []


def test_the_ladder_ends_where_the_case_moves_on(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(handling="2 working days")
    timed.fire("answer", {}, FIRM)
    timed.to("2026-09-23 09:00")
    timed.wf.tick()
    timed.fire("finish")
    timed.to("2026-11-23 09:00")

    assert timed.wf.tick().fired == ()
    assert timed.told == [("deadline_escalated", "office")]


def test_an_extension_lifts_the_ladder(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(handling="2 working days")
    timed.fire("answer", {}, FIRM)
    timed.extend("2026-09-29 12:00", SUPERVISOR, "handling_due")

    assert timed.deadlines == {
        "handling_due": ("armed", "09-29 12:00", None),
        "handling_due 1 working day after": ("armed", "09-30 17:30", None),
        "handling_due 3 working days after": ("armed", "10-09 17:30", None),
    }


# ── a year that is not published ──


def test_without_its_calendar_an_extended_grace_waits(make_timed: Callable[..., Timed]) -> None:
    document = WorkingCalendar.built_in().document()
    years = {year: body for year, body in document["years"].items() if int(year) <= 2026}
    timed = make_timed(answer="90 working days", calendar=WorkingCalendar.from_document({**document, "years": years}))
    assert timed.deadlines == {"answer_due": ("awaiting_calendar", None, "90 working days")}

    later = timed.wf.calendar.with_year(2027, [date(2027, 1, 1)], [], "测试用通知")
    timed.wf._engine.calendars = Calendars(later)  # as after an upgrade of the package that holds the calendar
    timed.wf.tick()

    assert timed.deadlines["answer_due"][0] == "armed"
    assert set(timed.deadlines) == {"answer_due", *REMINDERS}


def test_what_waits_for_a_year_can_be_stopped_and_starts_only_where_it_runs(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="75 working days")
    timed.to("2026-09-22 10:00")  # 20 and 21 September have passed
    timed.fire("pause")
    assert timed.deadlines == {"answer_due": ("stopped", None, "73 working days")}
    timed.wf.import_calendar(YEAR_2027, actor=OFFICE)
    assert timed.deadlines == {"answer_due": ("stopped", None, "73 working days")}

    timed.to("2026-09-22 11:00")
    timed.fire("go_on")

    assert timed.deadlines["answer_due"] == ("armed", "01-11 17:30", None)


def test_what_waits_for_a_year_can_be_suspended_and_ended_and_not_extended(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="75 working days")
    timed.act("suspend")
    assert timed.deadlines == {"answer_due": ("suspended", None, "75 working days")}
    timed.act("resume")
    assert timed.deadlines == {"answer_due": ("awaiting_calendar", None, "75 working days")}
    # Whether it would be later than the end that nobody knows yet, nobody can say.
    assert refusal_of(lambda: timed.extend("2026-12-01 12:00")).code == "end_not_known"
    timed.act("end")
    assert timed.state == "asking.silent"


def test_what_has_run_into_the_year_without_a_calendar_keeps_only_what_is_not_used_for_sure(
    make_timed: Callable[..., Timed],
) -> None:
    timed = make_timed(answer="73 working days")  # 70 of them are over with the year
    timed.to("2027-01-04 10:00")
    timed.act("suspend")
    assert timed.deadlines == {"answer_due": ("suspended", None, "3 working days")}
    timed.act("resume")
    timed.wf.import_calendar(YEAR_2027, actor=OFFICE)
    assert timed.deadlines["answer_due"][:2] == ("armed", "01-07 17:30")


def test_an_end_that_is_known_is_shown_while_only_its_grace_is_not(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="70 working days", grace="1 working day")
    [shown] = timed.wf.deadlines(timed.case)
    assert (shown.status, shown.ends_at, shown.due_at) == ("awaiting_calendar", at("2026-12-31 17:30"), None)
    assert [(a.distance, a.at) for a in shown.alerts] == [
        ("3 working days before", at("2026-12-28 17:30")),
        ("1 calendar day before", at("2026-12-30 17:30")),
    ]
    timed.to("2026-12-28 17:30", microseconds=1)
    assert [r.trigger for r in timed.wf.tick().fired] == ["deadline:remind"]


def test_an_end_whose_grace_is_not_known_yet_is_known(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(grace="3 working days")
    timed.extend("2026-12-31 17:30")
    [shown] = timed.wf.deadlines(timed.case)
    assert (shown.status, shown.ends_at, shown.due_at) == ("awaiting_calendar", at("2026-12-31 17:30"), None)
    # Were every day worked, its grace would end on 3 January: until then it is open for sure.
    timed.to("2027-01-03 17:30", microseconds=1)
    refusal = refusal_of(lambda: timed.fire("answer", {}, FIRM))
    assert (refusal.code, timed.state) == ("awaiting_calendar", "asking.asked")

    timed.wf.import_calendar(YEAR_2027, actor=OFFICE)

    [known] = timed.wf.deadlines(timed.case)
    assert (known.status, known.ends_at, known.due_at) == ("armed", at("2026-12-31 17:30"), at("2027-01-06 17:30"))
    timed.to("2027-01-06 17:30")
    timed.fire("answer", {}, FIRM)
    assert timed.state == "asking.answered"
    assert timed.wf.verify().problems == []


def test_what_is_left_of_a_grace_is_left_when_it_is_suspended(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(grace="3 working days")  # counted from the 24th: 28, 29 and 30 September
    timed.to("2026-09-29 10:00")
    timed.wf.tick()
    timed.act("suspend")
    assert timed.deadlines["answer_due"] == ("suspended", None, "2 working days")
    timed.to("2026-10-08 10:00")
    timed.act("resume")

    [found] = timed.wf.deadlines(timed.case)
    assert (found.ends_at, found.due_at) == (at("2026-09-24 17:30"), at("2026-10-10 17:30"))


def test_a_grace_of_which_nobody_knows_the_end_is_left_when_it_is_suspended(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(grace="3 working days")
    timed.extend("2026-12-31 17:30")
    timed.to("2026-12-31 18:00")
    timed.act("suspend")
    assert timed.deadlines["answer_due"] == ("suspended", None, "3 working days")
    timed.to("2027-01-05 10:00")
    timed.act("resume")
    timed.wf.import_calendar(YEAR_2027, actor=OFFICE)

    [found] = timed.wf.deadlines(timed.case)
    assert (found.ends_at, found.due_at) == (at("2026-12-31 17:30"), at("2027-01-08 17:30"))


def test_a_grace_that_is_suspended_at_its_last_instant_has_that_day_left(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(grace="1 working day")
    timed.to("2026-09-28 17:30")
    timed.act("suspend")
    timed.to("2026-10-08 10:00")
    timed.act("resume")

    [found] = timed.wf.deadlines(timed.case)
    assert (found.ends_at, found.due_at) == (at("2026-09-24 17:30"), at("2026-10-09 17:30"))


def test_a_fixed_end_that_was_extended_stays_extended(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="not later than 2026-09-24 17:30 +08:00")
    timed.extend("2026-09-30 12:00")
    timed.act("suspend")
    timed.to("2026-09-25 09:00")
    timed.act("resume")
    assert timed.deadlines["answer_due"] == ("armed", "09-30 12:00", None)
    timed.fire("pause")
    timed.fire("go_on")
    assert timed.deadlines["answer_due"] == ("armed", "09-30 12:00", None)
    timed.to("2026-09-30 12:00")
    timed.fire("answer", {}, FIRM)


def test_what_comes_to_stand_after_a_fixed_end_has_run_out_at_once(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="not later than 2026-09-17 17:30 +08:00")
    assert timed.deadlines["answer_due"] == ("armed", "09-18 10:00", None)
    timed.to("2026-09-18 10:00", microseconds=1)
    assert [r.trigger for r in timed.wf.tick().fired] == ["asking.lapse"]


@pytest.mark.parametrize("trigger", ["deadline:remind", "deadline:escalate"])
@pytest.mark.parametrize("actor", [FIRM, OFFICE])
def test_an_alert_is_nobodys_act(timed: Timed, trigger: str, actor: Actor) -> None:
    assert refusal_of(lambda: timed.fire(trigger, {}, actor)).code == "not_allowed"
    assert len(timed.wf.attempts(timed.round)) == 1


def test_a_rung_is_climbed_only_while_the_case_stands_there(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(handling="2 working days")
    timed.fire("answer", {}, FIRM)
    timed.to("2026-09-22 09:00")
    assert [r.trigger for r in timed.wf.tick().fired] == ["asking.overdue"]
    timed.fire("shelve")
    timed.to("2026-10-30 09:00")
    assert timed.wf.tick().fired == ()
    assert timed.told == []


UNCOUNTED = "from 2026-12-28 10:00 +08:00 to 2027-01-20 17:30 +08:00"


@pytest.mark.parametrize(
    ("stop", "go_on", "status"), [("suspend", "resume", "suspended"), ("pause", "go_on", "stopped")]
)
@pytest.mark.parametrize("imported_first", [True, False])
def test_what_was_put_into_a_year_without_a_calendar_keeps_its_days_until_they_can_be_counted(
    make_timed: Callable[..., Timed], stop: str, go_on: str, status: str, imported_first: bool
) -> None:
    timed = make_timed()

    def do(what: str) -> None:
        timed.act(what) if what in ("suspend", "resume") else timed.fire(what)

    timed.extend("2027-01-20 17:30")
    timed.to("2026-12-28 10:00")
    do(stop)
    assert timed.deadlines["answer_due"] == (status, None, UNCOUNTED)
    timed.to("2027-01-25 10:00")
    if imported_first:
        timed.wf.import_calendar(YEAR_2027, actor=OFFICE)
    do(go_on)
    if not imported_first:
        assert timed.deadlines["answer_due"] == ("awaiting_calendar", None, UNCOUNTED)
        timed.wf.import_calendar(YEAR_2027, actor=OFFICE)
    # Four of December, and thirteen of January but for the 1st.
    assert timed.wf.deadlines(timed.case)[0].rule == "setting:answer = 17 working days"
    assert [d.ends_at for d in timed.wf.deadlines(timed.case)] == [at("2027-02-17 17:30")]
    assert timed.wf.verify().problems == []


def test_of_days_that_nobody_can_count_none_is_lost_when_it_is_suspended_once_more(
    make_timed: Callable[..., Timed],
) -> None:
    timed = make_timed()
    timed.extend("2027-01-20 17:30")
    timed.to("2026-12-28 10:00")
    for when in ("2026-12-28 10:00", "2026-12-30 10:00"):
        timed.to(when)
        timed.act("suspend")
        assert timed.deadlines["answer_due"] == ("suspended", None, UNCOUNTED)
        timed.act("resume")
    suspended = timed.wf.messages(timed.round)[1]
    assert (suspended["message"], suspended["body"]["left"]) == ("deadline_suspended", UNCOUNTED)


@pytest.mark.parametrize("until", [1793000000, 1793000000.5, "1793000000"])
def test_a_number_is_no_instant(timed: Timed, until: Any) -> None:
    data = {"deadline": "answer_due", "ground": "方案第五条", "until": until}
    refusal = refusal_of(lambda: timed.fire("deadline:extend", data))
    assert (refusal.code, refusal.detail["fields"]) == ("data_invalid", ["until: a number is no instant"])
