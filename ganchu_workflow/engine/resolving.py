"""Deadlines that wait for a year's calendar, and get their end once it is loaded."""

from __future__ import annotations

from ganchu_workflow.actors import CLOCK
from ganchu_workflow.engine.deadlines import AWAITING, Settling
from ganchu_workflow.engine.events import RESOLVED
from ganchu_workflow.engine.recorder import Note, Recorder
from ganchu_workflow.engine.requests import Request, Step
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.workspace import Workspace


def resolve(work: Workspace, book: Rulebook, case_id: str, name: str) -> bool:
    """Give a waiting deadline of the case its end, as an event; False where its calendar is still not loaded."""
    case = work.get(case_id)
    waiting, timer = work.deadlines(case).get(name), book.process.kind(case.kind).timer(name)
    if waiting is None or timer is None or waiting.status != AWAITING:
        return False
    settling = Settling(work, book.process, case, work.around.now)
    running = settling.resolved(timer, waiting)
    if running is None:
        return False
    settling.becomes(timer, running)
    step = Step("resolve_deadline", case_id, {}, CLOCK)
    Recorder(work, book, Request(step, case.round, work.around.now)).noted(
        step, RESOLVED, Note(changes=settling.changes)
    )
    return True
