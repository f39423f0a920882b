"""The host owns its transaction: what is done inside it stands or falls with it, and we never end it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, String, create_engine, func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import Session

from ganchu_workflow import Refused, Workflow
from ganchu_workflow.errors import Invalid
from ganchu_workflow.store.database import connect
from tests.engine.small_process import (
    HOUR,
    MICROSECOND,
    OFFICE,
    Rules,
    Small,
    applicant,
    declaration,
    hooked,
    public,
    refusal_of,
)


class HostBase(DeclarativeBase):
    pass


class Paper(HostBase):
    """A table of the host's own."""

    __tablename__ = "oa_paper"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40))


@pytest.fixture(params=["the host's engine", "the library's engine"])
def host(request: pytest.FixtureRequest, database_url: str) -> Iterator[Engine]:
    """The host's engine on the same database, made by itself or by the library."""
    engine = create_engine(database_url) if request.param == "the host's engine" else connect(database_url)
    HostBase.metadata.create_all(engine)
    yield engine
    engine.dispose()


@contextmanager
def session_of(host: Engine) -> Iterator[tuple[Session, Any]]:
    with Session(host) as session:
        yield session, session


@contextmanager
def connection_of(host: Engine) -> Iterator[tuple[Connection, Any]]:
    with host.connect() as connection:
        yield connection, connection


OWNS = pytest.mark.parametrize("own", [session_of, connection_of], ids=["session", "connection"])


def papers(host: Engine) -> int:
    with host.connect() as connection:
        return connection.execute(select(func.count()).select_from(Paper)).scalar_one()


def submit(wf: Workflow, case: str, **more: Any) -> Any:
    return wf.fire(case, "submit", {"truthful": True, **more}, actor=applicant())


@OWNS
def test_a_host_row_and_an_act_are_committed_together(small: Small, host: Engine, own: Any) -> None:
    case = small.draft()

    with own(host) as (transaction, _):
        transaction.execute(insert(Paper).values(id=1, title="受理通知"))
        receipt = submit(small.wf.using(transaction), case)
        transaction.commit()

    assert (papers(host), small.state(case), receipt.seq) == (1, "declare.submitted", 2)
    assert small.wf.verify().problems == []


@OWNS
@pytest.mark.parametrize("writes_first", [True, False], ids=["host writes first", "act is the first"])
def test_a_host_row_and_an_act_are_rolled_back_together(
    small: Small, host: Engine, own: Any, writes_first: bool
) -> None:
    case = small.draft()
    before = small.dump()

    with own(host) as (transaction, _):
        if writes_first:
            transaction.execute(insert(Paper).values(id=1, title="受理通知"))
        submit(small.wf.using(transaction), case)
        assert small.wf.using(transaction).case(case).state == "declare.submitted"
        transaction.rollback()

    assert papers(host) == 0
    assert small.dump() == before


@OWNS
def test_nothing_is_seen_from_outside_before_the_host_commits(small: Small, host: Engine, own: Any) -> None:
    case = small.draft()

    with own(host) as (transaction, _):
        submit(small.wf.using(transaction), case)
        assert small.state(case) == "declare.draft"
        transaction.commit()

    assert small.state(case) == "declare.submitted"


def test_leaving_the_hosts_block_by_an_error_takes_the_act_with_it(small: Small, host: Engine) -> None:
    case = small.draft()
    before = small.dump()

    with pytest.raises(ZeroDivisionError), Session(host) as session, session.begin():
        session.add(Paper(id=1, title="受理通知"))
        submit(small.wf.using(session), case)
        raise ZeroDivisionError

    assert papers(host) == 0
    assert small.dump() == before


@OWNS
def test_a_refused_act_leaves_the_transaction_usable_and_writes_nothing(small: Small, host: Engine, own: Any) -> None:
    case = small.draft()
    before = small.dump()

    with own(host) as (transaction, _):
        inside = small.wf.using(transaction)
        assert refusal_of(lambda: inside.fire(case, "accept", actor=OFFICE)).code == "not_here"
        assert refusal_of(lambda: submit(inside, case, truthful=False)).code == "not_truthful"
        transaction.execute(insert(Paper).values(id=1, title="退件通知"))
        transaction.commit()

    assert papers(host) == 1
    assert small.dump() == before


def test_a_crash_in_the_hosts_transaction_leaves_it_usable(small: Small, host: Engine) -> None:
    case = small.draft()
    before = small.dump()

    def crash(ctx: Rules) -> None:
        raise LookupError("no such row")

    with Session(host) as session:
        inside = small.wf.using(session)
        with hooked(submit_effect=crash), pytest.raises(Exception, match="LookupError"):
            submit(inside, case)
        session.add(Paper(id=1, title="退件通知"))
        session.commit()

    assert papers(host) == 1
    assert small.dump() == before


@OWNS
def test_a_refusal_that_is_kept_is_a_row_of_the_hosts_transaction(small: Small, host: Engine, own: Any) -> None:
    case = small.draft()
    before = small.dump()

    for kept in (False, True):
        with own(host) as (transaction, _):
            inside = small.wf.using(transaction)
            with pytest.raises(Refused) as caught:
                inside.fire(case, "accept", actor=OFFICE)
            inside.keep(caught.value)
            if kept:
                transaction.commit()
            else:
                transaction.rollback()
        if not kept:
            assert small.dump() == before

    [row] = small.wf.attempts(small.round)
    assert (row["case_id"], row["code"], row["name"]) == (case, "not_here", "accept")
    assert small.dump("ganchu_attempt") == {k: v for k, v in before.items() if k != "ganchu_attempt"}


def test_a_refusal_can_be_kept_after_the_host_has_rolled_back(small: Small, host: Engine) -> None:
    case = small.draft()

    with pytest.raises(Refused) as caught, Session(host) as session, session.begin():
        session.add(Paper(id=1, title="受理通知"))
        small.wf.using(session).fire(case, "accept", actor=OFFICE)
    small.wf.keep(caught.value)

    assert papers(host) == 0
    assert [row["code"] for row in small.wf.attempts(small.round)] == ["not_here"]


def test_a_refusal_is_kept_once(small: Small) -> None:
    case = small.draft()
    with pytest.raises(Refused) as caught:
        small.wf.fire(case, "accept", actor=OFFICE)

    small.wf.keep(caught.value)
    small.wf.keep(caught.value)

    assert [row["code"] for row in small.wf.attempts(small.round)] == ["not_here"]


def test_a_refusal_of_no_act_cannot_be_kept(small: Small) -> None:
    with pytest.raises(Invalid, match="only refusals of an act do"):
        small.wf.keep(Refused(refusal_of(lambda: submit(small.wf, small.submitted()))))


def test_a_host_row_that_is_pending_is_flushed_first(small: Small, host: Engine) -> None:
    case = small.draft()
    seen: list[int] = []

    with Session(host) as session, session.begin():
        session.add(Paper(id=1, title="受理通知"))
        connection = session.connection()
        count = select(func.count()).select_from(Paper)
        with hooked(submit_guard=lambda ctx: seen.append(connection.execute(count).scalar_one())):
            submit(small.wf.using(session), case)

    assert seen == [1]
    assert small.state(case) == "declare.submitted"


def test_several_acts_stand_in_one_transaction(small: Small, host: Engine) -> None:
    with Session(host) as session:
        inside = small.wf.using(session)
        case = inside.open("application", declaration(), actor=applicant()).case_id
        submit(inside, case)
        inside.fire(case, "accept", actor=OFFICE)
        session.rollback()
    assert small.wf.cases(small.round, "application") == []

    with Session(host) as session:
        inside = small.wf.using(session)
        case = inside.open("application", declaration(), actor=applicant()).case_id
        submit(inside, case)
        assert refusal_of(lambda: submit(inside, case)).code == "not_here"
        inside.fire(case, "accept", actor=OFFICE)
        session.commit()

    assert (small.state(case), len(small.wf.history(case))) == ("recommend.pending", 3)
    assert small.wf.verify().problems == []


def test_what_was_due_is_settled_inside_the_hosts_transaction(small: Small, host: Engine) -> None:
    case = small.listed()
    notice = small.notice(case)
    small.drift_to(small.due(notice)["window"] + MICROSECOND)
    before = small.dump()

    with Session(host) as session:
        inside = small.wf.using(session)
        late = refusal_of(lambda: inside.open("objection", {"text": "迟"}, actor=public(), parent=case, of=notice))
        assert (late.code, inside.case(case).state) == ("window_closed", "finish.decided")
        session.rollback()

    assert small.dump() == before
    small.later(HOUR)
    assert small.state(case) == "finish.decided"


def test_a_key_is_seen_inside_the_transaction(small: Small, host: Engine) -> None:
    case = small.draft()

    with Session(host) as session:
        inside = small.wf.using(session)
        receipts = {inside.fire(case, "submit", {"truthful": True}, actor=applicant(), key="k-1") for _ in range(2)}
        session.commit()

    assert len(receipts) == 1
    assert small.wf.fire(case, "submit", {"truthful": True}, actor=applicant(), key="k-1") in receipts


def test_a_workflow_on_the_hosts_own_engine_does_everything(make: Callable[..., Small], host: Engine) -> None:
    small = make(host).open_round()

    chosen = small.decided()
    small.wf.fire(chosen, "choose", actor=OFFICE)
    assert refusal_of(lambda: small.wf.fire(chosen, "choose", actor=OFFICE)).code == "not_here"
    with Session(host) as session, session.begin():
        session.add(Paper(id=1, title="受理通知"))
        case = small.wf.using(session).open("application", declaration(), actor=applicant("e2")).case_id

    assert (small.state(chosen), small.state(case), papers(host)) == ("finish.chosen", "declare.draft", 1)
    assert [row["code"] for row in small.wf.attempts(small.round)] == ["not_here"]
    assert small.wf.verify().problems == []
    assert small.wf.database is host


def test_an_act_falls_with_a_savepoint_of_the_hosts(small: Small, host: Engine) -> None:
    """Also where the workflow was made before the savepoint, and a host row after it."""
    kept, undone = small.draft(), small.draft()

    with Session(host) as session:
        inside = small.wf.using(session)
        submit(inside, kept)
        savepoint = session.begin_nested()
        session.add(Paper(id=1, title="受理通知"))
        submit(inside, undone)
        savepoint.rollback()
        assert [inside.case(c).state for c in (kept, undone)] == ["declare.submitted", "declare.draft"]
        session.commit()

    assert papers(host) == 0
    assert [small.state(c) for c in (kept, undone)] == ["declare.submitted", "declare.draft"]
    assert small.wf.verify().problems == []
