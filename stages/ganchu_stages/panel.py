"""What a panel works with: the settings of the expert review, what must be given, and the score sheets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from ganchu_stages.scoring_rules import DIMENSIONS, FULL_WEIGHT, RULES, decimal_text, needed, points, weighted_sum
from ganchu_workflow.actors import Role
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.language import Data, Lifecycle, Private, State, Transition
from ganchu_workflow.process.values import CaseView, Effects, Fire, Reversal
from ganchu_workflow.timing import Limit, Period

Reference = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
"""The host's reference to an expert: printable ASCII without blanks, never a name."""
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Share = Annotated[str, Field(pattern=r"^[1-9][0-9]?/[1-9][0-9]?$")]
Count = Annotated[StrictInt, Field(ge=1)]
FreeText = Annotated[str, Private, Field(min_length=1, max_length=2000)]
DocumentNumber = Annotated[str, Field(max_length=120)]


class ExpertReviewSettings(BaseModel):
    """The settings of the expert review."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    places: Annotated[int, Field(ge=1)]
    """How many applications may hold a place beyond this stage. No default: nobody can know it."""
    reserve_places: Annotated[int, Field(ge=0)] = 0
    """How many of each panel's next ones are kept in reserve (候补) (default, not a rule of 赣出精品)."""
    panel_size: Annotated[int, Field(ge=1)] = 5
    """How many experts a panel has, where its convening does not say (default, not a rule of 赣出精品). A quorum
    given as a share is a share of this, and then every panel has this size."""
    panel_size_min: Annotated[int, Field(ge=1)] = 5
    """With fewer experts no panel is convened, and none begins when its reserves have run out
    (default, not a rule of 赣出精品)."""
    odd: bool = True
    """Whether a panel must have an odd number of experts (单数) (default, not a rule of 赣出精品)."""
    quorum: Count | Share = "2/3"
    """How many valid sheets an application needs: a count, or a share of `panel_size`, rounded up
    (default, not a rule of 赣出精品)."""
    rule: str = "trimmed_mean"
    """How the sheets' totals become a score: a name in `scoring_rules.RULES` (default, not a rule of 赣出精品)."""
    weights: Annotated[dict[Code, Annotated[StrictInt, Field(ge=0)]], Field(min_length=1)] = dict.fromkeys(
        DIMENSIONS, 20
    )
    """The weight of each dimension; they add up to 100 (default, not a rule of 赣出精品)."""
    top_score: Annotated[int, Field(ge=1, le=10_000)] = 100
    """The highest score of a dimension; the lowest is 0 (default, not a rule of 赣出精品)."""
    decimals: Annotated[int, Field(ge=0, le=6)] = 2
    """To how many decimals a score is printed (default, not a rule of 赣出精品). It is compared exactly."""
    answer: Limit = Period.parse("2 working days")
    """How long an invited expert has to answer; silence declines (default, not a rule of 赣出精品)."""

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        if self.rule not in RULES:
            raise ValueError(f"there is no rule '{self.rule}'; use one of {', '.join(RULES)}")
        if sum(self.weights.values()) != FULL_WEIGHT:
            raise ValueError(f"the weights add up to {sum(self.weights.values())}, not to {FULL_WEIGHT}")
        if self.panel_size_min > self.panel_size:
            raise ValueError(f"panel_size ({self.panel_size}) is below panel_size_min ({self.panel_size_min})")
        if self.odd and self.panel_size % 2 == 0:
            raise ValueError(f"panel_size ({self.panel_size}) must be odd, or set odd = false")
        if self.quorum_sheets > self.panel_size:
            raise ValueError(f"a quorum of {self.quorum} asks for more sheets than a panel of {self.panel_size} has")
        return self

    @property
    def quorum_sheets(self) -> int:
        """How many valid sheets the quorum comes to."""
        return needed(self.quorum, self.panel_size)


class Handout(Data):
    """Which experts must not see which application: application → their references."""

    conflicts: dict[Reference, list[Reference]] = {}


class RankingOrder(Data):
    """For ties that a cut would divide: the order of the tied applications, and the document that decides it."""

    tie_break: list[str] = []
    document: DocumentNumber = ""


class TieDecision(Reversal):
    """The order of applications that a recomputation left tied at a cut."""

    tie_break: Annotated[list[str], Field(min_length=2)]


class Assignment(Data):
    """The panel that takes an application."""

    panel: str


class Filling(Data):
    """Taking one up from the reserve; between equals, the document that decides."""

    document: DocumentNumber = ""


class Scoring(Data):
    """An expert's scores: one whole number for each dimension."""

    scores: dict[Code, StrictInt]
    comment: Annotated[str, Private, Field(max_length=4000)] = ""


class Recusal(Data):
    """回避: the ground on which an expert does not review an application."""

    ground: FreeText


class LateRecusal(Reversal):
    """A conflict found after the expert has scored."""

    ground: FreeText


class Sheet(Lifecycle):
    """评分表: one expert's scores for one application. Blind: nobody is told what is on it."""

    label = "评分表"

    assigned = State("待评分", owner=Role.EXPERT, initial=True)
    scored = State("已评分", final=True)
    void = State("已作废", final=True)

    score = Transition(assigned, scored, by=Role.EXPERT, data=Scoring, label="评分")
    recuse = Transition(assigned, void, by=(Role.EXPERT, Role.SUPERVISOR), data=Recusal, label="回避")
    recuse_late = Transition(scored, void, by=Role.SUPERVISOR, data=LateRecusal, reopens=True, label="事后回避")
    set_aside = Transition(scored, void, by=Role.ENGINE, reopens=True, label="不再计分")
    orphaned = Transition(assigned, void, by=Role.ENGINE, label="随申报作废")

    @score.guard("each_dimension_once")
    def each_dimension_once(self, ctx: Context[Scoring, ExpertReviewSettings]) -> Refusal | None:
        """A sheet scores exactly the dimensions of the settings."""
        wanted, found = set(ctx.settings.weights), set(ctx.data.scores)
        if wanted == found:
            return None
        return Refusal(
            "wrong_dimensions",
            "评分维度与规定不一致",
            "a sheet scores exactly the dimensions of the settings",
            {"missing": sorted(wanted - found), "unknown": sorted(found - wanted)},
        )

    @score.guard("scores_in_range")
    def scores_in_range(self, ctx: Context[Scoring, ExpertReviewSettings]) -> Refusal | None:
        """Every score lies between 0 and the highest."""
        top = ctx.settings.top_score
        wrong = sorted(d for d, score in ctx.data.scores.items() if not 0 <= score <= top)
        if not wrong:
            return None
        return Refusal(
            "score_out_of_range",
            f"评分应为0至{top}的整数",
            f"a score is a whole number from 0 to {top}",
            {"dimensions": wrong, "top": top},
        )

    @score.effect("keep_the_scores")
    def keep_the_scores(self, ctx: Context[Scoring, ExpertReviewSettings]) -> Effects:
        """The sheet holds the scores and their weighted total, exact in hundredths of a point."""
        hundredths = weighted_sum(ctx.data.scores, ctx.settings.weights)
        return Effects(
            facts={
                "scores": ctx.given["scores"],
                "comment": ctx.given["comment"],
                "hundredths": hundredths,
                "total": decimal_text(points(hundredths), 2),
            }
        )

    @recuse.effect("keep_the_ground")
    def keep_the_ground(self, ctx: Context[Recusal, ExpertReviewSettings]) -> Effects:
        """The sheet is void and says on which ground."""
        return Effects(facts={"recused_for": ctx.given["ground"]})

    @recuse_late.effect("recompute")
    def recompute(self, ctx: Context[LateRecusal, ExpertReviewSettings]) -> Effects:
        """The sheet is void and says why; its scores stay on record. A panel that has ranked does so again."""
        of = ctx.of
        again = ctx.process.kind(of.kind).find(of.state, "rerank") if of else ()
        return Effects(
            facts={
                "recused_for": ctx.given["ground"],
                "voided_by": ctx.given["document"],
                "voided_for": ctx.given["reason"],
            },
            fire=[Fire(of, edge.transition, must=False) for edge in again if of],
        )


def nobody_to_review() -> Refusal:
    """The panel lists no application that it could do this with."""
    return Refusal("no_members", "专家组名下没有可评审的申报项", "the panel has no application to review")


def not_odd(size: int) -> Refusal:
    """The settings ask for an odd number of experts."""
    return Refusal(
        "panel_not_odd",
        f"专家组人数应为单数,现为{size}人",
        f"a panel has an odd number of experts, not {size}",
        {"size": size},
    )


def size_fixed(size: int, settings: ExpertReviewSettings) -> Refusal:
    """The quorum is a share of another size than the panel's."""
    return Refusal(
        "panel_size_fixed",
        f"有效评分比例按{settings.panel_size}人计,专家组不得为{size}人;如需其他人数,请在方案中将比例改为人数",
        "the quorum is a share of panel_size; convene with that size or give quorum as a count in the plan",
        {"size": size, "panel_size": settings.panel_size, "quorum": settings.quorum},
    )


def panel_of(ctx: Context[Any, ExpertReviewSettings], application: CaseView) -> str | None:
    """The panel that has taken the application in this stage: a plan may use the stage twice."""
    panels: Mapping[str, str | None] = application.facts.get("panel", {})
    return panels.get(ctx.case.stage)


def taken_by(ctx: Context[Any, ExpertReviewSettings], panel: str | None) -> dict[str, str | None]:
    """The fact `panel` of this application once `panel` has taken it, or none has it any more: stage → panel."""
    return {**ctx.case.facts.get("panel", {}), ctx.case.stage: panel}


def tie_at_cut(torn: list[list[str]]) -> Refusal:
    """A cut would divide applications with equal scores."""
    return Refusal(
        "tie_at_cut",
        "名额分界处有并列,须提供并列排序及文号",
        "a cut would divide applications with equal scores; give their order in tie_break, with its document",
        {"tied": torn},
    )
