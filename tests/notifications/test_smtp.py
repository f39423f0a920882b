"""Mail to a real server on this machine, which answers well, badly, late, or not at all."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, Self

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from ganchu_notifications.smtp import SmtpChannel
from ganchu_workflow.errors import Fault, Invalid, PerhapsDelivered, Undeliverable
from ganchu_workflow.messages import Dispatched
from ganchu_workflow.testing import OFFICE
from tests.notifications.conftest import Post

CERTIFICATE = Path(__file__).parent / "certificate"
"""A key that is known to everybody: it protects nothing but these tests."""
Said = str | Callable[[SMTP], str]


class Mailbox:
    """A handler of the server's: it keeps what it takes over, and answers as it is told to, once for each answer."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []
        self.answers: dict[str, list[Said]] = {}

    def _answer(self, server: SMTP, command: str) -> str:
        answers = self.answers.get(command)
        answer = answers.pop(0) if answers else "250 OK"
        return answer(server) if callable(answer) else answer

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.mail_from = address
        return self._answer(server, "MAIL")

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.rcpt_tos.append(address)
        return self._answer(server, "RCPT")

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        answer = self._answer(server, "DATA")
        if answer.startswith("2"):
            self.taken.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return answer


def hang_up(server: SMTP) -> str:
    """The line goes dead: no answer reaches the client."""
    assert server.transport is not None
    server.transport.abort()  # type: ignore[attr-defined]
    return "250 nobody hears this"


class Deaf(SMTP):
    """Asks for the mail, and is gone before it has come."""

    async def smtp_DATA(self, arg: str) -> None:
        await self.push("354 go on")
        hang_up(self)


class Server:
    """A real SMTP server on a port of its own, in a thread of its own."""

    def __init__(self, *, kind: type[SMTP] = SMTP, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        self.mailbox = Mailbox()
        self._kind, self._tls, self._options = kind, tls, options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    async def _start(self) -> int:
        def made() -> SMTP:
            return self._kind(self.mailbox, hostname="mail.test", loop=self._loop, **self._options)

        self._server = await self._loop.create_server(made, "127.0.0.1", 0, ssl=self._tls)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)

    def channel(self, **options: Any) -> SmtpChannel:
        given = {
            "host": "localhost",
            "port": self.port,
            "sender": "评选工作组 <pingxuan@office.test>",
            "security": "none",
        }
        return SmtpChannel(**{**given, "timeout": 10, "hello": "host.test", **options})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def a_message(**changes: Any) -> dict[str, Any]:
    return {
        "id": "061fd3uug000n16f7q085uhhio",
        "message": "declaration_received",
        "recipient": "applicant:E1",
        "body": {},
        "round": {},
        "subject": "申报材料已收到:铜箔",
        "text": "铜箔有限公司:\n\n<已收到>。\n.\n..两个点\n",
        "language": "zh-CN",
        "created_at": "2022-09-01T01:00:00.000000Z",
        "addresses": ["联络人 <liaison@e1.test>", "second@e1.test"],
        **changes,
    }


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE / "localhost.crt", CERTIFICATE / "localhost.key")
    return context


def test_a_mail_arrives_as_it_was_meant(server: Server) -> None:
    server.channel().deliver(a_message())

    ((sender, to, octets),) = server.mailbox.taken
    assert (sender, to) == ("pingxuan@office.test", ["liaison@e1.test", "second@e1.test"])
    mail = message_from_bytes(octets, policy=policy.default)
    assert mail["Subject"] == "申报材料已收到:铜箔"
    assert mail["From"] == "评选工作组 <pingxuan@office.test>"
    assert mail["To"] == "联络人 <liaison@e1.test>, second@e1.test"
    assert mail["Date"] == "Thu, 01 Sep 2022 01:00:00 +0000"
    assert mail["Message-ID"] == "<061fd3uug000n16f7q085uhhio@office.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "zh-CN"
    plain, page = (mail.get_body([kind]) for kind in ("plain", "html"))
    assert plain is not None and page is not None
    assert plain.get_content().replace("\r\n", "\n") == a_message()["text"]
    assert "&lt;已收到&gt;。" in page.get_content()
    assert "<已收到>" not in page.get_content()
    assert octets.isascii()
    assert max(len(line) for line in octets.splitlines()) <= 76 + len("Content-Transfer-Encoding: ")


def test_a_mail_that_is_sent_again_is_the_same_to_the_byte(server: Server) -> None:
    for _ in range(2):
        server.channel().deliver(a_message())

    first, second = server.mailbox.taken
    assert first == second


@pytest.mark.parametrize(
    ("command", "answer", "error", "said"),
    [
        ("MAIL", "451 later", Fault, "the mail server refuses the sender: 451 later"),
        ("MAIL", "550 not you", Fault, "the mail server refuses the sender: 550 not you"),
        ("MAIL", "553 5.7.1 <pingxuan@office.test>: no", Fault, "the mail server refuses the sender: 553 5.7.1 <…> no"),
        ("MAIL", "530 sign in first", Fault, "the mail server refuses the sender: 530 sign in first"),
        ("RCPT", "450 greylisted", Fault, "the mail server refuses address 1 of 2: 450"),
        ("RCPT", "550 no such box", Undeliverable, "the mail server refuses address 1 of 2: 550"),
        (
            "RCPT",
            "550 5.1.1 <liaison@e1.test>: gone",
            Undeliverable,
            "the mail server refuses address 1 of 2: 550 5.1.1",
        ),
        (
            "RCPT",
            "550-5.1.1 liaison\r\n550 5.1.1 gone",
            Undeliverable,
            "the mail server refuses address 1 of 2: 550 5.1.1",
        ),
        ("RCPT", "550 5.1.1x", Undeliverable, "the mail server refuses address 1 of 2: 550"),
        (
            "DATA",
            "554 liaison@e1.test, x@e1.test: no",
            Undeliverable,
            "the mail server refuses the mail: 554 <…> <…> no",
        ),
        ("DATA", "452 full", Fault, "the mail server refuses the mail: 452 full"),
        ("DATA", "554 spam", Undeliverable, "the mail server refuses the mail: 554 spam"),
        ("DATA", "421 closing", Fault, "the mail server refuses the mail: 421 closing"),
    ],
)
def test_what_the_server_answers_decides(
    server: Server, command: str, answer: str, error: type[Exception], said: str
) -> None:
    server.mailbox.answers = {command: [answer]}

    with pytest.raises((Fault, Undeliverable)) as caught:
        server.channel().deliver(a_message())

    assert (type(caught.value), caught.value.message) == (error, said)
    assert "liaison" not in caught.value.message  # what is kept with the message names nobody
    assert server.mailbox.taken == []


def test_one_address_that_is_refused_keeps_the_mail_from_all(server: Server) -> None:
    server.mailbox.answers = {"RCPT": ["250 OK", "550 no such box"]}

    with pytest.raises(Undeliverable, match=r"address 2 of 2: 550$"):
        server.channel().deliver(a_message())

    assert server.mailbox.taken == []


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_a_line_that_goes_dead_before_the_mail_is_a_fault(server: Server, command: str) -> None:
    server.mailbox.answers = {command: [hang_up]}

    with pytest.raises(Fault) as caught:
        server.channel().deliver(a_message())

    assert type(caught.value) is Fault
    assert caught.value.message.startswith("the connection to the mail server was lost before the mail was sent: ")


def test_a_line_that_goes_dead_after_the_mail_leaves_nobody_knowing(server: Server) -> None:
    def take_and_hang_up(running: SMTP) -> str:
        return hang_up(running)

    server.mailbox.answers = {"DATA": [take_and_hang_up]}

    with pytest.raises(PerhapsDelivered, match="the connection was lost before the mail server said whether it took"):
        server.channel().deliver(a_message())

    # And rightly so: here it did.
    assert len(server.mailbox.taken) == 1


def test_a_line_that_goes_dead_in_the_middle_of_the_mail_is_a_fault() -> None:
    with Server(kind=Deaf) as server, pytest.raises(Fault) as caught:
        server.channel().deliver(a_message(text="长" * 8_000_000))

    assert type(caught.value) is Fault
    assert caught.value.message.startswith("the connection to the mail server was lost in the middle of the mail: ")


def test_a_server_that_is_not_there_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(Fault, match=f"the mail server localhost:{port} cannot be used: .*refused"):
        SmtpChannel(host="localhost", port=port, sender="a@office.test", security="none").deliver(a_message())


def test_a_server_that_says_nothing_is_given_up_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Fault, match="timed out"):
        port = silent.getsockname()[1]
        channel = SmtpChannel(host="127.0.0.1", port=port, sender="a@office.test", security="none", timeout=0.2)
        channel.deliver(a_message())


def test_what_is_kept_of_a_refusal_names_nobody(
    sqlite_post: Post, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the outbox nor the log: servers like to quote whom they do not know."""
    sqlite_post.tell(2)
    server.mailbox.answers = {
        "RCPT": ["550 5.1.1 <liaison@e1.test>: no such user liaison@e1.test", "250 OK"],
        "DATA": ["554 5.7.1 refused for <liaison@e1.test>"],
    }

    dispatcher = sqlite_post.dispatcher(server.channel(), addresses=lambda recipient: ["liaison@e1.test"])
    assert dispatcher.run_once() == Dispatched(dead=2)

    assert [error for _, error, _ in sqlite_post.stand()] == [
        "the mail server refuses address 1 of 1: 550 5.1.1",
        "the mail server refuses the mail: 554 5.7.1 refused for <…>",
    ]
    assert len(caplog.records) == 2
    assert "liaison" not in caplog.text


def test_a_refused_sender_costs_no_message(post: Post, server: Server) -> None:
    """It is a setting: what waited for it goes out once it has been put right."""
    post.tell(2)
    server.mailbox.answers = {"MAIL": ["553 5.7.1 sender not allowed"] * 2}
    dispatcher = post.dispatcher(server.channel(), addresses=lambda recipient: ["a@e1.test"])

    assert dispatcher.run_once() == Dispatched(retried=2)

    post.later(hours=1)
    assert dispatcher.run_once() == Dispatched(delivered=2)


# ── secured and signed in ──


class Gate:
    """Lets one person in."""

    def __call__(self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (b"office", b"secret"), handled=False)


def locked(**options: Any) -> Server:
    return Server(authenticator=Gate(), auth_required=True, **options)


# The server cannot know that its line was secured before it was asked.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_goes_over_a_secured_line_to_a_server_that_is_signed_in_to(security: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n", "utf-8")
    secured = (
        locked(tls_context=server_context(), require_starttls=True)
        if security == "starttls"
        # The line is secured from its first byte: the server itself does not know that it is.
        else locked(tls=server_context(), auth_require_tls=False)
    )
    with secured as server:
        server.channel(
            security=security,
            ca_file=CERTIFICATE / "localhost.crt",
            user="office",
            password_file=tmp_path / "password",
        ).deliver(a_message())

        assert [to for _, to, _ in server.mailbox.taken] == [["liaison@e1.test", "second@e1.test"]]


def test_a_server_whose_certificate_nobody_vouches_for_is_not_spoken_to() -> None:
    with Server(tls_context=server_context(), require_starttls=True) as server:
        with pytest.raises(Fault, match=r"cannot be used: .*CERTIFICATE_VERIFY_FAILED"):
            server.channel(security="starttls").deliver(a_message())
        with pytest.raises(Fault, match=r"cannot be used: .*CERTIFICATE_VERIFY_FAILED"):
            server.channel(security="starttls", host="127.0.0.1", ca_file=CERTIFICATE / "localhost.crt").deliver(
                a_message()
            )
        assert server.mailbox.taken == []


def test_a_server_that_cannot_secure_the_line_is_not_spoken_to_in_the_clear(server: Server) -> None:
    with pytest.raises(Fault, match="cannot be used: STARTTLS extension not supported by server"):
        server.channel(security="starttls").deliver(a_message())

    assert server.mailbox.taken == []


def test_a_wrong_password_lets_the_message_wait_until_it_is_put_right() -> None:
    with locked(tls_context=server_context(), require_starttls=True) as server:
        with pytest.raises(Fault) as caught:
            server.channel(
                security="starttls", ca_file=CERTIFICATE / "localhost.crt", user="office", password="wrong"
            ).deliver(a_message())
        assert type(caught.value) is Fault
        assert f"the mail server localhost:{server.port} does not let us in: 535" in caught.value.message
        assert "wrong" not in caught.value.message


def test_a_password_file_that_has_gone_lets_the_message_wait(server: Server, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x", "utf-8")
    channel = server.channel(user="office", password_file=tmp_path / "password")
    (tmp_path / "password").unlink()

    with pytest.raises(Fault) as caught:
        channel.deliver(a_message())

    assert type(caught.value) is Fault


# ── through the dispatcher ──


def test_over_the_dispatcher_4xx_waits_5xx_is_dead_and_silence_is_stuck(post: Post, server: Server) -> None:
    sent = post.tell(4)
    server.mailbox.answers = {"DATA": ["451 later", "554 never", hang_up]}
    dispatcher = post.dispatcher(server.channel(), addresses=lambda recipient: ["a@e1.test"])

    assert dispatcher.run_once() == Dispatched(delivered=1, retried=1, dead=1, stuck=1)

    assert [status for status, _, _ in post.stand()] == ["retrying", "dead", "stuck", "delivered"]
    post.later(hours=1)
    assert dispatcher.run_once() == Dispatched(delivered=1)
    for message in (sent[1], sent[2]):
        post.wf.outbox.retry(message, actor=OFFICE, reason="对方已处理")
    assert dispatcher.run_once() == Dispatched(delivered=2)
    ids = [message_from_bytes(octets)["Message-ID"] for _, _, octets in server.mailbox.taken]
    # The third is there twice: it had gone out, and only a person could decide to send it again, under the same id.
    assert sorted(ids) == sorted(f"<{i}@office.test>" for i in (*sent, sent[2]))


def test_a_server_that_is_away_costs_no_message(post: Post) -> None:
    post.tell(2)
    with Server() as server:
        channel = server.channel()
    dispatcher = post.dispatcher(channel, addresses=lambda recipient: ["a@e1.test"])

    assert dispatcher.run_once() == Dispatched(retried=2)

    with Server() as server:
        post.later(hours=1)
        there = post.dispatcher(server.channel(), addresses=lambda recipient: ["a@e1.test"])
        assert there.run_once() == Dispatched(delivered=2)


# ── what cannot be used ──


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": ""}, "host: String should have at least 1 character"),
        ({"sender": "office"}, "'office' is not a mail address; it looks like a@example.org"),
        ({"sender": "a@office.test\r\nBcc: x@y.test"}, "is not a mail address"),
        ({"sender": "工作组@office.test"}, "is not a mail address"),
        ({"security": "ssl"}, "security: Input should be 'starttls', 'tls' or 'none'"),
        ({"port": 0}, "port: Input should be greater than or equal to 1"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"user": "office"}, "the smtp channel has a user without a password; give password_file"),
        ({"user": "office", "password_file": "/nowhere/at/all"}, "the password file /nowhere/at/all cannot be read"),
        ({"user": "office", "password": "口令"}, "user and password of the smtp channel must be ASCII"),
        ({"user": "办公室", "password": "x"}, "user and password of the smtp channel must be ASCII"),
        ({"security": "tls", "ca_file": "/nowhere/at/all"}, "the certificates in /nowhere/at/all cannot be read"),
        ({"timeout": 0, "password": "secret"}, "timeout: Input should be greater than 0"),
    ],
)
def test_options_that_cannot_be_used_are_refused_at_the_start(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as caught:
        SmtpChannel(**{"host": "localhost", "sender": "a@office.test", "security": "none", **options})

    assert said in caught.value.message
    assert "secret" not in caught.value.message


def test_the_password_is_not_shown() -> None:
    channel = SmtpChannel(host="h", sender="a@office.test", user="office", password="secret", security="none")
    assert "secret" not in repr(channel.options)


@pytest.mark.parametrize(
    "address",
    ["liaison", "", "@e1.test", "联络@e1.test", "a@b@e1.test\n", "a@e1.test; b@e1.test", "<a@e1.test>, b@e1.test"],
)
def test_an_address_that_is_none_is_a_dead_letter_that_does_not_name_it(server: Server, address: str) -> None:
    with pytest.raises(Undeliverable) as caught:
        server.channel().deliver(a_message(addresses=["a@e1.test", address]))

    assert caught.value.message == "an address of the recipient is not a mail address; correct it, then retry"
    assert server.mailbox.taken == []
