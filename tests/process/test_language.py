"""The process language: what the declarations of a class mean once they are a table."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

import pytest

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.errors import DefinitionInvalid, Fault, Refusal
from ganchu_workflow.process import (
    CARRY_ON,
    LATER,
    OPEN,
    OWNER,
    PASSED,
    START,
    CaseView,
    Cohort,
    Context,
    Correctable,
    CorrectionSettings,
    Deadline,
    Effects,
    Lifecycle,
    Message,
    Outcome,
    PhaseWindow,
    Slot,
    Stage,
    State,
    Transition,
    fact,
    none_open,
    setting,
)
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Reads
from ganchu_workflow.process.definition import Edge, KindDefinition, Process, StageInstance
from ganchu_workflow.process.language import snake_case
from ganchu_workflow.process.machine import NEW, build_machine, step
from ganchu_workflow.process.mixins import Resubmission, ReturnForCorrection
from ganchu_workflow.process.rounds import CORE_KINDS

APPLICANT, OFFICE, ENGINE, CLOCK = {Role.APPLICANT}, {Role.OFFICE}, {Role.ENGINE}, {Role.CLOCK}
NOON = datetime(2021, 8, 2, 4, tzinfo=UTC)


class Desk(Stage):
    """A stage that only passes on."""

    name = "desk"
    waiting = State("等待", owner=Role.OFFICE, initial=True)
    declare: ClassVar[Transition | None] = Transition(START, waiting, by=Role.APPLICANT)
    accept = Transition(waiting, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(at_close={waiting: CARRY_ON})


class End(Stage):
    """The stage that ends the way."""

    name = "end"
    decided = State("待公布", owner=Role.OFFICE, initial=True)
    announced = State("已公布", success=True)
    announce = Transition(decided, announced, by=Role.OFFICE)
    phase = PhaseWindow(at_close={decided: CARRY_ON})


def process_of(*stages: type[Stage] | tuple[str, type[Stage]], **on: str) -> Process:
    named = [s if isinstance(s, tuple) else (s.name, s) for s in stages]
    return define([StageInstance(name, s(), s.Settings(), on) for name, s in named], CORE_KINDS)


def edges(process: Process, stage: str) -> list[tuple[str, str | None, str, set[Role]]]:
    return [spelt(e) for e in process.application.edges if e.stage == stage]


def spelt(edge: Edge) -> tuple[str, str | None, str, set[Role]]:
    return edge.trigger, edge.source, edge.target, set(edge.by)


# ── declarations ──────────────────────────────────────────────────────────────────────────────────────────────────


class Base(Lifecycle):
    first = State("一", owner=Role.OFFICE, initial=True)
    second = State("二", owner=Role.OFFICE)
    last = State("末", final=True)
    go = Transition(first, second, by=Role.OFFICE)
    end = Transition(second, last, by=Role.OFFICE)


def test_parts_are_in_order_of_declaration_bases_first() -> None:
    class Longer(Base):
        zeroth = State("零", owner=Role.OFFICE)
        back = Transition(zeroth, Base.first, by=Role.OFFICE)

    assert list(Longer.parts(State)) == ["first", "second", "last", "zeroth"]
    assert list(Longer.parts(Transition)) == ["go", "end", "back"]
    assert list(Longer.parts(Deadline)) == []


def test_an_override_keeps_the_place_and_leaves_the_base_alone() -> None:
    class Other(Base):
        first = State("壹", owner=Role.EXPERT, initial=True)

    assert [s.label for s in Other.parts(State).values()] == ["壹", "二", "末"]
    assert [s.label for s in Base.parts(State).values()] == ["一", "二", "末"]


def test_none_removes_an_inherited_declaration() -> None:
    class Shorter(Base):
        go = None  # type: ignore[assignment]

    assert list(Shorter.parts(Transition)) == ["end"]
    assert list(Base.parts(Transition)) == ["go", "end"]


def test_a_method_in_the_place_of_an_inherited_declaration_removes_it() -> None:
    class Shorter(Base):
        def go(self) -> None:  # type: ignore[override]
            """No transition any more."""

    assert list(Shorter.parts(Transition)) == ["end"]


def test_a_removed_declaration_can_come_back() -> None:
    class Shorter(Base):
        go = None  # type: ignore[assignment]

    class Again(Shorter):
        go = Transition(Base.first, Base.last, by=Role.OFFICE)  # type: ignore[assignment]

    assert list(Again.parts(Transition)) == ["end", "go"]


class Door(Lifecycle):
    """A state and a transition of one name: the underscore keeps them apart in the class, and is no part of it."""

    shut = State("关", owner=Role.OFFICE, initial=True)
    open_ = State("开", owner=Role.OFFICE)
    gone = State("拆除", final=True)
    open = Transition(shut, open_, by=Role.OFFICE)
    remove = Transition(open_, gone, by=Role.OFFICE)


def test_a_trailing_underscore_is_no_part_of_the_name() -> None:
    assert Door.open_.name == "open"
    assert repr(Door.open_) == "<State open>"
    assert list(Door.parts(State)) == ["shut", "open", "gone"]
    assert list(Door.parts(Transition)) == ["open", "remove"]


@pytest.mark.parametrize("attribute", ["open_", "open"])
def test_none_removes_a_declaration_with_or_without_its_underscore(attribute: str) -> None:
    class House(Lifecycle):
        open_ = State("开", owner=Role.OFFICE)

    ruin: type[Lifecycle] = type("Ruin", (House,), {attribute: None})

    assert list(ruin.parts(State)) == []


def test_an_override_with_or_without_the_underscore_is_one_state() -> None:
    class House(Lifecycle):
        open_ = State("开", owner=Role.OFFICE)

    class Palace(House):
        open = State("大开", owner=Role.OFFICE)

    assert {name: s.label for name, s in Palace.parts(State).items()} == {"open": "大开"}


def test_the_first_attribute_names_a_state_and_a_second_is_only_an_alias() -> None:
    class Aliased(Base):
        desk = Base.second

    assert Aliased.desk.name == "second"
    assert list(Aliased.parts(State)) == ["first", "second", "last"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("ConsultationLetter", "consultation_letter"), ("Notice", "notice"), ("Phase2Check", "phase2_check")],
)
def test_the_kind_is_the_class_in_snake_case(name: str, kind: str) -> None:
    assert snake_case(name) == kind
    made: type[Lifecycle] = type(name, (Lifecycle,), {})

    assert made.kind == kind


def test_a_kind_of_ones_own_choice_is_not_inherited() -> None:
    class Chosen(Lifecycle):
        kind = "my_choice"

    class Heir(Chosen):
        pass

    assert (Chosen.kind, Heir.kind) == ("my_choice", "heir")


def test_the_lock_order_is_by_kind_of_declaration() -> None:
    class Act(Cohort):
        pass

    core = [kind.rank for kind in CORE_KINDS]

    assert [*core, Act.rank, Stage.rank, Base.rank] == [0, 1, 2, 3, 4]


# ── sources, targets and roles ────────────────────────────────────────────────────────────────────────────────────


def test_an_opening_is_a_transition_from_nothing() -> None:
    assert edges(process_of(Desk, End), "desk")[2:] == [
        ("declare", None, "desk.waiting", APPLICANT),
        ("accept", "desk.waiting", "end.decided", OFFICE),
    ]


def test_every_stage_inherits_withdraw_and_call_off_from_each_open_state() -> None:
    assert edges(process_of(Desk, End), "end") == [
        ("withdraw", "end.decided", "withdrawn", APPLICANT),
        ("call_off", "end.decided", "called_off", ENGINE),
        ("announce", "end.decided", "end.announced", OFFICE),
    ]


def test_an_inherited_withdrawal_can_be_removed_or_changed() -> None:
    class Firm(End):
        withdraw = None
        call_off = Transition(OPEN, End.announced, by=Role.ENGINE)

    assert edges(process_of(Desk, Firm), "end") == [
        ("call_off", "end.decided", "end.announced", ENGINE),
        ("announce", "end.decided", "end.announced", OFFICE),
    ]


@pytest.mark.parametrize("unordered", [{Base.first, Base.second}, frozenset({Base.first})], ids=["set", "frozenset"])
def test_sources_without_an_order_are_refused(unordered: Any) -> None:
    with pytest.raises(TypeError, match="use a tuple: a set has no order"):
        Transition(unordered, Base.last, by=Role.OFFICE)


def test_roles_may_come_in_any_iterable() -> None:
    roles = [Role.OFFICE, Role.EXPERT]
    given: list[Any] = [roles, tuple(roles), iter(roles), dict.fromkeys(roles)]

    assert [Transition(Base.first, Base.last, by=by).by for by in given] == [tuple(roles)] * 4
    assert [Transition(Base.first, Base.last, by=by).by for by in (Role.OFFICE, OWNER)] == [(Role.OFFICE,), (OWNER,)]


class Long(Stage):
    """A stage with two open states of different owners."""

    name = "long"
    asked = State("已问", owner=Role.DEPARTMENT, initial=True)
    weighed = State("研究中", owner=Role.OFFICE)
    dropped = State("终止", final=True)
    answer = Transition(asked, weighed, by=OWNER)
    note = Transition(OPEN, weighed, by=(OWNER, Role.SUPERVISOR))
    accept = Transition((asked, weighed, asked), PASSED, by=Role.OFFICE)
    drop = Transition((LATER, weighed), dropped, by=OWNER)
    withdraw = None
    call_off = None
    phase = PhaseWindow(at_close={asked: CARRY_ON, weighed: CARRY_ON})


def test_owner_open_and_later_are_spelt_out_state_by_state() -> None:
    assert edges(process_of(Desk, Long, ("desk_again", Desk), End), "long") == [
        ("answer", "long.asked", "long.weighed", {Role.DEPARTMENT}),
        ("note", "long.asked", "long.weighed", {Role.DEPARTMENT, Role.SUPERVISOR}),
        ("note", "long.weighed", "long.weighed", {Role.OFFICE, Role.SUPERVISOR}),
        ("accept", "long.asked", "desk_again.waiting", OFFICE),
        ("accept", "long.weighed", "desk_again.waiting", OFFICE),
        ("drop", "desk_again.waiting", "long.dropped", OFFICE),
        ("drop", "end.decided", "long.dropped", OFFICE),
        ("drop", "long.weighed", "long.dropped", OFFICE),
    ]


def test_a_condition_lets_the_engine_fire() -> None:
    class Sheet(Base):
        pass

    class Waiting(Desk):
        cases = (Sheet,)
        accept = Transition(Desk.waiting, PASSED, by=Role.OFFICE, when=none_open(Sheet))

    process = process_of(Waiting, End)

    assert edges(process, "desk")[-1] == ("accept", "desk.waiting", "end.decided", {Role.OFFICE, Role.ENGINE})
    assert {s: [e.trigger for e in es] for s, es in process.application.automatic_from.items() if es} == {
        "desk.waiting": ["accept"]
    }


def test_a_kind_without_an_opening_is_opened_by_the_engine() -> None:
    class Bringing(Desk):
        cases = (Base, Door)

    process = process_of(Bringing, End)

    assert [spelt(e) for e in process.kind("base").edges] == [
        ("open", None, "first", ENGINE),
        ("go", "first", "second", OFFICE),
        ("end", "second", "last", OFFICE),
    ]
    assert [spelt(e) for e in process.kind("door").edges] == [
        ("open", None, "shut", ENGINE),
        ("open", "shut", "open", OFFICE),
        ("remove", "open", "gone", OFFICE),
    ]


@pytest.mark.parametrize("outcome", ["withdrawn", "called_off", "passed"])
def test_an_outcome_with_a_meaning_of_its_own_cannot_be_wired(outcome: str) -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        process_of(Desk, End, **{outcome: "desk"})

    assert {f.what for f in refused.value.findings if f.where.startswith("desk.")} == {
        f"the outcome '{outcome}' has its own meaning and cannot be wired to 'desk'; drop it from on"
    }


def test_an_outcome_is_wired_by_the_plan() -> None:
    class Sending(Desk):
        refuse = Transition(Desk.waiting, Outcome("sent_back"), by=Role.OFFICE)

    process = process_of(Sending, End, sent_back="desk")

    assert [(e.trigger, e.target) for e in process.application.edges if e.stage == "desk"] == [
        ("withdraw", "withdrawn"),
        ("call_off", "called_off"),
        ("declare", "desk.waiting"),
        ("accept", "end.decided"),
        ("refuse", "desk.waiting"),
    ]


# ── the same stage twice ──────────────────────────────────────────────────────────────────────────────────────────


class Shown(Stage):
    """A stage that is used twice; it reaches back for what has passed it."""

    name = "shown"
    showing = State("公示中", owner=Role.OFFICE, initial=True)
    removed = State("取消资格", final=True)
    clear = Transition(showing, PASSED, by=Role.OFFICE)
    remove = Transition((showing, LATER), removed, by=(Role.OFFICE, Role.CLOCK))
    due = Deadline(showing, rule=fact("due"), fires=remove)
    phase = PhaseWindow(at_close={showing: CARRY_ON})
    withdraw = None
    call_off = None


@pytest.fixture(scope="module")
def twice() -> Process:
    return process_of(Desk, ("local_notice", Shown), ("province_notice", Shown), End)


def test_states_and_deadlines_of_a_stage_used_twice_carry_its_names(twice: Process) -> None:
    assert [s for s in twice.application.states if "notice" in s] == [
        "local_notice.showing",
        "local_notice.removed",
        "province_notice.showing",
        "province_notice.removed",
    ]
    assert [(t.name, set(t.runs_in)) for t in twice.application.timers] == [
        ("local_notice.due", {"local_notice.showing"}),
        ("province_notice.due", {"province_notice.showing"}),
    ]


def found(kind: KindDefinition, state: str | None, trigger: str) -> list[tuple[str, str]]:
    return [(e.name, e.target) for e in kind.find(state, trigger)]


def test_a_bare_trigger_is_found_where_it_is_unambiguous(twice: Process) -> None:
    application = twice.application

    assert found(application, "local_notice.showing", "clear") == [("local_notice.clear", "province_notice.showing")]
    assert found(application, "province_notice.showing", "clear") == [("province_notice.clear", "end.decided")]
    assert found(application, "local_notice.showing", "remove") == [("local_notice.remove", "local_notice.removed")]


def test_a_bare_trigger_that_two_stages_mean_is_found_twice_and_a_qualified_one_once(twice: Process) -> None:
    application = twice.application

    assert found(application, "end.decided", "remove") == [
        ("local_notice.remove", "local_notice.removed"),
        ("province_notice.remove", "province_notice.removed"),
    ]
    assert found(application, "end.decided", "province_notice.remove") == [
        ("province_notice.remove", "province_notice.removed")
    ]
    assert found(application, "end.decided", "clear") == []
    assert found(application, None, "declare") == [("desk.declare", "desk.waiting")]


def test_every_trigger_is_known_bare_and_qualified(twice: Process) -> None:
    assert twice.application.triggers() == {
        *("withdraw", "call_off", "declare", "accept", "clear", "remove", "announce"),
        *("desk.withdraw", "desk.call_off", "desk.declare", "desk.accept"),
        *("local_notice.clear", "local_notice.remove", "province_notice.clear", "province_notice.remove"),
        *("end.withdraw", "end.call_off", "end.announce"),
    }


def test_a_process_knows_its_stages(twice: Process) -> None:
    assert twice.stage_names == ("desk", "local_notice", "province_notice", "end")
    assert twice.later_than("local_notice") == ("province_notice", "end")
    assert twice.later_than("end") == ()


# ── correction ────────────────────────────────────────────────────────────────────────────────────────────────────


class Corrected(Correctable, Desk):
    """A stage whose desk may return a file."""

    name = "corrected"
    Settings = CorrectionSettings
    desk = Desk.waiting
    phase = PhaseWindow(at_close={Desk.waiting: CARRY_ON, Correctable.correcting: CARRY_ON})


def test_correction_goes_from_the_desk_and_back_to_it() -> None:
    process = process_of(Corrected, End)

    assert edges(process, "corrected") == [
        ("withdraw", "corrected.waiting", "withdrawn", APPLICANT),
        ("withdraw", "corrected.correcting", "withdrawn", APPLICANT),
        ("call_off", "corrected.waiting", "called_off", ENGINE),
        ("call_off", "corrected.correcting", "called_off", ENGINE),
        ("declare", None, "corrected.waiting", APPLICANT),
        ("accept", "corrected.waiting", "end.decided", OFFICE),
        ("return_for_correction", "corrected.waiting", "corrected.correcting", OFFICE),
        ("resubmit", "corrected.correcting", "corrected.waiting", APPLICANT),
        ("resubmit", "withdrawn", "corrected.waiting", APPLICANT),
        ("give_up", "corrected.correcting", "withdrawn", CLOCK),
    ]


def timers(process: Process) -> list[tuple[str, str, set[str], str | None, set[tuple[str, str]]]]:
    return [
        (t.name, str(t.deadline.rule), set(t.runs_in), getattr(t.deadline.fires, "name", None), set(t.admits))
        for t in process.application.timers
    ]


def test_resubmitting_is_in_time_while_the_correction_runs() -> None:
    assert timers(process_of(Corrected, End)) == [
        (
            "corrected.correction_due",
            "setting:correction",
            {"corrected.correcting"},
            "give_up",
            {("application", "resubmit")},
        )
    ]


def test_a_stage_may_say_what_silence_means_and_how_a_file_comes_back() -> None:
    class Stern(Corrected):
        lapsed = State("视为撤回", final=True)
        give_up = Transition(Correctable.correcting, lapsed, by=Role.CLOCK)
        resubmit = Transition(Correctable.correcting, Corrected.desk, by=(Role.APPLICANT, Role.OFFICE))

    process = process_of(Stern, End)

    assert [e for e in edges(process, "corrected") if e[1] == "corrected.correcting"][2:] == [
        ("resubmit", "corrected.correcting", "corrected.waiting", {Role.APPLICANT, Role.OFFICE}),
        ("give_up", "corrected.correcting", "corrected.lapsed", CLOCK),
    ]
    assert timers(process) == timers(process_of(Corrected, End))


def test_the_desk_of_a_stage_is_found_through_the_process() -> None:
    process = process_of(Corrected, End)
    slot = Correctable.__dict__["desk"]

    assert isinstance(slot, Slot)
    assert process.slot("corrected", slot) is Desk.waiting
    assert process.slot("corrected", Desk.waiting) is Desk.waiting


def test_an_overridden_state_is_meant_wherever_the_inherited_one_is_named() -> None:
    class Office(Corrected):
        correcting = State("退回核实", owner=Role.OFFICE)
        note = Transition(Correctable.correcting, Correctable.correcting, by=OWNER)

    assert edges(process_of(Office, End), "corrected")[-1] == (
        "note",
        "corrected.correcting",
        "corrected.correcting",
        OFFICE,
    )


def context(data: Any = None, given: Any = None, **facts: Any) -> Context[Any, CorrectionSettings]:
    case = CaseView(
        id="a1",
        kind="application",
        state="corrected.waiting",
        stage="corrected",
        visit=2,
        round="r1",
        parent=None,
        of=None,
        facts=facts,
        parties={Role.APPLICANT: "e1"},
        opened_at=NOON,
        seq=1,
        head="0" * 64,
    )
    nothing = cast(Reads, None)  # neither guard nor effect reads beyond the case
    process = process_of(Corrected, End)
    return Context(nothing, process, case, data, given or {}, Actor(Role.OFFICE), NOON, NOON, CorrectionSettings())


def test_a_stage_returns_a_file_as_often_as_its_settings_allow_on_each_visit() -> None:
    stage = Corrected()

    assert stage.corrections_left(context()) is None
    assert stage.corrections_left(context(corrections={"corrected.1": 1, "other.2": 1})) is None
    assert stage.corrections_left(context(corrections={"corrected.2": 1})) == Refusal(
        "no_correction_left",
        "本环节已退回补正1次,达到上限",
        "this stage has already returned the file 1 time(s), which is all its settings allow",
        {"allowed": 1},
    )


def test_returning_counts_keeps_the_list_and_tells_the_applicant() -> None:
    data = ReturnForCorrection(items=["检测报告"])

    effects = Corrected().list_the_items(context(data, data.model_dump(), corrections={"corrected.1": 1}))

    assert effects == Effects(
        facts={"corrections": {"corrected.1": 1, "corrected.2": 1}, "correction_items": ["检测报告"]},
        tell=[Message("correction_requested", to=Role.APPLICANT, body={"items": ["检测报告"]})],
    )


def test_resubmitting_is_a_new_version_beside_the_old_evidence() -> None:
    def document(digit: str) -> dict[str, str]:
        return {"name": "证书.pdf", "sha256": digit * 64, "uri": f"oss://{digit}"}

    data = Resubmission.model_validate({"documents": [document("b")]})
    old = [document("a")]

    effects = Corrected().new_version(context(data, data.model_dump(), documents=old))

    assert effects == Effects(facts={"version": 2, "documents": [document("a"), document("b")]})
    assert old == [document("a")]


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────────────────


def yes() -> None:
    return None


NO = Refusal("no", "不可", "no")


def test_the_table_has_the_triggers_of_the_kind_and_no_others(twice: Process) -> None:
    machine = twice.application.machine

    assert set(machine.events) == {e.name for e in twice.application.edges}
    assert list(machine.states) == [NEW, *twice.application.states]
    assert twice.application.machine is machine


def test_a_step_that_may_be_done_has_no_refusal() -> None:
    machine = process_of(Desk, End).application.machine

    assert step(machine, "desk.declare", None, "desk.waiting", yes) is None
    assert step(machine, "desk.accept", "desk.waiting", "end.decided", yes) is None


def test_a_step_that_may_not_be_done_returns_the_refusal() -> None:
    machine = process_of(Desk, End).application.machine

    assert step(machine, "desk.accept", "desk.waiting", "end.decided", lambda: NO) is NO


def test_the_guards_are_asked_once_for_each_step() -> None:
    asked: list[str] = []
    machine = process_of(Desk, End).application.machine

    step(machine, "desk.accept", "desk.waiting", "end.decided", lambda: asked.append("x"))

    assert asked == ["x"]


def test_a_guard_that_crashes_is_not_swallowed_by_the_table() -> None:
    def crash() -> Refusal | None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step(process_of(Desk, End).application.machine, "desk.accept", "desk.waiting", "end.decided", crash)


@pytest.mark.parametrize(
    ("trigger", "source", "target", "message"),
    [
        ("go", "a", "c", "the table leads go from a to b, not to c"),
        ("go", None, "b", "the table knows no go from (new)"),
        ("go", "b", "b", "the table knows no go from b"),
        ("go", "elsewhere", "b", "the table knows no go from elsewhere"),
        ("run", "a", "b", "the table knows no run from a"),
        ("to_b", "a", "b", "the table knows no to_b from a"),
    ],
)
def test_a_table_of_another_definition_is_a_fault(trigger: str, source: str | None, target: str, message: str) -> None:
    machine = build_machine(["a", "b", "c"], [("go", "a", "b")])

    with pytest.raises(Fault) as fault:
        step(machine, trigger, source, target, yes)

    assert fault.value.message == message


def test_eight_threads_share_one_table() -> None:
    process = process_of(Desk, Corrected, Long, ("desk_again", Desk), End)
    machine, all_edges = process.application.machine, list(process.application.edges)

    def run(thread: int) -> list[tuple[int, Refusal | None]]:
        anomalies = []
        for n in range(1000):
            edge = all_edges[(n * (thread + 1) + thread) % len(all_edges)]
            expected = Refusal("no", str(thread), str(n)) if n % 3 == thread % 3 else None
            answer = step(machine, edge.name, edge.source, edge.target, lambda e=expected: e)  # type: ignore[misc]
            if answer is not expected:
                anomalies.append((n, answer))
        return anomalies

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            anomalies = list(pool.map(run, range(8)))
    finally:
        sys.setswitchinterval(interval)

    assert anomalies == [[]] * 8
    assert machine.models == []
    assert set(machine.events) == {e.name for e in all_edges}


def test_rules_of_deadlines_say_what_they_are() -> None:
    assert str(fact("closes_at")) == "fact:closes_at"
    assert str(setting("reply")) == "setting:reply"
    assert str(setting("reply", start=fact("served_at"))) == "setting:reply from fact:served_at"
