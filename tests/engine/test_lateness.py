"""What is late, by how much and why; and what waits without an end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict

from ganchu_workflow import AwaitingCalendar, Late, Overdue, Refusal, Role, Unserved
from ganchu_workflow.errors import Unknown
from ganchu_workflow.process import (
    CARRY_ON,
    PASSED,
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
from tests.engine.small_process import (
    BEGUN,
    CONTACT,
    HOUR,
    MICROSECOND,
    OFFICE,
    SHANGHAI,
    Declaration,
    Small,
    applicant,
    declaration,
    hooked,
    instant,
    plan,
    registry,
)
from tests.engine.test_windows import CALENDAR_OF_2090, UNTIMED

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DUE = BEGUN + 48 * HOUR
STEPS = (MINUTE, 5 * MINUTE, HOUR, DAY, 7 * DAY, None)


class ServedSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    reply: Period | None = Period.parse("48 hours")


class Service(Data):
    served_at: AwareDatetime


class Served(Stage):
    """A period that runs from service: 送达."""

    name = "served"
    Settings = ServedSettings

    asked = State("待送达", owner=Role.OFFICE, initial=True)
    lapsed = State("逾期未复", final=True)

    declare = Transition(START, asked, by=Role.APPLICANT, data=Declaration)
    serve = Transition(asked, asked, by=Role.OFFICE, data=Service)
    remark = Transition(asked, asked, by=Role.OFFICE)
    answer = Transition(asked, PASSED, by=Role.OFFICE)
    lapse = Transition(asked, lapsed, by=Role.CLOCK)

    reply_due = Deadline(asked, rule=setting("reply", start=fact("served_at")), fires=lapse, label="答复期限")
    phase = PhaseWindow(admits=declare, at_close={asked: CARRY_ON})

    @serve.effect("keep_service")
    def keep_service(self, ctx: Context[Service, ServedSettings]) -> Effects:
        return Effects(facts={"served_at": instant(ctx.data.served_at)})


def counted(found: Overdue) -> tuple[int, dict[str, int], list[int]]:
    """How many are late, why, and how they are spread."""
    reasons = {reason: number for reason, number in found.tally.by_reason.items() if number}
    assert tuple(step for step, _ in found.tally.histogram) == (STEPS if found.tally.histogram else ())
    return found.tally.total, reasons, [number for _, number in found.tally.histogram]


def not_yet(ctx: Any) -> Refusal:
    return Refusal("not_yet", "尚不能办理", "not yet")


def crash(ctx: Any) -> None:
    raise ZeroDivisionError(CONTACT)


def test_nothing_is_late_at_the_instant_and_one_microsecond_past_it_is(small: Small) -> None:
    sheet = small.sheet(small.reviewing())

    small.drift_to(DUE)
    assert counted(small.wf.overdue()) == (0, {}, [0] * 6)
    small.drift_to(DUE + MICROSECOND)

    found = small.wf.overdue()
    assert found.late == (
        Late(
            case=sheet,
            kind="sheet",
            round=small.round,
            stage="review",
            state="assigned",
            deadline="sheet_due",
            label="sheet_due",
            owner=Role.EXPERT,
            due_at=DUE,
            late_by=MICROSECOND,
            why="no_worker",
        ),
    )
    assert (counted(found), found.waits_for_a_person) == ((1, {"no_worker": 1}, [1, 0, 0, 0, 0, 0]), False)
    assert (found.tally.oldest, found.tally.worst) == (DUE, MICROSECOND)
    assert (found.awaiting, found.unserved, dict(found.unrunnable)) == ((), (), {})
    small.wf.tick()
    assert small.wf.overdue() == Overdue(small.wf.tally())


def test_each_says_why(small: Small) -> None:
    case = small.reviewing()
    refused, retrying, parked, untried = sheets = [small.sheet(case, f"x{n}") for n in range(4)]
    small.drift_to(DUE + HOUR)
    rules: dict[str, Callable[[Any], Any]] = {refused: not_yet, retrying: crash}
    crashing: dict[str, Callable[[Any], Any]] = {parked: crash}

    def of(rules: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
        return lambda ctx: rules[ctx.case.id](ctx) if ctx.case.id in rules else None

    with hooked(expire_guard=of(rules), expire_effect=of(crashing)):
        assert sheets == sorted(sheets)  # the order in which they are tried: all are due at once
        small.wf.tick(limit=2)
        small.wf.tick(limit=1, park_after=1)

    found = small.wf.overdue()

    assert [(each.case, each.why, each.code, each.tries, each.again_at) for each in found.late] == [
        (refused, "refused", "not_yet", 1, DUE + HOUR + MINUTE / 2),
        (retrying, "retrying", "guard_crashed", 1, DUE + HOUR + MINUTE / 2),
        (parked, "parked", "rule_crashed", 1, None),
        (untried, "no_worker", None, 0, None),
    ]
    assert counted(found)[:2] == (4, {"no_worker": 1, "refused": 1, "retrying": 1, "parked": 1})
    assert (found.waits_for_a_person, CONTACT in repr(found)) == (True, False)


def test_how_late_they_are_is_counted_in_steps_that_include_their_end(make: Callable[..., Small]) -> None:
    small = make().open_round(review={"sheet_time": "240 hours"})
    case = small.reviewing()
    late = (MINUTE, MINUTE + MICROSECOND, 5 * MINUTE, HOUR, DAY, 7 * DAY, 7 * DAY + MICROSECOND)
    for n, ago in enumerate(sorted(late, reverse=True)):
        small.drift_to(BEGUN + 8 * DAY - ago)
        small.sheet(case, f"x{n}")
    small.drift_to(BEGUN + 18 * DAY)

    found = small.wf.overdue(limit=2)

    assert counted(found) == (7, {"no_worker": 7}, [1, 2, 1, 1, 1, 1])
    assert [each.late_by for each in found.late] == [7 * DAY + MICROSECOND, 7 * DAY]
    assert small.wf.tally() == found.tally


def test_one_round_is_asked_about_and_no_other(make: Callable[..., Small]) -> None:
    small = make().open_round()
    small.sheet(small.reviewing())
    small.drift_to(DUE + HOUR)
    other = make(clock=small.simulated)
    other.round = other.wf.open_round(plan(), actor=OFFICE).case_id

    assert (counted(small.wf.overdue(small.round))[0], small.wf.tally(small.round).total) == (1, 1)
    # Its phases were to begin weeks ago: a round that is opened late.
    assert {each.round for each in small.wf.overdue(other.round).late} == {other.round}
    assert small.wf.overdue().tally.total == 1 + other.wf.tally(other.round).total
    with pytest.raises(Unknown, match="there is no round 'nothing'"):
        small.wf.overdue("nothing")


def test_what_was_called_off_is_not_late(small: Small) -> None:
    small.sheet(small.reviewing())
    small.drift_to(DUE + HOUR)
    with hooked(expire_guard=not_yet):
        small.wf.fire(small.round, "cancel", {"ground": "经费取消"}, actor=OFFICE)

    tally = small.wf.tally()
    assert (tally.total, tally.oldest, tally.worst) == (0, None, timedelta())
    assert small.wf.overdue() == Overdue(tally)


def test_a_round_that_cannot_be_run_is_listed_with_the_reason(make: Callable[..., Small]) -> None:
    small = make().open_round()
    sheet = small.sheet(small.reviewing())
    small.drift_to(DUE + HOUR)
    fewer = registry()
    del fewer.plugins["review"]

    found = make(clock=small.simulated, stages=fewer).wf.overdue()

    [late] = found.late
    assert (late.case, late.label, late.owner, late.why, late.code) == (
        sheet,
        "sheet_due",
        None,
        "unrunnable",
        "plan_invalid",
    )
    assert list(found.unrunnable) == [small.round]
    assert late.reason == found.unrunnable[small.round]
    assert "review" in late.reason
    assert counted(found)[:2] == (1, {"unrunnable": 1})
    assert found.waits_for_a_person


# ── no end yet ──


def test_what_waits_for_a_calendar_is_not_late_and_names_the_year(make: Callable[..., Small]) -> None:
    small = make().open_round(*UNTIMED)
    began = datetime(2090, 3, 1, 9, tzinfo=SHANGHAI)
    small.drift_to(began)
    case = small.submitted()
    small.drift_to(began + 400 * DAY)

    found = small.wf.overdue()

    assert found.awaiting == (
        AwaitingCalendar(
            case=case,
            kind="application",
            round=small.round,
            stage="declare",
            state="declare.submitted",
            deadline="declare.answer_due",
            label="declare.answer_due",
            owner=Role.OFFICE,
            since=began,
            year=2090,
        ),
    )
    assert (found.late, counted(found)[0], found.waits_for_a_person) == ((), 0, False)
    swept = small.wf.tick()
    assert (swept.refused, swept.stuck) == ((), ())
    loaded = make(clock=small.simulated, calendar=CALENDAR_OF_2090)
    assert [each.year for each in loaded.wf.overdue().awaiting] == [None]


def unserved(make: Callable[..., Small], **settings: Any) -> tuple[Small, str]:
    """A case that waits to be served, and a workflow on its round."""
    small = make(stages=registry(Served))
    small.open_round({"use": "served", **settings}, {"use": "finish"})
    opened = small.wf.open("application", declaration(), actor=applicant(), round=small.round)
    return small, opened.case_id


def test_a_period_whose_start_is_not_declared_is_listed_and_never_fires(make: Callable[..., Small]) -> None:
    small, case = unserved(make)
    since = small.simulated.now()
    small.move_to(since + 100 * DAY)

    found = small.wf.overdue()

    assert found.unserved == (
        Unserved(
            case=case,
            kind="application",
            round=small.round,
            stage="served",
            state="served.asked",
            deadline="served.reply_due",
            label="答复期限",
            owner=Role.OFFICE,
            fact="served_at",
            since=since,
        ),
    )
    assert (found.late, counted(found)[0], small.state(case)) == ((), 0, "served.asked")
    assert small.wf.overdue(small.round, limit=0).unserved == ()


def test_once_it_is_served_the_period_runs_from_there(make: Callable[..., Small]) -> None:
    small, case = unserved(make)
    served = small.simulated.now() + HOUR
    small.move_to(served + HOUR)
    small.wf.fire(case, "serve", {"served_at": served}, actor=OFFICE)
    assert small.wf.overdue().unserved == ()

    small.drift_to(served + 48 * HOUR + MICROSECOND)

    assert [(each.case, each.label, each.due_at) for each in small.wf.overdue().late] == [
        (case, "答复期限", served + 48 * HOUR)
    ]


def test_since_when_a_case_stands_there_does_not_hang_on_what_happened_since(make: Callable[..., Small]) -> None:
    """A remark changes no state and declares no service."""
    small, case = unserved(make)
    since = small.simulated.now()
    small.later(DAY)

    small.wf.fire(case, "remark", actor=OFFICE)

    assert [(each.case, each.since) for each in small.wf.overdue().unserved] == [(case, since)]


def test_where_there_is_no_such_period_nothing_is_unserved(make: Callable[..., Small]) -> None:
    small, _ = unserved(make, reply=None)

    assert small.wf.overdue().unserved == ()
