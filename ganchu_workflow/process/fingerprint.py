"""The fingerprint of a process, by meaning: two sources that say the same have the same fingerprint.

Labels, docstrings and formatting do not count; names, order, roles, data, rules' ids and versions, deadlines and
fates do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ganchu_workflow.canonical import digest_of, encode
from ganchu_workflow.process.definition import Edge, KindDefinition, Process
from ganchu_workflow.process.language import CARRY_ON, Rule

FORMAT = 1


def document(process: Process) -> dict[str, Any]:
    """The meaning of the process as canonical JSON; it is stored beside the fingerprint."""
    return {
        "format": FORMAT,
        "kinds": {name: _kind(process, kind) for name, kind in process.kinds.items()},
        "stages": [
            {
                "name": s.name,
                "use": s.stage.name,
                "phase": _phase(process, s.name),
                "brings": [c.kind for c in s.stage.cases],
                "rules": dict(s.stage.rules),
            }
            for s in process.stages
        ],
    }


def fingerprint(process: Process) -> str:
    """SHA-256 of the process's meaning."""
    return digest_of(document(process))


def _kind(process: Process, kind: KindDefinition) -> dict[str, Any]:
    return {
        "rank": kind.rank,
        "initial": kind.initial,
        "orphaned": kind.lifecycle.orphaned.name if kind.lifecycle.orphaned else None,
        "every_visit": kind.lifecycle.every_visit,
        "indexed": list(process.indexed(kind.kind)),
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
                "by": sorted(t.deadline.by),
                "validity": t.deadline.validity,
                "grace": str(t.deadline.grace) if t.deadline.grace else None,
                "alerts": [[str(a), str(a.to), a.message] for a in t.deadline.alerts],
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
        "late": edge.late,
        "late_by": sorted(t.late_by),
        "guards": [_rule(r) for r in t.guards],
        "effects": [_rule(r) for r in t.effects],
    }


def _rule(rule: Rule) -> list[Any]:
    return [rule.id, rule.version]


def _phase(process: Process, stage: str) -> dict[str, Any] | None:
    window = process.phase_window(stage)
    if window is None:
        return None
    fates = {
        process.slot(stage, s).name: None if fate is CARRY_ON else getattr(fate, "name", None)
        for s, fate in window.at_close.items()
    }
    return {"admits": [t.name for t in window.admits], "at_close": fates}


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a data model. Not its JSON schema: that changes with pydantic, and would strand a round."""
    return {
        name: {"type": _type(f.annotation), "required": f.is_required(), "rules": _constraints(f.metadata)}
        for name, f in model.model_fields.items()
    }


def _type(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fields(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ["Enum", *(str(member.value) for member in annotation)]
    arguments = get_args(annotation)
    if not arguments:
        return getattr(annotation, "__name__", str(annotation))
    origin = get_origin(annotation)
    if origin is Annotated:
        return ["Annotated", _type(arguments[0]), *_constraints(arguments[1:])]
    if origin is Literal:
        return ["Literal", *(repr(a) for a in arguments)]
    if origin in (Union, UnionType):  # `X | None` and `Optional[X]`: which of the two it is depends on Python
        return ["Union", *(_type(a) for a in arguments)]
    return [getattr(origin, "__name__", str(origin)), *(_type(a) for a in arguments)]


def _constraints(metadata: Iterable[Any]) -> list[str]:
    found: list[str] = []
    for constraint in metadata:
        found += _constraints(constraint.metadata) if isinstance(constraint, FieldInfo) else [_constraint(constraint)]
    return found


def _constraint(constraint: Any) -> str:
    """What a constraint says: never its repr, which may hold an address, or a private name of pydantic's."""
    if isinstance(constraint, type):
        return constraint.__name__
    if is_dataclass(constraint):
        values = {f.name: getattr(constraint, f.name) for f in fields(constraint)}
    else:
        values = dict(getattr(constraint, "__dict__", {}))
    said = ", ".join(f"{key}={_value(value)}" for key, value in values.items())
    name = type(constraint).__name__
    return f"{'' if name.startswith('_') else name}({said})"


def _value(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else repr(value)


def body(process: Process) -> str:
    """The canonical text that is stored."""
    return encode(document(process))
