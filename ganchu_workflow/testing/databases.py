"""Migrated, empty databases for tests, each a copy of one template: migrating is slow, copying is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ganchu_workflow.entropy import SystemEntropy
from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store.database import connect, database_fault, migrate


class Databases(Protocol):
    """A source of databases of one kind."""

    def fresh(self, folder: Path) -> AbstractContextManager[str]:
        """The URL of a migrated, empty database, which is gone after the block; `folder` is where a file may lie."""
        ...


@contextmanager
def databases(server: str, folder: Path) -> Iterator[Databases]:
    """The databases of a test session: on `server`, a PostgreSQL whose user may create some; empty: SQLite files.

    `folder` takes the template's file. Raises `DatabaseFault` for another kind of server, or one that is not there.
    """
    if not server:
        yield _Files(folder)
        return
    url = connect(server).url
    if url.get_backend_name() != "postgresql":
        raise DatabaseFault(
            "tests run on SQLite files, with no --ganchu-db, or on a PostgreSQL server: postgresql://user@host/postgres"
        )
    admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with _created(admin, "template1") as template:
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
        return _created(self._admin, str(self._template))


@contextmanager
def _created(admin: Engine, template: str) -> Iterator[str]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"ganchu_test_{worker}_{SystemEntropy().take(6).hex()}"
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    except DBAPIError as error:
        raise database_fault(admin, error) from error
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def _migrate(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    # PostgreSQL copies no template, and SQLite keeps part of it in the -wal file, while a connection is open.
    engine.dispose()
