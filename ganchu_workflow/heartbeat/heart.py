"""One beat and what follows from it: the sweep, the extra jobs, outages, deadlines that will not fire, the wake-up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock, RLock
from types import TracebackType
from typing import Any, Literal, Self

from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from ganchu_workflow.clock import MICROSECOND, SystemClock
from ganchu_workflow.engine.calendar_import import Adopted
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.stuck import PARK_AFTER, Stuck
from ganchu_workflow.engine.sweep import Swept
from ganchu_workflow.errors import ClockSkew, DatabaseFault, Invalid, SchemaFault
from ganchu_workflow.heartbeat.metrics import Metrics
from ganchu_workflow.heartbeat.metronome import Metronome
from ganchu_workflow.store.database import database_fault, file_identity
from ganchu_workflow.store.skew import MAX_SKEW, Skew, require_no_skew
from ganchu_workflow.workflow import Workflow

log = logging.getLogger("ganchu_workflow")
DAY = timedelta(days=1)
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=1), timedelta(seconds=30)
"""How soon a beat follows one that found no database: the first, doubled each time, up to the longest."""
AT_ONCE = 500
"""How many deadlines one beat fires at most, so that the jobs have their turn; the next one follows at once."""
Since = Literal["", "began", "lasts", "over"]
"""How something that stands in the way has changed: not at all, it began, it lasts, it is over."""

Job = Callable[[], object]
"""What a beat does beside the sweep. One whose result has a true attribute `more` is followed by a beat at once."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of an extra job: what it returned, or the exception it ended with."""

    name: str
    result: object = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """What one beat did."""

    number: int
    at: datetime
    """When it began, by the workflow's clock."""
    fired: tuple[Receipt, ...] = ()
    refused: tuple[dict[str, str], ...] = ()
    """The deadlines that were tried and would not fire: `case`, `deadline`, `due_at`, `code`, `why`."""
    jobs: tuple[JobRun, ...] = ()
    error: Exception | None = None
    """Why the sweep could not be made, or not to its end."""
    outage: Since = ""
    """Whether the database could not be used in this beat, or can be used again since it."""
    next_due: datetime | None = None
    """The nearest deadline that is still to come."""
    more: bool = False
    """Whether more is due than one beat fires: the next one follows at once."""
    skew: Skew | None = None
    """How far the clocks of this machine and of the database's server are apart, where that was measured."""
    skewed: Since = ""
    """Whether nothing was fired because they are too far apart, or they agree again since this beat."""
    behind: tuple[Adopted, ...] = ()
    """The rounds that could not adopt the calendar that they should go by, each with its `error`."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a heartbeat is: for a health check."""

    running: bool
    """It was started and not stopped, and its scheduler is running."""
    beats: int
    """How many beats have ended."""
    last: Beat | None
    """The last one that has ended."""
    beating_since: datetime | None
    """When the beat that is going on began: one that takes very long may hang in the database's driver."""
    outage_since: datetime | None
    """Since when the database cannot be used."""
    stuck: tuple[Stuck, ...]
    """The deadlines that would not fire, as the last sweep found them: on whatever node they were tried."""
    skew: Skew | None = None
    """How far the clocks were apart when that was last measured."""
    skewed_since: datetime | None = None
    """Since when nothing is fired because they are too far apart."""


class Heartbeat:
    """Fires deadlines by itself: calls `workflow.tick` every so often, and when the nearest one runs out.

    `grace` is left to acts that were received in time and are still on their way; `every` is how late a deadline may
    fire that another process has armed meanwhile. `jobs` are called after each sweep that found the database, in their
    order; one that fails is logged and holds up no other. `on_beat` is handed each beat when it has ended, and
    `on_metrics` its numbers.

    `scheduler` is an APScheduler 3 of the host's: it is never started or shut down here, and only jobs, a job store and
    an executor of our own are added to it and taken away again. Stop the heartbeat before such a scheduler.

    One beat fires at most `AT_ONCE` deadlines; where more is due the next follows at once: so a storm keeps neither the
    jobs nor another round waiting. A deadline that would not fire is a row of the database (see `Workflow.tick`), left
    alone for a while on every node, and parked after `park_after` crashes. An outage is told when it begins and when it
    is over; a beat then follows soon, ever less soon, and the idle connections of the workflow's Engine are closed, for
    they are dead.

    While the machine's clock and that of the database's server are more than `max_skew` apart (None: whatever they
    show), nothing is fired, and the jobs run. That is measured only where the workflow goes by the machine's clock, and
    not on SQLite; it never stands in the way of an act.

    All instants are those of the workflow's clock; only how long to wait is measured on the machine's. Raises `Invalid`
    for times that are no `timedelta` or out of range, or a scheduler that is none.
    """

    def __init__(
        self,
        workflow: Workflow,
        *,
        every: timedelta = timedelta(seconds=30),
        grace: timedelta = timedelta(seconds=60),
        jobs: Sequence[Job] = (),
        scheduler: Any = None,
        on_beat: Callable[[Beat], None] | None = None,
        on_metrics: Callable[[Metrics], None] | None = None,
        max_skew: timedelta | None = MAX_SKEW,
        park_after: int = PARK_AFTER,
    ) -> None:
        _require_spans(every=every, grace=grace, **({} if max_skew is None else {"max_skew": max_skew}))
        if not timedelta() < every <= DAY:
            raise Invalid(f"every: {every} is no interval between beats; it is more than nothing and at most a day")
        if not timedelta() <= grace <= DAY:
            raise Invalid(f"grace: {grace} is no time to leave to acts on their way; it is from nothing to a day")
        if max_skew is not None and not timedelta() < max_skew <= DAY:
            raise Invalid(f"max_skew: {max_skew} is nothing clocks may be apart; it is more than nothing, or None")
        if park_after < 1:
            raise Invalid(f"park_after: {park_after} is no number of tries; it is at least 1")
        if scheduler is not None and not isinstance(scheduler, BaseScheduler):
            raise Invalid(f"scheduler: {type(scheduler).__name__} is no scheduler of APScheduler 3; leave it out")
        self.workflow = workflow
        self.every = every
        self.grace = grace
        self.jobs = tuple(jobs)
        self.on_beat = on_beat
        self.on_metrics = on_metrics
        self.max_skew = max_skew
        self.park_after = park_after
        self._scheduler = scheduler
        self._metronome: Metronome | None = None
        self._lifecycle = Lock()
        self._beating = RLock()
        self._last: Beat | None = None
        self._number = 0
        self._beating_since: datetime | None = None
        self._outage_since: datetime | None = None
        self._failures = 0
        self._stuck: tuple[Stuck, ...] = ()
        self._skew: Skew | None = None
        self._skewed_since: datetime | None = None
        self._file: tuple[int, int] | None = None

    # ── its life ──

    def start(self) -> Self:
        """Begin to beat, the first time at once. Does nothing when it is beating already. Asks no database."""
        with self._lifecycle:
            if self._metronome is None:
                self._metronome = Metronome(self._scheduler, self.every, self._struck)
                self._metronome.start()
        return self

    def stop(self, wait: bool = True) -> None:
        """Let no beat start any more and, with `wait`, return when the one that is going on has ended.

        May be called more than once, from any thread, and from within a beat, which then goes on to its end.
        """
        with self._lifecycle:
            metronome, self._metronome = self._metronome, None
        if wait:
            with self._beating:
                pass
        if metronome is not None:
            metronome.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def status(self) -> Status:
        """How it is now. Asks nothing of the database, and waits for no beat."""
        metronome = self._metronome
        return Status(
            running=metronome is not None and metronome.running,
            beats=self._number,
            last=self._last,
            beating_since=self._beating_since,
            outage_since=self._outage_since,
            stuck=self._stuck,
            skew=self._skew,
            skewed_since=self._skewed_since,
        )

    # ── one beat ──

    def beat(self) -> Beat:
        """Beat once, now, in this thread; whether it was started does not matter. Never raises what went wrong."""
        with self._beating:
            now = self._beating_since = self.workflow.clock.now()
            swept, error = self._sweep()
            jobs: tuple[JobRun, ...] = ()
            due: datetime | None = None
            if error is None or not _of_the_database(error):
                jobs = tuple(self._run(job) for job in self.jobs)
                failed = [j.error for j in jobs if isinstance(j.error, Exception) and _of_the_database(j.error)]
                error = error or next(iter(failed), None)
                try:
                    due = self.workflow.next_due(since=now - self.grace)
                except Exception as failure:
                    error = error or failure
            stands_still = self._last is not None and self._last.at == now
            beat = Beat(
                number=self._number + 1,
                at=now,
                fired=swept.fired,
                refused=swept.refused,
                jobs=jobs,
                error=self._plain(error),
                outage=self._judge(error, now),
                next_due=due,
                more=swept.more,
                skew=self._skew,
                skewed=self._judge_clock(error, now),
                behind=swept.behind,
            )
            before = self._last.behind if self._last is not None else ()
            self._number, self._last, self._beating_since = beat.number, beat, None
            self._report(beat, {each.round for each in before})
            if self._metronome is not None:
                self._metronome.wake_in(self._delay(beat, stands_still))
            self._tell(beat)
            return beat

    def _tell(self, beat: Beat) -> None:
        for name in ("on_beat", "on_metrics"):
            try:
                if name == "on_beat" and self.on_beat is not None:
                    self.on_beat(beat)
                elif name == "on_metrics" and self.on_metrics is not None:
                    self.on_metrics(self._measured(beat))
            except Exception:
                log.exception("%s failed", name, extra={"action": f"{name}_failed", "beat": beat.number})

    def _measured(self, beat: Beat) -> Metrics:
        try:
            tally = None if beat.outage in ("began", "lasts") else self.workflow.tally()
        except Exception as error:
            if not _of_the_database(error):
                raise
            tally = None  # the next beat tells of the outage
        return Metrics.of(tally, len(beat.fired), len(beat.refused), beat.skew)

    def _struck(self, metronome: Metronome) -> None:
        with self._beating:
            if self._metronome is metronome:
                self.beat()

    def _sweep(self) -> tuple[Swept, Exception | None]:
        self._skew = None
        try:
            self._same_file()
            if self.max_skew is not None and isinstance(self.workflow.clock, SystemClock):
                self._skew = require_no_skew(self.workflow.database, self.workflow.clock, self.max_skew)
            swept = self.workflow.tick(grace=self.grace, limit=AT_ONCE, park_after=self.park_after)
        except ClockSkew as error:
            self._skew = Skew(*(timedelta(seconds=error.fields[key]) for key in ("ahead", "uncertainty")))
            return Swept(), error
        except Exception as error:
            # Of what is stuck the last sweep that came to its end knows best.
            return error.fields.get("swept", Swept()) if isinstance(error, DatabaseFault) else Swept(), error
        self._stuck = swept.stuck
        return swept, None

    def _same_file(self) -> None:
        """Let go of connections to a SQLite file that has been moved away: they would go on writing to it."""
        found = file_identity(self.workflow.database)
        if self._file is not None and found != self._file:
            self.workflow.database.dispose()
        self._file = found

    def _run(self, job: Job) -> JobRun:
        name = getattr(job, "__name__", type(job).__name__)
        try:
            return JobRun(name, job())
        except (Exception, SystemExit) as error:  # a job that says sys.exit() must not end the beats
            if not _of_the_database(error):
                log.exception("the job %s failed", name, extra={"action": "job_failed", "job": name})
            return JobRun(name, error=error)

    def _judge(self, error: Exception | None, now: datetime) -> Since:
        if error is not None and _of_the_database(error):
            self._failures += 1
            if getattr(error, "fields", {}).get("reason") != "locked":
                # Those that were open died with the server: the next beat must not meet them one by one.
                self.workflow.database.dispose()
            if self._outage_since is None:
                self._outage_since = now
                return "began"
            return "lasts"
        self._failures = 0
        if self._outage_since is not None and (error is None or isinstance(error, ClockSkew)):
            self._outage_since = None
            return "over"
        return ""

    def _judge_clock(self, error: Exception | None, now: datetime) -> Since:
        if isinstance(error, ClockSkew):
            began = self._skewed_since is None
            self._skewed_since = self._skewed_since or now
            return "began" if began else "lasts"
        if self._skewed_since is None or error is not None:
            return ""
        self._skewed_since = None
        return "over"

    def _plain(self, error: Exception | None) -> Exception | None:
        """The error without statements and values: what escapes from the driver holds them."""
        if isinstance(error, DBAPIError):
            return database_fault(self.workflow.database, error)
        if isinstance(error, NoConnectionFree):
            return DatabaseFault("no connection to the database was free in time; others hold them", reason="unusable")
        return error

    def _delay(self, beat: Beat, stands_still: bool) -> timedelta | None:
        """How long until a beat before the next regular one; None when that is soon enough."""
        if beat.outage in ("began", "lasts"):
            return min(self.every, FIRST_RETRY * (1 << min(self._failures - 1, 5)), LONGEST_RETRY)
        if beat.more or any(getattr(each.result, "more", False) for each in beat.jobs):
            return timedelta()
        if beat.next_due is None or stands_still:
            return None  # by a clock that nobody moves nothing comes due, however often one looks
        # Not due + grace: in the year 9999 that is no instant any more.
        delay = beat.next_due - self.workflow.clock.now() + self.grace + MICROSECOND
        return max(delay, timedelta()) if delay < self.every else None

    def _report(self, beat: Beat, behind: Container[str]) -> None:
        for each in beat.behind:
            if each.round not in behind:
                about = {"action": "calendar_not_adopted", "case": each.round, "code": getattr(each.error, "code", "")}
                log.warning("a round does not go by the calendar that was imported: %s", each.error, extra=about)
        for receipt in beat.fired:
            about = {"case": receipt.case_id, "trigger": receipt.trigger, "seq": receipt.seq, "state": receipt.state}
            log.info("a deadline fired", extra={"action": "deadline_fired", **about})
        if beat.fired or beat.refused:
            counts = len(beat.fired), len(beat.refused)
            about = {"action": "beat", "beat": beat.number, "fired": counts[0], "refused": counts[1]}
            log.info("%d deadlines fired, %d would not fire", *counts, extra=about)
        if beat.outage == "began":
            reason = getattr(beat.error, "fields", {}).get("reason", "unusable")
            what = "the database cannot be used; deadlines are rows, they fire when it is back: %s"
            log.error(what, beat.error, extra={"action": "outage_began", "reason": reason})
        elif beat.outage == "over":
            log.warning("the database can be used again", extra={"action": "outage_over"})
        if beat.skewed == "began":
            log.error("nothing is fired: %s", beat.error, extra={"action": "clock_skew_began"})
        elif beat.skewed == "over":
            log.warning("the clocks agree again", extra={"action": "clock_skew_over"})
        elif beat.error is not None and not beat.outage and not beat.skewed:
            log.error("a beat failed", exc_info=beat.error, extra={"action": "beat_failed", "beat": beat.number})


def _require_spans(**given: object) -> None:
    for name, span in given.items():
        if not isinstance(span, timedelta):
            how = "timedelta(seconds=30)"
            raise Invalid(f"{name}: 须为 timedelta,如 {how} / {span!r} is no timedelta; write it like {how}")


def _of_the_database(error: BaseException) -> bool:
    return isinstance(error, (DatabaseFault, SchemaFault, DBAPIError, NoConnectionFree))
