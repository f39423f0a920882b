"""What was given with an act: read by its form, its private values taken out, or refused with what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, get_args

from pydantic import AwareDatetime, BaseModel, ValidationError

from ganchu_workflow.engine.complaints import in_chinese
from ganchu_workflow.engine.privacy import commit_private
from ganchu_workflow.engine.recorder import plain
from ganchu_workflow.errors import Refusal

_INSTANTS: set[Any] = {AwareDatetime, datetime, date}


@dataclass(frozen=True, slots=True)
class Given:
    """The data of an act: as its form reads it, as the record holds it, and the private values apart."""

    model: BaseModel
    plain: dict[str, Any]
    private: list[dict[str, Any]]


def read_given(form: type[BaseModel], data: Any, case_id: str, secret: Callable[[], str]) -> Given | Refusal:
    """The data of an act on a case, or why they cannot be used: every field that is wrong."""
    raw = data if isinstance(data, form) else plain(data)
    numbers = [name for name in _instants_of(form) if isinstance(raw, Mapping) and _is_a_number(raw.get(name))]
    if numbers:
        return Refusal(
            "data_invalid",
            f"材料有误:{'、'.join(numbers)} 应为带时差的时刻,如 2021-09-03T17:30:00+08:00",
            f"{', '.join(numbers)}: a number is no instant; write it like 2021-09-03T17:30:00+08:00",
            {"fields": [f"{name}: a number is no instant" for name in numbers], "expected": sorted(form.model_fields)},
        )
    try:
        model = raw if isinstance(raw, form) else form.model_validate(raw)
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


@lru_cache(maxsize=512)
def _instants_of(form: type[BaseModel]) -> tuple[str, ...]:
    """Its fields of instants and days: a number there, pydantic would read as seconds since 1970."""
    fields = form.model_fields.items()
    return tuple(n for n, field in fields if _INSTANTS & {field.annotation, *get_args(field.annotation)})


def _is_a_number(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\s*[-+]?[0-9]+([.][0-9]*)?\s*", value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
