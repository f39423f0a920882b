"""What goes wrong in a database, told apart: a conflict with another transaction, and everything else."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.exc import DBAPIError

from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store import mariadb

_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL: serialisation failure, deadlock, lock not available."""


def driver_errors(dialect: Dialect) -> tuple[type[BaseException], ...]:
    """The exceptions of a database: its driver's own, and SQLAlchemy's around them."""
    module: Any = dialect.loaded_dbapi
    return module.Error, DBAPIError


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was in the way, so that the same work may succeed when it is done again.

    A row that is there already counts: somebody else took the next number of a history, or the same key.
    """
    plain: Any = error.orig if isinstance(error, DBAPIError) else error
    if any(kind.__name__ == "IntegrityError" for kind in type(plain).__mro__):
        return True
    if getattr(plain, "sqlstate", None) in _SQLSTATES:
        return True
    return mariadb.error_code(plain) in mariadb.RETRIED


def host_fault(error: BaseException) -> DatabaseFault:
    """An error of the database inside a host's transaction, in plain words; the driver's own is its cause.

    `fields["reason"]` is `conflict` (the host may end its transaction and do the same again) or `broken_transaction`.
    """
    plain = error.orig if isinstance(error, DBAPIError) else error
    # SQLite: another writer holds the file, or has written since this transaction first read.
    busy = str(getattr(plain, "sqlite_errorname", "")).startswith("SQLITE_BUSY")
    busy = busy or mariadb.error_code(error) in mariadb.LOCKED
    if busy or is_conflict(error):
        return in_the_way(type(plain).__name__)
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
