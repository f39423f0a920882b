"""`ganchu outbox`: the messages on their way outward, and what a person does about those that do not arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli.selecting import case_of
from ganchu_workflow.cli.terminal import (
    BROKEN,
    As,
    AsJson,
    Database,
    Person,
    actor_of,
    local_time,
    print_json,
    require_real_time,
    round_of,
    workflow_on,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ganchu_workflow.engine.outbox import Entry, Outbox
    from ganchu_workflow.workflow import Workflow

app = typer.Typer(help="发件箱 / the messages on their way outward", no_args_is_help=True)

Messages = Annotated[list[str] | None, typer.Argument(help="消息编号 / the ids of messages")]
Status = Annotated[
    str | None, typer.Option("--status", help="状态 / the status: waiting, retrying, delivered, dead, stuck, dropped …")
]
OfChannel = Annotated[str | None, typer.Option("--channel", help="只处理该渠道 / over this channel alone")]
Reason = Annotated[
    str, typer.Option("--reason", help="理由,长期留存,勿写姓名、联系方式 / why; kept for ever, so name nobody")
]


@app.command("list")
def outbox_list(
    database: Database,
    round_id: Annotated[str | None, typer.Option("--round", help="批次编号 / of this round")] = None,
    status: Status = None,
    message: Annotated[str | None, typer.Option("--message", help="消息编号 / this message, with its text")] = None,
    case: Annotated[
        str | None,
        typer.Option(
            "--case",
            help="案件编号,或 number:申报编号 / told by this case, or by one under it",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="收件方,如 applicant:e1 / to this recipient, or to all of a role")
    ] = None,
    channels: Annotated[
        Path | None,
        typer.Option(
            "--channels", help="投递设置 (TOML),未发的按其文本 / what is unsent in the words of these settings"
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="最多条数 / at most so many")] = 100,
    as_json: AsJson = False,
) -> None:
    """列出消息及其投递情况,先发生的在前。 / Lists the messages and how far each has come, in the order of telling.

    What has not been sent yet is shown in the words it would be sent in now.
    """
    workflow = workflow_on(database)
    if round_id is not None:
        round_of(workflow, round_id)
    about = case_of(workflow, case, round_id) if case is not None else None
    if about is not None:
        workflow.case(about)
    found = workflow.outbox.entries(round=round_id, status=status, message=message, case=about, to=to, limit=limit)
    if as_json:
        return print_json([asdict(entry) for entry in found])
    words = _words(workflow, found, channels)
    for entry in found:
        at = local_time(workflow, entry.round, entry.created_at)
        subject, text = words[entry.message_id] if entry.subject is None else (entry.subject, entry.text)
        typer.echo(f"{entry.message_id}  {at}  {entry.recipient}  {entry.channel or '-'}  {entry.status}  {subject}")
        for note in _notes(workflow, entry):
            typer.echo(f"    {note}")
        if message is not None and text:
            typer.echo(text)
    return None


def _words(workflow: Workflow, entries: Sequence[Entry], channels: Path | None) -> dict[str, tuple[str, str]]:
    """Subject and text of what has not been sent, by message; of what cannot be put into words its kind, and why."""
    from ganchu_workflow.errors import Invalid
    from ganchu_workflow.plugins import DISPATCHERS, Registry

    teller = workflow.dispatcher(channels) if channels else Registry.discover(DISPATCHERS).get("default").brought
    say = getattr(teller, "words", None)
    found = {}
    for unsent in workflow.outbox.to_be_said({e.message_id for e in entries if e.subject is None}).values():
        try:
            subject, text = say(unsent) if say is not None else (unsent.kind, "-")
            found[unsent.id] = subject, f"尚未发出,拟发内容 / not sent yet; what it would say now:\n{text}"
        except Invalid as error:
            found[unsent.id] = unsent.kind, f"尚未发出,无法成文 / not sent, and has no words: {error.message}"
    return found


@app.command("retry")
def outbox_retry(
    database: Database,
    reason: Reason,
    messages: Messages = None,
    status: Status = None,
    channel: OfChannel = None,
    actor: As = "office",
    person: Person = "",
    as_json: AsJson = False,
) -> None:
    """重新投递死信或待查消息。 / Hands dead or stuck messages in again: those named, or all of a status."""
    outbox = workflow_on(database).outbox
    who = actor_of(actor, person)
    chosen = _chosen(outbox, messages, status, channel)
    done = [(m, c) for m, only in chosen for c in outbox.retry(m, only, actor=who, reason=reason)]
    _say(done, "重新投递", "handed in again", as_json)


@app.command("drop")
def outbox_drop(
    database: Database,
    reason: Reason,
    messages: Messages = None,
    status: Status = None,
    channel: OfChannel = None,
    actor: As = "office",
    person: Person = "",
    as_json: AsJson = False,
) -> None:
    """放弃未送达的消息,记录保留。 / Gives up messages that have not been delivered; their rows stay."""
    outbox = workflow_on(database).outbox
    who = actor_of(actor, person)
    chosen = _chosen(outbox, messages, status, channel)
    done = [(m, c) for m, only in chosen for c in outbox.drop(m, only, actor=who, reason=reason)]
    _say(done, "放弃", "dropped", as_json)


@app.command("deliver")
def outbox_deliver(
    database: Database,
    channels: Annotated[
        Path, typer.Option("--channels", help="投递设置 (TOML) / channels, routes, addresses, language")
    ],
    limit: Annotated[int, typer.Option("--limit", min=1, help="每批条数 / how many at a time")] = 100,
    name: Annotated[str, typer.Option("--dispatcher", help="投递器 / the dispatcher that is to do it")] = "default",
    as_json: AsJson = False,
) -> None:
    """投递当前应投递的消息。 / Delivers what is due now; exit code 4 when some of it waits for a person."""
    require_real_time("ganchu outbox deliver")
    workflow = workflow_on(database)
    dispatcher = workflow.dispatcher(channels, name=name)
    runs = [dispatcher.run_once(limit)]
    while runs[-1].total >= limit:
        runs.append(dispatcher.run_once(limit))
    done = {key: sum(getattr(run, key) for run in runs) for key in ("delivered", "retried", "dead", "stuck", "left")}
    later = workflow.outbox.not_due()
    if as_json:
        print_json(done | {"not_due": {status: number for status, number, _ in later}})
    else:
        typer.echo(
            f"送达 {done['delivered']},待重试 {done['retried']},死信 {done['dead']},待查 {done['stuck']} / "
            f"delivered {done['delivered']}, to retry {done['retried']}, dead {done['dead']}, stuck {done['stuck']}"
        )
        for status, number, first in later:
            zh, en = _NOT_DUE[status]
            typer.echo(
                f"未到投递时刻 {number} 件,最早 {_of_machine(first)}:{zh} / not due yet: {number}, the first at "
                f"{_of_machine(first)}: {en}"
            )
    if done["dead"] or done["stuck"]:
        typer.echo("需人工处理 / waits for a person: ganchu outbox list --status dead (stuck)", err=True)
        raise typer.Exit(BROKEN)


_NOT_DUE = {
    "waiting": (
        "消息所记时刻晚于本机时间(演示批次的模拟时刻),本命令只按本机时间",
        "they are dated later than this machine's clock, as in a demonstration, and nothing else counts here",
    ),
    "retrying": ("前次未送达,到时再试", "they could not be delivered, and are tried again then"),
}
"""Why a message is left for later, by its status."""


def _of_machine(instant: datetime) -> str:
    return instant.astimezone().isoformat(" ", "seconds")


def _notes(workflow: Workflow, entry: Entry) -> list[str]:
    """What there is to say of an entry beside its line."""
    notes = [entry.error] if entry.error else []
    if entry.status in ("retrying", "claimed", "sending") and entry.due_at:
        until = local_time(workflow, entry.round, entry.due_at)
        notes.append(f"{'下次 / next' if entry.status == 'retrying' else '在办至 / in hand until'} {until}")
    if entry.decided_by:
        notes.append(f"{entry.decided_by}: {entry.reason}")
    return notes


def _chosen(
    outbox: Outbox, messages: list[str] | None, status: str | None, channel: str | None
) -> list[tuple[str, str | None]]:
    """The (message, channel) that are meant: those named, or all of a status. Raises `Invalid` for both or neither."""
    from ganchu_workflow.errors import Invalid

    if bool(messages) == bool(status):
        raise Invalid("name the messages, or give --status to take all that stand in it; one of the two")
    if messages:
        return [(message, channel) for message in dict.fromkeys(messages)]
    found: list[Any] = outbox.entries(status=status, limit=100_000)
    return [(e.message_id, e.channel) for e in found if e.channel and channel in (None, e.channel)]


def _say(done: list[tuple[str, str]], zh: str, en: str, as_json: bool) -> None:
    if as_json:
        return print_json([{"message": message, "channel": channel} for message, channel in done])
    typer.echo(f"已{zh} {len(done)} 件 / {en}: {len(done)}")
    return None
