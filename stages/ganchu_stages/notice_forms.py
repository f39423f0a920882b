"""What a public notice is made of: its settings, the forms its acts fill in, and how its printed window is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ganchu_stages.objection import ObjectionSettings
from ganchu_workflow.clock import MICROSECOND, aware, to_text
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.language import Data, Private
from ganchu_workflow.process.rounds import Ground
from ganchu_workflow.timing import END_OF_DAY, Period, Reckoning, Unit

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


INTERRUPTED = "interrupted"
"""The anomaly of a notice that has been taken down: it was not to be seen for all of its printed time."""

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


def anomalies_of(
    ctx: Context[Publication, PublicNoticeSettings], dated_on: date, closes_at: datetime, reckoning: Reckoning
) -> Iterator[str]:
    """What an official should know about the window: the codes of `ganchu_workflow.timing.Anomaly`."""
    if dated_on > reckoning.start.date():
        yield "dated_after_start"
    # One calendar day, the closing day itself: its end moves on exactly when it is a rest day.
    closing_day = Period(1, Unit.CALENDAR_DAYS, counts_start=True, ends_at=END_OF_DAY)
    moved = ctx.reckon(closing_day, closes_at - MICROSECOND)
    if moved.first_day != moved.last_day:
        yield "ends_on_rest_day"
    if closes_at < ctx.reckon(strict(ctx.settings.window)).due_at:
        yield "shorter_than_minimum"
