"""`ganchu calendar`: the working-day calendar, and the notices that are laid over it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganchu_workflow.cli.adopted import adopted_row, show_adopted
from ganchu_workflow.cli.terminal import (
    BAD_INPUT,
    BROKEN,
    As,
    AsJson,
    At,
    Database,
    Person,
    actor_of,
    console,
    print_json,
    workflow_on,
)

if TYPE_CHECKING:
    from rich.text import Text

    from ganchu_workflow.timing import DayKind, Differences, Overlay, WorkingCalendar

app = typer.Typer(help="工作日历:节假日与调休 / the working-day calendar", no_args_is_help=True)

Overlays = Annotated[
    list[Path] | None,
    typer.Option("--overlay", help="叠加的年度放假安排 (TOML),可多次给出 / a year's notice to lay over it; repeatable"),
]
InDatabase = Annotated[
    str | None,
    typer.Option("--db", envvar="GANCHU_DB", help="按该数据库的现行日历 / by the calendar in force in this database"),
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace", help="现行放假日中未列出的改为上班 / days off that it does not name are worked from now on"
    ),
]
OverlayFile = Annotated[Path, typer.Argument(help="年度放假安排 (TOML) / a year's notice")]
_WEEKDAYS = ("周一 / Mon", "周二 / Tue", "周三 / Wed", "周四 / Thu", "周五 / Fri", "周六 / Sat", "周日 / Sun")


def calendar_with(overlays: Iterable[Path] | None, database: str | None = None) -> WorkingCalendar:
    """The built-in calendar, or the one in force in a database, with these files laid over it.

    Raises `CalendarInvalid`.
    """
    from ganchu_workflow.timing import WorkingCalendar, read_overlays

    calendar = WorkingCalendar.built_in() if database is None else workflow_on(database).calendar_in_force()
    for overlay in read_overlays(overlays or ()):
        calendar = overlay.on(calendar)
    return calendar


def plain(*cells: str) -> list[Text]:
    """The cells of a row as they stand: Rich would read a `[` in the name of a holiday as markup."""
    from rich.text import Text

    return [Text(cell) for cell in cells]


def weekday(day: date) -> str:
    """Its day of the week, in both languages."""
    return _WEEKDAYS[day.weekday()]


@app.command("show")
def calendar_show(
    year: Annotated[
        int | None, typer.Argument(help="年份,默认为已有的最后一年 / the year; default: the last that is known")
    ] = None,
    overlays: Overlays = None,
    database: InDatabase = None,
    as_json: AsJson = False,
) -> None:
    """列出一年的放假、调休与工作日数。 / Shows a year: its holidays, make-up days and number of working days."""
    calendar = calendar_with(overlays, database)
    shown = _year(calendar, calendar.years[-1] if year is None else year)
    if as_json:
        return print_json(shown)
    from rich.table import Table

    table = Table(
        "节日 / holiday",
        "放假 / days off",
        "调休上班 / made up",
        title=f"{shown['year']}年 / year",
        title_justify="left",
    )
    for holiday in shown["holidays"]:
        table.add_row(*plain(holiday["name"], _listed(holiday["off"]), _listed(holiday["work"])))
    console().print(table)
    months = " ".join(f"{month}月:{count}" for month, count in enumerate(shown["by_month"], 1))
    typer.echo(f"工作日 / working days: {shown['working_days']} ({months})")
    typer.echo(f"日历版本 / version: {shown['version']}")
    for paper in shown["papers"]:
        typer.echo(f"依据 / under: {paper}")
    if shown["december_provisional"]:
        after = shown["year"] + 1
        typer.echo(
            f"12月为暂定:{after}年放假安排尚未导入,可能调整本年12月的日子 / December is provisional: the notice of "
            f"{after} is not loaded, and may change days of it"
        )
    return None


@app.command("check")
def calendar_check(
    files: Annotated[list[Path], typer.Argument(help="年度放假安排 (TOML) / notices of a year each")],
    database: InDatabase = None,
    as_json: AsJson = False,
) -> None:
    """检查年度放假安排文件;有误则退出码为 2。 / Checks and shows notices of years; exit code 2 if one is wrong.

    A warning, and no fault, is what may be right all the same: a holiday of every year that a table lacks, a year that
    it would replace, days that it leaves out, a title that names another year, a year before it that is not there.
    """
    from ganchu_workflow.errors import CalendarInvalid
    from ganchu_workflow.timing import read_overlay, read_overlays

    before = calendar_with(None, database)
    read: dict[Path, Overlay] = {}
    rows: list[dict[str, Any]] = []
    for path in files:
        try:
            read[path] = read_overlay(path)
        except CalendarInvalid as error:
            rows.append({"file": str(path), "ok": False, "findings": list(map(str, error.fields["findings"]))})
        else:
            rows.append({"file": str(path), "ok": True})
    years = {overlay.year for overlay in read.values()}
    for row in rows:
        row |= _said(read[Path(row["file"])], before, years) if row["ok"] else {}
    ok = all(row["ok"] for row in rows)
    if as_json:
        print_json(rows)
    for row in [] if as_json else rows:
        _print_said(row)
    if not ok:
        raise typer.Exit(BAD_INPUT)
    read_overlays(files)  # two of one year are refused


@app.command("diff")
def calendar_diff(
    file: OverlayFile,
    overlays: Overlays = None,
    database: InDatabase = None,
    replaces: Replace = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """列出放假安排改变了哪些日子;给出 --db 则列受影响的期限。 / Which days a notice changes, and with --db which ends.

    Against the built-in calendar and --overlay, or the calendar in force in the database. Nothing is imported.
    """
    before = calendar_with(overlays, database)
    overlay = _overlay(file, replaces)
    after = overlay.on(before)
    found = before.differences(after)
    if database is None:
        return print_json(changes_document(before, after, found)) if as_json else show_changes(before, after, found)
    workflow = workflow_on(database, at)
    rounds = workflow.import_calendar(overlay, actor=actor_of("office"), dry_run=True)
    if as_json:
        of_rounds = [adopted_row(workflow, each) for each in rounds]
        return print_json({**changes_document(before, after, found), "rounds": of_rounds})
    show_changes(before, after, found)
    return show_adopted(workflow, rounds, dry_run=True)


@app.command("import")
def calendar_import(
    file: OverlayFile,
    database: Database,
    actor: As = "office",
    person: Person = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只试不写,列出受影响的期限 / change nothing, and list what would change")
    ] = False,
    replaces: Replace = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """导入年度放假安排:待其公布的期限起算,已印发的截止不动。 / Imports a year's notice, and lets every round go by it.

    Deadlines that waited for the year start to run, and what the notice makes later moves there. No end that runs moves
    earlier, and no printed end moves: these are listed. A table that leaves out days which are given off now is refused
    without --replace: of an amendment give the whole table. Exit code 4 when a round could not adopt it yet.
    """
    workflow = workflow_on(database, at)
    overlay, before = _overlay(file, replaces), workflow.calendar_in_force()
    found = workflow.import_calendar(overlay, actor=actor_of(actor, person), dry_run=dry_run)
    for warning in _warnings(_said(overlay, before, {overlay.year})):
        typer.echo(warning, err=True)
    if as_json:
        print_json([adopted_row(workflow, each) for each in found])
    else:
        typer.echo("试运行,未写入 / dry run: nothing is written" if dry_run else f"已导入 / imported: {file}")
        show_adopted(workflow, found, dry_run=dry_run)
    if any(each.error for each in found):
        raise typer.Exit(BROKEN)


def _overlay(file: Path, replaces: bool) -> Overlay:
    from dataclasses import replace

    from ganchu_workflow.timing import read_overlay

    return replace(read_overlay(file), replaces=replaces)


def changes_document(before: WorkingCalendar, after: WorkingCalendar, found: Differences) -> dict[str, Any]:
    """What changes from one calendar to the other, as JSON."""
    return {
        "before": before.version,
        "after": after.version,
        "years_added": list(found.only_after),
        "days": [
            {
                "date": change.day.isoformat(),
                "before": change.before.code,
                "after": change.after.code,
                "holiday": change.after.name or change.before.name,
                "matters": change.matters,
            }
            for change in found.days
        ],
    }


def show_changes(before: WorkingCalendar, after: WorkingCalendar, found: Differences) -> None:
    """What changes from one calendar to the other, in the terminal."""
    from rich.table import Table

    typer.echo(f"日历 / calendar: {before.version} → {after.version}")
    for year in found.only_after:
        typer.echo(f"新增 / added: {year}年,工作日 / working days {_year(after, year)['working_days']}")
    if not found.days:
        return typer.echo("已有年份无变化 / no day changes in the years known before")
    table = Table("日期 / date", "星期 / weekday", "原 / before", "改为 / after")
    for change in found.days:
        kinds = (f"{kind.zh} / {kind.en}" for kind in (change.before, change.after))
        table.add_row(*plain(change.day.isoformat(), weekday(change.day), *kinds))
    return console().print(table)


def _year(calendar: WorkingCalendar, year: int) -> dict[str, Any]:
    """All of a year. Raises `YearNotPublished`."""
    from ganchu_workflow.errors import Invalid

    if not date.min.year < year < date.max.year:
        raise Invalid(f"'{year}' is no year of the calendar; those that are known: {_known(calendar)}")
    days = [date(year, 1, 1) + timedelta(days=n) for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]
    kinds = {day: calendar.describe(day) for day in days}
    holidays: dict[str, dict[str, Any]] = {}
    for day, kind in (*_december_before(calendar, year), *kinds.items()):
        if kind.code in ("holiday", "make_up"):
            holiday = holidays.setdefault(kind.name, {"name": kind.name, "off": [], "work": []})
            holiday["off" if kind.code == "holiday" else "work"].append(day.isoformat())
    return {
        "year": year,
        "version": calendar.version,
        "working_days": sum(kind.works for kind in kinds.values()),
        "by_month": [sum(kinds[day].works for day in days if day.month == month) for month in range(1, 13)],
        "holidays": list(holidays.values()),
        "papers": list(dict.fromkeys(kind.paper for kind in kinds.values() if kind.paper)),
        "december_provisional": calendar.is_provisional(days[-1]),
    }


def _december_before(calendar: WorkingCalendar, year: int) -> list[tuple[date, DayKind]]:
    """The days of the December before that the notice of the year settles, where that December is known."""
    notice = calendar.document()["years"][str(year)]
    days = sorted(date.fromisoformat(day) for key in ("off", "work") for day in notice[key])
    return [(day, calendar.describe(day)) for day in days if day.year < year and day.year in calendar.years]


def _known(calendar: WorkingCalendar) -> str:
    return f"{calendar.years[0]}-{calendar.years[-1]}"


def _said(overlay: Overlay, before: WorkingCalendar, given: set[int]) -> dict[str, Any]:
    """What a notice says, and what to look at before it goes on `before`, beside notices of the years `given`."""
    from dataclasses import replace

    from ganchu_workflow.errors import CalendarInvalid
    from ganchu_workflow.timing import WorkingCalendar

    holidays: dict[str, dict[str, Any]] = {}
    for key, days in (("off", overlay.off), ("work", overlay.work)):
        for day in days:
            name = overlay.names[day]
            holidays.setdefault(name, {"name": name, "off": [], "work": []})[key].append(day.isoformat())
    after = replace(overlay, replaces=True).on(before)
    replaced = overlay.year in before.years and after != before
    counts = [_year(calendar, overlay.year)["working_days"] for calendar in (before, after) if replaced]
    left_out: list[str] = []
    try:
        overlay.on(before)
    except CalendarInvalid as error:
        left_out = error.fields["days"]
    titled = [int(year) for year in re.findall("([0-9]{4})年", overlay.notice)]
    known = {*before.years, *given}
    return {
        "year": overlay.year,
        "notice": overlay.notice,
        "number": overlay.number,
        "dated": overlay.dated and overlay.dated.isoformat(),
        "holidays": list(holidays.values()),
        "working_days": _year(overlay.on(WorkingCalendar({})), overlay.year)["working_days"],
        "lacks": list(overlay.lacks),
        "replaces": dict(zip(("working_days_before", "working_days_after"), counts, strict=True)) if counts else None,
        "left_out": left_out,
        "titled": titled[0] if titled and overlay.year not in titled else None,
        "years_missing": [year for year in range(min(known), overlay.year) if year not in known],
    }


def _warnings(said: Mapping[str, Any]) -> Iterator[str]:
    year, replaced = said["year"], said["replaces"]
    if said["lacks"]:
        yield (
            "提示:未列出每年都有的节日,请核对通知 / warning: it lacks holidays of every year, see whether the notice "
            f"does: {'、'.join(said['lacks'])}"
        )
    if said["titled"]:
        yield (
            f"提示:标题写的是{said['titled']}年,year 写的是 {year},请核对 / warning: the title is of {said['titled']}, "
            f"and year = {year}: see which is right"
        )
    if missing := said["years_missing"]:
        zh, en = (f"{missing[0]}{to}{missing[-1]}" if len(missing) > 1 else missing[0] for to in ("至", " to "))
        yield (
            f"提示:其前{zh}年的放假安排未导入,涉及该年的期限仍不能推算 / warning: before it {en} is not loaded, and "
            "what reaches into that stays unknown"
        )
    if left_out := ", ".join(said["left_out"]):
        yield (
            f"提示:缺少现行日历中的放假日或调休上班日 {left_out},未加 --replace 时导入将被拒绝 / warning: it leaves "
            f"out days that are off or made up now, and import refuses it without --replace: {left_out}"
        )
    if replaced:
        counts = f"{replaced['working_days_before']} → {replaced['working_days_after']}"
        yield (
            f"提示:替换现行日历的{year}年,工作日 {counts} / warning: it replaces the {year} that is there, working "
            f"days {counts}"
        )


def _print_said(row: dict[str, Any]) -> None:
    if not row["ok"]:
        typer.echo(f"✗ {row['file']}", err=True)
        for finding in row["findings"]:
            typer.echo(f"    - {finding}", err=True)
        return
    about = " ".join(str(row[key]) for key in ("notice", "number", "dated") if row[key])
    typer.echo(f"✓ {row['file']}  {row['year']}年  {about}")
    for holiday in row["holidays"]:
        off, work = _listed(holiday["off"]), _listed(holiday["work"])
        typer.echo(f"    {holiday['name']}: 放假 / off {off}" + (f"; 上班 / work {work}" if work else ""))
    typer.echo(f"    工作日 / working days: {row['working_days']}")
    for warning in _warnings(row):
        typer.echo(f"    {warning}")


def _listed(days: Sequence[str]) -> str:
    """Days as they are read: rows of them as one."""
    rows: list[list[date]] = []
    for day in map(date.fromisoformat, days):
        if rows and day - rows[-1][-1] == timedelta(days=1):
            rows[-1].append(day)
        else:
            rows.append([day])
    return ", ".join(
        f"{row[0]}" if len(row) == 1 else f"{row[0]}..{str(row[-1]).removeprefix(f'{row[0].year}-')}" for row in rows
    )
