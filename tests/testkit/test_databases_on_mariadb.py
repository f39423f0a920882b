"""The databases of a test session on MariaDB: one goes from test to test, but none that a test has changed."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ganchu_workflow.store import triggers
from ganchu_workflow.store.database import connect, require_schema
from ganchu_workflow.store.migrations import VERSION_TABLE
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.testing.databases import Databases, databases
from tests.engine.small_process import Small

FILLED = {
    "ganchu_calendar_version",
    "ganchu_case",
    "ganchu_definition",
    "ganchu_history",
    "ganchu_deadline",
    "ganchu_fact_index",
}
"""The tables in which a round that was opened has rows."""


@pytest.fixture
def server(mariadb_server: str) -> Engine:
    return create_engine(mariadb_server, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What the database answers a connection that is then closed."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)]


def counts(url: str) -> dict[str, int]:
    """The number of rows of each table."""
    return dict(rows(url, " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in METADATA.tables)))


def own_databases(server: Engine, name: str | None) -> list[tuple[Any, ...]]:
    return rows(server.url.render_as_string(hide_password=False), f"SHOW DATABASES LIKE '{name}'")


def test_a_database_goes_to_the_next_test_without_a_row(mariadb_databases: Databases, tmp_path: Path) -> None:
    with mariadb_databases.fresh(tmp_path) as first:
        small = Small(first)
        small.open_round()
        small.wf.database.dispose()
        filled = counts(first)
    with mariadb_databases.fresh(tmp_path) as second:
        emptied = counts(second)
        engine = connect(second)
        require_schema(engine)
        with engine.connect() as connection:
            there = triggers.present(connection)
        engine.dispose()

    assert {table for table, count in filled.items() if count} == FILLED
    assert first == second
    assert emptied == dict.fromkeys(METADATA.tables, 0)
    assert there == triggers.expected("mariadb")


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE dossier (id int)",
        "CREATE VIEW cases AS SELECT * FROM ganchu_case",
        "DROP TABLE ganchu_inbox",
        "ALTER TABLE ganchu_case ADD COLUMN colour int",
        "ALTER TABLE ganchu_seal MODIFY COLUMN size int",
        "CREATE INDEX dossier_ix ON ganchu_history (recorded_at)",
        "DROP INDEX ganchu_history_round_ix ON ganchu_history",
        "DROP TRIGGER ganchu_history_del",
        "CREATE OR REPLACE TRIGGER ganchu_history_del BEFORE DELETE ON ganchu_history FOR EACH ROW SET @gone = 1",
        "CREATE TRIGGER dossier_ins AFTER INSERT ON ganchu_case FOR EACH ROW SET @seen = 1",
        "UPDATE ganchu_alembic_version SET version_num = '0000'",
        "DELETE FROM ganchu_alembic_version",
    ],
)
def test_a_database_that_was_changed_is_dropped_and_made_anew(
    mariadb_databases: Databases, server: Engine, tmp_path: Path, change: str
) -> None:
    with mariadb_databases.fresh(tmp_path) as changed, create_engine(changed, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql(change)
    with mariadb_databases.fresh(tmp_path) as made:
        engine = connect(made)
        require_schema(engine)
        with engine.connect() as connection:
            there = triggers.present(connection)
        engine.dispose()
        assert counts(made) == dict.fromkeys(METADATA.tables, 0)
    with mariadb_databases.fresh(tmp_path) as again:
        pass

    assert there == triggers.expected("mariadb")
    assert own_databases(server, make_url(changed).database) == []
    assert (made != changed, again) == (True, made)


def test_a_transaction_that_a_test_left_open_is_ended(mariadb_databases: Databases, tmp_path: Path) -> None:
    with mariadb_databases.fresh(tmp_path) as first:
        left = create_engine(first, poolclass=NullPool).connect()
        left.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0000'")
    with mariadb_databases.fresh(tmp_path) as second, pytest.raises(DBAPIError):
        left.commit()
    left.invalidate()
    left.close()

    assert first == second


def test_a_server_that_ended_our_connection_meanwhile_is_asked_by_another(
    mariadb_databases: Databases, server: Engine, tmp_path: Path
) -> None:
    with mariadb_databases.fresh(tmp_path) as first:
        pass
    kept = f"SELECT id FROM information_schema.processlist WHERE db = '{make_url(first).database}'"
    with server.connect() as connection:
        [(ours,)] = connection.exec_driver_sql(kept).all()
        connection.exec_driver_sql(f"KILL {ours}")
    with mariadb_databases.fresh(tmp_path) as second:
        pass

    assert first == second


def test_nothing_is_left_on_the_server(mariadb_server: str, server: Engine, tmp_path: Path) -> None:
    with databases(mariadb_server, tmp_path) as source, source.fresh(tmp_path) as one, source.fresh(tmp_path) as other:
        names = [make_url(url).database for url in (one, other)]
        there = [own_databases(server, name) for name in names]

    assert there == [[(name,)] for name in names]
    assert [own_databases(server, name) for name in names] == [[], []]
