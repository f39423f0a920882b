"""A dispatcher from settings: a TOML file, or the mapping it would be read as.

    language = "zh-CN"
    templates = ["our_texts"]

    [channels.mail]
    use = "smtp"
    host = "smtp.example.org"
    sender = "评选工作组 <pingxuan@example.org>"

    [channels.inbox]
    use = "inbox"

    [routes]
    default = ["inbox"]
    applicant = ["inbox", "mail"]

    [addresses]
    "applicant:E1" = ["liaison@e1.example"]

    [delivery]
    attempts = 8

A path in a file is relative to the folder the file is in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ganchu_notifications.dispatcher import Channel, Dispatcher, Outbox
from ganchu_notifications.inbox import Inbox
from ganchu_notifications.templates import Templates
from ganchu_workflow.errors import Invalid
from ganchu_workflow.messages import Delivery, MessageKind
from ganchu_workflow.plugins import CHANNELS, Registry

_PATHS = frozenset({"path", "folder", "password_file", "ca_file"})
"""The options of our own channels that name a file."""


class Workflow(Protocol):
    """What a dispatcher is built on; the library's `Workflow` is one."""

    @property
    def outbox(self) -> Outbox:
        """The messages on their way."""
        ...

    @property
    def inbox(self) -> Inbox:
        """The inboxes that the library keeps."""
        ...


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(_Part):
    """How often and how long a delivery is tried. Times are in seconds."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 8
    backoff: Annotated[float, Field(gt=0, le=86400)] = 30
    longest: Annotated[float, Field(gt=0, le=604800)] = 3600
    lease: Annotated[float, Field(gt=0, le=86400)] = 600


class Configuration(_Part):
    """Everything a dispatcher is told. `channels` holds, by the name it has here, the options of each channel."""

    channels: Annotated[dict[Annotated[str, Field(min_length=1, max_length=60)], dict[str, Any]], Field(min_length=1)]
    routes: dict[str, list[str]]
    addresses: dict[str, list[str]] = {}
    language: Literal["zh-CN", "en"] = "zh-CN"
    templates: list[Path] = []
    delivery: Settings = Settings()


def build(workflow: Workflow, configuration: Mapping[str, Any] | Path) -> Dispatcher:
    """The dispatcher that these settings describe. Raises `Invalid` with all that is wrong with them.

    `configuration` is the settings, or the TOML file that holds them.
    """
    read, folder = _read(configuration)
    registry = Registry.discover(CHANNELS)
    channels = {name: _channel(name, options, registry, workflow, folder) for name, options in read.channels.items()}
    seconds = read.delivery
    return Dispatcher(
        workflow.outbox,
        channels,
        read.routes,
        Templates([folder / each for each in read.templates], read.language),
        addresses=read.addresses,
        attempts=seconds.attempts,
        backoff=timedelta(seconds=seconds.backoff),
        longest=timedelta(seconds=seconds.longest),
        lease=timedelta(seconds=seconds.lease),
    )


def check_texts(kinds: Iterable[MessageKind]) -> list[str]:
    """What is wrong with the packages' own texts of these kinds; `ganchu plugins check` asks."""
    return Templates().check(kinds)


def words(delivery: Delivery) -> tuple[str, str]:
    """Subject and text of a message in the packages' own words; `ganchu outbox list` asks before it is sent."""
    said = _own_texts().render(delivery)
    return said.subject, said.text


@cache
def _own_texts() -> Templates:
    return Templates()


build.words = words  # type: ignore[attr-defined]
build.check_texts = check_texts  # type: ignore[attr-defined]  # the entry point brings the function, and it both


def _read(configuration: Mapping[str, Any] | Path) -> tuple[Configuration, Path]:
    where, folder = "the configuration of the dispatcher", Path()
    if isinstance(configuration, Path):
        where, folder = str(configuration), configuration.parent
        try:
            configuration = tomllib.loads(configuration.read_text("utf-8-sig"))
        except OSError as error:
            raise Invalid(f"{where} cannot be read: {error.strerror or error}", path=where) from error
        except ValueError as error:
            raise Invalid(f"{where} is not TOML in UTF-8: {error}", path=where) from error
    try:
        return Configuration.model_validate(configuration), folder
    except ValidationError as error:
        # Without the input: a password may be among it.
        found = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False, include_url=False)
        ]
        raise Invalid(f"{where} cannot be used: {'; '.join(found)}", problems=found) from None


def _channel(name: str, options: Mapping[str, Any], registry: Registry, workflow: Workflow, folder: Path) -> Channel:
    given = dict(options)
    use = given.pop("use", name)
    if not isinstance(use, str):
        raise Invalid(f"channels.{name}: use must be the name of a channel, not {use!r}")
    brought = registry.get(use).brought
    for key in _PATHS & given.keys():
        if isinstance(given[key], str) and given[key]:
            given[key] = str(folder / given[key])
    if getattr(brought, "wants_inbox", False):
        given["inbox"] = workflow.inbox
    try:
        channel: Channel = brought(**given)
    except Invalid as error:
        raise Invalid(f"channels.{name}: {error.message}", channel=name, **error.fields) from error
    return channel
