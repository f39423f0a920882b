"""Tells a round as it happens: what was done, what moved, what the clock did on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ganchu_workflow.actors import Actor
from ganchu_workflow.clock import MICROSECOND, SimulatedClock
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.errors import Refused
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.workflow import Case, Workflow

Say = Callable[[str], None]
ZONE = ZoneInfo("Asia/Shanghai")


class Narrator:
    """Acts through the facade, moves the simulated clock, and says what comes of it."""

    def __init__(self, workflow: Workflow, clock: SimulatedClock, say: Say) -> None:
        self.workflow = workflow
        self.clock = clock
        self.say = say
        self.round = ""
        self._process: Process | None = None
        self._names: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self.refused: list[str] = []

    def of_round(self, round_id: str) -> None:
        """All that follows is about this round."""
        self.round = round_id
        self._process = self.workflow.process(round_id)

    def name(self, case: Case, name: str) -> None:
        """What a case is called from now on."""
        self._names[case if isinstance(case, str) else case.case_id if isinstance(case, Receipt) else case.id] = name

    def now_is(self, text: str, heading: str = "", *, sweep: bool = True) -> None:
        """Move the clock to a local instant. What falls due on the way fires on the way, unless nobody sweeps."""
        instant = datetime.fromisoformat(text).replace(tzinfo=ZONE)
        while sweep and (due := self.workflow.next_due()) is not None and due < instant:
            self.clock.move_to(max(due + MICROSECOND, self.clock.now()))
            fired = self.workflow.tick().fired
            local = due.astimezone(ZONE)
            happened = "、".join(dict.fromkeys(self._happened(r) for r in fired))
            moved = self._moved()
            self.say(f"      [{local:%m-%d %H:%M} 到时] {happened}{':' + moved if moved else ''}")
        self.clock.move_to(instant)
        exact = "%Y-%m-%d %H:%M" + (":%S" if instant.second or instant.microsecond else "")
        self.say(f"\n── {instant:{exact}} {heading}".rstrip())

    def open(self, line: str, kind: str, data: Mapping[str, Any], actor: Actor, **more: Any) -> Receipt:
        """Open a case, and say so."""
        return self._done(line, lambda: self.workflow.open(kind, data, actor=actor, round=self.round, **more))

    def fire(self, line: str, case: Case, trigger: str, actor: Actor, **data: Any) -> Receipt:
        """Fire a trigger, and say so."""
        return self._done(line, lambda: self.workflow.fire(case, trigger, data, actor=actor))

    def refuse(self, line: str, act: Callable[[], Receipt], code: str) -> None:
        """An act that the law does not allow: say so, with the reason. It must be refused with this code."""
        try:
            act()
        except Refused as refused:
            if refused.code != code:
                raise
            self.refused.append(code)
            self.say(f"  ✗ {line} —— 不予办理:{refused.refusal.zh}({code})")
        else:
            raise AssertionError(f"the demonstration expected a refusal: {code}")

    def children(self, case: Case, kind: str, state: str | None = None) -> list[CaseView]:
        """The children of a case, in the order of opening."""
        return self.workflow.cases(self.round, kind, state, parent=case)

    def states(self) -> Sequence[tuple[str, str]]:
        """Where every named application stands now."""
        found = {c.id: c for c in self.workflow.cases(self.round, "application")}
        return [(name, self._label(found[case_id])) for case_id, name in self._names.items() if case_id in found]

    def _done(self, line: str, act: Callable[[], Receipt]) -> Receipt:
        receipt = act()
        if line:
            self.say(f"  · {line}")
        moved = self._moved()
        if line and moved:
            self.say(f"      {moved}")
        return receipt

    def _moved(self) -> str:
        """The named applications that stand elsewhere than when this was last asked."""
        moved: dict[str, list[str]] = {}
        for case in self.workflow.cases(self.round, "application"):
            before, self._states[case.id] = self._states.get(case.id), case.state
            if before not in (None, case.state) and case.id in self._names:
                moved.setdefault(self._label(case), []).append(self._names[case.id])
        return ";".join(f"{'、'.join(names)} → {label}" for label, names in moved.items())

    def _happened(self, receipt: Receipt) -> str:
        case = self.workflow.case(receipt)
        if case.kind == "application":
            return "申报的期限"
        process = self.workflow.process(case.round)
        label = process.kind(case.kind).states[receipt.state].label
        if case.kind == "phase":
            return f"{type(process.stage(case.stage).stage).label}环节{label}"
        return f"{process.kind(case.kind).label}“{label}”"

    def _label(self, case: CaseView) -> str:
        process = self._process or self.workflow.process(case.round)
        stage = type(process.stage(case.stage).stage).label
        return f"{stage}·{process.kind(case.kind).states[case.state].label}"
