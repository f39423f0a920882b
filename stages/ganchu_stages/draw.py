"""The draw of experts: whoever has the revealed secret and the witness's ballot can repeat it with standard tools.

Before the draw only the commitment to a secret is known; at the draw a witness adds a public ballot, and the secret is
revealed. Neither of the two could choose the outcome alone. With one reference a line in `pool.txt`, and those of them
that were not excluded in `candidates.txt`:

    LC_ALL=C sort pool.txt | sha256sum                        # the digest of the pool
    printf %s "$secret" | sha256sum                           # the commitment
    while read -r r; do echo "$(printf %s "$secret|$ballot|$r" | sha256sum | cut -c-64) $r"; done \\
        < candidates.txt | LC_ALL=C sort | cut -c66-          # the order in which experts are invited
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from ganchu_stages.panel import Code, ExpertReviewSettings, Reference, nobody_to_review, not_odd, size_fixed
from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import digest
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.conditions import all_of, enough, settled
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, setting
from ganchu_workflow.process.language import (
    START,
    Cohort,
    Data,
    Lifecycle,
    Private,
    State,
    Transition,
)
from ganchu_workflow.process.values import CaseView, Effects, Fire, Message, Open

ALGORITHM = "sha256(secret|ballot|reference)"
VERSION = 1


def commitment_to(secret: str) -> str:
    """What is shown before the draw. The secret has 128 bits of chance, so nobody finds it from this."""
    return digest(secret)


def digest_of_lines(references: Iterable[str]) -> str:
    """The digest of a list in its order, one reference a line."""
    return digest("".join(f"{reference}\n" for reference in references))


def digest_of_pool(pool: Iterable[str]) -> str:
    """The digest of a pool, whatever order it was given in."""
    return digest_of_lines(sorted(pool))


def drawn_order(secret: str, ballot: str, candidates: Iterable[str]) -> list[str]:
    """The candidates by the digest of secret, ballot and reference: the order in which they are invited."""
    return sorted(candidates, key=lambda reference: (digest(f"{secret}|{ballot}|{reference}"), reference))


class Convening(Data):
    """The pool a panel is drawn from, as it stood: frozen from then on."""

    group: Annotated[str, Field(max_length=200)] = ""
    """What the office calls the group that the panel reviews, for example 第一组(装备制造)."""
    pool: Annotated[list[Reference], Field(min_length=1)]
    exclusions: dict[Reference, Code] = {}
    """Who of the pool is not drawn, and why: a reason code such as `conflict`."""
    size: Annotated[int, Field(ge=1)] | None = None
    """How many experts; None: the setting `panel_size`, the only size there is where the quorum is a share of it."""
    reserves: Annotated[int, Field(ge=0)] = 0
    """How many more may be invited in their turn when somebody declines, as far as the pool reaches."""
    places: Annotated[int, Field(ge=0)] | None = None
    """How many places this panel may give, where a round is reviewed in groups; None: all that are free."""


class Drawing(Data):
    """The ballot that the witness adds in public, for example numbers drawn by lot."""

    ballot: Annotated[str, Field(pattern=r"^[^|\s]{1,64}$")]
    witness: Annotated[str, Private, Field(min_length=1, max_length=200)]


class Declining(Data):
    """An expert's answer that he or she cannot come."""

    reason: Annotated[str, Private, Field(max_length=2000)] = ""


class Seat(Lifecycle):
    """席位: one expert's place on a panel. Who declines, or stays silent, is replaced by the next of the reserve."""

    label = "专家席位"

    invited = State("已邀请", owner=Role.EXPERT, initial=True)
    accepted = State("已接受", final=True)
    declined = State("未接受", final=True)

    accept = Transition(invited, accepted, by=Role.EXPERT, label="接受邀请")
    decline = Transition(invited, declined, by=Role.EXPERT, data=Declining, label="谢绝邀请")
    lapse = Transition(invited, declined, by=Role.CLOCK, label="逾期未答复")
    stand_down = Transition(invited, declined, by=Role.ENGINE, label="撤回邀请")

    answer = Deadline(invited, rule=setting("answer"), fires=lapse, admits=(accept, decline), label="答复期限")

    @decline.effect("invite_the_next")
    @lapse.effect("invite_the_next")
    def invite_the_next(self, ctx: Context[Any, ExpertReviewSettings]) -> Effects:
        """The panel invites the next of its reserve."""
        return Effects(fire=[Fire(p, ctx.process.transition(p, "replace")) for p in [ctx.parent] if p])


class DrawnPanel(Cohort):
    """A panel up to the moment it can begin: its pool is frozen, its experts are drawn before a witness, and answer.

    It takes applications that stand in the first state of their stage. Who declines is replaced from the reserve.
    """

    forming = State("组建中", owner=Role.OFFICE, initial=True)
    ready = State("已到位", owner=Role.OFFICE)

    convene = Transition(START, forming, by=Role.OFFICE, data=Convening, label="组建")
    draw = Transition(forming, forming, by=(Role.OFFICE, Role.SUPERVISOR), data=Drawing, label="抽取专家")
    replace = Transition(forming, forming, by=Role.ENGINE, label="补抽")
    # While a reserve is left, a declined seat has been replaced by an open one: settled means that none is left.
    staffed = Transition(
        forming, ready, when=all_of(settled(Seat), enough(Seat, Seat.accepted, "panel_size_min")), label="人员到位"
    )

    @convene.guard("items_wait")
    def items_wait(self, ctx: Context[Convening, ExpertReviewSettings]) -> Refusal | None:
        """A panel is convened for applications that wait to be grouped, and stand with no other panel."""
        members = ctx.members()
        if not members:
            return nobody_to_review()
        here = {m.id for m in self.waiting(ctx)}
        if elsewhere := [m.id for m in members if m.id not in here]:
            return Refusal(
                "member_not_here",
                f"有{len(elsewhere)}项不在待分组状态",
                f"{len(elsewhere)} application(s) do not wait to be grouped",
                {"cases": elsewhere[:20]},
            )
        if taken := [m.id for m in members if self._another_takes(ctx, m)]:
            return Refusal(
                "in_another_panel",
                f"有{len(taken)}项已列入另一专家组",
                f"{len(taken)} application(s) are listed by another panel that has not begun",
                {"cases": taken[:20]},
            )
        return None

    @convene.guard("can_be_drawn")
    def can_be_drawn(self, ctx: Context[Convening, ExpertReviewSettings]) -> Refusal | None:
        """The pool names each expert once, and is large enough for a panel of the size that the settings allow."""
        pool, size, least = ctx.data.pool, self._size(ctx), ctx.settings.panel_size_min
        if repeated := sorted({e for e in pool if pool.count(e) > 1}):
            return Refusal("pool_repeats", "专家库名单有重复", "the pool names an expert twice", {"experts": repeated})
        if strangers := sorted(set(ctx.data.exclusions) - set(pool)):
            return Refusal(
                "excluded_not_in_pool",
                "被排除者不在专家库中",
                "who is excluded is not in the pool",
                {"experts": strangers},
            )
        if size < least:
            return Refusal(
                "panel_too_small",
                f"专家组不得少于{least}人",
                f"a panel has at least {least} experts",
                {"size": size, "least": least},
            )
        if ctx.settings.odd and size % 2 == 0:
            return not_odd(size)
        if isinstance(ctx.settings.quorum, str) and size != ctx.settings.panel_size:
            return size_fixed(size, ctx.settings)
        free = len(pool) - len(ctx.data.exclusions)
        if free < size:
            return Refusal(
                "pool_too_small",
                f"可抽取的专家仅{free}人,不足{size}人",
                f"only {free} expert(s) can be drawn, {size} are needed",
                {"candidates": free, "size": size},
            )
        return None

    @convene.effect("freeze_the_pool")
    def freeze_the_pool(self, ctx: Context[Convening, ExpertReviewSettings]) -> Effects:
        """The pool stands under its digest, and a secret is laid down, known only by its commitment."""
        secret = ctx.secret()
        given = ctx.data
        pool = {"pool": ctx.given["pool"], "pool_digest": digest_of_pool(given.pool)}
        terms = {"group": given.group, "size": self._size(ctx), "reserves": given.reserves, "places": given.places}
        return Effects(
            facts={**pool, **terms, "exclusions": ctx.given["exclusions"], "commitment": commitment_to(secret)},
            secrets={"draw_secret": secret},
        )

    @draw.guard("drawn_once")
    def drawn_once(self, ctx: Context[Drawing, ExpertReviewSettings]) -> Refusal | None:
        """A panel is drawn once, and with the secret it was convened with."""
        if "draw" in ctx.case.facts:
            return Refusal("already_drawn", "专家已抽取,不得重抽", "the experts have been drawn; nobody draws again")
        secret = ctx.private("draw_secret")
        if secret is None or commitment_to(secret) != ctx.case.facts["commitment"]:
            return Refusal(
                "secret_lost",
                "抽取密数已不可读或与承诺不符,请解散后重新组建",
                "the secret cannot be read, or is not the one committed to; disband the panel and convene anew",
            )
        return None

    @draw.effect("draw_lots")
    def draw_lots(self, ctx: Context[Drawing, ExpertReviewSettings]) -> Effects:
        """The secret is revealed, the order stands, and the first ones are invited; the next ones are the reserve."""
        facts, secret = ctx.case.facts, str(ctx.private("draw_secret"))
        order = drawn_order(secret, ctx.data.ballot, [e for e in facts["pool"] if e not in facts["exclusions"]])
        size = facts["size"]
        record = {
            "algorithm": ALGORITHM,
            "version": VERSION,
            "secret": secret,
            "ballot": ctx.data.ballot,
            "witness": ctx.given["witness"],
            "order": order,
            "order_digest": digest_of_lines(order),
            "seats": order[:size],
            "reserves": order[size : size + facts["reserves"]],
        }
        return self._invite(ctx, order[:size], {"draw": record})

    @replace.effect("invite_the_next")
    def invite_the_next(self, ctx: Context[Any, ExpertReviewSettings]) -> Effects:
        """The next of the reserve is invited; when none is left, the office learns of it."""
        drawn = ctx.case.facts["draw"]
        line, invited = [*drawn["seats"], *drawn["reserves"]], len(ctx.children(Seat))
        if invited < len(line):
            return self._invite(ctx, line[invited : invited + 1])
        return Effects(tell=[Message("reserves_exhausted", to=Role.OFFICE, body={"panel": ctx.case.id})])

    def waiting(self, ctx: Context[Any, ExpertReviewSettings]) -> list[CaseView]:
        """The members that stand in the first state of their stage: no panel has taken them."""
        stage = type(ctx.process.stage(ctx.case.stage).stage)
        return ctx.members(*(s for s in stage.parts(State).values() if s.initial))

    def _another_takes(self, ctx: Context[Any, ExpertReviewSettings], member: CaseView) -> bool:
        panels = ctx.reads.acts(member.id, self.kind)
        return any(p.id != ctx.case.id and p.state in (self.forming.name, self.ready.name) for p in panels)

    @staticmethod
    def _size(ctx: Context[Convening, ExpertReviewSettings]) -> int:
        return ctx.data.size or ctx.settings.panel_size

    @staticmethod
    def _invite(
        ctx: Context[Any, ExpertReviewSettings], experts: Sequence[str], facts: Mapping[str, Any] | None = None
    ) -> Effects:
        body = {"panel": ctx.case.id, "answer": str(ctx.settings.answer)}
        return Effects(
            facts=facts or {},
            open=[Open(Seat, parent=ctx.case, of=ctx.case, parties={Role.EXPERT: e}) for e in experts],
            tell=[Message("seat_offered", to=Role.EXPERT, scope=e, body=body) for e in experts],
        )
