"""One transaction's view of the round: what it has read, and what it has changed so far. Nothing here writes a row.

Guards and effects read through it (it is the `Reads` of the process language). Reading takes no locks. What was read is
remembered in two kinds: the *content* of a case (its events, by `seq`) and a *set* that a case owns (its children, its
acts, the applications of its stage, by `version`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from zoneinfo import ZoneInfo

from ganchu_workflow.canonical import decode
from ganchu_workflow.engine.calendars import FACT
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.surroundings import Pending, Surroundings
from ganchu_workflow.entropy import new_salt
from ganchu_workflow.errors import no_such_case
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.timing import Limit, Reckoning, WorkingCalendar, reckon


class RoundView:
    """The cases of one round as this transaction sees them, with the changes it has made itself."""

    def __init__(self, rows: Rows, around: Surroundings) -> None:
        self.rows = rows
        self.around = around
        self.pending = Pending()
        self.content_read: set[str] = set()
        self.sets_read: set[str] = set()
        self.touched: set[str] = set()
        self.changes = 0
        """How many steps have changed something here: what failed before its first one has left nothing behind."""
        self._cases: dict[str, CaseState] = {}
        self._running: dict[str, dict[str, Running]] = {}
        """The stored deadlines of cases that were asked for, by case and name."""
        self._children: dict[tuple[str, str], list[str]] = {}
        self._belonging: dict[tuple[str, str], list[str]] = {}
        self._acts: dict[str, list[tuple[str, str, int]]] = {}
        # What this transaction itself has opened and listed, so that no read looks through all cases for it.
        self._new_children: dict[tuple[str, str], list[str]] = {}
        self._new_belonging: dict[tuple[str, str], list[str]] = {}
        self._new_phases: dict[str, CaseState] = {}
        self._new_acts: dict[str, dict[str, tuple[str, str, int]]] = {}
        self._listed_anew: set[str] = set()
        self._applications: dict[tuple[str, ...], list[str]] = {}
        self._having: dict[tuple[str, str], list[str]] = {}
        self._phases: dict[str, str] | None = None
        self._round = ""
        self._trace: set[str] = set()

    # ── cases ──

    def in_round(self, round_id: str) -> None:
        """All that follows concerns this round."""
        self._round = round_id

    def get(self, case_id: str) -> CaseState:
        """The working copy of a case. Raises `Unknown` when there is no such case."""
        self.load([case_id])
        if case_id not in self._cases:
            raise no_such_case(case_id)
        self.content_read.add(case_id)
        self._trace.add(case_id)
        return self._cases[case_id]

    def load(self, ids: Iterable[str]) -> None:
        """Read cases that are not here yet, in one go."""
        missing = [i for i in dict.fromkeys(ids) if i not in self._cases]
        if missing:
            self._cases |= {c.id: c for c in self.rows.cases(missing)}

    def add(self, case: CaseState) -> None:
        """A case that this transaction opens."""
        case.new = True
        self._cases[case.id] = case
        if case.kind == "phase":
            self._new_phases.setdefault(case.stage, case)
        for owner, opened in ((case.parent, self._new_children), (case.of, self._new_belonging)):
            if owner is not None:
                self.touched.add(owner)
                opened.setdefault((owner, case.kind), []).append(case.id)

    def deadlines(self, case: CaseState) -> dict[str, Running]:
        """The deadlines of a case, read when first asked for."""
        if case.deadlines is None:
            if not case.new and case.id not in self._running:
                # With those of all its kind that are here: an act on a cohort asks for those of each member.
                self._read_deadlines([case.id, *(c.id for c in self._stored(case.kind))])
            case.deadlines = dict(self._running.get(case.id, ()))
            case.stored_deadlines = frozenset(case.deadlines)
        return case.deadlines

    def _read_deadlines(self, ids: Iterable[str]) -> None:
        missing = [i for i in dict.fromkeys(ids) if i not in self._running]
        if missing:
            self._running |= {i: {} for i in missing} | self.rows.deadlines(missing)

    def look_around(self, ids: Sequence[str], listed: Container[str]) -> list[str]:
        """Read these cases and their deadlines in one look; gives the cohorts that list those of them in `listed`."""
        cases, running, acts = self.rows.about(ids, listed)
        self._cases |= {c.id: c for c in cases}
        self._running |= {i: {} for i in ids} | running
        return list(dict.fromkeys(cohort for _, cohort, _, _ in acts))

    def ran_out(self, ids: Iterable[str], before: datetime) -> list[tuple[str, str, datetime]]:
        """(case, deadline, due instant) of the stored deadlines of these cases that fire and were due before that
        instant, in the order of due instants; in a round that was called off nothing is due any more."""
        stored = [i for i in ids if not self.is_new(i)]
        if not stored or (self._round in self._cases and self._cases[self._round].state == "cancelled"):
            return []
        # Of a case that has not been read yet they are not kept: what changes before it is read would go unseen.
        here = [i for i in stored if i in self._cases]
        found = self.rows.deadlines([i for i in stored if i not in self._cases or i not in self._running])
        self._running |= {i: found.get(i, {}) for i in here if i not in self._running}
        due = [
            (i, r.name, r.due_at)
            for i in stored
            for r in (self._running.get(i) or found.get(i, {})).values()
            if r.due_at is not None and r.fires_before(before)
        ]
        return sorted(due, key=lambda row: (row[2], row[0], row[1]))

    def due_already(self, case_id: str, before: datetime) -> bool:
        """Whether a deadline of a case that is here fires and is due before that instant, as it stands now."""
        return any(r.fires_before(before) for r in (self._cases[case_id].deadlines or {}).values())

    def set_members(self, cohort: CaseState, members: Sequence[tuple[str, int]]) -> None:
        """A cohort's new list; the acts of everybody on the old and the new list have changed."""
        old = self._member_rows(cohort)
        cohort.members = list(members)
        cohort.listed_anew = True
        self.touched.update(a for a, _ in [*old, *members])
        self._acts.clear()
        self._listed_anew.add(cohort.id)
        for application, _ in old:
            self._new_acts.get(application, {}).pop(cohort.id, None)
        for application, visit in members:
            self._new_acts.setdefault(application, {})[cohort.id] = (cohort.id, cohort.kind, visit)

    def phase(self, round_id: str, stage: str) -> CaseState | None:
        """The phase of a stage of the round."""
        stored = self.phases(round_id)
        if stage in self._new_phases:
            return self._new_phases[stage]
        return self.get(stored[stage]) if stage in stored else None

    def phases(self, round_id: str) -> dict[str, str]:
        """The stored phases of the round: stage instance → phase."""
        if self._phases is None:
            self._phases = self.rows.phases(round_id)
        return self._phases

    def knows_phases(self, phases: dict[str, str]) -> None:
        """The phases of the round, as an earlier transaction read them: they are those it was opened with."""
        self._phases = phases

    def crossed(self, round_id: str, *stages: str) -> None:
        """An application entered or left these stages: the counts their phases own have changed."""
        for stage in stages:
            phase = self.phase(round_id, stage) if stage else None
            if phase is not None:
                self.touched.add(phase.id)

    # ── the reads of the process language ──

    def case(self, case_id: str) -> CaseView:
        """The case as it stands in this transaction."""
        return self.get(case_id).view()

    def children(self, parent_id: str, kind: str) -> list[CaseView]:
        """Cases of a kind by parent, in the order of opening."""
        key = (parent_id, kind)
        if key not in self._children:
            self.prefetch_children([parent_id], kind)
        return self._views(parent_id, [*self._children[key], *self._new_children.get(key, ())])

    def knows_children(self, parent_id: str, kind: str) -> bool:
        """Whether the children of a kind have been read."""
        return (parent_id, kind) in self._children

    def prefetch_children(self, parent_ids: Sequence[str], kind: str) -> None:
        """Read the children of many cases in one go."""
        self.load(parent_ids)
        missing = [p for p in parent_ids if (p, kind) not in self._children]
        for parent in missing:
            self._children[(parent, kind)] = []
        stored = [p for p in missing if p in self._cases and not self._cases[p].new]
        for parent, child in self.rows.children(stored, kind) if stored else ():
            self._children[(parent, kind)].append(child)
        self.load([c for p in missing for c in self._children[(p, kind)]])

    def belonging(self, of_id: str, kind: str) -> list[CaseView]:
        """Cases of a kind by the act they belong to, in the order of opening."""
        key = (of_id, kind)
        if key not in self._belonging:
            self._belonging[key] = [] if self.get(of_id).new else self.rows.belonging(of_id, kind)
        return self._views(of_id, [*self._belonging[key], *self._new_belonging.get(key, ())])

    def members(self, cohort_id: str) -> list[CaseView]:
        """The applications a cohort lists, in its order."""
        rows = self._member_rows(self.get(cohort_id))
        self.load(a for a, _ in rows)
        return [self.get(a).view() for a, _ in rows]

    def acts(self, application_id: str, kind: str) -> list[CaseView]:
        """The cohorts of a kind that list the application on its present visit, in the order of opening."""
        application = self.get(application_id)
        if application_id not in self._acts:
            self._read_acts(application)
        found = [c for c, k, v in self._acts[application_id] if k == kind and v == application.visit]
        return self._views(application_id, found)

    def _read_acts(self, application: CaseState) -> None:
        """The acts of an application, and of all others that are here: an act on a cohort asks for those of each."""
        stored = [c.id for c in self._stored("application") if c.id not in self._acts]
        for case_id in {application.id, *stored}:
            self._acts[case_id] = list(self._new_acts.get(case_id, {}).values())
        for case_id, cohort, kind, visit in self.rows.acts(stored):
            if cohort not in self._listed_anew:
                self._acts[case_id].append((cohort, kind, visit))

    def applications(self, stages: Sequence[str], owner: str) -> list[CaseView]:
        """All applications that stand in these stages; the count is owned by the phase of `owner`, or by all phases."""
        key = tuple(stages)
        for stage in [owner] if owner else key:
            phase = self.phase(self._round, stage)
            if phase is not None:
                self.sets_read.add(phase.id)
        if key not in self._applications:
            self._applications[key] = self.rows.applications(self._round, key)
            self.load(self._applications[key])
        here = [c.id for c in self._cases.values() if c.kind == "application" and c.stage in key]
        found = [i for i in dict.fromkeys([*self._applications[key], *here]) if self._cases[i].stage in key]
        return self._sorted(found)

    def having(self, name: str, value: str, owner: str) -> list[CaseView]:
        """All applications of the round whose searchable fact `name` is `value`.

        Whoever opens an application, or changes such a fact of one, raises the version of the phase of `owner`.
        """
        phase = self.phase(self._round, owner)
        if phase is not None:
            self.sets_read.add(phase.id)
        key = (name, value)
        if key not in self._having:
            self._having[key] = self.rows.having(self._round, name, value)
            self.load(self._having[key])
        here = [c.id for c in self._cases.values() if c.kind == "application"]
        found = dict.fromkeys([*self._having[key], *here])
        # As the index has it: an absent fact is in no one's index, and is not the text "None".
        known = ((i, self._cases[i].facts.get(name)) for i in found)
        return self._sorted(i for i, fact in known if fact is not None and str(fact) == value)

    def private(self, commitment: str) -> str | None:
        """The value behind a commitment; None once it has been erased."""
        for row in self.pending.private:
            if row["id"] == commitment:
                return str(decode(row["value"]))
        found = self.rows.private(commitment)
        return None if found is None or found[1] is None else str(decode(found[1]))

    def secret(self) -> str:
        """128 fresh bits of chance, as hexadecimal text."""
        return new_salt(self.around.entropy)

    def reckon(self, period: Limit, start: datetime) -> Reckoning:
        """The end of a period under the calendar, zone and close of business in force."""
        calendar, zone, hour = self.in_force()
        return reckon(period, start, calendar, zone=zone, close_of_business=hour)

    def in_force(self) -> tuple[WorkingCalendar, ZoneInfo, time]:
        """The calendar, the zone and the close of business that the round goes by."""
        self.pending.calendar_used = True
        return self.calendar, self.around.zone, self.around.close_of_business

    @property
    def calendar(self) -> WorkingCalendar:
        """The working-day calendar in force in the round."""
        adopted = self.get(self._round).facts.get(FACT) if self._round else None
        return self.around.calendars.in_force(adopted, self.rows)

    def require_database(self) -> None:
        """Raise what the database failed with, if it did: then no rule has crashed that could not read."""
        self.rows.link.require_whole()

    # ── tracing ──

    @contextmanager
    def tracing(self) -> Iterator[set[str]]:
        """The cases that are read while the block runs."""
        outer, self._trace = self._trace, set()
        try:
            yield self._trace
        finally:
            self._trace = outer | self._trace

    def heads(self, ids: Iterable[str]) -> dict[str, str]:
        """The digest of the last event of each case."""
        return {i: self._cases[i].head for i in ids}

    def has(self, case_id: str) -> bool:
        """Whether the case has been read, or is opened, by this transaction."""
        return case_id in self._cases

    def is_new(self, case_id: str) -> bool:
        """Whether this transaction opens the case."""
        return case_id in self._cases and self._cases[case_id].new

    def _stored(self, kind: str) -> list[CaseState]:
        """The cases of a kind that have been read and were not opened here."""
        return [c for c in self._cases.values() if c.kind == kind and not c.new]

    def _member_rows(self, cohort: CaseState) -> list[tuple[str, int]]:
        if cohort.members is None:
            cohort.members = [] if cohort.new else self.rows.members(cohort.id)
        return cohort.members

    def _views(self, owner: str, ids: Sequence[str]) -> list[CaseView]:
        self.get(owner)
        self.sets_read.add(owner)
        self.load(ids)
        return self._sorted(dict.fromkeys(ids))

    def _sorted(self, ids: Iterable[str]) -> list[CaseView]:
        found = sorted((self.get(i) for i in ids), key=lambda c: (c.opened_at, c.id))
        return [c.view() for c in found]
