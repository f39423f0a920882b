"""公示: the frozen list, the printed window, and what an objection does to its item."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from ganchu_stages.notice_forms import Correction, Draft, Publication, PublicNoticeSettings, Restoration, Spelling
from ganchu_stages.objection import Channel, Filing, Finding, NotAdmitted, NotAdmittedFor, Objection, TakingBack
from ganchu_stages.public_notice import Notice, PublicNotice
from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import digest_of
from ganchu_workflow.clock import MICROSECOND, from_text
from ganchu_workflow.errors import Refusal, YearNotPublished
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
from ganchu_workflow.process.rounds import CORE_KINDS, Ground, NewEnd
from ganchu_workflow.process.values import CaseView, Effects, Fire, Message
from ganchu_workflow.timing import Limit, Period, Reckoning, WorkingCalendar, reckon
from tests.stages.searchable import Searchable

STAGE = "public_notice"
SETTINGS = PublicNoticeSettings()
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
        given = {} if data is None else _committed(data)
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


def _committed(data: BaseModel) -> dict[str, Any]:
    """What was given as canonical values, with `{"private": "~name"}` where a commitment stands."""
    given = data.model_dump(mode="json")
    for name, described in type(data).model_fields.items():
        value = getattr(data, name)
        if Private in described.metadata:
            given[name] = {"private": f"~{name}"}
        elif isinstance(value, list):
            given[name] = [_committed(v) if isinstance(v, BaseModel) else v for v in value]
    return given


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
        StageInstance(STAGE, PublicNotice(), SETTINGS),
        StageInstance("last", Last(), NoSettings()),
    ],
    CORE_KINDS,
)
PUBLISHED = "2026-09-18T08:00:00.000000Z"
CLOSES = "2026-09-24T09:30:00.000000Z"
"""Five working days after Friday 2026-09-18: the Sunday is a make-up day, and the end is 17:30 in Jiangxi."""
GROUND = Ground(ground="系统故障")
NOT_LATER = Refusal(
    "end_not_later",
    "新的截止时间必须晚于现在和原截止时间",
    "the new end must be later than now and than the old end",
    {"closes_at": CLOSES},
)
A_ROW, B_ROW = [1, "a", "a公司", "a产品", "360100"], [2, "b", "b公司", "b产品", "360100"]


def notice(world: World, state: str, *members: str, **facts: Any) -> CaseView:
    world.lists["n-2"] = list(members)
    drafted = {"title": "拟入选名单", "dated_on": "2026-09-18"}
    if state != "drafted":
        drafted |= {"opens_at": PUBLISHED, "closes_at": CLOSES}
    return world.put("n-2", "notice", state, facts=drafted | facts)


def draft_of(world: World, *members: str) -> Context[Any, Any]:
    return world.context(notice(world, "drafted", *members), Draft(title="拟入选名单", dated_on=date(2026, 9, 18)))


def publication(
    world: World, settings: PublicNoticeSettings = SETTINGS, now: datetime = NOW, **data: Any
) -> Context[Any, Any]:
    world.item("a", f"{STAGE}.listed")
    return world.context(notice(world, "drafted", "a"), Publication(**data), settings, now)


# ── the definition ──


def test_item_is_shown_held_removed_or_passes() -> None:
    own = {n: s for n, s in states_of("application").items() if n.startswith(STAGE)}
    assert own == {
        f"{STAGE}.listed": ("拟公示", Role.OFFICE),
        f"{STAGE}.showing": ("公示中", Role.CLOCK),
        f"{STAGE}.held": ("异议核查中", Role.OFFICE),
        f"{STAGE}.removed": ("取消资格", None),
    }
    assert edges_of("application", STAGE) == [
        f"withdraw: {STAGE}.listed → withdrawn (applicant)",
        f"withdraw: {STAGE}.showing → withdrawn (applicant)",
        f"withdraw: {STAGE}.held → withdrawn (applicant)",
        f"call_off: {STAGE}.listed → called_off (engine)",
        f"call_off: {STAGE}.showing → called_off (engine)",
        f"call_off: {STAGE}.held → called_off (engine)",
        f"show: {STAGE}.listed → {STAGE}.showing (engine)",
        f"remove: {STAGE}.listed → {STAGE}.removed (engine)",
        f"remove: {STAGE}.showing → {STAGE}.removed (engine)",
        f"remove: {STAGE}.held → {STAGE}.removed (engine)",
        f"hold: {STAGE}.showing → {STAGE}.held (engine)",
        f"free: {STAGE}.held → {STAGE}.showing (engine)",
        f"clear: {STAGE}.showing → last.arrived (engine)",
        f"relist: {STAGE}.showing → {STAGE}.listed (office)",
        f"relist: {STAGE}.held → {STAGE}.listed (office)",
        f"respell: {STAGE}.showing → {STAGE}.showing (engine)",
        f"respell_held: {STAGE}.held → {STAGE}.held (engine)",
    ]
    assert {s.name: fate for s, fate in PublicNotice.phase.at_close.items()} == {
        "listed": CARRY_ON,
        "showing": CARRY_ON,
        "held": CARRY_ON,
    }
    assert PROCESS.application.states[f"{STAGE}.removed"].success is False


def test_notice_is_closed_by_the_clock_alone() -> None:
    assert states_of("notice") == {
        "drafted": ("拟稿", Role.OFFICE),
        "open": ("公示中", Role.CLOCK),
        "down": ("暂时撤下", Role.OFFICE),
        "closed": ("公示期满", None),
        "dropped": ("已废止", None),
    }
    assert edges_of("notice") == [
        "draft: ∅ → drafted (office)",
        "publish: drafted → open (office)",
        "extend: open → open (office)",
        "correct: open → open (office)",
        "take_down: open → down (office)",
        "restore: down → open (office)",
        "remind: down → down (clock)",
        "drop: drafted → dropped (office)",
        "drop: down → dropped (office)",
        "close: open → closed (clock)",
    ]


def test_objection_is_admitted_or_not_and_then_decided() -> None:
    assert states_of("objection") == {
        "filed": ("已提出", Role.OFFICE),
        "investigating": ("核查中", Role.OFFICE),
        "not_admitted": ("不予受理", None),
        "upheld": ("异议成立", None),
        "dismissed": ("异议不成立", None),
        "withdrawn": ("已撤回", None),
    }
    assert edges_of("objection") == [
        "file: ∅ → filed (public)",
        "admit: filed → investigating (office)",
        "refuse: filed → not_admitted (office)",
        "uphold: investigating → upheld (office)",
        "dismiss: investigating → dismissed (office)",
        "withdraw: filed → withdrawn (public)",
        "withdraw: investigating → withdrawn (public)",
        "extend: investigating → investigating (office)",
        "overdue: investigating → investigating (clock)",
    ]
    assert Objection.orphaned is None
    assert Objection.every_visit is True


def test_window_admits_objections_up_or_down_and_never_stops() -> None:
    timers = {
        kind: [
            (t.name, str(t.deadline.rule), sorted(t.runs_in), sorted(t.stops_in), sorted(t.admits))
            for t in PROCESS.kind(kind).timers
        ]
        for kind in ("notice", "objection")
    }
    assert timers == {
        "notice": [
            ("window", "fact:closes_at", ["open"], [], [("objection", "file")]),
            ("end_while_down", "fact:closes_at", ["down"], [], [("objection", "file")]),
        ],
        "objection": [("examination", "fact:examine_by", ["investigating"], [], [("objection", "extend")])],
    }


def test_rules_are_bound_to_their_transitions() -> None:
    assert rules_of(PublicNotice) == {
        "remove": ([], ["report_the_free_place"]),
        "hold": ([], ["tell_the_applicant"]),
        "respell": ([], ["keep_the_spelling"]),
        "respell_held": ([], ["keep_the_spelling"]),
    }
    assert rules_of(Notice) == {
        "draft": (["items_are_here", "listed_once"], ["keep_the_draft"]),
        "publish": (["somebody_to_show", "long_enough"], ["freeze_the_list"]),
        "extend": (["end_moves_later"], ["move_the_end"]),
        "correct": (["an_entry_that_differs"], ["respell"]),
        "take_down": ([], ["note_the_interruption"]),
        "restore": (["end_lies_ahead", "minimum_still_kept"], ["end_the_interruption"]),
        "remind": ([], ["report_the_end"]),
        "drop": ([], ["take_the_items_back"]),
        "close": ([], ["report_the_close"]),
    }
    assert rules_of(Objection) == {
        "file": (["on_the_list", "still_before_the_public", "real_name"], ["keep_the_filing"]),
        "admit": ([], ["begin_examination"]),
        "refuse": ([], ["say_why_not"]),
        "uphold": ([], ["keep_the_finding", "say_upheld"]),
        "dismiss": ([], ["keep_the_finding", "say_dismissed"]),
        "withdraw": ([], ["tell_the_office"]),
        "extend": (["extensions_left"], ["move_the_end"]),
        "overdue": ([], ["report_overdue"]),
    }


def test_defaults_of_the_settings() -> None:
    assert PublicNoticeSettings().model_dump(mode="json") == {
        "examination": "10 working days",
        "examination_extension": "10 working days",
        "extensions": 1,
        "window": "5 working days",
        "minimum": None,
        "desk": None,
    }


# ── the draft ──


def test_draft_holds_its_title_and_date() -> None:
    world = World()
    world.item("a", f"{STAGE}.listed")
    ctx = draft_of(world, "a")

    assert [g.function(Notice(), ctx) for g in Notice.draft.guards] == [None, None]
    assert Notice().keep_the_draft(ctx) == Effects(facts={"title": "拟入选名单", "dated_on": "2026-09-18"})


def test_draft_of_nothing_is_refused() -> None:
    assert Notice().items_are_here(draft_of(World())) == Refusal(
        "no_members", "公示未列任何申报项", "the notice lists no application"
    )


def test_draft_of_an_item_that_does_not_wait_is_refused() -> None:
    world = World()
    world.item("a", f"{STAGE}.listed")
    world.item("b", f"{STAGE}.showing")

    assert Notice().items_are_here(draft_of(world, "a", "b")) == Refusal(
        "member_not_here",
        "有1项不在待公示状态",
        "1 application(s) do not wait to be listed",
        {"cases": ["b"]},
    )


def test_item_is_not_drafted_into_two_notices() -> None:
    world = World()
    world.item("a", f"{STAGE}.listed")
    world.put("n-1", "notice", "drafted")
    world.lists["n-1"] = ["a"]

    assert Notice().listed_once(draft_of(world, "a")) == Refusal(
        "in_another_notice",
        "有1项已列入另一份拟稿公示",
        "1 application(s) are on the list of another notice in draft",
        {"cases": ["a"]},
    )


@pytest.mark.parametrize("before", [("dropped", STAGE), ("open", STAGE), ("drafted", "local_notice")])
def test_item_taken_back_from_an_earlier_notice_may_be_drafted_again(before: tuple[str, str]) -> None:
    world = World()
    world.item("a", f"{STAGE}.listed")
    world.put("n-1", "notice", before[0], stage=before[1])
    world.lists["n-1"] = ["a"]

    assert Notice().listed_once(draft_of(world, "a")) is None


# ── publishing ──


def test_publishing_freezes_the_list_prints_the_window_and_shows_the_items() -> None:
    world = World()
    a, b = world.item("a", f"{STAGE}.listed"), world.item("b", f"{STAGE}.listed")
    world.item("gone", "withdrawn")
    url = "https://gxt.example/1"
    ctx = world.context(notice(world, "drafted", "a", "gone", "b"), Publication(url=url))
    printed = {"dated_on": "2026-09-18", "published_at": PUBLISHED, "opens_at": PUBLISHED, "closes_at": CLOSES}
    body = {"title": "拟入选名单", **printed, "url": url}

    assert [g.function(Notice(), ctx) for g in Notice.publish.guards] == [None, None]
    assert Notice().freeze_the_list(ctx) == Effects(
        facts={
            **printed,
            "rule": "5 working days",
            "reckoned": CLOSES,
            "days": [
                ["2026-09-18", False, "start_day", ""],
                ["2026-09-19", False, "weekend", ""],
                ["2026-09-20", True, "make_up", "国庆节"],
                ["2026-09-21", True, "working", ""],
                ["2026-09-22", True, "working", ""],
                ["2026-09-23", True, "working", ""],
                ["2026-09-24", True, "working", ""],
            ],
            "calendar": WorkingCalendar.built_in().version,
            "provisional": False,
            "anomalies": [],
            "remedies": {},
            "url": url,
            "list": [A_ROW, B_ROW],
            "digest": digest_of([A_ROW, B_ROW]),
        },
        members=[a, b],
        fire=[Fire(a, PublicNotice.show), Fire(b, PublicNotice.show)],
        tell=[
            Message("notice_published", to=Role.APPLICANT, scope="e-a", body={**body, "product": "a产品"}),
            Message("notice_published", to=Role.APPLICANT, scope="e-b", body={**body, "product": "b产品"}),
        ],
    )


def test_frozen_list_shows_number_enterprise_product_and_city_and_no_more() -> None:
    world = World()
    private = {"enterprise": "甲", "product": "乙", "city": "360100", "contact": {"private": "~contact"}, "score": "90"}
    world.item("a", f"{STAGE}.listed", facts=private)
    ctx = world.context(notice(world, "drafted", "a"), Publication())

    assert Notice().freeze_the_list(ctx).facts["list"] == [[1, "a", "甲", "乙", "360100"]]


def test_draft_whose_items_have_all_left_is_not_published() -> None:
    world = World()
    world.item("a", "withdrawn")
    ctx = world.context(notice(world, "drafted", "a"), Publication())

    assert Notice().somebody_to_show(ctx) == Refusal(
        "no_members",
        "拟稿所列申报项均已不在待公示状态",
        "none of the applications of the draft waits to be listed any more; drop the draft",
    )


def test_printed_end_at_the_reckoned_instant_is_long_enough_and_a_microsecond_less_is_not() -> None:
    end = from_text(CLOSES)

    assert Notice().long_enough(publication(World(), closes_at=end)) is None
    assert Notice().long_enough(publication(World(), closes_at=end - MICROSECOND)) == Refusal(
        "shorter_than_minimum",
        "公示期短于5个工作日(公布当日不计):最早应于2026-09-24 17:30截止",
        "the window is shorter than 5 working days: it may not end before 2026-09-24 17:30",
        {"closes_at": "2026-09-24T09:29:59.999999Z", "period": "5 working days", "earliest": CLOSES},
    )


def test_window_as_reckoned_can_fall_short_of_a_minimum_in_natural_days() -> None:
    settings = PublicNoticeSettings(minimum=Period.parse("7 calendar days"))

    # Friday 09-25 is a rest day, so the seventh day rolls over 中秋节 to Monday 09-28.
    assert Notice().long_enough(publication(World(), settings)) == Refusal(
        "shorter_than_minimum",
        "公示期短于7个自然日(公布当日不计):最早应于2026-09-28 17:30截止",
        "the window is shorter than 7 calendar days: it may not end before 2026-09-28 17:30",
        {"closes_at": CLOSES, "period": "7 calendar days", "earliest": "2026-09-28T09:30:00.000000Z"},
    )


def test_minimum_is_read_strictly_even_where_it_counts_its_first_day() -> None:
    counted = Period.parse("5 working days, start day counted")
    settings = PublicNoticeSettings(window=counted, minimum=counted)
    refusal = Notice().long_enough(publication(World(), settings))

    assert Notice().long_enough(publication(World(), PublicNoticeSettings(window=counted))) is None
    assert refusal is not None
    assert (refusal.code, refusal.detail) == (
        "shorter_than_minimum",
        {"closes_at": "2026-09-23T09:30:00.000000Z", "period": "5 working days", "earliest": CLOSES},
    )


def test_minimum_in_hours_has_no_first_day() -> None:
    settings = PublicNoticeSettings(minimum=Period.parse("48 hours"))

    assert Notice().long_enough(publication(World(), settings)) is None


@pytest.mark.parametrize(
    ("settings", "data", "anomalies"),
    [
        ({}, {"dated_on": date(2026, 9, 19)}, ["dated_after_start"]),
        ({}, {"closes_at": datetime(2026, 9, 25, 17, 30, tzinfo=ZONE)}, ["ends_on_rest_day"]),
        ({}, {"closes_at": datetime(2026, 9, 25, 0, 0, tzinfo=ZONE)}, []),
        ({}, {"closes_at": datetime(2026, 9, 28, 17, 30, tzinfo=ZONE)}, []),
        ({"window": "5 working days, start day counted"}, {}, ["shorter_than_minimum"]),
    ],
)
def test_irregular_window_is_flagged(settings: dict[str, Any], data: dict[str, Any], anomalies: list[str]) -> None:
    ctx = publication(World(), PublicNoticeSettings(**settings), **data)

    assert Notice().freeze_the_list(ctx).facts["anomalies"] == anomalies


def test_window_into_a_year_without_a_calendar_is_not_published() -> None:
    ctx = publication(World(), now=datetime(2026, 12, 28, 10, 0, tzinfo=ZONE))

    with pytest.raises(YearNotPublished):
        Notice().long_enough(ctx)


# ── while it is open ──


@pytest.mark.parametrize("hours", [0, -1])
def test_end_never_moves_earlier(hours: int) -> None:
    world = World()
    new = NewEnd(closes_at=from_text(CLOSES) + timedelta(hours=hours), ground="通知")

    assert Notice().end_moves_later(world.context(notice(world, "open", closes_at=CLOSES), new)) == NOT_LATER


def test_end_never_moves_into_the_past() -> None:
    world = World()
    end = from_text(CLOSES) + timedelta(hours=1)
    ctx = world.context(notice(world, "open", closes_at=CLOSES), NewEnd(closes_at=end, ground="通知"), now=end)

    assert Notice().end_moves_later(ctx) == NOT_LATER


def test_extension_moves_the_end_and_keeps_the_printed_one() -> None:
    world = World()
    case = notice(world, "open", closes_at=CLOSES, extensions=[{"from": "x", "to": "y", "ground": "z"}])
    ctx = world.context(case, NewEnd(closes_at=from_text(CLOSES) + timedelta(days=1), ground="通知"))
    new = "2026-09-25T09:30:00.000000Z"

    assert Notice().end_moves_later(ctx) is None
    assert Notice().move_the_end(ctx) == Effects(
        facts={
            "closes_at": new,
            "extensions": [
                {"from": "x", "to": "y", "ground": "z"},
                {"from": CLOSES, "to": new, "ground": "通知"},
            ],
            "anomalies": ["ends_on_rest_day"],
            "remedies": {"ends_on_rest_day": {"severity": "warning", "ends_at": "2026-09-28T09:30:00.000000Z"}},
        }
    )


def correction(world: World, ordinal: int = 2, value: str = "b集团公司") -> Context[Any, Any]:
    rows = [A_ROW, B_ROW]
    case = notice(world, "open", "a", "b", list=rows, digest=digest_of(rows))
    given = Correction(ordinal=ordinal, field="enterprise", value=value, document="更正1", ground="录入差错")
    return world.context(case, given)


@pytest.mark.parametrize(("state", "transition"), [("showing", "respell"), ("held", "respell_held")])
def test_correction_respells_the_list_and_the_item_under_a_new_digest(state: str, transition: str) -> None:
    world = World()
    world.item("a", f"{STAGE}.showing")
    b = world.item("b", f"{STAGE}.{state}")
    ctx = correction(world)
    rows = [A_ROW, [2, "b", "b集团公司", "b产品", "360100"]]

    assert Notice().an_entry_that_differs(ctx) is None
    assert Notice().respell(ctx) == Effects(
        facts={
            "list": rows,
            "digest": digest_of(rows),
            "corrections": [
                {
                    "ordinal": 2,
                    "field": "enterprise",
                    "was": "b公司",
                    "digest": digest_of([A_ROW, B_ROW]),
                    "document": "更正1",
                }
            ],
        },
        fire=[Fire(b, getattr(PublicNotice, transition), Spelling(field="enterprise", value="b集团公司"))],
    )
    assert ctx.case.facts["list"] == [A_ROW, B_ROW]


@pytest.mark.parametrize("state", ["withdrawn", f"{STAGE}.removed", f"{STAGE}.listed"])
def test_correction_of_an_item_that_is_gone_touches_the_list_alone(state: str) -> None:
    world = World()
    world.item("a", f"{STAGE}.showing")
    world.item("b", state)

    assert Notice().respell(correction(world)).fire == []


def test_correction_of_no_entry_and_of_nothing_is_refused() -> None:
    world = World()

    assert Notice().an_entry_that_differs(correction(world, ordinal=3)) == Refusal(
        "no_such_entry", "公示名单没有第3项", "the list has no entry 3", {"entries": 2}
    )
    assert Notice().an_entry_that_differs(correction(world, value="b公司")) == Refusal(
        "nothing_to_correct", "与公示内容一致,无需更正", "the entry already reads so"
    )


def test_item_is_spelt_as_its_notice() -> None:
    world = World()
    ctx = world.context(world.item("a", f"{STAGE}.showing"), Spelling(field="product", value="酱鸭"))

    assert PublicNotice().keep_the_spelling(ctx) == Effects(facts={"product": "酱鸭"})


# ── taken down ──


DOWN = {
    "anomalies": ["taken_down"],
    "remedies": {"taken_down": {"severity": "error", "ends_at": "2026-10-09T09:30:00.000000Z"}},
}
"""Of a notice that was down on every day of its window: 28, 29, 30 September, 8 and 9 October are still to be shown."""


def test_taking_down_keeps_the_printed_end_and_is_an_anomaly_with_its_remedy() -> None:
    world = World()
    ctx = world.context(notice(world, "open", closes_at=CLOSES), GROUND)

    assert Notice().note_the_interruption(ctx) == Effects(
        facts={"taken_down_at": PUBLISHED, "taken_down_for": {"private": "~ground"}, **DOWN}
    )


def test_put_up_again_in_the_same_instant_it_was_never_away() -> None:
    facts = Notice().end_the_interruption(restoration(from_text(PUBLISHED))).facts
    assert facts["anomalies"] == ["taken_down"]  # by the earlier interruption alone
    world = World()
    once = notice(world, "down", **{**TAKEN_DOWN, "interruptions": []})
    ctx = world.context(once, Restoration(ground="已修复"), SETTINGS, from_text(PUBLISHED))
    assert Notice().end_the_interruption(ctx).facts["anomalies"] == []


EARLIER = {
    "from": "2026-09-18T08:10:00.000000Z",
    "to": "2026-09-18T08:20:00.000000Z",
    "ground": {"private": "~earlier"},
}
TAKEN_DOWN = {
    "closes_at": CLOSES,
    "taken_down_at": PUBLISHED,
    "taken_down_for": {"private": "~down"},
    "interruptions": [EARLIER],
}


def interruptions(until: str) -> list[dict[str, Any]]:
    """What the notice knows of its interruptions when the second one ends."""
    return [EARLIER, {"from": PUBLISHED, "to": until, "ground": {"private": "~down"}}]


def restoration(
    now: datetime, closes_at: datetime | None = None, settings: PublicNoticeSettings = SETTINGS
) -> Context[Any, Any]:
    world = World()
    case = notice(world, "down", **TAKEN_DOWN)
    return world.context(case, Restoration(ground="已修复", closes_at=closes_at), settings, now)


def test_restored_in_time_the_end_stays_as_printed() -> None:
    ctx = restoration(from_text(CLOSES) - MICROSECOND)

    assert [g.function(Notice(), ctx) for g in Notice.restore.guards] == [None, None]
    assert Notice().end_the_interruption(ctx) == Effects(
        facts={"interruptions": interruptions("2026-09-24T09:29:59.999999Z"), **DOWN}
    )


def test_restored_after_the_end_it_needs_a_new_one() -> None:
    assert Notice().end_lies_ahead(restoration(from_text(CLOSES))) == Refusal(
        "end_passed",
        "公示截止时间已过,恢复公示须给出新的截止时间",
        "the printed end has passed; give a new closes_at to put the notice up again",
        {"closes_at": CLOSES},
    )


def test_new_end_on_restoring_is_later_than_the_printed_one() -> None:
    late = from_text(CLOSES) + timedelta(hours=3)
    ctx = restoration(late, late + timedelta(days=1))

    assert Notice().end_lies_ahead(restoration(NOW, from_text(CLOSES))) == NOT_LATER
    assert Notice().end_lies_ahead(ctx) is None
    assert Notice().end_the_interruption(ctx) == Effects(
        facts={
            "interruptions": interruptions("2026-09-24T12:30:00.000000Z"),
            "closes_at": "2026-09-25T12:30:00.000000Z",
            "anomalies": ["ends_on_rest_day", "taken_down"],
            "remedies": {
                "ends_on_rest_day": {"severity": "warning", "ends_at": "2026-09-28T12:30:00.000000Z"},
                "taken_down": {"severity": "error", "ends_at": "2026-10-09T09:30:00.000000Z"},
            },
        }
    )


AGAIN = datetime(2026, 9, 21, 10, 0, tzinfo=ZONE)
"""A Monday: three working days from it, its own not counted, end on the Thursday that was printed."""


@pytest.mark.parametrize(
    ("minimum", "closes_at", "earliest"),
    [
        (None, None, None),
        ("3 working days", None, None),
        ("4 working days", None, "2026-09-28T09:30:00.000000Z"),
        ("4 working days, start day counted", None, "2026-09-28T09:30:00.000000Z"),
        ("4 working days", datetime(2026, 9, 28, 17, 29, tzinfo=ZONE), "2026-09-28T09:30:00.000000Z"),
        ("4 working days", datetime(2026, 9, 28, 17, 30, tzinfo=ZONE), None),
    ],
)
def test_restored_notice_stands_for_the_minimum_from_then_on(
    minimum: str | None, closes_at: datetime | None, earliest: str | None
) -> None:
    settings = PublicNoticeSettings(minimum=Period.parse(minimum) if minimum else None)
    ctx = restoration(AGAIN, closes_at, settings)
    refusal = Notice().minimum_still_kept(ctx)

    assert Notice().end_lies_ahead(ctx) is None
    assert (refusal and refusal.code) == ("shorter_than_minimum" if earliest else None)
    assert (refusal and refusal.detail["earliest"]) == earliest


def test_office_learns_that_the_end_has_passed_while_down_and_that_the_window_is_over() -> None:
    world = World()
    ctx = world.context(notice(world, "down", closes_at=CLOSES))
    body = {"title": "拟入选名单", "closes_at": CLOSES}

    assert Notice().report_the_end(ctx) == Effects(tell=[Message("notice_ended_while_down", to=Role.OFFICE, body=body)])
    assert Notice().report_the_close(ctx) == Effects(
        tell=[Message("notice_closed", to=Role.OFFICE, body={"title": "拟入选名单"})]
    )


def test_dropping_takes_back_what_this_notice_shows_and_nothing_else() -> None:
    world = World()
    a, b = world.item("a", f"{STAGE}.showing"), world.item("b", f"{STAGE}.held")
    world.item("c", f"{STAGE}.showing")
    world.item("d", f"{STAGE}.listed")
    world.item("e", "withdrawn")
    case = notice(world, "down", "a", "b", "c", "d", "e", **TAKEN_DOWN)
    world.put("n-3", "notice", "open")
    world.lists["n-3"] = ["c"]

    assert Notice().take_the_items_back(world.context(case, GROUND)) == Effects(
        facts={"dropped_for": {"private": "~ground"}, "interruptions": interruptions(PUBLISHED)},
        fire=[Fire(a, PublicNotice.relist, GROUND), Fire(b, PublicNotice.relist, GROUND)],
    )


def test_dropping_a_draft_ends_no_interruption() -> None:
    world = World()

    assert Notice().take_the_items_back(world.context(notice(world, "drafted"), GROUND)) == Effects(
        facts={"dropped_for": {"private": "~ground"}}, fire=[]
    )


# ── the item ──


@pytest.mark.parametrize(
    ("state", "notice_is", "objections", "moves"),
    [
        ("showing", "open", [], None),
        ("showing", "closed", [], "clear"),
        ("showing", "open", ["filed"], None),
        ("showing", "closed", ["filed"], None),
        ("showing", "open", ["investigating"], "hold"),
        ("showing", "closed", ["filed", "investigating"], "hold"),
        ("showing", "closed", ["dismissed", "not_admitted", "withdrawn"], "clear"),
        ("held", "closed", ["filed", "dismissed"], None),
        ("held", "open", ["investigating", "dismissed"], None),
        ("held", "open", ["dismissed"], "free"),
        ("held", "closed", ["investigating", "upheld"], "remove"),
        ("showing", "closed", ["upheld"], "remove"),
        ("listed", "dropped", ["upheld"], "remove"),
        ("listed", "dropped", ["dismissed"], None),
    ],
)
def test_item_moves_by_its_notice_and_its_objections(
    state: str, notice_is: str, objections: list[str], moves: str | None
) -> None:
    world = World()
    item = world.item("a", f"{STAGE}.{state}")
    notice(world, notice_is, "a")
    for place, standing in enumerate(objections):
        world.put(f"o-{place}", "objection", standing, parent="a", of="n-2")

    assert next_move(world, item) == moves


@pytest.mark.parametrize(
    ("state", "earlier", "moves"),
    [
        ("listed", "upheld", "remove"),
        ("showing", "upheld", "remove"),
        ("listed", "investigating", None),
        ("showing", "investigating", "hold"),
        ("held", "investigating", None),
        ("held", "upheld", "remove"),
        ("held", "dismissed", "free"),
        ("showing", "filed", None),
        ("showing", "dismissed", "clear"),
        ("showing", "withdrawn", "clear"),
    ],
)
def test_objection_from_an_earlier_visit_is_not_forgotten(state: str, earlier: str, moves: str | None) -> None:
    """The item was sent back to an earlier stage and has come here again; the notice that shows it now has closed."""
    world = World()
    item = world.item("a", f"{STAGE}.{state}", visit=2)
    world.put("n-1", "notice", "closed")
    world.put("o-1", "objection", earlier, parent="a", of="n-1", visit=1)
    notice(world, "closed", "a")

    assert next_move(world, item) == moves


def test_objection_in_another_use_of_the_stage_does_not_count() -> None:
    world = World()
    item = world.item("a", f"{STAGE}.showing")
    world.put("o-1", "objection", "upheld", parent="a", stage="local_notice")
    notice(world, "closed", "a")

    assert next_move(world, item) == "clear"


def test_item_waits_for_the_latest_notice_that_lists_it() -> None:
    world = World()
    item = world.item("a", f"{STAGE}.showing")
    world.put("n-1", "notice", "closed")
    world.lists["n-1"] = ["a"]
    notice(world, "open", "a")

    assert next_move(world, item) is None


def test_applicant_learns_that_its_item_is_held_or_removed_and_nothing_more() -> None:
    world = World()
    ctx = world.context(world.item("a", f"{STAGE}.showing"))

    assert PublicNotice().tell_the_applicant(ctx) == Effects(tell=[Message("item_held", to=Role.APPLICANT)])
    assert PublicNotice().report_the_free_place(ctx) == Effects(
        tell=[Message("item_removed", to=Role.APPLICANT), Message("place_free", to=Role.OFFICE)]
    )


# ── an objection ──


def objection(world: World, state: str = "filed", **facts: Any) -> CaseView:
    return world.put(
        "o", "objection", state, parent="a", of="n-2", facts=facts, parties={Role.PUBLIC: "u-7", Role.APPLICANT: "e-a"}
    )


def filing(world: World, **data: Any) -> Context[Any, Any]:
    named = {"ground": "商标有争议", "name": "张三", "contact": "0791-0000"}
    return world.context(objection(world), Filing(**(named | data)))


@pytest.mark.parametrize("state", [f"{STAGE}.showing", f"{STAGE}.held", f"{STAGE}.listed"])
def test_objection_to_a_listed_item_is_taken(state: str) -> None:
    world = World()
    world.item("a", state)
    notice(world, "open", list=[A_ROW])
    ctx = filing(world)

    assert [g.function(Objection(), ctx) for g in Objection.file.guards] == [None] * 3


@pytest.mark.parametrize("facts", [{"list": [B_ROW]}, {}])
def test_objection_to_an_item_off_the_list_is_refused(facts: dict[str, Any]) -> None:
    world = World()
    world.item("a", f"{STAGE}.showing")
    notice(world, "open", **facts)

    assert Objection().on_the_list(filing(world)) == Refusal(
        "not_listed",
        "该项不在所指公示的名单中",
        "the item is not on the list of the notice that the objection names",
        {"item": "a", "notice": "n-2"},
    )


def test_objection_to_nothing_is_refused() -> None:
    world = World()
    ctx = world.context(world.put("o", "objection", "filed"), Filing(ground="x", anonymous=True))

    assert Objection().on_the_list(ctx) == Refusal(
        "not_listed",
        "该项不在所指公示的名单中",
        "the item is not on the list of the notice that the objection names",
        {"item": None, "notice": None},
    )
    assert Objection().still_before_the_public(ctx) is None


@pytest.mark.parametrize("state", [f"{STAGE}.removed", "withdrawn", "last.arrived"])
def test_objection_to_an_item_that_has_left_is_refused(state: str) -> None:
    world = World()
    world.item("a", state)
    notice(world, "open", list=[A_ROW])

    assert Objection().still_before_the_public(filing(world)) == Refusal(
        "item_removed", "该项已不在公示中", "the item is no longer before the public", {"item": "a", "state": state}
    )


@pytest.mark.parametrize("missing", [{"name": ""}, {"contact": " "}, {"name": "", "contact": ""}])
def test_objector_gives_name_and_contact_or_says_that_it_is_anonymous(missing: dict[str, str]) -> None:
    world = World()

    assert Objection().real_name(filing(world, **missing)) == Refusal(
        "identity_missing",
        "请实名提出异议并留联系方式;匿名提出的须注明匿名,将记录在案但可不予受理",
        "give name and contact, or set anonymous: an anonymous objection is kept, but need not be admitted",
    )
    assert Objection().real_name(filing(world, anonymous=True, **missing)) is None


@pytest.mark.parametrize(
    ("kind", "watching"),
    [
        ("objection", [Role.OFFICE]),
        ("report", [Role.OFFICE]),
        ("complaint", [Role.OFFICE, Role.SUPERVISOR]),
    ],
)
def test_filing_is_kept_without_a_word_of_the_objector_in_the_clear(kind: str, watching: list[Role]) -> None:
    world = World()
    evidence = {"name": "证据1", "sha256": "0" * 64, "uri": "oss://1"}
    body = {"kind": kind, "item": "a", "notice": "n-2"}

    assert Objection().keep_the_filing(filing(world, kind=kind, signed=True, evidence=[evidence])) == Effects(
        facts={
            "kind": kind,
            "ground": {"private": "~ground"},
            "anonymous": False,
            "name": {"private": "~name"},
            "contact": {"private": "~contact"},
            "signed": True,
            "sealed": False,
            "evidence": [{"name": {"private": "~name"}, "sha256": "0" * 64, "uri": {"private": "~uri"}}],
        },
        tell=[
            *(Message("objection_filed", to=role, body=body) for role in watching),
            Message("objection_received", to=Role.PUBLIC, body=body),
        ],
    )


EXAMINE_BY = "2026-10-09T09:30:00.000000Z"
"""Ten working days from Friday 2026-09-18: 09-20 is worked, 中秋节 and 国庆节 are not."""


def test_admitted_objection_is_examined_until_a_fixed_end() -> None:
    world = World()

    assert Objection().begin_examination(world.context(objection(world))) == Effects(
        facts={
            "examine_by": EXAMINE_BY,
            "rule": "10 working days",
            "calendar": WorkingCalendar.built_in().version,
        },
        tell=[Message("objection_admitted", to=Role.PUBLIC, body={"examine_by": EXAMINE_BY})],
    )


@pytest.mark.parametrize("ground", ["anonymous", "late", "no_evidence", "unrelated", "own_result"])
def test_objection_is_not_admitted_for_one_of_five_reasons(ground: str) -> None:
    world = World()
    ctx = world.context(objection(world), NotAdmitted(ground=NotAdmittedFor(ground), explanation="……"))

    assert Objection().say_why_not(ctx) == Effects(
        facts={"not_admitted_for": ground, "explanation": {"private": "~explanation"}},
        tell=[Message("objection_not_admitted", to=Role.PUBLIC, body={"ground": ground})],
    )


def test_objector_learns_the_outcome() -> None:
    world = World()
    ctx = world.context(objection(world, "investigating"), Finding(document="核查1", finding="属实"))
    body = {"document": "核查1"}

    assert Objection().keep_the_finding(ctx) == Effects(facts={"document": "核查1", "finding": {"private": "~finding"}})
    assert Objection().say_upheld(ctx) == Effects(tell=[Message("objection_upheld", to=Role.PUBLIC, body=body)])
    assert Objection().say_dismissed(ctx) == Effects(tell=[Message("objection_dismissed", to=Role.PUBLIC, body=body)])


def test_office_learns_that_an_objection_is_taken_back() -> None:
    world = World()

    assert Objection().tell_the_office(world.context(objection(world), TakingBack())) == Effects(
        tell=[Message("objection_withdrawn", to=Role.OFFICE, body={"item": "a"})]
    )


def test_examination_is_extended_once_from_its_old_end() -> None:
    world = World()
    ctx = world.context(objection(world, "investigating", examine_by=EXAMINE_BY), GROUND)
    new = "2026-10-22T09:30:00.000000Z"

    assert Objection().extensions_left(ctx) is None
    assert Objection().move_the_end(ctx) == Effects(
        facts={
            "examine_by": new,
            "calendar": WorkingCalendar.built_in().version,
            "extensions": 1,
            "extended_on": {"private": "~ground"},
        },
        tell=[Message("examination_extended", to=Role.PUBLIC, body={"examine_by": new})],
    )
    assert Objection().extensions_left(
        world.context(objection(world, "investigating", extensions=1), GROUND)
    ) == Refusal(
        "no_extension_left",
        "核查期限已延长1次,达到上限",
        "the examination has been extended 1 time(s), which is all its settings allow",
        {"allowed": 1},
    )


def test_overdue_examination_is_told_to_office_and_supervisor() -> None:
    world = World()
    body = {"item": "a", "examine_by": EXAMINE_BY}

    assert Objection().report_overdue(
        world.context(objection(world, "investigating", examine_by=EXAMINE_BY))
    ) == Effects(
        tell=[
            Message("examination_overdue", to=Role.OFFICE, body=body),
            Message("examination_overdue", to=Role.SUPERVISOR, body=body),
        ]
    )


def test_nothing_an_objection_tells_reaches_the_applicant() -> None:
    world = World()
    world.item("a", f"{STAGE}.showing")
    case = objection(world, "investigating", examine_by=EXAMINE_BY)
    given: dict[str, Data] = {
        "file": Filing(kind=Channel.COMPLAINT, ground="x", name="张三", contact="y"),
        "refuse": NotAdmitted(ground=NotAdmittedFor.LATE),
        "uphold": Finding(document="1", finding="x"),
        "dismiss": Finding(document="1", finding="x"),
        "withdraw": TakingBack(),
        "extend": GROUND,
    }
    told = {
        message.to
        for name, transition in Objection.parts(Transition).items()
        for effect in transition.effects
        for message in effect.function(Objection(), world.context(case, given.get(name))).tell
    }

    assert told == {Role.OFFICE, Role.SUPERVISOR, Role.PUBLIC}
