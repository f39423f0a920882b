"""What the parties of a round do next, as it stands: every stage, every kind of case, most ways through.

Everybody asks for what is possible, so that several clients ask for the same at one moment. A choice depends on the
case alone, and a key on the case and the act: two clients that mean the same ask for the same, under one key.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from ganchu_workflow import Actor, Role, Workflow
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.testing import (
    OFFICE,
    SUPERVISOR,
    authority,
    citizen,
    declaration_of,
    department,
    evidence,
    expert,
    firm,
    usual_plan,
)

CITIES = ("360100", "360700")
START = "2022-09-01T09:00:00+08:00"
FILING = {"ground": "情况不实(虚构)", "name": "公民一(虚构)", "contact": "地址(虚构)", "signed": True}
DECIDED = {"document": "虚构核〔1〕号", "finding": "查核结论(虚构)"}
Kinds = Mapping[str, Sequence[CaseView]]


def plan_of(code: str, size: int, start: str, closes: str, letters_close: str) -> dict[str, Any]:
    """A round of `size` declarations in which each authority may recommend all but one of its own."""
    quota = dict.fromkeys(CITIES, max(size // 2 - 1, 1))
    plan = usual_plan(
        code,
        self_declaration={"window": {"opens": start, "closes": closes}},
        local_recommendation={"window": {"opens": start, "closes": letters_close}, "quota": quota},
        announcement={"validity": "3 years", "grace": "60 calendar days, no roll"},
    )
    plan["stage"].insert(5, {"use": "deliberation", "on": {"sent_back": "expert_review"}})
    return plan | {"demonstration": False}


def chance(case: str, what: str, of: int) -> bool:
    """Whether this is the one case among `of` with which it goes so; every client says the same."""
    return int.from_bytes(sha256(f"{case}/{what}".encode()).digest()[:4], "big") % of == 0


def _short(what: object) -> str:
    return sha256(repr(what).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Intent:
    """An act that a client means to ask for, in a form that its ledger keeps."""

    key: str
    verb: str
    args: Sequence[Any]
    role: str
    scope: str = ""
    person: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    def kept(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return asdict(self)

    def ask(self, wf: Workflow) -> Receipt:
        """Ask for it."""
        actor = Actor(Role(self.role), self.scope, self.person)
        done: Receipt = getattr(wf, self.verb)(*self.args, actor=actor, key=self.key, **self.more)
        return done


def fire(case: CaseView, trigger: str, actor: Actor, note: str = "", **data: Any) -> Intent:
    key = f"{trigger}:{case.id}:{case.visit}{note}"
    return Intent(key, "fire", [case.id, trigger, data], actor.role.value, actor.scope, actor.person)


def opens(key: str, kind: str, actor: Actor, data: Mapping[str, Any], **more: Any) -> Intent:
    return Intent(key, "open", [kind, dict(data)], actor.role.value, actor.scope, actor.person, more)


class Story:
    """One round, as one of its clients sees it: the `number`th of `clients`."""

    def __init__(self, wf: Workflow, round_: str, size: int, number: int, clients: int) -> None:
        self.wf, self.round, self.size, self.number, self.clients = wf, round_, size, number, clients

    def possible(self) -> list[Intent]:
        """What may be asked for now."""
        kinds: dict[str, list[CaseView]] = {}
        for case in self.wf.cases(self.round):
            kinds.setdefault(case.kind, []).append(case)
        return [
            *self._declarations(),
            *(i for a in kinds.get("application", ()) for i in self._application(a, kinds)),
            *(i for kind in STEPS for case in kinds.get(kind, ()) for i in STEPS[kind](case, kinds)),
            *self._lists(kinds),
        ]

    def _mine(self, what: str) -> bool:
        """Whether it is for this client to open the lists of this kind: two would draw up two."""
        return int.from_bytes(sha256(f"{self.round}/{what}".encode()).digest()[:4], "big") % self.clients == self.number

    def _declarations(self) -> Iterator[Intent]:
        for n in range(self.number, self.size, self.clients):
            name, city = f"产品{n}", CITIES[n % len(CITIES)]
            given = declaration_of(name, city)
            yield opens(f"declare:{self.round}:{n}", "application", firm(name), given, round=self.round)

    def _application(self, a: CaseView, kinds: Kinds) -> Iterator[Intent]:
        name = a.facts["product"]
        match a.state:
            case "self_declaration.draft":
                if not chance(a.id, "forgets", 8):
                    yield fire(a, "submit", firm(name), truthful=True)
            case "self_declaration.submitted":
                if chance(a.id, "incomplete", 4) and not a.facts.get("corrections"):
                    yield fire(a, "return_for_correction", OFFICE, items=["检测报告"])
                else:
                    yield fire(a, "accept", OFFICE)
            case "self_declaration.correcting":
                if chance(a.id, "corrects", 2):
                    yield fire(a, "resubmit", firm(name), documents=[evidence("other", name)])
            case "qualification_check.checking":
                if chance(a.id, "unfit", 8):
                    yield fire(a, "disqualify", OFFICE, reason_code="accident", text="一年内有事故(虚构)")
                else:
                    yield fire(a, "qualify", OFFICE)
            case "deliberation.tabled":
                yield fire(a, "approve", OFFICE, document="虚构审〔1〕号")
            case "public_notice.showing":
                notices = [n for n in self.wf.cohorts(a.id, "notice") if n.state == "open"]
                if notices and chance(a.id, "objected", 3):
                    key, of = f"object:{a.id}", notices[-1].id
                    yield opens(key, "objection", citizen("一"), FILING, parent=a.id, of=of)

    def _lists(self, kinds: Kinds) -> Iterator[Intent]:
        """What is opened for several applications at once."""
        standing: dict[str, list[CaseView]] = {}
        for a in kinds.get("application", ()):
            standing.setdefault(a.state, []).append(a)
        for city in CITIES:
            waiting = [a for a in standing.get("local_recommendation.pending", ()) if a.facts["city"] == city]
            letters = [x for x in kinds.get("recommendation", ()) if x.parties[Role.LOCAL_AUTHORITY] == city]
            drafts = [x for x in letters if x.state == "draft"]
            if waiting and len(drafts) < 2:  # two at a time: they meet at the last place
                key = f"letter:{self.round}:{city}:{len(letters)}"
                yield opens(key, "recommendation", authority(city), {}, round=self.round)
            for letter in drafts:
                ranks = {a.id: n for n, a in enumerate(waiting[: 1 + chance(letter.id, "two", 2)], start=1)}
                note = f":{_short(ranks)}"
                if ranks:
                    yield fire(letter, "issue", authority(city), note, letter=f"虚构荐〔{letter.seq}〕号", ranks=ranks)
        for state, kind, data in LISTS:
            here = standing.get(state, [])
            if here and self._mine(kind):
                free = [a for a in here if not self._listed(a, kind)][:3]
                if free:
                    stage = state.partition(".")[0]
                    key = f"{kind}:{_short([(a.id, a.visit) for a in free])}"
                    yield opens(key, kind, OFFICE, data, members=[a.id for a in free], stage=stage)

    def _listed(self, a: CaseView, kind: str) -> bool:
        return bool(self.wf.cohorts(a.id, kind))


LISTS: Sequence[tuple[str, str, Mapping[str, Any]]] = (
    ("expert_review.grouping", "panel", {"pool": [f"expert-{n}" for n in range(1, 8)], "reserves": 3}),
    (
        "department_consultation.consulting",
        "consultation_letter",
        {"document": "虚构征〔1〕号", "departments": ["ENV", "TAX"], "silence_is_consent": True},
    ),
    ("public_notice.listed", "notice", {"title": "公示(虚构)", "dated_on": "2022-09-20"}),
    (
        "announcement.decided",
        "announcement_act",
        {"document": "虚构布〔1〕号", "issuers": ["甲厅(虚构)", "乙局(虚构)"], "dated_on": "2022-10-20"},
    ),
)
"""Where applications wait for a list, and what list."""


def _panel(case: CaseView, kinds: Kinds) -> Iterator[Intent]:
    if case.state == "forming":
        yield fire(case, "draw", SUPERVISOR, ballot="07-13-21", witness="公证员(虚构)")
    if case.state == "ready":
        yield fire(case, "begin", OFFICE, conflicts={})
    sheets = [s.state for s in kinds.get("sheet", ()) if s.of == case.id]
    if case.state == "scoring" and "assigned" not in sheets:
        yield fire(case, "rank", OFFICE)


def _seat(case: CaseView, kinds: Kinds) -> Iterator[Intent]:
    # Of the four that a panel may come to ask, one at least answers.
    if case.state == "invited" and case.parties[Role.EXPERT] not in ("expert-1", "expert-2", "expert-3"):
        yield fire(case, "accept", expert(case.parties[Role.EXPERT]))


def _sheet(case: CaseView, kinds: Kinds) -> Iterator[Intent]:
    if case.state == "assigned":
        scores = dict.fromkeys(("advanced", "quality", "benefit", "brand", "distinctive"), 80)
        yield fire(case, "score", expert(case.parties[Role.EXPERT]), scores=scores)


def _consultation(case: CaseView, kinds: Kinds) -> Iterator[Intent]:
    if case.state == "sent" and not chance(case.id, "silent", 3):
        yield fire(case, "agree", department(case.parties[Role.DEPARTMENT]), document="虚构复〔1〕号")


def _notice(case: CaseView, kinds: Kinds) -> Iterator[Intent]:
    if case.state == "drafted":
        yield fire(case, "publish", OFFICE)


def _objection(case: CaseView, kinds: Kinds) -> Iterator[Intent]:
    if case.state == "filed":
        if chance(case.id, "admissible", 2):
            yield fire(case, "admit", OFFICE)
        else:
            yield fire(case, "refuse", OFFICE, ground="no_evidence")
    if case.state == "investigating":
        yield fire(case, "uphold" if chance(case.id, "right", 3) else "dismiss", OFFICE, **DECIDED)


STEPS = {
    "panel": _panel,
    "seat": _seat,
    "sheet": _sheet,
    "consultation": _consultation,
    "notice": _notice,
    "objection": _objection,
}
