"""The diagrams of a process: everything is on them, once, and nothing stands on anything else."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import Unknown
from ganchu_workflow.plan import read_plan
from ganchu_workflow.plugins import Registry
from ganchu_workflow.process import (
    CARRY_ON,
    LATER,
    PASSED,
    START,
    CorrectionSettings,
    Deadline,
    Lifecycle,
    Outcome,
    PhaseWindow,
    Reversal,
    Stage,
    State,
    Transition,
    all_of,
    any_in,
    any_open,
    enough,
    fact,
    none_open,
    setting,
    settled,
)
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.definition import Edge, Process, StageInstance
from ganchu_workflow.process.diagram import life_cycle, life_cycle_names, life_cycle_svg, map_svg, process_map
from ganchu_workflow.process.diagram.drawing import Drawing, Shape, drawing_of
from ganchu_workflow.process.diagram.layout import Link, Place, Size, layered
from ganchu_workflow.process.diagram.measure import width, wrap
from ganchu_workflow.process.diagram.plan_map import ANYWHERE, plan_map
from ganchu_workflow.process.rounds import CORE_KINDS

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
FULL = ROOT / "examples/plan.toml"
DEMO = ROOT / "ganchu_workflow/cli/demo/plan.toml"
OPEN = {"opens": datetime(2021, 8, 2, 9), "closes": datetime(2021, 9, 3, 17, 30)}
TWICE: dict[str, Any] = {
    "title": "两级公示(虚构)",
    "code": "T-2",
    "stage": [
        {"use": "self_declaration", "window": OPEN},
        {"use": "public_notice", "as": "local_notice", "window": "7 working days"},
        {"use": "expert_review", "places": 20},
        {"use": "deliberation", "on": {"sent_back": "expert_review"}},
        {"use": "deliberation", "as": "second_deliberation", "on": {"sent_back": "local_notice"}},
        {"use": "public_notice"},
        {"use": "announcement"},
    ],
}


# ── a process of two stages that has one of everything ──


class Visit(Lifecycle):
    label = '走访"甲"'

    planned = State("待走访", owner=Role.LOCAL_AUTHORITY, initial=True)
    done = State("已走访;#1", final=True)
    missed = State("逾期", final=True)

    note = Transition(planned, planned, by=Role.LOCAL_AUTHORITY, label="记录")
    report = Transition(planned, done, by=(Role.LOCAL_AUTHORITY, Role.OFFICE), label="报告")
    lapse = Transition(planned, missed, by=Role.CLOCK)
    reopen = Transition(missed, planned, by=Role.OFFICE, data=Reversal, reopens=True, label="重新走访")

    due = Deadline(planned, rule=setting("correction"), fires=lapse, admits=report, label="走访期限")


class Inspection(Stage):
    name = "inspection"
    label = "现场核查"
    cases: ClassVar[tuple[type[Lifecycle], ...]] = (Visit,)
    Settings = CorrectionSettings

    waiting = State("待核查", owner=Role.OFFICE, initial=True)
    weighed = State("研究中", owner=Role.OFFICE)
    failed = State("<不合格>", final=True)

    declare: ClassVar[Transition | None] = Transition(START, waiting, by=Role.APPLICANT)
    weigh = Transition(waiting, weighed, when=any_in(Visit, Visit.done), label="转入研究")
    fail = Transition((waiting, weighed), failed, by=Role.OFFICE)
    pass_ = Transition(weighed, PASSED, by=Role.OFFICE, label="合格")
    undo = Transition((LATER, failed), weighed, by=Role.OFFICE, data=Reversal, reopens=True)
    lapse = Transition(waiting, failed, by=Role.ENGINE)
    phase = PhaseWindow(at_close={waiting: lapse, weighed: CARRY_ON})


class Ending(Stage):
    name = "ending"
    label = "公布"

    decided = State("待公布", owner=Role.OFFICE, initial=True)
    announced = State("已公布", success=True)

    announce = Transition(decided, announced, by=Role.OFFICE, label="公布")
    back = Transition(decided, Outcome("sent_back"), by=Role.OFFICE, label="退回")
    phase = PhaseWindow(at_close={decided: CARRY_ON})


def process_of(*stages: type[Stage]) -> Process:
    wired = {"ending": {"sent_back": "inspection"}}
    return define([StageInstance(s.name, s(), s.Settings(), wired.get(s.name, {})) for s in stages], CORE_KINDS)


@pytest.fixture(name="small", scope="module")
def _small() -> Process:
    return process_of(Inspection, Ending)


@pytest.fixture(name="process", scope="module", params=["full", "demo", "twice"])
def _process(request: pytest.FixtureRequest) -> Process:
    sources: dict[str, Any] = {"full": FULL, "demo": DEMO, "twice": TWICE}
    return read_plan(sources[request.param], Registry.discover()).process


# ── the text ──

STYLES = """\
  classDef default fill:#eef4fb,stroke:#3f5872,color:#1b2733
  classDef final fill:#fbf1ee,stroke:#3f5872,color:#1b2733
  classDef success fill:#edf7ee,stroke:#3f5872,color:#1b2733,stroke-width:3px
  classDef aside fill:#f4f4f1,stroke:#3f5872,color:#1b2733
"""


def test_the_map_of_a_small_process_as_mermaid(small: Process) -> None:
    first = "<b>1 现场核查</b><br/>办理:牵头处室<br/>附案件:走访#34;甲#34;<br/>↻ 自后续环节更正至此:<br/>undo(牵头处室)"
    expected = f"""\
flowchart TB
{STYLES}\
  n_stage_3a_inspection["{first}"]
  n_out_3a_inspection[["<b>#60;不合格#62;</b>"]]:::final
  n_stage_3a_ending["<b>2 公布</b><br/>办理:牵头处室"]
  n_good_3a_ending[["<b>已公布</b>"]]:::success
  x_anywhere(["<b>各环节中未办结的申报</b>"]):::aside
  n_end_3a_withdrawn[["<b>已撤回</b><br/>撤回 withdraw<br/>(申报企业)"]]:::final
  n_end_3a_called_off[["<b>批次取消</b><br/>批次取消 call#95;off<br/>(引擎:随相关办件)"]]:::final
  n_stage_3a_inspection --> n_out_3a_inspection
  n_out_3a_inspection -.->|"undo<br/>牵头处室"| n_stage_3a_inspection
  n_stage_3a_ending -->|"公布 announce<br/>牵头处室"| n_good_3a_ending
  n_stage_3a_inspection -->|"合格 pass<br/>牵头处室"| n_stage_3a_ending
  n_stage_3a_ending -->|"退回 back<br/>牵头处室"| n_stage_3a_inspection
  x_anywhere --> n_end_3a_withdrawn
  x_anywhere --> n_end_3a_called_off
"""

    assert process_map(small) == expected


def test_the_life_cycle_of_a_kind_as_mermaid(small: Process) -> None:
    planned = (
        "<b>待走访</b><br/>待地方主管部门办理<br/>◷ 走访期限:5个工作日<br/>(进入当日不计)<br/>"
        "◷ 期内方可:报告 report<br/>↻ 记录 note(地<br/>方主管部门)"
    )
    expected = f"""\
flowchart LR
{STYLES}\
  x_start((" "))
  n_planned("{planned}")
  n_done[["<b>已走访#59;#35;1</b>"]]:::final
  n_missed[["<b>逾期</b>"]]:::final
  x_start -->|"生成 open<br/>引擎:随相关办件"| n_planned
  n_planned -->|"报告 report<br/>地方主管部门、牵头处室"| n_done
  n_planned -->|"lapse<br/>时钟:走访期限届满"| n_missed
  n_missed -.->|"重新走访 reopen<br/>牵头处室"| n_planned
"""

    assert life_cycle(small, "visit") == expected


def test_the_life_cycle_of_a_stage_as_mermaid(small: Process) -> None:
    when = "引擎:当有走访#34;甲#34;<br/>处于“已走访#59;#35;1”"
    expected = f"""\
flowchart LR
{STYLES}\
  x_entry>"<b>来自:公布</b>"]:::aside
  x_start((" "))
  n_inspection_2e_waiting("<b>待核查</b><br/>待牵头处室办理")
  n_inspection_2e_weighed("<b>研究中</b><br/>待牵头处室办理")
  n_inspection_2e_failed[["<b>#60;不合格#62;</b>"]]:::final
  n_withdrawn[["<b>已撤回</b>"]]:::final
  n_called_off[["<b>批次取消</b>"]]:::final
  x_any(["<b>任一未办结的状态</b>"]):::aside
  x_later(["<b>后续环节中未办结的申报</b>"]):::aside
  n_to_3a_ending>"<b>转入:公布</b>"]:::aside
  x_entry --> n_inspection_2e_waiting
  x_any -->|"撤回 withdraw<br/>申报企业"| n_withdrawn
  x_any -->|"批次取消 call#95;off<br/>引擎:随相关办件"| n_called_off
  x_start -->|"declare<br/>申报企业"| n_inspection_2e_waiting
  n_inspection_2e_waiting -->|"转入研究 weigh<br/>{when}"| n_inspection_2e_weighed
  n_inspection_2e_waiting -->|"fail<br/>牵头处室<br/>lapse<br/>引擎:环节截止"| n_inspection_2e_failed
  n_inspection_2e_weighed -->|"fail<br/>牵头处室"| n_inspection_2e_failed
  n_inspection_2e_weighed -->|"合格 pass<br/>牵头处室"| n_to_3a_ending
  x_later -.->|"undo<br/>牵头处室"| n_inspection_2e_weighed
  n_inspection_2e_failed -.->|"undo<br/>牵头处室"| n_inspection_2e_weighed
"""

    assert life_cycle(small, "inspection") == expected


HOSTILE = """end "quoted" [b] {c} | # ; #35; <b>x</b> & &amp; `d` *e* _f_ ~g~ $$h$$ %%{init}%% fa:fa-car \\n"""


@pytest.mark.parametrize("label", [HOSTILE, "1. 项", "12. 项", "- 项", "+ 项", "a\nb\x00c"])
def test_no_label_can_break_out_of_mermaid_or_svg(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Visit.planned, "label", label)
    monkeypatch.setattr(Visit.report, "label", label)
    process = process_of(Inspection, Ending)

    text = life_cycle(process, "visit")
    root = ElementTree.fromstring(life_cycle_svg(process, "visit", title=label, mark=label))
    # What is between quotes holds nothing of Mermaid's own; each line has the shape of a node or an arrow.
    shape = r'  [nx]_\w+(\(\("[^"]*"\)\)|\(+"[^"]*"\)+|\[+"[^"]*"\]+(:::\w+)?| -?-\.?->(\|"[^"]*"\|)? n_\w+)'
    assert [x for x in text.splitlines()[5:] if not re.fullmatch(shape, x)] == []
    quoted = [re.sub("</?b>|#[0-9]+;", "", x) for q in re.findall('"([^"]*)"', text) for x in q.split("<br/>")]
    assert [x for x in quoted if re.search(r"[#;<>&`*_~%{}\\\x00]|\$\$|fa:fa-|^\d+\.|^[-+]", x)] == []
    said = re.sub(r"[\s\x00\ufffd]", "", "".join(t.text or "" for t in root.iter(f"{SVG}text")))
    assert said.count(re.sub(r"[\s\x00]", "", label)) >= 4  # heading, mark, box, arrow


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (any_open(Visit), '引擎:当有走访"甲"未办结'),
        (none_open(Visit), '引擎:当没有未办结的走访"甲"'),
        (settled(Visit), '引擎:当走访"甲"均已办结'),
        (any_in(Visit, Visit.done, Visit.missed), '引擎:当有走访"甲"处于“已走访;#1”或“逾期”'),
        (enough(Visit, Visit.missed, "corrections"), '引擎:当“逾期”的走访"甲"不少于1'),
        (all_of(settled(Visit), none_open(Visit)), '引擎:当走访"甲"均已办结且没有未办结的走访"甲"'),
    ],
)
def test_a_condition_is_said_in_words(condition: object, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inspection.weigh, "when", condition)

    drawing = drawing_of(process_of(Inspection, Ending), "inspection")

    assert [a.lines[1].text for a in drawing.arrows if a.lines and a.lines[0].text == "转入研究 weigh"] == [words]


def lines_of(drawing: Drawing, state: str) -> list[str]:
    return [line.text for node in drawing.nodes if node.states == (state,) for line in node.lines]


def test_what_only_an_open_phase_admits_says_so() -> None:
    process = read_plan(FULL, Registry.discover()).process

    def said(name: str) -> set[str]:
        edges = {line.text for a in drawing_of(process, name).arrows for line in a.lines}
        return {text for text in edges if "限环节期内" in text}

    assert said("self_declaration") == {"申报企业,限环节期内"}
    assert lines_of(drawing_of(process, "self_declaration"), "self_declaration.draft")[-1] == (
        "保存 save(申报企业,限环节期内)"
    )
    assert said("recommendation") == {"地方主管部门,限环节期内"}
    assert [a.lines[1].text for a in drawing_of(process, "recommendation").arrows] == [
        "地方主管部门",
        "地方主管部门,限环节期内",
        "地方主管部门",
    ]
    assert said("expert_review") == set()


def test_a_state_may_have_the_name_of_a_box_that_is_no_state() -> None:
    class Tricky(Lifecycle):
        label = "怪名"
        start = State("起", owner=Role.OFFICE, initial=True)
        any_ = State("任", owner=Role.OFFICE)
        end = State("终", final=True)
        go = Transition(start, any_, by=Role.OFFICE)
        finish = Transition(any_, end, by=Role.OFFICE)

    class Bringing(Inspection):
        cases = (Visit, Tricky)

    drawing = drawing_of(process_of(Bringing, Ending), "tricky")

    assert [n.key for n in drawing.nodes] == [":start", "start", "any", "end"]
    assert life_cycle(process_of(Bringing, Ending), "tricky").splitlines()[5:9] == [
        '  x_start((" "))',
        '  n_start("<b>起</b><br/>待牵头处室办理")',
        '  n_any("<b>任</b><br/>待牵头处室办理")',
        '  n_end[["<b>终</b>"]]:::final',
    ]


def test_periods_are_said_with_the_values_of_the_plan() -> None:
    process = read_plan(FULL, Registry.discover()).process

    assert lines_of(drawing_of(process, "qualification_check"), "qualification_check.checking")[:2] == [
        "待牵头处室办理",
        "审查期限:7个工作日(进入当日不计)",
    ]
    assert "审查期限:暂停计算" in lines_of(drawing_of(process, "qualification_check"), "qualification_check.deferred")
    assert lines_of(drawing_of(process, "notice"), "open")[:3] == [
        "待期限届满",
        "公示期:至截止时刻",
        "期内方可:异议·提出异议 file",
    ]
    assert lines_of(drawing_of(process, "revocation"), "noticed")[1].startswith("陈述申辩期限:自送达时刻起")


def test_a_setting_that_two_stages_give_differently_is_said_for_each() -> None:
    class Late(Lifecycle):
        label = "限办"
        waiting = State("待办", owner=Role.OFFICE, initial=True)
        done = State("已办", final=True)
        finish = Transition(waiting, done, by=Role.CLOCK)
        due = Deadline(waiting, rule=setting("correction", start=fact("told_at")), fires=finish)

    class First(Inspection):
        name = "first"
        cases = (Visit, Late)

    other = CorrectionSettings.model_validate({"correction": "2 hours"})
    process = define(
        [
            StageInstance("one", First(), CorrectionSettings()),
            StageInstance("two", First(), other),
            StageInstance("ending", Ending(), Ending.Settings(), {"sent_back": "one"}),
        ],
        CORE_KINDS,
    )

    assert lines_of(drawing_of(process, "late"), "waiting")[1] == (
        "due:自 told_at 所载时刻起现场核查(one) 5个工作日(当日不计);现场核查(two) 2小时"
    )
    assert [n.title for n in plan_map(process).nodes.values() if n.shape is Shape.STAGE] == [
        "1 现场核查(one)",
        "2 现场核查(two)",
        "3 公布",
    ]


# ── everything, once ──


def drawings(process: Process) -> list[Drawing]:
    return [drawing_of(process, name) for name in life_cycle_names(process)]


def test_every_kind_and_every_stage_has_a_life_cycle(process: Process) -> None:
    expected = {f"stage:{s}" for s in process.stage_names} | {f"kind:{k}" for k in process.kinds if k != "application"}

    assert Counter(life_cycle_names(process)) == Counter(expected)


def test_every_edge_is_in_one_life_cycle_once(process: Process) -> None:
    drawn = Counter[Edge]()
    for drawing in drawings(process):
        drawn.update(e for a in drawing.arrows for e in a.edges)
        drawn.update(e for n in drawing.nodes for e in n.loops)

    assert drawn == Counter(e for kind in process.kinds.values() for e in kind.edges)


def test_every_state_is_in_one_life_cycle_once(process: Process) -> None:
    ends = {"withdrawn", "called_off"}  # of every stage, wherever something leads there
    for name in life_cycle_names(process):
        drawing = drawing_of(process, name)
        form, _, bare = name.partition(":")
        states = process.application.states if form == "stage" else process.kind(bare).states
        expected = [s for s in states if form == "kind" or s.startswith(f"{bare}.")]
        drawn = [s for n in drawing.nodes for s in n.states if form == "kind" or s not in ends]
        assert Counter(drawn) == Counter(expected), name


def test_the_svg_and_the_mermaid_text_show_every_box_and_arrow_of_the_drawing(process: Process) -> None:
    for name in life_cycle_names(process):
        drawing = drawing_of(process, name)
        picture = groups(life_cycle_svg(process, name))
        text = life_cycle(process, name).splitlines()[5:]
        arrows = [line for line in text if " --> " in f"{line} " or "-->|" in line or "-.->" in line]

        shown = [s for g in picture for s in g.get("data-states", "").split()]
        assert Counter(shown) == Counter(s for n in drawing.nodes for s in n.states)
        edges = [f"{e.source or ''}>{e.name}" for a in drawing.arrows for e in a.edges]
        edges += [f"{e.source or ''}>{e.name}" for n in drawing.nodes for e in n.loops]
        assert Counter(s for g in picture for s in g.get("data-edges", "").split(" ") if s) == Counter(edges)
        assert len([g for g in picture if "reversal" in g.get("class", "")]) == sum(a.dashed for a in drawing.arrows)
        assert (len(arrows), len(text)) == (len(drawing.arrows), len(drawing.arrows) + len(drawing.nodes))
        assert sum("-.->" in line for line in arrows) == sum(a.dashed for a in drawing.arrows)


def test_the_map_has_every_stage_and_every_state_once(process: Process) -> None:
    found = plan_map(process)

    stages = [n.key for n in found.nodes.values() if n.shape is Shape.STAGE]
    assert stages == [f"stage:{name}" for name in process.stage_names]
    assert Counter(s for n in found.nodes.values() for s in n.states) == Counter(list(process.application.states))


def test_the_map_has_every_edge_between_stages_and_to_the_ends_once(process: Process) -> None:
    found = plan_map(process)
    between = [e for e in process.application.edges if crosses(e) and (e.source or "").startswith(f"{e.stage}.")]

    drawn = Counter(e for a in found.arrows for e in a.edges)
    assert {e: n for e, n in drawn.items() if crosses(e)} == dict.fromkeys(between, 1)


def crosses(edge: Edge) -> bool:
    return edge.target.rpartition(".")[0] != edge.stage


def test_the_map_shows_the_way_of_the_reserve_and_the_ways_back() -> None:
    process = read_plan(TWICE, Registry.discover()).process
    found = plan_map(process)

    ways = {(a.source, a.target): a.lines[0].text for a in found.arrows if a.lines}
    assert found.nodes["reserve:expert_review"].title == "候补"
    assert ways["reserve:expert_review", "stage:deliberation"] == "递补 fill"
    assert ways["stage:deliberation", "stage:expert_review"] == "退回 send_back"
    assert ways["stage:second_deliberation", "stage:local_notice"] == "退回 send_back"
    assert [n.title for n in found.nodes.values() if n.shape is Shape.STAGE][1::4] == [
        "2 公示(local_notice)",
        "6 公示(public_notice)",
    ]


def test_what_every_stage_has_is_collected_with_its_exceptions() -> None:
    process = read_plan(FULL, Registry.discover()).process
    found = plan_map(process)

    assert [line.text for line in found.nodes["end:withdrawn"].lines] == [
        "撤回 withdraw(申报企业),公布除外",
        "逾期未补正 give_up(时钟:补正期限届满),限企业自主申报、地方推荐",
    ]
    assert [(a.source, a.target) for a in found.arrows if a.target.startswith("end:")] == [
        (ANYWHERE, "end:withdrawn"),
        (ANYWHERE, "end:called_off"),
    ]


# ── names ──


def test_an_unknown_name_is_refused_with_those_there_are(small: Process) -> None:
    with pytest.raises(Unknown) as unknown:
        life_cycle(small, "visits")
    assert unknown.value.message == (
        "this plan has no stage or kind 'visits'; did you mean 'visit'? "
        "there are these stages: inspection, ending; kinds: round, phase, visit"
    )
    with pytest.raises(Unknown) as unknown:
        life_cycle_svg(small, "kind:ending")
    assert unknown.value.message == "this plan has no kind 'ending'; there are these kinds: round, phase, visit"
    with pytest.raises(Unknown) as unknown:
        life_cycle(small, "application")
    assert unknown.value.message == (
        "an application's life cycle is drawn stage by stage; name one of the stages: inspection, ending"
    )


def test_a_kind_may_have_the_name_of_a_stage() -> None:
    class Namesake(Lifecycle):
        kind = "ending"
        label = "同名案件"
        done = State("已办", final=True)
        do = Transition(START, done, by=Role.OFFICE)

    class Other(Ending):
        name = "ending"
        cases = (Namesake,)

    process = process_of(Inspection, Other)

    assert [drawing_of(process, n).title for n in ("ending", "stage:ending", "kind:ending")] == [
        "公布 · 一项申报的经过",
        "公布 · 一项申报的经过",
        "同名案件",
    ]


# ── the pictures ──


@dataclass(frozen=True)
class Area:
    """Something on a picture: what it is, and the room it takes."""

    what: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Area") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def groups(picture: str) -> list[dict[str, str]]:
    return [dict(g.attrib) for g in ElementTree.fromstring(picture).iter(f"{SVG}g")]


def areas(picture: str) -> tuple[Area, list[Area], list[Area]]:
    """The sheet, the boxes, and the lines of text beside them (arrows, heads, legend), in the sheet's coordinates."""
    root = ElementTree.fromstring(picture)
    sheet = Area("sheet", *map(float, root.attrib["viewBox"].split()))
    boxes, labels = [], [written(t) for t in root.findall(f"{SVG}text") if "transform" not in t.attrib]
    for outer in root.findall(f"{SVG}g"):
        dx, dy = map(float, re.findall(r"[-0-9.]+", outer.get("transform", "translate(0 0)")))
        for g in outer.iter(f"{SVG}g"):
            if g.get("class", "").startswith(("node", "start")):
                boxes.append(moved(outline(g), dx, dy))
            elif g.get("class", "").startswith(("arrow", "legend")):
                labels += [moved(written(t), dx, dy) for t in g.iter(f"{SVG}text")]
    return sheet, boxes, labels


def outline(g: ElementTree.Element) -> Area:
    first, said = g[0], "".join(t.text or "" for t in g.iter(f"{SVG}text"))
    if first.tag == f"{SVG}rect":
        x, y, w, h = (float(first.attrib[k]) for k in ("x", "y", "width", "height"))
        return Area(said, x, y, x + w, y + h)
    if first.tag == f"{SVG}circle":
        x, y, r = (float(first.attrib[k]) for k in ("cx", "cy", "r"))
        return Area("start", x - r, y - r, x + r, y + r)
    corners = [tuple(map(float, c.split(","))) for c in first.attrib["points"].split()]
    return Area(said, *map(min, zip(*corners, strict=True)), *map(max, zip(*corners, strict=True)))


def written(t: ElementTree.Element) -> Area:
    x, y, size = (float(t.attrib[k]) for k in ("x", "y", "font-size"))
    return Area(t.text or "", x, y - 0.85 * size, x + width(t.text or "") * size, y + 0.15 * size)


def moved(area: Area, dx: float, dy: float) -> Area:
    return Area(area.what, area.left + dx, area.top + dy, area.right + dx, area.bottom + dy)


def pictures(process: Process) -> Iterator[str]:
    yield map_svg(process, title="评选演示", mark="演示数据·非官方文件")
    for name in life_cycle_names(process):
        yield life_cycle_svg(process, name)


def test_nothing_on_a_picture_stands_on_anything_else_or_off_the_sheet(process: Process) -> None:
    for picture in pictures(process):
        sheet, boxes, labels = areas(picture)

        assert boxes
        things = [*boxes, *labels]
        assert [t for t in things if t.left < 0 or t.top < 0 or t.right > sheet.right or t.bottom > sheet.bottom] == []
        assert [(a, b) for a, b in combinations(boxes, 2) if a.meets(b)] == []
        assert [(a, b) for a in labels for b in boxes if a.meets(b)] == []
        assert [(a, b) for a, b in combinations(labels, 2) if a.meets(b)] == []


def test_what_is_written_in_a_box_stays_in_it(process: Process) -> None:
    for picture in pictures(process):
        for g in ElementTree.fromstring(picture).iter(f"{SVG}g"):
            if g.get("class", "").startswith("node"):
                box = outline(g)
                lines = [written(t) for t in g.iter(f"{SVG}text")]
                assert lines
                assert [x for x in lines if x.left < box.left or x.right > box.right or x.bottom > box.bottom] == []


def test_a_picture_says_what_it_is_and_fits_a_sheet_of_a4(process: Process) -> None:
    for picture in pictures(process):
        root = ElementTree.fromstring(picture)
        sides = sorted(float(root.attrib[k].removesuffix("mm")) for k in ("width", "height"))

        assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
        assert all((child.text or "").strip() for child in root[:2])
        assert sides[0] <= 186
        assert sides[1] <= 272
        # Nothing from elsewhere, nothing that runs, nothing that a host's page could take for its own.
        assert re.findall(r"<style|<script|href|url\(| id=", picture) == []


def test_shorter_lines_keep_the_print_readable() -> None:
    process = read_plan(FULL, Registry.discover()).process

    root = ElementTree.fromstring(life_cycle_svg(process, "self_declaration"))
    millimetres = float(root.attrib["width"].removesuffix("mm")) / float(root.attrib["viewBox"].split()[2])
    assert 12 * millimetres * 72 / 25.4 >= 6.75  # points


def test_title_and_mark_are_on_the_picture_as_they_are_given(small: Process) -> None:
    for picture in (
        map_svg(small, title="<评选> & 演示", mark="非官方"),
        life_cycle_svg(small, "visit", mark="非官方"),
    ):
        texts = [t.text for t in ElementTree.fromstring(picture).iter(f"{SVG}text")]
        assert texts[0] == "非官方"
        assert texts[1] in ("<评选> & 演示", '走访"甲"')
    assert "非官方" not in map_svg(small)


PRINT_ALL = f"""
import sys
from ganchu_workflow.canonical import digest_of
from ganchu_workflow.plan import read_plan
from ganchu_workflow.plugins import Registry
from ganchu_workflow.process.diagram import *
process = read_plan({str(FULL)!r}, Registry.discover()).process
texts = [process_map(process), map_svg(process, title="t", mark="m")]
for name in life_cycle_names(process):
    texts += [life_cycle(process, name), life_cycle_svg(process, name)]
print(len(texts), digest_of(texts))
"""


def test_two_processes_draw_the_same_to_the_byte() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", PRINT_ALL],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert said[0].split()[0] == str(2 + 2 * 21)
    assert said[0] == said[1]


def strokes(picture: str) -> list[Area]:
    """The straight lines of a map, each as wide as it is drawn; the last bit is under the point of its arrow."""
    found = []
    for path in ElementTree.fromstring(picture).iter(f"{SVG}path"):
        x = y = 0.0
        if re.fullmatch(r"M[-\d. ]+([HV][-\d.]+)+", path.attrib["d"]) and path.attrib["stroke-width"] == "1.3":
            for step, said in re.findall(r"([MHV])([-\d. ]+)", path.attrib["d"]):
                a, b = x, y
                x, y = (
                    map(float, said.split()) if step == "M" else (float(said), y) if step == "H" else (x, float(said))
                )
                if step != "M":
                    found.append(Area(path.attrib["d"], min(a, x), min(b, y) - 0.6, max(a, x), max(b, y) + 0.6))
    return found


class Waiting(Stage):
    """A stage without a bad end, which leads on by a reversal too, and past the next stage."""

    name = "waiting"
    label = "待办"
    waiting = State("待办", owner=Role.OFFICE, initial=True)
    declare = Transition(START, waiting, by=Role.APPLICANT)
    go = Transition(waiting, PASSED, by=Role.OFFICE, label="办结")
    again = Transition(waiting, PASSED, by=Role.OFFICE, data=Reversal, reopens=True, label="补办")
    jump = Transition(waiting, Outcome("far"), by=Role.OFFICE, label="免于核查")
    phase = PhaseWindow(at_close={waiting: CARRY_ON})


class Weighing(Stage):
    """A stage with a reserve and a good end of its own, and no bad one."""

    name = "weighing"
    label = "研究"
    open_ = State("研究中", owner=Role.OFFICE, initial=True)
    kept = State("备选", owner=Role.OFFICE)
    chosen = State("直接认定", success=True)
    go = Transition(open_, PASSED, by=Role.OFFICE, label="通过")
    keep = Transition(open_, kept, by=Role.OFFICE, label="列为备选")
    fill = Transition(kept, PASSED, by=(Role.OFFICE, Role.SUPERVISOR), label="递补")
    choose = Transition(open_, chosen, by=Role.OFFICE, label="直接认定")
    put_back = Transition(LATER, kept, by=Role.OFFICE, data=Reversal, reopens=True)
    undo = Transition(chosen, open_, by=Role.OFFICE, data=Reversal, reopens=True, label="撤回认定")
    phase = PhaseWindow(at_close={open_: CARRY_ON, kept: CARRY_ON})


class Closing(Ending):
    name = "closing"
    undo = Transition(Ending.announced, Ending.decided, by=Role.OFFICE, data=Reversal, reopens=True, label="撤回公布")


class Checked(Inspection):
    name = "checked"
    declare = None


def odd_process() -> Process:
    wired = {"waiting": {"far": "closing"}, "closing": {"sent_back": "weighing"}, "inspection": {}}
    stages: list[type[Stage]] = [Waiting, Weighing, Checked, Closing]
    return define([StageInstance(s.name, s(), s.Settings(), wired.get(s.name, {})) for s in stages], CORE_KINDS)


class Step(Stage):
    name = "step"
    label = "步骤"
    open_ = State("办理中", owner=Role.OFFICE, initial=True)
    declare: ClassVar[Transition | None] = None
    go = Transition(open_, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(at_close={open_: CARRY_ON})


class First(Step):
    declare = Transition(START, Step.open_, by=Role.APPLICANT)


class Back(Step):
    back = Transition(Step.open_, Outcome("sent_back"), by=Role.OFFICE)


def crossed_process() -> Process:
    """The longer way back leaves just where the label of the shorter one would stand."""
    found: list[tuple[str, type[Stage], dict[str, str]]] = [("a", First, {}), ("b", Step, {}), ("c", Step, {})]
    found += [("d", Back, {"sent_back": "a"})]
    found += [("e", Back, {"sent_back": "c"}), ("closing", Closing, {"sent_back": "e"})]
    return define([StageInstance(n, s(), s.Settings(), on) for n, s, on in found], CORE_KINDS)


def test_no_line_of_a_map_runs_through_a_box_or_a_label(process: Process) -> None:
    for picture in (map_svg(process), map_svg(odd_process()), map_svg(crossed_process())):
        _, boxes, labels = areas(picture)
        lines = strokes(picture)

        assert len(lines) > 20
        inside = [Area(b.what, b.left + 1, b.top + 1, b.right - 1, b.bottom - 1) for b in boxes]
        assert [(a, b) for a in lines for b in [*inside, *labels] if a.meets(b)] == []


def test_nothing_on_the_map_of_an_odd_plan_stands_on_anything_else() -> None:
    process = odd_process()
    sheet, boxes, labels = areas(map_svg(process, title="怪"))

    things = [*boxes, *labels]
    assert [t for t in things if t.left < 0 or t.top < 0 or t.right > sheet.right or t.bottom > sheet.bottom] == []
    assert [(a, b) for a, b in combinations(things, 2) if a.meets(b) and (a in boxes or b in labels)] == []
    assert Counter(s for n in plan_map(process).nodes.values() for s in n.states) == (
        Counter(list(process.application.states))
    )


# ── the layout, whatever the graph ──

NODES = st.integers(1, 9)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Size], list[Link]]:
    count = draw(NODES)
    extents = st.integers(10, 200).map(float)
    boxes = [Size(f"b{n}", draw(extents), draw(extents)) for n in range(count)]
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda e: e[0] != e[1])
    pairs = draw(st.lists(ends, max_size=24)) if count > 1 else []
    return boxes, [Link(f"b{a}", f"b{b}", draw(extents), draw(extents), draw(st.booleans())) for a, b in pairs]


def area(name: str, place: Place) -> Area:
    return Area(name, place.x, place.y, place.x + place.width, place.y + place.height)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_no_two_things_of_any_graph_share_a_place(graph: tuple[list[Size], list[Link]]) -> None:
    boxes, links = graph
    layout = layered(boxes, links)

    things = [area(key, place) for key, place in layout.boxes.items()]
    things += [area(f"label {n}", r.label) for n, r in enumerate(layout.routes)]
    assert len(layout.boxes) == len(boxes)
    assert len(layout.routes) == len(links)
    assert [(a, b) for a, b in combinations(things, 2) if a.meets(b)] == []
    slack = 1e-6
    assert [t for t in things if t.left < -slack or t.right > layout.width + slack] == []
    assert [t for t in things if t.top < -slack or t.bottom > layout.height + slack] == []
    assert layered(boxes, links) == layout


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_an_arrow_begins_and_ends_at_its_boxes_and_crosses_none(graph: tuple[list[Size], list[Link]]) -> None:
    boxes, links = graph
    layout = layered(boxes, links)
    slack = 1e-6

    for link, route in zip(links, layout.routes, strict=True):
        source, target = area("", layout.boxes[link.source]), area("", layout.boxes[link.target])
        (x0, y0), (x1, y1) = route.spans[0][0], route.spans[-1][1]
        assert min(abs(x0 - source.left), abs(x0 - source.right)) < slack
        assert source.top - slack <= y0 <= source.bottom + slack
        assert min(abs(x1 - target.left), abs(x1 - target.right)) < slack
        assert target.top - slack <= y1 <= target.bottom + slack
        flat = [Area("", min(a, c) + slack, b - slack, max(a, c) - slack, b + slack) for (a, b), (c, _) in route.spans]
        assert [s for s in flat for key in layout.boxes if s.meets(area(key, layout.boxes[key]))] == []


# ── the measure ──


@given(st.text(max_size=80), st.integers(2, 20))
def test_a_wrapped_line_is_never_too_long_and_nothing_is_lost(text: str, limit: int) -> None:
    lines = wrap(text, limit)

    assert [line for line in lines if width(line) > limit] == []
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_words_and_closing_marks_are_kept_together() -> None:
    assert wrap("修改后通过 approve_with_changes", 12) == ["修改后通过", "approve_with_changes"]
    assert wrap("一二三四,五六七八", 4) == ["一二三", "四,五", "六七八"]
    assert wrap("一二三(四五六)", 4) == ["一二三", "(四五", "六)"]
    assert wrap("abcdefghij", 2) == ["abc", "def", "ghi", "j"]
    assert wrap("", 4) == [""]


def test_lines_break_where_a_reader_pauses_or_are_about_equally_long() -> None:
    assert wrap("补正期限:5个工作日(进入当日不计)", 13.75) == ["补正期限:5个工作日", "(进入当日不计)"]
    assert wrap("改为不建议入选 exclude", 10) == ["改为不建议入选", "exclude"]
    assert wrap("一二三四五六七八九", 8) == ["一二三四五", "六七八九"]
    assert wrap("一二三四五六七八", 8) == ["一二三四五六七八"]


def test_full_width_characters_are_one_em_wide() -> None:
    assert [width(t) for t in ("公示", "“”", "ab", "")] == [2.0, 2.0, pytest.approx(1.12), 0]


def test_the_plan_of_the_demonstration_is_drawn_as_json_says_it(tmp_path: Path) -> None:
    """A plan's own stored document draws the same map as the file it was read from."""
    plan = read_plan(FULL, Registry.discover())
    again = read_plan(json.loads(json.dumps(plan.document())), Registry.discover())

    assert map_svg(again.process) == map_svg(plan.process)
