"""公布 and 认定: everything public at once, and what outlives the round."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from ganchu_stages.announcement import Announced, Announcement, AnnouncementAct, AnnouncementSettings, Publication
from ganchu_stages.recognition import (
    Decision,
    Document,
    NewName,
    Notification,
    Recognition,
    Renunciation,
    Revocation,
    Statement,
)
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import digest_of
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
from ganchu_workflow.process.rounds import CORE_KINDS, Ground, Round
from ganchu_workflow.process.values import CaseView, Effects, Fire, Message, Open
from ganchu_workflow.timing import Limit, Reckoning, WorkingCalendar, reckon
from tests.stages.searchable import Searchable

STAGE = "announcement"
SETTINGS = AnnouncementSettings()
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
        f"{'补录 ' if e.late else ''}{e.trigger}: {_bare(e.source)} → {_bare(e.target)} ({'|'.join(sorted(e.by))})"
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


PROCESS = define(
    [StageInstance("first", First(), NoSettings()), StageInstance(STAGE, Announcement(), SETTINGS)], CORE_KINDS
)
ANNOUNCED_AT = "2026-09-18T08:00:00.000000Z"
GIVEN = Publication(document="赣工信科字1", issuers=["省工信厅", "省市场监管局"], dated_on=date(2026, 9, 17))
NUMBER = {"number": "GCJP-001"}
DOCUMENT = Document(document="决定1")


def act(world: World, *members: str, round_is: str = "running", settings: BaseModel = SETTINGS) -> Context[Any, Any]:
    world.put("r", "round", round_is, facts={"code": "GCJP"})
    world.lists["act"] = list(members)
    return world.context(world.put("act", "announcement_act", "published"), GIVEN, settings)


def recognition(world: World, state: str = "valid", **facts: Any) -> CaseView:
    return world.put("rec", "recognition", state, parent="a", facts=NUMBER | {"enterprise": "甲公司"} | facts)


def revocation(world: World, state: str = "noticed", **facts: Any) -> CaseView:
    return world.put("rev", "revocation", state, parent="rec", facts=facts)


# ── the definition ──


def test_decided_item_is_announced_and_cannot_be_withdrawn() -> None:
    own = {n: s for n, s in states_of("application").items() if n.startswith(STAGE)}
    assert own == {
        f"{STAGE}.decided": ("待公布", Role.OFFICE),
        f"{STAGE}.announced": ("已公布", None),
        f"{STAGE}.set_aside": ("不予公布", None),
    }
    assert edges_of("application", STAGE) == [
        f"call_off: {STAGE}.decided → called_off (engine)",
        f"announce: {STAGE}.decided → {STAGE}.announced (engine)",
        f"set_aside: {STAGE}.decided → {STAGE}.set_aside (office)",
    ]
    assert {n: s.success for n, s in PROCESS.application.states.items() if n.startswith(STAGE)} == {
        f"{STAGE}.decided": False,
        f"{STAGE}.announced": True,
        f"{STAGE}.set_aside": False,
    }
    assert {s.name: fate for s, fate in Announcement.phase.at_close.items()} == {"decided": CARRY_ON}


def test_announcement_is_one_final_act() -> None:
    assert states_of("announcement_act") == {"published": ("已公布", None)}
    assert edges_of("announcement_act") == ["publish: ∅ → published (office)"]


def test_recognition_is_reviewed_renewed_or_ends() -> None:
    assert states_of("recognition") == {
        "valid": ("有效", Role.APPLICANT),
        "due_for_review": ("待复核", Role.OFFICE),
        "expired": ("已到期", None),
        "revoked": ("已撤销", None),
        "cancelled": ("已注销", None),
    }
    assert edges_of("recognition") == [
        "open: ∅ → valid (engine)",
        "review: valid → due_for_review (clock|office)",
        "renew: due_for_review → valid (office)",
        "expire: due_for_review → expired (clock)",
        "decline_renewal: due_for_review → expired (office)",
        "cancel: valid → cancelled (applicant)",
        "cancel: due_for_review → cancelled (applicant)",
        "revoke: valid → revoked (engine)",
        "revoke: due_for_review → revoked (engine)",
        "rename: valid → valid (office)",
    ]
    assert Recognition.orphaned is None


def test_revocation_hears_the_holder_before_it_decides() -> None:
    assert states_of("revocation") == {
        "noticed": ("已告知", Role.APPLICANT),
        "heard": ("已听取陈述或逾期未陈述", Role.OFFICE),
        "decided": ("已决定撤销", None),
        "dropped": ("不予撤销", None),
    }
    assert edges_of("revocation") == [
        "notify: ∅ → noticed (office)",
        "serve: noticed → noticed (office)",
        "hear: noticed → heard (applicant)",
        "waive: noticed → heard (clock)",
        "decide: heard → decided (office)",
        "drop: noticed → dropped (office)",
        "drop: heard → dropped (office)",
        "补录 hear: heard → heard (applicant)",
    ]


def test_periods_are_settings() -> None:
    timers = {
        kind: [(t.name, str(t.deadline.rule), sorted(t.runs_in), sorted(t.admits)) for t in PROCESS.kind(kind).timers]
        for kind in ("recognition", "revocation")
    }
    assert timers == {
        "recognition": [
            ("term", "setting:validity", ["valid"], []),
            ("review_due", "setting:grace", ["due_for_review"], []),
        ],
        "revocation": [("hearing", "setting:hearing from fact:served_at", ["noticed"], [("revocation", "hear")])],
    }
    assert AnnouncementSettings().model_dump(mode="json") == {
        "validity": None,
        "grace": None,
        "hearing": "5 working days",
        "public_service": "30 calendar days, to 24:00, no roll",
        "certificate": "{code}-{ordinal:03}",
    }


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("3 years", "3 years, to 24:00, no roll"),
        ("36 months, to 24:00", "36 months, to 24:00, no roll"),
        ("36 months, to 17:30", "36 months, to 17:30, no roll"),
        ("3 years, no roll", "3 years, to 24:00, no roll"),
        ("750 working days", "750 working days, to 24:00"),
        ("48 hours", "48 hours"),
    ],
)
def test_validity_never_rolls_and_its_last_day_is_whole(written: str, kept: str) -> None:
    assert str(AnnouncementSettings.model_validate({"validity": written}).validity) == kept


def test_validity_may_be_left_open_in_so_many_words() -> None:
    assert AnnouncementSettings(validity=None).validity is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("{code}", "must hold {ordinal}"),
        ("{year}-{ordinal}", "may hold only"),
        ("{0}-{ordinal}", "may hold only"),
        ("{ordinal", "may hold only"),
        ("{ordinal.nothing}", "may hold only"),
    ],
)
def test_certificate_pattern_that_cannot_number_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        AnnouncementSettings(certificate=pattern)


def test_rules_are_bound_to_their_transitions() -> None:
    assert rules_of(Announcement) == {
        "announce": ([], ["give_recognition"]),
        "set_aside": ([], ["keep_the_decision"]),
    }
    assert rules_of(AnnouncementAct) == {"publish": (["items_are_here"], ["announce_all_at_once"])}
    assert rules_of(Recognition) == {
        "review": ([], ["ask_for_review"]),
        "renew": ([], ["renew_it"]),
        "expire": ([], ["tell_the_holder"]),
        "decline_renewal": ([], ["keep_the_decision", "tell_the_holder"]),
        "cancel": ([], ["tell_the_office"]),
        "revoke": ([], ["keep_the_document"]),
        "rename": ([], ["keep_the_name"]),
    }
    assert rules_of(Revocation) == {
        "notify": (["something_to_revoke", "served_already"], ["tell_the_holder"]),
        "serve": (["served_already", "served_once"], ["begin_the_hearing"]),
        "hear": ([], ["keep_the_statement"]),
        "waive": ([], ["report_silence"]),
        "decide": ([], ["revoke"]),
        "drop": ([], ["tell_the_holder"]),
    }


# ── the act ──


def test_everything_is_announced_at_once_in_the_order_of_the_list() -> None:
    world = World()
    b, a = world.item("b", f"{STAGE}.decided"), world.item("a", f"{STAGE}.decided")
    ctx = act(world, "b", "a")
    rows = [["GCJP-001", "b", "b公司", "b产品", "360100"], ["GCJP-002", "a", "a公司", "a产品", "360100"]]
    document = {"document": "赣工信科字1"}

    assert AnnouncementAct().items_are_here(ctx) is None
    assert AnnouncementAct().announce_all_at_once(ctx) == Effects(
        facts={
            "document": "赣工信科字1",
            "issuers": ["省工信厅", "省市场监管局"],
            "dated_on": "2026-09-17",
            "published_at": ANNOUNCED_AT,
            "list": rows,
            "digest": digest_of(rows),
        },
        fire=[
            Fire(b, Announcement.announce, Announced(number="GCJP-001", document="赣工信科字1")),
            Fire(a, Announcement.announce, Announced(number="GCJP-002", document="赣工信科字1")),
            Fire(world.case("r"), Round.announce),
        ],
        tell=[
            Message(
                "result_announced",
                to=Role.APPLICANT,
                scope=f"e-{name}",
                body={"number": number, **document, "product": f"{name}产品"},
            )
            for name, number in (("b", "GCJP-001"), ("a", "GCJP-002"))
        ],
    )


def test_later_act_numbers_on_and_leaves_the_round_alone() -> None:
    world = World()
    world.item("x", f"{STAGE}.announced")
    a = world.item("a", f"{STAGE}.decided")
    settings = AnnouncementSettings(certificate="赣出精品第{ordinal}号")

    assert AnnouncementAct().announce_all_at_once(act(world, "a", round_is="announced", settings=settings)).fire == [
        Fire(a, Announcement.announce, Announced(number="赣出精品第2号", document="赣工信科字1"))
    ]


def test_act_about_nothing_is_refused() -> None:
    assert AnnouncementAct().items_are_here(act(World())) == Refusal(
        "no_members", "公布文件未列任何申报项", "the announcement lists no application"
    )


def test_act_about_an_item_that_does_not_wait_is_refused() -> None:
    world = World()
    world.item("a", f"{STAGE}.decided")
    world.item("b", f"{STAGE}.announced")

    assert AnnouncementAct().items_are_here(act(world, "a", "b")) == Refusal(
        "member_not_here",
        "有1项不在待公布状态",
        "1 application(s) do not wait to be announced",
        {"cases": ["b"]},
    )


def test_document_has_at_least_one_issuer() -> None:
    with pytest.raises(ValidationError, match="issuers"):
        Publication(document="1", issuers=[], dated_on=date(2026, 9, 17))


def test_announced_item_carries_its_number_into_a_recognition() -> None:
    world = World()
    item = world.item("a", f"{STAGE}.decided")
    act = {"document": "赣工信科字1", "announced_at": ANNOUNCED_AT}
    ctx = world.context(item, Announced(number="GCJP-001", document="赣工信科字1"))

    assert Announcement().give_recognition(ctx) == Effects(
        facts={"certificate": "GCJP-001", **act},
        open=[
            Open(
                Recognition,
                parent=item,
                facts={"number": "GCJP-001", **act, "enterprise": "a公司", "product": "a产品"},
            )
        ],
    )


def test_item_set_aside_keeps_the_decision_and_tells_nobody() -> None:
    world = World()
    ctx = world.context(world.item("a", f"{STAGE}.decided"), Decision(document="决定1", reason="发现造假"))

    assert Announcement().keep_the_decision(ctx) == Effects(
        facts={"set_aside_by": "决定1", "set_aside_for": {"private": "~reason"}}
    )


def test_item_set_aside_is_no_longer_here_to_announce_and_holds_no_place() -> None:
    world = World()
    item = world.item("a", f"{STAGE}.set_aside")
    refusal = AnnouncementAct().items_are_here(act(world, "a"))

    assert (refusal and refusal.code, PROCESS.is_final(item), PROCESS.is_success(item)) == (
        "member_not_here",
        True,
        False,
    )


@pytest.mark.parametrize("transition", [Announcement.set_aside_, Recognition.decline_renewal, Revocation.decide])
def test_decision_against_an_item_or_its_holder_states_document_and_reason(transition: Transition) -> None:
    assert transition.data is Decision
    with pytest.raises(ValidationError) as caught:
        transition.data.model_validate({})

    assert [(e["loc"], e["type"]) for e in caught.value.errors()] == [
        (("document",), "missing"),
        (("reason",), "missing"),
    ]
    assert Private in Decision.model_fields["reason"].metadata


# ── the recognition ──


def test_review_is_asked_of_holder_and_office() -> None:
    world = World()

    assert Recognition().ask_for_review(world.context(recognition(world))) == Effects(
        tell=[
            Message("review_due", to=Role.APPLICANT, body=NUMBER),
            Message("review_due", to=Role.OFFICE, body=NUMBER),
        ]
    )


def test_renewal_is_kept_and_told() -> None:
    world = World()
    ctx = world.context(recognition(world, "due_for_review", renewals=[{"document": "决定0", "at": "x"}]), DOCUMENT)

    assert Recognition().renew_it(ctx) == Effects(
        facts={"renewals": [{"document": "决定0", "at": "x"}, {"document": "决定1", "at": ANNOUNCED_AT}]},
        tell=[Message("recognition_renewed", to=Role.APPLICANT, body={**NUMBER, "document": "决定1"})],
    )


def test_declined_renewal_keeps_its_decision() -> None:
    world = World()
    ctx = world.context(recognition(world, "due_for_review"), Decision(document="决定1", reason="已停产"))

    assert Recognition().keep_the_decision(ctx) == Effects(
        facts={"not_renewed_by": "决定1", "not_renewed_for": {"private": "~reason"}}
    )


def test_end_of_a_recognition_is_told_to_the_other_side() -> None:
    world = World()
    case = recognition(world)

    assert Recognition().tell_the_holder(world.context(case)) == Effects(
        tell=[Message("recognition_expired", to=Role.APPLICANT, body=NUMBER)]
    )
    assert Recognition().tell_the_office(world.context(case, Renunciation(reason="停产"))) == Effects(
        tell=[Message("recognition_cancelled", to=Role.OFFICE, body=NUMBER)]
    )


def test_revoked_recognition_names_the_document() -> None:
    world = World()

    assert Recognition().keep_the_document(world.context(recognition(world), DOCUMENT)) == Effects(
        facts={"revoked_by": "决定1"}
    )


def test_former_names_are_kept() -> None:
    world = World()
    case = recognition(world, former_names=[{"enterprise": "甲厂", "until": "x", "document": "y"}])
    ctx = world.context(case, NewName(document="登记1", enterprise="甲集团"))

    assert Recognition().keep_the_name(ctx) == Effects(
        facts={
            "enterprise": "甲集团",
            "former_names": [
                {"enterprise": "甲厂", "until": "x", "document": "y"},
                {"enterprise": "甲公司", "until": ANNOUNCED_AT, "document": "登记1"},
            ],
        }
    )


# ── the revocation ──


def notification(world: World, **given: Any) -> Context[Any, Any]:
    return world.context(revocation(world), Notification(**({"facts": "产品抽查不合格", "document": "告知1"} | given)))


def test_notice_begins_the_hearing_from_service_by_this_act() -> None:
    world = World()
    recognition(world)
    ctx = notification(world)

    assert [g.function(Revocation(), ctx) for g in Revocation.notify.guards] == [None, None]
    assert Revocation().tell_the_holder(ctx) == Effects(
        facts={
            "document": "告知1",
            "facts": {"private": "~facts"},
            "evidence": None,
            "served_at": ANNOUNCED_AT,
        },
        tell=[
            Message(
                "revocation_noticed",
                to=Role.APPLICANT,
                body={"document": "告知1", "served_at": ANNOUNCED_AT, "hearing": "5 working days"},
            )
        ],
    )


def test_notice_served_on_paper_counts_from_its_proof() -> None:
    world = World()
    evidence = {"name": "送达回证", "sha256": "0" * 64, "uri": "oss://1"}
    ctx = notification(world, served_at=NOW - timedelta(days=1), evidence=evidence)
    facts = Revocation().tell_the_holder(ctx).facts

    assert (facts["served_at"], facts["evidence"]) == ("2026-09-17T08:00:00.000000Z", evidence)


@pytest.mark.parametrize(("ahead", "refused"), [(timedelta(0), False), (timedelta(microseconds=1), True)])
def test_notice_is_not_served_in_the_future(ahead: timedelta, refused: bool) -> None:
    expected = Refusal(
        "not_yet_served",
        "送达时间不得晚于现在",
        "the notice cannot have been served later than now",
        {"served_at": "2026-09-18T08:00:00.000001Z"},
    )

    assert Revocation().served_already(notification(World(), served_at=NOW + ahead)) == (expected if refused else None)


@pytest.mark.parametrize("state", ["expired", "revoked", "cancelled"])
def test_recognition_that_has_ended_cannot_be_revoked(state: str) -> None:
    world = World()
    recognition(world, state)

    assert Revocation().something_to_revoke(notification(world)) == Refusal(
        "nothing_to_revoke",
        "所指认定不存在或已失效",
        "there is no recognition here that still stands; open a revocation with the recognition as its parent",
        {"recognition": "rec", "state": state},
    )


def test_only_a_recognition_can_be_revoked() -> None:
    world = World()
    world.item("rec", f"{STAGE}.decided")
    on_item = Revocation().something_to_revoke(notification(world))
    alone = world.put("rev", "revocation", "noticed")
    on_nothing = Revocation().something_to_revoke(world.context(alone, Notification(facts="x", document="1")))

    assert [r and (r.code, r.detail) for r in (on_item, on_nothing)] == [
        ("nothing_to_revoke", {"recognition": "rec", "state": f"{STAGE}.decided"}),
        ("nothing_to_revoke", {"recognition": None, "state": None}),
    ]


def test_recognition_is_in_one_revocation_at_a_time() -> None:
    world = World()
    recognition(world)
    world.put("rev-1", "revocation", "heard", parent="rec")
    world.put("rev-0", "revocation", "dropped", parent="rec")

    assert Revocation().something_to_revoke(notification(world)) == Refusal(
        "revocation_open",
        "该认定已有未办结的撤销程序",
        "another revocation of this recognition is still open",
        {"cases": ["rev-1"]},
    )


def test_statement_is_kept_and_silence_is_reported() -> None:
    world = World()
    case = revocation(world)

    assert Revocation().keep_the_statement(world.context(case, Statement(statement="已整改"))) == Effects(
        facts={"statement": {"private": "~statement"}, "documents": []},
        tell=[Message("statement_made", to=Role.OFFICE)],
    )
    assert Revocation().report_silence(world.context(case)) == Effects(
        facts={"statement": None}, tell=[Message("statement_waived", to=Role.OFFICE)]
    )


def test_decision_revokes_the_recognition() -> None:
    world = World()
    held = recognition(world)
    ctx = world.context(revocation(world, "heard"), Decision(document="决定1", reason="属实"))

    assert Revocation().revoke(ctx) == Effects(
        facts={"decision": "决定1", "reason": {"private": "~reason"}},
        fire=[Fire(held, Recognition.revoke, DOCUMENT)],
        tell=[Message("recognition_revoked", to=Role.APPLICANT, body={"document": "决定1"})],
    )


def test_holder_learns_that_its_recognition_stands() -> None:
    world = World()

    assert Revocation().let_it_stand(world.context(revocation(world), Ground(ground="证据不足"))) == Effects(
        facts={"dropped_for": {"private": "~ground"}}, tell=[Message("revocation_dropped", to=Role.APPLICANT)]
    )
