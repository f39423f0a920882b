"""One act on hundreds of applications: a letter, a notice, a consultation of three departments about each.

GANCHU_MANY says on how many; `.ci/long` asks for thousands.
"""

import os
from collections.abc import Iterator
from time import perf_counter

import pytest

from ganchu_workflow import Workflow
from ganchu_workflow.testing import OFFICE, RoundScript, declaration_of, firm
from tests.rounds.script import NANCHANG

MANY, DEPARTMENTS = int(os.environ.get("GANCHU_MANY", "250")), ("ENV", "TAX", "QTS")
PLACES = MANY - 50
PLAN = {
    "title": "虚构:大批量",
    "code": "MANY-2022",
    "demonstration": True,
    "stage": [
        {"use": "self_declaration"},
        {"use": "local_recommendation", "quota": {NANCHANG.scope: PLACES}},
        {"use": "public_notice"},
        {"use": "department_consultation"},
        {"use": "announcement"},
    ],
}


@pytest.fixture
def script(database_url: str) -> Iterator[RoundScript]:
    script = RoundScript(PLAN, database=database_url, start="2022-03-01T09:00")
    yield script
    script.close()


class Watch:
    """How long each act took, in seconds."""

    def __init__(self) -> None:
        self.begun = perf_counter()
        self.laps: list[str] = []

    def lap(self, what: str) -> None:
        now = perf_counter()
        self.laps.append(f"{what} {now - self.begun:.1f} s")
        self.begun = now


def test_one_act_may_be_on_very_many(
    script: RoundScript, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch()
    names = [f"产品{n}" for n in range(MANY)]

    def declare(inside: Workflow) -> None:
        for name in names:
            case = inside.open("application", declaration_of(name), actor=firm(name), round=script.round).case_id
            inside.fire(case, "submit", {"truthful": True}, actor=firm(name))
            script.apps[name] = case

    script.wf.together(declare)
    watch.lap(f"{MANY} declared and submitted")
    accepted = script.wf.fire_many([script.id(n) for n in names], "accept", actor=OFFICE)
    assert (len(accepted.moved), accepted.refused) == (MANY, ())
    watch.lap("accepted")

    script.recommend(*names)
    watch.lap("one letter")
    states = ["public_notice.listed"] * PLACES + ["local_recommendation.over_quota"] * (MANY - PLACES)
    assert [script.state(n) for n in (names[0], names[PLACES - 1], names[PLACES], names[-1])] == [
        states[0],
        states[PLACES - 1],
        states[PLACES],
        states[-1],
    ]
    assert sorted(script.states().values()) == sorted(states)

    shown, watch.begun = names[:PLACES], perf_counter()
    notice = script.draft_notice(*shown)
    script.fire(notice, "publish", OFFICE)
    watch.lap("one notice published")
    assert len(script.wf.cases(script.round, "application", "public_notice.showing")) == PLACES
    watch.begun = perf_counter()
    script.past_next_due()
    watch.lap("closed")
    assert script.state(notice) == "closed"
    assert len(script.wf.cases(script.round, "application", "department_consultation.consulting")) == PLACES

    watch.begun = perf_counter()
    script.open("consultation_letter", OFFICE, shown, document="征〔1〕号", departments=list(DEPARTMENTS))
    watch.lap(f"{PLACES} × {len(DEPARTMENTS)} consultations")
    asked = script.wf.cases(script.round, "consultation", "sent")
    assert len(asked) == PLACES * len(DEPARTMENTS)
    assert len({(c.parent, c.facts["department"]) for c in asked}) == len(asked)

    watch.begun = perf_counter()
    report = script.wf.verify()
    watch.lap(f"{report.events} events verified")
    assert report.problems == []
    with capsys.disabled():
        print(f"\n{database_url.partition(':')[0]}: {', '.join(watch.laps)}")
