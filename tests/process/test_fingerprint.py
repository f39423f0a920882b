"""The fingerprint is one of meaning: what says the same has the same one, and what says something else has another."""

import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from ganchu_workflow.canonical import decode, digest
from ganchu_workflow.process.fingerprint import body, document, fingerprint

IMPORTS = """\
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Optional
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from ganchu_workflow.actors import Role
from ganchu_workflow.process import *
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.definition import StageInstance
from ganchu_workflow.process.fingerprint import fingerprint
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.timing import Period
"""

SOURCE = '''\
class Way(StrEnum):
    letter = "letter"
    counter = "counter"


def plain(value: str) -> str:
    return value


class File(Data):
    name: Annotated[str, Field(min_length=1)]


class Filing(Data):
    """What is filed."""

    title: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(plain)]
    contact: Annotated[str, Private, Field(max_length=400)]
    code: Annotated[str, Field(pattern="^[0-9]+$")]
    way: Way
    kind: Literal["a", "b"]
    files: list[Annotated[str, Field(max_length=60)]] = []
    cover: File | None = None
    signed_on: date | None = None


class Waits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    reply: Period = Period.parse("5 working days")
    appeal: Period = Period.parse("5 working days")


class Sheet(Lifecycle):
    label = "评分表"
    indexed = ("expert",)

    assigned = State("待评", owner=Role.EXPERT, initial=True)
    scored = State("已评", final=True)
    void = State("作废", final=True)
    score = Transition(assigned, scored, by=Role.EXPERT)
    cancel = Transition(assigned, void, by=Role.ENGINE)
    orphaned = cancel


class Desk(Stage):
    """受理."""

    name = "desk"
    label = "受理"
    Settings = Waits
    cases = (Sheet,)
    indexed = ("title",)

    waiting = State("等待", owner=Role.OFFICE, initial=True)
    asking = State("询问", owner=Role.APPLICANT)
    lapsed = State("逾期", final=True)

    declare = Transition(START, waiting, by=Role.APPLICANT, data=Filing)
    accept = Transition(waiting, PASSED, by=(Role.OFFICE, Role.SUPERVISOR))
    ask = Transition(waiting, asking, by=Role.OFFICE)
    answer = Transition(asking, waiting, by=Role.APPLICANT)
    lapse = Transition(asking, lapsed, by=(Role.CLOCK, Role.ENGINE))
    drop = Transition(asking, lapsed, by=(Role.CLOCK, Role.ENGINE))
    revive = Transition(lapsed, waiting, by=Role.OFFICE, data=Reversal, reopens=True)
    first = Transition(waiting, PASSED, when=settled(Sheet))
    second = Transition(waiting, asking, when=any_in(Sheet, Sheet.void))

    due = Deadline(asking, rule=setting("reply"), fires=lapse, stops_in=waiting, admits=answer)
    phase = PhaseWindow(admits=declare, at_close={waiting: CARRY_ON, asking: lapse})

    @accept.guard("complete")
    def complete(self, ctx: Context[Any, Any]) -> Refusal | None:
        """Says yes."""
        return None

    @accept.effect("keep", version=2)
    def keep(self, ctx: Context[Any, Any]) -> Effects:
        return Effects()


class Middle(Stage):
    name = "middle"
    indexed = ("rank",)

    weighing = State("审查", owner=Role.OFFICE, initial=True)
    pass_on = Transition(weighing, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(at_close={weighing: CARRY_ON})


class Other(Stage):
    name = "other"
    weighing = State("审查", owner=Role.OFFICE, initial=True)
    pass_on = Transition(weighing, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(at_close={weighing: CARRY_ON})


class End(Stage):
    name = "end"
    decided = State("待公布", owner=Role.OFFICE, initial=True)
    dropped = State("不公布", final=True)
    announced = State("已公布", success=True)
    announce = Transition(decided, announced, by=Role.OFFICE)
    drop = Transition(decided, dropped, by=Role.OFFICE)
    phase = PhaseWindow(at_close={decided: CARRY_ON})


STAGES = [
    StageInstance("desk", Desk(), Waits()),
    StageInstance("middle", Middle(), Middle.Settings()),
    StageInstance("other", Other(), Other.Settings()),
    StageInstance("end", End(), End.Settings()),
]
'''


def process_of(source: str) -> Any:
    """The process a source means, as if it were a module of its own."""
    names: dict[str, Any] = {"__name__": "a_stage_author"}
    exec(compile(IMPORTS + source, "<source>", "exec"), names)
    return names["define"](names["STAGES"], names["CORE_KINDS"])


def changed(old: str, new: str) -> str:
    """The source with every `old` replaced; a test that changes nothing would prove nothing."""
    assert old in SOURCE
    return SOURCE.replace(old, new)


@pytest.fixture(scope="module")
def original() -> str:
    return fingerprint(process_of(SOURCE))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"等待"', '"候办"', id="label of a state"),
        pytest.param('label = "评分表"', 'label = "打分表"', id="label of a kind"),
        pytest.param('label = "受理"', 'label = "收件"', id="label of a stage"),
        pytest.param('"""受理."""', '"""收件, at more length."""', id="docstring of a stage"),
        pytest.param('        """Says yes."""\n', "", id="docstring of a guard"),
        pytest.param('    """What is filed."""\n', "    # what is filed\n", id="docstring of data"),
        pytest.param("def complete(self", "def is_complete(self", id="name of a guard's method"),
        pytest.param("        return None", "        return None if ctx else None", id="body of a guard"),
        pytest.param("Filing", "WhatIsFiled", id="name of a data class"),
        pytest.param("File | None", "Optional[File]", id="spelling of a type"),
        pytest.param("by=(Role.OFFICE, Role.SUPERVISOR)", "by=[Role.SUPERVISOR, Role.OFFICE]", id="order of roles"),
        pytest.param("by=(Role.OFFICE, Role.SUPERVISOR)", "by={Role.SUPERVISOR, Role.OFFICE}", id="a set of roles"),
        pytest.param("asking: lapse}", "asking: lapse,\n    }", id="formatting"),
        pytest.param("Waits()", 'Waits(reply=Period.parse("9 working days"))', id="settings"),
        pytest.param('    appeal: Period = Period.parse("5 working days")\n', "", id="a field of the settings"),
        pytest.param("stops_in=waiting, admits=answer", "stops_in=(waiting,), admits=(answer,)", id="one or a tuple"),
        pytest.param("by=Role.OFFICE)\n    drop", "by=[Role.OFFICE])\n    drop", id="one role or a list"),
    ],
)
def test_what_says_the_same_has_the_same_fingerprint(old: str, new: str, original: str) -> None:
    assert fingerprint(process_of(changed(old, new))) == original


def test_formatting_does_not_count(original: str) -> None:
    indented = "if True:\n" + textwrap.indent(SOURCE, "  ")

    assert fingerprint(process_of("\n\n# another file\n" + indented.replace(", ", " ,\t"))) == original


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # states
        pytest.param('"询问", owner=Role.APPLICANT', '"询问", owner=Role.SUPERVISOR', id="owner of a state"),
        pytest.param("lapsed", "expired", id="name of a state"),
        pytest.param('State("不公布", final=True)', 'State("不公布", success=True)', id="success"),
        # transitions
        pytest.param("answer", "reply_to", id="name of a trigger"),
        pytest.param("Transition(asking, waiting", "Transition(asking, asking", id="target of a transition"),
        pytest.param("ask = Transition(waiting", "ask = Transition(OPEN", id="sources of a transition"),
        pytest.param("by=(Role.OFFICE, Role.SUPERVISOR)", "by=Role.OFFICE", id="roles of a transition"),
        pytest.param("when=settled(Sheet)", "when=none_open(Sheet)", id="condition"),
        pytest.param("Sheet.void))", "Sheet.scored))", id="argument of a condition"),
        pytest.param(
            "    first = Transition(waiting, PASSED, when=settled(Sheet))\n"
            "    second = Transition(waiting, asking, when=any_in(Sheet, Sheet.void))\n",
            "    second = Transition(waiting, asking, when=any_in(Sheet, Sheet.void))\n"
            "    first = Transition(waiting, PASSED, when=settled(Sheet))\n",
            id="order of two conditions",
        ),
        pytest.param("Transition(lapsed, waiting,", "Transition((lapsed, asking), waiting,", id="source of a reversal"),
        # rules
        pytest.param('guard("complete")', 'guard("is_complete")', id="id of a guard"),
        pytest.param('guard("complete")', 'guard("complete", version=2)', id="version of a guard"),
        pytest.param('effect("keep", version=2)', 'effect("keep", version=3)', id="version of an effect"),
        pytest.param('effect("keep", version=2)', 'effect("store", version=2)', id="id of an effect"),
        pytest.param('@accept.guard("complete")', '@ask.guard("complete")', id="transition of a guard"),
        # data
        pytest.param("    kind: Literal", "    sort: Literal", id="name of a field"),
        pytest.param('    kind: Literal["a", "b"]\n', "", id="a field less"),
        pytest.param('Literal["a", "b"]', 'Literal["a", "c"]', id="allowed words of a field"),
        pytest.param('Literal["a", "b"]', 'Literal[1, "b"]', id="type of an allowed word"),
        pytest.param('counter = "counter"', 'visit = "visit"', id="members of an enumeration"),
        pytest.param("signed_on: date", "signed_on: str", id="type of a field"),
        pytest.param("signed_on: date | None = None", "signed_on: date = date(2021, 1, 1)", id="a field may be None"),
        pytest.param("signed_on: date | None = None", "signed_on: date | None", id="a field is required"),
        pytest.param("max_length=200", "max_length=201", id="constraint of a field"),
        pytest.param('pattern="^[0-9]+$"', 'pattern="^[0-9]*$"', id="pattern of a field"),
        pytest.param("max_length=60", "max_length=61", id="constraint of an item"),
        pytest.param("name: Annotated[str, Field(min_length=1)]", "name: str", id="constraint of a nested model"),
        pytest.param("Annotated[str, Private, ", "Annotated[str, ", id="a field is private"),
        pytest.param("plain", "simple", id="validator of a field"),
        pytest.param(", data=Filing", "", id="no data"),
        # deadlines
        pytest.param('rule=setting("reply")', 'rule=setting("appeal")', id="setting of a deadline"),
        pytest.param(
            'rule=setting("reply")', 'rule=setting("reply", start=fact("served_at"))', id="start of a deadline"
        ),
        pytest.param(
            'rule=setting("reply"), fires=lapse, stops_in=waiting', 'rule=fact("due"), fires=lapse', id="rule"
        ),
        pytest.param(", stops_in=waiting", "", id="where a deadline stops"),
        pytest.param(", admits=answer", "", id="what a deadline admits"),
        pytest.param("fires=lapse", "fires=drop", id="what a deadline fires"),
        pytest.param("due = Deadline", "late = Deadline", id="name of a deadline"),
        # phases
        pytest.param("asking: lapse}", "asking: drop}", id="fate when the phase closes"),
        pytest.param("asking: lapse}", "asking: CARRY_ON}", id="no fate when the phase closes"),
        pytest.param("PhaseWindow(admits=declare, ", "PhaseWindow(", id="what a phase admits"),
        # kinds
        pytest.param('indexed = ("expert",)', "", id="index of a kind"),
        pytest.param('indexed = ("title",)', "", id="index of the first stage"),
        pytest.param('indexed = ("rank",)', "", id="index of another stage"),
        pytest.param("    orphaned = cancel\n", "", id="what becomes of an orphan"),
        pytest.param("class Sheet(Lifecycle):", "class Sheet(Cohort):", id="rank of a kind"),
        # the plan
        pytest.param('StageInstance("middle"', 'StageInstance("centre"', id="name of a stage in the plan"),
        pytest.param(
            '    StageInstance("middle", Middle(), Middle.Settings()),\n'
            '    StageInstance("other", Other(), Other.Settings()),\n',
            '    StageInstance("other", Other(), Other.Settings()),\n'
            '    StageInstance("middle", Middle(), Middle.Settings()),\n',
            id="order of the stages",
        ),
        pytest.param('name = "middle"', 'name = "centre"', id="name of a stage"),
        pytest.param("    cases = (Sheet,)\n", "    cases = (Sheet, Extra)\n", id="kinds of a stage"),
    ],
)
def test_what_says_something_else_has_another_fingerprint(old: str, new: str, original: str) -> None:
    extra = (
        "class Extra(Lifecycle):\n    a = State('a', owner=Role.OFFICE, initial=True)\n    b = State('b', final=True)\n"
    )
    extra += "    go = Transition(a, b, by=Role.OFFICE)\n\n\n"

    assert fingerprint(process_of(changed(old, new).replace("class Desk(", extra + "class Desk("))) != original


def test_a_kind_nobody_brings_does_not_count(original: str) -> None:
    assert fingerprint(process_of(SOURCE + "class Extra(Lifecycle):\n    pass\n")) == original


def test_the_desk_that_a_slot_means_counts() -> None:
    def source(desk: str) -> str:
        return changed(
            "class Middle(Stage):\n",
            "class Middle(Correctable, Stage):\n    Settings = CorrectionSettings\n"
            "    second = State('复核', owner=Role.OFFICE)\n    check = Transition(OPEN, second, by=Role.OFFICE)\n"
            "    leave = Transition(second, PASSED, by=Role.OFFICE)\n",
        ).replace(
            "at_close={weighing: CARRY_ON})\n\n\nclass Other",
            "at_close={Correctable.desk: CARRY_ON, %s: CARRY_ON, Correctable.correcting: CARRY_ON})\n"
            "    desk = %s\n\n\nclass Other"
            % (("second", "weighing") if desk == "weighing" else ("weighing", "second")),
        )

    fates = {
        desk: document(process_of(source(desk)))["stages"][1]["phase"]["at_close"] for desk in ("weighing", "second")
    }

    assert [list(f) for f in fates.values()] == [
        ["weighing", "second", "correcting"],
        ["second", "weighing", "correcting"],
    ]


def test_the_stored_text_is_canonical_and_its_digest_is_the_fingerprint(original: str) -> None:
    process = process_of(SOURCE)

    assert digest(body(process)) == original
    assert decode(body(process)) == document(process)


def test_no_address_and_no_private_name_of_pydantic_is_in_the_text() -> None:
    text = body(process_of(SOURCE))

    assert [word for word in (" at 0x", "annotation=", "_Pydantic", "UnionType") if word in text] == []


def test_a_field_is_described_by_what_it_says() -> None:
    edges = document(process_of(SOURCE))["kinds"]["application"]["edges"]
    (declare,) = [e for e in edges if e["trigger"] == "desk.declare"]

    assert declare["data"] == {
        "title": {
            "type": "str",
            "required": True,
            "rules": ["MinLen(min_length=1)", "MaxLen(max_length=200)", "AfterValidator(func=a_stage_author.plain)"],
        },
        "contact": {"type": "str", "required": True, "rules": ["Private", "MaxLen(max_length=400)"]},
        "code": {"type": "str", "required": True, "rules": ["(pattern='^[0-9]+$')"]},
        "way": {"type": ["Enum", "letter", "counter"], "required": True, "rules": []},
        "kind": {"type": ["Literal", "'a'", "'b'"], "required": True, "rules": []},
        "files": {
            "type": ["list", ["Annotated", "str", "MaxLen(max_length=60)"]],
            "required": False,
            "rules": [],
        },
        "cover": {
            "type": [
                "Union",
                {"name": {"type": "str", "required": True, "rules": ["MinLen(min_length=1)"]}},
                "NoneType",
            ],
            "required": False,
            "rules": [],
        },
        "signed_on": {"type": ["Union", "date", "NoneType"], "required": False, "rules": []},
    }


def test_two_processes_with_different_hash_seeds_agree(original: str) -> None:
    source = changed("by=(Role.OFFICE, Role.SUPERVISOR)", "by={Role.OFFICE, Role.SUPERVISOR}")
    script = IMPORTS + "__name__ = 'a_stage_author'\n" + source + "print(fingerprint(define(STAGES, CORE_KINDS)))\n"

    def run(seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert [run("1"), run("20211")] == [original, original]
