"""`ganchu round`: rounds."""

from __future__ import annotations

from typing import Annotated

import typer

from ganchu_workflow.cli import imports
from ganchu_workflow.cli.terminal import (
    As,
    AsJson,
    Database,
    Key,
    Person,
    PlanFile,
    RoundId,
    actor_of,
    print_json,
    receipt_row,
    round_of,
    workflow_on,
)

app = typer.Typer(help="批次 / rounds", no_args_is_help=True)
imports.register(app)


@app.command("open")
def round_open(
    plan: PlanFile,
    database: Database,
    actor: As = "office",
    person: Person = "",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """按方案开立批次。 / Opens a round from a plan; start it with: ganchu fire ROUND start --as office."""
    receipt = workflow_on(database).open_round(plan, actor=actor_of(actor, person), key=key)
    if as_json:
        return print_json(receipt_row(receipt))
    typer.echo(receipt.case_id)
    return None


@app.command("list")
def round_list(database: Database, as_json: AsJson = False) -> None:
    """列出批次。 / Lists the rounds."""
    rows = [
        {"round": r.id, "code": r.facts["code"], "title": r.facts["title"], "state": r.state}
        for r in workflow_on(database).rounds()
    ]
    if as_json:
        return print_json(rows)
    for row in rows:
        typer.echo("  ".join(row.values()))
    return None


@app.command("cases")
def round_cases(
    round_id: RoundId,
    database: Database,
    kind: Annotated[str | None, typer.Option("--kind", help="只列此类案件 / only cases of this kind")] = None,
    as_json: AsJson = False,
) -> None:
    """列出批次中的案件。 / Lists the cases of a round."""
    workflow = workflow_on(database)
    round_of(workflow, round_id)
    found = workflow.cases(round_id, kind)
    if kind is not None and not found:
        workflow.process(round_id).kind(kind)
    rows = [{"case": c.id, "kind": c.kind, "state": c.state, "stage": c.stage} for c in found]
    if as_json:
        return print_json(rows)
    for row in rows:
        typer.echo("  ".join(v or "-" for v in row.values()))
    return None
