"""The funnel: how many applications of a round came to each stage, passed it, or ended in it, and where from.

It goes by where each application stands now, so it needs no history. What was taken up from the reserve counts where it
has come to since; what was sent back counts up to the stage it was sent back to. So what passed one stage is always
what entered the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from ganchu_workflow.cli.papers.wording import Places, stage_label
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.values import CaseView

_STAGES_THAT_FIT = 7
"""So many stages have headings of four characters a line in a terminal of 100 columns; with more it is three."""


@dataclass(frozen=True, slots=True)
class StageCount:
    """One stage of the funnel: `entered == passed + waiting + sum of ended`."""

    stage: str
    """The stage instance."""
    label: str
    entered: int
    """Applications that stand in this stage or a later one."""
    passed: int
    """Those that stand in a later one, or have come through the last."""
    waiting: int
    """Those that stand here and have not come to an end."""
    ended: tuple[tuple[str, int], ...]
    """Those that ended here, by the label of the state they ended in, in the order of the process."""


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """One city (or recommender) of the funnel."""

    code: str
    name: str
    entered: tuple[int, ...]
    """By stage, in the order of the plan."""
    passed: int
    """Those that have come through the last stage."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """The funnel of a round, as plain data."""

    stages: tuple[StageCount, ...]
    cities: tuple[PlaceCount, ...]
    recommenders: tuple[PlaceCount, ...]

    @property
    def declared(self) -> int:
        """All applications of the round."""
        return self.stages[0].entered

    @property
    def chosen(self) -> int:
        """The applications that have come through the last stage."""
        return self.stages[-1].passed


def funnel_of(process: Process, applications: Sequence[CaseView], places: Places) -> Funnel:
    """The funnel of these applications; `places` gives the names of cities and recommenders by code.

    Places without an application are left out; the others come in the order of their codes.
    """
    return Funnel(
        tuple(_stage(process, name, applications) for name in process.stage_names),
        _by_place(process, applications, "city", places["city"]),
        _by_place(process, applications, "recommender", places["recommender"]),
    )


def _stage(process: Process, name: str, applications: Sequence[CaseView]) -> StageCount:
    later = set(process.later_than(name))
    here = [a for a in applications if a.stage == name]
    passed = sum(a.stage in later for a in applications) + sum(process.is_success(a) for a in here)
    ended = Counter(a.state for a in here if process.is_final(a) and not process.is_success(a))
    waiting = sum(not process.is_final(a) for a in here)
    labels = [(state.label, ended[s]) for s, state in process.application.states.items() if ended[s]]
    return StageCount(
        name, stage_label(process, name), passed + waiting + ended.total(), passed, waiting, tuple(labels)
    )


def _by_place(
    process: Process, applications: Sequence[CaseView], fact: str, names: Mapping[str, str]
) -> tuple[PlaceCount, ...]:
    reached = {name: position for position, name in enumerate(process.stage_names)}
    last = process.stage_names[-1]
    found: dict[str, list[CaseView]] = {}
    for application in applications:
        found.setdefault(application.facts.get(fact) or "", []).append(application)
    return tuple(
        PlaceCount(
            code,
            names.get(code, code),
            tuple(sum(reached[a.stage] >= position for a in there) for position in reached.values()),
            sum(a.stage == last and process.is_success(a) for a in there),
        )
        for code, there in sorted(found.items())
    )


# ── as text ──


def stage_rows(funnel: Funnel) -> list[list[str]]:
    """The cells of the table by stage, under `STAGE_HEADINGS`."""
    return [
        [s.label, str(s.entered), str(s.passed), str(s.waiting), "、".join(f"{label}{n}" for label, n in s.ended)]
        for s in funnel.stages
    ]


STAGE_HEADINGS = ("环节", "进入", "通过", "在办", "止于本环节")


def place_rows(funnel: Funnel, places: Sequence[PlaceCount]) -> list[list[str]]:
    """The cells of a table by city or recommender, with a last row of sums; the headings are `place_headings`."""
    sums = ["合计", *(str(s.entered) for s in funnel.stages), str(funnel.chosen)]
    return [*([p.name, *map(str, p.entered), str(p.passed)] for p in places), sums]


def place_headings(funnel: Funnel, first: str) -> list[str]:
    """The headings of a table by city or recommender: the place, how many entered each stage, how many came through."""
    return [first, *(s.label for s in funnel.stages), "最终通过"]


def funnel_table(funnel: Funnel) -> Table:
    """The funnel by stage for the terminal; it fits 100 columns."""
    table = Table(title="各环节漏斗（项）", title_justify="left")
    for heading in STAGE_HEADINGS:
        numeric = heading not in (STAGE_HEADINGS[0], STAGE_HEADINGS[-1])
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=heading != STAGE_HEADINGS[-1])
    for row in stage_rows(funnel):
        table.add_row(*row)
    return table


def city_table(funnel: Funnel) -> Table:
    """The funnel by city for the terminal; up to eight stages fit 100 columns, long headings on two lines."""
    table = Table(title="分地区进入各环节（项）", title_justify="left")
    numbers = 8 if len(funnel.stages) <= _STAGES_THAT_FIT else 6
    for position, heading in enumerate(place_headings(funnel, "所在地")):
        widest = numbers if position else 14
        table.add_column(heading, justify="right" if position else "left", max_width=widest, overflow="fold")
    rows = place_rows(funnel, funnel.cities)
    for row in rows[:-1]:
        table.add_row(*row)
    table.add_section()
    table.add_row(*rows[-1])
    return table


def funnel_markdown(funnel: Funnel) -> str:
    """The funnel by stage and by city as two Markdown tables."""
    by_stage = _markdown(STAGE_HEADINGS, stage_rows(funnel))
    by_city = _markdown(place_headings(funnel, "所在地"), place_rows(funnel, funnel.cities))
    return f"{by_stage}\n\n{by_city}"


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(markdown_cell(c) for c in line) + " |" for line in lines)


def markdown_cell(text: str) -> str:
    """Text that stands in a Markdown table as it is: no markup, no cell or line of its own."""
    flat = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\|`*_[]<>&" else c for c in flat)
