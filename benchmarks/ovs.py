# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of ``plug()`` and ``unplug()`` with Open vSwitch, compared with os-vif 5.3.0.

    .venv/bin/python -m benchmarks.ovs [--others 0 100 1000] [--rounds 9] [--write]

Needs root. All changes are made in a private network namespace with a private switch. Each os-vif
is a process with a private ``privsep-helper``; the two processes alternate, and the result of each
call is verified. Each waits for ovs-vswitchd. The public release is installed once, in the cache.

``--write`` stores the figures of the page ``doc/source/reference/performance_ovs.rst``.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import pathlib
import platform
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks import sides
from benchmarks.sides import OURS, PUBLIC_ONE, Side
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace
from testbed import environments, ovs
from testbed.ovs_kinds import BRIDGE, KINDS, Kind, name_of, vif
from testbed.raw_switch import RawSwitch

RELEASE = "5.3.0"
PAGE = sides.figures_path("performance_ovs")
DAEMON = "vif_plug_ovs.privsep"
#: Number of VIFs of a starting host, and number of VIFs unplugged at a time.
HOST, TOGETHER, THREADS = 200, 50, 8


#: Measurements of ``benchmarks.batch``: ``plug_many()`` against a loop of the public release.
IN_A_LOOP = f"plug again of {HOST}"
AT_ONCE, NEW_AT_ONCE = f"plug again of {HOST} at once", f"plug of {HOST} at once"
#: Required speed of a re-plug of a VIF that is plugged right, by kind, without other ports.
PLUG_AGAIN = {"port": 6, "tap": 6}

#: Required speed of a plug of each kind without other ports, as a ratio to the public release.
PLUG = {"port": 1.5, "tap": 3, "hybrid": 3, "per-port bridge": 3}


#: Required speed of the remaining measurements, by measurement and number of other ports.
GOALS = {
    ("unplug", 0): 1.25,
    ("first plug", 0): 3,
    ("first plug", 1000): 10,
    ("CPU of a plug", 1000): 4,
    (f"unplug of {TOGETHER}, {THREADS} threads", 0): 3,
    (f"plug again of {HOST}", 0): 10,
    (f"plug again of {HOST}, {THREADS} threads", 0): 10,
    ("plug without waiting", 0): 7,
    (AT_ONCE, 0): 20,
    (NEW_AT_ONCE, 0): 5,
}


def goal(what: str, kind: str, others: int) -> float | None:
    """Return the required speed of a measurement, as a ratio to the public release."""
    if what == "plug":
        # With other ports on the bridge, ovs-vswitchd takes most of the time.
        return 1 if others else PLUG[kind]
    if what == "plug again" and not others:
        return PLUG_AGAIN.get(kind)
    return GOALS.get((what, others))


class Bench:
    """A switch with other ports, and the sides that plug."""

    def __init__(
        self, switch: ovs.Switch, others: int, scratch: pathlib.Path, public: environments.Subject
    ) -> None:
        self.raw = RawSwitch(switch.connection)
        self.others = others
        self._connection = switch.connection
        self._scratch = scratch
        self._public = public
        requirements = (environments.pins("public"), public.requirements)
        self._python = environments.environment(f"public-{RELEASE}", *requirements)
        self._numbers = itertools.count()
        #: Seconds, by measurement, kind and side.
        self.times: dict[tuple[str, str], dict[str, list[float]]] = {}

    def side(self, name: str, sections: sides.Options | None = None, **options: object) -> Side:
        """Start the process of a release.

        :param sections: sections of the configuration besides ``[os_vif_ovs]``.
        :param options: options of ``[os_vif_ovs]``.
        """
        settings = {
            "ovsdb_connection": self._connection,
            "ovs_vsctl_timeout": 120,
            "network_device_mtu": 1500,
            **options,
        }
        scratch = self._scratch / f"{name}-{next(self._numbers)}"
        if name == PUBLIC_ONE:
            return Side(
                self._python, scratch, {"os_vif_ovs": settings}, self._public.path, release=RELEASE
            )
        # Do not resolve: Python finds a virtual environment by the path of the executable.
        return Side(
            pathlib.Path(sys.executable),
            scratch,
            {"os_vif_ovs": settings, **(sections or {})},
            sides.ROOT,
        )

    @contextlib.contextmanager
    def processes(self, kind: Kind, count: int = 1) -> Iterator[dict[str, Side]]:
        """Start the two sides, with daemons, and load the VIFs."""
        with contextlib.ExitStack() as stack:
            processes = {}
            for name in (PUBLIC_ONE, OURS):
                side = processes[name] = stack.enter_context(self.side(name, **kind.options))
                side.ask("start_daemon", module=DAEMON)
                side.load(*(vif(kind, number) for number in range(count)))
            yield processes

    def note(self, what: str, kind: str, side: str, seconds: float) -> None:
        """Record a time."""
        self.times.setdefault((what, kind), {}).setdefault(side, []).append(seconds)

    def verify(self, kind: Kind, numbers: Iterable[int], *, plugged: bool) -> None:
        """Raise SystemExit unless the VIFs are plugged, or unplugged."""
        numbers = list(numbers)
        ports = self.raw.ports()
        for number in numbers:
            for prefix in kind.ports:
                port = ports.get(name_of(prefix, number))
                if (port is not None) != plugged:
                    raise SystemExit(f"port {name_of(prefix, number)}: {port}, {plugged=}")
            for prefix in kind.devices:
                if _is_there(name_of(prefix, number)) != plugged:
                    raise SystemExit(f"device {name_of(prefix, number)}, {plugged=}")
        known = {port[1] for port in ports.values()}
        ids = {vif(kind, number).id for number in numbers}
        if (plugged and ids - known) or (not plugged and ids & known):
            raise SystemExit(f"external_ids are not as they should be, {plugged=}")


def _is_there(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def alternate(rounds: int) -> Iterator[tuple[int, str]]:
    """Yield the round and the side; the sides alternate in starting. Round -1 is discarded."""
    for number in range(-1, rounds):
        for name in (PUBLIC_ONE, OURS)[:: 1 if number % 2 else -1]:
            yield number, name


def measure_one_vif(bench: Bench, name: str, rounds: int) -> None:
    """Measure plug, re-plug and unplug of a VIF, in processes that have plugged before."""
    kind = KINDS[name]
    with bench.processes(kind) as processes:
        for number, side in alternate(rounds):
            process = processes[side]
            cpu = [process.cpu()]
            plugged = process.call("plug")
            # Threads of the process may still receive notifications of the switch.
            bench.verify(kind, (0,), plugged=True)
            cpu.append(process.cpu())
            again = process.call("plug")
            bench.verify(kind, (0,), plugged=True)
            cpu.append(process.cpu())
            unplugged = process.call("unplug")
            bench.verify(kind, (0,), plugged=False)
            cpu.append(process.cpu())
            if number >= 0:
                bench.note("plug", name, side, plugged)
                bench.note("CPU of a plug", name, side, cpu[1] - cpu[0])
                bench.note("plug again", name, side, again)
                bench.note("CPU of a plug again", name, side, cpu[2] - cpu[1])
                bench.note("unplug", name, side, unplugged)
                bench.note("CPU of an unplug", name, side, cpu[3] - cpu[2])


def measure_until_open(bench: Bench, name: str, rounds: int) -> None:
    """Measure from a plug until ovs-vswitchd has opened the port.

    After creating a tap device, 5.3.0 returns before the port is open.
    """
    kind = KINDS[name]
    with bench.processes(kind) as processes:
        for number, side in alternate(rounds):
            bench.raw.settle()
            begun = time.perf_counter()
            processes[side].call("plug")
            bench.raw.until_open(name_of(kind.ports[0], 0))
            took = time.perf_counter() - begun
            bench.verify(kind, (0,), plugged=True)
            bench.raw.settle()
            processes[side].call("unplug")
            if number >= 0:
                bench.note("plug until the port is open", name, side, took)


def measure_first_plug(bench: Bench, name: str, rounds: int, *, started: bool) -> None:
    """Measure the first plug of a process, with or without a running privileged daemon."""
    kind = KINDS[name]
    what = "first plug" if started else "first plug, with the daemon's start"
    for number, side in alternate(rounds):
        with bench.side(side, **kind.options) as process:
            process.load(vif(kind, 0))
            if started:
                process.ask("start_daemon", module=DAEMON)
            took = process.call("plug")
            bench.verify(kind, (0,), plugged=True)
            process.call("unplug")
            if number >= 0:
                bench.note(what, name, side, took)


def measure_many(bench: Bench, name: str, rounds: int) -> None:
    """Measure the unplug of many VIFs by threads of a process: a host loses all guests."""
    kind, which = KINDS[name], range(TOGETHER)
    with bench.processes(kind, TOGETHER) as processes:
        for number, side in alternate(rounds):
            plugged = processes[side].call("plug", which, THREADS)
            bench.verify(kind, which, plugged=True)
            unplugged = processes[side].call("unplug", which, THREADS)
            bench.verify(kind, which, plugged=False)
            if number >= 0:
                bench.note(f"plug of {TOGETHER}, {THREADS} threads", name, side, plugged)
                bench.note(f"unplug of {TOGETHER}, {THREADS} threads", name, side, unplugged)


def measure_host_start(bench: Bench, name: str, rounds: int) -> None:
    """Measure the start of a host with plugged VIFs: nova plugs all VIFs again."""
    kind, which = KINDS[name], range(HOST)
    with bench.processes(kind, HOST) as processes:
        processes[OURS].call("plug", which, THREADS)
        bench.verify(kind, which, plugged=True)
        for number, side in alternate(rounds):
            for threads in (1, THREADS):
                took = processes[side].call("plug", which, threads)
                several = "" if threads == 1 else f", {threads} threads"
                if number >= 0:
                    bench.note(f"plug again of {HOST}{several}", name, side, took)
        bench.verify(kind, which, plugged=True)
        processes[OURS].call("unplug", which, THREADS)
        bench.verify(kind, which, plugged=False)


def measure_without_waiting(bench: Bench, name: str, rounds: int) -> None:
    """Measure with ``wait_for_vswitchd`` off, an option that the public release lacks."""
    kind = KINDS[name]
    with (
        bench.side(PUBLIC_ONE) as public,
        bench.side(OURS, wait_for_vswitchd=False) as ours,
    ):
        processes = {PUBLIC_ONE: public, OURS: ours}
        for side in processes.values():
            side.ask("start_daemon", module=DAEMON)
            side.load(vif(kind, 0))
        for number, side in alternate(rounds):
            plugged = processes[side].call("plug")
            # Wait until ovs-vswitchd is idle before the next measurement.
            bench.raw.settle()
            bench.verify(kind, (0,), plugged=True)
            processes[side].call("unplug")
            bench.raw.settle()
            bench.verify(kind, (0,), plugged=False)
            if number >= 0:
                bench.note("plug without waiting", name, side, plugged)


def measure_full_host(bench: Bench, name: str, count: int) -> dict[str, Any]:
    """Measure a host that fills up and empties, in tenths, with os-vif 2 only.

    :returns: milliseconds for a VIF of each tenth, and for a port added without os-vif; memory and
        descriptors before, with all VIFs, and after the last unplug.
    """
    kind = KINDS[name]
    tenths = [range(at, at + count // 10) for at in range(0, count, count // 10)]
    results: dict[str, Any] = {"kind": name, "count": count, "vswitchd": []}
    with bench.side(OURS, **kind.options) as side:
        side.load(*(vif(kind, number) for number in range(count)))
        # Load modules and start threads: each process that has plugged has the same.
        for action in ("plug", "unplug"):
            side.call(action, tenths[0], THREADS)
        sizes = [side.ask("size")]
        for action in ("plug", "plug", "unplug"):
            times = []
            for which in reversed(tenths) if action == "unplug" else tenths:
                took = side.call(action, which, THREADS)
                times.append(round(took / len(which) * 1000, 3))
                if action == "plug" and "plug" not in results:
                    raw = []
                    for _ in range(3):
                        raw.append(bench.raw.add(BRIDGE, "raw"))
                        bench.raw.delete(BRIDGE, "raw")
                    results["vswitchd"].append(round(statistics.median(raw) * 1000, 3))
            results["plug again" if action in results else action] = times
            bench.verify(kind, range(count), plugged=action == "plug")
            sizes.append(side.ask("size"))
    full, empty = sizes[2], sizes[3]
    (before,), (after,), (left,) = (size["daemon"] for size in (sizes[0], full, empty))
    results["client"] = [sizes[0]["client"], full["client"], empty["client"]]
    results["daemon"] = [before, after, left]
    return results


def measure_vswitchd(bench: Bench, rounds: int) -> None:
    """Measure ovs-vswitchd without os-vif."""
    for _ in range(rounds):
        bench.note("port added", "internal", "raw", bench.raw.add(BRIDGE, "raw", type="internal"))
        bench.note("port deleted", "internal", "raw", bench.raw.delete(BRIDGE, "raw"))
        # As the public release adds a port: before the device exists.
        bench.note("port added", "without a device", "raw", bench.raw.add(BRIDGE, "raw"))
        bench.note("port deleted", "without a device", "raw", bench.raw.delete(BRIDGE, "raw"))


def stages(
    bench: Bench, kinds: list[str], rounds: int, few_rounds: int
) -> Iterator[functools.partial[None]]:
    """Run all measurements with a number of other ports."""
    yield functools.partial(measure_vswitchd, bench, rounds)
    firsts = [name for name in ("port", "hybrid") if name in kinds]
    for name in kinds:
        yield functools.partial(measure_one_vif, bench, name, rounds)
    if "tap" in kinds:
        yield functools.partial(measure_until_open, bench, "tap", rounds)
    for name in firsts:
        yield functools.partial(measure_first_plug, bench, name, few_rounds, started=True)
    if bench.others:
        return
    for name in firsts:
        yield functools.partial(measure_first_plug, bench, name, few_rounds, started=False)
    if "port" in kinds:
        yield functools.partial(measure_without_waiting, bench, "port", rounds)
    for name in kinds:
        yield functools.partial(measure_many, bench, name, few_rounds)
        yield functools.partial(measure_host_start, bench, name, few_rounds)


def figures(bench: Bench) -> Iterator[dict[str, object]]:
    """Yield a figure for each new measurement."""
    for (what, kind), by_side in bench.times.items():
        figure: dict[str, object] = {"what": what, "kind": kind, "others": bench.others}
        for side, times in by_side.items():
            median, low, high = (round(value, 3) for value in sides.spread(times))
            figure[side] = {"ms": median, "p10": low, "p90": high, "rounds": len(times)}
        if len(by_side) > 1:
            figure["ratio"] = round(sides.ratio(by_side[PUBLIC_ONE], by_side[OURS]), 2)
            figure["goal"] = goal(what, kind, bench.others)
        yield figure
    bench.times.clear()


def format_line(figure: dict) -> str:
    """Return a line of the table."""
    what = f"{figure['what']:38}{figure['kind']:18}{figure['others']:5}"
    if "ratio" not in figure:
        (raw,) = (value for value in figure.values() if isinstance(value, dict))
        return f"{what}{'':9}{raw['ms']:9.2f}"
    goal_text = f"{figure['goal']:g}x" if figure["goal"] else ""
    missed = "  missed" if figure["goal"] and figure["ratio"] < figure["goal"] else ""
    public, ours = (f"{figure[side]['ms']:9.2f}" for side in (PUBLIC_ONE, OURS))
    return f"{what}{public}{ours}{figure['ratio']:8.2f}x{goal_text:>7}{missed}"


def run(
    others: Iterable[int], kinds: list[str], host_vifs: int, rounds: int, few_rounds: int
) -> dict[str, Any]:
    """Measure, and print each figure."""
    results: list[dict[str, object]] = []
    host: dict[str, Any] = {}
    hide_state_directory()
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        public = environments.Subject.from_public_release(scratch / "public")
        for count in others:
            place = scratch / str(count)
            place.mkdir()
            with private_namespace(), ovs.Switch(place) as switch:
                switch.vsctl(
                    "add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev"
                )
                bench = Bench(switch, count, place, public)
                if count:
                    names = [f"other-{number}" for number in range(count)]
                    bench.raw.add(BRIDGE, *names, type="internal")
                versions = {}
                for name in (PUBLIC_ONE, OURS):
                    with bench.side(name) as side:
                        versions[name] = side.versions
                version = switch.version
                for stage in stages(bench, kinds, rounds, few_rounds):
                    stage()
                    for figure in figures(bench):
                        print(format_line(figure), flush=True)
                        results.append(figure)
                if not count:
                    host = measure_full_host(bench, "tap", host_vifs)
                    print(json.dumps(host), flush=True)
    for packages in versions.values():
        # The path is specific to the machine.
        del packages["os_vif"]
    return {
        "machine": {
            "linux": platform.release(),
            "python": platform.python_version(),
            "processors": os.cpu_count(),
            "open_vswitch": version,
        },
        "versions": versions,
        "figures": results,
        "host": host,
    }


def main() -> None:
    parser = sides.argument_parser(__doc__, rounds=9)
    parser.add_argument("--others", type=int, nargs="+", default=[0, 100, 1000])
    parser.add_argument("--kinds", nargs="+", default=[*KINDS], choices=[*KINDS])
    parser.add_argument("--house", type=int, default=1000, help="VIFs of a full host")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="store the figures")
    parser.add_argument("--write", action="store_true", help="store the figures of the page")
    options = sides.parse_options(parser)
    begun, load = time.monotonic(), sides.load_average()
    print(f"{'ms, medians':38}{'kind':18}other   public     ours    ratio   goal")
    try:
        results = run(
            options.others,
            options.kinds,
            options.house,
            options.rounds,
            max(2, options.rounds // 3),
        )
    except environments.Unavailable as error:
        raise SystemExit(str(error)) from None
    results["machine"]["load"] = [load, sides.load_average()]
    print(
        f"# {time.monotonic() - begun:.0f} s; load before and after: {results['machine']['load']}"
    )
    if options.json:
        sides.write_figures(options.json, results)
    if options.write:
        sides.write_figures(PAGE, results)


if __name__ == "__main__":
    main()
