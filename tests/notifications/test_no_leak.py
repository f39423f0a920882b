"""Nobody outside is told a result before its announcement: neither in words, nor by being told anything at all."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganchu_notifications.dispatcher import Dispatcher
from ganchu_notifications.templates import Templates
from ganchu_stages.expert_review import ExpertReview
from ganchu_workflow import Role, Workflow
from ganchu_workflow.messages import LANGUAGES
from ganchu_workflow.process import Effects, Message
from ganchu_workflow.process.language import Rule, Transition
from ganchu_workflow.testing import RoundScript
from tests.notifications.conftest import Recorder
from tests.notifications.test_every_message import claimed
from tests.rounds.full_round import (
    PLAN,
    Played,
    announce,
    check,
    consult,
    declare,
    deliberate,
    fill_the_place,
    play,
    put_on_notice,
    recommend,
    review,
)

BEFORE = frozenset(
    {
        "correction_lapsed",
        "correction_requested",
        "deadline_reminder",
        "declaration_accepted",
        "declaration_lapsed",
        "declaration_not_accepted",
        "declaration_received",
        "deemed_withdrawn",
        "examination_extended",
        "item_held",
        "item_removed",
        "notice_published",
        "objection_admitted",
        "objection_dismissed",
        "objection_not_admitted",
        "objection_received",
        "objection_upheld",
        "round_cancelled",
    }
)
"""What applicants and the public may be told before the announcement: of their own acts, and of what is on notice."""
TELLERS = frozenset({"application", "notice", "objection", "round"})
INTERNAL = frozenset({"expert_review", "department_consultation", "deliberation", "announcement"})
"""The stages in which being told anything would tell something: only some of the applicants would be."""
WORDS = {
    "zh-CN": "入选|入围|落选|候补|递补|排名|名次|得分|评分|分数|总分|评审|专家|部门|审议|意见",
    "en": r"(?i)\b(selected|shortlist\w*|reserve|rank\w*|scor\w+|panel|expert\w*|department\w*|deliberat\w+|opinion)\b",
}
GIVEN = ("title",)
"""What the office itself wrote into a notice for everybody to read."""


@dataclass(frozen=True)
class Leak:
    """One message that would have told too much, and why."""

    kind: str
    recipient: str
    why: str


@dataclass
class Letter:
    """A message to the outside, in words, and the event that told it."""

    kind: str
    recipient: str
    body: Mapping[str, Any]
    words: Mapping[str, str]
    event: Mapping[str, Any]


def leaks(letters: list[Letter]) -> list[Leak]:
    """What tells a result, or lets one be guessed."""
    return [Leak(letter.kind, letter.recipient, why) for letter in letters for why in reasons(letter)]


def reasons(letter: Letter) -> Iterator[str]:
    if letter.kind not in BEFORE:
        yield "of a kind that waits for the announcement"
    if letter.event["kind"] not in TELLERS:
        yield f"told by a {letter.event['kind']}"
    stages = {str(letter.event[end] or "").partition(".")[0] for end in ("source", "target")}
    if letter.event["kind"] == "application" and stages & INTERNAL:
        yield f"told in {', '.join(sorted(stages & INTERNAL))}"
    for language, text in letter.words.items():
        for key in GIVEN:
            text = text.replace(str(letter.body.get(key) or "\0"), "")
        if found := re.search(WORDS[language], text):
            yield f"says {found.group()}"


def letters_before(wf: Workflow, round_id: str, templates: Mapping[str, Templates], announced: str) -> list[Letter]:
    """What is told to applicants and the public by events before the instant of the announcement."""
    found = []
    events = {(e["case"], e["seq"]): e for case in wf.cases(round_id) for e in wf.history(case)}
    told = {m["id"]: events[m["case_id"], m["seq"]] for m in wf.messages(round_id)}
    for delivery in claimed(wf):
        outside = delivery.recipient.partition(":")[0] in (Role.APPLICANT, Role.PUBLIC)
        if outside and told[delivery.id]["recorded_at"] < announced:
            said = {lang: t.render(delivery) for lang, t in templates.items() if delivery.declared}
            words = {lang: f"{s.subject}\n{s.text}" for lang, s in said.items()}
            found.append(Letter(delivery.kind, delivery.recipient, delivery.body, words, told[delivery.id]))
    return found


def told_before_the_announcement(url: str, *folders: Path) -> list[Letter]:
    script = RoundScript(PLAN, database=url, start="2022-02-28T10:00")
    wf, story = script.wf, Played(script)
    try:
        play(story)
        (announced, *_) = [e["recorded_at"] for e in wf.history(story.announcements[0].case_id)]
        templates = {language: Templates(folders, language) for language in LANGUAGES}
        return letters_before(wf, story.script.round, templates, announced)
    finally:
        wf.database.dispose()


def test_up_to_the_announcement_nobody_outside_is_told_a_result(sqlite_url: str) -> None:
    letters = told_before_the_announcement(sqlite_url)

    assert leaks(letters) == []
    # There was something to tell: some were chosen, one in reserve, one opposed and overruled, one removed.
    told = {letter.kind for letter in letters}
    assert told >= {"declaration_received", "notice_published", "item_held", "item_removed", "objection_upheld"}
    assert len(letters) > 20


@pytest.mark.parametrize(
    ("transition", "kind", "why"),
    [
        # A name that gives it away, and a text that nobody has checked.
        (ExpertReview.shortlist, "shortlisted", {"of a kind that waits for the announcement", "told in …"}),
        # An innocent text: that it comes at all is what tells.
        (ExpertReview.drop, "item_held", {"told in …"}),
        (ExpertReview.keep, "correction_requested", {"told in …"}),
    ],
    ids=["chosen", "not chosen", "in reserve"],
)
def test_a_stage_that_tells_too_early_is_caught(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, transition: Transition, kind: str, why: set[str]
) -> None:
    def tell(self: ExpertReview, ctx: Any) -> Effects:
        return Effects(tell=[Message(kind, to=Role.APPLICANT, body={"items": []} if kind.startswith("corr") else {})])

    monkeypatch.setattr(transition, "effects", [*transition.effects, Rule("tell_too_early", 1, tell)])

    found = leaks(told_before_the_announcement(sqlite_url))

    assert found != []
    assert {re.sub("(?<=told in ).*", "…", leak.why) for leak in found} == why
    assert {leak.kind for leak in found} == {kind}


def test_a_text_that_says_too_much_is_caught(sqlite_url: str, tmp_path: Path) -> None:
    for language, words in {"zh-CN": "结果\n\n贵单位排名第三。\n", "en": "Result\n\nYou rank third.\n"}.items():
        (tmp_path / language).mkdir()
        (tmp_path / language / "item_held.txt").write_text(words, "utf-8")

    found = leaks(told_before_the_announcement(sqlite_url, tmp_path))

    assert {(leak.kind, leak.why) for leak in found} == {("item_held", "says 排名"), ("item_held", "says rank")}


def test_what_channels_are_handed_by_then_is_no_more_than_that(sqlite_url: str) -> None:
    """With a dispatcher that runs after each chapter of the story; the rest is delivered when it has been announced."""
    script = RoundScript(PLAN, database=sqlite_url, start="2022-02-28T10:00")
    wf, story, channel = script.wf, Played(script), Recorder()
    dispatcher = Dispatcher(wf.outbox, {"one": channel}, {"default": ["one"]})

    def handed_after(*chapters: Callable[[Played], None]) -> set[str]:
        for chapter in chapters:
            chapter(story)
            while dispatcher.run_once().total:
                pass
        return {m["message"] for m in channel.got if m["recipient"].startswith(("applicant", "public"))}

    before = handed_after(declare, recommend, check, review, consult, deliberate, put_on_notice, fill_the_place)
    after = handed_after(announce)

    assert before <= BEFORE
    assert after - before == {"result_announced"}
    assert {e.status for e in wf.outbox.entries()} == {"delivered"}
    wf.database.dispose()
