"""Every fenced block of docs/time.md is executed, what it prints stands below it, and its table is read back."""

import re
import sys
from pathlib import Path

import pytest

from ganchu_workflow.timing import parse_limit
from tests.packaging.test_readme import ROOT, blocks_of, run

PAGE = "docs/time.md"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tomls,) = (block for block in blocks_of(PAGE) if block.language == "toml")
    (tmp_path / "2027.toml").write_text(tomls.text, "utf-8")
    return tmp_path


def test_the_page_does_and_prints_what_it_says(folder: Path) -> None:
    blocks = blocks_of(PAGE)
    lines: list[str] = []
    printed = ""
    for number, block in enumerate(blocks):
        shown = blocks[number + 1].text if blocks[number + 1 :] and blocks[number + 1].language == "text" else ""
        if block.language == "python":
            lines += [""] * (block.first_line - 1 - len(lines)) + block.text.splitlines()
            printed += shown
        elif block.language == "bash":
            assert run(folder, "bash", "-euo", "pipefail", "-c", block.text) == shown
    (folder / "page.py").write_text("\n".join(lines) + "\n", "utf-8")

    assert run(folder, sys.executable, "-W", "error", "page.py") == printed
    assert {block.language for block in blocks} == {"python", "text", "bash", "toml"}


def test_the_table_of_rules_is_what_they_are_called() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", (ROOT / PAGE).read_text("utf-8"), re.MULTILINE)
    rules = [row for row in rows if "_" not in row[0]]

    assert len(rules) == 9
    for text, zh, en in rules:
        limit = parse_limit(text)
        assert (str(limit), limit.label_zh(), limit.label_en()) == (text, zh, en)
