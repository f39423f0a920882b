"""The rows of a transition, read and written through the statements of `engine.sql`, over one connection.

Reads take no locks. `lock` takes them, in the lock order, once everything that was read is known.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Table

from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import encode
from ganchu_workflow.engine import sql
from ganchu_workflow.engine.cases import CaseState, Loaded, Running
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import CHUNK, IDS, Statement
from ganchu_workflow.store.tables import INDEXED
from ganchu_workflow.timing import WorkingCalendar


def by_chunks(link: Link, statement: Statement, ids: Iterable[str], **values: Any) -> Iterator[Any]:
    """The rows a statement finds for any number of `ids`, asked for in pieces."""
    for some in chunks(ids):
        yield from link.execute(statement, {**values, IDS: some})


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """`ids` in pieces of `CHUNK`, in their order."""
    rest = list(ids)
    for start in range(0, len(rest), CHUNK):
        yield rest[start : start + CHUNK]


class Rows:
    """The rows of the record, over one open transaction, which it neither begins nor ends."""

    def __init__(self, link: Link) -> None:
        self.link = link

    # ── reading ──

    def cases(self, ids: Iterable[str]) -> list[CaseState]:
        """The cases with their parties. An unknown id is simply not among them."""
        found: dict[str, CaseState] = {}
        for some in chunks(ids):
            cases, parties = self.link.gather([(sql.CASES, {IDS: some}), (sql.PARTIES, {IDS: some})])
            _put_together(found, cases, parties)
        return list(found.values())

    def about(
        self, ids: Sequence[str], listed: Container[str]
    ) -> tuple[list[CaseState], dict[str, dict[str, Running]], list[tuple[str, str, str, int]]]:
        """These cases and their deadlines, and the cohorts that list those of them in `listed`, in one look."""
        found: dict[str, CaseState] = {}
        running: dict[str, dict[str, Running]] = {}
        cohorts: list[tuple[str, str, str, int]] = []
        for some in chunks(ids):
            given = {IDS: some}
            cases, parties, deadlines, acts = self.link.gather(
                [
                    (sql.CASES, given),
                    (sql.PARTIES, given),
                    (sql.DEADLINES, given),
                    (sql.ACTS, {IDS: [i for i in some if i in listed]}),
                ]
            )
            _put_together(found, cases, parties)
            running |= _by_case(deadlines)
            cohorts += [_act(r) for r in acts]
        return list(found.values()), running, cohorts

    def children(self, parent_ids: Sequence[str], kind: str) -> list[tuple[str, str]]:
        """(parent, child) of a kind."""
        return [(r[0], r[1]) for r in by_chunks(self.link, sql.CHILDREN, parent_ids, kind=kind)]

    def belonging(self, of_id: str, kind: str) -> list[str]:
        """The cases of a kind that belong to an act."""
        return self.link.execute(sql.BELONGING, {"of": of_id, "kind": kind}).scalars()

    def members(self, cohort_id: str) -> list[tuple[str, int]]:
        """The applications a cohort lists, with the visit it lists them for, in its order."""
        return [(r.application_id, r.visit) for r in self.link.execute(sql.MEMBERS, {"cohort": cohort_id})]

    def acts(self, application_ids: Iterable[str]) -> list[tuple[str, str, str, int]]:
        """The cohorts that list applications: (application, cohort, its kind, the visit it lists it for)."""
        return [_act(r) for r in by_chunks(self.link, sql.ACTS, application_ids)]

    def applications(self, round_id: str, stages: Sequence[str]) -> list[str]:
        """The applications of a round that stand in these stages."""
        return [r.id for r in by_chunks(self.link, sql.APPLICATIONS, stages, round=round_id)]

    def having(self, round_id: str, name: str, value: str, kind: str = "application") -> list[str]:
        """The cases of a kind in a round whose searchable fact begins as `value` does, as far as the index goes."""
        values = {"name": name, "value": value[:INDEXED], "round": round_id, "kind": kind}
        return self.link.execute(sql.HAVING, values).scalars()

    def round_of(self, case_id: str) -> str | None:
        """The round of a case; None where there is no such case."""
        found: str | None = self.link.execute(sql.ROUND_OF, {"case": case_id}).scalar()
        return found

    def phases(self, round_id: str) -> dict[str, str]:
        """The phases of a round: stage instance → phase."""
        return {r.stage: r.id for r in self.link.execute(sql.PHASES, {"round": round_id})}

    def deadlines(self, case_ids: Iterable[str]) -> dict[str, dict[str, Running]]:
        """The deadlines of some cases: case → name → deadline."""
        return _by_case(by_chunks(self.link, sql.DEADLINES, case_ids))

    def due(self, before: datetime, now: datetime, limit: int, round_id: str | None = None) -> list[Any]:
        """What was due before that instant, of one round or of all, and does not rest `now`; oldest first.

        Each row has `case_id`, `name`, `due_at`, `round_id`, and `last_at`: when it was last tried in vain.
        """
        values = {"before": before, "present": now, "most": limit}
        if round_id is None:
            return self.link.execute(sql.DUE, values).rows
        return self.link.execute(sql.DUE_OF_ROUND, {**values, "round": round_id}).rows

    def running_from(self, round_id: str, first: datetime) -> list[tuple[str, str]]:
        """(case, deadline) of what runs in a round and is due at that instant or later."""
        found = self.link.execute(sql.RUNNING_FROM, {"round": round_id, "first": first})
        return [(r.case_id, r.name) for r in found]

    def standing_in(self, round_id: str) -> list[Any]:
        """What runs, waits for a year's calendar or has fired in a round, and is not gone.

        Each row has `case_id`, `name`, `status`, `due_at` and `calendar`.
        """
        return self.link.execute(sql.STANDING_IN, {"round": round_id}).rows

    def calendar_imports(self) -> list[tuple[str, int, str, str, str]]:
        """(id, year, paper, digest, body) of the calendars that were imported, oldest first."""
        return [(r.id, r.year, r.paper, r.digest, r.body) for r in self.link.execute(sql.IMPORTS, {})]

    def last_import_at(self) -> datetime | None:
        """When the latest import was made, by the clocks of those who made them."""
        made = [r.imported_at for r in self.link.execute(sql.IMPORTS, {})]
        return max(made, default=None)

    def calendar(self, version: str) -> str | None:
        """The body of a stored version of the working-day calendar."""
        body: str | None = self.link.execute(sql.CALENDAR_BODY, {"version": version}).scalar()
        return body

    def insert_import(self, row: dict[str, Any]) -> None:
        """A calendar that an office imported."""
        self._insert(sql.IMPORT, [row])

    def events_since(self, round_id: str, first: datetime) -> list[str]:
        """The bodies of the events of a round that were recorded at that instant or later, oldest first."""
        return self.link.execute(sql.SINCE, {"round": round_id, "first": first}).scalars()

    def rounds_with_deadlines(self) -> list[str]:
        """The rounds that have deadlines of any kind, in the order of their ids: one short look for each."""
        found: list[str] = []
        after = ""
        while (following := self.link.execute(sql.NEXT_ROUND, {"after": after}).scalar()) is not None:
            found.append(after := following)
        return found

    def awaiting(self, now: datetime, limit: int, after: tuple[str, str]) -> list[Any]:
        """What waits for a year's calendar and does not rest `now`, in order, after that (case, deadline).

        Each row has `case_id`, `name`, `round_id` and `last_at`.
        """
        values = {"after": after[0], "then": after[1], "present": now, "most": limit}
        return self.link.execute(sql.AWAITING, values).rows

    def keys_used(self, keys: Iterable[str]) -> list[str]:
        """Those of the idempotency keys under which an event was written."""
        return [r.idempotency_key for r in by_chunks(self.link, sql.USED, keys)]

    def event_by_key(self, key: str) -> str | None:
        """The body of the event that was written under an idempotency key."""
        body: str | None = self.link.execute(sql.BY_KEY, {"key": key}).scalar()
        return body

    def history(self, case_id: str) -> list[str]:
        """The bodies of the events of a case, the newest first."""
        return self.link.execute(sql.HISTORY, {"case": case_id}).scalars()

    def private(self, commitment: str) -> tuple[str | None, str | None] | None:
        """(salt, canonical value) behind a commitment; (None, None) once erased; None if there is none."""
        row = self.link.execute(sql.PRIVATE_VALUE, {"commitment": commitment}).first()
        return None if row is None else (row.salt, row.value)

    # ── locking ──

    def lock(self, ids: Sequence[str], written: Container[str]) -> dict[str, tuple[int, int]]:
        """Lock these cases in the order given, which must be the lock order; (seq, version) of each as it is now.

        What will be `written` is locked for itself; what was only read is locked so that nobody changes it, and others
        may read it too. SQLite has no row locks: there the transaction already holds the write lock.
        """
        if self.link.dialect.name == "sqlite":
            return self.versions(ids)
        groups = [
            (sql.LOCKED[w], {IDS: some}) for w, g in groupby(ids, key=lambda i: i in written) for some in chunks(g)
        ]
        # Sent together or not, each is carried out after the one before.
        return {r.id: (r.seq, r.version) for rows in self.link.gather(groups) for r in rows}

    def versions(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """(seq, version) of each case as it is now, without a lock."""
        return {r.id: (r.seq, r.version) for r in by_chunks(self.link, sql.VERSIONS, ids)}

    # ── writing ──

    def insert_cases(self, cases: Sequence[CaseState]) -> None:
        """The rows of new cases, with their parties and searchable facts."""
        fixed = [
            {"id": c.id, "round_id": c.round, "kind": c.kind, "position": c.position, "parent_id": c.parent}
            | {"of_id": c.of, "opened_at": c.opened_at, "version": 1, **_changing(c)}
            for c in cases
        ]
        self._insert(sql.CASE, fixed)
        self._insert(sql.PARTY, [row for c in cases for row in _parties(c)])
        self._insert(sql.FACT, [row for c in cases for row in _searchable(c)])

    def update_cases(self, cases: Sequence[CaseState]) -> None:
        """The rows of cases on which events were written; parties and searchable facts where they changed."""
        self._each(sql.UPDATE_CASE, [{"case": c.id, **_changing(c)} for c in cases])
        partied = [c for c in cases if c.parties_changed]
        self._each(sql.WITHOUT_PARTIES, [{"case": c.id} for c in partied])
        self._insert(sql.PARTY, [row for c in partied for row in _parties(c)])
        indexed = [c for c in cases if c.searchable is not None]
        self._each(sql.WITHOUT_FACTS, [{"case": c.id} for c in indexed])
        self._insert(sql.FACT, [row for c in indexed for row in _searchable(c)])

    def touch(self, ids: Sequence[str]) -> None:
        """Raise the version of cases whose set of children, acts or applications has changed."""
        for some in chunks(ids):
            self.link.execute(sql.TOUCH, {IDS: some})

    def write_members(self, cohort: CaseState) -> None:
        """A cohort's list, whole."""
        self.link.execute(sql.WITHOUT_MEMBERS, {"case": cohort.id})
        self._insert(
            sql.MEMBER,
            [
                {"cohort_id": cohort.id, "application_id": a, "visit": v, "ordinal": n}
                for n, (a, v) in enumerate(cohort.members or [], start=1)
            ],
        )

    def write_deadlines(self, cases: Sequence[CaseState]) -> None:
        """The deadlines of cases on which events were written, whole."""
        gone, changed, started = [], [], []
        for case in cases:
            for name in sorted(case.stored_deadlines - set(case.deadlines or ())):
                gone.append({"case": case.id, "deadline": name})
            for running in (case.deadlines or {}).values():
                if running.name in case.stored_deadlines:
                    changed.append({"case": case.id, "deadline": running.name, **_running(case, running)})
                else:
                    started.append({"case_id": case.id, "name": running.name, **_running(case, running)})
        self._each(sql.WITHOUT_DEADLINE, gone)
        self._each(sql.UPDATE_DEADLINE, changed)
        self._insert(sql.DEADLINE, started)

    def insert_events(self, rows: Sequence[dict[str, Any]]) -> None:
        """Events, in order."""
        self._insert(sql.EVENT, rows)

    def insert_outbox(self, rows: Sequence[dict[str, Any]]) -> None:
        """Messages to be delivered after the commit."""
        self._insert(sql.OUTBOX, rows)

    def insert_private(self, rows: Sequence[dict[str, Any]]) -> None:
        """Private values behind their commitments."""
        self._insert(sql.PRIVATE, rows)

    def keep_definition(self, fingerprint: str, body: str, now: datetime) -> None:
        """A definition, once."""
        if self.link.execute(sql.HAS_DEFINITION, {"fingerprint": fingerprint}).first() is None:
            self._insert(sql.DEFINITION, [{"fingerprint": fingerprint, "body": body, "recorded_at": now}])

    def keep_calendar(self, calendar: WorkingCalendar, now: datetime) -> None:
        """A calendar version, once."""
        version = calendar.version
        if self.link.execute(sql.HAS_CALENDAR, {"version": version}).first() is None:
            self._insert(sql.CALENDAR, [{"version": version, "body": encode(calendar.document()), "recorded_at": now}])

    def _insert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        self._each(sql.INSERTS[table.name], rows)

    def _each(self, statement: Statement, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self.link.executemany(statement, rows)


def _put_together(found: dict[str, CaseState], cases: Iterable[Any], parties: Iterable[Any]) -> None:
    for row in cases:
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
            facts=orjson.loads(row.facts),
            parties={},
            opened_at=row.opened_at,
            recorded_at=row.recorded_at,
            seq=row.seq,
            head=row.head,
            version=row.version,
            loaded=Loaded(row.seq, row.version),
        )
    for party in parties:
        if party.case_id in found:
            found[party.case_id].parties[Role(party.role)] = party.scope


def _by_case(rows: Iterable[Any]) -> dict[str, dict[str, Running]]:
    found: dict[str, dict[str, Running]] = {}
    for row in rows:
        found.setdefault(row.case_id, {})[row.name] = Running(
            row.name,
            row.status,
            row.due_at,
            row.rule,
            row.fires,
            row.armed_at,
            row.remainder,
            row.calendar,
            row.shown_at,
        )
    return found


def _act(row: Any) -> tuple[str, str, str, int]:
    return row.application_id, row.cohort_id, row.kind, row.visit


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


def _running(case: CaseState, running: Running) -> dict[str, Any]:
    return {
        "round_id": case.round,
        "fires": running.fires,
        "status": running.status,
        "due_at": running.due_at,
        "rule": running.rule,
        "remainder": running.remainder,
        "armed_at": running.armed_at,
        "calendar": running.calendar,
        "shown_at": running.shown_at,
    }


def _parties(case: CaseState) -> list[dict[str, Any]]:
    return [{"case_id": case.id, "role": role.value, "scope": scope} for role, scope in case.parties.items()]


def _searchable(case: CaseState) -> list[dict[str, Any]]:
    return [{"case_id": case.id, "name": name, "value": value} for name, value in (case.searchable or {}).items()]
