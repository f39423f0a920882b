"""The event format: what is written about a step, in which words, and how events are chained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ganchu_workflow.actors import Actor
from ganchu_workflow.canonical import digest, encode
from ganchu_workflow.clock import from_text, to_text

FORMAT = 1
MOVED, NOT_CARRIED_OUT = "moved", "not_carried_out"
RESOLVED, ADJUSTED, ALERTED = "deadline_resolved", "deadline_adjusted", "deadline_alerted"
"""Of events that leave a case where it stands: its deadline has an end now, was changed, or somebody was told of it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that a follow-up follows."""

    case: str
    seq: int


@dataclass(slots=True)
class Event:
    """An event in the making. Its body is what the digest covers; nothing of it comes from the database."""

    case: str
    kind: str
    round: str
    seq: int
    trigger: str
    source: str | None
    target: str
    outcome: str
    actor: Actor
    document: str | None
    received_at: datetime
    effective_at: datetime
    recorded_at: datetime
    previous: str
    algorithm: str
    definition: str
    settings: str
    handler: Mapping[str, str]
    cause: Cause | None
    key: str | None
    request: str | None
    data: Mapping[str, Any]
    deadline: Mapping[str, Any] | None = None
    """The deadline that fired it: its name and when it was due."""
    refusal: Mapping[str, Any] | None = None
    """Why a follow-up was not carried out."""
    guards: list[dict[str, Any]] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    parties: Mapping[str, str] = field(default_factory=dict)
    members: list[list[Any]] | None = None
    stage: str = ""
    visit: int = 0
    opening: Mapping[str, Any] | None = None
    """Of the first event: parent, of."""
    deadlines: list[dict[str, Any]] = field(default_factory=list)
    tells: list[dict[str, Any]] = field(default_factory=list)
    calendar: str | None = None
    entry: Mapping[str, Any] | None = None
    """Of an act that was received in time on paper and entered late (补录): by whom, why, and the evidence."""

    def row(self) -> dict[str, Any]:
        """The row of the event: its canonical body, the digest of that, and the columns that find it."""
        body = encode(self.document_of())
        return {
            "case_id": self.case,
            "seq": self.seq,
            "round_id": self.round,
            "name": self.trigger,
            "recorded_at": self.recorded_at,
            "idempotency_key": self.key,
            "body": body,
            "digest": digest(body, self.algorithm),
        }

    def document_of(self) -> dict[str, Any]:
        """The event as canonical JSON."""
        a = self.actor
        return {
            "format": FORMAT,
            "algorithm": self.algorithm,
            "round": self.round,
            "case": self.case,
            "kind": self.kind,
            "seq": self.seq,
            "trigger": self.trigger,
            "source": self.source,
            "target": self.target,
            "outcome": self.outcome,
            "actor": {
                "role": a.role.value,
                "scope": a.scope,
                "person": a.person,
                "via": a.via.value,
                "on_behalf_of": a.on_behalf_of,
            },
            "document": self.document,
            "received_at": to_text(self.received_at),
            "effective_at": to_text(self.effective_at),
            "recorded_at": to_text(self.recorded_at),
            "guards": self.guards,
            "effects": self.effects,
            "data": dict(self.data),
            "facts": dict(self.facts),
            "parties": dict(self.parties),
            "members": self.members,
            "stage": self.stage,
            "visit": self.visit,
            "opening": dict(self.opening) if self.opening is not None else None,
            "deadline": dict(self.deadline) if self.deadline is not None else None,
            "deadlines": self.deadlines,
            "tells": self.tells,
            "refusal": dict(self.refusal) if self.refusal is not None else None,
            "handler": dict(self.handler),
            "definition": self.definition,
            "settings": self.settings,
            "calendar": self.calendar,
            "entry": dict(self.entry) if self.entry is not None else None,
            "cause": {"case": self.cause.case, "seq": self.cause.seq} if self.cause else None,
            "key": self.key,
            "request": self.request,
            "previous": self.previous or None,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an act did: the event it wrote. The same key gives the same receipt."""

    case_id: str
    kind: str
    seq: int
    trigger: str
    source: str | None
    state: str
    effective_at: datetime
    recorded_at: datetime
    digest: str
    repeated: bool = field(default=False, compare=False)
    """Whether the act had been done before, under the same key, and nothing was done now."""

    @classmethod
    def of(cls, event: Event, event_digest: str) -> Receipt:
        """The receipt of an event that has just been written."""
        return cls(
            event.case,
            event.kind,
            event.seq,
            event.trigger,
            event.source,
            event.target,
            event.effective_at.astimezone(UTC),
            event.recorded_at.astimezone(UTC),
            event_digest,
        )

    @classmethod
    def again(cls, body: Mapping[str, Any], event_digest: str) -> Receipt:
        """The receipt of a stored event, given once more."""
        return cls(
            case_id=body["case"],
            kind=body["kind"],
            seq=body["seq"],
            trigger=body["trigger"],
            source=body["source"],
            state=body["target"],
            effective_at=from_text(body["effective_at"]),
            recorded_at=from_text(body["recorded_at"]),
            digest=event_digest,
            repeated=True,
        )
