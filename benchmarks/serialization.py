# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of reading, writing and copying VIFs, compared with the public os-vif 5.3.0.

    .venv/bin/python -m benchmarks.serialization [--rounds 10] [--cache DIR] [--write]

Each os-vif is a process; the processes alternate, and use the same versions of the requirements.
Each round works on a different part of 5,000 distinct VIFs in 50 networks. The figures are CPU
times, without garbage collection: the load of the machine matters less.

``--write`` stores the figures of the page ``doc/source/reference/performance_serialization.rst``.
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
import tempfile
from typing import Any

from benchmarks import serialization_worker as worker
from benchmarks import sides
from benchmarks.sides import OURS, PUBLIC_ONE, ROOT
from os_vif import serialization
from testbed import environments

PROGRAM = pathlib.Path(worker.__file__).resolve()
PUBLIC = "os-vif==5.3.0"
#: Requirements that the two sides have in the same version.
SAME = ("netaddr", "oslo.serialization", "oslo.utils", "oslo.versionedobjects")
PAGE = sides.figures_path("performance_serialization")
#: Required speed of each case, as a ratio to the public release.
GOALS = {
    worker.LOADS: 5,
    worker.DUMPS: 12,
    worker.OVO_LOADS: 4,
    worker.OVO_DUMPS: 6,
    **dict.fromkeys(worker.OLD_LOADS.values(), 4),
    worker.CLONE: 7,
    worker.COMPARE: 7,
    worker.TO: 7,
    worker.FROM: 4,
    worker.MANIFEST: 10,
    worker.CONSTRUCT: 3,
}
#: The maximum ratio to the time of another case of the present os-vif.
LIMITS = {
    worker.TO_DOCUMENT: (worker.DUMPS, 1.0),
    worker.NEWER: (worker.LOADS, 1.2),
    worker.PROTO_LOADS: (worker.LOADS, 2.0),
    worker.PROTO_DUMPS: (worker.DUMPS, 2.0),
    worker.DOWNGRADE: (worker.OVO_DUMPS, 1.5),
}


class Side(contextlib.AbstractContextManager["Side"]):
    """A process with the os_vif of a Python environment, or of a directory."""

    def __init__(
        self, python: pathlib.Path, folder: pathlib.Path, path: pathlib.Path | None = None
    ) -> None:
        own = {} if path is None else {"PYTHONPATH": str(path)}
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-P", PROGRAM, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            env=environments.without_python_settings(os.environ) | own,
        )
        results = json.loads(self._read())
        self.versions: dict[str, str] = results["versions"]
        self.sizes: dict[str, int] = results["sizes"]

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


def measure(processes: dict[str, Side], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return microseconds for a VIF, by case and side. The sides alternate in starting."""
    part = worker.VIFS // rounds
    times: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for case in (*GOALS, *LIMITS):
            for name in list(processes) if number % 2 else reversed(processes):
                if case in LIMITS and name != OURS:
                    continue
                took = processes[name].seconds(case, number * part, (number + 1) * part)
                times.setdefault(case, {}).setdefault(name, []).append(took / part * 1e6)
    return times


def figures(times: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """Return medians and percentiles in milliseconds, ratios and goals, by case."""
    results = []
    for case, goal in GOALS.items():
        by_side = times[case]
        medians = {side: statistics.median(by_side[side]) for side in (PUBLIC_ONE, OURS)}
        tenths = {side: statistics.quantiles(by_side[side], n=10) for side in medians}
        results.append(
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
                "ratio": round(medians[PUBLIC_ONE] / medians[OURS], 2),
                "goal": goal,
            }
        )
    return results


def limits(times: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """Return the cases of the present os-vif alone, with the ratio to another case."""
    results = []
    for case, (other, limit) in LIMITS.items():
        medians = [statistics.median(times[name][OURS]) for name in (case, other)]
        results.append(
            {
                "what": case,
                "against": other,
                "us": round(medians[0], 1),
                "ratio": round(medians[0] / medians[1], 2),
                "limit": limit,
            }
        )
    return results


def write_stored(folder: pathlib.Path) -> None:
    """Write the VIFs as older releases stored them, and the manifest of 1.14.0."""
    vifs = [worker.build_vif(settings) for settings in worker.list_settings()]
    for release in worker.STORED:
        texts = [json.dumps(serialization.downgrade(vif, release)[0]) for vif in vifs]
        (folder / f"{release}.json").write_text(json.dumps(texts), "utf-8")
    manifest = json.dumps(serialization.manifest("1.14.0"))
    (folder / "manifest.json").write_text(manifest, "utf-8")


def convert(pods: int) -> dict[str, Any]:
    """Convert a cluster of KuryrPorts by ``os-vif convert``; return speed and memory."""
    vifs = [worker.build_vif(settings) for settings in worker.list_settings()]
    primitives = [serialization.downgrade(vif, "1.14.0")[0] for vif in vifs]
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "ports.json"), pathlib.Path(folder, "converted")
        with source.open("w", encoding="utf-8") as file:
            for number in range(pods):
                entry = {"default": True, "vif": primitives[number % len(primitives)]}
                port = {
                    "apiVersion": "openstack.org/v1",
                    "kind": "KuryrPort",
                    "metadata": {"name": f"pod-{number}"},
                    "status": {"vifs": {"eth0": entry}},
                }
                file.write(json.dumps(port) + "\n")
        command = pathlib.Path(sys.executable).with_name("os-vif")
        # Linux counts the memory of the parent, before execve(2), as memory of the child: a small
        # process has to be the parent.
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                _MEASURE,
                command,
                "-q",
                "convert",
                "--form",
                "json",
                "-o",
                target,
                source,
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    seconds, kib = map(float, done.stdout.split())
    return {"pods": pods, "per_second": round(pods / seconds), "mib": round(kib / 1024)}


#: Run a command; print CPU seconds and the maximum resident memory in KiB.
_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def print_results(results: dict[str, Any]) -> None:
    """Print the figures, in microseconds."""
    print(f"{'case':44}{'5.3.0':>8}{'ours':>8}{'ratio':>8}{'goal':>8}")
    for row in results["figures"]:
        public, own_side = (row[side]["ms"] * 1000 for side in (PUBLIC_ONE, OURS))
        missed = "  missed" if row["ratio"] < row["goal"] else ""
        print(
            f"{row['what']:44}{public:8.1f}{own_side:8.1f}{row['ratio']:7.2f}x{row['goal']:7}x{missed}"
        )
    for row in results["limits"]:
        missed = "  missed" if row["ratio"] > row["limit"] else ""
        print(
            f"{row['what']:44}{'':8}{row['us']:8.1f}{row['ratio']:7.2f}x{row['limit']:7}x{missed}"
            f"  of {row['against']}"
        )
    row = results["convert"]
    print(f"convert {row['pods']} KuryrPorts: {row['per_second']} per second, {row['mib']} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="at least 2 (default: 10)")
    parser.add_argument("--cache", metavar="DIR", help="where the public os-vif is kept")
    parser.add_argument("--write", action="store_true", help="store the figures of the page")
    parser.add_argument("--pods", type=int, default=100_000, help="pods of the converted cluster")
    options = parser.parse_args()
    if not 2 <= options.rounds <= worker.VIFS:  # noqa: PLR2004 - a single round has no spread
        parser.error("--rounds has to be 2 or more")
    if options.cache:
        os.environ["OS_VIF_TEST_CACHE"] = str(pathlib.Path(options.cache).absolute())
    load = sides.load_average()
    try:
        public = public_python()
    except environments.Unavailable as error:
        raise SystemExit(str(error)) from None
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_stored(folder)
        public_side = stack.enter_context(Side(public, folder))
        own_side = stack.enter_context(Side(pathlib.Path(sys.executable), folder, ROOT))
        processes = {PUBLIC_ONE: public_side, OURS: own_side}
        if f"os-vif=={public_side.versions['os-vif']}" != PUBLIC:
            raise SystemExit(f"the environment of {public} does not hold {PUBLIC}")
        results = {
            "machine": {"linux": platform.release(), "processors": os.cpu_count()},
            "versions": {name: side.versions for name, side in processes.items()},
            "sizes": {name: side.sizes for name, side in processes.items()},
            "rounds": options.rounds,
            "figures": figures(times := measure(processes, options.rounds)),
            "limits": limits(times),
        }
    results["convert"] = convert(options.pods)
    results["machine"]["load"] = [load, sides.load_average()]
    if options.write:
        sides.write_figures(PAGE, results)
    print_results(results)


if __name__ == "__main__":
    main()
