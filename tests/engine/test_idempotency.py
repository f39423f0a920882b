"""Under a key an act may be repeated: the same request has the same receipt, another request is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from ganchu_workflow import Actor, Receipt, Refusal, Role, SystemEntropy
from tests.engine.small_process import OFFICE, Small, applicant, declaration, hooked, plan, refusal_of

STATEMENT = "本企业承诺材料属实"


def submit(small: Small, case: str, **more: Any) -> Receipt:
    return small.wf.fire(case, "submit", {"truthful": True, **more}, actor=applicant(), key="k-1")


def test_the_same_request_has_the_same_receipt_and_one_event(small: Small) -> None:
    case = small.draft()
    first = submit(small, case)
    before = small.dump()

    small.later()
    again = submit(small, case)
    assert again == first
    assert (first.repeated, again.repeated) == (False, True)
    assert small.dump() == before
    assert small.wf.history(case)[-1]["key"] == "k-1"


def test_the_receipt_is_given_again_though_the_case_has_moved_on(small: Small) -> None:
    case = small.draft()
    first = submit(small, case)
    small.wf.fire(case, "reject", actor=OFFICE)

    assert submit(small, case) == first
    assert first.state == "declare.submitted"


def test_eight_threads_with_one_request_write_one_event(make: Callable[..., Small]) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    case = small.draft()
    start = Barrier(8)

    def repeat(_: int) -> Receipt:
        start.wait(10)
        return submit(small, case)

    with ThreadPoolExecutor(8) as pool:
        receipts = set(pool.map(repeat, range(8)))

    assert len(receipts) == 1
    assert small.triggers(case) == ["declare.declare", "declare.submit"]
    assert small.wf.attempts(small.round) == []


def test_eight_threads_that_open_under_one_key_open_one_case(make: Callable[..., Small]) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    start = Barrier(8)

    def repeat(_: int) -> Receipt:
        start.wait(10)
        return small.wf.open("application", declaration(), actor=applicant(), key="k-1")

    with ThreadPoolExecutor(8) as pool:
        [receipt] = set(pool.map(repeat, range(8)))

    assert [c.id for c in small.wf.cases(small.round, "application")] == [receipt.case_id]


Other = Callable[[Small, str], Any]
OTHERS: dict[str, Other] = {
    "data": lambda small, case: submit(small, case, statement=STATEMENT),
    "data that cannot be used": lambda small, case: small.wf.fire(
        case, "submit", {"truthful": "perhaps"}, actor=applicant(), key="k-1"
    ),
    "actor": lambda small, case: small.wf.fire(
        case, "submit", {"truthful": True}, actor=Actor(Role.APPLICANT, scope="e1", person="u9"), key="k-1"
    ),
    "deputy": lambda small, case: small.wf.fire(
        case, "submit", {"truthful": True}, actor=Actor(Role.APPLICANT, scope="e1", on_behalf_of="u9"), key="k-1"
    ),
    "document": lambda small, case: small.wf.fire(
        case, "submit", {"truthful": True}, actor=applicant(), key="k-1", document="函2"
    ),
    "trigger": lambda small, case: small.wf.fire(case, "accept", actor=OFFICE, key="k-1"),
    "case": lambda small, case: submit(small, small.wf.cases(small.round, "application", "declare.draft")[0].id),
    "opening": lambda small, case: small.wf.open(
        "application", declaration(), actor=applicant(), round=small.round, key="k-1"
    ),
    "round": lambda small, case: small.wf.open_round(plan(), actor=OFFICE, key="k-1"),
    "act of another round": lambda small, case: small.wf.fire(
        small.wf.rounds()[-1], "cancel", {"ground": "省政府决定取消"}, actor=OFFICE, key="k-1"
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_request_under_the_same_key_is_refused_and_changes_nothing(small: Small, other: str) -> None:
    small.draft("e1")
    case = small.draft("e1")
    small.later()
    small.wf.open_round({**plan({"use": "declare"}, {"use": "finish"}), "code": "OTHER"}, actor=OFFICE)
    first = submit(small, case)
    before = small.dump("ganchu_attempt")

    refusal = refusal_of(lambda: OTHERS[other](small, case))

    assert (refusal.code, refusal.detail) == ("key_reused", {"case": case, "seq": first.seq})
    assert small.dump("ganchu_attempt") == before


def test_private_values_are_compared_through_their_commitments(small: Small) -> None:
    case = small.draft()
    first = submit(small, case, statement=STATEMENT)
    before = small.dump("ganchu_attempt")

    assert submit(small, case, statement=STATEMENT) == first
    refusal = refusal_of(lambda: submit(small, case, statement=STATEMENT + "。"))

    assert refusal.code == "key_reused"
    assert small.dump("ganchu_attempt") == before


def test_an_opening_may_be_repeated(small: Small) -> None:
    first = small.wf.open("application", declaration(), actor=applicant(), key="k-1")
    before = small.dump("ganchu_attempt")

    assert small.wf.open("application", declaration(), actor=applicant(), key="k-1") == first
    other = declaration(contact="李四 13900139000")
    assert refusal_of(lambda: small.wf.open("application", other, actor=applicant(), key="k-1")).code == "key_reused"
    assert small.dump("ganchu_attempt") == before


def test_the_opening_of_a_round_may_be_repeated(make: Callable[..., Small]) -> None:
    small = make()
    first = small.wf.open_round(plan(), actor=OFFICE, key="k-1")
    before = small.dump("ganchu_attempt")

    assert small.wf.open_round(plan(), actor=OFFICE, key="k-1") == first
    other = plan(recommend={"quota": 2})
    assert refusal_of(lambda: small.wf.open_round(other, actor=OFFICE, key="k-1")).code == "key_reused"
    assert small.dump("ganchu_attempt") == before


def test_what_was_refused_may_be_tried_again_under_the_same_key(small: Small) -> None:
    case = small.draft()

    with hooked(submit_guard=lambda ctx: Refusal("not_yet", "请稍后", "wait a little")):
        assert refusal_of(lambda: submit(small, case)).code == "not_yet"
    receipt = submit(small, case)

    assert (receipt.state, receipt.seq) == ("declare.submitted", 2)
    assert [row["body"]["key"] for row in small.wf.attempts(small.round)] == ["k-1"]


@pytest.mark.parametrize("key", ["", "k" * 121])
def test_a_key_has_a_length(small: Small, key: str) -> None:
    before = small.dump()

    with pytest.raises(Exception, match="such a key has 1 to 120 characters"):
        small.wf.fire(small.round, "cancel", {"ground": "省政府决定取消"}, actor=OFFICE, key=key)

    assert small.dump() == before


def test_only_the_act_itself_carries_the_key(small: Small) -> None:
    case, letter = small.pending(), small.letter()
    small.wf.fire(letter, "issue", {"applications": [case]}, actor=Actor(Role.LOCAL_AUTHORITY, "360100"), key="k-1")

    assert small.wf.history(letter)[-1]["key"] == "k-1"
    assert [e["key"] for e in small.wf.history(case)] == [None] * 4
