"""The named instants of a transition: each is reached, once, in the order that is written down."""

from collections.abc import Iterator

import pytest

from ganchu_workflow.engine import crash_points
from ganchu_workflow.engine.crash_points import POINTS, reached
from tests.engine.small_process import HOUR, OFFICE, Small, applicant, refusal_of


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The points that are reached from now on."""
    found: list[str] = []
    monkeypatch.setattr(crash_points, "listener", found.append)
    yield found


def test_an_act_reaches_each_point_once_and_in_order(small: Small, heard: list[str]) -> None:
    case = small.draft()
    assert heard == list(POINTS)
    heard.clear()

    small.wf.fire(case, "submit", {"truthful": True}, actor=applicant())

    assert heard == list(POINTS)


def test_an_act_is_seen_by_others_from_committed_on_and_not_before(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = small.draft()
    seen: list[tuple[str, str]] = []
    # What another connection reads, in the middle of the act.
    monkeypatch.setattr(crash_points, "listener", lambda name: seen.append((name, small.state(case))))

    small.wf.fire(case, "submit", {"truthful": True}, actor=applicant())

    before = [(name, "declare.draft") for name in POINTS[:-1]]
    assert seen == [*before, (POINTS[-1], "declare.submitted")]


def test_a_deadline_that_fires_reaches_all_but_the_first(small: Small, heard: list[str]) -> None:
    sheet = small.sheet(small.reviewing())
    small.drift_to(small.due(sheet)["sheet_due"] + HOUR)
    heard.clear()

    small.wf.tick()

    assert (small.state(sheet), heard) == ("silent", list(POINTS[1:]))


def test_a_refused_act_goes_no_further_than_begun_and_its_row_is_a_transaction(small: Small, heard: list[str]) -> None:
    case = small.draft()
    heard.clear()

    refusal_of(lambda: small.wf.fire(case, "accept", actor=OFFICE))

    assert heard == ["received", "begun", "committing", "committed"]


def test_without_a_listener_nothing_happens_and_with_one_its_exception_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert crash_points.listener is None
    reached("received")

    def end(name: str) -> None:
        raise SystemExit(name)

    monkeypatch.setattr(crash_points, "listener", end)
    with pytest.raises(SystemExit, match="committing"):
        reached("committing")


@pytest.mark.parametrize("point", POINTS)
def test_an_act_that_ends_at_a_point_is_done_as_a_whole_or_not_at_all(
    small: Small, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        pass

    def end(name: str) -> None:
        if name == point:
            raise Killed

    case = small.draft()
    before = small.dump()
    monkeypatch.setattr(crash_points, "listener", end)
    with pytest.raises(Killed):
        small.wf.fire(case, "submit", {"truthful": True}, actor=applicant(), key="k-1")
    monkeypatch.setattr(crash_points, "listener", None)

    done = point == "committed"
    assert (small.dump() == before) is not done
    again = small.wf.fire(case, "submit", {"truthful": True}, actor=applicant(), key="k-1")
    assert (again.repeated, again.seq, small.triggers(case)) == (done, 2, ["declare.declare", "declare.submit"])
    assert small.wf.verify().problems == []
