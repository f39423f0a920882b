"""What an operator sees of the outbox, and what they may do: hand in again, or drop, with a reason that is kept."""

from typing import Any

import pytest

from ganchu_workflow import Actor, Refused, Role, SimulatedClock, Workflow
from ganchu_workflow.errors import Invalid, Undeliverable, Unknown
from ganchu_workflow.messages import Dispatched
from ganchu_workflow.testing import OFFICE, SUPERVISOR, firm
from tests.notifications.conftest import Post, Recorder
from tests.rounds.script import refusal_of


def test_a_message_is_seen_before_it_is_routed(post: Post) -> None:
    (sent,) = post.tell()

    (entry,) = post.wf.outbox.entries()

    assert (entry.message_id, entry.channel, entry.status, entry.attempts) == (sent, None, "waiting", 0)
    assert (entry.message, entry.recipient, entry.round) == (
        "declaration_received",
        "applicant:firm-铜箔",
        post.script.round,
    )
    assert (entry.subject, entry.text, entry.digest, entry.error, entry.due_at) == (None,) * 5
    assert entry.created_at == post.script.now


def test_the_list_can_be_narrowed(post: Post) -> None:
    first, second, third = post.tell(3)
    dead = Recorder(failures={second: [Undeliverable("no")]})
    post.dispatcher(dead).run_once(2)
    outbox = post.wf.outbox

    def ids(**asked: Any) -> list[str]:
        return [e.message_id for e in outbox.entries(**asked)]

    assert ids() == [first, second, third]
    assert ids(status="delivered") == [first]
    assert ids(status="dead") == [second]
    assert ids(status="waiting") == [third]
    assert ids(message=second) == [second]
    assert ids(round=post.script.round) == [first, second, third]
    assert ids(round="0" * 26) == []
    assert [e.message_id for e in outbox.entries(limit=2)] == [first, second]
    with pytest.raises(Invalid, match="there is no status 'lost'; use one of waiting, claimed, sending, retrying"):
        outbox.entries(status="lost")


def test_what_is_told_at_one_instant_is_listed_in_the_order_of_telling(post: Post) -> None:
    script = post.script
    script.declare("家具", "米粉")
    instant = SimulatedClock(script.now)
    ground = {"deadline": "correction_due", "ground": "方案第五条"}
    script.fire("米粉", "return_for_correction", OFFICE, items=["一"])
    script.fire("家具", "return_for_correction", OFFICE, items=["一"])
    for day in range(10, 20):
        # As one process after another does it: each numbers its ids anew.
        other = Workflow(script.wf.database.url.render_as_string(hide_password=False), clock=instant)
        until = {"until": f"2022-10-{day}T17:30:00+08:00"}
        other.fire(script.id("家具"), "deadline:extend", ground | until, actor=OFFICE)
        other.database.dispose()

    told = [(m["recipient"], m["seq"]) for m in post.wf.messages(script.round)]
    listed = [each.message_id for each in post.wf.outbox.entries()]

    rice, furniture = firm("米粉"), firm("家具")
    assert told == [
        (str(furniture), 2),
        (str(rice), 2),
        (str(rice), 3),
        *((str(furniture), seq) for seq in range(3, 14)),
    ]
    assert listed == [m["id"] for m in post.wf.messages(script.round)]


def test_a_dead_letter_is_handed_in_again_with_the_same_words(post: Post) -> None:
    (sent,) = post.tell()
    channel = Recorder(failures={sent: [Undeliverable("no such box")]})
    dispatcher = post.dispatcher(channel)
    dispatcher.run_once()
    (before,) = post.wf.outbox.entries()
    post.later(days=3)

    assert post.wf.outbox.retry(sent, actor=OFFICE, reason=" 邮箱已更正 ") == ["one"]

    (entry,) = post.wf.outbox.entries()
    assert (entry.status, entry.attempts, entry.due_at) == ("waiting", 0, post.script.now)
    assert (entry.decided_by, entry.reason, entry.error) == ("office#office-1", "邮箱已更正", "no such box")
    assert dispatcher.run_once() == Dispatched(delivered=1)
    (after,) = post.wf.outbox.entries()
    assert (after.status, after.attempts, after.error) == ("delivered", 1, None)
    assert (after.subject, after.text, after.digest) == (before.subject, before.text, before.digest)
    assert [m["text"] for m in channel.got] == [before.text]


def test_a_dropped_message_stays_and_is_never_delivered(post: Post) -> None:
    (sent,) = post.tell()
    channel = Recorder(failures={sent: [Undeliverable("no such box")]})
    dispatcher = post.dispatcher(channel)
    dispatcher.run_once()

    assert post.wf.outbox.drop(sent, "one", actor=SUPERVISOR, reason="企业已注销") == ["one"]

    (entry,) = post.wf.outbox.entries()
    assert (entry.status, entry.decided_by, entry.reason) == ("dropped", "supervisor#supervisor-1", "企业已注销")
    post.later(days=3)
    assert dispatcher.run_once() == Dispatched()
    assert channel.got == []
    assert post.wf.verify().problems == []


def test_a_message_that_waits_for_its_next_attempt_can_be_handed_in_at_once_or_dropped(post: Post) -> None:
    first, second = post.tell(2)
    channel = Recorder(failures={first: [OSError("x")], second: [OSError("x")]})
    dispatcher = post.dispatcher(channel)
    assert dispatcher.run_once() == Dispatched(retried=2)

    post.wf.outbox.retry(first, actor=OFFICE, reason="线路已恢复")
    post.wf.outbox.drop(second, actor=OFFICE, reason="已电话告知")

    assert dispatcher.run_once() == Dispatched(delivered=1)
    assert [m["id"] for m in channel.got] == [first]


def test_only_the_channels_that_can_be_are_handed_in_again(post: Post) -> None:
    (sent,) = post.tell()
    fine, broken = Recorder(), Recorder(failures={sent: [Undeliverable("no")] * 2})
    dispatcher = post.dispatcher(fine, broken)
    dispatcher.run_once()

    assert post.wf.outbox.retry(sent, actor=OFFICE, reason="再试") == ["two"]
    assert dispatcher.run_once() == Dispatched(dead=1)
    with pytest.raises(Refused):
        post.wf.outbox.retry(sent, "one", actor=OFFICE, reason="再试")

    assert len(fine.got) == 1


@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_what_has_been_delivered_can_be_neither_handed_in_again_nor_dropped(post: Post, verb: str) -> None:
    (sent,) = post.tell()
    post.dispatcher(Recorder()).run_once()

    refusal = refusal_of(lambda: getattr(post.wf.outbox, verb)(sent, actor=OFFICE, reason="再试"))

    assert (refusal.code, refusal.en, refusal.detail) == (
        "delivery_not_open",
        "not possible where it stands now: one: delivered",
        {"one": "delivered"},
    )
    assert post.stand() == [("delivered", None, 1)]


def test_what_somebody_has_in_hand_cannot_be_handed_in_again(post: Post) -> None:
    (sent,) = post.tell()
    refusals = []

    class Asking(Recorder):
        def deliver(self, message: object) -> None:
            for verb in (post.wf.outbox.retry, post.wf.outbox.drop):
                refusals.append(refusal_of(lambda verb=verb: verb(sent, actor=OFFICE, reason="等不及")).detail)  # type: ignore[misc]

    assert post.dispatcher(Asking()).run_once() == Dispatched(delivered=1)

    assert refusals == [{"one": "sending"}] * 2


@pytest.mark.parametrize("actor", [firm("铜箔"), Actor(Role.AUDITOR), Actor(Role.EXPERT, "expert-1")], ids=str)
def test_only_office_and_supervisor_may(sqlite_post: Post, actor: Actor) -> None:
    (sent,) = sqlite_post.tell()
    sqlite_post.dispatcher(Recorder(failures={sent: [Undeliverable("no")]})).run_once()

    for verb in (sqlite_post.wf.outbox.retry, sqlite_post.wf.outbox.drop):
        assert refusal_of(lambda verb=verb: verb(sent, actor=actor, reason="x")).code == "not_allowed"  # type: ignore[misc]

    assert sqlite_post.stand() == [("dead", "no", 1)]


@pytest.mark.parametrize("reason", ["", "  \n", "因" * 501, "因\x00果"])
def test_a_reason_must_be_given(sqlite_post: Post, reason: str) -> None:
    (sent,) = sqlite_post.tell()

    with pytest.raises(Invalid, match="say why, in 1 to 500 characters: it is kept for ever"):
        sqlite_post.wf.outbox.drop(sent, actor=OFFICE, reason=reason)


# ── what is kept of decisions ──


def kept(post: Post) -> list[tuple[str, str, str, str, Any]]:
    """(name, kind, code, actor, detail) of every row beside the record."""
    rows = post.wf.attempts(post.script.round)
    return [(r["name"], r["kind"], r["code"], r["actor"], r["body"]["detail"]) for r in rows]


def test_every_decision_is_kept_and_not_the_last_alone(post: Post) -> None:
    (sent,) = post.tell()
    dispatcher = post.dispatcher(Recorder(failures={sent: [Undeliverable("no")] * 2}), Recorder())
    dispatcher.run_once()
    (case,) = [m["case_id"] for m in post.wf.messages(post.script.round) if m["id"] == sent]
    clerk, first = Actor(Role.OFFICE, person="u-17"), post.wf.clock.now()

    post.wf.outbox.retry(sent, actor=clerk, reason=" 邮箱已更正 ")
    dispatcher.run_once()
    post.later(hours=1)
    post.wf.outbox.drop(sent, actor=SUPERVISOR, reason="已电话告知")

    assert kept(post) == [
        (
            f"outbox.{verb}",
            "decided",
            verb,
            actor,
            {"message": sent, "channel": None, "standing": {"one": "dead"}, "reason": reason},
        )
        for verb, actor, reason in (
            ("retry", "office#u-17", "邮箱已更正"),
            ("drop", f"supervisor#{SUPERVISOR.person}", "已电话告知"),
        )
    ]
    rows = post.wf.attempts(post.script.round)
    assert [(r["case_id"], r["received_at"], r["body"]["zh"]) for r in rows] == [
        (case, first, "重新投递: 邮箱已更正"),
        (case, post.wf.clock.now(), "放弃投递: 已电话告知"),
    ]
    assert [(e.decided_by, e.reason) for e in post.wf.outbox.entries(status="dropped")] == [
        (f"supervisor#{SUPERVISOR.person}", "已电话告知")
    ]
    assert post.wf.verify().problems == []


def test_every_refusal_is_kept_with_the_longest_of_names(post: Post) -> None:
    (sent,) = post.tell()
    post.dispatcher(Recorder()).run_once()
    stranger = Actor(Role.APPLICANT, "企" * 100, "人" * 100)

    refusal_of(lambda: post.wf.outbox.drop(sent, "信" * 150, actor=stranger, reason="x\x00" * 600))
    refusal_of(lambda: post.wf.outbox.retry(sent, actor=OFFICE, reason="再试"))

    assert kept(post) == [
        (
            "outbox.drop",
            "refused",
            "not_allowed",
            f"{stranger}#{stranger.person}"[:160],
            {"message": sent, "channel": "信" * 120, "standing": {}},
        ),
        (
            "outbox.retry",
            "refused",
            "delivery_not_open",
            f"office#{OFFICE.person}",
            {"message": sent, "channel": None, "standing": {"one": "delivered"}},
        ),
    ]
    assert post.stand() == [("delivered", None, 1)]
    assert post.wf.verify().problems == []


def test_a_mistake_is_no_decision_and_leaves_no_row(sqlite_post: Post) -> None:
    (sent,) = sqlite_post.tell()
    sqlite_post.dispatcher(Recorder()).run_once()

    for message, channel, reason in (("nothing", None, "x"), (sent, "fax", "x"), (sent, None, "")):
        with pytest.raises((Invalid, Unknown)):
            sqlite_post.wf.outbox.drop(message, channel, actor=OFFICE, reason=reason)

    assert kept(sqlite_post) == []


def test_an_unknown_message_or_channel_is_said_to_be_unknown(sqlite_post: Post) -> None:
    (sent,) = sqlite_post.tell()
    outbox = sqlite_post.wf.outbox

    with pytest.raises(Unknown, match="there is no message 'nothing'; see `ganchu outbox list`"):
        outbox.retry("nothing", actor=OFFICE, reason="x")
    with pytest.raises(Unknown, match="no channel 'fax'; there are: none yet: run `ganchu outbox deliver` first"):
        outbox.retry(sent, "fax", actor=OFFICE, reason="x")
    sqlite_post.dispatcher(Recorder()).run_once()
    with pytest.raises(Unknown, match="the message goes over no channel 'fax'; there are: one"):
        outbox.drop(sent, "fax", actor=OFFICE, reason="x")


def test_in_a_host_s_transaction_a_decision_stands_or_falls_with_it(sqlite_post: Post) -> None:
    (sent,) = sqlite_post.tell()
    sqlite_post.dispatcher(Recorder(failures={sent: [Undeliverable("no")]})).run_once()

    with sqlite_post.wf.database.connect() as host, host.begin() as transaction:
        sqlite_post.wf.using(host).outbox.drop(sent, actor=OFFICE, reason="x")
        transaction.rollback()
    assert sqlite_post.stand() == [("dead", "no", 1)]
    assert kept(sqlite_post) == []

    with sqlite_post.wf.database.connect() as host, host.begin() as transaction:
        with pytest.raises(Refused) as caught:
            sqlite_post.wf.using(host).outbox.drop(sent, actor=firm("铜箔"), reason="x")
        transaction.rollback()
    assert kept(sqlite_post) == []
    # The host's to keep, as that of an act is.
    sqlite_post.wf.keep(caught.value)
    assert [(name, kind, code) for name, kind, code, *_ in kept(sqlite_post)] == [
        ("outbox.drop", "refused", "not_allowed")
    ]


def test_the_work_of_a_claim_follows_what_is_due_and_not_what_is_there(sqlite_post: Post) -> None:
    """The question for what is due is answered from an index, in its order, and never by sorting the table."""
    with sqlite_post.wf.database.connect() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM ganchu_delivery WHERE status = 'waiting' AND due_at <= 5"
            " AND channel IN ('a', 'b') ORDER BY due_at, message_id, channel LIMIT 10"
        ).all()
    details = [row[3] for row in plan]
    assert details[0] == "SEARCH ganchu_delivery USING INDEX ganchu_delivery_due_ix (status=? AND due_at<?)"


def test_nothing_can_be_delivered_from_inside_a_transaction_that_is_not_committed(sqlite_post: Post) -> None:
    sqlite_post.tell()

    with sqlite_post.wf.database.connect() as host, host.begin():
        inside = sqlite_post.wf.using(host)
        dispatcher = inside.dispatcher({"channels": {"inbox": {}}, "routes": {"default": ["inbox"]}})
        with pytest.raises(Invalid, match="a message is delivered after the commit"):
            dispatcher.run_once()

    assert sqlite_post.stand() == [("waiting", None, 0)]


def test_a_message_that_somebody_has_tampered_with_holds_up_no_other(sqlite_post: Post) -> None:
    """Verification finds it; the others arrive all the same."""
    first, second, third = sqlite_post.tell(3)
    with sqlite_post.wf.database.connect() as connection:
        connection.exec_driver_sql("UPDATE ganchu_outbox SET body = '{ }' WHERE id = ?", (first,))
        connection.exec_driver_sql("UPDATE ganchu_outbox SET seq = 99 WHERE id = ?", (second,))
        connection.commit()
    channel = Recorder()

    assert sqlite_post.dispatcher(channel).run_once() == Dispatched(delivered=1, dead=2)

    assert [m["id"] for m in channel.got] == [third]
    assert {p.code for p in sqlite_post.wf.verify().problems} == {
        "message_differs",
        "message_missing",
        "message_unexplained",
    }
