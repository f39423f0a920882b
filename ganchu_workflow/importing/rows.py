"""From a sheet to rows: the headings are matched with the columns of a table, and each cell is read."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ganchu_workflow.importing.offered import OfferedTable
from ganchu_workflow.importing.report import HIDDEN, RowProblem, shortened
from ganchu_workflow.importing.sheets import BadCell, Cell, RawRow, Sheet
from ganchu_workflow.process.cells import Wrong
from ganchu_workflow.process.tables import Column, Row


@dataclass
class ReadTable:
    """What a sheet holds for a table: the units that can be tried, and what is wrong."""

    offered: OfferedTable
    units: list[Row] = field(default_factory=list)
    """One row for each act: of a group its first, which knows the others."""
    problems: list[RowProblem] = field(default_factory=list)
    rows: int = 0
    held: int = 0
    shown: dict[int, dict[str, str]] = field(default_factory=dict)
    """Line → name of the column → the cell, as a report may show it."""

    def problem(self, line: int, column: str, code: str, zh: str, en: str) -> RowProblem:
        """A problem of a row, at the column of that name."""
        heading = self.offered.column(column).heading
        return RowProblem(line, heading, self.shown.get(line, {}).get(column, ""), code, zh, en)


def read_rows(offered: OfferedTable, sheet: Sheet, others: Sequence[OfferedTable]) -> ReadTable:
    """Read every row of the sheet as a row of the table. What is wrong is collected, never raised."""
    read = ReadTable(offered, problems=list(sheet.unreadable))
    places = _match(read, sheet, others)
    if places is None:
        return read
    read.rows = len(sheet.rows) + len(sheet.unreadable)
    if not read.rows:
        line = sheet.headings.line
        read.problems.append(
            RowProblem(line, "", "", "no_rows", "只有表头,没有数据", "there are headings, but no rows")
        )
    good: list[Row] = []
    bad: list[Row] = []
    lost = len(sheet.unreadable)
    for raw in sheet.rows:
        row, usable = _read_row(read, raw, places, len(sheet.headings.cells), exact=sheet.encoding != "XLSX")
        if row is None:
            lost += 1
        else:
            (good if usable else bad).append(row)
    _group(read, _once(read, good, bad), [*good, *bad], lost)
    return read


# ── headings ──


def _match(read: ReadTable, sheet: Sheet, others: Sequence[OfferedTable]) -> dict[int, Column] | None:
    """Where in a row each column stands; None when the headings are not those of the table."""
    offered, line = read.offered, sheet.headings.line
    given = ["" if isinstance(c, BadCell) else _bare(c) for c in sheet.headings.cells]
    known = {_bare(c.heading): c for c in offered.columns}
    missing = [c for heading, c in known.items() if c.required and heading not in given]
    if missing and (problem := _another(given, line, offered, others)):
        read.problems = [problem]
        return None
    problems: list[RowProblem] = []
    for column in missing:
        near = get_close_matches(_bare(column.heading), [g for g in given if g and g not in known], 1)
        hint = (f",是否写成了“{near[0]}”?", f"; is it '{near[0]}'?") if near else ("", "")
        problems.append(
            RowProblem(
                line,
                column.heading,
                "",
                "heading_missing",
                f"缺少必需的列“{column.heading}”{hint[0]}",
                f"the column is missing{hint[1]}",
            )
        )
    for heading, times in Counter(g for g in given if g).items():
        if times > 1:
            zh, en = f"该列出现{times}次", f"the column is there {times} times"
            problems.append(RowProblem(line, heading, shortened(heading), "heading_duplicate", zh, en))
        if heading not in known:
            problems.append(_unknown(heading, line, list(known)))
    for position, heading in enumerate(given):
        if not heading and any(_cell(raw, position) != "" for raw in sheet.rows):
            zh, en = f"第{position + 1}列有数据但没有表头", f"column {position + 1} holds data, but has no heading"
            problems.append(RowProblem(line, "", "", "heading_blank", zh, en))
    if problems:
        # As the eye finds them: in the order of the file, what is missing first.
        read.problems = problems
        return None
    return {position: known[heading] for position, heading in enumerate(given) if heading}


def _another(
    given: Sequence[str], line: int, offered: OfferedTable, others: Sequence[OfferedTable]
) -> RowProblem | None:
    """The problem that the file is another table: one that has more of its headings, and misses none that it needs."""

    def known(table: OfferedTable, *, required: bool = False) -> set[str]:
        return {_bare(c.heading) for c in table.columns if c.required or not required}

    here = len(known(offered) & set(given))
    for other in others:
        if known(other, required=True) <= set(given) and len(known(other) & set(given)) > here:
            return RowProblem(
                line,
                "",
                "",
                "another_table",
                f"这个文件看来是“{other.label}”,不是“{offered.label}”",
                f"this looks like the table {other.table.name}, not {offered.table.name}",
            )
    if len([g for g in given if g]) == 1 and any(mark in given[0] for mark in ";\t|"):
        return RowProblem(
            line,
            "",
            shortened(given[0]),
            "wrong_separator",
            "各列应以英文逗号分隔,请另存为“CSV UTF-8”",
            "the columns are parted by commas: save the file as CSV UTF-8",
        )
    return None


def _unknown(heading: str, line: int, known: list[str]) -> RowProblem:
    near = get_close_matches(heading, known, 1)
    hint = (f",是否应为“{near[0]}”?", f"; did you mean '{near[0]}'?") if near else ("", "")
    return RowProblem(
        line,
        shortened(heading),
        shortened(heading),
        "heading_unknown",
        f"没有这一列{hint[0]};可用的列:{'、'.join(known)}",
        f"there is no such column{hint[1]}",
    )


def _bare(heading: str) -> str:
    # A byte-order mark ends up inside where somebody has put two files together.
    return "".join(unicodedata.normalize("NFKC", heading).replace("\ufeff", "").split()).removesuffix("*")


# ── rows ──


def _cell(raw: RawRow, position: int) -> Cell:
    found = raw.cells[position] if position < len(raw.cells) else ""
    return found.strip() if isinstance(found, str) else found


def _read_row(
    read: ReadTable, raw: RawRow, places: Mapping[int, Column], width: int, *, exact: bool
) -> tuple[Row | None, bool]:
    """The row, and whether it can be used; None when not even its cells can be told apart."""
    beyond = any(_cell(raw, n) != "" for n in range(width, len(raw.cells)))
    if beyond or (exact and len(raw.cells) < width):
        zh = f"该行有{len(raw.cells)}个单元格,表头有{width}列;单元格内的逗号须用引号括住"
        en = f"the row has {len(raw.cells)} cells under {width} headings; a cell with a comma in it is put in quotes"
        read.problems.append(RowProblem(raw.line, "", "", "ragged", zh, en))
        return None, False
    values: dict[str, Any] = {c.name: c.default for c in read.offered.columns if c.name}
    shown = read.shown[raw.line] = {}
    usable = True
    for position, column in places.items():
        if not column.name:
            continue
        cell = _cell(raw, position)
        shown[column.name] = _as_shown(column, cell)
        try:
            values[column.name] = _value(column, cell, read.offered.settings)
        except Wrong as wrong:
            usable = False
            values[column.name] = None
            read.problems.append(read.problem(raw.line, column.name, wrong.code, wrong.zh, wrong.en))
    return Row(raw.line, values), usable


def _value(column: Column, cell: Cell, settings: Any) -> Any:
    if isinstance(cell, BadCell):
        raise Wrong(cell.code, cell.zh, cell.en)
    if cell:
        return column.read(cell, settings)
    if column.required:
        raise Wrong("missing", "此列必填", "must be filled")
    return column.default


def _as_shown(column: Column, cell: Cell) -> str:
    found = cell.shown if isinstance(cell, BadCell) else cell
    return HIDDEN if column.private and found else shortened(found)


def _once(read: ReadTable, good: Sequence[Row], bad: Sequence[Row]) -> list[Row]:
    """The good rows, without those that the file has already had; a second one is reported with the line of the first.

    Two rows that cannot be read where they would be told apart are not taken for one.
    """
    table, usable = read.offered.table, set(good)
    first: dict[tuple[Any, ...], int] = {}
    found: list[Row] = []
    for row in sorted([*good, *bad], key=lambda r: r.line):
        identity = tuple(row[name] for name in table.identity)
        if row not in usable and None in identity:
            continue
        line = first.setdefault(identity, row.line)
        if line != row.line:
            zh, en = f"与第{line}行重复", f"the same as line {line}"
            read.problems.append(read.problem(row.line, table.identity[0], "duplicate_in_file", zh, en))
        elif row in usable:
            found.append(row)
    return found


def _group(read: ReadTable, sound: Sequence[Row], everything: Sequence[Row], lost: int) -> None:
    """Put the rows together that are one act. A group with a bad row is not tried, and its other rows are held.

    A bad row may belong to every group that agrees with what could be read of it; one that is lost, to any.
    """
    by = read.offered.table.group_by
    if not by:
        read.units = list(sound)
        return
    left = set(sound)
    spoilt = {tuple(row[name] for name in by) for row in everything if row not in left}
    if lost:
        spoilt.add((None,) * len(by))
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in sound:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    for key, rows in groups.items():
        if any(all(b is None or b == k for b, k in zip(bad, key, strict=True)) for bad in spoilt):
            read.held += len(rows)
            continue
        for row in rows:
            row.group = rows
        read.units.append(rows[0])
