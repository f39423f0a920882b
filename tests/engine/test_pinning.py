"""A round goes on as it was opened: its definition, its settings, its form of record, and its sequence in time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ganchu_workflow import SystemEntropy, Workflow
from ganchu_workflow.actors import Role
from ganchu_workflow.errors import DefinitionChanged, Invalid
from ganchu_workflow.process import State, Transition
from ganchu_workflow.timing import Period
from tests.engine.small_process import (
    BEGUN,
    HOUR,
    OFFICE,
    OPENS,
    Declare,
    DeclareSettings,
    Finish,
    Small,
    applicant,
    declaration,
    hooked,
    instant,
    plan,
    registry,
)


class Renamed(Finish):
    """The same process under other labels."""

    name = "finish"
    decided = State("等待公布", owner=Role.OFFICE, initial=True)


class Other(Finish):
    """Another process: one way out more."""

    name = "finish"
    skip = Transition(Finish.decided, Finish.dropped, by=Role.OFFICE)


class Generous(DeclareSettings):
    corrections: int = 5
    answer: Period | None = Period.parse("20 working days")


class GenerousDeclare(Declare):
    name = "declare"
    Settings = Generous


def test_a_round_refuses_code_that_defines_another_process(make: Callable[..., Small]) -> None:
    small = make().open_round()
    case = small.submitted()
    before = small.dump()
    other = make(stages=registry(Other), clock=small.simulated)

    with pytest.raises(DefinitionChanged) as caught:
        other.wf.fire(case, "accept", actor=OFFICE)

    assert (caught.value.code, caught.value.fields["round"]) == ("definition_changed", small.round)
    assert caught.value.fields["pinned"] == small.view(small.round).facts["definition"]
    assert small.dump() == before
    small.wf.fire(case, "accept", actor=OFFICE)
    assert small.state(case) == "recommend.pending"


def test_a_sweep_by_other_code_fires_nothing_and_says_so(make: Callable[..., Small]) -> None:
    small = make().open_round()
    sheet = small.sheet(small.reviewing())
    small.drift_to(BEGUN + 49 * HOUR)
    before = small.dump("ganchu_stuck_deadline")

    swept = make(stages=registry(Other), clock=small.simulated).wf.tick()

    assert (swept.fired, [r["code"] for r in swept.refused]) == ((), ["definition_changed"])
    assert [(s.case, s.status, s.code) for s in swept.stuck] == [(sheet, "unrunnable", "definition_changed")]
    assert small.dump("ganchu_stuck_deadline") == before
    assert small.state(sheet) == "assigned"


def test_a_round_whose_stage_is_no_longer_installed_holds_up_no_other(make: Callable[..., Small]) -> None:
    small = make().open_round()
    small.sheet(small.reviewing())
    other = make(clock=small.simulated)
    stages = {"use": "declare", "draft_life": "24 hours"}, {"use": "finish"}
    other.round = other.wf.open_round(plan(*stages), actor=OFFICE).case_id
    other.wf.fire(other.round, "start", actor=OFFICE)
    case = other.wf.open("application", declaration(), actor=applicant(), round=other.round)
    small.drift_to(BEGUN + 49 * HOUR)
    fewer = registry()
    del fewer.plugins["review"]

    swept = make(stages=fewer, clock=small.simulated).wf.tick()

    assert [r.case_id for r in swept.fired] == [case.case_id]
    assert [r["code"] for r in swept.refused] == ["plan_invalid"]


def test_other_words_for_the_same_process_do_not_matter(make: Callable[..., Small]) -> None:
    small = make().open_round()
    case = small.decided()
    other = make(stages=registry(Renamed), clock=small.simulated)

    assert [t.label for t in other.wf.tasks(OFFICE) if t.case.id == case] == ["等待公布"]
    other.wf.fire(case, "choose", actor=OFFICE)
    assert small.state(case) == "finish.chosen"


def test_a_round_goes_on_by_the_settings_it_was_opened_with(make: Callable[..., Small]) -> None:
    small = make().open_round()
    other = make(stages=registry(GenerousDeclare), clock=small.simulated)
    other.round = small.round

    case = other.submitted()

    assert small.deadlines(case)["declare.answer_due"]["rule"] == "setting:answer = 10 working days"
    ours = small.wf.history(small.submitted("e2"))[-1]["settings"]
    assert other.wf.history(case)[-1]["settings"] == ours
    fresh = make(stages=registry(GenerousDeclare), clock=small.simulated)
    fresh.round = fresh.wf.open_round(plan(), actor=OFFICE).case_id
    fresh.wf.fire(fresh.round, "start", actor=OFFICE)
    assert small.deadlines(fresh.submitted("e3"))["declare.answer_due"]["rule"] == "setting:answer = 20 working days"


def test_a_round_keeps_the_defaults_it_was_opened_with(make: Callable[..., Small]) -> None:
    small = make().open_round(declare={"corrections": 2})

    [declare, *_] = small.view(small.round).facts["plan"]["stage"]

    assert declare == {
        "use": "declare",
        "as": "declare",
        "on": {},
        "defaults": ["correction", "draft_life", "answer"],
        "phase": {"opens": instant(OPENS), "closes": "2021-09-03T09:30:00.000000Z"},
        "correction": "5 working days",
        "corrections": 2,
        "draft_life": None,
        "answer": "10 working days",
    }


def test_a_seeded_source_is_refused_for_a_real_round(make: Callable[..., Small]) -> None:
    small = make()
    before = small.dump()

    with pytest.raises(Invalid, match="a seeded source of chance is for demonstrations"):
        small.wf.open_round(plan(demonstration=False), actor=OFFICE)

    assert small.dump() == before


def test_a_seeded_source_is_refused_on_a_database_that_holds_a_real_round(make: Callable[..., Small]) -> None:
    real = make(entropy=SystemEntropy())
    round_ = real.wf.open_round(plan(demonstration=False), actor=OFFICE)
    before = real.dump()

    acts: list[Callable[[Workflow], object]] = [
        lambda wf: wf.open_round(plan(), actor=OFFICE),
        lambda wf: wf.fire(round_, "start", actor=OFFICE),
        lambda wf: wf.tick(),
    ]
    for act in acts:
        with pytest.raises(Invalid, match="the database holds the real round"):
            act(make().wf)

    assert real.dump() == before


def test_the_same_seed_gives_the_same_record(make: Callable[..., Small], tmp_path: Path) -> None:
    dumps = []
    for name in ("one", "other"):
        small = make(f"sqlite:///{tmp_path}/{name}.db")
        small.wf.migrate()
        small.open_round()
        small.decided()
        dumps.append(small.dump())

    assert dumps[0] == dumps[1]


FIELDS = [
    "actor",
    "algorithm",
    "calendar",
    "case",
    "cause",
    "data",
    "deadline",
    "deadlines",
    "definition",
    "document",
    "effective_at",
    "effects",
    "entry",
    "facts",
    "format",
    "guards",
    "handler",
    "key",
    "kind",
    "members",
    "opening",
    "outcome",
    "parties",
    "previous",
    "received_at",
    "recorded_at",
    "refusal",
    "request",
    "round",
    "seq",
    "settings",
    "source",
    "stage",
    "target",
    "tells",
    "trigger",
    "visit",
]


def test_an_event_has_exactly_these_fields(small: Small) -> None:
    small.decided()

    found = {
        tuple(sorted(set(event) - {"digest"}))
        for case in small.wf.cases(small.round)
        for event in small.wf.history(case)
    }
    assert found == {tuple(FIELDS)}


def test_an_event_says_who_did_what_when_and_under_which_rule(small: Small) -> None:
    case = small.draft()
    opened = small.wf.history(case)[0]
    small.later()
    small.wf.fire(case, "submit", {"truthful": True}, actor=applicant(), key="k-1", document="函1")

    event = small.wf.history(case)[-1]
    definition = small.view(small.round).facts["definition"]
    [declared, deadline] = [event.pop("handler"), event.pop("deadlines")]
    guards, request, tells = event.pop("guards"), event.pop("request"), event.pop("tells")
    assert {k: v for k, v in event.items() if k not in ("digest", "settings", "calendar")} == {
        "format": 1,
        "entry": None,
        "algorithm": "sha256",
        "round": small.round,
        "case": case,
        "kind": "application",
        "seq": 2,
        "trigger": "declare.submit",
        "source": "declare.draft",
        "target": "declare.submitted",
        "outcome": "moved",
        "actor": {"role": "applicant", "scope": "e1", "person": "", "via": "person", "on_behalf_of": ""},
        "document": "函1",
        "received_at": instant(BEGUN + HOUR),
        "effective_at": instant(BEGUN + HOUR),
        "recorded_at": instant(BEGUN + HOUR),
        "effects": [{"id": "tell_the_office", "version": 1}],
        "data": {"truthful": True, "statement": None},
        "facts": {},
        "parties": {},
        "members": None,
        "stage": "declare",
        "visit": 1,
        "opening": None,
        "deadline": None,
        "refusal": None,
        "definition": definition,
        "cause": None,
        "key": "k-1",
        "previous": opened["digest"],
    }
    assert [(g["id"], g["version"], g["result"]) for g in guards] == [("truthful", 1, "passed")]
    assert declared["class"] == "tests.engine.small_process:Declare"
    assert [d["name"] for d in deadline] == ["declare.answer_due"]
    assert [len(request), len(declared["code"])] == [64, 64]
    assert [t["recipient"] for t in tells] == ["office"]
    assert event["calendar"] == small.wf.calendar.version


class Wandering:
    """A machine's clock that is set back."""

    def __init__(self, start: datetime) -> None:
        self.shows = start

    def now(self) -> datetime:
        return self.shows


def test_recorded_instants_never_go_back_though_the_clock_does(make: Callable[..., Small]) -> None:
    clock = Wandering(OPENS + 10 * HOUR)
    small = make(clock=clock)
    small.round = small.wf.open_round(plan(), actor=OFFICE).case_id
    small.wf.fire(small.round, "start", actor=OFFICE)
    case = small.draft()
    clock.shows -= timedelta(minutes=30)
    small.wf.fire(case, "submit", {"truthful": True}, actor=applicant())
    clock.shows += timedelta(hours=1)
    small.wf.fire(case, "accept", actor=OFFICE)

    assert [(e["received_at"], e["recorded_at"]) for e in small.wf.history(case)] == [
        (instant(OPENS + 10 * HOUR), instant(OPENS + 10 * HOUR)),
        (instant(OPENS + 9.5 * HOUR), instant(OPENS + 10 * HOUR)),
        (instant(OPENS + 10.5 * HOUR), instant(OPENS + 10.5 * HOUR)),
    ]
    assert small.wf.verify().problems == []


def test_a_process_is_built_once_for_all_threads(small: Small) -> None:
    first = small.wf.process(small.round)
    seen = []

    with hooked(submit_guard=lambda ctx: seen.append(ctx.process is first)):
        small.submitted()

    assert seen == [True]
    assert isinstance(first.application.edges[0].transition, Transition)
