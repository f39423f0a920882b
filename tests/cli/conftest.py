"""A small round for the command to work on: its window is open for a lifetime, so that the real clock does no harm."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow import Actor, Role
from tests.cli.command import workflow

OPEN = "{ opens = 2020-01-01T09:00:00, closes = 2099-12-31T17:30:00 }"
PLAN = f"""\
title = "虚构批次"
code = "T-1"

[[stage]]
use = "self_declaration"
window = {OPEN}
cities = {{ "DEMO-A" = "东市(虚构)" }}

[[stage]]
use = "announcement"
"""
DECLARATION: dict[str, Any] = {
    "enterprise": "示例企业(虚构)",
    "credit_code": "91369900MA00000152",
    "product": "示例产品",
    "city": "DEMO-A",
    "recommender": "DEMO-A",
    "trademark": {"number": "DEMO-1", "owner": "91369900MA00000152"},
    "contact": "演示联系人",
}
OFFICE = Actor(Role.OFFICE)
FIRM = Actor(Role.APPLICANT, "E1")


def as_json(**changes: Any) -> str:
    """The declaration as a command takes it, with some fields changed or, with None, left out."""
    return json.dumps({k: v for k, v in (DECLARATION | changes).items() if v is not None}, ensure_ascii=False)


@dataclass(frozen=True)
class Scene:
    """A database with a started round, and in it a draft under the key `k1`."""

    url: str
    folder: Path
    round: str
    draft: str


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, "utf-8")
    return path


@pytest.fixture
def scene(database_url: str, tmp_path: Path, plan: Path) -> Scene:
    with workflow(database_url) as wf:
        opened = wf.open_round(plan, actor=OFFICE).case_id
        wf.fire(opened, "start", actor=OFFICE)
        wf.tick()
        draft = wf.open("application", DECLARATION, actor=FIRM, key="k1").case_id
    return Scene(database_url, tmp_path, opened, draft)
