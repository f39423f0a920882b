"""One beat after the other, by a clock the test moves: what fires, what is left alone, what is reported."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, update

from ganchu_workflow import Heartbeat, Invalid, Refusal
from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.heartbeat import Beat, Status
from ganchu_workflow.store.tables import METADATA
from tests.engine.small_process import BEGUN, CLOSES, HOUR, MICROSECOND, Small, hooked, registry

CASE = METADATA.tables["ganchu_case"]
SECOND = timedelta(seconds=1)
EVERY, GRACE = 30 * SECOND, 60 * SECOND
SHEET_DUE = BEGUN + 48 * HOUR


def not_yet(ctx: Any) -> Refusal:
    return Refusal("not_yet", "尚不能办理", "not yet")


def fired(beat: Beat) -> list[tuple[str, str]]:
    return [(r.case_id, r.trigger) for r in beat.fired]


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(r, "action", "") for r in caplog.records if r.name == "ganchu_workflow"]


# ── what fires ──


def test_a_deadline_fires_one_microsecond_after_its_end_and_the_grace(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    heart = Heartbeat(small.wf, grace=GRACE)

    small.drift_to(SHEET_DUE + GRACE)
    assert fired(heart.beat()) == []
    small.drift_to(SHEET_DUE + GRACE + MICROSECOND)
    assert fired(heart.beat()) == [(sheet, "expire")]
    assert fired(heart.beat()) == []
    assert small.triggers(sheet) == ["assign", "expire"]


def test_the_last_beat_can_be_read(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE + HOUR)
    seen: list[Beat] = []
    heart = Heartbeat(small.wf, on_beat=seen.append)
    assert heart.status() == Status(False, 0, None, None, None, ())

    with caplog.at_level(logging.INFO, "ganchu_workflow"):
        beat = heart.beat()

    assert heart.status() == Status(False, 1, beat, None, None, ())
    assert seen == [beat]
    assert (beat.number, beat.at, beat.error, beat.outage, beat.next_due) == (1, SHEET_DUE + HOUR, None, "", CLOSES)
    assert actions(caplog) == ["deadline_fired", "beat"]
    told, counted = caplog.records
    assert (told.__dict__["case"], told.__dict__["trigger"], told.__dict__["state"]) == (sheet, "expire", "silent")
    assert (counted.__dict__["fired"], counted.__dict__["refused"], counted.__dict__["beat"]) == (1, 0, 1)


def test_a_beat_that_finds_nothing_says_nothing(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ganchu_workflow"):
        Heartbeat(small.wf).beat()

    assert actions(caplog) == []


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (
            {"every": 0},
            r"every: 须为 timedelta,如 timedelta\(seconds=30\) / 0 is no timedelta; write it like timedelta",
        ),
        ({"grace": -1}, "grace: 须为 timedelta,.* / -1 is no timedelta"),
        ({"max_skew": 1.5}, "max_skew: 须为 timedelta,.* / 1.5 is no timedelta"),
        ({"every": None}, "every: 须为 timedelta,.* / None is no timedelta"),
        ({"every": timedelta()}, "every: 0:00:00 is no interval"),
        ({"every": timedelta(days=1, microseconds=1)}, "every: 1 day, 0:00:00.000001 is no interval"),
        ({"grace": -MICROSECOND}, "grace: -1 day, 23:59:59.999999 is no time"),
        ({"grace": timedelta(days=1, microseconds=1)}, "grace: 1 day, 0:00:00.000001 is no time"),
        ({"scheduler": object()}, "scheduler: object is no scheduler of APScheduler 3"),
    ],
)
def test_what_it_cannot_work_with_is_refused(sqlite_url: str, times: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Heartbeat(Small(sqlite_url).wf, **times)


# ── what will not fire ──


def test_a_deadline_that_would_not_fire_is_tried_ever_more_rarely(small: Small) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE + MICROSECOND)
    heart = Heartbeat(small.wf, every=EVERY, grace=timedelta())
    tried: list[int] = []

    with hooked(expire_guard=not_yet):
        for n in range(2 * 60 * 60 // 30):
            if heart.beat().refused:
                tried.append(30 * n)
            small.drift_to(small.simulated.now() + EVERY)

    # After 30 s, then twice as long each time, then an hour: the next one would be at 7410 s.
    assert tried == [0, 30, 90, 210, 450, 930, 1890, 3810]
    assert len(small.wf.attempts(small.round)) == 8
    [report] = heart.status().stuck
    assert (report.case, report.deadline, report.status, report.code) == (sheet, "sheet_due", "refused", "not_yet")
    assert (report.tries, report.first_at) == (8, SHEET_DUE + MICROSECOND)
    assert (report.last_at, report.again_at) == tuple(SHEET_DUE + MICROSECOND + s * SECOND for s in (3810, 7410))

    small.drift_to(SHEET_DUE + MICROSECOND + 7410 * SECOND)
    assert fired(heart.beat()) == [(sheet, "expire")]
    assert heart.status().stuck == ()


def test_a_deadline_that_would_not_fire_holds_up_no_other_and_no_wake_up(small: Small) -> None:
    case = small.reviewing()
    stuck = small.sheet(case, "x1")
    small.drift_to(BEGUN + HOUR)
    other = small.sheet(case, "x2")
    small.drift_to(SHEET_DUE + MICROSECOND)
    heart = Heartbeat(small.wf, grace=timedelta())

    with hooked(expire_guard=lambda ctx: not_yet(ctx) if ctx.case.id == stuck else None):
        first = heart.beat()
        small.drift_to(SHEET_DUE + HOUR + MICROSECOND)
        second = heart.beat()

    assert ([r["case"] for r in first.refused], first.next_due) == ([stuck], SHEET_DUE + HOUR)
    assert fired(second) == [(other, "expire")]


def test_what_rests_under_one_due_instant_is_not_left_alone_under_another(small: Small) -> None:
    """A deadline that would not fire rests for an hour; what an act has meanwhile moved is another one."""
    sheet = small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE + MICROSECOND)
    heart = Heartbeat(small.wf, every=HOUR, grace=timedelta())
    with hooked(expire_guard=not_yet):
        assert [r["due_at"] for r in heart.beat().refused] == ["2021-08-04T02:00:00.000000Z"]
    deadline = METADATA.tables["ganchu_deadline"]
    with small.wf.database.begin() as connection:
        moved = update(deadline).where(deadline.c.case_id == sheet).values(due_at=SHEET_DUE + SECOND)
        connection.execute(moved)
    small.drift_to(SHEET_DUE + 2 * SECOND)

    assert fired(heart.beat()) == [(sheet, "expire")]


def test_a_round_that_cannot_be_run_is_reported_and_rests(make: Callable[..., Small]) -> None:
    small = make().open_round()
    small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE + HOUR)
    fewer = registry()
    del fewer.plugins["review"]
    heart = Heartbeat(make(clock=small.simulated, stages=fewer).wf)
    before = small.dump("ganchu_stuck_deadline")

    first, second = heart.beat(), heart.beat()

    assert ([r["code"] for r in first.refused], second.refused) == (["plan_invalid"], ())
    assert [(s.status, s.code) for s in heart.status().stuck] == [("unrunnable", "plan_invalid")]
    assert (first.error, small.dump("ganchu_stuck_deadline")) == (None, before)


def test_a_deadline_whose_case_cannot_even_be_read_holds_up_no_other(
    small: Small, caplog: pytest.LogCaptureFixture
) -> None:
    broken = small.sheet(small.reviewing())
    other = small.sheet(small.reviewing("e2", "360400"))
    with small.wf.database.begin() as connection:
        connection.execute(update(CASE).where(CASE.c.id == broken).values(facts="no JSON"))
    small.drift_to(SHEET_DUE + HOUR)

    beat = Heartbeat(small.wf).beat()

    assert fired(beat) == [(other, "expire")]
    assert [(r["case"], r["code"]) for r in beat.refused] == [(broken, "fault")]
    assert beat.refused[0]["why"] == "firing it crashed (JSONDecodeError); the log has the whole of it"
    assert actions(caplog) == ["deadline_crashed", "deadline_refused"]


# ── what runs beside the sweep ──


def test_the_other_jobs_follow_the_sweep_and_one_that_fails_holds_up_no_other(
    small: Small, caplog: pytest.LogCaptureFixture
) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(SHEET_DUE + HOUR)

    def look() -> str:
        return small.state(sheet)

    def fail() -> None:
        raise RuntimeError("no mail today")

    def leave() -> None:
        raise SystemExit("bye")

    beat = Heartbeat(small.wf, jobs=(look, fail, leave, look)).beat()

    assert [(j.result, str(j.error or "")) for j in beat.jobs] == [
        ("silent", ""),
        (None, "no mail today"),
        (None, "bye"),
        ("silent", ""),
    ]
    assert [j.name for j in beat.jobs] == ["look", "fail", "leave", "look"]
    assert (beat.error, actions(caplog)) == (None, ["job_failed"] * 2)


def test_a_job_that_finds_no_database_is_an_outage_like_any_other(
    small: Small, caplog: pytest.LogCaptureFixture
) -> None:
    down = DatabaseFault("gone", reason="unusable")
    answers: list[Exception | None] = [down, down, None]

    def deliver() -> None:
        if error := answers.pop(0):
            raise error

    heart = Heartbeat(small.wf, jobs=(deliver,))
    beats = [heart.beat() for _ in range(3)]

    assert [(b.outage, b.error) for b in beats] == [("began", down), ("lasts", down), ("over", None)]
    assert actions(caplog) == ["outage_began", "outage_over"]


def test_whoever_listens_and_fails_disturbs_no_beat(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    def fail(beat: Beat) -> None:
        raise OSError("standard output is closed")

    heart = Heartbeat(small.wf, on_beat=fail)

    assert [heart.beat().number, heart.beat().number] == [1, 2]
    assert actions(caplog) == ["on_beat_failed"] * 2


# ── the database goes away ──


def test_a_sqlite_file_that_is_gone_is_an_outage_and_no_new_file_is_made(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    small = Small(sqlite_url).open_round()
    sheet = small.sheet(small.reviewing())
    path = Path(str(make_url(sqlite_url).database))
    heart = Heartbeat(small.wf)
    heart.beat()
    path.rename(path.with_suffix(".away"))
    small.drift_to(SHEET_DUE + HOUR)

    gone = [heart.beat(), heart.beat()]

    assert [b.outage for b in gone] == ["began", "lasts"]
    assert "is not there: put it back" in str(gone[0].error)
    assert (path.exists(), heart.status().outage_since) == (False, SHEET_DUE + HOUR)
    path.with_suffix(".away").rename(path)
    back = heart.beat()
    assert (back.outage, fired(back), heart.status().outage_since) == ("over", [(sheet, "expire")], None)
    assert actions(caplog) == ["outage_began", "outage_over"]
    assert small.wf.verify().problems == []
    small.wf.database.dispose()


def test_a_sqlite_file_that_was_replaced_is_the_one_that_is_swept(sqlite_url: str, tmp_path: Path) -> None:
    """An open connection stays with the file it has opened: deadlines would fire where nobody looks."""
    small = Small(sqlite_url).open_round()
    sheet = small.sheet(small.reviewing())
    heart = Heartbeat(small.wf)
    heart.beat()
    path = Path(str(make_url(sqlite_url).database))
    with small.wf.database.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = tmp_path / "backup.db"
    backup.write_bytes(path.read_bytes())
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    backup.replace(path)
    small.drift_to(SHEET_DUE + HOUR)

    assert fired(heart.beat()) == [(sheet, "expire")]
    small.wf.database.dispose()
    again = Small(sqlite_url, clock=small.simulated)
    assert again.state(sheet) == "silent"
    again.wf.database.dispose()


def test_a_server_that_fails_in_the_middle_of_a_sweep_loses_nothing(postgres_url: str) -> None:
    """Its connections end while the second of three deadlines is being fired."""
    small = Small(postgres_url).open_round()
    case = small.reviewing()
    sheets = [small.sheet(case, f"x{n}") for n in range(3)]
    small.drift_to(SHEET_DUE + HOUR)
    order: list[str] = []

    def die_at_the_second(ctx: Any) -> None:
        order.append(ctx.case.id)
        if len(order) == 2:
            other = create_engine(postgres_url)
            with other.begin() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            other.dispose()

    heart = Heartbeat(small.wf)
    with hooked(expire_effect=die_at_the_second):
        broken, healed = heart.beat(), heart.beat()

    assert (broken.outage, broken.refused, [r.case_id for r in broken.fired]) == ("began", (), order[:1])
    assert isinstance(broken.error, DatabaseFault)
    assert (healed.outage, sorted(r.case_id for r in healed.fired)) == ("over", sorted({*sheets} - {order[0]}))
    assert [small.triggers(s) for s in sheets] == [["assign", "expire"]] * 3
    assert small.wf.verify().problems == []
    small.wf.database.dispose()


def test_a_locked_database_is_an_outage_and_not_the_fault_of_a_deadline(sqlite_url: str) -> None:
    small = Small(sqlite_url).open_round()
    case = small.reviewing()
    sheets = [small.sheet(case, f"x{n}") for n in range(3)]
    small.drift_to(SHEET_DUE + HOUR)
    heart = Heartbeat(small.wf)
    other = Small(sqlite_url)

    with other.wf.database.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        locked = heart.beat()
        connection.exec_driver_sql("ROLLBACK")
    freed = heart.beat()

    assert isinstance(locked.error, DatabaseFault)
    assert (locked.outage, locked.error.fields["reason"], locked.fired, locked.refused) == ("began", "locked", (), ())
    assert heart.status().stuck == ()
    assert (freed.outage, sorted(r.case_id for r in freed.fired)) == ("over", sorted(sheets))
    for each in (small, other):
        each.wf.database.dispose()


def test_tables_that_are_not_there_yet_are_waited_for(empty_database_url: str) -> None:
    small = Small(empty_database_url)
    heart = Heartbeat(small.wf)

    missing = heart.beat()
    small.wf.migrate()
    there = heart.beat()

    assert (missing.outage, missing.fired) == ("began", ())
    assert (there.outage, there.error) == ("over", None)
    small.wf.database.dispose()


def test_what_ran_out_before_an_instant_is_left_out_of_the_nearest_deadline(small: Small) -> None:
    small.sheet(small.reviewing())

    assert (small.wf.next_due(), small.wf.next_due(since=SHEET_DUE)) == (SHEET_DUE, SHEET_DUE)
    assert small.wf.next_due(since=SHEET_DUE + MICROSECOND) == CLOSES
    assert small.wf.next_due(since=datetime(9999, 1, 1, tzinfo=CLOSES.tzinfo)) is None
