"""The only door to chance: identifiers, salts, and the secrets of a draw.

Production draws from the operating system. A seeded source makes a demonstration or a test repeat byte for byte;
the facade refuses it on a database that holds a real round.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from datetime import datetime
from typing import Protocol

from ganchu_workflow.clock import to_micros


class Sequence:
    """Numbers the identifiers made within one millisecond, so that they sort in the order they were made."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._millis = -1
        self._count = 0

    def next(self, millis: int) -> int:
        """The next number of that millisecond, from 0; it wraps at 65536."""
        with self._turn:
            self._count = self._count + 1 if millis == self._millis else 0
            self._millis = millis
            return self._count % 65536


class Entropy(Protocol):
    """A source of unpredictable bytes."""

    sequence: Sequence
    """The numbering of the identifiers made from this source."""

    seeded: bool
    """Whether anybody who knows the seed can predict what comes next."""

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        ...


class SystemEntropy:
    """The operating system's source."""

    seeded = False

    def __init__(self) -> None:
        self.sequence = Sequence()

    def take(self, count: int) -> bytes:
        """`count` bytes nobody can predict."""
        return secrets.token_bytes(count)


class SeededEntropy:
    """SHA-256 in counter mode over a seed: the same bytes on every machine, for demonstrations and tests only."""

    seeded = True

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._counter = 0
        self._turn = threading.Lock()
        self.sequence = Sequence()

    def take(self, count: int) -> bytes:
        """The next `count` bytes of this seed's stream. Threads take turns: no two are given the same bytes."""
        out = b""
        with self._turn:
            while len(out) < count:
                out += hashlib.sha256(self._seed + self._counter.to_bytes(8, "big")).digest()
                self._counter += 1
        return out[:count]


def new_id(entropy: Entropy, instant: datetime) -> str:
    """A case identifier: 26 characters of `0-9a-v` that sort by millisecond, then in the order of making."""
    millis = to_micros(instant) // 1000
    number = entropy.sequence.next(millis)
    # base32hex and not base32: only its alphabet keeps the order of time.
    raw = millis.to_bytes(6, "big") + number.to_bytes(2, "big") + entropy.take(8)
    return base64.b32hexencode(raw).decode().rstrip("=").lower()


def new_salt(entropy: Entropy) -> str:
    """128 bits of salt as hexadecimal text, for one commitment."""
    return entropy.take(16).hex()
