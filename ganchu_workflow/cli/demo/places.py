"""How the office of the demonstration gives its places: by group, and free ones to the reserve, group by group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ganchu_workflow.cli.demo.inputs import Row
from ganchu_workflow.process.values import CaseView

GIVEN_UP = ("withdrawn", "department_consultation.rejected", "public_notice.removed")
"""Where an application ends that had a place."""


class Places:
    """Who holds the places of each group, who waits for one, and how many are free.

    A free place goes to the next of the reserve of its group; where that is empty, to the next group that has one, in
    the order of 分组名额 and from its end to its beginning.
    """

    def __init__(self, quota: Sequence[Row], declared: Sequence[Row]) -> None:
        self.places = {row["行业分组"]: int(row["入选名额"]) for row in quota}
        self.names = {row["行业分组"]: row["组名"] for row in quota}
        self.field = {row["申报编号"]: row["行业分组"] for row in declared}
        self.held: dict[str, list[str]] = {group: [] for group in self.places}
        self.reserve: dict[str, list[str]] = {group: [] for group in self.places}
        self.free = dict.fromkeys(self.places, 0)

    def panel_rows(self, waiting: Sequence[CaseView], pool: Sequence[Row]) -> list[Row]:
        """评审分组表: the applications of each group, with its places and its pool on the group's first row."""
        rows: list[Row] = []
        for group, places in self.places.items():
            numbers = [str(a.facts["number"]) for a in waiting if self.field[str(a.facts["number"])] == group]
            experts = [row["专家编号"] for row in pool if row["行业分组"] == group and not row["回避事由"]]
            for n, number in enumerate(numbers):
                first = {"入选名额": str(places), "专家库": "、".join(experts)} if n == 0 else {}
                rows.append({"组别": self.names[group], "申报编号": number, "入选名额": "", "专家库": "", **first})
        return rows

    def ranked(self, panel: CaseView, everybody: Mapping[str, CaseView]) -> None:
        """A panel has ranked: who holds a place now, and who waits for one."""
        table = panel.facts["results"][-1]["ranking"]
        group = self.field[str(everybody[table[0]["application"]].facts["number"])]
        for place, line in (("in", self.held[group]), ("reserve", self.reserve[group])):
            line += [row["application"] for row in table if row["place"] == place]
        # Equal ones that no cut divides stand in the order of their numbers.
        ranks = {row["application"]: row["rank"] for row in table}
        for line in (self.held[group], self.reserve[group]):
            line.sort(key=lambda a: (ranks[a], str(everybody[a].facts["number"])))
        self.free[group] = self.places[group] - len(self.held[group])

    def fill(self, everybody: Mapping[str, CaseView]) -> list[str]:
        """Who is to be taken up from the reserve now, in this order."""
        for group, line in self.held.items():
            gone = [a for a in line if everybody[a].state in GIVEN_UP]
            self.held[group] = [a for a in line if a not in gone]
            self.free[group] += len(gone)
            self.reserve[group] = [a for a in self.reserve[group] if everybody[a].state == "expert_review.reserve"]
        return list(self._taken_up())

    def _taken_up(self) -> Iterator[str]:
        groups = list(self.places)
        for at, group in enumerate(groups):
            while self.free[group]:
                source = next((g for g in groups[at:] + groups[:at] if self.reserve[g]), None)
                if source is None:
                    return
                self.held[source].append(self.reserve[source].pop(0))
                self.free[group] -= 1
                yield self.held[source][-1]

    def in_order(self) -> list[str]:
        """Everybody who holds a place, in the order of the certificates."""
        return [a for line in self.held.values() for a in line]
