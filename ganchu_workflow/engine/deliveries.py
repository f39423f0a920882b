"""What a dispatcher is handed: a claimed message with what its words may name, read from the record and never more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, select

from ganchu_workflow.canonical import decode
from ganchu_workflow.engine.cases import CaseState
from ganchu_workflow.engine.deadlines import ARMED
from ganchu_workflow.engine.rows import Rows, by_chunks
from ganchu_workflow.engine.sql import EVENT, OUTBOX
from ganchu_workflow.errors import Invalid
from ganchu_workflow.messages import Delivery, MessageKind, told_by
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import Statement

PUBLIC_FACTS = ("number", "product", "enterprise", "city")
"""What may be public of an application, and no more."""
CLAIMED = "claimed"
# Outer: a message whose event somebody has removed must hold up no other; it will be found to have no text.
_MESSAGES = Statement(
    select(OUTBOX, EVENT.c.body.label("event"))
    .outerjoin(EVENT, and_(EVENT.c.case_id == OUTBOX.c.case_id, EVENT.c.seq == OUTBOX.c.seq))
    .where(OUTBOX.c.id.in_(bindparam("ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class _Unsent:
    """What the row of a delivery would say of a message that has none."""

    message_id: str
    channel: str = ""
    status: str = "waiting"
    attempts: int = 0
    version: int = 0
    subject: str | None = None
    text: str | None = None


def attempt_of(row: Any) -> int:
    """Which attempt the next one of this delivery is, from 1: a claim that ran out before it began was none."""
    attempts: int = row.attempts
    return attempts if row.status == CLAIMED else attempts + 1


def deliveries(link: Link, claimed: Sequence[Any], until: datetime, tellers: Mapping[str, type]) -> list[Delivery]:
    """The claimed rows with all that a dispatcher needs to put them into words; `until` is the end of the lease.

    `tellers` are the classes whose effects tell, under the names that events give them (`module:class`).
    """
    if not claimed:
        return []
    messages = {m.id: m for m in by_chunks(link, _MESSAGES, sorted({row.message_id for row in claimed}))}
    cases = _with_parents(Rows(link), [m.case_id for m in messages.values()])
    cases |= {c.id: c for c in Rows(link).cases(sorted({m.round_id for m in messages.values()}))}
    return [_delivery(row, messages[row.message_id], cases, until, tellers) for row in claimed]


def unsent(link: Link, messages: Iterable[str], now: datetime, tellers: Mapping[str, type]) -> list[Delivery]:
    """These messages as `deliveries` would give them, over no channel and in nobody's hand."""
    return deliveries(link, [_Unsent(message) for message in messages], now, tellers)


def _delivery(
    row: Any, message: Any, cases: Mapping[str, CaseState], until: datetime, tellers: Mapping[str, type]
) -> Delivery:
    facts = cases[message.round_id].facts
    event, body, declared = _told(message, tellers)
    application = _application(cases, message.case_id) if declared and declared.application else None
    return Delivery(
        id=row.message_id,
        channel=row.channel,
        kind=message.message,
        recipient=message.recipient,
        body=body,
        created_at=message.created_at,
        round={
            "id": message.round_id,
            "code": facts["code"],
            "title": facts["title"],
            "timezone": facts["plan"]["timezone"],
            "demonstration": facts["demonstration"],
        },
        application=application,
        deadlines=_armed(event, declared.deadlines) if declared else {},
        declared=declared,
        attempts=attempt_of(row),
        until=until,
        version=row.version + 1,
        subject=row.subject,
        text=row.text,
    )


def _told(message: Any, tellers: Mapping[str, type]) -> tuple[dict[str, Any], dict[str, Any], MessageKind | None]:
    """The event that told a message, its body, and its declaration; where one cannot be read, none."""
    try:
        event, body = decode(message.event or ""), decode(message.body)
        teller = tellers.get(event["handler"]["class"])
        return event, body, told_by(teller, message.message) if teller else None
    except Invalid:
        return {}, {}, None


def _with_parents(rows: Rows, ids: Iterable[str]) -> dict[str, CaseState]:
    found: dict[str, CaseState] = {}
    missing = set(ids)
    while missing:
        found |= {case.id: case for case in rows.cases(sorted(missing))}
        missing = {c.parent for c in found.values() if c.parent} - found.keys()
    return found


def _application(cases: Mapping[str, CaseState], case_id: str) -> dict[str, str] | None:
    at: str | None = case_id
    while at is not None and at in cases:
        case = cases[at]
        if case.kind == "application":
            return {k: str(case.facts[k]) for k in PUBLIC_FACTS if case.facts.get(k) not in (None, "")}
        at = case.parent
    return None


def _armed(event: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    armed = {d["name"].rpartition(".")[2]: d["due_at"] for d in event["deadlines"] if d["status"] == ARMED}
    return {name: armed[name] for name in names if armed.get(name)}
