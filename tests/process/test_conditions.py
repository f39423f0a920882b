"""The conditions of `when=`: what each asks, of whom, and what it says of nobody."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ConfigDict

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.process import (
    CARRY_ON,
    PASSED,
    START,
    CaseView,
    Cohort,
    Context,
    Lifecycle,
    PhaseWindow,
    Stage,
    State,
    Transition,
    all_of,
    any_in,
    any_open,
    closed,
    enough,
    none_open,
    settled,
    stated,
)
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Reads
from ganchu_workflow.process.definition import StageInstance
from ganchu_workflow.process.language import Condition
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.timing import Limit, Reckoning, WorkingCalendar
from tests.stages.searchable import Searchable

NOON = datetime(2021, 8, 2, 4, tzinfo=UTC)


class Sheet(Lifecycle):
    assigned = State("待评", owner=Role.EXPERT, initial=True)
    doubted = State("存疑", owner=Role.EXPERT)
    scored = State("已评", final=True)
    void = State("作废", final=True)
    score = Transition((assigned, doubted), scored, by=Role.EXPERT)
    doubt = Transition(assigned, doubted, by=Role.EXPERT)
    cancel = Transition(assigned, void, by=Role.OFFICE)


class Panel(Cohort):
    sitting = State("评审中", owner=Role.OFFICE, initial=True)
    risen = State("已结束", final=True)
    rise = Transition(sitting, risen, by=Role.OFFICE)


class QuorumSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    quorum: int = 2


class Review(Stage):
    name = "review"
    Settings = QuorumSettings
    cases = (Sheet, Panel)
    scoring = State("评审中", owner=Role.OFFICE, initial=True)
    declare = Transition(START, scoring, by=Role.APPLICANT)
    accept = Transition(scoring, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(at_close={scoring: CARRY_ON})


class End(Stage):
    name = "end"
    decided = State("待公布", owner=Role.OFFICE, initial=True)
    announced = State("已公布", success=True)
    announce = Transition(decided, announced, by=Role.OFFICE)
    phase = PhaseWindow(at_close={decided: CARRY_ON})


PROCESS = define(
    [StageInstance("review", Review(), QuorumSettings()), StageInstance("end", End(), End.Settings())], CORE_KINDS
)


@dataclass
class FakeReads(Searchable, Reads):
    """Cases in lists; what is not asked for here cannot be read."""

    cases: list[CaseView] = field(default_factory=list)
    listing: list[CaseView] = field(default_factory=list)

    def case(self, case_id: str) -> CaseView:
        return next(c for c in self.cases if c.id == case_id)

    def children(self, parent_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases if c.parent == parent_id and c.kind == kind]

    def acts(self, application_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.listing if c.kind == kind]

    def belonging(self, of_id: str, kind: str) -> list[CaseView]:
        raise NotImplementedError

    def members(self, cohort_id: str) -> list[CaseView]:
        raise NotImplementedError

    def applications(self, stages: Sequence[str], owner: str) -> list[CaseView]:
        raise NotImplementedError

    def private(self, commitment: str) -> str | None:
        raise NotImplementedError

    def secret(self) -> str:
        raise NotImplementedError

    def reckon(self, period: Limit, start: datetime) -> Reckoning:
        raise NotImplementedError

    def in_force(self) -> tuple[WorkingCalendar, ZoneInfo, time]:
        raise NotImplementedError


def case(
    kind: str, state: str, *, of: str | None = None, stage: str = "review", visit: int = 2, **facts: Any
) -> CaseView:
    application = kind == "application"
    return CaseView(
        id="a1" if application else f"{kind} {state}",
        kind=kind,
        state=state,
        stage=stage,
        visit=visit,
        round="r1",
        parent=None if application else "a1",
        of=of,
        facts=facts,
        parties={},
        opened_at=NOON,
        seq=1,
        head="0" * 64,
    )


APPLICATION = case("application", "review.scoring")


def holds(
    condition: Condition,
    *children: CaseView,
    acts: Sequence[CaseView] = (),
    of: CaseView | None = None,
    quorum: int = 2,
) -> bool:
    asked = APPLICATION if of is None else case("sheet", "assigned", of=of.id)
    reads = FakeReads([asked, *children, *([of] if of else [])], list(acts))
    settings = QuorumSettings(quorum=quorum)
    context = Context(reads, PROCESS, asked, None, {}, Actor(Role.ENGINE), NOON, NOON, settings)
    return condition.holds(context)


def sheets(*states: str) -> list[CaseView]:
    return [case("sheet", state) for state in states]


CHILDREN: dict[str, list[CaseView]] = {
    "none": [],
    "one open": sheets("assigned"),
    "open and final": sheets("scored", "assigned"),
    "all final": sheets("scored", "void"),
    "two scored": sheets("scored", "scored"),
    "doubted": sheets("scored", "doubted", "scored"),
}


@pytest.mark.parametrize(
    ("condition", "true_of"),
    [
        (any_open(Sheet), ["one open", "open and final", "doubted"]),
        (none_open(Sheet), ["none", "all final", "two scored"]),
        (settled(Sheet), ["all final", "two scored"]),
        (any_in(Sheet, Sheet.doubted), ["doubted"]),
        (any_in(Sheet, Sheet.doubted, Sheet.void), ["all final", "doubted"]),
        (enough(Sheet, Sheet.scored, "quorum"), ["two scored", "doubted"]),
        (all_of(none_open(Sheet), enough(Sheet, Sheet.scored, "quorum")), ["two scored"]),
        (all_of(any_open(Sheet), none_open(Sheet)), []),
        (all_of(), list(CHILDREN)),
    ],
    ids=lambda value: str(value.document()) if isinstance(value, Condition) else "",
)
def test_a_condition_on_the_children(condition: Condition, true_of: list[str]) -> None:
    assert [name for name, children in CHILDREN.items() if holds(condition, *children)] == true_of


@pytest.mark.parametrize(("quorum", "expected"), [(0, True), (1, True), (2, False)])
def test_enough_is_as_many_as_the_setting_says(quorum: int, expected: bool) -> None:
    assert holds(enough(Sheet, Sheet.scored, "quorum"), *sheets("scored", "assigned"), quorum=quorum) is expected


@pytest.mark.parametrize("stray", [{"visit": 1}, {"stage": "end"}], ids=["an earlier visit", "another stage"])
def test_children_of_another_visit_or_stage_do_not_count(stray: dict[str, Any]) -> None:
    child = case("sheet", "assigned", **stray)

    assert holds(none_open(Sheet), child)
    assert not holds(any_open(Sheet), child)
    assert not holds(settled(Sheet), case("sheet", "scored", **stray))


def test_children_of_another_kind_do_not_count() -> None:
    assert holds(none_open(Sheet), case("panel", "sitting"))


@pytest.mark.parametrize(
    ("states", "expected"),
    [([], False), (["sitting"], False), (["risen"], True), (["risen", "sitting"], False), (["sitting", "risen"], True)],
)
def test_closed_asks_the_latest_act_that_lists_the_application(states: list[str], expected: bool) -> None:
    assert holds(closed(Panel), acts=[case("panel", state) for state in states]) is expected


def test_an_act_of_another_stage_does_not_count() -> None:
    assert not holds(closed(Panel), acts=[case("panel", "risen", stage="end")])


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"silence": True}, True),
        ({"silence": False}, False),
        ({"silence": 1}, False),
        ({"silence": "true"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_stated_asks_a_fact_of_the_act_the_case_belongs_to(facts: dict[str, Any], expected: bool) -> None:
    assert holds(stated("silence"), of=case("panel", "sitting", **facts)) is expected


def test_a_case_that_belongs_to_no_act_states_nothing() -> None:
    assert not holds(stated("silence"))


def test_a_condition_says_what_it_reads() -> None:
    condition = all_of(any_in(Sheet, Sheet.scored, Sheet.void), closed(Panel), none_open(Sheet), stated("silence"))

    assert condition.kinds == (Sheet, Panel)
    assert condition.document() == [
        "all_of",
        ["sheet", "panel"],
        [
            ["any_in", ["sheet"], ["scored", "void"]],
            ["closed", ["panel"], []],
            ["none_open", ["sheet"], []],
            ["stated", [], ["silence"]],
        ],
    ]
    assert enough(Sheet, Sheet.scored, "quorum").document() == ["enough", ["sheet"], ["scored", "quorum"]]
