"""A life cycle as SVG: it needs no other program, prints on A4, and is the same to the byte on every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganchu_workflow.process import svg
from ganchu_workflow.process.definition import Edge, Process
from ganchu_workflow.process.drawing import Arrow, Drawing, Line, Node, Shape, Sort, drawing_of
from ganchu_workflow.process.layout import Link, Place, Route, Size, layered
from ganchu_workflow.process.measure import width, wrap

TITLE, TEXT, SMALL = 15.0, 12.0, 11.0
ROW = 16.0
PAD = 10.0
ICON = 15.0
BOX_LINE, LABEL_LINE = 15.0, 14.0
"""The longest line of a box and of a label, in em of its own size."""
HEADING = 62.0
LEGEND_WIDTH = 690.0


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
    blocks = {node.key: node_block(node) for node in drawing.nodes}
    labels = [label_block(arrow) for arrow in drawing.arrows]
    layout = layered(
        [Size(key, block.width, block.height) for key, block in blocks.items()],
        [Link(a.source, a.target, b.width, b.height, a.dashed) for a, b in zip(drawing.arrows, labels, strict=True)],
    )
    heading = f"{title} · {drawing.title}" if title else drawing.title
    wide = max(layout.width, LEGEND_WIDTH, width(heading) * 18) + 2 * svg.MARGIN
    high = HEADING + layout.height + 2 * svg.MARGIN + 26
    left, top = (wide - layout.width) / 2, HEADING + 8
    parts = [
        svg.text(svg.MARGIN, 34, heading, 18, font_weight="bold"),
        svg.text(svg.MARGIN, 54, drawing.subtitle, TEXT, fill=svg.QUIET),
        svg.group(
            [
                *(_arrow(a, r, b) for a, r, b in zip(drawing.arrows, layout.routes, labels, strict=True)),
                *(draw_node(n, layout.boxes[n.key], blocks[n.key]) for n in drawing.nodes),
            ],
            transform=f"translate({svg.number(left)} {svg.number(top)})",
        ),
        legend(svg.MARGIN, high - 16),
    ]
    return svg.page(parts, wide, high, title=heading, described=_described(drawing), mark=mark)


def node_block(node: Node, longest: float = BOX_LINE) -> Block:
    """The text of a box, in lines of at most `longest` em."""
    if node.shape is Shape.START:
        return Block((), (), 16.0, 16.0)
    icon_ems = ICON / TEXT
    title = tuple(wrap(node.title, longest * TEXT / TITLE))
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
    point = 12.0 if node.shape in (Shape.EXIT, Shape.ENTRY) else 0.0
    return Block(title, tuple(lines), widest + 2 * PAD + point, 20.0 * len(title) + ROW * len(lines) + 2 * PAD - 4)


def label_block(arrow: Arrow, longest: float = LABEL_LINE) -> Block:
    """The text of an arrow, in lines of at most `longest` em."""
    lines = []
    for line in arrow.lines:
        lines += [(line.sort, piece, n == 0) for n, piece in enumerate(wrap(line.text, longest))]
    widest = max((width(t) * _size(sort) for sort, t, _ in lines), default=12.0)
    return Block((), tuple(lines), widest + 6, 15.0 * len(lines) + (4 if lines else 0))


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
    for n, (sort, line, _) in enumerate(block.lines):
        fill = svg.QUIET if sort is Sort.WHO else svg.REVERSAL if dashed else svg.INK
        found.append(svg.text(at.x + 3, at.y + 11 + 15 * n, line, _size(sort), fill=fill))
    return found


def _point(point: tuple[float, float]) -> str:
    return f"{svg.number(point[0])} {svg.number(point[1])}"


LEGEND = (
    ("way", "办理"),
    ("dashed", "更正(凭文号与理由)"),
    ("open", "办理中"),
    ("end", "终局"),
    ("good", "终局,保留名额"),
    ("clock", "期限"),
    ("loop", "不改变状态的办理"),
)


def legend(x: float, y: float, forms: Sequence[tuple[str, str]] = LEGEND) -> str:
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
        x += 36 + width(said) * SMALL + 18
    return svg.group(parts, class_="legend")


def _described(drawing: Drawing) -> str:
    said = {node.key: node.title or "开始" for node in drawing.nodes}
    return ";".join(f"{said[a.source]} → {said[a.target]}:{_spoken(a.lines)}" for a in drawing.arrows if a.lines)


def _spoken(lines: Sequence[Line]) -> str:
    return ",".join(line.text for line in lines)
