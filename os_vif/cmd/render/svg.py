# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Trees as SVG: a box for each object, and a line from each object to the objects inside."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax import saxutils

from os_vif.cmd.render.tree import Node

# Sizes in pixels. A character of a common monospaced font of 12 pixels is 7.2 pixels wide.
_CHARACTER_WIDTH = 7.3
_LINE_HEIGHT = 18
_HEAD_HEIGHT = 26
_PADDING = 10
#: Space between boxes.
_COLUMN_GAP, _ROW_GAP = 48, 14
_MARGIN = 16
_STYLE = """
text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1c2733; }
.title { font-weight: 600; }
.name { fill: #5b6b7b; }
.box { fill: #ffffff; stroke: #8da2b5; }
.head { fill: #e6eef6; }
.line { fill: none; stroke: #8da2b5; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e3e9ef; } .name { fill: #9fb0c0; } .box { fill: #17202a; } .head { fill: #2a3a49; }
}
"""


@dataclass
class _Box:
    """The box of a node, and the boxes to the right."""

    node: Node
    #: The children without children: lines in the box.
    rows: list[Node]
    #: The boxes of the other children.
    inner: list[_Box] = field(default_factory=list)

    @property
    def width(self) -> float:
        """Width of the box."""
        widths = [_width(str(node)) for node in (self.node, *self.rows)]
        return max(widths) * _CHARACTER_WIDTH + 2 * _PADDING

    @property
    def height(self) -> float:
        """Height of the box."""
        rows = len(self.rows) * _LINE_HEIGHT
        return _HEAD_HEIGHT + rows + (_PADDING if self.rows else 0)

    @property
    def tree_height(self) -> float:
        """Height of the box and all inner boxes."""
        inner = sum(box.tree_height for box in self.inner) + _ROW_GAP * (len(self.inner) - 1)
        return max(self.height, inner)

    @property
    def tree_width(self) -> float:
        """Width of the box and all inner boxes."""
        inner = max((_COLUMN_GAP + box.tree_width for box in self.inner), default=0)
        return self.width + inner


def render_svg(nodes: Iterable[Node]) -> str:
    """Return an SVG document with the trees below each other.

    :param nodes: the roots, at least one.
    """
    boxes = [_build_box(node) for node in nodes]
    width = max(box.tree_width for box in boxes) + 2 * _MARGIN
    height = sum(box.tree_height + _ROW_GAP for box in boxes) - _ROW_GAP + 2 * _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
        f"<title>{saxutils.escape(', '.join(box.node.name for box in boxes))}</title>",
        f"<style>{_STYLE}</style>",
    ]
    top: float = _MARGIN
    for box in boxes:
        parts += _draw(box, _MARGIN, top)
        top += box.tree_height + _ROW_GAP
    return "\n".join([*parts, "</svg>", ""])


def _build_box(node: Node) -> _Box:
    """Return the box of a node, with all inner boxes."""
    rows = [inner for inner in node.children if not inner.children]
    return _Box(node, rows, [_build_box(inner) for inner in node.children if inner.children])


def _draw(box: _Box, x: float, y: float) -> Iterator[str]:
    """Yield the elements of a box and all inner boxes.

    :param x: the left edge.
    :param y: the upper edge.
    """
    place = f'x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" rx="4"'
    yield f'<rect class="box" {place} height="{box.height:.1f}"/>'
    yield f'<rect class="head" {place} height="{_HEAD_HEIGHT}"/>'
    yield _text(box.node, x + _PADDING, y + _LINE_HEIGHT, "title")
    for number, row in enumerate(box.rows, start=1):
        yield _text(row, x + _PADDING, y + _HEAD_HEIGHT + number * _LINE_HEIGHT - 2, "name")
    right, below = x + box.width, y
    for inner in box.inner:
        start, end = y + _HEAD_HEIGHT / 2, below + _HEAD_HEIGHT / 2
        left = right + _COLUMN_GAP
        middle = right + _COLUMN_GAP / 2
        yield (
            f'<path class="line" d="M{right:.1f},{start:.1f} '
            f'C{middle:.1f},{start:.1f} {middle:.1f},{end:.1f} {left:.1f},{end:.1f}"/>'
        )
        yield from _draw(inner, left, below)
        below += inner.tree_height + _ROW_GAP


def _text(node: Node, x: float, y: float, css_class: str) -> str:
    """Return the element of a line of text: the name of a node, and the text of the node."""
    name = f'<tspan class="{css_class}">{saxutils.escape(node.name)}</tspan>'
    text = f": {saxutils.escape(node.text)}" if node.text else ""
    return f'<text x="{x:.1f}" y="{y:.1f}">{name}{text}</text>'


def _width(text: str) -> int:
    """Return the width of a text in columns; East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
