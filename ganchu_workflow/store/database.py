"""The connection to the database: opening it, reading and writing in transactions, and bringing its tables up to date.

What goes wrong here becomes a `DatabaseFault` or a `SchemaFault` that says what to do and never shows a password.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ganchu_workflow.errors import DatabaseFault, SchemaFault
from ganchu_workflow.store import mariadb
from ganchu_workflow.store.failures import LOCKED, REFUSED, ROW_REFUSED, is_locked, is_refused, told
from ganchu_workflow.store.migrations import REVISIONS, VERSION_TABLE
from ganchu_workflow.store.triggers import create_statements

WRITE = "ganchu_write"
"""The execution option that makes a transaction on SQLite begin with the write lock in hand."""

BUSY_MS = 5000
"""How long SQLite waits for another writer, in milliseconds."""

OWN = "ganchu_own"
"""The execution option that tells an Engine of ours, which is set up as we need it, from one of the host's."""

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_KNOWN = "use sqlite, postgresql+psycopg, mysql+pymysql or mariadb+pymysql"
_PAUSE_MS = 20
_MIGRATION_LOCK = 0x67616E636875  # "ganchu"


def connect(target: str | URL | Engine) -> Engine:
    """An Engine on `target`: a database URL, or an Engine of the host's, which is given back exactly as it is.

    Opens no connection. `postgresql://` without a driver means psycopg 3, `mysql://` and `mariadb://` mean PyMySQL.
    Connections to SQLite use write-ahead logging with synchronous=FULL, wait `BUSY_MS` for another writer, and begin
    transactions explicitly. Connections to MariaDB and MySQL speak utf8mb4, run at READ COMMITTED, and refuse a text
    that is too long.
    A SQLite database in memory is refused: it belongs to one connection, which threads would have to share in the
    middle of each other's transactions. Raises `DatabaseFault`.
    """
    if isinstance(target, Engine):
        _check_sqlite(target.url)
        return target
    url = _url(target)
    _check_sqlite(url)
    backend = url.get_backend_name()
    options = mariadb.OPTIONS if backend in mariadb.DIALECTS else {}
    try:
        # A connection beyond the pool's size is closed after each use; the default size is five.
        engine = create_engine(url, pool_size=16, execution_options={OWN: True}, **options)
    except NoSuchModuleError as error:
        raise DatabaseFault(
            f"'{url.drivername}' is not a database this library knows; {_KNOWN}",
            drivername=url.drivername,
        ) from error
    except ImportError as error:
        # Of a driver that we do not use, the extra would bring another one.
        extra = _EXTRAS.get(backend) if url.drivername in _DRIVERS.values() else None
        todo = f"pip install 'ganchu-workflow[{extra}]' (in a clone: pip install '.[{extra}]')" if extra else _KNOWN
        # psycopg without libpq gives no name, and several lines.
        missing = error.name or str(error).partition("\n")[0]
        raise DatabaseFault(
            f"the driver of '{url.drivername}' is not installed ({missing}): {todo}",
            drivername=url.drivername,
            module=error.name,
        ) from error
    if engine.dialect.is_async:
        raise DatabaseFault(f"'{url.drivername}' is an asynchronous driver; {_KNOWN}", drivername=url.drivername)
    if backend == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    if backend in mariadb.DIALECTS:
        event.listen(engine, "connect", mariadb.prepare)
    return engine


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """A transaction for reading: rolled back at the end. Raises `DatabaseFault` when it cannot be begun."""
    connection = _begun(engine, writes=False)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """A transaction for writing: committed at the end, rolled back when the block raises.

    On SQLite it holds the write lock from the start (BEGIN IMMEDIATE): a transaction that reads first and then
    writes would fail at once, without waiting, when somebody else has written in between. Raises `DatabaseFault`
    when it cannot be begun (`fields["reason"] == "locked"`: another writer kept the lock for `BUSY_MS`); errors
    inside the block are SQLAlchemy's own, and `database_fault` translates them.
    """
    connection = _begun(engine, writes=True)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


def migrate(engine: Engine) -> None:
    """Bring the tables and triggers up to this version of the library, and commit.

    Does nothing when they are; a second process that calls it meanwhile waits and then does nothing. Never touches
    a table of the host's. Raises `SchemaFault` when they are newer than this library, `DatabaseFault` when the
    database cannot be reached, its user may not create tables, or it is none that this library knows.

    A migration that fails leaves nothing on SQLite and PostgreSQL. On MariaDB and MySQL it leaves what it had made, and
    goes on from there when it is called again.
    """
    # Alembic costs as much to import as everything else here, and a running service never needs it.
    from alembic import command
    from alembic.config import Config

    # Asked before anything is made.
    create_statements(engine.dialect.name)
    config = Config()
    # A '%' in a Config is an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        with write(engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            alone: AbstractContextManager[None] = nullcontext()
            if connection.dialect.name in mariadb.DIALECTS:
                mariadb.refuse_lenient(connection, _label(engine.url))
                alone = mariadb.migrating(connection, VERSION_TABLE, _label(engine.url))
            with alone:
                _refuse_newer(engine, _revision(connection))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except DBAPIError as error:
        raise database_fault(engine, error) from error


def require_schema(engine: Engine) -> None:
    """Return when the tables are those of this version of the library. Changes nothing, and creates no SQLite file.

    Raises `SchemaFault`, with `fields["found"]` the revision found, when they are missing, older or newer, and
    `DatabaseFault` when the database cannot be reached, or would cut what is too long for it.
    """
    path = _sqlite_path(engine.url)
    try:
        if path is not None and not path.exists():
            found = None
        else:
            with read(engine) as connection:
                if connection.dialect.name in mariadb.DIALECTS:
                    mariadb.refuse_lenient(connection, _label(engine.url))
                found = _revision(connection)
    except DBAPIError as error:
        raise database_fault(engine, error) from error
    _refuse_newer(engine, found)
    if found != REVISIONS[-1]:
        zh, en = "尚无本库的表", "has no tables of this library yet"
        if found is not None:
            zh, en = f"版本为 {found},旧于本程序", f"is at revision {found}, older than this code"
        where = _label(engine.url)
        raise SchemaFault(
            f"数据库 {where} {zh},请运行 ganchu db upgrade / "
            f"the database {where} {en}: run `ganchu db upgrade` or call wf.migrate()",
            found=found,
            wanted=REVISIONS[-1],
        )


def file_identity(engine: Engine) -> tuple[int, int] | None:
    """Which file a SQLite database is now (device, inode); None for other databases and for a `file:` URI.

    An open connection goes on with the file it has opened, wherever that was moved and whatever is in its place: this
    is how to notice. Raises `DatabaseFault` when nothing is there.
    """
    path = _sqlite_path(engine.url)
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError as error:
        raise DatabaseFault(
            f"the database {_label(engine.url)} is not there: put it back ({error.strerror or error})",
            reason="unusable",
            database=_label(engine.url),
        ) from error
    return found.st_dev, found.st_ino


def database_fault(engine: Engine, error: BaseException) -> DatabaseFault:
    """`error` as a `DatabaseFault` in plain words, without the statement, its values or a password.

    `fields["reason"]` is `locked`, `full`, `read_only`, `row_refused` or `unusable`.
    """
    text = told(error)
    password = engine.url.password
    if password:
        text = text.replace(str(password), "***")
    lowered = text.lower()
    code = mariadb.error_code(error) if engine.dialect.name in mariadb.DIALECTS else None
    if is_locked(error):
        reason, todo = "locked", LOCKED
    elif "disk is full" in lowered or "no space left" in lowered:
        reason, todo = "full", "there is no room left; make room and try again"
    elif "readonly" in lowered or "read-only" in lowered or code in mariadb.READ_ONLY:
        reason, todo = "read_only", "it is read-only for this user"
    elif "unable to open database file" in lowered and _is_closed_to_us(_sqlite_path(engine.url)):
        reason, todo = "read_only", "this user may not write in its folder, and SQLite keeps files of its own beside it"
    elif is_refused(error):
        return DatabaseFault(
            f"the database {_label(engine.url)} refused a row: {REFUSED} ({text})",
            reason=ROW_REFUSED,
            database=_label(engine.url),
        )
    else:
        reason, todo = "unusable", "check that it is there, the address and the user's rights"
    return DatabaseFault(
        f"the database {_label(engine.url)} cannot be used: {todo} ({text})",
        reason=reason,
        database=_label(engine.url),
    )


def _is_closed_to_us(path: Path | None) -> bool:
    return path is not None and path.parent.is_dir() and not os.access(path.parent, os.W_OK)


def _begun(engine: Engine, *, writes: bool) -> Connection:
    try:
        connection = engine.connect().execution_options(**{WRITE: writes})
    except DBAPIError as error:
        raise database_fault(engine, error) from error
    except RuntimeError as error:
        # PyMySQL: a password that the server wants encrypted, over a connection that is not.
        if "cryptography" not in str(error):
            raise
        raise DatabaseFault(
            f"the database {_label(engine.url)} wants the password encrypted: use TLS, or pip install 'PyMySQL[rsa]'",
            reason="unusable",
            database=_label(engine.url),
        ) from error
    try:
        connection.begin()
        # On an Engine of the host's nobody has begun yet; our own did in `_begin_sqlite`.
        if writes and connection.dialect.name == "sqlite":
            raw = connection.connection.dbapi_connection
            if raw is not None and not raw.in_transaction:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        if connection.dialect.name in mariadb.DIALECTS and not connection.get_execution_options().get(OWN):
            connection.exec_driver_sql(mariadb.READ_COMMITTED)
    except DBAPIError as error:
        connection.close()
        raise database_fault(engine, error) from error
    return connection


def _prepare_sqlite(raw: Any, record: Any) -> None:
    # The driver must not begin transactions on its own: it does so too late, and never for a SELECT.
    raw.isolation_level = None
    raw.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    _turn_on_wal(raw)
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA foreign_keys = ON")


def _turn_on_wal(raw: Any) -> None:
    # busy_timeout does not cover this: when two processes open a new file at once, one may be refused on the spot.
    for _ in range(BUSY_MS // _PAUSE_MS):
        try:
            raw.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            sleep(_PAUSE_MS / 1000)
        else:
            return
    raw.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _url(target: str | URL) -> URL:
    try:
        url = make_url(target)
    except ArgumentError as error:
        # The text itself is not shown: a URL that cannot be read may still hold a password.
        raise DatabaseFault(
            "this is not a database URL; it looks like sqlite:///round.db or postgresql+psycopg://user@host/name"
        ) from error
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() in mariadb.DIALECTS:
        if not url.database:
            raise DatabaseFault(f"name the database at the end of the address: {url.drivername}://user@host/name")
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def _sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite database, None for other databases and for a `file:` URI."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith("file:"):
        return None
    return Path(url.database)


def _check_sqlite(url: URL) -> None:
    if url.get_backend_name() != "sqlite":
        return
    if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
        raise DatabaseFault("a SQLite database in memory cannot be shared by threads; use a file: sqlite:///round.db")
    path = _sqlite_path(url)
    if path is not None and not path.parent.is_dir():
        raise DatabaseFault(
            f"the folder '{path.parent}' of the database does not exist; create it first", folder=str(path.parent)
        )


def _label(url: URL) -> str:
    """The database without its user, password and options."""
    return URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database).render_as_string()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()


def _refuse_newer(engine: Engine, found: str | None) -> None:
    if found is not None and found not in REVISIONS:
        raise SchemaFault(
            f"数据库 {_label(engine.url)} 版本为 {found},本程序不识别,请升级程序 / "
            f"the database {_label(engine.url)} is at revision {found}, which this version of the library does not"
            " know: upgrade the package, pip install -U ganchu-workflow",
            found=found,
            wanted=REVISIONS[-1],
        )
