"""Every message that a stage or the core can tell has words in both languages, and they fit what is really told."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ganchu_notifications.templates import Said, Templates
from ganchu_workflow import Registry, Role, Workflow
from ganchu_workflow.messages import LANGUAGES, Delivery, MessageKind, message_kinds
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.testing import RoundScript, expert
from tests.rounds.scenarios import SCENARIOS, Scenario
from tests.rounds.script import plan_of

ROOT = Path(__file__).parents[2]
KINDS = message_kinds(
    [*CORE_KINDS, *(c for p in Registry.discover().plugins.values() for c in (p.brought, *p.brought.cases))]
)
DECLARED = {kind.name: kind for kind in KINDS}


def test_every_message_in_the_source_is_declared_and_nothing_else_is() -> None:
    folders = (ROOT / "stages", ROOT / "ganchu_workflow" / "process", ROOT / "ganchu_workflow" / "engine")
    source = "".join(path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py"))
    told = set(re.findall(r'Message\(\s*"(\w+)"', source))
    alerts = set(re.findall(r'message: str = "(\w+)"', source))

    # Every place that makes one names it there: none is hidden behind a variable, but for what an alert tells.
    made = len(re.findall(r"(?<!class )\bMessage\(", source))
    assert made == len(re.findall(r'Message\(\s*"\w+"', source)) + len(re.findall(r"Message\(alert.message,", source))
    assert alerts == {"deadline_reminder", "deadline_escalated"}
    told |= alerts
    assert told == DECLARED.keys()
    assert len(told) == len(KINDS) > 40


def test_every_text_can_be_rendered_with_its_sample_in_both_languages() -> None:
    assert Templates().check(KINDS) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_lies_there_that_nothing_tells(language: str) -> None:
    folders = (ROOT / "stages/ganchu_stages/messages", ROOT / "ganchu_workflow/process/messages")
    assert {p.stem for folder in folders for p in (folder / language).iterdir()} == DECLARED.keys()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_text_calls_a_default_a_rule_or_puts_a_title_in_quotation_marks(kind: MessageKind) -> None:
    """What the plan sets is its own (规定 is what an authority lays down), and titles have quotation marks in them."""
    text = kind.text("zh-CN")

    assert re.findall("规定", text) == []
    assert re.findall(r"“{{ *(?:round\.)?title *}}”", text) == []


@dataclass(frozen=True)
class Told:
    delivery: Delivery
    words: Mapping[str, Said]


def no_reserve_left(script: RoundScript) -> None:
    """The one thing that no scenario tells."""
    script.draft("passes")
    script.carry("passes", to="expert_review")
    (seat,) = script.children(script.convene("passes", reserves=0), "seat")
    script.fire(seat, "decline", expert(seat.parties[Role.EXPERT]), reason="出差")


@pytest.fixture(name="told", scope="module")
def _told(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """What is told in all the scenarios, in which every transition of every stage fires; each put into words."""
    folder = tmp_path_factory.mktemp("told")
    renderers = {language: Templates(language=language) for language in LANGUAGES}
    found = []
    for scenario in (*SCENARIOS, Scenario("no_reserve_left", no_reserve_left)):
        path = shutil.copyfile(sqlite_template, folder / f"{scenario.name}.db")
        plan = plan_of(scenario.name, notice_twice=True, **scenario.settings)
        script = RoundScript(plan, database=f"sqlite:///{path}", start=scenario.start)
        wf = script.wf
        scenario.play(script)
        for delivery in claimed(wf):
            found.append(Told(delivery, {language: r.render(delivery) for language, r in renderers.items()}))
        wf.database.dispose()
    return found


def claimed(wf: Workflow) -> Iterator[Delivery]:
    """Every message of the outbox as a dispatcher is handed it."""
    outbox = wf.outbox
    while outbox.route(lambda recipient: ["one"], 1000):
        pass
    while batch := outbox.claim({"one": True}, limit=1000, lease=timedelta(days=1), by="test")[0]:
        yield from batch


def test_every_kind_of_message_is_really_told(told: list[Told]) -> None:
    assert {t.delivery.kind for t in told} == DECLARED.keys()


def test_what_is_told_has_the_keys_that_its_declaration_shows(told: list[Told]) -> None:
    """No key that the sample lacks, and none missing that may not be: so a text tried with the sample cannot fail."""
    wrong: list[Any] = []
    absent: dict[str, set[str]] = {kind.name: set() for kind in KINDS}
    for each in told:
        kind, body = declared(each), each.delivery.body
        given = {key for key, value in body.items() if value is not None}
        if not kind.sample.keys() - kind.optional <= given <= kind.sample.keys():
            wrong.append((kind.name, sorted(given), sorted(kind.sample)))
        if kind.application and not {"product", "enterprise"} <= (each.delivery.application or {}).keys():
            wrong.append((kind.name, "no application"))
        absent[kind.name] |= kind.optional - given
    assert wrong == []
    # What is said to be optional is, but for a consultation that nobody's application is the parent of.
    assert {name: keys for name, keys in absent.items() if keys != DECLARED[name].optional} == {"late_objection": set()}


def test_a_sample_is_of_the_same_make_as_what_is_told(told: list[Told]) -> None:
    """Text where text is told, a number where a number is: a filter that bears the sample bears the real thing."""

    def make(value: Any) -> Any:
        return [make(v) for v in value[:1]] if isinstance(value, list) else type(value).__name__

    differing = {
        (each.delivery.kind, key)
        for each in told
        for key, value in each.delivery.body.items()
        if value is not None and make(value) != make(declared(each).sample[key])
    }
    assert differing == set()


def test_the_deadlines_that_a_text_may_name_are_really_armed_by_the_event(told: list[Told]) -> None:
    found: dict[str, set[str]] = {}
    for each in told:
        found.setdefault(each.delivery.kind, set()).update(each.delivery.deadlines)
    assert {name: keys for name, keys in found.items() if keys} == {
        kind.name: set(kind.deadlines) for kind in KINDS if kind.deadlines
    }


def test_no_letter_shows_an_instant_as_the_machine_writes_it_or_an_empty_value(told: list[Told]) -> None:
    strange = {
        (each.delivery.kind, language, found[0])
        for each in told
        for language, said in each.words.items()
        if (
            found := re.findall(r"\d{4}-\d\d-\d\dT\S+|\bNone\b|Undefined|\{\{|\}\}|\{%", f"{said.subject}\n{said.text}")
        )
    }
    assert strange == set()


def test_a_letter_to_an_expert_or_the_public_names_nobody_but_the_enterprise_on_notice(told: list[Told]) -> None:
    """An expert's letters name no application at all; nobody's letter names a person or where they are reached."""
    for each in told:
        text = each.words["zh-CN"].text
        if each.delivery.recipient.startswith("expert"):
            assert "有限公司" not in text, each.delivery.kind
        for private in ("联系人", "0791-0000000", "citizen-", "operator-"):
            assert private not in text, (each.delivery.kind, private)


def declared(each: Told) -> MessageKind:
    kind = each.delivery.declared
    assert kind == DECLARED[each.delivery.kind]
    return kind


def test_a_letter_says_why_a_deadline_has_moved(told: list[Told]) -> None:
    texts = {
        each.delivery.body.get("why") or each.delivery.body.get("document"): " ".join(
            each.words[language].text for language in LANGUAGES
        )
        for each in told
        if each.delivery.kind == "deadline_extended"
    }
    words = ("放假安排", "holidays", "依据方案第八条(办〔1〕号)", "the ground is 方案第八条 (办〔1〕号)")
    said = {why: [each for each in words if each in text] for why, text in texts.items()}
    # What an outage says is the ground that its act states.
    assert said == {"办〔1〕号": [*words[2:]], "calendar": ["放假安排", "holidays"], None: []}
    moved = "原定于2022年3月24日17:30届满,因国务院办公厅公布的放假安排改变了其间的工作日,现顺延至2022年3月25日17:30"
    assert moved in texts["calendar"]
