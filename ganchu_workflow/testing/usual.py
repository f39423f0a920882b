"""The usual act in each state of the stages that come with the library: the shortest way to the announcement."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ganchu_workflow.actors import Role
from ganchu_workflow.testing.acts import Acts

Usual = Callable[..., object]
"""What is usually done where applications stand: `lambda script, *names: …`."""


def _recommend(script: Acts, *names: str) -> None:
    by_city: dict[str, list[str]] = {}
    for name in names:
        by_city.setdefault(script.case(name).parties[Role.LOCAL_AUTHORITY], []).append(name)
    for of_one in by_city.values():
        script.recommend(*of_one)


def _score(script: Acts, *names: str) -> None:
    """Each a little lower than the one before, so that they rank as they are named."""
    for place, name in enumerate(names):
        script.score(name, *[max(99 - place, 0)] * len(script.sheets(name, "assigned")))


def _consult(script: Acts, *names: str) -> None:
    waiting = {name: script.children(name, "consultation") for name in names}
    if new := [name for name in names if all(script.process.is_final(asked) for asked in waiting[name])]:
        script.consult(*new)
    for name in names:
        script.reply(name)


USUAL: Mapping[str, Usual] = {
    "self_declaration.draft": Acts.submit,
    "self_declaration.submitted": Acts.accept,
    "local_recommendation.pending": _recommend,
    "qualification_check.checking": Acts.qualify,
    "expert_review.grouping": Acts.panel,
    "expert_review.scoring": _score,
    "expert_review.scored": Acts.rank,
    "department_consultation.consulting": _consult,
    "deliberation.tabled": Acts.approve,
    "public_notice.listed": Acts.notice,
    "announcement.decided": Acts.announce,
}
"""State (of a stage by the name it has in plans' `use`) → what is usually done there. Where the clock is waited for,
time moves on to the next deadline."""
