"""What a transaction has read and changed, and how it is written: all at once, or not at all.

`commit` locks all that was read, in the lock order, compares, and writes; if anything moved in between, it raises
`Stale` and the whole act is computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ganchu_workflow.engine.cases import CaseState
from ganchu_workflow.engine.crash_points import reached
from ganchu_workflow.engine.view import RoundView
from ganchu_workflow.entropy import new_id
from ganchu_workflow.timing import WorkingCalendar


class Stale(Exception):
    """Something that was read has changed before it could be locked: compute the act again."""


class Workspace(RoundView):
    """The cases of one round as this transaction sees and changes them."""

    def new_id(self) -> str:
        """A fresh identifier."""
        return new_id(self.around.entropy, self.around.now)

    def unchanged(self) -> bool:
        """Whether everything that was read still stands, without locking anything."""
        ids = self._compared()
        return self._same(self.rows.versions(ids), ids)

    def commit(self, raised: set[str] | None = None) -> None:
        """Lock in the lock order, compare, write. Raises `Stale` when something read has changed in between.

        The version of a case whose sets have changed is raised once in a transaction: `raised` has those of the acts
        before, and takes what this one adds. On PostgreSQL each time more is a version of the row more to look through.
        """
        raised = set() if raised is None else raised
        changed = [c for c in self._cases.values() if c.moved]
        touched = {i for i in self.touched if not self.is_new(i)} - {c.id for c in changed}
        self.load(touched)
        ids = self._compared(also=touched)
        if not self._same(self.rows.lock(ids, touched | {c.id for c in changed}), ids):
            raise Stale
        reached("locked")
        if self.pending.definition is not None:
            self.rows.keep_definition(*self.pending.definition, self.around.now)
        for calendar in self._calendars(changed):
            if calendar.version not in self.around.kept:
                self.rows.keep_calendar(calendar, self.around.now)
        with self.rows.link.batch():
            self._write(changed, sorted(touched - raised))
        raised |= touched | {c.id for c in changed}

    def _calendars(self, changed: Sequence[CaseState]) -> list[WorkingCalendar]:
        """What the rows refer to: the calendar in force, where it was asked, and that of a round that is opened."""
        opened = [self.around.calendars.base for case in changed if case.new and case.kind == "round"]
        return [*opened, *self.pending.calendars, *([self.calendar] if self.pending.calendar_used else [])]

    def _write(self, changed: Sequence[CaseState], touched: Sequence[str]) -> None:
        rows = self.rows
        rows.insert_cases([c for c in changed if c.new])
        rows.update_cases([c for c in changed if not c.new])
        for case in changed:
            if case.listed_anew:
                rows.write_members(case)
        reached("case_written")
        rows.write_deadlines(changed)
        reached("deadlines_written")
        rows.touch(touched)
        rows.insert_private(self.pending.private)
        rows.insert_events(self.pending.events)
        reached("history_written")
        rows.insert_outbox(self.pending.outbox)
        reached("outbox_written")

    def _compared(self, also: Iterable[str] = ()) -> list[str]:
        ids = {*self.content_read, *self.sets_read, *also}
        stored = [self._cases[i] for i in ids if not self.is_new(i)]
        return [c.id for c in sorted(stored, key=lambda c: (c.position, c.id))]

    def _same(self, now: dict[str, tuple[int, int]], ids: Sequence[str]) -> bool:
        for case_id in ids:
            loaded = self._cases[case_id].loaded
            seq, version = now.get(case_id, (-1, -1))
            if loaded is None:
                continue
            if (case_id in self.content_read and seq != loaded.seq) or (
                case_id in self.sets_read and version != loaded.version
            ):
                return False
        return True
