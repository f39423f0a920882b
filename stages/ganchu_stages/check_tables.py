"""The table from which an office feeds 资格审查: what it found out about the applicants."""

from __future__ import annotations

from collections.abc import Iterator

from ganchu_workflow.actors import Role
from ganchu_workflow.process.cells import choice, code, long_text, yes_no
from ganchu_workflow.process.tables import Act, Column, Look, Row, Table


def _record(row: Row, look: Look) -> Iterator[Act]:
    """What was looked up; and where a rule leaves it to a person, what the person found, and on what ground."""
    facts = {name: row[name] for name in ("abnormal", "dishonest", "accident", "stopped")}
    findings = {}
    if row["legal_person"] is not None:
        row.need("note")
        findings = {"legal_person": row["legal_person"]}
    data = {**facts, "findings": findings, "note": row["note"] or ""}
    yield Act.fire("record", data, on=look.application(row, "number"), by=Role.OFFICE)


CHECKS = Table(
    "checks",
    "资格核查登记表",
    (
        Column("申报编号", "number", code(), required=True),
        Column("经营异常", "abnormal", yes_no(), required=True),
        Column("失信或欠税", "dishonest", yes_no(), required=True),
        Column("安全质量环保事故", "accident", yes_no(), required=True),
        Column("停产", "stopped", yes_no(), required=True),
        Column("独立法人认定", "legal_person", choice({"符合": "pass", "不符合": "fail"}), field="findings"),
        Column("认定依据", "note", long_text(2000), private=True),
    ),
    _record,
    identity=("number",),
    blames={"finding_not_asked_for": "legal_person", "finding_without_ground": "note"},
)
