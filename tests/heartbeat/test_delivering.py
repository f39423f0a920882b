"""`ganchu worker --channels`: what a sweep tells is delivered right after it; a channel that fails stops nothing."""

from datetime import timedelta
from pathlib import Path

import pytest

from ganchu_workflow import SimulatedClock, SystemClock, Workflow
from tests.cli.command import ganchu
from tests.cli.conftest import DECLARATION, FIRM, OFFICE
from tests.heartbeat.process import HOUR, plan, worker

SETTINGS = """\
[channels.eml]
use = "eml"
folder = "mail"

[routes]
default = ["eml"]
"""


def lapsing(url: str) -> str:
    """A draft whose window was over an hour ago: when that is noticed, the enterprise is told."""
    now = SystemClock().now()
    clock = SimulatedClock(now - 3 * HOUR)
    wf = Workflow(url, clock=clock)
    round_ = wf.open_round(plan(1, now - 2 * HOUR, now - HOUR), actor=OFFICE)
    wf.fire(round_, "start", actor=OFFICE)
    clock.move_to(now - 2 * HOUR + timedelta(minutes=1))
    wf.tick()
    draft = wf.open("application", DECLARATION | {"city": "360100"}, actor=FIRM, round=round_).case_id
    wf.database.dispose()
    return draft


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A folder for mail, and the settings of a dispatcher that puts it there."""
    (tmp_path / "mail").mkdir()
    path = tmp_path / "delivery.toml"
    path.write_text(SETTINGS, "utf-8")
    return path


def test_what_a_sweep_tells_is_delivered_in_the_same_beat(database_url: str, settings: Path, tmp_path: Path) -> None:
    lapsing(database_url)

    with worker(database_url, "--channels", str(settings), cwd=tmp_path) as found:
        beat = found.heard("beat")
        assert found.end() == 0

    assert [r["trigger"] for r in beat["fired"]] == ["close"]
    [job] = beat["jobs"]
    assert (job["name"], job["error"], job["dead"]) == ("deliver_messages", None, 0)
    assert job["delivered"] == len(list((tmp_path / "mail").rglob("*.eml"))) == 1


def test_once_delivers_too(sqlite_url: str, settings: Path, tmp_path: Path) -> None:
    lapsing(sqlite_url)

    done = ganchu("worker", "--db", sqlite_url, "--once", "--channels", str(settings), cwd=tmp_path)

    assert (done.code, done.err) == (0, "")
    assert "已触发 1 项,通知:已投递 1 条 / fired 1, messages: 1 delivered" in done.out


def test_a_channel_that_fails_is_told_and_stops_no_deadline(sqlite_url: str, settings: Path, tmp_path: Path) -> None:
    lapsing(sqlite_url)
    with worker(sqlite_url, "--channels", str(settings), "--grace", "3600", "--every", "1", cwd=tmp_path) as found:
        found.heard("started")
        (tmp_path / "mail").rmdir()
        (tmp_path / "mail").write_text("not a folder", "utf-8")
        beat = found.heard("beat")
        assert found.end() == 0

    assert [r["trigger"] for r in beat["fired"]] == ["close"]
    assert (beat["jobs"][0]["delivered"], beat["jobs"][0]["retried"]) == (0, 1)
