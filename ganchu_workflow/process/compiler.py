"""From classes to tables: `define()` builds the process of a plan, and refuses what cannot work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import DefinitionInvalid, Finding
from ganchu_workflow.process.checks import check_process
from ganchu_workflow.process.deadlines import Deadline
from ganchu_workflow.process.definition import Edge, KindDefinition, Process, StageInstance, Timer
from ganchu_workflow.process.language import (
    CALLED_OFF,
    LATER,
    OPEN,
    OWNER,
    PASSED,
    START,
    WITHDRAWN,
    Lifecycle,
    Outcome,
    Slot,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.spelling import misspelt

ENDS = {"withdrawn": State(WITHDRAWN.label, final=True), "called_off": State(CALLED_OFF.label, final=True)}
"""The ends that every application has, whatever its stages."""


class Draft:
    """A definition in the making: what is wrong is collected, so that all of it is reported at once."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def wrong(self, where: str, what: str) -> None:
        """Note one thing that is wrong."""
        self.findings.append(Finding(where, what))


def resolve_state(lifecycle: type[Lifecycle], state: State | Slot | Outcome) -> State:
    """The state itself, or the one the using stage put into a mixin's slot."""
    if isinstance(state, State):
        # An override of an inherited state is meant wherever the inherited one is named.
        return lifecycle.parts(State).get(state.name, state)
    found = getattr(lifecycle, state.name, None)
    if not isinstance(found, State):
        raise DefinitionInvalid.of(
            lifecycle.kind,
            [Finding(lifecycle.__name__, f"the slot '{state.name}' of its mixin is not filled with a state")],
        )
    return found


def standalone(lifecycle: type[Lifecycle], draft: Draft) -> KindDefinition:
    """The definition of a kind that stands alone: states and triggers keep their bare names."""
    states = lifecycle.parts(State)
    handler = lifecycle()
    edges = [
        Edge(t.name, source, resolve_state(lifecycle, t.target).name, t, _by(t, source, states), "", handler)
        for t in lifecycle.parts(Transition).values()
        if not _is_outcome(lifecycle, t, draft)
        for source in _sources(lifecycle, t, draft)
    ] + [
        Edge(t.name, s.name, resolve_state(lifecycle, t.target).name, t, _by(t, None, states), "", handler, late=True)
        for t in lifecycle.parts(Transition).values()
        if not isinstance(t.target, Outcome)
        for s in t.late_from
    ]
    initial = _initial(lifecycle, states, draft)
    if initial and not any(e.source is None for e in edges):
        opening = Transition(START, states[initial], by=Role.ENGINE, label="生成")
        opening.name = "open"
        edges.insert(0, Edge("open", None, initial, opening, frozenset({Role.ENGINE}), "", handler))
    timers = [
        Timer(
            d.name,
            d,
            frozenset(resolve_state(lifecycle, s).name for s in d.runs_in),
            frozenset(resolve_state(lifecycle, s).name for s in d.stops_in),
            "",
            frozenset(),
        )
        for d in lifecycle.parts(Deadline).values()
    ]
    return KindDefinition(
        lifecycle.kind, lifecycle.label or lifecycle.kind, lifecycle.rank, handler, states, edges, timers, initial
    )


def application_of(stages: Sequence[StageInstance], draft: Draft) -> KindDefinition:
    """The application's life cycle: the chain of its stages, with states and triggers qualified by their stage."""
    states: dict[str, State] = {}
    entries: dict[str, str] = {}
    for instance in stages:
        lifecycle = type(instance.stage)
        own = lifecycle.parts(State)
        states |= {f"{instance.name}.{name}": state for name, state in own.items()}
        entries[instance.name] = f"{instance.name}.{_initial(lifecycle, own, draft)}"
    states |= ENDS
    edges = [
        edge
        for position, instance in enumerate(stages)
        for edge in _stage_edges(position, instance, stages, states, entries, draft)
    ]
    timers = [_stage_timer(instance, d) for instance in stages for d in type(instance.stage).parts(Deadline).values()]
    first = entries[stages[0].name] if stages else ""
    return KindDefinition("application", "申报", Stage.rank, stages[0].stage, states, edges, timers, first)


def _stage_timer(instance: StageInstance, deadline: Deadline) -> Timer:
    lifecycle = type(instance.stage)
    names = [
        frozenset(f"{instance.name}.{resolve_state(lifecycle, s).name}" for s in group)
        for group in (deadline.runs_in, deadline.stops_in)
    ]
    return Timer(f"{instance.name}.{deadline.name}", deadline, names[0], names[1], instance.name, frozenset())


def _stage_edges(
    position: int,
    instance: StageInstance,
    stages: Sequence[StageInstance],
    states: Mapping[str, State],
    entries: Mapping[str, str],
    draft: Draft,
) -> Iterable[Edge]:
    lifecycle = type(instance.stage)
    later = {s.name for s in stages[position + 1 :]}
    for transition in lifecycle.parts(Transition).values():
        target = _stage_target(transition, position, instance, stages, entries, draft)
        if target is None:
            continue
        sources: list[str | None] = []
        for source in transition.sources:
            if source is LATER:
                sources += [n for n, s in states.items() if n.partition(".")[0] in later and not s.final]
            else:
                found = _sources(lifecycle, transition, draft, only=source)
                sources += [None if s is None else f"{instance.name}.{s}" for s in found]
        for name in dict.fromkeys(sources):
            yield Edge(
                transition.name, name, target, transition, _by(transition, name, states), instance.name, instance.stage
            )
        for state in transition.late_from:
            source_name = state.ends_in if isinstance(state, Outcome) else f"{instance.name}.{state.name}"
            by = _by(transition, None, states)
            yield Edge(transition.name, source_name, target, transition, by, instance.name, instance.stage, late=True)


def _stage_target(
    transition: Transition,
    position: int,
    instance: StageInstance,
    stages: Sequence[StageInstance],
    entries: Mapping[str, str],
    draft: Draft,
) -> str | None:
    target = transition.target
    where = f"{instance.name}.{transition.name}"
    if not isinstance(target, Outcome):
        return f"{instance.name}.{resolve_state(type(instance.stage), target).name}"
    wired = instance.wiring.get(target.name)
    if wired is not None and (target is PASSED or target.ends_in) and wired != target.ends_in:
        draft.wrong(
            where, f"the outcome '{target.name}' has its own meaning and cannot be wired to '{wired}'; drop it from on"
        )
        return None
    if wired is not None:
        if wired in entries:
            return entries[wired]
        if wired in ENDS:
            return wired
        draft.wrong(
            where,
            f"the outcome '{target.name}' is wired to '{wired}', which is neither a stage nor an end; "
            f"there are: {', '.join([*entries, *ENDS])}",
        )
        return None
    if target.ends_in:
        return target.ends_in
    if target is PASSED:
        if position + 1 < len(stages):
            return entries[stages[position + 1].name]
        draft.wrong(
            where,
            "the last stage of the plan passes on to nothing; end the plan with a stage such as 'announcement'",
        )
        return None
    draft.wrong(
        where,
        f"the outcome '{target.name}' is not wired; add  on = {{ {target.name} = \"<stage>\" }}  to it in the plan",
    )
    return None


def _initial(lifecycle: type[Lifecycle], states: Mapping[str, State], draft: Draft) -> str:
    marked = [name for name, state in states.items() if state.initial]
    if len(marked) == 1:
        return marked[0]
    starts = [t.target for t in lifecycle.parts(Transition).values() if START in t.sources]
    if not marked and starts and not isinstance(starts[0], Outcome):
        return resolve_state(lifecycle, starts[0]).name
    draft.wrong(lifecycle.__name__, f"exactly one state must be initial=True, found {', '.join(marked) or 'none'}")
    return marked[0] if marked else next(iter(states), "")


def _is_outcome(lifecycle: type[Lifecycle], transition: Transition, draft: Draft) -> bool:
    outcome = isinstance(transition.target, Outcome)
    if outcome:
        draft.wrong(
            f"{lifecycle.kind}.{transition.name}", "only a stage has outcomes; lead to a state of this life cycle"
        )
    return outcome


def _sources(lifecycle: type[Lifecycle], transition: Transition, draft: Draft, *, only: Any = None) -> list[str | None]:
    own = lifecycle.parts(State)
    found: list[str | None] = []
    for source in transition.sources if only is None else (only,):
        if source is START:
            found.append(None)
        elif source is OPEN:
            found += [name for name, state in own.items() if not state.final]
        elif source is LATER:
            draft.wrong(
                f"{lifecycle.kind}.{transition.name}", "LATER is for stages: this life cycle has no later stage"
            )
        elif isinstance(source, State | Slot):
            found.append(resolve_state(lifecycle, source).name)
    return list(dict.fromkeys(found))


def _by(transition: Transition, source: str | None, states: Mapping[str, State]) -> frozenset[Role]:
    roles: set[Role] = {Role.ENGINE} if transition.when else set()
    for role in transition.by:
        if isinstance(role, Role):
            roles.add(role)
        elif role is OWNER and source is not None and (owner := states[source].owner) is not None:
            roles.add(owner)
    return frozenset(roles)


def define(stages: Sequence[StageInstance], core: Sequence[type[Lifecycle]]) -> Process:
    """The process of these stages, with the `core` kinds (round and phase) beside them.

    Raises `DefinitionInvalid` with everything that is wrong: nothing that cannot work is ever handed out.
    """
    if not stages:
        raise DefinitionInvalid.of("of a plan", [Finding("stage", "a plan needs at least one stage")])
    used = dict.fromkeys([*core, *(c for s in stages for c in (type(s.stage), *s.stage.cases))])
    strange = [f for lifecycle in used for f in misspelt(lifecycle) or _strange_states(lifecycle)]
    if strange:
        raise DefinitionInvalid.of("of a plan", strange)
    draft = Draft()
    kinds: dict[str, KindDefinition] = {}
    classes: dict[str, type[Lifecycle]] = {}
    for lifecycle in [*core, *(c for s in stages for c in s.stage.cases)]:
        known = classes.setdefault(lifecycle.kind, lifecycle)
        if lifecycle.kind == "application":
            draft.wrong("application", f"is the kind that the stages make up; rename the one of {_place(lifecycle)}")
        elif known is not lifecycle:
            draft.wrong(lifecycle.kind, f"two life cycles claim this kind: {_place(known)} and {_place(lifecycle)}")
        elif lifecycle.kind not in kinds:
            kinds[lifecycle.kind] = standalone(lifecycle, draft)
    kinds["application"] = application_of(stages, draft)
    kinds = {name: replace(kind, timers=_with_admitted(kind, kinds, draft)) for name, kind in kinds.items()}
    process = Process(tuple(stages), kinds)
    findings = [*draft.findings, *check_process(process)]
    if findings:
        raise DefinitionInvalid.of("of a plan", findings)
    return process


def _strange_states(lifecycle: type[Lifecycle]) -> Iterable[Finding]:
    """States that are named where they mean nothing: a slot left open, a state removed, or another life cycle's."""
    own = lifecycle.parts(State)
    declared = [value for base in lifecycle.__mro__ for value in vars(base).values()]
    transitions = lifecycle.parts(Transition).values()
    named = [(t.name, s) for t in transitions for s in (*t.sources, *t.late_from, t.target)]
    named += [(d.name, s) for d in lifecycle.parts(Deadline).values() for s in (*d.runs_in, *d.stops_in)]
    found: list[Finding] = []
    for name, state in named:
        where = lifecycle.__name__
        meant = getattr(lifecycle, state.name, None) if isinstance(state, Slot) else state
        if isinstance(state, Slot) and not isinstance(meant, State):
            found.append(Finding(where, f"the slot '{state.name}' of its mixin is not filled with a state"))
        elif isinstance(meant, State) and not (meant.name in own and any(meant is d for d in declared)):
            found.append(Finding(f"{where}.{name}", f"names the state '{meant.name}', which {where} does not have"))
    return dict.fromkeys(found)


def _with_admitted(kind: KindDefinition, kinds: Mapping[str, KindDefinition], draft: Draft) -> list[Timer]:
    """The kind's timers with what they admit, which may belong to any kind of the process."""
    timers = []
    for timer in kind.timers:
        admitted = {
            (k.kind, e.trigger)
            for k in kinds.values()
            for e in k.edges
            for t in timer.deadline.admits
            if _means(t, e) and (k.kind != kind.kind or e.stage == timer.stage)
        }
        missing = {t.name for t in timer.deadline.admits} - {trigger for _, trigger in admitted}
        if missing:
            draft.wrong(
                f"{kind.kind}.{timer.name}", f"admits {', '.join(sorted(missing))}, which no kind of this process has"
            )
        timers.append(replace(timer, admits=frozenset(admitted)))
    return timers


def _means(declared: Transition, edge: Edge) -> bool:
    """Whether `declared` is the edge's transition, or the inherited one that it overrides."""
    if declared is edge.transition:
        return True
    bases = type(edge.handler).__mro__
    return declared.name == edge.trigger and any(declared is value for base in bases for value in vars(base).values())


def _place(lifecycle: type[Lifecycle]) -> str:
    return f"{lifecycle.__module__}.{lifecycle.__qualname__}"
