"""Private values: taken out of what was given before anything is written, and kept from leaking back in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from ganchu_workflow.canonical import commitment, encode
from ganchu_workflow.errors import Fault
from ganchu_workflow.process.language import Private

Row = dict[str, Any]
LONG = 12
"""A private text of so many characters is looked for inside others; a shorter one would be found by coincidence."""


class PrivateLeak(Fault):
    """An effect tried to write a private value into the chain. The act was abandoned."""

    code = "private_leak"


def commit_private(model: BaseModel, case_id: str, salt: Callable[[], str]) -> tuple[dict[str, Any], list[Row]]:
    """What was given as canonical values, with each private field replaced by its commitment, and the rows to keep."""
    rows: list[Row] = []
    return _commit(model, model.model_dump(mode="json"), case_id, salt, rows), rows


def keep_secret(value: str, name: str, case_id: str, salt: Callable[[], str], rows: list[Row]) -> dict[str, str]:
    """The reference that stands for a private value; the value itself joins `rows`."""
    salted = salt()
    proof = commitment(salted, value)
    rows.append({"id": proof, "case_id": case_id, "field": name, "salt": salted, "value": encode(value)})
    return {"private": proof}


def refuse_leaks(values: Any, private: list[str]) -> None:
    """Raise `PrivateLeak` when a text among `values` is one of the private texts, or contains a long one."""
    watched = [p for p in private if p]
    for text in _texts(values) if watched else ():
        if any(p == text or (len(p) >= LONG and p in text) for p in watched):
            raise PrivateLeak(
                "an effect copied a private value into facts or a message; use ctx.given instead of ctx.data"
            )


def private_values(model: BaseModel) -> Iterator[str]:
    """The private texts of what was given."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if _is_private(field):
            if isinstance(value, str):
                yield value
        else:
            for nested in value if isinstance(value, list | tuple) else [value]:
                if isinstance(nested, BaseModel):
                    yield from private_values(nested)


def _commit(model: BaseModel, dumped: dict[str, Any], case_id: str, salt: Callable[[], str], rows: list[Row]) -> Row:
    out: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value, plain = getattr(model, name), dumped[name]
        if _is_private(field):
            out[name] = keep_secret(str(plain), name, case_id, salt, rows) if plain not in (None, "") else None
        elif isinstance(value, BaseModel):
            out[name] = _commit(value, plain, case_id, salt, rows)
        elif isinstance(value, list | tuple) and any(isinstance(v, BaseModel) for v in value):
            out[name] = [_commit(v, p, case_id, salt, rows) for v, p in zip(value, plain, strict=True)]
        elif isinstance(value, Mapping) and any(isinstance(v, BaseModel) for v in value.values()):
            out[name] = {k: _commit(v, plain[str(k)], case_id, salt, rows) for k, v in value.items()}
        else:
            out[name] = plain
    return out


def _is_private(field: Any) -> bool:
    return any(m is Private for m in field.metadata) or any(
        m is Private for arg in get_args(field.annotation) for m in getattr(arg, "__metadata__", ())
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
