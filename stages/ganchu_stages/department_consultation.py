"""征求部门意见: a letter asks departments about many items; each department answers for each, or stays silent."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ganchu_stages.consultation_tables import REPLIES
from ganchu_workflow.actors import Role
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process import deadlines
from ganchu_workflow.process.conditions import any_in, settled, stated
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, fact
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    START,
    Cohort,
    Data,
    Lifecycle,
    PhaseWindow,
    Private,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.values import CaseView, Effects, Message, Open, Reversal
from ganchu_workflow.timing import Limit, Period, closes_in_time


class DepartmentConsultationSettings(BaseModel):
    """The settings of the consultation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reply: Limit = Period.parse("5 working days")
    """How long departments have to reply when the letter prints no end (default, not a rule of 赣出精品)."""


DocumentNumber = Annotated[str, Field(min_length=1, max_length=120)]
FreeText = Annotated[str, Private, Field(min_length=1, max_length=4000)]


class Letter(Data):
    """A consultation letter: whom it asks, until when, and what it says about silence."""

    document: DocumentNumber
    departments: Annotated[list[Annotated[str, Field(min_length=1, max_length=120)]], Field(min_length=1)]
    silence_is_consent: bool = False
    """Whether the letter says 逾期未反馈视为无意见. Without that sentence silence never counts as consent."""
    due_at: AwareDatetime | None = None
    """The printed end; None: reckoned from the setting `reply`."""


class Reply(Data):
    """A department's reply: the number of its sealed paper or of its OA reply."""

    document: DocumentNumber


class Remark(Reply):
    """A reply that remarks on the item without opposing it."""

    remark: FreeText


class Opposition(Reply):
    """A reply that opposes the item, and on what ground."""

    ground: FreeText


class Decision(Data):
    """The office's decision about an item that a department opposes, or has not answered about."""

    document: DocumentNumber
    reason: FreeText


class Consultation(Lifecycle):
    """部门意见: what one department says about one item.

    Its parent is the application, which waits for it; it belongs to the letter, which fixed its end. Silence is *no
    reply*, with the office; only where the letter said so does it then become *deemed*, as an event of its own.
    """

    label = "部门意见"
    indexed = ("department",)

    sent = State("已发函", owner=Role.DEPARTMENT, initial=True)
    no_reply = State("逾期未反馈", owner=Role.OFFICE)
    no_objection = State("无意见", final=True)
    remark = State("有意见但不反对", final=True)
    objects = State("不同意", final=True)
    not_our_remit = State("不涉及", final=True)
    deemed = State("视为无意见", final=True)
    moot = State("不再征求", final=True)

    agree = Transition(
        (sent, no_reply), no_objection, by=Role.DEPARTMENT, data=Reply, late_by=Role.OFFICE, label="反馈无意见"
    )
    note = Transition((sent, no_reply), remark, by=Role.DEPARTMENT, data=Remark, late_by=Role.OFFICE, label="反馈意见")
    not_ours = Transition(
        (sent, no_reply), not_our_remit, by=Role.DEPARTMENT, data=Reply, late_by=Role.OFFICE, label="反馈不涉及"
    )
    oppose = Transition(
        (sent, no_reply), objects, by=Role.DEPARTMENT, data=Opposition, late_by=Role.OFFICE, label="反馈不同意"
    )
    lapse = Transition(sent, no_reply, by=Role.CLOCK, label="逾期未反馈")
    remind = Transition(no_reply, no_reply, by=Role.OFFICE, label="催办")
    deem = Transition(no_reply, deemed, when=stated("silence_is_consent"), label="视为无意见")
    orphaned = Transition((sent, no_reply), moot, by=Role.ENGINE, label="不再征求")
    oppose_late = Transition(
        (deemed, no_objection, remark, not_our_remit, moot),
        objects,
        by=Role.DEPARTMENT,
        data=Reversal,
        reopens=True,
        late_by=Role.OFFICE,
        label="事后不同意",
    )

    due = Deadline(sent, rule=fact("due_at"), fires=lapse, alerts=deadlines.remind("1 working day"), label="反馈期限")

    @agree.effect("keep_the_reply")
    @note.effect("keep_the_reply")
    @not_ours.effect("keep_the_reply")
    @oppose.effect("keep_the_reply")
    @oppose_late.effect("keep_the_reply")
    def keep_the_reply(self, ctx: Context[Any, DepartmentConsultationSettings]) -> Effects:
        """Keeps the reply, when it came, and whether that was after the letter's end."""
        late = not closes_in_time(ctx.received_at, from_text(ctx.case.facts["due_at"]))
        return Effects(facts={**ctx.given, "replied_at": to_text(ctx.now), "late": late})

    @oppose.effect("tell_the_office")
    def tell_the_office(self, ctx: Context[Opposition, DepartmentConsultationSettings]) -> Effects:
        """The office learns that a department opposes; nobody else does."""
        return Effects(tell=[Message("department_objects", to=Role.OFFICE, body=self._about(ctx))])

    @oppose_late.effect("raise_the_alarm")
    def raise_the_alarm(self, ctx: Context[Reversal, DepartmentConsultationSettings]) -> Effects:
        """Office and supervisor are alarmed, even after publication, and told where the item stands now.

        The item itself moves only if it still stands in this stage; from further on it is for the office to act.
        """
        item = ctx.parent
        body = {**self._about(ctx), "standing": item.state if item else None}
        return Effects(tell=[Message("late_objection", to=role, body=body) for role in (Role.OFFICE, Role.SUPERVISOR)])

    @lapse.effect("report_silence")
    def report_silence(self, ctx: Context[Any, DepartmentConsultationSettings]) -> Effects:
        """The office learns that the department has not replied, and what the plan makes of its silence."""
        body = {
            **self._about(ctx),
            "silence_is_consent": ctx.of is not None and ctx.of.facts.get("silence_is_consent") is True,
        }
        return Effects(tell=[Message("no_reply", to=Role.OFFICE, body=body)])

    @remind.effect("ask_again")
    def ask_again(self, ctx: Context[Any, DepartmentConsultationSettings]) -> Effects:
        """The department is reminded. The letter's end stays where it was."""
        return Effects(tell=[Message("reply_reminder", to=Role.DEPARTMENT, body=self._about(ctx))])

    @staticmethod
    def _about(ctx: Context[Any, Any]) -> dict[str, Any]:
        facts = ctx.case.facts
        return {"item": ctx.case.parent, "department": facts["department"], "due_at": facts["due_at"]}


class ConsultationLetter(Cohort):
    """征求意见函: one letter about many applications to many departments. It is sent once and never changes.

    Further departments, or a department that has finished replying, are asked by a further letter.
    """

    label = "征求意见函"
    indexed = ("document",)

    sent = State("已发函", final=True)

    send = Transition(START, sent, by=Role.OFFICE, data=Letter, label="发函")

    @send.guard("items_are_here")
    def items_are_here(self, ctx: Context[Letter, DepartmentConsultationSettings]) -> Refusal | None:
        """A letter is about at least one item, and only about items being consulted on."""
        members = ctx.members()
        if not members:
            return Refusal("no_members", "征求意见函未列任何申报项", "the letter lists no application")
        here = {m.id for m in ctx.members(DepartmentConsultation.consulting)}
        elsewhere = [m.id for m in members if m.id not in here]
        if elsewhere:
            return Refusal(
                "member_not_here",
                f"有{len(elsewhere)}项不在征求意见环节",
                f"{len(elsewhere)} application(s) are not being consulted on",
                {"cases": elsewhere[:20]},
            )
        return None

    @send.guard("departments_once")
    def departments_once(self, ctx: Context[Letter, DepartmentConsultationSettings]) -> Refusal | None:
        """A letter asks each department once."""
        asked = ctx.data.departments
        twice = sorted({d for d in asked if asked.count(d) > 1})
        if twice:
            return Refusal(
                "department_twice",
                f"部门重复:{'、'.join(twice)}",
                f"the letter asks a department twice: {', '.join(twice)}",
                {"departments": twice},
            )
        return None

    @send.guard("not_yet_asked")
    def not_yet_asked(self, ctx: Context[Letter, DepartmentConsultationSettings]) -> Refusal | None:
        """A department is not asked about an item while its answer to an earlier letter is outstanding."""
        asked = set(ctx.data.departments)
        outstanding = [
            [member.id, department]
            for member in ctx.members()
            for department in _outstanding(ctx, member)
            if department in asked
        ]
        if outstanding:
            return Refusal(
                "already_asked",
                f"有{len(outstanding)}项已向同一部门发函且尚未答复",
                f"{len(outstanding)} time(s) the department has been asked about the item and has not answered yet",
                {"outstanding": outstanding[:20]},
            )
        return None

    @send.guard("end_lies_ahead")
    def end_lies_ahead(self, ctx: Context[Letter, DepartmentConsultationSettings]) -> Refusal | None:
        """A printed end lies in the future."""
        printed = ctx.data.due_at
        if printed is not None and printed <= ctx.now:
            return Refusal(
                "end_not_later",
                "反馈截止时间必须晚于现在",
                "the end printed for replies must be later than now",
                {"due_at": to_text(printed)},
            )
        return None

    @send.effect("ask_each_about_each")
    def ask_each_about_each(self, ctx: Context[Letter, DepartmentConsultationSettings]) -> Effects:
        """Fixes the end, opens one consultation for each item and department, and tells each department."""
        given = ctx.data
        facts = {
            "document": given.document,
            "departments": list(given.departments),
            "silence_is_consent": given.silence_is_consent,
            **_end(ctx),
        }
        members = ctx.members()
        consultations = [
            Open(
                Consultation,
                parent=member,
                of=ctx.case,
                facts={"department": department, "due_at": facts["due_at"]},
                parties={Role.DEPARTMENT: department},
            )
            for member in members
            for department in given.departments
        ]
        body = {key: facts[key] for key in ("document", "due_at", "silence_is_consent")} | {"items": len(members)}
        letters = [Message("opinion_requested", to=Role.DEPARTMENT, scope=d, body=body) for d in given.departments]
        return Effects(facts=facts, open=consultations, tell=letters)


class DepartmentConsultation(Stage):
    """征求部门意见, seen from one application: it waits for every department asked, and for the office if one opposes.

    The office owns the wait: it sends the letters, and goes on without a department that stays silent. The departments
    own their consultations. What they say is internal: nobody outside is told.
    """

    name = "department_consultation"
    label = "征求部门意见"
    cases = (ConsultationLetter, Consultation)
    Settings = DepartmentConsultationSettings
    tables = (REPLIES,)

    consulting = State("征求意见中", owner=Role.OFFICE, initial=True)
    objected = State("部门有不同意见", owner=Role.OFFICE)
    rejected = State("不予通过", final=True)

    object_ = Transition(consulting, objected, when=any_in(Consultation, Consultation.objects), label="有部门不同意")
    clear = Transition(consulting, PASSED, when=settled(Consultation), label="反馈完毕")
    proceed = Transition(consulting, PASSED, by=Role.OFFICE, data=Decision, label="决定继续")
    override = Transition(objected, PASSED, by=Role.OFFICE, data=Decision, label="决定继续")
    reject = Transition(objected, rejected, by=Role.OFFICE, data=Decision, label="不予通过")

    phase = PhaseWindow(at_close={consulting: CARRY_ON, objected: CARRY_ON})

    @proceed.guard("only_silence_is_left")
    def only_silence_is_left(self, ctx: Context[Decision, DepartmentConsultationSettings]) -> Refusal | None:
        """The office goes on without a department only where its time to reply is over, and never without asking."""
        if not ctx.children(Consultation):
            return Refusal("nobody_asked", "尚未就该项征求部门意见", "no department has been asked about the item yet")
        if running := ctx.children(Consultation, Consultation.sent):
            return Refusal(
                "replies_running",
                f"尚有{len(running)}个部门的反馈期限未满",
                f"{len(running)} department(s) still have time to reply",
                {"departments": [c.facts["department"] for c in running][:20]},
            )
        return None

    @proceed.effect("keep_the_decision")
    def keep_the_decision(self, ctx: Context[Decision, DepartmentConsultationSettings]) -> Effects:
        """The item passes, with the decision and the departments it went on without; what they were asked is moot."""
        silent = [c.facts["department"] for c in ctx.children(Consultation, Consultation.no_reply)]
        return Effects(facts={"proceeded": {**ctx.given, "without": silent}})


def _end(ctx: Context[Letter, DepartmentConsultationSettings]) -> dict[str, str]:
    """The end of the letter: as printed, or with the rule and the calendar it was reckoned by."""
    if ctx.data.due_at is not None:
        return {"due_at": to_text(ctx.data.due_at)}
    reckoning = ctx.reckon(ctx.settings.reply)
    return {
        "due_at": to_text(reckoning.due_at),
        "rule": str(reckoning.period),
        "calendar": reckoning.calendar_version,
    }


def _outstanding(ctx: Context[Any, Any], member: CaseView) -> list[str]:
    """The departments whose answer about this item, on this visit, is outstanding."""
    return [
        c.facts["department"]
        for c in ctx.reads.children(member.id, Consultation.kind)
        if (c.stage, c.visit) == (ctx.case.stage, member.visit) and not ctx.is_final(c)
    ]
