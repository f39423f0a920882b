"""`transitions` as the table of a life cycle: flat, shared by all threads, never the authority.

No model is ever added, nothing is queued, no `to_<state>` methods exist, and callbacks are callables, not names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from transitions import Machine

from ganchu_workflow.errors import Fault, Refusal

NEW = "(new)"
"""The name under which the table knows a case that does not exist yet."""
Ask = Callable[[], Refusal | None]


def build_machine(states: Iterable[str], edges: Iterable[tuple[str, str | None, str]]) -> Machine:
    """The table of these edges (trigger, source, target)."""
    return Machine(
        model=None,
        states=[NEW, *states],
        transitions=[
            {"trigger": trigger, "source": source or NEW, "dest": target, "conditions": [_ask]}
            for trigger, source, target in edges
        ],
        initial=NEW,
        auto_transitions=False,
        queued=False,
        send_event=True,
    )


class Probe:
    """The throw-away object the machine is triggered on: it carries the question to the guards and brings back why not.

    The machine's own return value is never the answer to "did it move": `state` and `refusal` are.
    """

    __slots__ = ("ask", "refusal", "state")

    def __init__(self, state: str, ask: Ask) -> None:
        self.state = state
        self.ask = ask
        self.refusal: Refusal | None = None


def _ask(event: Any) -> bool:
    probe: Probe = event.model
    probe.refusal = probe.ask()
    return probe.refusal is None


def step(machine: Machine, trigger: str, source: str | None, target: str, ask: Ask) -> Refusal | None:
    """Ask the table for one step, with `ask()` putting the guards' question. Returns why not, or None.

    Raises `Fault` when the table does not have the edge, or leads elsewhere than it says: the two were built from
    different definitions.
    """
    probe = Probe(source or NEW, ask)
    event = machine.events.get(trigger)
    if event is None or probe.state not in event.transitions:
        raise Fault(f"the table knows no {trigger} from {probe.state}")
    event.trigger(probe)
    if probe.refusal is None and probe.state != target:
        raise Fault(f"the table leads {trigger} from {source or NEW} to {probe.state}, not to {target}")
    return probe.refusal
