"""Stages that are broken, each a tiny distribution of its own, as the command shows them: refused, with names."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow import Actor, Role, Workflow
from tests.cli.command import Done, ganchu
from tests.plugins.installing import distribution

SOUND = """\
from ganchu_workflow.actors import Role
from ganchu_workflow.process import CARRY_ON, PASSED, PhaseWindow, Stage, State, Transition

class Tasting(Stage):
    name = "tasting"
    laid_out = State("待品鉴", owner=Role.OFFICE, initial=True)
    approve = Transition(laid_out, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(at_close={laid_out: CARRY_ON})
"""
POINT = {"tasting": "tasting:Tasting"}
PLACE = "tasting-house 1.2 (tasting:Tasting)"
PLAN = """\
title = "虚构批次"
code = "T-1"
[[stage]]
use = "self_declaration"
{used}[[stage]]
use = "announcement"
"""


def plan(*used: str) -> str:
    return PLAN.format(used="".join(f'[[stage]]\nuse = "{name}"\n' for name in used))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An empty folder of the path, beside a plan that uses the stage and one that does not."""
    (tmp_path / "plan.toml").write_text(plan("tasting"), "utf-8")
    (tmp_path / "other.toml").write_text(plan(), "utf-8")
    return tmp_path / "site"


def run(site: Path, *args: str) -> Done:
    return ganchu(*args, cwd=site.parent, env={"PYTHONPATH": str(site)})


def checked(site: Path, *name: str) -> dict[str, dict[str, Any]]:
    """What `plugins check` says of each broken name; the command must have said that something is wrong."""
    done = run(site, "plugins", "check", *name, "--json")
    assert (done.code, done.err) == (4, "")
    answer = json.loads(done.out)
    assert answer["ok"] is False
    return {p["name"]: {k: p[k] for k in ("claims", "problems")} for p in answer["plugins"] if p["problems"]}


def claim(name: str = "tasting-house", place: str = "tasting:Tasting") -> dict[str, str]:
    return {"distribution": f"{name} 1.2", "place": place}


def changed(old: str, new: str) -> str:
    assert old in SOUND
    return SOUND.replace(old, new)


def install_all(site: Path, codes: dict[str, str]) -> None:
    """One distribution for each code; its stage, its module and its distribution have the name of the case."""
    for name, code in codes.items():
        named = code.replace('name = "tasting"', f'name = "{name}"')
        distribution(site, f"{name}-house", name, named, {name: f"{name}:Tasting"})


# ── contracts that are not kept ───────────────────────────────────────────────────────────────────────────────────

LOADED, KEPT = "cannot be loaded: ", "does not keep its contract: "
BREACHES = {
    "importing": (
        f"import no_such_module_anywhere\n{SOUND}",
        f"{LOADED}ModuleNotFoundError: No module named 'no_such_module_anywhere'",
    ),
    "exiting": (f"import sys\nsys.exit(0)\n{SOUND}", f"{LOADED}SystemExit: 0"),
    "meddling": (
        f"{SOUND}\n"
        "    from ganchu_workflow.process import Correctable\n\n"
        '    @Correctable.resubmit.effect("more")\n    def more(self, ctx):\n        pass\n',
        f"{LOADED}DefinitionInvalid: Correctable.resubmit is inherited by others too, and would change for all of them "
        "with the rule 'more'; declare it anew in your class,  resubmit = Transition(…)  and register on that",
    ),
    "no_stage": (
        'class Tasting:\n    name = "tasting"\n',
        f"{KEPT}it is not a subclass of ganchu_workflow.process.Stage",
    ),
    "older": (
        changed('    name = "tasting"\n', '    name = "tasting"\n    contract = 2\n'),
        f"{KEPT}it was written for version 2 of the contract, this engine has 1",
    ),
    "renamed": (
        changed('name = "tasting"', 'name = "testing"'),
        f"{KEPT}its class says name = 'testing', the entry point says 'renamed'",
    ),
    "loose": (
        changed(
            "class Tasting(Stage):\n",
            "from pydantic import BaseModel\n\nclass Loose(BaseModel):\n    cups: int = 3\n\n"
            "class Tasting(Stage):\n    Settings = Loose\n",
        ),
        f"{KEPT}its Settings must have extra='forbid', or a misspelt key of a plan would go unnoticed",
    ),
}


def test_stages_that_break_their_contract_are_shown_and_stop_only_the_plans_that_use_them(site: Path) -> None:
    install_all(site, {name: code for name, (code, _) in BREACHES.items()})
    (site.parent / "plan.toml").write_text(plan(*BREACHES), "utf-8")
    reasons = {
        name: f"the plugin '{name}' of {name}-house 1.2 ({name}:Tasting) {reason}"
        for name, (_, reason) in BREACHES.items()
    }

    listed = run(site, "plugins", "list")
    using, other = run(site, "process", "check", "plan.toml"), run(site, "process", "check", "other.toml")

    assert (listed.code, listed.err) == (4, "")
    for name, reason in reasons.items():
        assert f"  ✗ {name}  {name}-house 1.2  {name}:Tasting\n      {reason}\n" in listed.out
    assert checked(site) == {
        name: {"claims": [claim(f"{name}-house", f"{name}:Tasting")], "problems": [reason]}
        for name, reason in reasons.items()
    }
    assert (using.code, other.code) == (2, 0)
    assert using.err.splitlines()[2:] == [
        f"  - stage {n} ({name}).use: {reason}" for n, (name, reason) in enumerate(reasons.items(), start=2)
    ]


def test_a_stage_that_prints_when_it_is_imported_spoils_no_output(site: Path) -> None:
    distribution(site, "tasting-house", "tasting", f"print('hello')\n{SOUND}", POINT)

    done = run(site, "plugins", "list", "--json")

    assert done.code == 0
    assert [r["place"] for r in json.loads(done.out) if r["name"] == "tasting"] == ["tasting:Tasting"]
    assert done.err == "hello\n"


# ── definitions that cannot work ──────────────────────────────────────────────────────────────────────────────────

DEFINITIONS = {
    "trapping": (
        changed(
            "    phase =",
            '    lost = State("搁置", owner=Role.OFFICE)\n'
            "    lose = Transition(laid_out, lost, by=Role.OFFICE)\n    phase =",
        ).replace("laid_out: CARRY_ON", "laid_out: CARRY_ON, lost: CARRY_ON"),
        ["application.trapping.lost: from this state no end can be reached"],
    ),
    "unowned": (
        changed('State("待品鉴", owner=Role.OFFICE, initial=True)', 'State("待品鉴", initial=True)'),
        ["application.unowned.laid_out: nobody owns this wait; give the state owner=Role.…"],
    ),
    "fateless": (
        changed("at_close={laid_out: CARRY_ON}", "at_close={}"),
        ["fateless.laid_out: no fate when the phase closes; add it to at_close, with a transition or CARRY_ON"],
    ),
    "quoting": (
        changed("PASSED, by=Role.OFFICE", "PASSED, by='office'").replace("{laid_out:", "{'laid_out':"),
        [
            "Tasting.approve: by='office' is no role; give Role.OFFICE",
            "Tasting.phase: at_close names 'laid_out', which is no state; "
            "name the state itself, without quotes: laid_out",
        ],
    ),
}


def test_definitions_that_cannot_work_are_refused_with_the_names(site: Path) -> None:
    install_all(site, {name: code for name, (code, _) in DEFINITIONS.items()})

    found, refused = checked(site), {}
    for name in DEFINITIONS:
        (site.parent / "plan.toml").write_text(plan(name), "utf-8")
        using = run(site, "process", "check", "plan.toml")
        refused[name] = (using.code, using.err.splitlines()[2:])

    assert {name: said["problems"] for name, said in found.items()} == {n: f for n, (_, f) in DEFINITIONS.items()}
    assert refused == {name: (2, [f"  - {line}" for line in lines]) for name, (_, lines) in DEFINITIONS.items()}
    assert run(site, "process", "check", "other.toml").code == 0


def test_texts_that_are_not_there_are_shown(site: Path, installed: Path) -> None:
    shutil.copytree(installed, site)
    (site / "ganchu_site_inspection/messages/en/site_visit_lapsed.txt").unlink()

    found = checked(site)

    assert list(found) == ["site_inspection"]
    [problem] = found["site_inspection"]["problems"]
    assert "messages.toml cannot be used: [site_visit_lapsed] " in problem


def test_a_sound_stage_is_sound(site: Path) -> None:
    """What the cases above break is whole."""
    distribution(site, "tasting-house", "tasting", SOUND, POINT)

    assert run(site, "plugins", "check", "tasting").code == 0
    assert run(site, "process", "check", "plan.toml").code == 0


# ── one name, two claims ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_claim_to_a_name_is_refused_for_both_and_the_rest_works(site: Path) -> None:
    distribution(site, "first-house", "first", SOUND, {"tasting": "first:Tasting"})
    distribution(site, "second-house", "second", SOUND, {"tasting": "second:Tasting"})
    found = checked(site)["tasting"]

    using, other = run(site, "process", "check", "plan.toml"), run(site, "process", "check", "other.toml")

    claims = sorted(found["claims"], key=lambda c: str(c["place"]))
    assert claims == [claim("first-house", "first:Tasting"), claim("second-house", "second:Tasting")]
    both = " and ".join(f"{c['distribution']} ({c['place']})" for c in found["claims"])
    reason = f"two plugins claim the name 'tasting' in ganchu_workflow.stages: {both}; uninstall all but one of them"
    assert found["problems"] == [reason]
    assert (using.code, other.code) == (2, 0)
    assert f"stage 2 (tasting).use: {reason}\n" in using.err


def test_a_claim_to_the_name_of_a_built_in_stage_is_refused_too(site: Path) -> None:
    code = SOUND.replace('"tasting"', '"expert_review"')
    distribution(site, "tasting-house", "tasting", code, {"expert_review": "tasting:Tasting"})
    found = checked(site, "expert_review")["expert_review"]

    listed, other = run(site, "plugins", "list"), run(site, "process", "check", "other.toml")

    assert claim() in found["claims"]
    assert "ganchu_stages.expert_review:ExpertReview" in {c["place"] for c in found["claims"]}
    assert (listed.code, other.code) == (4, 0)
    assert listed.out.count("✗ expert_review") == 2
    assert "\n  announcement  ganchu-workflow " in listed.out


def test_a_running_round_waits_until_the_second_claim_is_gone(site: Path, sqlite_url: str) -> None:
    """Nobody can say any more which of the two it was opened with: it stands still, and nothing in it is decided."""
    wf = Workflow(sqlite_url)
    opened = wf.open_round(site.parent / "other.toml", actor=Actor(Role.OFFICE)).case_id
    wf.database.dispose()
    code = SOUND.replace('"tasting"', '"announcement"')
    distribution(site, "tasting-house", "tasting", code, {"announcement": "tasting:Tasting"})
    start = ("fire", opened, "start", "--as", "office", "--db", sqlite_url)

    refused = run(site, *start)
    shutil.rmtree(site)
    started = run(site, *start)

    assert (refused.code, started.code) == (2, 0)
    assert "two plugins claim the name 'announcement' in ganchu_workflow.stages: " in refused.err
    assert PLACE in refused.err


def test_a_name_that_nobody_claims_is_a_mistake(site: Path) -> None:
    done = run(site, "plugins", "check", "tasting")

    assert done.code == 2
    assert "no plugin of the name 'tasting' is installed; there are: announcement, " in done.err


TELLING = (
    SOUND.replace("from ganchu_workflow.process import ", "from ganchu_workflow.process import Effects, Message, ")
    + """
    @approve.effect("tell_the_house")
    def tell_the_house(self, ctx):
        return Effects(tell=[Message("called", to=Role.APPLICANT, body={"place": "厅"})])
"""
)
CALLED = (
    "请到场\n\n地点:{{ place }}。{% if deadlines.due is defined %}请于{{ deadlines.due | until }}前到场。{% endif %}\n"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (CALLED, None),
        (CALLED.replace("place", "plce"), "'plce' is undefined"),
        ("请到场\n\n请于{{ deadlines.due | until }}前到场。\n", "may be absent: ask `{% if … is defined %}` first"),
        ("请到场\n\n地点:{{ place \n", "TemplateSyntaxError"),
    ],
)
def test_the_texts_of_a_stage_are_rendered_before_anything_is_told(site: Path, text: str, problem: str | None) -> None:
    package = site / "tasting"
    messages = package / "messages"
    for language in ("zh-CN", "en"):
        (messages / language).mkdir(parents=True)
        (messages / language / "called.txt").write_text(text if language == "zh-CN" else CALLED, "utf-8")
    (messages / "messages.toml").write_text('[called]\nsample = { place = "厅" }\ndeadlines = ["due"]\n', "utf-8")
    distribution(site, "tasting-house", "tasting/__init__", TELLING, POINT)

    if problem is None:
        done = run(site, "plugins", "check", "tasting")
        assert (done.code, done.err) == (0, "")
        return
    [found] = checked(site, "tasting")["tasting"]["problems"]
    assert found.startswith("tasting.called (zh-CN): ")
    assert problem in found
