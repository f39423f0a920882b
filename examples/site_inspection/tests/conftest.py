"""A round of three stages on a database of its own, in simulated time: the stage under test, one before and one after.

Everything here is invented (虚构).
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow import Actor, CaseView, Receipt, Role, SimulatedClock, SystemEntropy, Workflow
from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.importing import ImportReport, import_table

ZONE = ZoneInfo("Asia/Shanghai")
OFFICE = Actor(Role.OFFICE, person="office-1")
FIRM = Actor(Role.APPLICANT, "firm-1", "operator-1")
INSPECTOR = Actor(Role.EXPERT, "inspector-1", "inspector-1")
OPENS = datetime(2022, 3, 1, 9, tzinfo=ZONE)
DECLARATION = {
    "number": "GC-1",
    "enterprise": "示例企业(虚构)",
    "credit_code": "91369900MA00000152",
    "product": "示例智能水表",
    "city": "360100",
    "recommender": "360100",
    "trademark": {"number": "DEMO-1", "owner": "91369900MA00000152"},
    "contact": "经办人(虚构)",
    "documents": [{"kind": "trademark_certificate", "name": "商标注册证", "sha256": "0" * 64, "uri": "oa:1"}],
}
RECTIFIED = {"documents": [{"name": "整改报告", "sha256": "2" * 64, "uri": "oa:3"}]}
ASSIGNMENT = {"inspector": INSPECTOR.scope, "document": "虚构核〔2022〕1号", "planned_on": "2022-04-06"}
RECORD: dict[str, Any] = {
    "visited_on": "2022-04-06",
    "conforms": True,
    "sheet": {"name": "现场核查记录", "sha256": "1" * 64, "uri": "oa:2"},
}


class Scene:
    """One application that has just come to 现场核查, and the few acts that a test makes on it."""

    def __init__(self, database: str, **settings: Any) -> None:
        self.clock = SimulatedClock(datetime(2022, 4, 1, 9, tzinfo=ZONE))
        self.wf = Workflow(database, clock=self.clock, entropy=SystemEntropy())
        self.wf.migrate()
        stages = [
            {"use": "self_declaration", "window": {"opens": OPENS, "closes": OPENS + timedelta(days=200)}},
            {"use": "site_inspection", **settings},
            {"use": "announcement"},
        ]
        plan = {"title": "虚构批次", "code": "T-1", "demonstration": True, "stage": stages}
        self.round = self.wf.open_round(plan, actor=OFFICE).case_id
        self.wf.fire(self.round, "start", actor=OFFICE)
        self.wf.tick()
        self.item = self.wf.open("application", DECLARATION, actor=FIRM).case_id
        self.fire(self.item, "submit", FIRM, truthful=True)
        self.fire(self.item, "accept", OFFICE)

    def fire(self, case: str | Receipt | CaseView, trigger: str, actor: Actor, /, **data: Any) -> Receipt:
        return self.wf.fire(case, trigger, data, actor=actor)

    def assign(self, **changed: Any) -> str:
        return self.wf.open("site_visit", {**ASSIGNMENT, **changed}, actor=OFFICE, parent=self.item).case_id

    def recorded(self, **changed: Any) -> str:
        """A visit whose record the enterprise has confirmed."""
        visit = self.assign()
        self.fire(visit, "report", INSPECTOR, **{**RECORD, **changed})
        self.fire(visit, "confirm", FIRM)
        return visit

    def imported(self, text: str, folder: Path) -> ImportReport:
        """What an office's file of 现场核查登记表 comes to."""
        path = folder / "site_records.csv"
        path.write_text(text, "utf-8")
        return import_table(self.wf, self.round, "site_records", path, actor=OFFICE)

    def state(self, case: str) -> str:
        return self.wf.case(case).state

    def to_the_end(self) -> datetime:
        """Move to the last instant of what runs out next."""
        due = self.wf.next_due()
        assert due is not None
        self.clock.move_to(due)
        self.wf.tick()
        return due

    def past_the_end(self) -> None:
        """One microsecond later."""
        self.clock.move_to(self.clock.now() + MICROSECOND)
        self.wf.tick()

    def told(self) -> list[tuple[str, str]]:
        """What this stage has told, and whom."""
        found = [(m["message"], m["recipient"]) for m in self.wf.messages(self.round)]
        return [(message, to) for message, to in found if message.startswith(("site_", "correction_"))]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(**settings: Any) -> Scene:
        made.append(Scene(f"sqlite:///{tmp_path / f'{len(made)}.db'}", **settings))
        return made[-1]

    yield make
    for each in made:
        report = each.wf.verify()
        each.wf.database.dispose()
        assert report.ok, report.problems
