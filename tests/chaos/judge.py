"""What must be true of the record when everything is over, whoever was killed when: compared with the ledgers."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ganchu_workflow import Workflow
from ganchu_workflow.canonical import decode
from ganchu_workflow.clock import from_text
from ganchu_workflow.store.tables import METADATA
from tests.chaos.ledger import read

EVENT, DEADLINE, OUTBOX, DELIVERY, CASE = (
    METADATA.tables[f"ganchu_{name}"] for name in ("history", "deadline", "outbox", "delivery", "case")
)
Events = Mapping[str, list[dict[str, Any]]]


def judge(wf: Workflow, folder: Path) -> list[str]:
    """All that is wrong; nobody else is at the database any more."""
    rows = _rows(wf, EVENT)
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: (r["case_id"], r["seq"])):
        events[row["case_id"]].append(decode(row["body"]))
    return [
        *(f"the record does not hold: {problem}" for problem in wf.verify().problems),
        *_ledgers(rows, folder),
        *_deadlines(events, _rows(wf, DEADLINE), wf.clock.now()),
        *_outbox(events, _rows(wf, OUTBOX)),
        *_deliveries(_rows(wf, OUTBOX), _rows(wf, DELIVERY), folder),
        *_states(events, _rows(wf, CASE)),
        *unfinished(wf),
        *_quotas(wf),
    ]


def _rows(wf: Workflow, table: Any) -> list[dict[str, Any]]:
    with wf.database.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(select(table))]


def _ledgers(rows: list[dict[str, Any]], folder: Path) -> Iterator[str]:
    """Acknowledged: there, once, with that digest. Refused: not there. Neither: at most once. Nothing unasked-for."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["idempotency_key"] is not None:
            found[row["idempotency_key"]].append(row)
    asked: set[str] = set()
    for path in sorted(folder.glob("ledger-*")):
        ledger = read(path)
        asked |= ledger.intents.keys()
        for key, digest in ledger.acknowledged.items():
            if [row["digest"] for row in found[key]] != [digest]:
                yield f"{path.name}: {key} was acknowledged as {digest}, there is {found[key]}"
        for key, code in ledger.refused.items():
            # By this client; under `key_reused` another one's act stands there.
            if found[key] and code != "key_reused":
                yield f"{path.name}: {key} was refused ({code}), there is {found[key]}"
        for key in ledger.unanswered:
            if len(found[key]) > 1:
                yield f"{path.name}: {key} was done {len(found[key])} times"
    for key in found.keys() - asked:
        if found[key]:
            yield f"{key} is in the record, and nobody asked for it"


def _deadlines(events: Events, rows: list[dict[str, Any]], now: datetime) -> Iterator[str]:
    """Each that was armed fired once, was changed or ended by an event, or is still armed and not yet due."""
    armed: dict[tuple[str, str], str] = {}
    silent: set[tuple[str, str]] = set()
    for case, chain in events.items():
        for event in chain:
            fired = event["deadline"]
            if fired is not None:
                running = armed.pop((case, fired["name"]), None)
                if running != fired["due_at"]:
                    yield f"{case} {fired['name']}: fired for {fired['due_at']}, armed was {running}"
                if from_text(event["recorded_at"]) <= from_text(fired["due_at"]):
                    yield f"{case} {fired['name']}: fired before it had run out"
            for change in event["deadlines"]:
                if change["status"] == "armed":
                    armed[case, change["name"]] = change["due_at"]
                    if change["fires"] is None:
                        silent.add((case, change["name"]))  # it only ends what it admits
                elif change["status"] != "fired":
                    armed.pop((case, change["name"]), None)
    for (case, name), due_at in armed.items():
        if from_text(due_at) < now and (case, name) not in silent:
            yield f"{case} {name}: was due at {due_at} and never fired"
    there = {(r["case_id"], r["name"]): r["due_at"] for r in rows if r["status"] == "armed"}
    if there != {key: from_text(due_at) for key, due_at in armed.items()}:
        yield f"armed by the rows {there}, by the history {armed}"


def _outbox(events: Events, rows: list[dict[str, Any]]) -> Iterator[str]:
    """What events tell is what the outbox holds."""
    told = Counter(
        (case, event["seq"], tell["message"], tell["recipient"])
        for case, chain in events.items()
        for event in chain
        for tell in event["tells"]
    )
    there = Counter((r["case_id"], r["seq"], r["message"], r["recipient"]) for r in rows)
    if told - there:
        yield f"told and not in the outbox: {told - there}"
    if there - told:
        yield f"in the outbox and told by no event: {there - told}"


def _deliveries(outbox: list[dict[str, Any]], rows: list[dict[str, Any]], folder: Path) -> Iterator[str]:
    """Each message went out over the channel that bears repeats, once in its journal; over the other at most once."""
    ids = {row["id"] for row in outbox}
    journal = Counter(json.loads(line)["id"] for line in _lines(folder / "journal"))
    once = Counter(_lines(folder / "handed-over"))
    status = {(r["message_id"], r["channel"]): r["status"] for r in rows}
    if journal != Counter(ids):
        yield f"the journal lacks {ids - journal.keys()} or has too much: {journal - Counter(ids)}"
    if twice := once - Counter(once.keys()):
        yield f"handed over twice on a channel that does not bear it: {twice}"
    if strangers := once.keys() - ids:
        yield f"handed over and in no outbox: {strangers}"
    expected = {(i, "journal"): "delivered" for i in ids}
    for i in ids:
        stood = status.get((i, "once"))
        expected[i, "once"] = "stuck" if stood == "stuck" else "delivered"
        if stood == "delivered" and i not in once:
            yield f"{i} counts as delivered and was not handed over"
    if status != expected:
        yield f"deliveries that stand otherwise: {dict(status.items() - expected.items())}"


def _states(events: Events, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Each case is where its last event left it, its history has no gap, and no instant goes back."""
    stored = {r["id"]: (r["state"], r["seq"]) for r in rows}
    replayed = {case: (chain[-1]["target"], len(chain)) for case, chain in events.items()}
    if stored != replayed:
        yield f"cases that stand otherwise than their history: {dict(stored.items() ^ replayed.items())}"
    for case, chain in events.items():
        recorded = [event["recorded_at"] for event in chain]
        if recorded != sorted(recorded):
            yield f"{case}: recorded instants go back: {recorded}"


def unfinished(wf: Workflow) -> list[str]:
    """The rounds that nobody has declared anything in, and the applications that have not come to an end."""
    found = []
    for round_ in wf.rounds():
        process = wf.process(round_.id)
        applications = wf.cases(round_.id, "application")
        if not applications:
            found.append(f"nobody has declared anything in {round_.facts['code']}")
        for a in applications:
            state = process.state(a)
            if not (state.final or state.success):
                found.append(f"{a.facts['product']} still stands in {a.state}")
    return found


def announced(wf: Workflow) -> int:
    """How many applications have come through all stages."""
    return sum(len(wf.cases(round_.id, "application", "announcement.announced")) for round_ in wf.rounds())


def _quotas(wf: Workflow) -> Iterator[str]:
    """No authority has recommended more than its quota."""
    for round_ in wf.rounds():
        settings: Any = wf.process(round_.id).stage("local_recommendation").settings
        taken: Counter[str] = Counter()
        for a in wf.cases(round_.id, "application"):
            taken[a.facts["city"]] += "local_recommendation.recommend" in [e["trigger"] for e in wf.history(a.id)]
        if over := {city: n for city, n in taken.items() if n > settings.quota[city]}:
            yield f"more than the quota was recommended: {over}"


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []
