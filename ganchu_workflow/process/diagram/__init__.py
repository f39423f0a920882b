"""The diagrams of a process: its map and its life cycles, as Mermaid text and as SVG.

Mermaid is for pages that render it; SVG needs nothing but a browser, and prints.
"""

from ganchu_workflow.process.diagram.drawing import life_cycle_names
from ganchu_workflow.process.diagram.map_picture import map_svg
from ganchu_workflow.process.diagram.mermaid import life_cycle, process_map
from ganchu_workflow.process.diagram.picture import life_cycle_svg

__all__ = ["life_cycle", "life_cycle_names", "life_cycle_svg", "map_svg", "process_map"]
