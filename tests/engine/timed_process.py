"""One stage with a deadline that has everything: who may change it, a grace, alerts, and acts that are entered late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine

from ganchu_workflow import Actor, Receipt, Role, SeededEntropy, SimulatedClock, Workflow
from ganchu_workflow.process import (
    CARRY_ON,
    START,
    Data,
    Deadline,
    PhaseWindow,
    Stage,
    State,
    Transition,
    escalate,
    remind,
    setting,
)
from ganchu_workflow.timing import Limit, Period, WorkingCalendar
from tests.engine.small_process import MICROSECOND, SHANGHAI, registry

OFFICE = Actor(Role.OFFICE, person="p-1")
SUPERVISOR = Actor(Role.SUPERVISOR, person="s-1")
FIRM = Actor(Role.APPLICANT, "e1")
BEGUN = datetime(2026, 9, 18, 10, tzinfo=SHANGHAI)
"""A Friday; the Sunday after it is a make-up working day."""
EVIDENCE = {"name": "收文登记簿", "sha256": "a" * 64, "uri": "oa:///1"}
UP_TO_2026 = {
    **WorkingCalendar.built_in().document(),
    "years": {y: b for y, b in WorkingCalendar.built_in().document()["years"].items() if int(y) <= 2026},
}
CALENDAR = WorkingCalendar.from_document(UP_TO_2026)
"""Up to the last year that was published when this was written, whatever is installed."""


class Answer(Data):
    text: str = ""


class AnswerSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: Limit = Period.parse("5 working days")
    grace: Period | None = None
    handling: Period | None = None


class Asking(Stage):
    """The firm is asked, and answers in time or is silent."""

    name = "asking"
    Settings = AnswerSettings

    asked = State("待答复", owner=Role.APPLICANT, initial=True)
    paused = State("暂停", owner=Role.OFFICE)
    answered = State("已答复", owner=Role.OFFICE)
    shelved = State("搁置", owner=Role.OFFICE)
    done = State("办结", success=True)
    silent = State("逾期未答复", final=True)
    refused = State("已退回", final=True)

    ask = Transition(START, asked, by=Role.APPLICANT)
    note = Transition(asked, asked, by=Role.OFFICE)
    pause = Transition(asked, paused, by=Role.OFFICE)
    go_on = Transition(paused, asked, by=Role.OFFICE)
    answer = Transition(
        asked, answered, by=Role.APPLICANT, data=Answer, late_by=Role.OFFICE, late_from=(silent, refused)
    )
    lapse = Transition(asked, silent, by=Role.CLOCK)
    refuse = Transition(asked, refused, by=Role.OFFICE)
    finish = Transition(answered, done, by=Role.OFFICE)
    overdue = Transition(answered, answered, by=Role.CLOCK)
    shelve = Transition(answered, shelved, by=Role.OFFICE)
    take_up = Transition(shelved, answered, by=Role.OFFICE)

    answer_due = Deadline(
        asked,
        rule=setting("answer"),
        fires=lapse,
        stops_in=paused,
        admits=answer,
        by=Role.OFFICE,
        grace=setting("grace"),
        alerts=(remind("3 working days"), remind("1 calendar day")),
        label="答复期限",
    )
    handling_due = Deadline(
        answered,
        rule=setting("handling"),
        fires=overdue,
        stops_in=shelved,
        by=Role.SUPERVISOR,
        alerts=(escalate("1 working day", to=Role.OFFICE), escalate("3 working days", to=Role.SUPERVISOR)),
        label="办理期限",
    )
    phase = PhaseWindow(at_close={asked: CARRY_ON, paused: CARRY_ON, answered: CARRY_ON, shelved: CARRY_ON})


class Timed:
    """A round of that one stage, with one application in it, and a clock that is moved by hand."""

    def __init__(self, url: str | Engine, *, calendar: WorkingCalendar | None = None, **settings: str) -> None:
        self.clock = SimulatedClock(BEGUN - timedelta(hours=1))
        self.wf = Workflow(
            url, clock=self.clock, entropy=SeededEntropy("timed"), calendar=calendar, stages=registry(Asking)
        )
        self.wf.migrate()
        stage = {"use": "asking", **settings}
        plan = {"title": "期限", "code": "T-2026", "demonstration": True, "stage": [stage]}
        self.round = self.wf.open_round(plan, actor=OFFICE).case_id
        self.wf.fire(self.round, "start", actor=OFFICE)
        self.clock.move_to(BEGUN)
        self.case = self.wf.open("application", {}, actor=FIRM).case_id

    def to(self, when: str | datetime, *, microseconds: int = 0) -> None:
        """Move the clock; nobody sweeps."""
        instant = at(when) if isinstance(when, str) else when
        self.clock.move_to(instant + microseconds * MICROSECOND)

    def fire(self, trigger: str, data: dict[str, Any] | None = None, actor: Actor = OFFICE, **more: Any) -> Receipt:
        """Fire a trigger on the case."""
        return self.wf.fire(self.case, trigger, data or {}, actor=actor, **more)

    def extend(self, until: str, actor: Actor = OFFICE, deadline: str = "answer_due") -> Receipt:
        """Extend the deadline."""
        data = {"deadline": deadline, "until": at(until).isoformat(), "ground": "方案第五条"}
        return self.fire("deadline:extend", data, actor)

    def act(self, verb: str, actor: Actor = OFFICE, deadline: str = "answer_due", **more: Any) -> Receipt:
        """Suspend a deadline, let it go on, or end it."""
        data = {"deadline": deadline, "ground": "方案第五条", **more}
        return self.fire(f"deadline:{verb}", data, actor)

    @property
    def state(self) -> str:
        """Where the case stands."""
        return self.wf.case(self.case).state

    @property
    def deadlines(self) -> dict[str, tuple[str, str | None, str | None]]:
        """Of each deadline of the case: its status, its end on the wall, and what remains."""
        found: dict[str, dict[str, Any]] = {}
        for event in self.wf.history(self.case):
            for change in event["deadlines"]:
                found[change["name"]] = change
        return {
            name.removeprefix("asking."): (c["status"], wall(c["due_at"]), c["remainder"])
            for name, c in found.items()
            if c["status"] != "gone"
        }

    @property
    def told(self) -> list[tuple[str, str]]:
        """Each message that was told, and to whom."""
        return [(m["message"], m["recipient"]) for m in self.wf.messages(self.round)]


def at(text: str) -> datetime:
    """An instant on the wall clock of Beijing."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def wall(text: str | None) -> str | None:
    """A recorded instant on the wall clock of Beijing."""
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone(SHANGHAI).strftime("%m-%d %H:%M")
