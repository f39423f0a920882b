"""What the history of a case says of a window that may be over: asked where an act is entered late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ganchu_workflow.actors import RESERVED, Role
from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import from_text
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.requests import EXTEND_ROUND
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.timing import closes_in_time

IN_TIME, NOT_OPEN, CLOSED = "in_time", "not_open", "closed"
Standing = tuple[str, datetime | None]
"""How a window stood at an instant, and its end if it had one."""


def ended_by_itself(work: Workspace, case: CaseState) -> bool:
    """Whether the case stands where it stands because time ran out, and nobody has done anything with it since."""
    for event in _newest_first(work, case):
        if event["outcome"] == "moved":
            return Role(event["actor"]["role"]) in RESERVED
    return False


def begun_at(work: Workspace, case: CaseState) -> datetime | None:
    """When the case began; None of one that this act opens."""
    first: Mapping[str, Any] | None = None
    for event in _newest_first(work, case):
        first = event
    return None if first is None else from_text(first["effective_at"])


def outages_since(work: Workspace, round_id: str, since: datetime) -> list[tuple[datetime, datetime]]:
    """(began, until) of every outage of the round that an act has told from `since` on, the oldest first."""
    found: list[tuple[datetime, ...]] = []
    for event in _newest_first(work, work.get(round_id)):
        if from_text(event["effective_at"]) < since:
            break
        if (event["trigger"], event["outcome"]) == (EXTEND_ROUND, "deadline_adjusted"):
            # As they were given, with an offset of their own.
            found.append(tuple(datetime.fromisoformat(event["data"][name]) for name in ("began", "until")))
    return [(began, until) for began, until in reversed(found)]


def deadline_at(work: Workspace, case: CaseState, name: str, received_at: datetime) -> Standing:
    """How that deadline of the case stood when something was received: what has become of it since is no matter.

    An end that was moved later while it ran (by an extension, or for an outage) is the end of that run all along.
    """
    stood: Mapping[str, Any] | None = None
    moved: Mapping[str, Any] | None = None
    over = False
    for event in _oldest_first(work, case):
        change = next((c for c in reversed(event["deadlines"]) if c["name"] == name), None)
        if change is None:
            continue
        if _before(event, received_at):
            # What is gone has a last end all the same: that of its last run.
            stood = change if change["status"] != "gone" else {**(stood or {}), "status": "gone"}
        elif stood is not None and not over:
            over = change["status"] not in ("armed", "awaiting_calendar")
            if not over and change["armed_at"] == stood.get("armed_at"):
                moved = change
    if stood is None:
        return NOT_OPEN, None
    due_at = from_text(stood["due_at"]) if stood.get("due_at") else None
    if stood["status"] in ("stopped", "suspended", "awaiting_calendar"):
        return IN_TIME, due_at
    if stood["status"] == "armed" and due_at is not None and closes_in_time(received_at, due_at):
        return IN_TIME, due_at
    later = from_text(moved["due_at"]) if moved is not None and moved["due_at"] else None
    if stood["status"] == "armed" and later is not None and closes_in_time(received_at, later):
        return IN_TIME, later
    return CLOSED, later or due_at


def phase_at(work: Workspace, phase: CaseState, received_at: datetime) -> Standing:
    """How the window of a phase stood when something was received; one that was shut then is not opened by a later
    reopening, and an end that was moved later while it was open is its end all along."""
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    state = ""
    over = False
    for event in _oldest_first(work, phase):
        facts = event["facts"]
        if _before(event, received_at):
            state = event["target"]
            opens_at = from_text(facts["opens_at"]) if facts.get("opens_at") else opens_at
            closes_at = from_text(facts["closes_at"]) if facts.get("closes_at") else closes_at
        elif not over and event["target"] != "closed":
            closes_at = from_text(facts["closes_at"]) if facts.get("closes_at") else closes_at
        else:
            over = True
    if not state or (opens_at is not None and received_at < opens_at):
        return NOT_OPEN, opens_at
    if state == "closed" or (closes_at is not None and not closes_in_time(received_at, closes_at)):
        return CLOSED, closes_at
    return IN_TIME, closes_at


def _before(event: Mapping[str, Any], received_at: datetime) -> bool:
    """Whether the event took effect before something was received. At the closing instant an act is in time: what fired
    at that very instant came after it."""
    effective_at = from_text(event["effective_at"])
    return effective_at < received_at or (effective_at == received_at and event["deadline"] is None)


def _newest_first(work: Workspace, case: CaseState) -> Iterator[Mapping[str, Any]]:
    return (decode(text) for text in work.rows.history(case.id))


def _oldest_first(work: Workspace, case: CaseState) -> list[Mapping[str, Any]]:
    return [*_newest_first(work, case)][::-1]


def running_of(change: Mapping[str, Any]) -> Running:
    """A deadline as an event describes it that has an end."""
    return Running(
        change["name"],
        change["status"],
        from_text(change["due_at"]),
        change["rule"],
        change["fires"],
        from_text(change["armed_at"]),
        calendar=change["calendar"],
        shown_at=from_text(change["shown_at"]) if change["shown_at"] else None,
    )
