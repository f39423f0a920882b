"""Time as Chinese law counts it (民法典 §200-§204), as pure values.

`WorkingCalendar` is versioned data that refuses a year it does not know; `read_overlay` reads one from a file.
`Period` is what a plan writes, `NotLaterThan` an end that is an instant, and `parse_limit` reads either; `reckon` turns
one into a closing instant with its day-by-day reckoning, `remaining` says what is left when it is stopped,
`check_printed` finds what is irregular in a printed window, and `closes_in_time` decides at the closing instant.
Nothing here reads a clock or a database.
"""

from ganchu_workflow.timing.calendar import Change, DayKind, Differences, WorkingCalendar
from ganchu_workflow.timing.days import Day
from ganchu_workflow.timing.limits import Limit, NotLaterThan, parse_limit
from ganchu_workflow.timing.overlay import Overlay, read_overlay, read_overlays
from ganchu_workflow.timing.periods import Period, Unit
from ganchu_workflow.timing.printed import Anomaly, check_printed
from ganchu_workflow.timing.reading import END_OF_DAY
from ganchu_workflow.timing.reckoning import Reckoning
from ganchu_workflow.timing.windows import closes_in_time, reckon, remaining

__all__ = [
    "END_OF_DAY",
    "Anomaly",
    "Change",
    "Day",
    "DayKind",
    "Differences",
    "Limit",
    "NotLaterThan",
    "Overlay",
    "Period",
    "Reckoning",
    "Unit",
    "WorkingCalendar",
    "check_printed",
    "closes_in_time",
    "parse_limit",
    "read_overlay",
    "read_overlays",
    "reckon",
    "remaining",
]
