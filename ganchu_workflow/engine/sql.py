"""The SQL of a transition: every statement that reads or writes a case.

Each is built once, here: building one anew costs SQLAlchemy several times what sending it does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Table, and_, bindparam, delete, insert, or_, select, update

from ganchu_workflow.store.statements import IDS, Statement
from ganchu_workflow.store.tables import METADATA

CASE = METADATA.tables["ganchu_case"]
MEMBER = METADATA.tables["ganchu_member"]
PARTY = METADATA.tables["ganchu_party"]
FACT = METADATA.tables["ganchu_fact_index"]
EVENT = METADATA.tables["ganchu_history"]
DEADLINE = METADATA.tables["ganchu_deadline"]
STUCK = METADATA.tables["ganchu_stuck_deadline"]
OUTBOX = METADATA.tables["ganchu_outbox"]
DEFINITION = METADATA.tables["ganchu_definition"]
CALENDAR = METADATA.tables["ganchu_calendar_version"]
IMPORT = METADATA.tables["ganchu_calendar_import"]
PRIVATE = METADATA.tables["ganchu_private_value"]
NOT_CALLED_OFF = (
    ~select(CASE.c.id)
    .where(CASE.c.id == DEADLINE.c.round_id, CASE.c.state == "cancelled")
    .correlate(DEADLINE)  # also where the cases of the deadlines are read beside them
    .exists()
)
"""Of deadlines: nothing is due any more in a round that was cancelled, whatever was running there."""
_IDS: BindParameter[Any] = bindparam(IDS, expanding=True)


def _but(table: Table, *key: str) -> dict[str, Any]:
    """The columns of a row to be updated, each to the parameter of its name."""
    return {c.name: bindparam(c.name) for c in table.c if c.name not in key}


CASES = Statement(select(CASE).where(CASE.c.id.in_(_IDS)))
PARTIES = Statement(select(PARTY).where(PARTY.c.case_id.in_(_IDS)))
ROUND_OF = Statement(select(CASE.c.round_id).where(CASE.c.id == bindparam("case")))
CHILDREN = Statement(
    select(CASE.c.parent_id, CASE.c.id).where(CASE.c.kind == bindparam("kind"), CASE.c.parent_id.in_(_IDS))
)
BELONGING = Statement(select(CASE.c.id).where(CASE.c.of_id == bindparam("of"), CASE.c.kind == bindparam("kind")))
MEMBERS = Statement(
    select(MEMBER.c.application_id, MEMBER.c.visit)
    .where(MEMBER.c.cohort_id == bindparam("cohort"))
    .order_by(MEMBER.c.ordinal)
)
ACTS = Statement(
    select(MEMBER.c.application_id, MEMBER.c.cohort_id, CASE.c.kind, MEMBER.c.visit)
    .join(CASE, CASE.c.id == MEMBER.c.cohort_id)
    .where(MEMBER.c.application_id.in_(_IDS))
)
APPLICATIONS = Statement(
    select(CASE.c.id).where(CASE.c.round_id == bindparam("round"), CASE.c.kind == "application", CASE.c.stage.in_(_IDS))
)
HAVING = Statement(
    select(CASE.c.id)
    .join(FACT, FACT.c.case_id == CASE.c.id)
    .where(FACT.c.name == bindparam("name"), FACT.c.value == bindparam("value"))
    .where(CASE.c.round_id == bindparam("round"), CASE.c.kind == bindparam("kind"))
)
PHASES = Statement(select(CASE.c.stage, CASE.c.id).where(CASE.c.round_id == bindparam("round"), CASE.c.kind == "phase"))
DEADLINES = Statement(select(DEADLINE).where(DEADLINE.c.case_id.in_(_IDS)))
IN_TROUBLE = and_(
    STUCK.c.case_id == DEADLINE.c.case_id,
    STUCK.c.name == DEADLINE.c.name,
    or_(STUCK.c.due_at == DEADLINE.c.due_at, and_(STUCK.c.due_at.is_(None), DEADLINE.c.due_at.is_(None))),
)
"""The row of a deadline that would not fire; one that was written of another end is of no account."""
_NOT_RESTING = or_(
    STUCK.c.case_id.is_(None), and_(STUCK.c.status != "parked", STUCK.c.again_at <= bindparam("present"))
)
_DUE_CORE = (
    select(DEADLINE.c.case_id, DEADLINE.c.name, DEADLINE.c.due_at, DEADLINE.c.round_id, STUCK.c.last_at)
    .outerjoin(STUCK, IN_TROUBLE)
    .where(DEADLINE.c.status == "armed", DEADLINE.c.fires.is_not(None), DEADLINE.c.due_at < bindparam("before"))
    .where(NOT_CALLED_OFF, _NOT_RESTING)
    .order_by(DEADLINE.c.due_at, DEADLINE.c.case_id, DEADLINE.c.name)
    .limit(bindparam("most"))
)
DUE = Statement(_DUE_CORE)
DUE_OF_ROUND = Statement(_DUE_CORE.where(DEADLINE.c.round_id == bindparam("round")))
NEXT_ROUND = Statement(
    select(DEADLINE.c.round_id).where(DEADLINE.c.round_id > bindparam("after")).order_by(DEADLINE.c.round_id).limit(1)
)
AWAITING = Statement(
    select(DEADLINE.c.case_id, DEADLINE.c.name, DEADLINE.c.round_id, STUCK.c.last_at)
    .outerjoin(STUCK, IN_TROUBLE)
    .where(
        DEADLINE.c.status == "awaiting_calendar",
        NOT_CALLED_OFF,
        or_(
            DEADLINE.c.case_id > bindparam("after"),
            and_(DEADLINE.c.case_id == bindparam("after"), DEADLINE.c.name > bindparam("then")),
        ),
        _NOT_RESTING,
    )
    .order_by(DEADLINE.c.case_id, DEADLINE.c.name)
    .limit(bindparam("most"))
)
RUNNING_FROM = Statement(
    select(DEADLINE.c.case_id, DEADLINE.c.name)
    .where(DEADLINE.c.round_id == bindparam("round"))
    .where(
        or_(
            and_(DEADLINE.c.status == "armed", DEADLINE.c.due_at >= bindparam("first")),
            and_(DEADLINE.c.status == "awaiting_calendar", DEADLINE.c.shown_at >= bindparam("first")),
            and_(DEADLINE.c.status.in_(["stopped", "suspended"]), DEADLINE.c.remainder.startswith("not later than")),
        )
    )
    .order_by(DEADLINE.c.case_id, DEADLINE.c.name)
)
SINCE = Statement(
    select(EVENT.c.body)
    .where(EVENT.c.round_id == bindparam("round"), EVENT.c.recorded_at >= bindparam("first"))
    .order_by(EVENT.c.recorded_at, EVENT.c.case_id, EVENT.c.seq)
)
STANDING_IN = Statement(
    select(DEADLINE.c.case_id, DEADLINE.c.name, DEADLINE.c.status, DEADLINE.c.due_at, DEADLINE.c.calendar)
    .where(DEADLINE.c.round_id == bindparam("round"))
    .where(DEADLINE.c.status.in_(["armed", "fired", "awaiting_calendar"]))
    .order_by(DEADLINE.c.case_id, DEADLINE.c.name)
)
IMPORTS = Statement(
    select(IMPORT.c.id, IMPORT.c.year, IMPORT.c.paper, IMPORT.c.digest, IMPORT.c.body, IMPORT.c.imported_at).order_by(
        IMPORT.c.imported_at, IMPORT.c.id
    )
)
_THIS_STUCK = and_(STUCK.c.case_id == bindparam("case"), STUCK.c.name == bindparam("deadline"))
_LIVE = (
    select(DEADLINE.c.case_id)
    .where(IN_TROUBLE, DEADLINE.c.status.in_(["armed", "awaiting_calendar"]), NOT_CALLED_OFF)
    .correlate(STUCK)
    .exists()
)
STUCK_DEADLINE = Statement(select(STUCK).where(_THIS_STUCK))
STUCK_DEADLINES = Statement(
    select(STUCK).where(_LIVE).order_by(STUCK.c.first_at, STUCK.c.case_id, STUCK.c.name).limit(bindparam("most"))
)
STUCK_OF_ROUND = Statement(
    select(STUCK).where(STUCK.c.round_id == bindparam("round"), _LIVE).order_by(STUCK.c.case_id, STUCK.c.name)
)
A_STALE_ONE = Statement(select(STUCK.c.case_id).where(~_LIVE).limit(1))
WITHOUT_STALE = Statement(delete(STUCK).where(~_LIVE))
WITHOUT_STUCK = Statement(delete(STUCK).where(_THIS_STUCK))
BY_KEY = Statement(select(EVENT.c.body).where(EVENT.c.idempotency_key == bindparam("key")))
HISTORY = Statement(select(EVENT.c.body).where(EVENT.c.case_id == bindparam("case")).order_by(EVENT.c.seq.desc()))
USED = Statement(select(EVENT.c.idempotency_key).where(EVENT.c.idempotency_key.in_(_IDS)))
PRIVATE_VALUE = Statement(select(PRIVATE.c.salt, PRIVATE.c.value).where(PRIVATE.c.id == bindparam("commitment")))
HAS_DEFINITION = Statement(select(DEFINITION.c.fingerprint).where(DEFINITION.c.fingerprint == bindparam("fingerprint")))
CALENDAR_BODY = Statement(select(CALENDAR.c.body).where(CALENDAR.c.version == bindparam("version")))
HAS_CALENDAR = Statement(select(CALENDAR.c.version).where(CALENDAR.c.version == bindparam("version")))
_VERSIONS_CORE = select(CASE.c.id, CASE.c.seq, CASE.c.version).where(CASE.c.id.in_(_IDS))
VERSIONS = Statement(_VERSIONS_CORE)
LOCKED = {
    writes: Statement(_VERSIONS_CORE.order_by(CASE.c.position, CASE.c.id).with_for_update(read=not writes))
    for writes in (True, False)
}
UPDATE_CASE = Statement(
    update(CASE)
    .where(CASE.c.id == bindparam("case"))
    .values(
        version=CASE.c.version + 1,
        **{name: bindparam(name) for name in ("state", "stage", "visit", "seq", "head", "facts", "recorded_at")},
    )
)
TOUCH = Statement(update(CASE).where(CASE.c.id.in_(_IDS)).values(version=CASE.c.version + 1))
WITHOUT_PARTIES = Statement(delete(PARTY).where(PARTY.c.case_id == bindparam("case")))
WITHOUT_FACTS = Statement(delete(FACT).where(FACT.c.case_id == bindparam("case")))
WITHOUT_MEMBERS = Statement(delete(MEMBER).where(MEMBER.c.cohort_id == bindparam("case")))
_THIS_DEADLINE = and_(DEADLINE.c.case_id == bindparam("case"), DEADLINE.c.name == bindparam("deadline"))
WITHOUT_DEADLINE = Statement(delete(DEADLINE).where(_THIS_DEADLINE))
INSERTS = {table.name: Statement(insert(table)) for table in METADATA.sorted_tables}
UPDATE_DEADLINE = Statement(update(DEADLINE).where(_THIS_DEADLINE).values(**_but(DEADLINE, "case_id", "name")))
UPDATE_STUCK = Statement(update(STUCK).where(_THIS_STUCK).values(**_but(STUCK, "case_id", "name")))
