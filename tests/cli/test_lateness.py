"""`ganchu tick`, `overdue` and `deadline`: what they fire, list and release, on each kind of database."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from ganchu_workflow import Actor, Role
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.testing import OFFICE, RoundScript, usual_plan
from tests.cli.command import Done, ganchu, meddling, workflow
from tests.engine.small_process import Small
from tests.heartbeat.process import ONCE, overdue, triggers

CASE = METADATA.tables["ganchu_case"]


def run(url: str, folder: Path, *args: str) -> Done:
    return ganchu(*args, cwd=folder, env={"GANCHU_DB": url})


def answer(done: Done) -> Any:
    return json.loads(done.out)


def broken(url: str, parked: bool = False) -> str:
    """The phase of a round, overdue for a day, whose row somebody has damaged: to fire its deadline crashes."""
    [phase] = overdue(url, 1)
    with meddling(url) as connection:
        connection.execute(update(CASE).where(CASE.c.id == phase).values(facts="no JSON"))
    if parked:
        with workflow(url) as wf:
            assert [each.status for each in wf.tick(park_after=1).stuck] == ["parked"]
    return phase


def mended(url: str, phase: str) -> None:
    with workflow(url) as wf:
        facts = wf.history(phase)[0]["facts"]
    with meddling(url) as connection:
        text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        connection.execute(update(CASE).where(CASE.c.id == phase).values(facts=text))


def test_where_nothing_is_late_it_says_so(database_url: str, tmp_path: Path) -> None:
    assert run(database_url, tmp_path, "overdue") == Done(0, "逾期未触发 0 项 / late: 0\n", "")
    assert answer(run(database_url, tmp_path, "overdue", "--json"))["late"] == []


def test_what_nobody_has_fired_is_late_and_for_no_person(database_url: str, tmp_path: Path) -> None:
    [phase] = overdue(database_url, 1)

    done = run(database_url, tmp_path, "overdue")
    row = answer(run(database_url, tmp_path, "overdue", "--json"))

    assert (done.code, done.err) == (0, "")
    # A day and an hour ago the window opened.
    lines = done.out.splitlines()
    assert lines[:8] == [
        "逾期未触发 1 项 / late: 1",
        "    ≤1分钟 / ≤1 min: 0",
        "    ≤5分钟 / ≤5 min: 0",
        "    ≤1小时 / ≤1 h: 0",
        "    ≤1天 / ≤1 d: 0",
        "    ≤7天 / ≤7 d: 1",
        "    超过7天 / more: 0",
        "    尚无进程处理 / nobody has tried: 1",
    ]
    assert lines[8].startswith(f"    self_declaration {phase}  phase  waiting  等待期 (opens)  clock  应于 ")
    assert "  逾期 1天1小时 / 1 d 1 h" in lines[8]
    assert lines[9:] == ["        尚无进程处理 / nobody has tried"]
    assert (row["total"], row["by_reason"]["no_worker"]) == (1, 1)
    assert [step["count"] for step in row["histogram"]] == [0, 0, 0, 0, 1, 0]
    [late] = row["late"]
    assert (late["case"], late["deadline"], late["label"], late["owner"], late["why"]) == (
        phase,
        "opens",
        "等待期",
        "clock",
        "no_worker",
    )


def test_a_sweep_that_explains_says_what_is_left(database_url: str, tmp_path: Path) -> None:
    phase = broken(database_url)
    others = overdue(database_url, 2)

    first = run(database_url, tmp_path, "tick", "--explain")
    second = run(database_url, tmp_path, "tick", "--explain", "--json")

    assert (first.code, second.code) == (4, 0)
    lines = first.out.splitlines()
    assert (lines[0], lines[5]) == ("已触发 4 项 / fired 4", "逾期未触发 1 项 / late: 1")
    assert sorted(line.split()[1] for line in lines[1:5]) == sorted(others * 2)
    assert "        运行出错,待重试 / crashed, tried again (1次 / 1 tries): [fault] firing it crashed" in first.out
    assert first.err.startswith(f"未触发 / did not fire: {phase} opens [fault]")
    left = answer(second)
    assert (left["fired"], left["refused"], [s["status"] for s in left["stuck"]]) == ([], [], ["retrying"])
    assert [(each["case"], each["why"], each["tries"]) for each in left["overdue"]["late"]] == [(phase, "retrying", 1)]
    assert triggers(database_url, others) == [ONCE] * 2


@pytest.mark.parametrize("command", [("tick",), ("overdue",), ("worker", "--once")])
def test_what_is_parked_is_told_with_the_exit_code_until_somebody_has_seen_to_it(
    sqlite_url: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    broken(sqlite_url, parked=True)

    assert [run(sqlite_url, tmp_path, *command).code for _ in range(2)] == [4, 4]


def test_a_parked_deadline_is_released_and_fires(database_url: str, tmp_path: Path) -> None:
    phase = broken(database_url, parked=True)
    listed = run(database_url, tmp_path, "overdue")
    assert f"        ganchu deadline release {phase} opens --as office --reason …" in listed.out.splitlines()
    mended(database_url, phase)
    assert run(database_url, tmp_path, "tick").out == "已触发 0 项 / fired 0\n"

    words = ("deadline", "release", phase, "opens", "--reason", "数据已恢复", "--person", "u-17")
    done = run(database_url, tmp_path, *words)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "已恢复 1 项,下次运行时触发 / released 1: the next sweep tries them"
    fired = run(database_url, tmp_path, "tick")
    assert (fired.code, fired.out.splitlines()[0], fired.err) == (0, "已触发 2 项 / fired 2", "")
    with workflow(database_url) as wf:
        [round_] = wf.rounds()
        kept = wf.attempts(round_)[-1]
        assert (kept["name"], kept["kind"], kept["actor"]) == ("deadline.release", "decided", "office#u-17")
        assert wf.verify().problems == []


def test_what_is_not_stuck_or_not_ones_own_to_release_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    phase = broken(sqlite_url, parked=True)
    words = ("deadline", "release", phase, "--reason", "再试")

    stranger = run(sqlite_url, tmp_path, *words, "--as", "auditor")
    other = run(sqlite_url, tmp_path, "deadline", "release", phase, "closes", "--reason", "再试")
    nowhere = run(sqlite_url, tmp_path, "deadline", "release", "nothing", "--reason", "再试")

    assert [(d.code, d.out, d.err.splitlines()[0]) for d in (stranger, other, nowhere)] == [
        (3, "", "不予办理 / refused [not_allowed]"),
        (3, "", "不予办理 / refused [deadline_not_stuck]"),
        (2, "", "错误 / error [unknown]"),
    ]
    released = answer(run(sqlite_url, tmp_path, *words, "--json"))
    assert [(each["case"], each["deadline"], each["status"]) for each in released] == [(phase, "opens", "parked")]


def test_a_round_of_stages_that_are_not_installed_is_told_and_no_traceback(sqlite_url: str, tmp_path: Path) -> None:
    small = Small(sqlite_url).open_round()
    small.wf.database.dispose()

    done = run(sqlite_url, tmp_path, "overdue", "--round", small.round)

    assert (done.code, done.err) == (4, "")
    assert f"批次无法运行 / cannot be run: {small.round}" in done.out
    assert "    所装环节无法运行该批次 / the installed stages cannot run the round: 2" in done.out.splitlines()


def test_a_round_that_there_is_not_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    [phase] = overdue(sqlite_url, 1)

    assert [run(sqlite_url, tmp_path, "overdue", "--round", r).code for r in ("nothing", phase)] == [2, 2]


def test_a_list_that_is_cut_short_says_so(sqlite_url: str, tmp_path: Path) -> None:
    overdue(sqlite_url, 3)

    done = run(sqlite_url, tmp_path, "overdue", "--limit", "1")

    assert done.out.splitlines()[0] == "逾期未触发 3 项 / late: 3"
    assert done.out.splitlines()[-1] == "仅列出部分,见 --limit / not all are listed: --limit"


def test_the_office_is_who_releases_if_nobody_else_is_named(sqlite_url: str, tmp_path: Path) -> None:
    phase = broken(sqlite_url, parked=True)

    assert run(sqlite_url, tmp_path, "deadline", "release", phase, "--reason", "再试").code == 0
    with workflow(sqlite_url) as wf:
        assert wf.attempts(wf.rounds()[0])[-1]["actor"] == str(Actor(Role.OFFICE))


def test_a_round_whose_calendar_cannot_be_read_is_told_with_the_exit_code(database_url: str, tmp_path: Path) -> None:
    [phase] = overdue(database_url, 1)
    with workflow(database_url) as wf:
        round_ = wf.case(phase).round
        facts = dict(wf.case(round_).facts)
    facts["calendars"] = {"base": "cn-nowhere"}
    with meddling(database_url) as connection:
        text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        connection.execute(update(CASE).where(CASE.c.id == round_).values(facts=text))
    why = "the round goes by a calendar that is not stored: cn-nowhere"

    swept = run(database_url, tmp_path, "tick")
    listed = run(database_url, tmp_path, "overdue")
    once = run(database_url, tmp_path, "worker", "--once")

    code = facts["code"]
    assert [done.code for done in (swept, listed, once)] == [4, 4, 4]
    assert f"未采用新日历 / calendar not adopted: {code} {round_} {why}" in swept.err.splitlines()
    assert listed.out.splitlines()[-1] == f"未采用新日历 / calendar not adopted: {code} {round_}  {why}"
    assert f"未采用新日历的批次 1 个 / behind: {code} {why}" in once.out
    assert answer(run(database_url, tmp_path, "overdue", "--json"))["behind"] == [
        {"round": round_, "code": code, "why": why}
    ]
    assert answer(run(database_url, tmp_path, "tick", "--json"))["behind"] == [
        {"round": round_, "code": code, "why": why}
    ]


def test_what_waits_for_a_year_and_what_is_suspended_is_listed(sqlite_url: str, tmp_path: Path) -> None:
    declaring = {"window": {"opens": datetime(2090, 2, 28, 9), "closes": datetime(2090, 4, 24, 17, 30)}}
    script = RoundScript(usual_plan(self_declaration=declaring), database=sqlite_url)
    script.at("2090-03-01T09:00")
    script.declare("水表", "茶油")
    for name in ("水表", "茶油"):
        script.fire(name, "return_for_correction", OFFICE, items=["检测报告"])
    script.fire("茶油", "deadline:suspend", OFFICE, deadline="correction_due", ground="方案第五条")
    waits, suspended = script.id("水表"), script.id("茶油")
    script.close()
    env = {"GANCHU_DB": sqlite_url, "GANCHU_AT": "2090-03-02T09:00"}

    told = ganchu("overdue", cwd=tmp_path, env=env)
    rows = answer(ganchu("overdue", "--json", cwd=tmp_path, env=env))
    listed = ganchu("deadline", "list", waits, cwd=tmp_path, env=env)

    at, name = "2090-03-01 09:00:00+08:00", "补正期限 (self_declaration.correction_due)"
    where = f"application  self_declaration.correcting  {name}  applicant"
    left = "剩余5个工作日(恢复当日不计) / left: 5 working days (day of resuming not counted)"
    assert [line.strip() for line in told.out.splitlines()] == [
        "逾期未触发 0 项 / late: 0",
        "待放假安排 / waiting for a year's calendar: 1",
        f"{waits}  {where}  起于 {at}  缺 2090 年,请导入 / 2090 is missing: ganchu calendar import",
        "已中止,须以办理恢复 / suspended, until an act lets it go on: 1",
        f"{suspended}  {where}  自 {at}  {left}",
    ]
    assert [(row["case"], row["left"]) for row in rows["suspended"]] == [(suspended, "5 working days")]
    waiting = "待放假安排公布 / waits for a year's calendar  缺 2090 年 / 2090 is missing"
    assert listed.out.splitlines()[0] == f"{name}  {waiting}"
