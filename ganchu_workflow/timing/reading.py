"""How the text of a rule is read: its words with their places, and the error that points at the one that is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from unicodedata import combining, east_asian_width

from ganchu_workflow.errors import PeriodInvalid

END_OF_DAY = time(0, 0)
"""24:00 of the last day, which is 00:00 of the next; no period ends at the first instant of its last day."""

_COMMAS = ",\uff0c"
_BRACKETED = re.compile(
    r"(?P<head>[^()\uff08\uff09]*)[(\uff08](?P<notes>[^()\uff08\uff09]*)[)\uff09](?P<rest>.*)", re.DOTALL
)
_WORD = re.compile(r"不晚于|且不少于|至(?=[0-9])|[0-9]+(?=个|小时|年(?![0-9]))|\S+")
"""Chinese has no spaces between its words: `5个工作日` is a number and a unit."""


@dataclass(frozen=True, slots=True)
class Words:
    """A part of a text in small letters with single spaces, and the place in the text where each word begins."""

    text: str
    words: tuple[str, ...]
    places: tuple[int, ...]
    end: int
    """The place after the last word: where something that is missing would stand."""

    def __str__(self) -> str:
        return " ".join(self.words)

    @property
    def written(self) -> str:
        """The words as they stand in the text."""
        return self.text[self.place : self.end]

    @property
    def place(self) -> int:
        """Where the first word begins."""
        return self.places[0] if self.places else self.end

    @property
    def first(self) -> Words:
        """The first word alone."""
        end = self.places[1] if len(self.places) > 1 else self.end
        written = self.text[self.place : end].rstrip()
        return Words(self.text, self.words[:1], self.places[:1], self.place + len(written))

    def after(self, count: int) -> Words:
        """What follows the first `count` words."""
        return Words(self.text, self.words[count:], self.places[count:], self.end)

    def unreadable(self, allowed: Sequence[str]) -> PeriodInvalid:
        """The error that points at these words, and says what could stand there."""
        return unreadable(self.text, self.written, self.place, allowed)

    def refused(self, what: str, allowed: Sequence[str]) -> PeriodInvalid:
        """The error that points at these words, which can be read, and says what is wrong with them."""
        return _pointing(self.text, self.written, self.place, allowed, what)


def parts_of(text: str) -> list[Words]:
    """The parts of `text` between its commas, be they full-width or not; of a part in brackets those within it.

    Raises `PeriodInvalid` where no comma stands after the brackets.
    """
    found: list[Words] = []
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed is None:
        return _between_commas(text, 0, text)
    for group in ("head", "notes"):
        found += _between_commas(text, bracketed.start(group), bracketed[group])
    if rest := bracketed["rest"].strip():
        words, *others = _between_commas(text, bracketed.start("rest"), bracketed["rest"])
        if rest[0] not in _COMMAS:
            raise comma_missing(words)
        found += others
    return found


def _between_commas(text: str, begin: int, within: str) -> list[Words]:
    """The parts of `within`, which stands at `begin` in `text`."""
    found = []
    for part in re.split(f"[{_COMMAS}]", within):
        words = list(_WORD.finditer(part))
        end = begin + (words[-1].end() if words else len(part))
        places = tuple(begin + word.start() for word in words)
        found.append(Words(text, tuple(word[0].lower().replace("\uff1a", ":") for word in words), places, end))
        begin += len(part) + 1
    return found


def unreadable(text: str, word: str, position: int, allowed: Sequence[str]) -> PeriodInvalid:
    """The error for `word` at `position` of `text`; its last two lines show the place in a terminal."""
    what = f"无法识别 / cannot read '{word}'" if word else "缺少内容 / something is missing"
    return _pointing(text, word, position, allowed, f"{what}; 此处可写 / here may stand {', '.join(allowed)}")


def comma_missing(words: Words) -> PeriodInvalid:
    """The error that points at words before which a comma is missing."""
    return words.refused(f"'{words.written}' 前缺少逗号 / a comma is missing before '{words.written}'", [","])


def read_hour(hour: Words) -> time:
    """The time of day that `hour` writes, to the minute; 24:00 is `END_OF_DAY`. Raises `PeriodInvalid`."""
    word = str(hour)
    if word == "24:00":
        return END_OF_DAY
    if re.fullmatch("([01]?[0-9]|2[0-3]):[0-5][0-9]", word):
        hours, minutes = map(int, word.split(":"))
        found = time(hours, minutes)
        if found != END_OF_DAY:  # it would be read a day later than it is written
            return found
    raise hour.unreadable(["00:01至24:00的时刻 / an hour from 00:01 to 24:00"])


def hour_text(hour: time) -> str:
    """`17:30`; `END_OF_DAY` is written 24:00."""
    return "24:00" if hour == END_OF_DAY else hour.strftime("%H:%M")


def _pointing(text: str, word: str, position: int, allowed: Sequence[str], what: str) -> PeriodInvalid:
    message = f"期限 / the period '{text}': {what}\n{_pointed_at(text, position, word)}"
    return PeriodInvalid(message, text=text, word=word, position=position, allowed=tuple(allowed))


def _pointed_at(text: str, position: int, word: str) -> str:
    line = re.sub(r"\s", " ", text)
    found = line[position : position + len(word)] if word else ""
    return f"  {line}\n  {' ' * _columns(line[:position])}{'^' * max(1, _columns(found))}"


def _columns(text: str) -> int:
    """How wide a terminal draws `text`: Chinese characters take two columns, combining ones none."""
    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in text)
