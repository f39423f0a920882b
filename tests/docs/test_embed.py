"""Every fenced block of the pages on embedding is executed: those of a page are one script, in an empty folder."""

import sys
from pathlib import Path

import pytest

from ganchu_workflow import Workflow
from tests.packaging.test_readme import ROOT, blocks_of, run

PAGES = ("docs/how-to/embed-in-flask.md", "docs/how-to/embed-in-fastapi.md", "docs/how-to/embed-in-django.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    blocks = blocks_of(page)
    lines: list[str] = []
    for block in blocks:
        # Blank lines before it, so that a traceback shows the line of the page.
        lines += [""] * (block.first_line - 1 - len(lines)) + block.text.splitlines()
    (tmp_path / "page.py").write_text("\n".join(lines) + "\n", "utf-8")

    run(tmp_path, sys.executable, "-W", "error", "page.py")

    assert {block.language for block in blocks} == {"python"}
    workflow = Workflow(f"sqlite:///{tmp_path / 'oa.db'}")
    [case] = workflow.cases(workflow.rounds()[0], "application")
    assert [event["trigger"] for event in workflow.history(case)] == [
        "self_declaration.declare",
        "self_declaration.submit",
    ]
    workflow.database.dispose()


@pytest.mark.parametrize("page", ["docs/host-transactions.md", *PAGES])
def test_its_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    targets = [part.partition(")")[0] for part in text.split("](")[1:]]

    assert [target for target in targets if not ((ROOT / page).parent / target).is_file()] == []


def test_both_readmes_lead_to_the_pages() -> None:
    for readme in ("README.md", "README.zh-CN.md"):
        text = (ROOT / readme).read_text("utf-8")
        assert [page for page in PAGES if f"({page})" not in text] == []
