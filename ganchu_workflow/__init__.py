"""Selection rounds (评选批次) as explicit state machines: lawful, on time, durable and provable.

    from ganchu_workflow import Actor, Role, Workflow

Stage authors import `ganchu_workflow.process`; the errors are in `ganchu_workflow.errors`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganchu_workflow.actors import Actor, Role, Via
    from ganchu_workflow.audit.verify import Problem, Report
    from ganchu_workflow.clock import Clock, SimulatedClock, SystemClock
    from ganchu_workflow.engine.bulk import Bulk, Item
    from ganchu_workflow.engine.events import Receipt
    from ganchu_workflow.engine.overdue import AwaitingCalendar, Late, Overdue, Suspended, Tally, Unserved
    from ganchu_workflow.engine.queries import Allowed, Task
    from ganchu_workflow.engine.stuck import Stuck
    from ganchu_workflow.engine.sweep import Swept
    from ganchu_workflow.entropy import Entropy, SeededEntropy, SystemEntropy
    from ganchu_workflow.errors import Fault, Invalid, Refusal, Refused, WorkflowError
    from ganchu_workflow.heartbeat import Heartbeat
    from ganchu_workflow.plan import Plan, read_plan
    from ganchu_workflow.plugins import Registry
    from ganchu_workflow.process.values import CaseView
    from ganchu_workflow.timing import Period, WorkingCalendar
    from ganchu_workflow.workflow import Workflow

# Looked up when first asked for: the command line's help and a stage's tests need no tables.
_WHERE = {
    "Actor": "actors",
    "Allowed": "engine.queries",
    "AwaitingCalendar": "engine.overdue",
    "Bulk": "engine.bulk",
    "CaseView": "process.values",
    "Clock": "clock",
    "Entropy": "entropy",
    "Fault": "errors",
    "Heartbeat": "heartbeat",
    "Invalid": "errors",
    "Item": "engine.bulk",
    "Late": "engine.overdue",
    "Overdue": "engine.overdue",
    "Period": "timing",
    "Plan": "plan",
    "Problem": "audit.verify",
    "Receipt": "engine.events",
    "Refusal": "errors",
    "Refused": "errors",
    "Registry": "plugins",
    "Report": "audit.verify",
    "Role": "actors",
    "SeededEntropy": "entropy",
    "SimulatedClock": "clock",
    "Stuck": "engine.stuck",
    "Suspended": "engine.overdue",
    "Swept": "engine.sweep",
    "SystemClock": "clock",
    "SystemEntropy": "entropy",
    "Tally": "engine.overdue",
    "Task": "engine.queries",
    "Unserved": "engine.overdue",
    "Via": "actors",
    "Workflow": "workflow",
    "WorkflowError": "errors",
    "WorkingCalendar": "timing",
    "read_plan": "plan",
}

__all__ = [
    "Actor",
    "Allowed",
    "AwaitingCalendar",
    "Bulk",
    "CaseView",
    "Clock",
    "Entropy",
    "Fault",
    "Heartbeat",
    "Invalid",
    "Item",
    "Late",
    "Overdue",
    "Period",
    "Plan",
    "Problem",
    "Receipt",
    "Refusal",
    "Refused",
    "Registry",
    "Report",
    "Role",
    "SeededEntropy",
    "SimulatedClock",
    "Stuck",
    "Suspended",
    "Swept",
    "SystemClock",
    "SystemEntropy",
    "Tally",
    "Task",
    "Unserved",
    "Via",
    "Workflow",
    "WorkflowError",
    "WorkingCalendar",
    "read_plan",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
