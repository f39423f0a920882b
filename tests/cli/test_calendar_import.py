"""`ganchu calendar import` and `diff --db`, `ganchu deadline list` and `explain`, on each kind of database."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow.testing import OFFICE, RoundScript
from ganchu_workflow.timing import Overlay, WorkingCalendar, read_overlay
from tests.cli.command import Done, dump, ganchu
from tests.cli.test_calendar import LAST, NEXT, OF_NEXT
from tests.rounds.script import plan_of, with_a_day_off

AT = ("--at", "2022-03-18T10:00")
WARNED = [
    "提示:未列出每年都有的节日,请核对通知 / warning: it lacks holidays of every year, see whether the notice does: "
    "元旦、春节、劳动节、国庆节、清明节、端午节、中秋节",
    "提示:替换现行日历的2022年,工作日 249 → 259 / warning: it replaces the 2022 that is there, working days 249 → 259",
]
NAME = "self_declaration.correction_due"


@dataclass(frozen=True)
class Desk:
    """A firm that has to correct its application until 25 March 2022, and a notice that gives 22 March off."""

    url: str
    folder: Path
    script: RoundScript
    case: str
    after: WorkingCalendar

    def run(self, *args: str) -> Done:
        return ganchu(*args, cwd=self.folder, env={"GANCHU_DB": self.url})


def written(overlay: Overlay) -> str:
    days = {key: ", ".join(map(str, getattr(overlay, key))) for key in ("off", "work")}
    holiday = f'[[holiday]]\nname = "测试用"\noff = [{days["off"]}]\nwork = [{days["work"]}]\n'
    return f'year = {overlay.year}\nnotice = "{overlay.notice}"\n{holiday}'


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    script = RoundScript(plan_of("T-1") | {"demonstration": True}, database=database_url, start="2022-03-18T09:00")
    script.declare("甲")
    script.fire("甲", "return_for_correction", OFFICE, items=["检测报告"])
    overlay = with_a_day_off(script.instant("2022-03-22T00:00").date())
    (tmp_path / "amended.toml").write_text(written(overlay), "utf-8")
    part = 'year = 2022\nnotice = "测试用"\n[[holiday]]\nname = "测试用"\noff = [2022-03-22]\n'
    (tmp_path / "part.toml").write_text(part, "utf-8")
    yield Desk(database_url, tmp_path, script, script.apps["甲"], overlay.on(WorkingCalendar.built_in()))
    script.close()


def test_the_ends_that_a_notice_would_move_are_listed_before_it_is_imported(desk: Desk) -> None:
    before = dump(desk.url)
    done = desk.run("calendar", "diff", "amended.toml", "--db", desk.url, *AT)
    row: dict[str, Any] = json.loads(desk.run("calendar", "diff", "amended.toml", "--db", desk.url, *AT, "--json").out)

    assert (done.code, done.err) == (0, "")
    assert "│ 2022-03-22" in done.out
    assert done.out.splitlines()[-3:] == [
        f"T-1  {desk.script.round}",
        "    顺延的期限 / ends that move later: 1",
        f"        {desk.case}  补正期限 ({NAME})  2022-03-25 17:30:00+08:00 → 2022-03-28 17:30:00+08:00",
    ]
    assert [d["date"] for d in row["days"] if d["matters"]] == ["2022-03-22"]
    [found] = row["rounds"]
    assert (found["round"], found["counts"]["later"], found["error"]) == (desk.script.round, 1, None)
    assert found["later"] == [
        {
            "case": desk.case,
            "deadline": NAME,
            "was": "2022-03-25T09:30:00.000000Z",
            "by_the_new_calendar": "2022-03-28T09:30:00.000000Z",
        }
    ]
    assert dump(desk.url) == before


def test_an_import_moves_them_and_a_second_one_finds_nothing(desk: Desk) -> None:
    tried = desk.run("calendar", "import", "amended.toml", *AT, "--dry-run")
    done = desk.run("calendar", "import", "amended.toml", *AT, "--person", "u-17")
    again = desk.run("calendar", "import", "amended.toml", *AT)

    assert [each.code for each in (tried, done, again)] == [0, 0, 0]
    assert tried.out.splitlines()[0] == "试运行,未写入 / dry run: nothing is written"
    assert done.out.splitlines()[0] == "已导入 / imported: amended.toml"
    assert tried.out.splitlines()[1:] == done.out.splitlines()[1:]
    assert again.out.splitlines()[1:] == ["各批次均已采用 / every round goes by it already"]
    assert [row[5] for row in dump(desk.url)["ganchu_calendar_import"]] == ["office#u-17"]
    shown = desk.run("calendar", "show", "2022", "--db", desk.url)
    assert f"日历版本 / version: {desk.after.version}" in shown.out.splitlines()


def test_an_amendment_that_names_only_its_own_days_is_refused_unless_it_is_meant_so(desk: Desk) -> None:
    done = desk.run("calendar", "import", "part.toml", *AT)
    checked = desk.run("calendar", "check", "part.toml")

    assert (done.code, done.err.splitlines()[0]) == (2, "错误 / error [calendar_invalid]")
    assert "2022-10-07" in done.err and "--replace" in done.err
    assert dump(desk.url)["ganchu_calendar_import"] == []
    lacks, refused, replaces = (line.strip() for line in checked.out.splitlines()[-3:])
    assert [lacks, replaces] == WARNED
    assert refused.startswith("提示:缺少现行日历中的放假日或调休上班日 2022-01-03, 2022-01-29, ")
    assert desk.run("calendar", "import", "part.toml", *AT, "--replace", "--dry-run").err.splitlines() == WARNED
    assert desk.run("calendar", "import", "part.toml", *AT, "--replace").err.splitlines() == WARNED


def test_of_two_imports_at_one_instant_the_later_one_is_in_force(desk: Desk) -> None:
    later = read_overlay(desk.folder / "amended.toml")
    for number in range(7):
        amended = replace(later, notice=f"修订{number}")
        (desk.folder / "again.toml").write_text(written(amended), "utf-8")
        done = desk.run("calendar", "import", "again.toml", *AT)
        assert (done.code, "every round goes by it already" in done.out) == (0, False)
        version = amended.on(WorkingCalendar.built_in()).version
        assert desk.script.wf.calendar_in_force().version == version
        assert desk.script.wf.calendar_in_force(desk.script.round).version == version


def test_only_the_office_imports(desk: Desk) -> None:
    done = desk.run("calendar", "import", "amended.toml", *AT, "--as", "supervisor")
    assert (done.code, done.err.splitlines()[0]) == (3, "不予办理 / refused [not_allowed]")


def test_the_deadlines_of_a_case_are_listed_and_explained(desk: Desk) -> None:
    version = desk.script.wf.calendar.version
    listed = desk.run("deadline", "list", desk.case)
    [row] = json.loads(desk.run("deadline", "list", desk.case, "--json").out)
    explained = desk.run("deadline", "explain", desk.case, "correction_due")

    assert (listed.code, listed.err) == (0, "")
    assert listed.out.splitlines()[:2] == [
        f"补正期限 ({NAME})  计算中 / runs  2022-03-25 17:30:00+08:00",
        f"    setting:correction = 5 working days  {version}",
    ]
    assert (row["name"], row["status"], row["ends_at"]) == (NAME, "armed", "2022-03-25T09:30:00.000000Z")
    assert explained.code == 0
    assert explained.out.splitlines()[0] == f"补正期限 ({NAME})  按规则逐日推算 / reckoned day by day by its rule"
    assert "截止 / end: 2022-03-25 17:30 (周五 / Fri)" in explained.out.splitlines()
    assert desk.run("deadline", "explain", desk.case, "nothing").code == 2


def test_an_end_that_becomes_known_when_it_is_over_says_that_it_fires_next(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "next.toml").write_text(OF_NEXT, "utf-8")
    script = RoundScript(plan_of("T-1") | {"demonstration": True}, database=sqlite_url, start=f"{LAST}-12-28T09:00")
    script.declare("甲")
    script.fire("甲", "return_for_correction", OFFICE, items=["检测报告"])
    over = (
        "            导入即已届满;不应即行届满的,导入前先中止(deadline:suspend),导入后再恢复 / would be over at once; "
    )
    over += "where that should not be, suspend it before the import (deadline:suspend), and let it go on after it"

    def listed(at: str) -> tuple[list[str], bool]:
        asked = ("calendar", "import", "next.toml", "--db", sqlite_url, "--dry-run", "--at", at)
        [found] = json.loads(ganchu(*asked, "--json", cwd=tmp_path).out)
        return ganchu(*asked, cwd=tmp_path).out.splitlines()[3:], found["resolved"][0]["over"]

    [row], is_over = listed(f"{NEXT}-01-04T09:00")
    assert row.startswith(f"        {script.apps['甲']}  补正期限 ({NAME})  - → {NEXT}-01-")
    end = row.partition("→ ")[2].removesuffix(":00+08:00").replace(" ", "T")
    assert is_over is False
    assert listed(end) == ([row], False)
    assert listed(f"{end}:00.000001") == ([row, over], True)
    asked = ("calendar", "import", "next.toml", "--db", sqlite_url, "--at", f"{end}:00.000001")
    assert ganchu(*asked, cwd=tmp_path).out.splitlines()[3:] == [
        row,
        "            已届满,下次运行即触发 / over already: it fires at the next sweep",
    ]
    script.close()


def test_a_printed_end_is_listed_with_what_its_notice_is_called(sqlite_url: str, tmp_path: Path) -> None:
    script = RoundScript(plan_of("T-1") | {"demonstration": True}, database=sqlite_url, start="2022-03-18T09:00")
    script.carry("甲", to="public_notice")
    notice = script.notice("甲", closes_at="2022-03-25T17:31:00+08:00")
    (tmp_path / "amended.toml").write_text(written(with_a_day_off(script.instant("2022-03-22").date())), "utf-8")
    done = ganchu("calendar", "diff", "amended.toml", "--db", sqlite_url, *AT, cwd=tmp_path)

    assert done.out.splitlines()[-1] == (
        f"        公示(虚构) {notice.case_id}  公示期 (window)  2022-03-25 17:31:00+08:00 → 2022-03-28 17:30:00+08:00"
    )
    script.close()
