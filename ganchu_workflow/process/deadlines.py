"""Deadlines: how long a case may stand where it stands, what follows when the time has run out, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from ganchu_workflow.actors import Role
from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.errors import DefinitionInvalid
from ganchu_workflow.process.language import OWNER, Mark, Named, Slot, State, Transition, many
from ganchu_workflow.timing import Period, Unit, WorkingCalendar, reckon
from ganchu_workflow.timing.backwards import ahead_of

EXTENDED = " (extended)"
"""Ends the rule of a running deadline whose end an act has fixed."""


@dataclass(frozen=True, slots=True)
class FactRule:
    """The deadline is the instant kept in a fact: fixed by an act, re-read at each event on the case."""

    key: str

    def __str__(self) -> str:
        return f"fact:{self.key}"


@dataclass(frozen=True, slots=True)
class SettingRule:
    """The deadline is a period of the stage's settings, counted from entering the state or from a declared fact."""

    key: str
    start: FactRule | None = None

    def __str__(self) -> str:
        return f"setting:{self.key}" + (f" from {self.start}" if self.start else "")


def fact(key: str) -> FactRule:
    """The instant kept in the fact `key`. Written by an act, never moved by the engine."""
    return FactRule(key)


def setting(key: str, *, start: FactRule | None = None) -> SettingRule:
    """The period of the setting `key`; a setting of None means there is no such deadline."""
    return SettingRule(key, start)


_LENGTHS = {Unit.WORKING_DAYS: "{}个工作日", Unit.CALENDAR_DAYS: "{}日", Unit.HOURS: "{}小时"}


@dataclass(frozen=True, slots=True)
class Alert:
    """A message that goes out by itself at a distance from the end of a deadline. See `remind` and `escalate`."""

    distance: Period
    after: bool
    to: Role | Mark
    message: str

    def __post_init__(self) -> None:
        units = (Unit.WORKING_DAYS, Unit.CALENDAR_DAYS, Unit.HOURS)
        if self.distance.unit not in units or self.distance != Period(self.distance.length, self.distance.unit):
            raise DefinitionInvalid(
                f"an alert stands at so many working days, calendar days or hours from an end, not at '{self.distance}'"
            )

    def __str__(self) -> str:
        return f"{self.distance} {'after' if self.after else 'before'}"

    def instant(self, end: datetime, calendar: WorkingCalendar, *, zone: ZoneInfo, close_of_business: time) -> datetime:
        """When it goes out, for a deadline with that end. Raises `YearNotPublished`: the calendar lacks a year."""
        if self.after:
            if not self.distance.unit.in_hours:
                end -= MICROSECOND  # an end at 24:00 is of the day that is over then
            return reckon(self.distance, end, calendar, zone=zone, close_of_business=close_of_business).due_at
        return ahead_of(end, self.distance, calendar, zone)

    @property
    def distance_zh(self) -> str:
        """`3个工作日`."""
        return _LENGTHS[self.distance.unit].format(self.distance.length)

    @property
    def label_zh(self) -> str:
        """`届满前3个工作日提醒`."""
        return f"届满{'后' if self.after else '前'}{self.distance_zh}{'督办' if self.after else '提醒'}"


def remind(distance: str, *, to: Role | Mark = OWNER, message: str = "deadline_reminder") -> Alert:
    """提醒: tell whoever the case waits for (or the role `to`) so long before the shown end, at the same hour.

    Days are counted back from the day of the end, which is not counted: one working day before a Monday is the Friday.
    Where the end is nearer than that when it is fixed, nothing is told.
    """
    return Alert(Period.parse(distance), False, to, message)


def escalate(distance: str, *, to: Role, message: str = "deadline_escalated") -> Alert:
    """催办、督办: tell `to` so long after the shown end, if the case still stands where the deadline ran out."""
    return Alert(Period.parse(distance), True, to, message)


class Deadline(Named):
    """A period that runs while the case stands in `runs_in`, is stopped in `stops_in`, and is gone elsewhere.

    When it has run out, the clock fires `fires`. `admits` lists the transitions, of any kind, that are in time only
    while it runs. A self-loop does not start it again. `label` is what an official calls the period.

    `by` names the roles that may suspend it, let it go on, extend it or end it early, each on a stated ground; nobody
    by default. `validity` says that it is a term, by which nobody has to act: no outage moves it. `grace` is a setting:
    a period that follows the end which is shown, in which acts are still in time and nothing is fired. `alerts` are
    messages that go out by themselves: reminders before the end, and the rungs of an escalation after it.
    """

    def __init__(
        self,
        *runs_in: State | Slot,
        rule: FactRule | SettingRule,
        fires: Transition | None = None,
        stops_in: State | Slot | tuple[State | Slot, ...] = (),
        admits: Transition | tuple[Transition, ...] = (),
        by: Role | tuple[Role, ...] = (),
        grace: SettingRule | None = None,
        alerts: Alert | tuple[Alert, ...] = (),
        validity: bool = False,
        label: str = "",
    ) -> None:
        self.runs_in = runs_in
        self.rule = rule
        self.by: tuple[Role, ...] = many(by)
        self.grace = grace
        self.validity = validity
        self.alerts: tuple[Alert, ...] = many(alerts)
        self.label = label
        self.fires = fires
        self.stops_in: tuple[State | Slot, ...] = many(stops_in)
        self.admits: tuple[Transition, ...] = many(admits)
