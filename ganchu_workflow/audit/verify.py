"""Verification: every chain is whole, every stored byte is canonical, and every row is what its history says.

It reads the tables and the event format only; it knows no stage and no process, so that nothing that computed the
record takes part in checking it. All tables are read side by side in the order of their cases, each row once: memory
does not grow with their number.

What it cannot see, because no event says it: the id, status and instant of a message, the `version` of a case, the
instants at which definitions and calendars were stored, when a private value was erased, and the attempts, which stand
outside the chain. And who may write every table can write a whole false record that agrees with itself, or take away
a case that nothing refers to: against that there are seals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Table, select, tuple_, type_coerce
from sqlalchemy.exc import OperationalError

from ganchu_workflow.canonical import ALGORITHMS, commitment, decode, digest, encode
from ganchu_workflow.clock import from_micros, to_text
from ganchu_workflow.errors import NotCanonical
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.store.triggers import expected, present
from ganchu_workflow.store.types import Instant

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
BATCH = 500
"""How many rows of a table are in memory at a time, and how many references are looked up at once."""

_NONE = type(None)
_SHAPE: dict[str, tuple[type, ...]] = {
    "actor": (dict,), "algorithm": (str,), "calendar": (str, _NONE), "case": (str,), "cause": (dict, _NONE),
    "data": (dict,), "deadline": (dict, _NONE), "deadlines": (list,), "definition": (str,), "document": (str, _NONE),
    "effective_at": (str,), "effects": (list,), "facts": (dict,), "format": (int,), "guards": (list,),
    "handler": (dict,), "key": (str, _NONE), "kind": (str,), "members": (list, _NONE), "opening": (dict, _NONE),
    "outcome": (str,), "parties": (dict,), "previous": (str, _NONE), "received_at": (str,), "recorded_at": (str,),
    "refusal": (dict, _NONE), "request": (str, _NONE), "round": (str,), "seq": (int,), "settings": (str,),
    "source": (str, _NONE), "stage": (str,), "target": (str,), "tells": (list,), "trigger": (str,), "visit": (int,),
}  # fmt: skip
"""What an event of format 1 holds. In canonical text the keys are in this order."""
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
        self.problems.append(Problem(code, _printable(row), _printable(what)))


@dataclass
class _Replayed:
    """A case as its events say it must stand."""

    case: str
    seq: int = 0
    heads: tuple[str, ...] = ("",)
    """The digest of the event before; where that event was altered, the stored one or the one of what it says now."""
    before: Mapping[str, Any] | None = None
    """The event before, if it can be believed."""
    opened_at: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    parties: dict[str, str] = field(default_factory=dict)
    members: list[list[Any]] = field(default_factory=list)
    deadlines: dict[str, dict[str, Any]] = field(default_factory=dict)
    opening: Mapping[str, Any] = field(default_factory=dict)
    told: dict[tuple[int, int], dict[str, str]] = field(default_factory=dict)
    algorithm: str = "sha256"
    referred: dict[str, str] = field(default_factory=dict)
    """The commitments its events refer to, each with the first event that does."""
    fields: set[tuple[str, str]] = field(default_factory=set)
    """The names under which they do: (name, commitment)."""
    broken: bool = False
    """Its chain is broken: what it says about other rows is worth nothing, and they are not compared."""


def verify(connection: Connection) -> Report:
    """Check the whole database. Changes nothing, and reads each row once.

    What is read is one state of the database, also while others write, unless the connection already stands inside a
    PostgreSQL transaction of a lower isolation level than REPEATABLE READ: then nobody else may write meanwhile.
    """
    _one_state(connection)
    try:
        return _Verification(connection).run()
    except (OperationalError, UnicodeDecodeError):
        # Perhaps a byte that makes no text: the driver stops there, and the row would not be named.
        with _as_stored(connection):
            return _Verification(connection).run()


class _Verification:
    """One run over all tables."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.report = Report()
        self.definitions = {f: self._definition(f, b) for f, b in _pairs(connection, DEFINITION, "fingerprint")}
        self.calendars = {v for v, b in _pairs(connection, CALENDAR, "version") if self._calendar(v, b)}
        self.missing: set[str] = set()
        self.wanted_events: dict[str, tuple[int, str]] = {}
        self.wanted_values: dict[str, str] = {}

    def run(self) -> Report:
        """Go through the cases one after the other."""
        with ExitStack() as open_:
            streams = {
                table.name: open_.enter_context(_Stream(self.connection, table, by, *order))
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

    def _case(self, key: _Key, events: Iterable[Row[Any]], streams: Mapping[str, _Stream]) -> None:
        so_far: _Replayed | None = None
        for event in events:
            so_far = so_far or _Replayed(event.case_id)
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
        self._look_up(at_least=BATCH)

    def _without_history(self, cases: list[Row[Any]], rows: Mapping[str, list[Row[Any]]]) -> None:
        for case in cases:
            self.report.wrong("history_missing", f"ganchu_case {case.id}", "it has a row but no history")
        if not cases:
            for table, found in rows.items():
                for row in found:
                    self.report.wrong("row_astray", _name(table, row), "there is no such case")

    # ── one event ──

    def _event(self, row: Row[Any], so_far: _Replayed) -> None:
        name = f"ganchu_history {row.case_id} event {row.seq}"
        if type(row.seq) is not int or row.seq < 1:
            self.report.wrong("event_astray", name, "no event has this number")
            return
        body, wrong = _read(row)
        follows = row.seq == so_far.seq + 1
        if not follows:
            wrong.append(("event_missing", f"it follows event {so_far.seq}"))
        if body is not None:
            wrong += _column_problems(row, body)
            if follows:
                wrong += _sequence_problems(body, so_far)
        for code, what in wrong:
            self.report.wrong(code, name, what)
        so_far.broken = so_far.broken or bool(wrong)
        so_far.seq, so_far.before = row.seq, body
        so_far.heads = (row.digest,) if body is not None else (row.digest, *(_digest(row.body, a) for a in ALGORITHMS))
        if body is not None and not so_far.broken:
            self._fold(name, row.body, body, so_far)

    def _fold(self, name: str, text: str, body: dict[str, Any], so_far: _Replayed) -> None:
        if body["definition"] not in self.definitions:
            self._missing("definition_missing", f"ganchu_definition {body['definition']}", name)
        if body["calendar"] is not None and body["calendar"] not in self.calendars:
            self._missing("calendar_missing", f"ganchu_calendar_version {body['calendar']}", name)
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
            so_far.fields.add((_key_before(text, found.start()), found[1]))

    # ── what the events say, and what the rows say ──

    def _compare(self, row: Row[Any], rows: Mapping[str, list[Row[Any]]], so_far: _Replayed) -> None:
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
        found = {n: _instant(getattr(row, n)) if n.endswith("_at") else getattr(row, n) for n in said}
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
            {r.name: _deadline(r) for r in rows[DEADLINE.name]},
            {name: {**said, "round": last["round"]} for name, said in so_far.deadlines.items()},
        )  # fmt: skip
        indexed = kind.get("indexed", [r.name for r in rows[FACT.name]])
        self._same(
            "fact_index_differs", FACT, case,
            {r.name: r.value for r in rows[FACT.name]},
            {n: str(so_far.facts[n])[:200] for n in indexed if so_far.facts.get(n) not in (None, "")},
        )  # fmt: skip
        self._messages(rows[OUTBOX.name], so_far, last["round"])
        self._references(rows[PRIVATE.name], so_far)

    def _same(self, code: str, table: Table, case: str, found: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        """Each row of a case is there, and as its history says; `found` and `said` are by the rest of the row's key."""
        for key in sorted({*found, *said}, key=_key):
            if key not in said:
                what = f"its history knows no such row: {found[key]!r}"
            elif key not in found:
                what = f"it is not there; its history says {said[key]!r}"
            elif found[key] != said[key]:
                what = f"it says {found[key]!r}, its history {said[key]!r}"
            else:
                continue
            self.report.wrong(code, f"{table.name} {case} {key}", what)

    def _messages(self, rows: list[Row[Any]], so_far: _Replayed, round_id: str) -> None:
        told = {key: {**message, "round": round_id} for key, message in so_far.told.items()}
        others = []
        for row in rows:
            at = (row.seq, row.ordinal)
            found = {"message": row.message, "recipient": row.recipient, "digest": _digest(row.body, so_far.algorithm)}
            if at in told and told[at] == {**found, "round": row.round_id}:
                del told[at]
            else:
                others.append((at, row))
        for at, row in others:
            if told.pop(at, None) is not None:
                self.report.wrong("message_differs", _name(OUTBOX.name, row), "it is not what its event tells")
            else:
                self.report.wrong("message_unexplained", _name(OUTBOX.name, row), "no event tells it")
        for (seq, ordinal), message in told.items():
            what = f"its message {ordinal} ({message['message']}) is not in the outbox"
            self.report.wrong("message_missing", f"ganchu_history {so_far.case} event {seq}", what)

    # ── private values ──

    def _private(self, row: Row[Any]) -> None:
        name = _name(PRIVATE.name, row)
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

    def _references(self, rows: list[Row[Any]], so_far: _Replayed) -> None:
        for row in rows:
            if row.id not in so_far.referred:
                self.report.wrong("private_astray", _name(PRIVATE.name, row), "no event of its case refers to it")
            elif (row.field, row.id) not in so_far.fields:
                what = f"no event refers to it under the name '{row.field}'"
                self.report.wrong("private_altered", _name(PRIVATE.name, row), what)
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
            for some in _chunks((case, seq) for case, (seq, _) in self.wanted_events.items()):
                query = select(EVENT.c.case_id, EVENT.c.seq).where(keys.in_(some))
                for case, seq in {*some} - {(r[0], r[1]) for r in self.connection.execute(query)}:
                    self._missing("event_missing", f"ganchu_history {case} event {seq}", self.wanted_events[case][1])
            self.wanted_events.clear()
        if len(self.wanted_values) >= at_least:
            for values in _chunks(self.wanted_values):
                found = self.connection.execute(select(PRIVATE.c.id).where(PRIVATE.c.id.in_(values))).scalars()
                for proof in {*values} - {*found}:
                    self._missing("private_missing", f"ganchu_private_value {proof}", self.wanted_values[proof])
            self.wanted_values.clear()

    def _missing(self, code: str, row: str, by: str) -> None:
        if row not in self.missing:
            self.missing.add(row)
            self.report.wrong(code, row, f"it is not there, but {by} rests on it")

    # ── definitions and calendars ──

    def _definition(self, fingerprint: str, body: Any) -> Mapping[str, Mapping[str, Any]]:
        """What the definition says of each kind that verification needs: its rank, and the facts that are indexed."""
        if _digest(body) != fingerprint:
            self.report.wrong("definition_altered", f"ganchu_definition {fingerprint}", "its body has another digest")
            return {}
        try:
            kinds = decode(body)["kinds"].items()
            return {name: {"rank": kind["rank"], "indexed": list(kind["indexed"])} for name, kind in kinds}
        except (NotCanonical, LookupError, TypeError, AttributeError):
            self.report.wrong("definition_altered", f"ganchu_definition {fingerprint}", "it describes no process")
            return {}

    def _calendar(self, version: str, body: Any) -> bool:
        if version.partition("-")[2] != _digest(body)[:16]:
            self.report.wrong("calendar_altered", f"ganchu_calendar_version {version}", "its body has another digest")
        return True


# ── the rows ──

_Key = tuple[bool, bytes]


class _Stream:
    """The rows of one table in the order of their cases; few of them are in memory at a time."""

    def __init__(self, connection: Connection, table: Table, by: str, *order: str) -> None:
        query = select(*_stored(table)).order_by(*(table.c[name] for name in (by, *order)))
        # On the statement: an option of the connection would stay with it, and it may be the host's.
        self._result = connection.execute(query.execution_options(yield_per=BATCH))
        self._at = list(table.c.keys()).index(by)
        self._next: Row[Any] | None = None
        self.key: _Key | None = None
        """The case of the next row; None at the end."""
        self._case: Any = None
        self._advance()

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self._result.close()

    def of(self, key: _Key) -> Iterator[Row[Any]]:
        """The rows of one case, which must be the next."""
        while self._next is not None and self.key == key:
            row = self._next
            self._advance()
            yield row

    def _advance(self) -> None:
        self._next = self._result.fetchone()
        if self._next is None:
            self.key = None
        elif self._next[self._at] != self._case:
            self._case = self._next[self._at]
            self.key = _key(self._case)


def _key(value: Any) -> _Key:
    """Sorts as both databases do: text by its bytes, and on SQLite what is no text after it."""
    return isinstance(value, bytes), value if isinstance(value, bytes) else _bytes(value)


def _stored(table: Table) -> list[ColumnElement[Any]]:
    """The columns, an instant as the number that is stored: not every number is an instant."""
    return [type_coerce(c, BigInteger).label(c.name) if isinstance(c.type, Instant) else c for c in table.c]


def _pairs(connection: Connection, table: Table, key: str) -> list[tuple[str, Any]]:
    return [(r[0], r[1]) for r in connection.execute(select(table.c[key], table.c.body).order_by(table.c[key]))]


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = list(items)
    for start in range(0, len(rest), BATCH):
        yield rest[start : start + BATCH]


_NAMED_BY = {
    PARTY.name: ("case_id", "role"),
    MEMBER.name: ("cohort_id", "application_id"),
    DEADLINE.name: ("case_id", "name"),
    FACT.name: ("case_id", "name"),
    OUTBOX.name: ("id",),
    PRIVATE.name: ("id",),
}


def _name(table: str, row: Row[Any]) -> str:
    return " ".join([table, *(str(getattr(row, column)) for column in _NAMED_BY[table])])


def _deadline(row: Row[Any]) -> dict[str, Any]:
    return {
        "name": row.name,
        "status": row.status,
        "due_at": None if row.due_at is None else _instant(row.due_at),
        "rule": row.rule,
        "fires": row.fires,
        "armed_at": _instant(row.armed_at),
        "remainder": row.remainder,
        "calendar": row.calendar,
        "round": row.round_id,
    }


def _instant(micros: Any) -> str:
    # SQLite keeps what it is given: a fraction of a microsecond would be rounded away.
    if type(micros) is int:
        try:
            return to_text(from_micros(micros))
        except OverflowError:
            pass
    return f"no instant: {micros!r}"


def _digest(text: Any, algorithm: str = "sha256") -> str:
    """The digest of a stored text; empty where it can have none."""
    try:
        return digest(text, algorithm) if isinstance(text, str) else ""
    except NotCanonical:
        return ""


# ── one event by itself ──


def _read(row: Row[Any]) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
    """The body of an event, or what is wrong with it: then nothing it says can be believed."""
    try:
        body = decode(row.body)
    except NotCanonical as error:
        return None, [("not_canonical", error.message)]
    number = body.get("format") if isinstance(body, dict) else None
    if type(number) is not int or number not in FORMATS:
        return None, [("format_unknown", "its body is not an event of a known format")]
    if not _well_formed(body):
        return None, [("event_malformed", f"its body is not as format {number} has it")]
    try:
        if digest(row.body, body["algorithm"]) != row.digest:
            return None, [("digest_wrong", "its body does not have the stored digest")]
    except NotCanonical as error:
        return None, [("digest_wrong", error.message)]
    return body, []


def _column_problems(row: Row[Any], body: Mapping[str, Any]) -> list[tuple[str, str]]:
    columns = {
        "case": row.case_id,
        "seq": row.seq,
        "round": row.round_id,
        "trigger": row.name,
        "recorded_at": _instant(row.recorded_at),
        "key": row.idempotency_key,
    }
    return [
        ("column_differs", f"the column for '{key}' says {value!r}, the body {body[key]!r}")
        for key, value in columns.items()
        if body[key] != value
    ]


def _sequence_problems(body: Mapping[str, Any], so_far: _Replayed) -> list[tuple[str, str]]:
    """What is wrong with an event that has the next number, seen from the event before it."""
    if (body["previous"] or "") not in so_far.heads:
        return [("chain_broken", "it was not written after the event before it")]
    if (body["opening"] is None) != bool(so_far.seq):
        return [("event_malformed", "the first event opens the case, and no other does")]
    before = so_far.before
    if before is None:
        return []
    if body["source"] != before["target"]:
        return [("states_differ", f"it leaves {body['source']}, but the event before reached {before['target']}")]
    if body["recorded_at"] < before["recorded_at"]:
        return [("time_goes_back", "it was recorded before the event before it")]
    return []


def _well_formed(body: dict[str, Any]) -> bool:
    """Whether everything that verification reads in an event is there and of its type."""
    opening, cause = body.get("opening"), body.get("cause")
    return (
        _is_shape(tuple(body), tuple(map(type, body.values())))
        and all(type(scope) is str for scope in body["parties"].values())
        and all(_is(item, name=str, status=str) for item in body["deadlines"])
        and all(_is(item, message=str, recipient=str, digest=str) for item in body["tells"])
        and all(type(m) is list and [type(v) for v in m] == [str, int] for m in body["members"] or ())
        and (cause is None or _is(cause, case=str, seq=int))
        and (opening is None or all(type(opening.get(k, 0)) in (str, _NONE) for k in ("parent", "of")))
    )


def _key_before(text: str, at: int) -> str:
    """The key whose value begins there; empty in a list."""
    return text[text.rindex('"', 0, at - 2) + 1 : at - 2] if text[at - 1] == ":" else ""


@cache
def _is_shape(keys: tuple[str, ...], types: tuple[type, ...]) -> bool:
    return list(keys) == list(_SHAPE) and all(t in _SHAPE[k] for k, t in zip(keys, types, strict=True))


def _is(item: Any, **types: type) -> bool:
    return type(item) is dict and all(type(item.get(key)) is wanted for key, wanted in types.items())


# ── the connection ──


def _one_state(connection: Connection) -> None:
    """On PostgreSQL each statement sees its own state of the database, unless the transaction is told otherwise."""
    if connection.dialect.name != "postgresql":
        return
    driver: Any = connection.connection.dbapi_connection
    # 0: no statement has been sent in this transaction, so that it can still be told.
    if getattr(getattr(driver, "info", None), "transaction_status", None) == 0:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


@contextmanager
def _as_stored(connection: Connection) -> Iterator[None]:
    """Read text that is no UTF-8 too: a byte that makes no text becomes a lone surrogate."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        before, driver.text_factory = driver.text_factory, _text
        try:
            yield
        finally:
            driver.text_factory = before
        return
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    class Lossless(Loader):
        def load(self, data: Any) -> str:
            return _text(bytes(data))

    loaders = {t: driver.adapters.get_loader(driver.adapters.types[t].oid, Format.TEXT) for t in ("text", "varchar")}
    for name in loaders:
        driver.adapters.register_loader(name, Lossless)
    try:
        yield
    finally:
        for name, loader in loaders.items():
            driver.adapters.register_loader(name, loader)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
