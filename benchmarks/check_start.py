# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Time of ``os-vif check`` of a VIF, from the start of the process to its end.

    .venv/bin/python -m benchmarks.check_start [--runs 15] [--write]

The cases alternate; the result of a case is the median. The VIF is plugged in a private network
namespace, and with Open vSwitch installed a second VIF into a private switch. A check may take at
most :data:`LIMIT` times the time of ``python -c "import oslo_versionedobjects.base"``. ``--write``
stores the figures of the page ``doc/source/reference/performance_start.rst``, and needs Open
vSwitch.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import sides
from os_vif.testing import private_namespaces
from testbed import environments, ovs

PAGE = sides.figures_path("performance_start")
OVO = "import oslo_versionedobjects.base"
#: The largest ratio of a check and the import.
LIMIT = 1.3
#: The times of a process, by the column of a measurement.
TIMES = ("elapsed", "processor")
BRIDGE_NAME, PORT_NAME = "Linux bridge", "port of Open vSwitch"
COMMAND = str(pathlib.Path(sys.executable).with_name("os-vif"))
_ID = "5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90"
_VIF = {
    "apiVersion": "os-vif/2.0", "id": _ID, "address": "fa:16:3e:00:00:01",
    "vif_name": f"tap{_ID[:11]}", "has_traffic_filtering": True,
}  # fmt: skip
BRIDGE = _VIF | {
    "kind": "VIFBridge", "plugin": "linux_bridge", "bridge_name": "brq-bench",
    "network": {"bridge": "brq-bench", "mtu": 1450, "should_provide_bridge": True},
}  # fmt: skip
PORT = _VIF | {
    "kind": "VIFOpenVSwitch", "plugin": "ovs", "bridge_name": "br-int",
    "network": {"bridge": "br-int", "mtu": 1450},
    "port_profile": {
        "kind": "VIFPortProfileOpenVSwitch", "interface_id": _ID, "create_port": True,
        "datapath_type": "netdev",
    },
}  # fmt: skip


def check_of(vif: str) -> str:
    """Return the name of the case that checks a VIF."""
    return f"os-vif check, {vif}"


#: The largest ratio, by the name of the figure.
GOALS = {f"check, {vif}, {time}": LIMIT for vif in (BRIDGE_NAME, PORT_NAME) for time in TIMES}


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds of a process, and its seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, env=environment)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{command}: {done.stdout.decode()}{done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used


@contextlib.contextmanager
def cases(folder: pathlib.Path) -> Iterator[tuple[dict[str, list[str]], dict[str, str]]]:
    """Plug the VIFs; yield the command of each case, and the environment of all."""
    environment = environments.without_python_settings(os.environ) | {"PYTHONWARNINGS": "ignore"}
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        OVO: [sys.executable, "-c", OVO],
    }
    with contextlib.ExitStack() as stack:
        vifs = {BRIDGE_NAME: BRIDGE}
        if ovs.missing_requirement() is None:
            switch = stack.enter_context(ovs.Switch(folder))
            environment["OS_OS_VIF_OVS__OVSDB_CONNECTION"] = switch.connection
            vifs[PORT_NAME] = PORT
        for name, vif in vifs.items():
            path = folder / f"{vif['plugin']}.json"
            path.write_text(json.dumps(vif))
            subprocess.run([COMMAND, "plug", str(path)], check=True, env=environment)
            commands[check_of(name)] = [COMMAND, "check", str(path)]
        yield commands, environment


def figures(median: dict[str, list[float]]) -> dict[str, list[dict[str, Any]]]:
    """Return the figures as stored, in milliseconds.

    :param median: elapsed seconds and seconds of processor time of each case.
    """
    goals = []
    for vif in (BRIDGE_NAME, PORT_NAME):
        for time_name, ours, other in zip(TIMES, median[check_of(vif)], median[OVO], strict=True):
            what = f"check, {vif}, {time_name}"
            goals.append({
                "what": what, "ours_ms": round(ours * 1000, 1), "against": "import",
                "against_ms": round(other * 1000, 1), "bound": "at most", "goal": GOALS[what],
                "ratio": round(ours / other, 2),
            })  # fmt: skip
    cases = [
        {
            "case": name,
            **{key: round(value * 1000, 1) for key, value in zip(TIMES, row, strict=True)},
        }
        for name, row in median.items()
    ]
    return {"goals": goals, "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="store the figures of the page")
    options = parser.parse_args()
    runs: int = options.runs
    if options.write and (reason := ovs.missing_requirement()) is not None:
        parser.error(f"--write needs Open vSwitch: {reason}")
    load = sides.load_average()
    private_namespaces.hide_state_directory()
    with (
        private_namespaces.private_namespace(),
        tempfile.TemporaryDirectory() as folder,
        cases(pathlib.Path(folder)) as (commands, environment),
    ):
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for number in range(runs + 1):
            for name, command in commands.items():
                found = measure(command, environment)
                if number:  # the first run fills the caches of byte code and of entry points
                    times[name].append(found)
    median = {
        name: [statistics.median(column) for column in zip(*values, strict=True)]
        for name, values in times.items()
    }
    for name, (seconds, used) in median.items():
        print(
            f"{seconds * 1000:8.0f} ms, {used * 1000:6.0f} ms of a processor: {name}; "
            f"{seconds / median[OVO][0]:.2f} and {used / median[OVO][1]:.2f} times {OVO!r}"
        )
    if options.write:
        machine = {
            "linux": platform.release(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "load": [load, sides.load_average()],
        }
        PAGE.parent.mkdir(exist_ok=True)
        sides.write_figures(PAGE, {"machine": machine, "rounds": runs, **figures(median)})


if __name__ == "__main__":
    main()
