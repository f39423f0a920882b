"""What a guard or an effect may read: a closed set of reads over one transaction's view of the round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

from ganchu_workflow.actors import Actor
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.language import Cohort, Lifecycle, PhaseWindow, State
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.timing import Anomaly, Limit, Period, Reckoning, WorkingCalendar, check_printed

D = TypeVar("D")
S = TypeVar("S")


class Reads(Protocol):
    """The reads a transaction offers. Each keeps note of what was read, so that it can be locked and compared."""

    def case(self, case_id: str) -> CaseView:
        """The case."""
        ...

    def children(self, parent_id: str, kind: str) -> list[CaseView]:
        """Cases of a kind by parent, in the order of opening."""
        ...

    def belonging(self, of_id: str, kind: str) -> list[CaseView]:
        """Cases of a kind by the act they belong to, in the order of opening."""
        ...

    def members(self, cohort_id: str) -> list[CaseView]:
        """The applications a cohort lists, in its order."""
        ...

    def acts(self, application_id: str, kind: str) -> list[CaseView]:
        """The cohorts of a kind that list the application on its present visit, in the order of opening."""
        ...

    def applications(self, stages: Sequence[str], owner: str) -> list[CaseView]:
        """All applications that stand in these stages; the count is owned by the phase of the stage `owner`."""
        ...

    def having(self, name: str, value: str, owner: str) -> list[CaseView]:
        """All applications whose searchable fact `name` is `value`; that set is owned by the phase of `owner`."""
        ...

    def private(self, commitment: str) -> str | None:
        """The value behind a commitment; None once it has been erased."""
        ...

    def secret(self) -> str:
        """128 fresh bits of chance, as hexadecimal text."""
        ...

    def reckon(self, period: Limit, start: datetime) -> Reckoning:
        """The end of a period under the round's calendar, zone and close of business."""
        ...

    def in_force(self) -> tuple[WorkingCalendar, ZoneInfo, time]:
        """The calendar, the zone and the close of business that the round goes by."""
        ...


@dataclass(frozen=True)
class Context(Generic[D, S]):
    """One step, seen from its case. Read-only; nothing it offers changes the world."""

    reads: Reads = field(repr=False)
    process: Process = field(repr=False)
    case: CaseView
    data: D
    """What was given, validated."""
    given: Mapping[str, Any]
    """What was given, as canonical values; a private field holds its commitment. What facts may be made of."""
    actor: Actor
    now: datetime
    """When the step takes effect: the reception of an act, or the due instant of a deadline."""
    received_at: datetime
    settings: S
    trigger: str = ""
    entered_late: bool = False
    """Whether it was received in time on paper and is entered only now (补录): its window may have closed since."""

    @property
    def parent(self) -> CaseView | None:
        """Who waits for this case."""
        return self.reads.case(self.case.parent) if self.case.parent else None

    @property
    def of(self) -> CaseView | None:
        """The act this case belongs to."""
        return self.reads.case(self.case.of) if self.case.of else None

    @property
    def round(self) -> CaseView:
        """The round."""
        return self.reads.case(self.case.round)

    def children(self, kind: type[Lifecycle], *states: State, of: CaseView | None = None) -> list[CaseView]:
        """The children of a kind: of an application, those of its present stage, and of its present visit to it."""
        found = self.reads.children(self.case.id, kind.kind)
        if self.case.kind == self.process.application.kind:
            found = [c for c in found if c.stage == self.case.stage]
            found = [c for c in found if kind.every_visit or c.visit == self.case.visit]
        if of is not None:
            found = [c for c in found if c.of == of.id]
        return _standing(found, states)

    def belonging(self, kind: type[Lifecycle], *states: State) -> list[CaseView]:
        """The cases of a kind that belong to this act."""
        return _standing(self.reads.belonging(self.case.id, kind.kind), states)

    def members(self, *states: State) -> list[CaseView]:
        """The applications this cohort lists; with `states`, those that stand in them, in the cohort's stage."""
        found = self.reads.members(self.case.id)
        wanted = {f"{self.case.stage}.{s.name}" for s in states}
        return [c for c in found if not wanted or c.state in wanted]

    def acts(self, kind: type[Cohort], *states: State) -> list[CaseView]:
        """The cohorts of a kind that list this application on its present visit to this stage."""
        found = [c for c in self.reads.acts(self.case.id, kind.kind) if c.stage == self.case.stage]
        return _standing(found, states)

    def applications(self, *states: State) -> list[CaseView]:
        """The applications that stand in these states of this stage; for the round, all of every stage."""
        if not self.case.stage:
            return self.reads.applications(self.process.stage_names, "")
        found = self.reads.applications((self.case.stage,), self.case.stage)
        wanted = {f"{self.case.stage}.{s.name}" for s in states}
        return [c for c in found if not wanted or c.state in wanted]

    def beyond(self) -> list[CaseView]:
        """The applications that have passed this stage and still hold a place: open further on, or chosen."""
        later = self.process.later_than(self.case.stage)
        return [c for c in self.reads.applications(later, self.case.stage) if self.holds_a_place(c)]

    def passed(self) -> list[CaseView]:
        """The applications that have gone beyond this stage, whatever became of them there."""
        return self.reads.applications(self.process.later_than(self.case.stage), self.case.stage)

    def having(self, name: str, value: str) -> list[CaseView]:
        """The applications of the round whose fact `name`, one of those that are `indexed`, is `value`.

        In whatever stage and state they stand, this one among them. It reads only these, however many there are.
        """
        return self.reads.having(name, value, self.process.stage_names[0])

    def holds_a_place(self, application: CaseView) -> bool:
        """Whether the application has passed this stage and is still on its way, or was chosen."""
        later = application.stage in self.process.later_than(self.case.stage)
        return later and (not self.is_final(application) or self.process.is_success(application))

    def is_final(self, case: CaseView) -> bool:
        """Whether the case has come to an end."""
        return self.process.is_final(case)

    def stands_in(self, case: CaseView, state: State) -> bool:
        """Whether the case stands in this state; for an application, of this case's stage."""
        name = f"{self.case.stage}.{state.name}" if case.kind == self.process.application.kind else state.name
        return case.state == name

    def private(self, key: str) -> str | None:
        """The private value behind the fact `key` of this case; None when there is none or it has been erased."""
        reference = self.case.facts.get(key)
        return self.reads.private(reference["private"]) if isinstance(reference, dict) else None

    def secret(self) -> str:
        """128 fresh bits of chance, as hexadecimal text; keep it with `Effects(secrets=…)`."""
        return self.reads.secret()

    def reckon(self, period: Limit, start: datetime | None = None) -> Reckoning:
        """The end of `period` from `start` (default: when the step takes effect), with its day-by-day reckoning."""
        return self.reads.reckon(period, start or self.now)

    def check_printed(
        self,
        *,
        dated_on: date,
        opens_at: datetime,
        closes_at: datetime,
        period: Period,
        minimum: Period | None = None,
        published_at: datetime | None = None,
        interruptions: Sequence[tuple[datetime, datetime | None]] = (),
    ) -> list[Anomaly]:
        """What is irregular in a printed window, each with the end that would cure it: `timing.check_printed`."""
        calendar, zone, hour = self.reads.in_force()
        return check_printed(
            dated_on=dated_on,
            published_at=published_at,
            opens_at=opens_at,
            closes_at=closes_at,
            period=period,
            calendar=calendar,
            zone=zone,
            close_of_business=hour,
            minimum=minimum,
            interruptions=interruptions,
        )

    @property
    def phase_window(self) -> PhaseWindow | None:
        """The window that this case's stage declares for its phase."""
        return self.process.phase_window(self.case.stage)


def _standing(cases: list[CaseView], states: tuple[State, ...]) -> list[CaseView]:
    wanted = {s.name for s in states}
    return [c for c in cases if not wanted or c.state in wanted]
