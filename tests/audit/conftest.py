"""A record to tamper with, once on each kind of database."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, insert, select

from ganchu_workflow.store.database import connect, read, write
from ganchu_workflow.store.tables import METADATA
from tests.audit.small_record import write_record
from tests.audit.tampering import Record


class Written(NamedTuple):
    ids: dict[str, str]
    rows: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def written(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The rows of the record, written by the engine once."""
    path = shutil.copyfile(sqlite_template, tmp_path_factory.mktemp("audit") / "record.db")
    office = write_record(f"sqlite:///{path}")
    office.wf.database.dispose()
    engine = connect(f"sqlite:///{path}")
    with read(engine) as connection:
        rows = {n: [dict(r._mapping) for r in connection.execute(select(t))] for n, t in METADATA.tables.items()}
    engine.dispose()
    return Written(office.ids, rows)


@pytest.fixture
def record(engine: Engine, written: Written) -> Record:
    """The record, copied to this test's database."""
    return _copied(engine, written)


@pytest.fixture(params=["sqlite", "postgresql"])
def octet_record(request: pytest.FixtureRequest, written: Written) -> Iterator[Record]:
    """The record, where a text column can be made to hold octets that are no text."""
    engine = connect(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield _copied(engine, written)
    engine.dispose()


@pytest.fixture
def mariadb_record(mariadb_url: str, written: Written) -> Iterator[Record]:
    """The record, where the server lets no such octets in."""
    engine = connect(mariadb_url)
    yield _copied(engine, written)
    engine.dispose()


@pytest.fixture
def sqlite_record(sqlite_url: str, written: Written) -> Iterator[Record]:
    """The record, for what only SQLite can store."""
    engine = connect(sqlite_url)
    yield _copied(engine, written)
    engine.dispose()


def _copied(engine: Engine, written: Written) -> Record:
    with write(engine) as connection:
        for name, rows in written.rows.items():
            if rows:
                connection.execute(insert(METADATA.tables[name]), rows)
    return Record(engine, written.ids)
