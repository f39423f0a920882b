"""补录: what was received in time on paper and is entered only later, by whom it may be, and what it undoes."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from ganchu_workflow import Actor, Invalid, Role, Workflow
from tests.engine.small_process import CLOSES, HOUR, Small, applicant, declaration, refusal_of
from tests.engine.small_process import OFFICE as THE_OFFICE
from tests.engine.timed_process import EVIDENCE, FIRM, OFFICE, SUPERVISOR, Timed, at

END = "2026-09-24 17:30"


@pytest.fixture
def timed(database_url: str) -> Iterator[Timed]:
    timed = Timed(database_url)
    yield timed
    timed.wf.database.dispose()


def late(
    timed: Timed, received: str | datetime = END, by: Actor = OFFICE, reason: str = "窗口收件,次日补录"
) -> Workflow:
    instant = at(received) if isinstance(received, str) else received
    return timed.wf.entering_late(instant, by=by, reason=reason, evidence=EVIDENCE)


def test_before_the_sweep_it_is_an_act_like_any_other_received_then(timed: Timed) -> None:
    timed.to("2026-09-24 17:45")
    late(timed).fire(timed.case, "answer", {"text": "纸质"}, actor=FIRM)

    event = timed.wf.history(timed.case)[-1]
    assert (timed.state, event["source"], event["target"]) == ("asking.answered", "asking.asked", "asking.answered")
    assert (event["received_at"], event["effective_at"], event["recorded_at"]) == (
        "2026-09-24T09:30:00.000000Z",
        "2026-09-24T09:30:00.000000Z",
        "2026-09-24T09:45:00.000000Z",
    )
    assert event["actor"]["role"] == "applicant"
    reference = event["entry"].pop("reason")
    assert event["entry"] == {"by": {"role": "office", "scope": "", "person": "p-1"}, "evidence": EVIDENCE}
    assert list(reference) == ["private"]
    assert timed.wf.verify().problems == []


def test_after_the_end_has_led_elsewhere_it_is_a_reversal(timed: Timed) -> None:
    timed.to("2026-09-28 09:00")
    timed.wf.tick()
    assert timed.state == "asking.silent"

    late(timed).fire(timed.case, "answer", {"text": "纸质"}, actor=FIRM)

    event = timed.wf.history(timed.case)[-1]
    assert (event["source"], event["target"], timed.state) == ("asking.silent", "asking.answered", "asking.answered")
    assert timed.wf.verify().problems == []


@pytest.mark.parametrize("swept", [False, True], ids=["no sweep", "swept"])
def test_a_microsecond_after_the_end_it_was_late_on_paper_too(timed: Timed, swept: bool) -> None:
    timed.to("2026-09-28 09:00")
    if swept:
        timed.wf.tick()
    received = at(END) + timedelta(microseconds=1)

    refusal = refusal_of(lambda: late(timed, received).fire(timed.case, "answer", {}, actor=FIRM))

    assert (refusal.code, refusal.detail["closes_at"]) == ("window_closed", "2026-09-24T09:30:00.000000Z")
    assert timed.state == "asking.silent"
    assert [(a["name"], a["code"]) for a in timed.wf.attempts(timed.round)] == [("asking.answer", "window_closed")]


def test_before_the_window_opened_nothing_was_in_time(timed: Timed) -> None:
    timed.to("2026-09-28 09:00")
    refusal = refusal_of(lambda: late(timed, "2026-09-18 09:59").fire(timed.case, "answer", {}, actor=FIRM))
    assert refusal.code == "window_not_open"


def test_an_extended_end_is_the_end_it_is_asked_against(timed: Timed) -> None:
    timed.extend("2026-09-30 12:00")
    timed.to("2026-10-08 09:00")
    timed.wf.tick()

    late(timed, "2026-09-30 12:00").fire(timed.case, "answer", {}, actor=FIRM)

    assert timed.state == "asking.answered"


@pytest.mark.parametrize("by", [FIRM, SUPERVISOR, Actor(Role.AUDITOR)])
def test_only_a_role_that_the_transition_names_may_enter_it_late(timed: Timed, by: Actor) -> None:
    timed.to("2026-09-28 09:00")
    refusal = refusal_of(lambda: late(timed, by=by).fire(timed.case, "answer", {}, actor=FIRM))
    assert (refusal.code, refusal.detail) == ("late_entry_not_allowed", {"roles": ["office"]})


def test_what_no_transition_allows_is_not_entered_late(timed: Timed) -> None:
    refusal = refusal_of(lambda: late(timed, "2026-09-18 10:00").fire(timed.case, "pause", actor=OFFICE))
    assert (refusal.code, refusal.detail) == ("late_entry_not_allowed", {"roles": []})


def test_it_is_the_act_of_its_actor_and_needs_that_actors_authority(timed: Timed) -> None:
    timed.to("2026-09-24 17:45")
    refusal = refusal_of(lambda: late(timed).fire(timed.case, "answer", {}, actor=Actor(Role.APPLICANT, "e2")))
    assert refusal.code == "not_allowed"


def test_what_somebody_decided_is_not_undone_by_a_late_entry(timed: Timed) -> None:
    timed.to("2026-09-22 09:00")
    timed.fire("refuse")
    timed.to("2026-09-28 09:00")

    refusal = refusal_of(lambda: late(timed, "2026-09-21 09:00").fire(timed.case, "answer", {}, actor=FIRM))

    assert (refusal.code, timed.state) == ("not_ended_by_time", "asking.refused")


def test_without_being_entered_late_nothing_leaves_the_end(timed: Timed) -> None:
    timed.to("2026-09-28 09:00")
    timed.wf.tick()
    refusal = refusal_of(lambda: timed.fire("answer", {}, FIRM))
    assert (refusal.code, timed.state) == ("window_closed", "asking.silent")
    assert "asking.answer" not in {a.trigger for a in timed.wf.allowed(timed.case, FIRM)}


@pytest.mark.parametrize(
    ("received", "reason", "evidence"),
    [
        (datetime(2026, 9, 24, 17, 30), "补录", EVIDENCE),
        (at("2026-09-28 09:00") + timedelta(microseconds=1), "补录", EVIDENCE),
        (at(END), " ", EVIDENCE),
        (at(END), "补" * 2001, EVIDENCE),
        (at(END), "补录", {}),
        (at(END), "补录", {**EVIDENCE, "sha256": "abc"}),
    ],
)
def test_a_late_entry_states_when_why_and_on_what_evidence(
    timed: Timed, received: datetime, reason: str, evidence: dict[str, Any]
) -> None:
    timed.to("2026-09-28 09:00")
    with pytest.raises(Invalid):
        timed.wf.entering_late(received, by=OFFICE, reason=reason, evidence=evidence)


def test_its_reason_is_private(timed: Timed) -> None:
    timed.to("2026-09-24 17:45")
    late(timed, reason="经办人张三当日请假").fire(timed.case, "answer", {}, actor=FIRM)
    assert "张三" not in str([timed.wf.history(timed.case), timed.wf.messages(timed.round)])


def test_a_key_tells_two_late_entries_apart(timed: Timed) -> None:
    timed.to("2026-09-24 17:45")
    first = late(timed).fire(timed.case, "answer", {}, actor=FIRM, key="k")
    assert late(timed).fire(timed.case, "answer", {}, actor=FIRM, key="k").repeated is True
    other = timed.wf.entering_late(at(END), by=OFFICE, reason="x", evidence={**EVIDENCE, "uri": "oa:///2"})
    assert refusal_of(lambda: other.fire(timed.case, "answer", {}, actor=FIRM, key="k")).code == "key_reused"
    assert refusal_of(lambda: timed.fire("answer", {}, FIRM, key="k")).code == "key_reused"
    assert first.repeated is False


def test_many_are_entered_late_at_once(timed: Timed) -> None:
    other = timed.wf.open("application", {}, actor=FIRM, round=timed.round).case_id
    timed.to("2026-09-28 09:00")
    timed.wf.tick()

    bulk = late(timed).fire_many([timed.case, other], "answer", actor=FIRM)

    assert [timed.wf.case(c).state for c in (timed.case, other)] == ["asking.answered"] * 2
    assert [i.error for i in bulk.items] == [None, None]
    entries = [timed.wf.history(c)[-1]["entry"]["by"]["person"] for c in (timed.case, other)]
    assert entries == ["p-1", "p-1"]
    assert timed.wf.verify().problems == []


# ── the window of a phase ──


def test_an_opening_that_a_phase_admitted_cannot_be_entered_late_unless_it_says_so(
    small_round: Callable[[], Small],
) -> None:
    small = small_round()
    small.move_to(CLOSES + HOUR)
    entering = small.wf.entering_late(CLOSES, by=THE_OFFICE, reason="窗口收件", evidence=EVIDENCE)
    refusal = refusal_of(lambda: entering.open("application", declaration(), actor=applicant(), round=small.round))
    assert refusal.code == "late_entry_not_allowed"


@pytest.fixture
def small_round(database_url: str) -> Iterator[Callable[[], Small]]:
    made: list[Small] = []

    def one() -> Small:
        made.append(Small(database_url).open_round())
        return made[-1]

    yield one
    for small in made:
        small.wf.database.dispose()
