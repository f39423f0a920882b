"""GB 32100: what is a credit code, what is none, and what a person may overrule."""

import pytest

from ganchu_stages.credit_code import (
    ALPHABET,
    Flaw,
    check,
    check_character,
    normalise,
    organisation_check_character,
    registration_area,
)

SOUND = [
    "91110108551385082Q",
    "91110000600037341L",
    "91350200MA2YJ1XR9G",
    "91360100MA00000159",
    "91360200MA0000015E",
    "91360700MA00000158",
]
REMAINDER_ZERO = "91360100MA00001540"
PILOT_CODES = [("91350100M0001TGQXM", "1", "M"), ("91350211M0000XUF46", "R", "6")]
"""Legally valid, and failing: codes of the pilot in Fujian."""


def test_alphabet_has_31_characters_without_the_confusable_ones() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 31
    assert set("ABCDEFGHIJKLMNOPQRSTUVWXYZ") - set(ALPHABET) == set("IOSVZ")


@pytest.mark.parametrize("code", [*SOUND, REMAINDER_ZERO])
def test_sound_code_has_no_flaw(code: str) -> None:
    assert check(code) is None


@pytest.mark.parametrize("code", [*SOUND, REMAINDER_ZERO])
def test_check_digits_are_computed_from_what_stands_before_them(code: str) -> None:
    assert (organisation_check_character(code[8:16]), check_character(code[:17])) == (code[16], code[17])


def test_remainder_of_zero_gives_the_character_0() -> None:
    values = [ALPHABET.index(c) for c in REMAINDER_ZERO[:17]]
    assert sum(v * 3**i for i, v in enumerate(values)) % 31 == 0

    assert check_character(REMAINDER_ZERO[:17]) == "0"


@pytest.mark.parametrize(("code", "expected", "found"), PILOT_CODES)
def test_legally_valid_code_that_fails_the_check_can_be_overruled(code: str, expected: str, found: str) -> None:
    assert check(code) == Flaw(
        "check_digit",
        f"统一社会信用代码第18位校验码不符:应为{expected},现为{found}",
        f"the check digit in position 18 does not fit: expected {expected}, found {found}",
        overrulable=True,
        detail={"position": 18, "expected": expected, "found": found},
    )


@pytest.mark.parametrize(("code", "_expected", "_found"), PILOT_CODES)
def test_pilot_codes_keep_the_organisation_check(code: str, _expected: str, _found: str) -> None:
    assert organisation_check_character(code[8:16]) == code[16]


@pytest.mark.parametrize(("organisation", "expected"), [("M0001TGQ", "X"), ("00000000", "0"), ("MA000001", "5")])
def test_organisation_check_of_10_is_X_and_of_11_is_0(organisation: str, expected: str) -> None:
    assert organisation_check_character(organisation) == expected


def test_wrong_organisation_check_under_a_fitting_last_digit_can_be_overruled() -> None:
    body = "91360100MA0000016"
    flaw = check(body + check_character(body))

    assert flaw is not None
    assert (flaw.name, flaw.overrulable, flaw.detail) == (
        "check_digit",
        True,
        {"position": 17, "expected": "5", "found": "6"},
    )


@pytest.mark.parametrize("position", range(18))
def test_every_single_wrong_character_is_found(position: int) -> None:
    sound = "91360100MA00000159"
    others = [c for c in ALPHABET if c != sound[position]]

    assert [c for c in others if check(sound[:position] + c + sound[position + 1 :]) is None] == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("  91360100ma00000159\n", "91360100MA00000159"),
        ("９１３６０１００ＭＡ０００００１５９", "91360100MA00000159"),
        ("\u3000９１３６０１００ｍａ０００００１５９\u3000", "91360100MA00000159"),
    ],
)
def test_code_is_normalised_by_blanks_width_and_case(written: str, meant: str) -> None:
    assert normalise(written) == meant


def test_normalising_does_not_repair_blanks_inside() -> None:
    assert normalise("9136 0100") == "9136 0100"


@pytest.mark.parametrize("code", ["", "91360100MA0000015", "91360100MA000001599"])
def test_wrong_length_cannot_be_overruled(code: str) -> None:
    assert check(code) == Flaw(
        "length",
        f"统一社会信用代码应为18位,现为{len(code)}位",
        f"a credit code has 18 characters, this one has {len(code)}",
        detail={"length": len(code)},
    )


@pytest.mark.parametrize(
    ("letter", "hint_zh", "hint_en"),
    [("I", "1", "1"), ("O", "0", "0"), ("S", "5", "5"), ("V", "U 或 Y", "U or Y"), ("Z", "2", "2")],
)
def test_letter_that_is_left_out_is_refused_with_a_hint(letter: str, hint_zh: str, hint_en: str) -> None:
    assert check(f"91360100{letter}A00000159") == Flaw(
        "character",
        f"统一社会信用代码第9位不能是“{letter}”,是否应为 {hint_zh}?",
        f"position 9 of a credit code cannot be '{letter}'; is it {hint_en}?",
        detail={"position": 9, "character": letter},
    )


def test_other_character_is_refused_without_a_hint() -> None:
    assert check("91360100-A00000159") == Flaw(
        "character",
        "统一社会信用代码第9位不能是“-”",
        "position 9 of a credit code cannot be '-'",
        detail={"position": 9, "character": "-"},
    )


def test_area_is_of_digits() -> None:
    assert check("9136A100MA00000159") == Flaw(
        "area",
        "统一社会信用代码第3至8位应为数字(登记管理机关行政区划码)",
        "positions 3 to 8 of a credit code are digits: the area of its registration",
        detail={"area": "36A100"},
    )


def test_area_may_be_one_that_exists_no_longer() -> None:
    body = "91360122MA0000015"  # 新建县, since renamed

    assert check(body + check_character(body)) is None
    assert registration_area(body) == "360122"
