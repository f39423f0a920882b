"""A file that has been read, whatever its format: headings, rows with their lines, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganchu_workflow.errors import Invalid
from ganchu_workflow.importing.report import RowProblem

LARGEST = 64_000_000
"""The largest file that is read, in bytes; a table of 5,000 rows has about one million."""


class FileRefused(Invalid):
    """The file as a whole cannot be read: `problem` says where and why."""

    code = "file_refused"

    def __init__(self, problem: RowProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem

    def __reduce__(self) -> tuple[type[FileRefused], tuple[RowProblem]]:
        return FileRefused, (self.problem,)


@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell that has no usable text: an error value of a spreadsheet, a number that has lost its figures."""

    code: str
    zh: str
    en: str
    shown: str = ""


Cell = str | BadCell


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row of a file: the line it begins on, from 1, and its cells."""

    line: int
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Sheet:
    """A file that has been read: the row of headings, the rows under it, and the rows that could not be read."""

    name: str
    encoding: str
    """`UTF-8`, `UTF-8 (BOM)`, `GB18030`, `XLSX`, or `rows`."""
    headings: RawRow
    rows: Sequence[RawRow]
    unreadable: Sequence[RowProblem] = field(default_factory=tuple)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], name: str = "rows") -> Sheet:
        """A sheet of rows that a program already has: heading → text. The headings count as line 1."""
        given = [dict(row) for row in rows]
        headings = list(dict.fromkeys(h for row in given for h in row))
        raw = [RawRow(n, [_as_text(row.get(h)) for h in headings]) for n, row in enumerate(given, start=2)]
        return cls(name, "rows", RawRow(1, headings), [r for r in raw if not _blank(r.cells)])


def refused(code: str, zh: str, en: str, *, line: int = 1, value: str = "", column: str = "") -> FileRefused:
    """The refusal of a whole file."""
    return FileRefused(RowProblem(line, column, value, code, zh, en))


def sheet_of(name: str, encoding: str, rows: Iterable[RawRow], unreadable: list[RowProblem]) -> Sheet:
    """The sheet that these rows are: blank ones and notes in front (`#`) left out, the first is the headings."""
    headings: RawRow | None = None
    found: list[RawRow] = []
    for row in rows:
        if _blank(row.cells):
            continue
        if headings is not None:
            found.append(row)
        elif not str(row.cells[0]).lstrip().startswith("#"):
            headings = row
    if headings is None:
        if unreadable:
            raise FileRefused(unreadable[0])
        raise refused("file_empty", "文件中没有表头和数据", "the file holds no headings and no rows")
    return Sheet(name, encoding, headings, found, tuple(unreadable))


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return "" if value is None else str(value)


def _blank(cells: Sequence[Cell]) -> bool:
    return all(isinstance(c, str) and not c.strip() for c in cells)
