"""Reading an office's file: CSV (UTF-8 or GB18030) and XLSX become a sheet of texts, each row with its line.

What cannot be read is not guessed at: the file, the row or the cell is refused, with the line and what to do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ganchu_workflow.errors import Invalid
from ganchu_workflow.importing.report import RowProblem
from ganchu_workflow.importing.sheets import LARGEST, FileRefused, RawRow, Sheet, refused, sheet_of
from ganchu_workflow.importing.spreadsheets import read_xlsx

SAVE_AS = "请在表格软件中另存为“CSV UTF-8”或 XLSX 后再导入"
SAVE_AS_EN = "save it as CSV UTF-8 or as XLSX and import that"
_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0", "old_excel", "这是旧版 Excel(.xls)文件", "this is an old Excel file (.xls)"),
    (b"%PDF", "pdf", "这是 PDF 文件,不是表格", "this is a PDF, not a table"),
    (b"Rar!", "archive", "这是压缩包,不是表格", "this is an archive, not a table"),
    (b"{\\rtf", "rtf", "这是 RTF 文件,不是表格", "this is an RTF file, not a table"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"


def read_sheet(path: str | Path) -> Sheet:
    """Read a file.

    Raises `FileRefused` when it is no table, in no encoding that is read, or empty, and `Invalid` when it cannot be
    opened, or is XLSX and the extra `xlsx` is not installed.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise Invalid(f"无法读取文件 / the file cannot be read: {error}", path=str(path)) from error
    if size > LARGEST:
        raise refused(
            "file_too_large",
            f"文件过大({size}字节),请分成几个文件导入",
            f"the file has {size} bytes; split it, at most {LARGEST} are read",
        )
    if not data.strip(b"\r\n \t" + _BOM):
        raise refused("file_empty", "文件是空的", "the file is empty")
    if data.startswith(b"PK\x03\x04"):
        return read_xlsx(path.name, data)
    return read_csv(path.name, data)


def read_csv(name: str, data: bytes) -> Sheet:
    """Read the bytes of a CSV file. Raises `FileRefused`."""
    encoding, text = decode(data)
    unreadable: list[RowProblem] = []
    return sheet_of(name, encoding, _parsed(text, unreadable), unreadable)


# ── which text the bytes are ──


def decode(data: bytes) -> tuple[str, str]:
    """The encoding of the bytes and their text. Raises `FileRefused` saying which bytes, in which line.

    With a byte-order mark it is UTF-8 and nothing else. Without one the first line that is not ASCII decides: Chinese
    in GB18030 is never valid UTF-8 for a whole line of headings, so a file that begins as UTF-8 and has a broken byte
    further down is refused as such, and not read as something else.
    """
    for signature, code, zh, en in _SIGNATURES:
        if data.startswith(signature):
            raise refused(code, f"{zh};{SAVE_AS}", f"{en}; {SAVE_AS_EN}", value=_hex(data[:4]))
    if data.startswith(_UTF16) or data.count(0) * 4 > len(data):
        raise refused(
            "encoding_utf16",
            f"文件是 UTF-16 编码或不是文本;{SAVE_AS}",
            f"the file is UTF-16, or no text; {SAVE_AS_EN}",
            value=_hex(data[:4]),
        )
    if data.startswith(_BOM):
        return "UTF-8 (BOM)", _strict(data[len(_BOM) :], "utf-8", "UTF-8")
    first = next((line for line in data.splitlines() if not line.isascii()), b"")
    try:
        first.decode("utf-8")
    except UnicodeDecodeError:
        return "GB18030", _strict(data, "gb18030", "GB18030")
    return "UTF-8", _strict(data, "utf-8", "UTF-8")


def _strict(data: bytes, codec: str, name: str) -> str:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        raise _undecodable(data, error.start, error.end, name) from error
    # Bytes of some other encoding that happen to be GB18030 land in its private areas: no office writes those.
    strange = next((n for n, c in enumerate(text) if "\ue000" <= c <= "\uf8ff"), None) if codec == "gb18030" else None
    if strange is not None:
        start = len(text[:strange].encode(codec))
        raise _undecodable(data, start, start + len(text[strange].encode(codec)), name)
    return text


def _undecodable(data: bytes, start: int, end: int, name: str) -> FileRefused:
    before = data[:start]
    line = before.count(b"\n") + 1
    within = start - (before.rfind(b"\n") + 1) + 1
    found = _hex(data[start : max(end, start + 1)])
    return refused(
        "encoding",
        f"第{line}行第{within}字节({found})不是{name}编码,整个文件未导入;{SAVE_AS}",
        f"byte {within} of line {line} ({found}) is not {name}; nothing was imported; {SAVE_AS_EN}",
        line=line,
        value=found,
    )


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()


# ── which rows the text is ──


def _parsed(text: str, unreadable: list[RowProblem]) -> Iterator[RawRow]:
    """The rows; what the CSV syntax does not allow joins `unreadable`, and reading goes on in the next line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            unreadable.append(_broken(line, reader.line_num, str(error)))
            continue
        yield RawRow(line, cells)


def _broken(line: int, last: int, error: str) -> RowProblem:
    # The text of the row is not shown: nobody knows which of it is private.
    if "field limit" in error:
        return RowProblem(line, "", "", "cell_too_long", "单元格过长,无法读取", "a cell is too long to be read")
    if "unexpected end" in error:
        return RowProblem(
            line,
            "",
            "",
            "quote_not_closed",
            f"引号未闭合,第{line}行至文件末尾(第{last}行)无法读取",
            f"a quotation mark is not closed: lines {line} to {last}, the end of the file, cannot be read",
        )
    return RowProblem(
        line,
        "",
        "",
        "row_unreadable",
        "引号使用有误,该行无法读取;单元格内的引号应写成两个",
        "the quotation marks of the row are wrong; one inside a cell is written twice",
    )
