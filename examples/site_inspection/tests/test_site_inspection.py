"""What 现场核查 does with an application, through the library as it is installed."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from ganchu_notifications.templates import Templates
from ganchu_site_inspection import SiteInspection
from ganchu_workflow.messages import message_kinds
from ganchu_workflow.testing import OFFICE, expert

from .conftest import FIRM, INSPECTOR, RECTIFIED, WATER_METER, Scene

Make = Callable[..., Scene]
CONCLUSION = {"document": "虚构核〔2022〕8号"}
REASONED = {**CONCLUSION, "reason": "虚构的理由"}
NOT_SO: dict[str, Any] = {"conforms": False, "findings": "一处标识与申报不符"}


def test_it_is_found_under_its_name() -> None:
    [point] = entry_points(group="ganchu_workflow.stages", name="site_inspection")

    assert point.load() is SiteInspection


def test_its_texts_can_be_rendered_in_both_languages() -> None:
    kinds = message_kinds([SiteInspection, *SiteInspection.cases])
    own = {kind.name for kind in kinds if kind.package == "ganchu_site_inspection"}

    assert Templates().check(kinds) == []
    assert own == {
        "site_visit_assigned",
        "site_visit_announced",
        "site_visit_recorded",
        "site_visit_lapsed",
        "site_not_rectified",
    }


# ── the way through ──


def test_an_application_is_visited_assessed_and_passed_on(scene: Make) -> None:
    s = scene()
    assert s.state == "site_inspection.planned"

    visit = s.assign()
    assert s.state == "site_inspection.inspecting"
    s.report(visit)
    assert (s.script.state(visit), s.state) == ("visited", "site_inspection.inspecting")
    s.script.fire(visit, "confirm", FIRM, remark="无意见")
    assert (s.script.state(visit), s.state) == ("confirmed", "site_inspection.assessing")
    s.fire("approve", **CONCLUSION)

    assert s.state == "announcement.decided"
    assert s.script.told("expert", "inspector-1") == ["site_visit_assigned"]
    assert s.script.told("applicant", FIRM.scope)[-2:] == ["site_visit_announced", "site_visit_recorded"]


def test_the_office_can_do_without_a_visit(scene: Make) -> None:
    s = scene()

    s.fire("waive", **REASONED)

    assert s.state == "announcement.decided"
    assert s.script.facts(WATER_METER)["site_inspection"]["decision"] == "waive"


def test_it_can_end_badly(scene: Make) -> None:
    s = scene()
    s.recorded(**NOT_SO)

    s.fire("fail", **REASONED)

    assert s.state == "site_inspection.failed"


# ── who may, and when ──


def test_a_visit_is_the_inspectors_own(scene: Make) -> None:
    s = scene()
    visit = s.assign()

    for somebody_else in (expert("inspector-2"), OFFICE):
        with s.script.refused("not_allowed"):
            s.script.fire(visit, "report", somebody_else, visited_on="2022-04-06", conforms=True)

    assert [task.case.id for task in s.script.wf.tasks(INSPECTOR)] == [visit]
    assert s.script.wf.tasks(expert("inspector-2")) == []


def test_one_visit_at_a_time(scene: Make) -> None:
    s = scene()
    s.assign()

    with s.script.refused("not_ready_for_a_visit"):
        s.assign()


def test_who_finds_fault_says_which(scene: Make) -> None:
    s = scene()
    visit = s.assign()

    with s.script.refused("findings_missing"):
        s.report(visit, conforms=False)


# ── what silence means ──


def test_a_visit_that_is_not_reported_lapses_after_its_last_instant(scene: Make) -> None:
    s = scene(visit_within="5 working days")
    visit = s.assign()

    # The day of the order does not count; 04-03 to 04-05 is the holiday of 清明节, for which 04-02 is worked.
    assert s.to_the_end() == "2022-04-11 17:30"
    assert s.script.state(visit) == "assigned"
    s.script.later(microseconds=1)
    s.script.wf.tick()

    assert (s.script.state(visit), s.state) == ("lapsed", "site_inspection.planned")
    assert s.script.told("office") == ["site_visit_lapsed"]
    with s.script.refused("window_closed"):
        s.report(visit)
    s.recorded()
    assert s.state == "site_inspection.assessing"


def test_at_the_last_instant_a_report_is_in_time(scene: Make) -> None:
    s = scene()
    visit = s.assign()
    s.to_the_end()

    s.report(visit)

    assert s.script.state(visit) == "visited"


def test_silence_about_a_record_is_taken_for_confirmation(scene: Make) -> None:
    s = scene()
    visit = s.assign()
    s.report(visit)

    s.to_the_end()
    assert s.script.state(visit) == "visited"
    s.script.past_next_due()

    assert (s.script.state(visit), s.state) == ("deemed_confirmed", "site_inspection.assessing")


# ── rectification ──


def test_what_does_not_conform_is_rectified_before_it_passes(scene: Make) -> None:
    s = scene()
    s.recorded(**NOT_SO)
    with s.script.refused("site_does_not_conform"):
        s.fire("approve", **CONCLUSION)

    s.fire("return_for_correction", items=["更正标识"])
    assert s.state == "site_inspection.correcting"
    s.fire("resubmit", FIRM, **RECTIFIED)
    s.fire("approve", **CONCLUSION)

    assert s.state == "announcement.decided"
    names = [document["name"] for document in s.script.facts(WATER_METER)["documents"]]
    assert names == ["水表-trademark_certificate", "整改报告"]


def test_a_plan_can_ask_for_a_second_look(scene: Make) -> None:
    s = scene(look_again=True)
    s.recorded(**NOT_SO)
    s.fire("return_for_correction", items=["更正标识"])
    s.fire("resubmit", FIRM, **RECTIFIED)

    with s.script.refused("second_look_needed"):
        s.fire("approve", **CONCLUSION)
    s.recorded()
    s.fire("approve", **CONCLUSION)

    assert s.state == "announcement.decided"


def test_silence_in_the_rectification_ends_the_application(scene: Make) -> None:
    s = scene()
    s.recorded(**NOT_SO)
    s.fire("return_for_correction", items=["更正标识"])

    s.to_the_end()
    assert s.state == "site_inspection.correcting"
    s.script.past_next_due()

    assert s.state == "site_inspection.not_rectified"
    assert s.script.told("applicant", FIRM.scope)[-1] == "site_not_rectified"


# ── an office's own file ──

HEADINGS = "申报编号,核查人员编号,核查日期,核查结论,核查发现,记录摘要,记录位置,数据性质"


def line(inspector: str = "inspector-1", conforms: str = "符合", findings: str = "") -> str:
    return f"GC-1,{inspector},2022-04-06,{conforms},{findings},{'1' * 64},oa:2,虚构"


def test_a_line_of_the_table_is_the_inspectors_report(scene: Make, tmp_path: Path) -> None:
    s = scene()
    visit = s.assign()

    report = s.imported(f"{HEADINGS}\n{line(conforms='不符合', findings='一处标识不符')}\n", tmp_path)

    assert (report.problems, report.entered) == ((), 1)
    assert (s.script.state(visit), s.script.facts(visit)["conforms"]) == ("visited", False)
    reported = s.script.history(visit)[-1]
    assert (reported["trigger"], reported["actor"]["role"], reported["actor"]["on_behalf_of"]) == (
        "report",
        "expert",
        "inspector-1",
    )


@pytest.mark.parametrize(
    ("wrong", "column", "code"),
    [
        (line(inspector="inspector-2"), "核查人员编号", "no_such_visit"),
        (line(conforms="不符合"), "核查发现", "findings_missing"),
        (line(conforms="还行"), "核查结论", "not_a_choice"),
    ],
)
def test_a_line_that_cannot_be_used_says_where(scene: Make, tmp_path: Path, wrong: str, column: str, code: str) -> None:
    s = scene()
    visit = s.assign()

    report = s.imported(f"{HEADINGS}\n{wrong}\n", tmp_path)

    assert [(p.line, p.column, p.code) for p in report.problems] == [(2, column, code)]
    assert s.script.steps(visit) == [("assign", None, "assigned")]


# ── ends that come from outside ──


def test_a_withdrawn_application_calls_its_inspector_back(scene: Make) -> None:
    s = scene()
    visit = s.assign()

    s.fire("withdraw", FIRM, reason="虚构的理由")

    assert (s.state, s.script.state(visit)) == ("withdrawn", "called_back")


def test_no_visit_is_ordered_once_the_phase_has_closed(scene: Make) -> None:
    opens, closes = datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 4, 8, 9, 30, tzinfo=UTC)
    s = scene(window={"opens": opens, "closes": closes})
    assert s.to_the_end() == "2022-04-08 17:30"
    s.script.past_next_due()

    with s.script.refused("window_closed"):
        s.assign()
    assert s.state == "site_inspection.planned"
    s.fire("waive", **REASONED)
    assert s.state == "announcement.decided"
