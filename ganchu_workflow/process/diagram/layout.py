"""Where boxes and arrows stand: a layered layout from left to right, with every label in a place of its own.

Columns of boxes alternate with columns of labels. An arrow has a slot in every column it passes, so that it meets no
box on its way, and no two labels share a place. The same input always gives the same picture, to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

GAP_X = 28.0
"""Between two columns: room for the arrows to bend in."""
GAP_Y = 16.0
"""Between two things of one column."""
GAP_PARTS = 30.0
"""Between two parts of the picture that no arrow joins."""
PORT = 13.0
"""Between two arrows on one side of a box."""
SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Size:
    """A box, or the label of an arrow, before it has a place."""

    key: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow to be routed. A `weak` one (a reversal) never decides which box comes first."""

    source: str
    target: str
    width: float
    height: float
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The left upper corner of a thing that has been placed, and its size."""

    x: float
    y: float
    width: float
    height: float


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one arrow: pairs of points it runs straight between; between two pairs it bends."""

    label: Place
    spans: tuple[tuple[Point, Point], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything placed, and how large the picture is."""

    boxes: Mapping[str, Place]
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass(eq=False, slots=True)
class _Item:
    """A thing in a column: a box, a label, or the passing of an arrow. `y` is where its arrows run."""

    column: int
    width: float
    above: float
    below: float
    box: bool = False
    before: list[_Item] = field(default_factory=list)
    after: list[_Item] = field(default_factory=list)
    y: float = 0.0


def layered(boxes: Sequence[Size], links: Sequence[Link]) -> Layout:
    """Place the boxes in layers, the first given first, and route the links between them.

    A link from a box to itself cannot be drawn here: write it into the box.
    """
    whole = Layout({}, (), 0.0, 0.0)
    routes: dict[int, Route] = {}
    for keys in _parts([b.key for b in boxes], links):
        mine = [n for n, link in enumerate(links) if link.source in keys]
        part = _one_part([b for b in boxes if b.key in keys], [links[n] for n in mine])
        down = whole.height + (GAP_PARTS if whole.boxes else 0.0)
        routes |= dict(zip(mine, (_moved_route(r, down) for r in part.routes), strict=True))
        boxes_below = {key: _moved(place, down) for key, place in part.boxes.items()}
        whole = Layout({**whole.boxes, **boxes_below}, (), max(whole.width, part.width), down + part.height)
    return Layout(whole.boxes, tuple(routes[n] for n in range(len(links))), whole.width, whole.height)


def _parts(keys: Sequence[str], links: Sequence[Link]) -> list[set[str]]:
    """The boxes that arrows join, however: each part is laid out by itself, or it would drift about."""
    parts: list[set[str]] = []
    for key in keys:
        joined = {key} | {
            end for link in links for end in (link.source, link.target) if key in (link.source, link.target)
        }
        meeting = [part for part in parts if part & joined]
        parts = [part for part in parts if not part & joined]
        parts.append(joined.union(*meeting))
    return sorted(parts, key=lambda part: min(n for n, key in enumerate(keys) if key in part))


def _moved(place: Place, down: float) -> Place:
    return Place(place.x, place.y + down, place.width, place.height)


def _moved_route(route: Route, down: float) -> Route:
    spans = tuple(((a, b + down), (c, d + down)) for (a, b), (c, d) in route.spans)
    return Route(_moved(route.label, down), spans)


def _one_part(boxes: Sequence[Size], links: Sequence[Link]) -> Layout:
    keys = [b.key for b in boxes]
    turned = _orient(keys, links)
    layer = _layers(keys, links, turned)
    # The arrows on the fuller side of a box need room, too.
    sides: dict[tuple[str, bool], int] = {}
    for link in links:
        onward = layer[link.source] <= layer[link.target]
        for side in ((link.source, onward), (link.target, layer[link.target] <= layer[link.source])):
            sides[side] = sides.get(side, 0) + 1
    items = {}
    for b in boxes:
        busy = max(sides.get((b.key, True), 0), sides.get((b.key, False), 0))
        half = max(b.height, (busy - 1) * PORT + 14.0 if busy > 1 else 0.0) / 2
        items[b.key] = _Item(2 * layer[b.key], b.width, half, half, box=True)
    chains = [_chain(items, link) for link in links]
    columns: list[list[_Item]] = [[] for _ in range(2 * max(layer.values(), default=0) + 2)]
    for item in [*items.values(), *(i for chain in chains for i in chain[1:-1])]:
        columns[item.column].append(item)
    if not columns[-1]:
        columns.pop()
    columns = _ordered(columns)
    _align(columns)
    return _placed(links, items, chains, columns)


def _orient(keys: Sequence[str], links: Sequence[Link]) -> list[bool]:
    """Whether each strong link is turned round, because it would close a circle: a depth-first walk decides."""
    ahead: dict[str, list[int]] = {key: [] for key in keys}
    for number, link in enumerate(links):
        if not link.weak:
            ahead[link.source].append(number)
    turned: set[int] = set()
    left: dict[str, bool] = {}

    def walk(key: str) -> None:
        left[key] = False
        for number in ahead[key]:
            target = links[number].target
            if target not in left:
                walk(target)
            elif not left[target]:
                turned.add(number)
        left[key] = True

    for key in keys:
        if key not in left:
            walk(key)
    return [number in turned for number in range(len(links))]


def _layers(keys: Sequence[str], links: Sequence[Link], turned: Sequence[bool]) -> dict[str, int]:
    """The layer of each box: one beyond the last of those that lead to it; a first box stands just before its next.

    A weak link between two boxes of one layer moves the one it leads to, if nothing leads on from there.
    """
    ends = [
        (link.target, link.source) if back else (link.source, link.target)
        for link, back in zip(links, turned, strict=True)
        if not link.weak
    ]
    layer = _longest(keys, ends)
    leading = {first for first, _ in ends}
    level = [w for w in links if w.weak and layer[w.source] == layer[w.target] and w.target not in leading]
    moved = {w.target for w in level}
    ends += [(w.source, w.target) for w in level if w.source not in moved]
    layer = _longest(keys, ends)
    led_to = {second for _, second in ends}
    for key in keys:
        following = [layer[second] for first, second in ends if first == key]
        following += [layer[w.target] for w in links if w.weak and w.source == key and not following]
        if key not in led_to and following:
            layer[key] = max(0, min(following) - 1)
    return layer


def _longest(keys: Sequence[str], ends: Sequence[tuple[str, str]]) -> dict[str, int]:
    layer = dict.fromkeys(keys, 0)
    for _ in keys:
        for first, second in ends:
            layer[second] = max(layer[second], layer[first] + 1)
    return layer


def _chain(items: Mapping[str, _Item], link: Link) -> list[_Item]:
    """The items a link passes, from the box it leaves to the one it leads to; its label stands beside the first.

    Between two boxes of one layer it goes out on the right and comes back.
    """
    first, last = items[link.source], items[link.target]
    step = 1 if first.column <= last.column else -1
    label = _Item(first.column + step, link.width, link.height, 4.0)
    passed = [_Item(column, 0.0, 2.0, 2.0) for column in range(label.column + step, last.column, step)]
    chain = [first, label, last] if first.column == last.column else [first, label, *passed, last]
    for one, other in pairwise(chain):
        left, right = (one, other) if one.column < other.column else (other, one)
        left.after.append(right)
        right.before.append(left)
    return chain


# ── the order in each column ──


def _ordered(columns: list[list[_Item]]) -> list[list[_Item]]:
    """The order with the fewest crossings that sweeping to and fro finds."""
    best, fewest = [list(c) for c in columns], _crossings(columns)
    for sweep in range(SWEEPS):
        onward = sweep % 2 == 0
        for column in columns if onward else reversed(columns):
            _by_neighbours(column, columns, onward)
        _swap(columns)
        if (found := _crossings(columns)) < fewest:
            best, fewest = [list(c) for c in columns], found
    return best


def _positions(columns: Iterable[Sequence[_Item]]) -> dict[_Item, int]:
    return {item: place for column in columns for place, item in enumerate(column)}


def _by_neighbours(column: list[_Item], columns: Sequence[Sequence[_Item]], onward: bool) -> None:
    place = _positions(columns)
    means = {}
    for item in column:
        others = item.before if onward else item.after
        means[item] = sum(place[o] for o in others) / len(others) if others else float(place[item])
    column.sort(key=means.__getitem__)


def _swap(columns: Sequence[list[_Item]]) -> None:
    """Exchange neighbours as long as that takes a crossing away."""
    for _ in range(4):
        better = False
        place = _positions(columns)
        for column in columns:
            for n in range(len(column) - 1):
                upper, lower = column[n], column[n + 1]
                if _crossed(upper, lower, place) > _crossed(lower, upper, place):
                    column[n], column[n + 1] = lower, upper
                    place[upper], place[lower] = n + 1, n
                    better = True
        if not better:
            return


def _crossed(upper: _Item, lower: _Item, place: Mapping[_Item, int]) -> int:
    return sum(
        place[a] > place[b]
        for above, below in ((upper.before, lower.before), (upper.after, lower.after))
        for a in above
        for b in below
    )


def _crossings(columns: Sequence[Sequence[_Item]]) -> int:
    place = _positions(columns)
    total = 0
    for column in columns:
        ends = [(place[item], place[other]) for item in column for other in item.after]
        total += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for n, a in enumerate(ends) for b in ends[n + 1 :])
    return total


# ── the height of each thing ──


def _align(columns: Sequence[Sequence[_Item]]) -> None:
    """Give each thing its height: near the things it is joined to, in the order found, without touching."""
    for column in columns:
        _settle(column, [0.0] * len(column), [1.0] * len(column))
    for sweep in range(4 * SWEEPS):
        onward = sweep % 2 == 0
        place = _positions(columns)
        for column in columns if onward else reversed(columns):
            wanted = [_wanted(item, place, onward, both=sweep >= 3 * SWEEPS) for item in column]
            _settle(column, [w for w, _ in wanted], [weight for _, weight in wanted])


def _wanted(item: _Item, place: Mapping[_Item, int], onward: bool, *, both: bool) -> tuple[float, float]:
    sides = [item.before, item.after] if both else [item.before if onward else item.after]
    near = [(o, o.after if s is item.before else o.before, s) for s in sides for o in s]
    if not near:
        return item.y, 0.2
    heights = [o.y + _port(o, item, place) - _port(item, o, place) for o, _, _ in near]
    return sum(heights) / len(heights), float(len(heights)) * (1.0 if item.box else 2.0 if item.width else 8.0)


def _port(item: _Item, other: _Item, place: Mapping[_Item, int]) -> float:
    """Where on its side of a box an arrow to `other` begins or ends, from the middle of the box."""
    if not item.box:
        return 0.0
    side = item.after if other.column > item.column else item.before
    row = sorted(side, key=place.__getitem__)
    return (row.index(other) - (len(row) - 1) / 2) * PORT


def _settle(column: Sequence[_Item], wanted: Sequence[float], weights: Sequence[float]) -> None:
    """The nearest heights to the wanted ones that keep order and distance (weighted isotonic regression)."""
    offsets = [0.0]
    for upper, lower in pairwise(column):
        gap = GAP_Y if upper.box or lower.box else GAP_Y / 2
        offsets.append(offsets[-1] + upper.below + gap + lower.above)
    blocks: list[list[float]] = []  # mean, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets, strict=False):
        blocks.append([want - offset, weight, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, total, count = blocks.pop()
            upper_mean, upper_total, upper_count = blocks[-1]
            both = upper_total + total
            blocks[-1] = [(upper_mean * upper_total + mean * total) / both, both, upper_count + count]
    means = [mean for mean, _, count in blocks for _ in range(int(count))]
    for item, mean, offset in zip(column, means, offsets, strict=False):
        item.y = mean + offset


# ── what comes out ──


def _placed(
    links: Sequence[Link],
    items: Mapping[str, _Item],
    chains: Sequence[Sequence[_Item]],
    columns: Sequence[Sequence[_Item]],
) -> Layout:
    top = min((i.y - i.above for c in columns for i in c), default=0.0)
    for column in columns:
        for item in column:
            item.y -= top
    height = max((i.y + i.below for c in columns for i in c), default=0.0)
    widths = [max((i.width for i in column), default=0.0) for column in columns]
    lefts = [sum(widths[:n]) + GAP_X * n for n in range(len(columns))]
    place = _positions(columns)

    def edges(item: _Item) -> tuple[float, float]:
        return lefts[item.column], lefts[item.column] + widths[item.column]

    routes = []
    for chain, link in zip(chains, links, strict=True):
        label = chain[1]
        left, right = edges(label)
        at = Place((left + right - link.width) / 2, label.y - label.above, link.width, label.above)
        first, last = chain[0], chain[-1]
        if first.column == last.column:
            at = Place(left, at.y, at.width, at.height)
            routes.append(Route(at, (_out(first, label, edges(first), place), _in(last, label, edges(last), place))))
            continue
        passed = [((a, i.y), (b, i.y)) for i in chain[1:-1] for a, b in [edges(i)]]
        if first.column > last.column:
            passed = [(b, a) for a, b in passed]
        routes.append(
            Route(at, (_out(first, label, edges(first), place), *passed, _in(last, chain[-2], edges(last), place)))
        )
    found = {}
    for key, item in items.items():
        left, right = edges(item)
        found[key] = Place((left + right - item.width) / 2, item.y - item.above, item.width, item.above + item.below)
    return Layout(found, tuple(routes), lefts[-1] + widths[-1] if columns else 0.0, height)


def _out(box: _Item, other: _Item, edges: tuple[float, float], place: Mapping[_Item, int]) -> tuple[Point, Point]:
    """From a box to the edge of its column, where a wider box may stand above or below."""
    y = box.y + _port(box, other, place)
    middle = (edges[0] + edges[1]) / 2
    if other.column > box.column:
        return (middle + box.width / 2, y), (edges[1], y)
    return (middle - box.width / 2, y), (edges[0], y)


def _in(box: _Item, other: _Item, edges: tuple[float, float], place: Mapping[_Item, int]) -> tuple[Point, Point]:
    start, end = _out(box, other, edges, place)
    return end, start
