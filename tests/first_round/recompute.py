"""Recomputes the demonstration round from its plan and its input files alone, with nothing of the library.

    python tests/first_round/recompute.py examples/first_round

prints the final list: the 申报编号 in the order of the certificates. The rules are those of the plan and of
examples/first_round/README.md; each is written here once more, from its words.
"""

from __future__ import annotations

import csv
import io
import sys
import tomllib
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import openpyxl

Row = dict[str, str]

DIMENSIONS = {
    "advanced": "技术先进",
    "quality": "质量优良",
    "benefit": "效益突出",
    "brand": "品牌知名",
    "distinctive": "特色鲜明",
}
UNCLEAN = ("经营异常", "失信或欠税", "安全质量环保事故", "停产")
CODES = {
    "南昌市": "360100",
    "景德镇市": "360200",
    "萍乡市": "360300",
    "九江市": "360400",
    "新余市": "360500",
    "鹰潭市": "360600",
    "赣州市": "360700",
    "吉安市": "360800",
    "宜春市": "360900",
    "抚州市": "361000",
    "上饶市": "361100",
    "赣江新区": "X-GJXQ",
}
CERTIFICATES = {"属强制性认证": "强制性认证证书", "属生产许可": "生产许可证"}


def final_list(folder: str | Path) -> list[str]:
    """The applications that are announced, in the order of their certificates."""
    return Recomputed(Path(folder)).announced


def final_states(folder: str | Path) -> dict[str, str]:
    """The state in which each application ends, by its 申报编号."""
    return Recomputed(Path(folder)).states


class Recomputed:
    """The round, stage by stage. `states` holds who has ended, and where."""

    def __init__(self, folder: Path) -> None:
        self.inputs = folder / "inputs"
        self.plan = {s["use"]: s for s in tomllib.loads((folder / "plan.toml").read_text("utf-8"))["stage"]}
        self.declared = {row["申报编号"]: row for row in self.table("申报汇总表.csv")}
        self.corrections = self.table("补正登记表.csv")
        self.taken_back = {row["申报编号"] for row in self.table("撤回登记表.csv")}
        self.groups = {row["行业分组"]: int(row["入选名额"]) for row in self.table("分组名额.xlsx")}
        self.states: dict[str, str] = {}
        self.declaration()
        self.recommendation()
        self.qualification()
        self.announced = self.places(self.scores())
        for number in self.going_on():
            self.states[number] = "expert_review.not_shortlisted"
        for number in self.announced:
            self.states[number] = "announcement.announced"

    def table(self, name: str) -> list[Row]:
        """The rows of a file by heading, without the mark above the headings."""
        path = self.inputs / name
        if path.suffix == ".xlsx":
            sheet = openpyxl.load_workbook(path).worksheets[0]
            lines = [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
        else:
            raw = path.read_bytes()
            try:
                text = raw.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = raw.decode("gb18030")
            lines = list(csv.reader(io.StringIO(text)))
        headings, *rows = [line for line in lines if any(line) and not line[0].startswith("#")]
        return [dict(zip(headings, row, strict=True)) for row in rows]

    def end(self, number: str, state: str) -> None:
        """The application ends here, unless it ended before."""
        self.states.setdefault(number, state)

    def going_on(self) -> list[str]:
        """The applications that have not ended."""
        return [number for number in self.declared if number not in self.states]

    def silent(self, stage: str) -> list[str]:
        """Who was asked by this stage to correct, and never did."""
        return [row["申报编号"] for row in self.corrections if row["环节"] == stage and not row["补正日期"]]

    def declaration(self) -> None:
        """No promise of truthfulness: never submitted. Silence withdraws. The office may not accept."""
        for number, row in self.declared.items():
            if row["真实性承诺"] != "是":
                self.end(number, "self_declaration.lapsed")
        for number in self.silent("self_declaration"):
            self.end(number, "withdrawn")
        for row in self.table("受理登记表.csv"):
            if row["受理意见"] == "不予受理":
                self.end(row["申报编号"], "self_declaration.not_accepted")

    def recommendation(self) -> None:
        """Letters count against the quota in the order they came; who is in none was missed, or taken back before."""
        for row in self.table("不予推荐登记表.csv"):
            self.end(row["申报编号"], "local_recommendation.not_recommended")
        letters: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.table("推荐汇总表.xlsx"):
            letters[row["推荐单位"], row["推荐函文号"]].append(row)
        quota, named = self.plan["local_recommendation"]["quota"], set()
        left = {name: quota[code] for name, code in CODES.items()}
        for (recommender, _), rows in letters.items():
            for row in sorted(rows, key=lambda r: int(r["排序"])):
                named.add(row["申报编号"])
                left[recommender] -= 1
                if left[recommender] < 0:
                    self.end(row["申报编号"], "local_recommendation.over_quota")
        for number in self.going_on():
            if number not in named:
                self.end(number, "withdrawn" if number in self.taken_back else "local_recommendation.missed")

    def qualification(self) -> None:
        """Every rule of the plan must hold; silence after a request to correct is withdrawal."""
        for number in self.silent("qualification_check"):
            self.end(number, "qualification_check.deemed_withdrawn")
        for row in self.table("资格核查登记表.csv"):
            if not all(self.holds(rule, row) for rule in self.plan["qualification_check"]["rules"]):
                self.end(row["申报编号"], "qualification_check.disqualified")

    def holds(self, rule: str, found: Row) -> bool:
        """Whether a rule holds for an application."""
        declared = self.declared[found["申报编号"]]
        if rule == "clean_record":
            return all(found[fact] == "否" for fact in UNCLEAN)
        if rule == "trademark_owner":
            return declared["商标注册人"] in (declared["企业名称"], declared["统一社会信用代码"])
        if rule == "conditional_evidence":
            handed_in = [declared, *(c for c in self.corrections if c["申报编号"] == found["申报编号"])]
            needed = [paper for scope, paper in CERTIFICATES.items() if declared[scope] == "是"]
            return all(any(file[paper] for file in handed_in) for paper in needed)
        assert rule == "legal_person", rule
        # Registered in Jiangxi (area 36….); whatever else, a person has found.
        return declared["统一社会信用代码"][2:4] == "36" or found["独立法人认定"] == "符合"

    def scores(self) -> dict[str, Fraction]:
        """Each scored application's result: the mean, of five sheets or more without the highest and the lowest."""
        plan = self.plan["expert_review"]
        totals: dict[str, list[Fraction]] = defaultdict(list)
        for row in self.table("评分表.csv"):
            if not row["回避"]:
                marks = (Fraction(int(row[DIMENSIONS[d]]) * weight, 100) for d, weight in plan["weights"].items())
                totals[row["申报编号"]].append(sum(marks, Fraction()))
        share = Fraction(plan["quorum"]) * plan["panel_size"]
        assert plan["rule"] == "trimmed_mean"
        assert all(len(t) >= share for t in totals.values()), "an application has fewer sheets than its quorum"
        kept = {number: sorted(t)[1:-1] if len(t) >= 5 else t for number, t in totals.items()}
        return {number: sum(t, Fraction()) / len(t) for number, t in kept.items()}

    def places(self, scores: dict[str, Fraction]) -> list[str]:
        """Who holds a place in the end, group by group: first the shortlisted by rank, then the ones from the reserve.

        A place that falls free goes to the next of the reserve of its group, else of the next group that has one.
        """
        fallen = self.fallen_later()
        for number in self.going_on():
            if number not in scores:
                assert number in self.taken_back, f"{number} has no sheets"
                self.states[number] = "withdrawn"
        groups, held, reserve = list(self.groups), {}, {}
        for group, places in self.groups.items():
            members = [n for n in self.going_on() if self.declared[n]["行业分组"] == group]
            ranked = sorted(members, key=lambda n: (-scores[n], n))
            line = ranked[places : places + self.plan["expert_review"]["reserve_places"]]
            held[group], reserve[group] = ranked[:places], [n for n in line if n not in self.taken_back]
            for number in set(line) - set(reserve[group]):
                self.states[number] = "withdrawn"
        free = {group: places - len(held[group]) for group, places in self.groups.items()}
        while True:
            for group in groups:
                for number in [n for n in held[group] if n in fallen]:
                    held[group].remove(number)
                    self.states[number] = fallen[number]
                    free[group] += 1
            if not any(free.values()):
                break
            for at, group in enumerate(groups):
                while free[group]:
                    source = next(g for g in groups[at:] + groups[:at] if reserve[g])
                    held[source].append(reserve[source].pop(0))
                    free[group] -= 1
        assert sum(map(len, held.values())) == self.plan["expert_review"]["places"]
        return [number for group in groups for number in held[group]]

    def fallen_later(self) -> dict[str, str]:
        """Who gives up a place: taken back, opposed by a department, or removed by an objection that was upheld."""
        fallen = dict.fromkeys(self.taken_back, "withdrawn")
        for row in self.table("部门反馈表.csv"):
            if row["意见"] == "不同意":
                fallen[row["申报编号"]] = "department_consultation.rejected"
        for row in self.table("异议登记表.csv"):
            if row["处理"] == "受理" and row["核查结果"] == "属实":
                fallen[row["申报编号"]] = "public_notice.removed"
        return fallen


if __name__ == "__main__":
    print("\n".join(final_list(sys.argv[1])))
