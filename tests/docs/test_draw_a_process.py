"""Every block of docs/how-to/draw-a-process.md is run, in an empty folder that has `examples/` in it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/draw-a-process.md").read_text("utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_page_has_only_blocks_that_are_run() -> None:
    assert [language for language, _ in BLOCKS] == ["bash", "python"]


def test_the_commands_draw_what_the_page_says(folder: Path) -> None:
    said = run(folder, "bash", "-euo", "pipefail", "-c", BLOCKS[0][1])

    assert [line for line in said.splitlines() if line.startswith("flowchart")] == ["flowchart TB", "flowchart LR"]
    drawn = [folder / "map.svg", folder / "notice.svg", *sorted((folder / "pictures").iterdir())]
    assert len(drawn) == 2 + 1 + 8 + 13  # the map, 8 stages, 13 kinds
    assert {ElementTree.parse(path).getroot().tag for path in drawn} == {"{http://www.w3.org/2000/svg}svg"}


def test_the_python_of_the_page_runs(folder: Path) -> None:
    script = folder / "page.py"
    script.write_text(BLOCKS[1][1], "utf-8")

    run(folder, sys.executable, "-W", "error", str(script))

    assert sorted(p.name for p in folder.iterdir()) == ["examples", "map.mmd", "map.svg", "notice.svg", "page.py"]
