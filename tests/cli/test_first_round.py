"""`ganchu demo`: the first round at its real size, the same to the byte everywhere, and as its inputs have it."""

import json
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow import SeededEntropy, SimulatedClock, Workflow
from ganchu_workflow.cli.demo.first_round import ZONE, FirstRound
from ganchu_workflow.cli.demo.inputs import Inputs
from tests.cli.command import Done, ganchu
from tests.first_round.recompute import final_list, final_states
from tests.first_round.test_inputs import REAL, with_inputs
from tests.rounds.script import local

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "first_round"
MARK = "演示数据·非官方文件"


@dataclass(frozen=True)
class Played:
    """A demonstration that was played: what it printed, and the folder it left."""

    done: Done
    folder: Path

    def files(self) -> dict[str, bytes]:
        return {p.relative_to(self.folder).as_posix(): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


def play(folder: Path, *more: str) -> Played:
    folder.mkdir()
    return Played(ganchu("demo", *more, cwd=folder), folder / "ganchu-demo")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("first-round") / "sqlite")


@dataclass(frozen=True)
class Read:
    """What the history in the folder says: of each application its facts and where it ended, and what was announced."""

    facts: dict[str, dict[str, Any]]
    ends: dict[str, str]
    announced: list[dict[str, Any]]


@pytest.fixture(scope="module")
def read(played: Played) -> Read:
    facts: dict[str, dict[str, Any]] = {}
    ends: dict[str, str] = {}
    rows: list[str] = []
    with (played.folder / "history.jsonl").open(encoding="utf-8") as lines:
        next(lines)  # the mark
        for event in map(json.loads, lines):
            if event["kind"] == "application":
                facts[event["case"]] = facts.get(event["case"], {}) | event["facts"]
                ends[event["case"]] = event["target"]
            elif event["kind"] == "announcement_act":
                rows += [row[1] for row in event["facts"]["list"]]
    return Read(facts, {facts[case]["number"]: end for case, end in ends.items()}, [facts[case] for case in rows])


def test_it_ends_with_136_and_a_whole_record(played: Played) -> None:
    assert played.done.code == 0
    assert "联合发文公布 136 项" in played.done.out
    assert "完整,与各案状态一致" in played.done.out
    assert played.done.err.startswith("用时 ")


def test_its_list_is_what_the_inputs_and_the_plan_come_to(read: Read) -> None:
    wanted = final_list(EXAMPLE)

    assert len(wanted) == 136
    assert [facts["number"] for facts in read.announced] == wanted
    assert [facts["certificate"] for facts in read.announced] == [f"GCJP-2021-{n:03}" for n in range(1, 137)]


def test_every_application_ends_where_the_inputs_and_the_plan_lead(read: Read) -> None:
    assert read.ends == final_states(EXAMPLE)


def test_the_products_of_the_press_conference_are_announced(read: Read) -> None:
    named = {(facts["enterprise"], facts["product"]): facts for facts in read.announced}

    assert len(REAL) == 10
    assert REAL - named.keys() == set()
    assert {named[product]["credit_code"] for product in REAL} == {None}


def test_on_postgresql_it_is_the_same_to_the_byte(played: Played, postgres_url: str, tmp_path: Path) -> None:
    second = play(tmp_path / "postgresql", "--db", postgres_url)

    assert second.done.out == played.done.out
    first, again = played.files(), second.files()
    assert sorted(first) == sorted(again)
    assert [name for name in first if first[name] != again[name]] == []


def test_the_folder_holds_what_it_says_and_every_paper_is_marked(played: Played) -> None:
    names = {name for name in played.files() if not name.startswith((".", "mail/"))}
    assert names == {
        "announcement-1.html",
        "applications.xlsx",
        "history.jsonl",
        "notice-1.html",
        "notice-2.html",
        "process.mmd",
        "process.svg",
        "summary.md",
    }
    unmarked = [n for n in sorted(names - {"applications.xlsx"}) if MARK not in (played.folder / n).read_text("utf-8")]
    assert unmarked == []
    assert all(f"  {name}  " in played.done.out for name in names)


def test_another_seed_plays_and_verifies_too(sqlite_url: str, tmp_path: Path) -> None:
    folder = with_inputs(tmp_path / "seed-7", 7)
    clock = SimulatedClock(local("2021-07-30T09:00"))
    workflow = Workflow(sqlite_url, clock=clock, entropy=SeededEntropy("another"))
    lines: list[str] = []
    round_id = FirstRound(workflow, clock, Inputs(folder), lines.append, lambda *_: None).play()

    applications = {a.id: a for a in workflow.cases(round_id, "application")}
    (act,) = workflow.cases(round_id, "announcement_act")
    assert [applications[row[1]].facts["number"] for row in act.facts["list"]] == final_list(folder)
    assert Counter(a.state for a in applications.values()) == Counter(final_states(folder).values())
    assert final_list(folder) != final_list(EXAMPLE)
    assert workflow.verify().problems == []
    workflow.database.dispose()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--small", "--out", "there"), "--out is for the full demonstration"),
        (("--events", "e.jsonl"), "--events is for the small demonstration"),
        (("--inputs", "nowhere"), "'nowhere' is no folder of inputs: it must hold plan.toml and a folder inputs/"),
        (("--out", "nowhere/there"), "the folder 'nowhere' does not exist; create it first"),
        (("--out", "full"), "the folder 'full' holds files that are not papers of a round (letter.txt)"),
    ],
)
def test_what_it_cannot_use_is_said_before_anything_is_played(
    options: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine", "utf-8")
    done = ganchu("demo", *options, cwd=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["full", "letter.txt"]


def test_a_folder_that_cannot_be_made_is_known_before_anything_is_played(tmp_path: Path) -> None:
    done = ganchu("demo", "--out", "x" * 300, cwd=tmp_path)

    assert (done.code, done.out) == (4, "")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_called_mail_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine" / "mail").mkdir(parents=True)
    (tmp_path / "mine" / "mail" / "letter.eml").write_text("mine", "utf-8")

    done = ganchu("demo", "--out", "mine", cwd=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert "the folder 'mine' holds files that are not papers of a round (mail)" in done.err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["letter.eml", "mail", "mine"]


def test_its_mail_is_for_the_eyes_of_its_owner(played: Played) -> None:
    mail = played.folder / "mail"
    assert stat.S_IMODE(mail.stat().st_mode) == 0o700
    assert {stat.S_IMODE(letter.stat().st_mode) for letter in mail.iterdir()} == {0o600}


def test_zone_of_its_clock_is_the_offices() -> None:
    assert ZONE.key == "Asia/Shanghai"
