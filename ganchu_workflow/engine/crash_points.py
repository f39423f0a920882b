"""Where a process may die in the middle of a transition: names for the instants between its steps.

A test that listens learns when each is reached, and may end the process there. Otherwise nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable

POINTS = (
    "received",
    "begun",
    "read",
    "locked",
    "case_written",
    "deadlines_written",
    "history_written",
    "outbox_written",
    "committing",
    "committed",
)
"""In the order in which an act reaches them. `committing` and `committed` are reached by every transaction of ours,
also those of the outbox and of a refusal that is kept; in a host's transaction they are the host's own."""

listener: Callable[[str], object] | None = None
"""Called with the name of each point, in the thread that reaches it; for the whole process."""


def reached(name: str) -> None:
    """Tell the listener, if there is one. What it raises goes on to whoever reached the point."""
    if listener is not None:
        listener(name)
