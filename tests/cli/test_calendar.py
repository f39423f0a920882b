"""`ganchu calendar` as a user meets it: a year, a notice that is checked, and what it changes."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow.timing import WorkingCalendar, read_overlay
from tests.cli.command import Done, ganchu

BUILT_IN = WorkingCalendar.built_in()
VERSION = BUILT_IN.version
LAST = BUILT_IN.years[-1]
"""The installed chinesecalendar may have learnt more years than it had when this was written."""
NEXT = LAST + 1
SATURDAY = max(day for n in range(7) if (day := date(LAST, 12, 25 + n)).isoweekday() == 6)
FRIDAY = SATURDAY - timedelta(days=1)
NOTICE = f"国务院办公厅关于{NEXT}年部分节假日安排的通知"
# Invented, like the days.
PAPER = f"{NOTICE}(国办发明电〔{LAST}〕0号,{LAST}-11-04)"
OF_NEXT = f"""\
year = {NEXT}
notice = "{NOTICE}"
number = "国办发明电〔{LAST}〕0号"
dated = {LAST}-11-04

[[holiday]]
name = "元旦"
off = ["{NEXT}-01-01..{NEXT}-01-03"]
work = [{SATURDAY}]
"""
OF_2090 = 'year = 2090\nnotice = "notice of 2090"\n[[holiday]]\nname = "元旦"\noff = [2090-01-01]\n'
LACKS = "提示:未列出每年都有的节日,请核对通知 / warning: it lacks holidays of every year, see whether the notice does: "
LACKED = "春节、劳动节、国庆节、清明节、端午节、中秋节"
NOT_THERE = (
    "提示:其前{zh}年的放假安排未导入,涉及该年的期限仍不能推算 / "
    "warning: before it {en} is not loaded, and what reaches "
    "into that stays unknown"
)
OF_2090_SHOWN = f"""\
✓ 2090.toml  2090年  notice of 2090
    元旦: 放假 / off 2090-01-01
    工作日 / working days: 260
    {LACKS}{LACKED}
    {NOT_THERE.format(zh=f"{NEXT}至2089", en=f"{NEXT} to 2089")}
"""
FIRST_DAY = date(NEXT, 1, 1)
WEEKDAYS = [d for n in range(3, 366) if (d := FIRST_DAY + timedelta(days=n)).year == NEXT and d.isoweekday() < 6]
"""The working days of the next year after its first three, if no notice says otherwise."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "next.toml").write_text(OF_NEXT, "utf-8")
    (tmp_path / "2090.toml").write_text(OF_2090, "utf-8")
    (tmp_path / "bad.toml").write_text(OF_NEXT.replace(str(SATURDAY), str(FRIDAY)).replace("number", "nmber"), "utf-8")
    return tmp_path


def calendar(folder: Path, *args: str) -> Done:
    return ganchu("calendar", *args, cwd=folder)


def cells_of(out: str) -> list[list[str]]:
    """The cells of the rows of a table that Rich drew, without its head."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]


def test_a_year_shows_its_holidays_and_its_working_days(folder: Path) -> None:
    done = calendar(folder, "show", "2025")

    assert (done.code, done.err) == (0, "")
    assert cells_of(done.out) == [
        ["元旦", "2025-01-01", ""],
        ["春节", "2025-01-28..02-04", "2025-01-26, 2025-02-08"],
        ["清明", "2025-04-04..04-06", ""],
        ["劳动节", "2025-05-01..05-05", "2025-04-27"],
        ["端午", "2025-05-31..06-02", ""],
        ["国庆节", "2025-10-01..10-05, 2025-10-07..10-08", "2025-09-28, 2025-10-11"],
        ["中秋", "2025-10-06", ""],
    ]
    assert done.out.splitlines()[-3:] == [
        "工作日 / working days: 248 "
        "(1月:19 2月:19 3月:21 4月:22 5月:19 6月:20 7月:23 8月:21 9月:23 10月:18 11月:20 12月:23)",
        f"日历版本 / version: {VERSION}",
        "依据 / under: 国务院办公厅关于2025年部分节假日安排的通知 "
        "https://www.gov.cn/zhengce/zhengceku/202411/content_6986383.htm",
    ]


def test_a_december_is_provisional_until_the_next_notice(folder: Path) -> None:
    open_, settled = (calendar(folder, "show", str(LAST), *more).out for more in ((), ("--overlay", "next.toml")))

    assert open_.splitlines()[-1] == (
        f"12月为暂定:{NEXT}年放假安排尚未导入,可能调整本年12月的日子 / December is provisional: the notice of "
        f"{NEXT} is not loaded, and may change days of it"
    )
    assert "暂定" not in settled
    assert str(SATURDAY) in cells_of(settled)[0][2]
    assert f"依据 / under: {PAPER}" in settled.splitlines()


def test_without_a_year_the_last_one_that_is_known_is_shown(folder: Path) -> None:
    shown = json.loads(calendar(folder, "show", "--overlay", "2090.toml", "--overlay", "next.toml", "--json").out)
    known = read_overlay(folder / "2090.toml").on(read_overlay(folder / "next.toml").on(BUILT_IN))

    assert shown == {
        "year": 2090,
        "version": known.version,
        "working_days": 260,
        "by_month": [22, 20, 23, 20, 23, 22, 21, 23, 21, 22, 22, 21],
        "holidays": [{"name": "元旦", "off": ["2090-01-01"], "work": []}],
        "papers": ["notice of 2090"],
        "december_provisional": True,
    }


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["show", "2091"], "year_not_published", "2091年工作日历未导入"),
        (["show", "99999"], "invalid", "'99999' is no year of the calendar"),
        (["show", "0"], "invalid", "'0' is no year of the calendar"),
        (["show", "--overlay", "none.toml"], "calendar_invalid", "none.toml cannot be used"),
        (["show", "--overlay", "next.toml", "--overlay", "next.toml"], "calendar_invalid", "next.toml and next.toml"),
        (["diff", "bad.toml"], "calendar_invalid", "did you mean 'number'?"),
        (["check", "next.toml", "next.toml"], "calendar_invalid", "two overlays are of the year"),
    ],
)
def test_what_cannot_be_used_is_refused(folder: Path, args: list[str], code: str, said: str) -> None:
    done = calendar(folder, *args)

    assert done.code == 2
    assert done.err.splitlines()[0] == f"错误 / error [{code}]"
    assert said in done.err


def test_check_says_what_a_notice_says(folder: Path) -> None:
    assert calendar(folder, "check", "next.toml", "2090.toml") == Done(
        0,
        f"✓ next.toml  {NEXT}年  {NOTICE} 国办发明电〔{LAST}〕0号 {LAST}-11-04\n"
        f"    元旦: 放假 / off {NEXT}-01-01..01-03; 上班 / work {SATURDAY}\n"
        f"    工作日 / working days: {len(WEEKDAYS)}\n"
        f"    {LACKS}{LACKED}\n"
        + OF_2090_SHOWN.replace(f"{NEXT}至", f"{NEXT + 1}至").replace(f"{NEXT} to", f"{NEXT + 1} to"),
        "",
    )


def test_check_says_which_year_a_table_would_replace(folder: Path) -> None:
    only = 'year = 2026\nnotice = "国务院办公厅的通知"\n[[holiday]]\nname = "元旦"\noff = ["2026-01-01..2026-01-03"]\n'
    (folder / "only.toml").write_text(only, "utf-8")
    done = calendar(folder, "check", "only.toml")
    [row] = json.loads(calendar(folder, "check", "only.toml", "--json").out)

    assert (done.code, done.err) == (0, "")
    known = BUILT_IN.document()["years"]["2026"]
    left_out = sorted(
        {d for d in known["off"] if date.fromisoformat(d).isoweekday() < 6 and d > "2026-01-03"} | {*known["work"]}
    )
    days = ", ".join(left_out)
    assert done.out.splitlines()[-3:] == [
        f"    {LACKS}{LACKED}",
        f"    提示:缺少现行日历中的放假日或调休上班日 {days},未加 --replace 时导入将被拒绝 / "
        f"warning: it leaves out days that are off or made up now, and import refuses it without --replace: {days}",
        "    提示:替换现行日历的2026年,工作日 248 → 259 / warning: it replaces the 2026 that is there, "
        "working days 248 → 259",
    ]
    assert row["lacks"] == LACKED.split("、")
    assert row["left_out"] == left_out
    assert row["replaces"] == {"working_days_before": 248, "working_days_after": 259}


def test_check_says_when_the_title_is_of_another_year_and_when_a_year_before_it_is_not_there(folder: Path) -> None:
    (folder / "title.toml").write_text(OF_NEXT.replace(NOTICE, NOTICE.replace(str(NEXT), str(LAST))), "utf-8")
    later = OF_2090.replace("2090", str(NEXT + 2))
    (folder / "later.toml").write_text(later, "utf-8")
    (folder / "after.toml").write_text(OF_2090.replace("2090", str(NEXT + 1)), "utf-8")

    titled = (
        f"    提示:标题写的是{LAST}年,year 写的是 {NEXT},请核对 / warning: the title is of {LAST}, and year = {NEXT}: "
        "see which is right"
    )
    assert calendar(folder, "check", "title.toml").out.splitlines()[-1] == titled
    assert [
        (row["titled"], row["years_missing"])
        for row in json.loads(calendar(folder, "check", "title.toml", "later.toml", "--json").out)
    ] == [(LAST, []), (None, [NEXT + 1])]
    one = f"    {NOT_THERE.format(zh=NEXT + 1, en=NEXT + 1)}"
    assert calendar(folder, "check", "next.toml", "later.toml").out.splitlines()[-1] == one
    both = f"    {NOT_THERE.format(zh=f'{NEXT}至{NEXT + 1}', en=f'{NEXT} to {NEXT + 1}')}"
    assert calendar(folder, "check", "later.toml").out.splitlines()[-1] == both
    assert "未导入" not in calendar(folder, "check", "later.toml", "after.toml", "next.toml").out


@pytest.mark.parametrize("name", ["元旦[/]", "元旦[bold]", ":smile:", "元旦\\\\"])
def test_a_name_is_printed_as_it_is_written(folder: Path, name: str) -> None:
    (folder / "named.toml").write_text(OF_NEXT.replace('name = "元旦"', f'name = "{name}"'), "utf-8")
    written = name.replace("\\\\", "\\")
    overlaid = ("--overlay", "named.toml")

    assert cells_of(calendar(folder, "show", str(NEXT), *overlaid).out)[0][0] == written
    assert cells_of(calendar(folder, "diff", "named.toml").out)[0][3].startswith(f"调休上班({written})")
    done = ganchu("window", "reckon", "1 working day", "--from", f"{FRIDAY}T09:00", *overlaid, cwd=folder)
    assert cells_of(done.out)[1][3].startswith(f"调休上班({written})")


def test_a_year_shows_the_december_before_that_its_notice_settles(folder: Path) -> None:
    assert cells_of(calendar(folder, "show", "2019").out)[0] == ["元旦", "2018-12-30..2019-01-01", "2018-12-29"]
    shown = cells_of(calendar(folder, "show", str(NEXT), "--overlay", "next.toml").out)
    assert shown == [["元旦", f"{NEXT}-01-01..01-03", str(SATURDAY)]]


def test_every_command_reads_the_database_that_the_environment_names(folder: Path, sqlite_url: str) -> None:
    def on_database(*args: str) -> Done:
        return ganchu("calendar", *args, cwd=folder, env={"GANCHU_DB": sqlite_url})

    imported = on_database("import", "next.toml")
    known = on_database("show", str(NEXT), "--json")

    assert (imported.code, imported.err) == (0, f"{LACKS}{LACKED}\n")
    assert json.loads(known.out) == json.loads(calendar(folder, "show", str(NEXT), "--db", sqlite_url, "--json").out)
    assert calendar(folder, "show", str(NEXT)).code == 2
    assert "已有年份无变化 / no day changes in the years known before" in on_database("diff", "next.toml").out
    assert json.loads(on_database("check", "next.toml", "--json").out)[0]["replaces"] is None


def test_check_lists_every_fault_of_every_file(folder: Path) -> None:
    (folder / "empty.toml").write_text("", "utf-8")
    faults = [
        "没有“nmber”这一项,是否应为“number” / "
        "there is no key 'nmber'; did you mean 'number'? keys are: year, notice, number, dated, holiday",
        f"holiday 1 (元旦), work 1: {FRIDAY} 是星期五,本为工作日,无须调休 / "
        f"{FRIDAY} is made up, but it is a Friday, and worked anyway",
    ]
    empty = "文件为空,请写年份、通知和各节日 / it is empty; write the year, the notice and its holidays"
    files = ("bad.toml", "2090.toml", "empty.toml")

    done = calendar(folder, "check", *files)
    assert (done.code, done.out) == (2, OF_2090_SHOWN)
    assert done.err.splitlines() == [
        "✗ bad.toml",
        *(f"    - {fault}" for fault in faults),
        "✗ empty.toml",
        f"    - {empty}",
    ]
    in_json = calendar(folder, "check", *files, "--json")
    rows: list[dict[str, Any]] = json.loads(in_json.out)
    assert in_json.code == 2
    assert [(row["file"], row["ok"], row.get("findings")) for row in rows] == [
        ("bad.toml", False, faults),
        ("2090.toml", True, None),
        ("empty.toml", False, [empty]),
    ]


def test_diff_shows_the_days_that_change(folder: Path) -> None:
    after = read_overlay(folder / "next.toml").on(BUILT_IN)
    worked = json.loads(calendar(folder, "show", "--overlay", "next.toml", "--json").out)["working_days"]
    done = calendar(folder, "diff", "next.toml")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [
        f"日历 / calendar: {VERSION} → {after.version}",
        f"新增 / added: {NEXT}年,工作日 / working days {worked}",
    ]
    assert cells_of(done.out) == [
        [str(SATURDAY), "周六 / Sat", "周末 / weekend", "调休上班(元旦) / make-up working day (元旦)"]
    ]
    assert json.loads(calendar(folder, "diff", "next.toml", "--json").out) == {
        "before": VERSION,
        "after": after.version,
        "years_added": [NEXT],
        "days": [{"date": str(SATURDAY), "before": "weekend", "after": "make_up", "holiday": "元旦", "matters": True}],
    }


def test_diff_against_an_overlay_shows_what_an_amendment_changes(folder: Path) -> None:
    amended = OF_2090.replace("[2090-01-01]", '["2090-01-01..2090-01-03"]')
    (folder / "amended.toml").write_text(amended, "utf-8")

    assert cells_of(calendar(folder, "diff", "amended.toml", "--overlay", "2090.toml").out) == [
        ["2090-01-02", "周一 / Mon", "工作日 / working day", "放假(元旦) / holiday (元旦)"],
        ["2090-01-03", "周二 / Tue", "工作日 / working day", "放假(元旦) / holiday (元旦)"],
    ]
    assert calendar(folder, "diff", "2090.toml", "--overlay", "2090.toml").out.splitlines()[1:] == [
        "已有年份无变化 / no day changes in the years known before"
    ]
