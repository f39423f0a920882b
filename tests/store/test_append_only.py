"""What is written in an append-only table stays: each way to change it is tried, and works without the triggers."""

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row, make_url, select
from sqlalchemy.exc import IntegrityError, OperationalError

from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store import mariadb, triggers
from ganchu_workflow.store.database import connect, read, require_schema, write
from ganchu_workflow.store.tables import METADATA

PAYLOAD = {
    "ganchu_history": "digest",
    "ganchu_attempt": "code",
    "ganchu_definition": "body",
    "ganchu_calendar_import": "paper",
    "ganchu_calendar_version": "body",
    "ganchu_seal": "root",
}
TABLES = sorted(PAYLOAD)
Rows = dict[str, dict[str, Any]]


def copied(table: str, **replaced: str) -> str:
    """A SELECT list of the row's own columns, but for the replaced ones."""
    return ", ".join(replaced.get(column.name, column.name) for column in METADATA.tables[table].columns)


def attacks(table: str, dialect: str) -> dict[str, str]:
    columns, payload, key = copied(table), PAYLOAD[table], triggers.APPEND_ONLY[table][0]
    changed = copied(table, **{payload: "'changed'"})
    other = copied(table, **{payload: "'changed'", key[0]: "'other'", "idempotency_key": "NULL"})
    found = {
        "update": f"UPDATE {table} SET {payload} = 'changed'",
        "delete": f"DELETE FROM {table}",
    }
    if dialect in mariadb.DIALECTS:
        again = f"INTO {table} ({columns}) SELECT {changed} FROM {table} AS stored"
        upsert = f"{again} ON DUPLICATE KEY UPDATE {payload} = 'changed'"
        return found | {
            "update ignore": f"UPDATE IGNORE {table} SET {payload} = 'changed'",
            "delete ignore": f"DELETE IGNORE FROM {table}",
            "replace": f"REPLACE {again}",
            "upsert": f"INSERT {upsert}",
            "upsert ignore": f"INSERT IGNORE {upsert}",
        }
    found |= {
        "upsert": f"INSERT INTO {table} ({columns}) SELECT {changed} FROM {table} WHERE true"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {payload} = 'changed'",
    }
    if dialect == "postgresql":
        return found | {"truncate": f"TRUNCATE {table}"}
    return found | {
        "replace": f"REPLACE INTO {table} ({columns}) SELECT {changed} FROM {table}",
        "insert or replace": f"INSERT OR REPLACE INTO {table} ({columns}) SELECT {changed} FROM {table}",
        "replace by rowid": f"INSERT OR REPLACE INTO {table} (rowid, {columns}) SELECT rowid, {other} FROM {table}",
        "update or replace": f"UPDATE OR REPLACE {table} SET {payload} = 'changed'",
    }


def stored(connection: Connection, table: str) -> list[Row[Any]]:
    return list(connection.execute(select(METADATA.tables[table])).all())


def insert(connection: Connection, table: str, values: dict[str, Any]) -> None:
    connection.execute(METADATA.tables[table].insert().values(values))


def drop_triggers(connection: Connection, table: str) -> None:
    for name in sorted(triggers.present(connection)):
        if name.startswith(f"{table}_"):
            where = f" ON {table}" if connection.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TRIGGER {name}{where}")


def refused(engine: Engine, statement: str) -> str:
    with pytest.raises(IntegrityError) as caught, write(engine) as connection:
        connection.exec_driver_sql(statement)
    assert caught.value.orig is not None
    return str(caught.value.orig.args[-1]).splitlines()[0]


@pytest.mark.parametrize("table", TABLES)
def test_every_change_is_refused_and_would_work_without_the_triggers(engine: Engine, rows: Rows, table: str) -> None:
    with write(engine) as connection:
        insert(connection, table, rows[table])
        before = stored(connection, table)
    assert [dict(row._mapping) for row in before] == [rows[table]]
    for name, statement in attacks(table, engine.dialect.name).items():
        assert (name, refused(engine, statement)) == (name, f"{table} is append-only")
        with read(engine) as connection:
            assert (name, stored(connection, table)) == (name, before)
    for name, statement in attacks(table, engine.dialect.name).items():
        with engine.connect() as connection:
            drop_triggers(connection, table)
            connection.exec_driver_sql(statement)
            after = stored(connection, table)
            connection.rollback()
        assert (name, "changed" in after[0] if after else None) == (
            name,
            None if name in ("delete", "delete ignore", "truncate") else True,
        )


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_replacing_an_event_by_its_idempotency_key_is_refused(
    request: pytest.FixtureRequest, kind: str, rows: Rows
) -> None:
    engine = connect(request.getfixturevalue(f"{kind}_url"))
    table = "ganchu_history"
    with write(engine) as connection:
        insert(connection, table, rows[table])
        before = stored(connection, table)
    columns, other = copied(table), copied(table, case_id="'other'", digest="'changed'")
    attack = f"REPLACE INTO {table} ({columns}) SELECT {other} FROM {table} AS stored"
    assert refused(engine, attack) == "ganchu_history is append-only"
    with read(engine) as connection:
        assert stored(connection, table) == before
    engine.dispose()


@pytest.mark.parametrize("table", TABLES)
def test_a_second_row_is_added_and_a_second_row_of_the_same_key_is_not(engine: Engine, rows: Rows, table: str) -> None:
    key = triggers.APPEND_ONLY[table][0][0]
    second = rows[table] | {key: "other"}
    if table == "ganchu_history":
        second["idempotency_key"] = "oa-8842"
    with write(engine) as connection:
        insert(connection, table, rows[table])
        insert(connection, table, second)
    with pytest.raises(IntegrityError), write(engine) as connection:
        insert(connection, table, second)
    with read(engine) as connection:
        assert sorted(row._mapping[key] for row in stored(connection, table)) == sorted([rows[table][key], "other"])


def test_events_without_an_idempotency_key_do_not_collide(engine: Engine, rows: Rows) -> None:
    event = rows["ganchu_history"] | {"idempotency_key": None}
    with write(engine) as connection:
        insert(connection, "ganchu_history", event)
        insert(connection, "ganchu_history", event | {"seq": 2})
    with read(engine) as connection:
        assert [row.seq for row in stored(connection, "ganchu_history")] == [1, 2]


def test_a_private_value_can_be_erased(engine: Engine, rows: Rows) -> None:
    table = METADATA.tables["ganchu_private_value"]
    with write(engine) as connection:
        insert(connection, table.name, rows[table.name] | {"salt": "ab", "value": '"13800000000"'})
        connection.execute(table.update().values(salt=None, value=None))
    with read(engine) as connection:
        assert connection.execute(select(table.c.salt, table.c.value)).all() == [(None, None)]


def test_all_triggers_are_there(engine: Engine) -> None:
    more = {"sqlite": ("ins",), "postgresql": ("trunc",)}.get(engine.dialect.name, ())
    endings = ("upd", "del", *more)
    with read(engine) as connection:
        assert triggers.present(connection) == triggers.expected(engine.dialect.name)
        assert triggers.present(connection) == {f"{table}_{ending}" for table in TABLES for ending in endings}


def test_a_trigger_that_was_dropped_or_emptied_is_missed(engine: Engine) -> None:
    with engine.connect() as connection:
        drop_triggers(connection, "ganchu_seal")
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER ganchu_history_upd")
            connection.exec_driver_sql(
                "CREATE TRIGGER ganchu_history_upd BEFORE UPDATE ON ganchu_history BEGIN SELECT 1; END"
            )
        elif engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE ganchu_history DISABLE TRIGGER ganchu_history_upd")
        else:
            connection.exec_driver_sql("DROP TRIGGER ganchu_history_upd")
            connection.exec_driver_sql(
                "CREATE TRIGGER ganchu_history_upd BEFORE UPDATE ON ganchu_history FOR EACH ROW SET @nothing = 1"
            )
        missing = triggers.expected(engine.dialect.name) - triggers.present(connection)
        seal = {name for name in triggers.expected(engine.dialect.name) if name.startswith("ganchu_seal_")}
        assert missing == seal | {"ganchu_history_upd"}


def test_a_function_that_was_emptied_leaves_no_trigger(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION ganchu_append_only() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN NEW; END $$"
        )
        assert triggers.present(connection) == frozenset()
    engine.dispose()


def test_on_mariadb_an_account_that_may_only_write_rows_cannot_truncate_or_drop_a_trigger(
    mariadb_url: str, rows: Rows
) -> None:
    owner = connect(mariadb_url)
    user, password = make_url(mariadb_url).database, "a-password"
    with write(owner) as connection:
        insert(connection, "ganchu_seal", rows["ganchu_seal"])
        connection.exec_driver_sql(f"CREATE USER {user} IDENTIFIED BY '{password}'")
        connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {user}.* TO {user}")
    clerk = connect(make_url(mariadb_url).set(username=user, password=password))
    try:
        require_schema(clerk)
        assert refused(clerk, "UPDATE ganchu_seal SET root = 'changed'") == "ganchu_seal is append-only"
        for attack in (
            "TRUNCATE ganchu_seal",
            "DROP TRIGGER ganchu_seal_upd",
            "DROP TABLE ganchu_seal",
            "ALTER TABLE ganchu_seal ADD COLUMN more INTEGER",
            "RENAME TABLE ganchu_seal TO gone",
        ):
            with pytest.raises(OperationalError) as caught, write(clerk) as connection:
                connection.exec_driver_sql(attack)
            assert (attack, mariadb.error_code(caught.value)) == (attack, 1142)
        with read(owner) as connection:
            assert len(stored(connection, "ganchu_seal")) == 1
            connection.exec_driver_sql("TRUNCATE ganchu_seal")
            # No trigger can refuse it to the owner.
            assert stored(connection, "ganchu_seal") == []
    finally:
        clerk.dispose()
        with write(owner) as connection:
            connection.exec_driver_sql(f"DROP USER {user}")
        owner.dispose()


def test_a_database_without_such_triggers_is_refused() -> None:
    with pytest.raises(DatabaseFault) as caught:
        triggers.create_statements("mssql")
    assert caught.value.fields == {"dialect": "mssql"}
