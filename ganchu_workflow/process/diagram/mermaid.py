"""The diagrams as Mermaid text: for pages that render it, such as a README or a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ganchu_workflow.process.definition import Process
from ganchu_workflow.process.diagram.drawing import Arrow, Line, Node, Shape, Sort, drawing_of
from ganchu_workflow.process.diagram.measure import wrap
from ganchu_workflow.process.diagram.plan_map import plan_map

LONGEST = 12.0
"""The longest line of a Mermaid label, in em: Mermaid would break longer ones in the middle of a word."""
FORMS = {
    Shape.START: '(("{}"))',
    Shape.ENTRY: '>"{}"]',
    Shape.EXIT: '>"{}"]',
    Shape.ANY: '(["{}"])',
    Shape.RESERVE: '(["{}"])',
    Shape.STATE: '("{}")',
    Shape.STAGE: '["{}"]',
    Shape.FINAL: '[["{}"]]',
    Shape.SUCCESS: '[["{}"]]',
}
STYLES = (
    "  classDef default fill:#eef4fb,stroke:#3f5872,color:#1b2733",
    "  classDef final fill:#fbf1ee,stroke:#3f5872,color:#1b2733",
    "  classDef success fill:#edf7ee,stroke:#3f5872,color:#1b2733,stroke-width:3px",
    "  classDef aside fill:#f4f4f1,stroke:#3f5872,color:#1b2733",
)
CLASSES = {
    Shape.FINAL: "final",
    Shape.SUCCESS: "success",
    Shape.ANY: "aside",
    Shape.RESERVE: "aside",
    Shape.ENTRY: "aside",
    Shape.EXIT: "aside",
}
MARKS = {Sort.DEADLINE: "◷ ", Sort.LOOP: "↻ "}


def process_map(process: Process) -> str:
    """The map of a process as a Mermaid flowchart: the stages in order, and what leads on, back and out."""
    found = plan_map(process)
    return _flowchart("TB", list(found.nodes.values()), found.arrows)


def life_cycle(process: Process, kind_or_stage: str) -> str:
    """The life cycle of a kind of case, or of an application in a stage, as a Mermaid flowchart.

    `stage:` or `kind:` before the name says which is meant; without it a stage comes first. Raises `Unknown`, naming
    the stages and kinds there are.
    """
    drawing = drawing_of(process, kind_or_stage)
    return _flowchart("LR", drawing.nodes, drawing.arrows)


def _flowchart(direction: str, nodes: Sequence[Node], arrows: Iterable[Arrow]) -> str:
    lines = [f"flowchart {direction}", *STYLES]
    for node in nodes:
        text = "<br/>".join(_wrapped(node))
        form = FORMS[node.shape].format(text)
        kind = f":::{CLASSES[node.shape]}" if node.shape in CLASSES else ""
        lines.append(f"  {_id(node.key)}{form}{kind}")
    for arrow in arrows:
        line = "-.->" if arrow.dashed else "-->"
        said = "<br/>".join(_escaped(piece) for said in arrow.lines for piece in wrap(said.text, LONGEST))
        label = f'|"{said}"|' if said else ""
        lines.append(f"  {_id(arrow.source)} {line}{label} {_id(arrow.target)}")
    return "\n".join(lines) + "\n"


def _wrapped(node: Node) -> Iterable[str]:
    if node.shape is Shape.START:
        return [" "]
    title = [f"<b>{_escaped(piece)}</b>" for piece in wrap(node.title, LONGEST)]
    return [*title, *(_escaped(piece) for line in node.lines for piece in wrap(_marked(line), LONGEST))]


def _marked(line: Line) -> str:
    return MARKS.get(line.sort, "") + line.text


def _id(key: str) -> str:
    """An id that no word of Mermaid (`end`, `default`, `style`) can be, and that two keys never share."""
    if key.startswith(":"):
        return f"x_{key[1:]}"
    return "n_" + re.sub("[^0-9A-Za-z]", lambda match: "_" if match[0] == "_" else f"_{ord(match[0]):x}_", key)


def _escaped(text: str) -> str:
    """The text as Mermaid takes it within quotes: what it would read as its own, or as HTML, goes in by number.

    `*`, `_`, `~` and a backtick would be emphasis, `%%{` a directive; a number and a dot, or a dash, at the beginning a
    list. Formulas (`$$`), icons (`fa:fa-`) and `\\n` it looks for when the numbers are text again: a space breaks
    them up. Line breaks and other control characters become a space.
    """
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    plain = re.sub(r"\$(?=\$)|:(?=fa-)|\\(?=n)", r"\g<0> ", plain)
    own = r"""["#;<>&`*_~%{}\\]|(?<=^\d)\.|(?<=^\d\d)\.|^[-+]"""
    return re.sub(own, lambda match: f"#{ord(match[0])};", plain)
