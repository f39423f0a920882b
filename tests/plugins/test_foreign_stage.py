"""现场核查 comes from another distribution: installed for real, put into a plan by one line, then as good as ours."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from shutil import copyfile, copytree

import pytest

from ganchu_workflow import Actor, Refused, Role
from ganchu_workflow.clock import MICROSECOND
from tests.cli.command import ganchu
from tests.plugins.installing import ROOT, SITE_INSPECTION
from tests.plugins.walk import FIRM, OFFICE, ONE_LINE, ZONE, Walk, plan_with_the_stage

DISTRIBUTION = "ganchu-site-inspection 0.1.0"


@pytest.fixture
def walk(on_the_path: Path, database_url: str, tmp_path: Path) -> Iterator[Walk]:
    """A round of the example's plan with the stage in it; its record is verified when the test has ended."""
    walk = Walk(database_url, plan_with_the_stage(tmp_path))
    try:
        walk.to_the_visit()
        yield walk
        report = walk.wf.verify()
    finally:
        walk.wf.database.dispose()
    assert report.ok, report.problems


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


def test_one_line_puts_it_into_the_plan(tmp_path: Path) -> None:
    before = (ROOT / "examples" / "plan.toml").read_text("utf-8").splitlines()
    after = plan_with_the_stage(tmp_path).read_text("utf-8").splitlines()

    assert [line for line in after if line not in before] == [ONE_LINE.strip()]


def test_a_round_is_walked_through_it_to_the_announcement(walk: Walk) -> None:
    assert walk.state(walk.item) == "site_inspection.planned"
    visit = walk.visit()
    assert (walk.state(visit), walk.state(walk.item)) == ("deemed_confirmed", "site_inspection.assessing")
    walk.fire(walk.item, "approve", OFFICE, document="虚构核〔2021〕2号")
    assert walk.state(walk.item) == "expert_review.grouping"
    walk.to_the_end()

    assert walk.state(walk.item) == "announcement.announced"
    handlers = [e["handler"] for e in walk.wf.history(walk.item) if e["trigger"].startswith("site_inspection.")]
    assert {(h["class"], h["distribution"]) for h in handlers} == {
        ("ganchu_site_inspection.stage:SiteInspection", DISTRIBUTION)
    }
    steps = [(e["trigger"], e["handler"]["distribution"], e["handler"]["class"]) for e in walk.wf.history(visit)]
    brought = (DISTRIBUTION, "ganchu_site_inspection.stage:SiteVisit")
    assert steps == [("assign", *brought), ("report", *brought), ("deem", *brought)]


def test_it_returns_for_rectification_and_takes_up_again(walk: Walk) -> None:
    walk.visit(conforms=False)
    with pytest.raises(Refused) as refused:
        walk.fire(walk.item, "approve", OFFICE, document="虚构核〔2021〕2号")
    assert refused.value.code == "site_does_not_conform"

    walk.rectify()
    walk.fire(walk.item, "approve", OFFICE, document="虚构核〔2021〕2号")

    assert walk.state(walk.item) == "expert_review.grouping"
    assert [a["code"] for a in walk.wf.attempts(walk.round)] == ["site_does_not_conform"]


def test_its_deadlines_are_swept_and_its_tasks_listed_like_any_others(walk: Walk) -> None:
    inspector = Actor(Role.EXPERT, "inspector-1")
    order = {"inspector": "inspector-1", "document": "虚构核〔2021〕1号", "planned_on": "2021-09-10"}
    visit = walk.wf.open("site_visit", order, actor=OFFICE, parent=walk.item).case_id
    [task] = walk.wf.tasks(inspector)
    due = datetime(2021, 9, 18, 17, 30, tzinfo=ZONE)  # a Saturday, worked for 中秋节
    assert (task.case.id, task.label, task.due_at) == (visit, "已派核查任务", due)

    walk.at(due)
    assert walk.state(visit) == "assigned"
    walk.at(due + MICROSECOND)

    assert (walk.state(visit), walk.state(walk.item)) == ("lapsed", "site_inspection.planned")
    [lapsed] = [m for m in walk.wf.messages(walk.round) if m["message"] == "site_visit_lapsed"]
    assert (lapsed["recipient"], lapsed["body"]["inspector"]) == ("office", "inspector-1")


def test_an_application_can_be_withdrawn_from_it(walk: Walk) -> None:
    walk.fire(walk.item, "withdraw", FIRM, reason="虚构的理由")

    assert walk.state(walk.item) == "withdrawn"


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
