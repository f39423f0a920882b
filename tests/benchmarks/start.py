"""How long it takes until something can be done: importing the library, and its command line's help."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.measure import Bar, Line, measure, timed
from tests.benchmarks.worlds import Wanted

_IMPORT = "from time import perf_counter as now; begun = now(); import {}; print(now() - begun)"
_HELP = (
    "import sys; sys.argv = ['ganchu', '--help']; from ganchu_workflow.cli.main import run\n"
    "try: run()\n"
    "finally: print('ganchu_workflow.store.tables' in sys.modules, file=sys.stderr)"
)


def lines(wanted: Wanted) -> Iterator[Line]:
    """Each in a process of its own; an import is timed inside it, the help from the outside."""
    pairs = measure(wanted.patience, lambda: _import("ganchu_workflow"), lambda: _import("sqlmodel"), warm=False)
    yield Line(
        "import ganchu_workflow",
        "against import sqlmodel",
        pairs.ratio(lambda a, b: a / b),
        len(pairs),
        pairs.us(0, 1),
        pairs.us(1, 1),
        Bar(1.2, at_least=False),
    )
    tables = "True" in subprocess.run([sys.executable, "-c", _HELP], capture_output=True, text=True).stderr
    pairs = measure(
        wanted.patience,
        lambda: timed(lambda: subprocess.run([sys.executable, "-c", _HELP], check=False, capture_output=True)),
        lambda: timed(lambda: subprocess.run([sys.executable, "-c", "import sqlmodel"], check=True)),
        warm=False,
    )
    yield Line(
        "ganchu --help",
        "the whole process, against one that imports sqlmodel",
        pairs.ratio(lambda a, b: a / b),
        len(pairs),
        pairs.us(0, 1),
        pairs.us(1, 1),
        after="without importing the tables",
        notes=(f"it {'imports' if tables else 'does not import'} the tables",),
    )


def _import(module: str) -> float:
    code = _IMPORT.format(module)
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
