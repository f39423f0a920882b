"""An office's file becomes acts: each row, or group of rows, whole or not at all, and all of it in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.canonical import digest_of
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.errors import Fault, Invalid, Refused, WorkflowError
from ganchu_workflow.importing.blame import problems_of
from ganchu_workflow.importing.lookups import RoundLook
from ganchu_workflow.importing.offered import OfferedTable, find_table, offered
from ganchu_workflow.importing.reading import read_sheet
from ganchu_workflow.importing.report import ImportReport, RowProblem
from ganchu_workflow.importing.rows import ReadTable, read_rows
from ganchu_workflow.importing.sheets import FileRefused, Sheet
from ganchu_workflow.process.cells import Wrong
from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.tables import Act, Row
from ganchu_workflow.workflow import Case, Workflow

Mode = Literal["all", "good"]
LONGEST_PREFIX = 40


class TableCrashed(Fault):
    """The function of a table that turns rows into acts crashed. Nothing was imported."""

    code = "table_crashed"


class _Abandoned(Exception):
    """There are problems, and it was all or nothing."""

    def __init__(self, tally: _Tally) -> None:
        super().__init__()
        self.tally = tally


@dataclass
class _Tally:
    """What one pass over the rows came to."""

    entered: int = 0
    already: int = 0
    held: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    about: set[str] = field(default_factory=set)
    standing: dict[str, int] = field(default_factory=dict)

    def blame(self, row: Row, problems: list[RowProblem]) -> None:
        """Note why a row or a group was not done; the rows of the group that are not to blame are held."""
        self.problems += problems
        self.held += len(row.group) - len({p.line for p in problems})


def import_table(
    workflow: Workflow,
    round: Case,
    table: str,
    source: str | Path | Sheet,
    *,
    actor: Actor,
    mode: Mode = "all",
    dry_run: bool = False,
    key_prefix: str = "import",
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Feed a round from a file: each row of a table of its stages becomes the acts that the table says.

    `source` is the path of a CSV or XLSX file, or a `Sheet`. An office enters for everybody: the record shows each act
    under the role it is for, with the office's person, on behalf of whom it was entered. Anybody else enters only what
    is his own to do.

    The whole file is received at the instant of this call, however long it takes to enter. A row, or a group of rows
    that are one act, is done whole or not at all. With `mode="all"` nothing is imported unless every row can be; with
    "good" the good ones are, and the others reported. `dry_run` really does everything, with the rules on duplicates,
    ranks and quotas as they would meet it, and takes it back. What was imported before just so is left alone, so that
    an import may be repeated; under another `key_prefix` it is done again. What is wrong with the file is in the
    report, not raised. What the engine refused is kept as a row (`attempts`), except in a dry run.

    Raises `Unknown` for a round or table that does not exist, `Invalid` for a file that cannot be opened, and a `Fault`
    when something broke; in each case nothing was imported.
    """
    if mode not in ("all", "good"):
        raise Invalid("mode is 'all' (all or nothing) or 'good' (the good rows)")
    received_at = workflow.clock.now()
    if not 0 < len(key_prefix) <= LONGEST_PREFIX:
        raise Invalid(f"key_prefix has 1 to {LONGEST_PREFIX} characters")
    round_id = workflow.case(round).id
    process = workflow.process(round_id)
    found = find_table(process, table)
    name = source.name if isinstance(source, Sheet) else Path(source).name
    report = ImportReport(found.table.name, found.label, name, "", mode, dry_run)
    try:
        sheet = source if isinstance(source, Sheet) else read_sheet(source)
    except FileRefused as error:
        return replace(report, problems=(error.problem,))
    read = read_rows(found, sheet, offered(process))
    importer = _Importer(process, round_id, read, actor, key_prefix, progress)

    def work(inside: Workflow) -> _Tally:
        return importer.run(inside, mode)

    try:
        # The file is received once: a window that ends while it is read or entered does not divide it.
        tally = workflow.together(work, dry_run=dry_run, received_at=received_at) if read.rows else _Tally()
    except _Abandoned as abandoned:
        tally = abandoned.tally
        if not dry_run:
            _keep(workflow, tally.refusals)
    problems = sorted({*read.problems, *tally.problems}, key=lambda p: (p.line, _position(found, p.column), p.code))
    return replace(
        report,
        encoding=sheet.encoding,
        rows=read.rows,
        entered=tally.entered,
        already=tally.already,
        held=read.held + tally.held,
        problems=tuple(problems),
        standing=tally.standing,
        refusals=tuple(tally.refusals),
    )


def _keep(workflow: Workflow, refusals: Sequence[Refused]) -> None:
    """That it was tried and refused stays on record, though the import was undone."""

    def work(inside: Workflow) -> None:
        for refused in refusals:
            inside.keep(refused)

    if refusals:
        workflow.together(work)


def _position(found: OfferedTable, heading: str) -> int:
    """Of the file as a whole first, then in the order of the columns, then what is no column."""
    headings = ["", *(c.heading for c in found.columns)]
    return headings.index(heading) if heading in headings else len(headings)


class _Importer:
    """The acts of the rows of one file."""

    def __init__(
        self,
        process: Process,
        round_id: str,
        read: ReadTable,
        actor: Actor,
        key_prefix: str,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.process = process
        self.round = round_id
        self.read = read
        self.table = read.offered.table
        self.actor = actor
        self.key_prefix = key_prefix
        self.progress = progress or (lambda done, of: None)
        self.public = [c.name for c in read.offered.columns if c.name and not c.private]

    def run(self, inside: Workflow, mode: Mode) -> _Tally:
        """Try every unit, each by itself. It may be run again: nothing of an earlier run is kept in it."""
        tally = _Tally()
        look = RoundLook(inside, self.round, self.read.offered, self.process)
        for done, row in enumerate(self.read.units, start=1):
            for each in row.group:
                each.cases.clear()
            try:
                acts = self._acts(look, row)
                unit = partial(self._unit, row=row, acts=acts, tally=tally)
                # One act alone undoes itself.
                fresh = inside.together(unit) if len(acts) > 1 else unit(inside)
            except Wrong as wrong:
                tally.blame(row, problems_of(self.read, row, wrong))
            except Refused as refused:
                tally.blame(row, problems_of(self.read, row, refused.refusal))
                tally.refusals.append(refused)
                if mode == "good":
                    inside.keep(refused)
            else:
                if fresh:
                    tally.entered += len(row.group)
                else:
                    tally.already += len(row.group)
            self.progress(done, len(self.read.units))
        tally.standing = self._standing(inside, tally.about)
        if mode == "all" and (tally.problems or self.read.problems):
            raise _Abandoned(tally)
        return tally

    def _unit(self, inside: Workflow, row: Row, acts: Sequence[Act], tally: _Tally) -> bool:
        """Do the acts of one row or group. False: every one of them had been done before."""
        fresh = not acts
        opened: Receipt | None = None
        for number, act in enumerate(acts, start=1):
            receipt = self._do(inside, row, act, opened, number)
            if act.opens:
                opened = receipt
            fresh = fresh or not receipt.repeated
            tally.about.add(receipt.case_id)
        tally.about |= {case for each in row.group for case in each.cases}
        return fresh

    def _acts(self, look: RoundLook, row: Row) -> Sequence[Act]:
        try:
            return list(self.table.acts(row, look))
        except WorkflowError:
            raise
        except Exception as error:
            # Not its message: what an exception says may quote a private cell.
            raise TableCrashed(
                f"the table '{self.read.offered.name}' crashed at line {row.line}: {type(error).__name__}; "
                "nothing was imported",
                table=self.read.offered.name,
                line=row.line,
            ) from error

    def _do(self, inside: Workflow, row: Row, act: Act, opened: Receipt | None, number: int) -> Receipt:
        actor, key = self._actor(act), self._key(row, number, act)
        try:
            return self._ask(inside, act, opened, actor, key)
        except Refused as refused:
            if refused.code != "key_reused":
                raise
            return self._ask_again(inside, act, opened, actor, key, refused)

    def _ask(self, inside: Workflow, act: Act, opened: Receipt | None, actor: Actor, key: str) -> Receipt:
        if act.opens:
            standalone = act.opens != "application"
            return inside.open(
                act.opens,
                act.data,
                actor=actor,
                round=self.round,
                parent=act.parent,
                of=act.of,
                stage=self.read.offered.stage if standalone else "",
                members=act.members,
                key=key,
            )
        on = act.case or opened
        if on is None:
            raise TableCrashed(
                f"the table '{self.read.offered.name}' fires '{act.fires}' on nothing: give on=, or open a case first",
                table=self.read.offered.name,
            )
        # Qualified: in a plan that uses a stage twice the bare name of a trigger would be ambiguous.
        trigger = f"{self.read.offered.stage}.{act.fires}" if on.kind == "application" else act.fires
        return inside.fire(on, trigger, act.data, actor=actor, key=key)

    def _ask_again(
        self, inside: Workflow, act: Act, opened: Receipt | None, actor: Actor, key: str, refused: Refused
    ) -> Receipt:
        """The row went in before, if only somebody else entered it; else it was for another case (the sheet of a former
        panel, say), or what is not public in it has changed.

        Nothing new can come of asking: the key is taken.
        """
        event = inside.history(refused.refusal.detail["case"])[refused.refusal.detail["seq"] - 1]
        before = event["actor"]
        earlier = replace(actor, person=before["person"], on_behalf_of=before["on_behalf_of"])
        if earlier != actor:
            try:
                return self._ask(inside, act, opened, earlier, key)
            except Refused as again:
                if again.code != "key_reused":
                    raise
        raise Wrong(
            "changed_since_import",
            "该行已导入过,但所办的案件或非公开内容与上次不同;如需更改,请按更正程序办理;确需再办一次的,请换批号导入",
            "the row has been imported, but for another case or with other private content: correct it by an act, or "
            "do it again on purpose under another batch",
        )

    def _actor(self, act: Act) -> Actor:
        mine = self.actor
        if (act.by, act.scope) == (mine.role, mine.scope):
            return mine
        if mine.role is not Role.OFFICE:
            raise Wrong(
                "not_yours_to_enter",
                "只能录入本单位自己的事项;代他人录入由牵头处室办理",
                "you enter only what is your own to do; for others the office does",
            )
        return Actor(act.by, act.scope, mine.person, mine.via, on_behalf_of=act.scope)

    def _key(self, row: Row, number: int, act: Act) -> str:
        """What makes the act of this row the same when the file comes again: all that is public in its rows.

        Not the case it is done to: a row that would now hit another one is no repetition, and must not pass for a new
        act either. A digest of private cells would let anybody try values out.
        """
        content = [[name, _plain(each[name])] for each in row.group for name in self.public]
        stated = [self.round, self.read.offered.name, number, act.opens, act.fires]
        return f"{self.key_prefix}:{digest_of([*stated, content])}"

    def _standing(self, inside: Workflow, about: set[str]) -> dict[str, int]:
        if not about:
            return {}
        found = Counter(c.state for c in inside.cases(self.round, "application") if c.id in about)
        return {state: found[state] for state in self.process.application.states if state in found}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
