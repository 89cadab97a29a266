# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Goals and figures of the benchmark of pods (:mod:`benchmarks.pods`).

The page ``doc/source/reference/performance_pods.rst`` shows the stored figures.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks import sides

PAGE = sides.figures_path("performance_pods")

GO, OURS, OURS_VIF, RAW = "Go, IPAM", "os-vif, IPAM", "os-vif, VIF", "kernel alone"
IPAM, START = "host-local alone", "start"

#: The seconds of each call, by case and command.
Times = dict[tuple[str, str], list[float]]
#: A figure, as stored.
Row = dict[str, Any]


def percentile_50(seconds: list[float]) -> float:
    """Return the median."""
    return statistics.median(seconds)


def percentile_99(seconds: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


PERCENTILES = {"p50": percentile_50, "p99": percentile_99}


@dataclasses.dataclass(frozen=True)
class Goal:
    """A limit of a ratio of times.

    :param case: the case of os-vif.
    :param against: the other case. The ratio with Go is Go's time divided by the time of os-vif, and
        has to be at least the limit; other ratios are the inverse, and have to be at most the limit.
    :param without_start: whether the time of os-vif excludes the start of the client.
    """

    case: str
    call: str
    against: str
    limit: float
    percentile: str = "p50"
    without_start: bool = False

    @property
    def bound(self) -> str:
        """Return "at least" or "at most"."""
        return "at least" if self.against == GO else "at most"


#: The goals of times, by the name of the figure.
GOALS = {
    "ADD with host-local, p50": Goal(OURS, "ADD", GO, 1),
    "ADD with host-local, p99": Goal(OURS, "ADD", GO, 1, percentile="p99"),
    "ADD with the addresses of the VIF": Goal(OURS_VIF, "ADD", RAW, 3, without_start=True),
    "DEL with the addresses of the VIF": Goal(OURS_VIF, "DEL", RAW, 1.2),
    "CHECK with host-local": Goal(OURS, "CHECK", GO, 2),
}
#: The largest memory after the pairs, as a multiple of the memory before.
MEMORY = 1.02


def ratio_of(row: Row) -> float:
    """Return the ratio of the times of a stored figure."""
    ours, other = row["ours_ms"], row["against_ms"]
    return float(other / ours if row["bound"] == "at least" else ours / other)


def goal_rows(times: Times) -> Iterator[Row]:
    """Yield a figure for each goal of times."""
    start = percentile_50(times[START, "VERSION"])
    for name, goal in GOALS.items():
        percentile = PERCENTILES[goal.percentile]
        ours = percentile(times[goal.case, goal.call]) - (start if goal.without_start else 0)
        other = percentile(times[goal.against, goal.call])
        row = {
            "what": name, "ours_ms": round(ours * 1000, 3), "against": goal.against,
            "against_ms": round(other * 1000, 3), "bound": goal.bound, "goal": goal.limit,
        }  # fmt: skip
        yield row | {"ratio": round(ratio_of(row), 2)}


def time_rows(times: Times) -> Iterator[Row]:
    """Yield the median, the 99th percentile and the least time of each call, in milliseconds."""
    for (case, call), seconds in times.items():
        figures = (percentile_50(seconds), percentile_99(seconds), min(seconds))
        p50, p99, least = (round(each * 1000, 3) for each in figures)
        yield {"case": case, "call": call, "p50": p50, "p99": p99, "least": least}


def count(what: str, value: float, goal: float | None) -> Row:
    """Return the figure of a number that is at most the goal."""
    return {"what": what, "value": value, "goal": goal}


def figures(times: Times, counts: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the figures as stored."""
    return {
        "times": list(time_rows(times)),
        "goals": list(goal_rows(times)),
        "counts": list(counts),
    }


def _print_goal(text: str, value: float, row: Row, bound: str) -> None:
    if row["goal"] is None:
        print(f"{text:68}{value:10.2f}")
        return
    is_met = value >= row["goal"] if bound == "at least" else value <= row["goal"]
    result = "met" if is_met else "missed"
    print(f"{text:68}{value:10.2f}  {bound} {row['goal']:.2f}: {result}")


def print_figures(results: dict[str, list[Row]]) -> None:
    """Print the figures, and whether each meets the goal."""
    print(f"{'case':18}{'call':9}{'p50':>8}{'p99':>8}{'least':>8}")
    for row in results["times"]:
        numbers = (row["p50"], row["p99"], row["least"])
        print(f"{row['case']:18}{row['call']:9}" + "".join(f"{each:8.2f}" for each in numbers))
    for row in results["goals"]:
        names = ("Go", "os-vif") if row["bound"] == "at least" else ("os-vif", row["against"])
        _print_goal(f"{row['what']}: {names[0]} / {names[1]}", row["ratio"], row, row["bound"])
    for row in results["counts"]:
        _print_goal(row["what"], row["value"], row, "at most")
