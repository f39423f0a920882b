"""`ganchu round`: a round from its plan to its papers, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli import imports, lateness
from ganchu_workflow.cli.selecting import Cases, Kind, Naming, Numbers, Standing, case_of, chosen, standing, with_cases
from ganchu_workflow.cli.terminal import (
    BROKEN,
    REFUSED,
    As,
    AsJson,
    At,
    Basis,
    Data,
    Database,
    Key,
    Person,
    PlanFile,
    RoundId,
    actor_of,
    console,
    end_time,
    local_time,
    no_trigger,
    object_of,
    print_json,
    receipt_row,
    round_of,
    workflow_on,
)

if TYPE_CHECKING:
    from ganchu_workflow.engine.bulk import Item

app = typer.Typer(help="批次:开立、导入、办理、查看、出件 / rounds", no_args_is_help=True)
SHOWN = 50
"""How many refusals of a bulk act the terminal shows."""


@app.command("new")
def round_new(
    plan: PlanFile,
    database: Database,
    start: Annotated[bool, typer.Option("--start", help="开立后即启动 / let it run at once")] = False,
    actor: As = "office",
    person: Person = "",
    key: Key = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """按方案开立批次,输出批次编号。 / Opens a round from a plan, and prints its id."""
    from ganchu_workflow.errors import Invalid
    from ganchu_workflow.plan import read_plan

    workflow = workflow_on(database, at)
    read = read_plan(plan, workflow.stages)
    if at is not None and not read.demonstration:
        raise Invalid(
            "--at 仅用于演示:方案未写 demonstration = true / "
            "--at is for demonstrations: the plan does not say  demonstration = true"
        )
    who = actor_of(actor, person)
    receipt = workflow.open_round(read, actor=who, key=key)
    if start and workflow.case(receipt).state == "planning":
        workflow.fire(receipt, "start", actor=who)
    if as_json:
        return print_json(receipt_row(receipt))
    typer.echo(receipt.case_id)
    return None


imports.register(app)  # here, so that the help lists the commands in the order of their use


@app.command("act")
def round_act(
    round_id: RoundId,
    trigger: Annotated[str, typer.Argument(help="动作 / the trigger, see: ganchu allowed CASE --as ROLE")],
    database: Database,
    actor: As = "office",
    kind: Kind = "application",
    state: Standing = None,
    number: Numbers = None,
    case: Cases = None,
    data: Data = "{}",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只试不写 / do everything, take it back, and say what would happen")
    ] = False,
    person: Person = "",
    document: Basis = None,
    key: Key = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """对多件案件逐件办理同一动作,能办的办,不能办的说明理由。 / One trigger on many cases; exit code 3 on refusals.

    Say which cases with --state, --number or --case. A stage means what has not come to its end there.
    """
    workflow = workflow_on(database, at)
    round_of(workflow, round_id)
    given = [case_of(workflow, c, round_id) for c in case or ()]
    found = chosen(workflow, round_id, kind, state or [], number or [], given)
    told = with_cases(workflow, round_id, object_of(data))
    naming = Naming(workflow, round_id)
    # The kind that was asked for as well: nobody may stand there today.
    kinds = {c.kind for c in found} | ({kind} if state or number else set())
    _known_trigger(naming, kinds, {c.state for c in found}, trigger)
    bulk = workflow.fire_many(
        found, trigger, told, actor=actor_of(actor, person), document=document, key=key, dry_run=dry_run
    )
    names = {c.id: naming.name(c) for c in found}
    if as_json:
        print_json([_item_row(naming, names, item) for item in bulk.items])
    else:
        for item in bulk.refused[:SHOWN]:
            typer.echo(f"✗ {names[item.case] or item.case}  {_why(naming, item)}", err=True)
        if len(bulk.refused) > SHOWN:
            more = len(bulk.refused) - SHOWN
            typer.echo(f"……另有{more}件,见 --json / and {more} more: see --json", err=True)
        moved, refused = len(bulk.moved), len(bulk.refused)
        if dry_run:
            typer.echo(f"试运行,未写入:可办{moved}件,不能办{refused}件 / dry run: {moved} could be done, {refused} not")
        else:
            typer.echo(f"已办{moved}件,不能办{refused}件 / {moved} done, {refused} not")
        for line in _where(naming, bulk.moved):
            typer.echo(line)
    if bulk.refused:
        raise typer.Exit(REFUSED)


@app.command("status")
def round_status(round_id: RoundId, database: Database, as_json: AsJson = False) -> None:
    """批次进展:各环节起止、案件去向、将到期限、被拒尝试。 / How a round stands: phases, cases, deadlines, refusals."""
    from ganchu_workflow.cli.papers.funnel import funnel_of, funnel_table
    from ganchu_workflow.cli.papers.wording import places_of, stage_label
    from ganchu_workflow.clock import from_text

    workflow = workflow_on(database)
    round_ = round_of(workflow, round_id)
    process, cases = workflow.process(round_), workflow.cases(round_)
    standing_in = Counter((c.kind, c.state) for c in cases if c.kind not in ("round", "phase"))
    order = [(kind.kind, state) for kind in process.kinds.values() for state in kind.states]
    counts = [(k, s, standing_in[k, s]) for k, s in order if (k, s) in standing_in]
    attempts = sum(a["kind"] != "decided" for a in workflow.attempts(round_))
    next_due = workflow.next_due(round_, alerts=False)
    phases = {p.stage: p for p in cases if p.kind == "phase"}
    if as_json:
        return print_json(
            {
                "round": round_.id,
                "code": round_.facts["code"],
                "state": round_.state,
                "phases": [
                    {"stage": p.stage, "state": p.state} | {k: p.facts.get(k) for k in ("opens_at", "closes_at")}
                    for p in phases.values()
                ],
                "cases": [{"kind": k, "state": s, "count": n} for k, s, n in counts],
                "attempts": attempts,
                "next_due": next_due,
            }
        )
    label = process.kind("round").states[round_.state].label
    typer.echo(f"{round_.facts['title']}  [{round_.facts['code']}]  {label}")
    for stage in process.stage_names:
        phase = phases[stage]
        window = [
            f"{word} {shown(workflow, round_.id, from_text(phase.facts[key]))}"
            for key, word, shown in (("opens_at", "起", local_time), ("closes_at", "止", end_time))
            if key in phase.facts
        ]
        # A stage without a window of its own is open from the start, but nothing reaches it before the round begins.
        state = "waiting" if round_.state == "planning" else phase.state
        standing_at = process.kind("phase").states[state].label
        typer.echo("  ".join(["", stage_label(process, stage), standing_at, *window]))
    applications = [c for c in cases if c.kind == "application"]
    if applications:
        console().print(funnel_table(funnel_of(process, applications, places_of(round_.facts))))
    for kind, state, n in counts:
        definition = process.kind(kind)
        typer.echo(f"  {definition.label}  {definition.states[state].label}  {n}  ({kind} {state})")
    due = end_time(workflow, round_.id, next_due) if next_due else "无 / none"
    typer.echo(f"  最近到期 / next due: {due}    被拒绝的尝试 / refused attempts: {attempts}")
    return None


@app.command("list")
def round_list(
    database: Database,
    round_id: Annotated[
        str | None, typer.Argument(help="批次编号,不写则列出批次 / the round; without it, the rounds")
    ] = None,
    kind: Kind = "application",
    state: Standing = None,
    number: Numbers = None,
    as_json: AsJson = False,
) -> None:
    """列出批次;或列出一个批次中的案件。 / Lists the rounds, or the cases of one of them."""
    workflow = workflow_on(database)
    if round_id is None:
        rows = [
            {"round": r.id, "code": r.facts["code"], "title": r.facts["title"], "state": r.state}
            for r in workflow.rounds()
        ]
    else:
        round_of(workflow, round_id)
        states = workflow.process(round_id).kind(kind).states
        naming = Naming(workflow, round_id)
        about = ("enterprise", "product") if kind == "application" else ()
        rows = [
            {
                "case": c.id,
                "number": naming.name(c),
                **{fact: str(c.facts.get(fact) or "") for fact in about},
                "parties": naming.parties(c),
                "state": c.state,
                "label": states[c.state].label,
            }
            for c in standing(workflow, round_id, kind, state or [], number or [])
        ]
    if as_json:
        return print_json(rows)
    for row in rows:
        cells = [" ".join(v.values()) if isinstance(v, dict) else v for v in row.values()]
        typer.echo("  ".join(cell or "-" for cell in cells))
    return None


app.command("tick")(lateness.tick)


@app.command("papers")
def round_papers(
    round_id: RoundId,
    database: Database,
    folder: Annotated[Path, typer.Option("--out", help="出件目录 / the folder they are written to")],
) -> None:
    """出件:公示、公布、名单、历史、流程图、摘要。 / Writes notices, lists, history and a summary to a folder."""
    from ganchu_workflow.cli.papers.folder import write_folder

    papers = write_folder(workflow_on(database), round_id, folder)
    for written in papers.files:
        typer.echo(f"{written.name}  {written.what}")
    for remark in papers.remarks:
        typer.echo(f"! {remark}", err=True)
    if not papers.report.ok:
        typer.echo(f"核验发现问题 {len(papers.report.problems)} 处 / the record has problems", err=True)
        raise typer.Exit(BROKEN)


def _known_trigger(naming: Naming, kinds: Iterable[str], states: Collection[str], trigger: str) -> None:
    """Refuse a misspelt trigger once, and not again for every case."""
    from ganchu_workflow.actors import RESERVED
    from ganchu_workflow.errors import Unknown

    for kind in kinds:
        definition = naming.process.kind(kind)
        if trigger not in definition.triggers():
            people = [e for e in definition.edges if e.source is not None and e.by - RESERVED]
            there = [e.trigger for e in people if not states or e.source in states]
            raise Unknown(f"{kind}: {no_trigger(trigger, there)}")


def _where(naming: Naming, moved: Iterable[Item]) -> Iterator[str]:
    """Where the cases have come to, in the order of the process."""
    reached = Counter((item.receipt.kind, item.receipt.state) for item in moved if item.receipt)
    for kind in naming.process.kinds.values():
        for state, declared in kind.states.items():
            if count := reached[kind.kind, state]:
                yield f"  {declared.label}:{count}  ({state})"


def _why(naming: Naming, item: Item) -> str:
    """Why it was refused, and which other cases that is about: those that are tied, or not scored yet."""
    from ganchu_workflow.errors import Refused

    error = item.error
    if not isinstance(error, Refused):
        return f"{error.message} [{error.code}]" if error else ""
    others = naming.concerned(error.refusal.detail)
    which = f" ({'、'.join(others)})" if others else ""
    return f"{error.refusal.zh} / {error.refusal.en} [{error.code}]{which}"


def _item_row(naming: Naming, names: Mapping[str, str], item: Item) -> dict[str, Any]:
    receipt = receipt_row(item.receipt) if item.receipt else None
    return {
        "case": item.case,
        "number": names[item.case],
        "moved": receipt is not None,
        "receipt": receipt,
        "code": item.error.code if item.error else None,
        "why": _why(naming, item) or None,
    }
