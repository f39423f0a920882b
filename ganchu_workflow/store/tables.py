"""The tables, on a registry and MetaData of the library's own, all with the prefix `ganchu_`.

An absent value is NULL, never an empty string: some databases store the one as the other. A table class does not
validate what it is given: it is a row, not an API. History, attempt, definition, calendar version and seal are
append-only in the database itself (see `triggers`). `from __future__ import annotations` must stay out of this module.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, MetaData, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from ganchu_workflow.store.types import Instant, document_type, name_type

PREFIX = "ganchu_"
# Indexes and unique constraints are named by hand: a name made of table and column would pass 30 characters.
METADATA = MetaData(naming_convention={"pk": "pk_%(table_name)s"})
REGISTRY = registry(metadata=METADATA)
INDEXED = 200
"""How many characters of a fact can be searched for."""


class Row(SQLModel, registry=REGISTRY):
    """The base of every table of this library; a host's own SQLModel tables live on another registry."""


class CaseRow(Row, table=True):
    """A case as it stands now. Every write raises `version`, and is made only if `version` is still what was read."""

    __tablename__ = "ganchu_case"
    __table_args__ = (
        Index("ganchu_case_round_ix", "round_id", "kind", "state"),
        Index("ganchu_case_parent_ix", "parent_id", "kind"),
        Index("ganchu_case_of_ix", "of_id", "kind"),
    )

    id: str = Field(primary_key=True, sa_type=name_type(26))
    round_id: str = Field(sa_type=name_type(26))
    """The case of the round this belongs to; a round names itself."""
    kind: str = Field(sa_type=name_type(60))
    state: str = Field(sa_type=name_type(120))
    stage: str | None = Field(default=None, sa_type=name_type(60))
    """The stage instance of the plan, where the case is in one."""
    visit: int = Field(sa_type=Integer)
    parent_id: str | None = Field(default=None, sa_type=name_type(26))
    of_id: str | None = Field(default=None, sa_type=name_type(26))
    position: int = Field(sa_type=Integer)
    """The rank in the lock order: round 0, phase 1, cohort 2, application 3, child 4."""
    version: int = Field(sa_type=Integer)
    seq: int = Field(sa_type=Integer)
    """The number of the last event."""
    head: str = Field(sa_type=name_type(64))
    """The digest of the last event."""
    facts: str = Field(sa_type=document_type())
    opened_at: datetime = Field(sa_type=Instant)
    recorded_at: datetime = Field(sa_type=Instant)
    """When the last event was recorded."""


class MemberRow(Row, table=True):
    """An application on the list of a cohort, at its place."""

    __tablename__ = "ganchu_member"
    __table_args__ = (Index("ganchu_member_application_ix", "application_id", "cohort_id"),)

    cohort_id: str = Field(primary_key=True, sa_type=name_type(26))
    application_id: str = Field(primary_key=True, sa_type=name_type(26))
    visit: int = Field(sa_type=Integer)
    ordinal: int = Field(sa_type=Integer)


class PartyRow(Row, table=True):
    """Who has a role in a case: an actor of that role with that scope."""

    __tablename__ = "ganchu_party"
    __table_args__ = (Index("ganchu_party_scope_ix", "role", "scope", "case_id"),)

    case_id: str = Field(primary_key=True, sa_type=name_type(26))
    role: str = Field(primary_key=True, sa_type=name_type(30))
    scope: str = Field(sa_type=name_type(120))


class FactRow(Row, table=True):
    """A declared fact of a case, as text, so that cases can be searched by it."""

    __tablename__ = "ganchu_fact_index"
    __table_args__ = (Index("ganchu_fact_index_value_ix", "name", "value"),)

    case_id: str = Field(primary_key=True, sa_type=name_type(26))
    name: str = Field(primary_key=True, sa_type=name_type(60))
    value: str = Field(sa_type=name_type(INDEXED))


class EventRow(Row, table=True):
    """One event of a case's history. `body` is the whole event; the other columns are for finding it. Append-only."""

    __tablename__ = "ganchu_history"
    __table_args__ = (
        UniqueConstraint("idempotency_key", name="ganchu_history_key_uq"),
        Index("ganchu_history_round_ix", "round_id", "recorded_at"),
    )

    case_id: str = Field(primary_key=True, sa_type=name_type(26))
    seq: int = Field(primary_key=True, sa_type=Integer)
    round_id: str = Field(sa_type=name_type(26))
    name: str = Field(sa_type=name_type(120))
    """The trigger."""
    recorded_at: datetime = Field(sa_type=Instant)
    idempotency_key: str | None = Field(default=None, sa_type=name_type(120))
    body: str = Field(sa_type=document_type())
    digest: str = Field(sa_type=name_type(64))


class DeadlineRow(Row, table=True):
    """A deadline of a case: `armed`, `stopped`, `fired` or `awaiting_calendar`.

    `due_at` is absent while the calendar of its year is not loaded, and while it is stopped; then `remainder` holds
    what is left, in the rule's own units.
    """

    __tablename__ = "ganchu_deadline"
    __table_args__ = (
        Index("ganchu_deadline_due_ix", "status", "due_at"),
        Index("ganchu_deadline_round_ix", "round_id", "status", "due_at"),
    )

    case_id: str = Field(primary_key=True, sa_type=name_type(26))
    name: str = Field(primary_key=True, sa_type=name_type(120))
    round_id: str = Field(sa_type=name_type(26))
    fires: str | None = Field(default=None, sa_type=name_type(120))
    """The trigger it fires; absent for a window that only closes."""
    status: str = Field(sa_type=name_type(20))
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    rule: str = Field(sa_type=name_type(120))
    remainder: str | None = Field(default=None, sa_type=name_type(120))
    armed_at: datetime = Field(sa_type=Instant)
    calendar: str | None = Field(default=None, sa_type=name_type(40))
    """The version of the working-day calendar it was computed with."""
    shown_at: datetime | None = Field(default=None, sa_type=Instant)
    """The end that is shown, where a grace follows it; `due_at` is then the end of the grace."""


class StuckDeadlineRow(Row, table=True):
    """A deadline that is due and would not fire: how often it was tried, why, and when it is tried again.

    `refused` (a rule says no), `unrunnable` (the installed stages cannot run the round) and `retrying` (firing it
    crashed) are tried again at `again_at`; `parked` is left alone until a person releases it. No part of the record: it
    is gone once the deadline has fired, moved or stopped; each try that a rule refused is an attempt of its own.
    """

    __tablename__ = "ganchu_stuck_deadline"

    case_id: str = Field(primary_key=True, sa_type=name_type(26))
    name: str = Field(primary_key=True, sa_type=name_type(120))
    round_id: str = Field(sa_type=name_type(26))
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    """The end at which it was due; absent of one that waits for a year's calendar."""
    status: str = Field(sa_type=name_type(20))
    tries: int = Field(sa_type=Integer)
    code: str = Field(sa_type=name_type(60))
    why: str = Field(sa_type=name_type(500))
    first_at: datetime = Field(sa_type=Instant)
    last_at: datetime = Field(sa_type=Instant)
    again_at: datetime | None = Field(default=None, sa_type=Instant)


class OutboxRow(Row, table=True):
    """A message to be delivered after the commit, written with the event that caused it."""

    __tablename__ = "ganchu_outbox"
    __table_args__ = (Index("ganchu_outbox_status_ix", "status", "created_at"),)

    id: str = Field(primary_key=True, sa_type=name_type(26))
    round_id: str = Field(sa_type=name_type(26))
    case_id: str = Field(sa_type=name_type(26))
    seq: int = Field(sa_type=Integer)
    ordinal: int = Field(sa_type=Integer)
    message: str = Field(sa_type=name_type(120))
    recipient: str = Field(sa_type=name_type(160))
    body: str = Field(sa_type=document_type())
    status: str = Field(sa_type=name_type(20))
    """`waiting`, or `routed` once its deliveries exist: the only column that ever changes."""
    created_at: datetime = Field(sa_type=Instant)


class DeliveryRow(Row, table=True):
    """A message on its way over one channel: how far it has come, and what was said, word for word.

    `waiting`, `claimed` (a dispatcher has it in hand), `sending` (and has begun), `retrying`, `delivered`, `dead`
    (given up), `stuck` (it may have gone out, so it is not sent again by itself) or `dropped` (a person decided so).
    Every write raises `version`.
    """

    __tablename__ = "ganchu_delivery"
    __table_args__ = (Index("ganchu_delivery_due_ix", "status", "due_at"),)

    message_id: str = Field(primary_key=True, sa_type=name_type(26))
    """The outbox row."""
    channel: str = Field(primary_key=True, sa_type=name_type(60))
    round_id: str = Field(sa_type=name_type(26))
    status: str = Field(sa_type=name_type(20))
    due_at: datetime = Field(sa_type=Instant)
    """Waiting or retrying: not before. Claimed or sending: the end of the lease."""
    attempts: int = Field(sa_type=Integer)
    """How often it was claimed since it was last handed in."""
    version: int = Field(sa_type=Integer)
    claimed_by: str | None = Field(default=None, sa_type=name_type(120))
    subject: str | None = Field(default=None, sa_type=name_type(300))
    """What was said; with `text` and its `digest` fixed before the first attempt, and the same at every later one."""
    text: str | None = Field(default=None, sa_type=document_type())
    digest: str | None = Field(default=None, sa_type=name_type(64))
    error: str | None = Field(default=None, sa_type=name_type(500))
    decided_by: str | None = Field(default=None, sa_type=name_type(160))
    """Who last handed it in again, or dropped it, and why."""
    reason: str | None = Field(default=None, sa_type=name_type(500))
    created_at: datetime = Field(sa_type=Instant)
    delivered_at: datetime | None = Field(default=None, sa_type=Instant)


class InboxRow(Row, table=True):
    """A message in the inbox of its recipient, kept by the library itself."""

    __tablename__ = "ganchu_inbox"
    __table_args__ = (Index("ganchu_inbox_recipient_ix", "recipient", "created_at"),)

    message_id: str = Field(primary_key=True, sa_type=name_type(26))
    recipient: str = Field(sa_type=name_type(160))
    subject: str = Field(sa_type=name_type(300))
    text: str = Field(sa_type=document_type())
    created_at: datetime = Field(sa_type=Instant)
    read_at: datetime | None = Field(default=None, sa_type=Instant)


class AttemptRow(Row, table=True):
    """What was tried and did not change a case (`refused`, `crashed`), was read under protection (`protected_read`), or
    was decided by an operator about a message or a deadline (`decided`).

    Outside the chain of events, and append-only.
    """

    __tablename__ = "ganchu_attempt"

    id: str = Field(primary_key=True, sa_type=name_type(26))
    round_id: str | None = Field(default=None, sa_type=name_type(26))
    case_id: str | None = Field(default=None, sa_type=name_type(26))
    name: str = Field(sa_type=name_type(120))
    kind: str = Field(sa_type=name_type(20))
    code: str = Field(sa_type=name_type(60))
    actor: str = Field(sa_type=name_type(160))
    received_at: datetime = Field(sa_type=Instant)
    recorded_at: datetime = Field(sa_type=Instant)
    body: str = Field(sa_type=document_type())


class DefinitionRow(Row, table=True):
    """A process definition that a round was opened with, under its fingerprint. Append-only."""

    __tablename__ = "ganchu_definition"

    fingerprint: str = Field(primary_key=True, sa_type=name_type(64))
    body: str = Field(sa_type=document_type())
    recorded_at: datetime = Field(sa_type=Instant)


class CalendarRow(Row, table=True):
    """A version of the working-day calendar that a window was computed with. Append-only."""

    __tablename__ = "ganchu_calendar_version"

    version: str = Field(primary_key=True, sa_type=name_type(40))
    body: str = Field(sa_type=document_type())
    recorded_at: datetime = Field(sa_type=Instant)


class CalendarImportRow(Row, table=True):
    """A year's notice of the State Council that an office imported: of one year the last import counts. Append-only."""

    __tablename__ = "ganchu_calendar_import"

    id: str = Field(primary_key=True, sa_type=name_type(26))
    year: int = Field(sa_type=Integer)
    paper: str = Field(sa_type=name_type(300))
    """The notice: its name, number and date."""
    body: str = Field(sa_type=document_type())
    digest: str = Field(sa_type=name_type(64))
    actor: str = Field(sa_type=name_type(160))
    imported_at: datetime = Field(sa_type=Instant)


class PrivateRow(Row, table=True):
    """A private value behind the commitment that stands in the chain. Erasing it empties `salt` and `value`."""

    __tablename__ = "ganchu_private_value"

    id: str = Field(primary_key=True, sa_type=name_type(64))
    """The commitment."""
    case_id: str = Field(sa_type=name_type(26))
    field: str = Field(sa_type=name_type(60))
    salt: str | None = Field(default=None, sa_type=name_type(64))
    value: str | None = Field(default=None, sa_type=document_type())
    erased_at: datetime | None = Field(default=None, sa_type=Instant)


class SealRow(Row, table=True):
    """A signed head of a round's log over its first `size` events. Append-only."""

    __tablename__ = "ganchu_seal"

    round_id: str = Field(primary_key=True, sa_type=name_type(26))
    size: int = Field(primary_key=True, sa_type=BigInteger)
    root: str = Field(sa_type=name_type(64))
    signer: str = Field(sa_type=name_type(120))
    signature: str = Field(sa_type=document_type())
    sealed_at: datetime = Field(sa_type=Instant)
