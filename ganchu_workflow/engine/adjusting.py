"""Acts on a deadline whose case stays where it stands, and the alerts beside it.

A deadline says by whom it may be suspended, let go on, extended, or ended early; each act states its ground. They are
asked for like any trigger: `wf.fire(case, "deadline:extend", {"deadline": …, "until": …, "ground": …}, actor=…)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from ganchu_workflow.actors import CLOCK, Role
from ganchu_workflow.clock import to_text
from ganchu_workflow.engine import telling
from ganchu_workflow.engine.admission import has_authority, not_allowed, round_stands_still
from ganchu_workflow.engine.adopting import adopt
from ganchu_workflow.engine.calendars import FACT
from ganchu_workflow.engine.cases import CaseState, Running
from ganchu_workflow.engine.deadlines import (
    ARMED,
    AWAITING,
    ESCALATE,
    FIRED,
    REMIND,
    STOPPED,
    SUSPENDED,
    Settling,
    alerts_of,
)
from ganchu_workflow.engine.events import ADJUSTED, ALERTED
from ganchu_workflow.engine.given import Given, read_given
from ganchu_workflow.engine.outage import BY, FARTHEST, Outage, extend_for_outage, stands_against
from ganchu_workflow.engine.recorder import Note, Recorder
from ganchu_workflow.engine.requests import ADOPT, EXTEND_ROUND, Due, Request, Step
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import Refusal, Refused
from ganchu_workflow.process.deadlines import Alert, FactRule
from ganchu_workflow.process.definition import KindDefinition, Process, Timer
from ganchu_workflow.process.language import Data, Private
from ganchu_workflow.process.values import Message
from ganchu_workflow.timing.reckoning import shown_end

SUSPEND, RESUME, EXTEND, END = "deadline:suspend", "deadline:resume", "deadline:extend", "deadline:end"


class OnDeadline(Data):
    """Which deadline an act is about, the provision and the document it rests on, and why."""

    deadline: str
    ground: Annotated[str, Field(min_length=1, max_length=500)]
    document: Annotated[str, Field(min_length=1, max_length=120)] | None = None
    reason: Annotated[str, Private, Field(max_length=2000)] = ""


class Extension(OnDeadline):
    """The new end; later than now, and than the old one."""

    until: AwareDatetime


FORMS: Mapping[str, type[OnDeadline]] = {SUSPEND: OnDeadline, RESUME: OnDeadline, EXTEND: Extension, END: OnDeadline}
"""The acts on a deadline, by trigger, and what each takes."""
LABELS = {SUSPEND: "中止计算期限", RESUME: "恢复计算期限", EXTEND: "延长期限", END: "提前结束期限"}
ALERTS = (REMIND, ESCALATE)
_STANDS = {
    ARMED: ("正在计算", "runs"),
    AWAITING: ("待放假安排公布", "waits for a year's calendar"),
    STOPPED: ("因本案所处环节停止计算", "is stopped by where its case stands"),
    SUSPENDED: ("已中止,请先恢复(deadline:resume)", "is suspended: let it go on first (deadline:resume)"),
    FIRED: ("已届满", "has run out"),
    "none": ("在此状态下不计算", "does not run where its case stands"),
}
Refuse = Callable[[Step, CaseState, Refusal], Refused]


class Adjusting:
    """The steps of one act that move no case."""

    def __init__(self, work: Workspace, process: Process, request: Request, recorder: Recorder, refuse: Refuse) -> None:
        self.work = work
        self.process = process
        self.request = request
        self.recorder = recorder
        self.refuse = refuse

    def take(self, step: Step) -> list[Step]:
        """Carry the step out; what follows from it. Raises `Refused`."""
        case = self.work.get(str(step.case))
        kind = self.process.kind(case.kind)
        if step.trigger in ALERTS and step.due is None:
            raise self.refuse(step, case, not_allowed((), step.actor))
        if self.request.entry is not None and step.cause is None:
            words = "an act on a deadline takes effect when it is asked for, and is never entered late"
            raise self.refuse(step, case, Refusal("late_entry_not_allowed", "期限的调整不得补录", words))
        if step.trigger in ALERTS:
            self._alert(step, case, kind)
            return []
        if step.trigger == EXTEND_ROUND:
            self._extend_round(step, case, kind)
            return []
        if step.trigger == ADOPT:
            self._adopt(step, case, kind)
            return []
        return self._adjust(step, case, kind)

    # ── an act on a whole round ──

    def _adopt(self, step: Step, case: CaseState, kind: KindDefinition) -> None:
        self._require_round(step, case, kind, BY | {Role.CLOCK})
        latest = self.work.around.calendars.latest(self.work.rows)
        if case.facts.get(FACT, {}) == latest:
            words = "the round goes by the calendars that were imported last"
            raise self.refuse(step, case, Refusal("calendar_adopted", "本批次已采用最新导入的工作日历", words))
        adopt(self.work, self.process, self.recorder, step, latest)

    def _require_round(self, step: Step, case: CaseState, kind: KindDefinition, by: Collection[Role]) -> None:
        if case.state == "cancelled":
            raise self.refuse(step, case, Refusal("round_cancelled", "批次已取消", "the round was cancelled"))
        if case.kind != "round":
            raise self.refuse(
                step, case, Refusal("not_a_round", "只能对批次办理", f"not of the kind {kind.kind}: ask a round")
            )
        if not has_authority(step.actor, by, case):
            raise self.refuse(step, case, not_allowed(by, step.actor))

    def _extend_round(self, step: Step, case: CaseState, kind: KindDefinition) -> None:
        self._require_round(step, case, kind, BY)
        given = self._given(step, case, Outage)
        outage = Outage.model_validate(given.model)
        refusal = stands_against(outage, self.request.effective_at)
        if refusal is not None:
            raise self.refuse(step, case, refusal)
        note = Note(given.plain, given.private, request=self._request(given))
        extend_for_outage(self.work, self.process, self.recorder, step, outage, note)

    def _given(self, step: Step, case: CaseState, form: type[Data]) -> Given:
        found = read_given(form, step.data, case.id, self.work.secret)
        if isinstance(found, Refusal):
            raise self.refuse(step, case, found)
        return found

    def _request(self, given: Given) -> str | None:
        first = self.recorder.first is None and self.request.key is not None
        return self.request.digest(given.plain) if first else None

    # ── an act on a deadline ──

    def _adjust(self, step: Step, case: CaseState, kind: KindDefinition) -> list[Step]:
        def refuse(refusal: Refusal) -> Refused:
            return self.refuse(step, case, refusal)

        still = round_stands_still(self.work.get(case.round), case.kind)
        if still is not None:
            raise refuse(still)
        found = self._given(step, case, FORMS[step.trigger])
        name = getattr(found.model, "deadline", "")
        timer = kind.timer(name, case.stage)
        if timer is None:
            raise refuse(_no_such(kind, name))
        if isinstance(timer.deadline.rule, FactRule):
            raise refuse(_printed(timer))
        if not has_authority(step.actor, timer.deadline.by, case):
            raise refuse(not_allowed(frozenset(timer.deadline.by), step.actor))
        at = self.request.effective_at
        settling = Settling(self.work, self.process, case, at)
        before = self.work.deadlines(case).get(timer.name)
        after = self._changed(step, settling, timer, before, found)
        if isinstance(after, Refusal):
            raise refuse(after)
        settling.becomes(timer, after)
        tells = _told(step.trigger, settling, kind, timer, before, after, found)
        note = Note(found.plain, found.private, {}, settling.changes, tells, self._request(found))
        cause = self.recorder.noted(step, ADJUSTED, note)
        if step.trigger != END or after.fires is None:
            return []
        return [Step(after.fires, case.id, {}, CLOCK, None, cause, due=Due(timer.name, at))]

    def _changed(
        self, step: Step, settling: Settling, timer: Timer, before: Running | None, given: Given
    ) -> Running | Refusal:
        """The deadline as the act leaves it, or why it cannot."""
        if step.trigger == RESUME:
            if before is None or before.status != SUSPENDED:
                return _not_running(timer, before, "只有已中止的期限可以恢复", "only what is suspended goes on")
            if settling.case.state in timer.runs_in:
                return settling.resumed(timer, before)
            return replace(before, status=STOPPED)  # its case stops it now
        if before is not None and step.trigger == SUSPEND and before.status == SUSPENDED:
            words = "it is suspended already, and nothing is to be done; deadline:resume lets it go on"
            zh = "该期限已经中止,无须再次办理;恢复用 deadline:resume"
            return Refusal("deadline_not_running", zh, words, {"status": SUSPENDED})
        if before is None or before.status not in (ARMED, AWAITING):
            return _not_running(timer, before, "该期限当前未在计算", "it does not run now")
        if before.due_at is not None and before.due_at < settling.at:
            return _not_running(timer, before, "该期限已届满", "it has run out")
        if step.trigger == EXTEND:
            until = getattr(given.model, "until", settling.at)
            return self._against_the_end(before, until) or settling.moved(timer, before, until)
        if step.trigger == SUSPEND:
            stopped = settling.stopped(timer, before, SUSPENDED)
            return before if stopped is None else stopped
        return settling.ended(before)

    def _against_the_end(self, before: Running, until: datetime) -> Refusal | None:
        """Why a deadline cannot be extended to that end, if so."""
        zone, now = self.work.around.zone, self.request.effective_at
        if before.end is None:
            return Refusal(
                "end_not_known",
                "原截止时间待放假安排公布后才能推算,无从判断是否延长;请先导入该年度放假安排(ganchu calendar import)",
                "its end waits for a year's calendar, so nobody can say whether the new one is later; import that "
                "calendar first (ganchu calendar import)",
            )
        if until <= now or until <= before.end:
            stands, present = (shown_end(each.astimezone(zone)) for each in (before.end, now))
            return Refusal(
                "end_not_later",
                f"新的截止时间必须晚于原截止时间({stands})和现在({present})",
                f"the new end must be later than the old one ({stands}) and than now ({present})",
                {"ends_at": to_text(before.end)},
            )
        if until - now > FARTHEST:
            year = until.astimezone(zone).year
            return Refusal(
                "end_too_far",
                f"新的截止时间在{year}年,距今超过五年,请核对年份",
                f"the new end lies in {year}, more than five years from now: see whether the year is right",
                {"until": to_text(until)},
            )
        return None

    # ── an alert ──

    def _alert(self, step: Step, case: CaseState, kind: KindDefinition) -> None:
        """Tell whoever is to be told; what comes too late to remind of is noted, and not told."""
        assert step.due is not None
        deadlines = self.work.deadlines(case)
        changes = [self.recorder.fired(case, step.due.name)]
        tells: list[Message] = []
        for timer, alert, name in alerts_of(kind):
            main = deadlines.get(timer.name)
            end = main.end if main is not None and name == step.due.name else None
            if end is not None and (alert.after or self.work.around.now <= end):
                tells.append(_message(kind, case, timer, alert, end))
        self.recorder.noted(step, ALERTED, Note({"told": bool(tells)}, (), {}, changes, tells))


def _told(
    trigger: str,
    settling: Settling,
    kind: KindDefinition,
    timer: Timer,
    before: Running | None,
    after: Running,
    given: Given,
) -> list[Message]:
    """What the party hears of the act: the ground and the document, and never the reason, which is private text."""
    case, was, ends_at = settling.case, settling.open_until(before), settling.open_until(after)
    said = {key: given.plain.get(key) for key in ("ground", "document")}
    if trigger == SUSPEND:
        return telling.suspended(kind, case, timer, settling.at, after.remainder, **said)
    if trigger == RESUME:
        return [] if after.status == STOPPED else telling.runs(kind, case, timer, ends_at, **said)
    assert ends_at is not None
    if trigger == EXTEND:
        return telling.extended(kind, case, timer, before.end if before is not None else None, ends_at, **said)
    return telling.ended(kind, case, timer, was, ends_at, **said)


def _message(kind: KindDefinition, case: CaseState, timer: Timer, alert: Alert, end: datetime) -> Message:
    state = kind.states[case.state]
    to = alert.to if isinstance(alert.to, Role) else state.owner or Role.OFFICE
    label = timer.deadline.label or timer.name
    return Message(alert.message, to, {"deadline": label, "state": state.label, "ends_at": to_text(end)})


def _no_such(kind: KindDefinition, name: str) -> Refusal:
    there = [t.name for t in kind.timers]
    return Refusal(
        "no_such_deadline",
        f"本案没有名为“{name}”的期限" + (f",有:{'、'.join(there)}" if there else ""),
        f"the kind {kind.kind} has no deadline '{name}'; it has: {', '.join(there) or 'none'}",
        {"deadlines": there},
    )


def _printed(timer: Timer) -> Refusal:
    return Refusal(
        "printed_end",
        "该截止时间由办理事项印发,须由其本身的事项变更,如延长公示(extend);可办事项见 ganchu allowed",
        f"the end of {timer.name} was stated by an act, and is moved by one of its own kind, such as 'extend' of a "
        "notice: see what is allowed on the case",
        {"deadline": timer.name},
    )


def _not_running(timer: Timer, before: Running | None, zh: str, en: str) -> Refusal:
    status = before.status if before else "none"
    stands_zh, stands_en = _STANDS.get(status, _STANDS["none"])
    label = timer.deadline.label or timer.name
    return Refusal(
        "deadline_not_running", f"{zh}:{label}{stands_zh}", f"{en}: {timer.name} {stands_en}", {"status": status}
    )
