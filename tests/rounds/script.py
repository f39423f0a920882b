"""What the rounds of these tests have of their own beside the test kit: who acts, and a plan of every stage."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow import Refusal, Refused
from ganchu_workflow.clock import from_text
from ganchu_workflow.testing import authority, department, usual_plan
from ganchu_workflow.timing import Overlay, WorkingCalendar

NANCHANG, GANZHOU = authority("360100"), authority("360700")
ENVIRONMENT, TAX = department("ENV"), department("TAX")
BOTH = (ENVIRONMENT, TAX)
ZONE = ZoneInfo("Asia/Shanghai")


def local(text: str) -> datetime:
    """The instant that a local time of the office means."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def shown(text: str) -> str:
    """A recorded instant as the office reads it: `2022-10-10 17:30`, with seconds only where it has any."""
    return from_text(text).astimezone(ZONE).replace(tzinfo=None).isoformat(" ").removesuffix(":00")


def refusal_of(act: Callable[[], object]) -> Refusal:
    """Why an act is refused; it must be."""
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.refusal


def code_of(act: Callable[[], object]) -> str:
    """The code with which an act is refused; it must be."""
    return refusal_of(act).code


def plan_of(code: str, *, notice_twice: bool = False, **settings: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of all seven stages and the deliberation; with `notice_twice` also a `local_notice`,
    between declaration and recommendation.

    `settings` are those of the stages, by name. Where a test does not care, quota and places are ample and a panel has
    one expert. It is no demonstration: what is refused in a real round is refused here.
    """
    plan = usual_plan(code) | {"demonstration": False}
    stages = plan["stage"]
    stages.insert(5, {"use": "deliberation", "on": {"sent_back": "expert_review"}})
    if notice_twice:
        stages.insert(1, {"use": "public_notice", "as": "local_notice"})
    for stage in stages:
        stage |= settings.get(stage.get("as", stage["use"]), {})
    return plan


def with_a_day_off(day: date) -> Overlay:
    """The notice of that day's year, amended: one day more is given off. Invented."""
    known = WorkingCalendar.built_in().document()["years"][str(day.year)]
    off = [*map(date.fromisoformat, known["off"]), day]
    work = [*map(date.fromisoformat, known["work"])]
    names = dict.fromkeys([*off, *work], "测试用")
    return Overlay(day.year, "测试用通知", "", None, tuple(sorted(off)), tuple(sorted(work)), names)
