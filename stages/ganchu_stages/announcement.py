"""公布: the one act that makes results public, and the recognition it gives."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field

from ganchu_stages.recognition import Decision, Recognition, RecognitionSettings, Revocation
from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import digest_of
from ganchu_workflow.clock import to_text
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.language import CARRY_ON, START, Cohort, Data, PhaseWindow, Stage, State, Transition
from ganchu_workflow.process.rounds import Round
from ganchu_workflow.process.values import Effects, Fire, Message, Open


def _readable(pattern: str) -> str:
    try:
        numbers = {pattern.format(code="CODE", ordinal=ordinal) for ordinal in (1, 2)}
    except (LookupError, ValueError, AttributeError) as error:
        raise ValueError("may hold only {code} and {ordinal}, such as {code}-{ordinal:03}") from error
    if len(numbers) < 2:  # a pattern without the count gives every item the same number
        raise ValueError("must hold {ordinal}, or all certificates would have one number")
    return pattern


class AnnouncementSettings(RecognitionSettings):
    """The settings of the announcement and of what follows it."""

    certificate: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_readable)] = "{code}-{ordinal:03}"
    """How a certificate is numbered, from the round's code and a count that runs on through the round (default, not a
    rule of 赣出精品)."""


class Publication(Data):
    """The joint document that announces: its number, who issues it, and the date under it."""

    document: Annotated[str, Field(min_length=1, max_length=120)]
    issuers: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1)]
    dated_on: date


class Announced(Data):
    """What the announcement gives one application."""

    number: Annotated[str, Field(min_length=1, max_length=200)]
    document: Annotated[str, Field(min_length=1, max_length=120)]


class AnnouncementAct(Cohort):
    """公布: one joint document announces all its items at once, in its order. It never changes.

    What comes later, such as an item that was held, is announced by a further document; its numbers run on.
    """

    label = "公布"
    indexed = ("document",)

    published = State("已公布", final=True)

    publish = Transition(START, published, by=Role.OFFICE, data=Publication, label="公布")

    @publish.guard("items_are_here")
    def items_are_here(self, ctx: Context[Publication, AnnouncementSettings]) -> Refusal | None:
        """An announcement names at least one item, and only items that wait to be announced."""
        members = ctx.members()
        if not members:
            return Refusal("no_members", "公布文件未列任何申报项", "the announcement lists no application")
        here = {m.id for m in ctx.members(Announcement.decided)}
        elsewhere = [m.id for m in members if m.id not in here]
        if elsewhere:
            return Refusal(
                "member_not_here",
                f"有{len(elsewhere)}项不在待公布状态",
                f"{len(elsewhere)} application(s) do not wait to be announced",
                {"cases": elsewhere[:20]},
            )
        return None

    @publish.effect("announce_all_at_once")
    def announce_all_at_once(self, ctx: Context[Publication, AnnouncementSettings]) -> Effects:
        """Every item is announced under its number, its applicant told, and the round announced with the first act."""
        given, members = ctx.data, ctx.members()
        before = len(ctx.applications(Announcement.announced))
        code = ctx.round.facts["code"]
        numbered = [
            (ctx.settings.certificate.format(code=code, ordinal=ordinal), member)
            for ordinal, member in enumerate(members, start=before + 1)
        ]
        rows = [[number, m.id, *(m.facts.get(c) for c in ("enterprise", "product", "city"))] for number, m in numbered]
        announce = [
            Fire(m, Announcement.announce, Announced(number=number, document=given.document)) for number, m in numbered
        ]
        first = ctx.round.state == Round.running.name
        return Effects(
            facts={
                "document": given.document,
                "issuers": list(given.issuers),
                "dated_on": given.dated_on.isoformat(),
                "published_at": to_text(ctx.now),
                "list": rows,
                "digest": digest_of(rows),
            },
            fire=[*announce, Fire(ctx.round, Round.announce)] if first else announce,
            tell=[
                Message(
                    "result_announced",
                    to=Role.APPLICANT,
                    scope=m.parties[Role.APPLICANT],
                    body={"number": number, "document": given.document, "product": m.facts.get("product")},
                )
                for number, m in numbered
            ],
        )


class Announcement(Stage):
    """公布, seen from one application: decided, and silent, until the announcement names it.

    There is no way for the applicant to withdraw from here: what is decided is announced, set aside by the office with
    its reason, or called off.
    """

    name = "announcement"
    label = "公布"
    cases = (AnnouncementAct, Recognition, Revocation)
    Settings = AnnouncementSettings

    decided = State("待公布", owner=Role.OFFICE, initial=True)
    announced = State("已公布", success=True)
    set_aside = State("不予公布", final=True)

    withdraw = None
    announce = Transition(decided, announced, by=Role.ENGINE, data=Announced, label="公布")
    set_aside_ = Transition(decided, set_aside, by=Role.OFFICE, data=Decision, label="不予公布")

    phase = PhaseWindow(at_close={decided: CARRY_ON})

    @announce.effect("give_recognition")
    def give_recognition(self, ctx: Context[Announced, AnnouncementSettings]) -> Effects:
        """The application carries the number of its certificate, and a recognition begins that outlives the round."""
        facts, number = ctx.case.facts, ctx.data.number
        act = {"document": ctx.data.document, "announced_at": to_text(ctx.now)}
        holder = {key: facts[key] for key in ("enterprise", "product") if key in facts}
        return Effects(
            facts={"certificate": number, **act},
            open=[Open(Recognition, parent=ctx.case, facts={"number": number, **act, **holder})],
        )

    @set_aside_.effect("keep_the_decision")
    def keep_the_decision(self, ctx: Context[Decision, AnnouncementSettings]) -> Effects:
        """The item will not be announced, and its place is free. The decision is kept; nobody outside is told."""
        return Effects(facts={"set_aside_by": ctx.data.document, "set_aside_for": ctx.given["reason"]})
