"""The script itself: what it does on the way, and what it says when the round does not go as scripted."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from sqlalchemy import Engine, select

from ganchu_stages.credit_code import check, registration_area
from ganchu_stages.qualification_check import QualificationCheck
from ganchu_workflow import Refused, Role, SeededEntropy, SimulatedClock, SystemClock, Workflow, testing
from ganchu_workflow.engine.sql import EVENT
from ganchu_workflow.errors import Invalid, PlanInvalid, Unknown
from ganchu_workflow.store.database import read
from ganchu_workflow.testing import (
    OFFICE,
    NotAsScripted,
    RoundScript,
    credit_code_of,
    declaration_of,
    department,
    firm,
    usual_plan,
)
from tests.testkit import toy_stage

Opened = Callable[..., RoundScript]
DECLARING = {"window": {"opens": datetime(2021, 8, 2, 9), "closes": datetime(2021, 9, 3, 17, 30)}}
EXAMPLE = Path(__file__).parents[2] / "examples" / "plan.toml"
STAGES = (
    "self_declaration",
    "local_recommendation",
    "qualification_check",
    "expert_review",
    "department_consultation",
    "public_notice",
    "announcement",
)


def message_of(act: Callable[[], object], kind: type[Exception] = NotAsScripted) -> str:
    """What an act says when it does not go as scripted, with the notes."""
    with pytest.raises(kind) as raised:
        act()
    return "\n".join([str(raised.value), *getattr(raised.value, "__notes__", [])])


# ── the way ──


@pytest.fixture
def on_both(database_url: str) -> Iterator[RoundScript]:
    script = RoundScript(database=database_url, start="2022-09-01T09:00")
    yield script
    script.close()


def test_one_application_goes_the_whole_way_act_by_act(on_both: RoundScript) -> None:
    script = on_both
    script.declare("水表")
    script.accept("水表")
    script.recommend("水表")
    script.qualify("水表")
    script.panel("水表")
    script.score("水表", 88)
    script.rank("水表")
    script.consult("水表")
    script.reply("水表")
    script.past(script.notice("水表"), "closes_at")
    script.announce("水表")

    assert [target for _, _, target in script.steps("水表")] == [
        "self_declaration.draft",
        "self_declaration.submitted",
        "local_recommendation.pending",
        "qualification_check.checking",
        "expert_review.grouping",
        "expert_review.scoring",
        "expert_review.scored",
        "department_consultation.consulting",
        "public_notice.listed",
        "public_notice.showing",
        "announcement.decided",
        "announcement.announced",
    ]
    assert script.recognition("水表").state == "valid"
    assert script.verify().cases == len(script.wf.cases(script.round))


def test_the_usual_way_is_the_same_as_act_by_act(on_both: RoundScript) -> None:
    on_both.carry("水表", "铜箔")

    assert on_both.states() == dict.fromkeys(("水表", "铜箔"), "announcement.announced")
    assert on_both.facts("铜箔")["certificate"] == "TEST-002"
    on_both.verify()


@pytest.mark.parametrize("stage", STAGES)
def test_carry_stops_on_entering_a_stage(ganchu_round: Opened, stage: str) -> None:
    script = ganchu_round()
    script.carry("水表", to=stage)

    assert script.case("水表").stage == stage
    assert [target.partition(".")[0] for _, _, target in script.steps("水表")].count(stage) == 1


def test_carry_stops_in_a_state_and_goes_on_from_wherever_the_round_stands(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.draft("水表")
    script.carry("水表", to="expert_review.scoring")
    script.score("水表", 77)
    script.carry("水表", to="public_notice.showing")
    script.carry("水表", to="public_notice.showing")

    assert script.state("水表") == "public_notice.showing"
    assert [sheet.facts["total"] for sheet in script.sheets("水表")] == ["77.00"]
    script.carry("水表")
    assert script.state("水表") == "announcement.announced"


def test_carry_takes_applications_from_different_places_and_cities_along(ganchu_round: Opened) -> None:
    script = ganchu_round(usual_plan(expert_review={"places": 2}))
    script.declare("铜箔", city="360700")
    script.carry("水表", to="qualification_check")
    script.carry("水表", "铜箔", "茶油", to="expert_review.scored")

    letters = script.wf.cases(script.round, "recommendation")
    assert [letter.parties[Role.LOCAL_AUTHORITY] for letter in letters] == ["360100", "360700", "360100"]
    assert script.states() == dict.fromkeys(("铜箔", "水表", "茶油"), "expert_review.scored")


def test_carry_follows_a_stage_used_twice_and_the_deliberation(ganchu_round: Opened) -> None:
    plan = usual_plan()
    plan["stage"].insert(1, {"use": "public_notice", "as": "local_notice"})
    plan["stage"].insert(6, {"use": "deliberation", "on": {"sent_back": "expert_review"}})
    script = ganchu_round(plan)
    script.carry("水表")

    notices = script.wf.cases(script.round, "notice")
    assert [notice.stage for notice in notices] == ["local_notice", "public_notice"]
    assert ("deliberation.approve", "deliberation.tabled", "public_notice.listed") in script.steps("水表")


def test_carry_waits_for_the_phases_of_a_plan_with_dates(ganchu_round: Opened) -> None:
    script = ganchu_round(EXAMPLE, start="2021-07-30T10:00")
    script.carry("水表")

    when = {event["trigger"]: script.shown(event["recorded_at"]) for event in script.history("水表")}
    assert when["self_declaration.declare"] == "2021-08-02 09:00"
    assert when["local_recommendation.recommend"] == "2021-09-06 09:00"
    assert when["public_notice.clear"] == "2021-09-13 17:30:00.000001"
    assert script.state("水表") == "announcement.announced"


def test_an_act_of_ones_own_takes_the_place_of_the_usual_one(ganchu_round: Opened) -> None:
    script = ganchu_round()
    told: list[tuple[str, ...]] = []

    def corrected(script: RoundScript, *names: str) -> None:
        told.append(names)
        script.fire_each(names, "return_for_correction", script.office, items=["签字"])
        for name in names:
            script.fire(name, "resubmit", firm(name))
        script.qualify(*names)

    script.carry("水表", "铜箔", to="expert_review", usual={"qualification_check.checking": corrected})
    script.carry("茶油", to="expert_review")

    assert told == [("水表", "铜箔")]
    assert script.facts("水表")["version"] == 2
    assert script.facts("茶油")["version"] == 1


# ── a stage from elsewhere ──


@pytest.fixture
def with_toy(sqlite_url: str) -> Iterator[RoundScript]:
    plan = usual_plan()
    plan["stage"].insert(3, {"use": "site_visit"})
    script = RoundScript(plan, database=sqlite_url, start="2022-09-01T09:00", stages=toy_stage.registry())
    yield script
    script.close()


def test_a_stage_from_elsewhere_is_passed_by_saying_what_is_usual_there(with_toy: RoundScript) -> None:
    script = with_toy
    script.usual["site_visit.planned"] = lambda script, *names: script.fire_each(
        names, "visit", script.office, inspector="甲"
    )
    script.carry("水表")

    assert script.steps("水表")[5:7] == [
        ("site_visit.visit", "site_visit.planned", "site_visit.visited"),
        ("site_visit.report", "site_visit.visited", "expert_review.grouping"),
    ]
    assert script.shown(script.history("水表")[6]["effective_at"]) == "2022-09-06 17:30"
    assert script.state("水表") == "announcement.announced"
    script.verify()


def test_of_a_stage_from_elsewhere_it_is_said_that_nothing_is_usual(with_toy: RoundScript) -> None:
    message = message_of(lambda: with_toy.carry("水表", to="expert_review"))

    assert message == (
        "nothing is usually done in site_visit.planned: do it in the script, or say what is usual there, "
        "script.usual['site_visit.planned'] = lambda script, *names: …\n"
        "水表 stands in site_visit.planned (待核查), waits for 牵头处室 (office)\n"
        "  2022-09-01 09:00  self_declaration.declare → self_declaration.draft\n"
        "  2022-09-01 09:00  self_declaration.submit → self_declaration.submitted\n"
        "  2022-09-01 09:00  self_declaration.accept → local_recommendation.pending\n"
        "  2022-09-01 09:00  local_recommendation.recommend → qualification_check.checking\n"
        "  2022-09-01 09:00  qualification_check.qualify → site_visit.planned\n"
        "  applicant:firm-水表 may site_visit.withdraw(reason)\n"
        "  local_authority:360100 may local_recommendation.revoke(document, reason)\n"
        "  office may site_visit.visit(inspector)"
    )


# ── where the usual way does not lead ──


@pytest.mark.parametrize("to", ["public_notise", "public_notice.shown"])
def test_a_goal_that_the_plan_does_not_have_is_named_and_nothing_is_done(ganchu_round: Opened, to: str) -> None:
    script = ganchu_round()
    message = message_of(lambda: script.carry("水表", to=to), Unknown)

    assert message.startswith(f"there is no stage or state '{to}'; did you mean 'public_notice")
    assert script.states() == {}


def test_one_that_is_past_the_goal_is_not_carried_back(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.carry("水表", to="qualification_check")

    assert message_of(lambda: script.carry("水表", to="self_declaration.submitted")).startswith(
        "水表 was to come to self_declaration.submitted, and did not: 水表 stands in qualification_check.checking"
    )


def test_one_that_ends_on_the_way_is_reported(ganchu_round: Opened) -> None:
    script = ganchu_round(usual_plan(local_recommendation={"default_quota": 1}))
    message = message_of(lambda: script.carry("水表", "铜箔"))

    assert message.splitlines()[0] == (
        "铜箔 was to come to a good end, and did not: 铜箔 stands in local_recommendation.over_quota (超名额未推荐)"
    )
    assert script.state("水表") == "qualification_check.checking"


def test_a_usual_act_that_moves_nothing_ends_the_way(ganchu_round: Opened) -> None:
    script = ganchu_round()
    idle = {"self_declaration.submitted": lambda script, *names: None}

    assert message_of(lambda: script.carry("水表", usual=idle)).startswith(
        "the usual act of self_declaration.submitted moved nothing: 水表 stands in self_declaration.submitted"
    )


# ── time ──


def test_each_deadline_fires_on_the_way_one_microsecond_after_its_end(ganchu_round: Opened) -> None:
    script = ganchu_round(usual_plan(self_declaration=DECLARING))
    assert script.shown(script.now) == "2021-08-02 09:00"
    script.draft("水表", "铜箔")
    script.at("2021-09-03T17:30")
    script.submit("水表")
    assert script.states() == {"水表": "self_declaration.submitted", "铜箔": "self_declaration.draft"}

    script.at("2021-09-10T10:00")

    lapsed = script.history("铜箔")[-1]
    assert (lapsed["trigger"], script.shown(lapsed["recorded_at"])) == (
        "self_declaration.lapse",
        "2021-09-03 17:30:00.000001",
    )
    assert script.shown(script.now) == "2021-09-10 10:00"


def test_without_a_tick_nothing_fires_until_somebody_asks(ganchu_round: Opened) -> None:
    script = ganchu_round(usual_plan(self_declaration=DECLARING))
    script.draft("水表")
    script.at("2021-09-10T10:00", tick=False)

    assert script.state("水表") == "self_declaration.draft"
    with script.refused("window_closed") as seen:
        script.submit("水表")
    assert (seen.refusal.trigger, script.state("水表")) == ("submit", "self_declaration.lapsed")


def test_the_notice_is_open_at_its_end_and_closed_a_microsecond_later(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.carry("水表", to="public_notice")
    notice = script.notice("水表")
    script.at("2022-09-08T17:30")
    assert script.state(script.object("水表", notice)) == "filed"
    script.past(notice, "closes_at")

    assert script.shown(script.now) == "2022-09-08 17:30:00.000001"
    with script.refused("window_closed"):
        script.object("水表", notice, "二")


def test_later_and_past_next_due(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.carry("水表", to="qualification_check")
    script.later(hours=1)
    assert script.shown(script.now) == "2022-09-01 10:00"
    script.past_next_due()

    assert script.shown(script.now) == "2022-09-13 17:30:00.000001"
    assert script.steps("水表")[-1][0] == "qualification_check.overdue"
    assert message_of(script.past_next_due) == "no deadline is running: nothing falls due by itself"


def test_a_fact_that_is_no_instant_is_named_with_those_there_are(ganchu_round: Opened) -> None:
    script = ganchu_round()

    assert message_of(lambda: script.past(script.round, "closes_at")) == (
        f"round {script.round} has no instant 'closes_at'; "
        "its facts are: calendars, code, definition, demonstration, plan, title"
    )


def test_a_time_without_an_offset_is_the_offices_own(ganchu_round: Opened) -> None:
    script = ganchu_round({**usual_plan(), "timezone": "Asia/Tokyo"}, start="2022-09-01T09:00")

    assert script.now.isoformat() == "2022-09-01T09:00:00+09:00"
    assert script.shown("2022-09-01T00:00:00.000000Z") == "2022-09-01 09:00"
    script.at("2022-09-01T09:00+08:00")
    assert script.shown(script.now) == "2022-09-01 10:00"


def test_a_clock_that_nobody_moves_is_refused(sqlite_url: str) -> None:
    wf = Workflow(sqlite_url)

    message = message_of(lambda: RoundScript(workflow=wf), Invalid)
    assert message.startswith("nothing moves the workflow's SystemClock: give the workflow a SimulatedClock")
    assert wf.rounds() == []
    wf.database.dispose()


def test_a_hand_that_moves_another_clock_is_found_out(ganchu: Workflow) -> None:
    elsewhere = SimulatedClock(ganchu.clock.now())
    message = message_of(lambda: RoundScript(workflow=ganchu, time=elsewhere, start="2022-09-01T09:00"))

    assert message.startswith("the clock was moved to 2022-09-01 09:00 and shows 2004-01-01 08:00: it must stand still")
    assert ganchu.rounds() == []


def test_a_clock_that_ticks_by_itself_is_found_out(sqlite_url: str) -> None:
    with freeze_time("2022-09-01 01:00", auto_tick_seconds=60):
        wf = Workflow(sqlite_url, clock=SystemClock())
        message = message_of(lambda: RoundScript(workflow=wf, start="2022-09-01T09:00"))
        wf.database.dispose()

    assert "it must stand still between the acts" in message


# ── freezegun and the simulated clock ──


def events_of(engine: Engine) -> list[tuple[str, str, str]]:
    with read(engine) as connection:
        rows = connection.execute(select(EVENT.c.case_id, EVENT.c.body, EVENT.c.digest).order_by(EVENT.c.case_id))
        return [(row.case_id, row.body, row.digest) for row in rows]


def played(plan: dict[str, Any], url: str) -> list[tuple[str, str, str]]:
    script = RoundScript(plan, database=url, start="2021-08-02T09:00", entropy=SeededEntropy("the same"))
    script.draft("铜箔")
    script.carry("水表", "茶油", to="public_notice")
    script.at("2021-09-13T09:00")
    objection = script.object("茶油", script.notice("水表", "茶油"))
    script.fire(objection, "admit", script.office)
    script.fire(objection, "dismiss", script.office, document="核〔1〕号", finding="查无实据")
    script.carry("水表", "茶油")
    script.later(days=30)
    script.verify()
    events = events_of(script.wf.database)
    script.close()
    return events


def test_frozen_and_simulated_time_write_the_same_record_to_the_byte(tmp_path: Path) -> None:
    plan = usual_plan(self_declaration=DECLARING)
    simulated = played(plan, f"sqlite:///{tmp_path / 'simulated.db'}")
    with freeze_time("2020-01-01"):
        frozen = played(plan, f"sqlite:///{tmp_path / 'frozen.db'}")

    assert len(simulated) > 60
    assert frozen == simulated


def test_under_freezegun_the_rest_of_the_host_moves_along(ganchu_round: Opened) -> None:
    with freeze_time("2021-08-02T01:00"):
        script = ganchu_round(usual_plan(self_declaration=DECLARING))
        script.carry("水表", to="public_notice.showing")
        script.carry("水表", to="announcement")

        assert isinstance(script.wf.clock, SystemClock)
        # What any other code of the host reads, here in UTC.
        assert datetime.now() == datetime(2021, 8, 9, 9, 30, 0, 1)  # noqa: TID251


# ── refusals ──


def test_an_act_that_is_refused_says_where_the_case_stands_and_what_may_be_done(ganchu_round: Opened) -> None:
    script = ganchu_round(usual_plan(self_declaration=DECLARING))
    script.declare("水表")

    assert message_of(lambda: script.qualify("水表"), Refused) == (
        "not_here [qualify @ self_declaration.submitted]: 当前状态“已提交”下不能办理 / "
        "cannot be done while it stands in self_declaration.submitted\n"
        "at 2021-08-02 09:00 qualify was to be fired by office\n"
        "水表 stands in self_declaration.submitted (已提交), waits for 牵头处室 (office)\n"
        "  2021-08-02 09:00  self_declaration.declare → self_declaration.draft\n"
        "  2021-08-02 09:00  self_declaration.submit → self_declaration.submitted\n"
        "  applicant:firm-水表 may self_declaration.withdraw(reason)\n"
        "  office may self_declaration.return_for_correction(items)\n"
        "  office may self_declaration.accept()\n"
        "  office may self_declaration.refuse(reason_code, text)"
    )


def test_an_opening_that_is_refused_tells_of_whom_it_listed(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.carry("水表", to="qualification_check")
    message = message_of(lambda: script.notice("水表"), Refused)

    assert message.splitlines()[1:3] == [
        "at 2022-09-01 09:00 notice was to be opened by office",
        "水表 stands in qualification_check.checking (审查中), waits for 牵头处室 (office)",
    ]


def test_what_may_not_be_done_now_is_told_with_the_reason(ganchu_round: Opened) -> None:
    script = ganchu_round(usual_plan(self_declaration=DECLARING))
    script.draft("水表")
    script.at("2021-09-03T17:30:00.000001", tick=False)

    assert [line for line in script.explain("水表").splitlines() if "may not" in line] == [
        f"  applicant:firm-水表 may not self_declaration.{trigger}: window_closed: the window has closed "
        "(2021-09-03 17:30+08:00); what was received on paper before that may be entered late, where the act allows it"
        for trigger in ("save", "submit")
    ]


def test_a_refusal_that_is_waited_for_is_given_back_and_nothing_is_explained(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.draft("水表")
    with script.refused("not_here") as seen:
        script.accept("水表")

    assert (seen.refusal.code, seen.refusal.state) == ("not_here", "self_declaration.draft")
    assert [attempt["code"] for attempt in script.wf.attempts(script.round)] == ["not_here"]


def test_another_refusal_than_the_one_waited_for(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.draft("水表")

    def other() -> None:
        with script.refused("window_closed"):
            script.accept("水表")

    assert message_of(other).startswith("this was to be refused as 'window_closed', and was as not_here [accept @")


def test_no_refusal_where_one_was_waited_for(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.draft("水表")

    def none() -> None:
        with script.refused("window_closed"):
            script.submit("水表")

    assert message_of(none) == "this was to be refused as 'window_closed', and was not refused"


def test_what_is_no_refusal_passes_through(ganchu_round: Opened) -> None:
    script = ganchu_round()
    with pytest.raises(ZeroDivisionError), script.refused("window_closed"):
        _ = 1 / 0

    script.draft("水表")
    assert "水表 stands in" in message_of(lambda: script.accept("水表"), Refused)  # explained again after the block


# ── names, and what is not there ──


def test_a_name_that_nobody_goes_by(ganchu_round: Opened) -> None:
    script = ganchu_round()
    assert message_of(lambda: script.accept("水表"), Unknown) == ("no application goes by '水表'; there are: none yet")
    script.draft("智能水表", "铜箔")
    assert message_of(lambda: script.accept("智能水标"), Unknown) == (
        "no application goes by '智能水标'; did you mean '智能水表'? there are: 智能水表, 铜箔"
    )


def test_a_product_is_declared_once(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.draft("水表")

    assert message_of(lambda: script.draft("水表")) == "'水表' is declared already: it stands in self_declaration.draft"
    assert len(script.wf.cases(script.round, "application")) == 1


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda s: s.score("水表", 90), "no panel has taken 水表 stands in"),
        (lambda s: s.reply("水表"), "no department has still to answer about 水表 stands in"),
        (lambda s: s.reply("水表", "ENV"), "ENV was not asked about 水表 stands in"),
        (lambda s: s.recognition("水表"), "no recognition was given to 水表 stands in"),
    ],
)
def test_what_is_not_there_yet(ganchu_round: Opened, act: Callable[[RoundScript], object], told: str) -> None:
    script = ganchu_round()
    script.carry("水表", to="expert_review")

    assert message_of(lambda: act(script)).startswith(f"{told} expert_review.grouping (待分组)")


def test_a_stage_that_the_plan_does_not_have_or_has_twice(ganchu_round: Opened) -> None:
    plan = usual_plan()
    plan["stage"] = [
        {"use": "self_declaration"},
        {"use": "public_notice", "as": "first_notice"},
        {"use": "public_notice", "as": "second_notice"},
        {"use": "announcement"},
    ]
    script = ganchu_round(plan)
    script.declare("水表")

    assert message_of(lambda: script.panel("水表")) == (
        "the plan has no stage expert_review; it has: self_declaration, first_notice, second_notice, announcement"
    )
    assert message_of(lambda: script.notice("水表")) == (
        "the plan uses public_notice more than once: say stage= one of first_notice, second_notice"
    )
    script.accept("水表")
    assert script.case(script.notice("水表")).stage == "first_notice"


def test_scores_are_as_many_as_sheets(ganchu_round: Opened) -> None:
    script = ganchu_round(usual_plan(expert_review={"panel_size": 3, "panel_size_min": 3}))
    script.carry("水表", to="expert_review.scoring")

    assert message_of(lambda: script.score("水表", 90)) == "3 sheet(s) wait for a score, and 1 are given: (90,)"
    script.score("水表")
    assert [sheet.facts["total"] for sheet in script.sheets("水表")] == ["90.00"] * 3


def test_departments_reply_each_or_all_that_are_left(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.carry("水表", to="department_consultation")
    script.consult("水表", departments=["ENV", department("TAX"), "MKT"])
    script.reply("水表", "TAX", "oppose", ground="待核")
    script.reply("水表")

    replies = {c.parties[Role.DEPARTMENT]: c.state for c in script.children("水表", "consultation")}
    assert replies == {"ENV": "no_objection", "TAX": "objects", "MKT": "no_objection"}


def test_a_deadline_that_cannot_fire_is_told(ganchu_round: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ganchu_round()
    script.carry("水表", to="qualification_check")
    overdue = QualificationCheck.overdue
    crash = [type(rule)(rule.id, rule.version, lambda self, ctx: 1 / 0) for rule in overdue.effects]
    monkeypatch.setattr(overdue, "effects", crash)

    assert message_of(script.past_next_due) == (
        "a deadline has run out and did not fire:\n"
        f"  qualification_check.office_limit of {script.id('水表')}: the effect 'urge' of qualification_check.overdue "
        "crashed (ZeroDivisionError); nothing of the act is left"
    )
    [stuck] = script.wf.tick().stuck
    again = message_of(script.past_next_due)
    assert again.startswith(f"what fell due at {script.shown(stuck.due_at or '')} does not fire\n")
    assert again.endswith(f"(tried again at {script.shown(stuck.again_at or '')})")


def test_a_record_that_does_not_hold_is_told(ganchu_round: Opened) -> None:
    script = ganchu_round()
    script.declare("水表")
    with script.wf.database.begin() as connection:
        connection.exec_driver_sql("UPDATE ganchu_case SET state = 'self_declaration.draft' WHERE kind = 'application'")

    assert message_of(script.verify).startswith("the record does not hold:\n  ")


# ── opening ──


def test_a_round_is_kept_in_one_place(sqlite_url: str, ganchu: Workflow) -> None:
    where = "say where the round is kept"
    assert message_of(RoundScript, Invalid).startswith(where)
    assert message_of(lambda: RoundScript(database=sqlite_url, workflow=ganchu), Invalid).startswith(where)
    assert message_of(lambda: RoundScript(workflow=ganchu, entropy=SeededEntropy("x")), Invalid) == (
        "a workflow has its own entropy and stages: give them to the workflow"
    )


def test_a_plan_that_cannot_be_used_opens_nothing(ganchu_round: Opened, ganchu: Workflow) -> None:
    with pytest.raises(PlanInvalid):
        ganchu_round({**usual_plan(), "stage": [{"use": "self_declarations"}]})
    with pytest.raises(Invalid, match="the usual plan has no stage site_visit"):
        usual_plan(site_visit={})
    assert ganchu.rounds() == []


def test_a_round_may_be_opened_without_being_started(ganchu_round: Opened) -> None:
    script = ganchu_round(run=False)

    assert script.state(script.round) == "planning"


def test_a_second_round_shares_database_and_time_with_the_first(ganchu_round: Opened) -> None:
    first = ganchu_round(usual_plan("ONE"))
    first.later(days=1)
    second = ganchu_round(usual_plan("TWO"))
    for script in (first, second):
        script.declare("水表")

    assert second.wf is first.wf
    assert second.shown(second.now) == "2022-09-02 09:00"
    assert [round.facts["code"] for round in first.wf.rounds()] == ["ONE", "TWO"]
    assert first.id("水表") != second.id("水表")


def test_a_declaration_of_ones_own(ganchu_round: Opened) -> None:
    def ours(name: str) -> dict[str, Any]:
        return declaration_of(name, "360400") | {"product": f"我厂{name}"}

    script = ganchu_round(declaration=ours, office=OFFICE)
    script.declare("水表", enterprise="另一家(虚构)", trademark={"number": "TM-9", "owner": "另一家(虚构)"})

    facts = script.facts("水表")
    assert (facts["product"], facts["enterprise"], facts["city"]) == ("我厂水表", "另一家(虚构)", "360400")
    assert script.state("水表") == "self_declaration.submitted"


def test_the_city_is_the_first_that_may_recommend_something(ganchu_round: Opened) -> None:
    script = ganchu_round(usual_plan(local_recommendation={"quota": {"361100": 1}}))
    script.carry("水表", to="qualification_check")

    assert script.case("水表").parties[Role.LOCAL_AUTHORITY] == "361100"


def test_credit_codes_are_sound_each_ones_own_and_nobodys() -> None:
    codes = {name: credit_code_of(name) for name in (f"产品{n}" for n in range(2000))}

    assert {name: flaw for name, code in codes.items() if (flaw := check(code))} == {}
    assert len(set(codes.values())) == 2000
    assert {registration_area(code) for code in codes.values()} == {"369900"}
    assert credit_code_of("产品7") == codes["产品7"]


def test_what_is_invented_says_so() -> None:
    declared = declaration_of("水表")

    assert (declared["enterprise"], declared["contact"]) == ("水表有限公司(虚构)", "水表联系人(虚构)")
    assert (usual_plan()["title"], usual_plan()["demonstration"]) == ("评选 TEST(虚构)", True)


def test_the_public_names_are_found_where_they_are_said_to_be() -> None:
    found = {name: getattr(testing, name) for name in testing.__all__}

    assert set(found) == set(testing._WHERE)
    assert [name for name, value in found.items() if not value.__doc__] == []
    with pytest.raises(AttributeError, match="has no attribute 'Script'"):
        _ = testing.Script
