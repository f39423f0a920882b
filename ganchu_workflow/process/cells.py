"""How the cells of an office's table are read: a text becomes a value, or is refused with a reason.

A reader never repeats the cell in its reason: whoever reports it knows whether the column may be shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ganchu_workflow.errors import Invalid

_HALF_WIDTH = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_SEPARATORS = re.compile(r"[、,;;,\s]+")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Choices = Mapping[str, Any] | Callable[[Any], Mapping[str, Any]]
"""What may be chosen, or a function of the stage's settings that says so."""
Bound = int | Callable[[Any], int | None] | None


class Wrong(Invalid):
    """A cell, or a row, that cannot be used. `columns` are the names of the columns it is about."""

    def __init__(self, code: str, zh: str, en: str, columns: tuple[str, ...] = ()) -> None:
        super().__init__(f"{zh} / {en}")
        self.code = code
        self.zh = zh
        self.en = en
        self.columns = columns

    def __reduce__(self) -> tuple[Any, ...]:
        return Wrong, (self.code, self.zh, self.en, self.columns)


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns the text of a cell into a value, with the settings of the stage at hand. Raises `Wrong`.

    `says` tells people what the column takes. Any function of a text and the settings may stand in its place.
    """

    says: str
    read: Callable[[str, Any], Any]

    def __call__(self, cell: str, settings: Any) -> Any:
        """Read the cell."""
        return self.read(cell, settings)


def half_width(cell: str) -> str:
    """The text with full-width ASCII (`３６０１００`, `（`) in its usual width, without blanks around it."""
    return cell.translate(_HALF_WIDTH).strip()


def text(longest: int = 200) -> Reader:
    """One line of text, of at most `longest` characters."""

    def read(cell: str, settings: Any) -> str:
        if "\n" in cell or "\r" in cell:
            raise Wrong("line_break", "单元格内有换行", "the cell holds a line break; put it on one line")
        return _checked(cell, longest)

    return Reader("文字 / text", read)


def long_text(longest: int = 4000) -> Reader:
    """Text of any number of lines, of at most `longest` characters."""
    return Reader("文字,可多行 / text, also of several lines", lambda cell, settings: _checked(cell, longest))


def code(longest: int = 64) -> Reader:
    """A number or reference: half-width, without blanks inside."""

    def read(cell: str, settings: Any) -> str:
        found = half_width(cell)
        if any(c.isspace() for c in found):
            raise Wrong("blank_in_code", "编号内有空格或换行", "a number has no blank or line break in it")
        return _checked(found, longest)

    return Reader("编号 / a number or reference", read)


def codes(longest: int = 64) -> Reader:
    """Several numbers or references in one cell, separated by 、 or a comma or semicolon; a tuple, in their order."""
    single = code(longest)

    def read(cell: str, settings: Any) -> tuple[str, ...]:
        return tuple(single(part, settings) for part in _SEPARATORS.split(half_width(cell)) if part)

    return Reader("编号,以“、”分隔 / numbers, separated by commas", read)


def place(known: Callable[[Any], Mapping[str, str]]) -> Reader:
    """A place by its code or its name; the value is the code. `known` gives code → name from the stage's settings."""

    def read(cell: str, settings: Any) -> str:
        places = known(settings)
        given = half_width(cell)
        found = [c for c, name in places.items() if given.upper() == c.upper() or half_width(name) == given]
        if len(found) == 1:
            return found[0]
        there = "、".join(f"{name}({c})" for c, name in list(places.items())[:20])
        raise Wrong(
            "place_unknown",
            f"没有这个地方或单位;可填代码或名称:{there}",
            f"there is no such place; give the code or the name: {', '.join(list(places)[:20])}",
        )

    return Reader("代码或名称 / a code or a name", read)


def choice(options: Choices) -> Reader:
    """One of several words; the value is what the word stands for."""

    def read(cell: str, settings: Any) -> Any:
        known = options(settings) if callable(options) else options
        given = half_width(cell)
        for word, meant in known.items():
            if half_width(word) == given:
                return meant
        words = "、".join(known)
        raise Wrong("not_a_choice", f"只能填:{words}", f"must be one of: {words}")

    return Reader("选项 / one of: " + "、".join(options) if isinstance(options, Mapping) else "选项 / a choice", read)


def yes_no() -> Reader:
    """是 or 否."""

    def read(cell: str, settings: Any) -> bool:
        found = {"是": True, "否": False}.get(half_width(cell))
        if found is None:
            raise Wrong("not_yes_or_no", "只能填“是”或“否”", "must be 是 (yes) or 否 (no)")
        return found

    return Reader("是/否 / 是 (yes) or 否 (no)", read)


def whole_number(least: int | None = None, most: Bound = None) -> Reader:
    """A whole number in figures, from `least` to `most`; `most` may be a function of the stage's settings."""

    def read(cell: str, settings: Any) -> int:
        given = half_width(cell)
        if not _WHOLE_NUMBER.fullmatch(given):
            raise Wrong("not_a_whole_number", "应为整数", "must be a whole number, in figures")
        value = int(given)
        top = most(settings) if callable(most) else most
        if (least is not None and value < least) or (top is not None and value > top):
            if top is None:
                zh, en = f"不得小于{least}", f"must be at least {least}"
            elif least is None:
                zh, en = f"不得大于{top}", f"must be at most {top}"
            else:
                zh, en = f"应为{least}至{top}的整数", f"must be a whole number from {least} to {top}"
            raise Wrong("out_of_range", zh, en)
        return value

    return Reader("整数 / a whole number", read)


def sha256() -> Reader:
    """The SHA-256 digest of a document: 64 hexadecimal figures."""

    def read(cell: str, settings: Any) -> str:
        found = half_width(cell).lower()
        if not _SHA256.fullmatch(found):
            raise Wrong(
                "not_a_digest",
                f"应为64位十六进制的SHA-256摘要,现为{len(found)}个字符",
                f"must be a SHA-256 digest of 64 hexadecimal figures; this has {len(found)} characters",
            )
        return found

    return Reader("SHA-256 摘要 / a SHA-256 digest", read)


def _checked(cell: str, longest: int) -> str:
    found = cell.strip()
    for character in found:
        # Cc: control characters, among them NUL; Cf: what is not to be seen, yet makes two numbers differ;
        # Co, Cs, Cn: what a wrong encoding leaves behind.
        if character not in "\n\r\t" and unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn"):
            raise Wrong(
                "strange_character",
                f"含有不可用的字符 U+{ord(character):04X}",
                f"the character U+{ord(character):04X} cannot be kept; remove it",
            )
    if len(found) > longest:
        raise Wrong(
            "too_long", f"最多{longest}个字符,现为{len(found)}个", f"at most {longest} characters, not {len(found)}"
        )
    return found
