"""Every Python block of docs/how-to/change-a-deadline.md is executed, in its order, as one script."""

import sys
from pathlib import Path

from tests.packaging.test_readme import blocks_of, run

PAGE = "docs/how-to/change-a-deadline.md"


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    blocks = blocks_of(PAGE)
    lines: list[str] = []
    for block in blocks:
        if block.language == "python":
            lines += [""] * (block.first_line - 1 - len(lines)) + block.text.splitlines()
    (tmp_path / "page.py").write_text("\n".join(lines) + "\n", "utf-8")

    assert run(tmp_path, sys.executable, "-W", "error", "page.py") == ""
    assert [block.language for block in blocks].count("python") == 6
