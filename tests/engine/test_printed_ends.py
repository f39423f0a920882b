"""Ends that an act has printed, and ends that a plan fixes: they stand, and only their grace follows the calendar."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from ganchu_workflow import Role, SeededEntropy, SimulatedClock, Workflow
from ganchu_workflow.clock import to_text
from ganchu_workflow.process import (
    CARRY_ON,
    START,
    Context,
    Data,
    Deadline,
    Effects,
    PhaseWindow,
    Stage,
    State,
    Transition,
    fact,
    setting,
)
from ganchu_workflow.timing import Period
from tests.engine.small_process import refusal_of, registry
from tests.engine.test_adopting import DAY_AFTER_OFF, EVE_OFF, utc
from tests.engine.test_calendar_import import NEW_YEAR, ends, notice
from tests.engine.timed_process import CALENDAR, FIRM, OFFICE, at


class PrintSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    grace: Period | None = None
    file_until: str | None = None


class Print(Data):
    until: str
    facts: dict[str, str] = {}


class Printing(Stage):
    """What is asked for is asked for until a printed end, and the file until an end that the plan fixes."""

    name = "printing"
    Settings = PrintSettings

    shown = State("公示中", owner=Role.APPLICANT, initial=True)
    answered = State("已答复", owner=Role.OFFICE)
    gone = State("逾期", final=True)
    done = State("办结", success=True)

    show = Transition(START, shown, by=Role.APPLICANT, data=Print)
    answer = Transition(shown, answered, by=Role.APPLICANT)
    lapse = Transition(shown, gone, by=Role.CLOCK)
    finish = Transition(answered, done, by=Role.OFFICE)

    due = Deadline(shown, rule=fact("closes_at"), fires=lapse, admits=answer, grace=setting("grace"), label="公示期")
    fixed = Deadline(shown, rule=setting("file_until"), fires=lapse, grace=setting("grace"), label="截止日")
    phase = PhaseWindow(at_close={shown: CARRY_ON, answered: CARRY_ON})

    @show.effect("print_it")
    def print_it(self, ctx: Context[Print, PrintSettings]) -> Effects:
        return Effects(facts={"closes_at": ctx.data.until, **ctx.data.facts})


class Printed:
    """A round of that stage, and one case whose end was printed on Monday 21 December 2026."""

    def __init__(self, url: str, until: str, facts: dict[str, str], **settings: str) -> None:
        self.clock = SimulatedClock(at("2026-12-20 09:00"))
        entropy = SeededEntropy("printed")
        self.wf = Workflow(url, clock=self.clock, entropy=entropy, calendar=CALENDAR, stages=registry(Printing))
        self.wf.migrate()
        plan = {"title": "印", "code": "P-1", "demonstration": True, "stage": [{"use": "printing", **settings}]}
        self.round = self.wf.open_round(plan, actor=OFFICE).case_id
        self.wf.fire(self.round, "start", actor=OFFICE)
        self.clock.move_to(at("2026-12-21 09:00"))
        self.case = self.wf.open("application", {"until": to_text(at(until)), "facts": facts}, actor=FIRM).case_id

    def due(self, name: str = "due") -> tuple[Any, Any]:
        """The end that is shown, and when it fires."""
        [found] = [d for d in self.wf.deadlines(self.case) if d.name == f"printing.{name}"]
        return found.ends_at, found.due_at


@pytest.fixture
def printed(database_url: str) -> Iterator[Callable[..., Printed]]:
    made: list[Printed] = []

    def one(until: str, facts: dict[str, str] | None = None, **settings: str) -> Printed:
        made.append(Printed(database_url, until, facts or {}, **settings))
        return made[-1]

    yield one
    for each in made:
        each.wf.database.dispose()


def test_the_grace_of_a_printed_end_is_lengthened_and_the_end_stands(printed: Callable[..., Printed]) -> None:
    it = printed("2026-12-28 17:30", grace="1 working day")
    assert it.due() == (at("2026-12-28 17:30"), at("2026-12-29 17:30"))

    [adopted] = it.wf.import_calendar(DAY_AFTER_OFF, actor=OFFICE)

    assert it.due() == (at("2026-12-28 17:30"), at("2026-12-30 17:30"))
    assert ends(adopted.later) == [("printing.due", utc("12-29 17:30"), utc("12-30 17:30"))]
    assert adopted.printed == ()
    it.clock.move_to(at("2026-12-30 17:30"))
    it.wf.fire(it.case, "answer", actor=FIRM)
    assert it.wf.verify().problems == []


def test_the_grace_of_an_end_that_the_plan_fixes_is_lengthened(printed: Callable[..., Printed]) -> None:
    it = printed("2026-12-25 17:30", file_until="not later than 2026-12-28 17:30 +08:00", grace="1 working day")

    it.wf.import_calendar(DAY_AFTER_OFF, actor=OFFICE)

    assert it.due("fixed") == (at("2026-12-28 17:30"), at("2026-12-30 17:30"))


def test_a_printed_end_whose_grace_reaches_into_the_year_gets_it(printed: Callable[..., Printed]) -> None:
    it = printed("2026-12-31 17:30", grace="1 working day")
    assert it.due()[1] is None

    [adopted] = it.wf.import_calendar(NEW_YEAR, actor=OFFICE)

    assert it.due() == (at("2026-12-31 17:30"), at("2027-01-04 17:30"))
    assert [(name, now) for name, _, now in ends(adopted.resolved)] == [("printing.due", utc("12-31 17:30"))]
    it.clock.move_to(at("2027-01-04 17:30"))
    it.wf.fire(it.case, "answer", actor=FIRM)


@pytest.mark.parametrize(
    "facts",
    [{"rule": "办法第三条"}, {"rule": "5 working days", "opens_at": "本周一"}],
    ids=["a rule in words", "an opening in words"],
)
def test_facts_of_a_stage_that_are_called_alike_keep_no_round_from_it(
    printed: Callable[..., Printed], facts: dict[str, str]
) -> None:
    it = printed("2026-12-30 17:30", facts, grace="1 working day")

    [adopted] = it.wf.import_calendar(notice(off=["2026-12-31", "2027-01-01"]), actor=OFFICE)

    assert (adopted.error, adopted.printed) == (None, ())
    assert ends(adopted.unreckoned) == [("printing.due", utc("12-30 17:30"), None)]
    assert it.due() == (at("2026-12-30 17:30"), at("2027-01-04 17:30"))
    assert it.wf.tick().behind == ()
    assert it.wf.explain(it.case, "due").deadline.ends_at == at("2026-12-30 17:30")
    it.clock.move_to(at("2027-01-05 00:00"))
    it.wf.tick()
    assert it.wf.case(it.case).state == "printing.gone"


def test_a_printed_end_that_has_run_out_and_is_short_now_is_named(printed: Callable[..., Printed]) -> None:
    it = printed("2026-12-28 17:30", {"rule": "5 working days", "reckoned": "手工核定"})
    it.clock.move_to(at("2026-12-29 09:00"))
    it.wf.tick()
    assert it.wf.case(it.case).state == "printing.gone"

    [adopted] = it.wf.import_calendar(EVE_OFF, actor=OFFICE)

    assert ends(adopted.fired_already) == [("printing.due", utc("12-28 17:30"), utc("12-29 17:30"))]
    assert refusal_of(lambda: it.wf.fire(it.case, "answer", actor=FIRM)).code == "window_closed"
