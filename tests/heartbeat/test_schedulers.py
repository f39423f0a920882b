"""The metronome: whose scheduler it is, when it strikes, and how it is stopped."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.background import BackgroundScheduler
from freezegun import freeze_time
from sqlalchemy import create_engine, inspect, text

from ganchu_workflow import Actor, Heartbeat, Role, SystemClock, Workflow
from ganchu_workflow.clock import to_text
from ganchu_workflow.heartbeat import Beat
from tests.engine.small_process import BEGUN, HOUR, MICROSECOND, SHANGHAI, Small

SECOND = timedelta(seconds=1)
SHEET_DUE = BEGUN + 48 * HOUR
PATIENCE = 60
"""Seconds after which something that should happen has not happened."""
STRUCK: list[str] = []
HOST = Event()
OFFICE = Actor(Role.OFFICE)


def of_the_host() -> None:
    """A job of the host's, which its store can pickle."""
    STRUCK.append("host")
    HOST.set()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is tested here are threads and timers, which know nothing of the database."""
    return sqlite_url


@pytest.fixture
def host() -> Iterator[Any]:
    """A scheduler of a host's: started, but it starts no job by itself, so that a test can look at what is planned."""
    scheduler = BackgroundScheduler(timezone=SHANGHAI)
    scheduler.start(paused=True)
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


def wakes(scheduler: Any) -> list[Any]:
    """The instants of the wake-ups that are planned."""
    return [j.trigger.run_date for j in scheduler.get_jobs() if "-wake-" in j.id]


def beats_of(count: int) -> tuple[Callable[[Beat], None], Event, list[Beat]]:
    """A listener, and what is set when it has heard so many beats."""
    heard: list[Beat] = []
    enough = Event()

    def listen(beat: Beat) -> None:
        heard.append(beat)
        if len(heard) >= count:
            enough.set()

    return listen, enough, heard


# ── when it strikes ──


def test_the_wake_up_is_one_microsecond_after_the_nearest_deadline_and_the_grace(small: Small, host: Any) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE - 10 * SECOND)
    heart = Heartbeat(small.wf, every=HOUR, grace=60 * SECOND, scheduler=host)
    with freeze_time("2026-11-25T04:00:00Z") as machine:
        heart.start()
        heart.beat()
        assert wakes(host) == [SystemClock().now() + 70 * SECOND + MICROSECOND]

        small.drift_to(SHEET_DUE - 4 * SECOND)
        machine.tick(6)
        heart.beat()
        assert wakes(host) == [SystemClock().now() + 64 * SECOND + MICROSECOND]

        small.drift_to(SHEET_DUE + 60 * SECOND)
        machine.tick(64)
        assert heart.beat().fired == ()
        assert wakes(host) == [SystemClock().now() + MICROSECOND]

        small.drift_to(SHEET_DUE + 60 * SECOND + MICROSECOND)
        assert [r.case_id for r in heart.beat().fired] == [sheet]
        assert wakes(host) == []
    heart.stop()


def test_no_wake_up_is_planned_where_the_regular_beat_comes_first(small: Small, host: Any) -> None:
    small.sheet(small.reviewing())
    heart = Heartbeat(small.wf, every=30 * SECOND, grace=timedelta(), scheduler=host).start()

    small.drift_to(SHEET_DUE - 30 * SECOND + MICROSECOND)
    heart.beat()
    assert wakes(host) == []
    small.drift_to(SHEET_DUE - 30 * SECOND + 2 * MICROSECOND)
    heart.beat()
    assert len(wakes(host)) == 1
    heart.stop()


def test_a_clock_that_stands_still_plans_no_wake_up_again(small: Small, host: Any) -> None:
    """Otherwise it would beat without end at the very instant of a deadline, which fires only after it."""
    small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE)
    heart = Heartbeat(small.wf, grace=timedelta(), scheduler=host).start()

    planned = []
    for _ in range(3):
        heart.beat()
        planned.append(len(wakes(host)))

    assert planned == [1, 0, 0]
    heart.stop()


def test_a_job_with_more_to_do_is_followed_by_a_beat_at_once(small: Small, host: Any) -> None:
    class Batch:
        more = True

    heart = Heartbeat(small.wf, jobs=(Batch,), scheduler=host).start()
    with freeze_time("2026-11-25T04:00:00Z"):
        heart.beat()
        assert wakes(host) == [SystemClock().now()]
    heart.stop()


def test_an_outage_is_looked_after_more_often_than_deadlines(sqlite_url: str, host: Any) -> None:
    small = Small(sqlite_url.replace("ganchu.db", "nowhere.db"))
    heart = Heartbeat(small.wf, every=HOUR, scheduler=host).start()
    waits = []
    with freeze_time("2026-11-25T04:00:00Z"):
        for _ in range(8):
            heart.beat()
            waits.append((wakes(host)[0] - SystemClock().now()).total_seconds())
    heart.stop()

    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_deadline_fires_when_it_runs_out_and_not_at_the_next_regular_beat(database_url: str) -> None:
    """On the machine's own clock and APScheduler's own thread."""
    wf = Workflow(database_url)
    now = SystemClock().now()
    closes = now + 2 * SECOND
    plan = {
        "title": "虚构批次",
        "code": "H-1",
        "stage": [
            {"use": "self_declaration", "window": {"opens": now - HOUR, "closes": closes}},
            {"use": "announcement"},
        ],
    }
    round_ = wf.open_round(plan, actor=OFFICE)
    wf.fire(round_, "start", actor=OFFICE)
    phase = next(p for p in wf.cases(round_, "phase") if p.stage == "self_declaration")
    listen, both, heard = beats_of(2)

    with Heartbeat(wf, every=HOUR, grace=timedelta(), on_beat=listen):
        assert both.wait(PATIENCE)

    assert [(r.case_id, r.trigger) for b in heard for r in b.fired if r.trigger == "close"] == [(phase.id, "close")]
    assert (heard[1].at > closes, heard[1].at - closes < 10 * SECOND) == (True, True)
    [closed] = [e for e in wf.history(phase) if e["trigger"] == "close"]
    assert closed["recorded_at"] > closed["effective_at"] == to_text(closes)
    wf.database.dispose()


# ── the host's scheduler ──


def test_the_hosts_scheduler_is_left_running_with_its_own_jobs(small: Small) -> None:
    HOST.clear()
    scheduler = BackgroundScheduler(timezone=SHANGHAI)
    scheduler.start()
    scheduler.add_job(of_the_host, "interval", hours=1, id="theirs")
    listen, one, _ = beats_of(1)

    with Heartbeat(small.wf, scheduler=scheduler, on_beat=listen) as heart:
        assert one.wait(PATIENCE)
        assert heart.status().running
        assert len(scheduler.get_jobs()) > 1

    assert (scheduler.running, [j.id for j in scheduler.get_jobs()]) == (True, ["theirs"])
    scheduler.modify_job("theirs", next_run_time=SystemClock().now())
    assert HOST.wait(PATIENCE)
    scheduler.shutdown()


def test_nothing_of_ours_is_pickled_into_the_hosts_job_store(small: Small, tmp_path: Path) -> None:
    HOST.clear()
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    store = SQLAlchemyJobStore(url=url)
    scheduler = BackgroundScheduler(timezone=SHANGHAI, jobstores={"default": store})
    scheduler.start()
    small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE - HOUR)
    listen, one, _ = beats_of(1)
    engine = create_engine(url)

    def stored() -> list[str]:
        with engine.connect() as connection:
            return list(connection.execute(text("SELECT id FROM apscheduler_jobs")).scalars())

    with Heartbeat(small.wf, every=24 * HOUR, grace=timedelta(), scheduler=scheduler, on_beat=listen):
        assert one.wait(PATIENCE)
        assert inspect(engine).get_table_names() == ["apscheduler_jobs"]
        jobs = {job.id: job._jobstore_alias for job in scheduler.get_jobs()}
        assert (len(jobs), "default" in jobs.values(), stored()) == (2, False, [])
        # It does store what is the host's: the table would show it.
        scheduler.add_job(of_the_host, "interval", hours=1, id="theirs")
        assert stored() == ["theirs"]

    assert stored() == ["theirs"]
    scheduler.shutdown()
    engine.dispose()


def test_two_heartbeats_share_a_scheduler(make: Callable[..., Small], host: Any) -> None:
    small = make().open_round()
    first, second = (Heartbeat(small.wf, scheduler=host).start() for _ in range(2))
    assert len(host.get_jobs()) == 2

    first.stop()

    assert len(host.get_jobs()) == 1
    assert (first.status().running, second.status().running) == (False, True)
    second.stop()


def test_a_scheduler_that_is_started_later_beats_then(small: Small) -> None:
    scheduler = BackgroundScheduler(timezone=SHANGHAI)
    listen, one, _ = beats_of(1)
    heart = Heartbeat(small.wf, scheduler=scheduler, on_beat=listen).start()
    assert not heart.status().running

    scheduler.start()

    assert one.wait(PATIENCE)
    heart.stop()
    scheduler.shutdown()


def test_one_that_was_stopped_before_leaves_a_scheduler_that_can_be_started(small: Small) -> None:
    scheduler = BackgroundScheduler(timezone=SHANGHAI)
    Heartbeat(small.wf, scheduler=scheduler).start().stop()

    scheduler.start()

    assert scheduler.get_jobs() == []
    scheduler.shutdown()


def test_an_asyncio_host_is_not_held_up(small: Small) -> None:
    listen, two, heard = beats_of(2)

    async def serve() -> None:
        scheduler = AsyncIOScheduler(timezone=SHANGHAI)
        scheduler.start()
        heart = Heartbeat(small.wf, every=SECOND / 10, scheduler=scheduler, on_beat=listen).start()
        assert await asyncio.to_thread(two.wait, PATIENCE)
        heart.stop()
        scheduler.shutdown()
        await asyncio.sleep(0)

    asyncio.run(serve())
    assert [b.error for b in heard[:2]] == [None, None]


# ── how it is stopped ──


class Slow:
    """A job that is going on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.ended = Event(), Event(), Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        self.ended.set()


def test_stop_waits_for_the_beat_that_is_going_on_and_then_none_starts(small: Small) -> None:
    slow = Slow()
    heart = Heartbeat(small.wf, every=SECOND / 100, jobs=(slow,)).start()
    assert slow.begun.wait(PATIENCE)
    assert heart.status().beating_since == small.simulated.now()
    stopping = Thread(target=heart.stop)
    stopping.start()
    stopping.join(0.3)
    assert (stopping.is_alive(), slow.ended.is_set()) == (True, False)

    slow.go_on.set()
    stopping.join(PATIENCE)

    assert (stopping.is_alive(), slow.ended.is_set(), heart.status().running) == (False, True, False)
    beats = heart.status().beats
    assert not Event().wait(0.2)
    assert (heart.status().beats, beats) == (1, 1)


def test_stop_without_waiting_returns_at_once(small: Small) -> None:
    slow = Slow()
    heart = Heartbeat(small.wf, jobs=(slow,)).start()
    assert slow.begun.wait(PATIENCE)

    heart.stop(wait=False)

    assert (slow.ended.is_set(), heart.status().running) == (False, False)
    slow.go_on.set()
    assert slow.ended.wait(PATIENCE)
    heart.stop()
    assert heart.status().beats == 1


def test_start_and_stop_may_be_called_again(small: Small) -> None:
    heart = Heartbeat(small.wf)
    heart.stop()
    for expected in (1, 2):
        listen, one, _ = beats_of(1)
        heart.on_beat = listen
        heart.start()
        assert heart.start() is heart
        assert one.wait(PATIENCE)
        heart.stop()
        heart.stop()
        assert (heart.status().beats, heart.status().running) == (expected, False)


@pytest.mark.parametrize("own", [True, False], ids=["own scheduler", "host's scheduler"])
def test_a_beat_may_stop_its_own_heartbeat(small: Small, own: bool) -> None:
    scheduler = None
    if not own:
        scheduler = BackgroundScheduler(timezone=SHANGHAI)
        scheduler.start()
    ended = Event()

    def stop_it(beat: Beat) -> None:
        heart.stop()
        ended.set()

    heart = Heartbeat(small.wf, every=SECOND / 100, scheduler=scheduler, on_beat=stop_it)
    heart.start()

    assert ended.wait(PATIENCE)
    heart.stop()
    assert (heart.status().beats, heart.status().running) == (1, False)
    if scheduler is not None:
        assert (scheduler.running, scheduler.get_jobs()) == (True, [])
        scheduler.shutdown()


def test_a_host_that_shuts_its_scheduler_down_first_is_not_locked_up(small: Small) -> None:
    """Shutting down it holds the lock that a beat needs to plan its wake-up, and waits for its executors."""
    slow = Slow()
    small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE - SECOND)
    scheduler = BackgroundScheduler(timezone=SHANGHAI)
    scheduler.start()
    heart = Heartbeat(small.wf, jobs=(slow,), scheduler=scheduler).start()
    assert slow.begun.wait(PATIENCE)
    shutting = Thread(target=scheduler.shutdown, daemon=True)
    shutting.start()
    shutting.join(PATIENCE)
    assert not shutting.is_alive()

    slow.go_on.set()
    heart.stop()

    assert (slow.ended.is_set(), heart.status().running, scheduler.running) == (True, False, False)


def test_a_deadline_by_a_simulated_clock_waits_real_time(small: Small, host: Any) -> None:
    """The workflow lives in 2021, the scheduler in the machine's present."""
    small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE - SECOND)
    before = SystemClock().now()
    heart = Heartbeat(small.wf, grace=timedelta(), scheduler=host).start()

    heart.beat()

    [at] = wakes(host)
    assert before + SECOND < at.astimezone(UTC) < before + PATIENCE * SECOND
    heart.stop()
