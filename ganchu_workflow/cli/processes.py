"""`ganchu process`: plans and the processes they describe."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganchu_workflow.cli.demo import MARK
from ganchu_workflow.cli.terminal import AsJson, PlanFile, print_json

if TYPE_CHECKING:
    from ganchu_workflow.plan import Plan

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
                local = instant.astimezone(read.zone)
                typer.echo(f"    {word} {local.isoformat(' ')}" + (_of_that_day(local) if word == "closes" else ""))
        for outcome, target in stage.on.items():
            typer.echo(f"    on {outcome} → {target}")
        for name, value in stage.settings.model_dump(mode="json").items():
            mark = "  (默认值,非“赣出精品”规定 / default, not a rule)" if name in stage.defaulted else ""
            typer.echo(f"    {name} = {json.dumps(value, ensure_ascii=False)}{mark}")
    return None


def _of_that_day(end: datetime) -> str:
    """What to look at in an end that the plan fixes: nothing moves it, on whatever day it lies."""
    from ganchu_workflow.engine.explaining import rest_day
    from ganchu_workflow.timing import WorkingCalendar

    unknown = "  该年放假安排未导入,请留意是否休息日 / whether on a day off nobody knows: that year is not loaded"
    return {True: "  休息日 / on a day off", False: "", None: unknown}[rest_day(end, WorkingCalendar.built_in())]


class Form(StrEnum):
    """What a diagram is written as."""

    MERMAID = "mermaid"
    SVG = "svg"
    MARKDOWN = "markdown"


SUFFIXES = {Form.MERMAID: ".mmd", Form.SVG: ".svg", Form.MARKDOWN: ".md"}


@app.command("diagram")
def process_diagram(
    plan: PlanFile,
    kind: Annotated[
        str | None, typer.Option("--kind", help="案件种类的办理过程 / the life cycle of a kind of case, such as notice")
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help="一项申报在某环节的办理过程 / an application's way through a stage")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="总图与全部办理过程 / the map and every life cycle, into the folder of --out")
    ] = False,
    form: Annotated[
        Form | None, typer.Option("--format", help="格式,默认按 --out 的后缀,否则 mermaid / default: by --out's suffix")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="写入的文件或文件夹 / the file, or the folder")] = None,
) -> None:
    """画出流程总图,或一个环节、一种案件的办理过程。 / Draws the map of a plan, or one life cycle."""
    from ganchu_workflow.errors import Invalid
    from ganchu_workflow.plan import read_plan
    from ganchu_workflow.plugins import Registry
    from ganchu_workflow.process.diagram import life_cycle_names

    if sum((kind is not None, stage is not None, everything)) > 1:
        raise Invalid("--kind, --stage and --all exclude one another; give one of them, or none for the map")
    if everything and (out is None or out.is_file()):
        raise Invalid("--all writes many files: give the folder with  --out FOLDER")
    if not everything and out is not None and out.is_dir():
        raise Invalid(f"--out: '{out}' is a folder; give the path of a file, or --all to fill the folder")
    if form is None:
        form = next((f for f, s in SUFFIXES.items() if out and not everything and out.suffix == s), Form.MERMAID)
    read = read_plan(plan, Registry.discover())
    name = f"kind:{kind}" if kind is not None else f"stage:{stage}" if stage is not None else ""
    if not everything:
        drawn = _drawn(read, name, form)
        typer.echo(drawn, nl=False) if out is None else _write(out, drawn)
        return
    assert out is not None
    for each in ("", *life_cycle_names(read.process)):
        file = out / f"{each.replace(':', '-') or 'map'}{SUFFIXES[form]}"
        _write(file, _drawn(read, each, form))
        typer.echo(str(file))


def _drawn(plan: Plan, name: str, form: Form) -> str:
    """The map, or the life cycle of that name, as a document of that form."""
    from ganchu_workflow.process.diagram import life_cycle, life_cycle_svg, map_svg, process_map
    from ganchu_workflow.process.diagram.drawing import drawing_of

    process = plan.process
    if form is Form.SVG:
        mark = MARK if plan.demonstration else ""
        if name:
            return life_cycle_svg(process, name, title=plan.title, mark=mark)
        return map_svg(process, title=plan.title, mark=mark)
    text = life_cycle(process, name) if name else process_map(process)
    if form is Form.MERMAID:
        return f"%% {MARK}\n{text}" if plan.demonstration else text
    heading = f"{plan.title} · {drawing_of(process, name).title if name else '流程总图'}"
    mark = f"\n{MARK}\n" if plan.demonstration else ""
    return f"# {heading}\n{mark}\n```mermaid\n{text}```\n"


def _write(file: Path, text: str) -> None:
    from ganchu_workflow.errors import Invalid

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # On every system the same bytes.
        file.write_text(text, "utf-8", newline="\n")
    except OSError as error:
        raise Invalid(f"--out: '{file}' cannot be written: {error.strerror}") from error
