"""A host's transaction before an act goes into it: how to come to it, and whether it can carry anything.

All of it is asked of the connection itself; nothing is sent to the database for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError, InvalidRequestError, PendingRollbackError, ResourceClosedError
from sqlalchemy.orm import Session, scoped_session

from ganchu_workflow.errors import DatabaseFault, Invalid
from ganchu_workflow.store.failures import host_fault
from ganchu_workflow.store.link import Link, SqlalchemyDriver, linked

_IDLE, _FAILED, _UNKNOWN = 0, 3, 4
"""How a transaction of PostgreSQL stands, in libpq's numbers."""
_IN_TRANSACTION = 1
"""The flag in the server status of MariaDB and MySQL."""


def host_link(host: Any) -> Callable[[], Link]:
    """How to come to a host's transaction, anew for each act: what it gave is a session or a connection.

    A session is flushed first, so that an act sees what the host has done; what the host's own rows meet then is
    raised as SQLAlchemy raises it. See `require_transaction` for what else is raised, each time. Raises `Invalid` for
    anything that is neither.
    """
    session = host() if isinstance(host, scoped_session) else host

    def find() -> Link:
        connection = _of_session(session) if isinstance(session, Session) else session
        try:
            link = linked(connection)
            driver = link.driver
            if isinstance(driver, SqlalchemyDriver) and not driver.connection.in_transaction():
                # As its first statement would: until then an Engine that begins by itself has sent no BEGIN.
                driver.connection.begin()
        except (PendingRollbackError, ResourceClosedError) as error:
            raise _broken("it has been closed, or waits to be rolled back") from error
        require_transaction(link.dialect.name, link.driver.raw)
        return link

    return find


def require_transaction(dialect: str, raw: Any) -> None:
    """Return when what is sent on this DB-API connection stands or falls with a transaction of the host's.

    Raises `Invalid` (`fields["reason"] == "no_transaction"`) where each statement would be committed by itself, and
    `DatabaseFault` (`broken_transaction`) for a connection that is closed, or a transaction in which PostgreSQL carries
    out nothing any more. Of a driver that does not say how its transaction stands nothing is required.
    """
    check = _CHECKS.get(dialect)
    if check is not None:
        check(raw)


def _of_session(session: Session) -> Any:
    try:
        session.flush()
    except PendingRollbackError as error:
        raise _broken("the session waits to be rolled back after an earlier error") from error
    try:
        return session.connection()
    except (PendingRollbackError, ResourceClosedError) as error:
        raise _broken("the session waits to be rolled back after an earlier error") from error
    except DBAPIError as error:
        raise host_fault(error) from error
    except InvalidRequestError as error:
        if session.in_transaction():
            raise
        raise _none("the session has begun none, and does not by itself: call session.begin()") from error


def _sqlite(raw: Any) -> None:
    try:
        begun, level = raw.in_transaction, raw.isolation_level
    except Exception as error:  # sqlite3 and aiosqlite have one of their own each
        raise _broken("the connection is closed") from error
    # Python 3.12 has `autocommit` for it; where that is not set, the level decides as before.
    by_itself = getattr(raw, "autocommit", None) is True or (level is None and getattr(raw, "autocommit", -1) == -1)
    if by_itself and not begun:
        raise _none("send BEGIN IMMEDIATE first, or leave isolation_level as it is")


def _postgresql(raw: Any) -> None:
    status = getattr(getattr(raw, "info", None), "transaction_status", None)
    if status is None:
        return
    if raw.closed or status == _UNKNOWN:
        raise _broken("the connection is closed")
    if status == _FAILED:
        raise _broken("an earlier statement in it has failed, and PostgreSQL carries out nothing more in it")
    if status == _IDLE and raw.autocommit:
        raise _none("set autocommit = False, or open one")


def _mysql(raw: Any) -> None:
    status = getattr(raw, "server_status", None)
    if status is None:
        return
    if not getattr(raw, "open", True):
        raise _broken("the connection is closed")
    if raw.get_autocommit() and not status & _IN_TRANSACTION:
        raise _none("call begin() first, or autocommit(False)")


_CHECKS: dict[str, Callable[[Any], None]] = {
    "sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql, "mariadb": _mysql
}  # fmt: skip


def _none(todo: str) -> Invalid:
    return Invalid(
        "there is no transaction for the act to stand in: each statement on this connection is committed by itself "
        f"(AUTOCOMMIT). Open one first, in Django with transaction.atomic(); here: {todo}",
        reason="no_transaction",
    )


def _broken(why: str) -> DatabaseFault:
    return DatabaseFault(
        f"the host's transaction cannot carry the act: {why}. Roll it back and begin anew", reason="broken_transaction"
    )
