"""What moves a script's time: the library's simulated clock, or freezegun's hold on the machine's own."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Protocol, runtime_checkable

from ganchu_workflow.clock import Clock, SystemClock
from ganchu_workflow.errors import Invalid


@runtime_checkable
class Hand(Protocol):
    """Anything that moves a clock: a `SimulatedClock`, what `freeze_time(…)` gives, a traveller of time-machine."""

    def move_to(self, instant: datetime, /) -> object:
        """Make it that instant."""
        ...


def frozen() -> Hand | None:
    """freezegun's hold on time, where it has one now."""
    # Not imported here: a host that does not use freezegun need not have it.
    api = sys.modules.get("freezegun.api")
    factories: list[Hand] = getattr(api, "freeze_factories", [])
    return factories[-1] if factories else None


def hand_of(clock: Clock) -> Hand:
    """What moves this clock. Raises `Invalid` when nothing does."""
    if isinstance(clock, Hand):
        return clock
    held = frozen() if isinstance(clock, SystemClock) else None
    if held is None:
        raise Invalid(
            f"nothing moves the workflow's {type(clock).__name__}: give the workflow a SimulatedClock, freeze time "
            "with freezegun before the script begins, or say what moves it: RoundScript(…, time=…)"
        )
    return held
