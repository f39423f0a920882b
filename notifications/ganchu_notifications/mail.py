"""A message as an e-mail: the same message always makes the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ganchu_workflow.clock import from_text
from ganchu_workflow.errors import Invalid, Undeliverable

_POLICY = SMTP.clone(cte_type="7bit")
"""Chinese text as base64: every server takes it, whatever it can do."""


def address_of(text: str) -> Address:
    """The one address that `text` is, with or without a name. Raises `Invalid` for what no mail can go to, and for
    several: each address is an entry of its own.
    """
    # All of them: `parseaddr` gives the first, and drops the others without a word.
    found = getaddresses([text])
    name, spec = found[0] if len(found) == 1 else ("", "")
    local, at, domain = spec.rpartition("@")
    # A local part beyond ASCII needs SMTPUTF8, which few official mail servers speak.
    if not (at and local and domain) or not re.fullmatch(r"[\x21-\x7e]+", spec) or any(c in text for c in "\r\n"):
        looks = "it looks like a@example.org or 工作组 <a@example.org>, and each is an entry of its own"
        raise Invalid(f"{text!r} is not a mail address; {looks}")
    try:
        return Address(display_name=name, username=local, domain=domain)
    except Exception as error:  # the parser of addresses raises whatever it stumbles over
        raise Invalid(f"{text!r} is not a mail address: {error}") from error


def check_address(text: str) -> None:
    """Raise `Invalid`, without naming it, when a letter cannot go to this address."""
    try:
        address_of(text)
    except Invalid:
        raise Invalid("it is not one mail address; each is an entry of its own") from None


def recipients_of(addresses: Iterable[str]) -> list[Address]:
    """The addresses a message goes to. Raises `Undeliverable`, without naming it, when one of them is none."""
    try:
        return [address_of(each) for each in addresses]
    except Invalid as error:
        raise Undeliverable("an address of the recipient is not a mail address; correct it, then retry") from error


def letter(message: Mapping[str, Any], sender: Address, to: Sequence[Address]) -> EmailMessage:
    """The e-mail of a message: plain text and HTML, its date when it was told, its id the message's own.

    Raises `Undeliverable` for a message that no e-mail can be made of.
    """
    mail = EmailMessage(policy=_POLICY)
    try:
        mail["From"] = sender
        mail["To"] = tuple(to)
        mail["Subject"] = message["subject"]
        mail["Date"] = format_datetime(from_text(message["created_at"]).astimezone(UTC))
        mail["Message-ID"] = f"<{message['id']}@{sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message["text"], cte="base64")
        page = _page().render(subject=message["subject"], text=message["text"], language=message["language"])
        mail.add_alternative(page, subtype="html", cte="base64")
        # Not earlier: what is called Content-… goes when a content is set.
        mail["Content-Language"] = message["language"]
    except (KeyError, ValueError, UnicodeError) as error:
        raise Undeliverable(f"no e-mail can be made of this message: {type(error).__name__}: {error}") from error
    # Left to itself the library draws the boundary from chance.
    mail.set_boundary("=_" + sha256(message["id"].encode()).hexdigest()[:32])
    return mail


@cache
def _page() -> Template:
    folder = FileSystemLoader(Path(__file__).parent / "layout")
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined).get_template("mail.html")
