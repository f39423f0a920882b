"""审议: what a meeting can resolve, and that the resolution stays with the application."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from ganchu_stages.deliberation import ApprovalWithChanges, Deliberation, ReasonedResolution, Resolution
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.errors import DefinitionInvalid
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.definition import Process, StageInstance
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    START,
    Data,
    Lifecycle,
    NoSettings,
    PhaseWindow,
    Private,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.process.values import CaseView, Effects
from ganchu_workflow.timing import Limit, Reckoning, WorkingCalendar, reckon
from tests.stages.searchable import Searchable

STAGE = "deliberation"
SETTINGS = NoSettings()
ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 9, 18, 16, 0, tzinfo=ZONE)
OFFICE = Actor(Role.OFFICE, person="p-1")


class First(Stage):
    """The shortest way into a plan."""

    name = "first"
    draft = State("草稿", owner=Role.APPLICANT, initial=True)
    declare = Transition(START, draft, by=Role.APPLICANT)
    submit = Transition(draft, PASSED, by=Role.APPLICANT)
    phase = PhaseWindow(at_close={draft: CARRY_ON})


@dataclass
class World(Searchable):
    """A round at a standstill: the reads of the process language over plain cases."""

    cases: dict[str, CaseView] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)

    def put(self, case_id: str, kind: str, state: str, **given: Any) -> CaseView:
        stage, _, bare = state.rpartition(".")
        # An application stands in the stage of its state; every other kind belongs to the stage under test.
        defaults: dict[str, Any] = {
            "state": state if kind == "application" else bare,
            "stage": (stage if kind == "application" else STAGE),
            "visit": 1,
            "round": "r",
            "parent": None,
            "of": None,
            "facts": {},
            "parties": {},
            "opened_at": NOW,
            "seq": 1,
            "head": "",
        }
        self.cases[case_id] = CaseView(id=case_id, kind=kind, **(defaults | given))
        return self.cases[case_id]

    def item(self, case_id: str, state: str, **given: Any) -> CaseView:
        facts = {"enterprise": f"{case_id}公司", "product": f"{case_id}产品", "city": "360100"}
        defaults = {"facts": facts, "parties": {Role.APPLICANT: f"e-{case_id}"}}
        return self.put(case_id, "application", state, **(defaults | given))

    def context(
        self, case: CaseView, data: Data | None = None, trigger: str = "", now: datetime = NOW
    ) -> Context[Any, Any]:
        given = {} if data is None else data.model_dump(mode="json")
        fields = {} if data is None else type(data).model_fields
        given |= {name: {"private": f"~{name}"} for name, f in fields.items() if Private in f.metadata}
        return Context(self, PROCESS, case, data, given, OFFICE, now, now, SETTINGS, trigger)

    def case(self, case_id: str) -> CaseView:
        return self.cases[case_id]

    def children(self, parent_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases.values() if (c.parent, c.kind) == (parent_id, kind)]

    def belonging(self, of_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases.values() if (c.of, c.kind) == (of_id, kind)]

    def members(self, cohort_id: str) -> list[CaseView]:
        return [self.cases[i] for i in self.lists.get(cohort_id, [])]

    def acts(self, application_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases.values() if c.kind == kind and application_id in self.lists.get(c.id, [])]

    def applications(self, stages: Sequence[str], owner: str) -> list[CaseView]:
        return [c for c in self.cases.values() if c.kind == "application" and c.stage in stages]

    def private(self, commitment: str) -> str | None:
        return None

    def secret(self) -> str:
        return "0" * 32

    def reckon(self, period: Limit, start: datetime) -> Reckoning:
        calendar = WorkingCalendar.built_in()
        return reckon(period, start, calendar, zone=ZONE, close_of_business=time(17, 30))

    def in_force(self) -> tuple[WorkingCalendar, ZoneInfo, time]:
        return WorkingCalendar.built_in(), ZONE, time(17, 30)


def states_of(kind: str) -> dict[str, tuple[str, Role | None]]:
    """What each state is called, and who owns it; None: it is final."""
    return {name: (s.label, s.owner) for name, s in PROCESS.kind(kind).states.items()}


def edges_of(kind: str, stage: str = "") -> list[str]:
    """Each edge as `trigger: source → target (roles)`, in declaration order."""
    return [
        f"{e.trigger}: {_bare(e.source)} → {_bare(e.target)} ({'|'.join(sorted(e.by))})"
        for e in PROCESS.kind(kind).edges
        if e.stage == stage
    ]


def rules_of(lifecycle: type[Lifecycle]) -> dict[str, tuple[list[str], list[str]]]:
    """The guards and the effects of each transition that has any."""
    return {
        name: ([r.id for r in t.guards], [r.id for r in t.effects])
        for name, t in lifecycle.parts(Transition).items()
        if t.guards or t.effects
    }


def _bare(state: str | None) -> str:
    return "∅" if state is None else state


class Last(Stage):
    """The shortest way out of a plan."""

    name = "last"
    arrived = State("已到", owner=Role.OFFICE, initial=True)
    gone = State("已毕", final=True)
    finish = Transition(arrived, gone, by=Role.OFFICE)
    phase = PhaseWindow(at_close={arrived: CARRY_ON})


WIRING = {"sent_back": "first"}


def process(wiring: dict[str, str]) -> Process:
    middle = StageInstance(STAGE, Deliberation(), SETTINGS, wiring)
    return define(
        [StageInstance("first", First(), SETTINGS), middle, StageInstance("last", Last(), SETTINGS)], CORE_KINDS
    )


PROCESS = process(WIRING)


def test_meeting_may_approve_send_back_hold_or_reject() -> None:
    own = {n: s for n, s in states_of("application").items() if n.startswith(STAGE)}
    assert own == {
        f"{STAGE}.tabled": ("待审议", Role.OFFICE),
        f"{STAGE}.on_hold": ("缓议", Role.OFFICE),
        f"{STAGE}.rejected": ("审议不通过", None),
    }
    assert edges_of("application", STAGE) == [
        f"withdraw: {STAGE}.tabled → withdrawn (applicant)",
        f"withdraw: {STAGE}.on_hold → withdrawn (applicant)",
        f"call_off: {STAGE}.tabled → called_off (engine)",
        f"call_off: {STAGE}.on_hold → called_off (engine)",
        f"approve: {STAGE}.tabled → last.arrived (office)",
        f"approve: {STAGE}.on_hold → last.arrived (office)",
        f"approve_with_changes: {STAGE}.tabled → last.arrived (office)",
        f"approve_with_changes: {STAGE}.on_hold → last.arrived (office)",
        f"send_back: {STAGE}.tabled → first.draft (office)",
        f"send_back: {STAGE}.on_hold → first.draft (office)",
        f"hold: {STAGE}.tabled → {STAGE}.on_hold (office)",
        f"reject: {STAGE}.tabled → {STAGE}.rejected (office)",
        f"reject: {STAGE}.on_hold → {STAGE}.rejected (office)",
    ]
    assert {s.name: fate for s, fate in Deliberation.phase.at_close.items()} == {
        "tabled": CARRY_ON,
        "on_hold": CARRY_ON,
    }


def test_plan_that_does_not_say_where_to_send_back_to_is_refused() -> None:
    with pytest.raises(DefinitionInvalid, match=r"on = \{ sent_back = "):
        process({})


def test_every_resolution_is_kept() -> None:
    keeping: tuple[list[str], list[str]] = ([], ["keep_the_resolution"])

    assert rules_of(Deliberation) == dict.fromkeys(
        ["approve", "approve_with_changes", "send_back", "hold", "reject"], keeping
    )


@pytest.mark.parametrize(
    ("trigger", "data", "kept"),
    [
        ("approve", Resolution(document="纪要3"), {}),
        ("hold", ReasonedResolution(document="纪要3", reason="材料待核"), {"reason": {"private": "~reason"}}),
        (
            "approve_with_changes",
            ApprovalWithChanges(document="纪要3", changes="产品名称规范为……"),
            {"changes": {"private": "~changes"}},
        ),
    ],
)
def test_resolution_stays_with_the_application_and_is_told_to_nobody(
    trigger: str, data: Data, kept: dict[str, Any]
) -> None:
    world = World()
    item = world.item("a", f"{STAGE}.tabled")
    resolution = {"document": "纪要3", "decision": trigger, **kept}

    assert Deliberation().keep_the_resolution(world.context(item, data, f"{STAGE}.{trigger}")) == Effects(
        facts={"resolutions": [resolution]}
    )


def test_later_resolution_stands_beside_the_earlier_one_and_borrows_no_reason() -> None:
    world = World()
    held = {"document": "纪要3", "decision": "hold", "reason": {"private": "~reason"}}
    item = world.item("a", f"{STAGE}.on_hold", facts={"resolutions": [held]})
    ctx = world.context(item, Resolution(document="纪要4"), f"{STAGE}.approve")

    assert Deliberation().keep_the_resolution(ctx) == Effects(
        facts={"resolutions": [held, {"document": "纪要4", "decision": "approve"}]}
    )


@pytest.mark.parametrize(
    ("transition", "needed"),
    [
        (Deliberation.approve, ["document"]),
        (Deliberation.approve_with_changes, ["document", "changes"]),
        (Deliberation.send_back, ["document", "reason"]),
        (Deliberation.hold, ["document", "reason"]),
        (Deliberation.reject, ["document", "reason"]),
    ],
)
def test_resolution_names_its_document_and_its_reason(transition: Transition, needed: list[str]) -> None:
    assert transition.data is not None
    with pytest.raises(ValidationError) as caught:
        transition.data()

    assert [(e["loc"], e["type"]) for e in caught.value.errors()] == [((name,), "missing") for name in needed]
