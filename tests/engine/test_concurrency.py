"""Many at once: nothing is taken twice, nothing is left behind, and whoever is refused is told the truth."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from threading import Barrier, BrokenBarrierError, Event, Thread, get_ident
from typing import Any

import pytest
from sqlalchemy import select

from ganchu_workflow import Refused, SimulatedClock, SystemEntropy
from ganchu_workflow.store.tables import METADATA
from tests.engine.small_process import (
    BEGUN,
    CLOSES,
    HOUR,
    MICROSECOND,
    OFFICE,
    Rules,
    Small,
    applicant,
    authority,
    declaration,
    hooked,
    public,
)
from tests.listening import hearing

PATIENCE = 1
"""How long one waits for the other in a guard: on SQLite the other waits for the write lock, and never comes."""


def together(meet: Any) -> Callable[[Rules], None]:
    """A rule that waits, the first time each thread comes to it, until the other thread is there too."""
    seen: set[int] = set()

    def wait(ctx: Rules) -> None:
        if get_ident() not in seen:
            seen.add(get_ident())
            with suppress(BrokenBarrierError):
                meet.wait(PATIENCE)

    return wait


def outcome(act: Callable[[], Any]) -> str:
    try:
        act()
    except Refused as refused:
        return refused.code
    return "done"


def at_once(*acts: Callable[[], Any]) -> list[str]:
    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(outcome, acts))


@pytest.fixture
def many(make: Callable[..., Small]) -> Small:
    """A started round whose ids come from the operating system: a seeded source is not for threads."""
    return make(entropy=SystemEntropy()).open_round()


# ── the last place ──


def test_two_threads_that_take_the_last_place_do_not_both_get_it(many: Small) -> None:
    cases = [many.pending("e1"), many.pending("e2")]
    letters = [many.letter(), many.letter()]

    def issue(letter: str, case: str) -> Callable[[], Any]:
        return lambda: many.wf.fire(letter, "issue", {"applications": [case]}, actor=authority())

    with hooked(issue_guard=together(Barrier(2))):
        results = at_once(*(issue(*pair) for pair in zip(letters, cases, strict=True)))

    assert sorted(results) == ["done", "quota_used_up"]
    winner = results.index("done")
    assert [many.state(c) for c in cases] == [
        "review.reviewing" if n == winner else "recommend.pending" for n in range(2)
    ]
    assert [row["code"] for row in many.wf.attempts(many.round)] == ["quota_used_up"]
    assert many.wf.verify().problems == []


def issue_elsewhere(url: str, letter: str, case: str, meet: Any, answers: Any) -> None:
    """In a process of its own: issue a letter at the moment another process does."""
    small = Small(url, clock=SimulatedClock(BEGUN + HOUR), entropy=SystemEntropy())
    small.wf.rounds()
    with hooked(issue_guard=together(meet)):
        answers.put(outcome(lambda: small.wf.fire(letter, "issue", {"applications": [case]}, actor=authority())))
    small.wf.database.dispose()


def test_two_processes_that_take_the_last_place_do_not_both_get_it(many: Small, database_url: str) -> None:
    cases = [many.pending("e1"), many.pending("e2")]
    letters = [many.letter(), many.letter()]
    context = get_context("spawn")
    meet, answers = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=issue_elsewhere, args=(database_url, letter, case, meet, answers))
        for letter, case in zip(letters, cases, strict=True)
    ]
    for process in processes:
        process.start()
    results = sorted(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)

    assert results == ["done", "quota_used_up"]
    assert sorted(many.state(c) for c in cases) == ["recommend.pending", "review.reviewing"]
    assert many.wf.verify().problems == []


# ── an act against the end of its window ──


class Handover:
    """The act stands in its guard while the other act is done, where the database lets both go on at once."""

    def __init__(self, make: Callable[..., Small], small: Small, done: Callable[[Small], Any]) -> None:
        self.other = make(clock=SimulatedClock(small.simulated.now() + MICROSECOND), entropy=SystemEntropy())
        self.other.round = small.round
        self.finished = Event()
        self.thread = Thread(target=self.do, args=(done,))
        self.waits = small.wf.database.dialect.name != "sqlite"

    def do(self, done: Callable[[Small], Any]) -> None:
        done(self.other)
        self.finished.set()

    def rule(self, ctx: Rules) -> None:
        """Of the guard: the other begins when the act has read all it needs, and is waited for, but on SQLite."""
        if not self.thread.ident:
            self.thread.start()
            if self.waits:
                assert self.finished.wait(20)

    def settle(self) -> None:
        self.thread.join(20)
        assert self.finished.is_set()


def test_an_objection_filed_while_its_notice_closes_is_in_or_out_and_never_both(
    make: Callable[..., Small], many: Small
) -> None:
    case = many.listed()
    notice = many.notice(case)
    many.drift_to(many.due(notice)["window"])
    handover = Handover(make, many, lambda other: other.wf.tick())

    with hooked(file_guard=handover.rule):
        result = outcome(lambda: many.objection(case, notice))
    handover.settle()

    filed = many.wf.cases(many.round, "objection")
    if handover.waits:
        assert (result, filed, many.state(case)) == ("window_closed", [], "finish.decided")
    else:
        assert (result, [o.state for o in filed], many.state(case)) == ("done", ["filed"], "notice.showing")
    assert many.state(notice) == "closed"
    assert many.wf.verify().problems == []


def test_a_draft_opened_while_its_phase_closes_is_not_left_behind(make: Callable[..., Small], many: Small) -> None:
    many.drift_to(CLOSES)
    handover = Handover(make, many, lambda other: other.wf.tick())

    with hooked(declare_guard=handover.rule):
        result = outcome(many.draft)
    handover.settle()

    assert many.phase("declare").state == "closed"
    assert result == "done"
    assert [a.state for a in many.wf.cases(many.round, "application")] == ["declare.lapsed"]
    assert many.wf.verify().problems == []


def test_an_application_that_enters_a_stage_while_its_phase_closes_meets_its_fate(
    make: Callable[..., Small], many: Small
) -> None:
    case = many.submitted()
    order = {"document": "赣工信函〔2021〕3号", "ground": "名额已满"}
    handover = Handover(
        make, many, lambda other: other.wf.fire(other.phase("recommend").id, "close_early", order, actor=OFFICE)
    )

    with hooked(accept_guard=handover.rule):
        result = outcome(lambda: many.wf.fire(case, "accept", actor=OFFICE))
    handover.settle()

    assert (result, many.phase("recommend").state, many.state(case)) == ("done", "closed", "recommend.missed")
    assert many.wf.verify().problems == []


def test_an_application_withdrawn_while_it_is_recommended_is_not_both(make: Callable[..., Small], many: Small) -> None:
    case, letter = many.pending(), many.letter()
    withdraw = {"reason": "企业主动撤回申报"}
    handover = Handover(make, many, lambda other: other.wf.fire(case, "withdraw", withdraw, actor=applicant()))

    with hooked(issue_guard=handover.rule):
        result = outcome(lambda: many.wf.fire(letter, "issue", {"applications": [case]}, actor=authority()))
    handover.settle()

    assert many.state(case) == "withdrawn"
    if handover.waits:
        assert (result, many.state(letter), many.triggers(case)[-1]) == ("not_here", "drafted", "recommend.withdraw")
    else:
        assert (result, many.state(letter), many.triggers(case)[-1]) == ("done", "issued", "review.withdraw")
    assert many.wf.verify().problems == []


# ── many at once ──


def test_eight_threads_with_different_applications_do_not_disturb_each_other(many: Small) -> None:
    def one_after_the_other(thread: int) -> list[str]:
        cases = []
        for number in range(25):
            who = applicant(f"e{thread}-{number}")
            case = many.wf.open("application", declaration(), actor=who, round=many.round)
            many.wf.fire(case, "submit", {"truthful": True}, actor=who)
            cases.append(case.case_id)
        return cases

    with ThreadPoolExecutor(8) as pool:
        cases = [c for found in pool.map(one_after_the_other, range(8)) for c in found]

    assert sorted(c.id for c in many.wf.cases(many.round, "application", "declare.submitted")) == sorted(cases)
    assert len(set(cases)) == 200
    assert many.wf.attempts(many.round) == []
    report = many.wf.verify()
    assert (report.problems, report.events) == ([], 412)


def test_eight_threads_on_one_case_are_put_in_a_line(many: Small) -> None:
    case = many.draft()

    def save(thread: int) -> str:
        return outcome(lambda: many.wf.fire(case, "save", {"enterprise": f"厂{thread}"}, actor=applicant()))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(save, range(8)))

    assert results == ["done"] * 8
    assert [e["seq"] for e in many.wf.history(case)] == list(range(1, 10))
    assert many.wf.verify().problems == []


# ── the lock order ──


def test_locks_are_taken_from_the_round_downwards(make: Callable[..., Small], postgres_url: str) -> None:
    small = make(postgres_url)
    locks: list[list[str]] = []

    def note(connection: Any, sql: str, values: Sequence[str]) -> None:
        if "FOR UPDATE" in sql:
            assert "ORDER BY ganchu_case.position, ganchu_case.id" in sql
            locks.append(list(dict.fromkeys(values)))

    with hearing(before=note):
        small.open_round()
        case = small.listed()
        notice = small.notice(case)
        small.objection(case, notice)
        small.later(200 * HOUR)
        small.wf.open("application", declaration(), actor=applicant("e2"))
        small.move_to(CLOSES + HOUR)
        small.wf.fire(case, "choose", actor=OFFICE)
    table = METADATA.tables["ganchu_case"]
    with small.wf.database.connect() as connection:
        place = {r.id: (r.position, r.id) for r in connection.execute(select(table.c.id, table.c.position))}

    orders = [[place[i] for i in ids] for ids in locks]
    assert len(orders) > 15
    assert orders == [sorted(order) for order in orders]
    assert {position for order in orders for position, _ in order} == {0, 1, 2, 3, 4}


def test_acts_from_both_ends_do_not_block_each_other_for_good(make: Callable[..., Small]) -> None:
    small = make(entropy=SystemEntropy()).open_round(recommend={"quota": 50})
    cases = [small.listed(f"e{n}") for n in range(4)]
    notice = small.notice(*cases)

    def object_to(case: str) -> Callable[[], Any]:
        return lambda: small.wf.open("objection", {"text": "不符合条件"}, actor=public(), parent=case, of=notice)

    def extend(hours: int) -> Callable[[], Any]:
        end = small.simulated.now() + (200 + hours) * HOUR
        return lambda: small.wf.fire(notice, "extend", {"closes_at": end}, actor=OFFICE)

    results = at_once(*(object_to(c) for c in cases), *(extend(n) for n in range(4)))

    assert results == ["done"] * 8
    assert len(small.wf.cases(small.round, "objection")) == 4
    assert small.wf.verify().problems == []
