"""公示: a list is put before the public for a printed time, and whoever knows better may object."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from ganchu_stages.notice_forms import (
    COLUMNS,
    Correction,
    Draft,
    Publication,
    PublicNoticeSettings,
    Restoration,
    Spelling,
    interruptions_of,
    judged,
    not_later,
    strict,
    too_short,
)
from ganchu_stages.objection import Objection
from ganchu_stages.objection_tables import OBJECTIONS
from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import digest_of
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.conditions import all_of, any_in, closed, none_open
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, fact
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    START,
    Cohort,
    PhaseWindow,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.rounds import Ground, NewEnd
from ganchu_workflow.process.values import CaseView, Effects, Facts, Fire, Message


class Notice(Cohort):
    """公示: one list before the public.

    Once published, its list is frozen under a digest and its end is as printed: never suspended, never moved by
    itself. A slip of the pen is corrected in place; any change of substance takes the item back to be listed, and a
    new notice shows it for a window of its own.
    """

    label = "公示"
    indexed = ("title",)

    drafted = State("拟稿", owner=Role.OFFICE, initial=True)
    open_ = State("公示中", owner=Role.CLOCK)
    down = State("暂时撤下", owner=Role.OFFICE)
    closed = State("公示期满", final=True)
    dropped = State("已废止", final=True)

    draft = Transition(START, drafted, by=Role.OFFICE, data=Draft, label="拟稿")
    publish = Transition(drafted, open_, by=Role.OFFICE, data=Publication, label="发布公示")
    extend = Transition(open_, open_, by=Role.OFFICE, data=NewEnd, label="延长公示")
    correct = Transition(open_, open_, by=Role.OFFICE, data=Correction, label="更正公示")
    take_down = Transition(open_, down, by=Role.OFFICE, data=Ground, label="暂时撤下")
    restore = Transition(down, open_, by=Role.OFFICE, data=Restoration, label="恢复公示")
    remind = Transition(down, down, by=Role.CLOCK, label="期满提示")
    drop = Transition((drafted, down), dropped, by=Role.OFFICE, data=Ground, label="废止")
    close = Transition(open_, closed, by=Role.CLOCK, label="公示期满")

    window = Deadline(open_, rule=fact("closes_at"), fires=close, admits=Objection.file, label="公示期")
    end_while_down = Deadline(down, rule=fact("closes_at"), fires=remind, admits=Objection.file, label="公示期")

    @draft.guard("items_are_here")
    def items_are_here(self, ctx: Context[Draft, PublicNoticeSettings]) -> Refusal | None:
        """A notice lists at least one item, and only items that wait to be listed."""
        members = ctx.members()
        if not members:
            return Refusal("no_members", "公示未列任何申报项", "the notice lists no application")
        here = {m.id for m in ctx.members(PublicNotice.listed)}
        elsewhere = [m.id for m in members if m.id not in here]
        if elsewhere:
            return Refusal(
                "member_not_here",
                f"有{len(elsewhere)}项不在待公示状态",
                f"{len(elsewhere)} application(s) do not wait to be listed",
                {"cases": elsewhere[:20]},
            )
        return None

    @draft.guard("listed_once")
    def listed_once(self, ctx: Context[Draft, PublicNoticeSettings]) -> Refusal | None:
        """An item is not drafted into two notices. (One that is shown already does not wait to be listed.)"""
        twice = [
            m.id
            for m in ctx.members()
            if any(n.state == self.drafted.name and n.id != ctx.case.id for n in self._listing(ctx, m))
        ]
        if twice:
            return Refusal(
                "in_another_notice",
                f"有{len(twice)}项已列入另一份拟稿公示",
                f"{len(twice)} application(s) are on the list of another notice in draft",
                {"cases": twice[:20]},
            )
        return None

    @draft.effect("keep_the_draft")
    def keep_the_draft(self, ctx: Context[Draft, PublicNoticeSettings]) -> Effects:
        """The draft holds its title and date."""
        return Effects(facts={"title": ctx.data.title, "dated_on": ctx.data.dated_on.isoformat()})

    @publish.guard("somebody_to_show")
    def somebody_to_show(self, ctx: Context[Publication, PublicNoticeSettings]) -> Refusal | None:
        """Some item of the draft still waits to be listed."""
        if not ctx.members(PublicNotice.listed):
            return Refusal(
                "no_members",
                "拟稿所列申报项均已不在待公示状态",
                "none of the applications of the draft waits to be listed any more; drop the draft",
            )
        return None

    @publish.guard("long_enough")
    def long_enough(self, ctx: Context[Publication, PublicNoticeSettings]) -> Refusal | None:
        """The window keeps the round's length, and the strict minimum if there is one."""
        settings = ctx.settings
        closes_at = ctx.data.closes_at or ctx.reckon(settings.window).due_at
        periods = (settings.window, *([strict(settings.minimum)] if settings.minimum else []))
        return next((r for r in (too_short(ctx, closes_at, p) for p in periods) if r), None)

    @publish.effect("freeze_the_list")
    def freeze_the_list(self, ctx: Context[Publication, PublicNoticeSettings]) -> Effects:
        """The list is frozen, the window printed, and every item on it shown; its applicant is told.

        Items that have left since the draft are not on the list.
        """
        shown = ctx.members(PublicNotice.listed)
        facts = ctx.case.facts
        reckoning = ctx.reckon(ctx.settings.window)
        closes_at = ctx.data.closes_at or reckoning.due_at
        dated_on = ctx.data.dated_on or date.fromisoformat(facts["dated_on"])
        rows = [[place, m.id, *(m.facts.get(c) for c in COLUMNS[2:])] for place, m in enumerate(shown, start=1)]
        printed = {
            "dated_on": dated_on.isoformat(),
            "published_at": to_text(ctx.now),
            "opens_at": to_text(ctx.now),
            "closes_at": to_text(closes_at),
        }
        grounds = {
            "rule": str(reckoning.period),
            "reckoned": to_text(reckoning.due_at),
            "days": [[day.date.isoformat(), day.counted, day.why, day.holiday] for day in reckoning.days],
            "calendar": reckoning.calendar_version,
            "provisional": reckoning.provisional,
            **judged(ctx, dated_on, ctx.now, closes_at),
        }
        url = {"url": ctx.data.url} if ctx.data.url else {}
        body = {"title": facts["title"], **printed, **url}
        return Effects(
            facts={**printed, **grounds, **url, "list": rows, "digest": digest_of(rows)},
            members=shown,
            fire=[Fire(m, PublicNotice.show) for m in shown],
            tell=[
                Message(
                    "notice_published", to=Role.APPLICANT, scope=m.parties[Role.APPLICANT], body={**_named(m), **body}
                )
                for m in shown
            ],
        )

    @extend.guard("end_moves_later")
    def end_moves_later(self, ctx: Context[NewEnd, PublicNoticeSettings]) -> Refusal | None:
        """An end moves later, never earlier and never into the past."""
        return not_later(ctx, ctx.data.closes_at)

    @extend.effect("move_the_end")
    def move_the_end(self, ctx: Context[NewEnd, PublicNoticeSettings]) -> Effects:
        """The window ends at the new instant; the ends printed before are kept with the ground."""
        old, new = ctx.case.facts["closes_at"], to_text(ctx.data.closes_at)
        extensions = [*ctx.case.facts.get("extensions", ()), {"from": old, "to": new, "ground": ctx.data.ground}]
        facts = {"closes_at": new, "extensions": extensions}
        return Effects(facts={**facts, **_judged(ctx, {**ctx.case.facts, **facts})})

    @correct.guard("an_entry_that_differs")
    def an_entry_that_differs(self, ctx: Context[Correction, PublicNoticeSettings]) -> Refusal | None:
        """The entry is on the list, and is spelt otherwise."""
        rows, given = ctx.case.facts["list"], ctx.data
        if given.ordinal > len(rows):
            return Refusal(
                "no_such_entry",
                f"公示名单没有第{given.ordinal}项",
                f"the list has no entry {given.ordinal}",
                {"entries": len(rows)},
            )
        if rows[given.ordinal - 1][COLUMNS.index(given.field)] == given.value:
            return Refusal("nothing_to_correct", "与公示内容一致,无需更正", "the entry already reads so")
        return None

    @correct.effect("respell")
    def respell(self, ctx: Context[Correction, PublicNoticeSettings]) -> Effects:
        """The list has the right spelling and a new digest; the old spelling and digest are kept. So has the item."""
        facts, given = ctx.case.facts, ctx.data
        rows = [list(row) for row in facts["list"]]
        row, column = rows[given.ordinal - 1], COLUMNS.index(given.field)
        correction = {
            "ordinal": given.ordinal,
            "field": given.field,
            "was": row[column],
            "digest": facts["digest"],
            "document": given.document,
        }
        row[column] = given.value
        spelling = Spelling(field=given.field, value=given.value)
        return Effects(
            facts={
                "list": rows,
                "digest": digest_of(rows),
                "corrections": [*facts.get("corrections", ()), correction],
            },
            fire=[Fire(m, _respelling(ctx, m), spelling) for m in self._shown_here(ctx) if m.id == row[1]],
        )

    @take_down.effect("note_the_interruption")
    def note_the_interruption(self, ctx: Context[Ground, PublicNoticeSettings]) -> Effects:
        """The notice is not to be seen, which stays with it as an anomaly; its end stays where it was printed.

        Objections are taken until that end all the same.
        """
        down = {"taken_down_at": to_text(ctx.now), "taken_down_for": ctx.given["ground"]}
        return Effects(facts={**down, **_judged(ctx, ctx.case.facts, down_since=ctx.now)})

    @restore.guard("end_lies_ahead")
    def end_lies_ahead(self, ctx: Context[Restoration, PublicNoticeSettings]) -> Refusal | None:
        """A notice goes up again only for a window that has not ended; a new end moves later, never earlier."""
        if ctx.data.closes_at is not None:
            return not_later(ctx, ctx.data.closes_at)
        printed = ctx.case.facts["closes_at"]
        if from_text(printed) <= ctx.now:
            return Refusal(
                "end_passed",
                "公示截止时间已过,恢复公示须给出新的截止时间",
                "the printed end has passed; give a new closes_at to put the notice up again",
                {"closes_at": printed},
            )
        return None

    @restore.guard("minimum_still_kept")
    def minimum_still_kept(self, ctx: Context[Restoration, PublicNoticeSettings]) -> Refusal | None:
        """Where the law demands a shortest time, it is counted anew: what was shown before the interruption is not."""
        minimum = ctx.settings.minimum
        closes_at = ctx.data.closes_at or from_text(ctx.case.facts["closes_at"])
        return too_short(ctx, closes_at, strict(minimum)) if minimum else None

    @restore.effect("end_the_interruption")
    def end_the_interruption(self, ctx: Context[Restoration, PublicNoticeSettings]) -> Effects:
        """The notice is to be seen again; when it was not is kept. Only a given end moves the printed one."""
        end = {"closes_at": to_text(ctx.data.closes_at)} if ctx.data.closes_at else {}
        facts = {"interruptions": self._interruptions(ctx), **end}
        return Effects(facts={**facts, **_judged(ctx, {**ctx.case.facts, **facts})})

    @remind.effect("report_the_end")
    def report_the_end(self, ctx: Context[Any, PublicNoticeSettings]) -> Effects:
        """The office learns that the end has passed with the notice down: restore it with a new one, or drop it."""
        body = {"title": ctx.case.facts["title"], "closes_at": ctx.case.facts["closes_at"]}
        return Effects(tell=[Message("notice_ended_while_down", to=Role.OFFICE, body=body)])

    @drop.effect("take_the_items_back")
    def take_the_items_back(self, ctx: Context[Ground, PublicNoticeSettings]) -> Effects:
        """What this notice showed waits to be listed again: it has not been shown for its time."""
        down = ctx.stands_in(ctx.case, self.down)
        ended = {"interruptions": self._interruptions(ctx)} if down else {}
        return Effects(
            facts={"dropped_for": ctx.given["ground"], **ended},
            fire=[Fire(m, PublicNotice.relist, ctx.data) for m in self._shown_here(ctx)],
        )

    @close.effect("report_the_close")
    def report_the_close(self, ctx: Context[Any, PublicNoticeSettings]) -> Effects:
        """The office learns that the window is over. Items without an open objection pass by themselves."""
        return Effects(tell=[Message("notice_closed", to=Role.OFFICE, body={"title": ctx.case.facts["title"]})])

    @staticmethod
    def _interruptions(ctx: Context[Any, Any]) -> list[dict[str, Any]]:
        """All interruptions with the one that ends now: from when to when, and on what ground it was taken down."""
        facts = ctx.case.facts
        gap = {"from": facts["taken_down_at"], "to": to_text(ctx.now), "ground": facts["taken_down_for"]}
        return [*facts.get("interruptions", ()), gap]

    def _listing(self, ctx: Context[Any, Any], member: CaseView) -> list[CaseView]:
        """The notices of this stage that list the item on its present visit, in the order of opening."""
        return [n for n in ctx.reads.acts(member.id, self.kind) if n.stage == ctx.case.stage]

    def _shown_here(self, ctx: Context[Any, Any]) -> list[CaseView]:
        """The items before the public by this notice: one that was taken back may by now be shown by a later one."""
        shown = ctx.members(PublicNotice.showing, PublicNotice.held)
        return [m for m in shown if self._listing(ctx, m)[-1].id == ctx.case.id]


class PublicNotice(Stage):
    """公示, seen from one application.

    It is shown with its notice, is held while an objection to it is examined, and passes when the notice that showed it
    last has closed and no objection to it is open. An upheld objection removes it; its place is then free. Objections
    from an earlier visit count like any other: coming back forgets nothing.
    """

    name = "public_notice"
    label = "公示"
    cases = (Notice, Objection)
    Settings = PublicNoticeSettings
    tables = (OBJECTIONS,)

    listed = State("拟公示", owner=Role.OFFICE, initial=True)
    showing = State("公示中", owner=Role.CLOCK)
    held = State("异议核查中", owner=Role.OFFICE)
    removed = State("取消资格", final=True)

    show = Transition(listed, showing, by=Role.ENGINE, label="列入公示")
    remove = Transition((listed, showing, held), removed, when=any_in(Objection, Objection.upheld), label="取消资格")
    hold = Transition(showing, held, when=any_in(Objection, Objection.investigating), label="转入核查")
    free = Transition(held, showing, when=none_open(Objection), label="核查完毕")
    clear = Transition(showing, PASSED, when=all_of(closed(Notice), none_open(Objection)), label="公示通过")
    relist = Transition((showing, held), listed, by=Role.OFFICE, data=Ground, label="重新公示")
    respell = Transition(showing, showing, by=Role.ENGINE, data=Spelling, label="更正文字")
    respell_held = Transition(held, held, by=Role.ENGINE, data=Spelling, label="更正文字")

    phase = PhaseWindow(at_close={listed: CARRY_ON, showing: CARRY_ON, held: CARRY_ON})

    @hold.effect("tell_the_applicant")
    def tell_the_applicant(self, ctx: Context[Any, PublicNoticeSettings]) -> Effects:
        """The applicant learns that its item is held, and nothing about who objected."""
        return Effects(tell=[Message("item_held", to=Role.APPLICANT)])

    @remove.effect("report_the_free_place")
    def report_the_free_place(self, ctx: Context[Any, PublicNoticeSettings]) -> Effects:
        """The applicant learns that its item is off the list, and the office that a place is free for the reserve."""
        tell = [Message("item_removed", to=Role.APPLICANT), Message("place_free", to=Role.OFFICE)]
        return Effects(tell=tell)

    @respell.effect("keep_the_spelling")
    @respell_held.effect("keep_the_spelling")
    def keep_the_spelling(self, ctx: Context[Spelling, PublicNoticeSettings]) -> Effects:
        """The item is spelt as its notice now is."""
        return Effects(facts={ctx.data.field: ctx.data.value})


def _judged(
    ctx: Context[Any, PublicNoticeSettings], facts: Facts, down_since: datetime | None = None
) -> dict[str, Any]:
    """The printed window as it is judged after an act: with its present end, and all the times it was taken down."""
    dated_on = date.fromisoformat(facts["dated_on"])
    opens_at, closes_at = from_text(facts["opens_at"]), from_text(facts["closes_at"])
    return judged(ctx, dated_on, opens_at, closes_at, interruptions_of(facts, down_since))


def _named(item: CaseView) -> dict[str, str]:
    """Which of an enterprise's products a message is about."""
    return {name: item.facts[name] for name in ("product", "number") if item.facts.get(name)}


def _respelling(ctx: Context[Any, Any], item: CaseView) -> Transition:
    return PublicNotice.respell if ctx.stands_in(item, PublicNotice.showing) else PublicNotice.respell_held
