"""docs/how-to/import-an-offices-files.md is executed, and what its commands print is what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "import-an-offices-files.md").read_text("utf-8")
BLOCKS = [(m[1], m[2]) for m in re.finditer(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    script = ["set -euo pipefail"]
    python: list[str] = []
    said: dict[int, str] = {}
    for number, (language, text) in enumerate(BLOCKS):
        if language == "bash":
            script.append(f"{{\n{text}}} > {number}.out 2>&1")
        elif language == "python":
            python.append(text)
        else:
            assert (language, BLOCKS[number - 1][0]) == ("text", "bash")
            said[number - 1] = text
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTEST_ADDOPTS", "GANCHU_DB")}
    path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    environment |= {"PATH": path, "LC_ALL": "C.UTF-8"}

    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    printed = {int(p.stem): p.read_bytes().decode("utf-8").replace("\r", "") for p in tmp_path.glob("*.out")}
    assert done.returncode == 0, (done.stderr, printed)
    assert {n: printed[n] for n in said} == said
    assert (tmp_path / "问题.csv").read_text("utf-8-sig").count("\n") == 4

    (tmp_path / "page.py").write_text("\n".join(python), "utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert len(said) == 5
