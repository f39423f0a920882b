"""企业自主申报: what may be declared, what may be submitted, and what is kept of it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from ganchu_stages.documents import Decision, Document, FileResubmission
from ganchu_stages.regions import CITIES
from ganchu_stages.self_declaration import Declaration, SelfDeclaration, SelfDeclarationSettings, Submission
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import digest_of, encode
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Context, Reads
from ganchu_workflow.process.definition import Process, StageInstance
from ganchu_workflow.process.language import CARRY_ON, PhaseWindow, Private, Stage, State, Transition
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.process.values import CaseView, Effects, Message
from ganchu_workflow.timing import Limit, Period, Reckoning, WorkingCalendar
from tests.stages.searchable import Searchable

STAGE = SelfDeclaration()
NOON = datetime(2021, 8, 2, 4, tzinfo=UTC)


class End(Stage):
    decided = State("待公布", owner=Role.OFFICE, initial=True)
    refused = State("未公布", final=True)
    announced = State("已公布", success=True)
    announce = Transition(decided, announced, by=Role.OFFICE)
    drop = Transition(decided, refused, by=Role.OFFICE)
    phase = PhaseWindow(at_close={decided: CARRY_ON})


class Registering(BaseModel):
    """The settings of a stage that registers recommenders."""

    recommenders: dict[str, str] = {}


def define_process(**settings: Any) -> Process:
    """Declaration, and an end whose settings may register recommenders."""
    instances = [
        StageInstance("self_declaration", STAGE, SelfDeclarationSettings()),
        StageInstance("end", End(), Registering(**settings)),
    ]
    return define(instances, CORE_KINDS)


PROCESS = define_process()


@dataclass
class FakeReads(Searchable, Reads):
    """The applications of a round, in a list."""

    cases: list[CaseView] = field(default_factory=list)

    def applications(self, stages: Any, owner: str) -> list[CaseView]:
        return [c for c in self.cases if c.state.partition(".")[0] in stages]

    def case(self, case_id: str) -> CaseView:
        raise NotImplementedError

    def children(self, parent_id: str, kind: str) -> list[CaseView]:
        raise NotImplementedError

    def belonging(self, of_id: str, kind: str) -> list[CaseView]:
        raise NotImplementedError

    def members(self, cohort_id: str) -> list[CaseView]:
        raise NotImplementedError

    def acts(self, application_id: str, kind: str) -> list[CaseView]:
        raise NotImplementedError

    def private(self, commitment: str) -> str | None:
        raise NotImplementedError

    def secret(self) -> str:
        raise NotImplementedError

    def reckon(self, period: Limit, start: datetime) -> Reckoning:
        raise NotImplementedError

    def in_force(self) -> tuple[WorkingCalendar, ZoneInfo, time]:
        raise NotImplementedError


def document(kind: str, name: str = "扫描件.pdf") -> dict[str, str]:
    return {"name": name, "sha256": "a" * 64, "uri": f"oss://files/{kind}", "kind": kind}


TRADEMARK, LICENCE, CCC = map(document, ("trademark_certificate", "production_licence", "ccc_certificate"))
CONTENT: dict[str, Any] = {
    "enterprise": "江西某某(集团)有限公司",
    "credit_code": "91360100MA00000159",
    "product": "智能水表",
    "city": "360100",
    "recommender": "360100",
    "trademark": {"number": "12345678", "owner": "91360100MA00000159"},
    "contact": "经办人 13800001234",
    "documents": [TRADEMARK],
}


def given(data: BaseModel) -> dict[str, Any]:
    """Canonical values, with a commitment for each private field."""
    found = data.model_dump(mode="json")
    hidden = [name for name, f in type(data).model_fields.items() if Private in f.metadata]
    return found | {name: {"private": f"commitment of {name}"} for name in hidden}


def application(state: str = "self_declaration.draft", case_id: str = "a1", **facts: Any) -> CaseView:
    return CaseView(
        id=case_id,
        kind="application",
        state=state,
        stage=state.partition(".")[0],
        visit=1,
        round="r1",
        parent=None,
        of=None,
        facts=facts,
        parties={Role.APPLICANT: "e1"},
        opened_at=NOON,
        seq=1,
        head="0" * 64,
    )


def context(case: CaseView, data: Any = None, *others: CaseView, **settings: Any) -> Context[Any, Any]:
    return Context(
        reads=FakeReads([case, *others]),
        process=PROCESS,
        case=case,
        data=data,
        given=given(data) if data else {},
        actor=Actor(Role.APPLICANT, "e1"),
        now=NOON,
        received_at=NOON,
        settings=SelfDeclarationSettings(**settings),
    )


def declared(**changes: Any) -> dict[str, Any]:
    """The facts of a declaration with this content."""
    effects = STAGE.keep_content(context(application(), Declaration.model_validate(CONTENT | changes)))
    return dict(effects.facts)


def submitting(case: CaseView, *others: CaseView, **settings: Any) -> Context[Any, Any]:
    return context(case, Submission(truthful=True), *others, **settings)


# ── the definition ────────────────────────────────────────────────────────────────────────────────────────────────


def test_states_and_their_owners() -> None:
    states = SelfDeclaration.parts(State)

    assert {name: s.owner for name, s in states.items() if not s.final} == {
        "correcting": Role.APPLICANT,
        "draft": Role.APPLICANT,
        "submitted": Role.OFFICE,
    }
    assert [name for name, s in states.items() if s.final] == ["not_accepted", "lapsed"]


def test_edges() -> None:
    own = [e for e in PROCESS.application.edges if e.stage == "self_declaration" and e.trigger not in INHERITED]

    assert [(e.trigger, e.source, e.target, set(e.by)) for e in own if e.late] == [
        ("resubmit", "withdrawn", "self_declaration.submitted", {Role.APPLICANT}),
        ("submit", "self_declaration.lapsed", "self_declaration.submitted", {Role.APPLICANT}),
    ]
    assert [(e.trigger, e.source, e.target, set(e.by)) for e in own if not e.late] == [
        ("return_for_correction", "self_declaration.submitted", "self_declaration.correcting", {Role.OFFICE}),
        ("resubmit", "self_declaration.correcting", "self_declaration.submitted", {Role.APPLICANT}),
        ("give_up", "self_declaration.correcting", "withdrawn", {Role.CLOCK}),
        ("declare", None, "self_declaration.draft", {Role.APPLICANT}),
        ("save", "self_declaration.draft", "self_declaration.draft", {Role.APPLICANT}),
        ("submit", "self_declaration.draft", "self_declaration.submitted", {Role.APPLICANT}),
        ("amend", "self_declaration.correcting", "self_declaration.correcting", {Role.APPLICANT}),
        ("accept", "self_declaration.submitted", "end.decided", {Role.OFFICE}),
        ("refuse", "self_declaration.submitted", "self_declaration.not_accepted", {Role.OFFICE}),
        ("lapse", "self_declaration.draft", "self_declaration.lapsed", {Role.ENGINE}),
    ]


INHERITED = ("withdraw", "call_off")


def test_phase_admits_declaring_until_it_closes_and_then_drafts_lapse() -> None:
    assert [t.name for t in SelfDeclaration.phase.admits] == ["declare", "save", "submit"]
    assert {s.name: fate for s, fate in SelfDeclaration.phase.at_close.items()} == {
        "draft": SelfDeclaration.lapse,
        "submitted": CARRY_ON,
        "correcting": CARRY_ON,
    }


def test_correction_is_in_time_by_its_own_deadline() -> None:
    timers = [t for t in PROCESS.application.timers if t.stage == "self_declaration"]

    assert [(t.name, set(t.runs_in), set(t.admits)) for t in timers] == [
        (
            "self_declaration.correction_due",
            {"self_declaration.correcting"},
            {("application", "resubmit"), ("application", "amend")},
        )
    ]


def test_a_resubmission_meets_the_conditions_of_a_submission() -> None:
    assert [r.id for r in SelfDeclaration.resubmit.guards] == [r.id for r in SelfDeclaration.submit.guards]


def test_defaults_of_the_settings() -> None:
    assert SelfDeclarationSettings().model_dump() == {
        "correction": Period.parse("5 working days"),
        "corrections": 1,
        "cities": CITIES,
        "max_per_enterprise": None,
    }


# ── declaring and saving ──────────────────────────────────────────────────────────────────────────────────────────


def test_declaring_keeps_the_content_with_commitments_for_what_is_private() -> None:
    effects = STAGE.keep_content(context(application(), Declaration.model_validate(CONTENT)))

    assert effects == Effects(
        facts={
            "number": None,
            **CONTENT,
            "contact": {"private": "commitment of contact"},
            "ccc_in_scope": False,
            "licence_in_scope": False,
            "credit_code_override": None,
            "warnings": [],
        },
        parties={Role.LOCAL_AUTHORITY: "360100"},
    )
    assert "13800001234" not in encode(effects.facts)


def test_credit_code_is_kept_normalised() -> None:
    assert declared(credit_code=" ９１３６０１００ｍａ０００００１５９ ")["credit_code"] == "91360100MA00000159"


def test_credit_code_of_the_wrong_shape_is_refused_even_with_a_reason() -> None:
    data = Declaration.model_validate(
        CONTENT | {"credit_code": "91360100OA00000159", "credit_code_override": "执照如此"}
    )

    assert STAGE.sound_credit_code(context(application(), data)) == Refusal(
        "credit_code_invalid",
        "统一社会信用代码第9位不能是“O”,是否应为 0?",
        "position 9 of a credit code cannot be 'O'; is it 0?",
        {"flaw": "character", "position": 9, "character": "O"},
    )


@pytest.mark.parametrize("reason", ["", "   "])
def test_failing_check_digit_is_refused_without_a_reason(reason: str) -> None:
    data = Declaration.model_validate(CONTENT | {"credit_code": "91350100M0001TGQXM", "credit_code_override": reason})

    assert STAGE.sound_credit_code(context(application(), data)) == Refusal(
        "credit_code_check_digit",
        "统一社会信用代码第18位校验码不符:应为1,现为M;如确认无误,请说明理由",
        "the check digit in position 18 does not fit: expected 1, found M; "
        "if the code is right all the same, say why in credit_code_override",
        {"position": 18, "expected": "1", "found": "M"},
    )


def test_failing_check_digit_with_a_reason_is_a_warning_that_is_kept() -> None:
    changes = {"credit_code": "91350100M0001TGQXM", "credit_code_override": "试点期间发放的代码"}
    refusal = STAGE.sound_credit_code(context(application(), Declaration.model_validate(CONTENT | changes)))
    facts = declared(**changes)

    assert refusal is None
    assert facts["credit_code_override"] == {"private": "commitment of credit_code_override"}
    assert facts["warnings"] == [
        {"code": "credit_code_check_digit", "position": 18, "expected": "1", "found": "M"},
    ]


def test_reason_for_a_sound_code_is_no_warning_and_is_not_kept() -> None:
    facts = declared(credit_code_override="多余的理由")

    assert (facts["warnings"], facts["credit_code_override"]) == ([], None)


def test_saving_replaces_content_and_recommender() -> None:
    case = application(**declared(documents=[TRADEMARK, LICENCE]))
    effects = STAGE.keep_content(
        context(case, Declaration.model_validate(CONTENT | {"product": "热量表", "recommender": "X-GJXQ"}))
    )

    assert (effects.facts["product"], effects.facts["documents"]) == ("热量表", [TRADEMARK])
    assert effects.parties == {Role.LOCAL_AUTHORITY: "X-GJXQ"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"product": ""},
        {"contact": " "},
        {"recommender": "南昌"},
        {"documents": [{**TRADEMARK, "kind": "something"}]},
        {"documents": [{**TRADEMARK, "sha256": "abc"}]},
        {"legal_representative": "某人"},
    ],
)
def test_declaration_of_the_wrong_form_is_not_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Declaration.model_validate(CONTENT | wrong)


def declaring(*others: CaseView, **changes: Any) -> list[str | None]:
    """The code with which each guard of `declare` refuses this content."""
    ctx = context(application(), Declaration.model_validate(CONTENT | changes), *others)
    return [r.code if r else None for r in (g.function(STAGE, ctx) for g in SelfDeclaration.declare.guards)]


def test_content_is_asked_the_same_whenever_it_is_given() -> None:
    guards = [r.id for r in SelfDeclaration.declare.guards]

    assert guards == ["credit_code", "known_places", "one_number_each"]
    assert [[r.id for r in t.guards] for t in (SelfDeclaration.save, SelfDeclaration.amend)] == [guards, guards]


def test_a_missing_credit_code_needs_a_reason_and_is_a_warning() -> None:
    assert declaring(credit_code=None) == ["credit_code_missing", None, None]
    assert declaring(credit_code=None, credit_code_override="来源未载明") == [None, None, None]
    facts = declared(credit_code=None, credit_code_override="来源未载明")
    assert (facts["credit_code"], facts["warnings"]) == (None, [{"code": "credit_code_missing"}])
    assert facts["credit_code_override"] == {"private": "commitment of credit_code_override"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"city": "X-GJXQ", "recommender": "X-GJXQ"}, None),
        ({"city": "350100"}, "city_unknown"),
        ({"city": "360000"}, "city_unknown"),
        ({"city": "360100", "recommender": "350100"}, None),  # this plan registers no recommenders
    ],
)
def test_city_is_one_of_the_rounds(changes: dict[str, str], code: str | None) -> None:
    assert declaring(**changes) == [None, code, None]


def test_recommender_is_one_that_the_plan_registers() -> None:
    process = define_process(recommenders={"360100": "南昌市"})
    found = []
    for recommender in ("360100", "360700"):
        data = Declaration.model_validate(CONTENT | {"recommender": recommender})
        found.append(STAGE.known_places(replace(context(application(), data), process=process)))

    assert found == [
        None,
        Refusal(
            "recommender_unknown",
            "推荐单位代码360700不在本批次名单中",
            "the recommender 360700 is not one of this round's: 360100",
            {"recommender": "360700"},
        ),
    ]


def test_no_two_applications_have_one_number() -> None:
    other = application("end.refused", "a2", **declared(number="GCJP-0001"))

    assert declaring(other, number="GCJP-0002") == [None, None, None]
    assert declaring(other, number="GCJP-0001") == [None, None, "number_taken"]
    assert declaring(other) == [None, None, None]
    own = application(case_id="a2", **declared(number="GCJP-0001"))
    ctx = context(own, Declaration.model_validate(CONTENT | {"number": "GCJP-0001"}))
    assert STAGE.one_number_each(ctx) is None


# ── submitting ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_submitted_without_the_truthfulness_commitment() -> None:
    for wrong in ({}, {"truthful": False}):
        with pytest.raises(ValidationError):
            Submission.model_validate(wrong)


def test_submission_is_kept_and_acknowledged() -> None:
    assert STAGE.receive(submitting(application(**declared()))) == Effects(
        facts={"truthful": True, "version": 1},
        tell=[Message("declaration_received", to=Role.APPLICANT, body={"product": "智能水表"})],
    )


@pytest.mark.parametrize(
    "owner",
    ["91360100MA00000159", "91360100ma00000159", "江西某某(集团)有限公司", "江西某某\uff08集团\uff09 有限公司"],
)
def test_trademark_of_the_applicant_by_code_or_name_is_accepted(owner: str) -> None:
    case = application(**declared(trademark={"number": "1", "owner": owner}))

    assert STAGE.own_trademark(submitting(case)) is None


def test_trademark_of_somebody_else_is_refused() -> None:
    case = application(**declared(trademark={"number": "1", "owner": "江西另一家有限公司"}))

    assert STAGE.own_trademark(submitting(case)) == Refusal(
        "trademark_owner",
        "商标注册人应为申报企业",
        "the owner of the trademark must be the applicant itself",
        {"owner": "江西另一家有限公司", "enterprise": "江西某某(集团)有限公司"},
    )


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"documents": []}, ["trademark_certificate"]),
        ({"licence_in_scope": True}, ["production_licence"]),
        ({"ccc_in_scope": True}, ["ccc_certificate"]),
        ({"ccc_in_scope": True, "documents": [CCC, document("other")]}, ["trademark_certificate"]),
        (
            {"ccc_in_scope": True, "licence_in_scope": True, "documents": []},
            ["trademark_certificate", "production_licence", "ccc_certificate"],
        ),
    ],
)
def test_missing_evidence_is_named(changes: dict[str, Any], missing: list[str]) -> None:
    labels = {
        "trademark_certificate": "商标注册证",
        "production_licence": "生产许可证",
        "ccc_certificate": "强制性产品认证(CCC)证书",
    }

    assert STAGE.evidence_complete(submitting(application(**declared(**changes)))) == Refusal(
        "evidence_missing",
        f"缺少材料:{'、'.join(labels[m] for m in missing)}",
        f"documents are missing: {', '.join(missing)}",
        {"missing": missing},
    )


def test_complete_evidence_is_accepted() -> None:
    facts = declared(ccc_in_scope=True, licence_in_scope=True, documents=[TRADEMARK, LICENCE, CCC])

    assert STAGE.evidence_complete(submitting(application(**facts))) is None
    assert STAGE.evidence_complete(submitting(application(**declared()))) is None


ALREADY = Refusal(
    "product_declared_already",
    "本企业的“智能水表”在本批次中已申报",
    "the enterprise has already declared '智能水表' in this round",
    {"case": "a2"},
)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("self_declaration.submitted", ALREADY),
        ("self_declaration.correcting", ALREADY),
        ("end.decided", ALREADY),
        ("end.announced", ALREADY),
        ("self_declaration.draft", None),
        ("self_declaration.not_accepted", None),
        ("self_declaration.lapsed", None),
        ("end.refused", None),
    ],
)
def test_product_is_in_the_round_once(state: str, expected: Refusal | None) -> None:
    case = application(**declared())
    other = application(state, "a2", **declared(product="智能 水表"))

    assert STAGE.not_declared_already(submitting(case, other)) == expected


def test_same_product_of_another_enterprise_and_another_product_of_this_one_do_not_collide() -> None:
    case = application(**declared())
    others = [
        application("self_declaration.submitted", "a2", **declared(credit_code="91360200MA0000015E")),
        application("self_declaration.submitted", "a3", **declared(product="热量表")),
    ]

    assert STAGE.not_declared_already(submitting(case, *others)) is None


def test_without_a_credit_code_an_enterprise_is_known_by_its_name() -> None:
    nameless = {"credit_code": None, "credit_code_override": "来源未载明"}
    case = application(**declared(**nameless))
    same = application("self_declaration.submitted", "a2", **declared(**nameless))
    other = application("self_declaration.submitted", "a3", **declared(**nameless, enterprise="江西另一家有限公司"))

    assert STAGE.not_declared_already(submitting(case, other)) is None
    assert STAGE.not_declared_already(submitting(case, same)) == ALREADY


def test_an_enterprise_does_not_become_another_by_leaving_its_credit_code_out() -> None:
    nameless = {"credit_code": None, "credit_code_override": "来源未载明"}
    with_code, without = application(**declared()), application(**declared(**nameless))
    first_without = application("self_declaration.submitted", "a2", **declared(**nameless))
    first_with = application("self_declaration.submitted", "a2", **declared())

    assert STAGE.not_declared_already(submitting(with_code, first_without)) == ALREADY
    assert STAGE.not_declared_already(submitting(without, first_with)) == ALREADY
    assert STAGE.within_cap(submitting(with_code, first_without, max_per_enterprise=1)) is not None
    # Two codes are two enterprises, whatever they are called.
    another = application("self_declaration.submitted", "a2", **declared(credit_code="91360200MA0000015E"))
    assert STAGE.not_declared_already(submitting(with_code, another)) is None


def test_cap_counts_what_the_enterprise_has_in_the_round() -> None:
    case = application(**declared())
    others = [
        application("self_declaration.submitted", "a2", **declared(product="热量表")),
        application("end.decided", "a3", **declared(product="电表")),
        application("end.refused", "a4", **declared(product="气表")),
        application("self_declaration.draft", "a5", **declared(product="油表")),
        application("self_declaration.submitted", "a6", **declared(credit_code="91360200MA0000015E")),
    ]

    assert STAGE.within_cap(submitting(case, *others)) is None
    assert STAGE.within_cap(submitting(case, *others, max_per_enterprise=3)) is None
    assert STAGE.within_cap(submitting(case, *others, max_per_enterprise=2)) == Refusal(
        "enterprise_cap_reached",
        "每家企业限申报2项,本企业已申报2项",
        "an enterprise may declare 2 product(s); this one already has 2 in the round",
        {"allowed": 2, "held": 2},
    )


# ── correcting ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_amending_replaces_the_content_but_drops_no_document() -> None:
    case = application("self_declaration.correcting", **declared(documents=[TRADEMARK, LICENCE]), version=1)
    effects = STAGE.amend_content(
        context(case, Declaration.model_validate(CONTENT | {"product": "热量表", "documents": [TRADEMARK, CCC]}))
    )

    assert (effects.facts["product"], effects.facts["documents"]) == ("热量表", [TRADEMARK, LICENCE, CCC])


def test_resubmitting_adds_documents_and_a_version() -> None:
    case = application("self_declaration.correcting", **declared(), version=1)
    ctx = context(case, FileResubmission(documents=[Document.model_validate(CCC)]))

    assert STAGE.receive_again(ctx) == Effects(facts={"version": 2, "documents": [TRADEMARK, CCC]})


def test_evidence_handed_in_with_the_resubmission_counts() -> None:
    case = application("self_declaration.correcting", **declared(ccc_in_scope=True), version=1)
    with_it = context(case, FileResubmission(documents=[Document.model_validate(CCC)]))
    without = context(case, FileResubmission())

    assert STAGE.evidence_complete(with_it) is None
    assert STAGE.evidence_complete(without) == Refusal(
        "evidence_missing",
        "缺少材料:强制性产品认证(CCC)证书",
        "documents are missing: ccc_certificate",
        {"missing": ["ccc_certificate"]},
    )


# ── the office ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_accepting_fixes_version_and_digest_of_the_content_and_tells_the_enterprise() -> None:
    facts = declared()
    case = application("self_declaration.submitted", **facts, version=2, truthful=True)
    content = {name: facts[name] for name in Declaration.model_fields}

    assert STAGE.keep_accepted(context(case)) == Effects(
        facts={"accepted": {"version": 2, "digest": digest_of(content)}},
        tell=[Message("declaration_accepted", to=Role.APPLICANT)],
    )


def test_digest_of_what_was_accepted_changes_with_the_content() -> None:
    case = application("self_declaration.submitted", **declared(), version=1)
    changed = replace(case, facts={**case.facts, "product": "热量表"})

    assert STAGE.keep_accepted(context(case)) != STAGE.keep_accepted(context(changed))


def test_refusal_keeps_the_ground_behind_a_commitment_and_tells_its_code() -> None:
    case = application("self_declaration.submitted", **declared())

    assert STAGE.say_why(context(case, Decision(reason_code="out_of_scope", text="王某所报产品不在范围"))) == Effects(
        facts={"not_accepted": "out_of_scope", "not_accepted_text": {"private": "commitment of text"}},
        tell=[Message("declaration_not_accepted", to=Role.APPLICANT, body={"reason_code": "out_of_scope"})],
    )


def test_lapse_is_told() -> None:
    assert STAGE.tell_lapsed(context(application(**declared()))) == Effects(
        tell=[Message("declaration_lapsed", to=Role.APPLICANT, body={"product": "智能水表"})]
    )
