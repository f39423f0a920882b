"""What a round leaves on paper: the printed notice and announcement, word by word and cell by cell."""

from typing import Any, get_args, get_type_hints

import pytest

from ganchu_workflow.canonical import digest_of
from ganchu_workflow.cli.demo import MARK
from ganchu_workflow.cli.papers import wording
from ganchu_workflow.cli.papers.html import Desk, ListAltered, announcement_html, notice_html
from ganchu_workflow.cli.papers.wording import DEFAULT_ZH, places_of
from ganchu_workflow.errors import Invalid
from ganchu_workflow.timing import Anomaly
from tests.cli.paper_reading import CITIES, OFFICES, Page, announcement_facts, notice_facts, round_facts

HOSTILE = '<script>alert("1")</script>&\'"甲'
STEPS = ("企业自主申报", "专家评审")
DESK = Desk("甲厅", "甲厅某处", "某路1号", "0791-1", "a@b.invalid")


def wide(text: str) -> str:
    """The full-width punctuation in which Chinese is printed."""
    return text.translate(str.maketrans(",:;()", "\uff0c\uff1a\uff1b\uff08\uff09"))


# ── the notice ──


def test_a_notice_says_what_is_shown_until_when_and_how_to_object() -> None:
    page = Page(notice_html(round_facts(demonstration=False), notice_facts(), steps=STEPS, desk=DESK))
    assert page.texts("h1") == ["虚构评选首次公示", "公示名单"]
    assert page.texts("h2") == ["一、公示期", "二、异议的提出", "三、受理方式"]
    assert page.texts("p") == [
        wide("虚构评选经企业自主申报、专家评审,形成公示名单,共1项(见附件)。现予公示,接受社会监督。"),
        wide(
            "自2021年11月3日9时起,至2021年11月10日17时30分止。公示期为5个工作日(公布当日不计);"
            "其间11月6日、7日为休息日,不计入。截止时刻当时收到的异议,仍属在期限内提出。"
        ),
        wide(
            "任何单位或者个人对名单有异议的,请在公示期内以书面形式实名提出,说明理由并提供必要的证据或者线索。"
            "单位提出的,写明单位名称、联系人和联系方式,并加盖公章;个人提出的,写明真实姓名和联系方式,并由本人签名。"
            "逾期提出的,不予受理;匿名提出的,记录在案,但可以不予受理。对异议人的身份信息予以保密。"
        ),
    ]
    assert page.texts("li") == [
        wide(t) for t in ("受理单位:甲厅某处", "通信地址:某路1号", "联系电话:0791-1", "电子邮箱:a@b.invalid")
    ]
    assert page.texts("div")[:2] == ["甲厅", "2021年11月3日"]


def test_a_notice_shows_number_enterprise_product_and_city_and_no_more() -> None:
    facts = notice_facts(("甲公司", "甲产品", "360100"), ("乙公司", "乙产品", "X-GJXQ"), ("丙公司", "丙产品", "999999"))
    html = notice_html(round_facts(), facts)
    page = Page(html)
    assert page.rows == [
        ["序号", "企业名称", "产品名称", "所在地"],
        ["1", "甲公司", "甲产品", "南昌市"],
        ["2", "乙公司", "乙产品", "赣江新区"],
        ["3", "丙公司", "丙产品", "999999"],
    ]
    assert page.texts("p.digest") == [wide("名单共3项。名单摘要(") + "SHA-256" + wide("):") + facts["digest"]]
    assert "01CASE" in str(facts["list"]) and "01CASE" not in html


def test_a_recommender_has_a_name_of_its_own_or_that_of_its_city() -> None:
    facts = round_facts()
    assert places_of(facts) == {"city": CITIES, "recommender": OFFICES}
    (register,) = (s for s in facts["plan"]["stage"] if s["use"] == "local_recommendation")
    facts["plan"]["stage"].remove(register)
    assert places_of(facts) == {"city": CITIES, "recommender": CITIES}


def test_names_are_text_and_never_markup() -> None:
    html = notice_html(round_facts(), notice_facts((HOSTILE, HOSTILE, HOSTILE), title=HOSTILE))
    page = Page(html)
    assert page.rows[1] == ["1", HOSTILE, HOSTILE, HOSTILE]
    assert page.texts("h1") == [f"虚构评选{HOSTILE}", "公示名单"]
    assert "script" not in page.tags
    page = Page(announcement_html(round_facts(), announcement_facts((HOSTILE,) * 3, issuers=[HOSTILE])))
    assert page.rows[1] == ["1", "T-1-001", HOSTILE, HOSTILE, HOSTILE]
    assert "script" not in page.tags


@pytest.mark.parametrize("demonstration", [True, False])
def test_the_watermark_stands_on_a_demonstration_and_on_nothing_else(demonstration: bool) -> None:
    facts = round_facts(demonstration=demonstration)
    for html in (
        notice_html(facts, notice_facts()),
        announcement_html(facts, announcement_facts(("甲公司", "甲产品", "360100"))),
    ):
        page = Page(html)
        marked = [text for name, text in page.blocks if name in ("div.mark", "div.mark-line")]
        assert marked == ([MARK, MARK] if demonstration else [])
        assert (".mark { position: fixed;" in page.style) is demonstration  # fixed: printed on every page
        assert (f'@top-center {{ content: "{MARK}"' in page.style) is demonstration
        assert page.texts("title")[0].startswith(f"【{MARK}】") is demonstration
        assert (MARK in html) is demonstration


def test_a_list_of_136_is_one_table_whose_head_is_repeated_and_whose_rows_stay_whole() -> None:
    page = Page(notice_html(round_facts(), notice_facts(*[(f"公司{n}", f"产品{n}", "360100") for n in range(1, 137)])))
    assert [row[0] for row in page.rows[1:]] == [str(n) for n in range(1, 137)]
    assert page.tags.count("table") == page.tags.count("thead") == 1
    assert "thead { display: table-header-group; }" in page.style
    assert "tr { break-inside: avoid; }" in page.style


WINDOWS: list[tuple[dict[str, Any], str]] = [
    (
        {"rule": "5 working days, start day counted, to 24:00", "closes_at": "2021-11-09T16:00:00.000000Z", "days": []}
        | {"reckoned": "2021-11-09T16:00:00.000000Z"},
        "自2021年11月3日9时起,至2021年11月9日24时止。公示期为5个工作日(公布当日计入)。",
    ),
    (
        {"closes_at": "2021-11-12T09:30:00.000000Z"},
        "自2021年11月3日9时起,至2021年11月12日17时30分止。公示期为不少于5个工作日(公布当日不计)。",
    ),
    (
        {"days": [[f"2021-10-{d:02}", False, "holiday", "国庆"] for d in range(1, 10)]},
        "自2021年11月3日9时起,至2021年11月10日17时30分止。公示期为5个工作日(公布当日不计);其间休息日9天,不计入。",
    ),
    (
        {"days": [["2021-10-31", False, "weekend", ""], ["2021-11-06", False, "weekend", ""]]},
        "自2021年11月3日9时起,至2021年11月10日17时30分止。公示期为5个工作日(公布当日不计);"
        "其间10月31日、11月6日为休息日,不计入。",
    ),
    (
        {"rule": "48 hours", "days": [], "closes_at": "2021-11-10T15:59:59.000000Z"}
        | {"reckoned": "2021-11-10T15:59:59.000000Z", "opens_at": "2021-11-03T01:00:00.250000Z"},
        "自2021年11月3日9时0分0.25秒起,至2021年11月10日23时59分59秒止。公示期为48小时。",
    ),
    (
        {"rule": "48 hours", "days": [], "opens_at": "2021-11-03T01:05:00.000000Z"},
        "自2021年11月3日9时5分起,至2021年11月10日17时30分止。公示期为48小时。",
    ),
]


@pytest.mark.parametrize(("changed", "words"), WINDOWS)
def test_the_window_is_printed_as_it_was_counted(changed: dict[str, Any], words: str) -> None:
    page = Page(notice_html(round_facts(), notice_facts(**changed)))
    assert page.texts("p")[1] == wide(words) + wide("截止时刻当时收到的异议,仍属在期限内提出。")


def test_what_has_changed_since_is_printed() -> None:
    end, later = "2021-11-10T09:30:00.000000Z", "2021-11-12T09:30:00.000000Z"
    gap = {"from": "2021-11-04T01:00:00.000000Z", "to": "2021-11-04T04:00:00.000000Z", "ground": "内部缘由"}
    facts = notice_facts(
        ("甲公司", "丙", "360100"),
        closes_at=later,
        extensions=[{"from": end, "to": later, "ground": "内部缘由"}],
        interruptions=[gap],
        corrections=[
            {"ordinal": 1, "field": "product", "was": "甲", "digest": "0", "document": "更〔1〕号"},
            {"ordinal": 1, "field": "city", "was": "X-GJXQ", "digest": "0", "document": "更〔2〕号"},
            {"ordinal": 1, "field": "product", "was": "乙", "digest": "0", "document": "更〔3〕号"},
        ],
    )
    html = notice_html(round_facts(), facts)
    page = Page(html)
    assert page.texts("p")[2:4] == [
        "公示截止时间由2021年11月10日17时30分延长至2021年11月12日17时30分。",
        wide("公示于2021年11月4日9时暂时撤下,至2021年11月4日12时止。"),
    ]
    assert page.texts("p")[5:] == [
        wide("第1项产品名称原为“甲”,更正为“乙”(更〔1〕号)。"),
        wide("第1项所在地原为“赣江新区”,更正为“南昌市”(更〔2〕号)。"),
        wide("第1项产品名称原为“乙”,更正为“丙”(更〔3〕号)。"),
    ]
    assert "内部缘由" not in html  # a ground is the office's, and may name somebody


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("open_", []),
        ("closed", []),
        ("down", ["本公示现已暂时撤下。"]),
        ("dropped", ["本公示已废止,名单不再有效。"]),
    ],
)
def test_a_notice_that_no_longer_stands_says_so(state: str, words: list[str]) -> None:
    page = Page(notice_html(round_facts(), notice_facts(), state=state))
    assert page.texts("p.standing") == [wide(w) for w in words]


def test_only_defaults_are_called_defaults() -> None:
    ways = "异议的提出和受理方式"
    by_default = Page(notice_html(round_facts(), notice_facts()))
    assert by_default.texts("p.remark") == [wide(f"(公示期的长度和计算方法、{ways}为{DEFAULT_ZH})")]
    by_plan = Page(notice_html(round_facts(defaults=()), notice_facts()))
    assert by_plan.texts("p.remark") == [wide(f"({ways}为{DEFAULT_ZH})")]
    assert wide("默认值,非“赣出精品”规定") == DEFAULT_ZH
    act = announcement_facts(("甲公司", "甲产品", "360100"))
    assert Page(announcement_html(round_facts(), act)).texts("p.digest")[1:] == [
        wide(f"(认定编号的格式为{DEFAULT_ZH})")
    ]
    assert Page(announcement_html(round_facts(defaults=()), act)).texts("p.digest")[1:] == []


def test_an_offices_own_papers_carry_no_remark_of_ours() -> None:
    facts = round_facts(demonstration=False)
    assert Page(notice_html(facts, notice_facts())).texts("p.remark") == []
    act = announcement_facts(("甲公司", "甲产品", "360100"))
    assert len(Page(announcement_html(facts, act)).texts("p.digest")) == 1  # the digest of the list


def test_the_desk_of_a_notice_is_what_the_plan_gives() -> None:
    desk = {"issuer": "甲委", "unit": "甲处", "address": None, "telephone": "0791-0000000", "mail": None}
    for demonstration in (False, True):
        facts = round_facts(demonstration=demonstration)
        next(s for s in facts["plan"]["stage"] if s["as"] == "public_notice")["desk"] = desk
        page = Page(notice_html(facts, notice_facts()))
        assert page.texts("li") == [
            wide("受理单位:甲处"),
            wide("通信地址:"),
            wide("联系电话:0791-0000000"),
            wide("电子邮箱:"),
        ]


def test_what_an_office_has_not_given_is_a_line_to_fill_in() -> None:
    html = notice_html(round_facts(demonstration=False), notice_facts())
    assert html.count('<span class="blank"></span>') == 5
    assert "虚构)" in notice_html(round_facts(), notice_facts()).replace("\uff09", ")")  # a demonstration invents one


def test_a_list_that_is_not_the_frozen_one_is_not_printed() -> None:
    facts = notice_facts(("甲公司", "甲产品", "360100"))
    facts["list"][0][2] = "乙公司"
    with pytest.raises(ListAltered):
        notice_html(round_facts(), facts)
    act = announcement_facts(("甲公司", "甲产品", "360100"))
    act["digest"] = digest_of([])
    with pytest.raises(ListAltered):
        announcement_html(round_facts(), act)


def test_a_draft_is_not_printed() -> None:
    with pytest.raises(Invalid, match="has not been published"):
        notice_html(round_facts(), {"title": "拟稿", "dated_on": "2021-11-03"})


# ── the announcement ──


def test_an_announcement_names_its_issuers_document_and_items() -> None:
    facts = announcement_facts(("甲公司", "甲产品", "360100"), ("乙公司", "乙产品", "360700"))
    html = announcement_html(round_facts(demonstration=False), facts, steps=(*STEPS, "公示"))
    page = Page(html)
    assert page.texts("h1") == ["关于公布虚构评选结果的公告", "虚构评选结果名单"]
    assert page.texts("div") == ["虚构甲厅", "虚构乙局", "文件", "虚构甲厅", "虚构乙局", "2021年12月16日"]
    assert page.texts("p.number") == ["虚发〔2021〕1号"]
    assert page.texts("p")[0] == wide("经企业自主申报、专家评审、公示,现将虚构评选结果予以公布,共2项(名单见附件)。")
    assert page.rows == [
        ["序号", "认定编号", "企业名称", "产品名称", "所在地"],
        ["1", "T-1-001", "甲公司", "甲产品", "南昌市"],
        ["2", "T-1-002", "乙公司", "乙产品", "赣州市"],
    ]
    assert "01CASE" not in html


def test_every_anomaly_of_a_printed_window_has_words_on_paper() -> None:
    assert wording._ANOMALIES.keys() == set(get_args(get_type_hints(Anomaly)["code"]))
