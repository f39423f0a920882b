"""The database fails while a rule asks it: that is a failure of the database, whatever the rule makes of it."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from ganchu_workflow import Workflow
from ganchu_workflow.actors import Role
from ganchu_workflow.engine.steps import RuleCrashed
from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.process import CARRY_ON, START, PhaseWindow, Stage, State, Transition
from ganchu_workflow.process.language import Condition
from tests.engine.small_process import HOOKS, Rules, Small, applicant, hooked, refusal_of, registry

Hook = Callable[[Rules], Any]
EITHER_RULE = pytest.mark.parametrize("rule", ["submit_guard", "submit_effect"])


class Halt(Exception):
    """What a rule makes of an error."""


class Asking(Stage):
    """Moves on by itself under a condition that a test answers."""

    name = "asking"

    here = State("此", owner=Role.OFFICE, initial=True)
    done = State("止", success=True)

    declare = Transition(START, here, by=Role.APPLICANT)
    go = Transition(here, done, when=Condition("asks", (), (), lambda ctx: HOOKS("asking.condition", ctx) or False))

    phase = PhaseWindow(at_close={here: CARRY_ON})


def let_through(ask: Hook) -> Hook:
    return ask


def made_another(ask: Hook) -> Hook:
    def rule(ctx: Rules) -> None:
        try:
            ask(ctx)
        except Exception:
            raise Halt from None

    return rule


def ended(ask: Hook) -> Hook:
    def rule(ctx: Rules) -> None:
        try:
            ask(ctx)
        except Exception:
            raise SystemExit(1) from None

    return rule


def swallowed(ask: Hook) -> Hook:
    def rule(ctx: Rules) -> None:
        try:
            ask(ctx)
        except Exception:
            return

    return rule


HOWEVER = pytest.mark.parametrize("make_of_it", [let_through, made_another, ended, swallowed], ids=lambda f: f.__name__)


def raw_of(ctx: Rules) -> Any:
    """The driver's connection that the act runs on."""
    reads: Any = ctx.reads
    return reads.rows.link.driver.raw


def end_connection(url: str, raw: Any) -> None:
    """End a connection as an operator or a failing network does; on SQLite close it."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        if admin.dialect.name == "sqlite":
            raw.close()
        elif admin.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({raw.info.backend_pid}, 5000)")
        else:
            connection.exec_driver_sql(f"KILL {raw.thread_id()}")


class Gone:
    """A rule whose connection is ended by the server, or on SQLite closed, just before it asks."""

    def __init__(self, url: str, other: str, times: int = 1) -> None:
        self.url = url
        self.other = other
        self.left = times

    def __call__(self, ctx: Rules) -> None:
        if self.left:
            self.left -= 1
            end_connection(self.url, raw_of(ctx))
        ctx.reads.case(self.other)


class Deadlock:
    """A rule that meets somebody else half way, and whose side of it is broken up: the first time it is asked."""

    def __init__(self, url: str, first: str, second: str) -> None:
        self.first, self.second = first, second
        self.asked = 0
        patient = {"options": "-c deadlock_timeout=20s"} if url.startswith("postgresql") else {}
        self.host = create_engine(url, poolclass=NullPool, connect_args=patient).connect()
        self.behind = Thread(target=self.lock_the_first)

    def __call__(self, ctx: Rules) -> None:
        self.asked += 1
        reads: Any = ctx.reads
        if self.asked == 1:
            # MariaDB breaks up the side that has written less.
            rows = ", ".join(f"('c', '{n}', 1, {n})" for n in range(300))
            self.host.exec_driver_sql(f"INSERT INTO ganchu_member VALUES {rows}")
            self.lock(self.second)
            reads.rows.lock([self.first], {self.first})
            self.behind.start()
        reads.rows.lock([self.second], {self.second})

    def lock(self, case: str) -> None:
        self.host.exec_driver_sql(f"SELECT 1 FROM ganchu_case WHERE id = '{case}' FOR UPDATE")

    def lock_the_first(self) -> None:
        self.lock(self.first)
        self.host.rollback()

    def settle(self) -> None:
        self.behind.join(20)
        assert not self.behind.is_alive()
        self.host.close()


@pytest.fixture
def impatient(database_url: str) -> Iterator[Engine]:
    """An Engine whose side of a deadlock is the one that notices it."""
    quick = {"options": "-c deadlock_timeout=500ms"} if database_url.startswith("postgresql") else {}
    engine = create_engine(database_url, connect_args=quick)
    yield engine
    engine.dispose()


WITH_ROW_LOCKS = pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)


@pytest.fixture
def crashes(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """What has been logged at WARNING or above, by anybody."""
    with caplog.at_level(logging.WARNING):
        yield lambda: [record.getMessage() for record in caplog.records]


def submit(wf: Workflow, case: str, scope: str = "e1") -> Any:
    return wf.fire(case, "submit", {"truthful": True}, actor=applicant(scope))


@EITHER_RULE
@HOWEVER
def test_a_connection_that_is_gone_is_a_fault_of_the_database(
    small: Small, database_url: str, rule: str, make_of_it: Callable[[Hook], Hook], crashes: Callable[[], list[str]]
) -> None:
    case, other = small.draft(), small.draft("e2")
    before = small.dump()

    with hooked(**{rule: make_of_it(Gone(database_url, other))}), pytest.raises(DatabaseFault) as caught:
        submit(small.wf, case)

    assert (caught.value.code, caught.value.fields["reason"]) == ("database_fault", "unusable")
    assert (small.dump(), crashes()) == (before, [])
    assert submit(small.wf, case).state == "declare.submitted"
    assert small.wf.verify().problems == []


@HOWEVER
def test_so_it_is_under_a_condition(
    make: Callable[..., Small], database_url: str, make_of_it: Callable[[Hook], Hook], crashes: Callable[[], list[str]]
) -> None:
    small = make(stages=registry(Asking)).open_round({"use": "asking"})
    other = small.wf.open("application", actor=applicant("e2"), round=small.round).case_id
    before = small.dump()

    with hooked(asking_condition=make_of_it(Gone(database_url, other))), pytest.raises(DatabaseFault) as caught:
        small.wf.open("application", actor=applicant(), round=small.round)

    assert (caught.value.fields["reason"], small.dump() == before, crashes()) == ("unusable", True, [])


@WITH_ROW_LOCKS
@EITHER_RULE
@HOWEVER
def test_a_deadlock_is_broken_up_and_the_act_is_done_again(
    make: Callable[..., Small],
    database_url: str,
    impatient: Engine,
    rule: str,
    make_of_it: Callable[[Hook], Hook],
    crashes: Callable[[], list[str]],
) -> None:
    small = make(impatient).open_round()
    case, *others = small.draft(), small.draft("e2"), small.draft("e3")
    deadlock = Deadlock(database_url, *others)

    with hooked(**{rule: make_of_it(deadlock)}):
        receipt = submit(small.wf, case)
    deadlock.settle()

    assert (receipt.state, deadlock.asked, crashes()) == ("declare.submitted", 2, [])
    assert (small.triggers(case), small.wf.attempts(small.round)) == (["declare.declare", "declare.submit"], [])
    assert small.wf.verify().problems == []


@WITH_ROW_LOCKS
def test_several_acts_in_one_transaction_are_all_done_again(
    make: Callable[..., Small], database_url: str, impatient: Engine
) -> None:
    """MariaDB has rolled back all of it: the acts before must not be lost because somebody caught the error."""
    small = make(impatient).open_round()
    cases = [small.draft(f"e{n}") for n in range(3)]
    deadlock = Deadlock(database_url, small.draft("e8"), small.draft("e9"))

    def work(inside: Workflow) -> None:
        submit(inside, cases[0], "e0")
        try:
            with hooked(submit_guard=deadlock):
                submit(inside, cases[1], "e1")
        except Exception:
            assert deadlock.asked == 1
        submit(inside, cases[2], "e2")

    small.wf.together(work)
    deadlock.settle()

    assert [small.state(case) for case in cases] == ["declare.submitted"] * 3
    assert deadlock.asked == 2
    assert small.wf.verify().problems == []


def test_nothing_is_kept_of_several_acts_whose_connection_went_meanwhile(small: Small, database_url: str) -> None:
    case, other = small.draft(), small.draft("e2")
    before = small.dump()

    def work(inside: Workflow) -> None:
        submit(inside, other, "e2")
        with hooked(submit_guard=Gone(database_url, small.round)):
            try:
                submit(inside, case)
            except Exception:
                raise Halt from None

    with pytest.raises(DatabaseFault) as caught:
        small.wf.together(work)

    assert (caught.value.fields["reason"], small.dump() == before) == ("unusable", True)


@HOWEVER
def test_in_a_hosts_transaction_a_connection_that_is_gone_has_broken_it(
    small: Small, database_url: str, make_of_it: Callable[[Hook], Hook], crashes: Callable[[], list[str]]
) -> None:
    case, other = small.draft(), small.draft("e2")
    before = small.dump()
    host = create_engine(database_url, poolclass=NullPool)

    with host.connect() as connection, hooked(submit_guard=make_of_it(Gone(database_url, other))):
        with pytest.raises(DatabaseFault) as caught:
            submit(small.wf.using(connection), case)
        connection.invalidate()

    assert (caught.value.fields["reason"], small.dump() == before, crashes()) == ("broken_transaction", True, [])


@WITH_ROW_LOCKS
@HOWEVER
def test_in_a_hosts_transaction_a_deadlock_is_a_conflict_of_the_hosts(
    small: Small, database_url: str, impatient: Engine, make_of_it: Callable[[Hook], Hook]
) -> None:
    case, *others = small.draft(), small.draft("e2"), small.draft("e3")
    deadlock = Deadlock(database_url, *others)

    with impatient.connect() as connection, hooked(submit_guard=make_of_it(deadlock)):
        with pytest.raises(DatabaseFault) as caught:
            submit(small.wf.using(connection), case)
        connection.rollback()
        deadlock.settle()
        submit(small.wf.using(connection), case)
        connection.commit()

    assert (caught.value.fields["reason"], deadlock.asked) == ("conflict", 2)
    assert small.triggers(case) == ["declare.declare", "declare.submit"]


def test_a_database_of_the_rules_own_is_the_rules_to_answer_for(small: Small) -> None:
    case = small.draft()

    def ask(ctx: Rules) -> None:
        with closing(sqlite3.connect(":memory:")) as own:
            own.execute("SELECT nothing FROM nowhere")

    with hooked(submit_guard=ask):
        refusal = refusal_of(lambda: submit(small.wf, case))
    with hooked(submit_effect=ask), pytest.raises(RuleCrashed) as caught:
        submit(small.wf, case)

    assert (refusal.code, refusal.detail["error"]) == ("guard_crashed", "OperationalError")
    assert caught.value.fields["error"] == "OperationalError"
    assert [row["kind"] for row in small.wf.attempts(small.round)] == ["crashed", "crashed"]
