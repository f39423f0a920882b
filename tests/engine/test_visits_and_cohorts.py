"""Entering a stage again, children that are left behind, acts on many, reversals, and a stage used twice."""

from collections.abc import Callable

import pytest

from ganchu_workflow.process import Effects, Fire
from tests.engine.small_process import (
    FIVE,
    HOUR,
    OFFICE,
    Letter,
    NoticeStage,
    Rules,
    Small,
    applicant,
    authority,
    expert,
    hooked,
    instant,
    refusal_of,
)

GROUND = {"document": "赣工信函〔2021〕1号", "reason": "经复核应予撤销"}
TWICE = (
    {"use": "declare"},
    {"use": "recommend"},
    {"use": "review", "on": {"sent_back": "recommend"}},
    {"use": "notice", "as": "local_notice"},
    {"use": "notice"},
    {"use": "finish"},
)


# ── visits ──


def test_leaving_a_stage_raises_the_visit(small: Small) -> None:
    case = small.draft()
    visits = [small.view(case).visit]
    small.wf.fire(case, "submit", {"truthful": True}, actor=applicant())
    visits.append(small.view(case).visit)
    small.wf.fire(case, "accept", actor=OFFICE)
    visits.append(small.view(case).visit)
    small.issue(case)
    visits.append(small.view(case).visit)
    small.wf.fire(case, "return_it", actor=OFFICE)
    visits.append(small.view(case).visit)

    assert visits == [1, 1, 2, 3, 4]
    assert (small.state(case), small.view(case).stage) == ("recommend.pending", "recommend")


def test_children_of_an_earlier_visit_do_not_count(small: Small) -> None:
    case = small.reviewing()
    first, second = small.sheet(case, "x1"), small.sheet(case, "x2")
    small.wf.fire(first, "complete", actor=expert("x1"))
    small.wf.fire(case, "return_it", actor=OFFICE)
    small.issue(case)
    assert (small.state(case), small.view(case).visit) == ("review.reviewing", 5)

    third = small.sheet(case, "x3")
    assert small.state(case) == "review.reviewing"
    small.wf.fire(third, "complete", actor=expert("x3"))

    assert small.state(case) == "notice.listed"
    assert [small.view(s).visit for s in (first, second, third)] == [3, 3, 5]
    assert small.state(second) == "void"


def test_an_act_lists_an_application_for_its_present_visit_only(small: Small) -> None:
    case = small.pending()
    first = small.issue(case)
    small.wf.fire(case, "return_it", actor=OFFICE)
    second = small.issue(case)

    seen: list[list[str]] = []

    def look(ctx: Rules) -> None:
        seen.append([a.id for a in ctx.acts(Letter)])

    small.wf.fire(case, "return_it", actor=OFFICE)
    with hooked(recommend_guard=look):
        third = small.issue(case)
    assert seen == [[third.case_id]]
    assert len({first.case_id, second.case_id, third.case_id}) == 3
    assert [small.wf.history(r.case_id)[-1]["members"] for r in (first, second, third)] == [
        [[case, 2]],
        [[case, 4]],
        [[case, 6]],
    ]


# ── children left behind ──


def test_children_left_open_meet_what_their_kind_declares(small: Small) -> None:
    case = small.reviewing()
    done, left = small.sheet(case, "x1"), small.sheet(case, "x2")
    small.wf.fire(done, "complete", actor=expert("x1"))
    moved = small.wf.fire(case, "withdraw", {"reason": "企业主动撤回"}, actor=applicant())

    assert [small.state(s) for s in (done, left)] == ["done", "void"]
    last = small.wf.history(left)[-1]
    assert (last["trigger"], last["cause"], last["actor"]["role"]) == (
        "cancel",
        {"case": case, "seq": moved.seq},
        "engine",
    )
    assert small.due(left) == {}


def test_a_kind_that_declares_nothing_lives_on(small: Small) -> None:
    case = small.listed()
    notice = small.notice(case)
    objection = small.objection(case, notice)

    small.wf.fire(case, "withdraw", {"reason": "企业主动撤回"}, actor=applicant())

    assert (small.state(case), small.state(objection)) == ("withdrawn", "filed")


# ── acts on many ──


def test_the_latest_act_decides_whether_it_has_closed(small: Small) -> None:
    case = small.listed()
    first = small.notice(case, closes_at=small.simulated.now() + 100 * HOUR)
    small.objection(case, first)
    small.later()
    second = small.notice(case, closes_at=small.simulated.now() + 200 * HOUR)

    small.later(110 * HOUR)
    assert (small.state(first), small.state(second), small.state(case)) == ("closed", "open", "notice.showing")
    small.later(100 * HOUR)
    assert (small.state(second), small.state(case)) == ("closed", "finish.decided")


def test_an_objection_holds_its_item_and_no_other(make: Callable[..., Small]) -> None:
    small = make().open_round(recommend={"quota": 5})
    held, free = small.listed("e1"), small.listed("e2")
    notice = small.notice(held, free)
    objection = small.objection(held, notice)
    small.wf.fire(objection, "admit", actor=OFFICE)

    small.later(47 * HOUR)
    assert [small.state(c) for c in (held, free)] == ["notice.held", "notice.showing"]
    small.wf.fire(objection, "uphold", actor=OFFICE)
    assert small.state(held) == "notice.removed"
    small.later(60 * HOUR)
    assert [small.state(c) for c in (held, free)] == ["notice.removed", "finish.decided"]


def test_what_does_not_stand_in_the_stage_cannot_be_listed(small: Small) -> None:
    there, elsewhere = small.listed("e1"), small.submitted("e2")
    before = small.dump("ganchu_attempt")

    refusal = refusal_of(lambda: small.wf.open("notice", actor=OFFICE, members=[there, elsewhere]))

    assert (refusal.code, refusal.detail) == ("member_not_here", {"case": elsewhere, "state": "declare.submitted"})
    assert small.dump("ganchu_attempt") == before


def test_what_is_listed_twice_is_refused(small: Small) -> None:
    case = small.listed()
    before = small.dump("ganchu_attempt")

    assert refusal_of(lambda: small.wf.open("notice", actor=OFFICE, members=[case, case])).code == "listed_twice"
    assert small.dump("ganchu_attempt") == before


def test_a_child_is_opened_only_where_its_application_stands(small: Small) -> None:
    case = small.pending()

    refusal = refusal_of(lambda: small.sheet(case))

    assert (refusal.code, refusal.trigger) == ("not_here", "assign")
    assert small.wf.cases(small.round, "sheet") == []


# ── reversals ──


@pytest.mark.parametrize("bring", ["reviewing", "listed", "decided"])
def test_a_reversal_reaches_the_later_stages(small: Small, bring: str) -> None:
    case = getattr(small, bring)()
    visit = small.view(case).visit
    sheets = small.wf.cases(small.round, "sheet")

    receipt = small.wf.fire(case, "revoke", GROUND, actor=authority(), document="函9")

    assert (receipt.trigger, receipt.state) == ("recommend.revoke", "recommend.not_recommended")
    assert (small.view(case).stage, small.view(case).visit) == ("recommend", visit + 1)
    assert [s.state for s in sheets] == ([] if bring == "reviewing" else ["done"])
    last = small.wf.history(case)[-1]
    assert (last["document"], last["data"]["document"]) == ("函9", GROUND["document"])
    assert small.wf.verify().problems == []


def test_a_reversal_frees_the_place_that_was_taken(small: Small) -> None:
    first, second = small.reviewing("e1"), small.pending("e2")
    assert refusal_of(lambda: small.issue(second)).code == "quota_used_up"

    small.wf.fire(first, "revoke", GROUND, actor=authority())
    small.issue(second)

    assert small.state(second) == "review.reviewing"


def test_a_closed_outcome_is_left_only_by_its_reversal(small: Small) -> None:
    case = small.decided()
    small.wf.fire(case, "drop", actor=OFFICE)

    assert refusal_of(lambda: small.wf.fire(case, "choose", actor=OFFICE)).code == "not_here"
    assert refusal_of(lambda: small.wf.fire(case, "reconsider", actor=OFFICE)).code == "data_invalid"
    small.wf.fire(case, "reconsider", GROUND, actor=OFFICE)
    small.wf.fire(case, "choose", actor=OFFICE)

    assert small.triggers(case)[-3:] == ["finish.drop", "finish.reconsider", "finish.choose"]


def test_a_reversal_does_not_reach_an_earlier_stage_or_a_closed_one(small: Small) -> None:
    pending, decided = small.pending("e2"), small.decided("e1")
    small.wf.fire(decided, "choose", actor=OFFICE)

    assert refusal_of(lambda: small.wf.fire(pending, "revoke", GROUND, actor=authority())).code == "not_here"
    assert refusal_of(lambda: small.wf.fire(decided, "revoke", GROUND, actor=authority())).code == "not_here"


# ── a stage used twice ──


def test_a_trigger_of_two_stages_must_be_qualified(make: Callable[..., Small]) -> None:
    small = make().open_round(*TWICE)
    case = small.listed()
    small.notice(case, stage="local_notice")
    small.later(101 * HOUR)
    small.notice(case, stage="notice")
    small.later(101 * HOUR)
    assert small.state(case) == "finish.decided"

    refusal = refusal_of(lambda: small.wf.fire(case, "strike", GROUND, actor=OFFICE))
    assert (refusal.code, refusal.detail) == ("ambiguous", {"triggers": ["local_notice.strike", "notice.strike"]})
    assert small.state(case) == "finish.decided"
    small.wf.fire(case, "local_notice.strike", GROUND, actor=OFFICE)

    assert (small.state(case), small.view(case).stage) == ("local_notice.removed", "local_notice")
    assert [e["trigger"] for e in small.wf.history(case)[5:]] == [
        "local_notice.show",
        "local_notice.clear",
        "notice.show",
        "notice.clear",
        "local_notice.strike",
    ]


def test_an_act_of_one_use_of_a_stage_does_not_count_for_the_other(make: Callable[..., Small]) -> None:
    small = make().open_round(*TWICE)
    case = small.listed()
    small.notice(case, stage="local_notice")
    small.later(101 * HOUR)

    assert small.state(case) == "notice.listed"
    small.notice(case, stage="notice", closes_at=small.simulated.now() + 10 * HOUR)
    assert small.state(case) == "notice.showing"


def test_an_act_of_one_use_of_a_stage_does_not_fire_the_other(make: Callable[..., Small]) -> None:
    small = make().open_round(*TWICE)
    case = small.listed()
    straggler = small.wf.open("notice", actor=OFFICE, members=[case], stage="local_notice").case_id
    small.notice(case, stage="local_notice")
    small.later(101 * HOUR)
    assert small.state(case) == "notice.listed"

    small.wf.fire(straggler, "publish", {"closes_at": small.simulated.now() + HOUR}, actor=OFFICE)

    assert small.state(case) == "notice.listed"
    assert small.wf.history(case)[-1]["refusal"]["code"] == "not_here"


def test_a_kind_of_two_stages_must_be_told_which(make: Callable[..., Small]) -> None:
    small = make().open_round(*TWICE)

    with pytest.raises(Exception, match="say which stage the notice is for: stage= one of local_notice, notice"):
        small.wf.open("notice", actor=OFFICE)


def test_a_wired_outcome_leads_back_and_phases_that_overlap_stay_open(make: Callable[..., Small]) -> None:
    small = make().open_round(*({**s, "window": s["window"]} if "window" in s else s for s in FIVE))
    case = small.reviewing()

    small.wf.fire(case, "return_it", actor=OFFICE)

    assert small.state(case) == "recommend.pending"
    assert {p.stage: p.state for p in small.wf.cases(small.round, "phase")} == {
        "declare": "open",
        "recommend": "open",
        "review": "open",
        "notice": "open",
        "finish": "open",
    }


def test_an_effect_may_give_a_cohort_another_list(make: Callable[..., Small]) -> None:
    small = make().open_round(recommend={"quota": 5})
    kept, dropped = small.listed("e1"), small.listed("e2")
    notice = small.wf.open("notice", actor=OFFICE, members=[kept, dropped]).case_id

    def only_the_first(ctx: Rules) -> Effects:
        first = ctx.members()[:1]
        end = instant(ctx.now + 10 * HOUR)
        return Effects(facts={"closes_at": end}, members=first, fire=[Fire(m, NoticeStage.show) for m in first])

    with hooked(publish_effect=only_the_first):
        small.wf.fire(notice, "publish", {"closes_at": small.simulated.now()}, actor=OFFICE)

    assert [small.state(c) for c in (kept, dropped)] == ["notice.showing", "notice.listed"]
    assert [e["members"] for e in small.wf.history(notice)] == [
        [[kept, small.view(kept).visit], [dropped, small.view(dropped).visit]],
        [[kept, small.view(kept).visit]],
    ]
    small.later(11 * HOUR)
    assert [small.state(c) for c in (kept, dropped)] == ["finish.decided", "notice.listed"]
    assert small.wf.verify().problems == []
