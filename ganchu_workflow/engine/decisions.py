"""What a person may decide about a message on its way, and the row that is kept of each time somebody tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import encode
from ganchu_workflow.clock import Clock
from ganchu_workflow.engine.attempts import label
from ganchu_workflow.entropy import Entropy, new_id
from ganchu_workflow.errors import Invalid, Refusal, Refused

OPERATORS = (Role.OFFICE, Role.SUPERVISOR)
"""Who may hand a message in again, or drop it."""
LONGEST_REASON = 500
RETRY, DROP = "retry", "drop"
_WORDS = {RETRY: ("重新投递", "handed in again"), DROP: ("放弃投递", "dropped")}


@dataclass(slots=True)
class Decision:
    """One attempt of an operator to `retry` or `drop` a message."""

    verb: str
    message: str
    channel: str | None
    actor: Actor
    reason: str
    clock: Clock
    entropy: Entropy
    received_at: datetime = field(init=False)
    place: Mapping[str, Any] = field(default_factory=dict)
    """The round and the case of the message, when they are known."""

    def __post_init__(self) -> None:
        self.received_at = self.clock.now()

    def require_operator(self) -> None:
        """Raise `Refused` for an actor who may not decide this, `Invalid` for a reason that is none."""
        if self.actor.role not in OPERATORS:
            whose = ", ".join(OPERATORS)
            raise Refused(
                Refusal("not_allowed", "您的角色无权办理此事项", f"your role may not do this; it is for: {whose}")
            )
        if not 0 < len(self.reason.strip()) <= LONGEST_REASON or storable(self.reason) != self.reason[:500]:
            raise Invalid(f"say why, in 1 to {LONGEST_REASON} characters: it is kept with the message")

    def carried_out(self, stood: Mapping[str, str]) -> dict[str, Any]:
        """The row of a decision; `stood` says where the message stood before over each channel it was decided for."""
        reason = self.reason.strip()
        zh, en = (f"{word}: {reason}" for word in _WORDS[self.verb])
        return self._row("decided", self.verb, zh, en, {"standing": dict(stood), "reason": reason})

    def refused(self, refusal: Refusal) -> dict[str, Any]:
        """The row of a refusal."""
        # Without the reason: nobody has looked at what a stranger writes, and the row is for ever.
        detail = {"channel": storable(self.channel or "")[:60] or None, "standing": refusal.detail}
        return self._row("refused", refusal.code, refusal.zh, refusal.en, detail)

    def _row(self, kind: str, code: str, zh: str, en: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        now = self.clock.now()
        about = {"message": storable(self.message)[:60], **detail}
        return {
            "id": new_id(self.entropy, now),
            "round_id": self.place.get("round_id"),
            "case_id": self.place.get("case_id"),
            "name": f"outbox.{self.verb}",
            "kind": kind,
            "code": code,
            "actor": label(self.actor),
            "received_at": self.received_at,
            "recorded_at": now,
            "body": encode({"state": None, "zh": zh, "en": en, "detail": about, "opening": None, "key": None}),
        }


def storable(text: str) -> str:
    """What any database takes of a text that came from elsewhere: without NUL and lone surrogates, and not too long."""
    return text.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8")[:500]
