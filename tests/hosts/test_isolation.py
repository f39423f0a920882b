"""At each isolation level of a host: what an act does there, as the table of docs/host-transactions.md says it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event, make_url

from ganchu_workflow import SeededEntropy, Workflow
from ganchu_workflow.errors import Contention, DatabaseFault, Invalid
from tests.engine.small_process import Rules, Small, applicant, hooked, registry
from tests.packaging.test_readme import ROOT

PAGE = (ROOT / "docs/host-transactions.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("| changed during |")[2].partition("\n\n")[0].splitlines()[2:]
]
LEVELS = {
    "sqlite": ["as sqlite3 begins it", "BEGIN", "BEGIN IMMEDIATE", "AUTOCOMMIT"],
    "postgresql": ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"],
    "mariadb": ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"],
}
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
NO_WAITING = {
    "sqlite": {"timeout": 0},
    "postgresql": {},
    "mariadb": {"init_command": "SET SESSION innodb_lock_wait_timeout = 0"},
}
CASES = [(database, level) for database, levels in LEVELS.items() for level in levels]
AT_EACH_LEVEL = pytest.mark.parametrize(("database_url", "level"), CASES, indirect=["database_url"])
HANDED = pytest.mark.parametrize("handed", ["SQLAlchemy's connection", "the driver's connection"])


@pytest.fixture
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def transaction(url: str, level: str) -> Iterator[Connection]:
    """A transaction of a host's in which something has been read; committed at the end."""
    engine = create_engine(url)
    if level.startswith("BEGIN"):
        event.listen(engine, "connect", lambda raw, record: setattr(raw, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(level))
    elif level != "as sqlite3 begins it":
        engine = create_engine(url, isolation_level=level)
    with ExitStack() as ends:
        ends.callback(engine.dispose)
        connection = ends.enter_context(engine.connect())
        connection.exec_driver_sql("SELECT count(*) FROM ganchu_case").scalar_one()
        yield connection
        connection.commit()


@pytest.fixture
def others(small: Small, database_url: str) -> Iterator[Workflow]:
    """The workflow of another node. It does not wait for the host, which it would have to."""
    waits = NO_WAITING[make_url(database_url).get_backend_name()]
    engine = create_engine(database_url, connect_args=waits)
    yield Workflow(engine, clock=small.simulated, entropy=SeededEntropy("others"), stages=registry())
    engine.dispose()


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except (DatabaseFault, Invalid) as error:
        return f"`{error.fields['reason']}`"
    return "works"


class Others:
    """They change a case; `waited` when the database did not let them."""

    def __init__(self, wf: Workflow, case: str) -> None:
        self._wf = wf
        self._case = case
        self.waited = False
        self.changed = 0

    def __call__(self, ctx: Rules | None = None) -> None:
        if not self.changed and not self.waited:
            try:
                self._wf.fire(self._case, "save", {"enterprise": "丙厂"}, actor=applicant())
                self.changed += 1
            except (DatabaseFault, Contention) as error:
                assert error.fields.get("reason", "locked") == "locked"
                self.waited = True


def measured(small: Small, others: Workflow, url: str, level: str, handed: str, when: str) -> str:
    case = small.draft()
    change = Others(others, case)
    hooks = {"submit_guard": change} if when == "changed during" else {}
    with hooked(**hooks), transaction(url, level) as connection:
        if when == "changed before":
            change()
        raw = connection.connection.driver_connection
        host: Any = connection if handed == "SQLAlchemy's connection" else raw
        found = outcome(lambda: small.wf.using(host).fire(case, "submit", {"truthful": True}, actor=applicant()))
        if found not in ("works", "`no_transaction`"):
            connection.rollback()
    history = ["declare.declare", *["declare.save"] * change.changed, *["declare.submit"] * (found == "works")]
    assert small.triggers(case) == history
    return "the others wait" if change.waited else found


@AT_EACH_LEVEL
@HANDED
def test_the_table_says_what_happens(
    small: Small, others: Workflow, database_url: str, level: str, handed: str
) -> None:
    [row] = [r for r in ROWS if r[1] == level and r[0] == NAMES[make_url(database_url).get_backend_name()]]

    found = [
        measured(small, others, database_url, level, handed, when)
        for when in ("nobody else", "changed before", "changed during")
    ]

    assert found == row[2:]
    assert small.wf.verify().problems == []


def test_the_table_has_a_row_for_each_level_that_is_tried() -> None:
    assert [tuple(row[:2]) for row in ROWS] == [(NAMES[database], level) for database, level in CASES]
