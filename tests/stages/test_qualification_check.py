"""资格审查: what the rules say, what a person may add, and how long it may take."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

import pytest
from pydantic import BaseModel, ValidationError

from ganchu_stages.documents import Decision, Document, FileResubmission
from ganchu_stages.qualification_check import (
    RULES,
    CheckedFacts,
    Qualification,
    QualificationCheck,
    QualificationCheckSettings,
    QualificationRule,
    Result,
    Verdict,
)
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import encode
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process import fingerprint
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Context, Reads
from ganchu_workflow.process.definition import StageInstance
from ganchu_workflow.process.language import CARRY_ON, START, PhaseWindow, Private, Stage, State, Transition
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.process.values import CaseView, Effects, Facts, Message, Reversal
from ganchu_workflow.timing import Period

STAGE = QualificationCheck()
NOON = datetime(2021, 8, 2, 4, tzinfo=UTC)
NO_READS = cast(Reads, None)
"""The stage decides on the facts of the application alone: it reads no other case."""


class End(Stage):
    decided = State("待公布", owner=Role.OFFICE, initial=True)
    announced = State("已公布", success=True)
    announce = Transition(decided, announced, by=Role.OFFICE)
    phase = PhaseWindow(at_close={decided: CARRY_ON})


class CheckFirst(QualificationCheck):
    """The stage, as the first of a plan: applications are opened in it."""

    declare = Transition(START, QualificationCheck.checking, by=Role.APPLICANT)


PROCESS = define(
    [
        StageInstance("qualification_check", CheckFirst(), QualificationCheckSettings()),
        StageInstance("end", End(), End.Settings()),
    ],
    CORE_KINDS,
)


def document(kind: str) -> dict[str, str]:
    return {"name": "扫描件.pdf", "sha256": "a" * 64, "uri": f"oss://files/{kind}", "kind": kind}


TRADEMARK, LICENCE, CCC = map(document, ("trademark_certificate", "production_licence", "ccc_certificate"))
FACTS: dict[str, Any] = {
    "enterprise": "江西某某有限公司",
    "credit_code": "91360100MA00000159",
    "trademark": {"number": "12345678", "owner": "江西某某有限公司"},
    "ccc_in_scope": False,
    "licence_in_scope": False,
    "documents": [TRADEMARK],
    "version": 1,
}
ELSEWHERE: dict[str, Any] = {"credit_code": "91350200MA2YJ1XR9G"}


def given(data: BaseModel) -> dict[str, Any]:
    """Canonical values, with a commitment for each private field."""
    found = data.model_dump(mode="json")
    hidden = [name for name, f in type(data).model_fields.items() if Private in f.metadata]
    return found | {name: {"private": f"commitment of {name}"} for name in hidden}


def context(data: Any = None, settings: QualificationCheckSettings | None = None, **facts: Any) -> Context[Any, Any]:
    case = CaseView(
        id="a1",
        kind="application",
        state="qualification_check.checking",
        stage="qualification_check",
        visit=1,
        round="r1",
        parent=None,
        of=None,
        facts=FACTS | facts,
        parties={Role.APPLICANT: "e1"},
        opened_at=NOON,
        seq=1,
        head="0" * 64,
    )
    return Context(
        reads=NO_READS,
        process=PROCESS,
        case=case,
        data=data,
        given=given(data) if data else {},
        actor=Actor(Role.OFFICE),
        now=NOON,
        received_at=NOON,
        settings=settings or QualificationCheckSettings(),
    )


def examine(rule_id: str, **facts: Any) -> Verdict:
    (rule,) = [r for r in RULES if r.id == rule_id]
    return rule.examine(FACTS | facts)


# ── the definition ────────────────────────────────────────────────────────────────────────────────────────────────


def test_states_and_their_owners() -> None:
    states = QualificationCheck.parts(State)

    assert {name: s.owner for name, s in states.items() if not s.final} == {
        "correcting": Role.APPLICANT,
        "checking": Role.OFFICE,
        "deferred": Role.OFFICE,
    }
    assert [name for name, s in states.items() if s.final] == ["disqualified", "deemed_withdrawn"]


def test_edges() -> None:
    own = [
        e
        for e in PROCESS.application.edges
        if e.stage == "qualification_check" and e.trigger not in ("withdraw", "call_off", "declare")
    ]

    def at(state: str) -> str:
        return f"qualification_check.{state}"

    late = [(e.trigger, e.source, e.target, set(e.by)) for e in own if e.late]
    assert late == [("resubmit", at("deemed_withdrawn"), at("checking"), {Role.APPLICANT})]
    assert [(e.trigger, e.source, e.target, set(e.by)) for e in own if not e.late] == [
        ("return_for_correction", at("checking"), at("correcting"), {Role.OFFICE}),
        ("resubmit", at("correcting"), at("checking"), {Role.APPLICANT}),
        ("give_up", at("correcting"), at("deemed_withdrawn"), {Role.CLOCK}),
        ("qualify", at("checking"), "end.decided", {Role.OFFICE}),
        ("record", at("checking"), at("checking"), {Role.OFFICE}),
        ("disqualify", at("checking"), at("disqualified"), {Role.OFFICE}),
        ("defer", at("checking"), at("deferred"), {Role.OFFICE}),
        ("resume", at("deferred"), at("checking"), {Role.OFFICE}),
        ("overdue", at("checking"), at("checking"), {Role.CLOCK}),
        ("reconsider", at("disqualified"), at("checking"), {Role.OFFICE}),
    ]
    assert [e.trigger for e in own if e.transition.reopens] == ["reconsider"]


def test_deadlines() -> None:
    timers = [t for t in PROCESS.application.timers if t.stage == "qualification_check"]

    def bare(states: frozenset[str]) -> set[str]:
        return {s.removeprefix("qualification_check.") for s in states}

    assert [
        (
            t.deadline.name,
            str(t.deadline.rule),
            bare(t.runs_in),
            bare(t.stops_in),
            t.deadline.fires.name if t.deadline.fires else None,
            {trigger for _, trigger in t.admits},
        )
        for t in timers
    ] == [
        ("correction_due", "setting:correction", {"correcting"}, set(), "give_up", {"resubmit"}),
        ("office_limit", "setting:office_limit", {"checking"}, {"correcting", "deferred"}, "overdue", set()),
        ("reconsideration", "setting:reconsideration", {"disqualified"}, set(), None, {"reconsider"}),
    ]


def test_closing_of_the_phase_changes_nothing() -> None:
    assert QualificationCheck.phase.admits == ()
    assert {s.name: fate for s, fate in QualificationCheck.phase.at_close.items()} == {
        "checking": CARRY_ON,
        "correcting": CARRY_ON,
        "deferred": CARRY_ON,
    }


# ── the settings ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_defaults_of_the_settings() -> None:
    assert QualificationCheckSettings().model_dump() == {
        "correction": Period.parse("5 working days"),
        "corrections": 1,
        "rules": ["legal_person", "trademark_owner", "conditional_evidence"],
        "office_limit": Period.parse("7 working days"),
        "reconsideration": Period.parse("5 working days"),
    }


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["turnover"], "there is no rule turnover; there are: legal_person, trademark_owner, conditional_evidence"),
        (["legal_person", "legal_person"], "a rule is named twice"),
        ([], "at least 1 item"),
    ],
)
def test_rules_that_cannot_be_meant_are_a_mistake_of_the_plan(rules: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        QualificationCheckSettings(rules=rules)


# ── the rules ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rules_have_an_id_a_version_and_a_label() -> None:
    assert QualificationCheck.rules == {
        "legal_person": 1,
        "trademark_owner": 1,
        "conditional_evidence": 1,
        "clean_record": 1,
    }
    assert fingerprint.document(PROCESS)["stages"][0]["rules"] == QualificationCheck.rules
    assert [(r.id, r.version, r.label) for r in RULES] == [
        ("legal_person", 1, "在江西省依法设立的独立法人"),
        ("trademark_owner", 1, "商标注册人为申报企业"),
        ("conditional_evidence", 1, "应具备的强制性认证、生产许可"),
        ("clean_record", 1, "无经营异常、失信欠税、事故、停产记录"),
    ]


@pytest.mark.parametrize(
    ("facts", "result", "evidence"),
    [
        ({}, Result.PASS, {"area": "360100"}),
        (ELSEWHERE, Result.PERSON, {"area": "350200"}),
        ({"credit_code": None}, Result.PERSON, {"area": ""}),
    ],
)
def test_legal_person_of_jiangxi_by_its_area_else_a_person_must_find(
    facts: dict[str, Any], result: Result, evidence: dict[str, Any]
) -> None:
    verdict = examine("legal_person", **facts)

    assert (verdict.result, verdict.evidence) == (result, evidence)


@pytest.mark.parametrize(
    ("trademark", "result"),
    [
        ({"number": "1", "owner": "江西某某有限公司"}, Result.PASS),
        ({"number": "1", "owner": "91360100MA00000159"}, Result.PASS),
        ({"number": "1", "owner": "江西另一家有限公司"}, Result.FAIL),
        (None, Result.FAIL),
    ],
)
def test_trademark_is_the_applicants(trademark: dict[str, str] | None, result: Result) -> None:
    assert examine("trademark_owner", trademark=trademark).result == result


@pytest.mark.parametrize(
    ("facts", "needed", "missing"),
    [
        ({}, [], []),
        ({"documents": []}, [], []),
        ({"ccc_in_scope": True}, ["ccc_certificate"], ["ccc_certificate"]),
        ({"ccc_in_scope": True, "documents": [CCC]}, ["ccc_certificate"], []),
        (
            {"ccc_in_scope": True, "licence_in_scope": True, "documents": [CCC]},
            ["production_licence", "ccc_certificate"],
            ["production_licence"],
        ),
    ],
)
def test_evidence_is_needed_only_in_scope(facts: dict[str, Any], needed: list[str], missing: list[str]) -> None:
    verdict = examine("conditional_evidence", **facts)

    assert verdict.evidence == {"needed": needed, "missing": missing}
    assert verdict.result == (Result.FAIL if missing else Result.PASS)


CLEAN = {"abnormal": False, "dishonest": False, "accident": False, "stopped": False}


@pytest.mark.parametrize(
    ("checked", "result", "evidence"),
    [
        (None, Result.PERSON, {}),
        (CLEAN, Result.PASS, {"found": []}),
        (CLEAN | {"abnormal": True}, Result.FAIL, {"found": ["abnormal"]}),
        (CLEAN | {"dishonest": True}, Result.FAIL, {"found": ["dishonest"]}),
        (CLEAN | {"stopped": True, "accident": True}, Result.FAIL, {"found": ["accident", "stopped"]}),
    ],
)
def test_record_is_clean_when_it_has_been_looked_up_and_nothing_was_found(
    checked: dict[str, bool] | None, result: Result, evidence: dict[str, Any]
) -> None:
    verdict = examine("clean_record", checked=checked)

    assert (verdict.result, verdict.evidence) == (result, evidence)


def test_what_was_looked_up_is_kept_with_the_application() -> None:
    data = CheckedFacts(**CLEAN, findings={}, note="王某经查")

    assert STAGE.keep_what_was_found(context(data)) == Effects(
        facts={"checked": {**CLEAN, "findings": {}, "note": {"private": "commitment of note"}}}
    )


@pytest.mark.parametrize(
    ("recorded", "given_now", "refusals"),
    [
        ({"legal_person": "pass"}, {}, [None, None]),
        ({"legal_person": "fail"}, {}, [None, "rule_failed"]),
        ({"legal_person": "fail"}, {"legal_person": "pass"}, [None, None]),
        ({"legal_person": "pass"}, {"legal_person": "fail"}, [None, "rule_failed"]),
        ({}, {}, [None, "finding_needed"]),
        ({"trademark_owner": "fail"}, {"legal_person": "pass"}, [None, None]),  # it was asked for then, not now
    ],
)
def test_a_finding_that_was_recorded_counts_until_another_is_given(
    recorded: dict[str, Any], given_now: dict[str, Any], refusals: list[str | None]
) -> None:
    data = Qualification(findings=given_now, note="依据" if given_now else "")
    checked = {**CLEAN, "findings": recorded, "note": {"private": "commitment"}}

    found = refused(data, **ELSEWHERE, checked=checked)

    assert [r.code if r else None for r in found] == refusals


def test_recording_takes_a_finding_only_where_a_rule_leaves_it_to_a_person() -> None:
    data = CheckedFacts(**CLEAN, findings={"legal_person": "pass"}, note="依据")
    guards = QualificationCheck.record.guards

    assert [g.id for g in guards] == ["findings_are_asked_for"]
    assert guards[0].function(STAGE, context(data, **ELSEWHERE)) is None
    refusal = guards[0].function(STAGE, context(data))
    assert (refusal.code, refusal.detail) == ("finding_not_asked_for", {"rules": ["legal_person"]})


# ── qualifying ────────────────────────────────────────────────────────────────────────────────────────────────────


def refused(data: Qualification, **facts: Any) -> list[Refusal | None]:
    """What each guard of `qualify` says."""
    return [rule.function(STAGE, context(data, **facts)) for rule in QualificationCheck.qualify.guards]


def test_application_that_passes_every_rule_qualifies() -> None:
    assert refused(Qualification()) == [None, None]


def test_failed_rules_are_named() -> None:
    facts = {"trademark": {"number": "1", "owner": "江西另一家有限公司"}, "ccc_in_scope": True}

    assert refused(Qualification(), **facts) == [
        None,
        Refusal(
            "rule_failed",
            "不符合申报条件:商标注册人为申报企业(商标注册人不是申报企业);"
            "应具备的强制性认证、生产许可(缺少强制性产品认证(CCC)证书)",
            "conditions are not met: trademark_owner (the trademark is not the applicant's); "
            "conditional_evidence (documents are missing: ccc_certificate)",
            {"rules": ["trademark_owner", "conditional_evidence"]},
        ),
    ]


def test_rule_that_needs_a_person_waits_for_the_finding() -> None:
    assert refused(Qualification(), **ELSEWHERE) == [
        None,
        Refusal(
            "finding_needed",
            "须人工认定:在江西省依法设立的独立法人(登记机关不在江西省,须人工核实是否为本省独立法人)",
            "a person must find: legal_person (not registered in Jiangxi: a person must find whether it is a legal "
            "person established there)",
            {"rules": ["legal_person"]},
        ),
    ]


def test_finding_of_a_person_decides_where_the_rule_cannot() -> None:
    passed = Qualification(findings={"legal_person": "pass"}, note="见营业执照")
    failed = Qualification(findings={"legal_person": "fail"}, note="仅为分支机构")

    assert refused(passed, **ELSEWHERE) == [None, None]
    assert [r.code if r else None for r in refused(failed, **ELSEWHERE)] == [None, "rule_failed"]


def test_finding_without_a_ground_is_refused() -> None:
    ctx = context(Qualification(findings={"legal_person": "pass"}), **ELSEWHERE)

    assert STAGE.findings_are_asked_for(ctx) == Refusal(
        "finding_without_ground", "人工认定须说明依据", "say in the note on what ground a person found so"
    )


def test_person_cannot_find_against_a_rule_that_decides() -> None:
    ctx = context(Qualification(findings={"trademark_owner": "pass", "turnover": "pass"}, note="口头说明"))

    assert STAGE.findings_are_asked_for(ctx) == Refusal(
        "finding_not_asked_for",
        "下列规则无须人工认定:trademark_owner、turnover",
        "these rules leave nothing to a person: trademark_owner, turnover",
        {"rules": ["trademark_owner", "turnover"]},
    )


def test_rule_that_the_settings_leave_out_is_not_applied() -> None:
    settings = QualificationCheckSettings(rules=["trademark_owner"])
    ctx = context(Qualification(), settings, **ELSEWHERE)

    assert STAGE.rules_pass(ctx) is None
    assert [row["rule"] for row in STAGE.keep_verdicts(ctx).facts["qualification"]] == ["trademark_owner"]


def test_verdicts_are_kept_with_versions_and_findings() -> None:
    data = Qualification(findings={"legal_person": "pass"}, note="见王某提供的营业执照")
    effects = STAGE.keep_verdicts(context(data, **ELSEWHERE))

    owner = {"owner": "江西某某有限公司", "enterprise": "江西某某有限公司"}
    assert effects == Effects(
        facts={
            "qualification": [
                row("legal_person", "person", {"area": "350200"}, finding="pass"),
                row("trademark_owner", "pass", owner),
                row("conditional_evidence", "pass", {"needed": [], "missing": []}),
            ],
            "qualification_note": {"private": "commitment of note"},
        }
    )
    assert "王某" not in encode(effects.facts)


def row(rule: str, verdict: str, evidence: dict[str, Any], finding: str | None = None) -> dict[str, Any]:
    return {"rule": rule, "version": 1, "verdict": verdict, "finding": finding, "evidence": evidence}


def test_stage_of_ones_own_can_know_more_rules() -> None:
    def large_enough(facts: Facts) -> Verdict:
        return Verdict(Result.FAIL, "规模不足", "too small", {"staff": facts["staff"]})

    class MoreSettings(QualificationCheckSettings):
        known: ClassVar[tuple[QualificationRule, ...]] = (*RULES, QualificationRule("size", 4, "规模", large_enough))
        rules: list[str] = ["size"]

    ctx = context(Qualification(), MoreSettings(), staff=3)

    assert STAGE.rules_pass(ctx) == Refusal(
        "rule_failed", "不符合申报条件:规模(规模不足)", "conditions are not met: size (too small)", {"rules": ["size"]}
    )
    assert STAGE.keep_verdicts(ctx).facts["qualification"] == [
        {"rule": "size", "version": 4, "verdict": "fail", "finding": None, "evidence": {"staff": 3}}
    ]


def test_a_new_version_of_a_rule_is_a_new_version_of_what_applies_it() -> None:
    applied = [*QualificationCheck.qualify.guards, *QualificationCheck.qualify.effects]

    assert {rule.version for rule in applied} == {sum(rule.version for rule in RULES)}


# ── the other ways ────────────────────────────────────────────────────────────────────────────────────────────────


def test_disqualifying_keeps_the_ground_with_the_verdicts_and_tells_nobody() -> None:
    effects = STAGE.keep_disqualification(
        context(Decision(reason_code="ip_dispute", text="纠纷未决"), ccc_in_scope=True)
    )

    rows = effects.facts["qualification"]
    assert [(r["rule"], r["verdict"]) for r in rows] == [
        ("legal_person", "pass"),
        ("trademark_owner", "pass"),
        ("conditional_evidence", "fail"),
    ]
    assert effects == Effects(
        facts={
            "disqualified": "ip_dispute",
            "disqualified_text": {"private": "commitment of text"},
            "qualification": rows,
        }
    )


def test_deferring_keeps_the_ground() -> None:
    assert STAGE.keep_deferral(context(Decision(reason_code="investigation", text="正在核查"))) == Effects(
        facts={"deferred": "investigation", "deferred_text": {"private": "commitment of text"}}
    )


def test_reconsidering_keeps_both_decisions() -> None:
    reversal = Reversal(document="赣工信函〔2021〕8号", reason="补充材料属实")
    first = context(reversal, disqualified="ip_dispute")
    before = {"document": "赣工信函〔2021〕1号", "disqualified": "other"}
    again = context(reversal, disqualified="ip_dispute", reconsidered=[before])

    lifted = {"document": "赣工信函〔2021〕8号", "disqualified": "ip_dispute"}
    assert STAGE.keep_both(first) == Effects(
        facts={
            "reconsidered": [lifted],
            "reconsidered_text": {"private": "commitment of reason"},
            "disqualified": None,
        }
    )
    assert STAGE.keep_both(again).facts["reconsidered"] == [before, lifted]


def test_late_check_is_told_to_the_office_and_the_supervisor() -> None:
    body = {"limit": "7 working days"}

    assert STAGE.urge(context()) == Effects(
        tell=[
            Message("check_overdue", to=Role.OFFICE, body=body),
            Message("check_overdue", to=Role.SUPERVISOR, body=body),
        ]
    )


def test_silence_in_the_correction_is_told_to_the_applicant() -> None:
    assert STAGE.tell_withdrawn(context()) == Effects(tell=[Message("deemed_withdrawn", to=Role.APPLICANT)])


def test_document_handed_in_with_the_correction_satisfies_the_rule() -> None:
    returned = context(FileResubmission(documents=[Document.model_validate(LICENCE)]), licence_in_scope=True)
    facts = STAGE.next_version(returned).facts
    back = replace(returned, case=replace(returned.case, facts={**returned.case.facts, **facts}), data=Qualification())

    assert facts == {"version": 2, "documents": [TRADEMARK, LICENCE]}
    assert (STAGE.rules_pass(replace(back, case=returned.case)) is None, STAGE.rules_pass(back)) == (False, None)
