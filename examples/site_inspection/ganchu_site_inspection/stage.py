"""现场核查: an inspector goes to see the product where it is made, and the office decides on what was found there.

The press conference on 赣出精品 does not name this stage; 江西名牌产品 (2018) and 井冈质量奖 had one (现场评审). Who is
visited, by whom and within which time are therefore the plan's to say: every default here is only a default.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field

from ganchu_site_inspection.tables import RECORDS
from ganchu_workflow.actors import Role
from ganchu_workflow.process import (
    CARRY_ON,
    PASSED,
    START,
    CaseView,
    Context,
    Correctable,
    CorrectionSettings,
    Data,
    Deadline,
    Effects,
    Evidence,
    Lifecycle,
    Message,
    PhaseWindow,
    Private,
    Refusal,
    Resubmission,
    Stage,
    State,
    Transition,
    all_of,
    any_in,
    any_open,
    none_open,
    setting,
)
from ganchu_workflow.timing import Period

# ── what a plan may set ───────────────────────────────────────────────────────────────────────────────────────────


class SiteInspectionSettings(CorrectionSettings):
    """The settings of 现场核查; those of the rectification (`correction`, `corrections`) are inherited."""

    visit_within: Period = Period.parse("10 working days")
    """How long an inspector has to go and to report (default, not a rule of 赣出精品)."""
    confirm_within: Period = Period.parse("3 working days")
    """How long the enterprise has to say something to the record; silence is taken for confirmation (default, not a
    rule of 赣出精品)."""
    look_again: bool = False
    """Whether a rectification counts only once an inspector has seen it (default, not a rule of 赣出精品)."""


# ── what must be given to take a step ─────────────────────────────────────────────────────────────────────────────

DocumentNumber = Annotated[str, Field(min_length=1, max_length=120)]
FreeText = Annotated[str, Private, Field(min_length=1, max_length=4000)]
"""Free text may name people: in the record stands only its commitment, the text itself can be erased."""


class Assignment(Data):
    """Who goes, on which order, and on which day."""

    inspector: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """A reference to the inspector, never a name."""
    document: DocumentNumber
    planned_on: date


class Record(Data):
    """现场核查记录: what the inspector found, and the signed sheet."""

    visited_on: date
    conforms: bool
    findings: Annotated[str, Private, Field(max_length=4000)] = ""
    sheet: Evidence


class Confirmation(Data):
    """What the enterprise says to the record."""

    remark: Annotated[str, Private, Field(max_length=4000)] = ""


class Conclusion(Data):
    """The office's conclusion: the number of its document."""

    document: DocumentNumber


class ReasonedConclusion(Conclusion):
    """A conclusion that states its reason."""

    reason: FreeText


# ── the sub-case: one visit ───────────────────────────────────────────────────────────────────────────────────────


class SiteVisit(Lifecycle):
    """核查任务: one inspector visits once. Its parent is the application, which waits for it.

    An inspector who does not report in time loses the task: the visit lapses, and the office sends somebody else. The
    enterprise may say something to the record; if it stays silent the record is taken as confirmed.
    """

    label = "核查任务"
    indexed = ("inspector",)

    assigned = State("已派核查任务", owner=Role.EXPERT, initial=True)
    visited = State("待企业确认", owner=Role.APPLICANT)
    confirmed = State("企业已确认", final=True)
    deemed_confirmed = State("视为无异议", final=True)
    lapsed = State("逾期未核查", final=True)
    called_back = State("任务已撤回", final=True)

    assign = Transition(START, assigned, by=Role.OFFICE, data=Assignment, label="派单")
    report = Transition(assigned, visited, by=Role.EXPERT, data=Record, label="提交核查记录")
    confirm = Transition(visited, confirmed, by=Role.APPLICANT, data=Confirmation, label="确认核查记录")
    deem = Transition(visited, deemed_confirmed, by=Role.CLOCK, label="逾期视为无异议")
    lapse = Transition(assigned, lapsed, by=Role.CLOCK, label="逾期未核查")
    call_back = Transition(assigned, called_back, by=Role.OFFICE, data=ReasonedConclusion, label="撤回任务")
    orphaned = Transition((assigned, visited), called_back, by=Role.ENGINE, label="不再核查")

    visit_due = Deadline(assigned, rule=setting("visit_within"), fires=lapse, admits=report, label="核查期限")
    confirmation_due = Deadline(visited, rule=setting("confirm_within"), fires=deem, admits=confirm, label="确认期限")

    @assign.guard("ready_for_a_visit")
    def ready_for_a_visit(self, ctx: Context[Assignment, SiteInspectionSettings]) -> Refusal | None:
        """One visit at a time: the application waits for its first one, or for a second look."""
        application = ctx.parent
        ready = (SiteInspection.planned, SiteInspection.assessing)
        if application is None or not any(ctx.stands_in(application, state) for state in ready):
            return Refusal(
                "not_ready_for_a_visit",
                "该项当前不能派核查任务(未到本环节、正在核查或正在整改)",
                "nobody can be sent now: it is being visited or rectified, or does not stand in this stage",
            )
        return None

    @assign.effect("send_the_inspector")
    def send_the_inspector(self, ctx: Context[Assignment, SiteInspectionSettings]) -> Effects:
        """The inspector becomes a party, so that the visit is theirs alone; inspector and enterprise are told."""
        body = {"planned_on": ctx.given["planned_on"]}
        return Effects(
            facts=ctx.given,
            parties={Role.EXPERT: ctx.data.inspector},
            tell=[
                Message("site_visit_assigned", to=Role.EXPERT, body=body | {"document": ctx.data.document}),
                Message("site_visit_announced", to=Role.APPLICANT, body=body),
            ],
        )

    @report.guard("findings_are_stated")
    def findings_are_stated(self, ctx: Context[Record, SiteInspectionSettings]) -> Refusal | None:
        """Who reports that something does not conform says what."""
        if not ctx.data.conforms and not ctx.data.findings:
            return Refusal("findings_missing", "不符合的须写明核查发现", "say what does not conform")
        return None

    @report.effect("show_the_record")
    def show_the_record(self, ctx: Context[Record, SiteInspectionSettings]) -> Effects:
        """Keeps the record, and asks the enterprise to confirm it."""
        body = {"visited_on": ctx.given["visited_on"]}
        return Effects(facts=ctx.given, tell=[Message("site_visit_recorded", to=Role.APPLICANT, body=body)])

    @confirm.effect("keep_the_remark")
    def keep_the_remark(self, ctx: Context[Confirmation, SiteInspectionSettings]) -> Effects:
        """What the enterprise says is kept beside the record."""
        return Effects(facts=ctx.given)

    @lapse.effect("tell_the_office")
    def tell_the_office(self, ctx: Context[Any, SiteInspectionSettings]) -> Effects:
        """The office learns that it must send somebody else."""
        facts = ctx.case.facts
        body = {"inspector": facts["inspector"], "planned_on": facts["planned_on"]}
        return Effects(tell=[Message("site_visit_lapsed", to=Role.OFFICE, body=body)])


# ── the stage, seen from one application ──────────────────────────────────────────────────────────────────────────


class SiteInspection(Correctable, Stage):
    """现场核查, seen from one application: visited, assessed, rectified where something must be, and passed on.

    Visits are ordered while the phase is open; one that is under way when it closes runs on. What does not conform can
    be rectified (整改): silence then ends the application here, in a final of this stage's own.
    """

    name = "site_inspection"
    label = "现场核查"
    cases = (SiteVisit,)
    tables = (RECORDS,)
    Settings = SiteInspectionSettings

    planned = State("待安排核查", owner=Role.OFFICE, initial=True)
    inspecting = State("核查中", owner=Role.EXPERT)
    assessing = State("核查结论待定", owner=Role.OFFICE)
    failed = State("现场核查不通过", final=True)
    not_rectified = State("逾期未整改", final=True)
    desk = assessing  # where the mixin takes the file from for correction, and puts it back

    # The engine moves the application when its visits have moved. The order decides: with a record it is assessed, and
    # only without one does it wait for another visit.
    begin = Transition((planned, assessing), inspecting, when=any_open(SiteVisit), label="开始核查")
    assess = Transition(
        inspecting,
        assessing,
        when=all_of(none_open(SiteVisit), any_in(SiteVisit, SiteVisit.confirmed, SiteVisit.deemed_confirmed)),
        label="核查完成",
    )
    plan_again = Transition(inspecting, planned, when=none_open(SiteVisit), label="须另行派人")

    approve = Transition(assessing, PASSED, by=Role.OFFICE, data=Conclusion, label="核查通过")
    waive = Transition(planned, PASSED, by=Role.OFFICE, data=ReasonedConclusion, label="免于现场核查")
    fail = Transition(assessing, failed, by=Role.OFFICE, data=ReasonedConclusion, label="核查不通过")

    # Inherited transitions belong to every stage that has the mixin. To change what one does, it is declared anew here.
    resubmit = Transition(Correctable.correcting, assessing, by=Role.APPLICANT, data=Resubmission, label="提交整改材料")
    give_up = Transition(Correctable.correcting, not_rectified, by=Role.CLOCK, label="逾期未整改")

    phase = PhaseWindow(
        admits=SiteVisit.assign,
        at_close={planned: CARRY_ON, inspecting: CARRY_ON, assessing: CARRY_ON, Correctable.correcting: CARRY_ON},
    )

    @approve.guard("site_conforms")
    def site_conforms(self, ctx: Context[Conclusion, SiteInspectionSettings]) -> Refusal | None:
        """The last record says that the site conforms, or what it found has been rectified since."""
        last = _last_record(ctx)
        if last is None or last.facts["conforms"]:
            return None
        if ctx.settings.look_again:
            return Refusal(
                "second_look_needed",
                "整改须经现场复查,请再派核查任务",
                "a rectification counts only once it has been seen: send an inspector again",
                {"visit": last.id},
            )
        if ctx.case.facts.get("rectified") != last.id:
            return Refusal(
                "site_does_not_conform",
                "最近一次核查结论为不符合,且尚未整改",
                "the last record says that the site does not conform, and nothing has been rectified since",
                {"visit": last.id},
            )
        return None

    @approve.effect("keep_the_conclusion")
    @waive.effect("keep_the_conclusion")
    @fail.effect("keep_the_conclusion")
    def keep_the_conclusion(self, ctx: Context[Conclusion, SiteInspectionSettings]) -> Effects:
        """The conclusion is kept. Nobody outside is told before the results are announced."""
        decision = ctx.trigger.rpartition(".")[2]
        return Effects(facts={"site_inspection": {**ctx.given, "decision": decision}})

    @resubmit.effect("keep_the_rectification")
    def keep_the_rectification(self, ctx: Context[Resubmission, SiteInspectionSettings]) -> Effects:
        """The evidence joins the file as a new version, and answers what the last visit found."""
        facts, last = ctx.case.facts, _last_record(ctx)
        return Effects(
            facts={
                "documents": [*facts.get("documents", ()), *ctx.given["documents"]],
                "version": facts.get("version", 1) + 1,
                "rectified": last.id if last else None,
            }
        )

    @give_up.effect("tell_the_applicant")
    def tell_the_applicant(self, ctx: Context[Any, SiteInspectionSettings]) -> Effects:
        """The applicant is told what its silence meant."""
        return Effects(tell=[Message("site_not_rectified", to=Role.APPLICANT)])


def _last_record(ctx: Context[Any, Any]) -> CaseView | None:
    """The last visit on this entry into the stage that left a record the enterprise had its say on."""
    recorded = ctx.children(SiteVisit, SiteVisit.confirmed, SiteVisit.deemed_confirmed)
    return recorded[-1] if recorded else None
