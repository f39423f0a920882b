"""What the import linter's contracts do not say: no circles, and the list of stages is whole."""

import tomllib
from pathlib import Path

import grimp

CONFIG = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))


def test_every_stage_is_in_the_contract_that_parts_them() -> None:
    (contract,) = [
        each for each in CONFIG["tool"]["importlinter"]["contracts"] if each["name"] == "No stage imports another stage"
    ]
    points = CONFIG["project"]["entry-points"]["ganchu_workflow.stages"]

    assert contract["modules"] == [reference.partition(":")[0] for reference in points.values()]


def test_no_module_imports_itself_by_a_roundabout_way() -> None:
    """Imports for type checkers only count as well: a reader follows them like any other."""
    graph = grimp.build_graph("ganchu_workflow", "ganchu_stages", "ganchu_notifications")
    circles = {
        module: sorted(back)
        for module in graph.modules
        if (back := graph.find_modules_directly_imported_by(module) & graph.find_downstream_modules(module))
    }

    assert (len(graph.modules) > 60, circles) == (True, {})


def test_no_module_is_longer_than_400_lines() -> None:
    root = Path(__file__).parents[2]
    folders = ("ganchu_workflow", "stages", "notifications")
    lengths = {p: len(p.read_text("utf-8").splitlines()) for f in folders for p in (root / f).rglob("*.py")}

    assert {p.name: n for p, n in lengths.items() if n > 400} == {}
