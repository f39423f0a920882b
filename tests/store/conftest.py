"""One row for every table."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import SQLModel

from ganchu_workflow.store import tables

AT = datetime(2021, 9, 3, 9, 30, 0, 1, tzinfo=UTC)
ROUND = "0" * 26
CASE = "1" * 26
DIGEST = "d" * 64


@pytest.fixture
def rows() -> dict[str, dict[str, Any]]:
    """The values of one row by table name; what may be absent is absent."""
    examples: list[SQLModel] = [
        tables.CaseRow(
            id=CASE, round_id=ROUND, kind="application", state="self_declaration.draft", visit=1,
            position=3, version=1, seq=1, head=DIGEST, facts='{"enterprise":"甲"}',
            opened_at=AT, recorded_at=AT,
        ),
        tables.MemberRow(cohort_id="2" * 26, application_id=CASE, visit=1, ordinal=1),
        tables.PartyRow(case_id=CASE, role="local_authority", scope="360100"),
        tables.FactRow(case_id=CASE, name="product", value="四特酒"),
        tables.EventRow(
            case_id=CASE, seq=1, round_id=ROUND, name="declare", recorded_at=AT, idempotency_key="oa-8841",
            body="{}", digest=DIGEST,
        ),
        tables.DeadlineRow(
            case_id=CASE, name="window", round_id=ROUND, status="awaiting_calendar",
            rule="5 working days", armed_at=AT,
        ),
        tables.StuckDeadlineRow(
            case_id=CASE, name="window", round_id=ROUND, due_at=AT, status="waiting", tries=1, code="rule_crashed",
            why="规则出错", first_at=AT, last_at=AT, again_at=AT,
        ),
        tables.OutboxRow(
            id="3" * 26, round_id=ROUND, case_id=CASE, seq=1, ordinal=1, message="submitted", recipient="office",
            body="{}", status="pending", created_at=AT,
        ),
        tables.DeliveryRow(
            message_id="3" * 26, channel="inbox", round_id=ROUND, status="delivered", due_at=AT, attempts=1, version=3,
            claimed_by="node-1", subject="标题", text="正文\n", digest=DIGEST, created_at=AT, delivered_at=AT,
        ),
        tables.InboxRow(
            message_id="3" * 26, recipient="applicant:E1", subject="标题", text="正文\n", created_at=AT,
        ),
        tables.AttemptRow(
            id="4" * 26, name="submit", kind="refused", code="late",
            actor="applicant:91360000", received_at=AT, recorded_at=AT, body="{}",
        ),
        tables.DefinitionRow(fingerprint=DIGEST, body="{}", recorded_at=AT),
        tables.CalendarRow(version="2021.1", body="{}", recorded_at=AT),
        tables.CalendarImportRow(
            id="5" * 26, year=2027, paper="国务院办公厅通知", body="{}", digest=DIGEST, actor="office", imported_at=AT
        ),
        tables.PrivateRow(id=DIGEST, case_id=CASE, field="contact", erased_at=AT),
        tables.SealRow(
            round_id=ROUND, size=2**40, root=DIGEST, signer="office-key-1", signature="AAAA", sealed_at=AT
        ),
    ]  # fmt: skip
    return {str(example.__tablename__): example.model_dump() for example in examples}
