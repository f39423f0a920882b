"""Opening a case, and verifying the record."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from subprocess import PIPE, Popen
from typing import Any

from ganchu_workflow.canonical import commitment
from tests.benchmarks.measure import A_FEW, Bar, Line, interval, measure, timed
from tests.benchmarks.worlds import Raw, Wanted, World, compiled, worlds
from tests.engine.small_process import CONTACT, OFFICE, applicant, declaration

_TABLES = ("case", "party", "fact_index", "history", "deadline", "outbox", "private_value")
_NAME = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-v]{26})\b")
_PEAK = (
    "import resource, sys; from ganchu_workflow import Workflow; report = Workflow(sys.argv[1]).verify();"
    " assert report.ok; print(report.events, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def opening(wanted: Wanted) -> Iterator[Line]:
    """Declaring an application, against inserting the same rows by hand."""
    for backend in wanted.sources:
        with worlds(backend, wanted, 2) as (ours, theirs):
            case = theirs.small.draft()
            rows = {t: theirs.raw.rows(f"SELECT * FROM ganchu_{t} WHERE {_key(t)} = ?", case) for t in _TABLES[:4]}
            rows["private_value"] = theirs.raw.rows("SELECT * FROM ganchu_private_value WHERE case_id = ?", case)

            pairs = measure(
                wanted.patience,
                partial(_repeat, partial(_declare, ours), wanted.block),
                partial(_repeat, _declared_by_hand(theirs, rows), wanted.block),
                needed=A_FEW,
            )
            yield Line(
                f"opening an application, {backend}",
                "against reading round and phase, inserting the same rows and the commit by hand",
                pairs.ratio(lambda a, b: b / a),
                len(pairs),
                pairs.us(0, wanted.block),
                pairs.us(1, wanted.block),
            )


def _repeat(act: Callable[[], object], times: int) -> float:
    return timed(lambda: [act() for _ in range(times)])


def _declare(world: World) -> object:
    return world.wf.open("application", declaration(), actor=applicant(), round=world.small.round)


def _key(table: str) -> str:
    return "id" if table == "case" else "case_id"


def _declared_by_hand(world: World, rows: dict[str, list[dict[str, Any]]]) -> Callable[[], None]:
    raw = world.raw
    statements = [
        (raw.sql(f"INSERT INTO ganchu_{t} ({', '.join(r)}) VALUES ({', '.join('?' * len(r))})"), t, r)
        for t, some in rows.items()
        for r in some
    ]
    phase = world.small.phase("declare").id
    read = raw.sql("SELECT * FROM ganchu_case WHERE id IN (?, ?)")
    made = 0

    def declare() -> None:
        nonlocal made
        made += 1
        ids = {"case": {"id": f"d{made:025d}"}, "private_value": {"case_id": f"d{made:025d}", "id": f"{made:064d}"}}
        raw.execute("BEGIN IMMEDIATE" if raw.sqlite else "BEGIN")
        raw.execute(read, (world.small.round, phase)).fetchall()
        for sql, table, row in statements:
            raw.execute(sql, tuple((row | ids.get(table, {"case_id": f"d{made:025d}"})).values()))
        raw.execute("COMMIT")

    return declare


def verification(wanted: Wanted) -> Iterator[Line]:
    """Verifying a whole record, in events a second; and the memory that it takes, in a process of its own."""
    for backend in wanted.sources:
        with worlds(backend, wanted, 2) as (small, large):
            # Each is a whole, true record: it stands the verification.
            applications = min(20, wanted.verified // 100)
            events = _rounds(small, applications, wanted.verified)
            _rounds(large, applications, wanted.verified * 10)
            pairs = measure(wanted.patience, partial(_verify, small, events), partial(_read, small))
            rate = interval([events / taken for taken, _ in pairs.sides])
            memory = _peaks(small, large) if backend in wanted.memory else []
        yield Line(
            f"verification, {backend}",
            f"{events:,} events, each with its digest and every row that follows from it; against reading the events,"
            " json.loads and SHA-256; µs per event",
            rate,
            len(pairs),
            pairs.us(0, events),
            pairs.us(1, events),
            Bar(100_000, at_least=True, unit=" events/s"),
            "150,000 events/s",
            unit=" events/s",
            notes=tuple(f"peak memory of the process: {most:.0f} MB at {many:,} events" for many, most in memory),
        )


def _verify(world: World, events: int) -> float:
    def verify() -> None:
        report = world.wf.verify()
        if not report.ok or report.events != events:
            raise AssertionError(report.problems[:3])

    return timed(verify)


def _read(world: World) -> float:
    def read() -> None:
        rows = world.raw.execute("SELECT body, digest FROM ganchu_history ORDER BY case_id, seq")
        for body, digest in rows:
            json.loads(body)
            if hashlib.sha256(body.encode()).hexdigest() != digest:
                raise AssertionError(body)

    return timed(read)


def _peaks(*some: World) -> list[tuple[int, float]]:
    """The events of each database, and the peak memory in MB of a process that verifies them."""
    # At the same time: it is not the time that is asked for.
    begun = [Popen([sys.executable, "-c", _PEAK, w.url], stdout=PIPE, text=True, env=compiled()) for w in some]
    said = [process.communicate()[0].split() for process in begun]
    return [(int(events), int(kilobytes) / 1024) for events, kilobytes in said]


def _rounds(world: World, applications: int, events: int) -> int:
    """Fill a world with copies of its round, each with ids, salts and a chain of its own; how many events it has."""
    small = world.small
    for number in range(applications):
        case = small.submitted(f"e{number}")
        small.wf.fire(case, "return_for_correction", {"items": ["补正"]}, actor=OFFICE)
        small.wf.fire(case, "resubmit", {"statement": CONTACT}, actor=applicant(f"e{number}"))
        small.wf.fire(case, "accept", actor=OFFICE)
    with closing(Raw(world.url)) as raw:
        rows = {t: raw.rows(f"SELECT * FROM ganchu_{t} ORDER BY {_key(t)}") for t in _TABLES}
        rows["history"].sort(key=lambda r: (r["case_id"], r["seq"]))
        copies = max(events // len(rows["history"]), 1)
        cursor = raw.connection.cursor()
        cursor.execute("BEGIN")
        for number in range(1, copies):
            for table, some in _copy(rows, number).items():
                if some:
                    marks = ", ".join("?" * len(some[0]))
                    insert = raw.sql(f"INSERT INTO ganchu_{table} ({', '.join(some[0])}) VALUES ({marks})")
                    cursor.executemany(insert, [tuple(r.values()) for r in some])
        cursor.execute("COMMIT")
    world.settle()
    return copies * len(rows["history"])


def _copy(rows: dict[str, list[dict[str, Any]]], number: int) -> dict[str, list[dict[str, Any]]]:
    """The rows under other ids, with every salt, commitment and digest that follows from them."""
    new = {r["id"]: f"{number:06d}{r['id'][6:]}" for t in ("case", "outbox") for r in rows[t]}
    salts: dict[str, str] = {}
    for row in rows["private_value"]:
        salts[row["id"]] = hashlib.sha256(f"{number}{row['salt']}".encode()).hexdigest()[:32]
        new[row["id"]] = commitment(salts[row["id"]], json.loads(row["value"]))

    def other(value: Any) -> Any:
        return _NAME.sub(lambda m: new.get(m[0], m[0]), value) if isinstance(value, str) else value

    found: dict[str, list[dict[str, Any]]] = {"history": []}
    for row in rows["history"]:
        copy = {k: other(v) for k, v in row.items()}
        copy["digest"] = new[row["digest"]] = hashlib.sha256(copy["body"].encode()).hexdigest()
        found["history"].append(copy)
    for table in _TABLES:
        if table != "history":
            found[table] = [{k: other(v) for k, v in row.items()} for row in rows[table]]
    for row, before in zip(found["private_value"], rows["private_value"], strict=True):
        row["salt"] = salts[before["id"]]
    return found
