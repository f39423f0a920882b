"""What 现场核查 does with an application, through the library as it is installed."""

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from ganchu_site_inspection import SiteInspection
from ganchu_workflow import Actor, Refused, Role

from .conftest import FIRM, INSPECTOR, OFFICE, OPENS, RECORD, RECTIFIED, ZONE, Scene

Make = Callable[..., Scene]
REASON = {"document": "虚构核〔2022〕9号", "reason": "虚构的理由"}
NOT_SO: dict[str, Any] = {"conforms": False, "findings": "一处标识与申报不符"}


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def test_it_is_found_under_its_name() -> None:
    [point] = entry_points(group="ganchu_workflow.stages", name="site_inspection")

    assert point.load() is SiteInspection


# ── the way through ──


def test_an_application_is_visited_assessed_and_passed_on(scene: Make) -> None:
    s = scene()
    assert s.state(s.item) == "site_inspection.planned"

    visit = s.assign()
    assert s.state(s.item) == "site_inspection.inspecting"
    s.fire(visit, "report", INSPECTOR, **RECORD)
    assert (s.state(visit), s.state(s.item)) == ("visited", "site_inspection.inspecting")
    s.fire(visit, "confirm", FIRM, remark="无意见")
    assert (s.state(visit), s.state(s.item)) == ("confirmed", "site_inspection.assessing")
    s.fire(s.item, "approve", OFFICE, document="虚构核〔2022〕8号")

    assert s.state(s.item) == "announcement.decided"
    assert s.told() == [
        ("site_visit_assigned", "expert:inspector-1"),
        ("site_visit_announced", "applicant:firm-1"),
        ("site_visit_recorded", "applicant:firm-1"),
    ]


def test_the_office_can_do_without_a_visit(scene: Make) -> None:
    s = scene()

    s.fire(s.item, "waive", OFFICE, **REASON)

    assert s.state(s.item) == "announcement.decided"
    assert s.wf.case(s.item).facts["site_inspection"]["decision"] == "waive"


def test_it_can_end_badly(scene: Make) -> None:
    s = scene()
    s.recorded(**NOT_SO)

    s.fire(s.item, "fail", OFFICE, **REASON)

    assert s.state(s.item) == "site_inspection.failed"


# ── who may ──


def test_a_visit_is_the_inspectors_own(scene: Make) -> None:
    s = scene()
    visit = s.assign()
    other = Actor(Role.EXPERT, "inspector-2")

    assert refused(lambda: s.fire(visit, "report", other, **RECORD)) == "not_allowed"
    assert refused(lambda: s.fire(visit, "report", OFFICE, **RECORD)) == "not_allowed"
    assert [t.case.id for t in s.wf.tasks(INSPECTOR)] == [visit]
    assert s.wf.tasks(other) == []


def test_one_visit_at_a_time(scene: Make) -> None:
    s = scene()
    s.assign()

    assert refused(s.assign) == "not_ready_for_a_visit"


def test_who_finds_fault_says_which(scene: Make) -> None:
    s = scene()
    visit = s.assign()

    assert refused(lambda: s.fire(visit, "report", INSPECTOR, **{**RECORD, "conforms": False})) == "findings_missing"


# ── what silence means ──


def test_a_visit_that_is_not_reported_lapses_after_its_last_instant(scene: Make) -> None:
    s = scene(visit_within="5 working days")
    visit = s.assign()

    # The day of the order does not count; 04-03 to 04-05 is the holiday of 清明节, for which 04-02 is worked.
    assert s.to_the_end() == datetime(2022, 4, 11, 17, 30, tzinfo=ZONE)
    assert s.state(visit) == "assigned"
    s.past_the_end()

    assert (s.state(visit), s.state(s.item)) == ("lapsed", "site_inspection.planned")
    assert s.told()[-1] == ("site_visit_lapsed", "office")
    assert refused(lambda: s.fire(visit, "report", INSPECTOR, **RECORD)) == "not_here"
    s.recorded()
    assert s.state(s.item) == "site_inspection.assessing"


def test_at_the_last_instant_a_report_is_in_time(scene: Make) -> None:
    s = scene()
    visit = s.assign()
    s.to_the_end()

    s.fire(visit, "report", INSPECTOR, **RECORD)

    assert s.state(visit) == "visited"


def test_silence_about_a_record_is_taken_for_confirmation(scene: Make) -> None:
    s = scene()
    visit = s.assign()
    s.fire(visit, "report", INSPECTOR, **RECORD)

    s.to_the_end()
    assert s.state(visit) == "visited"
    s.past_the_end()

    assert (s.state(visit), s.state(s.item)) == ("deemed_confirmed", "site_inspection.assessing")


# ── rectification ──


def test_what_does_not_conform_is_rectified_before_it_passes(scene: Make) -> None:
    s = scene()
    s.recorded(**NOT_SO)
    conclude = {"document": "虚构核〔2022〕8号"}
    assert refused(lambda: s.fire(s.item, "approve", OFFICE, **conclude)) == "site_does_not_conform"

    s.fire(s.item, "return_for_correction", OFFICE, items=["更正标识"])
    assert s.state(s.item) == "site_inspection.correcting"
    s.fire(s.item, "resubmit", FIRM, **RECTIFIED)
    s.fire(s.item, "approve", OFFICE, **conclude)

    assert s.state(s.item) == "announcement.decided"
    assert [d["name"] for d in s.wf.case(s.item).facts["documents"]] == ["商标注册证", "整改报告"]


def test_a_plan_can_ask_for_a_second_look(scene: Make) -> None:
    s = scene(look_again=True)
    s.recorded(**NOT_SO)
    s.fire(s.item, "return_for_correction", OFFICE, items=["更正标识"])
    s.fire(s.item, "resubmit", FIRM, **RECTIFIED)
    conclude = {"document": "虚构核〔2022〕8号"}

    assert refused(lambda: s.fire(s.item, "approve", OFFICE, **conclude)) == "second_look_needed"
    s.recorded()
    s.fire(s.item, "approve", OFFICE, **conclude)

    assert s.state(s.item) == "announcement.decided"


def test_silence_in_the_rectification_ends_the_application(scene: Make) -> None:
    s = scene()
    s.recorded(**NOT_SO)
    s.fire(s.item, "return_for_correction", OFFICE, items=["更正标识"])

    s.to_the_end()
    assert s.state(s.item) == "site_inspection.correcting"
    s.past_the_end()

    assert s.state(s.item) == "site_inspection.not_rectified"
    assert s.told()[-1] == ("site_not_rectified", "applicant:firm-1")


# ── an office's own file ──

HEADINGS = "申报编号,核查人员编号,核查日期,核查结论,核查发现,记录摘要,记录位置,数据性质"


def line(inspector: str = "inspector-1", conforms: str = "符合", findings: str = "") -> str:
    return f"GC-1,{inspector},2022-04-06,{conforms},{findings},{'1' * 64},oa:2,虚构"


def test_a_line_of_the_table_is_the_inspectors_report(scene: Make, tmp_path: Path) -> None:
    s = scene()
    visit = s.assign()

    report = s.imported(f"{HEADINGS}\n{line(conforms='不符合', findings='一处标识不符')}\n", tmp_path)

    assert (report.problems, report.entered) == ((), 1)
    assert (s.state(visit), s.wf.case(visit).facts["conforms"]) == ("visited", False)
    reported = s.wf.history(visit)[-1]
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
    assert (s.state(visit), s.wf.case(visit).seq) == ("assigned", 1)


# ── ends that come from outside ──


def test_a_withdrawn_application_calls_its_inspector_back(scene: Make) -> None:
    s = scene()
    visit = s.assign()

    s.fire(s.item, "withdraw", FIRM, reason="虚构的理由")

    assert (s.state(s.item), s.state(visit)) == ("withdrawn", "called_back")


def test_no_visit_is_ordered_once_the_phase_has_closed(scene: Make) -> None:
    closes = datetime(2022, 4, 8, 17, 30, tzinfo=ZONE)
    s = scene(window={"opens": OPENS, "closes": closes})
    assert s.to_the_end() == closes
    s.past_the_end()

    assert refused(s.assign) == "window_closed"
    assert s.state(s.item) == "site_inspection.planned"
    s.fire(s.item, "waive", OFFICE, **REASON)
    assert s.state(s.item) == "announcement.decided"
