"""`ganchu window`: when a period ends, day by day, and whether a printed window keeps its rule; without a database."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli.calendars import Overlays, calendar_with, weekday
from ganchu_workflow.cli.terminal import REFUSED, AsJson, console, instant_of, print_json

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from ganchu_workflow.timing import Anomaly, Reckoning

app = typer.Typer(help="期限:推算与核对 / windows: reckoned and checked", no_args_is_help=True)

Close = Annotated[
    str, typer.Option("--close-of-business", help="下班时间,未写时刻的末日到此为止 / the end of a day without an hour")
]
_HALF_A_PAGE = 31


@app.command("reckon")
def window_reckon(
    limit: Annotated[
        str, typer.Argument(help="期限 / the rule, for example '5 working days, to 17:30'", metavar="RULE")
    ],
    begins: Annotated[str, typer.Option("--from", help="起算时刻 / from when it runs, for example 2026-09-18T09:00")],
    close_of_business: Close = "17:30",
    overlays: Overlays = None,
    as_json: AsJson = False,
) -> None:
    """逐日推算期限的截止时刻。 / Reckons when a period ends, day by day, in Beijing time."""
    from ganchu_workflow.timing import parse_limit, reckon

    found = reckon(
        parse_limit(limit),
        _instant("--from", begins),
        calendar_with(overlays),
        zone=_zone(),
        close_of_business=_hour(close_of_business),
    )
    if as_json:
        return print_json(
            {
                "due_at": found.due_at.isoformat(),
                "last_day": found.last_day.isoformat(),
                "label": {"zh": found.period.label_zh(), "en": found.period.label_en()},
                "provisional": found.provisional,
                "days": found.explain(),
                "document": found.document(),
            }
        )
    show_reckoning(found)
    return None


def show_reckoning(found: Reckoning) -> None:
    """A reckoning in the terminal, day by day."""
    if found.parts:
        typer.echo(f"{found.period.label_zh()} / {found.period.label_en()}")
    typer.echo(f"起算 / start: {_shown(found.start)}")
    for part in found.parts or (found,):
        _print_days(part)
    if found.parts:
        decided = found.parts[0 if found.decided_by == "period" else 1].period
        typer.echo(f"取较晚者 / the later of both: {decided.label_zh()} / {decided.label_en()}")
    typer.echo(f"截止 / end: {_shown_end(found)}")
    typer.echo(f"日历版本 / calendar: {found.calendar_version}")
    for paper in dict.fromkeys(day.paper for part in (found, *found.parts) for day in part.days if day.paper):
        typer.echo(f"依据 / under: {paper}")
    if found.provisional:
        typer.echo(
            "暂定:次年放假安排尚未导入,可能调整12月的日子 / provisional: next year's notice is not loaded, and may "
            "change days of December"
        )


@app.command("check")
def window_check(
    dated: Annotated[str, typer.Option("--dated", help="落款日期 / the date on the document")],
    opens: Annotated[str, typer.Option("--opens", help="起 / from when it runs, as printed")],
    closes: Annotated[str, typer.Option("--closes", help="止 / until when it runs, as printed")],
    rule: Annotated[str, typer.Option("--rule", help="应满足的期限 / the period that it should keep")],
    published: Annotated[
        str | None, typer.Option("--published", help="实际发布时刻,默认按起 / when it was published; default: --opens")
    ] = None,
    minimum: Annotated[
        str | None, typer.Option("--minimum", help="另须满足的最短期限 / a period that it should keep as well")
    ] = None,
    down: Annotated[
        list[str] | None,
        typer.Option(
            "--down",
            help="撤下的时段 起..止,未恢复则不写止,可多次给出 / FROM..TO: when it was taken down; without TO it still "
            "is; repeatable",
        ),
    ] = None,
    close_of_business: Close = "17:30",
    overlays: Overlays = None,
    as_json: AsJson = False,
) -> None:
    """核对一份已印发的公示期;期限不足则退出码为 3。 / Checks a printed window; exit code 3 when it is too short.

    A warning is something to know; an error is a window that is shorter than its own rule, and exit code 3. The remedy
    is the earliest end that would cure it. Nothing is changed: a printed window stands until an act changes it.
    """
    from ganchu_workflow.timing import Period, check_printed

    found = check_printed(
        dated_on=_date("--dated", dated),
        published_at=None if published is None else _instant("--published", published),
        opens_at=_instant("--opens", opens),
        closes_at=_instant("--closes", closes),
        period=Period.parse(rule),
        calendar=calendar_with(overlays),
        zone=_zone(),
        close_of_business=_hour(close_of_business),
        minimum=None if minimum is None else Period.parse(minimum),
        interruptions=[_interruption(one) for one in down or ()],
    )
    if as_json:
        print_json([_row(anomaly) for anomaly in found])
    elif not found:
        typer.echo("未发现问题 / nothing is irregular")
    else:
        _print_anomalies(found)
    if any(anomaly.severity == "error" for anomaly in found):
        raise typer.Exit(REFUSED)


def _print_days(part: Reckoning) -> None:
    from rich.table import Column, Table

    typer.echo(f"{part.period.label_zh()} / {part.period.label_en()}: {_shown_end(part)}")
    table = Table("日期 / date", "星期 / weekday", "计入 / counted", Column("说明 / why", overflow="fold"))
    counted = 0
    for number, day in enumerate(part.days):
        counted += day.counted
        left_out = len(part.days) - 2 * _HALF_A_PAGE
        if number < _HALF_A_PAGE or number >= len(part.days) - _HALF_A_PAGE:
            said = str(counted) if day.counted else "-"
            table.add_row(day.date.isoformat(), weekday(day.date), said, f"{day.zh} / {day.en}")
        elif number == _HALF_A_PAGE:
            table.add_row("…", "", "", f"略去{left_out}日 / {left_out} days left out")
    console().print(table)


def _print_anomalies(found: list[Anomaly]) -> None:
    words = {"error": "✗ 不符 / error", "warning": "- 提示 / warning"}
    for anomaly in found:
        typer.echo(f"{words[anomaly.severity]} [{anomaly.code}]")
        typer.echo(f"    {anomaly.zh}\n    {anomaly.en}")
        typer.echo(f"    补正:截止不早于 / remedy: end not before {_shown(anomaly.remedy)}")


def _row(anomaly: Anomaly) -> dict[str, Any]:
    return {
        "code": anomaly.code,
        "severity": anomaly.severity,
        "zh": anomaly.zh,
        "en": anomaly.en,
        "remedy": anomaly.remedy.isoformat(),
    }


def _zone() -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo("Asia/Shanghai")


def _instant(option: str, text: str) -> datetime:
    """An instant of the command line; 24:00 is 00:00 of the next day. Raises `Invalid`."""
    at_24 = re.search(r"[T ]24:00(:00)?(?![:.,\d])", text)
    if at_24 is None:
        return instant_of(text, option)
    return instant_of(text.replace(at_24[0], "T00:00"), option) + timedelta(days=1)


def _date(option: str, text: str) -> date:
    from ganchu_workflow.errors import Invalid

    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{option}: '{text}' is no date; write it like 2026-09-18") from error


def _hour(text: str) -> time:
    from ganchu_workflow.errors import Invalid, PeriodInvalid
    from ganchu_workflow.timing.reading import parts_of, read_hour

    try:
        return read_hour(parts_of(text)[0])
    except PeriodInvalid as error:
        raise Invalid(f"--close-of-business: '{text}' is no hour; write it from 00:01 to 24:00, like 17:30") from error


def _interruption(text: str) -> tuple[datetime, datetime | None]:
    from ganchu_workflow.errors import Invalid

    begins, dots, ends = text.partition("..")
    if not dots:
        raise Invalid(f"--down: '{text}' has no '..'; write it like 2026-03-11T10:00..2026-03-11T12:00")
    return _instant("--down", begins.strip()), _instant("--down", ends.strip()) if ends.strip() else None


def _shown(instant: datetime) -> str:
    from ganchu_workflow.timing.reckoning import shown_end

    return shown_end(instant)


def _shown_end(found: Reckoning) -> str:
    return f"{_shown(found.due_at)} ({weekday(found.last_day)})"
