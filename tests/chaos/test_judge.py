"""The judge of the chaos run finds what it is there to find: each kind of loss is made by hand, and told."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ganchu_workflow import SystemEntropy, Workflow
from ganchu_workflow.clock import MICROSECOND, to_text
from ganchu_workflow.testing import OFFICE
from tests.chaos.judge import judge, unfinished
from tests.chaos.ledger import Ledger, read
from tests.chaos.story import START, plan_of
from tests.chaos.worker import FileClock, Spec, Worker, dispatcher_of


class Played:
    """The beginning of a round, played by one worker that nobody has killed: all that is in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.ledger = folder, FileClock(folder / "clock"), folder / "ledger-0"
        self.url = f"sqlite:///{folder / 'ganchu.db'}"
        self.wf = Workflow(self.url, clock=self.clock, entropy=SystemEntropy())

    def play(self) -> None:
        """Declare, accept, send back; and tell of it."""
        self.clock.move_to(datetime.fromisoformat(START))
        ends = [to_text(self.clock.now() + timedelta(days=n)) for n in (0, 7, 14)]
        self.wf.fire(self.wf.open_round(plan_of("JUDGE", 4, *ends), actor=OFFICE), "start", actor=OFFICE)
        worker = Worker(Spec(self.url, self.folder, number=0, workers=1, size=4, seed="judge"))
        for _ in range(8):
            worker.act()
        worker.wf.database.dispose()
        dispatcher = dispatcher_of(self.wf, self.folder, 0)
        while dispatcher.run_once(200).total:
            pass

    def found(self) -> list[str]:
        """What the judge finds, but that the round has not come to its end."""
        return [p for p in judge(self.wf, self.folder) if p not in unfinished(self.wf)]

    def sql(self, statement: str) -> None:
        with self.wf.database.begin() as connection:
            assert connection.exec_driver_sql(statement).rowcount == 1

    def lines(self, change: Callable[[list[Any]], list[Any] | None]) -> None:
        """Change each line of the ledger; None leaves it out."""
        lines = [json.loads(line) for line in self.ledger.read_text("utf-8").splitlines()]
        changed = [change(line) for line in lines]
        self.ledger.write_text("".join(json.dumps(line) + "\n" for line in changed if line), "utf-8")


@pytest.fixture(scope="module")
def beginning(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a round that has begun, to be copied."""
    folder = tmp_path_factory.mktemp("beginning")
    shutil.copyfile(sqlite_template, folder / "ganchu.db")
    played = Played(folder)
    played.play()
    # The last to leave writes the -wal file into the database.
    played.wf.database.dispose()
    return folder


@pytest.fixture
def played(beginning: Path, tmp_path: Path) -> Iterator[Played]:
    found = Played(shutil.copytree(beginning, tmp_path / "played"))
    yield found
    found.wf.database.dispose()


def repeat_the_last_line(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    path.write_text("".join(f"{line}\n" for line in [*lines, lines[-1]]), "utf-8")


HARM: dict[str, tuple[Callable[[Played], object], str]] = {
    "an acknowledged act that is not there": (
        lambda p: Ledger(p.ledger).acknowledged("accept:nobody:0", "0" * 64),
        "accept:nobody:0 was acknowledged",
    ),
    "another digest": (
        lambda p: p.lines(lambda line: [*line[:2], "0" * 64] if line[0] == "ack" else line),
        "was acknowledged as 000",
    ),
    "a refused act that was done": (
        lambda p: Ledger(p.ledger).refused(next(iter(read(p.ledger).acknowledged)), "not_here"),
        "was refused (not_here), there is",
    ),
    "an act that nobody asked for": (
        lambda p: p.ledger.unlink(),
        "is in the record, and nobody asked for it",
    ),
    "a message that is lost": (
        lambda p: p.sql("DELETE FROM ganchu_outbox WHERE id = (SELECT min(id) FROM ganchu_outbox)"),
        "told and not in the outbox",
    ),
    "a message that nobody told": (
        lambda p: p.sql(
            "INSERT INTO ganchu_outbox SELECT 'x', round_id, case_id, seq, 9, message, recipient, body, status,"
            " created_at FROM ganchu_outbox LIMIT 1"
        ),
        "in the outbox and told by no event",
    ),
    "a delivery that is not settled": (
        lambda p: p.sql(
            "UPDATE ganchu_delivery SET status = 'claimed'"
            " WHERE channel = 'journal' AND message_id = (SELECT min(id) FROM ganchu_outbox)"
        ),
        "deliveries that stand otherwise",
    ),
    "a message that went out twice": (
        lambda p: repeat_the_last_line(p.folder / "handed-over"),
        "handed over twice on a channel that does not bear it",
    ),
    "a message that is twice in the journal": (
        lambda p: repeat_the_last_line(p.folder / "journal"),
        "the journal lacks",
    ),
    "a deadline that is lost": (
        lambda p: p.sql("DELETE FROM ganchu_deadline WHERE rowid = (SELECT max(rowid) FROM ganchu_deadline)"),
        "armed by the rows",
    ),
    "a deadline that nobody fired": (
        lambda p: p.clock.move_to((p.wf.next_due() or p.clock.now()) + MICROSECOND),
        "and never fired",
    ),
    "a case in another state": (
        lambda p: p.sql("UPDATE ganchu_case SET state = 'x' WHERE id = (SELECT max(id) FROM ganchu_case)"),
        "cases that stand otherwise than their history",
    ),
}


def test_what_is_whole_is_found_to_be_so(played: Played) -> None:
    assert played.found() == []
    assert len(read(played.ledger).acknowledged) > 10
    assert len(played.wf.messages(played.wf.rounds()[0].id)) > 2


@pytest.mark.parametrize("name", HARM)
def test_each_kind_of_harm_is_told(played: Played, name: str) -> None:
    harm, told = HARM[name]

    harm(played)

    assert [p for p in played.found() if told in p] != []


def test_a_ledger_whose_writer_died_goes_on_with_what_it_had_said(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger")
    first.intent("a", {"verb": "fire"})
    first.intent("b", {"verb": "open"})
    first.acknowledged("a", "d1")
    with (tmp_path / "ledger").open("ab") as file:
        file.write(b'["intent", "c", {"ver')

    again = Ledger(tmp_path / "ledger")
    again.refused("b", "not_here")

    found = read(tmp_path / "ledger")
    assert (again.known.unanswered, found.unanswered, [*found.intents]) == ([], [], ["a", "b"])
    assert (found.acknowledged, found.refused) == ({"a": "d1"}, {"b": "not_here"})
