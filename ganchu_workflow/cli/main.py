"""The command line `ganchu`.

Exit codes: 0 done; 2 what was given cannot be used; 3 refused, or a printed window is too short; 4 something broke, or
verification found problems.
A user's mistake never shows a traceback. The library is imported inside the commands: `--help` needs no tables.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperOption

from ganchu_workflow.cli import (
    audit,
    calendars,
    cases,
    database,
    lateness,
    outbox,
    plugins,
    processes,
    rounds,
    windows,
    worker,
)
from ganchu_workflow.cli.terminal import BAD_INPUT, BROKEN, REFUSED, without_code

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
    ("calendar", calendars),
    ("window", windows),
    ("plugins", plugins),
):
    app.add_typer(sub.app, name=name)
app.add_typer(cases.app)
app.add_typer(lateness.app)
app.add_typer(worker.app)


class GivenOnce(TyperCommand):
    """A command that refuses an option with one value that is given twice: the parser keeps the last, and says nothing.

    `--minimum A --minimum B` would check B alone, and nobody knows which one was meant.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As the parser does. Raises `Invalid` for an option that is given twice."""
        from ganchu_workflow.errors import Invalid

        given = list(args)  # the parser takes from its list what it has read
        left: list[str] = super().parse_args(ctx, args)
        _, _, order = self.make_parser(ctx).parse_args(args=given)
        for option in dict.fromkeys(order):
            once = isinstance(option, TyperOption) and not (option.multiple or option.count or option.is_flag)
            if once and order.count(option) > 1:
                name = max(option.opts, key=len)
                raise Invalid(f"{name} 只能给一次,请删去多余的 / {name} is given more than once; leave one of them")
        return left


def _refuse_repeats(group: typer.Typer) -> None:
    for command in group.registered_commands:
        command.cls = GivenOnce
    for below in group.registered_groups:
        if below.typer_instance is not None:
            _refuse_repeats(below.typer_instance)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ganchu-workflow {version('ganchu-workflow')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="名称和版本 / print name and version")
    ] = False,
) -> None:
    pass


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
        _fail("不予办理 / refused", error.code, "\n".join([error.message, *getattr(error, "__notes__", ())]), REFUSED)
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
    typer.echo(f"{word} [{code}]\n{without_code(code, message)}", err=True)
    sys.exit(status)


@app.command()
def demo(
    database: Annotated[
        str | None, typer.Option("--db", help="数据库地址,默认用临时文件 / database URL; default: a temporary file")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="出件目录,默认 ganchu-demo / where the papers go; default: ganchu-demo")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", help="另一套方案和登记表 / a folder with another plan and tables")
    ] = None,
    small: Annotated[
        bool, typer.Option("--small", help="只演十三项的短例 / the short story of thirteen applications")
    ] = False,
    events: Annotated[
        Path | None, typer.Option("--events", help="(短例)全部事件写成 JSONL / with --small: write every event there")
    ] = None,
) -> None:
    """用模拟时间走完首届评选的真实规模(430项,公布136项),出件并核验。 / Plays the first round at its real size.

    Writes notices, announcement, lists, history and a summary to a folder, and verifies the record.
    """
    from ganchu_workflow.errors import Invalid

    given = {"--out": folder, "--inputs": inputs} if small else {"--events": events}
    for option, value in given.items():
        if value is not None:
            raise Invalid(f"{option} is for the {'full' if small else 'small'} demonstration")
    from ganchu_workflow.cli.demo.command import FOLDER, run_first_round, run_small

    if small:
        raise typer.Exit(run_small(database, events))
    raise typer.Exit(run_first_round(database, folder or FOLDER, inputs))


_refuse_repeats(app)
