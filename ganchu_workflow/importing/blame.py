"""From a refusal to the cells it is about."""

from __future__ import annotations

from collections.abc import Iterator

from ganchu_workflow.errors import Refusal
from ganchu_workflow.importing.report import RowProblem
from ganchu_workflow.importing.rows import ReadTable
from ganchu_workflow.process.cells import Wrong
from ganchu_workflow.process.tables import Row


def problems_of(read: ReadTable, row: Row, error: Refusal | Wrong) -> list[RowProblem]:
    """The problems that a refusal comes to: one for each cell it is about, at the least one for the row."""
    table = read.offered.table
    if isinstance(error, Wrong):
        cells = [(row, name) for name in error.columns]
    elif error.code == "data_invalid":
        cells = [(row, name) for name in _fields(read, error)]
    else:
        blame = table.blames.get(error.code)
        cells = [(row, blame)] if isinstance(blame, str) else list(blame(error.detail, row.group)) if blame else []
    found = dict.fromkeys(cells or [(row, table.identity[0])])
    return [read.problem(each.line, name, error.code, error.zh, error.en) for each, name in found]


def _fields(read: ReadTable, refusal: Refusal) -> Iterator[str]:
    """The columns of the fields that the act's data was refused for: `trademark.number: …`."""
    for problem in refusal.detail.get("fields", ()):
        path = str(problem).partition(": ")[0]
        for column in read.offered.columns:
            fills = column.field or column.name
            if column.name and (path == fills or path.startswith(f"{fills}.")):
                yield column.name
