"""The rows beside the record: what was tried and did not change a case."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from ganchu_workflow.actors import Actor
from ganchu_workflow.store.tables import METADATA

ATTEMPT = METADATA.tables["ganchu_attempt"]


def keep_attempt(connection: Connection, row: dict[str, Any]) -> None:
    """Write an attempt as a row, on this connection, unless it is there."""
    if connection.execute(select(ATTEMPT.c.id).where(ATTEMPT.c.id == row["id"])).first() is None:
        connection.execute(insert(ATTEMPT), [row])


def label(actor: Actor) -> str:
    """Who an actor is, in the column of a row."""
    return (f"{actor}#{actor.person}" if actor.person else str(actor))[:160]
