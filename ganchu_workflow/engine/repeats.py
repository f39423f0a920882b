"""The same request under the same key again: it gets the same receipt, and any other request is refused."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from ganchu_workflow.canonical import commitment, decode, digest, encode
from ganchu_workflow.engine.adjusting import FORMS
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.outage import Outage
from ganchu_workflow.engine.privacy import commit_private
from ganchu_workflow.engine.recorder import plain
from ganchu_workflow.engine.requests import EXTEND_ROUND, Request
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.errors import Refusal, Refused
from ganchu_workflow.process.language import Data


def receipt_again(rows: Rows, book: Rulebook, request: Request, body: dict[str, Any]) -> Receipt:
    """The receipt of the event `body`, which was written under the key of this request.

    Raises `Refused` (`key_reused`) when it was written by another request.
    """
    if not _same_request(rows, book, request, body):
        raise Refused(
            Refusal(
                "key_reused",
                "该幂等键已用于另一请求",
                f"the key '{request.key}' was used for another request; use a new key for a new act",
                {"case": body["case"], "seq": body["seq"]},
                trigger=request.step.trigger,
            )
        )
    return Receipt.again(body, digest(encode(body), body["algorithm"]))


def _same_request(rows: Rows, book: Rulebook, request: Request, body: dict[str, Any]) -> bool:
    """Whether the event was written by this very request; what cannot even be read as it was another one."""
    kind = book.process.kinds.get(body["kind"])
    forms: dict[str, type[BaseModel]] = {**FORMS, EXTEND_ROUND: Outage}
    form = forms.get(body["trigger"])
    edges = [e for e in kind.edges if e.name == body["trigger"] and e.source == body["source"]] if kind else []
    if form is None and not edges:
        return False
    try:
        model = (form or edges[0].transition.data or Data).model_validate(plain(request.step.data))
    except ValidationError:
        return False
    given, private = commit_private(model, body["case"], lambda: "")
    return request.digest(given) == body["request"] and _same_private(rows, given, body["data"], private)


def _same_private(rows: Rows, given: dict[str, Any], stored: dict[str, Any], private: list[dict[str, Any]]) -> bool:
    """Whether the private values are those that were given before; an erased one can no longer be compared."""
    plain_values = {row["id"]: decode(row["value"]) for row in private}
    for now, before in _pairs(given, stored):
        kept = rows.private(before)
        if kept is None or kept[0] is None:
            continue
        if commitment(kept[0], plain_values[now]) != before:
            return False
    return True


def _pairs(given: Any, stored: Any) -> list[tuple[str, str]]:
    if isinstance(given, dict) and isinstance(stored, dict):
        if set(given) == set(stored) == {"private"}:
            return [(given["private"], stored["private"])]
        return [pair for key in given for pair in _pairs(given[key], stored.get(key))]
    if isinstance(given, list) and isinstance(stored, list):
        return [pair for a, b in zip(given, stored, strict=False) for pair in _pairs(a, b)]
    return []
