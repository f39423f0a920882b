"""A channel that leaves each message in a folder as a mail file (.eml): for a mail gateway, or for looking at."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from email.headerregistry import Address
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from ganchu_notifications.mail import address_of, check_address, letter, recipients_of
from ganchu_workflow.errors import Fault, Invalid, Undeliverable

_ELSEWHERE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""POSIX has the first, Windows the second."""
NOWHERE = "ganchu.invalid"
"""A domain that can never exist (RFC 2606): mail to it goes nowhere."""


class EmlChannel:
    """Writes each message as one file `<message id>.eml` into the folder `folder`, which is created if its parent is
    there. A file is there whole or not at all, and the same message makes the same bytes.

    `sender` is the address it is from. A recipient without an address is written to at an invented one that can never
    exist, so that a demonstration needs no address book. With `durable = false` a file is not forced to the disk.
    """

    name: ClassVar[str] = "eml"
    repeats_safely: ClassVar[bool] = True
    addresses: ClassVar[str] = "optional"

    def __init__(self, **options: Any) -> None:
        folder = options.pop("folder", None)
        if not isinstance(folder, str | Path) or not str(folder):
            raise Invalid("the eml channel needs the option 'folder': where the mail files go", option="folder")
        self._durable = options.pop("durable", True)
        if not isinstance(self._durable, bool):
            raise Invalid("the option 'durable' of the eml channel is true or false", option="durable")
        self._sender = address_of(options.pop("sender", f"no-reply@{NOWHERE}"))
        if options:
            raise Invalid(
                f"the eml channel has no option {', '.join(sorted(options))}; it has 'folder', 'sender' and 'durable'"
            )
        self.folder = Path(os.path.abspath(folder))
        if not self.folder.parent.is_dir():
            raise Invalid(f"the folder {self.folder.parent} does not exist; create it", path=str(self.folder))
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Invalid(
                f"the folder {self.folder} cannot be made: {error.strerror}", path=str(self.folder)
            ) from error

    check_address = staticmethod(check_address)

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Write the file; on return it is there. Raises `Fault`, naming it, when it cannot be written."""
        identifier = message["id"]
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,100}", identifier):
            raise Undeliverable(f"the message id {identifier!r} cannot name a file")
        to = recipients_of(message.get("addresses") or ()) or [_invented(message["recipient"])]
        octets = letter(message, self._sender, to).as_bytes()
        # Named after the process too: two that write the same message must not share a half-written file.
        path, half = self.folder / f"{identifier}.eml", self.folder / f".{identifier}.{os.getpid()}"
        try:
            file = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _ELSEWHERE, 0o600)
            with os.fdopen(file, "wb") as out:
                out.write(octets)
                out.flush()
                if self._durable:
                    os.fsync(out.fileno())
            half.replace(path)
            if self._durable:
                _sync(self.folder)
        except OSError as error:
            raise Fault(f"the mail {path} cannot be written: {error.strerror or error}", path=str(path)) from error


def _invented(recipient: str) -> Address:
    role = recipient.partition(":")[0]
    return Address(recipient, f"{role}-{sha256(recipient.encode()).hexdigest()[:8]}", NOWHERE)


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
