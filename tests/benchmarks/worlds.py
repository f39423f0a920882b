"""Databases to measure on: a round of the small process, and as many copies of a case as are wanted.

Copies are made by INSERT … SELECT, so that a million takes seconds. A copy is what the engine needs to act on it: its
row, parties, searchable facts, events and deadlines, all with the id of the copy. Its chain of digests is that of the
original, so that only the original would stand a verification.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event, make_url

from ganchu_workflow.entropy import SystemEntropy
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.testing.databases import Databases, databases
from tests.benchmarks.measure import Patience
from tests.engine.small_process import Small

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
_COPIED = ("ganchu_case", "ganchu_party", "ganchu_fact_index", "ganchu_history", "ganchu_deadline")
_FOLDERS = count()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command was asked for: how long to measure, on what, and how large the large is."""

    folder: Path
    """Where database files may lie. It should be on a disk, and must be local."""
    sources: Mapping[str, Databases]
    """Where empty, migrated databases come from, by their kind."""
    postgres: str = ""
    """The URL of the PostgreSQL among them."""
    patience: Patience = field(default_factory=Patience)
    block: int = 10
    """How many transitions one block of a pair does."""
    bulk: int = 1_000
    due: int = 1_000
    armed: int = 1_000_000
    stored: int = 1_000_000
    cases: int = 100_000
    on_one_case: int = 1_000
    verified: int = 2_000
    demo: tuple[str, ...] = ()
    """More words for `ganchu demo`."""
    memory: tuple[str, ...] = (SQLITE, POSTGRES)
    """Where the memory of a verification is looked at."""


class Raw:
    """A connection of the driver's own that begins no transaction by itself; statements say `?` for a value."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self.connection: Any
        if self.sqlite:
            self.connection = sqlite3.connect(str(parsed.database), isolation_level=None, check_same_thread=False)
            for pragma in ("busy_timeout = 5000", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self.connection.execute(f"PRAGMA {pragma}")
        else:
            plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self.connection = psycopg.connect(plain, autocommit=True)
        self.execute = self.connection.execute

    def sql(self, text: str) -> str:
        """The statement as this driver spells it."""
        return text if self.sqlite else text.replace("?", "%s")

    def rows(self, text: str, *values: object) -> list[dict[str, Any]]:
        found = self.execute(self.sql(text), values)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def close(self) -> None:
        self.connection.close()


class World:
    """A started round of the small process in a database of its own, with a driver's connection beside it."""

    def __init__(self, url: str, *, normal: bool = False) -> None:
        self.url = url
        self.small = Small(url, entropy=SystemEntropy())
        self.wf = self.small.wf
        if normal:
            # After the library's own listener, on every connection that its pool makes.
            event.listen(self.wf.database, "connect", _synchronous_normal)
        self.raws: list[Raw] = []
        self.raw = self.connect(normal=normal)
        self.small.open_round()
        self._made = 0
        if normal:
            held = self.wf.database.raw_connection()
            level = held.cursor().execute("PRAGMA synchronous").fetchone()[0]
            held.close()
            if level != 1:
                raise AssertionError(f"synchronous is {level}, not NORMAL (1)")

    def connect(self, *, normal: bool = False) -> Raw:
        """One more connection of the driver's own."""
        raw = Raw(self.url)
        if normal:
            _synchronous_normal(raw.connection)
        self.raws.append(raw)
        return raw

    def close(self) -> None:
        for raw in self.raws:
            raw.close()
        self.wf.database.dispose()

    def copies(self, original: str, how_many: int, /, **instead: Mapping[str, str]) -> list[str]:
        """The ids of so many new copies of a case; `instead` has other SQL for columns, by table without its prefix.

        In it `n.i` is the number of the copy. With `each` for history or deadline a copy has so many rows of the first
        event, or of each deadline, and `m.j` counts them from 1.
        """
        first, self._made = self._made + 1, self._made + how_many
        last = self._made
        digits = "printf('c%025d', n.i)" if self.raw.sqlite else "'c' || lpad(n.i::text, 25, '0')"
        self.raw.execute("BEGIN")
        for table in _COPIED:
            other = dict(instead.get(table.removeprefix("ganchu_"), {}))
            times = int(other.pop("each", "0"))
            if table == "ganchu_case":
                other["id"] = digits
            else:
                other["case_id"] = digits
            if table == "ganchu_history":
                other.setdefault("body", f"replace(t.body, t.case_id, {digits})")
                other.setdefault("idempotency_key", "NULL")
            columns = [c.name for c in METADATA.tables[table].columns]
            chosen = ", ".join(other.get(name, f"t.{name}") for name in columns)
            numbers = f"n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
            source = f"{table} t CROSS JOIN n"
            if times:
                numbers += f", m(j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM m WHERE j < {times})"
                source += " CROSS JOIN m"
            key = "id" if table == "ganchu_case" else "case_id"
            which = f"t.{key} = ?" + (" AND t.seq = 1" if times and table == "ganchu_history" else "")
            self.raw.execute(
                self.raw.sql(
                    f"INSERT INTO {table} ({', '.join(columns)}) WITH RECURSIVE {numbers}"
                    f" SELECT {chosen} FROM {source} WHERE {which}"
                ),
                (original,),
            )
        self.raw.execute("COMMIT")
        return [f"c{i:025d}" for i in range(first, last + 1)]

    def settle(self) -> None:
        """What a database does about new rows in its own time is done now, so that no block pays for it."""
        if self.raw.sqlite:
            self.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            self.raw.execute("VACUUM ANALYZE")
            self.raw.execute("CHECKPOINT")


@contextmanager
def worlds(backend: str, wanted: Wanted, how_many: int = 1, *, normal: bool = False) -> Iterator[Sequence[World]]:
    """So many worlds on one kind of database, which are gone after the block."""
    with ExitStack() as stack:
        made: list[World] = []
        for _ in range(how_many):
            folder = _subfolder(wanted.folder)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            made.append(World(stack.enter_context(wanted.sources[backend].fresh(folder)), normal=normal))
            stack.callback(made[-1].close)
        yield made


@contextmanager
def sources(folder: Path, postgres: str) -> Iterator[Mapping[str, Databases]]:
    """Where databases come from: SQLite files under `folder`, and that PostgreSQL server if there is one."""
    with ExitStack() as stack:
        found = {SQLITE: stack.enter_context(databases("", _subfolder(folder)))}
        if postgres:
            found[POSTGRES] = stack.enter_context(databases(postgres, folder))
        yield found


def compiled() -> dict[str, str]:
    """The environment of a process whose imports find compiled modules, as those of a service do."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _subfolder(folder: Path) -> Path:
    made = folder / str(next(_FOLDERS))
    made.mkdir()
    return made


def _synchronous_normal(raw: Any, record: Any = None) -> None:
    raw.execute("PRAGMA synchronous = NORMAL")
