"""The inboxes that the library keeps: everybody finds what was told to them, once, and nobody else does."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ganchu_notifications.inbox import InboxChannel
from ganchu_workflow import Actor, Role
from ganchu_workflow.errors import Invalid, Unknown
from ganchu_workflow.messages import Dispatched
from ganchu_workflow.testing import OFFICE, firm
from tests.notifications.conftest import Post


def test_a_message_lies_in_the_inbox_of_its_recipient_alone(post: Post) -> None:
    first, second = post.tell(2)
    inbox = post.wf.inbox

    assert post.dispatcher(InboxChannel(inbox=inbox)).run_once() == Dispatched(delivered=2)

    (letter,) = inbox.letters(firm("铜箔"))
    assert (letter.message_id, letter.recipient, letter.subject) == (
        first,
        "applicant:firm-铜箔",
        "申报材料已收到:铜箔",
    )
    assert letter.text == post.wf.outbox.entries()[0].text
    assert (letter.created_at, letter.read_at) == (post.script.now, None)
    assert [each.message_id for each in inbox.letters(firm("镜头"))] == [second]
    for other in (OFFICE, firm("铜"), Actor(Role.APPLICANT), Actor(Role.EXPERT, "firm-铜箔")):
        assert (inbox.letters(other), inbox.unread(other)) == ([], 0)
    assert post.wf.verify().problems == []


def test_a_message_is_laid_in_once_however_often_it_is_handed_in(post: Post) -> None:
    now = post.script.now
    inbox = post.wf.inbox

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(inbox.put, "m1", "office", "标题", "正文", now) for _ in range(8)]
        assert [job.result() for job in jobs] == [None] * 8

    assert [each.message_id for each in inbox.letters(OFFICE)] == ["m1"]


def test_the_newest_come_first_and_what_was_read_is_known(post: Post) -> None:
    inbox = post.wf.inbox
    for number in range(3):
        inbox.put(f"m{number}", "office", f"第{number}封", "正文", post.script.now)
        post.later(minutes=1)
    assert [each.message_id for each in inbox.letters(OFFICE)] == ["m2", "m1", "m0"]
    assert [each.message_id for each in inbox.letters(OFFICE, limit=2)] == ["m2", "m1"]

    first_read = post.script.now
    assert inbox.mark_read("m1", OFFICE).read_at == first_read
    post.later(minutes=1)
    assert inbox.mark_read("m1", OFFICE).read_at == first_read

    assert [each.message_id for each in inbox.letters(OFFICE, unread=True)] == ["m2", "m0"]
    assert inbox.unread(OFFICE) == 2


def test_nobody_reads_another_s_message(sqlite_post: Post) -> None:
    inbox = sqlite_post.wf.inbox
    inbox.put("m1", "applicant:firm-铜箔", "标题", "正文", sqlite_post.script.now)

    with pytest.raises(Unknown, match="there is no message 'm1' in the inbox of office"):
        inbox.mark_read("m1", OFFICE)

    assert inbox.unread(firm("铜箔")) == 1


@pytest.mark.parametrize("options", [{}, {"inbox": "inbox"}, {"inbox": None}])
def test_the_channel_needs_an_inbox_to_put_into(options: dict[str, object]) -> None:
    with pytest.raises(Invalid, match="the inbox channel needs the object 'inbox'"):
        InboxChannel(**options)


def test_an_option_it_does_not_have_is_refused(sqlite_post: Post) -> None:
    with pytest.raises(Invalid, match="the inbox channel has no option colour"):
        InboxChannel(inbox=sqlite_post.wf.inbox, colour="red")
