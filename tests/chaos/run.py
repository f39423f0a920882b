"""The chaos run: processes play a round and are killed, at named points and at random, until it has come to its end.

    python -m tests.chaos.run --database postgresql --workers 4 --kills 5 [--seed …]

PostgreSQL is a server of the run's own, which is stopped in the middle as a power failure would and started again. It
prints its seed and how often it killed where; exit status 1 when anything is wrong, with all that is.
"""

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGKILL
from time import monotonic, sleep
from typing import Any

from sqlalchemy import func, select

from ganchu_workflow import SystemEntropy, Workflow
from ganchu_workflow.clock import MICROSECOND, to_text
from ganchu_workflow.engine.crash_points import POINTS
from ganchu_workflow.testing import OFFICE
from tests.chaos.judge import EVENT, announced, judge, unfinished
from tests.chaos.ledger import read
from tests.chaos.story import START, plan_of
from tests.chaos.worker import HANDED_OVER, LEASE, Dice, FileClock, Spec, dispatcher_of, idle_since, live
from tests.heartbeat.server import Server, free_port, private_server

PLACES = (*POINTS, HANDED_OVER)
RANDOM = "at random"
LOOK = 0.05
"""How often the driver looks, in seconds."""
STEP = timedelta(minutes=10)


@dataclass
class Outcome:
    """What came of a run."""

    seed: str
    kills: Counter[str]
    problems: list[str]
    events: int = 0
    rounds: int = 0
    acknowledged: int = 0
    refused: int = 0
    faults: int = 0
    restarts: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        counts = ", ".join(f"{place} {self.kills[place]}" for place in (*PLACES, RANDOM))
        return (
            f"seed {self.seed}: {self.events} events in {self.rounds} round(s), {self.acknowledged} acknowledged, "
            f"{self.refused} refused, {self.faults} faults told, {self.restarts} restart(s) of the server, "
            f"{self.seconds:.0f} s\n  killed: {counts}"
        )


@dataclass
class Run:
    """One run on one database, which is migrated and empty."""

    url: str
    folder: Path
    seed: str
    workers: int
    kills: int
    """How often, at least, a process is killed at each named point; and as often at random."""
    size: int
    """How many declarations a round has."""
    server: Server | None = None
    """The server of the run's own, to be stopped and started again."""
    most: float = 600
    """After how many seconds the run is given up."""
    at_random: int = 0
    restarts: int = 0
    lives: int = 0
    rounds: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = Dice(f"{self.seed}/driver")
        self.clock = FileClock(self.folder / "clock")
        self.clock.move_to(datetime.fromisoformat(START))
        self.wf = Workflow(self.url, clock=self.clock, entropy=SystemEntropy())
        self.context = get_context("forkserver")
        # What costs a second to import is imported once, and not by each process that takes a killed one's place.
        self.context.set_forkserver_preload(["tests.chaos.worker"])
        self.alive: dict[int, tuple[BaseProcess, Spec]] = {}

    def go(self) -> Outcome:
        """Run until every round has ended and enough was killed; then judge."""
        started = monotonic()
        try:
            self._open_round()
            for number in range(self.workers):
                self._start(number)
            self._drive(started + self.most)
        finally:
            for process, _ in self.alive.values():
                process.kill()
                process.join()
        self._settle()
        found = [*self.problems, *judge(self.wf, self.folder)]
        ledgers = [read(path) for path in sorted(self.folder.glob("ledger-*"))]
        outcome = Outcome(self.seed, self._killed(), found, self._events(), self.rounds)
        outcome.acknowledged = sum(len(ledger.acknowledged) for ledger in ledgers)
        outcome.refused = sum(len(ledger.refused) for ledger in ledgers)
        outcome.faults, outcome.restarts = len(self._lines("faults")), self.restarts
        outcome.seconds = monotonic() - started
        self.wf.database.dispose()
        return outcome

    # ── the rounds ──

    def _open_round(self) -> None:
        now, days = self.clock.now(), timedelta(days=1)
        self.rounds += 1
        ends = [to_text(now + n * days) for n in (0, 7, 14)]
        plan = plan_of(f"CHAOS-{self.rounds}", self.size, *ends)
        round_ = self.wf.open_round(plan, actor=OFFICE)
        self.wf.fire(round_, "start", actor=OFFICE)

    def _events(self) -> int:
        with self.wf.database.connect() as connection:
            return connection.execute(select(func.count()).select_from(EVENT)).scalar_one()

    def _drive(self, until: float) -> None:
        events, since = 0, monotonic()
        while monotonic() < until:
            sleep(LOOK)
            self._reap()
            if self._lines("crashes"):
                self.problems.append("\n".join(["a worker crashed:", *self._lines("crashes")]))
                return
            self._kill_at_random()
            self._restart_the_server()
            now, due, before = self.clock.now(), self.wf.next_due(), events
            events = self._events()
            if events != before or not all(self._idle(number, since) for number in range(self.workers)):
                since = monotonic() if events != before else since
                # Time goes on under those who act; but what falls due is for those who have nothing to do.
                if due is None or now + STEP < due:
                    self.clock.move_to(now + timedelta(seconds=self.dice.below(90)))
            elif due is not None and due >= now:
                self.clock.move_to(due + MICROSECOND)
                since = monotonic()
            elif due is None and not unfinished(self.wf):
                if not self._wanting():
                    return
                self._open_round()
                since = monotonic()
        self.problems.append(f"given up after {self.most:.0f} s, wanting {self._wanting()}; {unfinished(self.wf)}")

    def _idle(self, number: int, since: float) -> bool:
        """Whether a worker has looked after this instant and found nothing to do."""
        noted = idle_since(self.folder, number)
        return noted.exists() and float(noted.read_text("ascii") or 0) > since

    def _settle(self) -> None:
        """Nobody is left: what is due fires, and what was told goes out, also what the dead had in hand."""
        swept = self.wf.tick()
        self.problems += [f"a deadline did not fire: {row}" for row in swept.refused]
        self.clock.move_to(self.clock.now() + LEASE + MICROSECOND)
        self.wf.tick()
        dispatcher = dispatcher_of(self.wf, self.folder, self.workers)
        while dispatcher.run_once(200).total:
            pass

    # ── killing ──

    def _killed(self) -> Counter[str]:
        return Counter([*self._lines("kills"), *[RANDOM] * self.at_random])

    def _wanting(self) -> list[str]:
        killed = self._killed()
        missing = [place for place in (*PLACES, RANDOM) if killed[place] < self.kills]
        if self.server is not None and not self.restarts:
            missing.append("the restart")
        # Of few declarations it may be that none is good enough.
        return [*missing, *([] if announced(self.wf) else ["an announcement"])]

    def _start(self, number: int) -> None:
        killed = self._killed()
        armed = Counter(spec.point for _, spec in self.alive.values())
        open_ = [p for p in PLACES if killed[p] + armed[p] < self.kills]
        point = open_[self.dice.below(len(open_))] if open_ else ""
        self.lives += 1
        spec = Spec(
            url=self.url,
            folder=self.folder,
            number=number,
            workers=self.workers,
            size=self.size,
            seed=f"{self.seed}/{self.lives}",
            point=point,
            times=1 + self.dice.below(2 if point == HANDED_OVER else 6),
            dispatches=point == HANDED_OVER or self.lives % 4 == 0,
        )
        process = self.context.Process(target=live, args=(spec,), daemon=True)
        process.start()
        self.alive[number] = process, spec

    def _reap(self) -> None:
        for number, (process, _) in list(self.alive.items()):
            if process.exitcode is not None:
                del self.alive[number]
                if process.exitcode != -SIGKILL:
                    self.problems.append(f"worker {number} ended with {process.exitcode}")
                self._start(number)

    def _kill_at_random(self) -> None:
        if self.at_random < self.kills and not self.dice.below(12):
            process, _ = self.alive[self.dice.below(self.workers)]
            process.kill()
            process.join()
            self.at_random += 1

    def _restart_the_server(self) -> None:
        if self.server is None or self.restarts or len(self._lines("kills")) < self.kills * len(PLACES) // 2:
            return
        self.server.stop()
        sleep(1)
        self.server.start()
        self.restarts += 1
        # Of our own too, all connections are gone.
        self.wf.database.dispose()

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text("utf-8").splitlines() if path.exists() else []


def run(database: str, seed: str, *, workers: int, kills: int, size: int, most: float = 600) -> Outcome:
    """One run on a database of its own: a file of SQLite, or a server of PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="ganchu-chaos-") as name:
        folder = Path(name)
        more: dict[str, Any] = {"workers": workers, "kills": kills, "size": size, "most": most}
        if database == "sqlite":
            return _migrated(Run(f"sqlite:///{folder / 'ganchu.db'}", folder, seed, **more))
        with private_server(free_port()) as server:
            server.start()
            return _migrated(Run(server.url, folder, seed, server=server, **more))


def _migrated(ready: Run) -> Outcome:
    ready.wf.migrate()
    return ready.go()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), required=True)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=5, help="at each named point, at least; and as many at random")
    parser.add_argument("--size", type=int, default=16, help="declarations in a round")
    parser.add_argument("--seed", default=SystemEntropy().take(4).hex())
    given = vars(parser.parse_args())
    print(f"{given['database']}, {given['workers']} processes, seed {given['seed']}", flush=True)
    outcome = run(**given)
    print(outcome)
    for problem in outcome.problems:
        print(f"  - {problem}")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
