"""Who is told of a deadline that an act, or a calendar, has changed, and of a late entry: the party it concerns, and
nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ganchu_workflow.actors import SCOPED, Role
from ganchu_workflow.clock import to_text
from ganchu_workflow.engine.cases import CaseState
from ganchu_workflow.engine.requests import Step
from ganchu_workflow.process.definition import Edge, KindDefinition, Timer
from ganchu_workflow.process.values import Message


def extended(
    kind: KindDefinition, case: CaseState, timer: Timer, was: datetime | None, ends_at: datetime, **said: str | None
) -> list[Message]:
    """Its end has moved later. `said`: the `ground`, the `document`, or `why`."""
    body = _body(timer, {"was": was, "ends_at": ends_at}, said)
    return [Message("deadline_extended", to=to, body=body) for to in _party(kind, case)]


def runs(
    kind: KindDefinition, case: CaseState, timer: Timer, ends_at: datetime | None, **said: str | None
) -> list[Message]:
    """It goes on, or has the end that it waited for; without an end it waits for a year's calendar."""
    body = _body(timer, {"ends_at": ends_at}, said)
    return [Message("deadline_runs", to=to, body=body) for to in _party(kind, case)]


def known(
    kind: KindDefinition, case: CaseState, timer: Timer, ends_at: datetime | None, now: datetime
) -> list[Message]:
    """A year's notice has given it the end that it waited for. Of one that is over by then, what it fires tells."""
    return runs(kind, case, timer, ends_at, why="calendar") if ends_at is not None and now <= ends_at else []


def suspended(
    kind: KindDefinition, case: CaseState, timer: Timer, at: datetime, left: str | None, **said: str | None
) -> list[Message]:
    """It is suspended; `left` of it remains."""
    body = _body(timer, {"suspended_at": at}, {"left": left, **said})
    return [Message("deadline_suspended", to=to, body=body) for to in _party(kind, case)]


def ended(
    kind: KindDefinition, case: CaseState, timer: Timer, was: datetime | None, ends_at: datetime, **said: str | None
) -> list[Message]:
    """An act has ended it before its time."""
    body = _body(timer, {"was": was, "ends_at": ends_at}, said)
    return [Message("deadline_ended", to=to, body=body) for to in _party(kind, case)]


def entered_late(step: Step, edge: Edge, received_at: datetime) -> list[Message]:
    """What came on paper was entered: whoever it came from is told that it counts as received then."""
    actor = step.actor
    if actor.role not in SCOPED or not actor.scope:
        return []
    body = {"act": edge.transition.label or edge.trigger, "received_at": to_text(received_at)}
    return [Message("entered_late", to=actor.role, scope=actor.scope, body=body)]


def _party(kind: KindDefinition, case: CaseState) -> list[Role]:
    owner = kind.states[case.state].owner
    return [owner] if owner in SCOPED and owner in case.parties else []


def _body(timer: Timer, instants: Mapping[str, datetime | None], said: Mapping[str, str | None]) -> dict[str, Any]:
    """What is not known is left out."""
    body: dict[str, str | None] = {"deadline": timer.deadline.label or timer.name, **said}
    body |= {name: to_text(instant) if instant else None for name, instant in instants.items()}
    return {key: value for key, value in body.items() if value is not None}
