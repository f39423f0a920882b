"""The database goes away under a real worker, and comes back: nothing is lost, nothing fires twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from ganchu_workflow.store.database import WRITE, connect
from tests.cli.command import workflow
from tests.heartbeat.process import ONCE, overdue, triggers, worker
from tests.heartbeat.server import Server, private_server

MANY = 60


@pytest.fixture
def server(free_port: int) -> Iterator[Server]:
    with private_server(free_port) as found:
        yield found


def whole(url: str) -> bool:
    with workflow(url) as wf:
        return wf.verify().problems == []


def test_a_server_that_is_stopped_in_the_middle_of_a_sweep_and_started_again(server: Server, tmp_path: Path) -> None:
    server.start()
    with workflow(server.url) as wf:
        wf.migrate()
    phases = overdue(server.url, MANY)

    with worker(server.url, "--every", "1", cwd=tmp_path) as found:
        found.until(lambda: "begin" in triggers(server.url, phases[:1])[0])
        server.stop()
        began = found.heard("outage_began")
        server.start()
        done = triggers(server.url, phases)
        assert (began["code"], done == [ONCE] * MANY) == ("database_fault", False), "it was to be stopped in the middle"
        found.heard("outage_over")
        found.until(lambda: triggers(server.url, phases) == [ONCE] * MANY)
        assert found.end() == 0

    actions = [line["action"] for line in found.told() if line["action"] != "beat"]
    assert actions == ["started", "outage_began", "outage_over", "stopped"]
    assert whole(server.url)


def test_a_worker_that_is_idle_notices_an_outage_and_its_end(server: Server, tmp_path: Path) -> None:
    server.start()
    with workflow(server.url) as wf:
        wf.migrate()

    with worker(server.url, "--every", "1", cwd=tmp_path) as found:
        found.heard("started")
        server.stop()
        found.heard("outage_began")
        assert found.silent_for(2)  # it is told once, however often it is tried
        server.start()
        found.heard("outage_over")
        phases = overdue(server.url, 1)
        found.until(lambda: triggers(server.url, phases) == [ONCE])
        server.stop()
        found.heard("outage_began")
        assert found.end() == 0


def test_a_worker_waits_for_a_server_that_comes_up_after_it(server: Server, tmp_path: Path) -> None:
    server.start()
    with workflow(server.url) as wf:
        wf.migrate()
    phases = overdue(server.url, 1)
    server.stop()

    with worker(server.url, cwd=tmp_path) as found:
        assert found.heard("waiting")["wait"] == 60
        server.start()
        found.heard("started")
        found.until(lambda: triggers(server.url, phases) == [ONCE])
        assert found.end() == 0


def test_a_sqlite_database_that_somebody_else_keeps_locked(sqlite_url: str, tmp_path: Path) -> None:
    """For longer than the five seconds that SQLite waits for another writer."""
    phases = overdue(sqlite_url, 2)
    engine = connect(sqlite_url)

    connection = engine.connect().execution_options(**{WRITE: True})
    with connection, connection.begin(), worker(sqlite_url, "--every", "1", cwd=tmp_path) as found:
        began = found.heard("outage_began")
        assert "another writer holds it" in began["why"]
        connection.rollback()
        found.heard("outage_over")
        found.until(lambda: triggers(sqlite_url, phases) == [ONCE] * 2)
        assert found.end() == 0
    engine.dispose()
    assert whole(sqlite_url)


@pytest.mark.parametrize("in_its_place", ["nothing", "a folder", "something else"])
def test_a_sqlite_file_that_is_taken_away_and_brought_back(sqlite_url: str, tmp_path: Path, in_its_place: str) -> None:
    path = Path(str(make_url(sqlite_url).database))
    away = path.with_suffix(".away")

    with worker(sqlite_url, "--every", "1", cwd=tmp_path) as found:
        found.heard("started")
        assert found.silent_for(1)
        path.rename(away)
        if in_its_place == "a folder":
            path.mkdir()
        elif in_its_place == "something else":
            path.write_bytes("这不是数据库 / this is no database\n".encode() * 100)
        found.heard("outage_began")
        assert found.silent_for(2)
        if in_its_place == "nothing":
            assert not path.exists()
        elif in_its_place == "a folder":
            path.rmdir()
        away.rename(path)
        found.heard("outage_over")
        phases = overdue(sqlite_url, 1)
        found.until(lambda: triggers(sqlite_url, phases) == [ONCE])
        assert found.end() == 0
    assert whole(sqlite_url)
