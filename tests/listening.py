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
    plain = {name: getattr(DbapiDriver, name) for name in ("execute", "executemany", "ask")}

    def heard(name: str) -> Callable[..., Any]:
        def send(self: DbapiDriver, sql: str, parameters: Any) -> Any:
            each = parameters if name == "executemany" else [parameters]
            values = [v for p in each for v in (p.values() if isinstance(p, dict) else p)]
            if before is not None:
                before(self.raw, sql, values)
            found = plain[name](self, sql, parameters)
            if after is not None:
                after(self.raw, sql, values)
            return found

        return send

    for name in plain:
        setattr(DbapiDriver, name, heard(name))
    try:
        yield
    finally:
        for name, method in plain.items():
            setattr(DbapiDriver, name, method)
