"""What the terminal says of ends: after an act, on a refusal, in a history, and where nothing runs or may be done."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow import Actor, Role
from ganchu_workflow.cli.ends import show_fired
from ganchu_workflow.testing import OFFICE, RoundScript, usual_plan
from tests.cli.command import Done, ganchu
from tests.cli.test_calendar_import import written
from tests.rounds.script import with_a_day_off

DECLARING = {"window": {"opens": datetime(2026, 9, 1, 9), "closes": datetime(2026, 9, 24, 17, 30)}}
NAME = "补正期限 (self_declaration.correction_due)"
STOOD = "self_declaration.correcting → self_declaration.correcting"
ABOUT = {"deadline": "correction_due", "ground": "方案第五条"}
OUTAGE = {
    "began": "2026-09-24T11:00:00+08:00",
    "ended": "2026-09-24T15:00:00+08:00",
    "until": "2026-09-25T17:30:00+08:00",
    "document": "演函〔2026〕9号(虚构)",
    "ground": "方案第八条",
}


@dataclass(frozen=True)
class Desk:
    """Two declarations that were returned for correction by 2026-09-24 17:30, and the terminal of the office."""

    script: RoundScript
    url: str
    folder: Path

    def ask(self, *args: str, at: str = "") -> Done:
        env = {"GANCHU_DB": self.url} | ({"GANCHU_AT": at} if at else {})
        return ganchu(*args, cwd=self.folder, env=env)

    def import_a_day_off(self, at: str, day: date) -> Done:
        (self.folder / "amended.toml").write_text(written(with_a_day_off(day)), "utf-8")
        return self.ask("calendar", "import", "amended.toml", at=at)

    def fire(self, at: str, case: str, trigger: str, data: dict[str, Any], *more: str) -> Done:
        return self.ask("fire", case, trigger, "--as", "office", "--data", json.dumps(data), *more, at=at)


@pytest.fixture
def desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    script = RoundScript(usual_plan(self_declaration=DECLARING), database=sqlite_url)
    script.declare("水表", "茶油")
    script.at("2026-09-18T10:00")
    for name in ("水表", "茶油"):
        script.fire(name, "return_for_correction", OFFICE, items=["检测报告"])
    yield Desk(script, sqlite_url, tmp_path)
    script.close()


def test_an_act_says_which_ends_it_has_changed(desk: Desk) -> None:
    case = desk.script.id("水表")
    stopped = desk.fire("2026-09-22T11:00", case, "deadline:suspend", ABOUT)
    resumed = desk.fire("2026-09-23T09:00", case, "deadline:resume", ABOUT)
    later = ABOUT | {"until": "2026-09-30T12:00:00+08:00"}
    extended = desk.fire("2026-09-23T10:00", case, "deadline:extend", later, "--json")
    ended = desk.fire("2026-09-23T11:00", case, "deadline:end", ABOUT)

    left = "剩余3个工作日(恢复当日不计) / left: 3 working days (day of resuming not counted)"
    assert stopped == Done(0, f"{case}  {STOOD}\n    {NAME}: 已中止 / suspended  {left}\n", "")
    assert resumed == Done(0, f"{case}  {STOOD}\n    {NAME}: 2026-09-29 17:30:00+08:00\n", "")
    row = json.loads(extended.out)
    assert row["then"] == []
    assert row["deadlines"] == [
        {
            "case": case,
            "deadline": "self_declaration.correction_due",
            "label": "补正期限",
            "status": "armed",
            "ends_at": "2026-09-30T04:00:00.000000Z",
            "remainder": None,
            "rest_day": False,
        }
    ]
    then = "随后 / then self_declaration.give_up: self_declaration.correcting → withdrawn"
    assert ended == Done(0, f"{case}  {STOOD}\n    {NAME}: 不再计算 / over\n    {then}\n", "")


def test_an_end_that_an_act_puts_on_a_day_off_is_marked_where_it_stands_and_not_in_a_history(desk: Desk) -> None:
    case = desk.script.id("水表")
    on_saturday = ABOUT | {"until": "2026-09-26T12:00:00+08:00"}
    extended = desk.fire("2026-09-22T11:00", case, "deadline:extend", on_saturday)
    marked = "2026-09-26 12:00:00+08:00  休息日 / on a day off"

    assert extended == Done(0, f"{case}  {STOOD}\n    {NAME}: {marked}\n", "")
    assert desk.ask("deadline", "list", case).out.splitlines()[0] == f"{NAME}  计算中 / runs  {marked}"
    last = desk.ask("history", case).out.splitlines()[-1]
    assert last.strip() == f"{NAME}: 2026-09-26 12:00:00+08:00  原 / was 2026-09-24 17:30:00+08:00"
    on_sunday = ABOUT | {"until": "2026-09-27T12:00:00+08:00"}
    again = json.loads(desk.fire("2026-09-22T12:00", case, "deadline:extend", on_sunday, "--json").out)
    assert [row["rest_day"] for row in again["deadlines"]] == [True]


def test_a_row_of_a_history_stays_as_it_is_when_a_later_notice_gives_its_day_off(desk: Desk) -> None:
    case = desk.script.id("水表")
    desk.fire("2026-09-22T11:00", case, "deadline:extend", ABOUT | {"until": "2026-09-29T12:00:00+08:00"})
    before = desk.ask("history", case).out.splitlines()

    assert desk.import_a_day_off("2026-09-22T12:00", date(2026, 9, 29)).code == 0

    marked = f"{NAME}  计算中 / runs  2026-09-29 12:00:00+08:00  休息日 / on a day off"
    assert desk.ask("deadline", "list", case).out.splitlines()[0] == marked
    assert desk.ask("history", case).out.splitlines()[: len(before)] == before


def test_an_end_at_midnight_is_24_of_the_day_before_wherever_it_is_shown(desk: Desk) -> None:
    case = desk.script.id("水表")
    to_midnight = ABOUT | {"until": "2026-09-26T00:00:00+08:00"}
    extended = desk.fire("2026-09-22T11:00", case, "deadline:extend", to_midnight)
    desk.fire("2026-09-22T11:00", desk.script.id("茶油"), "deadline:extend", to_midnight)
    shown = "2026-09-25 24:00:00+08:00  休息日 / on a day off"

    assert extended.out.splitlines()[-1] == f"    {NAME}: {shown}"
    assert desk.ask("deadline", "list", case).out.splitlines()[0] == f"{NAME}  计算中 / runs  {shown}"
    assert desk.ask("history", case).out.splitlines()[-1] == (
        f"     {NAME}: 2026-09-25 24:00:00+08:00  原 / was 2026-09-24 17:30:00+08:00"
    )
    desk.fire(
        "2026-09-24T16:00", desk.script.round, "round:extend_for_outage", OUTAGE | {"until": to_midnight["until"]}
    )
    assert (
        desk.ask("history", desk.script.round)
        .out.splitlines()[-1]
        .endswith("  顺延至 / until 2026-09-25 24:00:00+08:00")
    )
    status = desk.ask("round", "status", desk.script.round).out.splitlines()
    assert "  起 2026-09-01 09:00:00+08:00  止 2026-09-25 24:00:00+08:00" in status[1]
    assert "最近到期 / next due: 2026-09-25 24:00:00+08:00" in status[-1]
    assert desk.ask("tasks", "--as", "applicant:firm-水表").out.endswith("2026-09-25 24:00:00+08:00\n")


def test_a_history_tells_which_reminder_reached_somebody_and_which_came_too_late(desk: Desk) -> None:
    case = desk.script.id("水表")
    desk.script.at("2026-09-22T10:00")
    assert desk.ask("tick", at="2026-09-25T10:00").code == 0

    lines = [line.strip() for line in desk.ask("history", case).out.splitlines() if "提醒" in line]

    late = "未提醒(已届满) / nobody was told: it had run out"
    name = "self_declaration.correction_due"
    assert lines == [
        f"补正期限:届满前3个工作日提醒 ({name} 3 working days before): 已提醒 / told",
        f"补正期限:届满前1日提醒 ({name} 1 calendar day before): {late}",
    ]


def adopted(desk: Desk, **counts: int) -> str:
    """The line of a history that says what an import has meant for the ends of the round."""
    found = dict.fromkeys(("resolved", "later", "kept", "printed", "fired_already", "unreckoned"), 0) | counts
    n = list(found.values())
    version = desk.script.wf.calendar_in_force(desk.script.round).version
    return (
        f"     采用工作日历 / adopted calendar {version}: 开始计算 {n[0]},顺延 {n[1]},不提前、保持不变 {n[2]},"
        f"以印发为准 {n[3]},此前已触发 {n[4]},无法复算 {n[5]} / run now {n[0]}, later {n[1]}, kept {n[2]}, "
        f"as printed {n[3]}, fired already {n[4]}, not reckoned {n[5]}"
    )


def test_the_history_of_a_round_says_what_an_import_has_meant_for_its_ends(desk: Desk) -> None:
    desk.script.at("2026-09-25T10:00")
    desk.import_a_day_off("2026-09-25T11:00", date(2026, 9, 22))

    done = desk.ask("history", desk.script.round)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-2:] == [
        "  3  2026-09-25 11:00:00+08:00  round:adopt_calendar  running → running  office",
        adopted(desk, fired_already=2),
    ]


def test_a_history_shows_an_import_and_an_outage_each_in_its_own_words(desk: Desk) -> None:
    desk.import_a_day_off("2026-09-18T11:00", date(2026, 9, 22))
    desk.fire("2026-09-24T16:00", desk.script.round, "round:extend_for_outage", OUTAGE)

    done = desk.ask("history", desk.script.round)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[2:] == [
        "  3  2026-09-18 11:00:00+08:00  round:adopt_calendar  running → running  office",
        adopted(desk, later=2),
        "  4  2026-09-24 16:00:00+08:00  round:extend_for_outage  running → running  office",
        "     依据 / ground: 方案第八条  文件 / document: 演函〔2026〕9号(虚构)",
        "     故障 / outage: 2026-09-24 11:00:00+08:00 – 2026-09-24 15:00:00+08:00"
        "  顺延至 / until 2026-09-25 17:30:00+08:00",
    ]


def test_an_outage_says_how_many_cases_moved_and_what_had_fired_already(desk: Desk) -> None:
    round_id, tea = desk.script.round, desk.script.id("茶油")
    moved = desk.fire("2026-09-24T16:00", round_id, "round:extend_for_outage", OUTAGE)
    desk.script.at("2026-09-26T09:00")
    second = OUTAGE | {
        "began": OUTAGE["until"],
        "ended": "2026-09-25T18:00:00+08:00",
        "until": "2026-09-28T17:30:00+08:00",
    }
    told = desk.fire("2026-09-26T10:00", round_id, "round:extend_for_outage", second)
    as_json = desk.fire("2026-09-26T10:00", round_id, "round:extend_for_outage", second, "--json")

    # Both declarations, and the phase whose window was to close.
    assert moved.out == (
        f"{round_id}  running → running\n    期限有变动的案件 3 件 / cases whose deadlines changed: 3\n"
    )
    assert told.out.splitlines()[1] == "    期限有变动的案件 0 件 / cases whose deadlines changed: 0"
    words = "    故障期间已届满触发,未顺延 / had fired already, not moved: "
    assert f"{words}{tea}  {NAME}  2026-09-25 17:30:00+08:00" in told.out.splitlines()
    assert {
        "case": tea,
        "deadline": "self_declaration.correction_due",
        "label": "补正期限",
        "due_at": "2026-09-25T09:30:00.000000Z",
    } in json.loads(as_json.out)["fired_already"]


def test_of_what_a_sweep_has_fired_twenty_are_named_each_with_its_number_and_when_it_was_due(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"产品{n:02}" for n in range(20)]
    desk.script.declare(*names)
    desk.script.fire_each(names, "return_for_correction", OFFICE, items=["检测报告"])
    desk.script.at("2026-09-23T18:00")
    desk.script.at("2026-09-24T17:30:00.000001", tick=False)
    fired = desk.script.wf.tick().fired
    capsys.readouterr()

    show_fired(desk.script.wf, fired)

    ran_out = "应于 / due 2026-09-24 17:30:00+08:00"
    withdrawn = [f"{r.case_id}  {NAME}  {ran_out}  → withdrawn" for r in fired if r.kind == "application"]
    closed = [
        f"self_declaration {r.case_id}  环节期限 (closes)  {ran_out}  → closed" for r in fired if r.kind == "phase"
    ]
    lines = capsys.readouterr().out.splitlines()
    assert (len(withdrawn), len(lines)) == (22, 21)
    assert lines[:-1] == [f"    {line}" for line in (*closed, *withdrawn)][:20]
    assert lines[-1] == "    另有 3 项,见各件的历史 / and 3 more, see the history of each case"


def test_what_a_sweep_has_fired_on_a_numbered_application_is_named_by_its_number(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    script = desk.script
    script.declare("灯具", number="GC-7")
    script.fire("灯具", "return_for_correction", OFFICE, items=["检测报告"])
    script.at("2026-09-24T17:30:00.000001", tick=False)
    swept = script.wf.tick()
    capsys.readouterr()

    case = script.id("灯具")
    show_fired(script.wf, [r for r in swept.fired if (r.case_id, r.state) == (case, "withdrawn")])

    assert capsys.readouterr().out == f"    GC-7 {case}  {NAME}  应于 / due 2026-09-24 17:30:00+08:00  → withdrawn\n"


def test_a_refusal_says_what_had_run_out_and_was_fired_first(desk: Desk) -> None:
    case = desk.script.id("水表")
    later = ABOUT | {"until": "2026-09-30T12:00:00+08:00"}
    first = desk.fire("2026-09-25T09:00", case, "deadline:extend", later)
    again = desk.fire("2026-09-25T09:00", case, "deadline:extend", later)

    told = (
        f"已先行届满并触发 / had run out, and was fired first: {case}  {NAME}  2026-09-24 17:30:00+08:00  → withdrawn"
    )
    assert (first.code, first.err.splitlines()[0]) == (3, "不予办理 / refused [deadline_not_running]")
    assert first.err.splitlines()[1].startswith(
        "[deadline:extend @ withdrawn]: 该期限当前未在计算:补正期限在此状态下不计算 / "
    )
    assert told in first.err.splitlines()
    assert "fired first" not in again.err


def test_a_history_shows_grounds_documents_ends_and_late_entries(desk: Desk) -> None:
    case, tea = desk.script.id("水表"), desk.script.id("茶油")
    later = ABOUT | {"until": "2026-09-30T12:00:00+08:00", "document": "演函〔2026〕8号(虚构)"}
    desk.fire("2026-09-23T10:00", case, "deadline:extend", later)
    desk.fire("2026-09-24T16:00", desk.script.round, "round:extend_for_outage", OUTAGE)
    (desk.folder / "a.pdf").write_bytes(b"x")
    entered = desk.ask(
        "fire", tea, "resubmit", "--as", "applicant:firm-茶油", "--data", '{"documents": []}',
        "--received-at", "2026-09-25T16:00", "--reason", "漏录", "--evidence", "a.pdf", "--entered-by", "office#u-1",
        at="2026-09-29T11:00",
    )  # fmt: skip
    assert entered.code == 0

    lines = desk.ask("history", case).out.splitlines()
    assert lines[-3:] == [
        f"  5  2026-09-23 10:00:00+08:00  deadline:extend  {STOOD}  office",
        "     依据 / ground: 方案第五条  文件 / document: 演函〔2026〕8号(虚构)",
        f"     {NAME}: 2026-09-30 12:00:00+08:00  原 / was 2026-09-24 17:30:00+08:00",
    ]
    assert desk.ask("history", tea).out.splitlines()[-1] == (
        "     补录 / entered late: office#u-1  收到 / received 2026-09-25 16:00:00+08:00"
        "  录入 / recorded 2026-09-29 11:00:00+08:00"
    )
    assert desk.ask("history", desk.script.round).out.splitlines()[-2:] == [
        "     依据 / ground: 方案第八条  文件 / document: 演函〔2026〕9号(虚构)",
        "     故障 / outage: 2026-09-24 11:00:00+08:00 – 2026-09-24 15:00:00+08:00"
        "  顺延至 / until 2026-09-25 17:30:00+08:00",
    ]


def test_where_nothing_runs_or_may_be_done_it_says_so(desk: Desk) -> None:
    case = desk.script.id("水表")
    assert desk.ask("deadline", "list", desk.script.round) == Done(0, "没有正在计算的期限 / no deadline runs\n", "")
    desk.fire("2026-09-23T11:00", case, "deadline:end", ABOUT)
    assert desk.ask("deadline", "list", case) == Done(0, "没有正在计算的期限 / no deadline runs\n", "")
    assert desk.ask("deadline", "list", case, "--json").out == "[]\n"
    nothing = Done(0, "此处没有可办的事项 / nothing can be done here\n", "")
    assert desk.ask("allowed", case, "--as", "office", at="2026-09-23T11:00") == nothing


def test_what_is_due_may_not_be_acted_on_and_an_outage_may_be_told(desk: Desk) -> None:
    def may(case: str, actor: Actor) -> list[str]:
        return [each.trigger for each in desk.script.wf.allowed(case, actor) if each.may]

    acts = ["deadline:suspend", "deadline:extend", "deadline:end"]
    case, round_id = desk.script.id("水表"), desk.script.round
    desk.script.at("2026-09-24T17:30")
    assert may(case, OFFICE) == acts
    desk.script.at("2026-09-24T17:30:00.000001", tick=False)
    assert may(case, OFFICE) == []
    assert may(round_id, OFFICE)[-1] == "round:extend_for_outage"
    assert "round:extend_for_outage" not in may(round_id, Actor(Role.SUPERVISOR))


def test_a_trigger_that_there_is_not_names_what_can_be_done_there_the_nearest_first(desk: Desk) -> None:
    done = desk.fire("2026-09-22T11:00", desk.script.id("水表"), "deadline:pause", ABOUT)
    there = (
        "deadline:suspend, deadline:extend, self_declaration.resubmit, self_declaration.withdraw, "
        "self_declaration.amend, deadline:end"
    )
    zh = f"没有动作“deadline:pause”,是否指 deadline:suspend?此处可办:{there}"
    en = f"there is no trigger 'deadline:pause'; did you mean deadline:suspend? here there are: {there}"
    assert done == Done(2, "", f"错误 / error [unknown]\n{zh} / {en}\n")


def test_where_nothing_can_be_done_a_trigger_that_there_is_not_names_none(desk: Desk) -> None:
    case = desk.script.id("水表")
    desk.fire("2026-09-23T11:00", case, "deadline:end", ABOUT)
    done = desk.fire("2026-09-23T11:00", case, "resubmitt", {})
    words = "没有动作“resubmitt”,此处也没有可办的事项 / there is no trigger 'resubmitt', and nothing can be done here"
    assert done == Done(2, "", f"错误 / error [unknown]\n{words}\n")


def test_the_help_of_fire_names_the_acts_on_deadlines(desk: Desk) -> None:
    shown = desk.ask("fire", "--help").out
    acts = ("deadline:suspend", "deadline:resume", "deadline:extend", "deadline:end", "round:extend_for_outage")
    assert [act for act in acts if act not in shown] == []


def test_nobody_is_pointed_to_the_act_that_ends_a_deadline_who_did_not_write_it(desk: Desk) -> None:
    case = desk.script.id("水表")
    prolong = desk.fire("2026-09-22T11:00", case, "deadline:prolong", ABOUT)
    meant = desk.fire("2026-09-22T11:00", case, "deadline:ends", ABOUT)
    assert "是否指 deadline:end?" not in prolong.err
    assert "是否指 deadline:end?" in meant.err
