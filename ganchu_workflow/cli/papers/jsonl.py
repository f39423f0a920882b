"""The full history of a round as JSON lines: one canonical event a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TextIO

from ganchu_workflow.canonical import encode
from ganchu_workflow.cli.papers.wording import mark_of
from ganchu_workflow.workflow import Workflow

# What `canonical.encode` writes. Its check of every value is left out, since the facade has just made it: with it this
# takes twice as long.
_TEXT = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def history_lines(workflow: Workflow, round_id: str) -> Iterator[str]:
    """Every event of a round, each as one line of canonical JSON with its digest, without the line's end.

    Order: case by case in the order of opening, inside a case by its number (`seq`). In a demonstration the first line
    is its mark. Private values are not in the events: in their place stands the commitment. One case is held at a time.
    """
    mark = mark_of(workflow.case(round_id).facts)
    if mark:
        yield encode({"mark": mark})
    for case_id in [case.id for case in workflow.cases(round_id)]:
        for event in workflow.history(case_id):
            yield _TEXT.encode(event)


def write_history(workflow: Workflow, round_id: str, out: TextIO) -> int:
    """Write `history_lines` to an open text file (UTF-8, line ends as they are); the number of lines written."""
    count = 0
    for count, line in enumerate(history_lines(workflow, round_id), start=1):  # noqa: B007
        out.write(line + "\n")
    return count
