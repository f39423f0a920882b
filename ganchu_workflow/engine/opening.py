"""The opening of a case: which stage it is for, under whom, with which parties and members."""

from __future__ import annotations

from collections.abc import Callable

from ganchu_workflow.actors import SCOPED
from ganchu_workflow.engine.cases import CaseState
from ganchu_workflow.engine.requests import Opening, Step
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import Refusal, Refused, Unknown
from ganchu_workflow.process.definition import Edge, Process

Refuse = Callable[[Refusal], Refused]


def prepare(work: Workspace, process: Process, step: Step, opening: Opening) -> tuple[CaseState, Edge]:
    """The case as it will be, not yet part of the round, and the edge that opens it.

    Raises `Unknown` for a kind, a parent or a stage that does not exist.
    """
    kind = process.kind(opening.kind)
    edges = [e for e in kind.edges_from.get(None, ()) if step.trigger in ("", e.trigger, e.name)]
    if not edges:
        raise Unknown(f"a {opening.kind} cannot be opened by '{step.trigger}'")
    parent = work.get(opening.parent) if opening.parent else None
    of = work.get(opening.of) if opening.of else None
    for other in (parent, of):
        if other is not None and other.round != opening.round:
            raise Unknown(f"the {other.kind} {other.id} belongs to another round", case=other.id, round=other.round)
    case = CaseState(
        id=work.new_id(),
        kind=opening.kind,
        state="",
        stage=edges[0].stage or _stage_of(process, opening, parent),
        visit=1 if opening.kind == "application" else (parent.visit if parent else 0),
        round=opening.round,
        parent=opening.parent,
        of=opening.of,
        position=kind.rank,
        facts={},
        parties={**(parent.parties if parent else {}), **opening.parties},
        opened_at=work.around.now,
        recorded_at=work.around.now,
        deadlines={},
        members=[],
        new=True,
    )
    if opening.kind == "round":
        case.round = case.id
    if step.actor.role in SCOPED and step.cause is None:
        case.parties[step.actor.role] = step.actor.scope
    return case, edges[0]


def place(work: Workspace, case: CaseState, opening: Opening, refuse: Refuse, *, entered_late: bool = False) -> None:
    """Put the case into the round: under its parent, with its members.

    Refused when its application does not stand in its stage (unless it is entered late: it may have gone on since), or
    a member does not.
    """
    parent = work.get(opening.parent) if opening.parent else None
    if parent is not None and not entered_late and parent.kind == "application" and parent.stage != case.stage:
        raise refuse(
            Refusal("not_here", "该申报不在本环节", f"the application does not stand in the stage {case.stage}")
        )
    work.load(opening.members)
    members: list[tuple[str, int]] = []
    for member_id in opening.members:
        member = work.get(member_id)
        if member.kind != "application" or member.stage != case.stage or member.round != case.round:
            raise refuse(
                Refusal(
                    "member_not_here",
                    "名单中有不在本环节的申报",
                    f"{member_id} does not stand in the stage {case.stage}",
                    {"case": member_id, "state": member.state},
                )
            )
        members.append((member_id, member.visit))
    if len(set(opening.members)) < len(members):
        raise refuse(Refusal("listed_twice", "名单有重复", "an application is listed twice"))
    case.facts = dict(opening.facts)
    work.add(case)
    if members:
        work.set_members(case, members)


def _stage_of(process: Process, opening: Opening, parent: CaseState | None) -> str:
    if opening.kind in ("round", "phase"):
        return opening.stage
    bringing = process.bringing(opening.kind)
    if opening.stage:
        if opening.stage not in bringing:
            raise Unknown(
                f"the stage '{opening.stage}' brings no {opening.kind}; "
                f"it comes with: {', '.join(bringing) or 'no stage'}"
            )
        return opening.stage
    if parent is not None and parent.stage in bringing:
        return parent.stage
    if len(bringing) == 1:
        return bringing[0]
    raise Unknown(f"say which stage the {opening.kind} is for: stage= one of {', '.join(bringing)}")
