"""The only door to time: the clock, and the two forms in which an instant is stored.

An instant is an aware `datetime`. In the record it is fixed-width UTC text (`2021-09-03T09:30:00.000000Z`), in an
indexed column it is whole microseconds since 1970-01-01T00:00:00Z; both sort as time does, on every database.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from ganchu_workflow.errors import Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Anything that says what time it is, as an aware datetime."""

    def now(self) -> datetime:
        """The present instant, aware."""
        ...


class SystemClock:
    """The machine's clock, in UTC. `freezegun` freezes it like any other."""

    def now(self) -> datetime:
        """The machine's present instant."""
        return datetime.now(tz=UTC)


class SimulatedClock:
    """A clock that stands still until it is moved: for demonstrations and scripted rounds."""

    def __init__(self, start: datetime) -> None:
        self._now = aware(start)

    def now(self) -> datetime:
        """The instant it was last moved to."""
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Move forward to `instant`. Raises `Invalid` when that would go back."""
        if aware(instant) < self._now:
            raise Invalid(
                f"a clock does not go back: it shows {self._now.isoformat()}, asked for {instant.isoformat()}"
            )
        self._now = instant

    def advance(self, by: timedelta) -> None:
        """Move forward by `by`."""
        self.move_to(self._now + by)


def aware(instant: datetime) -> datetime:
    """`instant` itself. Raises `Invalid` for a naive datetime: nobody can know which instant it means."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise Invalid(f"the datetime {instant.isoformat()} has no time zone; give one, for example +08:00")
    return instant


def to_text(instant: datetime) -> str:
    """The fixed-width UTC text of `instant`."""
    in_utc = instant if instant.tzinfo is UTC else aware(instant).astimezone(UTC)
    # strftime("%Y") would not pad the year 999 to four digits.
    return in_utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """The instant that `to_text` wrote. Raises `Invalid` for any other form."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None and to_text(instant) == text:
            return instant
    except (ValueError, OverflowError):
        pass
    raise Invalid(f"'{text}' is not an instant of the form 2021-09-03T09:30:00.000000Z")


def to_micros(instant: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00:00Z."""
    return (aware(instant) - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant that `to_micros` counted, in UTC."""
    return EPOCH + micros * MICROSECOND
