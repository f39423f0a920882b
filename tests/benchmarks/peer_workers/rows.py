"""The rows of a transition by hand, for a library that keeps none itself: case, event, deadline, message.

Plain tables without the append-only triggers, one index each: it costs a peer nothing that it would not pay anyway.
"""

import sqlite3
from typing import Any

DEADLINE = {"name": "answer_due", "due_at": "2021-08-16T09:30:00.000000Z", "rule": "10 working days"}
MESSAGE = {"to": "office", "message": "submitted", "enterprise": "甲厂"}
_TABLES = (
    "CREATE TABLE peer_case (id VARCHAR(26) PRIMARY KEY, state VARCHAR(60), seq INTEGER, body TEXT)",
    "CREATE TABLE peer_event (case_id VARCHAR(26), seq INTEGER, body TEXT, PRIMARY KEY (case_id, seq))",
    "CREATE TABLE peer_deadline (case_id VARCHAR(26) PRIMARY KEY, body TEXT)",
    "CREATE TABLE peer_message (id VARCHAR(26) PRIMARY KEY, body TEXT)",
)


class Rows:
    """A connection of the driver's to a database of the worker's own; `?` stands for a value."""

    def __init__(self, url: str) -> None:
        self.sqlite = url.startswith("sqlite:///")
        self.connection: Any
        if self.sqlite:
            path = url.removeprefix("sqlite:///")
            self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
        else:
            import psycopg

            self.connection = psycopg.connect(url, autocommit=True)
        for table in _TABLES:
            self.execute(table)

    def execute(self, text: str, values: tuple[Any, ...] = ()) -> Any:
        return self.connection.execute(text if self.sqlite else text.replace("?", "%s"), values)

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")
