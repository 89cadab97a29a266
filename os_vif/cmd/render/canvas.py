# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Boxes, lines and texts as SVG, with light and dark colours.

The drawings of the documentation and the picture of a host are made of these elements. A document
needs no other file: neither fonts nor scripts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

Colour = str | tuple[str, str]
#: The fill and the stroke of a kind of box, or the fill of a kind of text.
LIGHT: Mapping[str, Colour] = {
    "paper": ("#ffffff", "#d0d7de"), "kernel": ("#dbeafe", "#1d4ed8"),
    "switch": ("#dcfce7", "#15803d"), "guest": ("#f3f4f6", "#6b7280"),
    "card": ("#ffedd5", "#c2410c"), "wrong": ("#fee2e2", "#dc2626"),
    "text": "#111827", "note": "#4b5563", "fault": "#b91c1c",
}  # fmt: skip
DARK: Mapping[str, Colour] = {
    "paper": ("#0d1117", "#30363d"), "kernel": ("#172554", "#93c5fd"),
    "switch": ("#052e16", "#86efac"), "guest": ("#1f2937", "#9ca3af"),
    "card": ("#431407", "#fdba74"), "wrong": ("#450a0a", "#f87171"),
    "text": "#f3f4f6", "note": "#b6bec9", "fault": "#fca5a5",
}  # fmt: skip
Legend = Sequence[tuple[str, str]]
LEGEND: Legend = (
    ("kernel", "in the kernel"), ("switch", "in Open vSwitch"), ("card", "on the card"),
    ("guest external", "other programs make it"),
)  # fmt: skip


def _rules(colours: Mapping[str, Colour]) -> Iterator[str]:
    for kind, value in colours.items():
        if isinstance(value, tuple):
            fill, line = value
            yield f".{kind}{{fill:{fill};stroke:{line}}}"
        else:
            yield f".{kind}{{fill:{value}}}"
    yield f".cable{{stroke:{colours['guest'][1]}}}.cut{{stroke:{colours['wrong'][1]}}}"


def style() -> str:
    """Return the style sheet of a document."""
    return (
        "text{font-family:'DejaVu Sans',Verdana,sans-serif;font-size:12px}"
        ".name{font-family:'DejaVu Sans Mono',Menlo,monospace;font-size:13px;font-weight:bold}"
        "rect{stroke-width:1.5}.external{stroke-dasharray:5 4}.cable{stroke-width:2}"
        f"{''.join(_rules(LIGHT))}"
        f"@media(prefers-color-scheme:dark){{{''.join(_rules(DARK))}}}"
    )


class Canvas:
    """The elements of a document, drawn from top to bottom."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        #: The upper edge of the next element, in pixels.
        self.y = 20

    def rect(self, kind: str, x: int, y: int, width: int, height: int, *, external: bool) -> None:
        """Add a box; dashed if os-vif does not create the box."""
        css = f"{kind} external" if external else kind
        self.parts.append(
            f'<rect class="{css}" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>'
        )

    def text(self, css: str, x: int, y: int, text: str, anchor: str = "middle") -> None:
        """Add a line of text.

        :param y: the base line.
        """
        self.parts.append(
            f'<text class="{css}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def line(self, css: str, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Add a line between two points."""
        self.parts.append(
            f'<line class="{css}" x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}"/>'
        )

    def group(self, title: str) -> None:
        """Begin a group of elements with a title, which a browser shows under the pointer."""
        self.parts.append(f"<g><title>{escape(title)}</title>")

    def end_group(self) -> None:
        """End a group of elements."""
        self.parts.append("</g>")

    def legend(self, entries: Legend, x: int, step: int = 150) -> None:
        """Add a row with the meaning of each kind of box."""
        self.y += 24
        for kind, meaning in entries:
            self.rect(kind, x, self.y, 18, 12, external=False)
            self.text("note", x + 25, self.y + 10, meaning, "start")
            x += step
        self.y += 30

    def document(self, title: str, width: int) -> str:
        """Return the elements as an SVG document.

        :param width: the width in pixels.
        """
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {self.y}" '
            f'width="{width}" height="{self.y}" role="img">\n'
            f"<title>{escape(title)}</title>\n<style>{style()}</style>\n"
            f'<rect class="paper" x="1" y="1" width="{width - 2}" height="{self.y - 2}" rx="8"/>\n'
            f"{body}\n</svg>\n"
        )
