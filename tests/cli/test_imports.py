"""`ganchu round import`, `tables` and `template`: the real command on a real database."""

import json
from typing import Any

from tests.cli.command import Done, dump, ganchu, workflow
from tests.cli.conftest import Scene
from tests.importing.files import csv_bytes, declaration


def run(scene: Scene, *args: str) -> Done:
    return ganchu(*args, cwd=scene.folder, env={"GANCHU_DB": scene.url})


def put(scene: Scene, *rows: dict[str, str]) -> str:
    (scene.folder / "申报.csv").write_bytes(csv_bytes(rows, "gb18030"))
    return "申报.csv"


HERE = {"所在地": "东市(虚构)", "推荐单位": "demo-a"}
GOOD = (declaration("A-1", **HERE), declaration("A-2", **HERE))
BAD = (GOOD[0], GOOD[1] | {"所在地": "沪", "联系人": ""})


def test_a_file_is_tried_then_imported_then_left_alone(scene: Scene) -> None:
    file = put(scene, *GOOD)
    before = dump(scene.url)

    tried = run(scene, "round", "import", scene.round, "declarations", file, "--dry-run", "--person", "u-17")
    assert (tried.code, tried.err) == (0, "")
    assert tried.out.splitlines() == [
        "申报汇总表 申报.csv(GB18030):共2行 / 2 row(s)",
        "试运行,未写入:可导入2行 / dry run: 2 could be imported",
        "  self_declaration 已提交:2",
    ]
    assert dump(scene.url) == before

    done = run(scene, "round", "import", scene.round, "申报汇总表", file, "--person", "u-17")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == "已导入2行 / 2 imported"
    with workflow(scene.url) as wf:
        (case,) = wf.find(scene.round, "number", "A-2")
        assert case.state == "self_declaration.submitted"
        assert wf.history(case)[0]["actor"] == {
            "role": "applicant",
            "scope": "E-A-2",
            "person": "u-17",
            "via": "on_behalf",
            "on_behalf_of": "E-A-2",
        }

    after = dump(scene.url)
    again = run(scene, "round", "import", scene.round, "declarations", file, "--person", "u-17")
    assert (again.code, again.err) == (0, "")
    assert again.out.splitlines()[1:3] == [
        "已导入0行 / 0 imported",
        "此前已导入、未重复办理2行 / 2 had been imported before",
    ]
    assert dump(scene.url) == after


def test_bad_rows_are_named_and_nothing_or_only_the_good_is_imported(scene: Scene) -> None:
    file = put(scene, *BAD)
    before = dump(scene.url)

    refused = run(scene, "round", "import", scene.round, "declarations", file, "--report", "问题.csv")
    assert refused.code == 2
    assert refused.err.splitlines()[0].startswith("行 3,列“所在地”,值“沪”:没有这个地方或单位;")
    assert refused.err.splitlines()[1] == "行 3,列“联系人”:此列必填 / must be filled [missing]"
    assert refused.out.splitlines() == [
        "申报汇总表 申报.csv(GB18030):共2行 / 2 row(s)",
        "未导入任何行:须全部无误,或用 --good-only / nothing was imported: all or nothing, or --good-only",
        "有误1行 / 1 with problems",
    ]
    assert [line.split(",")[:4] for line in (scene.folder / "问题.csv").read_text("utf-8-sig").splitlines()] == [
        ["行", "列", "值", "代码"],
        ["3", "所在地", "沪", "place_unknown"],
        ["3", "联系人", "", "missing"],
    ]
    assert dump(scene.url) == before

    partly = run(scene, "round", "import", scene.round, "declarations", file, "--good-only", "--json")
    assert (partly.code, partly.err) == (2, "")
    found: dict[str, Any] = json.loads(partly.out)
    assert {name: found[name] for name in ("rows", "entered", "already", "held", "bad", "committed")} == {
        "rows": 2,
        "entered": 1,
        "already": 0,
        "held": 0,
        "bad": 1,
        "committed": True,
    }
    assert [(p["line"], p["column"], p["code"]) for p in found["problems"]] == [
        (3, "所在地", "place_unknown"),
        (3, "联系人", "missing"),
    ]
    with workflow(scene.url) as wf:
        assert [len(wf.find(scene.round, "number", n)) for n in ("A-1", "A-2")] == [1, 0]


def test_a_report_that_has_no_place_is_refused_before_anything_is_imported(scene: Scene) -> None:
    file, before = put(scene, *GOOD), dump(scene.url)
    (scene.folder / "目录.csv").mkdir()

    for report in ("没有/问题.csv", "目录.csv"):
        done = run(scene, "round", "import", scene.round, "declarations", file, "--report", report)
        assert (done.code, done.out, f"'{report}' is not a file in a folder that exists" in done.err) == (2, "", True)

    assert dump(scene.url) == before


def test_what_was_imported_is_said_though_the_report_cannot_be_written(scene: Scene) -> None:
    full = scene.folder / "full.csv"
    full.symlink_to("/dev/full")

    done = run(scene, "round", "import", scene.round, "declarations", put(scene, *GOOD), "--report", "full.csv")

    assert (done.code, "the report cannot be written" in done.err) == (2, True)
    assert done.out.splitlines()[1] == "已导入2行 / 2 imported"


def test_a_real_round_is_not_imported_into_at_a_time_of_ones_choice(scene: Scene) -> None:
    done = run(scene, "round", "import", scene.round, "declarations", put(scene, *GOOD), "--at", "2022-10-10T09:00")

    assert (done.code, "--at is for demonstrations" in done.err) == (2, True)


def test_another_batch_does_what_was_done_before(scene: Scene) -> None:
    file = put(scene, *GOOD[:1])
    assert run(scene, "round", "import", scene.round, "declarations", file).code == 0

    again = run(scene, "round", "import", scene.round, "declarations", file, "--batch", "second")

    assert again.code == 2
    assert again.err == (
        "行 2,列“申报编号”,值“A-1”:申报编号A-1已被使用 / another application of this round has the number A-1 "
        "[number_taken]\n"
    )


def test_what_cannot_be_used_is_said_without_a_traceback(scene: Scene) -> None:
    file = put(scene, *GOOD)
    cases = [
        (("round", "import", scene.round, "declaration", file), "did you mean 'declarations'"),
        (("round", "import", scene.round, "declarations", "无.csv"), "无法读取文件"),
        (("round", "import", scene.draft, "declarations", file), "not a round"),
        (("round", "import", scene.round, "declarations", file, "--report", "x.txt"), "must end in .csv or .json"),
        (("round", "import", scene.round, "declarations", file, "--as", "clerk"), "there is no role 'clerk'"),
        (("round", "template", scene.round, "declarations", "--out", "x.ods"), "must end in .csv or .xlsx"),
    ]

    found = [(run(scene, *args), said) for args, said in cases]

    assert [(done.code, said in done.err) for done, said in found] == [(2, True)] * len(cases)


def test_the_tables_and_an_empty_one(scene: Scene) -> None:
    listed = run(scene, "round", "tables", scene.round)
    assert listed.code == 0
    lines = listed.out.splitlines()
    assert lines[0] == "declarations  申报汇总表  self_declaration"
    assert lines[1] == "  申报编号*  编号 / a number or reference"
    assert "  备注  供人阅读,不导入 / for people, not read" in lines

    found = json.loads(run(scene, "round", "tables", scene.round, "--json").out)
    assert [(t["table"], t["stage"], t["label"], len(t["columns"])) for t in found] == [
        ("declarations", "self_declaration", "申报汇总表", 23),
        ("acceptance", "self_declaration", "受理登记表", 6),
    ]
    assert [c["heading"] for c in found[0]["columns"] if c["private"]] == ["信用代码说明", "联系人"]

    for name in ("空表.csv", "空表.xlsx"):
        assert run(scene, "round", "template", scene.round, "acceptance", "--out", name).code == 0
        empty = run(scene, "round", "import", scene.round, "acceptance", name)
        assert (empty.code, empty.err) == (2, "行 1:只有表头,没有数据 / there are headings, but no rows [no_rows]\n")
