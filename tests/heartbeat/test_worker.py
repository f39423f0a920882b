"""`ganchu worker` as operators run it: real processes, real signals, both kinds of database."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from ganchu_workflow import SystemClock
from ganchu_workflow.clock import from_text
from ganchu_workflow.store.database import WRITE, connect
from ganchu_workflow.store.mariadb import DIALECTS
from tests.cli.command import ganchu, workflow
from tests.heartbeat.process import HOUR, ONCE, open_rounds, overdue, triggers, worker

SECOND = timedelta(seconds=1)
MANY = 24


def closed(url: str) -> int:
    """How many phases have closed."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            query = "SELECT count(*) FROM ganchu_history WHERE name = 'close'"
            found: int = connection.execute(text(query)).scalar_one()
            return found
    finally:
        engine.dispose()


@contextmanager
def held(url: str) -> Iterator[None]:
    """Nobody else gets at a deadline while the block runs."""
    engine = connect(url)
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect().execution_options(**{WRITE: True}) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("LOCK TABLE ganchu_deadline IN ACCESS EXCLUSIVE MODE")
        elif not sqlite:
            connection.exec_driver_sql("LOCK TABLES ganchu_deadline WRITE")
        yield
        if connection.dialect.name in DIALECTS:
            connection.exec_driver_sql("UNLOCK TABLES")
    engine.dispose()


def whole(url: str) -> bool:
    with workflow(url) as wf:
        return wf.verify().problems == []


def test_two_workers_fire_each_deadline_once(database_url: str, tmp_path: Path) -> None:
    phases = overdue(database_url, MANY)

    with worker(database_url, "--every", "1", cwd=tmp_path) as one, worker(database_url, cwd=tmp_path) as two:
        with held(database_url):
            # Without tables they can look at they do not begin: so they begin together.
            if database_url.startswith("sqlite"):
                one.heard("started")
                two.heard("started")
            assert one.silent_for(1.5)
        if not database_url.startswith("sqlite"):
            for each in (one, two):
                each.heard("started")  # a signal that comes before it listens for signals would end it at once
        one.until(lambda: closed(database_url) == MANY)
        assert (one.end(), two.end()) == (0, 0)

    assert triggers(database_url, phases) == [ONCE] * MANY
    fired = [r for w in (one, two) for line in w.told() if line["action"] == "beat" for r in line["fired"]]
    assert sorted((r["case"], r["trigger"]) for r in fired) == sorted(
        (p, trigger) for p in phases for trigger in ONCE[1:]
    )
    assert whole(database_url)


def test_a_deadline_just_ahead_fires_by_the_wake_up(database_url: str, tmp_path: Path) -> None:
    """The next regular beat is an hour away. A machine that is too busy to start in time gets more of it."""
    for ahead in (4, 12, 36):
        now = SystemClock().now()
        closes = now + ahead * SECOND
        with workflow(database_url) as wf:
            [phase] = open_rounds(wf, 1, now - HOUR, closes)
        with worker(database_url, "--every", "3600", "--grace", "0", cwd=tmp_path) as found:
            first, *rest = found.heard("beat")["fired"]
            assert (first["case"], first["trigger"]) == (phase, "begin")
            if rest:
                found.end()
                continue
            [second] = (line := found.heard("beat"))["fired"]
            assert (second["case"], second["trigger"], line["beat"]) == (phase, "close", 2)
            assert from_text(second["recorded_at"]) - closes < 5 * SECOND
            assert found.end() == 0
        assert triggers(database_url, [phase]) == [ONCE]
        return
    raise AssertionError("the worker took more than half a minute to start")


def test_sigterm_in_the_middle_of_a_sweep_ends_it_cleanly(database_url: str, tmp_path: Path) -> None:
    phases = overdue(database_url, MANY)

    with worker(database_url, cwd=tmp_path) as found:
        found.until(lambda: any("begin" in t for t in triggers(database_url, phases[:1])))
        assert found.end(signal.SIGTERM) == 0
    told = found.told()

    assert (told[0]["action"], told[-1]["action"]) == ("started", "stopped")
    # The beat that was going on ended first: its sweep is whole.
    assert triggers(database_url, phases) == [ONCE] * MANY
    assert whole(database_url)


def test_a_worker_that_is_killed_loses_nothing_and_repeats_nothing(database_url: str, tmp_path: Path) -> None:
    phases = overdue(database_url, 3 * MANY)
    with worker(database_url, cwd=tmp_path) as killed:
        killed.until(lambda: closed(database_url) > 0)
        killed.kill()
    fired = closed(database_url)
    assert 0 < fired < 3 * MANY, "it was to be killed in the middle"
    assert whole(database_url)

    with worker(database_url, cwd=tmp_path) as again:
        again.until(lambda: closed(database_url) == 3 * MANY)
        assert again.end() == 0

    assert triggers(database_url, phases) == [ONCE] * (3 * MANY)
    assert whole(database_url)


@pytest.mark.parametrize(
    ("first", "second", "code"), [(signal.SIGTERM, signal.SIGTERM, 143), (signal.SIGINT, signal.SIGINT, 130)]
)
def test_a_second_signal_ends_it_at_once(sqlite_url: str, tmp_path: Path, first: int, second: int, code: int) -> None:
    overdue(sqlite_url, 1)
    with held(sqlite_url), worker(sqlite_url, cwd=tmp_path) as found:
        found.heard("started")
        assert found.silent_for(1.5)  # its first beat waits for the lock
        found.process.send_signal(first)
        found.heard("stopping")
        assert found.silent_for(0.8)
        assert found.end(second) == code
    assert whole(sqlite_url)


def test_a_signal_that_is_sent_twice_at_once_counts_once(sqlite_url: str, tmp_path: Path) -> None:
    """As `timeout` does, to the process and to its group."""
    with worker(sqlite_url, cwd=tmp_path) as found:
        found.heard("started")
        found.process.send_signal(signal.SIGTERM)
        assert found.end(signal.SIGTERM) == 0


def test_ctrl_c_ends_it_cleanly(sqlite_url: str, tmp_path: Path) -> None:
    with worker(sqlite_url, cwd=tmp_path) as found:
        found.heard("started")
        assert found.end(signal.SIGINT) == 0
    assert [line["action"] for line in found.told()][-1] == "stopped"


def test_the_lines_for_people_are_chinese_first(sqlite_url: str, tmp_path: Path) -> None:
    phases = overdue(sqlite_url, 2)
    with worker(sqlite_url, "--every", "1", cwd=tmp_path, as_json=False) as found:
        lines = [found.line(), found.line()]
        fired = [found.line() for _ in range(4)]
        assert found.silent_for(2.5), "a beat that finds nothing prints nothing"
        assert found.end() == 0
        lines.append(found.line())

    assert [line.partition("  ")[2].partition(",共")[0] for line in lines] == [
        "开始:每 1 秒一次 / started: every 1 s",
        "已触发 4 项 / fired 4",
        "已停止",
    ]
    assert [re.sub(r"due .*  →", "due …  →", line) for line in fired] == [
        *(f"    self_declaration {phase}  等待期 (opens)  应于 / due …  → open" for phase in phases),
        *(f"    self_declaration {phase}  环节期限 (closes)  应于 / due …  → closed" for phase in phases),
    ]


# ── once ──


def test_once_beats_once_and_ends(database_url: str, tmp_path: Path) -> None:
    phases = overdue(database_url, 2)

    first, second = (ganchu("worker", "--db", database_url, "--once", "--json", cwd=tmp_path) for _ in range(2))

    assert (first.code, second.code, second.out) == (0, 0, "")
    [line] = [json.loads(text) for text in first.out.splitlines()]
    assert (line["action"], [r["trigger"] for r in line["fired"]]) == ("beat", ["begin", "begin", "close", "close"])
    assert triggers(database_url, phases) == [ONCE] * 2


def test_once_says_with_its_exit_code_that_a_deadline_would_not_fire(sqlite_url: str, tmp_path: Path) -> None:
    [phase] = overdue(sqlite_url, 1)
    with workflow(sqlite_url) as wf, wf.database.begin() as connection:
        connection.exec_driver_sql(f"UPDATE ganchu_case SET facts = 'no JSON' WHERE id = '{phase}'")

    done = ganchu("worker", "--db", sqlite_url, "--once", cwd=tmp_path)

    assert (done.code, done.err) == (4, "")
    assert "已触发 0 项,未触发 1 项 / fired 0, 1 did not fire: " + phase + " opens [fault]" in done.out


# ── what it does not begin with ──


def test_a_database_without_tables_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    done = ganchu("worker", "--db", empty_database_url, cwd=tmp_path)

    assert (done.code, done.out) == (4, "")
    assert "ganchu db upgrade" in done.err
    assert list(tmp_path.glob("*.db")) == []


def test_an_address_that_cannot_be_meant_is_refused_at_once(tmp_path: Path) -> None:
    done = ganchu("worker", "--db", "mongodb://localhost/x", cwd=tmp_path)

    assert (done.code, done.out) == (4, "")
    assert "'mongodb' is not a database this library knows" in done.err


def test_a_database_that_does_not_answer_is_given_up_after_a_while(tmp_path: Path, free_port: int) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port}/x"

    at_once = ganchu("worker", "--db", url, "--wait", "0", cwd=tmp_path)
    once = ganchu("worker", "--db", url, "--once", cwd=tmp_path)
    later = ganchu("worker", "--db", url, "--wait", "1", "--json", cwd=tmp_path)

    assert [(d.code, d.out) for d in (at_once, once)] == [(4, ""), (4, "")]
    assert later.code == 4
    assert [json.loads(line)["action"] for line in later.out.splitlines()] == ["waiting"]
    assert "cannot be used" in later.err


def test_a_worker_that_waits_for_its_database_can_be_stopped(tmp_path: Path, free_port: int) -> None:
    with worker(f"postgresql://nobody@127.0.0.1:{free_port}/x", cwd=tmp_path) as found:
        found.heard("waiting")
        assert found.end() == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--every", "0"), "--every"),
        (("--every", "86401"), "--every"),
        (("--grace", "-1"), "--grace"),
        (("--grace", "86401"), "grace"),
        (("--wait", "-1"), "--wait"),
    ],
)
def test_times_out_of_range_are_refused(sqlite_url: str, tmp_path: Path, args: tuple[str, str], said: str) -> None:
    done = ganchu("worker", "--db", sqlite_url, *args, cwd=tmp_path)

    assert (done.code, done.out, said in done.err) == (2, "", True)


@pytest.mark.parametrize("once", [(), ("--once",)])
def test_it_does_not_begin_while_the_time_is_made_up(sqlite_url: str, tmp_path: Path, once: tuple[str, ...]) -> None:
    phases = overdue(sqlite_url, 1)

    done = ganchu("worker", "--db", sqlite_url, *once, cwd=tmp_path, env={"GANCHU_AT": "2021-11-18T10:00"})

    assert (done.code, done.out) == (2, "")
    assert "GANCHU_AT is set (2021-11-18T10:00), but `ganchu worker` goes by the machine's clock alone" in done.err
    assert triggers(sqlite_url, phases) == [["open"]]


def test_channels_that_cannot_be_used_are_refused_before_it_begins(sqlite_url: str, tmp_path: Path) -> None:
    phases = overdue(sqlite_url, 1)

    done = ganchu("worker", "--db", sqlite_url, "--channels", "nowhere.toml", cwd=tmp_path)

    assert (done.code, done.out, done.err.startswith("错误 / error [")) == (2, "", True)
    assert triggers(sqlite_url, phases) == [["open"]]
