"""Whether what is installed can be used: each plugin held against its contract, each stage compiled by itself."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from ganchu_workflow.errors import DefinitionInvalid, Invalid
from ganchu_workflow.messages import message_kinds
from ganchu_workflow.plugins import GROUPS, STAGES, Registry
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

    Of a stage, what it declares of its messages is read, and its process compiled, as far as its defaults allow.
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
        message_kinds([plugin.brought, *plugin.brought.cases])
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
