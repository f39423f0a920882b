"""`ganchu process diagram` as a user meets it: what it prints, what it writes, what it refuses."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from ganchu_workflow.plan import read_plan
from ganchu_workflow.plugins import Registry
from ganchu_workflow.process.diagram import life_cycle, life_cycle_names, life_cycle_svg, map_svg, process_map
from tests.cli.command import ROOT, Done, ganchu

EXAMPLE = ROOT / "examples/plan.toml"
MARK = "演示数据·非官方文件"
DIAGRAM = ("process", "diagram")


def said_by(folder: Path, *args: str) -> Done:
    return ganchu(*DIAGRAM, *args, cwd=folder)


def test_without_options_the_map_is_printed_as_mermaid(tmp_path: Path, plan: Path) -> None:
    done = said_by(tmp_path, str(plan))

    assert done == Done(0, process_map(read_plan(plan, Registry.discover()).process), "")


def test_kind_and_stage_print_their_life_cycle(tmp_path: Path) -> None:
    process = read_plan(EXAMPLE, Registry.discover()).process

    for option, name in (("--kind", "notice"), ("--stage", "public_notice")):
        drawn = life_cycle(process, f"{option.removeprefix('--')}:{name}")
        assert said_by(tmp_path, str(EXAMPLE), option, name).out == f"%% {MARK}\n{drawn}"


def test_markdown_has_a_heading_and_the_mark_of_a_demonstration(tmp_path: Path, plan: Path) -> None:
    process = read_plan(plan, Registry.discover()).process

    done = said_by(tmp_path, str(plan), "--format", "markdown")
    assert done.out == f"# 虚构批次 · 流程总图\n\n```mermaid\n{process_map(process)}```\n"
    assert said_by(tmp_path, str(EXAMPLE), "--kind", "notice", "--format", "markdown").out.splitlines()[:5] == [
        "# 评选演示(虚构数据) · 公示",
        "",
        MARK,
        "",
        "```mermaid",
    ]


@pytest.mark.parametrize(("name", "given"), [("a.svg", ()), ("a.txt", ("--format", "svg"))])
def test_the_form_follows_the_suffix_or_is_said(tmp_path: Path, name: str, given: tuple[str, ...]) -> None:
    plan = read_plan(EXAMPLE, Registry.discover())

    done = said_by(tmp_path, str(EXAMPLE), "--out", f"new/{name}", *given)

    assert done == Done(0, "", "")
    expected = map_svg(plan.process, title=plan.title, mark=MARK)
    assert (tmp_path / "new" / name).read_bytes() == expected.encode()


def test_only_a_demonstration_is_marked(tmp_path: Path, plan: Path) -> None:
    for form in ("svg", "mermaid", "markdown"):
        assert MARK not in said_by(tmp_path, str(plan), "--format", form).out
        assert MARK in said_by(tmp_path, str(EXAMPLE), "--format", form).out


def test_all_writes_the_map_and_every_life_cycle(tmp_path: Path) -> None:
    plan = read_plan(EXAMPLE, Registry.discover())
    names = life_cycle_names(plan.process)
    expected = {"map.svg": map_svg(plan.process, title=plan.title, mark=MARK)} | {
        f"{name.replace(':', '-')}.svg": life_cycle_svg(plan.process, name, title=plan.title, mark=MARK)
        for name in names
    }

    done = said_by(tmp_path, str(EXAMPLE), "--all", "--format", "svg", "--out", "pictures")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [f"pictures/{name}" for name in expected]
    assert {p.name: p.read_text("utf-8") for p in (tmp_path / "pictures").iterdir()} == expected
    assert [ElementTree.fromstring(text).tag for text in expected.values()] == (
        ["{http://www.w3.org/2000/svg}svg"] * (len(names) + 1)
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ("--kind", "application"),
            "an application's life cycle is drawn stage by stage; "
            "name one of the stages: self_declaration, announcement",
        ),
        (
            ("--kind", "rund"),
            "this plan has no kind 'rund'; did you mean 'round'? "
            "there are these kinds: round, phase, announcement_act, recognition, revocation",
        ),
        (
            ("--stage", "round"),
            "this plan has no stage 'round'; there are these stages: self_declaration, announcement",
        ),
        (
            ("--stage", "stage:announcement"),
            "this plan has no stage 'stage:announcement'; did you mean 'announcement'? "
            "there are these stages: self_declaration, announcement",
        ),
        (("--all",), "--all writes many files: give the folder with  --out FOLDER"),
        (("--all", "--out", "plan.toml"), "--all writes many files: give the folder with  --out FOLDER"),
        (("--out", "."), "--out: '.' is a folder; give the path of a file, or --all to fill the folder"),
        (("--out", "plan.toml/a.svg"), "--out: 'plan.toml/a.svg' cannot be written: "),
        (
            ("--kind", "round", "--all", "--out", "x"),
            "--kind, --stage and --all exclude one another; give one of them, or none for the map",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(
    tmp_path: Path, plan: Path, given: tuple[str, ...], message: str
) -> None:
    before = plan.read_bytes()

    done = said_by(tmp_path, "plan.toml", *given)

    assert (done.code, done.out) == (2, "")
    head, said = done.err.split("\n", 1)
    assert head.startswith("错误 / error [")
    # What the system says about a path is its own affair.
    assert said.startswith(message) if message.endswith(": ") else said == f"{message}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.toml"]
    assert plan.read_bytes() == before
