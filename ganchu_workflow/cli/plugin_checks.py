"""Whether what is installed can be used: each plugin held against its contract, each stage compiled by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from ganchu_workflow.errors import DefinitionInvalid, Invalid
from ganchu_workflow.messages import MessageKind, message_kinds
from ganchu_workflow.plugins import DISPATCHERS, GROUPS, STAGES, Registry
from ganchu_workflow.process.alone import define_alone


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found about one claimed name: who claims it, and what is wrong with it."""

    group: str
    name: str
    claims: tuple[tuple[str, str], ...]
    """(distribution, place)"""
    problems: tuple[str, ...] = ()
    """Where it breaks, and what to do."""
    remarks: tuple[str, ...] = ()
    """What could not be looked at, and why."""


def check_plugins() -> list[Checked]:
    """Every installed plugin against its contract.

    Of a stage, what it declares of its messages is read, each text of them is rendered with its sample by the
    dispatchers that can (`check_texts`), and its process is compiled, as far as its defaults allow.
    """
    found: list[Checked] = []
    for group in GROUPS:
        registry = Registry.discover(group)
        found += [_check(registry, name) for name in sorted({*registry.plugins, *registry.broken})]
    return found


def _check(registry: Registry, name: str) -> Checked:
    if name in registry.broken:
        error = registry.broken[name]
        claims = tuple((distribution, place) for distribution, place in error.fields["claims"])
        return Checked(registry.group, name, claims, (error.message,))
    plugin = registry.plugins[name]
    claims = ((plugin.distribution, plugin.place),)
    if registry.group != STAGES:
        return Checked(registry.group, name, claims)
    problems, remarks = [], []
    try:
        problems += _texts(message_kinds([plugin.brought, *plugin.brought.cases]))
    except Invalid as error:
        problems += error.message.splitlines()
    try:
        define_alone(plugin.brought(), plugin.brought.Settings())
    except ValidationError as error:
        needed = ", ".join(str(e["loc"][0]) for e in error.errors() if e["loc"])
        remarks.append(f"its process was not compiled: only a plan gives it {needed}")
    except DefinitionInvalid as error:
        problems += [str(f) for f in error.findings] or [error.message]
    except Exception as error:
        problems.append(f"it cannot be compiled: {type(error).__name__}: {error}")
    return Checked(registry.group, name, claims, tuple(problems), tuple(remarks))


def _texts(kinds: Sequence[MessageKind]) -> list[str]:
    dispatchers = [p.brought for p in Registry.discover(DISPATCHERS).plugins.values()]
    checks = [d.check_texts for d in dispatchers if hasattr(d, "check_texts")]
    return list(dict.fromkeys(problem for check in checks for problem in check(kinds)))
