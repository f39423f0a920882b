"""One whole round on the library's own clock, held still by freezegun, and what its record must say in the end.

What the library has computed is computed here again from what was given, with nothing but the standard library.
"""

import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any

import pytest
from freezegun import freeze_time

from ganchu_workflow import Role, Workflow
from ganchu_workflow.testing import RoundScript
from ganchu_workflow.testing.base import INSTALLED, Step
from ganchu_workflow.workflow import Case
from tests.rounds.full_round import CITIES, LEVELS, PLAN, WEIGHTS, Played, play
from tests.rounds.script import ENVIRONMENT, TAX, local, shown


@pytest.fixture(scope="module")
def played(module_database_url: str) -> Iterator[Played]:
    with freeze_time(local("2022-02-28T10:00")):
        wf = Workflow(module_database_url, stages=INSTALLED)
        story = Played(RoundScript(PLAN, workflow=wf))
        play(story)
    yield story
    wf.database.dispose()


# ── what became of everybody ──

UP_TO_THE_CHECK = """
    self_declaration.declare → self_declaration.draft
    self_declaration.submit → self_declaration.submitted
    self_declaration.accept → local_recommendation.pending
    local_recommendation.recommend → qualification_check.checking
    qualification_check.overdue → qualification_check.checking
"""
TO_THE_RANKING = """
    qualification_check.qualify → expert_review.grouping
    expert_review.assign → expert_review.scoring
    expert_review.complete → expert_review.scored
"""
ON_NOTICE_UNTIL_ANNOUNCED = """
    public_notice.show → public_notice.showing
    public_notice.clear → announcement.decided
    announcement.announce → announcement.announced
"""


def steps_of(*ways: str) -> list[Step]:
    """`trigger → target`, one a line: each step begins where the one before has ended."""
    found: list[Step] = []
    for line in "".join(ways).split("\n"):
        if line:
            trigger, target = line.strip().split(" → ")
            found.append((trigger, found[-1][2] if found else None, target))
    return found


def test_final_states(played: Played) -> None:
    assert played.script.states() == {
        "铜箔": "announcement.announced",
        "镜头": "announcement.announced",
        "电水壶": "announcement.announced",
        "起重机": "expert_review.not_shortlisted",
        "蓄电池": "expert_review.not_shortlisted",
        "灯具": "local_recommendation.over_quota",
        "茶叶": "self_declaration.lapsed",
        "竹编": "self_declaration.not_accepted",
        "钨丝": "announcement.announced",
        "脐橙汁": "public_notice.removed",
        "家具": "qualification_check.disqualified",
        "米粉": "local_recommendation.not_recommended",
        "食盐": "local_recommendation.missed",
        "纸板": "withdrawn",
        "瓷砖": "qualification_check.deemed_withdrawn",
    }
    assert played.script.state(played.script.round) == "closed"
    assert {c.state for c in played.script.wf.cases(played.script.round, "phase")} == {"closed"}


def test_history_of_one_returned_for_correction(played: Played) -> None:
    assert played.script.steps("铜箔") == steps_of(
        """
    self_declaration.declare → self_declaration.draft
    self_declaration.submit → self_declaration.submitted
    self_declaration.return_for_correction → self_declaration.correcting
    self_declaration.resubmit → self_declaration.submitted
    self_declaration.accept → local_recommendation.pending
    local_recommendation.recommend → qualification_check.checking
    qualification_check.overdue → qualification_check.checking
""",
        TO_THE_RANKING,
        """
    expert_review.shortlist → department_consultation.consulting
    department_consultation.clear → deliberation.tabled
    deliberation.approve → public_notice.listed
""",
        ON_NOTICE_UNTIL_ANNOUNCED,
    )


def test_history_of_one_reconsidered_and_objected_to(played: Played) -> None:
    assert played.script.steps("镜头") == steps_of(
        UP_TO_THE_CHECK,
        """
    qualification_check.disqualify → qualification_check.disqualified
    qualification_check.reconsider → qualification_check.checking
""",
        TO_THE_RANKING,
        """
    expert_review.shortlist → department_consultation.consulting
    department_consultation.clear → deliberation.tabled
    deliberation.approve → public_notice.listed
    public_notice.show → public_notice.showing
    public_notice.hold → public_notice.held
    public_notice.free → public_notice.showing
    public_notice.clear → announcement.decided
    announcement.announce → announcement.announced
""",
    )


def test_history_of_one_that_a_department_opposed(played: Played) -> None:
    assert played.script.steps("钨丝") == steps_of(
        UP_TO_THE_CHECK,
        TO_THE_RANKING,
        """
    expert_review.shortlist → department_consultation.consulting
    department_consultation.object → department_consultation.objected
    department_consultation.override → deliberation.tabled
    deliberation.hold → deliberation.on_hold
    deliberation.approve_with_changes → public_notice.listed
""",
        ON_NOTICE_UNTIL_ANNOUNCED,
    )


def test_history_of_one_taken_up_from_the_reserve(played: Played) -> None:
    assert played.script.steps("电水壶") == steps_of(
        UP_TO_THE_CHECK,
        TO_THE_RANKING,
        """
    expert_review.keep → expert_review.reserve
    expert_review.fill → department_consultation.consulting
    department_consultation.clear → deliberation.tabled
    deliberation.approve → public_notice.listed
""",
        ON_NOTICE_UNTIL_ANNOUNCED,
    )


def test_history_of_one_removed_by_an_objection(played: Played) -> None:
    assert played.script.steps("脐橙汁") == steps_of(
        UP_TO_THE_CHECK,
        TO_THE_RANKING,
        """
    expert_review.shortlist → department_consultation.consulting
    department_consultation.clear → deliberation.tabled
    deliberation.approve → public_notice.listed
    public_notice.show → public_notice.showing
    public_notice.hold → public_notice.held
    public_notice.remove → public_notice.removed
""",
    )


# ── what was decided, computed again ──


def test_letters_rank_and_keep_to_the_quota(played: Played) -> None:
    script = played.script
    letters = [script.facts(letter) for letter in played.letters]
    recommended = [script.facts(name).get("recommendation") for name in script.apps]

    assert letters == [
        {"letter": "洪工信〔2022〕1号", "recommended": 5, "over_quota": 1},
        {"letter": "赣市工信〔2022〕1号", "recommended": 5, "over_quota": 0},
    ]
    ranks = {name: r["rank"] for name, r in zip(script.apps, recommended, strict=True) if r}
    # fmt: off
    assert ranks == {
        "铜箔": 1, "镜头": 2, "电水壶": 3, "起重机": 4, "蓄电池": 5, "灯具": 6,
        "脐橙汁": 1, "钨丝": 2, "家具": 3, "纸板": 4, "瓷砖": 5,
    }
    # fmt: on


def canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_draw_can_be_repeated_from_what_was_published(played: Played) -> None:
    script = played.script
    convened, drawn = [e["facts"] for e in script.wf.history(script.id(played.panel))][:2]
    draw = drawn["draw"]
    pool = [f"expert-{n}" for n in range(1, 10)]

    assert convened["pool"] == pool
    assert convened["pool_digest"] == digest("".join(f"{e}\n" for e in sorted(pool)))
    assert convened["commitment"] == digest(draw["secret"])
    assert "secret" not in canonical(convened).replace("draw_secret", "")
    order = sorted(pool[:-1], key=lambda e: digest(f"{draw['secret']}|07-13-21|{e}"))
    assert (draw["order"], draw["seats"], draw["reserves"]) == (order, order[:5], order[5:7])
    seats = [(s.parties[Role.EXPERT], s.state) for s in script.children(played.panel, "seat")]
    assert sorted(seats) == sorted(
        [(order[0], "declined"), *((e, "accepted") for e in order[1:5]), (order[5], "accepted")]
    )


def trimmed(totals: list[Fraction]) -> Fraction:
    assert len(totals) == 5
    return sum(sorted(totals)[1:-1], Fraction()) / 3


def test_panel_result_is_what_the_raw_scores_come_to(played: Played) -> None:
    script = played.script
    totals = {
        name: {sheet: sum(WEIGHTS[d] * score for d, score in scores.items()) for sheet, scores in sheets.items()}
        for name, sheets in played.given.items()
    }
    scores = {name: trimmed([Fraction(t, 100) for t in sheets.values()]) for name, sheets in totals.items()}
    places = ["in"] * 4 + ["reserve"] * 2 + ["out"]
    expected = [
        {
            "application": script.id(name),
            "rank": rank,
            "place": places[rank - 1],
            "score": str((Decimal(s.numerator) / Decimal(s.denominator)).quantize(Decimal("0.01"), ROUND_HALF_UP)),
            "exact": [s.numerator, s.denominator],
            "sheets": 5,
            "digest": digest(canonical(totals[name])),
        }
        for rank, (name, s) in enumerate(sorted(scores.items(), key=lambda row: -row[1]), start=1)
    ]

    results = script.facts(played.panel)["results"]

    assert len(set(scores.values())) == len(LEVELS)
    assert results == [
        {
            "rule": "trimmed_mean",
            "rule_version": 1,
            "places": 4,
            "reserve_places": 2,
            "decided": [],
            "tied": [],
            "ranking": expected,
            "document": "",
            "without_result": [],
            "unmoved": [],
        }
    ]
    assert [row["application"] for row in expected] == [script.id(name) for name in LEVELS]


def test_sheets_of_the_one_withdrawn_while_scored_are_void(played: Played) -> None:
    assert [s.state for s in played.script.sheets("纸板")] == ["void"] * 5


def test_consultations(played: Played) -> None:
    script = played.script
    names = ("铜箔", "镜头", "钨丝", "脐橙汁", "电水壶")
    found = {n: (script.consultation(n, ENVIRONMENT).state, script.consultation(n, TAX).state) for n in names}
    assert found == {
        "铜箔": ("no_objection", "no_objection"),
        "镜头": ("no_objection", "no_objection"),
        "钨丝": ("objects", "no_objection"),
        "脐橙汁": ("no_objection", "deemed"),
        "电水壶": ("no_objection", "not_our_remit"),
    }
    assert script.steps(script.consultation("脐橙汁", TAX)) == [
        ("open", None, "sent"),
        ("lapse", "sent", "no_reply"),
        ("deem", "no_reply", "deemed"),
    ]


def test_notices_print_what_was_listed(played: Played) -> None:
    script = played.script
    shown_by = [("铜箔", "镜头", "钨丝", "脐橙汁"), ("电水壶",)]
    city = {name: by.scope for by, names in CITIES.items() for name in names}
    for notice, names in zip(played.notices, shown_by, strict=True):
        facts = script.facts(notice)
        rows = [
            [n, script.id(name), f"{name}有限公司(虚构)", name, city[name]] for n, name in enumerate(names, start=1)
        ]
        assert facts["list"] == rows
        assert facts["digest"] == digest(canonical(rows))
        assert facts["anomalies"] == []


def test_announcements_number_on(played: Played) -> None:
    script = played.script
    names = ("铜箔", "镜头", "钨丝", "电水壶")
    assert {n: (script.facts(n)["certificate"], script.facts(n)["document"]) for n in names} == {
        "铜箔": ("GCJP-2022-001", "联合公布〔2022〕1号"),
        "镜头": ("GCJP-2022-002", "联合公布〔2022〕1号"),
        "钨丝": ("GCJP-2022-003", "联合公布〔2022〕1号"),
        "电水壶": ("GCJP-2022-004", "联合公布〔2022〕2号"),
    }
    for act in played.announcements:
        assert script.facts(act)["digest"] == digest(canonical(script.facts(act)["list"]))


# ── beyond the round ──


def test_recognitions_outlive_the_round(played: Played) -> None:
    script = played.script
    assert {n: script.steps(script.recognition(n)) for n in ("铜箔", "镜头", "钨丝", "电水壶")} == {
        "铜箔": [
            ("open", None, "valid"),
            ("review", "valid", "due_for_review"),
            ("renew", "due_for_review", "valid"),
            ("review", "valid", "due_for_review"),
            ("expire", "due_for_review", "expired"),
        ],
        "镜头": [("open", None, "valid"), ("revoke", "valid", "revoked")],
        "钨丝": [("open", None, "valid"), ("revoke", "valid", "revoked")],
        "电水壶": [
            ("open", None, "valid"),
            ("review", "valid", "due_for_review"),
            ("expire", "due_for_review", "expired"),
        ],
    }
    heard, waived = played.revocations
    assert script.steps(heard) == [
        ("notify", None, "noticed"),
        ("hear", "noticed", "heard"),
        ("decide", "heard", "decided"),
    ]
    assert script.steps(waived) == [
        ("notify", None, "noticed"),
        ("waive", "noticed", "heard"),
        ("decide", "heard", "decided"),
    ]


# ── when ──


def test_windows_end_where_the_calendar_says(played: Played) -> None:
    """Reckoned by hand: 04-02, 04-24, 05-07, 10-08, 10-09 of 2022 and 2023-05-06 are make-up working days."""
    script, name = played.script, "铜箔"

    assert ends(script, name, "self_declaration.correction_due") == ["2022-04-08 17:30"]
    assert ends(script, name, "qualification_check.office_limit") == ["2022-04-28 17:30"]
    assert ends(script, "镜头", "qualification_check.reconsideration") == ["2022-05-16 17:30"]
    assert ends(script, "镜头", "qualification_check.office_limit") == ["2022-04-28 17:30", "2022-05-23 17:30"]
    assert ends(script, "瓷砖", "qualification_check.correction_due") == ["2022-05-16 17:30"]
    assert ends(script, script.children(played.panel, "seat")[0], "answer") == ["2022-05-20 17:30"]
    assert ends(script, script.consultation(name, TAX), "due") == ["2022-06-01 17:30"]
    assert ends(script, script.consultation("电水壶", TAX), "due") == ["2022-10-26 17:30"]
    assert [ends(script, n, "window") for n in played.notices] == [["2022-10-10 17:30"], ["2022-10-28 17:30"]]
    assert [ends(script, o, "examination") for o in played.objections] == [["2022-10-21 17:30"], ["2022-10-25 17:30"]]
    assert [ends(script, r, "hearing") for r in played.revocations] == [["2023-05-11 17:30"], ["2024-03-08 17:30"]]
    recognition = script.recognition(name)
    assert ends(script, recognition, "term") == ["2025-11-08 00:00", "2028-12-02 00:00"]
    assert ends(script, recognition, "review_due") == ["2026-01-07 17:30", "2029-01-31 17:30"]
    assert ends(script, script.recognition("电水壶"), "term") == ["2025-11-09 00:00"]


def ends(script: RoundScript, case: Case, deadline: str) -> list[str]:
    """The ends that a deadline of a case has had, as its history tells them."""
    changes = [d for e in script.wf.history(script.id(case)) for d in e["deadlines"] if d["name"] == deadline]
    return [shown(d["due_at"]) for d in changes if d["status"] == "armed"]


def test_notices_print_four_instants(played: Played) -> None:
    facts = [played.script.facts(notice) for notice in played.notices]
    printed = [(f["dated_on"], *(shown(f[k]) for k in ("published_at", "opens_at", "closes_at"))) for f in facts]
    assert printed == [
        ("2022-09-28", "2022-09-28 16:00", "2022-09-28 16:00", "2022-10-10 17:30"),
        ("2022-10-21", "2022-10-21 09:00", "2022-10-21 09:00", "2022-10-28 17:30"),
    ]


@pytest.mark.parametrize(
    ("name", "trigger", "due"),
    [
        ("茶叶", "self_declaration.lapse", "2022-03-31 17:30"),
        ("食盐", "local_recommendation.miss", "2022-05-06 17:30"),
        ("瓷砖", "qualification_check.give_up", "2022-05-16 17:30"),
        ("铜箔", "public_notice.clear", "2022-10-10 17:30"),
        ("电水壶", "public_notice.clear", "2022-10-28 17:30"),
    ],
)
def test_what_the_clock_does_takes_effect_when_it_was_due(played: Played, name: str, trigger: str, due: str) -> None:
    event = next(e for e in played.script.wf.history(played.script.id(name)) if e["trigger"] == trigger)
    assert (shown(event["effective_at"]), shown(event["recorded_at"])) == (due, f"{due}:00.000001")


def test_an_act_at_the_closing_instant_is_in_time(played: Played) -> None:
    script = played.script
    resubmitted = next(e for e in script.wf.history(script.id("铜箔")) if e["trigger"].endswith("resubmit"))
    filed = script.wf.history(script.id(played.objections[1]))[0]
    heard = next(e for e in script.wf.history(script.id(played.revocations[0])) if e["trigger"] == "hear")
    assert [(e["trigger"], shown(e["received_at"])) for e in (resubmitted, filed, heard)] == [
        ("self_declaration.resubmit", "2022-04-08 17:30"),
        ("file", "2022-10-10 17:30"),
        ("hear", "2023-05-11 17:30"),
    ]


# ── who was told what ──

RECEIVED = ("declaration_received", frozenset({"product"}))
ACCEPTED: tuple[str, frozenset[str]] = ("declaration_accepted", frozenset())
PUBLISHED = (
    "notice_published",
    frozenset({"product", "title", "dated_on", "published_at", "opens_at", "closes_at"}),
)
TO_CORRECT = ("correction_requested", frozenset({"items"}))
REMINDED = ("deadline_reminder", frozenset({"deadline", "state", "ends_at"}))


def test_no_applicant_learns_a_result_before_the_announcement(played: Played) -> None:
    """What an applicant is told: its own declaration, what the public is told as well, and no score, rank or vote."""
    told: dict[str, list[tuple[str, frozenset[str]]]] = {name: [] for name in played.script.apps}
    for message in played.told_before:
        if message["recipient"].startswith("applicant"):
            name = message["recipient"].removeprefix("applicant:firm-")
            told[name].append((message["message"], frozenset(message["body"])))
    nothing: frozenset[str] = frozenset()
    assert told == {
        "铜箔": [RECEIVED, TO_CORRECT, REMINDED, REMINDED, ACCEPTED, PUBLISHED],
        "镜头": [RECEIVED, ACCEPTED, PUBLISHED, ("item_held", nothing)],
        "电水壶": [RECEIVED, ACCEPTED, PUBLISHED],
        "起重机": [RECEIVED, ACCEPTED],
        "蓄电池": [RECEIVED, ACCEPTED],
        "灯具": [RECEIVED, ACCEPTED],
        "茶叶": [("declaration_lapsed", frozenset({"product"}))],
        "竹编": [RECEIVED, ("declaration_not_accepted", frozenset({"reason_code"}))],
        "钨丝": [RECEIVED, ACCEPTED, PUBLISHED],
        "脐橙汁": [RECEIVED, ACCEPTED, PUBLISHED, ("item_held", nothing), ("item_removed", nothing)],
        "家具": [RECEIVED, ACCEPTED],
        "米粉": [RECEIVED, ACCEPTED],
        "食盐": [RECEIVED, ACCEPTED],
        "纸板": [RECEIVED, ACCEPTED],
        "瓷砖": [RECEIVED, ACCEPTED, TO_CORRECT, REMINDED, REMINDED, ("deemed_withdrawn", nothing)],
    }


def test_nobody_else_outside_the_office_learns_a_result_before_the_announcement(played: Played) -> None:
    kinds: dict[str, set[str]] = {}
    for message in played.told_before:
        kinds.setdefault(message["recipient"].partition(":")[0], set()).add(message["message"])
    del kinds["office"], kinds["applicant"]
    assert kinds == {
        "expert": {"seat_offered", "sheets_assigned"},
        "department": {"opinion_requested", "deadline_reminder"},
        "public": {"objection_received", "objection_admitted", "objection_dismissed", "objection_upheld"},
        "supervisor": {"check_overdue", "deadline_escalated"},
    }


def test_the_announcement_tells_the_chosen_ones_alone(played: Played) -> None:
    before = {m["id"] for m in played.told_before}
    after = [m for m in played.script.wf.messages(played.script.round) if m["id"] not in before]
    told = [
        (m["recipient"].removeprefix("applicant:firm-"), m["body"]) for m in after if m["message"] == "result_announced"
    ]
    assert sorted(told, key=lambda row: row[1]["number"]) == [
        (name, {"number": f"GCJP-2022-{n:03}", "document": f"联合公布〔2022〕{act}号", "product": name})
        for n, (name, act) in enumerate([("铜箔", 1), ("镜头", 1), ("钨丝", 1), ("电水壶", 2)], start=1)
    ]


def test_the_record_is_whole(played: Played) -> None:
    report = played.script.wf.verify()
    assert (report.problems, report.cases) == ([], len(played.script.wf.cases(played.script.round)))
    assert report.ok
