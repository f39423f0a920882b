"""How sheets become a ranking: exact, by named rules, and without a silent cut."""

from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from ganchu_stages.panel import ExpertReviewSettings
from ganchu_stages.scoring_rules import (
    DIMENSIONS,
    RULES,
    Place,
    Ranked,
    changes,
    decimal_text,
    mean,
    median,
    needed,
    points,
    ranking,
    tabulate,
    torn_by,
    trimmed_mean,
    weighted_sum,
)
from ganchu_workflow.canonical import digest_of, encode


def totals(*values: int | str) -> list[Fraction]:
    return [Fraction(v) for v in values]


def test_rules_are_named_and_versioned() -> None:
    assert [(name, rule.name, rule.version) for name, rule in RULES.items()] == [
        ("trimmed_mean", "trimmed_mean", 1),
        ("mean", "mean", 1),
        ("median", "median", 1),
    ]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (totals(90), Fraction(90)),
        (totals(90, 10), Fraction(50)),
        (totals(100, 80, 80, 0), Fraction(65)),
        (totals(100, 81, 80, 79, 0), Fraction(80)),
        (totals(100, 100, 80, 80, 0), Fraction(260, 3)),
        (totals(70, 90, 90, 90, 90, 90, 71), Fraction(431, 5)),
    ],
)
def test_trimmed_mean_drops_one_high_and_one_low_from_five_on(scores: list[Fraction], expected: Fraction) -> None:
    assert trimmed_mean(scores) == expected


def test_mean_is_exact() -> None:
    assert mean(totals("0.1", "0.2")) == Fraction(3, 20)


@pytest.mark.parametrize(("scores", "expected"), [((9, 1, 5), Fraction(5)), ((9, 1, 5, 6), Fraction(11, 2))])
def test_median_of_an_even_number_is_the_mean_of_the_middle_two(scores: tuple[int, ...], expected: Fraction) -> None:
    assert median(totals(*scores)) == expected


@pytest.mark.parametrize(
    ("quorum", "size", "expected"),
    [("2/3", 7, 5), ("2/3", 6, 4), ("2/3", 5, 4), ("2/3", 3, 2), ("1/2", 5, 3), ("1/1", 5, 5), (3, 7, 3)],
)
def test_quorum_is_counted_in_integers(quorum: int | str, size: int, expected: int) -> None:
    assert needed(quorum, size) == expected


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Fraction(250, 3), 2, "83.33"),
        (Fraction(1, 200), 2, "0.01"),
        (Fraction(1, 201), 2, "0.00"),
        (Fraction(1005, 1000), 2, "1.01"),
        (Fraction(5, 2), 0, "3"),
        (Fraction(99999, 1000), 2, "100.00"),
        (Fraction(0), 3, "0.000"),
    ],
)
def test_decimals_round_half_up(value: Fraction, decimals: int, text: str) -> None:
    assert decimal_text(value, decimals) == text


def test_a_sheet_total_is_a_whole_number_of_hundredths() -> None:
    scores = dict(zip(DIMENSIONS, (91, 82, 73, 64, 55), strict=True))
    weights = dict(zip(DIMENSIONS, (30, 25, 20, 15, 10), strict=True))
    assert (weighted_sum(scores, weights), points(7750)) == (7750, Fraction(155, 2))


def test_equal_scores_share_a_rank_and_the_next_counts_them() -> None:
    scores = {"d": Fraction(1), "c": Fraction(2), "b": Fraction(2), "a": Fraction(3)}
    assert ranking(scores) == [
        Ranked("a", Fraction(3), 1),
        Ranked("b", Fraction(2), 2),
        Ranked("c", Fraction(2), 2),
        Ranked("d", Fraction(1), 4),
    ]


def test_a_third_is_not_a_decimal_that_looks_like_it() -> None:
    ranked = ranking({"a": Fraction(250, 3), "b": Fraction("83.3333333333333333333")})
    assert [(r.application, r.rank) for r in ranked] == [("a", 1), ("b", 2)]


def test_a_decision_orders_a_tie_only_when_it_names_all_of_it() -> None:
    scores = dict.fromkeys(("a", "b", "c"), Fraction(2))
    assert [(r.application, r.rank) for r in ranking(scores, [["c", "a"]])] == [("a", 1), ("b", 1), ("c", 1)]
    assert [(r.application, r.rank) for r in ranking(scores, [["c", "x", "a", "b"]])] == [("c", 1), ("a", 2), ("b", 3)]


def test_a_decision_never_overrules_a_score() -> None:
    ranked = ranking({"a": Fraction(2), "b": Fraction(1)}, [["b", "a"]])
    assert [(r.application, r.rank) for r in ranked] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("cuts", "torn"),
    [((1,), []), ((2,), [["b", "c"]]), ((3,), []), ((2, 2), [["b", "c"]]), ((0, 4, 9), []), ((1, 2), [["b", "c"]])],
)
def test_a_tie_is_torn_only_by_a_cut_inside_it(cuts: tuple[int, ...], torn: list[list[str]]) -> None:
    ranked = ranking({"a": Fraction(3), "b": Fraction(2), "c": Fraction(2), "d": Fraction(1)})
    assert torn_by(ranked, cuts) == torn


def test_no_place_at_all_tears_no_tie() -> None:
    assert torn_by(ranking(dict.fromkeys(("a", "b"), Fraction(1))), (0, 2)) == []


def table(sheets: dict[str, dict[str, int]], **options: Any) -> dict[str, Any]:
    chosen: dict[str, Any] = {"rule": RULES["mean"], "decimals": 2, "places": 1, "reserve_places": 1}
    return tabulate(sheets, **{**chosen, **options})


def test_the_table_holds_places_exact_scores_and_digests() -> None:
    sheets = {"a": {"s1": 8000, "s2": 8100, "s3": 8001}, "b": {"s4": 9000}, "c": {"s5": 100}}
    result = table(sheets)
    assert result == {
        "rule": "mean",
        "rule_version": 1,
        "places": 1,
        "reserve_places": 1,
        "decided": [],
        "tied": [],
        "ranking": [
            {
                "application": "b",
                "rank": 1,
                "place": "in",
                "score": "90.00",
                "exact": [90, 1],
                "sheets": 1,
                "digest": digest_of({"s4": 9000}),
            },
            {
                "application": "a",
                "rank": 2,
                "place": "reserve",
                "score": "80.34",
                "exact": [24101, 300],
                "sheets": 3,
                "digest": digest_of({"s1": 8000, "s2": 8100, "s3": 8001}),
            },
            {
                "application": "c",
                "rank": 3,
                "place": "out",
                "score": "1.00",
                "exact": [1, 1],
                "sheets": 1,
                "digest": digest_of({"s5": 100}),
            },
        ],
    }
    assert encode(result)


def test_the_table_reports_a_tie_at_either_cut() -> None:
    sheets = {"a": {"s1": 900}, "b": {"s2": 900}, "c": {"s3": 900}, "d": {"s4": 100}}
    assert table(sheets)["tied"] == [["a", "b", "c"]]
    assert table(sheets, places=3)["tied"] == []
    assert table(sheets, places=0, reserve_places=2)["tied"] == [["a", "b", "c"]]


def test_the_table_keeps_which_ties_were_decided() -> None:
    sheets = {"a": {"s1": 900}, "b": {"s2": 900}, "c": {"s3": 100}}
    result = table(sheets, decided=[["b", "a"]])
    assert (result["decided"], result["tied"]) == ([["b", "a"]], [])
    assert [row["application"] for row in result["ranking"]] == ["b", "a", "c"]


def test_changes_are_places_not_ranks() -> None:
    sheets = {"a": {"s1": 900}, "b": {"s2": 800}, "c": {"s3": 700}, "d": {"s4": 600}}
    moved = {**sheets, "a": {"s1": 750}, "d": {"s4": 710}}
    assert changes(table(sheets), table(moved)) == [("b", Place.IN), ("a", Place.RESERVE)]


# ── settings ──


def test_settings_default_to_what_is_no_rule_of_the_selection() -> None:
    settings = ExpertReviewSettings(places=100)
    assert settings.model_dump(mode="json") == {
        "places": 100,
        "reserve_places": 0,
        "panel_size": 5,
        "panel_size_min": 5,
        "odd": True,
        "quorum": "2/3",
        "rule": "trimmed_mean",
        "weights": {"advanced": 20, "quality": 20, "benefit": 20, "brand": 20, "distinctive": 20},
        "top_score": 100,
        "decimals": 2,
        "answer": "2 working days",
    }
    assert settings.quorum_sheets == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "places"),
        ({"rule": "lottery"}, "use one of trimmed_mean, mean, median"),
        ({"weights": {"quality": 99}}, "the weights add up to 99, not to 100"),
        ({"weights": {"质量": 100}}, "weights"),
        ({"panel_size": 3}, "panel_size (3) is below panel_size_min (5)"),
        ({"panel_size": 6}, "must be odd"),
        ({"quorum": 6}, "asks for more sheets than a panel of 5 has"),
        ({"quorum": "4/3"}, "asks for more sheets than a panel of 5 has"),
        ({"quorum": "0.67"}, "quorum"),
        ({"quorum": 0}, "quorum"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_that_cannot_be_kept_are_refused(settings: dict[str, Any], words: str) -> None:
    places = {"places": 2} if settings else {}
    with pytest.raises(ValidationError) as refused:
        ExpertReviewSettings.model_validate({**places, **settings})
    assert words in str(refused.value)
