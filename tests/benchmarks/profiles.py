"""Where the time of a transition goes: a profile, by what the work is for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from cProfile import Profile
from dataclasses import dataclass
from pathlib import Path
from pstats import Stats
from typing import Any

from tests.benchmarks.transition import drafts, fire_many, submit
from tests.benchmarks.worlds import Wanted, World, worlds

Function = tuple[str, int, str]
"""File, line and name, as the profiler has it; what is written in C has the file `~`."""

_ROOT = Path(__file__).parents[2]
DRIVER, OTHERS = "the driver and the database", "everything else"
_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (DRIVER, ("/psycopg", "/sqlite3/")),
    ("SQL: values bound, rows read", ("ganchu_workflow/store/", "ganchu_workflow/engine/rows.py", "/sqlalchemy/")),
    (
        "canonical JSON, digests, what is kept private",
        ("ganchu_workflow/canonical.py", "ganchu_workflow/engine/events.py", "ganchu_workflow/engine/privacy.py"),
    ),
    ("the table of states (transitions)", ("/transitions/", "ganchu_workflow/process/machine.py")),
    ("data checked (pydantic)", ("/pydantic/", "/pydantic_core/")),
    ("deadlines reckoned", ("ganchu_workflow/timing/", "ganchu_workflow/engine/deadlines.py")),
    ("the act itself: authority, windows, rules, what follows", ("ganchu_workflow/", "tests/engine/small_process.py")),
)


@dataclass(frozen=True, slots=True)
class Profiled:
    """A profile of many acts: how many calls of Python one takes, and the share of each part in the time."""

    name: str
    calls: int
    shares: Mapping[str, float]


def profiles(wanted: Wanted) -> Iterator[Profiled]:
    """One transition at a time, and many in one transaction, on each database."""
    for backend in wanted.sources:
        with worlds(backend, wanted) as (world,):
            draft, _ = drafts(world, wanted.bulk)
            for case in world.copies(draft, wanted.block):
                submit(world, case)  # what is worked out only once
            yield _profiled(f"transition, {backend}", world.copies(draft, wanted.bulk), _each(world))
            yield _profiled(f"fire_many, {backend}", world.copies(draft, wanted.bulk), lambda c: fire_many(world, c))


def _each(world: World) -> Callable[[list[str]], None]:
    def run(cases: list[str]) -> None:
        for case in cases:
            submit(world, case)

    return run


def _profiled(name: str, cases: list[str], act: Callable[[list[str]], None]) -> Profiled:
    profile = Profile()
    profile.enable()
    act(cases)
    profile.disable()
    stats: Any = Stats(profile)
    spent: dict[str, float] = defaultdict(float)
    for function, (_, _, own, _, callers) in stats.stats.items():
        for part, seconds in _by_part(function, own, callers):
            spent[part] += seconds
    whole = sum(spent.values())
    shares = {part: spent[part] / whole for part in (*(part for part, _ in _PARTS), OTHERS)}
    return Profiled(name, round(stats.total_calls / len(cases)), shares)


def _by_part(function: Function, own: float, callers: Mapping[Function, Any]) -> Iterator[tuple[str, float]]:
    """The time of a function in its own part; that of C and of the standard library in the parts that call it."""
    part = _part(function)
    if part is not None or not callers:
        yield part or OTHERS, own
        return
    for caller, (_, _, seconds, _) in callers.items():
        yield _part(caller) or OTHERS, seconds


def _part(function: Function) -> str | None:
    file, _, name = function
    if file == "~":
        return DRIVER if "sqlite3." in name or "psycopg_binary" in name else None
    # Not where the environment lies: its folder may be called as one of these.
    place = file.removeprefix(str(_ROOT)).partition("site-packages")[2] or file.removeprefix(f"{_ROOT}/")
    return next((part for part, marks in _PARTS if any(mark in place for mark in marks)), None)


def table(found: Sequence[Profiled]) -> str:
    """The profiles as a Markdown table, one column each."""
    rows = [
        "| part of the time | " + " | ".join(p.name for p in found) + " |",
        "|---" * (len(found) + 1) + "|",
        *(
            f"| {part} | " + " | ".join(f"{p.shares[part]:.0%}" for p in found) + " |"
            for part in (*(part for part, _ in _PARTS), OTHERS)
        ),
        "| calls of Python, each act | " + " | ".join(f"{p.calls:,}" for p in found) + " |",
    ]
    return "\n".join(rows) + "\n"
