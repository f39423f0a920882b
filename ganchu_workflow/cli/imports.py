"""`ganchu round import`, `tables` and `template`: a round is fed from an office's own files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli.terminal import (
    BAD_INPUT,
    As,
    AsJson,
    At,
    Database,
    Person,
    RoundId,
    actor_of,
    print_json,
    round_of,
    workflow_on,
)

if TYPE_CHECKING:
    from ganchu_workflow.importing import ImportReport

TableName = Annotated[str, typer.Argument(help="表名 / the table: scores, or expert_review.scores, or 评分表")]
SHOWN = 200
"""How many problems the terminal shows; the report file has all."""


def import_file(
    round_id: RoundId,
    table: TableName,
    file: Annotated[Path, typer.Argument(help="文件 / the file: CSV (UTF-8 or GB18030) or XLSX")],
    database: Database,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="只试不写(SQLite 上试的时候别人也写不进) / do everything, take it back, and say what would happen; "
            "on SQLite nobody else can write meanwhile",
        ),
    ] = False,
    good_only: Annotated[
        bool, typer.Option("--good-only", help="只导入无误的行 / import the good rows; default: all or nothing")
    ] = False,
    actor: As = "office",
    person: Person = "",
    batch: Annotated[
        str,
        typer.Option(
            "--batch", help="导入批号,换批号则同样的行再办一次 / under another batch, equal rows are done again"
        ),
    ] = "import",
    report_file: Annotated[
        Path | None, typer.Option("--report", help="把问题写成 .csv 或 .json / write the problems to this file")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """从文件导入一张表;有误的行逐行说明。 / Imports a table from a file; exit code 2 when there were bad rows.

    All or nothing unless --good-only is given. An import may be repeated: rows that went in before are left alone.
    """
    from ganchu_workflow.errors import Invalid
    from ganchu_workflow.importing import import_table, write_report

    if report_file is not None:
        if report_file.suffix.lower() not in (".csv", ".json"):
            raise Invalid(f"--report: '{report_file}' must end in .csv or .json")
        if not report_file.parent.is_dir() or report_file.is_dir():
            raise Invalid(f"--report: '{report_file}' is not a file in a folder that exists; nothing was imported")
    workflow = workflow_on(database, at)
    report = import_table(
        workflow,
        round_of(workflow, round_id),
        table,
        file,
        actor=actor_of(actor, person),
        mode="good" if good_only else "all",
        dry_run=dry_run,
        key_prefix=batch,
    )
    if as_json:
        print_json(report.document())
    else:
        _show(report, workflow.process(round_id).application.states)
    if report_file is not None:
        # Last: the import is done, and a disk that is full must not hide what came of it.
        write_report(report, report_file)
    if not report.ok:
        raise typer.Exit(BAD_INPUT)


def _show(report: ImportReport, states: Any) -> None:
    for problem in report.problems[:SHOWN]:
        typer.echo(str(problem), err=True)
    if len(report.problems) > SHOWN:
        more = len(report.problems) - SHOWN
        typer.echo(f"……另有{more}处,见 --report 文件 / and {more} more: see the --report file", err=True)
    encoding = f"({report.encoding})" if report.encoding else ""
    typer.echo(f"{report.label} {report.file}{encoding}:共{report.rows}行 / {report.rows} row(s)")
    if report.committed:
        typer.echo(f"已导入{report.entered}行 / {report.entered} imported")
    elif report.dry_run:
        typer.echo(f"试运行,未写入:可导入{report.entered}行 / dry run: {report.entered} could be imported")
    else:
        typer.echo("未导入任何行:须全部无误,或用 --good-only / nothing was imported: all or nothing, or --good-only")
    if report.already:
        typer.echo(f"此前已导入、未重复办理{report.already}行 / {report.already} had been imported before")
    if report.bad:
        typer.echo(f"有误{report.bad}行 / {report.bad} with problems")
    if report.held:
        typer.echo(f"因同组有误而未导入{report.held}行 / {report.held} held: their group has a bad row")
    for state, count in report.standing.items() if report.committed or report.dry_run else ():
        stage, _, _ = state.rpartition(".")
        typer.echo(f"  {stage or '-'} {states[state].label}:{count}")


def list_tables(round_id: RoundId, database: Database, as_json: AsJson = False) -> None:
    """本批次可导入的表及其列。 / The tables that a round takes, with their headings; a required one ends in *."""
    from ganchu_workflow.importing import offered

    workflow = workflow_on(database)
    found = offered(workflow.process(round_of(workflow, round_id)))
    if as_json:
        return print_json(
            [
                {
                    "table": o.table.name,
                    "stage": o.stage,
                    "label": o.label,
                    "columns": [
                        {
                            "heading": c.heading,
                            "required": c.required,
                            "private": c.private,
                            "note": not c.name,
                            "takes": getattr(c.read, "says", "") if c.name else "",
                        }
                        for c in o.columns
                    ],
                }
                for o in found
            ]
        )
    for o in found:
        typer.echo(f"{o.table.name}  {o.label}  {o.stage}")
        for heading, column in zip(o.headings, o.columns, strict=True):
            takes = getattr(column.read, "says", "") if column.name else "供人阅读,不导入 / for people, not read"
            typer.echo(f"  {heading}  {takes}")
    return None


def template(
    round_id: RoundId,
    table: TableName,
    database: Database,
    out: Annotated[Path, typer.Option("--out", help="写到 .csv 或 .xlsx / the file to write")],
) -> None:
    """写出一张只有表头的空表。 / Writes an empty table with the right headings."""
    from ganchu_workflow.importing import find_table, write_template

    workflow = workflow_on(database)
    found = find_table(workflow.process(round_of(workflow, round_id)), table)
    write_template(out, found.label, found.headings)
    typer.echo(str(out))


def register(app: typer.Typer) -> None:
    """Add the commands to `ganchu round`."""
    app.command("import")(import_file)
    app.command("tables")(list_tables)
    app.command("template")(template)
