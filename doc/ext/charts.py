# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Tables and sentences of benchmark figures.

The benchmarks write the figures to ``doc/source/reference/*/figures.json``. The module imports
neither Sphinx nor os-vif; ``directives.py`` puts the tables on the pages, and ``bars.py`` draws bar
charts.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

from bars import SIDES, Figures, number, unit

REFERENCE = pathlib.Path(__file__).parents[1] / "source" / "reference"

#: The header of a table, and the rows.
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def path(page: str) -> pathlib.Path:
    """Return the path of the figures of a page, for example ``performance_ovs``."""
    return REFERENCE / page / "figures.json"


def load(page: str) -> dict[str, Any]:
    """Read the figures of a page."""
    figures: dict[str, Any] = json.loads(path(page).read_text("utf-8"))
    return figures


def compared(figures: Figures) -> Figures:
    """Return the figures that compare the two releases."""
    return [figure for figure in figures if "ratio" in figure]


def select(figures: Figures, measurements: Iterable[str], others: int) -> Figures:
    """Return the figures of measurements with a number of other ports, in order.

    :raises LookupError: the figures lack a measurement.
    """
    selected = []
    for measurement in measurements:
        matching = [
            figure
            for figure in compared(figures)
            if (figure["what"], figure["others"]) == (measurement, others)
        ]
        if not matching:
            raise LookupError(f"the figures have no {measurement!r} with {others} other ports")
        selected += matching
    return selected


def drawn(results: dict[str, Any]) -> Figures:
    """Return the figures with two bars: both releases, or a call of pods and the other program."""
    return compared(results.get("figures", [])) or [
        {
            "what": f"{row['what']}: {row['against']}",
            "kind": "",
            "others": 0,
            "public": {"ms": row["against_ms"]},
            "ours": {"ms": row["ours_ms"]},
            "ratio": row["ratio"],
        }
        for row in results["goals"]
    ]


def sides(results: dict[str, Any]) -> dict[str, str]:
    """Return the names of the two bars of a figure."""
    return {"public": "other program", "ours": "os-vif"} if "goals" in results else SIDES


def _comparison(results: dict[str, Any]) -> Table:
    """Return all figures that compare the two releases."""
    figures = compared(results["figures"])
    name, factor = unit(figures)
    # The kind and the number of other ports are left out where all figures have the same.
    columns = {"kind": "Kind", "others": "Other ports"}
    shown = [key for key in columns if len({figure[key] for figure in figures}) > 1]
    rows = [
        (
            figure["what"],
            *(str(figure[key]) for key in shown),
            *(number(figure[side]["ms"] * factor) for side in SIDES),
            f"{figure['ratio']:g}",
            _goal(figure["goal"], is_missed=misses_goal(figure)),
        )
        for figure in figures
    ]
    times = (f"{release} ({name})" for release in SIDES.values())
    header = ("Measurement", *(columns[key] for key in shown), *times, "Times faster", "Goal")
    return header, rows


def _limits(results: dict[str, Any]) -> Table:
    """Return the figures that compare two kinds of work of the present release."""
    rows = [
        (
            row["what"],
            number(row["us"]),
            row["against"],
            f"{row['ratio']:g}",
            _goal(row["limit"], is_missed=row["ratio"] > row["limit"]),
        )
        for row in results["limits"]
    ]
    return ("Measurement", "Time (µs)", "Compared with", "Ratio", "At most"), rows


def _conversion(results: dict[str, Any]) -> Table:
    """Return speed and memory of the conversion of a cluster."""
    row = results["convert"]
    header = ("KuryrPorts", "Objects per second of CPU time", "Largest memory (MiB)")
    return header, [(f"{row['pods']:,}", f"{row['per_second']:,}", str(row["mib"]))]


def _vswitchd(results: dict[str, Any]) -> Table:
    """Return the times of ovs-vswitchd without os-vif."""
    rows = [
        (str(figure["others"]), figure["what"], figure["kind"], number(figure["raw"]["ms"]))
        for figure in results["figures"]
        if "raw" in figure
    ]
    return ("Other ports", "Measurement", "Kind of the port", "Time (ms)"), rows


def _host(results: dict[str, Any]) -> Table:
    """Return the times for a VIF on a host that fills up."""
    host = results["host"]
    tenth = host["count"] // 10
    rows = []
    for index in range(10):
        # Unplugging starts with the last VIF.
        times = (
            host["plug"][index],
            host["plug again"][index],
            host["unplug"][9 - index],
            host["vswitchd"][index],
        )
        vifs = f"{index * tenth + 1} to {(index + 1) * tenth}"
        rows.append((vifs, *map(number, times)))
    return ("VIFs on the host", "Plug", "Re-plug", "Unplug", "A port without os-vif"), rows


def _memory(results: dict[str, Any]) -> Table:
    """Return memory and open descriptors of the processes on a host that fills up."""
    rows = []
    for process in ("client", "daemon"):
        sizes = results["host"][process]
        megabytes = (f"{size['rss'] / 2**20:.1f}" for size in sizes)
        rows += [
            (process, "memory (MiB)", *megabytes),
            (process, "open descriptors", *(str(size["descriptors"]) for size in sizes)),
        ]
    return ("Process", "Resource", "Before", "All VIFs plugged", "All VIFs unplugged"), rows


def _goals(results: dict[str, Any]) -> Table:
    """Return the times that have a goal, with the times of the other program."""
    rows = [
        (
            row["what"],
            number(row["ours_ms"]),
            row["against"],
            number(row["against_ms"]),
            f"{row['ratio']:g}",
            f"{row['bound']} {_goal(row['goal'], is_missed=misses_pod_goal(row))}",
        )
        for row in results["goals"]
    ]
    return ("Measurement", "os-vif (ms)", "Compared with", "Time (ms)", "Ratio", "Goal"), rows


def _pod_counts(results: dict[str, Any]) -> Table:
    """Return the errors, the memory and the descriptors of the daemons of pods."""
    rows = [
        (
            row["what"],
            f"{row['value']:,}",
            "" if row["goal"] is None else _count_goal(row),
        )
        for row in results["counts"]
    ]
    return ("Figure", "Value", "At most"), rows


def _count_goal(row: dict[str, Any]) -> str:
    return f"{row['goal']:,.0f}: missed" if row["value"] > row["goal"] else f"{row['goal']:,.0f}"


def _pod_times(results: dict[str, Any]) -> Table:
    """Return all times of pods."""
    rows = [
        (row["case"], row["call"], *(number(row[name]) for name in ("p50", "p99", "least")))
        for row in results["times"]
    ]
    return ("Case", "Call", "p50 (ms)", "p99 (ms)", "Least (ms)"), rows


def _pod_parts(results: dict[str, Any]) -> Table:
    """Return the parts of an ADD with the addresses of the VIF, and the limit of CHECK."""
    p50 = {(row["case"], row["call"]): row["p50"] for row in results["times"]}
    add, start = p50["os-vif, VIF", "ADD"], p50["start", "VERSION"]
    kernel = p50["kernel alone", "ADD"]
    go_check, check = p50["Go, IPAM", "CHECK"], start + p50["host-local alone", "CHECK"]
    rows = [
        ("ADD with the addresses of the VIF", number(add)),
        ("of this, the start of the client", number(start)),
        ("of this, the CNI daemon and the privileged daemon", number(add - start)),
        ("the same messages to the kernel alone", number(kernel)),
        ("CHECK of Go's bridge with host-local", number(go_check)),
        ("the start of the client, and CHECK of host-local alone", number(check)),
        ("the largest possible ratio of CHECK", f"{go_check / check:.2f} times"),
    ]
    return ("Part", "p50 (ms)"), rows


def _start_cases(results: dict[str, Any]) -> Table:
    """Return the times of all programs of the page about the start of a check."""
    rows = [
        (f"``{row['case']}``", number(row["elapsed"]), number(row["processor"]))
        for row in results["cases"]
    ]
    return ("Program", "Elapsed time (ms)", "Processor time (ms)"), rows


#: The tables, by the name that the directive ``performance-table`` takes.
TABLES: dict[str, Callable[[dict[str, Any]], Table]] = {
    "comparison": _comparison,
    "limits": _limits,
    "conversion": _conversion,
    "vswitchd": _vswitchd,
    "host": _host,
    "memory": _memory,
    "goals": _goals,
    "pod-counts": _pod_counts,
    "pod-times": _pod_times,
    "pod-parts": _pod_parts,
    "start-cases": _start_cases,
}


def _goal(value: float | None, *, is_missed: bool) -> str:
    if value is None:
        return ""
    return f"{value:g}: missed" if is_missed else f"{value:g}"


def misses_goal(figure: dict[str, Any]) -> bool:
    """Return whether the ratio of a figure is below the goal. A figure may have no goal."""
    return figure["goal"] is not None and bool(figure["ratio"] < figure["goal"])


def _missed(results: dict[str, Any]) -> Table:
    """Return each missed goal with the figure, the times and the goal."""
    rows = [
        (
            _measurement(figure),
            f"{figure['ratio']:g} times as fast",
            " and ".join(f"{number(figure[side]['ms'])} ms" for side in ("ours", "public")),
            f"at least {figure['goal']:g}",
        )
        for figure in compared(results.get("figures", []))
        if misses_goal(figure)
    ]
    for row in results.get("limits", ()):
        ratio = row["ratio"] if "ratio" in row else row["multiple"]
        limit = row["limit"] if "limit" in row else row["goal"]
        times = (
            f"{number(row['us'])} µs"
            if "us" in row
            else f"{number(row['ours_ms'])} ms and {number(row['limit_ms'])} ms"
        )
        against = row.get("against", "the limit of the host")
        if ratio > limit:
            what = f"{row['what']}, {row['kind']}" if "kind" in row else row["what"]
            rows.append((what, f"{ratio:g} times {against}", times, f"at most {limit:g}"))
    rows += [
        (
            row["what"],
            f"ratio {row['ratio']:g} to {row['against']}",
            f"{number(row['ours_ms'])} ms and {number(row['against_ms'])} ms",
            f"{row['bound']} {row['goal']:g}",
        )
        for row in results.get("goals", ())
        if misses_pod_goal(row)
    ]
    rows += [
        (row["what"], f"{row['value']:,}", "", f"at most {row['goal']:,.0f}")
        for row in results.get("counts", ())
        if row["goal"] is not None and row["value"] > row["goal"]
    ]
    return ("Measurement", "Figure", "os-vif and the other side", "Goal"), rows


TABLES["missed"] = _missed


def _measurement(figure: dict[str, Any]) -> str:
    """Return the name of a measurement, with the kind of VIF and the number of other ports."""
    others = f", {figure['others']:,} other ports" if figure["others"] else ""
    kind = "" if figure["kind"] == "a VIF" else f", {figure['kind']}"
    return f"{figure['what']}{kind}{others}"


def missed_goals(results: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of the table of missed goals."""
    return _missed(results)[1]


def misses_pod_goal(row: dict[str, Any]) -> bool:
    """Return whether the ratio of a time of pods misses the goal."""
    difference = row["ratio"] - row["goal"]
    return bool(difference < 0 if row["bound"] == "at least" else difference > 0)


def conclusion(results: dict[str, Any]) -> str:
    """Return the main result of the figures of a page, as a sentence."""
    if "host" in results:
        return _switch_conclusion(results)
    if "cases" in results:
        return _start_conclusion(results)
    return _pod_conclusion(results) if "goals" in results else _object_conclusion(results)


def _met(results: dict[str, Any]) -> str:
    """Return how many goals are met, in words."""
    rows = [
        *compared(results.get("figures", [])),
        *results.get("goals", ()),
        *results.get("counts", ()),
        *results.get("limits", ()),
    ]
    goals = [row for row in rows if row.get("goal", row.get("limit")) is not None]
    return f"{len(goals) - len(missed_goals(results))} of {len(goals)} goals are met."


def _span(figures: Figures) -> str:
    """Return the smallest and the largest ratio of figures."""
    ratios = sorted(figure["ratio"] for figure in figures)
    return f"{ratios[0]:g} to {ratios[-1]:g} times"


def _switch_conclusion(results: dict[str, Any]) -> str:
    plugs, unplugs = (select(results["figures"], [what], 0) for what in ("plug", "unplug"))
    many = select(results["figures"], ["plug"], 1000)
    port = plugs[0]
    times = (number(port[side]["ms"]) for side in ("ours", "public"))
    return (
        f"Compared with 5.3.0, a plug into Open vSwitch is {_span(plugs)} as fast (a *port*: "
        f"{' ms instead of '.join(times)} ms), an unplug {_span(unplugs)}, and a plug beside 1,000 "
        f"other ports {_span(many)}; "
        f"{_met(results)}"
    )


def _start_conclusion(results: dict[str, Any]) -> str:
    first = results["goals"][0]
    return (
        "``os-vif check`` of a plugged VIF, from the start of the command to its end, takes "
        f"{_span(results['goals'])} the time of importing oslo.versionedobjects (a Linux bridge: "
        f"{number(first['ours_ms'])} ms and {number(first['against_ms'])} ms); {_met(results)}"
    )


def _object_conclusion(results: dict[str, Any]) -> str:
    figures = {figure["what"]: figure for figure in compared(results["figures"])}
    says = []
    for call, verb in (("loads", "Reading"), ("dumps", "writing")):
        ours, public = (number(figures[call][side]["ms"] * 1000) for side in ("ours", "public"))
        says.append(
            f"{verb} a VIF as a document takes {ours} µs, {figures[call]['ratio']:g} times as fast "
            f"as a primitive with 5.3.0 ({public} µs)"
        )
    return f"{'; '.join(says)}; {_met(results)}"


def _pod_conclusion(results: dict[str, Any]) -> str:
    rows = {row["what"]: row for row in results["goals"]}
    ipam, vif = rows["ADD with host-local, p50"], rows["ADD with the addresses of the VIF"]
    add = next(
        row["p50"]
        for row in results["times"]
        if (row["case"], row["call"]) == ("os-vif, VIF", "ADD")
    )
    return (
        f"An ADD of os-vif-cni takes {number(ipam['ours_ms'])} ms with the IPAM plugin host-local, "
        f"where Go's plugin bridge takes {number(ipam['against_ms'])} ms, and {number(add)} ms with "
        f"the addresses of the VIF, {vif['ratio']:g} times the kernel's own time without the "
        f"start of the client; {_met(results)}"
    )


def conditions(results: dict[str, Any]) -> str:
    """Return sentences on the machine, the load and the versions of a measurement."""
    machine = results["machine"]
    parts = [f"Linux {machine['linux']}", f"{machine['processors']} processors"]
    if "python" in machine:
        parts.append(f"Python {machine['python']}")
    if "cni_plugins" in machine:
        parts += [
            f"containernetworking-plugins {machine['cni_plugins']}",
            f"the client in {machine['client']}",
        ]
    if "open_vswitch" in machine:
        parts.append(f"Open vSwitch {machine['open_vswitch']} in user space")
    sentences = [f"Measured on {', '.join(parts)}."]
    if "load" in machine:
        before, after = machine["load"]
        sentences.append(
            f"The load average was {before} before the measurement and {after} after it."
        )
        if min(before, after) > machine["processors"]:
            sentences.append(
                "Other programs ran on the machine at the same time, so the times are too long and "
                "the ratios vary from run to run."
            )
    if "goals" in results:
        sentences.append(f"There were {results['rounds']} rounds.")
    for side, name in SIDES.items():
        if side not in results.get("versions", ()):
            continue
        versions = ", ".join(f"{package} {v}" for package, v in results["versions"][side].items())
        sentences.append(f"{name.capitalize()} ran with {versions}.")
    return " ".join(sentences)
