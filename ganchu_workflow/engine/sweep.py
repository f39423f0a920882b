"""The sweep: what has run out is fired, and what waited for a calendar starts to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest

from ganchu_workflow.clock import to_text
from ganchu_workflow.engine.calendar_import import Adopted, catch_up
from ganchu_workflow.engine.calendars import FACT
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.stuck import CANNOT_RUN, PARK_AFTER, DueRow, Stuck, note, status_of, tidy
from ganchu_workflow.engine.transition import Engine
from ganchu_workflow.errors import DatabaseFault, WorkflowError
from ganchu_workflow.store.link import Link

LOOK, STORM = 200, 1000
"""How many rows one look at the deadline table takes; how many the rounds give together, where more is due."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: the deadlines it fired, and those that would not fire."""

    fired: tuple[Receipt, ...] = ()
    refused: tuple[dict[str, str], ...] = ()
    """Those that were tried in vain: `case`, `deadline`, `due_at` (empty while it waits for a calendar), `code`, `why`.
    """
    more: bool = False
    """Whether it ended at its limit: more is due, and may be fired at once."""
    stuck: tuple[Stuck, ...] = ()
    """What has been tried in vain, now or before, and still is due: at most `LOOK` of them, oldest trouble first."""
    behind: tuple[Adopted, ...] = ()
    """The rounds that could not adopt the calendar that they should go by, each with its `error`."""


def sweep(
    engine: Engine, grace: timedelta = timedelta(), limit: int | None = None, park_after: int = PARK_AFTER
) -> Swept:
    """Fire what lies more than `grace` back, at most `limit` deadlines, oldest first.

    Where more is due than one look takes, the rounds take turns. Idempotent, and safe on any number of nodes: a
    deadline fires once. One that would not fire has a row (see `engine.stuck`) and holds up no other. What waited for
    a year's calendar starts to run once it is loaded, and a round that is behind with its calendar adopts it now.
    Raises `DatabaseFault` when the database fails: what was fired before it is kept, and is in `fields["swept"]`.
    """
    running = _Sweep(engine, engine.clock.now(), limit, park_after)
    try:
        running.behind = tuple(found for found in catch_up(engine) if found.error is not None)
        running.resolve_what_waits()
        running.fire_what_is_due(grace)
        running.stuck = tidy(engine.transactions, LOOK)
    except DatabaseFault as fault:
        fault.fields["swept"] = running.swept()
        raise
    return running.swept()


class _Sweep:
    """One sweep under way: what it has done so far."""

    def __init__(self, engine: Engine, now: datetime, limit: int | None, park_after: int) -> None:
        self.engine = engine
        self.now = now
        self.limit = limit
        self.park_after = park_after
        self.left: set[DueRow] = set()
        """What is not tried again in this sweep, though no row of its own says so."""
        self.gone: set[DueRow] = set()
        """What was no longer due when it was to be fired: others have seen to it."""
        self.cannot_run: dict[str, WorkflowError] = {}
        """The rounds that the installed stages cannot run: to find that out once is enough."""
        self.calendars: dict[str, str | None] = {}
        """By round, the version of the calendar that it goes by."""
        self.fired: list[Receipt] = []
        self.refused: list[dict[str, str]] = []
        self.more = False
        self.stuck: tuple[Stuck, ...] = ()
        self.behind: tuple[Adopted, ...] = ()

    def swept(self) -> Swept:
        """What it has done so far."""
        return Swept(tuple(self.fired), tuple(self.refused), self.more, self.stuck, self.behind)

    def fire_what_is_due(self, grace: timedelta) -> None:
        """Deadline after deadline, until none is left that has not been tried or the limit is reached.

        Within a round the oldest first: what a firing starts that was due before the next one is fired before it.
        """
        before = self.now - grace
        tried = 0
        while queue := self._queue(before):
            moved: set[str] = set()
            overtaken: set[str] = set()
            for row in queue:
                if row.round in overtaken:
                    continue
                if row.round in moved and self._overtaken(row):
                    overtaken.add(row.round)  # its rows are read again, in the next look
                    continue
                moved.discard(row.round)
                if tried == self.limit:
                    self.more = True
                    return
                # The next look begins with the one after it: a limit must not favour the first of many rounds.
                self.engine.known.turn = row.round
                done = self._fire(row)
                tried += done is not None
                if isinstance(done, Receipt):
                    self.fired.append(done)
                    moved.add(row.round)
                elif done is not None:
                    self._in_vain(row, done)
                else:
                    self._gone(row)

    def resolve_what_waits(self) -> None:
        """Each deadline that waits for a year's calendar, in order: once under each calendar of its round."""
        known = self.engine.known
        found = self._awaiting(("", ""))
        while found:
            for row in found:
                calendar = self._goes_by(row.round)
                if known.waits(row.case, row.name, calendar):
                    continue
                error = self.cannot_run.get(row.round)
                try:
                    if error is None and not self.engine.resolve(row.case, row.name) and calendar is not None:
                        known.lacks(row.case, row.name, calendar)
                except DatabaseFault:
                    raise
                except WorkflowError as failed:
                    error = failed
                if error is not None:
                    self._in_vain(row, error)
            found = self._awaiting((found[-1].case, found[-1].name))

    def _fire(self, row: DueRow) -> Receipt | WorkflowError | None:
        if row.round in self.cannot_run:
            return self.cannot_run[row.round]
        if row.due_at is None:
            raise TypeError(row)
        return self.engine.fire_due(row.case, row.name, row.due_at, self.now)

    def _in_vain(self, row: DueRow, error: WorkflowError) -> None:
        due_at = to_text(row.due_at) if row.due_at is not None else ""
        self.refused.append(
            {"case": row.case, "deadline": row.name, "due_at": due_at, "code": error.code, "why": error.message}
        )
        if isinstance(error, CANNOT_RUN):
            self.cannot_run[row.round] = error
        if status_of(error) is None:
            self.left.add(row)
        else:
            self.engine.transactions.write(lambda link: note(link, row, error, self.now, self.park_after))

    def _gone(self, row: DueRow) -> None:
        """It was fired, moved or stopped; found a second time, it is a row without a case, and never will be."""
        (self.left if row in self.gone else self.gone).add(row)

    # ── looking ──

    def _queue(self, before: datetime) -> list[DueRow]:
        """What is to be fired next, in that order: of every round that has something due, where that is a great deal.

        One round with a hundred thousand due must not keep another's three waiting.
        """
        found = self._due(before, LOOK)
        if len(found) < LOOK:
            return found
        found_in = self.engine.transactions.read(lambda link: Rows(link).rounds_with_deadlines())
        rounds = [round_id for round_id in found_in if self._due(before, 1, round_id)]
        turn = self.engine.known.turn
        rounds = [*(r for r in rounds if r > turn), *(r for r in rounds if r <= turn)]
        each = [self._due(before, STORM // len(rounds) + 1, round_id) for round_id in rounds]
        return [row for turns in zip_longest(*each) for row in turns if row is not None]

    def _overtaken(self, row: DueRow) -> bool:
        """Whether something of the same round was due before this: a firing has started it."""
        return row.due_at is not None and bool(self._due(row.due_at, 1, row.round))

    def _due(self, before: datetime, most: int, round_id: str | None = None) -> list[DueRow]:
        limit = most + len(self.left)
        found = self.engine.transactions.read(lambda link: Rows(link).due(before, self.now, limit, round_id))
        rows = [DueRow(r.case_id, r.name, r.due_at, r.round_id, r.last_at) for r in found]
        return [row for row in rows if row not in self.left]

    def _goes_by(self, round_id: str) -> str | None:
        """The version of the calendar that a round goes by; None where nobody can say."""

        def read(link: Link) -> str | None:
            rows = Rows(link)
            facts = [round_.facts for round_ in rows.cases([round_id])]
            return self.engine.calendars.in_force(facts[0].get(FACT), rows).version if facts else None

        if round_id not in self.calendars:
            try:
                self.calendars[round_id] = self.engine.transactions.read(read)
            except DatabaseFault:
                raise
            except WorkflowError:
                self.calendars[round_id] = None
        return self.calendars[round_id]

    def _awaiting(self, after: tuple[str, str]) -> list[DueRow]:
        found = self.engine.transactions.read(lambda link: Rows(link).awaiting(self.now, LOOK, after))
        return [DueRow(r.case_id, r.name, None, r.round_id, r.last_at) for r in found]
