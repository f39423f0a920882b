"""异议: what anybody may say against an item while its notice is open. It is kept whatever becomes of it.

The objector is protected from the objected: nothing that is told to the applicant comes from here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ganchu_workflow.actors import Role
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, escalate, fact, remind
from ganchu_workflow.process.language import (
    START,
    Data,
    Lifecycle,
    Private,
    State,
    Transition,
)
from ganchu_workflow.process.mixins import Evidence
from ganchu_workflow.process.rounds import Ground
from ganchu_workflow.process.values import Effects, Message
from ganchu_workflow.timing import Limit, Period


class ObjectionSettings(BaseModel):
    """The settings that a stage with objections has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    examination: Limit = Period.parse("10 working days")
    """How long the office has to examine an admitted objection (default, not a rule of 赣出精品)."""
    examination_extension: Period = Period.parse("10 working days")
    """What one extension adds to the examination, from its end (default, not a rule of 赣出精品)."""
    extensions: Annotated[int, Field(ge=0)] = 1
    """How often an examination may be extended (default, not a rule of 赣出精品)."""


class Channel(StrEnum):
    """By which of the three ways an objection comes."""

    OBJECTION = "objection"
    """异议: a listed unit about its own entry."""
    REPORT = "report"
    """举报: anybody, that a listed item does not qualify."""
    COMPLAINT = "complaint"
    """投诉: about the staff or a third party. The supervisor is told as well."""


class NotAdmittedFor(StrEnum):
    """Why an objection is not admitted (不予受理)."""

    ANONYMOUS = "anonymous"
    """匿名."""
    LATE = "late"
    """逾期: a paper that arrived late and was entered all the same."""
    NO_EVIDENCE = "no_evidence"
    """无证据或线索."""
    UNRELATED = "unrelated"
    """与公示内容无关."""
    OWN_RESULT = "own_result"
    """仅对本单位评审结果不服."""


FreeText = Annotated[str, Private, Field(min_length=1, max_length=4000)]
DocumentNumber = Annotated[str, Field(min_length=1, max_length=120)]


class ObjectorsEvidence(Evidence):
    """A document that an objector hands in: what it is called, and where it lies, can give the objector away."""

    name: Annotated[str, Private, Field(min_length=1, max_length=200)]
    uri: Annotated[str, Private, Field(min_length=1, max_length=500)]


class Filing(Data):
    """An objection as it is handed in. Who hands it in, and what it says, is private."""

    kind: Channel = Channel.OBJECTION
    ground: FreeText
    anonymous: bool = False
    name: Annotated[str, Private, Field(max_length=200)] = ""
    contact: Annotated[str, Private, Field(max_length=200)] = ""
    signed: bool = False
    """A person has signed by hand."""
    sealed: bool = False
    """A unit has put its seal."""
    evidence: list[ObjectorsEvidence] = []


class NotAdmitted(Data):
    """Why an objection is not admitted: a code, and a word of explanation to the objector."""

    ground: NotAdmittedFor
    explanation: Annotated[str, Private, Field(max_length=4000)] = ""


class Finding(Data):
    """What the examination found, and the document that says so."""

    document: DocumentNumber
    finding: FreeText


class TakingBack(Data):
    """Why the objector takes the objection back, if they say so."""

    reason: Annotated[str, Private, Field(max_length=4000)] = ""


class Objection(Lifecycle):
    """异议: its parent is the application, which it keeps from passing. It belongs to a notice, whose window admits it.

    A filed one only waits for the office; an admitted one holds its item and is examined, with an end of its own. It
    lives on when its item leaves the notice, and counts again when the item comes back to be shown.
    """

    label = "异议"
    indexed = ("kind",)
    every_visit = True

    filed = State("已提出", owner=Role.OFFICE, initial=True)
    investigating = State("核查中", owner=Role.OFFICE)
    not_admitted = State("不予受理", final=True)
    upheld = State("异议成立", final=True)
    dismissed = State("异议不成立", final=True)
    withdrawn = State("已撤回", final=True)

    file = Transition(START, filed, by=Role.PUBLIC, data=Filing, late_by=Role.OFFICE, label="提出异议")
    admit = Transition(filed, investigating, by=Role.OFFICE, label="受理")
    refuse = Transition(filed, not_admitted, by=Role.OFFICE, data=NotAdmitted, label="不予受理")
    uphold = Transition(investigating, upheld, by=Role.OFFICE, data=Finding, label="认定成立")
    dismiss = Transition(investigating, dismissed, by=Role.OFFICE, data=Finding, label="认定不成立")
    withdraw = Transition((filed, investigating), withdrawn, by=Role.PUBLIC, data=TakingBack, label="撤回异议")
    extend = Transition(investigating, investigating, by=Role.OFFICE, data=Ground, label="延长核查")
    overdue = Transition(investigating, investigating, by=Role.CLOCK, label="逾期提示")

    examination = Deadline(
        investigating,
        rule=fact("examine_by"),
        fires=overdue,
        admits=extend,
        alerts=(remind("3 working days"), remind("1 working day"), escalate("1 working day", to=Role.SUPERVISOR)),
        label="核查期限",
    )

    @file.guard("on_the_list")
    def on_the_list(self, ctx: Context[Filing, ObjectionSettings]) -> Refusal | None:
        """An objection is to an item on the frozen list of the notice it names."""
        item, notice = ctx.parent, ctx.of
        listed = [] if notice is None else [row[1] for row in notice.facts.get("list", ())]
        if item is None or item.id not in listed:
            return Refusal(
                "not_listed",
                "该项不在所指公示的名单中",
                "the item is not on the list of the notice that the objection names",
                {"item": item.id if item else None, "notice": notice.id if notice else None},
            )
        return None

    @file.guard("still_before_the_public", version=2)
    def still_before_the_public(self, ctx: Context[Filing, ObjectionSettings]) -> Refusal | None:
        """The item has not been removed, withdrawn or otherwise left the notice. What was filed in time on paper and is
        entered only now is taken all the same, and the office sees to it."""
        item, notice = ctx.parent, ctx.of
        if (
            not ctx.entered_late
            and item is not None
            and notice is not None
            and (item.stage != notice.stage or ctx.is_final(item))
        ):
            return Refusal(
                "item_removed",
                "该项已不在公示中",
                "the item is no longer before the public",
                {"item": item.id, "state": item.state},
            )
        return None

    @file.guard("real_name")
    def real_name(self, ctx: Context[Filing, ObjectionSettings]) -> Refusal | None:
        """Whoever objects says who they are and how to reach them, or says that they will not (匿名)."""
        given = ctx.data
        if not given.anonymous and not (given.name and given.contact):
            return Refusal(
                "identity_missing",
                "请实名提出异议并留联系方式;匿名提出的须注明匿名,将记录在案但可不予受理",
                "give name and contact, or set anonymous: an anonymous objection is kept, but need not be admitted",
            )
        return None

    @file.effect("keep_the_filing")
    def keep_the_filing(self, ctx: Context[Filing, ObjectionSettings]) -> Effects:
        """Kept, with a receipt to the objector. The office learns of it; of a complaint the supervisor too."""
        body = {"kind": ctx.data.kind.value, "item": ctx.case.parent, "notice": ctx.case.of}
        watching = [Role.OFFICE, Role.SUPERVISOR] if ctx.data.kind is Channel.COMPLAINT else [Role.OFFICE]
        tell = [Message("objection_filed", to=role, body=body) for role in watching]
        return Effects(facts=ctx.given, tell=[*tell, Message("objection_received", to=Role.PUBLIC, body=body)])

    @admit.effect("begin_examination")
    def begin_examination(self, ctx: Context[Any, ObjectionSettings]) -> Effects:
        """The examination runs from now; the objector learns until when."""
        reckoning = ctx.reckon(ctx.settings.examination)
        end = to_text(reckoning.due_at)
        return Effects(
            facts={"examine_by": end, "rule": str(reckoning.period), "calendar": reckoning.calendar_version},
            tell=[Message("objection_admitted", to=Role.PUBLIC, body={"examine_by": end})],
        )

    @refuse.effect("say_why_not")
    def say_why_not(self, ctx: Context[NotAdmitted, ObjectionSettings]) -> Effects:
        """The ground of not admitting is kept, and the objector told."""
        ground = ctx.data.ground.value
        facts = {"not_admitted_for": ground, "explanation": ctx.given["explanation"]}
        return Effects(facts=facts, tell=[Message("objection_not_admitted", to=Role.PUBLIC, body={"ground": ground})])

    @uphold.effect("keep_the_finding")
    @dismiss.effect("keep_the_finding")
    def keep_the_finding(self, ctx: Context[Finding, ObjectionSettings]) -> Effects:
        """The finding is kept."""
        return Effects(facts={"document": ctx.data.document, "finding": ctx.given["finding"]})

    @uphold.effect("say_upheld")
    def say_upheld(self, ctx: Context[Finding, ObjectionSettings]) -> Effects:
        """The objector learns that the objection was upheld."""
        return Effects(tell=[Message("objection_upheld", to=Role.PUBLIC, body={"document": ctx.data.document})])

    @dismiss.effect("say_dismissed")
    def say_dismissed(self, ctx: Context[Finding, ObjectionSettings]) -> Effects:
        """The objector learns that the objection was not upheld."""
        return Effects(tell=[Message("objection_dismissed", to=Role.PUBLIC, body={"document": ctx.data.document})])

    @withdraw.effect("tell_the_office")
    def tell_the_office(self, ctx: Context[TakingBack, ObjectionSettings]) -> Effects:
        """The office learns that the objection has been taken back."""
        return Effects(tell=[Message("objection_withdrawn", to=Role.OFFICE, body={"item": ctx.case.parent})])

    @extend.guard("extensions_left")
    def extensions_left(self, ctx: Context[Ground, ObjectionSettings]) -> Refusal | None:
        """An examination is extended only as often as the settings allow."""
        used = ctx.case.facts.get("extensions", 0)
        if used >= ctx.settings.extensions:
            return Refusal(
                "no_extension_left",
                f"核查期限已延长{used}次,达到上限",
                f"the examination has been extended {used} time(s), which is all its settings allow",
                {"allowed": ctx.settings.extensions},
            )
        return None

    @extend.effect("move_the_end")
    def move_the_end(self, ctx: Context[Ground, ObjectionSettings]) -> Effects:
        """The examination ends later, reckoned from its old end; the objector learns until when."""
        reckoning = ctx.reckon(ctx.settings.examination_extension, from_text(ctx.case.facts["examine_by"]))
        end = to_text(reckoning.due_at)
        return Effects(
            facts={
                "examine_by": end,
                "calendar": reckoning.calendar_version,
                "extensions": ctx.case.facts.get("extensions", 0) + 1,
                "extended_on": ctx.given["ground"],
            },
            tell=[Message("examination_extended", to=Role.PUBLIC, body={"examine_by": end})],
        )

    @overdue.effect("report_overdue")
    def report_overdue(self, ctx: Context[Any, ObjectionSettings]) -> Effects:
        """Office and supervisor learn that the examination has run over its end. It goes on all the same."""
        body = {"item": ctx.case.parent, "examine_by": ctx.case.facts["examine_by"]}
        return Effects(
            tell=[Message("examination_overdue", to=role, body=body) for role in (Role.OFFICE, Role.SUPERVISOR)]
        )
