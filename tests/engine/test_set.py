"""Many acts as a set: computed on one view of the round and written in one go, and nothing comes out otherwise."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ganchu_workflow import Bulk, Refusal, Workflow
from ganchu_workflow.engine import crash_points
from tests.engine.small_process import HOUR, MICROSECOND, OFFICE, Rules, Small, applicant, authority, hooked

Reached = Counter[str]


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> Reached:
    """How often each point of a transition was reached."""
    heard: Reached = Counter()
    monkeypatch.setattr(crash_points, "listener", lambda name: heard.update([name]))
    return heard


def submit(wf: Workflow, *cases: str) -> Bulk:
    return wf.fire_many(cases, "submit", {"truthful": True}, actor=applicant())


def issue(small: Small, letters: dict[str, str]) -> Bulk:
    """Issue letters, each with one application."""
    given = {letter: {"applications": [case]} for letter, case in letters.items()}
    return small.wf.fire_many(given, "issue", actor=authority())


def codes(bulk: Bulk) -> list[str | None]:
    return [None if item.error is None else item.error.code for item in bulk.items]


@contextmanager
def refusing(rule: str, case: str) -> Iterator[None]:
    def refuse(ctx: Rules) -> Refusal | None:
        return Refusal("not_this_one", "此项不可", "not this one") if ctx.case.id == case else None

    with hooked(**{rule: refuse}):
        yield


def test_they_are_read_locked_and_written_once(small: Small, reached: Reached) -> None:
    cases = [small.draft() for _ in range(5)]
    reached.clear()

    bulk = submit(small.wf, *cases)

    assert codes(bulk) == [None] * 5
    assert {point: reached[point] for point in ("read", "locked", "history_written", "committed")} == {
        "read": 1, "locked": 1, "history_written": 1, "committed": 1
    }  # fmt: skip


def test_one_that_is_refused_at_once_does_not_break_the_set(small: Small, reached: Reached) -> None:
    cases = [small.draft() for _ in range(3)]
    reached.clear()

    with refusing("submit_guard", cases[1]):
        bulk = submit(small.wf, *cases)

    assert (codes(bulk), reached["locked"]) == ([None, "not_this_one", None], 1)
    assert [small.state(c) for c in cases] == ["declare.submitted", "declare.draft", "declare.submitted"]
    assert [(row["case_id"], row["code"]) for row in small.wf.attempts(small.round)] == [(cases[1], "not_this_one")]


def test_each_sees_what_those_before_it_have_done(small: Small, reached: Reached) -> None:
    first, second = small.pending(), small.pending("e2")
    letters = {small.letter(): first, small.letter(): second}
    reached.clear()

    bulk = issue(small, letters)

    assert (codes(bulk), reached["locked"]) == ([None, "quota_used_up"], 1)
    assert [small.state(c) for c in (first, second)] == ["review.reviewing", "recommend.pending"]
    assert small.wf.verify().problems == []


def test_what_is_refused_halfway_leaves_nothing_and_the_others_stand(
    make: Callable[..., Small], reached: Reached
) -> None:
    small = make().open_round(recommend={"quota": 9})
    cases = [small.pending(f"e{n}") for n in range(3)]
    letters = {small.letter(): case for case in cases}
    refused = list(letters)[1]
    before = small.wf.history(refused)
    reached.clear()

    # The letter has been recorded by then; what must follow from it is refused.
    with refusing("recommend_guard", cases[1]):
        bulk = issue(small, letters)

    assert (codes(bulk), reached["locked"]) == ([None, "not_this_one", None], 2)
    assert [small.state(c) for c in cases] == ["review.reviewing", "recommend.pending", "review.reviewing"]
    assert (small.state(refused), small.wf.history(refused)) == ("drafted", before)
    assert [(row["case_id"], row["code"]) for row in small.wf.attempts(small.round)] == [(refused, "not_this_one")]
    assert small.wf.verify().problems == []


def test_a_deadline_that_was_due_first_is_settled_first(small: Small) -> None:
    quiet, silent = small.reviewing(), small.submitted("e2")
    sheet = small.sheet(quiet)
    small.drift_to(small.due(sheet)["sheet_due"] + MICROSECOND)

    bulk = small.wf.fire_many([quiet, silent], "return_it", actor=OFFICE)

    assert codes(bulk) == ["not_here", "not_here"]
    assert small.triggers(sheet)[-1] == "expire"


def test_an_end_that_is_past_already_is_left_to_those_who_come_after(small: Small, reached: Reached) -> None:
    past = small.simulated.now() - HOUR
    notices = [small.wf.open("notice", actor=OFFICE, members=[], round=small.round).case_id for _ in range(2)]
    reached.clear()

    bulk = small.wf.fire_many(notices, "publish", {"closes_at": past}, actor=OFFICE)

    # What one has started may be due before the next: nothing but each by itself asks for that.
    assert (codes(bulk), reached["locked"]) == ([None, None], 2)
    assert [small.due(n) for n in notices] == [{"window": past}] * 2


def test_a_calendar_stands_only_in_the_events_that_used_it(small: Small) -> None:
    pending, draft = small.pending(), small.draft("e2")
    small.wf.fire(draft, "submit", {"truthful": True}, actor=applicant("e2"))

    bulk = small.wf.fire_many([draft, pending], "return_for_correction", {"items": ["商标"]}, actor=OFFICE)

    assert codes(bulk) == [None, "not_here"]
    assert [event["calendar"] is None for event in small.wf.history(pending)] == [True, False, True]
