# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The sections of the demo: documents, two VIFs on a Linux bridge, then Open vSwitch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import os_vif
from os_vif import serialization
from os_vif.cmd.demo import demo_vifs, ovs_demo, pod_demo
from os_vif.cmd.demo.console import ADDRESSES, INSTANCE, Console, DemoError, unplugged_on_error
from os_vif.host.netlink import rtnetlink
from os_vif.testing.guests import Guest, Hypervisor

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink

_BRIDGE = "brq-demo"
_MTU = 1450


VIFS = tuple(demo_vifs.bridge_vif(number, f"tapdemo-{number}", _BRIDGE, _MTU) for number in (1, 2))


def show_documents(console: Console) -> None:
    """Print a VIF as a document, and the plan of a plug. Needs no privileges."""
    console.section("A VIF as a document")
    stored = VIFS[0].obj_clone()
    stored.obj_reset_changes(recursive=True)
    console.write(json.dumps(json.loads(serialization.dumps(stored)), indent=2))
    console.section("The plan: commands with the effect of a plug")
    console.write(os_vif.plan(VIFS[0], INSTANCE))


def run(console: Console) -> None:
    """Run all sections in the present network namespace.

    :raises DemoError: if a check fails, or a device remains at the end.
    :raises os_vif.exception.ExceptionBase: if a VIF cannot be plugged or unplugged.
    :raises OSError: if a guest cannot be started, or does not answer.
    """
    show_documents(console)
    with rtnetlink.opened() as net:
        before = net.links()
        _show_linux_bridge(console, net)
        pod_demo.show(console)
        ovs_demo.show(console, net)
        console.section("Check that no device remains")
        remaining = {link.name for link in net.links()} - {link.name for link in before}
        if remaining:
            raise DemoError(f"devices remain: {', '.join(sorted(remaining))}")
        console.write("Nothing is left.")


def _show_linux_bridge(console: Console, net: Netlink) -> None:
    """Plug two VIFs, run a guest on each, and unplug the VIFs."""
    console.section("Plug two VIFs through the privileged daemon")
    with unplugged_on_error(VIFS):
        for vif in VIFS:
            os_vif.plug(vif, INSTANCE)
            console.write(f"plugged {vif.vif_name}")
        with Guest() as first, Guest() as second:
            _show_guests(console, net, (first, second))
        console.section("Unplug")
        for vif in VIFS:
            os_vif.unplug(vif, INSTANCE)
            console.write(f"unplugged {vif.vif_name}")


def _show_guests(console: Console, net: Netlink, guests: tuple[Guest, Guest]) -> None:
    """Attach the guests, ping, break and repair the bridge, and ping again."""
    console.section(
        "Simulate the hypervisor: a guest on each VIF (a namespace, a veth pair as tap device)"
    )
    with Hypervisor() as hypervisor:
        for vif, guest, address in zip(VIFS, guests, ADDRESSES, strict=True):
            hypervisor.attach(guest, vif, f"{address}/24")
            console.write(f"{vif.vif_name} leads to a guest with {address}")
        console.ping(guests[0])
        console.section("Bridges and ports")
        console.write_bridges(net)
        console.section(
            "Change the bridge; check reports the change, and a plug repairs the bridge"
        )
        console.require_plugged(VIFS[0])
        console.write(f"$ ip link set {_BRIDGE} mtu 1300 down")
        net.set(net.require(_BRIDGE), mtu=1300, up=False)
        console.repair(VIFS[0], {"MTU", "state"})
        console.ping(guests[0])
