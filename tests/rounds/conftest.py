"""Scripted rounds on a simulated clock; `test_full_round` freezes the machine's own."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from ganchu_workflow.testing import RoundScript
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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated, empty database for all tests of a module, once on each kind of server."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield f"sqlite:///{shutil.copyfile(template, tmp_path_factory.mktemp('round') / 'ganchu.db')}"
        return
    server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template")
    name = f"{template}_module"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
