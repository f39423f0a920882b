"""Time in the seven stages: paper that came in time, service that has to be shown, ends that are printed and stand."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from ganchu_workflow import Receipt, Workflow
from ganchu_workflow.clock import from_text
from ganchu_workflow.testing import OFFICE, RoundScript, citizen, firm
from ganchu_workflow.timing import read_overlay
from tests.rounds.script import code_of, plan_of, refusal_of, shown

Make = Callable[..., RoundScript]
SLIP = {"name": "邮件签收单", "sha256": "0" * 64, "uri": "oa://slip/1"}
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def make(database_url: str) -> Iterator[Make]:
    made: list[RoundScript] = []

    def one(start: str = "2026-09-18T09:00", **settings: Any) -> RoundScript:
        made.append(RoundScript(plan_of("TIME", **settings), database=database_url, start=start))
        return made[-1]

    yield one
    for script in made:
        script.close()


def entered(script: RoundScript, received: Any) -> Workflow:
    return script.wf.entering_late(script.instant(received), by=OFFICE, reason="窗口收件", evidence=SLIP)


def test_an_objection_that_came_in_time_is_taken_though_its_notice_has_closed(make: Make) -> None:
    script = make()
    script.carry("甲", to="public_notice")
    notice = script.notice("甲")
    closes = from_text(script.facts(notice)["closes_at"])
    script.past(notice, "closes_at")
    assert script.state("甲") == "announcement.decided"
    data = {"ground": "商标不属其所有", "name": "某某(虚构)", "contact": "地址(虚构)", "signed": True}

    def late(when: datetime) -> Receipt:
        wf = entered(script, when)
        return wf.open("objection", data, actor=citizen("一"), parent=script.id("甲"), of=notice)

    assert code_of(lambda: late(closes + MICROSECOND)) == "window_closed"
    filed = late(closes)
    assert script.wf.case(filed).state == "filed"
    assert script.told("office")[-1] == "objection_filed"
    assert code_of(lambda: script.object("甲", notice, "二")) == "window_closed"
    assert script.verify().problems == []


def test_what_is_not_served_yet_is_listed_and_no_silence_is_assumed(make: Make) -> None:
    script = make()
    script.carry("甲")
    notified: dict[str, Any] = {"document": "告〔1〕号", "facts": "申报材料造假", "to_be_served": True}
    held = script.recognition("甲")
    revocation = script.open("revocation", OFFICE, parent=held, **notified)
    sent_at = script.now
    script.later(days=60)
    assert script.wf.case(revocation).state == "noticed"
    [unserved] = script.wf.overdue().unserved
    assert (unserved.case, unserved.fact, unserved.since) == (revocation.case_id, "served_at", sent_at)
    assert "revocation_noticed" not in script.told("applicant", "firm-甲")

    served_at = script.now - timedelta(days=1)
    served: dict[str, Any] = {"served_at": served_at.isoformat(), "means": "receipt", "evidence": SLIP}
    assert code_of(lambda: script.fire(revocation, "serve", OFFICE, **{**served, "evidence": None})) == "data_invalid"
    future = (script.now + MICROSECOND).isoformat()
    assert code_of(lambda: script.fire(revocation, "serve", OFFICE, **{**served, "served_at": future})) == (
        "not_yet_served"
    )
    script.fire(revocation, "serve", OFFICE, **served)

    assert script.wf.overdue().unserved == ()
    [hearing] = script.wf.deadlines(revocation)
    assert (hearing.label, hearing.since) == ("陈述申辩期限", served_at)
    assert code_of(lambda: script.fire(revocation, "serve", OFFICE, **served)) == "served_before"
    assert hearing.due_at is not None
    script.at(hearing.due_at + MICROSECOND)
    assert script.wf.case(revocation).state == "heard"
    entered(script, hearing.due_at).fire(revocation, "hear", {"statement": "已整改"}, actor=firm("甲"))
    assert script.facts(revocation)["statement"] is not None
    assert script.verify().problems == []


def test_a_public_notice_counts_as_served_after_its_own_time(make: Make) -> None:
    script = make(start="2026-03-02T09:00")
    script.carry("甲")
    notified: dict[str, Any] = {"document": "告〔1〕号", "facts": "申报材料造假", "to_be_served": True}
    revocation = script.open("revocation", OFFICE, parent=script.recognition("甲"), **notified)
    published = script.instant("2026-04-01T10:00")
    script.at(published)
    served: dict[str, Any] = {"served_at": published.isoformat(), "means": "public_notice", "evidence": SLIP}
    script.fire(revocation, "serve", OFFICE, **served)

    assert shown(script.facts(revocation)["served_at"]) == "2026-05-02 00:00"  # 24:00 of the thirtieth day
    [hearing] = script.wf.deadlines(revocation)
    assert hearing.ends_at is not None
    # Served at the first instant of 2 May, in the holiday: 6, 7, 8, the make-up Saturday 9, and 11 May.
    assert hearing.ends_at.astimezone(script.zone).strftime("%m-%d %H:%M") == "05-11 17:30"


def test_a_printed_end_stands_when_the_calendar_changes_and_is_listed(make: Make) -> None:
    script = make(start="2026-12-18T09:00")
    script.carry("甲", to="public_notice")
    notice = script.notice("甲")
    assert shown(script.facts(notice)["closes_at"]) == "2026-12-25 17:30"
    assert script.facts(notice)["provisional"] is True
    overlay = read_overlay(
        'year = 2027\nnotice = "测试用通知"\n[[holiday]]\nname = "元旦"\noff = [2026-12-24, 2027-01-01]\n'
    )

    [adopted] = script.wf.import_calendar(overlay, actor=OFFICE)

    printed = [(deadline, shown(was or ""), shown(now or "")) for _, deadline, was, now in adopted.printed]
    assert printed == [("window", "2026-12-25 17:30", "2026-12-28 17:30")]
    assert shown(script.facts(notice)["closes_at"]) == "2026-12-25 17:30"
    explained = script.wf.explain(notice, "window")
    assert explained.reckoning is not None
    assert explained.reckoning.due_at == explained.deadline.ends_at  # by the calendar of then
    assert explained.en == "reckoned day by day by its rule"


def test_a_notice_that_would_end_in_an_unpublished_year_is_refused(make: Make) -> None:
    script = make(start="2026-12-18T09:00")
    script.carry("甲", to="public_notice")
    script.at("2026-12-26T09:00")
    draft = script.draft_notice("甲")
    refusal = refusal_of(lambda: script.fire(draft, "publish", OFFICE))
    assert (refusal.code, refusal.detail) == ("year_not_published", {"year": 2027})
    assert script.wf.case(draft).state == "drafted"


def test_a_notice_taken_down_for_hours_says_which_end_would_cure_it(make: Make) -> None:
    script = make(start="2026-03-09T09:00")
    script.carry("甲", to="public_notice")
    notice = script.notice("甲")
    assert shown(script.facts(notice)["closes_at"]) == "2026-03-16 17:30"
    script.at("2026-03-11T10:00")
    script.fire(notice, "take_down", OFFICE, ground="链接失效")
    script.at("2026-03-11T12:00")
    script.fire(notice, "restore", OFFICE, ground="已修复")

    facts = script.facts(notice)
    assert (facts["anomalies"], shown(facts["closes_at"])) == (["taken_down"], "2026-03-16 17:30")
    assert facts["remedies"]["taken_down"]["severity"] == "error"
    assert shown(facts["remedies"]["taken_down"]["ends_at"]) == "2026-03-17 17:30"
    script.fire(notice, "extend", OFFICE, closes_at="2026-03-17T17:30:00+08:00", ground="补足公示时间")
    facts = script.facts(notice)
    assert (facts["anomalies"], facts["remedies"]["taken_down"]["severity"]) == (["taken_down"], "warning")


def outage_of(script: RoundScript, began: str, until: str) -> None:
    ended = script.now.isoformat()
    data = {"began": script.instant(began).isoformat(), "ended": ended, "until": script.instant(until).isoformat()}
    script.fire(script.round, "round:extend_for_outage", OFFICE, **data, document="办〔1〕号", ground="系统故障")


def test_an_outage_moves_an_examination_that_was_extended_and_one_that_will_be(make: Make) -> None:
    script = make(start="2026-03-02T09:00")
    script.carry("甲", "乙", to="public_notice")
    notice = script.notice("甲", "乙")
    extended, plain = (script.object(name, notice, who) for name, who in (("甲", "一"), ("乙", "二")))
    for objection in (extended, plain):
        script.fire(objection, "admit", OFFICE)
    script.fire(extended, "extend", OFFICE, ground="案情复杂")
    ends = [from_text(script.facts(o)["examine_by"]) for o in (extended, plain)]
    script.at(ends[1] + timedelta(hours=1), tick=False)
    outage_of(script, "2026-03-02T09:00", "2026-04-30T17:30")

    assert [shown(script.facts(o)["examine_by"]) for o in (extended, plain)] == ["2026-04-30 17:30"] * 2
    assert [len(script.facts(o)["outage_extensions"]) for o in (extended, plain)] == [1, 1]
    script.fire(plain, "extend", OFFICE, ground="案情复杂")
    assert script.facts(plain)["extensions"] == 1
    assert script.verify().problems == []


def test_an_outage_moves_no_term_of_a_validity(make: Make) -> None:
    script = make(start="2025-03-03T09:00", announcement={"validity": "1 year, no roll"})
    script.carry("甲")
    held = script.recognition("甲")
    [term] = script.wf.deadlines(held)
    assert term.due_at is not None
    script.at(term.due_at - timedelta(hours=1))
    script.at(term.due_at + timedelta(hours=1), tick=False)
    outage_of(script, "2026-03-01T09:00", "2026-05-30T17:30")
    assert [d.due_at for d in script.wf.deadlines(held)] == [term.due_at]
    assert script.told("applicant", "firm-甲").count("deadline_extended") == 0


def test_paper_from_before_a_notice_was_taken_down_is_in_time_and_from_after_it_was_dropped_is_not(make: Make) -> None:
    script = make(start="2026-03-09T09:00")
    script.carry("甲", to="public_notice")
    notice = script.notice("甲")
    script.at("2026-03-11T10:00")
    script.fire(notice, "take_down", OFFICE, ground="链接失效")
    script.at("2026-03-11T12:00")
    script.fire(notice, "restore", OFFICE, ground="已修复")
    script.at("2026-03-18T09:00")
    data = {"ground": "商标不属其所有", "name": "某某(虚构)", "contact": "地址(虚构)", "signed": True}

    def late(when: str, of: Any, who: str) -> Receipt:
        wf = entered(script, when)
        return wf.open("objection", data, actor=citizen(who), parent=script.id("甲"), of=of)

    assert script.wf.case(late("2026-03-10T09:00", notice, "一")).state == "filed"
    assert (
        script.wf.case(late("2026-03-11T11:00", notice, "二")).state == "filed"
    )  # down, and its window ran all the same
    script.carry("乙", to="public_notice")
    other = script.notice("乙")
    script.at("2026-03-19T10:00")
    script.fire(other, "take_down", OFFICE, ground="误发")
    script.fire(other, "drop", OFFICE, ground="误发")
    script.at("2026-03-23T09:00")
    wf = entered(script, "2026-03-20T09:00")
    refused = lambda: wf.open("objection", data, actor=citizen("三"), parent=script.id("乙"), of=other)  # noqa: E731
    assert code_of(refused) == "window_closed"


def test_paper_from_while_a_phase_was_shut_is_late_though_it_was_reopened(make: Make) -> None:
    window = {"opens": "2022-03-01T01:00:00.000000Z", "closes": "2022-03-11T09:30:00.000000Z"}
    script = make(start="2022-02-28T10:00", self_declaration={"window": window})
    script.at("2022-03-02T09:00")
    script.draft("甲", "乙")
    script.at("2022-03-14T09:00")
    reopened = {"document": "办〔1〕号", "reason": "情况特殊", "closes_at": "2022-03-20T17:30:00+08:00"}
    script.fire(script.phase("self_declaration"), "reopen", OFFICE, **reopened)
    script.at("2022-03-15T09:00")
    submit = ("submit", {"truthful": True})

    shut = lambda: entered(script, "2022-03-12T09:00").fire(script.id("甲"), *submit, actor=firm("甲"))  # noqa: E731
    assert code_of(shut) == "window_closed"
    entered(script, "2022-03-11T17:30").fire(script.id("甲"), *submit, actor=firm("甲"))
    entered(script, "2022-03-14T09:30").fire(script.id("乙"), *submit, actor=firm("乙"))
    assert set(script.states().values()) == {"self_declaration.submitted"}


def test_a_notice_is_taken_down_though_its_remedy_lies_in_a_year_without_a_calendar(make: Make) -> None:
    script = make(start="2026-12-18T09:00")
    script.carry("甲", to="public_notice")
    script.at("2026-12-21T09:00")
    notice = script.notice("甲")
    script.at("2026-12-23T09:00")
    script.fire(notice, "take_down", OFFICE, ground="法院裁定")
    facts = script.facts(notice)
    assert (facts["anomalies"], facts["remedies"]) == (
        ["provisional", "taken_down"],
        {
            "provisional": {"severity": "warning", "ends_at": facts["closes_at"]},
            "taken_down": {"severity": "error", "ends_at": None},
        },
    )


def test_a_statement_is_entered_late_once(make: Make) -> None:
    script = make()
    script.carry("甲")
    notified = {"document": "告〔1〕号", "facts": "申报材料造假"}
    revocation = script.open("revocation", OFFICE, parent=script.recognition("甲"), **notified)
    [hearing] = script.wf.deadlines(revocation)
    assert hearing.due_at is not None
    script.at(hearing.due_at + MICROSECOND)
    statement = ("hear", {"statement": "已整改"})
    entered(script, hearing.due_at).fire(revocation, *statement, actor=firm("甲"))
    again = lambda: entered(script, hearing.due_at).fire(revocation, *statement, actor=firm("甲"))  # noqa: E731
    assert code_of(again) == "not_ended_by_time"


def test_a_plan_may_fix_an_end_by_an_instant(make: Make) -> None:
    fixed = "not later than 2026-10-10 17:30 +08:00"
    settings = {
        "self_declaration": {"correction": fixed},
        "department_consultation": {"reply": fixed},
        "public_notice": {"examination": "5 working days, and never under 7 calendar days"},
    }
    script = make(**settings)
    script.declare("甲")
    script.fire("甲", "return_for_correction", OFFICE, items=["检测报告"])
    [correction] = script.wf.deadlines(script.id("甲"))
    assert correction.ends_at == script.instant("2026-10-10T17:30")
    assert correction.calendar is None  # no calendar has a part in it
    script.fire("甲", "resubmit", firm("甲"), documents=[])
    script.carry("甲", to="department_consultation")
    script.consult("甲")
    assert {c.facts["due_at"] for c in script.children("甲", "consultation")} == {"2026-10-10T09:30:00.000000Z"}
    script.at("2026-10-12T09:00")
    script.carry("乙", to="department_consultation")
    letter = lambda: script.consult("乙")  # noqa: E731

    assert code_of(letter) == "limit_passed"
    script.declare("丙")
    script.fire("丙", "return_for_correction", OFFICE, items=["检测报告"])
    script.later(microseconds=1)
    assert script.state("丙") == "withdrawn"  # the end that the plan has fixed had passed
    assert script.verify().problems == []


# ── what the list of printed ends holds ──


def imported(script: RoundScript, off: str) -> list[tuple[str | None, str, str]]:
    """The printed ends that the import of an invented notice lists."""
    text = f'year = 2027\nnotice = "测试用通知"\n[[holiday]]\nname = "元旦"\noff = [{off}2027-01-01]\n'
    [adopted] = script.wf.import_calendar(read_overlay(text), actor=OFFICE)
    assert (adopted.error, adopted.unreckoned) == (None, ())
    return [(deadline, shown(was or ""), shown(now or "")) for _, deadline, was, now in adopted.printed]


def test_an_end_that_was_printed_by_hand_is_listed_when_it_is_short_now(make: Make) -> None:
    script = make(start="2026-12-18T09:00")
    script.carry("甲", to="public_notice")
    notice = script.notice("甲", closes_at="2026-12-25T17:31:00+08:00")
    assert script.facts(notice)["anomalies"] == ["provisional"]
    assert imported(script, "2026-12-24, ") == [("window", "2026-12-25 17:31", "2026-12-28 17:30")]
    assert script.verify().problems == []


def test_an_end_without_a_rule_is_listed_when_its_day_is_given_off(make: Make) -> None:
    window = {"opens": "2026-12-01T01:00:00.000000Z", "closes": "2026-12-30T09:30:00.000000Z"}
    script = make(start="2026-12-01T10:00", self_declaration={"window": window})
    text = 'year = 2027\nnotice = "测试用通知"\n[[holiday]]\nname = "元旦"\noff = [2026-12-30, 2027-01-01]\n'
    [adopted] = script.wf.import_calendar(read_overlay(text), actor=OFFICE)
    phase = script.phase("self_declaration")
    assert adopted.printed == ((phase.id, "closes", window["closes"], None),)
    assert shown(script.facts(phase)["closes_at"]) == "2026-12-30 17:30"


def test_an_end_that_was_extended_beyond_its_rule_is_not_listed(make: Make) -> None:
    script = make(start="2026-12-18T09:00")
    script.carry("甲", to="public_notice")
    notice = script.notice("甲")
    script.fire(notice, "extend", OFFICE, closes_at="2026-12-28T17:30:00+08:00", ground="顺延")
    assert imported(script, "2026-12-24, ") == []


def test_a_notice_that_was_restored_is_reckoned_from_when_it_opened(make: Make) -> None:
    script = make(start="2026-12-03T09:00")
    script.carry("甲", to="public_notice")
    notice = script.notice("甲")
    script.at("2026-12-04T10:00")
    script.fire(notice, "take_down", OFFICE, ground="链接失效")
    script.at("2026-12-07T10:00")
    script.fire(notice, "restore", OFFICE, ground="已修复")
    assert shown(script.facts(notice)["closes_at"]) == "2026-12-10 17:30"
    # A period that began when it was put up again would have been lengthened by that Friday.
    assert imported(script, "2026-12-11, ") == []


def test_an_extended_examination_is_not_listed(make: Make) -> None:
    script = make(start="2026-11-20T09:00")
    script.carry("甲", to="public_notice")
    objection = script.object("甲", script.notice("甲"), "一")
    script.fire(objection, "admit", OFFICE)
    before = shown(script.facts(objection)["examine_by"])
    script.fire(objection, "extend", OFFICE, ground="案情复杂")
    assert before < shown(script.facts(objection)["examine_by"])
    assert [d for d, _, _ in imported(script, "2026-12-07, ")] == []


def test_an_examination_that_is_short_now_is_listed(make: Make) -> None:
    script = make(start="2026-12-01T09:00")
    script.carry("甲", to="public_notice")
    objection = script.object("甲", script.notice("甲"), "一")
    script.fire(objection, "admit", OFFICE)
    end = from_text(script.facts(objection)["examine_by"]).astimezone(script.zone)
    [(name, was, now)] = [p for p in imported(script, f"{end.date()}, ") if p[0] == "examination"]
    assert (name, was) == ("examination", f"{end:%Y-%m-%d %H:%M}")
    assert was < now
