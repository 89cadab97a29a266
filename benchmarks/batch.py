# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of ``plug_many()`` and ``unplug_many()`` with Open vSwitch.

    .venv/bin/python -m benchmarks.batch [--rounds 5] [--kinds port tap hybrid] [--write]

``plug_many()`` is compared with a loop of the public os-vif 5.3.0 over ``plug()``; the two processes
alternate. ``unplug_many()`` is compared with the time of the kernel and of ovs-vswitchd, measured by
a program without os-vif (:mod:`benchmarks.raw_limit`). Needs root. All changes are made in a private
network namespace with a private switch.

``--write`` stores the figures in those of the page ``doc/source/reference/performance_ovs.rst``.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
from typing import Any

from benchmarks import ovs as benchmark
from benchmarks import raw_limit, sides
from benchmarks.ovs import (
    AT_ONCE,
    DAEMON,
    HOST,
    IN_A_LOOP,
    NEW_AT_ONCE,
    TOGETHER,
    Bench,
    alternate,
)
from benchmarks.sides import OURS, PUBLIC_ONE
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace
from testbed import environments, ovs
from testbed.ovs_kinds import BRIDGE, KINDS, name_of, vif

#: The largest time of ``unplug_many()``, as a multiple of the limit.
LIMIT = 1.2
UNPLUG = f"unplug of {TOGETHER} at once"
RAW = "limit"


def measure_plugged(bench: Bench, name: str, rounds: int) -> None:
    """Measure the plug of VIFs that are plugged right: a loop of each release, and a batch."""
    kind, which = KINDS[name], range(HOST)
    with bench.processes(kind, HOST) as processes:
        processes[OURS].call_many("plug", which)
        bench.verify(kind, which, plugged=True)
        for number, side in alternate(rounds):
            loop = batch = processes[side].call("plug", which)
            if side == OURS:
                batch = processes[side].call_many("plug", which)
            if number >= 0:
                bench.note(IN_A_LOOP, name, side, loop)
                bench.note(AT_ONCE, name, side, batch)
        bench.verify(kind, which, plugged=True)
        processes[OURS].call_many("unplug", which)
        bench.verify(kind, which, plugged=False)


def measure_new(bench: Bench, name: str, rounds: int) -> None:
    """Measure the first plug of VIFs: a loop, and a batch."""
    kind, which = KINDS[name], range(HOST)
    with bench.processes(kind, HOST) as processes:
        for number, side in alternate(rounds):
            process = processes[side]
            took = (
                process.call("plug", which)
                if side == PUBLIC_ONE
                else process.call_many("plug", which)
            )
            bench.verify(kind, which, plugged=True)
            processes[OURS].call_many("unplug", which)
            bench.verify(kind, which, plugged=False)
            if number >= 0:
                bench.note(NEW_AT_ONCE, name, side, took)


def measure_unplug(bench: Bench, name: str, rounds: int) -> None:
    """Measure the unplug of VIFs as a batch, and the time of kernel and ovs-vswitchd."""
    kind, which = KINDS[name], range(TOGETHER)
    ports = [name_of(prefix, number) for number in which for prefix in kind.ports]
    # The kernel deletes qvb with qvo.
    first = [prefix for prefix in kind.devices if prefix != "qvb"]
    devices = [name_of(prefix, number) for number in which for prefix in first]
    links = raw_limit.RawLinks()
    with bench.side(OURS, **kind.options) as process:
        process.ask("start_daemon", module=DAEMON)
        process.load(*(vif(kind, number) for number in which))
        for number in range(-1, rounds):
            for side in (OURS, RAW)[:: 1 if number % 2 else -1]:
                process.call_many("plug", which)
                bench.verify(kind, which, plugged=True)
                bench.raw.settle()
                if side == OURS:
                    took = process.call_many("unplug", which)
                else:
                    took = raw_limit.unplug(bench.raw, links, BRIDGE, ports, devices)
                bench.verify(kind, which, plugged=False)
                # Records of the VIFs that the raw program has removed.
                process.call_many("unplug", which)
                if number >= 0:
                    bench.note(UNPLUG, name, side, took)
    links.close()


def limits(bench: Bench) -> list[dict[str, Any]]:
    """Return the figures of the unplug, each with the multiple of the limit."""
    found = []
    for kind in KINDS:
        times = bench.times.pop((UNPLUG, kind), None)
        if times is None:
            continue
        ours, raw = (round(sides.spread(times[side])[0], 3) for side in (OURS, RAW))
        found.append(
            {"what": UNPLUG, "kind": kind, "ours_ms": ours, "limit_ms": raw,
             "multiple": round(ours / raw, 2), "goal": LIMIT, "rounds": len(times[OURS])}
        )  # fmt: skip
    return found


def run(kinds: list[str], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Measure, and print each figure."""
    results: dict[str, list[dict[str, Any]]] = {"figures": [], "limits": []}
    hide_state_directory()
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        public = environments.Subject.from_public_release(scratch / "public")
        with private_namespace(), ovs.Switch(scratch) as switch:
            switch.vsctl("add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev")
            bench = Bench(switch, 0, scratch, public)
            for name in kinds:
                measure_unplug(bench, name, rounds)
                for limit in limits(bench):
                    print(json.dumps(limit), flush=True)
                    results["limits"].append(limit)
                measure_plugged(bench, name, rounds)
                benchmark.measure_one_vif(bench, name, 2 * rounds)
                if name == "hybrid":
                    measure_new(bench, name, max(2, rounds // 2))
                for figure in benchmark.figures(bench):
                    print(benchmark.format_line(figure), flush=True)
                    if figure["what"] in (AT_ONCE, NEW_AT_ONCE, IN_A_LOOP, "plug again"):
                        results["figures"].append(figure)
    return results


def main() -> None:
    parser = sides.argument_parser(__doc__, rounds=5)
    kinds = ["port", "tap", "hybrid"]
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--write", action="store_true", help="store the figures of the page")
    options = sides.parse_options(parser)
    load = sides.load_average()
    try:
        results = run(options.kinds, options.rounds)
    except environments.Unavailable as error:
        raise SystemExit(str(error)) from None
    print(f"# load before and after: {load}, {sides.load_average()}")
    if options.write:
        write(results)


def write(results: dict[str, list[dict[str, Any]]]) -> None:
    """Replace the figures of the same measurements in those of the page."""
    stored = json.loads(benchmark.PAGE.read_text("utf-8"))
    new = {(figure["what"], figure["kind"], figure["others"]) for figure in results["figures"]}
    stored["figures"] = [
        *(f for f in stored["figures"] if (f["what"], f["kind"], f["others"]) not in new),
        *results["figures"],
    ]
    stored["limits"] = results["limits"]
    sides.write_figures(benchmark.PAGE, stored)


if __name__ == "__main__":
    main()
