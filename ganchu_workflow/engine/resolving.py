"""Deadlines that wait for a year's calendar, and get their end once it is loaded."""

from __future__ import annotations

from ganchu_workflow.actors import CLOCK
from ganchu_workflow.engine import telling
from ganchu_workflow.engine.deadlines import AWAITING, Settling, alerts_of
from ganchu_workflow.engine.events import RESOLVED
from ganchu_workflow.engine.recorder import Note, Recorder
from ganchu_workflow.engine.requests import Request, Step
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.process.values import Message


def resolve(work: Workspace, book: Rulebook, case_id: str, name: str) -> bool:
    """Give a waiting deadline of the case its end, or a waiting alert its instant, as an event; False where its
    calendar is still not loaded."""
    case = work.get(case_id)
    deadlines, kind = work.deadlines(case), book.process.kind(case.kind)
    if name not in deadlines or deadlines[name].status != AWAITING:
        return False
    settling = Settling(work, book.process, case, work.around.now)
    timer, tells = kind.timer(name), list[Message]()
    running = settling.known(timer, deadlines[name]) if timer is not None else None
    if timer is None:
        timer = next((t for t, _, alert in alerts_of(kind) if alert == name), None)
        running = deadlines.get(timer.name) if timer is not None else None
    if timer is None or running is None:
        return False
    if name == timer.name and (deadlines[name].end is None or running.due_at is not None):
        tells = telling.known(kind, case, timer, settling.open_until(running), work.around.now)
    settling.becomes(timer, running)
    if not settling.changes:
        return False
    step = Step("resolve_deadline", case_id, {}, CLOCK)
    Recorder(work, book, Request(step, case.round, work.around.now)).noted(
        step, RESOLVED, Note(changes=settling.changes, tells=tells)
    )
    return True
