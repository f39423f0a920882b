"""The database fails in the middle of an act: that is told clearly, nothing is half there, and the next act works."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Dialect, Engine, create_engine, event, func, make_url, text
from sqlalchemy.dialects import mysql as mysql_dialect
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from ganchu_workflow.clock import SimulatedClock, from_text
from ganchu_workflow.engine import crash_points, sql
from ganchu_workflow.engine.crash_points import POINTS
from ganchu_workflow.engine.transactions import TRIES
from ganchu_workflow.engine.workspace import Stale
from ganchu_workflow.entropy import SystemEntropy
from ganchu_workflow.errors import Contention, DatabaseFault, Refused
from ganchu_workflow.store import database
from ganchu_workflow.store.statements import Statement
from ganchu_workflow.store.tables import METADATA
from tests.engine.small_process import CLOSES, HOUR, MICROSECOND, OFFICE, Small, applicant, instant

Make = Callable[..., Small]
INSIDE = POINTS[POINTS.index("begun") : POINTS.index("committed")]
"""The points at which a transaction is open."""


@pytest.fixture
def on() -> Iterator[Make]:
    """Makes workflows on the one database that a test names."""
    made: list[Small] = []

    def one(url: str | Engine, **seams: Any) -> Small:
        made.append(Small(url, **seams))
        return made[-1]

    yield one
    for small in made:
        small.wf.database.dispose()


@contextmanager
def at(point: str, do: Callable[[], object], times: int = 1) -> Iterator[list[str]]:
    """Do this at a point, the first `times` it is reached; gives all that were reached."""
    seen: list[str] = []

    def listen(name: str) -> None:
        seen.append(name)
        if name == point and seen.count(name) <= times:
            do()

    crash_points.listener = listen
    try:
        yield seen
    finally:
        crash_points.listener = None


def submit(small: Small, case: str, key: str | None = None) -> Any:
    return small.wf.fire(case, "submit", {"truthful": True}, actor=applicant(), key=key)


# ── SQLite: no room, and somebody else's lock ──


def test_a_full_disk_is_a_clear_fault_and_leaves_nothing(on: Make, sqlite_url: str) -> None:
    """The limit of pages is the database's own way to be full: it fails in the same statement, with the same error."""
    small = on(sqlite_url).open_round()
    case = small.draft()
    with small.wf.database.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def limit(to: int) -> None:
        with small.wf.database.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {to}")

    limit(pages)
    done: list[str] = []
    with pytest.raises(DatabaseFault) as caught:
        for n in range(1000):
            before = small.dump()
            small.wf.fire(case, "save", {"enterprise": f"厂{n}" * 50}, actor=applicant(), key=f"k-{n}")
            done.append(f"k-{n}")

    assert (caught.value.fields["reason"], "disk is full" in caught.value.message) == ("full", True)
    assert "make room" in caught.value.message
    assert "厂" not in caught.value.message
    assert small.dump() == before
    assert small.wf.verify().problems == []
    limit(1_000_000)
    receipt = small.wf.fire(case, "save", {"enterprise": "厂"}, actor=applicant(), key=f"k-{len(done)}")
    assert (receipt.seq, receipt.repeated) == (len(done) + 2, False)
    assert small.wf.verify().problems == []


def test_a_lock_that_somebody_else_keeps_is_a_fault_that_says_so(
    on: Make, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 100)
    small = on(sqlite_url).open_round()
    case = small.draft()
    before = small.dump()

    with closing(sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseFault) as caught:
            submit(small, case)
        # Readers go on meanwhile.
        assert small.state(case) == "declare.draft"
        other.execute("ROLLBACK")

    assert (caught.value.fields["reason"], caught.value.code) == ("locked", "database_fault")
    assert "another writer holds it" in caught.value.message
    assert small.dump() == before
    assert submit(small, case).state == "declare.submitted"
    assert small.wf.verify().problems == []


# ── PostgreSQL: the connection is gone ──


def others(url: str) -> Callable[[], None]:
    """Ends every connection to this database but its own, as an operator or a failing network does."""

    def end() -> None:
        admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with admin.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    return end


@pytest.mark.parametrize("point", INSIDE)
def test_a_connection_that_is_dropped_inside_an_act_is_a_fault_and_the_next_act_works(
    on: Make, postgres_url: str, point: str
) -> None:
    small = on(postgres_url).open_round()
    case = small.draft()
    before = small.dump()

    with at(point, others(postgres_url)), pytest.raises(DatabaseFault) as caught:
        submit(small, case, "k-1")

    assert (caught.value.code, caught.value.fields["reason"]) == ("database_fault", "unusable")
    assert "[SQL" not in caught.value.message
    assert small.dump() == before
    again = submit(small, case, "k-1")
    assert (again.repeated, again.state) == (False, "declare.submitted")
    assert small.wf.verify().problems == []


def test_idle_connections_that_were_dropped_fail_at_most_one_act_each_call_and_no_later_one(
    on: Make, postgres_url: str
) -> None:
    """All that the pool has kept is stale: the first that notices throws all of it away."""
    small = on(postgres_url, entropy=SystemEntropy()).open_round()
    cases = [small.draft(f"e{n}") for n in range(4)]
    threads = [Thread(target=small.state, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    others(postgres_url)()

    faults = 0
    for n, case in enumerate(cases):
        try:
            small.wf.fire(case, "submit", {"truthful": True}, actor=applicant(f"e{n}"))
        except DatabaseFault:
            faults += 1

    assert faults <= 1
    assert [small.state(c) for c in cases][1:] == ["declare.submitted"] * 3
    assert small.wf.verify().problems == []


def test_a_connection_that_is_dropped_under_a_sweep_keeps_what_was_fired(on: Make, postgres_url: str) -> None:
    small = on(postgres_url).open_round()
    sheets = [small.sheet(small.reviewing()) if n == 0 else "" for n in range(1)]
    sheets += [small.sheet(small.view(sheets[0]).parent or "", to=f"x{n}") for n in (2, 3)]
    small.drift_to(small.due(sheets[2])["sheet_due"] + HOUR)
    reached = 0

    def drop_in_the_second() -> None:
        nonlocal reached
        reached += 1
        if reached == 2:
            others(postgres_url)()

    with at("history_written", drop_in_the_second, times=2), pytest.raises(DatabaseFault) as caught:
        small.wf.tick()

    assert len(caught.value.fields["swept"].fired) == 1
    assert sorted(small.state(s) for s in sheets) == ["assigned", "assigned", "silent"]
    assert len(small.wf.tick().fired) == 2
    assert [small.state(s) for s in sheets] == ["silent"] * 3
    assert small.wf.verify().problems == []


# ── bounded repetition ──


def test_an_act_whose_ground_moves_each_time_is_given_up_at_the_bound(on: Make, postgres_url: str) -> None:
    """Where others may write in between: on SQLite nobody can."""
    small = on(postgres_url).open_round()
    other = on(postgres_url, clock=small.simulated, entropy=SystemEntropy())
    case = small.draft()

    def meanwhile() -> None:
        # Its own points are nobody's concern.
        held, crash_points.listener = crash_points.listener, None
        other.wf.fire(case, "save", {"enterprise": "乙厂"}, actor=applicant())
        crash_points.listener = held

    with at("read", meanwhile, times=TRIES) as seen, pytest.raises(Contention) as caught:
        submit(small, case)

    assert (caught.value.code, caught.value.fields["tries"], seen.count("read")) == ("contention", TRIES, TRIES)
    assert "Try again later" in caught.value.message
    assert (small.state(case), len(small.wf.history(case))) == ("declare.draft", 1 + TRIES)
    with at("read", meanwhile, times=TRIES - 1) as seen:
        assert submit(small, case).state == "declare.submitted"
    assert seen.count("read") == TRIES
    assert small.wf.verify().problems == []


def test_an_act_waits_for_a_deadline_before_it_that_others_kept_from_firing(make: Make) -> None:
    small = make().open_round()
    case = small.submitted()
    small.drift_to(small.due(case)["declare.answer_due"] + MICROSECOND)

    def others() -> None:
        raise Stale

    # Those of the sweep before the act; the act's own would meet nobody.
    with at("read", others, times=TRIES), pytest.raises(Contention):
        small.wf.fire(case, "accept", actor=OFFICE)

    assert small.triggers(case)[-1] == "declare.submit"
    small.wf.fire(case, "accept", actor=OFFICE)
    assert small.triggers(case)[-3:] == ["declare.submit", "declare.remind", "declare.accept"]


def test_a_deadlock_with_somebody_else_is_broken_and_the_act_is_done(on: Make, postgres_url: str) -> None:
    """Our locks are taken in one order; a host that takes them in another meets ours half way."""
    quick = create_engine(postgres_url, connect_args={"options": "-c deadlock_timeout=50ms"})
    small = on(quick).open_round()
    case = small.draft()
    slow = create_engine(postgres_url, poolclass=NullPool, connect_args={"options": "-c deadlock_timeout=20s"})
    host = slow.connect()
    lock = text("SELECT 1 FROM ganchu_case WHERE id = :id FOR UPDATE")
    host.execute(lock, {"id": case})

    def lock_the_round_too() -> None:
        host.execute(lock, {"id": small.round})
        host.rollback()

    behind = Thread(target=lock_the_round_too)

    with at("read", behind.start) as seen:
        # The host's second lock waits for the act's first one, whichever of the two comes first to the round.
        receipt = submit(small, case)
    behind.join(20)
    host.close()

    assert receipt.state == "declare.submitted"
    assert seen.count("locked") == 1
    assert small.wf.verify().problems == []


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_serialisation_failure_is_tried_again(on: Make, postgres_url: str, isolation: str) -> None:
    """On an Engine of a host's that isolates more than ours: the lock of a row that has changed fails."""
    strict = create_engine(postgres_url, isolation_level=isolation)
    small = on(strict).open_round()
    other = on(postgres_url, clock=small.simulated, entropy=SystemEntropy())
    case = small.draft()

    def meanwhile() -> None:
        held, crash_points.listener = crash_points.listener, None
        other.wf.fire(case, "save", {"enterprise": "乙厂"}, actor=applicant())
        crash_points.listener = held

    with at("read", meanwhile, times=2) as seen:
        assert submit(small, case).state == "declare.submitted"

    assert (seen.count("read"), seen.count("locked"), len(small.wf.history(case))) == (3, 1, 4)
    assert small.wf.verify().problems == []


# ── a clock that steps back ──


def test_recorded_instants_never_go_back_within_a_case(make: Make) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    case = small.draft()
    small.later(HOUR)
    submit(small, case)
    ahead = small.simulated.now()

    # Another node, whose clock is behind by half an hour.
    behind = make(clock=SimulatedClock(ahead - HOUR / 2), entropy=SystemEntropy())
    behind.wf.fire(case, "accept", actor=OFFICE)

    events = small.wf.history(case)
    recorded = [from_text(e["recorded_at"]) for e in events]
    assert recorded == [ahead - HOUR, ahead, *[ahead] * (len(events) - 2)]
    assert [from_text(e["received_at"]) for e in events][-1] == ahead - HOUR / 2
    assert small.wf.verify().problems == []


# ── a clock of the database that is wrong ──


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
def test_what_the_clock_of_the_database_says_decides_nothing(make: Make) -> None:
    small = make().open_round()
    in_time, late = small.draft(), small.draft()
    set_back(small.wf.database)

    small.drift_to(CLOSES)
    submit(small, in_time)
    small.drift_to(CLOSES + MICROSECOND)
    with pytest.raises(Refused, match="window_closed"):
        submit(small, late)
    small.wf.tick()

    assert small.triggers(late)[-1] == "declare.lapse"
    assert [e["recorded_at"] for e in small.wf.history(in_time)[1:]] == [instant(CLOSES)]
    assert [e["recorded_at"] for e in small.wf.history(late)[1:]] == [instant(CLOSES + MICROSECOND)]
    assert small.wf.verify().problems == []


@pytest.mark.parametrize("dialect", [sqlite_dialect.dialect, postgresql_dialect.dialect, mysql_dialect.dialect])
def test_no_statement_and_no_table_asks_the_database_for_the_time(dialect: Callable[[], Dialect]) -> None:
    # A parameter may well be called so: what it is given is an instant of ours.
    asked: list[Any] = [found.core for found in vars(sql).values() if isinstance(found, Statement)]
    asked += [CreateTable(table) for table in METADATA.sorted_tables]
    words = re.compile(r"(?i)\bnow\b|_timestamp\b|current_|\bsysdate|unixepoch|strftime")

    spelt = [str(each.compile(dialect=dialect())) for each in (*asked, func.now())]

    assert [text for text in spelt if words.search(re.sub(r"%\(now\)s|:now\b", "", text))] == spelt[-1:]


def set_back(engine: Engine) -> None:
    """From now on the clock of this database stands in 1970, on each connection that is opened."""
    engine.dispose()
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("CREATE SCHEMA set_back")
            for name in ("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp"):
                connection.exec_driver_sql(
                    f"CREATE FUNCTION set_back.{name}() RETURNS timestamptz LANGUAGE sql"
                    " AS $$ SELECT timestamptz '1970-01-02 00:00:00+00' $$"
                )
            connection.exec_driver_sql(
                f"ALTER DATABASE {engine.url.database} SET search_path = set_back, pg_catalog, public"
            )
        else:
            event.listen(engine, "connect", lambda raw, record: raw.cursor().execute("SET timestamp = 86400"))
    engine.dispose()
    with engine.connect() as connection:
        assert str(connection.exec_driver_sql("SELECT now()").scalar()).startswith("1970-01-0")
