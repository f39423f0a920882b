"""`ganchu window`: when a period ends, day by day, and whether a printed window keeps its rule."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli.calendars import InDatabase, Overlays, calendar_with, plain, weekday
from ganchu_workflow.cli.terminal import REFUSED, AsJson, console, instant_of, print_json

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from ganchu_workflow.timing import Anomaly, Reckoning

app = typer.Typer(help="期限:推算与核对 / windows: reckoned and checked", no_args_is_help=True)

Close = Annotated[
    str, typer.Option("--close-of-business", help="下班时间,未写时刻的末日到此为止 / the end of a day without an hour")
]
_RULES = (
    "'5 working days'",
    "'5 working days, start day counted'",
    "'5 working days, to 17:30'",
    "'7 calendar days, to 24:00'",
    "'5 working days, and never under 7 calendar days'",
    "'48 hours'",
    "'3 months'",
    "'3 years, no roll'",
    "'not later than 2026-10-10 17:30 +08:00'",
)
"""Each form that a rule has."""
_HALF_A_PAGE = 31


@app.command("reckon")
def window_reckon(
    limit: Annotated[
        str,
        typer.Argument(
            help=f"期限,中文亦可 / the rule, for example {'; '.join(_RULES)}; or 5个工作日,至17:30", metavar="RULE"
        ),
    ],
    begins: Annotated[str, typer.Option("--from", help="起算时刻 / from when it runs, for example 2026-09-18T09:00")],
    close_of_business: Close = "17:30",
    overlays: Overlays = None,
    database: InDatabase = None,
    as_json: AsJson = False,
) -> None:
    """逐日推算期限的截止时刻。 / Reckons when a period ends, day by day, in Beijing time."""
    from ganchu_workflow.timing import parse_limit, reckon

    found = reckon(
        parse_limit(limit),
        instant_of(begins, "--from"),
        calendar_with(overlays, database),
        zone=_zone(),
        close_of_business=_hour(close_of_business),
    )
    if as_json:
        return print_json(
            {
                "due_at": found.due_at.isoformat(),
                "last_day": found.last_day.isoformat(),
                "label": dict(zip(("zh", "en"), _labels(found), strict=True)),
                "provisional": found.provisional,
                "days": found.explain(),
                "document": found.document(),
            }
        )
    show_reckoning(found)
    return None


def show_reckoning(found: Reckoning) -> None:
    """A reckoning in the terminal, day by day."""
    from ganchu_workflow.timing.reckoning import shown

    if found.parts:
        typer.echo(_label(found))
    typer.echo(f"起算 / start: {shown(found.start)}")
    for part in found.parts or (found,):
        _print_days(part)
    if found.parts:
        decided = found.parts[0 if found.decided_by == "period" else 1]
        typer.echo(f"取较晚者 / the later of both: {_label(decided)}")
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
            help="撤下的时段 起..止,可多次给出;仍在撤下则不写止,两点须保留,如 2026-09-22T10:00.. / FROM..TO: when it "
            "was taken down; repeatable; where it still is, FROM.. with the two dots, for example 2026-09-22T10:00..",
        ),
    ] = None,
    close_of_business: Close = "17:30",
    overlays: Overlays = None,
    database: InDatabase = None,
    as_json: AsJson = False,
) -> None:
    """核对一份已印发的公示期;期限不足则退出码为 3。 / Checks a printed window; exit code 3 when it is too short.

    A warning is something to know; an error is a window that is shorter than its own rule, and exit code 3. The remedy
    is the earliest end that would cure it; there is none where the printed end does already. Nothing is changed: a
    printed window stands until an act changes it.
    """
    from ganchu_workflow.timing import Period, check_printed

    closes_at = instant_of(closes, "--closes")
    found = check_printed(
        dated_on=_date("--dated", dated),
        published_at=None if published is None else instant_of(published, "--published"),
        opens_at=instant_of(opens, "--opens"),
        closes_at=closes_at,
        period=Period.parse(rule),
        calendar=calendar_with(overlays, database),
        zone=_zone(),
        close_of_business=_hour(close_of_business),
        minimum=None if minimum is None else Period.parse(minimum),
        interruptions=[_interruption(one) for one in down or ()],
    )
    if as_json:
        print_json([_row(anomaly, closes_at) for anomaly in found])
    elif not found:
        typer.echo("未发现问题 / nothing is irregular")
    else:
        _print_anomalies(found, closes_at)
    if any(anomaly.severity == "error" for anomaly in found):
        raise typer.Exit(REFUSED)


def _print_days(part: Reckoning) -> None:
    from rich.table import Column, Table

    typer.echo(f"{_label(part)}: {_shown_end(part)}")
    table = Table("日期 / date", "星期 / weekday", "计入 / counted", Column("说明 / why", overflow="fold"))
    counted = 0
    for number, day in enumerate(part.days):
        counted += day.counted
        left_out = len(part.days) - 2 * _HALF_A_PAGE
        if number < _HALF_A_PAGE or number >= len(part.days) - _HALF_A_PAGE:
            said = (str(counted) if part.numbers_days else "✓") if day.counted else "-"
            table.add_row(*plain(day.date.isoformat(), weekday(day.date), said, f"{day.zh} / {day.en}"))
        elif number == _HALF_A_PAGE:
            table.add_row("…", "", "", f"略去{left_out}日 / {left_out} days left out")
    console().print(table)


def _print_anomalies(found: list[Anomaly], closes_at: datetime) -> None:
    words = {"error": "✗ 不符 / error", "warning": "- 提示 / warning"}
    for anomaly in found:
        typer.echo(f"{words[anomaly.severity]} [{anomaly.code}]")
        typer.echo(f"    {anomaly.zh}\n    {anomaly.en}")
        if anomaly.remedy > closes_at:
            typer.echo(f"    补正:截止不早于 / remedy: end not before {_shown(anomaly.remedy)}")


def _row(anomaly: Anomaly, closes_at: datetime) -> dict[str, Any]:
    return {
        "code": anomaly.code,
        "severity": anomaly.severity,
        "zh": anomaly.zh,
        "en": anomaly.en,
        "remedy": anomaly.remedy.isoformat() if anomaly.remedy > closes_at else None,
    }


def _zone() -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo("Asia/Shanghai")


def _date(option: str, text: str) -> date:
    from ganchu_workflow.errors import Invalid

    try:
        # Python alone would read a week's day (2026-W38-5) or 20260918 as well.
        if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            f"{option}: 不是日期,请写如 2026-09-18 / '{text}' is no date; write it like 2026-09-18"
        ) from error


def _hour(text: str) -> time:
    from ganchu_workflow.errors import Invalid, PeriodInvalid
    from ganchu_workflow.timing.reading import parts_of, read_hour

    try:
        hour, *more = parts_of(text)
        for words in more:
            raise words.unreadable([])
        return read_hour(hour)
    except PeriodInvalid as error:
        raise Invalid(
            f"--close-of-business: 应为00:01至24:00的时刻 / '{text}' is no hour; write it from 00:01 to 24:00, "
            "like 17:30"
        ) from error


def _interruption(text: str) -> tuple[datetime, datetime | None]:
    from ganchu_workflow.errors import Invalid

    begins, dots, ends = text.partition("..")
    if not dots:
        raise Invalid(
            f"--down: 缺少两点“..”,应写 起..止,仍在撤下的写 起.. / '{text}' has no '..'; write it like "
            "2026-03-11T10:00..2026-03-11T12:00, and where it is still down keep the two dots: 2026-03-11T10:00.."
        )
    return instant_of(begins.strip(), "--down"), instant_of(ends.strip(), "--down") if ends.strip() else None


def _labels(found: Reckoning) -> tuple[str, str]:
    """Its rule in both languages, of whatever it is that runs: not each start is a publication."""
    return found.period.label_zh("起始日"), found.period.label_en("start day")


def _label(found: Reckoning) -> str:
    return " / ".join(_labels(found))


def _shown(instant: datetime) -> str:
    from ganchu_workflow.timing.reckoning import shown_end

    return shown_end(instant)


def _shown_end(found: Reckoning) -> str:
    return f"{_shown(found.due_at)} ({weekday(found.last_day)})"
