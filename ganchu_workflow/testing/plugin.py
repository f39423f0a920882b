"""The pytest plugin: fixtures that give a test its own migrated database, a clock that only it moves, and its rounds.

pytest loads this module in every run of the host's tests, so it imports nothing of the library until a test asks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from ganchu_workflow.clock import Clock
    from ganchu_workflow.entropy import Entropy
    from ganchu_workflow.plugins import Registry
    from ganchu_workflow.testing.base import Source
    from ganchu_workflow.testing.databases import Databases
    from ganchu_workflow.testing.script import RoundScript
    from ganchu_workflow.workflow import Workflow

_ROUNDS: pytest.StashKey[list[RoundScript]] = pytest.StashKey()
_HELP = "Where ganchu_database makes its databases: a PostgreSQL server's URL; by default SQLite files."


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option and the ini value that choose the kind of database."""
    parser.getgroup("ganchu").addoption("--ganchu-db", metavar="URL", default=None, help=_HELP)
    parser.addini("ganchu_db", _HELP, default="")


@pytest.fixture(scope="session")
def ganchu_databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The source of this session's databases; with it everything is imported, and the installed stages are found.

    Of session scope, so that it comes before any fixture that freezes time: a pydantic model that is first built
    under freezegun breaks all later ones.
    """
    import ganchu_workflow.testing.script  # noqa: F401
    from ganchu_workflow.testing.databases import databases

    given: str | None = request.config.getoption("--ganchu-db")
    server: str = request.config.getini("ganchu_db") if given is None else given
    with databases(server, tmp_path_factory.mktemp("ganchu")) as found:
        yield found


@pytest.fixture
def ganchu_database(ganchu_databases: Databases, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database of this test's own."""
    with ganchu_databases.fresh(tmp_path) as url:
        yield url


@pytest.fixture
def ganchu_clock(ganchu_databases: Databases) -> Clock:
    """A `SimulatedClock`, which begins with 2004, the first year of the calendar: it only goes forward.

    Where freezegun has frozen time already, the machine's own.
    """
    from datetime import UTC, datetime

    from ganchu_workflow.clock import SimulatedClock, SystemClock
    from ganchu_workflow.testing.moving import frozen

    return SystemClock() if frozen() else SimulatedClock(datetime(2004, 1, 1, tzinfo=UTC))


@pytest.fixture
def ganchu_registry(ganchu_databases: Databases) -> Registry:
    """The stages a plan may use: those that are installed. Override it to try one that is not."""
    from ganchu_workflow.testing.base import INSTALLED

    return INSTALLED


@pytest.fixture
def ganchu(ganchu_database: str, ganchu_clock: Clock, ganchu_registry: Registry) -> Iterator[Workflow]:
    """A `Workflow` on `ganchu_database`, `ganchu_clock` and `ganchu_registry`: hand it to the code under test."""
    from ganchu_workflow.workflow import Workflow

    workflow = Workflow(ganchu_database, clock=ganchu_clock, stages=ganchu_registry)
    yield workflow
    workflow.database.dispose()


@pytest.fixture
def ganchu_round(ganchu: Workflow, request: pytest.FixtureRequest) -> Callable[..., RoundScript]:
    """Opens and starts a round: `ganchu_round(plan, start=…)` is a `RoundScript` on this test's own database.

    What is left out is as `RoundScript` has it, and the first one begins when the plan's first phase opens. A second
    round shares database and time with the first. It runs on `ganchu`; where freezegun has frozen time meanwhile, or
    with an `entropy` of its own, on a workflow beside it: `script.wf`.
    """
    from ganchu_workflow.clock import SystemClock
    from ganchu_workflow.plan import Plan, read_plan
    from ganchu_workflow.testing.base import first_instant
    from ganchu_workflow.testing.moving import frozen
    from ganchu_workflow.testing.samples import usual_plan
    from ganchu_workflow.testing.script import RoundScript
    from ganchu_workflow.workflow import Workflow

    made: list[RoundScript] = request.node.stash.setdefault(_ROUNDS, [])

    def one(plan: Source | None = None, *, entropy: Entropy | None = None, **options: Any) -> RoundScript:
        read = plan if isinstance(plan, Plan) else read_plan(usual_plan() if plan is None else plan, ganchu.stages)
        workflow = made[0].wf if made else ganchu
        if not made:
            clock = SystemClock() if frozen() else ganchu.clock
            if entropy is not None or type(clock) is not type(ganchu.clock):
                workflow = Workflow(ganchu.database, clock=clock, entropy=entropy, stages=ganchu.stages)
            if not frozen():
                options.setdefault("start", first_instant(read))
        made.append(RoundScript(read, workflow=workflow, **options))
        return made[-1]

    return one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """To the report of a test that failed, add where the applications of its rounds stand."""
    report = yield
    if report.failed and call.when == "call":
        for script in item.stash.get(_ROUNDS, []):
            try:
                told = script.summary()
            except Exception as error:  # the test may have taken the database away
                told = f"it cannot be asked any more: {error}"
            report.sections.append(("a round of ganchu-workflow", told))
    return report
