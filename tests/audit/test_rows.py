"""Every row beside the history is what the history says: changed, removed or added, it is named."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection

from ganchu_workflow.canonical import commitment, digest, encode
from ganchu_workflow.store import triggers
from ganchu_workflow.store.mariadb import DIALECTS
from ganchu_workflow.store.tables import METADATA
from tests.audit.tampering import Record, found_in

OTHER = "0" * 26
SALT = "00" * 16


def columns(table: str) -> set[str]:
    return {column.name for column in METADATA.tables[table].columns}


def changed(value: Any, column: str = "") -> Any:
    """Another value, off by one where that can be."""
    if value is None:
        return 1 if column.endswith("_at") else "x"
    return value + 1 if isinstance(value, int) else value[:-1] + ("y" if value[-1] == "x" else "x")


# ── the row of a case ──


def test_a_change_of_any_column_of_a_case_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        names = ("round", "a", "d", "inquiry", "notice")
        rows = {name: bench.row("ganchu_case", id=record[name]) for name in names}
        found = {
            (name, column): bench.found_after("ganchu_case", {column: changed(value)}, id=record[name])
            for name, row in rows.items()
            for column, value in row.items()
            if column != "id"
        }
    # How often a row was written is no one's business but the writers'.
    assert {column for _, column in found} == columns("ganchu_case") - {"id"}
    assert found == {
        (name, column): [] if column == "version" else [("case_differs", record.row(name))] for name, column in found
    }


def test_instants_that_are_none_are_found(record: Record) -> None:
    with record.disarmed() as bench:
        found = [
            bench.found_after("ganchu_case", {column: 2**62}, id=record["a"]) for column in ("opened_at", "recorded_at")
        ]
    assert found == [[("case_differs", record.row("a"))]] * 2


def test_a_case_under_another_id_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        found = bench.found_after("ganchu_case", {"id": OTHER}, id=record["f"])
    assert found == [("case_missing", record.row("f")), ("history_missing", f"ganchu_case {OTHER}")]


def test_a_changed_fact_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        facts = bench.row("ganchu_case", id=record["a"])["facts"]
        product, items = json.loads(facts)["product"], json.loads(facts)["items"]
        changes = [
            facts.replace(product, product + "x"),
            facts.replace(items[0], items[1]),
            encode({**json.loads(facts), "rank": 1}),
            encode({k: v for k, v in json.loads(facts).items() if k != "items"}),
            facts.replace('","', '", "'),
            facts[:-1],
            "null",
        ]
        assert facts not in changes
        found = [bench.found_after("ganchu_case", {"facts": text}, id=record["a"]) for text in changes]
    assert found == [[("case_differs", record.row("a"))]] * len(changes)


def test_a_case_that_was_removed_or_made_up_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        removed = bench.found_without("ganchu_case", id=record["a"])
        added = bench.found_with("ganchu_case", {**bench.row("ganchu_case", id=record["a"]), "id": OTHER})
    assert removed == [("case_missing", record.row("a"))]
    assert added == [("history_missing", f"ganchu_case {OTHER}")]


def test_a_round_that_was_put_back_to_an_earlier_event_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        events = bench.history(record["b"])
        bench.delete("ganchu_history", case_id=record["b"], seq=len(events))
        last = events[-2]
        body = json.loads(last["body"])
        values = {
            "seq": last["seq"], "head": last["digest"], "state": body["target"], "recorded_at": last["recorded_at"]
        }  # fmt: skip
        bench.update("ganchu_case", values, id=record["b"])
        found = bench.found()
        messages = bench.rows("ganchu_outbox", "ordinal", case_id=record["b"], seq=len(events))
    # The last event was the deadline's, and told two people: they were told still, and it has fired still.
    assert [m["recipient"] for m in messages] == ["office", "supervisor"]
    assert found == sorted(
        [("deadline_differs", f"ganchu_deadline {record['b']} desk.limit")]
        + [("message_unexplained", f"ganchu_outbox {m['id']}") for m in messages]
    )


# ── parties, members, deadlines, searchable facts ──

TABLES = {
    "ganchu_party": ("party_differs", "case_id", "role"),
    "ganchu_member": ("member_differs", "cohort_id", "application_id"),
    "ganchu_deadline": ("deadline_differs", "case_id", "name"),
    "ganchu_fact_index": ("fact_index_differs", "case_id", "name"),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_change_of_any_column_of_any_such_row_is_found(record: Record, table: str) -> None:
    code, case, key = TABLES[table]
    with record.disarmed() as bench:
        rows = bench.rows(table)
        found = {}
        for column in rows[0]:
            if column != case:
                # In all of the rows at once.
                inner = bench.connection.begin_nested()
                for row in rows:
                    where = {case: row[case], key: row[key]}
                    bench.update(table, {column: changed(row[column], column)}, **where)
                found[column] = bench.found()
                inner.rollback()
    assert {*found} == columns(table) - {case}
    true = [(code, f"{table} {row[case]} {row[key]}") for row in rows]
    made_up = [(code, f"{table} {row[case]} {changed(row[key])}") for row in rows]
    assert found == {column: sorted(true + made_up) if column == key else sorted(true) for column in found}


@pytest.mark.parametrize("table", TABLES)
def test_such_a_row_removed_or_added_is_found(record: Record, table: str) -> None:
    code, case, key = TABLES[table]
    with record.disarmed() as bench:
        rows = bench.rows(table)[::4]
        removed = [bench.found_without(table, **{case: row[case], key: row[key]}) for row in rows]
        added = [bench.found_with(table, {**row, key: "made-up"}) for row in rows]
        astray = [bench.found_with(table, {**row, case: OTHER}) for row in rows]
        moved = [bench.found_after(table, {case: OTHER}, **{case: row[case], key: row[key]}) for row in rows]
    assert removed == [[(code, f"{table} {row[case]} {row[key]}")] for row in rows]
    assert added == [[(code, f"{table} {row[case]} made-up")] for row in rows]
    assert astray == [[("row_astray", f"{table} {OTHER} {row[key]}")] for row in rows]
    assert moved == [
        [(code, f"{table} {row[case]} {row[key]}"), ("row_astray", f"{table} {OTHER} {row[key]}")] for row in rows
    ]


def test_two_places_of_a_list_exchanged_are_found(record: Record) -> None:
    with record.disarmed() as bench:
        one, two = bench.rows("ganchu_member", "ordinal", cohort_id=record["notice"])
        bench.update("ganchu_member", {"ordinal": 2}, application_id=one["application_id"])
        bench.update("ganchu_member", {"ordinal": 1}, application_id=two["application_id"])
        found = bench.found()
    assert [one["application_id"], two["application_id"]] == [record["e"], record["a"]]
    assert found == [("member_differs", f"ganchu_member {record['notice']} {record[name]}") for name in "ae"]


@pytest.mark.parametrize("value", [2**62, -(2**63)])
def test_a_deadline_at_no_instant_is_found(record: Record, value: int) -> None:
    with record.disarmed() as bench:
        where = {"case_id": record["g"], "name": "desk.correction"}
        found = [bench.found_after("ganchu_deadline", {c: value}, **where) for c in ("due_at", "armed_at")]
    assert found == [[("deadline_differs", f"ganchu_deadline {record['g']} desk.correction")]] * 2


# ── messages ──


def test_a_changed_message_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        rows = bench.rows("ganchu_outbox")
        found = {}
        for column in ("message", "recipient", "body", "round_id", "status", "created_at"):
            inner = bench.connection.begin_nested()
            for row in rows:
                bench.update("ganchu_outbox", {column: changed(row[column])}, id=row["id"])
            found[column] = bench.found()
            inner.rollback()
        numbered = bench.found_after("ganchu_outbox", {"ordinal": 9}, id=rows[0]["id"])
    named = sorted(("message_differs", f"ganchu_outbox {row['id']}") for row in rows)
    assert len(named) == 12
    # What becomes of a message is the dispatcher's to write, not the history's.
    assert found == {column: [] if column in ("status", "created_at") else named for column in found}
    event = f"ganchu_history {rows[0]['case_id']} event {rows[0]['seq']}"
    assert numbered == [("message_missing", event), ("message_unexplained", f"ganchu_outbox {rows[0]['id']}")]


def test_a_message_removed_or_added_is_found(record: Record) -> None:
    first, last = OTHER, "z" * 26
    with record.disarmed() as bench:
        rows = bench.rows("ganchu_outbox")[::4]
        removed = [bench.found_without("ganchu_outbox", id=row["id"]) for row in rows]
        twice = [bench.found_with("ganchu_outbox", {**row, "id": last}) for row in rows]
        # Read before the true one, or after it.
        added = {
            (row["id"], id_, column): bench.found_with("ganchu_outbox", {**row, "id": id_, column: value})
            for row in rows
            for id_ in (first, last)
            for column, value in (("recipient", "applicant:nobody"), ("seq", 900), ("body", "{}"))
        }
        astray = bench.found_with("ganchu_outbox", {**rows[0], "id": first, "case_id": OTHER})
    assert removed == [[("message_missing", f"ganchu_history {row['case_id']} event {row['seq']}")] for row in rows]
    assert twice == [[("message_unexplained", f"ganchu_outbox {last}")]] * len(rows)
    assert added == {key: [("message_unexplained", f"ganchu_outbox {key[1]}")] for key in added}
    assert astray == [("row_astray", f"ganchu_outbox {first}")]


# ── private values ──


def test_a_changed_private_value_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        rows = [row for row in bench.rows("ganchu_private_value") if row["salt"] is not None]
        assert len(rows) == 7
        rows = rows[::3]
        found = {
            (row["id"], column): bench.found_after("ganchu_private_value", {column: change}, id=row["id"])
            for row in rows
            for column, change in (
                ("salt", "ff" + row["salt"]),
                ("value", encode("李四")),
                ("value", row["value"] + " "),
                ("value", "{"),
                ("field", "contacts"),
                ("salt", None),
                ("value", None),
                ("erased_at", 1),
            )
        }
        half = bench.connection.begin_nested()
        bench.update("ganchu_private_value", {"salt": None, "value": None}, id=rows[0]["id"])
        unsaid = bench.found()
        half.rollback()
        bench.update("ganchu_private_value", {"salt": None, "value": None, "erased_at": 1}, id=rows[0]["id"])
        erased = bench.found()
    assert found == {(id_, column): [("private_altered", f"ganchu_private_value {id_}")] for id_, column in found}
    assert unsaid == [("private_altered", f"ganchu_private_value {rows[0]['id']}")]
    assert erased == []


def test_a_value_put_back_where_one_was_erased_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        (erased,) = bench.rows("ganchu_private_value", case_id=record["c"])
        assert (erased["salt"], erased["value"]) == (None, None)
        name = f"ganchu_private_value {erased['id']}"
        values = {"salt": SALT, "value": encode("张三")}
        found = [
            bench.found_after("ganchu_private_value", change, id=erased["id"])
            for change in (values, {**values, "erased_at": None}, {"salt": SALT}, {"erased_at": None})
        ]
    assert found == [[("private_altered", name)]] * 4


def test_a_private_value_removed_moved_or_added_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        rows = bench.rows("ganchu_private_value")
        removed = {row["id"]: bench.found_without("ganchu_private_value", id=row["id"]) for row in rows}
        moved = bench.found_after("ganchu_private_value", {"case_id": record["f"]}, id=rows[0]["id"])
        away = bench.found_after("ganchu_private_value", {"case_id": OTHER}, id=rows[0]["id"])
        proof = commitment(SALT, "李四")
        row = {"id": proof, "field": "contact", "salt": SALT, "value": encode("李四")}
        added = bench.found_with("ganchu_private_value", {**row, "case_id": record["a"]})
        astray = bench.found_with("ganchu_private_value", {**row, "case_id": OTHER})
    assert removed == {id_: [("private_missing", f"ganchu_private_value {id_}")] for id_ in removed}
    assert moved == [("private_astray", f"ganchu_private_value {rows[0]['id']}")]
    assert away == [("row_astray", f"ganchu_private_value {rows[0]['id']}")]
    assert added == [("private_astray", f"ganchu_private_value {proof}")]
    assert astray == [("row_astray", f"ganchu_private_value {proof}")]


def test_a_private_value_is_looked_at_although_its_case_is_broken(record: Record) -> None:
    with record.disarmed() as bench:
        (row,) = bench.rows("ganchu_private_value", case_id=record["a"])
        bench.update("ganchu_private_value", {"salt": SALT}, id=row["id"])
        bench.update("ganchu_history", {"name": "desk.nothing"}, case_id=record["a"], seq=1)
        # What the broken history says about other rows is worth nothing, and they are not accused.
        bench.update("ganchu_case", {"state": "shown.listed"}, id=record["a"])
        bench.update("ganchu_party", {"scope": "361100"}, case_id=record["a"], role="local_authority")
        found = bench.found()
    assert found == sorted(
        [
            ("column_differs", record.event("a", 1)),
            ("private_altered", f"ganchu_private_value {row['id']}"),
        ]
    )


def test_what_looks_like_a_reference_inside_a_text_is_none(record: Record) -> None:
    with record.disarmed() as bench:
        quoted = json.dumps({"note": {"private": "0" * 64}}, separators=(",", ":"))
        row = bench.history(record["inquiry"])[0]
        facts = {**json.loads(row["body"])["facts"], "quoted": quoted, "private": "0" * 64}
        head = bench.rechain(record["inquiry"], {1: {"facts": facts}})
        bench.update("ganchu_case", {"head": head, "facts": encode(facts)}, id=record["inquiry"])
        assert bench.found() == []


# ── definitions, calendars, triggers ──


def test_a_changed_definition_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        row = bench.row("ganchu_definition")
        where = {"fingerprint": row["fingerprint"]}
        name = f"ganchu_definition {row['fingerprint']}"
        body = row["body"].replace("desk.accept", "desk.accepd")
        altered = bench.found_after("ganchu_definition", {"body": body}, **where)
        removed = bench.found_without("ganchu_definition", **where)
        renamed = bench.found_after("ganchu_definition", {"fingerprint": "0" * 64}, **where)
        nothing = encode({"format": 1})
        added = bench.found_with("ganchu_definition", {**row, "fingerprint": digest(nothing), "body": nothing})
    assert altered == [("definition_altered", name)]
    # Once, however many events rest on it.
    assert removed == [("definition_missing", name)]
    assert renamed == [("definition_altered", f"ganchu_definition {'0' * 64}"), ("definition_missing", name)]
    assert added == [("definition_altered", f"ganchu_definition {digest(nothing)}")]


@pytest.mark.parametrize("version", ["cn-", "cn", "", "cn-0123456789abcdef", None])
def test_a_changed_calendar_is_found(record: Record, version: str | None) -> None:
    with record.disarmed() as bench:
        row = bench.row("ganchu_calendar_version")
        body = row["body"].replace("2021-10-01", "2021-10-02", 1)
        assert body != row["body"]
        found = bench.found_after("ganchu_calendar_version", {"body": body}, version=row["version"])
        removed = bench.found_without("ganchu_calendar_version", version=row["version"])
        added = bench.found_with("ganchu_calendar_version", {**row, "version": version}) if version else []
    assert found == [("calendar_altered", f"ganchu_calendar_version {row['version']}")]
    assert removed == [("calendar_missing", f"ganchu_calendar_version {row['version']}")]
    assert added == ([("calendar_altered", f"ganchu_calendar_version {version}")] if version else [])


def test_a_dropped_trigger_is_found(record: Record) -> None:
    dialect = record.engine.dialect.name
    wanted = sorted(triggers.expected(dialect))
    made = {s.split()[2]: s for s in triggers.create_statements(dialect)}
    found = []
    for name in wanted:
        with record.engine.connect() as connection:
            drop(connection, name)
            found.append(found_in(connection))
            connection.rollback()
            if dialect in DIALECTS:  # no rollback brings it back
                connection.exec_driver_sql(made[name])
    assert len(wanted) == (12 if dialect in DIALECTS else 18)
    assert found == [[("trigger_missing", name)] for name in wanted]


def test_every_missing_trigger_is_found_on_bare_tables(record: Record) -> None:
    with record.engine.connect() as connection:
        for name in triggers.present(connection):
            drop(connection, name)
        found = found_in(connection)
        connection.rollback()
    assert found == sorted(("trigger_missing", name) for name in triggers.expected(record.engine.dialect.name))


def test_what_stands_outside_the_chain_is_not_covered(record: Record) -> None:
    """Known, and said in the module: against these there are only the triggers, and the seals."""
    with record.disarmed() as bench:
        bench.update("ganchu_attempt", {"actor": "applicant:nobody", "code": "window_closed"})
        bench.update("ganchu_case", {"version": 900}, id=record["a"])
        bench.update("ganchu_definition", {"recorded_at": 0})
        bench.update("ganchu_calendar_version", {"recorded_at": 0})
        (erased,) = bench.rows("ganchu_private_value", case_id=record["c"])
        bench.update("ganchu_private_value", {"erased_at": 0}, id=erased["id"])
        message = bench.rows("ganchu_outbox")[0]
        values = {"id": OTHER, "status": "dead", "created_at": 0}
        bench.update("ganchu_outbox", values, id=message["id"])
        assert bench.found() == []
        bench.delete("ganchu_attempt")
        assert bench.found() == []


def drop(connection: Connection, name: str) -> None:
    where = f" ON {name.rpartition('_')[0]}" if connection.dialect.name == "postgresql" else ""
    connection.exec_driver_sql(f"DROP TRIGGER {name}{where}")
