"""Many acts at once: each stands or falls by itself, and the report says of each what became of it."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from resource import RUSAGE_SELF, getrusage
from threading import Barrier
from time import perf_counter
from typing import Any

import pytest
from sqlmodel import Session

from ganchu_workflow import Bulk, Refused, SeededEntropy, SimulatedClock, SystemEntropy, Workflow
from ganchu_workflow.engine import bulk as bulks
from ganchu_workflow.errors import Invalid
from ganchu_workflow.process import Effects
from ganchu_workflow.store.database import connect
from tests.engine.small_process import (
    BEGUN,
    CLOSES,
    CONTACT,
    HOUR,
    MICROSECOND,
    OFFICE,
    Rules,
    Small,
    applicant,
    authority,
    declaration,
    dump,
    hooked,
    refusal_of,
)

STATEMENT = "本企业承诺材料属实,联系人王五"
TRUE = {"truthful": True, "statement": STATEMENT}
Line = tuple[str, str | None, str | None]


def told(bulk: Bulk) -> list[Line]:
    """The report, a line for each item: the case, where it stands now, the code of what stood in the way."""
    return [
        (i.case, i.receipt.state if i.receipt else None, i.error.code if i.error is not None else None)
        for i in bulk.items
    ]


def submit(wf: Workflow, cases: Sequence[str], **more: Any) -> Bulk:
    return wf.fire_many(cases, "submit", more.pop("data", TRUE), actor=applicant(), **more)


# ── the report ──


def test_each_stands_or_falls_by_itself_and_the_report_keeps_the_order(small: Small) -> None:
    drafts = [small.draft() for _ in range(3)]
    done, others = small.submitted(), small.draft("e2")

    bulk = submit(small.wf, [drafts[0], done, "01AAAAAAAAAAAAAAAAAAAAAAAA", others, drafts[1], drafts[2]])

    assert told(bulk) == [
        (drafts[0], "declare.submitted", None),
        (done, None, "not_here"),
        ("01AAAAAAAAAAAAAAAAAAAAAAAA", None, "unknown"),
        (others, None, "not_allowed"),
        (drafts[1], "declare.submitted", None),
        (drafts[2], "declare.submitted", None),
    ]
    assert bulk.moved == tuple(bulk.items[n] for n in (0, 4, 5))
    assert bulk.refused == tuple(bulk.items[n] for n in (1, 2, 3))
    assert [small.state(c) for c in (*drafts, done, others)] == ["declare.submitted"] * 4 + ["declare.draft"]
    assert [(row["case_id"], row["code"]) for row in small.wf.attempts(small.round)] == [
        (done, "not_here"),
        (others, "not_allowed"),
    ]
    assert small.wf.verify().problems == []


def test_a_refusal_is_kept_once_and_may_be_handed_to_keep(small: Small) -> None:
    done = small.submitted()

    [item] = submit(small.wf, [done]).items

    assert item.error is not None
    small.wf.keep(item.error)
    assert [row["code"] for row in small.wf.attempts(small.round)] == ["not_here"]


def test_it_writes_what_single_acts_would(make: Callable[..., Small], small: Small) -> None:
    """To the byte: the same chance and the same clock give the same events, messages and attempts."""
    cases = [small.draft(), small.submitted(), small.draft("e2"), small.draft()]
    seams = {"clock": small.simulated}

    def record(wf: Workflow) -> list[Any]:
        return [[wf.history(c) for c in cases], wf.attempts(small.round), wf.messages(small.round)]

    def one_by_one(inside: Workflow) -> list[Any]:
        for case in cases:
            try:
                inside.fire(case, "submit", TRUE, actor=applicant(), key=f"k:{case}")
            except Refused as refused:
                inside.keep(refused)
        return record(inside)

    singly = make(entropy=SeededEntropy("acts"), **seams).wf.together(one_by_one, dry_run=True)
    many = make(entropy=SeededEntropy("acts"), **seams).wf
    submit(many, cases, key="k")

    assert record(many) == singly
    assert [len(events) for events in singly[0]] == [2, 2, 1, 2]
    assert [row["code"] for row in singly[1]] == ["not_here", "not_allowed"]


def test_each_case_may_have_data_of_its_own(small: Small) -> None:
    cases = [small.draft() for _ in range(3)]
    names = {cases[2]: {"enterprise": "丙厂"}, cases[0]: {"enterprise": "甲厂"}, cases[1]: {"enterprise": 1}}

    bulk = small.wf.fire_many(names, "save", actor=applicant())

    assert told(bulk) == [
        (cases[2], "declare.draft", None),
        (cases[0], "declare.draft", None),
        (cases[1], None, "data_invalid"),
    ]
    assert [small.view(c).facts["enterprise"] for c in cases] == ["甲厂", "甲厂", "丙厂"]
    assert [[c.id for c in small.wf.find(small.round, "enterprise", name)] for name in ("甲厂", "丙厂")] == [
        cases[:2],
        [cases[2]],
    ]


def test_cases_may_be_views_and_receipts(small: Small) -> None:
    view = small.view(small.draft())
    receipt = small.wf.open("application", declaration(), actor=applicant(), round=small.round)

    bulk = small.wf.fire_many([view, receipt], "submit", TRUE, actor=applicant())

    assert told(bulk) == [(view.id, "declare.submitted", None), (receipt.case_id, "declare.submitted", None)]


def test_of_nothing_there_is_nothing_to_tell(small: Small) -> None:
    before = small.dump()

    assert [submit(small.wf, [], dry_run=dry) for dry in (False, True)] == [Bulk(()), Bulk(())]
    assert small.dump() == before


def test_a_trigger_that_does_not_exist_is_told_of_each(small: Small) -> None:
    cases = [small.draft(), small.draft()]
    before = small.dump()

    bulk = small.wf.fire_many(cases, "hand_in", actor=applicant())

    assert told(bulk) == [(c, None, "unknown") for c in cases]
    assert small.dump() == before


def asked_badly(small: Small, case: str) -> list[Callable[[], Any]]:
    wf = small.wf
    return [
        lambda: submit(wf, [case, case]),
        lambda: wf.fire_many(case, "submit", TRUE, actor=applicant()),
        lambda: wf.fire_many({case: TRUE}, "submit", TRUE, actor=applicant()),
        lambda: submit(wf, [case], key=""),
        lambda: submit(wf, [case], key="k" * 94),
    ]


@pytest.mark.parametrize(
    ("which", "why"),
    [
        (0, "is given twice; give each once"),
        (1, "takes a list of cases"),
        (2, "the data is given twice"),
        (3, "1 to 93 characters"),
        (4, "1 to 93 characters"),
    ],
)
def test_what_cannot_be_meant_is_refused_as_a_whole(small: Small, which: int, why: str) -> None:
    case = small.draft()
    before = small.dump()

    with pytest.raises(Invalid, match=why):
        asked_badly(small, case)[which]()

    assert small.dump() == before


def test_the_longest_key_has_room_for_the_case(small: Small) -> None:
    case = small.draft()
    key = "k" * 93

    assert told(submit(small.wf, [case], key=key)) == [(case, "declare.submitted", None)]
    assert small.wf.history(case)[-1]["key"] == f"{key}:{case}"


# ── a rule that breaks ──


def crash_on(case: str, words: str = "no such row") -> Callable[[Rules], Any]:
    def crash(ctx: Rules) -> None:
        if ctx.case.id == case:
            raise LookupError(words)

    return crash


@pytest.mark.parametrize("rule", ["submit_guard", "submit_effect"])
def test_a_rule_that_crashes_on_one_leaves_the_others(small: Small, rule: str) -> None:
    cases = [small.draft() for _ in range(3)]

    with hooked(**{rule: crash_on(cases[1])}):
        bulk = submit(small.wf, cases)

    code = "guard_crashed" if rule == "submit_guard" else "rule_crashed"
    assert told(bulk) == [
        (cases[0], "declare.submitted", None),
        (cases[1], None, code),
        (cases[2], "declare.submitted", None),
    ]
    assert [(r["case_id"], r["kind"], r["code"]) for r in small.wf.attempts(small.round)] == [
        (cases[1], "crashed", code)
    ]
    assert small.triggers(cases[1]) == ["declare.declare"]
    assert small.wf.verify().problems == []


def test_an_effect_that_returns_something_else_is_a_crash_of_that_one(small: Small) -> None:
    cases = [small.draft() for _ in range(3)]

    with hooked(submit_effect=lambda ctx: "done" if ctx.case.id == cases[1] else None):
        bulk = submit(small.wf, cases)

    assert [code for _, _, code in told(bulk)] == [None, "rule_crashed", None]
    assert [(r["case_id"], r["code"]) for r in small.wf.attempts(small.round)] == [(cases[1], "rule_crashed")]


def quoting(where: str) -> dict[str, Any]:
    """What goes wrong with the private statement in hand: the hook, or the data."""
    if where == "data":
        return {"data": {"truthful": "也许", "statement": STATEMENT}}
    return {}


@pytest.mark.parametrize("where", ["data", "guard", "effect", "leak"])
def test_no_private_value_stands_in_an_error_or_an_attempt(small: Small, where: str) -> None:
    case = small.draft()

    def rule(ctx: Rules) -> Any:
        if where == "leak":
            return Effects(facts={"said": ctx.data.statement})
        raise LookupError(f"{ctx.data.statement} {ctx.private('contact')}")

    hooks = {"guard": {"submit_guard": rule}, "effect": {"submit_effect": rule}, "leak": {"submit_effect": rule}}
    with hooked(**hooks.get(where, {})):
        [item] = submit(small.wf, [case], **quoting(where)).items

    codes = {"data": "data_invalid", "guard": "guard_crashed", "effect": "rule_crashed", "leak": "private_leak"}
    assert item.error is not None
    assert item.error.code == codes[where]
    written = repr([str(item.error), item.error.fields, small.dump("ganchu_private_value")])
    escaped = written + written.encode().decode("unicode_escape", "ignore")
    assert [s for s in (STATEMENT, CONTACT) if s in escaped] == []
    assert CONTACT in repr(small.dump())


# ── trying it first ──


def quota_of(make: Callable[..., Small], places: int, letters: int) -> tuple[Small, dict[str, Mapping[str, Any]]]:
    """A round with so many places, and more letters than that, each naming one application."""
    small = make().open_round(recommend={"quota": places})
    cases = [small.pending(f"e{n}") for n in range(letters)]
    return small, {small.letter(): {"applications": [case]} for case in cases}


def test_a_dry_run_leaves_not_a_byte_and_says_what_the_real_run_then_does(make: Callable[..., Small]) -> None:
    small, letters = quota_of(make, places=2, letters=4)
    asked = {**letters, "nowhere": {}}
    before = small.dump()

    tried = small.wf.fire_many(asked, "issue", actor=authority(), dry_run=True)
    assert small.dump() == before
    done = small.wf.fire_many(asked, "issue", actor=authority())

    first, second, third, fourth = letters
    assert told(tried) == [
        (first, "issued", None),
        (second, "issued", None),
        (third, None, "quota_used_up"),
        (fourth, None, "quota_used_up"),
        ("nowhere", None, "unknown"),
    ]
    assert told(done) == told(tried)
    whys = [[i.error.refusal for i in b.refused if isinstance(i.error, Refused)] for b in (tried, done)]
    assert whys[0] == whys[1]
    assert len(small.wf.attempts(small.round)) == 2
    assert small.wf.verify().problems == []


def test_a_refusal_of_a_dry_run_cannot_be_kept(small: Small) -> None:
    [item] = submit(small.wf, [small.submitted()], dry_run=True).items

    assert item.error is not None
    with pytest.raises(Invalid, match="only refusals of an act do"):
        small.wf.keep(item.error)
    assert small.wf.attempts(small.round) == []


def test_a_dry_run_settles_what_is_due_and_takes_that_back_too(small: Small) -> None:
    cases = [small.draft(), small.draft()]
    small.drift_to(CLOSES + MICROSECOND)
    before = small.dump()

    tried = submit(small.wf, cases, dry_run=True)
    assert small.dump() == before
    done = submit(small.wf, cases)

    assert told(tried) == told(done) == [(c, None, "window_closed") for c in cases]
    assert [small.state(c) for c in cases] == ["declare.lapsed"] * 2


# ── in time or late ──


def test_all_are_received_at_one_instant(make: Callable[..., Small], monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes on while they are carried out: the last is recorded after the window has closed, and is in time."""
    small = make().open_round()
    cases = [small.draft() for _ in range(5)]
    small.drift_to(CLOSES)
    monkeypatch.setattr(bulks, "BATCH", 2)

    with hooked(submit_guard=lambda ctx: small.simulated.advance(HOUR)):
        bulk = submit(small.wf, cases)

    assert told(bulk) == [(c, "declare.submitted", None) for c in cases]
    assert {e["received_at"] for c in cases for e in small.wf.history(c)[-1:]} == {"2021-09-03T09:30:00.000000Z"}
    assert {e["effective_at"] for c in cases for e in small.wf.history(c)[-1:]} == {"2021-09-03T09:30:00.000000Z"}
    assert small.wf.history(cases[-1])[-1]["recorded_at"] == "2021-09-03T13:30:00.000000Z"
    assert small.wf.verify().problems == []


def test_what_was_due_is_settled_first_and_a_microsecond_late_is_late(small: Small) -> None:
    cases = [small.draft() for _ in range(3)]
    small.drift_to(CLOSES + MICROSECOND)

    bulk = submit(small.wf, cases)

    assert told(bulk) == [(c, None, "window_closed") for c in cases]
    assert [small.triggers(c) for c in cases] == [["declare.declare", "declare.lapse"]] * 3
    assert [r["code"] for r in small.wf.attempts(small.round)] == ["window_closed"] * 3
    assert small.wf.verify().problems == []


def test_a_deadline_that_will_not_fire_is_kept_as_a_row_of_the_batch(small: Small) -> None:
    """The act goes on, as a single act does; that the deadline was refused is not lost."""
    case = small.submitted()
    small.drift_to(small.due(case)["declare.answer_due"] + MICROSECOND)

    with hooked(remind_guard=crash_on(case)):
        bulk = small.wf.fire_many([case], "accept", actor=OFFICE)

    assert told(bulk) == [(case, "recommend.pending", None)]
    assert [(r["name"], r["code"]) for r in small.wf.attempts(small.round)] == [("declare.remind", "guard_crashed")]


# ── again, under a key ──


def test_what_broke_off_in_the_middle_is_finished_by_the_same_call(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulks, "BATCH", 3)
    cases = [small.draft() for _ in range(8)]
    asked: list[str] = []

    def pull_the_plug(ctx: Rules) -> None:
        asked.append(ctx.case.id)
        if len(asked) == 5:
            raise KeyboardInterrupt

    with hooked(submit_effect=pull_the_plug), pytest.raises(KeyboardInterrupt):
        submit(small.wf, cases, key="k")
    assert [small.state(c) for c in cases] == ["declare.submitted"] * 3 + ["declare.draft"] * 5
    first = [small.wf.history(c)[-1]["digest"] for c in cases[:3]]

    again = submit(small.wf, cases, key="k")

    assert told(again) == [(c, "declare.submitted", None) for c in cases]
    assert [i.receipt.digest for i in again.items[:3] if i.receipt] == first
    assert [small.triggers(c) for c in cases] == [["declare.declare", "declare.submit"]] * 8
    assert len(small.wf.messages(small.round)) == 8
    before = small.dump()
    assert submit(small.wf, cases, key="k") == again
    assert small.dump() == before
    assert small.wf.verify().problems == []


def test_under_a_key_another_request_is_refused_for_each(small: Small) -> None:
    cases = [small.draft(), small.draft()]
    submit(small.wf, cases[:1], key="k")

    other = submit(small.wf, cases, key="k", data={"truthful": True, "statement": "另一份承诺"})
    elsewhere = small.wf.fire_many(cases[:1], "accept", actor=OFFICE, key="k")

    assert told(other) == [(cases[0], None, "key_reused"), (cases[1], "declare.submitted", None)]
    assert told(elsewhere) == [(cases[0], None, "key_reused")]
    assert [small.triggers(c) for c in cases] == [["declare.declare", "declare.submit"]] * 2


# ── in the host's transaction ──


@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
def test_in_the_hosts_transaction_it_stands_or_falls_with_it(
    small: Small, database_url: str, commits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulks, "BATCH", 2)
    drafts, done = [small.draft() for _ in range(3)], small.submitted()
    before = small.dump()
    host = connect(database_url)

    with Session(host) as session:
        inside = small.wf.using(session)
        bulk = submit(inside, [drafts[0], done, *drafts[1:]])
        seen = [inside.case(c).state for c in drafts]
        assert small.dump() == before
        if commits:
            session.commit()
        else:
            session.rollback()
    host.dispose()

    assert seen == ["declare.submitted"] * 3
    assert [code for _, _, code in told(bulk)] == [None, "not_here", None, None]
    assert [small.state(c) for c in drafts] == ["declare.submitted" if commits else "declare.draft"] * 3
    if not commits:
        assert small.dump() == before
    assert small.wf.attempts(small.round) == []
    for item in bulk.refused:
        assert item.error is not None
        small.wf.keep(item.error)
    assert [(r["case_id"], r["code"]) for r in small.wf.attempts(small.round)] == [(done, "not_here")]
    assert small.wf.verify().problems == []


def test_a_dry_run_in_the_hosts_transaction_leaves_what_the_host_did(small: Small, database_url: str) -> None:
    cases = [small.draft(), small.draft()]
    before = small.dump()
    host = connect(database_url)

    with Session(host) as session:
        inside = small.wf.using(session)
        inside.fire(cases[0], "submit", TRUE, actor=applicant())
        tried = submit(inside, cases, dry_run=True)
        assert [inside.case(c).state for c in cases] == ["declare.submitted", "declare.draft"]
        session.rollback()
    host.dispose()

    assert told(tried) == [(cases[0], None, "not_here"), (cases[1], "declare.submitted", None)]
    assert small.dump() == before


# ── many at once ──


def told_by_each(reports: Sequence[list[Line]]) -> dict[str, list[str]]:
    """Case → how it ended for each who asked, in one order."""
    ends: dict[str, list[str]] = {}
    for report in reports:
        for case, state, code in report:
            ends.setdefault(case, []).append(str(state or code))
    return {case: sorted(found) for case, found in ends.items()}


def expected_of(small: Small, cases: Sequence[str], reports: Sequence[list[Line]]) -> None:
    assert told_by_each(reports) == {c: ["not_here", "recommend.pending"] for c in cases}
    assert [small.triggers(c).count("declare.accept") for c in cases] == [1] * len(cases)
    assert [r["code"] for r in small.wf.attempts(small.round)] == ["not_here"] * len(cases)
    assert sorted(r["case_id"] for r in small.wf.attempts(small.round)) == sorted(cases)
    assert small.wf.verify().problems == []


def test_two_threads_from_both_ends_move_each_case_once(
    make: Callable[..., Small], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    monkeypatch.setattr(bulks, "BATCH", 6)
    cases = [small.submitted() for _ in range(24)]
    meet = Barrier(2)

    def accept(order: Sequence[str]) -> list[Line]:
        meet.wait(20)
        return told(small.wf.fire_many(order, "accept", actor=OFFICE))

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(accept, [cases, cases[::-1]]))

    expected_of(small, cases, reports)


def accept_elsewhere(url: str, cases: list[str], meet: Any, answers: Any) -> None:
    """In a process of its own: accept these cases at the moment another process does."""
    bulks.BATCH = 6
    small = Small(url, clock=SimulatedClock(BEGUN + HOUR), entropy=SystemEntropy())
    small.wf.rounds()
    meet.wait(60)
    answers.put(told(small.wf.fire_many(cases, "accept", actor=OFFICE)))
    small.wf.database.dispose()


def test_two_processes_from_both_ends_move_each_case_once(make: Callable[..., Small], database_url: str) -> None:
    small = make(entropy=SystemEntropy()).open_round()
    cases = [small.submitted() for _ in range(24)]
    context = get_context("spawn")
    meet, answers = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=accept_elsewhere, args=(database_url, order, meet, answers))
        for order in (cases, cases[::-1])
    ]
    for process in processes:
        process.start()
    reports = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)

    expected_of(small, cases, reports)


def test_two_who_issue_letters_at_once_take_no_place_twice(make: Callable[..., Small]) -> None:
    small = make(entropy=SystemEntropy()).open_round(recommend={"quota": 5})
    cases = [small.pending(f"e{n}") for n in range(12)]
    letters = {small.letter(): {"applications": [case]} for case in cases}
    meet = Barrier(2)

    def issue(order: list[str]) -> list[Line]:
        meet.wait(20)
        return told(small.wf.fire_many({i: letters[i] for i in order}, "issue", actor=authority()))

    halves = list(letters)[:6], list(letters)[:5:-1]
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(issue, halves))

    ends = [str(state or code) for report in reports for _, state, code in report]
    assert sorted(ends) == ["issued"] * 5 + ["quota_used_up"] * 7
    assert len(small.wf.cases(small.round, "application", "review.reviewing")) == 5
    assert [r["code"] for r in small.wf.attempts(small.round)] == ["quota_used_up"] * 7
    assert small.wf.verify().problems == []


# ── thousands ──


def test_two_thousand_at_once(sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    small = Small(sqlite_url).open_round()

    def declare(inside: Workflow) -> list[str]:
        who = applicant()
        return [inside.open("application", declaration(), actor=who, round=small.round).case_id for _ in range(2000)]

    cases = small.wf.together(declare)
    begun, before = perf_counter(), getrusage(RUSAGE_SELF).ru_maxrss
    bulk = submit(small.wf, cases, key="k")
    seconds, after = perf_counter() - begun, getrusage(RUSAGE_SELF).ru_maxrss

    assert told(bulk) == [(c, "declare.submitted", None) for c in cases]
    report = small.wf.verify()
    assert (report.problems, report.events) == ([], 4000 + 1 + 1 + 10)
    small.wf.database.dispose()
    with capsys.disabled():
        more = (after - before) // 1024
        print(f"\n2,000 acts by fire_many: {seconds:.1f} s; the process holds {after // 1024} MB, {more} more")


def test_the_dump_would_show_a_byte(small: Small) -> None:
    """What the dry runs above are compared by sees a row in any table that an act writes."""
    before = small.dump()
    submit(small.wf, [small.draft(), small.submitted()])
    refusal_of(lambda: small.wf.fire(small.submitted(), "submit", TRUE, actor=applicant()))

    after = dump(small.wf.database)
    changed = {name for name in after if after[name] != before[name]}
    assert {"ganchu_case", "ganchu_history", "ganchu_outbox", "ganchu_private_value", "ganchu_attempt"} <= changed
