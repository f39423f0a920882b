"""A round of the small process whose clock a test moves, on each kind of database."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.engine.small_process import Small
from tests.heartbeat.server import free_port


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., Small]]:
    """Makes workflows on this test's database, and closes their connections afterwards."""
    made: list[Small] = []

    def one(url: str | Engine = database_url, **seams: Any) -> Small:
        made.append(Small(url, **seams))
        return made[-1]

    yield one
    for small in made:
        small.wf.database.dispose()


@pytest.fixture
def small(make: Callable[..., Small]) -> Small:
    """A started round of the five stages, an hour after its first window has opened."""
    return make().open_round()


@pytest.fixture(name="free_port")
def _free_port() -> int:
    """A port of this machine on which nobody listens."""
    return free_port()
