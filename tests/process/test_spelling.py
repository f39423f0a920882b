"""What stands where something else belongs is found when the process is defined, with its name and what to write."""

from typing import Any

import pytest

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import DefinitionInvalid
from ganchu_workflow.process import (
    CARRY_ON,
    START,
    Deadline,
    Lifecycle,
    PhaseWindow,
    Stage,
    State,
    Transition,
    fact,
)
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.definition import StageInstance
from ganchu_workflow.process.language import NoSettings
from ganchu_workflow.process.rounds import CORE_KINDS


class Way(Stage):
    """The smallest stage that is a whole way."""

    name = "way"
    waiting = State("等待", owner=Role.OFFICE, initial=True)
    done = State("完成", success=True)
    declare = Transition(START, waiting, by=Role.APPLICANT)
    finish = Transition(waiting, done, by=Role.OFFICE)
    phase = PhaseWindow(at_close={waiting: CARRY_ON})


def slip(name: str, given: Any) -> Any:
    """A declaration that the types would refuse: an author's slip, seen when nobody has checked the types."""
    given.name = name
    return given


def wrong(value: Any) -> Any:
    return value


STATES = "name the state itself, without quotes: waiting"
ALL_STATES = "name the state itself, without quotes: waiting or done"
ROLES = " or ".join(f"Role.{role.name}" for role in Role)
TRANSITIONS = "name the transition itself, without quotes: "

SLIPS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "a role in quotes": (
        {"finish": slip("finish", Transition(Way.waiting, Way.done, by=wrong("office")))},
        [("Odd.finish", "by='office' is no role; give Role.OFFICE")],
    ),
    "a role in quotes beside a real one": (
        {"finish": slip("finish", Transition(Way.waiting, Way.done, by=(Role.OFFICE, wrong("clerk"))))},
        [("Odd.finish", f"by='clerk' is no role; give {ROLES}")],
    ),
    "no role at all": (
        {"finish": slip("finish", Transition(Way.waiting, Way.done, by=wrong(None)))},
        [("Odd.finish", f"by=None is no role; give {ROLES}")],
    ),
    "states in quotes": (
        {"finish": slip("finish", Transition(wrong("waiting"), wrong("end"), by=Role.OFFICE))},
        [
            ("Odd.finish", f"leaves 'waiting', which is no state; {STATES}"),
            ("Odd.finish", f"leads to 'end', which is no state; {ALL_STATES}"),
        ],
    ),
    "an owner in quotes": (
        {"waiting": slip("waiting", State("等待", owner=wrong("office"), initial=True))},
        [("Odd.waiting", "owner='office' is no role; give Role.OFFICE")],
    ),
    "no label": (
        {"waiting": slip("waiting", State(wrong(None), owner=Role.OFFICE, initial=True))},
        [("Odd.waiting", "its label is None; give it the text an official reads")],
    ),
    "a condition that is a function": (
        {"finish": slip("finish", Transition(Way.waiting, Way.done, when=wrong(len)))},
        [
            (
                "Odd.finish",
                "when=<built-in function len> is no condition; there are any_open, none_open, settled, any_in, …",
            )
        ],
    ),
    "data that is no model": (
        {"finish": slip("finish", Transition(Way.waiting, Way.done, by=Role.OFFICE, data=wrong(dict)))},
        [("Odd.finish", "data=<class 'dict'> is no data model; write a class based on Data")],
    ),
    "a deadline in quotes": (
        {"due": slip("due", Deadline(wrong("waiting"), rule=wrong("patience"), fires=wrong("finish")))},
        [
            ("Odd.due", f"names 'waiting', which is no state; {STATES}"),
            ("Odd.due", "rule='patience' is no rule; give setting(…) or fact(…)"),
            ("Odd.due", f"names 'finish', which is no transition; {TRANSITIONS}finish"),
        ],
    ),
    "what a deadline admits in quotes": (
        {"due": slip("due", Deadline(Way.waiting, rule=fact("due"), fires=Way.finish, admits=wrong("finish")))},
        [("Odd.due", f"names 'finish', which is no transition; {TRANSITIONS}finish")],
    ),
    "a phase in quotes": (
        {"phase": PhaseWindow(admits=wrong("declare"), at_close={wrong("waiting"): wrong("finish")})},
        [
            ("Odd.phase", f"admits 'declare', which is no transition; {TRANSITIONS}declare"),
            ("Odd.phase", f"at_close names 'waiting', which is no state; {STATES}"),
            ("Odd.phase", f"at_close gives 'finish', which is no transition; {TRANSITIONS}finish or CARRY_ON"),
        ],
    ),
    "a phase that is a table": (
        {"phase": {Way.waiting: CARRY_ON}},
        [("Odd.phase", f"{{{Way.waiting!r}: CARRY_ON}} is no PhaseWindow; give  phase = PhaseWindow(at_close={{…}})")],
    ),
}


def findings(stage: type[Stage]) -> list[tuple[str, str]]:
    with pytest.raises(DefinitionInvalid) as refused:
        define([StageInstance("way", stage(), NoSettings())], CORE_KINDS)
    return [(f.where, f.what) for f in refused.value.findings]


@pytest.mark.parametrize(("body", "found"), SLIPS.values(), ids=SLIPS.keys())
def test_a_slip_is_found_with_its_name_and_what_to_write(body: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert findings(type("Odd", (Way,), body)) == found


def test_without_a_slip_the_process_is_sound() -> None:
    process = define([StageInstance("way", Way(), NoSettings())], CORE_KINDS)

    assert [e.trigger for e in process.application.edges][-2:] == ["declare", "finish"]


@pytest.mark.parametrize(
    ("rule_id", "version"), [(wrong(7), 1), ("asks", wrong("1"))], ids=["the id is a number", "the version is a text"]
)
def test_a_rule_without_a_proper_id_or_version(rule_id: Any, version: Any) -> None:
    class Odd(Way):
        finish = Transition(Way.waiting, Way.done, by=Role.OFFICE)

        @finish.guard(rule_id, version=version)
        def asks(self, ctx: Any) -> None:
            return None

    assert findings(Odd) == [
        ("Odd.finish", f"the rule {rule_id!r} needs an id that is a text, and a version that is a whole number")
    ]


def test_a_slip_in_a_kind_the_stage_brings_is_found_too() -> None:
    class Sheet(Lifecycle):
        assigned = State("待评", owner=Role.EXPERT, initial=True)
        scored = State("已评", final=True)
        score = Transition(assigned, scored, by=wrong("expert"))

    class Odd(Way):
        cases = (Sheet,)

    assert findings(Odd) == [("Sheet.score", "by='expert' is no role; give Role.EXPERT")]


@pytest.mark.parametrize("register", ["guard", "effect"])
def test_a_rule_for_an_inherited_transition_is_refused_where_it_is_written(register: str) -> None:
    rules_before = [*Way.finish.guards, *Way.finish.effects]

    with pytest.raises(DefinitionInvalid) as refused:

        class Odd(Way):
            @getattr(Way.finish, register)("asks")  # type: ignore[untyped-decorator]
            def asks(self, ctx: Any) -> None:
                return None

    assert refused.value.message == (
        "Way.finish is inherited by others too, and would change for all of them with the rule 'asks'; "
        "declare it anew in your class,  finish = Transition(…)  and register on that"
    )
    assert [*Way.finish.guards, *Way.finish.effects] == rules_before
