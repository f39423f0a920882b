"""The table from which an office feeds 征求部门意见: what the departments replied."""

from __future__ import annotations

from collections.abc import Iterator

from ganchu_workflow.actors import Role
from ganchu_workflow.process.cells import choice, code, long_text, text
from ganchu_workflow.process.tables import Act, Column, Look, Row, Table, note

_OPINIONS = {"无意见": "agree", "有意见但不反对": "note", "不涉及": "not_ours", "不同意": "oppose"}
_SAYS = {"note": "remark", "oppose": "ground"}
"""The opinions that must say something, and as what."""


def _reply(row: Row, look: Look) -> Iterator[Act]:
    """The department's reply about one application, to the letter that asked it last."""
    application, department = look.application(row, "number"), row["department"]
    asked = look.children(application, "consultation", by=Role.DEPARTMENT, scope=department)
    if not asked:
        raise row.wrong(
            "department",
            "not_asked",
            "未就该项征求过该部门意见",
            "this department has not been asked about this application",
        )
    opinion = row["opinion"]
    data = {"document": row["document"]}
    if opinion in _SAYS:
        row.need("content")
        data[_SAYS[opinion]] = row["content"]
    yield Act.fire(opinion, data, on=asked[-1], by=Role.DEPARTMENT, scope=department)


REPLIES = Table(
    "replies",
    "部门反馈表",
    (
        Column("部门", "department", text(120), required=True),
        Column("申报编号", "number", code(), required=True),
        Column("意见", "opinion", choice(_OPINIONS), required=True),
        Column("文号", "document", text(120), required=True),
        Column("内容", "content", long_text(4000), private=True),
        note("反馈日期"),
    ),
    _reply,
    identity=("department", "number"),
    blames={"not_here": "opinion"},
)
