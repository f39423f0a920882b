"""The table from which an office feeds 公示: objections that came by letter or telephone."""

from __future__ import annotations

from collections.abc import Iterator

from ganchu_stages.objection import Channel, Objection
from ganchu_workflow.actors import Role
from ganchu_workflow.process.cells import choice, code, long_text, text, yes_no
from ganchu_workflow.process.tables import Act, Column, Look, Row, Table, note

_KINDS = {"异议": Channel.OBJECTION.value, "举报": Channel.REPORT.value, "投诉": Channel.COMPLAINT.value}


def _file(row: Row, look: Look) -> Iterator[Act]:
    """An objection to an application, under the notice that showed it last."""
    application = look.application(row, "number")
    notices = look.cohorts(application, "notice", "open", "down", "closed")
    if not notices:
        raise row.wrong("number", "not_shown", "该项未经公示", "no notice has shown this application")
    data = {
        "kind": row["kind"],
        "ground": row["ground"],
        "anonymous": row["anonymous"],
        "name": row["name"] or "",
        "contact": row["contact"] or "",
        "signed": row["mark"] == "signed",
        "sealed": row["mark"] == "sealed",
    }
    yield Act.open(Objection, data, by=Role.PUBLIC, scope=row["objector"], parent=application, of=notices[-1])


OBJECTIONS = Table(
    "objections",
    "异议登记表",
    (
        Column("异议人编号", "objector", code(), required=True),
        Column("申报编号", "number", code(), required=True),
        Column("方式", "kind", choice(_KINDS), required=True),
        Column("匿名", "anonymous", yes_no(), default=False),
        Column("姓名或单位", "name", text(), private=True),
        Column("联系方式", "contact", text(), private=True),
        Column("签章", "mark", choice({"签字": "signed", "盖章": "sealed", "无": "none"}), default="none"),
        Column("内容", "ground", long_text(4000), required=True, private=True),
        note("收到日期"),
        note("处理"),
        note("不予受理理由"),
        note("核查结果"),
        note("核查文号"),
        note("核查情况"),
    ),
    _file,
    identity=("objector", "number", "kind"),
    blames={"identity_missing": "name"},
)
