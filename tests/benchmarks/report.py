"""What was measured, on which machine with which versions, as `docs/performance.md`."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ganchu_workflow.clock import SystemClock
from tests.benchmarks import profiles
from tests.benchmarks.measure import ENOUGH, Line
from tests.benchmarks.profiles import Profiled
from tests.benchmarks.worlds import Raw, Wanted

_PACKAGES = ("ganchu-workflow", "SQLAlchemy", "sqlmodel", "pydantic", "transitions", "orjson", "psycopg")
_HEAD = f"""# Performance

Made by `{{command}}` ({{seconds:.0f}} s), not by hand. In a clone with `pip install -e ".[dev]"` the same command
makes it for your machine; `--help` has the sizes.

Every number is a ratio: both sides do the same work in one run, block by block in turn, and each pair of blocks gives
one ratio. What stands here is the median of the pairs, and in brackets the interval in which it lies with 95 % (order
statistics, nothing assumed). A bar is met when the *worse* end of the interval meets it; with fewer than {ENOUGH} pairs
nothing is judged. The microseconds are the medians of this machine at that time, and say little about yours.
"""
_WORK = """
## What is compared

One **transition** is an applicant's `submit`: the case, its round and phase, parties and deadlines are read; a guard
and an effect run; the case is updated under compare-and-swap, and the event, a deadline of ten working days and a
message are added; one commit. It stands among a thousand others, in a database that knows how large its tables are. The
**reference by hand** does the same reads, writes and commit in the same tables, indexes and triggers with nothing but
the driver, and writes rows of the same bytes; no rule runs in it, and no JSON or digest is computed
([`tests/benchmarks/by_hand.py`](../tests/benchmarks/by_hand.py)). Its six round trips to PostgreSQL are BEGIN, one
SELECT with two joins, UPDATE, INSERT, INSERT, COMMIT. A ratio of 0.8× means that the library does 0.8 transitions in
the time of one by hand; for `tick`, growth and start it is the time of the first side over that of the second.
"""
_PROFILE = """
## Where the time of a transition goes

{acts:,} acts under the profiler of Python's standard library, which makes each call of Python dearer than it is. The
reference by hand consists of the first part, and of no other: whatever the rest costs stands between the ratio and 1×.

What keeps a transition from its bars: an act sends twelve statements where the reference sends nine, on PostgreSQL six.
It asks for the round of a case that it meets for the first time, reads parties, deadlines and cohorts apart from the
cases, and compares under lock the versions of all that it has read, also of what only a rule has read. On PostgreSQL
this is most of the difference: psycopg spends about as long on a statement as the server does, and to read and to write
in one statement each would save about half of them. On SQLite, and in `fire_many` on both, it is what an act is beyond
its rows: who may do it, whether its window is open, the guards with a digest of what each could know, the effects,
deadlines in working days, canonical JSON and SHA-256. No single one of them is large.

"""


def write(
    path: Path,
    groups: Sequence[tuple[str, Sequence[Line]]],
    profiled: Sequence[Profiled],
    trouble: Sequence[str],
    wanted: Wanted,
    command: str,
    seconds: float,
) -> None:
    """Write the report to `path`. `trouble` is what could not be measured, and why."""
    parts = [_HEAD.format(command=command, seconds=seconds), _machine(wanted), _WORK]
    for title, lines in groups:
        if lines:
            parts.append(f"\n## {title}\n\n{table(lines)}")
    if profiled:
        parts.append(_PROFILE.format(acts=wanted.bulk) + profiles.table(profiled))
    if trouble:
        parts.append("\n## What could not be measured\n\n" + "".join(f"- {t}\n" for t in trouble))
    path.write_text("".join(parts), encoding="utf-8")


def table(lines: Sequence[Line]) -> str:
    """The lines as a Markdown table, what there is to say of each below it."""
    rows = ["| what | bar | we are after | measured (95 %) | pairs | ours, µs | the other, µs | |", "|---" * 8 + "|"]
    notes: list[str] = []
    for line in lines:
        said = [line.what, *line.notes]
        theirs = "" if line.theirs_us is None else f"{line.theirs_us:,.0f}"
        cells = [
            line.name, str(line.bar or ""), line.after, f"{line.found}{line.unit}", str(line.pairs),
            f"{line.ours_us:,.0f}", theirs, line.verdict,
        ]  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
        notes.append(f"- {line.name}: {'; '.join(said)}.")
    return "\n".join([*rows, "", *notes]) + "\n"


def _machine(wanted: Wanted) -> str:
    now = SystemClock().now()
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    facts = [
        f"{now:%Y-%m-%d}; load of the machine at the end of the run (1, 5, 15 minutes): {load}",
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()};"
        f" database files on {_file_system(wanted.folder)}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_postgres(wanted)}",
        ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name))),
    ]
    return "\n## The machine\n\n" + "".join(f"- {fact}\n" for fact in facts)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    named = [x for x in info.read_text().splitlines() if x.startswith("model name")] if info.exists() else []
    return named[0].partition(":")[2].strip() if named else platform.processor() or "unknown processor"


def _file_system(folder: Path) -> str:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "an unknown file system"
    fields = [line.split() for line in mounts.read_text().splitlines()]
    above = [f for f in fields if folder.resolve().is_relative_to(f[1])]
    kind = max(above, key=lambda f: len(f[1]))[2] if above else "an unknown file system"
    return f"{kind} (a disk in memory: no commit waits)" if kind in ("tmpfs", "ramfs") else kind


def _postgres(wanted: Wanted) -> str:
    if not wanted.postgres:
        return "no PostgreSQL"
    raw = Raw(wanted.postgres)
    try:
        settings = {
            n: raw.execute(f"SHOW {n}").fetchone()[0] for n in ("server_version", "fsync", "synchronous_commit")
        }
    finally:
        raw.close()
    said = f"fsync {settings['fsync']}, synchronous_commit {settings['synchronous_commit']}"
    return f"PostgreSQL {settings['server_version'].split()[0]} ({said})"
