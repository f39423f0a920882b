"""Our part of a scheduler: APScheduler says when to look, and nothing else.

Job store and executor are our own and live in memory: what a host keeps in its default ones is pickled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from ganchu_workflow.clock import SystemClock

ZONE = ZoneInfo("Asia/Shanghai")
"""The zone of a scheduler of our own. Nothing depends on it; left out, APScheduler guesses one from the machine."""
_NUMBERS = count(1)


class Metronome:
    """Our part of a scheduler, the host's or (None) our own: one regular job, and one for the next wake-up.

    `strike` is called with the metronome itself, always from one thread.
    """

    def __init__(self, scheduler: Any, every: timedelta, strike: Callable[[Metronome], None]) -> None:
        self._own = scheduler is None
        self._scheduler = BackgroundScheduler(timezone=ZONE) if self._own else scheduler
        self._name = f"ganchu-heartbeat-{next(_NUMBERS)}"
        self._every = every
        self._strike = strike
        self._wakes = count(1)
        self._wake: str | None = None
        self._stopped = False

    @property
    def running(self) -> bool:
        """Whether the scheduler runs."""
        return bool(self._scheduler.running)

    def start(self) -> None:
        """Strike at once and then regularly: at once once the host starts a scheduler that does not run yet."""
        # The host's default store may be a database that pickles, its default executor another process.
        self._scheduler.add_jobstore(MemoryJobStore(), self._name)
        self._scheduler.add_executor(_Lane(max_workers=1), self._name)
        self._add(self._name, "interval", seconds=self._every.total_seconds(), next_run_time=self._in(timedelta()))
        if self._own:
            self._scheduler.start()

    def wake_in(self, delay: timedelta | None) -> None:
        """Strike once more after `delay`, and not at the time asked for before. Called within a beat."""
        self._drop(self._wake)
        self._wake = None
        if delay is None or not self._scheduler.running:
            return
        # A name of its own each time: under one name APScheduler drops the run while the last one is just ending.
        self._wake = f"{self._name}-wake-{next(self._wakes)}"
        try:
            self._add(self._wake, "date", run_date=self._in(delay))
        except LookupError:
            if not self._stopped:
                raise
        if self._stopped:
            self._drop(self._wake)

    def stop(self) -> None:
        """Take away what is ours, and shut down a scheduler of our own. Waits for nothing."""
        self._stopped = True
        self._drop(self._wake)
        self._drop(self._name)
        if self._own:
            self._scheduler.shutdown(wait=False)
        else:
            self._scheduler.remove_jobstore(self._name)
            self._scheduler.remove_executor(self._name)

    def _add(self, name: str, trigger: str, **when: Any) -> None:
        self._scheduler.add_job(
            self._strike,
            trigger,
            args=(self,),
            id=name,
            name="ganchu heartbeat",
            jobstore=self._name,
            executor=self._name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
            **when,
        )

    def _drop(self, name: str | None) -> None:
        if name is not None:
            # Not there any more: it has run, or the host has shut its scheduler down.
            with suppress(JobLookupError):
                self._scheduler.remove_job(name, self._name)

    def _in(self, delay: timedelta) -> datetime:
        # The scheduler lives by the machine's clock, whatever the workflow's clock shows.
        return SystemClock().now().astimezone(self._scheduler.timezone) + delay


class _Lane(ThreadPoolExecutor):  # type: ignore[misc]
    """One thread for the beats. A scheduler that shuts down does not wait for it.

    While it shuts down it holds the lock that a beat needs to ask for its next wake-up: each would wait for the other.
    """

    def shutdown(self, wait: bool = True) -> None:
        """Let no beat start any more."""
        super().shutdown(wait=False)
