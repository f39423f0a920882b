"""One durable transition, and a thousand in one call.

The act is `submit` of the small process: an applicant's draft goes to the office. A guard and an effect run, a deadline
of ten working days is armed, the office is told. Each act is on a case of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier, Thread
from time import perf_counter

import psycopg

from tests.benchmarks.by_hand import ByHand, Recorded
from tests.benchmarks.measure import Bar, Line, each, measure, timed
from tests.benchmarks.worlds import POSTGRES, SQLITE, Wanted, World, worlds
from tests.engine.small_process import applicant

THREADS = 8
Act = Callable[[str], object]


def submit(world: World, case: str) -> object:
    """The act, through the facade."""
    return world.wf.fire(case, "submit", {"truthful": True}, actor=applicant())


def drafts(world: World, among: int) -> tuple[str, Recorded]:
    """A draft to be copied, and what submitting another one writes.

    They stand `among` so many others, of which the database knows: on tables that it takes for empty PostgreSQL would
    make plans that read them from end to end, and a connection keeps those.
    """
    draft = world.small.draft()
    world.copies(draft, among)
    world.settle()
    return draft, Recorded(world, world.small.draft(), partial(submit, world))


def single(wanted: Wanted) -> Iterator[Line]:
    """One transition at a time: SQLite at both levels of synchronous, PostgreSQL with one connection and with eight."""
    yield _one(wanted, SQLITE, Bar(0.65, at_least=True), "0.8×", normal=False)
    yield _one(wanted, SQLITE, Bar(0.4, at_least=True), "0.5×", normal=True)
    if POSTGRES in wanted.sources:
        yield _one(wanted, POSTGRES, Bar(0.9, at_least=True), "1.5×", normal=False)
        yield _threads(wanted)


def many(wanted: Wanted) -> Iterator[Line]:
    """`fire_many` in one transaction against executemany of the same rows."""
    for backend in wanted.sources:
        with worlds(backend, wanted, 2) as (ours, theirs):
            draft, _ = drafts(ours, wanted.bulk)
            other, recorded = drafts(theirs, wanted.bulk)
            by_hand = ByHand(theirs.raw, recorded)

            def ours_block(ours: World = ours, draft: str = draft) -> float:
                cases = ours.copies(draft, wanted.bulk)
                return timed(lambda: fire_many(ours, cases))

            def theirs_block(theirs: World = theirs, other: str = other, by_hand: ByHand = by_hand) -> float:
                cases = theirs.copies(other, wanted.bulk)
                return timed(lambda: by_hand.many(cases))

            pairs = measure(wanted.patience, ours_block, theirs_block)
            yield Line(
                f"fire_many, {wanted.bulk:,} cases, {backend}",
                "against executemany of the same rows, nothing read",
                pairs.ratio(lambda a, b: b / a),
                len(pairs),
                pairs.us(0, wanted.bulk),
                pairs.us(1, wanted.bulk),
                Bar(0.25, at_least=True),
                "0.35×",
            )


def fire_many(world: World, cases: list[str]) -> None:
    done = world.wf.together(lambda inside: inside.fire_many(cases, "submit", {"truthful": True}, actor=applicant()))
    if done.refused:
        raise AssertionError(done.refused[0].error)


def _one(wanted: Wanted, backend: str, bar: Bar, after: str, *, normal: bool) -> Line:
    with worlds(backend, wanted, 2, normal=normal) as (ours, theirs):
        mine, hers = _acts(ours, wanted, ours_side=True), _acts(theirs, wanted, ours_side=False)
        pairs = measure(wanted.patience, _block(ours, mine, wanted.block), _block(theirs, hers, wanted.block))
    level = "" if backend == POSTGRES else f", synchronous={'NORMAL' if normal else 'FULL'}"
    against = "psycopg in six round trips" if backend == POSTGRES else "sqlite3"
    return Line(
        f"transition, {backend}{level}",
        f"against {against}: the same reads, writes and commit by hand",
        pairs.ratio(lambda a, b: b / a),
        len(pairs),
        pairs.us(0, wanted.block),
        pairs.us(1, wanted.block),
        bar,
        after,
    )


def _acts(world: World, wanted: Wanted, *, ours_side: bool) -> tuple[str, Act]:
    draft, recorded = drafts(world, wanted.bulk)
    return draft, partial(submit, world) if ours_side else ByHand(world.raw, recorded)


def _block(world: World, side: tuple[str, Act], size: int) -> Callable[[], float]:
    draft, act = side
    return lambda: each(act, world.copies(draft, size))


def _threads(wanted: Wanted) -> Line:
    with worlds(POSTGRES, wanted, 2) as (ours, theirs):
        draft, _ = drafts(ours, wanted.bulk)
        other, recorded = drafts(theirs, wanted.bulk)
        by_hand: list[Act] = [ByHand(theirs.connect(), recorded) for _ in range(THREADS)]
        mine: list[Act] = [partial(submit, ours)] * THREADS
        pairs = measure(
            wanted.patience,
            lambda: _at_once(mine, ours.copies(draft, THREADS * wanted.block)),
            lambda: _at_once(by_hand, theirs.copies(other, THREADS * wanted.block)),
        )
    return Line(
        f"transition, PostgreSQL, {THREADS} threads",
        f"against the same six round trips, {THREADS} threads with a connection each; µs per act, all threads together",
        pairs.ratio(lambda a, b: b / a),
        len(pairs),
        pairs.us(0, THREADS * wanted.block),
        pairs.us(1, THREADS * wanted.block),
        Bar(1.0, at_least=True),
        "1.5×",
    )


def _at_once(acts: list[Act], cases: list[str]) -> float:
    """The seconds until all threads are done with their share of the cases, begun together."""
    start = Barrier(len(acts) + 1)
    failed: list[BaseException] = []

    def run(act: Act, share: list[str]) -> None:
        start.wait()
        try:
            for case in share:
                act(case)
        except (Exception, psycopg.Error, sqlite3.Error) as error:
            failed.append(error)

    threads = [Thread(target=run, args=(act, cases[i :: len(acts)])) for i, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    start.wait()
    begun = perf_counter()
    for thread in threads:
        thread.join()
    taken = perf_counter() - begun
    if failed:
        raise failed[0]
    return taken
