"""Which cases a command is about, and what they are called: by state or stage, by 申报编号, by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ganchu_workflow.process.values import CaseView
    from ganchu_workflow.workflow import Workflow

Kind = Annotated[str, typer.Option("--kind", help="案件种类 / the kind of case: panel, seat, objection …")]
Standing = Annotated[
    list[str] | None,
    typer.Option("--state", help="所处状态或环节,可重复 / the state or stage where they stand; repeatable"),
]
Numbers = Annotated[
    list[str] | None,
    typer.Option(
        "--number",
        help="申报编号,可重复;其他种类为所属申报或组别 / repeatable; of another kind, its name in the list",
    ),
]
Cases = Annotated[list[str] | None, typer.Option("--case", help="案件编号,可重复 / a case; repeatable")]
NUMBER = "number:"
"""`number:GC2021-0001` stands for the application of that 申报编号 wherever an option or argument names a case."""
MARK = "$number"
"""In data `{"$number": "GC2021-0001"}` stands for it, and `$number:GC2021-0001` as a key: data holds free text as well,
and what somebody has written is left as it is."""


def case_of(workflow: Workflow, text: str, round_id: str | None = None) -> str:
    """The id that `text` gives, or that of the application it names as `number:…`. Raises `Unknown` for none or two."""
    return _numbered(workflow, text.removeprefix(NUMBER), round_id) if text.startswith(NUMBER) else text


def _numbered(workflow: Workflow, number: str, round_id: str | None) -> str:
    from ganchu_workflow.errors import Unknown

    rounds = [round_id] if round_id is not None else [r.id for r in workflow.rounds()]
    found = [a.id for r in rounds for a in workflow.find(r, "number", number)]
    if not found:
        raise Unknown(f"there is no application with the number '{number}'")
    if len(found) > 1:
        raise Unknown(f"{len(found)} applications have the number '{number}': give the case, see `ganchu round list`")
    return found[0]


def with_cases(workflow: Workflow, round_id: str | None, data: Any) -> Any:
    """The data with the id of the application for every `{"$number": …}` and key `$number:…` in it.

    Raises `Unknown` for a number of no application or of two, `Invalid` for a mark that is not written so.
    """
    from ganchu_workflow.errors import Invalid

    if isinstance(data, list):
        return [with_cases(workflow, round_id, v) for v in data]
    if not isinstance(data, Mapping):
        return data
    if MARK in data:
        number = data[MARK]
        if len(data) > 1 or not isinstance(number, str):
            raise Invalid(f'--data: write {{"{MARK}": "GC2021-0001"}} and nothing beside it for the application')
        return _numbered(workflow, number, round_id)
    found = {}
    for key, value in data.items():
        named = _numbered(workflow, key.removeprefix(f"{MARK}:"), round_id) if key.startswith(f"{MARK}:") else key
        if named in found:
            raise Invalid("--data names one application twice among the keys of an object")
        found[named] = with_cases(workflow, round_id, value)
    return found


class Naming:
    """What an official calls the cases of a round, and whom they are for."""

    def __init__(self, workflow: Workflow, round_id: str) -> None:
        self.process = workflow.process(round_id)
        self._workflow, self._round = workflow, round_id
        self._everybody: dict[str, CaseView] | None = None

    @property
    def everybody(self) -> dict[str, CaseView]:
        """All cases of the round, read once."""
        if self._everybody is None:
            self._everybody = {c.id: c for c in self._workflow.cases(self._round)}
        return self._everybody

    def above(self, case: CaseView) -> CaseView | None:
        """The case it belongs under, below the round."""
        if case.parent is None or case.parent == case.round:
            return None
        return self.everybody.get(case.parent)

    def name(self, case: CaseView) -> str:
        """Its 申报编号; else what the case above it is called; else the facts it is indexed by. Perhaps empty.

        So a seat goes by the group of its panel, an objection by the number of the application it is about, and a
        phase by its stage.
        """
        if case.kind == "application" or case.facts.get("number"):
            return str(case.facts.get("number") or "")
        if case.kind == "phase":
            return case.stage
        above = self.above(case)
        if above is not None:
            return self.name(above)
        return "、".join(str(case.facts[n]) for n in self.process.indexed(case.kind) if case.facts.get(n))

    def parties(self, case: CaseView) -> dict[str, str]:
        """Whom it is for, beyond those that the case above it is for: role → scope. Of a seat, its expert."""
        above = self.above(case)
        known = above.parties if above is not None else {}
        return {role.value: scope for role, scope in case.parties.items() if known.get(role) != scope}

    def concerned(self, detail: Any) -> list[str]:
        """What the cases are called that the detail of a refusal names, each once."""
        found = (self.everybody[text] for text in _texts(detail) if text in self.everybody)
        return list(dict.fromkeys(name for case in found if (name := self.name(case))))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from (key, *_texts(each))
    elif isinstance(value, Iterable):
        for each in value:
            yield from _texts(each)


def standing(
    workflow: Workflow, round_id: str, kind: str, states: list[str], numbers: list[str], *, ended: bool = True
) -> list[CaseView]:
    """The cases of a kind that stand in one of these states or stages and go by these numbers: in the order of the
    numbers, or of opening. Without `ended`, a stage means only what has not come to its end there.

    Raises `Unknown` for a state or number that is not there.
    """
    from ganchu_workflow.errors import Unknown

    naming = Naming(workflow, round_id)
    definition = naming.process.kind(kind)
    wanted = {s for s in states if s in definition.states}
    stages = {s for s in states if s in naming.process.stage_names}
    strangers = sorted(set(states) - wanted - stages)
    if strangers:
        raise Unknown(f"the kind {kind} has no state '{strangers[0]}'; it has: {', '.join(definition.states)}")
    found = workflow.cases(round_id, kind)
    if states:
        in_stages = (c for c in found if c.stage in stages and (ended or not naming.process.is_final(c)))
        meant = {c.id for c in found if c.state in wanted} | {c.id for c in in_stages}
        found = [c for c in found if c.id in meant]
    if not numbers:
        return found
    by_name: dict[str, list[CaseView]] = {}
    for case in found:
        by_name.setdefault(naming.name(case), []).append(case)
    missing = [n for n in numbers if n not in by_name]
    if missing:
        where = " in that state" if states else ""
        near = get_close_matches(missing[0], filter(None, by_name), 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise Unknown(f"there is no {kind} with the number '{missing[0]}'{where}{hint}")
    return [c for n in dict.fromkeys(numbers) for c in by_name[n]]


def chosen(
    workflow: Workflow, round_id: str, kind: str, states: list[str], numbers: list[str], cases: list[str]
) -> list[CaseView]:
    """The cases that the options name, each once. Raises `Invalid` when they name none, or one of another round."""
    from ganchu_workflow.errors import Invalid

    if not (states or numbers or cases):
        raise Invalid("say which cases: --state STATE, --number 申报编号 or --case CASE")
    found = [workflow.case(c) for c in cases]
    if states or numbers:
        found += standing(workflow, round_id, kind, states, numbers, ended=False)
    elsewhere = [c.id for c in found if c.round != round_id]
    if elsewhere:
        raise Invalid(f"the case {elsewhere[0]} belongs to another round")
    return list({c.id: c for c in found}.values())
