"""Ends in words: how a deadline stands, which ones an act changed and what came after it, what ran out before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from ganchu_workflow.cli.terminal import end_time, receipt_row

if TYPE_CHECKING:
    from ganchu_workflow.engine.events import Receipt
    from ganchu_workflow.process.definition import Process
    from ganchu_workflow.process.values import CaseView
    from ganchu_workflow.workflow import Workflow

SHOWN = 20
"""How many deadlines that a sweep has fired are named."""
STATUS = {
    "armed": "计算中 / runs",
    "stopped": "停止计算 / stopped",
    "suspended": "已中止 / suspended",
    "fired": "已届满 / ran out",
    "awaiting_calendar": "待放假安排公布 / waits for a year's calendar",
    "gone": "不再计算 / over",
}


def left_of(remainder: str | None) -> str:
    """What is left of a deadline that does not run, zh first."""
    from ganchu_workflow.timing.left import read_left

    if remainder is None:
        return "已无剩余 / nothing is left"
    limit = read_left(remainder)
    return f"剩余{limit.label_zh('恢复当日')} / left: {limit.label_en('day of resuming')}"


def standing_of(workflow: Workflow, round_id: str, status: str, ends_at: datetime | None, left: str | None) -> str:
    """How a deadline stands now: as `stood`, and of an end that runs also whether it lies on a day off."""
    rests = status == "armed" and ends_at is not None and days_off(workflow, round_id)(ends_at)
    return stood(workflow, round_id, status, ends_at, left) + ("  休息日 / on a day off" if rests else "")


def stood(workflow: Workflow, round_id: str, status: str, ends_at: datetime | None, left: str | None) -> str:
    """The end of a deadline that ran; of any other how it stood, and what was left of it. No calendar is asked."""
    if status == "armed" and ends_at is not None:
        return end_time(workflow, round_id, ends_at)
    if status in ("stopped", "suspended"):
        return f"{STATUS[status]}  {left_of(left)}"
    return STATUS[status] + (f"  {end_time(workflow, round_id, ends_at)}" if ends_at is not None else "")


def days_off(workflow: Workflow, round_id: str) -> Callable[[datetime], bool | None]:
    """Says of an end whether it lies on a day off by the calendar of its round; None: nobody can say."""
    from zoneinfo import ZoneInfo

    from ganchu_workflow.engine.explaining import rest_day

    zone = ZoneInfo(workflow.case(round_id).facts["plan"]["timezone"])
    calendar = workflow.calendar_in_force(round_id)
    return lambda end: rest_day(end.astimezone(zone), calendar)


def named(row: Mapping[str, Any]) -> str:
    """A deadline as an official calls it, and its name."""
    return f"{row['label']} ({row['deadline']})"


def changes_in(process: Process | None, event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The deadlines that an event changed, reminders left out: how each stands after it.

    Without a process, where the round cannot be run any more, they go by their names.
    """
    from ganchu_workflow.clock import from_text

    found = []
    for change in event["deadlines"]:
        name = change["name"]
        if " " in name:
            continue  # an alert: its name is that of its deadline, and the distance
        end = change.get("shown_at") or change.get("due_at")
        found.append(
            {
                "case": event["case"],
                "deadline": name,
                "label": label_of(process, event["kind"], name),
                "status": change["status"],
                "ends_at": from_text(end) if end else None,
                "remainder": change.get("remainder"),
            }
        )
    return found


# ── after an act ──


def outcome_row(workflow: Workflow, receipt: Receipt) -> dict[str, Any]:
    """What an act did, as JSON: its receipt, the deadlines it changed, where its case came to after it.

    Of an outage also what had run out in it already.
    """
    act, *rest = workflow.followed(receipt)
    process = workflow.process(act["round"])
    last = {(row["case"], row["deadline"]): row for event in (act, *rest) for row in changes_in(process, event)}
    steps = [e for e in rest if e["case"] == receipt.case_id and e["source"] != e["target"]]
    rests = days_off(workflow, act["round"])
    for each in last.values():
        each["rest_day"] = rests(each["ends_at"]) if each["ends_at"] is not None else None
    row = receipt_row(receipt) | {
        "deadlines": list(last.values()),
        "then": [{"trigger": e["trigger"], "source": e["source"], "state": e["target"]} for e in steps],
    }
    if is_outage(act):
        row["fired_already"] = fired_already(workflow, process, act)
    return row


def is_outage(event: Mapping[str, Any]) -> bool:
    """Whether it is the event of a round whose ends an outage has moved: not that of a case, nor of an import."""
    from ganchu_workflow.engine.requests import EXTEND_ROUND

    return event["trigger"] == EXTEND_ROUND and "fired_already" in event["data"]


def fired_already(workflow: Workflow, process: Process | None, outage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What had run out in an outage, and fired, before the act that moves the ends."""
    return [
        {"case": case, "deadline": name, "label": label_of(process, workflow.case(case).kind, name), "due_at": due_at}
        for case, name, due_at in outage["data"]["fired_already"]
    ]


def show_outcome(workflow: Workflow, receipt: Receipt) -> None:
    """The deadlines that an act changed, a line for each; of other cases how many, for they may be hundreds."""
    row = outcome_row(workflow, receipt)
    round_id = workflow.case(receipt.case_id).round
    for each in row["deadlines"]:
        if each["case"] == receipt.case_id:
            stands = standing_of(workflow, round_id, each["status"], each["ends_at"], each["remainder"])
            typer.echo(f"    {named(each)}: {stands}")
    for step in row["then"]:
        typer.echo(f"    随后 / then {step['trigger']}: {step['source']} → {step['state']}")
    others = len({each["case"] for each in row["deadlines"]} - {receipt.case_id})
    if others or "fired_already" in row:
        typer.echo(f"    期限有变动的案件 {others} 件 / cases whose deadlines changed: {others}")
    if "fired_already" in row:
        show_fired_already(workflow, round_id, row["fired_already"])


def show_fired_already(workflow: Workflow, round_id: str, fired: Iterable[Mapping[str, Any]]) -> None:
    """A line for each end that an outage could not move any more."""
    from ganchu_workflow.clock import from_text

    for each in fired:
        ended = end_time(workflow, round_id, from_text(each["due_at"]))
        words = "故障期间已届满触发,未顺延 / had fired already, not moved"
        typer.echo(f"    {words}: {each['case']}  {named(each)}  {ended}")


# ── after a sweep ──


def show_fired(workflow: Workflow, fired: Sequence[Receipt]) -> None:
    """A line for each deadline that a sweep has fired: its case, what it is called, when it was due, where it led."""
    for receipt in fired[:SHOWN]:
        typer.echo(f"    {_fired_line(workflow, receipt)}")
    if len(fired) > SHOWN:
        more = len(fired) - SHOWN
        typer.echo(f"    另有 {more} 项,见各件的历史 / and {more} more, see the history of each case")


def _fired_line(workflow: Workflow, receipt: Receipt) -> str:
    case = workflow.case(receipt.case_id)
    name = workflow.history(case)[receipt.seq - 1]["deadline"]["name"]
    label = label_of(workflow.process(case.round), case.kind, name)
    due = end_time(workflow, case.round, receipt.effective_at)
    called = " ".join(filter(None, (_number_of(workflow, case), case.id)))
    return f"{called}  {label} ({name})  应于 / due {due}  → {receipt.state}"


def _number_of(workflow: Workflow, case: CaseView) -> str:
    """The 申报编号 of a case, or of the one above it; of a phase its stage. Empty where there is none."""
    if case.kind == "phase":
        return case.stage
    at: CaseView | None = case
    while at is not None and not at.facts.get("number"):
        at = workflow.case(at.parent) if at.parent else None
    return str(at.facts["number"]) if at is not None else ""


# ── on a refusal ──


@contextmanager
def telling_what_fired_first(workflow: Workflow) -> Iterator[None]:
    """Where an act is refused in the block, notes on it: what had run out before it was received is fired first."""
    from ganchu_workflow.errors import Refused

    try:
        yield
    except Refused as refused:
        for each in refused.fields.get("fired_first", ()):
            refused.add_note(_fired_first(workflow, each))
        raise


def _fired_first(workflow: Workflow, fired: Mapping[str, str]) -> str:
    from ganchu_workflow.clock import from_text

    case = workflow.case(fired["case"])
    label = label_of(workflow.process(case.round), case.kind, fired["deadline"])
    ended = end_time(workflow, case.round, from_text(fired["due_at"]))
    words = "已先行届满并触发 / had run out, and was fired first"
    return f"{words}: {case.id}  {label} ({fired['deadline']})  {ended}  → {fired['state']}"


def label_of(process: Process | None, kind: str, deadline: str) -> str:
    """What an official calls a deadline, or an alert beside one; without a process, its name."""
    from ganchu_workflow.engine.deadlines import alerts_of

    if process is None:
        return deadline
    definition = process.kind(kind)
    labels = {t.name: t.deadline.label or t.name for t in definition.timers}
    alerts = {name: f"{labels[timer.name]}:{alert.label_zh}" for timer, alert, name in alerts_of(definition)}
    return (labels | alerts).get(deadline, deadline)
