"""Which year's calendar a deadline, or an alert beside it, waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganchu_workflow.engine.cases import Running
from ganchu_workflow.engine.deadlines import alerts_of
from ganchu_workflow.engine.limits import limit_of, period_of, started_by
from ganchu_workflow.engine.remainders import whole
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.errors import YearNotPublished
from ganchu_workflow.process.definition import KindDefinition
from ganchu_workflow.timing import NotLaterThan, Period, WorkingCalendar, reckon
from ganchu_workflow.timing.left import Uncounted, read_left


def missing_year(
    book: Rulebook,
    kind: KindDefinition,
    stage: str,
    name: str,
    stored: Mapping[str, Running],
    calendar: WorkingCalendar,
) -> int | None:
    """The first year that `calendar` lacks for that deadline or alert of a case which stands in `stage`; None: it has
    all of them. `stored`: the deadlines of the case."""
    try:
        hours: dict[str, Any] = {"zone": book.zone, "close_of_business": book.close_of_business}
        for timer, alert, alone in alerts_of(kind):
            main = stored.get(timer.name)
            if alone == name and main is not None and main.end is not None:
                alert.instant(main.end, calendar, **hours)
        found, running = kind.timer(name), stored.get(name)
        if found is None or running is None:
            return None
        end = running.end
        if running.remainder is not None:
            left = read_left(running.remainder)
            if isinstance(left, Uncounted):
                of = period_of(running)
                left = (
                    left.counted(whole(of), calendar, book.zone) if isinstance(of, Period) else NotLaterThan(left.end)
                )
            end = reckon(left, running.armed_at, calendar, **hours).due_at
        grace = limit_of(book.process, found, found.deadline.grace, stage) if found.deadline.grace else None
        only_grace_is_left = running.remainder is not None and running.shown_at is not None
        if grace is not None and end is not None and not only_grace_is_left:
            reckon(grace, started_by(grace, end), calendar, **hours)
    except YearNotPublished as error:
        return int(error.fields["year"])
    return None
