"""征求部门意见: who is asked, what a reply does, and what silence means."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from ganchu_stages.department_consultation import (
    Consultation,
    ConsultationLetter,
    Decision,
    DepartmentConsultation,
    DepartmentConsultationSettings,
    Letter,
    Opposition,
    Remark,
    Reply,
)
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.definition import StageInstance
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    START,
    Data,
    Lifecycle,
    NoSettings,
    PhaseWindow,
    Private,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.process.values import CaseView, Effects, Message, Open, Reversal
from ganchu_workflow.timing import Limit, Reckoning, WorkingCalendar, reckon
from tests.stages.searchable import Searchable

STAGE = "department_consultation"
SETTINGS = DepartmentConsultationSettings()
ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 9, 18, 16, 0, tzinfo=ZONE)
OFFICE = Actor(Role.OFFICE, person="p-1")


class First(Stage):
    """The shortest way into a plan."""

    name = "first"
    draft = State("草稿", owner=Role.APPLICANT, initial=True)
    declare = Transition(START, draft, by=Role.APPLICANT)
    submit = Transition(draft, PASSED, by=Role.APPLICANT)
    phase = PhaseWindow(at_close={draft: CARRY_ON})


@dataclass
class World(Searchable):
    """A round at a standstill: the reads of the process language over plain cases."""

    cases: dict[str, CaseView] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)

    def put(self, case_id: str, kind: str, state: str, **given: Any) -> CaseView:
        stage, _, bare = state.rpartition(".")
        # An application stands in the stage of its state; every other kind belongs to the stage under test.
        defaults: dict[str, Any] = {
            "state": state if kind == "application" else bare,
            "stage": (stage if kind == "application" else STAGE),
            "visit": 1,
            "round": "r",
            "parent": None,
            "of": None,
            "facts": {},
            "parties": {},
            "opened_at": NOW,
            "seq": 1,
            "head": "",
        }
        self.cases[case_id] = CaseView(id=case_id, kind=kind, **(defaults | given))
        return self.cases[case_id]

    def item(self, case_id: str, state: str, **given: Any) -> CaseView:
        facts = {"enterprise": f"{case_id}公司", "product": f"{case_id}产品", "city": "360100"}
        defaults = {"facts": facts, "parties": {Role.APPLICANT: f"e-{case_id}"}}
        return self.put(case_id, "application", state, **(defaults | given))

    def context(
        self, case: CaseView, data: Data | None = None, settings: BaseModel | None = None, now: datetime = NOW
    ) -> Context[Any, Any]:
        given = {} if data is None else data.model_dump(mode="json")
        fields = {} if data is None else type(data).model_fields
        given |= {name: {"private": f"~{name}"} for name, f in fields.items() if Private in f.metadata}
        return Context(self, PROCESS, case, data, given, OFFICE, now, now, settings or SETTINGS)

    def case(self, case_id: str) -> CaseView:
        return self.cases[case_id]

    def children(self, parent_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases.values() if (c.parent, c.kind) == (parent_id, kind)]

    def belonging(self, of_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases.values() if (c.of, c.kind) == (of_id, kind)]

    def members(self, cohort_id: str) -> list[CaseView]:
        return [self.cases[i] for i in self.lists.get(cohort_id, [])]

    def acts(self, application_id: str, kind: str) -> list[CaseView]:
        return [c for c in self.cases.values() if c.kind == kind and application_id in self.lists.get(c.id, [])]

    def applications(self, stages: Sequence[str], owner: str) -> list[CaseView]:
        return [c for c in self.cases.values() if c.kind == "application" and c.stage in stages]

    def private(self, commitment: str) -> str | None:
        return None

    def secret(self) -> str:
        return "0" * 32

    def reckon(self, period: Limit, start: datetime) -> Reckoning:
        calendar = WorkingCalendar.built_in()
        return reckon(period, start, calendar, zone=ZONE, close_of_business=time(17, 30))

    def in_force(self) -> tuple[WorkingCalendar, ZoneInfo, time]:
        return WorkingCalendar.built_in(), ZONE, time(17, 30)


def states_of(kind: str) -> dict[str, tuple[str, Role | None]]:
    """What each state is called, and who owns it; None: it is final."""
    return {name: (s.label, s.owner) for name, s in PROCESS.kind(kind).states.items()}


def edges_of(kind: str, stage: str = "") -> list[str]:
    """Each edge as `trigger: source → target (roles)`, in declaration order."""
    return [
        f"{e.trigger}: {_bare(e.source)} → {_bare(e.target)} ({'|'.join(sorted(e.by))})"
        for e in PROCESS.kind(kind).edges
        if e.stage == stage
    ]


def rules_of(lifecycle: type[Lifecycle]) -> dict[str, tuple[list[str], list[str]]]:
    """The guards and the effects of each transition that has any."""
    return {
        name: ([r.id for r in t.guards], [r.id for r in t.effects])
        for name, t in lifecycle.parts(Transition).items()
        if t.guards or t.effects
    }


def _bare(state: str | None) -> str:
    return "∅" if state is None else state


def next_move(world: World, item: CaseView) -> str | None:
    """The automatic transition that the item would make now."""
    ctx = world.context(item)
    edges = PROCESS.application.automatic_from.get(item.state, ())
    return next((e.trigger for e in edges if e.transition.when and e.transition.when.holds(ctx)), None)


class Last(Stage):
    """The shortest way out of a plan."""

    name = "last"
    arrived = State("已到", owner=Role.OFFICE, initial=True)
    gone = State("已毕", final=True)
    finish = Transition(arrived, gone, by=Role.OFFICE)
    phase = PhaseWindow(at_close={arrived: CARRY_ON})


PROCESS = define(
    [
        StageInstance("first", First(), NoSettings()),
        StageInstance(STAGE, DepartmentConsultation(), SETTINGS),
        StageInstance("last", Last(), NoSettings()),
    ],
    CORE_KINDS,
)
DUE = "2026-09-24T09:30:00.000000Z"
"""Five working days from Friday 2026-09-18: the Sunday after it is a make-up day, and the end is 17:30 in Jiangxi."""


def letter_of(world: World, *members: str, **data: Any) -> Context[Any, Any]:
    world.lists["l-2"] = list(members)
    case = world.put("l-2", "consultation_letter", "sent")
    return world.context(case, Letter(**({"document": "赣工信科函1", "departments": ["hb", "sw"]} | data)))


def consultation(world: World, state: str = "sent", **given: Any) -> CaseView:
    facts = {"department": "hb", "due_at": DUE}
    return world.put("c", "consultation", state, **({"parent": "a", "of": "l-1", "facts": facts} | given))


# ── the definition ──


def test_application_waits_for_replies_or_a_decision_and_the_office_owns_the_wait() -> None:
    own = {n: s for n, s in states_of("application").items() if n.startswith(STAGE)}
    assert own == {
        f"{STAGE}.consulting": ("征求意见中", Role.OFFICE),
        f"{STAGE}.objected": ("部门有不同意见", Role.OFFICE),
        f"{STAGE}.rejected": ("不予通过", None),
    }
    assert edges_of("application", STAGE) == [
        f"withdraw: {STAGE}.consulting → withdrawn (applicant)",
        f"withdraw: {STAGE}.objected → withdrawn (applicant)",
        f"call_off: {STAGE}.consulting → called_off (engine)",
        f"call_off: {STAGE}.objected → called_off (engine)",
        f"object: {STAGE}.consulting → {STAGE}.objected (engine)",
        f"clear: {STAGE}.consulting → last.arrived (engine)",
        f"proceed: {STAGE}.consulting → last.arrived (office)",
        f"override: {STAGE}.objected → last.arrived (office)",
        f"reject: {STAGE}.objected → {STAGE}.rejected (office)",
    ]
    assert {s.name: fate for s, fate in DepartmentConsultation.phase.at_close.items()} == {
        "consulting": CARRY_ON,
        "objected": CARRY_ON,
    }


def test_consultation_is_answered_by_its_department_or_by_silence() -> None:
    assert states_of("consultation") == {
        "sent": ("已发函", Role.DEPARTMENT),
        "no_reply": ("逾期未反馈", Role.OFFICE),
        "no_objection": ("无意见", None),
        "remark": ("有意见但不反对", None),
        "objects": ("不同意", None),
        "not_our_remit": ("不涉及", None),
        "deemed": ("视为无意见", None),
        "moot": ("不再征求", None),
    }
    assert edges_of("consultation") == [
        "open: ∅ → sent (engine)",
        "agree: sent → no_objection (department)",
        "agree: no_reply → no_objection (department)",
        "note: sent → remark (department)",
        "note: no_reply → remark (department)",
        "not_ours: sent → not_our_remit (department)",
        "not_ours: no_reply → not_our_remit (department)",
        "oppose: sent → objects (department)",
        "oppose: no_reply → objects (department)",
        "lapse: sent → no_reply (clock)",
        "remind: no_reply → no_reply (office)",
        "deem: no_reply → deemed (engine)",
        "orphaned: sent → moot (engine)",
        "orphaned: no_reply → moot (engine)",
        "oppose_late: deemed → objects (department)",
        "oppose_late: no_objection → objects (department)",
        "oppose_late: remark → objects (department)",
        "oppose_late: not_our_remit → objects (department)",
        "oppose_late: moot → objects (department)",
    ]
    assert [(t.name, str(t.deadline.rule), set(t.runs_in)) for t in PROCESS.kind("consultation").timers] == [
        ("due", "fact:due_at", {"sent"})
    ]


def test_letter_is_sent_once_and_final() -> None:
    assert states_of("consultation_letter") == {"sent": ("已发函", None)}
    assert edges_of("consultation_letter") == ["send: ∅ → sent (office)"]


def test_rules_are_bound_to_their_transitions() -> None:
    assert rules_of(ConsultationLetter) == {
        "send": (["items_are_here", "departments_once", "not_yet_asked", "end_lies_ahead"], ["ask_each_about_each"])
    }
    assert rules_of(DepartmentConsultation) == {"proceed": (["only_silence_is_left"], ["keep_the_decision"])}
    assert rules_of(Consultation) == {
        "agree": ([], ["keep_the_reply"]),
        "note": ([], ["keep_the_reply"]),
        "not_ours": ([], ["keep_the_reply"]),
        "oppose": ([], ["keep_the_reply", "tell_the_office"]),
        "lapse": ([], ["report_silence"]),
        "remind": ([], ["ask_again"]),
        "oppose_late": ([], ["keep_the_reply", "raise_the_alarm"]),
    }


def test_default_reply_time_is_a_setting() -> None:
    assert DepartmentConsultationSettings().model_dump(mode="json") == {"reply": "5 working days"}


# ── the letter ──


def test_letter_opens_one_consultation_for_each_item_and_department() -> None:
    world = World()
    a, b = world.item("a", f"{STAGE}.consulting"), world.item("b", f"{STAGE}.consulting")
    ctx = letter_of(world, "a", "b", silence_is_consent=True)
    body = {"document": "赣工信科函1", "due_at": DUE, "silence_is_consent": True, "items": 2}

    assert [g.function(ConsultationLetter(), ctx) for g in ConsultationLetter.send.guards] == [None] * 4
    assert ConsultationLetter().ask_each_about_each(ctx) == Effects(
        facts={
            "document": "赣工信科函1",
            "departments": ["hb", "sw"],
            "silence_is_consent": True,
            "due_at": DUE,
            "rule": "5 working days",
            "calendar": WorkingCalendar.built_in().version,
        },
        open=[
            Open(
                Consultation,
                parent=item,
                of=ctx.case,
                facts={"department": department, "due_at": DUE},
                parties={Role.DEPARTMENT: department},
            )
            for item in (a, b)
            for department in ("hb", "sw")
        ],
        tell=[
            Message("opinion_requested", to=Role.DEPARTMENT, scope="hb", body=body),
            Message("opinion_requested", to=Role.DEPARTMENT, scope="sw", body=body),
        ],
    )


def test_printed_end_stands_as_printed() -> None:
    world = World()
    world.item("a", f"{STAGE}.consulting")
    ctx = letter_of(world, "a", departments=["hb"], due_at=NOW + timedelta(days=1))

    assert ConsultationLetter().ask_each_about_each(ctx).facts == {
        "document": "赣工信科函1",
        "departments": ["hb"],
        "silence_is_consent": False,
        "due_at": "2026-09-19T08:00:00.000000Z",
    }


def test_letter_about_nothing_is_refused() -> None:
    assert ConsultationLetter().items_are_here(letter_of(World())) == Refusal(
        "no_members", "征求意见函未列任何申报项", "the letter lists no application"
    )


def test_letter_about_an_item_elsewhere_is_refused() -> None:
    world = World()
    world.item("a", f"{STAGE}.consulting")
    world.item("b", f"{STAGE}.objected")
    world.item("c", "last.arrived")

    assert ConsultationLetter().items_are_here(letter_of(world, "a", "b", "c")) == Refusal(
        "member_not_here",
        "有2项不在征求意见环节",
        "2 application(s) are not being consulted on",
        {"cases": ["b", "c"]},
    )


def test_letter_that_asks_a_department_twice_is_refused() -> None:
    ctx = letter_of(World(), departments=["hb", "sw", "hb"])

    assert ConsultationLetter().departments_once(ctx) == Refusal(
        "department_twice", "部门重复:hb", "the letter asks a department twice: hb", {"departments": ["hb"]}
    )


def test_letter_that_asks_nobody_is_no_letter() -> None:
    with pytest.raises(ValidationError, match="departments"):
        Letter(document="1", departments=[])


@pytest.mark.parametrize("state", ["sent", "no_reply"])
def test_department_with_an_answer_outstanding_is_not_asked_again(state: str) -> None:
    world = World()
    world.item("a", f"{STAGE}.consulting")
    consultation(world, state)

    assert ConsultationLetter().not_yet_asked(letter_of(world, "a")) == Refusal(
        "already_asked",
        "有1项已向同一部门发函且尚未答复",
        "1 time(s) the department has been asked about the item and has not answered yet",
        {"outstanding": [["a", "hb"]]},
    )


@pytest.mark.parametrize(
    "given", [{"state": "remark"}, {"visit": 2}, {"stage": "elsewhere"}, {"facts": {"department": "yj"}}]
)
def test_department_is_asked_again_once_it_has_answered_or_about_another_visit(given: dict[str, Any]) -> None:
    world = World()
    world.item("a", f"{STAGE}.consulting")
    consultation(world, **given)

    assert ConsultationLetter().not_yet_asked(letter_of(world, "a")) is None


@pytest.mark.parametrize(("ahead", "code"), [(timedelta(0), "end_not_later"), (timedelta(microseconds=1), None)])
def test_printed_end_lies_ahead(ahead: timedelta, code: str | None) -> None:
    refusal = ConsultationLetter().end_lies_ahead(letter_of(World(), due_at=NOW + ahead))

    expected = Refusal(
        "end_not_later",
        "反馈截止时间必须晚于现在",
        "the end printed for replies must be later than now",
        {"due_at": "2026-09-18T08:00:00.000000Z"},
    )
    assert refusal == (expected if code else None)


# ── a reply ──


@pytest.mark.parametrize(("past", "late"), [(timedelta(0), False), (timedelta(microseconds=1), True)])
@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (Reply(document="环函1"), {}),
        (Remark(document="环函1", remark="注意排放"), {"remark": {"private": "~remark"}}),
        (Opposition(document="环函1", ground="有处罚"), {"ground": {"private": "~ground"}}),
        (Reversal(document="环函1", reason="新发现"), {"reason": {"private": "~reason"}}),
    ],
)
def test_reply_is_kept_and_flagged_when_late(data: Data, kept: dict[str, Any], past: timedelta, late: bool) -> None:
    world = World()
    now = from_text(DUE) + past

    assert Consultation().keep_the_reply(world.context(consultation(world), data, now=now)) == Effects(
        facts={"document": "环函1", "replied_at": to_text(now), "late": late, **kept}
    )


ABOUT = {"item": "a", "department": "hb", "due_at": DUE}


def test_opposition_is_told_to_the_office_alone() -> None:
    world = World()
    ctx = world.context(consultation(world), Opposition(document="环函1", ground="有处罚"))

    assert Consultation().tell_the_office(ctx) == Effects(
        tell=[Message("department_objects", to=Role.OFFICE, body=ABOUT)]
    )


@pytest.mark.parametrize("standing", [f"{STAGE}.consulting", "last.gone"])
def test_late_opposition_alarms_office_and_supervisor_wherever_the_item_stands(standing: str) -> None:
    world = World()
    world.item("a", standing)
    ctx = world.context(consultation(world, "deemed"), Reversal(document="环函1", reason="新发现"))
    body = {**ABOUT, "standing": standing}

    assert Consultation().raise_the_alarm(ctx) == Effects(
        tell=[
            Message("late_objection", to=Role.OFFICE, body=body),
            Message("late_objection", to=Role.SUPERVISOR, body=body),
        ]
    )


def test_silence_is_reported_to_the_office_and_a_reminder_goes_to_the_department() -> None:
    world = World()
    for consent in (False, True):
        world.put("l-1", "consultation_letter", "sent", facts={"silence_is_consent": consent})
        ctx = world.context(consultation(world))
        assert Consultation().report_silence(ctx) == Effects(
            tell=[Message("no_reply", to=Role.OFFICE, body={**ABOUT, "silence_is_consent": consent})]
        )
    assert Consultation().ask_again(ctx) == Effects(tell=[Message("reply_reminder", to=Role.DEPARTMENT, body=ABOUT)])


@pytest.mark.parametrize("stated", [True, False])
def test_silence_is_deemed_consent_only_if_the_letter_said_so(stated: bool) -> None:
    world = World()
    world.put("l-1", "consultation_letter", "sent", facts={"silence_is_consent": stated})
    condition = Consultation.deem.when

    assert condition is not None
    assert condition.holds(world.context(consultation(world, "no_reply"))) is stated


@pytest.mark.parametrize(
    ("answers", "moves"),
    [
        ([], None),
        (["sent", "no_objection"], None),
        (["no_reply", "no_objection"], None),
        (["no_objection", "remark", "not_our_remit", "deemed"], "clear"),
        (["sent", "objects"], "object"),
        (["no_objection", "objects"], "object"),
    ],
)
def test_application_moves_by_its_departments_answers(answers: list[str], moves: str | None) -> None:
    world = World()
    item = world.item("a", f"{STAGE}.consulting")
    for place, state in enumerate(answers):
        world.put(f"c-{place}", "consultation", state, parent="a")

    assert next_move(world, item) == moves


def test_answers_of_an_earlier_visit_do_not_count() -> None:
    world = World()
    item = world.item("a", f"{STAGE}.consulting", visit=2)
    world.put("c-1", "consultation", "objects", parent="a")
    world.put("c-2", "consultation", "no_objection", parent="a", visit=2)

    assert next_move(world, item) == "clear"


# ── going on without a silent department ──


def proceeding(answers: dict[str, str], **given: Any) -> Context[Any, Any]:
    """The office goes on about an item of which these departments have answered so."""
    world = World()
    item = world.item("a", f"{STAGE}.consulting", **given)
    for department, state in answers.items():
        world.put(f"c-{department}", "consultation", state, parent="a", facts={"department": department})
    return world.context(item, Decision(document="赣工信科2", reason="逾期未反馈"))


@pytest.mark.parametrize(
    ("answers", "code", "detail"),
    [
        ({"hb": "no_reply"}, None, None),
        ({"hb": "no_reply", "sw": "no_objection"}, None, None),
        ({"hb": "no_reply", "sw": "sent"}, "replies_running", {"departments": ["sw"]}),
        ({"hb": "sent"}, "replies_running", {"departments": ["hb"]}),
        ({}, "nobody_asked", {}),
    ],
)
def test_office_goes_on_only_when_nothing_but_silence_is_left(
    answers: dict[str, str], code: str | None, detail: dict[str, Any] | None
) -> None:
    refusal = DepartmentConsultation().only_silence_is_left(proceeding(answers))

    assert (refusal and refusal.code, refusal and refusal.detail) == (code, detail)


def test_departments_asked_on_an_earlier_visit_are_not_asked_on_this_one() -> None:
    refusal = DepartmentConsultation().only_silence_is_left(proceeding({"hb": "no_reply"}, visit=2))

    assert refusal == Refusal(
        "nobody_asked", "尚未就该项征求部门意见", "no department has been asked about the item yet"
    )


def test_decision_to_go_on_names_whom_it_goes_on_without_and_their_questions_are_moot() -> None:
    ctx = proceeding({"hb": "no_reply", "sw": "no_objection"})

    assert DepartmentConsultation().keep_the_decision(ctx) == Effects(
        facts={"proceeded": {"document": "赣工信科2", "reason": {"private": "~reason"}, "without": ["hb"]}}
    )
    assert Consultation.orphaned.name == "orphaned"
    assert PROCESS.kind("consultation").find("no_reply", "orphaned")[0].target == "moot"


@pytest.mark.parametrize("model", [Remark, Opposition, Decision])
def test_free_text_is_private_and_required(model: type[BaseModel]) -> None:
    private = [name for name, f in model.model_fields.items() if Private in f.metadata]

    assert len(private) == 1
    with pytest.raises(ValidationError, match=private[0]):
        model(document="1")
