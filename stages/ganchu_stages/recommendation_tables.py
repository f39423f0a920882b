"""The tables from which an office feeds 地方推荐: the letters with their ranks, and what was not recommended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganchu_workflow.actors import Role
from ganchu_workflow.process.cells import code, long_text, place, text, whole_number
from ganchu_workflow.process.tables import Act, Column, Look, Row, Table, note, rows_of, values_of


def _recommenders(settings: Any) -> dict[str, str]:
    return dict(settings.recommenders)


def _issue(row: Row, look: Look) -> Iterator[Act]:
    """One letter of one local authority, over all the rows that name it."""
    ranks = {look.application(each, "number").id: each["rank"] for each in row.group}
    authority = row["recommender"]
    yield Act.open("recommendation", by=Role.LOCAL_AUTHORITY, scope=authority)
    letter = {"letter": row["letter"], "ranks": ranks}
    yield Act.fire("issue", letter, by=Role.LOCAL_AUTHORITY, scope=authority)


LETTERS = Table(
    "letters",
    "推荐汇总表",
    (
        Column("推荐单位", "recommender", place(_recommenders), required=True),
        Column("推荐函文号", "letter", text(120), required=True),
        Column("排序", "rank", whole_number(1, 9999), required=True),
        Column("申报编号", "number", code(), required=True),
        note("企业名称"),
        note("产品名称"),
    ),
    _issue,
    identity=("number",),
    group_by=("recommender", "letter"),
    blames={
        "not_a_recommender": "recommender",
        "no_quota": "recommender",
        "quota_used_up": "recommender",
        "not_yours": rows_of("number", "cases"),
        "tied_ranks": values_of("rank", "ranks"),
        "ranks_not_consecutive": "rank",
    },
)


def _decline(row: Row, look: Look) -> Iterator[Act]:
    data = {"reason_code": row["reason_code"], "text": row["text"]}
    application = look.application(row, "number")
    yield Act.fire("decline", data, on=application, by=Role.LOCAL_AUTHORITY, scope=row["recommender"])


DECLINED = Table(
    "declined",
    "不予推荐登记表",
    (
        Column("推荐单位", "recommender", place(_recommenders), required=True),
        Column("申报编号", "number", code(), required=True),
        Column("理由代码", "reason_code", code(), required=True),
        Column("理由", "text", long_text(2000), required=True, private=True),
    ),
    _decline,
    identity=("number",),
    blames={"not_allowed": "recommender"},
)
