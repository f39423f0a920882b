"""What the rows of a table are looked up in: the round as it stood when the import began."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ganchu_workflow.actors import Role
from ganchu_workflow.importing.offered import OfferedTable
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.language import State
from ganchu_workflow.process.tables import Kind, Row, kind_name
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.workflow import Workflow


class RoundLook:
    """The look-ups of one import (`process.tables.Look`), inside its transaction. Each kind of case is read once."""

    def __init__(self, inside: Workflow, round_id: str, offered: OfferedTable, process: Process) -> None:
        self._inside = inside
        self._round = round_id
        self._offered = offered
        self._process = process
        self._kinds: dict[str, dict[str, CaseView]] = {}
        self._under: dict[str, dict[str, list[CaseView]]] = {}
        self._numbers: dict[str, list[CaseView]] | None = None

    @property
    def settings(self) -> Any:
        """The settings of the stage."""
        return self._offered.settings

    @property
    def stage(self) -> str:
        """The name that the stage has in the plan."""
        return self._offered.stage

    def of_kind(self, kind: Kind) -> dict[str, CaseView]:
        """The cases of a kind, by id, in the order of opening."""
        name = kind_name(kind)
        if name not in self._kinds:
            self._process.kind(name)
            self._kinds[name] = {c.id: c for c in self._inside.cases(self._round, name)}
        return self._kinds[name]

    def application(self, row: Row, column: str) -> CaseView:
        """The application of that 申报编号. Raises `Wrong`: unknown, or in the round several times."""
        if self._numbers is None:
            self._numbers = defaultdict(list)
            for found in self.of_kind("application").values():
                self._numbers[str(found.facts.get("number"))].append(found)
        there = self._numbers.get(row[column], [])
        if len(there) > 1:
            there = [a for a in there if not self._process.is_final(a)] or there
        if len(there) == 1:
            row.cases[there[0].id] = column
            return there[0]
        if there:
            raise row.wrong(
                column,
                "number_ambiguous",
                "本批次有多项申报使用该编号",
                "several applications of the round have this number",
            )
        raise row.wrong(
            column, "number_unknown", "本批次没有该编号的申报", "no application of the round has this number"
        )

    def case(self, case_id: str) -> CaseView | None:
        """A case of the round by its id."""
        for cases in self._kinds.values():
            if case_id in cases:
                return cases[case_id]
        found = self._inside.case(case_id)
        # All of its kind: where one row names a panel, the next will name another.
        return self.of_kind(found.kind).get(case_id)

    def cases(self, kind: Kind, *, by: Role | None = None, scope: str = "") -> list[CaseView]:
        """The cases of a kind that this stage has brought, in the order of opening."""
        found = [c for c in self.of_kind(kind).values() if c.stage == self.stage]
        return [c for c in found if by is None or c.parties.get(by) == scope]

    def children(self, parent: CaseView, kind: Kind, *, by: Role | None = None, scope: str = "") -> list[CaseView]:
        """The cases of a kind under a parent, in the order of opening."""
        name = kind_name(kind)
        if name not in self._under:
            self._under[name] = defaultdict(list)
            for child in self.of_kind(name).values():
                self._under[name][child.parent or ""].append(child)
        found = self._under[name].get(parent.id, [])
        if parent.kind == "application":
            every_visit = self._process.kind(name).lifecycle.every_visit
            found = [c for c in found if c.stage == self.stage and (every_visit or c.visit == parent.visit)]
        return [c for c in found if by is None or c.parties.get(by) == scope]

    def cohorts(self, application: CaseView, kind: Kind, *states: State | str) -> list[CaseView]:
        """The acts of a kind that list the application on its present visit, in the order of opening."""
        name = kind_name(kind)
        wanted = {s if isinstance(s, str) else s.name for s in states}
        found = self._inside.cohorts(application, name)
        return [c for c in found if c.stage == self.stage and (not wanted or c.state in wanted)]
