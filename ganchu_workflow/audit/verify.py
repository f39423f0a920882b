"""Verification: every chain is whole, every stored byte is canonical, and every row is what its history says.

It reads the tables and the event format only; it knows no stage and no process, so that nothing that computed the
record takes part in checking it. Events are read in one ordered stream: memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from ganchu_workflow.canonical import commitment, decode, digest
from ganchu_workflow.clock import to_text
from ganchu_workflow.errors import NotCanonical
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.store.triggers import expected, present

CASE = METADATA.tables["ganchu_case"]
EVENT = METADATA.tables["ganchu_history"]
MEMBER = METADATA.tables["ganchu_member"]
PARTY = METADATA.tables["ganchu_party"]
DEADLINE = METADATA.tables["ganchu_deadline"]
PRIVATE = METADATA.tables["ganchu_private_value"]
DEFINITION = METADATA.tables["ganchu_definition"]
CALENDAR = METADATA.tables["ganchu_calendar_version"]
OUTBOX = METADATA.tables["ganchu_outbox"]
FACT = METADATA.tables["ganchu_fact_index"]
FORMATS = (1,)


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
        """Note one problem."""
        self.problems.append(Problem(code, row, what))


@dataclass
class Replayed:
    """A case as its events say it must stand."""

    body: Mapping[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    parties: dict[str, str] = field(default_factory=dict)
    members: list[list[Any]] = field(default_factory=list)
    deadlines: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    parent: str | None = None
    of: str | None = None
    head: str = ""
    seq: int = 0
    broken: bool = False
    """Its chain is broken: what it says about the row is worth nothing, and is not reported a second time."""


def verify(connection: Connection) -> Report:
    """Check the whole database. Changes nothing; reads each history row once."""
    report = Report()
    known = _References(connection)
    for replayed in _replayed(connection, report, known):
        report.cases += 1
        if not replayed.broken:
            _compare(connection, replayed, report)
    _rows_without_history(connection, report)
    _private_values(connection, report)
    known.check(report)
    missing = expected(connection.dialect.name) - present(connection)
    for trigger in sorted(missing):
        report.wrong("trigger_missing", trigger, "the database no longer refuses changes to this part of the record")
    return report


class _References:
    """The definitions, calendars and messages that events point at."""

    def __init__(self, connection: Connection) -> None:
        self.definitions = dict(_pairs(connection, DEFINITION.c.fingerprint, DEFINITION.c.body))
        self.calendars = dict(_pairs(connection, CALENDAR.c.version, CALENDAR.c.body))
        rows = connection.execute(
            select(OUTBOX.c.case_id, OUTBOX.c.seq, OUTBOX.c.ordinal, OUTBOX.c.message, OUTBOX.c.recipient)
        )
        self.messages = {(r.case_id, r.seq, r.ordinal): (r.message, r.recipient) for r in rows}

    def check(self, report: Report) -> None:
        """The bodies are what their names say."""
        for fingerprint, body in self.definitions.items():
            if digest(body) != fingerprint:
                report.wrong("definition_altered", f"ganchu_definition {fingerprint}", "its body has another digest")
        for version, body in self.calendars.items():
            if version.partition("-")[2] not in digest(body):
                report.wrong("calendar_altered", f"ganchu_calendar_version {version}", "its body has another digest")
        for case_id, seq, ordinal in sorted(self.messages):
            report.wrong(
                "message_unexplained", f"ganchu_outbox of {case_id} event {seq} no. {ordinal}", "no event tells it"
            )


def _replayed(connection: Connection, report: Report, known: _References) -> Iterator[Replayed]:
    query = select(EVENT).order_by(EVENT.c.case_id, EVENT.c.seq)
    current: Replayed | None = None
    for row in connection.execution_options(yield_per=1000).execute(query):
        report.events += 1
        name = f"ganchu_history {row.case_id} event {row.seq}"
        if current is None or current.body.get("case") != row.case_id:
            if current is not None:
                yield current
            current = Replayed({"case": row.case_id})
        _read_event(row, name, current, report, known)
    if current is not None:
        yield current


def _read_event(row: Row[Any], name: str, so_far: Replayed, report: Report, known: _References) -> None:
    try:
        body = decode(row.body)
    except NotCanonical as error:
        so_far.broken = True
        return report.wrong("not_canonical", name, error.message)
    wrong = list(_event_problems(row, body, so_far, known))
    for code, what in wrong:
        report.wrong(code, name, what)
    if wrong:
        so_far.broken = True
    if isinstance(body, dict) and body.get("format") in FORMATS and not so_far.broken:
        _fold(so_far, body)
    so_far.seq, so_far.head = row.seq, row.digest
    return None


def _event_problems(row: Row[Any], body: Any, so_far: Replayed, known: _References) -> Iterator[tuple[str, str]]:
    if not isinstance(body, dict) or body.get("format") not in FORMATS:
        yield "format_unknown", "its body is not an event of a known format"
        return
    try:
        if digest(row.body, body["algorithm"]) != row.digest:
            yield "digest_wrong", "its body does not have the stored digest"
    except NotCanonical as error:
        yield "digest_wrong", error.message
    columns = {
        "case": row.case_id,
        "seq": row.seq,
        "round": row.round_id,
        "trigger": row.name,
        "recorded_at": to_text(row.recorded_at),
        "key": row.idempotency_key,
    }
    for key, value in columns.items():
        if body.get(key) != value:
            yield "column_differs", f"the column for '{key}' says {value!r}, the body {body.get(key)!r}"
    if row.seq != so_far.seq + 1:
        yield "event_missing", f"it follows event {so_far.seq}"
    elif (body["previous"] or "") != so_far.head:
        yield "chain_broken", "it was not written after the event before it"
    elif so_far.seq and body["source"] != so_far.body["target"]:
        yield "states_differ", f"it leaves {body['source']}, but the event before reached {so_far.body['target']}"
    elif so_far.seq and body["recorded_at"] < so_far.body["recorded_at"]:
        yield "time_goes_back", "it was recorded before the event before it"
    if body["definition"] not in known.definitions:
        yield "definition_missing", f"its definition {body['definition'][:12]} is not stored"
    if body["calendar"] is not None and body["calendar"] not in known.calendars:
        yield "calendar_missing", f"its calendar {body['calendar']} is not stored"
    for ordinal, told in enumerate(body["tells"], start=1):
        if known.messages.pop((row.case_id, row.seq, ordinal), None) != (told["message"], told["recipient"]):
            yield "message_missing", f"its message {ordinal} ({told['message']}) is not in the outbox as told"


def _fold(so_far: Replayed, body: Mapping[str, Any]) -> None:
    so_far.body = body
    so_far.facts |= body["facts"]
    so_far.parties |= body["parties"]
    if body["members"] is not None:
        so_far.members = body["members"]
    if body["opening"] is not None:
        so_far.parent, so_far.of = body["opening"]["parent"], body["opening"]["of"]
    for change in body["deadlines"]:
        if change["status"] == "gone":
            so_far.deadlines.pop(change["name"], None)
        else:
            so_far.deadlines[change["name"]] = change


def _compare(connection: Connection, replayed: Replayed, report: Report) -> None:
    case_id = replayed.body["case"]
    row = connection.execute(select(CASE).where(CASE.c.id == case_id)).first()
    name = f"ganchu_case {case_id}"
    if row is None:
        return report.wrong("case_missing", name, "it has a history but no row")
    said = {
        "seq": replayed.seq,
        "head": replayed.head,
        "state": replayed.body["target"],
        "stage": replayed.body["stage"] or None,
        "visit": replayed.body["visit"],
        "kind": replayed.body["kind"],
        "round_id": replayed.body["round"],
        "parent_id": replayed.parent,
        "of_id": replayed.of,
        "recorded_at": replayed.body["recorded_at"],
    }
    for column, value in said.items():
        found = getattr(row, column)
        found = to_text(found) if column == "recorded_at" else found
        if found != value:
            report.wrong("case_differs", name, f"{column} is {found!r}, its history says {value!r}")
    try:
        facts = decode(row.facts)
    except NotCanonical as error:
        facts = error.message
    if facts != replayed.facts:
        report.wrong("case_differs", name, "its facts are not those of its history")
    parties = dict(_pairs(connection, PARTY.c.role, PARTY.c.scope, PARTY.c.case_id == case_id))
    if parties != replayed.parties:
        report.wrong("parties_differ", name, f"its parties are {parties}, its history says {replayed.parties}")
    members = [
        [r.application_id, r.visit]
        for r in connection.execute(
            select(MEMBER.c.application_id, MEMBER.c.visit)
            .where(MEMBER.c.cohort_id == case_id)
            .order_by(MEMBER.c.ordinal)
        )
    ]
    if members != replayed.members:
        report.wrong("members_differ", name, "its list is not the one of its history")
    deadlines = {
        r.name: _deadline(r) for r in connection.execute(select(DEADLINE).where(DEADLINE.c.case_id == case_id))
    }
    if deadlines != replayed.deadlines:
        names = sorted(n for n in {*deadlines, *replayed.deadlines} if deadlines.get(n) != replayed.deadlines.get(n))
        report.wrong("deadlines_differ", name, f"not as its history says: {', '.join(names)}")
    for fact, value in _pairs(connection, FACT.c.name, FACT.c.value, FACT.c.case_id == case_id):
        if str(replayed.facts.get(fact))[:200] != value:
            report.wrong("fact_index_differs", name, f"the index says {fact} = {value!r}")
    return None


def _deadline(row: Row[Any]) -> dict[str, Any]:
    return {
        "name": row.name,
        "status": row.status,
        "due_at": to_text(row.due_at) if row.due_at else None,
        "rule": row.rule,
        "fires": row.fires,
        "armed_at": to_text(row.armed_at),
        "remainder": row.remainder,
        "calendar": row.calendar,
    }


def _rows_without_history(connection: Connection, report: Report) -> None:
    query = select(CASE.c.id).where(~select(EVENT.c.seq).where(EVENT.c.case_id == CASE.c.id).exists())
    for case_id in connection.execute(query).scalars():
        report.wrong("history_missing", f"ganchu_case {case_id}", "it has a row but no history")
    for table, column in ((PARTY, PARTY.c.case_id), (MEMBER, MEMBER.c.cohort_id), (DEADLINE, DEADLINE.c.case_id)):
        stray = select(column).where(~select(CASE.c.id).where(CASE.c.id == column).exists()).distinct()
        for case_id in connection.execute(stray).scalars():
            report.wrong("row_astray", f"{table.name} of {case_id}", "there is no such case")


def _private_values(connection: Connection, report: Report) -> None:
    for row in connection.execute(select(PRIVATE)):
        if row.erased_at is not None or row.salt is None or row.value is None:
            if row.salt is not None or row.value is not None:
                report.wrong("private_altered", f"ganchu_private_value {row.id}", "it is erased only in part")
            continue
        try:
            proof = commitment(row.salt, decode(row.value))
        except NotCanonical as error:
            report.wrong("private_altered", f"ganchu_private_value {row.id}", error.message)
            continue
        if proof != row.id:
            report.wrong("private_altered", f"ganchu_private_value {row.id}", "its value is not the one committed to")


def _pairs(connection: Connection, first: Any, second: Any, where: Any = None) -> list[tuple[str, str]]:
    query = select(first, second)
    rows = connection.execute(query if where is None else query.where(where))
    return [(r[0], r[1]) for r in rows]
