#!/usr/bin/env python3
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""How long ``os_vif.plug()`` takes with a Linux bridge, beside the public os-vif 4.3.1.

    .venv/bin/python benchmarks/linux_bridge.py [--rounds 30] [--links 10 1000] [--cache DIR]

It needs root, and touches nothing of the host: it has network namespaces of its own. Each os-vif
is a process with its own ``privsep-helper``; the two alternate, and what each did is verified.
4.3.1 is the last public release that has this plugin. It is installed once, in the cache.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from linux_bridge_worker import BRIDGE, MTU, UPLINK

from tests.functional.namespaces import hide_record, ip, private, run
from tests.interop import environments

WORKER = pathlib.Path(__file__).with_name("linux_bridge_worker.py").resolve()
PUBLIC = "os-vif==4.3.1"
ADDRESS, LENGTH, GATEWAY = "192.0.2.10", 24, "192.0.2.1"
PLUG, AGAIN, MOVE = "plug", "plug again", "plug, address and route move"
#: How many times as fast as the public one each is to be.
TARGETS = {PLUG: 8, AGAIN: 20, MOVE: 10}
PUBLIC_ONE, OURS = "public", "ours"


class Worker:
    """A process that plugs, with the os_vif of its Python."""

    def __init__(self, python: pathlib.Path, scratch: pathlib.Path) -> None:
        scratch.mkdir()
        configuration = scratch / "os-vif.conf"
        helper = shlex.quote(str(python.with_name("privsep-helper")))
        configuration.write_text(
            f"[oslo_concurrency]\nlock_path = {scratch}\n"
            f"[vif_plug_linux_bridge_privileged]\nhelper_command = {helper}\n"
        )
        self._log = scratch / "log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [python, "-P", WORKER, configuration],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd="/",
                env=environments.without_python_settings(os.environ),
            )
        self.versions: dict[str, str] = json.loads(self._read())

    def _read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args[0]} failed:\n{self._log.read_text()}")
        return line

    def plug(self) -> float:
        """:returns: the seconds that it took."""
        self._process.stdin.write("plug\n")
        self._process.stdin.flush()
        return float(self._read())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def prepare(links: int, *, up: bool) -> None:
    """An uplink, and that many other devices; all have settled.

    :param up: whether those are up. Each then has an IPv6 address and two routes, and the kernel
        goes through all routes of the host when IPv6 is turned off on a bridge: the public one
        and ours wait for that alike.
    """
    pairs = [(UPLINK, f"{UPLINK}-peer")]
    pairs += [(f"other-{number}-a", f"other-{number}-b") for number in range(links // 2)]
    batch = [f"link add name {one} type veth peer name {other}" for one, other in pairs]
    begun = itertools.chain.from_iterable(pairs if up else pairs[:1])
    batch += [f"link set dev {name} up" for name in begun]
    command = ("ip", "-batch", "-")
    subprocess.run(command, input="\n".join(batch), text=True, check=True)
    # Their own addresses of IPv6 are on trial for a second or two.
    while any(link.get("addr_info") for link in ip("address", "show", "tentative")):
        time.sleep(0.2)


def clean() -> None:
    """The host as it was before a plug: no bridge, and an uplink without address."""
    if any(link["ifname"] == BRIDGE for link in ip("link", "show", "type", "bridge")):
        run(f"ip link del dev {BRIDGE}")
    run(f"ip -4 address flush dev {UPLINK}; ip link set dev {UPLINK} nomaster mtu {MTU} up")
    # The bridge was not unplugged: a record of it would be out of date.
    for path in pathlib.Path("/run/os-vif").glob("bridge-*"):
        path.unlink()


def give_address() -> None:
    """The host is reached through what is to be the uplink."""
    run(f"ip address add {ADDRESS}/{LENGTH} dev {UPLINK}; ip route add default via {GATEWAY}")


def verify(case: str) -> None:
    """:raises SystemExit: if the work has not been done."""
    links = {name: ip("address", "show", "dev", name)[0] for name in (UPLINK, BRIDGE)}
    held = {
        name: [(a["local"], a["prefixlen"]) for a in link["addr_info"] if a["family"] == "inet"]
        for name, link in links.items()
    }
    routes = [(r.get("gateway"), r.get("dev")) for r in ip("route", "show", "default")]
    address = [(ADDRESS, LENGTH)] if case == MOVE else []
    facts = {
        "the master of the uplink": (links[UPLINK].get("master"), BRIDGE),
        "the kind of the bridge": (links[BRIDGE]["linkinfo"]["info_kind"], "bridge"),
        "that both are up": (all("UP" in link["flags"] for link in links.values()), True),
        "their MTU": ({link["mtu"] for link in links.values()}, {MTU}),
        "the addresses": (held, {UPLINK: [], BRIDGE: address}),
        "the default route": (routes, [(GATEWAY, BRIDGE)] if case == MOVE else []),
    }
    for what, (found, expected) in facts.items():
        if found != expected:
            raise SystemExit(f"after {case}: {what} is {found!r}, should be {expected!r}")


def verified(plug: Callable[[], float]) -> dict[str, float]:
    """The seconds that each case takes. The host is as before afterwards."""
    seconds = {PLUG: plug()}
    verify(PLUG)
    (before,) = ip("link", "show", "dev", BRIDGE)
    # One after the other, as nova-compute plugs all its VIFs again when it starts.
    plug()
    seconds[AGAIN] = plug()
    verify(AGAIN)
    (after,) = ip("link", "show", "dev", BRIDGE)
    if before["ifindex"] != after["ifindex"]:
        raise SystemExit("plugging again has made another bridge")
    clean()
    give_address()
    seconds[MOVE] = plug()
    verify(MOVE)
    clean()
    return seconds


def measure(
    plugs: dict[str, Callable[[], float]],
    rounds: int,
    once: Callable[[Callable[[], float]], dict[str, float]] = verified,
) -> dict[str, dict[str, list[float]]]:
    """Seconds by case and by who plugged. They take turns, and take turns in going first."""
    times: dict[str, dict[str, list[float]]] = {}
    clean()
    # The first plug starts a daemon and imports: it does not count.
    for number in range(-1, rounds):
        for name in list(plugs) if number % 2 else reversed(plugs):
            for case, seconds in once(plugs[name]).items():
                if number >= 0:
                    times.setdefault(case, {}).setdefault(name, []).append(seconds)
    return times


def show(times: list[float]) -> str:
    """Median, and between what 80 of 100 lie; in milliseconds."""
    tenths = statistics.quantiles(times, n=10)
    spread = f"{tenths[0] * 1000:.2f}-{tenths[-1] * 1000:.2f}"
    return f"{statistics.median(times) * 1000:7.2f} ({spread})".ljust(24)


def ratio(slow: list[float], fast: list[float]) -> float:
    return statistics.median(slow) / statistics.median(fast)


def compare(
    public: pathlib.Path, links: int, rounds: int, scratch: pathlib.Path, *, up: bool
) -> None:
    """Measure with that many other devices, and print a line for each case."""
    with private():
        prepare(links, up=up)
        workers = {
            PUBLIC_ONE: Worker(public, scratch / PUBLIC_ONE),
            # Not resolved: a virtual environment is known by the path of its Python.
            OURS: Worker(pathlib.Path(sys.executable), scratch / OURS),
        }
        try:
            for name, worker in workers.items():
                versions = ", ".join(f"{n} {v}" for n, v in worker.versions.items())
                print(f"# {name}: {versions}")
            if f"os-vif=={workers[PUBLIC_ONE].versions['os-vif']}" != PUBLIC:
                raise SystemExit(f"the environment of {public} does not hold {PUBLIC}")
            times = measure({name: worker.plug for name, worker in workers.items()}, rounds)
        finally:
            for worker in workers.values():
                worker.close()
    print(f"{'case':30}links  {PUBLIC_ONE:24}{OURS:24}ratio target")
    for case, of in times.items():
        print(
            f"{case:30}{links:5}  {show(of[PUBLIC_ONE])}{show(of[OURS])}"
            f"{ratio(of[PUBLIC_ONE], of[OURS]):4.1f}x{TARGETS[case]:6}x",
            flush=True,
        )


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, help="at least 2 (default: 30)")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    options = parser.parse_args()
    if options.rounds < 2:  # noqa: PLR2004 - of one there is no spread
        parser.error("--rounds has to be 2 or more")
    if os.geteuid() != 0:
        parser.error("only root can make bridges")
    return options


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--links", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--up", action="store_true", help="bring the other devices up")
    parser.add_argument("--cache", metavar="DIR", help="where the public os-vif is kept")
    options = parsed(parser)
    if options.cache:
        os.environ["OS_VIF_TEST_CACHE"] = str(pathlib.Path(options.cache).absolute())
    try:
        # With what it requires, whose versions are those of the day.
        public = environments.environment("benchmark", f"{PUBLIC}\n", (PUBLIC,))
    except environments.Unavailable as error:
        raise SystemExit(str(error)) from None
    hide_record()
    print(f"# Linux {platform.release()}, Python {platform.python_version()}")
    print(f"# ms: median (p10-p90) of {options.rounds}, by the number of other devices")
    for links in options.links:
        with tempfile.TemporaryDirectory() as scratch:
            compare(public, links, options.rounds, pathlib.Path(scratch), up=options.up)


if __name__ == "__main__":
    main()
