"""The demonstration's round as it is invented: who declares what, and what everybody does about it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from ganchu_stages.credit_code import check_character, organisation_check_character
from ganchu_workflow.entropy import SeededEntropy

HERE = Path(__file__).resolve().parent
INVENTED = "虚构"
T = TypeVar("T")

DEPARTMENTS = {"生态环境部门(虚构)": "演环函", "税务部门(虚构)": "演税函", "应急管理部门(虚构)": "演应急函"}
# The first two digits of an area code name a province; no province has 39, and no part of Jiangxi has 3699.
NOWHERE_IN_JIANGXI, NOWHERE_ELSEWHERE = "369900", "399900"
SPARE = 4
"""How many more than its places and its reserve each group keeps, whatever the seed."""
SEATS = 5
FIRST_CHARACTERS = "云锦瑞恒启嘉宏泰安和信达远志明德源鸿盛华清朗景晟"
SECOND_CHARACTERS = "川岭溪洲原野港湾桥林峰泽陵渡浦屏台谷岩汀"


class Chance:
    """Choices that a seed decides, on every machine alike; `about` names one stream of them."""

    def __init__(self, seed: int, about: str) -> None:
        self._source = SeededEntropy(f"first_round {seed} {about}")

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int.from_bytes(self._source.take(8), "big") % n

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high."""
        return low + self.below(high - low + 1)

    def happens(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.below(100) < percent

    def pick(self, things: Sequence[T]) -> T:
        """One of them."""
        return things[self.below(len(things))]

    def shuffled(self, things: Iterable[T]) -> list[T]:
        """All of them, in another order."""
        left, out = list(things), []
        while left:
            out.append(left.pop(self.below(len(left))))
        return out


@dataclass(eq=False)
class Firm:
    """An enterprise of the demonstration."""

    name: str
    key: str = ""
    code: str = ""


@dataclass(eq=False)
class Item:
    """One declaration, and what befalls it before the experts score it (`fate`)."""

    group: dict[str, Any]
    city: dict[str, Any]
    firm: Firm
    product: str
    place: str
    source: dict[str, Any] | None = None
    declared: date = date(2021, 8, 2)
    number: str = ""
    fate: str = ""
    licence: bool = False
    ccc: bool = False
    letter: str = ""
    rank: int = 0
    facts: set[str] = field(default_factory=set)
    finding: str = ""
    corrected: list[tuple[str, date, str, date | None]] = field(default_factory=list)
    withdrawn: date | None = None
    sheets: list[list[int] | None] = field(default_factory=list)

    @property
    def invented(self) -> bool:
        """Whether the press conference does not name it."""
        return self.source is None

    @property
    def nature(self) -> str:
        """What the column 数据性质 says of it."""
        return INVENTED if self.source is None else str(self.source["source"])

    def digest(self, kind: str, version: int = 1) -> str:
        """The digest of a document that does not exist."""
        return hashlib.sha256(f"演示 {self.number} {kind} {version}".encode()).hexdigest()


class Round:
    """The declarations, and what the office, the recommenders, the experts, the departments and the public do."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Chance(seed, "round")
        words = tomllib.loads((HERE / "words.toml").read_text("utf-8"))
        real = tomllib.loads((HERE / "press_conference.toml").read_text("utf-8"))
        plan = tomllib.loads((HERE / "plan.toml").read_text("utf-8"))
        self.groups: list[dict[str, Any]] = words["group"]
        self.cities: list[dict[str, Any]] = words["city"]
        self.named = [{**p, "source": real["source"]} for p in real["product"]]
        stages = {s["use"]: s for s in plan["stage"]}
        self.quota: dict[str, int] = stages["local_recommendation"]["quota"]
        self.weights = list(stages["expert_review"]["weights"].values())
        self.reserve_places: int = stages["expert_review"]["reserve_places"]
        self.items: list[Item] = []
        self.alive = {g["name"]: 0 for g in self.groups}
        self.opposed: set[Item] = set()
        self.consulted: list[tuple[Item, int]] = []
        self.objections: list[dict[str, str]] = []
        self.declare()
        self.end_before_the_letters()
        self.recommend()
        self.check()
        self.give_credit_codes()
        self.score()
        self.consult_and_object()

    # ── 企业自主申报 ──

    def declare(self) -> None:
        """The declarations, numbered in the order in which they came."""
        names = self.chance.shuffled(a + b for a in FIRST_CHARACTERS for b in SECOND_CHARACTERS)
        for city, members in self.groups_of_the_cities():
            for group in self.groups:
                firm, made = None, 0
                for _ in range(members.count(group["name"])):
                    if firm is None or made == 3 or not self.chance.happens(25):
                        words = f"{city['short']}示例{names.pop()}{group['suffix']}(虚构)"
                        firm, made, left = Firm(words), 0, self.chance.shuffled(group["products"])
                    made += 1
                    place = self.chance.pick(["X-GJXQ", "X-GJXQ", "360100", "360400"])
                    self.items.append(
                        Item(
                            group=group,
                            city=city,
                            firm=firm,
                            product=left.pop(),
                            place=place if city["code"] == "X-GJXQ" else city["code"],
                            licence=bool(group.get("licence")) and self.chance.happens(40),
                            ccc=bool(group.get("ccc")) and self.chance.happens(35),
                        )
                    )
        by_group, by_code = {g["name"]: g for g in self.groups}, {c["code"]: c for c in self.cities}
        for p in self.named:
            firm = Firm(p["enterprise"])
            self.items.append(Item(by_group[p["group"]], by_code[p["city"]], firm, p["product"], p["city"], source=p))
        for item in self.items:
            item.declared += timedelta(days=self.chance.below(33))
            self.alive[item.group["name"]] += 1
        self.items = sorted(self.chance.shuffled(self.items), key=lambda i: i.declared)
        firms = 0
        for n, item in enumerate(self.items, start=1):
            item.number = f"GC2021-{n:04}"
            if not item.firm.key:
                firms += 1
                item.firm.key = f"qy-{firms:04}"

    def groups_of_the_cities(self) -> list[tuple[dict[str, Any], list[str]]]:
        """How many declarations each city has in each group: the totals are given, the mixture is by chance."""
        members: dict[str, list[str]] = {c["code"]: [] for c in self.cities}
        for group in self.groups:
            for _ in range(group["declarations"]):
                urn = []
                for c in self.cities:
                    free = c["declarations"] - len(members[c["code"]])
                    urn += [c["code"]] * (free * (1 + 2 * group["cities"].count(c["code"])))
                members[self.chance.pick(urn)].append(group["name"])
        return [(c, members[c["code"]]) for c in self.cities]

    # ── what ends before the experts ──

    def may_fall(self, item: Item) -> bool:
        """Whether the item may end before the experts score it: invented, and its group can do without it."""
        group = item.group
        spared = group is self.groups[-1] or not item.invented or item.fate or item.facts or item.corrected
        return not spared and self.alive[group["name"]] > group["places"] + self.reserve_places + SPARE

    def fall(self, items: Iterable[Item], fate: str, count: int) -> list[Item]:
        """So many of the items meet this fate."""
        fallen: list[Item] = []
        for item in self.chance.shuffled(items):
            if len(fallen) < count and self.may_fall(item):
                item.fate = fate
                self.alive[item.group["name"]] -= 1
                fallen.append(item)
        assert len(fallen) == count, f"{fate}: {len(fallen)} of {count}"
        return fallen

    def end_before_the_letters(self) -> None:
        """Drafts, not accepted, silent, taken back, declined, or left out of the letter; and corrections that came."""
        for city in self.cities:
            for fate, count in city["fates"].items():
                self.fall([i for i in self.items if i.city is city], fate, count)
        for item in self.items:
            if item.fate == "silent":
                item.corrected = [("self_declaration", date(2021, 9, 6), "请补充加盖公章的申报表", None)]
            item.withdrawn = {"withdrawn_early": date(2021, 9, 7), "withdrawn_pending": date(2021, 9, 12)}.get(
                item.fate
            )
        for item in self.chance.shuffled(i for i in self.items if i.invented and not i.fate)[:9]:
            back = date(2021, 9, 7) + timedelta(days=self.chance.below(3))
            item.corrected = [("self_declaration", date(2021, 9, 6), self.what_is_lacking(item), back)]

    @staticmethod
    def what_is_lacking(item: Item) -> str:
        """What a file that comes back must bring."""
        if item.licence:
            return "生产许可证复印件不清晰,请重新提交"
        return "强制性认证证书复印件不清晰,请重新提交" if item.ccc else "商标注册证复印件不清晰,请重新提交"

    def recommend(self) -> None:
        """推荐函: what each recommender ranks; what is ranked beyond its quota is over it."""
        for city in self.cities:
            members = [i for i in self.items if i.city is city and not i.fate]
            over = self.fall(members, "over_quota", max(0, len(members) - self.quota[city["code"]]))
            # What the source names stands first: an invented order must put nobody real behind.
            drawn = self.chance.shuffled(i for i in members if not i.fate)
            order = sorted(drawn, key=lambda i: i.invented) + over
            first = len(order) - city.get("second_letter", 0)
            for number, part in enumerate((order[:first], order[first:]), start=12):
                for rank, item in enumerate(part, start=1):
                    item.letter, item.rank = f"{city['letter']}〔2021〕{number}号", rank

    def check(self) -> None:
        """资格审查: what the office finds of those recommended."""
        here = [i for i in self.items if not i.fate]
        last = [i for i in here if i.group is self.groups[-1]]
        # The last group is left with one fewer than its places: that place goes to another group's reserve.
        for item, fact in zip(self.chance.shuffled(last), ("abnormal", "accident", "stopped"), strict=False):
            item.fate, item.facts = "disqualified", {fact}
        for fact, count in {"abnormal": 3, "dishonest": 4, "accident": 2, "stopped": 2}.items():
            for n, item in enumerate(self.fall(here, "disqualified", count)):
                item.facts = {fact, "abnormal"} if n == 0 else {fact}
        for item in self.fall(here, "deemed_withdrawn", 3):
            item.corrected = [("qualification_check", date(2021, 9, 26), "请补充法定代表人签字页", None)]
        for item in self.fall(here, "withdrawn_in_check", 1):
            item.withdrawn = date(2021, 9, 28)
        for item in self.fall(here, "withdrawn_in_review", 2):
            item.withdrawn = date(2021, 10, 12)
        calm = [i for i in here if i.invented and not i.fate and not i.corrected]
        for item in self.chance.shuffled(calm)[:8]:
            sent = date(2021, 9, 26) + timedelta(days=self.chance.below(2))
            back = date(2021, 9, 28) + timedelta(days=self.chance.below(3))
            item.corrected = [("qualification_check", sent, self.what_is_lacking(item), back)]
        alone = [i for i in here if sum(i.firm is other.firm for other in self.items) == 1]
        for item in self.fall(alone, "disqualified", 2):
            item.finding = "不符合"
        for item in self.chance.shuffled(i for i in alone if i.invented and not i.fate and not i.facts)[:3]:
            item.finding = "符合"
        for item in self.items:
            item.finding = item.finding if item.invented else "符合"

    def give_credit_codes(self) -> None:
        """Valid codes of areas that do not exist, so that they belong to nobody; none for the real products."""
        for n, item in enumerate((i for i in self.items if i.invented), start=1001):
            if not item.firm.code:
                area = NOWHERE_ELSEWHERE if item.finding else NOWHERE_IN_JIANGXI
                organisation = f"MA{n:06}"
                code = f"91{area}{organisation}{organisation_check_character(organisation)}"
                item.firm.code = code + check_character(code)

    # ── 专家评审 ──

    def score(self) -> None:
        """Five sheets for each item; a few recusals; and two ties, each at a cut."""
        for group in self.groups:
            habits = [self.chance.between(-3, 3) for _ in range(SEATS)]
            # All of the last group get in, so none of them is weak.
            lowest = 68 if group is self.groups[-1] else 57
            for item in self.of_group(group):
                level = lowest + self.chance.below(18) + self.chance.below(18)
                item.sheets = [[self.mark(item, level + h) for _ in self.weights] for h in habits]
        for item in self.chance.shuffled(i for i in self.items if i.sheets and i.invented)[:12]:
            item.sheets[self.chance.below(SEATS)] = None
        for group, cut in ((self.groups[4], 0), (self.groups[1], self.reserve_places)):
            ranked = self.ranked(group)
            last = group["places"] + cut
            ranked[last].sheets = ranked[last - 1].sheets

    def mark(self, item: Item, level: int) -> int:
        """One score. Those of the real products lie above all others, so that no seed treats them badly."""
        if not item.invented:
            return self.chance.between(94, 99)
        return min(93, max(40, level + self.chance.between(-4, 4)))

    def of_group(self, group: dict[str, Any]) -> list[Item]:
        """Those of a group that the experts score."""
        return [i for i in self.items if i.group is group and not i.fate]

    def ranked(self, group: dict[str, Any]) -> list[Item]:
        """A group from the best score down, equal ones by number."""
        return sorted(self.of_group(group), key=lambda i: (-self.result(i), i.number))

    def result(self, item: Item) -> Fraction:
        """The trimmed mean of an item's sheets, in hundredths of a point."""
        totals = sorted(sum(w * s for w, s in zip(self.weights, sheet, strict=True)) for sheet in item.sheets if sheet)
        kept = totals[1:-1] if len(totals) >= 5 else totals
        return Fraction(sum(kept), len(kept))

    # ── 征求部门意见, 公示 ──

    def consult_and_object(self) -> None:
        """Who is opposed, taken back or objected to, and whom the departments are therefore asked about."""
        first = {g["name"]: self.ranked(g)[: g["places"]] for g in self.groups}
        line = {g["name"]: self.ranked(g)[g["places"] :][: self.reserve_places] for g in self.groups}
        unlucky = self.chance.shuffled(g["name"] for g in self.groups[:-1])

        def one_of(name: str, taken: set[Item]) -> Item:
            item = self.chance.pick([i for i in first[name] if i.invented and i not in taken])
            taken.add(item)
            return item

        taken: set[Item] = set()
        self.opposed = {one_of(unlucky[n], taken) for n in (0, 0, 1, 2)}
        back = one_of(unlucky[3], taken)
        back.withdrawn = date(2021, 10, 21)
        waiting = line[unlucky[1]].pop(0)
        waiting.withdrawn = date(2021, 10, 25)
        upheld = [one_of(unlucky[n], taken) for n in (4, 5, 6)]
        late = one_of(unlucky[7], taken)
        late.withdrawn = date(2021, 11, 8)

        gone = [i.group["name"] for i in (*self.opposed, back)]
        self.consulted = [(i, 1) for members in first.values() for i in members if i is not back]
        short = {g["name"]: g["places"] - len(first[g["name"]]) + gone.count(g["name"]) for g in self.groups}
        self.consulted += [(i, 2) for i in self.fill(short, line)]
        gone = [i.group["name"] for i in (*upheld, late)]
        self.consulted += [(i, 3) for i in self.fill({g["name"]: gone.count(g["name"]) for g in self.groups}, line)]
        self.object(upheld, [i for i, wave in self.consulted if wave == 1 and i.invented and i not in taken])

    def fill(self, free: dict[str, int], line: dict[str, list[Item]]) -> list[Item]:
        """Who of the reserve takes the free places: of the same group, else of the next group that has one."""
        names, filled = [g["name"] for g in self.groups], []
        for at, name in enumerate(names):
            for _ in range(free[name]):
                source = next(n for n in names[at:] + names[:at] if line[n])
                filled.append(line[source].pop(0))
        return filled

    def object(self, upheld: list[Item], others: list[Item]) -> None:
        """异议、举报、投诉: to whom, by whom, and what the office finds."""
        a, b, c, d, e, f, g, h = self.chance.shuffled(others)[:8]
        told = [
            (upheld[0], "举报", "signed", "反映商标权属存在争议", "受理", "属实"),
            (upheld[1], "异议", "sealed", "反映产品名称与认证证书不一致", "受理", "属实"),
            (upheld[2], "举报", "anonymous", "反映主要数据与事实不符,附有线索", "受理", "属实"),
            (a, "举报", "signed", "反映产品存在质量问题", "受理", "不属实"),
            (b, "异议", "sealed", "反映外观设计近似", "受理", "不属实"),
            (c, "投诉", "signed", "反映申报辅导人员收取费用", "受理", "不属实"),
            (d, "举报", "anonymous", "反映产能数据虚高,附有线索", "受理", "不属实"),
            (a, "举报", "signed", "反映售后服务不到位", "受理", "不属实"),
            (e, "举报", "anonymous", "反映情况不明", "不予受理", "anonymous"),
            (f, "投诉", "signed", "反映评审不公,未附线索", "不予受理", "no_evidence"),
            (g, "异议", "signed", "反映厂区门前道路拥堵", "不予受理", "unrelated"),
            (h, "异议", "sealed", "对本单位另一产品的评审结果有意见", "不予受理", "own_result"),
            (upheld[0], "投诉", "anonymous", "反映情况不明", "不予受理", "anonymous"),
        ]
        days = (4, 4, 5, 5, 5, 8, 8, 9, 9, 9, 10, 10, 10)
        for n, (row, day) in enumerate(zip(self.chance.shuffled(told), days, strict=True), start=1):
            item, channel, who, ground, handling, end = row
            named, sealed = who != "anonymous", who == "sealed"
            admitted = handling == "受理"
            self.objections.append(
                {
                    "异议人编号": f"yy-{n:03}",
                    "申报编号": item.number,
                    "方式": channel,
                    "匿名": "否" if named else "是",
                    "姓名或单位": (f"示例单位{n}(虚构)" if sealed else f"示例公民{n}(虚构)") if named else "",
                    "联系方式": f"演示地址{n}号" if named else "",
                    "签章": {"signed": "签字", "sealed": "盖章"}.get(who, "无"),
                    "内容": f"演示:{ground}",
                    "收到日期": f"2021-11-{day:02}",
                    "处理": handling,
                    "不予受理理由": "" if admitted else end,
                    "核查结果": end if admitted else "",
                    "核查文号": f"演核〔2021〕{n}号" if admitted else "",
                    "核查情况": f"演示:经核查,{'情况属实' if end == '属实' else '查无实据'}" if admitted else "",
                    "数据性质": INVENTED,
                }
            )
