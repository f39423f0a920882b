"""What could be done next, asked without doing it: the same authority, windows and guards, and no write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ganchu_workflow.actors import RESERVED, Actor
from ganchu_workflow.engine.adjusting import END, EXTEND, FORMS, RESUME, SUSPEND
from ganchu_workflow.engine.admission import has_authority, may, not_allowed, round_stands_still, window_refusal
from ganchu_workflow.engine.calendars import Calendars
from ganchu_workflow.engine.cases import CaseState
from ganchu_workflow.engine.deadlines import ARMED, AWAITING, SUSPENDED
from ganchu_workflow.engine.outage import BY, Outage
from ganchu_workflow.engine.queries import Allowed
from ganchu_workflow.engine.requests import EXTEND_ROUND
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.surroundings import Surroundings
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.entropy import Entropy
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.definition import Edge
from ganchu_workflow.process.language import Data

RUNNING = (ARMED, AWAITING)
"""How a deadline stands that may be suspended, extended or ended."""


def foresee(
    rows: Rows,
    book: Rulebook,
    case_id: str,
    actor: Actor,
    now: datetime,
    calendars: Calendars,
    entropy: Entropy,
    *,
    round_wide: bool,
) -> list[Allowed]:
    """Every trigger a person could fire where the case stands, and for this actor what stands against it.

    Guards are asked only where the trigger needs no data: what depends on the data is known when it is given.
    `round_wide`: whether an act on a whole round may be asked for; inside a host's transaction it may not.
    """
    around = Surroundings(calendars, book.zone, book.close_of_business, entropy, now)
    work = Workspace(rows, around)
    case = work.get(case_id)
    work.in_round(case.round)
    edges = book.process.kind(case.kind).edges_from.get(case.state, ())
    human = [e for e in edges if e.by - RESERVED and not e.late]
    on_edges = [_allowed(work, book, case, edge, actor, now) for edge in human]
    return on_edges + [a for a in _beside(work, book, case, actor, now) if round_wide or a.trigger != EXTEND_ROUND]


def _beside(work: Workspace, book: Rulebook, case: CaseState, actor: Actor, now: datetime) -> Iterator[Allowed]:
    """The acts on deadlines that this actor could do now: nobody else is told of them.

    What is due is fired before any act on it, so there is none.
    """
    if case.kind == "round":
        if case.state != "cancelled" and has_authority(actor, BY, case):
            yield _taking(EXTEND_ROUND, Outage)
        return
    timers = book.process.kind(case.kind).timers
    running = work.deadlines(case)
    mine = [running[t.name] for t in timers if t.name in running and has_authority(actor, t.deadline.by, case)]
    if round_stands_still(work.get(case.round), case.kind) is not None:
        return
    wanted = {SUSPEND: RUNNING, RESUME: (SUSPENDED,), EXTEND: RUNNING, END: RUNNING}
    for trigger, statuses in wanted.items():
        if any(r.status in statuses and (r.due_at is None or r.due_at >= now) for r in mine):
            yield _taking(trigger, FORMS[trigger])


def _taking(trigger: str, form: type[Data]) -> Allowed:
    fields = form.model_fields
    return Allowed(trigger, None, tuple(fields), tuple(n for n, f in fields.items() if f.is_required()))


def _allowed(work: Workspace, book: Rulebook, case: CaseState, edge: Edge, actor: Actor, now: datetime) -> Allowed:
    model = edge.transition.data or Data
    required = tuple(name for name, field in model.model_fields.items() if field.is_required())
    refusal = _against(work, book, case, edge, actor, now, asks_guards=not required)
    if refusal is not None:
        refusal = replace(refusal, state=case.state, trigger=edge.name)
    return Allowed(edge.name, refusal, tuple(model.model_fields), required)


def _against(
    work: Workspace, book: Rulebook, case: CaseState, edge: Edge, actor: Actor, now: datetime, *, asks_guards: bool
) -> Refusal | None:
    if not may(edge, actor, case):
        return not_allowed(edge.by, actor)
    still = round_stands_still(work.get(case.round), case.kind)
    if still is not None:
        return still
    late = window_refusal(work, book.process, edge, case, now)
    if late is not None or not asks_guards:
        return late
    model = edge.transition.data or Data
    ctx = Context(
        reads=work,
        process=book.process,
        case=case.view(),
        data=model(),
        given={},
        actor=actor,
        now=now,
        received_at=now,
        settings=book.settings_of(edge.stage or case.stage),
        trigger=edge.name,
    )
    return book.ask(edge, ctx, work, [])
