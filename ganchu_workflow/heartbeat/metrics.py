"""The numbers of a beat, for whatever a host measures with."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Self

from ganchu_workflow.engine.overdue import Tally
from ganchu_workflow.engine.stuck import PARKED, REFUSED, RETRYING, UNRUNNABLE
from ganchu_workflow.store.skew import Skew


@dataclass(frozen=True, slots=True)
class Metrics:
    """Plain numbers after a beat. While the database is away, what only it knows is None."""

    fired: int
    """Deadlines fired in this beat."""
    tried_in_vain: int
    """Deadlines that would not fire in this beat."""
    late: int | None
    """Deadlines that are due and have not fired, whether or not they have been tried."""
    refused: int | None
    """Those of them that a rule refuses."""
    retrying: int | None
    """Those whose firing crashed and is tried again."""
    parked: int | None
    """Those that wait for a person to release them."""
    unrunnable: int | None
    """Those of rounds that the installed stages cannot run."""
    oldest_lateness: float | None
    """How late the one is that is latest, in seconds; 0 when none is."""
    histogram: tuple[tuple[float, int], ...] | None
    """How many are late by up to so many seconds and by more than the step before; the last step is `inf`."""
    skew: float | None
    """Seconds by which the clock of the database's server is ahead of this machine's; None where it is not measured."""

    @classmethod
    def of(cls, tally: Tally | None, fired: int, tried_in_vain: int, skew: Skew | None) -> Self:
        """Put together what is known."""
        histogram = None if tally is None else tuple((s.total_seconds() if s else inf, n) for s, n in tally.histogram)
        reasons = {name: None if tally is None else tally.by_reason[name] for name in _COUNTED}
        return cls(
            fired=fired,
            tried_in_vain=tried_in_vain,
            late=None if tally is None else tally.total,
            **reasons,
            oldest_lateness=None if tally is None else tally.worst.total_seconds(),
            histogram=histogram,
            skew=None if skew is None else skew.ahead.total_seconds(),
        )


_COUNTED = (REFUSED, RETRYING, PARKED, UNRUNNABLE)
