"""Whose transaction an act runs in: ours, with bounded repetition, or the host's, which we never end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import RLock
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

from ganchu_workflow.engine.crash_points import reached
from ganchu_workflow.engine.workspace import Stale
from ganchu_workflow.errors import Contention, Invalid
from ganchu_workflow.store.database import database_fault, read
from ganchu_workflow.store.failures import driver_errors, host_fault, in_the_way, is_conflict
from ganchu_workflow.store.link import Link, SqlalchemyDriver
from ganchu_workflow.store.own import transaction

T = TypeVar("T")
TRIES = 30
"""How often an act is computed again because others changed what it had read."""
_SAVEPOINT = "ganchu_act"


class Transactions(Protocol):
    """Runs a piece of work inside one transaction."""

    own: bool
    """Whether `write` ends in a commit of ours: then a refusal is written as a row at once."""

    ours: bool
    """Whether the commit that decides in the end is ours, and not a host's."""

    depth: int
    """In how many savepoints of ours its work stands."""

    @property
    def raised(self) -> set[str]:
        """The cases whose version this transaction has raised already: nobody else sees one raised twice."""
        ...

    def write(self, work: Callable[[Link], T]) -> T:
        """Run `work` so that all it writes is kept, or nothing. It may be called again after `Stale`."""
        ...

    def read(self, work: Callable[[Link], T]) -> T:
        """Run `work`, which only reads."""
        ...

    def scan(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which reads through whole tables, on a connection of SQLAlchemy."""
        ...

    def failed(self, error: BaseException) -> bool:
        """Whether `write` or `read` raised an error of the driver's: the transaction around it will see to that."""
        ...


class OwnTransactions:
    """One transaction of our own for each piece of work, on the library's Engine."""

    own = True
    ours = True
    depth = 0

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # SQLite lets one writer in at a time and has no queue: of many threads one can wait until it gives up.
        sqlite = engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[object] = RLock() if sqlite else nullcontext()

    @property
    def raised(self) -> set[str]:
        """None: each piece of work is a transaction."""
        return set()

    def write(self, work: Callable[[Link], T]) -> T:
        """Commit what `work` wrote. Computes it again when something it read has changed, at most `TRIES` times.

        Raises `Contention` at that bound, `DatabaseFault` when the database fails.
        """
        last: BaseException | None = None
        for _ in range(TRIES):
            try:
                with self._turn, transaction(self.engine, writes=True) as link:
                    result = work(link)
                    reached("committing")
                reached("committed")
                return result
            except Stale as error:
                last = error
            except driver_errors(self.engine.dialect) as error:
                # Also where another act took the next number of a history, or the same key: it is seen on the next try.
                if not is_conflict(error):
                    raise database_fault(self.engine, error) from error
                last = error
        raise Contention(
            f"others kept changing the same cases; gave up after {TRIES} tries. Try again later", tries=TRIES
        ) from last

    def read(self, work: Callable[[Link], T]) -> T:
        """Run `work` in a transaction that is then rolled back. Raises `DatabaseFault` when the database fails."""
        try:
            with transaction(self.engine, writes=False) as link:
                return work(link)
        except driver_errors(self.engine.dialect) as error:
            raise database_fault(self.engine, error) from error

    def scan(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection that is rolled back afterwards. Raises `DatabaseFault` when the database fails."""
        try:
            with read(self.engine) as connection:
                return work(connection)
        except driver_errors(self.engine.dialect) as error:
            raise database_fault(self.engine, error) from error

    def failed(self, error: BaseException) -> bool:
        """Never: they come out as a `DatabaseFault`."""
        return False


class HostTransaction:
    """A transaction that is open already: never ended or begun here. A refused act leaves nothing in it.

    It is the host's; or `ours`, where several acts stand in one transaction of our own. Its connection is asked for
    each time: a session of the host's sets its savepoints only then.
    """

    own = False

    def __init__(
        self, link: Callable[[], Link], *, ours: bool = False, raised: set[str] | None = None, depth: int = 0
    ) -> None:
        self._link = link
        self.ours = ours
        self.depth = depth + 1
        self._raised = set() if raised is None else raised

    @property
    def raised(self) -> set[str]:
        """Those of the acts before in this transaction; in a host's none are known, as it may have undone them."""
        return self._raised if self.ours else set()

    def write(self, work: Callable[[Link], T]) -> T:
        """Run `work` inside a savepoint of the host's transaction.

        Before anything is written an act may be computed again; after that the act has failed, and what the host does
        about its transaction is the host's to decide. Raises `DatabaseFault` when the database fails, or would cut a
        text that is too long (in a transaction of our own: the driver's error, for that transaction to be run again).
        """
        before = set(self._raised)
        try:
            with self._translated() as link:
                _begun(link)
                if not self.ours:
                    link.require_strict()
                with _savepoint(link, self.depth):
                    for _ in range(TRIES):
                        try:
                            return work(link)
                        except Stale:
                            continue
        except BaseException:
            self._raised.intersection_update(before)
            raise
        if not self.ours:
            # Above all where it reads the same for ever, as at REPEATABLE READ of MariaDB.
            raise in_the_way("what it reads is no longer what is there")
        raise Contention("others kept changing the same cases; end this transaction and try again", tries=TRIES)

    def read(self, work: Callable[[Link], T]) -> T:
        """Run `work` in the host's transaction. Raises `DatabaseFault` as `write` does."""
        with self._translated() as link:
            return work(link)

    def scan(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on the host's connection, which must be one of SQLAlchemy. Raises `Invalid` if it is not."""
        with self._translated() as link:
            if not isinstance(link.driver, SqlalchemyDriver):
                raise Invalid("the whole record is read through the Workflow itself, not through using() or together()")
            return work(link.driver.connection)

    def failed(self, error: BaseException) -> bool:
        """In a transaction of our own only; in a host's they come out as a `DatabaseFault`."""
        return self.ours and isinstance(error, driver_errors(self._link().dialect))

    @contextmanager
    def _translated(self) -> Iterator[Link]:
        link = self._link()
        if self.ours:
            with link.whole():
                yield link
            return
        try:
            with link.whole():
                yield link
        except driver_errors(link.dialect) as error:
            raise host_fault(error) from error


def _begun(link: Link) -> None:
    raw = link.driver.raw
    if link.dialect.name == "sqlite" and not getattr(raw, "in_transaction", True):
        # The driver begins a transaction only before a change; a savepoint outside one would commit on release.
        link.command("BEGIN IMMEDIATE")


@contextmanager
def _savepoint(link: Link, depth: int) -> Iterator[None]:
    # On MariaDB a savepoint ends an outer one of the same name.
    name = _SAVEPOINT if depth == 1 else f"{_SAVEPOINT}_{depth}"
    link.command(f"SAVEPOINT {name}")
    try:
        yield
        link.require_whole()
    except BaseException:
        # Of a connection that is gone, and of a deadlock on MariaDB, nothing is left to roll back to.
        try:
            link.command(f"ROLLBACK TO SAVEPOINT {name}")
            link.command(f"RELEASE SAVEPOINT {name}")
        except driver_errors(link.dialect):
            pass
        raise
    link.command(f"RELEASE SAVEPOINT {name}")
