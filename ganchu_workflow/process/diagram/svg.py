"""The few SVG elements the pictures are made of. No style sheet, no ids: a picture may stand inside a host's page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import atan2, degrees, hypot
from xml.sax.saxutils import escape, quoteattr

from ganchu_workflow.process.diagram.measure import width as ems

FONTS = (
    "'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC','Hiragino Sans GB',"
    "'WenQuanYi Micro Hei',SimHei,sans-serif"
)
INK, QUIET, LINE, PAPER = "#1b2733", "#4d5e70", "#3f5872", "#ffffff"
OPEN_FILL, FINAL_FILL, GOOD_FILL, ASIDE_FILL = "#eef4fb", "#fbf1ee", "#edf7ee", "#f4f4f1"
REVERSAL = "#8a4b08"
MARGIN = 24.0
LONG_SIDE, SHORT_SIDE = 272.0, 186.0
"""What a browser prints of an A4 sheet with its usual margins, in millimetres."""
MILLIMETRE = 25.4 / 96
"""One CSS pixel, in millimetres."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """The text with what XML cannot hold made visible as U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


def number(value: float) -> str:
    """A coordinate: one decimal is finer than print, and free of the last digits of a sum."""
    # Adding 0.0 makes 0 of what was rounded to -0.
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def element(name: str, content: str | None = None, **attributes: float | str) -> str:
    """One element; numbers are coordinates, `_` in a name is written `-`, and a trailing one is dropped."""
    said = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(clean(v) if isinstance(v, str) else number(v))}"
        for key, v in attributes.items()
    )
    return f"<{name}{said}/>" if content is None else f"<{name}{said}>{content}</{name}>"


def text(x: float, y: float, said: str, size: float = 12, *, fill: str = INK, **more: float | str) -> str:
    """A line of text; `y` is its baseline."""
    return element("text", escape(clean(said)), x=x, y=y, font_size=size, fill=fill, **more)


def group(parts: Iterable[str], **attributes: str) -> str:
    """Elements that belong together."""
    return element("g", "\n" + "\n".join(parts) + "\n", **attributes)


def box(x: float, y: float, w: float, h: float, *, fill: str, radius: float = 6, double: bool = False) -> list[str]:
    """A rectangle; an end has a double border."""
    found = [element("rect", x=x, y=y, width=w, height=h, rx=radius, fill=fill, stroke=LINE, stroke_width=1.3)]
    if double:
        line = {"fill": "none", "stroke": LINE}
        found.append(element("rect", x=x + 3, y=y + 3, width=w - 6, height=h - 6, rx=1.5, stroke_width=0.9, **line))
    return found


def tag(x: float, y: float, w: float, h: float) -> list[str]:
    """A box with a point to the right: the way from or to another stage."""
    point = min(12.0, h / 2)
    corners = [(x, y), (x + w - point, y), (x + w, y + h / 2), (x + w - point, y + h), (x, y + h)]
    said = " ".join(f"{number(a)},{number(b)}" for a, b in corners)
    return [element("polygon", points=said, fill=ASIDE_FILL, stroke=LINE, stroke_width=1.3)]


def way(commands: str, *, dashed: bool = False) -> str:
    """The line of an arrow."""
    colour = REVERSAL if dashed else LINE
    dash = {"stroke_dasharray": "6 4"} if dashed else {}
    return element("path", d=commands, fill="none", stroke=colour, stroke_width=1.3, **dash)


def head(x: float, y: float, dx: float, dy: float, *, dashed: bool = False) -> str:
    """The point of an arrow that arrives at (x, y), coming along (dx, dy): one of them is 0, the other 1 or -1."""
    back, side = 9.0, 4.0
    points = [(x, y), (x - back * dx - side * dy, y - back * dy - side * dx)]
    points.append((x - back * dx + side * dy, y - back * dy + side * dx))
    said = " ".join(f"{number(a)},{number(b)}" for a, b in points)
    return element("polygon", points=said, fill=REVERSAL if dashed else LINE)


def clock(x: float, y: float) -> str:
    """A small clock, in the middle of a line of text that begins at (x, y): it needs no font."""
    cx, cy = x + 5.0, y - 4.2
    hands = f"M{number(cx)} {number(cy - 3)}V{number(cy)}H{number(cx + 2.6)}"
    return element("circle", cx=cx, cy=cy, r=4.6, fill=PAPER, stroke=INK, stroke_width=1.1) + element(
        "path", d=hands, fill="none", stroke=INK, stroke_width=1.1
    )


def loop(x: float, y: float) -> str:
    """A small arrow that comes back to where it began."""
    cx, cy = x + 5.0, y - 4.2
    arc = f"M{number(cx + 4)} {number(cy - 1.5)}A4.2 4.2 0 1 0 {number(cx + 3.6)} {number(cy + 2.4)}"
    corners = ((cx + 5.8, cy - 4.4), (cx + 5.2, cy + 0.4), (cx + 1.4, cy - 2))
    tip = " ".join(f"{number(a)},{number(b)}" for a, b in corners)
    return element("path", d=arc, fill="none", stroke=INK, stroke_width=1.2) + element("polygon", points=tip, fill=INK)


def tick(x: float, y: float) -> str:
    """A small tick: the good end."""
    steps = f"M{number(x)} {number(y - 5)}l3.5 4 6.5 -8"
    return element("path", d=steps, fill="none", stroke=INK, stroke_width=2)


def scale(width: float, height: float) -> float:
    """The millimetres that a coordinate takes in print: as large as on a screen, if that fits on A4 in either way."""
    lying = min(LONG_SIDE / width, SHORT_SIDE / height)
    standing = min(SHORT_SIDE / width, LONG_SIDE / height)
    return min(MILLIMETRE, max(lying, standing))


def page(parts: Sequence[str], width: float, height: float, *, title: str, described: str, mark: str) -> str:
    """The whole picture: no larger than a sheet of A4, lying or standing; on white, the mark drawn faintly beneath."""
    size = scale(width, height)
    heading = [element("title", escape(clean(title))), element("desc", escape(clean(described)))]
    ground = element("rect", x=0, y=0, width=width, height=height, fill=PAPER)
    whole = [*heading, ground, *([_watermark(mark, width, height)] if mark else []), *parts]
    return (
        element(
            "svg",
            "\n" + "\n".join(whole) + "\n",
            xmlns="http://www.w3.org/2000/svg",
            width=f"{width * size:.1f}mm",
            height=f"{height * size:.1f}mm",
            viewBox=f"0 0 {number(width)} {number(height)}",
            role="img",
            font_family=FONTS,
        )
        + "\n"
    )


def _watermark(mark: str, width: float, height: float) -> str:
    size = min(90.0, hypot(width, height) * 0.7 / max(1.0, ems(mark)))
    slope = -degrees(atan2(height, width))
    return text(
        width / 2,
        height / 2,
        mark,
        size,
        fill="#eef0f3",
        text_anchor="middle",
        font_weight="bold",
        transform=f"rotate({number(slope)} {number(width / 2)} {number(height / 2)})",
    )
