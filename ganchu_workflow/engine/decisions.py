"""What a person may decide beside the record, and the row that is kept of each time somebody tried.

About a message on its way: to hand it in again, or to drop it. About a deadline that would not fire: to release it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import encode
from ganchu_workflow.clock import Clock
from ganchu_workflow.engine.attempts import keep_attempt, label
from ganchu_workflow.engine.transactions import Transactions
from ganchu_workflow.entropy import Entropy, new_id
from ganchu_workflow.errors import Invalid, Refusal, Refused
from ganchu_workflow.store.link import Link

T = TypeVar("T")
OPERATORS = (Role.OFFICE, Role.SUPERVISOR)
"""Who may hand a message in again, drop it, or release a deadline."""
LONGEST_REASON = 500
RETRY, DROP, RELEASE = "outbox.retry", "outbox.drop", "deadline.release"
_WORDS = {
    RETRY: ("重新投递", "handed in again"),
    DROP: ("放弃投递", "dropped"),
    RELEASE: ("恢复触发", "released to be tried again"),
}


@dataclass(slots=True)
class Decision:
    """One attempt of an operator to decide something."""

    name: str
    about: Mapping[str, str | None]
    """What it is about, as it was asked for."""
    actor: Actor
    reason: str
    clock: Clock
    entropy: Entropy
    received_at: datetime = field(init=False)
    place: Mapping[str, Any] = field(default_factory=dict)
    """The round and the case, when they are known."""

    def __post_init__(self) -> None:
        self.received_at = self.clock.now()

    def decide(self, transactions: Transactions, work: Callable[[Link], T]) -> T:
        """Run `work` in a transaction. A refusal is kept as a row, as that of an act; a host is handed it."""
        try:
            return transactions.write(work)
        except Refused as refused:
            row = refused.fields["attempt"] = self.refused(refused.refusal)
            if transactions.own:
                transactions.write(lambda link: keep_attempt(link, row))
            raise

    def require_operator(self) -> None:
        """Raise `Refused` for an actor who may not decide this, `Invalid` for a reason that is none."""
        if self.actor.role not in OPERATORS:
            whose = ", ".join(OPERATORS)
            raise Refused(
                Refusal("not_allowed", "您的角色无权办理此事项", f"your role may not do this; it is for: {whose}")
            )
        if not 0 < len(self.reason.strip()) <= LONGEST_REASON or storable(self.reason) != self.reason[:500]:
            raise Invalid(f"say why, in 1 to {LONGEST_REASON} characters: it is kept for ever")

    def carried_out(self, stood: Mapping[str, Any]) -> dict[str, Any]:
        """The row of a decision; `stood` says where each thing that it was decided about stood before."""
        reason = self.reason.strip()
        zh, en = (f"{word}: {reason}" for word in _WORDS[self.name])
        verb = self.name.rpartition(".")[2]
        return self._row("decided", verb, zh, en, {"standing": dict(stood), "reason": reason})

    def refused(self, refusal: Refusal) -> dict[str, Any]:
        """The row of a refusal."""
        # Without the reason: nobody has looked at what a stranger writes, and the row is for ever.
        return self._row("refused", refusal.code, refusal.zh, refusal.en, {"standing": refusal.detail})

    def _row(self, kind: str, code: str, zh: str, en: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        now = self.clock.now()
        about = {key: storable(value)[:120] if value else None for key, value in self.about.items()}
        body = {"state": None, "zh": zh, "en": en, "detail": about | dict(detail), "opening": None, "key": None}
        return {
            "id": new_id(self.entropy, now),
            "round_id": self.place.get("round_id"),
            "case_id": self.place.get("case_id"),
            "name": self.name,
            "kind": kind,
            "code": code,
            "actor": label(self.actor),
            "received_at": self.received_at,
            "recorded_at": now,
            "body": encode(body),
        }


def storable(text: str) -> str:
    """What any database takes of a text that came from elsewhere: without NUL and lone surrogates, and not too long."""
    return text.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8")[:500]
