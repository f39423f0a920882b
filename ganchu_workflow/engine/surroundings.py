"""What a transaction works with beside the cases: what it takes from outside, and the rows it will add."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from ganchu_workflow.engine.calendars import Calendars
from ganchu_workflow.entropy import Entropy
from ganchu_workflow.timing import WorkingCalendar


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a transaction takes from outside the database: calendars, zone, hours, chance and the present instant."""

    calendars: Calendars
    zone: ZoneInfo
    close_of_business: time
    entropy: Entropy
    now: datetime
    """When it records: one instant for the whole transaction."""
    kept: Container[str] = ()
    """The versions of the calendar that are known to be stored."""


@dataclass
class Pending:
    """The rows a transaction will add beside those of its cases."""

    events: list[dict[str, Any]] = field(default_factory=list)
    outbox: list[dict[str, Any]] = field(default_factory=list)
    private: list[dict[str, Any]] = field(default_factory=list)
    calendar_used: bool = False
    calendars: list[WorkingCalendar] = field(default_factory=list)
    """Those that a round goes by from now on, to be stored beside the one in force."""
    definition: tuple[str, str] | None = None
