"""The input files of the first round: made anew to the byte, marked as invented, and without harm to what is real."""

import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from ganchu_stages import credit_code
from ganchu_workflow.plan import read_plan
from ganchu_workflow.plugins import Registry
from tests.first_round.recompute import Recomputed, final_list, final_states

EXAMPLE = Path(__file__).parents[2] / "examples" / "first_round"
REAL = {
    ("佳时特", "直线电机数控机床"),
    ("工埠机械", "GBM无齿轮起重机"),
    ("晶科能源", "太阳能光伏组件"),
    ("中铁国材", "电气化接触网棒形瓷绝缘子"),
    ("三川智慧", "NB-IOT无磁物联网水表"),
    ("煌上煌", "酱鸭"),
    ("联创电子", "广角镜头及影像模组"),
    ("宏柏新材料", "含硫硅烷偶联剂"),
    ("赣锋锂业", "电池级金属锂"),
    ("红叶陶瓷", "日用瓷"),
}
"""The products that the press conference of 2021-12-16 names."""
FUNNEL = {
    "self_declaration.lapsed": 10,
    "self_declaration.not_accepted": 5,
    "local_recommendation.not_recommended": 6,
    "local_recommendation.missed": 9,
    "local_recommendation.over_quota": 46,
    "qualification_check.disqualified": 16,
    "qualification_check.deemed_withdrawn": 3,
    "expert_review.not_shortlisted": 182,
    "department_consultation.rejected": 4,
    "public_notice.removed": 3,
    "withdrawn": 10,
    "announcement.announced": 136,
}
"""How many applications end where: what README.md says."""
SEEDS = (1, 2, 3, 20260101)


def make(out: Path, seed: int | None = None) -> None:
    """Run the generator as README.md says."""
    given = [] if seed is None else ["--seed", str(seed)]
    subprocess.run([sys.executable, str(EXAMPLE / "generate.py"), *given, "--out", str(out)], check=True)


def with_inputs(folder: Path, seed: int) -> Path:
    """The example with the input files of another seed."""
    make(folder / "inputs", seed)
    (folder / "plan.toml").write_bytes((EXAMPLE / "plan.toml").read_bytes())
    return folder


@pytest.fixture(scope="module", params=[None, *SEEDS], ids=lambda seed: f"seed {seed or 'committed'}")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed example, and the same with other seeds."""
    if request.param is None:
        return EXAMPLE
    return with_inputs(tmp_path_factory.mktemp("first_round"), request.param)


@pytest.fixture(scope="module")
def made(folder: Path) -> Recomputed:
    """What follows from the files."""
    return Recomputed(folder)


def test_the_plan_is_a_demonstration_of_the_seven_stages_that_the_source_names() -> None:
    plan = read_plan(EXAMPLE / "plan.toml", Registry.discover())
    assert plan.demonstration and "演示" in plan.title
    assert [stage.name for stage in plan.stages] == [
        "self_declaration",
        "local_recommendation",
        "qualification_check",
        "expert_review",
        "department_consultation",
        "public_notice",
        "announcement",
    ]


def test_what_the_plan_invents_says_so() -> None:
    sourced = ("title", "code", "timezone", "demonstration", "use", "places")
    listed = ("quota", "weights")  # marked once, where the list begins
    marked_above = False
    for line in (EXAMPLE / "plan.toml").read_text("utf-8").splitlines():
        if line.startswith("["):
            marked_above = any(line.startswith(f"[stage.{name}]") for name in listed)
            assert not marked_above or "虚构" in line
        elif " = " in line and not line.startswith((*sourced, "#", "    ")) and not marked_above:
            assert "虚构" in line or line.startswith("rules"), line


def test_made_anew_the_files_are_the_same_to_the_byte(tmp_path: Path) -> None:
    make(tmp_path)
    committed = {f.name: f.read_bytes() for f in (EXAMPLE / "inputs").iterdir()}
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == committed
    assert len(committed) == 12


def test_the_list_is_printed_as_the_readme_says() -> None:
    script = Path(__file__).with_name("recompute.py")
    printed = subprocess.run([sys.executable, script, EXAMPLE], check=True, capture_output=True, text=True).stdout
    assert printed.split() == final_list(EXAMPLE)


def test_another_seed_makes_another_round_under_the_same_plan(tmp_path: Path) -> None:
    assert final_list(with_inputs(tmp_path, 1)) != final_list(EXAMPLE)


def test_every_outcome_is_met_and_136_are_announced(made: Recomputed) -> None:
    assert Counter(made.states.values()) == FUNNEL
    assert sum(FUNNEL.values()) == 430
    assert len(set(made.announced)) == len(made.announced) == 136
    assert set(made.states) == set(made.declared)


def test_the_documented_functions_say_the_same(folder: Path, made: Recomputed) -> None:
    assert final_list(folder) == made.announced
    announced = [n for n, state in final_states(folder).items() if state == "announcement.announced"]
    assert sorted(announced) == sorted(made.announced)


def test_the_readme_states_the_funnel() -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    for state, count in FUNNEL.items():
        assert f"| `{state}` | {count} |" in readme


def test_the_real_products_are_as_the_source_has_them(made: Recomputed) -> None:
    source = tomllib.loads((EXAMPLE / "press_conference.toml").read_text("utf-8"))
    statements = {(p["enterprise"], p["product"]): p["statement"] for p in source["product"]}
    rows = [row for row in made.declared.values() if row["来源陈述"]]
    assert {(r["企业名称"], r["产品名称"]): r["来源陈述"] for r in rows} == statements
    assert set(statements) == REAL
    marks = {(r["数据性质"], r["统一社会信用代码"], r["信用代码说明"], r["所在地出处"]) for r in rows}
    assert marks == {("新闻发布会(2021-12-16)", "", "来源未载明", "非来源所载(演示所设)")}
    assert all(r["商标注册人"] == r["企业名称"] for r in rows)


def test_nothing_bad_is_said_of_a_real_product(made: Recomputed) -> None:
    real = {number for number, row in made.declared.items() if row["来源陈述"]}
    assert len(real) == 10
    assert {made.states[number] for number in real} == {"announcement.announced"}
    # Not from the reserve: each stands among the first of its group.
    for group, places in made.groups.items():
        members = [n for n in made.announced if made.declared[n]["行业分组"] == group]
        assert real & set(members) <= set(members[:places])
    assert {row["受理意见"] for row in made.table("受理登记表.csv") if row["申报编号"] in real} == {"受理"}
    checks = [row for row in made.table("资格核查登记表.csv") if row["申报编号"] in real]
    assert {(r["经营异常"], r["失信或欠税"], r["安全质量环保事故"], r["停产"], r["独立法人认定"]) for r in checks} == {
        ("否", "否", "否", "否", "符合")
    }
    replies = Counter(row["意见"] for row in made.table("部门反馈表.csv") if row["申报编号"] in real)
    assert set(replies) <= {"无意见", "不涉及"} and replies.total() == 30
    spared = ("不予推荐登记表.csv", "异议登记表.csv", "撤回登记表.csv", "补正登记表.csv")
    named = {row["申报编号"] for table in spared for row in made.table(table)}
    assert named and not named & real
    recused = {row["申报编号"] for row in made.table("评分表.csv") if row["回避"]}
    assert recused and not recused & real


def test_the_scores_of_real_products_are_marked_as_invented(made: Recomputed) -> None:
    for table in ("评分表.csv", "推荐汇总表.xlsx", "资格核查登记表.csv", "部门反馈表.csv", "受理登记表.csv"):
        assert {row["数据性质"] for row in made.table(table)} == {"虚构"}


def test_a_credit_code_is_valid_belongs_to_nobody_and_to_one_enterprise(made: Recomputed) -> None:
    holders: dict[str, str] = {}
    for row in made.declared.values():
        if row["来源陈述"]:
            continue
        code = row["统一社会信用代码"]
        assert credit_code.check(code) is None
        assert credit_code.registration_area(code) in ("369900", "399900")
        assert holders.setdefault(code, row["企业编号"]) == row["企业编号"]
        assert "示例" in row["企业名称"] and row["企业名称"].endswith("(虚构)") and row["数据性质"] == "虚构"
    assert len(set(holders.values())) == len(holders)
    names = {(row["企业编号"], row["企业名称"]) for row in made.declared.values()}
    assert len(names) == len(dict(names)) == len({name for _, name in names}) == len(holders) + 10
    # Only who is registered elsewhere, or has no code, needs a person's finding.
    asked = {row["申报编号"] for row in made.table("资格核查登记表.csv") if row["独立法人认定"]}
    assert {made.declared[n]["统一社会信用代码"][2:8] for n in asked} == {"399900", ""}
    assert len(asked) == 15


def test_no_enterprise_declares_a_product_twice(made: Recomputed) -> None:
    products = [(row["企业编号"], row["产品名称"]) for row in made.declared.values()]
    assert len(products) == len(set(products))
    per_firm = Counter(Counter(firm for firm, _ in products).values())
    assert set(per_firm) == {1, 2, 3}


def test_every_recommender_and_every_group_has_its_declarations(made: Recomputed) -> None:
    recommended = Counter(row["推荐单位"] for row in made.declared.values())
    assert len(recommended) == 12 and min(recommended.values()) == 12
    assert set(made.groups) == {row["行业分组"] for row in made.declared.values()}
    assert sum(made.groups.values()) == 136
    elsewhere = {row["所在地"] for row in made.declared.values() if row["推荐单位"] == "赣江新区"}
    assert elsewhere <= {"X-GJXQ", "360100", "360400"} and "X-GJXQ" in elsewhere


def test_the_files_hold_what_a_round_meets(made: Recomputed) -> None:
    objections = made.table("异议登记表.csv")
    assert Counter(row["处理"] + row["核查结果"] for row in objections) == {
        "受理属实": 3,
        "受理不属实": 5,
        "不予受理": 5,
    }
    assert Counter(row["匿名"] for row in objections) == {"是": 4, "否": 9}
    assert {row["方式"] for row in objections} == {"异议", "举报", "投诉"}
    assert {row["不予受理理由"] for row in objections} - {""} == {"anonymous", "no_evidence", "unrelated", "own_result"}
    corrections = Counter((row["环节"], bool(row["补正日期"])) for row in made.table("补正登记表.csv"))
    assert corrections == {
        ("self_declaration", True): 9,
        ("self_declaration", False): 2,
        ("qualification_check", True): 8,
        ("qualification_check", False): 3,
    }
    letters = {(row["推荐单位"], row["推荐函文号"]) for row in made.table("推荐汇总表.xlsx")}
    assert Counter(Counter(who for who, _ in letters).values()) == {1: 11, 2: 1}
    facts = made.table("资格核查登记表.csv")
    for fact in ("经营异常", "失信或欠税", "安全质量环保事故", "停产"):
        assert sum(row[fact] == "是" for row in facts) >= 2
    opinions = Counter(row["意见"] for row in made.table("部门反馈表.csv"))
    assert set(opinions) == {"无意见", "有意见但不反对", "不涉及", "不同意"} and opinions["不同意"] == 4
    assert len(made.table("撤回登记表.csv")) == 8


def test_a_tie_is_cut_and_a_short_group_borrows_a_place(made: Recomputed) -> None:
    scores = made.scores()
    ranked = {
        group: sorted((scores[n] for n in scores if made.declared[n]["行业分组"] == group), reverse=True)
        for group in made.groups
    }
    assert ranked["食品"][16 - 1] == ranked["食品"][16]
    assert ranked["电子信息"][16 + 5 - 1] == ranked["电子信息"][16 + 5]
    assert len(ranked["汽车航空"]) == made.groups["汽车航空"] - 1
    announced = Counter(made.declared[n]["行业分组"] for n in made.announced)
    assert {g: announced[g] - made.groups[g] for g in made.groups if announced[g] != made.groups[g]} == {
        "装备制造": 1,
        "汽车航空": -1,
    }


def test_every_file_begins_with_the_mark_in_the_encoding_that_is_documented() -> None:
    files = {f.name: f.read_bytes() for f in (EXAMPLE / "inputs").iterdir()}
    gb18030 = {"资格核查登记表.csv", "部门反馈表.csv"}
    workbooks = {"推荐汇总表.xlsx", "分组名额.xlsx"}
    mark = "# 演示数据(虚构)"
    for name, content in files.items():
        if name in workbooks:
            assert content.startswith(b"PK") and mark.encode() in content
        elif name in gb18030:
            assert content.startswith(mark.encode("gb18030"))
        else:
            assert content.startswith(b"\xef\xbb\xbf" + mark.encode())


def test_a_row_of_every_file_says_that_it_is_invented(made: Recomputed) -> None:
    for path in (made.inputs).iterdir():
        natures = {row["数据性质"] for row in made.table(path.name)}
        assert natures <= {"虚构", "新闻发布会(2021-12-16)"}
        assert "虚构" in natures


def test_a_real_product_stands_before_all_invented_ones_of_its_letter(made: Recomputed) -> None:
    letters: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    for row in made.table("推荐汇总表.xlsx"):
        real = (row["企业名称"], row["产品名称"]) in REAL
        letters.setdefault((row["推荐单位"], row["推荐函文号"]), []).append((int(row["排序"]), real))

    assert sum(real for ranks in letters.values() for _, real in ranks) == len(REAL)
    assert [[real for _, real in sorted(ranks)] for ranks in letters.values()] == [
        sorted((real for _, real in ranks), reverse=True) for ranks in letters.values()
    ]
