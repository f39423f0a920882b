"""What the tables of the built-in stages make of a file: the acts, in whose name, and where the applications stand."""

from typing import Any

import pytest

from ganchu_workflow import Actor, Role, Workflow
from ganchu_workflow.importing import ImportReport, Sheet, find_table, import_table, offered
from ganchu_workflow.plan import read_plan
from tests.importing.conftest import REGISTRY, Scene
from tests.importing.files import (
    SHA,
    Rows,
    accepted,
    checked,
    declaration,
    declined,
    grouped,
    objected,
    ranked,
    replied,
    scored,
)
from tests.rounds.script import plan_of

CLERK = Actor(Role.OFFICE, person="u-17")


class Desk:
    """An office's desk in the scene: what it imports goes in whole."""

    def __init__(self, still: Scene, wf: Workflow) -> None:
        self.still, self.wf = still, wf

    def put_in(self, table: str, rows: Rows) -> ImportReport:
        report = import_table(self.wf, self.still.round, table, Sheet.of(rows), actor=CLERK)
        assert (report.problems, report.entered, report.committed) == ((), len(rows), True)
        return report

    def state(self, number: str) -> str:
        (found,) = self.wf.find(self.still.round, "number", number)
        return found.state

    def facts(self, number: str) -> Any:
        (found,) = self.wf.find(self.still.round, "number", number)
        return found.facts

    def acts(self, case: str, count: int) -> list[tuple[str, dict[str, str]]]:
        """The last acts on a case, and who did them."""
        return [(e["trigger"], e["actor"]) for e in self.wf.history(case)[-count:]]


@pytest.fixture(name="desk")
def _desk(still: Scene, wf: Workflow) -> Desk:
    return Desk(still, wf)


def entered_for(role: str, scope: str) -> dict[str, str]:
    return {"role": role, "scope": scope, "person": "u-17", "via": "on_behalf", "on_behalf_of": scope}


OFFICE = {"role": "office", "scope": "", "person": "u-17", "via": "person", "on_behalf_of": ""}


def test_the_tables_and_headings_are_those_that_were_agreed(still: Scene) -> None:
    found = {o.name: (o.label, " ".join(o.headings)) for o in offered(still.script.process)}

    everywhere = " 数据性质 备注"
    assert found == {
        "self_declaration.declarations": (
            "申报汇总表",
            "申报编号* 企业编号* 企业名称* 统一社会信用代码 信用代码说明 产品名称* 所在地* 推荐单位* "
            "商标注册号* 商标注册人* 属强制性认证 属生产许可 商标注册证 强制性认证证书 生产许可证 "
            "联系人* 真实性承诺 申报日期 行业分组 来源陈述 所在地出处" + everywhere,
        ),
        "self_declaration.acceptance": ("受理登记表", "申报编号* 受理意见* 理由代码 理由" + everywhere),
        "local_recommendation.letters": (
            "推荐汇总表",
            "推荐单位* 推荐函文号* 排序* 申报编号* 企业名称 产品名称" + everywhere,
        ),
        "local_recommendation.declined": ("不予推荐登记表", "推荐单位* 申报编号* 理由代码* 理由*" + everywhere),
        "qualification_check.checks": (
            "资格核查登记表",
            "申报编号* 经营异常* 失信或欠税* 安全质量环保事故* 停产* 独立法人认定 认定依据" + everywhere,
        ),
        "expert_review.panels": ("评审分组表", "组别* 申报编号* 入选名额 专家库" + everywhere),
        "expert_review.seats": ("专家确认登记表", "专家编号* 组别 答复* 谢绝理由" + everywhere),
        "expert_review.scores": (
            "评分表",
            "席位号 专家编号 申报编号* 技术先进 质量优良 效益突出 品牌知名 特色鲜明 回避 组别" + everywhere,
        ),
        "department_consultation.replies": ("部门反馈表", "部门* 申报编号* 意见* 文号* 内容 反馈日期" + everywhere),
        "public_notice.objections": (
            "异议登记表",
            "异议人编号* 申报编号* 方式* 匿名 姓名或单位 联系方式 签章 内容* "
            "收到日期 处理 不予受理理由 核查结果 核查文号 核查情况" + everywhere,
        ),
    }


def test_the_score_columns_are_the_dimensions_of_the_plan() -> None:
    plan = plan_of("DIMENSIONS", expert_review={"weights": {"taste": 30, "brand": 30, "advanced": 40}})

    found = find_table(read_plan(plan, REGISTRY).process, "scores")

    assert found.headings[:7] == ("席位号", "专家编号", "申报编号*", "技术先进", "品牌知名", "taste", "回避")


def test_declarations_are_declared_and_submitted_in_the_name_of_the_enterprise(desk: Desk) -> None:
    rows = [
        declaration("A-1", 属生产许可="是", 生产许可证=SHA.upper()),
        declaration("A-2", 真实性承诺="否"),
        declaration("A-3", 统一社会信用代码="", 信用代码说明="来源未载明", 商标注册人="A-3有限公司（虚构）"),
    ]

    report = desk.put_in("declarations", rows)

    assert report.standing == {"self_declaration.draft": 1, "self_declaration.submitted": 2}
    assert [desk.state(n) for n in ("A-1", "A-2", "A-3")] == [
        "self_declaration.submitted",
        "self_declaration.draft",
        "self_declaration.submitted",
    ]
    facts = desk.facts("A-1")
    assert facts["documents"] == [
        {"kind": kind, "name": name, "sha256": SHA, "uri": f"urn:ganchu:A-1:{kind}"}
        for kind, name in (("trademark_certificate", "商标注册证"), ("production_licence", "生产许可证"))
    ]
    assert (facts["city"], facts["recommender"], facts["licence_in_scope"]) == ("360100", "360100", True)
    (case,) = desk.wf.find(desk.still.round, "number", "A-1")
    assert case.parties == {Role.APPLICANT: "E-A-1", Role.LOCAL_AUTHORITY: "360100"}
    assert desk.acts(case.id, 2) == [
        ("self_declaration.declare", entered_for("applicant", "E-A-1")),
        ("self_declaration.submit", entered_for("applicant", "E-A-1")),
    ]


def test_acceptance_is_the_offices_own_act(desk: Desk) -> None:
    desk.put_in("acceptance", [accepted("S-1"), accepted("S-2", "不予受理", 理由代码="R1", 理由="材料不全")])

    assert (desk.state("S-1"), desk.state("S-2")) == ("local_recommendation.pending", "self_declaration.not_accepted")
    (case,) = desk.wf.find(desk.still.round, "number", "S-2")
    assert desk.acts(case.id, 1) == [("self_declaration.refuse", OFFICE)]


def test_a_letter_is_one_act_over_all_its_rows(desk: Desk) -> None:
    rows = [ranked("R-2", "1"), ranked("G-1", "1", "360700", "赣市函1号"), ranked("R-1", "2"), ranked("R-3", "3")]

    report = desk.put_in("letters", rows)

    assert report.standing == {"qualification_check.checking": 4}
    letters = desk.wf.cases(desk.still.round, "recommendation")[-2:]
    assert [(c.facts["letter"], c.facts["recommended"], c.parties) for c in letters] == [
        ("洪工信〔2022〕1号", 3, {Role.LOCAL_AUTHORITY: "360100"}),
        ("赣市函1号", 1, {Role.LOCAL_AUTHORITY: "360700"}),
    ]
    assert desk.facts("R-2")["recommendation"] == {"letter": "洪工信〔2022〕1号", "rank": 1}
    assert desk.acts(letters[0].id, 2) == [
        ("draw_up", entered_for("local_authority", "360100")),
        ("issue", entered_for("local_authority", "360100")),
    ]


def test_declining_is_the_local_authoritys_act(desk: Desk) -> None:
    desk.put_in("declined", [declined("R-1"), declined("G-1", 推荐单位="赣州市")])

    assert (desk.state("R-1"), desk.state("G-1")) == ("local_recommendation.not_recommended",) * 2


def test_checks_are_recorded_and_may_be_recorded_again(desk: Desk) -> None:
    desk.put_in("checks", [checked("Q-1", 停产="是")])
    desk.put_in("checks", [checked("Q-1")])

    found = desk.facts("Q-1")["checked"]
    assert {name: found[name] for name in ("abnormal", "dishonest", "accident", "stopped", "findings")} == {
        "abnormal": False,
        "dishonest": False,
        "accident": False,
        "stopped": False,
        "findings": {},
    }


def test_a_group_is_a_panel_with_its_pool_and_places(desk: Desk) -> None:
    desk.put_in("panels", [grouped("W-2"), grouped("W-1", 入选名额="", 专家库="")])

    panel = desk.wf.cases(desk.still.round, "panel")[-1]
    assert (panel.facts["pool"], panel.facts["places"]) == (["e1", "e2", "e3"], 3)
    assert [c.facts["pool"] for c in desk.wf.cohorts(_id(desk, "W-1"), "panel")] == [["e1", "e2", "e3"]]


def test_the_drawn_experts_answer(desk: Desk) -> None:
    desk.put_in("panels", [grouped("W-1")])
    panel = desk.wf.cases(desk.still.round, "panel")[-1]
    supervisor = Actor(Role.SUPERVISOR)
    desk.wf.fire(panel, "draw", {"ballot": "07-13-21", "witness": "公证员"}, actor=supervisor)
    (seat,) = desk.wf.cases(desk.still.round, "seat", parent=panel)
    expert = seat.parties[Role.EXPERT]

    desk.put_in("seats", [{"专家编号": expert, "组别": "甲组", "答复": "接受"}])

    assert (desk.wf.case(seat).state, desk.wf.case(panel).state) == ("accepted", "ready")
    assert desk.acts(seat.id, 1) == [("accept", entered_for("expert", expert))]


@pytest.mark.parametrize("by_seat", [True, False])
def test_a_sheet_is_scored_by_its_expert(desk: Desk, by_seat: bool) -> None:
    (sheet,) = desk.still.script.sheets("P-1")
    expert = sheet.parties[Role.EXPERT]
    row = scored("P-1") if by_seat else scored("P-1", seat="", 专家编号=expert)

    report = desk.put_in("scores", [row | {"质量优良": "１００", "特色鲜明": "0"}])

    assert report.standing == {"expert_review.scored": 1}
    found = desk.wf.case(sheet)
    assert (found.state, found.facts["scores"]) == (
        "scored",
        {"advanced": 90, "quality": 100, "benefit": 90, "brand": 90, "distinctive": 0},
    )
    assert desk.acts(sheet.id, 1) == [("score", entered_for("expert", expert))]


def test_an_expert_who_stands_aside_voids_the_sheet(desk: Desk) -> None:
    desk.put_in("scores", [scored("P-1", points="", 回避="近亲属任职")])

    (sheet,) = desk.still.script.sheets("P-1")
    assert desk.wf.case(sheet).state == "void"
    assert desk.state("P-1") == "expert_review.no_valid_result"


@pytest.mark.parametrize(
    ("opinion", "content", "state"),
    [
        ("无意见", "", "no_objection"),
        ("有意见但不反对", "请补充环评批复", "remark"),
        ("不涉及", "", "not_our_remit"),
        ("不同意", "存在环保处罚", "objects"),
    ],
)
def test_a_reply_answers_the_letter_that_asked_last(desk: Desk, opinion: str, content: str, state: str) -> None:
    desk.put_in("replies", [replied("C-1", opinion=opinion, 内容=content)])

    asked = desk.wf.cases(desk.still.round, "consultation", parent=_id(desk, "C-1"))
    assert {c.parties[Role.DEPARTMENT]: c.state for c in asked} == {"ENV": state, "TAX": "sent"}
    (answered,) = [c for c in asked if c.state == state]
    assert desk.acts(answered.id, 1)[0][1] == entered_for("department", "ENV")


def test_an_objection_is_filed_under_the_notice_that_shows_the_item(desk: Desk) -> None:
    rows = [
        objected("N-1", 签章="盖章"),
        objected("N-1", 方式="投诉", 内容="一\n二"),
        objected("N-1", "P-2", 匿名="是", 姓名或单位="", 联系方式=""),
    ]

    desk.put_in("objections", rows)

    found = desk.wf.cases(desk.still.round, "objection", parent=_id(desk, "N-1"))
    assert [(c.facts["kind"], c.facts["signed"], c.facts["sealed"], c.facts["anonymous"]) for c in found] == [
        ("report", False, True, False),
        ("complaint", True, False, False),
        ("report", True, False, True),
    ]
    assert [c.parties[Role.PUBLIC] for c in found] == ["P-1", "P-1", "P-2"]
    (notice,) = desk.wf.cohorts(_id(desk, "N-1"), "notice")
    assert {c.of for c in found} == {notice.id}


def _id(desk: Desk, number: str) -> str:
    return desk.wf.find(desk.still.round, "number", number)[0].id
