"""An office imports a year's notice: what waited runs, what it lengthens is lengthened, and what is printed stands."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from ganchu_workflow import Actor, Role, SeededEntropy, Workflow
from ganchu_workflow.engine import crash_points
from ganchu_workflow.engine.calendar_import import Adopted
from ganchu_workflow.errors import CalendarInvalid, YearNotPublished
from ganchu_workflow.timing import Overlay, read_overlay
from tests.engine.small_process import Small, plan, refusal_of
from tests.engine.timed_process import CALENDAR, FIRM, OFFICE, SUPERVISOR, Timed


def notice(*, off: list[str], work: list[str] = [], number: str = "测试1号") -> Overlay:  # noqa: B006
    """A notice of 2027, invented."""
    days = ", ".join(off)
    made = ", ".join(work)
    return read_overlay(
        f'year = 2027\nnotice = "测试用通知"\nnumber = "{number}"\ndated = 2026-11-20\n'
        f'[[holiday]]\nname = "元旦"\noff = [{days}]\nwork = [{made}]\n'
    )


NEW_YEAR = notice(off=["2027-01-01", "2027-01-02", "2027-01-03"])


def ends(found: tuple[tuple[str | None, ...], ...]) -> list[tuple[str | None, ...]]:
    return [row[1:] for row in found]


def test_what_waited_for_the_year_runs_once_it_is_imported(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="75 working days")
    assert timed.deadlines == {"answer_due": ("awaiting_calendar", None, "75 working days")}
    timed.to("2026-11-20 10:00")

    [adopted] = timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)

    assert timed.deadlines["answer_due"] == ("armed", "01-08 17:30", None)
    assert (ends(adopted.resolved), adopted.later, adopted.kept, adopted.printed, adopted.error) == (
        [("asking.answer_due", None, "2027-01-08T09:30:00.000000Z")],
        (),
        (),
        (),
        None,
    )
    on_round, on_case = timed.wf.history(timed.round)[-1], timed.wf.history(timed.case)[-1]
    assert (on_round["trigger"], on_case["trigger"]) == ("round:adopt_calendar",) * 2
    assert (on_case["outcome"], on_case["cause"]) == ("deadline_resolved", {"case": timed.round, "seq": 3})
    assert on_case["calendar"] == on_round["data"]["to"] != on_round["data"]["from"] == CALENDAR.version
    assert timed.wf.verify().problems == []
    timed.to("2027-01-08 17:30")
    timed.fire("answer", {}, FIRM)
    assert timed.state == "asking.answered"


def test_a_december_that_the_notice_lengthens_moves_what_is_not_printed(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="68 working days")
    assert timed.deadlines["answer_due"] == ("armed", "12-29 17:30", None)
    timed.to("2026-11-20 10:00")
    with_eve = notice(off=["2026-12-28", "2027-01-01"])

    [adopted] = timed.wf.import_calendar(with_eve, actor=OFFICE)

    assert ends(adopted.later) == [
        ("asking.answer_due", "2026-12-29T09:30:00.000000Z", "2026-12-30T09:30:00.000000Z"),
    ]
    assert timed.deadlines == {
        "answer_due": ("armed", "12-30 17:30", None),
        "answer_due 3 working days before": ("armed", "12-24 17:30", None),
        "answer_due 1 calendar day before": ("armed", "12-29 17:30", None),
    }
    timed.to("2026-12-30 17:30")
    timed.fire("answer", {}, FIRM)
    assert timed.wf.verify().problems == []


def test_no_end_that_runs_moves_earlier(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="68 working days")
    timed.to("2026-11-20 10:00")
    with_saturday = notice(off=["2027-01-01"], work=["2026-12-26"])

    [adopted] = timed.wf.import_calendar(with_saturday, actor=OFFICE)

    assert ends(adopted.kept) == [
        ("asking.answer_due", "2026-12-29T09:30:00.000000Z", "2026-12-28T09:30:00.000000Z"),
    ]
    assert timed.deadlines["answer_due"] == ("armed", "12-29 17:30", None)
    # The reminder is three working days before that end, and there is one more of them.
    assert [(c["name"], c["due_at"]) for c in timed.wf.history(timed.case)[-1]["deadlines"]] == [
        ("asking.answer_due 3 working days before", "2026-12-25T09:30:00.000000Z")
    ]
    assert timed.told == []


def test_what_an_act_fixed_is_left_alone(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="68 working days")
    timed.extend("2026-12-30 12:00")
    timed.to("2026-11-20 10:00")
    before = timed.deadlines["answer_due"]
    [adopted] = timed.wf.import_calendar(notice(off=["2026-12-28", "2027-01-01"]), actor=OFFICE)

    assert (adopted.later, adopted.kept) == ((), ())
    assert timed.deadlines["answer_due"] == before


def test_a_dry_run_lists_what_would_change_and_changes_nothing(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="68 working days")
    timed.to("2026-11-20 10:00")
    overlay = notice(off=["2026-12-28", "2027-01-01"])

    would = timed.wf.import_calendar(overlay, actor=OFFICE, dry_run=True)

    assert timed.deadlines["answer_due"] == ("armed", "12-29 17:30", None)
    assert len(timed.wf.history(timed.round)) == 2
    assert timed.wf.import_calendar(overlay, actor=OFFICE) == would


def test_the_same_notice_twice_is_kept_once_and_an_amendment_replaces_it(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(answer="75 working days")
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    assert timed.wf.import_calendar(NEW_YEAR, actor=OFFICE) == ()
    timed.to("2026-12-20 10:00")
    amended = notice(off=["2027-01-01", "2027-01-02", "2027-01-03", "2027-01-04"], number="测试2号")

    [adopted] = timed.wf.import_calendar(amended, actor=OFFICE)

    assert ends(adopted.later) == [
        ("asking.answer_due", "2027-01-08T09:30:00.000000Z", "2027-01-11T09:30:00.000000Z"),
    ]
    assert timed.wf.verify().problems == []


def test_a_new_round_goes_by_what_was_imported_before_it(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed()
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    stage = {"use": "asking", "answer": "40 working days"}
    document = {"title": "二", "code": "T-2", "demonstration": True, "stage": [stage]}

    second = timed.wf.open_round(document, actor=OFFICE).case_id
    timed.wf.fire(second, "start", actor=OFFICE)
    case = timed.wf.open("application", {}, actor=FIRM, round=second).case_id

    assert timed.wf.case(second).facts["calendars"] == timed.wf.case(timed.round).facts["calendars"]
    assert timed.wf.history(case)[0]["deadlines"][0]["status"] == "armed"


def test_a_workflow_that_has_not_met_the_import_goes_by_it_too(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed(handling="5 working days")
    rival = make_rival(timed)
    assert rival.case(timed.case).state == "asking.asked"
    timed.to("2026-12-28 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    case = rival.open("application", {}, actor=FIRM, round=timed.round).case_id

    change = rival.history(case)[0]["deadlines"][0]
    # 29, 30, 31 December, 4 and 5 January.
    assert (change["status"], change["due_at"]) == ("armed", "2027-01-05T09:30:00.000000Z")


@pytest.mark.parametrize("actor", [FIRM, SUPERVISOR, Actor(Role.AUDITOR)])
def test_only_the_office_imports(make_timed: Callable[..., Timed], actor: Actor) -> None:
    timed = make_timed()
    assert refusal_of(lambda: timed.wf.import_calendar(NEW_YEAR, actor=actor)).code == "not_allowed"
    assert timed.wf.case(timed.round).facts["calendars"] == {"base": CALENDAR.version}


def test_a_file_that_cannot_be_used_is_refused(make_timed: Callable[..., Timed], tmp_path: Path) -> None:
    timed = make_timed()
    path = tmp_path / "2027.toml"
    path.write_text("", "utf-8")
    with pytest.raises(CalendarInvalid):
        timed.wf.import_calendar(path, actor=OFFICE)
    assert len(timed.wf.history(timed.round)) == 2


# ── what is printed ──


def test_what_is_printed_into_a_year_without_notice_is_refused(database_url: str) -> None:
    small = Small(database_url, calendar=CALENDAR)
    small.round = small.wf.open_round(plan(), actor=OFFICE).case_id
    with pytest.raises(YearNotPublished):
        CALENDAR.is_working_day(date(2027, 1, 4))
    small.wf.database.dispose()


def test_the_import_is_a_row_that_says_who_and_which_paper(make_timed: Callable[..., Timed]) -> None:
    timed = make_timed()
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    with timed.wf.database.connect() as connection:
        rows = connection.exec_driver_sql("SELECT year, paper, actor FROM ganchu_calendar_import").all()
    assert [tuple(r) for r in rows] == [(2027, NEW_YEAR.paper, "office#p-1")]


def test_an_act_under_way_when_the_calendar_comes_is_computed_again(
    make_timed: Callable[..., Timed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The act has read the round; the import adopts it before the act commits."""
    timed = make_timed(handling="75 working days")
    timed.to("2026-09-21 10:00")
    rival = make_rival(timed)
    seen: list[tuple[Adopted, ...]] = []

    def import_once(point: str) -> None:
        if point == "read" and not seen:
            seen.append(())
            seen[0] = rival.import_calendar(NEW_YEAR, actor=OFFICE)

    if timed.wf.database.dialect.name == "sqlite":
        timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)  # one writer at a time: it cannot come in between
        timed.fire("answer", {}, FIRM)
    else:
        monkeypatch.setattr(crash_points, "listener", import_once)
        timed.fire("answer", {}, FIRM)
        assert ends(seen[0][0].resolved) == []

    assert timed.deadlines["handling_due"][0] == "armed"
    assert timed.wf.verify().problems == []


def make_rival(timed: Timed) -> Workflow:
    return Workflow(
        timed.wf.database, clock=timed.clock, entropy=SeededEntropy("rival"), calendar=CALENDAR, stages=timed.wf.stages
    )
