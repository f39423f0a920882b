"""The funnel: by stage and by city, with reserve promotions, things sent back, and things that ended."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from ganchu_workflow import CaseView, Registry
from ganchu_workflow.cli.papers.funnel import Funnel, StageCount, city_table, funnel_markdown, funnel_of, funnel_table
from ganchu_workflow.cli.papers.wording import Places
from ganchu_workflow.plan import read_plan
from ganchu_workflow.process.definition import Process
from tests.cli.test_papers import wide

REGISTRY = Registry.discover()
USES = ["self_declaration", "local_recommendation", "qualification_check", "expert_review"]
USES += ["department_consultation", "deliberation", "public_notice", "announcement"]
CITIES = {"360100": "南昌市", "X-GJXQ": "赣江新区"}
OFFICES = {code: f"{name}工信局(虚构)" for code, name in CITIES.items()}
PLACES = {"city": CITIES, "recommender": OFFICES}


def named(places: Mapping[str, str]) -> Places:
    """The same names for cities and recommenders."""
    return {"city": places, "recommender": places}


def process_of(*uses: str) -> Process:
    """The process of a plan of these stages."""
    more: dict[str, dict[str, object]] = {
        "expert_review": {"places": 1},
        "deliberation": {"on": {"sent_back": "expert_review"}},
    }
    stages: list[dict[str, object]] = [{"use": use, **more.get(use, {})} for use in uses]
    return read_plan({"title": "虚构", "code": "T", "stage": stages}, REGISTRY).process


def standing(states: Mapping[str, int], city: str = "360100") -> list[CaseView]:
    """So many applications in each state, written `stage.state`, of one city."""
    found: list[CaseView] = []
    for state, count in states.items():
        stage, _, name = state.partition(".")
        at = name if name in ("withdrawn", "called_off") else state
        for _ in range(count):
            found.append(
                CaseView(
                    id=f"{city}-{len(found)}", kind="application", state=at, stage=stage, visit=1, round="R",
                    parent=None, of=None, facts={"city": city, "recommender": city}, parties={},
                    opened_at=datetime(2021, 8, 2, tzinfo=UTC), seq=1, head="",
                )
            )  # fmt: skip
    return found


STATES = {
    "self_declaration.draft": 1,
    "self_declaration.lapsed": 2,
    "self_declaration.withdrawn": 1,
    "local_recommendation.over_quota": 3,
    "local_recommendation.missed": 1,
    "expert_review.grouping": 2,  # sent back from the deliberation
    "expert_review.reserve": 1,
    "expert_review.not_shortlisted": 4,
    "department_consultation.consulting": 1,  # taken up from the reserve
    "public_notice.removed": 1,
    "announcement.set_aside": 1,
    "announcement.announced": 5,
}


def test_what_passed_a_stage_is_what_entered_the_next() -> None:
    funnel = funnel_of(process_of(*USES), standing(STATES), PLACES)
    assert funnel.stages == (
        StageCount("self_declaration", "企业自主申报", 23, 19, 1, (("逾期未提交", 2), ("已撤回", 1))),
        StageCount("local_recommendation", "地方推荐", 19, 15, 0, (("超名额未推荐", 3), ("逾期未报", 1))),
        StageCount("qualification_check", "资格审查", 15, 15, 0, ()),
        StageCount("expert_review", "专家评审", 15, 8, 3, (("不建议入选", 4),)),
        StageCount("department_consultation", "征求部门意见", 8, 7, 1, ()),
        StageCount("deliberation", "审议", 7, 7, 0, ()),
        StageCount("public_notice", "公示", 7, 6, 0, (("取消资格", 1),)),
        StageCount("announcement", "公布", 6, 5, 0, (("不予公布", 1),)),
    )
    assert (funnel.declared, funnel.chosen) == (23, 5)


def test_cities_add_up_to_the_stages() -> None:
    process = process_of(*USES)
    here, there = standing(STATES), standing({"self_declaration.draft": 1, "announcement.announced": 1}, "X-GJXQ")
    funnel = funnel_of(process, [*here, *there], PLACES)
    assert [(p.code, p.name, p.entered, p.passed) for p in funnel.cities] == [
        ("360100", "南昌市", (23, 19, 15, 15, 8, 7, 7, 6), 5),
        ("X-GJXQ", "赣江新区", (2, 1, 1, 1, 1, 1, 1, 1), 1),
    ]
    assert funnel.recommenders == tuple(replace(p, name=OFFICES[p.code]) for p in funnel.cities)
    assert [s.entered for s in funnel.stages] == [sum(p.entered[n] for p in funnel.cities) for n in range(8)]


def test_a_stage_that_a_plan_uses_twice_is_told_apart() -> None:
    stages = [{"use": "self_declaration"}, {"use": "public_notice", "as": "local_notice"}]
    stages += [{"use": "public_notice"}, {"use": "announcement"}]
    process = read_plan({"title": "虚构", "code": "T", "stage": stages}, REGISTRY).process
    labels = [s.label for s in funnel_of(process, [], PLACES).stages]
    assert labels == ["企业自主申报", wide("公示(local_notice)"), wide("公示(public_notice)"), "公布"]


def test_the_tables_fit_a_terminal_of_100_columns_and_lose_nothing() -> None:
    cities = [f"36{n:02}00" for n in range(1, 12)]
    applications = [a for city in cities for a in standing({k: v * 9 for k, v in STATES.items()}, city)]
    funnel = funnel_of(process_of(*USES), applications, named({c: f"虚构第{c}市" for c in cities}))
    for table, rows in ((funnel_table(funnel), 8), (city_table(funnel), 12)):
        lines = printed(table)
        assert max(map(cell_len, lines)) <= 100
        assert "…" not in "".join(lines)
        assert table.row_count == rows


def test_the_markdown_says_the_same() -> None:
    process = process_of("self_declaration", "announcement")
    funnel = funnel_of(process, standing({"announcement.announced": 2}), named({}))
    assert funnel_markdown(funnel).split("\n") == [
        "| 环节 | 进入 | 通过 | 在办 | 止于本环节 |",
        "| --- | --- | --- | --- | --- |",
        "| 企业自主申报 | 2 | 2 | 0 |  |",
        "| 公布 | 2 | 2 | 0 |  |",
        "",
        "| 所在地 | 企业自主申报 | 公布 | 最终通过 |",
        "| --- | --- | --- | --- |",
        "| 360100 | 2 | 2 | 2 |",
        "| 合计 | 2 | 2 | 2 |",
    ]


def test_a_place_cannot_break_out_of_its_cell() -> None:
    process = process_of("self_declaration", "announcement")
    name = "甲|乙\n<b>*丙*"
    funnel = funnel_of(process, standing({"announcement.announced": 1}), named({"360100": name}))
    assert "| 甲\\|乙 \\<b\\>\\*丙\\* | 1 | 1 | 1 |" in funnel_markdown(funnel).split("\n")


def printed(table: Table) -> list[str]:
    out = StringIO()
    Console(file=out, width=100, color_system=None).print(table)
    return out.getvalue().splitlines()


def test_an_empty_round_has_an_empty_funnel() -> None:
    funnel: Funnel = funnel_of(process_of("self_declaration", "announcement"), [], named({}))
    assert [(s.entered, s.passed, s.waiting, s.ended) for s in funnel.stages] == [(0, 0, 0, ())] * 2
    assert funnel.cities == ()
