"""A record that nobody touched is whole, and what the library does in passing leaves it whole."""

from pathlib import Path

from sqlalchemy import Engine, select

from ganchu_workflow.audit.verify import Problem, Report, verify
from ganchu_workflow.canonical import digest
from ganchu_workflow.store.database import read
from ganchu_workflow.store.tables import METADATA
from tests.audit.conftest import Written
from tests.audit.small_record import CASES, EVENTS, ROWS, counts, write_record
from tests.audit.tampering import Record

DEADLINE = METADATA.tables["ganchu_deadline"]


def test_the_record_is_whole_and_holds_something_of_everything(database_url: str, written: Written) -> None:
    office = write_record(database_url)
    try:
        assert office.wf.verify() == Report(cases=CASES, events=EVENTS, problems=[])
        with read(office.wf.database) as connection:
            assert counts(connection) == ROWS
            rows = connection.execute(select(DEADLINE.c.case_id, DEADLINE.c.name, DEADLINE.c.status))
            standing = {(r.case_id, r.name): r.status for r in rows}
            stored = [r._asdict() for r in connection.execute(select(METADATA.tables["ganchu_history"]))]
        assert standing == {
            (office.ids["b"], "desk.limit"): "fired",
            (office.ids["d"], "desk.limit"): "stopped",
            (office.ids["g"], "desk.limit"): "stopped",
            (office.ids["g"], "desk.correction"): "armed",
        }
        outcomes = [(e["trigger"], e["outcome"]) for e in office.wf.history(office.ids["e"])]
        assert outcomes[3:5] == [("shown.show", "moved"), ("show", "not_carried_out")]
        # Word for word the same on both databases, or the tests on a copy would prove nothing about PostgreSQL.
        assert office.ids == written.ids

        def order(row: dict[str, object]) -> str:
            return f"{row['case_id']} {row['seq']:>9}"

        assert sorted(stored, key=order) == sorted(written.rows["ganchu_history"], key=order)
    finally:
        office.wf.database.dispose()


def test_an_empty_database_is_whole(engine: Engine) -> None:
    with read(engine) as connection:
        assert verify(connection) == Report()


def test_a_message_is_covered_by_the_digest_of_its_body(record: Record, written: Written) -> None:
    (message,) = [m for m in written.rows["ganchu_outbox"] if m["message"] == "asked"]
    with record.disarmed() as bench:
        (body,) = [e["body"] for e in bench.history(record["inquiry"])]
    assert message["body"] == '{"product":"四特酒d"}'
    told = f'"tells":[{{"digest":"{digest(message["body"])}","message":"asked","recipient":"office"}}]'
    assert told in body


def test_a_problem_reads_as_a_sentence() -> None:
    report = Report()
    report.wrong("digest_wrong", "ganchu_history c event 1", "its body has \udce4")
    assert not report.ok
    assert report.problems == [Problem("digest_wrong", "ganchu_history c event 1", "its body has \\udce4")]
    assert str(report.problems[0]) == "digest_wrong ganchu_history c event 1: its body has \\udce4"


def test_verification_imports_nothing_that_writes_the_record() -> None:
    from ganchu_workflow.audit import reading

    sources = [path.read_text("utf-8") for path in Path(reading.__file__).parent.glob("*.py")]
    lines = [line for source in sources for line in source.splitlines()]
    imported = {line.split()[1] for line in lines if line.startswith("from ganchu_workflow")}
    assert imported == {
        "ganchu_workflow.audit",
        "ganchu_workflow.audit.calendars",
        "ganchu_workflow.audit.event",
        "ganchu_workflow.audit.reading",
        "ganchu_workflow.canonical",
        "ganchu_workflow.clock",
        "ganchu_workflow.errors",
        "ganchu_workflow.store.mariadb",
        "ganchu_workflow.store.tables",
        "ganchu_workflow.store.triggers",
        "ganchu_workflow.store.types",
    }
