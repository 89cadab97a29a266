# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The act of the demo in which two VIFs are plugged into an Open vSwitch of its own."""

from __future__ import annotations

import pathlib
import tempfile
from typing import TYPE_CHECKING

from oslo_config import cfg

import os_vif
from os_vif import objects
from os_vif.cmd.demo.stage import ADDRESSES, INSTANCE, DemoError, unplugged_on_error
from os_vif.testing import open_vswitch, tap_bridge
from os_vif.testing.guests import Guest, Hypervisor

if TYPE_CHECKING:
    from os_vif.cmd.demo.stage import Stage
    from os_vif.host.netlink.rtnetlink import Netlink

_BRIDGE = "br-int"


def _network() -> objects.Network:
    return objects.Network(
        id="a0000000-0000-4000-8000-000000000000", bridge=_BRIDGE, label="demo", mtu=1450
    )


#: As nova describes it where Neutron's firewall is iptables.
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
#: As nova describes it where the port is to be ready before the guest runs.
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


def show(stage: Stage, net: Netlink) -> None:
    """Plug, look, break, mend and unplug; or say what is missing for it."""
    stage.act("Open vSwitch: a private one, beside which the host's own is not touched")
    if missing := open_vswitch.missing_requirement() or tap_bridge.missing_requirement():
        stage.say(f"Not shown: {missing}.")
        return
    with (
        tempfile.TemporaryDirectory(prefix="os-vif-demo-") as directory,
        open_vswitch.Switch(pathlib.Path(directory)) as switch,
    ):
        # Of user space: it needs no module of the kernel.
        switch.vsctl("add-br", _BRIDGE, "--", "set", "Bridge", _BRIDGE, "datapath_type=netdev")
        cfg.CONF.set_override("ovsdb_connection", switch.connection, group="os_vif_ovs")
        try:
            with unplugged_on_error((HYBRID, TAP)):
                _play(stage, net, switch)
        finally:
            cfg.CONF.clear_override("ovsdb_connection", group="os_vif_ovs")


def _play(stage: Stage, net: Netlink, switch: open_vswitch.Switch) -> None:
    stage.say(f"It has a bridge {_BRIDGE}, as Neutron or OVN makes it.")
    stage.act("What plugging a VIFOpenVSwitch with create_port and create_tap would do")
    stage.say(os_vif.plan(TAP, INSTANCE))
    before = {link.name for link in net.links()}
    stage.act("Plug it, and a hybrid VIFBridge")
    for vif in (HYBRID, TAP):
        os_vif.plug(vif, INSTANCE)
        stage.is_plugged(vif)
        stage.say(f"plugged {vif.obj_name()} {vif.vif_name}; check: nothing differs")
    with Guest() as first, Guest() as second, Hypervisor() as hypervisor:
        hypervisor.attach(first, HYBRID, f"{ADDRESSES[0]}/24")
        there = f"{ADDRESSES[1]}/24"
        with tap_bridge.TapBridge(second, TAP.vif_name, str(TAP.address), there):
            stage.ping(first)
            _look(stage, net, switch)
            _disturb(stage, switch)
            stage.ping(first)
    stage.act("Unplug")
    for vif in (HYBRID, TAP):
        os_vif.unplug(vif, INSTANCE)
        stage.say(f"unplugged {vif.vif_name}")
    ports, rows = switch.vsctl("list-ports", _BRIDGE), switch.vsctl("list", "QoS")
    left = {link.name for link in net.links()} - before
    if ports or rows or left:
        raise DemoError(f"left behind: {ports} {rows} {' '.join(sorted(left))}")
    stage.say(f"{_BRIDGE} has no port, and the switch no QoS row.")


def _look(stage: Stage, net: Netlink, switch: open_vswitch.Switch) -> None:
    stage.act("What is there now")
    stage.tree(net)
    for port in switch.vsctl("list-ports", _BRIDGE).split():
        stage.say()
        for command in (("get", "Interface", port, "external_ids"), ("get", "QoS", port, "type")):
            stage.say(f"$ ovs-vsctl {' '.join(command)}")
            stage.say(switch.vsctl(*command))


def _disturb(stage: Stage, switch: open_vswitch.Switch) -> None:
    port = f"qvo{str(HYBRID.id)[:11]}"
    stage.act("Somebody deletes a port; check finds it, and plugging again mends it")
    stage.say(f"$ ovs-vsctl del-port {port}")
    switch.vsctl("del-port", port)
    stage.mended(HYBRID, {"port"})
