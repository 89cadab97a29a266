# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Bar charts of benchmark figures as SVG, for a desktop and for a phone.

``charts.py`` selects the figures. The module imports neither Sphinx nor os-vif.
"""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Iterator
from typing import Any

#: The sides of a comparison, by their key in the figures.
SIDES = {"public": "5.3.0", "ours": "this release"}

Figures = list[dict[str, Any]]

#: The height of a bar, and the gap between groups of bars, in pixels.
_BAR, _GAP = 13, 12
_STYLE = (
    "text{font-family:'DejaVu Sans',Verdana,sans-serif;font-size:12px;fill:#111827}.paper{fill:#fff}.tick{stroke:#e4e7eb}"
    ".public{fill:#9aa5b1}.ours{fill:#2a6f97}"
    "@media(prefers-color-scheme:dark){text{fill:#f3f4f6}.paper{fill:#0d1117}"
    ".tick{stroke:#30363d}.public{fill:#7b8794}.ours{fill:#61a5c2}}"
)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The horizontal places of a chart, in pixels."""

    width: int
    #: The left end of the bars.
    left: int
    #: The length of the longest bar.
    longest: int
    #: The height of a line with the label above the bars; 0 for labels on the left of the bars.
    label: int = 0


WIDE = Layout(width=820, left=330, longest=330)
NARROW = Layout(width=360, left=12, longest=170, label=16)


def number(value: float) -> str:
    """Format a number with three significant digits."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def unit(figures: Figures) -> tuple[str, float]:
    """Return the unit that suits all figures, and the factor from milliseconds to the unit."""
    if all(figure[side]["ms"] < 1 for figure in figures for side in SIDES):
        return "µs", 1000
    return "ms", 1


def svg(figures: Figures, title: str, names: dict[str, str] = SIDES, layout: Layout = WIDE) -> str:
    """Draw two bars for each figure, on a logarithmic scale: times differ by a factor of 1,000.

    :param names: the names of the bars, from :func:`charts.sides`.
    """
    name, factor = unit(figures)
    has_kinds = len({figure["kind"] for figure in figures}) > 1
    values = [figure[side]["ms"] * factor for figure in figures for side in SIDES]
    low, high = 10 ** math.floor(math.log10(min(values))), max(values)
    group = layout.label + 2 * _BAR + _GAP
    height = len(figures) * group + 50
    parts = list(_legend(f"{name}, logarithmic", names, layout.left))
    says = "({:g} times as fast)" if names is SIDES else "(ratio {:g})"

    def length(value: float) -> float:
        return max(2.0, math.log(value / low) / math.log(high / low) * layout.longest)

    tick = low
    while tick <= high:
        x = layout.left + length(tick)
        parts += [
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="28" y2="{height - 16}"/>',
            f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">{tick:g}</text>',
        ]
        tick *= 10
    for index, figure in enumerate(figures):
        y = 34 + index * group
        label = f"{figure['what']}: {figure['kind']}" if has_kinds else figure["what"]
        parts.append(_label(label, y, layout))
        for row, side in enumerate(SIDES):
            value, top = figure[side]["ms"] * factor, y + layout.label + row * _BAR
            bar = length(value)
            suffix = f" {says.format(figure['ratio'])}" if row else ""
            parts += [
                (
                    f'<rect class="{side}" x="{layout.left}" y="{top}" width="{bar:.1f}" '
                    f'height="{_BAR - 1}"/>'
                ),
                (
                    f'<text x="{layout.left + bar + 5:.1f}" y="{top + 10}">'
                    f"{number(value)}{suffix}</text>"
                ),
            ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width}" height="{height}" '
        f'role="img">\n<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f'<rect class="paper" width="{layout.width}" height="{height}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _label(label: str, y: int, layout: Layout) -> str:
    """Return the name of a group of bars, above the bars or on their left."""
    text = html.escape(label)
    if layout.label:
        return f'<text x="{layout.left}" y="{y + layout.label - 5}">{text}</text>'
    return f'<text x="{layout.left - 8}" y="{y + _BAR + 4}" text-anchor="end">{text}</text>'


def _legend(scale: str, names: dict[str, str], left: int) -> Iterator[str]:
    for index, (side, name) in enumerate(names.items()):
        x = left + index * 110
        yield f'<rect class="{side}" x="{x}" y="8" width="12" height="12"/>'
        yield f'<text x="{x + 18}" y="18">{name}</text>'
    yield f'<text x="{left + 240}" y="18">{scale}</text>'
