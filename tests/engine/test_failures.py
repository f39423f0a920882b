"""How a failure of the database is told: what kind it is, what to do next, and when the act is done again by itself."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool
from sqlmodel import Session

from ganchu_workflow import Workflow
from ganchu_workflow.engine.transactions import TRIES
from ganchu_workflow.errors import Contention, DatabaseFault
from tests.engine.small_process import HOUR, Small, applicant, expert
from tests.engine.test_failures_in_rules import end_connection
from tests.listening import hearing

WORD = "geheim"
REFUSED = {
    "NOT NULL": f"INSERT INTO oa_row (id, n, word) VALUES (7, NULL, '{WORD}')",
    "CHECK": f"INSERT INTO oa_row (id, n, word) VALUES (7, 0, '{WORD}')",
    "FOREIGN KEY": f"INSERT INTO oa_row (id, n, word, above) VALUES (7, 1, '{WORD}', 99)",
    "append-only": f"UPDATE ganchu_history SET digest = '{WORD}'",
}
TAKEN = {
    "PRIMARY KEY": f"INSERT INTO oa_row (id, n, word) VALUES (1, 1, '{WORD}')",
    "UNIQUE": f"INSERT INTO oa_row (id, n, word) VALUES (7, 1, '{WORD}{WORD}')",
}


@pytest.fixture
def furnished(small: Small) -> Small:
    """A round beside a table with constraints, which has one row."""
    with small.wf.database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE oa_row (id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n > 0), word VARCHAR(12) UNIQUE,"
            " above INTEGER, FOREIGN KEY (above) REFERENCES oa_row (id))"
        )
        connection.exec_driver_sql(f"INSERT INTO oa_row (id, n, word) VALUES (1, 1, '{WORD}{WORD}')")
    return small


@contextmanager
def meeting(statement: str, times: int = 1000, before: str = "INSERT INTO ganchu_history") -> Iterator[list[str]]:
    """What the engine sends meets what this statement meets, on the same connection; gives how often."""
    met: list[str] = []

    def first(raw: Any, sql: str, values: Any) -> None:
        if before in sql and len(met) < times:
            met.append(statement)
            raw.cursor().execute(statement)

    with hearing(before=first):
        yield met


def submit(small: Small, case: str) -> Any:
    return small.wf.fire(case, "submit", {"truthful": True}, actor=applicant())


# ── a row that is refused, and a key that is taken ──


@pytest.mark.parametrize("what", REFUSED)
def test_a_row_that_is_refused_is_a_fault_at_once(furnished: Small, what: str) -> None:
    case = furnished.draft()
    before = furnished.dump()

    with meeting(REFUSED[what]) as met, pytest.raises(DatabaseFault) as caught:
        submit(furnished, case)

    assert (caught.value.code, caught.value.fields["reason"], len(met)) == ("database_fault", "row_refused", 1)
    assert "doing the same again meets the same" in caught.value.message
    assert (WORD in caught.value.message, "Failing row" in caught.value.message) == (False, False)
    assert furnished.dump() == before
    assert submit(furnished, case).state == "declare.submitted"
    assert furnished.wf.verify().problems == []


@pytest.mark.parametrize("what", TAKEN)
def test_a_key_that_is_taken_means_that_others_were_first_and_the_act_is_done_again(
    furnished: Small, what: str
) -> None:
    case, other = furnished.draft(), furnished.draft("e2")

    with meeting(TAKEN[what], times=TRIES - 1) as met:
        receipt = submit(furnished, case)
    with meeting(TAKEN[what]) as met_again, pytest.raises(Contention) as caught:
        furnished.wf.fire(other, "submit", {"truthful": True}, actor=applicant("e2"))

    assert (receipt.state, len(met), len(met_again)) == ("declare.submitted", TRIES - 1, TRIES)
    assert caught.value.fields["tries"] == TRIES
    assert [furnished.triggers(c) for c in (case, other)] == [
        ["declare.declare", "declare.submit"],
        ["declare.declare"],
    ]
    assert furnished.wf.verify().problems == []


@pytest.mark.parametrize(
    ("statements", "reason"), [(REFUSED, "row_refused"), (TAKEN, "conflict")], ids=["refused", "taken"]
)
def test_in_a_hosts_transaction_they_are_told_apart(
    furnished: Small, database_url: str, statements: dict[str, str], reason: str
) -> None:
    case = furnished.draft()
    host = create_engine(database_url)
    if host.dialect.name == "sqlite":
        event.listen(host, "connect", lambda raw, record: raw.execute("PRAGMA foreign_keys = ON"))

    found = []
    for statement in statements.values():
        with Session(host) as session:
            raw = session.connection().connection.driver_connection
            with meeting(statement) as met, pytest.raises(DatabaseFault) as caught:
                furnished.wf.using(raw).fire(case, "submit", {"truthful": True}, actor=applicant())
            found.append((caught.value.fields["reason"], len(met), WORD in caught.value.message))
            # Only the savepoint of the act was undone.
            assert session.connection().exec_driver_sql("SELECT count(*) FROM oa_row").scalar_one() == 1
    host.dispose()

    assert found == [(reason, 1, False)] * len(statements)
    assert furnished.triggers(case) == ["declare.declare"]


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
def test_a_text_that_is_too_long_is_refused_and_not_quoted(small: Small) -> None:
    """SQLite has no lengths."""
    case = small.draft()

    with meeting(f"UPDATE ganchu_case SET stage = '{WORD * 20}'") as met, pytest.raises(DatabaseFault) as caught:
        submit(small, case)

    assert (caught.value.fields["reason"], len(met), WORD in caught.value.message) == ("row_refused", 1, False)


# ── a lock that somebody keeps ──


@pytest.fixture
def impatient(database_url: str) -> Iterator[Engine]:
    """An Engine that waits for no lock."""
    waits: dict[str, dict[str, Any]] = {
        "sqlite": {"timeout": 0},
        "postgresql": {"options": "-c lock_timeout=1ms"},
        "mariadb": {"init_command": "SET SESSION innodb_lock_wait_timeout = 0"},
    }
    engine = create_engine(database_url, connect_args=waits[make_url(database_url).get_backend_name()])
    yield engine
    engine.dispose()


@contextmanager
def kept(url: str, case: str) -> Iterator[None]:
    """A transaction of somebody else's that keeps the lock of a case; on SQLite that of the file."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT 1 FROM ganchu_case WHERE id = '{case}' FOR UPDATE")
        yield


def test_a_lock_that_somebody_keeps_is_told_at_once(
    make: Callable[..., Small], database_url: str, impatient: Engine
) -> None:
    small = make(impatient).open_round()
    case = small.draft()
    before = small.dump()

    sent: list[str] = []
    heard = hearing(before=lambda raw, sql, values: sent.append(sql))
    with kept(database_url, case), heard, pytest.raises(DatabaseFault) as caught:
        submit(small, case)

    assert (caught.value.code, caught.value.fields["reason"]) == ("database_fault", "locked")
    assert sent.count(sent[0]) == 1
    assert "try again, and look for a transaction left open" in caught.value.message
    assert small.dump() == before
    assert submit(small, case).state == "declare.submitted"
    assert small.wf.verify().problems == []


WITH_ROW_LOCKS = pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)


@WITH_ROW_LOCKS
def test_several_acts_in_one_transaction_end_with_the_one_that_met_a_lock(
    make: Callable[..., Small], database_url: str, impatient: Engine
) -> None:
    """MariaDB undoes only the statement, and would commit the rest."""
    small = make(impatient).open_round()
    first, second = small.draft(), small.draft("e2")
    before = small.dump()

    def work(inside: Workflow) -> None:
        inside.fire(first, "submit", {"truthful": True}, actor=applicant())
        try:
            inside.fire(second, "submit", {"truthful": True}, actor=applicant("e2"))
        except Exception as error:
            met.append(type(error))

    met: list[type[Exception]] = []
    with kept(database_url, second), pytest.raises(DatabaseFault) as caught:
        small.wf.together(work)

    assert (caught.value.fields["reason"], len(met), small.dump() == before) == ("locked", 1, True)


def test_in_a_hosts_transaction_it_is_the_hosts_to_try_again(
    furnished: Small, database_url: str, impatient: Engine
) -> None:
    case = furnished.draft()

    with impatient.connect() as connection:
        with kept(database_url, case), pytest.raises(DatabaseFault) as caught:
            furnished.wf.using(connection).fire(case, "submit", {"truthful": True}, actor=applicant())
        # Only the savepoint of the act was undone.
        connection.exec_driver_sql("INSERT INTO oa_row (id, n) VALUES (2, 2)")
        connection.commit()
        rows = connection.exec_driver_sql("SELECT count(*) FROM oa_row").scalar_one()

    assert (caught.value.fields["reason"], rows, furnished.triggers(case)) == ("locked", 2, ["declare.declare"])
    assert "look for a transaction left open" in caught.value.message


# ── a deadline meets it ──


@pytest.fixture
def due(furnished: Small) -> list[str]:
    """Two sheets, of which each has a deadline that has run out: that of the first before that of the second."""
    case = furnished.reviewing()
    first = furnished.sheet(case)
    furnished.later()
    second = furnished.sheet(case, to="x2")
    furnished.drift_to(furnished.due(second)["sheet_due"] + HOUR)
    return [first, second]


def states(small: Small, cases: list[str]) -> list[str]:
    return [small.state(case) for case in cases]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_several_deadlines_in_one_transaction_are_fired_again_where_others_were_first(
    furnished: Small, due: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with meeting(TAKEN["UNIQUE"], times=1) as met:
        swept = furnished.wf.together(lambda inside: inside.tick())

    assert ([r.case_id for r in swept.fired], swept.refused, len(met)) == (due, (), 1)
    assert (states(furnished, due), said(caplog)) == (["silent", "silent"], [])
    assert furnished.wf.verify().problems == []


@pytest.mark.parametrize("received", ["by the sweep", "by an act"])
def test_a_failure_of_the_database_under_a_deadline_is_told_as_one(
    furnished: Small, due: list[str], caplog: pytest.LogCaptureFixture, received: str
) -> None:
    """Inside a transaction of ours the driver's own error goes by, and is no crash of the deadline's."""
    before = furnished.dump()

    def work(inside: Workflow) -> None:
        if received == "by the sweep":
            inside.tick()
        else:
            inside.fire(due[0], "complete", actor=expert())

    with meeting("SELECT nothing FROM nowhere"), pytest.raises(DatabaseFault) as caught:
        furnished.wf.together(work)

    assert (caught.value.fields["reason"], furnished.dump() == before, said(caplog)) == ("unusable", True, [])


def test_a_deadline_whose_row_is_refused_holds_up_no_other(
    furnished: Small, due: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with meeting(REFUSED["CHECK"], times=1) as met:
        swept = furnished.wf.tick()

    assert ([r.case_id for r in swept.fired], len(met)) == (due[1:], 1)
    assert [(row["case"], row["code"]) for row in swept.refused] == [(due[0], "database_fault")]
    assert [(s.status, s.why) for s in swept.stuck] == [
        ("retrying", "firing it failed (database_fault); the log has the whole of it")
    ]
    assert (states(furnished, due), said(caplog)) == (["assigned", "silent"], ["a deadline did not fire"])
    furnished.drift_to(furnished.simulated.now() + HOUR / 120)  # the first pause
    assert [r.case_id for r in furnished.wf.tick().fired] == due[:1]
    assert furnished.wf.verify().problems == []


# ── MariaDB would cut what is too long ──

ON_MARIADB = pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
LENIENT = "NO_ENGINE_SUBSTITUTION"
MODE = "SELECT @@SESSION.sql_mode"


@contextmanager
def host_engine(url: str, mode: str = "") -> Iterator[Engine]:
    """An Engine of a host's with one connection, in this mode or as the server has it."""
    engine = create_engine(url, pool_size=1, max_overflow=0, connect_args={"sql_mode": mode} if mode else {})
    yield engine
    engine.dispose()


@ON_MARIADB
def test_a_hosts_connection_that_would_cut_a_text_is_refused(small: Small, database_url: str) -> None:
    case = small.draft()

    with host_engine(database_url, LENIENT) as engine, engine.connect() as connection:
        for host in (connection, connection.connection.driver_connection):
            with pytest.raises(DatabaseFault) as caught:
                small.wf.using(host).fire(case, "submit", {"truthful": True}, actor=applicant())
            assert (caught.value.fields["reason"], caught.value.fields["sql_mode"]) == ("lenient_sql_mode", LENIENT)
            assert "put STRICT_TRANS_TABLES into the sql_mode of your connections" in caught.value.message
        # The host's transaction is what it was, and nothing that only reads is refused.
        assert small.wf.using(connection).case(case).state == "declare.draft"
        connection.exec_driver_sql("SET SESSION sql_mode = 'STRICT_TRANS_TABLES'")
        small.wf.using(connection).fire(case, "submit", {"truthful": True}, actor=applicant())
        connection.commit()

    assert small.state(case) == "declare.submitted"


@ON_MARIADB
def test_a_connection_of_a_hosts_engine_that_would_cut_a_text_is_refused(
    make: Callable[..., Small], database_url: str
) -> None:
    with host_engine(database_url) as engine:
        small = make(engine).open_round()
        case = small.draft()
        engine.dispose()
        event.listen(engine, "connect", lambda raw, record: raw.query(f"SET SESSION sql_mode = '{LENIENT}'"))
        with pytest.raises(DatabaseFault) as caught:
            submit(small, case)

    assert caught.value.fields["reason"] == "lenient_sql_mode"
    assert small.triggers(case) == ["declare.declare"]


@ON_MARIADB
def test_the_mode_is_asked_for_once_for_each_connection_of_a_hosts_and_never_on_ours(
    small: Small, database_url: str
) -> None:
    sent: list[str] = []
    case = small.draft()
    heard = hearing(before=lambda raw, sql, values: sent.append(sql))

    def save(wf: Workflow) -> None:
        wf.fire(case, "save", {"enterprise": "乙厂"}, actor=applicant())

    with heard, host_engine(database_url) as engine:
        with engine.connect() as connection:
            raw = connection.connection.driver_connection
            for _ in range(3):
                save(small.wf.using(raw))
        assert (sent.count(MODE), sent[0]) == (1, MODE)
        for _ in range(3):
            save(small.wf)

    assert sent.count(MODE) == 1


# ── nothing is told twice ──

SENT_TOGETHER = {
    "reading": "FROM ganchu_party",
    "locking": "SELECT ganchu_case.id, ganchu_case.seq, ganchu_case.version",
    "writing": "INSERT INTO ganchu_history",
}


@pytest.mark.parametrize("part", SENT_TOGETHER)
@pytest.mark.parametrize("gone", [False, True], ids=["a statement fails", "the connection is gone"])
def test_neither_the_driver_nor_the_pool_says_anything_beside_the_fault(
    small: Small,
    database_url: str,
    part: str,
    gone: bool,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """psycopg would warn of each error in a pipeline but the first."""
    case = small.draft()
    failed: list[str] = []

    def fail(raw: Any, sql: str, values: Any) -> None:
        if SENT_TOGETHER[part] in sql and not failed:
            failed.append(sql)
            if gone:
                end_connection(database_url, raw)
            else:
                raw.cursor().execute("SELECT nothing FROM nowhere")

    with hearing(before=fail), pytest.raises(DatabaseFault) as caught:
        submit(small, case)

    assert (caught.value.fields["reason"], len(failed)) == ("unusable", 1)
    assert (said(caplog), *capfd.readouterr()) == ([], "", "")
    assert submit(small, case).state == "declare.submitted"
