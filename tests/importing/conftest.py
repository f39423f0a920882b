"""A round with applications in every stage at once, on each kind of database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from ganchu_workflow import Registry, SimulatedClock, Workflow
from ganchu_workflow.testing import RoundScript
from tests.cli.command import Dump, dump
from tests.conftest import KINDS, DatabaseOf
from tests.rounds.script import BOTH, GANZHOU, local, plan_of

REGISTRY = Registry.discover()
WINDOW = {"opens": datetime(2022, 9, 1, 9), "closes": datetime(2022, 10, 1, 17, 30)}


@dataclass(frozen=True)
class Scene:
    """A running round, and one whose windows have closed."""

    url: str
    wf: Workflow
    script: RoundScript
    late: RoundScript
    before: Dump
    """What the database held when the scene was set."""

    @property
    def round(self) -> str:
        return self.script.round


def build(url: str) -> Scene:
    """The scene. An application's 申报编号 is its name: D draft, S submitted, R recommended by 南昌, G by 赣州, Q being
    checked, W waiting for a panel, P with its panel, C consulted on, N shown to the public; L of the late round."""
    clock = SimulatedClock(local("2022-09-15T09:00"))
    wf = Workflow(url, clock=clock, stages=REGISTRY)
    timed = {"window": WINDOW}
    late = RoundScript(plan_of("LATE", self_declaration=timed, local_recommendation=timed), workflow=wf)
    for name in ("L-1", "L-2"):
        late.draft(name, number=name)
    late.carry("L-2", to="local_recommendation")
    late.at("2022-10-10T09:00")
    script = RoundScript(plan_of("NOW"), workflow=wf)
    for name in ("D-1", "S-1", "S-2", "R-1", "R-2", "R-3", "Q-1", "W-1", "W-2", "P-1", "C-1", "N-1"):
        script.draft(name, number=name)
    script.draft("G-1", city=GANZHOU.scope, number="G-1")
    script.submit("S-1", "S-2")
    script.carry("R-1", "R-2", "R-3", "G-1", to="local_recommendation")
    script.carry("Q-1", to="qualification_check")
    script.carry("W-1", "W-2", to="expert_review")
    script.carry("P-1", to="expert_review")
    script.panel("P-1")
    script.carry("C-1", to="department_consultation")
    script.consult("C-1", departments=BOTH)
    script.carry("N-1", to="public_notice")
    script.notice("N-1")
    return Scene(url, wf, script, late, dump(url))


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    """The scene, for a test that changes it."""
    found = build(database_url)
    yield found
    found.wf.database.dispose()


@pytest.fixture(scope="module", params=KINDS)
def still(request: pytest.FixtureRequest, database_of: DatabaseOf) -> Iterator[Scene]:
    """The scene, for tests after which it is as it was before."""
    with database_of(request.param) as url:
        found = build(url)
        yield found
        found.wf.database.dispose()


@pytest.fixture
def wf(still: Scene) -> Iterator[Workflow]:
    """The workflow of the scene inside a transaction of a host, which takes back whatever a test does."""
    with still.wf.database.connect() as connection, connection.begin() as transaction:
        yield still.wf.using(connection)
        transaction.rollback()
