"""What a client remembers outside the database: what it asked for, and what it was told.

A line is on the disk before the library is asked, and another after it has answered. A last line without its end is
that of a client that died while writing: what it announces was never asked.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Read:
    """A ledger as it was read."""

    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By key, in the order in which they were first asked."""
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Key → digest."""
    refused: dict[str, str] = field(default_factory=dict)
    """Key → code."""

    @property
    def unanswered(self) -> list[str]:
        """The keys that nothing is known of."""
        return [k for k in self.intents if k not in self.acknowledged and k not in self.refused]


def read(path: Path) -> Read:
    """Read a ledger; empty where there is none."""
    found = Read()
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else ():
        what, key, value = json.loads(line)
        places: dict[str, dict[str, Any]]
        places = {"intent": found.intents, "ack": found.acknowledged, "refused": found.refused}
        places[what][key] = value
    return found


class Ledger:
    """The ledger of one client, which it goes on with when it is started again."""

    def __init__(self, path: Path) -> None:
        whole = path.read_bytes() if path.exists() else b""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._file, whole.rfind(b"\n") + 1)
        self.known = read(path)

    def intent(self, key: str, what: dict[str, Any]) -> None:
        """This is going to be asked; it stays what it is when it is asked again."""
        if key not in self.known.intents:
            self.known.intents[key] = what
            self._write("intent", key, what)

    def acknowledged(self, key: str, digest: str) -> None:
        """It was done: this is the digest of its event."""
        self.known.acknowledged[key] = digest
        self._write("ack", key, digest)

    def refused(self, key: str, code: str) -> None:
        """It was refused, for good."""
        self.known.refused[key] = code
        self._write("refused", key, code)

    def _write(self, *line: Any) -> None:
        os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")
        os.fsync(self._file)
