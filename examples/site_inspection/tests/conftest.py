"""A round of three stages, in simulated time: the stage under test, one before and one after. All invented (虚构).

`ganchu_round` comes with the library: a round as a script, on a database of the test's own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow.importing import ImportReport, import_table
from ganchu_workflow.testing import OFFICE, RoundScript, expert, firm

WATER_METER = "水表"
FIRM = firm(WATER_METER)
INSPECTOR = expert("inspector-1")
ASSIGNMENT = {"inspector": INSPECTOR.scope, "document": "虚构核〔2022〕1号", "planned_on": "2022-04-06"}
RECORD: dict[str, Any] = {
    "visited_on": "2022-04-06",
    "conforms": True,
    "sheet": {"name": "现场核查记录", "sha256": "1" * 64, "uri": "oa:2"},
}
RECTIFIED = {"documents": [{"name": "整改报告", "sha256": "2" * 64, "uri": "oa:3"}]}


class Scene:
    """A product that has just come to 现场核查, and the few acts that a test makes about it."""

    def __init__(self, script: RoundScript) -> None:
        self.script = script
        script.draft(WATER_METER, number="GC-1")
        script.carry(WATER_METER, to="site_inspection")

    @property
    def state(self) -> str:
        """Where the product stands."""
        return self.script.state(WATER_METER)

    def fire(self, trigger: str, actor: Any = OFFICE, **data: Any) -> None:
        """An act on the product, by the office if nobody else is named."""
        self.script.fire(WATER_METER, trigger, actor, **data)

    def assign(self) -> str:
        """The office sends the inspector."""
        return self.script.open("site_visit", OFFICE, parent=WATER_METER, **ASSIGNMENT).case_id

    def report(self, visit: str, **changed: Any) -> None:
        """The inspector reports."""
        self.script.fire(visit, "report", INSPECTOR, **{**RECORD, **changed})

    def recorded(self, **changed: Any) -> str:
        """A visit whose record the enterprise has confirmed."""
        visit = self.assign()
        self.report(visit, **changed)
        self.script.fire(visit, "confirm", FIRM)
        return visit

    def to_the_end(self) -> str:
        """Move to the last instant of what runs out next; a sweep then fires nothing yet."""
        due = self.script.wf.next_due()
        assert due is not None
        self.script.at(due)
        self.script.wf.tick()
        return self.script.shown(due)

    def imported(self, text: str, folder: Path) -> ImportReport:
        """What an office's file of 现场核查登记表 comes to."""
        path = folder / "site_records.csv"
        path.write_text(text, "utf-8")
        return import_table(self.script.wf, self.script.round, "site_records", path, actor=OFFICE)


@pytest.fixture
def scene(ganchu_round: Callable[..., RoundScript]) -> Iterator[Callable[..., Scene]]:
    """Sets the scene, under settings of the stage; when the test has ended, the whole record is verified."""
    made: list[Scene] = []

    def make(**settings: Any) -> Scene:
        stages = [{"use": "self_declaration"}, {"use": "site_inspection", **settings}, {"use": "announcement"}]
        plan = {"title": "虚构批次", "code": "T-1", "demonstration": True, "stage": stages}
        made.append(Scene(ganchu_round(plan, start="2022-04-01T09:00")))
        return made[-1]

    yield make
    for each in made:
        each.script.verify()
