"""The command line `ganchu`.

Exit codes: 0 done; 2 what was given cannot be used; 3 refused; 4 something broke, or verification found problems.
A user's mistake never shows a traceback. The library is imported inside the commands: `--help` needs no tables.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ganchu_workflow.cli.terminal import (
    As,
    AsJson,
    Basis,
    CaseId,
    Data,
    Database,
    Grace,
    Key,
    Person,
    PlanFile,
    RoundId,
    actor_of,
    local_time,
    object_of,
    print_json,
    receipt_row,
    round_of,
    unrunnable,
    workflow_on,
)

if TYPE_CHECKING:
    pass

BAD_INPUT, REFUSED, BROKEN = 2, 3, 4
"""The exit codes of a command that was not done."""

app = typer.Typer(
    help="运行评选批次:显式状态机、法定期限、可核验的记录。 / Runs selection rounds.",
    no_args_is_help=True,
    add_completion=False,
)
db_app = typer.Typer(help="数据库 / the database", no_args_is_help=True)
round_app = typer.Typer(help="批次 / rounds", no_args_is_help=True)
process_app = typer.Typer(help="流程定义 / process definitions", no_args_is_help=True)
audit_app = typer.Typer(help="审计 / audit", no_args_is_help=True)
plugins_app = typer.Typer(help="插件 / plugins", no_args_is_help=True)
for name, sub in (
    ("db", db_app),
    ("round", round_app),
    ("process", process_app),
    ("audit", audit_app),
    ("plugins", plugins_app),
):
    app.add_typer(sub, name=name)


def run() -> None:
    """The entry point: runs a command, and turns what went wrong into a message and an exit code."""
    from ganchu_workflow.errors import Fault, Refused, WorkflowError

    for stream in (sys.stdout, sys.stderr):
        # A server's POSIX locale would otherwise fail on the first Chinese character.
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    # Without a handler Python prints the library's warnings beside what the command says about the same thing.
    logging.getLogger("ganchu_workflow").addHandler(logging.NullHandler())
    try:
        app()
    except Refused as error:
        _fail("不予办理 / refused", error.code, error.message, REFUSED)
    except WorkflowError as error:
        _fail("错误 / error", error.code, error.message, BROKEN if isinstance(error, Fault) else BAD_INPUT)
    except UnicodeEncodeError as error:
        if not 0xDC80 <= ord(error.object[error.start]) <= 0xDCFF:
            raise
        # What Python could not decode on the command line reaches us as surrogates.
        message = "an argument is not text in this locale's encoding; write UTF-8 and set PYTHONUTF8=1"
        _fail("错误 / error", "not_text", message, BAD_INPUT)
    except OSError as error:
        _fail("错误 / error", "system", str(error), BROKEN)


def _fail(word: str, code: str, message: str, status: int) -> NoReturn:
    typer.echo(f"{word} [{code}]\n{message}", err=True)
    sys.exit(status)


@app.command()
def demo(
    database: Annotated[
        str | None, typer.Option("--db", help="数据库地址,默认用临时文件 / database URL; default: a temporary file")
    ] = None,
    events: Annotated[
        Path | None, typer.Option("--events", help="把全部事件写成 JSONL / also write every event to this file")
    ] = None,
) -> None:
    """用模拟时间走完一个小而完整的演示批次,并核验记录。 / Walks one small, complete round and verifies it."""
    from ganchu_workflow.cli.demo.command import run_demo

    raise typer.Exit(run_demo(database, events))


@db_app.command("upgrade")
def db_upgrade(database: Database) -> None:
    """建表或升级到本版本。 / Creates the tables, or brings them up to this version."""
    workflow_on(database).migrate()
    typer.echo("数据库已就绪 / the database is up to date")


@round_app.command("open")
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


@round_app.command("list")
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


@round_app.command("cases")
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
    person: Person = "",
    document: Basis = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """开立案件(申报、推荐函、公示……)。 / Opens a case: an application, a letter, a notice."""
    receipt = workflow_on(database).open(
        kind,
        object_of(data),
        actor=actor_of(actor, person),
        round=round_id,
        parent=parent,
        of=of,
        stage=stage,
        members=member or (),
        key=key,
        document=document,
    )
    if as_json:
        return print_json(receipt_row(receipt))
    typer.echo(f"{receipt.case_id}  {receipt.state}")
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
    as_json: AsJson = False,
) -> None:
    """办理:在案件上触发一步。 / Fires a trigger on a case."""
    receipt = workflow_on(database).fire(
        case, trigger, object_of(data), actor=actor_of(actor, person), key=key, document=document
    )
    if as_json:
        return print_json(receipt_row(receipt))
    typer.echo(f"{receipt.case_id}  {receipt.source} → {receipt.state}")
    return None


@app.command("allowed")
def allowed(case: CaseId, database: Database, actor: As, as_json: AsJson = False) -> None:
    """此刻可办什么,不能办的为什么。 / What may be done now; for the rest, why not."""
    found = workflow_on(database).allowed(case, actor_of(actor))
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
            due = local_time(workflow, t.case.round, t.due_at) if t.due_at else "-"
            typer.echo(f"{t.case.id}  {t.case.kind}  {t.case.stage or '-'}  {t.label}  {due}")
    left_out = unrunnable(workflow)
    for message in left_out:
        typer.echo(f"未列入 / left out: {message}", err=True)
    if left_out:
        raise typer.Exit(BROKEN)


@app.command("history")
def history(case: CaseId, database: Database, as_json: AsJson = False) -> None:
    """案件的经过。 / The events of a case."""
    from ganchu_workflow.clock import from_text

    workflow = workflow_on(database)
    round_id = workflow.case(case).round
    found = workflow.history(case)
    if as_json:
        return print_json(found)
    for e in found:
        at = local_time(workflow, round_id, from_text(e["effective_at"]))
        moved = f"{e['source'] or '∅'} → {e['target']}" if e["refusal"] is None else f"✗ {e['refusal']['code']}"
        typer.echo(f"{e['seq']:>3}  {at}  {e['trigger']}  {moved}  {e['actor']['role']}")
    return None


@app.command("attempts")
def attempts(round_id: RoundId, database: Database, as_json: AsJson = False) -> None:
    """被拒绝的尝试。 / What was tried in a round and refused, oldest first."""
    workflow = workflow_on(database)
    found = workflow.attempts(round_of(workflow, round_id))
    if as_json:
        return print_json(found)
    for a in found:
        at = local_time(workflow, round_id, a["received_at"])
        typer.echo(f"{at}  {a['actor']}  {a['name']}  {a['code']}  {a['body']['zh']}")
    return None


@app.command("tick")
def tick(database: Database, grace: Grace = 60, as_json: AsJson = False) -> None:
    """触发已到期的期限。 / Fires every deadline that has run out; exit code 4 when one did not fire."""
    swept = workflow_on(database).tick(grace=timedelta(seconds=grace))
    if as_json:
        print_json({"fired": [receipt_row(r) for r in swept.fired], "refused": swept.refused})
    else:
        typer.echo(f"已触发 {len(swept.fired)} 项 / fired {len(swept.fired)}")
    for item in swept.refused:
        typer.echo(f"未触发 / did not fire: {item['case']} {item['deadline']} [{item['code']}] {item['why']}", err=True)
    if swept.refused:
        raise typer.Exit(BROKEN)


@process_app.command("check")
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


@audit_app.command("verify")
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


@plugins_app.command("list")
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
