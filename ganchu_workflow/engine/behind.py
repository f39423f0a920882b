"""Which rounds do not go by the calendar that they should go by here and now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ganchu_workflow.engine import queries
from ganchu_workflow.engine.calendars import FACT, Calendars
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.errors import DatabaseFault, WorkflowError
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.timing import WorkingCalendar


@dataclass(frozen=True, slots=True)
class Behind:
    """A round that does not go by the latest import, or by a calendar of the library that knows less."""

    round: str
    code: str
    why: str | None
    """What stands in the way; None: nothing that is known. The next sweep tries, and `Swept.behind` says what came
    of it."""


def behind(calendars: Calendars, rows: Rows) -> list[CaseView]:
    """Those rounds, but for what was called off."""
    latest = calendars.latest(rows)
    found = (r for r in queries.rounds(rows.link) if r.state != "cancelled")
    return [r for r in found if stands(calendars, latest, r, rows) is not None]


def stands(calendars: Calendars, latest: Mapping[str, str], round_: CaseView, rows: Rows) -> Behind | None:
    """How far a round is behind, if it is; one whose calendar cannot be read is, and that is why."""
    code = str(round_.facts["code"])
    try:
        if calendars.ahead(round_.facts, latest, rows) is None:
            return None
        calendars.in_force(round_.facts.get(FACT), rows)
    except DatabaseFault:
        raise
    except WorkflowError as error:
        return Behind(round_.id, code, error.message)
    return Behind(round_.id, code, None)


def to_be(calendars: Calendars, latest: Mapping[str, str], round_: CaseView, rows: Rows) -> WorkingCalendar:
    """The calendar that a round will go by once it is not behind any more. Raises as `Calendars.in_force` does."""
    facts = round_.facts
    return calendars.in_force(calendars.ahead(facts, latest, rows) or facts.get(FACT), rows)
