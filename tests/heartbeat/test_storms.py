"""A heartbeat in a storm, beside another one, and the numbers it gives."""

import logging
from collections.abc import Callable
from math import inf
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import make_url, select, update

from ganchu_workflow import Heartbeat, Invalid, SystemEntropy
from ganchu_workflow.heartbeat import Beat, Metrics
from ganchu_workflow.heartbeat.heart import AT_ONCE
from ganchu_workflow.store.tables import METADATA
from tests.cli.command import meddling, workflow
from tests.engine.small_process import BEGUN, HOUR, MICROSECOND, Small, hooked
from tests.engine.test_sweep import DAY, DUE, beside, crash, multiply, not_yet
from tests.heartbeat.process import ONCE, PATIENCE, overdue, triggers, worker

CASE = METADATA.tables["ganchu_case"]
STUCK = METADATA.tables["ganchu_stuck_deadline"]


def stormy(make: Callable[..., Small], count: int) -> Small:
    """A round in which so many drafts have run out."""
    small = make()
    small.drift_to(BEGUN)
    one = beside(make, small)
    multiply(one, one.draft(), count - 1)
    small.drift_to(BEGUN + 30 * DAY)
    return one


def test_a_storm_is_fired_in_beats_of_a_bounded_size_with_the_jobs_in_between(make: Callable[..., Small]) -> None:
    small = stormy(make, 2 * AT_ONCE + 7)
    happened: list[int | str] = []
    done = Event()

    def heard(beat: Beat) -> None:
        happened.append(len(beat.fired))
        if not beat.more:
            done.set()

    # The next regular beat is a day away.
    heart = Heartbeat(small.wf, every=DAY, jobs=(lambda: happened.append("job"),), on_beat=heard)
    with heart:
        assert done.wait(PATIENCE)

    assert happened == ["job", AT_ONCE, "job", AT_ONCE, "job", 7]
    assert {c.state for c in small.wf.cases(small.round, "application")} == {"declare.lapsed"}


def test_what_another_node_has_tried_in_vain_is_in_the_status(make: Callable[..., Small]) -> None:
    small = make().open_round()
    sheet = small.sheet(small.reviewing())
    small.drift_to(DUE + MICROSECOND)
    with hooked(expire_effect=crash):
        small.wf.tick(park_after=1)
    heart = Heartbeat(make(clock=small.simulated).wf, grace=0 * HOUR)

    beat = heart.beat()

    assert (beat.fired, beat.refused) == ((), ())
    assert [(s.case, s.status, s.tries) for s in heart.status().stuck] == [(sheet, "parked", 1)]


def test_how_many_crashes_park_a_deadline_is_a_setting_of_the_heartbeat(small: Small) -> None:
    small.sheet(small.reviewing())
    small.drift_to(DUE + HOUR)
    heart = Heartbeat(small.wf, park_after=1)

    with hooked(expire_effect=crash):
        heart.beat()

    assert [s.status for s in heart.status().stuck] == ["parked"]
    with pytest.raises(Invalid, match="park_after: 0 is no number of tries"):
        Heartbeat(small.wf, park_after=0)


def test_two_workers_beside_a_deadline_that_crashes_fire_all_others_once(database_url: str, tmp_path: Path) -> None:
    broken, *phases = overdue(database_url, 13)
    with meddling(database_url) as connection:
        connection.execute(update(CASE).where(CASE.c.id == broken).values(facts="no JSON"))

    with worker(database_url, "--every", "1", cwd=tmp_path) as one, worker(database_url, cwd=tmp_path) as two:
        for each in (one, two):
            each.heard("started")  # a signal that comes before it listens for signals would end it at once
        one.until(lambda: triggers(database_url, phases) == [ONCE] * 12)
        assert (one.end(), two.end()) == (0, 0)

    with workflow(database_url) as wf, wf.database.connect() as connection:
        [row] = connection.execute(select(STUCK))
    assert (row.case_id, row.name, row.status, row.code) == (broken, "opens", "retrying", "fault")
    tried = [r["case"] for w in (one, two) for line in w.told() if line["action"] == "beat" for r in line["refused"]]
    assert set(tried) == {broken}
    assert 1 <= row.tries <= len(tried)


# ── numbers ──


def test_after_each_beat_the_host_is_given_plain_numbers(small: Small) -> None:
    case = small.reviewing()
    refused, parked, _ = sheets = [small.sheet(case, f"x{n}") for n in range(3)]
    assert sheets == sorted(sheets)
    small.drift_to(DUE + HOUR)
    given: list[Metrics] = []
    heart = Heartbeat(small.wf, on_metrics=given.append, park_after=1)
    rules = {refused: not_yet, parked: crash}

    def rule(ctx: Any) -> Any:
        return rules[ctx.case.id](ctx) if ctx.case.id in rules else None

    with hooked(expire_guard=rule):
        heart.beat()

    small.drift_to(DUE + DAY)
    heart.beat()
    numbers = Metrics(
        fired=1,
        tried_in_vain=2,
        late=2,
        refused=1,
        retrying=0,
        parked=1,
        unrunnable=0,
        oldest_lateness=3600.0,
        histogram=((60.0, 0), (300.0, 0), (3600.0, 2), (86400.0, 0), (604800.0, 0), (inf, 0)),
        skew=None,
    )
    assert given[0] == numbers
    assert [(m.fired, m.late, m.refused, m.parked, m.oldest_lateness) for m in given] == [
        (1, 2, 1, 1, 3600.0),
        (1, 1, 0, 1, 86400.0),
    ]


def test_while_the_database_is_away_nobody_knows_what_is_late(sqlite_url: str) -> None:
    small = Small(sqlite_url, entropy=SystemEntropy()).open_round()
    given: list[Metrics] = []
    heart = Heartbeat(small.wf, on_metrics=given.append)
    path = Path(str(make_url(sqlite_url).database))
    small.wf.database.dispose()
    path.rename(path.with_suffix(".away"))

    heart.beat()

    assert given == [Metrics(0, 0, None, None, None, None, None, None, None, None)]
    small.wf.database.dispose()


def test_whoever_measures_and_fails_disturbs_no_beat(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    def fail(metrics: Metrics) -> None:
        raise OSError("no way to the monitoring")

    heart = Heartbeat(small.wf, on_metrics=fail)

    assert [heart.beat().number, heart.beat().number] == [1, 2]
    assert [r.__dict__["action"] for r in caplog.records if r.levelno == logging.ERROR] == ["on_metrics_failed"] * 2
