"""`docs/how-to/write-a-stage.md` is carried out as it stands: from an empty folder to a stage in a plan.

A block whose fence names a file is written; a `bash` block is run; a `text` block after it is what it printed. `pip
install .` needs an index for its build, so here the wheel is built and unpacked offline.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.installing import ROOT, install

PAGE = ROOT / "docs" / "how-to" / "write-a-stage.md"
FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<path>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALL = "pip install ."


def blocks() -> list[tuple[str, str | None, str]]:
    return [(m["language"], m["path"], m["text"]) for m in FENCE.finditer(PAGE.read_text("utf-8"))]


class Reader:
    """Somebody who does what the page says, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.site = folder / "site"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "GANCHU_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = kept | {"PYTHONPATH": str(self.site), "PATH": path, "LC_ALL": "C.UTF-8"}

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def run(self, commands: str) -> str:
        """Run the commands; what they printed."""
        if INSTALL in commands.splitlines():
            for made in (self.site, self.site.with_name("site-wheels")):
                shutil.rmtree(made, ignore_errors=True)
            install(self.folder, self.site)
        rest = "\n".join(line for line in commands.splitlines() if line != INSTALL)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", rest],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        assert "pip " not in rest
        return done.stdout


@pytest.fixture(name="reader")
def _reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_the_page_leads_from_an_empty_folder_to_a_stage_in_a_plan(reader: Reader) -> None:
    printed = ""
    for language, path, text in blocks():
        if path is not None:
            reader.write(path, text)
        elif language == "bash":
            printed = reader.run(text)
        else:
            assert (language, text) == ("text", printed)

    assert (reader.site / "ganchu_sample_test" / "messages" / "zh-CN" / "sample_test_ordered.txt").is_file()
    assert "✓ sample_test  ganchu-sample-test 0.1.0 (ganchu_sample_test:SampleTest)\n" in printed
    assert "\n✓ 批次 / round DEMO-1 " in printed


def test_the_page_has_no_block_that_nothing_reads() -> None:
    text = PAGE.read_text("utf-8")

    assert text.count("\n```") == 2 * len(blocks())
    assert {language for language, path, _ in blocks() if path is None} == {"bash", "text"}
