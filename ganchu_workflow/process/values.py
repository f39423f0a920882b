"""What guards and effects read and return: plain values, nothing that writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ganchu_workflow.actors import Role
from ganchu_workflow.process.language import Data, Lifecycle, Private, Transition

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as it stands at this moment of the transaction: read-only."""

    id: str
    kind: str
    state: str
    """Bare for every kind but the application, whose states read `stage.state`."""
    stage: str
    """The stage instance it belongs to; for an application, the one it stands in."""
    visit: int
    round: str
    parent: str | None
    of: str | None
    facts: Facts
    parties: Mapping[Role, str]
    opened_at: datetime
    seq: int
    head: str
    """The digest of its last event."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open a case of `kind` as a follow-up. The parties of the parent are inherited."""

    kind: type[Lifecycle]
    parent: CaseView | None = None
    of: CaseView | None = None
    data: Mapping[str, Any] | BaseModel = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
    parties: Mapping[Role, str] = field(default_factory=dict)
    members: Sequence[CaseView] = ()
    stage: str = ""
    """The stage instance it belongs to; by default the opener's."""


@dataclass(frozen=True, slots=True)
class Fire:
    """Fire a transition on another case as a follow-up.

    With `must`, a refusal aborts the whole act; without, the refusal becomes an event of its own on that case.
    """

    case: CaseView
    transition: Transition
    data: Mapping[str, Any] | BaseModel = field(default_factory=dict)
    must: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell, as an outbox row: to a role's party of the case, or to a role as such."""

    kind: str
    to: Role
    body: Mapping[str, Any] = field(default_factory=dict)
    scope: str = ""
    """Given: this scope of the role, whoever the case's party is."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a step does beyond moving the case. All of it is written in the step's own transaction, or none."""

    facts: Facts = field(default_factory=dict)
    parties: Mapping[Role, str] = field(default_factory=dict)
    members: Sequence[CaseView] | None = None
    """A cohort's new list of members; None leaves it as it is."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Values kept apart: the fact of the same name holds their commitment."""
    open: Sequence[Open] = ()
    fire: Sequence[Fire] = ()
    tell: Sequence[Message] = ()


class Reversal(Data):
    """What every reversal of a closed outcome must state: the document it rests on, and why."""

    document: Annotated[str, Field(min_length=1, max_length=120)]
    reason: Annotated[str, Private, Field(min_length=1, max_length=2000)]
