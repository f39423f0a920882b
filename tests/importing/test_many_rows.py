"""A file of many rows with 37 bad ones of many kinds: the report is exactly the list of what was planted.

In the suite it has 400 rows. For an import at the size that is promised:

    GANCHU_IMPORT_ROWS=5000 pytest -q -s tests/importing/test_many_rows.py
"""

import os
from pathlib import Path
from time import perf_counter

from ganchu_workflow import Actor, Role, SimulatedClock, Workflow
from ganchu_workflow.importing import import_table
from ganchu_workflow.testing import RoundScript
from tests.cli.command import dump
from tests.importing.conftest import REGISTRY
from tests.importing.files import SHA, csv_bytes, declaration
from tests.rounds.script import local, plan_of

ROWS = int(os.environ.get("GANCHU_IMPORT_ROWS", "400"))
CLERK = Actor(Role.OFFICE, person="u-17")
HIDDEN = "(非公开)"
LONG = "长" * 201
Found = tuple[int, str, str, str]


def _wrong_digit(number: str) -> str:
    right = declaration(number)["统一社会信用代码"]
    return right[:-1] + ("0" if right[-1] != "0" else "1")


def planted(number: str, earlier: str) -> list[tuple[dict[str, str], list[tuple[str, str, str]]]]:
    """The kinds of bad row: what is changed in a good one, and what must be found at which column.

    `earlier` is the 申报编号 of a good row further up.
    """
    own_name = {"商标注册人": f"{number}有限公司(虚构)"}
    digit = _wrong_digit(number)
    return [
        ({"企业名称": ""}, [("企业名称", "", "missing")]),
        ({"联系人": " "}, [("联系人", "", "missing")]),
        ({"所在地": "上海市"}, [("所在地", "上海市", "place_unknown")]),
        ({"推荐单位": "369999"}, [("推荐单位", "369999", "place_unknown")]),
        ({"统一社会信用代码": "9136", **own_name}, [("统一社会信用代码", "9136", "credit_code_invalid")]),
        ({"统一社会信用代码": digit, **own_name}, [("统一社会信用代码", digit, "credit_code_check_digit")]),
        ({"统一社会信用代码": "", **own_name}, [("统一社会信用代码", "", "credit_code_missing")]),
        ({"商标注册人": "他人"}, [("商标注册人", "他人", "trademark_owner")]),
        ({"商标注册证": ""}, [("商标注册证", "", "evidence_missing")]),
        ({"属强制性认证": "是"}, [("强制性认证证书", "", "evidence_missing")]),
        ({"属生产许可": "有"}, [("属生产许可", "有", "not_yes_or_no")]),
        ({"生产许可证": "见附件"}, [("生产许可证", "见附件", "not_a_digest")]),
        ({"产品名称": LONG}, [("产品名称", f"{LONG[:59]}…", "too_long")]),
        ({"联系人": "长" * 401}, [("联系人", HIDDEN, "too_long")]),
        ({"企业编号": "E 1"}, [("企业编号", "E 1", "blank_in_code")]),
        ({"企业名称": "甲\n乙"}, [("企业名称", "甲 乙", "line_break")]),
        ({"申报编号": earlier}, [("申报编号", earlier, "duplicate_in_file")]),
        (
            {"所在地": "天津", "真实性承诺": "Y", "商标注册证": SHA[1:]},
            [
                ("所在地", "天津", "place_unknown"),
                ("商标注册证", f"{SHA[1:60]}…", "not_a_digest"),
                ("真实性承诺", "Y", "not_yes_or_no"),
            ],
        ),
    ]


def made(count: int) -> tuple[list[dict[str, str]], list[Found]]:
    """The rows, a bad one at every so many, 37 in all; and what must be found."""
    rows = [declaration(f"A-{n:05}", 真实性承诺="是" if n % 2 else "否") for n in range(1, count + 1)]
    found: list[Found] = []
    for n in range(37):
        place = 5 + n * (count - 10) // 37
        number = rows[place]["申报编号"]
        kinds = planted(number, rows[0]["申报编号"])
        changes, wrong = kinds[n % len(kinds)]
        rows[place] |= {"真实性承诺": "是"} | changes
        found += [(place + 2, *each) for each in wrong]
    return rows, found


def test_37_bad_rows_are_reported_exactly_in_both_modes(database_url: str, tmp_path: Path) -> None:
    wf = Workflow(database_url, clock=SimulatedClock(local("2022-10-10T09:00")), stages=REGISTRY)
    script = RoundScript(plan_of("MANY"), workflow=wf)
    rows, planned = made(ROWS)
    path = tmp_path / "申报汇总表.csv"
    # A quoted line break counts as a line of its own, so the row of 甲\n乙 moves all that follow it down by one.
    path.write_bytes(csv_bytes(rows))
    breaks = [n + 2 for n, row in enumerate(rows) if "\n" in row["企业名称"]]
    planned = [(f[0] + sum(b < f[0] for b in breaks), *f[1:]) for f in planned]
    before = dump(database_url)

    started = perf_counter()
    nothing = import_table(wf, script.round, "declarations", path, actor=CLERK)
    tried = perf_counter()
    assert [(p.line, p.column, p.value, p.code) for p in nothing.problems] == planned
    assert (nothing.rows, nothing.bad, nothing.entered, nothing.committed) == (ROWS, 37, ROWS - 37, False)
    # That they were refused is on record, and nothing else.
    assert dump(database_url) | {"ganchu_attempt": before["ganchu_attempt"]} == before
    assert len(wf.attempts(script.round)) == len(nothing.refusals) > 0

    begun = perf_counter()
    good = import_table(wf, script.round, "declarations", path, actor=CLERK, mode="good")
    done = perf_counter()
    assert good.problems == nothing.problems
    assert (good.rows, good.bad, good.entered, good.committed) == (ROWS, 37, ROWS - 37, True)
    assert len(wf.cases(script.round, "application")) == ROWS - 37
    print(f"\n{ROWS} rows: all or nothing {tried - started:.1f} s, the good ones {done - begun:.1f} s")
    wf.database.dispose()
