"""A round as a script: who acts, what they do, and a time that moves only when it is told to.

The same script runs on a simulated clock or, under freezegun, on the library's own `SystemClock`. Applications go by
the name of their product; every enterprise, office and document is invented.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pytest
from freezegun.api import FrozenDateTimeFactory

from ganchu_stages.credit_code import check_character, organisation_check_character
from ganchu_stages.scoring_rules import DIMENSIONS
from ganchu_workflow import (
    Actor,
    CaseView,
    Clock,
    Receipt,
    Refusal,
    Refused,
    Registry,
    Role,
    SimulatedClock,
    SystemClock,
    Workflow,
)
from ganchu_workflow.clock import MICROSECOND, from_text

# Found here and not by the workflow: a pydantic model that is first built under freezegun breaks all later ones.
REGISTRY = Registry.discover()
ZONE = ZoneInfo("Asia/Shanghai")

OFFICE = Actor(Role.OFFICE, person="office-1")
SUPERVISOR = Actor(Role.SUPERVISOR, person="supervisor-1")
NANCHANG = Actor(Role.LOCAL_AUTHORITY, "360100", "nanchang-1")
GANZHOU = Actor(Role.LOCAL_AUTHORITY, "360700", "ganzhou-1")
ENVIRONMENT = Actor(Role.DEPARTMENT, "ENV", "environment-1")
TAX = Actor(Role.DEPARTMENT, "TAX", "tax-1")
POOL = [f"expert-{n}" for n in range(1, 10)]

Case = str | Receipt | CaseView
"""An application by its name, or any case by its id, its view or its receipt."""
Step = tuple[str, str | None, str]
"""An event as (trigger, source, target)."""


def firm(name: str) -> Actor:
    """The enterprise that declares this product."""
    return Actor(Role.APPLICANT, f"firm-{name}", f"operator-{name}")


def citizen(name: str) -> Actor:
    """Somebody of the public."""
    return Actor(Role.PUBLIC, f"citizen-{name}")


def expert(reference: str) -> Actor:
    """An expert of the pool."""
    return Actor(Role.EXPERT, reference, reference)


def local(text: str) -> datetime:
    """The instant that a local time of the office means."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def shown(text: str) -> str:
    """A recorded instant as the office reads it: `2022-10-10 17:30`, with seconds only where it has any."""
    return from_text(text).astimezone(ZONE).replace(tzinfo=None).isoformat(" ").removesuffix(":00")


def refusal_of(act: Callable[[], object]) -> Refusal:
    """Why an act is refused; it must be."""
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.refusal


def code_of(act: Callable[[], object]) -> str:
    """The code with which an act is refused; it must be."""
    return refusal_of(act).code


def credit_code_of(name: str) -> str:
    """A sound credit code of this product's enterprise, registered in 南昌."""
    organisation = f"MA{int(sha256(name.encode()).hexdigest(), 16) % 10**6:06}"
    front = f"91360100{organisation}{organisation_check_character(organisation)}"
    return front + check_character(front)


def evidence(kind: str, name: str) -> dict[str, str]:
    """A document of an application's file."""
    return {"kind": kind, "name": f"{name}-{kind}", "sha256": sha256(name.encode()).hexdigest(), "uri": f"oa:{name}"}


def declaration_of(name: str, by: Actor = NANCHANG) -> dict[str, Any]:
    """What the enterprise declares of its product."""
    code = credit_code_of(name)
    return {
        "enterprise": f"{name}有限公司",
        "credit_code": code,
        "product": name,
        "city": by.scope,
        "recommender": by.scope,
        "trademark": {"number": f"TM-{code[-4:]}", "owner": code},
        "contact": f"{name}联系人 0791-0000000",
        "documents": [evidence("trademark_certificate", name)],
    }


def plan_of(code: str, *, notice_twice: bool = False, **settings: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of all seven stages and the deliberation; with `notice_twice` also a `local_notice`,
    between declaration and recommendation.

    `settings` are those of the stages, by name. Where a test does not care, quota and places are ample and a panel has
    one expert.
    """
    stages: list[dict[str, Any]] = [
        {"use": "self_declaration"},
        *([{"use": "public_notice", "as": "local_notice"}] if notice_twice else []),
        {"use": "local_recommendation", "quota": {"360100": 20, "360700": 20}},
        {"use": "qualification_check"},
        {"use": "expert_review", "places": 20, "panel_size": 1, "panel_size_min": 1},
        {"use": "department_consultation"},
        {"use": "deliberation", "on": {"sent_back": "expert_review"}},
        {"use": "public_notice"},
        {"use": "announcement"},
    ]
    for stage in stages:
        stage |= settings.get(stage.get("as", stage["use"]), {})
    return {"title": f"评选 {code}", "code": code, "stage": stages}


class Time(Protocol):
    """A clock, and the hand that moves it."""

    clock: Clock

    def move_to(self, instant: datetime) -> None:
        """Move the clock."""


class SimulatedTime:
    """The library's simulated clock."""

    def __init__(self, start: str) -> None:
        self._clock = SimulatedClock(local(start))
        self.clock: Clock = self._clock

    def move_to(self, instant: datetime) -> None:
        self._clock.move_to(instant)


class FrozenTime:
    """The machine's own clock, which freezegun holds still."""

    def __init__(self, frozen: FrozenDateTimeFactory) -> None:
        self._frozen = frozen
        self.clock: Clock = SystemClock()

    def move_to(self, instant: datetime) -> None:
        self._frozen.move_to(instant)


class RoundScript:
    """One round, opened and started: each method is one act through the facade, or acts that go together."""

    def __init__(self, wf: Workflow, time: Time, plan: Mapping[str, Any], *, start: bool = True) -> None:
        self.wf = wf
        self.time = time
        self.apps: dict[str, str] = {}
        """Name → id of the application."""
        self.round = wf.open_round(plan, actor=OFFICE).case_id
        self.process = wf.process(self.round)
        if start:
            self.fire(self.round, "start", OFFICE)

    # ── time ──

    @property
    def now(self) -> datetime:
        return self.time.clock.now()

    def at(self, instant: str | datetime, *, tick: bool = True) -> None:
        """Move to an instant. On the way each deadline fires, one microsecond after it has run out."""
        goal = local(instant) if isinstance(instant, str) else instant
        while tick and (due := self.wf.next_due()) is not None and due < goal:
            self.time.move_to(max(due + MICROSECOND, self.now))
            assert self.wf.tick().refused == ()
        self.time.move_to(goal)

    def later(self, **by: int) -> None:
        """Move on by so many hours, days …"""
        self.at(self.now + timedelta(**by))

    def past_next_due(self) -> None:
        """Move one microsecond past the nearest deadline, which fires."""
        due = self.wf.next_due()
        assert due is not None
        self.at(due + MICROSECOND)

    def past(self, case: Case, fact: str) -> None:
        """Move one microsecond past the instant that a fact of the case holds; what is due by then fires."""
        self.at(from_text(self.facts(case)[fact]) + MICROSECOND)

    # ── any act ──

    def open(
        self,
        kind: str,
        actor: Actor,
        members: Sequence[str] = (),
        /,
        *,
        parent: Case | None = None,
        of: Case | None = None,
        stage: str = "",
        **data: Any,
    ) -> Receipt:
        """Open a case."""
        return self.wf.open(
            kind,
            data,
            actor=actor,
            round=self.round,
            parent=self.id(parent) if parent is not None else None,
            of=self.id(of) if of is not None else None,
            stage=stage,
            members=[self.id(m) for m in members],
        )

    def fire(self, case: Case, trigger: str, actor: Actor, /, **data: Any) -> Receipt:
        """Fire a trigger on a case."""
        return self.wf.fire(self.id(case), trigger, data, actor=actor)

    def fire_each(self, names: Sequence[str], trigger: str, actor: Actor, /, **data: Any) -> None:
        """Fire the same trigger on several applications."""
        for name in names:
            self.fire(name, trigger, actor, **data)

    # ── what stands where ──

    def id(self, case: Case) -> str:
        if isinstance(case, str):
            return self.apps.get(case, case)
        return case.case_id if isinstance(case, Receipt) else case.id

    def case(self, case: Case) -> CaseView:
        return self.wf.case(self.id(case))

    def state(self, case: Case) -> str:
        return self.case(case).state

    def facts(self, case: Case) -> Mapping[str, Any]:
        return self.case(case).facts

    def states(self) -> dict[str, str]:
        """Where every application of the round stands."""
        found = {c.id: c.state for c in self.wf.cases(self.round, "application")}
        return {name: found.pop(i) for name, i in self.apps.items()} | found

    def steps(self, case: Case) -> list[Step]:
        """The history of a case."""
        return [(e["trigger"], e["source"], e["target"]) for e in self.wf.history(self.id(case))]

    def children(self, case: Case, kind: str, state: str | None = None) -> list[CaseView]:
        return self.wf.cases(self.round, kind, state, parent=self.id(case))

    def phase(self, stage: str) -> CaseView:
        """The phase of a stage."""
        return next(p for p in self.wf.cases(self.round, "phase") if p.stage == stage)

    def told(self, role: Role, scope: str = "") -> list[str]:
        """The kinds of message that a role has been told, oldest first; with `scope`, one party of it."""
        to = f"{role.value}:{scope}" if scope else role.value
        return [m["message"] for m in self.wf.messages(self.round) if m["recipient"] == to]

    # ── the acts of a round ──

    def draft(self, *names: str, by: Actor = NANCHANG, **changed: Any) -> None:
        """Each enterprise declares its product; it stays a draft."""
        for name in names:
            data = declaration_of(name, by) | changed
            self.apps[name] = self.open("application", firm(name), **data).case_id

    def declare(self, *names: str, by: Actor = NANCHANG) -> None:
        """Each enterprise declares its product and submits it."""
        self.draft(*names, by=by)
        for name in names:
            self.fire(name, "submit", firm(name), truthful=True)

    def recommend(self, by: Actor, *names: str, letter: str = "工信函〔1〕号") -> Receipt:
        """A local authority draws up and issues a letter that ranks these applications as they are named."""
        drawn_up = self.open("recommendation", by)
        ranks = {self.id(name): rank for rank, name in enumerate(names, start=1)}
        self.fire(drawn_up, "issue", by, letter=letter, ranks=ranks)
        return drawn_up

    def convene(self, *names: str, **more: Any) -> Receipt:
        """A panel is convened and drawn; its experts have been invited."""
        panel = self.open("panel", OFFICE, names, **{"pool": POOL} | more)
        self.fire(panel, "draw", SUPERVISOR, ballot="07-13-21", witness="公证员")
        return panel

    def staff(self, panel: Case) -> None:
        """Whoever has been invited accepts."""
        for seat in self.children(panel, "seat", "invited"):
            self.fire(seat, "accept", expert(seat.parties[Role.EXPERT]))

    def panel(self, *names: str, conflicts: Mapping[str, Sequence[str]] | None = None, **more: Any) -> Receipt:
        """A panel that has begun: every application has its sheets."""
        panel = self.convene(*names, **more)
        self.staff(panel)
        self.fire(panel, "begin", OFFICE, conflicts={self.id(n): list(e) for n, e in (conflicts or {}).items()})
        return panel

    def sheets(self, name: str, state: str | None = None) -> list[CaseView]:
        """The sheets of an application from its present panel, in the order of the experts' references."""
        panel = self.facts(name)["panel"]["expert_review"]
        sheets = [s for s in self.children(name, "sheet", state) if s.of == panel]
        return sorted(sheets, key=lambda s: s.parties[Role.EXPERT])

    def score(self, name: str, *totals: int) -> None:
        """One total for each sheet of the application, in their order."""
        for sheet, total in zip(self.sheets(name, "assigned"), totals, strict=True):
            scores = dict.fromkeys(DIMENSIONS, total)
            self.fire(sheet, "score", expert(sheet.parties[Role.EXPERT]), scores=scores)

    def recuse_late(self, sheet: CaseView) -> None:
        """A conflict is found after the expert has scored."""
        self.fire(sheet, "recuse_late", SUPERVISOR, document="监〔1〕号", reason="事后发现", ground="三年内任顾问")

    def consult(
        self, *names: str, departments: Sequence[Actor] = (ENVIRONMENT, TAX), document: str = "征〔1〕号", **more: Any
    ) -> Receipt:
        """A consultation letter goes out."""
        asked = [d.scope for d in departments]
        return self.open("consultation_letter", OFFICE, names, document=document, departments=asked, **more)

    def consultation(self, name: str, department: Actor) -> CaseView:
        """The latest consultation of a department about an application."""
        asked = self.children(name, "consultation")
        return [c for c in asked if c.parties[Role.DEPARTMENT] == department.scope][-1]

    def reply(self, name: str, department: Actor, trigger: str = "agree", **more: Any) -> Receipt:
        """A department replies, under a number of its own."""
        asked = self.consultation(name, department)
        return self.fire(asked, trigger, department, **{"document": f"{department.scope}〔1〕号"} | more)

    def notice(self, *names: str, title: str = "公示", stage: str = "public_notice", **printed: Any) -> Receipt:
        """A notice of these applications is drafted and published at once."""
        drafted = self.draft_notice(*names, title=title, stage=stage)
        self.fire(drafted, "publish", OFFICE, **printed)
        return drafted

    def draft_notice(self, *names: str, title: str = "公示", stage: str = "public_notice") -> Receipt:
        """A notice of these applications is drafted."""
        today = self.now.astimezone(ZONE).date().isoformat()
        return self.open("notice", OFFICE, names, stage=stage, title=title, dated_on=today)

    def object(self, name: str, notice: Case, who: str = "一", **more: Any) -> Receipt:
        """Somebody of the public objects to an application, under their name."""
        filing: dict[str, Any] = {
            "ground": f"{name}不实的说明",
            "name": f"公民{who}",
            "contact": "地址",
            "signed": True,
        } | more
        return self.open("objection", citizen(who), parent=name, of=notice, **filing)

    def announce(self, *names: str, document: str = "联合公布〔1〕号") -> Receipt:
        """One document announces these applications."""
        today = self.now.astimezone(ZONE).date().isoformat()
        return self.open("announcement_act", OFFICE, names, document=document, issuers=["甲厅", "乙局"], dated_on=today)

    def recognition(self, name: str) -> CaseView:
        """The recognition that an announced application has been given."""
        return self.children(name, "recognition")[0]

    # ── the shortest way ──

    def carry(self, *names: str, to: str, by: Actor = NANCHANG) -> None:
        """Bring applications to a stage by the shortest way, all from where the first stands; declare new ones."""
        if names[0] not in self.apps:
            self.draft(*names, by=by)
        while (stage := self.case(names[0]).stage) != to:
            ways[self.process.stage(stage).stage.name](self, stage, names)


Way = Callable[[RoundScript, str, Sequence[str]], None]


def _declared(script: RoundScript, stage: str, names: Sequence[str]) -> None:
    for name in names:
        script.fire(name, "submit", firm(name), truthful=True)
    script.fire_each(names, "accept", OFFICE)


def _recommended(script: RoundScript, stage: str, names: Sequence[str]) -> None:
    city = script.case(names[0]).parties[Role.LOCAL_AUTHORITY]
    script.recommend(NANCHANG if city == NANCHANG.scope else GANZHOU, *names)


def _qualified(script: RoundScript, stage: str, names: Sequence[str]) -> None:
    script.fire_each(names, "qualify", OFFICE)


def _reviewed(script: RoundScript, stage: str, names: Sequence[str]) -> None:
    panel = script.panel(*names)
    for place, name in enumerate(names):
        script.score(name, *[99 - place] * len(script.sheets(name)))
    script.fire(panel, "rank", OFFICE)


def _consulted(script: RoundScript, stage: str, names: Sequence[str]) -> None:
    script.consult(*names, departments=[ENVIRONMENT])
    for name in names:
        script.reply(name, ENVIRONMENT)


def _approved(script: RoundScript, stage: str, names: Sequence[str]) -> None:
    script.fire_each(names, "approve", OFFICE, document="审〔1〕号")


def _shown(script: RoundScript, stage: str, names: Sequence[str]) -> None:
    script.past(script.notice(*names, stage=stage), "closes_at")


ways: Mapping[str, Way] = {
    "self_declaration": _declared,
    "local_recommendation": _recommended,
    "qualification_check": _qualified,
    "expert_review": _reviewed,
    "department_consultation": _consulted,
    "deliberation": _approved,
    "public_notice": _shown,
}
"""What takes applications through a stage, by the stage's name."""
