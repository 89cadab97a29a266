# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of ``os_vif.plug()`` with a Linux bridge, compared with the public os-vif 4.3.1.

    .venv/bin/python -m benchmarks.linux_bridge [--rounds 30] [--links 10 1000] [--cache DIR]

Needs root. All changes are made in private network namespaces. Each os-vif is a process with a
private ``privsep-helper``; the two processes alternate, and the result of each plug is verified.
4.3.1 is the last public release with the plugin, and is installed once, in the cache.
"""

from __future__ import annotations

import itertools
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks import sides
from benchmarks.sides import OURS, PUBLIC_ONE, Side, ratio, show
from os_vif import objects
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace, run
from testbed import environments

BRIDGE, UPLINK, MTU = "brq-bench", "uplink", 1500
RELEASE = "4.3.1"
PUBLIC = f"os-vif=={RELEASE}"
ADDRESS, LENGTH, GATEWAY = "192.0.2.10", 24, "192.0.2.1"
PLUG, AGAIN, MOVE = "plug", "plug again", "plug, address and route move"
#: Required speed of each case, as a ratio to the public release.
TARGETS = {PLUG: 8, AGAIN: 20, MOVE: 10}


def vif() -> objects.VIFBridge:
    """Return a VIF with a bridge to create and an uplink to attach."""
    return objects.VIFBridge(
        id="5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90",
        address="fa:16:3e:00:00:01",
        plugin="linux_bridge",
        vif_name="tap5a1d3c2e-0b",
        bridge_name=BRIDGE,
        # As with Neutron: do not measure iptables.
        has_traffic_filtering=True,
        network=objects.Network(
            id="7c2e6a0e-9c3f-4c53-8a0f-2f1f1f0f7b11",
            bridge=BRIDGE,
            bridge_interface=UPLINK,
            mtu=MTU,
            multi_host=False,
            should_provide_bridge=True,
            should_provide_vlan=False,
        ),
    )


def prepare(links: int, *, up: bool) -> None:
    """Create an uplink and dummy devices, and wait until the kernel has configured all of them.

    :param up: set the dummy devices up. Each device then has an IPv6 address and two routes, and
        the kernel walks all routes of the host when IPv6 is disabled on a bridge: a wait of the
        same length for the public release and for os-vif 2.
    """
    pairs = [(UPLINK, f"{UPLINK}-peer")]
    pairs += [(f"other-{number}-a", f"other-{number}-b") for number in range(links // 2)]
    batch = [f"link add name {one} type veth peer name {other}" for one, other in pairs]
    up_devices = itertools.chain.from_iterable(pairs if up else pairs[:1])
    batch += [f"link set dev {name} up" for name in up_devices]
    command = ("ip", "-batch", "-")
    subprocess.run(command, input="\n".join(batch), text=True, check=True)
    # Duplicate address detection of IPv6 takes a second or two.
    while any(link.get("addr_info") for link in ip("address", "show", "tentative")):
        time.sleep(0.2)


def clean() -> None:
    """Restore the host as before a plug: no bridge, and an uplink without address."""
    if any(link["ifname"] == BRIDGE for link in ip("link", "show", "type", "bridge")):
        run(f"ip link del dev {BRIDGE}")
    run(f"ip -4 address flush dev {UPLINK}; ip link set dev {UPLINK} nomaster mtu {MTU} up")
    # The bridge was deleted without an unplug: delete the stale record.
    for path in pathlib.Path("/run/os-vif").glob("bridge-*"):
        path.unlink()


def give_address() -> None:
    """Give the uplink an address and a default route."""
    run(f"ip address add {ADDRESS}/{LENGTH} dev {UPLINK}; ip route add default via {GATEWAY}")


def verify(case: str) -> None:
    """Raise SystemExit unless the VIF is plugged."""
    links = {name: ip("address", "show", "dev", name)[0] for name in (UPLINK, BRIDGE)}
    addresses = {
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
        "the addresses": (addresses, {UPLINK: [], BRIDGE: address}),
        "the default route": (routes, [(GATEWAY, BRIDGE)] if case == MOVE else []),
    }
    for what, (found, expected) in facts.items():
        if found != expected:
            raise SystemExit(f"after {case}: {what} is {found!r}, should be {expected!r}")


def time_cases(plug: Callable[[], float]) -> dict[str, float]:
    """Return the seconds of each case. Restore the host afterwards."""
    seconds = {PLUG: plug()}
    verify(PLUG)
    (before,) = ip("link", "show", "dev", BRIDGE)
    # Re-plug: nova-compute plugs all VIFs again at start.
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


def plugs(side: Side) -> Callable[[], float]:
    """Return a function that plugs with a side and returns the seconds."""
    return lambda: side.call("plug")


def measure(
    plugs: dict[str, Callable[[], float]],
    rounds: int,
    time_round: Callable[[Callable[[], float]], dict[str, float]] = time_cases,
) -> dict[str, dict[str, list[float]]]:
    """Return the seconds by case and side. The sides alternate, and alternate in starting."""
    times: dict[str, dict[str, list[float]]] = {}
    clean()
    # Discard the first plug, which starts a daemon and imports modules.
    for number in range(-1, rounds):
        for name in list(plugs) if number % 2 else reversed(plugs):
            for case, seconds in time_round(plugs[name]).items():
                if number >= 0:
                    times.setdefault(case, {}).setdefault(name, []).append(seconds)
    return times


def compare(
    public: pathlib.Path, links: int, rounds: int, scratch: pathlib.Path, *, up: bool
) -> None:
    """Measure with a number of other devices, and print a line for each case."""
    with private_namespace():
        prepare(links, up=up)
        # Do not resolve: Python finds a virtual environment by the path of the executable.
        python = pathlib.Path(sys.executable)
        with (
            Side(public, scratch / PUBLIC_ONE, {}, release=RELEASE) as other,
            Side(python, scratch / OURS, {}, sides.ROOT) as own,
        ):
            workers = {PUBLIC_ONE: other, OURS: own}
            for name, worker in workers.items():
                versions = ", ".join(f"{n} {v}" for n, v in worker.versions.items())
                print(f"# {name}: {versions}")
                worker.load(vif())
            if f"os-vif=={other.versions['os-vif']}" != PUBLIC:
                raise SystemExit(f"the environment of {public} does not hold {PUBLIC}")
            times = measure({name: plugs(worker) for name, worker in workers.items()}, rounds)
    print(f"{'case':30}links  {PUBLIC_ONE:24}{OURS:24}ratio target")
    for case, by_side in times.items():
        print(
            f"{case:30}{links:5}  {show(by_side[PUBLIC_ONE])}{show(by_side[OURS])}"
            f"{ratio(by_side[PUBLIC_ONE], by_side[OURS]):4.1f}x{TARGETS[case]:6}x",
            flush=True,
        )


def main() -> None:
    parser = sides.argument_parser(__doc__, rounds=30)
    parser.add_argument("--links", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--up", action="store_true", help="bring the other devices up")
    options = sides.parse_options(parser)
    try:
        # The requirements are installed in the current versions.
        public = environments.environment("benchmark", f"{PUBLIC}\n", (PUBLIC,))
    except environments.Unavailable as error:
        raise SystemExit(str(error)) from None
    hide_state_directory()
    print(f"# Linux {platform.release()}, Python {platform.python_version()}")
    print(f"# ms: median (p10-p90) of {options.rounds}, by the number of other devices")
    for links in options.links:
        with tempfile.TemporaryDirectory() as scratch:
            compare(public, links, options.rounds, pathlib.Path(scratch), up=options.up)


if __name__ == "__main__":
    main()
