"""Short rounds that between them reach every state, and fire every transition, of a plan with the notice used twice.

Each is a plan's settings and a story; the applications are called after what becomes of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ganchu_workflow import CaseView, Role, Workflow
from ganchu_workflow.testing import OFFICE, SUPERVISOR, RoundScript, citizen, declaration_of, evidence, expert, firm
from ganchu_workflow.timing import Overlay
from tests.rounds.script import BOTH, ENVIRONMENT, NANCHANG, TAX, with_a_day_off

STAGES = (
    "self_declaration",
    "local_notice",
    "local_recommendation",
    "qualification_check",
    "expert_review",
    "department_consultation",
    "deliberation",
    "public_notice",
    "announcement",
)
GROUND = {"ground": "依据〔1〕号"}
DECIDED = {"reason_code": "other", "text": "不符合条件"}
REVERSAL = {"document": "撤〔1〕号", "reason": "核实后更正"}
SLIP = {"name": "邮件签收单", "sha256": "0" * 64, "uri": "oa://slip/1"}
RESOLVED = {"document": "审〔1〕号", "reason": "会议认为尚需研究"}

NEW_YEAR_OF_2090 = Overlay(2090, "测试用通知", "", None, (date(2090, 1, 1),), (), {date(2090, 1, 1): "元旦"})


@dataclass(frozen=True)
class Scenario:
    """A story, the instant it begins, and the settings it needs, by stage."""

    name: str
    play: Callable[[RoundScript], None]
    start: str = "2022-09-01T09:00"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ends: Mapping[str, str] = field(default_factory=dict)
    """Where every application stands in the end."""


def first_stages(script: RoundScript) -> None:
    """Declaration, recommendation and check, each in its own time, with every way to end there."""
    script.at("2022-03-01T09:00")
    script.draft("lapses", "saved", "taken_back")
    script.declare("amended", "never_corrected", "refused")
    city = ("declined", "sent_back", "never_answers", "leaves_the_city", "missed")
    checked = ("passes", "reconsidered", "deferred", "corrected", "stays_silent", "leaves_the_check", "revoked")
    script.declare(*city, *checked, "over_quota")
    script.fire("saved", "save", firm("saved"), **declaration_of("saved"))
    script.fire("taken_back", "withdraw", firm("taken_back"), reason="改变主意")
    for name in ("amended", "never_corrected"):
        script.fire(name, "return_for_correction", OFFICE, items=["检测报告"])
    script.fire("amended", "amend", firm("amended"), **declaration_of("amended"))
    script.fire("amended", "resubmit", firm("amended"), documents=[evidence("other", "amended")])
    script.fire("refused", "refuse", OFFICE, **DECIDED)
    script.fire_each([*city, *checked, "over_quota", "amended"], "accept", OFFICE)
    phase = script.phase("self_declaration")
    script.fire(phase, "extend", OFFICE, closes_at="2022-04-01T17:30:00+08:00", **GROUND)

    script.at("2022-04-11T10:00")
    script.carry(*city, *checked, "over_quota", to="local_recommendation")
    script.fire(script.open("recommendation", NANCHANG), "cancel", NANCHANG)
    script.fire("declined", "decline", NANCHANG, **DECIDED)
    for name in ("sent_back", "never_answers"):
        script.fire(name, "return_for_correction", NANCHANG, items=["盖章"])
    script.fire("sent_back", "resubmit", firm("sent_back"))
    script.fire("leaves_the_city", "withdraw", firm("leaves_the_city"), reason="改变主意")
    script.recommend("sent_back", *checked, "over_quota", by=NANCHANG)

    script.fire("revoked", "revoke", NANCHANG, **REVERSAL)
    script.fire("leaves_the_check", "withdraw", firm("leaves_the_check"), reason="改变主意")
    script.fire("deferred", "defer", OFFICE, **DECIDED)
    script.fire("deferred", "resume", OFFICE)
    for name in ("corrected", "stays_silent"):
        script.fire(name, "return_for_correction", OFFICE, items=["签字"])
    script.fire("corrected", "resubmit", firm("corrected"))
    script.fire("reconsidered", "disqualify", OFFICE, **DECIDED)
    script.fire("reconsidered", "reconsider", OFFICE, **REVERSAL)
    script.at("2022-05-09T09:00")
    looked_up = {"abnormal": False, "dishonest": False, "accident": False, "stopped": False}
    script.fire("passes", "record", OFFICE, **looked_up)
    script.fire("passes", "qualify", OFFICE)
    phase = script.phase("qualification_check")
    script.fire(phase, "close_early", OFFICE, document="通〔1〕号", **GROUND)
    script.fire(phase, "reopen", OFFICE, closes_at="2022-12-30T17:30:00+08:00", **REVERSAL)


def review(script: RoundScript) -> None:
    """Panels: seats refused and left unanswered, sheets void on every ground, a ranking that is computed six times."""
    script.carry("a", "b", "c", "d", "withdrawn", "too_few", "short", to="expert_review")
    script.fire(script.convene("a"), "disband", OFFICE, **GROUND)
    panel = script.convene("a", "b", "c", "d", "withdrawn", "too_few", "short", reserves=2)
    first = script.children(panel, "seat")[0]
    script.fire(first, "decline", expert(first.parties[Role.EXPERT]))
    silent, *others = script.children(panel, "seat", "invited")
    for seat in others:
        script.fire(seat, "accept", expert(seat.parties[Role.EXPERT]))
    script.past_next_due()
    assert script.state(silent) == "declined"
    script.staff(panel)
    script.fire(panel, "begin", OFFICE)

    script.fire("withdrawn", "withdraw", firm("withdrawn"), reason="停产")
    by_expert, by_supervisor, *_ = script.sheets("too_few")
    script.fire(by_expert, "recuse", expert(by_expert.parties[Role.EXPERT]), **GROUND)
    script.fire(by_supervisor, "recuse", SUPERVISOR, **GROUND)
    script.score("too_few", 80, 80, 80)
    script.fire("too_few", "regroup", OFFICE)
    script.score("short", 80, 80, 80, 80, 80)
    for sheet in script.sheets("short")[:2]:
        script.recuse_late(sheet)
    script.fire("short", "withdraw", firm("short"), reason="停产")

    script.score("a", 90, 90, 90, 90, 90)
    script.score("b", 100, 100, 70, 70, 70)  # 80
    script.score("c", 88, 81, 78, 78, 78)  # 79
    script.score("d", 100, 75, 75, 75, 50)  # 75
    script.fire(panel, "rank", OFFICE)
    script.recuse_late(_sheet(script, "b", 100))  # 77.5: b goes to the reserve, c moves up
    script.recuse_late(_sheet(script, "d", 50))  # 81.25: d moves up, c goes to the reserve, b out of it
    script.recuse_late(_sheet(script, "a", 90))
    script.recuse_late(_sheet(script, "a", 90))  # three sheets are no result, and its place stays empty
    script.recuse_late(_sheet(script, "c", 78))  # 81.25: level with d at the cut
    script.fire(panel, "break_tie", OFFICE, tie_break=[script.id("c"), script.id("d")], **REVERSAL)
    script.fire("d", "fill", OFFICE)
    script.fire("a", "regroup", OFFICE)

    second = script.panel("too_few", "a")
    script.score("too_few", 80, 80, 80, 80, 80)
    script.score("a", 70, 70, 70, 70, 70)
    script.fire(second, "rank", OFFICE)
    script.fire("too_few", "release", OFFICE)


def _sheet(script: RoundScript, name: str, total: int) -> CaseView:
    return next(s for s in script.sheets(name, "scored") if s.facts["hundredths"] == total * 100)


def opinions(script: RoundScript) -> None:
    """What departments say and do not say, and what a meeting resolves."""
    first = ("noted", "deemed", "overridden", "rejected", "leaves")
    script.carry(*first, "reminded", "leaves_the_meeting", "passed_over", to="department_consultation")
    script.consult(*first, silence_is_consent=True, departments=BOTH)
    script.consult("reminded", "leaves_the_meeting", "passed_over", document="征〔2〕号", departments=BOTH)
    script.reply("noted", ENVIRONMENT, "note", remark="提请关注")
    script.reply("noted", TAX, "not_ours")
    script.reply("overridden", ENVIRONMENT, "oppose", ground="排放超标")
    script.fire("overridden", "override", OFFICE, **RESOLVED)
    script.reply("rejected", ENVIRONMENT, "oppose", ground="排放超标")
    script.fire("rejected", "reject", OFFICE, **RESOLVED)
    script.fire("leaves", "withdraw", firm("leaves"), reason="停产")
    for name in ("deemed", "reminded", "leaves_the_meeting", "passed_over"):
        script.reply(name, ENVIRONMENT)
    script.reply("leaves_the_meeting", TAX)
    script.later(days=14)
    script.fire(script.consultation("reminded", TAX), "remind", OFFICE)
    script.reply("reminded", TAX)
    script.fire("passed_over", "proceed", OFFICE, **RESOLVED)

    script.fire("noted", "approve", OFFICE, document="审〔1〕号")
    script.fire("overridden", "approve_with_changes", OFFICE, document="审〔1〕号", changes="更名")
    script.fire("deemed", "hold", OFFICE, **RESOLVED)
    script.reply("deemed", TAX, "oppose_late", reason="新查明的情况")
    script.fire("deemed", "send_back", OFFICE, **RESOLVED)
    script.fire("reminded", "reject", OFFICE, **RESOLVED)
    script.fire("leaves_the_meeting", "withdraw", firm("leaves_the_meeting"), reason="停产")


def local_notice(script: RoundScript) -> None:
    _notices(script, "local_notice")


def public_notice(script: RoundScript) -> None:
    _notices(script, "public_notice")


def _notices(script: RoundScript, stage: str) -> None:
    """A notice and its objections, with everything that can happen to either."""
    names = ("cleared", "respelt", "held", "removed", "leaves", "relisted")
    script.carry(*names, to=stage)
    script.fire(script.draft_notice("cleared", stage=stage), "drop", OFFICE, **GROUND)
    notice = script.notice(*names, stage=stage)
    held = script.object("held", notice, "一")
    script.fire(held, "admit", OFFICE)
    for ordinal, name in ((2, "respelt"), (3, "held")):
        slip = {"ordinal": ordinal, "field": "product", "value": f"{name}(更正)", "document": "更〔1〕号"}
        script.fire(notice, "correct", OFFICE, **slip, **GROUND)
    script.fire(script.object("cleared", notice, "二", anonymous=True), "refuse", OFFICE, ground="anonymous")
    script.fire(script.object("cleared", notice, "三"), "withdraw", citizen("三"))
    upheld = script.object("removed", notice, "四")
    script.fire(upheld, "admit", OFFICE)
    script.fire(upheld, "uphold", OFFICE, document="核〔1〕号", finding="属实")
    script.fire("leaves", "withdraw", firm("leaves"), reason="停产")
    script.fire("relisted", "relist", OFFICE, **GROUND)
    script.fire(notice, "extend", OFFICE, closes_at="2022-12-01T17:30:00+08:00", **GROUND)
    script.fire(notice, "take_down", OFFICE, **GROUND)
    script.fire(notice, "restore", OFFICE, **GROUND)
    script.fire(notice, "take_down", OFFICE, **GROUND)
    script.fire(held, "extend", OFFICE, **GROUND)
    script.at("2022-12-05T09:00")  # the examination is over its end, and so is the notice, which is down
    script.fire(notice, "restore", OFFICE, closes_at="2022-12-06T17:30:00+08:00", **GROUND)
    script.at("2022-12-07T09:00")
    script.fire(held, "dismiss", OFFICE, document="核〔2〕号", finding="查无实据")
    again = script.notice("relisted", stage=stage)
    script.fire(again, "take_down", OFFICE, **GROUND)
    script.fire(again, "drop", OFFICE, **GROUND)


def after_the_announcement(script: RoundScript) -> None:
    """The recognitions of four chosen ones: one is renewed and expires, one given up, one revoked, one nearly so.

    The last is not renewed either. A fifth was never announced.
    """
    script.carry("expires", "gives_up", "revoked", "spared", "set_aside", to="announcement")
    script.fire("set_aside", "set_aside", OFFICE, **RESOLVED)
    script.announce("expires", "gives_up", "revoked", "spared")
    script.fire(script.round, "close", OFFICE)
    renamed = {"enterprise": "新名有限公司", "document": "变〔1〕号"}
    script.fire(script.recognition("expires"), "rename", OFFICE, **renamed)
    script.fire(script.recognition("gives_up"), "cancel", firm("gives_up"), reason="不再生产")
    notified = {"document": "告〔1〕号", "facts": "申报材料造假"}
    revoked = script.open("revocation", OFFICE, parent=script.recognition("revoked"), **notified)
    script.fire(revoked, "hear", firm("revoked"), statement="已整改")
    script.fire(revoked, "decide", OFFICE, document="撤〔1〕号", reason="属实")
    on_its_way: dict[str, Any] = {**notified, "to_be_served": True}
    spared = script.open("revocation", OFFICE, parent=script.recognition("spared"), **on_its_way)
    script.later(days=2)
    served = {"served_at": script.now.isoformat(), "means": "signed_post", "evidence": SLIP}
    script.fire(spared, "serve", OFFICE, **served)
    script.later(days=10)
    script.fire(spared, "drop", OFFICE, **GROUND)
    script.later(days=380)
    script.fire(script.recognition("expires"), "renew", OFFICE, document="复〔1〕号")
    script.fire(script.recognition("spared"), "decline_renewal", OFFICE, **RESOLVED)
    script.later(days=420)


def _entered(script: RoundScript, received: str) -> Workflow:
    return script.wf.entering_late(script.instant(received), by=OFFICE, reason="窗口收件,未及时录入", evidence=SLIP)


def on_paper(script: RoundScript) -> None:
    """What came in time on paper is entered late; others are reminded, and an outage lengthens what fell into it;
    so does a day that is given off in mid-year."""
    script.at("2022-03-01T09:00")
    script.draft("keyed_in")
    script.declare("corrected", "reminded")
    script.fire_each(["corrected", "reminded"], "return_for_correction", OFFICE, items=["检测报告"])
    script.at("2022-03-10T09:00")
    corrected = _entered(script, "2022-03-08T17:30")
    documents = [evidence("other", "corrected")]
    corrected.fire(script.id("corrected"), "resubmit", {"documents": documents}, actor=firm("corrected"))
    script.declare("kept_out")
    script.fire("kept_out", "return_for_correction", OFFICE, items=["检测报告"])
    script.at("2022-03-17T09:00")
    script.at("2022-03-17T18:00", tick=False)
    outage = {"began": "2022-03-17T15:00:00+08:00", "ended": "2022-03-17T17:45:00+08:00"}
    outage |= {"until": "2022-03-18T17:30:00+08:00", "document": "办〔1〕号", "ground": "方案第八条"}
    script.fire(script.round, "round:extend_for_outage", OFFICE, **outage)
    script.fire("kept_out", "resubmit", firm("kept_out"), documents=[evidence("other", "kept_out")])
    script.declare("lengthened")
    script.fire("lengthened", "return_for_correction", OFFICE, items=["检测报告"])
    script.wf.import_calendar(with_a_day_off(date(2022, 3, 22)), actor=OFFICE)
    script.at("2022-04-01T09:00")
    submitted = {"truthful": True}
    _entered(script, "2022-03-31T17:30").fire(script.id("keyed_in"), "submit", submitted, actor=firm("keyed_in"))
    script.fire_each(["corrected", "keyed_in", "kept_out"], "accept", OFFICE)
    script.carry("corrected", "keyed_in", "kept_out", to="local_recommendation")
    letter = script.open("recommendation", NANCHANG)
    script.at("2022-05-09T09:00")
    ranks = {script.id(name): rank for rank, name in enumerate(("corrected", "keyed_in"), start=1)}
    issued = {"letter": "荐〔1〕号", "ranks": ranks}
    _entered(script, "2022-05-06T17:30").fire(letter, "issue", issued, actor=NANCHANG)
    script.later(days=30)


def before_the_notice_of_the_year(script: RoundScript) -> None:
    """Corrections in a year that nobody has published yet: their ends are changed by acts, and found on the import."""
    script.declare("extended", "goes_on", "ended", "never_known")
    script.fire_each(
        ["extended", "goes_on", "ended", "never_known"], "return_for_correction", OFFICE, items=["检测报告"]
    )
    about = {"deadline": "correction_due", "ground": "方案第五条"}
    on_paper = {**about, "document": "办〔2〕号"}
    script.fire("never_known", "deadline:end", OFFICE, **on_paper)
    script.fire("extended", "deadline:suspend", OFFICE, **on_paper)
    script.fire("goes_on", "deadline:suspend", OFFICE, **about)
    script.later(days=1)
    script.fire("extended", "deadline:resume", OFFICE, **on_paper)
    script.fire("goes_on", "deadline:resume", OFFICE, **about)
    script.wf.import_calendar(NEW_YEAR_OF_2090, actor=OFFICE)
    script.fire("extended", "deadline:extend", OFFICE, **about, until="2090-03-20T17:30:00+08:00")
    script.fire("ended", "deadline:end", OFFICE, **about)
    script.later(days=30)


def cancelled(script: RoundScript) -> None:
    """The round is cancelled with an application in every stage."""
    for stage in STAGES:
        script.carry(f"in_{stage}", to=stage)
    script.fire(script.round, "cancel", OFFICE, **GROUND)


def _noticed(stage: str, cleared: str) -> dict[str, str]:
    left = {"removed": f"{stage}.removed", "leaves": "withdrawn", "relisted": f"{stage}.listed"}
    return {**dict.fromkeys(("cleared", "respelt", "held"), cleared), **left}


SCENARIOS = (
    Scenario(
        "first_stages",
        first_stages,
        start="2022-02-28T10:00",
        settings={
            "self_declaration": {
                "window": {"opens": "2022-03-01T01:00:00.000000Z", "closes": "2022-03-31T09:30:00.000000Z"}
            },
            "local_notice": {"window": "1 hour"},
            "local_recommendation": {
                "window": {"opens": "2022-04-11T01:00:00.000000Z", "closes": "2022-05-06T09:30:00.000000Z"},
                "quota": {"360100": 8},
            },
        },
        ends={
            "lapses": "self_declaration.lapsed",
            "saved": "self_declaration.lapsed",
            "taken_back": "withdrawn",
            "amended": "local_notice.listed",
            "never_corrected": "withdrawn",
            "refused": "self_declaration.not_accepted",
            "declined": "local_recommendation.not_recommended",
            "sent_back": "qualification_check.checking",
            "never_answers": "withdrawn",
            "leaves_the_city": "withdrawn",
            "missed": "local_recommendation.missed",
            "passes": "expert_review.grouping",
            "reconsidered": "qualification_check.checking",
            "deferred": "qualification_check.checking",
            "corrected": "qualification_check.checking",
            "stays_silent": "qualification_check.deemed_withdrawn",
            "leaves_the_check": "withdrawn",
            "revoked": "local_recommendation.not_recommended",
            "over_quota": "local_recommendation.over_quota",
        },
    ),
    Scenario(
        "review",
        review,
        settings={"expert_review": {"places": 2, "reserve_places": 1, "panel_size": 5, "panel_size_min": 5}},
        ends={
            "a": "expert_review.not_shortlisted",
            "b": "expert_review.not_shortlisted",
            "c": "department_consultation.consulting",
            "d": "department_consultation.consulting",
            "withdrawn": "withdrawn",
            "too_few": "expert_review.not_shortlisted",
            "short": "withdrawn",
        },
    ),
    Scenario(
        "opinions",
        opinions,
        ends={
            "noted": "public_notice.listed",
            "deemed": "expert_review.grouping",
            "overridden": "public_notice.listed",
            "passed_over": "deliberation.tabled",
            "rejected": "department_consultation.rejected",
            "leaves": "withdrawn",
            "reminded": "deliberation.rejected",
            "leaves_the_meeting": "withdrawn",
        },
    ),
    Scenario("local_notice", local_notice, ends=_noticed("local_notice", "local_recommendation.pending")),
    Scenario("public_notice", public_notice, ends=_noticed("public_notice", "announcement.decided")),
    Scenario(
        "after_the_announcement",
        after_the_announcement,
        settings={"announcement": {"validity": "1 year", "grace": "30 calendar days, no roll"}},
        ends={
            **dict.fromkeys(("expires", "gives_up", "revoked", "spared"), "announcement.announced"),
            "set_aside": "announcement.set_aside",
        },
    ),
    Scenario(
        "on_paper",
        on_paper,
        start="2022-02-28T10:00",
        settings={
            "self_declaration": {
                "window": {"opens": "2022-03-01T01:00:00.000000Z", "closes": "2022-03-31T09:30:00.000000Z"}
            },
            "local_notice": {"window": "1 hour"},
            "local_recommendation": {
                "window": {"opens": "2022-04-02T01:00:00.000000Z", "closes": "2022-05-06T09:30:00.000000Z"},
                "quota": {"360100": 8},
            },
        },
        ends={
            "corrected": "qualification_check.checking",
            "keyed_in": "qualification_check.checking",
            "kept_out": "local_recommendation.missed",
            "reminded": "withdrawn",
            "lengthened": "withdrawn",
        },
    ),
    Scenario(
        "before_the_notice_of_the_year",
        before_the_notice_of_the_year,
        start="2090-02-28T10:00",
        settings={
            "self_declaration": {
                "window": {"opens": "2090-02-28T01:00:00.000000Z", "closes": "2090-04-28T09:30:00.000000Z"}
            },
            "local_notice": {"window": "1 hour"},
            "local_recommendation": {
                "window": {"opens": "2090-05-02T01:00:00.000000Z", "closes": "2090-05-31T09:30:00.000000Z"},
                "quota": {"360100": 8},
            },
        },
        ends=dict.fromkeys(("extended", "goes_on", "ended", "never_known"), "withdrawn"),
    ),
    Scenario("cancelled", cancelled, ends={f"in_{stage}": "called_off" for stage in STAGES}),
)
