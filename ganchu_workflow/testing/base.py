"""What every script can do, whatever stages its plan has: move time, do any act, and say what stands where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Engine

from ganchu_workflow.actors import RESERVED, ROLE_LABELS, SCOPED, Actor, Role
from ganchu_workflow.audit.verify import Report
from ganchu_workflow.clock import MICROSECOND, SimulatedClock, SystemClock, from_text
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.entropy import Entropy
from ganchu_workflow.errors import Invalid, Refusal, Refused, Unknown
from ganchu_workflow.plan import Plan, read_plan
from ganchu_workflow.plugins import Registry
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.testing.moving import Hand, frozen, hand_of
from ganchu_workflow.testing.samples import OFFICE, SUPERVISOR, usual_plan
from ganchu_workflow.workflow import Case, Workflow

# Found here and not when a script begins: a pydantic model that is first built under freezegun breaks all later ones.
INSTALLED = Registry.discover()
START = "2022-09-01T09:00"
"""When a script begins that is not told, on a plan without dates: a Thursday in a year whose calendar is known."""
Declared = Callable[[str], Mapping[str, Any]]
"""What an enterprise declares of a product, by its name."""

Source = str | Path | Mapping[str, Any] | Plan
Step = tuple[str, str | None, str]
"""An event as (trigger, source, target)."""
Result = TypeVar("Result")


class NotAsScripted(AssertionError):
    """The round did not go as the script says. The message tells where it stands and what may be done there."""


class Seen:
    """A block whose act must be refused with a code. Afterwards `refusal` is what was said."""

    refusal: Refusal

    def __init__(self, code: str, script: Script) -> None:
        self._code = code
        self._script = script

    def __enter__(self) -> Seen:
        self._script.expects_refusal = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        __tracebackhide__ = True
        self._script.expects_refusal = False
        if error is None:
            raise NotAsScripted(f"this was to be refused as '{self._code}', and was not refused")
        if not isinstance(error, Refused):
            return False
        if error.code != self._code:
            raise NotAsScripted(f"this was to be refused as '{self._code}', and was as {error}") from None
        self.refusal = error.refusal
        return True


class Script:
    """One round, opened and started: time, any act, and what stands where. Applications go by their product's name."""

    def __init__(
        self,
        plan: Source | None = None,
        *,
        workflow: Workflow | None = None,
        database: str | Engine | None = None,
        start: str | datetime | None = None,
        time: Hand | None = None,
        entropy: Entropy | None = None,
        stages: Registry | None = None,
        office: Actor = OFFICE,
        supervisor: Actor = SUPERVISOR,
        declaration: Declared | None = None,
        run: bool = True,
    ) -> None:
        if (workflow is None) == (database is None):
            raise Invalid("say where the round is kept: workflow=…, or database=… (a URL, such as sqlite:///test.db)")
        if workflow is not None and (entropy is not None or stages is not None):
            raise Invalid("a workflow has its own entropy and stages: give them to the workflow")
        registry = workflow.stages if workflow is not None else stages or INSTALLED
        read = plan if isinstance(plan, Plan) else read_plan(usual_plan() if plan is None else plan, registry)
        self.zone = read.zone
        """The office's time zone: what a time without an offset is read in."""
        self.wf = workflow or self._workflow(database, read, start, entropy, registry)
        """The workflow the script acts through: hand it to the code under test."""
        self.office = office
        self.supervisor = supervisor
        self.apps: dict[str, str] = {}
        """Name → id of the application."""
        self._declaration = declaration
        self._time = time or hand_of(self.wf.clock)
        self.expects_refusal = False
        """Whether a refusal is what the script waits for, so that nobody needs it explained."""
        if start is not None:
            self._move(self.instant(start))
        self.round = self.wf.open_round(read, actor=office).case_id
        """The id of the round."""
        self.process = self.wf.process(self.round)
        if run:
            self.fire(self.round, "start", office)

    def _workflow(
        self,
        database: str | Engine | None,
        plan: Plan,
        start: str | datetime | None,
        entropy: Entropy | None,
        registry: Registry,
    ) -> Workflow:
        assert database is not None
        begins = self.instant(start) if start is not None else first_instant(plan)
        clock = SystemClock() if frozen() else SimulatedClock(begins)
        made = Workflow(database, clock=clock, entropy=entropy, stages=registry)
        made.migrate()
        return made

    def close(self) -> None:
        """Give the connections to the database back."""
        self.wf.database.dispose()

    # ── time ──

    @property
    def now(self) -> datetime:
        """The present instant of the script."""
        return self.wf.clock.now()

    def instant(self, when: str | datetime) -> datetime:
        """The instant that a time of the office means: `2021-09-03T17:30`, read in the plan's zone."""
        read = datetime.fromisoformat(when) if isinstance(when, str) else when
        return read if read.tzinfo else read.replace(tzinfo=self.zone)

    def shown(self, instant: str | datetime) -> str:
        """An instant as the office reads it: `2021-09-03 17:30`, with seconds only where it has any."""
        given = from_text(instant) if isinstance(instant, str) else instant
        return given.astimezone(self.zone).replace(tzinfo=None).isoformat(" ").removesuffix(":00")

    def at(self, instant: str | datetime, *, tick: bool = True) -> None:
        """Move to an instant. On the way each deadline fires, one microsecond after it has run out.

        With `tick=False` nobody sweeps: what is due stays so until somebody does, or an act meets it.
        """
        __tracebackhide__ = True
        goal = self.instant(instant)
        while tick and (due := self.wf.next_due()) is not None and due < goal:
            self._move(max(due + MICROSECOND, self.now))
            self._sweep(due)
        self._move(goal)

    def later(self, **by: float) -> None:
        """Move on by so many `days`, `hours`, `microseconds` …; what falls due on the way fires."""
        __tracebackhide__ = True
        self.at(self.now + timedelta(**by))

    def past(self, case: Case, fact: str) -> None:
        """Move one microsecond past the instant that a fact of the case holds; what is due by then fires."""
        __tracebackhide__ = True
        facts = self.facts(case)
        if not isinstance(facts.get(fact), str):
            raise NotAsScripted(f"{self.name(case)} has no instant '{fact}'; its facts are: {', '.join(facts)}")
        self.at(from_text(facts[fact]) + MICROSECOND)

    def past_next_due(self) -> None:
        """Move one microsecond past the nearest deadline, which fires."""
        __tracebackhide__ = True
        due = self.wf.next_due(alerts=False)
        if due is None:
            raise NotAsScripted("no deadline is running: nothing falls due by itself")
        self.at(max(due + MICROSECOND, self.now))

    def _move(self, instant: datetime) -> None:
        __tracebackhide__ = True
        self._time.move_to(instant)
        # Twice: the first look at a clock that ticks whenever it is looked at still shows where it was moved to.
        if any(shown != instant for shown in (self.now, self.now)):
            raise NotAsScripted(
                f"the clock was moved to {self.shown(instant)} and shows {self.shown(self.now)}: it must stand still "
                "between the acts, without an offset, a tick of its own, or another hand on it"
            )

    def _sweep(self, due: datetime) -> None:
        __tracebackhide__ = True
        swept = self.wf.tick()
        if swept.refused:
            lines = [f"{row['deadline']} of {row['case']}: {row['why']}" for row in swept.refused]
            raise NotAsScripted("\n  ".join(["a deadline has run out and did not fire:", *lines]))
        if not swept.fired and self.wf.next_due() == due:
            lines = []
            for s in swept.stuck:
                then = f"tried again at {self.shown(s.again_at)}" if s.again_at else "parked: see wf.release"
                lines.append(f"{s.deadline} of {s.case}: {s.why} ({then})")
            what = f"what fell due at {self.shown(due)} does not fire"
            raise NotAsScripted("\n  ".join([what, *(lines or ["and no refusal says why"])]))

    # ── any act ──

    def open(
        self,
        kind: str,
        actor: Actor,
        members: Sequence[Case] = (),
        /,
        *,
        parent: Case | None = None,
        of: Case | None = None,
        stage: str = "",
        **data: Any,
    ) -> Receipt:
        """Open a case of any kind."""
        __tracebackhide__ = True
        above = self.id(parent) if parent is not None else None
        beside = self.id(of) if of is not None else None
        listed = [self.id(member) for member in members]
        return self._act(
            f"{kind} was to be opened by {actor}",
            [case for case in (above, *listed) if case is not None],
            lambda: self.wf.open(
                kind, data, actor=actor, round=self.round, parent=above, of=beside, stage=stage, members=listed
            ),
        )

    def fire(self, case: Case, trigger: str, actor: Actor, /, **data: Any) -> Receipt:
        """Fire a trigger on a case."""
        __tracebackhide__ = True
        fired = self.id(case)
        return self._act(
            f"{trigger} was to be fired by {actor}", [fired], lambda: self.wf.fire(fired, trigger, data, actor=actor)
        )

    def fire_each(self, names: Sequence[Case], trigger: str, actor: Actor, /, **data: Any) -> None:
        """Fire the same trigger on several cases."""
        __tracebackhide__ = True
        for name in names:
            self.fire(name, trigger, actor, **data)

    def _act(self, what: str, cases: Sequence[str], act: Callable[[], Result]) -> Result:
        __tracebackhide__ = True
        try:
            return act()
        except Refused as refused:
            if not self.expects_refusal:
                named = [case for case in refused.refusal.detail.get("cases", []) if case not in cases]
                told = [self.explain(case) for case in [*cases, *named][:5]]
                refused.add_note("\n".join([f"at {self.shown(self.now)} {what}", *told]))
            # What lies between the script and the rule that said no tells a reader nothing.
            raise refused.with_traceback(None) from refused.__cause__

    def refused(self, code: str) -> Seen:
        """A block whose act must be refused with this code: `with script.refused("window_closed") as seen: …`."""
        return Seen(code, self)

    # ── what stands where ──

    def id(self, case: Case) -> str:
        """The id of an application by its name, or of any case. Raises `Unknown` for a name nobody goes by."""
        __tracebackhide__ = True
        if not isinstance(case, str):
            return case.case_id if isinstance(case, Receipt) else case.id
        if case in self.apps:
            return self.apps[case]
        if len(case) == 26 and case.isascii():
            return case
        near = get_close_matches(case, self.apps, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise Unknown(f"no application goes by '{case}'; {hint}there are: {', '.join(self.apps) or 'none yet'}")

    def name(self, case: Case) -> str:
        """The name of an application, or the kind and id of another case."""
        found = self.id(case)
        names = [name for name, app in self.apps.items() if app == found]
        return names[0] if names else f"{self.case(found).kind} {found}"

    def case(self, case: Case) -> CaseView:
        """A case as it stands."""
        return self.wf.case(self.id(case))

    def state(self, case: Case) -> str:
        """The state of a case; of an application `stage.state`."""
        return self.case(case).state

    def states(self) -> dict[str, str]:
        """The state of every application of the round, by name; by id, where the script gave it none."""
        found = {case.id: case.state for case in self.wf.cases(self.round, "application")}
        return {name: found.pop(app) for name, app in self.apps.items()} | found

    def facts(self, case: Case) -> Mapping[str, Any]:
        """The facts of a case."""
        return self.case(case).facts

    def history(self, case: Case) -> list[dict[str, Any]]:
        """The events of a case, oldest first."""
        return self.wf.history(self.id(case))

    def steps(self, case: Case) -> list[Step]:
        """The history of a case as (trigger, source, target): what moved it, or did not; not who was reminded of it."""
        stays = ("deadline_alerted", "deadline_adjusted", "deadline_resolved")
        told = [event for event in self.history(case) if event["outcome"] not in stays]
        return [(event["trigger"], event["source"], event["target"]) for event in told]

    def children(self, case: Case, kind: str, state: str | None = None) -> list[CaseView]:
        """The cases of a kind that belong under this one, in the order of opening."""
        return self.wf.cases(self.round, kind, state, parent=self.id(case))

    def phase(self, stage: str) -> CaseView:
        """The phase of a stage."""
        self.process.stage(stage)
        return next(phase for phase in self.wf.cases(self.round, "phase") if phase.stage == stage)

    def told(self, role: Role | str, scope: str = "") -> list[str]:
        """The kinds of message that a role has been told, oldest first; with `scope`, one party of it."""
        to = f"{Role(role).value}:{scope}" if scope else Role(role).value
        return [message["message"] for message in self.wf.messages(self.round) if message["recipient"] == to]

    def verify(self) -> Report:
        """Check the whole record. Raises `NotAsScripted` with every problem."""
        __tracebackhide__ = True
        report = self.wf.verify()
        if not report.ok:
            raise NotAsScripted("\n  ".join(["the record does not hold:", *map(str, report.problems)]))
        return report

    def explain(self, case: Case) -> str:
        """Where a case stands, how it came there, and who may do what there now: for a person to read."""
        view = self.case(case)
        state = self.process.state(view)
        waits = f", waits for {ROLE_LABELS[state.owner]} ({state.owner.value})" if state.owner else ""
        lines = [f"{self.name(case)} stands in {view.state} ({state.label}){waits}"]
        lines += [f"  {self.shown(e['effective_at'])}  {e['trigger']} → {e['target']}" for e in self.history(case)[-8:]]
        edges = self.process.kind(view.kind).edges_from.get(view.state, ())
        for role in sorted({role for edge in edges for role in edge.by - RESERVED}):
            actor = Actor(role, view.parties.get(role, "") if role in SCOPED else "")
            for entry in self.wf.allowed(view, actor):
                if entry.may:
                    lines.append(f"  {actor} may {entry.trigger}({', '.join(entry.required)})")
                elif entry.refusal is not None and entry.refusal.code != "not_allowed":
                    lines.append(f"  {actor} may not {entry.trigger}: {entry.refusal.code}: {entry.refusal.en}")
        return "\n".join(lines)

    def summary(self) -> str:
        """The round, the time, and where every application stands: for a person to read."""
        found = self.case(self.round)
        labels = self.process.application.states
        head = f"{found.facts['title']} ({found.facts['code']}) is {found.state} at {self.shown(self.now)}"
        rows = [f"  {name}: {state} ({labels[state].label})" for name, state in self.states().items()]
        return "\n".join([head, *rows])


def first_instant(plan: Plan) -> datetime:
    """When the first phase of a plan opens; `START`, in its zone, where it has no dates."""
    opens = [stage.opens_at for stage in plan.stages if stage.opens_at is not None]
    return min(opens, default=datetime.fromisoformat(START).replace(tzinfo=plan.zone))
