"""The rows beside the record: what was tried and did not change a case."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select

from ganchu_workflow.actors import Actor
from ganchu_workflow.canonical import encode
from ganchu_workflow.engine.recorder import plain
from ganchu_workflow.engine.requests import Request
from ganchu_workflow.errors import Refusal
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import Statement
from ganchu_workflow.store.tables import METADATA

ATTEMPT = METADATA.tables["ganchu_attempt"]
_KEPT = Statement(select(ATTEMPT.c.id).where(ATTEMPT.c.id == bindparam("attempt")))
_KEEP = Statement(insert(ATTEMPT))


def attempt(request: Request, kind: str, refusal: Refusal, attempt_id: str, now: datetime) -> dict[str, Any]:
    """The row of an act that was `refused` or `crashed`, for this reason."""
    step = request.step
    return {
        "id": attempt_id,
        "round_id": request.round or None,
        "case_id": step.case,
        "name": (refusal.trigger or step.trigger or "open")[:120],
        "kind": kind,
        "code": refusal.code,
        "actor": label(step.actor),
        "received_at": request.received_at,
        "recorded_at": now,
        "body": encode(
            {
                "state": refusal.state,
                "zh": refusal.zh,
                "en": refusal.en,
                "detail": plain(refusal.detail),
                "opening": step.opening.kind if step.opening else None,
                "key": request.key,
                "entry": None
                if request.entry is None
                else {"by": label(request.entry.by), "sha256": request.entry.evidence["sha256"]},
            }
        ),
    }


def keep_attempt(link: Link, row: dict[str, Any]) -> None:
    """Write an attempt as a row, in this transaction, unless it is there."""
    if link.execute(_KEPT, {"attempt": row["id"]}).first() is None:
        link.execute(_KEEP, row)


def label(actor: Actor) -> str:
    """Who an actor is, in the column of a row."""
    return (f"{actor}#{actor.person}" if actor.person else str(actor))[:160]
