"""A process that has imported the command, and becomes a copy of itself for each one that is asked for.

Starting Python anew takes several times what most commands do. Asked on a line of JSON each, it answers with the exit
code; what the command writes goes to the files that the line names.
"""

import atexit
import gc
import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

IMPORTED = (
    "alembic.command", "ganchu_notifications", "ganchu_stages", "ganchu_workflow.cli.main", "ganchu_workflow.testing",
    "ganchu_workflow.workflow", "openpyxl", "psycopg", "pymysql",
)  # fmt: skip


def become(asked: dict[str, object]) -> None:
    """The command that was asked for, in its folder, with its environment; nothing is read, and files are written."""
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    sys.argv = ["ganchu", *asked["arguments"]]  # type: ignore[misc]
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, asked["out"], os.O_WRONLY | os.O_CREAT),
        (2, asked["err"], os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(str(path), flags)
        os.dup2(opened, descriptor)
        os.close(opened)


def end(run: Callable[[], None]) -> NoReturn:
    """End as Python ends a program, but without taking apart what was imported: that is most of the time it takes."""
    code: object = 0
    try:
        run()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    gc.collect()  # what the command itself has made: its connections are closed
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def main() -> None:
    for name in IMPORTED:
        import_module(name)
    from ganchu_workflow.cli.main import run
    from ganchu_workflow.plugins import CHANNELS, DISPATCHERS, STAGES, Registry

    for group in (STAGES, CHANNELS, DISPATCHERS):
        Registry.discover(group)
    # What a copy only reads stays shared: to collect the garbage of all of it would be to copy all of it.
    gc.disable()
    gc.freeze()
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            gc.enable()
            become(json.loads(line))
            end(run)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
