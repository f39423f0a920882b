"""A grace through everything that can befall it: stops, acts, outages, a year that is not published, amendments."""

from collections.abc import Callable
from datetime import datetime

import pytest

from ganchu_workflow.clock import to_text
from tests.engine.small_process import refusal_of
from tests.engine.test_adopting import DUE, with_day_off
from tests.engine.test_calendar_import import NEW_YEAR, ends, notice
from tests.engine.timed_process import EVIDENCE, FIRM, OFFICE, Timed, at

Make = Callable[..., Timed]
ABOUT = {"document": "赣工信办〔2026〕9号", "ground": "方案第八条"}


def outage(timed: Timed, began: str, ended: str, until: str) -> None:
    instants = {"began": began, "ended": ended, "until": until}
    data = {name: at(text).isoformat() for name, text in instants.items()}
    timed.wf.fire(timed.round, "round:extend_for_outage", data | ABOUT, actor=OFFICE)


def stands(timed: Timed) -> tuple[str, datetime | None, datetime | None]:
    """Its status, the end that is shown, and when its grace is over."""
    [found] = timed.wf.deadlines(timed.case)
    return found.status, found.ends_at, found.due_at


# ── stopped, and going on ──


def test_a_grace_that_was_stopped_is_lengthened_by_a_notice_as_any_other(make_timed: Make) -> None:
    timed = make_timed(answer="60 working days", grace="5 working days")
    assert stands(timed) == ("armed", at("2026-12-17 17:30"), at("2026-12-24 17:30"))
    timed.to("2026-12-18 10:00")
    timed.act("suspend")
    timed.to("2026-12-22 10:00")
    timed.act("resume")
    assert stands(timed) == ("armed", at("2026-12-17 17:30"), at("2026-12-29 17:30"))

    [adopted] = timed.wf.import_calendar(notice(off=["2026-12-28", "2027-01-01"]), actor=OFFICE)

    assert stands(timed) == ("armed", at("2026-12-17 17:30"), at("2026-12-30 17:30"))
    assert ends(adopted.later) == [(DUE, to_text(at("2026-12-29 17:30")), to_text(at("2026-12-30 17:30")))]


def test_the_explanation_of_a_grace_that_goes_on_reckons_what_was_left(make_timed: Make) -> None:
    timed = make_timed(grace="5 working days")
    timed.to("2026-09-28 10:00")
    timed.act("suspend")
    timed.to("2026-09-28 12:00")
    timed.act("resume")
    found = timed.wf.explain(timed.case, "answer_due")
    assert found.reckoning is not None
    assert found.reckoning.due_at == at("2026-10-10 17:30")
    assert found.en == "its end is past; its grace goes on with what was left of it: 5 working days"


def test_what_an_act_on_a_grace_is_told_of_is_when_that_is_over(make_timed: Make) -> None:
    timed = make_timed(grace="5 working days")
    timed.to("2026-09-28 10:00")
    timed.wf.tick()
    timed.act("suspend")
    timed.to("2026-09-28 12:00")
    timed.act("resume")
    timed.act("end")
    told = [(m["message"], m["body"].get("was"), m["body"].get("ends_at")) for m in timed.wf.messages(timed.round)]
    over = to_text(at("2026-10-10 17:30"))
    assert told[-3:] == [
        ("deadline_suspended", None, None),
        ("deadline_runs", None, over),
        ("deadline_ended", over, to_text(at("2026-09-28 12:00"))),
    ]


def test_a_grace_of_which_nobody_knows_the_end_loses_no_day_by_being_stopped_twice(make_timed: Make) -> None:
    timed = make_timed(grace="5 working days")
    timed.extend("2026-12-28 17:30")
    left = []
    for stop, go_on in (("2026-12-29 10:00", "2026-12-31 10:00"), ("2026-12-31 11:00", "2026-12-31 12:00")):
        timed.to(stop)
        timed.act("suspend")
        left.append(timed.deadlines["answer_due"][2])
        timed.to(go_on)
        timed.act("resume")
    assert left == ["5 working days", "5 working days"]


@pytest.mark.parametrize(("hour", "shown"), [("24:00", "2026-09-24 00:00"), ("23:59", "2026-09-23 23:59")])
def test_a_grace_after_24_00_begins_with_the_day_that_is_over_then(make_timed: Make, hour: str, shown: str) -> None:
    timed = make_timed(answer=f"4 working days, to {hour}", grace="1 working day")
    assert stands(timed) == ("armed", at(shown), at("2026-09-24 17:30"))


@pytest.mark.parametrize("hour", ["24:00", "23:59"])
def test_a_rung_after_24_00_is_so_long_after_the_day_that_is_over_then(make_timed: Make, hour: str) -> None:
    timed = make_timed(handling=f"3 working days, to {hour}")
    timed.fire("answer", {}, FIRM)
    [found] = timed.wf.deadlines(timed.case)
    assert [a.at for a in found.alerts] == [at("2026-09-23 17:30"), at("2026-09-28 17:30")]


# ── outages ──


def test_a_grace_that_an_outage_has_lengthened_is_not_cut_back_by_a_stop(make_timed: Make) -> None:
    timed = make_timed(grace="1 working day")
    timed.to("2026-09-28 17:30")
    outage(timed, "2026-09-28 10:00", "2026-09-28 17:00", "2026-10-14 17:30")
    assert stands(timed) == ("armed", at("2026-09-24 17:30"), at("2026-10-14 17:30"))
    timed.to("2026-09-29 10:00")
    timed.act("suspend")
    timed.act("resume")
    # The day of going on is not counted, as ever: a working day later, and no earlier.
    assert stands(timed) == ("armed", at("2026-09-24 17:30"), at("2026-10-15 17:30"))


def test_a_grace_that_an_outage_has_lengthened_is_not_cut_back_by_an_extension(make_timed: Make) -> None:
    timed = make_timed(grace="1 working day")
    timed.to("2026-09-28 17:30")
    outage(timed, "2026-09-28 10:00", "2026-09-28 17:00", "2026-10-14 17:30")
    timed.to("2026-09-29 10:00")
    timed.extend("2026-09-29 17:30")
    assert stands(timed) == ("armed", at("2026-09-29 17:30"), at("2026-10-14 17:30"))


@pytest.mark.parametrize("fixed", [True, False])
def test_an_outage_moves_an_end_whose_grace_nobody_knows_yet(make_timed: Make, fixed: bool) -> None:
    timed = make_timed(answer="5 working days" if fixed else "70 working days", grace="1 working day")
    if fixed:
        timed.extend("2026-12-31 17:30")
    timed.to("2026-12-31 18:00")
    outage(timed, "2026-12-31 14:00", "2026-12-31 17:50", "2027-01-08 17:30")
    assert stands(timed) == ("awaiting_calendar", at("2027-01-08 17:30"), None)
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert stands(timed) == ("armed", at("2027-01-08 17:30"), at("2027-01-11 17:30"))
    told = [m["body"]["ends_at"] for m in timed.wf.messages(timed.round) if m["message"] == "deadline_extended"]
    assert told[-1] == to_text(at("2027-01-08 17:30"))


@pytest.mark.parametrize("grace", [None, "1 working day"])
def test_an_outage_that_was_told_while_nobody_knew_the_end_moves_it_once_it_is_known(
    make_timed: Make, grace: str | None
) -> None:
    timed = make_timed(answer="71 working days", **({"grace": grace} if grace else {}))
    timed.to("2027-01-04 18:00")
    outage(timed, "2027-01-04 09:00", "2027-01-04 17:45", "2027-01-06 17:30")
    [adopted] = timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)  # it ended on 4 January, in the outage
    over = at("2027-01-07 17:30") if grace else at("2027-01-06 17:30")
    assert stands(timed) == ("armed", at("2027-01-06 17:30"), over)
    assert ends(adopted.resolved)[0] == (DUE, None, to_text(at("2027-01-06 17:30")))
    timed.to(over)
    timed.fire("answer", {}, FIRM)
    assert timed.state == "asking.answered"
    assert timed.wf.verify().problems == []


def test_an_outage_that_fell_into_a_grace_of_which_nobody_knew_the_end_lengthens_it(make_timed: Make) -> None:
    timed = make_timed(grace="1 working day")
    timed.extend("2026-12-31 17:30")
    timed.to("2027-01-04 18:00")
    outage(timed, "2027-01-04 09:00", "2027-01-04 17:45", "2027-01-06 17:30")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert stands(timed) == ("armed", at("2026-12-31 17:30"), at("2027-01-06 17:30"))


@pytest.mark.parametrize("stopped", ["suspend", "pause", None])
def test_an_outage_is_not_forgotten_by_what_was_stopped_before_its_end_was_known(
    make_timed: Make, stopped: str | None
) -> None:
    timed = make_timed(answer="71 working days")
    timed.to("2027-01-04 18:00")
    outage(timed, "2027-01-04 09:00", "2027-01-04 17:45", "2027-01-20 17:30")
    timed.to("2027-01-04 19:00")
    if stopped == "suspend":
        timed.act("suspend")
        timed.act("resume")
    if stopped == "pause":
        timed.fire("pause")
        timed.fire("go_on")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert stands(timed)[:2] == ("armed", at("2027-01-20 17:30"))


@pytest.mark.parametrize(("stop", "go_on"), [("suspend", "resume"), ("pause", "go_on"), (None, None)])
def test_an_outage_moves_a_fixed_end_that_is_stopped(make_timed: Make, stop: str | None, go_on: str | None) -> None:
    timed = make_timed(answer="not later than 2026-09-24 17:30 +08:00")

    def do(what: str | None) -> None:
        if what is not None:
            timed.act(what) if what in ("suspend", "resume") else timed.fire(what)

    timed.to("2026-09-24 10:00")
    do(stop)
    timed.to("2026-09-24 18:10")
    outage(timed, "2026-09-24 12:00", "2026-09-24 18:00", "2026-09-28 17:30")
    do(go_on)
    assert stands(timed)[:2] == ("armed", at("2026-09-28 17:30"))
    assert timed.wf.verify().problems == []


def test_an_outage_that_was_told_before_an_act_fixed_the_end_moves_it_no_more(make_timed: Make) -> None:
    timed = make_timed(answer="66 working days", grace="1 working day")
    timed.to("2026-12-28 18:00")
    outage(timed, "2026-12-28 10:00", "2026-12-28 17:00", "2026-12-31 12:00")
    timed.extend("2026-12-31 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert stands(timed) == ("armed", at("2026-12-31 10:00"), at("2027-01-04 17:30"))


def test_an_act_that_is_entered_late_starts_a_period_that_an_outage_has_moved(make_timed: Make) -> None:
    timed = make_timed(answer="10 working days", handling="3 working days")
    timed.to("2026-09-29 18:00")
    outage(timed, "2026-09-29 10:00", "2026-09-29 17:45", "2026-10-09 17:30")
    timed.to("2026-09-30 10:00")
    late = timed.wf.entering_late(at("2026-09-24 17:00"), by=OFFICE, reason="窗口收件", evidence=EVIDENCE)
    late.fire(timed.case, "answer", {}, actor=FIRM)
    # Three working days after the 24th are the 29th: in the outage.
    assert stands(timed)[:2] == ("armed", at("2026-10-09 17:30"))


def test_where_only_the_grace_is_longer_the_firm_is_told_of_that(make_timed: Make) -> None:
    timed = make_timed(grace="1 working day")
    timed.to("2026-09-28 17:30")
    outage(timed, "2026-09-28 10:00", "2026-09-28 17:00", "2026-10-14 17:30")
    last = timed.wf.messages(timed.round)[-1]
    told = {"was": to_text(at("2026-09-28 17:30")), "ends_at": to_text(at("2026-10-14 17:30"))}
    assert (last["message"], last["body"]) == ("deadline_extended", {"deadline": "答复期限", **told, **ABOUT})


# ── notices ──


def test_an_end_that_an_amendment_puts_into_the_next_year_waits_for_that(make_timed: Make) -> None:
    timed = make_timed(answer="70 working days")
    timed.to("2026-12-24 10:00")
    timed.wf.import_calendar(with_day_off(at("2026-12-31 00:00").date()), actor=OFFICE)
    assert stands(timed) == ("awaiting_calendar", None, None)
    timed.to("2026-12-31 17:31")
    assert ([r.trigger for r in timed.wf.tick().fired], timed.state) == (["deadline:remind"] * 0, "asking.asked")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert stands(timed)[:2] == ("armed", at("2027-01-04 17:30"))
    assert timed.wf.verify().problems == []


def test_a_notice_moves_an_end_that_waits_for_its_grace(make_timed: Make) -> None:
    timed = make_timed(answer="69 working days", grace="1 working day")
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(with_day_off(at("2026-12-25 00:00").date()), actor=OFFICE)
    assert stands(timed) == ("awaiting_calendar", at("2026-12-31 17:30"), None)

    new_year = notice(off=["2026-12-31", "2027-01-01", "2027-01-02", "2027-01-03"])
    [adopted] = timed.wf.import_calendar(new_year, actor=OFFICE)

    assert stands(timed) == ("armed", at("2027-01-04 17:30"), at("2027-01-05 17:30"))
    assert ends(adopted.later) == [(DUE, to_text(at("2026-12-31 17:30")), to_text(at("2027-01-04 17:30")))]
    assert timed.told[-1] == ("deadline_extended", "applicant:e1")


@pytest.mark.parametrize("fixed", [True, False])
def test_what_fired_at_the_end_of_a_grace_that_a_notice_would_have_lengthened_is_named(
    make_timed: Make, fixed: bool
) -> None:
    timed = make_timed(answer="5 working days" if fixed else "67 working days", grace="1 working day")
    if fixed:
        timed.extend("2026-12-28 17:30")
    timed.to("2026-12-29 18:00")
    timed.wf.tick()
    assert timed.state == "asking.silent"
    [adopted] = timed.wf.import_calendar(notice(off=["2026-12-29", "2027-01-01"]), actor=OFFICE)
    assert ends(adopted.fired_already) == [(DUE, to_text(at("2026-12-29 17:30")), to_text(at("2026-12-30 17:30")))]


# ── in time ──


@pytest.mark.parametrize("suspended", [True, False])
def test_in_a_grace_that_cannot_be_over_yet_an_act_is_in_time(make_timed: Make, suspended: bool) -> None:
    timed = make_timed(grace="3 working days")
    timed.extend("2026-12-31 17:30")
    timed.to("2026-12-31 18:00")
    if suspended:
        timed.act("suspend")
        timed.act("resume")
    timed.to("2027-01-03 17:30")
    timed.fire("answer", {}, FIRM)
    assert timed.state == "asking.answered"


def test_a_late_entry_does_not_get_round_a_grace_of_which_nobody_knows_the_end(make_timed: Make) -> None:
    timed = make_timed(answer="70 working days", grace="1 working day")
    timed.to("2027-01-20 10:00")
    assert refusal_of(lambda: timed.fire("answer", {}, FIRM)).code == "awaiting_calendar"
    late = timed.wf.entering_late(at("2027-01-20 09:59"), by=OFFICE, reason="窗口收件", evidence=EVIDENCE)
    assert refusal_of(lambda: late.fire(timed.case, "answer", {}, actor=FIRM)).code == "awaiting_calendar"


def test_a_grace_never_ends_before_the_end_that_is_shown(make_timed: Make) -> None:
    timed = make_timed(answer="5 working days, to 24:00", grace="1 working day, start day counted, to 12:00")
    assert stands(timed) == ("armed", at("2026-09-25 00:00"), at("2026-09-25 00:00"))
    timed.to("2026-09-25 00:00")
    timed.fire("answer", {}, FIRM)


def test_an_extension_is_told_with_the_end_that_it_moves(make_timed: Make) -> None:
    timed = make_timed(grace="5 working days")
    timed.to("2026-09-28 10:00")
    timed.extend("2026-09-29 17:30")
    body = timed.wf.messages(timed.round)[-1]["body"]
    assert (body["was"], body["ends_at"]) == (to_text(at("2026-09-24 17:30")), to_text(at("2026-09-29 17:30")))


def test_a_firm_is_told_until_when_its_grace_runs_once_that_is_known(make_timed: Make) -> None:
    timed = make_timed(answer="70 working days", grace="3 working days")
    timed.to("2027-01-05 10:00")
    timed.act("suspend")
    timed.act("resume")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    last = timed.wf.messages(timed.round)[-1]
    assert (last["message"], last["body"]["ends_at"]) == ("deadline_runs", to_text(at("2027-01-08 17:30")))
