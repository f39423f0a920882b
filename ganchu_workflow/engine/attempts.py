"""The rows beside the record: what was tried and did not change a case."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, insert, select

from ganchu_workflow.actors import Actor
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import Statement
from ganchu_workflow.store.tables import METADATA

ATTEMPT = METADATA.tables["ganchu_attempt"]
_KEPT = Statement(select(ATTEMPT.c.id).where(ATTEMPT.c.id == bindparam("attempt")))
_KEEP = Statement(insert(ATTEMPT))


def keep_attempt(link: Link, row: dict[str, Any]) -> None:
    """Write an attempt as a row, in this transaction, unless it is there."""
    if link.execute(_KEPT, {"attempt": row["id"]}).first() is None:
        link.execute(_KEEP, row)


def label(actor: Actor) -> str:
    """Who an actor is, in the column of a row."""
    return (f"{actor}#{actor.person}" if actor.person else str(actor))[:160]
