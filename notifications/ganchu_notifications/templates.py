"""The texts of messages: Jinja2 in a sandbox, in Chinese first and in English, and the host's own before ours.

A text sees the body that was told, and beside it: `round` (code, title, timezone, demonstration), `recipient` (role,
scope, label), `told_at` and, where its kind declares them, `application` (product and enterprise, and number and city
where known) and `deadlines` (the ends of those that the same event armed). A name it uses and is not given is an error,
never an empty place in a letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import (
    BaseLoader,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    Undefined,
    UndefinedError,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ganchu_workflow.actors import ROLE_LABELS, Role
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.errors import Invalid
from ganchu_workflow.messages import LANGUAGES, Delivery, MessageKind
from ganchu_workflow.timing.left import read_left

LONGEST_SUBJECT = 300
LAYOUT = Path(__file__).parent / "layout"
BEIJING = ("Asia/Shanghai", "Asia/Chongqing", "PRC")
SAMPLE_APPLICATION = {
    "number": "2021-0001",
    "product": "示例产品(虚构)",
    "enterprise": "示例企业有限公司(虚构)",
    "city": "360100",
}
SAMPLE_ROUND = {
    "id": "0" * 26,
    "code": "SAMPLE-2021",
    "title": "评选示例(虚构)",
    "timezone": "Asia/Shanghai",
    "demonstration": True,
}
SAMPLE_INSTANT = datetime(2021, 9, 3, 9, 30, tzinfo=UTC)
# Not strftime's: those are the ones of the host's locale.
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WORDS_EN = {role: role.value.replace("_", " ") for role in Role}


@dataclass(frozen=True, slots=True)
class Said:
    """A message in words: what its recipient reads."""

    subject: str
    text: str


class Unreadable(Invalid):
    """A message that cannot be put into words: it has no text, or its text cannot be rendered."""

    code = "unreadable"


class Templates:
    """The texts in one language. `folders` are the host's own, `<language>/<kind>.txt` in each, the first one wins.

    The layout around every text, `<language>/layout.txt`, may be the host's as well. Raises `Invalid` for a language
    that messages have no text in, and for a folder that is not there.
    """

    def __init__(self, folders: Sequence[str | Path] = (), language: str = LANGUAGES[0]) -> None:
        if language not in LANGUAGES:
            raise Invalid(f"there are no texts in '{language}'; use one of {', '.join(LANGUAGES)}", language=language)
        for folder in folders:
            if not Path(folder).is_dir():
                raise Invalid(f"the folder of message texts {folder} does not exist", folder=str(folder))
        self.language = language
        self._folders = tuple(folders)
        self._environments = {each: _environment(each, folders) for each in LANGUAGES}
        self._read = lru_cache(maxsize=1024)(self._compiled)

    def render(self, delivery: Delivery) -> Said:
        """The message in words. Raises `Unreadable`, saying what is missing; nothing is ever left out silently."""
        if delivery.declared is None:
            raise Unreadable(
                f"the message '{delivery.kind}' has no text: declare it in the folder 'messages' of the package whose "
                "stage tells it, and see that this package is installed"
            )
        given = {
            "body": {key: value for key, value in delivery.body.items() if value is not None},
            "application": delivery.application,
            "deadlines": delivery.deadlines,
            "round": delivery.round,
            "recipient": delivery.recipient,
            "told_at": delivery.created_at,
            "id": delivery.id,
        }
        return self._say(delivery.declared, self.language, given)

    def check(self, kinds: Iterable[MessageKind]) -> list[str]:
        """Render each kind with its sample, whole and without what may be absent, in every language; what fails."""
        wrong = []
        for kind in kinds:
            for language in LANGUAGES:
                for body, application, deadlines in _samples(kind):
                    given = {
                        "body": body,
                        "application": application,
                        "deadlines": deadlines,
                        "round": SAMPLE_ROUND,
                        "recipient": Role.OFFICE.value,
                        "told_at": SAMPLE_INSTANT,
                        "id": "0" * 26,
                    }
                    try:
                        self._say(kind, language, given)
                    except Invalid as error:
                        wrong.append(f"{kind} ({language}): {error.message}")
                        break
        return wrong

    def _say(self, kind: MessageKind, language: str, given: Mapping[str, Any]) -> Said:
        role, _, scope = given["recipient"].partition(":")
        label = (ROLE_LABELS if language == LANGUAGES[0] else _WORDS_EN)[Role(role)]
        names: dict[str, Any] = {
            **given["body"],
            "round": given["round"],
            "recipient": {"role": role, "scope": scope, "label": label},
            "deadlines": given["deadlines"],
            "told_at": to_text(given["told_at"]),
        }
        if kind.application and given["application"] is not None:
            names["application"] = given["application"]
        try:
            head, rest, layout = self._read(kind, language)
            subject = " ".join(_clean(head.render(names)).split())
            text = _clean(rest.render(names)).strip()
            around = {**names, "subject": subject, "text": text, "message_id": given["id"]}
            whole = _clean(layout.render(around)).strip() + "\n"
        except TemplateNotFound as error:
            raise Unreadable(f"the text of {kind} refers to '{error.name}', which is not there") from error
        except TemplateError as error:
            raise Unreadable(f"the text of {kind} cannot be rendered: {type(error).__name__}: {error}") from error
        except Invalid as error:
            raise Unreadable(f"the text of {kind} cannot be rendered: {error.message}") from error
        except Exception as error:
            # A text is foreign code: whatever it does wrong concerns this message alone.
            raise Unreadable(f"the text of {kind} cannot be rendered: {type(error).__name__}: {error}") from error
        if not subject or not text:
            raise Unreadable(f"the text of {kind} is empty: write the subject, an empty line, and the text")
        if len(subject) > LONGEST_SUBJECT:
            raise Unreadable(f"the subject of {kind} has {len(subject)} characters; at most {LONGEST_SUBJECT}")
        return Said(subject, whole)

    def _compiled(self, kind: MessageKind, language: str) -> tuple[Template, Template, Template]:
        """Subject, text and layout. The subject is a template of its own: no value can break out of its line."""
        environment = self._environments[language]
        name = f"{language}/{kind.name}.txt"
        try:
            assert environment.loader is not None
            source = environment.loader.get_source(environment, name)[0]
        except TemplateNotFound:
            source = kind.text(language)
        head, _, rest = source.partition("\n")
        if rest.strip() and rest.partition("\n")[0].strip():
            raise Unreadable(f"the text of {kind} must have an empty line after the subject ({name})")
        layout = environment.get_template(f"{language}/layout.txt")
        return environment.from_string(head), environment.from_string(rest), layout


def _environment(language: str, folders: Sequence[str | Path]) -> ImmutableSandboxedEnvironment:
    loader: BaseLoader = FileSystemLoader([*folders, LAYOUT])
    environment = ImmutableSandboxedEnvironment(
        loader=loader, undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    chinese = language == LANGUAGES[0]
    environment.filters["local"] = _instant(_local_zh if chinese else _local_en, end=False)
    environment.filters["until"] = _instant(_local_zh if chinese else _local_en, end=True)
    environment.filters["day"] = _day_zh if chinese else _day_en
    environment.filters["period"] = _period_zh if chinese else str
    return environment


def _samples(kind: MessageKind) -> Iterable[tuple[dict[str, Any], dict[str, str] | None, dict[str, str]]]:
    """The body, application and deadlines of the fullest message of a kind, and of the barest one there can be."""
    about = SAMPLE_APPLICATION if kind.application else None
    yield dict(kind.sample), about, dict.fromkeys(kind.deadlines, to_text(SAMPLE_INSTANT))
    least = {key: value for key, value in kind.sample.items() if key not in kind.optional}
    yield least, about and {key: about[key] for key in ("product", "enterprise")}, {}


def _clean(text: str) -> str:
    """`text` without control characters and lone surrogates, which no letter needs and some receivers choke on."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]", " ", text.replace("\r\n", "\n"))


# ── what the filters say ──


def _instant(say: Callable[[datetime, bool], str], *, end: bool) -> Callable[[Context, str], str]:
    @pass_context
    def filtered(context: Context, value: str) -> str:
        _there(value)
        zone = context["round"]["timezone"]
        here = from_text(value).astimezone(ZoneInfo(zone))
        return say(here, end) + ("" if zone in BEIJING else f" ({zone})")

    return filtered


def _there(value: object) -> None:
    """A filter would complain of a type; what is the matter is that the value is absent, and jinja can say of which."""
    if isinstance(value, Undefined):
        raise UndefinedError(
            f"{value._undefined_message}; a deadline, or what its declaration calls optional, may be absent: "
            "ask `{% if … is defined %}` first"
        )


def _local_zh(here: datetime, end: bool) -> str:
    day, hour = _day_and_hour(here, end)
    return f"{day.year}年{day.month}月{day.day}日{hour}"


def _local_en(here: datetime, end: bool) -> str:
    day, hour = _day_and_hour(here, end)
    zone = " (Beijing time)" if str(here.tzinfo) in BEIJING else ""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}, {hour}{zone}"


def _day_and_hour(here: datetime, end: bool) -> tuple[datetime, str]:
    if end and here.time() == time(0, 0):
        return here - timedelta(days=1), "24:00"  # as it is printed: the end of that day, in time
    seconds = f":{here:%S}" if here.second else ""
    return here, f"{here.hour}:{here:%M}{seconds}"


def _day_zh(value: str) -> str:
    _there(value)
    day = datetime.fromisoformat(value)
    return f"{day.year}年{day.month}月{day.day}日"


def _day_en(value: str) -> str:
    _there(value)
    day = datetime.fromisoformat(value)
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _period_zh(value: str, start_day: str = "收到当日") -> str:
    _there(value)
    return read_left(value).label_zh(start_day)
