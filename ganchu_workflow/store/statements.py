"""Statements that are built once and spelt once for each kind of database, so that sending one costs only its sending.

A statement is written in SQLAlchemy Core. What it means on a database (its text, the order of its parameters, how
instants go in and come out) is worked out when it is first used there and kept; SQLAlchemy is not asked again.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.sql.expression import Executable, Insert, Select
from sqlalchemy.types import TypeEngine

IDS = "ids"
"""The parameter of a statement that stands for a list: `column IN ids`."""
CHUNK = 400
"""How many identifiers go into one statement: below the smallest limit of the supported databases."""

Processor = Callable[[Any], Any]
Parameters = tuple[Any, ...] | dict[str, Any]


class Statement:
    """A statement of SQLAlchemy Core, with the ways it is spelt."""

    def __init__(self, core: Executable) -> None:
        self.core = core
        self._spelt: dict[tuple[str, str, str, int], Spelt] = {}

    def spelt(self, dialect: Dialect, ids: int = 0) -> Spelt:
        """The statement for a database, with room for at least that many `ids`, of which there may be `CHUNK`."""
        if ids > CHUNK:
            raise ValueError(f"{ids} identifiers in one statement: at most {CHUNK}")
        room = _room(ids)
        key = (dialect.name, dialect.driver, dialect.paramstyle, room)
        found = self._spelt.get(key)
        if found is None:
            found = self._spelt[key] = _spell(self.core, dialect, room)
        return found


@dataclass(frozen=True, slots=True)
class Spelt:
    """A statement as one kind of database takes it."""

    sql: str
    fixed: Mapping[str, Any]
    """What is the same at every execution; of an INSERT, what stands where nothing is given: NULL."""
    places: tuple[tuple[str, Processor | None], ...]
    """Every place in the text, in order, with what puts a value into the form in which it is stored."""
    room: int
    """How many of the places are for `ids`."""
    positional: bool
    row: Callable[[Sequence[Any]], Any] | None
    """What a row is made of; None where the statement gives none."""

    def bind(self, values: Mapping[str, Any]) -> Parameters:
        """The values as the driver takes them."""
        if self.room:
            ids = values[IDS]
            # Places to spare repeat the last one: so one text serves for many lengths.
            padded = [*ids, *[ids[-1]] * (self.room - len(ids))]
            values = {**values, **{f"{IDS}_{place}": value for place, value in enumerate(padded, start=1)}}
        fixed = self.fixed
        bound = [
            fixed[name] if name not in values else values[name] if convert is None else convert(values[name])
            for name, convert in self.places
        ]
        return (
            tuple(bound)
            if self.positional
            else {place[0]: value for place, value in zip(self.places, bound, strict=True)}
        )


def _room(ids: int) -> int:
    room = 1
    while room < ids:
        room *= 2
    return min(room, CHUNK) if ids else 0


def _spell(core: Executable, dialect: Dialect, room: int) -> Spelt:
    compiled: Any = core.compile(dialect=dialect)  # type: ignore[attr-defined]
    # One bind may stand under two names; that of `bind_names` is the one in the text.
    binds = {name: bind for name, bind in compiled.binds.items() if compiled.bind_names[bind] == name}
    converted = {n: p for n, b in binds.items() if (p := _impl(b.type, dialect).bind_processor(dialect)) is not None}
    written = {name: bind.effective_value for name, bind in binds.items() if not bind.required}
    given: dict[str, Any] = {**dict.fromkeys(binds), **written}
    if room:
        given[IDS] = [""] * room
    expanded = compiled.construct_expanded_state(given)
    places = tuple(expanded.positiontup) if compiled.positional else tuple(expanded.parameters)
    # A list that is written into the statement stands there place by place.
    fixed = {n: v for n, v in expanded.parameters.items() if n in written or (n not in binds and not _is_id(n))}
    fixed = {n: converted[n](v) if n in converted else v for n, v in fixed.items()}
    if isinstance(core, Insert):
        fixed |= dict.fromkeys(binds)
    return Spelt(
        sql=expanded.statement,
        fixed=fixed,
        places=tuple((n, None if n in written else converted.get(n)) for n in places),
        room=room,
        positional=bool(compiled.positional),
        row=_row_of(core, dialect) if isinstance(core, Select) else None,
    )


def _is_id(place: str) -> bool:
    return place.startswith(f"{IDS}_")


def _row_of(core: Select[Any], dialect: Dialect) -> Callable[[Sequence[Any]], Any]:
    columns = core.selected_columns
    names: Any = namedtuple  # the type checker wants the names written out; these are known only here
    make: Callable[[Sequence[Any]], Any] = names("Row", columns.keys(), rename=True)._make
    convert = [
        (n, p)
        for n, column in enumerate(columns)
        if (p := _impl(column.type, dialect).result_processor(dialect, None)) is not None
    ]
    if not convert:
        return make

    def row(values: Sequence[Any]) -> Any:
        made = list(values)
        for place, process in convert:
            made[place] = process(made[place])
        return make(made)

    return row


def _impl(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    return type_.dialect_impl(dialect)
