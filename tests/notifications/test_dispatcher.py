"""What a dispatcher promises: after the commit, once where that can be known, and nothing lost in silence."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ganchu_notifications.dispatcher import Dispatcher
from ganchu_workflow import SeededEntropy, Workflow
from ganchu_workflow.canonical import digest
from ganchu_workflow.clock import MICROSECOND, to_text
from ganchu_workflow.errors import DatabaseFault, Invalid, PerhapsDelivered, Undeliverable
from ganchu_workflow.messages import Dispatched
from ganchu_workflow.testing import OFFICE, firm
from tests.notifications.conftest import Post, Recorder

UntilEmpty = Callable[[Dispatcher], Dispatched]
LOST = "its lease ran out: whoever had it in hand may have sent it. Look at the receiving end, then retry or drop"

ROLES = "roles are: applicant, local_authority, office, expert, department, supervisor, auditor, public, and default"


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


def test_a_message_is_delivered_in_words_and_what_was_said_is_kept(post: Post) -> None:
    (sent,) = post.tell()
    channel = Recorder()

    assert post.dispatcher(channel).run_once() == Dispatched(delivered=1)

    (message,) = channel.got
    told_at = to_text(post.script.now)
    assert {k: v for k, v in message.items() if k != "text"} == {
        "id": sent,
        "message": "declaration_received",
        "recipient": "applicant:firm-铜箔",
        "body": {"product": "铜箔"},
        "round": {"id": post.script.round, "code": "GCJP", "title": message["round"]["title"], "demonstration": False},
        "subject": "申报材料已收到:铜箔",
        "language": "zh-CN",
        "created_at": told_at,
    }
    assert message["text"].startswith(
        "铜箔有限公司(虚构):\n\n贵单位申报的“铜箔”已于2022年9月1日9:00提交,申报材料已收到。"
    )
    (entry,) = post.wf.outbox.entries()
    assert (entry.message_id, entry.channel, entry.status, entry.attempts) == (sent, "one", "delivered", 1)
    assert (entry.subject, entry.text) == (message["subject"], message["text"])
    assert entry.digest == digest(f"{entry.subject}\n\n{entry.text}")
    assert entry.delivered_at == post.script.now
    assert post.wf.verify().problems == []
    assert [m["status"] for m in post.wf.messages(post.script.round)] == ["routed"]


def test_nothing_is_there_to_deliver_before_the_commit(sqlite_post: Post) -> None:
    script, channel = sqlite_post.script, Recorder()
    script.draft("铜箔")
    dispatcher = sqlite_post.dispatcher(channel)

    with sqlite_post.wf.database.connect() as host, host.begin() as transaction:
        inside = sqlite_post.wf.using(host)
        inside.fire(script.apps["铜箔"], "submit", {"truthful": True}, actor=firm("铜箔"))
        assert [m["message"] for m in inside.messages(script.round)] == ["declaration_received"]
        assert sqlite_post.wf.messages(script.round) == []
        transaction.rollback()
    assert dispatcher.run_once() == Dispatched()
    assert channel.got == []

    script.fire("铜箔", "submit", firm("铜箔"), truthful=True)
    assert dispatcher.run_once() == Dispatched(delivered=1)


def test_the_oldest_come_first_and_no_more_than_asked_for(post: Post) -> None:
    first = post.tell(3)
    post.later(seconds=1)
    second = post.tell(2)
    channel = Recorder()
    dispatcher = post.dispatcher(channel)

    runs = [dispatcher.run_once(2) for _ in range(4)]

    assert [r.delivered for r in runs] == [2, 2, 1, 0]
    assert [m["id"] for m in channel.got] == [*first, *second]


def test_each_role_is_told_over_the_channels_of_its_route(post: Post) -> None:
    script = post.script
    script.declare("铜箔")
    script.fire("铜箔", "accept", OFFICE)
    script.recommend("铜箔")
    script.later(days=60)
    mine, others = Recorder(), Recorder()

    post.dispatcher(mine, others, routes={"applicant": ["two", "one"], "default": ["two"]}).run_once()

    assert [m["recipient"] for m in mine.got] == ["applicant:firm-铜箔"] * 2  # received, accepted
    # The limit of the check is near, past, and past for one and for three working days.
    checked = ["office", "office", "supervisor", "office", "supervisor"]
    assert [m["recipient"] for m in others.got] == ["applicant:firm-铜箔"] * 2 + checked


def test_what_fails_for_the_time_being_is_tried_again_later_and_later(post: Post) -> None:
    (sent,) = post.tell()
    channel = Recorder(failures={sent: [OSError("no route"), TimeoutError("slow"), ConnectionResetError("gone")]})
    dispatcher = post.dispatcher(channel, backoff=timedelta(seconds=60), longest=timedelta(seconds=100))
    chance = SeededEntropy("jitter")

    for attempt, whole in enumerate((60.0, 100.0, 100.0), start=1):
        assert dispatcher.run_once() == Dispatched(retried=1)
        (entry,) = post.wf.outbox.entries()
        assert (entry.status, entry.attempts) == ("retrying", attempt)
        expected = whole * (1 - int.from_bytes(chance.take(4), "big") / 2**32 / 2)
        assert entry.due_at is not None
        assert abs((entry.due_at - post.script.now).total_seconds() - expected) < 1e-5
        assert whole / 2 <= (entry.due_at - post.script.now).total_seconds() <= whole
        post.script.at(entry.due_at - MICROSECOND, tick=False)
        assert dispatcher.run_once() == Dispatched()
        post.script.at(entry.due_at, tick=False)

    assert dispatcher.run_once() == Dispatched(delivered=1)
    assert post.stand() == [("delivered", None, 4)]


def test_what_fails_too_often_is_a_dead_letter(post: Post) -> None:
    (sent,) = post.tell()
    channel = Recorder(failures={sent: [OSError("no route")] * 3})
    dispatcher = post.dispatcher(channel, attempts=3)

    runs = []
    for _ in range(3):
        runs.append(dispatcher.run_once())
        post.later(hours=2)

    assert runs == [Dispatched(retried=1), Dispatched(retried=1), Dispatched(dead=1)]
    assert post.stand() == [("dead", "given up after 3 attempts: OSError: no route", 3)]
    assert dispatcher.run_once() == Dispatched()
    assert channel.got == []


@pytest.mark.parametrize("error", [Undeliverable("there is no such box"), Invalid("there is no such box")])
def test_what_can_never_be_delivered_is_a_dead_letter_at_once(post: Post, error: Exception) -> None:
    (sent,) = post.tell()

    assert post.dispatcher(Recorder(failures={sent: [error]})).run_once() == Dispatched(dead=1)

    assert post.stand() == [("dead", "there is no such box", 1)]


@pytest.mark.parametrize(
    ("safe", "done", "stands"),
    [(False, Dispatched(stuck=1), "stuck"), (True, Dispatched(retried=1), "retrying")],
    ids=["to repeat may harm", "to repeat is safe"],
)
def test_what_may_have_gone_out_is_not_sent_again_by_itself(
    post: Post, safe: bool, done: Dispatched, stands: str
) -> None:
    (sent,) = post.tell()
    channel = Recorder(repeats_safely=safe, failures={sent: [PerhapsDelivered("no answer")]})

    assert post.dispatcher(channel).run_once() == done

    assert post.stand() == [(stands, "no answer", 1)]


@pytest.mark.parametrize(
    "error", [ValueError("broken"), RecursionError(), SystemExit(3)], ids=lambda e: type(e).__name__
)
def test_a_channel_that_crashes_holds_up_no_other_message(post: Post, error: BaseException) -> None:
    first, second, third = post.tell(3)
    channel = Recorder(failures={second: [error]})

    assert post.dispatcher(channel).run_once() == Dispatched(delivered=2, retried=1)

    assert [m["id"] for m in channel.got] == [first, third]
    said = f"{type(error).__name__}: {error}"
    assert post.stand() == [("delivered", None, 1), ("retrying", said.strip(), 1), ("delivered", None, 1)]


def test_a_channel_that_crashes_holds_up_no_other_channel(post: Post) -> None:
    (sent,) = post.tell()
    broken, sound = Recorder(failures={sent: [ValueError("broken")]}), Recorder()

    assert post.dispatcher(broken, sound).run_once() == Dispatched(delivered=1, retried=1)

    assert [m["id"] for m in sound.got] == [sent]


def test_an_error_of_any_length_and_kind_is_kept_as_far_as_it_fits(post: Post) -> None:
    first, second = post.tell(2)
    failures: dict[str, list[BaseException]] = {
        first: [OSError("线\n路" * 900)],
        second: [OSError("not \x00 for \udc80 a database")],
    }

    assert post.dispatcher(Recorder(failures=failures)).run_once() == Dispatched(retried=2)

    assert [error for _, error, _ in post.stand()] == [
        ("OSError: " + "线 路" * 900)[:500],
        "OSError: not   for ? a database",
    ]


# ── a dispatcher that dies ──


class Dying(Recorder):
    """Dies after it has sent, before anybody can note it."""

    def deliver(self, message: Any) -> None:
        super().deliver(message)
        raise Killed


def test_after_a_death_a_channel_that_bears_repeats_is_handed_the_message_again(post: Post) -> None:
    (sent,) = post.tell()
    dying = Dying(repeats_safely=True)
    with pytest.raises(Killed):
        post.dispatcher(dying, lease=timedelta(minutes=10)).run_once()
    channel = Recorder(repeats_safely=True)
    survivor = post.dispatcher(channel)

    (entry,) = post.wf.outbox.entries()
    assert (entry.status, entry.due_at) == ("claimed", post.script.now + timedelta(minutes=10))
    post.later(minutes=10)  # the last instant of the lease
    assert survivor.run_once() == Dispatched()
    post.later(microseconds=1)
    assert survivor.run_once() == Dispatched(delivered=1)

    assert [m["id"] for m in channel.got] == [sent]
    # The same words: a receiver that knows the id has nothing to compare.
    assert channel.got == dying.got


def test_a_claim_that_ran_out_before_it_began_is_no_attempt(post: Post) -> None:
    """Eight dispatchers die between claiming and sending, as in a week of bad deployments."""
    (sent,) = post.tell()
    channel = Recorder(failures={sent: [OSError("away")]})
    dispatcher = post.dispatcher(channel, attempts=8)
    post.wf.outbox.route(lambda recipient: ["one"], 100)
    for _ in range(8):
        ((delivery,), stuck) = post.wf.outbox.claim({"one": False}, limit=1, lease=timedelta(minutes=10), by="dying")
        assert (delivery.attempts, stuck) == (1, 0)
        post.later(minutes=10, microseconds=1)

    assert dispatcher.run_once() == Dispatched(retried=1)

    assert post.stand() == [("retrying", "OSError: away", 1)]
    post.later(hours=1)
    assert dispatcher.run_once() == Dispatched(delivered=1)
    assert post.stand() == [("delivered", None, 2)]


def test_after_a_death_a_channel_that_does_not_bear_repeats_is_never_handed_it_again_by_itself(post: Post) -> None:
    (sent,) = post.tell()
    with pytest.raises(Killed):
        post.dispatcher(Dying(), lease=timedelta(minutes=10)).run_once()
    channel = Recorder()
    survivor = post.dispatcher(channel)

    post.later(minutes=10)
    assert survivor.run_once() == Dispatched()
    assert post.stand() == [("sending", None, 1)]
    post.later(microseconds=1)
    assert survivor.run_once() == Dispatched(stuck=1)
    assert post.stand() == [("stuck", LOST, 1)]
    post.later(days=30)
    assert survivor.run_once() == Dispatched()
    assert channel.got == []

    post.wf.outbox.retry(sent, actor=OFFICE, reason="对方确认未收到")
    assert survivor.run_once() == Dispatched(delivered=1)
    assert [m["id"] for m in channel.got] == [sent]


def test_a_dispatcher_that_was_only_slow_is_still_believed_when_it_says_delivered(post: Post) -> None:
    post.tell()
    outbox, channel = post.wf.outbox, Recorder()

    class Slow(Recorder):
        def deliver(self, message: Any) -> None:
            post.later(minutes=11)
            assert post.dispatcher(channel).run_once() == Dispatched(stuck=1)
            super().deliver(message)

    slow = Slow()
    assert post.dispatcher(slow, lease=timedelta(minutes=10)).run_once() == Dispatched(delivered=1)

    assert [e.status for e in outbox.entries()] == ["delivered"]
    assert (len(slow.got), channel.got) == (1, [])


def test_what_was_handed_in_again_meanwhile_is_not_settled_by_the_one_before(post: Post) -> None:
    (sent,) = post.tell()

    class Slow(Recorder):
        def deliver(self, message: Any) -> None:
            post.later(minutes=11)
            post.dispatcher(Recorder()).run_once()
            post.wf.outbox.retry(sent, actor=OFFICE, reason="再发一次")
            raise OSError("too late to matter")

    assert post.dispatcher(Slow(), lease=timedelta(minutes=10)).run_once() == Dispatched(left=1)

    assert post.stand() == [("waiting", LOST, 0)]


def test_a_batch_that_outlasts_its_lease_leaves_the_rest_untouched(post: Post) -> None:
    first, second = post.tell(2)

    class Slow(Recorder):
        def deliver(self, message: Any) -> None:
            super().deliver(message)
            post.later(minutes=10, microseconds=1)

    slow = Slow()
    assert post.dispatcher(slow, lease=timedelta(minutes=10)).run_once() == Dispatched(delivered=1, left=1)

    assert [m["id"] for m in slow.got] == [first]
    assert post.stand() == [("delivered", None, 1), ("waiting", None, 0)]
    channel = Recorder()
    assert post.dispatcher(channel).run_once() == Dispatched(delivered=1)
    assert [m["id"] for m in channel.got] == [second]


def test_a_database_that_is_away_is_a_fault_and_nothing_is_lost(sqlite_post: Post, tmp_path: Any) -> None:
    (sent,) = sqlite_post.tell()
    channel = Recorder()
    dispatcher = sqlite_post.dispatcher(channel)
    with sqlite_post.wf.database.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE ganchu_delivery RENAME TO away")
        connection.commit()

    with pytest.raises(DatabaseFault):
        dispatcher.run_once()

    with sqlite_post.wf.database.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO ganchu_delivery")
        connection.commit()
    assert dispatcher.run_once() == Dispatched(delivered=1)
    assert [m["id"] for m in channel.got] == [sent]


def test_many_dispatchers_deliver_every_message_exactly_once(post: Post, database_url: str) -> None:
    sent = post.tell(8)
    channels = [Recorder() for _ in range(4)]
    flows = [Workflow(database_url, clock=post.wf.clock, stages=post.wf.stages) for _ in channels]
    start, errors = threading.Barrier(4), []

    def work(flow: Workflow, channel: Recorder) -> None:
        try:
            dispatcher = Dispatcher(flow.outbox, {"one": channel}, {"default": ["one"]})
            start.wait()
            while any(e.status in ("waiting", "claimed") for e in flow.outbox.entries()):
                dispatcher.run_once(2)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(flows, channels, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for flow in flows:
        flow.database.dispose()

    assert errors == []
    assert sorted(m["id"] for c in channels for m in c.got) == sent
    assert post.stand() == [("delivered", None, 1)] * 8


# ── addresses ──


def test_only_a_channel_that_asks_is_told_where_the_recipient_is_reached(sqlite_post: Post) -> None:
    sqlite_post.tell()
    asking, other = Recorder(addresses="required"), Recorder()

    sqlite_post.dispatcher(asking, other, addresses={"applicant:firm-铜箔": ["a@example.org"]}).run_once()

    assert [m["addresses"] for m in asking.got] == [["a@example.org"]]
    assert ["addresses" in m for m in other.got] == [False]


@pytest.mark.parametrize("addresses", [None, {}, {"applicant:firm-铜箔": []}, lambda recipient: ()])
def test_without_an_address_the_message_is_a_dead_letter_that_says_so(sqlite_post: Post, addresses: Any) -> None:
    (sent,) = sqlite_post.tell()
    asking = Recorder(addresses="required")

    assert sqlite_post.dispatcher(asking, addresses=addresses).run_once() == Dispatched(dead=1)

    said = "there is no address of applicant:firm-铜箔: add one, then hand it in again"
    assert sqlite_post.stand() == [("dead", said, 1)]
    sqlite_post.wf.outbox.retry(sent, actor=OFFICE, reason="已补录邮箱")
    assert sqlite_post.dispatcher(asking, addresses=lambda r: ["b@example.org"]).run_once() == Dispatched(delivered=1)
    assert [m["addresses"] for m in asking.got] == [["b@example.org"]]


def test_an_address_book_that_crashes_holds_up_no_other_message(sqlite_post: Post) -> None:
    sqlite_post.tell(2)

    def book(recipient: str) -> list[str]:
        if recipient == "applicant:firm-铜箔":
            raise KeyError("book")
        return ["a@example.org"]

    channel = Recorder(addresses="required")
    assert sqlite_post.dispatcher(channel, addresses=book).run_once() == Dispatched(delivered=1, retried=1)


# ── what does not fit together ──


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ({"default": ["one", "fax"]}, "routes: default names fax; there are: one"),
        ({"default": []}, "routes: default names no channel; there are: one"),
        (
            {"applicants": ["one"], "default": ["one"]},
            f"routes: nobody is told as 'applicants'; {ROLES}",
        ),
        (
            {"engine": ["one"], "default": ["one"]},
            f"routes: nobody is told as 'engine'; {ROLES}",
        ),
        (
            {role: ["one"] for role in ("applicant", "local_authority", "office", "expert", "department")},
            "routes: nothing says how to tell supervisor, auditor, public; add them, or default",
        ),
    ],
)
def test_routes_that_do_not_fit_are_refused_at_the_start(sqlite_post: Post, routes: Any, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        sqlite_post.dispatcher(Recorder(), routes=routes)

    assert caught.value.message == f"the dispatcher cannot be used:\n  - {said}"


def test_settings_that_make_no_sense_are_refused_at_the_start(sqlite_post: Post) -> None:
    with pytest.raises(Invalid) as caught:
        sqlite_post.dispatcher(Recorder(), attempts=0, lease=timedelta())

    assert caught.value.fields["problems"] == [
        "attempts must be at least 1",
        "backoff, longest and lease must be longer than nothing",
    ]


KILLED = """
import os, signal, sys
from datetime import datetime, timedelta
from ganchu_notifications.dispatcher import Dispatcher
from ganchu_workflow import SimulatedClock, Workflow


class Last:
    name = "last"
    repeats_safely = sys.argv[3] == "safe"

    def deliver(self, message):
        print(message["id"], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


wf = Workflow(sys.argv[1], clock=SimulatedClock(datetime.fromisoformat(sys.argv[2])))
Dispatcher(wf.outbox, {"one": Last()}, {"default": ["one"]}, lease=timedelta(minutes=10)).run_once()
"""


@pytest.mark.parametrize(
    ("safe", "left", "done"),
    [
        (True, ["claimed", "claimed"], Dispatched(delivered=2)),
        (False, ["sending", "claimed"], Dispatched(delivered=1, stuck=1)),
    ],
    ids=["safe", "unsafe"],
)
def test_a_process_that_is_killed_between_sending_and_noting_it(
    post: Post, safe: bool, left: list[str], done: Dispatched
) -> None:
    """The second of its batch had not been begun: that one is taken up again over any channel."""
    sent = post.tell(2)
    url = post.wf.database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", KILLED, url, post.script.now.isoformat(), "safe" if safe else "unsafe"]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (killed.returncode, killed.stdout.split(), killed.stderr) == (-signal.SIGKILL, sent[:1], "")
    assert [status for status, _, _ in post.stand()] == left
    channel = Recorder(repeats_safely=safe)
    survivor = post.dispatcher(channel)

    assert survivor.run_once() == Dispatched()
    post.later(minutes=10, microseconds=1)
    assert survivor.run_once() == done

    assert [m["id"] for m in channel.got] == (sent if safe else sent[1:])
