"""The story of one whole round, from the declarations to the last recognition: fifteen products, four of them chosen.

The days are chosen for what they cross: 清明, 国庆 and 劳动节 with their make-up days, and acts at a closing instant.
"""

from dataclasses import dataclass, field
from typing import Any

from ganchu_workflow import Receipt, Role
from ganchu_workflow.testing import OFFICE, RoundScript, evidence, expert, firm
from ganchu_workflow.workflow import Case
from tests.rounds.script import BOTH, ENVIRONMENT, GANZHOU, NANCHANG, TAX, code_of, plan_of

WEIGHTS = {"advanced": 30, "quality": 25, "benefit": 20, "brand": 15, "distinctive": 10}
PLAN = plan_of(
    "GCJP-2022",
    self_declaration={"window": {"opens": "2022-03-01T01:00:00.000000Z", "closes": "2022-03-31T09:30:00.000000Z"}},
    local_recommendation={
        "window": {"opens": "2022-04-11T01:00:00.000000Z", "closes": "2022-05-06T09:30:00.000000Z"},
        "quota": {"360100": 5, "360700": 5},
    },
    expert_review={"places": 4, "reserve_places": 2, "panel_size": 5, "panel_size_min": 5, "weights": WEIGHTS},
    announcement={"validity": "3 years", "grace": "60 calendar days, no roll"},
)
CITIES = {
    NANCHANG: ("铜箔", "镜头", "电水壶", "起重机", "蓄电池", "灯具", "茶叶", "竹编"),
    GANZHOU: ("钨丝", "脐橙汁", "家具", "米粉", "食盐", "纸板", "瓷砖"),
}
LEVELS = {"铜箔": 94, "镜头": 91, "钨丝": 88, "脐橙汁": 85, "电水壶": 82, "起重机": 79, "蓄电池": 76}
"""About what the experts give each product, in the order they rank it."""


@dataclass
class Played:
    """The round when its story is over."""

    script: RoundScript
    letters: list[Receipt] = field(default_factory=list)
    panel: Case = ""
    given: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """Product → sheet → dimension → score."""
    letters_out: list[Receipt] = field(default_factory=list)
    notices: list[Receipt] = field(default_factory=list)
    objections: list[Receipt] = field(default_factory=list)
    announcements: list[Receipt] = field(default_factory=list)
    revocations: list[Receipt] = field(default_factory=list)
    told_before: list[dict[str, Any]] = field(default_factory=list)
    """The outbox just before the first announcement."""


def play(story: Played) -> None:
    """The whole round; it has been opened and started."""
    for chapter in (declare, recommend, check, review, consult, deliberate, put_on_notice, fill_the_place):
        chapter(story)
    for chapter in (announce, revoke, let_expire):
        chapter(story)


def declare(story: Played) -> None:
    script = story.script
    script.at("2022-03-01T09:00")
    for city, names in CITIES.items():
        script.draft(*names, city=city.scope)
    for name in script.apps:
        if name != "茶叶":
            script.fire(name, "submit", firm(name), truthful=True)
    script.at("2022-03-31T16:00")
    script.fire("铜箔", "return_for_correction", OFFICE, items=["检测报告"])
    script.at("2022-04-08T17:30")  # the closing instant of the correction
    script.fire("铜箔", "resubmit", firm("铜箔"), documents=[evidence("other", "铜箔")])
    script.at("2022-04-11T09:00")
    script.fire("竹编", "refuse", OFFICE, reason_code="out_of_scope", text="不属工业产品")
    script.fire_each([n for n in script.apps if n not in ("茶叶", "竹编")], "accept", OFFICE)


def recommend(story: Played) -> None:
    script = story.script
    script.at("2022-04-20T10:00")
    nanchang = ("铜箔", "镜头", "电水壶", "起重机", "蓄电池", "灯具")
    story.letters.append(script.recommend(*nanchang, letter="洪工信〔2022〕1号", by=NANCHANG))
    script.fire("米粉", "decline", GANZHOU, reason_code="incomplete", text="材料不实")
    ganzhou = ("脐橙汁", "钨丝", "家具", "纸板", "瓷砖")
    story.letters.append(script.recommend(*ganzhou, letter="赣市工信〔2022〕1号", by=GANZHOU))


def check(story: Played) -> None:
    script = story.script
    script.at("2022-05-09T09:00")
    script.fire("瓷砖", "return_for_correction", OFFICE, items=["法定代表人签字"])
    script.fire("家具", "disqualify", OFFICE, reason_code="accident", text="一年内有生产安全事故")
    script.fire("镜头", "disqualify", OFFICE, reason_code="ccc_missing", text="未提供证书")
    script.at("2022-05-12T09:00")
    script.fire("镜头", "reconsider", OFFICE, document="复〔2022〕1号", reason="证书在有效期内")
    script.fire_each([*LEVELS, "纸板"], "qualify", OFFICE)


def review(story: Played) -> None:
    script = story.script
    script.at("2022-05-18T09:00")
    story.panel = script.convene(*LEVELS, "纸板", exclusions={"expert-9": "conflict"}, reserves=2)
    first = script.children(story.panel, "seat")[0]
    script.fire(first, "decline", expert(first.parties[Role.EXPERT]), reason="出差")
    script.staff(story.panel)
    script.fire(story.panel, "begin", OFFICE)
    script.at("2022-05-20T10:00")
    script.fire("纸板", "withdraw", firm("纸板"), reason="停产")
    for product, (name, level) in enumerate(LEVELS.items()):
        story.given[name] = {}
        for seat, sheet in enumerate(script.sheets(name)):
            scores = {d: level + (3 * seat + 2 * k + product) % 5 - 2 for k, d in enumerate(WEIGHTS)}
            script.fire(sheet, "score", expert(sheet.parties[Role.EXPERT]), scores=scores)
            story.given[name][sheet.id] = scores
    script.at("2022-05-24T09:00")
    script.fire(story.panel, "rank", OFFICE)


def consult(story: Played) -> None:
    script = story.script
    script.at("2022-05-25T09:00")
    names = ("铜箔", "镜头", "钨丝", "脐橙汁")
    story.letters_out.append(
        script.consult(*names, document="征〔2022〕1号", silence_is_consent=True, departments=BOTH)
    )
    for name in ("铜箔", "镜头", "脐橙汁"):
        script.reply(name, ENVIRONMENT)
    script.reply("钨丝", ENVIRONMENT, "oppose", ground="监测数据待补充")
    for name in ("铜箔", "镜头", "钨丝"):
        script.reply(name, TAX)
    script.fire("钨丝", "override", OFFICE, document="议〔2022〕1号", reason="数据已补齐")


def deliberate(story: Played) -> None:
    script = story.script
    script.at("2022-06-02T09:00")
    script.fire_each(["铜箔", "镜头", "脐橙汁"], "approve", OFFICE, document="审〔2022〕1号")
    script.fire("钨丝", "hold", OFFICE, document="审〔2022〕1号", reason="品名待核")
    script.at("2022-06-08T09:00")
    script.fire("钨丝", "approve_with_changes", OFFICE, document="审〔2022〕2号", changes="品名改用注册名")


def put_on_notice(story: Played) -> None:
    script = story.script
    script.at("2022-09-28T16:00")
    story.notices.append(script.notice("铜箔", "镜头", "钨丝", "脐橙汁", title="首次公示"))
    script.at("2022-10-09T10:00")
    story.objections.append(script.object("镜头", story.notices[0], "一"))
    script.fire(story.objections[0], "admit", OFFICE)
    script.at("2022-10-10T17:30")  # the closing instant of the notice
    story.objections.append(script.object("脐橙汁", story.notices[0], "二"))
    script.at("2022-10-11T09:00")
    script.fire(story.objections[1], "admit", OFFICE)
    script.at("2022-10-17T09:00")
    script.fire(story.objections[0], "dismiss", OFFICE, document="核〔2022〕1号", finding="查无实据")
    script.at("2022-10-18T09:00")
    script.fire(story.objections[1], "uphold", OFFICE, document="核〔2022〕2号", finding="商标权属不符")


def fill_the_place(story: Played) -> None:
    script = story.script
    script.at("2022-10-19T09:00")
    script.fire("电水壶", "fill", OFFICE)
    story.letters_out.append(script.consult("电水壶", document="征〔2022〕2号", departments=BOTH))
    script.reply("电水壶", ENVIRONMENT)
    script.reply("电水壶", TAX, "not_ours")
    script.at("2022-10-20T15:00")
    script.fire("电水壶", "approve", OFFICE, document="审〔2022〕3号")
    script.at("2022-10-21T09:00")
    story.notices.append(script.notice("电水壶", title="递补公示"))


def announce(story: Played) -> None:
    script = story.script
    script.at("2022-11-07T10:00")
    story.told_before = script.wf.messages(script.round)
    story.announcements.append(script.announce("铜箔", "镜头", "钨丝", document="联合公布〔2022〕1号"))
    script.at("2022-11-08T10:00")
    story.announcements.append(script.announce("电水壶", document="联合公布〔2022〕2号"))
    assert code_of(lambda: script.fire(script.round, "close", OFFICE)) == "applications_open"
    script.fire("起重机", "release", OFFICE)
    script.fire(script.round, "close", OFFICE)


def revoke(story: Played) -> None:
    script = story.script
    script.at("2023-05-08T09:00")
    notified = {"document": "撤告〔2023〕1号", "facts": "申报材料造假", "served_at": "2023-05-05T10:00:00+08:00"}
    story.revocations.append(script.open("revocation", OFFICE, parent=script.recognition("镜头"), **notified))
    script.at("2023-05-11T17:30")  # the closing instant of the hearing
    script.fire(story.revocations[0], "hear", firm("镜头"), statement="已整改")
    script.at("2023-05-15T09:00")
    script.fire(story.revocations[0], "decide", OFFICE, document="撤〔2023〕1号", reason="申报材料造假")
    script.at("2024-03-01T09:00")
    notified = {"document": "撤告〔2024〕1号", "facts": "发生重大质量事故"}
    story.revocations.append(script.open("revocation", OFFICE, parent=script.recognition("钨丝"), **notified))
    script.at("2024-03-11T09:00")
    script.fire(story.revocations[1], "decide", OFFICE, document="撤〔2024〕1号", reason="发生重大质量事故")


def let_expire(story: Played) -> None:
    script = story.script
    script.at("2025-12-01T09:00")
    script.fire(script.recognition("铜箔"), "renew", OFFICE, document="复核〔2025〕1号")
    script.at("2029-02-01T09:00")
