"""The office's lists of a round as plain rows: every application, a count by recommender, and what was announced.

They are the office's own: beside what is public they say where each application stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganchu_workflow.cli.papers.funnel import Funnel, place_headings, place_rows
from ganchu_workflow.cli.papers.wording import Places, stage_label
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.values import CaseView

Cell = str | int


@dataclass(frozen=True, slots=True)
class Listing:
    """One list: its title, its file name without ending, headings, and rows of text and whole numbers."""

    title: str
    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def listings(
    process: Process,
    applications: Sequence[CaseView],
    announcements: Sequence[CaseView],
    funnel: Funnel,
    places: Places,
) -> tuple[Listing, ...]:
    """The three lists of a round: 总表， 推荐单位汇总， 公布名单."""
    return (
        _applications(process, applications, places),
        _recommenders(funnel),
        _announced(announcements, places),
    )


def _applications(process: Process, applications: Sequence[CaseView], places: Places) -> Listing:
    rows: list[tuple[Cell, ...]] = []
    for ordinal, application in enumerate(applications, start=1):
        facts = application.facts
        recommendation = facts.get("recommendation") or {}
        rows.append(
            (
                ordinal,
                facts.get("number") or "",
                *(facts.get(name) or "" for name in ("enterprise", "product")),
                *(places[n].get(facts.get(n) or "", facts.get(n) or "") for n in ("city", "recommender")),
                stage_label(process, application.stage),
                process.state(application).label,
                recommendation.get("letter") or "",
                recommendation.get("rank") or "",
            )
        )
    headings = ("序号", "申报编号", "企业名称", "产品名称", "所在地", "推荐单位", "环节", "状态", "推荐函", "推荐排序")
    return Listing("总表", "applications", headings, tuple(rows))


def _recommenders(funnel: Funnel) -> Listing:
    rows: list[tuple[Cell, ...]] = [(r[0], *map(int, r[1:])) for r in place_rows(funnel, funnel.recommenders)]
    return Listing("推荐单位汇总", "recommenders", tuple(place_headings(funnel, "推荐单位")), tuple(rows))


def _announced(announcements: Sequence[CaseView], places: Places) -> Listing:
    rows: list[tuple[Cell, ...]] = []
    for act in announcements:
        for number, _, enterprise, product, city in act.facts["list"]:
            place = places["city"].get(city, city or "")
            rows.append(
                (len(rows) + 1, number, enterprise, product, place, act.facts["document"], act.facts["dated_on"])
            )
    headings = ("序号", "认定编号", "企业名称", "产品名称", "所在地", "公布文件", "落款日期")
    return Listing("公布名单", "announced", headings, tuple(rows))
