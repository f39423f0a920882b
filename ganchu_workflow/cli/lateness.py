"""`ganchu tick`, `overdue`, `deadline`: what has run out is fired; what is late and why, and what a person may do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli.ends import STATUS, left_of, show_fired, standing_of
from ganchu_workflow.cli.selecting import Naming, case_of
from ganchu_workflow.cli.terminal import (
    BROKEN,
    As,
    AsJson,
    At,
    CaseId,
    Database,
    MaxSkew,
    Person,
    actor_of,
    end_time,
    local_time,
    measured_skew,
    print_json,
    round_of,
    show_swept,
    swept_row,
    without_code,
    workflow_on,
)

if TYPE_CHECKING:
    from ganchu_workflow.engine.overdue import Overdue, Place
    from ganchu_workflow.workflow import Workflow

app = typer.Typer(help="期限 / deadlines")
_ABOUT = (
    "一件的期限:查看、推算、恢复触发。中止、恢复、延长、提前结束用 ganchu fire CASE "
    "deadline:suspend|resume|extend|end;系统故障对批次办理 round:extend_for_outage / the deadlines of a case; how to "
    "suspend, resume, extend or end one: ganchu fire --help"
)
deadlines = typer.Typer(help=_ABOUT, no_args_is_help=True)
app.add_typer(deadlines, name="deadline")

_WHY = {
    "no_worker": ("尚无进程处理", "nobody has tried"),
    "refused": ("规则不予通过", "refused"),
    "retrying": ("运行出错,待重试", "crashed, tried again"),
    "parked": ("多次出错,待人工恢复", "parked"),
    "unrunnable": ("所装环节无法运行该批次", "the installed stages cannot run the round"),
}
_STEPS = ("≤1分钟 / ≤1 min", "≤5分钟 / ≤5 min", "≤1小时 / ≤1 h", "≤1天 / ≤1 d", "≤7天 / ≤7 d", "超过7天 / more")
"""The steps of the histogram, in words."""


@app.command("tick")
def tick(
    database: Database,
    grace: Annotated[
        int,
        typer.Option(
            "--grace",
            min=0,
            help="为在途事项留出的秒数,用 --at 时不留 / seconds left to acts still on their way; none with --at",
        ),
    ] = 60,
    explain: Annotated[
        bool, typer.Option("--explain", help="并说明仍逾期的期限及原因 / then say what is still late, and why")
    ] = False,
    max_skew: MaxSkew = 1,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """触发已到期的期限;演示批次可用 --at 指定时刻。 / Fires what has run out; exit code 4 when one would not fire."""
    workflow = workflow_on(database, at)
    # Nothing is on its way to a demonstration: its clock stands still.
    left = timedelta(seconds=grace if at is None else 0)
    swept = workflow.tick(grace=left, max_skew=measured_skew(workflow, max_skew))
    late = workflow.overdue(limit=100) if explain else None
    if as_json:
        print_json(swept_row(swept) | ({"overdue": overdue_row(late)} if late is not None else {}))
    else:
        show_swept(swept)
        show_fired(workflow, swept.fired)
        if late is not None:
            show_overdue(workflow, late)
    if swept.refused or swept.behind or any(each.status != "retrying" for each in swept.stuck):
        raise typer.Exit(BROKEN)


@app.command("overdue")
def overdue(
    database: Database,
    round_id: Annotated[str | None, typer.Option("--round", help="批次编号 / of this round")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="每类最多条数 / at most so many of each sort")] = 100,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """逾期未触发的期限及原因,并列无截止的等待。 / What is late and why; exit code 4 when some of it needs a person."""
    workflow = workflow_on(database, at)
    if round_id is not None:
        round_of(workflow, round_id)
    found = workflow.overdue(round_id, limit=limit)
    if as_json:
        print_json(overdue_row(found))
    else:
        show_overdue(workflow, found)
    if found.waits_for_a_person:
        raise typer.Exit(BROKEN)


@deadlines.command("list")
def deadline_list(case: CaseId, database: Database, as_json: AsJson = False) -> None:
    """一件的各项期限:状态、截止、剩余、提醒。 / The deadlines of a case, what is left of them, and who is told."""
    workflow = workflow_on(database)
    case = case_of(workflow, case)
    found = workflow.deadlines(case)
    if as_json:
        return print_json([asdict(each) for each in found])
    round_id = workflow.case(case).round
    if not found:
        typer.echo("没有正在计算的期限 / no deadline runs")
    for each in found:
        runs = f"{STATUS['armed']}  " if each.status == "armed" else ""
        stands = standing_of(workflow, round_id, each.status, each.ends_at, each.remainder)
        notes = "  暂定 / provisional" if each.provisional else ""
        if each.due_at is not None and each.due_at != each.ends_at:
            notes += f"  宽限至 / grace to {end_time(workflow, round_id, each.due_at)}"
        notes += f"  缺 {each.awaits} 年 / {each.awaits} is missing" if each.awaits else ""
        typer.echo(f"{each.label} ({each.name})  {runs}{stands}{notes}")
        typer.echo(f"    {each.rule}  {each.calendar or ''}".rstrip())
        for alert in each.alerts:
            when = local_time(workflow, round_id, alert.at) if alert.at else "-"
            typer.echo(f"    {alert.label} / {alert.distance}  {when}  {STATUS[alert.status]}")
    return None


@deadlines.command("explain")
def deadline_explain(
    case: CaseId,
    database: Database,
    name: Annotated[str, typer.Argument(help="期限名称 / its name, see: ganchu deadline list CASE")],
    as_json: AsJson = False,
) -> None:
    """逐日说明一项期限的截止是怎样推算的。 / How the end of a deadline was reckoned, day by day."""
    from ganchu_workflow.cli.windows import show_reckoning

    workflow = workflow_on(database)
    found = workflow.explain(case_of(workflow, case), name)
    if as_json:
        days = found.reckoning.document() if found.reckoning else None
        return print_json({**asdict(found.deadline), "zh": found.zh, "en": found.en, "reckoning": days})
    typer.echo(f"{found.deadline.label} ({found.deadline.name})  {found.zh} / {found.en}")
    if found.reckoning is not None:
        show_reckoning(found.reckoning)
    return None


@deadlines.command("release")
def deadline_release(
    case: CaseId,
    database: Database,
    reason: Annotated[
        str, typer.Option("--reason", help="理由,长期留存,勿写姓名、联系方式 / why; kept for ever, so name nobody")
    ],
    name: Annotated[
        str | None, typer.Argument(help="期限名称,默认该案件全部 / its name; default: all of the case")
    ] = None,
    actor: As = "office",
    person: Person = "",
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """恢复停滞的期限,下次运行即再触发;批次编号指其全部。 / Lets the next sweep try it again; a round: all of its."""
    workflow = workflow_on(database, at)
    who = actor_of(actor, person)
    released = workflow.release(case_of(workflow, case), name, actor=who, reason=reason)
    if as_json:
        return print_json([asdict(each) for each in released])
    typer.echo(f"已恢复 {len(released)} 项,下次运行时触发 / released {len(released)}: the next sweep tries them")
    for each in released:
        typer.echo(
            f"    {each.case}  {each.deadline}  {each.status}  [{each.code}] {without_code(each.code, each.why)}"
        )
    return None


def overdue_row(found: Overdue) -> dict[str, Any]:
    """What is late as JSON; spans of time are seconds."""
    counted = found.tally
    return {
        "at": counted.at,
        "total": counted.total,
        "by_reason": counted.by_reason,
        "histogram": [{"up_to": s.total_seconds() if s else None, "count": n} for s, n in counted.histogram],
        "oldest": counted.oldest,
        "late": [asdict(each) | {"late_by": each.late_by.total_seconds()} for each in found.late],
        "awaiting_calendar": [asdict(each) for each in found.awaiting],
        "suspended": [asdict(each) for each in found.suspended],
        "unserved": [asdict(each) for each in found.unserved],
        "unrunnable": found.unrunnable,
        "behind": [asdict(each) for each in found.behind],
    }


def show_overdue(workflow: Workflow, found: Overdue) -> None:
    """What is late, for people: how many and by how much, then each with the reason."""
    counted = found.tally
    typer.echo(f"逾期未触发 {counted.total} 项 / late: {counted.total}")
    if counted.total:
        for words, (_, number) in zip(_STEPS, counted.histogram, strict=True):
            typer.echo(f"    {words}: {number}")
        for reason, number in counted.by_reason.items():
            if number:
                typer.echo(f"    {' / '.join(_WHY[reason])}: {number}")
    # Of a round that cannot be run nobody knows what its cases are called.
    listed: list[Place] = [*found.late, *found.awaiting, *found.suspended, *found.unserved]
    named = {each.round for each in listed} - set(found.unrunnable)
    naming = {round_id: Naming(workflow, round_id) for round_id in named}
    for late in found.late:
        _line(naming, late, f"应于 {end_time(workflow, late.round, late.due_at)}", f"逾期 {span(late.late_by)}")
        zh, en = _WHY[late.why]
        tries = f" ({late.tries}次 / {late.tries} tries)" if late.tries else ""
        again = local_time(workflow, late.round, late.again_at) if late.again_at else ""
        typer.echo(
            f"        {zh} / {en}{tries}"
            + (f": [{late.code}] {without_code(late.code, late.reason or '')}" if late.code else "")
        )
        if again and late.why in ("refused", "retrying", "unrunnable"):
            typer.echo(f"        再试 / again {again}")
        if late.why == "parked":
            typer.echo(f"        ganchu deadline release {late.case} {late.deadline} --as office --reason …")
    _rest("待放假安排 / waiting for a year's calendar", found.awaiting)
    for waiting in found.awaiting:
        loaded = "下次运行即起算 / starts at the next sweep"
        missing = f"缺 {waiting.year} 年,请导入 / {waiting.year} is missing: ganchu calendar import"
        year = missing if waiting.year else loaded
        _line(naming, waiting, f"起于 {local_time(workflow, waiting.round, waiting.since)}", year)
    _rest("已中止,须以办理恢复 / suspended, until an act lets it go on", found.suspended)
    for suspended in found.suspended:
        since = local_time(workflow, suspended.round, suspended.since)
        _line(naming, suspended, f"自 {since}", left_of(suspended.left))
    _rest("起算事实未登记 / the fact is missing that a period starts at", found.unserved)
    for unserved in found.unserved:
        since = local_time(workflow, unserved.round, unserved.since)
        _line(naming, unserved, f"自 {since}", f"缺 / missing: {unserved.fact}")
    for round_id, why in found.unrunnable.items():
        typer.echo(f"批次无法运行 / cannot be run: {round_id}  {why}")
    for behind in found.behind:
        why = behind.why or "下次运行时采用 / the next sweep has it adopt it"
        typer.echo(f"未采用新日历 / calendar not adopted: {behind.code} {behind.round}  {why}")
    if counted.total > len(found.late):
        typer.echo("仅列出部分,见 --limit / not all are listed: --limit")


def span(late_by: timedelta) -> str:
    """A span of time in the largest units that matter, zh first."""
    minutes, seconds = divmod(int(late_by.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}天{hours}小时 / {days} d {hours} h"
    if hours:
        return f"{hours}小时{minutes}分 / {hours} h {minutes} min"
    return f"{minutes}分{seconds}秒 / {minutes} min {seconds} s"


def _line(naming: Mapping[str, Naming], item: Place, *rest: str) -> None:
    owner = item.owner or "-"
    named = item.deadline if item.label == item.deadline else f"{item.label} ({item.deadline})"
    number = _number(naming.get(item.round), item.case)
    case = f"    {number} {item.case}" if number else f"    {item.case}"
    typer.echo("  ".join((case, item.kind, item.state, named, str(owner), *rest)))


def _number(naming: Naming | None, case_id: str) -> str:
    """What an official calls the case; nothing where the rows of its round cannot be read: it is listed."""
    try:
        return naming.name(naming.everybody[case_id]) if naming is not None else ""
    except Exception:
        return ""


def _rest(title: str, items: Iterable[Any]) -> None:
    number = len(tuple(items))
    if number:
        typer.echo(f"{title}: {number}")
