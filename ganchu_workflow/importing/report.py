"""What an import found and did: for people, for programs, and as a file to hand back to whoever sent the table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganchu_workflow.errors import Invalid, Refused

HIDDEN = "(非公开)"
"""What stands in a report for the value of a private column."""
LONGEST_VALUE = 60
HEADINGS = ("行", "列", "值", "代码", "原因", "reason")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing that is wrong with a file: in which line, in which column, with what value, and why.

    `line` counts from 1: for CSV the line of the file on which the row begins, for XLSX the number of the row.
    `column` is the heading, empty when the row or the file as a whole is meant. A private value is not shown.
    """

    line: int
    column: str
    value: str
    code: str
    zh: str
    en: str

    def __str__(self) -> str:
        where = f"行 {self.line}" + (f",列“{self.column}”" if self.column else "")
        value = f",值“{self.value}”" if self.value else ""
        return f"{where}{value}:{self.zh} / {self.en} [{self.code}]"


def shortened(value: str) -> str:
    """A value as a report shows it: one line, and not all of a very long one."""
    one_line = " ".join(value.split())
    return one_line if len(one_line) <= LONGEST_VALUE else f"{one_line[: LONGEST_VALUE - 1]}…"


@dataclass(frozen=True)
class ImportReport:
    """What an import of one file came to.

    With `dry_run`, or where problems keep an all-or-nothing import from being done, nothing was written, and `entered`
    says how many rows would go in by themselves.
    """

    table: str
    label: str
    file: str
    encoding: str
    mode: str
    dry_run: bool
    rows: int = 0
    """The rows of the file that are not blank."""
    entered: int = 0
    """The rows that went in; without a commit, those that would."""
    already: int = 0
    """The rows that an earlier import had entered just so: nothing was done for them."""
    held: int = 0
    """The rows that are good themselves, but belong to a group in which another row is not."""
    problems: tuple[RowProblem, ...] = ()
    standing: Mapping[str, int] = field(default_factory=dict)
    """Where the applications that the rows are about stand afterwards, or would: state → how many."""
    refusals: tuple[Refused, ...] = ()
    """What the engine refused. A row of each has been kept, except in a dry run."""

    @property
    def ok(self) -> bool:
        """Whether there was nothing wrong with the file."""
        return not self.problems

    @property
    def bad(self) -> int:
        """How many lines have a problem."""
        return len({p.line for p in self.problems})

    @property
    def committed(self) -> bool:
        """Whether what went in is in the database."""
        return not self.dry_run and (self.ok or self.mode == "good")

    def document(self) -> dict[str, Any]:
        """The report as plain values."""
        plain = {
            name: getattr(self, name)
            for name in ("table", "label", "file", "encoding", "mode", "dry_run", "rows", "entered", "already", "held")
        }
        return {
            **plain,
            "bad": self.bad,
            "ok": self.ok,
            "committed": self.committed,
            "standing": dict(self.standing),
            "problems": [asdict(p) for p in self.problems],
        }


def write_report(report: ImportReport, path: str | Path) -> None:
    """Write the problems to a file that ends in .csv (UTF-8 with BOM, as Excel reads it) or the report to one in .json.

    Raises `Invalid` for another ending, or a file that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        rows = [[str(p.line), p.column, p.value, p.code, p.zh, p.en] for p in report.problems]
        text = csv_text([HEADINGS, *rows])
    elif path.suffix.lower() == ".json":
        text = json.dumps(report.document(), ensure_ascii=False, indent=2) + "\n"
    else:
        raise Invalid(f"--report: '{path}' must end in .csv or .json", path=str(path))
    try:
        path.write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise Invalid(f"the report cannot be written: {error}", path=str(path)) from error


def csv_text(rows: Sequence[Sequence[str]]) -> str:
    """The rows as CSV with a byte-order mark; a cell that a spreadsheet would run as a formula begins with `'`."""
    out = io.StringIO(newline="")
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerows([[_guarded(cell) for cell in row] for row in rows])
    return out.getvalue()


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
