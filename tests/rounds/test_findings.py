"""What a hostile reading of the first version found, each as the test that would have found it."""

from datetime import date, timedelta
from typing import Any

import pytest

from ganchu_stages.expert_review import Panel
from ganchu_workflow import Actor, Role, Workflow
from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.engine.rulebook import code_digest
from ganchu_workflow.errors import Invalid, Unknown
from ganchu_workflow.testing import OFFICE, declaration_of, evidence, firm
from ganchu_workflow.timing import WorkingCalendar
from tests.rounds.conftest import Opened
from tests.rounds.script import NANCHANG, code_of, local, refusal_of, shown

DECLARING = {"window": {"opens": local("2022-09-01T09:00"), "closes": local("2022-09-30T17:30")}}
RECOMMENDING = {"window": {"opens": local("2022-09-01T09:00"), "closes": local("2022-10-14T17:30")}}


def test_a_deadline_that_waited_for_a_calendar_runs_once_it_is_loaded(opened: Opened) -> None:
    script = opened(start="2026-12-28T10:00")
    script.declare("甲")
    script.fire("甲", "return_for_correction", OFFICE, items=["检测报告"])
    waiting = script.wf.history(script.apps["甲"])[-1]["deadlines"]
    assert [(d["name"], d["status"], d["due_at"]) for d in waiting] == [
        ("self_declaration.correction_due", "awaiting_calendar", None)
    ]
    assert script.wf.next_due() is None

    notice = "国办发明电〔2026〕9号(测试用,并非真实通知)"
    loaded = WorkingCalendar.built_in().with_year(2027, [date(2027, 1, 1)], [], notice)
    wf = Workflow(script.wf.database, clock=script.wf.clock, calendar=loaded, stages=script.wf.stages)
    assert wf.tick().fired == ()

    event = wf.history(script.apps["甲"])[-1]
    assert (event["trigger"], event["outcome"], event["source"], event["target"], event["calendar"]) == (
        "round:adopt_calendar",
        "deadline_resolved",
        "self_declaration.correcting",
        "self_declaration.correcting",
        loaded.version,
    )
    assert [(d["status"], shown(d["due_at"]), d["remainder"]) for d in event["deadlines"]] == [
        ("armed", "2027-01-05 17:30", None),
        ("armed", "2026-12-30 17:30", None),  # its reminders
        ("armed", "2027-01-04 17:30", None),
    ]
    script.at(local("2027-01-05T17:30") + MICROSECOND, tick=False)
    assert [r.state for r in wf.tick().fired][-1] == "withdrawn"
    assert wf.verify().problems == []


def test_a_sweep_with_grace_leaves_the_act_that_is_on_its_way(opened: Opened) -> None:
    script = opened(self_declaration=DECLARING)
    script.draft("甲")
    script.at(local("2022-09-30T17:30") + MICROSECOND, tick=False)

    assert [r.trigger for r in script.wf.tick(grace=timedelta(seconds=60)).fired] == ["begin"]
    assert script.state("甲") == "self_declaration.draft"
    script.at(local("2022-09-30T17:31") + MICROSECOND, tick=False)
    assert [r.trigger for r in script.wf.tick(grace=timedelta(seconds=60)).fired] == ["close"]
    assert script.state("甲") == "self_declaration.lapsed"


def test_whoever_enters_a_stage_after_its_phase_has_closed_meets_its_fate(opened: Opened) -> None:
    script = opened(self_declaration=DECLARING, local_recommendation=RECOMMENDING)
    script.declare("甲", "乙")
    script.at("2022-10-14T17:30:00.000001", tick=False)  # nobody has swept

    script.fire("甲", "accept", OFFICE)
    script.wf.tick()
    script.fire("乙", "accept", OFFICE)

    assert [script.state(name) for name in "甲乙"] == ["local_recommendation.missed"] * 2
    effective = [script.wf.history(script.apps[name])[-1]["effective_at"] for name in "甲乙"]
    assert [shown(e) for e in effective] == ["2022-10-14 17:30:00.000001"] * 2


def test_a_closed_phase_is_reopened_by_a_document_and_takes_what_comes(opened: Opened) -> None:
    script = opened(self_declaration=DECLARING, local_recommendation=RECOMMENDING)
    script.declare("甲")
    script.at("2022-10-17T09:00")
    phase = next(p for p in script.wf.cases(script.round, "phase") if p.stage == "local_recommendation")
    ground = {"document": "函〔9〕号", "reason": "系统故障", "closes_at": local("2022-10-20T17:30").isoformat()}

    assert code_of(lambda: script.wf.fire(phase, "reopen", ground, actor=NANCHANG)) == "not_allowed"
    script.wf.fire(phase, "reopen", ground, actor=OFFICE)
    script.fire("甲", "accept", OFFICE)

    assert script.state("甲") == "local_recommendation.pending"


def test_a_phase_ends_early_only_on_a_ground(opened: Opened) -> None:
    script = opened(self_declaration=DECLARING)
    phase = next(p for p in script.wf.cases(script.round, "phase") if p.stage == "self_declaration")
    script.at("2022-09-05T09:00")

    assert code_of(lambda: script.wf.fire(phase, "close", actor=OFFICE)) == "not_allowed"
    assert code_of(lambda: script.wf.fire(phase, "close_early", actor=OFFICE)) == "data_invalid"
    script.wf.fire(phase, "close_early", {"document": "函〔1〕号", "ground": "依据某条"}, actor=OFFICE)

    assert script.wf.case(phase).facts["closed_early_on"] == ["函〔1〕号", "依据某条"]
    script.at("2022-09-05T09:00:00.000001", tick=False)
    late = refusal_of(lambda: script.wf.open("application", declaration_of("甲"), actor=firm("甲"), round=script.round))
    assert late.code == "window_closed"


def test_a_count_does_not_wait_for_the_sweep(opened: Opened) -> None:
    script = opened(self_declaration={"max_per_enterprise": 1, "correction": "5 working days"})
    script.declare("甲")
    script.fire("甲", "return_for_correction", OFFICE, items=["检测报告"])
    again = {**declaration_of("甲"), "product": "另一产品"}
    second = script.wf.open("application", again, actor=firm("甲"), round=script.round)
    assert (
        code_of(lambda: script.wf.fire(second, "submit", {"truthful": True}, actor=firm("甲")))
        == "enterprise_cap_reached"
    )

    script.at("2022-12-01T09:00", tick=False)  # the correction has run out, and nobody has swept
    script.wf.fire(second, "submit", {"truthful": True}, actor=firm("甲"))

    assert script.state("甲") == "withdrawn"
    assert script.wf.case(second).state == "self_declaration.submitted"


def test_the_office_has_no_fresh_time_after_its_limit_has_run_out(opened: Opened) -> None:
    script = opened()
    script.carry("甲", to="qualification_check")
    script.past_next_due()
    assert script.wf.history(script.apps["甲"])[-1]["trigger"] == "qualification_check.overdue"

    script.fire("甲", "return_for_correction", OFFICE, items=["检测报告"])
    script.fire("甲", "resubmit", firm("甲"), documents=[evidence("other", "甲")])

    changed = {d["name"] for d in script.wf.history(script.apps["甲"])[-1]["deadlines"]}
    assert changed == {
        "qualification_check.correction_due",
        "qualification_check.correction_due 3 working days before",
        "qualification_check.correction_due 1 calendar day before",
        # who is told of the limit that has passed is told again, now that the papers are with the office once more
        "qualification_check.office_limit 1 working day after",
        "qualification_check.office_limit 3 working days after",
    }
    assert script.wf.next_due(alerts=False) is None


def test_a_case_of_another_round_is_no_parent(opened: Opened) -> None:
    first = opened("A")
    first.carry("甲", to="public_notice")
    second = opened("B")

    with pytest.raises(Unknown, match="belongs to another round"):
        second.wf.open(
            "objection",
            {"ground": "质量", "anonymous": True},
            actor=Actor(Role.PUBLIC, "c"),
            round=second.round,
            parent=first.apps["甲"],
            of=first.round,
            stage="public_notice",
        )


@pytest.mark.parametrize("kind", ["round", "phase"])
def test_a_round_is_opened_from_a_plan_only(opened: Opened, kind: str) -> None:
    script = opened()

    with pytest.raises(Invalid, match="open_round reads a plan"):
        script.wf.open(kind, {}, actor=OFFICE, round=script.round)


def test_a_private_value_that_is_public_anyway_blocks_nothing(opened: Opened) -> None:
    script = opened()
    data = declaration_of("甲")

    app = script.wf.open("application", {**data, "contact": data["enterprise"]}, actor=firm("甲"), round=script.round)
    script.wf.fire(app, "submit", {"truthful": True}, actor=firm("甲"))
    script.wf.fire(app, "refuse", {"reason_code": "incomplete", "text": "incomplete"}, actor=OFFICE)

    facts = script.wf.case(app).facts
    assert (facts["not_accepted"], list(facts["not_accepted_text"])) == ("incomplete", ["private"])
    assert list(facts["contact"]) == ["private"]


@pytest.mark.parametrize("name", ["scope", "person", "on_behalf_of"])
@pytest.mark.parametrize("value", ["x" * 121, "a\x00"])
def test_a_reference_that_fits_no_column_is_refused_before_the_database(name: str, value: str) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(Invalid, match=f"the {name} of an actor"):
        Actor(Role.OFFICE, **given)


def test_the_code_digest_covers_the_rules_that_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    import ganchu_stages.scoring_rules as rules
    from ganchu_workflow.engine import rulebook

    real = rulebook.source_digest
    modules = frozenset({Panel.__module__})
    before = code_digest.__wrapped__("ganchu_stages", modules)
    monkeypatch.setattr(rulebook, "source_digest", lambda m: "changed" if m is rules else real(m))

    assert code_digest.__wrapped__("ganchu_stages", modules) != before
