# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check the figures of the performance pages: ``python -m tools.performance``.

The check fails for a goal of a benchmark without a figure, a stored goal unequal to the goal of the
benchmark, a ratio unequal to the ratio of the times, and a missed goal without an explanation on
the pages about Open vSwitch and about pods. The pages about the serialization, the start and pods
generate the list of missed goals.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks import batch, check_start, ovs, pod_figures, serialization
from benchmarks.sides import OURS, PUBLIC_ONE
from testbed.ovs_kinds import KINDS

#: Tolerated differences of a stored ratio, which is rounded.
RELATIVE, ABSOLUTE = 0.02, 0.06
#: Numbers of further ports on the bridge.
OTHERS = (0, 100, 1000)

Figures = dict[str, Any]


def _compared(results: Figures) -> list[dict[str, Any]]:
    return [figure for figure in results["figures"] if "ratio" in figure]


def wrong_ratios(results: Figures) -> Iterator[str]:
    """Yield a sentence for each ratio unequal to the ratio of the times."""
    for figure in _compared(results):
        ratio = figure[PUBLIC_ONE]["ms"] / figure[OURS]["ms"]
        if not math.isclose(figure["ratio"], ratio, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            name = f"{figure['what']}, {figure['kind']}, {figure['others']} other ports"
            yield f"{name}: ratio {figure['ratio']}, but the times give {ratio:.2f}"


def ovs_faults(results: Figures, page: str) -> Iterator[str]:
    """Yield the faults of the figures and of the page about Open vSwitch."""
    figures = _compared(results)
    plugs = {("plug", kind, others) for kind in KINDS for others in OTHERS}
    for missing in sorted(plugs - {(f["what"], f["kind"], f["others"]) for f in figures}):
        yield f"not measured: {missing}"
    for goal in sorted(ovs.GOALS.keys() - {(f["what"], f["others"]) for f in figures}):
        yield f"the goal of {goal} has no figure"
    for figure in figures:
        goal = ovs.goal(figure["what"], figure["kind"], figure["others"])
        if figure["goal"] != goal:
            yield f"{figure['what']}, {figure['kind']}: goal {figure['goal']}, expected {goal}"
    missed = {f["what"] for f in figures if f["goal"] and f["ratio"] < f["goal"]}
    lines = re.findall(r"^\* (\*.+\*) miss(?:es)? (?:its|their) goal", page, re.MULTILINE)
    explained = {name for line in lines for name in re.findall(r"\*([^*]+)\*", line)}
    for name in sorted(missed ^ explained):
        known = (
            "is missed, but the page does not explain it" if name in missed else "is not missed"
        )
        yield f"the goal of {name} {known}"


def limit_faults(results: Figures, page: str) -> Iterator[str]:
    """Yield the faults of the unplugs that are compared with the limit of the host."""
    stated = dict(re.findall(r"^\* \*([^*]+)\*: ([0-9.]+) times the limit$", page, re.MULTILINE))
    measured = {row["kind"]: row for row in results.get("limits", [])}
    if stated != {kind: str(row["multiple"]) for kind, row in measured.items()}:
        yield f"the page states the multiples {stated}, but the figures are {measured}"
    for kind, row in measured.items():
        multiple = row["ours_ms"] / row["limit_ms"]
        if not math.isclose(row["multiple"], multiple, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            yield f"{row['what']}, {kind}: multiple {row['multiple']}, expected {multiple:.2f}"
        if row["goal"] != batch.LIMIT:
            yield f"{row['what']}, {kind}: goal {row['goal']}, expected {batch.LIMIT}"


def serialization_faults(results: Figures) -> Iterator[str]:
    """Yield the faults of the figures about the serialization."""
    goals = {figure["what"]: figure["goal"] for figure in results["figures"]}
    if goals != serialization.GOALS:
        yield f"goals {goals}, expected {serialization.GOALS}"
    limits = {row["what"]: (row["against"], row["limit"]) for row in results["limits"]}
    if limits != serialization.LIMITS:
        yield f"limits {limits}, expected {serialization.LIMITS}"
    if not results["convert"]["per_second"]:
        yield "the conversion of a cluster was not measured"


def wrong_goal_ratios(results: Figures) -> Iterator[str]:
    """Yield a sentence for each figure with a goal whose ratio differs from the times."""
    for row in results["goals"]:
        ratio = pod_figures.ratio_of(row)
        if not math.isclose(row["ratio"], ratio, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            yield f"{row['what']}: ratio {row['ratio']}, but the times give {ratio:.2f}"


def start_faults(results: Figures) -> Iterator[str]:
    """Yield the faults of the figures about the start of a check."""
    goals = {row["what"]: row["goal"] for row in results["goals"]}
    if goals != check_start.GOALS:
        yield f"goals {goals}, expected {check_start.GOALS}"
    yield from wrong_goal_ratios(results)


def pod_faults(results: Figures, page: str) -> Iterator[str]:
    """Yield the faults of the figures and of the page about pods."""
    goals = {row["what"]: (row["against"], row["bound"], row["goal"]) for row in results["goals"]}
    expected = {
        name: (goal.against, goal.bound, goal.limit) for name, goal in pod_figures.GOALS.items()
    }
    if goals != expected:
        yield f"goals {goals}, expected {expected}"
    # The page explains what limits each time, whether or not the goal is missed.
    lines = re.findall(r"^\* (\*.+\*): ", page, re.MULTILINE)
    explained = {name for line in lines for name in re.findall(r"\*([^*]+)\*", line)}
    if explained != goals.keys():
        yield f"the page explains {sorted(explained)}, expected {sorted(goals)}"
    yield from wrong_goal_ratios(results)
    if not results["counts"]:
        yield "errors, memory and descriptors were not measured"


def main() -> int:
    """Print the faults; return 1 if there are any."""
    ovs_results, serialization_results, pod_results, start_results = (
        json.loads(path.read_text("utf-8"))
        for path in (ovs.PAGE, serialization.PAGE, pod_figures.PAGE, check_start.PAGE)
    )
    pods_page = pod_figures.PAGE.parent.with_suffix(".rst").read_text("utf-8")
    page = ovs.PAGE.parent.with_suffix(".rst").read_text("utf-8")
    faults = [
        *(f"performance_ovs: {fault}" for fault in ovs_faults(ovs_results, page)),
        *(f"performance_ovs: {fault}" for fault in wrong_ratios(ovs_results)),
        *(f"performance_ovs: {fault}" for fault in limit_faults(ovs_results, page)),
        *(
            f"performance_serialization: {fault}"
            for fault in serialization_faults(serialization_results)
        ),
        *(f"performance_serialization: {fault}" for fault in wrong_ratios(serialization_results)),
        *(f"performance_pods: {fault}" for fault in pod_faults(pod_results, pods_page)),
        *(f"performance_start: {fault}" for fault in start_faults(start_results)),
    ]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
