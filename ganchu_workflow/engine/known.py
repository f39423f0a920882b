"""What no transaction can change any more, once it was committed: remembered, so that it is not asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST = 100_000
"""How many cases are remembered; then all are forgotten."""


class Known:
    """What one process remembers of one database. An id that was undone with its transaction never comes back."""

    def __init__(self) -> None:
        self._rounds: dict[str, str] = {}
        self._phases: dict[str, dict[str, str]] = {}
        self.calendars: set[str] = set()
        """The versions of the working-day calendar that are stored, and that by a transaction which was committed."""
        self.turn = ""
        """The round whose turn it was last, while more was due than one look takes."""
        self._waits: dict[tuple[str, str], str] = {}

    def round_of(self, case_ids: Sequence[str]) -> str | None:
        """The round of these cases, if it is known of all and is one."""
        found = {self._rounds.get(i) for i in case_ids}
        return found.pop() if len(found) == 1 else None

    def belongs(self, rounds: Mapping[str, str]) -> None:
        """Remember the round of each of these cases."""
        if len(self._rounds) > MOST:
            self._rounds.clear()
        self._rounds.update(rounds)

    def waits(self, case_id: str, name: str, calendar: str | None) -> bool:
        """Whether that deadline was found to lack a year under that version of the calendar."""
        return calendar is not None and self._waits.get((case_id, name)) == calendar

    def lacks(self, case_id: str, name: str, calendar: str) -> None:
        """Remember that under that version of the calendar the deadline lacks a year: it waits for another."""
        if len(self._waits) > MOST:
            self._waits.clear()
        self._waits[case_id, name] = calendar

    def phases(self, round_id: str) -> dict[str, str] | None:
        """The phases a round was opened with, by stage instance."""
        return self._phases.get(round_id)

    def has_phases(self, round_id: str, phases: dict[str, str]) -> None:
        """Remember the phases of a round; of none, that says nothing: it may not have been opened yet."""
        if phases:
            self._phases[round_id] = phases
