"""A running round whose outbox holds real messages, on either kind of database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from ganchu_notifications.dispatcher import Dispatcher
from ganchu_workflow import SeededEntropy, Workflow
from ganchu_workflow.messages import Dispatched
from ganchu_workflow.testing import RoundScript
from tests.rounds.script import plan_of

START = "2022-09-01T09:00"
NAMES = ("铜箔", "镜头", "钨丝", "脐橙汁", "家具", "米粉", "食盐", "纸板")


@dataclass
class Recorder:
    """A channel that keeps what it is handed, and fails as it is told to: `failures` holds, by message id, the errors
    of the next attempts.
    """

    repeats_safely: bool = False
    addresses: str = ""
    got: list[Mapping[str, Any]] = field(default_factory=list)
    failures: dict[str, list[BaseException]] = field(default_factory=dict)
    name: ClassVar[str] = "recorder"

    def deliver(self, message: Mapping[str, Any]) -> None:
        if self.failures.get(message["id"]):
            raise self.failures[message["id"]].pop(0)
        self.got.append(message)


@dataclass
class Post:
    """A round with messages in its outbox, and what is needed to deliver them."""

    script: RoundScript

    @property
    def wf(self) -> Workflow:
        return self.script.wf

    def tell(self, count: int = 1) -> list[str]:
        """So many enterprises submit and are told so; gives the ids of the messages, in their order."""
        names = [n for n in NAMES if n not in self.script.apps][:count]
        assert len(names) == count
        self.script.draft(*names)
        self.script.submit(*names)
        return [m["id"] for m in self.wf.messages(self.script.round)][-count:]

    def dispatcher(self, *channels: Any, routes: Mapping[str, Sequence[str]] | None = None, **given: Any) -> Dispatcher:
        """A dispatcher over these channels (`one`, `two`, …), all of which every role is told over by default."""
        named = dict(zip(("one", "two", "three"), channels, strict=False))
        given.setdefault("entropy", SeededEntropy("jitter"))
        return Dispatcher(self.wf.outbox, named, routes or {"default": list(named)}, **given)

    def later(self, **delta: float) -> None:
        self.script.at(self.wf.clock.now() + timedelta(**delta), tick=False)

    def stand(self) -> list[tuple[str, str | None, int]]:
        """(status, error, attempts) of every delivery, in order."""
        return [(e.status, e.error, e.attempts) for e in self.wf.outbox.entries()]


@pytest.fixture
def post(database_url: str) -> Iterator[Post]:
    """A round in its declaration phase, on each kind of database."""
    yield from _post(database_url)


@pytest.fixture
def sqlite_post(sqlite_url: str) -> Iterator[Post]:
    """The same on SQLite alone, for what does not touch the store."""
    yield from _post(sqlite_url)


def _post(url: str) -> Iterator[Post]:
    script = RoundScript(plan_of("GCJP"), database=url, start=START)
    yield Post(script)
    script.close()


@pytest.fixture
def until_empty() -> Callable[[Dispatcher], Dispatched]:
    """Runs a dispatcher until nothing more is due; gives the sum."""

    def run(dispatcher: Dispatcher, limit: int = 100) -> Dispatched:
        runs = [dispatcher.run_once(limit)]
        while runs[-1].total:
            runs.append(dispatcher.run_once(limit))
        return Dispatched(
            **{name: sum(getattr(r, name) for r in runs) for name in ("delivered", "retried", "dead", "stuck", "left")}
        )

    return run
