"""A life cycle as SVG: it needs no other program, prints on A4, and is the same to the byte on every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ganchu_workflow.process.definition import Edge, Process
from ganchu_workflow.process.diagram import svg
from ganchu_workflow.process.diagram.drawing import Arrow, Drawing, Line, Node, Shape, Sort, drawing_of
from ganchu_workflow.process.diagram.layout import Link, Place, Route, Size, layered
from ganchu_workflow.process.diagram.measure import longest_word, width, wrap

TITLE, TEXT, SMALL = 15.0, 12.0, 11.0
ROW = 16.0
PAD = 10.0
ICON = 15.0
BOX_LINE, ASIDE_LINE, LABEL_LINES = 15.0, 8.0, (14.0, 10.5, 8.0)
"""The longest line of a box, of one beside the states, and of a label, the widest first: in em of its own size."""
HEADING = 62.0
HANDS = 4.0
"""Between what one hand may do and what the next may, in one label."""
SMALLEST = 0.75
"""How much a picture may shrink in print before shorter lines are tried: text of 12 is then about 7 points."""
REVERSALS = "更正(重开已有结论)"


@dataclass(frozen=True, slots=True)
class Block:
    """The text of a box or a label, in lines, and the room it takes."""

    title: tuple[str, ...]
    lines: tuple[tuple[Sort, str, bool], ...]
    """What sort, the text, and whether it begins there (else it goes on from the line above)."""
    width: float
    height: float


def life_cycle_svg(process: Process, kind_or_stage: str, *, title: str = "", mark: str = "") -> str:
    """The life cycle of a kind of case, or of an application in a stage, as an SVG document.

    `title` stands before the name of what is drawn; `mark` is a watermark. Raises `Unknown` like `drawing_of`.
    """
    drawing = drawing_of(process, kind_or_stage)
    heading = f"{title} · {drawing.title}" if title else drawing.title
    forms = _forms(drawing)
    at_least = max(legend_width(forms), width(heading) * 18.5, width(drawing.subtitle) * TEXT)
    # Where long lines would make the print too small, shorter ones are tried.
    sheets = [_sheet(drawing, longest, at_least) for longest in LABEL_LINES]
    sizes = [svg.scale(sheet.width, sheet.height) for sheet in sheets]
    good = [sheet for sheet, size in zip(sheets, sizes, strict=True) if size >= SMALLEST * svg.MILLIMETRE]
    sheet = good[0] if good else sheets[sizes.index(max(sizes))]
    parts = [
        svg.text(svg.MARGIN, 34, heading, 18, font_weight="bold"),
        svg.text(svg.MARGIN, 54, drawing.subtitle, TEXT, fill=svg.QUIET),
        sheet.body,
        legend(svg.MARGIN, sheet.height - 16, forms),
    ]
    return svg.page(parts, sheet.width, sheet.height, title=heading, described=_described(drawing), mark=mark)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The boxes and arrows of a life cycle, and the size of the picture they need."""

    body: str
    width: float
    height: float


def _sheet(drawing: Drawing, longest: float, at_least: float) -> Sheet:
    """The picture with labels in lines of at most `longest` em."""
    blocks = {node.key: node_block(node) for node in drawing.nodes}
    labels = [label_block(arrow, longest) for arrow in drawing.arrows]
    layout = layered(
        [Size(key, block.width, block.height) for key, block in blocks.items()],
        [Link(a.source, a.target, b.width, b.height, a.dashed) for a, b in zip(drawing.arrows, labels, strict=True)],
    )
    wide = max(layout.width, at_least)
    body = [
        *(_arrow(a, r, b) for a, r, b in zip(drawing.arrows, layout.routes, labels, strict=True)),
        *(draw_node(n, layout.boxes[n.key], blocks[n.key]) for n in drawing.nodes),
    ]
    left, top = svg.MARGIN + (wide - layout.width) / 2, HEADING + 8
    moved = svg.group(body, transform=f"translate({svg.number(left)} {svg.number(top)})")
    return Sheet(moved, wide + 2 * svg.MARGIN, HEADING + layout.height + 2 * svg.MARGIN + 26)


def node_block(node: Node, longest: float = BOX_LINE, aside: float = ASIDE_LINE) -> Block:
    """The text of a box, in lines of at most `longest` em; the title of what is no state, of at most `aside`."""
    if node.shape is Shape.START:
        return Block((), (), 16.0, 16.0)
    icon_ems = ICON / TEXT
    no_state = node.shape in (Shape.ENTRY, Shape.EXIT, Shape.ANY)
    title = tuple(wrap(node.title, aside if no_state else longest * TEXT / TITLE))
    lines = []
    for line in node.lines:
        room = longest - (icon_ems if line.sort in (Sort.DEADLINE, Sort.LOOP) else 0)
        lines += [(line.sort, piece, n == 0) for n, piece in enumerate(wrap(line.text, room))]
    tick = 16.0 if node.shape is Shape.SUCCESS else 0.0
    widest = max(
        *(width(t) * TITLE * 1.03 + tick for t in title),
        *(width(t) * TEXT + (ICON if sort in (Sort.DEADLINE, Sort.LOOP) else 0) for sort, t, _ in lines),
        40.0,
    )
    point = 12.0 if no_state else 0.0
    return Block(title, tuple(lines), widest + 2 * PAD + point, 20.0 * len(title) + ROW * len(lines) + 2 * PAD - 4)


def label_block(arrow: Arrow, longest: float) -> Block:
    """The text of an arrow, in lines of at most `longest` em."""
    longest = max(longest, *(min(longest_word(line.text), LABEL_LINES[0]) for line in arrow.lines), 0.0)
    lines = []
    for line in arrow.lines:
        lines += [(line.sort, piece, n == 0) for n, piece in enumerate(wrap(line.text, longest))]
    widest = max((width(t) * _size(sort) for sort, t, _ in lines), default=12.0)
    hands = sum(sort is Sort.STEP and before[0] is Sort.WHO for before, (sort, _, _) in pairwise(lines))
    return Block((), tuple(lines), widest + 6, 15.0 * len(lines) + HANDS * hands + (4 if lines else 0))


def _size(sort: Sort) -> float:
    return SMALL if sort is Sort.WHO else TEXT


def draw_node(node: Node, place: Place, block: Block) -> str:
    """A box with its text."""
    x, y, w, h = place.x, place.y, place.width, place.height
    if node.shape is Shape.START:
        return svg.group([svg.element("circle", cx=x + w / 2, cy=y + h / 2, r=7, fill=svg.INK)], class_="start")
    parts = _outline(node.shape, x, y, w, h)
    baseline = y + PAD + 12 + (h - block.height) / 2
    for line in block.title:
        parts.append(svg.text(x + PAD, baseline, line, TITLE, font_weight="bold"))
        baseline += 20
    if node.shape is Shape.SUCCESS:
        parts.append(svg.tick(x + w - PAD - 12, y + PAD + 11 + (h - block.height) / 2))
    baseline -= 2
    for sort, line, first in block.lines:
        indent = ICON if sort in (Sort.DEADLINE, Sort.LOOP) else 0.0
        if first and indent:
            parts.append(svg.clock(x + PAD, baseline) if sort is Sort.DEADLINE else svg.loop(x + PAD, baseline))
        fill = svg.QUIET if sort is Sort.OWNER else svg.INK
        parts.append(svg.text(x + PAD + indent, baseline, line, TEXT, fill=fill))
        baseline += ROW
    more = {"data_states": " ".join(node.states)} if node.states else {}
    if node.loops:
        more["data_edges"] = _edges_said(node.loops)
    return svg.group(parts, class_=f"node {node.shape}", **more)


def _outline(shape: Shape, x: float, y: float, w: float, h: float) -> list[str]:
    match shape:
        case Shape.FINAL:
            return svg.box(x, y, w, h, fill=svg.FINAL_FILL, radius=3, double=True)
        case Shape.SUCCESS:
            return svg.box(x, y, w, h, fill=svg.GOOD_FILL, radius=3, double=True)
        case Shape.ENTRY | Shape.EXIT:
            return svg.tag(x, y, w, h)
        case Shape.ANY | Shape.RESERVE:
            return svg.box(x, y, w, h, fill=svg.ASIDE_FILL, radius=min(20.0, h / 2))
    return svg.box(x, y, w, h, fill=svg.OPEN_FILL)


def _arrow(arrow: Arrow, route: Route, block: Block) -> str:
    (first, last), level = (route.spans[0][0], route.spans[-1][1]), len(route.spans) == 2
    onward = 1.0 if last[0] > first[0] and not level else -1.0
    commands = ""
    for n, (start, end) in enumerate(route.spans):
        # The line stops inside the point of the arrow, which would otherwise look blunt.
        end = (end[0] - 6 * onward, end[1]) if n == len(route.spans) - 1 else end
        if n == 0:
            commands = f"M{_point(start)}"
        else:
            before = route.spans[n - 1][1]
            # Between two boxes of one column it bends out and back, around the label's left edge.
            middle = route.label.x if level else (before[0] + start[0]) / 2
            commands += f"C{_point((middle, before[1]))} {_point((middle, start[1]))} {_point(start)}"
        commands += f"L{_point(end)}"
    parts = [svg.way(commands, dashed=arrow.dashed), svg.head(*last, onward, 0.0, dashed=arrow.dashed)]
    parts += draw_label(route.label, block, arrow.dashed)
    return svg.group(parts, class_="arrow reversal" if arrow.dashed else "arrow", data_edges=_edges_said(arrow.edges))


def _edges_said(edges: Sequence[Edge]) -> str:
    return " ".join(f"{e.source or ''}>{e.name}" for e in edges)


def draw_label(at: Place, block: Block, dashed: bool) -> list[str]:
    """The text of an arrow: what is done, and below it, quieter, by whom."""
    found = []
    baseline, last = at.y + 11, Sort.STEP
    for sort, line, _ in block.lines:
        baseline += HANDS if sort is Sort.STEP and last is Sort.WHO else 0.0
        fill = svg.QUIET if sort is Sort.WHO else svg.REVERSAL if dashed else svg.INK
        found.append(svg.text(at.x + 3, baseline, line, _size(sort), fill=fill))
        baseline, last = baseline + 15, sort
    return found


def _point(point: tuple[float, float]) -> str:
    return f"{svg.number(point[0])} {svg.number(point[1])}"


def _forms(drawing: Drawing) -> list[tuple[str, str]]:
    """What the legend must explain: the forms that the drawing has."""
    shapes = {node.shape for node in drawing.nodes}
    sorts = {line.sort for node in drawing.nodes for line in node.lines}
    wanted = (
        ("open", "办理中", Shape.STATE in shapes),
        ("end", "终局", Shape.FINAL in shapes),
        ("good", "终局,保留名额", Shape.SUCCESS in shapes),
        ("way", "办理", True),
        ("dashed", REVERSALS, any(a.dashed for a in drawing.arrows)),
        ("clock", "期限", Sort.DEADLINE in sorts),
        ("loop", "不改变状态的办理", Sort.LOOP in sorts),
    )
    return [(form, said) for form, said, there in wanted if there]


def legend_width(forms: Sequence[tuple[str, str]]) -> float:
    """The room that a legend takes."""
    return sum(54.0 + width(said) * SMALL for _, said in forms)


def legend(x: float, y: float, forms: Sequence[tuple[str, str]]) -> str:
    """What the forms mean; a picture is often printed and handed on without the page it stood in."""
    parts = []
    for form, said in forms:
        if form in ("way", "dashed"):
            parts += [
                svg.way(f"M{svg.number(x)} {svg.number(y - 4)}h24", dashed=form == "dashed"),
                svg.head(x + 30, y - 4, 1, 0, dashed=form == "dashed"),
            ]
        elif form in ("clock", "loop"):
            parts.append(svg.clock(x + 16, y) if form == "clock" else svg.loop(x + 16, y))
        else:
            shapes = {"open": Shape.STATE, "end": Shape.FINAL, "good": Shape.SUCCESS, "aside": Shape.ANY}
            parts += _outline(shapes[form], x, y - 12, 28, 15)
            parts += [svg.tick(x + 9, y)] if form == "good" else []
        parts.append(svg.text(x + 36, y, said, SMALL, fill=svg.QUIET))
        x += legend_width([(form, said)])
    return svg.group(parts, class_="legend")


def _described(drawing: Drawing) -> str:
    said = {node.key: node.title or "开始" for node in drawing.nodes}
    return ";".join(f"{said[a.source]} → {said[a.target]}:{_spoken(a.lines)}" for a in drawing.arrows if a.lines)


def _spoken(lines: Sequence[Line]) -> str:
    return ",".join(line.text for line in lines)
