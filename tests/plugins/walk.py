"""One application's way through the whole of `examples/plan.toml` with 现场核查 in it. All of it is invented (虚构)."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ganchu_stages.scoring_rules import DIMENSIONS
from ganchu_workflow import Actor, CaseView, Receipt, Role, SimulatedClock, Workflow
from ganchu_workflow.clock import MICROSECOND
from tests.plugins.installing import ROOT

ZONE = ZoneInfo("Asia/Shanghai")
OFFICE = Actor(Role.OFFICE, person="office-1")
SUPERVISOR = Actor(Role.SUPERVISOR, person="supervisor-1")
NANCHANG = Actor(Role.LOCAL_AUTHORITY, "360100", "nanchang-1")
FIRM = Actor(Role.APPLICANT, "firm-1", "operator-1")
TAX = Actor(Role.DEPARTMENT, "TAX", "tax-1")
DECLARATION = {
    "enterprise": "示例企业(虚构)",
    "credit_code": "91360100MA00000159",
    "product": "示例智能水表",
    "city": "360100",
    "recommender": "360100",
    "trademark": {"number": "DEMO-1", "owner": "示例企业(虚构)"},
    "contact": "经办人(虚构)",
    "documents": [{"kind": "trademark_certificate", "name": "商标注册证", "sha256": "0" * 64, "uri": "oa:1"}],
}
ONE_LINE = 'use = "site_inspection"\n'


def plan_with_the_stage(folder: Path) -> Path:
    """The example's plan, with one entry more, between 资格审查 and 专家评审."""
    text = (ROOT / "examples" / "plan.toml").read_text("utf-8")
    before = '[[stage]]\nuse = "expert_review"\n'
    assert text.count(before) == 1
    path = folder / "plan.toml"
    path.write_text(text.replace(before, f"[[stage]]\n{ONE_LINE}\n{before}"), "utf-8")
    return path


class Walk:
    """A round with one application, and the acts that take it from stage to stage."""

    def __init__(self, database: str, plan: Path) -> None:
        self.clock = SimulatedClock(datetime(2021, 8, 2, 9, tzinfo=ZONE))
        self.wf = Workflow(database, clock=self.clock)
        self.round = self.wf.open_round(plan, actor=OFFICE).case_id
        self.fire(self.round, "start", OFFICE)
        self.wf.tick()
        self.item = self.wf.open("application", DECLARATION, actor=FIRM).case_id

    def fire(self, case: str | Receipt | CaseView, trigger: str, actor: Actor, /, **data: Any) -> Receipt:
        return self.wf.fire(case, trigger, data, actor=actor)

    def on(self, kind: str, /, stage: str = "", **data: Any) -> Receipt:
        """The office opens an act that lists the application."""
        return self.wf.open(kind, data, actor=OFFICE, members=[self.item], stage=stage)

    def children(self, case: str | Receipt, kind: str) -> list[CaseView]:
        return self.wf.cases(self.round, kind, parent=case)

    def state(self, case: str | Receipt) -> str:
        return self.wf.case(case).state

    def at(self, instant: datetime) -> None:
        self.clock.move_to(instant)
        self.wf.tick()

    def to_the_visit(self) -> None:
        """Declared, recommended and qualified."""
        self.fire(self.item, "submit", FIRM, truthful=True)
        self.fire(self.item, "accept", OFFICE)
        self.at(datetime(2021, 9, 6, 9, 30, tzinfo=ZONE))
        letter = self.wf.open("recommendation", {}, actor=NANCHANG, round=self.round)
        self.fire(letter, "issue", NANCHANG, letter="虚构函〔2021〕1号", ranks={self.item: 1})
        self.fire(self.item, "qualify", OFFICE)

    def visit(self, *, conforms: bool = True) -> str:
        """An inspector is sent and reports; the enterprise says nothing."""
        order = {"inspector": "inspector-1", "document": "虚构核〔2021〕1号", "planned_on": "2021-09-10"}
        visit = self.wf.open("site_visit", order, actor=OFFICE, parent=self.item).case_id
        sheet = {"name": "现场核查记录", "sha256": "1" * 64, "uri": "oa:2"}
        record = {"visited_on": "2021-09-10", "conforms": conforms, "sheet": sheet}
        self.fire(visit, "report", Actor(Role.EXPERT, "inspector-1"), **record, findings="虚构的发现")
        [due] = [t.due_at for t in self.wf.tasks(FIRM) if t.case.id == visit]
        assert due is not None
        self.at(due + MICROSECOND)
        return visit

    def rectify(self) -> None:
        """What the visit found is returned, and answered."""
        self.fire(self.item, "return_for_correction", OFFICE, items=["更正标识"])
        self.fire(self.item, "resubmit", FIRM, documents=[{"name": "整改报告", "sha256": "2" * 64, "uri": "oa:3"}])

    def to_the_end(self) -> None:
        """Reviewed, consulted on, approved, shown and announced."""
        panel = self.on("panel", pool=[f"expert-{n}" for n in range(1, 10)])
        self.fire(panel, "draw", SUPERVISOR, ballot="07-13-21", witness="公证员(虚构)")
        for seat in self.children(panel, "seat"):
            if seat.state == "invited":
                self.fire(seat, "accept", Actor(Role.EXPERT, seat.parties[Role.EXPERT]))
        self.fire(panel, "begin", OFFICE, conflicts={})
        for sheet in self.children(self.item, "sheet"):
            scores = dict.fromkeys(DIMENSIONS, 90)
            self.fire(sheet, "score", Actor(Role.EXPERT, sheet.parties[Role.EXPERT]), scores=scores)
        self.fire(panel, "rank", OFFICE)
        self.on("consultation_letter", document="虚构征〔2021〕1号", departments=["TAX"])
        self.fire(self.children(self.item, "consultation")[0], "agree", TAX, document="虚构税〔2021〕1号")
        self.fire(self.item, "approve", OFFICE, document="虚构审〔2021〕1号")
        notice = self.on("notice", stage="public_notice", title="公示(虚构)", dated_on=self.today())
        self.fire(notice, "publish", OFFICE)
        self.at(datetime.fromisoformat(self.wf.case(notice).facts["closes_at"]) + timedelta(seconds=1))
        issuers = ["甲厅(虚构)", "乙局(虚构)"]
        self.on("announcement_act", document="虚构公布〔2021〕1号", issuers=issuers, dated_on=self.today())

    def today(self) -> str:
        return self.clock.now().astimezone(ZONE).date().isoformat()
