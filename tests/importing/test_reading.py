"""What is read from a file that is in order, however an office has saved it."""

import csv
import io
import json
import pickle
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from ganchu_workflow.errors import DefinitionInvalid, Invalid
from ganchu_workflow.importing import ImportReport, RowProblem, Sheet, read_sheet, write_report, write_template
from ganchu_workflow.importing.reading import decode
from ganchu_workflow.importing.sheets import BadCell, FileRefused
from ganchu_workflow.process import Column, Table, Wrong, choice, code, codes, place, whole_number, yes_no
from tests.importing.files import cells_bytes, xlsx_bytes

CELLS = [["申报编号", "企业名称"], ["A-1", "㐂𠮷茶业(虚构)"], ["A-2", "=1+1"]]


def read(tmp_path: Path, data: bytes, name: str = "表.csv") -> Sheet:
    path = tmp_path / name
    path.write_bytes(data)
    return read_sheet(path)


def rows(sheet: Sheet) -> list[tuple[int, list[Any]]]:
    return [(row.line, list(row.cells)) for row in (sheet.headings, *sheet.rows)]


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize(("codec", "name"), [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8 (BOM)"), ("gb18030", "GB18030")])
def test_each_encoding_is_known_by_its_bytes_and_rare_characters_survive(
    tmp_path: Path, codec: str, name: str, newline: str
) -> None:
    sheet = read(tmp_path, cells_bytes(CELLS, codec, newline))

    assert sheet.encoding == name
    assert rows(sheet) == [(1, CELLS[0]), (2, CELLS[1]), (3, CELLS[2])]


def test_every_chinese_character_of_the_basic_blocks_survives_gb18030() -> None:
    text = "".join(chr(c) for block in ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x20100)) for c in range(*block))

    assert decode(text.encode("gb18030")) == ("GB18030", text)
    assert decode(text.encode("utf-8")) == ("UTF-8", text)


def test_ascii_is_utf_8() -> None:
    assert decode(b"a,b\r\n") == ("UTF-8", "a,b\r\n")


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    text = '# 虚构,\r\n\r\n申报编号,理由\r\nA-1,"一\r\n二"\r\n,\r\n"A,2","他说""好"""\r\n'

    assert rows(read(tmp_path, text.encode())) == [
        (3, ["申报编号", "理由"]),
        (4, ["A-1", "一\r\n二"]),
        (7, ["A,2", '他说"好"']),
    ]


def test_a_row_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    sheet = read(tmp_path, '编号,甲\n1,"x"y\n2,z\n3,"u\n'.encode())

    assert rows(sheet) == [(1, ["编号", "甲"]), (3, ["2", "z"])]
    assert [(p.line, p.code) for p in sheet.unreadable] == [(2, "row_unreadable"), (4, "quote_not_closed")]


def test_a_spreadsheet_is_read_as_people_see_it(tmp_path: Path) -> None:
    data = xlsx_bytes(
        [
            ["# 虚构", None, None],
            ["编号", "数", "日期"],
            [360100, 95.0, date(2021, 9, 3)],
            [" A-1 ", 90.5, datetime(2021, 9, 3, 17, 30)],
            [None, None, None],
            ["０１", True, ""],
        ]
    )

    sheet = read(tmp_path, data, "表.xlsx")

    assert sheet.encoding == "XLSX"
    assert rows(sheet) == [
        (2, ["编号", "数", "日期"]),
        (3, ["360100", "95", "2021-09-03"]),
        (4, ["A-1", "90.5", "2021-09-03 17:30:00"]),
        (6, ["０１", "是"]),
    ]


def test_merged_cells_say_the_same_of_every_row_they_cover(tmp_path: Path) -> None:
    data = xlsx_bytes([["单位", "号"], ["南昌市", 1], [None, 2], ["九江市", 3]], ["A2:A3"])

    assert [cells for _, cells in rows(read(tmp_path, data))][1:] == [["南昌市", "1"], ["南昌市", "2"], ["九江市", "3"]]


def test_of_a_formula_the_saved_value_counts(tmp_path: Path) -> None:
    path = tmp_path / "表.xlsx"
    with xlsxwriter.Workbook(path) as book:
        worksheet = book.add_worksheet()
        worksheet.write_row(0, 0, ["编号", "分"])
        worksheet.write_formula(1, 0, '="A-"&1', value="A-1")
        worksheet.write_formula(1, 1, "=90+5", value=95)
        worksheet.write_formula(2, 0, "=1/0", value="#DIV/0!")

    found = rows(read_sheet(path))

    assert found[1] == (2, ["A-1", "95"])
    broken = found[2][1][0]
    assert isinstance(broken, BadCell)
    assert (broken.code, broken.shown) == ("cell_error", "#DIV/0!")


def test_without_openpyxl_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(Invalid, match=r"pip install 'ganchu-workflow\[xlsx\]'"):
        read(tmp_path, xlsx_bytes_made_before, "表.xlsx")
    assert rows(read(tmp_path, cells_bytes(CELLS)))[0] == (1, CELLS[0])  # CSV needs nothing


xlsx_bytes_made_before = xlsx_bytes(CELLS)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "表.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", "")
        with packed.open("xl/worksheets/sheet1.xml", "w") as part:
            for _ in range(260):
                part.write(bytes(1_000_000))

    with pytest.raises(FileRefused) as refused:
        read_sheet(path)
    assert refused.value.problem.code == "file_too_large"


def test_a_sheet_with_blank_cells_down_to_the_last_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "表.xlsx"
    with xlsxwriter.Workbook(path) as book:
        worksheet = book.add_worksheet()
        worksheet.write_row(0, 0, ["编号", "分"])
        worksheet.write_blank(1_048_575, 1, None, book.add_format({"bold": True}))

    with pytest.raises(FileRefused) as refused:
        read_sheet(path)
    assert refused.value.problem.code == "sheet_too_large"


def test_drop_down_lists_of_a_spreadsheet_are_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "表.xlsx"
    with xlsxwriter.Workbook(path) as book:
        worksheet = book.add_worksheet()
        worksheet.write_column(0, 0, ["真实性承诺", "是"])
        worksheet.data_validation("A2:A9", {"validate": "list", "source": ["是", "否"]})

    assert rows(read_sheet(path)) == [(1, ["真实性承诺"]), (2, ["是"])]


def test_a_sheet_of_a_programs_own_rows_counts_the_headings_as_line_1() -> None:
    sheet = Sheet.of([{"甲": 1}, {"乙": True, "甲": None}, {"甲": " "}])

    assert rows(sheet) == [(1, ["甲", "乙"]), (2, ["1", ""]), (3, ["", "是"])]


# ── cells ──


@pytest.mark.parametrize(
    ("reader", "cell", "value"),
    [
        (code(), " ３６０-Ａ　", "360-A"),
        (codes(), "e1、e2,e3;  e4 e5", ("e1", "e2", "e3", "e4", "e5")),
        (whole_number(0, 100), "９５", 95),
        (whole_number(), "-3", -3),
        (yes_no(), " 是", True),
        (choice({"盖章(公)": 1}), "盖章(公)", 1),
        (place(lambda known: known), "x-gjxq", "X-GJXQ"),
        (place(lambda known: known), "赣江新区 ", "X-GJXQ"),
    ],
)
def test_what_is_written_otherwise_means_the_same(reader: Any, cell: str, value: object) -> None:
    assert reader(cell, {"X-GJXQ": "赣江新区", "360100": "南昌市"}) == value


@pytest.mark.parametrize("cell", ["95.0", "1e2", "٣", "", "+5", "9" * 16, "5-"])
def test_what_is_no_whole_number(cell: str) -> None:
    with pytest.raises(Wrong) as wrong:
        whole_number(0, 100)(cell, None)
    assert wrong.value.code == "not_a_whole_number"


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"), [((0, 100), [0, 100], [-1, 101]), ((1, None), [1], [0]), ((None, 5), [5], [6])]
)
def test_both_ends_of_a_range_are_inside(bounds: tuple[int | None, int | None], inside: Any, outside: Any) -> None:
    reader = whole_number(*bounds)

    assert [reader(str(n), None) for n in inside] == inside
    for n in outside:
        with pytest.raises(Wrong) as wrong:
            reader(str(n), None)
        assert wrong.value.code == "out_of_range"


def test_a_bound_may_be_a_setting() -> None:
    assert whole_number(0, lambda top: top)("200", 200) == 200


@pytest.mark.parametrize("strange", ["\x00", "\u200b", "\ufeff", "\u202e", "\ue000", "\x7f"])
def test_what_cannot_be_seen_is_not_read(strange: str) -> None:
    with pytest.raises(Wrong) as wrong:
        code()(f"A{strange}1", None)
    assert wrong.value.code == "strange_character"


def test_what_is_wrong_survives_pickling() -> None:
    wrong = Wrong("missing", "必填", "must be filled", ("number",))
    refused = FileRefused(RowProblem(1, "", "", "file_empty", "空", "empty"))

    found = [pickle.loads(pickle.dumps(each)) for each in (wrong, refused)]

    assert (found[0].code, found[0].zh, found[0].en, found[0].columns) == (
        "missing",
        "必填",
        "must be filled",
        ("number",),
    )
    assert found[1].problem == refused.problem


# ── tables ──


def _nothing(row: Any, look: Any) -> tuple[()]:
    return ()


@pytest.mark.parametrize(
    ("columns", "more", "what"),
    [
        ((Column("甲", "a"), Column("甲", "b")), {}, "the heading '甲' is used twice"),
        ((Column("甲", "a"), Column("乙", "a")), {}, "the name 'a' is used twice"),
        ((Column("甲", "a"),), {"identity": ("b",)}, "identity: there is no column 'b'"),
        ((Column("甲", "a"),), {"group_by": ("b",)}, "group_by: there is no column 'b'"),
        ((Column("甲", "a"),), {"blames": {"x": "b"}}, "blames: there is no column 'b'"),
        ((Column("甲", "a"),), {"identity": ()}, "name at least one column"),
        ((Column("甲", "a"),), {"name": "a b"}, "must be a plain name"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_when_it_is_declared(
    columns: tuple[Column, ...], more: dict[str, Any], what: str
) -> None:
    with pytest.raises(DefinitionInvalid, match=what):
        declared: dict[str, Any] = {"name": "t", "identity": ("a",)} | more
        Table(label="表", columns=columns, acts=_nothing, **declared)


# ── what is written ──

REPORT = ImportReport(
    "scores",
    "评分表",
    "表.csv",
    "UTF-8",
    "all",
    False,
    rows=3,
    problems=(
        RowProblem(2, "席位号", "=1+1", "seat_unknown", "没有此席位", "no such seat"),
        RowProblem(2, "回避", "(非公开)", "too_long", "过长", "too long"),
        RowProblem(4, "", "", "ragged", "单元格数不符", "-ragged"),
    ),
)


def test_the_report_is_a_table_that_runs_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "问题.csv"

    write_report(REPORT, path)

    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))) == [
        ["行", "列", "值", "代码", "原因", "reason"],
        ["2", "席位号", "'=1+1", "seat_unknown", "没有此席位", "no such seat"],
        ["2", "回避", "(非公开)", "too_long", "过长", "too long"],
        ["4", "", "", "ragged", "单元格数不符", "'-ragged"],
    ]


def test_the_report_as_json(tmp_path: Path) -> None:
    path = tmp_path / "问题.json"

    write_report(REPORT, path)

    found = json.loads(path.read_text("utf-8"))
    assert (found["rows"], found["bad"], found["ok"], found["committed"]) == (3, 2, False, False)
    assert [p["code"] for p in found["problems"]] == ["seat_unknown", "too_long", "ragged"]
    with pytest.raises(Invalid, match=r"must end in \.csv or \.json"):
        write_report(REPORT, tmp_path / "问题.txt")
    with pytest.raises(Invalid, match="cannot be written"):
        write_report(REPORT, tmp_path / "no" / "问题.csv")


@pytest.mark.parametrize("name", ["空表.csv", "空表.xlsx"])
def test_an_empty_table_has_the_headings_and_is_not_written_over(tmp_path: Path, name: str) -> None:
    path = tmp_path / name

    write_template(path, "评分表", ["席位号", "申报编号*"])

    assert rows(read_sheet(path)) == [(1, ["席位号", "申报编号*"])]
    with pytest.raises(Invalid, match="cannot be written"):
        write_template(path, "评分表", ["席位号"])
    with pytest.raises(Invalid, match=r"must end in \.csv or \.xlsx"):
        write_template(tmp_path / "空表.ods", "评分表", ["席位号"])
