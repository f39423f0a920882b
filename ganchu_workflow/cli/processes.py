"""`ganchu process`: plans and the processes they describe."""

from __future__ import annotations

import json

import typer

from ganchu_workflow.cli.terminal import AsJson, PlanFile, print_json

app = typer.Typer(help="流程定义 / process definitions", no_args_is_help=True)


@app.command("check")
def process_check(plan: PlanFile, as_json: AsJson = False) -> None:
    """检查方案与流程定义,并列出所依据的默认值。 / Checks a plan and its process, and lists the defaults it rests on."""
    from ganchu_workflow.plan import read_plan
    from ganchu_workflow.plugins import Registry
    from ganchu_workflow.process.fingerprint import fingerprint

    read = read_plan(plan, Registry.discover())
    if as_json:
        return print_json({"fingerprint": fingerprint(read.process), **read.document()})
    typer.echo(f"{read.title}  [{read.code}]  {fingerprint(read.process)}")
    for stage in read.stages:
        typer.echo(f"- {stage.name}" + (f" ({stage.use})" if stage.use != stage.name else ""))
        for word, instant in (("opens", stage.opens_at), ("closes", stage.closes_at)):
            if instant is not None:
                typer.echo(f"    {word} {instant.astimezone(read.zone).isoformat(' ')}")
        for outcome, target in stage.on.items():
            typer.echo(f"    on {outcome} → {target}")
        for name, value in stage.settings.model_dump(mode="json").items():
            mark = "  (默认值,非“赣出精品”规定 / default, not a rule)" if name in stage.defaulted else ""
            typer.echo(f"    {name} = {json.dumps(value, ensure_ascii=False)}{mark}")
    return None
