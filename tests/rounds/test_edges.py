"""The cases an office argues about: on the last day, after the fact, at midnight, or in the other round."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from ganchu_workflow import Role
from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.errors import Unknown
from ganchu_workflow.testing import OFFICE, RoundScript, declaration_of, evidence, expert, firm
from ganchu_workflow.workflow import Case
from tests.rounds.conftest import Opened
from tests.rounds.script import BOTH, ENVIRONMENT, GANZHOU, NANCHANG, TAX, code_of, local, refusal_of, shown

FIVE_EXPERTS: Mapping[str, Any] = {"panel_size": 5, "panel_size_min": 5}
GROUND = {"ground": "依据〔1〕号"}
LATE = {"document": "函〔9〕号", "reason": "新查明的情况"}


def ranks(script: RoundScript, panel: Case) -> list[list[tuple[str, int, str, list[int]]]]:
    """Each result of a panel as (application, rank, place, exact score)."""
    names = {i: name for name, i in script.apps.items()}
    return [
        [(names[r["application"]], r["rank"], r["place"], r["exact"]) for r in result["ranking"]]
        for result in script.facts(panel)["results"]
    ]


# ── the last day ──


def test_correction_asked_for_on_the_last_day_runs_on_after_it(opened: Opened) -> None:
    window = {"opens": local("2022-03-01T09:00"), "closes": local("2022-03-31T17:30")}
    script = opened(start="2022-03-01T09:00", self_declaration={"window": window})
    script.declare("甲", "乙")
    script.at("2022-03-31T17:29")
    for name in ("甲", "乙"):
        script.fire(name, "return_for_correction", OFFICE, items=["检测报告"])

    script.at("2022-04-08T17:30")
    script.fire("甲", "amend", firm("甲"), **declaration_of("甲"))
    script.fire("甲", "resubmit", firm("甲"), documents=[evidence("other", "甲")])
    script.at(local("2022-04-08T17:30") + MICROSECOND, tick=False)
    late = refusal_of(lambda: script.fire("乙", "resubmit", firm("乙")))

    assert script.phase("self_declaration").state == "closed"
    assert script.states() == {"甲": "self_declaration.submitted", "乙": "withdrawn"}
    assert late.code == "window_closed"  # by then the file counts as withdrawn
    assert shown(script.wf.history(script.id("乙"))[-1]["effective_at"]) == "2022-04-08 17:30"


def test_draft_submitted_at_the_closing_instant_is_in_time(opened: Opened) -> None:
    window = {"opens": local("2022-03-01T09:00"), "closes": local("2022-03-31T17:30")}
    script = opened(start="2022-03-01T09:00", self_declaration={"window": window})
    script.draft("甲", "乙")

    script.at("2022-03-31T17:30")
    script.fire("甲", "submit", firm("甲"), truthful=True)
    script.at(local("2022-03-31T17:30") + MICROSECOND, tick=False)

    assert code_of(lambda: script.fire("乙", "submit", firm("乙"), truthful=True)) == "window_closed"
    assert script.states() == {"甲": "self_declaration.submitted", "乙": "self_declaration.lapsed"}


# ── the expert review ──


def reviewed(script: RoundScript, scores: Mapping[str, tuple[int, ...]]) -> Case:
    script.carry(*scores, to="expert_review")
    panel = script.panel(*scores)
    for name, totals in scores.items():
        script.score(name, *totals)
    return panel


def test_recusal_after_the_ranking_keeps_both_results_and_moves_who_changed_places(opened: Opened) -> None:
    script = opened(expert_review={**FIVE_EXPERTS, "places": 2, "reserve_places": 1})
    panel = reviewed(
        script, {"甲": (90, 90, 90, 90, 90), "乙": (100, 100, 70, 70, 70), "丙": (79, 79, 79, 79, 79), "丁": (60,) * 5}
    )
    script.fire(panel, "rank", OFFICE)
    script.consult("甲", "乙", departments=BOTH)
    recused = script.sheets("乙")[0]

    script.recuse_late(recused)

    assert ranks(script, panel) == [
        [("甲", 1, "in", [90, 1]), ("乙", 2, "in", [80, 1]), ("丙", 3, "reserve", [79, 1]), ("丁", 4, "out", [60, 1])],
        [("甲", 1, "in", [90, 1]), ("丙", 2, "in", [79, 1]), ("乙", 3, "reserve", [155, 2]), ("丁", 4, "out", [60, 1])],
    ]
    assert script.states() == {
        "甲": "department_consultation.consulting",
        "乙": "expert_review.reserve",
        "丙": "department_consultation.consulting",
        "丁": "expert_review.not_shortlisted",
    }
    assert (script.state(recused), script.facts(recused)["total"]) == ("void", "100.00")
    assert [c.state for c in script.children("乙", "consultation")] == ["moot", "moot"]
    assert script.told(Role.OFFICE) == ["ranking_recomputed"]
    assert script.told(Role.APPLICANT, "firm-乙") == ["declaration_received", "declaration_accepted"]


def test_recusal_before_the_ranking_only_takes_the_sheet_away(opened: Opened) -> None:
    script = opened(expert_review={**FIVE_EXPERTS, "places": 1})
    panel = reviewed(script, {"甲": (100, 100, 70, 70, 70), "乙": (79, 79, 79, 79, 79)})

    script.recuse_late(script.sheets("甲")[0])
    script.fire(panel, "rank", OFFICE)

    assert ranks(script, panel) == [[("乙", 1, "in", [79, 1]), ("甲", 2, "out", [155, 2])]]


def test_too_few_valid_scores_are_no_result_and_need_another_panel(opened: Opened) -> None:
    script = opened(expert_review={**FIVE_EXPERTS, "places": 2})
    script.carry("甲", "乙", to="expert_review")
    panel = script.panel("甲", "乙")
    for sheet in script.sheets("乙")[:3]:
        script.fire(sheet, "recuse", expert(sheet.parties[Role.EXPERT]), **GROUND)
    script.score("甲", 80, 80, 80, 80, 80)
    assert script.state("乙") == "expert_review.scoring"
    script.score("乙", 100, 100)

    assert script.state("乙") == "expert_review.no_valid_result"
    refused = refusal_of(lambda: script.fire(panel, "rank", OFFICE))
    assert (refused.code, refused.detail) == ("not_all_scored", {"cases": [script.id("乙")]})
    script.fire("乙", "regroup", OFFICE)
    script.fire(panel, "rank", OFFICE)
    second = script.panel("乙")
    script.score("乙", 70, 70, 70, 70, 70)
    script.fire(second, "rank", OFFICE)

    assert ranks(script, panel) == [[("甲", 1, "in", [80, 1])]]
    assert ranks(script, second) == [[("乙", 1, "in", [70, 1])]]
    assert [s.state for s in script.children("乙", "sheet")] == ["void"] * 5 + ["scored"] * 5


def test_tie_at_the_cut_is_refused_until_a_document_puts_it_in_order(opened: Opened) -> None:
    script = opened(expert_review={**FIVE_EXPERTS, "places": 2})
    scores = {"甲": (90,) * 5, "乙": (80, 80, 80, 80, 80), "丙": (60, 79, 80, 81, 100), "丁": (70,) * 5}
    panel = reviewed(script, scores)
    tied = [script.id("乙"), script.id("丙")]

    refused = refusal_of(lambda: script.fire(panel, "rank", OFFICE))
    assert (refused.code, [sorted(g) for g in refused.detail["tied"]]) == ("tie_at_cut", [sorted(tied)])
    assert code_of(lambda: script.fire(panel, "rank", OFFICE, tie_break=tied[::-1])) == "tie_at_cut"
    half = {"tie_break": tied[:1], "document": "裁〔1〕号"}
    assert code_of(lambda: script.fire(panel, "rank", OFFICE, **half)) == "tie_at_cut"
    script.fire(panel, "rank", OFFICE, tie_break=tied[::-1], document="裁〔1〕号")

    assert ranks(script, panel) == [
        [("甲", 1, "in", [90, 1]), ("丙", 2, "in", [80, 1]), ("乙", 3, "out", [80, 1]), ("丁", 4, "out", [70, 1])]
    ]
    assert script.facts(panel)["results"][0]["document"] == "裁〔1〕号"


def test_scores_that_only_print_alike_are_no_tie(opened: Opened) -> None:
    script = opened(expert_review={**FIVE_EXPERTS, "places": 1, "decimals": 0})
    panel = reviewed(script, {"甲": (80, 80, 80, 80, 80), "乙": (80, 80, 80, 81, 81)})

    script.fire(panel, "rank", OFFICE)

    assert [r["score"] for r in script.facts(panel)["results"][0]["ranking"]] == ["80", "80"]
    assert ranks(script, panel) == [[("乙", 1, "in", [241, 3]), ("甲", 2, "out", [80, 1])]]


def test_tie_that_no_cut_divides_is_left_alone(opened: Opened) -> None:
    script = opened(expert_review={**FIVE_EXPERTS, "places": 2})
    panel = reviewed(script, {"甲": (80,) * 5, "乙": (80,) * 5, "丙": (70,) * 5})

    script.fire(panel, "rank", OFFICE)

    found = ranks(script, panel)[0]
    assert sorted(found) == sorted([("甲", 1, "in", [80, 1]), ("乙", 1, "in", [80, 1]), ("丙", 3, "out", [70, 1])])


def test_a_city_official_who_is_also_an_expert_reviews_no_product_of_that_city(opened: Opened) -> None:
    """The same person, 经办 in the city and 专家 in the pool: named as a conflict, that expert gets no such sheet."""
    script = opened(expert_review={**FIVE_EXPERTS, "places": 2})
    script.draft("南昌甲", city=NANCHANG.scope)
    script.draft("赣州乙", city=GANZHOU.scope)
    script.carry("南昌甲", "赣州乙", to="expert_review")
    panel = script.convene("南昌甲", "赣州乙")
    script.staff(panel)
    seats = sorted(s.parties[Role.EXPERT] for s in script.children(panel, "seat"))

    two = {"conflicts": {script.id("南昌甲"): seats[:2]}}
    assert code_of(lambda: script.fire(panel, "begin", OFFICE, **two)) == "too_few_experts"
    script.fire(panel, "begin", OFFICE, conflicts={script.id("南昌甲"): seats[:1]})

    assert [s.parties[Role.EXPERT] for s in script.sheets("南昌甲")] == seats[1:]
    assert [s.parties[Role.EXPERT] for s in script.sheets("赣州乙")] == seats
    own = script.sheets("赣州乙")[0]
    assert code_of(lambda: script.fire(own, "score", NANCHANG, scores={})) == "not_allowed"
    assert code_of(lambda: script.fire(own, "score", expert(seats[1]), scores={})) == "not_allowed"


# ── the consultation ──


def test_late_opposition_holds_an_item_that_is_still_being_consulted_on(opened: Opened) -> None:
    script = opened()
    script.carry("甲", to="department_consultation")
    script.consult("甲", departments=[TAX], silence_is_consent=True)
    script.consult("甲", departments=[ENVIRONMENT], document="征〔2〕号")
    script.past(script.consultation("甲", TAX), "due_at")
    before = script.state("甲"), script.consultation("甲", TAX).state, script.consultation("甲", ENVIRONMENT).state

    script.reply("甲", TAX, "oppose_late", **LATE)

    assert before == ("department_consultation.consulting", "deemed", "no_reply")
    assert script.state("甲") == "department_consultation.objected"
    assert script.told(Role.SUPERVISOR) == ["late_objection"]


def test_late_opposition_during_the_notice_raises_the_alarm_and_moves_nothing(opened: Opened) -> None:
    script = opened()
    script.carry("甲", to="department_consultation")
    script.consult("甲", silence_is_consent=True, departments=BOTH)
    script.reply("甲", ENVIRONMENT)
    script.past(script.consultation("甲", TAX), "due_at")
    script.carry("甲", to="public_notice")
    notice = script.notice("甲")
    printed = script.facts(notice)

    script.reply("甲", TAX, "oppose_late", **LATE)

    asked = script.consultation("甲", TAX)
    assert script.state("甲") == "public_notice.showing"
    assert script.facts(notice) == printed
    assert (asked.state, asked.facts["late"]) == ("objects", True)
    assert [step[2] for step in script.steps(asked)] == ["sent", "no_reply", "deemed", "objects"]
    alarms = [m for m in script.wf.messages(script.round) if m["message"] == "late_objection"]
    assert [m["recipient"] for m in alarms] == ["office", "supervisor"]
    assert [m["body"]["standing"] for m in alarms] == ["public_notice.showing"] * 2
    told = ["declaration_received", "declaration_accepted", "notice_published"]
    assert script.told(Role.APPLICANT, "firm-甲") == told
    script.past(notice, "closes_at")
    assert script.state("甲") == "announcement.decided"


# ── the notice ──


@pytest.mark.parametrize("at", ["2022-09-08T17:31", "2022-09-08T23:59", "2022-09-09T00:00"])
def test_objection_is_in_time_until_24_00_where_the_notice_ends_then(opened: Opened, at: str) -> None:
    script = opened(public_notice={"window": "5 working days, to 24:00"})
    notice = on_notice(script, "甲", published="2022-09-01T09:00")
    assert shown(script.facts(notice)["closes_at"]) == "2022-09-09 00:00"

    script.at(at)

    assert script.state(script.object("甲", notice)) == "filed"


@pytest.mark.parametrize(
    ("window", "late"),
    [
        ("5 working days, to 24:00", local("2022-09-09T00:00") + MICROSECOND),
        ("5 working days", local("2022-09-08T17:30") + MICROSECOND),
        ("5 working days", local("2022-09-08T17:31")),
    ],
)
@pytest.mark.parametrize("swept", [False, True])
def test_objection_after_the_end_is_late_whether_or_not_a_sweep_has_run(
    opened: Opened, window: str, late: datetime, swept: bool
) -> None:
    script = opened(public_notice={"window": window})
    notice = on_notice(script, "甲", published="2022-09-01T09:00")
    closes_at = script.facts(notice)["closes_at"]

    script.at(late, tick=swept)
    refused = refusal_of(lambda: script.object("甲", notice))

    assert (refused.code, refused.detail["closes_at"]) == ("window_closed", closes_at)
    assert [(a["code"], a["received_at"]) for a in script.wf.attempts(script.round)] == [("window_closed", late)]
    assert (script.state(notice), script.state("甲")) == ("closed", "announcement.decided")


def test_objection_at_the_close_of_business_is_in_time(opened: Opened) -> None:
    script = opened()
    notice = on_notice(script, "甲", published="2022-09-01T09:00")

    script.at("2022-09-08T17:30")
    filed = script.object("甲", notice)
    script.later(hours=1)

    assert script.state(notice) == "closed"
    assert script.state("甲") == "public_notice.showing"  # the open objection keeps it
    script.fire(filed, "refuse", OFFICE, ground="no_evidence")
    assert script.state("甲") == "announcement.decided"


def test_taking_a_notice_down_for_three_hours_does_not_move_its_end(opened: Opened) -> None:
    script = opened()
    notice = on_notice(script, "甲", published="2022-09-01T16:00")
    script.at("2022-09-02T10:00")
    script.fire(notice, "take_down", OFFICE, **GROUND)
    filed = script.object("甲", notice)  # the window runs on by the clock, whether or not the page is up
    script.fire(filed, "refuse", OFFICE, ground="no_evidence")
    script.at("2022-09-02T13:00")
    script.fire(notice, "restore", OFFICE, **GROUND)

    facts = script.facts(notice)
    gaps = [(shown(g["from"]), shown(g["to"])) for g in facts["interruptions"]]
    assert (shown(facts["closes_at"]), gaps) == ("2022-09-08 17:30", [("2022-09-02 10:00", "2022-09-02 13:00")])
    script.at("2022-09-08T17:30")
    assert (script.state(notice), script.state("甲")) == ("open", "public_notice.showing")
    script.later(microseconds=1)
    assert (script.state(notice), script.state("甲")) == ("closed", "announcement.decided")


@pytest.mark.parametrize(("late", "code"), [(timedelta(0), None), (MICROSECOND, "window_closed")])
def test_objection_to_a_notice_that_is_down_is_in_time_until_the_printed_end(
    opened: Opened, late: timedelta, code: str | None
) -> None:
    script = opened()
    notice = on_notice(script, "甲", published="2022-09-01T16:00")
    script.fire(notice, "take_down", OFFICE, **GROUND)
    script.at(local("2022-09-08T17:30") + late)

    if code is None:
        assert script.state(script.object("甲", notice)) == "filed"
    else:
        assert code_of(lambda: script.object("甲", notice)) == code
    assert script.state(notice) == "down"


@pytest.mark.parametrize(("finding", "ends_in"), [("uphold", "removed"), ("dismiss", "showing"), (None, "held")])
def test_objection_of_an_earlier_visit_to_the_notice_is_not_forgotten(
    opened: Opened, finding: str | None, ends_in: str
) -> None:
    """A late recusal takes the item back to the reserve while the objection is examined; then it comes again."""
    script = opened(expert_review={**FIVE_EXPERTS, "places": 1, "reserve_places": 1})
    panel = reviewed(script, {"甲": (100, 100, 70, 70, 70), "乙": (79,) * 5})
    script.fire(panel, "rank", OFFICE)
    script.carry("甲", to="public_notice")
    objection = script.object("甲", script.notice("甲"))
    script.fire(objection, "admit", OFFICE)
    script.recuse_late(script.sheets("甲")[0])
    assert script.state("甲") == "expert_review.reserve"
    if finding is not None:
        script.fire(objection, finding, OFFICE, document="核〔1〕号", finding="已查明")
    script.fire("乙", "withdraw", firm("乙"), reason="停产")
    script.fire("甲", "fill", OFFICE)

    script.carry("甲", to="public_notice")
    if finding != "uphold":
        script.notice("甲")

    assert script.state("甲") == f"public_notice.{ends_in}"


def test_withdrawal_while_on_notice_leaves_the_printed_list_as_it_was(opened: Opened) -> None:
    script = opened(expert_review={"places": 2, "reserve_places": 1})
    script.carry("甲", "乙", "丙", to="expert_review.scored")
    script.rank("甲")
    script.carry("甲", "乙", to="public_notice")
    notice = script.notice("甲", "乙")
    printed = script.facts(notice)
    earlier = script.object("乙", notice, "一")
    script.fire(earlier, "admit", OFFICE)
    assert code_of(lambda: script.fire("丙", "fill", OFFICE)) == "no_place"

    script.fire("乙", "withdraw", firm("乙"), reason="停产")

    assert script.facts(notice) == printed
    assert code_of(lambda: script.object("乙", notice, "二")) == "item_removed"
    assert script.state(earlier) == "investigating"  # an objection lives on
    script.fire(earlier, "dismiss", OFFICE, document="核〔1〕号", finding="已撤回")
    script.fire("丙", "fill", OFFICE)
    script.past(notice, "closes_at")
    assert script.states() == {
        "甲": "announcement.decided",
        "乙": "withdrawn",
        "丙": "department_consultation.consulting",
    }


def test_upheld_objection_frees_a_place_that_the_reserve_takes_only_after_its_own_notice(opened: Opened) -> None:
    script = opened(expert_review={"places": 2, "reserve_places": 2})
    script.carry("甲", "乙", "丙", "丁", to="expert_review.scored")
    script.rank("甲")
    script.carry("甲", "乙", to="public_notice")
    notice = script.notice("甲", "乙")
    objection = script.object("乙", notice)
    script.fire(objection, "admit", OFFICE)
    assert code_of(lambda: script.fire("丙", "fill", OFFICE)) == "no_place"

    script.fire(objection, "uphold", OFFICE, document="核〔1〕号", finding="属实")
    assert code_of(lambda: script.fire("丁", "fill", OFFICE)) == "not_next_in_line"
    script.fire("丙", "fill", OFFICE)
    assert code_of(lambda: script.fire("丁", "fill", OFFICE)) == "no_place"

    for stage in ("department_consultation", "deliberation", "public_notice"):
        script.carry("丙", to=stage)
        assert code_of(lambda: script.announce("丙")) == "member_not_here"
    own = script.notice("丙", title="递补公示")
    assert code_of(lambda: script.announce("丙")) == "member_not_here"
    script.past(own, "closes_at")
    script.announce("甲", "丙")

    assert script.states() == {
        "甲": "announcement.announced",
        "乙": "public_notice.removed",
        "丙": "announcement.announced",
        "丁": "expert_review.reserve",
    }
    assert [r[1:] for r in script.facts(own)["list"]] == [[script.id("丙"), "丙有限公司(虚构)", "丙", "360100"]]


def on_notice(script: RoundScript, name: str, *, published: str) -> Case:
    """An application that a notice shows from this instant on."""
    script.carry(name, to="public_notice")
    script.at(published)
    return script.notice(name)


# ── two rounds in one database ──


def test_two_open_rounds_do_not_count_each_others_applications(opened: Opened) -> None:
    """The same enterprise with the same product in both; each round has one place, and one declaration a firm."""
    one_place = {
        "self_declaration": {"max_per_enterprise": 1},
        "local_recommendation": {"quota": {"360100": 1}},
        "expert_review": {"places": 1, "reserve_places": 1},
    }
    first, second = opened("ONE", **one_place), opened("TWO", **one_place)

    for script in (first, second):
        script.declare("甲", "乙")
        script.fire_each(["甲", "乙"], "accept", OFFICE)
        script.recommend("甲", "乙", by=NANCHANG)
    assert (
        first.states()
        == second.states()
        == {"甲": "qualification_check.checking", "乙": "local_recommendation.over_quota"}
    )
    for script in (first, second):
        script.carry("甲", to="department_consultation")
    assert (
        first.states()
        == second.states()
        == {
            "甲": "department_consultation.consulting",
            "乙": "local_recommendation.over_quota",
        }
    )
    assert first.wf.verify().problems == []


def test_two_open_rounds_have_tasks_and_deadlines_of_their_own(opened: Opened) -> None:
    closing = {"window": {"opens": local("2022-09-01T09:00"), "closes": local("2022-09-09T17:30")}}
    first, second = opened("ONE", self_declaration=closing), opened("TWO")
    for script in (first, second):
        script.draft("甲")
    assert [(t.case.round, t.case.id) for t in first.wf.tasks(firm("甲"))] == [
        (first.round, first.id("甲")),
        (second.round, second.id("甲")),
    ]

    first.at("2022-09-13T09:00")

    assert (first.state("甲"), second.state("甲")) == ("self_declaration.lapsed", "self_declaration.draft")
    assert [t.case.id for t in first.wf.tasks(firm("甲"))] == [second.id("甲")]
    assert first.told(Role.APPLICANT, "firm-甲") == ["declaration_lapsed"]
    assert second.told(Role.APPLICANT, "firm-甲") == []


def test_an_act_of_one_round_cannot_list_or_rank_an_application_of_the_other(opened: Opened) -> None:
    first, second = opened("ONE"), opened("TWO")
    for script in (first, second):
        script.carry("甲", to="local_recommendation")
    stranger = second.id("甲")

    letter = first.open("recommendation", NANCHANG)
    named = {"letter": "函〔1〕号", "ranks": {first.id("甲"): 1, stranger: 2}}
    assert code_of(lambda: first.fire(letter, "issue", NANCHANG, **named)) == "not_yours"
    for script in (first, second):
        script.carry("甲", to="department_consultation")
    assert code_of(lambda: first.consult("甲", stranger, departments=BOTH)) == "member_not_here"
    with pytest.raises(Unknown) as unclear:
        first.wf.open("application", declaration_of("乙"), actor=firm("乙"))

    assert unclear.value.message == "say which round: round=…; 2 are open"
    assert [c.id for c in first.wf.cases(second.round, "application")] == [stranger]


# ── a round that is cancelled ──


def test_in_a_cancelled_round_nothing_is_due_and_nobody_has_a_task(opened: Opened) -> None:
    cancelled, other = opened("ONE"), opened("TWO")
    on_notice(cancelled, "甲", published="2022-09-01T09:00")
    cancelled.carry("乙", to="department_consultation")
    cancelled.consult("乙", departments=BOTH)
    cancelled.carry("丙", to="expert_review")
    cancelled.convene("丙")
    other.carry("丁", to="qualification_check")
    cancelled.fire(cancelled.round, "cancel", OFFICE, **GROUND)

    still_open = {(c.kind, c.state) for c in cancelled.wf.cases(cancelled.round)} & {
        ("notice", "open"),
        ("seat", "invited"),
        ("panel", "forming"),
    }
    cancelled.at("2022-12-01T09:00")

    assert still_open == {("notice", "open"), ("seat", "invited"), ("panel", "forming")}
    assert cancelled.wf.next_due() is None
    assert cancelled.wf.attempts(cancelled.round) == []
    assert {t.case.round for t in cancelled.wf.tasks(OFFICE)} == {other.round}
    assert other.steps("丁")[-1][0] == "qualification_check.overdue"


# ── going through a stage again ──


def test_sent_back_by_the_meeting_the_old_panel_and_consultations_do_not_count(opened: Opened) -> None:
    script = opened(expert_review={**FIVE_EXPERTS, "places": 2})
    script.carry("甲", "乙", to="deliberation")
    old_panel, old_sheets = script.facts("甲")["panel"]["expert_review"], script.sheets("甲")
    script.fire("甲", "send_back", OFFICE, document="审〔1〕号", reason="须复评")
    sent_back = script.case("甲")

    script.recuse_late(old_sheets[0])  # the old panel computes again, and moves nothing of the new visit
    assert (sent_back.state, script.state("甲")) == ("expert_review.grouping", "expert_review.grouping")
    panel = script.panel("甲")
    assert script.state("甲") == "expert_review.scoring"  # five scored sheets of the earlier visit do not complete it
    assert len(script.sheets("甲", "assigned")) == 5
    script.score("甲", 60, 60, 60, 60, 60)
    script.recuse_late(old_sheets[1])
    script.fire(panel, "rank", OFFICE)

    assert ranks(script, panel) == [[("甲", 1, "in", [60, 1])]]
    assert (
        script.state("甲") == "department_consultation.consulting"
    )  # the opinions of the earlier visit do not clear it
    script.fire(script.consultation("甲", ENVIRONMENT), "oppose_late", ENVIRONMENT, **LATE)
    assert script.state("甲") == "department_consultation.consulting"
    script.carry("甲", to="deliberation")
    script.fire_each(["甲", "乙"], "approve", OFFICE, document="审〔2〕号")

    assert script.states() == {"甲": "public_notice.listed", "乙": "public_notice.listed"}
    assert script.facts("甲")["panel"] == {"expert_review": panel.case_id}
    assert panel.case_id != old_panel
    assert [c.state for c in script.children("甲", "consultation")] == ["objects", "no_objection"]


def test_place_of_one_sent_back_is_free_until_it_passes_again(opened: Opened) -> None:
    script = opened(expert_review={"places": 1, "reserve_places": 1})
    script.carry("甲", "乙", to="expert_review.scored")
    script.rank("甲")
    script.carry("甲", to="deliberation")
    script.fire("甲", "send_back", OFFICE, document="审〔1〕号", reason="须复评")

    script.fire("乙", "fill", OFFICE)
    panel = script.panel("甲")
    script.score("甲", 100)
    script.fire(panel, "rank", OFFICE)

    assert script.states() == {"甲": "expert_review.reserve", "乙": "department_consultation.consulting"}


# ── leap years ──


@pytest.mark.parametrize(
    ("validity", "ends"),
    [("1 year", "2025-03-01 00:00"), ("3 years", "2027-03-01 00:00"), ("4 years", "2028-03-01 00:00")],
)
def test_validity_from_a_leap_day_ends_on_the_last_day_of_february(opened: Opened, validity: str, ends: str) -> None:
    """民法典 §202; a validity is no period to act, so that it neither rolls nor needs the calendar of its last year."""
    script = opened(start="2024-02-19T09:00", announcement={"validity": validity})
    script.carry("甲", to="announcement")
    script.at("2024-02-29T10:00")
    script.announce("甲")

    due = script.wf.next_due()
    assert due is not None
    assert shown(due.isoformat(timespec="microseconds").replace("+00:00", "Z")) == ends
    script.past_next_due()
    assert script.recognition("甲").state == "due_for_review"
