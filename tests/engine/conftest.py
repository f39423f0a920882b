"""A round of the small process on each kind of database."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.engine.small_process import Small
from tests.engine.timed_process import CALENDAR, Timed


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


@pytest.fixture
def make_timed(database_url: str) -> Iterator[Callable[..., Timed]]:
    """Makes rounds of the one stage whose deadline has everything, by the calendar up to 2026 if no other is given."""
    made: list[Timed] = []

    def one(**settings: Any) -> Timed:
        made.append(Timed(database_url, **{"calendar": CALENDAR, **settings}))
        return made[-1]

    yield one
    for timed in made:
        timed.wf.database.dispose()
