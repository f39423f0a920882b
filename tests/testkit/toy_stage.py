"""A stage from elsewhere, for the kit's tests: 现场核查 with an act of its own, and a wait that the clock ends."""

from ganchu_workflow import Period, Registry, Role
from ganchu_workflow.process import CARRY_ON, PASSED, Data, Deadline, PhaseWindow, Stage, State, Transition, setting
from ganchu_workflow.process.language import NoSettings
from ganchu_workflow.testing.base import INSTALLED


class Visit(Data):
    inspector: str


class Settings(NoSettings):
    report: Period = Period.parse("3 working days")


class SiteVisit(Stage):
    """现场核查: an inspector calls, and the report is due some days later."""

    name = "site_visit"
    label = "现场核查"
    Settings = Settings

    planned = State("待核查", owner=Role.OFFICE, initial=True)
    visited = State("待出报告", owner=Role.CLOCK)

    visit = Transition(planned, visited, by=Role.OFFICE, data=Visit)
    report = Transition(visited, PASSED, by=Role.CLOCK)
    report_due = Deadline(visited, rule=setting("report"), fires=report)
    phase = PhaseWindow(at_close={planned: CARRY_ON, visited: CARRY_ON})


def registry() -> Registry:
    """The installed stages, and this one."""
    found = Registry(INSTALLED.group, dict(INSTALLED.plugins))
    found.register(SiteVisit.name, SiteVisit)
    return found
