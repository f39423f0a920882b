"""The tables of a round: what the stages of its plan offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ganchu_workflow.errors import Unknown
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.tables import Column, Table


class PlanSettings:
    """The settings of a stage and, behind them, those of the other stages of the plan, in its order.

    So a table of declarations can know the recommenders, which are settings of the stage that recommends.
    """

    def __init__(self, process: Process, stage: str) -> None:
        own = process.stage(stage).settings
        self._settings = (own, *(s.settings for s in process.stages if s.name != stage))

    def __getattr__(self, name: str) -> Any:
        for settings in self._settings:
            if name in type(settings).model_fields or hasattr(type(settings), name):
                return getattr(settings, name)
        raise AttributeError(f"no stage of the plan has a setting '{name}'")


@dataclass(frozen=True)
class OfferedTable:
    """A table of a round: the table of one stage of its plan, under the settings that the stage has there."""

    table: Table
    stage: str
    settings: PlanSettings
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """Its name with its stage: `expert_review.scores`."""
        return f"{self.stage}.{self.table.name}"

    @property
    def label(self) -> str:
        """What an official calls it."""
        return self.table.label

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings of an empty table: a required one ends in `*`."""
        return tuple(f"{c.heading}*" if c.required else c.heading for c in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(c for c in self.columns if c.name == name)


def offered(process: Process) -> list[OfferedTable]:
    """The tables of a process, in the order of its stages."""
    found = []
    for stage in process.stages:
        settings = PlanSettings(process, stage.name)
        found += [OfferedTable(t, stage.name, settings, t.columns_for(settings)) for t in stage.stage.tables]
    return found


def find_table(process: Process, name: str) -> OfferedTable:
    """The table of that name: `scores`, `expert_review.scores` or 评分表.

    Raises `Unknown`, listing those there are, when there is none, or several that only their stages tell apart.
    """
    found = offered(process)
    meant = [o for o in found if name in (o.name, o.table.name, o.label)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = ", ".join(o.name for o in meant)
        raise Unknown(f"有{len(meant)}个环节有该表,请写明 / say which stage's: {names}", table=name)
    near = get_close_matches(name, _names(found), 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    there = ", ".join(f"{o.table.name}({o.label})" for o in found) or "none"
    raise Unknown(f"本批次没有名为“{name}”的表 / there is no such table; {hint}there are: {there}", table=name)


def _names(found: Sequence[OfferedTable]) -> list[str]:
    return [name for o in found for name in (o.table.name, o.label, o.name)]
