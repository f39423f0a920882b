"""Every Python and terminal block of docs/how-to/change-a-deadline.md is executed, in its order, as one script."""

import sys
from pathlib import Path

from tests.packaging.test_readme import blocks_of, run

PAGE = "docs/how-to/change-a-deadline.md"
TERMINAL = '''\
import os
import subprocess


def terminal(command, shown):
    """Run what a clerk types about 茶油, and hold it against what the page shows."""
    names = {"$case": script.id("茶油"), "$round": script.round}
    environment = os.environ | {name[1:]: id for name, id in names.items()} | {"GANCHU_DB": "sqlite:///round.db"}
    printed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    for name, id in names.items():
        printed = printed.replace(id, name)
    assert printed == shown, printed
'''


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    blocks = blocks_of(PAGE)
    lines = TERMINAL.splitlines()
    ran = {"python": 0, "bash": 0}
    for number, block in enumerate(blocks):
        lines += [""] * (block.first_line - 1 - len(lines))
        if block.language == "python":
            lines += block.text.splitlines()
        elif block.language == "bash":
            lines.append(f"terminal({block.text!r}, {blocks[number + 1].text!r})")
        ran |= {block.language: ran.get(block.language, 0) + 1}
    (tmp_path / "page.py").write_text("\n".join(lines) + "\n", "utf-8")

    assert run(tmp_path, sys.executable, "-W", "error", "page.py") == ""
    assert (ran["python"], ran["bash"]) == (7, 3)
