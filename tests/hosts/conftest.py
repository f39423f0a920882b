"""A round of the small process, and each kind of host on its database."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.small_process import Small
from tests.hosts.django_host import DjangoHost
from tests.hosts.fastapi_host import AsyncFastapiHost, FastapiHost
from tests.hosts.flask_host import FlaskHost
from tests.hosts.hosts import Host, HostBase
from tests.hosts.tape import Tape

HOSTS: dict[str, Callable[..., Host]] = {
    "flask": FlaskHost, "fastapi": FastapiHost, "fastapi, asynchronous": AsyncFastapiHost, "django": DjangoHost
}  # fmt: skip


@pytest.fixture
def small(database_url: str) -> Iterator[Small]:
    """A started round, an hour after its first window has opened, in a database with a table of the host's."""
    small = Small(database_url)
    HostBase.metadata.create_all(small.wf.database)
    yield small.open_round()
    small.wf.database.dispose()


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    """What the host's connections are told about transactions."""
    tape = Tape(tmp_path)
    yield tape
    tape.close()


@pytest.fixture(params=HOSTS)
def serve(request: pytest.FixtureRequest, small: Small, database_url: str, tape: Tape) -> Iterator[Callable[..., Host]]:
    """Starts a host of each kind on the database of the round; `isolation` is the level of its transactions."""
    started: list[Host] = []

    def start(**settings: Any) -> Host:
        started.append(HOSTS[request.param](database_url, small.wf, tape, **settings))
        return started[-1]

    yield start
    for host in started:
        host.close()


@pytest.fixture
def host(serve: Callable[..., Host]) -> Host:
    """A host of each kind, as it is when nothing is set."""
    return serve()
