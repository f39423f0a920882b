"""Windows close by the clock: at the closing instant an act is in time, a microsecond later it is late."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from freezegun import freeze_time

from ganchu_workflow import Refusal, SimulatedClock, Swept, SystemClock, SystemEntropy
from ganchu_workflow.engine import crash_points
from ganchu_workflow.process import Effects
from ganchu_workflow.timing import WorkingCalendar
from tests.engine.small_process import (
    BEGUN,
    CLOSES,
    FIVE,
    HOUR,
    LETTERS_CLOSE,
    MICROSECOND,
    OFFICE,
    OPENS,
    SHANGHAI,
    Rules,
    Small,
    applicant,
    authority,
    declaration,
    expert,
    hooked,
    instant,
    plan,
    public,
    refusal_of,
    registry,
)
from tests.listening import hearing

swept = pytest.mark.parametrize("swept", [False, True], ids=["no sweep", "swept"])
CALENDAR_OF_2090 = WorkingCalendar.built_in().with_year(
    2090, [date(2090, 1, 1), *(date(2090, 10, n) for n in range(1, 8))], [], "测试用通知"
)
UNTIMED = tuple({k: v for k, v in stage.items() if k != "window"} for stage in FIVE)


def fired(swept: Swept) -> list[str]:
    """The triggers that a sweep fired, in order."""
    return [r.trigger for r in swept.fired]


def pass_to(small: Small, when: datetime, swept: bool) -> None:
    if swept:
        small.move_to(when)
    else:
        small.drift_to(when)


# ── the phase ──


@swept
def test_at_the_closing_instant_an_act_is_in_time(small: Small, swept: bool) -> None:
    early = small.draft("early")
    pending = small.pending("pending")
    pass_to(small, CLOSES, swept)

    at_the_last = small.draft("late")
    small.wf.fire(early, "submit", {"truthful": True}, actor=applicant("early"))
    pass_to(small, LETTERS_CLOSE, swept)
    small.issue(pending)

    assert small.view(at_the_last).opened_at == CLOSES
    assert (small.state(early), small.state(pending)) == ("declare.submitted", "review.reviewing")


@swept
def test_a_microsecond_after_the_closing_instant_an_act_is_late(small: Small, swept: bool) -> None:
    before = len(small.wf.cases(small.round, "application"))
    pass_to(small, CLOSES + MICROSECOND, swept)

    refusal = refusal_of(small.draft)

    assert (refusal.code, refusal.detail) == (
        "window_closed",
        {"stage": "declare", "opens_at": instant(OPENS), "closes_at": instant(CLOSES)},
    )
    assert len(small.wf.cases(small.round, "application")) == before
    [row] = small.wf.attempts(small.round)
    assert (row["code"], row["received_at"]) == ("window_closed", CLOSES + MICROSECOND)


@swept
def test_a_late_letter_is_refused_and_what_it_would_name_was_missed(small: Small, swept: bool) -> None:
    pending, letter = small.pending(), small.letter()
    pass_to(small, LETTERS_CLOSE + MICROSECOND, swept)

    refusal = refusal_of(lambda: small.wf.fire(letter, "issue", {"applications": [pending]}, actor=authority()))

    assert (refusal.code, refusal.state) == ("window_closed", "drafted")
    assert small.state(pending) == "recommend.missed"
    assert small.wf.history(pending)[-1]["effective_at"] == instant(LETTERS_CLOSE)


@swept
def test_a_late_submission_finds_its_draft_lapsed(small: Small, swept: bool) -> None:
    case = small.draft()
    pass_to(small, CLOSES + MICROSECOND, swept)

    refusal = refusal_of(lambda: small.wf.fire(case, "submit", {"truthful": True}, actor=applicant()))

    assert (refusal.code, refusal.state) == ("window_closed", "declare.lapsed")
    assert refusal.detail["closes_at"] == instant(CLOSES)
    last = small.wf.history(case)[-1]
    assert (last["trigger"], last["effective_at"], last["recorded_at"]) == (
        "declare.lapse",
        instant(CLOSES),
        instant(CLOSES + MICROSECOND),
    )


@pytest.mark.parametrize("swept", [False, True])
def test_before_the_opening_instant_nothing_is_accepted_and_at_it_is(make: Callable[..., Small], swept: bool) -> None:
    small = make(clock=(clock := SimulatedClock(OPENS - MICROSECOND)))
    small.simulated = clock
    small.round = small.wf.open_round(
        {"title": "t", "code": "c", "demonstration": True, "stage": list(FIVE)}, actor=OFFICE
    ).case_id
    small.wf.fire(small.round, "start", actor=OFFICE)

    refusal = refusal_of(small.draft)
    pass_to(small, OPENS, swept)
    case = small.draft()

    assert (refusal.code, refusal.detail["opens_at"]) == ("window_not_open", instant(OPENS))
    assert small.state(case) == "declare.draft"


def test_an_extended_phase_closes_at_its_new_end(small: Small) -> None:
    case = small.draft()
    new_end = {"closes_at": CLOSES + HOUR, "ground": "系统故障,顺延一小时"}
    small.wf.fire(small.phase("declare").id, "extend", new_end, actor=OFFICE)

    small.move_to(CLOSES + HOUR)
    in_time = small.draft("e2")
    small.move_to(CLOSES + HOUR + MICROSECOND)

    assert refusal_of(small.draft).code == "window_closed"
    assert [small.state(c) for c in (case, in_time)] == ["declare.lapsed", "declare.lapsed"]


def test_a_phase_closed_by_the_office_is_closed_from_then_on(small: Small) -> None:
    drafted, submitted = small.draft("e1"), small.submitted("e2")
    small.later()
    order = {"document": "赣工信函〔2021〕3号", "ground": "名额已满"}
    small.wf.fire(small.phase("declare").id, "close_early", order, actor=OFFICE)
    small.drift_to(small.simulated.now() + MICROSECOND)

    assert refusal_of(small.draft).code == "window_closed"
    assert [small.state(c) for c in (drafted, submitted)] == ["declare.lapsed", "declare.submitted"]
    assert small.due(small.phase("declare").id) == {}


# ── reception ──


def test_reception_is_taken_before_the_transaction_begins(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = small.draft("early")
    small.drift_to(CLOSES)

    def time_passes(point: str) -> None:
        if point == "begun":
            small.simulated.advance(HOUR)

    monkeypatch.setattr(crash_points, "listener", time_passes)
    submitted = small.wf.fire(draft, "submit", {"truthful": True}, actor=applicant("early"))

    assert (submitted.state, submitted.effective_at) == ("declare.submitted", CLOSES)
    assert submitted.recorded_at == CLOSES + HOUR


def test_reception_is_taken_before_the_opening_asks_which_round(small: Small) -> None:
    small.drift_to(CLOSES)

    def time_passes(*_: Any) -> None:
        if small.simulated.now() == CLOSES:
            small.simulated.advance(HOUR)

    with hearing(before=time_passes):
        opened = small.wf.open("application", declaration(), actor=applicant())

    assert (opened.effective_at, opened.recorded_at) == (CLOSES, CLOSES + HOUR)


class Telling(SimulatedClock):
    """A clock that says when it was first looked at."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.looked = Event()

    def now(self) -> datetime:
        now = super().now()
        self.looked.set()
        return now


def test_an_act_that_waits_for_a_lock_until_the_window_has_closed_is_still_in_time(
    make: Callable[..., Small], database_url: str
) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    case = small.draft()
    small.drift_to(CLOSES)
    clock = Telling(CLOSES)
    other = make(clock=clock, entropy=SystemEntropy())
    receipts: list[Any] = []
    waiting = Thread(
        target=lambda: receipts.append(other.wf.fire(case, "submit", {"truthful": True}, actor=applicant()))
    )

    with small.wf.database.connect() as host:
        small.wf.using(host).fire(case, "save", {"enterprise": "乙厂"}, actor=applicant())
        clock.looked.clear()
        waiting.start()
        assert clock.looked.wait(10)
        clock.advance(HOUR)
        host.commit()
    waiting.join(20)

    [receipt] = receipts
    assert (receipt.state, receipt.effective_at, receipt.seq) == ("declare.submitted", CLOSES, 3)
    assert receipt.recorded_at in (CLOSES, CLOSES + HOUR)
    assert small.wf.verify().problems == []


# ── deadlines ──


@swept
def test_a_deadline_does_not_fire_at_its_instant_and_does_a_microsecond_later(small: Small, swept: bool) -> None:
    case = small.reviewing()
    sheet = small.sheet(case)
    due = small.due(sheet)["sheet_due"]
    assert due == BEGUN + 48 * HOUR

    small.drift_to(due)
    assert small.wf.tick() == Swept()
    assert small.state(sheet) == "assigned"
    pass_to(small, due + MICROSECOND, swept)
    refusal = refusal_of(lambda: small.wf.fire(sheet, "complete", actor=expert()))

    assert (refusal.code, small.state(sheet), small.state(case)) == ("window_closed", "silent", "notice.listed")


def test_what_a_deadline_admits_is_in_time_at_its_instant(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(small.due(sheet)["sheet_due"])

    small.wf.fire(sheet, "complete", actor=expert())

    assert small.state(sheet) == "done"


def test_a_late_sweep_records_when_it_was_due_and_when_it_was_recorded(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    due = small.due(sheet)["sheet_due"]
    late = due + timedelta(days=3)

    small.drift_to(late)
    assert fired(small.wf.tick()) == ["expire"]

    last = small.wf.history(sheet)[-1]
    assert {k: last[k] for k in ("trigger", "effective_at", "received_at", "recorded_at", "deadline")} == {
        "trigger": "expire",
        "effective_at": instant(due),
        "received_at": instant(late),
        "recorded_at": instant(late),
        "deadline": {"name": "sheet_due", "due_at": instant(due)},
    }
    assert last["actor"] == {"role": "clock", "scope": "", "person": "", "via": "clock", "on_behalf_of": ""}


def test_a_cascade_runs_from_the_instants_at_which_things_were_due(small: Small) -> None:
    case = small.listed()
    notice = small.notice(case)
    objection = small.objection(case, notice)
    filed = small.simulated.now()
    late = filed + 300 * HOUR

    small.drift_to(late)
    assert fired(small.wf.tick()) == ["admit", "dismiss", "close"]

    assert [(e["trigger"], e["effective_at"], e["recorded_at"]) for e in small.wf.history(objection)[1:]] == [
        ("admit", instant(filed + 24 * HOUR), instant(late)),
        ("dismiss", instant(filed + 72 * HOUR), instant(late)),
    ]
    assert [(e["trigger"], e["effective_at"]) for e in small.wf.history(case)[-3:]] == [
        ("notice.hold", instant(filed + 24 * HOUR)),
        ("notice.free", instant(filed + 72 * HOUR)),
        ("notice.clear", instant(filed + 100 * HOUR)),
    ]


def test_a_late_act_settles_first_what_was_due_though_nobody_swept(small: Small) -> None:
    case = small.listed()
    notice = small.notice(case)
    objection = small.objection(case, notice)
    filed = small.simulated.now()
    small.drift_to(filed + 73 * HOUR)

    refusal = refusal_of(lambda: small.wf.fire(objection, "uphold", actor=OFFICE))

    assert (refusal.code, refusal.state) == ("not_here", "dismissed")
    assert [(e["trigger"], e["effective_at"]) for e in small.wf.history(objection)[1:]] == [
        ("admit", instant(filed + 24 * HOUR)),
        ("dismiss", instant(filed + 72 * HOUR)),
    ]
    assert small.state(case) == "notice.showing"


def test_a_late_objection_meets_a_notice_that_is_closed_first(small: Small) -> None:
    case = small.listed()
    notice = small.notice(case)
    small.drift_to(small.due(notice)["window"] + MICROSECOND)

    refusal = refusal_of(lambda: small.objection(case, notice))

    assert refusal.code == "window_closed"
    assert (small.state(notice), small.state(case)) == ("closed", "finish.decided")


@swept
def test_deadlines_that_start_each_other_are_settled_as_often_as_they_were_due(
    make: Callable[..., Small], swept: bool
) -> None:
    small = make().open_round({"use": "declare"}, {"use": "pendulum"})
    case = small.pending()
    small.drift_to(BEGUN + 200 * HOUR)
    if swept:
        assert fired(small.wf.tick()) == ["pendulum.swing", "pendulum.swing_back"] * 2

    small.wf.fire(case, "end", actor=OFFICE)

    assert [(e["trigger"], e["effective_at"]) for e in small.wf.history(case)[3:]] == [
        ("pendulum.swing", instant(BEGUN + 48 * HOUR)),
        ("pendulum.swing_back", instant(BEGUN + 96 * HOUR)),
        ("pendulum.swing", instant(BEGUN + 144 * HOUR)),
        ("pendulum.swing_back", instant(BEGUN + 192 * HOUR)),
        ("pendulum.end", instant(BEGUN + 200 * HOUR)),
    ]


def test_a_second_sweep_fires_nothing(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(BEGUN + 49 * HOUR)

    assert [fired(small.wf.tick()), fired(small.wf.tick())] == [["expire"], []]
    assert small.triggers(sheet) == ["assign", "expire"]


def many_due(small: Small, count: int = 12) -> list[str]:
    case = small.reviewing()
    return [small.sheet(case, f"x{n}") for n in range(count)]


def test_two_threads_that_sweep_fire_each_deadline_once(make: Callable[..., Small]) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    sheets = many_due(small)
    other = make(clock=small.simulated, entropy=SystemEntropy())
    small.drift_to(BEGUN + 49 * HOUR)
    start = Barrier(2)

    def sweep(one: Small) -> Swept:
        start.wait(10)
        return one.wf.tick()

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(sweep, [small, other]))

    assert [small.triggers(s) for s in sheets] == [["assign", "expire"]] * len(sheets)
    assert [r.refused for r in results] == [(), ()]
    assert sorted(r.case_id for result in results for r in result.fired) == sorted(sheets)
    assert small.wf.verify().problems == []


def sweep_elsewhere(url: str, now: datetime, start: Any, answers: Any) -> None:
    """In a process of its own: sweep once, and say what was done."""
    small = Small(url, clock=SimulatedClock(now), entropy=SystemEntropy())
    small.wf.rounds()
    start.wait(60)
    swept = small.wf.tick()
    small.wf.database.dispose()
    answers.put(([r.case_id for r in swept.fired], swept.refused))


def test_two_processes_that_sweep_fire_each_deadline_once(make: Callable[..., Small], database_url: str) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    sheets = many_due(small)
    context = get_context("spawn")
    start, answers = context.Barrier(2), context.Queue()
    arguments = (database_url, BEGUN + 49 * HOUR, start, answers)
    processes = [context.Process(target=sweep_elsewhere, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    results = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)

    assert [small.triggers(s) for s in sheets] == [["assign", "expire"]] * len(sheets)
    assert [refused for _, refused in results] == [(), ()]
    assert sorted(case for cases, _ in results for case in cases) == sorted(sheets)


def refuse_it(ctx: Rules) -> Refusal:
    return Refusal("not_yet", "暂不处理", "not yet")


def crash(ctx: Rules) -> None:
    raise ZeroDivisionError("one by nought")


def return_nonsense(ctx: Rules) -> Effects:
    return Effects(facts={"average": 1.5})


@pytest.mark.parametrize(
    ("hook", "rule", "code"),
    [
        ("expire_guard", refuse_it, "not_yet"),
        ("expire_guard", crash, "guard_crashed"),
        ("expire_effect", crash, "rule_crashed"),
        ("expire_effect", return_nonsense, "not_canonical"),
    ],
    ids=["refuses", "guard crashes", "effect crashes", "effect returns a float"],
)
def test_a_deadline_that_will_not_fire_is_reported_and_holds_up_no_other(
    small: Small, hook: str, rule: Callable[[Rules], Any], code: str
) -> None:
    case = small.reviewing()
    stuck, other = small.sheet(case, "x1"), small.sheet(case, "x2")
    before = small.deadlines(stuck)
    small.drift_to(BEGUN + 49 * HOUR)

    def only_on_the_stuck_one(ctx: Rules) -> Any:
        return rule(ctx) if ctx.case.id == stuck else None

    with hooked(**{hook: only_on_the_stuck_one}):
        result = small.wf.tick()

    assert [r.case_id for r in result.fired] == [other]
    [problem] = result.refused
    assert (problem["case"], problem["deadline"], problem["code"]) == (stuck, "sheet_due", code)
    assert (small.state(stuck), small.state(other)) == ("assigned", "silent")
    assert small.deadlines(stuck) == before
    small.drift_to(small.simulated.now() + timedelta(seconds=30))
    assert fired(small.wf.tick()) == ["expire"]
    assert small.state(stuck) == "silent"


def test_a_deadline_that_will_not_fire_does_not_stand_in_the_way_of_an_act(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(BEGUN + 49 * HOUR)

    with hooked(expire_guard=refuse_it):
        refusal = refusal_of(lambda: small.wf.fire(sheet, "complete", actor=expert()))

    assert (refusal.code, refusal.detail) == (
        "window_closed",
        {"window": "sheet_due", "closes_at": instant(BEGUN + 48 * HOUR)},
    )


def test_a_self_loop_does_not_start_a_deadline_again(make: Callable[..., Small]) -> None:
    small = make().open_round(declare={"draft_life": "24 hours"})
    case = small.draft()
    due = small.due(case)
    small.later(23 * HOUR)

    small.wf.fire(case, "save", {"enterprise": "乙厂"}, actor=applicant())

    assert small.due(case) == due == {"declare.draft_due": BEGUN + 24 * HOUR}
    small.later(HOUR + MICROSECOND)
    assert small.state(case) == "declare.lapsed"


def test_a_deadline_that_fires_a_self_loop_has_fired_for_good(small: Small) -> None:
    case = small.submitted()
    due = small.due(case)["declare.answer_due"]
    assert due == datetime(2021, 8, 16, 17, 30, tzinfo=SHANGHAI)
    small.move_to(due + HOUR)
    small.later(1000 * HOUR)

    assert small.triggers(case) == ["declare.declare", "declare.submit", "declare.remind"]
    assert small.deadlines(case)["declare.answer_due"]["status"] == "fired"
    assert small.wf.verify().problems == []


def test_a_stopped_deadline_keeps_what_is_left_and_goes_on_with_it(small: Small) -> None:
    case = small.submitted()
    small.move_to(datetime(2021, 8, 5, 10, tzinfo=SHANGHAI))
    small.wf.fire(case, "return_for_correction", {"items": ["商标"]}, actor=OFFICE)
    stopped = small.deadlines(case)
    small.move_to(datetime(2021, 8, 9, 10, tzinfo=SHANGHAI))
    small.wf.fire(case, "resubmit", {}, actor=applicant())

    assert {n: (r["status"], r["due_at"], r["remainder"]) for n, r in stopped.items()} == {
        "declare.answer_due": ("stopped", None, "8 working days"),
        "declare.correction_due": ("armed", datetime(2021, 8, 12, 17, 30, tzinfo=SHANGHAI), None),
    }
    assert small.due(case) == {"declare.answer_due": datetime(2021, 8, 19, 17, 30, tzinfo=SHANGHAI)}
    assert small.wf.verify().problems == []


def test_a_deadline_stopped_at_its_last_instant_has_that_day_left_when_it_goes_on(small: Small) -> None:
    case = small.submitted()
    ended = small.due(case)["declare.answer_due"]
    small.drift_to(ended)
    small.wf.fire(case, "return_for_correction", {"items": ["商标"]}, actor=OFFICE)
    small.later(HOUR)
    small.wf.fire(case, "resubmit", {}, actor=applicant())

    assert small.due(case) == {"declare.answer_due": ended + timedelta(days=1)}  # the next working day
    small.move_to(ended + timedelta(days=1) + MICROSECOND)
    assert small.triggers(case)[-1] == "declare.remind"


def test_the_correction_runs_on_after_the_declaration_has_closed(small: Small) -> None:
    case = small.submitted()
    small.move_to(CLOSES)
    small.wf.fire(case, "return_for_correction", {"items": ["商标"]}, actor=OFFICE)
    small.move_to(CLOSES + 2 * HOUR)
    assert small.state(case) == "declare.correcting"

    due = small.due(case)["declare.correction_due"]
    small.move_to(due)
    small.wf.fire(case, "resubmit", {}, actor=applicant())

    assert small.state(case) == "declare.submitted"


def test_silence_about_a_correction_is_withdrawal(small: Small) -> None:
    case = small.submitted()
    small.wf.fire(case, "return_for_correction", {"items": ["商标"]}, actor=OFFICE)
    due = small.due(case)["declare.correction_due"]
    small.drift_to(due + MICROSECOND)

    refusal = refusal_of(lambda: small.wf.fire(case, "resubmit", {}, actor=applicant()))

    assert (refusal.code, small.state(case)) == ("window_closed", "withdrawn")
    assert refusal.detail["closes_at"] == instant(due)
    assert small.wf.history(case)[-1]["effective_at"] == instant(due)


def test_an_end_fixed_by_a_fact_moves_with_the_fact(small: Small) -> None:
    case = small.listed()
    notice = small.notice(case)
    first = small.due(notice)["window"]
    small.wf.fire(notice, "extend", {"closes_at": first + 10 * HOUR}, actor=OFFICE)

    assert small.due(notice) == {"window": first + 10 * HOUR}
    small.move_to(first + HOUR)
    objection = small.objection(case, notice)
    assert (small.state(notice), small.state(objection)) == ("open", "filed")
    small.move_to(first + 10 * HOUR + MICROSECOND)
    assert small.wf.history(notice)[-1]["effective_at"] == instant(first + 10 * HOUR)


def test_a_period_set_to_none_is_no_deadline(make: Callable[..., Small]) -> None:
    small = make().open_round(review={"sheet_time": None}, declare={"answer": None})
    submitted = small.submitted("e2")
    sheet = small.sheet(small.reviewing())

    assert (small.deadlines(submitted), small.deadlines(sheet)) == ({}, {})
    small.later(10_000 * HOUR)
    small.wf.fire(sheet, "complete", actor=expert())
    assert small.state(sheet) == "done"


def test_a_deadline_into_a_year_without_a_calendar_waits_for_it(make: Callable[..., Small]) -> None:
    small = make().open_round(*UNTIMED)
    small.drift_to(datetime(2090, 3, 1, 9, tzinfo=SHANGHAI))

    case = small.submitted()

    [row] = small.deadlines(case).values()
    assert {k: row[k] for k in ("name", "status", "due_at", "remainder", "rule", "calendar")} == {
        "name": "declare.answer_due",
        "status": "awaiting_calendar",
        "due_at": None,
        "remainder": "10 working days",
        "rule": "setting:answer = 10 working days",
        "calendar": None,
    }
    small.later(10_000 * HOUR)
    assert small.triggers(case) == ["declare.declare", "declare.submit"]
    assert small.wf.verify().problems == []


def test_a_deadline_that_waited_for_its_calendar_starts_to_run_when_it_is_loaded(make: Callable[..., Small]) -> None:
    small = make().open_round(*UNTIMED)
    small.drift_to(datetime(2090, 3, 1, 9, tzinfo=SHANGHAI))
    case = small.submitted()
    loaded = make(clock=small.simulated, calendar=CALENDAR_OF_2090)

    assert fired(loaded.wf.tick()) == []
    due = datetime(2090, 3, 15, 17, 30, tzinfo=SHANGHAI)
    assert small.due(case) == {"declare.answer_due": due}
    last = small.wf.history(case)[-1]
    assert (last["outcome"], last["source"], last["target"]) == (
        "deadline_resolved",
        "declare.submitted",
        "declare.submitted",
    )
    before = small.dump()
    loaded.wf.tick()
    assert small.dump() == before
    small.drift_to(due + MICROSECOND)
    assert fired(loaded.wf.tick()) == ["declare.remind"]
    assert small.wf.verify().problems == []


def test_a_deadline_that_cannot_be_resolved_holds_up_no_other(make: Callable[..., Small]) -> None:
    small = make().open_round(*UNTIMED)
    small.drift_to(datetime(2090, 3, 1, 9, tzinfo=SHANGHAI))
    waiting = small.submitted()
    other = make(clock=small.simulated)
    stages = {"use": "declare", "draft_life": "24 hours"}, {"use": "finish"}
    other.round = other.wf.open_round(plan(*stages), actor=OFFICE).case_id
    other.wf.fire(other.round, "start", actor=OFFICE)
    draft = other.wf.open("application", declaration(), actor=applicant(), round=other.round)
    small.drift_to(small.simulated.now() + 25 * HOUR)
    fewer = registry()
    del fewer.plugins["review"]

    swept = make(clock=small.simulated, calendar=CALENDAR_OF_2090, stages=fewer).wf.tick()

    assert [r.case_id for r in swept.fired] == [draft.case_id]
    assert [(r["case"], r["deadline"], r["code"]) for r in swept.refused] == [
        (waiting, "declare.answer_due", "plan_invalid")
    ]
    assert small.due(waiting) == {}


def test_next_due_is_the_nearest_armed_deadline(small: Small) -> None:
    assert small.wf.next_due() == CLOSES

    sheet = small.sheet(small.reviewing())
    assert small.wf.next_due() == BEGUN + 48 * HOUR
    small.wf.fire(sheet, "complete", actor=expert())
    assert small.wf.next_due() == CLOSES


# ── a whole round, on the machine's clock ──


def test_a_round_runs_from_end_to_end_on_a_frozen_machine_clock(make: Callable[..., Small]) -> None:
    with freeze_time(OPENS.astimezone(UTC) - HOUR) as machine:
        small = make(clock=SystemClock(), entropy=SystemEntropy())
        wf = small.wf

        def tick_at(when: datetime) -> Swept:
            machine.move_to(when.astimezone(UTC))
            return wf.tick()

        small.round = wf.open_round({"title": "首届", "code": "GCJP", "stage": [*FIVE]}, actor=OFFICE).case_id
        wf.fire(small.round, "start", actor=OFFICE)
        swept = [tick_at(OPENS + MICROSECOND)]
        winner, loser, sleeper = (small.submitted(e) for e in ("e1", "e2", "e3"))
        drafted = small.draft("e4")
        for case in (winner, loser):
            wf.fire(case, "accept", actor=OFFICE)
        wf.fire(sleeper, "return_for_correction", {"items": ["商标"]}, actor=OFFICE)
        swept.append(tick_at(CLOSES + MICROSECOND))
        small.issue(winner)
        swept.append(tick_at(LETTERS_CLOSE + MICROSECOND))
        small.sheet(winner)
        swept.append(tick_at(LETTERS_CLOSE + 72 * HOUR))
        notice = wf.open("notice", actor=OFFICE, members=[winner]).case_id
        end = LETTERS_CLOSE + 240 * HOUR
        wf.fire(notice, "publish", {"closes_at": end}, actor=OFFICE)
        objection = wf.open("objection", {"text": "不符合条件"}, actor=public(), parent=winner, of=notice).case_id
        wf.fire(objection, "admit", actor=OFFICE)
        wf.fire(objection, "dismiss", actor=OFFICE)
        swept.append(tick_at(end))
        swept.append(tick_at(end + MICROSECOND))
        wf.fire(winner, "choose", actor=OFFICE)

        assert [small.state(c) for c in (winner, loser, sleeper, drafted)] == [
            "finish.chosen",
            "recommend.missed",
            "withdrawn",
            "declare.lapsed",
        ]
        assert [fired(s) for s in swept] == [
            ["begin", "begin"],
            ["declare.give_up", "close"],
            ["close"],
            ["expire"],
            [],
            ["close"],
        ]
        assert [s.refused for s in swept] == [()] * 6
        assert small.triggers(winner) == [
            "declare.declare",
            "declare.submit",
            "declare.accept",
            "recommend.recommend",
            "review.pass_on",
            "notice.show",
            "notice.hold",
            "notice.free",
            "notice.clear",
            "finish.choose",
        ]
        assert wf.verify().problems == []
