"""XLSX, by openpyxl from the extra `xlsx`: read as the texts that people see, and empty tables written."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ganchu_workflow.errors import Invalid
from ganchu_workflow.importing.report import RowProblem, csv_text
from ganchu_workflow.importing.sheets import LARGEST, BadCell, Cell, RawRow, Sheet, refused, sheet_of

MOST_FIGURES = 15
"""A number of more figures has lost some of them in the spreadsheet already."""
MOST_CELLS = 2_000_000
"""A sheet of more cells is refused: blank ones that somebody has formatted down to the last row count as well."""


def openpyxl() -> Any:
    """The library that reads XLSX. Raises `Invalid` naming the extra when it is not installed."""
    try:
        import openpyxl
    except ImportError as error:
        raise Invalid(
            "读写 XLSX 需要 openpyxl:pip install 'ganchu-workflow[xlsx]',或另存为 CSV UTF-8 / "
            "XLSX needs openpyxl: pip install 'ganchu-workflow[xlsx]', or save the file as CSV UTF-8",
            extra="xlsx",
        ) from error
    return openpyxl


def read_xlsx(name: str, data: bytes) -> Sheet:
    """Read the first sheet of an XLSX file. Raises `FileRefused`, and `Invalid` when openpyxl is not installed."""
    library = openpyxl()
    with _reading():
        return _first_sheet(library, name, data)


@contextmanager
def _reading() -> Iterator[None]:
    """Whatever the XML inside a file makes openpyxl stumble over, now or when a cell is read, refuses that file."""
    try:
        yield
    except Invalid:
        raise
    except Exception as error:
        raise refused(
            "xlsx_broken",
            f"XLSX 文件已损坏或受密码保护,无法读取({type(error).__name__})",
            f"the XLSX file is damaged or protected by a password ({type(error).__name__})",
        ) from error


def _first_sheet(library: Any, name: str, data: bytes) -> Sheet:
    book = _opened(library, data, values=False)
    worksheet = book.worksheets[0] if book.worksheets else None
    if worksheet is None:
        raise refused("file_empty", "文件中没有工作表", "the file has no sheet")
    if worksheet.max_row * worksheet.max_column > MOST_CELLS:
        raise refused(
            "sheet_too_large",
            f"工作表有{worksheet.max_row}行{worksheet.max_column}列;请删除空白的行和列,或分成几个文件",
            f"the sheet has {worksheet.max_row} rows and {worksheet.max_column} columns: delete blank ones or split it",
        )
    values = None
    if any(cell.data_type == "f" for row in worksheet.iter_rows() for cell in row):
        # The formulas themselves are not run: what counts is what the spreadsheet showed when it was saved.
        values = _opened(library, data, values=True).worksheets[0]
    merged = _merged(worksheet)
    unreadable: list[RowProblem] = []
    return sheet_of(name, "XLSX", _rows(worksheet, values, merged), unreadable)


def _opened(library: Any, data: bytes, *, values: bool) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        if "xl/workbook.xml" not in packed.namelist():
            raise refused("not_xlsx", "这不是 XLSX 表格", "this is a zip file, but no XLSX spreadsheet")
        if sum(part.file_size for part in packed.infolist()) > 4 * LARGEST:
            raise refused("file_too_large", "文件解压后过大", "the file is too large once unpacked")
    with warnings.catch_warnings():
        # It warns of what it would lose in writing the file back, such as drop-down lists: we only read.
        warnings.simplefilter("ignore")
        return library.load_workbook(io.BytesIO(data), data_only=values)


def _merged(worksheet: Any) -> dict[tuple[int, int], tuple[int, int]]:
    """The cells that a merged range covers: each has the value of the range's first cell."""
    return {
        (row, column): (found.min_row, found.min_col)
        for found in worksheet.merged_cells.ranges
        for row in range(found.min_row, found.max_row + 1)
        for column in range(found.min_col, found.max_col + 1)
    }


def _rows(worksheet: Any, values: Any, merged: dict[tuple[int, int], tuple[int, int]]) -> Iterator[RawRow]:
    for number, cells in enumerate(worksheet.iter_rows(), start=1):
        found: list[Cell] = []
        for cell in cells:
            place = merged.get((number, cell.column))
            source = worksheet.cell(*place) if place else cell
            found.append(_text(source, values))
        while found and found[-1] == "":
            found.pop()
        yield RawRow(number, found or [""])


def _text(cell: Any, values: Any) -> Cell:
    value, kind = cell.value, cell.data_type
    if kind == "f":
        shown = values[cell.coordinate]
        value, kind = shown.value, shown.data_type
        if value is None:
            return BadCell(
                "formula_without_value",
                f"单元格 {cell.coordinate} 是公式,文件中没有其结果;请粘贴为数值",
                f"the cell {cell.coordinate} is a formula without its result; paste it as a value",
            )
    if kind == "e":
        return BadCell(
            "cell_error",
            f"单元格 {cell.coordinate} 是错误值 {value}",
            f"the cell {cell.coordinate} holds the error {value}",
            str(value),
        )
    return _shown(value, cell.coordinate)


def _shown(value: Any, coordinate: str) -> Cell:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int | float | Decimal):
        if isinstance(value, float) and not math.isfinite(value):
            return BadCell(
                "number_too_large",
                f"单元格 {coordinate} 的数字过大,无法读取",
                f"the number in the cell {coordinate} is too large to be read",
            )
        text = str(int(value)) if value == int(value) else str(value)
        if sum(c.isdigit() for c in text) > MOST_FIGURES:
            return BadCell(
                "number_lost_figures",
                f"单元格 {coordinate} 是数字格式,超过{MOST_FIGURES}位已失真;请设为文本格式后重新填写",
                f"the cell {coordinate} is a number of more than {MOST_FIGURES} figures and has lost some; "
                "format it as text and type it again",
                text,
            )
        return text
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else str(value).strip()


def write_template(path: str | Path, label: str, headings: Sequence[str]) -> None:
    """Write an empty table: a file with its headings, in CSV (UTF-8 with BOM) or XLSX, by the ending of the path.

    In XLSX every cell is formatted as text, so that a code typed in keeps all its figures. Raises `Invalid` for another
    ending, or when the file cannot be written or is there already.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".csv":
            with path.open("xb") as file:
                file.write(csv_text([headings]).encode("utf-8"))
        elif path.suffix.lower() == ".xlsx":
            book = openpyxl().Workbook()
            worksheet = book.active
            worksheet.title = label
            worksheet.append(list(headings))
            worksheet.freeze_panes = "A2"
            for number, heading in enumerate(headings, start=1):
                column = worksheet.column_dimensions[worksheet.cell(1, number).column_letter]
                column.width = max(12, 2 * len(heading) + 2)
                column.number_format = "@"
            with path.open("xb") as file:
                book.save(file)
        else:
            raise Invalid(f"--out: '{path}' must end in .csv or .xlsx", path=str(path))
    except OSError as error:
        raise Invalid(f"the file cannot be written: {error}", path=str(path)) from error
