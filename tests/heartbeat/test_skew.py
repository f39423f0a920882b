"""This machine's clock against the server's: while they are apart nothing fires, and every act goes through."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time
from freezegun.api import FakeDatetime

from ganchu_workflow import Heartbeat, Invalid, SystemClock, SystemEntropy
from ganchu_workflow.errors import ClockSkew
from ganchu_workflow.store.skew import Skew, measure
from tests.cli.command import FIXED, INHERITED
from tests.engine.small_process import MICROSECOND, OFFICE, Small, applicant, declaration
from tests.engine.test_faults import set_back
from tests.heartbeat.process import ONCE, overdue, triggers

SECOND = timedelta(seconds=1)
ON_A_SERVER = pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
FAR = 300 * SECOND
DECLARATION = declaration()
WRONG = """
import psycopg
from datetime import UTC, datetime, timedelta
from freezegun import freeze_time
from ganchu_workflow import Heartbeat, Registry, Workflow
from ganchu_workflow.cli.main import run
Registry.discover()  # what is first built, or first compares sizes, inside freezegun is wrong for ever
freeze_time(datetime.now(UTC) + timedelta(seconds=300), tick=True).start()
run()
"""
"""The command on a machine whose clock is five minutes ahead."""


class Off(SystemClock):
    """The clock of a machine that goes wrong by so much, and can be set right."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        return super().now() + self.by


def due(make: Callable[..., Small], clock: Off) -> tuple[Small, str]:
    """A sheet whose time has run out, by a clock that shows the machine's time or not."""
    started = Off(-100 * 24 * 3600 * SECOND)
    opening = make(clock=started, entropy=SystemEntropy())
    small = make(clock=clock, entropy=SystemEntropy())
    small.round = opening.wf.open_round(
        {"title": "小评选", "code": "SKEW", "stage": [{"use": "declare", "draft_life": "24 hours"}, {"use": "finish"}]},
        actor=OFFICE,
    ).case_id
    opening.wf.fire(small.round, "start", actor=OFFICE)
    case = opening.wf.open("application", DECLARATION, actor=applicant(), round=small.round).case_id
    return small, case


@ON_A_SERVER
@pytest.mark.parametrize("by", [FAR, -FAR], ids=["ahead", "behind"])
def test_while_the_clocks_are_apart_nothing_fires_and_it_is_told_once(
    make: Callable[..., Small], by: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Off(by)
    small, case = due(make, clock)
    ran: list[str] = []
    heart = Heartbeat(small.wf, jobs=(lambda: ran.append("job"),))

    with caplog.at_level(logging.WARNING, "ganchu_workflow"):
        apart = [heart.beat(), heart.beat()]
        status = heart.status()
        clock.by = timedelta()
        right = [heart.beat(), heart.beat()]

    assert [(b.fired, b.refused, b.outage, b.skewed) for b in apart] == [((), (), "", "began"), ((), (), "", "lasts")]
    assert [b.error.code for b in apart if isinstance(b.error, ClockSkew)] == ["clock_skew"] * 2
    assert status.skew is not None and status.skewed_since == apart[0].at
    assert abs(status.skew.ahead + by) < 5 * SECOND
    assert [b.skewed for b in right] == ["over", ""]
    assert ([r.case_id for r in right[0].fired], heart.status().skewed_since) == ([case], None)
    assert ran == ["job"] * 4
    assert [r.__dict__["action"] for r in caplog.records] == ["clock_skew_began", "clock_skew_over"]


@ON_A_SERVER
def test_acts_of_people_are_not_refused_for_it(make: Callable[..., Small]) -> None:
    small, _ = due(make, Off(FAR))

    opened = small.wf.open("application", DECLARATION, actor=applicant("e9"), round=small.round)

    assert opened.state == "declare.draft"


@ON_A_SERVER
def test_a_sweep_measures_when_it_is_told_to_and_says_by_how_much(make: Callable[..., Small]) -> None:
    small, case = due(make, Off(FAR))

    with pytest.raises(ClockSkew) as caught:
        small.wf.tick(max_skew=SECOND)

    assert (caught.value.code, caught.value.fields["most"]) == ("clock_skew", 1.0)
    assert -305 < caught.value.fields["ahead"] < -295
    assert "本机时钟比数据库服务器快 " in caught.value.message
    assert small.state(case) == "declare.draft"
    assert [r.case_id for r in small.wf.tick(max_skew=FAR + 10 * SECOND).fired] == [case]


@ON_A_SERVER
def test_none_switches_it_off(make: Callable[..., Small]) -> None:
    small, case = due(make, Off(FAR))

    beat = Heartbeat(small.wf, max_skew=None).beat()

    assert ([r.case_id for r in beat.fired], beat.skew, beat.skewed) == ([case], None, "")


@ON_A_SERVER
def test_a_clock_that_a_test_moves_is_not_held_against_the_server(make: Callable[..., Small]) -> None:
    small = make().open_round()

    beat = Heartbeat(small.wf).beat()

    assert (beat.error, beat.skew) == (None, None)


@ON_A_SERVER
def test_the_clock_of_a_frozen_machine_is_as_wrong_as_any_other(make: Callable[..., Small]) -> None:
    """Under freezegun say `max_skew=None`: the server is not frozen."""
    small = make(clock=SystemClock(), entropy=SystemEntropy())
    with freeze_time("2021-08-02T02:00:00"):
        assert isinstance(SystemClock().now(), FakeDatetime)
        beats = [Heartbeat(small.wf).beat(), Heartbeat(small.wf, max_skew=None).beat()]

    assert [(b.skewed, b.error is None) for b in beats] == [("began", False), ("", True)]


@ON_A_SERVER
def test_what_is_measured_is_no_further_off_than_the_time_it_took(make: Callable[..., Small]) -> None:
    small = make(clock=SystemClock())

    found = measure(small.wf.database, small.wf.clock)

    assert found is not None
    assert (found.least, timedelta() < found.uncertainty < 5 * SECOND) == (timedelta(), True)
    assert Heartbeat(small.wf).beat().skew is not None


def test_on_sqlite_there_is_no_other_clock(sqlite_url: str) -> None:
    small = Small(sqlite_url, clock=Off(FAR))

    assert (measure(small.wf.database, small.wf.clock), small.wf.tick(max_skew=MICROSECOND).refused) == (None, ())
    assert Heartbeat(small.wf).beat().error is None
    small.wf.database.dispose()


@pytest.mark.parametrize(
    ("ahead", "uncertainty", "least"),
    [(SECOND, timedelta(), SECOND), (-3 * SECOND, SECOND, 2 * SECOND), (SECOND, 2 * SECOND, timedelta())],
)
def test_only_what_is_certain_counts(ahead: timedelta, uncertainty: timedelta, least: timedelta) -> None:
    assert Skew(ahead, uncertainty).least == least


@pytest.mark.parametrize("most", [timedelta(), -SECOND, timedelta(days=2)])
def test_a_limit_that_is_none_is_refused(sqlite_url: str, most: timedelta) -> None:
    with pytest.raises(Invalid, match=r"max_skew: .* is nothing clocks may be apart"):
        Heartbeat(Small(sqlite_url).wf, max_skew=most)


@ON_A_SERVER
def test_beside_a_server_whose_clock_stands_in_1970_nothing_fires_unless_it_is_told_not_to_ask(
    make: Callable[..., Small],
) -> None:
    small, case = due(make, Off(timedelta()))
    set_back(small.wf.database)

    beats = [Heartbeat(small.wf).beat(), Heartbeat(small.wf, max_skew=None).beat()]

    assert [(b.skewed, [r.case_id for r in b.fired]) for b in beats] == [("began", []), ("", [case])]
    assert beats[0].skew is not None and beats[0].skew.ahead < timedelta(days=-365 * 50)
    assert small.wf.verify().problems == []


# ── the command ──


def wrong(url: str, folder: Path, *args: str) -> tuple[int, str, str]:
    environment = {k: os.environ[k] for k in (*INHERITED, "PYTHONPATH") if k in os.environ} | FIXED
    command = [sys.executable, "-c", WRONG, *args, "--db", url]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@ON_A_SERVER
def test_a_worker_on_a_machine_whose_clock_is_wrong_says_so_and_fires_nothing(
    database_url: str, tmp_path: Path
) -> None:
    phases = overdue(database_url, 1)

    code, out, err = wrong(database_url, tmp_path, "worker", "--once", "--json")
    told = wrong(database_url, tmp_path, "worker", "--once")

    line = json.loads(out)
    assert (code, err, line["action"], line["code"]) == (4, "", "clock_skew_began", "clock_skew")
    assert -305 < line["skew"] < -295
    assert told[0] == 4
    # What a trip to the server takes is a part of what is measured: now a little more than 300, now a little less.
    zh, en = r"  本机时钟比数据库服务器快 ([\d.]+) 秒", r"请校准时钟 \(NTP\) / this machine's clock is ([\d.]+) s"
    said = re.search(f"{zh}.*{en}", told[1])
    assert said is not None
    assert said[1] == said[2]
    assert 295 < float(said[1]) < 305
    assert triggers(database_url, phases) == [["open"]]


@ON_A_SERVER
def test_a_sweep_on_a_machine_whose_clock_is_wrong_fails_unless_it_is_told_not_to_look(
    database_url: str, tmp_path: Path
) -> None:
    phases = overdue(database_url, 1)

    code, out, err = wrong(database_url, tmp_path, "tick")

    assert (code, out, err.splitlines()[0]) == (4, "", "错误 / error [clock_skew]")
    assert triggers(database_url, phases) == [["open"]]
    assert wrong(database_url, tmp_path, "tick", "--max-skew", "0")[0] == 0
    assert triggers(database_url, phases) == [ONCE]
