"""A small process, and a round of it in which everything that a record can hold occurs at least once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, func, select

from ganchu_workflow import Actor, Refused, Role, SeededEntropy, SimulatedClock, Workflow
from ganchu_workflow.clock import to_text
from ganchu_workflow.plugins import Registry
from ganchu_workflow.process import (
    CARRY_ON,
    PASSED,
    START,
    Cohort,
    Context,
    Data,
    Deadline,
    Effects,
    Fire,
    Lifecycle,
    Message,
    Open,
    PhaseWindow,
    Private,
    Stage,
    State,
    Transition,
    any_open,
    fact,
    none_open,
    setting,
)
from ganchu_workflow.store.database import write
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.timing import Period

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = Actor(Role.OFFICE, person="u1")
NANCHANG = Actor(Role.LOCAL_AUTHORITY, scope="360100", person="u2")


class Declaration(Data):
    product: str
    remark: str = ""
    contact: Annotated[str, Private]
    recommender: str


class Items(Data):
    items: list[str]


class Question(Data):
    text: Annotated[str, Private]


class Inquiry(Lifecycle):
    """Opened with the private text of the question that caused it: its facts refer to another case's value."""

    label = "核查"

    asked = State("核查中", owner=Role.OFFICE, initial=True)
    answered = State("已答复", final=True)

    begin = Transition(START, asked, by=Role.ENGINE)
    answer = Transition(asked, answered, by=Role.OFFICE)

    @begin.effect("tell_office")
    def tell_office(self, ctx: Context[Data, Any]) -> Effects:
        return Effects(
            tell=[Message("asked", to=Role.OFFICE, body={"product": ctx.parent and ctx.parent.facts["product"]})]
        )


class DeskSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Period = Period.parse("7 working days")
    correction: Period = Period.parse("5 working days")


class Desk(Stage):
    """An application is declared, may be sent back once or twice, may be asked about, and is accepted."""

    name = "desk"
    label = "受理"
    cases = (Inquiry,)
    indexed = ("product", "remark")
    Settings = DeskSettings

    draft = State("草稿", owner=Role.APPLICANT, initial=True)
    checking = State("审查中", owner=Role.OFFICE)
    correcting = State("退回补正", owner=Role.APPLICANT)
    held = State("核查中", owner=Role.OFFICE)
    lapsed = State("逾期未提交", final=True)
    silent = State("视为撤回", final=True)

    declare = Transition(START, draft, by=Role.APPLICANT, data=Declaration)
    submit = Transition(draft, checking, by=Role.APPLICANT)
    send_back = Transition(checking, correcting, by=Role.OFFICE, data=Items)
    resubmit = Transition(correcting, checking, by=Role.APPLICANT)
    question = Transition(checking, checking, by=Role.OFFICE, data=Question)
    hold = Transition(checking, held, when=any_open(Inquiry))
    free = Transition(held, checking, when=none_open(Inquiry))
    accept = Transition(checking, PASSED, by=Role.OFFICE)
    overdue = Transition(checking, checking, by=Role.CLOCK)
    give_up = Transition(correcting, silent, by=Role.CLOCK)
    lapse = Transition(draft, lapsed, by=Role.ENGINE)

    limit = Deadline(checking, rule=setting("limit"), fires=overdue, stops_in=(correcting, held))
    correction = Deadline(correcting, rule=setting("correction"), fires=give_up, admits=resubmit)
    phase = PhaseWindow(
        admits=(declare, submit),
        at_close={draft: lapse, checking: CARRY_ON, correcting: CARRY_ON, held: CARRY_ON},
    )

    @declare.effect("keep")
    def keep(self, ctx: Context[Declaration, DeskSettings]) -> Effects:
        return Effects(facts=ctx.given, parties={Role.LOCAL_AUTHORITY: ctx.data.recommender})

    @submit.effect("receipt")
    def receipt(self, ctx: Context[Data, DeskSettings]) -> Effects:
        return Effects(tell=[Message("received", to=Role.APPLICANT, body={"product": ctx.case.facts["product"]})])

    @send_back.effect("list")
    def list_items(self, ctx: Context[Items, DeskSettings]) -> Effects:
        return Effects(
            facts={"items": ctx.given["items"]},
            tell=[Message("sent_back", to=Role.APPLICANT, body={"items": ctx.given["items"]})],
        )

    @question.effect("open_inquiry")
    def open_inquiry(self, ctx: Context[Question, DeskSettings]) -> Effects:
        return Effects(open=[Open(Inquiry, parent=ctx.case, facts={"about": ctx.given["text"]})])

    @overdue.effect("urge")
    def urge(self, ctx: Context[Data, DeskSettings]) -> Effects:
        return Effects(
            tell=[Message("overdue", to=role, body={"limit": "7"}) for role in (Role.OFFICE, Role.SUPERVISOR)]
        )


class NoticeSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    shown: Period = Period.parse("5 working days")


class Notice(Cohort):
    """A list that is shown for a while; its end is printed."""

    label = "公示"

    drafted = State("拟稿", owner=Role.OFFICE, initial=True)
    open_ = State("公示中", owner=Role.CLOCK)
    over = State("已结束", final=True)

    draw_up = Transition(START, drafted, by=Role.OFFICE)
    publish = Transition(drafted, open_, by=Role.OFFICE)
    close = Transition(open_, over, by=Role.CLOCK)

    window = Deadline(open_, rule=fact("closes_at"), fires=close)

    @publish.effect("print")
    def print_list(self, ctx: Context[Data, NoticeSettings]) -> Effects:
        members = sorted(ctx.members(), key=lambda c: str(c.facts["product"]), reverse=True)
        return Effects(
            facts={"closes_at": to_text(ctx.reckon(ctx.settings.shown).due_at)},
            members=members,
            fire=[Fire(m, Shown.show) for m in members] + [Fire(m, Shown.show, must=False) for m in members[:1]],
        )


class Shown(Stage):
    name = "shown"
    label = "公示"
    cases = (Notice,)
    Settings = NoticeSettings

    listed = State("拟公示", owner=Role.OFFICE, initial=True)
    showing = State("公示中", owner=Role.OFFICE)
    done = State("已公布", success=True)

    show = Transition(listed, showing, by=Role.ENGINE)
    finish = Transition(showing, done, by=Role.OFFICE)
    phase = PhaseWindow(at_close={listed: CARRY_ON, showing: CARRY_ON})


PLAN: dict[str, Any] = {
    "title": "首届“赣出精品”评选(演示)",
    "code": "GCJP-2021",
    "demonstration": True,
    "stage": [
        {"use": "desk", "window": {"opens": datetime(2021, 8, 2, 9), "closes": datetime(2021, 9, 3, 17, 30)}},
        {"use": "shown"},
    ],
}
PRIVATE = METADATA.tables["ganchu_private_value"]
CASES, EVENTS = 12, 40
ROWS = {
    "ganchu_attempt": 1,
    "ganchu_calendar_version": 1,
    "ganchu_case": CASES,
    "ganchu_deadline": 4,
    "ganchu_definition": 1,
    "ganchu_fact_index": 9,
    "ganchu_history": EVENTS,
    "ganchu_member": 2,
    "ganchu_outbox": 12,
    "ganchu_party": 16,
    "ganchu_private_value": 8,
}
"""What `write_record` leaves in the database."""


class Office:
    """The workflow, its clock, and the cases by the names that the tests use."""

    def __init__(self, url: str) -> None:
        self.clock = SimulatedClock(_at(1))
        stages = Registry()
        for stage in (Desk, Shown):
            stages.register(stage.name, stage, distribution="the tests", place=stage.__module__)
        self.wf = Workflow(url, clock=self.clock, entropy=SeededEntropy("audit"), stages=stages)
        self.ids: dict[str, str] = {}

    def declare(self, name: str, **more: str) -> None:
        data = {"product": f"四特酒{name}", "contact": f"张三{name} 13800000000", "recommender": "360100", **more}
        applicant = Actor(Role.APPLICANT, scope=f"firm-{name}", person=f"p-{name}")
        self.ids[name] = self.wf.open("application", data, actor=applicant, key=f"declare-{name}").case_id

    def applicant(self, name: str, trigger: str) -> None:
        self.wf.fire(self.ids[name], trigger, actor=Actor(Role.APPLICANT, scope=f"firm-{name}", person=f"p-{name}"))

    def office(self, name: str, trigger: str, **data: Any) -> None:
        self.wf.fire(self.ids[name], trigger, data, actor=OFFICE)


def write_record(url: str) -> Office:
    """A round in its sixth week.

    a and e have been shown and are done; b lies with the office too long; c kept silent, and its
    contact has been erased; d is asked about; f was never submitted; g is being corrected, its limit stands still.
    """
    office = Office(url)
    wf, ids = office.wf, office.ids
    ids["round"] = wf.open_round(PLAN, actor=OFFICE, key="round").case_id
    office.office("round", "start")
    office.clock.move_to(_at(3))
    for name in "abcdef":
        office.declare(name)
    with pytest.raises(Refused):
        wf.fire(ids["a"], "submit", actor=NANCHANG)
    for name in "abcde":
        office.applicant(name, "submit")
    for name in "ac":
        office.office(name, "send_back", items=["营业执照", "商标注册证"])
    office.clock.move_to(_at(4))
    office.applicant("a", "resubmit")
    office.office("d", "question", text="商标是否属于申报企业?")
    ids["inquiry"] = wf.cases(ids["round"], "inquiry")[0].id
    for name in "ae":
        office.office(name, "accept")
    members = [ids["a"], ids["e"]]
    ids["notice"] = wf.open("notice", actor=OFFICE, members=members, document="赣工信公示〔2021〕1号").case_id
    office.office("notice", "publish")
    for name in "ae":
        office.office(name, "finish")
    office.clock.move_to(_at(12, hour=18))
    wf.tick()
    office.clock.move_to(_at(1, month=9))
    office.declare("g", remark="非遗")
    office.applicant("g", "submit")
    office.office("g", "send_back", items=["检测报告"])
    office.clock.move_to(_at(3, hour=18, month=9))
    wf.tick()
    with write(wf.database) as connection:
        mine = select(PRIVATE.c.id).where(PRIVATE.c.case_id == ids["c"], PRIVATE.c.field == "contact")
        erased = {"salt": None, "value": None, "erased_at": office.clock.now()}
        connection.execute(PRIVATE.update().where(PRIVATE.c.id.in_(mine)).values(**erased))
    return office


def _at(day: int, hour: int = 9, month: int = 8) -> datetime:
    return datetime(2021, month, day, hour, tzinfo=SHANGHAI)


def counts(connection: Connection) -> dict[str, int]:
    """How many rows each table holds that holds any."""
    found = {
        n: connection.execute(select(func.count()).select_from(t)).scalar_one() for n, t in METADATA.tables.items()
    }
    return {name: number for name, number in found.items() if number}
