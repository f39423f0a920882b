"""Other libraries, side by side with ours in the same run.

They are installed into an environment that is made in the temporary folder and thrown away. Each does its own kind of
one durable transition in a process of its own, ours too, and in every pair each has its turn. What is compared is what
an engineer would write with each; the docstrings of `peer_workers/` say where that is less work than ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import make_url

from tests.benchmarks.measure import A_FEW, Line, measure
from tests.benchmarks.worlds import POSTGRES, Wanted

PEERS = {
    "viewflow": "django-viewflow",
    "eventsourcing": "eventsourcing",
    "spiffworkflow": "SpiffWorkflow",
    "dbos": "dbos",
}
"""The worker of each, and its distribution."""
_WORKERS = Path(__file__).parent / "peer_workers"
_ROOT = Path(__file__).parents[2]


class Silent(Exception):
    """A worker that gives no answer."""


class Worker:
    """A process that does transitions when it is asked to."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        paths = [str(_ROOT), str(_ROOT / "stages"), str(_ROOT / "notifications")] if "-m" in command else []
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
            "PYTHONPATH": os.pathsep.join(paths)
        }
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )
        self._hear("ready")

    def __call__(self, transitions: int) -> float:
        """The seconds that so many transitions took, each on a case that it had prepared before."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{transitions}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it says why when it is listened to
        return float(self._hear())

    def _hear(self, word: str = "") -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = line.strip()
            # A library may print something of its own.
            if said == word or (not word and said.replace(".", "").replace("e-", "").isdigit()):
                return said
        raise Silent((self.log.read_text().strip().splitlines() or ["it ended and said nothing"])[-1])

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def lines(wanted: Wanted, trouble: list[str]) -> Iterator[Line]:
    """How many transitions ours does in the time of one of each peer. What cannot be had goes into `trouble`."""
    python, installed = _environment(wanted, trouble)
    for backend in wanted.sources:
        with ExitStack() as stack:
            ours = Worker(
                [sys.executable, "-m", "tests.benchmarks.peer_workers.ours", _database(wanted, backend, stack)],
                wanted.folder / "ours.log",
            )
            stack.callback(ours.close)
            workers: dict[str, Worker] = {}
            for name in installed:
                try:
                    url = _plain(_database(wanted, backend, stack, empty=True))
                    log = wanted.folder / f"{name}.log"
                    workers[name] = Worker([str(python), str(_WORKERS / f"{name}_worker.py"), url], log)
                    stack.callback(workers[name].close)
                    workers[name](1)
                except Silent as error:
                    workers.pop(name, None)
                    trouble.append(f"{PEERS[name]} on {backend}: {error}")
            sides = [ours, *workers.values()]
            pairs = measure(wanted.patience, *[lambda side=side: side(wanted.block) for side in sides], needed=A_FEW)
            for number, name in enumerate(workers, 1):
                yield Line(
                    f"{PEERS[name]} {installed[name]}, {backend}",
                    f"how many of our transitions go into one of its; {_said(name)}",
                    pairs.ratio(lambda *taken, n=number: taken[n] / taken[0]),
                    len(pairs),
                    pairs.us(0, wanted.block),
                    pairs.us(number, wanted.block),
                )


def _said(name: str) -> str:
    return (_WORKERS / f"{name}_worker.py").read_text(encoding="utf-8").split('"""')[1].replace("\n", " ").rstrip(".")


def _environment(wanted: Wanted, trouble: list[str]) -> tuple[Path, dict[str, str]]:
    """A Python with the peers that could be installed, each with its version."""
    folder = wanted.folder / "peers"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    installed: dict[str, str] = {}
    for name, distribution in PEERS.items():
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, distribution, "psycopg[binary,pool]"], capture_output=True, text=True)
        if done.returncode:
            trouble.append(f"{distribution}: it does not install ({(done.stderr.splitlines() or ['?'])[-1]})")
            continue
        ask = f"from importlib.metadata import version; print(version({distribution!r}))"
        installed[name] = subprocess.run(
            [str(python), "-c", ask], check=True, capture_output=True, text=True
        ).stdout.strip()
    return python, installed


def _database(wanted: Wanted, backend: str, stack: ExitStack, *, empty: bool = False) -> str:
    """The URL of a database for one worker; `empty`: one in which there is no table of ours, as a file."""
    folder = wanted.folder / f"peer-{len(list(wanted.folder.iterdir()))}"
    folder.mkdir()
    if empty and backend != POSTGRES:
        return f"sqlite:///{folder / 'peer.db'}"
    return stack.enter_context(wanted.sources[backend].fresh(folder))


def _plain(url: str) -> str:
    """The URL without SQLAlchemy's driver."""
    parsed = make_url(url)
    return parsed.set(drivername=parsed.get_backend_name()).render_as_string(hide_password=False)
