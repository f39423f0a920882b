"""The command behind `ganchu demo`: the first round at its real size, or the short story, in simulated time."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path

import typer

from ganchu_workflow.audit.verify import Report
from ganchu_workflow.cli.demo import MARK
from ganchu_workflow.cli.demo.first_round import FirstRound, Unexpected
from ganchu_workflow.cli.demo.inputs import Inputs, first_round_folder
from ganchu_workflow.cli.demo.measure import Progress, measured
from ganchu_workflow.cli.demo.narrator import ZONE, Narrator
from ganchu_workflow.cli.demo.story import Story
from ganchu_workflow.cli.papers.folder import Papers, check_folder, mark_folder, write_folder
from ganchu_workflow.cli.papers.funnel import city_table, funnel_table
from ganchu_workflow.cli.papers.html import DEMONSTRATION_DESK
from ganchu_workflow.cli.papers.jsonl import write_history
from ganchu_workflow.cli.terminal import BROKEN, console
from ganchu_workflow.clock import SimulatedClock
from ganchu_workflow.entropy import SeededEntropy
from ganchu_workflow.errors import Invalid
from ganchu_workflow.workflow import Workflow

SEED = "ganchu demo"
FOLDER = Path("ganchu-demo")
"""Where the papers of the first round are written to, unless another folder is named."""
MAIL = "mail"
"""The folder, inside that one, in which the demonstration leaves its mail."""
_LETTER = re.compile(r"[0-9a-v]{26}\.eml")
"""The name of a letter: the id of its message."""


def run_first_round(database: str | None, folder: Path, inputs: Path | None) -> int:
    """Play the first round, write its papers to `folder` and verify it; 0 when the record is whole.

    The same output and the same files, to the byte, every time; how long it took goes to the terminal's error stream.
    """
    read = Inputs(inputs or first_round_folder())
    check_folder(folder, beside=[MAIL])
    with _workflow(database) as (workflow, clock):
        mark_folder(folder)  # where nothing can be written, nobody need wait for the end to hear it
        with measured(workflow) as (say, progress):
            say(f"【{MARK}】除新闻发布会点名的十项产品及其所述事实外,企业、产品、名额、评分、意见、日期均为虚构。")
            round_id = FirstRound(workflow, clock, read, say, progress).play()
            sent = leave_mail(workflow, round_id, folder, progress)
            progress("核验与出件", 0, 1)
            papers = write_folder(workflow, round_id, folder, desk=DEMONSTRATION_DESK, beside=[MAIL])
        _show(papers, folder)
        typer.echo(f"  {MAIL}/  通知邮件 {sent} 封(.eml,未寄出)")
        typer.echo("\n── 记录")
        return _verdict(papers.report)


def leave_mail(workflow: Workflow, round_id: str, folder: Path, progress: Progress) -> int:
    """Leave every message of the round in the folder as a letter; nothing is sent. How many there are."""
    mail = folder / MAIL
    # Marked first: if it ends in the middle, what lies there is known to be ours. The channel makes its own folder.
    mark_folder(folder)
    for old in mail.glob("*.eml"):
        if _LETTER.fullmatch(old.name):
            old.unlink()
    eml = {"use": "eml", "folder": str(mail), "durable": False}
    settings = {"channels": {"eml": eml}, "routes": {"default": ["eml"]}}
    dispatcher, sent, messages = workflow.dispatcher(settings), 0, len(workflow.messages(round_id))
    while (done := dispatcher.run_once()).total:
        if done.total != done.delivered:
            raise Unexpected(f"a message could not be delivered: {done}")
        sent += done.delivered
        progress("通知邮件", sent, messages)
    return sent


def _show(papers: Papers, folder: Path) -> None:
    out = console()
    typer.echo("\n── 各环节去向")
    out.print(funnel_table(papers.funnel))
    typer.echo("\n── 各地去向")
    out.print(city_table(papers.funnel))
    typer.echo(f"\n── 出件:{folder.name}/")
    for written in papers.files:
        typer.echo(f"  {written.name}  {written.what}")
    for remark in papers.remarks:
        typer.echo(f"  ! {remark}")


def run_small(database: str | None, events: Path | None) -> int:
    """Play the short story of thirteen invented applications and verify it; 0 when the record is whole.

    The same output, to the byte, every time. Without `database` it plays in a temporary file.
    """
    if events is not None and not events.parent.is_dir():
        raise Invalid(f"the folder '{events.parent}' does not exist; create it first")
    if events is not None and events.is_dir():
        raise Invalid(f"'{events}' is a folder; name a file")
    with _workflow(database) as (workflow, clock):
        return _play(workflow, clock, events)


@contextmanager
def _workflow(database: str | None) -> Iterator[tuple[Workflow, SimulatedClock]]:
    """A workflow on an empty database, or on a temporary file, and the clock it goes by."""
    with tempfile.TemporaryDirectory(prefix="ganchu-demo-") as folder:
        clock = SimulatedClock(datetime(2021, 7, 30, 9, tzinfo=ZONE))
        workflow = Workflow(database or f"sqlite:///{folder}/demo.db", clock=clock, entropy=SeededEntropy(SEED))
        workflow.migrate()
        if workflow.rounds():
            raise Invalid("this database already holds a round; give the demonstration an empty one")
        try:
            yield workflow, clock
        finally:
            workflow.database.dispose()


def _play(workflow: Workflow, clock: SimulatedClock, events: Path | None) -> int:
    narrator = Narrator(workflow, clock, typer.echo)
    typer.echo(f"【{MARK}】以下企业、产品、部门、文号均为虚构;未注明出处的期限和名额为默认值,不是“赣出精品”的规定。")
    story = Story(narrator)
    with as_file(files("ganchu_workflow.cli.demo") / "plan.toml") as plan:
        story.play(plan)
    typer.echo("\n── 结果")
    for name, state in narrator.states():
        typer.echo(f"  {name}  {state}")
    round_id = narrator.round
    kinds = Counter(c.kind for c in workflow.cases(round_id))
    typer.echo("\n── 记录")
    typer.echo("  案件:" + ",".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    typer.echo(
        f"  待发消息 {len(workflow.messages(round_id))} 条;被拒绝的尝试 {len(workflow.attempts(round_id))} 次,均有记录"
    )
    if events is not None:
        with events.open("w", encoding="utf-8", newline="\n") as out:
            write_history(workflow, round_id, out)
        typer.echo(f"  事件已写入 {events.name}")
    return _verdict(workflow.verify())


def _verdict(report: Report) -> int:
    for problem in report.problems:
        typer.echo(f"  ✗ {problem}")
    verdict = "完整,与各案状态一致" if report.ok else f"发现 {len(report.problems)} 处问题"
    typer.echo(f"  核验 {report.cases} 件案件、{report.events} 条事件:{verdict}")
    typer.echo(f"【{MARK}】")
    return 0 if report.ok else BROKEN
