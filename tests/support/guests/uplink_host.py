# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A host with addresses, routes, rules and neighbours on the uplink."""

from __future__ import annotations

import json
import subprocess

import os_vif
from os_vif import objects
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

BRIDGE = "brq-test"
DAEMON = "vif_plug_linux_bridge.privsep"
_HOST = """
ip link add name uplink address 02:00:00:00:00:01 type veth peer name far
ip link set dev far up; ip link set dev uplink up
ip address add 192.0.2.10/24 dev uplink
ip address add 2001:db8::10/64 dev uplink nodad
"""


def lines(command: str) -> list[str]:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def routes(device: str) -> list[dict]:
    """Return the routes of all tables through a device, without the automatic routes."""
    found = []
    for family in ("-4", "-6"):
        text = "\n".join(lines(f"ip {family} -json -details route show table all dev {device}"))
        for route in json.loads(text or "[]"):
            given = route.get("protocol") != "kernel" or "expires" in route
            if given or route.get("type") not in ("local", "broadcast", "anycast", "multicast"):
                found.append(route)
    return sorted(
        (r for r in found if r["dst"] != "fe80::/64"), key=lambda r: json.dumps(without_time(r))
    )


def without_time(route: dict) -> dict:
    return {name: value for name, value in route.items() if name not in ("expires", "flags")}


def neighbours(device: str) -> list[str]:
    """Return the neighbours of a device that were added by a user or a program."""
    fixed = [
        line
        for line in lines(f"ip neigh show dev {device} nud all")
        if "PERMANENT" in line
        or "extern_learn" in line
        or "managed" in line
        or ("NOARP" in line and "lladdr 02:" in line)
    ]
    fixed += lines(f"ip neigh show proxy dev {device}")
    return sorted(fixed)


def enforced_differences(vif, instance) -> list:
    """Return the differences of a VIF, without pending differences."""
    return [found for found in os_vif.check(vif, instance) if not found.pending]


def assert_same(found: list[dict], before: list[dict]) -> None:
    """Check that only the device and the lifetimes differ, and that no lifetime is longer."""
    assert [without_time(r) for r in found] == [without_time(r) for r in before]
    for now, then in zip(found, before, strict=True):
        assert ("expires" in now) == ("expires" in then)
        assert now.get("expires", 0) <= then.get("expires", 0) <= now.get("expires", 0) + 60


def addresses(device: str) -> list[dict]:
    """Return the configured addresses of a device, without lifetimes."""
    (found,) = json.loads("\n".join(lines(f"ip -json address show dev {device}")))
    held = [a for a in found["addr_info"] if not a["local"].startswith("fe80:")]
    for one in held:
        one["label"] = one.get("label", "").replace(device, "")
        for time_of in ("valid_life_time", "preferred_life_time"):
            if 0 < one[time_of] < 2**32 - 1:
                one[time_of] = "seconds"
    return held


def create_uplink_host() -> objects.VIFBridge:
    """Create the host, and return a VIF for a bridge with the uplink."""
    run(_HOST)
    vif = bridge_vif(1)
    vif.network.bridge_interface = "uplink"
    return vif
