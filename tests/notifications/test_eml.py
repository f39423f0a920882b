"""Mail in a folder: whole or not at all, and the same bytes for the same message."""

import json
import os
import stat
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from ganchu_notifications.eml import EmlChannel
from ganchu_workflow.errors import Fault, Invalid, Undeliverable
from ganchu_workflow.messages import Dispatched
from tests.notifications.conftest import Post
from tests.notifications.test_smtp import a_message


def test_a_message_is_a_file_named_after_its_id(tmp_path: Path) -> None:
    EmlChannel(folder=tmp_path / "mail").deliver(a_message())

    (path,) = (tmp_path / "mail").iterdir()
    assert path.name == "061fd3uug000n16f7q085uhhio.eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (mail["Subject"], mail["To"]) == ("申报材料已收到:铜箔", "联络人 <liaison@e1.test>, second@e1.test")
    assert (mail["From"], mail["Date"]) == ("no-reply@ganchu.invalid", "Thu, 01 Sep 2022 01:00:00 +0000")


def test_the_same_message_makes_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    EmlChannel(folder=tmp_path / "here").deliver(a_message())
    program = (
        "import json, sys; from ganchu_notifications.eml import EmlChannel\n"
        "EmlChannel(folder=sys.argv[1]).deliver(json.loads(sys.argv[2]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/New_York", "LC_ALL": "C"}
    command = [sys.executable, "-c", program, str(tmp_path / "there"), json.dumps(a_message())]
    subprocess.run(command, check=True, env=environment)

    here, there = ((tmp_path / side / "061fd3uug000n16f7q085uhhio.eml").read_bytes() for side in ("here", "there"))
    assert here == there


def test_a_message_that_is_handed_in_again_leaves_one_file_as_it_was(tmp_path: Path) -> None:
    channel = EmlChannel(folder=tmp_path / "mail", durable=False)
    channel.deliver(a_message())
    (path,) = channel.folder.iterdir()
    before = path.read_bytes()

    channel.deliver(a_message())

    assert [p.read_bytes() for p in channel.folder.iterdir()] == [before]


def test_a_recipient_without_an_address_is_written_to_at_one_that_cannot_exist(tmp_path: Path) -> None:
    channel = EmlChannel(folder=tmp_path / "mail", sender="评选工作组 <pingxuan@office.test>")
    channel.deliver(a_message(recipient="applicant:firm-铜箔", addresses=[]))

    (path,) = channel.folder.iterdir()
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["From"] == "评选工作组 <pingxuan@office.test>"
    (to,) = mail["To"].addresses
    assert (to.display_name, to.domain) == ("applicant:firm-铜箔", "ganchu.invalid")
    assert to.username.startswith("applicant-")


def test_a_file_that_cannot_be_written_is_a_fault_and_leaves_nothing(tmp_path: Path) -> None:
    channel = EmlChannel(folder=tmp_path / "mail")
    (tmp_path / "mail").rmdir()

    with pytest.raises(Fault, match=r"the mail .*061fd3uug000n16f7q085uhhio.eml cannot be written: No such file"):
        channel.deliver(a_message())

    assert list(tmp_path.iterdir()) == []


def test_a_death_in_the_middle_of_writing_leaves_no_half_a_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = EmlChannel(folder=tmp_path / "mail")

    def die(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        channel.deliver(a_message())

    assert list(channel.folder.glob("*.eml")) == []
    monkeypatch.undo()
    channel.deliver(a_message())
    assert [p.suffix for p in channel.folder.iterdir()] == [".eml"]


def test_it_works_on_a_system_that_is_not_posix(tmp_path: Path) -> None:
    """What Windows lacks is taken away, and what it refuses is refused."""
    program = (
        "import errno, json, os, sys, pathlib\n"
        "real, os.name = os.open, 'other'\n"
        "del os.O_CLOEXEC\n"
        "def open_(path, *args):\n"
        "    if os.path.isdir(path): raise PermissionError(errno.EACCES, 'a folder')\n"
        "    return real(path, *args)\n"
        "os.open = open_\n"
        "from ganchu_notifications.eml import EmlChannel\n"
        "EmlChannel(folder=sys.argv[1]).deliver(json.loads(sys.argv[2]))"
    )

    subprocess.run([sys.executable, "-c", program, str(tmp_path / "there"), json.dumps(a_message())], check=True)

    EmlChannel(folder=tmp_path / "here").deliver(a_message())
    here, there = ((tmp_path / side / "061fd3uug000n16f7q085uhhio.eml").read_bytes() for side in ("here", "there"))
    assert here == there


@pytest.mark.parametrize("identifier", ["../x", "", "a/b", "a" * 101, "a.b"])
def test_an_id_that_cannot_name_a_file_is_a_dead_letter(tmp_path: Path, identifier: str) -> None:
    channel = EmlChannel(folder=tmp_path / "mail")
    with pytest.raises(Undeliverable, match="cannot name a file"):
        channel.deliver(a_message(id=identifier))
    assert list(channel.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "the eml channel needs the option 'folder'"),
        ({"folder": ""}, "the eml channel needs the option 'folder'"),
        ({"folder": "mail", "durable": "yes"}, "the option 'durable' of the eml channel is true or false"),
        ({"folder": "mail", "sender": "nobody"}, "'nobody' is not a mail address"),
        ({"folder": "mail", "colour": 1}, "no option colour; it has 'folder', 'sender' and 'durable'"),
        ({"folder": "no/such/mail"}, "no/such does not exist; create it"),
        ({"folder": "file"}, "file cannot be made"),
    ],
)
def test_options_that_cannot_be_used_are_refused_at_the_start(
    options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    with pytest.raises(Invalid) as caught:
        EmlChannel(**options)

    assert said in caught.value.message


def test_over_the_dispatcher_every_message_is_one_mail(post: Post, tmp_path: Path) -> None:
    sent = post.tell(3)

    assert post.dispatcher(EmlChannel(folder=tmp_path / "mail")).run_once() == Dispatched(delivered=3)

    assert sorted(p.stem for p in (tmp_path / "mail").iterdir()) == sent
