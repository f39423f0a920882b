"""Discovering stages, channels and dispatchers: through entry points, each verified before it is registered.

The built-in stages arrive by the same door as anybody else's.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any

from pydantic import BaseModel

from ganchu_workflow.errors import PluginInvalid
from ganchu_workflow.process.language import Lifecycle, Stage
from ganchu_workflow.process.tables import Table

STAGES = "ganchu_workflow.stages"
CHANNELS = "ganchu_workflow.channels"
DISPATCHERS = "ganchu_workflow.dispatchers"
CONTRACT = 1
"""The version of the contract between the engine and a stage."""
TAKEN = ("use", "as", "on", "phase", "defaults")
"""What a plan says of every stage: no setting can have such a name."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One registered plugin: its name, what it is, and who brought it."""

    name: str
    brought: Any
    distribution: str
    """Name and version, for example `ganchu-workflow 0.1.0`."""
    place: str


@dataclass
class Registry:
    """The plugins of one group by name. What could not be used is kept too, and refused when it is asked for."""

    group: str = STAGES
    plugins: dict[str, Plugin] = field(default_factory=dict)
    broken: dict[str, PluginInvalid] = field(default_factory=dict)
    """Why a name that is claimed cannot be used. Each error's field `claims` lists who claims it: distribution, place.
    """

    @classmethod
    def discover(cls, group: str = STAGES, found: Iterable[EntryPoint] | None = None) -> Registry:
        """Everything installed under an entry-point group.

        A plugin that cannot be loaded, or breaks its contract, is put aside: it is refused when a plan uses it, and
        stops no other. So is a name that two distributions claim: neither is loaded, for nobody could say which of them
        a round was opened with; the refusal names both. What a plugin prints while it is imported goes to stderr.
        """
        registry = cls(group)
        claims: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=group) if found is None else found:
            same_name = claims.setdefault(point.name, [])
            # A distribution that is on the path twice claims its name once.
            if (point.value, _distribution(point)) not in [(p.value, _distribution(p)) for p in same_name]:
                same_name.append(point)
        for name, points in claims.items():
            try:
                registry._claim(name, points)
            except PluginInvalid as error:
                claimants = [[_distribution(p), p.value] for p in points]
                registry.broken[name] = PluginInvalid(error.message, name=name, group=group, claims=claimants)
        return registry

    def _claim(self, name: str, points: Sequence[EntryPoint]) -> None:
        if len(points) > 1:
            raise _taken(name, self.group, *((_distribution(p), p.value) for p in points))
        [point] = points
        self.register(name, _load(point), distribution=_distribution(point), place=point.value)

    def register(self, name: str, brought: Any, *, distribution: str = "the host", place: str = "") -> None:
        """Verify `brought` against the contract of the group, then register it under `name`.

        Raises `PluginInvalid` when the name is taken, naming the claimants, or when the contract is not kept.
        """
        if name in self.plugins:
            first = self.plugins[name]
            raise _taken(name, self.group, (first.distribution, first.place), (distribution, place))
        if name in self.broken:
            # A plugin that cannot be used claims its name all the same.
            raise _taken(name, self.group, *self.broken[name].fields["claims"], (distribution, place))
        try:
            problems = list(_CONTRACTS[self.group](name, brought))
        except (Exception, SystemExit) as error:
            problems = [f"it cannot be checked: {type(error).__name__}: {error}"]
        if problems:
            raise PluginInvalid(
                f"the plugin '{name}' of {distribution} ({place}) does not keep its contract: {'; '.join(problems)}",
                name=name,
            )
        self.plugins[name] = Plugin(name, brought, distribution, place)

    def get(self, name: str) -> Plugin:
        """The plugin of that name. Raises `PluginInvalid` saying what there is, or why it was put aside."""
        if name in self.broken:
            # A copy: an error that is raised again and again collects the frames of all who asked.
            raise PluginInvalid(self.broken[name].message, **self.broken[name].fields)
        if name not in self.plugins:
            near = get_close_matches(name, self.plugins, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise PluginInvalid(
                f"there is no '{name}' in {self.group}; {hint}"
                f"installed are: {', '.join(sorted(self.plugins)) or 'none'}",
                name=name,
            )
        return self.plugins[name]

    def distributions(self) -> dict[str, str]:
        """Top-level package → the distribution that brought it."""
        return {p.brought.__module__.partition(".")[0]: p.distribution for p in self.plugins.values()}


def own_distribution() -> str:
    """Name and version of this library as it is installed."""
    try:
        return f"ganchu-workflow {version('ganchu-workflow')}"
    except PackageNotFoundError:
        return "ganchu-workflow (not installed)"


def _taken(name: str, group: str, *claims: Iterable[str]) -> PluginInvalid:
    pairs = [tuple(claim) for claim in claims]
    claimants = " and ".join(f"{distribution} ({place})" for distribution, place in pairs)
    how_many = "two" if len(pairs) == 2 else len(pairs)
    return PluginInvalid(
        f"{how_many} plugins claim the name '{name}' in {group}: {claimants}; uninstall all but one of them",
        name=name,
        claims=[list(pair) for pair in pairs],
    )


def _load(point: EntryPoint) -> Any:
    try:
        with redirect_stdout(sys.stderr):  # stdout belongs to the host, or to the command whose --json is read there
            return point.load()
    except (Exception, SystemExit) as error:  # a module may be a script that ends with sys.exit()
        raise PluginInvalid(
            f"the plugin '{point.name}' of {_distribution(point)} ({point.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}",
            name=point.name,
        ) from error


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def _stage_contract(name: str, brought: Any) -> Iterator[str]:
    if not (inspect.isclass(brought) and issubclass(brought, Stage)):
        yield "it is not a subclass of ganchu_workflow.process.Stage"
        return
    if brought.name != name:
        yield f"its class says name = {brought.name!r}, the entry point says {name!r}"
    if brought.contract != CONTRACT:
        yield f"it was written for version {brought.contract} of the contract, this engine has {CONTRACT}"
    settings = brought.Settings
    if not (inspect.isclass(settings) and issubclass(settings, BaseModel)):
        yield "its Settings are not a pydantic model"
    elif settings.model_config.get("extra") != "forbid":
        yield "its Settings must have extra='forbid', or a misspelt key of a plan would go unnoticed"
    else:
        for key in TAKEN:
            if key in settings.model_fields:
                yield f"its Settings have a field '{key}', which a plan says of every stage; rename it"
    if not isinstance(brought.cases, tuple):
        yield f"cases= must be a tuple, not {brought.cases!r}"
    else:
        for case in brought.cases:
            if not (inspect.isclass(case) and issubclass(case, Lifecycle)):
                yield f"cases= holds {case!r}, which is not a Lifecycle"
    if not (isinstance(brought.tables, tuple) and all(isinstance(table, Table) for table in brought.tables)):
        yield f"tables= must be a tuple of Table, not {brought.tables!r}"
    try:
        brought()
    except Exception as error:
        yield f"it cannot be made without arguments: {error}"


def _channel_contract(name: str, brought: Any) -> Iterator[str]:
    if getattr(brought, "name", None) != name:
        yield f"its class says name = {getattr(brought, 'name', None)!r}, the entry point says {name!r}"
    deliver = getattr(brought, "deliver", None)
    if not callable(deliver):
        yield "it has no method deliver(message)"
    elif list(inspect.signature(deliver).parameters) != ["self", "message"]:
        yield f"its method is deliver{inspect.signature(deliver)}, it must be deliver(self, message)"
    if not isinstance(getattr(brought, "repeats_safely", False), bool):
        yield f"repeats_safely is True or False, not {brought.repeats_safely!r}"
    if getattr(brought, "addresses", "optional") not in ("required", "optional"):
        yield f"addresses is 'required' or 'optional', or left out, not {brought.addresses!r}"


def _dispatcher_contract(name: str, brought: Any) -> Iterator[str]:
    if not callable(brought):
        yield "it is not a function build(workflow, configuration)"
    elif list(inspect.signature(brought).parameters) != ["workflow", "configuration"]:
        yield f"it is called as {name}{inspect.signature(brought)}, it must be build(workflow, configuration)"


_CONTRACTS = {STAGES: _stage_contract, CHANNELS: _channel_contract, DISPATCHERS: _dispatcher_contract}
GROUPS = tuple(_CONTRACTS)
"""The entry-point groups by which plugins are found."""
