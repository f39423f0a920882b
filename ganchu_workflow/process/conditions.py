"""The conditions of `when=`: a closed set, so that what an automatic step reads is known from its definition."""

from __future__ import annotations

from typing import Any

from ganchu_workflow.process.context import Context
from ganchu_workflow.process.language import Cohort, Condition, Lifecycle, State

Kind = type[Lifecycle]


def any_open(kind: Kind) -> Condition:
    """At least one child of this kind is open."""
    return Condition("any_open", (kind,), (), lambda ctx: any(not ctx.is_final(c) for c in ctx.children(kind)))


def none_open(kind: Kind) -> Condition:
    """No child of this kind is open; true of no children."""
    return Condition("none_open", (kind,), (), lambda ctx: all(ctx.is_final(c) for c in ctx.children(kind)))


def settled(kind: Kind) -> Condition:
    """There are children of this kind, and all are final. Of no children it is false."""

    def holds(ctx: Context[Any, Any]) -> bool:
        children = ctx.children(kind)
        return bool(children) and all(ctx.is_final(c) for c in children)

    return Condition("settled", (kind,), (), holds)


def any_in(kind: Kind, *states: State) -> Condition:
    """At least one child of this kind stands in one of these states."""
    return Condition("any_in", (kind,), tuple(s.name for s in states), lambda ctx: bool(ctx.children(kind, *states)))


def enough(kind: Kind, state: State, setting: str) -> Condition:
    """At least as many children of this kind stand in `state` as the setting says."""
    return Condition(
        "enough",
        (kind,),
        (state.name, setting),
        lambda ctx: len(ctx.children(kind, state)) >= int(getattr(ctx.settings, setting)),
    )


def closed(kind: type[Cohort]) -> Condition:
    """The latest act of this kind that lists the application has reached a final state."""

    def holds(ctx: Context[Any, Any]) -> bool:
        acts = ctx.acts(kind)
        return bool(acts) and ctx.is_final(acts[-1])

    return Condition("closed", (kind,), (), holds)


def stated(key: str) -> Condition:
    """The act this case belongs to states so: its fact `key` is true."""
    return Condition("stated", (), (key,), lambda ctx: ctx.of is not None and ctx.of.facts.get(key) is True)


def all_of(*conditions: Condition) -> Condition:
    """All of these hold."""
    kinds = tuple(dict.fromkeys(kind for c in conditions for kind in c.kinds))
    return Condition("all_of", kinds, conditions, lambda ctx: all(c.holds(ctx) for c in conditions))
