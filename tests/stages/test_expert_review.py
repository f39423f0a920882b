"""专家评审: sheets are blind, a panel ranks its whole group at once, and a late recusal has it compute again."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from ganchu_stages.draw import Seat
from ganchu_stages.expert_review import ExpertReview, Panel
from ganchu_stages.panel import (
    Assignment,
    ExpertReviewSettings,
    Filling,
    Handout,
    LateRecusal,
    RankingOrder,
    Recusal,
    Scoring,
    Sheet,
    TieDecision,
)
from ganchu_stages.scoring_rules import DIMENSIONS, RULES
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import digest_of, encode
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Context, Reads
from ganchu_workflow.process.definition import KindDefinition, StageInstance
from ganchu_workflow.process.fingerprint import document
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    START,
    NoSettings,
    PhaseWindow,
    Private,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.rounds import CORE_KINDS, Ground
from ganchu_workflow.process.values import CaseView, Effects, Fire, Message, Open, Reversal
from ganchu_workflow.timing import Limit, Reckoning, WorkingCalendar
from tests.stages.searchable import Searchable

NOON = datetime(2021, 10, 11, 4, tzinfo=UTC)
SETTINGS = {"places": 2, "reserve_places": 1, "panel_size": 3, "panel_size_min": 3, "quorum": 2, "rule": "mean"}
PANEL, SHEET, STAGE = Panel(), Sheet(), ExpertReview()
HERE = "expert_review."


class First(Stage):
    draft = State("草稿", owner=Role.APPLICANT, initial=True)
    declare = Transition(START, draft, by=Role.APPLICANT)
    go = Transition(draft, PASSED, by=Role.APPLICANT)
    phase = PhaseWindow(at_close={draft: CARRY_ON})


class Last(Stage):
    decided = State("待公布", owner=Role.OFFICE, initial=True)
    announced = State("已公布", success=True)
    announce = Transition(decided, announced, by=Role.OFFICE)
    phase = PhaseWindow(at_close={decided: CARRY_ON})


PROCESS = define(
    [
        StageInstance("first", First(), NoSettings()),
        StageInstance("expert_review", ExpertReview(), ExpertReviewSettings.model_validate(SETTINGS)),
        StageInstance("last", Last(), NoSettings()),
    ],
    CORE_KINDS,
)


@dataclass
class World(Searchable, Reads):
    """Cases in a list, in the order of opening; a cohort's members by its id."""

    cases: list[CaseView] = field(default_factory=list)
    listed: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def case(self, case_id: str) -> CaseView:
        return next(c for c in self.cases if c.id == case_id)

    def children(self, parent_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases if (c.parent, c.kind) == (parent_id, kind)]

    def belonging(self, of_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases if (c.of, c.kind) == (of_id, kind)]

    def members(self, cohort_id: str) -> list[CaseView]:
        return [self.case(i) for i in self.listed.get(cohort_id, [])]

    def acts(self, application_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases if c.kind == kind and application_id in self.listed.get(c.id, [])]

    def applications(self, stages: Any, owner: str) -> list[CaseView]:
        return [c for c in self.cases if c.kind == "application" and c.stage in stages]

    def private(self, commitment: str) -> str | None:
        return self.values.get(commitment)

    def secret(self) -> str:
        raise NotImplementedError

    def reckon(self, period: Limit, start: datetime) -> Reckoning:
        raise NotImplementedError

    def in_force(self) -> tuple[WorkingCalendar, ZoneInfo, time]:
        raise NotImplementedError


def case(kind: str, case_id: str, state: str, **given: Any) -> CaseView:
    values: dict[str, Any] = {
        "stage": "expert_review",
        "visit": 1,
        "round": "r1",
        "parent": None,
        "of": None,
        "facts": {},
        "parties": {},
        "opened_at": NOON,
        "seq": 1,
        "head": "0" * 64,
    }
    return CaseView(id=case_id, kind=kind, state=state, **{**values, **given})


def application(case_id: str, state: str = HERE + "scored", panel: str | None = "p1", visit: int = 1) -> CaseView:
    stage = state.partition(".")[0] if "." in state else "expert_review"
    return case("application", case_id, state, stage=stage, visit=visit, facts=held_by(panel))


def held_by(panel: str | None, stage: str = "expert_review") -> dict[str, Any]:
    """What an application knows of who has it; one that no panel has taken yet knows nothing."""
    return {"panel": {stage: panel}} if panel else {}


def panel(state: str = "scoring", case_id: str = "p1", **facts: Any) -> CaseView:
    return case("panel", case_id, state, facts=facts)


def seat(expert: str, state: str = "accepted") -> CaseView:
    return case("seat", f"seat-{expert}", state, parent="p1", of="p1", parties={Role.EXPERT: expert})


def sheet(of: str, expert: str, hundredths: int | None = None, state: str = "", panel: str = "p1") -> CaseView:
    """A sheet of this application and expert: assigned without a total, scored with one."""
    facts = {} if hundredths is None else {"hundredths": hundredths}
    state = state or ("assigned" if hundredths is None else "scored")
    return case("sheet", f"{of}-{expert}", state, parent=of, of=panel, facts=facts, parties={Role.EXPERT: expert})


def given(data: BaseModel) -> dict[str, Any]:
    """Canonical values, with a commitment for each private field."""
    found = data.model_dump(mode="json")
    hidden = [name for name, f in type(data).model_fields.items() if Private in f.metadata]
    return found | {name: {"private": f"commitment of {name}"} for name in hidden}


def context(world: World, of: CaseView, data: Any = None, **settings: Any) -> Context[Any, Any]:
    return Context(
        reads=world,
        process=PROCESS,
        case=of,
        data=data,
        given=given(data) if data else {},
        actor=Actor(Role.OFFICE),
        now=NOON,
        received_at=NOON,
        settings=ExpertReviewSettings.model_validate({**SETTINGS, **settings}),
    )


def code(refusal: Refusal | None) -> str | None:
    return refusal.code if refusal else None


def edges(kind: KindDefinition, stage: str = "") -> list[tuple[str, str | None, str, set[Role]]]:
    return [(e.trigger, e.source, e.target, set(e.by)) for e in kind.edges if e.stage == stage]


# ── the definition ──


def test_an_application_has_these_ways() -> None:
    engine, office = {Role.ENGINE}, {Role.OFFICE}
    assert edges(PROCESS.application, "expert_review") == [
        *(
            ("withdraw", f"{HERE}{state}", "withdrawn", {Role.APPLICANT})
            for state in ("grouping", "scoring", "scored", "no_valid_result", "reserve")
        ),
        *(
            ("call_off", f"{HERE}{state}", "called_off", engine)
            for state in ("grouping", "scoring", "scored", "no_valid_result", "reserve")
        ),
        ("assign", f"{HERE}grouping", f"{HERE}scoring", engine),
        ("complete", f"{HERE}scoring", f"{HERE}scored", engine),
        ("insufficient", f"{HERE}scoring", f"{HERE}no_valid_result", engine),
        ("fall_short", f"{HERE}scored", f"{HERE}no_valid_result", engine),
        ("regroup", f"{HERE}no_valid_result", f"{HERE}grouping", office),
        ("shortlist", f"{HERE}scored", "last.decided", engine),
        ("keep", f"{HERE}scored", f"{HERE}reserve", engine),
        ("drop", f"{HERE}scored", f"{HERE}not_shortlisted", engine),
        ("promote", f"{HERE}reserve", "last.decided", engine),
        ("promote", f"{HERE}not_shortlisted", "last.decided", engine),
        ("demote", "last.decided", f"{HERE}reserve", engine),
        ("demote", f"{HERE}not_shortlisted", f"{HERE}reserve", engine),
        ("exclude", "last.decided", f"{HERE}not_shortlisted", engine),
        ("exclude", f"{HERE}reserve", f"{HERE}not_shortlisted", engine),
        ("annul", "last.decided", f"{HERE}no_valid_result", engine),
        ("annul", f"{HERE}reserve", f"{HERE}no_valid_result", engine),
        ("annul", f"{HERE}not_shortlisted", f"{HERE}no_valid_result", engine),
        ("fill", f"{HERE}reserve", "last.decided", office),
        ("release", f"{HERE}reserve", f"{HERE}not_shortlisted", office),
    ]


def test_each_state_waits_for_somebody() -> None:
    found = {n: s.owner for n, s in PROCESS.application.states.items() if n.startswith(HERE)}
    assert found == {
        f"{HERE}grouping": Role.OFFICE,
        f"{HERE}scoring": Role.EXPERT,
        f"{HERE}scored": Role.OFFICE,
        f"{HERE}no_valid_result": Role.OFFICE,
        f"{HERE}reserve": Role.OFFICE,
        f"{HERE}not_shortlisted": None,
    }


def test_a_panel_has_these_ways() -> None:
    office = {Role.OFFICE}
    kind = PROCESS.kind("panel")
    assert edges(kind) == [
        ("convene", None, "forming", office),
        ("draw", "forming", "forming", {Role.OFFICE, Role.SUPERVISOR}),
        ("replace", "forming", "forming", {Role.ENGINE}),
        ("staffed", "forming", "ready", {Role.ENGINE}),
        ("begin", "ready", "scoring", office),
        ("rank", "scoring", "ranked", office),
        ("rerank", "ranked", "ranked", {Role.ENGINE}),
        ("break_tie", "ranked", "ranked", office),
        ("disband", "forming", "disbanded", office),
        ("disband", "ready", "disbanded", office),
        ("disband", "scoring", "disbanded", office),
    ]
    assert (kind.rank, kind.is_cohort) == (2, True)


def test_a_sheet_has_these_ways() -> None:
    kind = PROCESS.kind("sheet")
    assert edges(kind) == [
        ("open", None, "assigned", {Role.ENGINE}),
        ("score", "assigned", "scored", {Role.EXPERT}),
        ("recuse", "assigned", "void", {Role.EXPERT, Role.SUPERVISOR}),
        ("recuse_late", "scored", "void", {Role.SUPERVISOR}),
        ("set_aside", "scored", "void", {Role.ENGINE}),
        ("orphaned", "assigned", "void", {Role.ENGINE}),
    ]
    assert kind.lifecycle.orphaned is Sheet.orphaned


def test_the_phase_closing_changes_nothing() -> None:
    window = PROCESS.phase_window("expert_review")
    assert window is not None
    assert {state.name: fate for state, fate in window.at_close.items()} == dict.fromkeys(
        ("grouping", "scoring", "scored", "no_valid_result", "reserve"), CARRY_ON
    )


def test_reversals_by_people_state_their_ground() -> None:
    assert issubclass(LateRecusal, Reversal)
    assert issubclass(TieDecision, Reversal)


def test_the_rules_a_plan_can_name_are_known_with_their_versions() -> None:
    assert ExpertReview.rules == {"trimmed_mean": 1, "mean": 1, "median": 1, "draw": 1}
    assert {name: ExpertReview.rules[name] for name in RULES} == {name: rule.version for name, rule in RULES.items()}
    stage = next(s for s in document(PROCESS)["stages"] if s["name"] == "expert_review")
    assert stage["rules"] == ExpertReview.rules


# ── handing out ──


def beginning(
    data: dict[str, list[str]] | None = None, experts: tuple[str, ...] = ("x1", "x2", "x3"), **settings: Any
) -> Context[Any, Any]:
    waiting = [application(i, f"{HERE}grouping", None) for i in ("a", "b")]
    gone = application("c", "withdrawn", None)
    of = panel("ready")
    seats = [*(seat(e) for e in experts), seat("x9", "declined")]
    world = World([of, *waiting, gone, *seats], {"p1": ["a", "b", "c"]})
    return context(world, of, Handout(conflicts=data or {}), **settings)


@pytest.mark.parametrize(
    ("conflicts", "experts", "settings", "refusal"),
    [
        ({}, ("x1", "x2", "x3"), {}, None),
        ({"a": ["x3"]}, ("x1", "x2", "x3"), {}, None),
        ({"a": ["x4"]}, ("x1", "x2", "x3"), {}, "conflict_unknown"),
        ({"a": ["x9"]}, ("x1", "x2", "x3"), {}, "conflict_unknown"),
        ({"z": ["x1"]}, ("x1", "x2", "x3"), {}, "conflict_unknown"),
        ({"c": []}, ("x1", "x2", "x3"), {}, "conflict_unknown"),
        ({}, ("x1", "x2", "x3", "x4"), {}, "panel_not_odd"),
        ({}, ("x1", "x2", "x3", "x4"), {"odd": False}, None),
    ],
)
def test_beginning_asks_whether_the_panel_is_fit(
    conflicts: dict[str, list[str]], experts: tuple[str, ...], settings: dict[str, Any], refusal: str | None
) -> None:
    assert code(PANEL.fit_to_begin(beginning(conflicts, experts, **settings))) == refusal


def test_beginning_needs_somebody_to_review() -> None:
    of = panel("ready")
    world = World([of, application("a", "withdrawn"), seat("x1")], {"p1": ["a"]})
    assert code(PANEL.fit_to_begin(context(world, of, Handout()))) == "no_members"


def test_beginning_leaves_every_application_its_quorum() -> None:
    assert PANEL.enough_for_a_quorum(beginning({"a": ["x1"]})) is None
    assert PANEL.enough_for_a_quorum(beginning({"a": ["x1", "x2"]})) == Refusal(
        "too_few_experts",
        "有1项回避后专家不足2人",
        "1 application(s) are left with fewer than 2 experts",
        {"cases": ["a"], "needed": 2},
    )


def test_beginning_hands_out_a_sheet_for_each_pair_without_conflict() -> None:
    ctx = beginning({"a": ["x3"]})
    a, b = (ctx.reads.case(i) for i in "ab")
    pairs = [(a, "x1"), (a, "x2"), (b, "x1"), (b, "x2"), (b, "x3")]
    assert PANEL.hand_out_the_sheets(ctx) == Effects(
        facts={"experts": ["x1", "x2", "x3"], "conflicts": {"a": ["x3"]}},
        open=[Open(Sheet, parent=m, of=ctx.case, parties={Role.EXPERT: e}) for m, e in pairs],
        fire=[Fire(m, ExpertReview.assign, Assignment(panel="p1")) for m in (a, b)],
        tell=[Message("sheets_assigned", to=Role.EXPERT, scope=e, body={"panel": "p1"}) for e in ("x1", "x2", "x3")],
    )


def test_an_application_knows_its_panel() -> None:
    of = application("a", f"{HERE}grouping", None)
    assert STAGE.belong_to_the_panel(context(World([of]), of, Assignment(panel="p1"))) == Effects(
        facts={"panel": {"expert_review": "p1"}}
    )


def test_an_application_knows_its_panel_in_each_stage_of_a_plan_that_reviews_twice() -> None:
    of = replace(application("a", f"{HERE}grouping"), facts=held_by("p0", "first_review"))
    assert STAGE.belong_to_the_panel(context(World([of]), of, Assignment(panel="p1"))) == Effects(
        facts={"panel": {"first_review": "p0", "expert_review": "p1"}}
    )
    again = replace(of, facts={"panel": {"first_review": "p0", "expert_review": "p1"}})
    assert STAGE.set_aside_the_old_sheets(context(World([again]), again)) == Effects(
        facts={"panel": {"first_review": "p0", "expert_review": None}}, fire=[]
    )


# ── sheets ──

FULL = dict(zip(DIMENSIONS, (91, 82, 73, 64, 55), strict=True))


def scoring(scores: dict[str, int], **settings: Any) -> Context[Any, Any]:
    of = sheet("a", "x1")
    return context(World([of]), of, Scoring(scores=scores, comment="工艺稳定"), **settings)


@pytest.mark.parametrize(
    ("scores", "detail"),
    [
        (FULL, None),
        ({k: v for k, v in FULL.items() if k != "brand"}, {"missing": ["brand"], "unknown": []}),
        ({**FULL, "price": 50}, {"missing": [], "unknown": ["price"]}),
        ({}, {"missing": sorted(DIMENSIONS), "unknown": []}),
    ],
)
def test_a_sheet_scores_exactly_the_dimensions(scores: dict[str, int], detail: dict[str, Any] | None) -> None:
    refusal = SHEET.each_dimension_once(scoring(scores))
    assert (code(refusal), refusal and refusal.detail) == (detail and "wrong_dimensions", detail)


@pytest.mark.parametrize(
    ("score", "settings", "refusal"),
    [
        (0, {}, None),
        (100, {}, None),
        (101, {}, "score_out_of_range"),
        (-1, {}, "score_out_of_range"),
        (10, {"top_score": 10}, None),
        (11, {"top_score": 10}, "score_out_of_range"),
    ],
)
def test_a_score_lies_between_nothing_and_the_highest(score: int, settings: Any, refusal: str | None) -> None:
    assert code(SHEET.scores_in_range(scoring(dict.fromkeys(DIMENSIONS, 0) | {"brand": score}, **settings))) == refusal


@pytest.mark.parametrize("score", [80.5, 80.0, "80", True])
def test_a_score_is_a_whole_number(score: Any) -> None:
    with pytest.raises(ValidationError):
        Scoring(scores=FULL | {"brand": score})


def test_scoring_keeps_an_exact_total_and_tells_nobody() -> None:
    weights = dict(zip(DIMENSIONS, (30, 25, 20, 15, 10), strict=True))
    assert SHEET.keep_the_scores(scoring(FULL, weights=weights)) == Effects(
        facts={
            "scores": FULL,
            "comment": {"private": "commitment of comment"},
            "hundredths": 7750,
            "total": "77.50",
        }
    )


def test_a_recusal_keeps_its_ground_apart() -> None:
    of = sheet("a", "x1")
    assert SHEET.keep_the_ground(context(World([of]), of, Recusal(ground="曾任该企业顾问"))) == Effects(
        facts={"recused_for": {"private": "commitment of ground"}}
    )


@pytest.mark.parametrize(("state", "fires"), [("scoring", False), ("ranked", True)])
def test_a_late_recusal_has_a_panel_that_ranked_compute_again(state: str, fires: bool) -> None:
    of, by = sheet("a", "x1", 9000), panel(state)
    data = LateRecusal(document="监督函1号", reason="举报查实", ground="配偶任职")
    assert SHEET.recompute(context(World([of, by]), of, data)) == Effects(
        facts={
            "recused_for": {"private": "commitment of ground"},
            "voided_by": "监督函1号",
            "voided_for": {"private": "commitment of reason"},
        },
        fire=[Fire(by, Panel.rerank, must=False)] if fires else [],
    )


# ── one application's result ──


def holds(transition: Transition, *sheets: CaseView, **settings: Any) -> bool:
    of = application("a", f"{HERE}scoring")
    assert transition.when is not None
    return transition.when.holds(context(World([of, *sheets]), of, **settings))


@pytest.mark.parametrize(
    ("states", "complete", "insufficient"),
    [
        ("", False, False),
        ("scored scored assigned", False, False),
        ("scored scored scored", True, True),
        ("scored scored void", True, True),
        ("scored void void", False, True),
        ("void void void", False, True),
    ],
)
def test_a_result_is_valid_when_all_sheets_are_in_and_enough_are_scored(
    states: str, complete: bool, insufficient: bool
) -> None:
    sheets = [sheet("a", f"x{n}", 8000, state) for n, state in enumerate(states.split())]
    assert holds(ExpertReview.complete, *sheets) is complete
    assert holds(ExpertReview.insufficient, *sheets) is insufficient


def test_the_better_ending_is_asked_first() -> None:
    automatic = PROCESS.application.automatic_from[f"{HERE}scoring"]
    assert [e.trigger for e in automatic] == ["complete", "insufficient"]


@pytest.mark.parametrize(("scored", "valid"), [(3, False), (4, True)])
def test_a_quorum_of_two_thirds_of_five_is_four(scored: int, valid: bool) -> None:
    states = ["scored"] * scored + ["void"] * (5 - scored)
    sheets = [sheet("a", f"x{n}", 8000, state) for n, state in enumerate(states)]
    assert holds(ExpertReview.complete, *sheets, quorum="2/3", panel_size=5) is valid


@pytest.mark.parametrize(("left", "refusal"), [(2, "enough_sheets"), (1, None)])
def test_a_result_falls_when_a_late_recusal_leaves_too_few(left: int, refusal: str | None) -> None:
    of = application("a")
    sheets = [sheet("a", f"x{n}", 8000, "scored" if n < left else "void") for n in range(3)]
    assert code(STAGE.too_few_are_left(context(World([of, *sheets]), of))) == refusal


def test_regrouping_sets_the_old_sheets_aside() -> None:
    of = application("a", f"{HERE}no_valid_result")
    scored, void = sheet("a", "x1", 8000), sheet("a", "x2", state="void")
    assert STAGE.set_aside_the_old_sheets(context(World([of, scored, void]), of)) == Effects(
        facts={"panel": {"expert_review": None}}, fire=[Fire(scored, Sheet.set_aside)]
    )


# ── ranking ──

Scores = dict[str, tuple[int, ...]]
FOUR: Scores = {"a": (90, 90, 90), "b": (80, 80, 95), "c": (84, 84, 84), "d": (70, 70, 70)}


def scored_world(scores: Scores = FOUR, *others: CaseView, of: CaseView | None = None) -> World:
    """A panel whose applications have these scores, one for each expert."""
    sheets = [sheet(a, f"x{n}", 100 * v) for a, values in scores.items() for n, v in enumerate(values, 1)]
    return World([of or panel(), *(application(a) for a in scores), *sheets, *others], {"p1": [*scores]})


def put(world: World, case_id: str, state: str, **given: Any) -> World:
    """The same world, with one case in another state."""
    if world.case(case_id).kind == "application":
        given["stage"] = state.partition(".")[0] if "." in state else "expert_review"
    return replace(world, cases=[replace(c, state=state, **given) if c.id == case_id else c for c in world.cases])


def ranking(world: World, tie_break: tuple[str, ...] = (), document: str = "", **settings: Any) -> Context[Any, Any]:
    return context(world, world.case("p1"), RankingOrder(tie_break=list(tie_break), document=document), **settings)


def row(application: str, rank: int, place: str, *scores: int) -> dict[str, Any]:
    """A row of the result: scores of the experts from the first on."""
    total, n = sum(scores), len(scores)
    exact = [total // n, 1] if total % n == 0 else [total, n]
    digest = digest_of({f"{application}-x{i}": 100 * s for i, s in enumerate(scores, 1)})
    score = f"{(total * 1000 // n + 5) // 10 / 100:.2f}"
    return {
        "application": application,
        "rank": rank,
        "place": place,
        "score": score,
        "exact": exact,
        "sheets": n,
        "digest": digest,
    }


def result(*rows: dict[str, Any], **other: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "rule": "mean",
        "rule_version": 1,
        "places": 2,
        "reserve_places": 1,
        "decided": [],
        "tied": [],
        "ranking": list(rows),
        "document": "",
        "without_result": [],
        "unmoved": [],
    }
    return {**plain, **other}


FIRST = result(
    row("a", 1, "in", 90, 90, 90),
    row("b", 2, "in", 80, 80, 95),
    row("c", 3, "reserve", 84, 84, 84),
    row("d", 4, "out", 70, 70, 70),
)


def test_ranking_cuts_into_places_reserve_and_rest() -> None:
    world = scored_world()
    effects = PANEL.cut(ranking(world))
    assert effects == Effects(
        facts={"results": [FIRST]},
        fire=[
            Fire(world.case("a"), ExpertReview.shortlist),
            Fire(world.case("b"), ExpertReview.shortlist),
            Fire(world.case("c"), ExpertReview.keep),
            Fire(world.case("d"), ExpertReview.drop),
        ],
    )
    assert encode(dict(effects.facts))


@pytest.mark.parametrize("state", ["scoring", "no_valid_result"])
def test_ranking_waits_for_every_result(state: str) -> None:
    assert PANEL.everybody_scored(ranking(put(scored_world(), "c", f"{HERE}{state}"))) == Refusal(
        "not_all_scored",
        "尚有1项没有有效评分结果",
        "1 application(s) have no valid result yet",
        {"cases": ["c"]},
    )


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        ("withdrawn", held_by("p1")),
        (f"{HERE}grouping", {"panel": {"expert_review": None}}),
        (f"{HERE}scoring", held_by("p2")),
        (f"{HERE}scoring", held_by("p1", "first_review")),
    ],
)
def test_ranking_leaves_out_who_is_no_longer_with_the_panel(state: str, facts: dict[str, Any]) -> None:
    ctx = ranking(put(scored_world(), "b", state, facts=facts))
    assert PANEL.everybody_scored(ctx) is None
    ranked = PANEL.cut(ctx).facts["results"][0]["ranking"]
    assert [(r["application"], r["place"]) for r in ranked] == [("a", "in"), ("c", "in"), ("d", "reserve")]


def test_ranking_needs_somebody_to_rank() -> None:
    assert code(PANEL.everybody_scored(ranking(put(scored_world({"a": (90, 90)}), "a", "withdrawn")))) == "no_members"


@pytest.mark.parametrize(
    ("allotted", "beyond", "places"),
    [(None, 0, 2), (None, 1, 1), (None, 3, 0), (1, 0, 1), (2, 1, 1), (0, 0, 0)],
)
def test_ranking_gives_the_places_allotted_as_far_as_they_are_free(
    allotted: int | None, beyond: int, places: int
) -> None:
    others = [application(f"z{n}", "last.announced", "p0") for n in range(beyond)]
    world = scored_world(FOUR, *others, application("y", "withdrawn", "p0"), of=panel(places=allotted))
    found = PANEL.cut(ranking(world)).facts["results"][0]
    assert (found["places"], [r["place"] for r in found["ranking"]].count("in")) == (places, places)


TIED: Scores = {"a": (90, 90), "b": (80, 80), "c": (70, 90), "d": (60, 60)}


@pytest.mark.parametrize(
    ("places", "reserve_places", "tied"),
    [(2, 1, [["b", "c"]]), (1, 1, [["b", "c"]]), (2, 0, [["b", "c"]]), (1, 2, []), (3, 1, []), (1, 0, [])],
)
def test_a_tie_is_never_cut_silently(places: int, reserve_places: int, tied: list[list[str]]) -> None:
    refusal = PANEL.no_tie_is_cut(ranking(scored_world(TIED), places=places, reserve_places=reserve_places))
    assert (refusal and (refusal.code, refusal.detail)) == (("tie_at_cut", {"tied": tied}) if tied else None)


@pytest.mark.parametrize(
    ("tie_break", "document", "refusal"),
    [
        (("c", "b"), "赣工信〔2021〕8号", None),
        (("c", "b"), "", "tie_at_cut"),
        (("c",), "赣工信〔2021〕8号", "tie_at_cut"),
        ((), "赣工信〔2021〕8号", "tie_at_cut"),
    ],
)
def test_a_tie_is_put_in_order_by_a_document(tie_break: tuple[str, ...], document: str, refusal: str | None) -> None:
    assert code(PANEL.no_tie_is_cut(ranking(scored_world(TIED), tie_break, document))) == refusal


def test_an_order_without_a_document_is_not_passed_over() -> None:
    assert code(PANEL.no_tie_is_cut(ranking(scored_world(), ("a", "b")))) == "document_missing"


def test_the_decided_tie_is_on_record() -> None:
    found = PANEL.cut(ranking(scored_world(TIED), ("c", "b"), "赣工信〔2021〕8号")).facts["results"][0]
    assert found == result(
        row("a", 1, "in", 90, 90),
        row("c", 2, "in", 70, 90),
        row("b", 3, "reserve", 80, 80),
        row("d", 4, "out", 60, 60),
        decided=[["c", "b"]],
        document="赣工信〔2021〕8号",
    )


# ── a late recusal ──


def ranked_world(void: tuple[str, ...] = ("b-x3",), first: dict[str, Any] = FIRST, scores: Scores = FOUR) -> World:
    """After the ranking of `first`: everybody where it put them; then these sheets were voided."""
    world = scored_world(scores, of=panel("ranked", results=[first]))
    where = {"in": "last.decided", "reserve": f"{HERE}reserve", "out": f"{HERE}not_shortlisted"}
    for r in first["ranking"]:
        world = put(world, r["application"], where[r["place"]])
    for sheet_id in void:
        world = put(world, sheet_id, "void")
    return world


def recomputed(world: World, data: Any = None, **settings: Any) -> Effects:
    ctx = context(world, world.case("p1"), data, **settings)
    return PANEL.apply_the_order(ctx) if data else PANEL.recompute(ctx)


def fired(effects: Effects) -> list[tuple[str, str, bool]]:
    return [(f.case.id, f.transition.name, f.must) for f in effects.fire]


SECOND = result(
    row("a", 1, "in", 90, 90, 90),
    row("c", 2, "in", 84, 84, 84),
    row("b", 3, "reserve", 80, 80),
    row("d", 4, "out", 70, 70, 70),
)


def test_recomputing_keeps_both_results_and_moves_who_changed_places() -> None:
    effects = recomputed(ranked_world())
    assert effects.facts == {"results": [FIRST, SECOND]}
    assert fired(effects) == [("b", "demote", True), ("c", "promote", True)]
    assert effects.tell == [
        Message("ranking_recomputed", to=Role.OFFICE, body={"panel": "p1", "result": 2, "decision_needed": False})
    ]
    assert encode(dict(effects.facts))


def test_recomputing_reaches_over_the_reserve_both_ways() -> None:
    scores: Scores = {"a": (90, 90, 90), "b": (60, 60, 99), "c": (71, 71, 71), "d": (70, 70, 70)}
    first = result(
        row("a", 1, "in", 90, 90, 90),
        row("b", 2, "in", 60, 60, 99),
        row("c", 3, "reserve", 71, 71, 71),
        row("d", 4, "out", 70, 70, 70),
    )
    effects = recomputed(ranked_world(first=first, scores=scores))
    assert fired(effects) == [("d", "demote", True), ("b", "exclude", True), ("c", "promote", True)]


def test_recomputing_without_a_change_moves_nobody() -> None:
    effects = recomputed(ranked_world(("d-x3",)))
    assert fired(effects) == []
    assert len(effects.facts["results"]) == 2


@pytest.mark.parametrize("state", ["withdrawn", f"{HERE}grouping", f"{HERE}scoring"])
def test_recomputing_never_fires_at_who_has_left(state: str) -> None:
    effects = recomputed(put(ranked_world(), "b", state))
    assert fired(effects) == [("c", "promote", True)]
    assert effects.facts["results"][1]["unmoved"] == ["b"]
    assert effects.tell[0].body == {"panel": "p1", "result": 2, "decision_needed": True}


def test_recomputing_leaves_who_is_with_another_panel_by_now() -> None:
    effects = recomputed(put(ranked_world(), "b", "last.decided", facts=held_by("p2"), visit=4))
    assert effects.facts["results"][1]["unmoved"] == ["b", "c"]
    assert fired(effects) == []


def test_recomputing_reaches_who_is_with_the_panel_of_a_later_review_by_now() -> None:
    both = {"panel": {"expert_review": "p1", "last": "p2"}}
    effects = recomputed(put(ranked_world(), "b", "last.decided", facts=both))
    assert fired(effects) == [("b", "demote", True), ("c", "promote", True)]


def test_recomputing_does_not_take_back_what_is_announced() -> None:
    effects = recomputed(put(ranked_world(), "b", "last.announced"))
    assert (fired(effects), effects.facts["results"][1]["unmoved"]) == ([], ["b", "c"])


def test_a_place_filled_meanwhile_is_not_given_twice() -> None:
    """a withdrew and c was filled in; now b falls below c, which holds a place already."""
    world = put(put(ranked_world(), "a", "withdrawn"), "c", "last.decided")
    effects = recomputed(world)
    assert fired(effects) == [("b", "demote", True)]
    assert effects.facts["results"][1]["unmoved"] == []


def test_who_moves_up_without_a_free_place_waits_in_the_reserve() -> None:
    """b withdrew, and another panel gave its place away; now c and d overtake b."""
    scores: Scores = {"a": (90, 90, 90), "b": (60, 60, 99), "c": (61, 61, 61), "d": (70, 70, 70)}
    first = result(
        row("a", 1, "in", 90, 90, 90),
        row("b", 2, "in", 60, 60, 99),
        row("d", 3, "reserve", 70, 70, 70),
        row("c", 4, "out", 61, 61, 61),
    )
    world = put(ranked_world(first=first, scores=scores), "b", "withdrawn")
    world = replace(world, cases=[*world.cases, application("z", "last.decided", "p0")])
    effects = recomputed(world)
    assert fired(effects) == [("c", "demote", True)]
    assert effects.facts["results"][1]["unmoved"] == ["b", "d"]


def test_who_is_not_shortlisted_and_moves_up_without_a_free_place_is_kept_in_reserve() -> None:
    scores: Scores = {"a": (90, 90, 90), "b": (60, 60, 99), "c": (70, 70, 70)}
    first = result(
        row("a", 1, "in", 90, 90, 90), row("b", 2, "in", 60, 60, 99), row("c", 3, "out", 70, 70, 70), reserve_places=0
    )
    effects = recomputed(put(ranked_world(first=first, scores=scores), "b", "last.announced"))
    assert fired(effects) == [("c", "demote", True)]
    assert effects.facts["results"][1]["unmoved"] == ["b", "c"]


def test_too_few_valid_sheets_are_no_result_and_the_place_stays_empty() -> None:
    effects = recomputed(ranked_world(("b-x2", "b-x3")))
    assert effects.facts["results"][1] == result(
        row("a", 1, "in", 90, 90, 90),
        row("c", 2, "reserve", 84, 84, 84),
        row("d", 3, "out", 70, 70, 70),
        places=1,
        without_result=["b"],
    )
    assert fired(effects) == [("b", "annul", True)]


def test_a_reserve_without_a_result_is_not_replaced_by_who_was_out() -> None:
    effects = recomputed(ranked_world(("c-x2", "c-x3")))
    second = effects.facts["results"][1]
    assert (second["reserve_places"], [(r["application"], r["place"]) for r in second["ranking"]]) == (
        0,
        [("a", "in"), ("b", "in"), ("d", "out")],
    )
    assert fired(effects) == [("c", "annul", True)]


def test_who_has_no_result_is_not_ranked_again_by_this_panel() -> None:
    world = ranked_world(("b-x2", "b-x3"))
    third = put(world, "p1", "ranked", facts={"results": recomputed(world).facts["results"]})
    again = recomputed(put(third, "d-x1", "void")).facts["results"]
    assert (len(again), again[2]["without_result"], again[2]["places"]) == (3, [], 1)


NEW_TIE: Scores = {"a": (90, 90, 90), "b": (84, 84, 99), "c": (84, 84, 84), "d": (70, 70, 70)}
BEFORE_TIE = result(
    row("a", 1, "in", 90, 90, 90),
    row("b", 2, "in", 84, 84, 99),
    row("c", 3, "reserve", 84, 84, 84),
    row("d", 4, "out", 70, 70, 70),
)
PENDING = result(
    row("a", 1, "in", 90, 90, 90),
    row("b", 2, "in", 84, 84),
    row("c", 2, "reserve", 84, 84, 84),
    row("d", 4, "out", 70, 70, 70),
    tied=[["b", "c"]],
)
DECISION = TieDecision(document="赣工信〔2021〕9号", reason="会议研究决定", tie_break=["c", "b"])


def test_a_tie_that_comes_up_moves_nobody() -> None:
    effects = recomputed(ranked_world(first=BEFORE_TIE, scores=NEW_TIE))
    assert effects == Effects(
        facts={"results": [BEFORE_TIE, PENDING]},
        fire=[],
        tell=[
            Message("ranking_recomputed", to=Role.OFFICE, body={"panel": "p1", "result": 2, "decision_needed": True})
        ],
    )


def pending_world(results: list[dict[str, Any]]) -> World:
    return put(ranked_world(first=BEFORE_TIE, scores=NEW_TIE), "p1", "ranked", facts={"results": results})


def test_a_decision_settles_the_tie_and_moves_who_changed_places() -> None:
    effects = recomputed(pending_world([BEFORE_TIE, PENDING]), DECISION)
    assert effects.facts["results"] == [
        BEFORE_TIE,
        PENDING,
        result(
            row("a", 1, "in", 90, 90, 90),
            row("c", 2, "in", 84, 84, 84),
            row("b", 3, "reserve", 84, 84),
            row("d", 4, "out", 70, 70, 70),
            decided=[["c", "b"]],
            document="赣工信〔2021〕9号",
        ),
    ]
    assert fired(effects) == [("b", "demote", True), ("c", "promote", True)]


@pytest.mark.parametrize(
    ("results", "order", "refusal"),
    [
        ([BEFORE_TIE, PENDING], ["c", "b"], None),
        ([BEFORE_TIE, PENDING], ["c", "a"], "tie_at_cut"),
        ([BEFORE_TIE], ["c", "b"], "no_tie"),
    ],
)
def test_a_decision_names_everybody_in_the_tie(
    results: list[dict[str, Any]], order: list[str], refusal: str | None
) -> None:
    world = pending_world(results)
    decision = DECISION.model_copy(update={"tie_break": order})
    assert code(PANEL.the_tie_is_put_in_order(context(world, world.case("p1"), decision))) == refusal


def test_a_decision_stands_while_the_tie_does() -> None:
    decided = {**PENDING, "tied": [], "decided": [["b", "c"]]}
    world = put(pending_world([BEFORE_TIE, decided]), "d-x3", "void")
    again = recomputed(world)
    assert (again.facts["results"][2]["decided"], again.facts["results"][2]["tied"]) == ([["b", "c"]], [])
    assert fired(again) == []


def test_while_a_tie_waits_everybody_keeps_their_place() -> None:
    """Even where the table lists the tied ones the other way round."""
    scores: Scores = {"a": (90, 90, 90), "b": (84, 84, 84), "c": (84, 84, 99)}
    first = result(row("a", 1, "in", 90, 90, 90), row("c", 2, "in", 84, 84, 99), row("b", 3, "reserve", 84, 84, 84))
    effects = recomputed(ranked_world(("c-x3",), first, scores))
    second = effects.facts["results"][1]
    assert [(r["application"], r["place"]) for r in second["ranking"]] == [("a", "in"), ("b", "reserve"), ("c", "in")]
    assert (fired(effects), second["tied"]) == ([], [["b", "c"]])


def test_a_second_decision_leaves_the_first_one_standing() -> None:
    scores: Scores = {"a": (90, 90), "b": (90, 90), "c": (80, 80), "d": (80, 80)}
    ranks = [row("b", 1, "in", 90, 90), row("a", 2, "reserve", 90, 90)]
    waiting = result(
        *ranks,
        row("c", 3, "reserve", 80, 80),
        row("d", 3, "out", 80, 80),
        places=1,
        reserve_places=2,
        decided=[["b", "a"]],
        tied=[["c", "d"]],
    )
    decision = DECISION.model_copy(update={"tie_break": ["d", "c"]})
    effects = recomputed(ranked_world((), waiting, scores), decision)
    settled = effects.facts["results"][1]
    assert (settled["decided"], settled["tied"]) == ([["b", "a"], ["d", "c"]], [])
    assert fired(effects) == [("d", "demote", True), ("c", "exclude", True)]


# ── the reserve ──


def filling(of: str, world: World, document: str = "", **settings: Any) -> Context[Any, Any]:
    return context(world, world.case(of), Filling(document=document), **settings)


def test_filling_needs_a_free_place() -> None:
    world = ranked_world(())
    assert STAGE.place_free(filling("c", world)) == Refusal(
        "no_place", "没有空缺名额", "no place is free", {"taken": 2, "places": 2}
    )
    assert STAGE.place_free(filling("c", put(world, "b", "withdrawn"))) is None
    assert code(STAGE.place_free(filling("c", put(world, "b", "last.announced")))) == "no_place"


RESERVES = result(
    row("a", 1, "in", 90, 90, 90),
    row("b", 2, "reserve", 80, 80, 80),
    row("c", 3, "reserve", 70, 70, 70),
    row("d", 3, "reserve", 70, 70, 70),
    places=1,
    reserve_places=3,
)
RESERVED: Scores = {"a": (90, 90, 90), "b": (80, 80, 80), "c": (70, 70, 70), "d": (70, 70, 70)}


def test_filling_takes_the_highest_ranked_first() -> None:
    world = ranked_world((), RESERVES, RESERVED)
    assert STAGE.next_in_line(filling("b", world)) is None
    assert STAGE.next_in_line(filling("c", world, "赣工信〔2021〕9号")) == Refusal(
        "not_next_in_line",
        "候补顺序在前的申报项尚未递补",
        "another one stands before it in the reserve",
        {"ahead": ["b"]},
    )


def test_filling_between_equals_needs_a_document() -> None:
    world = put(ranked_world((), RESERVES, RESERVED), "b", "last.decided")
    refusal = STAGE.next_in_line(filling("d", world))
    assert (refusal and (refusal.code, refusal.detail)) == ("tie_in_line", {"tied": ["c"]})
    assert STAGE.next_in_line(filling("d", world, "赣工信〔2021〕9号")) is None
    assert STAGE.next_in_line(filling("d", put(world, "c", "withdrawn"))) is None


def test_filling_asks_only_its_own_panels_reserve() -> None:
    world = ranked_world((), RESERVES, RESERVED)
    other = replace(world, cases=[*world.cases, application("z", f"{HERE}reserve", "p0")])
    assert STAGE.next_in_line(filling("b", other)) is None


# ── disbanding ──


@pytest.mark.parametrize(
    ("state", "facts", "refusal"),
    [
        (f"{HERE}grouping", {"panel": {"expert_review": None}}, None),
        (f"{HERE}scoring", held_by("p1"), "members_under_review"),
        (f"{HERE}no_valid_result", held_by("p1"), "members_under_review"),
        (f"{HERE}scoring", held_by("p2"), None),
        ("withdrawn", held_by("p1"), None),
    ],
)
def test_a_panel_is_disbanded_when_nothing_is_in_its_hands(
    state: str, facts: dict[str, Any], refusal: str | None
) -> None:
    world = put(scored_world({"a": (90,)}), "a", state, facts=facts)
    assert code(PANEL.nothing_under_review(context(world, world.case("p1"), Ground(ground="无人应邀")))) == refusal


def test_disbanding_stands_down_who_has_not_answered() -> None:
    of, asked = panel("forming"), seat("x2", "invited")
    world = World([of, seat("x1"), asked, seat("x3", "declined")])
    assert PANEL.stand_down(context(world, of, Ground(ground="无人应邀"))) == Effects(
        facts={"disbanded_for": {"private": "commitment of ground"}},
        fire=[Fire(asked, Seat.stand_down)],
        tell=[Message("seat_withdrawn", to=Role.EXPERT, scope="x2", body={"panel": "p1"})],
    )


# ── blind ──


def test_nobody_is_told_a_score_or_a_result() -> None:
    """Experts learn that sheets wait, the office that there is a new result; neither message says what is in it."""
    told = [
        *PANEL.hand_out_the_sheets(beginning()).tell,
        *SHEET.keep_the_scores(scoring(FULL)).tell,
        *PANEL.cut(ranking(scored_world())).tell,
        *recomputed(ranked_world()).tell,
    ]
    assert [(m.kind, m.to, m.scope, m.body) for m in told] == [
        ("sheets_assigned", Role.EXPERT, "x1", {"panel": "p1"}),
        ("sheets_assigned", Role.EXPERT, "x2", {"panel": "p1"}),
        ("sheets_assigned", Role.EXPERT, "x3", {"panel": "p1"}),
        ("ranking_recomputed", Role.OFFICE, "", {"panel": "p1", "result": 2, "decision_needed": False}),
    ]


def test_a_result_names_no_person() -> None:
    found = encode(dict(PANEL.cut(ranking(put(scored_world(), "a-x1", "scored", id="s1"))).facts))
    assert [e for e in ("x1", "x2", "x3") if f'"{e}"' in found] == []
