"""专家评审: a drawn panel scores applications blind, and one act ranks them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ganchu_stages.draw import VERSION, DrawnPanel, Seat
from ganchu_stages.panel import (
    Assignment,
    ExpertReviewSettings,
    Filling,
    Handout,
    RankingOrder,
    Sheet,
    TieDecision,
    nobody_to_review,
    not_odd,
    panel_of,
    taken_by,
    tie_at_cut,
)
from ganchu_stages.review_tables import PANELS, SCORES, SEATS
from ganchu_stages.scoring_rules import RULES, Place, changes, tabulate
from ganchu_workflow.actors import Role
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.conditions import all_of, enough, settled
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.language import CARRY_ON, LATER, PASSED, PhaseWindow, Stage, State, Transition
from ganchu_workflow.process.rounds import Ground
from ganchu_workflow.process.values import CaseView, Effects, Fire, Message, Open

Given = Context[Any, ExpertReviewSettings]
Result = Mapping[str, Any]


class Panel(DrawnPanel):
    """专家组: once drawn and answered, it hands out the sheets, and ranks its whole group at once.

    The record holds references and figures, no names, and nobody is told a result. A late recusal has the panel compute
    again over those it ranked: the old result and the new one are both kept, and who has changed places is moved.
    """

    label = "专家组"
    indexed = ("group",)

    scoring = State("评审中", owner=Role.OFFICE)
    ranked = State("已排序", final=True)
    disbanded = State("已解散", final=True)

    begin = Transition(DrawnPanel.ready, scoring, by=Role.OFFICE, data=Handout, label="开始评审")
    rank_ = Transition(scoring, ranked, by=Role.OFFICE, data=RankingOrder, label="排序")
    rerank = Transition(ranked, ranked, by=Role.ENGINE, reopens=True, label="重新排序")
    break_tie = Transition(ranked, ranked, by=Role.OFFICE, data=TieDecision, reopens=True, label="裁定并列")
    disband = Transition(
        (DrawnPanel.forming, DrawnPanel.ready, scoring), disbanded, by=Role.OFFICE, data=Ground, label="解散"
    )

    @begin.guard("fit_to_begin")
    def fit_to_begin(self, ctx: Context[Handout, ExpertReviewSettings]) -> Refusal | None:
        """The panel has something to review, an odd number of experts if that is asked for, and knows its conflicts."""
        members, experts = {m.id for m in self.waiting(ctx)}, _experts(ctx)
        if not members:
            return nobody_to_review()
        if ctx.settings.odd and len(experts) % 2 == 0:
            return not_odd(len(experts))
        strangers = {a: sorted({*refs} - {*experts}) for a, refs in ctx.data.conflicts.items()}
        if unknown := {a: refs for a, refs in sorted(strangers.items()) if refs or a not in members}:
            return Refusal(
                "conflict_unknown",
                "回避名单所列申报或专家不属本专家组",
                "a conflict names an application or an expert that is not with this panel",
                {"conflicts": unknown},
            )
        return None

    @begin.guard("enough_for_a_quorum")
    def enough_for_a_quorum(self, ctx: Context[Handout, ExpertReviewSettings]) -> Refusal | None:
        """Without the experts in conflict, every application still has as many as its quorum asks for."""
        needed, experts = ctx.settings.quorum_sheets, _experts(ctx)
        short = [m.id for m in self.waiting(ctx) if len(_reviewers(ctx, m, experts)) < needed]
        if not short:
            return None
        return Refusal(
            "too_few_experts",
            f"有{len(short)}项回避后专家不足{needed}人",
            f"{len(short)} application(s) are left with fewer than {needed} experts",
            {"cases": short[:20], "needed": needed},
        )

    @begin.effect("hand_out_the_sheets")
    def hand_out_the_sheets(self, ctx: Context[Handout, ExpertReviewSettings]) -> Effects:
        """Each application gets a sheet from each expert who may review it; each expert is told that sheets wait."""
        members, experts = self.waiting(ctx), _experts(ctx)
        pairs = [(m, e) for m in members for e in _reviewers(ctx, m, experts)]
        taken = Assignment(panel=ctx.case.id)
        return Effects(
            facts={"experts": experts, "conflicts": ctx.given["conflicts"]},
            open=[Open(Sheet, parent=m, of=ctx.case, parties={Role.EXPERT: e}) for m, e in pairs],
            fire=[Fire(m, ExpertReview.assign, taken) for m in members],
            tell=[
                Message("sheets_assigned", to=Role.EXPERT, scope=e, body=taken.model_dump())
                for e in experts
                if any(e == reviewer for _, reviewer in pairs)
            ],
        )

    @rank_.guard("everybody_scored")
    def everybody_scored(self, ctx: Context[RankingOrder, ExpertReviewSettings]) -> Refusal | None:
        """Every application that is still with the panel has a valid result."""
        present = self._present(ctx)
        if not present:
            return nobody_to_review()
        if waiting := [m.id for m in present if not ctx.stands_in(m, ExpertReview.scored)]:
            return Refusal(
                "not_all_scored",
                f"尚有{len(waiting)}项没有有效评分结果",
                f"{len(waiting)} application(s) have no valid result yet",
                {"cases": waiting[:20]},
            )
        return None

    @rank_.guard("no_tie_is_cut")
    def no_tie_is_cut(self, ctx: Context[RankingOrder, ExpertReviewSettings]) -> Refusal | None:
        """A tie at a cut is put in order by a document, or not cut at all."""
        if torn := self._first_result(ctx)["tied"]:
            return tie_at_cut(torn)
        if ctx.data.tie_break and not ctx.data.document:
            return Refusal("document_missing", "并列排序须有文号", "an order of tied applications needs its document")
        return None

    @rank_.effect("cut")
    def cut(self, ctx: Context[RankingOrder, ExpertReviewSettings]) -> Effects:
        """The first ones pass, the next ones are kept in reserve, the rest is not shortlisted."""
        result = self._first_result(ctx)
        moves = {Place.IN: ExpertReview.shortlist, Place.RESERVE: ExpertReview.keep, Place.OUT: ExpertReview.drop}
        members = {m.id: m for m in self._present(ctx)}
        fire = [Fire(members[row["application"]], moves[Place(row["place"])]) for row in result["ranking"]]
        return Effects(facts={"results": [result]}, fire=fire)

    @rerank.effect("recompute")
    def recompute(self, ctx: Given) -> Effects:
        """The ranking from the sheets that are still valid stands beside the old one; who changed places is moved.

        One that is left with too few valid sheets goes back without a valid result, and what it held stays empty. Where
        a tie at a cut has come up, nobody else is moved until somebody puts it in order (`break_tie`).
        """
        return self._replace_result(ctx, ctx.case.facts["results"][-1]["decided"])

    @break_tie.guard("the_tie_is_put_in_order")
    def the_tie_is_put_in_order(self, ctx: Context[TieDecision, ExpertReviewSettings]) -> Refusal | None:
        """There is a tie to decide, and the order names everybody in it."""
        if not ctx.case.facts["results"][-1]["tied"]:
            return Refusal("no_tie", "没有待裁定的并列", "no tie waits to be decided")
        torn = self._new_result(ctx, self._decisions(ctx))["tied"]
        return tie_at_cut(torn) if torn else None

    @break_tie.effect("apply_the_order")
    def apply_the_order(self, ctx: Context[TieDecision, ExpertReviewSettings]) -> Effects:
        """The ranking stands with the tie in the order given, and who changed places is moved."""
        return self._replace_result(ctx, self._decisions(ctx))

    @disband.guard("nothing_under_review")
    def nothing_under_review(self, ctx: Context[Ground, ExpertReviewSettings]) -> Refusal | None:
        """A panel that holds applications under review is not disbanded."""
        if present := [m.id for m in self._present(ctx)]:
            return Refusal(
                "members_under_review",
                f"尚有{len(present)}项正由本专家组评审",
                f"{len(present)} application(s) are under review by this panel",
                {"cases": present[:20]},
            )
        return None

    @disband.effect("stand_down")
    def stand_down(self, ctx: Context[Ground, ExpertReviewSettings]) -> Effects:
        """Experts who have not answered need not; they are told. The applications wait for another panel."""
        open_seats = ctx.children(Seat, Seat.invited)
        return Effects(
            facts={"disbanded_for": ctx.given["ground"]},
            fire=[Fire(s, Seat.stand_down) for s in open_seats],
            tell=[
                Message("seat_withdrawn", to=Role.EXPERT, scope=s.parties[Role.EXPERT], body={"panel": ctx.case.id})
                for s in open_seats
            ],
        )

    # ── reading ──

    @staticmethod
    def _present(ctx: Given) -> list[CaseView]:
        """The members that are in this panel's hands: in its stage, open, and taken by no other panel since."""
        members = [m for m in ctx.members() if m.stage == ctx.case.stage and not ctx.is_final(m)]
        return [m for m in members if panel_of(ctx, m) == ctx.case.id]

    @staticmethod
    def _totals(ctx: Given, applications: Iterable[str]) -> dict[str, dict[str, int]]:
        """Application → valid sheet → hundredths of a point."""
        totals: dict[str, dict[str, int]] = {a: {} for a in applications}
        for sheet in ctx.belonging(Sheet, Sheet.scored):
            if sheet.parent in totals:
                totals[sheet.parent][sheet.id] = sheet.facts["hundredths"]
        return totals

    # ── ranking ──

    def _first_result(self, ctx: Context[RankingOrder, ExpertReviewSettings]) -> Result:
        """As many places as the panel was given, as far as they are free."""
        given, settings = ctx.data, ctx.settings
        free = settings.places - len(ctx.beyond())
        allotted = ctx.case.facts.get("places")
        result = self._tabulate(
            ctx,
            self._totals(ctx, [m.id for m in self._present(ctx)]),
            max(0, free if allotted is None else min(allotted, free)),
            settings.reserve_places,
            [given.tie_break] if given.document else [],
        )
        return {**result, "document": given.document, "without_result": [], "unmoved": []}

    def _new_result(self, ctx: Given, decided: Sequence[Sequence[str]]) -> dict[str, Any]:
        """Over those of the last result that still have enough valid sheets; what the others held stays empty."""
        old = ctx.case.facts["results"][-1]
        held = {row["application"]: row["place"] for row in old["ranking"]}
        totals = self._totals(ctx, held)
        void = [a for a, sheets in totals.items() if len(sheets) < ctx.settings.quorum_sheets]
        lost = [held[a] for a in void]
        result = self._tabulate(
            ctx,
            {a: sheets for a, sheets in totals.items() if a not in void},
            old["places"] - lost.count(Place.IN),
            old["reserve_places"] - lost.count(Place.RESERVE),
            decided,
        )
        if result["tied"]:
            for row in result["ranking"]:
                row["place"] = held[row["application"]]
        return {**result, "without_result": void}

    def _tabulate(
        self,
        ctx: Given,
        totals: Mapping[str, Mapping[str, int]],
        places: int,
        reserve: int,
        decided: Sequence[Sequence[str]],
    ) -> dict[str, Any]:
        rule, decimals = RULES[ctx.settings.rule], ctx.settings.decimals
        return tabulate(totals, rule=rule, decimals=decimals, places=places, reserve_places=reserve, decided=decided)

    @staticmethod
    def _decisions(ctx: Context[TieDecision, ExpertReviewSettings]) -> list[list[str]]:
        return [ctx.data.tie_break, *ctx.case.facts["results"][-1]["decided"]]

    def _replace_result(self, ctx: Given, decided: Sequence[Sequence[str]]) -> Effects:
        results = ctx.case.facts["results"]
        new = self._new_result(ctx, decided)
        fire, unmoved = self._moves(ctx, results[-1], new)
        result = {**new, "document": ctx.given.get("document", ""), "unmoved": unmoved}
        # Law 10: the office learns that there is a new result, never what it says.
        told = {"panel": ctx.case.id, "result": len(results) + 1, "decision_needed": bool(new["tied"] or unmoved)}
        return Effects(
            facts={"results": [*results, result]},
            fire=fire,
            tell=[Message("ranking_recomputed", to=Role.OFFICE, body=told)],
        )

    def _moves(self, ctx: Given, old: Result, new: Result) -> tuple[list[Fire], list[str]]:
        """Who is moved, those that give up a place first; and who should be moved, but has ended or gone elsewhere."""
        steps = {Place.IN: ExpertReview.promote, Place.RESERVE: ExpertReview.demote, Place.OUT: ExpertReview.exclude}
        members, beyond = {m.id: m for m in ctx.members()}, {a.id for a in ctx.beyond()}
        wanted = [(members[a], ExpertReview.annul) for a in new["without_result"]]
        for a, place in changes(old, new):
            if place != self._held(ctx, members[a], beyond):
                wanted.append((members[a], steps[place]))
        unmoved = [m.id for m, step in wanted if not self._can(ctx, m, step)]
        movable = [(m, step) for m, step in wanted if m.id not in unmoved]
        fire = [Fire(m, step) for m, step in movable if step is not ExpertReview.promote]
        free = ctx.settings.places - len(beyond) + sum(f.case.id in beyond for f in fire)
        # A place that was filled meanwhile is not given twice: who has moved up then waits first in line.
        up = [m for m, step in movable if step is ExpertReview.promote]
        fire += [Fire(m, ExpertReview.promote) for m in up[: max(0, free)]]
        for m in up[max(0, free) :]:
            unmoved.append(m.id)
            fire += [Fire(m, ExpertReview.demote)] if self._can(ctx, m, ExpertReview.demote) else []
        return fire, unmoved

    @staticmethod
    def _held(ctx: Given, member: CaseView, beyond: set[str]) -> Place | None:
        if member.id in beyond:
            return Place.IN
        if ctx.stands_in(member, ExpertReview.reserve):
            return Place.RESERVE
        return Place.OUT if ctx.stands_in(member, ExpertReview.not_shortlisted) else None

    @staticmethod
    def _can(ctx: Given, member: CaseView, step: Transition) -> bool:
        """Whether the application is still this panel's, and the step leads from where it stands."""
        edges = ctx.process.application.find(member.state, f"{ctx.case.stage}.{step.name}")
        return bool(edges) and panel_of(ctx, member) == ctx.case.id


class ExpertReview(Stage):
    """专家评审, seen from one application: it waits for its panel and its sheets, and passes if ranked high enough.

    Too few valid sheets are no result, neither good nor bad: it is grouped again. The reserve moves up by `fill`."""

    name = "expert_review"
    label = "专家评审"
    cases = (Panel, Seat, Sheet)
    Settings = ExpertReviewSettings
    tables = (PANELS, SEATS, SCORES)
    rules = {name: rule.version for name, rule in RULES.items()} | {"draw": VERSION}

    grouping = State("待分组", owner=Role.OFFICE, initial=True)
    scoring = State("评审中", owner=Role.EXPERT)
    scored = State("已评分待排序", owner=Role.OFFICE)
    no_valid_result = State("无有效结果", owner=Role.OFFICE)
    reserve = State("候补", owner=Role.OFFICE)
    not_shortlisted = State("不建议入选", final=True)

    assign = Transition(grouping, scoring, by=Role.ENGINE, data=Assignment, label="分组")
    complete = Transition(
        scoring, scored, when=all_of(settled(Sheet), enough(Sheet, Sheet.scored, "quorum_sheets")), label="评分完成"
    )
    insufficient = Transition(scoring, no_valid_result, when=settled(Sheet), label="有效评分不足")
    fall_short = Transition(scored, no_valid_result, when=settled(Sheet), label="有效评分不足")
    regroup = Transition(no_valid_result, grouping, by=Role.OFFICE, label="重新分组")
    shortlist = Transition(scored, PASSED, by=Role.ENGINE, label="入围")
    keep = Transition(scored, reserve, by=Role.ENGINE, label="列为候补")
    drop = Transition(scored, not_shortlisted, by=Role.ENGINE, label="不建议入选")
    promote = Transition((reserve, not_shortlisted), PASSED, by=Role.ENGINE, reopens=True, label="改为入围")
    demote = Transition((LATER, not_shortlisted), reserve, by=Role.ENGINE, reopens=True, label="改为候补")
    exclude = Transition((LATER, reserve), not_shortlisted, by=Role.ENGINE, reopens=True, label="改为不建议入选")
    annul = Transition(
        (LATER, reserve, not_shortlisted), no_valid_result, by=Role.ENGINE, reopens=True, label="改为无有效结果"
    )
    fill = Transition(reserve, PASSED, by=Role.OFFICE, data=Filling, label="递补")
    release = Transition(reserve, not_shortlisted, by=Role.OFFICE, label="不再候补")

    phase = PhaseWindow(at_close=dict.fromkeys((grouping, scoring, scored, no_valid_result, reserve), CARRY_ON))

    @assign.effect("belong_to_the_panel")
    def belong_to_the_panel(self, ctx: Context[Assignment, ExpertReviewSettings]) -> Effects:
        """The application is in this panel's hands."""
        return Effects(facts={"panel": taken_by(ctx, ctx.given["panel"])})

    @fall_short.guard("too_few_are_left")
    def too_few_are_left(self, ctx: Given) -> Refusal | None:
        """A late recusal has left fewer valid sheets than the quorum."""
        if len(ctx.children(Sheet, Sheet.scored)) < ctx.settings.quorum_sheets:
            return None
        return Refusal("enough_sheets", "有效评分表数量足够", "there are enough valid sheets")

    @regroup.effect("set_aside_the_old_sheets")
    def set_aside_the_old_sheets(self, ctx: Given) -> Effects:
        """The application is free for another panel; what is left of the old sheets no longer counts."""
        sheets = ctx.children(Sheet, Sheet.scored)
        return Effects(facts={"panel": taken_by(ctx, None)}, fire=[Fire(s, Sheet.set_aside) for s in sheets])

    @fill.guard("place_free")
    def place_free(self, ctx: Context[Filling, ExpertReviewSettings]) -> Refusal | None:
        """Fewer applications than there are places hold one beyond this stage."""
        taken, places = len(ctx.beyond()), ctx.settings.places
        if taken < places:
            return None
        return Refusal("no_place", "没有空缺名额", "no place is free", {"taken": taken, "places": places})

    @fill.guard("next_in_line")
    def next_in_line(self, ctx: Context[Filling, ExpertReviewSettings]) -> Refusal | None:
        """The highest ranked of its panel's reserve goes first; between equals, a document decides."""
        table = ctx.reads.case(str(panel_of(ctx, ctx.case))).facts["results"][-1]["ranking"]
        ranks = {row["application"]: row["rank"] for row in table}
        waiting = [a.id for a in ctx.applications(ExpertReview.reserve) if a.id in ranks and a.id != ctx.case.id]
        mine = ranks[ctx.case.id]
        if ahead := [a for a in waiting if ranks[a] < mine]:
            return Refusal(
                "not_next_in_line",
                "候补顺序在前的申报项尚未递补",
                "another one stands before it in the reserve",
                {"ahead": sorted(ahead, key=ranks.__getitem__)[:20]},
            )
        level = [a for a in waiting if ranks[a] == mine]
        if level and not ctx.data.document:
            return Refusal(
                "tie_in_line",
                "候补中有并列,须注明决定文号",
                "another one in the reserve has the same rank; name the document that decides between them",
                {"tied": sorted(level)},
            )
        return None


def _experts(ctx: Given) -> list[str]:
    return [s.parties[Role.EXPERT] for s in ctx.children(Seat, Seat.accepted)]


def _reviewers(ctx: Context[Handout, ExpertReviewSettings], member: CaseView, experts: Iterable[str]) -> list[str]:
    return [e for e in experts if e not in ctx.data.conflicts.get(member.id, ())]
