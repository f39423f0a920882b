"""The facade: everything a host, a script or a test asks of the library goes through `Workflow`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from ganchu_workflow.actors import RESERVED, Actor
from ganchu_workflow.clock import aware
from ganchu_workflow.engine import queries
from ganchu_workflow.engine.books import opening_of
from ganchu_workflow.engine.bulk import Bulk, carry_out_many, request_of
from ganchu_workflow.engine.calendar_import import Adopted, import_calendar
from ganchu_workflow.engine.calendars import FACT
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.host import host_link
from ganchu_workflow.engine.inbox import Inbox
from ganchu_workflow.engine.naming import Case, each_of, id_of
from ganchu_workflow.engine.outbox import Outbox
from ganchu_workflow.engine.recorder import plain
from ganchu_workflow.engine.requests import Entry, Opening, Request, Step
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.stuck import PARK_AFTER, Stuck, release
from ganchu_workflow.engine.sweep import Swept, sweep
from ganchu_workflow.engine.transition import Engine
from ganchu_workflow.errors import Invalid, Refusal, Refused, WorkflowError
from ganchu_workflow.messages import Dispatcher
from ganchu_workflow.plan import Plan, read_plan
from ganchu_workflow.plugins import DISPATCHERS, Registry
from ganchu_workflow.process.mixins import Evidence
from ganchu_workflow.questions import Questions
from ganchu_workflow.store.database import migrate
from ganchu_workflow.store.skew import require_no_skew
from ganchu_workflow.timing import Overlay, read_overlay

__all__ = ["Case", "Workflow"]

T = TypeVar("T")
LONGEST_KEY = 120
"""How many characters an idempotency key may have."""
LONGEST_CALL = timedelta(hours=1)
"""How long ago a caller may have taken the instant of reception: the reading of a file takes no longer."""
LONGEST_REASON = 2000
"""How many characters the reason of a late entry may have."""


class Workflow(Questions):
    """Selection rounds in one database.

    `database` is a URL (`sqlite:///round.db`, `postgresql+psycopg://…`) or the host's own Engine. `clock`, `entropy`,
    `calendar` and `stages` are the seams for tests and demonstrations; left out, they are the machine's clock, the
    operating system's randomness, the built-in calendar, and the installed stages. Nothing is connected to yet.
    """

    # ── the database ──

    def migrate(self) -> None:
        """Create the tables, or bring them up to this version. Raises `SchemaFault` when they are newer than it."""
        migrate(self.database)

    def using(self, host: Any) -> Workflow:
        """The same workflow inside the host's open transaction: a Session or Connection of SQLAlchemy, or a DB-API
        connection of sqlite3, psycopg 3 or PyMySQL, as Django holds one.

        A session is flushed before each act. Nothing is committed, rolled back, begun or tried again: what was done
        here stands or falls with the host's transaction and savepoints. A refusal is raised and not written; `keep`
        writes it. Raises `Invalid` for what cannot carry an act (`no_transaction`: each statement is committed by
        itself) and `DatabaseFault` (`broken_transaction`) where nothing more can be done in it; so does each act.
        """
        find = host_link(host)
        find()
        return self._with(self._engine.inside(find), self._received)

    def _with(self, engine: Engine, received: datetime | None = None) -> Workflow:
        inside = object.__new__(Workflow)
        inside.__dict__.update(self.__dict__)
        inside._engine, inside._received = engine, received
        return inside

    def together(
        self, work: Callable[[Workflow], T], *, dry_run: bool = False, received_at: datetime | None = None
    ) -> T:
        """Run `work` with a workflow inside one transaction: all that it does is kept together, or nothing of it.

        What `work` raises undoes everything, and is raised; a refusal among it is kept as a row, and one that `work`
        catches is its own to `keep`. With `dry_run` everything is undone in any case. Inside a transaction, of ours or
        the host's, it is a savepoint. `work` may be run again when others change what it has read: it must do nothing
        outside the workflow it is given. All its acts count as received when this was called, or at `received_at`: the
        instant that a caller took before reading a file, never a later or naive one. Within another call its stands.
        """
        received = self._received_at(received_at)
        self._ready()
        return self._engine.together(lambda inside: work(self._with(inside, received)), dry_run=dry_run)

    def entering_late(
        self, received_at: datetime, *, by: Actor, reason: str, evidence: Mapping[str, Any] | Evidence
    ) -> Workflow:
        """补录: the same workflow, for what was received in time on paper and is entered only now.

        All that is asked of it counts as received at `received_at`, takes effect then, and is asked of the windows as
        they ran, whatever their end has led to since; it is still the act of its `actor`. `by` enters it, which the
        transition must allow its role (`late_by`). Reason (kept apart, as private text), `evidence` of the reception (a
        name, the SHA-256 of the document and where the host keeps it) and who entered it stand in the event.

        Raises `Invalid` for an instant that is naive or lies ahead, a reason that says nothing, or no such evidence.
        """
        if aware(received_at) > self.clock.now():
            raise Invalid(f"nothing is received in the future: {received_at.isoformat()}")
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise Invalid(f"reason: say in 1 to {LONGEST_REASON} characters why it is entered late")
        try:
            proof = Evidence.model_validate(plain(evidence))
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise Invalid(f"evidence of when it was received: {'; '.join(problems)}", problems=problems) from error
        inside = self._with(self._engine, received_at)
        inside._entry = Entry(by, reason, plain(proof))
        return inside

    def keep(self, refused: WorkflowError) -> None:
        """Write the row of a refusal that happened in a host's transaction: in that one, or after it in our own.

        A row that is there already, as of every refusal in our own transactions, is not written twice.
        """
        if "attempt" not in refused.fields:
            raise Invalid("this refusal carries no attempt: only refusals of an act do")
        self._engine.keep(refused)

    # ── acts ──

    def open_round(
        self, plan: str | Path | Mapping[str, Any] | Plan, *, actor: Actor, key: str | None = None
    ) -> Receipt:
        """Open a round from a plan: the round in 筹备, and one phase for each stage. Fire `start` to let it run.

        The round is pinned to this plan, every default spelt out, and to the process it describes. Raises `PlanInvalid`
        or `DefinitionInvalid` with all that is wrong; nothing is left behind.
        """
        received_at = self._received_at()
        read = plan if isinstance(plan, Plan) else read_plan(plan, self.stages)
        if self.entropy.seeded and not read.demonstration:
            raise Invalid(
                "a seeded source of chance is for demonstrations: set demonstration = true in the plan, "
                "or use SystemEntropy"
            )
        book = self._books.of_plan(read)
        imported = self._read(lambda link: self._engine.calendars.latest(Rows(link)))
        facts = {FACT: imported} if imported else {}
        step = Step("", None, opening_of(read, book), actor, Opening("round", "", facts=facts))
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
        received_at = self._received_at()
        if kind in ("round", "phase"):
            raise Invalid(
                f"a {kind} is not opened by itself: open_round reads a plan and opens the round with its phases"
            )
        ids = [id_of(c) for c in (parent, of, *members) if c is not None]
        round_id = id_of(round) if round is not None else self._round_of(ids)
        opening = Opening(
            kind,
            round_id,
            id_of(parent) if parent is not None else self._default_parent(kind, round_id),
            id_of(of) if of is not None else None,
            stage,
            [id_of(m) for m in members],
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
        received_at = self._received_at()
        case_id = id_of(case)
        # Of a case that is met here for the first time, the transaction itself asks for the round.
        round_id = self._engine.known.round_of([case_id]) or ""
        step = Step(trigger, case_id, plain(data or {}), actor)
        return self._act(Request(step, round_id, received_at, key, document))

    def fire_many(
        self,
        cases: Sequence[Case] | Mapping[str, Mapping[str, Any] | BaseModel],
        trigger: str,
        data: Mapping[str, Any] | BaseModel | None = None,
        *,
        actor: Actor,
        key: str | None = None,
        document: str | None = None,
        dry_run: bool = False,
    ) -> Bulk:
        """Fire a trigger on many cases, each as an act of its own: one that is refused holds up no other.

        All are received at one instant. `cases` may give each case its own data, by its id. They are carried out in
        the order given, a batch in one transaction and, where nothing is due first, as a set that is read and written
        in one go: rules must not mind being asked twice. Refusals are kept as rows, in a host's transaction they are
        the host's to `keep`. With `key` each case has a key of its own made of it, so that a call that broke off may be
        repeated. With `dry_run` nothing is changed or kept: the acts are done, in one transaction, and undone, so that
        the report says what would happen, counts and all. Raises `Invalid` when a case is given twice.
        """
        received_at = self._received_at()
        each = each_of(cases, data)
        self._admit(actor, key, room=27)
        rounds = self._read(lambda c: queries.rounds_of(c, list(each)))
        acts = [
            (case, request_of(case, rounds.get(case), trigger, given, actor, received_at, key, document, self._entry))
            for case, given in each.items()
        ]
        return carry_out_many(self._engine, acts, dry_run=dry_run)

    def tick(
        self,
        *,
        grace: timedelta = timedelta(),
        limit: int | None = None,
        park_after: int = PARK_AFTER,
        max_skew: timedelta | None = None,
    ) -> Swept:
        """Fire every deadline that has run out, oldest first. Idempotent; any number of nodes may call it.

        Deadlines whose end lies less than `grace` back are left for a later sweep: an act that was received in time may
        still be on its way on another node. Whether an act is in time never depends on it. Deadlines that waited for a
        year's calendar start to run once it is loaded.

        With `limit`, at most so many are tried, and `more` says whether something is left. Where a great deal is due,
        rounds take turns, so that none waits for another; within a round the oldest is first.

        One that would not fire holds up no other, and is left alone for a while, on every node: what a rule refuses for
        30 s, then twice as long each time, up to an hour; so does one that crashes, which after `park_after` tries is
        parked until a person releases it. Raises `Invalid` for a limit or a number of tries below 1.

        With `max_skew`, nothing is fired and `ClockSkew` raised while the workflow's clock and that of the database's
        server are certainly further apart (never on SQLite). Left out, it is not asked: a clock that a test moves has
        no meaning against a server. No act of a person is refused for it: what counts there is when it was received.
        """
        if (limit is not None and limit < 1) or park_after < 1:
            raise Invalid("limit and park_after: at least 1")
        self._ready()
        if max_skew is not None:
            require_no_skew(self.database, self.clock, max_skew)
        return sweep(self._engine, grace, limit, park_after)

    def release(self, case: Case, deadline: str | None = None, *, actor: Actor, reason: str) -> tuple[Stuck, ...]:
        """Let deadlines that would not fire be tried at once: parked ones, or those that wait. Gives what they were.

        The one of that name, or all of the case; of a round, those of all its cases. Nothing fires here: the next sweep
        tries them, and counts anew. Who asked for it and why is kept for ever, as a row of `attempts`, so that a reason
        names nobody. Raises `Refused` when no such deadline is stuck (`deadline_not_stuck`), or by an actor who may not
        (`not_allowed`: it is for the office and the supervisor); that is such a row too. Raises `Unknown` for a case
        that there is not.
        """
        self._ready()
        return release(
            self._engine.transactions, self.clock, self._engine.entropy, id_of(case), deadline, actor, reason
        )

    def import_calendar(self, notice: Overlay | Path, *, actor: Actor, dry_run: bool = False) -> tuple[Adopted, ...]:
        """Import the State Council's notice of a year, and let every round go by it; what that means for each.

        Deadlines that waited for the year start to run, and ends that the notice makes later move there, each by an
        event. No end that runs moves earlier, and no printed end moves: these are listed. A round that is opened later
        goes by it too. Of several imports of one year the last counts. With `dry_run` nothing is changed.

        Raises `CalendarInvalid` for a file that cannot be used, `Refused` for anybody but the office.
        """
        if self._entry is not None:
            raise Invalid("a calendar is not entered late: import it through the workflow itself")
        received_at = self._received_at()
        self._admit(actor, None)
        overlay = notice if isinstance(notice, Overlay) else read_overlay(notice)
        return import_calendar(self._engine, overlay, actor, received_at, dry_run=dry_run)

    # ── what was told ──

    @property
    def outbox(self) -> Outbox:
        """The messages on their way outward: for a dispatcher, and for the person who looks after it."""
        self._ready()
        stages = [p.brought for p in self.stages.plugins.values()]
        return Outbox(self._engine.transactions, self.clock, self._engine.entropy, stages)

    @property
    def inbox(self) -> Inbox:
        """The inboxes that the library keeps itself."""
        self._ready()
        return Inbox(self._engine.transactions, self.clock)

    def dispatcher(self, configuration: Mapping[str, Any] | Path, *, name: str = "default") -> Dispatcher:
        """What delivers the messages here, by its settings or the TOML file that holds them. Raises `Invalid`."""
        return cast(Dispatcher, Registry.discover(DISPATCHERS).get(name).brought(self, configuration))

    # ── inside ──

    def _act(self, request: Request, book: Rulebook | None = None) -> Receipt:
        self._admit(request.step.actor, request.key)
        return self._engine.carry_out(replace(request, entry=self._entry), book)

    def _received_at(self, taken: datetime | None = None) -> datetime:
        """When an act that is asked for now was received: when the call came that it is part of, or as that took it."""
        if taken and aware(taken) > self.clock.now():
            raise Invalid(f"nothing is received in the future: {taken.isoformat()}")
        if taken and taken < self.clock.now() - LONGEST_CALL:
            raise Invalid(
                f"received at {taken.isoformat()}: what came in so long ago is entered late, by entering_late"
            )
        return self._received or taken or self.clock.now()

    def _admit(self, actor: Actor, key: str | None, *, room: int = 0) -> None:
        """Refuse what nobody may ask for; `room` is what is still to be added to the key."""
        if actor.role in RESERVED:
            what = f"nobody acts as the {actor.role}: it is the library itself"
            raise Refused(Refusal("reserved_role", "该角色由系统专用", what))
        if key is not None and not 0 < len(key) <= LONGEST_KEY - room:
            raise Invalid(f"such a key has 1 to {LONGEST_KEY - room} characters")
        self._ready()

    def _round_of(self, case_ids: Sequence[str]) -> str:
        return self._engine.known.round_of(case_ids) or self._read(lambda link: queries.round_of(link, case_ids))

    def _default_parent(self, kind: str, round_id: str) -> str | None:
        process = self._books.process_of(round_id) or self.process(round_id)
        return round_id if process.kind(kind).is_cohort else None
