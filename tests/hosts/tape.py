"""What a host's connection is told about its transaction, heard where the driver sends it."""

import re
from pathlib import Path
from typing import IO, Any

from ganchu_workflow.engine.transactions import _SAVEPOINT as OURS

_ABOUT = re.compile(r"(BEGIN|START|COMMIT|END|ROLLBACK TO|ROLLBACK|SAVEPOINT|RELEASE)\b")
_SENT = re.compile(r'^F\t\d+\t(?:Query\t|Parse\t "[^"]*") "(.*)"', re.MULTILINE)


class Tape:
    """Every statement that begins, ends or divides a transaction, in the order in which it was sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._heard: list[str] = []
        self._files: list[IO[str]] = []
        self._skip = 0

    def sqlite(self, raw: Any) -> None:
        raw.set_trace_callback(self._heard.append)

    async def aiosqlite(self, connection: Any) -> None:
        await connection.set_trace_callback(self._heard.append)

    def postgresql(self, raw: Any) -> None:
        from psycopg.pq import Trace

        file = (self._folder / f"trace-{len(self._files)}").open("w+", encoding="utf-8")
        self._files.append(file)
        raw.pgconn.trace(file.fileno())
        raw.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

    def mysql(self, raw: Any) -> None:
        send = raw._execute_command

        def heard(command: int, sql: str | bytes) -> Any:
            self._heard.append(sql.decode() if isinstance(sql, bytes) else sql)
            return send(command, sql)

        # The driver keeps no trace, and the server's log is everybody's.
        raw._execute_command = heard

    def wind_on(self) -> None:
        """Forget what was heard until now."""
        self._skip = len(self._all())

    def words(self) -> list[str]:
        """What was said: `BEGIN`, `COMMIT`, `ROLLBACK`, and savepoints, which are `ours` or `theirs`."""
        return self._all()[self._skip :]

    def close(self) -> None:
        for file in self._files:
            file.close()

    def _all(self) -> list[str]:
        sent = [*self._heard, *(s for file in self._files for s in _SENT.findall(Path(file.name).read_text("utf-8")))]
        found: list[str] = []
        for statement in sent:
            match = _ABOUT.match(statement.strip().upper())
            if match is not None:
                word = match[1]
                whose = "" if word in ("BEGIN", "COMMIT", "ROLLBACK") else " ours" if OURS in statement else " theirs"
                if word == "ROLLBACK" and found[-1:] in (["COMMIT"], ["ROLLBACK"]):
                    continue  # of nothing: a pool sends it when a connection comes back
                found.append(word + whose)
        return found
