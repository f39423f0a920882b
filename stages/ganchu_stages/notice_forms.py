"""What a public notice is made of: its settings, the forms its acts fill in, and how its printed window is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ganchu_stages.objection import ObjectionSettings
from ganchu_workflow.clock import aware, from_text, to_text
from ganchu_workflow.errors import Refusal, YearNotPublished
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.language import Data, Private
from ganchu_workflow.process.rounds import Ground
from ganchu_workflow.process.values import Facts
from ganchu_workflow.timing import Period

_Line = Annotated[str, Field(min_length=1, max_length=200)]


class NoticeDesk(BaseModel):
    """Who puts a notice before the public, and where objections to it go. What is not given is printed as a blank line.

    These are lines of a public paper of an office, not data of a person.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: _Line | None = None
    """落款: the office under the notice."""
    unit: _Line | None = None
    """受理单位."""
    address: _Line | None = None
    telephone: _Line | None = None
    mail: _Line | None = None


class PublicNoticeSettings(ObjectionSettings):
    """The settings of the public notice."""

    window: Period = Period.parse("5 working days")
    """How long a notice stands (default, not a rule of 赣出精品)."""
    minimum: Period | None = None
    """A shortest time that the law behind the round demands, read strictly: the day of publishing is not counted. None:
    no other than `window` (default, not a rule of 赣出精品)."""
    desk: NoticeDesk | None = None
    """What the printed notice says of where objections go. None: blank lines, to be filled in by hand (default)."""


PublicField = Literal["enterprise", "product", "city"]
COLUMNS = ("ordinal", "application", "enterprise", "product", "city")
"""A row of the frozen list. What is printed is the number, enterprise, product and city, and no more."""


class Draft(Data):
    """A notice in draft: its title and the date to be printed under it (落款日期)."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    dated_on: date


class Publication(Data):
    """Publishing: what is printed where it differs from the draft and from the settings."""

    dated_on: date | None = None
    url: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    closes_at: AwareDatetime | None = None
    """The printed end; None: reckoned from the setting `window`."""


class Restoration(Ground):
    """Why a notice goes up again, and a new end if the printed one no longer serves."""

    closes_at: AwareDatetime | None = None


class Correction(Data):
    """One slip of the pen in the list: which entry, which field, and how it is spelt."""

    ordinal: Annotated[int, Field(ge=1)]
    field: PublicField
    value: Annotated[str, Field(min_length=1, max_length=200)]
    document: Annotated[str, Field(min_length=1, max_length=120)]
    ground: Annotated[str, Private, Field(min_length=1, max_length=2000)]


class Spelling(Data):
    """How a public field of an application is spelt."""

    field: PublicField
    value: str


def not_later(ctx: Context[Any, Any], new: datetime) -> Refusal | None:
    """Why a printed end cannot move to `new`, if it cannot: it moves later only, and never into the past."""
    printed = ctx.case.facts["closes_at"]
    if aware(new) <= ctx.now or to_text(new) <= printed:
        return Refusal(
            "end_not_later",
            "新的截止时间必须晚于现在和原截止时间",
            "the new end must be later than now and than the old end",
            {"closes_at": printed},
        )
    return None


def too_short(ctx: Context[Any, Any], closes_at: datetime, period: Period) -> Refusal | None:
    """Why a window from now may not end at `closes_at`, if it may not: the period would not be kept."""
    earliest = ctx.reckon(period).due_at
    if closes_at >= earliest:
        return None
    return Refusal(
        "shorter_than_minimum",
        f"公示期短于{period.label_zh()}:最早应于{earliest:%Y-%m-%d %H:%M}截止",
        f"the window is shorter than {period}: it may not end before {earliest:%Y-%m-%d %H:%M}",
        {"closes_at": to_text(closes_at), "period": str(period), "earliest": to_text(earliest)},
    )


def strict(period: Period) -> Period:
    """The period read strictly: its start day is not counted."""
    return period if period.unit.in_hours else replace(period, counts_start=False)


def judged(
    ctx: Context[Any, PublicNoticeSettings],
    dated_on: date,
    opens_at: datetime,
    closes_at: datetime,
    interruptions: Sequence[tuple[datetime, datetime | None]] = (),
) -> dict[str, Any]:
    """What an official should know about the window, as facts: the anomalies by their codes, and of each how grave it
    is and the end that would cure it (`timing.check_printed`); none where that lies in a year that is not published."""
    remedies: dict[str, dict[str, str | None]]
    try:
        found = ctx.check_printed(
            dated_on=dated_on,
            opens_at=opens_at,
            closes_at=closes_at,
            period=ctx.settings.window,
            minimum=ctx.settings.minimum,
            interruptions=interruptions,
        )
    except YearNotPublished:
        if not interruptions:
            raise
        # What would cure it lies in a year without a calendar: that keeps nobody from taking a notice down.
        known = ctx.case.facts.get("anomalies", ())
        remedies = {**ctx.case.facts.get("remedies", {}), "taken_down": {"severity": "error", "ends_at": None}}
        return {"anomalies": list(dict.fromkeys([*known, "taken_down"])), "remedies": remedies}
    remedies = {}
    for anomaly in sorted(found, key=lambda a: a.remedy):
        # Of two lengths that are not kept, the later end cures both; one error is not lessened by a warning.
        grave = "error" in (anomaly.severity, remedies.get(anomaly.code, {}).get("severity"))
        remedies[anomaly.code] = {"severity": "error" if grave else "warning", "ends_at": to_text(anomaly.remedy)}
    return {"anomalies": list(dict.fromkeys(a.code for a in found)), "remedies": remedies}


def interruptions_of(facts: Facts, down_since: datetime | None = None) -> list[tuple[datetime, datetime | None]]:
    """When a notice was not to be seen, and since when it is not."""
    over = [(from_text(i["from"]), from_text(i["to"])) for i in facts.get("interruptions", ())]
    # Put up again in the same instant, it was never away.
    lasting = [(begun, ended) for begun, ended in over if begun < ended]
    return [*lasting, *([] if down_since is None else [(down_since, None)])]
