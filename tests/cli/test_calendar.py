"""`ganchu calendar` as a user meets it: a year, a notice that is checked, and what it changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow.timing import WorkingCalendar, read_overlay
from tests.cli.command import Done, ganchu

VERSION = WorkingCalendar.built_in().version
NOTICE = "国务院办公厅关于2027年部分节假日安排的通知"
# Invented: the notice of 2027 was not out when this was written.
OF_2027 = f"""\
year = 2027
notice = "{NOTICE}"
number = "国办发明电〔2026〕0号"
dated = 2026-11-04

[[holiday]]
name = "元旦"
off = ["2027-01-01..2027-01-03"]
work = [2026-12-26]
"""
OF_2028 = 'year = 2028\nnotice = "notice of 2028"\n[[holiday]]\nname = "元旦"\noff = [2028-01-01]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "2027.toml").write_text(OF_2027, "utf-8")
    (tmp_path / "2028.toml").write_text(OF_2028, "utf-8")
    (tmp_path / "bad.toml").write_text(OF_2027.replace("2026-12-26", "2026-12-25").replace("number", "nmber"), "utf-8")
    return tmp_path


def calendar(folder: Path, *args: str) -> Done:
    return ganchu("calendar", *args, cwd=folder)


def cells_of(out: str) -> list[list[str]]:
    """The cells of the rows of a table that Rich drew, without its head."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]


def test_a_year_shows_its_holidays_and_its_working_days(folder: Path) -> None:
    done = calendar(folder, "show", "2026")

    assert (done.code, done.err) == (0, "")
    assert cells_of(done.out) == [
        ["元旦", "2026-01-01..01-03", "2026-01-04"],
        ["春节", "2026-02-15..02-23", "2026-02-14, 2026-02-28"],
        ["清明", "2026-04-04..04-06", ""],
        ["劳动节", "2026-05-01..05-05", "2026-05-09"],
        ["端午", "2026-06-19..06-21", ""],
        ["国庆节", "2026-10-01..10-07", "2026-09-20, 2026-10-10"],
        ["中秋", "2026-09-25..09-27", ""],
    ]
    assert done.out.splitlines()[-4:] == [
        "工作日 / working days: 248 "
        "(1月:21 2月:16 3月:22 4月:21 5月:19 6月:21 7月:23 8月:21 9月:22 10月:18 11月:21 12月:23)",
        f"日历版本 / version: {VERSION}",
        "依据 / under: 国务院办公厅关于2026年部分节假日安排的通知 "
        "https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm",
        "12月为暂定:2027年放假安排尚未导入,可能调整本年12月的日子 / December is provisional: the notice of 2027 is not "
        "loaded, and may change days of it",
    ]


def test_a_december_is_settled_by_the_next_notice(folder: Path) -> None:
    done = calendar(folder, "show", "2026", "--overlay", "2027.toml")

    assert "暂定" not in done.out
    assert cells_of(done.out)[0] == ["元旦", "2026-01-01..01-03", "2026-01-04, 2026-12-26"]
    assert "工作日 / working days: 249 " in done.out
    assert f"依据 / under: {NOTICE}(国办发明电〔2026〕0号,2026-11-04)" in done.out.splitlines()


def test_without_a_year_the_last_one_that_is_known_is_shown(folder: Path) -> None:
    shown = json.loads(calendar(folder, "show", "--overlay", "2028.toml", "--overlay", "2027.toml", "--json").out)
    known = read_overlay(folder / "2028.toml").on(read_overlay(folder / "2027.toml").on(WorkingCalendar.built_in()))

    assert shown == {
        "year": 2028,
        "version": known.version,
        "working_days": 260,
        "by_month": [21, 21, 23, 20, 23, 22, 21, 23, 21, 22, 22, 21],
        "holidays": [{"name": "元旦", "off": ["2028-01-01"], "work": []}],
        "papers": ["notice of 2028"],
        "december_provisional": True,
    }


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["show", "2030"], "year_not_published", "2030年工作日历未导入"),
        (["show", "99999"], "invalid", "'99999' is no year of the calendar"),
        (["show", "0"], "invalid", "'0' is no year of the calendar"),
        (["show", "--overlay", "none.toml"], "calendar_invalid", "none.toml cannot be used"),
        (["show", "--overlay", "2027.toml", "--overlay", "2027.toml"], "calendar_invalid", "2027.toml and 2027.toml"),
        (["diff", "bad.toml"], "calendar_invalid", "did you mean 'number'?"),
        (["check", "2027.toml", "2027.toml"], "calendar_invalid", "two overlays are of the year 2027"),
    ],
)
def test_what_cannot_be_used_is_refused(folder: Path, args: list[str], code: str, said: str) -> None:
    done = calendar(folder, *args)

    assert done.code == 2
    assert done.err.splitlines()[0] == f"错误 / error [{code}]"
    assert said in done.err


def test_check_says_what_a_notice_says(folder: Path) -> None:
    assert calendar(folder, "check", "2027.toml", "2028.toml") == Done(
        0,
        f"✓ 2027.toml  2027年  {NOTICE} 国办发明电〔2026〕0号 2026-11-04\n"
        "    元旦: 放假 / off 2027-01-01..01-03; 上班 / work 2026-12-26\n"
        "✓ 2028.toml  2028年  notice of 2028\n"
        "    元旦: 放假 / off 2028-01-01\n",
        "",
    )


def test_check_lists_every_fault_of_every_file(folder: Path) -> None:
    (folder / "empty.toml").write_text("", "utf-8")
    faults = [
        "there is no key 'nmber'; did you mean 'number'? keys are: year, notice, number, dated, holiday",
        "holiday 1 (元旦), work 1: 2026-12-25 is made up, but it is a Friday, and worked anyway",
    ]
    empty = "it is empty; write the year, the notice and its holidays"
    files = ("bad.toml", "2028.toml", "empty.toml")

    done = calendar(folder, "check", *files)
    assert (done.code, done.out) == (2, "✓ 2028.toml  2028年  notice of 2028\n    元旦: 放假 / off 2028-01-01\n")
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
        ("2028.toml", True, None),
        ("empty.toml", False, [empty]),
    ]


def test_diff_shows_the_days_that_change(folder: Path) -> None:
    after = read_overlay(folder / "2027.toml").on(WorkingCalendar.built_in())
    done = calendar(folder, "diff", "2027.toml")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [
        f"日历 / calendar: {VERSION} → {after.version}",
        "新增 / added: 2027年,工作日 / working days 260",
    ]
    assert cells_of(done.out) == [
        ["2026-12-26", "周六 / Sat", "周末 / weekend", "调休上班(元旦) / make-up working day (元旦)"]
    ]
    assert json.loads(calendar(folder, "diff", "2027.toml", "--json").out) == {
        "before": VERSION,
        "after": after.version,
        "years_added": [2027],
        "days": [{"date": "2026-12-26", "before": "weekend", "after": "make_up", "holiday": "元旦", "matters": True}],
    }


def test_diff_against_an_overlay_shows_what_an_amendment_changes(folder: Path) -> None:
    (folder / "amended.toml").write_text(OF_2027.replace("..2027-01-03", "..2027-01-04"), "utf-8")

    assert cells_of(calendar(folder, "diff", "amended.toml", "--overlay", "2027.toml").out) == [
        ["2027-01-04", "周一 / Mon", "工作日 / working day", "放假(元旦) / holiday (元旦)"]
    ]
    assert calendar(folder, "diff", "2027.toml", "--overlay", "2027.toml").out.splitlines()[1:] == [
        "已有年份无变化 / no day changes in the years known before"
    ]
