"""Hosts of three frameworks carry our acts in their own transactions, over real requests; we never end one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import Pool

from ganchu_workflow import Refused
from ganchu_workflow.errors import Invalid
from tests.engine.small_process import OFFICE, Small, applicant, declaration, hooked
from tests.hosts.hosts import Answer, Host, Paper, Unit, asynchronous
from tests.hosts.kinds import on
from tests.hosts.tape import Tape

EVERYWHERE = on()
DONE = Answer(200, "done")


class Undo(Exception):
    """Raised to leave a savepoint of the host's by."""


def papers(small: Small) -> int:
    with small.wf.database.connect() as own:
        return own.execute(select(func.count()).select_from(Paper)).scalar_one()


def submit(unit: Unit, case: str, **more: Any) -> None:
    unit.using().fire(case, "submit", {"truthful": True}, actor=applicant(), **more)


def refused_act(unit: Unit, case: str) -> Refused:
    with pytest.raises(Refused) as caught:
        unit.using().fire(case, "choose", actor=OFFICE)
    return caught.value


@EVERYWHERE
def test_a_host_row_and_an_act_are_committed_together(small: Small, host: Host) -> None:
    """The row is written before the library is first spoken to in the transaction."""
    case = small.draft()
    seen: list[str] = []

    def work(unit: Unit) -> None:
        unit.write(1)
        submit(unit, case)
        seen.extend([unit.using().case(case).state, small.state(case)])

    assert host.request(work) == DONE
    assert seen == ["declare.submitted", "declare.draft"]  # inside, and from outside before the commit
    assert (papers(small), small.state(case)) == (1, "declare.submitted")
    assert small.wf.verify().problems == []


@EVERYWHERE
def test_what_the_host_rolls_back_is_gone_whole(small: Small, host: Host) -> None:
    case = small.draft()
    before = small.dump()

    def work(unit: Unit) -> None:
        unit.write(1)
        submit(unit, case)
        raise ZeroDivisionError

    assert host.request(work).status == 500
    assert papers(small) == 0
    assert small.dump() == before


@EVERYWHERE
def test_a_refusal_that_leaves_the_handler_is_kept_after_the_rollback(small: Small, host: Host) -> None:
    case = small.draft()
    before = small.dump("ganchu_attempt")

    def work(unit: Unit) -> None:
        unit.write(1)
        unit.using().fire(case, "accept", actor=OFFICE)

    assert host.request(work) == Answer(409, "not_here")
    assert papers(small) == 0
    assert small.dump("ganchu_attempt") == before
    assert [(a["case_id"], a["code"]) for a in small.wf.attempts(small.round)] == [(case, "not_here")]


@EVERYWHERE
@pytest.mark.parametrize("commits", [True, False], ids=["commit", "rollback"])
def test_a_refused_act_leaves_the_hosts_row_and_transaction_usable(small: Small, host: Host, commits: bool) -> None:
    case = small.draft()
    before = small.dump("ganchu_attempt")

    def work(unit: Unit) -> None:
        unit.write(1)
        refused = refused_act(unit, case)
        unit.write(2)
        unit.using().keep(refused)
        if not commits:
            raise ZeroDivisionError

    assert host.request(work).status == (200 if commits else 500)
    assert papers(small) == (2 if commits else 0)
    assert [a["code"] for a in small.wf.attempts(small.round)] == ["not_here"] * commits
    assert small.dump("ganchu_attempt") == before


@EVERYWHERE
def test_several_acts_stand_in_one_transaction(small: Small, host: Host) -> None:
    opened: list[str] = []

    def work(unit: Unit) -> None:
        inside = unit.using()
        case = inside.open("application", declaration(), actor=applicant(), round=small.round).case_id
        opened.append(case)
        unit.write(1)
        submit(unit, case)
        refused_act(unit, case)
        unit.write(2)
        inside.fire(case, "accept", actor=OFFICE)

    assert host.request(work) == DONE
    assert papers(small) == 2
    assert small.triggers(opened[0]) == ["declare.declare", "declare.submit", "declare.accept"]
    assert small.wf.verify().problems == []


@EVERYWHERE
def test_an_act_falls_with_a_savepoint_of_the_hosts(small: Small, host: Host) -> None:
    kept, undone = small.draft(), small.draft()

    def work(unit: Unit) -> None:
        unit.write(1)
        submit(unit, kept)
        with pytest.raises(Undo), unit.savepoint():
            unit.write(2)
            submit(unit, undone)
            raise Undo
        unit.write(3)

    assert host.request(work) == DONE
    assert papers(small) == 2
    assert [small.state(case) for case in (kept, undone)] == ["declare.submitted", "declare.draft"]
    assert small.wf.verify().problems == []


@EVERYWHERE
def test_what_the_host_has_written_is_there_when_a_rule_is_asked(small: Small, host: Host) -> None:
    """A session of SQLAlchemy keeps rows back until it is flushed; it is, before each act."""
    case = small.draft()
    seen: list[int] = []

    def work(unit: Unit) -> None:
        inside = unit.using()
        unit.write(1)
        with hooked(submit_guard=lambda ctx: seen.append(unit.papers())):
            inside.fire(case, "submit", {"truthful": True}, actor=applicant())

    assert host.request(work) == DONE
    assert seen == [1]


@EVERYWHERE
def test_an_act_under_a_key_is_there_once_however_often_the_host_repeats_its_request(small: Small, host: Host) -> None:
    case = small.draft()

    answers = [host.request(lambda unit: submit(unit, case, key="oa-8841")) for _ in range(2)]

    assert answers == [DONE, DONE]
    assert small.triggers(case) == ["declare.declare", "declare.submit"]


# ── whose the transaction is ──


def ready(host: Host, tape: Tape) -> None:
    """After a first request, in which an Engine asks its database who it is."""
    host.request(lambda unit: unit.papers())
    tape.wind_on()


def begin(small: Small) -> list[str]:
    """What a driver sends to begin: nothing on MariaDB, where a connection without autocommit is always in one."""
    return [] if small.wf.database.dialect.name == "mariadb" else ["BEGIN"]


@EVERYWHERE
def test_nothing_but_savepoints_of_our_own_is_sent_between_the_hosts_begin_and_its_end(
    small: Small, host: Host, tape: Tape
) -> None:
    case = small.draft()
    ready(host, tape)

    def work(unit: Unit) -> None:
        unit.write(1)
        submit(unit, case)
        unit.using().fire(case, "reject", actor=OFFICE)
        refused_act(unit, case)

    assert host.request(work) == DONE
    act = ["SAVEPOINT ours", "RELEASE ours"]
    refused = ["SAVEPOINT ours", "ROLLBACK TO ours", "RELEASE ours"]
    assert tape.words() == [*begin(small), *act, *act, *refused, "COMMIT"]


@EVERYWHERE
def test_an_error_of_the_hosts_ends_its_transaction_once(small: Small, host: Host, tape: Tape) -> None:
    case = small.draft()
    ready(host, tape)

    def work(unit: Unit) -> None:
        unit.write(1)
        submit(unit, case)
        raise ZeroDivisionError

    assert host.request(work).status == 500
    assert tape.words() == [*begin(small), "SAVEPOINT ours", "RELEASE ours", "ROLLBACK"]


@contextmanager
def checked_out() -> Iterator[list[Any]]:
    """Every driver's connection that any Engine of the process takes from its pool while the block runs."""
    taken: list[Any] = []

    def note(raw: Any, record: Any, proxy: Any) -> None:
        taken.append(getattr(raw, "driver_connection", raw))

    event.listen(Pool, "checkout", note)
    try:
        yield taken
    finally:
        event.remove(Pool, "checkout", note)


@EVERYWHERE
def test_no_engine_takes_the_hosts_connection_in_hand(small: Small, host: Host) -> None:
    """An Engine that is built on a connection in use takes it out of a pool, and rolls the transaction back."""
    case = small.draft()
    taken: list[bool] = []

    def work(unit: Unit) -> None:
        unit.write(1)
        raw = unit.raw()
        with checked_out() as all_taken:
            submit(unit, case)
            refused_act(unit, case)
            small.wf.case(case)  # so that it is seen what is looked for
        taken.extend([bool(all_taken), raw in all_taken])

    assert host.request(work) == DONE
    assert taken == [True, False]


# ── others at the same time ──


@on(databases=["postgresql", "mariadb"])  # of SQLite: see test_isolation
def test_what_others_changed_since_the_host_read_is_an_error_of_ours_and_nothing_is_tried_again(
    small: Small, serve: Callable[..., Host], tape: Tape
) -> None:
    """The host's transaction sees the database as it was at its first statement; the host begins anew and succeeds."""
    host = serve(isolation_level="REPEATABLE READ")
    case = small.draft()
    ready(host, tape)
    asked: list[int] = []

    def save(unit: Unit) -> None:
        unit.write(1)
        unit.using().fire(case, "save", {"enterprise": "乙厂"}, actor=applicant())

    def work(unit: Unit) -> None:
        asked.append(unit.papers())
        small.wf.fire(case, "save", {"enterprise": "丙厂"}, actor=applicant())
        save(unit)

    assert host.request(work) == Answer(503, "conflict")
    assert (asked, papers(small), small.view(case).facts["enterprise"]) == ([0], 0, "丙厂")
    assert [w for w in tape.words() if "ours" not in w] == [*begin(small), "ROLLBACK"]

    assert host.request(save) == DONE
    assert (papers(small), small.view(case).facts["enterprise"]) == (1, "乙厂")
    assert small.wf.verify().problems == []


# ── what is no transaction of the host's ──


@on(hosts=["django"])
def test_outside_of_atomic_django_commits_each_statement_and_the_act_is_refused(
    small: Small, serve: Callable[..., Host]
) -> None:
    case = small.draft()
    before = small.dump()

    def work(unit: Unit) -> None:
        unit.write(1)
        submit(unit, case)

    assert serve(atomic=False).request(work) == Answer(503, "no_transaction")
    assert papers(small) == 1
    assert small.dump() == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_asynchronous_session_is_refused_with_what_to_call_instead(small: Small, database_url: str) -> None:
    session = AsyncSession(create_async_engine(asynchronous(database_url)))

    with pytest.raises(Invalid, match=r"await session\.run_sync\("):
        small.wf.using(session)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_djangos_wrapper_of_a_connection_is_refused_with_what_to_give_instead(small: Small) -> None:
    with pytest.raises(Invalid, match=r"django\.db\.connection\.connection, inside transaction\.atomic"):
        small.wf.using(connection)
