"""What the hosts of these tests have in common: a table of their own, and a handler that runs a piece of work."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Engine, String, event, func, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from ganchu_workflow import Workflow
from tests.hosts.tape import Tape


class HostBase(DeclarativeBase):
    pass


class Paper(HostBase):
    """A table of the host's own."""

    __tablename__ = "oa_paper"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40))


class Unit(Protocol):
    """What a handler has in hand while it serves a request: the host's transaction, by the means of its framework."""

    def write(self, number: int) -> None:
        """A row of the host's, by its ORM: it may still wait to be flushed."""
        ...

    def using(self) -> Workflow:
        """The workflow in the host's transaction."""
        ...

    def savepoint(self) -> AbstractContextManager[Any]:
        """A savepoint of the host's, rolled back when the block raises."""
        ...

    def papers(self) -> int:
        """How many rows of the host's the database has, as the transaction sees them; nothing is flushed for it."""
        ...

    def raw(self) -> Any:
        """The driver's own connection."""
        ...


Work = Callable[[Unit], object]


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    code: str


class Host(Protocol):
    """An application with a handler that runs a piece of work in a transaction of its own.

    It answers 200, 409 with the code of a refusal, which it keeps, 503 with the reason of a fault, or 500 where the
    work itself broke.
    """

    def request(self, work: Work) -> Answer:
        """A request whose handler runs this work."""
        ...

    def close(self) -> None:
        """Give its connections back."""
        ...


class SessionUnit:
    """With a Session of SQLAlchemy, whether it came from Flask, from FastAPI, or out of an AsyncSession."""

    def __init__(self, session: Session, wf: Workflow) -> None:
        self.session = session
        self.wf = wf

    def write(self, number: int) -> None:
        self.session.add(Paper(id=number, title="受理通知"))

    def using(self) -> Workflow:
        return self.wf.using(self.session)

    def savepoint(self) -> AbstractContextManager[Any]:
        return self.session.begin_nested()

    def papers(self) -> int:
        with self.session.no_autoflush:
            return self.session.execute(select(func.count()).select_from(Paper)).scalar_one()

    def raw(self) -> Any:
        return self.session.connection().connection.driver_connection


def listen(engine: Engine, tape: Tape) -> None:
    """Put every connection that this Engine opens on tape."""

    def connected(raw: Any, record: Any) -> None:
        if engine.dialect.is_async and engine.dialect.name == "sqlite":
            raw.run_async(tape.aiosqlite)
        elif engine.dialect.name == "sqlite":
            tape.sqlite(raw)
        elif engine.dialect.name in ("mysql", "mariadb"):
            tape.mysql(raw)
        else:
            tape.postgresql(getattr(raw, "driver_connection", raw))

    event.listen(engine, "connect", connected)


def asynchronous(url: str) -> str:
    """The same database, over its asynchronous driver."""
    found = make_url(url)
    driver = {"sqlite": "sqlite+aiosqlite"}.get(found.get_backend_name(), found.drivername)
    return found.set(drivername=driver).render_as_string(hide_password=False)


def reason_of(error: Any) -> str:
    """What a host tells of a fault."""
    return str(error.fields.get("reason", error.code))
