# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of reading, writing and copying VIFs, compared with the public os-vif 5.3.0.

    .venv/bin/python -m benchmarks.serialization [--rounds 10] [--cache DIR] [--write]

Each os-vif is a process; the processes alternate, and use the same versions of the requirements.
Each round works on a different part of 5,000 distinct VIFs in 50 networks. The figures are CPU
times, without garbage collection: the load of the machine matters less.

``--write`` stores the figures in ``doc/source/reference/performance_serialization/``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
from typing import Any

from benchmarks import plots
from benchmarks import serialization_worker as worker
from benchmarks.sides import OURS, PUBLIC_ONE, ROOT
from testbed import environments

PROGRAM = pathlib.Path(worker.__file__).resolve()
PUBLIC = "os-vif==5.3.0"
#: Requirements that the two sides have in the same version.
SAME = ("netaddr", "oslo.serialization", "oslo.utils", "oslo.versionedobjects")
PLACE = ROOT / "doc" / "source" / "reference" / "performance_serialization"
#: Required speed of each case, as a ratio to the public release.
GOALS = {
    worker.LOADS: 5,
    worker.DUMPS: 12,
    worker.OVO_LOADS: 4,
    worker.OVO_DUMPS: 6,
    worker.CLONE: 4,
    worker.COMPARE: 4,
    worker.TO: 2,
    worker.FROM: 2,
    worker.CONSTRUCT: 2,
}
#: The plots, and the cases of each plot.
PLOTS = {
    "text": (worker.LOADS, worker.DUMPS, worker.OVO_LOADS, worker.OVO_DUMPS),
    "objects": (worker.CLONE, worker.COMPARE, worker.TO, worker.FROM, worker.CONSTRUCT),
}


class Side(contextlib.AbstractContextManager["Side"]):
    """A process with the os_vif of a Python environment, or of a directory."""

    def __init__(self, python: pathlib.Path, path: pathlib.Path | None = None) -> None:
        own = {} if path is None else {"PYTHONPATH": str(path)}
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-P", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            env=environments.without_python_settings(os.environ) | own,
        )
        found = json.loads(self._read())
        self.versions: dict[str, str] = found["versions"]
        self.sizes: dict[str, int] = found["sizes"]

    def _read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args[0]} failed")
        return line

    def seconds(self, case: str, first: int, last: int) -> float:
        """Return the CPU seconds of a case with the VIFs from *first* to before *last*."""
        self._process.stdin.write(f"{case} {first} {last}\n")
        self._process.stdin.flush()
        return float(self._read())

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()


def public_python() -> pathlib.Path:
    """Return a Python with the public os-vif, and the same requirements as the present Python."""
    same = tuple(f"{name}=={importlib.metadata.version(name)}" for name in SAME)
    return environments.environment("benchmark", f"{PUBLIC}\n", (PUBLIC, *same))


def measure(sides: dict[str, Side], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return microseconds for a VIF, by case and side. The sides alternate in starting."""
    part = worker.VIFS // rounds
    times: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for case in GOALS:
            for name in list(sides) if number % 2 else reversed(sides):
                took = sides[name].seconds(case, number * part, (number + 1) * part)
                times.setdefault(case, {}).setdefault(name, []).append(took / part * 1e6)
    return times


def figures(times: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """Return medians and ratios, in the form of ``benchmarks.plots``."""
    found = []
    for case, of in times.items():
        medians = {side: statistics.median(of[side]) for side in (PUBLIC_ONE, OURS)}
        tenths = {side: statistics.quantiles(of[side], n=10) for side in medians}
        found.append(
            {
                "what": case,
                "kind": "a VIF",
                "others": 0,
                **{
                    side: {
                        "ms": round(median / 1000, 5),
                        "p10": round(tenths[side][0] / 1000, 5),
                        "p90": round(tenths[side][-1] / 1000, 5),
                    }
                    for side, median in medians.items()
                },
                "ratio": round(medians[PUBLIC_ONE] / medians[OURS], 1),
                "goal": GOALS[case],
            }
        )
    return found


def table(found: dict[str, Any]) -> str:
    """Return the figures as CSV, in microseconds."""
    lines = ['What,"5.3.0 (µs)","This one (µs)",Times,Goal']
    for figure in found["figures"]:
        times = [f"{figure[side]['ms'] * 1000:.0f}" for side in (PUBLIC_ONE, OURS)]
        goal = f"{figure['goal']}" + (": missed" if figure["ratio"] < figure["goal"] else "")
        lines.append(",".join([figure["what"], *times, f"{figure['ratio']:g}", goal]))
    return "\n".join([*lines, ""])


def files(found: dict[str, Any]) -> dict[str, str]:
    """Return the texts of the files generated from the figures, by name."""
    by_case = {figure["what"]: figure for figure in found["figures"]}
    of = {
        side: ", ".join(f"{name} {version}" for name, version in versions.items())
        for side, versions in found["versions"].items()
    }
    return {
        "figures.csv": table(found),
        "machine.txt": (
            f"Linux {found['machine']['linux']}, {found['machine']['processors']} processors.\n"
            f"5.3.0 ran with {of[PUBLIC_ONE]}; this one with {of[OURS]}.\n"
        ),
        **{
            f"{name}.svg": plots.svg(by_case[case] for case in shown)
            for name, shown in PLOTS.items()
        },
    }


def write(found: dict[str, Any]) -> None:
    """Write the figures and the generated files."""
    PLACE.mkdir(exist_ok=True)
    (PLACE / "figures.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    for name, text in files(found).items():
        (PLACE / name).write_text(text, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="at least 2 (default: 10)")
    parser.add_argument("--cache", metavar="DIR", help="where the public os-vif is kept")
    parser.add_argument("--write", action="store_true", help="keep the figures for the pages")
    options = parser.parse_args()
    if not 2 <= options.rounds <= worker.VIFS:  # noqa: PLR2004 - a single round has no spread
        parser.error("--rounds has to be 2 or more")
    if options.cache:
        os.environ["OS_VIF_TEST_CACHE"] = str(pathlib.Path(options.cache).absolute())
    try:
        public = public_python()
    except environments.Unavailable as error:
        raise SystemExit(str(error)) from None
    with Side(public) as theirs, Side(pathlib.Path(sys.executable), ROOT) as ours:
        sides = {PUBLIC_ONE: theirs, OURS: ours}
        if f"os-vif=={theirs.versions['os-vif']}" != PUBLIC:
            raise SystemExit(f"the environment of {public} does not hold {PUBLIC}")
        found = {
            "machine": {"linux": platform.release(), "processors": os.cpu_count()},
            "versions": {name: side.versions for name, side in sides.items()},
            "sizes": {name: side.sizes for name, side in sides.items()},
            "rounds": options.rounds,
            "figures": figures(measure(sides, options.rounds)),
        }
    if options.write:
        write(found)
    print(table(found), end="")


if __name__ == "__main__":
    main()
