"""Scripted rounds on a simulated clock; `test_full_round` freezes the machine's own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ganchu_workflow.testing import RoundScript
from tests.conftest import KINDS, DatabaseOf
from tests.rounds.script import plan_of

Opened = Callable[..., RoundScript]


@pytest.fixture
def opened(ganchu_round: Opened) -> Opened:
    """Opens a round on this test's SQLite database; a second one shares its clock and its database."""
    made: list[RoundScript] = []

    def one(code: str = "GCJP", start: str = "2022-09-01T09:00", **plan: Any) -> RoundScript:
        begins = {} if made else {"start": start}
        made.append(ganchu_round(plan_of(code, **plan), **begins))
        return made[-1]

    return one


@pytest.fixture(scope="module", params=KINDS)
def module_database_url(request: pytest.FixtureRequest, database_of: DatabaseOf) -> Iterator[str]:
    """A migrated, empty database for all tests of a module, once on each kind of server."""
    with database_of(request.param) as url:
        yield url
