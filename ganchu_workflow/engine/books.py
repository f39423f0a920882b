"""The rulebooks of rounds: each pinned plan, assembled from the stages that are installed now."""

from __future__ import annotations

from typing import Any

from ganchu_workflow.engine.drift import warn_of_changed_code
from ganchu_workflow.engine.rows import Rows
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.errors import DefinitionChanged, Unknown
from ganchu_workflow.plan import Plan, read_plan
from ganchu_workflow.plugins import Registry, own_distribution
from ganchu_workflow.process.definition import Process


class Books:
    """Rulebooks by round; each is assembled once, when it is first asked for."""

    def __init__(self, stages: Registry) -> None:
        self.stages = stages
        self._books: dict[str, Rulebook] = {}

    def of_plan(self, plan: Plan) -> Rulebook:
        """The rulebook of a plan."""
        distributions = {"ganchu_workflow": own_distribution(), **self.stages.distributions()}
        return Rulebook(plan.process, plan.zone, plan.close_of_business, plan.digest, plan.demonstration, distributions)

    def process_of(self, round_id: str) -> Process | None:
        """The process of a round whose rulebook has been assembled here; None of any other."""
        book = self._books.get(round_id)
        return None if book is None else book.process

    def of_round(self, round_id: str, rows: Rows) -> Rulebook:
        """The rulebook of a round: its pinned plan, assembled from the code that runs now, which must mean the same.

        Raises `Unknown` when there is no such round, `DefinitionChanged` when the code means something else.
        """
        if round_id not in self._books:
            found = rows.cases([round_id])
            if not found or found[0].kind != "round":
                raise Unknown(f"there is no round '{round_id}'", case=round_id)
            facts = found[0].facts
            book = self.of_plan(read_plan(facts["plan"], self.stages))
            if book.fingerprint != facts["definition"]:
                raise DefinitionChanged(
                    f"the installed stages define another process than the one round {facts['code']} was opened with "
                    f"({book.fingerprint[:12]} instead of {facts['definition'][:12]}); "
                    "install the versions it was opened with",
                    round=round_id,
                    running=book.fingerprint,
                    pinned=facts["definition"],
                )
            warn_of_changed_code(rows.link, round_id, book)
            self._books[round_id] = book
        return self._books[round_id]


def opening_of(plan: Plan, book: Rulebook) -> dict[str, Any]:
    """What a round is opened with: the plan it is pinned to, the process that plan describes, and its phases."""
    return {
        "title": plan.title,
        "code": plan.code,
        "plan": plan.document(),
        "definition": book.fingerprint,
        "demonstration": plan.demonstration,
        "phases": [{"stage": s.name, "opens_at": s.opens_at, "closes_at": s.closes_at} for s in plan.stages],
    }
