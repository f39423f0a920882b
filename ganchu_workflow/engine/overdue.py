"""What `Workflow.overdue` gives: what is late, by how much, and why; and what waits without an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ganchu_workflow.actors import Role
from ganchu_workflow.engine.behind import Behind
from ganchu_workflow.engine.stuck import PARKED, REFUSED, RETRYING, UNRUNNABLE

NO_WORKER = "no_worker"
REASONS = (NO_WORKER, REFUSED, RETRYING, PARKED, UNRUNNABLE)
"""Why a deadline is late: nobody has tried it yet, or what became of it when somebody did."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEPS = (MINUTE, 5 * MINUTE, HOUR, DAY, 7 * DAY)
"""The steps of the histogram: up to and including each, and more than the last."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which deadline it is, and where its case stands."""

    case: str
    kind: str
    round: str
    stage: str
    state: str
    deadline: str
    label: str
    """What an official calls the period; its name, where the round cannot be run."""
    owner: Role | None
    """Who has what the case waits for; None where the round cannot be run."""


@dataclass(frozen=True, slots=True)
class Late(Place):
    """A deadline that has run out and has not fired."""

    due_at: datetime
    late_by: timedelta
    why: str
    """`no_worker`: nobody has tried it since it was due. `refused`: a rule said no. `retrying`, `parked`: firing it
    crashed. `unrunnable`: the installed stages cannot run the round."""
    code: str | None = None
    reason: str | None = None
    tries: int = 0
    again_at: datetime | None = None
    """When it is tried again; None: at the next sweep, or, when it is parked, once a person has released it."""


@dataclass(frozen=True, slots=True)
class AwaitingCalendar(Place):
    """A deadline that reaches into a year whose notice is not loaded: it has no end yet, so it is not late."""

    since: datetime
    """When it began to run."""
    year: int | None
    """The year that is missing; None: it is loaded here, and the next sweep gives the deadline its end."""


@dataclass(frozen=True, slots=True)
class Suspended(Place):
    """A deadline that an act has suspended: it is not late, and goes on only by another act."""

    left: str | None
    """What is left of it, as `timing.left.read_left` reads it."""
    since: datetime


@dataclass(frozen=True, slots=True)
class Unserved(Place):
    """A wait whose period starts at a declared fact that is still missing, such as 送达: it has no end yet.

    A silence is never assumed: whoever owns the act that declares the fact has to do it.
    """

    fact: str
    since: datetime
    """Since when the case stands where the period would run."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many deadlines are late, by why and by how much."""

    at: datetime
    total: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    """How many for each of `REASONS`."""
    histogram: tuple[tuple[timedelta | None, int], ...] = ()
    """How many are late by up to each of `STEPS` and by more than the step before; None: by more than the last."""
    oldest: datetime | None = None
    """When the one that is latest was due."""

    @property
    def worst(self) -> timedelta:
        """How late the one is that is latest."""
        return self.at - self.oldest if self.oldest is not None else timedelta()


@dataclass(frozen=True, slots=True)
class Overdue:
    """What is late, and what waits without an end, as it is at one instant."""

    tally: Tally
    late: tuple[Late, ...] = ()
    """The latest first, at most as many as were asked for; `tally` counts them all."""
    awaiting: tuple[AwaitingCalendar, ...] = ()
    suspended: tuple[Suspended, ...] = ()
    unserved: tuple[Unserved, ...] = ()
    unrunnable: Mapping[str, str] = field(default_factory=dict)
    """The rounds that the installed stages cannot run, and why: of these nobody knows what is unserved."""
    behind: tuple[Behind, ...] = ()
    """The rounds that do not go by the latest import of a calendar yet."""

    @property
    def waits_for_a_person(self) -> bool:
        """Whether something is late, or a round behind, that a sweep alone will not bring about."""
        late = any(self.tally.by_reason.get(reason) for reason in (REFUSED, PARKED, UNRUNNABLE))
        return late or any(each.why is not None for each in self.behind)
