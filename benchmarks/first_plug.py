# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of the first and the second plug of a process, with a shared and with private daemons.

    .venv/bin/python -m benchmarks.first_plug [--rounds 9] [--kinds tap hybrid] [--cache DIR]

Needs root. All changes are made in a private network namespace with a private Open vSwitch. In each
round, a new process of each side plugs two VIFs of a kind; the sides alternate. The sides are the
public os-vif 5.3.0, os-vif with a private daemon, and os-vif with a running ``os-vif privileged``.
``start`` is the time from the start of the process to the end of ``os_vif.initialize()``.
The program exits with 1 if the first plug with the shared daemon takes more than 60 ms longer than
the second.
"""

from __future__ import annotations

import contextlib
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from benchmarks import sides
from benchmarks.ovs import Bench
from benchmarks.sides import OURS, PUBLIC_ONE, Side
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace
from testbed import environments, ovs
from testbed.ovs_kinds import BRIDGE, KINDS, vif

SHARED = "ours, shared"
SIDES = (PUBLIC_ONE, OURS, SHARED)
SOCKET = "/run/os-vif/privileged.sock"
#: Permitted difference between the first and the second plug with the shared daemon, in ms.
GOAL = 60


@contextlib.contextmanager
def shared_daemon() -> Iterator[None]:
    """Run ``os-vif privileged``."""
    program = pathlib.Path(sys.executable).with_name("os-vif")
    with subprocess.Popen([program, "privileged", "--listen", SOCKET]) as daemon:
        try:
            while not pathlib.Path(SOCKET).exists():
                if daemon.poll() is not None:
                    raise SystemExit("os-vif privileged failed")
                time.sleep(0.05)
            yield
        finally:
            daemon.terminate()


def start_side(bench: Bench, name: str, options: dict[str, object]) -> Side:
    """Start the process of a side."""
    if name != SHARED:
        return bench.side(name, **options)
    return bench.side(OURS, sections={"os_vif": {"privileged_socket": SOCKET}}, **options)


def measure(bench: Bench, kind_name: str, name: str) -> dict[str, float]:
    """Plug two VIFs in a new process; return the durations in milliseconds."""
    kind = KINDS[kind_name]
    begun = time.perf_counter()
    with start_side(bench, name, kind.options) as process:
        started = time.perf_counter() - begun
        process.load(vif(kind, 0), vif(kind, 1))
        first, second = process.call("plug", [0]), process.call("plug", [1])
        bench.verify(kind, (0, 1), plugged=True)
        process.call("unplug", [0, 1])
        bench.verify(kind, (0, 1), plugged=False)
    return {
        "start": started * 1000,
        "first": first * 1000,
        "second": second * 1000,
        "difference": (first - second) * 1000,
        "start and first": (started + first) * 1000,
    }


def run(kinds: list[str], rounds: int) -> bool:
    """Measure and print all figures; return whether the goal is met."""
    is_met = True
    hide_state_directory()
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        public = environments.Subject.from_public_release(scratch / "public")
        with private_namespace(), ovs.Switch(scratch) as switch, shared_daemon():
            switch.vsctl("add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev")
            bench = Bench(switch, 0, scratch, public)
            for kind in kinds:
                found: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
                for number in range(-1, rounds):
                    for name in SIDES:
                        figures = measure(bench, kind, name)
                        # The first round fills the caches of byte code and of entry points.
                        if number >= 0:
                            found[name].append(figures)
                for name in SIDES:
                    medians = {
                        what: statistics.median(figures[what] for figures in found[name])
                        for what in found[name][0]
                    }
                    columns = "".join(f"{value:12.1f}" for value in medians.values())
                    print(f"{kind:10}{name:16}{columns}", flush=True)
                    if name == SHARED:
                        is_met &= medians["difference"] <= GOAL
    return is_met


def main() -> None:
    parser = sides.argument_parser(__doc__, rounds=9)
    parser.add_argument("--kinds", nargs="+", default=["tap", "hybrid"], choices=[*KINDS])
    options = sides.parse_options(parser)
    load = sides.load_average()
    titles = ("start", "first", "second", "difference", "start+first")
    print(f"{'ms, medians':26}{''.join(f'{title:>12}' for title in titles)}")
    try:
        is_met = run(options.kinds, options.rounds)
    except environments.Unavailable as error:
        raise SystemExit(str(error)) from None
    print(f"# load before and after: {load}, {sides.load_average()}")
    print(f"# goal: difference of {SHARED} at most {GOAL} ms: {'met' if is_met else 'missed'}")
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
