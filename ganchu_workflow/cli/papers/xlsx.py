"""Lists as one XLSX workbook, or as CSV where the extra [xlsx] is not installed. Text never becomes a formula."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO, StringIO

from rich.cells import cell_len

from ganchu_workflow.cli.papers.lists import Cell, Listing
from ganchu_workflow.cli.papers.wording import INTERNAL_ZH
from ganchu_workflow.errors import WorkflowError

_NARROWEST, _WIDEST = 6, 44
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet may take for the beginning of a formula, the full-width signs included."""


class ExtraMissing(WorkflowError):
    """An optional part of the library is not installed; the message names it."""

    code = "extra_missing"


def label_of(mark: str) -> str:
    """The first line of every list: the demonstration's mark, and that the list stays inside."""
    return f"# {mark} · {INTERNAL_ZH}" if mark else f"# {INTERNAL_ZH}"


def workbook(lists: Sequence[Listing], *, title: str, mark: str, created: datetime) -> bytes:
    """The lists as one XLSX file, one sheet each; `created` is the instant in its properties, so that the same lists
    give the same bytes. Every text is written as text: it becomes neither a formula nor a link nor a number.

    Raises `ExtraMissing` without the extra [xlsx].
    """
    try:
        from xlsxwriter import Workbook
    except ImportError as error:
        raise ExtraMissing("an XLSX file needs the extra [xlsx]: pip install 'ganchu-workflow[xlsx]'") from error
    out = BytesIO()
    book = Workbook(
        out,
        {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
    )
    book.set_properties(
        {
            "title": title,
            "comments": label_of(mark).removeprefix("# "),
            "created": created.astimezone(UTC).replace(tzinfo=None),
        }
    )
    note = book.add_format({"font_color": "#AA0000", "bold": True})
    head = book.add_format(
        {"bold": True, "bg_color": "#E7E6E6", "border": 1, "align": "center", "valign": "vcenter", "text_wrap": True}
    )
    cell = book.add_format({"border": 1, "valign": "vcenter", "text_wrap": True, "num_format": "@"})
    count = book.add_format({"border": 1, "valign": "vcenter", "align": "center"})
    for listing in lists:
        sheet = book.add_worksheet(listing.title)
        sheet.write_string(0, 0, label_of(mark), note)
        for column, heading in enumerate(listing.headings):
            sheet.write_string(1, column, heading, head)
            sheet.set_column(column, column, _width(listing, column))
        for number, row in enumerate(listing.rows, start=2):
            for column, value in enumerate(row):
                if isinstance(value, int):
                    sheet.write_number(number, column, value, count)
                elif value:
                    sheet.write_string(number, column, value, cell)
                else:
                    sheet.write_blank(number, column, None, cell)
        sheet.freeze_panes(2, 0)
        sheet.autofilter(1, 0, max(1, len(listing.rows) + 1), len(listing.headings) - 1)
        sheet.repeat_rows(0, 1)
        sheet.set_paper(9)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.5, right=0.5, top=0.8, bottom=0.8)
        sheet.set_header(f"&L{_in_margin(title)}&R{_in_margin(label_of(mark).removeprefix('# '))}")
        sheet.set_footer(f"&L{_in_margin(mark)}&C{listing.title}&R第 &P 页，共 &N 页")
    book.close()
    return out.getvalue()


def csv_files(lists: Sequence[Listing], *, mark: str) -> Mapping[str, str]:
    """The lists as CSV texts by file name, each with a byte order mark so that Excel reads it as UTF-8.

    A text that a spreadsheet could take for a formula is preceded by an apostrophe.
    """
    files = {}
    for listing in lists:
        out = StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerows([[label_of(mark)], listing.headings, *([_as_text(v) for v in row] for row in listing.rows)])
        files[f"{listing.name}.csv"] = "\ufeff" + out.getvalue()
    return files


def _as_text(value: Cell) -> Cell:
    return f"'{value}" if isinstance(value, str) and value.startswith(_STARTS_A_FORMULA) else value


def _width(listing: Listing, column: int) -> int:
    texts = [listing.headings[column], *(str(row[column]) for row in listing.rows)]
    return min(_WIDEST, max(_NARROWEST, *map(cell_len, texts)) + 2)


def _in_margin(text: str) -> str:
    """Text for a header or footer, where `&` begins a code, and 255 characters are the limit for all of it."""
    return text[:60].replace("&", "&&")
