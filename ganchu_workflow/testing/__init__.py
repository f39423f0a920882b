"""The test kit: a round as a readable script, for the tests of a host, of a stage, and of this library itself.

    from ganchu_workflow.testing import RoundScript

The pytest plugin (`ganchu_workflow.testing.plugin`) is found by pytest itself once the library is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganchu_workflow.testing.base import NotAsScripted, Seen
    from ganchu_workflow.testing.moving import Hand, frozen
    from ganchu_workflow.testing.samples import (
        OFFICE,
        SUPERVISOR,
        authority,
        citizen,
        credit_code_of,
        declaration_of,
        department,
        evidence,
        expert,
        firm,
        usual_plan,
    )
    from ganchu_workflow.testing.script import RoundScript

# Looked up when first asked for: pytest imports this package in every run of the host's tests.
_WHERE = {
    "Hand": "moving",
    "NotAsScripted": "base",
    "OFFICE": "samples",
    "RoundScript": "script",
    "SUPERVISOR": "samples",
    "Seen": "base",
    "authority": "samples",
    "citizen": "samples",
    "credit_code_of": "samples",
    "declaration_of": "samples",
    "department": "samples",
    "evidence": "samples",
    "expert": "samples",
    "firm": "samples",
    "frozen": "moving",
    "usual_plan": "samples",
}

__all__ = [
    "OFFICE",
    "SUPERVISOR",
    "Hand",
    "NotAsScripted",
    "RoundScript",
    "Seen",
    "authority",
    "citizen",
    "credit_code_of",
    "declaration_of",
    "department",
    "evidence",
    "expert",
    "firm",
    "frozen",
    "usual_plan",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
