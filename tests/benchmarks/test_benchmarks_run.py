"""Every benchmark runs, and its arithmetic is right. No number that a machine makes is asserted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import profiles
from tests.benchmarks.__main__ import BENCHMARKS, main, quick
from tests.benchmarks.measure import Bar, Interval, Line, Patience, interval, measure
from tests.benchmarks.report import table
from tests.benchmarks.worlds import Wanted, sources

NAMES = {
    "transition": [
        "transition, SQLite, synchronous=FULL",
        "transition, SQLite, synchronous=NORMAL",
        "transition, PostgreSQL",
        "transition, PostgreSQL, 8 threads",
    ],
    "fire_many": ["fire_many, 5 cases, SQLite", "fire_many, 5 cases, PostgreSQL"],
    "scale": [
        f"{name}, {backend}"
        for backend in ("SQLite", "PostgreSQL")
        for name in (
            "tasks() of a clerk",
            "growth: 40 events stored",
            "growth: 20 events on the one case",
            "tick: 3 due of 40 armed",
        )
    ],
    "opening": ["opening an application, SQLite", "opening an application, PostgreSQL"],
    "verification": ["verification, SQLite", "verification, PostgreSQL"],
    "reckoning": [
        f"a window of {rule}"
        for rule in (
            "5 working days",
            "10 working days",
            "7 calendar days",
            "5 working days, and never under 7 calendar days",
            "3 months",
            "48 hours",
        )
    ],
    "start": ["import ganchu_workflow", "from ganchu_workflow import Workflow", "ganchu --help"],
    "demo": ["ganchu demo"],
}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Wanted]:
    folder = tmp_path_factory.mktemp("benchmarks")
    with sources(folder, postgres_server) as found:
        yield quick(Wanted(folder, found, postgres_server))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_measures_every_one_of_its_lines(name: str, wanted: Wanted) -> None:
    lines = list(BENCHMARKS[name][1](wanted))

    assert [line.name for line in lines] == NAMES[name]
    assert {line.pairs for line in lines} == {1}


def test_a_profile_of_each_way_and_database_says_where_all_of_the_time_went(wanted: Wanted) -> None:
    found = list(profiles.profiles(wanted))

    assert [p.name for p in found] == [
        "transition, SQLite", "fire_many, SQLite", "transition, PostgreSQL", "fire_many, PostgreSQL"
    ]  # fmt: skip
    assert [round(sum(p.shares.values()), 9) for p in found] == [1] * 4
    # Each part does something, so its mark is of a place that is there.
    assert {part for p in found for part, share in p.shares.items() if share == 0} == set()
    assert profiles.table(found).count("\n") == len(found[0].shares) + 3


def test_the_command_writes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, postgres_server: str
) -> None:
    monkeypatch.setenv("GANCHU_TEST_POSTGRES", postgres_server)
    out = tmp_path / "performance.md"

    assert main(["--quick", "--only", "opening", "--folder", str(tmp_path), "--out", str(out)]) == 0

    assert [x for x in out.read_text(encoding="utf-8").splitlines() if x.startswith("#")] == [
        "# Performance",
        "## The machine",
        "## What is compared",
        "## Opening a case",
    ]
    assert str(tmp_path) not in out.read_text(encoding="utf-8")
    assert "opening an application, SQLite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([3.0, 1.0, 2.0], 1.0, 3.0),
        # 30 values: the 10th and the 21st, as the tables of the sign test have it.
        ([float(i) for i in range(1, 31)], 10.0, 21.0),
        ([float(i) for i in range(1, 41)], 14.0, 27.0),
    ],
)
def test_the_interval_is_that_of_the_sign_test(values: list[float], low: float, high: float) -> None:
    middle = sorted(values)
    expected = (middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2

    assert interval(values) == Interval(expected, low, high)


def test_the_sides_take_turns() -> None:
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return 1.0

    pairs = measure(Patience(3), lambda: side("a"), lambda: side("b"))

    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert pairs.sides == ((1.0, 1.0),) * 3


@pytest.mark.parametrize(
    ("done", "passed", "more"),
    [
        (39, 14.9, True),
        (40, 14.9, False),
        (30, 15.0, False),
        (29, 15.0, True),
        (29, 240.0, False),
    ],
)
def test_patience_ends_early_only_once_there_are_enough(done: int, passed: float, more: bool) -> None:
    assert Patience(40, 15, 240).more(done, passed, 30) is more


@pytest.mark.parametrize(
    ("bar", "found", "pairs", "verdict"),
    [
        (Bar(0.65, at_least=True), Interval(0.8, 0.65, 0.9), 30, "met"),
        (Bar(0.65, at_least=True), Interval(0.8, 0.64, 0.9), 30, "**not met**"),
        (Bar(1.2, at_least=False), Interval(1.0, 0.9, 1.2), 30, "met"),
        (Bar(1.2, at_least=False), Interval(1.0, 0.9, 1.21), 30, "**not met**"),
        (Bar(1.2, at_least=False), Interval(1.0, 0.9, 1.1), 29, "not judged: 29 pairs"),
        (None, Interval(1.0, 0.9, 1.1), 30, "no bar"),
    ],
)
def test_a_bar_is_met_by_the_worse_end(bar: Bar | None, found: Interval, pairs: int, verdict: str) -> None:
    assert Line("x", "y", found, pairs, 1.0, 2.0, bar).verdict == verdict


def test_a_line_is_a_row_with_what_it_means_below() -> None:
    line = Line("x", "a against b", Interval(0.8, 0.7, 0.9), 30, 1500.0, None, Bar(0.65, at_least=True), "0.8×")

    assert table([line]).splitlines()[2:] == [
        "| x | ≥ 0.65× | 0.8× | 0.80 (0.70–0.90)× | 30 | 1,500 |  | met |",
        "",
        "- x: a against b.",
    ]
