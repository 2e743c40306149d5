"""Mermaid graphs whose labels hold any text and change nothing else. Pure.

A label is a quoted string in which every character is a letter, a digit, a space or one of a few marks; all others
are written as Mermaid's entity codes (`#34;`). So no quote, bracket, tag, directive or word such as `end` is ever seen
by its parser. Node names are made here (`n1`), never taken from text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ai_workflow.models.base import Record
from ai_workflow.rendering.text import clip_bytes, make_line, render_block

MAX_LABEL_BYTES = 60
MAX_EDGES = 200
"""GitHub's renderer refuses more than 500 edges, or 50,000 characters."""
_SAFE = frozenset(" .,-")
_STYLES = {
    "done": "fill:#d4edda,stroke:#28a745",
    "active": "fill:#fff3cd,stroke:#d39e00",
    "blocked": "fill:#f8d7da,stroke:#dc3545",
}
_CLASSES = {
    "done": "done",
    "skipped": "done",
    "merged": "done",
    "claimed": "active",
    "in_progress": "active",
    "pr_created": "active",
    "blocked": "blocked",
}


class Node(Record, frozen=True, kw_only=True):
    """One box."""

    id: str
    title: str
    status: str
    """Of a task or a milestone; it chooses the colour."""


def render_graph(nodes: Sequence[Node], edges: Mapping[str, Sequence[str]]) -> list[str]:
    """A fenced Mermaid graph from left to right, as lines, and how many edges were left out.

    Args:
        edges: id of a node → ids of the nodes it waits for; what is no node is left out.
    """
    names = {node.id: f"n{number}" for number, node in enumerate(nodes, 1)}
    lines = ["graph LR"]
    for node in nodes:
        style = _CLASSES.get(node.status)
        label = escape_label(f"{node.id} {node.title}")
        lines.append(f'  {names[node.id]}["{label}"]' + (f":::{style}" if style else ""))
    arrows = [
        f"  {names[before]} --> {names[node.id]}"
        for node in nodes
        for before in edges.get(node.id, ())
        if before in names
    ]
    lines += arrows[:MAX_EDGES]
    lines += [f"  classDef {name} {style}" for name, style in _STYLES.items()]
    shown = render_block("\n".join(lines), language="mermaid").split("\n")
    if len(arrows) > MAX_EDGES:
        shown += ["", f"{len(arrows) - MAX_EDGES} more arrows are left out."]
    return shown


def escape_label(text: str) -> str:
    """The text, at most 60 bytes of it, for between the quotes of a label."""
    line = clip_bytes(make_line(text), MAX_LABEL_BYTES)
    return "".join(char if char.isalnum() or char in _SAFE else f"#{ord(char)};" for char in line)
