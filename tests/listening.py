"""Hearing what the engine sends to a database, as it is sent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ganchu_workflow.store.link import DbapiDriver

Heard = Callable[[Any, str, Sequence[Any]], None]
"""The connection, the SQL, and its parameters: of several executions, those of each in a row."""


@contextmanager
def hearing(before: Heard | None = None, after: Heard | None = None) -> Iterator[None]:
    """While the block runs, every statement of the library's own transactions is heard, before or after it is sent."""
    one, many = DbapiDriver.execute, DbapiDriver.executemany

    def values_of(parameters: Any) -> list[Any]:
        return list(parameters.values() if isinstance(parameters, dict) else parameters)

    def execute(self: DbapiDriver, sql: str, parameters: Any) -> Any:
        given = values_of(parameters)
        if before is not None:
            before(self.raw, sql, given)
        found = one(self, sql, parameters)
        if after is not None:
            after(self.raw, sql, given)
        return found

    def executemany(self: DbapiDriver, sql: str, parameters: Any) -> None:
        given = [value for each in parameters for value in values_of(each)]
        if before is not None:
            before(self.raw, sql, given)
        many(self, sql, parameters)
        if after is not None:
            after(self.raw, sql, given)

    setattr(DbapiDriver, "execute", execute)  # noqa: B010 (the type checker forbids the plain form)
    setattr(DbapiDriver, "executemany", executemany)  # noqa: B010
    try:
        yield
    finally:
        setattr(DbapiDriver, "execute", one)  # noqa: B010
        setattr(DbapiDriver, "executemany", many)  # noqa: B010
