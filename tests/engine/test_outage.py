"""One act moves every end of a round that fell into an outage, with its ground, and says what it came too late for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from ganchu_workflow import Actor, Invalid, Receipt, Role
from tests.engine.small_process import (
    BEGUN,
    CLOSES,
    HOUR,
    MICROSECOND,
    OFFICE,
    SHANGHAI,
    Small,
    applicant,
    instant,
    plan,
    public,
    refusal_of,
)
from tests.engine.timed_process import FIRM, Timed, at

UNTIL = CLOSES + timedelta(days=3)
DOCUMENT = {"document": "赣工信办〔2021〕9号", "ground": "系统故障,方案第八条"}


@pytest.fixture
def small(database_url: str) -> Iterator[Small]:
    small = Small(database_url).open_round()
    yield small
    small.wf.database.dispose()


def extend(
    small: Small, began: datetime, until: datetime, actor: Actor = OFFICE, instead: dict[str, Any] | None = None
) -> Receipt:
    ended = small.simulated.now()
    data = {"began": began.isoformat(), "ended": ended.isoformat(), "until": until.isoformat(), **DOCUMENT}
    data |= instead or {}
    return small.wf.fire(small.round, "round:extend_for_outage", data, actor=actor)


def test_every_end_that_fell_into_the_outage_moves_and_no_other(small: Small) -> None:
    draft = small.draft("e1")
    correcting = small.submitted("e2")
    small.move_to(CLOSES - timedelta(days=6))
    small.wf.fire(correcting, "return_for_correction", {"items": ["商标"]}, actor=OFFICE)
    ends = small.due(correcting)["declare.correction_due"]
    assert ends == CLOSES  # five working days, to the hour at which the phase closes too
    later = small.submitted("e3")
    answer = small.due(later)["declare.answer_due"]
    small.drift_to(CLOSES + 2 * HOUR)

    receipt = extend(small, CLOSES - 5 * HOUR, UNTIL)

    assert small.phase("declare").facts["closes_at"] == instant(UNTIL)
    assert small.due(small.phase("declare").id) == {"closes": UNTIL}
    assert small.due(correcting)["declare.correction_due"] == UNTIL
    assert small.due(later) == {"declare.answer_due": answer}
    event = small.wf.history(small.round)[-1]
    assert (receipt.seq, event["trigger"], event["source"], event["target"]) == (
        event["seq"],
        "round:extend_for_outage",
        "running",
        "running",
    )
    assert event["data"]["fired_already"] == []
    for case in (small.phase("declare").id, correcting):
        moved = small.wf.history(case)[-1]
        assert (moved["trigger"], moved["cause"]) == (
            "round:extend_for_outage",
            {"case": small.round, "seq": event["seq"]},
        )
    assert small.phase("declare").facts["outage_extensions"] == [
        {"from": instant(CLOSES), "to": instant(UNTIL), **DOCUMENT},
    ]
    told = [(m["message"], m["recipient"]) for m in small.wf.messages(small.round)]
    assert ("deadline_extended", "applicant:e2") in told

    small.drift_to(UNTIL)
    small.wf.fire(draft, "submit", {"truthful": True}, actor=applicant("e1"))
    small.wf.fire(correcting, "resubmit", {}, actor=applicant("e2"))
    assert [small.state(c) for c in (draft, correcting)] == ["declare.submitted"] * 2
    assert small.wf.verify().problems == []


def test_a_microsecond_after_the_new_end_an_act_is_late(small: Small) -> None:
    draft = small.draft()
    small.drift_to(CLOSES + HOUR)
    extend(small, CLOSES - HOUR, UNTIL)
    small.drift_to(UNTIL + MICROSECOND)

    refusal = refusal_of(lambda: small.wf.fire(draft, "submit", {"truthful": True}, actor=applicant()))

    assert (refusal.code, small.state(draft)) == ("window_closed", "declare.lapsed")


def test_ends_at_the_edges_of_the_outage(small: Small) -> None:
    at_once = small.draft()
    small.drift_to(CLOSES + HOUR)
    extend(small, CLOSES, UNTIL)  # it began at the very instant of the end
    assert small.phase("declare").facts["closes_at"] == instant(UNTIL)
    assert small.state(at_once) == "declare.draft"

    small.drift_to(UNTIL + 2 * HOUR)
    extend(small, UNTIL + MICROSECOND, UNTIL + timedelta(days=1))  # a microsecond after it, it touched nothing
    assert small.phase("declare").facts["closes_at"] == instant(UNTIL)
    small.wf.tick()
    assert small.state(at_once) == "declare.lapsed"


def test_the_printed_end_of_a_notice_moves_by_this_act(small: Small) -> None:
    case = small.listed()
    ends = small.simulated.now() + timedelta(days=5)
    notice = small.notice(case, closes_at=ends)
    small.drift_to(ends + HOUR)
    extend(small, ends - HOUR, ends + timedelta(days=2))

    assert small.due(notice) == {"window": ends + timedelta(days=2)}
    assert small.wf.case(notice).facts["outage_extensions"][0]["document"] == DOCUMENT["document"]
    small.drift_to(ends + timedelta(days=2))
    small.wf.open("objection", {"text": "异议"}, actor=public(), parent=case, of=notice)
    assert small.wf.verify().problems == []


def test_what_fired_before_the_act_came_is_named_in_it(small: Small) -> None:
    draft = small.draft()
    small.move_to(CLOSES + HOUR)  # somebody swept
    assert small.state(draft) == "declare.lapsed"

    extend(small, CLOSES - HOUR, UNTIL)

    fired = small.wf.history(small.round)[-1]["data"]["fired_already"]
    assert fired == [[small.phase("declare").id, "closes", instant(CLOSES)]]
    assert small.state(draft) == "declare.lapsed"  # that is put right by a reversal: reopen the phase


@pytest.mark.parametrize("actor", [applicant(), Actor(Role.SUPERVISOR), Actor(Role.AUDITOR)])
def test_it_is_an_act_of_the_office(small: Small, actor: Actor) -> None:
    small.later()
    assert refusal_of(lambda: extend(small, BEGUN, UNTIL, actor)).code == "not_allowed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ended": (BEGUN - HOUR).isoformat()},
        {"ended": (BEGUN + 3 * HOUR).isoformat()},
        {"until": BEGUN.isoformat()},
    ],
)
def test_an_outage_has_begun_and_ended_and_the_new_end_lies_ahead(small: Small, wrong: dict[str, str]) -> None:
    small.later()
    before = small.wf.history(small.round)
    refusal = refusal_of(lambda: extend(small, BEGUN, UNTIL, instead=wrong))
    assert refusal.code == "outage_invalid"
    assert small.wf.history(small.round) == before


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ended": CLOSES.isoformat()}, "outage_invalid"),
        ({"ground": ""}, "data_invalid"),
        ({"until": "2026-10-12"}, "data_invalid"),
    ],
)
def test_an_outage_that_is_refused_lets_nothing_run_out(small: Small, wrong: dict[str, str], code: str) -> None:
    draft = small.draft()
    small.drift_to(CLOSES + HOUR)
    assert refusal_of(lambda: extend(small, CLOSES + HOUR / 2, UNTIL, instead=wrong)).code == code
    assert small.state(draft) == "declare.draft"

    extend(small, CLOSES - HOUR, UNTIL)

    assert small.due(small.phase("declare").id) == {"closes": UNTIL}
    assert small.state(draft) == "declare.draft"


def test_without_a_ground_or_for_a_case_that_is_no_round_it_is_refused(small: Small) -> None:
    small.later()
    draft = small.draft()
    data = {"began": BEGUN.isoformat(), "ended": BEGUN.isoformat(), "until": UNTIL.isoformat(), "document": "1"}
    assert refusal_of(lambda: extend(small, BEGUN, UNTIL, instead={"ground": ""})).code == "data_invalid"
    act = lambda: small.wf.fire(draft, "round:extend_for_outage", data, actor=OFFICE)  # noqa: E731
    assert refusal_of(act).code == "not_a_round"


def test_under_a_key_it_is_done_once(small: Small) -> None:
    small.drift_to(CLOSES + HOUR)
    data = {
        "began": (CLOSES - HOUR).isoformat(),
        "ended": CLOSES.isoformat(),
        "until": UNTIL.isoformat(),
        **DOCUMENT,
    }
    first = small.wf.fire(small.round, "round:extend_for_outage", data, actor=OFFICE, key="k")
    again = small.wf.fire(small.round, "round:extend_for_outage", data, actor=OFFICE, key="k")
    assert (again, again.repeated) == (first, True)
    assert datetime(2021, 9, 3, 17, 30, tzinfo=SHANGHAI) == CLOSES


def test_what_an_unswept_deadline_would_have_started_is_moved_too(database_url: str) -> None:
    small = Small(database_url)
    small.round = small.wf.open_round(plan(), actor=OFFICE).case_id
    small.wf.fire(small.round, "start", actor=OFFICE)
    small.drift_to(CLOSES + HOUR)  # nobody has swept since before the phase was to open
    assert small.phase("declare").state == "waiting"

    extend(small, CLOSES - 5 * HOUR, UNTIL)

    assert (small.phase("declare").state, small.phase("declare").facts["closes_at"]) == ("open", instant(UNTIL))
    small.draft()
    small.wf.database.dispose()


def test_in_a_hosts_transaction_it_is_refused(small: Small) -> None:
    small.later()
    with small.wf.database.connect() as connection, connection.begin():
        inside = small.wf.using(connection)
        data = {"began": BEGUN.isoformat(), "ended": BEGUN.isoformat(), "until": UNTIL.isoformat(), **DOCUMENT}
        with pytest.raises(Invalid, match="not inside a host's transaction"):
            inside.fire(small.round, "round:extend_for_outage", data, actor=OFFICE)
        there, here = ([a.trigger for a in wf.allowed(small.round, OFFICE)] for wf in (small.wf, inside))
        assert there == [*here, "round:extend_for_outage"]


def test_in_a_cancelled_round_nothing_moves(small: Small) -> None:
    small.later()
    small.wf.fire(small.round, "cancel", {"ground": "g"}, actor=OFFICE)
    assert refusal_of(lambda: extend(small, BEGUN, UNTIL)).code == "round_cancelled"


@pytest.fixture
def timed(database_url: str) -> Iterator[Timed]:
    timed = Timed(database_url, grace="1 working day, to 12:00")
    yield timed
    timed.wf.database.dispose()


def test_a_grace_that_fell_into_the_outage_is_moved_and_the_shown_end_stays(timed: Timed) -> None:
    timed.to("2026-09-28 14:00")
    outage = {
        "began": at("2026-09-28 10:00").isoformat(),
        "ended": at("2026-09-28 13:00").isoformat(),
        "until": at("2026-09-29 12:00").isoformat(),
        **DOCUMENT,
    }
    timed.wf.fire(timed.round, "round:extend_for_outage", outage, actor=OFFICE)

    [found] = timed.wf.deadlines(timed.case)
    assert (found.ends_at, found.due_at) == (at("2026-09-24 17:30"), at("2026-09-29 12:00"))
    timed.to("2026-09-29 12:00")
    timed.fire("answer", {}, FIRM)
    assert timed.state == "asking.answered"
    assert timed.wf.verify().problems == []
