"""A process: every kind of case of one plan, its states and edges, built once and shared by all threads.

`compiler.define()` makes it from classes: the application's life cycle is the chain of its stages, every other kind
stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import BaseModel
from transitions import Machine

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import Unknown
from ganchu_workflow.process.deadlines import Alert, Deadline
from ganchu_workflow.process.language import (
    Cohort,
    Lifecycle,
    PhaseWindow,
    Slot,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.machine import build_machine
from ganchu_workflow.process.values import CaseView


@dataclass(frozen=True)
class Edge:
    """One way from one state to another: a transition, spelt out for a source and a stage instance."""

    trigger: str
    source: str | None
    """None: the case does not exist yet."""
    target: str
    transition: Transition
    by: frozenset[Role]
    stage: str
    """The stage instance that declares it; empty for kinds that stand alone."""
    handler: Lifecycle
    late: bool = False
    """Whether only a timely act that is entered late goes this way, out of what the end of its window led to."""

    @property
    def name(self) -> str:
        """The trigger, qualified by its stage where the kind has stages."""
        return f"{self.stage}.{self.trigger}" if self.stage else self.trigger


@dataclass(frozen=True)
class Timer:
    """A deadline, spelt out for one kind: its qualified name and the states it runs and stops in."""

    name: str
    deadline: Deadline
    runs_in: frozenset[str]
    stops_in: frozenset[str]
    stage: str
    admits: frozenset[tuple[str, str]]
    """What is in time only while it runs: (kind, bare trigger)."""

    def alert_name(self, alert: Alert) -> str:
        """The name under which an alert of this deadline runs beside it."""
        return f"{self.name} {alert}"


@dataclass(frozen=True)
class StageInstance:
    """One stage of the plan: the class, under the name it has in this plan, with its settings."""

    name: str
    stage: Stage
    settings: BaseModel
    wiring: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KindDefinition:
    """One kind of case: its states, edges and timers, and the machine that is their table."""

    kind: str
    label: str
    rank: int
    lifecycle: Lifecycle
    states: Mapping[str, State]
    edges: Sequence[Edge]
    timers: Sequence[Timer]
    initial: str

    @cached_property
    def edges_from(self) -> Mapping[str | None, tuple[Edge, ...]]:
        """The edges by the state they leave, in declaration order."""
        found: dict[str | None, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge)
        return {source: tuple(edges) for source, edges in found.items()}

    @cached_property
    def automatic_from(self) -> Mapping[str | None, tuple[Edge, ...]]:
        """The edges that the engine fires by itself, by the state they leave."""
        return {s: tuple(e for e in edges if e.transition.when and not e.late) for s, edges in self.edges_from.items()}

    @cached_property
    def machine(self) -> Machine:
        """The flat table of the kind, one for all threads; it holds no model and no queue."""
        return build_machine(self.states, [(e.name, e.source, e.target) for e in self.edges])

    @property
    def is_cohort(self) -> bool:
        """Whether the kind is an act on many applications."""
        return isinstance(self.lifecycle, Cohort)

    def find(self, state: str | None, trigger: str, *, late: bool = False) -> tuple[Edge, ...]:
        """The edges that leave `state` under a bare or a qualified trigger name; with `late`, those of 补录 too."""
        found = (e for e in self.edges_from.get(state, ()) if trigger in (e.trigger, e.name))
        return tuple(e for e in found if late or not e.late)

    def timer(self, name: str, stage: str = "") -> Timer | None:
        """The deadline of that bare or qualified name; a bare one means that of `stage`."""
        return next((t for t in self.timers if name == t.name or f"{stage}.{name}" == t.name), None)

    def triggers(self) -> frozenset[str]:
        """Every trigger name, bare and qualified."""
        return frozenset(n for e in self.edges for n in (e.trigger, e.name))


@dataclass(frozen=True)
class Process:
    """Everything that may happen in a round under one plan."""

    stages: tuple[StageInstance, ...]
    kinds: Mapping[str, KindDefinition]

    @cached_property
    def stage_names(self) -> tuple[str, ...]:
        """The stage instances in the order of the plan."""
        return tuple(s.name for s in self.stages)

    @property
    def application(self) -> KindDefinition:
        """The kind whose way leads through the stages."""
        return self.kinds["application"]

    def kind(self, name: str) -> KindDefinition:
        """The kind of that name. Raises `Unknown`, listing the kinds there are."""
        if name not in self.kinds:
            raise Unknown(
                f"there is no kind of case '{name}' in this round; there are: {', '.join(sorted(self.kinds))}"
            )
        return self.kinds[name]

    def stage(self, name: str) -> StageInstance:
        """The stage instance of that name. Raises `Unknown`, listing the stages there are."""
        for instance in self.stages:
            if instance.name == name:
                return instance
        raise Unknown(f"there is no stage '{name}' in this round; there are: {', '.join(self.stage_names)}")

    def later_than(self, stage: str) -> tuple[str, ...]:
        """The stage instances after `stage`."""
        return self.stage_names[self.stage_names.index(stage) + 1 :]

    def phase_window(self, stage: str) -> PhaseWindow | None:
        """The phase window the stage declares."""
        return self.stage(stage).stage.phase if stage else None

    def slot(self, stage: str, state: State | Slot) -> State:
        """The state a stage means, where a mixin left a slot."""
        found = getattr(self.stage(stage).stage, state.name, None) if isinstance(state, Slot) else state
        if not isinstance(found, State):
            raise Unknown(f"the stage '{stage}' does not fill the slot '{state.name}'")
        return found

    def transition(self, case: CaseView, trigger: str) -> Transition:
        """The transition of that trigger from where the case stands. Raises `Unknown` when there is none."""
        edges = self.kind(case.kind).find(case.state, trigger)
        if not edges:
            raise Unknown(f"nothing called '{trigger}' leads from {case.state}")
        return edges[0].transition

    def bringing(self, kind: str) -> tuple[str, ...]:
        """The stage instances that bring cases of this kind."""
        return tuple(s.name for s in self.stages if kind in {c.kind for c in s.stage.cases})

    def state(self, case: CaseView) -> State:
        """The declaration of the state a case stands in."""
        return self.kinds[case.kind].states[case.state]

    def indexed(self, kind: str) -> tuple[str, ...]:
        """The facts of a kind that can be searched for: of the application, those of all its stages."""
        if kind != "application":
            return self.kind(kind).lifecycle.indexed
        return tuple(dict.fromkeys(name for s in self.stages for name in s.stage.indexed))

    def is_final(self, case: CaseView) -> bool:
        """Whether the case stands in a final state."""
        return self.state(case).final

    def is_success(self, case: CaseView) -> bool:
        """Whether the case stands in a final state that keeps its place."""
        return self.state(case).success

    @cached_property
    def admitting(self) -> Mapping[tuple[str, str], tuple[tuple[str, Timer], ...]]:
        """The timers that govern a transition, by its kind and bare trigger: (kind whose deadline it is, timer)."""
        found: dict[tuple[str, str], list[tuple[str, Timer]]] = {}
        for kind in self.kinds.values():
            for timer in kind.timers:
                for admitted in timer.admits:
                    found.setdefault(admitted, []).append((kind.kind, timer))
        return {key: tuple(rows) for key, rows in found.items()}
