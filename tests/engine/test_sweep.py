"""The sweep after an outage and in a storm, and what becomes of deadlines that would not fire."""

import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import pytest
from sqlalchemy import select, update

from ganchu_workflow import (
    Actor,
    Invalid,
    Refusal,
    Refused,
    Role,
    SeededEntropy,
    SimulatedClock,
    Swept,
    SystemEntropy,
)
from ganchu_workflow.engine.stuck import Stuck
from ganchu_workflow.engine.transactions import TRIES
from ganchu_workflow.engine.workspace import Stale
from ganchu_workflow.errors import Unknown
from ganchu_workflow.process import Effects
from ganchu_workflow.store.tables import METADATA
from tests.engine.small_process import (
    BEGUN,
    CONTACT,
    HOUR,
    MICROSECOND,
    OFFICE,
    Small,
    applicant,
    expert,
    hooked,
    instant,
    plan,
    refusal_of,
    registry,
)
from tests.engine.test_faults import at

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
STUCK = METADATA.tables["ganchu_stuck_deadline"]
DEADLINE = METADATA.tables["ganchu_deadline"]
CASE = METADATA.tables["ganchu_case"]
DUE = BEGUN + 48 * HOUR
SUPERVISOR = Actor(Role.SUPERVISOR, person="s1")


def not_yet(ctx: Any) -> Refusal:
    return Refusal("not_yet", "尚不能办理", "not yet")


def crash(ctx: Any) -> None:
    raise ZeroDivisionError(f"by nought: {CONTACT}")


def nonsense(ctx: Any) -> Effects:
    return Effects(facts={"average": 1.5})


def on(case: str, rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A rule that does this on one case, and on any other what it always does."""
    return lambda ctx: rule(ctx) if ctx.case.id == case else None


def rows(small: Small) -> list[Any]:
    with small.wf.database.connect() as connection:
        return list(connection.execute(select(STUCK).order_by(STUCK.c.case_id)))


def cases(swept: Swept) -> list[str]:
    return [r.case_id for r in swept.fired]


def beside(make: Callable[..., Small], small: Small) -> Small:
    """Another round on the same database, by the same clock: a declaration whose drafts live for a day."""
    other = make(clock=small.simulated, entropy=SeededEntropy("beside"))
    stages = {"use": "declare", "draft_life": "24 hours"}, {"use": "finish"}
    other.round = other.wf.open_round(plan(*stages), actor=OFFICE).case_id
    other.wf.fire(other.round, "start", actor=OFFICE)
    return other


# ── after an outage ──


def test_after_an_outage_of_a_hundred_days_everything_fires_from_the_instants_it_was_due_at(small: Small) -> None:
    """A notice closed in the outage lets its item pass from that instant; an objection went its way before that."""
    first, second = small.listed(), small.listed("e2", "360400")
    filed = small.simulated.now()
    notice, later = small.notice(first), small.notice(second, closes_at=filed + 50 * HOUR)
    objection = small.objection(first, notice)
    back = filed + 100 * DAY

    small.drift_to(back)
    swept = small.wf.tick()

    ends = [(r.trigger, r.effective_at) for r in swept.fired]
    assert ends == sorted(ends, key=lambda each: each[1])
    assert [(r.case_id, r.trigger, r.effective_at) for r in swept.fired if r.kind in ("notice", "objection")] == [
        (objection, "admit", filed + 24 * HOUR),
        (later, "close", filed + 50 * HOUR),
        (objection, "dismiss", filed + 72 * HOUR),
        (notice, "close", filed + 100 * HOUR),
    ]
    assert {r.recorded_at for r in swept.fired} == {back}
    assert [(e["trigger"], e["effective_at"], e["recorded_at"]) for e in small.wf.history(first)[-3:]] == [
        ("notice.hold", instant(filed + 24 * HOUR), instant(back)),
        ("notice.free", instant(filed + 72 * HOUR), instant(back)),
        ("notice.clear", instant(filed + 100 * HOUR), instant(back)),
    ]
    assert (swept.refused, swept.more, swept.stuck, small.wf.tick()) == ((), False, (), Swept())
    assert small.wf.verify().problems == []


def test_an_outage_ends_in_beats_of_a_bounded_size(small: Small) -> None:
    case = small.reviewing()
    sheets = [small.sheet(case, f"x{n}") for n in range(7)]
    small.drift_to(DUE + HOUR)

    swept = [small.wf.tick(limit=3) for _ in range(3)]

    assert [(len(s.fired), s.more) for s in swept] == [(3, True), (3, True), (1, False)]
    assert sorted(c for s in swept for c in cases(s)) == sorted(sheets)


def test_a_limit_that_is_just_enough_leaves_no_more(small: Small) -> None:
    case = small.reviewing()
    for n in range(3):
        small.sheet(case, f"x{n}")
    small.drift_to(DUE + HOUR)

    swept = small.wf.tick(limit=3)

    assert (len(swept.fired), swept.more) == (3, False)


@pytest.mark.parametrize("given", [{"limit": 0}, {"park_after": 0}])
def test_a_limit_below_one_is_refused(sqlite_url: str, given: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="limit and park_after: at least 1"):
        Small(sqlite_url).wf.tick(**given)


# ── a storm over several rounds ──


def multiply(small: Small, case: str, count: int) -> None:
    """So many drafts like this one, each due a microsecond after the last, put beside it as rows."""
    with small.wf.database.begin() as connection:
        for name in ("case", "party", "history", "deadline"):
            table = METADATA.tables[f"ganchu_{name}"]
            key = table.c.id if name == "case" else table.c.case_id
            rows = [dict(row._mapping) for row in connection.execute(select(table).where(key == case))]
            copies = []
            for number in range(count):
                for row in rows:
                    copy = {**row, key.name: f"{case[:18]}{number:08d}"}
                    if name == "deadline":
                        copy["due_at"] += number * MICROSECOND
                    copies.append(copy)
            if copies:
                connection.execute(table.insert(), copies)


@pytest.fixture
def storm(make: Callable[..., Small]) -> tuple[Small, list[str], list[str]]:
    """Two rounds: thousands of drafts of the one ran out before three of the other did. (a workflow, many, few)"""
    small = make()
    small.drift_to(BEGUN)
    one, two = beside(make, small), beside(make, small)
    draft = one.draft()
    multiply(one, draft, 2500)
    small.drift_to(BEGUN + HOUR)
    few = [two.draft(f"f{n}", "360400") for n in range(3)]
    small.drift_to(BEGUN + 30 * DAY)
    many = [c.id for c in one.wf.cases(one.round, "application")]
    return one, many, few


def test_a_round_with_thousands_due_keeps_another_waiting_for_no_more_than_a_turn(
    storm: tuple[Small, list[str], list[str]],
) -> None:
    small, many, few = storm
    fired: list[str] = []
    beats = 0

    while True:
        swept = small.wf.tick(limit=1000)
        assert swept.refused == ()
        fired += cases(swept)
        beats += 1
        if not swept.more:
            break

    assert beats == 3
    assert [n for n, case in enumerate(fired) if case in few] in ([0, 2, 4], [1, 3, 5])
    assert [c for c in fired if c in few] == few
    assert (len(fired), set(fired)) == (2504, {*many, *few})
    ends = [small.wf.history(c)[-1]["effective_at"] for c in fired[10:60]]
    assert all(a <= b for a, b in pairwise(ends))


def test_a_limit_below_the_number_of_rounds_favours_none(storm: tuple[Small, list[str], list[str]]) -> None:
    small, _, few = storm

    fired = [case for _ in range(6) for case in cases(small.wf.tick(limit=1))]

    assert [c for c in fired if c in few] == few


def test_in_a_storm_what_a_firing_starts_comes_before_what_was_due_later_in_its_round(
    make: Callable[..., Small], storm: tuple[Small, list[str], list[str]]
) -> None:
    small, many, _ = storm
    third = make(clock=SimulatedClock(BEGUN), entropy=SeededEntropy("third"))
    third.open_round({"use": "declare"}, {"use": "pendulum"})
    swinging = [third.pending(f"p{n}") for n in range(2)]

    fired = cases_and_triggers(small.wf.tick(limit=1000))

    swings = [each for each in fired if each[0] in swinging]
    assert [t for _, t in swings[:6]] == ["pendulum.swing"] * 2 + ["pendulum.swing_back"] * 2 + ["pendulum.swing"] * 2
    assert len([c for c, _ in fired if c in many]) > 900


def test_a_round_in_which_everything_crashes_keeps_no_other_waiting(make: Callable[..., Small]) -> None:
    small = make().open_round()
    sheet = small.sheet(small.reviewing())
    multiply(small, sheet, 300)
    other = beside(make, small)
    drafts = [other.draft(f"f{n}", "360400") for n in range(3)]
    small.drift_to(DUE + DAY)

    with hooked(expire_effect=crash):
        first = small.wf.tick(limit=50)
        rest = [small.wf.tick(limit=100, park_after=1) for _ in range(4)]

    assert (cases(first), len(first.refused), first.more) == (drafts, 47, True)
    assert [(len(s.refused), s.more) for s in rest] == [(100, True), (100, True), (54, False), (0, False)]
    assert [r.status for r in rows(small)].count("parked") == 301 - 47


def cases_and_triggers(swept: Swept) -> list[tuple[str, str]]:
    return [(r.case_id, r.trigger) for r in swept.fired]


# ── a refusal waits, a crash is parked ──


def test_what_a_rule_refuses_is_asked_ever_more_rarely_and_never_given_up(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)
    start, tried = small.simulated.now(), []

    with hooked(expire_guard=not_yet):
        for _ in range(12):
            swept = small.wf.tick()
            assert [(r["case"], r["code"]) for r in swept.refused] == [(sheet, "not_yet")]
            [stuck] = swept.stuck
            assert stuck.again_at is not None
            tried.append(int((small.simulated.now() - start).total_seconds()))
            small.drift_to(stuck.again_at - MICROSECOND)
            assert (small.wf.tick().refused, small.wf.tick().fired) == ((), ())
            small.drift_to(stuck.again_at)

    assert tried == [0, 30, 90, 210, 450, 930, 1890, 3810, 7410, 11010, 14610, 18210]
    [row] = rows(small)
    assert (row.status, row.tries, row.code, row.first_at) == ("refused", 12, "not_yet", start)
    assert row.why == "not_yet [expire @ assigned]: 尚不能办理 / not yet"
    assert (cases(small.wf.tick()), rows(small)) == ([sheet], [])


@pytest.mark.parametrize(
    ("hook", "rule", "code", "why"),
    [
        (
            "expire_guard",
            crash,
            "guard_crashed",
            "规则“expire_guard”运行出错,未予办理 / the guard 'expire_guard' crashed",
        ),
        (
            "expire_effect",
            crash,
            "rule_crashed",
            "规则运行出错,未予办理 / the effect 'expire_effect' of expire crashed",
        ),
        ("expire_effect", nonsense, "not_canonical", "系统故障,未予办理 / the act was abandoned: not_canonical"),
    ],
    ids=["guard crashes", "effect crashes", "effect returns a float"],
)
def test_what_crashes_is_parked_after_five_tries_and_holds_up_no_other(
    small: Small, caplog: pytest.LogCaptureFixture, hook: str, rule: Callable[[Any], Any], code: str, why: str
) -> None:
    case = small.reviewing()
    broken, other = small.sheet(case, "x1"), small.sheet(case, "x2")
    small.drift_to(DUE + MICROSECOND)
    start, stood = small.simulated.now(), []

    with hooked(**{hook: on(broken, rule)}):
        assert cases(small.wf.tick()) == [other]
        for _ in range(5):
            [row] = rows(small)
            stood.append((row.status, row.tries, int((row.last_at - start).total_seconds())))
            small.drift_to(row.again_at or small.simulated.now() + 30 * DAY)
            swept = small.wf.tick()

    assert stood == [
        ("retrying", 1, 0),
        ("retrying", 2, 30),
        ("retrying", 3, 90),
        ("retrying", 4, 210),
        ("parked", 5, 450),
    ]
    [row] = rows(small)
    assert (row.again_at, row.code, row.why.startswith(why), CONTACT in row.why) == (None, code, True, False)
    assert (swept.refused, [s.status for s in swept.stuck]) == ((), ["parked"])
    # Not even when it would fire now: a person has to look.
    assert (small.wf.tick().fired, small.state(broken)) == ((), "assigned")
    assert [r.__dict__["action"] for r in caplog.records if r.levelno == logging.ERROR][-1] == "deadline_parked"


def test_how_many_crashes_park_a_deadline_is_a_setting(small: Small) -> None:
    small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)

    with hooked(expire_effect=crash):
        swept = small.wf.tick(park_after=1)

    assert [(s.status, s.tries) for s in swept.stuck] == [("parked", 1)]


def test_a_crash_after_many_refusals_is_the_first_crash(small: Small) -> None:
    small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)
    first = small.simulated.now()
    with hooked(expire_guard=not_yet):
        for _ in range(6):
            [stuck] = small.wf.tick().stuck
            small.drift_to(stuck.again_at or first)

    with hooked(expire_effect=crash):
        [stuck] = small.wf.tick().stuck

    assert (stuck.status, stuck.tries, stuck.first_at) == ("retrying", 1, first)


def test_a_round_that_cannot_be_run_waits_and_its_deadlines_are_never_parked(make: Callable[..., Small]) -> None:
    small = make().open_round()
    case = small.reviewing()
    sheets = [small.sheet(case, f"x{n}") for n in range(2)]
    small.drift_to(DUE + MICROSECOND)
    fewer = registry()
    del fewer.plugins["review"]
    without = make(clock=small.simulated, stages=fewer)
    for _ in range(7):
        swept = without.wf.tick()
        small.drift_to(small.simulated.now() + HOUR)

    assert [(s.status, s.code, s.tries) for s in swept.stuck] == [("unrunnable", "plan_invalid", 7)] * 2
    # The stages are installed again.
    assert (sorted(cases(small.wf.tick())), rows(small)) == (sorted(sheets), [])


def test_a_deadline_without_a_case_is_passed_over(small: Small) -> None:
    """Somebody has taken rows out of the database: what is left of them must not keep a sweep for ever."""
    case = small.reviewing()
    lost, other = small.sheet(case, "x1"), small.sheet(case, "x2")
    with small.wf.database.begin() as connection:
        connection.execute(CASE.delete().where(CASE.c.id == lost))
    small.drift_to(DUE + MICROSECOND)

    assert cases(small.wf.tick()) == [other]


def test_what_others_kept_from_firing_is_tried_again_without_a_row(small: Small) -> None:
    case = small.reviewing()
    sheets = sorted(small.sheet(case, f"x{n}") for n in range(2))
    small.drift_to(DUE + MICROSECOND)

    def others() -> None:
        raise Stale

    with at("read", others, times=TRIES):
        swept = small.wf.tick()

    assert [(r["case"], r["code"]) for r in swept.refused] == [(sheets[0], "contention")]
    assert (cases(swept), swept.stuck, rows(small)) == (sheets[1:], (), [])
    assert cases(small.wf.tick()) == sheets[:1]


# ── the row of an earlier end ──


def test_what_would_not_fire_at_one_end_is_tried_at_another(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)
    with hooked(expire_effect=crash):
        small.wf.tick(park_after=1)
    with small.wf.database.begin() as connection:
        connection.execute(update(DEADLINE).where(DEADLINE.c.case_id == sheet).values(due_at=DUE + SECOND))
    small.drift_to(DUE + 2 * SECOND)

    with hooked(expire_effect=crash):
        [stuck] = small.wf.tick().stuck

    assert (stuck.status, stuck.tries, stuck.due_at, stuck.first_at) == ("retrying", 1, DUE + SECOND, DUE + 2 * SECOND)


def test_a_row_goes_when_a_person_ends_the_wait(small: Small) -> None:
    case = small.submitted()
    due = small.due(case)["declare.answer_due"]
    small.drift_to(due + MICROSECOND)
    with hooked(remind_guard=not_yet):
        assert [s.deadline for s in small.wf.tick().stuck] == ["declare.answer_due"]
        small.wf.fire(case, "accept", actor=OFFICE)
        assert len(rows(small)) == 1

        swept = small.wf.tick()

    assert (swept.stuck, rows(small)) == ((), [])


def test_a_row_goes_when_an_act_has_settled_the_deadline_first(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)
    with hooked(expire_guard=not_yet):
        small.wf.tick()

    assert refusal_of(lambda: small.wf.fire(sheet, "complete", actor=expert())).code == "window_closed"

    assert (small.state(sheet), len(rows(small))) == ("silent", 1)
    assert (small.wf.tick().fired, rows(small)) == ((), [])


def test_a_row_goes_with_a_round_that_is_called_off(small: Small) -> None:
    small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)
    with hooked(expire_guard=not_yet):
        small.wf.tick()
        small.wf.fire(small.round, "cancel", {"ground": "经费取消"}, actor=OFFICE)

        assert (small.wf.tick().stuck, rows(small)) == ((), [])


# ── other nodes ──


def test_what_one_node_has_parked_another_leaves_alone(make: Callable[..., Small]) -> None:
    small = make().open_round()
    small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)
    with hooked(expire_effect=crash):
        small.wf.tick(park_after=1)

    other = make(clock=SimulatedClock(DUE + DAY))

    assert (other.wf.tick().fired, [s.status for s in other.wf.tick().stuck]) == ((), ["parked"])


def try_in_vain(url: str, now: Any, start: Any, answers: Any) -> None:
    """In a process of its own: sweep once, while the rule crashes."""
    small = Small(url, clock=SimulatedClock(now), entropy=SystemEntropy())
    small.wf.rounds()
    with hooked(expire_effect=crash):
        start.wait(60)
        swept = small.wf.tick()
    small.wf.database.dispose()
    answers.put([(s.case, s.status, s.tries) for s in swept.stuck])


def test_two_processes_that_try_at_once_count_as_one_try(make: Callable[..., Small], database_url: str) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    case = small.reviewing()
    sheets = sorted(small.sheet(case, f"x{n}") for n in range(6))
    context = get_context("spawn")
    now = DUE + HOUR
    for tries in (1, 2):
        start, answers = context.Barrier(2), context.Queue()
        processes = [context.Process(target=try_in_vain, args=(database_url, now, start, answers)) for _ in range(2)]
        for process in processes:
            process.start()
        for _ in processes:
            answers.get(timeout=60)
        for process in processes:
            process.join(60)
        assert [(r.case_id, r.status, r.tries) for r in rows(small)] == [(s, "retrying", tries) for s in sheets]
        now += 30 * SECOND

    small.drift_to(now + HOUR)
    assert (sorted(cases(small.wf.tick())), rows(small)) == (sheets, [])
    assert small.wf.verify().problems == []


# ── a person releases it ──


@pytest.fixture
def parked(small: Small) -> tuple[Small, list[str]]:
    """Two sheets whose deadlines are parked."""
    case = small.reviewing()
    sheets = [small.sheet(case, f"x{n}") for n in range(2)]
    small.drift_to(DUE + MICROSECOND)
    with hooked(expire_effect=crash):
        small.wf.tick(park_after=1)
    return small, sheets


def test_a_parked_deadline_that_is_released_is_tried_at_once(parked: tuple[Small, list[str]]) -> None:
    small, (one, other) = parked
    before = rows(small)

    [released] = small.wf.release(one, "sheet_due", actor=OFFICE, reason=" 插件已更新 ")

    assert isinstance(released, Stuck)
    assert (released.case, released.status, released.first_at) == (one, "parked", before[0].first_at)
    assert (cases(small.wf.tick()), [s.case for s in small.wf.tick().stuck]) == ([one], [other])
    kept = small.wf.attempts(small.round)[-1]
    assert {k: kept[k] for k in ("case_id", "name", "kind", "code", "actor")} == {
        "case_id": one,
        "name": "deadline.release",
        "kind": "decided",
        "code": "release",
        "actor": "office#u1",
    }
    assert kept["body"]["zh"] == "恢复触发: 插件已更新"
    assert kept["body"]["detail"] == {
        "case": one,
        "deadline": "sheet_due",
        "standing": {f"{one} sheet_due": "parked", "released": 1},
        "reason": "插件已更新",
    }
    assert small.wf.verify().problems == []


def test_one_that_crashes_again_counts_anew(parked: tuple[Small, list[str]]) -> None:
    small, (one, _) = parked
    small.wf.release(one, actor=SUPERVISOR, reason="再试")

    with hooked(expire_effect=crash):
        small.wf.tick()

    assert [(s.case, s.status, s.tries) for s in small.wf.tick().stuck if s.case == one] == [(one, "retrying", 1)]


def test_of_a_round_everything_is_released(parked: tuple[Small, list[str]]) -> None:
    small, sheets = parked

    released = small.wf.release(small.round, actor=OFFICE, reason="插件已更新")

    assert sorted(s.case for s in released) == sorted(cases(small.wf.tick())) == sorted(sheets)


def test_only_an_operator_releases_and_every_attempt_is_a_row(parked: tuple[Small, list[str]]) -> None:
    small, (one, _) = parked
    before = rows(small)

    refusals = [
        refusal_of(lambda: small.wf.release(one, actor=applicant(), reason="请快些")),
        refusal_of(lambda: small.wf.release(one, "window", actor=OFFICE, reason="再试")),
        refusal_of(lambda: small.wf.release(small.phase("declare").id, actor=OFFICE, reason="再试")),
    ]

    assert [r.code for r in refusals] == ["not_allowed", "deadline_not_stuck", "deadline_not_stuck"]
    kept = [a for a in small.wf.attempts(small.round) if a["name"] == "deadline.release"]
    assert [(a["kind"], a["code"], a["case_id"]) for a in kept] == [
        ("refused", "not_allowed", one),
        ("refused", "deadline_not_stuck", one),
        ("refused", "deadline_not_stuck", small.phase("declare").id),
    ]
    assert ["请快些" in str(a) for a in kept] == [False] * 3
    assert rows(small) == before


def test_what_cannot_be_meant_releases_nothing_and_leaves_no_row(parked: tuple[Small, list[str]]) -> None:
    small, (one, _) = parked
    before = small.dump()

    with pytest.raises(Unknown, match="there is no case 'nothing'"):
        small.wf.release("nothing", actor=OFFICE, reason="再试")
    with pytest.raises(Invalid, match="say why, in 1 to 500 characters"):
        small.wf.release(one, actor=OFFICE, reason="  ")

    assert small.dump() == before


def test_in_a_hosts_transaction_trouble_and_release_stand_and_fall_with_it(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)

    with hooked(expire_effect=crash):
        with small.wf.database.connect() as host:
            inside = small.wf.using(host)
            assert [s.case for s in inside.tick(park_after=1).stuck] == [sheet]
            host.rollback()
        assert rows(small) == []
        with small.wf.database.connect() as host:
            small.wf.using(host).tick(park_after=1)
            host.commit()

    assert [(r.case_id, r.status) for r in rows(small)] == [(sheet, "parked")]
    with small.wf.database.connect() as host:
        inside = small.wf.using(host)
        inside.release(sheet, actor=OFFICE, reason="再试")
        with pytest.raises(Refused) as caught:
            inside.release(sheet, actor=OFFICE, reason="再试")
        assert caught.value.fields["attempt"]["code"] == "deadline_not_stuck"
        assert cases(inside.tick()) == [sheet]
        host.rollback()
    assert (small.state(sheet), [(r.case_id, r.status) for r in rows(small)]) == ("assigned", [(sheet, "parked")])
