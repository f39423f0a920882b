"""Which cases a command is about: by state or stage, by 申报编号, by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ganchu_workflow.process.values import CaseView
    from ganchu_workflow.workflow import Workflow

Kind = Annotated[str, typer.Option("--kind", help="案件种类 / the kind of case")]
Standing = Annotated[
    list[str] | None,
    typer.Option(
        "--state", help="所处状态,可重复;环节名指该环节全部 / where they stand; repeatable; a stage means all of it"
    ),
]
Numbers = Annotated[list[str] | None, typer.Option("--number", help="申报编号,可重复 / a 申报编号; repeatable")]
Cases = Annotated[list[str] | None, typer.Option("--case", help="案件编号,可重复 / a case; repeatable")]


def standing(workflow: Workflow, round_id: str, kind: str, states: list[str], numbers: list[str]) -> list[CaseView]:
    """The cases of a kind that stand in one of these states or stages and have these numbers: in the order of the
    numbers, or of opening. Raises `Unknown` for a state or number that is not there.
    """
    from ganchu_workflow.errors import Unknown

    definition = workflow.process(round_id).kind(kind)
    wanted = {s for s in states if s in definition.states}
    stages = {s for s in states if s in workflow.process(round_id).stage_names}
    strangers = sorted(set(states) - wanted - stages)
    if strangers:
        raise Unknown(f"a {kind} has no state '{strangers[0]}'; it has: {', '.join(definition.states)}")
    found = workflow.cases(round_id, kind)
    if states:
        found = [c for c in found if c.state in wanted or c.stage in stages]
    if numbers:
        by_number = {str(c.facts.get("number")): c for c in found}
        missing = [n for n in numbers if n not in by_number]
        if missing:
            raise Unknown(f"there is no {kind} with the number '{missing[0]}'" + (" in that state" if states else ""))
        found = [by_number[n] for n in dict.fromkeys(numbers)]
    return found


def chosen(
    workflow: Workflow, round_id: str, kind: str, states: list[str], numbers: list[str], cases: list[str]
) -> list[CaseView]:
    """The cases that the options name, each once. Raises `Invalid` when they name none, or one of another round."""
    from ganchu_workflow.errors import Invalid

    if not (states or numbers or cases):
        raise Invalid("say which cases: --state STATE, --number 申报编号 or --case CASE")
    found = [workflow.case(c) for c in cases]
    if states or numbers:
        found += standing(workflow, round_id, kind, states, numbers)
    elsewhere = [c.id for c in found if c.round != round_id]
    if elsewhere:
        raise Invalid(f"the case {elsewhere[0]} belongs to another round")
    return list({c.id: c for c in found}.values())
