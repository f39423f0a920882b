"""The delivery of what was told: every statement that moves a message onward, after the act that told it was committed.

A message that was told is first *routed*: one delivery for each channel its recipient is told over. A dispatcher then
claims deliveries for the length of a lease, attempts them, and settles each. Every step is a compare-and-swap on the
row's version, so any number of dispatchers may run at once, on every database. A claim whose lease has run out is taken
up again. Where a channel does not bear repeats, a claim is `sending` from the moment it is attempted: if that runs out,
the message may have gone out, and is `stuck` until a person says what is to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import and_, bindparam, false, func, insert, or_, select, update

from ganchu_workflow.actors import Actor
from ganchu_workflow.canonical import digest
from ganchu_workflow.clock import Clock
from ganchu_workflow.engine.attempts import keep_attempt, label
from ganchu_workflow.engine.decisions import DROP, RETRY, Decision, storable
from ganchu_workflow.engine.deliveries import CLAIMED, attempt_of, deliveries, unsent
from ganchu_workflow.engine.queries import as_told
from ganchu_workflow.engine.sql import CASE, OUTBOX
from ganchu_workflow.engine.transactions import Transactions
from ganchu_workflow.entropy import Entropy
from ganchu_workflow.errors import Invalid, Refusal, Refused, Unknown
from ganchu_workflow.messages import Delivery, MessageKind, Outcome, message_kinds
from ganchu_workflow.process.language import Stage
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import IDS, Statement
from ganchu_workflow.store.tables import METADATA

DELIVERY = METADATA.tables["ganchu_delivery"]
WAITING, ROUTED, SENDING, RETRYING = "waiting", "routed", "sending", "retrying"
DELIVERED, DEAD, STUCK, DROPPED = "delivered", "dead", "stuck", "dropped"
_ROUTE = Statement(
    update(OUTBOX).where(OUTBOX.c.id == bindparam("message"), OUTBOX.c.status == WAITING).values(status=ROUTED)
)
_DELIVER = Statement(insert(DELIVERY))
STATUSES = (WAITING, CLAIMED, SENDING, RETRYING, DELIVERED, DEAD, STUCK, DROPPED)
UNEXPLAINED = (
    "its lease ran out: whoever had it in hand may have sent it. Look at the receiving end, then retry or drop"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the outbox over one channel, as it stands; `channel` is None while it has not been routed."""

    message_id: str
    channel: str | None
    round: str
    case: str
    message: str
    recipient: str
    status: str
    attempts: int
    due_at: datetime | None
    """Waiting or retrying: not before. Claimed or sending: the end of the lease."""
    claimed_by: str | None
    error: str | None
    subject: str | None
    text: str | None
    digest: str | None
    decided_by: str | None
    reason: str | None
    created_at: datetime
    delivered_at: datetime | None


class Outbox:
    """The messages of one database on their way outward. Nothing in it is there before the act was committed."""

    def __init__(
        self, transactions: Transactions, clock: Clock, entropy: Entropy, stages: Iterable[type[Stage]]
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        tellers = [*CORE_KINDS, *(c for stage in stages for c in (stage, *stage.cases))]
        self._tellers: dict[str, type] = {f"{c.__module__}:{c.__qualname__}": c for c in tellers}
        """The classes whose effects tell, under the names that events give them."""

    def now(self) -> datetime:
        """The present instant, by the clock that leases are measured with."""
        return self._clock.now()

    def kinds(self) -> list[MessageKind]:
        """Every kind of message that the core and the installed stages declare.

        Raises `Invalid` with everything that is wrong with the declarations.
        """
        return message_kinds(self._tellers.values())

    # ── what a dispatcher asks for ──

    def route(self, channels_of: Callable[[str], Sequence[str]], limit: int) -> int:
        """Make the deliveries of at most `limit` messages that have none yet, oldest first; how many messages it were.

        `channels_of` says over which channels a recipient is told.
        """

        self._after_the_commit()

        def work(link: Link) -> int:
            query = select(OUTBOX.c.id, OUTBOX.c.round_id, OUTBOX.c.recipient, OUTBOX.c.created_at)
            query = query.where(OUTBOX.c.status == WAITING).order_by(OUTBOX.c.created_at, OUTBOX.c.id).limit(limit)
            made: list[dict[str, Any]] = []
            taken = 0
            for row in link.execute(query):
                if link.execute(_ROUTE, {"message": row.id}).rowcount != 1:
                    continue  # another dispatcher routes it
                taken += 1
                made += [_new(row, channel) for channel in dict.fromkeys(channels_of(row.recipient))]
            link.executemany(_DELIVER, made)
            return taken

        return self._transactions.write(work)

    def claim(
        self, channels: Mapping[str, bool], *, limit: int, lease: timedelta, by: str
    ) -> tuple[list[Delivery], int]:
        """Take at most `limit` deliveries that are due over these channels in hand, oldest first, until the lease ends.

        `channels` says of each whether it bears to be handed the same message twice. Also gives how many attempts of
        others turned out to be stuck: their lease has run out, on a channel that does not bear it.
        """
        self._after_the_commit()
        now = self._clock.now()
        until = now + lease

        def work(link: Link) -> tuple[list[Delivery], int]:
            stuck = self._find_stuck(link, [c for c, safe in channels.items() if not safe], now)
            claimed = []
            for row in self._due(link, channels, now, limit):
                values = {"status": CLAIMED, "due_at": until, "claimed_by": by[:120], "attempts": attempt_of(row)}
                if _swap(link, row.message_id, row.channel, row.version, [row.status], values):
                    claimed.append(row)
            return deliveries(link, claimed, until, self._tellers), stuck

        return self._transactions.write(work)

    def keep(self, said: Iterable[tuple[Delivery, str, str]]) -> list[Delivery]:
        """Fix what is said (subject and text) before it is sent; gives the deliveries that are still this claimer's."""

        def work(link: Link) -> list[Delivery]:
            kept = []
            for delivery, subject, text in said:
                values = {"subject": subject, "text": text, "digest": digest(f"{subject}\n\n{text}")}
                key = (delivery.id, delivery.channel, delivery.version)
                if _swap(link, *key, [CLAIMED], values):
                    kept.append(replace(delivery, subject=subject, text=text, version=delivery.version + 1))
            return kept

        return self._transactions.write(work)

    def begin(self, delivery: Delivery, lease: timedelta) -> Delivery | None:
        """Note that the attempt begins, with a lease of its own; None when the claim is somebody else's by now.

        For a channel that does not bear repeats, right before the message is handed to it.
        """

        def work(link: Link) -> Delivery | None:
            until = self._clock.now() + lease
            key = (delivery.id, delivery.channel, delivery.version)
            begun = _swap(link, *key, [CLAIMED], {"status": SENDING, "due_at": until})
            return replace(delivery, until=until, version=delivery.version + 1) if begun else None

        return self._transactions.write(work)

    def settle(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Write what came of attempts; gives those that were written. The others are somebody else's by now."""

        def work(link: Link) -> list[Outcome]:
            now = self._clock.now()
            return [o for o in outcomes if self._settle(link, o, now)]

        return self._transactions.write(work)

    # ── what an operator asks for ──

    def entries(
        self,
        *,
        round: str | None = None,
        status: str | None = None,
        message: str | None = None,
        case: str | None = None,
        to: str | None = None,
        limit: int = 1000,
    ) -> list[Entry]:
        """The messages and their deliveries, in the order in which they were told: of a round, in a status, of one id,
        told by a case or by one that was opened under it, to a recipient (`role:scope`) or to all of a role.

        Raises `Invalid` for a status that there is not.
        """
        if status is not None and status not in STATUSES:
            raise Invalid(f"there is no status '{status}'; use one of {', '.join(STATUSES)}", status=status)
        columns = [column.label(f"d_{column.name}") for column in DELIVERY.columns]
        query = select(OUTBOX, *columns).outerjoin(DELIVERY, DELIVERY.c.message_id == OUTBOX.c.id)
        if round is not None:
            query = query.where(OUTBOX.c.round_id == round)
        if message is not None:
            query = query.where(OUTBOX.c.id == message)
        if case is not None:
            under = select(CASE.c.id).where(or_(CASE.c.id == case, CASE.c.parent_id == case))
            query = query.where(OUTBOX.c.case_id.in_(under))
        if to is not None:
            query = query.where(or_(OUTBOX.c.recipient == to, OUTBOX.c.recipient.startswith(f"{to}:", autoescape=True)))
        if status is not None:
            unrouted = OUTBOX.c.status == WAITING if status == WAITING else false()
            query = query.where(or_(DELIVERY.c.status == status, unrouted))
        query = query.order_by(*as_told(), DELIVERY.c.channel).limit(limit)
        return self._transactions.read(lambda link: [_entry(row) for row in link.execute(query)])

    def to_be_said(self, messages: Iterable[str]) -> dict[str, Delivery]:
        """These messages, by id, as a dispatcher is handed them, for whoever wants to see their words before that.

        Nothing is claimed.
        """
        now, tellers = self._clock.now(), self._tellers
        return self._transactions.read(lambda link: {d.id: d for d in unsent(link, messages, now, tellers)})

    def not_due(self) -> list[tuple[str, int, datetime]]:
        """What waits or is to be tried again, and that not yet: its status, how many they are, the first instant."""
        query = select(DELIVERY.c.status, func.count(), func.min(DELIVERY.c.due_at)).group_by(DELIVERY.c.status)
        query = query.where(DELIVERY.c.status.in_([WAITING, RETRYING]), DELIVERY.c.due_at > self._clock.now())
        return self._transactions.read(lambda link: [tuple(row) for row in link.execute(query)])

    def retry(self, message: str, channel: str | None = None, *, actor: Actor, reason: str) -> list[str]:
        """Hand a message in again that is dead, stuck or retrying, over this channel or all such; gives the channels.

        It is due at once, counts its attempts anew, and says what it said before if that was already fixed. Who asked
        for it and why is kept: the last on the message, each as a row of `attempts`, for ever, so that a reason names
        nobody. Raises `Refused` when nothing of it can be handed in again, or by this actor; that is such a row too.
        """
        values = {"status": WAITING, "due_at": self._clock.now(), "attempts": 0}
        decision = Decision(RETRY, {"message": message, "channel": channel}, actor, reason, self._clock, self._entropy)
        return self._decide(decision, message, channel, (DEAD, STUCK, RETRYING), values)

    def drop(self, message: str, channel: str | None = None, *, actor: Actor, reason: str) -> list[str]:
        """Give a message up that has not been delivered, over this channel or all such; gives the channels.

        The row stays. Who decided so and why is kept as of `retry`. Raises `Refused` when nothing of it can be
        dropped, or by this actor.
        """
        decision = Decision(DROP, {"message": message, "channel": channel}, actor, reason, self._clock, self._entropy)
        return self._decide(decision, message, channel, (WAITING, RETRYING, DEAD, STUCK), {"status": DROPPED})

    # ── inside ──

    def _after_the_commit(self) -> None:
        if not self._transactions.own:
            raise Invalid(
                "a message is delivered after the commit: use the outbox of the Workflow itself, not of using()"
            )

    @staticmethod
    def _find_stuck(link: Link, channels: Sequence[str], now: datetime) -> int:
        if not channels:
            return 0
        expired = and_(DELIVERY.c.status == SENDING, DELIVERY.c.due_at < now, DELIVERY.c.channel.in_(channels))
        values = {"status": STUCK, "error": UNEXPLAINED, "version": DELIVERY.c.version + 1}
        return link.execute(update(DELIVERY).where(expired).values(values)).rowcount

    @staticmethod
    def _due(link: Link, channels: Mapping[str, bool], now: datetime, limit: int) -> list[Any]:
        found: list[Any] = []
        # One question for each status: only so does an index give them in order and stop at the limit.
        for status in (WAITING, RETRYING, CLAIMED):
            before = DELIVERY.c.due_at < now if status == CLAIMED else DELIVERY.c.due_at <= now
            query = select(DELIVERY).where(DELIVERY.c.status == status, before, DELIVERY.c.channel.in_(channels))
            query = query.order_by(DELIVERY.c.due_at, DELIVERY.c.message_id, DELIVERY.c.channel).limit(limit)
            found += link.execute(query)
        return sorted(found, key=lambda r: (r.due_at, r.message_id, r.channel))[:limit]

    @staticmethod
    def _settle(link: Link, outcome: Outcome, now: datetime) -> bool:
        delivery, status = outcome.delivery, outcome.status
        values: dict[str, Any] = {"status": status, "error": storable(outcome.error) if outcome.error else None}
        if status == DELIVERED:
            values["delivered_at"] = now
        elif status == RETRYING:
            values["due_at"] = now + timedelta(seconds=outcome.again_in)
        elif status == WAITING:
            values |= {"due_at": now, "attempts": delivery.attempts - 1, "error": None}
        if _swap(link, delivery.id, delivery.channel, delivery.version, [CLAIMED, SENDING], values):
            return True
        # Its lease had run out and it was set aside as stuck; but now it is known what came of it.
        known = status in (DELIVERED, DEAD)
        return known and _swap(link, delivery.id, delivery.channel, delivery.version + 1, [STUCK], values)

    def _decide(
        self,
        decision: Decision,
        message: str,
        channel: str | None,
        sources: Sequence[str],
        values: Mapping[str, Any],
    ) -> list[str]:
        def work(link: Link) -> list[str]:
            query = select(OUTBOX.c.round_id, OUTBOX.c.case_id).where(OUTBOX.c.id == message)
            found = link.execute(query).first()
            decision.place = dict(found._asdict()) if found else {}
            decision.require_operator()
            if found is None:
                raise Unknown(f"there is no message '{message}'; see `ganchu outbox list`", id=message)
            rows = _rows_of(link, message, channel)
            kept = {**values, "decided_by": label(decision.actor), "reason": decision.reason.strip()}
            able = [r for r in rows if r.status in sources]
            done = [r for r in able if _swap(link, message, r.channel, r.version, [r.status], dict(kept))]
            if not done:
                raise Refused(_standing(rows))
            stood = {r.channel: r.status for r in done}
            keep_attempt(link, decision.carried_out(stood))
            return sorted(stood)

        return decision.decide(self._transactions, work)


def _rows_of(link: Link, message: str, channel: str | None) -> list[Any]:
    """The deliveries of a message, over this channel or all. Raises `Unknown` for a channel it does not go over."""
    found = link.execute(select(DELIVERY).where(DELIVERY.c.message_id == message))
    rows = [row for row in found if channel in (None, row.channel)]
    if channel is not None and not rows:
        there = ", ".join(sorted(r.channel for r in found)) or "none yet: run `ganchu outbox deliver` first"
        raise Unknown(f"the message goes over no channel '{channel}'; there are: {there}", channel=channel)
    return rows


def _new(row: Any, channel: str) -> dict[str, Any]:
    return {
        "message_id": row.id,
        "channel": channel,
        "round_id": row.round_id,
        "status": WAITING,
        "due_at": row.created_at,
        "attempts": 0,
        "version": 1,
        "created_at": row.created_at,
    }


def _swap(link: Link, message: str, channel: str, version: int, sources: Sequence[str], values: dict[str, Any]) -> bool:
    """Write these values and raise the version, if the row still is what was read."""
    same = {"same_message": message, "same_channel": channel, "same_version": version, IDS: sources}
    return link.execute(_swapping(tuple(sorted(values))), {**values, **same}).rowcount == 1


@cache
def _swapping(columns: tuple[str, ...]) -> Statement:
    return Statement(
        update(DELIVERY)
        .where(
            DELIVERY.c.message_id == bindparam("same_message"),
            DELIVERY.c.channel == bindparam("same_channel"),
            DELIVERY.c.version == bindparam("same_version"),
            DELIVERY.c.status.in_(bindparam(IDS, expanding=True)),
        )
        .values(version=DELIVERY.c.version + 1, **{name: bindparam(name) for name in columns})
    )


def _standing(rows: Sequence[Any]) -> Refusal:
    stands = {row.channel: row.status for row in rows}
    shown = ", ".join(f"{c}: {s}" for c, s in sorted(stands.items())) or WAITING
    return Refusal(
        "delivery_not_open",
        f"该消息当前状态不能如此处理({shown})",
        f"not possible where it stands now: {shown}",
        stands,
    )


def _entry(row: Any) -> Entry:
    return Entry(
        message_id=row.id,
        channel=row.d_channel,
        round=row.round_id,
        case=row.case_id,
        message=row.message,
        recipient=row.recipient,
        status=row.d_status or row.status,
        attempts=row.d_attempts or 0,
        due_at=row.d_due_at,
        claimed_by=row.d_claimed_by,
        error=row.d_error,
        subject=row.d_subject,
        text=row.d_text,
        digest=row.d_digest,
        decided_by=row.d_decided_by,
        reason=row.d_reason,
        created_at=row.created_at,
        delivered_at=row.d_delivered_at,
    )
