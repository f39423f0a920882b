"""What there is to draw of a process, before it is Mermaid or SVG: boxes and arrows.

A *life cycle* is drawn for each kind of case, and for each stage of the plan (an application's way through that stage).
Every state and every edge of the process is in one box or one arrow of the drawing it belongs to, and in no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from ganchu_workflow.errors import Unknown
from ganchu_workflow.process.definition import Edge, KindDefinition, Process
from ganchu_workflow.process.diagram.words import (
    admitted_words,
    beside_words,
    loop_words,
    owner_words,
    stage_words,
    step_words,
    timer_name,
    timer_words,
    who_words,
)
from ganchu_workflow.process.language import OPEN


class Shape(StrEnum):
    """What a box stands for; each is drawn in a form of its own, not only in a colour."""

    START = "start"
    """Nothing yet: the case is opened from here."""
    ENTRY = "entry"
    """The stages an application comes from."""
    ANY = "any"
    """Any open state of this stage, or of the later ones."""
    STATE = "state"
    FINAL = "final"
    SUCCESS = "success"
    """A final state that keeps the application's place."""
    EXIT = "exit"
    """Another stage, which this one leads to."""
    STAGE = "stage"
    """On the map: a stage of the plan."""
    RESERVE = "reserve"
    """On the map: the open states from which one may still move up."""


class Sort(StrEnum):
    """What a line of a box or of an arrow says."""

    OWNER = "owner"
    DEADLINE = "deadline"
    LOOP = "loop"
    STEP = "step"
    WHO = "who"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text."""

    sort: Sort
    text: str


@dataclass(frozen=True, slots=True)
class Node:
    """A box. `loops` are the edges that lead from its state to itself; they are written into it."""

    key: str
    """The state's name; what is no state has a colon in its key, so that no state can have the same."""
    shape: Shape
    title: str
    lines: tuple[Line, ...] = ()
    states: tuple[str, ...] = ()
    """The states it shows, as the process names them; empty for what is no state."""
    loops: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow for all the edges that lead from one box to another; dashed for reversals."""

    source: str
    target: str
    lines: tuple[Line, ...] = ()
    dashed: bool = False
    edges: tuple[Edge, ...] = ()
    """None: it only shows where an application comes from; the edge is drawn where it is declared."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One life cycle: its boxes and arrows, in the order of declaration."""

    name: str
    title: str
    subtitle: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]


def life_cycle_names(process: Process) -> tuple[str, ...]:
    """Everything that has a life cycle of its own: `stage:…` in the order of the plan, then `kind:…`."""
    kinds = [f"kind:{name}" for name in process.kinds if name != "application"]
    return (*(f"stage:{name}" for name in process.stage_names), *kinds)


def drawing_of(process: Process, kind_or_stage: str) -> Drawing:
    """The life cycle of a stage or of a kind. `stage:` or `kind:` before the name says which; a stage comes first.

    Raises `Unknown`, naming the stages and kinds there are.
    """
    prefix, _, name = kind_or_stage.partition(":")
    if prefix not in ("stage", "kind") or not name:
        prefix, name = "", kind_or_stage
    kinds = [k for k in process.kinds if k != "application"]
    if name in process.stage_names and prefix != "kind":
        return _of_stage(process, name)
    if name in kinds and prefix != "stage":
        return _of_kind(process, process.kind(name))
    if name == "application":
        stages = ", ".join(process.stage_names)
        raise Unknown(f"an application's life cycle is drawn stage by stage; name one of the stages: {stages}")
    named = {"stage": process.stage_names, "kind": tuple(kinds)}
    there = {prefix: named[prefix]} if prefix else named
    near = get_close_matches(name, [n for names in there.values() for n in names], 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    said = "; ".join(f"{word}s: {', '.join(names)}" for word, names in there.items())
    raise Unknown(f"this plan has no {' or '.join(there)} '{name}'; {hint}there are these {said}")


def _of_kind(process: Process, kind: KindDefinition) -> Drawing:
    bringing = "、".join(stage_words(process, name) for name in process.bringing(kind.kind))
    return Drawing(
        kind.kind,
        kind.label,
        f"案件种类 {kind.kind}" + (f" · 随环节:{bringing}" if bringing else " · 每个批次都有"),
        tuple(_nodes(process, kind, kind.edges, list(kind.states))),
        tuple(_arrows(process, kind, kind.edges)),
    )


def _of_stage(process: Process, stage: str) -> Drawing:
    kind = process.application
    edges = [e for e in kind.edges if e.stage == stage]
    inside = [name for name in kind.states if stage_of(name) == stage]
    ends = dict.fromkeys(e.target for e in edges if not stage_of(e.target))
    coming = [e for e in kind.edges if e.stage != stage and e.target in inside and not e.transition.reopens]
    nodes = list(_nodes(process, kind, edges, [*inside, *ends]))
    arrows = list(_arrows(process, kind, edges))
    if coming:
        origins = dict.fromkeys(stage_words(process, e.stage) for e in coming)
        nodes.insert(0, Node(":entry", Shape.ENTRY, f"来自:{'、'.join(origins)}"))
        arrows[:0] = [Arrow(":entry", target) for target in dict.fromkeys(e.target for e in coming)]
    number = process.stage_names.index(stage) + 1
    title = f"{stage_words(process, stage)} · 一项申报的经过"
    return Drawing(stage, title, f"环节 {stage}(第{number}个)", tuple(nodes), tuple(arrows))


def stage_of(state: str) -> str:
    """The stage a state of the application belongs to; empty for an end that every application has."""
    return state.rpartition(".")[0]


def _nodes(process: Process, kind: KindDefinition, edges: Sequence[Edge], states: Sequence[str]) -> Iterable[Node]:
    if any(e.source is None for e in edges):
        yield Node(":start", Shape.START, "")
    for name in states:
        yield _state_node(process, kind, edges, name)
    used = dict.fromkeys(_source(kind, e) for e in edges if not e.late)
    if ":any" in used:
        yield Node(":any", Shape.ANY, "任一未办结的状态")
    if ":later" in used:
        yield Node(":later", Shape.ANY, "后续环节中未办结的申报")
    for key in dict.fromkeys(_target(e) for e in edges):
        if key.startswith("to:"):
            yield Node(key, Shape.EXIT, f"转入:{stage_words(process, key.removeprefix('to:'))}")


def _state_node(process: Process, kind: KindDefinition, edges: Sequence[Edge], name: str) -> Node:
    state = kind.states[name]
    loops = tuple(e for e in edges if e.source == name if e.late or _source(kind, e) == e.target)
    lines = [Line(Sort.OWNER, owner_words(state.owner))] if state.owner else []
    for timer in kind.timers:
        if name in timer.runs_in:
            lines.append(Line(Sort.DEADLINE, timer_words(process, kind, timer)))
            if admitted := admitted_words(process, kind, timer):
                lines.append(Line(Sort.DEADLINE, f"期内方可:{admitted}"))
            lines += (Line(Sort.DEADLINE, said) for said in beside_words(process, kind, timer))
        elif name in timer.stops_in:
            lines.append(Line(Sort.DEADLINE, f"{timer_name(timer)}:暂停计算"))
    for loop in loops:
        lines.append(Line(Sort.LOOP, loop_words(process, kind, loop)))
    shape = Shape.SUCCESS if state.success else Shape.FINAL if state.final else Shape.STATE
    return Node(name, shape, state.label, tuple(lines), (name,), loops)


def _arrows(process: Process, kind: KindDefinition, edges: Sequence[Edge]) -> Iterable[Arrow]:
    grouped: dict[tuple[str, str, bool], list[Edge]] = {}
    for edge in edges:
        ends = (_source(kind, edge), _target(edge))
        if ends[0] != ends[1] and not edge.late:
            grouped.setdefault((*ends, edge.transition.reopens), []).append(edge)
    for (source, target, dashed), found in grouped.items():
        yield Arrow(source, target, tuple(arrow_lines(process, kind, found)), dashed, tuple(found))


def arrow_lines(process: Process, kind: KindDefinition, edges: Sequence[Edge]) -> Iterable[Line]:
    """The steps, and below them who fires them; steps of the same hand stand together."""
    by_hand: dict[str, dict[str, None]] = {}
    for edge in edges:
        by_hand.setdefault(who_words(process, kind, edge), {})[step_words(edge)] = None
    for who, steps in by_hand.items():
        yield from (Line(Sort.STEP, step) for step in steps)
        yield Line(Sort.WHO, who)


def _source(kind: KindDefinition, edge: Edge) -> str:
    """The box an edge leaves. What leaves every open state leaves one box for all of them."""
    if edge.source is None:
        return ":start"
    if stage_of(edge.source) != edge.stage:
        return ":later"
    several = sum(e.transition is edge.transition and e.stage == edge.stage and not e.late for e in kind.edges) > 1
    anywhere = OPEN in edge.transition.sources and not kind.states[edge.source].final
    return ":any" if anywhere and several else edge.source


def _target(edge: Edge) -> str:
    """The box an edge leads to: another stage is one box, whichever its first state is."""
    stage = stage_of(edge.target)
    return f"to:{stage}" if stage and edge.stage and stage != edge.stage else edge.target
