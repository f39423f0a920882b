"""Every state of every kind is reached and left, and every transition fires: one without a scenario fails here."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganchu_workflow.process.definition import Process
from ganchu_workflow.testing import RoundScript
from tests.rounds.scenarios import SCENARIOS, Scenario
from tests.rounds.script import plan_of

Moved = list[tuple[str, str, str | None, str]]
"""Events as (kind, trigger, source, target), by case and in their order."""


@contextmanager
def played(scenario: Scenario, url: str) -> Iterator[RoundScript]:
    plan = plan_of(scenario.name, notice_twice=True, **scenario.settings)
    script = RoundScript(plan, database=url, start=scenario.start)
    try:
        scenario.play(script)
        assert script.states() == scenario.ends
        assert script.wf.verify().problems == []
        yield script
    finally:
        script.close()


def moved(script: RoundScript) -> Moved:
    events = [e for case in script.wf.cases(script.round) for e in script.wf.history(case)]
    assert {e["outcome"] for e in events} <= {"moved", "deadline_alerted", "deadline_adjusted", "deadline_resolved"}
    return [(e["kind"], e["trigger"], e["source"], e["target"]) for e in events if e["outcome"] == "moved"]


def declared_states(process: Process, *, final: bool | None = None) -> set[tuple[str, str]]:
    return {
        (kind.kind, name)
        for kind in process.kinds.values()
        for name, state in kind.states.items()
        if final is None or state.final is final
    }


def test_every_state_is_reached_and_left_and_every_transition_fires(sqlite_template: Path, tmp_path: Path) -> None:
    events: Moved = []
    for scenario in SCENARIOS:
        path = shutil.copyfile(sqlite_template, tmp_path / f"{scenario.name}.db")
        with played(scenario, f"sqlite:///{path}") as script:
            events += moved(script)
            process = script.process

    assert {(kind, target) for kind, _, _, target in events} == declared_states(process)
    left = {(kind, source) for kind, _, source, target in events if source is not None and source != target}
    assert declared_states(process, final=False) <= left
    declared = {(kind.kind, edge.name) for kind in process.kinds.values() for edge in kind.edges}
    assert {(kind, trigger) for kind, trigger, _, _ in events} == declared


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.name == "public_notice"], ids=lambda s: s.name)
def test_both_kinds_of_database_tell_the_same_story(scenario: Scenario, sqlite_url: str, postgres_url: str) -> None:
    stories = []
    for url in (sqlite_url, postgres_url):
        with played(scenario, url) as script:
            stories.append(moved(script))
    assert stories[0] == stories[1]
