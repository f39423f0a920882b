"""What goes wrong in a database, told apart: a conflict with another transaction, and everything else."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.exc import DBAPIError

from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store import mariadb

_TAKEN = "23505"
"""PostgreSQL: unique violation."""
_RETRIED = frozenset({"40001", "40P01"})
"""PostgreSQL: serialisation failure, deadlock."""
_LOCKED = "55P03"
"""PostgreSQL: lock not available (`lock_timeout`)."""
_TAKEN_ON_SQLITE = frozenset({"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID", "SQLITE_CONSTRAINT_UNIQUE"})
_OUTDATED_ON_SQLITE = "SQLITE_BUSY_SNAPSHOT"
"""Another has written since this transaction first read: however long it waits, it can write no more."""

ROW_REFUSED = "row_refused"
LOCKED = "another writer holds it; try again, and look for a transaction left open"
REFUSED = (
    "doing the same again meets the same; undo what was added to the library's tables (a constraint, a trigger), and"
    " report it where nothing was"
)


def driver_errors(dialect: Dialect) -> tuple[type[BaseException], ...]:
    """The exceptions of a database: its driver's own, and SQLAlchemy's around them."""
    module: Any = dialect.loaded_dbapi
    return module.Error, DBAPIError


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was in the way, so that the same work may succeed when it is done again.

    A key that is taken counts: somebody else took the next number of a history, or the same key.
    """
    plain = bare(error)
    return (
        _is_taken(plain)
        or getattr(plain, "sqlstate", None) in _RETRIED
        or getattr(plain, "sqlite_errorname", None) == _OUTDATED_ON_SQLITE
        or mariadb.error_code(plain) in mariadb.RETRIED
    )


def is_locked(error: BaseException) -> bool:
    """Whether the database gave up waiting for a lock of somebody else's. It has waited as long as it was told to."""
    plain = bare(error)
    on_sqlite = str(getattr(plain, "sqlite_errorname", ""))
    return (
        getattr(plain, "sqlstate", None) == _LOCKED
        or (on_sqlite.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) and on_sqlite != _OUTDATED_ON_SQLITE)
        or mariadb.error_code(plain) in mariadb.LOCKED
    )


def is_refused(error: BaseException) -> bool:
    """Whether the database refused a row for what is in it, as it will each time: by a constraint, a trigger, a type.

    A key that is taken does not count.
    """
    plain = bare(error)
    if _is_taken(plain):
        return False
    kinds = {kind.__name__ for kind in type(plain).__mro__}
    return not kinds.isdisjoint({"IntegrityError", "DataError"}) or mariadb.error_code(plain) in mariadb.REFUSED


def bare(error: BaseException) -> BaseException:
    """The driver's own error, without SQLAlchemy's around it."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def told(error: BaseException) -> str:
    """What the database said, in one line, without the values of the row it was about."""
    plain: Any = bare(error)
    if any(kind.__name__ == "DataError" for kind in type(plain).__mro__):
        return type(plain).__name__  # most of them quote the value
    # PostgreSQL says the whole row in the detail.
    primary = getattr(getattr(plain, "diag", None), "message_primary", None)
    return " ".join(str(primary or plain).split())


def _is_taken(plain: Any) -> bool:
    return (
        getattr(plain, "sqlstate", None) == _TAKEN
        or getattr(plain, "sqlite_errorname", None) in _TAKEN_ON_SQLITE
        or mariadb.error_code(plain) in mariadb.TAKEN
    )


def host_fault(error: BaseException) -> DatabaseFault:
    """An error of the database inside a host's transaction, in plain words; the driver's own is its cause.

    `fields["reason"]` is `conflict` (the host may end its transaction and do the same again), `locked` (so it may, but
    somebody has kept a lock for long), `row_refused` (that would meet the same) or `broken_transaction`.
    """
    plain = bare(error)
    if is_conflict(error):
        return in_the_way(type(plain).__name__)
    if is_locked(error):
        return DatabaseFault(
            "another transaction kept a lock that the act needs; nothing was tried again, as this transaction is the"
            " host's: roll it back and do the same again, and look for a transaction left open"
            f" ({type(plain).__name__})",
            reason="locked",
        )
    if is_refused(error):
        return DatabaseFault(f"the database refused a row of the act: {REFUSED} ({told(error)})", reason=ROW_REFUSED)
    return DatabaseFault(
        "the host's transaction cannot carry the act: roll it back and see its cause; this is often an earlier error of"
        f" the host's in the same transaction, or a connection that is gone ({type(plain).__name__})",
        reason="broken_transaction",
    )


def in_the_way(what: str) -> DatabaseFault:
    """That a host's transaction can no longer carry the act, because of what others have done meanwhile."""
    return DatabaseFault(
        "another transaction was in the way; nothing was tried again, as this transaction is the host's:"
        f" roll it back and do the same again ({what})",
        reason="conflict",
    )
