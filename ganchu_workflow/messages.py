"""What is told: the messages that stages declare beside their code, and a message on its way over one channel.

A package that holds life cycles declares what their effects tell in a data folder `messages/` beside its modules:
`messages.toml` with one table for each kind of message, and its text in every language, `zh-CN/<kind>.txt` and
`en/<kind>.txt`: the subject on the first line, an empty line, the text. A stage of another distribution does the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from ganchu_workflow.errors import Invalid

LANGUAGES = ("zh-CN", "en")
"""Every message has a text in each of them."""
FOLDER = "messages"
"""The name of the data folder beside the modules of a package."""
OURS = frozenset({"round", "recipient", "application", "deadlines", "told_at"})
"""The names that every text may use, and that no body may have."""


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One kind of message: where its texts are, and what its body is made of."""

    name: str
    package: str
    """The package whose folder `messages` holds it."""
    application: bool
    """Whether the text may name the application that the case is, or is a child of."""
    sample: Mapping[str, Any] = field(hash=False)
    """A body as an effect tells it, with every key it can have; invented."""
    optional: frozenset[str]
    """The keys of the body that may be absent or null."""
    deadlines: tuple[str, ...] = ()
    """The deadlines, by their names in the life cycle, whose ends the text may name where the same event armed them."""

    def __str__(self) -> str:
        return f"{self.package}.{self.name}"

    def text(self, language: str) -> str:
        """The text of the kind in this language, as it was written. Raises `Invalid` when it is not there."""
        place = _folder(self.package) / language / f"{self.name}.txt"
        try:
            return place.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"the message {self} has no text that can be read: {place}: {error}", place=str(place)) from (
                error
            )


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way over one channel, claimed by one dispatcher until `until`."""

    id: str
    """The id of the message: stable, however often it is handed in."""
    channel: str
    kind: str
    recipient: str
    """`role` or `role:scope`."""
    body: Mapping[str, Any]
    created_at: datetime
    round: Mapping[str, Any]
    """Of its round: id, code, title, timezone, demonstration."""
    application: Mapping[str, str] | None
    """Of the application it is about: what may be public of it (number, product, enterprise, city), where known."""
    deadlines: Mapping[str, str]
    """When the deadlines run out that its kind names and the same event armed."""
    declared: MessageKind | None
    """The declaration of its kind; None when the package of the stage that told it has none."""
    attempts: int
    """Which attempt this is, from 1."""
    until: datetime
    """The end of the lease: after that somebody else may have it in hand."""
    version: int
    subject: str | None = None
    """What was said at an earlier attempt, and is said again; None: it has not been rendered yet."""
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: the new status of a delivery, and why."""

    delivery: Delivery
    status: str
    """`delivered`, `retrying`, `dead`, `stuck`; or `waiting`: it was not attempted."""
    error: str | None = None
    again_in: float = 0.0
    """For `retrying`: in how many seconds."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What one run of a dispatcher did, as numbers of deliveries."""

    delivered: int = 0
    retried: int = 0
    """Failed for the time being: they will be tried again."""
    dead: int = 0
    """Given up: they wait for a person."""
    stuck: int = 0
    """They may have gone out: they wait for a person."""
    left: int = 0
    """Not attempted, because the lease ran out before their turn, or settled by somebody else meanwhile."""

    @property
    def total(self) -> int:
        """How many deliveries were handled; fewer than asked for means that nothing more is due."""
        return self.delivered + self.retried + self.dead + self.stuck + self.left


class Dispatcher(Protocol):
    """Delivers what the outbox holds: what an entry point of the group `ganchu_workflow.dispatchers` builds."""

    def run_once(self, limit: int = 100) -> Dispatched:
        """Deliver at most `limit` of what is due, oldest first. Any number of nodes may do so at once."""
        ...


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    application: bool = False
    sample: dict[str, Any] = {}
    optional: list[str] = []
    deadlines: list[str] = []


def package_of(life_cycle: type) -> str:
    """The package that the module of this class lies in; empty for a module that lies in none."""
    module = import_module(life_cycle.__module__)
    return (module.__spec__.parent if module.__spec__ else None) or ""


@cache
def declared_in(package: str) -> Mapping[str, MessageKind]:
    """What a package declares, by name. Raises `Invalid` with everything that is wrong with the declaration."""
    place = _folder(package) / "messages.toml" if package else None
    if place is None or not place.is_file():
        return {}
    # Here, because most packages declare nothing.
    import tomllib

    try:
        tables = tomllib.loads(place.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Invalid(f"{place} cannot be read: {error}", place=str(place)) from error
    found, wrong = {}, []
    for name, table in tables.items():
        try:
            read = _Declared.model_validate(table)
        except ValidationError as error:
            wrong += [f"[{name}] {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            continue
        kind = MessageKind(
            name, package, read.application, read.sample, frozenset(read.optional), tuple(read.deadlines)
        )
        wrong += [f"[{name}] {what}" for what in _problems(kind)]
        found[name] = kind
    if wrong:
        raise Invalid(f"{place} cannot be used: {'; '.join(wrong)}", place=str(place), problems=wrong)
    return found


def _problems(kind: MessageKind) -> Iterable[str]:
    if not (kind.name.isascii() and kind.name.isidentifier()):
        yield "a message is named as a Python name is, in ASCII"
    if kind.name == "layout":
        yield "the name is that of the frame around every text; choose another"
    for key in sorted(OURS & kind.sample.keys()):
        yield f"the sample has a key '{key}', which means something else in every text; rename it in the effect"
    for key in sorted(kind.optional - kind.sample.keys()):
        yield f"optional names '{key}', which the sample does not have"
    for language in LANGUAGES:
        try:
            kind.text(language)
        except Invalid as error:
            yield error.message


def message_kinds(life_cycles: Iterable[type]) -> list[MessageKind]:
    """The kinds that the packages of these classes, and of their bases, declare; each once.

    Raises `Invalid` with everything that is wrong with the declarations.
    """
    packages = dict.fromkeys(package_of(base) for each in life_cycles for base in each.__mro__)
    found: list[MessageKind] = []
    wrong: list[str] = []
    for package in packages:
        try:
            found += declared_in(package).values()
        except Invalid as error:
            wrong.append(error.message)
    if wrong:
        raise Invalid("\n".join(wrong), problems=wrong)
    return found


def told_by(life_cycle: type, name: str) -> MessageKind | None:
    """The kind that a message of this name is, told by an effect of this class: its own package's, else a base's."""
    for base in life_cycle.__mro__:
        found = declared_in(package_of(base)).get(name)
        if found is not None:
            return found
    return None


def _folder(package: str) -> Traversable:
    return files(package) / FOLDER
