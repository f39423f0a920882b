"""Migrated, empty databases for tests, each a copy of one template: migrating is slow, copying is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, create_engine, inspect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ganchu_workflow.entropy import SystemEntropy
from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store import mariadb
from ganchu_workflow.store.database import connect, database_fault, migrate
from ganchu_workflow.store.migrations import REVISIONS, VERSION_TABLE
from ganchu_workflow.store.triggers import create_statements


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
    admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    if kind != "postgresql":
        yield _OnMariaDB(admin)
        return
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
    """There is nothing to copy a database with: what one was migrated to is written down, and run for each."""

    def __init__(self, admin: Engine) -> None:
        self._admin = admin
        with created(admin) as template:
            _migrate(template)
            engine = create_engine(template, poolclass=NullPool)
            with engine.connect() as connection:
                names = inspect(connection).get_table_names()
                self._statements = [
                    str(connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1]) for name in names
                ]
        self._statements += create_statements(engine.dialect.name)
        self._statements.append(f"INSERT INTO {VERSION_TABLE} VALUES ('{REVISIONS[-1]}')")

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[str]:
        with created(self._admin) as url:
            engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
            with engine.connect() as connection:
                for statement in self._statements:
                    connection.exec_driver_sql(statement)
            yield url


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
