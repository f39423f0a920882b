"""One event by itself, and against the one before it: what can be believed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Row

from ganchu_workflow.audit.reading import instant_text
from ganchu_workflow.canonical import decode, digest
from ganchu_workflow.errors import NotCanonical

FORMATS = (1,)
_NONE = type(None)
_SHAPE: dict[str, tuple[type, ...]] = {
    "actor": (dict,), "algorithm": (str,), "calendar": (str, _NONE), "case": (str,), "cause": (dict, _NONE),
    "data": (dict,), "deadline": (dict, _NONE), "deadlines": (list,), "definition": (str,), "document": (str, _NONE),
    "effective_at": (str,), "effects": (list,), "entry": (dict, _NONE), "facts": (dict,), "format": (int,),
    "guards": (list,), "handler": (dict,), "key": (str, _NONE), "kind": (str,), "members": (list, _NONE),
    "opening": (dict, _NONE), "outcome": (str,), "parties": (dict,), "previous": (str, _NONE), "received_at": (str,),
    "recorded_at": (str,), "refusal": (dict, _NONE), "request": (str, _NONE), "round": (str,), "seq": (int,),
    "settings": (str,), "source": (str, _NONE), "stage": (str,), "target": (str,), "tells": (list,), "trigger": (str,),
    "visit": (int,),
}  # fmt: skip
"""What an event of format 1 holds. In canonical text the keys are in this order."""


@dataclass
class Replayed:
    """A case as its events say it must stand."""

    case: str
    seq: int = 0
    heads: tuple[str, ...] = ("",)
    """The digest of the event before; where that event was altered, the stored one or the one of what it says now."""
    before: Mapping[str, Any] | None = None
    """The event before, if it can be believed."""
    opened_at: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    parties: dict[str, str] = field(default_factory=dict)
    members: list[list[Any]] = field(default_factory=list)
    deadlines: dict[str, dict[str, Any]] = field(default_factory=dict)
    opening: Mapping[str, Any] = field(default_factory=dict)
    told: dict[tuple[int, int], dict[str, str]] = field(default_factory=dict)
    algorithm: str = "sha256"
    referred: dict[str, str] = field(default_factory=dict)
    """The commitments its events refer to, each with the first event that does."""
    fields: set[tuple[str, str]] = field(default_factory=set)
    """The names under which they do: (name, commitment)."""
    broken: bool = False
    """Its chain is broken: what it says about other rows is worth nothing, and they are not compared."""


def read_event(row: Row[Any]) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
    """The body of an event, or what is wrong with it: then nothing it says can be believed."""
    try:
        body = decode(row.body)
    except NotCanonical as error:
        return None, [("not_canonical", error.message)]
    number = body.get("format") if isinstance(body, dict) else None
    if type(number) is not int or number not in FORMATS:
        return None, [("format_unknown", "its body is not an event of a known format")]
    if not _well_formed(body):
        return None, [("event_malformed", f"its body is not as format {number} has it")]
    try:
        if digest(row.body, body["algorithm"]) != row.digest:
            return None, [("digest_wrong", "its body does not have the stored digest")]
    except NotCanonical as error:
        return None, [("digest_wrong", error.message)]
    return body, []


def column_problems(row: Row[Any], body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where the columns of the row say something else than its body."""
    columns = {
        "case": row.case_id,
        "seq": row.seq,
        "round": row.round_id,
        "trigger": row.name,
        "recorded_at": instant_text(row.recorded_at),
        "key": row.idempotency_key,
    }
    return [
        ("column_differs", f"the column for '{key}' says {value!r}, the body {body[key]!r}")
        for key, value in columns.items()
        if body[key] != value
    ]


def sequence_problems(body: Mapping[str, Any], so_far: Replayed) -> list[tuple[str, str]]:
    """What is wrong with an event that has the next number, seen from the event before it."""
    if (body["previous"] or "") not in so_far.heads:
        return [("chain_broken", "it was not written after the event before it")]
    if (body["opening"] is None) != bool(so_far.seq):
        return [("event_malformed", "the first event opens the case, and no other does")]
    before = so_far.before
    if before is None:
        return []
    if body["source"] != before["target"]:
        return [("states_differ", f"it leaves {body['source']}, but the event before reached {before['target']}")]
    if body["recorded_at"] < before["recorded_at"]:
        return [("time_goes_back", "it was recorded before the event before it")]
    return []


def _well_formed(body: dict[str, Any]) -> bool:
    """Whether everything that verification reads in an event is there and of its type."""
    opening, cause = body.get("opening"), body.get("cause")
    return (
        _is_shape(tuple(body), tuple(map(type, body.values())))
        and all(type(scope) is str for scope in body["parties"].values())
        and all(_is(item, name=str, status=str) for item in body["deadlines"])
        and all(_is(item, message=str, recipient=str, digest=str) for item in body["tells"])
        and all(type(m) is list and [type(v) for v in m] == [str, int] for m in body["members"] or ())
        and (cause is None or _is(cause, case=str, seq=int))
        and (opening is None or all(type(opening.get(k, 0)) in (str, _NONE) for k in ("parent", "of")))
    )


def key_before(text: str, at: int) -> str:
    """The key whose value begins there; empty in a list."""
    return text[text.rindex('"', 0, at - 2) + 1 : at - 2] if text[at - 1] == ":" else ""


@cache
def _is_shape(keys: tuple[str, ...], types: tuple[type, ...]) -> bool:
    return list(keys) == list(_SHAPE) and all(t in _SHAPE[k] for k, t in zip(keys, types, strict=True))


def _is(item: Any, **types: type) -> bool:
    return type(item) is dict and all(type(item.get(key)) is wanted for key, wanted in types.items())
