"""How verification reads: as a stream, in one state of the database, in whatever transaction it is given."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, text
from sqlalchemy.exc import OperationalError

from ganchu_workflow import Actor, Role, SeededEntropy, Workflow
from ganchu_workflow.audit import reading as module
from ganchu_workflow.audit.verify import Report, verify
from ganchu_workflow.canonical import commitment, digest, encode
from ganchu_workflow.engine.events import MOVED, Event
from ganchu_workflow.entropy import new_id, new_salt
from ganchu_workflow.plugins import Registry
from ganchu_workflow.store.database import connect, read, write
from ganchu_workflow.store.tables import METADATA
from tests.audit.small_record import CASES, EVENTS
from tests.audit.tampering import Record, found_in

START = datetime(2021, 8, 3, 1, tzinfo=UTC)
DEFINITION = encode({"format": 1, "kinds": {"item": {"rank": 3, "indexed": ["number"]}}})
LENGTH = 20
"""Events of each case that `write_cases` makes."""


def write_cases(connection: Connection, events: int) -> None:
    """Consistent cases of twenty events each, with messages, private values and all that belongs to them."""
    entropy = SeededEntropy("many")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in METADATA.tables}
    body = encode({"number": "7"})
    rows["ganchu_definition"].append({"fingerprint": digest(DEFINITION), "body": DEFINITION, "recorded_at": START})
    for _ in range(events // LENGTH):
        case, previous = new_id(entropy, START), ""
        facts: dict[str, Any] = {}
        for seq in range(1, LENGTH + 1):
            now = START + timedelta(seconds=seq)
            salt = new_salt(entropy)
            proof = commitment(salt, "张三 13800000000")
            new = {"number": str(seq), "contact": {"private": proof}, "documents": ["营业执照", "商标注册证"] * 4}
            facts |= new
            made = Event(
                case=case, kind="item", round=case, seq=seq, trigger="count", target="counting", outcome=MOVED,
                source="counting" if seq > 1 else None, actor=Actor(Role.OFFICE, person="u1"), document=None,
                received_at=now, effective_at=now, recorded_at=now, previous=previous, algorithm="sha256",
                definition=digest(DEFINITION), settings=digest("{}"), handler={"code": "0" * 64}, cause=None, key=None,
                request=None, data=new, facts=new, parties={} if seq > 1 else {"office": "x"},
                opening=None if seq > 1 else {"parent": None, "of": None},
                tells=[{"message": "counted", "recipient": "office", "digest": digest(body)}],
            )  # fmt: skip
            rows["ganchu_history"].append(made.row())
            previous = rows["ganchu_history"][-1]["digest"]
            rows["ganchu_private_value"].append(
                {"id": proof, "case_id": case, "field": "contact", "salt": salt, "value": encode("张三 13800000000")}
            )
            rows["ganchu_outbox"].append(
                {
                    "id": new_id(entropy, now), "round_id": case, "case_id": case, "seq": seq, "ordinal": 1,
                    "message": "counted", "recipient": "office", "body": body, "status": "waiting", "created_at": now,
                }
            )  # fmt: skip
        rows["ganchu_case"].append(
            {
                "id": case, "round_id": case, "kind": "item", "state": "counting", "stage": None, "visit": 0,
                "parent_id": None, "of_id": None, "position": 3, "version": 1, "seq": LENGTH, "head": previous,
                "facts": encode(facts), "opened_at": START + timedelta(seconds=1), "recorded_at": now,
            }
        )  # fmt: skip
        rows["ganchu_party"].append({"case_id": case, "role": "office", "scope": "x"})
        rows["ganchu_fact_index"].append({"case_id": case, "name": "number", "value": str(LENGTH)})
    for name, some in rows.items():
        if some:
            connection.execute(insert(METADATA.tables[name]), some)


def peak_of_verifying(engine: Engine, events: int) -> int:
    with engine.connect() as connection:
        write_cases(connection, events)
        tracemalloc.start()
        try:
            assert verify(connection) == Report(cases=events // LENGTH, events=events)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            connection.rollback()


def test_memory_does_not_grow_with_the_number_of_events(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 20)
    peak_of_verifying(engine, 20)  # what is loaded once and kept is not the question
    few, many = (peak_of_verifying(engine, events) for events in (100, 1000))
    # An event with its message and its private value takes more than 2 kB: to hold all of them would take 1.8 MB more.
    assert many - few < 100_000


def test_every_large_table_is_read_by_a_cursor_on_the_server(record: Record) -> None:
    # SQLite has one kind only: it computes a row when it is asked for. MariaDB's is read to the end at once.
    kind = {"sqlite": "Cursor", "postgresql": "ServerCursor"}.get(record.engine.dialect.name, "SSCursor")
    used: list[tuple[str, str]] = []

    def note(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if " ORDER BY " in statement and " JOIN " not in statement:
            raw = getattr(cursor, "_cursor", cursor)
            used.append((statement.split("FROM ")[1].split()[0], type(raw).__name__))

    with read(record.engine) as connection, listening(record.engine, "before_cursor_execute", note):
        verify(connection)
    tables = {"history", "case", "party", "member", "deadline", "fact_index", "outbox", "private_value"}
    streamed = {(table, found) for table, found in used if table.removeprefix("ganchu_") in tables}
    assert streamed == {(f"ganchu_{table}", kind) for table in tables}


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_what_is_found_does_not_depend_on_how_many_rows_are_read_at_once(
    record: Record, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(module, "BATCH", batch)
    with read(record.engine) as connection:
        assert verify(connection) == Report(cases=CASES, events=EVENTS)
    with record.disarmed() as bench:
        # With nested look-ups in the middle of the streams.
        bench.delete("ganchu_history", case_id=record["a"], seq=1)
        bench.delete("ganchu_case", id=record["notice"])
        (value,) = bench.rows("ganchu_private_value", case_id=record["d"], field="text")
        bench.delete("ganchu_private_value", id=value["id"])
        assert bench.found() == [
            ("case_missing", record.row("notice")),
            ("event_missing", record.event("a", 1)),
            ("event_missing", record.event("a", 2)),
            ("private_missing", f"ganchu_private_value {value['id']}"),
        ]


def test_what_others_write_meanwhile_is_not_half_seen(record: Record) -> None:
    other = connect(record.engine.url)
    wrote: list[bool] = []

    def interfere(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # The histories are being read, the cases not yet.
        if "FROM ganchu_case" in statement and not wrote:
            wrote.append(True)
            with write(other) as connection:
                connection.execute(text("UPDATE ganchu_case SET state = 'shown.listed' WHERE visit = 2"))
                connection.execute(text("DELETE FROM ganchu_deadline"))

    with read(record.engine) as connection, listening(record.engine, "before_cursor_execute", interfere):
        during = found_in(connection)
    with read(record.engine) as connection:
        after = found_in(connection)
    other.dispose()
    assert wrote == [True]
    assert during == []
    assert [code for code, _ in after] == ["case_differs"] * 2 + ["deadline_differs"] * 4


def test_the_isolation_of_a_transaction_is_raised_only_where_it_has_not_begun(postgres_url: str) -> None:
    engine = connect(postgres_url)
    levels = []
    with engine.connect() as connection:
        for before in ("", "SELECT 1", ""):
            if before:
                connection.exec_driver_sql(before)
            assert verify(connection).ok
            levels.append(connection.exec_driver_sql("SHOW transaction_isolation").scalar())
            connection.rollback()
        levels.append(connection.exec_driver_sql("SHOW transaction_isolation").scalar())
    engine.dispose()
    assert levels == ["repeatable read", "read committed", "repeatable read", "read committed"]


def test_on_mariadb_the_isolation_of_a_transaction_is_raised_only_where_it_has_not_begun(
    mariadb_record: Record,
) -> None:
    other = connect(mariadb_record.engine.url)
    count = "SELECT count(*) FROM ganchu_inbox"
    seen = []
    for message, before in (("one", None), ("two", count), ("three", None)):
        with mariadb_record.engine.connect() as connection:
            if before:
                connection.exec_driver_sql(before)
            assert verify(connection).ok
            with write(other) as writer:
                writer.exec_driver_sql(f"INSERT INTO ganchu_inbox VALUES ('{message}', 'r', 's', 't', 1, NULL)")
            seen.append(connection.exec_driver_sql(count).scalar())
    other.dispose()
    # The first and the third see what they saw first; the second, at READ COMMITTED, what there is.
    assert seen == [0, 2, 2]


def test_a_host_s_transaction_is_read_as_it_stands_and_left_as_it_was(record: Record) -> None:
    wf = Workflow(record.engine, stages=Registry())
    with record.engine.connect() as connection:
        connection.execute(text("UPDATE ganchu_party SET scope = 'x' WHERE role = 'local_authority'"))
        options = connection.get_execution_options()
        report = wf.using(connection).verify()
        assert connection.get_execution_options() == options
        assert connection.in_transaction()
        connection.rollback()
    assert {p.code for p in report.problems} == {"party_differs"}
    assert wf.verify() == Report(cases=CASES, events=EVENTS)


def test_reading_octets_that_are_no_text_leaves_the_connection_as_it_was(octet_record: Record) -> None:
    record = octet_record
    with record.engine.connect() as connection:
        before = reader(connection)
        if record.engine.dialect.name == "postgresql":
            connection.exec_driver_sql("CREATE CAST (bytea AS text) WITHOUT FUNCTION")
        statement = "UPDATE ganchu_party SET scope = CAST(:octets AS TEXT) WHERE role = 'local_authority'"
        connection.execute(text(statement), {"octets": b"36\xff"})
        report = verify(connection)
        assert reader(connection) == before
        connection.rollback()
    assert len(report.problems) == 8
    assert {p.code for p in report.problems} == {"party_differs"}
    assert report.problems[0].what == "it says '36\\udcff', its history '360100'"


def test_a_database_that_fails_is_no_finding(sqlite_record: Record) -> None:
    with sqlite_record.engine.connect() as connection:
        connection.execute(text("ALTER TABLE ganchu_member RENAME TO gone"))
        with pytest.raises(OperationalError, match="no such table: ganchu_member"):
            verify(connection)
        assert reader(connection) is str
        connection.rollback()


def reader(connection: Connection) -> Any:
    """What makes text of the octets that the database sends."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        return driver.text_factory
    return [driver.adapters.get_loader(driver.adapters.types[name].oid, 0) for name in ("text", "varchar")]


@contextmanager
def listening(engine: Engine, name: str, listener: Any) -> Iterator[None]:
    event.listen(engine, name, listener)
    try:
        yield
    finally:
        event.remove(engine, name, listener)
