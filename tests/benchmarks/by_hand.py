"""The reference: the same work written by hand for the driver, as fast as it goes without giving up anything.

What one act reads and writes is taken from a real one, so that the rows are those that the library writes, to the
byte. By hand an act reads the case, its round and its phase, its parties and its deadlines, in the same tables with the
same indexes and append-only triggers; compares state, party, window and version; raises the version of the case
under compare-and-swap; adds the event, and the deadline and message if the act has them; and commits.
What the reference leaves out is only what no database is asked for: no rule runs, no JSON and no digest is computed.

On SQLite that is BEGIN IMMEDIATE, three SELECTs, the UPDATE, one INSERT for each row, COMMIT. On PostgreSQL it is six
round trips: BEGIN, one SELECT with two joins, UPDATE, INSERT of the event, INSERT of the rest, COMMIT. psycopg
prepares each statement after its fifth use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.worlds import Raw, World
from tests.engine.small_process import applicant

_CASE = "id, round_id, kind, state, stage, visit, version, seq, head, facts"
_UPDATE = (
    "UPDATE ganchu_case SET state = ?, seq = ?, head = ?, facts = ?, recorded_at = ?, version = version + 1"
    " WHERE id = ? AND version = ?"
)
_JOINED = (
    "SELECT c.id, c.state, c.version, c.seq, c.head, c.facts, p.role, p.scope, d.name, d.status, d.due_at"
    " FROM ganchu_case c LEFT JOIN ganchu_party p ON p.case_id = c.id LEFT JOIN ganchu_deadline d ON d.case_id = c.id"
    " WHERE c.id IN (?, ?, ?)"
)


class Recorded:
    """What a real act of this applicant has left: the case after it, and the rows that it added."""

    def __init__(self, world: World, case: str, act: Callable[[str], object]) -> None:
        raw = world.raw
        before = raw.rows("SELECT * FROM ganchu_case WHERE id = ?", case)[0]
        known = {repr(r) for t in ("ganchu_deadline", "ganchu_outbox") for r in _of(raw, t, case)}
        act(case)
        self.source = before["state"]
        self.case = raw.rows("SELECT * FROM ganchu_case WHERE id = ?", case)[0]
        self.event = raw.rows("SELECT * FROM ganchu_history WHERE case_id = ? AND seq = ?", case, self.case["seq"])[0]
        self.deadlines = [r for r in _of(raw, "ganchu_deadline", case) if repr(r) not in known]
        self.messages = [r for r in _of(raw, "ganchu_outbox", case) if repr(r) not in known]
        self.round = str(self.case["round_id"])
        self.phase = next(p.id for p in world.wf.cases(self.round, "phase") if p.stage == self.case["stage"])


class ByHand:
    """The act, over one connection of the driver's."""

    def __init__(self, raw: Raw, recorded: Recorded) -> None:
        self.raw, self.recorded = raw, recorded
        self.execute = raw.execute
        event, case = recorded.event, recorded.case
        self._update = raw.sql(_UPDATE)
        self._after = (case["state"], case["head"], case["facts"], case["recorded_at"])
        # The first two columns are the case and its seq.
        self._event_values = tuple(event.values())[2:]
        self._insert_event = raw.sql(_insert("ganchu_history", event))
        self._rest = [("ganchu_deadline", r) for r in recorded.deadlines]
        self._rest += [("ganchu_outbox", r) for r in recorded.messages]
        self._inserts = [(raw.sql(_insert(t, r)), t, r) for t, r in self._rest]
        parts = [f"w{i} AS ({_insert(t, r)})" for i, (t, r) in enumerate(self._rest[:-1])]
        last = _insert(*self._rest[-1]) if self._rest else ""
        self._insert_rest = raw.sql(f"WITH {', '.join(parts)} {last}" if parts else last)
        self._read = [
            raw.sql(f"SELECT {_CASE} FROM ganchu_case WHERE id IN (?, ?, ?)"),
            "SELECT role, scope FROM ganchu_party WHERE case_id = ?",
            "SELECT case_id, name, status, due_at, fires, rule FROM ganchu_deadline WHERE case_id IN (?, ?)",
        ]
        self._joined = raw.sql(_JOINED)
        self._scope = applicant().scope

    def __call__(self, case: str) -> None:
        if self.raw.sqlite:
            self._on_sqlite(case)
        else:
            self._on_postgres(case)

    def _on_sqlite(self, case: str) -> None:
        execute, recorded = self.execute, self.recorded
        execute("BEGIN IMMEDIATE")
        cases = {r[0]: r for r in execute(self._read[0], (case, recorded.phase, recorded.round))}
        parties = dict(execute(self._read[1], (case,)).fetchall())
        execute(self._read[2], (case, recorded.phase)).fetchall()
        mine, phase, round_ = cases[case], cases[recorded.phase], cases[recorded.round]
        self._compare(mine[3], phase[3], round_[3], parties.get("applicant"))
        self._raise(case, mine[7] + 1, mine[6])
        for sql, table, row in self._inserts:
            execute(sql, _values(table, row, case, mine[7] + 1))
        execute("COMMIT")

    def _on_postgres(self, case: str) -> None:
        execute, recorded = self.execute, self.recorded
        execute("BEGIN")
        rows = execute(self._joined, (case, recorded.phase, recorded.round)).fetchall()
        cases = {r[0]: r for r in rows}
        parties = {r[6]: r[7] for r in rows if r[0] == case}
        mine = cases[case]
        self._compare(mine[1], cases[recorded.phase][1], cases[recorded.round][1], parties.get("applicant"))
        self._raise(case, mine[3] + 1, mine[2])
        if self._rest:
            execute(self._insert_rest, [v for t, r in self._rest for v in _values(t, r, case, mine[3] + 1)])
        execute("COMMIT")

    def _compare(self, state: str, phase: str, round_: str, scope: str | None) -> None:
        if (state, phase, round_, scope) != (self.recorded.source, "open", "running", self._scope):
            raise AssertionError(f"refused: {state}, {phase}, {round_}, {scope}")

    def _raise(self, case: str, seq: int, version: int) -> None:
        state, head, facts, recorded_at = self._after
        done = self.execute(self._update, (state, seq, head, facts, recorded_at, case, version))
        if done.rowcount != 1:
            raise AssertionError("others have changed the case")
        self.execute(self._insert_event, (case, seq, *self._event_values))

    def many(self, cases: Sequence[str]) -> None:
        """The same rows of many cases in one transaction, nothing read: one executemany for each table."""
        seq = self.recorded.case["seq"]
        state, head, facts, recorded_at = self._after
        cursor: Any = self.raw.connection.cursor()
        cursor.execute("BEGIN")
        cursor.executemany(self._update, [(state, seq, head, facts, recorded_at, c, seq - 1) for c in cases])
        cursor.executemany(self._insert_event, [(c, seq, *self._event_values) for c in cases])
        for sql, table, row in self._inserts:
            cursor.executemany(sql, [_values(table, row, c, seq) for c in cases])
        cursor.execute("COMMIT")


def _of(raw: Raw, table: str, case: str) -> list[dict[str, Any]]:
    return raw.rows(f"SELECT * FROM {table} WHERE case_id = ?", case)


def _insert(table: str, row: dict[str, Any]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"


def _values(table: str, row: dict[str, Any], case: str, seq: int) -> list[Any]:
    """The row, with the ids of this case: a message of it has the id of the case, as there is one of each."""
    other = {"case_id": case, "seq": seq} if "seq" in row else {"case_id": case}
    if table == "ganchu_outbox":
        other["id"] = case
    return [other.get(name, value) for name, value in row.items()]
