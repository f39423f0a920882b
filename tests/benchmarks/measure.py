"""Ratios by interleaved pairs: what is measured, its 95 % interval, and whether a bar is met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import comb
from statistics import median
from time import perf_counter

ENOUGH = 30
"""With fewer pairs nothing is judged."""
A_FEW = 10
"""How many pairs a line takes that has no bar."""

Block = Callable[[], float]
"""Does a block of the same work each time, and says how many seconds that took; what it prepares is not in them."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with its 95 % interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_digits(self.median)} ({_digits(self.low)}–{_digits(self.high)})"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a line must reach: at least or at most this much. It is met when the worse end of the interval meets it."""

    value: float
    at_least: bool
    unit: str = "×"

    def met(self, found: Interval) -> bool:
        return found.low >= self.value if self.at_least else found.high <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {_digits(self.value)}{self.unit}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report."""

    name: str
    what: str
    """Ours, against what."""
    found: Interval
    pairs: int
    ours_us: float
    """Microseconds of one of ours, the median over the blocks."""
    theirs_us: float | None
    bar: Bar | None = None
    after: str = ""
    """What we are after, beyond the bar."""
    unit: str = "×"
    notes: tuple[str, ...] = field(default=())
    enough: int = ENOUGH
    """How many pairs it takes to be judged."""

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return "no bar"
        if self.pairs < self.enough:
            return f"not judged: {self.pairs} pairs"
        return "met" if self.bar.met(self.found) else "**not met**"


@dataclass(frozen=True, slots=True)
class Pairs:
    """The seconds of the sides, pair by pair."""

    sides: tuple[tuple[float, ...], ...]

    def __len__(self) -> int:
        return len(self.sides)

    def ratio(self, of: Callable[..., float]) -> Interval:
        """The median of what `of` makes of the sides of each pair."""
        return interval([of(*pair) for pair in self.sides])

    def us(self, side: int, each: int) -> float:
        """The median microseconds of one of the `each` acts that a block of this side does."""
        return median(pair[side] for pair in self.sides) / each * 1e6


@dataclass(frozen=True, slots=True)
class Patience:
    """How many pairs are wanted, and when fewer will do."""

    pairs: int = 40
    seconds: float = 15.0
    """After so long those that it takes to be judged are enough."""
    longest: float = 240.0
    """After so long no further pair is begun in any case."""

    def more(self, done: int, passed: float, needed: int) -> bool:
        """Whether one more pair is to be measured."""
        if done >= self.pairs:
            return False
        return passed < (self.seconds if done >= needed else self.longest)


def measure(patience: Patience, *blocks: Block, warm: bool = True, needed: int = ENOUGH) -> Pairs:
    """Run the blocks of all sides in turn, once each per pair, and the other way round in every second pair.

    What drifts (the machine's clock rate, a checkpoint, a neighbour) then falls on all sides alike. With `warm` a first
    pair warms up and is thrown away. `needed` is how many pairs it takes, if there is the time.
    """
    found: list[tuple[float, ...]] = []
    if warm:
        for block in blocks:
            block()
    begun = perf_counter()
    while not found or patience.more(len(found), perf_counter() - begun, needed):
        taken = [0.0] * len(blocks)
        order = range(len(blocks)) if len(found) % 2 == 0 else reversed(range(len(blocks)))
        for side in order:
            taken[side] = blocks[side]()
        found.append(tuple(taken))
    return Pairs(tuple(found))


def timed(work: Callable[[], object]) -> float:
    """The seconds that `work` takes."""
    begun = perf_counter()
    work()
    return perf_counter() - begun


def each(act: Callable[[str], object], cases: Iterable[str]) -> float:
    """The seconds that `act` takes on these cases, one after the other."""
    some = list(cases)
    begun = perf_counter()
    for case in some:
        act(case)
    return perf_counter() - begun


def interval(values: Sequence[float]) -> Interval:
    """The median, and the two order statistics between which it lies in at least 95 of 100 samples.

    It assumes nothing about how the values are spread. Below six values these are the smallest and the largest.
    """
    ordered = sorted(values)
    n = len(ordered)
    below, rank = 0.0, 0
    while rank < (n - 1) // 2 and below + comb(n, rank) / 2**n <= 0.025:
        below += comb(n, rank) / 2**n
        rank += 1
    rank = max(rank - 1, 0)
    return Interval(median(ordered), ordered[rank], ordered[n - 1 - rank])


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 0.1 else f"{value:.2f}"
