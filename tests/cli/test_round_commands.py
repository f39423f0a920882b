"""`ganchu round`: a round from the terminal, on each kind of database; and `--at`, which only demonstrations have."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow import Actor, Role, SimulatedClock, Workflow
from ganchu_workflow.cli.selecting import with_cases
from ganchu_workflow.clock import to_text
from tests.cli.command import Done, dump, ganchu, meddling, workflow
from tests.cli.conftest import DECLARATION, OFFICE, PLAN, Scene
from tests.importing.files import csv_bytes

PAPER = {"kind": "trademark_certificate", "name": "商标注册证(虚构)", "sha256": "0" * 64, "uri": "urn:x"}
CHINA = ZoneInfo("Asia/Shanghai")
SUBMITTED, DECIDED = "self_declaration.submitted", "announcement.decided"


def ask(url: str, folder: Path, *args: str, env: dict[str, str] | None = None) -> Done:
    return ganchu(*args, "--db", url, cwd=folder, env=env)


def answer(done: Done, code: int = 0) -> Any:
    assert (done.code, done.err) == (code, ""), done
    return json.loads(done.out)


@dataclass(frozen=True)
class Busy:
    """A round with N-1 and N-2 submitted, N-3 a draft, and N-4 decided; and the draft of `scene`, without a number."""

    url: str
    folder: Path
    round: str
    ids: Mapping[str, str]

    def run(self, *args: str) -> Done:
        return ask(self.url, self.folder, *args)

    def states(self) -> dict[str, str]:
        with workflow(self.url) as wf:
            return {name: wf.case(case).state for name, case in self.ids.items()}


def declare(wf: Workflow, round_: str, number: str, *, submit: bool) -> str:
    firm = Actor(Role.APPLICANT, f"firm-{number}")
    data = DECLARATION | {"number": number, "product": f"{number}号产品", "documents": [PAPER]}
    case = wf.open("application", data, actor=firm, round=round_).case_id
    if submit:
        wf.fire(case, "submit", {"truthful": True}, actor=firm)
    return case


@pytest.fixture
def busy(scene: Scene) -> Busy:
    with workflow(scene.url) as wf:
        # Opened in another order than that of their numbers.
        ids = {n: declare(wf, scene.round, n, submit=n != "N-3") for n in ("N-2", "N-1", "N-4", "N-3")}
        wf.fire(ids["N-4"], "accept", actor=OFFICE)
    return Busy(scene.url, scene.folder, scene.round, ids)


# ── new ──


def test_a_round_is_opened_started_and_not_opened_twice(database_url: str, plan: Path) -> None:
    new = ("round", "new", "plan.toml", "--start", "--key", "k-1", "--person", "p-7", "--json")
    receipt = answer(ask(database_url, plan.parent, *new))
    with workflow(database_url) as wf:
        (round_,) = wf.rounds()
        first, second = wf.history(round_)
    assert (round_.id, round_.state) == (receipt["case"], "running")
    assert receipt == {
        "case": first["case"], "kind": "round", "seq": 1, "trigger": "open_round", "source": None, "state": "planning",
        "effective_at": first["effective_at"], "recorded_at": first["recorded_at"], "digest": first["digest"],
    }  # fmt: skip
    assert [(e["actor"]["person"], e["actor"]["via"]) for e in (first, second)] == [("p-7", "cli")] * 2
    before = dump(database_url)
    assert answer(ask(database_url, plan.parent, *new)) == receipt
    assert dump(database_url) == before


# ── act ──


def test_a_dry_run_changes_nothing_and_says_what_the_real_run_does(busy: Busy) -> None:
    act = ("round", "act", busy.round, "accept", "--state", SUBMITTED, "--number", "N-1", "--case", "number:N-3")
    refused = "✗ N-3  当前状态“草稿”下不能办理 / cannot be done while it stands in self_declaration.draft [not_here]\n"
    where = "  待公布:1  (announcement.decided)\n"
    before = dump(busy.url)

    tried = busy.run(*act, "--dry-run")

    assert dump(busy.url) == before
    assert tried == Done(3, f"试运行,未写入:可办1件,不能办1件 / dry run: 1 could be done, 1 not\n{where}", refused)
    assert busy.run(*act) == Done(3, f"已办1件,不能办1件 / 1 done, 1 not\n{where}", refused)
    assert busy.states() == {"N-1": DECIDED, "N-2": SUBMITTED, "N-3": "self_declaration.draft", "N-4": DECIDED}
    with workflow(busy.url) as wf:
        assert [(a["case_id"], a["code"]) for a in wf.attempts(busy.round)] == [(busy.ids["N-3"], "not_here")]


def test_a_stage_means_what_is_open_in_it_and_several_states_add_up(busy: Busy) -> None:
    with workflow(busy.url) as wf:
        wf.fire(busy.ids["N-2"], "refuse", {"reason_code": "x", "text": "演示"}, actor=OFFICE)
        draft = wf.cases(busy.round, "application")[0].id
    act = ("round", "act", busy.round, "accept", "--state", "self_declaration", "--state", DECIDED, "--dry-run")
    found = {row["number"]: row["code"] for row in answer(busy.run(*act, "--json"), 3)}
    assert found == {"": "not_here", "N-1": None, "N-3": "not_here", "N-4": "not_here"}
    # One without a number goes by its id.
    assert busy.run(*act).err.startswith(f"✗ {draft}  当前状态“草稿”下不能办理 / ")


def test_an_act_by_numbers_is_told_in_their_order_and_may_be_repeated(busy: Busy) -> None:
    numbers = ("--number", "N-2", "--number", "N-1", "--number", "N-2")
    beside = ("--key", "accept-1", "--document", "演函〔2026〕1号", "--person", "p-7", "--json")
    act = ("round", "act", busy.round, "accept", *numbers, *beside)
    items = answer(busy.run(*act))
    with workflow(busy.url) as wf:
        events = [wf.history(busy.ids[n])[-1] for n in ("N-2", "N-1")]
    assert items == [
        {
            "case": e["case"], "number": n, "moved": True, "code": None, "why": None,
            "receipt": {
                "case": e["case"], "kind": "application", "seq": 3, "trigger": "self_declaration.accept",
                "source": SUBMITTED, "state": DECIDED, "effective_at": e["effective_at"],
                "recorded_at": e["recorded_at"], "digest": e["digest"],
            },
        }
        for n, e in zip(("N-2", "N-1"), events, strict=True)
    ]  # fmt: skip
    assert [(e["document"], e["actor"]["person"]) for e in events] == [("演函〔2026〕1号", "p-7")] * 2
    before = dump(busy.url)
    assert answer(busy.run(*act)) == items
    assert dump(busy.url) == before


WRONG_CHOICES = {
    "none": ((), "invalid", "say which cases: --state STATE, --number 申报编号 or --case CASE"),
    "an unknown state": (
        ("--state", "self_declaration.submited"), "unknown",
        "the kind application has no state 'self_declaration.submited'; it has: ",
    ),
    "an unknown number": (
        ("--number", "N-1", "--number", "N-l"), "unknown", "there is no application with the number 'N-l'; did you mean"
    ),
    "a number that stands elsewhere": (
        ("--state", SUBMITTED, "--number", "X-4"), "unknown",
        "there is no application with the number 'X-4' in that state",
    ),
    "an unknown case": (("--case", "nope"), "unknown", "没有编号为“nope”的案件 / there is no case 'nope'"),
    "an unknown application": (
        ("--case", "number:X"), "unknown", "there is no application with the number 'X'",
    ),
    "an unknown kind": (("--kind", "pannel", "--state", "x"), "unknown", "there is no kind of case 'pannel'"),
    "another round's case": (("--case", "{other}"), "invalid", "the case {other} belongs to another round"),
    "an unknown application in the data": (
        ("--number", "N-1", "--data", '{"order": [{"$number": "X"}]}'), "unknown",
        "there is no application with the number 'X'",
    ),
    "a mark with something beside it": (
        ("--number", "N-1", "--data", '{"order": {"$number": "N-1", "text": "private"}}'), "invalid",
        '--data: write {"$number": "GC2021-0001"} and nothing beside it for the application',
    ),
    "one application twice": (
        ("--number", "N-1", "--data", '{"ranks": {"$number:N-1": 1, "{id}": 2}}'), "invalid",
        "--data names one application twice among the keys of an object",
    ),
}  # fmt: skip


def test_a_misspelt_trigger_is_refused_once_and_not_for_every_case(busy: Busy) -> None:
    before = dump(busy.url)
    nobody = "self_declaration.lapsed"
    for state in (SUBMITTED, nobody):
        done = busy.run("round", "act", busy.round, "acept", "--state", state)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(
            "错误 / error [unknown]\napplication: 没有动作“acept”,是否指 accept?此处可办:accept, "
        )
        assert len(done.err.splitlines()) == 2
    assert busy.run("round", "act", busy.round, "accept", "--state", nobody).code == 0
    assert dump(busy.url) == before


def test_a_choice_that_names_no_case_is_refused_before_anything_is_done(busy: Busy, plan: Path) -> None:
    with workflow(busy.url) as wf:
        other = wf.open_round(plan, actor=OFFICE).case_id
    before = dump(busy.url)
    for name, (choice, code, message) in WRONG_CHOICES.items():
        done = busy.run(
            "round",
            "act",
            busy.round,
            "accept",
            *(c.replace("{other}", other).replace("{id}", busy.ids["N-1"]) for c in choice),
        )
        assert (name, done.code, done.out) == (name, 2, "")
        assert done.err.startswith(f"错误 / error [{code}]\n{message.replace('{other}', other)}"), (name, done.err)
    assert dump(busy.url) == before


def test_of_two_applications_with_one_number_neither_is_taken(busy: Busy, plan: Path) -> None:
    with workflow(busy.url) as wf:
        other = wf.open_round(plan, actor=OFFICE).case_id
        wf.fire(other, "start", actor=OFFICE)
        wf.tick()
        declare(wf, other, "N-1", submit=False)
    done = busy.run("allowed", "number:N-1", "--as", "office")
    assert (done.code, done.out) == (2, "")
    assert "2 applications have the number 'N-1': give the case" in done.err
    # Within a round it is clear.
    assert busy.run("round", "act", busy.round, "accept", "--case", "number:N-1").code == 0


def test_an_application_is_named_by_its_number_wherever_a_case_is_asked_for(busy: Busy) -> None:
    assert (
        busy.run("allowed", "number:N-2", "--as", "office")
        .out.splitlines()[0]
        .startswith("✗ self_declaration.withdraw")
    )
    assert busy.run("fire", "number:N-2", "accept", "--as", "office") == Done(
        0, f"{busy.ids['N-2']}  {SUBMITTED} → {DECIDED}\n", ""
    )
    assert len(busy.run("history", "number:N-2").out.splitlines()) == 3


def test_in_data_a_mark_stands_for_an_application_and_text_for_itself(busy: Busy) -> None:
    """A list as of a tie, keys as of a letter, and what an official writes, which may begin like anything."""
    one, two = busy.ids["N-1"], busy.ids["N-2"]
    data = {
        "tie_break": [{"$number": "N-2"}, one],
        "ranks": {"$number:N-1": 1, "$number:N-2": {"$number": "N-1"}},
        "text": "number:N-1",
        "number:N-1": ["number:N-9", "$number:N-1", "$number", 7, None],
    }

    with workflow(busy.url) as wf:
        found = with_cases(wf, busy.round, data)

    assert found == {
        "tie_break": [two, one],
        "ranks": {one: 1, two: one},
        "text": "number:N-1",
        "number:N-1": ["number:N-9", "$number:N-1", "$number", 7, None],
    }


def test_a_reason_that_begins_like_a_number_is_kept_as_it_was_written(busy: Busy) -> None:
    before = dump(busy.url)["ganchu_private_value"]

    reason = '{"reason_code": "x", "text": "number:N-2"}'
    done = busy.run("round", "act", busy.round, "refuse", "--number", "N-1", "--data", reason)

    assert (done.code, done.err) == (0, "")
    (row,) = [row for row in dump(busy.url)["ganchu_private_value"] if row not in before]
    assert '"number:N-2"' in row
    told = '{"reason_code": "x", "text": "number:某人私下说的"}'
    done = busy.run("round", "act", busy.round, "refuse", "--number", "N-3", "--data", told)
    assert (done.code, "私下" in done.out + done.err) == (3, False)


# ── status and list ──


def test_how_a_round_stands(busy: Busy) -> None:
    busy.run("fire", "number:N-3", "accept", "--as", "office")
    with workflow(busy.url) as wf:
        due = wf.next_due(busy.round)
        assert due is not None
        # Another round's deadlines are not this one's.
        late = wf.open_round({"title": "另一批次(虚构)", "code": "T-2", "stage": [
            {"use": "self_declaration", "window": {"opens": datetime(2098, 1, 1), "closes": datetime(2098, 2, 1)}},
            {"use": "announcement"},
        ]}, actor=OFFICE)  # fmt: skip
        assert wf.next_due() == datetime(2098, 1, 1, tzinfo=CHINA)
        assert wf.next_due(late) == datetime(2098, 1, 1, tzinfo=CHINA)
    assert due == datetime(2099, 12, 31, 17, 30, tzinfo=CHINA)
    found = answer(busy.run("round", "status", busy.round, "--json"))
    assert found == {
        "round": busy.round, "code": "T-1", "state": "running",
        "phases": [
            {
                "stage": "self_declaration", "state": "open",
                "opens_at": "2020-01-01T01:00:00.000000Z", "closes_at": "2099-12-31T09:30:00.000000Z",
            },
            {"stage": "announcement", "state": "open", "opens_at": None, "closes_at": None},
        ],
        "cases": [
            {"kind": "application", "state": "self_declaration.draft", "count": 2},
            {"kind": "application", "state": SUBMITTED, "count": 2},
            {"kind": "application", "state": DECIDED, "count": 1},
        ],
        "attempts": 1, "next_due": "2099-12-31T09:30:00.000000Z",
    }  # fmt: skip
    lines = busy.run("round", "status", busy.round).out.splitlines()
    assert lines[:3] == [
        "虚构批次  [T-1]  进行中",
        "  企业自主申报  进行中  起 2020-01-01 09:00:00+08:00  止 2099-12-31 17:30:00+08:00",
        "  公布  进行中",
    ]
    assert [line.split() for line in lines if line.startswith("│")] == [
        ["│", "企业自主申报", "│", "5", "│", "1", "│", "4", "│", "│"],
        ["│", "公布", "│", "1", "│", "0", "│", "1", "│", "│"],
    ]
    assert lines[-4:] == [
        "  申报  草稿  2  (application self_declaration.draft)",
        f"  申报  已提交  2  (application {SUBMITTED})",
        f"  申报  待公布  1  (application {DECIDED})",
        "  最近到期 / next due: 2099-12-31 17:30:00+08:00    被拒绝的尝试 / refused attempts: 1",
    ]


def test_cases_are_listed_by_state_stage_number_and_kind(busy: Busy) -> None:
    def numbers(*args: str) -> list[str]:
        return [row["number"] for row in answer(busy.run("round", "list", busy.round, *args, "--json"))]

    assert numbers() == ["", "N-2", "N-1", "N-4", "N-3"]
    assert numbers("--state", SUBMITTED) == ["N-2", "N-1"]
    assert numbers("--state", "announcement", "--state", "self_declaration.draft") == ["", "N-4", "N-3"]
    assert numbers("--number", "N-4", "--number", "N-1") == ["N-4", "N-1"]
    assert numbers("--kind", "phase") == ["self_declaration", "announcement"]
    assert numbers("--kind", "phase", "--number", "announcement") == ["announcement"]
    assert busy.run("round", "list", busy.round, "--number", "N-4").out == (
        f"{busy.ids['N-4']}  N-4  示例企业(虚构)  N-4号产品  firm-N-4 DEMO-A  {DECIDED}  待公布\n"
    )


# ── a list of members ──


def test_all_in_a_state_are_listed_in_the_order_of_their_numbers(busy: Busy) -> None:
    assert busy.run("round", "act", busy.round, "accept", "--state", SUBMITTED).code == 0
    data = json.dumps({"document": "演〔1〕号", "issuers": ["演示单位(虚构)"], "dated_on": "2026-01-05"})
    announce = ("open", "announcement_act", "--as", "office", "--data", data, "--all-in", DECIDED)
    before = dump(busy.url)
    alone = busy.run(*announce)
    assert (alone.code, alone.err) == (2, "错误 / error [invalid]\n--all-in needs --round\n")
    assert dump(busy.url) == before
    opened = answer(busy.run(*announce, "--round", busy.round, "--member", "number:N-4", "--json"))
    with workflow(busy.url) as wf:
        (event,) = wf.history(opened["case"])
    # What is named first stands first, and nobody twice.
    assert [case for case, _ in event["members"]] == [busy.ids[n] for n in ("N-4", "N-1", "N-2")]


# ── papers ──


def test_the_papers_of_a_round_and_of_a_record_that_was_tampered_with(busy: Busy) -> None:
    done = busy.run("round", "papers", busy.round, "--out", "papers")
    assert done.code == 0
    assert sorted(line.partition("  ")[0] for line in done.out.splitlines()) == sorted(
        str(p.relative_to(busy.folder / "papers")) for p in (busy.folder / "papers").rglob("[!.]*") if p.is_file()
    )
    with meddling(busy.url) as connection:
        connection.exec_driver_sql(f"UPDATE ganchu_case SET state = '{DECIDED}' WHERE id = '{busy.ids['N-3']}'")
    done = busy.run("round", "papers", busy.round, "--out", "again")
    assert (done.code, done.err.splitlines()[-1]) == (4, "核验发现问题 1 处 / the record has problems")


# ── --at ──

DEMONSTRATION = "demonstration = true\n" + PLAN.replace("2020-01-01T09:00", "2021-08-02T09:00").replace(
    "2099-12-31", "2021-09-03"
)
CLOSING = "2021-09-03T17:30:00"
JUST_LATE = "2021-09-03T17:30:00.000001"


@dataclass(frozen=True)
class Staged:
    """A demonstration round with three drafts, opened on 2021-08-03 at 10:00 in Beijing."""

    url: str
    folder: Path
    round: str
    drafts: tuple[str, ...]

    def run(self, *args: str, env: dict[str, str] | None = None) -> Done:
        return ask(self.url, self.folder, *args, env=env)


@pytest.fixture
def staged(database_url: str, tmp_path: Path) -> Staged:
    path = tmp_path / "demonstration.toml"
    path.write_text(DEMONSTRATION, "utf-8")
    wf = Workflow(database_url, clock=SimulatedClock(datetime(2021, 8, 3, 10, tzinfo=CHINA)))
    opened = wf.open_round(path, actor=OFFICE).case_id
    wf.fire(opened, "start", actor=OFFICE)
    wf.tick()
    drafts = tuple(declare(wf, opened, f"D-{n}", submit=False) for n in (1, 2, 3))
    wf.database.dispose()
    return Staged(database_url, tmp_path, opened, drafts)


def submit(number: str) -> tuple[str, ...]:
    return ("fire", f"number:{number}", "submit", "--as", f"applicant:firm-{number}", "--data", '{"truthful": true}')


def test_the_closing_instant_is_in_time_and_a_microsecond_later_is_late(staged: Staged) -> None:
    assert staged.run(*submit("D-1"), "--at", CLOSING).code == 0
    assert staged.run("round", "tick", "--at", CLOSING) == Done(0, "已触发 0 项 / fired 0\n", "")
    late = staged.run(*submit("D-2"), env={"GANCHU_AT": JUST_LATE})
    assert (late.code, late.out) == (3, "")
    assert late.err.startswith("不予办理 / refused [window_closed]\n")
    # The late act found the window's end due and had it recorded first: nothing is left to a sweep.
    swept = answer(staged.run("round", "tick", "--at", JUST_LATE, "--json"))
    assert swept == {"fired": [], "refused": [], "stuck": [], "behind": []}
    with workflow(staged.url) as wf:
        closed = wf.history(wf.cases(staged.round, "phase")[0])[-1]
        assert (closed["trigger"], closed["effective_at"], closed["recorded_at"]) == (
            "close", "2021-09-03T09:30:00.000000Z", "2021-09-03T09:30:00.000001Z"
        )  # fmt: skip
        states = [wf.case(d).state for d in staged.drafts]
        received = wf.history(staged.drafts[0])[-1]["received_at"]
    assert states == [SUBMITTED, "self_declaration.lapsed", "self_declaration.lapsed"]
    assert received == "2021-09-03T09:30:00.000000Z"


@pytest.mark.parametrize("words", [("round", "tick"), ("tick",)], ids=" ".join)
def test_a_tick_fires_when_the_closing_instant_has_passed(staged: Staged, words: tuple[str, ...]) -> None:
    assert answer(staged.run(*words, "--at", CLOSING, "--json")) == {
        "fired": [],
        "refused": [],
        "stuck": [],
        "behind": [],
    }
    swept = answer(staged.run(*words, "--at", JUST_LATE, "--json"))
    assert [(f["kind"], f["trigger"], f["effective_at"], f["recorded_at"]) for f in swept["fired"]] == [
        ("phase", "close", "2021-09-03T09:30:00.000000Z", "2021-09-03T09:30:00.000001Z")
    ]


def test_an_instant_without_an_offset_is_beijing_time_and_with_one_its_own(staged: Staged) -> None:
    assert staged.run(*submit("D-1"), "--at", "2021-08-04T10:00").code == 0
    assert staged.run(*submit("D-2"), "--at", "2021-08-04T02:30+00:00").code == 0
    with workflow(staged.url) as wf:
        received = [wf.history(d)[-1]["received_at"] for d in staged.drafts[:2]]
    assert received == [
        to_text(datetime(2021, 8, 4, 10, 0, tzinfo=CHINA)), to_text(datetime(2021, 8, 4, 10, 30, tzinfo=CHINA))
    ]  # fmt: skip


def test_time_is_not_turned_back_and_must_be_an_instant(staged: Staged) -> None:
    before = dump(staged.url)
    for text, message in {
        "2021-08-03T09:59:59.999999": "the last event was recorded at 2021-08-03 10:00:00+08:00\n",
        "2021-08-03T01:59:59+00:00": "the last event was recorded at 2021-08-03 02:00:00+00:00\n",
        "tomorrow": "'tomorrow' is no instant; write it like 2021-09-03T17:30\n",
    }.items():
        done = staged.run("round", "tick", "--at", text)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("错误 / error [invalid]\n--at: ")
        assert done.err.endswith(message), done.err
    assert dump(staged.url) == before
    # At the instant of the last event itself there is no going back.
    assert staged.run("round", "tick", "--at", "2021-08-03T10:00").code == 0


def test_a_real_round_goes_by_the_machines_clock(staged: Staged, plan: Path) -> None:
    before = dump(staged.url)
    new = staged.run("round", "new", "plan.toml", "--at", "2021-08-04T10:00")
    words = "--at 仅用于演示:方案未写 demonstration = true / --at is for demonstrations: the plan does not say  "
    assert (new.code, new.err) == (2, f"错误 / error [invalid]\n{words}demonstration = true\n")
    assert dump(staged.url) == before
    assert staged.run("round", "new", "plan.toml").code == 0
    before = dump(staged.url)
    for command in (("round", "tick"), ("round", "new", "demonstration.toml"), submit("D-1")):
        done = staged.run(*command, env={"GANCHU_AT": "2099-01-01T10:00"})
        zh, en = (
            "--at 仅用于演示:该数据库中有正式批次 T-1",
            "--at is for demonstrations: the database holds the real round T-1",
        )
        assert (done.code, done.out, done.err) == (2, "", f"错误 / error [invalid]\n{zh} / {en}\n")
    assert dump(staged.url) == before


# ── what the experts answered ──

REVIEW = """\
title = "虚构批次"
code = "T-1"
demonstration = true

[[stage]]
use = "self_declaration"
cities = { "DEMO-A" = "东市(虚构)" }

[[stage]]
use = "expert_review"
places = 1
panel_size = 3
panel_size_min = 3

[[stage]]
use = "announcement"
"""


def answers(*rows: tuple[str, str, str]) -> bytes:
    return csv_bytes([{"专家编号": e, "组别": g, "答复": a, "数据性质": "虚构"} for e, g, a in rows])


def test_the_office_enters_what_the_experts_answered(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "review.toml").write_text(REVIEW, "utf-8")
    wf = Workflow(database_url, clock=SimulatedClock(datetime(2021, 8, 3, 10, tzinfo=CHINA)))
    opened = wf.open_round(tmp_path / "review.toml", actor=OFFICE).case_id
    wf.fire(opened, "start", actor=OFFICE)
    for number, group, pool in (("N-1", "甲组", "abcd"), ("N-2", "乙组", "cde")):
        case = declare(wf, opened, number, submit=True)
        wf.fire(case, "accept", actor=OFFICE)
        convened = {"group": group, "pool": list(pool), "reserves": 1}
        panel = wf.open("panel", convened, actor=OFFICE, round=opened, members=[case])
        wf.fire(panel, "draw", {"ballot": "1", "witness": "演示公证员"}, actor=Actor(Role.SUPERVISOR, person="s-1"))
    seats = wf.cases(opened, "seat")
    drawn = [(s.parties[Role.EXPERT], "甲组" if i < 3 else "乙组") for i, s in enumerate(seats)]
    assert sorted(e for e, g in drawn if g == "乙组") == ["c", "d", "e"]
    both = next(e for e, g in drawn if g == "甲组" and e in "cd")
    # He declines in one group, where the reserve moves up, and accepts in the other.
    given = [(e, g, "谢绝" if (e, g) == (both, "甲组") else "接受") for e, g in drawn]
    (tmp_path / "seats.csv").write_bytes(answers(*given))
    (tmp_path / "bad.csv").write_bytes(
        answers((both, "", "接受"), ("z", "", "接受"), ("e", "丙组", "接受"), ("e", "", "也许"))
    )

    def enter(name: str) -> Done:
        return ask(
            database_url,
            tmp_path,
            "round",
            "import",
            opened,
            "seats",
            name,
            "--person",
            "clerk",
            "--at",
            "2021-08-04T10:00",
        )

    before = dump(database_url)
    bad = enter("bad.csv")
    assert (bad.code, [line.rpartition("[")[2] for line in bad.err.splitlines()]) == (
        2, ["seat_ambiguous]", "not_invited]", "group_unknown]", "not_a_choice]"]
    )  # fmt: skip
    assert dump(database_url) == before
    assert enter("seats.csv").out.splitlines()[1] == "已导入6行 / 6 imported"
    events = [wf.history(s)[-1] for s in seats]
    assert [(e["trigger"], e["actor"]["person"], e["actor"]["on_behalf_of"]) for e in events] == [
        ("decline" if a == "谢绝" else "accept", "clerk", e) for e, _, a in given
    ]
    listed = ask(database_url, tmp_path, "round", "list", opened, "--kind", "seat", "--number", "甲组", "--json")
    assert sorted((r["parties"]["expert"], r["state"]) for r in answer(listed)) == sorted(
        [(e, "declined" if a == "谢绝" else "accepted") for e, g, a in given if g == "甲组"]
        + [(next(e for e in "abcd" if (e, "甲组") not in drawn), "invited")]
    )
    after = dump(database_url)
    again = enter("seats.csv")
    assert again.out.splitlines()[2] == "此前已导入、未重复办理6行 / 6 had been imported before"
    assert dump(database_url) == after
    wf.database.dispose()
