"""How a failure of the database is told: what kind it is, what to do next, and when the act is done again by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlmodel import Session

from ganchu_workflow.engine.transactions import TRIES
from ganchu_workflow.errors import Contention, DatabaseFault
from tests.engine.small_process import Small, applicant
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
        if sql.startswith(before) and len(met) < times:
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
