"""The dispatcher: takes messages from the outbox, puts them into words, hands them to channels, and notes what came.

A message goes out after the act that told it was committed, once where that can be known, and never gets lost in
silence: what fails for the time being is tried again, later and later; what fails for good, or too often, is a dead
letter; what may have gone out, though nobody knows, is stuck. The last two wait for a person.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from ganchu_notifications.templates import Templates
from ganchu_workflow.actors import RESERVED, Role
from ganchu_workflow.clock import to_text
from ganchu_workflow.entropy import Entropy, SystemEntropy
from ganchu_workflow.errors import Fault, Invalid, PerhapsDelivered, Undeliverable
from ganchu_workflow.messages import Delivery, Dispatched, MessageKind, Outcome

log = logging.getLogger("ganchu_workflow.notifications")
DEFAULT = "default"
"""In the routes: every role that has none of its own."""
Addresses = Callable[[str], Sequence[str]] | Mapping[str, Sequence[str]]
"""Who is written to where: the addresses of a recipient, `role` or `role:scope`."""


class Outbox(Protocol):
    """What a dispatcher asks of the outbox; `Workflow.outbox` is one."""

    def now(self) -> datetime:
        """The present instant."""
        ...

    def kinds(self) -> list[MessageKind]:
        """Every declared kind of message."""
        ...

    def route(self, channels_of: Callable[[str], Sequence[str]], limit: int) -> int:
        """Make the deliveries of messages that have none yet."""
        ...

    def claim(
        self, channels: Mapping[str, bool], *, limit: int, lease: timedelta, by: str
    ) -> tuple[list[Delivery], int]:
        """Take what is due in hand; gives also how many claims of others were found to be stuck."""
        ...

    def keep(self, said: Iterable[tuple[Delivery, str, str]]) -> list[Delivery]:
        """Fix what is said before it is sent."""
        ...

    def begin(self, delivery: Delivery, lease: timedelta) -> Delivery | None:
        """Note that an attempt begins; None when the claim is somebody else's by now."""
        ...

    def settle(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Write what came of attempts; gives those that were written."""
        ...


class Channel(Protocol):
    """A channel as its contract says; the package's docstring has it in full."""

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Carry one message."""
        ...


class Dispatcher:
    """Delivers what one outbox holds over these channels.

    `routes` says over which of the `channels` (by the names they have here) each role is told; `default` covers the
    roles it does not name. `addresses` says where a recipient is reached over the channels that need to know. An
    attempt that fails for the time being is repeated after `backoff`, then twice that, and so on up to `longest`, each
    shortened by up to half by chance; after `attempts` of them the message is dead. `lease` is how long a batch may be
    in hand before others take it up: it must be longer than one attempt can take.

    Raises `Invalid` when routes, channels or texts do not fit together: every text is rendered once, here.
    """

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        routes: Mapping[str, Sequence[str]],
        templates: Templates | None = None,
        *,
        addresses: Addresses | None = None,
        attempts: int = 8,
        backoff: timedelta = timedelta(seconds=30),
        longest: timedelta = timedelta(hours=1),
        lease: timedelta = timedelta(minutes=10),
        name: str = "",
        entropy: Entropy | None = None,
    ) -> None:
        self._outbox = outbox
        self._channels = dict(channels)
        self._routes = {role: tuple(names) for role, names in routes.items()}
        self._templates = templates or Templates()
        self._addresses = addresses
        self._attempts, self._backoff, self._longest, self._lease = attempts, backoff, longest, lease
        self._name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._entropy = entropy or SystemEntropy()
        self._safe = {n: bool(getattr(c, "repeats_safely", False)) for n, c in self._channels.items()}
        self._check()

    def run_once(self, limit: int = 100) -> Dispatched:
        """Deliver at most `limit` of what is due, oldest first; any number of dispatchers may do so at once.

        Raises `DatabaseFault` when the database fails; then nothing is lost, and what was in hand is taken up again by
        what its channel allows. A channel or a text that fails concerns the message it failed for, and no other.
        """
        self._outbox.route(self._channels_of, limit)
        claimed, stuck = self._outbox.claim(self._safe, limit=limit, lease=self._lease, by=self._name)
        settled: list[Outcome] = []
        ready, unsaid = self._put_into_words(claimed)
        settled += self._outbox.settle(unsaid) if unsaid else []
        # Where a repeat does no harm, what came of many is noted at once: a crash in between repeats them.
        batch: list[Outcome] = []
        for delivery in ready:
            if self._outbox.now() > delivery.until:
                batch.append(Outcome(delivery, "waiting"))
            elif self._safe[delivery.channel]:
                batch.append(self._attempt(delivery))
            elif begun := self._outbox.begin(delivery, self._lease):
                settled += self._outbox.settle([self._attempt(begun)])
        settled += self._outbox.settle(batch) if batch else []
        return self._counted(claimed, settled, stuck)

    def words(self, delivery: Delivery) -> tuple[str, str]:
        """Subject and text as they would be sent. Raises `Unreadable` for what cannot be put into words."""
        said = self._templates.render(delivery)
        return said.subject, said.text

    # ── inside ──

    def _check(self) -> None:
        wrong = []
        for role in self._routes:
            if role != DEFAULT and (role not in set(Role) or role in RESERVED):
                wrong.append(f"routes: nobody is told as '{role}'; roles are: {', '.join(_told())}, and {DEFAULT}")
        for role, names in self._routes.items():
            unknown = [n for n in names if n not in self._channels]
            if unknown or not names:
                there = ", ".join(sorted(self._channels)) or "none"
                wrong.append(f"routes: {role} names {', '.join(unknown) or 'no channel'}; there are: {there}")
        left_out = [role for role in _told() if role not in self._routes and DEFAULT not in self._routes]
        if left_out:
            wrong.append(f"routes: nothing says how to tell {', '.join(left_out)}; add them, or {DEFAULT}")
        wrong += [f"channels: the name '{n}' has no 1 to 60 characters" for n in self._channels if not 0 < len(n) <= 60]
        if self._attempts < 1:
            wrong.append("attempts must be at least 1")
        if min(self._backoff, self._longest, self._lease) <= timedelta():
            wrong.append("backoff, longest and lease must be longer than nothing")
        wrong += self._unusable_addresses()
        wrong += self._templates.check(self._outbox.kinds())
        if wrong:
            raise Invalid("the dispatcher cannot be used:\n" + "\n".join(f"  - {w}" for w in wrong), problems=wrong)

    def _unusable_addresses(self) -> Iterable[str]:
        """Of a whole address book, what the channels of its recipients could never deliver to; no address is named."""
        book = self._addresses if isinstance(self._addresses, Mapping) else {}
        for recipient in book:
            for name in self._channels_of(recipient):
                check = getattr(self._channels.get(name), "check_address", None)
                if check is None:
                    continue
                for number, address in enumerate(self._addresses_of(recipient), 1):
                    try:
                        check(address)
                    except Invalid as error:
                        yield f"addresses: {recipient}, number {number}, over {name}: {error.message}"

    def _channels_of(self, recipient: str) -> Sequence[str]:
        role = recipient.partition(":")[0]
        return self._routes.get(role) or self._routes.get(DEFAULT, ())

    def _put_into_words(self, claimed: Sequence[Delivery]) -> tuple[list[Delivery], list[Outcome]]:
        """What can be sent, its words fixed in the outbox; and what cannot be said."""
        said: list[tuple[Delivery, str, str]] = []
        fixed: list[Delivery] = []
        unsaid: list[Outcome] = []
        for delivery in claimed:
            if delivery.subject is not None and delivery.text is not None:
                fixed.append(delivery)
                continue
            try:
                words = self._templates.render(delivery)
            except Invalid as error:
                unsaid.append(Outcome(delivery, "dead", error.message))
                log.error("%s", error.message, extra={"action": "message_unreadable", "delivery": delivery.id})
            else:
                said.append((delivery, words.subject, words.text))
        fixed += self._outbox.keep(said) if said else []
        order = {(d.id, d.channel): n for n, d in enumerate(claimed)}
        return sorted(fixed, key=lambda d: order[d.id, d.channel]), unsaid

    def _attempt(self, delivery: Delivery) -> Outcome:
        channel = self._channels[delivery.channel]
        try:
            channel.deliver(self._message(delivery, channel))
        except (Exception, SystemExit) as error:  # a channel is foreign code
            return self._failed(delivery, error)
        return Outcome(delivery, "delivered")

    def _message(self, delivery: Delivery, channel: Channel) -> dict[str, Any]:
        message: dict[str, Any] = {
            "id": delivery.id,
            "message": delivery.kind,
            "recipient": delivery.recipient,
            "body": dict(delivery.body),
            "round": {key: delivery.round[key] for key in ("id", "code", "title", "demonstration")},
            "subject": delivery.subject,
            "text": delivery.text,
            "language": self._templates.language,
            "created_at": to_text(delivery.created_at),
        }
        wanted = getattr(channel, "addresses", None)
        if wanted:
            message["addresses"] = self._addresses_of(delivery.recipient)
            if not message["addresses"] and wanted == "required":
                raise Undeliverable(f"there is no address of {delivery.recipient}: add one, then hand it in again")
        return message

    def _addresses_of(self, recipient: str) -> list[str]:
        if self._addresses is None:
            return []
        found = self._addresses(recipient) if callable(self._addresses) else self._addresses.get(recipient, ())
        return [found] if isinstance(found, str) else list(found or ())

    def _failed(self, delivery: Delivery, error: BaseException) -> Outcome:
        said = error.message if isinstance(error, Invalid | Fault) else f"{type(error).__name__}: {error}"
        # A lone surrogate would stop whoever writes the log.
        said = " ".join(said.split()).encode("utf-8", "replace").decode("utf-8")[:500]
        if isinstance(error, Invalid):
            status = "dead"
        elif isinstance(error, PerhapsDelivered) and not self._safe[delivery.channel]:
            status = "stuck"
        elif delivery.attempts >= self._attempts:
            status, said = "dead", f"given up after {delivery.attempts} attempts: {said}"
        else:
            status = "retrying"
        log.log(
            logging.WARNING if status == "retrying" else logging.ERROR,
            "the message %s was not delivered over %s: %s",
            delivery.id,
            delivery.channel,
            said,
            extra={"action": f"message_{status}", "delivery": delivery.id, "channel": delivery.channel},
        )
        return Outcome(delivery, status, said, self._pause(delivery.attempts) if status == "retrying" else 0.0)

    def _pause(self, attempts: int) -> float:
        """How long to wait after so many attempts, in seconds: doubled each time, shortened by up to half by chance."""
        # Without the chance, all that failed in one outage would come back in the same instant.
        longest = min(self._backoff.total_seconds() * 2.0 ** min(attempts - 1, 60), self._longest.total_seconds())
        chance = int.from_bytes(self._entropy.take(4), "big") / 2**32
        return longest * (1 - chance / 2)

    @staticmethod
    def _counted(claimed: Sequence[Delivery], settled: Sequence[Outcome], stuck: int) -> Dispatched:
        by = {status: sum(o.status == status for o in settled) for status in ("delivered", "retrying", "dead", "stuck")}
        return Dispatched(
            delivered=by["delivered"],
            retried=by["retrying"],
            dead=by["dead"],
            stuck=by["stuck"] + stuck,
            left=len(claimed) - sum(by.values()),
        )


def _told() -> list[str]:
    return [role.value for role in Role if role not in RESERVED]
