"""Who may do what: nobody, unless a transition names the role and the case names the scope."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from ganchu_workflow import Actor, Refused, Role, Workflow
from ganchu_workflow.actors import CLOCK, ENGINE, RESERVED, SCOPED
from ganchu_workflow.canonical import digest_of
from tests.engine.small_process import (
    CITY,
    HOUR,
    OFFICE,
    Rules,
    Small,
    applicant,
    authority,
    expert,
    hooked,
    instant,
    public,
    refusal_of,
)

GROUND = {"document": "赣工信函〔2021〕1号", "reason": "经复核应予撤销"}
GIVEN: dict[str, dict[str, Any]] = {
    "withdraw": {"reason": "企业主动撤回申报"},
    "submit": {"truthful": True},
    "return_for_correction": {"items": ["商标注册证"]},
    "revoke": GROUND,
    "strike": GROUND,
    "reconsider": GROUND,
    "cancel": {"ground": "省政府决定取消"},
    "close_early": {"document": "赣工信函〔2021〕3号", "ground": "名额已满"},
}
FIRM, CITY_OFFICE, LEAD, EXPERT = Role.APPLICANT, Role.LOCAL_AUTHORITY, Role.OFFICE, Role.EXPERT
WHO: dict[str, dict[str, set[Role]]] = {
    "declare.draft": {"declare.save": {FIRM}, "declare.submit": {FIRM}, "declare.withdraw": {FIRM}},
    "declare.submitted": {
        "declare.withdraw": {FIRM},
        "declare.return_for_correction": {LEAD},
        "declare.accept": {LEAD},
        "declare.reject": {LEAD},
    },
    "declare.correcting": {
        "declare.withdraw": {FIRM},
        "declare.resubmit": {FIRM},
        **{f"deadline:{verb}": {LEAD} for verb in ("suspend", "extend", "end")},
    },
    "declare.rejected": {},
    "recommend.pending": {"recommend.withdraw": {FIRM}, "recommend.decline": {CITY_OFFICE}},
    "recommend.not_recommended": {},
    "review.reviewing": {"recommend.revoke": {CITY_OFFICE}, "review.withdraw": {FIRM}, "review.return_it": {LEAD}},
    "notice.listed": {"recommend.revoke": {CITY_OFFICE}, "notice.withdraw": {FIRM}},
    "notice.showing": {"recommend.revoke": {CITY_OFFICE}, "notice.withdraw": {FIRM}},
    "notice.held": {"recommend.revoke": {CITY_OFFICE}, "notice.withdraw": {FIRM}},
    "notice.removed": {},
    "finish.decided": {
        "recommend.revoke": {CITY_OFFICE},
        "notice.strike": {LEAD},
        "finish.withdraw": {FIRM},
        "finish.choose": {LEAD},
        "finish.drop": {LEAD},
    },
    "finish.dropped": {"finish.reconsider": {LEAD}},
    "finish.chosen": {},
    "withdrawn": {},
    "letter.drafted": {"issue": {CITY_OFFICE}, "discard": {CITY_OFFICE}},
    "letter.issued": {},
    "sheet.assigned": {"complete": {EXPERT}},
    "sheet.done": {},
    "notice_.drafted": {"publish": {LEAD}},
    "notice_.open": {"extend": {LEAD}},
    "notice_.closed": {},
    "objection.filed": {"admit": {LEAD}},
    "objection.investigating": {"uphold": {LEAD}, "dismiss": {LEAD}},
    "objection.upheld": {},
    "phase.open": {"extend": {LEAD}, "close_early": {LEAD}},
    "round.running": {"close": set(), "cancel": {LEAD}},
}


def one_in_each_state(small: Small) -> dict[str, str]:
    """A case in each state of the small process, by the names that `WHO` uses."""
    wf, found = small.wf, {}
    for name, trigger in (("decided", None), ("dropped", "drop"), ("chosen", "choose")):
        found[f"finish.{name}"] = case = small.decided(name)
        if trigger:
            wf.fire(case, trigger, actor=OFFICE)
    found["declare.draft"] = small.draft("draft")
    found["declare.submitted"] = small.submitted("submitted")
    found["declare.correcting"] = case = small.submitted("correcting")
    wf.fire(case, "return_for_correction", {"items": ["商标"]}, actor=OFFICE)
    found["declare.rejected"] = case = small.submitted("rejected")
    wf.fire(case, "reject", actor=OFFICE)
    found["recommend.pending"] = small.pending("pending")
    found["recommend.not_recommended"] = case = small.pending("not_recommended")
    wf.fire(case, "decline", actor=authority())
    found["letter.issued"] = small.issue(reviewed := small.pending("reviewing")).case_id
    found["letter.drafted"] = small.letter()
    found["review.reviewing"] = reviewed
    found["sheet.assigned"] = small.sheet(reviewed)
    found["notice.listed"] = small.listed("listed")
    found["sheet.done"] = wf.cases(small.round, "sheet", "done")[-1].id
    found["notice.showing"], held, removed = small.listed("s"), small.listed("h"), small.listed("r")
    found["notice_.open"] = notice = small.notice(found["notice.showing"], held, removed)
    for name, case in (("investigating", held), ("upheld", removed), ("filed", found["notice.showing"])):
        found[f"objection.{name}"] = objection = small.objection(case, notice)
        if name != "filed":
            wf.fire(objection, "admit", actor=OFFICE)
    wf.fire(found["objection.upheld"], "uphold", actor=OFFICE)
    found["notice.held"], found["notice.removed"] = held, removed
    found["notice_.drafted"] = wf.open("notice", actor=OFFICE, round=small.round).case_id
    found["notice_.closed"] = wf.cases(small.round, "notice", "closed")[0].id
    found["withdrawn"] = case = small.draft("withdrawn")
    wf.fire(case, "withdraw", {"reason": "不再申报"}, actor=applicant("withdrawn"))
    found["phase.open"] = small.phase("review").id
    found["round.running"] = small.round
    return found


def everybody(parties: Any) -> Iterator[tuple[Actor, bool]]:
    """Every role that can act, under each kind of scope; and whether the scope is the case's own."""
    for role in set(Role) - RESERVED:
        if role not in SCOPED:
            yield Actor(role), True
        else:
            yield Actor(role), False
            yield Actor(role, scope="somebody else"), False
            if role in parties:
                yield Actor(role, scope=parties[role]), True


def code_of(wf: Workflow, connection: Connection, *act: Any, actor: Actor) -> str | None:
    """The code with which an act is refused, None when it goes through; it is undone in any case."""
    try:
        wf.fire(*act, actor=actor)
    except Refused as refused:
        return refused.code
    connection.rollback()
    return None


def test_allowed_says_what_fire_does_for_every_state_and_role(make: Callable[..., Small]) -> None:
    small = make().open_round(recommend={"quota": 50})
    found = one_in_each_state(small)
    end = small.simulated.now() + 500 * HOUR
    data = {**GIVEN, "issue": {"applications": [found["recommend.pending"]]}, "publish": {"closes_at": end}}
    who: dict[str, dict[str, set[Role]]] = {}
    disagreements = []
    with small.wf.database.connect() as connection:
        wf = small.wf.using(connection)
        for name, case in found.items():
            view = wf.case(case)
            assert name.replace("notice_.", "notice.") in (view.state, f"{view.kind}.{view.state}")
            data["extend"] = {"closes_at": end} | ({"ground": "赣府发〔2021〕2号"} if view.kind == "phase" else {})
            who[name] = {}
            for actor, own in everybody(view.parties):
                for entry in wf.allowed(case, actor):
                    may = who[name].setdefault(entry.trigger, set())
                    if entry.may:
                        assert own
                        may.add(actor.role)
                    given = data.get(entry.trigger.rpartition(".")[2], {})
                    if entry.trigger.startswith("deadline:"):
                        about = {"deadline": "correction_due", "ground": "方案", "until": end.isoformat()}
                        given = {field: about[field] for field in entry.required}
                    code = code_of(wf, connection, case, entry.trigger, given, actor=actor)
                    if code != (entry.refusal.code if entry.refusal else None):
                        disagreements.append((name, str(actor), entry.trigger, entry.refusal, code))

    assert disagreements == []
    assert who == WHO


@pytest.mark.parametrize(
    ("actor", "en"),
    [
        (Actor(Role.AUDITOR), "your role may not do this; it is for: applicant"),
        (OFFICE, "your role may not do this; it is for: applicant"),
        (Actor(Role.APPLICANT), "this case is outside your scope"),
        (applicant("e2"), "this case is outside your scope"),
    ],
    ids=str,
)
def test_a_refusal_for_want_of_authority_is_a_row_and_nothing_else(small: Small, actor: Actor, en: str) -> None:
    case = small.draft()
    before = small.dump("ganchu_attempt")

    refusal = refusal_of(
        lambda: small.wf.fire(case, "submit", {"truthful": True}, actor=actor, key="k-1", document="函1")
    )

    assert (refusal.code, refusal.en, refusal.state, refusal.trigger) == (
        "not_allowed",
        en,
        "declare.draft",
        "declare.submit",
    )
    assert refusal.detail == {"role": actor.role.value, "roles": ["applicant"]}
    assert small.dump("ganchu_attempt") == before
    [row] = small.wf.attempts(small.round)
    assert len(row.pop("id")) == 26
    assert row == {
        "round_id": small.round,
        "case_id": case,
        "name": "declare.submit",
        "kind": "refused",
        "code": "not_allowed",
        "actor": f"{actor}#u1" if actor == OFFICE else str(actor),
        "received_at": small.simulated.now(),
        "recorded_at": small.simulated.now(),
        "body": {
            "state": "declare.draft",
            "zh": refusal.zh,
            "en": en,
            "detail": {"role": actor.role.value, "roles": ["applicant"]},
            "opening": None,
            "entry": None,
            "key": "k-1",
        },
    }


def test_the_refusal_for_a_wrong_scope_does_not_name_the_right_one(small: Small) -> None:
    refusal = refusal_of(lambda: small.wf.fire(small.draft("e-secret"), "save", actor=applicant("e2")))

    assert "e-secret" not in f"{refusal}{refusal.detail}"


@pytest.mark.parametrize("actor", [CLOCK, ENGINE], ids=str)
def test_nobody_acts_as_the_library_itself(small: Small, actor: Actor) -> None:
    case = small.draft()
    before = small.dump()

    assert refusal_of(lambda: small.wf.fire(case, "expire", actor=actor)).code == "reserved_role"
    assert refusal_of(lambda: small.wf.open("application", {}, actor=actor)).code == "reserved_role"
    assert small.dump() == before


def test_what_only_the_library_fires_is_refused_to_the_owner(small: Small) -> None:
    case = small.reviewing()

    refusal = refusal_of(lambda: small.wf.fire(case, "pass_on", actor=OFFICE))

    assert (refusal.code, refusal.en) == ("not_allowed", "your role may not do this; it is for: the system itself")


def test_the_opener_becomes_a_party_under_its_own_scope(small: Small) -> None:
    case = small.listed("e7", "360700")
    notice = small.notice(case)
    objection = small.objection(case, notice)
    letter = small.letter("360400")

    assert dict(small.view(case).parties) == {Role.APPLICANT: "e7", Role.LOCAL_AUTHORITY: "360700"}
    assert dict(small.view(objection).parties) == {**small.view(case).parties, Role.PUBLIC: "p1"}
    assert dict(small.view(letter).parties) == {Role.LOCAL_AUTHORITY: "360400"}
    assert dict(small.view(notice).parties) == {}


def test_a_scope_is_needed_to_open_a_case(small: Small) -> None:
    before = small.dump("ganchu_attempt")

    refusal = refusal_of(lambda: small.wf.open("letter", actor=Actor(Role.LOCAL_AUTHORITY), round=small.round))

    assert (refusal.code, refusal.state, refusal.trigger) == ("not_allowed", "", "draw_up")
    assert small.dump("ganchu_attempt") == before
    [row] = small.wf.attempts(small.round)
    assert (row["case_id"], row["name"], row["body"]["opening"]) == (None, "draw_up", "letter")


def test_another_authority_neither_declines_nor_revokes(small: Small) -> None:
    case = small.pending()
    stranger = authority("360700")

    assert refusal_of(lambda: small.wf.fire(case, "decline", actor=stranger)).code == "not_allowed"
    small.issue(case)
    assert refusal_of(lambda: small.wf.fire(case, "revoke", GROUND, actor=stranger)).code == "not_allowed"
    assert small.state(case) == "review.reviewing"


def test_nothing_happens_in_a_round_before_it_starts_or_after_it_was_cancelled(make: Callable[..., Small]) -> None:
    small = make()
    small.round = small.wf.open_round(
        {"title": "t", "code": "c", "demonstration": True, "stage": [{"use": "declare"}, {"use": "finish"}]},
        actor=OFFICE,
    ).case_id

    assert refusal_of(small.draft).code == "round_not_started"
    small.wf.fire(small.round, "start", actor=OFFICE)
    case = small.draft()
    small.wf.fire(small.round, "cancel", {"ground": "省政府决定取消"}, actor=OFFICE)
    assert small.state(case) == "called_off"
    assert refusal_of(small.draft).code == "round_cancelled"


def test_a_follow_up_runs_under_the_authority_of_the_actor_or_else_of_the_engine(small: Small) -> None:
    case = small.pending()
    issued = small.issue(case)

    [event] = [e for e in small.wf.history(case) if e["trigger"] == "recommend.recommend"]
    assert (event["actor"]["role"], event["cause"]) == ("engine", {"case": issued.case_id, "seq": issued.seq})


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "truthful: Field required"),
        ({"truthful": "perhaps"}, "truthful: Input should be a valid boolean, unable to interpret input"),
        ({"truthful": True, "more": 1}, "more: Extra inputs are not permitted"),
    ],
)
def test_data_that_cannot_be_used_is_refused_with_the_field(small: Small, data: dict[str, Any], problem: str) -> None:
    case = small.draft()
    before = small.dump("ganchu_attempt")

    refusal = refusal_of(lambda: small.wf.fire(case, "submit", data, actor=applicant()))

    assert (refusal.code, refusal.detail) == (
        "data_invalid",
        {"fields": [problem], "expected": ["statement", "truthful"]},
    )
    assert small.dump("ganchu_attempt") == before


def test_a_trigger_of_another_state_is_refused_as_not_here(small: Small) -> None:
    case = small.draft()

    refusal = refusal_of(lambda: small.wf.fire(case, "accept", actor=OFFICE))

    assert (refusal.code, refusal.state, refusal.trigger) == ("not_here", "declare.draft", "accept")


def test_tasks_are_those_of_the_role_and_the_scope(small: Small) -> None:
    draft, other, pending = small.draft("e1"), small.draft("e2"), small.pending("e3")

    def waiting(actor: Actor) -> list[str]:
        return [t.case.id for t in small.wf.tasks(actor) if t.case.kind == "application"]

    assert waiting(applicant("e1")) == [draft]
    assert waiting(applicant("e2")) == [other]
    assert waiting(authority(CITY)) == [pending]
    assert waiting(authority("360700")) == []
    assert waiting(expert()) == waiting(public()) == waiting(applicant("")) == []


def test_a_message_goes_to_the_office_with_the_event_that_tells_it(small: Small) -> None:
    case = small.submitted()

    [row] = small.wf.messages(small.round)
    assert (row["case_id"], row["message"], row["recipient"], row["body"], row["status"]) == (
        case,
        "submitted",
        "office",
        {"enterprise": "甲厂"},
        "waiting",
    )
    returned = small.wf.fire(case, "return_for_correction", {"items": ["商标"]}, actor=OFFICE)
    [told] = small.wf.history(case)[returned.seq - 1]["tells"]
    assert told == {
        "message": "correction_requested",
        "recipient": "applicant:e1",
        "digest": digest_of({"items": ["商标"]}),
    }


def test_a_guard_that_is_only_asked_in_foresight_writes_nothing(small: Small) -> None:
    case = small.submitted()
    before = small.dump()

    def crash(ctx: Rules) -> None:
        raise LookupError("no such row")

    with hooked(accept_guard=crash):
        [entry] = [e for e in small.wf.allowed(case, OFFICE) if e.trigger == "declare.accept"]

    assert entry.refusal is not None
    assert entry.refusal.code == "guard_crashed"
    assert small.dump() == before
    assert instant(small.simulated.now()) == "2021-08-02T02:00:00.000000Z"
