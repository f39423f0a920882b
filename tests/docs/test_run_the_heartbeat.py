"""Every block of docs/how-to/run-the-heartbeat.md is run: scripts and commands as they are, unit and cron by parts."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from ganchu_workflow import Workflow
from tests.cli.command import ganchu

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/run-the-heartbeat.md").read_text("utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
INSTALLED = "/opt/ganchu/bin/ganchu"


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout.decode()


def test_the_page_has_only_blocks_that_are_run() -> None:
    assert [language for language, _ in BLOCKS] == ["python", "python", "bash", "ini", "text", "python", "bash"]


def test_the_python_of_the_page_runs(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks("python")), "utf-8")

    run(tmp_path, sys.executable, "-W", "error", str(script))


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    said = run(tmp_path, "bash", "-euo", "pipefail", "-c", blocks("bash")[0]).splitlines()

    assert said[0] == "数据库已就绪 / the database is up to date"
    assert [line.partition("  ")[2][:2] for line in said[1:]] == ["开始", "已停"]


def test_what_is_late_is_shown(tmp_path: Path) -> None:
    said = run(tmp_path, "bash", "-euo", "pipefail", "-c", blocks("bash")[1]).splitlines()

    assert said[1:] == ["已触发 0 项 / fired 0", "逾期未触发 0 项 / late: 0", "逾期未触发 0 项 / late: 0"]


def test_the_service_runs_a_command_that_there_is(sqlite_url: str, tmp_path: Path) -> None:
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(blocks("ini")[0])
    program, *args = shlex.split(unit["Service"]["ExecStart"])

    done = ganchu(*args, "--once", cwd=tmp_path, env={"GANCHU_DB": sqlite_url})

    assert (program, args[0], done.code, done.err) == (INSTALLED, "worker", 0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze: install systemd")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "ganchu-worker.service"
    # It looks whether the program and the user are there.
    text = blocks("ini")[0].replace(INSTALLED, sys.executable).replace("User=ganchu", "User=daemon")
    unit.write_text(text, "utf-8")

    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)

    assert [line for line in done.stderr.splitlines() if "ganchu-worker" in line] == []


def test_the_line_for_cron_runs(sqlite_url: str, tmp_path: Path) -> None:
    fields = blocks("text")[0].split(maxsplit=5)
    command = fields[5].strip().replace("/var/lib/ganchu", str(tmp_path)).replace(INSTALLED, "ganchu")

    said = run(tmp_path, "env", f"GANCHU_DB={sqlite_url}", "sh", "-c", command)

    assert (len(fields), said) == (6, "已触发 0 项 / fired 0\n")


def test_the_options_of_the_address_are_understood(postgres_url: str) -> None:
    [options] = re.findall(r"postgresql://…/round\?([^`]*)`", PAGE)
    url = make_url(postgres_url).update_query_string(options)
    workflow = Workflow(url.render_as_string(hide_password=False))

    assert workflow.rounds() == []
    workflow.database.dispose()
