"""Migrated, empty databases for tests, each a copy of one template: migrating is slow, copying is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ganchu_workflow.entropy import SystemEntropy
from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store import mariadb
from ganchu_workflow.store.database import connect, database_fault, migrate
from ganchu_workflow.store.migrations import REVISIONS, VERSION_TABLE
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.store.triggers import APPEND_ONLY, create_statements


class Databases(Protocol):
    """A source of databases of one kind."""

    def fresh(self, folder: Path) -> AbstractContextManager[str]:
        """The URL of a migrated, empty database, which is gone after the block; `folder` is where a file may lie."""
        ...


@contextmanager
def databases(server: str, folder: Path) -> Iterator[Databases]:
    """The databases of a test session: on `server`, whose user may create some; empty: SQLite files.

    `folder` takes the template's file. Raises `DatabaseFault` for another kind of server, or one that is not there.
    """
    if not server:
        yield _Files(folder)
        return
    url = connect(server).url
    kind = url.get_backend_name()
    if kind not in ("postgresql", *mariadb.DIALECTS):
        raise DatabaseFault(
            "tests run on SQLite files, with no --ganchu-db, or on a server: postgresql://user@host/postgres,"
            " mariadb://user@host/mysql"
        )
    if kind != "postgresql":
        # The driver reads all certificates of the machine at each connect, which takes longer than emptying a database.
        admin = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1, pool_pre_ping=True)
        with ExitStack() as kept:
            kept.callback(admin.dispose)
            yield _OnMariaDB(admin, kept)
        return
    admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with created(admin, "template1") as template:
        _migrate(template)
        yield _OnServer(admin, template)


class _Files:
    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"
        _migrate(f"sqlite:///{self._template}")

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[str]:
        yield f"sqlite:///{shutil.copyfile(self._template, folder / 'ganchu-test.db')}"


class _OnServer:
    def __init__(self, admin: Engine, template: str) -> None:
        self._admin = admin
        self._template = make_url(template).database

    def fresh(self, folder: Path) -> AbstractContextManager[str]:
        return created(self._admin, str(self._template))


class _OnMariaDB:
    """There is nothing to copy a database with, and each table made is a wait for the disk: a database goes from test
    to test, emptied. One whose tables or triggers a test has changed is dropped, and made anew."""

    def __init__(self, admin: Engine, kept: ExitStack) -> None:
        self._admin = admin
        self._kept = kept
        self._free: list[tuple[str, ExitStack]] = []
        url, _ = first = self._made()
        _migrate(url)
        with self._connected(url) as connection:
            self._shape = _shape(connection)
        self._free.append(first)

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[str]:
        if self._free:
            url, dropping = self._free.pop()
        else:
            url, dropping = self._made()
            with self._connected(url) as connection:
                for statement in (*self._shape.tables, *create_statements(connection.dialect.name)):
                    connection.exec_driver_sql(statement)
                connection.exec_driver_sql(f"INSERT INTO {VERSION_TABLE} VALUES ('{REVISIONS[-1]}')")
        try:
            yield url
        finally:
            if self._emptied(url):
                self._free.append((url, dropping))
            else:
                dropping.close()

    def _made(self) -> tuple[str, ExitStack]:
        dropping = self._kept.enter_context(ExitStack())
        return dropping.enter_context(created(self._admin)), dropping

    def _emptied(self, url: str) -> bool:
        """Whether it is as it was made: nobody is connected, and there is no row."""
        with self._connected(url) as connection:
            others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            for (other,) in connection.exec_driver_sql(others).all():
                with suppress(DBAPIError):  # it has gone by itself
                    connection.exec_driver_sql(f"KILL {other}")
            if _shape(connection) != self._shape:
                return False
            filled = " UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in METADATA.tables)
            for (table,) in connection.exec_driver_sql(filled).all():
                connection.exec_driver_sql(f"TRUNCATE {table}" if table in APPEND_ONLY else f"DELETE FROM {table}")
        return True

    @contextmanager
    def _connected(self, url: str) -> Iterator[Connection]:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"USE {make_url(url).database}")
            yield connection


class _Shape(NamedTuple):
    """What a MariaDB database is made of."""

    tables: tuple[str, ...]
    triggers: tuple[tuple[object, ...], ...]
    revision: tuple[object, ...]


def _shape(connection: Connection) -> _Shape:
    def rows(statement: str) -> tuple[tuple[object, ...], ...]:
        return tuple(tuple(row) for row in connection.exec_driver_sql(statement))

    names = sorted(str(name) for name, *_ in rows("SHOW TABLES"))
    return _Shape(
        tuple(str(rows(f"SHOW CREATE TABLE {name}")[0][1]) for name in names),
        rows(
            "SELECT trigger_name, event_object_table, event_manipulation, action_timing, action_statement"
            " FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY trigger_name"
        ),
        rows(f"SELECT version_num FROM {VERSION_TABLE}") if VERSION_TABLE in names else (),
    )


@contextmanager
def created(admin: Engine, template: str = "") -> Iterator[str]:
    """A database on the server: a copy of `template` on PostgreSQL, empty on MariaDB."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"ganchu_test_{worker}_{SystemEntropy().take(6).hex()}"
    copied, dropped = (f"TEMPLATE {template}", "WITH (FORCE)") if template else ("", "")
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} {copied}")
    except DBAPIError as error:
        raise database_fault(admin, error) from error
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} {dropped}")


def _migrate(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    # PostgreSQL copies no template, and SQLite keeps part of it in the -wal file, while a connection is open.
    engine.dispose()
