"""The process language: what a stage author writes.

A *life cycle* is a class whose attributes are `State`, `Transition` and `Deadline`. A `Stage` is the part of an
application's life cycle that one stage of the plan owns; a `Cohort` is an act on many applications; anything else with
a life of its own (a score sheet, an objection) is a plain `Lifecycle`. Nothing here knows a database or a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import DefinitionInvalid

Function = TypeVar("Function", bound=Callable[..., Any])
Part = TypeVar("Part", bound="Named")


class Named:
    """A declaration that takes its name from the attribute it is bound to; a trailing underscore is dropped."""

    name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        # The first binding names it: `desk = submitted` gives the state `submitted` a second attribute, not a new name.
        self.name = self.name or name.rstrip("_")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class State(Named):
    """Where a case may stand.

    `owner` is the role the next step waits for; every open state has one. `final` ends the life cycle; `success` marks
    the final state that keeps the application's place (a chosen one still counts against the number of places).
    """

    def __init__(
        self,
        label: str,
        *,
        owner: Role | None = None,
        initial: bool = False,
        final: bool = False,
        success: bool = False,
    ) -> None:
        self.label = label
        self.owner = owner
        self.initial = initial
        self.final = final or success
        self.success = success


class Slot(Named):
    """A state that a mixin leaves open and the using stage names: `desk = submitted`."""


class Outcome(Named):
    """A way out of a stage. The plan wires it to another stage or to an end of the application."""

    def __init__(self, name: str, label: str = "", *, ends_in: str = "") -> None:
        self.name = name
        self.label = label or name
        self.ends_in = ends_in
        """The end of the application it leads to when the plan does not wire it; empty: the plan must."""


PASSED = Outcome("passed", "通过")
"""Leads to the next stage of the plan."""
WITHDRAWN = Outcome("withdrawn", "已撤回", ends_in="withdrawn")
"""The applicant took the application back."""
CALLED_OFF = Outcome("called_off", "批次取消", ends_in="called_off")
"""The round was cancelled."""


class Mark:
    """Stands for states, or for a role, that only the process as a whole can tell."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


START = Mark("START")
"""Nothing yet: a transition from START opens the case."""
OPEN = Mark("OPEN")
"""Any open state of this stage."""
LATER = Mark("LATER")
"""Any open state of the later stages."""
OWNER = Mark("OWNER")
"""In `by=`: whoever owns the state the transition leaves."""
CARRY_ON = Mark("CARRY_ON")
"""In `at_close=`: the closing of the phase changes nothing for this state."""

Source = State | Slot | Mark
Target = State | Slot | Outcome


@dataclass(frozen=True, slots=True)
class Rule:
    """A guard or an effect: a method with an id and a version, both part of the fingerprint."""

    id: str
    version: int
    function: Callable[..., Any]


def many(value: Any) -> tuple[Any, ...]:
    """One or several, as a tuple."""
    if isinstance(value, set | frozenset):
        raise TypeError("use a tuple: a set has no order, and the order of declaration is part of the fingerprint")
    return tuple(value) if isinstance(value, tuple | list) else (value,)


@dataclass(frozen=True, slots=True)
class Condition:
    """A named question about a case, its children, or the cohorts that list it."""

    name: str
    kinds: tuple[type[Lifecycle], ...]
    arguments: tuple[Any, ...]
    holds: Callable[[Any], bool]
    """The question itself, put to a `Context`."""

    def document(self) -> list[Any]:
        """The condition as canonical JSON: part of the fingerprint."""
        return [
            self.name,
            [kind.kind for kind in self.kinds],
            [a.document() if isinstance(a, Condition) else a for a in self.arguments],
        ]


class Transition(Named):
    """A step from one or several states to a state or an outcome.

    `by` names the roles that may fire it; `when` lets the engine fire it, after any event on the case, its children or
    a cohort that lists it. `data` is a pydantic model of what must be given. `reopens=True` declares a reversal: the
    only way out of a final state. `label` is what an official calls the step; without one its name is shown.

    `late_by` names the roles that may enter it late (补录) where it was received in time on paper; nobody by default.
    Such an act also leaves the states `late_from` (of a stage, an outcome too), to which the end of its window leads: a
    reversal, whose reason and evidence the entry states.
    """

    def __init__(
        self,
        sources: Source | tuple[Source, ...],
        target: Target,
        *,
        by: Role | Mark | Iterable[Role | Mark] = (),
        data: type[BaseModel] | None = None,
        when: Condition | None = None,
        reopens: bool = False,
        late_by: Role | tuple[Role, ...] = (),
        late_from: State | Outcome | tuple[State | Outcome, ...] = (),
        label: str = "",
    ) -> None:
        self.sources: tuple[Source, ...] = many(sources)
        self.target = target
        # A role in quotes stays whole: as a sequence it would fall apart into letters, which nobody would miss.
        self.by: tuple[Role | Mark, ...] = tuple(by) if isinstance(by, Iterable) and not isinstance(by, str) else (by,)
        self.data = data
        self.when = when
        self.reopens = reopens
        self.late_by: tuple[Role, ...] = many(late_by)
        self.late_from: tuple[State | Outcome, ...] = many(late_from)
        self.label = label
        self.guards: list[Rule] = []
        self.effects: list[Rule] = []
        self._declared_in: type | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        self._declared_in = self._declared_in or owner

    def guard(self, rule_id: str, *, version: int = 1) -> Callable[[Function], Function]:
        """Register a method that returns a `Refusal` to say no, or None. A crash refuses.

        Raises `DefinitionInvalid` for an inherited transition: every life cycle that has it would change with it.
        """
        return self._register(self.guards, rule_id, version)

    def effect(self, rule_id: str, *, version: int = 1) -> Callable[[Function], Function]:
        """Register a method that returns the `Effects` of the step. It writes nothing itself.

        Raises `DefinitionInvalid` for an inherited transition: every life cycle that has it would change with it.
        """
        return self._register(self.effects, rule_id, version)

    def _register(self, rules: list[Rule], rule_id: str, version: int) -> Callable[[Function], Function]:
        if self._declared_in is not None:  # its class is complete: this is said in another one
            owner = self._declared_in.__name__
            raise DefinitionInvalid(
                f"{owner}.{self.name} is inherited by others too, and would change for all of them with the rule "
                f"'{rule_id}'; declare it anew in your class,  {self.name} = Transition(…)  and register on that"
            )

        def register(function: Function) -> Function:
            rules.append(Rule(rule_id, version, function))
            return function

        return register


class PhaseWindow(Named):
    """The round's window on a stage: what is admitted while its phase is open, and what its closing does.

    `at_close` is total: every open state of the stage is given a transition or `CARRY_ON`.
    """

    def __init__(
        self,
        *,
        admits: Transition | tuple[Transition, ...] = (),
        at_close: Mapping[State | Slot, Transition | Mark] | None = None,
    ) -> None:
        self.admits: tuple[Transition, ...] = many(admits)
        self.at_close: dict[State | Slot, Transition | Mark] = dict(at_close or {})


def snake_case(name: str) -> str:
    """`ConsultationLetter` → `consultation_letter`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class NoSettings(BaseModel):
    """The settings of a stage that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Lifecycle:
    """The base of everything with a life of its own. Its instances are stateless: one serves all cases of its kind."""

    kind: ClassVar[str] = ""
    """The name of the kind; by default the class's name in snake case."""
    label: ClassVar[str] = ""
    """What an official calls it."""
    rank: ClassVar[int] = 4
    """Its place in the lock order: round 0, phase 1, cohort 2, application 3, child 4."""
    indexed: ClassVar[tuple[str, ...]] = ()
    """Facts that can be searched for."""
    every_visit: ClassVar[bool] = False
    """Whether it counts on every visit of its application to the stage, not only on the one that opened it."""
    orphaned: ClassVar[Transition | None] = None
    """Fired on a case still open when its application leaves the stage; None: it lives on."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = cls.__dict__.get("kind") or snake_case(cls.__name__)

    @classmethod
    def parts(cls, of_type: type[Part]) -> dict[str, Part]:
        """The declarations of one type by name, in declaration order, bases first; an override keeps its place.

        Setting an inherited one to None removes it.
        """
        found: dict[str, Part] = {}
        bound: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            for attribute, value in vars(base).items():
                name = attribute.rstrip("_")
                if isinstance(value, of_type):
                    if value.name == name:
                        found[name] = value
                        bound[attribute] = name
                elif value is None or attribute in bound:
                    # Not by the name alone: the state `open_` and the transition `open` live side by side.
                    found.pop(bound.pop(attribute, name), None)
        return found


class Cohort(Lifecycle):
    """An act on many applications: its `members` are read by its guards and effects, and poked by its events."""

    rank = 2


class Private:
    """Marks a field of a data model as personal or free text: `contact: Annotated[str, Private]`.

    In the chain stands a salted commitment; the value itself is kept apart and can be erased.
    """


class Data(BaseModel):
    """The base of a transition's data: unknown fields are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Withdrawal(Data):
    """An applicant's own withdrawal."""

    reason: Annotated[str, Private, Field(min_length=1, max_length=2000)]


class Stage(Lifecycle):
    """One stage of an application's way. `cases` are the kinds it brings along; its settings serve them too.

    Every stage inherits `withdraw` (the applicant takes the application back) and `call_off` (the round is cancelled).
    """

    name: ClassVar[str] = ""
    """The name a plan uses: `use = "self_declaration"`."""
    contract: ClassVar[int] = 1
    """The version of the contract with the engine that it was written for."""
    cases: ClassVar[tuple[type[Lifecycle], ...]] = ()
    Settings: ClassVar[type[BaseModel]] = NoSettings
    rules: ClassVar[Mapping[str, int]] = {}
    """The named rules its settings may choose among, with their versions: part of the fingerprint."""
    rank = 3

    withdraw: ClassVar[Transition | None] = Transition(
        OPEN, WITHDRAWN, by=Role.APPLICANT, data=Withdrawal, label="撤回"
    )
    call_off: ClassVar[Transition | None] = Transition(OPEN, CALLED_OFF, by=Role.ENGINE, label="批次取消")
    phase: ClassVar[PhaseWindow | None] = None
    tables: ClassVar[tuple[Any, ...]] = ()
    """The tables (`process.tables.Table`) from which an office may feed it. No part of the fingerprint: they change
    nothing of what a round means."""
