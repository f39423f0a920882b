"""Whose transaction an act runs in: ours, with bounded repetition, or the host's, which we never end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import RLock
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from ganchu_workflow.engine.workspace import Stale
from ganchu_workflow.errors import Contention
from ganchu_workflow.store.database import database_fault, may_be_repeated, read, write

T = TypeVar("T")
TRIES = 30
"""How often an act is computed again because others changed what it had read."""


class Transactions(Protocol):
    """Runs a piece of work inside one transaction."""

    own: bool
    """Whether `write` ends in a commit of ours: then a refusal is written as a row at once."""

    ours: bool
    """Whether the commit that decides in the end is ours, and not a host's."""

    @property
    def raised(self) -> set[str]:
        """The cases whose version this transaction has raised already: nobody else sees one raised twice."""
        ...

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` so that all it writes is kept, or nothing. It may be called again after `Stale`."""
        ...

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which only reads."""
        ...


class OwnTransactions:
    """One transaction of our own for each piece of work, on the library's Engine."""

    own = True
    ours = True

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # SQLite lets one writer in at a time and has no queue: of many threads one can wait until it gives up.
        sqlite = engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[object] = RLock() if sqlite else nullcontext()

    @property
    def raised(self) -> set[str]:
        """None: each piece of work is a transaction."""
        return set()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Commit what `work` wrote. Computes it again when something it read has changed, at most `TRIES` times.

        Raises `Contention` at that bound, `DatabaseFault` when the database fails.
        """
        last: Exception | None = None
        for _ in range(TRIES):
            try:
                with self._turn, write(self.engine) as connection:
                    return work(connection)
            except Stale as error:
                last = error
            except IntegrityError as error:
                # Another act took the next number of a history, or the same key: it is seen on the next try.
                last = error
            except DBAPIError as error:
                if not may_be_repeated(error):
                    raise database_fault(self.engine, error) from error
                last = error
        raise Contention(
            f"others kept changing the same cases; gave up after {TRIES} tries. Try again later", tries=TRIES
        ) from last

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection that is rolled back afterwards. Raises `DatabaseFault` when the database fails."""
        try:
            with read(self.engine) as connection:
                return work(connection)
        except DBAPIError as error:
            raise database_fault(self.engine, error) from error


class HostTransaction:
    """A transaction that is open already: never ended or begun here. A refused act leaves nothing in it.

    It is the host's; or `ours`, where several acts stand in one transaction of our own. Its connection is asked for
    each time: a session of the host's sets its savepoints only then.
    """

    own = False

    def __init__(
        self, connection: Callable[[], Connection], *, ours: bool = False, raised: set[str] | None = None
    ) -> None:
        self._connection = connection
        self.ours = ours
        self._raised = set() if raised is None else raised

    @property
    def raised(self) -> set[str]:
        """Those of the acts before in this transaction; in a host's none are known, as it may have undone them."""
        return self._raised if self.ours else set()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` inside a savepoint of the host's transaction.

        Before anything is written an act may be computed again; after that the database's error is the host's to see.
        """
        connection = self._connection()
        raw = connection.connection.dbapi_connection
        if connection.dialect.name == "sqlite" and raw is not None and not raw.in_transaction:
            # The driver begins a transaction only before a change; a savepoint outside one would commit on release.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        before = set(self._raised)
        try:
            with connection.begin_nested():
                for _ in range(TRIES):
                    try:
                        return work(connection)
                    except Stale:
                        continue
        except BaseException:
            self._raised.intersection_update(before)
            raise
        raise Contention("others kept changing the same cases; end this transaction and try again", tries=TRIES)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the host's transaction."""
        return work(self._connection())
