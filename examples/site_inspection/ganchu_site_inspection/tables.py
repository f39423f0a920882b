"""The table from which an office feeds 现场核查: what the inspectors found, one line for each visit."""

from __future__ import annotations

from collections.abc import Iterator

from ganchu_workflow.actors import Role
from ganchu_workflow.process import Act, Column, Look, Row, Table, choice, code, long_text, sha256, text


def _report(row: Row, look: Look) -> Iterator[Act]:
    """The inspector's report on the last visit ordered. Kinds and triggers go by name here: the stage imports us."""
    application = look.application(row, "number")
    visits = look.children(application, "site_visit", by=Role.EXPERT, scope=row["inspector"])
    if not visits:
        raise row.wrong(
            "inspector",
            "no_such_visit",
            "该项没有派给该核查人员的任务",
            "no visit to this application has been ordered from this inspector",
        )
    record = {
        "visited_on": row["visited_on"],
        "conforms": row["conforms"],
        "findings": row["findings"] or "",
        "sheet": {"name": "现场核查记录", "sha256": row["sha256"], "uri": row["uri"]},
    }
    yield Act.fire("report", record, on=visits[-1], by=Role.EXPERT, scope=row["inspector"])


RECORDS = Table(
    "site_records",
    "现场核查登记表",
    (
        Column("申报编号", "number", code(), required=True),
        Column("核查人员编号", "inspector", code(), required=True),
        Column("核查日期", "visited_on", text(10), required=True),
        Column("核查结论", "conforms", choice({"符合": True, "不符合": False}), required=True),
        Column("核查发现", "findings", long_text(), private=True),
        Column("记录摘要", "sha256", sha256(), required=True, field="sheet.sha256"),
        Column("记录位置", "uri", text(500), required=True, field="sheet.uri"),
    ),
    _report,
    identity=("number", "inspector"),
    blames={"findings_missing": "findings"},
)
"""现场核查登记表: `ganchu round import ROUND site_records FILE`."""
