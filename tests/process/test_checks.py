"""What a process must not be: each case breaks one rule, and the refusal names the states and triggers it is about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import DefinitionInvalid
from ganchu_workflow.process import (
    CARRY_ON,
    LATER,
    OPEN,
    OWNER,
    PASSED,
    START,
    Context,
    Data,
    Deadline,
    Effects,
    Lifecycle,
    Outcome,
    PhaseWindow,
    Refusal,
    Reversal,
    Slot,
    Stage,
    State,
    Transition,
    all_of,
    any_in,
    checks,
    enough,
    fact,
    none_open,
    remind,
    setting,
)
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.definition import Process, StageInstance
from ganchu_workflow.process.rounds import CORE_KINDS

Findings = list[tuple[str, str]]
LONG = "x" * 121


class Way(Stage):
    """The smallest stage that is a whole way: declared, then done."""

    name = "way"
    waiting = State("等待", owner=Role.OFFICE, initial=True)
    done = State("完成", success=True)
    declare = Transition(START, waiting, by=Role.APPLICANT)
    finish = Transition(waiting, done, by=Role.OFFICE)
    phase: ClassVar[PhaseWindow | None] = PhaseWindow(at_close={waiting: CARRY_ON})


class Sheet(Lifecycle):
    """The smallest kind that stands alone."""

    assigned = State("待评", owner=Role.EXPERT, initial=True)
    scored = State("已评", final=True)
    score = Transition(assigned, scored, by=Role.EXPERT)


def way_with(*kinds: type[Lifecycle]) -> list[StageInstance]:
    class Bringing(Way):
        cases = kinds

    return plan(Bringing)


def plan(*stages: type[Stage], **on: str) -> list[StageInstance]:
    return [StageInstance(s.name, s(), s.Settings(), on) for s in stages]


def findings(stages: Sequence[StageInstance]) -> Findings:
    with pytest.raises(DefinitionInvalid) as refused:
        define(stages, CORE_KINDS)
    return [(f.where, f.what) for f in refused.value.findings]


def sound(stages: Sequence[StageInstance]) -> Process:
    return define(stages, CORE_KINDS)


@dataclass(frozen=True)
class Case:
    """A process that breaks one rule. `all` is what is found; `by_check` is the part found by the rule's own check."""

    check: str
    build: Callable[[], list[StageInstance]]
    by_check: Findings
    all: Findings


CASES: dict[str, Case] = {}


def case(
    check: Callable[..., Any], *found: tuple[str, str], beside: Sequence[tuple[str, str]] = ()
) -> Callable[[Callable[[], list[StageInstance]]], None]:
    """Register a builder: `found` is what its check finds, `beside` what other checks find after it."""

    def register(build: Callable[[], list[StageInstance]]) -> None:
        CASES[build.__name__] = Case(check.__name__, build, list(found), [*found, *beside])

    return register


# ── states ────────────────────────────────────────────────────────────────────────────────────────────────────────


@case(checks.reachable_states, ("application.way.attic", "no transition leads to this state"))
def a_state_of_a_stage_without_a_way_in() -> list[StageInstance]:
    class Odd(Way):
        attic = State("阁楼", owner=Role.OFFICE)
        leave = Transition(attic, Way.done, by=Role.OFFICE)
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, attic: CARRY_ON})

    return plan(Odd)


@case(
    checks.reachable_states,
    ("odd.attic", "no transition leads to this state"),
    ("odd.cellar", "no transition leads to this state"),
)
def states_of_a_kind_without_a_way_in() -> list[StageInstance]:
    class Odd(Sheet):
        attic = State("阁楼", owner=Role.OFFICE)
        cellar = State("地窖", final=True)
        fall = Transition(attic, cellar, by=Role.OFFICE)

    return way_with(Odd)


@case(
    checks.an_end_exists,
    ("loop", "no state is final=True: the life cycle has no end"),
    beside=[
        ("loop.left", "from this state no end can be reached"),
        ("loop.right", "from this state no end can be reached"),
    ],
)
def a_kind_without_an_end() -> list[StageInstance]:
    class Loop(Lifecycle):
        left = State("左", owner=Role.OFFICE, initial=True)
        right = State("右", owner=Role.OFFICE)
        go = Transition(left, right, by=Role.OFFICE)
        back = Transition(right, left, by=Role.OFFICE)

    return way_with(Loop)


@case(checks.no_traps, ("odd.pit", "from this state no end can be reached"))
def a_trap() -> list[StageInstance]:
    class Odd(Sheet):
        pit = State("陷阱", owner=Role.EXPERT)
        fall = Transition(Sheet.assigned, pit, by=Role.EXPERT)
        struggle = Transition(pit, pit, by=Role.EXPERT)

    return way_with(Odd)


@case(checks.no_traps, ("application.way.pit", "from this state no end can be reached"))
def a_trap_in_a_stage_that_nobody_can_withdraw_from() -> list[StageInstance]:
    class Odd(Way):
        pit = State("陷阱", owner=Role.OFFICE)
        fall = Transition(Way.waiting, pit, by=Role.OFFICE)
        struggle = Transition(pit, pit, by=Role.OFFICE)
        withdraw = None
        call_off = None
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, pit: CARRY_ON})

    return plan(Odd)


@case(checks.every_wait_is_owned, ("odd.lost", "nobody owns this wait; give the state owner=Role.…"))
def a_wait_nobody_owns() -> list[StageInstance]:
    class Odd(Sheet):
        lost = State("无主")
        lose = Transition(Sheet.assigned, lost, by=Role.EXPERT)
        find = Transition(lost, Sheet.scored, by=Role.EXPERT)

    return way_with(Odd)


@case(checks.every_wait_is_owned, ("odd.scored", "a final state waits for nobody; drop its owner"))
def an_end_that_waits() -> list[StageInstance]:
    class Odd(Sheet):
        scored = State("已评", final=True, owner=Role.OFFICE)

    return way_with(Odd)


@case(
    checks.the_clock_has_something_to_do,
    ("odd.frozen", "waits for the clock, but no deadline runs here and the engine fires nothing"),
)
def a_wait_for_the_clock_without_a_deadline() -> list[StageInstance]:
    class Odd(Sheet):
        frozen = State("冻结", owner=Role.CLOCK)
        freeze = Transition(Sheet.assigned, frozen, by=Role.EXPERT)
        thaw = Transition(frozen, Sheet.scored, by=Role.EXPERT)

    return way_with(Odd)


@case(
    checks.the_clock_has_something_to_do,
    ("application.way.frozen", "waits for the engine, but no deadline runs here and the engine fires nothing"),
)
def a_wait_for_the_engine_that_only_a_called_off_round_ends() -> list[StageInstance]:
    class Odd(Way):
        frozen = State("冻结", owner=Role.ENGINE)
        freeze = Transition(Way.waiting, frozen, by=Role.OFFICE)
        thaw = Transition(frozen, Way.waiting, by=Role.OFFICE)
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, frozen: CARRY_ON})

    return plan(Odd)


@case(checks.no_traps, ("application.way.stuck", "from this state no end can be reached"))
def a_state_that_only_a_withdrawal_or_a_called_off_round_ends() -> list[StageInstance]:
    class Odd(Way):
        stuck = State("停滞", owner=Role.OFFICE)
        stick = Transition(Way.waiting, stuck, by=Role.OFFICE)
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, stuck: CARRY_ON})

    return plan(Odd)


# ── transitions ───────────────────────────────────────────────────────────────────────────────────────────────────


@case(checks.somebody_fires, ("odd.drop", "nobody may fire it; give by= or when="))
def a_transition_nobody_fires() -> list[StageInstance]:
    class Odd(Sheet):
        drop = Transition(Sheet.assigned, Sheet.scored)

    return way_with(Odd)


@case(checks.somebody_fires, ("odd.open", "nobody may fire it; give by= or when="))
def a_transition_called_open_nobody_fires_beside_the_implicit_opening() -> list[StageInstance]:
    class Odd(Sheet):
        open = Transition(Sheet.assigned, Sheet.scored)

    return way_with(Odd)


@case(checks.somebody_fires, ("odd.begin", "nobody may fire it; give by= or when="))
def an_opening_left_to_the_owner_of_nothing() -> list[StageInstance]:
    class Odd(Sheet):
        begin = Transition((Sheet.assigned, START), Sheet.assigned, by=OWNER)

    return way_with(Odd)


@case(checks.somebody_fires, ("odd.redo", "nobody may fire it; give by= or when="))
def a_reversal_left_to_the_owner_of_an_end() -> list[StageInstance]:
    class Odd(Sheet):
        redo = Transition((Sheet.assigned, Sheet.scored), Sheet.assigned, by=OWNER, data=Reversal, reopens=True)

    return way_with(Odd)


@case(checks.the_clock_fires_by_deadline, ("odd.lapse", "only the clock may fire it, but no deadline fires it"))
def a_transition_for_the_clock_that_no_deadline_fires() -> list[StageInstance]:
    class Odd(Sheet):
        lapse = Transition(Sheet.assigned, Sheet.scored, by=Role.CLOCK)

    return way_with(Odd)


@case(checks.finals_are_left_by_reversal, ("odd.again", "leaves the final state scored; declare it reopens=True"))
def an_end_that_is_left() -> list[StageInstance]:
    class Odd(Sheet):
        again = Transition(Sheet.scored, Sheet.assigned, by=Role.OFFICE, data=Reversal)

    return way_with(Odd)


GROUND = "is a reversal; its data must be a subclass of Reversal (document, reason)"


@case(checks.reversals_state_their_ground, ("odd.again", GROUND))
def a_reversal_without_data() -> list[StageInstance]:
    class Odd(Sheet):
        again = Transition(Sheet.scored, Sheet.assigned, by=Role.OFFICE, reopens=True)

    return way_with(Odd)


@case(checks.reversals_state_their_ground, ("application.way.again", GROUND))
def a_reversal_with_data_that_states_no_ground() -> list[StageInstance]:
    class Why(Data):
        why: str

    class Odd(Way):
        again = Transition(Way.done, Way.waiting, by=(Role.ENGINE, Role.OFFICE), data=Why, reopens=True)

    return plan(Odd)


@case(
    checks.one_edge_per_trigger,
    ("application.way.accept", "leads from way.weighing both to way.weighing and to end.decided"),
)
def two_stages_of_one_name() -> list[StageInstance]:
    class First(Stage):
        name = "way"
        weighing = State("审查", owner=Role.OFFICE, initial=True)
        declare = Transition(START, weighing, by=Role.APPLICANT)
        accept = Transition(weighing, PASSED, by=Role.OFFICE)
        phase = PhaseWindow(at_close={weighing: CARRY_ON})

    return plan(First, First, End)


class End(Stage):
    name = "end"
    decided = State("待公布", owner=Role.OFFICE, initial=True)
    announced = State("已公布", success=True)
    announce = Transition(decided, announced, by=Role.OFFICE)
    phase = PhaseWindow(at_close={decided: CARRY_ON})


@case(checks.rule_ids_are_unique, ("odd.score", "two rules have the id 'same'"))
def a_guard_and_an_effect_of_one_id() -> list[StageInstance]:
    class Odd(Lifecycle):
        assigned = State("待评", owner=Role.EXPERT, initial=True)
        scored = State("已评", final=True)
        score = Transition(assigned, scored, by=Role.EXPERT)

        @score.guard("same")
        def asks(self, ctx: Context[Any, Any]) -> Refusal | None:
            return None

        @score.effect("same")
        def does(self, ctx: Context[Any, Any]) -> Effects:
            return Effects()

    return way_with(Odd)


@case(checks.rule_ids_are_unique, ("odd.score", "the rule 'asks' has version 0; versions start at 1"))
def a_rule_of_version_0() -> list[StageInstance]:
    class Odd(Lifecycle):
        assigned = State("待评", owner=Role.EXPERT, initial=True)
        scored = State("已评", final=True)
        score = Transition(assigned, scored, by=Role.EXPERT)

        @score.guard("asks", version=0)
        def asks(self, ctx: Context[Any, Any]) -> Refusal | None:
            return None

    return way_with(Odd)


# ── deadlines ─────────────────────────────────────────────────────────────────────────────────────────────────────


@case(checks.deadlines_have_a_consequence, ("odd.due", "has no consequence: give fires= for assigned, checked"))
def a_deadline_without_a_consequence() -> list[StageInstance]:
    class Odd(Sheet):
        checked = State("已核", owner=Role.EXPERT)
        check = Transition(Sheet.assigned, checked, by=Role.EXPERT)
        finish = Transition(checked, Sheet.scored, by=Role.EXPERT)
        due = Deadline(checked, Sheet.scored, Sheet.assigned, rule=fact("due"), admits=check)

    return way_with(Odd)


@case(checks.deadlines_have_a_consequence, ("odd.due", "has no consequence: give fires= for it"))
def a_deadline_at_an_end_that_admits_nothing() -> list[StageInstance]:
    class Odd(Sheet):
        due = Deadline(Sheet.scored, rule=fact("due"))

    return way_with(Odd)


@case(
    checks.deadlines_have_a_consequence,
    ("application.way.due", "fires finish, which the clock may not fire from way.waiting"),
)
def a_deadline_that_fires_what_is_not_the_clocks() -> list[StageInstance]:
    class Odd(Way):
        due = Deadline(Way.waiting, rule=fact("due"), fires=Way.finish)

    return plan(Odd)


@case(checks.deadlines_have_a_consequence, ("odd.due", "fires lapse, which the clock may not fire from checked"))
def a_deadline_that_fires_from_one_of_its_two_states_only() -> list[StageInstance]:
    class Odd(Sheet):
        checked = State("已核", owner=Role.EXPERT)
        check = Transition(Sheet.assigned, checked, by=Role.EXPERT)
        finish = Transition(checked, Sheet.scored, by=Role.EXPERT)
        lapse = Transition(Sheet.assigned, Sheet.scored, by=Role.CLOCK)
        due = Deadline(Sheet.assigned, checked, rule=fact("due"), fires=lapse)

    return way_with(Odd)


@case(
    checks.printed_ends_are_not_stopped,
    ("odd.due", "a fact fixes its end, so it cannot stop; use setting(…) or drop stops_in"),
)
def a_printed_end_that_stops() -> list[StageInstance]:
    class Odd(Sheet):
        checked = State("已核", owner=Role.EXPERT)
        check = Transition(Sheet.assigned, checked, by=Role.EXPERT)
        finish = Transition(checked, Sheet.scored, by=Role.EXPERT)
        lapse = Transition(Sheet.assigned, Sheet.scored, by=Role.CLOCK)
        due = Deadline(Sheet.assigned, rule=fact("due"), fires=lapse, stops_in=checked)

    return way_with(Odd)


@case(
    checks.what_stands_by_a_deadline_can_be_done,
    ("odd.due", "a fact fixes its end, and the act that writes the fact moves it; drop by="),
    ("odd.due", "its alert '2 working days before' is for the clock, in assigned; say to=Role.… of a person"),
    ("odd.due", "two of its alerts stand at the same distance; give each another one"),
)
def a_printed_end_that_somebody_moves_and_alerts_for_nobody() -> list[StageInstance]:
    class Odd(Sheet):
        assigned = State("待评分", owner=Role.CLOCK, initial=True)
        finish = Transition(assigned, Sheet.scored, by=Role.CLOCK)
        due = Deadline(
            assigned,
            rule=fact("due"),
            fires=finish,
            by=Role.OFFICE,
            alerts=(remind("2 working days"), remind("2 working days", to=Role.OFFICE)),
        )

    return way_with(Odd)


@case(
    checks.late_entries_have_somebody_to_enter_them,
    ("odd.finish", "has late_from, but nobody may enter it late: give late_by="),
)
def a_late_entry_by_nobody() -> list[StageInstance]:
    class Odd(Sheet):
        void = State("作废", final=True)
        lapse = Transition(Sheet.assigned, void, by=Role.ENGINE)
        finish = Transition(Sheet.assigned, Sheet.scored, by=Role.EXPERT, late_from=void)

    return way_with(Odd)


@case(
    checks.deadlines_know_their_settings,
    ("application.way.late", "reads the setting 'kindness', which NoSettings of the stage way does not have"),
)
def a_grace_by_an_unknown_setting() -> list[StageInstance]:
    class Odd(Way):
        lapse = Transition(Way.waiting, Way.done, by=Role.CLOCK)
        late = Deadline(Way.waiting, rule=fact("end"), fires=lapse, grace=setting("kindness"))

    return plan(Odd)


@case(
    checks.deadlines_know_their_settings,
    ("application.way.due", "reads the setting 'patience', which NoSettings of the stage way does not have"),
)
def a_deadline_of_a_stage_by_an_unknown_setting() -> list[StageInstance]:
    class Odd(Way):
        lapse = Transition(Way.waiting, Way.done, by=Role.CLOCK)
        due = Deadline(Way.waiting, rule=setting("patience"), fires=lapse)

    return plan(Odd)


@case(
    checks.deadlines_know_their_settings,
    ("odd.due", "reads the setting 'patience', which NoSettings of the stage way does not have"),
    ("odd.due", "reads the setting 'patience', which NoSettings of the stage end does not have"),
)
def a_deadline_of_a_kind_that_two_stages_bring_by_an_unknown_setting() -> list[StageInstance]:
    class Odd(Sheet):
        lapse = Transition(Sheet.assigned, Sheet.scored, by=Role.CLOCK)
        due = Deadline(Sheet.assigned, rule=setting("patience"), fires=lapse)

    class First(Way):
        finish = Transition(Way.waiting, PASSED, by=Role.OFFICE)
        drop = Transition(Way.waiting, Way.done, by=Role.OFFICE)
        cases = (Odd,)

    class Last(End):
        cases = (Odd,)

    return plan(First, Last)


@case(
    checks.deadlines_know_their_settings,
    ("application.way.due", "reads the setting 'patience', which is no Period: 'soon'"),
)
def a_deadline_by_a_setting_that_is_no_period() -> list[StageInstance]:
    class Vague(BaseModel):
        patience: str = "soon"

    class Odd(Way):
        Settings = Vague
        lapse = Transition(Way.waiting, Way.done, by=Role.CLOCK)
        due = Deadline(Way.waiting, rule=setting("patience"), fires=lapse)

    return plan(Odd)


@case(
    checks.conditions_know_their_settings,
    ("application.way.go_on", "reads the setting 'quorum', which NoSettings of the stage way does not have"),
)
def a_condition_that_counts_up_to_an_unknown_setting() -> list[StageInstance]:
    class Odd(Way):
        cases = (Sheet,)
        go_on = Transition(Way.waiting, Way.done, when=enough(Sheet, Sheet.scored, "quorum"))

    return plan(Odd)


@case(
    checks.conditions_know_their_settings,
    ("application.way.go_on", "counts up to the setting 'quorum', which is no number: 'three'"),
)
def a_condition_that_counts_up_to_a_text() -> list[StageInstance]:
    class Vague(BaseModel):
        quorum: str = "three"

    class Odd(Way):
        cases = (Sheet,)
        Settings = Vague
        counted = all_of(none_open(Sheet), enough(Sheet, Sheet.scored, "quorum"))
        go_on = Transition(Way.waiting, Way.done, when=counted)

    return plan(Odd)


# ── the process as a whole ────────────────────────────────────────────────────────────────────────────────────────

NOT_BROUGHT = "waits for cases of the kind 'sheet', which this stage does not bring; add it to cases="


@case(checks.conditions_can_be_answered, ("application.way.go_on", NOT_BROUGHT))
def a_condition_on_a_kind_nobody_brings() -> list[StageInstance]:
    class Odd(Way):
        go_on = Transition(Way.waiting, Way.done, when=none_open(Sheet))

    return plan(Odd)


@case(checks.conditions_can_be_answered, ("application.end.go_on", NOT_BROUGHT))
def a_condition_on_a_kind_another_stage_brings() -> list[StageInstance]:
    class First(Way):
        drop = Transition(Way.waiting, Way.done, by=Role.OFFICE)
        finish = Transition(Way.waiting, PASSED, by=Role.OFFICE)
        cases = (Sheet,)

    class Last(End):
        go_on = Transition(End.decided, End.announced, when=any_in(Sheet, Sheet.scored))

    return plan(First, Last)


@case(checks.conditions_can_be_answered, ("odd.go_on", NOT_BROUGHT))
def a_condition_of_a_kind_on_a_kind_nobody_brings() -> list[StageInstance]:
    class Odd(Lifecycle):
        assigned = State("待评", owner=Role.EXPERT, initial=True)
        scored = State("已评", final=True)
        go_on = Transition(assigned, scored, when=none_open(Sheet))

    return way_with(Odd)


@case(checks.every_state_has_a_fate, ("way", "declares no phase; give  phase = PhaseWindow(at_close={…})"))
def a_stage_without_a_phase() -> list[StageInstance]:
    class Odd(Way):
        phase = None

    return plan(Odd)


@case(
    checks.every_state_has_a_fate,
    ("way.waiting", "no fate when the phase closes; add it to at_close, with a transition or CARRY_ON"),
)
def an_open_state_without_a_fate() -> list[StageInstance]:
    class Odd(Way):
        phase = PhaseWindow()

    return plan(Odd)


@case(checks.every_state_has_a_fate, ("way.done", "is final: the phase's closing cannot do anything to it"))
def a_fate_for_an_end() -> list[StageInstance]:
    class Odd(Way):
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, Way.done: CARRY_ON})

    return plan(Odd)


@case(checks.every_state_has_a_fate, ("way.waiting", "at_close fires finish, which the engine may not fire from here"))
def a_fate_the_engine_may_not_fire() -> list[StageInstance]:
    class Odd(Way):
        phase = PhaseWindow(at_close={Way.waiting: Way.finish})

    return plan(Odd)


@case(checks.every_state_has_a_fate, ("way", "at_close names the state 'decided', which the stage does not have"))
def a_fate_for_a_state_of_another_stage() -> list[StageInstance]:
    class Odd(Way):
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, End.decided: CARRY_ON})

    return plan(Odd)


@case(checks.the_phase_admits_what_exists, ("way", "its phase admits 'announce', which the stage does not have"))
def a_phase_that_admits_what_another_stage_does() -> list[StageInstance]:
    class Odd(Way):
        phase = PhaseWindow(admits=(Way.declare, End.announce), at_close={Way.waiting: CARRY_ON})

    return plan(Odd)


@case(
    checks.applications_can_be_declared,
    (
        "end",
        "no transition from START: nobody can declare; begin the plan with a stage such as 'self_declaration'",
    ),
)
def a_way_nobody_can_enter() -> list[StageInstance]:
    return plan(End)


@case(
    checks.names_fit_the_tables,
    (f"long.{LONG}", "is longer than 120 characters"),
)
def a_name_of_121_characters() -> list[StageInstance]:
    return way_with(_named(LONG))


def _named(name: str) -> type[Lifecycle]:
    """A kind with a state of this name, as a class statement would make it."""
    state = State("长", owner=Role.EXPERT)
    body = {name: state, "on": Transition(Sheet.assigned, state, by=Role.EXPERT)}
    return type("Long", (Sheet,), body | {"off": Transition(state, Sheet.scored, by=Role.EXPERT)})


# ── the cases are run ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_smallest_stage_and_kind_are_sound() -> None:
    process = sound(way_with(Sheet))

    assert {name: list(kind.states) for name, kind in process.kinds.items()} == {
        "round": ["planning", "running", "announced", "closed", "cancelled"],
        "phase": ["waiting", "open", "closed"],
        "sheet": ["assigned", "scored"],
        "application": ["way.waiting", "way.done", "withdrawn", "called_off"],
    }


@pytest.mark.parametrize("broken", CASES.values(), ids=CASES.keys())
def test_a_broken_rule_is_found_and_nothing_else(broken: Case) -> None:
    assert findings(broken.build()) == broken.all


@pytest.mark.parametrize("broken", CASES.values(), ids=CASES.keys())
def test_it_is_the_rules_own_check_that_finds_it(broken: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for group in ("KIND_CHECKS", "PROCESS_CHECKS"):
        kept = tuple(check for check in getattr(checks, group) if check.__name__ == broken.check)
        monkeypatch.setattr(checks, group, kept)

    assert findings(broken.build()) == broken.by_check


@pytest.mark.parametrize("check", [*checks.KIND_CHECKS, *checks.PROCESS_CHECKS], ids=lambda c: c.__name__)
def test_every_check_has_a_case(check: Callable[..., Any]) -> None:
    assert check.__name__ in {broken.check for broken in CASES.values()}


def test_no_check_is_left_out_of_the_lists() -> None:
    listed = {check.__name__ for check in (*checks.KIND_CHECKS, *checks.PROCESS_CHECKS)}
    written = {
        name
        for name, value in vars(checks).items()
        if callable(value) and getattr(value, "__module__", "") == checks.__name__ and not name.startswith("_")
    }

    assert written - {"check_process"} == listed


# ── what is no fault ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_application_need_not_end_as_withdrawn_or_called_off() -> None:
    class Plain(Way):
        withdraw = None
        call_off = None

    assert [e.trigger for e in sound(plan(Plain)).application.edges] == ["declare", "finish"]


def test_a_reversal_by_the_engine_alone_needs_no_ground() -> None:
    class Odd(Sheet):
        again = Transition(Sheet.scored, Sheet.assigned, by=Role.ENGINE, reopens=True)

    assert [e.trigger for e in sound(way_with(Odd)).kind("odd").edges] == ["open", "score", "again"]


def test_a_deadline_at_an_end_may_only_admit() -> None:
    class Odd(Sheet):
        again = Transition(Sheet.scored, Sheet.assigned, by=Role.OFFICE, data=Reversal, reopens=True)
        window = Deadline(Sheet.scored, rule=fact("due"), admits=again)

    assert [(t.name, set(t.admits)) for t in sound(way_with(Odd)).kind("odd").timers] == [
        ("window", {("odd", "again")})
    ]


def test_a_name_of_120_characters_fits() -> None:
    assert LONG[1:] in sound(way_with(_named(LONG[1:]))).kind("long").states


# ── what the compiler itself finds ────────────────────────────────────────────────────────────────────────────────


def test_two_life_cycles_of_one_kind() -> None:
    first = Sheet

    class Other(Sheet):
        kind = "sheet"

    assert findings(way_with(first, Other)) == [
        (
            "sheet",
            f"two life cycles claim this kind: {__name__}.Sheet and "
            f"{__name__}.test_two_life_cycles_of_one_kind.<locals>.Other",
        )
    ]


def test_the_same_life_cycle_twice_is_one_kind() -> None:
    assert list(sound(way_with(Sheet, Sheet)).kinds) == ["round", "phase", "sheet", "application"]


def test_a_kind_called_application() -> None:
    class Application(Sheet):
        pass

    assert findings(way_with(Application)) == [
        (
            "application",
            "is the kind that the stages make up; rename the one of "
            f"{__name__}.test_a_kind_called_application.<locals>.Application",
        )
    ]


class Sending(Way):
    """A stage with a way out that the plan must wire."""

    drop = Transition(Way.waiting, Way.done, by=Role.OFFICE)
    send_back = Transition(Way.waiting, Outcome("sent_back"), by=Role.OFFICE)


def test_an_outcome_that_is_not_wired() -> None:
    assert findings(plan(Sending)) == [
        (
            "way.send_back",
            "the outcome 'sent_back' is not wired; add  on = { sent_back = \"<stage>\" }  to it in the plan",
        )
    ]


def test_an_outcome_that_is_wired_to_nowhere() -> None:
    assert findings(plan(Sending, sent_back="atlantis")) == [
        (
            "way.send_back",
            "the outcome 'sent_back' is wired to 'atlantis', which is neither a stage nor an end; "
            "there are: way, withdrawn, called_off",
        )
    ]


@pytest.mark.parametrize(("wired", "target"), [("way", "way.waiting"), ("withdrawn", "withdrawn")])
def test_an_outcome_that_is_wired_leads_to_a_stages_beginning_or_to_an_end(wired: str, target: str) -> None:
    process = sound(plan(Sending, sent_back=wired))

    assert [e.target for e in process.application.find("way.waiting", "send_back")] == [target]


def test_the_last_stage_passes_on_to_nothing() -> None:
    class Odd(Way):
        drop = Transition(Way.waiting, Way.done, by=Role.OFFICE)
        finish = Transition(Way.waiting, PASSED, by=Role.OFFICE)

    assert findings(plan(Odd)) == [
        (
            "way.finish",
            "the last stage of the plan passes on to nothing; end the plan with a stage such as 'announcement'",
        )
    ]


def test_later_in_a_kind_that_stands_alone() -> None:
    class Odd(Sheet):
        revoke = Transition((Sheet.assigned, LATER), Sheet.scored, by=Role.OFFICE)

    assert findings(way_with(Odd)) == [
        ("odd.revoke", "LATER is for stages: this life cycle has no later stage"),
    ]


def test_an_outcome_in_a_kind_that_stands_alone() -> None:
    class Odd(Sheet):
        finish = Transition(Sheet.assigned, PASSED, by=Role.OFFICE)

    assert findings(way_with(Odd)) == [
        ("odd.finish", "only a stage has outcomes; lead to a state of this life cycle"),
    ]


def test_no_initial_state() -> None:
    class Odd(Sheet):
        assigned = State("待评", owner=Role.EXPERT)

    assert findings(way_with(Odd)) == [("Odd", "exactly one state must be initial=True, found none")]


def test_two_initial_states() -> None:
    class Odd(Sheet):
        checked = State("已核", owner=Role.EXPERT, initial=True)
        check = Transition(Sheet.assigned, checked, by=Role.EXPERT)
        finish = Transition(checked, Sheet.scored, by=Role.EXPERT)

    class Both(Way):
        again = State("再审", owner=Role.OFFICE, initial=True)
        look = Transition(Way.waiting, again, by=Role.OFFICE)
        drop = Transition(again, Way.done, by=Role.OFFICE)
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, again: CARRY_ON})
        cases = (Odd,)

    assert findings(plan(Both)) == [
        ("Odd", "exactly one state must be initial=True, found assigned, checked"),
        ("Both", "exactly one state must be initial=True, found waiting, again"),
    ]


def test_an_opening_transition_stands_for_the_initial_mark() -> None:
    class Opened(Lifecycle):
        filed = State("已提出", owner=Role.OFFICE)
        closed = State("已结", final=True)
        file = Transition(START, filed, by=Role.PUBLIC)
        close = Transition(filed, closed, by=Role.OFFICE)

    assert sound(way_with(Opened)).kind("opened").initial == "filed"


def test_a_slot_nobody_fills() -> None:
    class Mixin(Lifecycle):
        desk: State | Slot = Slot()
        away = State("外出", owner=Role.APPLICANT)
        leave = Transition(desk, away, by=Role.OFFICE)
        back = Transition(away, desk, by=Role.APPLICANT)

    class Odd(Mixin, Way):
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, Mixin.away: CARRY_ON})

    assert findings(plan(Odd)) == [("Odd", "the slot 'desk' of its mixin is not filled with a state")]


def test_a_slot_filled_with_a_state_of_another_life_cycle() -> None:
    class Mixin(Lifecycle):
        desk: State | Slot = Slot()
        away = State("外出", owner=Role.APPLICANT)
        leave = Transition(desk, away, by=Role.OFFICE)
        back = Transition(away, Way.waiting, by=Role.APPLICANT)

    class Odd(Mixin, Way):
        desk = End.decided
        phase = PhaseWindow(at_close={Way.waiting: CARRY_ON, Mixin.away: CARRY_ON})

    assert findings(plan(Odd)) == [("Odd.leave", "names the state 'decided', which Odd does not have")]


def test_states_of_another_life_cycle() -> None:
    class Odd(Sheet):
        move = Transition((Sheet.assigned, Way.waiting), End.decided, by=OWNER)
        lapse = Transition(Sheet.assigned, Sheet.scored, by=Role.CLOCK)
        due = Deadline(Sheet.assigned, End.announced, rule=setting("x"), fires=lapse, stops_in=Way.done)

    assert findings(way_with(Odd)) == [
        ("Odd.move", "names the state 'waiting', which Odd does not have"),
        ("Odd.move", "names the state 'decided', which Odd does not have"),
        ("Odd.due", "names the state 'announced', which Odd does not have"),
        ("Odd.due", "names the state 'done', which Odd does not have"),
    ]


def test_a_state_of_the_same_name_of_another_life_cycle() -> None:
    class Twin(Lifecycle):
        assigned = State("待评", owner=Role.OFFICE, initial=True)

    class Odd(Sheet):
        move = Transition(Twin.assigned, Sheet.scored, by=OWNER)

    assert findings(way_with(Odd)) == [("Odd.move", "names the state 'assigned', which Odd does not have")]


def test_a_state_that_was_removed_but_is_still_led_to() -> None:
    class Odd(Sheet):
        assigned = None  # type: ignore[assignment]

    assert findings(way_with(Odd)) == [("Odd.score", "names the state 'assigned', which Odd does not have")]


def test_a_deadline_that_admits_what_no_kind_of_the_process_has() -> None:
    class Odd(Way):
        lapse = Transition(Way.waiting, Way.done, by=Role.CLOCK)
        due = Deadline(Way.waiting, rule=fact("due"), fires=lapse, admits=(Sheet.score, Way.finish))

    assert findings(plan(Odd)) == [("application.way.due", "admits score, which no kind of this process has")]


def test_a_plan_without_stages() -> None:
    assert findings([]) == [("stage", "a plan needs at least one stage")]


def test_everything_is_found_at_once_and_the_message_lists_it() -> None:
    class Odd(Sheet):
        lost = State("无主")
        drop = Transition(Sheet.assigned, lost)
        keep = Transition(OPEN, Sheet.scored, by=Role.EXPERT)

    class Both(Sending):
        cases = (Odd,)

    with pytest.raises(DefinitionInvalid) as refused:
        sound(plan(Both, sent_back="atlantis"))

    assert refused.value.message == (
        "the process definition cannot work, of a plan:\n"
        "  - way.send_back: the outcome 'sent_back' is wired to 'atlantis', which is neither a stage nor an end; "
        "there are: way, withdrawn, called_off\n"
        "  - odd.lost: nobody owns this wait; give the state owner=Role.…\n"
        "  - odd.drop: nobody may fire it; give by= or when="
    )
