"""A process of five tiny stages that has one of everything, and the means to run a round of it.

Its rules call `HOOKS` where a test may step in: to crash, to refuse, to leak, to wait for another thread. Without a
hook they do what a real stage would do.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, select

from ganchu_workflow import Actor, Clock, Entropy, Receipt, Registry, Role, SeededEntropy, SimulatedClock, Workflow
from ganchu_workflow.errors import Refusal, Refused
from ganchu_workflow.process import (
    CARRY_ON,
    LATER,
    PASSED,
    START,
    CaseView,
    Cohort,
    Context,
    Correctable,
    CorrectionSettings,
    Data,
    Deadline,
    Effects,
    Fire,
    Lifecycle,
    Message,
    Outcome,
    PhaseWindow,
    Private,
    Reversal,
    Stage,
    State,
    Transition,
    all_of,
    any_in,
    closed,
    fact,
    none_open,
    setting,
    settled,
)
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.timing import Period, WorkingCalendar

SHANGHAI = ZoneInfo("Asia/Shanghai")
MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
OPENS = datetime(2021, 8, 2, 9, tzinfo=SHANGHAI)
BEGUN = OPENS + HOUR
"""When a round opened by `Small.open_round` stands ready."""
CLOSES = datetime(2021, 9, 3, 17, 30, tzinfo=SHANGHAI)
LETTERS_CLOSE = datetime(2021, 9, 17, 17, 30, tzinfo=SHANGHAI)
CONTACT = "张三丰 13800138000"

Rules = Context[Any, Any]


class Hooks:
    """What a test has put into the rules of the process, by name."""

    def __init__(self) -> None:
        self.set: dict[str, Callable[[Rules], Any]] = {}

    def __call__(self, name: str, ctx: Rules) -> Any:
        hook = self.set.get(name)
        return hook(ctx) if hook else None


HOOKS = Hooks()


# ── declare: a windowed declaration with correction, and a phase ──


class Declaration(Data):
    enterprise: str
    city: str
    contact: Annotated[str, Private]


class Saved(Data):
    enterprise: str = ""


class Submission(Data):
    truthful: bool
    statement: Annotated[str, Private] = ""


class DeclareSettings(CorrectionSettings):
    draft_life: Period | None = None
    answer: Period | None = Period.parse("10 working days")


class Declare(Correctable, Stage):
    name = "declare"
    Settings = DeclareSettings
    indexed = ("enterprise",)

    draft = State("草稿", owner=Role.APPLICANT, initial=True)
    submitted = State("已提交", owner=Role.OFFICE)
    rejected = State("不予受理", final=True)
    lapsed = State("逾期未提交", final=True)
    desk = submitted

    declare = Transition(START, draft, by=Role.APPLICANT, data=Declaration)
    save = Transition(draft, draft, by=Role.APPLICANT, data=Saved)
    submit = Transition(draft, submitted, by=Role.APPLICANT, data=Submission)
    accept = Transition(submitted, PASSED, by=Role.OFFICE)
    reject = Transition(submitted, rejected, by=Role.OFFICE)
    remind = Transition(submitted, submitted, by=Role.CLOCK)
    expire = Transition(draft, lapsed, by=Role.CLOCK)
    lapse = Transition(draft, lapsed, by=Role.ENGINE)

    draft_due = Deadline(draft, rule=setting("draft_life"), fires=expire)
    answer_due = Deadline(submitted, rule=setting("answer"), fires=remind, stops_in=Correctable.correcting)
    phase = PhaseWindow(
        admits=(declare, submit), at_close={draft: lapse, submitted: CARRY_ON, Correctable.correcting: CARRY_ON}
    )

    @declare.guard("declare_guard")
    def may_declare(self, ctx: Rules) -> Any:
        return HOOKS("declare.guard", ctx)

    @declare.effect("keep")
    def keep(self, ctx: Context[Declaration, DeclareSettings]) -> Effects:
        facts = {key: ctx.given[key] for key in ("enterprise", "city", "contact")}
        return HOOKS("declare.effect", ctx) or Effects(facts=facts, parties={Role.LOCAL_AUTHORITY: ctx.data.city})

    @save.effect("keep_saved")
    def keep_saved(self, ctx: Context[Saved, DeclareSettings]) -> Effects:
        return Effects(facts={"enterprise": ctx.given["enterprise"]} if ctx.data.enterprise else {})

    @submit.guard("truthful")
    def truthful(self, ctx: Context[Submission, DeclareSettings]) -> Any:
        if not ctx.data.truthful:
            return Refusal("not_truthful", "未作真实性承诺", "the statement of truth is missing")
        return HOOKS("submit.guard", ctx)

    @submit.effect("tell_the_office")
    def tell_the_office(self, ctx: Rules) -> Any:
        told = Message("submitted", to=Role.OFFICE, body={"enterprise": ctx.case.facts["enterprise"]})
        return HOOKS("submit.effect", ctx) or Effects(tell=[told])

    @accept.guard("accept_guard")
    def may_accept(self, ctx: Rules) -> Any:
        return HOOKS("accept.guard", ctx)

    @accept.effect("accept_effect")
    def accepted(self, ctx: Rules) -> Any:
        return HOOKS("accept.effect", ctx)

    @remind.guard("remind_guard")
    def may_remind(self, ctx: Rules) -> Any:
        return HOOKS("remind.guard", ctx)

    @remind.effect("tell_again")
    def tell_again(self, ctx: Rules) -> Any:
        return HOOKS("remind.effect", ctx) or Effects(tell=[Message("overdue", to=Role.OFFICE)])


# ── recommend: a cohort whose quota is counted by the phase ──


class Listed(Data):
    applications: list[str]


class RecommendSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    quota: int = 1


class Letter(Cohort):
    drafted = State("拟稿", owner=Role.LOCAL_AUTHORITY, initial=True)
    issued = State("已报送", final=True)
    discarded = State("已作废", final=True)

    draw_up = Transition(START, drafted, by=Role.LOCAL_AUTHORITY)
    issue = Transition(drafted, issued, by=Role.LOCAL_AUTHORITY, data=Listed)
    discard = Transition(drafted, discarded, by=Role.LOCAL_AUTHORITY)

    @issue.guard("quota")
    def quota(self, ctx: Context[Listed, RecommendSettings]) -> Refusal | None:
        city = ctx.case.parties[Role.LOCAL_AUTHORITY]
        taken = [a for a in ctx.beyond() if a.parties[Role.LOCAL_AUTHORITY] == city]
        HOOKS("issue.guard", ctx)
        if len(taken) + len(ctx.data.applications) > ctx.settings.quota:
            return Refusal("quota_used_up", "名额已用完", "no place is left", {"taken": len(taken)})
        return None

    @issue.effect("recommend_all")
    def recommend_all(self, ctx: Context[Listed, RecommendSettings]) -> Any:
        listed = [a for a in ctx.applications() if a.id in ctx.data.applications]
        return HOOKS("issue.effect", ctx) or Effects(
            members=listed, fire=[Fire(a, Recommend.recommend) for a in listed]
        )


class Recommend(Stage):
    name = "recommend"
    cases = (Letter,)
    Settings = RecommendSettings

    pending = State("待推荐", owner=Role.LOCAL_AUTHORITY, initial=True)
    not_recommended = State("不予推荐", final=True)
    missed = State("逾期未报", final=True)

    recommend = Transition(pending, PASSED, by=Role.ENGINE)
    decline = Transition(pending, not_recommended, by=Role.LOCAL_AUTHORITY)
    miss = Transition(pending, missed, by=Role.ENGINE)
    revoke = Transition(LATER, not_recommended, by=Role.LOCAL_AUTHORITY, data=Reversal, reopens=True)

    phase = PhaseWindow(admits=Letter.issue, at_close={pending: miss})

    @recommend.guard("recommend_guard")
    def may_recommend(self, ctx: Rules) -> Any:
        return HOOKS("recommend.guard", ctx)

    @recommend.effect("recommend_effect")
    def recommended(self, ctx: Rules) -> Any:
        return HOOKS("recommend.effect", ctx)


# ── review: children with a period of their own, orphaned when the application leaves ──


class Assignment(Data):
    expert: str


class Remark(Data):
    text: str = ""
    note: Annotated[str, Private] = ""


class ReviewSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sheet_time: Period | None = Period.parse("48 hours")


class Sheet(Lifecycle):
    assigned = State("待评分", owner=Role.EXPERT, initial=True)
    done = State("已评分", final=True)
    silent = State("逾期未评", final=True)
    void = State("作废", final=True)

    assign = Transition(START, assigned, by=(Role.OFFICE, Role.ENGINE), data=Assignment)
    complete = Transition(assigned, done, by=(Role.EXPERT, Role.ENGINE), data=Remark)
    expire = Transition(assigned, silent, by=Role.CLOCK)
    cancel = Transition(assigned, void, by=Role.ENGINE)
    orphaned = cancel

    sheet_due = Deadline(assigned, rule=setting("sheet_time"), fires=expire, admits=complete)

    @assign.effect("to_the_expert")
    def to_the_expert(self, ctx: Context[Assignment, ReviewSettings]) -> Effects:
        return Effects(parties={Role.EXPERT: ctx.data.expert})

    @complete.effect("complete_effect")
    def completed(self, ctx: Rules) -> Any:
        return HOOKS("complete.effect", ctx)

    @expire.guard("expire_guard")
    def may_expire(self, ctx: Rules) -> Any:
        return HOOKS("expire.guard", ctx)

    @expire.effect("expire_effect")
    def expired(self, ctx: Rules) -> Any:
        return HOOKS("expire.effect", ctx)


class Review(Stage):
    name = "review"
    cases = (Sheet,)
    Settings = ReviewSettings

    reviewing = State("评审中", owner=Role.OFFICE, initial=True)

    pass_on = Transition(reviewing, PASSED, when=settled(Sheet))
    return_it = Transition(reviewing, Outcome("sent_back"), by=Role.OFFICE)

    phase = PhaseWindow(at_close={reviewing: CARRY_ON})

    @pass_on.guard("pass_on_guard")
    def may_pass_on(self, ctx: Rules) -> Any:
        return HOOKS("pass_on.guard", ctx)

    @pass_on.effect("pass_on_effect")
    def passed_on(self, ctx: Rules) -> Any:
        return HOOKS("pass_on.effect", ctx)


# ── notice: a cohort whose printed end admits objections, which hold their item ──


class Printed(Data):
    closes_at: datetime


class Complaint(Data):
    text: Annotated[str, Private]


class NoticeSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    admission: Period | None = Period.parse("24 hours")
    examination: Period | None = Period.parse("48 hours")


class Objection(Lifecycle):
    filed = State("已提出", owner=Role.OFFICE, initial=True)
    investigating = State("核查中", owner=Role.OFFICE)
    upheld = State("成立", final=True)
    dismissed = State("不成立", final=True)

    file = Transition(START, filed, by=(Role.PUBLIC, Role.APPLICANT), data=Complaint)
    admit = Transition(filed, investigating, by=(Role.OFFICE, Role.CLOCK))
    uphold = Transition(investigating, upheld, by=Role.OFFICE)
    dismiss = Transition(investigating, dismissed, by=(Role.OFFICE, Role.CLOCK))

    admission_due = Deadline(filed, rule=setting("admission"), fires=admit)
    examination_due = Deadline(investigating, rule=setting("examination"), fires=dismiss)

    @file.guard("file_guard")
    def may_file(self, ctx: Rules) -> Any:
        return HOOKS("file.guard", ctx)

    @file.effect("keep_the_text")
    def keep_the_text(self, ctx: Rules) -> Any:
        return HOOKS("file.effect", ctx) or Effects(facts={"text": ctx.given["text"]})


class Notice(Cohort):
    drafted = State("拟稿", owner=Role.OFFICE, initial=True)
    open_ = State("公示中", owner=Role.CLOCK)
    closed = State("公示期满", final=True)

    draft = Transition(START, drafted, by=Role.OFFICE)
    publish = Transition(drafted, open_, by=Role.OFFICE, data=Printed)
    extend = Transition(open_, open_, by=Role.OFFICE, data=Printed)
    close = Transition(open_, closed, by=Role.CLOCK)

    window = Deadline(open_, rule=fact("closes_at"), fires=close, admits=Objection.file)

    @publish.effect("show_all")
    def show_all(self, ctx: Context[Printed, NoticeSettings]) -> Any:
        shown = HOOKS("publish.effect", ctx)
        return shown or Effects(
            facts={"closes_at": instant(ctx.data.closes_at)},
            fire=[Fire(m, NoticeStage.show, must=False) for m in ctx.members()],
        )

    @extend.effect("move_the_end")
    def move_the_end(self, ctx: Context[Printed, NoticeSettings]) -> Effects:
        return Effects(facts={"closes_at": instant(ctx.data.closes_at)})


class NoticeStage(Stage):
    name = "notice"
    cases = (Notice, Objection)
    Settings = NoticeSettings

    listed = State("拟公示", owner=Role.OFFICE, initial=True)
    showing = State("公示中", owner=Role.CLOCK)
    held = State("异议核查中", owner=Role.OFFICE)
    removed = State("取消资格", final=True)

    show = Transition(listed, showing, by=Role.ENGINE)
    hold = Transition(showing, held, when=any_in(Objection, Objection.investigating))
    remove = Transition((showing, held), removed, when=any_in(Objection, Objection.upheld))
    free = Transition(held, showing, when=none_open(Objection))
    clear = Transition(showing, PASSED, when=all_of(closed(Notice), none_open(Objection)))
    strike = Transition(LATER, removed, by=Role.OFFICE, data=Reversal, reopens=True)

    phase = PhaseWindow(at_close={listed: CARRY_ON, showing: CARRY_ON, held: CARRY_ON})

    @show.guard("show_guard")
    def may_show(self, ctx: Rules) -> Any:
        return HOOKS("show.guard", ctx)


# ── finish ──


class Finish(Stage):
    name = "finish"

    decided = State("待公布", owner=Role.OFFICE, initial=True)
    dropped = State("不予公布", final=True)
    chosen = State("入选", success=True)

    choose = Transition(decided, chosen, by=Role.OFFICE)
    drop = Transition(decided, dropped, by=Role.OFFICE)
    reconsider = Transition(dropped, decided, by=Role.OFFICE, data=Reversal, reopens=True)

    phase = PhaseWindow(at_close={decided: CARRY_ON})

    @choose.guard("choose_guard")
    def may_choose(self, ctx: Rules) -> Any:
        return HOOKS("choose.guard", ctx)

    @choose.effect("choose_effect")
    def chosen_now(self, ctx: Rules) -> Any:
        return HOOKS("choose.effect", ctx)


class Restless(Stage):
    """Two automatic transitions that fire each other for ever."""

    name = "restless"
    cases = (Sheet,)
    Settings = ReviewSettings

    here = State("此", owner=Role.OFFICE, initial=True)
    there = State("彼", owner=Role.OFFICE)
    done = State("止", final=True)

    go = Transition(here, there, when=none_open(Sheet))
    back = Transition(there, here, when=none_open(Sheet))
    end = Transition((here, there), done, by=Role.OFFICE)

    phase = PhaseWindow(at_close={here: CARRY_ON, there: CARRY_ON})


class Pendulum(Stage):
    """Two deadlines that start each other again and again."""

    name = "pendulum"
    Settings = ReviewSettings

    left = State("左", owner=Role.OFFICE, initial=True)
    right = State("右", owner=Role.OFFICE)
    done = State("止", final=True)

    swing = Transition(left, right, by=Role.CLOCK)
    swing_back = Transition(right, left, by=Role.CLOCK)
    end = Transition((left, right), done, by=Role.OFFICE)

    left_due = Deadline(left, rule=setting("sheet_time"), fires=swing)
    right_due = Deadline(right, rule=setting("sheet_time"), fires=swing_back)
    phase = PhaseWindow(at_close={left: CARRY_ON, right: CARRY_ON})


STAGES: tuple[type[Stage], ...] = (Declare, Recommend, Review, NoticeStage, Finish, Restless, Pendulum)
FIVE: tuple[Mapping[str, Any], ...] = (
    {"use": "declare", "window": {"opens": OPENS, "closes": CLOSES}},
    {"use": "recommend", "window": {"opens": OPENS, "closes": LETTERS_CLOSE}},
    {"use": "review", "on": {"sent_back": "recommend"}},
    {"use": "notice"},
    {"use": "finish"},
)
OFFICE = Actor(Role.OFFICE, person="u1")
CITY = "360100"


def registry(*stages: type[Stage]) -> Registry:
    """The stages of the process, as a host would register its own; those given replace their namesakes."""
    chosen = {s.name: s for s in (*STAGES, *stages)}
    found = Registry()
    for stage in chosen.values():
        found.register(stage.name, stage)
    return found


def plan(*stages: Mapping[str, Any], demonstration: bool = True, **settings: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of these stages, or of the five, with settings by the name of the stage."""
    chosen = [{**s, **settings.get(str(s.get("as", s["use"])), {})} for s in stages or FIVE]
    return {"title": "小评选", "code": "SMALL-1", "demonstration": demonstration, "stage": chosen}


def applicant(scope: str = "e1") -> Actor:
    return Actor(Role.APPLICANT, scope=scope)


def authority(scope: str = CITY) -> Actor:
    return Actor(Role.LOCAL_AUTHORITY, scope=scope)


def expert(scope: str = "x1") -> Actor:
    return Actor(Role.EXPERT, scope=scope)


def public(scope: str = "p1") -> Actor:
    return Actor(Role.PUBLIC, scope=scope)


def declaration(enterprise: str = "甲厂", city: str = CITY, contact: str = CONTACT) -> dict[str, Any]:
    return {"enterprise": enterprise, "city": city, "contact": contact}


def instant(when: datetime) -> str:
    """An instant as the record writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Small:
    """A round of the small process on one database, with the acts that bring a case to where a test needs it."""

    def __init__(
        self,
        url: str | Engine,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        stages: Registry | None = None,
        calendar: WorkingCalendar | None = None,
    ) -> None:
        self.simulated = SimulatedClock(OPENS - HOUR)
        self.wf = Workflow(
            url,
            clock=clock or self.simulated,
            entropy=entropy or SeededEntropy("engine"),
            stages=stages or registry(),
            calendar=calendar,
        )
        self.round = ""

    def open_round(self, *stages: Mapping[str, Any], **settings: Any) -> "Small":
        """Open and start a round; the clock then stands an hour after the opening of its first window."""
        self.round = self.wf.open_round(plan(*stages, **settings), actor=OFFICE).case_id
        self.wf.fire(self.round, "start", actor=OFFICE)
        self.move_to(BEGUN)
        return self

    def move_to(self, when: datetime) -> None:
        self.simulated.move_to(when)
        self.wf.tick()

    def drift_to(self, when: datetime) -> None:
        """Time passes and nobody sweeps."""
        self.simulated.move_to(when)

    def later(self, by: timedelta = HOUR) -> None:
        self.move_to(self.simulated.now() + by)

    # ── cases in their states ──

    def draft(self, scope: str = "e1", city: str = CITY) -> str:
        return self.wf.open("application", declaration(city=city), actor=applicant(scope), round=self.round).case_id

    def submitted(self, scope: str = "e1", city: str = CITY) -> str:
        case = self.draft(scope, city)
        self.wf.fire(case, "submit", {"truthful": True}, actor=applicant(scope))
        return case

    def pending(self, scope: str = "e1", city: str = CITY) -> str:
        case = self.submitted(scope, city)
        self.wf.fire(case, "accept", actor=OFFICE)
        return case

    def letter(self, city: str = CITY) -> str:
        return self.wf.open("letter", actor=authority(city), round=self.round).case_id

    def issue(self, *cases: str, city: str = CITY) -> Receipt:
        return self.wf.fire(self.letter(city), "issue", {"applications": list(cases)}, actor=authority(city))

    def reviewing(self, scope: str = "e1", city: str = CITY) -> str:
        case = self.pending(scope, city)
        self.issue(case, city=city)
        return case

    def sheet(self, case: str, to: str = "x1") -> str:
        return self.wf.open("sheet", {"expert": to}, actor=OFFICE, parent=case).case_id

    def listed(self, scope: str = "e1", city: str = CITY) -> str:
        case = self.reviewing(scope, city)
        self.wf.fire(self.sheet(case), "complete", actor=expert())
        return case

    def notice(self, *cases: str, closes_at: datetime | None = None, stage: str = "") -> str:
        """A published notice that lists these cases; it closes after 100 hours if nothing else is said."""
        found = self.wf.open("notice", actor=OFFICE, members=list(cases), stage=stage, round=self.round).case_id
        end = closes_at or self.simulated.now() + 100 * HOUR
        self.wf.fire(found, "publish", {"closes_at": end}, actor=OFFICE)
        return found

    def objection(self, case: str, notice: str, text: str = "该产品抄袭他人设计") -> str:
        return self.wf.open("objection", {"text": text}, actor=public(), parent=case, of=notice).case_id

    def decided(self, scope: str = "e1", city: str = CITY) -> str:
        case = self.listed(scope, city)
        self.notice(case)
        self.later(101 * HOUR)
        return case

    # ── what there is ──

    def state(self, case: str) -> str:
        return self.wf.case(case).state

    def view(self, case: str) -> CaseView:
        return self.wf.case(case)

    def triggers(self, case: str) -> list[str]:
        return [e["trigger"] for e in self.wf.history(case)]

    def phase(self, stage: str) -> CaseView:
        return next(p for p in self.wf.cases(self.round, "phase") if p.stage == stage)

    def dump(self, *without: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, so that two moments can be compared."""
        return dump(self.wf.database, *without)

    def due(self, case: str) -> dict[str, datetime]:
        """When the armed deadlines of a case are due."""
        return {name: row["due_at"] for name, row in self.deadlines(case).items() if row["status"] == "armed"}

    def deadlines(self, case: str) -> dict[str, dict[str, Any]]:
        """The deadline rows of a case by name."""
        table = METADATA.tables["ganchu_deadline"]
        with self.wf.database.connect() as connection:
            rows = connection.execute(select(table).where(table.c.case_id == case))
            return {r.name: dict(r._mapping) for r in rows}


def dump(engine: Engine, *without: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but those named, in an order of its own."""
    with engine.connect() as connection:
        return {
            name: sorted((tuple(r) for r in connection.execute(select(table))), key=repr)
            for name, table in METADATA.tables.items()
            if name not in without
        }


@contextmanager
def hooked(**hooks: Callable[[Rules], Any]) -> Iterator[None]:
    """The rules named (`submit_effect` for "submit.effect") do this instead while the block runs."""
    names = {name.rpartition("_")[0] + "." + name.rpartition("_")[2]: hook for name, hook in hooks.items()}
    HOOKS.set.update(names)
    try:
        yield
    finally:
        for name in names:
            del HOOKS.set[name]


def refusal_of(act: Callable[[], object]) -> Refusal:
    """The refusal that this act meets; an act that goes through is a failure of the test."""
    try:
        done = act()
    except Refused as refused:
        return refused.refusal
    raise AssertionError(f"it was not refused: {done}")
