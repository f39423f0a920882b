"""The SQL of a transition: every statement that reads or writes a case, on one connection, in one module.

Reads take no locks. `lock` takes them, in the lock order, once everything that was read is known.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, insert, select, tuple_, update

from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import encode
from ganchu_workflow.engine.cases import CaseState, Loaded, Running
from ganchu_workflow.store.tables import INDEXED, METADATA

CASE = METADATA.tables["ganchu_case"]
MEMBER = METADATA.tables["ganchu_member"]
PARTY = METADATA.tables["ganchu_party"]
FACT = METADATA.tables["ganchu_fact_index"]
EVENT = METADATA.tables["ganchu_history"]
DEADLINE = METADATA.tables["ganchu_deadline"]
OUTBOX = METADATA.tables["ganchu_outbox"]
DEFINITION = METADATA.tables["ganchu_definition"]
CALENDAR = METADATA.tables["ganchu_calendar_version"]
PRIVATE = METADATA.tables["ganchu_private_value"]
NOT_CALLED_OFF = ~select(CASE.c.id).where(CASE.c.id == DEADLINE.c.round_id, CASE.c.state == "cancelled").exists()
"""Of deadlines: nothing is due any more in a round that was cancelled, whatever was running there."""
CHUNK = 400
"""How many identifiers go into one statement: below the smallest limit of the supported databases."""


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """`ids` in pieces of `CHUNK`, in their order."""
    rest = list(ids)
    for start in range(0, len(rest), CHUNK):
        yield rest[start : start + CHUNK]


class Rows:
    """The rows of the record, over one open connection. It begins and ends no transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    # ── reading ──

    def cases(self, ids: Iterable[str]) -> list[CaseState]:
        """The cases with their parties. An unknown id is simply not among them."""
        found: dict[str, CaseState] = {}
        for some in chunks(ids):
            for row in self.connection.execute(select(CASE).where(CASE.c.id.in_(some))):
                found[row.id] = CaseState(
                    id=row.id,
                    kind=row.kind,
                    state=row.state,
                    stage=row.stage or "",
                    visit=row.visit,
                    round=row.round_id,
                    parent=row.parent_id,
                    of=row.of_id,
                    position=row.position,
                    facts=json.loads(row.facts),
                    parties={},
                    opened_at=row.opened_at,
                    recorded_at=row.recorded_at,
                    seq=row.seq,
                    head=row.head,
                    version=row.version,
                    loaded=Loaded(row.seq, row.version),
                )
            for party in self.connection.execute(select(PARTY).where(PARTY.c.case_id.in_(some))):
                if party.case_id in found:
                    found[party.case_id].parties[Role(party.role)] = party.scope
        return list(found.values())

    def children(self, parent_ids: Sequence[str], kind: str) -> list[tuple[str, str]]:
        """(parent, child) of a kind."""
        query = select(CASE.c.parent_id, CASE.c.id).where(CASE.c.kind == kind)
        return self._pairs(query, CASE.c.parent_id, parent_ids)

    def belonging(self, of_id: str, kind: str) -> list[str]:
        """The cases of a kind that belong to an act."""
        query = select(CASE.c.id).where(CASE.c.of_id == of_id, CASE.c.kind == kind)
        return list(self.connection.execute(query).scalars())

    def members(self, cohort_id: str) -> list[tuple[str, int]]:
        """The applications a cohort lists, with the visit it lists them for, in its order."""
        query = select(MEMBER.c.application_id, MEMBER.c.visit).where(MEMBER.c.cohort_id == cohort_id)
        return [(r.application_id, r.visit) for r in self.connection.execute(query.order_by(MEMBER.c.ordinal))]

    def acts(self, application_id: str) -> list[tuple[str, str, int]]:
        """The cohorts that list an application: (cohort, its kind, the visit it lists it for)."""
        query = (
            select(MEMBER.c.cohort_id, CASE.c.kind, MEMBER.c.visit)
            .join(CASE, CASE.c.id == MEMBER.c.cohort_id)
            .where(MEMBER.c.application_id == application_id)
        )
        return [(r.cohort_id, r.kind, r.visit) for r in self.connection.execute(query)]

    def applications(self, round_id: str, stages: Sequence[str]) -> list[str]:
        """The applications of a round that stand in these stages."""
        query = select(CASE.c.id).where(
            CASE.c.round_id == round_id, CASE.c.kind == "application", CASE.c.stage.in_(list(stages))
        )
        return list(self.connection.execute(query).scalars())

    def having(self, round_id: str, name: str, value: str, kind: str = "application") -> list[str]:
        """The cases of a kind in a round whose searchable fact begins as `value` does, as far as the index goes."""
        query = select(CASE.c.id).join(FACT, FACT.c.case_id == CASE.c.id)
        query = query.where(FACT.c.name == name, FACT.c.value == value[:INDEXED], CASE.c.round_id == round_id)
        return list(self.connection.execute(query.where(CASE.c.kind == kind)).scalars())

    def phases(self, round_id: str) -> dict[str, str]:
        """The phases of a round: stage instance → phase."""
        query = select(CASE.c.stage, CASE.c.id).where(CASE.c.round_id == round_id, CASE.c.kind == "phase")
        return {r.stage: r.id for r in self.connection.execute(query)}

    def deadlines(self, case_ids: Iterable[str]) -> dict[str, dict[str, Running]]:
        """The deadlines of some cases: case → name → deadline."""
        found: dict[str, dict[str, Running]] = {}
        for some in chunks(case_ids):
            for row in self.connection.execute(select(DEADLINE).where(DEADLINE.c.case_id.in_(some))):
                found.setdefault(row.case_id, {})[row.name] = Running(
                    row.name, row.status, row.due_at, row.rule, row.fires, row.armed_at, row.remainder, row.calendar
                )
        return found

    def due(
        self, before: datetime, limit: int, case_ids: Sequence[str] | None = None
    ) -> list[tuple[str, str, datetime]]:
        """(case, deadline, due instant) of what was due before that instant, in the order of due instants."""
        query = select(DEADLINE.c.case_id, DEADLINE.c.name, DEADLINE.c.due_at).where(
            DEADLINE.c.status == "armed", DEADLINE.c.fires.is_not(None), DEADLINE.c.due_at < before, NOT_CALLED_OFF
        )
        if case_ids is not None:
            query = query.where(DEADLINE.c.case_id.in_(list(case_ids)))
        query = query.order_by(DEADLINE.c.due_at, DEADLINE.c.case_id, DEADLINE.c.name).limit(limit)
        return [(r.case_id, r.name, r.due_at) for r in self.connection.execute(query)]

    def awaiting(self, limit: int, after: tuple[str, str]) -> list[tuple[str, str]]:
        """(case, deadline) of what waits for a year's calendar, in order, after that one."""
        query = select(DEADLINE.c.case_id, DEADLINE.c.name).where(
            DEADLINE.c.status == "awaiting_calendar", tuple_(DEADLINE.c.case_id, DEADLINE.c.name) > tuple_(*after)
        )
        query = query.order_by(DEADLINE.c.case_id, DEADLINE.c.name).limit(limit)
        return [(r.case_id, r.name) for r in self.connection.execute(query)]

    def event_by_key(self, key: str) -> str | None:
        """The body of the event that was written under an idempotency key."""
        return self.connection.execute(select(EVENT.c.body).where(EVENT.c.idempotency_key == key)).scalar()

    def private(self, commitment: str) -> tuple[str | None, str | None] | None:
        """(salt, canonical value) behind a commitment; (None, None) once erased; None if there is none."""
        row = self.connection.execute(select(PRIVATE.c.salt, PRIVATE.c.value).where(PRIVATE.c.id == commitment)).first()
        return None if row is None else (row.salt, row.value)

    def _pairs(self, query: Any, column: Any, ids: Sequence[str]) -> list[tuple[str, str]]:
        return [(r[0], r[1]) for some in chunks(ids) for r in self.connection.execute(query.where(column.in_(some)))]

    # ── locking ──

    def lock(self, ids: Sequence[str], written: Container[str]) -> dict[str, tuple[int, int]]:
        """Lock these cases in the order given, which must be the lock order; (seq, version) of each as it is now.

        What will be `written` is locked for itself; what was only read is locked so that nobody changes it, and others
        may read it too. SQLite has no row locks: there the transaction already holds the write lock.
        """
        found: dict[str, tuple[int, int]] = {}
        for writes, group in groupby(ids, key=lambda i: i in written):
            for some in chunks(group):
                query = select(CASE.c.id, CASE.c.seq, CASE.c.version).where(CASE.c.id.in_(some))
                query = query.order_by(CASE.c.position, CASE.c.id).with_for_update(read=not writes)
                found |= {r.id: (r.seq, r.version) for r in self.connection.execute(query)}
        return found

    def versions(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """(seq, version) of each case as it is now, without a lock."""
        found: dict[str, tuple[int, int]] = {}
        for some in chunks(ids):
            query = select(CASE.c.id, CASE.c.seq, CASE.c.version).where(CASE.c.id.in_(some))
            found |= {r.id: (r.seq, r.version) for r in self.connection.execute(query)}
        return found

    # ── writing ──

    def insert_cases(self, cases: Sequence[CaseState]) -> None:
        """The rows of new cases, with their parties and searchable facts."""
        fixed = [
            {"id": c.id, "round_id": c.round, "kind": c.kind, "position": c.position, "parent_id": c.parent}
            | {"of_id": c.of, "opened_at": c.opened_at, "version": 1, **_changing(c)}
            for c in cases
        ]
        self._insert(CASE, fixed)
        self._insert(PARTY, [row for c in cases for row in _parties(c)])
        self._insert(FACT, [row for c in cases for row in _searchable(c)])

    def update_cases(self, cases: Sequence[CaseState]) -> None:
        """The rows of cases on which events were written; parties and searchable facts where they changed."""
        for case in cases:
            self.connection.execute(
                update(CASE).where(CASE.c.id == case.id).values(version=CASE.c.version + 1, **_changing(case))
            )
            if case.parties_changed:
                self.connection.execute(delete(PARTY).where(PARTY.c.case_id == case.id))
                self._insert(PARTY, _parties(case))
            if case.searchable is not None:
                self.connection.execute(delete(FACT).where(FACT.c.case_id == case.id))
                self._insert(FACT, _searchable(case))

    def touch(self, ids: Sequence[str]) -> None:
        """Raise the version of cases whose set of children, acts or applications has changed."""
        for some in chunks(ids):
            self.connection.execute(update(CASE).where(CASE.c.id.in_(some)).values(version=CASE.c.version + 1))

    def write_members(self, cohort: CaseState) -> None:
        """A cohort's list, whole."""
        self.connection.execute(delete(MEMBER).where(MEMBER.c.cohort_id == cohort.id))
        self._insert(
            MEMBER,
            [
                {"cohort_id": cohort.id, "application_id": a, "visit": v, "ordinal": n}
                for n, (a, v) in enumerate(cohort.members or [], start=1)
            ],
        )

    def write_deadlines(self, cases: Sequence[CaseState]) -> None:
        """The deadlines of cases on which events were written, whole."""
        for case in cases:
            if case.deadlines is None:
                continue
            for name in sorted(case.stored_deadlines - set(case.deadlines)):
                self.connection.execute(
                    delete(DEADLINE).where(and_(DEADLINE.c.case_id == case.id, DEADLINE.c.name == name))
                )
            for running in case.deadlines.values():
                values = {
                    "round_id": case.round,
                    "fires": running.fires,
                    "status": running.status,
                    "due_at": running.due_at,
                    "rule": running.rule,
                    "remainder": running.remainder,
                    "armed_at": running.armed_at,
                    "calendar": running.calendar,
                }
                if running.name in case.stored_deadlines:
                    where = and_(DEADLINE.c.case_id == case.id, DEADLINE.c.name == running.name)
                    self.connection.execute(update(DEADLINE).where(where).values(**values))
                else:
                    self._insert(DEADLINE, [{"case_id": case.id, "name": running.name, **values}])

    def insert_events(self, rows: Sequence[dict[str, Any]]) -> None:
        """Events, in order."""
        self._insert(EVENT, rows)

    def insert_outbox(self, rows: Sequence[dict[str, Any]]) -> None:
        """Messages to be delivered after the commit."""
        self._insert(OUTBOX, rows)

    def insert_private(self, rows: Sequence[dict[str, Any]]) -> None:
        """Private values behind their commitments."""
        self._insert(PRIVATE, rows)

    def keep_definition(self, fingerprint: str, body: str, now: datetime) -> None:
        """A definition, once."""
        if (
            self.connection.execute(
                select(DEFINITION.c.fingerprint).where(DEFINITION.c.fingerprint == fingerprint)
            ).first()
            is None
        ):
            self._insert(DEFINITION, [{"fingerprint": fingerprint, "body": body, "recorded_at": now}])

    def keep_calendar(self, version: str, document: dict[str, Any], now: datetime) -> None:
        """A calendar version, once."""
        if self.connection.execute(select(CALENDAR.c.version).where(CALENDAR.c.version == version)).first() is None:
            self._insert(CALENDAR, [{"version": version, "body": encode(document), "recorded_at": now}])

    def _insert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self.connection.execute(insert(table), list(rows))


def _changing(case: CaseState) -> dict[str, Any]:
    return {
        "state": case.state,
        "stage": case.stage or None,
        "visit": case.visit,
        "seq": case.seq,
        "head": case.head,
        "facts": encode(case.facts),
        "recorded_at": case.recorded_at,
    }


def _parties(case: CaseState) -> list[dict[str, Any]]:
    return [{"case_id": case.id, "role": role.value, "scope": scope} for role, scope in case.parties.items()]


def _searchable(case: CaseState) -> list[dict[str, Any]]:
    return [{"case_id": case.id, "name": name, "value": value} for name, value in (case.searchable or {}).items()]
