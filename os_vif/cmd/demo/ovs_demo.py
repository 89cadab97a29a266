# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The sections of the demo with two VIFs on a private Open vSwitch."""

from __future__ import annotations

import pathlib
import tempfile
from typing import TYPE_CHECKING

from oslo_config import cfg

import os_vif
from os_vif import objects
from os_vif.cmd.demo.console import ADDRESSES, INSTANCE, Console, DemoError, unplugged_on_error
from os_vif.testing import open_vswitch, tap_bridge
from os_vif.testing.guests import Guest, Hypervisor

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink

_BRIDGE = "br-int"


def _network() -> objects.Network:
    """Return the network of both VIFs."""
    return objects.Network(
        id="a0000000-0000-4000-8000-000000000000", bridge=_BRIDGE, label="demo", mtu=1450
    )


#: The VIF of nova for the iptables firewall of Neutron.
HYBRID = objects.VIFBridge(
    id="30000000-0000-4000-8000-000000000000",
    address="fa:16:3e:00:00:03",
    plugin="ovs",
    vif_name="tap30000000-00",
    bridge_name="qbr30000000-00",
    has_traffic_filtering=True,
    network=_network(),
    port_profile=objects.VIFPortProfileOpenVSwitch(
        interface_id="30000000-0000-4000-8000-000000000000"
    ),
)
#: The VIF of nova for a port that must be ready before the guest starts.
TAP = objects.VIFOpenVSwitch(
    id="40000000-0000-4000-8000-000000000000",
    address="fa:16:3e:00:00:04",
    plugin="ovs",
    vif_name="tap40000000-00",
    bridge_name=_BRIDGE,
    has_traffic_filtering=True,
    network=_network(),
    port_profile=objects.VIFPortProfileOpenVSwitch(
        interface_id="40000000-0000-4000-8000-000000000000", create_port=True, create_tap=True
    ),
)


def show(console: Console, net: Netlink) -> None:
    """Plug, check, break, repair and unplug two VIFs; or print the missing requirement.

    :raises DemoError: if a check fails, or anything remains after the unplug.
    :raises os_vif.exception.ExceptionBase: if a VIF cannot be plugged or unplugged.
    :raises OSError: if the switch or a guest cannot be started, or a guest does not answer.
    """
    console.section("Open vSwitch: a private one; the switch of the host is not touched")
    if missing := open_vswitch.missing_requirement() or tap_bridge.missing_requirement():
        console.write(f"Not shown: {missing}.")
        return
    with (
        tempfile.TemporaryDirectory(prefix="os-vif-demo-") as directory,
        open_vswitch.Switch(pathlib.Path(directory)) as switch,
    ):
        # A userspace datapath needs no kernel module.
        switch.vsctl("add-br", _BRIDGE, "--", "set", "Bridge", _BRIDGE, "datapath_type=netdev")
        cfg.CONF.set_override("ovsdb_connection", switch.connection, group="os_vif_ovs")
        try:
            with unplugged_on_error((HYBRID, TAP)):
                _show_switch(console, net, switch)
        finally:
            cfg.CONF.clear_override("ovsdb_connection", group="os_vif_ovs")


def _show_switch(console: Console, net: Netlink, switch: open_vswitch.Switch) -> None:
    """Plug two VIFs, run a guest on each, unplug the VIFs, and check that nothing remains."""
    console.write(f"The demo has created the bridge {_BRIDGE}, as Neutron or OVN does.")
    console.section("The plan for a VIFOpenVSwitch with create_port and create_tap")
    console.write(os_vif.plan(TAP, INSTANCE))
    before = {link.name for link in net.links()}
    console.section("Plug it, and a hybrid VIFBridge")
    for vif in (HYBRID, TAP):
        os_vif.plug(vif, INSTANCE)
        console.require_plugged(vif)
        console.write(f"plugged {vif.obj_name()} {vif.vif_name}; check: nothing differs")
    with Guest() as first, Guest() as second, Hypervisor() as hypervisor:
        hypervisor.attach(first, HYBRID, f"{ADDRESSES[0]}/24")
        with tap_bridge.TapBridge(second, TAP.vif_name, str(TAP.address), f"{ADDRESSES[1]}/24"):
            console.ping(first)
            _show_ports(console, net, switch)
            _repair_port(console, switch)
            console.ping(first)
    console.section("Unplug")
    for vif in (HYBRID, TAP):
        os_vif.unplug(vif, INSTANCE)
        console.write(f"unplugged {vif.vif_name}")
    ports, rows = switch.vsctl("list-ports", _BRIDGE), switch.vsctl("list", "QoS")
    devices = {link.name for link in net.links()} - before
    if ports or rows or devices:
        raise DemoError(f"after the unplug remain: {ports} {rows} {' '.join(sorted(devices))}")
    console.write(f"{_BRIDGE} has no ports, and the database has no QoS rows.")


def _show_ports(console: Console, net: Netlink, switch: open_vswitch.Switch) -> None:
    """Print the Linux bridges, and the rows of the ports in the Open_vSwitch database."""
    console.section("Bridges and ports")
    console.write_bridges(net)
    for port in switch.vsctl("list-ports", _BRIDGE).split():
        console.write()
        for command in (("get", "Interface", port, "external_ids"), ("get", "QoS", port, "type")):
            console.write(f"$ ovs-vsctl {' '.join(command)}")
            console.write(switch.vsctl(*command))


def _repair_port(console: Console, switch: open_vswitch.Switch) -> None:
    """Delete a port, and let a plug repair the VIF."""
    port = f"qvo{str(HYBRID.id)[:11]}"
    console.section("Delete a port; check reports the change, and a plug repairs the VIF")
    console.write(f"$ ovs-vsctl del-port {port}")
    switch.vsctl("del-port", port)
    console.repair(HYBRID, {"port"})
