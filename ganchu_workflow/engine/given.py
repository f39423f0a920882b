"""What was given with an act: read by its form, its private values taken out, or refused with what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from ganchu_workflow.engine.complaints import in_chinese
from ganchu_workflow.engine.privacy import commit_private
from ganchu_workflow.engine.recorder import plain
from ganchu_workflow.errors import Refusal


@dataclass(frozen=True, slots=True)
class Given:
    """The data of an act: as its form reads it, as the record holds it, and the private values apart."""

    model: BaseModel
    plain: dict[str, Any]
    private: list[dict[str, Any]]


def read_given(form: type[BaseModel], data: Any, case_id: str, secret: Callable[[], str]) -> Given | Refusal:
    """The data of an act on a case, or why they cannot be used: every field that is wrong."""
    try:
        model = data if isinstance(data, form) else form.model_validate(plain(data))
    except ValidationError as error:
        found = [(".".join(str(p) for p in e["loc"]) or "data", e) for e in error.errors()]
        problems = [f"{place}: {e['msg']}" for place, e in found]
        problems_zh = [f"{place} {in_chinese(e)}" for place, e in found]
        return Refusal(
            "data_invalid",
            f"材料不全或有误:{';'.join(problems_zh)}",
            f"the data cannot be used: {'; '.join(problems)}; it takes: {', '.join(form.model_fields) or 'nothing'}",
            {"fields": problems, "expected": sorted(form.model_fields)},
        )
    given, private = commit_private(model, case_id, secret)
    return Given(model, given, private)
