"""Private values: taken out of what was given before anything is written, and kept from leaking back in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
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
    given: dict[str, Any] = _commit(model, model.model_dump(mode="json"), case_id, salt, rows)
    return given, rows


def keep_secret(value: Any, name: str, case_id: str, salt: Callable[[], str], rows: list[Row]) -> dict[str, str]:
    """The reference that stands for a private value; the value itself joins `rows`."""
    salted = salt()
    proof = commitment(salted, value)
    rows.append({"id": proof, "case_id": case_id, "field": name, "salt": salted, "value": encode(value)})
    return {"private": proof}


def refuse_leaks(values: Any, private: Iterable[str], open_already: Any) -> None:
    """Raise `PrivateLeak` when a text among `values` is one of the private texts, or contains a long one.

    What stands in the open anyway, in `open_already`, is no secret, though somebody gave it as one.
    """
    watched = [p for p in private if p]
    if not watched:
        return
    known = set(_texts(open_already))
    watched = [p for p in watched if p not in known]
    for text in _texts(values) if watched else ():
        if any(p == text or (len(p) >= LONG and p in text and text not in known) for p in watched):
            raise PrivateLeak(
                "an effect copied a private value into facts or a message; use ctx.given instead of ctx.data"
            )


def private_values(value: Any) -> Iterator[str]:
    """The private texts of what was given, however deep."""
    if isinstance(value, BaseModel):
        for name, private in _fields(type(value)):
            inner = getattr(value, name)
            yield from _texts(_plain(inner)) if private else private_values(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from private_values(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from private_values(inner)


def _commit(value: Any, plain: Any, case_id: str, salt: Callable[[], str], rows: list[Row]) -> Any:
    if isinstance(value, BaseModel):
        out: dict[str, Any] = {}
        for name, private in _fields(type(value)):
            if not private:
                out[name] = _commit(getattr(value, name), plain[name], case_id, salt, rows)
            elif plain[name] in (None, "", [], {}):
                out[name] = None
            else:
                out[name] = keep_secret(plain[name], name, case_id, salt, rows)
        return out
    if isinstance(value, Mapping):
        return {str(k): _commit(v, plain[str(k)], case_id, salt, rows) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_commit(v, p, case_id, salt, rows) for v, p in zip(value, plain, strict=True)]
    return plain


@cache
def _fields(model: type[BaseModel]) -> tuple[tuple[str, bool], ...]:
    """The fields of a model, and whether each is private."""
    return tuple((name, _is_private(field)) for name, field in model.model_fields.items())


def _is_private(field: Any) -> bool:
    return any(m is Private for m in field.metadata) or _holds_private(field.annotation)


def _holds_private(annotation: Any) -> bool:
    """Whether the annotation, however deep, marks a part as private: then the whole field is kept apart."""
    if any(m is Private for m in getattr(annotation, "__metadata__", ())):
        return True
    return any(_holds_private(argument) for argument in get_args(annotation))


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
