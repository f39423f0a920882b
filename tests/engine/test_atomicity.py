"""One act is one transaction: all that follows from it is written, or nothing is."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ganchu_workflow import Refusal, Refused
from ganchu_workflow.errors import DoesNotRest, NotCanonical
from ganchu_workflow.process import Effects
from ganchu_workflow.timing import Period
from tests.engine.small_process import OFFICE, Rules, Small, applicant, authority, expert, hooked, refusal_of

ACTS: dict[str, tuple[Callable[[Small], str], Callable[[Small, str], Any]]] = {
    "submit": (
        lambda small: small.draft(),
        lambda small, case: small.wf.fire(case, "submit", {"truthful": True}, actor=applicant()),
    ),
    "recommend": (
        lambda small: small.pending(),
        lambda small, case: small.wf.fire(
            small.wf.cases(small.round, "letter")[0], "issue", {"applications": [case]}, actor=authority()
        ),
    ),
    "pass_on": (
        lambda small: small.reviewing(),
        lambda small, case: small.wf.fire(
            small.wf.cases(small.round, "sheet")[0], "complete", actor=expert(), key="k-1"
        ),
    ),
}
"""By the rule that a test breaks: the act itself, a follow-up, an automatic transition."""


def crash(ctx: Rules) -> None:
    raise ZeroDivisionError("one by nought")


def standing(small: Small, name: str) -> str:
    case = ACTS[name][0](small)
    if name == "recommend":
        small.letter()
    if name == "pass_on":
        small.sheet(case)
    return case


@pytest.mark.parametrize("name", ACTS)
def test_a_crash_in_an_effect_leaves_nothing_but_an_attempt(small: Small, name: str) -> None:
    case = standing(small, name)
    before = small.dump("ganchu_attempt")

    with hooked(**{f"{name}_effect": crash}), pytest.raises(Exception, match="ZeroDivisionError") as caught:
        ACTS[name][1](small, case)

    assert getattr(caught.value, "code", None) == "rule_crashed"
    assert small.dump("ganchu_attempt") == before
    [row] = small.wf.attempts(small.round)
    assert (row["kind"], row["code"]) == ("crashed", "rule_crashed")
    ACTS[name][1](small, case)
    assert small.dump("ganchu_attempt") != before
    assert small.wf.verify().problems == []


@pytest.mark.parametrize("name", ["submit", "recommend"])
def test_a_crash_in_a_guard_refuses_the_whole_act(small: Small, name: str) -> None:
    case = standing(small, name)
    before = small.dump("ganchu_attempt")

    with hooked(**{f"{name}_guard": crash}):
        refusal = refusal_of(lambda: ACTS[name][1](small, case))

    assert (refusal.code, refusal.detail["error"]) == ("guard_crashed", "ZeroDivisionError")
    assert small.dump("ganchu_attempt") == before
    [row] = small.wf.attempts(small.round)
    assert (row["kind"], row["code"]) == ("crashed", "guard_crashed")


def test_a_guard_that_returns_neither_a_refusal_nor_none_refuses(small: Small) -> None:
    case = small.draft()

    with hooked(submit_guard=lambda ctx: True):
        refusal = refusal_of(lambda: ACTS["submit"][1](small, case))

    assert (refusal.code, small.state(case)) == ("guard_crashed", "declare.draft")


def test_a_guard_that_crashes_holds_back_only_its_own_automatic_transition(small: Small) -> None:
    case = standing(small, "pass_on")

    with hooked(pass_on_guard=crash):
        ACTS["pass_on"][1](small, case)

    assert small.state(case) == "review.reviewing"
    assert [s.state for s in small.wf.cases(small.round, "sheet")] == ["done"]


class Interrupted(BaseException):
    """What Ctrl-C is: not an Exception."""


@pytest.mark.parametrize("where", ["submit_effect", "submit_guard"])
def test_an_interruption_rolls_back_and_leaves_the_workflow_usable(small: Small, where: str) -> None:
    case = small.draft()
    before = small.dump()

    def interrupt(ctx: Rules) -> None:
        raise Interrupted

    with hooked(**{where: interrupt}), pytest.raises(Interrupted):
        ACTS["submit"][1](small, case)

    assert small.dump() == before
    ACTS["submit"][1](small, case)
    assert small.state(case) == "declare.submitted"


def test_a_follow_up_that_must_happen_takes_the_act_down_with_it(small: Small) -> None:
    case = standing(small, "recommend")
    before = small.dump("ganchu_attempt")

    with hooked(recommend_guard=lambda ctx: Refusal("sealed", "已封存", "it is sealed", {"by": "court"})):
        refusal = refusal_of(lambda: ACTS["recommend"][1](small, case))

    assert (refusal.code, refusal.detail, refusal.state, refusal.trigger) == (
        "sealed",
        {"by": "court"},
        "recommend.pending",
        "recommend.recommend",
    )
    assert small.dump("ganchu_attempt") == before
    assert [row["code"] for row in small.wf.attempts(small.round)] == ["sealed"]


def test_a_follow_up_that_may_fail_leaves_an_event_that_says_why(make: Callable[..., Small]) -> None:
    small = make().open_round(recommend={"quota": 5})
    shown, sealed = small.listed("e1"), small.listed("e2")
    refusal = Refusal("sealed", "已封存", "it is sealed", {"by": "court"})

    with hooked(show_guard=lambda ctx: refusal if ctx.case.id == sealed else None):
        notice = small.notice(shown, sealed)

    assert (small.state(notice), small.state(shown), small.state(sealed)) == ("open", "notice.showing", "notice.listed")
    last = small.wf.history(sealed)[-1]
    assert {k: last[k] for k in ("trigger", "outcome", "source", "target", "refusal", "cause")} == {
        "trigger": "show",
        "outcome": "not_carried_out",
        "source": "notice.listed",
        "target": "notice.listed",
        "refusal": {"code": "sealed", "zh": "已封存", "en": "it is sealed", "detail": {"by": "court"}},
        "cause": {"case": notice, "seq": 2},
    }
    assert small.wf.attempts(small.round) == []
    assert small.wf.verify().problems == []


def test_a_follow_up_that_may_fail_says_so_too_where_the_case_has_moved_on(make: Callable[..., Small]) -> None:
    small = make().open_round(recommend={"quota": 5})
    case = small.listed()
    first = small.wf.open("notice", actor=OFFICE, members=[case]).case_id
    small.notice(case)

    small.wf.fire(first, "publish", {"closes_at": datetime(2021, 9, 9, tzinfo=UTC)}, actor=OFFICE)

    last = small.wf.history(case)[-1]
    assert (last["outcome"], last["refusal"]["code"], last["target"]) == (
        "not_carried_out",
        "not_here",
        "notice.showing",
    )
    assert small.wf.verify().problems == []


def test_automatic_transitions_that_never_rest_are_a_fault_and_leave_nothing(make: Callable[..., Small]) -> None:
    small = make().open_round({"use": "declare"}, {"use": "restless"})
    case = small.submitted()
    before = small.dump("ganchu_attempt")

    with pytest.raises(DoesNotRest) as caught:
        small.wf.fire(case, "accept", actor=OFFICE)

    assert (caught.value.code, caught.value.fields["case"]) == ("does_not_rest", case)
    assert small.dump("ganchu_attempt") == before
    assert [(row["kind"], row["code"]) for row in small.wf.attempts(small.round)] == [("crashed", "does_not_rest")]


@pytest.mark.parametrize("value", [1.5, datetime(2021, 1, 1, tzinfo=UTC), 2**53, b"x", {"甲": 1}], ids=repr)
def test_facts_that_are_not_canonical_are_refused(small: Small, value: Any) -> None:
    case = small.draft()
    before = small.dump("ganchu_attempt")

    with hooked(submit_effect=lambda ctx: Effects(facts={"value": value})), pytest.raises(NotCanonical) as caught:
        ACTS["submit"][1](small, case)

    assert caught.value.code == "not_canonical"
    assert small.dump("ganchu_attempt") == before
    assert [(row["kind"], row["code"]) for row in small.wf.attempts(small.round)] == [("crashed", "not_canonical")]


@pytest.mark.parametrize("where", ["submit_effect", "submit_guard"])
def test_a_rule_that_reckons_into_a_year_without_a_calendar_is_a_refusal(small: Small, where: str) -> None:
    case = small.draft()
    before = small.dump("ganchu_attempt")

    def reckon(ctx: Rules) -> None:
        ctx.reckon(Period.parse("5 working days"), datetime(2090, 3, 1, tzinfo=UTC))

    with hooked(**{where: reckon}):
        refusal = refusal_of(lambda: ACTS["submit"][1](small, case))

    assert (refusal.code, refusal.state, refusal.trigger) == ("year_not_published", "declare.draft", "declare.submit")
    assert small.dump("ganchu_attempt") == before
    assert [row["code"] for row in small.wf.attempts(small.round)] == ["year_not_published"]


def test_a_round_that_cannot_be_opened_leaves_nothing(make: Callable[..., Small]) -> None:
    small = make()
    before = small.dump("ganchu_attempt")

    with pytest.raises(Refused):
        small.wf.open_round(
            {"title": "t", "code": "c", "demonstration": True, "stage": [{"use": "declare"}, {"use": "finish"}]},
            actor=applicant(),
        )

    assert small.dump("ganchu_attempt") == before
