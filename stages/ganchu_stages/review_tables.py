"""The tables from which an office feeds 专家评审: how applications are grouped, who comes, and the score sheets."""

from __future__ import annotations

from collections.abc import Iterator

from ganchu_stages.panel import ExpertReviewSettings, Sheet
from ganchu_workflow.actors import Role
from ganchu_workflow.process.cells import choice, code, codes, long_text, text, whole_number
from ganchu_workflow.process.tables import Act, Column, Look, Row, Table, columns_of, note, rows_of
from ganchu_workflow.process.values import CaseView

_HEADINGS = {
    "advanced": "技术先进",
    "quality": "质量优良",
    "benefit": "效益突出",
    "brand": "品牌知名",
    "distinctive": "特色鲜明",
}
"""What an official calls the dimensions of 赣出精品. One that a plan adds goes by its own name."""


def _convene(row: Row, look: Look) -> Iterator[Act]:
    """One panel for the applications of a group, with the pool it is drawn from and its places."""
    members = [look.application(each, "number") for each in row.group]
    pool, places = row.common("pool"), row.common("places")
    if pool is None:
        row.need("pool")
    data = {"group": row["group"], "pool": list(pool), "places": places}
    yield Act.open("panel", data, by=Role.OFFICE, members=members)


PANELS = Table(
    "panels",
    "评审分组表",
    (
        Column("组别", "group", text(), required=True),
        Column("申报编号", "number", code(), required=True),
        Column("入选名额", "places", whole_number(0, 9999)),
        Column("专家库", "pool", codes()),
    ),
    _convene,
    identity=("number",),
    group_by=("group",),
    blames={
        "member_not_here": rows_of("number", "cases", "case"),
        "in_another_panel": rows_of("number", "cases"),
        "pool_repeats": "pool",
        "pool_too_small": "pool",
    },
)


def _answer(row: Row, look: Look) -> Iterator[Act]:
    """What an expert answered to the invitation: to the open one, else to the last, which then says that it is over."""
    seats = look.cases("seat", by=Role.EXPERT, scope=row["expert"])
    if row["group"] is not None:
        panels = {p.id for p in look.cases("panel") if p.facts["group"] == row["group"]}
        if not panels:
            raise row.wrong("group", "group_unknown", "没有该组的专家组", "there is no panel of this group")
        seats = [s for s in seats if s.parent in panels]
    if not seats:
        raise row.wrong("expert", "not_invited", "该专家未被抽取", "this expert has not been drawn")
    invited = [s for s in seats if s.state == "invited"]
    if len(invited) > 1:
        raise row.wrong(
            "group", "seat_ambiguous", "该专家被邀请到几个组,请写明组别", "several panels invite the expert: say which"
        )
    data = {"reason": row["reason"]} if row["answer"] == "decline" and row["reason"] is not None else {}
    yield Act.fire(row["answer"], data, on=(invited or seats)[-1], by=Role.EXPERT, scope=row["expert"])


SEATS = Table(
    "seats",
    "专家确认登记表",
    (
        Column("专家编号", "expert", code(), required=True),
        Column("组别", "group", text()),
        Column("答复", "answer", choice({"接受": "accept", "谢绝": "decline"}), required=True),
        Column("谢绝理由", "reason", long_text(2000), private=True),
    ),
    _answer,
    identity=("expert", "group"),
    blames={"not_here": "answer"},
)


def _dimensions(settings: ExpertReviewSettings) -> list[str]:
    """The dimensions of the plan, those of 赣出精品 in their usual order first."""
    return [*(name for name in _HEADINGS if name in settings.weights), *sorted(set(settings.weights) - set(_HEADINGS))]


def _columns(settings: ExpertReviewSettings) -> tuple[Column, ...]:
    score = whole_number(0, lambda found: found.top_score)
    return (
        Column("席位号", "seat", whole_number(1, 99)),
        Column("专家编号", "expert", code()),
        Column("申报编号", "number", code(), required=True),
        *(Column(_HEADINGS.get(name, name), name, score, field=f"scores.{name}") for name in _dimensions(settings)),
        Column("回避", "recused", long_text(2000), private=True, field="ground"),
        note("组别"),
    )


def _score(row: Row, look: Look) -> Iterator[Act]:
    """The scores of one expert for one application; or, where the expert stands aside, the ground and no scores."""
    application = look.application(row, "number")
    expert = _expert(row, look, application)
    panel = _panel(look, application)
    column = "seat" if row["expert"] is None else "expert"
    sheets = look.children(application, Sheet, by=Role.EXPERT, scope=expert)
    sheets = [s for s in sheets if panel is not None and s.of == panel.id]
    if not sheets:
        raise row.wrong(
            column,
            "no_sheet",
            "该专家没有该项的评分表",
            "the expert has no sheet for this application",
        )
    names = _dimensions(look.settings)
    if row["recused"] is None:
        row.need(*names)
        scores = {name: row[name] for name in names}
        yield Act.fire(Sheet.score, {"scores": scores}, on=sheets[-1], by=Role.EXPERT, scope=expert)
        return
    for name in names:
        if row[name] is not None:
            raise row.wrong(name, "score_with_recusal", "已回避的不得打分", "who stands aside gives no score")
    yield Act.fire(Sheet.recuse, {"ground": row["recused"]}, on=sheets[-1], by=Role.EXPERT, scope=expert)


def _expert(row: Row, look: Look, application: CaseView) -> str:
    """The expert that the row names, by reference or by the seat on the panel."""
    if row["expert"] is None and row["seat"] is None:
        row.need("seat")
    if row["expert"] is not None and row["seat"] is None:
        return str(row["expert"])
    panel = _panel(look, application)
    experts = list(panel.facts.get("experts", ())) if panel is not None else []
    if not experts:
        raise row.wrong("number", "no_panel", "该项尚无专家组在评", "no panel reviews this application at present")
    if row["seat"] > len(experts):
        raise row.wrong(
            "seat",
            "seat_unknown",
            f"该专家组只有{len(experts)}个席位",
            f"the panel of this application has {len(experts)} seats",
        )
    found = str(experts[row["seat"] - 1])
    if row["expert"] not in (None, found):
        raise row.wrong("expert", "seat_of_another", "该席位不是这位专家", "this seat of the panel is another expert's")
    return found


def _panel(look: Look, application: CaseView) -> CaseView | None:
    """The panel that has the application in hand."""
    panel = application.facts.get("panel", {}).get(look.stage)
    return look.case(panel) if panel else None


SCORES = Table(
    "scores",
    "评分表",
    _columns,
    _score,
    identity=("seat", "expert", "number"),
    blames={"wrong_dimensions": columns_of("missing"), "score_out_of_range": columns_of("dimensions")},
)
