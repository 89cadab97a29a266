# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Trees as a picture: a box for each object, and a line to what is in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax import saxutils

from os_vif.cmd.render.tree import Node

#: In pixels; a character of 12 pixels is 7.2 wide in every common monospaced font.
_CHARACTER = 7.3
_LINE = 18
_HEAD = 26
_PAD = 10
_ACROSS, _DOWN = 48, 14
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
    node: Node
    #: What is in it and has nothing in itself.
    rows: list[Node]
    #: The boxes that it leads to.
    inner: list[_Box] = field(default_factory=list)

    @property
    def width(self) -> float:
        widths = [_width(str(node)) for node in (self.node, *self.rows)]
        return max(widths) * _CHARACTER + 2 * _PAD

    @property
    def height(self) -> float:
        return _HEAD + len(self.rows) * _LINE + (_PAD if self.rows else 0)

    @property
    def room(self) -> float:
        """The height of it with all that it leads to."""
        inner = sum(box.room for box in self.inner) + _DOWN * (len(self.inner) - 1)
        return max(self.height, inner)

    @property
    def reach(self) -> float:
        """The width of it with all that it leads to."""
        return self.width + max((_ACROSS + box.reach for box in self.inner), default=0)


def picture(nodes: Iterable[Node]) -> str:
    """The SVG of some trees, one below the other."""
    boxes = [_box(node) for node in nodes]
    width = max(box.reach for box in boxes) + 2 * _MARGIN
    height = sum(box.room + _DOWN for box in boxes) - _DOWN + 2 * _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
        f"<title>{_escaped(', '.join(box.node.name for box in boxes))}</title>",
        f"<style>{_STYLE}</style>",
    ]
    top: float = _MARGIN
    for box in boxes:
        parts += _drawn(box, _MARGIN, top)
        top += box.room + _DOWN
    return "\n".join([*parts, "</svg>", ""])


def _box(node: Node) -> _Box:
    rows = [inner for inner in node.children if not inner.children]
    return _Box(node, rows, [_box(inner) for inner in node.children if inner.children])


def _drawn(box: _Box, x: float, y: float) -> Iterator[str]:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" rx="4"'
    yield f'<rect class="box" {place} height="{box.height:.1f}"/>'
    yield f'<rect class="head" {place} height="{_HEAD}"/>'
    yield _text(box.node, x + _PAD, y + _LINE, "title")
    for number, row in enumerate(box.rows, start=1):
        yield _text(row, x + _PAD, y + _HEAD + number * _LINE - 2, "name")
    right, below = x + box.width, y
    for inner in box.inner:
        start, end = y + _HEAD / 2, below + _HEAD / 2
        left = right + _ACROSS
        middle = right + _ACROSS / 2
        yield (
            f'<path class="line" d="M{right:.1f},{start:.1f} '
            f'C{middle:.1f},{start:.1f} {middle:.1f},{end:.1f} {left:.1f},{end:.1f}"/>'
        )
        yield from _drawn(inner, left, below)
        below += inner.room + _DOWN


def _text(node: Node, x: float, y: float, kind: str) -> str:
    name = f'<tspan class="{kind}">{_escaped(node.name)}</tspan>'
    words = f": {_escaped(node.words)}" if node.words else ""
    return f'<text x="{x:.1f}" y="{y:.1f}">{name}{words}</text>'


def _escaped(text: str) -> str:
    return saxutils.escape(text)


def _width(text: str) -> int:
    """In characters; those of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
