"""The migrations make the tables, once, and nothing else."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, event, inspect
from sqlalchemy.pool import NullPool

import ganchu_workflow.store.migrations as migrations
from ganchu_workflow.errors import DatabaseFault, SchemaFault
from ganchu_workflow.store import mariadb, triggers
from ganchu_workflow.store.database import connect, migrate, read, require_schema, write
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.testing.databases import created


def difference(engine: Engine, metadata: MetaData = METADATA) -> list[object]:
    with read(engine) as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=migrations.OPTIONS), metadata))


def set_revision(engine: Engine, revision: str) -> None:
    with write(engine) as connection:
        connection.exec_driver_sql(f"UPDATE ganchu_alembic_version SET version_num = '{revision}'")


def test_the_migrations_make_exactly_the_tables(engine: Engine) -> None:
    assert difference(engine) == []
    with read(engine) as connection:
        assert sorted(inspect(connection).get_table_names()) == sorted([*METADATA.tables, "ganchu_alembic_version"])


def test_the_comparison_sees_a_column_that_is_missing(engine: Engine) -> None:
    changed = MetaData()
    for table in METADATA.tables.values():
        table.to_metadata(changed)
    changed.tables["ganchu_seal"].append_column(Column("extra", Integer))
    assert [entry[:3] for entry in difference(engine, changed)] == [("add_column", None, "ganchu_seal")]  # type: ignore[index]


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    require_schema(engine)
    with read(engine) as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM ganchu_alembic_version").all() == [("0003",)]


def test_the_list_of_revisions_is_that_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(reversed([script.revision for script in scripts])) == migrations.REVISIONS


def test_processes_that_migrate_at_once_make_the_tables_once(empty_database_url: str) -> None:
    program = "import sys; from ganchu_workflow.store.database import *; migrate(connect(sys.argv[1]))"
    command = [sys.executable, "-c", program, empty_database_url]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 2
    engine = connect(empty_database_url)
    assert difference(engine) == []
    with read(engine) as connection:
        assert triggers.present(connection) == triggers.expected(engine.dialect.name)
    engine.dispose()


def test_a_host_s_tables_are_not_touched_and_not_seen(empty_database_url: str) -> None:
    host = create_engine(empty_database_url)
    metadata = MetaData()
    order = Table("host_order", metadata, Column("id", Integer, primary_key=True))
    version = Table("alembic_version", metadata, Column("version_num", Integer, primary_key=True))
    with host.begin() as connection:
        metadata.create_all(connection)
        connection.execute(order.insert().values(id=7))
        connection.execute(version.insert().values(version_num=42))
    migrate(connect(host))
    require_schema(host)
    assert difference(host) == []
    with host.connect() as connection:
        assert connection.execute(order.select()).all() == [(7,)]
        assert connection.execute(version.select()).all() == [(42,)]
        assert set(inspect(connection).get_table_names()) >= {"host_order", "alembic_version", "ganchu_case"}
    host.dispose()


def test_missing_tables_are_said_to_be_missing(empty_database_url: str) -> None:
    engine = connect(empty_database_url)
    with pytest.raises(SchemaFault) as caught:
        require_schema(engine)
    assert caught.value.fields == {"found": None, "wanted": "0003"}
    assert "run `ganchu db upgrade` or call wf.migrate()" in caught.value.message
    engine.dispose()


def test_asking_for_the_schema_creates_no_file(tmp_path: Path) -> None:
    with pytest.raises(SchemaFault):
        require_schema(connect(f"sqlite:///{tmp_path / 'typo.db'}"))
    assert list(tmp_path.iterdir()) == []


def test_older_tables_are_refused_until_migrated(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganchu_workflow.store.database.REVISIONS", ("0001", "0002", "0003", "0004"))
    with pytest.raises(SchemaFault) as caught:
        require_schema(engine)
    assert caught.value.fields == {"found": "0003", "wanted": "0004"}
    assert "older than this code: run `ganchu db upgrade` or call wf.migrate()" in caught.value.message


def test_newer_tables_are_refused_and_left_alone(engine: Engine) -> None:
    set_revision(engine, "0999")
    for act in (require_schema, migrate):
        with pytest.raises(SchemaFault) as caught:
            act(engine)
        assert caught.value.fields == {"found": "0999", "wanted": "0003"}
        assert "upgrade the package" in caught.value.message
    assert difference(engine) == []


def upgrade_to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    config.set_main_option("path_separator", "os")
    with write(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.mark.parametrize("revision", migrations.REVISIONS[:-1])
def test_the_tables_of_every_earlier_version_become_those_of_this_one(empty_database_url: str, revision: str) -> None:
    engine = connect(empty_database_url)
    upgrade_to(engine, revision)
    assert difference(engine) != []
    with write(engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO ganchu_definition (fingerprint, body, recorded_at) VALUES ('f', '{}', 1)"
        )

    migrate(engine)

    require_schema(engine)
    assert difference(engine) == []
    with read(engine) as connection:
        assert triggers.present(connection) == triggers.expected(engine.dialect.name)
        assert connection.exec_driver_sql("SELECT fingerprint, body FROM ganchu_definition").all() == [("f", "{}")]
    engine.dispose()


def test_a_failed_migration_leaves_nothing(empty_database_url: str) -> None:
    engine = connect(empty_database_url)
    with write(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE ganchu_seal (id INTEGER)")
    with pytest.raises(DatabaseFault):
        migrate(engine)
    with read(engine) as connection:
        assert inspect(connection).get_table_names() == ["ganchu_seal"]
    engine.dispose()


class Killed(Exception):
    """The process is gone."""


def migrate_until(engine: Engine, statement: int) -> str:
    """Migrate, but be killed before a statement that changes the database: the one of that number, from 0."""
    before: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def kill(connection: object, cursor: object, sql: str, parameters: object, context: object, many: bool) -> None:
        if sql.split()[0] in ("CREATE", "ALTER", "INSERT", "UPDATE"):
            before.append(sql)
            if len(before) == statement + 1:
                raise Killed

    try:
        migrate(engine)
    except Killed:
        return " ".join(before[-1].split()[:3])
    finally:
        event.remove(engine, "before_cursor_execute", kill)
    return "finished"


@pytest.mark.parametrize(
    ("statement", "killed_at"),
    [
        (0, "CREATE TABLE ganchu_alembic_version"),
        (1, "CREATE TABLE ganchu_case"),
        (4, "CREATE INDEX ganchu_case_of_ix"),
        (23, "CREATE TRIGGER ganchu_history_del"),
        (32, "INSERT INTO ganchu_alembic_version"),
        (35, "CREATE TABLE ganchu_inbox"),
        (37, "UPDATE ganchu_alembic_version SET"),
        (39, "CREATE INDEX ganchu_deadline_round_ix"),
        (40, "CREATE TABLE ganchu_stuck_deadline"),
        (44, "UPDATE ganchu_alembic_version SET"),
    ],
)
def test_a_migration_that_was_killed_on_mariadb_is_finished_by_the_next(
    mariadb_server: str, statement: int, killed_at: str
) -> None:
    with created(create_engine(mariadb_server, poolclass=NullPool)) as url:
        engine = connect(url)
        assert migrate_until(engine, statement) == killed_at
        with pytest.raises(SchemaFault):
            require_schema(engine)

        migrate(engine)

        require_schema(engine)
        assert difference(engine) == []
        with read(engine) as connection:
            assert triggers.present(connection) == triggers.expected(engine.dialect.name)
        engine.dispose()


def test_a_migration_on_mariadb_waits_for_another_no_longer_than_it_must(
    mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganchu_workflow.store.mariadb.PATIENCE", 0)
    engine = connect(mariadb_url)
    with read(engine) as other:
        with mariadb.migrating(other, migrations.VERSION_TABLE, "x"), pytest.raises(DatabaseFault) as caught:
            migrate(engine)
        assert caught.value.fields["reason"] == "locked"
        migrate(engine)
    engine.dispose()


def test_a_statement_that_could_not_be_resumed_on_mariadb_is_no_part_of_a_migration(mariadb_url: str) -> None:
    engine = connect(mariadb_url)
    with (
        read(engine) as connection,
        pytest.raises(NotImplementedError),
        mariadb.migrating(connection, migrations.VERSION_TABLE, "x"),
    ):
        connection.exec_driver_sql("DROP TABLE ganchu_seal")
    with read(engine) as connection:
        assert inspect(connection).has_table("ganchu_seal")
    engine.dispose()


@pytest.mark.parametrize("revision", migrations.REVISIONS)
def test_no_migration_drops_the_record(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config).get_revision(revision)
    with pytest.raises(SchemaFault):
        script.module.downgrade()
    assert difference(engine) == []


def test_a_database_that_cannot_keep_the_record_is_refused_before_it_is_reached() -> None:
    engine = create_engine("mssql+pymssql://127.0.0.1:1/x", module=sqlite3)
    with pytest.raises(DatabaseFault) as caught:
        migrate(engine)
    assert caught.value.fields == {"dialect": "mssql"}
