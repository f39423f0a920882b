"""The inboxes that the library keeps itself: what a person finds when they sign in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, insert, select, update

from ganchu_workflow.actors import Actor
from ganchu_workflow.clock import Clock
from ganchu_workflow.engine.transactions import Transactions
from ganchu_workflow.errors import Unknown
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import Statement
from ganchu_workflow.store.tables import METADATA

INBOX = METADATA.tables["ganchu_inbox"]
_LAID = Statement(select(INBOX.c.message_id).where(INBOX.c.message_id == bindparam("message")))
_LAY = Statement(insert(INBOX))


@dataclass(frozen=True, slots=True)
class Letter:
    """One message in an inbox; `read_at` is None until its recipient has read it."""

    message_id: str
    recipient: str
    subject: str
    text: str
    created_at: datetime
    read_at: datetime | None


class Inbox:
    """The inboxes of one database. Everybody sees what was told to exactly their role and scope, and nothing else."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    def put(self, message_id: str, recipient: str, subject: str, text: str, created_at: datetime) -> None:
        """Lay a message into an inbox. One that is there already changes nothing."""
        row = {
            "message_id": message_id,
            "recipient": recipient,
            "subject": subject,
            "text": text,
            "created_at": created_at,
        }

        def work(link: Link) -> None:
            if link.execute(_LAID, {"message": message_id}).first() is None:
                link.execute(_LAY, row)

        self._transactions.write(work)

    def letters(self, actor: Actor, *, unread: bool = False, limit: int = 100) -> Sequence[Letter]:
        """What is in this actor's inbox, newest first; with `unread`, only what it has not read."""
        query = select(INBOX).where(INBOX.c.recipient == str(actor))
        if unread:
            query = query.where(INBOX.c.read_at.is_(None))
        query = query.order_by(INBOX.c.created_at.desc(), INBOX.c.message_id.desc()).limit(limit)
        return self._transactions.read(lambda c: [Letter(**row._asdict()) for row in c.execute(query)])

    def unread(self, actor: Actor) -> int:
        """How many messages this actor has not read."""
        query = select(func.count()).where(INBOX.c.recipient == str(actor), INBOX.c.read_at.is_(None))
        return self._transactions.read(lambda c: int(c.execute(query).scalar() or 0))

    def mark_read(self, message_id: str, actor: Actor) -> Letter:
        """Note that the actor has read a message; the first time counts. Raises `Unknown` for one not in its inbox."""
        query = select(INBOX).where(INBOX.c.message_id == message_id, INBOX.c.recipient == str(actor))
        first = update(INBOX).where(
            INBOX.c.message_id == message_id, INBOX.c.recipient == str(actor), INBOX.c.read_at.is_(None)
        )

        def work(link: Link) -> Letter:
            link.execute(first.values(read_at=self._clock.now()))
            row = link.execute(query).first()
            if row is None:
                raise Unknown(f"there is no message '{message_id}' in the inbox of {actor}", id=message_id)
            return Letter(**row._asdict())

        return self._transactions.write(work)
