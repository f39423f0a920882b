"""The real command `ganchu` in a process of its own, and what a database holds before and after it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, inspect, select

from ganchu_workflow import Workflow
from ganchu_workflow.store.database import connect, read, write
from ganchu_workflow.store.tables import METADATA

ROOT = Path(__file__).parents[2]
ENTRY = "from ganchu_workflow.cli.main import run; run()"
INHERITED = ("PATH", "HOME", "SYSTEMROOT", "LD_LIBRARY_PATH")
FIXED = {"LC_ALL": "C.UTF-8", "COLUMNS": "400", "TERMINAL_WIDTH": "400"}

Dump = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def ganchu(*args: str, cwd: Path, env: dict[str, str] | None = None, under: Sequence[str] = ()) -> Done:
    """Runs the command, `under` another that is to start it; it shows no traceback, and all it writes is UTF-8.

    Where nothing is asked of Python itself it is a copy of a process that has imported everything.
    """
    environment = {k: os.environ[k] for k in INHERITED if k in os.environ} | FIXED | (env or {})
    # The code under test is found where these tests found it, and whatever a test adds is found first.
    paths = [found.get("PYTHONPATH") for found in (env or {}, os.environ)]
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, paths))} if any(paths) else {}
    if not under and all(name.startswith("GANCHU_") for name in env or ()):
        done = _warm(args, cwd, environment)
    else:
        script = shutil.which("ganchu", path=str(Path(sys.executable).parent))
        command = [*under, *([script] if script else [sys.executable, "-c", ENTRY]), *args]
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    found = Done(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))
    assert "Traceback" not in found.out + found.err, found.err
    return found


def _warm(args: Sequence[str], cwd: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        asked = {"arguments": args, "folder": str(cwd), "environment": environment, "out": str(out), "err": str(err)}
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(args, code, out.read_bytes(), err.read_bytes())


@cache
def _server() -> "subprocess.Popen[str]":
    environment = {k: v for k, v in os.environ.items() if k in (*INHERITED, "PYTHONPATH")} | FIXED
    program = [sys.executable, str(Path(__file__).with_name("warm.py"))]
    # It ends when this process does: its input ends then.
    return subprocess.Popen(program, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def dump(url: str) -> Dump:
    """Every row of every table of the library, in an order of its own; no tables, no entries."""
    engine = connect(url)
    try:
        with read(engine) as connection:
            there = set(inspect(connection).get_table_names())
            tables = [t for t in METADATA.sorted_tables if t.name in there]
            return {t.name: sorted((tuple(r) for r in connection.execute(select(t))), key=repr) for t in tables}
    finally:
        engine.dispose()


@contextmanager
def meddling(url: str) -> Iterator[Connection]:
    """A transaction of somebody who goes around the library."""
    engine = connect(url)
    try:
        with write(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def workflow(url: str) -> Iterator[Workflow]:
    """The library itself on a database, for what a test needs to be there."""
    found = Workflow(url)
    try:
        yield found
    finally:
        found.database.dispose()
