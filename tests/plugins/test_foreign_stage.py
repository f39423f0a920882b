"""现场核查 comes from another distribution: installed for real, put into a plan by one line, then as good as ours."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile, copytree

import pytest

from ganchu_workflow.clock import MICROSECOND
from ganchu_workflow.plugins import Registry
from ganchu_workflow.testing import OFFICE, RoundScript, expert, firm
from tests.cli.command import ganchu
from tests.plugins.installing import ROOT, SITE_INSPECTION

DISTRIBUTION = "ganchu-site-inspection 0.1.0"
ONE_LINE = 'use = "site_inspection"'
ORDER = {"inspector": "inspector-1", "document": "虚构核〔2021〕1号", "planned_on": "2021-09-10"}
SHEET = {"name": "现场核查记录", "sha256": "1" * 64, "uri": "oa:2"}
CONCLUSION = {"document": "虚构核〔2021〕2号"}


def plan_with_the_stage(folder: Path) -> Path:
    """The example's plan, with one entry more, between 资格审查 and 专家评审."""
    text = (ROOT / "examples" / "plan.toml").read_text("utf-8")
    before = '[[stage]]\nuse = "expert_review"\n'
    assert text.count(before) == 1
    path = folder / "plan.toml"
    path.write_text(text.replace(before, f"[[stage]]\n{ONE_LINE}\n\n{before}"), "utf-8")
    return path


def visit(script: RoundScript, *names: str, conforms: bool = True) -> None:
    """An inspector is sent and reports; the enterprise says nothing."""
    for name in names:
        sent = script.open("site_visit", OFFICE, parent=name, **ORDER)
        record = {"visited_on": "2021-09-10", "conforms": conforms, "findings": "虚构的发现", "sheet": SHEET}
        script.fire(sent, "report", expert("inspector-1"), **record)
        while script.state(sent) == "visited":
            script.past_next_due()


@pytest.fixture
def script(on_the_path: Path, database_url: str, tmp_path: Path) -> Iterator[RoundScript]:
    """A round of the example's plan with the stage in it, to which one product has come.

    Its record is verified when the test has ended.
    """
    script = RoundScript(plan_with_the_stage(tmp_path), database=database_url, stages=Registry.discover())
    try:
        script.declare("水表")
        script.accept("水表")
        script.at("2021-09-06T10:00")
        script.carry("水表", to="site_inspection")
        yield script
        script.verify()
    finally:
        script.close()


def test_its_own_tests_pass_against_what_is_installed(installed: Path, tmp_path: Path) -> None:
    """They are run away from its sources, so that what they import can only be what was installed."""
    copytree(SITE_INSPECTION / "tests", tmp_path / "tests", ignore=lambda _, names: [n for n in names if "cache" in n])
    copyfile(SITE_INSPECTION / "pyproject.toml", tmp_path / "pyproject.toml")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert not {"skipped", "xfailed", "deselected"} & set(done.stdout.replace(",", "").split())


def test_it_uses_nothing_that_is_not_public() -> None:
    sources = (SITE_INSPECTION / "ganchu_site_inspection").glob("*.py")
    used = {
        m for path in sources for m in re.findall(r"^\s*(?:from|import) (ganchu\S*)", path.read_text("utf-8"), re.M)
    }

    assert {name for name in used if not name.startswith("ganchu_site_inspection")} == {
        "ganchu_workflow.actors",
        "ganchu_workflow.process",
        "ganchu_workflow.timing",
    }


def test_one_line_puts_it_into_the_plan(tmp_path: Path) -> None:
    before = (ROOT / "examples" / "plan.toml").read_text("utf-8").splitlines()
    after = plan_with_the_stage(tmp_path).read_text("utf-8").splitlines()

    assert [line for line in after if line not in before] == [ONE_LINE]


def test_a_round_is_walked_through_it_to_the_announcement(script: RoundScript) -> None:
    assert script.state("水表") == "site_inspection.planned"
    visit(script, "水表")
    [visited] = script.children("水表", "site_visit")
    assert (visited.state, script.state("水表")) == ("deemed_confirmed", "site_inspection.assessing")
    script.fire("水表", "approve", OFFICE, **CONCLUSION)
    assert script.state("水表") == "expert_review.grouping"
    script.carry("水表")

    assert script.state("水表") == "announcement.announced"
    handlers = [e["handler"] for e in script.history("水表") if e["trigger"].startswith("site_inspection.")]
    assert {(h["class"], h["distribution"]) for h in handlers} == {
        ("ganchu_site_inspection.stage:SiteInspection", DISTRIBUTION)
    }
    brought = (DISTRIBUTION, "ganchu_site_inspection.stage:SiteVisit")
    steps = [(e["trigger"], e["handler"]["distribution"], e["handler"]["class"]) for e in script.history(visited)]
    assert steps == [("assign", *brought), ("report", *brought), ("deem", *brought)]


def test_many_are_carried_through_it_when_the_script_knows_its_usual_acts(script: RoundScript) -> None:
    script.usual["site_inspection.planned"] = visit
    script.usual["site_inspection.assessing"] = lambda script, *names: script.fire_each(
        names, "approve", OFFICE, **CONCLUSION
    )

    script.carry("水表")

    assert script.state("水表") == "announcement.announced"


def test_what_it_tells_is_delivered_in_its_own_words(script: RoundScript) -> None:
    script.open("site_visit", OFFICE, parent="水表", **ORDER)
    done = script.wf.dispatcher({"channels": {"inbox": {}}, "routes": {"default": ["inbox"]}}).run_once()

    letter = script.wf.inbox.letters(expert("inspector-1"))[0]

    assert (done.dead, done.stuck) == (0, 0)
    assert letter.subject == "现场核查任务:水表"
    assert "请于2021年9月10日前往水表有限公司(虚构),对其申报的“水表”进行现场核查" in letter.text
    assert "核查记录须于2021年9月18日17:30前提交" in letter.text


def test_it_returns_for_rectification_and_takes_up_again(script: RoundScript) -> None:
    visit(script, "水表", conforms=False)
    with script.refused("site_does_not_conform"):
        script.fire("水表", "approve", OFFICE, **CONCLUSION)

    script.fire("水表", "return_for_correction", OFFICE, items=["更正标识"])
    script.fire("水表", "resubmit", firm("水表"), documents=[{"name": "整改报告", "sha256": "2" * 64, "uri": "oa:3"}])
    script.fire("水表", "approve", OFFICE, **CONCLUSION)

    assert script.state("水表") == "expert_review.grouping"
    assert [a["code"] for a in script.wf.attempts(script.round)] == ["site_does_not_conform"]


def test_its_deadlines_are_swept_and_its_tasks_listed_like_any_others(script: RoundScript) -> None:
    sent = script.open("site_visit", OFFICE, parent="水表", **ORDER)
    due = script.instant("2021-09-18T17:30")  # a Saturday, worked for 中秋节
    [task] = script.wf.tasks(expert("inspector-1"))
    assert (task.case.id, task.label, task.due_at) == (sent.case_id, "已派核查任务", due)

    script.at(due)
    script.wf.tick()
    assert script.state(sent) == "assigned"
    script.at(due + MICROSECOND)
    script.wf.tick()

    assert (script.state(sent), script.state("水表")) == ("lapsed", "site_inspection.planned")
    [lapsed] = [m for m in script.wf.messages(script.round) if m["message"] == "site_visit_lapsed"]
    assert (lapsed["recipient"], lapsed["body"]["inspector"]) == ("office", "inspector-1")


def test_an_application_can_be_withdrawn_from_it(script: RoundScript) -> None:
    script.fire("水表", "withdraw", firm("水表"), reason="虚构的理由")

    assert script.state("水表") == "withdrawn"


def test_the_commands_show_it(installed: Path, tmp_path: Path) -> None:
    plan = plan_with_the_stage(tmp_path)
    path = {"PYTHONPATH": str(installed)}
    place = "ganchu_site_inspection:SiteInspection"

    listed = ganchu("plugins", "list", cwd=tmp_path, env=path)
    checked = ganchu("plugins", "check", "site_inspection", cwd=tmp_path, env=path)
    read = ganchu("process", "check", str(plan), cwd=tmp_path, env=path)

    assert (listed.code, listed.err) == (0, "")
    assert f"  site_inspection  {DISTRIBUTION}  {place}" in listed.out.splitlines()
    assert (checked.code, checked.out, checked.err) == (
        0,
        f"✓ site_inspection  {DISTRIBUTION} ({place})\n均可使用 / all of it can be used\n",
        "",
    )
    assert (read.code, read.err) == (0, "")
    lines = read.out.splitlines()
    own = lines[lines.index("- site_inspection") + 1 : lines.index("- expert_review")]
    default = "  (默认值,非“赣出精品”规定 / default, not a rule)"
    assert own == [
        f'    correction = "5 working days"{default}',
        f"    corrections = 1{default}",
        f'    visit_within = "10 working days"{default}',
        f'    confirm_within = "3 working days"{default}',
        f"    look_again = false{default}",
    ]


def test_without_it_the_plan_is_refused_with_what_there_is(tmp_path: Path) -> None:
    plan = plan_with_the_stage(tmp_path)

    read = ganchu("process", "check", str(plan), cwd=tmp_path)

    assert read.code == 2
    assert "there is no 'site_inspection' in ganchu_workflow.stages; installed are: announcement, " in read.err
