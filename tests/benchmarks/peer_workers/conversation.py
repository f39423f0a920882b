"""What every worker says: `ready`, and then for each number that it reads the seconds that so many transitions took.

It imports nothing of the project: a worker runs in the environment of its own library.
"""

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any


def converse(prepare: Callable[[], Any], transition: Callable[[Any], object]) -> None:
    """Answer until the other side has had enough. Each case is prepared before the time runs."""
    print("ready", flush=True)
    for line in sys.stdin:
        cases = [prepare() for _ in range(int(line))]
        begun = perf_counter()
        for case in cases:
            transition(case)
        print(perf_counter() - begun, flush=True)
