"""The ground floor: canonical JSON and digests, errors that travel, chance, and instants."""

import enum
import pickle
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

import pytest
from freezegun import freeze_time

from ganchu_workflow import errors
from ganchu_workflow.actors import CLOCK, ENGINE, Actor, Role, Via
from ganchu_workflow.canonical import commitment, decode, digest, digest_of, encode
from ganchu_workflow.clock import (
    EPOCH,
    MICROSECOND,
    SimulatedClock,
    SystemClock,
    aware,
    from_micros,
    from_text,
    to_micros,
    to_text,
)
from ganchu_workflow.entropy import SeededEntropy, SystemEntropy, new_id, new_salt
from ganchu_workflow.errors import Finding, Invalid, NotCanonical, Refusal, Refused, WorkflowError

SM3_ABC = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"  # GB/T 32905-2016, appendix A.1
SHA256_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4
SHANGHAI = timezone(timedelta(hours=8))


# ── canonical JSON ────────────────────────────────────────────────────────────────────────────────────────────────

CANONICAL: list[tuple[Any, str]] = [
    (None, "null"),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (-17, "-17"),
    (2**53 - 1, "9007199254740991"),
    (1 - 2**53, "-9007199254740991"),
    ("", '""'),
    ("赣出精品", '"赣出精品"'),
    ([], "[]"),
    ({}, "{}"),
    ([1, [None, "a"], {}], '[1,[null,"a"],{}]'),
    ({"b": 1, "a": {"d": [], "c": "x"}}, '{"a":{"c":"x","d":[]},"b":1}'),
    # RFC 8785 sorts by UTF-16 code units; of ASCII keys that is their order as bytes
    ({"a": 1, "B": 2, "_": 3, "1": 4, "10": 5, "2": 6, "": 7}, '{"":7,"1":4,"10":5,"2":6,"B":2,"_":3,"a":1}'),
    # RFC 8785 §3.2.2.2: short escapes where there are any, else lower-case \\u00xx, and nothing else is escaped
    ('\b\t\n\f\r"\\', r'"\b\t\n\f\r\"\\"'),
    ("\x01\x0b\x1f", r'"\u0001\u000b\u001f"'),
    ("\x7f/€\u2028\u2029\U0001f600<>&'", '"\x7f/€\u2028\u2029\U0001f600<>&\'"'),
]


@pytest.mark.parametrize(("value", "text"), CANONICAL, ids=[text for _, text in CANONICAL])
def test_one_value_has_one_text(value: Any, text: str) -> None:
    assert encode(value) == text
    assert decode(text) == value
    assert type(decode(text)) is type(value)


def test_a_tuple_is_a_list_and_an_enumeration_of_texts_is_its_text() -> None:
    assert encode({"by": (Role.CLOCK, "x")}) == '{"by":["clock","x"]}'


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.0, "$: the float 1.0 has no single spelling; write a decimal as a string"),
        ({"a": [1, {"b": 0.5}]}, "$.a[1].b: the float 0.5 has no single spelling; write a decimal as a string"),
        (float("nan"), "$: the float nan has no single spelling; write a decimal as a string"),
        (2**53, "$: the integer 9007199254740992 is beyond 2^53-1; write it as a string"),
        ([-(2**53)], "$[0]: the integer -9007199254740992 is beyond 2^53-1; write it as a string"),
        ({"城": 1}, "$: the key '城' is not an ASCII string without U+0000"),
        ({"a": {1: 2}}, "$.a: the key 1 is not an ASCII string without U+0000"),
        ({"a\x00b": 1}, "$: the key 'a\\x00b' is not an ASCII string without U+0000"),
        ({"a": "x\x00"}, "$.a: the character U+0000 cannot be stored in every database"),
        (["\ud800"], "$[0]: a lone surrogate cannot be stored"),
        ({"d": Decimal("1.5")}, "$.d: a Decimal is not canonical JSON; write it as a string"),
        (date(2021, 8, 2), "$: a date is not canonical JSON; write it as a string"),
        (b"x", "$: a bytes is not canonical JSON; write it as a string"),
        ({1, 2}, "$: a set is not canonical JSON; write it as a string"),
        (Colour.RED, "$: a Colour is not canonical JSON; write it as a string"),
    ],
)
def test_anything_else_is_refused_with_its_path(value: Any, message: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        encode(value)

    assert refused.value.message == message


SPELT_OTHERWISE = "the text is JSON but not canonical: keys out of order, spaces, or another spelling"


@pytest.mark.parametrize(
    "text",
    [
        '{"b":1,"a":2}',
        '{"a": 1}',
        " 1",
        "1\n",
        '{"a":1,"a":1}',
        "-0",
        r'"\u8d63"',
        r'"\/"',
        r'"\u000B"',
        r'"\u000a"',
        '["a" ]',
    ],
)
def test_a_text_that_is_not_canonical_to_the_byte_is_refused(text: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        decode(text)

    assert refused.value.message == SPELT_OTHERWISE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("{'a':1}", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('"a\nb"', "not JSON: Invalid control character at: line 1 column 3 (char 2)"),
        ("1.0", "$: the float 1.0 has no single spelling; write a decimal as a string"),
        ("[1e2]", "$[0]: the float 100.0 has no single spelling; write a decimal as a string"),
        ("NaN", "$: the float nan has no single spelling; write a decimal as a string"),
        ("9007199254740992", "$: the integer 9007199254740992 is beyond 2^53-1; write it as a string"),
        (r'"\u0000"', "$: the character U+0000 cannot be stored in every database"),
        (r'"\ud800"', "$: a lone surrogate cannot be stored"),
    ],
)
def test_a_text_of_something_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        decode(text)

    assert refused.value.message == message


def test_what_is_nested_too_deeply_is_refused_and_does_not_crash() -> None:
    depth = sys.getrecursionlimit() * 50
    value: list[Any] = []
    for _ in range(depth):
        value = [value]

    with pytest.raises(NotCanonical) as refused:
        encode(value)
    assert refused.value.message == "the value is nested too deeply"

    with pytest.raises(NotCanonical):
        decode("[" * depth + "]" * depth)

    while value:  # taken apart by hand: to free it at once would recurse as deep
        value = value.pop()


# ── digests ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("algorithm", "expected"), [("sha256", SHA256_ABC), ("sm3", SM3_ABC)])
def test_published_vectors(algorithm: str, expected: str) -> None:
    assert digest("abc", algorithm) == expected


def test_a_digest_is_of_the_utf_8_of_the_canonical_text() -> None:
    assert digest("abc") == SHA256_ABC
    assert digest_of({"b": "赣", "a": 1}) == digest('{"a":1,"b":"赣"}')
    assert digest_of({"a": 1}, "sm3") == digest('{"a":1}', "sm3")


@pytest.mark.parametrize(
    ("text", "algorithm", "message"),
    [
        ("abc", "md5", "unknown digest algorithm 'md5'; use one of sha256, sm3"),
        ("\ud800", "sha256", "a lone surrogate has no digest"),
    ],
)
def test_what_has_no_digest_is_refused(text: str, algorithm: str, message: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        digest(text, algorithm)

    assert refused.value.message == message


def test_a_commitment_depends_on_the_salt_and_on_the_value() -> None:
    first = commitment("00" * 16, "张三")

    assert first == digest('{"salt":"00000000000000000000000000000000","value":"张三"}')
    assert len({first, commitment("01" * 16, "张三"), commitment("00" * 16, "李四")}) == 3


# ── errors ────────────────────────────────────────────────────────────────────────────────────────────────────────


def tree(root: type[WorkflowError]) -> Iterator[type[WorkflowError]]:
    yield root
    for heir in root.__subclasses__():
        yield from tree(heir)


# Those of the module itself: what else is imported depends on the tests that ran before.
CLASSES = sorted({c for c in tree(WorkflowError) if c.__module__ == errors.__name__}, key=lambda c: c.__name__)


def test_every_class_of_the_module_belongs_to_the_tree() -> None:
    written = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)}

    assert set(CLASSES) == written
    assert len(CLASSES) == 22


def an_error(error: type[WorkflowError]) -> WorkflowError:
    if issubclass(error, Refused):
        return error(
            Refusal("late", "已截止", "closed", {"at": "x"}, "draft", "submit"), case="a1", finding=Finding("a", "b")
        )
    return error("what to do", case="a1", findings=(Finding("where", "what"),))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", CLASSES)
def test_an_error_survives_pickling(error: type[WorkflowError], protocol: int) -> None:
    before = an_error(error)

    after = pickle.loads(pickle.dumps(before, protocol))

    assert type(after) is error
    assert (vars(after), str(after), after.args) == (vars(before), str(before), before.args)
    assert after.code == before.code


def test_codes_are_stable_and_each_branch_has_its_own() -> None:
    assert {c.__name__: c.code for c in CLASSES if not c.__name__.startswith("_")} == {
        "WorkflowError": "workflow_error",
        "Refused": "workflow_error",  # an instance carries the code of its refusal
        "Invalid": "invalid",
        "DefinitionInvalid": "definition_invalid",
        "PlanInvalid": "plan_invalid",
        "PluginInvalid": "plugin_invalid",
        "PeriodInvalid": "period_invalid",
        "LimitPassed": "limit_passed",
        "CalendarInvalid": "calendar_invalid",
        "NotCanonical": "not_canonical",
        "Undeliverable": "undeliverable",
        "Unknown": "unknown",
        "YearNotPublished": "year_not_published",
        "Fault": "fault",
        "ClockSkew": "clock_skew",
        "DatabaseFault": "database_fault",
        "SchemaFault": "schema_fault",
        "DefinitionChanged": "definition_changed",
        "DoesNotRest": "does_not_rest",
        "Contention": "contention",
        "PerhapsDelivered": "perhaps_delivered",
    }


def test_a_refusal_names_what_where_and_why_in_both_languages() -> None:
    refusal = Refusal("late", "已截止", "closed", state="draft", trigger="submit")

    assert str(refusal) == "late [submit @ draft]: 已截止 / closed"
    assert str(Refusal("late", "已截止", "closed", trigger="declare")) == "late [declare @ ∅]: 已截止 / closed"
    assert str(Refusal("late", "已截止", "closed")) == "late: 已截止 / closed"
    assert (Refused(refusal).code, str(Refused(refusal))) == ("late", str(refusal))


def test_findings_are_listed_in_the_message() -> None:
    error = errors.PlanInvalid.of("a.toml", [Finding("title", "is missing"), Finding("", "is empty")])

    assert str(error) == "the plan cannot be used, a.toml:\n  - title: is missing\n  - is empty"
    assert error.findings == (Finding("title", "is missing"), Finding("", "is empty"))
    assert pickle.loads(pickle.dumps(error)).findings == error.findings


# ── actors ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_role_that_arrives_as_text_is_the_role() -> None:
    actor = Actor("office", via="cli")  # type: ignore[arg-type]

    assert (actor.role, actor.via) == (Role.OFFICE, Via.CLI)
    assert isinstance(actor.role, Role)


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="'king' is not a valid Role"):
        Actor("king")  # type: ignore[arg-type]


def test_a_deputy_acts_on_behalf() -> None:
    assert Actor(Role.OFFICE, person="p1", on_behalf_of="p2").via is Via.ON_BEHALF
    assert [str(a) for a in (Actor(Role.OFFICE), Actor(Role.EXPERT, "e1"), CLOCK, ENGINE)] == [
        "office",
        "expert:e1",
        "clock",
        "engine",
    ]


# ── chance ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_seed_repeats_byte_for_byte_on_every_machine() -> None:
    entropy = SeededEntropy("赣出精品")

    assert [entropy.take(4).hex(), entropy.take(40).hex(), entropy.take(0).hex()] == [
        "652fcf90",
        "3d7c827993a58082824466e37d8682187033bc4d6836edd39f906fcb4273dbc23251ccf41e959d3e",
        "",
    ]
    assert SeededEntropy("a").take(32) != SeededEntropy("b").take(32)
    assert (SeededEntropy("a").seeded, SystemEntropy().seeded) == (True, False)


def test_the_systems_chance_does_not_repeat() -> None:
    assert len({SystemEntropy().take(16) for _ in range(1000)}) == 1000
    assert len(SystemEntropy().take(16)) == 16


def test_threads_share_a_seeded_source_and_none_is_given_anothers_bytes() -> None:
    entropy = SeededEntropy("x")
    start = threading.Barrier(8)

    def run(_: int) -> list[bytes]:
        start.wait()
        return [entropy.take(16) for _ in range(1000)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            taken = [block for blocks in pool.map(run, range(8)) for block in blocks]
    finally:
        sys.setswitchinterval(interval)

    again = SeededEntropy("x")
    assert sorted(taken) == sorted(again.take(16) for _ in range(8000))


NOON = datetime(2021, 8, 2, 12, tzinfo=SHANGHAI)


@pytest.mark.parametrize("entropy", [SeededEntropy("ids"), SystemEntropy()], ids=["seeded", "system"])
def test_identifiers_sort_by_time_and_are_unique(entropy: Any) -> None:
    instants = [NOON + n * timedelta(milliseconds=1) for n in range(10_000)]

    ids = [new_id(entropy, instant) for instant in instants]

    assert sorted(ids) == ids
    assert len(set(ids)) == 10_000
    assert {len(i) for i in ids} == {26}
    assert set("".join(ids)) == set("0123456789abcdefghijklmnopqrstuv")


def test_ten_thousand_identifiers_of_one_instant_are_unique() -> None:
    entropy = SeededEntropy("ids")

    assert len({new_id(entropy, NOON) for _ in range(10_000)}) == 10_000


def test_identifiers_sort_over_centuries_and_whatever_the_offset() -> None:
    entropy = SeededEntropy("ids")
    instants = [
        EPOCH,
        NOON - MICROSECOND,
        NOON,
        NOON.astimezone(UTC) + timedelta(milliseconds=1),
        datetime(2900, 1, 1, tzinfo=UTC),
    ]

    ids = [new_id(entropy, instant) for instant in instants]

    assert sorted(ids) == ids


def test_a_salt_is_128_bits() -> None:
    entropy = SeededEntropy("salt")

    assert new_salt(entropy) == SeededEntropy("salt").take(16).hex()
    assert len(new_salt(SystemEntropy())) == 32


# ── instants ──────────────────────────────────────────────────────────────────────────────────────────────────────

INSTANTS = [
    (datetime(2021, 9, 3, 17, 30, tzinfo=SHANGHAI), "2021-09-03T09:30:00.000000Z", 1630661400000000),
    (datetime(2021, 9, 3, 17, 30, 0, 1, tzinfo=SHANGHAI), "2021-09-03T09:30:00.000001Z", 1630661400000001),
    (EPOCH, "1970-01-01T00:00:00.000000Z", 0),
    (EPOCH - MICROSECOND, "1969-12-31T23:59:59.999999Z", -1),
    (datetime(999, 1, 2, tzinfo=UTC), "0999-01-02T00:00:00.000000Z", -30641673600000000),
    (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z", 253402300799999999),
]


@pytest.mark.parametrize(("instant", "text", "micros"), INSTANTS, ids=[text for _, text, _ in INSTANTS])
def test_an_instant_has_one_text_and_one_number(instant: datetime, text: str, micros: int) -> None:
    assert (to_text(instant), to_micros(instant)) == (text, micros)
    assert (from_text(text), from_micros(micros)) == (instant, instant)
    assert (from_text(text).tzinfo, from_micros(micros).tzinfo) == (UTC, UTC)


def test_texts_sort_as_time_does() -> None:
    texts = [text for _, text, _ in sorted(INSTANTS, key=lambda row: row[0])]

    assert sorted(texts) == texts


@pytest.mark.parametrize(
    "text",
    [
        "2021-09-03T09:30:00.5Z",
        "2021-09-03T09:30:00Z",
        "2021-09-03T09:30:00.000000",
        "2021-09-03T09:30:00.000000+00:00",
        "2021-09-03T17:30:00.000000+08:00",
        "2021-9-3T9:30:00.000000Z",
        "2021-09-03 09:30:00.000000Z",
        "2021-09-03T09:30:00.000000z",
        "2021-09-03T24:00:00.000000Z",
        "2021-02-29T09:30:00.000000Z",
        "\uff12\uff10\uff12\uff11-09-03T09:30:00.000000Z",
        "0001-01-01T00:00:00.000000+08:00",
        "2021-09-03",
        "",
    ],
)
def test_any_other_form_of_an_instant_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        from_text(text)

    assert refused.value.message == f"'{text}' is not an instant of the form 2021-09-03T09:30:00.000000Z"


class Nowhere(tzinfo):
    def utcoffset(self, when: datetime | None) -> None:
        return None

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> None:
        return None


@pytest.mark.parametrize("naive", [datetime(2021, 9, 3), datetime(2021, 9, 3, tzinfo=Nowhere())])
def test_a_naive_instant_is_refused_everywhere(naive: datetime) -> None:
    for use in (aware, to_text, to_micros, SimulatedClock, SimulatedClock(EPOCH).move_to):
        with pytest.raises(Invalid) as refused:
            use(naive)
        assert refused.value.message == (
            "the datetime 2021-09-03T00:00:00 has no time zone; give one, for example +08:00"
        )


def test_a_simulated_clock_stands_until_it_is_moved_and_does_not_go_back() -> None:
    clock = SimulatedClock(NOON)

    clock.move_to(NOON)
    assert (clock.now(), clock.now()) == (NOON, NOON)

    clock.advance(timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1)

    message = r"a clock does not go back: it shows 2021-08-02T13:00:00\+08:00, asked for"
    with pytest.raises(Invalid, match=message):
        clock.move_to(NOON)
    with pytest.raises(Invalid, match=message):
        clock.advance(-MICROSECOND)
    assert clock.now() == NOON + timedelta(hours=1)


def test_the_system_clock_is_the_machines_in_utc() -> None:
    with freeze_time("2021-09-03T09:30:00Z"):
        assert to_text(SystemClock().now()) == "2021-09-03T09:30:00.000000Z"
        assert SystemClock().now().tzinfo is UTC
