"""因系统故障顺延: the system could not be used, and every end of a round that fell into that time moves, in one act."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, ValidationError

from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import EPOCH, from_text, to_text
from ganchu_workflow.engine import telling
from ganchu_workflow.engine.cases import CaseState
from ganchu_workflow.engine.deadlines import ARMED, AWAITING, FIRED, Settling
from ganchu_workflow.engine.events import ADJUSTED
from ganchu_workflow.engine.recorder import Note, Recorder, plain
from ganchu_workflow.engine.requests import EXTEND_ROUND, Request, Step
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.deadlines import FactRule
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.language import Data
from ganchu_workflow.process.values import Message

BY = frozenset({Role.OFFICE})
FARTHEST = timedelta(days=5 * 366)
"""No act puts an end further away: a year that was mistyped could never be taken back."""
EXTENSIONS = "outage_extensions"
"""The fact that says which ends of a case an outage has moved, from where to where, on what ground."""


class Outage(Data):
    """From when to when the system could not be used, and until when every end within that time is moved.

    `document` and `ground` are what the extension rests on. Ends before `began`, or at or after `until`, stay.
    """

    began: AwareDatetime
    ended: AwareDatetime
    until: AwareDatetime
    document: Annotated[str, Field(min_length=1, max_length=120)]
    ground: Annotated[str, Field(min_length=1, max_length=500)]


def stands_against(outage: Outage, now: datetime) -> Refusal | None:
    """Why these instants cannot be an outage and its extension, if so."""
    if outage.began >= outage.ended:
        zh, en = "故障的止(ended)应晚于起(began)", "an outage ends (ended) after it begins (began)"
    elif outage.ended > now:
        zh, en = "故障的止(ended)晚于现在:故障结束后再办理", "the outage has not ended yet (ended): ask once it is over"
    elif outage.until <= now or outage.until < outage.ended:
        zh, en = "顺延后的截止时间(until)应晚于现在", "the new end (until) must lie ahead"
    elif outage.until - now > FARTHEST:
        zh = "顺延后的截止时间(until)距今超过五年,请核对年份"
        en = "the new end (until) lies more than five years ahead: see whether the year is right"
    else:
        return None
    instants = {"began": to_text(outage.began), "ended": to_text(outage.ended), "until": to_text(outage.until)}
    return Refusal("outage_invalid", zh, en, instants)


def settled_until(request: Request) -> datetime:
    """Whatever ran out in the round before that instant is fired before an act on the whole round.

    An outage that will be refused lets nothing be fired: the right one, asked for next, may begin earlier.
    """
    if request.step.trigger != EXTEND_ROUND:
        return EPOCH
    try:
        outage = Outage.model_validate(plain(request.step.data))
    except ValidationError:
        return EPOCH
    return EPOCH if stands_against(outage, request.effective_at) else outage.began


def extend_for_outage(
    work: Workspace, process: Process, recorder: Recorder, step: Step, outage: Outage, note: Note
) -> None:
    """Move every end of the round that lies in the outage, each as an event on its case, caused by that on the round.

    What had fired before it could be moved is named in the event: an act that was kept out is put right by a reversal.
    """
    round_id = str(step.case)
    # Nobody else changes anything in the round from here on: what is found now is all there is.
    work.rows.lock([round_id], {round_id})
    began, until = outage.began, outage.until
    found = work.rows.running_from(round_id, began)
    fired = list(_fired(work, round_id, began, until))
    cases = list(dict.fromkeys(case_id for case_id, _ in found))
    work.load(cases)
    cause = recorder.noted(step, ADJUSTED, _told(note, fired))
    for case_id in cases:
        _move(work, process, recorder, Step(step.trigger, case_id, {}, step.actor, cause=cause), outage)


def _told(note: Note, fired: list[list[str]]) -> Note:
    return Note({**note.given, "fired_already": fired}, note.private, request=note.request)


def _fired(work: Workspace, round_id: str, began: datetime, until: datetime) -> Iterator[list[str]]:
    """(case, deadline, due instant) of what ran out in the outage and has fired, oldest first."""
    for text in work.rows.events_since(round_id, began):
        body = decode(text)
        due = body["deadline"]
        if body["outcome"] == "moved" and due is not None and began <= from_text(due["due_at"]) < until:
            yield [body["case"], due["name"], due["due_at"]]


def _move(work: Workspace, process: Process, recorder: Recorder, step: Step, outage: Outage) -> None:
    case = work.get(str(step.case))
    kind = process.kind(case.kind)
    settling = Settling(work, process, case, recorder.request.effective_at)
    facts: dict[str, Any] = {}
    tells: list[Message] = []
    for timer in kind.timers:
        running = work.deadlines(case).get(timer.name)
        if running is None or running.status == FIRED or not settling.is_an_end(timer):
            continue
        end, rule = running.end, timer.deadline.rule
        runs = running.status in (ARMED, AWAITING)
        moves = runs and end is not None and outage.began <= end < outage.until
        if end is not None and moves and isinstance(rule, FactRule):
            facts |= _moved_fact(case, rule, end, outage)
            case.facts = {**case.facts, **facts}
            was: datetime | None = end
        else:
            moved = settling.past_outage(timer, running, outage.began, outage.until)
            settling.becomes(timer, moved)
            # Where only its grace is longer, until when that is.
            was = end if moves else running.due_at if moved.due_at != running.due_at else None
        if was is not None:
            about = {"ground": outage.ground, "document": outage.document}
            tells += telling.extended(kind, case, timer, was, outage.until, **about)
    for timer in kind.timers:
        before = work.deadlines(case).get(timer.name)
        if isinstance(timer.deadline.rule, FactRule) and before is not None and facts:
            settling.becomes(timer, settling.after(timer, before, case.state))
    if settling.changes:
        recorder.noted(step, ADJUSTED, Note({"document": outage.document}, (), facts, settling.changes, tells))


def _moved_fact(case: CaseState, rule: FactRule, end: datetime, outage: Outage) -> dict[str, Any]:
    moved = {"from": to_text(end), "to": to_text(outage.until), "ground": outage.ground, "document": outage.document}
    # A name of its own: what a stage calls its extensions is the stage's.
    return {rule.key: to_text(outage.until), EXTENSIONS: [*case.facts.get(EXTENSIONS, ()), moved]}
