"""Reading the tables for verification: side by side, in the order of their cases, exactly as they are stored."""

from __future__ import annotations

import pickle
from collections import namedtuple
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, CursorResult, Row, Table, select, type_coerce
from sqlalchemy.exc import DBAPIError

from ganchu_workflow.canonical import digest
from ganchu_workflow.clock import from_micros, to_text
from ganchu_workflow.errors import NotCanonical
from ganchu_workflow.store.mariadb import DIALECTS, TRANSACTION_BEGUN, error_code
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.store.types import Instant

CASE = METADATA.tables["ganchu_case"]
EVENT = METADATA.tables["ganchu_history"]
MEMBER = METADATA.tables["ganchu_member"]
PARTY = METADATA.tables["ganchu_party"]
DEADLINE = METADATA.tables["ganchu_deadline"]
PRIVATE = METADATA.tables["ganchu_private_value"]
DEFINITION = METADATA.tables["ganchu_definition"]
CALENDAR = METADATA.tables["ganchu_calendar_version"]
IMPORT = METADATA.tables["ganchu_calendar_import"]
OUTBOX = METADATA.tables["ganchu_outbox"]
FACT = METADATA.tables["ganchu_fact_index"]
BATCH = 500
"""How many rows of a table are in memory at a time, and how many references are looked up at once."""

Key = tuple[bool, bytes]


class Stream:
    """The rows of one table in the order of their cases; few of them are in memory at a time."""

    def __init__(self, connection: Connection, table: Table, by: str, *order: str) -> None:
        query = select(*stored_columns(table)).order_by(*(table.c[name] for name in (by, *order)))
        # On the statement: an option of the connection would stay with it, and it may be the host's.
        result = connection.execute(query.execution_options(yield_per=BATCH))
        # MariaDB and MySQL send one result at a time.
        self._result = Spool(result) if connection.dialect.name in DIALECTS else result
        self._at = list(table.c.keys()).index(by)
        self._next: Row[Any] | None = None
        self.key: Key | None = None
        """The case of the next row; None at the end."""
        self._case: Any = None
        self._advance()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self._result.close()

    def of(self, key: Key) -> Iterator[Row[Any]]:
        """The rows of one case, which must be the next."""
        while self._next is not None and self.key == key:
            row = self._next
            self._advance()
            yield row

    def _advance(self) -> None:
        self._next = self._result.fetchone()
        if self._next is None:
            self.key = None
        elif self._next[self._at] != self._case:
            self._case = self._next[self._at]
            self.key = sort_key(self._case)


class Spool:
    """A result that was received to its end, and waits in a temporary file without a name; it is read once."""

    def __init__(self, result: CursorResult[Any]) -> None:
        self._row = namedtuple("_row", result.keys())  # type: ignore[misc]
        self._file = TemporaryFile()  # noqa: SIM115
        for rows in result.partitions(BATCH):
            pickle.dump([tuple(row) for row in rows], self._file)
        self._file.seek(0)
        self._waiting: Iterator[Any] = iter(())

    def fetchone(self) -> Any:
        """The next row, its columns by name and by place; None at the end."""
        try:
            values = next(self._waiting, None)
            if values is None:
                self._waiting = iter(pickle.load(self._file))
                values = next(self._waiting)
        except EOFError:
            return None
        return self._row(*values)

    def close(self) -> None:
        """The file is gone."""
        self._file.close()


def sort_key(value: Any) -> Key:
    """Sorts as both databases do: text by its bytes, and on SQLite what is no text after it."""
    return isinstance(value, bytes), value if isinstance(value, bytes) else as_bytes(value)


def stored_columns(table: Table) -> list[ColumnElement[Any]]:
    """The columns, an instant as the number that is stored: not every number is an instant."""
    return [type_coerce(c, BigInteger).label(c.name) if isinstance(c.type, Instant) else c for c in table.c]


def pairs(connection: Connection, table: Table, key: str) -> list[tuple[str, Any]]:
    """(key, body) of every row of a small table."""
    return [(r[0], r[1]) for r in connection.execute(select(table.c[key], table.c.body).order_by(table.c[key]))]


def chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    """The items in pieces of `BATCH`."""
    rest = list(items)
    for start in range(0, len(rest), BATCH):
        yield rest[start : start + BATCH]


_NAMED_BY = {
    PARTY.name: ("case_id", "role"),
    MEMBER.name: ("cohort_id", "application_id"),
    DEADLINE.name: ("case_id", "name"),
    FACT.name: ("case_id", "name"),
    OUTBOX.name: ("id",),
    PRIVATE.name: ("id",),
}


def name_of(table: str, row: Row[Any]) -> str:
    """How a problem names a row: its table and its key."""
    return " ".join([table, *(str(getattr(row, column)) for column in _NAMED_BY[table])])


def deadline_of(row: Row[Any]) -> dict[str, Any]:
    """A stored deadline in the words of an event, with the round it is filed under."""
    return {
        "name": row.name,
        "status": row.status,
        "due_at": None if row.due_at is None else instant_text(row.due_at),
        "rule": row.rule,
        "fires": row.fires,
        "armed_at": instant_text(row.armed_at),
        "remainder": row.remainder,
        "calendar": row.calendar,
        "shown_at": None if row.shown_at is None else instant_text(row.shown_at),
        "round": row.round_id,
    }


def instant_text(micros: Any) -> str:
    """A stored instant as an event writes it; what is no instant says so."""
    # SQLite keeps what it is given: a fraction of a microsecond would be rounded away.
    if type(micros) is int:
        try:
            return to_text(from_micros(micros))
        except OverflowError:
            pass
    return f"no instant: {micros!r}"


def digest_or_none(text: Any, algorithm: str = "sha256") -> str:
    """The digest of a stored text; empty where it can have none."""
    try:
        return digest(text, algorithm) if isinstance(text, str) else ""
    except NotCanonical:
        return ""


# ── the connection ──


def one_state(connection: Connection) -> None:
    """Where each statement sees its own state of the database, unless the transaction is told otherwise: tell it."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name in DIALECTS:
        try:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        except DBAPIError as error:
            if error_code(error) != TRANSACTION_BEGUN:
                raise
        return
    if connection.dialect.name != "postgresql":
        return
    # 0: no statement has been sent in this transaction, so that it can still be told.
    if getattr(getattr(driver, "info", None), "transaction_status", None) == 0:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


@contextmanager
def as_stored(connection: Connection) -> Iterator[None]:
    """Read text that is no UTF-8 too: a byte that makes no text becomes a lone surrogate."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        before, driver.text_factory = driver.text_factory, as_text
        try:
            yield
        finally:
            driver.text_factory = before
        return
    if connection.dialect.name in DIALECTS:
        # A text column holds nothing else there: the server refuses it, whoever writes.
        yield
        return
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    class Lossless(Loader):
        def load(self, data: Any) -> str:
            return as_text(bytes(data))

    loaders = {t: driver.adapters.get_loader(driver.adapters.types[t].oid, Format.TEXT) for t in ("text", "varchar")}
    for name in loaders:
        driver.adapters.register_loader(name, Lossless)
    try:
        yield
    finally:
        for name, loader in loaders.items():
            driver.adapters.register_loader(name, loader)


def as_text(data: bytes) -> str:
    """Stored bytes as text; what makes no text becomes a lone surrogate."""
    return data.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    """The bytes `as_text` was given."""
    return text.encode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    """The text with its lone surrogates spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()
