"""What is different on MariaDB and MySQL: how a connection is set up, and migrating where DDL commits by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import immutabledict

from ganchu_workflow.errors import DatabaseFault

DIALECTS = ("mysql", "mariadb")
"""SQLAlchemy's names: the first for either server, the second for MariaDB alone."""

OPTIONS: immutabledict[str, Any] = immutabledict(isolation_level="READ COMMITTED", pool_recycle=14400)
"""For `create_engine`. At REPEATABLE READ, the servers' default, what is read after waiting for a lock is stale."""

READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
"""Before a transaction of ours on a host's Engine, and for it alone: how the host isolates its own is the host's."""

RETRIED: frozenset[int | None] = frozenset({1020, 1213})
"""The errors after which a transaction of ours may be computed again: a row changed since it was read, a deadlock."""

TAKEN: frozenset[int | None] = frozenset({1022, 1062, 1586})
"""A row with the same key is there."""

REFUSED: frozenset[int | None] = frozenset({1364, 3819, 4025})
"""Refused for what is in it, though the driver takes it for something else: no default value, a CHECK (two servers)."""

LOCKED: frozenset[int | None] = frozenset({1205})
"""The server gave up waiting for another's lock (`innodb_lock_wait_timeout`)."""

TRANSACTION_BEGUN = 1568
"""The isolation level of a transaction can no longer be changed."""

READ_ONLY = frozenset({1290, 1792, 1836})

SQL_MODE = "SELECT @@SESSION.sql_mode"
_STRICT: WeakSet[Any] = WeakSet()
"""The connections that refuse what is too long."""

PATIENCE = 600
"""How long a migration waits for another one, in seconds."""

_CREATE = re.compile(r"\s*CREATE (TABLE|INDEX|UNIQUE INDEX|TRIGGER) `?(\w+)`?(?: ON `?(\w+)`?)?")
_ADD = re.compile(r"\s*ALTER TABLE `?(?P<table>\w+)`? ADD (?P<kind>COLUMN) `?(?P<name>\w+)`?[^,]*\Z")
_CHANGES = re.compile(r"\s*(CREATE|ALTER|DROP|RENAME|TRUNCATE)\b", re.IGNORECASE)
_FOUND = {
    "TABLE": "tables WHERE table_schema = DATABASE() AND table_name = %s",
    "INDEX": "statistics WHERE table_schema = DATABASE() AND index_name = %s AND table_name = %s",
    "COLUMN": "columns WHERE table_schema = DATABASE() AND column_name = %s AND table_name = %s",
    "TRIGGER": "triggers WHERE trigger_schema = DATABASE() AND trigger_name = %s",
}


def prepare(raw: Any, record: Any) -> None:
    """Set up a connection of our own: text that is too long is refused, never cut; an hour's idleness is no end."""
    with raw.cursor() as cursor:
        cursor.execute(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
            " SESSION wait_timeout = 28800"
        )
    _STRICT.add(raw)


def collation(dialect: Any) -> str:
    """The clause of a text column: compared by code point, and 'a' is not 'a ' (as it is with utf8mb4_bin)."""
    return f"CHARACTER SET utf8mb4 COLLATE {'utf8mb4_nopad_bin' if dialect.is_mariadb else 'utf8mb4_0900_bin'}"


def error_code(error: BaseException) -> int | None:
    """The server's number of an error, of the driver's or SQLAlchemy's around it."""
    args = getattr(error.orig if isinstance(error, DBAPIError) else error, "args", ())
    return args[0] if args and isinstance(args[0], int) else None


def refuse_lenient(connection: Connection, database: str) -> None:
    """Raise `DatabaseFault` where the server would cut a text that is too long and call it a warning."""
    _require_strict(str(connection.exec_driver_sql(SQL_MODE).scalar()), f"on {database}")


def refuse_lenient_once(raw: Any, ask: Callable[[], str]) -> None:
    """The same of a driver's connection, whose `sql_mode` is asked for once in its life."""
    if raw not in _STRICT:
        _require_strict(ask(), "on this connection")
        with suppress(TypeError):  # of a driver whose connections cannot be remembered: each time
            _STRICT.add(raw)


def _require_strict(mode: str, where: str) -> None:
    if "STRICT_ALL_TABLES" not in mode and "STRICT_TRANS_TABLES" not in mode:
        raise DatabaseFault(
            f"{where} a text that is too long would be cut without an error: put STRICT_TRANS_TABLES into the sql_mode"
            f" of your connections (it is now '{mode}')",
            reason="lenient_sql_mode",
            sql_mode=mode,
        )


@contextmanager
def migrating(connection: Connection, version_table: str, database: str) -> Iterator[None]:
    """Run the migrations of the block alone, and so that they can be run again wherever they stopped.

    DDL cannot be rolled back here. A migration that was killed in the middle leaves what it had made; run again, it
    finds each thing by its name and goes on with the first that is missing. Commits at the end of the block.

    Raises `DatabaseFault` when another migration keeps the lock for `PATIENCE` seconds, and when there are tables with
    our prefix although no migration ever began: they are somebody else's, and nothing is made beside them.
    """
    # Named locks belong to the whole server.
    lock = f"ganchu {connection.exec_driver_sql('SELECT SHA1(DATABASE())').scalar()}"
    if connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (lock, PATIENCE)).scalar() != 1:
        raise DatabaseFault(
            f"the database {database} cannot be migrated: another migration has been running for {PATIENCE} s",
            reason="locked",
            database=database,
        )
    try:
        tables = {name for name in inspect(connection).get_table_names() if name.startswith("ganchu_")}
        if tables and version_table not in tables:
            raise DatabaseFault(
                f"the database {database} cannot be migrated: it has tables that this library did not make, and that"
                f" have the names of its own: {', '.join(sorted(tables))}",
                reason="unusable",
                database=database,
            )
        event.listen(connection, "before_cursor_execute", _unless_done, retval=True)
        yield
        connection.commit()
    finally:
        connection.rollback()
        # A connection that broke has no lock any more.
        with suppress(DBAPIError):
            connection.exec_driver_sql("SELECT RELEASE_LOCK(%s)", (lock,))


def _unless_done(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    """The statement; or one that does nothing, when what it would make is there."""
    if not _CHANGES.match(statement):
        return statement, parameters
    created, added = _CREATE.match(statement), _ADD.match(statement)
    if created is not None:
        kind, name, table = created.groups()
    elif added is not None:
        kind, name, table = added["kind"], added["name"], added["table"]
    else:
        # For whoever writes a migration: it would work once, and stop for good when it was killed after this.
        raise NotImplementedError(f"nothing here can tell whether this was done already: {statement}")
    where = _FOUND[kind.removeprefix("UNIQUE ")]
    cursor.execute(f"SELECT count(*) FROM information_schema.{where}", (name, table)[: where.count("%s")])
    (there,) = cursor.fetchone()
    return ("DO 0", ()) if there else (statement, parameters)
