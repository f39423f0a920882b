"""`ganchu worker`: the heartbeat in the foreground, until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli.ends import show_fired
from ganchu_workflow.cli.terminal import (
    BROKEN,
    Database,
    Grace,
    MaxSkew,
    json_line,
    measured_skew,
    receipt_row,
    require_real_time,
    without_code,
    workflow_on,
)

if TYPE_CHECKING:
    from ganchu_workflow.heartbeat import Beat, JobRun
    from ganchu_workflow.workflow import Workflow

app = typer.Typer(help="心跳 / the heartbeat", no_args_is_help=True)

WAIT = 60
"""Seconds a database may take to be reached. Not for ever: a wrong address would look like a worker at work."""
SHOWN = 3
"""How many deadlines that would not fire are named in a line for people."""
ECHO = 0.5
"""Seconds within which a second signal is the first one again: `timeout` sends it to the process and to its group."""
BATCH = 100
"""How many messages are delivered between two sweeps."""


@app.command("worker")
def worker(
    database: Database,
    every: Annotated[int, typer.Option("--every", min=1, max=86400, help="间隔秒数 / seconds between beats")] = 30,
    grace: Grace = 60,
    max_skew: MaxSkew = 1,
    once: Annotated[bool, typer.Option("--once", help="只运行一次 / beat once, and end")] = False,
    channels: Annotated[
        Path | None,
        typer.Option("--channels", help="投递设置 (TOML),同时投递通知 / deliver messages by this file"),
    ] = None,
    wait: Annotated[
        int | None,
        typer.Option(
            "--wait", min=0, help=f"等待数据库的秒数 / seconds to wait for a database ({WAIT}; with --once 0)"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / a JSON object a line")] = False,
) -> None:
    """持续触发到期的期限,直至收到停止信号。 / Fires what is due until told to stop (SIGTERM, Ctrl-C)."""
    from ganchu_workflow.heartbeat import Heartbeat

    require_real_time("ganchu worker")
    # It would say of each beat that lasts longer than the interval that the next one was left out.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    workflow = workflow_on(database)
    lines = _Lines(workflow, as_json)
    signals = _Signals()
    patience = wait if wait is not None else 0 if once else WAIT
    if not _reached(workflow, patience, lines, signals):
        return
    jobs = [_dispatching(workflow, channels)] if channels is not None else []
    heart = Heartbeat(
        workflow,
        every=timedelta(seconds=every),
        grace=timedelta(seconds=grace),
        jobs=jobs,
        on_beat=lines.beat,
        max_skew=measured_skew(workflow, max_skew),
    )
    if once:
        beats = [heart.beat()]
        while beats[-1].more:
            beats.append(heart.beat())
        needs_a_person = any(each.status != "retrying" for each in heart.status().stuck)
        if needs_a_person or any(b.error or b.refused or b.behind or any(j.error for j in b.jobs) for b in beats):
            raise typer.Exit(BROKEN)
        return
    lines.say("started", f"开始:每 {every} 秒一次", f"started: every {every} s", every=every, grace=grace)
    with heart:
        signals.wait()
        if heart.status().beating_since is not None:
            en = "stopping when the beat has ended; another signal ends it at once"
            lines.say("stopping", "正在停止,等待本次运行结束", en)
    signals.over()
    number = heart.status().beats
    lines.say("stopped", f"已停止,共 {number} 次", f"stopped after {number} beats", beats=number)


def _reached(workflow: Workflow, patience: float, lines: _Lines, signals: _Signals) -> bool:
    """Whether the database was reached; False when told to stop before. Raises what `patience` does not help against.

    Tables that are missing or of another version are such: somebody has to migrate.
    """
    from ganchu_workflow.errors import DatabaseFault

    until = monotonic() + patience
    pause = 0.0
    while True:
        try:
            workflow.next_due()
            return True
        except DatabaseFault as fault:
            left = until - monotonic()
            # Without a reason it was never asked: the address cannot be meant, or the driver is missing.
            if "reason" not in fault.fields or left <= 0:
                raise
            if not pause:
                zh, en = f"数据库尚不可用,最多等待 {patience} 秒", f"waiting {patience} s for the database"
                lines.say("waiting", zh, f"{en}: {fault.message}", wait=patience, why=fault.message)
        pause = min(pause * 2 or 0.25, 2, left)
        if signals.wait(pause):
            return False


class _Signals:
    """SIGTERM and SIGINT: the first asks to stop, the second ends the process at once."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[int] = SimpleQueue()
        self._first: float | None = None
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        now = monotonic()
        if self._first is not None:
            if now - self._first > ECHO:
                # Every act is one transaction: the database undoes what is not finished.
                os._exit(128 + number)
            return
        self._first = now
        # Not an Event: setting one inside the very wait it interrupts can lock up.
        self._asked.put(number)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until asked to stop, or for so long; whether it was asked."""
        try:
            self._asked.get(timeout=seconds)
        except Empty:
            return False
        return True

    def over(self) -> None:
        """From now on a signal changes nothing: it would take the exit code from a process that is just ending."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)


class _Lines:
    """What the worker prints: a line for what happened, and for people what was fired beneath it; none for a beat that
    found nothing to do."""

    def __init__(self, workflow: Workflow, as_json: bool) -> None:
        self._workflow = workflow
        self._as_json = as_json
        self._turn = Lock()
        self._behind: dict[str, str] = {}

    def say(self, action: str, zh: str, en: str, **fields: Any) -> None:
        """One line: for people, or a JSON object with these fields."""
        from ganchu_workflow.heartbeat import ZONE

        at = self._workflow.clock.now()
        words = f"{at.astimezone(ZONE).isoformat(' ', 'seconds')}  {zh} / {en}"
        text = json_line({"action": action, "at": at, **fields}) if self._as_json else " ".join(words.splitlines())
        with self._turn:
            typer.echo(text)

    def beat(self, beat: Beat) -> None:
        """What a beat did, or what stood in its way. An outage is told when it begins and when it is over."""
        error = getattr(beat.error, "message", str(beat.error))
        if beat.outage == "over":
            self.say("outage_over", "数据库已恢复", "the database is back")
        if beat.skewed == "over":
            self.say("clock_skew_over", "时钟已一致,恢复触发", "the clocks agree again", **_skew(beat))
        self._done(beat)
        behind = {each.round: str(each.error) for each in beat.behind}
        if behind != self._behind:
            self._behind = behind
            words = "; ".join(f"{each.code} {each.error}" for each in beat.behind) or "none"
            self.say("behind", f"未采用新日历的批次 {len(behind)} 个", f"behind: {words}", rounds=behind)
        if beat.outage == "began":
            code = getattr(beat.error, "code", "")
            self.say("outage_began", "数据库不可用,恢复后继续", f"no database: {error}", code=code, why=error)
        elif beat.skewed == "began":
            zh, _, en = str(error).partition(" / ")
            self.say("clock_skew_began", zh, en, code="clock_skew", **_skew(beat))
        elif beat.error is not None and beat.outage == "" and beat.skewed == "":
            self.say("failed", "本次运行出错", f"the beat failed: {error}", why=error)

    def _done(self, beat: Beat) -> None:
        told = [job for job in beat.jobs if getattr(job.result, "total", 0) or (job.error and not beat.outage)]
        if not beat.fired and not beat.refused and not told:
            return
        zh, en = [f"已触发 {len(beat.fired)} 项"], [f"fired {len(beat.fired)}"]
        if beat.refused:
            zh.append(f"未触发 {len(beat.refused)} 项")
            shown = [
                f"{r['case']} {r['deadline']} [{r['code']}] {without_code(r['code'], r['why'])}"
                for r in beat.refused[:SHOWN]
            ]
            shown += ["…"] if len(beat.refused) > SHOWN else []
            en.append(f"{len(beat.refused)} did not fire: {'; '.join(shown)}")
        for job in told:
            words = _of_job(job)
            zh.append(words[0])
            en.append(words[1])
        self.say(
            "beat",
            ",".join(zh),
            ", ".join(en),
            beat=beat.number,
            fired=[receipt_row(r) for r in beat.fired],
            refused=beat.refused,
            jobs=[{"name": j.name, "error": str(j.error) if j.error else None, **_counts(j)} for j in told],
        )
        if not self._as_json:
            show_fired(self._workflow, beat.fired)


# ── the dispatcher, beside the sweep ──


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What one batch of messages came to, and whether another is waiting."""

    done: Any
    more: bool

    @property
    def total(self) -> int:
        return int(self.done.total)


def _dispatching(workflow: Workflow, channels: Path) -> Callable[[], _Delivery]:
    """The dispatcher as a job of the heartbeat. Raises `Invalid` when there is none, or the file cannot be used."""
    dispatcher = workflow.dispatcher(channels)

    def deliver_messages() -> _Delivery:
        done = dispatcher.run_once(limit=BATCH)
        return _Delivery(done, done.total >= BATCH)

    return deliver_messages


def _skew(beat: Beat) -> dict[str, float | None]:
    return {"skew": None if beat.skew is None else beat.skew.ahead.total_seconds()}


def _of_job(job: JobRun) -> tuple[str, str]:
    if job.error is not None:
        return "通知投递出错", f"delivering messages failed: {getattr(job.error, 'message', job.error)}"
    counts = {name: number for name, number in _counts(job).items() if number}
    zh = "、".join(f"{_COUNTED[name]} {number} 条" for name, number in counts.items())
    return f"通知:{zh}", "messages: " + ", ".join(f"{number} {name}" for name, number in counts.items())


_COUNTED = {"delivered": "已投递", "retried": "待重试", "dead": "无法投递", "stuck": "去向不明", "left": "留待下次"}
"""What became of messages, by the names the dispatcher counts them under."""


def _counts(job: JobRun) -> dict[str, int]:
    return {name: getattr(job.result.done, name, 0) for name in _COUNTED} if isinstance(job.result, _Delivery) else {}
