"""A dispatcher from a file or a mapping, found without importing it."""

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import ganchu_notifications.configuration
from ganchu_workflow.errors import Invalid, PluginInvalid
from ganchu_workflow.messages import Dispatched
from ganchu_workflow.plugins import CHANNELS, DISPATCHERS, Registry
from ganchu_workflow.testing import firm
from tests.notifications.conftest import Post

FILE = """
language = "en"
templates = ["texts"]

[channels.folder]
use = "eml"
folder = "mail"

[channels.inbox]

[channels.record]
use = "journal"
path = "journal.jsonl"

[routes]
default = ["inbox"]
applicant = ["folder", "inbox", "record"]

[addresses]
"applicant:firm-铜箔" = ["a@e1.test"]

[delivery]
attempts = 2
backoff = 1
"""
SMTP = {"use": "smtp", "host": "h", "sender": "a@b.test"}
ONE, BOTH = "one@e1.example", "one@e1.example; two@e1.example"
LEAST = {"channels": {"inbox": {}}, "routes": {"default": ["inbox"]}}


def test_a_file_says_everything_and_its_paths_are_its_own(sqlite_post: Post, tmp_path: Path) -> None:
    sqlite_post.tell()
    (tmp_path / "texts" / "en").mkdir(parents=True)
    (tmp_path / "texts" / "en" / "declaration_received.txt").write_text("Ours: {{ product }}\n\nThank you.\n", "utf-8")
    (tmp_path / "delivery.toml").write_text(FILE, "utf-8")

    done = sqlite_post.wf.dispatcher(tmp_path / "delivery.toml").run_once()

    assert done == Dispatched(delivered=3)
    assert [e.channel for e in sqlite_post.wf.outbox.entries()] == ["folder", "inbox", "record"]
    (mail,) = (tmp_path / "mail").iterdir()
    assert b"To: a@e1.test" in mail.read_bytes()
    assert (tmp_path / "journal.jsonl").read_text("utf-8").count("\n") == 1
    (letter,) = sqlite_post.wf.inbox.letters(firm("铜箔"))
    assert (letter.subject, "Thank you." in letter.text) == ("Ours: 铜箔", True)


def test_a_mapping_says_the_same_as_a_file(sqlite_post: Post) -> None:
    sqlite_post.tell()

    assert sqlite_post.wf.dispatcher(LEAST).run_once() == Dispatched(delivered=1)

    (letter,) = sqlite_post.wf.inbox.letters(firm("铜箔"))
    assert letter.subject == "申报材料已收到:铜箔"


def test_the_journal_keeps_no_address(sqlite_post: Post, tmp_path: Path) -> None:
    sqlite_post.tell()
    given = {
        "channels": {"journal": {"path": str(tmp_path / "j")}},
        "routes": {"default": ["journal"]},
        "addresses": {"applicant:firm-铜箔": ["a@e1.test"]},
    }

    for _ in range(2):
        sqlite_post.wf.dispatcher(given).run_once()

    written = (tmp_path / "j").read_text("utf-8")
    assert ("a@e1.test" in written, written.count("\n")) == (False, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": {}}, "channels: Dictionary should have at least 1 item"),
        ({"routes": {"default": ["fax"]}}, "routes: default names fax; there are: inbox"),
        ({"language": "fr"}, "language: Input should be 'zh-CN' or 'en'"),
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
        ({"delivery": {"attempts": 0}}, "delivery.attempts: Input should be greater than or equal to 1"),
        ({"addresses": {"office": "a@b.test"}}, "addresses.office: Input should be a valid list"),
        (
            {"channels": {"mail": SMTP}, "routes": {"default": ["mail"]}, "addresses": {"office": [ONE, BOTH]}},
            "addresses: office, number 2, over mail: it is not one mail address; each is an entry of its own",
        ),
        ({"channels": {"inbox": {"colour": 1}}}, "channels.inbox: the inbox channel has no option colour"),
        ({"channels": {"inbox": {"use": 1}}}, "channels.inbox: use must be the name of a channel, not 1"),
        ({"channels": {"inbox": {"use": "jurnal"}}}, "there is no 'jurnal' in ganchu_workflow.channels; did you mean"),
        ({"templates": ["no/such/folder"]}, "the folder of message texts no/such/folder does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_what_is_wrong(
    sqlite_post: Post, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(Invalid) as caught:
        sqlite_post.wf.dispatcher({**LEAST, **changes})

    assert said in caught.value.message


def test_a_whole_address_book_is_looked_through_for_those_who_get_mail(sqlite_post: Post) -> None:
    given = {
        "channels": {"inbox": {}, "mail": SMTP},
        "routes": {"default": ["inbox"], "applicant": ["inbox", "mail"]},
        # The office is told over no channel that writes mail: what an address is, is not known there.
        "addresses": {
            "office": ["+86 0"],
            "applicant:E1": [ONE],
            "applicant:E2": ["<a@b.c>, d@e.f"],
            "applicant:E3": ["x"],
        },
    }

    with pytest.raises(Invalid) as caught:
        sqlite_post.wf.dispatcher(given)

    assert caught.value.fields["problems"] == [
        f"addresses: applicant:{each}, number 1, over mail: it is not one mail address; each is an entry of its own"
        for each in ("E2", "E3")
    ]


def test_what_is_wrong_with_a_configuration_does_not_show_a_password(sqlite_post: Post) -> None:
    smtp = {"use": "smtp", "host": "h", "sender": "a@b.test", "user": "u", "password": "s3cret", "port": "x"}

    for channels in ({"mail": smtp}, {"mail": [smtp]}):
        with pytest.raises(Invalid) as caught:
            sqlite_post.wf.dispatcher({"channels": channels, "routes": {"default": ["mail"]}})
        assert "s3cret" not in str(caught.value) + repr(caught.value.fields) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("octets", "said"),
    [(None, "cannot be read: No such file"), (b"[channels", "is not TOML"), ("通道".encode("gb18030"), "is not TOML")],
)
def test_a_file_that_cannot_be_read_is_refused(
    sqlite_post: Post, tmp_path: Path, octets: bytes | None, said: str
) -> None:
    path = tmp_path / "delivery.toml"
    if octets is not None:
        path.write_bytes(octets)

    with pytest.raises(Invalid) as caught:
        sqlite_post.wf.dispatcher(path)

    assert caught.value.message.startswith(str(path)) and said in caught.value.message


def test_texts_that_do_not_fit_are_refused_at_the_start_with_their_names(sqlite_post: Post, tmp_path: Path) -> None:
    for name in ("item_held", "place_free"):
        (tmp_path / "zh-CN").mkdir(exist_ok=True)
        (tmp_path / "zh-CN" / f"{name}.txt").write_text("主题\n\n{{ nothing }}\n", "utf-8")

    with pytest.raises(Invalid) as caught:
        sqlite_post.wf.dispatcher({**LEAST, "templates": [str(tmp_path)]})

    assert caught.value.fields["problems"] == [
        f"ganchu_stages.{name} (zh-CN): the text of ganchu_stages.{name} cannot be rendered: "
        "UndefinedError: 'nothing' is undefined"
        for name in ("item_held", "place_free")
    ]


def test_an_unknown_dispatcher_is_said_to_be_unknown(sqlite_post: Post) -> None:
    with pytest.raises(
        PluginInvalid, match=r"there is no 'other' in ganchu_workflow.dispatchers; installed are: default"
    ):
        sqlite_post.wf.dispatcher(LEAST, name="other")


def test_channels_and_the_dispatcher_come_through_the_entry_points() -> None:
    assert sorted(Registry.discover(CHANNELS).plugins) == ["eml", "inbox", "journal", "smtp"]
    assert Registry.discover(CHANNELS).broken == {}
    assert Registry.discover(DISPATCHERS).get("default").brought is ganchu_notifications.configuration.build


def test_a_dispatcher_that_does_not_keep_its_contract_is_put_aside() -> None:
    points = [
        EntryPoint("wrong", "json:loads", DISPATCHERS),
        EntryPoint("no_function", "json:__name__", DISPATCHERS),
    ]

    registry = Registry.discover(DISPATCHERS, points)

    assert sorted(registry.broken) == ["no_function", "wrong"]
    assert "it must be build(workflow, configuration)" in registry.broken["wrong"].message
    assert "it is not a function build(workflow, configuration)" in registry.broken["no_function"].message


def test_which_channels_bear_repeats_and_which_need_an_address() -> None:
    brought = {name: plugin.brought for name, plugin in Registry.discover(CHANNELS).plugins.items()}

    assert {n: (getattr(c, "repeats_safely", False), getattr(c, "addresses", None)) for n, c in brought.items()} == {
        "eml": (True, "optional"),
        "inbox": (True, None),
        "journal": (True, None),
        "smtp": (False, "required"),
    }


def test_a_channel_that_says_of_itself_what_nobody_understands_is_put_aside() -> None:
    class Fax:
        name = "fax"
        repeats_safely = "yes"
        addresses = "maybe"

        def deliver(self, message: Any) -> None: ...

    with pytest.raises(PluginInvalid) as caught:
        Registry(CHANNELS).register("fax", Fax)

    assert "repeats_safely is True or False, not 'yes'" in caught.value.message
    assert "addresses is 'required' or 'optional', or left out, not 'maybe'" in caught.value.message
