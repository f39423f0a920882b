"""An aggregate of `eventsourcing`: deadline and message stand in its event, which is the one row that is written."""

import os
import sys
from urllib.parse import parse_qs, urlsplit

from conversation import converse
from rows import DEADLINE, MESSAGE

url = sys.argv[1]
if url.startswith("sqlite"):
    os.environ |= {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": url.removeprefix("sqlite:///")}
else:
    parts = urlsplit(url)
    socket = parse_qs(parts.query).get("host", [""])[0]
    os.environ |= {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.lstrip("/"),
        "POSTGRES_HOST": parts.hostname or socket,
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
    }

from eventsourcing.application import Application  # noqa: E402
from eventsourcing.domain import Aggregate, event  # noqa: E402


class Case(Aggregate):
    @event("Opened")
    def __init__(self, scope):
        self.scope = scope
        self.state = "draft"

    @event("Submitted")
    def submit(self, deadline, message):
        self.state = "submitted"
        self.deadline = deadline


app = Application()


def opened():
    case = Case("e1")
    app.save(case)
    return case.id


def submit(key):
    case = app.repository.get(key)
    if case.state != "draft" or case.scope != "e1":
        raise PermissionError(case.scope)
    case.submit(DEADLINE, MESSAGE)
    app.save(case)


converse(opened, submit)
