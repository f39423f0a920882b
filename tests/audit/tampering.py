"""Somebody who may alter the tables: a record without its triggers, changed at will, verified, and put back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text

from ganchu_workflow.audit.verify import verify
from ganchu_workflow.canonical import digest, encode
from ganchu_workflow.store.mariadb import DIALECTS
from ganchu_workflow.store.triggers import create_statements, expected, present

Found = list[tuple[str, str]]
"""The code and the row of each problem, sorted."""


def found_in(connection: Connection) -> Found:
    return sorted((p.code, p.row) for p in verify(connection).problems)


class Record:
    """A written record, on one of the databases."""

    def __init__(self, engine: Engine, ids: Mapping[str, str]) -> None:
        self.engine = engine
        self.ids = ids

    def __getitem__(self, name: str) -> str:
        return self.ids[name]

    def event(self, name: str, seq: int) -> str:
        """How verification names an event."""
        return f"ganchu_history {self.ids[name]} event {seq}"

    def row(self, name: str) -> str:
        """How verification names the row of a case."""
        return f"ganchu_case {self.ids[name]}"

    @contextmanager
    def disarmed(self) -> Iterator[Bench]:
        """A transaction in which nothing refuses a change; all is put back at the end, and the record is whole."""
        with self.engine.connect() as connection:
            for name in sorted(present(connection)):
                where = f" ON {name.rpartition('_')[0]}" if connection.dialect.name == "postgresql" else ""
                connection.exec_driver_sql(f"DROP TRIGGER {name}{where}")
            yield Bench(connection)
            connection.rollback()
            if connection.dialect.name in DIALECTS:  # no rollback brings back what was dropped
                for statement in create_statements(connection.dialect.name):
                    connection.exec_driver_sql(statement)
        with self.engine.connect() as connection:
            assert found_in(connection) == []


class Bench:
    """The open transaction: SQL as it comes, past all types of the library."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dropped = {("trigger_missing", name) for name in expected(connection.dialect.name)}

    def found(self) -> Found:
        """What verification finds, the dropped triggers apart."""
        found = found_in(self.connection)
        assert self.dropped <= {*found}
        return [problem for problem in found if problem not in self.dropped]

    def rows(self, table: str, order: str = "1, 2", **where: Any) -> list[dict[str, Any]]:
        """Rows as they are stored."""
        query = f"SELECT * FROM {table} WHERE {_and(where)} ORDER BY {order}"
        return [dict(r._mapping) for r in self.connection.execute(text(query), where)]

    def row(self, table: str, **where: Any) -> dict[str, Any]:
        (row,) = self.rows(table, **where)
        return row

    def update(self, table: str, values: Mapping[str, Any], **where: Any) -> None:
        """Change exactly one row."""
        self.execute(f"UPDATE {table} SET {_set(values)} WHERE {_and(where)}", {**_named(values), **where})

    def delete(self, table: str, **where: Any) -> None:
        """Remove exactly one row."""
        self.execute(f"DELETE FROM {table} WHERE {_and(where)}", where)

    def insert(self, table: str, row: Mapping[str, Any]) -> None:
        columns, values = ", ".join(row), ", ".join(f":{column}" for column in row)
        self.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", row)

    def execute(self, statement: str, values: Mapping[str, Any]) -> None:
        assert self.connection.execute(text(statement), values).rowcount == 1

    def found_after(self, table: str, values: Mapping[str, Any], **where: Any) -> Found:
        """What verification finds after one row was changed; the change is taken back."""
        inner = self.connection.begin_nested()
        self.update(table, values, **where)
        found = self.found()
        inner.rollback()
        return found

    def found_without(self, table: str, **where: Any) -> Found:
        """What verification finds after one row was removed; it is put back."""
        inner = self.connection.begin_nested()
        self.delete(table, **where)
        found = self.found()
        inner.rollback()
        return found

    def found_with(self, table: str, row: Mapping[str, Any]) -> Found:
        """What verification finds after a row was added; it is taken away again."""
        inner = self.connection.begin_nested()
        self.insert(table, row)
        found = self.found()
        inner.rollback()
        return found

    def history(self, case_id: str) -> list[dict[str, Any]]:
        return self.rows("ganchu_history", "seq", case_id=case_id)

    def rechain(self, case_id: str, changed: Mapping[int, Mapping[str, Any]], first: int = 1) -> str:
        """Write these events of a case anew, and compute every digest from `first` on; the new head."""
        head = ""
        for row in self.history(case_id):
            if row["seq"] >= first:
                body = {**json.loads(row["body"]), **changed.get(row["seq"], {})}
                if row["seq"] > first:
                    body["previous"] = head
                row |= {"body": encode(body), "digest": digest(encode(body))}
                self.update(
                    "ganchu_history", {"body": row["body"], "digest": row["digest"]}, case_id=case_id, seq=row["seq"]
                )
            head = row["digest"]
        return head


def _and(where: Mapping[str, Any]) -> str:
    return " AND ".join(f"{column} = :{column}" for column in where) or "1 = 1"


def _set(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{column} = :new_{column}" for column in values)


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"new_{column}": value for column, value in values.items()}
