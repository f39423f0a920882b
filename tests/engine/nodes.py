"""Nodes of a round: workflows on one database, in threads or in processes of their own, that act at one moment."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing import get_context
from threading import Barrier, BrokenBarrierError, get_ident
from typing import Any

from ganchu_workflow import Actor, Refused, SimulatedClock, SystemEntropy, Workflow
from ganchu_workflow.engine import crash_points

PATIENCE = 1
"""How long a node that has read all it needs waits for the others to have done so too, in seconds. On SQLite they
stand before the write lock meanwhile, and never come."""


@dataclass(frozen=True)
class Act:
    """What a node does, in a form that goes to another process."""

    now: datetime
    """What the node's clock shows."""
    verb: str
    """`fire`, `open` or `tick`."""
    args: Sequence[Any] = ()
    more: dict[str, Any] = field(default_factory=dict)
    actor: Actor | None = None

    def do(self, url: str) -> str:
        """Do it as a node of its own; the code of the refusal, how many deadlines fired, or `done`."""
        wf = Workflow(url, clock=SimulatedClock(self.now), entropy=SystemEntropy())
        wf.rounds()
        try:
            by = {"actor": self.actor} if self.actor else {}
            result = getattr(wf, self.verb)(*self.args, **by, **self.more)
        except Refused as refused:
            return refused.code
        finally:
            wf.database.dispose()
        return str(len(result.fired)) if self.verb == "tick" else "done"


@contextmanager
def meeting(meet: Any) -> Iterator[None]:
    """Whoever has read all it needs waits, the first time, until the others have too. For this whole process."""
    seen: set[int] = set()

    def wait(point: str) -> None:
        if point == "read" and get_ident() not in seen:
            seen.add(get_ident())
            with suppress(BrokenBarrierError):
                meet.wait(PATIENCE)

    before, crash_points.listener = crash_points.listener, wait
    try:
        yield
    finally:
        crash_points.listener = before


def in_threads(url: str, *acts: Act) -> list[str]:
    """All acts at one moment, each in a thread."""
    with meeting(Barrier(len(acts))), ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(lambda act: act.do(url), acts))


def in_processes(url: str, *acts: Act) -> list[str]:
    """All acts at one moment, each in a process."""
    context = get_context("spawn")
    meet, answers = context.Barrier(len(acts)), context.Queue()
    processes = [context.Process(target=_node, args=(url, n, act, meet, answers)) for n, act in enumerate(acts)]
    for process in processes:
        process.start()
    found: dict[int, str] = dict(answers.get(timeout=90) for _ in processes)
    for process in processes:
        process.join(60)
    return [found[n] for n in range(len(acts))]


def _node(url: str, number: int, act: Act, meet: Any, answers: Any) -> None:
    with meeting(meet):
        try:
            answer = act.do(url)
        except BaseException as error:
            answer = repr(error)
        answers.put((number, answer))


WAYS: dict[str, Callable[..., list[str]]] = {"threads": in_threads, "processes": in_processes}
