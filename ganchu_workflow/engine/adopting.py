"""A round goes by an imported calendar from now on: what waited for it starts to run, what it lengthens is lengthened.

What is printed stands as it was printed, and no end that runs moves earlier: somebody may have been told of it. Both
are named in the event, with the end that the new calendar would have given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.engine.calendars import FACT
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.deadlines import ARMED, AWAITING, Settling
from ganchu_workflow.engine.events import ADJUSTED, RESOLVED, Cause
from ganchu_workflow.engine.recorder import Note, Recorder
from ganchu_workflow.engine.requests import Step
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import YearNotPublished
from ganchu_workflow.process.deadlines import EXTENDED, FactRule
from ganchu_workflow.process.definition import Process, Timer
from ganchu_workflow.timing import parse_limit

SHOWN = 1000
"""How many ends of one sort the event of a round names; how many there were, it always says."""
_End = list[str | None]


@dataclass
class _Found:
    """What the new calendar means for the ends of a round: [case, deadline, end until now, end by the new calendar]."""

    resolved: list[_End] = field(default_factory=list)
    later: list[_End] = field(default_factory=list)
    earlier: list[_End] = field(default_factory=list)
    printed: list[_End] = field(default_factory=list)

    def given(self) -> dict[str, Any]:
        """As the event of the round says it."""
        sorts = {"resolved": self.resolved, "later": self.later, "kept": self.earlier, "printed": self.printed}
        return {name: {"count": len(ends), "ends": ends[:SHOWN]} for name, ends in sorts.items()}


def adopt(work: Workspace, process: Process, recorder: Recorder, step: Step, imports: Mapping[str, str]) -> None:
    """Let the round go by these imports (year → digest), and bring its deadlines in line, each by an event of its own.

    One that waits for a year gets its end. One that was reckoned, runs, and ends later by the new calendar is moved
    there. Everything else stands.
    """
    round_case = work.get(str(step.case))
    # Nobody else changes anything in the round from here on: what is found now is all there is.
    work.rows.lock([round_case.id], {round_case.id})
    before = work.calendar
    round_case.facts = {**round_case.facts, FACT: dict(imports)}
    now = recorder.request.effective_at
    changed = [c.day for c in before.differences(work.calendar).days]
    first = datetime(changed[0].year, changed[0].month, changed[0].day, tzinfo=work.around.zone) if changed else None
    waiting = work.rows.awaiting_in(round_case.id)
    running = [] if first is None else work.rows.running_from(round_case.id, max(first, now))
    work.load(dict.fromkeys(case_id for case_id, _ in (*waiting, *running)))
    found = _Found()
    plan: list[tuple[Settling, str, list[dict[str, Any]]]] = []
    for case_id in dict.fromkeys(case_id for case_id, _ in (*waiting, *running)):
        plan.append(_brought_in_line(work, process, work.get(case_id), now, found))
    work.pending.calendar_used = True
    given = {"from": before.version, "to": work.calendar.version, "imports": dict(imports), **found.given()}
    cause = recorder.noted(step, ADJUSTED, Note(given, facts={FACT: dict(imports)}))
    for settling, outcome, changes in plan:
        if changes:
            _note(recorder, step, settling.case, outcome, changes, cause)


def _note(
    recorder: Recorder, step: Step, case: CaseState, outcome: str, changes: list[dict[str, Any]], cause: Cause
) -> None:
    recorder.noted(Step(step.trigger, case.id, {}, step.actor, cause=cause), outcome, Note(changes=changes))


def _brought_in_line(
    work: Workspace, process: Process, case: CaseState, now: datetime, found: _Found
) -> tuple[Settling, str, list[dict[str, Any]]]:
    settling = Settling(work, process, case, now)
    outcome = ADJUSTED
    for timer in process.kind(case.kind).timers:
        before = work.deadlines(case).get(timer.name)
        if before is None:
            continue
        if before.status == AWAITING:
            after = settling.resolved(timer, before)
            if after is not None:
                outcome = RESOLVED
                found.resolved.append(_end(case, timer, before, after.end))
                settling.becomes(timer, after)
        elif before.status == ARMED and before.due_at is not None and before.due_at >= now:
            _reckon_anew(work, settling, timer, before, found)
    return settling, outcome, settling.changes


def _reckon_anew(work: Workspace, settling: Settling, timer: Timer, before: Running, found: _Found) -> None:
    case, rule = settling.case, timer.deadline.rule
    if isinstance(rule, FactRule):
        end = _end_of_the_act(work, case, before)
        if end is not None and end != before.end:
            found.printed.append(_end(case, timer, before, end))
        return
    if before.calendar is None or before.rule.endswith(EXTENDED):
        return  # no calendar had a part in it, or an act has fixed it
    waiting = Running(
        before.name, AWAITING, None, before.rule, before.fires, before.armed_at, before.rule.partition(" = ")[2]
    )
    after = settling.resolved(timer, waiting)
    if after is None or after.end is None or before.end is None or after.end == before.end:
        return
    if after.end > before.end:
        found.later.append(_end(case, timer, before, after.end))
        settling.becomes(timer, after)
    else:
        found.earlier.append(_end(case, timer, before, after.end))


def _end_of_the_act(work: Workspace, case: CaseState, before: Running) -> datetime | None:
    """When a printed end would fall by the new calendar, by the rule that its act kept beside it."""
    rule, reckoned = case.facts.get("rule"), case.facts.get("reckoned")
    if not isinstance(rule, str) or (reckoned is not None and before.end != from_text(reckoned)):
        return None
    try:
        return work.reckon(parse_limit(rule), before.armed_at).due_at
    except YearNotPublished:
        return None


def _end(case: CaseState, timer: Timer, before: Running, after: datetime | None) -> _End:
    return [
        case.id,
        timer.name,
        to_text(before.end) if before.end else None,
        to_text(after) if after else None,
    ]
