"""How a caller names cases: by id, by a view, by the receipt of an act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.errors import Invalid
from ganchu_workflow.process.values import CaseView

Case = str | CaseView | Receipt
"""A case, however the caller has it: its id, a view of it, or the receipt of an act on it."""


def each_of(cases: Sequence[Case] | Mapping[str, Any], data: Any) -> dict[str, Any]:
    """Case → its data, in the order given. Raises `Invalid` for a case or data given twice."""
    if isinstance(cases, str):
        raise Invalid("fire_many takes a list of cases, or case → data; for one case use fire")
    if isinstance(cases, Mapping):
        if data:
            raise Invalid("the data is given twice: for each case, and for all of them")
        return {id_of(c): given for c, given in cases.items()}
    ids = [id_of(c) for c in cases]
    if len(set(ids)) < len(ids):
        twice = next(i for n, i in enumerate(ids) if i in ids[:n])
        raise Invalid(f"the case '{twice}' is given twice; give each once", case=twice)
    return dict.fromkeys(ids, data)


def id_of(case: Case) -> str:
    """The id of a case, however the caller has it."""
    if isinstance(case, str):
        return case
    return case.case_id if isinstance(case, Receipt) else case.id
