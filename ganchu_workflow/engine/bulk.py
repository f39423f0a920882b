"""Many acts in few transactions, each on its own: a report says of each what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

from pydantic import BaseModel

from ganchu_workflow.actors import Actor
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.engine.recorder import plain
from ganchu_workflow.engine.requests import Entry, Request, Step
from ganchu_workflow.engine.transition import Engine, OneByOne
from ganchu_workflow.errors import Contention, DatabaseFault, WorkflowError, no_such_case

BATCH = 200
"""How many acts one transaction takes."""


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one case in a bulk act: the receipt, or what stood in the way."""

    case: str
    receipt: Receipt | None
    error: WorkflowError | None


@dataclass(frozen=True, slots=True)
class Bulk:
    """What became of a bulk act, case by case in the order given."""

    items: tuple[Item, ...]

    @property
    def moved(self) -> tuple[Item, ...]:
        """Those that were done, or in a dry run would be."""
        return tuple(i for i in self.items if i.receipt is not None)

    @property
    def refused(self) -> tuple[Item, ...]:
        """Those that were refused, are not there, or whose rules crashed; nothing of them is left."""
        return tuple(i for i in self.items if i.error is not None)


def request_of(
    case: str,
    round_id: str | None,
    trigger: str,
    data: Mapping[str, Any] | BaseModel | None,
    actor: Actor,
    received_at: datetime,
    key: str | None,
    document: str | None,
    entry: Entry | None,
) -> Request | WorkflowError:
    """The act on one of the cases, under a key of its own if there is one; where there is no such case, that."""
    if round_id is None:
        return no_such_case(case)
    step = Step(trigger, case, plain(data or {}), actor)
    return Request(step, round_id, received_at, f"{key}:{case}" if key is not None else None, document, entry)


def carry_out_many(engine: Engine, acts: Sequence[tuple[str, Request | WorkflowError]], *, dry_run: bool) -> Bulk:
    """Carry out acts on cases in the order given, `BATCH` in one transaction; one that fails undoes itself alone.

    What failed is kept as a row with its batch; in a host's transaction it is the host's to keep. An act that cannot
    even be asked for is given as its error. A dry run is one transaction, which is undone: counts and quotas are seen
    as the acts before have left them, and its refusals cannot be kept, as nothing was tried in earnest.
    """
    size = max(len(acts), 1) if dry_run else BATCH
    items: list[Item] = []
    for start in range(0, len(acts), size):
        items += engine.together(partial(_batch, acts[start : start + size]), dry_run=dry_run)
    if dry_run:
        for item in items:
            if item.error is not None:
                item.error.fields.pop("attempt", None)
    return Bulk(tuple(items))


def _batch(acts: Sequence[tuple[str, Request | WorkflowError]], inside: Engine) -> list[Item]:
    became: dict[str, Receipt | WorkflowError] = {case: act for case, act in acts if isinstance(act, WorkflowError)}
    asked = [(case, act) for case, act in acts if isinstance(act, Request)]
    for _, group in groupby(asked, key=lambda act: act[1].round):
        cases, requests = zip(*group, strict=True)
        became |= zip(cases, _outcomes(inside, requests), strict=True)
    items = [_item(case, became[case]) for case, _ in acts]
    if inside.transactions.ours:
        for item in items:
            if item.error is not None:
                inside.keep(item.error)
    return items


def _item(case: str, outcome: Receipt | WorkflowError) -> Item:
    return Item(case, outcome, None) if isinstance(outcome, Receipt) else Item(case, None, outcome)


def _outcomes(inside: Engine, requests: Sequence[Request]) -> Sequence[Receipt | WorkflowError]:
    try:
        return inside.carry_out_as_set(requests)
    except OneByOne:
        return [_by_itself(inside, request) for request in requests]


def _by_itself(inside: Engine, request: Request) -> Receipt | WorkflowError:
    try:
        return inside.carry_out(request)
    except (DatabaseFault, Contention):
        raise
    except WorkflowError as error:
        return error
