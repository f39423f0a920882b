"""A round goes by another calendar from now on: what waited for it starts to run, what it lengthens is lengthened.

What is printed stands as it was printed, and no end that runs moves earlier: somebody may have been told of it. These
are named in the event of the round, with the end that the new calendar would have given; so is what had fired before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.engine import telling
from ganchu_workflow.engine.calendars import BASE, FACT
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.deadlines import ARMED, AWAITING, FIRED, Settling
from ganchu_workflow.engine.events import ADJUSTED, MOVED, RESOLVED, Cause
from ganchu_workflow.engine.limits import limit_of, started_by
from ganchu_workflow.engine.looking_back import running_of
from ganchu_workflow.engine.recorder import Note, Recorder
from ganchu_workflow.engine.requests import Step
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import DatabaseFault, Invalid, Refusal, Refused, WorkflowError, YearNotPublished
from ganchu_workflow.process.deadlines import FactRule
from ganchu_workflow.process.definition import Process, Timer
from ganchu_workflow.process.values import Message
from ganchu_workflow.timing import NotLaterThan, Period, WorkingCalendar, parse_limit, reckon
from ganchu_workflow.timing.days import day_it_ends

SHOWN = 1000
"""How many ends of one sort the event of a round names; how many there were, it always says."""
SORTS = ("resolved", "later", "kept", "printed", "fired_already", "unreckoned")
_BY_THEIR_OWN_EVENT = ("resolved", "later")
_End = list[str | None]


class _Found:
    """What the new calendar means for the ends of a round: [case, deadline, end until now, end by the new calendar]."""

    def __init__(self) -> None:
        self.ends: dict[str, list[_End]] = {sort: [] for sort in SORTS}
        self.counts: Counter[str] = Counter()
        self.beyond: dict[str, dict[str, list[_End]]] = {}
        """By case, what the event of the round has no room for: it stands in an event of the case."""

    def add(self, sort: str, case: CaseState, name: str, was: datetime | None, now: datetime | None) -> None:
        end = [case.id, name, *(to_text(instant) if instant else None for instant in (was, now))]
        self.counts[sort] += 1
        if len(self.ends[sort]) < SHOWN:
            self.ends[sort].append(end)
        elif sort not in _BY_THEIR_OWN_EVENT:
            self.beyond.setdefault(case.id, {}).setdefault(sort, []).append(end)

    def given(self) -> dict[str, Any]:
        """As the event of the round says it."""
        return {sort: {"count": self.counts[sort], "ends": ends} for sort, ends in self.ends.items()}


def adopt(work: Workspace, process: Process, recorder: Recorder, step: Step, latest: Mapping[str, str]) -> None:
    """Let the round go by `latest`, or by what of it is ahead of its own, and bring its deadlines in line.

    Each that changes does so by an event of its own. One that waits for a year gets its end. One that was reckoned,
    has not fired, and ends later by the new calendar is moved there, and a grace that becomes longer is lengthened,
    after a printed end and one that an act has fixed too. Everything else stands.

    Raises `Refused` (`calendar_adopted`) where the round goes by it already.
    """
    round_case = work.get(str(step.case))
    # Nobody else changes anything in the round from here on: what is found now is all there is.
    work.rows.lock([round_case.id], {round_case.id})
    calendars = work.around.calendars
    ahead = calendars.ahead(round_case.facts, latest, work.rows)
    if ahead is None:
        words = "the round goes by this calendar, or by one that knows more"
        raise Refused(Refusal("calendar_adopted", "本批次已采用最新的工作日历", words), case=round_case.id)
    before = work.calendar
    facts = calendars.adopted(round_case.facts, ahead)
    round_case.facts = {**round_case.facts, **facts}
    work.pending.calendar_used = True
    if ahead[BASE] == calendars.base.version:
        work.pending.calendars.append(calendars.base)
    adopting = _Adopting(work, process, recorder.request.effective_at, before)
    plan = list(adopting.all_of(round_case.id))
    found = adopting.found
    given = {"from": before.version, "to": work.calendar.version, FACT: ahead, **found.given()}
    cause = recorder.noted(step, ADJUSTED, Note(given, facts=facts))
    for case, outcome, changes, tells in plan:
        beyond = found.beyond.get(case.id, {})
        if changes or beyond:
            _note(recorder, step, case, outcome, Note(beyond, changes=changes, tells=tells), cause)


def _note(recorder: Recorder, step: Step, case: CaseState, outcome: str, note: Note, cause: Cause) -> None:
    recorder.noted(Step(step.trigger, case.id, {}, step.actor, cause=cause), outcome, note)


class _Adopting:
    """The deadlines of a round while it comes to go by another calendar than `before`."""

    def __init__(self, work: Workspace, process: Process, now: datetime, before: WorkingCalendar) -> None:
        self.work = work
        self.process = process
        self.now = now
        self.before = before
        self.after = work.calendar
        self.found = _Found()
        self._first: dict[str, date | None] = {before.version: _first_change(before, self.after)}

    def all_of(self, round_id: str) -> Iterator[tuple[CaseState, str, list[dict[str, Any]], list[Message]]]:
        """Each case of the round that it may concern: what sort of event, its changes, and who is told."""
        fired = list(self._fired(round_id))
        cases = [*self._running(round_id), *(case_id for case_id, _, _ in fired)]
        self.work.load(dict.fromkeys(cases))
        for case_id, name, running in fired:
            self._fired_already(self.work.get(case_id), name, running)
        for case_id in dict.fromkeys(cases):
            case = self.work.get(case_id)
            tells: list[Message] = []
            settling = Settling(self.work, self.process, case, self.now)
            deadlines = self.work.deadlines(case)
            waited = {name: running for name, running in deadlines.items() if running.status == AWAITING}
            for timer in self.process.kind(case.kind).timers:
                self._brought_in_line(settling, timer, tells)
            ends = {t.name for t in self.process.kind(case.kind).timers}
            runs = [n for n, before in waited.items() if n in deadlines and _is_known_now(before, deadlines[n])]
            for name in runs:
                was, now = waited[name], deadlines[name]
                instants = (was.end, now.end) if name in ends else (None, now.due_at)
                self.found.add("resolved", case, name, *instants)
            yield case, RESOLVED if runs else ADJUSTED, settling.changes, tells

    def _running(self, round_id: str) -> Iterator[str]:
        """The cases whose deadlines the new calendar may change: those of the others are not even read."""
        always = {
            timer.name
            for kind in self.process.kinds.values()
            for timer in kind.timers
            # A grace and an alert follow from the end, by days that the row of the deadline does not name.
            if isinstance(timer.deadline.rule, FactRule) or timer.deadline.grace or timer.deadline.alerts
        }
        for row in self.work.rows.standing_in(round_id):
            if row.name in always or row.status == AWAITING or self._touched(row.calendar, row.due_at):
                yield row.case_id

    def _touched(self, version: str | None, end: datetime | None) -> bool:
        """Whether a day on the way to that end, or after it, is another by the new calendar than by that version."""
        if version is None or end is None or version == self.after.version:
            return False
        if version not in self._first:
            stored = self._stored(version)
            # Of one that cannot be read nobody knows which days it had.
            self._first[version] = date.min if stored is None else _first_change(stored, self.after)
        first = self._first[version]
        return first is not None and end.astimezone(self.work.around.zone).date() >= first

    def _stored(self, version: str) -> WorkingCalendar | None:
        body = self.work.rows.calendar(version)
        try:
            return None if body is None else WorkingCalendar.from_document(decode(body))
        except Invalid:  # somebody has altered it
            return None

    # ── one deadline ──

    def _brought_in_line(self, settling: Settling, timer: Timer, tells: list[Message]) -> None:
        """One that cannot be reckoned stands, and keeps no other from it."""
        before = self.work.deadlines(settling.case).get(timer.name)
        if before is None:
            return
        try:
            if before.status == AWAITING and before.end is None:
                self._resolved(settling, timer, before, tells)
            elif before.status in (ARMED, AWAITING):
                self._reckoned_anew(settling, timer, before, tells)
            elif before.status == FIRED:
                settling.becomes(timer, before)  # its escalation may have waited for the year
        except DatabaseFault:
            raise
        except WorkflowError:
            self.found.add("unreckoned", settling.case, timer.name, before.end, None)

    def _resolved(self, settling: Settling, timer: Timer, before: Running, tells: list[Message]) -> None:
        after = settling.known(timer, before)
        if after is None or after.end is None:
            return
        settling.becomes(timer, after)
        case = settling.case
        until = settling.open_until(after)
        tells += telling.known(self.process.kind(case.kind), case, timer, until, self.now)

    def _reckoned_anew(self, settling: Settling, timer: Timer, before: Running, tells: list[Message]) -> None:
        """One whose end is known. It may still lack that of its grace."""
        case, end, due_at = settling.case, before.end, before.due_at
        assert end is not None
        try:
            given = self._given(case, timer, before, end)
        except DatabaseFault:
            raise
        except YearNotPublished:
            # It ends later, and nobody knows when: so it waits, and does not run out meanwhile.
            self.found.add("unreckoned", case, timer.name, end, None)
            waiting = replace(before, status=AWAITING, due_at=None, shown_at=None, calendar=None)
            settling.becomes(timer, replace(waiting, remainder=_limit_of(before)))
            return
        except WorkflowError:
            given = None  # its end stands; what follows from that end is reckoned all the same
            self.found.add("unreckoned", case, timer.name, end, None)
        shown = end if given is None else max(end, given)
        after = self._with_grace(settling, timer, before, shown)
        lengthened = due_at is not None and after.due_at is not None and after.due_at > due_at
        if shown > end:
            self.found.add("later", case, timer.name, end, shown)
            tells += telling.extended(self.process.kind(case.kind), case, timer, end, shown, why="calendar")
        elif lengthened:
            self.found.add("later", case, timer.name, due_at, after.due_at)
        elif due_at is None and after.due_at is not None and end < self.now:
            # Its end is past, and until when its grace runs is known only now.
            tells += telling.known(self.process.kind(case.kind), case, timer, after.due_at, self.now)
        if given is not None and given < end:
            self.found.add("kept", case, timer.name, end, given)
        # Also where nothing moves: an alert may have waited for the year.
        changed = shown > end or lengthened or due_at is None
        settling.becomes(timer, after if changed else before)

    def _given(self, case: CaseState, timer: Timer, before: Running, end: datetime) -> datetime | None:
        """The end by the new calendar, of a deadline that was reckoned and that it may concern.

        Raises `YearNotPublished` where it would reach into a year that nobody has published.
        """
        if isinstance(timer.deadline.rule, FactRule):
            self._printed(case, timer, before, end)
            return None
        if not self._touched(before.calendar, end):
            return None
        return self.work.reckon(parse_limit(_limit_of(before)), before.armed_at).due_at

    def _with_grace(self, settling: Settling, timer: Timer, before: Running, shown: datetime) -> Running:
        """The deadline with that end, and due no earlier than until now."""
        version = before.calendar if shown == before.end else self.after.version
        ends = replace(before, due_at=None, shown_at=shown, calendar=version)
        due_at = settling.grace_end(timer, ends)
        if due_at is None:
            # When its grace ends depends on a year that nobody has published: it waits for that, in the party's favour.
            known = before.due_at is not None and shown == before.end
            return before if known else replace(ends, status=AWAITING)
        if before.due_at is not None:
            due_at = max(due_at, before.due_at)
        after = replace(ends, status=ARMED, due_at=due_at, shown_at=shown if due_at > shown else None)
        return after if before.due_at is not None else settling.past_outages(timer, after, end_was_known=True)

    def _printed(self, case: CaseState, timer: Timer, before: Running, end: datetime) -> None:
        """A printed end stands; it is named where it is now short of the rule that its act kept beside it, or, where
        there is none, on a day that has been given off."""
        start = case.facts.get("opens_at")
        limit = case.facts.get("rule")
        if self._first[self.before.version] is None:
            return
        if not isinstance(limit, str):
            if self._given_off(end):
                self.found.add("printed", case, timer.name, end, None)
            return
        try:
            begins = from_text(start) if isinstance(start, str) else before.armed_at
            until_now, now = self._by_both(parse_limit(limit), begins)
        except Invalid:  # its stage has called something else by the names of these facts
            self.found.add("unreckoned", case, timer.name, end, None)
            return
        if now is not None and end < now and (until_now is None or until_now < now):
            self.found.add("printed", case, timer.name, end, now)

    def _given_off(self, end: datetime) -> bool:
        day = day_it_ends(end.astimezone(self.work.around.zone))
        try:
            return self.before.is_working_day(day) and not self.after.is_working_day(day)
        except YearNotPublished:
            return False

    def _by_both(self, limit: Period | NotLaterThan, start: datetime) -> tuple[datetime | None, datetime | None]:
        """The end by the calendar of until now, where it knows it, and by the new one."""
        return self._end_by(limit, start, self.before), self._end_by(limit, start, self.after)

    def _end_by(self, limit: Period | NotLaterThan, start: datetime, calendar: WorkingCalendar) -> datetime | None:
        around = self.work.around
        try:
            return reckon(limit, start, calendar, zone=around.zone, close_of_business=around.close_of_business).due_at
        except YearNotPublished:
            return None

    # ── what has fired ──

    def _fired(self, round_id: str) -> Iterator[tuple[str, str, Running]]:
        """(case, deadline, as it ran) of what has fired and was due on the first changed day or later, oldest first."""
        first = self._first[self.before.version]
        if first is None:
            return
        begins = datetime(first.year, first.month, first.day, tzinfo=self.work.around.zone)
        for text in self.work.rows.events_since(round_id, begins):
            body = decode(text)
            due = body["deadline"]
            if body["outcome"] != MOVED or due is None or from_text(due["due_at"]) < begins:
                continue
            ran = next((c for c in body["deadlines"] if (c["name"], c["status"]) == (due["name"], FIRED)), None)
            if ran is not None:
                yield body["case"], due["name"], running_of(ran)

    def _fired_already(self, case: CaseState, name: str, ran: Running) -> None:
        """Named where it would not have fired yet by the new calendar: a reversal may put right what it led to."""
        timer = self.process.kind(case.kind).timer(name, case.stage)
        if timer is None or ran.end is None:
            return
        try:
            if isinstance(timer.deadline.rule, FactRule):
                limit, start = case.facts.get("rule"), case.facts.get("opens_at")
                begins = from_text(start) if isinstance(start, str) else ran.armed_at
            else:
                limit, begins = None if ran.calendar is None else _limit_of(ran), ran.armed_at
            until_now, now = self._by_both(parse_limit(limit), begins) if isinstance(limit, str) else (None, None)
        except Invalid:
            self.found.add("unreckoned", case, name, ran.end, None)
            return
        if now is not None and ran.end < now and (until_now is None or until_now < now):
            self.found.add("fired_already", case, name, ran.end, now)
            return
        grace = limit_of(self.process, timer, timer.deadline.grace, case.stage) if timer.deadline.grace else None
        if grace is not None and ran.shown_at is not None and ran.due_at is not None:
            until_now, now = self._by_both(grace, started_by(grace, ran.shown_at))
            if now is not None and ran.due_at < now and (until_now is None or until_now < now):
                self.found.add("fired_already", case, name, ran.due_at, now)


def _is_known_now(before: Running, now: Running) -> bool:
    """Whether what waited for the year runs now, or has its end at least, while its grace still waits."""
    return now.status == ARMED or (now.status == AWAITING and before.end is None and now.end is not None)


def _first_change(before: WorkingCalendar, after: WorkingCalendar) -> date | None:
    return next((change.day for change in before.differences(after).days if change.matters), None)


def _limit_of(running: Running) -> str:
    """The period that it was reckoned by, if no act has fixed its end."""
    return running.rule.partition(" = ")[2]
