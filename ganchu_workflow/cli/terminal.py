"""What the commands take and print: their options, the reading of what is typed, and the printing of what is found."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import Console

    from ganchu_workflow.actors import Actor
    from ganchu_workflow.engine.events import Receipt
    from ganchu_workflow.engine.sweep import Swept
    from ganchu_workflow.errors import Invalid
    from ganchu_workflow.process.values import CaseView
    from ganchu_workflow.workflow import Workflow

_INSTANT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ]"
    r"(?P<hour>[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)"
    r" ?(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?"
)
"""Python alone would read a week's day (2026-W38-5T09:00) or 20260918T09 as well."""
AT = "GANCHU_AT"
"""The environment variable that says what time it is, in a demonstration."""
BAD_INPUT, REFUSED, BROKEN = 2, 3, 4
"""The exit codes of a command that was not done."""

Database = Annotated[
    str, typer.Option("--db", envvar="GANCHU_DB", help="数据库地址 / database URL, for example sqlite:///round.db")
]
As = Annotated[
    str, typer.Option("--as", help="以何身份 / who acts: role or role:scope, for example office, applicant:E1")
]
Person = Annotated[
    str, typer.Option("--person", help="经办人编号,勿填姓名 / a reference to the person who acts, never a name")
]
Basis = Annotated[str | None, typer.Option("--document", help="依据文件 / the document the act rests on")]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        help='材料:JSON 或 @文件;{"$number": "申报编号"} 指该申报 / '
        'the data: JSON, or @file (stays out of `ps`); {"$number": "…"} is the application of that 申报编号',
    ),
]
Key = Annotated[str | None, typer.Option("--key", help="幂等键 / a key that makes the call safe to repeat")]
Grace = Annotated[
    int, typer.Option("--grace", min=0, help="为在途事项留出的秒数 / seconds left to acts that are still on their way")
]
MaxSkew = Annotated[
    float,
    typer.Option(
        "--max-skew",
        min=0,
        max=86400,
        help="与数据库服务器时钟最多相差秒数,0 不检查 / seconds the clocks of machine and server may differ; 0: any",
    ),
]
At = Annotated[
    str | None,
    typer.Option("--at", envvar=AT, help="演示批次的当前时刻 / the present instant, in a demonstration"),
]
AsJson = Annotated[bool, typer.Option("--json", help="以 JSON 输出 / print JSON")]
PlanFile = Annotated[Path, typer.Argument(help="方案文件 (TOML) / the plan")]
CaseId = Annotated[
    str, typer.Argument(help="案件编号,或 number:申报编号 / the id of the case, or number: and a 申报编号")
]
RoundId = Annotated[str, typer.Argument(help="批次编号 / the id of the round")]


def workflow_on(database: str, at: str | None = None) -> Workflow:
    """The workflow on that database; with `at`, its clock stands at that instant.

    Raises `Invalid` for an instant that cannot be read or lies before what is recorded, and on a database that holds a
    real round: there the only time is the machine's.
    """
    from ganchu_workflow.clock import SimulatedClock
    from ganchu_workflow.errors import Invalid
    from ganchu_workflow.workflow import Workflow

    if at is None:
        return Workflow(database)
    instant = instant_of(at)
    workflow = Workflow(database, clock=SimulatedClock(instant))
    real = [r for r in workflow.rounds() if not r.facts["demonstration"]]
    if real:
        code = real[0].facts["code"]
        raise Invalid(
            f"--at 仅用于演示:该数据库中有正式批次 {code} / "
            f"--at is for demonstrations: the database holds the real round {code}"
        )
    latest = workflow.last_recorded_at()
    if latest is not None and latest > instant:
        shown = latest.astimezone(instant.tzinfo).isoformat(" ")
        raise Invalid(
            f"--at: 时间不能倒退,最近一次记录于 {shown} / time does not go back; the last event was recorded at {shown}"
        )
    return workflow


def require_real_time(command: str) -> None:
    """Raise `Invalid` while GANCHU_AT is set, for a command that goes by the machine's clock and no other."""
    from ganchu_workflow.errors import Invalid

    if at := os.environ.get(AT):
        raise Invalid(
            f"已设置 {AT}({at}),而 `{command}` 只按本机时间,请先 unset {AT} 再运行 / "
            f"{AT} is set ({at}), but `{command}` goes by the machine's clock alone: what it does would be of another "
            f"time than the other commands. unset {AT}, then run it again"
        )


def instant_of(text: str, option: str = "--at") -> datetime:
    """The instant that an option names, in Beijing time if no offset is given; 24:00 is 00:00 of the next day.

    Raises `Invalid`, also for a date alone: read as 00:00 it would be the first instant of that day, or the last one
    of the day before, and an official who writes a date means neither.
    """
    from datetime import UTC, timedelta
    from zoneinfo import ZoneInfo

    from ganchu_workflow.errors import Invalid

    written = _INSTANT.fullmatch(text)
    try:
        if written is None:
            raise _otherwise_written(text, option)
        day, hour, offset = written.group("day", "hour", "offset")
        at_24 = hour in ("24:00", "24:00:00")
        instant = datetime.fromisoformat(f"{day}T{'00:00' if at_24 else hour}{offset or ''}") + timedelta(days=at_24)
        instant = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo("Asia/Shanghai"))
        instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(
            f"{option}: 不是时刻,请写如 2021-09-03T17:30 / '{text}' is no instant; write it like 2021-09-03T17:30"
        ) from error
    return instant


def _otherwise_written(text: str, option: str) -> Invalid:
    """The refusal of a date alone, or of a form that only Python reads. Raises `ValueError` for what is no instant."""
    from ganchu_workflow.errors import Invalid

    read = datetime.fromisoformat(text)
    if re.fullmatch(r"[0-9W-]+", text):
        like = f"{read.date()}T09:00"
        return Invalid(
            f"{option}:只写了日期“{text}”,请写明时分,如 {like}(北京时间) / "
            f"'{text}' is a date without an hour; write it like {like} (Beijing time)"
        )
    like = read.isoformat(timespec="auto" if read.second or read.microsecond else "minutes")
    return Invalid(
        f"{option}:不接受“{text}”的写法,请写如 {like} / '{text}' is not the form of an instant here; "
        f"write it like {like}"
    )


def actor_of(text: str, person: str = "", *, option: str = "--as") -> Actor:
    """Who `option` and `--person` name. Raises `Invalid`, saying which roles there are."""
    from ganchu_workflow.actors import SCOPED, Actor, Role, Via
    from ganchu_workflow.errors import Invalid

    role, _, scope = text.partition(":")
    if role not in set(Role):
        near = get_close_matches(role, list(Role), 1)
        zh, en = (f"是否指 {near[0]}?", f"did you mean '{near[0]}'? ") if near else ("", "")
        there = ", ".join(Role)
        raise Invalid(
            f"{option}: 没有角色“{role}”;{zh}可用角色:{there} / there is no role '{role}'; {en}roles are: {there}"
        )
    if role in SCOPED and not scope:
        raise Invalid(
            f"{option}: 角色“{role}”须写明代表谁,如 {role}:<编号> / "
            f"the role '{role}' acts for somebody; say for whom, as in {role}:<reference>"
        )
    return Actor(Role(role), scope, person, Via.CLI)


def object_of(text: str) -> dict[str, Any]:
    """The object that `--data` gives, or the file it names. Raises `Invalid` for anything else."""
    from ganchu_workflow.errors import Invalid

    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        elif any("\udc80" <= c <= "\udcff" for c in text):
            # In a POSIX locale Python leaves the bytes of Chinese text undecoded.
            text = os.fsencode(text).decode("utf-8")
    except OSError as error:
        raise Invalid(f"--data: the file cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"--data is not UTF-8: {error}") from error
    try:
        value = json.loads(text, parse_constant=_no_number, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise Invalid(
            f'--data 不是 JSON({error}),请写如 {{"letter": "1"}} / '
            f'--data is not JSON: {error}; write it like {{"letter": "1"}}'
        ) from error
    if not isinstance(value, dict):
        raise Invalid(
            '--data 须为 JSON 对象,如 {"letter": "1"} / --data must be a JSON object, for example {"letter": "1"}'
        )
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Python keeps the last of two equal keys: which one was meant, nobody knows.
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' is given twice")
        found[key] = value
    return found


def round_of(workflow: Workflow, round_id: str) -> CaseView:
    """The round of that id. Raises `Unknown`."""
    from ganchu_workflow.errors import Unknown

    found = workflow.case(round_id)
    if found.kind != "round":
        raise Unknown(
            f"“{round_id}”是 {found.kind} 案件,不是批次,见 ganchu round list / "
            f"'{round_id}' is a case of the kind {found.kind}, not a round; see `ganchu round list`"
        )
    return found


_ENDS = "deadline:end"


def no_trigger(trigger: str, possible: Iterable[str]) -> str:
    """Why a trigger that there is not cannot be fired, and what can where the case stands, the nearest first."""
    # An act that ends a deadline at once is offered last, and to nobody who did not write nearly that.
    asked_to_end = _likeness(trigger.rpartition(":")[2], "end") >= 0.75
    names = sorted(set(possible), key=lambda n: (n == _ENDS and not asked_to_end, -_likeness(trigger, n), n))
    if not names:
        return (
            f"没有动作“{trigger}”,此处也没有可办的事项 / there is no trigger '{trigger}', and nothing can be done here"
        )
    meant = names[0] if _likeness(trigger, names[0]) >= 0.6 and (names[0] != _ENDS or asked_to_end) else ""
    zh, en = (f",是否指 {meant}?", f"; did you mean {meant}?") if meant else (";", ";")
    there = ", ".join(names)
    return f"没有动作“{trigger}”{zh}此处可办:{there} / there is no trigger '{trigger}'{en} here there are: {there}"


def _likeness(typed: str, name: str) -> float:
    # One that its stage's name stands before is typed without it.
    return max(SequenceMatcher(None, typed, each).ratio() for each in (name, name.rpartition(".")[2]))


def unrunnable(workflow: Workflow) -> list[str]:
    """Why rounds of the database cannot be run by what is installed, one message each."""
    from ganchu_workflow.errors import WorkflowError

    found = []
    for each in workflow.rounds():
        try:
            workflow.process(each)
        except WorkflowError as error:
            found.append(f"{each.facts['code']} {each.id}: {error.message}")
    return found


def local_time(workflow: Workflow, round_id: str, instant: datetime) -> str:
    """An instant in the zone of the round's plan."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(workflow.case(round_id).facts["plan"]["timezone"])
    return instant.astimezone(zone).isoformat(" ")


def end_time(workflow: Workflow, round_id: str, end: datetime) -> str:
    """A closing instant in the zone of the round's plan: 00:00 is 24:00 of the day before."""
    from ganchu_workflow.timing import END_OF_DAY
    from ganchu_workflow.timing.days import day_it_ends

    text = local_time(workflow, round_id, end)
    local = datetime.fromisoformat(text)
    return f"{day_it_ends(local)} 24:00:00{text[19:]}" if local.time() == END_OF_DAY else text


def receipt_row(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON."""
    return {
        "case": receipt.case_id,
        "kind": receipt.kind,
        "seq": receipt.seq,
        "trigger": receipt.trigger,
        "source": receipt.source,
        "state": receipt.state,
        "effective_at": receipt.effective_at,
        "recorded_at": receipt.recorded_at,
        "digest": receipt.digest,
    }


def console() -> Console:
    """Where tables are printed: as wide as a page, whatever the terminal, so that an output can be compared."""
    from rich.console import Console

    return Console(width=100, highlight=False)


def without_code(code: str, why: str) -> str:
    """The words of a refusal that stand beside its code, and need not say it again."""
    after = why.removeprefix(code)
    return after.removeprefix(":").lstrip() if after.startswith((": ", " [")) else why


def swept_row(swept: Swept) -> dict[str, Any]:
    """What a sweep did, as JSON."""
    return {
        "fired": [receipt_row(r) for r in swept.fired],
        "refused": swept.refused,
        "stuck": [asdict(each) for each in swept.stuck],
        "behind": [{"round": each.round, "code": each.code, "why": str(each.error)} for each in swept.behind],
    }


def show_swept(swept: Swept) -> None:
    """What a sweep did, for people."""
    typer.echo(f"已触发 {len(swept.fired)} 项 / fired {len(swept.fired)}")
    for item in swept.refused:
        why = without_code(item["code"], item["why"])
        typer.echo(f"未触发 / did not fire: {item['case']} {item['deadline']} [{item['code']}] {why}", err=True)
    told = {(item["case"], item["deadline"]) for item in swept.refused}
    if resting := sum((each.case, each.deadline) not in told for each in swept.stuck):
        resting_words = f"另有 {resting} 项停滞 / {resting} more are stuck"
        typer.echo(f"{resting_words}: ganchu overdue", err=True)
    for each in swept.behind:
        typer.echo(f"未采用新日历 / calendar not adopted: {each.code} {each.round} {each.error}", err=True)


def measured_skew(workflow: Workflow, max_skew: float) -> timedelta | None:
    """How far the clocks may be apart: where the workflow goes by the machine's clock, and 0 is not given."""
    from datetime import timedelta

    from ganchu_workflow.clock import SystemClock

    return timedelta(seconds=max_skew) if max_skew and isinstance(workflow.clock, SystemClock) else None


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_as_json))


def json_line(value: Any) -> str:
    """A value as JSON in one line."""
    return json.dumps(value, ensure_ascii=False, default=_as_json)


def _as_json(value: Any) -> Any:
    from ganchu_workflow.clock import to_text

    if isinstance(value, datetime):
        return to_text(value)
    return dict(value) if isinstance(value, Mapping) else str(value)
