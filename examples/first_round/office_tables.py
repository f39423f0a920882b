"""The invented round as the tables an office would have (登记表): which file has which headings and rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from invented_round import DEPARTMENTS, INVENTED, Chance, Item, Round

Row = dict[str, str | int]

BOM, GB18030 = "utf-8-sig", "gb18030"
TRADEMARK, CCC, LICENCE = "商标注册证", "强制性认证证书", "生产许可证"
DIMENSIONS = ("技术先进", "质量优良", "效益突出", "品牌知名", "特色鲜明")
FACTS = {"abnormal": "经营异常", "dishonest": "失信或欠税", "accident": "安全质量环保事故", "stopped": "停产"}
POOL = 9
"""How many experts each group's pool has."""
REFUSED = (
    ("out_of_scope", "演示:不属于工业产品"),
    ("prototype_only", "演示:产品尚未批量生产"),
    ("not_a_product", "演示:申报内容为服务,不是产品"),
)
DECLINED = (
    ("low_output", "演示:产品尚未形成规模"),
    ("quality", "演示:质量管理体系尚不健全"),
    ("other", "演示:本地择优推荐,未列入"),
)
WITHDRAWN = ("演示:产品停产", "演示:企业重组", "演示:材料需重新准备", "演示:产品升级换代")


@dataclass(frozen=True)
class Table:
    """One file: its name, its headings, and its rows by heading."""

    file: str
    headings: tuple[str, ...]
    rows: list[Row]
    encoding: str = BOM


def tables_of(made: Round) -> list[Table]:
    """Every file, in the order in which the round needs them."""
    return [
        _table("申报汇总表.csv", declarations(made)),
        _table("补正登记表.csv", corrections(made)),
        _table("受理登记表.csv", acceptance(made)),
        _table("不予推荐登记表.csv", declined(made)),
        _table("推荐汇总表.xlsx", letters(made)),
        _table("资格核查登记表.csv", checks(made), GB18030),
        _table("分组名额.xlsx", groups(made)),
        _table("专家库.csv", experts(made)),
        _table("评分表.csv", sheets(made)),
        _table("部门反馈表.csv", replies(made), GB18030),
        _table("异议登记表.csv", made.objections),
        _table("撤回登记表.csv", withdrawals(made)),
    ]


def _table(file: str, rows: Iterable[Mapping[str, str | int]], encoding: str = BOM) -> Table:
    listed: list[Row] = [dict(row) for row in rows]
    return Table(file, tuple(listed[0]), listed, encoding)


def _yes(value: bool) -> str:
    return "是" if value else "否"


def declarations(made: Round) -> Iterator[Row]:
    """申报汇总表."""
    drafts = 0
    for n, item in enumerate(made.items, start=1):
        draft = item.fate == "draft"
        drafts += draft
        # A draft without its certificate, or with another's trademark as the first one has, could not be submitted.
        owner = "示例他人(虚构)" if draft and drafts == 1 else item.firm.name
        row: Row = {
            "申报编号": item.number,
            "企业编号": item.firm.key,
            "企业名称": item.firm.name,
            "统一社会信用代码": item.firm.code,
            "信用代码说明": "" if item.invented else "来源未载明",
            "产品名称": item.product,
            "所在地": item.place,
            "推荐单位": item.city["name"],
            "商标注册号": f"示例-{n:05}" if item.invented else "来源未载明(演示占位)",
            "商标注册人": item.firm.code if n % 7 == 0 and item.invented and not draft else owner,
            "属强制性认证": _yes(item.ccc),
            "属生产许可": _yes(item.licence),
            TRADEMARK: item.digest(TRADEMARK),
            CCC: item.digest(CCC) if item.ccc and not draft else "",
            LICENCE: item.digest(LICENCE) if item.licence and not draft else "",
            "联系人": f"演示联系人{n:04}",
            "真实性承诺": _yes(not draft),
            "申报日期": item.declared.isoformat(),
            "行业分组": item.group["name"],
            "来源陈述": "",
            "所在地出处": "虚构",
            "数据性质": item.nature,
            "备注": "",
        }
        if item.source is not None:
            row |= {
                "来源陈述": item.source["statement"],
                "所在地出处": "非来源所载(演示所设)",
                "备注": "企业称谓、产品名称、来源陈述出自新闻发布会;其余各栏为演示占位,不是事实",
            }
        yield row


def corrections(made: Round) -> Iterator[Row]:
    """补正登记表: what was sent back, and what came."""
    for item in made.items:
        for stage, sent, what, back in item.corrected:
            renewed = next((k for k in (TRADEMARK, CCC, LICENCE) if what.startswith(k)), "") if back else ""
            yield {
                "申报编号": item.number,
                "环节": stage,
                "退回日期": sent.isoformat(),
                "补正事项": what,
                "补正日期": back.isoformat() if back else "",
                **{k: item.digest(k, 2) if k == renewed else "" for k in (TRADEMARK, CCC, LICENCE)},
                "数据性质": INVENTED,
                "备注": "" if back else "逾期未补正",
            }


def acceptance(made: Round) -> Iterator[Row]:
    """受理登记表."""
    refused = 0
    for item in made.items:
        if item.fate in ("draft", "silent", "withdrawn_early"):
            continue
        code, reason = REFUSED[refused % len(REFUSED)] if item.fate == "refused" else ("", "")
        refused += item.fate == "refused"
        yield {
            "申报编号": item.number,
            "受理意见": "不予受理" if code else "受理",
            "理由代码": code,
            "理由": reason,
            "数据性质": INVENTED,
        }


def declined(made: Round) -> Iterator[Row]:
    """不予推荐登记表."""
    for n, item in enumerate(i for i in made.items if i.fate == "declined"):
        code, reason = DECLINED[n % len(DECLINED)]
        yield {
            "推荐单位": item.city["name"],
            "申报编号": item.number,
            "理由代码": code,
            "理由": reason,
            "数据性质": INVENTED,
        }


def letters(made: Round) -> Iterator[Row]:
    """推荐汇总表."""
    ranked = [i for i in made.items if i.letter]
    for item in sorted(ranked, key=lambda i: (made.cities.index(i.city), i.letter, i.rank)):
        yield {
            "推荐单位": item.city["name"],
            "推荐函文号": item.letter,
            "排序": item.rank,
            "申报编号": item.number,
            "企业名称": item.firm.name,
            "产品名称": item.product,
            "数据性质": INVENTED,
            "备注": "" if item.invented else "企业、产品出自新闻发布会;推荐、排序为虚构",
        }


def checks(made: Round) -> Iterator[Row]:
    """资格核查登记表: those recommended."""
    for item in made.items:
        if not item.letter or item.fate == "over_quota":
            continue
        ground = {"符合": "演示:已核对在本省设立的独立法人登记", "不符合": "演示:系外省企业在赣分支机构,不是独立法人"}
        if not item.invented:
            ground["符合"] = "演示所设:来源未载明信用代码,由人工认定"
        yield {
            "申报编号": item.number,
            **{heading: _yes(fact in item.facts) for fact, heading in FACTS.items()},
            "独立法人认定": item.finding,
            "认定依据": ground.get(item.finding, ""),
            "数据性质": INVENTED,
        }


def groups(made: Round) -> Iterator[Row]:
    """分组名额."""
    for group in made.groups:
        yield {
            "行业分组": group["name"],
            "组名": group["panel"],
            "入选名额": group["places"],
            "数据性质": INVENTED,
        }


def experts(made: Round) -> Iterator[Row]:
    """专家库: references, no names."""
    for n, group in enumerate(made.groups):
        for k in range(1, POOL + 1):
            yield {
                "专家编号": f"zj-{group['key']}-{k:02}",
                "行业分组": group["name"],
                "回避事由": "conflict" if k == POOL and n % 3 == 0 else "",
                "数据性质": INVENTED,
            }


def sheets(made: Round) -> Iterator[Row]:
    """评分表: by group, application and seat."""
    for group in made.groups:
        for item in made.of_group(group):
            for seat, scores in enumerate(item.sheets, start=1):
                given: Row = {d: scores[k] if scores else "" for k, d in enumerate(DIMENSIONS)}
                yield {
                    "席位号": seat,
                    "申报编号": item.number,
                    **given,
                    "回避": "" if scores else "演示:三年内曾任该企业顾问",
                    "组别": group["panel"],
                    "数据性质": INVENTED,
                }


def replies(made: Round) -> Iterator[Row]:
    """部门反馈表: who replied; a department that stayed silent about an item has no row."""
    waves = {1: (date(2021, 10, 20), 3), 2: (date(2021, 10, 28), 2), 3: (date(2021, 11, 22), 3)}
    chance = Chance(made.seed, "replies")
    for wave, (first_day, days) in waves.items():
        for item in sorted((i for i, w in made.consulted if w == wave), key=lambda i: i.number):
            against = chance.pick(list(DEPARTMENTS)) if item in made.opposed else ""
            for department, series in DEPARTMENTS.items():
                lot, day = chance.below(100), first_day + timedelta(days=chance.below(days))
                opinion, words = "无意见", ""
                if department == against:
                    opinion, words = "不同意", "演示:该企业有关事项尚未办结"
                elif item.invented and lot < 6 and wave == 1:
                    continue
                elif item.invented and lot < 10:
                    opinion, words = "有意见但不反对", "演示:提请关注后续整改情况"
                elif lot > 84:
                    opinion = "不涉及"
                yield {
                    "部门": department,
                    "申报编号": item.number,
                    "意见": opinion,
                    "文号": f"{series}〔2021〕{day.month * 100 + day.day}号",
                    "内容": words,
                    "反馈日期": day.isoformat(),
                    "数据性质": INVENTED,
                }


def withdrawals(made: Round) -> Iterator[Row]:
    """撤回登记表."""
    gone = [(i.withdrawn, i) for i in made.items if i.withdrawn]
    for n, (day, item) in enumerate(sorted(gone, key=_day_and_number)):
        yield {
            "申报编号": item.number,
            "企业编号": item.firm.key,
            "撤回日期": day.isoformat(),
            "理由": WITHDRAWN[n % len(WITHDRAWN)],
            "数据性质": INVENTED,
        }


def _day_and_number(entry: tuple[date, Item]) -> tuple[date, str]:
    return entry[0], entry[1].number
