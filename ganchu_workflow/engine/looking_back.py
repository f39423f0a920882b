"""What the history of a case says of its deadlines: asked for where an act is entered late, and the rows are gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganchu_workflow.actors import RESERVED, Role
from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import from_text
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.workspace import Workspace


def last_run(work: Workspace, case: CaseState, name: str) -> Running | None:
    """The deadline of that name as it last ran, with its end; None when it never did."""
    for event in work.rows.history(case.id):
        for change in decode(event)["deadlines"]:
            if change["name"] == name and change.get("due_at") is not None:
                return running_of(change)
    return None


def ended_by_itself(work: Workspace, case: CaseState) -> bool:
    """Whether the case stands where it stands because time ran out, and not because somebody put it there."""
    for event in work.rows.history(case.id):
        body = decode(event)
        if body["source"] != body["target"]:
            return Role(body["actor"]["role"]) in RESERVED
    return False


def running_of(change: Mapping[str, Any]) -> Running:
    """A deadline as an event describes it that has an end."""
    return Running(
        change["name"],
        change["status"],
        from_text(change["due_at"]),
        change["rule"],
        change["fires"],
        from_text(change["armed_at"]),
        calendar=change["calendar"],
        shown_at=from_text(change["shown_at"]) if change["shown_at"] else None,
    )
