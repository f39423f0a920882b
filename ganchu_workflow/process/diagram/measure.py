"""How wide text is, estimated without a font: a full-width character is one em, any other a little more than half."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from unicodedata import east_asian_width

NARROW = 0.56
_WORD = re.compile(r"[0-9A-Za-z_]+|.", re.DOTALL)
_NEVER_FIRST = ",.;:!?)]}\u3001\u3002\uff0c\uff1b\uff1a\uff01\uff1f\uff09\u3011\u300b\u201d\u2019\u00b7"
_NEVER_LAST = "([{\uff08\u3010\u300a\u201c\u2018"


def width(text: str) -> float:
    """The width of a line in em. Ambiguous characters (quotes, dots, arrows) count as full: CJK fonts draw them so."""
    return sum(1.0 if east_asian_width(c) in "WFA" else NARROW for c in text)


def wrap(text: str, limit: float) -> list[str]:
    """The text in lines of at most `limit` em, as few as possible, broken where it reads best, and about equally long.

    It is broken where it can be: between words, and between Chinese characters. A word that is longer than a line is
    cut, so that no name can leave its box.
    """
    fewest = _filled(text, limit)
    tighter, found = width(text) / len(fewest), [fewest]
    while len(fewest) > 1 and tighter < limit:
        found += [lines] if len(lines := _filled(text, tighter)) == len(fewest) else []
        tighter += 0.5
    # The first of the best: they are tried from even to uneven, after the one that fills its lines.
    return max([*found[1:], fewest], key=_good_breaks)


def _good_breaks(lines: Sequence[str]) -> int:
    """How many lines end where a reader pauses: at a mark, before a bracket, between Chinese and other writing."""
    return sum(
        before[-1:] in _NEVER_FIRST or after[:1] in _NEVER_LAST or before[-1:].isascii() != after[:1].isascii()
        for before, after in pairwise(lines)
    )


def longest_word(text: str) -> float:
    """The width of the longest word that must not be broken."""
    return max((width(word) for word in _WORD.findall(text)), default=0.0)


def _filled(text: str, limit: float) -> list[str]:
    lines: list[str] = []
    line = ""
    for piece in _pieces(text, limit):
        if line and width(line + piece.rstrip()) > limit:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str, limit: float) -> list[str]:
    """What may not be broken: words, cut to the line, and Chinese characters with the marks that cling to them."""
    found: list[str] = []
    for match in _WORD.findall(text):
        # The widest half-width character is NARROW, so that many of them always fit.
        step = max(1, int(limit / NARROW))
        for start in range(0, len(match), step):
            piece = match[start : start + step]
            clings = found and (piece in _NEVER_FIRST or found[-1][-1] in _NEVER_LAST)
            if clings and width(found[-1] + piece) <= limit:
                found[-1] += piece
            else:
                found.append(piece)
    return found
