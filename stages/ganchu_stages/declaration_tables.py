"""The tables from which an office feeds 企业自主申报: declarations that came on paper, and what was accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganchu_stages.documents import DocumentKind
from ganchu_workflow.actors import Role
from ganchu_workflow.process.cells import choice, code, long_text, place, sha256, text, yes_no
from ganchu_workflow.process.tables import Act, Column, Look, Row, Table, columns_of, note

_CERTIFICATES = {
    DocumentKind.TRADEMARK_CERTIFICATE: "商标注册证",
    DocumentKind.CCC_CERTIFICATE: "强制性认证证书",
    DocumentKind.PRODUCTION_LICENCE: "生产许可证",
}


def _cities(settings: Any) -> dict[str, str]:
    return dict(settings.cities)


def _recommenders(settings: Any) -> dict[str, str]:
    """Those that the plan registers; where it registers none, a place."""
    return dict(getattr(settings, "recommenders", settings.cities))


def _declare(row: Row, look: Look) -> Iterator[Act]:
    """A declaration, and its submission where the enterprise has promised that it is truthful."""
    documents = [
        {"kind": kind.value, "name": heading, "sha256": row[kind], "uri": f"urn:ganchu:{row['number']}:{kind}"}
        for kind, heading in _CERTIFICATES.items()
        if row[kind] is not None
    ]
    data = {
        "number": row["number"],
        "enterprise": row["enterprise"],
        "credit_code": row["credit_code"],
        "credit_code_override": row["credit_code_override"] or "",
        "product": row["product"],
        "city": row["city"],
        "recommender": row["recommender"],
        "trademark": {"number": row["trademark_number"], "owner": row["trademark_owner"]},
        "ccc_in_scope": row["ccc_in_scope"],
        "licence_in_scope": row["licence_in_scope"],
        "documents": documents,
        "contact": row["contact"],
    }
    yield Act.open("application", data, by=Role.APPLICANT, scope=row["firm"])
    if row["truthful"]:
        yield Act.fire("submit", {"truthful": True}, by=Role.APPLICANT, scope=row["firm"])


DECLARATIONS = Table(
    "declarations",
    "申报汇总表",
    (
        Column("申报编号", "number", code(60), required=True),
        Column("企业编号", "firm", code(), required=True),
        Column("企业名称", "enterprise", text(), required=True),
        Column("统一社会信用代码", "credit_code", code(60)),
        Column("信用代码说明", "credit_code_override", long_text(1000), private=True),
        Column("产品名称", "product", text(), required=True),
        Column("所在地", "city", place(_cities), required=True),
        Column("推荐单位", "recommender", place(_recommenders), required=True),
        Column("商标注册号", "trademark_number", text(60), required=True, field="trademark.number"),
        Column("商标注册人", "trademark_owner", text(), required=True, field="trademark.owner"),
        Column("属强制性认证", "ccc_in_scope", yes_no(), default=False),
        Column("属生产许可", "licence_in_scope", yes_no(), default=False),
        *(Column(heading, kind.value, sha256()) for kind, heading in _CERTIFICATES.items()),
        Column("联系人", "contact", text(400), required=True, private=True),
        Column("真实性承诺", "truthful", yes_no(), default=False),
        note("申报日期"),
        note("行业分组"),
        note("来源陈述"),
        note("所在地出处"),
    ),
    _declare,
    identity=("number",),
    blames={
        "credit_code_invalid": "credit_code",
        "credit_code_check_digit": "credit_code",
        "credit_code_missing": "credit_code",
        "trademark_owner": "trademark_owner",
        "evidence_missing": columns_of("missing"),
        "product_declared_already": "product",
        "enterprise_cap_reached": "firm",
        "number_taken": "number",
        "city_unknown": "city",
        "recommender_unknown": "recommender",
    },
)


def _accept(row: Row, look: Look) -> Iterator[Act]:
    """The office takes the declaration up, or does not, and then says why."""
    application = look.application(row, "number")
    if row["accepted"]:
        yield Act.fire("accept", on=application, by=Role.OFFICE)
        return
    row.need("reason_code", "text")
    data = {"reason_code": row["reason_code"], "text": row["text"]}
    yield Act.fire("refuse", data, on=application, by=Role.OFFICE)


ACCEPTANCE = Table(
    "acceptance",
    "受理登记表",
    (
        Column("申报编号", "number", code(), required=True),
        Column("受理意见", "accepted", choice({"受理": True, "不予受理": False}), required=True),
        Column("理由代码", "reason_code", code()),
        Column("理由", "text", long_text(2000), private=True),
    ),
    _accept,
    identity=("number",),
)
