"""Every fenced block of the how-to is executed: the Python as one script, then each `bash` block, in one folder."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.packaging.test_readme import ROOT, blocks_of, run

PAGE = "docs/how-to/notifications.md"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    return tmp_path


def test_the_page_does_what_it_says(folder: Path) -> None:
    blocks = blocks_of(PAGE)
    lines: list[str] = []
    for block in blocks:
        if block.language == "python":
            lines += [""] * (block.first_line - 1 - len(lines)) + block.text.splitlines()
    (folder / "page.py").write_text("\n".join(lines) + "\n", "utf-8")
    run(folder, sys.executable, "-W", "error", "page.py")
    for block in blocks:
        if block.language == "bash":
            run(folder, "bash", "-euo", "pipefail", "-c", block.text)
        elif block.language == "toml":
            assert list(tomllib.loads(block.text)) == ["visit_due"]

    assert {b.language for b in blocks} == {"python", "bash", "toml"}
    assert len(list((folder / "mail").iterdir())) == 2


def test_the_table_of_channels_is_that_of_what_is_installed() -> None:
    text = (ROOT / PAGE).read_text("utf-8")
    program = "from ganchu_workflow.plugins import *; print(*sorted(Registry.discover(CHANNELS).plugins))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    table = text.partition("| channel |")[2].partition("\n\n")[0]
    named = sorted(line.split("`")[1] for line in table.splitlines() if line.startswith("| `"))
    assert named == done.stdout.split()
