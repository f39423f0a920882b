"""From one act to rest: the step itself, its follow-ups, and every automatic transition they make possible.

Nothing here writes to the database. `run` works on a `Workspace`; whoever calls it commits or throws it away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from ganchu_workflow.actors import ENGINE, Actor, Role
from ganchu_workflow.engine.adjusting import ALERTS, FORMS, Adjusting
from ganchu_workflow.engine.admission import may, not_allowed, refusal_in_time, round_stands_still, window_refusal
from ganchu_workflow.engine.cases import CaseState
from ganchu_workflow.engine.events import Cause, Receipt
from ganchu_workflow.engine.given import read_given
from ganchu_workflow.engine.looking_back import ended_by_itself
from ganchu_workflow.engine.opening import place, prepare
from ganchu_workflow.engine.privacy import PrivateLeak, private_values, refuse_leaks
from ganchu_workflow.engine.recorder import Recorder, Taken, plain
from ganchu_workflow.engine.requests import ADOPT, EXTEND_ROUND, Opening, Request, Step
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import (
    DoesNotRest,
    Fault,
    LimitPassed,
    Refusal,
    Refused,
    Unknown,
    WorkflowError,
    YearNotPublished,
)
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.definition import Edge, KindDefinition
from ganchu_workflow.process.language import Condition, Data, Transition
from ganchu_workflow.process.machine import step as ask_the_table
from ganchu_workflow.process.values import CaseView, Effects, Fire, Message, Open

BESIDE = frozenset({*FORMS, *ALERTS, EXTEND_ROUND, ADOPT})
"""The triggers of steps that move no case."""
AUTOMATIC_LIMIT = 50
"""How often one case may move by itself within one act before that is a fault."""


class RuleCrashed(Fault):
    """An effect or a condition crashed. The act was abandoned and nothing of it is left."""

    code = "rule_crashed"


def _triggers(kind: KindDefinition) -> list[str]:
    """What may be asked for of a kind: its own triggers, then the acts on its deadlines, and on a whole round."""
    own = sorted({e.trigger for e in kind.edges if e.source is not None})
    on_deadlines = FORMS if any(t.deadline.by for t in kind.timers) else ()
    return [*own, *on_deadlines, *([EXTEND_ROUND] if kind.kind == "round" else [])]


class Run:
    """One act, carried to rest."""

    def __init__(self, work: Workspace, book: Rulebook, request: Request) -> None:
        self.work = work
        self.book = book
        self.process = book.process
        self.request = request
        self.agenda: deque[Step] = deque([request.step])
        self.pokes: dict[str, Cause] = {}
        self.automatic: dict[str, int] = {}
        self.recorder = Recorder(work, book, request)
        self.adjusting = Adjusting(work, book.process, request, self.recorder, self._refused)

    def to_rest(self) -> Receipt:
        """Carry out the step, its follow-ups, and automatic transitions until nothing moves.

        Raises `Refused` when the act, or a follow-up that must happen, is refused; `RuleCrashed` when an effect
        crashes; `DoesNotRest` when automatic transitions keep firing each other.
        """
        while self.agenda or self.pokes:
            if self.agenda:
                self._take(self.agenda.popleft())
            else:
                case_id = next(iter(self.pokes))
                self._poke(case_id, self.pokes.pop(case_id))
        if self.recorder.first is None:
            raise Fault("the act did nothing: no event was written")
        return self.recorder.first

    # ── one step ──

    def _take(self, step: Step) -> None:
        if step.trigger in BESIDE:
            self.agenda.extendleft(reversed(self.adjusting.take(step)))
            return None
        try:
            case, edge = self._locate(step)
        except Refused:
            if step.must or step.case is None:
                raise
            return self.recorder.not_carried_out(step)
        try:
            actor = self._authorised(step, case, edge)
            self._carry_out(step if actor is step.actor else replace(step, actor=actor), case, edge)
        except Refused as refused:
            if step.automatic:
                return None
            if step.must or step.case is None:
                raise
            self.recorder.not_carried_out(step, refused.refusal)
        return None

    def _locate(self, step: Step) -> tuple[CaseState, Edge]:
        if step.opening is not None:
            return prepare(self.work, self.process, step, step.opening)
        case = self.work.get(str(step.case))
        kind = self.process.kind(case.kind)
        edges = kind.find(case.state, step.trigger, late=self.request.entry is not None)
        # An end that every stage leads to is undone for the stage that the application ended in.
        edges = tuple(e for e in edges if not e.late or e.stage in ("", case.stage))
        if step.stage and any(e.stage == step.stage and step.trigger in (e.trigger, e.name) for e in kind.edges):
            # Where a stage is used twice, what follows from the one use never fires the other.
            edges = tuple(e for e in edges if e.stage == step.stage)
        if not edges:
            if step.trigger not in kind.triggers():
                words = f"the kind {case.kind} has no trigger '{step.trigger}'; it has: {', '.join(_triggers(kind))}"
                raise Unknown(words, trigger=step.trigger)
            label = kind.states[case.state].label
            late = self._came_too_late(step, case, kind)
            if late is not None:
                raise self._refused(step, case, late)
            raise self._refused(
                step,
                case,
                Refusal("not_here", f"当前状态“{label}”下不能办理", f"cannot be done while it stands in {case.state}"),
            )
        if len(edges) > 1:
            names = sorted(e.name for e in edges)
            raise self._refused(
                step, case, Refusal("ambiguous", "请写明环节", f"say which: {', '.join(names)}", {"triggers": names})
            )
        return case, edges[0]

    def _came_too_late(self, step: Step, case: CaseState, kind: KindDefinition) -> Refusal | None:
        """The case has moved on because the window for this very act has closed: that is the reason to give."""
        asked = step.cause is None and self.request.entry is None
        edges = [e for e in kind.edges if step.trigger in (e.trigger, e.name) and not e.late] if asked else []
        received_at = self.request.received_at
        for edge in edges:
            ended = ended_by_itself(self.work, case)
            refusal = window_refusal(self.work, self.process, edge, case, received_at, entered_late=ended)
            if refusal is not None and refusal.code == "window_closed" and refusal.detail.get("closes_at"):
                return refusal
        return None

    def _authorised(self, step: Step, case: CaseState, edge: Edge) -> Actor:
        if may(edge, step.actor, case):
            return step.actor
        if step.cause is not None and Role.ENGINE in edge.by:
            return replace(ENGINE, person=step.actor.person)
        raise self._refused(step, case, not_allowed(edge.by, step.actor), edge)

    def _carry_out(self, step: Step, case: CaseState, edge: Edge) -> None:
        work, kind = self.work, self.process.kind(case.kind)
        source = edge.source
        opening = step.opening
        # What follows from an act stands in the round the act found: `cancel` still calls its applications off.
        if step.cause is None and (case.kind != "round" or source is not None):
            still = round_stands_still(work.get(case.round), case.kind)
            if still is not None:
                raise self._refused(step, case, still, edge)
        found = read_given(edge.transition.data or Data, step.data, case.id, work.secret)
        if isinstance(found, Refusal):
            raise self._refused(step, case, found, edge)
        model, given = found.model, found.plain
        request = None
        if self.recorder.first is None and self.request.key is not None:
            request = self.request.digest(given)
        if step.cause is None and step.due is None:
            late = refusal_in_time(work, self.process, edge, case, self.request)
            if late is not None:
                raise self._refused(step, case, late, edge)
        if opening is not None:
            entered_late = self.request.entry is not None
            place(work, case, opening, lambda r: self._refused(step, case, r, edge), entered_late=entered_late)
        ctx = self._context(step, case, edge, model, given)
        guards: list[dict[str, Any]] = []
        refusal = ask_the_table(
            kind.machine, edge.name, source, edge.target, lambda: self.book.ask(edge, ctx, work, guards)
        )
        if refusal is not None:
            raise self._refused(step, case, self._without_private(refusal, model, given, case), edge)
        taken = Taken(step, case, edge, self._effects(edge, ctx), model, given, found.private, guards, request)
        from_stage, visit = (case.stage, case.visit) if source is not None else ("", 0)
        cause = self.recorder.record(taken)
        follow = [
            self._follow(step, case, cause, item) for e in taken.effects for items in (e.open, e.fire) for item in items
        ]
        left = (
            case.kind == "application"
            and from_stage
            and (from_stage != case.stage or self.process.is_final(case.view()))
        )
        if left:
            follow += self._orphans(case, from_stage, visit, cause)
        if case.kind == "application":
            follow += self._fate(case, source, cause)
        self.agenda.extendleft(reversed(follow))
        self._remember_pokes(case, kind, cause)

    def _context(
        self, step: Step, case: CaseState, edge: Edge, model: Any, given: Mapping[str, Any]
    ) -> Context[Any, Any]:
        return Context(
            reads=self.work,
            process=self.process,
            case=case.view(),
            data=model,
            given=given,
            actor=step.actor,
            now=self.request.effective_at,
            received_at=self.request.received_at,
            settings=self.book.settings_of(edge.stage or case.stage),
            trigger=edge.name,
            entered_late=self.request.entry is not None,
        )

    def _effects(self, edge: Edge, ctx: Context[Any, Any]) -> list[Effects]:
        found = []
        for rule in edge.transition.effects:
            try:
                found.append(_effects_of(rule.function(edge.handler, ctx)))
            except YearNotPublished as error:
                zh, fields = "所涉年度的放假安排尚未导入", dict(error.fields)
                why = Refusal("year_not_published", zh, error.message, fields, ctx.case.state, edge.name)
                raise Refused(why) from error
            except LimitPassed as error:
                zh = "本批次设定的截止时间已过"
                why = Refusal("limit_passed", zh, error.message, {}, ctx.case.state, edge.name)
                raise Refused(why) from error
            except WorkflowError:
                raise
            except (Exception, SystemExit) as error:  # a rule that says sys.exit() must not end the host
                self.work.require_database()
                raise _crashed(f"effect '{rule.id}'", rule.id, edge, ctx, error) from error
        return found

    @staticmethod
    def _without_private(refusal: Refusal, model: BaseModel, given: Mapping[str, Any], case: CaseState) -> Refusal:
        """The refusal, without its words where they repeat a private value: it is kept as a row."""
        try:
            refuse_leaks([refusal.zh, refusal.en, refusal.detail], private_values(model), [given, case.facts])
        except PrivateLeak:
            return Refusal(refusal.code, "不予办理(理由涉及非公开内容)", "refused; the reason repeats a private value")
        return refusal

    # ── what follows ──

    def _follow(self, step: Step, case: CaseState, cause: Cause, item: Open | Fire) -> Step:
        if isinstance(item, Open):
            parent = item.parent.id if item.parent else None
            opening = Opening(
                item.kind.kind,
                case.round,
                parent,
                item.of.id if item.of else None,
                item.stage or case.stage,
                [m.id for m in item.members],
                plain(item.facts),
                {Role(r): s for r, s in item.parties.items()},
            )
            return Step("", None, plain(item.data), step.actor, opening, cause)
        return Step(
            item.transition.name, item.case.id, plain(item.data), step.actor, None, cause, item.must, case.stage
        )

    def _orphans(self, case: CaseState, stage: str, visit: int, cause: Cause) -> list[Step]:
        """The children left open when their application leaves the stage: each meets what its kind declares."""
        steps = []
        for lifecycle in self.process.stage(stage).stage.cases:
            orphaned = lifecycle.orphaned
            if orphaned is None:
                continue
            for child in self.work.children(case.id, lifecycle.kind):
                if child.stage == stage and child.visit == visit and not self.process.is_final(child):
                    steps.append(Step(orphaned.name, child.id, {}, ENGINE, None, cause, must=False))
        return steps

    def _fate(self, case: CaseState, source: str | None, cause: Cause) -> list[Step]:
        """Whoever comes to stand in a stage whose phase has closed meets what that closing did to all others there."""
        window = self.process.phase_window(case.stage)
        if window is None or case.state == source or self.process.is_final(case.view()):
            return []
        phase = self.work.phase(case.round, case.stage)
        if phase is None or phase.state != "closed":
            return []
        return [
            Step(f"{case.stage}.{fate.name}", case.id, {}, ENGINE, None, cause)
            for state, fate in window.at_close.items()
            if isinstance(fate, Transition)
            and case.state == f"{case.stage}.{self.process.slot(case.stage, state).name}"
        ]

    # ── what moves by itself ──

    def _remember_pokes(self, case: CaseState, kind: KindDefinition, cause: Cause) -> None:
        for case_id in (case.id, case.parent):
            if case_id is not None:
                self.pokes.setdefault(case_id, cause)
        if kind.is_cohort:
            for member in self.work.members(case.id):
                self.pokes.setdefault(member.id, cause)

    def _poke(self, case_id: str, cause: Cause) -> None:
        case = self.work.get(case_id)
        kind = self.process.kind(case.kind)
        for edge in kind.automatic_from.get(case.state, ()):
            step = Step(edge.name, case.id, {}, ENGINE, None, cause, automatic=True)
            ctx = self._context(step, case, edge, Data(), {})
            when = edge.transition.when
            for read in when.kinds if when else ():
                if not (self.process.kind(read.kind).is_cohort or self.work.knows_children(case_id, read.kind)):
                    self.work.prefetch_children([case_id, *self.pokes], read.kind)
            if when is not None and self._holds(when, edge, ctx):
                seq = case.seq
                self._take(step)
                if case.seq == seq:
                    continue  # a guard refused: the next one may stand
                count = self.automatic[case_id] = self.automatic.get(case_id, 0) + 1
                if count > AUTOMATIC_LIMIT:
                    raise DoesNotRest(
                        f"{case.kind} {case_id} moved by itself more than {AUTOMATIC_LIMIT} times in one act, "
                        f"last by {edge.name}",
                        case=case_id,
                        trigger=edge.name,
                    )
                return

    def _holds(self, when: Condition, edge: Edge, ctx: Context[Any, Any]) -> bool:
        """Whether the condition holds. One that cannot say so stops the act: what would follow from it is not known."""
        try:
            answer = when.holds(ctx)
            if not isinstance(answer, bool):
                raise TypeError(f"it answered {type(answer).__name__}, neither True nor False")
        except WorkflowError:
            raise
        except (Exception, SystemExit) as error:
            self.work.require_database()
            raise _crashed(f"condition '{when.name}'", when.name, edge, ctx, error) from error
        return answer

    def _refused(self, step: Step, case: CaseState, refusal: Refusal, edge: Edge | None = None) -> Refused:
        trigger = edge.name if edge else step.trigger
        return Refused(
            replace(refusal, state=case.state if edge is None or edge.source else "", trigger=trigger), case=case.id
        )


def _crashed(what: str, rule: str, edge: Edge, ctx: Context[Any, Any], error: BaseException) -> RuleCrashed:
    # Not its own words, which may quote a private value: they are those of the cause, for a log.
    return RuleCrashed(
        f"the {what} of {edge.name} crashed ({type(error).__name__}); nothing of the act is left",
        what=what,
        rule=rule,
        trigger=edge.name,
        case=ctx.case.id,
        error=type(error).__name__,
    )


def _effects_of(returned: Any) -> Effects:
    """What an effect returned, if it is what an effect returns; None stands for nothing."""
    if returned is None:
        return Effects()
    if not isinstance(returned, Effects):
        raise TypeError(f"it returned {type(returned).__name__}, neither Effects nor None")
    for name, items, expected in (
        ("open", returned.open, Open),
        ("fire", returned.fire, Fire),
        ("tell", returned.tell, Message),
        ("members", returned.members or (), CaseView),
    ):
        strange = [type(item).__name__ for item in items if not isinstance(item, expected)]
        if strange:
            raise TypeError(f"it returned Effects({name}=…) with {strange[0]} in it, not only {expected.__name__}")
    return returned
