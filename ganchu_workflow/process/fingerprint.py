"""The fingerprint of a process, by meaning: two sources that say the same have the same fingerprint.

Labels, docstrings and formatting do not count; names, order, roles, data, rules' ids and versions, deadlines and
fates do.
"""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel

from ganchu_workflow.canonical import digest_of, encode
from ganchu_workflow.process.definition import Edge, KindDefinition, Process
from ganchu_workflow.process.language import CARRY_ON, Rule

FORMAT = 1


def document(process: Process) -> dict[str, Any]:
    """The meaning of the process as canonical JSON; it is stored beside the fingerprint."""
    return {
        "format": FORMAT,
        "kinds": {name: _kind(kind) for name, kind in process.kinds.items()},
        "stages": [
            {
                "name": s.name,
                "use": s.stage.name,
                "phase": _phase(process, s.name),
                "brings": [c.kind for c in s.stage.cases],
            }
            for s in process.stages
        ],
    }


def fingerprint(process: Process) -> str:
    """SHA-256 of the process's meaning."""
    return digest_of(document(process))


def _kind(kind: KindDefinition) -> dict[str, Any]:
    return {
        "rank": kind.rank,
        "initial": kind.initial,
        "orphaned": kind.lifecycle.orphaned.name if kind.lifecycle.orphaned else None,
        "indexed": list(kind.lifecycle.indexed),
        "states": {
            name: {"owner": s.owner.value if s.owner else None, "final": s.final, "success": s.success}
            for name, s in kind.states.items()
        },
        "edges": [_edge(e) for e in kind.edges],
        "timers": [
            {
                "name": t.name,
                "rule": str(t.deadline.rule),
                "runs_in": sorted(t.runs_in),
                "stops_in": sorted(t.stops_in),
                "fires": t.deadline.fires.name if t.deadline.fires else None,
                "admits": sorted(f"{kind_name}.{trigger}" for kind_name, trigger in t.admits),
            }
            for t in kind.timers
        ],
    }


def _edge(edge: Edge) -> dict[str, Any]:
    t = edge.transition
    return {
        "trigger": edge.name,
        "source": edge.source,
        "target": edge.target,
        "by": sorted(edge.by),
        "when": t.when.document() if t.when else None,
        "data": _fields(t.data) if t.data else None,
        "reopens": t.reopens,
        "guards": [_rule(r) for r in t.guards],
        "effects": [_rule(r) for r in t.effects],
    }


def _rule(rule: Rule) -> list[Any]:
    return [rule.id, rule.version]


def _phase(process: Process, stage: str) -> dict[str, Any] | None:
    window = process.phase_window(stage)
    if window is None:
        return None
    fates = {s.name: None if fate is CARRY_ON else getattr(fate, "name", None) for s, fate in window.at_close.items()}
    return {"admits": [t.name for t in window.admits], "at_close": fates}


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a data model. Not its JSON schema: that changes with pydantic, and would strand a round."""
    return {
        name: {"type": _type(f.annotation), "required": f.is_required(), "rules": [_constraint(m) for m in f.metadata]}
        for name, f in model.model_fields.items()
    }


def _type(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fields(annotation)
    arguments = get_args(annotation)
    if not arguments:
        return getattr(annotation, "__name__", str(annotation))
    origin = getattr(get_origin(annotation), "__name__", str(get_origin(annotation)))
    return [origin, *(_type(a) for a in arguments)]


def _constraint(constraint: Any) -> str:
    return constraint.__name__ if isinstance(constraint, type) else repr(constraint)


def body(process: Process) -> str:
    """The canonical text that is stored."""
    return encode(document(process))
