"""The sweep: what has run out is fired, and what waited for a calendar starts to run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ganchu_workflow.clock import to_text
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.transition import Engine
from ganchu_workflow.errors import DatabaseFault, WorkflowError

LOOK = 200
"""How many due rows one look at the deadline table takes."""
DueRow = tuple[str, str, datetime | None]
"""Case, deadline, and the instant it is due at; None of one that waits for a year's calendar."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: the deadlines it fired, and those that would not fire.

    Each of these has `case`, `deadline`, `due_at` (empty while it waits for a calendar), `code` and `why`.
    """

    fired: tuple[Receipt, ...] = ()
    refused: tuple[dict[str, str], ...] = ()


def sweep(engine: Engine, grace: timedelta = timedelta(), leave: Collection[DueRow] = ()) -> Swept:
    """Fire everything whose end lies more than `grace` back, in the order of due instants, until nothing is due.

    Idempotent, and safe on any number of nodes: a deadline fires once. One that is refused or crashes keeps its row, is
    reported, and holds up no other; those in `leave` are not tried. What waited for a year's calendar starts to run
    once it is loaded. Raises `DatabaseFault` when the database fails: what was fired before it is kept, and is in
    `fields["swept"]`.
    """
    running = _Sweep(engine, leave)
    try:
        running.resolve_what_waits()
        running.fire_what_is_due(grace)
    except DatabaseFault as fault:
        fault.fields["swept"] = running.swept()
        raise
    return running.swept()


class _Sweep:
    """One sweep under way: what it has done so far."""

    def __init__(self, engine: Engine, leave: Collection[DueRow]) -> None:
        self.engine = engine
        self.left = set(leave)
        """What is not tried, or not again."""
        self.fired: list[Receipt] = []
        self.refused: list[dict[str, str]] = []

    def swept(self) -> Swept:
        """What it has done so far."""
        return Swept(tuple(self.fired), tuple(self.refused))

    def fire_what_is_due(self, grace: timedelta) -> None:
        """Deadline after deadline, oldest first, until none is left that has not been tried."""
        now = self.engine.clock.now()
        before = now - grace
        while due := self._due(before, LOOK):
            started = len(self.fired)
            for row in due:
                if len(self.fired) > started and self._due(row[2], 1):
                    break  # what has just fired started one that was due before this
                done = self.engine.fire_due(*row, now)
                if isinstance(done, Receipt):
                    self.fired.append(done)
                elif done is not None:
                    self._not_fired(row, done)

    def resolve_what_waits(self) -> None:
        """Each deadline that waits for a year's calendar, in order."""
        found = self._awaiting(("", ""))
        while found:
            for case_id, name in found:
                row: DueRow = (case_id, name, None)
                if row in self.left:
                    continue
                try:
                    self.engine.resolve(case_id, name)
                except DatabaseFault:
                    raise
                except WorkflowError as error:
                    self._not_fired(row, error)
            found = self._awaiting(found[-1])

    def _due(self, before: datetime, most: int) -> list[tuple[str, str, datetime]]:
        limit = most + len(self.left)
        found = self.engine.transactions.read(lambda link: Rows(link).due(before, limit))
        return [row for row in found if row not in self.left]

    def _awaiting(self, after: tuple[str, str]) -> list[tuple[str, str]]:
        return self.engine.transactions.read(lambda link: Rows(link).awaiting(LOOK, after))

    def _not_fired(self, row: DueRow, error: WorkflowError) -> None:
        self.left.add(row)
        due_at = to_text(row[2]) if row[2] is not None else ""
        self.refused.append(
            {"case": row[0], "deadline": row[1], "due_at": due_at, "code": error.code, "why": error.message}
        )
