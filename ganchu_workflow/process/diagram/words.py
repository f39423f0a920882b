"""What an official reads about a process: who fires a step, when the engine does, how long a period runs.

Chinese first; a name in code stands beside its label, because that is what a command or a host must write.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ganchu_workflow.actors import ROLE_LABELS, Role
from ganchu_workflow.process.deadlines import FactRule
from ganchu_workflow.process.definition import Edge, KindDefinition, Process, Timer
from ganchu_workflow.process.language import (
    Condition,
    Lifecycle,
    State,
    Transition,
)
from ganchu_workflow.timing import NotLaterThan, Period

INSTANTS = {
    "dated_on": "落款日期",
    "published_at": "发布时刻",
    "opens_at": "开始时刻",
    "closes_at": "截止时刻",
    "served_at": "送达时刻",
}
"""Facts that hold an instant and have a word of their own in every stage; others are shown by their name."""


def step_words(edge: Edge) -> str:
    """`受理 accept`, or only `accept` where the step has no label; what is entered late is a `补录 提交 submit`."""
    return f"{'补录 ' if edge.late else ''}{edge.transition.label} {edge.trigger}".strip()


def stage_words(process: Process, name: str) -> str:
    """What an official calls a stage; its name beside it where two stages of the plan are called the same."""
    label = process.stage(name).stage.label or name
    alike = [s for s in process.stages if (s.stage.label or s.name) == label]
    return f"{label}({name})" if len(alike) > 1 else label


def roles_words(roles: Iterable[Role]) -> str:
    """The roles by their labels, in the order in which `Role` declares them."""
    found = set(roles)
    return "、".join(ROLE_LABELS[role] for role in Role if role in found)


def owner_words(owner: Role) -> str:
    """Whom a state waits for: a role, the end of a period, or what happens elsewhere."""
    match owner:
        case Role.CLOCK:
            return "待期限届满"
        case Role.ENGINE:
            return "待相关办件"
    return f"待{ROLE_LABELS[owner]}办理"


def who_words(process: Process, kind: KindDefinition, edge: Edge) -> str:
    """Who fires the step, and for the clock and the engine when: `引擎:当评分表均已办结`.

    What is in time only while the phase of a stage is open says so: `申报企业,限环节期内`.
    """
    who = "、".join(_one(process, kind, edge, role) for role in Role if role in edge.by)
    return f"{who},限环节期内" if _in_phase_only(process, kind, edge) else who


def _in_phase_only(process: Process, kind: KindDefinition, edge: Edge) -> bool:
    """Whether a stage's phase admits it: the stage's own, or that of the stages that bring the kind."""
    stages = (edge.stage,) if edge.stage else process.bringing(kind.kind)
    windows = [w for stage in stages if (w := process.phase_window(stage)) is not None]
    # As the engine decides it: a stage's own transition may be an override of the one that is named.
    admitted = [t for w in windows for t in w.admits if t.name == edge.trigger]
    return any(edge.stage or t is edge.transition for t in admitted)


def _one(process: Process, kind: KindDefinition, edge: Edge, role: Role) -> str:
    label = ROLE_LABELS[role]
    if role is Role.CLOCK and (ended := [t for t in kind.timers if _ends_in(t, edge)]):
        return f"{label}:{'、'.join(timer_name(t) for t in ended)}届满"
    if role is Role.ENGINE and edge.transition.when is not None:
        return f"{label}:当{condition_words(process, kind, edge, edge.transition.when)}"
    if role is Role.ENGINE and _is_fate(process, edge):
        return f"{label}:环节截止"
    return f"{label}:随相关办件" if role is Role.ENGINE else label


def _ends_in(timer: Timer, edge: Edge) -> bool:
    fires = timer.deadline.fires
    return (
        fires is not None and (fires.name, timer.stage) == (edge.trigger, edge.stage) and edge.source in timer.runs_in
    )


def _is_fate(process: Process, edge: Edge) -> bool:
    """Whether the closing of the stage's phase fires it."""
    window = process.phase_window(edge.stage)
    return window is not None and any(
        isinstance(fate, Transition)
        and fate.name == edge.trigger
        and f"{edge.stage}.{process.slot(edge.stage, state).name}" == edge.source
        for state, fate in window.at_close.items()
    )


def condition_words(process: Process, kind: KindDefinition, edge: Edge, condition: Condition) -> str:
    """The condition of an automatic step: `评分表均已办结且已评分的评分表不少于3`."""
    if condition.name == "all_of":
        return "且".join(condition_words(process, kind, edge, part) for part in condition.arguments)
    said = [k.label or k.kind for k in condition.kinds]
    named = said[0] if said else ""
    given = condition.arguments
    match condition.name:
        case "any_open":
            return f"有{named}未办结"
        case "none_open":
            return f"没有未办结的{named}"
        case "settled":
            return f"{named}均已办结"
        case "any_in":
            return f"有{named}处于{'或'.join(_quoted(condition.kinds[0], s) for s in given)}"
        case "enough":
            least = settings_words(process, kind.kind, edge.stage, given[1])
            return f"{_quoted(condition.kinds[0], given[0])}的{named}不少于{least}"
        case "closed":
            return f"最近一次{named}已办结"
        case "stated":
            return f"所属办件载明 {given[0]}"
    return f"{condition.name}({','.join([*said, *map(str, given)])})"


def _quoted(kind: type[Lifecycle], state: str) -> str:
    found = kind.parts(State).get(state)
    return f"“{found.label if found else state}”"


def timer_name(timer: Timer) -> str:
    """What an official calls the period; without a label, its name."""
    return timer.deadline.label or timer.deadline.name


def timer_words(process: Process, kind: KindDefinition, timer: Timer) -> str:
    """`补正期限:5个工作日(进入当日不计)`. A setting is shown with the value the plan gives it."""
    rule = timer.deadline.rule
    if isinstance(rule, FactRule):
        return f"{timer_name(timer)}:至{_instant(rule)}"
    start = f"自{_instant(rule.start)}起" if rule.start else ""
    first_day = "当日" if rule.start else "进入当日"
    return f"{timer_name(timer)}:{start}{settings_words(process, kind.kind, timer.stage, rule.key, first_day)}"


def beside_words(process: Process, kind: KindDefinition, timer: Timer) -> Iterable[str]:
    """What stands beside a period: its grace, who is told of its end, and who may change it."""
    deadline = timer.deadline
    if deadline.grace is not None:
        yield f"宽限:{settings_words(process, kind.kind, timer.stage, deadline.grace.key)}"
    for after, word in ((False, "提醒:届满前"), (True, "督办:届满后")):
        if told := [a.distance_zh for a in deadline.alerts if a.after is after]:
            yield word + "、".join(told)
    if deadline.by:
        yield f"可调整:{roles_words(deadline.by)}"


def loop_words(process: Process, kind: KindDefinition, edge: Edge) -> str:
    """A step that is written into its box: it stays where it is, or is a timely act that is entered late."""
    if edge.late:
        # Short: several ends stand side by side, and the picture must not grow wider than a page.
        return "可补录"
    ground = "更正 " if edge.transition.reopens else ""
    return f"{ground}{step_words(edge)}({who_words(process, kind, edge)})"


def _instant(rule: FactRule) -> str:
    return INSTANTS.get(rule.key, f" {rule.key} 所载时刻")


def admitted_words(process: Process, kind: KindDefinition, timer: Timer) -> str:
    """What is in time only while the period runs: `异议·提出 file`; empty if nothing is."""
    found = []
    for name, trigger in sorted(timer.admits):
        other = process.kind(name)
        edges = [e for e in other.edges if e.trigger == trigger]
        edge = next((e for e in edges if e.stage == timer.stage), edges[0])
        found.append(step_words(edge) if name == kind.kind else f"{other.label}·{step_words(edge)}")
    return "、".join(found)


def settings_words(process: Process, kind: str, stage: str, key: str, first_day: str = "当日") -> str:
    """The value of a setting; where several stages bring the kind and differ, each with its stage."""
    stages = (stage,) if stage else process.bringing(kind)
    values = {s: _value(getattr(process.stage(s).settings, key, None), first_day) for s in stages}
    if len(set(values.values())) <= 1:
        return next(iter(values.values()), f" {key} ")
    return ";".join(f"{stage_words(process, s)} {value}" for s, value in values.items())


def _value(value: Any, first_day: str) -> str:
    if value is None:
        return "不设"
    return value.label_zh(first_day) if isinstance(value, Period | NotLaterThan) else str(value)
