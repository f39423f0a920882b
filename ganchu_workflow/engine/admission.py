"""Whether an act is admitted: the actor's authority, and the windows that govern it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ganchu_workflow.actors import RESERVED, ROLE_LABELS, SCOPED, Actor, Role
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.deadlines import AWAITING, STOPPED
from ganchu_workflow.engine.limits import limit_of, started_by
from ganchu_workflow.engine.looking_back import CLOSED, NOT_OPEN, begun_at, deadline_at, ended_by_itself, phase_at
from ganchu_workflow.engine.requests import Request
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.deadlines import FactRule
from ganchu_workflow.process.definition import Edge, Process, Timer
from ganchu_workflow.timing import Period, Unit, closes_in_time
from ganchu_workflow.timing.left import Uncounted, read_left
from ganchu_workflow.timing.reckoning import shown, shown_end

LIVE_WITHOUT_ROUND = ("round", "phase")
"""Kinds that may move whatever the round's state: the round itself, and its phases."""


def may(edge: Edge, actor: Actor, case: CaseState) -> bool:
    """Whether the actor has the role, and the scope, to fire this edge on this case."""
    return has_authority(actor, edge.by, case)


def has_authority(actor: Actor, by: Collection[Role], case: CaseState) -> bool:
    """Whether the actor has one of these roles and, where the role has a scope, that of the case's party."""
    if actor.role not in by:
        return False
    return actor.role not in SCOPED or (actor.scope != "" and case.parties.get(actor.role) == actor.scope)


def not_allowed(by: Collection[Role], actor: Actor) -> Refusal:
    """The refusal for want of authority: it names whose act it would be, never another party's scope."""
    roles = sorted(r.value for r in by if r not in RESERVED)
    whose = ", ".join(roles) or "the system itself"
    whose_zh = "、".join(ROLE_LABELS[Role(role)] for role in roles) or "系统"
    scope = actor.role in by
    return Refusal(
        "not_allowed",
        "本案不在您的职责范围内" if scope else f"您的角色无权办理此事项,可由{whose_zh}办理",
        "this case is outside your scope" if scope else f"your role may not do this; it is for: {whose}",
        {"role": actor.role.value, "roles": roles},
    )


def round_stands_still(round_case: CaseState, kind: str) -> Refusal | None:
    """Why nothing may happen in this round, if so: it has not started, or was cancelled."""
    if kind in LIVE_WITHOUT_ROUND:
        return None
    if round_case.state == "planning":
        return Refusal("round_not_started", "批次尚未启动", "the round has not started; fire 'start' on it first")
    if round_case.state == "cancelled":
        return Refusal("round_cancelled", "批次已取消", "the round was cancelled")
    return None


def window_refusal(
    work: Workspace, process: Process, edge: Edge, case: CaseState, received_at: datetime, *, entered_late: bool = False
) -> Refusal | None:
    """Why the act is out of its windows, if it is. What decides is when it was received.

    At the closing instant it is in time; one microsecond later it is late, whether or not a sweep has run. Of an act
    that is entered late, the window is asked as it was: what its end has led to meanwhile is no reason.
    """
    against: dict[str, list[Refusal | None]] = {}
    asked = _was_late if entered_late else _deadline_refusal
    for host, timer in _governing(work, process, edge, case):
        against.setdefault(host.id, []).append(asked(work, process, host, timer, received_at))
    for found in against.values():
        # Of several windows of one case, for its several states, one that runs is enough.
        if None not in found:
            return max((r for r in found if r is not None), key=lambda r: "closes_at" in r.detail)
    return _phase_refusal(work, process, edge, case, received_at, entered_late)


def _governing(work: Workspace, process: Process, edge: Edge, case: CaseState) -> Iterator[tuple[CaseState, Timer]]:
    for kind, timer in process.admitting.get((case.kind, edge.trigger), ()):
        if kind == case.kind:
            if timer.stage == edge.stage:
                yield case, timer
            continue
        for host_id in (case.of, case.parent):
            host = work.get(host_id) if host_id else None
            if host is not None and host.kind == kind:
                yield host, timer
                break


def _open_for_sure(work: Workspace, process: Process, host: CaseState, timer: Timer, running: Running) -> datetime:
    """Until when a deadline is open whose end is known, and whose grace is not: as if every day of that were worked."""
    assert running.shown_at is not None
    grace = limit_of(process, timer, timer.deadline.grace, host.stage) if timer.deadline.grace else None
    start, left = running.armed_at, read_left(running.remainder) if running.remainder else None
    if left is None and grace is not None:
        start, left = started_by(grace, running.shown_at), grace
    if isinstance(left, Uncounted):
        return max(running.shown_at, left.end)
    if not isinstance(left, Period) or left.unit.in_hours:
        return running.shown_at
    unit = Unit.CALENDAR_DAYS if left.unit is Unit.WORKING_DAYS else left.unit
    return work.reckon(replace(left, unit=unit, rolls=False, at_least=None), start).due_at


def _in_a_grace(
    work: Workspace, process: Process, host: CaseState, timer: Timer, received_at: datetime
) -> Refusal | None:
    """Of a deadline whose end is known, and whose grace waits for a year: in time for sure, or nobody can say."""
    running = work.deadlines(host)[timer.name]
    if running.shown_at is None or received_at <= _open_for_sure(work, process, host, timer, running):
        return None
    return Refusal(
        "awaiting_calendar",
        "宽限期涉及的年度放假安排尚未导入,暂不能确认是否逾期",
        "whether its grace holds cannot be said before the calendar of that year is imported; enter it late then",
        {"window": timer.name, "closes_at": to_text(running.shown_at)},
    )


def _deadline_refusal(
    work: Workspace, process: Process, host: CaseState, timer: Timer, received_at: datetime
) -> Refusal | None:
    running, zone = work.deadlines(host).get(timer.name), work.around.zone
    if running is None:
        if host.state in timer.runs_in | timer.stops_in:
            return None  # the settings give this window no end
        rule = timer.deadline.rule
        printed = host.facts.get(rule.key) if isinstance(rule, FactRule) else None
        if printed is not None and not closes_in_time(received_at, from_text(printed)):
            detail = {"window": timer.name, "closes_at": printed}
            return _closed("已超过截止时间", "the window has closed", detail, zone)
        return _closed("期限未开始或已结束", "its window is not running", {"window": timer.name}, zone)
    if running.status == AWAITING and running.shown_at is not None:
        return _in_a_grace(work, process, host, timer, received_at)
    if running.due_at is None:
        stands = running.status != STOPPED or host.state in timer.stops_in
        return None if stands else _closed("期限已中止", "stopped", {}, zone)
    if closes_in_time(received_at, running.due_at):
        return None
    detail = {"window": timer.name, "closes_at": to_text(running.due_at)}
    return _closed("已超过截止时间", "the window has closed", detail, zone)


def refusal_in_time(work: Workspace, process: Process, edge: Edge, case: CaseState, request: Request) -> Refusal | None:
    """Why the act is out of its windows, or may not be entered late, if so."""
    entry, received_at = request.entry, request.received_at
    if entry is None:
        return window_refusal(work, process, edge, case, received_at)
    over = case.kind != "round" and process.is_final(work.get(case.round).view())
    refusal = _may_enter_late(edge, entry.by, case) or _could_be_received(work, case, over, received_at)
    if refusal is None and edge.late and not ended_by_itself(work, case):
        refusal = Refusal(
            "not_ended_by_time",
            "本案并非因逾期而终结,不得以补录恢复",
            "the case did not end because time ran out: what somebody decided is not undone by a late entry",
        )
    return refusal or window_refusal(work, process, edge, case, received_at, entered_late=True)


def _may_enter_late(edge: Edge, actor: Actor, case: CaseState) -> Refusal | None:
    """Why this actor may not enter the act late (补录), if so."""
    roles = sorted(r.value for r in edge.transition.late_by)
    if has_authority(actor, edge.transition.late_by, case):
        return None
    labels = "、".join(ROLE_LABELS[Role(role)] for role in roles)
    return Refusal(
        "late_entry_not_allowed",
        f"您的角色无权补录此事项,可由{labels}补录" if roles else "该事项不得补录",
        f"this act may be entered late by {', '.join(roles) or 'nobody'}",
        {"roles": roles},
    )


def _was_late(
    work: Workspace, process: Process, host: CaseState, timer: Timer, received_at: datetime
) -> Refusal | None:
    """Why an act received then was out of this window as it ran, whatever has become of it since."""
    if timer.name not in work.deadlines(host) and host.state in timer.runs_in | timer.stops_in:
        return None  # the settings give this window no end
    running = work.deadlines(host).get(timer.name)
    if running is not None and running.status == AWAITING and running.shown_at is not None:
        return _in_a_grace(work, process, host, timer, received_at)
    return _as_it_stood(*deadline_at(work, host, timer.name, received_at), {"window": timer.name}, work.around.zone)


def _as_it_stood(standing: str, at: datetime | None, detail: dict[str, Any], zone: ZoneInfo) -> Refusal | None:
    """Why an act was out of its window, if it was; `at` is when that opened, or closed, where it is known."""
    if standing == NOT_OPEN:
        zh, en = "当时尚未开始受理", "its window had not opened"
        if at is not None:
            zh, en = f"{zh},{_when(at, zone)} 起受理", f"{en}: it opened at {_when(at, zone)}"
        return Refusal("window_not_open", zh, en, detail)
    if standing == CLOSED:
        closed = {"closes_at": to_text(at)} if at else {}
        return _closed("当时已超过截止时间", "the window had closed", {**detail, **closed}, zone)
    return None


def _could_be_received(work: Workspace, case: CaseState, round_is_over: bool, received_at: datetime) -> Refusal | None:
    """Why nothing can have been received then for this case, or for what it is opened under, if so."""
    if round_is_over:
        return Refusal("round_closed", "批次已办结,不得补录", "the round has come to its end: nothing is entered late")
    for each in [case.id] if not case.new else [i for i in (case.round, case.parent, case.of) if i]:
        begun = begun_at(work, work.get(each)) if work.has(each) or each != case.id else None
        if begun is not None and received_at < begun:
            return Refusal(
                "window_not_open",
                "收件时间早于本案产生的时间",
                "it cannot have been received before there was anything to act on",
                {"begun_at": to_text(begun)},
            )
    return None


def _phase_refusal(
    work: Workspace, process: Process, edge: Edge, case: CaseState, received_at: datetime, entered_late: bool
) -> Refusal | None:
    stage = edge.stage or case.stage
    window = process.phase_window(stage) if stage else None
    if window is None or not any(t.name == edge.trigger and _of_phase(t, edge) for t in window.admits):
        return None
    phase = work.phase(case.round, stage)
    if phase is None:
        return None
    zone = work.around.zone
    if entered_late:
        return _as_it_stood(*phase_at(work, phase, received_at), {"stage": stage}, zone)
    opens_at, closes_at = phase.facts.get("opens_at"), phase.facts.get("closes_at")
    detail = {"stage": stage, "opens_at": opens_at, "closes_at": closes_at}
    if opens_at is not None and received_at < (opens := from_text(opens_at)):
        when = _when(opens, zone)
        zh, en = f"尚未开始受理,{when} 起受理", f"its window has not opened yet: it opens at {when}"
        return Refusal("window_not_open", zh, en, detail)
    if closes_at is not None:
        in_time = closes_in_time(received_at, from_text(closes_at))
        return None if in_time else _closed("已超过截止时间", "the window has closed", detail, zone)
    return _closed("环节已结束", "the phase has closed", detail, zone) if phase.state == "closed" else None


def _of_phase(declared: Any, edge: Edge) -> bool:
    return declared is edge.transition or bool(edge.stage)


def _closed(zh: str, en: str, detail: dict[str, Any], zone: ZoneInfo) -> Refusal:
    """The words say when it closed, where that is known, and what may be done about paper that came before."""
    if detail.get("closes_at"):
        when = _when(from_text(detail["closes_at"]), zone, shown_end)
        zh = f"{zh}({when});此前收到纸件的,该事项允许时可补录"
        en = f"{en} ({when}); what was received on paper before that may be entered late, where the act allows it"
    return Refusal("window_closed", zh, en, detail)


def _when(instant: datetime, zone: ZoneInfo, read: Callable[[datetime], str] = shown) -> str:
    here = instant.astimezone(zone)
    return f"{read(here)}{here.isoformat()[-6:]}"
