"""Several acts in one transaction of ours: kept together or not at all, and as true under contention as one act."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session

from ganchu_workflow import Refused, SystemEntropy, Workflow
from ganchu_workflow.engine.steps import RuleCrashed
from ganchu_workflow.engine.workspace import Stale
from ganchu_workflow.errors import Invalid, Unknown
from ganchu_workflow.store.database import connect
from ganchu_workflow.store.tables import METADATA
from tests.engine.small_process import (
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
    instant,
    plan,
    public,
    refusal_of,
)
from tests.engine.test_concurrency import outcome
from tests.listening import hearing

TRUE = {"truthful": True, "statement": "本企业承诺材料属实"}


class Halt(Exception):
    """What a test's own work raises."""


def submit(wf: Workflow, case: str) -> Any:
    return wf.fire(case, "submit", TRUE, actor=applicant())


def accept(wf: Workflow, case: str) -> Any:
    return wf.fire(case, "accept", actor=OFFICE)


def test_all_that_is_done_is_kept_and_the_answer_is_given(small: Small) -> None:
    def work(inside: Workflow) -> str:
        case = inside.open("application", declaration(), actor=applicant(), round=small.round).case_id
        submit(inside, case)
        accept(inside, case)
        assert small.wf.cases(small.round, "application") == []
        assert [c.id for c in inside.cases(small.round, "application")] == [case]
        return case

    case = small.wf.together(work)

    assert (small.state(case), len(small.wf.history(case))) == ("recommend.pending", 3)
    assert small.wf.verify().problems == []


def test_what_is_raised_undoes_everything_and_is_raised(small: Small) -> None:
    cases = [small.draft(), small.draft()]
    before = small.dump()

    def work(inside: Workflow) -> None:
        for case in cases:
            submit(inside, case)
        raise Halt

    with pytest.raises(Halt):
        small.wf.together(work)

    assert small.dump() == before


def test_a_dry_run_gives_the_answer_and_undoes_everything(small: Small) -> None:
    case = small.draft()
    before = small.dump()

    def work(inside: Workflow) -> tuple[str, int]:
        submit(inside, case)
        return inside.case(case).state, len(inside.history(case))

    assert small.wf.together(work, dry_run=True) == ("declare.submitted", 2)
    assert small.dump() == before
    with pytest.raises(Halt):
        small.wf.together(lambda inside: (_ for _ in ()).throw(Halt), dry_run=True)
    assert small.dump() == before


def test_inside_another_it_is_a_savepoint(small: Small) -> None:
    kept, undone, tried, last = (small.draft() for _ in range(4))

    def failing(inside: Workflow) -> None:
        submit(inside, undone)
        raise Halt

    def work(inside: Workflow) -> list[str]:
        inside.together(lambda deeper: submit(deeper, kept))
        with pytest.raises(Halt):
            inside.together(failing)
        inside.together(lambda deeper: submit(deeper, tried), dry_run=True)
        seen = [inside.case(c).state for c in (kept, undone, tried)]
        submit(inside, last)
        return seen

    seen = small.wf.together(work)

    assert seen == ["declare.submitted", "declare.draft", "declare.draft"]
    assert [small.state(c) for c in (kept, undone, tried, last)] == [*seen, "declare.submitted"]
    assert small.wf.verify().problems == []


# ── refusals ──


def test_a_refused_act_inside_leaves_nothing_of_itself(small: Small) -> None:
    first, done, last = small.draft(), small.submitted(), small.draft()
    attempts: list[Any] = []

    def work(inside: Workflow) -> None:
        submit(inside, first)
        attempts.append(refusal_of(lambda: submit(inside, done)).code)
        with hooked(submit_effect=lambda ctx: 1 / 0), pytest.raises(RuleCrashed):
            submit(inside, last)
        submit(inside, last)

    small.wf.together(work)

    assert attempts == ["not_here"]
    assert [small.triggers(c) for c in (first, done, last)] == [["declare.declare", "declare.submit"]] * 3
    assert small.wf.attempts(small.round) == []
    assert small.wf.verify().problems == []


def test_a_refusal_that_is_let_through_is_kept_as_a_row_once(small: Small) -> None:
    case, done = small.draft(), small.submitted()
    before = small.dump("ganchu_attempt")

    def work(inside: Workflow) -> None:
        submit(inside, case)
        inside.together(lambda deeper: submit(deeper, done))

    with pytest.raises(Refused) as caught:
        small.wf.together(work)
    small.wf.keep(caught.value)

    assert small.dump("ganchu_attempt") == before
    assert [(r["case_id"], r["code"]) for r in small.wf.attempts(small.round)] == [(done, "not_here")]


def test_a_crash_that_is_let_through_is_kept_as_a_row(small: Small) -> None:
    case = small.draft()

    with hooked(submit_effect=lambda ctx: 1 / 0), pytest.raises(RuleCrashed):
        small.wf.together(lambda inside: submit(inside, case))

    assert [(r["kind"], r["code"]) for r in small.wf.attempts(small.round)] == [("crashed", "rule_crashed")]


@pytest.mark.parametrize("where", ["in a dry run", "in the host's transaction"])
def test_a_refusal_that_is_let_through_elsewhere_is_not_kept(small: Small, database_url: str, where: str) -> None:
    done = small.submitted()
    before = small.dump()

    if where == "in a dry run":
        with pytest.raises(Refused):
            small.wf.together(lambda inside: submit(inside, done), dry_run=True)
    else:
        host = connect(database_url)
        with Session(host) as session:
            with pytest.raises(Refused):
                small.wf.using(session).together(lambda inside: submit(inside, done))
            session.commit()
        host.dispose()

    assert small.dump() == before


def test_many_acts_inside_keep_their_refusals_with_the_whole(small: Small) -> None:
    case, done = small.draft(), small.submitted()

    def work(inside: Workflow) -> None:
        inside.fire_many([case, done], "submit", TRUE, actor=applicant())

    def and_fail(inside: Workflow) -> None:
        work(inside)
        raise Halt

    before = small.dump()
    with pytest.raises(Halt):
        small.wf.together(and_fail)
    assert small.dump() == before
    small.wf.together(work)

    assert small.state(case) == "declare.submitted"
    assert [(r["case_id"], r["code"]) for r in small.wf.attempts(small.round)] == [(done, "not_here")]


# ── in the host's transaction ──


@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
def test_in_the_hosts_transaction_it_stands_or_falls_with_it(small: Small, database_url: str, commits: bool) -> None:
    first, undone, last = (small.draft() for _ in range(3))
    before = small.dump()
    host = connect(database_url)

    def failing(inside: Workflow) -> None:
        submit(inside, undone)
        raise Halt

    with Session(host) as session:
        inside = small.wf.using(session)
        inside.together(lambda deeper: submit(deeper, first))
        with pytest.raises(Halt):
            inside.together(failing)
        inside.together(lambda deeper: submit(deeper, undone), dry_run=True)
        inside.together(lambda deeper: submit(deeper, last))
        assert small.dump() == before
        if commits:
            session.commit()
        else:
            session.rollback()
    host.dispose()

    expected = ["declare.submitted", "declare.draft", "declare.submitted"] if commits else ["declare.draft"] * 3
    assert [small.state(c) for c in (first, undone, last)] == expected
    if not commits:
        assert small.dump() == before
    assert small.wf.verify().problems == []


# ── the version of what was added to ──


def version_of(small: Small, case: str) -> int:
    table = METADATA.tables["ganchu_case"]
    with small.wf.database.connect() as connection:
        return int(connection.execute(select(table.c.version).where(table.c.id == case)).scalar_one())


def declare(wf: Workflow, small: Small) -> str:
    return wf.open("application", declaration(), actor=applicant(), round=small.round).case_id


def test_a_version_is_raised_once_in_a_transaction(small: Small) -> None:
    """Whoever has counted sees that there are more now; three versions of a row would say no more than one."""
    phase = small.phase("declare").id
    before = version_of(small, phase)

    small.wf.together(lambda inside: [declare(inside, small) for _ in range(3)])
    assert version_of(small, phase) == before + 1
    for _ in range(2):
        declare(small.wf, small)
    assert version_of(small, phase) == before + 3


@pytest.mark.parametrize("undone_by", ["an error", "a dry run"])
def test_a_version_raised_in_what_was_undone_is_raised_again(small: Small, undone_by: str) -> None:
    phase = small.phase("declare").id
    before = version_of(small, phase)

    def failing(inside: Workflow) -> None:
        declare(inside, small)
        raise Halt

    def work(inside: Workflow) -> None:
        if undone_by == "an error":
            with pytest.raises(Halt):
                inside.together(failing)
        else:
            inside.together(lambda deeper: declare(deeper, small), dry_run=True)
        declare(inside, small)

    small.wf.together(work)

    assert len(small.wf.cases(small.round, "application")) == 1
    assert version_of(small, phase) == before + 1


def test_a_version_raised_in_what_the_host_undid_is_raised_again(small: Small, database_url: str) -> None:
    phase = small.phase("declare").id
    before = version_of(small, phase)
    host = connect(database_url)

    with Session(host) as session:
        inside = small.wf.using(session)
        savepoint = session.begin_nested()
        declare(inside, small)
        savepoint.rollback()
        declare(inside, small)
        session.commit()
    host.dispose()

    assert len(small.wf.cases(small.round, "application")) == 1
    assert version_of(small, phase) == before + 1


# ── time ──


def test_what_is_due_is_settled_inside_and_undone_with_it(small: Small) -> None:
    case = small.draft()
    small.drift_to(CLOSES + MICROSECOND)
    before = small.dump()

    def work(inside: Workflow) -> tuple[str, str]:
        return refusal_of(lambda: submit(inside, case)).code, inside.case(case).state

    assert small.wf.together(work, dry_run=True) == ("window_closed", "declare.lapsed")
    assert small.dump() == before
    assert small.wf.together(work) == ("window_closed", "declare.lapsed")
    assert small.state(case) == "declare.lapsed"


@pytest.mark.parametrize("late", [False, True], ids=["at the closing instant", "a microsecond late"])
def test_all_acts_are_received_when_the_call_came_though_it_is_run_again(small: Small, late: bool) -> None:
    """An hour goes by before the first act, and another because somebody else had changed something meanwhile."""
    cases = [small.draft(), small.draft()]
    called = CLOSES + MICROSECOND if late else CLOSES
    small.drift_to(called)
    runs: list[list[str]] = []

    def work(inside: Workflow) -> None:
        small.simulated.advance(HOUR)
        runs.append([outcome(lambda: submit(inside, cases[0]))])
        runs[-1] += [outcome(lambda: inside.together(lambda deeper: submit(deeper, cases[1])))]
        if len(runs) == 1:
            raise Stale

    small.wf.together(work)

    assert runs == [["window_closed" if late else "done"] * 2] * 2
    for case in cases:
        last = small.wf.history(case)[-1]
        assert (last["trigger"], last["effective_at"]) == (
            "declare.lapse" if late else "declare.submit",
            instant(CLOSES),
        )
        assert last["recorded_at"] == instant(called + 2 * HOUR)
    assert small.wf.verify().problems == []


@pytest.mark.parametrize("late", [False, True], ids=["at the closing instant", "a microsecond late"])
def test_what_its_caller_received_before_counts_as_received_then(small: Small, late: bool) -> None:
    cases = [small.draft(), small.draft()]
    taken = CLOSES + MICROSECOND if late else CLOSES
    small.drift_to(CLOSES + HOUR / 2)

    def work(inside: Workflow) -> list[str]:
        def both(deeper: Workflow) -> list[str]:
            return [outcome(partial(submit, deeper, case)) for case in cases]

        # The instant of the outer call stands, whatever is said inside it.
        return inside.together(both, received_at=CLOSES - HOUR / 2)

    assert small.wf.together(work, received_at=taken) == ["window_closed" if late else "done"] * 2


def test_nothing_is_received_later_than_now_or_at_nobody_knows_when(small: Small) -> None:
    now = small.simulated.now()
    ran: list[bool] = []

    for received, why in (
        (now + MICROSECOND, "in the future"),
        (now.replace(tzinfo=None), "no time zone"),
        (now - HOUR - MICROSECOND, "is entered late"),
    ):
        with pytest.raises(Invalid, match=why):
            small.wf.together(lambda inside: ran.append(True), received_at=received)
    assert ran == []

    small.wf.together(lambda inside: ran.append(True), received_at=now)
    assert ran == [True]


def test_a_deadline_moved_between_the_question_and_the_reading_is_settled(
    make: Callable[..., Small], postgres_url: str
) -> None:
    """Nothing was due when the act asked; before it reads the notice, somebody moves the notice's end into the past."""
    small = make(postgres_url, entropy=SystemEntropy()).open_round()
    case = small.listed()
    notice = small.notice(case)
    small.later()
    other = make(postgres_url, clock=small.simulated, entropy=SystemEntropy())
    moved: list[str] = []

    def move(connection: Any, statement: str, values: Any) -> None:
        if "FROM ganchu_deadline" in statement and notice in values and not moved:
            moved.append(notice)
            past = small.simulated.now() - MICROSECOND
            other.wf.fire(notice, "extend", {"closes_at": past}, actor=OFFICE)

    with hearing(after=move):
        refusal = refusal_of(lambda: small.wf.open("objection", {"text": "迟"}, actor=public(), parent=case, of=notice))

    assert (moved, refusal.code) == ([notice], "window_closed")
    assert (small.state(notice), small.state(case)) == ("closed", "finish.decided")
    assert small.wf.verify().problems == []


# ── many at once ──


def test_it_is_run_again_when_two_lock_in_opposite_orders(make: Callable[..., Small]) -> None:
    """Each holds what the other asks for next: one of them is undone by the database, and run again."""
    small = make(entropy=SystemEntropy()).open_round()
    cases = [small.draft(), small.draft()]
    meet, runs = Barrier(2), []

    def save_both(order: list[str]) -> None:
        held = Event()

        def work(inside: Workflow) -> None:
            runs.append(order[0])
            inside.fire(order[0], "save", {}, actor=applicant())
            if small.wf.database.dialect.name != "sqlite" and not held.is_set():
                held.set()
                meet.wait(20)
            inside.fire(order[1], "save", {}, actor=applicant())

        small.wf.together(work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(save_both, [cases, cases[::-1]]))

    assert [small.triggers(c) for c in cases] == [["declare.declare", "declare.save", "declare.save"]] * 2
    # More often, if the one that was undone is back before the other has woken up.
    assert len(runs) > 2 or small.wf.database.dialect.name == "sqlite"
    assert small.wf.verify().problems == []


def test_two_that_take_the_last_place_together_do_not_both_get_it(make: Callable[..., Small]) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    pairs = [(small.letter(), small.pending(f"e{n}")) for n in range(2)]
    meet = Barrier(2)

    def issue(pair: tuple[str, str]) -> str:
        def work(inside: Workflow) -> None:
            inside.fire(pair[0], "issue", {"applications": [pair[1]]}, actor=authority())

        meet.wait(20)
        return outcome(lambda: small.wf.together(work))

    with ThreadPoolExecutor(2) as pool:
        results = sorted(pool.map(issue, pairs))

    assert results == ["done", "quota_used_up"]
    assert [r["code"] for r in small.wf.attempts(small.round)] == ["quota_used_up"]
    assert small.wf.verify().problems == []


def test_the_answer_of_a_rule_inside_rests_on_what_was_done_before_it(small: Small) -> None:
    """Within one transaction the second act counts what the first has done."""
    cases = [small.pending(f"e{n}") for n in range(2)]
    letters = [small.letter(), small.letter()]
    seen: list[int] = []

    def look(ctx: Rules) -> None:
        seen.append(len(ctx.beyond()))

    def work(inside: Workflow) -> str:
        inside.fire(letters[0], "issue", {"applications": [cases[0]]}, actor=authority())
        return refusal_of(
            lambda: inside.fire(letters[1], "issue", {"applications": [cases[1]]}, actor=authority())
        ).code

    with hooked(issue_guard=look):
        assert small.wf.together(work) == "quota_used_up"
    assert seen == [0, 1]
    small.later(HOUR)
    assert [small.state(c) for c in cases] == ["review.reviewing", "recommend.pending"]


def test_a_round_whose_opening_was_undone_is_not_there(make: Callable[..., Small]) -> None:
    small = make()

    def open_and_ask(inside: Workflow) -> str:
        opened = inside.open_round(plan(), actor=OFFICE).case_id
        assert inside.process(opened).stage_names[0] == "declare"
        return opened

    undone = small.wf.together(open_and_ask, dry_run=True)

    with pytest.raises(Unknown, match=f"there is no round '{undone}'"):
        small.wf.process(undone)
