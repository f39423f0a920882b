"""A channel to a mail server (SMTP): one attempt for each message, and an honest word about what came of it."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ganchu_notifications.mail import address_of, check_address, letter, recipients_of
from ganchu_workflow.errors import Fault, Invalid, PerhapsDelivered, Undeliverable

NOT_LET_IN = (530, 534, 535, 538)
"""Answers of 5xx that are about signing in, and not about the message (RFC 4954)."""
ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![^\s])")
"""The status code that may begin the words of an answer (RFC 3463)."""
PORTS = {"none": 25, "starttls": 587, "tls": 465}


class SmtpOptions(BaseModel):
    """The settings of the channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1)]
    sender: str
    """The address it is from, for example `评选工作组 <pingxuan@example.org>`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` sends everything, a password too, in the clear."""
    port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """By default 587, 465 or 25, by `security`."""
    user: str | None = None
    password: str | None = Field(default=None, repr=False)
    password_file: Path | None = None
    """Keeps the password out of the configuration; read anew for each message."""
    ca_file: Path | None = None
    """The certificates of an authority of one's own."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0
    """In seconds, for each step of the conversation."""
    hello: str | None = None
    """The name this machine gives itself; by default its own."""


class SmtpChannel:
    """Hands each message to a mail server, as one mail to all addresses of its recipient: one that is refused keeps it
    from all of them, so that handing it in again repeats nothing.

    The mail's Message-ID is made of the message's id and stays the same, so that a receiver can drop a repeat. What the
    server answers with 5xx is a dead letter; with 4xx, or when it cannot be reached or refuses us or our sender, the
    message is tried again. When the connection is lost between the mail's last byte and the answer, nobody knows.
    """

    name: ClassVar[str] = "smtp"
    repeats_safely: ClassVar[bool] = False
    addresses: ClassVar[str] = "required"

    def __init__(self, **options: Any) -> None:
        try:
            self.options = SmtpOptions.model_validate(options)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            raise Invalid(f"the options of the smtp channel cannot be used: {wrong}") from None
        self._sender = address_of(self.options.sender)
        if self.options.user and self.options.password is None and self.options.password_file is None:
            raise Invalid("the smtp channel has a user without a password; give password_file")
        self._port = self.options.port or PORTS[self.options.security]
        self._tls = self._context()
        if not (self.options.user or "").isascii() or not self._password().isascii():
            raise Invalid("user and password of the smtp channel must be ASCII: that is all its servers agree on")

    check_address = staticmethod(check_address)

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Send `message`. Returning means that the server has taken it over.

        Raises `Undeliverable` when it never will, `PerhapsDelivered` when nobody can know, and `Fault` otherwise.
        """
        to = recipients_of(message["addresses"])
        octets = letter(message, self._sender, to).as_bytes()
        with self._conversation() as server:
            self._envelope(server, [a.addr_spec for a in to])
            self._content(server, octets)

    # ── the conversation ──

    @contextmanager
    def _conversation(self) -> Iterator[smtplib.SMTP]:
        """An open conversation, secured and signed in as the settings say."""
        where = f"the mail server {self.options.host}:{self._port}"
        server: smtplib.SMTP | None = None
        try:
            try:
                server = self._greeted()
                if self.options.security == "starttls":
                    # Raises when the server does not offer it: nothing falls back to the clear.
                    server.starttls(context=self._tls)
                server.ehlo_or_helo_if_needed()
                if self.options.user:
                    server.login(self.options.user, self._password())
            except smtplib.SMTPResponseException as error:
                # Not the message's fault, whatever the number: it waits until somebody has put the settings right.
                raise Fault(f"{where} does not let us in: {_said(error.smtp_code, error.smtp_error)}") from error
            except (OSError, smtplib.SMTPException, Invalid) as error:
                raise Fault(f"{where} cannot be used: {_nobody(error)}") from error
            yield server
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            if server is not None:
                server.close()

    def _greeted(self) -> smtplib.SMTP:
        o = self.options
        if o.security == "tls":
            return smtplib.SMTP_SSL(o.host, self._port, o.hello, timeout=o.timeout, context=self._tls)
        return smtplib.SMTP(o.host, self._port, o.hello, timeout=o.timeout)

    def _envelope(self, server: smtplib.SMTP, to: Sequence[str]) -> None:
        try:
            code, words = server.mail(self._sender.addr_spec)
            if code != 250:
                # The settings' fault, whatever the number: as when it does not let us in.
                raise Fault(f"the mail server refuses the sender: {_said(code, words)}")
            for number, each in enumerate(to, 1):
                code, words = server.rcpt(each)
                # Which address, and the numbers of the answer alone: its words quote the address in any spelling.
                _expect((code, _status(words)), (250, 251, 252), f"address {number} of {len(to)}")
            _expect(server.docmd("DATA"), (354,), "the beginning of the mail")
        except (OSError, smtplib.SMTPException) as error:
            raise Fault(
                f"the connection to the mail server was lost before the mail was sent: {_nobody(error)}"
            ) from error

    def _content(self, server: smtplib.SMTP, octets: bytes) -> None:
        # Not `sendmail`: it does not say whether the connection was lost before or after the last byte.
        stuffed = re.sub(rb"(?m)^\.", b"..", octets)
        try:
            server.send(stuffed.removesuffix(b"\r\n") + b"\r\n.\r\n")
        except (OSError, smtplib.SMTPException) as error:
            raise Fault(
                f"the connection to the mail server was lost in the middle of the mail: {_nobody(error)}"
            ) from error
        try:
            answer = server.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise PerhapsDelivered(
                "the connection was lost before the mail server said whether it took the mail over "
                f"({_nobody(error)}); look there for this message id, then retry or drop"
            ) from error
        _expect(answer, (250,), "the mail")

    def _password(self) -> str:
        o = self.options
        if o.password_file is None:
            return o.password or ""
        try:
            return o.password_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"the password file {o.password_file} cannot be read: {error}") from error

    def _context(self) -> ssl.SSLContext | None:
        if self.options.security == "none":
            return None
        try:
            return ssl.create_default_context(cafile=self.options.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Invalid(f"the certificates in {self.options.ca_file} cannot be read: {error}") from error


def _expect(answer: tuple[int, bytes], wanted: Sequence[int], what: str) -> None:
    code, words = answer
    if code in wanted:
        return
    said = f"the mail server refuses {what}: {_said(code, words)}"
    if 500 <= code < 600 and code not in NOT_LET_IN:
        raise Undeliverable(said)
    raise Fault(said)


def _said(code: int, words: bytes | str) -> str:
    """The answer in one line, for the log and for what is kept with the message."""
    return f"{code} {_nobody(_text(words))}".rstrip()


def _status(words: bytes) -> bytes:
    """The enhanced status code at the beginning of an answer; nothing of its words."""
    found = ENHANCED.match(_text(words))
    return found.group().encode() if found else b""


def _nobody(said: object) -> str:
    """What the server, or an error, says, without any address in it: what is kept with a message names nobody."""
    return re.sub(r"\S+@\S+", "<…>", " ".join(str(said).split()))


def _text(words: bytes | str) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else words
