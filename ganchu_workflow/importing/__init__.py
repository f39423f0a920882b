"""Feeding a round from an office's own files: tables of its stages, in CSV or XLSX, become acts."""

from ganchu_workflow.importing.importer import import_table
from ganchu_workflow.importing.offered import OfferedTable, find_table, offered
from ganchu_workflow.importing.reading import read_sheet
from ganchu_workflow.importing.report import ImportReport, RowProblem, write_report
from ganchu_workflow.importing.sheets import Sheet
from ganchu_workflow.importing.spreadsheets import write_template

__all__ = [
    "ImportReport",
    "OfferedTable",
    "RowProblem",
    "Sheet",
    "find_table",
    "import_table",
    "offered",
    "read_sheet",
    "write_report",
    "write_template",
]
