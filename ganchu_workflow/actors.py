"""Who acts: roles, and an actor as a role with a scope and a reference to a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ganchu_workflow.errors import Invalid


class Role(StrEnum):
    """The roles of a selection. A scoped role acts only on cases whose party of that role has the actor's scope."""

    APPLICANT = "applicant"
    """申报企业; scope: the enterprise's reference."""
    LOCAL_AUTHORITY = "local_authority"
    """地方主管部门; scope: the recommender's code, for example 360100."""
    OFFICE = "office"
    """牵头处室."""
    EXPERT = "expert"
    """专家; scope: the expert's reference."""
    DEPARTMENT = "department"
    """会商部门; scope: the department's code."""
    SUPERVISOR = "supervisor"
    """监督."""
    AUDITOR = "auditor"
    """审计: reads, never acts."""
    PUBLIC = "public"
    """公众; scope: the reference under which the person or unit identified itself."""
    CLOCK = "clock"
    """时钟: the library itself, when a deadline is due. Nobody can act as it."""
    ENGINE = "engine"
    """引擎: the library itself, in a follow-up. Nobody can act as it."""


LONGEST = 120
"""The longest scope or reference of a person, in characters: what fits the columns of every database."""
SCOPED = frozenset({Role.APPLICANT, Role.LOCAL_AUTHORITY, Role.EXPERT, Role.DEPARTMENT, Role.PUBLIC})
RESERVED = frozenset({Role.CLOCK, Role.ENGINE})

ROLE_LABELS = {
    Role.APPLICANT: "申报企业",
    Role.LOCAL_AUTHORITY: "地方主管部门",
    Role.OFFICE: "牵头处室",
    Role.EXPERT: "专家",
    Role.DEPARTMENT: "会商部门",
    Role.SUPERVISOR: "监督",
    Role.AUDITOR: "审计",
    Role.PUBLIC: "公众",
    Role.CLOCK: "时钟",
    Role.ENGINE: "引擎",
}


class Via(StrEnum):
    """How an act reached the library: it is kept on every event."""

    PERSON = "person"
    ON_BEHALF = "on_behalf"
    TOKEN = "token"
    CLI = "cli"
    CLOCK = "clock"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `person` is the host's reference to a person, never a name: the record keeps it for ever.

    `on_behalf_of` names the person for whom a deputy acts; it makes `via` read `on_behalf`.
    """

    role: Role
    scope: str = ""
    person: str = ""
    via: Via = Via.PERSON
    on_behalf_of: str = ""

    def __post_init__(self) -> None:
        # A role that arrives as text from JSON or a command line must be the enum, or `in` tests fail silently.
        object.__setattr__(self, "role", Role(self.role))
        object.__setattr__(self, "via", Via.ON_BEHALF if self.on_behalf_of else Via(self.via))
        for name in ("scope", "person", "on_behalf_of"):
            value = getattr(self, name)
            if len(value) > LONGEST or "\x00" in value:
                raise Invalid(f"the {name} of an actor has at most {LONGEST} characters, and no U+0000")

    def __str__(self) -> str:
        return f"{self.role.value}:{self.scope}" if self.scope else self.role.value


CLOCK = Actor(Role.CLOCK, via=Via.CLOCK)
ENGINE = Actor(Role.ENGINE, via=Via.ENGINE)
