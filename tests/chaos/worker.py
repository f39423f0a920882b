"""A process of the chaos run: a client, a node that sweeps and a dispatcher in one, until it is killed.

It may be told to kill itself, as kill -9 does, when it comes to a named point for the nth time.
"""

import os
import signal
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from ganchu_notifications.dispatcher import Channel, Dispatcher
from ganchu_notifications.journal import JournalChannel
from ganchu_workflow import SystemEntropy, Workflow
from ganchu_workflow.engine import crash_points
from ganchu_workflow.entropy import SeededEntropy
from ganchu_workflow.errors import Contention, DatabaseFault, Refused
from tests.chaos.ledger import Ledger
from tests.chaos.story import Intent, Story

HANDED_OVER = "handed_over"
"""A point of the dispatcher's: a channel has the message, and nothing says so yet."""
PAUSE = 0.05
LEASE = timedelta(hours=2)


@dataclass(frozen=True)
class Spec:
    """What a worker is started with."""

    url: str
    folder: Path
    number: int
    workers: int
    size: int
    seed: str
    point: str = ""
    """Where it is to die; empty: nowhere by itself."""
    times: int = 1
    dispatches: bool = False
    """Whether it also delivers: to make a dispatcher tries every text, which takes a second."""


class FileClock:
    """The time that all processes of a run share: what stands in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """The instant in the file."""
        return datetime.fromisoformat(self._path.read_text("ascii"))

    def move_to(self, instant: datetime) -> None:
        """Put another instant there, at once for everybody."""
        beside = self._path.with_suffix(".new")
        beside.write_text(instant.isoformat(), "ascii")
        beside.replace(self._path)


class Dice:
    """Chance from a seed."""

    def __init__(self, seed: str) -> None:
        self._bytes = SeededEntropy(seed)

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        return int.from_bytes(self._bytes.take(4), "big") % bound


class HandedOver:
    """A channel that remembers each time it was handed a message, in a file; it does not know repeats."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Note its id."""
        append(self._path, message["id"])
        crash_points.reached(HANDED_OVER)


class Journal(JournalChannel):
    """The journal, with the point after it."""

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Append it."""
        super().deliver(message)
        crash_points.reached(HANDED_OVER)


def append(path: Path, line: str) -> None:
    """One line more, on the disk when this returns."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{line}\n".encode())
    os.fsync(file)
    os.close(file)


def idle_since(folder: Path, number: int) -> Path:
    """Where a worker notes when it looked and found nothing to do."""
    return folder / f"idle-{number}"


def dispatcher_of(wf: Workflow, folder: Path, number: int) -> Dispatcher:
    """Delivers every message over two channels: one that bears repeats, and one that does not."""
    once = HandedOver(folder / "handed-over")
    channels: dict[str, Channel] = {"journal": Journal(path=folder / "journal"), "once": once}
    routes = {"default": ["journal", "once"]}
    return Dispatcher(wf.outbox, channels, routes, lease=LEASE, name=f"worker-{number}")


def live(spec: Spec) -> None:
    """What the process does, until it is killed or the run is over."""
    try:
        _arm(spec)
        Worker(spec).work()
    except BaseException:
        if spec.folder.exists():
            append(spec.folder / "crashes", f"worker {spec.number}\n{traceback.format_exc()}")
        raise


def _arm(spec: Spec) -> None:
    left = spec.times

    def listen(point: str) -> None:
        nonlocal left
        if point == spec.point:
            left -= 1
            if left == 0:
                append(spec.folder / "kills", point)
                os.kill(os.getpid(), signal.SIGKILL)

    crash_points.listener = listen


class Worker:
    """One client with its ledger."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.dice = Dice(spec.seed)
        self.ledger = Ledger(spec.folder / f"ledger-{spec.number}")
        self.wf = Workflow(spec.url, clock=FileClock(spec.folder / "clock"), entropy=SystemEntropy())
        self.dispatcher: Dispatcher | None = None

    def work(self) -> None:
        """Repeat what nothing is known of; then act, sweep and deliver by turns."""
        # It was started by a server of processes that ends with the driver: nobody is left over when that is killed.
        parent = os.getppid()
        while self.spec.folder.exists() and os.getppid() == parent:
            try:
                for key in self.ledger.known.unanswered:
                    self._ask(Intent(**self.ledger.known.intents[key]))
                self._turn()
            except (DatabaseFault, Contention) as fault:
                append(self.spec.folder / "faults", f"{fault.code} {fault.fields.get('reason', '')} {fault.message}")
                sleep(PAUSE)

    def _turn(self) -> None:
        match self.dice.below(8):
            case 0:
                self._sweep()
            case 1 | 2 if self.spec.dispatches:
                self.dispatcher = self.dispatcher or dispatcher_of(self.wf, self.spec.folder, self.spec.number)
                self.dispatcher.run_once(10)
            case _:
                self.act()

    def _sweep(self) -> None:
        for row in self.wf.tick().refused:
            append(self.spec.folder / "crashes", f"a deadline did not fire: {row}")

    def act(self) -> None:
        """A few acts from one look at a round: by the time of the last, others have gone on."""
        known, looked = self.ledger.known, monotonic()
        # One that has only just been opened would refuse everything, and a client does not ask again after a refusal.
        round_ = [r for r in self.wf.rounds() if r.state != "planning"][-1]
        story = Story(self.wf, round_.id, self.spec.size, self.spec.number, self.spec.workers)
        possible = [i for i in story.possible() if i.key not in known.acknowledged and i.key not in known.refused]
        for _ in range(min(4, len(possible))):
            intent = possible.pop(self.dice.below(len(possible)))
            self.ledger.intent(intent.key, intent.kept())
            self._ask(intent)
        if not possible:
            idle_since(self.spec.folder, self.spec.number).write_text(str(looked), "ascii")
            self._sweep()
            sleep(PAUSE)

    def _ask(self, intent: Intent) -> None:
        try:
            receipt = intent.ask(self.wf)
        except Refused as refused:
            self.ledger.refused(intent.key, refused.code)
        else:
            self.ledger.acknowledged(intent.key, receipt.digest)
