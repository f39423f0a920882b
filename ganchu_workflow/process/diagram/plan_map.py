"""The map of a plan: its stages in order, what leads on, back and out, and the way of the reserve.

What happens inside a stage is left to the stage's life cycle; what every stage has (withdrawal, the round called off)
is collected in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ganchu_workflow.process.definition import Edge, Process
from ganchu_workflow.process.diagram.drawing import Arrow, Line, Node, Shape, Sort, arrow_lines, stage_of
from ganchu_workflow.process.diagram.words import roles_words, stage_words, step_words, who_words

ANYWHERE = ":anywhere"
"""The box of what may happen in every stage."""


@dataclass(frozen=True, slots=True)
class PlanMap:
    """The boxes and arrows of the map. Keys: `stage:…`, `reserve:…`, `out:…` and `good:…` of each stage, `end:…`."""

    stages: tuple[str, ...]
    nodes: Mapping[str, Node]
    arrows: tuple[Arrow, ...]


def plan_map(process: Process) -> PlanMap:
    """The map of a process."""
    found: dict[str, Node] = {}
    boxes = _boxes(process)
    notes = _notes(process, boxes)
    for name in process.stage_names:
        states = [s for s in process.application.states if stage_of(s) == name]
        for key in dict.fromkeys(boxes[s] for s in states):
            mine = tuple(s for s in states if boxes[s] == key)
            found[key] = _node(process, key, name, mine, notes.get(key, ()))
        # A stage has its box even where each of its states is drawn beside it.
        found.setdefault(f"stage:{name}", _node(process, f"stage:{name}", name, (), ()))
    arrows = [*_within(process, boxes), *_between(process, boxes)]
    ends = _collected(process)
    if ends:
        found[ANYWHERE] = Node(ANYWHERE, Shape.ANY, "各环节中未办结的申报")
    for end in ends:
        found[end.key] = end
        arrows.append(Arrow(ANYWHERE, end.key, (), edges=end.loops))
    return PlanMap(process.stage_names, found, tuple(arrows))


def _boxes(process: Process) -> dict[str, str]:
    """The box each state of a stage is drawn in."""
    reserves = _reserves(process)
    boxes = {}
    for name, state in process.application.states.items():
        if stage := stage_of(name):
            if state.success:
                kind = "good"
            elif state.final:
                kind = "out"
            else:
                kind = "reserve" if name in reserves else "stage"
            boxes[name] = f"{kind}:{stage}"
    return boxes


def _reserves(process: Process) -> set[str]:
    """The states that are a reserve, by whatever name.

    One leads on from there, who is already further on can be put back there, and it is not the only way on.
    """
    kind = process.application
    ways = [e for e in kind.edges if not e.transition.reopens and not e.late]
    onward = {str(e.source) for e in ways if _place(process, e) > 0}
    put_back = {e.target for e in kind.edges if _from_later(e)}
    found = {s for s in onward & put_back if not kind.states[s].initial}
    main = {stage_of(s) for s in onward - found}
    return {s for s in found if stage_of(s) in main}


def _place(process: Process, edge: Edge) -> int:
    """How many stages an edge leads on; negative: back; 0: it stays, or leads to an end of the application."""
    names = process.stage_names
    target = stage_of(edge.target)
    return names.index(target) - names.index(edge.stage) if target else 0


def _from_later(edge: Edge) -> bool:
    return edge.source is not None and stage_of(edge.source) != edge.stage


def _node(process: Process, key: str, stage: str, states: tuple[str, ...], notes: Sequence[str]) -> Node:
    declared = [process.application.states[s] for s in states]
    lines = [Line(Sort.LOOP, note) for note in notes]
    kind = key.partition(":")[0]
    if kind != "stage":
        shape = {"reserve": Shape.RESERVE, "out": Shape.FINAL, "good": Shape.SUCCESS}[kind]
        return Node(key, shape, " · ".join(s.label for s in declared), tuple(lines), states)
    owners = {s.owner for s in declared if s.owner is not None}
    if owners:
        lines.insert(0, Line(Sort.OWNER, f"办理:{roles_words(owners)}"))
    brought = [c.label or c.kind for c in process.stage(stage).stage.cases]
    if brought:
        lines.insert(1, Line(Sort.OWNER, f"附案件:{'、'.join(brought)}"))
    number = process.stage_names.index(stage) + 1
    return Node(key, Shape.STAGE, f"{number} {stage_words(process, stage)}", tuple(lines), states)


def _notes(process: Process, boxes: Mapping[str, str]) -> dict[str, list[str]]:
    """Reversals that reach back from any later stage, noted where they lead to."""
    found: dict[str, dict[str, None]] = {}
    for edge in process.application.edges:
        if _from_later(edge) and edge.target in boxes:
            who = who_words(process, process.application, edge)
            found.setdefault(boxes[edge.target], {})[f"自后续环节更正至此:{step_words(edge)}({who})"] = None
    return {key: list(notes) for key, notes in found.items()}


def _within(process: Process, boxes: Mapping[str, str]) -> Iterable[Arrow]:
    """From a stage to what is drawn beside it, and back by a reversal."""
    grouped: dict[tuple[str, str, bool], list[Edge]] = {}
    for edge in process.application.edges:
        if edge.source is None or edge.late or _from_later(edge):
            continue  # a late entry undoes what time has done, and is no way of the plan's
        if stage_of(edge.target) == edge.stage:
            source = _beside(boxes, edge) if edge.transition.reopens else boxes[edge.source]
            ends = source, boxes[edge.target]
            if ends[0] != ends[1]:
                grouped.setdefault((*ends, edge.transition.reopens), []).append(edge)
    for (source, target, dashed), edges in grouped.items():
        if source.startswith("stage:") or (dashed and target.startswith("stage:")):
            said = dashed or target.startswith("good:")
            lines = tuple(arrow_lines(process, process.application, edges)) if said else ()
            yield Arrow(source, target, lines, dashed, tuple(edges))


def _between(process: Process, boxes: Mapping[str, str]) -> Iterable[Arrow]:
    """From stage to stage, or from what is beside a stage; reversals of one stage together, from the last of these."""
    grouped: dict[tuple[str, str, bool], list[Edge]] = {}
    for edge in process.application.edges:
        target = stage_of(edge.target)
        if edge.source is None or _from_later(edge):
            continue
        if target and target != edge.stage:
            undoes = edge.transition.reopens or edge.late
            source = _beside(boxes, edge) if undoes else boxes[edge.source]
            grouped.setdefault((source, f"stage:{target}", undoes), []).append(edge)
    for (source, to, dashed), edges in grouped.items():
        yield Arrow(source, to, tuple(arrow_lines(process, process.application, edges)), dashed, tuple(edges))


def _beside(boxes: Mapping[str, str], edge: Edge) -> str:
    """Where a reversal leaves from: all those of one stage leave together, from its bad ends if it has any."""
    out = f"out:{edge.stage}"
    return out if out in boxes.values() else boxes[str(edge.source)]


def _collected(process: Process) -> list[Node]:
    """The ends that every application has, with the steps that lead there and the stages that have them."""
    kind = process.application
    found = []
    for name, state in kind.states.items():
        edges = tuple(e for e in kind.edges if e.target == name)
        if stage_of(name) or not edges:
            continue
        steps: dict[str, dict[str, None]] = {}
        for edge in edges:
            said = f"{step_words(edge)}({who_words(process, kind, edge)})"
            steps.setdefault(said, {})[edge.stage] = None
        lines = tuple(Line(Sort.STEP, said + _where(process, stages)) for said, stages in steps.items())
        found.append(Node(f"end:{name}", Shape.FINAL, state.label, lines, (name,), edges))
    return found


def _where(process: Process, stages: Iterable[str]) -> str:
    inside = set(stages)
    outside = [stage_words(process, s) for s in process.stage_names if s not in inside]
    if not outside:
        return ""
    if len(outside) < len(inside):
        return f",{'、'.join(outside)}除外"
    return f",限{'、'.join(stage_words(process, s) for s in process.stage_names if s in inside)}"
