"""What a demonstration shows of itself while it runs, and what it cost: never on the output that is compared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from ganchu_workflow.workflow import Workflow

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@contextmanager
def measured(workflow: Workflow) -> Iterator[tuple[Say, Progress]]:
    """A progress line on a terminal while the block runs, under what it says; at its end, what it cost.

    Both go to the error stream: what is said goes to the output, and is the same with a terminal and without.
    """
    started = perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=None)

        def progress(what: str, done: int, of: int) -> None:
            bar.update(task, description=what, completed=done, total=of)

        def say(line: str) -> None:
            if bar.disable or not sys.stdout.isatty():
                typer.echo(line)
            else:  # on one terminal only the bar's own console can write above it
                bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield say, progress
    seconds, events = perf_counter() - started, sum(c.seq for r in workflow.rounds() for c in workflow.cases(r))
    typer.echo(
        f"用时 {seconds:.1f} 秒,{events} 条事件(每秒 {events / seconds:.0f} 条),内存峰值 {_peak()} MB"
        f" / {seconds:.1f} s, {events / seconds:.0f} events/s, peak {_peak()} MB",
        err=True,
    )


def _peak() -> str:
    try:
        import resource
    except ImportError:  # Windows has no such account
        return "?"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return str(round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)))
