"""Changing one byte of any history row makes verification fail and name the row."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ganchu_workflow import SeededEntropy
from ganchu_workflow.canonical import digest, encode
from ganchu_workflow.store.mariadb import error_code
from tests.audit.tampering import Bench, Found, Record

HISTORY = "ganchu_history"
OTHER = "0" * 26
"""An identifier that no case has."""


def swapped(body: str, inside: str) -> str:
    """`body` with the first two characters of one of its texts exchanged."""
    at = body.index(inside)
    return body[:at] + body[at + 1] + body[at] + body[at + 2 :]


def another(character: str) -> str:
    """A character of the same kind: a digit for a digit, a letter for a letter."""
    if character.isdigit():
        return str((int(character) + 1) % 10)
    return {"a": "b", "A": "B"}.get(character, "A" if character.isupper() else "a")


def one_character(body: str, at: int) -> str:
    return body[:at] + another(body[at]) + body[at + 1 :]


def write_octets(bench: Bench, column: str, octets: bytes, **where: Any) -> None:
    """Store bytes in a text column, whatever they are: what a hand on the file itself can do."""
    condition = " AND ".join(f"{name} = :{name}" for name in where)
    statement = f"UPDATE {HISTORY} SET {column} = CAST(:octets AS TEXT) WHERE {condition}"
    bench.execute(statement, {"octets": octets, **where})


def allow_octets(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("CREATE CAST (bytea AS text) WITHOUT FUNCTION")


# ── one byte ──


def test_a_change_of_the_body_is_found_wherever_it_is(record: Record) -> None:
    case, name = record["a"], record.event("a", 1)
    with record.disarmed() as bench:
        body = bench.row(HISTORY, case_id=case, seq=1)["body"]
        day, product = body.index("2021-08-03") + 9, body.index("四特酒a")
        changes = {
            "first byte": (" " + body[1:], "not_canonical"),
            "last byte": (body[:-1] + "]", "not_canonical"),
            "one byte less": (body[:-1], "not_canonical"),
            "one byte more": (body + "\n", "not_canonical"),
            "a byte in the middle": (one_character(body, body.index('"private":"') + 11), "digest_wrong"),
            "a digit of an instant": (one_character(body, day), "digest_wrong"),
            "two letters of a fact": (swapped(body, "四特酒a"), "digest_wrong"),
            "a letter of a fact": (body[:product] + "五" + body[product + 1 :], "digest_wrong"),
            "a digit of the previous digest": (body.replace('"previous":null', '"previous":"0"'), "digest_wrong"),
            "the format": (body.replace('"format":1', '"format":2'), "format_unknown"),
            "the format, true for one": (body.replace('"format":1', '"format":true'), "format_unknown"),
            "the name of a field": (body.replace('"handler"', '"handles"'), "event_malformed"),
        }
        found = {what: bench.found_after(HISTORY, {"body": b}, case_id=case, seq=1) for what, (b, _) in changes.items()}
    assert found == {what: [(code, name)] for what, (_, code) in changes.items()}


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("digest", lambda value: another(value[0]) + value[1:]),
        ("digest", lambda value: value[:-1] + another(value[-1])),
        ("digest", str.upper),
        ("digest", lambda value: value[:-1]),
    ],
)
def test_a_change_of_the_digest_is_found(record: Record, column: str, change: Callable[[str], str]) -> None:
    with record.disarmed() as bench:
        rows = bench.history(record["a"])
        found = [
            bench.found_after(HISTORY, {column: change(row[column])}, case_id=row["case_id"], seq=row["seq"])
            for row in rows
        ]
    assert len(rows) == 7
    assert found == [[("digest_wrong", record.event("a", row["seq"]))] for row in rows]


@pytest.mark.parametrize("change", [1, -1, 256, 2**62, -(2**62), -(2**63)])
def test_a_change_of_the_instant_is_found(record: Record, change: int) -> None:
    with record.disarmed() as bench:
        row = bench.row(HISTORY, case_id=record["b"], seq=2)
        instant = max(row["recorded_at"] + change, -(2**63))
        found = bench.found_after(HISTORY, {"recorded_at": instant}, case_id=record["b"], seq=2)
    assert found == [("column_differs", record.event("b", 2))]


@pytest.mark.parametrize(
    ("column", "value"),
    [("name", "desk.declarf"), ("round_id", OTHER), ("idempotency_key", "declare-A"), ("idempotency_key", None)],
)
def test_a_change_of_another_column_is_found(record: Record, column: str, value: str | None) -> None:
    with record.disarmed() as bench:
        found = bench.found_after(HISTORY, {column: value}, case_id=record["a"], seq=1)
    assert found == [("column_differs", record.event("a", 1))]


def test_a_key_that_was_not_there_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        found = bench.found_after(HISTORY, {"idempotency_key": "k"}, case_id=record["a"], seq=2)
    assert found == [("column_differs", record.event("a", 2))]


def test_an_event_under_another_number_is_found(record: Record) -> None:
    case = record["a"]
    with record.disarmed() as bench:
        found = {
            (seq, to): bench.found_after(HISTORY, {"seq": to}, case_id=case, seq=seq)
            for seq, to in ((7, 8), (7, 1031), (3, 1027), (1, 0), (1, -1), (2, 2**31 - 1))
        }
    assert found == {
        (7, 8): named(record, "a", {8: ["column_differs", "event_missing"]}),
        (7, 1031): named(record, "a", {1031: ["column_differs", "event_missing"]}),
        (3, 1027): named(record, "a", {4: ["event_missing"], 1027: ["column_differs", "event_missing"]}),
        # Others refer to the opening of the case, and miss it.
        (1, 0): named(record, "a", {0: ["event_astray"], 1: ["event_missing"], 2: ["event_missing"]}),
        (1, -1): named(record, "a", {-1: ["event_astray"], 1: ["event_missing"], 2: ["event_missing"]}),
        (2, 2**31 - 1): named(record, "a", {3: ["event_missing"], 2**31 - 1: ["column_differs", "event_missing"]}),
    }


def test_an_event_under_another_case_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        middle = bench.found_after(HISTORY, {"case_id": OTHER}, case_id=record["a"], seq=3)
        only = bench.found_after(HISTORY, {"case_id": OTHER}, case_id=record["inquiry"], seq=1)
        moved = bench.found_after(HISTORY, {"case_id": record["f"], "seq": 3}, case_id=record["inquiry"], seq=1)
    assert middle == sorted(
        [
            ("column_differs", f"ganchu_history {OTHER} event 3"),
            ("event_missing", f"ganchu_history {OTHER} event 3"),
            ("event_missing", record.event("a", 4)),
        ]
    )
    assert only == [
        ("column_differs", f"ganchu_history {OTHER} event 1"),
        ("history_missing", record.row("inquiry")),
    ]
    assert moved == [
        ("chain_broken", record.event("f", 3)),
        *[("column_differs", record.event("f", 3))] * 2,
        ("history_missing", record.row("inquiry")),
    ]


def test_one_character_of_any_event_at_a_place_drawn_by_lot(record: Record) -> None:
    lot = SeededEntropy("characters")
    with record.disarmed() as bench:
        rows = bench.rows(HISTORY, "case_id, seq")
        found = []
        for row in rows:
            at = int.from_bytes(lot.take(4), "big") % len(row["body"])
            body = one_character(row["body"], at)
            found.append(bench.found_after(HISTORY, {"body": body}, case_id=row["case_id"], seq=row["seq"]))
    assert len(rows) == 40
    assert [[row for _, row in some] for some in found] == [
        [f"ganchu_history {row['case_id']} event {row['seq']}"] for row in rows
    ]
    codes = {code for some in found for code, _ in some}
    assert codes == {"digest_wrong", "event_malformed", "not_canonical"}


def test_one_octet_of_any_event_at_a_place_drawn_by_lot(octet_record: Record) -> None:
    record = octet_record
    lot = SeededEntropy("octets")
    found = []
    with record.disarmed() as bench:
        allow_octets(bench.connection)
        rows = bench.rows(HISTORY, "case_id, seq")
        for row in rows:
            where = {"case_id": row["case_id"], "seq": row["seq"]}
            octets = bytearray(row["body"].encode())
            octets[int.from_bytes(lot.take(4), "big") % len(octets)] ^= 1 + lot.take(1)[0] % 255
            write_octets(bench, "body", bytes(octets), **where)
            found.append(bench.found())
            write_octets(bench, "body", row["body"].encode(), **where)
    assert [[row for _, row in some] for some in found] == [
        [f"ganchu_history {row['case_id']} event {row['seq']}"] for row in rows
    ]


def test_mariadb_takes_no_octets_that_are_no_text(mariadb_record: Record) -> None:
    with mariadb_record.disarmed() as bench:
        for column in ("body", "digest", "name", "round_id", "idempotency_key"):
            with pytest.raises(DBAPIError) as caught:
                bench.execute(f"UPDATE {HISTORY} SET {column} = :octets WHERE seq = 1", {"octets": b"36\xff"})
            assert (column, error_code(caught.value)) == (column, 1366)
        assert bench.found() == []


def test_octets_that_are_no_text_are_found_in_every_column(octet_record: Record) -> None:
    record = octet_record
    case, name = record["a"], record.event("a", 1)
    with record.disarmed() as bench:
        allow_octets(bench.connection)
        row = bench.row(HISTORY, case_id=case, seq=1)
        found = {}
        for column in ("body", "digest", "name", "round_id", "idempotency_key"):
            octets = row[column].encode()
            inner = bench.connection.begin_nested()
            write_octets(bench, column, octets[:5] + b"\xe4" + octets[6:], case_id=case, seq=1)
            found[column] = bench.found()
            inner.rollback()
        write_octets(bench, "case_id", case.encode()[:-1] + b"\xe4", case_id=case, seq=1)
        astray = bench.found()
    assert found == {
        "body": [("not_canonical", name)],
        "digest": [("digest_wrong", name)],
        "name": [("column_differs", name)],
        "round_id": [("column_differs", name)],
        "idempotency_key": [("column_differs", name)],
    }
    assert astray == sorted(
        [
            ("column_differs", f"ganchu_history {case[:-1]}\\udce4 event 1"),
            ("event_missing", record.event("a", 1)),
            ("event_missing", record.event("a", 2)),
        ]
    )


def test_an_octet_cannot_be_made_to_look_like_its_own_escape(sqlite_record: Record) -> None:
    # A reader that shows a wrong byte as `\xe4` would take these two for one.
    case = sqlite_record["inquiry"]
    with sqlite_record.disarmed() as bench:
        body = json.loads(bench.row(HISTORY, case_id=case, seq=1)["body"])
        head = bench.rechain(case, {1: {"facts": {**body["facts"], "path": "a\\xe4"}}})
        facts = encode({**body["facts"], "path": "a\\xe4"})
        bench.update("ganchu_case", {"head": head, "facts": facts}, id=case)
        assert bench.found() == []
        octets = bench.row(HISTORY, case_id=case, seq=1)["body"].encode().replace(rb"\\xe4", b"\\\xe4")
        write_octets(bench, "body", octets, case_id=case, seq=1)
        found = bench.found()
    assert found == [("not_canonical", sqlite_record.event("inquiry", 1))]


@pytest.mark.parametrize(
    ("column", "change", "code"),
    [
        ("body", "CAST(body AS BLOB)", "not_canonical"),
        ("digest", "CAST(digest AS BLOB)", "digest_wrong"),
        ("name", "CAST(name AS BLOB)", "column_differs"),
        ("recorded_at", "recorded_at + 0.4", "column_differs"),
        ("recorded_at", "'soon'", "column_differs"),
        ("idempotency_key", "17", "column_differs"),
        ("seq", "2.5", "event_astray"),
        ("seq", "'two'", "event_astray"),
        ("case_id", "CAST(case_id AS BLOB)", "column_differs"),
    ],
)
def test_what_only_sqlite_stores_is_found(sqlite_record: Record, column: str, change: str, code: str) -> None:
    case = sqlite_record["a"]
    with sqlite_record.disarmed() as bench:
        statement = f"UPDATE {HISTORY} SET {column} = {change} WHERE case_id = :case AND seq = 2"
        bench.execute(statement, {"case": case})
        found = bench.found()
    assert found == {
        "seq": sorted(
            [
                ("event_astray", f"ganchu_history {case} event {'2.5' if change == '2.5' else 'two'}"),
                ("event_missing", sqlite_record.event("a", 3)),
            ]
        ),
        "case_id": sorted(
            [
                ("column_differs", f"ganchu_history {case.encode()!r} event 2"),
                ("event_missing", f"ganchu_history {case.encode()!r} event 2"),
                ("event_missing", sqlite_record.event("a", 3)),
            ]
        ),
    }.get(column, [(code, sqlite_record.event("a", 2))])


# ── whole rows ──


def test_a_removed_event_is_found(record: Record) -> None:
    case = record["a"]
    with record.disarmed() as bench:
        found = {seq: bench.found_without(HISTORY, case_id=case, seq=seq) for seq in (1, 4, 7)}
        start = bench.found_without(HISTORY, case_id=record["round"], seq=2)
    assert found == {
        1: named(record, "a", {1: ["event_missing"], 2: ["event_missing"]}),
        4: named(record, "a", {5: ["event_missing"]}),
        # Its number, its digest, and the state it led to.
        7: [("case_differs", record.row("a"))] * 3,
    }
    # The last again, but one that made others move.
    assert start == [("case_differs", record.row("round"))] * 3 + [("event_missing", record.event("round", 2))]


def test_an_added_event_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        last = bench.row(HISTORY, case_id=record["a"], seq=7)
        body = json.loads(last["body"])

        def event(seq: int, **changes: Any) -> dict[str, Any]:
            more = {"seq": seq, "previous": last["digest"], "source": body["target"], "facts": {"rank": 1}}
            text = encode({**body, **more, **changes})
            return {
                **last,
                "case_id": changes.get("case", record["a"]),
                "seq": seq,
                "body": text,
                "digest": digest(text),
            }

        after = bench.found_with(HISTORY, event(8))
        beyond = bench.found_with(HISTORY, event(9))
        before = bench.found_with(HISTORY, event(0))
        opening = {"opening": {"parent": None, "of": None}, "previous": None, "source": None}
        elsewhere = bench.found_with(HISTORY, event(1, case=OTHER, **opening))
    assert after == [("case_differs", record.row("a"))] * 3
    assert beyond == named(record, "a", {9: ["event_missing"]})
    assert before == named(record, "a", {0: ["event_astray"]})
    assert elsewhere == [("case_missing", f"ganchu_case {OTHER}")]


def test_two_events_in_each_other_s_place_are_found(record: Record) -> None:
    case = record["a"]
    with record.disarmed() as bench:
        two, three = bench.history(case)[1:3]
        for row, other in ((two, three), (three, two)):
            values = {c: other[c] for c in ("body", "digest", "name", "recorded_at")}
            bench.update(HISTORY, values, case_id=case, seq=row["seq"])
        found = bench.found()
    assert found == named(
        record, "a", {2: ["chain_broken", "column_differs"], 3: ["chain_broken", "column_differs"], 4: ["chain_broken"]}
    )


def test_a_case_without_its_history_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        found = {}
        for name in ("inquiry", "a", "round"):
            inner = bench.connection.begin_nested()
            bench.connection.execute(text(f"DELETE FROM {HISTORY} WHERE case_id = :case"), {"case": record[name]})
            found[name] = bench.found()
            inner.rollback()
    assert found == {
        "inquiry": [("history_missing", record.row("inquiry"))],
        # What happened to others because of it points at it still.
        "a": [("event_missing", record.event("a", 1)), ("history_missing", record.row("a"))],
        "round": [("event_missing", record.event("round", 2)), ("history_missing", record.row("round"))],
    }


def test_a_case_that_was_taken_out_of_all_tables_is_missed_by_what_refers_to_it(record: Record) -> None:
    tables = {
        "ganchu_history": "case_id", "ganchu_case": "id", "ganchu_party": "case_id", "ganchu_member": "cohort_id",
        "ganchu_deadline": "case_id", "ganchu_fact_index": "case_id", "ganchu_outbox": "case_id",
        "ganchu_private_value": "case_id",
    }  # fmt: skip
    found = {}
    with record.disarmed() as bench:
        for name in ("notice", "d", "a", "f"):
            inner = bench.connection.begin_nested()
            for table, column in tables.items():
                bench.connection.execute(text(f"DELETE FROM {table} WHERE {column} = :case"), {"case": record[name]})
            found[name] = bench.found()
            inner.rollback()
    private = [p for p in found["d"] if p[0] == "private_missing"]
    assert len(private) == 1
    assert found == {
        "notice": [("event_missing", record.event("notice", 2))],
        "d": [("event_missing", record.event("d", 3)), *private],
        "a": [("event_missing", record.event("a", 1))],
        # Nothing refers to an application that nothing happened to: only a seal shows that it was there.
        "f": [],
    }


# ── rewritten ──


@pytest.mark.parametrize(
    "respell",
    [
        lambda body: json.dumps(json.loads(body), ensure_ascii=False, sort_keys=True),
        lambda body: json.dumps(json.loads(body), ensure_ascii=True, sort_keys=True, separators=(",", ":")),
        lambda body: json.dumps(dict(reversed(json.loads(body).items())), ensure_ascii=False, separators=(",", ":")),
        lambda body: body.replace('"format":1', '"format":1,"format":1'),
        lambda body: body.replace('"seq":1', '"seq":1.0'),
        lambda body: body.replace('"seq":1', '"seq":1e0'),
        lambda body: body.replace('"desk.', '"\\u0064esk.'),
        lambda body: "[" * 20_000 + "]" * 20_000,
    ],
    ids=["spaces", "escapes", "order", "twice", "float", "exponent", "escape", "depth"],
)
@pytest.mark.parametrize("with_digest", [False, True])
def test_the_same_value_in_another_spelling_is_found(
    record: Record, respell: Callable[[str], str], with_digest: bool
) -> None:
    with record.disarmed() as bench:
        row = bench.row(HISTORY, case_id=record["a"], seq=1)
        body = respell(row["body"])
        assert body != row["body"]
        values = {"body": body, "digest": digest(body) if with_digest else row["digest"]}
        found = bench.found_after(HISTORY, values, case_id=record["a"], seq=1)
    # With the digest of the new spelling the next event shows it too: it was chained to the old one.
    after = [("chain_broken", record.event("a", 2))] if with_digest else []
    assert found == [*after, ("not_canonical", record.event("a", 1))]


def test_a_new_digest_for_a_new_body_breaks_the_chain(record: Record) -> None:
    with record.disarmed() as bench:
        found = []
        for seq in (1, 4, 7):
            inner = bench.connection.begin_nested()
            row = bench.row(HISTORY, case_id=record["a"], seq=seq)
            body = row["body"].replace('"document":null', '"document":"洪1"')
            bench.update(HISTORY, {"body": body, "digest": digest(body)}, case_id=record["a"], seq=seq)
            found.append(bench.found())
            inner.rollback()
    assert found == [
        [("chain_broken", record.event("a", 2))],
        [("chain_broken", record.event("a", 5))],
        [("case_differs", record.row("a"))],
    ]


def test_a_chain_that_was_written_anew_from_some_event_on_differs_from_its_case(record: Record) -> None:
    with record.disarmed() as bench:
        found = []
        for seq in (1, 3):
            inner = bench.connection.begin_nested()
            bench.rechain(record["a"], {seq: {"document": "洪1"}}, first=seq)
            found.append(bench.found())
            inner.rollback()
    # Only the head.
    assert found == [[("case_differs", record.row("a"))]] * 2


def test_a_chain_that_was_written_anew_with_its_case_agrees_with_itself(record: Record) -> None:
    # What nothing inside the database can show. The head that a seal or a printed receipt holds is another one.
    with record.disarmed() as bench:
        head = bench.rechain(record["a"], {3: {"document": "洪1"}})
        bench.update("ganchu_case", {"head": head}, id=record["a"])
        assert bench.found() == []


def test_an_event_that_does_not_follow_from_the_one_before_is_found(record: Record) -> None:
    def found(bench: Bench, seq: int, **changes: Any) -> Found:
        inner = bench.connection.begin_nested()
        if "recorded_at" in changes:
            micros = {"recorded_at": changes.pop("micros")}
            bench.update(HISTORY, micros, case_id=record["a"], seq=seq)
        head = bench.rechain(record["a"], {seq: changes})
        bench.update("ganchu_case", {"head": head}, id=record["a"])
        problems = bench.found()
        inner.rollback()
        return problems

    with record.disarmed() as bench:
        earlier = bench.row(HISTORY, case_id=record["a"], seq=1)["recorded_at"] - 1
        jump = found(bench, 3, source="desk.held")
        late = found(bench, 2, recorded_at="2021-08-03T00:59:59.999999Z", micros=earlier)
        reopened = found(bench, 4, opening={"of": None, "parent": None})
        unopened = found(bench, 1, opening=None)
    assert jump == named(record, "a", {3: ["states_differ"]})
    assert late == named(record, "a", {2: ["time_goes_back"]})
    assert reopened == named(record, "a", {4: ["event_malformed"]})
    assert unopened == named(record, "a", {1: ["event_malformed"]})


def test_an_event_of_another_shape_is_found_and_stops_nothing(record: Record) -> None:
    with record.disarmed() as bench:
        body = json.loads(bench.row(HISTORY, case_id=record["a"], seq=2)["body"])
        shapes: dict[str, Any] = {f"without {key}": {k: v for k, v in body.items() if k != key} for key in body}
        # A value of a type that the key never has.
        shapes |= {f"{key} a boolean": {**body, key: False} for key in body}
        shapes |= {
            "more": {**body, "zz": 1},
            "a list": [body],
            "a text": "event",
            "a deadline without name": {**body, "deadlines": [{"status": "gone"}]},
            "a deadline of numbers": {**body, "deadlines": [{"name": 1, "status": 1}]},
            "a deadline as text": {**body, "deadlines": ["limit"]},
            "a message without digest": {**body, "tells": [{"message": "m", "recipient": "r"}]},
            "a party of nobody": {**body, "parties": {"office": None}},
            "a member without visit": {**body, "members": [["c"]]},
            "members by name": {**body, "members": ["ab"]},
            "a cause without number": {**body, "cause": {"case": "c"}},
            "an opening without act": {**body, "opening": {"parent": None}},
        }
        found = {}
        for what, shape in shapes.items():
            text = encode(shape)
            values = {"body": text, "digest": digest(text)}
            found[what] = bench.found_after(HISTORY, values, case_id=record["a"], seq=2)
    assert len(found) == 2 * 37 + 12
    unknown = {"without format", "format a boolean", "a list", "a text"}
    broken = ("chain_broken", record.event("a", 3))
    assert found == {
        what: [broken, ("format_unknown" if what in unknown else "event_malformed", record.event("a", 2))]
        for what in shapes
    }


def test_an_unknown_digest_algorithm_is_found(record: Record) -> None:
    with record.disarmed() as bench:
        row = bench.row(HISTORY, case_id=record["a"], seq=7)
        body = row["body"].replace('"algorithm":"sha256"', '"algorithm":"md5"')
        found = bench.found_after(HISTORY, {"body": body}, case_id=record["a"], seq=7)
    assert found == [("digest_wrong", record.event("a", 7))]


def named(record: Record, name: str, codes: dict[int, list[str]]) -> Found:
    return sorted((code, record.event(name, seq)) for seq, some in codes.items() for code in some)
