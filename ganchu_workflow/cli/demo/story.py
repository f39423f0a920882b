"""The story of the demonstration: thirteen invented applications that together meet every outcome."""

from __future__ import annotations

from typing import Any

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import digest
from ganchu_workflow.cli.demo.narrator import ZONE, Narrator
from ganchu_workflow.clock import from_text
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.timing import Period
from ganchu_workflow.workflow import Case

OFFICE = Actor(Role.OFFICE, person="demo-office-1")
SUPERVISOR = Actor(Role.SUPERVISOR, person="demo-supervisor-1")
EAST = Actor(Role.LOCAL_AUTHORITY, "DEMO-A", "demo-city-a")
WEST = Actor(Role.LOCAL_AUTHORITY, "DEMO-B", "demo-city-b")
ENVIRONMENT = Actor(Role.DEPARTMENT, "DEMO-ENV", "demo-department-1")
TAX = Actor(Role.DEPARTMENT, "DEMO-TAX", "demo-department-2")
DEPARTMENTS = ["DEMO-ENV", "DEMO-TAX"]

# Registration area 369900 does not exist, so none of these codes can belong to a firm; the check digits are right.
APPLICATIONS = {
    "甲": ("DEMO-A", "91369900MA00000152", "示例智能水表"),
    "乙": ("DEMO-A", "91369900MA0000023W", "示例数控机床"),
    "丙": ("DEMO-A", "91369900MA0000031P", "示例茶油"),
    "丁": ("DEMO-A", "91369900MA000004XF", "示例竹编灯具"),
    "戊": ("DEMO-B", "91369900MA0000058F", "示例米粉"),
    "己": ("DEMO-A", "91369900MA0000066A", "示例光学镜头"),
    "庚": ("DEMO-A", "91369900MA00000745", "示例电热水器"),
    "辛": ("DEMO-A", "91369900MA00000820", "示例铜箔"),
    "壬": ("DEMO-A", "91369900MA0000090T", "示例陶瓷餐具"),
    "癸": ("DEMO-A", "91369900MA0000103G", "示例锂电材料"),
    "子": ("DEMO-A", "91369900MA0000111B", "示例起重机"),
    "丑": ("DEMO-B", "91369900MA000012X3", "示例绝缘子"),
    "寅": ("DEMO-B", "91369900MA00001383", "示例蜜橘果汁"),
}
SCORES = {
    "甲": (95, 94, 93, 92, 91),
    "乙": (92, 91, 90, 89, 88),
    "癸": (90, 90, 89, 88, 88),
    "壬": (96, 96, 96, 70, 70),
    "子": (85, 85, 85, 85, 85),
    "丑": (80, 80, 79, 78, 78),
    "寅": (60, 60, 60, 60, 60),
}
"""Totals by seat. 壬 lives on three high sheets: one of them is recused late, and the cut moves to 子."""


def enterprise(name: str) -> Actor:
    """The enterprise that declares this application."""
    return Actor(Role.APPLICANT, f"demo-firm-{name}", f"demo-operator-{name}")


def citizen(name: str) -> Actor:
    """Somebody of the public, under the reference of their identification."""
    return Actor(Role.PUBLIC, f"demo-citizen-{name}")


def expert(reference: str) -> Actor:
    """An expert of the pool."""
    return Actor(Role.EXPERT, reference, reference)


def document(kind: str, owner: str) -> dict[str, str]:
    """An invented document: its digest is that of a sentence, and its address leads nowhere."""
    return {"kind": kind, "name": f"{owner}-{kind}", "sha256": digest(f"{owner} {kind}"), "uri": f"demo:{owner}/{kind}"}


class Story:
    """The round, from its opening to its close."""

    def __init__(self, narrator: Narrator) -> None:
        self.tell = narrator
        self.workflow = narrator.workflow
        self.round: Receipt | None = None
        self.app: dict[str, Receipt] = {}

    def play(self, plan: Any) -> None:
        """Play the whole round."""
        self.open_the_round(plan)
        self.declarations()
        self.recommendations()
        self.qualification()
        panel = self.expert_review()
        self.consultation(panel)
        self.public_notice()
        self.reserve_and_its_notice()
        self.announcement()

    def open_the_round(self, plan: Any) -> None:
        """The round is opened and started."""
        self.tell.now_is("2021-07-30T10:00", "开立批次")
        self.round = self.workflow.open_round(plan, actor=OFFICE)
        self.tell.of_round(self.round.case_id)
        self.tell.say("  · 牵头处室开立批次,方案与流程定义就此固定")
        self.tell.fire("批次启动", self.round, "start", OFFICE)

    def declarations(self) -> None:
        """企业自主申报: returned and corrected, not accepted, lapsed, late."""
        self.tell.now_is("2021-08-02T08:59:59", "企业自主申报")
        self.tell.refuse("甲在受理开始前一秒申报", lambda: self._declare("甲"), "window_not_open")
        self.tell.now_is("2021-08-02T09:00:00", "受理开始的那一刻")
        for name in APPLICATIONS:
            self.app[name] = self._declare(name)
            self.tell.name(self.app[name], name)
        self.tell.say(f"  · {len(APPLICATIONS)}项申报建立草稿:{'、'.join(APPLICATIONS)}")
        for name in APPLICATIONS:
            if name != "丙":
                self.tell.fire("", self.app[name], "submit", enterprise(name), truthful=True)
        self.tell.say("  · 除丙以外均已提交")
        self.tell.now_is("2021-08-20T09:00")
        self.tell.fire(
            "乙缺检测报告,一次性告知后退回补正", self.app["乙"], "return_for_correction", OFFICE, items=["检测报告"]
        )
        self.tell.now_is("2021-08-25T16:00")
        self.tell.fire(
            "乙补正后重新提交", self.app["乙"], "resubmit", enterprise("乙"), documents=[document("other", "乙")]
        )
        self.tell.fire(
            "丁不属工业产品,不予受理",
            self.app["丁"],
            "refuse",
            OFFICE,
            reason_code="out_of_scope",
            text="演示:不在范围内",
        )
        self.tell.now_is("2021-09-03T17:30:00.000001", "申报截止后一微秒,尚无人触发期限", sweep=False)
        self.tell.refuse(
            "丙此时提交",
            lambda: self.workflow.fire(self.app["丙"], "submit", {"truthful": True}, actor=enterprise("丙")),
            "window_closed",
        )
        self.workflow.tick()
        self.tell.fire("甲受理", self.app["甲"], "accept", OFFICE)
        for name in APPLICATIONS:
            if name not in "甲丙丁":
                self.tell.fire("", self.app[name], "accept", OFFICE)
        self.tell.say("  · 其余10项也受理,进入地方推荐")

    def recommendations(self) -> None:
        """地方推荐: ranks, quota, the wrong city, the missed one."""
        self.tell.now_is("2021-09-15T10:00", "各地主管部门推荐")
        self.tell.refuse(
            "西市对东市的甲出具不予推荐",
            lambda: self.workflow.fire(self.app["甲"], "decline", {"reason_code": "other", "text": "演示"}, actor=WEST),
            "not_allowed",
        )
        letter = self.tell.open("", "recommendation", {}, EAST)
        order = ["甲", "乙", "癸", "壬", "子", "庚", "辛", "己"]
        ranks = {self.app[n].case_id: k for k, n in enumerate(order, start=1)}
        self.tell.fire("东市推荐函:排序8项,名额7项", letter, "issue", EAST, letter="东推演〔2021〕1号", ranks=ranks)
        letter = self.tell.open("", "recommendation", {}, WEST)
        ranks = {self.app["丑"].case_id: 1, self.app["寅"].case_id: 2}
        self.tell.fire("西市推荐函:排序2项,未列戊", letter, "issue", WEST, letter="西推演〔2021〕1号", ranks=ranks)

    def qualification(self) -> None:
        """资格审查: disqualified, and silence after a request to correct."""
        self.tell.now_is("2021-09-23T09:00", "资格审查")
        self.tell.fire(
            "辛需补正,限期五个工作日", self.app["辛"], "return_for_correction", OFFICE, items=["法定代表人签字"]
        )
        self.tell.fire(
            "庚缺强制性认证,不合格",
            self.app["庚"],
            "disqualify",
            OFFICE,
            reason_code="ccc_missing",
            text="演示:未提供CCC证书",
        )
        for name in "甲乙癸壬子丑寅":
            self.tell.fire("", self.app[name], "qualify", OFFICE)
        self.tell.say("  · 其余7项审查合格,进入专家评审")

    def expert_review(self) -> Receipt:
        """专家评审: a drawn panel, a declined seat, scores, and the cut."""
        self.tell.now_is("2021-10-11T09:00", "专家评审")
        names = list("甲乙癸壬子丑寅")
        pool = [f"demo-expert-{n:02}" for n in range(1, 11)]
        panel = self.tell.open(
            "组建专家组:10人专家库,1人回避,承诺值先行公开",
            "panel",
            {"pool": pool, "exclusions": {"demo-expert-10": "conflict"}, "size": 5, "reserves": 2},
            OFFICE,
            members=[self.app[n] for n in names],
        )
        self.tell.fire(
            "监督人员当场摇号,抽取5席", panel, "draw", SUPERVISOR, ballot="20211011-07", witness="演示监督员"
        )
        first = self.tell.children(panel, "seat")[0]
        self.tell.fire(
            "一位专家谢绝,按抽取顺序递补", first, "decline", expert(first.parties[Role.EXPERT]), reason="演示:日程冲突"
        )
        for seat in self.tell.children(panel, "seat", "invited"):
            self.tell.fire("", seat, "accept", expert(seat.parties[Role.EXPERT]))
        self.tell.fire("专家组到位,开始评审", panel, "begin", OFFICE)
        self.tell.now_is("2021-10-12T17:00")
        for name in names:
            sheets = sorted(self.tell.children(self.app[name], "sheet"), key=lambda s: s.parties[Role.EXPERT])
            for sheet, total in zip(sheets, SCORES[name], strict=True):
                scores = dict.fromkeys(("advanced", "quality", "benefit", "brand", "distinctive"), total)
                self.tell.fire("", sheet, "score", expert(sheet.parties[Role.EXPERT]), scores=scores)
        self.tell.fire("35张评分表齐备,去最高最低分后排序:取4项,候补2项", panel, "rank", OFFICE)
        return panel

    def consultation(self, panel: Receipt) -> None:
        """征求部门意见: deemed and not deemed silence, an objection overridden, a late recusal that moves the cut."""
        self.tell.now_is("2021-10-14T09:00", "征求部门意见")
        first = self._consult("演函〔2021〕1号", ["甲", "乙", "癸", "壬"], silence_is_consent=True)
        for name in "甲乙":
            self._reply(name, ENVIRONMENT, "agree", document="演环〔2021〕1号")
        self._reply("癸", ENVIRONMENT, "oppose", document="演环〔2021〕2号", ground="演示:监测数据待补充")
        self.tell.fire(
            "牵头处室核实后采纳癸的补充材料",
            self.app["癸"],
            "override",
            OFFICE,
            document="演议〔2021〕1号",
            reason="演示:数据已补齐",
        )
        self.tell.now_is("2021-10-18T10:00", "评分之后才发现的回避情形")
        sheets = sorted(self.tell.children(self.app["壬"], "sheet"), key=lambda s: s.parties[Role.EXPERT])
        self.tell.fire(
            "监督:一位专家与壬有利害关系,其评分作废,名次重算,新旧结果并存",
            sheets[0],
            "recuse_late",
            SUPERVISOR,
            document="演监〔2021〕1号",
            reason="演示:三年内任顾问",
            ground="演示:利害关系",
        )
        second = self._consult("演函〔2021〕2号", ["子"], silence_is_consent=False)
        self.tell.now_is("2021-10-19T10:00")
        self._reply("子", ENVIRONMENT, "agree", document="演环〔2021〕3号")
        self.tell.now_is("2021-10-22T09:00", "第一封函的答复期已过:函中写明“逾期视为无意见”")
        self.tell.say(f"      乙的税务意见:{self._consulted('乙', TAX)}")
        self.tell.now_is("2021-10-26T09:00", "第二封函未写明,逾期不视为同意")
        self.tell.say(f"      子的税务意见:{self._consulted('子', TAX)};子仍在等待")
        self._reply("子", TAX, "agree", document="演税〔2021〕1号")
        assert first.state == second.state == "sent"

    def public_notice(self) -> None:
        """公示: a frozen list, a printed window, three objections with three ends, and one that came too late."""
        self.tell.now_is("2021-10-27T09:00", "公示")
        notice = self._notice("首次公示", ["甲", "乙", "癸", "子"])
        self.tell.now_is("2021-10-29T10:00")
        upheld = self._object("癸", notice, "一", "演示:商标权属存疑")
        self.tell.fire("受理", upheld, "admit", OFFICE)
        dismissed = self._object("乙", notice, "二", "演示:质量问题")
        self.tell.fire("受理", dismissed, "admit", OFFICE)
        late = self._consultation("乙", TAX)
        self.tell.fire(
            "迟到的反对意见:税务对乙提出,公示照常,报告牵头处室和监督",
            late,
            "oppose_late",
            TAX,
            document="演税〔2021〕2号",
            reason="演示:迟到的意见",
        )
        closes = "2021-11-03T17:30:00"
        self.tell.now_is(closes, "公示截止的那一刻:仍在期限内")
        anonymous = self._object("甲", notice, "三", "演示:匿名反映", anonymous=True)
        self.tell.now_is(f"{closes}.000001", "一微秒之后:已逾期,不论期限是否已触发", sweep=False)
        self.tell.refuse("又一件异议", lambda: self._file("甲", notice, "四", "演示"), "window_closed")
        self.tell.now_is("2021-11-04T09:00")
        self.tell.fire("匿名异议不予受理", anonymous, "refuse", OFFICE, ground="anonymous", explanation="演示")
        self.tell.now_is("2021-11-09T09:00")
        self.tell.fire(
            "乙的异议不成立", dismissed, "dismiss", OFFICE, document="演核〔2021〕1号", finding="演示:查无实据"
        )
        self.tell.fire(
            "癸的异议成立,取消资格", upheld, "uphold", OFFICE, document="演核〔2021〕2号", finding="演示:权属不符"
        )

    def reserve_and_its_notice(self) -> None:
        """候补: the freed place goes to the reserve, which needs its own consultation and its own notice."""
        self.tell.now_is("2021-11-10T09:00", "候补递补")
        self.tell.fire("丑在候补期间主动撤回", self.app["丑"], "withdraw", enterprise("丑"), reason="演示:产品停产")
        self.tell.fire("空出一个名额,由候补第一名壬递补", self.app["壬"], "fill", OFFICE, document="演议〔2021〕2号")
        self._consult("演函〔2021〕3号", ["壬"], silence_is_consent=True)
        self.tell.now_is("2021-11-11T10:00", "部门答复")
        self._reply("壬", ENVIRONMENT, "agree", document="演环〔2021〕4号")
        self._reply("壬", TAX, "note", document="演税〔2021〕3号", remark="演示:提请关注")
        self.tell.now_is("2021-11-12T09:00", "递补者另行公示")
        self._notice("递补公示", ["壬"])
        self.tell.now_is("2021-11-22T09:00")

    def announcement(self) -> None:
        """公布: all at once, then the round is closed; the recognitions live on."""
        self.tell.now_is("2021-12-16T10:00", "公布")
        names = ["甲", "乙", "子", "壬"]
        self.tell.open(
            "联合发文公布4项,同时认定",
            "announcement_act",
            {"document": "演发〔2021〕1号", "issuers": ["演示单位一", "演示单位二"], "dated_on": "2021-12-16"},
            OFFICE,
            members=[self.app[n] for n in names],
        )
        self.tell.fire("批次办结", self._round(), "close", OFFICE)

    # ── small acts ──

    def _round(self) -> str:
        assert self.round is not None
        return self.round.case_id

    def _declare(self, name: str) -> Receipt:
        recommender, code, product = APPLICATIONS[name]
        firm = f"示例企业{name}(虚构)"
        data = {
            "enterprise": firm,
            "credit_code": code,
            "product": product,
            "city": recommender,
            "recommender": recommender,
            "trademark": {"number": f"DEMO-{code[-4:]}", "owner": code},
            "contact": f"演示联系人{name}",
            "documents": [document("trademark_certificate", name)],
        }
        return self.workflow.open("application", data, actor=enterprise(name), round=self._round())

    def _consult(self, number: str, names: list[str], *, silence_is_consent: bool) -> Receipt:
        words = "写明逾期视为无意见" if silence_is_consent else "未写明逾期视为无意见"
        data = {"document": number, "departments": DEPARTMENTS, "silence_is_consent": silence_is_consent}
        line = f"{number}:就{'、'.join(names)}征求两个部门意见,{words}"
        return self.tell.open(line, "consultation_letter", data, OFFICE, members=[self.app[n] for n in names])

    def _consultation(self, name: str, department: Actor) -> Case:
        found = self.tell.children(self.app[name], "consultation")
        return next(c for c in reversed(found) if c.parties[Role.DEPARTMENT] == department.scope)

    def _consulted(self, name: str, department: Actor) -> str:
        case = self.workflow.case(self._consultation(name, department))
        return self.workflow.process(self._round()).kind(case.kind).states[case.state].label

    def _reply(self, name: str, department: Actor, trigger: str, **data: str) -> None:
        words = {"agree": "无意见", "oppose": "不同意", "note": "有意见但不反对"}[trigger]
        who = "生态环境" if department is ENVIRONMENT else "税务"
        self.tell.fire(
            f"{who}(虚构)对{name}:{words}", self._consultation(name, department), trigger, department, **data
        )

    def _notice(self, title: str, names: list[str]) -> Receipt:
        members = [self.app[n] for n in names]
        day = self.tell.clock.now().date().isoformat()
        notice = self.tell.open("", "notice", {"title": title, "dated_on": day}, OFFICE, members=members)
        self.tell.fire(f"{title}:{'、'.join(names)},名单冻结", notice, "publish", OFFICE)
        facts = self.workflow.case(notice).facts
        self.tell.say(
            f"      公示期{Period.parse(facts['rule']).label_zh()},截止 {_local(facts['closes_at'])},"
            f"名单摘要 {facts['digest'][:16]}"
        )
        return notice

    def _file(self, name: str, notice: Receipt, who: str, ground: str, *, anonymous: bool = False) -> Receipt:
        data = {"ground": ground, "anonymous": anonymous}
        if not anonymous:
            data |= {"name": f"演示公民{who}", "contact": "演示地址", "signed": True}
        return self.workflow.open("objection", data, actor=citizen(who), parent=self.app[name], of=notice)

    def _object(self, name: str, notice: Receipt, who: str, ground: str, *, anonymous: bool = False) -> Receipt:
        receipt = self._file(name, notice, who, ground, anonymous=anonymous)
        self.tell.say(f"  · 公众对{name}提出异议{'(匿名)' if anonymous else ''}")
        return receipt


def _local(text: str) -> str:
    return f"{from_text(text).astimezone(ZONE):%Y-%m-%d %H:%M}"
