"""How papers put things into words: places, dates and hours, the length of a window, what is only a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ganchu_workflow.cli.demo import MARK
from ganchu_workflow.clock import from_text
from ganchu_workflow.process.definition import Process
from ganchu_workflow.timing import Period

Facts = Mapping[str, Any]
Places = Mapping[str, Mapping[str, str]]
"""Of the facts `city` and `recommender`: code → name."""
DEFAULT_ZH = "默认值，非“赣出精品”规定"
"""Stands wherever a paper shows a value that nobody chose."""
INTERNAL_ZH = "内部资料，不对外公开"
_FULL_WIDTH = str.maketrans(",:;()", "\uff0c\uff1a\uff1b\uff08\uff09")
_DAYS_PRINTED = 8
"""More rest days than this are given by their number: a long window would drown its end in dates."""
_ANOMALIES = {
    "dated_after_start": "落款日期晚于公示起始日",
    "published_late": "实际发布晚于公示起始",
    "ends_on_rest_day": "截止日为休息日",
    "shorter_than_minimum": "公布当日不计时，短于公示期",
    "taken_down": "公示期间曾暂时撤下",
    "provisional": "次年放假安排尚未公布，12月的日子可能调整",
    "dated_after_publication": "落款日期晚于发布日",
}


def mark_of(round_facts: Facts) -> str:
    """The mark of a demonstration; empty for a round that is none."""
    return MARK if round_facts["demonstration"] else ""


def zone_of(round_facts: Facts) -> ZoneInfo:
    """The zone in which the round's papers give their hours."""
    return ZoneInfo(round_facts["plan"]["timezone"])


def places_of(round_facts: Facts) -> Places:
    """The names of the places that the round's plan gives, apart for each fact: one code may name a city and, in the
    register of recommenders, its office. Without such a register a recommender goes by the name of its city.
    """
    cities, recommenders = (_names(round_facts, setting) for setting in ("cities", "recommenders"))
    return {"city": cities, "recommender": recommenders or cities}


def _names(round_facts: Facts, setting: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for stage in round_facts["plan"]["stage"]:
        table = stage.get(setting)
        if isinstance(table, Mapping):
            found |= {str(code): str(name) for code, name in table.items()}
    return found


def defaulted(round_facts: Facts, stage: str, setting: str) -> bool:
    """Whether a setting of a stage instance is a default: the plan does not give it."""
    found = (s for s in round_facts["plan"]["stage"] if s["as"] == stage)
    return any(setting in s["defaults"] for s in found)


def stages_before(process: Process, stage: str) -> tuple[str, ...]:
    """The labels of the stages that come before a stage instance, in the order of the plan."""
    names = process.stage_names
    return tuple(stage_label(process, name) for name in names[: names.index(stage)])


def stage_label(process: Process, stage: str) -> str:
    """What a stage instance is called; with its own name where the plan uses the stage twice."""
    instance = process.stage(stage)
    label: str = type(instance.stage).label
    twice = sum(type(s.stage) is type(instance.stage) for s in process.stages) > 1
    return f"{label}（{stage}）" if twice else label


def date_words(day: str) -> str:
    """`2021年11月3日`, of an ISO date."""
    found = date.fromisoformat(day)
    return f"{found.year}年{found.month}月{found.day}日"


def instant_words(text: str, zone: ZoneInfo) -> str:
    """`2021年11月3日17时30分`, of a recorded instant, with its seconds if it has any: of an end none may be lost.

    Midnight is 24时 of the day that ends with it.
    """
    local = from_text(text).astimezone(zone)
    if _is_midnight(local):
        return f"{date_words((local.date() - timedelta(days=1)).isoformat())}24时"
    exact = f"{local.second}.{local.microsecond:06d}".rstrip("0").removesuffix(".")
    seconds = f"{exact}秒" if exact != "0" else ""
    minutes = f"{local.minute}分" if local.minute or seconds else ""
    return f"{date_words(local.date().isoformat())}{local.hour}时{minutes}{seconds}"


def length_words(rule: str) -> str:
    """`5个工作日（公布当日不计）`, of a window's rule: the hour stands with the end, not here."""
    period = Period.parse(rule)
    words = (period if period.unit.in_hours else replace(period, ends_at=None)).label_zh()
    return words.translate(_FULL_WIDTH)


def rest_days_words(days: Sequence[Sequence[Any]]) -> str:
    """`其间11月6日、7日为休息日，不计入`, of a reckoning's days; empty where no day is left out but the first."""
    rest = [date.fromisoformat(d[0]) for d in days if not d[1] and d[2] in ("weekend", "holiday")]
    if not rest:
        return ""
    if len(rest) > _DAYS_PRINTED:
        return f"其间休息日{len(rest)}天，不计入"
    return f"其间{'、'.join(_without_repeats(rest))}为休息日，不计入"


def anomaly_words(code: str) -> str:
    """What an official reads of an anomaly of a window; its code where there are no words for it."""
    return _ANOMALIES.get(code, code)


def _without_repeats(days: Sequence[date]) -> Iterator[str]:
    month = 0
    for day in days:
        yield f"{day.day}日" if day.month == month else f"{day.month}月{day.day}日"
        month = day.month


def _is_midnight(local: datetime) -> bool:
    return not (local.hour or local.minute or local.second or local.microsecond)
