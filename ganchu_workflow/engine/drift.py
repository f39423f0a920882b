"""Whether the code that runs now is the code that wrote a round's last events.

That it defines the same process is asked elsewhere, and refused where it does not: this is about what the fingerprint
cannot see, the body of a rule that was changed and kept its version.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.sql import EVENT
from ganchu_workflow.store.link import Link
from ganchu_workflow.store.statements import Statement

log = logging.getLogger("ganchu_workflow")
NEWEST = 500
"""How many events are looked at when a round is first touched: what is in use shows among them, and it costs little."""
UNKNOWN = "unknown"
# Of one instant the later event of a case comes first. By case and then seq, so that MariaDB's index has the order.
_BODIES = (
    select(EVENT.c.body)
    .where(EVENT.c.round_id == bindparam("round"))
    .order_by(EVENT.c.recorded_at.desc(), EVENT.c.case_id.desc(), EVENT.c.seq.desc())
)
_NEWEST = Statement(_BODIES.limit(NEWEST))


@dataclass(frozen=True, slots=True)
class ChangedCode:
    """A life cycle whose code is not what wrote its last event in a round."""

    handler: str
    """Where it is written: `module:Class`."""
    recorded: str
    """The distribution that wrote the last event, with its version."""
    installed: str
    """The distribution that runs now; empty when no installed one has this handler."""

    @property
    def is_problem(self) -> bool:
        """Whether it was changed without a new version, or is gone; a new version says itself that it has changed."""
        return self.installed in ("", self.recorded)

    def __str__(self) -> str:
        if not self.installed:
            return (
                f"{self.handler} of {self.recorded} wrote events of this round and is not what handles them now; "
                "install what the round was run with"
            )
        if self.installed == self.recorded:
            return (
                f"the code of {self.handler} has changed since it wrote its last event, and {self.installed} still has "
                "the same version; install what the round was run with, or release the change under a new version"
            )
        return (
            f"the code of {self.handler} has changed since it wrote its last event: {self.recorded} then, "
            f"{self.installed} now; its rules say that they mean the same"
        )


def changed_code(connection: Connection, round_id: str, book: Rulebook) -> list[ChangedCode]:
    """Every handler of the round whose last recorded digest is not that of the code which runs now.

    The whole history is looked at if need be, a little of it in memory at a time.
    """
    with connection.execute(_BODIES.execution_options(yield_per=200), {"round": round_id}) as rows:
        return _changed(rows.scalars(), book)


def _changed(newest_first: Iterable[str], book: Rulebook) -> list[ChangedCode]:
    installed = {h["class"]: h for h in _handlers(book)}
    seen: dict[str, Mapping[str, str]] = {}
    for body in newest_first:
        handler = json.loads(body)["handler"]
        seen.setdefault(handler["class"], handler)
        if installed.keys() <= seen.keys():
            break
    changed = []
    for name, last in seen.items():
        now = installed.get(name)
        if now is None or (UNKNOWN not in (now["code"], last["code"]) and now["code"] != last["code"]):
            changed.append(ChangedCode(name, last["distribution"], now["distribution"] if now else ""))
    return sorted(changed, key=lambda c: c.handler)


def warn_of_changed_code(link: Link, round_id: str, book: Rulebook) -> None:
    """One line in the log for each handler that has changed, of those that wrote the round's newest events."""
    for changed in _changed(link.execute(_NEWEST, {"round": round_id}).scalars(), book):
        log.warning(
            "round %s: %s",
            round_id,
            changed,
            extra={"action": "code_changed", "round": round_id, "handler": changed.handler},
        )


def _handlers(book: Rulebook) -> list[dict[str, str]]:
    process = book.process
    return [
        book.handler(each)
        for each in (*(s.stage for s in process.stages), *(k.lifecycle for k in process.kinds.values()))
    ]
