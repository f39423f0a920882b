"""The reading half of the facade: what can be asked of the record. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Engine as DatabaseEngine

from ganchu_workflow.actors import Actor
from ganchu_workflow.clock import Clock, SystemClock
from ganchu_workflow.engine import queries
from ganchu_workflow.engine.books import Books
from ganchu_workflow.engine.calendars import FACT, Calendars
from ganchu_workflow.engine.cases import CaseState
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.explaining import Explanation, RunningDeadline, deadlines_of, explain
from ganchu_workflow.engine.foresee import foresee
from ganchu_workflow.engine.lateness import LISTED, overdue, tally
from ganchu_workflow.engine.naming import Case, id_of
from ganchu_workflow.engine.overdue import Overdue, Tally
from ganchu_workflow.engine.queries import Allowed, Task
from ganchu_workflow.engine.requests import Entry
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.transactions import OwnTransactions
from ganchu_workflow.engine.transition import Engine
from ganchu_workflow.entropy import Entropy, SystemEntropy
from ganchu_workflow.errors import Invalid, Unknown, no_such_case
from ganchu_workflow.plugins import Registry
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.store.database import connect, require_schema
from ganchu_workflow.store.link import Link
from ganchu_workflow.timing import WorkingCalendar

if TYPE_CHECKING:
    from ganchu_workflow.audit.verify import Report

T = TypeVar("T")


class Questions:
    """What can be asked of the selection rounds in one database. See `Workflow` for what it is made with."""

    def __init__(
        self,
        database: str | DatabaseEngine,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        calendar: WorkingCalendar | None = None,
        stages: Registry | None = None,
    ) -> None:
        self.database = connect(database)
        self.clock = clock or SystemClock()
        self.entropy = entropy or SystemEntropy()
        self.calendar = calendar or WorkingCalendar.built_in()
        self.stages = stages or Registry.discover()
        self._books = Books(self.stages)
        self._checked = False
        self._received: datetime | None = None
        self._entry: Entry | None = None
        self._engine = Engine(
            OwnTransactions(self.database),
            self._books.of_round,
            self.clock,
            self.entropy,
            Calendars(self.calendar),
        )

    def case(self, case: Case) -> CaseView:
        """A case as it stands now. Raises `Unknown`."""
        found = self._read(lambda c: Rows(c).cases([id_of(case)]))
        if not found:
            raise no_such_case(id_of(case))
        return found[0].view()

    def cases(
        self, round: Case, kind: str | None = None, state: str | None = None, *, parent: Case | None = None
    ) -> list[CaseView]:
        """The cases of a round, in the order of opening; of one kind, in one state, under one parent if given."""
        parent_id = id_of(parent) if parent is not None else None
        return self._read(lambda c: queries.cases(c, id_of(round), kind, state, parent_id))

    def cohorts(self, application: Case, kind: str) -> list[CaseView]:
        """The acts of a kind that list an application on its present visit, in the order of opening."""
        return self._read(lambda c: queries.cohorts(c, id_of(application), kind))

    def find(self, round: Case, name: str, value: str, kind: str = "application") -> list[CaseView]:
        """The cases of a kind in a round whose fact `name` is `value`, in the order of opening.

        Only facts that the kind declares as `indexed` can be searched for. Raises `Unknown` for any other.
        """
        round_id = id_of(round)
        indexed = self.process(round_id).indexed(kind)
        if name not in indexed:
            there = ", ".join(indexed) or "none"
            raise Unknown(f"the fact '{name}' of the kind {kind} is not indexed; it has: {there}")
        return self._read(lambda c: queries.having(c, round_id, kind, name, value))

    def rounds(self) -> list[CaseView]:
        """All rounds of the database."""
        return self._read(queries.rounds)

    def history(self, case: Case) -> list[dict[str, Any]]:
        """The events of a case, oldest first."""
        return self._read(lambda c: queries.events(c, id_of(case)))

    def followed(self, act: Receipt) -> list[dict[str, Any]]:
        """What an act did: its event and those that followed from it, on other cases too, each after its cause."""
        return self._read(lambda c: queries.followed(c, act))

    def attempts(self, round: Case) -> list[dict[str, Any]]:
        """What was tried in a round and refused, and what was decided about its messages, oldest first."""
        return self._read(lambda c: queries.attempts(c, id_of(round)))

    def messages(self, round: Case) -> list[dict[str, Any]]:
        """The outbox of a round, oldest first."""
        return self._read(lambda c: list(queries.messages(c, id_of(round))))

    def allowed(self, case: Case, actor: Actor) -> list[Allowed]:
        """What can be asked for where the case stands; for what this actor may not do now, why not.

        Authority and windows are always asked. Rules on content are asked only of triggers that take no data: of the
        others they are known when the data is given.
        """

        def ask(link: Link) -> list[Allowed]:
            rows = Rows(link)
            book = self._books.of_round(queries.round_of(link, [id_of(case)]), rows)
            now, engine = self.clock.now(), self._engine
            ours = engine.transactions.ours
            return foresee(rows, book, id_of(case), actor, now, engine.calendars, self.entropy, round_wide=ours)

        return self._read(ask)

    def deadlines(self, case: Case) -> list[RunningDeadline]:
        """The deadlines of a case as they stand: how long they run, what is left, who is told when, by which rule."""
        calendars = self._engine.calendars
        return self._of_case(case, lambda rows, book, found: deadlines_of(rows, book, calendars, found))

    def explain(self, case: Case, deadline: str) -> Explanation:
        """How the end of a deadline was found, day by day, by the rule and the calendar that it was reckoned by.

        Raises `Unknown` when no such deadline runs on the case.
        """
        calendars = self._engine.calendars
        return self._of_case(case, lambda rows, book, found: explain(rows, book, calendars, found, deadline))

    def calendar_in_force(self, round: Case | None = None) -> WorkingCalendar:
        """The working-day calendar that a round goes by; without one, the calendar of a round that is opened now."""

        def ask(link: Link) -> WorkingCalendar:
            rows, calendars = Rows(link), self._engine.calendars
            if round is None:
                return calendars.in_force(calendars.latest(rows), rows)
            queries.require_round(link, id_of(round))
            return calendars.in_force(rows.cases([id_of(round)])[0].facts.get(FACT), rows)

        return self._read(ask)

    def tasks(self, actor: Actor) -> list[Task]:
        """待办: the open cases that wait for this actor, in every round, soonest deadline first.

        A round that the installed stages can no longer run is left out, with a warning in the log.
        """
        return self._read(lambda c: queries.tasks_everywhere(c, self._books.of_round, actor))

    def process(self, round: Case) -> Process:
        """The process a round is played by: its kinds, states, labels and edges."""

        def ask(link: Link) -> Process:
            # Asked of the database too: the rulebook of a round whose opening was undone may still be known.
            queries.require_round(link, id_of(round))
            return self._books.of_round(id_of(round), Rows(link)).process

        return self._read(ask)

    def next_due(
        self, round: Case | None = None, *, since: datetime | None = None, alerts: bool = True
    ) -> datetime | None:
        """The nearest instant at which a deadline runs out, of all rounds or of one; None when none is running.

        With `since`, those that ran out before it are left out; with `alerts`, the instants at which somebody is told
        of a deadline count too.
        """
        round_id = None if round is None else id_of(round)
        return self._read(lambda c: queries.next_due(c, round_id, since, alerts=alerts))

    def overdue(self, round: Case | None = None, *, limit: int = LISTED) -> Overdue:
        """What is late, by how much and why, in every round or in one; and what waits without an end.

        Late is a deadline whose end is past and that has not fired. Listed apart, because nothing is late by a clock:
        what waits for a year's calendar, and what starts at a declared fact (such as 送达) that is still missing. Of
        each sort at most `limit` are listed; the tally counts all that is late. A round that the installed stages
        cannot run is named with the reason. Raises `Unknown` for a round that there is not.
        """
        round_id = None if round is None else id_of(round)

        def ask(link: Link) -> Overdue:
            if round_id is not None:
                queries.require_round(link, round_id)
            return overdue(link, self._books.of_round, self._engine.calendars, self.clock.now(), round_id, limit)

        return self._read(ask)

    def tally(self, round: Case | None = None) -> Tally:
        """How many deadlines are late, why, and by how much, in every round or in one: the counts of `overdue` alone.

        Of a round that the installed stages cannot run it says so only once a sweep has tried.
        """
        round_id = None if round is None else id_of(round)
        return self._read(lambda link: tally(link, self.clock.now(), round_id))

    def last_recorded_at(self) -> datetime | None:
        """When the newest event of the database was recorded, in UTC; None in an empty one."""
        return self._read(queries.last_recorded_at)

    def verify(self) -> Report:
        """Check the whole record: chains, digests, and that every row is what its history says."""
        # Here, because a service that takes acts in verifies nothing.
        from ganchu_workflow.audit.verify import verify

        self._ready()
        return self._engine.transactions.scan(verify)

    # ── inside ──

    def _of_case(self, case: Case, ask: Callable[[Rows, Rulebook, CaseState], T]) -> T:
        def asked(link: Link) -> T:
            rows = Rows(link)
            book = self._books.of_round(queries.round_of(link, [id_of(case)]), rows)
            return ask(rows, book, rows.cases([id_of(case)])[0])

        return self._read(asked)

    def _ready(self) -> None:
        if self._checked:
            return
        require_schema(self.database)
        if self.entropy.seeded:
            real = [r.id for r in OwnTransactions(self.database).read(queries.rounds) if not r.facts["demonstration"]]
            if real:
                raise Invalid(f"a seeded source of chance is refused here: the database holds the real round {real[0]}")
        self._checked = True

    def _read(self, work: Callable[[Link], T]) -> T:
        self._ready()
        return self._engine.transactions.read(work)
