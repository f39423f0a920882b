"""What the engine is asked to do, and the next things it asks itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import digest_of
from ganchu_workflow.clock import to_text
from ganchu_workflow.engine.events import Cause

EXTEND_ROUND = "round:extend_for_outage"
"""Moves the ends that fell into an outage: what ran out in it and has not fired is not fired before."""
ADOPT = "round:adopt_calendar"
"""Lets a round go by the calendars that were imported last."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A case to be opened."""

    kind: str
    round: str
    parent: str | None = None
    of: str | None = None
    stage: str = ""
    members: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    parties: Mapping[Role, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline that has run out: its name and when it was due."""

    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """One step to be taken: a trigger on a case, or an opening."""

    trigger: str
    """Empty for an opening: the kind's transition from START."""
    case: str | None
    data: Mapping[str, Any]
    actor: Actor
    opening: Opening | None = None
    cause: Cause | None = None
    must: bool = True
    stage: str = ""
    """The stage instance whose trigger is meant, where an application has it in several."""
    due: Due | None = None
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """补录: who enters an act late that was received in time on paper, why, and the evidence of its reception."""

    by: Actor
    reason: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """An act from outside: the step, when it was received, and the key under which it may be repeated."""

    step: Step
    round: str
    received_at: datetime
    key: str | None = None
    document: str | None = None
    entry: Entry | None = None
    """Given where `received_at` lies back: the act is entered late."""

    @property
    def effective_at(self) -> datetime:
        """When the act takes effect: its reception, or the instant at which the deadline was due."""
        return self.step.due.due_at if self.step.due else self.received_at

    @property
    def settles_first(self) -> bool:
        """Whether what ran out before it was received is fired before it."""
        return self.step.due is None and not self.round_wide

    @property
    def round_wide(self) -> bool:
        """Whether it changes deadlines of a whole round at once."""
        return self.step.trigger in (EXTEND_ROUND, ADOPT)

    def digest(self, given: Mapping[str, Any]) -> str:
        """What makes two requests under one key the same: everything but private values and the time."""
        step = self.step
        opening = step.opening
        entered: dict[str, Any] = {}
        if self.entry is not None:
            by = self.entry.by
            entered = {
                "received_at": to_text(self.received_at),
                "entry": [by.role.value, by.scope, by.person, by.on_behalf_of, dict(self.entry.evidence)],
            }
        return digest_of(
            {
                **entered,
                "round": self.round,
                "trigger": step.trigger,
                "case": step.case,
                "actor": [step.actor.role.value, step.actor.scope, step.actor.person, step.actor.on_behalf_of],
                "data": _without_commitments(given),
                "document": self.document,
                "opening": None
                if opening is None
                else [opening.kind, opening.parent, opening.of, opening.stage, list(opening.members)],
            }
        )


def _without_commitments(value: Any) -> Any:
    # A commitment is salted anew each time, and a digest of the bare value would let anybody try values out.
    if isinstance(value, Mapping):
        return "private" if set(value) == {"private"} else {k: _without_commitments(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_commitments(v) for v in value]
    return value
