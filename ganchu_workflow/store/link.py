"""The seam between the engine and a database: one open transaction, whoever opened it, and two things to ask of it.

Behind it stands a connection of SQLAlchemy, or a DB-API connection as Django and others hold it. The seam never
commits, rolls back or begins, and no SQLAlchemy Engine is ever built on a connection that is open already: that would
roll the host's transaction back on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from typing import Any, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.expression import Executable

from ganchu_workflow.errors import Invalid
from ganchu_workflow.store import mariadb
from ganchu_workflow.store.failures import driver_errors, host_fault
from ganchu_workflow.store.statements import IDS, Parameters, Spelt, Statement

P = ParamSpec("P")
T = TypeVar("T")
NOTHING: Mapping[str, Any] = {}


class Driver(Protocol):
    """The two methods: SQL text and its parameters go in, rows come out."""

    dialect: Dialect
    raw: Any
    """The DB-API connection underneath: to ask it how its transaction stands, never to speak through it."""

    def execute(self, sql: str, parameters: Parameters) -> tuple[Sequence[Sequence[Any]], int]:
        """The rows, if the statement gives any, and how many rows it concerned."""
        ...

    def executemany(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """The same statement once for each."""
        ...


class SqlalchemyDriver:
    """On a Connection of SQLAlchemy: its events, its echo and its error handling see every statement."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect
        # Of an asynchronous driver: the connection that its adapter stands for.
        self.raw = connection.connection.driver_connection

    def execute(self, sql: str, parameters: Parameters) -> tuple[Sequence[Sequence[Any]], int]:
        """See `Driver`."""
        result = self.connection.exec_driver_sql(sql, parameters or None)
        return (result.fetchall() if result.returns_rows else ()), result.rowcount

    def executemany(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """See `Driver`."""
        self.connection.exec_driver_sql(sql, list(parameters))


class DbapiDriver:
    """On a DB-API connection (PEP 249) of sqlite3, psycopg 3 or PyMySQL, with cursors that give plain rows."""

    def __init__(self, raw: Any, dialect: Dialect, cursor: Callable[[Any], Any]) -> None:
        self.raw = raw
        self.dialect = dialect
        self._new_cursor = cursor
        self._cursor = cursor(raw)

    def execute(self, sql: str, parameters: Parameters) -> tuple[Sequence[Sequence[Any]], int]:
        """See `Driver`."""
        cursor = self._cursor
        if parameters:
            cursor.execute(sql, parameters)
        else:
            cursor.execute(sql)
        return (cursor.fetchall() if cursor.description else ()), cursor.rowcount

    def executemany(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """See `Driver`."""
        self._cursor.executemany(sql, parameters)

    def ask(self, sql: str, parameters: Parameters) -> Any:
        """Send a statement in a pipeline; the cursor that will have its rows."""
        cursor = self._new_cursor(self.raw)
        cursor.execute(sql, parameters)
        return cursor


class Found:
    """What a statement found: its rows, all of them, and how many it concerned."""

    __slots__ = ("rowcount", "rows")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self.rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def first(self) -> Any | None:
        """The first row; None where there is none."""
        return self.rows[0] if self.rows else None

    def scalar(self) -> Any:
        """The first value of the first row; None where there is none."""
        return self.rows[0][0] if self.rows else None

    def scalars(self) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in self.rows]


class Link:
    """One open transaction, spoken to in statements of SQLAlchemy Core."""

    failure: BaseException | None = None
    """The first error that the database gave: whoever caught it meanwhile, what stands here must not be kept."""

    def __init__(self, driver: Driver, pipeline: Callable[[], AbstractContextManager[object]] | None = None) -> None:
        self.driver = driver
        self.dialect = driver.dialect
        self._pipeline = pipeline
        self._errors = driver_errors(driver.dialect)

    def require_whole(self) -> None:
        """Raise what the database failed with, if it did: a plugin may have caught it, or made another error of it."""
        if self.failure is not None:
            raise self.failure

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Run the block, and let out of it nothing but what the database failed with, if it did."""
        self.require_whole()
        try:
            yield
        except Exception:
            self.require_whole()
            raise
        self.require_whole()

    def execute(self, statement: Statement | Executable, values: Mapping[str, Any] = NOTHING) -> Found:
        """Send a statement once. One that is not a `Statement` is spelt anew each time."""
        if not isinstance(statement, Statement):
            statement = Statement(statement)
        ids = values.get(IDS)
        if ids is not None and not ids:
            return Found([], 0)
        spelt = statement.spelt(self.dialect, len(ids) if ids is not None else 0)
        rows, count = self._answered(self.driver.execute, spelt.sql, spelt.bind(values))
        return Found([spelt.row(row) for row in rows] if spelt.row is not None else [], count)

    def executemany(self, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Send a statement once for each of these values; of none, nothing is sent."""
        spelt = statement.spelt(self.dialect)
        bound = [spelt.bind(row) for row in rows]
        if len(bound) == 1:
            self._answered(self.driver.execute, spelt.sql, bound[0])
        elif bound:
            self._answered(self.driver.executemany, spelt.sql, bound)

    def gather(self, questions: Sequence[tuple[Statement, Mapping[str, Any]]]) -> list[Found]:
        """Ask several things of which none needs the answer to another: in one round trip where the driver can."""
        if self._pipeline is None or not isinstance(self.driver, DbapiDriver):
            return [self.execute(*question) for question in questions]
        return self._answered(self._gathered, self.driver, self._pipeline, questions)

    def _gathered(
        self,
        driver: DbapiDriver,
        pipeline: Callable[[], AbstractContextManager[object]],
        questions: Sequence[tuple[Statement, Mapping[str, Any]]],
    ) -> list[Found]:
        asked: list[tuple[Spelt, Any] | None] = []
        with pipeline():
            for statement, values in questions:
                ids = values.get(IDS)
                if ids is not None and not ids:
                    asked.append(None)
                    continue
                spelt = statement.spelt(self.dialect, len(ids) if ids is not None else 0)
                asked.append((spelt, driver.ask(spelt.sql, spelt.bind(values))))
        # After it: to fetch inside is to wait for the server once more.
        return [_answer(*each) if each is not None else Found([], 0) for each in asked]

    @contextmanager
    def batch(self) -> Iterator[None]:
        """While the block runs, what is sent is on its way together where the driver can: nothing may be asked."""
        try:
            with nullcontext() if self._pipeline is None else self._pipeline():
                yield
        except self._errors as error:
            self._failed(error)
            raise

    def command(self, sql: str) -> None:
        """Send SQL that has no parameters and gives no rows, such as SAVEPOINT."""
        self._answered(self.driver.execute, sql, ())

    def require_strict(self) -> None:
        """Raise `DatabaseFault` where MariaDB or MySQL would cut a text that is too long. Asked once per connection."""
        if self.dialect.name in mariadb.DIALECTS:
            ask = partial(self._answered, self.driver.execute, mariadb.SQL_MODE, ())
            mariadb.refuse_lenient_once(self.driver.raw, lambda: str(ask()[0][0][0]))

    def _answered(self, ask: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        try:
            return ask(*args, **named)
        except self._errors as error:
            self._failed(error)
            raise

    def _failed(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error


def _answer(spelt: Spelt, cursor: Any) -> Found:
    if spelt.row is None:
        return Found([], cursor.rowcount)
    return Found([spelt.row(row) for row in cursor.fetchall()], cursor.rowcount)


def linked(connection: Any) -> Link:
    """The seam over an open connection of the host's: one of SQLAlchemy, or of sqlite3, psycopg 3 or PyMySQL.

    Sends nothing. Raises `Invalid` for anything else, and `DatabaseFault` for one that is closed.
    """
    if isinstance(connection, Connection):
        return Link(SqlalchemyDriver(connection))
    for kind in type(connection).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in _DRIVERS and callable(getattr(connection, "cursor", None)):
            dialect, cursor = _DRIVERS[name]()
            try:
                return Link(DbapiDriver(connection, dialect, cursor))
            except driver_errors(dialect) as error:
                raise host_fault(error) from error
    raise Invalid(
        f"a {type(connection).__module__}.{type(connection).__qualname__} cannot carry an act: give a Session or "
        "Connection of SQLAlchemy (of an AsyncSession: await session.run_sync(…)), or a DB-API connection of sqlite3, "
        "psycopg 3 or PyMySQL (in Django: django.db.connection.connection, inside transaction.atomic())"
    )


def own_link(raw: Any, dialect: Dialect) -> Link:
    """The seam over a raw connection in a transaction of our own."""
    driver = DbapiDriver(raw, dialect, _CURSORS.get(dialect.driver, _plain))
    return Link(driver, partial(_pipeline, raw) if dialect.driver == "psycopg" else None)


@contextmanager
def _pipeline(raw: Any) -> Iterator[None]:
    """A pipeline of psycopg, out of which comes the first error. Left with one it would log what else it met."""
    first: BaseException | None = None
    try:
        with raw.pipeline():
            try:
                yield
            except BaseException as error:
                first = error
    except Exception:
        if first is None:
            raise
    if first is not None:
        raise first


# ── what is particular to a driver: its dialect, and a cursor that gives plain rows whatever the host has set ──


@cache
def _sqlite() -> tuple[Dialect, Callable[[Any], Any]]:
    import sqlite3

    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

    return SQLiteDialect_pysqlite(dbapi=sqlite3, paramstyle="qmark"), _sqlite_cursor


@cache
def _psycopg() -> tuple[Dialect, Callable[[Any], Any]]:
    import psycopg
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    dialect: Any = PGDialect_psycopg
    return dialect(dbapi=psycopg, paramstyle="pyformat"), _psycopg_cursor


@cache
def _pymysql() -> tuple[Dialect, Callable[[Any], Any]]:
    import pymysql
    from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

    dialect: Any = MySQLDialect_pymysql
    return dialect(dbapi=pymysql, paramstyle="format"), _pymysql_cursor


def _plain(raw: Any) -> Any:
    return raw.cursor()


def _sqlite_cursor(raw: Any) -> Any:
    cursor = raw.cursor()
    cursor.row_factory = None
    return cursor


def _psycopg_cursor(raw: Any) -> Any:
    from psycopg import Cursor
    from psycopg.rows import tuple_row

    return Cursor(raw, row_factory=tuple_row)


def _pymysql_cursor(raw: Any) -> Any:
    from pymysql.cursors import Cursor

    return raw.cursor(Cursor)


_DRIVERS = {"sqlite3": _sqlite, "psycopg": _psycopg, "pymysql": _pymysql}
_CURSORS: dict[str, Callable[[Any], Any]] = {
    "pysqlite": _sqlite_cursor, "psycopg": _psycopg_cursor, "pymysql": _pymysql_cursor
}  # fmt: skip
