"""The input files of the first round, as an office has them: where they lie, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from ganchu_workflow.errors import Invalid
from ganchu_workflow.importing import Sheet, read_sheet

Row = dict[str, str]
_IN_THE_SOURCES = Path(__file__).parents[3] / "examples" / "first_round"


def first_round_folder() -> Path:
    """The folder of the example: inside the installed package, or, in a checkout, where it is kept.

    Raises `Invalid` where neither is there.
    """
    for folder in (Path(str(files("ganchu_workflow.cli.demo"))) / "first_round", _IN_THE_SOURCES):
        if (folder / "plan.toml").is_file():
            return folder
    raise Invalid("the inputs of the first round are not installed; give their folder with --inputs, or use --small")


class Inputs:
    """A folder with `plan.toml` and the office's tables under `inputs/`."""

    def __init__(self, folder: Path) -> None:
        self.plan = folder / "plan.toml"
        self.folder = folder / "inputs"
        if not self.plan.is_file() or not self.folder.is_dir():
            raise Invalid(f"'{folder}' is no folder of inputs: it must hold plan.toml and a folder inputs/")
        self._sheets: dict[str, Sheet] = {}

    def sheet(self, name: str, wanted: Callable[[Row], bool] | None = None) -> Sheet:
        """A file as the importer takes it, or the `wanted` rows of it. Raises `Invalid` if it is not there."""
        if name not in self._sheets:
            found = [p for p in (self.folder / f"{name}.csv", self.folder / f"{name}.xlsx") if p.is_file()]
            if not found:
                raise Invalid(f"there is no '{name}.csv' or '{name}.xlsx' in '{self.folder}'")
            self._sheets[name] = read_sheet(found[0])
        sheet = self._sheets[name]
        if wanted is None:
            return sheet
        return replace(sheet, rows=[raw for raw, row in zip(sheet.rows, self.rows(name), strict=True) if wanted(row)])

    def rows(self, name: str) -> list[Row]:
        """The rows of a file, each as heading → text."""
        sheet = self.sheet(name)
        headings = [str(cell) for cell in sheet.headings.cells]
        return [dict(zip(headings, map(str, raw.cells), strict=True)) for raw in sheet.rows]

    def dates(self, name: str, heading: str) -> list[str]:
        """The dates that stand under a heading, each once, in order."""
        return sorted({row[heading] for row in self.rows(name) if row[heading]})
