"""Code that was changed under a running round: its rules say that they mean the same, and it is shown all the same."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow import Actor, Role, SimulatedClock, Workflow
from ganchu_workflow.clock import from_text
from ganchu_workflow.engine.rulebook import code_digest
from tests.cli.command import ganchu
from tests.plugins.installing import distribution, on_path

OFFICE, FIRM = Actor(Role.OFFICE), Actor(Role.APPLICANT, "firm-1")
CODE = """\
from ganchu_workflow.actors import Role
from ganchu_workflow.process import CARRY_ON, START, PhaseWindow, Stage, State, Transition

class Tasting(Stage):
    name = "tasting"
    laid_out = State("待品鉴", owner=Role.OFFICE, initial=True)
    chosen = State("入选", success=True)
    declare = Transition(START, laid_out, by=Role.APPLICANT)
    choose = Transition(laid_out, chosen, by=Role.OFFICE)
    phase = PhaseWindow(at_close={laid_out: CARRY_ON})

    @choose.guard("well_tasted")
    def well_tasted(self, ctx):
        return None
"""
REWRITTEN = CODE.replace("        return None\n", "        if ctx.case.seq:\n            return None\n")
PLAN = {"title": "虚构批次", "code": "T-1", "stage": [{"use": "tasting"}]}
SAME_VERSION = (
    "the code of tasting:Tasting has changed since it wrote its last event, and tasting-house 1.2 still has the same "
    "version; install what the round was run with, or release the change under a new version"
)
NEW_VERSION = (
    "the code of tasting:Tasting has changed since it wrote its last event: tasting-house 1.2 then, "
    "tasting-house 1.3 now; its rules say that they mean the same"
)


class House:
    """The folder of the distribution, and a database with a round that its first release has run."""

    def __init__(self, site: Path, url: str) -> None:
        self.site, self.url = site, url
        self.release(CODE)
        with on_path(site):
            wf = self.workflow()
            self.round = wf.open_round(PLAN, actor=OFFICE).case_id
            wf.fire(self.round, "start", actor=OFFICE)
            self.item = wf.open("application", {}, actor=FIRM).case_id
            wf.database.dispose()

    def release(self, code: str, version: str = "1.2") -> None:
        """Replace what is installed. What this process has read of the code before is forgotten, as by a restart."""
        shutil.rmtree(self.site, ignore_errors=True)
        distribution(self.site, "tasting-house", "tasting", code, {"tasting": "tasting:Tasting"}, version=version)
        code_digest.cache_clear()

    def workflow(self) -> Workflow:
        return Workflow(self.url, clock=SimulatedClock(from_text("2022-03-01T01:00:00.000000Z")))

    def checked(self) -> tuple[int, dict[str, Any]]:
        """The exit code of `plugins check`, and what it says of the round."""
        env = {"PYTHONPATH": str(self.site)}
        done = ganchu("plugins", "check", "tasting", "--db", self.url, "--json", cwd=self.site, env=env)
        answer = json.loads(done.out)
        [found] = answer["rounds"]
        assert (found["round"], answer["ok"]) == (self.round, done.code == 0)
        return done.code, {key: found[key] for key in ("problems", "remarks")}


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    yield House(tmp_path / "site", database_url)
    code_digest.cache_clear()


def warnings(house: House, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is logged when the round is first touched after a start, and again."""
    caplog.clear()
    with on_path(house.site), caplog.at_level(logging.WARNING, logger="ganchu_workflow"):
        wf = house.workflow()
        for _ in range(2):
            wf.process(house.round)
            wf.allowed(house.item, OFFICE)
        wf.database.dispose()
    prefix = f"round {house.round}: "
    return [r.getMessage().removeprefix(prefix) for r in caplog.records if getattr(r, "action", "") == "code_changed"]


def test_the_same_code_is_no_news(house: House, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings(house, caplog) == []
    assert house.checked() == (0, {"problems": [], "remarks": []})


def test_code_changed_under_the_same_version_is_one_warning_and_a_problem(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.release(REWRITTEN)

    assert warnings(house, caplog) == [SAME_VERSION]
    assert house.checked() == (4, {"problems": [SAME_VERSION], "remarks": []})


def test_code_changed_under_a_new_version_is_one_warning_and_a_remark(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.release(REWRITTEN, "1.3")

    assert warnings(house, caplog) == [NEW_VERSION]
    assert house.checked() == (0, {"problems": [], "remarks": [NEW_VERSION]})


def test_once_it_has_written_an_event_it_is_what_the_round_is_run_by(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.release(REWRITTEN)
    with on_path(house.site):
        wf = house.workflow()
        wf.fire(house.item, "choose", actor=OFFICE)
        report = wf.verify()
        wf.database.dispose()

    assert report.ok, report.problems
    assert warnings(house, caplog) == []
    assert house.checked() == (0, {"problems": [], "remarks": []})


def test_code_that_means_something_else_cannot_run_the_round(house: House) -> None:
    house.release(CODE.replace('"well_tasted"', '"well_tasted", version=2'))

    code, found = house.checked()

    assert (code, found["remarks"], len(found["problems"])) == (4, [], 1)
    assert found["problems"][0].startswith("the installed stages define another process than the one round T-1 was ")
