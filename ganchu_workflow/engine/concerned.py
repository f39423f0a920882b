"""Whose deadlines may govern an act, and whether one that is to be fired is still due."""

from __future__ import annotations

from collections.abc import Sequence

from ganchu_workflow.engine.deadlines import ARMED
from ganchu_workflow.engine.requests import Step
from ganchu_workflow.engine.workspace import Workspace


def still_due(work: Workspace, step: Step) -> bool:
    """Whether the deadline that a step fires runs, and still ends when it was to be fired."""
    if step.case is None or step.due is None:
        return False
    running = work.deadlines(work.get(step.case)).get(step.due.name)
    return running is not None and running.status == ARMED and running.due_at == step.due.due_at


def concerned_by(work: Workspace, round_id: str, steps: Sequence[Step]) -> list[str]:
    """The cases whose deadlines may govern the acts: their cases, parents, acts, the cohorts that list them, phases."""
    if any(step.opening is not None and step.opening.kind == "round" for step in steps):
        return []
    # All phases: an act may lead into any stage, and meet there what the end of its phase did.
    phases = list(work.phases(round_id).values())
    first = [step.case for step in steps if step.case is not None]
    # One look for all of them: nearly every act reads its round and its phase.
    ids: list[str | None] = [*work.look_around([*first, round_id, *phases], set(first))]
    for step in steps:
        if step.case is not None and work.has(step.case):
            case = work.get(step.case)
            ids += [case.id, case.parent, case.of]
        elif step.opening is not None:
            ids += [step.opening.parent, step.opening.of]
    return list(dict.fromkeys(i for i in [*ids, *phases] if i))
