"""What a process must be before anybody may run it: each check is one function, and names states and triggers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pydantic import BaseModel

from ganchu_workflow.actors import RESERVED, Role
from ganchu_workflow.errors import Finding, PeriodInvalid
from ganchu_workflow.process.deadlines import EXTENDED, FactRule, SettingRule
from ganchu_workflow.process.definition import Edge, KindDefinition, Process, Timer
from ganchu_workflow.process.language import (
    CARRY_ON,
    OWNER,
    Condition,
    Slot,
    State,
    Transition,
)
from ganchu_workflow.process.values import Reversal
from ganchu_workflow.timing import NotLaterThan, Period, parse_limit

_WAYS_OUT = frozenset({"withdraw", "call_off"})
"""What every stage inherits: a state that only these leave waits for ever in an ordinary round."""


def check_process(process: Process) -> list[Finding]:
    """Everything that is wrong with the process."""
    found = [f for kind in process.kinds.values() for check in KIND_CHECKS for f in check(kind)]
    return found + [f for check in PROCESS_CHECKS for f in check(process)]


def reachable_states(kind: KindDefinition) -> Iterator[Finding]:
    """Every state can be reached from the opening of the case."""
    seen: set[str] = set()
    ahead = [e.target for e in kind.edges if e.source is None] or [kind.initial]
    while ahead:
        state = ahead.pop()
        if state not in seen:
            seen.add(state)
            ahead += [e.target for e in kind.edges_from.get(state, ())]
    for state in kind.states:
        # An application can end as withdrawn or called off only where a stage allows it; those two may stay unused.
        if state not in seen and not (kind.kind == "application" and "." not in state):
            yield Finding(f"{kind.kind}.{state}", "no transition leads to this state")


def no_traps(kind: KindDefinition) -> Iterator[Finding]:
    """From every state some end can be reached, without the application being taken back or the round cancelled."""
    ending = {name for name, state in kind.states.items() if state.final}
    onward = [e for e in kind.edges if e.source is not None and e.trigger not in _WAYS_OUT]
    grown = True
    while grown:
        more = {e.source for e in onward if e.target in ending} - ending
        grown = bool(more)
        ending |= {source for source in more if source is not None}
    for state in kind.states:
        if state not in ending:
            yield Finding(f"{kind.kind}.{state}", "from this state no end can be reached")


def an_end_exists(kind: KindDefinition) -> Iterator[Finding]:
    """Every life cycle has a final state."""
    if not any(s.final for s in kind.states.values()):
        yield Finding(kind.kind, "no state is final=True: the life cycle has no end")


def every_wait_is_owned(kind: KindDefinition) -> Iterator[Finding]:
    """Every open state has an owner; no final state waits for anybody."""
    for name, state in kind.states.items():
        if not state.final and state.owner is None:
            yield Finding(f"{kind.kind}.{name}", "nobody owns this wait; give the state owner=Role.…")
        if state.final and state.owner is not None:
            yield Finding(f"{kind.kind}.{name}", "a final state waits for nobody; drop its owner")


def the_clock_has_something_to_do(kind: KindDefinition) -> Iterator[Finding]:
    """A state that waits for the clock or the engine has a deadline or an automatic transition that ends the wait."""
    timed = {s for t in kind.timers if t.deadline.fires for s in t.runs_in}
    for name, state in kind.states.items():
        if state.owner in (Role.CLOCK, Role.ENGINE) and name not in timed:
            engine = [e for e in kind.edges_from.get(name, ()) if Role.ENGINE in e.by and e.trigger != "call_off"]
            if not engine:
                yield Finding(
                    f"{kind.kind}.{name}",
                    f"waits for the {state.owner}, but no deadline runs here and the engine fires nothing",
                )


def somebody_fires(kind: KindDefinition) -> Iterator[Finding]:
    """Every transition has a role that may fire it, or a condition under which the engine does."""
    # Edge by edge: by=OWNER may mean somebody from one state and nobody from another.
    for name in dict.fromkeys(edge.name for edge in kind.edges if not edge.by):
        yield Finding(f"{kind.kind}.{name}", "nobody may fire it; give by= or when=")


def the_clock_fires_by_deadline(kind: KindDefinition) -> Iterator[Finding]:
    """What only the clock may fire is fired by some deadline."""
    fired = {(t.stage, t.deadline.fires.name) for t in kind.timers if t.deadline.fires}
    for edge in _transitions(kind):
        if edge.by == {Role.CLOCK} and (edge.stage, edge.trigger) not in fired:
            yield Finding(f"{kind.kind}.{edge.name}", "only the clock may fire it, but no deadline fires it")


def finals_are_left_by_reversal(kind: KindDefinition) -> Iterator[Finding]:
    """A closed outcome is left only by a declared reversal."""
    for edge in kind.edges:
        if edge.late or edge.source is None:
            continue
        if kind.states[edge.source].final and not edge.transition.reopens:
            yield Finding(f"{kind.kind}.{edge.name}", f"leaves the final state {edge.source}; declare it reopens=True")


def reversals_state_their_ground(kind: KindDefinition) -> Iterator[Finding]:
    """A reversal fired by a person states the document it rests on and the reason."""
    for edge in _transitions(kind):
        human = edge.by - {Role.ENGINE, Role.CLOCK}
        if (
            edge.transition.reopens
            and human
            and not (edge.transition.data and issubclass(edge.transition.data, Reversal))
        ):
            yield Finding(
                f"{kind.kind}.{edge.name}", "is a reversal; its data must be a subclass of Reversal (document, reason)"
            )


def one_edge_per_trigger(kind: KindDefinition) -> Iterator[Finding]:
    """A trigger leads from a state to one place only."""
    seen: dict[tuple[str | None, str], str] = {}
    for edge in kind.edges:
        first = seen.setdefault((edge.source, edge.name), edge.target)
        if first != edge.target:
            yield Finding(f"{kind.kind}.{edge.name}", f"leads from {edge.source} both to {first} and to {edge.target}")


def rule_ids_are_unique(kind: KindDefinition) -> Iterator[Finding]:
    """The guards and effects of a transition have different ids, and versions from 1."""
    for edge in _transitions(kind):
        rules = [*edge.transition.guards, *edge.transition.effects]
        ids = [r.id for r in rules]
        for rule_id in sorted({i for i in ids if ids.count(i) > 1}):
            yield Finding(f"{kind.kind}.{edge.name}", f"two rules have the id '{rule_id}'")
        for rule in rules:
            if rule.version < 1:
                yield Finding(
                    f"{kind.kind}.{edge.name}", f"the rule '{rule.id}' has version {rule.version}; versions start at 1"
                )


def deadlines_have_a_consequence(kind: KindDefinition) -> Iterator[Finding]:
    """A deadline that runs in an open state fires something, from each state it runs in, as the clock."""
    for timer in kind.timers:
        where = f"{kind.kind}.{timer.name}"
        fires = timer.deadline.fires
        if fires is None:
            waiting = [s for s in sorted(timer.runs_in) if not kind.states[s].final]
            if waiting or not timer.deadline.admits:
                yield Finding(where, f"has no consequence: give fires= for {', '.join(waiting) or 'it'}")
            continue
        for state in sorted(timer.runs_in):
            edges = [e for e in kind.find(state, _fired(timer, fires)) if Role.CLOCK in e.by]
            if not edges:
                yield Finding(where, f"fires {fires.name}, which the clock may not fire from {state}")


def printed_ends_are_not_stopped(kind: KindDefinition) -> Iterator[Finding]:
    """A deadline that an act fixed is a printed end: it is never suspended."""
    for timer in kind.timers:
        if isinstance(timer.deadline.rule, FactRule) and timer.stops_in:
            yield Finding(
                f"{kind.kind}.{timer.name}", "a fact fixes its end, so it cannot stop; use setting(…) or drop stops_in"
            )


def what_stands_by_a_deadline_can_be_done(kind: KindDefinition) -> Iterator[Finding]:
    """Only a period is suspended or extended by itself, and whoever is reminded is a person."""
    for timer in kind.timers:
        deadline, where = timer.deadline, f"{kind.kind}.{timer.name}"
        if isinstance(deadline.rule, FactRule) and deadline.by:
            yield Finding(where, "a fact fixes its end, and the act that writes the fact moves it; drop by=")
        for alert in deadline.alerts:
            for state in sorted(timer.runs_in):
                to = kind.states[state].owner if alert.to is OWNER else alert.to
                if to in RESERVED or to is None:
                    yield Finding(where, f"its alert '{alert}' is for the {to}, in {state}; say to=Role.… of a person")
        if len({str(a) for a in deadline.alerts}) < len(deadline.alerts):
            yield Finding(where, "two of its alerts stand at the same distance; give each another one")


def late_entries_have_somebody_to_enter_them(kind: KindDefinition) -> Iterator[Finding]:
    """What may leave the end of its window when it is entered late says who may enter it."""
    for edge in kind.edges:
        if edge.late and not edge.transition.late_by:
            yield Finding(f"{kind.kind}.{edge.name}", "has late_from, but nobody may enter it late: give late_by=")


def deadlines_know_their_settings(process: Process) -> Iterator[Finding]:
    """A deadline's setting exists in the settings of every stage that brings its kind."""
    for kind in process.kinds.values():
        for timer in kind.timers:
            for rule in (timer.deadline.rule, timer.deadline.grace):
                if isinstance(rule, SettingRule):
                    yield from _knows_its_setting(process, kind, timer, rule)


def _knows_its_setting(process: Process, kind: KindDefinition, timer: Timer, rule: SettingRule) -> Iterator[Finding]:
    for name in _asked(process, kind, timer.stage):
        settings = process.stage(name).settings
        where = f"{kind.kind}.{timer.name}"
        if rule.key not in type(settings).model_fields:
            yield Finding(where, _no_setting(rule.key, settings, name))
        elif len(f"{rule} = {getattr(settings, rule.key)}{EXTENDED}") > 120:
            yield Finding(where, f"its rule is longer than 120 characters: {rule} = {getattr(settings, rule.key)}")
        elif not _is_period(getattr(settings, rule.key)):
            yield Finding(where, f"reads the setting '{rule.key}', which is no Period: {getattr(settings, rule.key)!r}")


def conditions_know_their_settings(process: Process) -> Iterator[Finding]:
    """The number that a condition counts up to is given by the settings of every stage that brings its kind."""
    for kind in process.kinds.values():
        for edge in _transitions(kind):
            for condition in _conditions(edge.transition.when):
                if condition.name != "enough":
                    continue
                key = str(condition.arguments[1])
                for name in _asked(process, kind, edge.stage):
                    settings = process.stage(name).settings
                    value = getattr(settings, key, None)  # a field, or what the settings make of several
                    if not hasattr(settings, key):
                        yield Finding(f"{kind.kind}.{edge.name}", _no_setting(key, settings, name))
                    elif not isinstance(value, int) or isinstance(value, bool):
                        yield Finding(
                            f"{kind.kind}.{edge.name}",
                            f"counts up to the setting '{key}', which is no number: {value!r}",
                        )


def conditions_can_be_answered(process: Process) -> Iterator[Finding]:
    """What a condition reads exists in the process, and is brought by the stage that asks."""
    for kind in process.kinds.values():
        for edge in _transitions(kind):
            for read in edge.transition.when.kinds if edge.transition.when else ():
                here = read.kind in process.kinds and (not edge.stage or edge.stage in process.bringing(read.kind))
                if not here:
                    yield Finding(
                        f"{kind.kind}.{edge.name}",
                        f"waits for cases of the kind '{read.kind}', which this stage does not bring; add it to cases=",
                    )


def every_state_has_a_fate(process: Process) -> Iterator[Finding]:
    """What a phase's closing does is said for every open state of its stage, and can be done."""
    kind = process.application
    for instance in process.stages:
        window = instance.stage.phase
        lifecycle = type(instance.stage)
        if window is None:
            yield Finding(instance.name, "declares no phase; give  phase = PhaseWindow(at_close={…})")
            continue
        fates = {_named(lifecycle, s): fate for s, fate in window.at_close.items()}
        for name, state in lifecycle.parts(State).items():
            fate = fates.pop(name, None)
            where = f"{instance.name}.{name}"
            if state.final:
                if fate is not None:
                    yield Finding(where, "is final: the phase's closing cannot do anything to it")
            elif fate is None:
                yield Finding(where, "no fate when the phase closes; add it to at_close, with a transition or CARRY_ON")
            elif fate is not CARRY_ON and not any(
                Role.ENGINE in e.by for e in kind.find(where, f"{instance.name}.{getattr(fate, 'name', '')}")
            ):
                yield Finding(
                    where, f"at_close fires {getattr(fate, 'name', fate)}, which the engine may not fire from here"
                )
        for name in fates:
            yield Finding(instance.name, f"at_close names the state '{name}', which the stage does not have")


def the_phase_admits_what_exists(process: Process) -> Iterator[Finding]:
    """What a phase's window admits are transitions of its stage."""
    for instance in process.stages:
        own = type(instance.stage).parts(Transition)
        brought = {t.name for c in instance.stage.cases for t in c.parts(Transition).values()}
        for admitted in instance.stage.phase.admits if instance.stage.phase else ():
            if admitted.name not in own and admitted.name not in brought:
                yield Finding(instance.name, f"its phase admits '{admitted.name}', which the stage does not have")


def applications_can_be_declared(process: Process) -> Iterator[Finding]:
    """Somebody can open an application."""
    if not any(e.source is None for e in process.application.edges):
        first = process.stages[0].name
        yield Finding(
            first,
            "no transition from START: nobody can declare; begin the plan with a stage such as 'self_declaration'",
        )


def names_fit_the_tables(process: Process) -> Iterator[Finding]:
    """Names fit their columns."""
    for kind in process.kinds.values():
        timers = [n for t in kind.timers for n in (t.name, *(t.alert_name(a) for a in t.deadline.alerts))]
        for name in [*kind.states, *kind.triggers(), *timers]:
            if len(name) > 120:
                yield Finding(f"{kind.kind}.{name}", "is longer than 120 characters")


def _transitions(kind: KindDefinition) -> Iterable[Edge]:
    """One edge for each transition; one with several sources shows them in the others."""
    seen: dict[tuple[str, int], Edge] = {}
    for edge in kind.edges:
        # Not by the trigger's name: a kind may have an `open` of its own beside the implicit one.
        seen.setdefault((edge.stage, id(edge.transition)), edge)
    return seen.values()


def _asked(process: Process, kind: KindDefinition, stage: str) -> tuple[str, ...]:
    """The stage instances whose settings are asked: the declaring one, or all that bring the kind."""
    return (stage,) if stage else process.bringing(kind.kind)


def _no_setting(key: str, settings: BaseModel, stage: str) -> str:
    return f"reads the setting '{key}', which {type(settings).__name__} of the stage {stage} does not have"


def _is_period(value: object) -> bool:
    """What the engine can reckon with: a period or a fixed end, the text of one, or None for no deadline."""
    if value is None or isinstance(value, Period | NotLaterThan):
        return True
    try:
        parse_limit(str(value))
    except PeriodInvalid:
        return False
    return True


def _conditions(condition: Condition | None) -> Iterator[Condition]:
    if condition is not None:
        yield condition
        for argument in condition.arguments:
            if isinstance(argument, Condition):
                yield from _conditions(argument)


def _fired(timer: Timer, fires: Transition) -> str:
    return f"{timer.stage}.{fires.name}" if timer.stage else fires.name


def _named(lifecycle: type, state: State | Slot) -> str:
    filled = getattr(lifecycle, state.name, state) if isinstance(state, Slot) else state
    return str(filled.name)


KIND_CHECKS: tuple[Callable[[KindDefinition], Iterator[Finding]], ...] = (
    reachable_states,
    an_end_exists,
    no_traps,
    every_wait_is_owned,
    the_clock_has_something_to_do,
    somebody_fires,
    the_clock_fires_by_deadline,
    finals_are_left_by_reversal,
    reversals_state_their_ground,
    one_edge_per_trigger,
    rule_ids_are_unique,
    deadlines_have_a_consequence,
    printed_ends_are_not_stopped,
    what_stands_by_a_deadline_can_be_done,
    late_entries_have_somebody_to_enter_them,
)
PROCESS_CHECKS: tuple[Callable[[Process], Iterator[Finding]], ...] = (
    deadlines_know_their_settings,
    conditions_know_their_settings,
    conditions_can_be_answered,
    every_state_has_a_fate,
    the_phase_admits_what_exists,
    applications_can_be_declared,
    names_fit_the_tables,
)
