"""Which rounds do not go by the calendar that they should go by here and now."""

from __future__ import annotations

from dataclasses import dataclass

from ganchu_workflow.engine import queries
from ganchu_workflow.engine.calendars import Calendars
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.errors import DatabaseFault, WorkflowError
from ganchu_workflow.process.values import CaseView


@dataclass(frozen=True, slots=True)
class Behind:
    """A round that does not go by the latest import, or by a calendar of the library that knows less."""

    round: str
    code: str
    why: str | None
    """What stands in the way; None: the next sweep lets it go by it."""


def behind(calendars: Calendars, rows: Rows) -> list[CaseView]:
    """Those rounds, but for what was called off."""
    latest = calendars.latest(rows)
    found = (r for r in queries.rounds(rows.link) if r.state != "cancelled")
    return [r for r in found if is_behind(calendars, latest, r, rows)]


def is_behind(calendars: Calendars, latest: dict[str, str], round_: CaseView, rows: Rows) -> bool:
    """Whether a round is behind; one whose calendar cannot be read is, and why is found when it is to adopt another."""
    try:
        return calendars.ahead(round_.facts, latest, rows) is not None
    except DatabaseFault:
        raise
    except WorkflowError:
        return True
