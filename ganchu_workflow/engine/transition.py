"""The one function that owns a state change.

Every change of a case's state goes through `Engine.carry_out`: it settles what was due before, computes the act to rest
on what it has read, locks all of that in the lock order, compares, and writes state, history, deadlines and outbox in
one transaction. A refusal changes nothing and is a row of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast

from ganchu_workflow.actors import CLOCK
from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import Clock, to_text
from ganchu_workflow.engine.attempts import attempt, keep_attempt
from ganchu_workflow.engine.calendars import Calendars
from ganchu_workflow.engine.concerned import concerned_by, still_due
from ganchu_workflow.engine.crash_points import reached
from ganchu_workflow.engine.deadlines import ESCALATE, REMIND
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.known import Known
from ganchu_workflow.engine.outage import settled_until
from ganchu_workflow.engine.privacy import PrivateLeak
from ganchu_workflow.engine.repeats import receipt_again
from ganchu_workflow.engine.requests import Due, Request, Step
from ganchu_workflow.engine.resolving import resolve
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.steps import RuleCrashed, Run
from ganchu_workflow.engine.surroundings import Surroundings
from ganchu_workflow.engine.transactions import HostTransaction, Transactions
from ganchu_workflow.engine.workspace import Stale, Workspace
from ganchu_workflow.entropy import Entropy, new_id
from ganchu_workflow.errors import (
    Contention,
    DatabaseFault,
    DoesNotRest,
    Fault,
    Invalid,
    NotCanonical,
    Refusal,
    Refused,
    WorkflowError,
    no_such_case,
)
from ganchu_workflow.store.failures import ROW_REFUSED
from ganchu_workflow.store.link import Link

T = TypeVar("T")
log = logging.getLogger("ganchu_workflow")
Books = Callable[[str, Rows], Rulebook]
"""The rulebook of a round."""


class OneByOne(Exception):
    """These acts cannot be carried out as a set: each is to be carried out by itself."""


class _DueFirst(Exception):
    """A deadline of the cases concerned ran out before the act was received: it is settled first."""

    def __init__(self, row: tuple[str, str, datetime]) -> None:
        super().__init__()
        self.row = row


class Engine:
    """Carries out acts on a database, in its own transactions or in the host's."""

    def __init__(
        self,
        transactions: Transactions,
        books: Books,
        clock: Clock,
        entropy: Entropy,
        calendars: Calendars,
        known: Known | None = None,
    ) -> None:
        self.transactions = transactions
        self.books = books
        self.clock = clock
        self.entropy = entropy
        self.calendars = calendars
        self.known = known or Known()

    def carry_out(self, request: Request, book: Rulebook | None = None) -> Receipt:
        """Carry out one act: one transaction, or nothing.

        Deadlines of the cases concerned that ran out before the act was received are settled first, each in a
        transaction of its own. Under a key that was used before, the earlier receipt is given again.

        Raises `Refused` when it may not be done (the refusal is kept as a row), `Unknown` for a case, kind or trigger
        that does not exist, and a `Fault` when something broke; in each case nothing of the act is left. A `Refused`
        names in `fields["fired_first"]` what was fired before it.
        """
        settled: set[tuple[str, str, datetime]] = set()
        fired: list[dict[str, str]] = []
        reached("received")
        while True:
            try:
                return self._kept(request, lambda: self._once(request, book, settled))
            except Refused as refused:
                if fired:
                    refused.fields["fired_first"] = fired
                raise
            except _DueFirst as due:
                # One at a time: what it fires may start another that was due before the rest.
                settled.add(due.row)
                case_id, name, due_at = due.row
                done = self.fire_due(case_id, name, due_at, request.received_at)
                if isinstance(done, Contention):
                    raise done from due  # it may well fire yet: then the act comes after it
                if isinstance(done, Receipt) and done.trigger not in (REMIND, ESCALATE):
                    fired.append({"case": case_id, "deadline": name, "due_at": to_text(due_at), "state": done.state})

    def carry_out_as_set(self, requests: Sequence[Request]) -> list[Receipt | WorkflowError]:
        """Carry out acts on cases of one round as a set: what became of each, as if one came after the other.

        They are computed one after the other on one view of the round, which is read, locked, compared and written in
        one go. One that is refused leaves nothing of itself. Raises `OneByOne`, and nothing is done, where this is not
        how it would come out: a deadline is due first, a key was used before, or one failed halfway.
        """
        return self.transactions.write(lambda link: self._set(requests, Rows(link)))

    def _set(self, requests: Sequence[Request], rows: Rows) -> list[Receipt | WorkflowError]:
        round_id, received_at = requests[0].round, requests[0].received_at
        reached("begun")
        if rows.keys_used([r.key for r in requests if r.key is not None]):
            raise OneByOne
        book = self.books(round_id, rows)
        work = self._workspace(rows, book, round_id)
        concerned = concerned_by(work, round_id, [r.step for r in requests])
        asked = {i for i in concerned if work.has(i)}
        if work.ran_out(concerned, received_at):
            raise OneByOne
        outcomes, calendar_used = [], False
        for request in requests:
            # What an event says of the calendar is about its own act.
            work.pending.calendar_used = False
            outcomes.append(self._in_the_set(work, book, request))
            calendar_used |= work.pending.calendar_used
        work.pending.calendar_used = calendar_used
        if work.ran_out(work.content_read - asked, received_at):
            raise OneByOne
        reached("read")
        work.commit(self.transactions.raised)
        return outcomes

    def _in_the_set(self, work: Workspace, book: Rulebook, request: Request) -> Receipt | WorkflowError:
        changes, events = work.changes, len(work.pending.events)
        try:
            receipt = self._kept(request, lambda: Run(work, book, request).to_rest())
        except (DatabaseFault, Contention):
            raise
        except WorkflowError as error:
            if work.changes > changes:
                raise OneByOne from error
            return error
        if any(work.due_already(event["case_id"], request.received_at) for event in work.pending.events[events:]):
            raise OneByOne
        return receipt

    def resolve(self, case_id: str, name: str) -> bool:
        """A deadline that waits for a year's calendar gets its end, if that calendar is loaded now: whether it was."""

        def work_on(link: Link) -> bool:
            rows = Rows(link)
            round_id = rows.round_of(case_id)
            if round_id is None:
                return False
            book = self.books(round_id, rows)
            work = self._workspace(rows, book, round_id)
            resolved = resolve(work, book, case_id, name)
            if resolved:
                work.commit()
            return resolved

        return self.transactions.write(work_on)

    def _workspace(self, rows: Rows, book: Rulebook, round_id: str) -> Workspace:
        hours, kept = book.close_of_business, self.known.calendars
        around = Surroundings(self.calendars, book.zone, hours, self.entropy, self.clock.now(), kept)
        work = Workspace(rows, around)
        work.in_round(round_id)
        phases = self.known.phases(round_id)
        if phases is None:
            self.known.has_phases(round_id, work.phases(round_id))
        else:
            work.knows_phases(phases)
        return work

    # ── one transaction ──

    def _once(self, request: Request, book: Rulebook | None, settled: set[tuple[str, str, datetime]]) -> Receipt:
        receipt, calendar = self.transactions.write(lambda link: self._in_transaction(link, request, book, settled))
        if self.transactions.own:
            if request.step.opening is not None:
                self.known.belongs({receipt.case_id: request.round or receipt.case_id})
            self.known.calendars.update([calendar] if calendar else [])
        return receipt

    def _in_transaction(
        self, link: Link, request: Request, book: Rulebook | None, settled: set[tuple[str, str, datetime]]
    ) -> tuple[Receipt, str | None]:
        """The receipt, and the version of the calendar that is stored with it, if one was used."""
        reached("begun")
        rows = Rows(link)
        request = self._in_its_round(request, rows)
        book = book or self.books(request.round, rows)
        if request.key is not None:
            earlier = rows.event_by_key(request.key)
            if earlier is not None:
                return receipt_again(rows, book, request, decode(earlier)), None
        work = self._workspace(rows, book, request.round)
        asked: set[str] = set()
        if request.settles_first:
            concerned = concerned_by(work, request.round, [request.step])
            # Read before they are asked about: of what is read only later, a change in between would go unseen.
            asked = {i for i in concerned if work.has(i)}
            self._require_settled(work, request, settled, concerned)
        elif request.step.due is not None and not still_due(work, request.step):
            raise _Gone
        elif request.round_wide:
            self._require_round_settled(rows, request, settled)
        try:
            if request.step.opening is not None and request.step.opening.kind == "round":
                work.pending.definition = (book.fingerprint, book.body)
            receipt = Run(work, book, request).to_rest()
        except Refused as refused:
            # A refusal that rests on something which has changed meanwhile, or should have, is no refusal.
            if not work.unchanged() or (request.key is not None and rows.event_by_key(request.key) is not None):
                raise Stale from refused
            self._require_settled(work, request, settled, work.content_read - asked)
            raise
        # A deadline changes only by an event on its case: where that was read before, `commit` sees that it stands.
        self._require_settled(work, request, settled, work.content_read - asked)
        reached("read")
        work.commit(self.transactions.raised)
        return receipt, work.calendar.version if work.pending.calendar_used else None

    def _in_its_round(self, request: Request, rows: Rows) -> Request:
        """The request, with the round of its case where that was not known. Raises `Unknown`: there is no such case."""
        case_id = request.step.case
        if request.round or case_id is None:
            return request
        found = rows.round_of(case_id)
        if found is None:
            raise no_such_case(case_id)
        self.known.belongs({case_id: found})
        return replace(request, round=found)

    def _require_settled(
        self, work: Workspace, request: Request, settled: set[tuple[str, str, datetime]], ids: Iterable[str]
    ) -> None:
        """Every deadline of these cases that ran out before the act was received has been seen to."""
        if request.settles_first:
            for row in work.ran_out(ids, request.received_at):
                if row not in settled:
                    raise _DueFirst(row)

    def _require_round_settled(self, rows: Rows, request: Request, settled: set[tuple[str, str, datetime]]) -> None:
        """What ran out in the round before an outage began has been seen to: it may have started what fell into it."""
        if not self.transactions.ours:
            raise Invalid(
                "it is asked of the whole round: ask it of the Workflow itself, not inside a host's transaction"
            )
        for row in rows.due(settled_until(request), self.clock.now(), len(settled) + 1, request.round):
            found = (row.case_id, row.name, row.due_at)
            if found not in settled:
                raise _DueFirst(found)

    def fire_due(
        self, case_id: str, name: str, due_at: datetime, received_at: datetime
    ) -> Receipt | WorkflowError | None:
        """Fire one deadline. Returns what stood in the way, if anything did; None when it was no longer due.

        A failure of the database stands in the way of all of them, and is raised, unless a row was refused.
        """

        def locate(link: Link) -> tuple[str, str] | None:
            rows = Rows(link)
            cases = rows.cases([case_id])
            running = rows.deadlines([case_id]).get(case_id, {}).get(name)
            return None if not cases or running is None or running.fires is None else (cases[0].round, running.fires)

        failed: WorkflowError
        try:
            found = self.transactions.read(locate)
            if found is None:
                return None
            step = Step(found[1], case_id, {}, CLOCK, due=Due(name, due_at))
            request = Request(step, found[0], received_at)
            return self._kept(request, lambda: self._once(request, None, set()))
        except _Gone:
            return None
        except DatabaseFault as fault:
            if fault.fields.get("reason") != ROW_REFUSED:
                raise  # of the database and not of this deadline: none would fire
            failed = fault
        except WorkflowError as error:
            failed = error
        except Exception as error:
            if self.transactions.failed(error):
                raise
            # Whatever a plugin does: one deadline that cannot fire must not keep all later ones from it.
            log.exception("a deadline crashed", extra={"action": "deadline_crashed", "case": case_id})
            failed = Fault(f"firing it crashed ({type(error).__name__}); the log has the whole of it")
        about = {"action": "deadline_refused", "case": case_id, "code": failed.code}
        log.warning("a deadline did not fire", extra=about)
        if self.transactions.ours:
            self.keep(failed)
        return failed

    # ── several acts in one transaction ──

    def inside(self, link: Callable[[], Link]) -> Engine:
        """The same engine inside an open transaction of the host's, which it does not end."""
        return self._inside(HostTransaction(link))

    def _inside(self, transaction: HostTransaction) -> Engine:
        return Engine(transaction, self.books, self.clock, self.entropy, self.calendars, self.known)

    def together(self, work: Callable[[Engine], T], *, dry_run: bool = False) -> T:
        """Run `work` with an engine inside one transaction; with `dry_run`, undo all of it at the end.

        A refusal that `work` lets through is kept as a row once everything is undone, as that of a single act is.
        """

        def run(link: Link) -> T:
            held = self.transactions
            inside = HostTransaction(lambda: link, ours=held.ours, raised=held.raised, depth=held.depth)
            result = work(self._inside(inside))
            if dry_run:
                raise _Undone(result)
            return result

        try:
            return self.transactions.write(run)
        except _Undone as undone:
            return cast(T, undone.result)
        except WorkflowError as error:
            if self.transactions.own and not dry_run:
                self.keep(error)
            raise

    # ── what is kept of a failure ──

    def keep(self, error: WorkflowError) -> None:
        """Write the row of an act that failed in somebody's transaction, unless it is there or there is none."""
        row = error.fields.get("attempt")
        if row is not None:
            self.transactions.write(lambda link: keep_attempt(link, row))

    def _kept(self, request: Request, act: Callable[[], Receipt]) -> Receipt:
        try:
            return act()
        except Refused as refused:
            kind = "crashed" if refused.code == "guard_crashed" else "refused"
            self._keep(self._attempt(request, kind, refused.refusal), refused)
            raise
        except RuleCrashed as crash:
            # Not its message: what an exception says may quote a private value, and this row is for ever.
            why = "the {what} of {trigger} crashed ({error})".format(**crash.fields)
            reason = Refusal("rule_crashed", "规则运行出错,未予办理", why, trigger=request.step.trigger)
            self._keep(self._attempt(request, "crashed", reason), crash)
            raise
        except (PrivateLeak, DoesNotRest, NotCanonical) as fault:
            reason = Refusal(
                fault.code, "系统故障,未予办理", f"the act was abandoned: {fault.code}", trigger=request.step.trigger
            )
            self._keep(self._attempt(request, "crashed", reason), fault)
            raise

    def _keep(self, row: dict[str, Any], error: WorkflowError) -> None:
        """Our own transaction: the attempt becomes a row. The host's: the host is handed the row, to keep or not."""
        error.fields["attempt"] = row
        if self.transactions.own:
            self.transactions.write(lambda link: keep_attempt(link, row))

    def _attempt(self, request: Request, kind: str, refusal: Refusal) -> dict[str, Any]:
        now = self.clock.now()
        if not request.round:
            request = self.transactions.read(lambda link: self._in_its_round(request, Rows(link)))
        return attempt(request, kind, refusal, new_id(self.entropy, now), now)


class _Undone(Exception):
    """A dry run has come to its end: its transaction is rolled back."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


class _Gone(Exception):
    """The deadline was fired, moved or stopped by somebody else meanwhile."""
