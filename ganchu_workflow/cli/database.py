"""`ganchu db`: the database."""

from __future__ import annotations

import typer

from ganchu_workflow.cli.terminal import Database, workflow_on

app = typer.Typer(help="数据库 / the database", no_args_is_help=True)


@app.command("upgrade")
def db_upgrade(database: Database) -> None:
    """建表或升级到本版本。 / Creates the tables, or brings them up to this version."""
    workflow_on(database).migrate()
    typer.echo("数据库已就绪 / the database is up to date")
