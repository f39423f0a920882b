"""`docs/how-to/test-your-round.md` is executed: each block that names a file is that file, in an empty folder."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "test-your-round.md"
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FAILS = "test_fails.py"


@dataclass(frozen=True)
class Done:
    code: int
    out: str


BLOCKS = [(match["language"], match["text"]) for match in FENCE.finditer(PAGE.read_text("utf-8"))]
FILES = {text.partition("\n")[0].removeprefix("# "): text for language, text in BLOCKS if language == "python"}
TEXTS = [text for language, text in BLOCKS if language == "text"]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    return tmp_path


def run(folder: Path, *arguments: str) -> Done:
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout + done.stderr)


def test_every_block_is_a_file_or_a_text_that_is_checked_here() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "text"}
    assert list(FILES) == [
        "oa.py",
        "test_notice_board.py",
        "test_acts.py",
        "test_time.py",
        "test_frozen.py",
        "test_with_a_stage_of_our_own.py",
        FAILS,
        "by_hand.py",
    ]
    assert len(TEXTS) == 2


def test_its_tests_pass(folder: Path) -> None:
    done = run(folder, "-m", "pytest", "-q", "-W", "error", f"--ignore={FAILS}", "--ignore=examples")

    assert (done.code, re.findall(r"^(\d+) passed in", done.out, re.MULTILINE)) == (0, ["8"]), done.out


def test_the_one_that_fails_says_what_the_page_shows(folder: Path) -> None:
    done = run(folder, "-m", "pytest", "-q", "--color=no", FAILS)

    assert done.code == 1
    assert TEXTS[0] in done.out, done.out


def test_its_tests_pass_on_a_server_too(folder: Path, postgres_server: str) -> None:
    option, _, _ = TEXTS[1].removeprefix("pytest ").partition("=")
    done = run(
        folder, "-m", "pytest", "-q", "-W", "error", f"{option}={postgres_server}", "test_time.py", "test_acts.py"
    )

    assert (done.code, re.findall(r"^(\d+) passed in", done.out, re.MULTILINE)) == (0, ["5"]), done.out


def test_its_script_runs(folder: Path) -> None:
    done = run(folder, "-W", "error", "by_hand.py")

    assert done.code == 0, done.out
    assert done.out.startswith("水表 stands in announcement.announced (已公布)\n"), done.out
