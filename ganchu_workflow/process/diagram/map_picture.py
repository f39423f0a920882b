"""The map of a plan as SVG: the stages in a column; what leads out is on the right, what leads back on the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.diagram import svg
from ganchu_workflow.process.diagram.drawing import Arrow, Sort
from ganchu_workflow.process.diagram.layout import Place
from ganchu_workflow.process.diagram.measure import width
from ganchu_workflow.process.diagram.picture import (
    REVERSALS,
    Block,
    draw_label,
    draw_node,
    label_block,
    legend,
    legend_width,
    node_block,
)
from ganchu_workflow.process.diagram.plan_map import ANYWHERE, PlanMap, plan_map

STAGE_WIDTH = 250.0
SIDE_GAP = 118.0
"""Between a stage and what is beside it: room for the label of a way back."""
LANE = 118.0
"""For each arrow that passes stages by, on the left."""
TOP = 84.0
BACK, DOWN, FILL, PASSING = 8.0, 22.0, 12.0, 8.5
"""The longest line of a label, in em: of a way back, down to the next stage, from the reserve, and past stages."""
STACK = 12.0
ENTRY = 16.0
"""For each arrow that comes into a stage from the right."""
LEGEND = (
    ("open", "环节"),
    ("way", "办理"),
    ("dashed", REVERSALS),
    ("end", "终局"),
    ("good", "终局,保留名额"),
    ("aside", "候补等"),
)


def map_svg(process: Process, *, title: str = "", mark: str = "") -> str:
    """The map of a process as an SVG document; `title` heads it, `mark` is a watermark such as 演示数据·非官方文件."""
    return _Map(plan_map(process), title or "评选流程", mark).document()


@dataclass
class _Map:
    found: PlanMap
    title: str
    mark: str
    places: dict[str, Place] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)

    def document(self) -> str:
        """The whole picture."""
        # The longest way round runs outside.
        passing = sorted((a for a in self.found.arrows if self._passes_by(a)), key=self._length)
        left = svg.MARGIN + LANE * len(passing) + (10 if passing else 0)
        bottom = self._place_all(left)
        right = max(p.x + p.width for p in self.places.values())
        self._draw_passing(passing, left - 24)
        corner = 0
        for arrow in self.found.arrows:
            if not self._passes_by(arrow):
                corner += self._arrow(arrow, right, corner)
        wide = max(
            right + (34.0 + LANE * corner if corner else 0.0), legend_width(LEGEND) + svg.MARGIN, width(self.title) * 20
        )
        self.parts += [draw_node(n, self.places[n.key], self.blocks[n.key]) for n in self.found.nodes.values()]
        high = bottom + 54
        head = [
            svg.text(svg.MARGIN, 36, self.title, 20, font_weight="bold"),
            svg.text(svg.MARGIN, 58, "流程总图:环节依次办理;右侧为离开流程的去向", 12, fill=svg.QUIET),
        ]
        body = [*head, svg.group(self.parts), legend(svg.MARGIN, high - 18, LEGEND)]
        return svg.page(body, wide + svg.MARGIN, high, title=self.title, described=self._described(), mark=self.mark)

    # ── where things stand ──

    def _place_all(self, left: float) -> float:
        y = TOP
        for name in self.found.stages:
            y = self._place_stage(name, left, y) + self._room_below(name)
        last = f"good:{self.found.stages[-1]}"
        if last in self.found.nodes:
            y = self._put(last, left, y, STAGE_WIDTH) + 30
        ends = [n.key for n in self.found.nodes.values() if n.key.startswith("end:")]
        top = y + 4
        for key in ends:
            y = self._put(key, left + STAGE_WIDTH + SIDE_GAP, y + 4, 0.0) + STACK - 4
        if ends:
            y = max(y, self._put(ANYWHERE, left, top, STAGE_WIDTH))
        return y

    def _place_stage(self, name: str, left: float, y: float) -> float:
        beside = [f"out:{name}", f"good:{name}", f"reserve:{name}"]
        if name == self.found.stages[-1]:
            beside.remove(f"good:{name}")
        # What comes in from the right passes above what is beside the stage.
        bottom = y + ENTRY * self._coming_in(name)
        reach = 0.0
        for key in beside:
            if key in self.found.nodes:
                back = [label_block(a, BACK).height + 34 for a in self.found.arrows if self._leads_back(a, key)]
                bottom = self._put(key, left + STAGE_WIDTH + SIDE_GAP, bottom, 0.0, max(back, default=0.0)) + STACK
                # Below the arrow that comes back, one to the reserve must still be able to leave.
                reach = bottom - y + (16 if f"reserve:{name}" in self.found.nodes else -STACK) if back else reach
        return max(self._put(f"stage:{name}", left, y, STAGE_WIDTH, reach), bottom - STACK)

    @staticmethod
    def _leads_back(arrow: Arrow, key: str) -> bool:
        """From beside a stage back into it."""
        stage = key.partition(":")[2]
        return arrow.source == key and arrow.target == f"stage:{stage}"

    def _coming_in(self, name: str) -> int:
        return sum(a.target == f"stage:{name}" and self._from_beside(a) for a in self.found.arrows)

    def _from_beside(self, arrow: Arrow) -> bool:
        """From beside a stage into the next one."""
        kind, _, stage = arrow.source.partition(":")
        return kind in ("out", "reserve") and not self._passes_by(arrow) and not arrow.target.endswith(f":{stage}")

    def _room_below(self, name: str) -> float:
        """What the labels of the arrows down to the next stage need."""
        mine = [a for a in self.found.arrows if a.source.partition(":")[2] == name]
        down = [label_block(a, DOWN).height + 20 for a in mine if self._leads_down(a)]
        reserve = [label_block(a, FILL).height for a in mine if self._from_beside(a) and not a.dashed]
        return max([34.0, *down, *reserve])

    def _put(self, key: str, x: float, y: float, wide: float, high: float = 0.0) -> float:
        """Give a box its place, at least so wide and high; what is below it begins where it ends."""
        self.blocks[key] = block = node_block(self.found.nodes[key], 18.0, 14.0)
        self.places[key] = Place(x, y, max(wide, block.width), max(40.0, high, block.height))
        return y + self.places[key].height

    # ── what joins them ──

    def _index(self, key: str) -> int:
        return self.found.stages.index(key.partition(":")[2])

    def _leads_down(self, arrow: Arrow) -> bool:
        """To the next stage, or to the good end below the last one."""
        if not arrow.source.startswith("stage:") or arrow.dashed:
            return False
        if arrow.target.startswith("stage:"):
            return self._index(arrow.target) - self._index(arrow.source) == 1
        return arrow.target == f"good:{self.found.stages[-1]}"

    def _passes_by(self, arrow: Arrow) -> bool:
        """On the left: back, past a stage, or up or down beside the main way."""
        if not arrow.target.startswith("stage:") or arrow.source == ANYWHERE:
            return False
        far = self._index(arrow.target) - self._index(arrow.source)
        beside_the_way = arrow.dashed and (arrow.source.startswith("stage:") or self._is_below(arrow.source))
        return far < 0 or far > 1 or beside_the_way

    def _is_below(self, key: str) -> bool:
        """Whether it is the good end, which stands below the last stage."""
        return key == f"good:{self.found.stages[-1]}"

    def _length(self, arrow: Arrow) -> int:
        return abs(self._index(arrow.target) - self._index(arrow.source))

    def _draw_passing(self, passing: Sequence[Arrow], x: float) -> None:
        heights = []
        for lane, arrow in enumerate(passing):
            source = arrow.source if self._is_below(arrow.source) else f"stage:{arrow.source.partition(':')[2]}"
            ends = self.places[source], self.places[arrow.target]
            heights.append([p.y + p.height / 2 + min(8.0 * lane, p.height / 2 - 6) for p in ends])
        for lane, (arrow, (y0, y1)) in enumerate(zip(passing, heights, strict=True)):
            at_x, to_x = x - LANE * lane, self.places[arrow.target].x
            commands = (
                f"M{svg.number(to_x)} {svg.number(y0)}H{svg.number(at_x)}V{svg.number(y1)}H{svg.number(to_x - 6)}"
            )
            block = label_block(arrow, PASSING)
            # What runs outside crosses this lane on its way: the label keeps clear of it.
            crossing = [y for other in heights[lane + 1 :] for y in other]
            tops = [y0 + (y1 - y0) * part - block.height / 2 for part in (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)]
            clear = [y for y in tops if not any(y - 4 < c < y + block.height + 4 for c in crossing)]
            at = Place(at_x - block.width - 4, (clear or tops)[0], block.width, block.height)
            self._draw(arrow, commands, (to_x, y1, 1.0, 0.0), at, block)

    def _arrow(self, arrow: Arrow, right: float, corner: int) -> int:
        """One arrow beside or below a stage; 1 if it went round the right-hand side."""
        source, target = self.places[arrow.source], self.places[arrow.target]
        if self._leads_down(arrow):
            x, y0 = source.x + 40, source.y + source.height
            block = label_block(arrow, DOWN)
            at = Place(x + 8, (y0 + target.y - block.height) / 2, block.width, block.height)
            self._draw(
                arrow,
                f"M{svg.number(x)} {svg.number(y0)}V{svg.number(target.y - 6)}",
                (x, target.y, 0.0, 1.0),
                at,
                block,
            )
        elif arrow.source.startswith("stage:") or arrow.source == ANYWHERE:
            self._sideways(arrow, source, target)
        elif self._leads_back(arrow, arrow.source):
            y = min(source.y + source.height, target.y + target.height) - 9
            block = label_block(arrow, BACK)
            at = Place(source.x - SIDE_GAP + 14, y - block.height - 1, block.width, block.height)
            commands = f"M{svg.number(source.x)} {svg.number(y)}H{svg.number(target.x + target.width + 6)}"
            self._draw(arrow, commands, (target.x + target.width, y, -1.0, 0.0), at, block)
        else:
            entries = [a for a in self.found.arrows if a.target == arrow.target and self._from_beside(a)]
            y = target.y + 10 + ENTRY * entries.index(arrow)
            if arrow.dashed:
                self._round(arrow, source, target, right + 14 + LANE * corner, y)
                return 1
            self._down_and_in(arrow, source, target, y)
        return 0

    def _sideways(self, arrow: Arrow, source: Place, target: Place) -> None:
        """From a stage to what is beside it, however far down that is."""
        x0, x1 = source.x + source.width, target.x
        y = target.y + min(18.0, target.height / 2)
        # A reversal of the same way runs below, so that both are seen.
        y += 12.0 if arrow.dashed else 0.0
        level = y < source.y + source.height - 8
        start = y if level else source.y + source.height - (4 if arrow.dashed else 10)
        bend = "" if level else f"H{svg.number(x1 - (14 if arrow.dashed else 22))}V{svg.number(y)}"
        block = label_block(arrow, 8.0)
        at = Place(x0 + 8, y + 3 if arrow.dashed else y - block.height, block.width, block.height)
        commands = f"M{svg.number(x0)} {svg.number(start)}{bend}H{svg.number(x1 - 6)}"
        self._draw(arrow, commands, (x1, y, 1.0, 0.0), at, block)

    def _down_and_in(self, arrow: Arrow, source: Place, target: Place, y: float) -> None:
        """From beside one stage into the right-hand side of the next: the way of the reserve."""
        x, y0 = source.x + 24, source.y + source.height
        block = label_block(arrow, FILL)
        at = Place(x + 6, y0 + 2, block.width, block.height)
        commands = f"M{svg.number(x)} {svg.number(y0)}V{svg.number(y)}H{svg.number(target.x + target.width + 6)}"
        self._draw(arrow, commands, (target.x + target.width, y, -1.0, 0.0), at, block)

    def _round(self, arrow: Arrow, source: Place, target: Place, x: float, y: float) -> None:
        """From beside one stage, round on the right, into the next."""
        y0 = source.y + source.height / 2
        block = label_block(arrow, 8.0)
        at = Place(x + 5, y0 + 6, block.width, block.height)
        commands = f"M{svg.number(source.x + source.width)} {svg.number(y0)}H{svg.number(x)}V{svg.number(y)}"
        commands += f"H{svg.number(target.x + target.width + 6)}"
        self._draw(arrow, commands, (target.x + target.width, y, -1.0, 0.0), at, block)

    def _draw(
        self, arrow: Arrow, commands: str, tip: tuple[float, float, float, float], at: Place, block: Block
    ) -> None:
        parts = [svg.way(commands, dashed=arrow.dashed), svg.head(*tip, dashed=arrow.dashed)]
        self.parts.append(svg.group([*parts, *draw_label(at, block, arrow.dashed)], class_="arrow"))

    def _described(self) -> str:
        names = self.found.nodes
        said = []
        for a in self.found.arrows:
            steps = "、".join(line.text for line in a.lines if line.sort is Sort.STEP)
            said.append(f"{names[a.source].title} → {names[a.target].title}" + (f"({steps})" if steps else ""))
        return ";".join(said)
