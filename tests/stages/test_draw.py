"""The draw: fixed before anybody can know it, and repeated by anybody afterwards."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from ganchu_stages.draw import (
    Convening,
    Declining,
    Drawing,
    Seat,
    commitment_to,
    digest_of_lines,
    digest_of_pool,
    drawn_order,
)
from ganchu_stages.expert_review import ExpertReview, Panel
from ganchu_stages.panel import ExpertReviewSettings
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import encode
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Context, Reads
from ganchu_workflow.process.definition import StageInstance
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
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.process.values import CaseView, Effects, Fire, Message, Open
from ganchu_workflow.timing import Limit, Reckoning, WorkingCalendar
from tests.stages.searchable import Searchable

NOON = datetime(2021, 10, 11, 4, tzinfo=UTC)
SECRET = "00112233445566778899aabbccddeeff"
POOL = ["x3", "x1", "x2", "x5", "x4", "x7", "x6"]
PANEL, SEAT = Panel(), Seat()


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
        StageInstance("expert_review", ExpertReview(), ExpertReviewSettings(places=2)),
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
        return SECRET

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


def application(case_id: str, state: str = "expert_review.grouping") -> CaseView:
    return case("application", case_id, state, stage=state.partition(".")[0])


def panel(state: str = "", case_id: str = "p1", **facts: Any) -> CaseView:
    return case("panel", case_id, state, facts=facts)


def seat(expert: str, state: str) -> CaseView:
    return case("seat", f"seat-{expert}", state, parent="p1", of="p1", parties={Role.EXPERT: expert})


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
        settings=ExpertReviewSettings(**{"places": 2, **settings}),
    )


def convening(
    world: World | None = None, *, pool: list[str] = POOL, settings: dict[str, Any] | None = None, **data: Any
) -> Context[Any, Any]:
    """The office convenes a panel for two applications that wait to be grouped."""
    new = panel()
    world = world or World([new, application("a1"), application("a2")], {"p1": ["a1", "a2"]})
    return context(world, new, Convening.model_validate({"pool": pool, **data}), **(settings or {}))


def code(refusal: Refusal | None) -> str | None:
    return refusal.code if refusal else None


# ── the order ──


def test_order_is_recomputed_with_a_hash_alone() -> None:
    expected = sorted(POOL, key=lambda r: hashlib.sha256(f"{SECRET}|7-11-23|{r}".encode()).hexdigest())
    assert drawn_order(SECRET, "7-11-23", POOL) == expected


def test_order_does_not_depend_on_how_the_pool_was_listed() -> None:
    assert drawn_order(SECRET, "5", POOL) == drawn_order(SECRET, "5", sorted(POOL))


def test_order_depends_on_the_secret_and_on_the_ballot() -> None:
    orders = {tuple(drawn_order(s, b, POOL)) for s in (SECRET, SECRET[::-1]) for b in ("5", "6")}
    assert len(orders) == 4


def test_commitment_and_digests_are_plain_sha256_of_lines() -> None:
    sha256 = hashlib.sha256
    assert commitment_to(SECRET) == sha256(SECRET.encode()).hexdigest()
    assert digest_of_lines(["b", "a"]) == sha256(b"b\na\n").hexdigest()
    assert digest_of_pool(["b", "a"]) == sha256(b"a\nb\n").hexdigest()


# ── convening ──


@pytest.mark.parametrize(
    ("data", "settings", "refusal"),
    [
        ({}, {}, None),
        ({"exclusions": {"x1": "conflict", "x2": "conflict"}}, {}, None),
        ({"exclusions": {"x1": "conflict", "x2": "own", "x3": "own"}}, {}, "pool_too_small"),
        ({"size": 5}, {}, None),
        ({"size": 7}, {}, "panel_size_fixed"),
        ({"size": 7}, {"quorum": 4}, None),
        ({"size": 9}, {"quorum": 4}, "pool_too_small"),
        ({"size": 6}, {}, "panel_not_odd"),
        ({"size": 6}, {"odd": False}, "panel_size_fixed"),
        ({"size": 6}, {"odd": False, "quorum": 4}, None),
        ({"size": 3}, {}, "panel_too_small"),
        ({"size": 3}, {"panel_size_min": 3}, "panel_size_fixed"),
        ({"size": 3}, {"panel_size_min": 3, "quorum": 2}, None),
        ({"pool": [*POOL, "x1"]}, {}, "pool_repeats"),
        ({"exclusions": {"y1": "conflict"}}, {}, "excluded_not_in_pool"),
    ],
)
def test_convening_asks_whether_the_pool_can_be_drawn(
    data: dict[str, Any], settings: dict[str, Any], refusal: str | None
) -> None:
    assert code(PANEL.can_be_drawn(convening(settings=settings, **data))) == refusal


def test_share_of_a_panel_says_of_what_size_it_is_a_share() -> None:
    assert PANEL.can_be_drawn(convening(size=7)) == Refusal(
        "panel_size_fixed",
        "有效评分比例按5人计,专家组不得为7人;如需其他人数,请在方案中将比例改为人数",
        "the quorum is a share of panel_size; convene with that size or give quorum as a count in the plan",
        {"size": 7, "panel_size": 5, "quorum": "2/3"},
    )


def test_convening_counts_who_can_be_drawn() -> None:
    refusal = PANEL.can_be_drawn(convening(exclusions={"x1": "own", "x2": "own", "x3": "own"}))
    assert refusal == Refusal(
        "pool_too_small",
        "可抽取的专家仅4人,不足5人",
        "only 4 expert(s) can be drawn, 5 are needed",
        {"candidates": 4, "size": 5},
    )


@pytest.mark.parametrize(
    ("members", "others", "refusal"),
    [
        ([application("a1")], [], None),
        ([], [], "no_members"),
        ([application("a1"), application("a2", "expert_review.scoring")], [], "member_not_here"),
        ([application("a1")], [panel("forming", "p0")], "in_another_panel"),
        ([application("a1")], [panel("ready", "p0")], "in_another_panel"),
        ([application("a1")], [panel("scoring", "p0")], None),
        ([application("a1")], [panel("disbanded", "p0")], None),
    ],
)
def test_convening_takes_what_waits_and_stands_with_no_other_panel(
    members: list[CaseView], others: list[CaseView], refusal: str | None
) -> None:
    ids = [m.id for m in members]
    world = World([panel(), *others, *members], {"p1": ids, "p0": ids})
    assert code(PANEL.items_wait(convening(world))) == refusal


def test_convening_freezes_the_pool_and_shows_only_a_commitment() -> None:
    effects = PANEL.freeze_the_pool(convening(exclusions={"x7": "conflict"}, reserves=1))
    assert effects == Effects(
        facts={
            "pool": POOL,
            "pool_digest": digest_of_pool(POOL),
            "exclusions": {"x7": "conflict"},
            "group": "",
            "size": 5,
            "reserves": 1,
            "places": None,
            "commitment": commitment_to(SECRET),
        },
        secrets={"draw_secret": SECRET},
    )
    assert SECRET not in encode(dict(effects.facts))


@pytest.mark.parametrize(
    "data",
    [{"pool": ["张三"]}, {"pool": ["x 1"]}, {"pool": []}, {"exclusions": {"x1": "He is ill"}}, {"reserves": -1}],
)
def test_convening_takes_references_and_codes_only(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        convening(**data)


# ── drawing ──


def convened(**changes: Any) -> CaseView:
    ctx = convening(pool=[*POOL, "x8"], exclusions={"x7": "conflict"}, reserves=1)
    facts = dict(PANEL.freeze_the_pool(ctx).facts)
    return panel("forming", **{**facts, "draw_secret": {"private": "c1"}, **changes})


def drawing(of: CaseView, ballot: str = "7-11-23", values: dict[str, str] | None = None) -> Context[Any, Any]:
    world = World([of], values={"c1": SECRET} if values is None else values)
    return context(world, of, Drawing(ballot=ballot, witness="监督处王某"))


def test_drawing_reveals_the_secret_and_invites_the_first_ones() -> None:
    order = sorted(
        ["x1", "x2", "x3", "x4", "x5", "x6", "x8"],
        key=lambda r: hashlib.sha256(f"{SECRET}|7-11-23|{r}".encode()).hexdigest(),
    )
    of = convened()
    effects = PANEL.draw_lots(drawing(of))
    assert effects == Effects(
        facts={
            "draw": {
                "algorithm": "sha256(secret|ballot|reference)",
                "version": 1,
                "secret": SECRET,
                "ballot": "7-11-23",
                "witness": {"private": "commitment of witness"},
                "order": order,
                "order_digest": hashlib.sha256("".join(f"{r}\n" for r in order).encode()).hexdigest(),
                "seats": order[:5],
                "reserves": order[5:6],
            }
        },
        open=[Open(Seat, parent=of, of=of, parties={Role.EXPERT: e}) for e in order[:5]],
        tell=[
            Message("seat_offered", to=Role.EXPERT, scope=e, body={"panel": "p1", "answer": "2 working days"})
            for e in order[:5]
        ],
    )
    assert encode(dict(effects.facts))


def test_drawing_happens_once() -> None:
    assert PANEL.drawn_once(drawing(convened())) is None
    assert code(PANEL.drawn_once(drawing(convened(draw={})))) == "already_drawn"


@pytest.mark.parametrize("values", [{}, {"c1": "another secret"}])
def test_drawing_needs_the_secret_that_was_committed_to(values: dict[str, str]) -> None:
    assert code(PANEL.drawn_once(drawing(convened(), values=values))) == "secret_lost"


@pytest.mark.parametrize("ballot", ["", "7|11", "7 11"])
def test_a_ballot_leaves_no_doubt_where_it_ends(ballot: str) -> None:
    with pytest.raises(ValidationError):
        drawing(convened(), ballot)


# ── seats ──


def test_a_seat_has_these_ways_out() -> None:
    kind = PROCESS.kind("seat")
    assert [(e.name, e.source, e.target, set(e.by)) for e in kind.edges] == [
        ("open", None, "invited", {Role.ENGINE}),
        ("accept", "invited", "accepted", {Role.EXPERT}),
        ("decline", "invited", "declined", {Role.EXPERT}),
        ("lapse", "invited", "declined", {Role.CLOCK}),
        ("stand_down", "invited", "declined", {Role.ENGINE}),
    ]
    assert [(t.name, str(t.deadline.rule), set(t.runs_in), set(t.admits)) for t in kind.timers] == [
        ("answer", "setting:answer", {"invited"}, {("seat", "accept"), ("seat", "decline")})
    ]
    assert Seat.answer.fires is Seat.lapse


@pytest.mark.parametrize("data", [Declining(reason="出差"), None])
def test_who_declines_or_stays_silent_is_replaced(data: Declining | None) -> None:
    of, invited = panel("forming"), seat("x1", "invited")
    effects = SEAT.invite_the_next(context(World([of, invited]), invited, data))
    assert effects == Effects(fire=[Fire(of, Panel.replace)])


def test_replacing_invites_the_next_of_the_reserve() -> None:
    of = panel("forming", draw={"seats": ["x1", "x2", "x3"], "reserves": ["x4", "x5"]})
    seats = [seat("x1", "declined"), seat("x2", "declined"), seat("x3", "invited"), seat("x4", "invited")]
    assert PANEL.invite_the_next(context(World([of, *seats]), of)) == Effects(
        open=[Open(Seat, parent=of, of=of, parties={Role.EXPERT: "x5"})],
        tell=[
            Message("seat_offered", to=Role.EXPERT, scope="x5", body={"panel": "p1", "answer": "2 working days"}),
        ],
    )


def test_replacing_without_a_reserve_tells_the_office() -> None:
    of = panel("forming", draw={"seats": ["x1"], "reserves": ["x2"]})
    seats = [seat("x1", "declined"), seat("x2", "declined")]
    assert PANEL.invite_the_next(context(World([of, *seats]), of)) == Effects(
        tell=[Message("reserves_exhausted", to=Role.OFFICE, body={"panel": "p1"})]
    )


@pytest.mark.parametrize(
    ("states", "staffed"),
    [
        ([], False),
        (["accepted"] * 3, True),
        (["accepted"] * 4 + ["invited"], False),
        (["declined", "accepted", "accepted", "accepted"], True),
        (["declined", "declined", "accepted", "accepted"], False),
    ],
)
def test_a_panel_is_staffed_when_all_have_answered_and_enough_accepted(states: list[str], staffed: bool) -> None:
    of = panel("forming")
    world = World([of, *(seat(f"x{n}", state) for n, state in enumerate(states))])
    assert Panel.staffed.when is not None
    assert Panel.staffed.when.holds(context(world, of, panel_size=3, panel_size_min=3)) is staffed


def test_seats_of_another_panel_do_not_count() -> None:
    of = panel("forming")
    other = replace(seat("x1", "accepted"), parent="p2")
    assert Panel.staffed.when is not None
    assert Panel.staffed.when.holds(context(World([of, other]), of, panel_size=1, panel_size_min=1)) is False
