"""补录: what was received in time on paper and is entered only later, by whom it may be, and what it undoes."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from ganchu_workflow import Actor, Invalid, Role, Workflow
from tests.engine.small_process import CLOSES, HOUR, MICROSECOND, Small, applicant, declaration, refusal_of
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
    entry = event["entry"]
    assert entry["by"] == {"role": "office", "scope": "", "person": "p-1"}
    # Where the paper lies, and what it is called, can give away whoever handed it in: the digest is what proves it.
    assert entry["evidence"]["sha256"] == EVIDENCE["sha256"]
    assert [list(entry["evidence"][key]) for key in ("name", "uri")] == [["private"]] * 2
    assert list(entry["reason"]) == ["private"]
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


# ── the window as it stood when the paper came ──


def test_paper_that_came_before_a_suspension_is_in_time(timed: Timed) -> None:
    timed.to("2026-09-22 11:00")
    timed.act("suspend")
    timed.to("2026-09-23 09:00")
    timed.act("resume")
    timed.to("2026-10-30 09:00")
    timed.wf.tick()
    assert timed.state == "asking.silent"

    late(timed, "2026-09-21 09:00").fire(timed.case, "answer", {}, actor=FIRM)

    assert timed.state == "asking.answered"


@pytest.mark.parametrize("received", ["2026-09-22 11:30", "2026-09-29 18:00"])
def test_paper_that_came_while_it_was_suspended_is_in_time(timed: Timed, received: str) -> None:
    timed.to("2026-09-22 11:00")
    timed.act("suspend")
    timed.to("2026-09-30 09:00")
    timed.act("resume")

    late(timed, received).fire(timed.case, "answer", {}, actor=FIRM)

    assert timed.state == "asking.answered"


def test_an_end_that_was_extended_after_the_paper_came_is_its_end_all_along(timed: Timed) -> None:
    timed.to("2026-09-24 17:00")
    timed.extend("2026-09-30 12:00")
    timed.to("2026-10-08 09:00")
    timed.wf.tick()

    refusal = refusal_of(
        lambda: late(timed, at("2026-09-30 12:00") + MICROSECOND).fire(timed.case, "answer", {}, actor=FIRM)
    )
    assert refusal.code == "window_closed"
    late(timed, "2026-09-24 16:00").fire(timed.case, "answer", {}, actor=FIRM)
    assert timed.state == "asking.answered"


def test_what_ended_early_was_closed_from_then_on(timed: Timed) -> None:
    timed.to("2026-09-21 10:00")
    timed.act("end")
    timed.to("2026-09-21 12:00")

    refusal = refusal_of(
        lambda: late(timed, at("2026-09-21 10:00") + MICROSECOND).fire(timed.case, "answer", {}, actor=FIRM)
    )
    assert refusal.code == "window_closed"
    late(timed, "2026-09-21 10:00").fire(timed.case, "answer", {}, actor=FIRM)
    assert timed.state == "asking.answered"


# ── what a late entry is no way around ──


@pytest.mark.parametrize("verb", ["suspend", "resume", "end", "extend"])
def test_an_act_on_a_deadline_is_never_entered_late(timed: Timed, verb: str) -> None:
    timed.to("2026-09-28 09:00")
    data = {"deadline": "answer_due", "ground": "g", "until": at("2026-09-30 12:00").isoformat()}
    refusal = refusal_of(lambda: late(timed).fire(timed.case, f"deadline:{verb}", data, actor=OFFICE))
    assert (refusal.code, timed.state) == ("late_entry_not_allowed", "asking.asked")
    outage = {
        "began": at("2026-09-20 09:00").isoformat(),
        "ended": at("2026-09-21 09:00").isoformat(),
        "until": at("2026-10-21 09:00").isoformat(),
        "document": "d",
        "ground": "g",
    }
    act = lambda: late(timed).fire(timed.round, "round:extend_for_outage", outage, actor=OFFICE)  # noqa: E731
    assert refusal_of(act).code == "late_entry_not_allowed"


def test_nothing_was_received_before_there_was_anything_to_act_on(timed: Timed) -> None:
    timed.to("2026-09-28 09:00")
    begun = at("2026-09-18 10:00")
    refusal = refusal_of(lambda: late(timed, begun - MICROSECOND).fire(timed.case, "answer", {}, actor=FIRM))
    assert (refusal.code, refusal.detail) == ("window_not_open", {"begun_at": "2026-09-18T02:00:00.000000Z"})
    late(timed, begun).fire(timed.case, "answer", {}, actor=FIRM)


def test_a_round_that_is_over_takes_nothing_in(timed: Timed) -> None:
    timed.to("2026-09-28 09:00")
    timed.wf.tick()
    timed.wf.fire(timed.round, "close", actor=OFFICE)

    refusal = refusal_of(lambda: late(timed).fire(timed.case, "answer", {}, actor=FIRM))

    assert (refusal.code, timed.state) == ("round_closed", "asking.silent")


def test_a_refused_entry_says_who_tried_it(timed: Timed) -> None:
    timed.to("2026-09-28 09:00")
    received = at(END) + MICROSECOND
    refusal_of(lambda: late(timed, received).fire(timed.case, "answer", {}, actor=FIRM))
    [attempt] = timed.wf.attempts(timed.round)
    assert attempt["body"]["entry"] == {"by": "office#p-1", "sha256": EVIDENCE["sha256"]}


def test_in_a_hosts_transaction_it_counts_as_received_when_it_was(timed: Timed) -> None:
    timed.to("2026-09-28 09:00")
    with timed.wf.database.begin() as connection:
        late(timed).using(connection).fire(timed.case, "answer", {}, actor=FIRM)
    assert timed.wf.history(timed.case)[-1]["received_at"] == "2026-09-24T09:30:00.000000Z"


def test_a_reason_that_repeats_what_stands_in_the_open_is_no_leak(timed: Timed) -> None:
    timed.to("2026-09-24 17:45")
    late(timed, reason="赣工信函〔2026〕12号随附材料").fire(
        timed.case, "answer", {"text": "赣工信函〔2026〕12号随附材料"}, actor=FIRM
    )
    assert timed.state == "asking.answered"


def test_under_a_key_another_reception_is_another_entry(timed: Timed) -> None:
    timed.to("2026-09-24 17:45")
    late(timed).fire(timed.case, "answer", {}, actor=FIRM, key="k")
    other = lambda: late(timed, "2026-09-24 17:29").fire(timed.case, "answer", {}, actor=FIRM, key="k")  # noqa: E731
    assert refusal_of(other).code == "key_reused"
