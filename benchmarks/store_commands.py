# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects per second, and memory, of the commands for stored objects.

    .venv/bin/python -m benchmarks.store_commands [--objects 100000] [--rounds 3] [--write]

The objects are lines with KuryrPorts, with VIFs of release 1.14.0. The rate is the number of objects
by the processor time of the process, on which the load of the machine has little influence;
``compare`` reads each object twice, before and after. The memory is the largest resident set. The
result is the median of the rounds, in which the commands alternate. The figures have no ratio: the
public os-vif has no commands.
"""

from __future__ import annotations

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

from benchmarks import serialization_worker as worker
from os_vif import serialization

#: The table of the performance page.
PAGE = (
    pathlib.Path(__file__).parents[1]
    / "doc/source/reference/performance_serialization/store_commands.csv"
)
#: The arguments of each command; the name of the input follows.
COMMANDS = {
    "validate": ["validate"],
    "convert": ["convert", "--form", "json"],
    "convert --patch": ["convert", "--form", "json", "--patch"],
    "survey": ["survey", "-f", "json"],
    "compare": ["compare", "-f", "json"],
}
#: Run a command; print processor seconds and the largest resident set in KiB.
_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


class Figure(NamedTuple):
    """A run of a command."""

    seconds: float
    mib: float


def write_ports(path: pathlib.Path, number: int) -> None:
    """Write lines with KuryrPorts."""
    vifs = [worker.build_vif(settings) for settings in worker.list_settings()]
    primitives = [serialization.downgrade(vif, "1.14.0")[0] for vif in vifs]
    with path.open("w", encoding="utf-8") as file:
        for n in range(number):
            port = {
                "apiVersion": "openstack.org/v1",
                "kind": "KuryrPort",
                "metadata": {"name": f"pod-{n}", "namespace": f"space-{n % 50}"},
                "status": {
                    "vifs": {"eth0": {"default": True, "vif": primitives[n % len(primitives)]}}
                },
            }
            file.write(json.dumps(port) + "\n")


def measure(words: list[str]) -> Figure:
    """Run ``os-vif`` with arguments."""
    # Linux counts the memory of the parent, before execve(2), as memory of the child: a small
    # process has to be the parent.
    command = [sys.executable, "-c", _MEASURE, sys.executable, "-m", "os_vif", "-q", *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, kib = map(float, done.stdout.split())
    return Figure(seconds, kib / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="store the table of the page")
    options = parser.parse_args()
    figures: dict[str, list[Figure]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "ports.jsonl")
        write_ports(path, options.objects)
        for _ in range(options.rounds):
            for name, words in COMMANDS.items():
                inputs = [str(path)] * (2 if name == "compare" else 1)
                figures[name].append(measure([*words, *inputs]))
    rows = [("Command", "Objects", "Objects per second", "Memory, MiB")]
    for name, found in figures.items():
        rate = options.objects / statistics.median(each.seconds for each in found)
        memory = statistics.median(each.mib for each in found)
        rows.append((f"``{name}``", f"{options.objects:,}", f"{rate:,.0f}", f"{memory:.0f}"))
    csv.writer(sys.stdout).writerows(rows)
    if options.write:
        with PAGE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
