"""The clerk's walk through a round is run as it stands: one terminal, from top to bottom, in an empty folder."""

import subprocess
import tomllib
from pathlib import Path

from ganchu_stages.notice_forms import PublicNoticeSettings
from tests.cli.command import workflow
from tests.packaging.test_readme import ROOT, blocks_of, environment_of

PAGE = "docs/how-to/run-a-round.md"


def test_the_page_runs_and_says_what_comes_out(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    blocks = blocks_of(PAGE)
    assert {b.language for b in blocks} == {"bash", "text", "toml"}
    (stage,) = tomllib.loads("".join(b.text for b in blocks if b.language == "toml"))["stage"]
    assert PublicNoticeSettings(**{k: v for k, v in stage.items() if k != "use"}).desk is not None
    script = "\n".join(b.text for b in blocks if b.language == "bash")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, env=environment_of(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout.splitlines()
    told = [line for b in blocks if b.language == "text" for line in b.text.splitlines()]
    assert [line for line in told if line not in shown] == []

    with workflow(f"sqlite:///{tmp_path / 'round.db'}") as wf:
        (round_,) = wf.rounds()
        applications = wf.cases(round_, "application")
        ended = {str(a.facts["number"]): a.state for a in applications}
        assert wf.verify().ok
    assert (round_.state, ended) == (
        "closed",
        {
            "GC2021-0001": "qualification_check.disqualified",
            "GC2021-0002": "announcement.announced",
            "GC2021-0003": "announcement.announced",
            "GC2021-0004": "announcement.announced",
            "GC2021-0005": "expert_review.not_shortlisted",
            "GC2021-0006": "expert_review.not_shortlisted",
        },
    )
    paper = (tmp_path / "papers" / "announcement-1.html").read_text("utf-8")
    printed = {str(a.facts["number"]) for a in applications if str(a.facts["product"]) in paper}
    assert printed == {"GC2021-0002", "GC2021-0003", "GC2021-0004"}
