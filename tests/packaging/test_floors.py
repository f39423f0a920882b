"""The list of stages that must not know each other is kept by hand; this keeps it whole."""

import tomllib
from pathlib import Path

CONFIG = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))


def test_every_stage_is_in_the_contract_that_parts_them() -> None:
    (contract,) = [
        each for each in CONFIG["tool"]["importlinter"]["contracts"] if each["name"] == "No stage imports another stage"
    ]
    points = CONFIG["project"]["entry-points"]["ganchu_workflow.stages"]

    assert contract["modules"] == [reference.partition(":")[0] for reference in points.values()]
