"""Every error this library raises, as one tree.

    WorkflowError
    ├── Refused            the caller may not: a guard, a window, authority, a bad request
    ├── Invalid            what was handed in cannot be used: a plan, a definition, a data field, a window
    │   ├── DefinitionInvalid
    │   ├── PlanInvalid
    │   ├── PluginInvalid
    │   ├── PeriodInvalid
    │   │   └── LimitPassed  a fixed end lies before what was to run until then
    │   ├── CalendarInvalid
    │   ├── NotCanonical
    │   ├── Undeliverable  a message that a channel can never deliver as it is
    │   └── Unknown        a case, kind or trigger that does not exist
    ├── YearNotPublished   the working-day calendar of that year is not loaded
    └── Fault              something broke
        ├── DatabaseFault  unreachable, locked, read-only, driver missing
        ├── SchemaFault    not migrated, or newer than this code
        ├── DefinitionChanged
        ├── DoesNotRest
        ├── Contention
        ├── ClockSkew      this machine's clock and the database server's are too far apart
        └── PerhapsDelivered  a channel cannot know whether a message went out

Each carries a stable `code`, its `fields`, and a message that says what to do next. All of them survive pickling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self


class WorkflowError(Exception):
    """The root: catching it catches everything this library raises on purpose."""

    code: str = "workflow_error"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception.__reduce__ would call the class with the message alone and lose the fields.
        return _rebuild, (type(self), self.message, self.fields)


def _rebuild(cls: type[WorkflowError], message: str, fields: dict[str, Any]) -> WorkflowError:
    return cls(message, **fields)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not be done: a value, returned by guards and kept as a row.

    `code` is stable and meant for programs; `zh` and `en` are for people; `detail` holds canonical JSON values.
    `state` and `trigger` are filled in by the engine.
    """

    code: str
    zh: str
    en: str
    detail: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    trigger: str = ""

    def __str__(self) -> str:
        where = f" [{self.trigger} @ {self.state or '∅'}]" if self.trigger else ""
        return f"{self.code}{where}: {self.zh} / {self.en}"


class Refused(WorkflowError):
    """The caller may not do this now. Nothing has changed; `refusal` says why and `code` is its stable code."""

    def __init__(self, refusal: Refusal, **fields: Any) -> None:
        super().__init__(str(refusal), **fields)
        self.refusal = refusal
        self.code = refusal.code

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_refused, (type(self), self.refusal, self.fields)


def _rebuild_refused(cls: type[Refused], refusal: Refusal, fields: dict[str, Any]) -> Refused:
    return cls(refusal, **fields)


class Invalid(WorkflowError):
    """What was handed in cannot be used; nothing was written."""

    code = "invalid"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a definition or a plan: where, what, and what to do."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class _WithFindings(Invalid):
    """An Invalid that lists everything found at once, not just the first thing."""

    subject_label: ClassVar[str] = ""

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.findings: tuple[Finding, ...] = tuple(fields.get("findings", ()))

    @classmethod
    def of(cls, subject: str, findings: list[Finding]) -> Self:
        lines = "\n".join(f"  - {finding}" for finding in findings)
        return cls(f"{cls.subject_label} {subject}:\n{lines}", subject=subject, findings=tuple(findings))


class DefinitionInvalid(_WithFindings):
    """A process definition that cannot work is refused when it is defined, with the names."""

    code = "definition_invalid"
    subject_label = "the process definition cannot work,"


class PlanInvalid(_WithFindings):
    """A plan names something that does not exist, leaves something out, or holds a value that is not allowed."""

    code = "plan_invalid"
    subject_label = "the plan cannot be used,"


class PluginInvalid(Invalid):
    """A plugin does not keep its contract, or claims a name that is taken."""

    code = "plugin_invalid"


class PeriodInvalid(Invalid):
    """A period or a window cannot be read, or cannot be true."""

    code = "period_invalid"


class LimitPassed(PeriodInvalid):
    """A fixed end lies before what was to run until then."""

    code = "limit_passed"


class CalendarInvalid(Invalid):
    """A working-day calendar contradicts itself."""

    code = "calendar_invalid"


class NotCanonical(Invalid):
    """A value is outside the canonical JSON subset, or a stored text is not canonical to the byte."""

    code = "not_canonical"


class Undeliverable(Invalid):
    """A channel will never deliver this message as it is: it becomes a dead letter at once, for a person to look at."""

    code = "undeliverable"


class Unknown(Invalid):
    """A case, kind, trigger or role that does not exist."""

    code = "unknown"


def no_such_case(case_id: str) -> Unknown:
    """What is raised where nobody knows a case."""
    return Unknown(f"没有编号为“{case_id}”的案件 / there is no case '{case_id}'", case=case_id)


class YearNotPublished(WorkflowError):
    """The State Council's notice for that year is not loaded: import it; no day of it is ever guessed."""

    code = "year_not_published"


class Fault(WorkflowError):
    """Something broke. The transaction was rolled back and nothing of it is left."""

    code = "fault"


class DatabaseFault(Fault):
    """The database cannot be reached or used."""

    code = "database_fault"


class SchemaFault(Fault):
    """The tables are missing, older than this code, or newer than it."""

    code = "schema_fault"


class DefinitionChanged(Fault):
    """The running code defines another process than the one the round was opened with."""

    code = "definition_changed"


class DoesNotRest(Fault):
    """Automatic transitions kept firing each other; the act was abandoned."""

    code = "does_not_rest"


class Contention(Fault):
    """Other acts kept changing the same cases; the act was given up after a bounded number of tries."""

    code = "contention"


class ClockSkew(Fault):
    """This machine's clock and that of the database's server are too far apart: nothing is fired until they agree.

    `fields` has `ahead` (seconds by which the server's is ahead), `uncertainty` and `most`.
    """

    code = "clock_skew"


class PerhapsDelivered(Fault):
    """A channel cannot know whether the message went out: it is not sent again unless a person says so."""

    code = "perhaps_delivered"
