"""A transaction of our own at the level of the driver: on the hot path SQLAlchemy would cost more than the database.

The connections are those of the Engine's pool, as its settings and its events have made them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import PoolProxiedConnection

from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store import mariadb
from ganchu_workflow.store.database import OWN
from ganchu_workflow.store.failures import driver_errors
from ganchu_workflow.store.link import Link, own_link


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Link]:
    """A transaction: with `writes` committed at the end, else rolled back; rolled back when the block raises.

    On SQLite one that writes holds the write lock from the start (BEGIN IMMEDIATE): a transaction that reads first and
    then writes would fail at once, without waiting, when somebody else has written in between. On MariaDB and MySQL it
    is READ COMMITTED whoever made the Engine. Raises the driver's errors as they are, also where the block has caught
    one, or has made another error of it. A connection that turns out to be gone takes the others of the pool with it:
    the next transaction opens a new one.
    """
    held = engine.raw_connection()
    try:
        raw: Any = held.dbapi_connection
        link = own_link(raw, engine.dialect)
        with link.whole():
            _begin(engine, raw, link, writes)
            if writes:
                link.require_strict()
            yield link
        if writes:
            raw.commit()
        else:
            raw.rollback()
    except BaseException as error:
        _give_up(engine, held, error)
        raise
    finally:
        held.close()


def _begin(engine: Engine, raw: Any, link: Link, writes: bool) -> None:
    if link.dialect.name == "sqlite":
        if not raw.in_transaction:
            link.command("BEGIN IMMEDIATE" if writes else "BEGIN")
        return
    if _commits_each_statement(raw):
        raise DatabaseFault(
            "this Engine commits each statement by itself (AUTOCOMMIT): an act is one transaction. Give the library an "
            "Engine of another isolation level",
            reason="no_transaction",
        )
    if link.dialect.name in mariadb.DIALECTS and not engine.get_execution_options().get(OWN):
        link.command(mariadb.READ_COMMITTED)


def _commits_each_statement(raw: Any) -> bool:
    # PyMySQL's `autocommit` is a method, and always true.
    ask = getattr(raw, "get_autocommit", None)
    return bool(ask() if ask is not None else getattr(raw, "autocommit", False))


def _give_up(engine: Engine, held: PoolProxiedConnection, error: BaseException) -> None:
    raw: DBAPIConnection | None = held.dbapi_connection
    failed = driver_errors(engine.dialect)
    if isinstance(error, failed) and raw is not None and engine.dialect.is_disconnect(error, raw, None):  # type: ignore[arg-type]
        held.invalidate(error)
        engine.dispose()
        return
    if raw is not None:
        with suppress(*failed):
            raw.rollback()
