"""地方推荐: one letter decides order and quota, and only over what waits for its recommender."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from ganchu_stages.documents import Decision
from ganchu_stages.local_recommendation import (
    Letter,
    LocalRecommendation,
    LocalRecommendationSettings,
    Ranked,
    Recommendation,
)
from ganchu_stages.regions import CITIES
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Context, Reads
from ganchu_workflow.process.definition import StageInstance
from ganchu_workflow.process.language import CARRY_ON, START, PhaseWindow, Private, Stage, State, Transition
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.process.values import CaseView, Effects, Fire, Reversal
from ganchu_workflow.timing import Limit, Period, Reckoning, WorkingCalendar
from tests.stages.searchable import Searchable

STAGE, LETTER = LocalRecommendation(), Recommendation()
NOON = datetime(2021, 8, 2, 4, tzinfo=UTC)


class End(Stage):
    checking = State("审查中", owner=Role.OFFICE, initial=True)
    disqualified = State("不合格", final=True)
    announced = State("已公布", success=True)
    announce = Transition(checking, announced, by=Role.OFFICE)
    disqualify = Transition(checking, disqualified, by=Role.OFFICE)
    phase = PhaseWindow(at_close={checking: CARRY_ON})


class LocalFirst(LocalRecommendation):
    """The stage, as the first of a plan: applications are opened in it."""

    declare = Transition(START, LocalRecommendation.pending, by=Role.APPLICANT)


PROCESS = define(
    [
        StageInstance("local_recommendation", LocalFirst(), LocalRecommendationSettings()),
        StageInstance("end", End(), End.Settings()),
    ],
    CORE_KINDS,
)


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


def given(data: BaseModel) -> dict[str, Any]:
    """Canonical values, with a commitment for each private field."""
    found = data.model_dump(mode="json")
    hidden = [name for name, f in type(data).model_fields.items() if Private in f.metadata]
    return found | {name: {"private": f"commitment of {name}"} for name in hidden}


def case(case_id: str, kind: str, state: str, recommender: str, **facts: Any) -> CaseView:
    return CaseView(
        id=case_id,
        kind=kind,
        state=state,
        stage=state.partition(".")[0] if kind == "application" else "local_recommendation",
        visit=1,
        round="r1",
        parent=None,
        of=None,
        facts=facts,
        parties={Role.LOCAL_AUTHORITY: recommender},
        opened_at=NOON,
        seq=1,
        head="0" * 64,
    )


def application(case_id: str, state: str = "local_recommendation.pending", recommender: str = "360100") -> CaseView:
    return case(case_id, "application", state, recommender)


def context(of: CaseView, data: Any, *applications: CaseView, **settings: Any) -> Context[Any, Any]:
    return Context(
        reads=FakeReads([*applications]),
        process=PROCESS,
        case=of,
        data=data,
        given=given(data),
        actor=Actor(Role.LOCAL_AUTHORITY, "360100"),
        now=NOON,
        received_at=NOON,
        settings=LocalRecommendationSettings(**{"quota": {"360100": 2}} | settings),
    )


def issuing(
    ranks: dict[str, int], *applications: CaseView, recommender: str = "360100", **settings: Any
) -> Context[Any, Any]:
    letter = case("letter", "recommendation", "draft", recommender)
    return context(letter, Letter(letter="洪工信字〔2021〕12号", ranks=ranks), *applications, **settings)


A, B, C, D = map(application, "abcd")


# ── the definition ────────────────────────────────────────────────────────────────────────────────────────────────


def test_states_and_their_owners() -> None:
    states = LocalRecommendation.parts(State)

    assert {name: s.owner for name, s in states.items() if not s.final} == {
        "correcting": Role.APPLICANT,
        "pending": Role.LOCAL_AUTHORITY,
    }
    assert [name for name, s in states.items() if s.final] == ["not_recommended", "over_quota", "missed"]


def test_edges() -> None:
    own = [
        e
        for e in PROCESS.application.edges
        if e.stage == "local_recommendation" and e.trigger not in ("withdraw", "call_off", "declare")
    ]

    def at(state: str) -> str:
        return f"local_recommendation.{state}"

    late = [(e.trigger, e.source, e.target, set(e.by)) for e in own if e.late]
    assert [(e.trigger, e.source, e.target, set(e.by)) for e in own if not e.late] == [
        ("return_for_correction", at("pending"), at("correcting"), {Role.LOCAL_AUTHORITY}),
        ("resubmit", at("correcting"), at("pending"), {Role.APPLICANT}),
        ("give_up", at("correcting"), "withdrawn", {Role.CLOCK}),
        ("recommend", at("pending"), "end.checking", {Role.ENGINE}),
        ("exceed", at("pending"), at("over_quota"), {Role.ENGINE}),
        ("decline", at("pending"), at("not_recommended"), {Role.LOCAL_AUTHORITY}),
        ("miss", at("pending"), at("missed"), {Role.ENGINE}),
        ("revoke", "end.checking", at("not_recommended"), {Role.LOCAL_AUTHORITY}),
    ]
    assert late == [
        ("resubmit", "withdrawn", at("pending"), {Role.APPLICANT}),
        ("recommend", at("missed"), "end.checking", {Role.ENGINE}),
        ("exceed", at("missed"), at("over_quota"), {Role.ENGINE}),
    ]
    assert [e.trigger for e in own if e.transition.reopens] == ["revoke"]


def test_letter_is_drafted_and_issued_or_cancelled() -> None:
    kind = PROCESS.kind("recommendation")

    assert [(e.trigger, e.source, e.target, set(e.by)) for e in kind.edges] == [
        ("draw_up", None, "draft", {Role.LOCAL_AUTHORITY}),
        ("issue", "draft", "issued", {Role.LOCAL_AUTHORITY}),
        ("cancel", "draft", "discarded", {Role.LOCAL_AUTHORITY}),
    ]
    assert (kind.is_cohort, kind.rank, {n for n, s in kind.states.items() if s.final}) == (
        True,
        2,
        {"issued", "discarded"},
    )


def test_phase_admits_letters_until_it_closes_and_then_the_rest_was_missed() -> None:
    assert LocalRecommendation.phase.admits == (Recommendation.issue,)
    assert {s.name: fate for s, fate in LocalRecommendation.phase.at_close.items()} == {
        "pending": LocalRecommendation.miss,
        "correcting": CARRY_ON,
    }


# ── the settings ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_default_recommenders_are_the_eleven_cities_and_the_new_area() -> None:
    settings = LocalRecommendationSettings()

    assert settings.model_dump() == {
        "correction": Period.parse("5 working days"),
        "corrections": 1,
        "quota": {},
        "default_quota": None,
        "recommenders": CITIES,
    }
    assert sorted(CITIES) == [*(f"36{n:02}00" for n in range(1, 12)), "X-GJXQ"]


def test_quota_for_somebody_who_may_not_recommend_is_a_mistake_of_the_plan() -> None:
    with pytest.raises(
        ValidationError, match="quota names 360199, which recommenders does not have; there are: 360100"
    ):
        LocalRecommendationSettings(quota={"360199": 3}, recommenders={"360100": "南昌市"})


@pytest.mark.parametrize("wrong", [{"quota": {"360100": -1}}, {"default_quota": -1}, {"places": 3}])
def test_settings_of_the_wrong_form_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LocalRecommendationSettings(**wrong)


# ── issuing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_letter_names_its_number_and_at_least_one_application() -> None:
    for wrong in ({"letter": "", "ranks": {"a": 1}}, {"letter": "12号", "ranks": {}}, {"letter": "12号"}):
        with pytest.raises(ValidationError):
            Letter.model_validate(wrong)


@pytest.mark.parametrize("recommender", sorted(CITIES))
def test_registered_recommender_may_issue(recommender: str) -> None:
    assert LETTER.registered_recommender(issuing({"a": 1}, A, recommender=recommender)) is None


def test_recommender_outside_the_registry_is_refused() -> None:
    ctx = issuing({"a": 1}, A, quota={}, recommenders={"360400": "九江市"})

    assert LETTER.registered_recommender(ctx) == Refusal(
        "not_a_recommender",
        "360100不在本批次推荐单位名单中",
        "360100 is not among the recommenders of this round",
        {"recommender": "360100"},
    )


@pytest.mark.parametrize(
    "other",
    [
        application("x", recommender="360700"),
        application("x", "local_recommendation.correcting"),
        application("x", "local_recommendation.not_recommended"),
        application("x", "end.checking"),
        application("somebody else"),
    ],
)
def test_only_what_waits_for_this_recommender_can_be_ranked(other: CaseView) -> None:
    assert LETTER.own_pending_applications(issuing({"a": 1, "x": 2}, A, other)) == Refusal(
        "not_yours",
        "有1项不属本地推荐或不在待推荐状态",
        "1 of the applications do not wait for this recommender",
        {"cases": ["x"]},
    )


def test_own_pending_applications_can_be_ranked_without_ranking_all() -> None:
    assert LETTER.own_pending_applications(issuing({"a": 1, "b": 2}, A, B, C)) is None


def test_tied_ranks_are_refused() -> None:
    assert LETTER.one_rank_each(issuing({"a": 1, "b": 2, "c": 2}, A, B, C)) == Refusal(
        "tied_ranks", "排序并列:2", "two applications have the same rank: 2", {"ranks": [2]}
    )


@pytest.mark.parametrize("ranks", [{"a": 1, "b": 3}, {"a": 2, "b": 3}, {"a": 0, "b": 1}, {"a": -1, "b": 1}])
def test_ranks_with_a_gap_are_refused(ranks: dict[str, int]) -> None:
    assert LETTER.one_rank_each(issuing(ranks, A, B)) == Refusal(
        "ranks_not_consecutive",
        "排序应从1连续排到2",
        "the ranks must run from 1 to 2 without a gap",
        {"ranks": sorted(ranks.values())},
    )


def test_consecutive_ranks_are_accepted_in_any_order() -> None:
    assert LETTER.one_rank_each(issuing({"c": 1, "a": 3, "b": 2}, A, B, C)) is None


def test_recommender_without_a_quota_is_refused_unless_there_is_a_default() -> None:
    assert LETTER.a_place_is_left(issuing({"a": 1}, A, quota={})) == Refusal(
        "no_quota", "未给360100分配推荐名额", "360100 has no quota in this round", {"recommender": "360100"}
    )
    assert LETTER.a_place_is_left(issuing({"a": 1}, A, quota={}, default_quota=1)) is None


USED_UP = Refusal(
    "quota_used_up", "推荐名额2个已用完", "all 2 place(s) of the quota are used", {"places": 2, "used": 2}
)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (application("y", "end.checking"), USED_UP),
        (application("y", "end.announced"), USED_UP),
        (application("y", "end.disqualified"), USED_UP),
        (application("y", "local_recommendation.over_quota"), None),
        (application("y", "end.checking", "360400"), None),
    ],
)
def test_quota_counts_all_that_this_recommender_has_recommended(second: CaseView, expected: Refusal | None) -> None:
    ctx = issuing({"a": 1}, A, application("x", "end.checking"), second)

    assert LETTER.a_place_is_left(ctx) == expected


def test_quota_of_no_place_is_used_up_at_once() -> None:
    assert LETTER.a_place_is_left(issuing({"a": 1}, A, quota={"360100": 0})) == Refusal(
        "quota_used_up", "推荐名额0个已用完", "all 0 place(s) of the quota are used", {"places": 0, "used": 0}
    )


NUMBER = "洪工信字〔2021〕12号"


def test_letter_recommends_in_order_up_to_the_quota_and_no_further() -> None:
    effects = LETTER.recommend_in_order(issuing({"c": 1, "a": 2, "d": 3, "b": 4}, A, B, C, D))

    assert effects == Effects(
        facts={"letter": NUMBER, "recommended": 2, "over_quota": 2},
        members=[C, A, D, B],
        fire=[
            Fire(C, LocalRecommendation.recommend, {"letter": NUMBER, "rank": 1}),
            Fire(A, LocalRecommendation.recommend, {"letter": NUMBER, "rank": 2}),
            Fire(D, LocalRecommendation.exceed, {"letter": NUMBER, "rank": 3}),
            Fire(B, LocalRecommendation.exceed, {"letter": NUMBER, "rank": 4}),
        ],
    )


def test_second_letter_has_only_the_places_that_are_left() -> None:
    effects = LETTER.recommend_in_order(issuing({"a": 1, "b": 2}, A, B, application("x", "end.checking")))

    assert [f.transition for f in effects.fire] == [LocalRecommendation.recommend, LocalRecommendation.exceed]
    assert effects.facts == {"letter": NUMBER, "recommended": 1, "over_quota": 1}


def test_letter_below_its_quota_leaves_nobody_over() -> None:
    effects = LETTER.recommend_in_order(issuing({"a": 1}, A, B))

    assert (effects.members, effects.facts) == ([A], {"letter": NUMBER, "recommended": 1, "over_quota": 0})


# ── one application ───────────────────────────────────────────────────────────────────────────────────────────────


def test_application_carries_its_rank() -> None:
    assert STAGE.keep_rank(context(A, Ranked(letter=NUMBER, rank=3))) == Effects(
        facts={"recommendation": {"letter": NUMBER, "rank": 3}}
    )


def test_declining_keeps_the_ground_and_tells_nobody() -> None:
    assert STAGE.keep_reason(context(A, Decision(reason_code="not_local", text="企业不在本市"))) == Effects(
        facts={"not_recommended": "not_local", "not_recommended_text": {"private": "commitment of text"}}
    )


def test_revoking_keeps_the_document_it_rests_on_and_tells_nobody() -> None:
    moved = application("a", "end.checking")

    assert STAGE.keep_revocation(
        context(moved, Reversal(document="洪工信字〔2021〕15号", reason="举报属实"))
    ) == Effects(
        facts={
            "recommendation_revoked": "洪工信字〔2021〕15号",
            "recommendation_revoked_text": {"private": "commitment of reason"},
        }
    )
