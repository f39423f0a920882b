"""What an application says of itself is asked by its index: few rows are read, and nobody slips in between."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from ganchu_workflow import Refusal, Refused, SystemEntropy, Workflow
from ganchu_workflow.errors import Unknown
from ganchu_workflow.process import Effects
from ganchu_workflow.store.tables import INDEXED, METADATA
from ganchu_workflow.testing import RoundScript, credit_code_of, declaration_of, firm
from tests.engine.small_process import Declare, Rules, Small, applicant, declaration, hooked
from tests.engine.test_concurrency import Handover, at_once, outcome, together
from tests.listening import hearing
from tests.rounds.script import plan_of

TIMES = 8
"""How often two meet in each race that cannot be arranged."""
CASE, FACT = METADATA.tables["ganchu_case"], METADATA.tables["ganchu_fact_index"]


# ── the small process: the two meet inside the rule ──


@pytest.fixture
def many(make: Callable[..., Small]) -> Small:
    """A started round whose ids come from the operating system: a seeded source is not for threads."""
    return make(entropy=SystemEntropy()).open_round()


def named(small: Small, enterprise: str, scope: str = "e1") -> str:
    return small.wf.open("application", declaration(enterprise), actor=applicant(scope), round=small.round).case_id


def rename(small: Small, case: str, enterprise: str) -> None:
    small.wf.fire(case, "save", {"enterprise": enterprise}, actor=applicant())


def once(between: Callable[[Rules], Any]) -> Callable[[Rules], Refusal | None]:
    """An enterprise submits once; between the look and the answer the other may come."""

    def rule(ctx: Rules) -> Refusal | None:
        found = [a for a in ctx.having("enterprise", ctx.case.facts["enterprise"]) if a.id != ctx.case.id]
        between(ctx)
        taken = [a.id for a in found if ctx.stands_in(a, Declare.submitted)]
        return Refusal("twice", "重复", "twice", {"cases": taken}) if taken else None

    return rule


def submit(small: Small, case: str) -> Callable[[], Any]:
    return lambda: small.wf.fire(case, "submit", {"truthful": True}, actor=applicant())


def seen_by(small: Small, case: str, ask: Callable[[Rules], list[Any]]) -> list[str]:
    """What a rule of this case sees."""
    seen: list[list[Any]] = []
    with hooked(submit_guard=lambda ctx: seen.append(ask(ctx))):
        submit(small, case)()
    return [view.id for view in seen[-1]]


def test_two_that_meet_in_the_rule_do_not_both_pass(many: Small) -> None:
    cases = [named(many, "甲厂"), named(many, "甲厂")]

    with hooked(submit_guard=once(together(Barrier(2)))):
        results = at_once(*(submit(many, c) for c in cases))

    assert sorted(results) == ["done", "twice"]
    assert sorted(many.state(c) for c in cases) == ["declare.draft", "declare.submitted"]
    assert [row["code"] for row in many.wf.attempts(many.round)] == ["twice"]
    assert many.wf.verify().problems == []


@pytest.mark.parametrize("comes", ["by a change", "by a declaration"])
def test_one_that_comes_to_have_the_fact_meanwhile_is_seen(make: Callable[..., Small], many: Small, comes: str) -> None:
    case, other = named(many, "甲厂"), named(many, "乙厂")

    def come(elsewhere: Small) -> None:
        if comes == "by a change":
            rename(elsewhere, other, "甲厂")
        else:
            named(elsewhere, "甲厂", "e9")

    handover = Handover(make, many, come)
    counts: list[int] = []

    def rule(ctx: Rules) -> None:
        counts.append(len(ctx.having("enterprise", "甲厂")))
        handover.rule(ctx)

    with hooked(submit_guard=rule):
        result = outcome(submit(many, case))
    handover.settle()

    # On PostgreSQL the other comes in between, so the act is computed again; on SQLite it waits for the act to end.
    assert (result, counts) == ("done", [1, 2] if handover.waits else [1])
    assert len(many.wf.find(many.round, "enterprise", "甲厂")) == 2
    assert many.wf.verify().problems == []


def test_one_that_loses_the_fact_meanwhile_is_seen_to_have_gone(make: Callable[..., Small], many: Small) -> None:
    case, other = named(many, "甲厂"), named(many, "甲厂")
    handover = Handover(make, many, lambda elsewhere: rename(elsewhere, other, "乙厂"))
    counts: list[int] = []

    def rule(ctx: Rules) -> None:
        counts.append(len(ctx.having("enterprise", "甲厂")))
        handover.rule(ctx)

    with hooked(submit_guard=rule):
        submit(many, case)()
    handover.settle()

    assert counts == ([2, 1] if handover.waits else [2])
    assert [c.id for c in many.wf.find(many.round, "enterprise", "甲厂")] == [case]
    assert [c.id for c in many.wf.find(many.round, "enterprise", "乙厂")] == [other]


def test_an_application_that_changes_away_is_not_found_any_more(small: Small) -> None:
    cases = [named(small, "甲厂"), named(small, "甲厂"), named(small, "乙厂")]

    rename(small, cases[1], "丙厂")

    found = {name: [c.id for c in small.wf.find(small.round, "enterprise", name)] for name in ("甲厂", "乙厂", "丙厂")}
    assert found == {"甲厂": [cases[0]], "乙厂": [cases[2]], "丙厂": [cases[1]]}
    assert seen_by(small, cases[0], lambda ctx: ctx.having("enterprise", "甲厂")) == [cases[0]]


def test_values_longer_than_the_index_are_told_apart(small: Small) -> None:
    """Three names that are the same as far as the index goes, and one that ends there."""
    common = "甲" * INDEXED
    names = [common, common + "乙", common + "丙", common + "乙"]
    cases = [named(small, name) for name in names]

    with small.wf.database.connect() as connection:
        stored = connection.execute(select(FACT.c.value).where(FACT.c.name == "enterprise")).scalars().all()
    assert stored == [common] * 4
    for name, expected in (
        (common, cases[:1]),
        (common + "乙", [cases[1], cases[3]]),
        (common + "丙", [cases[2]]),
        (common + "丁", []),
    ):
        assert [c.id for c in small.wf.find(small.round, "enterprise", name)] == expected
    assert seen_by(small, cases[1], lambda ctx: ctx.having("enterprise", common + "乙")) == [cases[1], cases[3]]


def test_an_absent_fact_is_not_the_word_none(small: Small) -> None:
    """Both are here when the rule asks: the one that is called so, and the one that has no name at all."""
    with hooked(declare_effect=lambda ctx: Effects(facts={"city": ctx.given["city"]})):
        nameless = named(small, "无")
    called_so = named(small, "None")

    def ask(ctx: Rules) -> list[Any]:
        assert nameless in [a.id for a in ctx.applications()]
        return ctx.having("enterprise", "None")

    assert seen_by(small, called_so, ask) == [called_so]


def test_other_rounds_are_not_looked_into(small: Small) -> None:
    case = named(small, "甲厂")
    here = small.round
    small.open_round()
    there = named(small, "甲厂")

    assert [[c.id for c in small.wf.find(r, "enterprise", "甲厂")] for r in (here, small.round)] == [[case], [there]]
    assert seen_by(small, there, lambda ctx: ctx.having("enterprise", "甲厂")) == [there]


def test_only_what_is_indexed_can_be_searched_for(small: Small) -> None:
    named(small, "甲厂")

    with pytest.raises(Unknown, match="the fact 'city' of the kind application is not indexed; it has: enterprise"):
        small.wf.find(small.round, "city", "360100")
    with pytest.raises(Unknown):
        small.wf.find(small.round, "enterprise", "甲厂", "nonsense")


def test_the_phase_is_touched_only_when_such_a_fact_changes(small: Small) -> None:
    """Its version is what a rule that has looked is compared by: raised for nothing it would let acts be repeated."""
    case = named(small, "甲厂")
    phase = small.phase("declare").id

    def version() -> int:
        with small.wf.database.connect() as connection:
            return int(connection.execute(select(CASE.c.version).where(CASE.c.id == phase)).scalar_one())

    versions = [version()]
    for act in (lambda: rename(small, case, "甲厂"), lambda: rename(small, case, "乙厂"), submit(small, case)):
        act()
        versions.append(version())

    assert [v - versions[0] for v in versions] == [0, 0, 1, 1]


# ── the real first stage: duplicates, the cap, the number ──


@pytest.fixture
def script(database_url: str) -> Iterator[Callable[..., RoundScript]]:
    """Opens a round of the built-in stages on this test's database."""
    made: list[Workflow] = []

    def one(**settings: Any) -> RoundScript:
        plan = plan_of("GCJP", self_declaration=settings)
        script = RoundScript(plan, database=database_url, start="2022-03-01T09:00")
        made.append(script.wf)
        return script

    yield one
    for wf in made:
        wf.database.dispose()


def of_one_enterprise(enterprise: str, **changed: Any) -> dict[str, Any]:
    code = credit_code_of(enterprise)
    return {"enterprise": enterprise, "credit_code": code, "trademark": {"number": "TM-1", "owner": code}, **changed}


def race(*acts: Callable[[], Any]) -> list[str]:
    """How each ends; all set out at one moment."""
    meet = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> str:
        meet.wait(20)
        try:
            act()
        except Refused as refused:
            return refused.code
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.mark.parametrize(
    ("settings", "products", "code"),
    [
        ({"max_per_enterprise": 1}, ("甲", "乙"), "enterprise_cap_reached"),
        ({}, ("甲", "甲 "), "product_declared_already"),
    ],
    ids=["the cap", "the same product"],
)
@pytest.mark.parametrize("known_by", ["credit code", "name"])
def test_of_two_declarations_of_one_enterprise_one_is_submitted(
    script: Callable[..., RoundScript], settings: dict[str, Any], products: tuple[str, str], code: str, known_by: str
) -> None:
    round_ = script(**settings)
    for n in range(TIMES):
        names = [f"{n}-1", f"{n}-2"]
        for name, product in zip(names, products, strict=True):
            data = of_one_enterprise(f"企业{n}", product=product)
            if known_by == "name":
                data |= {"credit_code": None, "credit_code_override": "尚未赋码"}
                data |= {"trademark": {"number": "TM-1", "owner": f"企业{n}"}}
            round_.draft(name, **data)

        def submitting(name: str) -> Callable[[], Any]:
            return lambda: round_.fire(name, "submit", firm(name), truthful=True)

        assert sorted(race(*map(submitting, names))) == ["done", code]
        assert sorted(round_.state(name) for name in names) == ["self_declaration.draft", "self_declaration.submitted"]

    assert [row["code"] for row in round_.wf.attempts(round_.round)] == [code] * TIMES
    assert round_.wf.verify().problems == []


def test_a_credit_code_changed_while_the_other_submits_does_not_slip_by(script: Callable[..., RoundScript]) -> None:
    round_ = script(max_per_enterprise=1)
    ends = []
    for n in range(TIMES):
        first, second = f"{n}-1", f"{n}-2"
        round_.draft(first, **of_one_enterprise(f"企业{n}"))
        round_.draft(second, **of_one_enterprise(f"别家{n}"))
        changed = declaration_of(second) | of_one_enterprise(f"企业{n}")

        def change_and_submit(name: str = second, data: dict[str, Any] = changed) -> None:
            round_.fire(name, "save", firm(name), **data)
            round_.fire(name, "submit", firm(name), truthful=True)

        def just_submit(name: str = first) -> None:
            round_.fire(name, "submit", firm(name), truthful=True)

        ends.append(race(just_submit, change_and_submit))
        holders = round_.wf.find(round_.round, "credit_code", credit_code_of(f"企业{n}"))
        assert sorted(c.state for c in holders) == ["self_declaration.draft", "self_declaration.submitted"]

    assert [sorted(end) for end in ends] == [["done", "enterprise_cap_reached"]] * TIMES
    assert round_.wf.verify().problems == []


def test_a_number_is_given_once_however_many_declare_at_once(script: Callable[..., RoundScript]) -> None:
    round_ = script()
    for n in range(TIMES):
        names = [f"{n}-{k}" for k in range(3)]

        def declaring(name: str, number: str = f"GCJP-{n:03}") -> Callable[[], Any]:
            data = declaration_of(name) | {"number": number}
            return lambda: round_.open("application", firm(name), **data)

        assert sorted(race(*map(declaring, names))) == ["done", "number_taken", "number_taken"]
        assert len(round_.wf.find(round_.round, "number", f"GCJP-{n:03}")) == 1

    assert len(round_.wf.cases(round_.round, "application")) == TIMES
    assert round_.wf.verify().problems == []


def test_a_number_given_up_may_be_taken(script: Callable[..., RoundScript]) -> None:
    round_ = script()
    round_.draft("甲", number="1")
    round_.draft("乙")
    taken = declaration_of("乙") | {"number": "1"}

    assert race(lambda: round_.fire("乙", "save", firm("乙"), **taken)) == ["number_taken"]
    round_.fire("甲", "save", firm("甲"), **(declaration_of("甲") | {"number": "2"}))
    assert race(lambda: round_.fire("乙", "save", firm("乙"), **taken)) == ["done"]
    assert [c.id for c in round_.wf.find(round_.round, "number", "1")] == [round_.id("乙")]


@contextmanager
def statements(round_: RoundScript) -> Iterator[list[tuple[str, int]]]:
    """Every statement that is sent, with how many values: an identifier more is a row more that is read."""
    sent: list[tuple[str, int]] = []

    with hearing(before=lambda _, sql, values: sent.append((sql.partition(" ")[0], len(values)))):
        yield sent


def test_submitting_among_three_hundred_reads_what_it_reads_among_ten(script: Callable[..., RoundScript]) -> None:
    round_ = script(max_per_enterprise=2)
    mine = of_one_enterprise("本企业")
    costs = []
    for start, others in ((0, 9), (9, 290)):
        names = [f"他{n}" for n in range(start, start + others)]

        def declare(inside: Workflow, names: list[str] = names) -> None:
            for name in names:
                case = inside.open("application", declaration_of(name), actor=firm(name), round=round_.round)
                inside.fire(case, "submit", {"truthful": True}, actor=firm(name))

        round_.wf.together(declare)
        name = f"我{start}"
        round_.draft(name, **mine, product=name, number=f"N{start}")
        with statements(round_) as sent:
            round_.fire(name, "submit", firm(name), truthful=True)
        costs.append(sent)
        round_.fire(name, "withdraw", firm(name), reason="再来一次")
        # Gone from the index, so that the next one finds as many of its own as this one did.
        mine = of_one_enterprise("本企业二")

    assert len(round_.wf.cases(round_.round, "application")) == 301
    assert costs[0] == costs[1]
    assert len(costs[0]) > 5
