"""The events of a case for people: what moved when and by whom; beneath it on what ground, until when, entered how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import typer

from ganchu_workflow.cli.ends import changes_in, fired_already, is_outage, label_of, named, show_fired_already, stood
from ganchu_workflow.cli.terminal import end_time, local_time

if TYPE_CHECKING:
    from ganchu_workflow.process.definition import Process
    from ganchu_workflow.workflow import Workflow

_BENEATH = " " * 5
Changed = dict[str, dict[str, Any]]
"""How each deadline of the case stands, by name."""
_SORTS = {
    "resolved": ("开始计算", "run now"),
    "later": ("顺延", "later"),
    "kept": ("不提前、保持不变", "kept"),
    "printed": ("以印发为准", "as printed"),
    "fired_already": ("此前已触发", "fired already"),
    "unreckoned": ("无法复算", "not reckoned"),
}
"""What an import has meant for the ends of a round, by the names under which its event counts them."""


def show_history(workflow: Workflow, round_id: str, events: list[dict[str, Any]]) -> None:
    """A line for each event, oldest first, and what belongs to it beneath."""
    from ganchu_workflow.clock import from_text

    process = _process_of(workflow, round_id)
    before: Changed = {}
    for e in events:
        at = local_time(workflow, round_id, from_text(e["effective_at"]))
        moved = f"{e['source'] or '∅'} → {e['target']}" if e["refusal"] is None else f"✗ {e['refusal']['code']}"
        typer.echo(f"{e['seq']:>3}  {at}  {e['trigger']}  {moved}  {e['actor']['role']}")
        beneath = (
            _entry(workflow, round_id, e),
            _rests_on(e),
            _round_wide(workflow, round_id, e),
            _alert(process, e),
            _ends(workflow, round_id, process, e, before),
        )
        for line in chain.from_iterable(beneath):
            typer.echo(_BENEATH + line)
        if is_outage(e):
            show_fired_already(workflow, round_id, fired_already(workflow, process, e))


def _process_of(workflow: Workflow, round_id: str) -> Process | None:
    """The process of the round; None where what is installed cannot run it: its history is told all the same."""
    from ganchu_workflow.errors import WorkflowError

    try:
        return workflow.process(round_id)
    except WorkflowError:
        return None


def _entry(workflow: Workflow, round_id: str, event: Mapping[str, Any]) -> Iterator[str]:
    """补录: by whom it was entered, when it was received and when it was recorded."""
    from ganchu_workflow.clock import from_text

    if event["entry"] is None:
        return
    by = event["entry"]["by"]
    who = by["role"] + (f":{by['scope']}" if by["scope"] else "") + (f"#{by['person']}" if by["person"] else "")
    received, recorded = (
        local_time(workflow, round_id, from_text(event[name])) for name in ("received_at", "recorded_at")
    )
    yield f"补录 / entered late: {who}  收到 / received {received}  录入 / recorded {recorded}"


def _rests_on(event: Mapping[str, Any]) -> Iterator[str]:
    """The ground and the document, where they are no private text."""
    data = event["data"]
    said = {
        "依据 / ground": data.get("ground"),
        "文件 / document": event["document"] or data.get("document"),
    }
    words = [f"{what}: {text}" for what, text in said.items() if isinstance(text, str) and text]
    if words:
        yield "  ".join(words)


def _round_wide(workflow: Workflow, round_id: str, event: Mapping[str, Any]) -> Iterator[str]:
    """Of an outage, from when to when it was; of an import that the round has taken notice of, what became of ends."""
    from ganchu_workflow.engine.requests import ADOPT

    data = event["data"]
    if is_outage(event):
        began, ended, until = (datetime.fromisoformat(data[name]) for name in ("began", "ended", "until"))
        lasted = f"{local_time(workflow, round_id, began)} – {local_time(workflow, round_id, ended)}"
        yield f"故障 / outage: {lasted}  顺延至 / until {end_time(workflow, round_id, until)}"
    if event["trigger"] == ADOPT and data:
        # The event of a case lists the ends that that of the round has no room for.
        found = {sort: data[sort] for sort in _SORTS if sort in data}
        counts = {sort: len(of) if isinstance(of, list) else of["count"] for sort, of in found.items()}
        zh = ",".join(f"{_SORTS[sort][0]} {count}" for sort, count in counts.items())
        en = ", ".join(f"{_SORTS[sort][1]} {count}" for sort, count in counts.items())
        yield f"采用工作日历 / adopted calendar {data.get('to', '')}: {zh} / {en}"


def _alert(process: Process | None, event: Mapping[str, Any]) -> Iterator[str]:
    """Of a reminder or an escalation, which one it was, and whether anybody was told."""
    if event["outcome"] != "deadline_alerted":
        return
    name = event["deadline"]["name"]
    done = "督办" if name.endswith(" after") else "提醒"
    told = f"已{done} / told" if event["data"]["told"] else f"未{done}(已届满) / nobody was told: it had run out"
    yield f"{label_of(process, event['kind'], name)} ({name}): {told}"


def _ends(
    workflow: Workflow, round_id: str, process: Process | None, event: Mapping[str, Any], before: Changed
) -> Iterator[str]:
    """The new end of each deadline that the event changed, and the old one."""
    for row in {row["deadline"]: row for row in changes_in(process, event)}.values():
        old = before.get(row["deadline"])
        before[row["deadline"]] = row
        if row["status"] in ("gone", "fired"):
            continue
        now, was = (
            stood(workflow, round_id, each["status"], each["ends_at"], each["remainder"]) if each else ""
            for each in (row, old if old and old["status"] == "armed" else None)
        )
        yield f"{named(row)}: {now}" + (f"  原 / was {was}" if was and was != now else "")
