"""The two kinds every process has: the round, and one phase for each stage of its plan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from ganchu_workflow.actors import Role
from ganchu_workflow.clock import aware, to_text
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, fact
from ganchu_workflow.process.language import (
    CARRY_ON,
    START,
    Data,
    Lifecycle,
    Private,
    State,
    Transition,
)
from ganchu_workflow.process.values import CaseView, Effects, Fire, Message, Open, Reversal


class PhaseSpan(Data):
    """One stage of the plan and, if its phase is timed, when it opens and closes."""

    stage: str
    opens_at: datetime | None = None
    closes_at: datetime | None = None


class RoundOpening(Data):
    """What a round is opened with: it is pinned to this plan and this definition for good."""

    title: str
    code: str
    plan: dict[str, Any]
    definition: str
    demonstration: bool
    phases: list[PhaseSpan]


class NewEnd(Data):
    """A new closing instant, with the ground it rests on."""

    closes_at: AwareDatetime
    ground: Annotated[str, Field(min_length=1, max_length=500)]


class EarlyEnd(Data):
    """Why a phase ends before its time: the document that orders it, and the provision it rests on."""

    document: Annotated[str, Field(min_length=1, max_length=120)]
    ground: Annotated[str, Field(min_length=1, max_length=500)]


class Reopening(Reversal):
    """A closed phase is opened again, until a new end."""

    closes_at: AwareDatetime


class Ground(Data):
    """Why: the document or provision an exceptional act rests on."""

    ground: Annotated[str, Private, Field(min_length=1, max_length=2000)]


class Phase(Lifecycle):
    """环节起止: when a stage of the round is open. It owns the counts over the stage's applications."""

    label = "环节"
    rank = 1

    waiting = State("未开始", owner=Role.CLOCK, initial=True)
    open_ = State("进行中", owner=Role.OFFICE)
    closed = State("已截止", final=True)

    begin = Transition(waiting, open_, by=(Role.CLOCK, Role.ENGINE), label="开始")
    extend = Transition((waiting, open_), open_, by=Role.OFFICE, data=NewEnd, label="延期")
    close = Transition(open_, closed, by=Role.CLOCK, label="截止")
    close_early = Transition(open_, closed, by=Role.OFFICE, data=EarlyEnd, label="提前截止")
    reopen = Transition(closed, open_, by=Role.OFFICE, data=Reopening, reopens=True, label="重新开放")
    call_off = Transition((waiting, open_), closed, by=Role.ENGINE, label="随批次终止")

    opens = Deadline(waiting, rule=fact("opens_at"), fires=begin, label="等待期")
    closes = Deadline(open_, rule=fact("closes_at"), fires=close, label="环节期限")

    @extend.guard("end_moves_later")
    @reopen.guard("end_moves_later")
    def end_moves_later(self, ctx: Context[Any, Any]) -> Refusal | None:
        """An end moves later, never earlier and never into the past."""
        new = aware(ctx.data.closes_at)
        printed = ctx.case.facts.get("closes_at")
        if new <= ctx.now or (printed is not None and to_text(new) <= printed):
            return Refusal(
                "end_not_later",
                "新的截止时间必须晚于现在和原截止时间",
                "the new end must be later than now and than the old end",
                {"closes_at": printed},
            )
        return None

    @extend.effect("move_the_end")
    def move_the_end(self, ctx: Context[NewEnd, Any]) -> Effects:
        """The phase ends at the new instant."""
        return Effects(facts={"closes_at": to_text(ctx.data.closes_at), "extended_on": ctx.data.ground})

    @reopen.effect("open_until")
    def open_until(self, ctx: Context[Reopening, Any]) -> Effects:
        """The phase is open until the new end. What its closing did is undone, where it may be, case by case."""
        return Effects(facts={"closes_at": to_text(ctx.data.closes_at), "reopened_on": ctx.data.document})

    @close.effect("apply_fates")
    def apply_fates(self, ctx: Context[Any, Any]) -> Effects:
        """Every application that stands in an open state of the stage meets the fate its stage declares."""
        return Effects(fire=tuple(self._fates(ctx)))

    @close_early.effect("apply_fates")
    def end_now(self, ctx: Context[EarlyEnd, Any]) -> Effects:
        """The phase ends at this instant, on the ground given, and the fates are applied."""
        facts = {"closes_at": to_text(ctx.now), "closed_early_on": [ctx.data.document, ctx.data.ground]}
        return Effects(facts=facts, fire=tuple(self._fates(ctx)))

    @call_off.effect("end_with_the_round")
    def end_with_the_round(self, ctx: Context[Any, Any]) -> Effects:
        """Nothing is in time any more, even where the printed end lies ahead."""
        printed = ctx.case.facts.get("closes_at")
        return Effects(facts={"closes_at": min(printed, to_text(ctx.now)) if printed else to_text(ctx.now)})

    @staticmethod
    def _fates(ctx: Context[Any, Any]) -> Iterator[Fire]:
        window = ctx.phase_window
        for state, fate in window.at_close.items() if window else ():
            if fate is not CARRY_ON and isinstance(fate, Transition):
                for application in ctx.applications(ctx.process.slot(ctx.case.stage, state)):
                    yield Fire(application, fate)


class Round(Lifecycle):
    """批次: one selection round, pinned to the plan and the definition it was opened with."""

    label = "批次"
    rank = 0
    indexed = ("code",)

    planning = State("筹备", owner=Role.OFFICE, initial=True)
    running = State("进行中", owner=Role.OFFICE)
    announced = State("已公布", owner=Role.OFFICE)
    closed = State("已办结", final=True)
    cancelled = State("已取消", final=True)

    open_round = Transition(START, planning, by=Role.OFFICE, data=RoundOpening, label="开立批次")
    start = Transition(planning, running, by=Role.OFFICE, label="启动")
    announce = Transition(running, announced, by=Role.ENGINE, label="公布")
    close = Transition((running, announced), closed, by=Role.OFFICE, label="办结")
    cancel = Transition((planning, running), cancelled, by=Role.OFFICE, data=Ground, label="取消批次")

    @open_round.effect("open_phases")
    def open_phases(self, ctx: Context[RoundOpening, Any]) -> Effects:
        """Keeps what the round is pinned to, and opens one phase for each stage."""
        given = ctx.data
        phases = [
            Open(
                Phase,
                parent=ctx.case,
                stage=span.stage,
                facts=_instants(opens_at=span.opens_at, closes_at=span.closes_at),
            )
            for span in given.phases
        ]
        facts = {key: ctx.given[key] for key in ("title", "code", "plan", "definition", "demonstration")}
        return Effects(facts=facts, open=phases)

    @start.effect("begin_untimed_phases")
    def begin_untimed_phases(self, ctx: Context[Any, Any]) -> Effects:
        """Phases without an opening instant begin with the round."""
        waiting = [p for p in ctx.children(Phase, Phase.waiting) if "opens_at" not in p.facts]
        return Effects(fire=[Fire(p, Phase.begin) for p in waiting])

    @close.guard("nothing_open")
    def nothing_open(self, ctx: Context[Any, Any]) -> Refusal | None:
        """A round is closed when every application has come to its end."""
        waiting = [a.id for a in ctx.applications() if not ctx.is_final(a)]
        if waiting:
            return Refusal(
                "applications_open",
                f"尚有{len(waiting)}项申报未办结",
                f"{len(waiting)} application(s) have not come to an end",
                {"cases": waiting[:20]},
            )
        return None

    @close.effect("close_phases")
    def close_phases(self, ctx: Context[Any, Any]) -> Effects:
        """The phases still open end with the round."""
        return Effects(fire=_call_off(ctx.children(Phase, Phase.waiting, Phase.open_)))

    @cancel.effect("call_everything_off")
    def call_everything_off(self, ctx: Context[Ground, Any]) -> Effects:
        """Every open application and phase ends with the round; whoever declared is told."""
        open_applications = [a for a in ctx.applications() if not ctx.is_final(a)]
        return Effects(
            fire=[
                *(Fire(a, ctx.process.transition(a, "call_off")) for a in open_applications),
                *_call_off(ctx.children(Phase, Phase.waiting, Phase.open_)),
            ],
            tell=[
                Message("round_cancelled", to=Role.APPLICANT, scope=a.parties[Role.APPLICANT])
                for a in open_applications
            ],
        )


def _call_off(phases: list[CaseView]) -> list[Fire]:
    return [Fire(p, Phase.call_off) for p in phases]


def _instants(**instants: datetime | None) -> dict[str, str]:
    return {name: to_text(instant) for name, instant in instants.items() if instant is not None}


CORE_KINDS: tuple[type[Lifecycle], ...] = (Round, Phase)
