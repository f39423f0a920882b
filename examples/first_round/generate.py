"""Makes the input files of the demonstration round, the same to the byte for the same seed.

    python examples/first_round/generate.py [--seed N] [--out FOLDER]

Everything is invented, except for what `press_conference.toml` says of ten products. No file holds an outcome: who is
chosen follows from `plan.toml` and the rules that README.md states.
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import xlsxwriter
from invented_round import HERE, Round
from office_tables import Row, Table, tables_of

DEFAULT_SEED = 20211216
MARK = "# 演示数据(虚构):除备注另有说明外均为虚构;不涉及任何真实的申报、评分、意见或异议;不得作为事实引用"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="another seed makes another round")
    parser.add_argument("--out", type=Path, default=HERE / "inputs", help="the folder to write to")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for table in tables_of(Round(given.seed)):
        content = workbook(table) if table.file.endswith(".xlsx") else text(table)
        (given.out / table.file).write_bytes(content)


def text(table: Table) -> bytes:
    """The table as CSV: the mark, the headings, the rows."""
    out = io.StringIO()
    out.write(f"{MARK}\r\n")
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow(table.headings)
    lines.writerows([row.get(h, "") for h in table.headings] for row in table.rows)
    return out.getvalue().encode(table.encoding)


def workbook(table: Table) -> bytes:
    """The table as XLSX: the same three on the first sheet. Text stays text, whatever it begins with."""
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        book.set_properties(
            {"title": "演示数据(虚构)", "created": datetime(2021, 8, 2, tzinfo=UTC).replace(tzinfo=None)}
        )
        sheet = book.add_worksheet(table.file.removesuffix(".xlsx"))
        sheet.write_string(0, 0, MARK)
        sheet.set_column(0, len(table.headings) - 1, 18)
        sheet.freeze_panes(2, 0)
        rows: list[Row] = [{h: h for h in table.headings}, *table.rows]
        for r, row in enumerate(rows, start=1):
            for c, heading in enumerate(table.headings):
                value = row.get(heading, "")
                if isinstance(value, int):
                    sheet.write_number(r, c, value)
                else:
                    sheet.write_string(r, c, value)
    # Stored, not compressed: what a compressor makes of the same bytes differs from one zlib to another.
    stored = io.BytesIO()
    with zipfile.ZipFile(made) as compressed, zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as plain:
        for name in compressed.namelist():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3  # else it is the system's own
            plain.writestr(entry, compressed.read(name))
    return stored.getvalue()


if __name__ == "__main__":
    main()
