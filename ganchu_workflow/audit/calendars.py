"""What events say of calendars: the versions that ends were reckoned by, and the imports that a round goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from ganchu_workflow.audit.reading import CALENDAR, IMPORT, digest_or_none, pairs
from ganchu_workflow.canonical import decode
from ganchu_workflow.errors import NotCanonical

_FACT, _BASE = "calendars", "base"
"""The fact of a round, and the one key in it that is no year."""
Wrong = Callable[[str, str, str], None]


class Calendars:
    """The stored calendars and imports; each that is not what it is named by has been told as `wrong`."""

    def __init__(self, connection: Connection, wrong: Wrong) -> None:
        self.versions = set()
        for version, body in pairs(connection, CALENDAR, "version"):
            self.versions.add(version)
            if version.partition("-")[2] != digest_or_none(body)[:16]:
                wrong("calendar_altered", f"ganchu_calendar_version {version}", "its body has another digest")
        self.imports = set()
        columns = (IMPORT.c.id, IMPORT.c.year, IMPORT.c.digest, IMPORT.c.body)
        for row in connection.execute(select(*columns).order_by(IMPORT.c.id)):
            self.imports.add(row.digest)
            what = _altered(row)
            if what:
                wrong("import_altered", f"ganchu_calendar_import {row.id}", what)

    def missing(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Of what an event rests on, the code and the row of each that is not there."""
        versions, digests = [body["calendar"]], []
        adopted = body["facts"].get(_FACT) if body["kind"] == "round" else None
        if isinstance(adopted, Mapping):
            versions.append(adopted.get(_BASE))
            digests = [digest for year, digest in adopted.items() if year != _BASE]
        for version in versions:
            if version is not None and version not in self.versions:
                yield "calendar_missing", f"ganchu_calendar_version {version}"
        for digest in digests:
            if digest not in self.imports:
                yield "import_missing", f"ganchu_calendar_import of the digest {digest}"


def _altered(row: Any) -> str:
    if digest_or_none(row.body) != row.digest:
        return "its body has another digest"
    try:
        year = decode(row.body)["year"]
    except (NotCanonical, LookupError, TypeError):
        return "its body is no table of a year"
    return "" if year == row.year else f"it says the year {row.year}, its body {year}"
