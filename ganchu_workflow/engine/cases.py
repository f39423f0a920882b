"""A case in memory while a transaction works on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ganchu_workflow.actors import Role
from ganchu_workflow.clock import to_text
from ganchu_workflow.process.values import CaseView


@dataclass(slots=True)
class Running:
    """One deadline of a case: `armed`, `stopped`, `fired` or `awaiting_calendar`."""

    name: str
    status: str
    due_at: datetime | None
    rule: str
    fires: str | None
    armed_at: datetime
    remainder: str | None = None
    calendar: str | None = None
    shown_at: datetime | None = None
    """The end that is shown, where a grace follows it; `due_at` is then the end of the grace."""

    @property
    def end(self) -> datetime | None:
        """The end that a person is shown."""
        return self.shown_at or self.due_at

    def fires_before(self, instant: datetime) -> bool:
        """Whether it runs, fires something, and was due before that instant."""
        return self.status == "armed" and self.fires is not None and self.due_at is not None and self.due_at < instant


def describe(running: Running) -> dict[str, Any]:
    """A deadline as it is written into an event."""
    return {
        "name": running.name,
        "status": running.status,
        "due_at": to_text(running.due_at) if running.due_at else None,
        "rule": running.rule,
        "fires": running.fires,
        "armed_at": to_text(running.armed_at),
        "remainder": running.remainder,
        "calendar": running.calendar,
        "shown_at": to_text(running.shown_at) if running.shown_at else None,
    }


@dataclass(slots=True)
class CaseState:
    """The working copy of a case's row, its parties, and, where they were needed, its members and deadlines."""

    id: str
    kind: str
    state: str
    stage: str
    visit: int
    round: str
    parent: str | None
    of: str | None
    position: int
    facts: dict[str, Any]
    parties: dict[Role, str]
    opened_at: datetime
    recorded_at: datetime
    seq: int = 0
    head: str = ""
    version: int = 0
    members: list[tuple[str, int]] | None = None
    """(application, its visit) in the order of the list; None: not read yet."""
    deadlines: dict[str, Running] | None = None
    """By name; None: not read yet."""
    stored_deadlines: frozenset[str] = frozenset()
    """The names of the deadlines that have a row."""
    new: bool = False
    moved: bool = False
    """Whether an event was written on it in this transaction."""
    listed_anew: bool = False
    """Whether its list of members was set in this transaction."""
    parties_changed: bool = False
    searchable: dict[str, str] | None = None
    """The searchable facts, if this transaction changed them."""
    loaded: Loaded | None = None

    def view(self) -> CaseView:
        """The case as guards and effects see it now."""
        return CaseView(
            id=self.id,
            kind=self.kind,
            state=self.state,
            stage=self.stage,
            visit=self.visit,
            round=self.round,
            parent=self.parent,
            of=self.of,
            facts=MappingProxyType(self.facts),
            parties=MappingProxyType(self.parties),
            opened_at=self.opened_at,
            seq=self.seq,
            head=self.head,
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the row said when it was read: what the row must still say when the transaction writes."""

    seq: int
    version: int
