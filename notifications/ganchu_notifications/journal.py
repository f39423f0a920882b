"""A channel that keeps every message in a file: for a host that fetches them, a trial run, or a second record."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ganchu_workflow import canonical
from ganchu_workflow.errors import Fault, Invalid, NotCanonical

_REQUIRED = ("id", "message", "recipient", "body")
_CHUNK = 1 << 20


class JournalChannel:
    """Appends each message as one line of canonical JSON to a UTF-8 file, and never the same message id twice.

    `path` is the file; it is created with the first message, readable by its owner alone, in a folder that must exist.
    Several threads and processes of one machine may share it: they take turns by a lock on the file (POSIX `flock`,
    which network file systems do not all keep). The ids already in the file are what is remembered, so a file that is
    rotated away takes them with it.
    """

    name: ClassVar[str] = "journal"
    repeats_safely: ClassVar[bool] = True

    def __init__(self, **options: Any) -> None:
        path = options.pop("path", None)
        if not isinstance(path, str | Path) or not str(path):
            raise Invalid("the journal channel needs the option 'path': the file to append to", option="path")
        if options:
            raise Invalid(f"the journal channel has no option {', '.join(sorted(options))}; it has 'path' alone")
        try:
            # Not at the top: where there is none, the other channels must be found all the same.
            import fcntl
        except ImportError as error:
            raise Invalid(
                "the journal channel needs the file locks of POSIX (fcntl), which this system does not have; "
                "use another channel here"
            ) from error
        self._flock, self._exclusive = fcntl.flock, fcntl.LOCK_EX
        # Absolute from the start: a host that changes its working directory must not start a second journal.
        self.path = Path(os.path.abspath(path))
        if self.path.is_dir():
            raise Invalid(f"the journal {self.path} is a folder; name a file in it", path=str(self.path))
        if not self.path.parent.is_dir():
            raise Invalid(
                f"the journal {self.path} cannot be kept: the folder {self.path.parent} does not exist; create it",
                path=str(self.path),
            )
        self._turn = threading.Lock()
        self._file: tuple[int, int] | None = None
        self._read = 0
        self._lines = 0
        self._known: dict[str, str] = {}

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Append `message`; on return it is on the disk. A message id that is already in the file changes nothing.

        Raises `Invalid` for a message without one of its four keys, outside canonical JSON, or whose id is in the
        journal with another content; `Fault`, naming the path, when the file cannot be read or written or is not a
        journal. In both cases the journal holds the messages it held before.
        """
        missing = [key for key in _REQUIRED if key not in message]
        if missing:
            raise Invalid(f"the message has no {', '.join(missing)}", missing=tuple(missing))
        identifier = message["id"]
        if not isinstance(identifier, str) or not identifier:
            raise Invalid(f"the message id {identifier!r} is not a text; a stable id is what prevents repeats")
        text = canonical.encode(dict(message))
        digest = canonical.digest(text)
        with self._turn, self._opened() as file:
            self._catch_up(file)
            known = self._known.get(identifier)
            if known is None:
                self._append(file, text)
                self._known[identifier] = digest
                return
            if known != digest:
                raise Invalid(
                    f"the message {identifier} is in the journal {self.path} with another content; nothing was written",
                    id=identifier,
                    path=str(self.path),
                )
            # It is there, but whoever wrote it may have died before it reached the disk.
            os.fsync(file)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The open, locked file; every failure of the operating system becomes a `Fault` that names the path."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._flock(file, self._exclusive)
                yield file
            finally:
                os.close(file)
        except Fault:
            self._file = None
            raise
        except OSError as error:
            self._file = None
            raise Fault(
                f"the journal {self.path} cannot be written: {error.strerror or error}; "
                "the message was not delivered and may be handed in again",
                path=str(self.path),
            ) from error

    def _catch_up(self, file: int) -> None:
        """Learn the ids that this or another process has appended since the last look."""
        status = os.fstat(file)
        if self._file != (status.st_dev, status.st_ino) or status.st_size < self._read:
            self._file, self._read, self._lines, self._known = (status.st_dev, status.st_ino), 0, 0, {}
            self._sync_folder()
        unread = _read_from(file, self._read)
        *lines, rest = unread.split(b"\n")
        for line in lines:
            self._learn(line)
            self._read += len(line) + 1
        if rest:
            self._mend(file, rest)

    def _learn(self, line: bytes) -> None:
        try:
            text = line.decode("utf-8")
            entry = canonical.decode(text)
        except (UnicodeDecodeError, NotCanonical) as error:
            raise self._foreign() from error
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise self._foreign()
        self._known[entry["id"]] = canonical.digest(text)
        self._lines += 1

    def _foreign(self) -> Fault:
        return Fault(
            f"line {self._lines + 1} of {self.path} is not a journal line; give the journal a file of its own",
            path=str(self.path),
            line=self._lines + 1,
        )

    def _mend(self, file: int, rest: bytes) -> None:
        """Close or remove a last line without its end: a process died while writing it, before it said 'delivered'."""
        try:
            self._learn(rest)
        except Fault:
            if not rest.startswith(b'{"'):
                raise
            os.ftruncate(file, self._read)
        else:
            os.write(file, b"\n")
            self._read += len(rest) + 1

    def _append(self, file: int, text: str) -> None:
        line = text.encode("utf-8") + b"\n"
        try:
            written = os.write(file, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes could be written; is the disk full?")
            os.fsync(file)
        except OSError:
            # A line that may not be on the disk must not look delivered when the message is handed in again.
            os.ftruncate(file, self._read)
            raise
        self._read += len(line)
        self._lines += 1

    def _sync_folder(self) -> None:
        """Make the file's name durable too, not only what is in it."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read_from(file: int, offset: int) -> bytes:
    parts = []
    while part := os.pread(file, _CHUNK, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
