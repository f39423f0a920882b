"""A private value stands in one table, from which it can be erased; everywhere else stands its commitment."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Text, select

from ganchu_workflow import Refusal
from ganchu_workflow.canonical import commitment, decode
from ganchu_workflow.engine.privacy import PrivateLeak
from ganchu_workflow.process import CaseView, Effects, Fire, Message, Open
from ganchu_workflow.store.tables import METADATA
from tests.engine.small_process import (
    CONTACT,
    OFFICE,
    Assignment,
    Rules,
    Sheet,
    Small,
    applicant,
    authority,
    declaration,
    expert,
    hooked,
    refusal_of,
)

STATEMENT = "本企业承诺材料属实,联系人王五"
OBJECTION = "该产品抄袭他人设计,举报人李四"
REASON = "经复核,经办人赵六称应予撤销"
WITHDRAWAL = "法定代表人孙七决定撤回"
SECRETS = (CONTACT, STATEMENT, OBJECTION, REASON, WITHDRAWAL)
PRIVATE = METADATA.tables["ganchu_private_value"]


def texts(small: Small, name: str) -> list[str]:
    """Every text of every row of a table."""
    table = METADATA.tables[name]
    with small.wf.database.connect() as connection:
        return [v for row in connection.execute(select(table)) for v in row if isinstance(v, str)]


def found_in(small: Small, secret: str) -> list[str]:
    """The tables in which a text occurs."""
    escaped = secret.encode("unicode_escape").decode()
    return [n for n in METADATA.tables if any(secret in t or escaped in t for t in texts(small, n))]


def submit(small: Small, case: str) -> Any:
    return small.wf.fire(case, "submit", {"truthful": True, "statement": STATEMENT}, actor=applicant(), key="k-1")


def test_private_values_stand_in_their_own_table_and_nowhere_else(small: Small) -> None:
    withdrawn = small.draft("e2")
    small.wf.fire(withdrawn, "withdraw", {"reason": WITHDRAWAL}, actor=applicant("e2"))
    case = small.draft()
    submit(small, case)
    small.wf.fire(case, "accept", actor=OFFICE)
    small.issue(case)
    small.wf.fire(small.sheet(case), "complete", actor=expert())
    notice = small.notice(case)
    small.objection(case, notice, OBJECTION)
    small.wf.fire(case, "revoke", {"document": "函1", "reason": REASON}, actor=authority())

    assert {secret: found_in(small, secret) for secret in SECRETS} == {
        secret: ["ganchu_private_value"] for secret in SECRETS
    }
    assert found_in(small, "函1") == ["ganchu_history"]
    assert small.wf.verify().problems == []


def test_every_column_that_can_hold_text_is_searched() -> None:
    columns = {f"{t.name}.{c.name}" for t in METADATA.tables.values() for c in t.columns if isinstance(c.type, Text)}
    assert {"ganchu_history.body", "ganchu_attempt.body", "ganchu_outbox.body", "ganchu_case.facts"} <= columns


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"truthful": False, "statement": STATEMENT}, "not_truthful"),
        ({"truthful": "perhaps", "statement": STATEMENT}, "data_invalid"),
        ({"statement": STATEMENT, "more": STATEMENT}, "data_invalid"),
    ],
)
def test_a_refused_act_keeps_no_private_value_at_all(small: Small, data: dict[str, Any], code: str) -> None:
    case = small.draft()

    assert refusal_of(lambda: small.wf.fire(case, "submit", data, actor=applicant())).code == code
    assert found_in(small, STATEMENT) == []


@pytest.mark.parametrize("where", ["submit_guard", "submit_effect"])
def test_a_crash_that_quotes_a_private_value_leaves_no_trace_of_it(small: Small, where: str) -> None:
    case = small.draft()

    def crash(ctx: Rules) -> None:
        int(ctx.data.statement)

    with hooked(**{where: crash}), pytest.raises(Exception, match=r"crashed") as caught:
        submit(small, case)

    assert getattr(caught.value, "code", "") in ("guard_crashed", "rule_crashed")
    [row] = small.wf.attempts(small.round)
    assert (row["kind"], "ValueError" in row["body"]["en"]) == ("crashed", True)
    assert found_in(small, STATEMENT) == []


Leak = Callable[[Rules], Any]
LEAKS: dict[str, tuple[str, Leak]] = {
    "a fact": ("submit_effect", lambda ctx: Effects(facts={"said": ctx.data.statement})),
    "a part of a fact": ("submit_effect", lambda ctx: Effects(facts={"said": [{"x": f"“{ctx.data.statement}”"}]})),
    "a message": (
        "submit_effect",
        lambda ctx: Effects(tell=[Message("said", to=OFFICE.role, body={"text": ctx.data.statement})]),
    ),
    "a party": ("submit_effect", lambda ctx: Effects(parties={OFFICE.role: ctx.data.statement})),
    "the fact of another case": (
        "submit_effect",
        lambda ctx: Effects(
            open=[Open(Sheet, parent=ctx.case, data={"expert": "x1"}, facts={"a": ctx.data.statement}, stage="review")]
        ),
    ),
}


@pytest.mark.parametrize("into", LEAKS)
def test_a_rule_that_copies_a_private_value_is_stopped(small: Small, into: str) -> None:
    case = small.draft()
    before = small.dump("ganchu_attempt")
    where, leak = LEAKS[into]

    with hooked(**{where: leak}), pytest.raises(PrivateLeak) as caught:
        submit(small, case)

    assert caught.value.code == "private_leak"
    assert STATEMENT not in str(caught.value)
    assert small.dump("ganchu_attempt") == before
    assert found_in(small, STATEMENT) == []


def test_a_refusal_that_repeats_a_private_value_is_kept_without_its_words(small: Small) -> None:
    case = small.draft()

    def quote(ctx: Rules) -> Refusal:
        return Refusal("no", "不行", f"no: {ctx.data.statement}", {"said": ctx.data.statement})

    with hooked(submit_guard=quote):
        refusal = refusal_of(lambda: submit(small, case))

    assert (refusal.code, refusal.en, refusal.detail) == ("no", "refused; the reason repeats a private value", {})
    assert [row["code"] for row in small.wf.attempts(small.round)] == ["no"]
    assert found_in(small, STATEMENT) == []


FOLLOWS: dict[str, Callable[[Rules, CaseView], Effects]] = {
    "the data of an opening": lambda ctx, other: Effects(
        open=[Open(Sheet, parent=ctx.parent, data={"expert": ctx.data.note})]
    ),
    "the model of an opening": lambda ctx, other: Effects(
        open=[Open(Sheet, parent=ctx.parent, data=Assignment(expert=ctx.data.note))]
    ),
    "the data of a firing": lambda ctx, other: Effects(fire=[Fire(other, Sheet.complete, {"text": ctx.data.note})]),
}


@pytest.mark.parametrize("into", FOLLOWS)
def test_a_private_value_does_not_leak_through_what_follows(small: Small, into: str) -> None:
    case = small.reviewing()
    first, second = small.sheet(case, "x1"), small.view(small.sheet(case, "x2"))
    before = small.dump("ganchu_attempt")

    def leak(ctx: Rules) -> Effects | None:
        return FOLLOWS[into](ctx, second) if ctx.case.id == first else None

    with hooked(complete_effect=leak), pytest.raises(PrivateLeak):
        small.wf.fire(first, "complete", {"note": STATEMENT}, actor=expert("x1"))

    assert small.dump("ganchu_attempt") == before
    assert [(row["kind"], row["code"]) for row in small.wf.attempts(small.round)] == [("crashed", "private_leak")]
    assert found_in(small, STATEMENT) == []


def test_a_private_value_may_be_handed_on_to_a_private_field(small: Small) -> None:
    case = small.reviewing()
    first, second = small.sheet(case, "x1"), small.view(small.sheet(case, "x2"))

    def hand_on(ctx: Rules) -> Effects | None:
        handed = {"note": ctx.data.note}
        return Effects(fire=[Fire(second, Sheet.complete, handed)]) if ctx.case.id == first else None

    with hooked(complete_effect=hand_on):
        small.wf.fire(first, "complete", {"note": STATEMENT}, actor=expert("x1"))

    assert small.state(second.id) == "done"
    assert small.wf.history(second.id)[-1]["data"]["note"].keys() == {"private"}
    assert found_in(small, STATEMENT) == ["ganchu_private_value"]


def test_the_commitment_proves_the_value_and_nothing_else(small: Small) -> None:
    case = small.draft()
    submit(small, case)

    given = small.wf.history(case)[-1]["data"]
    proof = given["statement"]["private"]
    with small.wf.database.connect() as connection:
        row = connection.execute(select(PRIVATE).where(PRIVATE.c.id == proof)).one()

    assert given == {"truthful": True, "statement": {"private": proof}}
    assert (row.case_id, row.field, decode(row.value), row.erased_at) == (case, "statement", STATEMENT, None)
    assert commitment(row.salt, STATEMENT) == proof
    assert commitment(row.salt, STATEMENT + "。") != proof


def test_the_same_value_has_another_commitment_each_time(small: Small) -> None:
    proofs = {small.view(small.draft(e)).facts["contact"]["private"] for e in ("e1", "e2", "e3")}

    assert len(proofs) == 3


def test_what_was_erased_does_not_stand_in_the_way_of_the_record(small: Small) -> None:
    case = small.draft()
    receipt = submit(small, case)
    with small.wf.database.begin() as connection:
        connection.execute(
            PRIVATE.update()
            .where(PRIVATE.c.field == "statement")
            .values(salt=None, value=None, erased_at=small.simulated.now())
        )

    assert found_in(small, STATEMENT) == []
    assert small.wf.verify().problems == []
    assert submit(small, case) == receipt


def test_a_secret_that_an_effect_keeps_is_kept_apart_too(small: Small) -> None:
    case = small.draft()
    read: list[str | None] = []

    with hooked(submit_effect=lambda ctx: Effects(secrets={"draw": "抽签密钥-20210802"})):
        submit(small, case)
    with hooked(accept_guard=lambda ctx: read.append(ctx.private("draw"))):
        small.wf.fire(case, "accept", actor=OFFICE)

    assert read == ["抽签密钥-20210802"]
    assert found_in(small, "抽签密钥-20210802") == ["ganchu_private_value"]


def test_an_empty_private_value_is_no_value(small: Small) -> None:
    case = small.wf.open("application", declaration(contact=""), actor=applicant())

    assert small.view(case.case_id).facts["contact"] is None
    assert texts(small, "ganchu_private_value") == []
