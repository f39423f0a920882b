"""A stage whose rules crash or return rubbish: the act is refused or abandoned, and kept as an attempt."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganchu_workflow import Actor, Refused, Role, SimulatedClock, Workflow
from ganchu_workflow.clock import from_text
from ganchu_workflow.engine.steps import RuleCrashed
from ganchu_workflow.errors import NotCanonical
from tests.cli.command import Dump, dump, ganchu
from tests.plugins.installing import distribution, on_path

OFFICE, FIRM = Actor(Role.OFFICE), Actor(Role.APPLICANT, "firm-1")
SECRET = "张三举报了我们"
STAGE = """\
import sys
from typing import Annotated

from ganchu_workflow.actors import Role
from ganchu_workflow.process import (
    CARRY_ON, START, Data, Effects, Lifecycle, Message, Open, PhaseWindow, Private, Refusal, Stage, State, Transition,
)
from ganchu_workflow.process.language import Condition


class Note(Data):
    text: Annotated[str, Private] = ""


def by_the_office(source, target):
    return Transition(source, target, by=Role.OFFICE, data=Note)


class Crashing(Stage):
    name = "crashing"
    waiting = State("等待", owner=Role.OFFICE, initial=True)
    unsure = State("不定", owner=Role.OFFICE)
    odd = State("不定", owner=Role.OFFICE)
    done = State("完成", success=True)
    declare = Transition(START, waiting, by=Role.APPLICANT)
    finish = by_the_office((waiting, unsure, odd), done)

    guard_raises = by_the_office(waiting, done)
    guard_exits = by_the_office(waiting, done)
    guard_says_no = by_the_office(waiting, done)
    guard_says_false = by_the_office(waiting, done)
    guard_names_no_code = by_the_office(waiting, done)
    guard_names_a_long_code = by_the_office(waiting, done)
    guard_details_a_float = by_the_office(waiting, done)
    effect_raises = by_the_office(waiting, done)
    effect_exits = by_the_office(waiting, done)
    effect_returns_a_table = by_the_office(waiting, done)
    effect_tells_a_text = by_the_office(waiting, done)
    effect_keeps_a_float = by_the_office(waiting, done)

    to_unsure = by_the_office(waiting, unsure)
    to_odd = by_the_office(waiting, odd)
    condition_raises = Transition(unsure, done, when=Condition("sure", (), (), lambda ctx: 1 / 0))
    condition_is_no_bool = Transition(odd, done, when=Condition("even", (), (), lambda ctx: "yes"))

    phase = PhaseWindow(at_close={waiting: CARRY_ON, unsure: CARRY_ON, odd: CARRY_ON})

    @guard_raises.guard("raises", version=3)
    def raises(self, ctx):
        raise ValueError(ctx.data.text)

    @guard_exits.guard("exits")
    def exits(self, ctx):
        sys.exit(ctx.data.text)

    @guard_says_no.guard("says_no")
    def says_no(self, ctx):
        return ctx.data.text

    @guard_says_false.guard("says_false")
    def says_false(self, ctx):
        return False

    @guard_names_no_code.guard("names_no_code")
    def names_no_code(self, ctx):
        return Refusal(None, "不行", "no")

    @guard_names_a_long_code.guard("names_a_long_code")
    def names_a_long_code(self, ctx):
        return Refusal("x" * 61, "不行", "no")

    @guard_details_a_float.guard("details_a_float")
    def details_a_float(self, ctx):
        return Refusal("no", "不行", "no", {"ratio": 0.5})

    @effect_raises.effect("raises")
    def crash(self, ctx):
        raise KeyError(ctx.data.text)

    @effect_exits.effect("exits")
    def leave(self, ctx):
        sys.exit(ctx.data.text)

    @effect_returns_a_table.effect("returns_a_table")
    def returns_a_table(self, ctx):
        return {"facts": {}}

    @effect_tells_a_text.effect("tells_a_text")
    def tells_a_text(self, ctx):
        return Effects(tell=["hello"])

    @effect_keeps_a_float.effect("keeps_a_float")
    def keeps_a_float(self, ctx):
        return Effects(facts={"ratio": 0.5})
"""
PLAN = {"title": "虚构批次", "code": "T-1", "stage": [{"use": "crashing"}]}


class Scene:
    """A round of the one stage, and in it one application."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.wf = Workflow(url, clock=SimulatedClock(from_text("2022-03-01T01:00:00.000000Z")))
        self.round = self.wf.open_round(PLAN, actor=OFFICE).case_id
        self.wf.fire(self.round, "start", actor=OFFICE)
        self.item = self.wf.open("application", {}, actor=FIRM).case_id

    def fire(self, trigger: str) -> None:
        self.wf.fire(self.item, trigger, {"text": SECRET}, actor=OFFICE)

    def rows(self) -> Dump:
        """Every row but the attempts."""
        return {table: rows for table, rows in dump(self.url).items() if table != "ganchu_attempt"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    distribution(tmp_path / "site", "crash-house", "crashing", STAGE, {"crashing": "crashing:Crashing"})
    return tmp_path / "site"


@pytest.fixture
def scene(database_url: str, site: Path) -> Iterator[Scene]:
    """Each test ends with an act that succeeds, and a record that is whole."""
    with on_path(site):
        scene = Scene(database_url)
        try:
            yield scene
            scene.fire("finish")
            assert scene.wf.case(scene.item).state == "crashing.done"
            report = scene.wf.verify()
            assert report.ok, report.problems
        finally:
            scene.wf.database.dispose()


GUARDS = {
    "guard_raises": "the guard 'raises' crashed (ValueError); the act was refused",
    "guard_exits": "the guard 'exits' crashed (SystemExit); the act was refused",
    "guard_says_no": "the guard 'says_no' returned str, neither a Refusal nor None; the act was refused",
    "guard_says_false": "the guard 'says_false' returned bool, neither a Refusal nor None; the act was refused",
    "guard_names_no_code": (
        "the guard 'names_no_code' returned a Refusal whose code, zh or en is not a text; the act was refused"
    ),
    "guard_names_a_long_code": (
        "the guard 'names_a_long_code' returned a Refusal whose code has not 1 to 60 characters; the act was refused"
    ),
    "guard_details_a_float": (
        "the guard 'details_a_float' returned a Refusal whose detail is not made of JSON values "
        "(no floats, no dates); the act was refused"
    ),
}


def test_a_guard_that_crashes_or_answers_rubbish_refuses(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    before, said = scene.rows(), {}
    with caplog.at_level(logging.CRITICAL, logger="ganchu_workflow"):
        for trigger in GUARDS:
            with pytest.raises(Refused) as refused:
                scene.fire(trigger)
            said[trigger] = (refused.value.code, refused.value.refusal.en)

    assert said == {trigger: ("guard_crashed", words) for trigger, words in GUARDS.items()}
    assert scene.rows() == before
    kept = scene.wf.attempts(scene.round)
    assert [(a["name"], a["kind"], a["code"], a["body"]["en"]) for a in kept] == [
        (f"crashing.{trigger}", "crashed", "guard_crashed", words) for trigger, words in GUARDS.items()
    ]
    assert SECRET not in repr(kept)


CRASHES = {
    "effect_raises": "the effect 'raises' of crashing.effect_raises crashed (KeyError)",
    "effect_exits": "the effect 'exits' of crashing.effect_exits crashed (SystemExit)",
    "effect_returns_a_table": "the effect 'returns_a_table' of crashing.effect_returns_a_table crashed (TypeError)",
    "effect_tells_a_text": "the effect 'tells_a_text' of crashing.effect_tells_a_text crashed (TypeError)",
    "to_unsure": "the condition 'sure' of crashing.condition_raises crashed (ZeroDivisionError)",
    "to_odd": "the condition 'even' of crashing.condition_is_no_bool crashed (TypeError)",
}


def test_an_effect_or_a_condition_that_crashes_leaves_nothing(scene: Scene) -> None:
    before = scene.rows()
    for trigger in CRASHES:
        with pytest.raises(RuleCrashed):
            scene.fire(trigger)

    assert scene.rows() == before
    kept = scene.wf.attempts(scene.round)
    assert [(a["name"], a["kind"], a["code"], a["body"]["en"]) for a in kept] == [
        (trigger, "crashed", "rule_crashed", words) for trigger, words in CRASHES.items()
    ]
    assert SECRET not in repr(kept)


def test_an_effect_that_keeps_what_cannot_be_kept_leaves_nothing(scene: Scene) -> None:
    before = scene.rows()

    with pytest.raises(NotCanonical, match="the float"):
        scene.fire("effect_keeps_a_float")

    assert scene.rows() == before
    assert [(a["kind"], a["code"]) for a in scene.wf.attempts(scene.round)] == [("crashed", "not_canonical")]


def test_the_command_says_refused_or_broken_and_shows_no_traceback(site: Path, sqlite_url: str, tmp_path: Path) -> None:
    with on_path(site):
        scene = Scene(sqlite_url)
        scene.wf.database.dispose()
    env = {"PYTHONPATH": str(site), "GANCHU_DB": sqlite_url}

    guard = ganchu("fire", scene.item, "guard_raises", "--as", "office", cwd=tmp_path, env=env)
    effect = ganchu("fire", scene.item, "effect_exits", "--as", "office", cwd=tmp_path, env=env)

    assert (guard.code, guard.err) == (
        3,
        "不予办理 / refused [guard_crashed]\n"
        "[crashing.guard_raises @ crashing.waiting]: 规则“raises”运行出错,未予办理 / "
        "the guard 'raises' crashed (ValueError); the act was refused\n",
    )
    assert (effect.code, effect.err) == (
        4,
        "错误 / error [rule_crashed]\n"
        "the effect 'exits' of crashing.effect_exits crashed (SystemExit); nothing of the act is left\n",
    )
