"""The facade: everything a host, a script or a test asks of the library goes through `Workflow`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy import Engine as DatabaseEngine
from sqlmodel import Session

from ganchu_workflow.actors import RESERVED, Actor
from ganchu_workflow.audit.verify import Report, verify
from ganchu_workflow.clock import Clock, SystemClock
from ganchu_workflow.engine import queries
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.foresee import foresee
from ganchu_workflow.engine.inbox import Inbox
from ganchu_workflow.engine.outbox import Outbox
from ganchu_workflow.engine.queries import Allowed, Task
from ganchu_workflow.engine.recorder import plain
from ganchu_workflow.engine.requests import Opening, Request, Step
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.transactions import HostTransaction, OwnTransactions, Transactions
from ganchu_workflow.engine.transition import Engine, Swept, keep_attempt
from ganchu_workflow.entropy import Entropy, SystemEntropy
from ganchu_workflow.errors import DefinitionChanged, Invalid, Refusal, Refused, Unknown
from ganchu_workflow.messages import Dispatcher
from ganchu_workflow.plan import Plan, read_plan
from ganchu_workflow.plugins import DISPATCHERS, Registry
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.store.database import connect, migrate, require_schema
from ganchu_workflow.timing import WorkingCalendar

T = TypeVar("T")
log = logging.getLogger("ganchu_workflow")
Case = str | CaseView | Receipt
"""A case, however the caller has it: its id, a view of it, or the receipt of an act on it."""


class Workflow:
    """Selection rounds in one database.

    `database` is a URL (`sqlite:///round.db`, `postgresql+psycopg://…`) or the host's own Engine. `clock`, `entropy`,
    `calendar` and `stages` are the seams for tests and demonstrations; left out, they are the machine's clock, the
    operating system's randomness, the built-in calendar, and the installed stages. Nothing is connected to yet.
    """

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
        self._books: dict[str, Rulebook] = {}
        self._checked = False
        self._engine = self._engine_on(OwnTransactions(self.database))

    def _engine_on(self, transactions: Transactions) -> Engine:
        return Engine(transactions, self._book, self.clock, self.entropy, self.calendar)

    # ── the database ──

    def migrate(self) -> None:
        """Create the tables, or bring them up to this version. Raises `SchemaFault` when they are newer than it."""
        migrate(self.database)

    def using(self, session: Session | Connection) -> Workflow:
        """The same workflow inside the host's open transaction.

        The session is flushed first. Nothing is committed, rolled back or begun: the host ends its transaction, and
        what was done here stands or falls with it. A refusal is raised and not written; hand it to `keep` to keep it.
        """
        if isinstance(session, Connection):
            connection = session
        else:
            session.flush()
            connection = session.connection()
        inside = object.__new__(Workflow)
        inside.__dict__.update(self.__dict__)
        inside._engine = inside._engine_on(HostTransaction(connection))
        return inside

    def keep(self, refused: Refused) -> None:
        """Write the row of a refusal that happened in a host's transaction: in that one, or after it in our own.

        A row that is there already, as of every refusal in our own transactions, is not written twice.
        """
        row = refused.fields.get("attempt")
        if row is None:
            raise Invalid("this refusal carries no attempt: only refusals of an act do")
        self._engine.transactions.write(lambda connection: keep_attempt(connection, row))

    # ── acts ──

    def open_round(
        self, plan: str | Path | Mapping[str, Any] | Plan, *, actor: Actor, key: str | None = None
    ) -> Receipt:
        """Open a round from a plan: the round in 筹备, and one phase for each stage. Fire `start` to let it run.

        The round is pinned to this plan, every default spelt out, and to the process it describes. Raises `PlanInvalid`
        or `DefinitionInvalid` with all that is wrong; nothing is left behind.
        """
        received_at = self.clock.now()
        read = plan if isinstance(plan, Plan) else read_plan(plan, self.stages)
        if self.entropy.seeded and not read.demonstration:
            raise Invalid(
                "a seeded source of chance is for demonstrations: set demonstration = true in the plan, "
                "or use SystemEntropy"
            )
        book = self._book_of(read)
        phases = [{"stage": s.name, "opens_at": s.opens_at, "closes_at": s.closes_at} for s in read.stages]
        data = {
            "title": read.title,
            "code": read.code,
            "plan": read.document(),
            "definition": book.fingerprint,
            "demonstration": read.demonstration,
            "phases": phases,
        }
        step = Step("", None, data, actor, Opening("round", ""))
        return self._act(Request(step, "", received_at, key), book)

    def open(
        self,
        kind: str,
        data: Mapping[str, Any] | BaseModel | None = None,
        *,
        actor: Actor,
        round: Case | None = None,
        parent: Case | None = None,
        of: Case | None = None,
        stage: str = "",
        members: Sequence[Case] = (),
        key: str | None = None,
        document: str | None = None,
    ) -> Receipt:
        """Open a case: declare an application, draft a notice, file an objection.

        Its round is that of `parent`, `of` or the members; else `round`, else the only one that is open. The opener
        becomes a party under its own scope. Raises `Refused` when it may not be opened, now or by this actor.
        """
        received_at = self.clock.now()
        if kind in ("round", "phase"):
            raise Invalid(
                f"a {kind} is not opened by itself: open_round reads a plan and opens the round with its phases"
            )
        ids = [_id(c) for c in (parent, of, *members) if c is not None]
        round_id = _id(round) if round is not None else self._read(lambda c: _round_of(c, ids))
        opening = Opening(
            kind,
            round_id,
            _id(parent) if parent is not None else self._default_parent(kind, round_id),
            _id(of) if of is not None else None,
            stage,
            [_id(m) for m in members],
        )
        step = Step("", None, plain(data or {}), actor, opening)
        return self._act(Request(step, round_id, received_at, key, document))

    def fire(
        self,
        case: Case,
        trigger: str,
        data: Mapping[str, Any] | BaseModel | None = None,
        *,
        actor: Actor,
        key: str | None = None,
        document: str | None = None,
    ) -> Receipt:
        """Fire a trigger on a case, as this actor.

        In one transaction: the case moves, its history, deadlines and outbox are written, and everything that follows
        from it happens. With `key` the call may be repeated: the same request gets the same receipt, another request
        under the same key is refused. Raises `Refused` with the reason; the refusal is kept as a row.
        """
        # Taken before the database is asked anything: it is what decides whether the act is in time.
        received_at = self.clock.now()
        case_id = _id(case)
        round_id = self._read(lambda c: _round_of(c, [case_id]))
        return self._act(
            Request(Step(trigger, case_id, plain(data or {}), actor), round_id, received_at, key, document)
        )

    def tick(self, *, grace: timedelta = timedelta()) -> Swept:
        """Fire every deadline that has run out, oldest first. Idempotent; any number of nodes may call it.

        Deadlines whose end lies less than `grace` back are left for a later sweep: an act that was received in time may
        still be on its way on another node. Whether an act is in time never depends on it. Deadlines that waited for a
        year's calendar start to run once it is loaded.
        """
        self._ready()
        return self._engine.tick(grace)

    # ── what was told ──

    @property
    def outbox(self) -> Outbox:
        """The messages on their way outward: for a dispatcher, and for the person who looks after it."""
        self._ready()
        return Outbox(self._engine.transactions, self.clock, [p.brought for p in self.stages.plugins.values()])

    @property
    def inbox(self) -> Inbox:
        """The inboxes that the library keeps itself."""
        self._ready()
        return Inbox(self._engine.transactions, self.clock)

    def dispatcher(self, configuration: Mapping[str, Any] | Path, *, name: str = "default") -> Dispatcher:
        """What delivers the messages here, by its settings or the TOML file that holds them. Raises `Invalid`."""
        return cast(Dispatcher, Registry.discover(DISPATCHERS).get(name).brought(self, configuration))

    # ── questions ──

    def case(self, case: Case) -> CaseView:
        """A case as it stands now. Raises `Unknown`."""
        found = self._read(lambda c: Rows(c).cases([_id(case)]))
        if not found:
            raise Unknown(f"there is no case '{_id(case)}'", case=_id(case))
        return found[0].view()

    def cases(
        self, round: Case, kind: str | None = None, state: str | None = None, *, parent: Case | None = None
    ) -> list[CaseView]:
        """The cases of a round, in the order of opening; of one kind, in one state, under one parent if given."""
        parent_id = _id(parent) if parent is not None else None
        return self._read(lambda c: queries.cases(c, _id(round), kind, state, parent_id))

    def rounds(self) -> list[CaseView]:
        """All rounds of the database."""
        return self._read(queries.rounds)

    def history(self, case: Case) -> list[dict[str, Any]]:
        """The events of a case, oldest first."""
        return self._read(lambda c: queries.events(c, _id(case)))

    def attempts(self, round: Case) -> list[dict[str, Any]]:
        """What was tried in a round and refused, oldest first."""
        return self._read(lambda c: queries.attempts(c, _id(round)))

    def messages(self, round: Case) -> list[dict[str, Any]]:
        """The outbox of a round, oldest first."""
        return self._read(lambda c: list(queries.messages(c, _id(round))))

    def allowed(self, case: Case, actor: Actor) -> list[Allowed]:
        """What can be asked for where the case stands; for what this actor may not do now, why not.

        Authority and windows are always asked. Rules on content are asked only of triggers that take no data: of the
        others they are known when the data is given.
        """

        def ask(connection: Connection) -> list[Allowed]:
            rows = Rows(connection)
            round_id = _round_of(connection, [_id(case)])
            return foresee(
                rows, self._book(round_id, rows), _id(case), actor, self.clock.now(), self.calendar, self.entropy
            )

        return self._read(ask)

    def tasks(self, actor: Actor) -> list[Task]:
        """待办: the open cases that wait for this actor, in every round, soonest deadline first.

        A round that the installed stages can no longer run is left out, with a warning in the log.
        """

        def ask(connection: Connection) -> list[Task]:
            rows = Rows(connection)
            found: list[Task] = []
            for r in queries.rounds(connection):
                if r.state == "cancelled":
                    continue  # there nothing can be done any more
                try:
                    book = self._book(r.id, rows)
                except (DefinitionChanged, Invalid) as error:
                    log.warning(
                        "the round %s cannot be run and is left out: %s",
                        r.id,
                        error.message,
                        extra={"action": "round_left_out", "round": r.id, "code": error.code},
                    )
                    continue
                found += queries.tasks(connection, r.id, book.process, actor)
            return found

        return self._read(ask)

    def process(self, round: Case) -> Process:
        """The process a round is played by: its kinds, states, labels and edges."""
        return self._read(lambda c: self._book(_id(round), Rows(c))).process

    def next_due(self) -> datetime | None:
        """The nearest instant at which a deadline runs out."""
        return self._read(queries.next_due)

    def verify(self) -> Report:
        """Check the whole record: chains, digests, and that every row is what its history says."""
        return self._read(verify)

    # ── inside ──

    def _act(self, request: Request, book: Rulebook | None = None) -> Receipt:
        role, key = request.step.actor.role, request.key
        if role in RESERVED:
            raise Refused(
                Refusal("reserved_role", "该角色由系统专用", f"nobody acts as the {role}: it is the library itself")
            )
        if key is not None and not 0 < len(key) <= 120:
            raise Invalid("a key has 1 to 120 characters")
        self._ready()
        return self._engine.carry_out(request, book)

    def _ready(self) -> None:
        if self._checked:
            return
        require_schema(self.database)
        if self.entropy.seeded:
            real = [r.id for r in OwnTransactions(self.database).read(queries.rounds) if not r.facts["demonstration"]]
            if real:
                raise Invalid(f"a seeded source of chance is refused here: the database holds the real round {real[0]}")
        self._checked = True

    def _read(self, work: Callable[[Connection], T]) -> T:
        self._ready()
        return self._engine.transactions.read(work)

    def _default_parent(self, kind: str, round_id: str) -> str | None:
        return round_id if self.process(round_id).kind(kind).is_cohort else None

    def _book(self, round_id: str, rows: Rows) -> Rulebook:
        """The rulebook of a round: its pinned plan, assembled from the code that runs now, which must mean the same."""
        if round_id not in self._books:
            found = rows.cases([round_id])
            if not found or found[0].kind != "round":
                raise Unknown(f"there is no round '{round_id}'", case=round_id)
            facts = found[0].facts
            book = self._book_of(read_plan(facts["plan"], self.stages))
            if book.fingerprint != facts["definition"]:
                raise DefinitionChanged(
                    f"the installed stages define another process than the one round {facts['code']} was opened with "
                    f"({book.fingerprint[:12]} instead of {facts['definition'][:12]}); "
                    "install the versions it was opened with",
                    round=round_id,
                    running=book.fingerprint,
                    pinned=facts["definition"],
                )
            self._books[round_id] = book
        return self._books[round_id]

    def _book_of(self, plan: Plan) -> Rulebook:
        distributions = {"ganchu_workflow": _own_distribution(), **self.stages.distributions()}
        return Rulebook(plan.process, plan.zone, plan.close_of_business, plan.digest, plan.demonstration, distributions)


def _own_distribution() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"ganchu-workflow {version('ganchu-workflow')}"
    except PackageNotFoundError:
        return "ganchu-workflow (not installed)"


def _id(case: Case) -> str:
    if isinstance(case, str):
        return case
    return case.case_id if isinstance(case, Receipt) else case.id


def _round_of(connection: Connection, case_ids: Sequence[str]) -> str:
    rows = Rows(connection)
    found = rows.cases(case_ids)
    missing = set(case_ids) - {c.id for c in found}
    if missing:
        raise Unknown(f"there is no case '{sorted(missing)[0]}'", case=sorted(missing)[0])
    rounds = {c.round for c in found}
    if not case_ids:
        rounds = {r.id for r in queries.rounds(connection) if r.state in ("planning", "running", "announced")}
    if len(rounds) != 1:
        raise Unknown(
            "say which round: round=…; "
            + (f"{len(rounds)} are open" if not case_ids else "the cases belong to several")
        )
    return rounds.pop()
