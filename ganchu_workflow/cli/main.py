"""The command line `ganchu`.

Exit codes: 0 done; 2 what was given cannot be used; 3 refused; 4 something broke, or verification found problems.
A user's mistake never shows a traceback. The library is imported inside the commands: `--help` needs no tables.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ganchu_workflow.cli import audit, cases, database, outbox, plugins, processes, rounds
from ganchu_workflow.cli.terminal import BAD_INPUT, BROKEN, REFUSED

app = typer.Typer(
    help="运行评选批次:显式状态机、法定期限、可核验的记录。 / Runs selection rounds.",
    no_args_is_help=True,
    add_completion=False,
)
for name, sub in (
    ("db", database),
    ("round", rounds),
    ("process", processes),
    ("audit", audit),
    ("outbox", outbox),
    ("plugins", plugins),
):
    app.add_typer(sub.app, name=name)
app.add_typer(cases.app)


def run() -> None:
    """The entry point: runs a command, and turns what went wrong into a message and an exit code."""
    from ganchu_workflow.errors import Fault, Refused, WorkflowError

    for stream in (sys.stdout, sys.stderr):
        # A server's POSIX locale would otherwise fail on the first Chinese character.
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    # Without a handler Python prints the library's warnings beside what the command says about the same thing.
    logging.getLogger("ganchu_workflow").addHandler(logging.NullHandler())
    try:
        app()
    except Refused as error:
        _fail("不予办理 / refused", error.code, error.message, REFUSED)
    except WorkflowError as error:
        _fail("错误 / error", error.code, error.message, BROKEN if isinstance(error, Fault) else BAD_INPUT)
    except UnicodeEncodeError as error:
        if not 0xDC80 <= ord(error.object[error.start]) <= 0xDCFF:
            raise
        # What Python could not decode on the command line reaches us as surrogates.
        message = "an argument is not text in this locale's encoding; write UTF-8 and set PYTHONUTF8=1"
        _fail("错误 / error", "not_text", message, BAD_INPUT)
    except OSError as error:
        _fail("错误 / error", "system", str(error), BROKEN)


def _fail(word: str, code: str, message: str, status: int) -> NoReturn:
    typer.echo(f"{word} [{code}]\n{message}", err=True)
    sys.exit(status)


@app.command()
def demo(
    database: Annotated[
        str | None, typer.Option("--db", help="数据库地址,默认用临时文件 / database URL; default: a temporary file")
    ] = None,
    events: Annotated[
        Path | None, typer.Option("--events", help="把全部事件写成 JSONL / also write every event to this file")
    ] = None,
) -> None:
    """用模拟时间走完一个小而完整的演示批次,并核验记录。 / Walks one small, complete round and verifies it."""
    from ganchu_workflow.cli.demo.command import run_demo

    raise typer.Exit(run_demo(database, events))
