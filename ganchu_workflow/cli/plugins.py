"""`ganchu plugins`: what is installed, and whether it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli.terminal import BROKEN, AsJson, print_json, workflow_on

if TYPE_CHECKING:
    from ganchu_workflow.cli.plugin_checks import Checked

app = typer.Typer(help="插件 / plugins", no_args_is_help=True)


@app.command("list")
def plugins_list(as_json: AsJson = False) -> None:
    """列出已安装的环节与渠道及其来源;有不可用的则退出码为 4。 / What is installed; exit code 4 if one is unusable."""
    from ganchu_workflow.plugins import GROUPS, Registry

    rows: list[dict[str, Any]] = []
    for group in GROUPS:
        registry = Registry.discover(group)
        usable = [(p.name, p.distribution, p.place, None) for p in registry.plugins.values()]
        broken = [(name, *claim, e.message) for name, e in registry.broken.items() for claim in e.fields["claims"]]
        rows += [
            {"group": group, "name": name, "distribution": distribution, "place": place, "error": error}
            for name, distribution, place, error in sorted(usable) + sorted(broken)
        ]
    if as_json:
        print_json(rows)
    else:
        group = ""
        for row in rows:
            if row["group"] != group:
                group = row["group"]
                typer.echo(group)
            typer.echo(f"  {'✗ ' if row['error'] else ''}{row['name']}  {row['distribution']}  {row['place']}")
            if row["error"]:
                typer.echo(f"      {row['error']}")
    if any(row["error"] for row in rows):
        raise typer.Exit(BROKEN)


@app.command("check")
def plugins_check(
    name: Annotated[str | None, typer.Argument(help="只检查此插件 / check this one only")] = None,
    database: Annotated[
        str | None,
        typer.Option("--db", envvar="GANCHU_DB", help="另与此数据库各批次的记录比对 / also compare with its rounds"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """检查已安装的插件;有问题则退出码为 4。 / Checks what is installed; exit code 4 if anything is wrong.

    Each plugin is held against its contract, and each stage is compiled by itself. With --db, the code that runs now is
    compared with the code that wrote the last events of every round that is not over.
    """
    from ganchu_workflow.cli.plugin_checks import check_plugins
    from ganchu_workflow.errors import Unknown

    found = check_plugins()
    if name is not None:
        names = sorted({c.name for c in found})
        found = [c for c in found if c.name == name]
        if not found:
            raise Unknown(f"no plugin of the name '{name}' is installed; there are: {', '.join(names)}")
    rounds = [] if database is None else _rounds(database)
    wrong = any(c.problems for c in found) or any(r["problems"] for r in rounds)
    if as_json:
        print_json({"ok": not wrong, "plugins": [_row(c) for c in found], "rounds": rounds})
    else:
        for checked in found:
            _print(checked)
        for row in rounds:
            typer.echo(f"{'✗' if row['problems'] else '✓'} 批次 / round {row['code']} {row['round']}")
            _print_lines(row["problems"], row["remarks"])
        typer.echo("发现问题 / something is wrong" if wrong else "均可使用 / all of it can be used")
    if wrong:
        raise typer.Exit(BROKEN)


def _row(checked: Checked) -> dict[str, Any]:
    return {
        "group": checked.group,
        "name": checked.name,
        "claims": [{"distribution": distribution, "place": place} for distribution, place in checked.claims],
        "problems": list(checked.problems),
        "remarks": list(checked.remarks),
    }


def _print(checked: Checked) -> None:
    claims = ", ".join(f"{distribution} ({place})" for distribution, place in checked.claims)
    typer.echo(f"{'✗' if checked.problems else '✓'} {checked.name}  {claims}")
    _print_lines(checked.problems, checked.remarks)


def _print_lines(problems: Any, remarks: Any) -> None:
    for problem in problems:
        typer.echo(f"    ✗ {problem}")
    for remark in remarks:
        typer.echo(f"    - {remark}")


def _rounds(database: str) -> list[dict[str, Any]]:
    """Every round that is not over: whether what is installed can run it, and is what has run it so far."""
    from ganchu_workflow.engine.books import Books
    from ganchu_workflow.engine.drift import changed_code
    from ganchu_workflow.engine.rows import Rows
    from ganchu_workflow.errors import WorkflowError
    from ganchu_workflow.store.database import read
    from ganchu_workflow.store.link import linked

    workflow = workflow_on(database)
    books = Books(workflow.stages)
    rows: list[dict[str, Any]] = []
    for each in workflow.rounds():
        if each.state in ("closed", "cancelled"):
            continue
        problems: list[str] = []
        remarks: list[str] = []
        try:
            with read(workflow.database) as connection:
                found = changed_code(connection, each.id, books.of_round(each.id, Rows(linked(connection))))
            problems += [str(changed) for changed in found if changed.is_problem]
            remarks += [str(changed) for changed in found if not changed.is_problem]
        except WorkflowError as error:
            problems.append(error.message)
        rows.append({"round": each.id, "code": each.facts["code"], "problems": problems, "remarks": remarks})
    return rows
