"""What is done with one case: open, fire, allowed, tasks, history; and what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ganchu_workflow.cli.ends import outcome_row, show_outcome, telling_what_fired_first
from ganchu_workflow.cli.entering import EnteredBy, Proof, ProofAt, Reason, Received, entering
from ganchu_workflow.cli.histories import show_history
from ganchu_workflow.cli.selecting import case_of, standing, with_cases
from ganchu_workflow.cli.terminal import (
    BROKEN,
    As,
    AsJson,
    At,
    Basis,
    CaseId,
    Data,
    Database,
    Key,
    Person,
    RoundId,
    actor_of,
    end_time,
    local_time,
    no_trigger,
    object_of,
    print_json,
    round_of,
    unrunnable,
    workflow_on,
)

if TYPE_CHECKING:
    from ganchu_workflow.actors import Actor
    from ganchu_workflow.workflow import Workflow

app = typer.Typer(help="案件 / cases", no_args_is_help=True)


@app.command("open")
def open_case(
    kind: Annotated[str, typer.Argument(help="案件种类 / the kind, for example application, objection")],
    database: Database,
    actor: As,
    data: Data = "{}",
    round_id: Annotated[
        str | None, typer.Option("--round", help="批次,仅有一个进行中时可省 / its round, if several are open")
    ] = None,
    parent: Annotated[str | None, typer.Option("--parent", help="上级案件 / the case it belongs under")] = None,
    of: Annotated[str | None, typer.Option("--of", help="所针对的案件 / the act it is about")] = None,
    stage: Annotated[str, typer.Option("--stage", help="环节,不唯一时必填 / its stage, if several bring it")] = "",
    member: Annotated[
        list[str] | None, typer.Option("--member", help="名单中的申报,可重复 / an application on its list; repeatable")
    ] = None,
    all_in: Annotated[
        list[str] | None,
        typer.Option(
            "--all-in", help="名单取处于此状态或环节的全部申报 / list every application in this state or stage"
        ),
    ] = None,
    person: Person = "",
    document: Basis = None,
    key: Key = None,
    received: Received = None,
    entered_by: EnteredBy = "office",
    reason: Reason = None,
    evidence: Proof = None,
    evidence_uri: ProofAt = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """开立案件(申报、推荐函、公示……)。 / Opens a case: an application, a letter, a notice."""
    from ganchu_workflow.errors import Invalid

    workflow = workflow_on(database, at)
    members = [case_of(workflow, m, round_id) for m in member or ()]
    if all_in:
        if round_id is None:
            raise Invalid("--all-in needs --round")
        found = standing(workflow, round_id, "application", all_in, [], ended=False)
        members += [a.id for a in sorted(found, key=lambda a: str(a.facts.get("number"))) if a.id not in members]
    with telling_what_fired_first(workflow):
        receipt = entering(workflow, received, entered_by, reason, evidence, evidence_uri).open(
            kind,
            with_cases(workflow, round_id, object_of(data)),
            actor=actor_of(actor, person),
            round=round_id,
            parent=case_of(workflow, parent, round_id) if parent is not None else None,
            of=of,
            stage=stage,
            members=members,
            key=key,
            document=document,
        )
    if as_json:
        return print_json(outcome_row(workflow, receipt))
    typer.echo(f"{receipt.case_id}  {receipt.state}")
    show_outcome(workflow, receipt)
    return None


@app.command("fire")
def fire(
    case: CaseId,
    trigger: Annotated[str, typer.Argument(help="触发的动作 / the trigger, see: ganchu allowed CASE --as ROLE")],
    database: Database,
    actor: As,
    data: Data = "{}",
    person: Person = "",
    document: Basis = None,
    key: Key = None,
    received: Received = None,
    entered_by: EnteredBy = "office",
    reason: Reason = None,
    evidence: Proof = None,
    evidence_uri: ProofAt = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """办理:在案件上触发一步。 / Fires a trigger on a case.

    期限的中止、恢复、延长、提前结束也在此办理,须写依据 / Acts on a deadline of a case are fired here too, on a ground:
    deadline:suspend, deadline:resume, deadline:extend (also "until"), deadline:end, with
    --data '{"deadline": "correction_due", "ground": "…"}'.

    系统故障后全批次顺延,对批次办理 / After an outage the ends of a whole round are moved by round:extend_for_outage on
    the round, with "began", "ended", "until", "ground" and "document".
    """
    workflow = workflow_on(database, at)
    told = with_cases(workflow, None, object_of(data))
    case_id, who = case_of(workflow, case), actor_of(actor, person)
    with telling_what_fired_first(workflow), _naming_what_there_is(workflow, case_id, who):
        receipt = entering(workflow, received, entered_by, reason, evidence, evidence_uri).fire(
            case_id, trigger, told, actor=who, key=key, document=document
        )
    if as_json:
        return print_json(outcome_row(workflow, receipt))
    typer.echo(f"{receipt.case_id}  {receipt.source} → {receipt.state}")
    show_outcome(workflow, receipt)
    return None


@contextmanager
def _naming_what_there_is(workflow: Workflow, case: str, actor: Actor) -> Iterator[None]:
    """Where a trigger that there is not is fired in the block, says what can be done where the case stands."""
    from ganchu_workflow.errors import Unknown

    try:
        yield
    except Unknown as error:
        if "trigger" not in error.fields:
            raise
        trigger = error.fields["trigger"]
        possible = [each.trigger for each in workflow.allowed(case, actor)]
        raise Unknown(no_trigger(trigger, possible), trigger=trigger) from error


@app.command("allowed")
def allowed(case: CaseId, database: Database, actor: As, at: At = None, as_json: AsJson = False) -> None:
    """此刻可办什么,不能办的为什么。 / What may be done now; for the rest, why not."""
    workflow = workflow_on(database, at)
    found = workflow.allowed(case_of(workflow, case), actor_of(actor))
    if as_json:
        return print_json(
            [
                {
                    "trigger": a.trigger,
                    "may": a.may,
                    "code": a.refusal.code if a.refusal else None,
                    "why": str(a.refusal) if a.refusal else None,
                    "fields": a.fields,
                    "required": a.required,
                }
                for a in found
            ]
        )
    if not found:
        typer.echo("此处没有可办的事项 / nothing can be done here")
    for item in found:
        fields = ", ".join(f"{f}*" if f in item.required else f for f in item.fields)
        typer.echo(f"{'✓' if item.may else '✗'} {item.trigger}  {item.refusal or fields}".rstrip())
    return None


@app.command("tasks")
def tasks(database: Database, actor: As, as_json: AsJson = False) -> None:
    """待办,先到期的在前。 / What waits for this actor, soonest deadline first; exit code 4 if a round was left out."""
    workflow = workflow_on(database)
    found = workflow.tasks(actor_of(actor))
    if as_json:
        print_json(
            [
                {
                    "case": t.case.id,
                    "kind": t.case.kind,
                    "stage": t.case.stage,
                    "state": t.case.state,
                    "label": t.label,
                    "due_at": t.due_at,
                }
                for t in found
            ]
        )
    else:
        for t in found:
            due = end_time(workflow, t.case.round, t.due_at) if t.due_at else "-"
            typer.echo(f"{t.case.id}  {t.case.kind}  {t.case.stage or '-'}  {t.label}  {due}")
    left_out = unrunnable(workflow)
    for message in left_out:
        typer.echo(f"未列入 / left out: {message}", err=True)
    if left_out:
        raise typer.Exit(BROKEN)


@app.command("history")
def history(case: CaseId, database: Database, as_json: AsJson = False) -> None:
    """案件的经过:依据、新旧截止、补录。 / The events of a case: on what ground, ends old and new, late entries."""
    workflow = workflow_on(database)
    case = case_of(workflow, case)
    round_id = workflow.case(case).round
    found = workflow.history(case)
    if as_json:
        return print_json(found)
    show_history(workflow, round_id, found)
    return None


@app.command("attempts")
def attempts(round_id: RoundId, database: Database, as_json: AsJson = False) -> None:
    """被拒绝的尝试,及人工处置。 / What was refused in a round, or decided by an operator, oldest first.

    Each by the instant at which it was tried; of a late entry beneath it who entered it, and the reception it claims.
    """
    workflow = workflow_on(database)
    found = workflow.attempts(round_of(workflow, round_id))
    if as_json:
        return print_json(found)
    for a in found:
        at = local_time(workflow, round_id, a["recorded_at"])
        typer.echo(f"{at}  {a['actor']}  {a['name']}  {a['code']}  {a['body']['zh']}")
        if entry := a["body"].get("entry"):
            received = local_time(workflow, round_id, a["received_at"])
            typer.echo(f"    补录 / entered late: {entry['by']}  收到 / received {received}")
    return None
