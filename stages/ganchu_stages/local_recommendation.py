"""地方推荐: the local authority recommends products to the province, in one letter and one order."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ganchu_stages.documents import CorrectableFile, Decision
from ganchu_stages.recommendation_tables import DECLINED, LETTERS
from ganchu_stages.regions import CITIES
from ganchu_workflow.actors import Role
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.language import (
    CARRY_ON,
    LATER,
    PASSED,
    START,
    Cohort,
    Data,
    PhaseWindow,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.mixins import Correctable, CorrectionSettings
from ganchu_workflow.process.values import CaseView, Effects, Fire, Reversal

Places = Annotated[int, Field(ge=0)]


class Letter(Data):
    """推荐函: its document number, and the rank of each application by its id, from 1."""

    letter: Annotated[str, Field(min_length=1, max_length=120)]
    ranks: Annotated[dict[str, int], Field(min_length=1)]


class Ranked(Data):
    """The place an application has in the letter that names it."""

    letter: str
    rank: Annotated[int, Field(ge=1)]


class LocalRecommendationSettings(CorrectionSettings):
    """The settings of 地方推荐."""

    quota: dict[str, Places] = {}
    """How many products each recommender may recommend, by its code."""
    default_quota: Places | None = None
    """The places of a recommender that `quota` does not name; None: it may recommend nothing (default, not a rule of
    赣出精品)."""
    recommenders: dict[str, str] = CITIES
    """Who may recommend in this round: code and name. A round names its own where they differ, such as pilot counties
    or offices of the province (default, not a rule of 赣出精品)."""

    @model_validator(mode="after")
    def quotas_are_for_recommenders(self) -> Self:
        """A quota for somebody who may not recommend is a mistake of the plan."""
        strangers = sorted(set(self.quota) - set(self.recommenders))
        if strangers:
            raise ValueError(
                f"quota names {', '.join(strangers)}, which recommenders does not have; "
                f"there are: {', '.join(self.recommenders)}"
            )
        return self


class Recommendation(Cohort):
    """推荐函: one act of one local authority on all it recommends. Order and quota are decided here."""

    label = "推荐函"

    draft = State("拟稿", owner=Role.LOCAL_AUTHORITY, initial=True)
    issued = State("已报送", final=True)
    discarded = State("已作废", final=True)

    draw_up = Transition(START, draft, by=Role.LOCAL_AUTHORITY, label="拟稿")
    issue = Transition(draft, issued, by=Role.LOCAL_AUTHORITY, data=Letter, late_by=Role.OFFICE, label="报送")
    cancel = Transition(draft, discarded, by=Role.LOCAL_AUTHORITY, label="作废")

    @issue.guard("registered_recommender")
    def registered_recommender(self, ctx: Context[Letter, LocalRecommendationSettings]) -> Refusal | None:
        """Only a registered recommender recommends."""
        code = _recommender(ctx)
        if code in ctx.settings.recommenders:
            return None
        return Refusal(
            "not_a_recommender",
            f"{code}不在本批次推荐单位名单中",
            f"{code} is not among the recommenders of this round",
            {"recommender": code},
        )

    @issue.guard("own_pending_applications")
    def own_pending_applications(self, ctx: Context[Letter, LocalRecommendationSettings]) -> Refusal | None:
        """A letter names what waits for this recommender, and nothing else."""
        strangers = sorted(set(ctx.data.ranks) - set(_pending(ctx)))
        if not strangers:
            return None
        return Refusal(
            "not_yours",
            f"有{len(strangers)}项不属本地推荐或不在待推荐状态",
            f"{len(strangers)} of the applications do not wait for this recommender",
            {"cases": strangers[:20]},
        )

    @issue.guard("ranks")
    def one_rank_each(self, ctx: Context[Letter, LocalRecommendationSettings]) -> Refusal | None:
        """The ranks are 1, 2, 3 and so on: no tie, no gap."""
        ranks = sorted(ctx.data.ranks.values())
        tied = sorted({r for r in ranks if ranks.count(r) > 1})
        if tied:
            return Refusal(
                "tied_ranks",
                f"排序并列:{'、'.join(map(str, tied))}",
                f"two applications have the same rank: {', '.join(map(str, tied))}",
                {"ranks": tied},
            )
        if ranks != list(range(1, len(ranks) + 1)):
            return Refusal(
                "ranks_not_consecutive",
                f"排序应从1连续排到{len(ranks)}",
                f"the ranks must run from 1 to {len(ranks)} without a gap",
                {"ranks": ranks[:20]},
            )
        return None

    @issue.guard("quota")
    def a_place_is_left(self, ctx: Context[Letter, LocalRecommendationSettings]) -> Refusal | None:
        """The recommender has a quota, and a place of it is left. What is ranked beyond it is over quota."""
        code, places = _recommender(ctx), _places(ctx)
        if places is None:
            return Refusal(
                "no_quota",
                f"未给{code}分配推荐名额",
                f"{code} has no quota in this round",
                {"recommender": code},
            )
        used = _used(ctx)
        if used >= places:
            return Refusal(
                "quota_used_up",
                f"推荐名额{places}个已用完",
                f"all {places} place(s) of the quota are used",
                {"places": places, "used": used},
            )
        return None

    @issue.effect("recommend_in_order")
    def recommend_in_order(self, ctx: Context[Letter, LocalRecommendationSettings]) -> Effects:
        """The letter lists its applications in order: those within the quota are recommended, the rest are over it."""
        pending, ranks = _pending(ctx), ctx.data.ranks
        members = [pending[i] for i in sorted(ranks, key=ranks.__getitem__)]
        left = (_places(ctx) or 0) - _used(ctx)
        fires = [LocalRecommendation.recommend if n < left else LocalRecommendation.exceed for n in range(len(members))]
        letter = ctx.given["letter"]
        return Effects(
            facts={"letter": letter, "recommended": min(left, len(members)), "over_quota": max(len(members) - left, 0)},
            members=members,
            fire=[Fire(a, t, {"letter": letter, "rank": ranks[a.id]}) for a, t in zip(members, fires, strict=True)],
        )


class LocalRecommendation(CorrectableFile, Stage):
    """地方推荐, seen from one application: it waits for its recommender's letter, which names it or does not.

    What no letter has named when the phase closes was missed; a correction under way runs on, and what comes back from
    it to a closed phase was missed as well. A recommendation can be revoked as long as the application is still on its
    way.
    """

    name = "local_recommendation"
    label = "地方推荐"
    cases = (Recommendation,)
    Settings = LocalRecommendationSettings
    tables = (LETTERS, DECLINED)

    pending = State("待推荐", owner=Role.LOCAL_AUTHORITY, initial=True)
    not_recommended = State("不予推荐", final=True)
    over_quota = State("超名额未推荐", final=True)
    missed = State("逾期未报", final=True)
    desk = pending

    recommend = Transition(
        pending, PASSED, by=Role.ENGINE, data=Ranked, late_by=Role.OFFICE, late_from=missed, label="推荐"
    )
    exceed = Transition(
        pending, over_quota, by=Role.ENGINE, data=Ranked, late_by=Role.OFFICE, late_from=missed, label="超名额"
    )
    decline = Transition(pending, not_recommended, by=Role.LOCAL_AUTHORITY, data=Decision, label="不予推荐")
    miss = Transition(pending, missed, by=Role.ENGINE, label="逾期未报")
    revoke = Transition(LATER, not_recommended, by=Role.LOCAL_AUTHORITY, data=Reversal, reopens=True, label="撤销推荐")

    phase = PhaseWindow(admits=Recommendation.issue, at_close={pending: miss, Correctable.correcting: CARRY_ON})

    @recommend.effect("keep_rank")
    @exceed.effect("keep_rank")
    def keep_rank(self, ctx: Context[Ranked, LocalRecommendationSettings]) -> Effects:
        """The application carries the letter and its rank in it."""
        return Effects(facts={"recommendation": {"letter": ctx.given["letter"], "rank": ctx.given["rank"]}})

    @decline.effect("keep_reason")
    def keep_reason(self, ctx: Context[Decision, LocalRecommendationSettings]) -> Effects:
        """The ground is kept. Nobody is told before the results are announced."""
        return Effects(facts={"not_recommended": ctx.given["reason_code"], "not_recommended_text": ctx.given["text"]})

    @revoke.effect("keep_revocation")
    def keep_revocation(self, ctx: Context[Reversal, LocalRecommendationSettings]) -> Effects:
        """The document of the revocation stands beside the recommendation, which is kept."""
        return Effects(
            facts={
                "recommendation_revoked": ctx.given["document"],
                "recommendation_revoked_text": ctx.given["reason"],
            }
        )


def _recommender(ctx: Context[Any, LocalRecommendationSettings]) -> str:
    return ctx.case.parties[Role.LOCAL_AUTHORITY]


def _pending(ctx: Context[Any, LocalRecommendationSettings]) -> dict[str, CaseView]:
    missed = [LocalRecommendation.missed] if ctx.entered_late else []
    waiting = ctx.applications(LocalRecommendation.pending, *missed)
    return {a.id: a for a in waiting if a.parties.get(Role.LOCAL_AUTHORITY) == _recommender(ctx)}


def _places(ctx: Context[Any, LocalRecommendationSettings]) -> int | None:
    return ctx.settings.quota.get(_recommender(ctx), ctx.settings.default_quota)


def _used(ctx: Context[Any, LocalRecommendationSettings]) -> int:
    """The places taken: by all that this recommender has recommended, whatever became of it later.

    Only a recommendation that it has revoked frees its place.
    """
    return sum(a.parties.get(Role.LOCAL_AUTHORITY) == _recommender(ctx) for a in ctx.passed())
