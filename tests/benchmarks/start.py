"""How long it takes until something can be done, and the demonstration as a whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

from tests.benchmarks.measure import A_FEW, Bar, Interval, Line, measure, timed
from tests.benchmarks.worlds import Wanted, compiled

_IMPORT = "from time import perf_counter as now; begun = now(); {}; print(now() - begun)"
_COMMAND = (
    "import resource, sys; sys.argv = ['ganchu', *sys.argv[1:]]; from ganchu_workflow.cli.main import run\n"
    "try: run()\n"
    "finally:\n"
    "    tables = 'ganchu_workflow.store.tables' in sys.modules\n"
    "    print(tables, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
)
_SQLMODEL = "import sqlmodel"


def lines(wanted: Wanted) -> Iterator[Line]:
    """Each in a process of its own; an import is timed inside it, the help from the outside."""
    # It compiles what is not compiled yet, so that nobody's import pays for that.
    imports_tables, _ = _ganchu(wanted, "--help")
    for statement in ("import ganchu_workflow", "from ganchu_workflow import Workflow"):
        pairs = measure(wanted.patience, partial(_import, statement), partial(_import, _SQLMODEL), warm=False)
        yield Line(
            statement,
            f"against {_SQLMODEL}",
            pairs.ratio(lambda a, b: a / b),
            len(pairs),
            pairs.us(0, 1),
            pairs.us(1, 1),
            Bar(1.2, at_least=False),
        )
    pairs = measure(
        wanted.patience, lambda: timed(lambda: _ganchu(wanted, "--help")), lambda: timed(lambda: _python(_SQLMODEL)),
        warm=False,
        needed=A_FEW,
    )  # fmt: skip
    yield Line(
        "ganchu --help",
        f"the whole process, against one that does {_SQLMODEL}",
        pairs.ratio(lambda a, b: a / b),
        len(pairs),
        pairs.us(0, 1),
        pairs.us(1, 1),
        after="without importing the tables",
        notes=(f"it {'imports' if imports_tables else 'does not import'} the tables",),
    )


def demonstration(wanted: Wanted) -> Iterator[Line]:
    """`ganchu demo`, a round at its real size with its papers and its verification: one run, against nothing."""
    begun = perf_counter()
    _, peak = _ganchu(wanted, "demo", *wanted.demo)
    taken = perf_counter() - begun
    yield Line(
        "ganchu demo",
        "a round at its real size; one run",
        Interval(taken, taken, taken),
        1,
        taken * 1e6,
        None,
        Bar(30, at_least=False, unit=" s"),
        "10 s",
        unit=" s",
        notes=(f"peak memory {peak:.0f} MB (bar: 300 MB)",),
        enough=1,
    )


def _ganchu(wanted: Wanted, *arguments: str) -> tuple[bool, float]:
    """Whether a run of the command line imported the tables, and its peak memory in MB."""
    # It leaves its papers in the folder that it is started in.
    tables, kilobytes = _python(_COMMAND, *arguments, folder=wanted.folder).stderr.split()[-2:]
    return tables == "True", int(kilobytes) / 1024


def _import(statement: str) -> float:
    return float(_python(_IMPORT.format(statement)).stdout)


def _python(code: str, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=compiled(), cwd=folder)
