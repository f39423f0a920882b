"""`ganchu outbox`: what it lists, hands in again, drops and delivers, on each kind of database."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow import Actor, Role
from ganchu_workflow.testing import RoundScript, usual_plan
from tests.cli.command import Done, dump, ganchu, meddling, workflow
from tests.cli.conftest import DECLARATION, FIRM, OFFICE, Scene

FILE = """
[channels.folder]
use = "eml"
folder = "mail"

[routes]
default = ["folder"]
"""
DEAD = """
[channels.mail]
use = "smtp"
host = "localhost"
sender = "a@office.test"
security = "none"

[routes]
default = ["mail"]
"""
CERTIFICATE = {"kind": "trademark_certificate", "name": "商标注册证(虚构)", "sha256": "0" * 64, "uri": "urn:demo:1"}


@pytest.fixture(name="told")
def _told(scene: Scene) -> str:
    """The scene's draft has been submitted, and its applicant told so; the id of the message."""
    with workflow(scene.url) as wf:
        wf.fire(scene.draft, "save", DECLARATION | {"documents": [CERTIFICATE]}, actor=FIRM)
        wf.fire(scene.draft, "submit", {"truthful": True}, actor=FIRM)
        (message,) = wf.messages(scene.round)
    (scene.folder / "delivery.toml").write_text(FILE, "utf-8")
    (scene.folder / "dead.toml").write_text(DEAD, "utf-8")
    identifier: str = message["id"]
    return identifier


def run(scene: Scene, *args: str) -> Done:
    return ganchu("outbox", *args, cwd=scene.folder, env={"GANCHU_DB": scene.url})


def read(done: Done) -> Any:
    assert (done.code, done.err) == (0, ""), done
    return json.loads(done.out)


def test_what_is_due_is_delivered_and_listed(scene: Scene, told: str) -> None:
    (waiting,) = read(run(scene, "list", "--json"))
    assert (waiting["message_id"], waiting["channel"], waiting["status"]) == (told, None, "waiting")

    assert run(scene, "deliver", "--channels", "delivery.toml") == Done(
        0, "送达 1,待重试 0,死信 0,待查 0 / delivered 1, to retry 0, dead 0, stuck 0\n", ""
    )

    assert [p.name for p in (scene.folder / "mail").iterdir()] == [f"{told}.eml"]
    listed = run(scene, "list", "--round", scene.round)
    line = rf"{told}  \d{{4}}-\S+ \S+\+08:00  applicant:E1  folder  delivered  申报材料已收到:示例产品\n"
    assert (listed.code, listed.err, bool(re.fullmatch(line, listed.out))) == (0, "", True), listed
    shown = run(scene, "list", "--message", told)
    assert "示例企业(虚构):\n\n贵单位申报的“示例产品”已于" in shown.out
    (entry,) = read(run(scene, "list", "--status", "delivered", "--json"))
    assert (entry["digest"] is not None, entry["attempts"]) == (True, 1)
    assert read(run(scene, "deliver", "--channels", "delivery.toml", "--json")) == {
        "delivered": 0,
        "retried": 0,
        "dead": 0,
        "stuck": 0,
        "left": 0,
        "not_due": {},
    }


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_not_sent_yet_is_listed_in_the_words_it_would_be_sent_in(scene: Scene, told: str) -> None:
    (scene.folder / "texts" / "zh-CN").mkdir(parents=True)
    (scene.folder / "texts" / "zh-CN" / "declaration_received.txt").write_text("已收件\n\n请等候。\n", "utf-8")
    (scene.folder / "own.toml").write_text(f'templates = ["texts"]\n{FILE}', "utf-8")
    before = dump(scene.url)

    listed = run(scene, "list")
    shown = run(scene, "list", "--message", told)
    own = run(scene, "list", "--channels", "own.toml")

    assert listed.out.endswith("  applicant:E1  -  waiting  申报材料已收到:示例产品\n")
    assert shown.out.splitlines()[:2] == [
        listed.out.rstrip("\n"),
        "尚未发出,拟发内容 / not sent yet; what it would say now:",
    ]
    assert "示例企业(虚构):\n\n贵单位申报的“示例产品”已于" in shown.out
    assert own.out.endswith("  waiting  已收件\n")
    assert dump(scene.url) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_message_that_has_no_words_is_listed_by_its_kind_with_the_reason(scene: Scene, told: str) -> None:
    with meddling(scene.url) as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS ganchu_outbox_update")
        connection.exec_driver_sql("UPDATE ganchu_outbox SET message = 'nothing_declared'")

    done = run(scene, "list", "--message", told)

    assert done.out.splitlines()[0].endswith("  waiting  nothing_declared")
    words = "尚未发出,无法成文 / not sent, and has no words: the message 'nothing_declared' has no text: declare it"
    assert done.out.splitlines()[1].startswith(words)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_list_is_narrowed_to_a_case_and_to_a_recipient(scene: Scene, told: str) -> None:
    other = Actor(Role.APPLICANT, "E2")
    with workflow(scene.url) as wf:
        data = DECLARATION | {"product": "茶油", "number": "GC-2", "credit_code": "91369900MA0000023W"}
        data["trademark"] = {"number": "DEMO-2", "owner": data["credit_code"]}
        draft = wf.open("application", data | {"documents": [CERTIFICATE]}, actor=other).case_id
        wf.fire(draft, "submit", {"truthful": True}, actor=other)
        second = wf.messages(scene.round)[-1]["id"]

    def ids(*args: str) -> list[str]:
        return [row["message_id"] for row in read(run(scene, "list", *args, "--json"))]

    assert ids() == [told, second]
    assert ids("--case", scene.draft) == [told]
    assert ids("--case", "number:GC-2") == [second]
    assert ids("--to", "applicant:E1") == [told]
    assert ids("--to", "applicant") == [told, second]
    assert ids("--to", "applicant:E") == []
    assert ids("--case", scene.draft, "--to", "applicant:E2") == []
    assert [row["case"] for row in read(run(scene, "list", "--json"))] == [scene.draft, draft]


def test_more_than_one_batch_is_delivered_at_a_time(scene: Scene, told: str) -> None:
    with workflow(scene.url) as wf:
        wf.fire(scene.draft, "return_for_correction", {"items": ["一"]}, actor=OFFICE)

    done = run(scene, "deliver", "--channels", "delivery.toml", "--limit", "1", "--json")

    assert read(done)["delivered"] == 2


def test_a_dead_letter_is_seen_handed_in_again_and_dropped(scene: Scene, told: str) -> None:
    done = run(scene, "deliver", "--channels", "dead.toml")
    assert done == Done(
        4,
        "送达 0,待重试 0,死信 1,待查 0 / delivered 0, to retry 0, dead 1, stuck 0\n",
        "需人工处理 / waits for a person: ganchu outbox list --status dead (stuck)\n",
    )
    listed = run(scene, "list", "--status", "dead").out.splitlines()
    assert listed[1] == "    there is no address of applicant:E1: add one, then hand it in again"

    assert run(scene, "retry", told, "--reason", "已补录地址", "--person", "p-7") == Done(
        0, "已重新投递 1 件 / handed in again: 1\n", ""
    )
    (entry,) = read(run(scene, "list", "--json"))
    assert (entry["status"], entry["decided_by"], entry["reason"]) == ("waiting", "office#p-7", "已补录地址")
    assert run(scene, "deliver", "--channels", "dead.toml").code == 4

    assert read(run(scene, "drop", "--status", "dead", "--reason", "已电话告知", "--as", "supervisor", "--json")) == [
        {"message": told, "channel": "mail"}
    ]
    listed = run(scene, "list").out.splitlines()
    assert listed[0].split("  ")[3:5] == ["mail", "dropped"]
    assert listed[2] == "    supervisor: 已电话告知"
    assert run(scene, "drop", "--status", "dead", "--reason", "x") == Done(0, "已放弃 0 件 / dropped: 0\n", "")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("retry", "nothing", "--reason", "x"), 2, "there is no message 'nothing'"),
        (("retry", "--reason", "x"), 2, "name the messages, or give --status"),
        (("drop", "TOLD", "--status", "dead", "--reason", "x"), 2, "name the messages, or give --status"),
        (("drop", "TOLD", "--reason", " "), 2, "say why, in 1 to 500 characters"),
        (("drop", "TOLD", "--channel", "fax", "--reason", "x"), 2, "the message goes over no channel 'fax'"),
        (("list", "--status", "lost"), 2, "there is no status 'lost'"),
        (("list", "--round", "nothing"), 2, "there is no case 'nothing'"),
        (("list", "--case", "nothing"), 2, "there is no case 'nothing'"),
        (("list", "--case", "number:X-1"), 2, "there is no application with the number 'X-1'"),
        (("retry", "TOLD", "--reason", "x", "--as", "auditor"), 3, "[not_allowed]"),
        (("retry", "TOLD", "--reason", "x"), 3, "[delivery_not_open]"),
        (("deliver", "--config", "delivery.toml"), 2, "--config"),
        (("deliver", "--channels", "nothing.toml"), 2, "nothing.toml cannot be read: No such file"),
        (("deliver", "--channels", "delivery.toml", "--dispatcher", "other"), 2, "there is no 'other'"),
        (("deliver", "--channels", "broken.toml"), 2, "routes: default names fax; there are: folder"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mistake_is_said_and_changes_nothing(
    scene: Scene, told: str, args: tuple[str, ...], code: int, said: str
) -> None:
    (scene.folder / "broken.toml").write_text(FILE.replace('["folder"]', '["fax"]'), "utf-8")
    if code == 3:
        assert run(scene, "deliver", "--channels", "delivery.toml").code == 0
    before = dump(scene.url)

    done = run(scene, *(told if a == "TOLD" else a for a in args))

    assert (done.code, done.out, said in done.err) == (code, "", True), done
    after = dump(scene.url)
    # What was refused has left a row, and nothing else.
    new = [r for r in after.pop("ganchu_attempt") if r not in before["ganchu_attempt"]]
    assert len(new) == (1 if code == 3 else 0)
    assert after == {name: rows for name, rows in before.items() if name != "ganchu_attempt"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_decision_is_listed_and_is_no_refused_attempt(scene: Scene, told: str) -> None:
    def of_the_round(*args: str) -> Any:
        return read(ganchu(*args, "--json", cwd=scene.folder, env={"GANCHU_DB": scene.url}))

    before = of_the_round("round", "status", scene.round)["attempts"]
    assert run(scene, "deliver", "--channels", "dead.toml").code == 4

    assert run(scene, "retry", told, "--reason", "已补录地址", "--person", "p-7").code == 0
    assert run(scene, "retry", told, "--reason", "x", "--as", "auditor").code == 3

    rows = of_the_round("attempts", scene.round)[-2:]
    assert [(r["name"], r["kind"], r["actor"]) for r in rows] == [
        ("outbox.retry", "decided", "office#p-7"),
        ("outbox.retry", "refused", "auditor"),
    ]
    assert of_the_round("round", "status", scene.round)["attempts"] == before + 1
    lines = ganchu("attempts", scene.round, cwd=scene.folder, env={"GANCHU_DB": scene.url}).out.splitlines()
    assert lines[-2].endswith("  office#p-7  outbox.retry  retry  重新投递: 已补录地址")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_delivered_while_the_time_is_made_up(scene: Scene, told: str) -> None:
    before = dump(scene.url)
    made_up = {"GANCHU_DB": scene.url, "GANCHU_AT": "2021-11-18T10:00"}

    done = ganchu("outbox", "deliver", "--channels", "delivery.toml", cwd=scene.folder, env=made_up)

    assert (done.code, done.out) == (2, "")
    assert "GANCHU_AT is set (2021-11-18T10:00), but `ganchu outbox deliver` goes by the machine's clock" in done.err
    assert dump(scene.url) == before
    assert run(scene, "deliver", "--channels", "delivery.toml").code == 0  # it was to be delivered


def test_what_is_dated_later_than_the_machine_is_counted_with_the_reason(sqlite_url: str, tmp_path: Path) -> None:
    script = RoundScript(usual_plan(), database=sqlite_url, start="2099-09-01T09:00")
    script.declare("水表")
    script.close()
    (tmp_path / "delivery.toml").write_text(FILE, "utf-8")
    later = Scene(sqlite_url, tmp_path, script.round, "")

    done = run(later, "deliver", "--channels", "delivery.toml")

    assert (done.code, done.err) == (0, "")
    first, why = done.out.splitlines()
    assert first == "送达 0,待重试 0,死信 0,待查 0 / delivered 0, to retry 0, dead 0, stuck 0"
    assert why.startswith("未到投递时刻 1 件,最早 2099-09-01 ")
    assert "消息所记时刻晚于本机时间(演示批次的模拟时刻)" in why
    assert read(run(later, "deliver", "--channels", "delivery.toml", "--json"))["not_due"] == {"waiting": 1}


def test_a_reason_must_be_given(scene: Scene, told: str, tmp_path: Path) -> None:
    done = run(scene, "drop", told)
    assert (done.code, "--reason" in done.err) == (2, True)
