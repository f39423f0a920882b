"""What a stage author writes to let an office feed the stage from its own files (登记表): tables of typed columns.

    def _declined(row: Row, look: Look) -> Iterator[Act]:
        application = look.application(row, "number")
        data = {"reason_code": row["reason_code"], "text": row["text"]}
        yield Act.fire("decline", data, on=application, by=Role.LOCAL_AUTHORITY, scope=row["recommender"])

    COLUMNS = (Column("申报编号", "number", code(), required=True), …)
    DECLINED = Table("declined", "不予推荐登记表", COLUMNS, _declined, identity=("number",))

    class LocalRecommendation(Stage):
        tables = (DECLINED,)

A table only says which acts a row asks for; whether they may be done is for the guards, as if somebody had done them
one by one. So tables are no part of the fingerprint: they can change while a round runs, and mean nothing for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ganchu_workflow.actors import Role
from ganchu_workflow.errors import DefinitionInvalid, Finding
from ganchu_workflow.process.cells import Wrong, text
from ganchu_workflow.process.language import Lifecycle, Stage, State, Transition
from ganchu_workflow.process.values import CaseView

Kind = type[Lifecycle] | str
"""A kind of case: its class or its name; a stage means an application. (A module that the stage itself imports cannot
import the stage's classes: there the names serve, as they do in the facade.)"""


def kind_name(kind: Kind) -> str:
    """The name of a kind."""
    if isinstance(kind, str):
        return kind
    return "application" if issubclass(kind, Stage) else kind.kind


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading in the file, and the name under which a row holds what was read.

    A column without a name is for people, and is not read. The values of a `private` one are shown in no report.
    """

    heading: str
    name: str = ""
    read: Callable[[str, Any], Any] = field(default_factory=text)
    """From the text of a cell, and the settings, to a value: the settings of the stage and, where it has none of a
    name, those of the other stages of the plan."""
    required: bool = False
    default: Any = None
    """What a blank cell means."""
    private: bool = False
    field: str = ""
    """The dotted path of the act's data that it fills, where that is not its name."""


def note(heading: str) -> Column:
    """A column for people: it is allowed, and not read."""
    return Column(heading)


EVERYWHERE = (note("数据性质"), note("备注"))
"""The columns that every table allows: whether the data is invented, and a remark."""


class Row(Mapping[str, Any]):
    """One row of a file, as it was read: the values by the names of their columns."""

    def __init__(self, line: int, values: Mapping[str, Any]) -> None:
        self.line = line
        """Where it stands in the file, from 1."""
        self.group: Sequence[Row] = (self,)
        """The rows that belong together, in the order of the file; without `group_by` this one alone."""
        self.cases: dict[str, str] = {}
        """What the look-ups found for it: id of the case → name of the column that names it."""
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Row {self.line}>"  # not its values: some are private

    def __hash__(self) -> int:
        return hash(self.line)

    def __eq__(self, other: object) -> bool:
        return self is other

    def wrong(self, column: str, code: str, zh: str, en: str) -> Wrong:
        """What to raise when the row cannot be used: which column, a stable code, and why. No value of a cell in it."""
        return Wrong(code, zh, en, (column,))

    def need(self, *columns: str) -> None:
        """Refuse the row when one of these columns is blank: it needs all of them."""
        if blank := tuple(c for c in columns if self[c] is None or self[c] == ""):
            raise Wrong("missing", "此处必填", "must be filled here", blank)

    def common(self, column: str) -> Any:
        """The value of the whole group: on some of its rows, blank on the others. Two different ones are refused."""
        found = [row[column] for row in self.group if row[column] is not None]
        if len({repr(value) for value in found}) > 1:
            raise Wrong("differs_in_group", "同组各行不一致", "the rows of one group differ here", (column,))
        return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act that a row asks for: use `Act.open` or `Act.fire`."""

    by: Role
    scope: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    opens: str = ""
    """The kind of the case that it opens."""
    fires: str = ""
    """The trigger that it fires on `case`, or on the case that the row has opened."""
    case: CaseView | None = None
    parent: CaseView | None = None
    of: CaseView | None = None
    members: Sequence[CaseView] = ()

    @classmethod
    def open(
        cls,
        kind: Kind,
        data: Mapping[str, Any] | None = None,
        *,
        by: Role,
        scope: str = "",
        parent: CaseView | None = None,
        of: CaseView | None = None,
        members: Sequence[CaseView] = (),
    ) -> Act:
        """Open a case of a kind; of a stage, an application."""
        return cls(by=by, scope=scope, data=data or {}, opens=kind_name(kind), parent=parent, of=of, members=members)

    @classmethod
    def fire(
        cls,
        transition: Transition | str,
        data: Mapping[str, Any] | None = None,
        *,
        by: Role,
        scope: str = "",
        on: CaseView | None = None,
    ) -> Act:
        """Fire a transition on a case; without `on`, on the one that the row has opened."""
        name = transition if isinstance(transition, str) else transition.name
        return cls(by=by, scope=scope, data=data or {}, fires=name, case=on)


class Look(Protocol):
    """What the acts of a row may be looked up in: a closed set, over the round as it stands."""

    @property
    def settings(self) -> Any:
        """The settings of the stage."""
        ...

    @property
    def stage(self) -> str:
        """The name that the stage has in the plan."""
        ...

    def application(self, row: Row, column: str) -> CaseView:
        """The application whose 申报编号 stands in this column. Raises `Wrong` about the column when there is none."""
        ...

    def case(self, case_id: str) -> CaseView | None:
        """A case of the round by its id."""
        ...

    def cases(self, kind: Kind, *, by: Role | None = None, scope: str = "") -> list[CaseView]:
        """The cases of a kind that this stage has brought, in the order of opening; with `by`, those of this party."""
        ...

    def children(self, parent: CaseView, kind: Kind, *, by: Role | None = None, scope: str = "") -> list[CaseView]:
        """The cases of a kind under a parent, in the order of opening; with `by`, those of this party.

        Of an application: those of this stage and, unless its kind counts on every visit, of its present visit.
        """
        ...

    def cohorts(self, application: CaseView, kind: Kind, *states: State | str) -> list[CaseView]:
        """The acts of a kind that list the application on its present visit, in the order of opening.

        With `states`, those that stand in one of them.
        """
        ...


Acts = Callable[[Row, Look], Iterable[Act]]
Blame = str | Callable[[Mapping[str, Any], Sequence[Row]], Iterable[tuple[Row, str]]]
"""Which column a refusal is about: its name, or a function of the refusal's detail and the rows concerned."""


@dataclass(frozen=True)
class Table:
    """A table that an office keeps: its columns, and the acts that a row asks for.

    With `group_by` the rows that agree in these columns are one act, and `acts` is called once for them. `identity`
    names the columns that make a row what it is: a file has it once. `blames` says which column the code of a refusal
    is about; a refusal it does not know is reported at the first column of the identity.

    Raises `DefinitionInvalid` when it contradicts itself.
    """

    name: str
    """What it is called on the command line: `scores`."""
    label: str
    """What an official calls it: 评分表."""
    columns: tuple[Column, ...] | Callable[[Any], tuple[Column, ...]]
    """Its columns, or a function of the stage's settings that gives them."""
    acts: Acts
    identity: tuple[str, ...]
    group_by: tuple[str, ...] = ()
    blames: Mapping[str, Blame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.isidentifier()):
            raise DefinitionInvalid.of(
                f"table {self.name!r}", [Finding("name", "must be a plain name of letters, digits and _")]
            )
        if not callable(self.columns):
            self.columns_for(None)

    def columns_for(self, settings: Any) -> tuple[Column, ...]:
        """The columns under these settings, with those that every table allows."""
        own = self.columns(settings) if callable(self.columns) else self.columns
        columns = (*own, *(c for c in EVERYWHERE if c.heading not in {o.heading for o in own}))
        names = [c.name for c in columns if c.name]
        findings = [
            Finding("columns", f"{what} '{twice}' is used twice")
            for what, found in (("the heading", [c.heading for c in columns]), ("the name", names))
            for twice, times in Counter(found).items()
            if times > 1
        ]
        blamed = [b for b in self.blames.values() if isinstance(b, str)]
        for where, used in (("identity", self.identity), ("group_by", self.group_by), ("blames", blamed)):
            findings += [Finding(where, f"there is no column '{name}'") for name in used if name not in names]
        if not self.identity:
            findings.append(Finding("identity", "name at least one column: a refusal must be shown somewhere"))
        if findings:
            raise DefinitionInvalid.of(f"table '{self.name}'", findings)
        return columns


def columns_of(key: str, **names: str) -> Blame:
    """The refusal's detail `key` lists what columns stand for; `names` says which, where they are named otherwise."""

    def blamed(detail: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
        for found in detail.get(key, ()):
            name = names.get(found, found)
            if name in rows[0]:
                yield rows[0], name

    return blamed


def rows_of(column: str, *keys: str) -> Blame:
    """The refusal's details `keys` list cases, or name one: the rows that name them are meant, in this column."""

    def blamed(detail: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
        listed = [detail[key] for key in keys if key in detail]
        meant = {case for each in listed for case in ([each] if isinstance(each, str) else each)}
        return ((row, column) for row in rows if meant & set(row.cases))

    return blamed


def values_of(column: str, key: str) -> Blame:
    """The refusal's detail `key` lists values of this column: the rows that have them are meant."""

    def blamed(detail: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
        return ((row, column) for row in rows if row[column] in detail.get(key, ()))

    return blamed
