"""The State Council's notices from a second source, and the calendar under test."""

import json
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow.timing import WorkingCalendar


@pytest.fixture(scope="session")
def calendar() -> WorkingCalendar:
    """The built-in calendar up to 2026, whatever later years the installed chinesecalendar has learnt."""
    document = WorkingCalendar.built_in().document()
    known = {year: notice for year, notice in document["years"].items() if int(year) <= 2026}
    return WorkingCalendar.from_document({**document, "years": known})


@pytest.fixture(scope="session")
def notices() -> dict[str, Any]:
    """By year, the days off and the make-up working days: facts gathered independently of chinesecalendar."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("notices.json").read_text("utf-8"))
    del found["source"]
    return found
