"""统一社会信用代码 (GB 32100-2015): eighteen characters, of which two are check digits.

Legally valid codes that fail the check exist (early pilot codes of Fujian), so a failed check digit is a flaw that an
office may overrule, while a code of the wrong shape is none at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LENGTH = 18
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters; the index is the value. I, O, S, V and Z are left out."""

_WEIGHTS = [pow(3, position, 31) for position in range(LENGTH - 1)]
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION = slice(8, 16)
_AREA = slice(2, 8)
_LOOKS_LIKE = {"I": "1", "O": "0", "S": "5", "V": "U 或 Y", "Z": "2"}
_HALF_WIDTH = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a code. `overrulable`: the code may be right all the same, and a person can say so."""

    name: str
    zh: str
    en: str
    overrulable: bool = False
    detail: dict[str, Any] = field(default_factory=dict)


MISSING = Flaw("missing", "未填统一社会信用代码", "there is no credit code", overrulable=True)


def normalise(text: str) -> str:
    """The code as it is compared and kept: half-width, upper case, without surrounding blanks."""
    return text.translate(_HALF_WIDTH).strip().upper()


def check(code: str) -> Flaw | None:
    """The first flaw of a normalised code, those of shape before those of the check digits; None for a sound code."""
    return _flaw_of_shape(code) or _flaw_of_check_digits(code)


def check_character(code: str) -> str:
    """What position 18 must be, from the first seventeen characters."""
    remainder = sum(ALPHABET.index(c) * w for c, w in zip(code, _WEIGHTS, strict=False)) % 31
    # The outer modulus matters: for a remainder of 0 there is no character 31.
    return ALPHABET[(31 - remainder) % 31]


def organisation_check_character(organisation: str) -> str:
    """What position 17 must be, from positions 9 to 16 (GB 11714)."""
    values = (_ORGANISATION_ALPHABET.index(c) for c in organisation)
    value = 11 - sum(v * w for v, w in zip(values, _ORGANISATION_WEIGHTS, strict=True)) % 11
    return {10: "X", 11: "0"}.get(value, str(value))


def registration_area(code: str) -> str:
    """Positions 3 to 8: where the code was registered. Codes of areas long renamed live on inside old credit codes."""
    return code[_AREA]


def _flaw_of_shape(code: str) -> Flaw | None:
    if len(code) != LENGTH:
        return Flaw(
            "length",
            f"统一社会信用代码应为{LENGTH}位,现为{len(code)}位",
            f"a credit code has {LENGTH} characters, this one has {len(code)}",
            detail={"length": len(code)},
        )
    for position, character in enumerate(code, start=1):
        if character not in ALPHABET:
            hint = _LOOKS_LIKE.get(character)
            return Flaw(
                "character",
                f"统一社会信用代码第{position}位不能是“{character}”" + (f",是否应为 {hint}?" if hint else ""),
                f"position {position} of a credit code cannot be {character!r}"
                + (f"; is it {hint.replace('或', 'or')}?" if hint else ""),
                detail={"position": position, "character": character},
            )
    if not registration_area(code).isdigit():
        return Flaw(
            "area",
            "统一社会信用代码第3至8位应为数字(登记管理机关行政区划码)",
            "positions 3 to 8 of a credit code are digits: the area of its registration",
            detail={"area": registration_area(code)},
        )
    return None


def _flaw_of_check_digits(code: str) -> Flaw | None:
    expected = {LENGTH: check_character(code), LENGTH - 1: organisation_check_character(code[_ORGANISATION])}
    for position, character in expected.items():
        found = code[position - 1]
        if found != character:
            return Flaw(
                "check_digit",
                f"统一社会信用代码第{position}位校验码不符:应为{character},现为{found}",
                f"the check digit in position {position} does not fit: expected {character}, found {found}",
                overrulable=True,
                detail={"position": position, "expected": character, "found": found},
            )
    return None
