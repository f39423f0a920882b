"""A stage by itself, in the smallest plan it can stand in: so that it can be checked before any plan uses it."""

from __future__ import annotations

from pydantic import BaseModel

from ganchu_workflow.actors import Role
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.definition import Process, StageInstance
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    START,
    Outcome,
    PhaseWindow,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.rounds import CORE_KINDS

BEFORE, AFTER = "stage_before", "stage_after"
"""The names of the stages around it: where an application comes from, and where it goes on to."""


class _Before(Stage):
    """An application is declared, and passed on."""

    name = BEFORE
    drawn_up = State("已申报", owner=Role.OFFICE, initial=True)
    declare = Transition(START, drawn_up, by=Role.APPLICANT)
    pass_on = Transition(drawn_up, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(at_close={drawn_up: CARRY_ON})


class _After(Stage):
    """An application is decided on."""

    name = AFTER
    tabled = State("待决定", owner=Role.OFFICE, initial=True)
    chosen = State("入选", success=True)
    choose = Transition(tabled, chosen, by=Role.OFFICE)
    phase = PhaseWindow(at_close={tabled: CARRY_ON})


def define_alone(stage: Stage, settings: BaseModel) -> Process:
    """The process of this stage between two that only lead into it and out of it.

    One that opens applications stands first, one that nothing passes stands last; an outcome that a plan must wire
    leads back to where the application came from. Raises `DefinitionInvalid` with everything that is wrong.
    """
    transitions = type(stage).parts(Transition).values()
    opens = any(START in t.sources for t in transitions)
    outcomes = [t.target for t in transitions if isinstance(t.target, Outcome)]
    name = stage.name
    back = name if opens else BEFORE
    wiring = {o.name: back for o in outcomes if o is not PASSED and not o.ends_in}
    around = [
        *([] if opens else [StageInstance(BEFORE, _Before(), _Before.Settings())]),
        StageInstance(name, stage, settings, wiring),
        *([StageInstance(AFTER, _After(), _After.Settings())] if PASSED in outcomes else []),
    ]
    return define(around, CORE_KINDS)
