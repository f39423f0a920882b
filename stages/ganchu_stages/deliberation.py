"""审议: the collective decision between the departments' opinions and the public notice. Optional: off by default.

The press conference on 赣出精品 does not name it; its look-alikes in Jiangxi have it (厅务会, 主任办公会, 领导小组).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ganchu_workflow.actors import Role
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    Data,
    Outcome,
    PhaseWindow,
    Private,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.values import Effects

SENT_BACK = Outcome("sent_back", "退回")
"""The meeting wants an earlier stage to be gone through again; the plan says which."""

FreeText = Annotated[str, Private, Field(min_length=1, max_length=4000)]


class Resolution(Data):
    """What the meeting resolved: the number of its minutes."""

    document: Annotated[str, Field(min_length=1, max_length=120)]


class ReasonedResolution(Resolution):
    """A resolution that states its reason."""

    reason: FreeText


class ApprovalWithChanges(Resolution):
    """An approval that changes something about the item, and what."""

    changes: FreeText


class Deliberation(Stage):
    """审议, seen from one application: it lies before the meeting until that resolves. Nobody outside is told."""

    name = "deliberation"
    label = "审议"

    tabled = State("待审议", owner=Role.OFFICE, initial=True)
    on_hold = State("缓议", owner=Role.OFFICE)
    rejected = State("审议不通过", final=True)

    approve = Transition((tabled, on_hold), PASSED, by=Role.OFFICE, data=Resolution, label="审议通过")
    approve_with_changes = Transition(
        (tabled, on_hold), PASSED, by=Role.OFFICE, data=ApprovalWithChanges, label="修改后通过"
    )
    send_back = Transition((tabled, on_hold), SENT_BACK, by=Role.OFFICE, data=ReasonedResolution, label="退回")
    hold = Transition(tabled, on_hold, by=Role.OFFICE, data=ReasonedResolution, label="缓议")
    reject = Transition((tabled, on_hold), rejected, by=Role.OFFICE, data=ReasonedResolution, label="审议不通过")

    phase = PhaseWindow(at_close={tabled: CARRY_ON, on_hold: CARRY_ON})

    @approve.effect("keep_the_resolution")
    @approve_with_changes.effect("keep_the_resolution")
    @send_back.effect("keep_the_resolution")
    @hold.effect("keep_the_resolution")
    @reject.effect("keep_the_resolution")
    def keep_the_resolution(self, ctx: Context[Resolution, Any]) -> Effects:
        """The application carries every resolution, in order: document, decision, and its reason or changes."""
        resolution = {**ctx.given, "decision": ctx.trigger.rpartition(".")[2]}
        return Effects(facts={"resolutions": [*ctx.case.facts.get("resolutions", ()), resolution]})
