"""The events of a case for people: what moved when and by whom; beneath it on what ground, until when, entered how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from ganchu_workflow.cli.ends import changes_in, fired_already, named, show_fired_already, standing_of
from ganchu_workflow.cli.terminal import local_time

if TYPE_CHECKING:
    from ganchu_workflow.process.definition import Process
    from ganchu_workflow.workflow import Workflow

_BENEATH = " " * 5
Changed = dict[str, dict[str, Any]]
"""How each deadline of the case stands, by name."""


def show_history(workflow: Workflow, round_id: str, events: list[dict[str, Any]]) -> None:
    """A line for each event, oldest first, and what belongs to it beneath."""
    from ganchu_workflow.clock import from_text

    process = _process_of(workflow, round_id)
    stood: Changed = {}
    for e in events:
        at = local_time(workflow, round_id, from_text(e["effective_at"]))
        moved = f"{e['source'] or '∅'} → {e['target']}" if e["refusal"] is None else f"✗ {e['refusal']['code']}"
        typer.echo(f"{e['seq']:>3}  {at}  {e['trigger']}  {moved}  {e['actor']['role']}")
        for line in (*_entry(workflow, round_id, e), *_rests_on(e), *_ends(workflow, round_id, process, e, stood)):
            typer.echo(_BENEATH + line)
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


def _ends(
    workflow: Workflow, round_id: str, process: Process | None, event: Mapping[str, Any], stood: Changed
) -> Iterator[str]:
    """The new end of each deadline that the event changed, and the old one; of an outage from when to when it was."""
    data = event["data"]
    if "fired_already" in data:
        began, ended, until = (
            local_time(workflow, round_id, datetime.fromisoformat(data[name])) for name in ("began", "ended", "until")
        )
        yield f"故障 / outage: {began} – {ended}  顺延至 / until {until}"
    for row in {row["deadline"]: row for row in changes_in(process, event)}.values():
        before = stood.get(row["deadline"])
        stood[row["deadline"]] = row
        if row["status"] in ("gone", "fired"):
            continue
        now, was = (
            standing_of(workflow, round_id, each["status"], each["ends_at"], each["remainder"]) if each else ""
            for each in (row, before if before and before["status"] == "armed" else None)
        )
        yield f"{named(row)}: {now}" + (f"  原 / was {was}" if was and was != now else "")
