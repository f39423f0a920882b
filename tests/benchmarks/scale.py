"""What must not grow: a sweep with what is armed, a transition with what is stored, a task list with other cases.

One database is full, the other holds next to nothing; both do the same work in each pair. The full one has
`Wanted.cases` applications of other people, with `Wanted.stored` events and `Wanted.armed` armed deadlines among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from functools import partial

from tests.benchmarks.by_hand import ByHand, Recorded
from tests.benchmarks.measure import A_FEW, Bar, Line, each, measure, timed
from tests.benchmarks.transition import drafts, submit
from tests.benchmarks.worlds import Wanted, World, worlds
from tests.engine.small_process import BEGUN, CITY, applicant, authority

CLERK = "c7"
"""A local authority that has every thousandth of the applications."""
_LONGER = 3
"""How many times longer the blocks of the growth are: a ratio of two ratios spreads more widely."""
_PIECE = 5_000
"""How many cases are copied in one transaction: a log of a whole gigabyte would have to be read back."""
_NEVER = "4102444800000000"  # 2100, in the microseconds of the table


def lines(wanted: Wanted) -> Iterator[Line]:
    """The sweep, the growth and the task list, on each kind of database."""
    for backend in wanted.sources:
        with worlds(backend, wanted, 2) as (full, empty):
            _fill(full, wanted)
            yield _tasks(full, wanted, backend)
            yield _growth(full, empty, wanted, backend)
            yield _long_case(empty, wanted, backend)
            yield _tick(full, empty, wanted, backend)


def _fill(world: World, wanted: Wanted) -> None:
    """Applications that wait for their local authorities, one in a thousand for the clerk."""
    waiting = world.small.pending()
    case = world.small.submitted()
    armed = dict(world.raw.rows("SELECT * FROM ganchu_deadline WHERE case_id = ?", case)[0])
    armed |= {"case_id": waiting, "name": "filler"}
    world.raw.execute("BEGIN")
    world.raw.execute("DELETE FROM ganchu_deadline WHERE case_id = ?".replace("?", f"'{waiting}'"))
    columns = ", ".join(armed)
    marks = ", ".join("?" * len(armed))
    world.raw.execute(world.raw.sql(f"INSERT INTO ganchu_deadline ({columns}) VALUES ({marks})"), tuple(armed.values()))
    world.raw.execute("COMMIT")
    number = "n.i - n.i / 1000 * 1000"
    text = f"({number})" if world.raw.sqlite else f"({number})::text"
    for start in range(0, wanted.cases, _PIECE):
        world.copies(
            waiting,
            min(_PIECE, wanted.cases - start),
            party={"scope": f"CASE t.role WHEN 'local_authority' THEN 'c' || {text} ELSE 'e' || {text} END"},
            history={"each": str(max(wanted.stored // wanted.cases, 1)), "seq": "m.j"},
            deadline={
                "each": str(max(wanted.armed // wanted.cases, 1)),
                "name": "'filler.' || m.j" if world.raw.sqlite else "'filler.' || m.j::text",
                "due_at": f"{_NEVER} + n.i",
            },
        )
    world.settle()


def _tasks(full: World, wanted: Wanted, backend: str) -> Line:
    """What waits for one clerk, against the same rows read by hand."""
    clerk = authority(CLERK)
    mine = len(full.wf.tasks(clerk))
    sql = full.raw.sql(
        # Not `status` alone: SQLite would go through all that are armed, for each case.
        "SELECT c.*, (SELECT min(due_at) FROM ganchu_deadline d WHERE d.case_id = c.id AND d.status || '' = 'armed')"
        # A cross join: SQLite keeps to its order, and begins with the few that are the clerk's.
        " FROM ganchu_party p CROSS JOIN ganchu_case c"
        " WHERE c.id = p.case_id AND p.role = 'local_authority' AND p.scope = ?"
        " AND c.state = 'recommend.pending' AND c.round_id = ?"
    )

    def by_hand() -> float:
        return timed(lambda: full.raw.execute(sql, (CLERK, full.small.round)).fetchall())

    pairs = measure(wanted.patience, lambda: timed(lambda: full.wf.tasks(clerk)), by_hand, needed=A_FEW)
    return Line(
        f"tasks() of a clerk, {backend}",
        f"{mine:,} of {wanted.cases:,} cases wait for him; against the join by hand, nothing parsed",
        pairs.ratio(lambda a, b: b / a),
        len(pairs),
        pairs.us(0, 1),
        pairs.us(1, 1),
    )


def _growth(full: World, empty: World, wanted: Wanted, backend: str) -> Line:
    """A transition among many events against one among few, beyond what the same costs by hand."""
    blocks = [_submits(w, wanted, ours=ours) for ours in (True, False) for w in (full, empty)]
    pairs = measure(wanted.patience, *blocks)
    plain = pairs.ratio(lambda a, b, c, d: a / b)
    return Line(
        f"growth: {wanted.stored:,} events stored, {backend}",
        "a transition among them against one in a fresh database, beyond what the reference by hand pays",
        pairs.ratio(lambda a, b, c, d: (a / b) / (c / d)),
        len(pairs),
        pairs.us(0, _LONGER * wanted.block),
        pairs.us(1, _LONGER * wanted.block),
        Bar(1.2, at_least=False),
        "the same",
        notes=(f"as measured, before that: {plain}",),
    )


def _submits(world: World, wanted: Wanted, *, ours: bool) -> Callable[[], float]:
    draft, recorded = drafts(world, wanted.bulk)
    act: Callable[[str], object] = partial(submit, world) if ours else ByHand(world.raw, recorded)
    return lambda: each(act, world.copies(draft, _LONGER * wanted.block))


def _long_case(world: World, wanted: Wanted, backend: str) -> Line:
    """A transition of a case with a long history against one of a fresh case, beyond what the same costs by hand."""

    def save(case: str) -> object:
        return world.wf.fire(case, "save", actor=applicant())

    draft = world.small.draft()
    by_hand = ByHand(world.raw, Recorded(world, world.small.draft(), save))
    events = str(wanted.on_one_case)
    history = {"each": events, "seq": "m.j"}
    long, also_long = world.copies(draft, 2, case={"seq": events}, history=history)
    world.settle()

    def on(act: Callable[[str], object], case: str = "") -> Callable[[], float]:
        return lambda: each(act, [case or world.copies(draft, 1)[0]] * (_LONGER * wanted.block))

    pairs = measure(wanted.patience, on(save, long), on(save), on(by_hand, also_long), on(by_hand))
    plain = pairs.ratio(lambda a, b, c, d: a / b)
    return Line(
        f"growth: {wanted.on_one_case:,} events on the one case, {backend}",
        "a transition of it against one of a fresh case, beyond what the reference by hand pays",
        pairs.ratio(lambda a, b, c, d: (a / b) / (c / d)),
        len(pairs),
        pairs.us(0, _LONGER * wanted.block),
        pairs.us(1, _LONGER * wanted.block),
        Bar(1.2, at_least=False),
        "the same",
        notes=(f"as measured, before that: {plain}",),
    )


def _tick(full: World, empty: World, wanted: Wanted, backend: str) -> Line:
    """A sweep that fires what is due, with a great many deadlines armed against no other."""
    blocks = [_sweep(full, wanted), _sweep(empty, wanted)]
    pairs = measure(wanted.patience, *blocks)
    return Line(
        f"tick: {wanted.due:,} due of {wanted.armed:,} armed, {backend}",
        f"against {wanted.due:,} due and none else armed; µs per deadline fired",
        pairs.ratio(lambda a, b: a / b),
        len(pairs),
        pairs.us(0, wanted.due),
        pairs.us(1, wanted.due),
        Bar(1.3, at_least=False),
        "the same",
    )


def _sweep(world: World, wanted: Wanted) -> Callable[[], float]:
    submitted = world.small.submitted(city=CITY)
    # What the measurements before have armed is none of this one's.
    world.raw.execute(
        "UPDATE ganchu_deadline SET status = 'fired' WHERE status = 'armed' AND due_at < "
        + _NEVER
        + " AND name = 'declare.answer_due' AND case_id <> '"
        + submitted
        + "'"
    )
    begun = int(BEGUN.astimezone(UTC).timestamp()) * 1_000_000

    def sweep() -> float:
        world.copies(submitted, wanted.due, deadline={"due_at": f"{begun - 60_000_000} + n.i"})

        def tick() -> None:
            done = world.wf.tick()
            if len(done.fired) != wanted.due or done.refused:
                raise AssertionError(f"{len(done.fired)} of {wanted.due} fired; refused: {done.refused[:1]}")

        return timed(tick)

    return sweep
