"""Every fenced block of the two READMEs is executed, or at least parsed.

The Python blocks of a README are one script, in their order, but for those that hold tests, which pytest runs; then
each `bash` block is run; all in an empty folder that has `examples/` in it. The two commands for a fresh machine
install from the network: `.ci/run` runs those.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
INSTALLS = ("&& ganchu demo", "&& pytest")
SHOWN = {"text", "mermaid"}
HOLDS_TESTS = re.compile(r"^def test_", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    first_line: int
    text: str


def blocks_of(name: str) -> list[Block]:
    text = (ROOT / name).read_text("utf-8")
    return [
        Block(match["language"], text.count("\n", 0, match.start("text")) + 1, match["text"])
        for match in re.finditer(r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    return tmp_path


def environment_of() -> dict[str, str]:
    """The environment of a user who has activated the tests' virtual environment."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    return environment


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=environment_of(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", READMES)
def test_python_of_the_readme_runs(name: str, folder: Path) -> None:
    lines: list[str] = []
    for block in blocks_of(name):
        if block.language == "python" and not HOLDS_TESTS.search(block.text):
            # Blank lines before it, so that a traceback shows the line of the README.
            lines += [""] * (block.first_line - 1 - len(lines)) + block.text.splitlines()
    script = folder / f"{name}.py"
    script.write_text("\n".join(lines) + "\n", "utf-8")

    run(folder, sys.executable, "-W", "error", str(script))


@pytest.mark.parametrize("name", READMES)
def test_tests_of_the_readme_pass(name: str, folder: Path) -> None:
    tests = [block.text for block in blocks_of(name) if block.language == "python" and HOLDS_TESTS.search(block.text)]
    (folder / "test_readme.py").write_text("\n\n".join(tests), "utf-8")

    done = run(folder, sys.executable, "-m", "pytest", "-q", "-W", "error", "--ignore=examples")
    assert re.search(r"^1 passed in", done, re.MULTILINE), done


@pytest.mark.parametrize("name", READMES)
def test_commands_of_the_readme_run(name: str, folder: Path) -> None:
    for block in blocks_of(name):
        commands = [line for line in block.text.splitlines() if not line.rstrip().endswith(INSTALLS)]
        if block.language == "bash" and commands:
            run(folder, "bash", "-euo", "pipefail", "-c", "\n".join(commands))


@pytest.mark.parametrize("name", READMES)
def test_data_of_the_readme_can_be_read(name: str) -> None:
    readers = {"json": json.loads, "toml": tomllib.loads}
    unreadable = []
    for block in blocks_of(name):
        if reader := readers.get(block.language):
            try:
                reader(block.text)
            except ValueError as error:
                unreadable.append((block.first_line, str(error)))

    assert unreadable == []


@pytest.mark.parametrize("name", READMES)
def test_readme_has_no_block_that_nothing_checks(name: str) -> None:
    known = {"python", "bash", "json", "toml"} | SHOWN

    assert [(block.first_line, block.language) for block in blocks_of(name) if block.language not in known] == []


@pytest.mark.parametrize("ending", INSTALLS)
def test_both_readmes_give_the_same_two_commands(ending: str) -> None:
    commands = [
        [line for block in blocks_of(name) if block.language == "bash" for line in block.text.splitlines()]
        for name in READMES
    ]

    english, chinese = ([line for line in lines if line.rstrip().endswith(ending)] for lines in commands)
    assert len(english) == 1
    assert english == chinese
