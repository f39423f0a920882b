"""What a demonstration shows of itself while it runs, and what it cost: never on the output that is compared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ganchu_workflow.workflow import Workflow


@contextmanager
def measured(workflow: Workflow) -> Iterator[Callable[[str, int, int], None]]:
    """A progress line on a terminal's error stream while the block runs; at its end, time, events and memory there."""
    started = perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task("", total=None)

        def progress(what: str, done: int, of: int) -> None:
            shown.update(task, description=what, completed=done, total=of or None)

        yield progress
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
