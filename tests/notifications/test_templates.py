"""Texts: of a stage from elsewhere, of the host, and of somebody who means harm."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ganchu_notifications.templates import Templates, Unreadable
from ganchu_workflow.errors import Invalid
from ganchu_workflow.messages import Delivery, MessageKind, declared_in, message_kinds, told_by
from ganchu_workflow.process.language import Stage
from ganchu_workflow.process.mixins import Correctable

Made = Callable[..., type[Stage]]
GOOD = """
[visit_due]
application = true
sample = { due_at = "2022-05-06T16:00:00.000000Z", place = "厂区" }
optional = ["place"]
"""
TEXT_ZH = """核查将于{{ due_at | until }}到期

请贵单位{% if place is defined %}在{{ place }}{% endif %}配合核查“{{ application.product }}”。
"""
TEXT_EN = """The visit is due by {{ due_at | until }}

Please assist{% if place is defined %} at {{ place }}{% endif %}.
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Makes a distribution's package with a stage and its messages, importable as any other."""
    names: list[str] = []
    monkeypatch.syspath_prepend(tmp_path)

    def make(toml: str = GOOD, *, bases: str = "Stage", **texts: str) -> type[Stage]:
        name = f"visiting_{len(names)}_{tmp_path.name.replace('-', '_')}"
        names.append(name)
        folder = tmp_path / name
        texts = texts or {"visit_due": TEXT_ZH, "visit_due_en": TEXT_EN}
        for text, words in texts.items():
            language = "en" if text.endswith("_en") else "zh-CN"
            place = folder / "messages" / language / f"{text.removesuffix('_en')}.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(words, "utf-8")
        (folder / "messages").mkdir(parents=True, exist_ok=True)
        (folder / "messages" / "messages.toml").write_text(toml, "utf-8")
        (folder / "__init__.py").touch()
        (folder / "stage.py").write_text(
            "from ganchu_workflow.process import Stage\n"
            "from ganchu_workflow.process.mixins import Correctable\n"
            f"class Visit({bases}):\n    name = 'visit'\n",
            "utf-8",
        )
        module = __import__(f"{name}.stage", fromlist=["Visit"])
        stage: type[Stage] = module.Visit
        return stage

    yield make
    for name in names:
        sys.modules.pop(f"{name}.stage", None)
        sys.modules.pop(name, None)
    declared_in.cache_clear()


def delivery(kind: MessageKind | None, body: dict[str, Any], **changes: Any) -> Delivery:
    given: dict[str, Any] = {
        "id": "0" * 26,
        "channel": "one",
        "kind": kind.name if kind else "visit_due",
        "recipient": "applicant:E1",
        "body": body,
        "created_at": datetime(2022, 5, 5, 1, 0, tzinfo=UTC),
        "round": {
            "id": "1" * 26,
            "code": "GCJP",
            "title": "评选",
            "timezone": "Asia/Shanghai",
            "demonstration": False,
        },
        "application": {"product": "铜箔", "enterprise": "铜箔有限公司"},
        "deadlines": {},
        "declared": kind,
        "attempts": 1,
        "until": datetime(2022, 5, 5, 2, 0, tzinfo=UTC),
        "version": 2,
    }
    return Delivery(**given | changes)


# ── a stage from elsewhere ──


def test_a_stage_from_elsewhere_brings_its_own_texts(made: Made) -> None:
    stage = made()
    (kind,) = [k for k in message_kinds([stage]) if k.name == "visit_due"]

    assert Templates().check([kind]) == []
    said = Templates().render(delivery(kind, {"due_at": "2022-05-06T16:00:00.000000Z", "place": None}))

    assert said.subject == "核查将于2022年5月6日24:00到期"
    assert said.text == (
        "铜箔有限公司:\n\n请贵单位配合核查“铜箔”。\n\n评选(GCJP)\n2022年5月5日9:00\n\n"
        f"本消息由评选系统自动发出,请勿直接回复。消息编号:{'0' * 26}\n"
    )
    english = Templates(language="en").render(delivery(kind, {"due_at": "2022-05-06T16:00:00.000000Z", "place": "A"}))
    assert english.subject == "The visit is due by 6 May 2022, 24:00 (Beijing time)"
    assert "\n\nPlease assist at A.\n\n" in english.text


def test_what_a_mixin_tells_is_found_where_the_mixin_is(made: Made) -> None:
    stage = made(bases="Correctable, Stage")
    assert issubclass(stage, Correctable)

    own, inherited = told_by(stage, "visit_due"), told_by(stage, "correction_requested")

    assert (own and own.package, inherited and inherited.package) == (
        stage.__module__.partition(".")[0],
        "ganchu_workflow.process",
    )
    assert told_by(stage, "nothing") is None


def test_two_stages_from_elsewhere_may_tell_messages_of_one_name(made: Made) -> None:
    other = {"visit_due": "另一个主题\n\n另一段正文。\n", "visit_due_en": "Other\n\nOther.\n"}
    first, second = made(), made("[visit_due]\n", **other)

    kinds = [told_by(stage, "visit_due") for stage in (first, second)]

    templates = Templates()
    body = {"due_at": "2022-05-06T16:00:00.000000Z"}
    assert [templates.render(delivery(k, body)).subject for k in kinds] == [
        "核查将于2022年5月6日24:00到期",
        "另一个主题",
    ]


def test_a_stage_that_declares_nothing_has_no_messages_of_its_own(tmp_path: Path) -> None:
    class Bare(Stage):
        """Declared in a test module, beside which there is no such folder."""

    assert {k.package for k in message_kinds([Bare])} == {"ganchu_workflow.process"}


def test_a_message_without_a_declaration_is_said_to_have_no_text() -> None:
    with pytest.raises(Unreadable) as caught:
        Templates().render(delivery(None, {}))

    assert caught.value.message == (
        "the message 'visit_due' has no text: declare it in the folder 'messages' of the package whose stage tells it, "
        "and see that this package is installed"
    )


@pytest.mark.parametrize(
    ("toml", "texts", "said"),
    [
        ("[visit_due", {}, "cannot be read: "),
        ("[visit_due]\nsampel = {}\n", {}, "[visit_due] sampel: Extra inputs are not permitted"),
        ("[visit_due]\napplication = 1\n", {}, "[visit_due] application: Input should be a valid boolean"),
        (
            '[visit_due]\noptional = ["place"]\n',
            {},
            "[visit_due] optional names 'place', which the sample does not have",
        ),
        (
            "[visit_due]\nsample = { round = 1 }\n",
            {},
            "the sample has a key 'round', which means something else in every text; rename it in the effect",
        ),
        ('["核查"]\n', {}, "[核查] a message is named as a Python name is, in ASCII"),
        ("[layout]\n", {}, "[layout] the name is that of the frame around every text; choose another"),
        (GOOD, {"visit_due": TEXT_ZH}, "has no text that can be read: "),
    ],
)
def test_a_declaration_that_cannot_be_used_is_refused_with_what_is_wrong(
    made: Made, toml: str, texts: dict[str, str], said: str
) -> None:
    stage = made(toml, **texts)

    with pytest.raises(Invalid) as caught:
        message_kinds([stage])

    assert said in caught.value.message
    assert stage.__module__.partition(".")[0] in caught.value.message


def test_all_that_is_wrong_is_said_at_once(made: Made) -> None:
    stage = made('[a]\nsample = { round = 1 }\noptional = ["x"]\n[b]\nx = 1\n')

    with pytest.raises(Invalid) as caught:
        message_kinds([stage])

    (said,) = caught.value.fields["problems"]
    for each in ("key 'round'", "optional names 'x'", "[b] x: Extra", "[a] the message", "zh-CN/a.txt", "en/a.txt"):
        assert each in said


# ── texts that fail ──


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("主题\n\n{{ due }}\n", "UndefinedError: 'due' is undefined"),
        ("主题\n\n{{ place }}\n", "UndefinedError: 'place' is undefined"),  # only where it is left out
        ("主题\n\n{{ application.number }}\n", "UndefinedError: 'dict object' has no attribute 'number'"),
        ("主题\n\n{% if %}\n", "TemplateSyntaxError: Expected an expression, got 'end of statement block'"),
        ("主题\n\n{{ due_at | when }}\n", "TemplateAssertionError: No filter named 'when'."),
        ("主题\n\n{{ application.product | local }}\n", "is not an instant of the form"),
        ("主题\n\n{{ application.product | period }}\n", "here may stand 从1起的整数 / a whole number from 1 up"),
        ("主题\n\n{% include 'no.txt' %}\n", "refers to 'no.txt', which is not there"),
        ("主题\n没有空行\n", "must have an empty line after the subject"),
        ("主题\n", "is empty: write the subject, an empty line, and the text"),
        ("{{ '' }}\n\n正文\n", "is empty: write the subject, an empty line, and the text"),
        ("{{ '长' * 301 }}\n\n正文\n", "has 301 characters; at most 300"),
        ("主题\n\n{{ ''.__class__.__mro__ }}\n", "SecurityError: access to attribute '__class__'"),
        ("主题\n\n{{ round.update({'code': 'X'}) }}\n", "SecurityError: "),
        ("主题\n\n{% for i in range(10 ** 9) %}{% endfor %}正文\n", "OverflowError: Range too big"),
        ("主题\n\n{{ 1 / 0 }}\n", "ZeroDivisionError"),
        ("{{ '\\x00 ' }}\n\n正文\n", "is empty: write the subject, an empty line, and the text"),
    ],
)
def test_a_text_that_fails_is_found_at_the_check_with_its_name(made: Made, text: str, said: str) -> None:
    stage = made(GOOD, visit_due=text, visit_due_en=TEXT_EN)
    kinds = [k for k in message_kinds([stage]) if k.name == "visit_due"]

    (wrong,) = Templates().check(kinds)

    assert wrong.startswith(f"{stage.__module__.partition('.')[0]}.visit_due (zh-CN): ")
    assert said in wrong


def test_a_value_cannot_break_out_of_the_subject_or_into_the_sandbox(made: Made) -> None:
    stage = made(GOOD, visit_due="到{{ place }}\n\n{{ place }}\n", visit_due_en=TEXT_EN)
    kind = told_by(stage, "visit_due")
    place = "甲\r\nBcc: x@example.org\n\n\x00\x1b[31m{{ round.code }}"

    said = Templates().render(delivery(kind, {"due_at": "", "place": place}))

    assert said.subject == "到甲 Bcc: x@example.org [31m{{ round.code }}"
    assert "\n甲\nBcc: x@example.org\n\n  [31m{{ round.code }}\n" in said.text


# ── the host's own ──


def test_the_texts_of_the_host_come_first_and_the_first_of_them_wins(made: Made, tmp_path: Path) -> None:
    kind = told_by(made(), "visit_due")
    body = {"due_at": "2022-05-06T16:00:00.000000Z"}
    for name, files in {
        "a": {"zh-CN/visit_due.txt": "甲的主题\n\n{% include 'zh-CN/seal.txt' %}\n"},
        "b": {"zh-CN/visit_due.txt": "乙的主题\n\n乙\n", "zh-CN/seal.txt": "盖章", "zh-CN/layout.txt": "<{{ text }}>"},
    }.items():
        for file, words in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(words, "utf-8")

    said = Templates([tmp_path / "a", tmp_path / "b"]).render(delivery(kind, body))

    assert (said.subject, said.text) == ("甲的主题", "<盖章>\n")
    # The language that the host has not touched is as it was.
    assert Templates([tmp_path / "a"], "en").render(delivery(kind, body)).subject.startswith("The visit is due")


def test_a_host_s_text_that_fails_is_found_at_the_check(made: Made, tmp_path: Path) -> None:
    kind = told_by(made(), "visit_due")
    assert kind is not None
    (tmp_path / "own" / "en").mkdir(parents=True)
    (tmp_path / "own" / "en" / "visit_due.txt").write_text("Due\n\n{{ when }}\n", "utf-8")

    (wrong,) = Templates([tmp_path / "own"]).check([kind])

    assert wrong.endswith("cannot be rendered: UndefinedError: 'when' is undefined")


def test_a_language_or_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="there are no texts in 'fr'; use one of zh-CN, en"):
        Templates(language="fr")
    with pytest.raises(Invalid, match=r"the folder of message texts .*none does not exist"):
        Templates([tmp_path / "none"])


# ── how instants and periods are written ──


@pytest.mark.parametrize(
    ("instant", "local", "until", "english"),
    [
        ("2021-09-03T09:30:00.000000Z", "2021年9月3日17:30", "2021年9月3日17:30", "3 September 2021, 17:30"),
        ("2021-09-03T16:00:00.000000Z", "2021年9月4日0:00", "2021年9月3日24:00", "3 September 2021, 24:00"),
        ("2021-12-31T16:00:00.000000Z", "2022年1月1日0:00", "2021年12月31日24:00", "31 December 2021, 24:00"),
        ("2021-09-03T16:00:01.000000Z", "2021年9月4日0:00:01", "2021年9月4日0:00:01", "4 September 2021, 0:00:01"),
    ],
)
def test_instants_are_written_as_the_office_reads_them(
    made: Made, instant: str, local: str, until: str, english: str
) -> None:
    words = {
        "visit_due": "{{ due_at | local }}\n\n{{ due_at | until }}\n",
        "visit_due_en": "{{ due_at | until }}\n\n{{ due_at | local }}\n",
    }
    kind = told_by(made(GOOD, **words), "visit_due")

    chinese = Templates().render(delivery(kind, {"due_at": instant}))

    assert (chinese.subject, chinese.text.split("\n\n")[1]) == (local, until)
    assert Templates(language="en").render(delivery(kind, {"due_at": instant})).subject == f"{english} (Beijing time)"


def test_in_another_zone_the_zone_is_named(made: Made) -> None:
    kind = told_by(made(), "visit_due")
    round_ = {**delivery(kind, {}).round, "timezone": "Asia/Urumqi"}

    said = Templates().render(delivery(kind, {"due_at": "2022-05-06T16:00:00.000000Z"}, round=round_))

    assert said.subject == "核查将于2022年5月6日22:00 (Asia/Urumqi)到期"


def test_a_demonstration_says_that_it_is_one(made: Made) -> None:
    kind = told_by(made(), "visit_due")
    round_ = {**delivery(kind, {}).round, "demonstration": True}

    said = Templates().render(delivery(kind, {"due_at": "2022-05-06T16:00:00.000000Z"}, round=round_))

    assert said.text.endswith("【演示】本消息出自演示批次,内容均为虚构,不具任何效力。\n")
