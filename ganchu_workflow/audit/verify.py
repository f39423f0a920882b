"""Verification: every chain is whole, every stored byte is canonical, and every row is what its history says.

It reads the tables and the event format only; it knows no stage and no process, so that nothing that computed the
record takes part in checking it. All tables are read side by side in the order of their cases, each row once: memory
does not grow with their number.

What it cannot see, because no event says it: the id, status and instant of a message, the `version` of a case, the
instants at which definitions and calendars were stored or imported and by whom, when a private value was erased, and
the attempts, which stand outside the chain. And who may write every table can write a whole false record that agrees
with itself, or take away a case that nothing refers to: against that there are seals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, select, tuple_
from sqlalchemy.exc import OperationalError

from ganchu_workflow.audit import reading
from ganchu_workflow.audit.calendars import Calendars
from ganchu_workflow.audit.event import Replayed, column_problems, key_before, read_event, sequence_problems
from ganchu_workflow.audit.reading import (
    CASE,
    DEADLINE,
    DEFINITION,
    EVENT,
    FACT,
    MEMBER,
    OUTBOX,
    PARTY,
    PRIVATE,
    Key,
    Stream,
    as_stored,
    chunks,
    deadline_of,
    digest_or_none,
    instant_text,
    name_of,
    one_state,
    pairs,
    printable,
    sort_key,
)
from ganchu_workflow.canonical import ALGORITHMS, commitment, decode, encode
from ganchu_workflow.errors import NotCanonical
from ganchu_workflow.store.tables import INDEXED
from ganchu_workflow.store.triggers import expected, present

# A quotation mark inside a canonical string is escaped, so that this finds keys and nothing else.
_REFERENCE = re.compile(r'\{"private":"([0-9a-f]{64})"\}')


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in the record that is not as it must be: which row, and what is wrong with it."""

    code: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.code} {self.row}: {self.what}"


@dataclass
class Report:
    """What verification found."""

    cases: int = 0
    events: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def wrong(self, code: str, row: str, what: str) -> None:
        """Note one problem. What is no text in the database is shown in a form that can be printed."""
        self.problems.append(Problem(code, printable(row), printable(what)))


def verify(connection: Connection) -> Report:
    """Check the whole database. Changes nothing, and reads each row once.

    What is read is one state of the database, also while others write, unless the connection already stands inside a
    PostgreSQL transaction of a lower isolation level than REPEATABLE READ: then nobody else may write meanwhile.
    """
    one_state(connection)
    try:
        return _Verification(connection).run()
    except (OperationalError, UnicodeDecodeError):
        # Perhaps a byte that makes no text: the driver stops there, and the row would not be named.
        with as_stored(connection):
            return _Verification(connection).run()


class _Verification:
    """One run over all tables."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.report = Report()
        self.definitions = {f: self._definition(f, b) for f, b in pairs(connection, DEFINITION, "fingerprint")}
        self.calendars = Calendars(connection, self.report.wrong)
        self.missing: set[str] = set()
        self.wanted_events: dict[str, tuple[int, str]] = {}
        self.wanted_values: dict[str, str] = {}

    def run(self) -> Report:
        """Go through the cases one after the other."""
        with ExitStack() as open_:
            streams = {
                table.name: open_.enter_context(Stream(self.connection, table, by, *order))
                for table, by, *order in (
                    (EVENT, "case_id", "seq"),
                    (CASE, "id"),
                    (PARTY, "case_id", "role"),
                    (MEMBER, "cohort_id", "ordinal", "application_id"),
                    (DEADLINE, "case_id", "name"),
                    (FACT, "case_id", "name"),
                    (OUTBOX, "case_id", "seq", "ordinal", "id"),
                    (PRIVATE, "case_id", "id"),
                )
            }
            while (case := min((s.key for s in streams.values() if s.key is not None), default=None)) is not None:
                events = streams[EVENT.name].of(case)
                self._case(case, events, {t: s for t, s in streams.items() if t != EVENT.name})
        self._look_up(at_least=1)
        dialect = self.connection.dialect.name
        for trigger in sorted(expected(dialect) - present(self.connection)):
            self.report.wrong(
                "trigger_missing", trigger, "the database no longer refuses changes to this part of the record"
            )
        return self.report

    # ── one case ──

    def _case(self, key: Key, events: Iterable[Row[Any]], streams: Mapping[str, Stream]) -> None:
        so_far: Replayed | None = None
        for event in events:
            so_far = so_far or Replayed(event.case_id)
            self.report.events += 1
            self._event(event, so_far)
        rows = {name: list(stream.of(key)) for name, stream in streams.items()}
        for row in rows[PRIVATE.name]:
            self._private(row)
        cases = rows.pop(CASE.name)
        if so_far is None:
            self._without_history(cases, rows)
            return
        self.report.cases += 1
        if so_far.broken:
            return
        if cases:
            self._compare(cases[0], rows, so_far)
        else:
            self.report.wrong("case_missing", f"ganchu_case {so_far.case}", "it has a history but no row")
        self._look_up(at_least=reading.BATCH)

    def _without_history(self, cases: list[Row[Any]], rows: Mapping[str, list[Row[Any]]]) -> None:
        for case in cases:
            self.report.wrong("history_missing", f"ganchu_case {case.id}", "it has a row but no history")
        if not cases:
            for table, found in rows.items():
                for row in found:
                    self.report.wrong("row_astray", name_of(table, row), "there is no such case")

    # ── one event ──

    def _event(self, row: Row[Any], so_far: Replayed) -> None:
        name = f"ganchu_history {row.case_id} event {row.seq}"
        if type(row.seq) is not int or row.seq < 1:
            self.report.wrong("event_astray", name, "no event has this number")
            return
        body, wrong = read_event(row)
        follows = row.seq == so_far.seq + 1
        if not follows:
            wrong.append(("event_missing", f"it follows event {so_far.seq}"))
        if body is not None:
            wrong += column_problems(row, body)
            if follows:
                wrong += sequence_problems(body, so_far)
        for code, what in wrong:
            self.report.wrong(code, name, what)
        so_far.broken = so_far.broken or bool(wrong)
        so_far.seq, so_far.before = row.seq, body
        so_far.heads = (
            (row.digest,) if body is not None else (row.digest, *(digest_or_none(row.body, a) for a in ALGORITHMS))
        )
        if body is not None and not so_far.broken:
            self._fold(name, row.body, body, so_far)

    def _fold(self, name: str, text: str, body: dict[str, Any], so_far: Replayed) -> None:
        if body["definition"] not in self.definitions:
            self._missing("definition_missing", f"ganchu_definition {body['definition']}", name)
        for code, row in self.calendars.missing(body):
            self._missing(code, row, name)
        so_far.facts |= body["facts"]
        so_far.parties |= body["parties"]
        so_far.algorithm = body["algorithm"]
        if body["opening"] is not None:
            so_far.opening, so_far.opened_at = body["opening"], body["recorded_at"]
            for case in (body["round"], body["opening"]["parent"], body["opening"]["of"]):
                if case is not None:
                    self._want(case, 1, name)
        if body["members"] is not None:
            so_far.members = body["members"]
            for application, _ in body["members"]:
                self._want(application, 1, name)
        if body["cause"] is not None:
            self._want(body["cause"]["case"], body["cause"]["seq"], name)
        for change in body["deadlines"]:
            if change["status"] == "gone":
                so_far.deadlines.pop(change["name"], None)
            else:
                so_far.deadlines[change["name"]] = change
        for ordinal, told in enumerate(body["tells"], start=1):
            so_far.told[body["seq"], ordinal] = told
        for found in _REFERENCE.finditer(text):
            so_far.referred.setdefault(found[1], name)
            so_far.fields.add((key_before(text, found.start()), found[1]))

    # ── what the events say, and what the rows say ──

    def _compare(self, row: Row[Any], rows: Mapping[str, list[Row[Any]]], so_far: Replayed) -> None:
        last = so_far.before
        if last is None:
            return
        case = so_far.case
        kind = self.definitions.get(last["definition"], {}).get(last["kind"], {})
        said = {
            "seq": so_far.seq,
            "head": so_far.heads[0],
            "state": last["target"],
            "stage": last["stage"] or None,
            "visit": last["visit"],
            "kind": last["kind"],
            "round_id": last["round"],
            "parent_id": so_far.opening.get("parent"),
            "of_id": so_far.opening.get("of"),
            "position": kind.get("rank", row.position),
            "facts": encode(so_far.facts),
            "opened_at": so_far.opened_at,
            "recorded_at": last["recorded_at"],
        }
        found = {n: instant_text(getattr(row, n)) if n.endswith("_at") else getattr(row, n) for n in said}
        for column, value in said.items():
            if found[column] != value:
                what = "" if column == "facts" else f": {found[column]!r}, not {value!r}"
                self.report.wrong("case_differs", f"ganchu_case {case}", f"{column} is not as its history says{what}")
        self._same("party_differs", PARTY, case, {r.role: r.scope for r in rows[PARTY.name]}, so_far.parties)
        self._same(
            "member_differs", MEMBER, case,
            {r.application_id: [r.visit, r.ordinal] for r in rows[MEMBER.name]},
            {application: [visit, place] for place, (application, visit) in enumerate(so_far.members, start=1)},
        )  # fmt: skip
        self._same(
            "deadline_differs", DEADLINE, case,
            {r.name: deadline_of(r) for r in rows[DEADLINE.name]},
            {name: {**said, "round": last["round"]} for name, said in so_far.deadlines.items()},
        )  # fmt: skip
        indexed = kind.get("indexed", [r.name for r in rows[FACT.name]])
        self._same(
            "fact_index_differs", FACT, case,
            {r.name: r.value for r in rows[FACT.name]},
            {n: str(so_far.facts[n])[:INDEXED] for n in indexed if so_far.facts.get(n) not in (None, "")},
        )  # fmt: skip
        self._messages(rows[OUTBOX.name], so_far, last["round"])
        self._references(rows[PRIVATE.name], so_far)

    def _same(self, code: str, table: Table, case: str, found: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        """Each row of a case is there, and as its history says; `found` and `said` are by the rest of the row's key."""
        for key in sorted({*found, *said}, key=sort_key):
            if key not in said:
                what = f"its history knows no such row: {found[key]!r}"
            elif key not in found:
                what = f"it is not there; its history says {said[key]!r}"
            elif found[key] != said[key]:
                what = f"it says {found[key]!r}, its history {said[key]!r}"
            else:
                continue
            self.report.wrong(code, f"{table.name} {case} {key}", what)

    def _messages(self, rows: list[Row[Any]], so_far: Replayed, round_id: str) -> None:
        told = {key: {**message, "round": round_id} for key, message in so_far.told.items()}
        others = []
        for row in rows:
            at = (row.seq, row.ordinal)
            found = {
                "message": row.message,
                "recipient": row.recipient,
                "digest": digest_or_none(row.body, so_far.algorithm),
            }
            if at in told and told[at] == {**found, "round": row.round_id}:
                del told[at]
            else:
                others.append((at, row))
        for at, row in others:
            if told.pop(at, None) is not None:
                self.report.wrong("message_differs", name_of(OUTBOX.name, row), "it is not what its event tells")
            else:
                self.report.wrong("message_unexplained", name_of(OUTBOX.name, row), "no event tells it")
        for (seq, ordinal), message in told.items():
            what = f"its message {ordinal} ({message['message']}) is not in the outbox"
            self.report.wrong("message_missing", f"ganchu_history {so_far.case} event {seq}", what)

    # ── private values ──

    def _private(self, row: Row[Any]) -> None:
        name = name_of(PRIVATE.name, row)
        kept = [row.salt is not None, row.value is not None, row.erased_at is None]
        if not any(kept):
            return
        if not all(kept):
            self.report.wrong("private_altered", name, "it is erased only in part")
            return
        try:
            proof = commitment(row.salt, decode(row.value))
        except NotCanonical as error:
            self.report.wrong("private_altered", name, error.message)
            return
        if proof != row.id:
            self.report.wrong("private_altered", name, "its value is not the one committed to")

    def _references(self, rows: list[Row[Any]], so_far: Replayed) -> None:
        for row in rows:
            if row.id not in so_far.referred:
                self.report.wrong("private_astray", name_of(PRIVATE.name, row), "no event of its case refers to it")
            elif (row.field, row.id) not in so_far.fields:
                what = f"no event refers to it under the name '{row.field}'"
                self.report.wrong("private_altered", name_of(PRIVATE.name, row), what)
        # What is not kept with this case was handed on by another.
        here = {row.id for row in rows}
        self.wanted_values |= {proof: name for proof, name in so_far.referred.items() if proof not in here}

    # ── what events refer to ──

    def _want(self, case: str, seq: int, name: str) -> None:
        if seq > self.wanted_events.get(case, (0, ""))[0]:
            self.wanted_events[case] = (seq, name)

    def _look_up(self, at_least: int) -> None:
        """Look for the events and private values that were referred to, once there are enough of them."""
        if len(self.wanted_events) >= at_least:
            keys = tuple_(EVENT.c.case_id, EVENT.c.seq)
            for some in chunks((case, seq) for case, (seq, _) in self.wanted_events.items()):
                query = select(EVENT.c.case_id, EVENT.c.seq).where(keys.in_(some))
                for case, seq in {*some} - {(r[0], r[1]) for r in self.connection.execute(query)}:
                    self._missing("event_missing", f"ganchu_history {case} event {seq}", self.wanted_events[case][1])
            self.wanted_events.clear()
        if len(self.wanted_values) >= at_least:
            for values in chunks(self.wanted_values):
                found = self.connection.execute(select(PRIVATE.c.id).where(PRIVATE.c.id.in_(values))).scalars()
                for proof in {*values} - {*found}:
                    self._missing("private_missing", f"ganchu_private_value {proof}", self.wanted_values[proof])
            self.wanted_values.clear()

    def _missing(self, code: str, row: str, by: str) -> None:
        if row not in self.missing:
            self.missing.add(row)
            self.report.wrong(code, row, f"it is not there, but {by} rests on it")

    # ── definitions ──

    def _definition(self, fingerprint: str, body: Any) -> Mapping[str, Mapping[str, Any]]:
        """What the definition says of each kind that verification needs: its rank, and the facts that are indexed."""
        if digest_or_none(body) != fingerprint:
            self.report.wrong("definition_altered", f"ganchu_definition {fingerprint}", "its body has another digest")
            return {}
        try:
            kinds = decode(body)["kinds"].items()
            return {name: {"rank": kind["rank"], "indexed": list(kind["indexed"])} for name, kind in kinds}
        except (NotCanonical, LookupError, TypeError, AttributeError):
            self.report.wrong("definition_altered", f"ganchu_definition {fingerprint}", "it describes no process")
            return {}
