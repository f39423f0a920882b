"""The matrix of bad input: each file is refused with the line, the column, the value and the reason of everything that
is wrong with it, and nothing of it is in the database."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from ganchu_workflow import Actor, Role
from ganchu_workflow.importing import import_table
from tests.cli.command import dump
from tests.importing.conftest import Scene
from tests.importing.files import (
    SHA,
    accepted,
    cells_bytes,
    checked,
    csv_bytes,
    declaration,
    declined,
    grouped,
    in_first_sheet,
    objected,
    ranked,
    replied,
    scored,
    xlsx_bytes,
)

CLERK = Actor(Role.OFFICE, person="u-17")
HIDDEN = "(非公开)"
Found = list[tuple[int, str, str, str]]


@dataclass(frozen=True)
class Bad:
    """A file, and what is wrong with it: (line, column, value, code)."""

    name: str
    table: str
    data: bytes
    found: Found
    file: str = "表.csv"
    late: bool = False


def one(name: str, table: str, row: dict[str, str], *found: tuple[str, str, str], late: bool = False) -> Bad:
    """A file of one row; what is found is in line 2."""
    return Bad(name, table, csv_bytes([row]), [(2, *each) for each in found], late=late)


GOOD = declaration("A-1")
HEADINGS = list(GOOD)
CELLS = list(GOOD.values())
LONG = "长" * 201
SEVENS = "7" * 400

FILES = [
    Bad("empty file", "declarations", b"", [(1, "", "", "file_empty")]),
    Bad("a byte-order mark and nothing else", "declarations", b"\xef\xbb\xbf\r\n", [(1, "", "", "file_empty")]),
    Bad("notes only", "declarations", "# 虚构\r\n".encode(), [(1, "", "", "file_empty")]),
    Bad("headings only", "declarations", cells_bytes([HEADINGS]), [(1, "", "", "no_rows")]),
    Bad("headings under a note, and blank rows", "declarations", b"#\r\n" + cells_bytes([HEADINGS, [""] * 17]),
        [(2, "", "", "no_rows")]),
    Bad("an old Excel file", "declarations", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        [(1, "", "D0 CF 11 E0", "old_excel")]),
    Bad("a PDF", "declarations", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", [(1, "", "25 50 44 46", "pdf")]),
    Bad("UTF-16 with its mark", "declarations", csv_bytes([GOOD], "utf-16"),
        [(1, "", "FF FE 33 75", "encoding_utf16")]),
    Bad("UTF-16 without", "declarations", "number,name\r\n1,2\r\n".encode("utf-16-le"),
        [(1, "", "6E 00 75 00", "encoding_utf16")]),
    Bad("Latin-1", "declarations", "申报编号".encode("gb18030") + "\r\nétage\r\né".encode("latin-1"),
        [(3, "", "E9", "encoding")]),
    Bad("UTF-8 with one broken byte", "declarations",
        csv_bytes([GOOD, GOOD], "utf-8").replace("南昌".encode(), b"\xe5\x8d\x97\xff", 1), [(2, "", "FF", "encoding")]),
    Bad("a mark of UTF-8 before GB18030", "declarations", b"\xef\xbb\xbf" + csv_bytes([GOOD], "gb18030"),
        [(1, "", "C9", "encoding")]),
    Bad("a zip that is no XLSX", "declarations", b"PK\x03\x04" + bytes(40), [(1, "", "", "xlsx_broken")], "表.xlsx"),
    Bad("an XLSX cut short", "declarations", xlsx_bytes([HEADINGS, CELLS])[:-200], [(1, "", "", "xlsx_broken")]),
    Bad("a number that is none", "acceptance",
        in_first_sheet("<v>77</v>", "<v>7x</v>", xlsx_bytes([["申报编号"], [77]])),
        [(1, "", "", "xlsx_broken")], "表.xlsx"),
    Bad("an empty sheet", "declarations", xlsx_bytes([]), [(1, "", "", "file_empty")], "表.xlsx"),
    Bad("semicolons", "acceptance", "申报编号;受理意见\r\nS-1;受理\r\n".encode(),
        [(1, "", "申报编号;受理意见", "wrong_separator")]),
]  # fmt: skip

WRONG_HEADINGS = [
    Bad("one missing", "acceptance", cells_bytes([["申报编号", "理由"], ["S-1", ""]]),
        [(1, "受理意见", "", "heading_missing")]),
    Bad("one misspelt", "acceptance", cells_bytes([["申报编号", "受理意见", "理由代马"], ["S-1", "受理", ""]]),
        [(1, "理由代马", "理由代马", "heading_unknown")]),
    Bad("a required one misspelt", "acceptance", cells_bytes([["申报编号", "受理意间"], ["S-1", "受理"]]),
        [(1, "受理意见", "", "heading_missing"), (1, "受理意间", "受理意间", "heading_unknown")]),
    Bad("one twice", "acceptance", cells_bytes([["申报编号", "受理意见", "申报编号"], ["S-1", "受理", "S-2"]]),
        [(1, "申报编号", "申报编号", "heading_duplicate")]),
    Bad("a blank one over data", "acceptance", cells_bytes([["申报编号", "受理意见", ""], ["S-1", "受理", "?"]]),
        [(1, "", "", "heading_blank")]),
    Bad("another table", "acceptance", csv_bytes([replied("C-1")]), [(1, "", "", "another_table")]),
    Bad("under a note", "acceptance", b"# x\n" + cells_bytes([["申报编号"], ["S-1"]], "utf-8"),
        [(2, "受理意见", "", "heading_missing")]),
    Bad("merged", "acceptance", xlsx_bytes([["申报编号", "受理意见", None], ["S-1", "受理", None]], ["B1:C1"]),
        [(1, "受理意见", "受理意见", "heading_duplicate")], "表.xlsx"),
]  # fmt: skip

HEAD = "申报编号,受理意见,理由代码,理由\r\n"
ROWS = [
    Bad("too few cells", "acceptance", (HEAD + "S-1,受理\r\nS-2,受理,,\r\n").encode(), [(2, "", "", "ragged")]),
    Bad("too many cells", "acceptance", (HEAD + "S-1,受理,,,,x\r\n").encode(), [(2, "", "", "ragged")]),
    Bad("a quotation mark inside a cell", "acceptance", (HEAD + '"S"-1,受理,,\r\nS-2,受理,,\r\n').encode(),
        [(2, "", "", "row_unreadable")]),
    Bad("a quotation mark that is not closed", "acceptance",
        (HEAD + 'S-1,受理,,\r\nS-2,"受理,,\r\nS-3,,,\r\n').encode(), [(3, "", "", "quote_not_closed")]),
    Bad("a cell beyond the limit of csv", "acceptance", (HEAD + f"S-1,受理,,{'x' * 140_000}\r\n").encode(),
        [(2, "", "", "cell_too_long")]),
    Bad("lines are counted through quoted line breaks", "acceptance",
        (HEAD + 'S-1,不予受理,R1,"一\r\n二\r\n三"\r\nS-2,随便,,\r\n').encode(),
        [(5, "受理意见", "随便", "not_a_choice")]),
    Bad("a number with a line break", "acceptance", (HEAD + '"S-\n1",受理,,\r\n').encode(),
        [(2, "申报编号", "S- 1", "blank_in_code")]),
    Bad("NUL", "acceptance", (HEAD + "S-\x001,受理,,\r\n").encode(), [(2, "申报编号", "S-\x001", "strange_character")]),
    Bad("an error value", "acceptance", xlsx_bytes([["申报编号", "受理意见"], ["#REF!", "受理"], ["S-2", "#N/A"]]),
        [(2, "申报编号", "#REF!", "cell_error"), (3, "受理意见", "#N/A", "cell_error")], "表.xlsx"),
    Bad("a formula without its result", "acceptance", xlsx_bytes([["申报编号", "受理意见"], ["S-1", '="受"&"理"']]),
        [(2, "受理意见", "", "formula_without_value")], "表.xlsx"),
    Bad("a credit code kept as a number", "declarations",
        xlsx_bytes([HEADINGS, [913601001234567890 if c == GOOD["统一社会信用代码"] else c for c in CELLS]]),
        [(2, "统一社会信用代码", "913601001234567936", "number_lost_figures"),
         (2, "商标注册人", "913601001234567936", "number_lost_figures")], "表.xlsx"),
    Bad("a number beyond all bounds", "acceptance", in_first_sheet("<v>77</v>", "<v>1E400</v>",
        xlsx_bytes([["申报编号", "受理意见"], [77, "受理"]])), [(2, "申报编号", "", "number_too_large")], "表.xlsx"),
    Bad("a number of 400 figures", "acceptance", in_first_sheet("<v>77</v>", f"<v>{SEVENS}</v>",
        xlsx_bytes([["申报编号", "受理意见"], [77, "受理"]])),
        [(2, "申报编号", f"{SEVENS[:59]}…", "number_lost_figures")], "表.xlsx"),
    Bad("a date where a code should be", "acceptance",
        xlsx_bytes([["申报编号", "受理意见"], [date(2021, 11, 1), "受理"]]),
        [(2, "申报编号", "2021-11-01", "number_unknown")], "表.xlsx"),
]  # fmt: skip

BAD_CODE = GOOD["统一社会信用代码"][:-1]
WRONG_DIGIT = BAD_CODE + ("0" if GOOD["统一社会信用代码"][-1] != "0" else "1")
LETTER_O = "9136010O" + GOOD["统一社会信用代码"][8:]


def _code(code: str) -> dict[str, str]:
    return declaration("A-1", 统一社会信用代码=code, 商标注册人="A-1有限公司(虚构)")


DECLARED = [
    one("required cells blank", "declarations", declaration("A-1", 企业名称="", 联系人="  "),
        ("企业名称", "", "missing"), ("联系人", "", "missing")),
    one("a city that does not exist", "declarations", declaration("A-1", 所在地="南昌县"),
        ("所在地", "南昌县", "place_unknown")),
    one("a recommender that does not exist", "declarations", declaration("A-1", 推荐单位="360199"),
        ("推荐单位", "360199", "place_unknown")),
    one("a credit code too short", "declarations", _code(BAD_CODE),
        ("统一社会信用代码", BAD_CODE, "credit_code_invalid")),
    one("a letter O in a credit code", "declarations", _code(LETTER_O),
        ("统一社会信用代码", LETTER_O, "credit_code_invalid")),
    one("a check digit that does not fit", "declarations", _code(WRONG_DIGIT),
        ("统一社会信用代码", WRONG_DIGIT, "credit_code_check_digit")),
    one("no credit code and no word why", "declarations", _code(""), ("统一社会信用代码", "", "credit_code_missing")),
    one("yes or no", "declarations", declaration("A-1", 属生产许可="有", 真实性承诺="Y"),
        ("属生产许可", "有", "not_yes_or_no"), ("真实性承诺", "Y", "not_yes_or_no")),
    one("no digest", "declarations", declaration("A-1", 商标注册证="已上传", 生产许可证=SHA[:-1]),
        ("商标注册证", "已上传", "not_a_digest"), ("生产许可证", f"{SHA[:59]}…", "not_a_digest")),
    one("too long", "declarations", declaration("A-1", 产品名称=LONG), ("产品名称", f"{LONG[:59]}…", "too_long")),
    one("too long, and private", "declarations", declaration("A-1", 联系人="1" * 401), ("联系人", HIDDEN, "too_long")),
    one("a line break in a name", "declarations", declaration("A-1", 企业名称="甲\n公司"),
        ("企业名称", "甲 公司", "line_break")),
    one("a character of a private area", "declarations", declaration("A-1", 企业名称="甲\ue000"),
        ("企业名称", "甲\ue000", "strange_character")),
    one("the trademark is another's", "declarations", declaration("A-1", 商标注册人="他人"),
        ("商标注册人", "他人", "trademark_owner")),
    one("a certificate is missing", "declarations", declaration("A-1", 商标注册证="", 属强制性认证="是"),
        ("商标注册证", "", "evidence_missing"), ("强制性认证证书", "", "evidence_missing")),
    one("a number that the round has", "declarations", declaration("S-1"), ("申报编号", "S-1", "number_taken")),
    Bad("a number twice", "declarations",
        csv_bytes([GOOD, declaration("A-2"), declaration("A-1", 产品名称="另一产品")]),
        [(4, "申报编号", "A-1", "duplicate_in_file")]),
    Bad("a product twice", "declarations",
        csv_bytes([GOOD, GOOD | {"申报编号": "A-2"}]),
        [(3, "产品名称", "A-1号产品", "product_declared_already")]),
    one("after the window", "declarations", GOOD, ("申报编号", "A-1", "window_closed"), late=True),
    Bad("everything at once", "declarations", csv_bytes([
        declaration("A-1", 所在地="天津", 真实性承诺="好"), declaration("A-2"), declaration("A-3", 商标注册人="他人")]),
        [(2, "所在地", "天津", "place_unknown"), (2, "真实性承诺", "好", "not_yes_or_no"),
         (4, "商标注册人", "他人", "trademark_owner")]),
]  # fmt: skip

LETTERS = [
    one("an unknown number", "letters", ranked("X-9", "1"), ("申报编号", "X-9", "number_unknown")),
    one("an unknown recommender", "letters", ranked("R-1", "1", by="上海市"), ("推荐单位", "上海市", "place_unknown")),
    one("a rank that is no number", "letters", ranked("R-1", "第一"), ("排序", "第一", "not_a_whole_number")),
    one("a rank below one", "letters", ranked("R-1", "0"), ("排序", "0", "out_of_range")),
    Bad("another city's product", "letters", csv_bytes([ranked("R-1", "1"), ranked("G-1", "2"), ranked("R-2", "3")]),
        [(3, "申报编号", "G-1", "not_yours")]),
    Bad("tied ranks", "letters", csv_bytes([ranked("R-1", "1"), ranked("R-2", "2"), ranked("R-3", "2")]),
        [(3, "排序", "2", "tied_ranks"), (4, "排序", "2", "tied_ranks")]),
    Bad("a gap", "letters", csv_bytes([ranked("R-1", "1"), ranked("R-2", "3")]),
        [(2, "排序", "1", "ranks_not_consecutive")]),
    Bad("a product in two letters", "letters", csv_bytes([
        ranked("R-1", "1"), ranked("R-2", "2"), ranked("R-1", "1", letter="洪工信〔2022〕2号")]),
        [(4, "申报编号", "R-1", "duplicate_in_file")]),
    one("not in this state", "letters", ranked("S-1", "1"), ("申报编号", "S-1", "not_yours")),
    one("no quota", "letters", ranked("R-1", "1", by="赣江新区"), ("申报编号", "R-1", "not_yours")),
    one("after the window", "letters", ranked("L-2", "1"), ("申报编号", "L-2", "window_closed"), late=True),
    one("declining another's", "declined", declined("G-1"), ("推荐单位", "南昌市", "not_allowed")),
    one("declining without a reason", "declined", declined("R-1", 理由=""), ("理由", "", "missing")),
    one("declining what is not there yet", "declined", declined("S-1"), ("申报编号", "S-1", "not_here")),
]  # fmt: skip

OTHERS = [
    one("accepting an unknown number", "acceptance", accepted("X-9"), ("申报编号", "X-9", "number_unknown")),
    one("accepting a draft", "acceptance", accepted("D-1"), ("申报编号", "D-1", "not_here")),
    one("an opinion that is none", "acceptance", accepted("S-1", "同意"), ("受理意见", "同意", "not_a_choice")),
    one("refusing without a word", "acceptance", accepted("S-1", "不予受理"),
        ("理由代码", "", "missing"), ("理由", "", "missing")),
    one("a reason code with a blank in it", "acceptance", accepted("S-1", "不予受理", 理由代码="a b", 理由="不符"),
        ("理由代码", "a b", "blank_in_code")),
    one("a reason code in Chinese", "acceptance", accepted("S-1", "不予受理", 理由代码="缺件", 理由="不符"),
        ("理由代码", "缺件", "data_invalid")),
    one("a check that says nothing", "checks", checked("Q-1", 停产="不详"), ("停产", "不详", "not_yes_or_no")),
    one("a finding nobody asked for", "checks", checked("Q-1", 独立法人认定="符合", 认定依据="营业执照"),
        ("独立法人认定", "符合", "finding_not_asked_for")),
    one("a finding without its ground", "checks", checked("Q-1", 独立法人认定="符合"), ("认定依据", "", "missing")),
    one("a check of what is not checked", "checks", checked("R-1"), ("申报编号", "R-1", "not_here")),
    one("a group without a pool", "panels", grouped("W-1", 专家库=""), ("专家库", "", "missing")),
    Bad("a group with two pools", "panels", csv_bytes([grouped("W-1"), grouped("W-2", 专家库="e1")]),
        [(2, "专家库", "e1、e2, e3", "differs_in_group")]),
    one("an expert twice in a pool", "panels", grouped("W-1", 专家库="e1;e1"), ("专家库", "e1;e1", "pool_repeats")),
    Bad("a group with what does not wait", "panels", csv_bytes([grouped("W-1"), grouped("R-1"), grouped("P-1")]),
        [(3, "申报编号", "R-1", "member_not_here")]),
    one("an answer of an expert who was not drawn", "seats", {"专家编号": "e9", "答复": "接受"},
        ("专家编号", "e9", "not_invited")),
    one("an answer to a group that is none", "seats", {"专家编号": "e9", "组别": "癸组", "答复": "接受"},
        ("组别", "癸组", "group_unknown")),
    one("an answer that is none", "seats", {"专家编号": "e9", "答复": "再说"}, ("答复", "再说", "not_a_choice")),
    one("a score out of range", "scores", scored("P-1", 质量优良="101", 品牌知名="-1"),
        ("质量优良", "101", "out_of_range"), ("品牌知名", "-1", "out_of_range")),
    one("a score that is not whole", "scores", scored("P-1", 质量优良="90.5", 品牌知名="九十"),
        ("质量优良", "90.5", "not_a_whole_number"), ("品牌知名", "九十", "not_a_whole_number")),
    one("a dimension missing", "scores", scored("P-1", 效益突出=""), ("效益突出", "", "missing")),
    one("a seat that is not there", "scores", scored("P-1", seat="2"), ("席位号", "2", "seat_unknown")),
    one("no seat and no expert", "scores", scored("P-1", seat=""), ("席位号", "", "missing")),
    one("an expert of another panel", "scores", scored("P-1", seat="", 专家编号="e9"), ("专家编号", "e9", "no_sheet")),
    one("a seat of another's", "scores", scored("P-1", 专家编号="e9"), ("专家编号", "e9", "seat_of_another")),
    one("scores of what no panel has", "scores", scored("W-1"), ("申报编号", "W-1", "no_panel")),
    one("scores and a recusal", "scores", scored("P-1", 回避="近亲属"), ("技术先进", "90", "score_with_recusal")),
    Bad("a sheet twice", "scores", csv_bytes([scored("P-1"), scored("P-1", points="80")]),
        [(3, "席位号", "1", "duplicate_in_file")]),
    one("a department that was not asked", "replies", replied("C-1", "MOT"), ("部门", "MOT", "not_asked")),
    one("opposing without a ground", "replies", replied("C-1", opinion="不同意"), ("内容", "", "missing")),
    one("a reply without its number", "replies", replied("C-1", 文号=""), ("文号", "", "missing")),
    one("a reply about what was not asked", "replies", replied("R-1"), ("部门", "ENV", "not_asked")),
    one("an objection to what is not shown", "objections", objected("R-1"), ("申报编号", "R-1", "not_shown")),
    one("an objection without a name", "objections", objected("N-1", 姓名或单位=""),
        ("姓名或单位", "", "identity_missing")),
    one("a kind of objection that is none", "objections", objected("N-1", 方式="上访", 内容=""),
        ("方式", "上访", "not_a_choice"), ("内容", "", "missing")),
]  # fmt: skip

MATRIX = [*FILES, *WRONG_HEADINGS, *ROWS, *DECLARED, *LETTERS, *OTHERS]


@pytest.mark.parametrize("bad", MATRIX, ids=lambda bad: f"{bad.table}: {bad.name}")
def test_bad_input_is_reported_cell_by_cell_and_nothing_is_imported(bad: Bad, still: Scene, tmp_path: Path) -> None:
    path = tmp_path / bad.file
    path.write_bytes(bad.data)
    target = still.late if bad.late else still.script

    report = import_table(still.wf, target.round, bad.table, path, actor=CLERK)
    tried = import_table(still.wf, target.round, bad.table, path, actor=CLERK, mode="good", dry_run=True)

    assert [(p.line, p.column, p.value, p.code) for p in report.problems] == bad.found
    assert tried.problems == report.problems
    assert (report.ok, report.committed) == (False, False)
    assert report.rows in (0, report.entered + report.bad + report.held)
    # That it was refused is on record, and nothing else.
    assert dump(still.url) | {"ganchu_attempt": still.before["ganchu_attempt"]} == still.before


def test_every_reason_is_given_in_both_languages_and_quotes_nothing_private(still: Scene, tmp_path: Path) -> None:
    path = tmp_path / "表.csv"
    secret = "保密内容0791"
    rows = [declaration("A-1", 联系人=f"{secret}\n{'长' * 400}", 信用代码说明=secret, 统一社会信用代码="1")]
    path.write_bytes(csv_bytes(rows))

    report = import_table(still.wf, still.round, "declarations", path, actor=CLERK)

    assert [p.code for p in report.problems] == ["line_break"]
    assert [bool(p.zh and p.en) for p in report.problems] == [True]
    assert secret not in repr(report)
