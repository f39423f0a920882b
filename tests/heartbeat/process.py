"""The real command `ganchu worker` in processes of its own, and rounds for it to work on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

from ganchu_workflow import Actor, Role, SystemClock, Workflow
from tests.cli.command import ENTRY, FIXED, INHERITED, workflow

OFFICE = Actor(Role.OFFICE)
HOUR = timedelta(hours=1)
PATIENCE = 120.0
"""Seconds after which something that should happen has not happened."""
LOOK = 0.02


class Worker:
    """One `ganchu worker --json`; what it prints can be waited for."""

    def __init__(self, url: str, *args: str, cwd: Path, as_json: bool = True) -> None:
        # The code under test is found where these tests found it.
        environment = {k: os.environ[k] for k in (*INHERITED, "PYTHONPATH") if k in os.environ} | FIXED
        command = [sys.executable, "-c", ENTRY, "worker", "--db", url, *args]
        self.errors = cwd / f"worker-{id(self)}.err"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, *(["--json"] if as_json else [])],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
            )
        self.lines: list[str] = []
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def line(self, patience: float = PATIENCE) -> str:
        """The next line. Raises `Empty` when none comes in time, `EOFError` when none can come any more."""
        line = self._queue.get(timeout=patience)
        if line is None:
            self._queue.put(None)
            raise EOFError(self.errors.read_text("utf-8"))
        self.lines.append(line)
        return line

    def heard(self, action: str) -> dict[str, Any]:
        """The next line that tells of this action; earlier ones are passed over."""
        until = monotonic() + PATIENCE
        while True:
            found: dict[str, Any] = json.loads(self.line(until - monotonic()))
            if found["action"] == action:
                return found

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true, looking again with every line and a few times a second. Bounded."""
        until = monotonic() + PATIENCE
        while not true():
            assert monotonic() < until, (self.lines, self.errors.read_text("utf-8"))
            try:
                self.line(LOOK)
            except Empty:
                continue

    def silent_for(self, seconds: float) -> bool:
        """Whether it prints nothing for so long."""
        try:
            self.line(seconds)
        except Empty:
            return True
        return False

    def told(self) -> list[dict[str, Any]]:
        """All that it has printed, when it has ended."""
        while True:
            try:
                self.line()
            except EOFError:
                return [json.loads(line) for line in self.lines]

    def end(self, number: int | None = signal.SIGTERM) -> int:
        """Send a signal, if any, and wait for the end; the exit code. It never shows a traceback."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert "Traceback" not in self.errors.read_text("utf-8")
        return code

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)


@contextmanager
def worker(url: str, *args: str, cwd: Path, as_json: bool = True) -> Iterator[Worker]:
    """A worker on a database, which does not outlive the block."""
    started = Worker(url, *args, cwd=cwd, as_json=as_json)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.kill()


def plan(number: int, opens: datetime, closes: datetime) -> dict[str, Any]:
    """A round of two stages, the first of which has a window."""
    return {
        "title": "虚构批次",
        "code": f"H-{number}",
        "stage": [{"use": "self_declaration", "window": {"opens": opens, "closes": closes}}, {"use": "announcement"}],
    }


def open_rounds(wf: Workflow, count: int, opens: datetime, closes: datetime) -> list[str]:
    """So many rounds; the windowed phase of each. The rounds are not started: nothing of them is settled yet."""
    rounds = [wf.open_round(plan(n, opens, closes), actor=OFFICE) for n in range(count)]
    return [p.id for r in rounds for p in wf.cases(r, "phase") if p.stage == "self_declaration"]


def overdue(url: str, count: int) -> list[str]:
    """So many rounds whose first window was over yesterday: twice as many deadlines are due, half of them later."""
    yesterday = SystemClock().now() - 24 * HOUR
    with workflow(url) as wf:
        return open_rounds(wf, count, yesterday - HOUR, yesterday)


def triggers(url: str, phases: list[str]) -> list[list[str]]:
    """What has happened to each of these phases, oldest first."""
    with workflow(url) as wf:
        return [[e["trigger"] for e in wf.history(p)] for p in phases]


ONCE = ["open", "begin", "close"]
"""The history of a phase whose two deadlines have each fired once."""
