"""认定: what an announced item carries for as long as it is valid, and how it can be taken away again."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from ganchu_workflow.actors import Role
from ganchu_workflow.clock import to_text
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, fact, remind, setting
from ganchu_workflow.process.language import (
    START,
    Data,
    Lifecycle,
    Private,
    State,
    Transition,
)
from ganchu_workflow.process.mixins import Evidence, Service
from ganchu_workflow.process.rounds import Ground
from ganchu_workflow.process.values import Effects, Fire, Message
from ganchu_workflow.timing import END_OF_DAY, Limit, Period, Unit


def _without_roll(period: Period | None) -> Period | None:
    """No period to act: its last day is whole, unless the plan writes an hour, and does not move."""
    if period is None or period.unit.in_hours:
        return period
    ends_at = END_OF_DAY if period.ends_at is None else period.ends_at
    return replace(period, ends_at=ends_at, rolls=period.unit is Unit.WORKING_DAYS)


class RecognitionSettings(BaseModel):
    """The settings of what follows an announcement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validity: Annotated[Period | None, AfterValidator(_without_roll)] = None
    """How long a recognition is valid before it is due for review; it ends at 24:00 unless an hour is written, and its
    end never rolls, for it is no period to act. None: until the office reviews it (default, not a rule of 赣出精品)."""
    grace: Period | None = None
    """How long a review may take before the recognition expires by itself. None: the office decides (default, not a
    rule of 赣出精品)."""
    hearing: Limit = Period.parse("5 working days")
    """How long a holder may state its case against a revocation, from service (default, not a rule of 赣出精品)."""
    public_service: Period = Period.parse("30 calendar days, to 24:00, no roll")
    """How long after its publication a public notice counts as served (default by analogy with 民事诉讼法 §95, not a
    rule of 赣出精品)."""


DocumentNumber = Annotated[str, Field(min_length=1, max_length=120)]
FreeText = Annotated[str, Private, Field(min_length=1, max_length=4000)]


class Document(Data):
    """The number of the document an act rests on."""

    document: DocumentNumber


class Decision(Document):
    """A decision against an item or its holder, and its reason."""

    reason: FreeText


class NewName(Document):
    """A holder's new name, and the document that registers it."""

    enterprise: Annotated[str, Field(min_length=1, max_length=200)]


class Renunciation(Data):
    """Why a holder gives its recognition up."""

    reason: FreeText


class Recognition(Lifecycle):
    """认定: it outlives the round. Its parent is the application.

    When its validity has run out it is *due for review*; it expires when the office declines to renew it, or when the
    time for the review runs out.
    """

    label = "认定"
    indexed = ("number", "enterprise")

    valid = State("有效", owner=Role.APPLICANT, initial=True)
    due_for_review = State("待复核", owner=Role.OFFICE)
    expired = State("已到期", final=True)
    revoked = State("已撤销", final=True)
    cancelled = State("已注销", final=True)

    review = Transition(valid, due_for_review, by=(Role.CLOCK, Role.OFFICE), label="转入复核")
    renew = Transition(due_for_review, valid, by=Role.OFFICE, data=Document, label="续期")
    expire = Transition(due_for_review, expired, by=Role.CLOCK, label="到期失效")
    decline_renewal = Transition(due_for_review, expired, by=Role.OFFICE, data=Decision, label="不予续期")
    cancel = Transition((valid, due_for_review), cancelled, by=Role.APPLICANT, data=Renunciation, label="申请注销")
    revoke = Transition((valid, due_for_review), revoked, by=Role.ENGINE, data=Document, label="撤销")
    rename = Transition(valid, valid, by=Role.OFFICE, data=NewName, label="变更名称")

    term = Deadline(valid, rule=setting("validity"), fires=review, validity=True, label="有效期")
    review_due = Deadline(due_for_review, rule=setting("grace"), fires=expire, label="复核期限")

    @review.effect("ask_for_review")
    def ask_for_review(self, ctx: Context[Any, RecognitionSettings]) -> Effects:
        """Holder and office learn that the recognition is due for review."""
        body = {"number": ctx.case.facts["number"]}
        return Effects(tell=[Message("review_due", to=role, body=body) for role in (Role.APPLICANT, Role.OFFICE)])

    @renew.effect("renew_it")
    def renew_it(self, ctx: Context[Document, RecognitionSettings]) -> Effects:
        """The recognition is valid for another term from now; the holder learns of it."""
        facts = ctx.case.facts
        renewal = {"document": ctx.data.document, "at": to_text(ctx.now)}
        body = {"number": facts["number"], "document": ctx.data.document}
        return Effects(
            facts={"renewals": [*facts.get("renewals", ()), renewal]},
            tell=[Message("recognition_renewed", to=Role.APPLICANT, body=body)],
        )

    @decline_renewal.effect("keep_the_decision")
    def keep_the_decision(self, ctx: Context[Decision, RecognitionSettings]) -> Effects:
        """The decision not to renew is kept."""
        return Effects(facts={"not_renewed_by": ctx.data.document, "not_renewed_for": ctx.given["reason"]})

    @expire.effect("tell_the_holder")
    @decline_renewal.effect("tell_the_holder")
    def tell_the_holder(self, ctx: Context[Any, RecognitionSettings]) -> Effects:
        """The holder learns that the recognition has expired."""
        return Effects(
            tell=[Message("recognition_expired", to=Role.APPLICANT, body={"number": ctx.case.facts["number"]})]
        )

    @cancel.effect("tell_the_office")
    def tell_the_office(self, ctx: Context[Renunciation, RecognitionSettings]) -> Effects:
        """The office learns that the holder has given the recognition up."""
        return Effects(
            tell=[Message("recognition_cancelled", to=Role.OFFICE, body={"number": ctx.case.facts["number"]})]
        )

    @revoke.effect("keep_the_document")
    def keep_the_document(self, ctx: Context[Document, RecognitionSettings]) -> Effects:
        """The recognition names the document that revoked it."""
        return Effects(facts={"revoked_by": ctx.data.document})

    @rename.effect("keep_the_name")
    def keep_the_name(self, ctx: Context[NewName, RecognitionSettings]) -> Effects:
        """The holder has its new name; its former names are kept, each with the document that ended it."""
        facts = ctx.case.facts
        former = {"enterprise": facts.get("enterprise"), "until": to_text(ctx.now), "document": ctx.data.document}
        return Effects(
            facts={"enterprise": ctx.data.enterprise, "former_names": [*facts.get("former_names", ()), former]}
        )


class Notification(Document):
    """告知: on which facts a recognition may be revoked, and when the holder was served with it."""

    facts: FreeText
    served_at: AwareDatetime | None = None
    """When it was served outside the system; None: by this act, unless it is still to be served."""
    evidence: Evidence | None = None
    """The proof of service."""
    to_be_served: bool = False
    """Whether it is sent out and has yet to arrive: until `serve` says when it did, no period runs or runs out."""


class Statement(Data):
    """What the holder says for itself (陈述申辩)."""

    statement: FreeText
    documents: list[Evidence] = []


class Revocation(Lifecycle):
    """撤销: its parent is the recognition. The holder is told the facts and heard before anything is decided."""

    label = "撤销"

    noticed = State("已告知", owner=Role.APPLICANT, initial=True)
    heard = State("已听取陈述或逾期未陈述", owner=Role.OFFICE)
    decided = State("已决定撤销", final=True)
    dropped = State("不予撤销", final=True)

    notify = Transition(START, noticed, by=Role.OFFICE, data=Notification, label="告知")
    serve = Transition(noticed, noticed, by=Role.OFFICE, data=Service, label="登记送达")
    hear = Transition(
        noticed,
        heard,
        by=Role.APPLICANT,
        data=Statement,
        late_by=Role.OFFICE,
        late_from=heard,
        label="陈述申辩",
    )
    waive = Transition(noticed, heard, by=Role.CLOCK, label="逾期未陈述")
    decide = Transition(heard, decided, by=Role.OFFICE, data=Decision, label="决定撤销")
    drop = Transition((noticed, heard), dropped, by=Role.OFFICE, data=Ground, label="不予撤销")

    hearing = Deadline(
        noticed,
        rule=setting("hearing", start=fact("served_at")),
        fires=waive,
        admits=hear,
        by=Role.OFFICE,
        alerts=remind("1 working day"),
        label="陈述申辩期限",
    )

    @notify.guard("something_to_revoke")
    def something_to_revoke(self, ctx: Context[Notification, RecognitionSettings]) -> Refusal | None:
        """What is to be revoked is a recognition that still stands, and that no other procedure is about."""
        held = ctx.parent
        if held is None or held.kind != Recognition.kind or ctx.is_final(held):
            return Refusal(
                "nothing_to_revoke",
                "所指认定不存在或已失效",
                "there is no recognition here that still stands; open a revocation with the recognition as its parent",
                {"recognition": held.id if held else None, "state": held.state if held else None},
            )
        others = [c.id for c in ctx.reads.children(held.id, self.kind) if c.id != ctx.case.id and not ctx.is_final(c)]
        if others:
            return Refusal(
                "revocation_open",
                "该认定已有未办结的撤销程序",
                "another revocation of this recognition is still open",
                {"cases": others},
            )
        return None

    @notify.guard("served_already", version=2)
    @serve.guard("served_already", version=2)
    def served_already(self, ctx: Context[Any, RecognitionSettings]) -> Refusal | None:
        """Service lies in the past: a notice that has yet to be served starts no period."""
        served_at = ctx.data.served_at
        if getattr(ctx.data, "to_be_served", False) and served_at is not None:
            return Refusal(
                "served_or_not",
                "已写明送达时间,不得同时注明待送达",
                "it is said both when it was served and that it is still to be served; give one of the two",
            )
        if served_at is not None and served_at > ctx.now:
            return Refusal(
                "not_yet_served",
                "送达时间不得晚于现在",
                "the notice cannot have been served later than now",
                {"served_at": to_text(served_at)},
            )
        return None

    @notify.effect("tell_the_holder")
    def tell_the_holder(self, ctx: Context[Notification, RecognitionSettings]) -> Effects:
        """The facts are kept, and the holder told that it may state its case, for how long from service."""
        facts = {name: value for name, value in ctx.given.items() if name != "to_be_served"}
        if ctx.data.to_be_served:
            return Effects(facts={**facts, "served_at": None})
        served_at = to_text(ctx.data.served_at or ctx.now)
        return Effects(facts={**facts, "served_at": served_at}, tell=[_noticed(ctx, ctx.data.document, served_at)])

    @serve.guard("served_once")
    def served_once(self, ctx: Context[Service, RecognitionSettings]) -> Refusal | None:
        """What has been served is not served again: its period runs."""
        if ctx.case.facts.get("served_at") is None:
            return None
        served_at = ctx.case.facts["served_at"]
        return Refusal("served_before", "已登记送达", "its service is recorded already", {"served_at": served_at})

    @serve.effect("begin_the_hearing")
    def begin_the_hearing(self, ctx: Context[Service, RecognitionSettings]) -> Effects:
        """The period runs from service; a public notice counts as served when its own time has passed."""
        served_at = ctx.data.served_at
        if ctx.data.means == "public_notice":
            served_at = ctx.reckon(ctx.settings.public_service, served_at).due_at
        return Effects(
            facts={"served_at": to_text(served_at), "service": ctx.given},
            tell=[_noticed(ctx, ctx.case.facts["document"], to_text(served_at))],
        )

    @hear.effect("keep_the_statement")
    def keep_the_statement(self, ctx: Context[Statement, RecognitionSettings]) -> Effects:
        """The statement is kept, and the office told."""
        return Effects(facts=ctx.given, tell=[Message("statement_made", to=Role.OFFICE)])

    @waive.effect("report_silence")
    def report_silence(self, ctx: Context[Any, RecognitionSettings]) -> Effects:
        """The office learns that the holder has let its time pass: it may decide."""
        return Effects(facts={"statement": None}, tell=[Message("statement_waived", to=Role.OFFICE)])

    @decide.effect("revoke")
    def revoke(self, ctx: Context[Decision, RecognitionSettings]) -> Effects:
        """The recognition is revoked and the holder told; if it no longer stands, nothing is decided."""
        document = ctx.data.document
        held = ctx.parent
        return Effects(
            facts={"decision": document, "reason": ctx.given["reason"]},
            fire=[Fire(held, Recognition.revoke, Document(document=document))] if held else [],
            tell=[Message("recognition_revoked", to=Role.APPLICANT, body={"document": document})],
        )

    @drop.effect("tell_the_holder")
    def let_it_stand(self, ctx: Context[Ground, RecognitionSettings]) -> Effects:
        """The holder learns that its recognition stands."""
        facts = {"dropped_for": ctx.given["ground"]}
        return Effects(facts=facts, tell=[Message("revocation_dropped", to=Role.APPLICANT)])


def _noticed(ctx: Context[Any, RecognitionSettings], document: str, served_at: str) -> Message:
    body = {"document": document, "served_at": served_at, "hearing": str(ctx.settings.hearing)}
    return Message("revocation_noticed", to=Role.APPLICANT, body=body)
