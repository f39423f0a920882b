"""The command behind `ganchu demo`: a database, a simulated clock, the story, the states, the verification."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path

import typer

from ganchu_workflow.canonical import encode
from ganchu_workflow.cli.demo import MARK
from ganchu_workflow.cli.demo.narrator import ZONE, Narrator
from ganchu_workflow.cli.demo.story import Story
from ganchu_workflow.clock import SimulatedClock
from ganchu_workflow.entropy import SeededEntropy
from ganchu_workflow.errors import Invalid
from ganchu_workflow.workflow import Workflow

SEED = "ganchu demo"


def run_demo(database: str | None, events: Path | None) -> int:
    """Play the demonstration and verify it; 0 when the record is whole. The same output, to the byte, every time.

    Without `database` it plays in a temporary file. A database that already holds a round is refused.
    """
    if events is not None and not events.parent.is_dir():
        raise Invalid(f"the folder '{events.parent}' does not exist; create it first")
    if events is not None and events.is_dir():
        raise Invalid(f"'{events}' is a folder; name a file")
    with tempfile.TemporaryDirectory(prefix="ganchu-demo-") as folder:
        clock = SimulatedClock(datetime(2021, 7, 30, 9, tzinfo=ZONE))
        workflow = Workflow(database or f"sqlite:///{folder}/demo.db", clock=clock, entropy=SeededEntropy(SEED))
        workflow.migrate()
        if workflow.rounds():
            raise Invalid("this database already holds a round; give the demonstration an empty one")
        try:
            return _play(workflow, clock, events)
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
        _write_events(workflow, round_id, events)
        typer.echo(f"  事件已写入 {events.name}")
    report = workflow.verify()
    for problem in report.problems:
        typer.echo(f"  ✗ {problem}")
    verdict = "完整,与各案状态一致" if report.ok else f"发现 {len(report.problems)} 处问题"
    typer.echo(f"  核验 {report.cases} 件案件、{report.events} 条事件:{verdict}")
    typer.echo(f"【{MARK}】")
    return 0 if report.ok else 4


def _write_events(workflow: Workflow, round_id: str, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write(encode({"mark": MARK}) + "\n")
        for case in workflow.cases(round_id):
            for event in workflow.history(case):
                out.write(encode(event) + "\n")
