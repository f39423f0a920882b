"""Pieces of a life cycle that several stages share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, setting
from ganchu_workflow.process.language import (
    OWNER,
    WITHDRAWN,
    Data,
    Lifecycle,
    Private,
    Slot,
    State,
    Transition,
)
from ganchu_workflow.process.values import Effects, Message
from ganchu_workflow.timing import Limit, Period


class Evidence(Data):
    """A document as the library keeps it: what it is, its digest, and where the host stores it. Never the file."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    uri: Annotated[str, Field(min_length=1, max_length=500)]


class Service(Data):
    """送达: when a document was served, by what means, and the evidence (a receipt, a signed post slip, the page).

    Of a public notice (公告送达) `served_at` is when it was published; the stage says how long after that it counts.
    """

    served_at: AwareDatetime
    means: Literal["receipt", "signed_post", "electronic", "public_notice"]
    evidence: Evidence


class ReturnForCorrection(Data):
    """What must be corrected: the whole list at once (一次性告知)."""

    items: Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(min_length=1)]


class Resubmission(Data):
    """The corrected evidence: it is a new version, beside the old one."""

    documents: list[Evidence] = []
    statement: Annotated[str, Private, Field(max_length=4000)] = ""


class CorrectionSettings(BaseModel):
    """The settings that a stage with correction has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    correction: Limit = Period.parse("5 working days")
    """How long the applicant has to correct (default, not a rule of 赣出精品)."""
    corrections: Annotated[int, Field(ge=0)] = 1
    """How often one visit to the stage may return for correction (default, not a rule of 赣出精品)."""


class Correctable(Lifecycle):
    """退回补正: a wait of the stage that returned, never a jump to another stage.

    The using stage names its `desk`; the file comes back to that desk. The period of the correction is its own: it runs
    on after the declaration window has closed. Silence means `give_up`, which a stage may lead elsewhere.
    """

    desk: State | Slot = Slot()
    correcting = State("退回补正", owner=Role.APPLICANT)

    return_for_correction = Transition(desk, correcting, by=OWNER, data=ReturnForCorrection, label="退回补正")
    resubmit = Transition(
        correcting,
        desk,
        by=Role.APPLICANT,
        data=Resubmission,
        late_by=Role.OFFICE,
        late_from=WITHDRAWN,
        label="补正提交",
    )
    give_up = Transition(correcting, WITHDRAWN, by=Role.CLOCK, label="逾期未补正")

    correction_due = Deadline(
        correcting,
        rule=setting("correction"),
        fires=give_up,
        admits=resubmit,
        by=Role.OFFICE,
        label="补正期限",
    )

    @return_for_correction.guard("corrections_left")
    def corrections_left(self, ctx: Context[ReturnForCorrection, CorrectionSettings]) -> Refusal | None:
        """A stage returns a file only as often as its settings allow."""
        used = ctx.case.facts.get("corrections", {}).get(_visit(ctx), 0)
        if used >= ctx.settings.corrections:
            return Refusal(
                "no_correction_left",
                f"本环节已退回补正{used}次,达到上限",
                f"this stage has already returned the file {used} time(s), which is all its settings allow",
                {"allowed": ctx.settings.corrections},
            )
        return None

    @return_for_correction.effect("list_the_items")
    def list_the_items(self, ctx: Context[ReturnForCorrection, CorrectionSettings]) -> Effects:
        """Keeps the list, counts the return, and tells the applicant."""
        counts = dict(ctx.case.facts.get("corrections", {}))
        counts[_visit(ctx)] = counts.get(_visit(ctx), 0) + 1
        items = ctx.given["items"]
        return Effects(
            facts={"corrections": counts, "correction_items": items},
            tell=[Message("correction_requested", to=Role.APPLICANT, body={"items": items})],
        )

    @give_up.effect("tell_lapsed")
    def tell_correction_lapsed(self, ctx: Context[Any, CorrectionSettings]) -> Effects:
        """The applicant is told what its silence was taken for."""
        return Effects(tell=[Message("correction_lapsed", to=Role.APPLICANT)])

    @resubmit.effect("new_version")
    def new_version(self, ctx: Context[Resubmission, CorrectionSettings]) -> Effects:
        """The file has one more version; earlier evidence stays in the record."""
        documents = [*ctx.case.facts.get("documents", []), *ctx.given["documents"]]
        return Effects(facts={"version": ctx.case.facts.get("version", 1) + 1, "documents": documents})


def _visit(ctx: Context[Any, Any]) -> str:
    return f"{ctx.case.stage}.{ctx.case.visit}"
