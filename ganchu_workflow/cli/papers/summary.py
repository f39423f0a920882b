"""The summary of a round: what it was, how it ran, what was verified, and which files lie beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ganchu_workflow.audit.verify import Report
from ganchu_workflow.cli.papers.funnel import Funnel, funnel_markdown, markdown_cell
from ganchu_workflow.cli.papers.wording import (
    DEFAULT_ZH,
    INTERNAL_ZH,
    anomaly_words,
    date_words,
    instant_words,
    length_words,
    mark_of,
    zone_of,
)
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.values import CaseView


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the folder: its name, what it is, its size in bytes and its SHA-256."""

    name: str
    what: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the summary tells of a round."""

    round: CaseView
    process: Process
    funnel: Funnel
    cases: Counter[str]
    """How many cases of each kind."""
    notices: Sequence[CaseView]
    """The published notices, in the order of opening."""
    announcements: Sequence[CaseView]
    report: Report
    files: Sequence[Written]
    remarks: Sequence[str] = ()


def summary_markdown(told: Told) -> str:
    """The summary as Markdown. The same round gives the same text, to the byte."""
    parts = [_head(told), _numbers(told), _notices(told), _announcements(told), _verified(told), _files(told)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(told: Told) -> str:
    facts = told.round.facts
    lines = [f"# {markdown_cell(facts['title'])}", ""]
    if mark := mark_of(facts):
        lines += [
            f"**【{mark}】** 本文件夹中的过程、评分、部门、文号、日期和结果均为虚构，"
            "企业、产品除登记表注明出处的以外也是虚构，不代表任何真实评选的过程或者结果。"
            "This is a demonstration: its course and results are invented.",
            "",
        ]
    lines += [
        f"本摘要为{INTERNAL_ZH}。",
        "",
        f"- 批次代码：{markdown_cell(facts['code'])}",
        f"- 批次状态：{told.process.state(told.round).label}",
        f"- 流程定义：`{facts['definition']}`",
        f"- 方案未写明、取默认值的事项（{DEFAULT_ZH}）：{_defaults(told)}",
        f"- 公示打印稿中“异议的提出”“受理方式”两节的文字（{DEFAULT_ZH}），印发前请核对。",
    ]
    return "\n".join(lines)


def _defaults(told: Told) -> str:
    found = [
        f"{told.process.stage(s['as']).stage.label}：{'、'.join(f'`{name}`' for name in s['defaults'])}"
        for s in told.round.facts["plan"]["stage"]
        if s["defaults"]
    ]
    return "；".join(found) or "无"


def _numbers(told: Told) -> str:
    kinds = "、".join(f"{told.process.kind(kind).label}{n}" for kind, n in sorted(told.cases.items()))
    return "\n".join(
        [
            "## 申报与结果",
            "",
            f"申报 {told.funnel.declared} 项，公布 {_announced(told)} 项。案件：{kinds}。",
            "",
            funnel_markdown(told.funnel),
            "",
            "按各项申报现在所处的位置统计：由候补递补的，计入其现处环节；被退回的，计至退回到的环节。",
        ]
    )


def _announced(told: Told) -> int:
    return sum(len(act.facts["list"]) for act in told.announcements)


def _notices(told: Told) -> str:
    if not told.notices:
        return "## 公示\n\n尚无公示。"
    zone = zone_of(told.round.facts)
    lines = ["## 公示", ""]
    for number, notice in enumerate(told.notices, start=1):
        facts = notice.facts
        lines += [
            f"{number}. {markdown_cell(facts['title'])}（{told.process.state(notice).label}，{len(facts['list'])} 项）",
            f"   - 公示期：{instant_words(facts['opens_at'], zone)}至{instant_words(facts['closes_at'], zone)}；"
            f"规则 {length_words(facts['rule'])}；落款 {date_words(facts['dated_on'])}；日历 `{facts['calendar']}`",
            f"   - 名单摘要：`{facts['digest']}`",
        ]
        found = [anomaly_words(code) for code in facts["anomalies"]]
        if facts["provisional"]:
            found.append("截止日取决于尚未公布的次年放假安排")
        if found:
            lines.append(f"   - 提请注意：{'；'.join(found)}")
    return "\n".join(lines)


def _announcements(told: Told) -> str:
    if not told.announcements:
        return "## 公布\n\n尚未公布。"
    lines = ["## 公布", ""]
    for number, act in enumerate(told.announcements, start=1):
        facts = act.facts
        lines += [
            f"{number}. {markdown_cell(facts['document'])}（{date_words(facts['dated_on'])}，{len(facts['list'])} 项）",
            f"   - 名单摘要：`{facts['digest']}`",
        ]
    return "\n".join(lines)


def _verified(told: Told) -> str:
    report = told.report
    verdict = "记录完整，与各案状态一致" if report.ok else f"发现 {len(report.problems)} 处问题"
    lines = ["## 核验", "", f"核验 {report.cases} 件案件、{report.events} 条事件：{verdict}。"]
    if report.problems:
        lines += ["", *(f"- {markdown_cell(str(problem))}" for problem in report.problems)]
    return "\n".join(lines)


def _files(told: Told) -> str:
    rows = [f"| {w.name} | {w.what} | {w.size} | `{w.sha256}` |" for w in told.files]
    remarks = ["", *(f"- {remark}" for remark in told.remarks)] if told.remarks else []
    return "\n".join(["## 文件", "", "| 文件 | 内容 | 字节 | SHA-256 |", "| --- | --- | --- | --- |", *rows, *remarks])
