"""How far the clock of this machine is from that of the database's server.

All nodes of a round talk to one server, so that it is the one clock they can all be held against. It decides nothing:
what it shows never enters the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from ganchu_workflow.clock import Clock
from ganchu_workflow.errors import ClockSkew
from ganchu_workflow.store import mariadb
from ganchu_workflow.store.database import database_fault, read
from ganchu_workflow.store.failures import driver_errors

MAX_SKEW = timedelta(seconds=1)
"""How far the two may be apart before nothing is fired: a default."""
_ASK = {"postgresql": "SELECT clock_timestamp()"} | dict.fromkeys(mariadb.DIALECTS, "SELECT UTC_TIMESTAMP(6)")


@dataclass(frozen=True, slots=True)
class Skew:
    """By how much the server's clock is ahead of this machine's; negative where it is behind."""

    ahead: timedelta
    uncertainty: timedelta
    """Half the time that asking took: the server looked at its clock some time in between."""

    @property
    def least(self) -> timedelta:
        """How far the two are apart at the very least."""
        return max(abs(self.ahead) - self.uncertainty, timedelta())


def measure(engine: Engine, clock: Clock) -> Skew | None:
    """Ask the server what time it is; None on SQLite, which lives on this machine. Raises `DatabaseFault`."""
    question = _ASK.get(engine.dialect.name)
    if question is None:
        return None
    try:
        with read(engine) as connection:
            connection.exec_driver_sql("SELECT 1")  # what opening the connection takes is no part of the answer
            before = clock.now()
            told: datetime = connection.exec_driver_sql(question).scalar_one()
            after = clock.now()
    except driver_errors(engine.dialect) as error:
        raise database_fault(engine, error) from error
    server = told.replace(tzinfo=UTC) if told.tzinfo is None else told
    return Skew(server - (before + (after - before) / 2), abs(after - before) / 2)


def require_no_skew(engine: Engine, clock: Clock, most: timedelta) -> Skew | None:
    """Measure; raises `ClockSkew` where the clocks are certainly more than `most` apart."""
    skew = measure(engine, clock)
    if skew is not None and skew.least > most:
        seconds = abs(skew.ahead).total_seconds()
        which = ("慢", "behind") if skew.ahead > timedelta() else ("快", "ahead of")
        raise ClockSkew(
            f"本机时钟比数据库服务器{which[0]} {seconds:.3f} 秒,超过 {most.total_seconds():g} 秒,期限暂不触发;"
            "请校准时钟 (NTP) / "
            f"this machine's clock is {seconds:.3f} s {which[1]} that of the database's server, and at most "
            f"{most.total_seconds():g} s are allowed: nothing is fired. Set the clocks (NTP) of both",
            ahead=skew.ahead.total_seconds(),
            uncertainty=skew.uncertainty.total_seconds(),
            most=most.total_seconds(),
        )
    return skew
