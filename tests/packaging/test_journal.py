"""What a journal promises: every message once, on the disk, whatever dies in between."""

import multiprocessing
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ganchu_notifications.journal import JournalChannel
from ganchu_workflow import canonical
from ganchu_workflow.errors import Fault, Invalid, NotCanonical


def a_message(identifier: str = "m1", **changes: Any) -> dict[str, Any]:
    return {"id": identifier, "message": "notice_opened", "recipient": "360100", "body": "公示已开始", **changes}


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_message_is_one_canonical_line(path: Path) -> None:
    JournalChannel(path=path).deliver(a_message())

    assert path.read_bytes() == (
        '{"body":"公示已开始","id":"m1","message":"notice_opened","recipient":"360100"}\n'.encode()
    )


def test_messages_keep_their_order_and_their_further_keys(path: Path) -> None:
    channel = JournalChannel(path=str(path))
    messages = [a_message("m2"), a_message("m1", subject="标题"), a_message("m3", body="第一行\n第二行\u2028")]

    for message in messages:
        channel.deliver(message)

    assert [canonical.decode(line) for line in path.read_text("utf-8").removesuffix("\n").split("\n")] == messages


def test_same_id_is_written_once(path: Path) -> None:
    channel = JournalChannel(path=path)

    channel.deliver(a_message())
    channel.deliver(a_message())

    assert path.read_text("utf-8") == canonical.encode(a_message()) + "\n"


def test_same_id_is_written_once_after_a_restart(path: Path) -> None:
    JournalChannel(path=path).deliver(a_message())

    JournalChannel(path=path).deliver(a_message())

    assert path.read_text("utf-8") == canonical.encode(a_message()) + "\n"


def test_same_id_with_another_content_is_refused(path: Path) -> None:
    channel = JournalChannel(path=path)
    channel.deliver(a_message())

    with pytest.raises(Invalid, match=f"m1 is in the journal {path} with another content"):
        channel.deliver(a_message(body="公示已结束"))

    assert path.read_text("utf-8") == canonical.encode(a_message()) + "\n"


def test_channel_learns_what_another_one_wrote(path: Path) -> None:
    first, second = JournalChannel(path=path), JournalChannel(path=path)
    first.deliver(a_message("m1"))
    second.deliver(a_message("m2"))

    first.deliver(a_message("m2"))
    second.deliver(a_message("m1"))

    assert path.read_bytes().count(b"\n") == 2


def _deliver_all(path: Path) -> None:
    channel = JournalChannel(path=path)
    for number in range(50):
        channel.deliver(a_message(f"m{number}"))


def test_processes_share_a_journal(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_deliver_all, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(path.read_text("utf-8").splitlines()) == sorted(
        canonical.encode(a_message(f"m{number}")) for number in range(50)
    )


def test_threads_share_a_channel(path: Path) -> None:
    channel = JournalChannel(path=path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: channel.deliver(a_message(f"m{number % 50}")), range(200)))

    assert sorted(path.read_text("utf-8").splitlines()) == sorted(
        canonical.encode(a_message(f"m{number}")) for number in range(50)
    )


@pytest.mark.parametrize("kept", [2, 20, len(canonical.encode(a_message("m2")).encode()) - 1])
def test_half_a_line_left_by_a_crash_is_replaced(path: Path, kept: int) -> None:
    whole = canonical.encode(a_message("m1")) + "\n"
    path.write_bytes(whole.encode() + canonical.encode(a_message("m2")).encode()[:kept])

    JournalChannel(path=path).deliver(a_message("m2"))

    assert path.read_text("utf-8") == whole + canonical.encode(a_message("m2")) + "\n"


def test_line_that_lacks_only_its_end_counts_as_written(path: Path) -> None:
    path.write_text(canonical.encode(a_message("m1")), "utf-8")
    channel = JournalChannel(path=path)

    channel.deliver(a_message("m1"))
    channel.deliver(a_message("m2"))

    assert path.read_text("utf-8") == "".join(canonical.encode(a_message(name)) + "\n" for name in ("m1", "m2"))


@pytest.mark.parametrize("foreign", [b"root:x:0:0\n", b"root", b'["m1"]\n', b'{"name":"x"}\n', b"\xff\n", b"\n"])
def test_foreign_file_is_left_alone(path: Path, foreign: bytes) -> None:
    path.write_bytes(foreign)

    with pytest.raises(Fault, match=f"line 1 of {path} is not a journal line"):
        JournalChannel(path=path).deliver(a_message())

    assert path.read_bytes() == foreign


def test_channel_recovers_when_the_foreign_line_is_taken_out(path: Path) -> None:
    channel = JournalChannel(path=path)
    channel.deliver(a_message("m1"))
    good = path.read_bytes()
    path.write_bytes(good + b"note to self\n")
    with pytest.raises(Fault, match="line 2"):
        channel.deliver(a_message("m2"))
    path.write_bytes(good)

    channel.deliver(a_message("m2"))

    assert path.read_text("utf-8") == "".join(canonical.encode(a_message(name)) + "\n" for name in ("m1", "m2"))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 10])
def test_full_disk_leaves_no_part_of_a_message(path: Path, room: int) -> None:
    channel = JournalChannel(path=path)
    channel.deliver(a_message("m1"))
    before = path.read_bytes()

    with file_size_limit(len(before) + room), pytest.raises(Fault, match=f"the journal {path} cannot be written") as e:
        channel.deliver(a_message("m2"))

    assert e.value.fields == {"path": str(path)}
    assert path.read_bytes() == before
    channel.deliver(a_message("m2"))
    assert path.read_text("utf-8") == "".join(canonical.encode(a_message(name)) + "\n" for name in ("m1", "m2"))


def test_rotated_file_starts_a_new_journal(path: Path) -> None:
    channel = JournalChannel(path=path)
    channel.deliver(a_message("m1"))
    path.rename(path.with_suffix(".1"))

    channel.deliver(a_message("m2"))

    assert path.read_text("utf-8") == canonical.encode(a_message("m2")) + "\n"


def test_journal_is_readable_by_its_owner_alone(path: Path) -> None:
    JournalChannel(path=path).deliver(a_message())

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_relative_path_stays_where_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    channel = JournalChannel(path=path.name)
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    channel.deliver(a_message())

    assert path.exists()
    assert list(elsewhere.iterdir()) == []


def test_missing_folder_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "journal.jsonl"

    with pytest.raises(Invalid, match=f"{path} cannot be kept: the folder {path.parent} does not exist") as caught:
        JournalChannel(path=path)

    assert caught.value.fields == {"path": str(path)}


def test_folder_that_vanishes_is_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    channel = JournalChannel(path=folder / "journal.jsonl")
    folder.rmdir()

    with pytest.raises(Fault, match=f"the journal {folder / 'journal.jsonl'} cannot be written"):
        channel.deliver(a_message())


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=f"{tmp_path} is a folder"):
        JournalChannel(path=tmp_path)


@pytest.mark.parametrize("options", [{}, {"path": ""}, {"path": None}, {"path": 7}])
def test_path_is_needed(options: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="needs the option 'path'"):
        JournalChannel(**options)


def test_unknown_option_is_named(path: Path) -> None:
    with pytest.raises(Invalid, match="no option colour, paths"):
        JournalChannel(path=path, paths=1, colour="red")


@pytest.mark.parametrize("key", ["id", "message", "recipient", "body"])
def test_message_without_a_key_is_refused(path: Path, key: str) -> None:
    message = a_message()
    del message[key]

    with pytest.raises(Invalid, match=f"the message has no {key}"):
        JournalChannel(path=path).deliver(message)

    assert not path.exists()


@pytest.mark.parametrize("identifier", ["", None, 7])
def test_message_id_must_be_a_text(path: Path, identifier: object) -> None:
    with pytest.raises(Invalid, match="is not a text"):
        JournalChannel(path=path).deliver(a_message(id=identifier))


def test_message_outside_canonical_json_is_refused(path: Path) -> None:
    with pytest.raises(NotCanonical, match="score"):
        JournalChannel(path=path).deliver(a_message(score=87.5))

    assert not path.exists()


def test_killed_process_loses_nothing_it_had_delivered(path: Path) -> None:
    """The process dies by SIGKILL right after `deliver` returned; the next one finds the message and goes on."""
    script = (
        "import os, signal, sys\n"
        "from ganchu_notifications.journal import JournalChannel\n"
        "channel = JournalChannel(path=sys.argv[1])\n"
        "channel.deliver({'id': 'm1', 'message': 'notice_opened', 'recipient': '360100', 'body': '公示已开始'})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        check=False,
    )
    assert died.returncode == -9

    JournalChannel(path=path).deliver(a_message("m1"))
    JournalChannel(path=path).deliver(a_message("m2"))

    assert path.read_text("utf-8") == "".join(canonical.encode(a_message(name)) + "\n" for name in ("m1", "m2"))


def test_a_system_without_file_locks_is_told_so_and_finds_the_other_channels(path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['fcntl'] = None\n"
        "from ganchu_workflow.errors import Invalid\n"
        "from ganchu_workflow.plugins import CHANNELS, Registry\n"
        "registry = Registry.discover(CHANNELS)\n"
        "print(sorted(registry.plugins), registry.broken)\n"
        "try: registry.get('journal').brought(path=sys.argv[1])\n"
        "except Invalid as error: print(error.message)\n"
    )

    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [
        "['eml', 'inbox', 'journal', 'smtp'] {}",
        "the journal channel needs the file locks of POSIX (fcntl), which this system does not have; "
        "use another channel here",
    ]
    assert not path.exists()
