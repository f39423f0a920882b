"""Nodes with different calendars, clocks and stages: a round goes by one calendar, which knows more each time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from ganchu_workflow import Actor, Role, SeededEntropy, SimulatedClock, Workflow
from ganchu_workflow.canonical import encode
from ganchu_workflow.errors import CalendarInvalid, Fault
from ganchu_workflow.store.database import write
from ganchu_workflow.store.triggers import present
from ganchu_workflow.timing import WorkingCalendar, read_overlay
from tests.audit.tampering import Bench, Record
from tests.engine.small_process import registry
from tests.engine.test_adopting import EVE_OFF, with_day_off
from tests.engine.test_calendar_import import NEW_YEAR, ends, make_rival, notice
from tests.engine.timed_process import CALENDAR, FIRM, OFFICE, Timed, at

Make = Callable[..., Timed]
SECOND = Actor(Role.APPLICANT, "e2")


def node(timed: Timed, calendar: WorkingCalendar, name: str = "up") -> Workflow:
    """Another process on the same database, whose library was made with that calendar."""
    entropy = SeededEntropy(name)
    return Workflow(timed.wf.database, clock=timed.clock, entropy=entropy, calendar=calendar, stages=timed.wf.stages)


def meddle(timed: Timed, table: str, values: dict[str, str], **where: str) -> None:
    """Somebody goes around the library, and its triggers."""
    with write(timed.wf.database) as connection:
        for name in sorted(present(connection)):
            on = f" ON {name.rpartition('_')[0]}" if connection.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TRIGGER {name}{on}")
        Bench(connection).update(table, values, **where)


def adoptions(timed: Timed) -> list[str]:
    """The versions that the round has come to go by, in order."""
    return [e["data"]["to"] for e in timed.wf.history(timed.round) if e["trigger"] == "round:adopt_calendar"]


# ── the calendar of the library ──


def test_a_library_that_knows_one_year_more_lengthens_what_runs(make_timed: Make) -> None:
    timed = make_timed(answer="68 working days")
    timed.to("2026-11-20 10:00")
    newer = EVE_OFF.on(CALENDAR)
    up = node(timed, newer)

    assert (up.tick().behind, adoptions(timed)) == ((), [newer.version])

    assert timed.deadlines["answer_due"] == ("armed", "12-30 17:30", None)
    facts = timed.wf.case(timed.round).facts
    assert facts["calendars"] == {"base": newer.version}
    assert facts["calendar_bases"] == [CALENDAR.version, newer.version]
    up.tick()
    assert adoptions(timed) == [newer.version]
    assert timed.wf.verify().problems == []


def test_what_was_reckoned_before_an_earlier_adoption_is_compared_with_its_own_calendar(make_timed: Make) -> None:
    """The first import changes nothing on its way, so the row still names the calendar of before."""
    timed = make_timed(answer="68 working days")
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    timed.wf.import_calendar(with_day_off(date(2026, 12, 25)), actor=OFFICE)
    assert timed.deadlines["answer_due"] == ("armed", "12-30 17:30", None)


def test_a_node_with_the_older_library_goes_by_the_newer_calendar_and_never_takes_it_back(make_timed: Make) -> None:
    timed = make_timed(answer="5 working days")
    timed.to("2026-12-24 10:00")
    newer = EVE_OFF.on(CALENDAR)
    node(timed, newer).tick()
    assert timed.wf.tick().behind == ()

    case = timed.wf.open("application", {}, actor=SECOND).case_id

    assert adoptions(timed) == [newer.version]
    [found] = timed.wf.deadlines(case)
    # 25, 29, 30, 31 December, 4 January.
    assert (found.calendar, found.ends_at) == (newer.version, at("2027-01-04 17:30"))
    assert timed.wf.overdue().behind == ()


def test_an_import_by_the_older_node_loses_no_year(make_timed: Make) -> None:
    timed = make_timed()
    timed.to("2026-12-24 10:00")
    node(timed, EVE_OFF.on(CALENDAR)).tick()

    [adopted] = timed.wf.import_calendar(with_day_off(date(2026, 12, 30)), actor=OFFICE)

    in_force = timed.wf.calendar_in_force(timed.round)
    assert (adopted.error, in_force.years[-1]) == (None, 2027)
    assert [in_force.is_working_day(date(2026, 12, day)) for day in (28, 29, 30)] == [False, True, False]


def test_two_nodes_whose_tables_of_one_year_differ_do_not_take_turns(make_timed: Make) -> None:
    timed = make_timed()
    other = node(timed, with_day_off(date(2026, 12, 30)).on(CALENDAR), "other")
    third = node(timed, with_day_off(date(2026, 12, 25)).on(CALENDAR), "third")

    for each in (timed.wf, other, timed.wf, other, third, other, timed.wf, third):
        each.tick()

    assert adoptions(timed) == [other.calendar.version, third.calendar.version]
    assert timed.wf.calendar_in_force(timed.round) == third.calendar


# ── imports ──


def test_the_last_import_counts_though_its_clock_is_behind(make_timed: Make) -> None:
    timed = make_timed()
    timed.to("2026-11-20 10:05")
    timed.wf.import_calendar(notice(off=["2027-01-01", "2027-01-04"], number="错1号"), actor=OFFICE)
    slow = SimulatedClock(at("2026-11-20 10:01"))
    rival = Workflow(
        timed.wf.database, clock=slow, entropy=SeededEntropy("r"), calendar=CALENDAR, stages=timed.wf.stages
    )
    right = replace(notice(off=["2027-01-01"], number="正2号"), replaces=True)

    [adopted] = rival.import_calendar(right, actor=OFFICE)

    assert adopted.error is None
    assert rival.import_calendar(right, actor=OFFICE) == ()
    for wf in (rival, timed.wf):
        assert wf.calendar_in_force().describe(date(2027, 1, 4)).works
        assert wf.calendar_in_force(timed.round).describe(date(2027, 1, 4)).works


def test_a_table_that_leaves_days_out_is_refused_with_their_names(make_timed: Make) -> None:
    timed = make_timed()
    only_changes = read_overlay(
        'year = 2026\nnotice = "关于延长2026年国庆节假期的通知"\n[[holiday]]\nname = "国庆节"\noff = [2026-10-08]\n'
    )

    with pytest.raises(CalendarInvalid, match="2026-10-05, 2026-10-06, 2026-10-07") as refused:
        timed.wf.import_calendar(only_changes, actor=OFFICE)

    assert refused.value.fields["days"][0] == "2026-01-01"
    with timed.wf.database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ganchu_calendar_import").scalar() == 0
    assert adoptions(timed) == []


def test_an_import_whose_body_was_altered_is_not_reckoned_by(make_timed: Make) -> None:
    timed = make_timed()
    timed.to("2026-12-24 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    with Record(timed.wf.database, {}).disarmed() as bench:
        row = bench.row("ganchu_calendar_import")
        bench.update("ganchu_calendar_import", {"body": row["body"].replace("2027-01-03", "2027-01-04")}, id=row["id"])
        using = make_rival(timed).using(bench.connection)
        with pytest.raises(Fault, match="the imported calendar of 2027 has been altered"):
            using.open("application", {}, actor=SECOND, round=timed.round)


def test_an_end_whose_own_calendar_cannot_be_read_is_reckoned_anew(make_timed: Make) -> None:
    timed = make_timed(answer="68 working days")
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    meddle(timed, "ganchu_calendar_version", {"body": "no JSON"}, version=CALENDAR.version)
    [adopted] = make_rival(timed).import_calendar(with_day_off(date(2026, 12, 25)), actor=OFFICE)
    later = ("asking.answer_due", "2026-12-29T09:30:00.000000Z", "2026-12-30T09:30:00.000000Z")
    assert (adopted.error, ends(adopted.later)) == (None, [later])


# ── a round that cannot ──


def test_a_round_that_cannot_adopt_is_told_by_the_sweep_and_among_what_is_overdue(make_timed: Make) -> None:
    timed = make_timed(answer="75 working days")
    timed.to("2026-11-20 10:00")
    fewer = Workflow(
        timed.wf.database, clock=timed.clock, entropy=SeededEntropy("few"), calendar=CALENDAR, stages=registry()
    )

    [adopted] = fewer.import_calendar(NEW_YEAR, actor=OFFICE)

    error = adopted.error
    assert error is not None
    [behind] = fewer.tick().behind
    assert (behind.round, behind.code, behind.error and behind.error.code) == (
        timed.round,
        "T-2026",
        error.code,
    )
    overdue = fewer.overdue()
    assert [(b.round, b.code, b.why) for b in overdue.behind] == [(timed.round, "T-2026", error.message)]
    assert overdue.waits_for_a_person
    assert [(b.round, b.why) for b in timed.wf.overdue(timed.round).behind] == [(timed.round, None)]
    assert not timed.wf.overdue().waits_for_a_person

    assert timed.wf.tick().behind == ()

    assert timed.wf.overdue().behind == ()
    assert timed.deadlines["answer_due"] == ("armed", "01-08 17:30", None)


@pytest.mark.parametrize(("damaged", "code"), [("round", "unknown"), ("case", "fault")])
def test_a_round_that_is_damaged_holds_up_no_other_and_no_sweep(make_timed: Make, damaged: str, code: str) -> None:
    timed = make_timed(answer="1 working day")
    stage = {"use": "asking", "answer": "75 working days"}
    plan = {"title": "二", "code": "T-2", "demonstration": True, "stage": [stage]}
    second = timed.wf.open_round(plan, actor=OFFICE).case_id
    timed.wf.fire(second, "start", actor=OFFICE)
    timed.wf.open("application", {}, actor=FIRM, round=second)
    timed.to("2026-11-20 10:00")
    # It goes by a calendar that is nowhere, or the row of one of its cases cannot be read.
    facts = encode({**timed.wf.case(timed.round).facts, "calendars": {"base": "cn-nowhere"}})
    case, text = {"round": (timed.round, facts), "case": (timed.case, "no JSON")}[damaged]
    meddle(timed, "ganchu_case", {"facts": text}, id=case)

    found = {a.round: a for a in timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)}

    assert [getattr(found[r].error, "code", None) for r in (timed.round, second)] == [code, None]
    assert ends(found[second].resolved) == [("asking.answer_due", None, "2027-01-08T09:30:00.000000Z")]
    assert [b.round for b in timed.wf.tick().behind] == [timed.round]
