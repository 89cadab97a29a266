# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plots and tables of benchmark figures, for the documentation.

    .venv/bin/python -m benchmarks.plots [FIGURES.json]

Writes ``doc/source/reference/performance_ovs/*`` from the output of ``benchmarks.ovs --json``.
"""

from __future__ import annotations

import argparse
import html
import json
import math
import pathlib
from collections.abc import Iterable, Iterator

from benchmarks.sides import OURS, PUBLIC_ONE, ROOT

PLACE = ROOT / "doc" / "source" / "reference" / "performance_ovs"
FIGURES = PLACE / "figures.json"

#: The plots: the measurements of each plot, and the number of other ports on the bridge.
PLOTS = {
    "one": (("plug", "unplug", "plug again"), 0),
    "first": (("first plug", "first plug, with the daemon's start"), 0),
    "many": (
        (
            "unplug of 50, 8 threads",
            "plug of 50, 8 threads",
            "plug again of 200",
            "plug again of 200, 8 threads",
        ),
        0,
    ),
    "full": (
        ("first plug", "plug", "plug until the port is open", "CPU of a plug", "unplug"),
        1000,
    ),
}
_COLOURS = {PUBLIC_ONE: "#9aa5b1", OURS: "#2a6f97"}
_NAMES = {PUBLIC_ONE: "5.3.0", OURS: "this one"}
#: Pixels of a bar, of the gap between groups, of the labels, and of the longest bar.
_BAR, _GAP, _LEFT, _WIDTH, _RIGHT = 13, 12, 330, 360, 110


def chosen(figures: list[dict], plot: str) -> Iterator[dict]:
    """Yield the figures of a plot, in the order of the plot."""
    whats, others = PLOTS[plot]
    for what in whats:
        for figure in figures:
            if (figure["what"], figure["others"]) == (what, others) and "ratio" in figure:
                yield figure


def number(milliseconds: float) -> str:
    """Format milliseconds with three significant digits."""
    digits = max(0, 2 - math.floor(math.log10(milliseconds)))
    return f"{milliseconds:.{digits}f}"


def svg(figures: Iterable[dict]) -> str:
    """Draw two bars for each figure on a logarithmic scale: times differ by a factor of 1000."""
    figures = list(figures)
    values = [figure[side]["ms"] for figure in figures for side in _COLOURS]
    low, high = 10 ** math.floor(math.log10(min(values))), max(values)
    height = len(figures) * (2 * _BAR + _GAP) + 50
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" '
            f'height="{height}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="100%" height="{height}" fill="white"/>',
    ]
    for index, (side, colour) in enumerate(_COLOURS.items()):
        at = _LEFT + index * 90
        parts.append(f'<rect x="{at}" y="8" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{at + 18}" y="18">{_NAMES[side]}</text>')
    parts.append(f'<text x="{_LEFT + 190}" y="18">milliseconds, logarithmic</text>')

    def length(value: float) -> float:
        return max(2.0, math.log(value / low) / math.log(high / low) * _WIDTH)

    tick = low
    while tick <= high:
        x = _LEFT + length(tick)
        line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="28" y2="{height - 16}" stroke="#e4e7eb"/>'
        parts += [line, f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">{tick:g}</text>']
        tick *= 10
    y = 34
    for figure in figures:
        label = html.escape(f"{figure['what']}: {figure['kind']}")
        parts.append(f'<text x="{_LEFT - 8}" y="{y + _BAR + 4}" text-anchor="end">{label}</text>')
        for index, (side, colour) in enumerate(_COLOURS.items()):
            value, top = figure[side]["ms"], y + index * _BAR
            wide = length(value)
            more = f" ({figure['ratio']:g} times)" if side == OURS else ""
            parts += [
                (
                    f'<rect x="{_LEFT}" y="{top}" width="{wide:.1f}" height="{_BAR - 1}" '
                    f'fill="{colour}"/>'
                ),
                f'<text x="{_LEFT + wide + 5:.1f}" y="{top + 10}">{number(value)}{more}</text>',
            ]
        y += 2 * _BAR + _GAP
    return "\n".join([*parts, "</svg>", ""])


def table(figures: Iterable[dict]) -> str:
    """Return figures as CSV, for ``csv-table``."""
    lines = ["What,Kind,Other ports,5.3.0,This one,Times,Goal"]
    for figure in figures:
        goal = f"{figure['goal']:g}" if figure["goal"] else ""
        if goal and figure["ratio"] < figure["goal"]:
            goal += ": missed"
        times = [number(figure[side]["ms"]) for side in _COLOURS]
        cells = (figure["kind"], figure["others"], *times, f"{figure['ratio']:g}", goal)
        lines.append(",".join([f'"{figure["what"]}"', *map(str, cells)]))
    return "\n".join([*lines, ""])


def vswitchd(figures: Iterable[dict]) -> str:
    """Return the times of ovs-vswitchd without os-vif, as CSV."""
    lines = ["Other ports,What,Of which kind,ms"]
    lines += [
        f'{figure["others"]},{figure["what"]},"{figure["kind"]}",{number(figure["raw"]["ms"])}'
        for figure in figures
    ]
    return "\n".join([*lines, ""])


def house(host: dict) -> str:
    """Return the times for a VIF on a host that fills up, as CSV."""
    tenth = host["count"] // 10
    lines = ["VIFs on the host,Plug,Plug again,Unplug,One more port without os-vif"]
    for index in range(10):
        times = [host[what][index] for what in ("plug", "plug again")]
        # Unplugging starts with the last VIF.
        times += [host["unplug"][9 - index], host["vswitchd"][index]]
        vifs = f"{index * tenth + 1} to {(index + 1) * tenth}"
        lines.append(",".join([vifs, *map(number, times)]))
    return "\n".join([*lines, ""])


def sizes(host: dict) -> str:
    """Return memory and descriptors of the processes of the host, as CSV."""
    lines = ["Process,What,Before,Full,Empty again"]
    for process in ("client", "daemon"):
        megabytes = [f"{size['rss'] / 2**20:.1f}" for size in host[process]]
        lines.append(",".join([process, "memory (MiB)", *megabytes]))
        descriptors = [str(size["descriptors"]) for size in host[process]]
        lines.append(",".join([process, "descriptors", *descriptors]))
    return "\n".join([*lines, ""])


def files(found: dict) -> dict[str, str]:
    """Return the texts of the files generated from the figures, by name."""
    figures = found["figures"]
    compared = [figure for figure in figures if "ratio" in figure]
    machine, versions = found["machine"], found["versions"]
    of = {side: ", ".join(f"{n} {v}" for n, v in versions[side].items()) for side in _COLOURS}
    before, after = machine["load"]
    return {
        **{f"{plot}.svg": svg(chosen(figures, plot)) for plot in PLOTS},
        "figures.csv": table(compared),
        "vswitchd.csv": vswitchd(figure for figure in figures if "raw" in figure),
        "house.csv": house(found["host"]),
        "sizes.csv": sizes(found["host"]),
        "machine.txt": (
            f"Linux {machine['linux']}, {machine['processors']} processors, "
            f"Python {machine['python']}, Open vSwitch {machine['open_vswitch']} in user space.\n"
            f"The load was {before} before and {after} after.\n"
            f"5.3.0 ran with {of[PUBLIC_ONE]}; this one with {of[OURS]}.\n"
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("figures", nargs="?", type=pathlib.Path, default=FIGURES)
    found = json.loads(parser.parse_args().figures.read_text())
    PLACE.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    for name, text in files(found).items():
        (PLACE / name).write_text(text)


if __name__ == "__main__":
    main()
