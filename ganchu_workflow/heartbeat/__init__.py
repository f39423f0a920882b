"""The heartbeat: it looks again and again whether something is due, and remembers nothing that counts.

Deadlines are rows, and `Workflow.tick` fires them, each once, on however many nodes. APScheduler is only the metronome:
it calls a beat at a fixed interval, and once more when the nearest deadline runs out. Its jobs are in a memory store of
their own; nothing is pickled. A process that dies, or a database that goes away, delays a deadline and loses none.
"""

from ganchu_workflow.heartbeat.heart import Beat, Heartbeat, Job, JobRun, Status
from ganchu_workflow.heartbeat.metrics import Metrics
from ganchu_workflow.heartbeat.metronome import ZONE

__all__ = ["ZONE", "Beat", "Heartbeat", "Job", "JobRun", "Metrics", "Status"]
