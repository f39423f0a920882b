"""`ganchu plugins`: what is installed."""

from __future__ import annotations

import typer

from ganchu_workflow.cli.terminal import AsJson, print_json

app = typer.Typer(help="插件 / plugins", no_args_is_help=True)


@app.command("list")
def plugins_list(as_json: AsJson = False) -> None:
    """已安装的环节与渠道。 / The installed stages and channels, and who brought them."""
    from ganchu_workflow.plugins import CHANNELS, STAGES, Registry

    rows: list[dict[str, str | None]] = []
    for group in (STAGES, CHANNELS):
        registry = Registry.discover(group)
        rows += [
            {"group": group, "name": p.name, "distribution": p.distribution, "place": p.place, "error": None}
            for p in sorted(registry.plugins.values(), key=lambda p: p.name)
        ]
        rows += [
            {"group": group, "name": name, "distribution": None, "place": None, "error": error.message}
            for name, error in sorted(registry.broken.items())
        ]
    if as_json:
        return print_json(rows)
    group = ""
    for row in rows:
        if row["group"] != group:
            group = str(row["group"])
            typer.echo(group)
        said = f"✗ {row['name']}  {row['error']}" if row["error"] else f"{row['name']}  {row['distribution']}"
        typer.echo(f"  {said}" + (f"  {row['place']}" if row["place"] else ""))
    return None
