"""The command line `ganchu`.

Exit codes: 0 done; 2 what was given cannot be used; 3 refused; 4 something broke, or verification found problems.
A user's mistake never shows a traceback. The library is imported inside the commands: `--help` needs no tables.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ganchu_workflow.actors import Actor
    from ganchu_workflow.workflow import Workflow

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

Database = Annotated[
    str, typer.Option("--db", envvar="GANCHU_DB", help="数据库地址 / database URL, for example sqlite:///round.db")
]
As = Annotated[
    str, typer.Option("--as", help="以何身份 / who acts: role or role:scope, for example office, applicant:E1")
]
Data = Annotated[str, typer.Option("--data", help="材料 (JSON) / the data, as a JSON object")]
Key = Annotated[str | None, typer.Option("--key", help="幂等键 / a key that makes the call safe to repeat")]
AsJson = Annotated[bool, typer.Option("--json", help="以 JSON 输出 / print JSON")]


def run() -> None:
    """The entry point: runs a command, and turns this library's errors into a message and an exit code."""
    from ganchu_workflow.errors import Fault, Refused, WorkflowError

    for stream in (sys.stdout, sys.stderr):
        # A server's POSIX locale would otherwise fail on the first Chinese character.
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        app()
    except WorkflowError as error:
        word = "不予办理 / refused" if isinstance(error, Refused) else "错误 / error"
        typer.echo(f"{word} [{error.code}]\n{error.message}", err=True)
        sys.exit(3 if isinstance(error, Refused) else 4 if isinstance(error, Fault) else 2)


def _workflow(database: str) -> Workflow:
    from ganchu_workflow.workflow import Workflow

    return Workflow(database)


def _actor(text: str) -> Actor:
    from ganchu_workflow.actors import Actor, Role, Via
    from ganchu_workflow.errors import Invalid

    role, _, scope = text.partition(":")
    if role not in set(Role):
        raise Invalid(f"there is no role '{role}'; roles are: {', '.join(Role)}")
    return Actor(Role(role), scope, via=Via.CLI)


def _object(text: str) -> dict[str, Any]:
    from ganchu_workflow.errors import Invalid

    try:
        value = json.loads(text)
    except ValueError as error:
        raise Invalid(f"--data is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Invalid('--data must be a JSON object, for example {"letter": "1"}')
    return value


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


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
    _workflow(database).migrate()
    typer.echo("数据库已就绪 / the database is up to date")


@round_app.command("open")
def round_open(plan: Path, database: Database, actor: As = "office", key: Key = None) -> None:
    """按方案开立批次。 / Opens a round from a plan; start it with: ganchu fire <round> start --as office."""
    receipt = _workflow(database).open_round(plan, actor=_actor(actor), key=key)
    typer.echo(receipt.case_id)


@round_app.command("list")
def round_list(database: Database, as_json: AsJson = False) -> None:
    """列出批次。 / Lists the rounds."""
    rows = [
        {"round": r.id, "code": r.facts["code"], "title": r.facts["title"], "state": r.state}
        for r in _workflow(database).rounds()
    ]
    if as_json:
        return _print(rows)
    for row in rows:
        typer.echo("  ".join(row.values()))
    return None


@round_app.command("cases")
def round_cases(round_id: str, database: Database, kind: str | None = None, as_json: AsJson = False) -> None:
    """列出批次中的案件。 / Lists the cases of a round."""
    rows = [
        {"case": c.id, "kind": c.kind, "state": c.state, "stage": c.stage}
        for c in _workflow(database).cases(round_id, kind)
    ]
    if as_json:
        return _print(rows)
    for row in rows:
        typer.echo("  ".join(row.values()))
    return None


@app.command("open")
def open_case(
    kind: str,
    database: Database,
    actor: As,
    data: Data = "{}",
    round_id: Annotated[str | None, typer.Option("--round")] = None,
    parent: Annotated[str | None, typer.Option()] = None,
    of: Annotated[str | None, typer.Option()] = None,
    stage: Annotated[str, typer.Option()] = "",
    member: Annotated[list[str] | None, typer.Option()] = None,
    key: Key = None,
) -> None:
    """开立案件(申报、推荐函、公示……)。 / Opens a case: an application, a letter, a notice."""
    receipt = _workflow(database).open(
        kind,
        _object(data),
        actor=_actor(actor),
        round=round_id,
        parent=parent,
        of=of,
        stage=stage,
        members=member or (),
        key=key,
    )
    typer.echo(f"{receipt.case_id}  {receipt.state}")


@app.command("fire")
def fire(case: str, trigger: str, database: Database, actor: As, data: Data = "{}", key: Key = None) -> None:
    """办理:在案件上触发一步。 / Fires a trigger on a case."""
    receipt = _workflow(database).fire(case, trigger, _object(data), actor=_actor(actor), key=key)
    typer.echo(f"{receipt.case_id}  {receipt.source} → {receipt.state}")


@app.command("allowed")
def allowed(case: str, database: Database, actor: As, as_json: AsJson = False) -> None:
    """此刻可办什么,不能办的为什么。 / What may be done now; for the rest, why not."""
    found = _workflow(database).allowed(case, _actor(actor))
    if as_json:
        return _print(
            [{"trigger": a.trigger, "may": a.may, "why": str(a.refusal or ""), "fields": a.fields} for a in found]
        )
    for item in found:
        typer.echo(f"{'✓' if item.may else '✗'} {item.trigger}  {item.refusal or ', '.join(item.fields)}")
    return None


@app.command("tasks")
def tasks(database: Database, actor: As, as_json: AsJson = False) -> None:
    """待办。 / What waits for this actor, soonest deadline first."""
    found = _workflow(database).tasks(_actor(actor))
    rows = [{"case": t.case.id, "kind": t.case.kind, "state": t.label, "due_at": t.due_at} for t in found]
    if as_json:
        return _print(rows)
    for row in rows:
        typer.echo("  ".join(str(v or "-") for v in row.values()))
    return None


@app.command("history")
def history(case: str, database: Database, as_json: AsJson = False) -> None:
    """案件的经过。 / The events of a case."""
    found = _workflow(database).history(case)
    if as_json:
        return _print(found)
    for e in found:
        typer.echo(
            f"{e['seq']:>3}  {e['effective_at']}  {e['trigger']}  {e['source'] or '∅'} → {e['target']}  {e['actor']['role']}"
        )
    return None


@app.command("tick")
def tick(database: Database) -> None:
    """触发已到期的期限。 / Fires every deadline that has run out."""
    swept = _workflow(database).tick()
    typer.echo(f"已触发 {len(swept.fired)} 项 / fired {len(swept.fired)}")
    for item in swept.refused:
        typer.echo(f"未触发 / did not fire: {item['case']} {item['deadline']} [{item['code']}] {item['why']}", err=True)
    if swept.refused:
        raise typer.Exit(4)


@process_app.command("check")
def process_check(plan: Path) -> None:
    """检查方案与流程定义。 / Checks a plan and the process it assembles, and lists the defaults it rests on."""
    from ganchu_workflow.plan import read_plan
    from ganchu_workflow.plugins import Registry
    from ganchu_workflow.process.fingerprint import fingerprint

    read = read_plan(plan, Registry.discover())
    typer.echo(f"{read.title}  [{read.code}]  {fingerprint(read.process)}")
    for stage in read.stages:
        typer.echo(f"- {stage.name}")
        for name, value in stage.settings.model_dump(mode="json").items():
            mark = "  (默认值,非“赣出精品”规定 / default, not a rule)" if name in stage.defaulted else ""
            typer.echo(f"    {name} = {json.dumps(value, ensure_ascii=False)}{mark}")


@audit_app.command("verify")
def audit_verify(database: Database) -> None:
    """核验全部记录。 / Verifies the whole record; exit code 4 when something is wrong."""
    report = _workflow(database).verify()
    typer.echo(f"案件 {report.cases} 件,事件 {report.events} 条 / {report.cases} cases, {report.events} events")
    for problem in report.problems:
        typer.echo(f"✗ {problem}", err=True)
    typer.echo(
        "记录完整 / the record is whole"
        if report.ok
        else f"发现问题 {len(report.problems)} 处 / {len(report.problems)} problems"
    )
    if not report.ok:
        raise typer.Exit(4)


@plugins_app.command("list")
def plugins_list() -> None:
    """已安装的环节与渠道。 / The installed stages and channels, and who brought them."""
    from ganchu_workflow.plugins import CHANNELS, STAGES, Registry

    for group in (STAGES, CHANNELS):
        registry = Registry.discover(group)
        typer.echo(group)
        for plugin in sorted(registry.plugins.values(), key=lambda p: p.name):
            typer.echo(f"  {plugin.name}  {plugin.distribution}  {plugin.place}")
        for name, error in sorted(registry.broken.items()):
            typer.echo(f"  ✗ {name}  {error.message}")
