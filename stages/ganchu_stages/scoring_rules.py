"""How score sheets become a ranking: exact fractions, named and versioned rules, and ties that are reported.

Nothing is rounded before it is compared; a decimal text is for people to read, and stands beside the exact value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from typing import Any

from ganchu_workflow.canonical import digest_of

DIMENSIONS: Mapping[str, str] = {
    "advanced": "技术先进",
    "quality": "质量优良",
    "benefit": "效益突出",
    "brand": "品牌知名",
    "distinctive": "特色鲜明",
}
"""The five dimensions of 赣出精品. How they are weighted is not known: a plan says so."""

FULL_WEIGHT = 100
"""What the weights of all dimensions add up to."""


class Place(StrEnum):
    """What a ranking gives an application."""

    IN = "in"
    RESERVE = "reserve"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class ScoringRule:
    """How the totals of one application's sheets become its score. A change of meaning is a new version."""

    name: str
    version: int
    label: str
    combine: Callable[[Sequence[Fraction]], Fraction]


TRIMMED_FROM = 5
"""From how many scores on one high and one low are dropped: below that, too little is left to mean anything."""


def mean(totals: Sequence[Fraction]) -> Fraction:
    """The arithmetic mean."""
    return sum(totals, Fraction()) / len(totals)


def trimmed_mean(totals: Sequence[Fraction]) -> Fraction:
    """The mean without one highest and one lowest; of fewer than five, the plain mean."""
    return mean(sorted(totals)[1:-1] if len(totals) >= TRIMMED_FROM else totals)


def median(totals: Sequence[Fraction]) -> Fraction:
    """The middle one, or the mean of the two in the middle."""
    half, ordered = len(totals) // 2, sorted(totals)
    return ordered[half] if len(ordered) % 2 else mean(ordered[half - 1 : half + 1])


RULES: Mapping[str, ScoringRule] = {
    rule.name: rule
    for rule in (
        ScoringRule("trimmed_mean", 1, "去掉一个最高分和一个最低分后的平均分", trimmed_mean),
        ScoringRule("mean", 1, "平均分", mean),
        ScoringRule("median", 1, "中位数", median),
    )
}
"""The rules a plan can name."""


def needed(quorum: int | str, size: int) -> int:
    """How many of `size` a quorum asks for: a count as it is, a share such as `2/3` rounded up (2/3 of 7 is 5)."""
    if isinstance(quorum, int):
        return quorum
    numerator, denominator = map(int, quorum.split("/"))
    return -(-size * numerator // denominator)


def weighted_sum(scores: Mapping[str, int], weights: Mapping[str, int]) -> int:
    """A sheet's total in hundredths of a point: the weights add up to 100."""
    return sum(weight * scores[dimension] for dimension, weight in weights.items())


def points(hundredths: int) -> Fraction:
    """A sheet's total in points."""
    return Fraction(hundredths, FULL_WEIGHT)


def decimal_text(value: Fraction, decimals: int) -> str:
    """A value from 0 up, to so many decimals, half up: `83.33`."""
    digits = str((value * 10**decimals + Fraction(1, 2)).__floor__()).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


@dataclass(frozen=True, slots=True)
class Ranked:
    """An application in the ranking. Equal scores share a rank, and the next one counts them: 1, 2, 2, 4."""

    application: str
    score: Fraction
    rank: int


def ranking(scores: Mapping[str, Fraction], decided: Sequence[Sequence[str]] = ()) -> list[Ranked]:
    """The applications from the highest score down.

    `decided` are ties that somebody put in order: one that holds all of a group with equal scores gives them ranks of
    their own. The order of a list within an undecided group means nothing; their ranks are equal.
    """
    by_score = sorted(scores, key=lambda a: (-scores[a], a))
    found: list[Ranked] = []
    for score, tied in groupby(by_score, key=lambda a: scores[a]):
        group, rank = list(tied), len(found) + 1
        order = _order_of(group, decided)
        if order is None:
            found += [Ranked(a, score, rank) for a in group]
        else:
            found += [Ranked(a, score, rank + i) for i, a in enumerate(order)]
    return found


def torn_by(ranked: Sequence[Ranked], cuts: Iterable[int]) -> list[list[str]]:
    """The groups of equal rank that a cut would divide; a cut after the n-th place is `n`."""
    torn = {ranked[cut].rank for cut in cuts if 0 < cut < len(ranked) and ranked[cut - 1].rank == ranked[cut].rank}
    return [[r.application for r in ranked if r.rank == rank] for rank in sorted(torn)]


def tabulate(
    totals: Mapping[str, Mapping[str, int]],
    *,
    rule: ScoringRule,
    decimals: int,
    places: int,
    reserve_places: int,
    decided: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """The result of a ranking, as canonical values: application → (sheet → hundredths of a point) in, a table out.

    `tied` lists the groups that a cut would divide: while it is not empty, the table decides nothing about them.
    """
    scores = {a: rule.combine([points(h) for h in sheets.values()]) for a, sheets in totals.items()}
    ranked = ranking(scores, decided)
    groups = [[r.application for r in g] for _, g in groupby(ranking(scores), key=lambda r: r.rank)]
    orders = [_order_of(group, decided) for group in groups if len(group) > 1]
    return {
        "rule": rule.name,
        "rule_version": rule.version,
        "places": places,
        "reserve_places": reserve_places,
        "decided": [order for order in orders if order],
        "tied": torn_by(ranked, (places, places + reserve_places)),
        "ranking": [
            {
                "application": r.application,
                "rank": r.rank,
                "place": _place(position, places, reserve_places).value,
                "score": decimal_text(r.score, decimals),
                "exact": [r.score.numerator, r.score.denominator],
                "sheets": len(totals[r.application]),
                "digest": digest_of(dict(totals[r.application])),
            }
            for position, r in enumerate(ranked)
        ],
    }


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Place]]:
    """Who has another place in the new result than in the old one, from the top."""
    before = {row["application"]: row["place"] for row in old["ranking"]}
    rows = [(row["application"], Place(row["place"])) for row in new["ranking"]]
    return [(application, place) for application, place in rows if place != before[application]]


def _order_of(group: Sequence[str], decided: Sequence[Sequence[str]]) -> list[str] | None:
    for order in decided:
        if set(group) <= set(order):
            return sorted(group, key=list(order).index)
    return None


def _place(position: int, places: int, reserve_places: int) -> Place:
    if position < places:
        return Place.IN
    return Place.RESERVE if position < places + reserve_places else Place.OUT
