"""The record is append-only in the database itself: triggers refuse to change or remove what was once written.

They hold against the library, the host and a careless operator alike. Whoever may alter the tables (the owner, a
superuser, anyone who can write the SQLite file) can drop them first; a seal is what shows that afterwards. On MariaDB
and MySQL no trigger can refuse TRUNCATE: there the account must lack the right to it, which is DROP.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store import mariadb

APPEND_ONLY: dict[str, tuple[tuple[str, ...], ...]] = {
    "ganchu_history": (("case_id", "seq"), ("idempotency_key",)),
    "ganchu_attempt": (("id",),),
    "ganchu_definition": (("fingerprint",),),
    "ganchu_calendar_version": (("version",),),
    "ganchu_calendar_import": (("id",),),
    "ganchu_seal": (("round_id", "size"),),
}
"""The append-only tables, each with its unique keys."""

_FUNCTION = "ganchu_append_only"
# SQLSTATE 23000, so that a refusal is an IntegrityError here as it is on SQLite.
_FUNCTION_BODY = """
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = '23000';
END
"""


def create_statements(dialect_name: str, tables: Iterable[str] = tuple(APPEND_ONLY)) -> list[str]:
    """The DDL, one statement each and in order, that makes `tables` append-only.

    A refused statement then fails with an `IntegrityError` that says "append-only". On SQLite an INSERT whose key
    is already there is refused in the same way, before the unique constraint is looked at.
    Raises `DatabaseFault` for a database on which this library cannot keep a record from being edited.
    """
    statements = list(_triggers(dialect_name, tables).values())
    if dialect_name == "postgresql":
        function = f"CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $${_FUNCTION_BODY}$$"
        statements.insert(0, function)
    return statements


def expected(dialect_name: str) -> frozenset[str]:
    """The names of all triggers that a migrated database of this dialect has."""
    return frozenset(_triggers(dialect_name, APPEND_ONLY))


def present(connection: Connection) -> frozenset[str]:
    """The names of our triggers that are there, enabled, and word for word what `create_statements` makes.

    One that was disabled or replaced by another of the same name is left out. Changes nothing.
    """
    wanted = _triggers(connection.dialect.name, APPEND_ONLY)
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    elif connection.dialect.name in mariadb.DIALECTS:
        # An account without the TRIGGER right on a table sees none of its triggers.
        found = connection.exec_driver_sql(
            "SELECT trigger_name, concat('CREATE TRIGGER ', trigger_name, ' ', action_timing, ' ', event_manipulation,"
            " ' ON ', event_object_table, ' FOR EACH ', action_orientation, ' ', action_statement)"
            " FROM information_schema.triggers"
            " WHERE trigger_schema = DATABASE() AND event_object_schema = DATABASE()"
        )
    else:
        found = connection.exec_driver_sql(
            "SELECT t.tgname, pg_get_triggerdef(t.oid, true)"
            " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND pg_table_is_visible(c.oid)"
            f" AND p.prosrc = $${_FUNCTION_BODY}$$"
        )
    return frozenset(name for name, definition in found if wanted.get(name) == definition)


def _triggers(dialect_name: str, tables: Iterable[str]) -> dict[str, str]:
    if dialect_name == "sqlite":
        return dict(pair for table in tables for pair in _sqlite(table))
    if dialect_name == "postgresql":
        return dict(pair for table in tables for pair in _postgresql(table))
    if dialect_name in mariadb.DIALECTS:
        return dict(pair for table in tables for pair in _mariadb(table))
    raise DatabaseFault(
        f"on {dialect_name} this library cannot keep the record from being edited; use SQLite, PostgreSQL or MariaDB",
        dialect=dialect_name,
    )


def _sqlite(table: str) -> Iterable[tuple[str, str]]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    for name, event in (("upd", "UPDATE"), ("del", "DELETE")):
        yield f"{table}_{name}", f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} {refuse}"
    # REPLACE deletes the row it collides with without firing the DELETE trigger, so the collision itself is refused;
    # on the hidden rowid too, which an INSERT may name.
    keys = [" AND ".join(f"{column} = NEW.{column}" for column in key) for key in (*APPEND_ONLY[table], ("rowid",))]
    collides = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {key})" for key in keys)
    yield f"{table}_ins", f"CREATE TRIGGER {table}_ins BEFORE INSERT ON {table} WHEN {collides} {refuse}"


def _postgresql(table: str) -> Iterable[tuple[str, str]]:
    # Spelled as pg_get_triggerdef gives it back, so that `present` can compare.
    for name, event, each in (("upd", "UPDATE", "ROW"), ("del", "DELETE", "ROW"), ("trunc", "TRUNCATE", "STATEMENT")):
        trigger = f"{table}_{name}"
        yield (
            trigger,
            f"CREATE TRIGGER {trigger} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION {_FUNCTION}()",
        )


def _mariadb(table: str) -> Iterable[tuple[str, str]]:
    # REPLACE and INSERT … ON DUPLICATE KEY UPDATE fire these two. Of the numbers that the driver takes for an
    # IntegrityError, 1217 is one that IGNORE does not turn into a warning.
    refuse = f"SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1217, MESSAGE_TEXT = '{table} is append-only'"
    for name, event in (("upd", "UPDATE"), ("del", "DELETE")):
        yield f"{table}_{name}", f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} FOR EACH ROW {refuse}"
