"""`ganchu audit`: the record."""

from __future__ import annotations

import typer

from ganchu_workflow.cli.terminal import BROKEN, AsJson, Database, print_json, workflow_on

app = typer.Typer(help="审计 / audit", no_args_is_help=True)


@app.command("verify")
def audit_verify(database: Database, as_json: AsJson = False) -> None:
    """核验全部记录。 / Verifies the whole record; exit code 4 when something is wrong."""
    report = workflow_on(database).verify()
    if as_json:
        problems = [{"code": p.code, "row": p.row, "what": p.what} for p in report.problems]
        print_json({"ok": report.ok, "cases": report.cases, "events": report.events, "problems": problems})
    else:
        typer.echo(f"案件 {report.cases} 件,事件 {report.events} 条 / {report.cases} cases, {report.events} events")
        for problem in report.problems:
            typer.echo(f"✗ {problem}", err=True)
        typer.echo(
            "记录完整 / the record is whole"
            if report.ok
            else f"发现问题 {len(report.problems)} 处 / {len(report.problems)} problems"
        )
    if not report.ok:
        raise typer.Exit(BROKEN)
