"""赣出精品 on many nodes: the last place goes to one, no objection is lost, and each deadline fires once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from ganchu_workflow import SystemEntropy
from ganchu_workflow.clock import MICROSECOND, from_text
from ganchu_workflow.testing import OFFICE, RoundScript, authority, citizen, usual_plan
from tests.engine.nodes import WAYS, Act, in_processes, in_threads

CITY = "360100"
NANCHANG = authority(CITY)
QUOTA = 3
Nodes = Callable[..., list[str]]


@pytest.fixture(params=WAYS)
def nodes(request: pytest.FixtureRequest) -> Nodes:
    """Does acts at one moment: in threads, or in processes."""
    return WAYS[request.param]


@pytest.fixture
def script(database_url: str) -> Iterator[RoundScript]:
    """A round of the seven stages, in which the authority has three places."""
    plan = usual_plan(local_recommendation={"quota": {CITY: QUOTA}})
    made = RoundScript(plan, database=database_url, entropy=SystemEntropy())
    yield made
    made.close()


# ── the last place ──


def test_of_two_letters_at_one_moment_one_gets_the_last_place(
    script: RoundScript, database_url: str, nodes: Nodes
) -> None:
    names = ["铜箔", "镜头", "灯具", "茶叶"]
    script.declare(*names)
    script.accept(*names)
    script.recommend(*names[: QUOTA - 1])
    letters = [script.open("recommendation", NANCHANG) for _ in range(2)]

    def issue(number: int) -> Act:
        last = {"letter": f"虚构荐〔{number}〕号", "ranks": {script.id(names[QUOTA - 1 + number]): 1}}
        return Act(script.now, "fire", (letters[number].case_id, "issue", last), {"key": f"k-{number}"}, NANCHANG)

    results = nodes(database_url, issue(0), issue(1))

    assert sorted(results) == ["done", "quota_used_up"]
    winner = results.index("done")
    assert [script.state(letter) for letter in letters] == (["issued", "draft"] if winner == 0 else ["draft", "issued"])
    here = ["qualification_check.checking", "local_recommendation.pending"]
    assert [script.state(n) for n in names[QUOTA - 1 :]] == (here if winner == 0 else here[::-1])
    assert [row["code"] for row in script.wf.attempts(script.round)] == ["quota_used_up"]
    script.verify()


def test_of_two_letters_that_rank_the_same_application_one_gets_it(script: RoundScript, database_url: str) -> None:
    script.declare("铜箔")
    script.accept("铜箔")
    letters = [script.open("recommendation", NANCHANG) for _ in range(2)]
    ranks = {"letter": "虚构荐〔1〕号", "ranks": {script.id("铜箔"): 1}}

    results = in_threads(
        database_url, *(Act(script.now, "fire", (each.case_id, "issue", ranks), {}, NANCHANG) for each in letters)
    )

    assert sorted(results) == ["done", "not_yours"]
    assert script.steps("铜箔")[-1][0] == "local_recommendation.recommend"
    assert sorted(script.state(letter) for letter in letters) == ["draft", "issued"]
    script.verify()


def test_the_same_act_on_two_nodes_under_one_key_is_done_once(
    script: RoundScript, database_url: str, nodes: Nodes
) -> None:
    script.declare("铜箔")
    act = Act(script.now, "fire", (script.id("铜箔"), "accept"), {"key": "oa-8841"}, OFFICE)

    assert nodes(database_url, act, act) == ["done", "done"]

    assert [e["trigger"] for e in script.history("铜箔") if e["key"] == "oa-8841"] == ["self_declaration.accept"]
    script.verify()


# ── an objection against the close of its notice ──


def objection(script: RoundScript, notice: Any, name: str = "铜箔") -> Act:
    """An objection that is received at the notice's closing instant, on a node whose clock shows that."""
    closes_at = from_text(script.facts(notice)["closes_at"])
    filing = {"ground": "商标权属不符(虚构)", "name": "公民(虚构)", "contact": "地址(虚构)", "signed": True}
    more = {"parent": script.id(name), "of": notice.case_id}
    return Act(closes_at, "open", ("objection", filing), more, citizen("一"))


def test_an_objection_at_the_moment_its_notice_closes_holds_its_item_or_is_kept_as_refused(
    script: RoundScript, database_url: str, nodes: Nodes
) -> None:
    """Never is the item through and nothing left of the objection."""
    script.carry("铜箔", to="public_notice.listed")
    notice = script.notice("铜箔")
    file = objection(script, notice)
    script.at(file.now, tick=False)

    result, fired = nodes(database_url, file, Act(file.now + MICROSECOND, "tick"))

    assert (script.state(notice), fired) == ("closed", "1")
    filed = [o.state for o in script.wf.cases(script.round, "objection")]
    tried = [(row["code"], row["received_at"]) for row in script.wf.attempts(script.round)]
    if result == "done":
        assert (filed, tried, script.state("铜箔")) == (["filed"], [], "public_notice.showing")
    else:
        assert (result, filed, script.state("铜箔")) == ("window_closed", [], "announcement.decided")
        assert tried == [("window_closed", file.now)]
    script.verify()


def test_an_objection_in_time_goes_before_a_sweep_that_leaves_it_the_grace(
    script: RoundScript, database_url: str
) -> None:
    script.carry("铜箔", to="public_notice.listed")
    notice = script.notice("铜箔")
    file = objection(script, notice)
    script.at(file.now, tick=False)
    grace = {"grace": timedelta(minutes=1)}

    results = in_threads(database_url, file, Act(file.now + MICROSECOND, "tick", more=grace))
    script.at(file.now + MICROSECOND)

    assert results == ["done", "0"]
    assert (script.state(notice), script.state("铜箔")) == ("closed", "public_notice.showing")
    assert [o.state for o in script.wf.cases(script.round, "objection")] == ["filed"]
    script.verify()


# ── the sweep ──


def test_four_nodes_that_sweep_at_one_moment_fire_each_deadline_once(script: RoundScript, database_url: str) -> None:
    names = [f"产品{n}" for n in range(12)]
    script.declare(*names)
    script.fire_each(names, "return_for_correction", OFFICE, items=["检测报告"])
    due = script.wf.next_due(script.round)
    assert due is not None  # a reminder of each

    fired = in_processes(database_url, *[Act(due + MICROSECOND, "tick")] * 4)

    assert sum(map(int, fired)) == len(names)
    ends = [[e["trigger"] for e in script.history(n) if e["deadline"] is not None] for n in names]
    assert ends == [ends[0]] * len(names)
    assert ends[0] == ["deadline:remind"]
    assert len([m for m in script.wf.messages(script.round) if m["message"] == "deadline_reminder"]) == len(names)
    due = script.wf.next_due(script.round, alerts=False)
    assert due is not None
    fired = in_processes(database_url, *[Act(due + MICROSECOND, "tick")] * 4)
    assert sum(map(int, fired)) == 2 * len(names)  # the second reminder, and the end
    assert script.wf.next_due(script.round) is None
    assert script.wf.attempts(script.round) == []
    script.verify()
