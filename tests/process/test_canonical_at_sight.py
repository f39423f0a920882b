"""The quick look at a value accepts exactly what the thorough check does; it only never says what is wrong."""

import enum
import json
from collections import OrderedDict
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ganchu_workflow.canonical import _LARGEST, _at_once, _check, encode
from ganchu_workflow.errors import NotCanonical


class Word(enum.StrEnum):
    A = "a"
    NUL = "a\x00"


class Number(enum.IntEnum):
    ONE = 1
    LARGE = _LARGEST + 1


class Text(str):
    """A text of a class of its own."""


EDGES = [n * sign for n in (0, 1, _LARGEST - 1, _LARGEST, _LARGEST + 1, 2**64) for sign in (1, -1)]
# With the halves of surrogate pairs, which `st.text()` would leave out.
WILD = st.text(st.characters(codec=None, categories=("L", "N", "P", "Cc", "Cs", "Zs")) | st.just("\x00"), max_size=4)
ASCII = st.text(st.characters(codec="ascii"), max_size=4)
BUILT_IN = st.none() | st.booleans() | st.integers() | st.sampled_from(EDGES) | WILD | st.text(max_size=4)
OTHERS = (
    st.floats()
    | st.binary(max_size=2)
    | st.just(Decimal("1"))
    | st.just(object)
    | st.sampled_from([*Word, *Number])
    | st.builds(Text, WILD)
)
KEYS = ASCII | WILD | st.integers() | st.none() | st.sampled_from(Word) | st.builds(Text, ASCII)


def inside(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any], odd: bool) -> st.SearchStrategy[Any]:
    """Values of these leaves, however nested; with `odd` also in mappings of other classes."""

    def nest(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        lists = st.lists(inner, max_size=4)
        dicts = st.dictionaries(keys, inner, max_size=4)
        plain = lists | lists.map(tuple) | dicts
        return plain | dicts.map(OrderedDict) | dicts.map(MappingProxyType) | st.frozensets(keys) if odd else plain

    return st.recursive(leaves, nest, max_leaves=12)


def passes(value: Any) -> bool:
    """Whether the thorough check lets it through."""
    try:
        _check(value, "$")
    except NotCanonical:
        return False
    return True


def encoded(value: Any) -> str | None:
    try:
        return encode(value)
    except NotCanonical:
        return None


@settings(max_examples=1000, deadline=None)
@given(inside(BUILT_IN | OTHERS, KEYS, odd=True))
@example({"a": {"b": [True, 2**53 - 1, "赣"]}})
@example(Number.LARGE)
@example({Word.NUL: 1})
@example("\\u0000")
def test_what_is_encoded_is_what_the_check_lets_through(value: Any) -> None:
    expected = None
    if passes(value):
        expected = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)

    assert encoded(value) == expected
    assert passes(value) or _at_once(value) is None


@settings(max_examples=1000, deadline=None)
@given(inside(BUILT_IN | st.floats(), ASCII | WILD | st.integers(), odd=False))
@example(["\ud800"])
@example({"\x00": None})
@example({"赣": None})
@example([True, False, None, _LARGEST, -_LARGEST])
@example([_LARGEST + 1])
def test_of_the_built_in_types_the_quick_look_decides_alone(value: Any) -> None:
    assert (_at_once(value) is not None) == passes(value)
