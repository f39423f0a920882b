"""A session or connection that cannot carry an act any more: one clear error of ours, and the host can go on."""

import pickle
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
import pymysql
import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from ganchu_workflow import Workflow
from ganchu_workflow.engine.host import require_transaction
from ganchu_workflow.errors import DatabaseFault, Invalid, WorkflowError
from tests.engine.small_process import Small, applicant
from tests.hosts.hosts import Paper

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
SECRET = "s3cret"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The host's engine."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


def save(wf: Workflow, case: str) -> None:
    wf.fire(case, "save", {"enterprise": "乙厂"}, actor=applicant())


def fault_of(wf: Workflow, host: Any, case: str) -> DatabaseFault:
    with pytest.raises(DatabaseFault) as caught:
        save(wf.using(host), case)
    assert type(pickle.loads(pickle.dumps(caught.value))) is DatabaseFault
    return caught.value


def reason_of(error: WorkflowError) -> Any:
    return error.fields["reason"]


@ON_POSTGRESQL
def test_a_failed_statement_of_the_hosts_has_broken_its_transaction(small: Small, engine: Engine) -> None:
    case = small.draft()

    with Session(engine) as session:
        session.execute(text("INSERT INTO oa_paper (id, title) VALUES (1, 'a')"))
        with pytest.raises(IntegrityError):
            session.execute(text("INSERT INTO oa_paper (id, title) VALUES (1, 'b')"))
        fault = fault_of(small.wf, session, case)
        session.rollback()
        save(small.wf.using(session), case)
        session.commit()

    assert reason_of(fault) == "broken_transaction"
    assert small.triggers(case) == ["declare.declare", "declare.save"]


@ON_POSTGRESQL
def test_it_is_found_broken_also_where_the_workflow_was_made_before(small: Small, engine: Engine) -> None:
    case = small.draft()

    with engine.connect() as connection:
        inside = small.wf.using(connection)
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT nothing FROM nowhere"))
        with pytest.raises(DatabaseFault) as act:
            save(inside, case)
        with pytest.raises(DatabaseFault) as question:
            inside.case(case)

    assert (reason_of(act.value), reason_of(question.value)) == ("broken_transaction", "broken_transaction")


@ON_POSTGRESQL
def test_a_host_that_goes_back_to_its_savepoint_may_go_on(small: Small, engine: Engine) -> None:
    case = small.draft()

    with Session(engine) as session, session.begin():
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(text("SELECT nothing FROM nowhere"))
        save(small.wf.using(session), case)

    assert small.triggers(case) == ["declare.declare", "declare.save"]


def test_a_session_that_waits_to_be_rolled_back(small: Small, engine: Engine) -> None:
    case = small.draft()

    with Session(engine) as session:
        session.add_all([Paper(id=1, title="a"), Paper(id=1, title="b")])
        with pytest.raises(IntegrityError):
            session.flush()
        fault = fault_of(small.wf, session, case)
        session.rollback()
        save(small.wf.using(session), case)
        session.commit()

    assert reason_of(fault) == "broken_transaction"
    assert small.triggers(case) == ["declare.declare", "declare.save"]


def test_what_the_hosts_own_rows_meet_when_they_are_flushed_is_the_hosts_to_see(small: Small, engine: Engine) -> None:
    with Session(engine) as session:
        session.add_all([Paper(id=1, title="a"), Paper(id=1, title="b")])
        with pytest.raises(IntegrityError, match="oa_paper"):
            small.wf.using(session)


def test_a_connection_that_was_closed_or_invalidated(small: Small, engine: Engine) -> None:
    case = small.draft()

    with engine.connect() as connection:
        inside = small.wf.using(connection)
        connection.invalidate()
        with pytest.raises(DatabaseFault) as invalidated:
            save(inside, case)
    with pytest.raises(DatabaseFault) as closed:
        save(inside, case)
    at_once = fault_of(small.wf, connection, case)

    reasons = [reason_of(error) for error in (invalidated.value, closed.value, at_once)]
    assert reasons == ["broken_transaction"] * 3


def test_a_drivers_connection_that_was_closed(small: Small, engine: Engine) -> None:
    case = small.draft()
    given, named = engine.dialect.create_connect_args(engine.url)
    raw: Any = engine.dialect.connect(*given, **named)
    inside = small.wf.using(raw)
    raw.close()

    with pytest.raises(DatabaseFault) as later:
        save(inside, case)
    at_once = fault_of(small.wf, raw, case)

    assert [reason_of(later.value), reason_of(at_once)] == ["broken_transaction"] * 2


@ON_POSTGRESQL
def test_a_connection_that_the_server_has_ended(small: Small, engine: Engine) -> None:
    case = small.draft()

    with Session(engine) as session:
        inside = small.wf.using(session)
        backend = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with small.wf.database.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
        with pytest.raises(DatabaseFault) as first:
            save(inside, case)
        again = fault_of(small.wf, session, case)

    assert [reason_of(first.value), reason_of(again)] == ["broken_transaction"] * 2
    assert small.triggers(case) == ["declare.declare"]


@ON_POSTGRESQL
def test_a_database_that_cannot_be_reached_is_told_without_its_password(small: Small, database_url: str) -> None:
    nowhere = create_engine(make_url(database_url).set(port=1, password=SECRET))

    with Session(nowhere) as session, pytest.raises(DatabaseFault) as caught:
        small.wf.using(session)

    assert reason_of(caught.value) == "broken_transaction"
    assert SECRET not in str(caught.value)


def test_a_session_that_begins_nothing_by_itself(small: Small, engine: Engine) -> None:
    case = small.draft()

    with Session(engine, autobegin=False) as session:
        with pytest.raises(Invalid) as caught:
            small.wf.using(session)
        with session.begin():
            save(small.wf.using(session), case)

    assert reason_of(caught.value) == "no_transaction"
    assert small.triggers(case) == ["declare.declare", "declare.save"]


# ── a driver's connection that commits each statement by itself ──


def test_a_transaction_that_was_begun_by_hand_carries_an_act(small: Small, database_url: str) -> None:
    case = small.draft()
    raw = _autocommitting(database_url)

    with pytest.raises(Invalid) as caught:
        small.wf.using(raw)
    for end in ("ROLLBACK", "COMMIT"):
        raw.cursor().execute("BEGIN")
        save(small.wf.using(raw), case)
        raw.cursor().execute(end)
    raw.close()

    assert reason_of(caught.value) == "no_transaction"
    assert small.triggers(case) == ["declare.declare", "declare.save"]
    assert small.wf.verify().problems == []


def _autocommitting(url: str) -> Any:
    found = make_url(url)
    if found.get_backend_name() == "sqlite":
        return sqlite3.connect(str(found.database), isolation_level=None)
    if found.get_backend_name() == "mariadb":
        named = {"host": found.host, "port": found.port or 3306, "user": found.username, "database": found.database}
        return pymysql.connect(**named, password=found.password or "", autocommit=True)
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def test_nothing_is_required_of_a_driver_that_does_not_say_how_its_transaction_stands() -> None:
    for dialect in ("postgresql", "mysql", "mariadb", "oracle"):
        require_transaction(dialect, object())
