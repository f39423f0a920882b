"""What a year's notice means for the rounds that go by it: the ends that run now, move, or stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from ganchu_workflow.cli.selecting import Naming
from ganchu_workflow.cli.terminal import local_time

if TYPE_CHECKING:
    from ganchu_workflow.engine.calendar_import import Adopted
    from ganchu_workflow.workflow import Workflow

_SORTS = {
    "resolved": "开始计算的期限 / deadlines that run now",
    "later": "顺延的期限 / ends that move later",
    "kept": "按新日历将提前、保持不变的期限 / ends that would be earlier, and stand",
    "printed": "按新日历不足期限或逢放假、以印发为准的截止 / printed ends, short now or on a day off: they stand",
    "fired_already": "按新日历尚未届满、已经触发的期限 / what has fired and would not have yet",
    "unreckoned": "无法复算、保持不变的期限 / what cannot be reckoned once more, and stands",
}
_OVER = "已届满,下次运行即触发 / over already: it fires at the next sweep"
_WOULD_BE_OVER = (
    "导入即已届满;不应即行届满的,导入前先中止(deadline:suspend),导入后再恢复 / would be over at once; "
    "where that should not be, suspend it before the import (deadline:suspend), and let it go on after it"
)


def adopted_row(workflow: Workflow, found: Adopted) -> dict[str, Any]:
    """What it means for one round, as JSON; `over` says of an end that runs now whether it has passed already."""
    keys = ("case", "deadline", "was", "by_the_new_calendar")
    ends = {sort: [dict(zip(keys, end, strict=True)) for end in getattr(found, sort)] for sort in _SORTS}
    for row in ends["resolved"]:
        row["over"] = _is_over(workflow, row["by_the_new_calendar"])
    about = {"round": found.round, "code": found.code, "counts": dict(found.counts)}
    return {**about, **ends, "error": found.error.message if found.error else None}


def show_adopted(workflow: Workflow, rounds: Sequence[Adopted], *, dry_run: bool) -> None:
    """What it means for each round, or would mean, in the terminal."""
    from ganchu_workflow.clock import from_text

    if not rounds:
        typer.echo("各批次均已采用 / every round goes by it already")
    for found in rounds:
        typer.echo(f"{found.code}  {found.round}")
        if found.error:
            typer.echo(f"    未采用 / not adopted yet: {found.error.message}", err=True)
        # Only of a round whose ends are listed is it certain that the installed stages can run it.
        naming = Naming(workflow, found.round) if any(getattr(found, sort) for sort in _SORTS) else None
        for sort, words in _SORTS.items():
            ends = getattr(found, sort)
            if ends:
                typer.echo(f"    {words}: {found.counts[sort]}")
            for case, deadline, was, new in ends:
                shown = [local_time(workflow, found.round, from_text(end)) if end else "-" for end in (was, new)]
                typer.echo(f"        {_named(naming, case, deadline)}  {shown[0]} → {shown[1]}")
                if sort == "resolved" and _is_over(workflow, new):
                    typer.echo(f"            {_WOULD_BE_OVER if dry_run else _OVER}")
            if found.counts.get(sort, 0) > len(ends):
                typer.echo("        仅列出部分,其余见各件的历史 / not all are listed: see the history of each case")


def _is_over(workflow: Workflow, end: str | None) -> bool:
    from ganchu_workflow.clock import from_text

    return end is not None and from_text(end) < workflow.clock.now()


def _named(naming: Naming | None, case_id: str, deadline: str) -> str:
    """What an official calls the case and its deadline, and both ids."""
    case = naming.everybody.get(case_id) if naming is not None else None
    if naming is None or case is None:
        return f"{case_id}  {deadline}"
    timer = naming.process.kind(case.kind).timer(deadline)
    label = timer.deadline.label if timer is not None else ""
    return f"{naming.name(case)} {case_id}".lstrip() + "  " + (f"{label} ({deadline})" if label else deadline)
