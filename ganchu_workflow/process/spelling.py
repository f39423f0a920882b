"""Whether a life cycle is made of the things the language is made of: the first thing `define()` asks.

A name in quotes where a `State` or a `Role` belongs is the usual slip, and types are not checked when a class is
written: without these checks it would come out as an error of the engine's, far from where it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import Finding
from ganchu_workflow.process.deadlines import Deadline, FactRule, SettingRule
from ganchu_workflow.process.language import (
    CARRY_ON,
    LATER,
    OPEN,
    OWNER,
    START,
    Condition,
    Lifecycle,
    Outcome,
    PhaseWindow,
    Slot,
    Stage,
    State,
    Transition,
)

Slip = tuple[str, str]
"""What was declared wrongly, and what is wrong with it."""


def misspelt(lifecycle: type[Lifecycle]) -> list[Finding]:
    """What stands in the declarations of this class where something else belongs."""
    found = [
        *_states(lifecycle),
        *_transitions(lifecycle),
        *_deadlines(lifecycle),
        *(_phase(lifecycle) if issubclass(lifecycle, Stage) else ()),
    ]
    return [Finding(f"{lifecycle.__name__}.{where}", what) for where, what in found]


def _states(lifecycle: type[Lifecycle]) -> Iterator[Slip]:
    for name, state in lifecycle.parts(State).items():
        if not isinstance(state.label, str):
            yield name, f"its label is {state.label!r}; give it the text an official reads"
        if state.owner is not None and not isinstance(state.owner, Role):
            yield name, f"owner={state.owner!r} is no role; {_roles(state.owner)}"


def _transitions(lifecycle: type[Lifecycle]) -> Iterator[Slip]:
    for name, transition in lifecycle.parts(Transition).items():
        for source in transition.sources:
            if not isinstance(source, State | Slot) and source not in (START, OPEN, LATER):
                yield name, f"leaves {source!r}, which is no state; {_state(lifecycle, source)}"
        if not isinstance(transition.target, State | Slot | Outcome):
            yield name, f"leads to {transition.target!r}, which is no state; {_state(lifecycle, transition.target)}"
        for role in transition.by:
            if not isinstance(role, Role) and role is not OWNER:
                yield name, f"by={role!r} is no role; {_roles(role)}"
        if transition.when is not None and not isinstance(transition.when, Condition):
            yield name, f"when={transition.when!r} is no condition; there are any_open, none_open, settled, any_in, …"
        if transition.data is not None and not _is_class(transition.data, BaseModel):
            yield name, f"data={transition.data!r} is no data model; write a class based on Data"
        for rule in (*transition.guards, *transition.effects):
            if not isinstance(rule.id, str) or not isinstance(rule.version, int):
                yield name, f"the rule {rule.id!r} needs an id that is a text, and a version that is a whole number"


def _deadlines(lifecycle: type[Lifecycle]) -> Iterator[Slip]:
    for name, deadline in lifecycle.parts(Deadline).items():
        for state in (*deadline.runs_in, *deadline.stops_in):
            if not isinstance(state, State | Slot):
                yield name, f"names {state!r}, which is no state; {_state(lifecycle, state)}"
        if not isinstance(deadline.rule, FactRule | SettingRule):
            yield name, f"rule={deadline.rule!r} is no rule; give setting(…) or fact(…)"
        for fired in (*deadline.admits, *([] if deadline.fires is None else [deadline.fires])):
            if not isinstance(fired, Transition):
                yield name, f"names {fired!r}, which is no transition; {_transition(lifecycle, fired)}"


def _phase(stage: type[Stage]) -> Iterator[Slip]:
    window = stage.phase
    if window is not None and not isinstance(window, PhaseWindow):
        yield "phase", f"{window!r} is no PhaseWindow; give  phase = PhaseWindow(at_close={{…}})"
        return
    for admitted in window.admits if window else ():
        if not isinstance(admitted, Transition):
            yield "phase", f"admits {admitted!r}, which is no transition; {_transition(stage, admitted)}"
    for state, fate in window.at_close.items() if window else ():
        if not isinstance(state, State | Slot):
            yield "phase", f"at_close names {state!r}, which is no state; {_state(stage, state)}"
        if not isinstance(fate, Transition) and fate is not CARRY_ON:
            yield "phase", f"at_close gives {fate!r}, which is no transition; {_transition(stage, fate)} or CARRY_ON"


def _is_class(value: Any, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _state(lifecycle: type[Lifecycle], said: Any) -> str:
    return f"name the state itself, without quotes: {_meant(said, list(lifecycle.parts(State)))}"


def _transition(lifecycle: type[Lifecycle], said: Any) -> str:
    return f"name the transition itself, without quotes: {_meant(said, list(lifecycle.parts(Transition)))}"


def _roles(said: Any) -> str:
    return f"give {_meant(said, [role.value for role in Role], lambda name: f'Role.{name.upper()}')}"


def _meant(said: Any, names: list[str], spelt: Callable[[str], str] = str) -> str:
    """The one that was meant, if its name was said; else all there are."""
    return spelt(said) if said in names else " or ".join(spelt(n) for n in names) or "there is none"
