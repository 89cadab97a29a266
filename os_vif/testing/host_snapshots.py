# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Snapshots of the state of a host, and the differences between two snapshots.

A snapshot has the links, addresses, routes, rules, sysctls, packet filters and switches of the
network namespace of the calling thread, and the state files of os-vif. Values that change without
a request are left out.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator
from typing import Any

from os_vif.host.netlink import rtnetlink
from os_vif.testing import open_vswitch
from os_vif.testing.private_namespaces import STATE_DIRECTORY, search_path

#: The state of a host, by kind, as plain data.
State = dict[str, Any]


def ip(*arguments: str) -> list[dict[str, Any]]:
    """Return the parsed JSON output of the command ``ip``."""
    done = subprocess.run(
        ["ip", "-json", "-details", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": search_path()},
    )
    parsed: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return parsed


def filters(program: str) -> list[str]:
    """Return the rules of iptables or ip6tables in the kernel."""
    save = shutil.which(f"{program}-save", path=search_path())
    if save is None:
        return []
    done = subprocess.run([save, "-t", "filter"], capture_output=True, text=True, check=True)
    # Comments contain the time, and chains contain counters.
    lines = [line.partition(" [")[0] for line in done.stdout.splitlines()]
    # The first rule creates the table and chains, which then stay and accept all packets.
    empty = {f":{chain} ACCEPT" for chain in ("INPUT", "FORWARD", "OUTPUT")}
    return [line for line in lines if not (line.startswith(("#", "*", "COMMIT")) or line in empty)]


def state_files() -> dict[str, str]:
    """Return the state files of os-vif, for this network namespace and for virtual functions."""
    with rtnetlink.opened() as net:
        ours, rules = f"bridge-{net.netns}-", f"rules-{net.netns}-"
    directory = STATE_DIRECTORY
    patterns = (f"{ours}*", f"{rules}*", "vf-*")
    files = sorted(path for pattern in patterns for path in directory.glob(pattern))
    return {path.name.removeprefix(ours).removeprefix(rules): path.read_text() for path in files}


#: Values that change without any request.
_VOLATILE = {
    "hello_timer",
    "gc_timer",
    "tcn_timer",
    "topology_change_timer",
    "stats64",
    "operstate",
    # A driver may take a value over from the card later.
    "permaddr",
    "forward_delay_timer",
    "hold_timer",
    "message_age_timer",
    # Offloads of a device follow the offloads of lower devices; a queue exists from the first "up"
    # on.
    "tso_max_size",
    "qdisc",
    "topology_change",
    "topology_change_detected",
}
#: Settings of a bridge port with the number of the port. The kernel numbers the ports of a bridge in
#: the order in which devices join (``find_portno()`` in ``net/bridge/br_if.c``), so the numbers
#: depend on the order of concurrent calls.
_PORT_NUMBERS = ("id", "no", "designated_port")
#: Values that depend on the carrier: the carrier, and link-local IPv6 addresses with their routes.
_CARRIER = {"NO-CARRIER", "LOWER_UP"}
_OF_LINK = ("fe80:", "ff00:")


def snapshot() -> State:
    """Return all state that a plug may change: links, addresses, routes, rules, sysctls,
    switches.
    """
    state = _snapshot()
    deadline = time.monotonic() + 5
    while any(_version_6(state)) and time.monotonic() < deadline:
        # The kernel creates the routes of an address after the reply.
        time.sleep(0.01)
        before, state = state, _snapshot()
        local = {route["dst"] for route in state["routes"] if route.get("type") == "local"}
        if before == state and local.issuperset(_version_6(state)):
            break
    return state


def _version_6(state: State) -> Iterator[str]:
    """Yield the IPv6 addresses of devices that are up. Other devices have no IPv6 routes."""
    up = {link["ifname"] for link in state["links"] if "UP" in link["flags"]}
    for name, held in state["addresses"].items():
        if name in up:
            yield from (a["local"] for a in held if ":" in a["local"])


def _snapshot() -> State:
    links = ip("link")
    internal = {name for switch in open_vswitch.running for name in switch.internal}
    # A switch chooses the MAC address and the MTU of its internal devices.
    links = [link if link["ifname"] not in internal else _bare(link) for link in links]
    for link in links:
        info = link.get("linkinfo", {})
        for data in (link, info.get("info_data", {}), info.get("info_slave_data", {})):
            for key in _VOLATILE & data.keys():
                del data[key]
        link["flags"] = [flag for flag in link["flags"] if flag not in _CARRIER]
    routes = ip("route", "show", "table", "all") + ip("-6", "route", "show", "table", "all")
    for route in routes:
        route["flags"] = [flag for flag in route["flags"] if flag != "linkdown"]
        # Lifetimes of addresses decrease.
        route["expires"] = "expires" in route
    return {
        "links": links,
        "addresses": {
            link["ifname"]: [
                address
                for address in link["addr_info"]
                if not address.get("local", "").startswith((*_OF_LINK, "::1"))
            ]
            for link in ip("address")
        },
        "routes": [route for route in routes if not route["dst"].startswith(_OF_LINK)],
        "rules": ip("rule"),
        "neighbours": _neighbours(),
        "filters": {program: filters(program) for program in ("iptables", "ip6tables")},
        "files": state_files(),
        "switches": [switch.dump() for switch in open_vswitch.running],
        "sysctls": {
            str(path): path.read_text()
            for link in links
            if link["ifname"] not in internal
            for family in ("ipv4", "ipv6")
            for path in pathlib.Path("/proc/sys/net", family, "conf", link["ifname"]).glob("*")
            if path.name != "stable_secret" and os.access(path, os.R_OK)
        },
    }


def _neighbours() -> list[dict[str, Any]]:
    """Return the permanent neighbours."""
    found = ip("neigh", "show", "nud", "permanent") + ip("neigh", "show", "proxy")
    return found + [
        n for n in ip("neigh", "show", "nud", "noarp") if n["lladdr"].startswith("02:")
    ]


def _bare(link: dict[str, Any]) -> dict[str, Any]:
    return {"ifname": link["ifname"], "ifindex": 0, "address": "", "flags": []}


def changes(before: object, after: object, where: str = "") -> list[str]:
    """Return a line for each difference between two snapshots."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = {**before, **after}
        return [
            line
            for key in keys
            for line in changes(before.get(key), after.get(key), f"{where}/{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            line
            for n, (one, other) in enumerate(zip(before, after, strict=True))
            for line in changes(one, other, f"{where}[{_label(one, n)}]")
        ]
    if isinstance(before, list) and isinstance(after, list):
        gone = [f"{where}: {entry!r} is gone" for entry in before if entry not in after]
        new = [f"{where}: {entry!r} is new" for entry in after if entry not in before]
        if gone or new:
            return gone + new
    return [] if before == after else [f"{where}: {before!r} became {after!r}"]


def _label(entry: object, number: int) -> object:
    """Return the name of the device of an entry of a list, or the number of the entry."""
    return entry.get("ifname") or entry.get("name", number) if isinstance(entry, dict) else number


def without_indexes(state: State) -> State:
    """Return a snapshot in which a recreated device is equal to the old device."""
    state = json.loads(json.dumps(state))
    names = {}
    for link in state["links"]:
        names[link.pop("ifindex")] = link["ifname"]
        # The address exists since the MAC address was set, and is the same.
        for key in ("bridge_id", "root_id"):
            link.get("linkinfo", {}).get("info_data", {}).pop(key, None)
    state["links"].sort(key=lambda link: link["ifname"])
    state["routes"].sort(key=json.dumps)
    # The kernel lists neighbours in the order of a hash table.
    state["neighbours"].sort(key=json.dumps)
    for name, text in state["files"].items():
        noted = json.loads(text)
        index = {"index": names.get(noted["index"])} if "index" in noted else {}
        state["files"][name] = noted | index
    return state


def without_addresses(state: State) -> State:
    """Return a snapshot in which recreated devices, here or on another host, are equal.

    The numbers of the ports of a bridge are left out.
    """
    state = without_indexes(state)
    for link in state["links"]:
        del link["address"]
        info = link.get("linkinfo", {})
        numbers = _PORT_NUMBERS if info.get("info_slave_kind") == "bridge" else ()
        for key in ("bridge_id", "root_id", *numbers):
            info.get("info_slave_data", {}).pop(key, None)
    return state


def without_devices(state: State, names: Collection[str]) -> State:
    """Return a snapshot without devices and bridges, and without all that names them."""
    state = dict(state)
    absent = set(names)

    def is_kept(text: str) -> bool:
        return not any(name in text for name in absent)

    state["links"] = [link for link in state["links"] if link["ifname"] not in absent]
    for kind in ("routes", "neighbours"):
        state[kind] = [entry for entry in state[kind] if entry.get("dev") not in absent]
    state["addresses"] = {k: v for k, v in state["addresses"].items() if k not in absent}
    state["sysctls"] = {
        k: v for k, v in state["sysctls"].items() if k.split("/")[-2] not in absent
    }
    state["filters"] = {k: [r for r in v if is_kept(r)] for k, v in state["filters"].items()}
    state["files"] = {k: v for k, v in state["files"].items() if is_kept(f"{k} {v}")}
    state["switches"] = [
        switch | {"bridges": {k: v for k, v in switch["bridges"].items() if k not in absent}}
        for switch in state["switches"]
    ]
    return state


def differences(before: State, *, indexes: bool = True, addresses: bool = True) -> list[str]:
    """Return the differences between the host and a snapshot, once the kernel is idle.

    The kernel changes IPv6 addresses and carriers after the reply to a request.

    :param indexes: whether a recreated device differs.
    :param addresses: whether a device recreated with another MAC address differs.
    """
    deadline = time.monotonic() + 2
    while True:
        now = snapshot()
        if not addresses:
            now = without_addresses(now)
        elif not indexes:
            now = without_indexes(now)
        found = changes(before, now)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)
