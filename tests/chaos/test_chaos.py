"""The chaos run in short: processes that play a round are killed at every named point. `.ci/long` has the long form."""

import pytest

from ganchu_workflow.entropy import SystemEntropy
from tests.chaos.run import PLACES, RANDOM, run


@pytest.mark.parametrize(("database", "workers", "restarts"), [("sqlite", 2, 0), ("postgresql", 4, 1)])
def test_whatever_is_killed_nothing_is_lost_doubled_or_half_done(database: str, workers: int, restarts: int) -> None:
    outcome = run(database, SystemEntropy().take(4).hex(), workers=workers, kills=1, size=12, most=180)

    print(outcome)
    assert outcome.problems == [], outcome
    assert [place for place in (*PLACES, RANDOM) if not outcome.kills[place]] == []
    assert (outcome.restarts, outcome.acknowledged > 50) == (restarts, True)
