# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Open vSwitch with the kernel's datapath, and with offload."""

from __future__ import annotations

import subprocess
import time

import pytest
from oslo_config import cfg

import os_vif
from os_vif import objects
from os_vif.cmd.lab import Guest, Hypervisor
from tests.functional.cases import ovs_vif
from tests.functional.namespaces import differs, run, snapshot
from tests.functional.ovs import Switch
from tests.vm import cards

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.mark.vm("plain")
def test_the_kernel_datapath_passes_a_ping(namespace, switch):
    """Between two guests; a VLAN tag on one of the ports parts them."""
    switch.vsctl("add-br", "br0")
    with Guest() as one, Guest() as two:
        for name, guest, address in (("one", one, "192.0.2.1/24"), ("two", two, "192.0.2.2/24")):
            run(f"ip link add name {name} type veth peer name eth0 netns {guest.pid}")
            run(f"ip link set dev {name} up")
            guest.configure(address)
            switch.add_port("br0", name)
        assert "answers" in one.ping("192.0.2.2")
        assert "system@ovs-system" in switch.appctl("ovs-vswitchd", "dpctl/dump-dps")
        assert "actions:" in switch.appctl("ovs-vswitchd", "dpctl/dump-flows")
        switch.vsctl("set", "Port", "two", "tag=7")
        with pytest.raises(OSError, match="does not answer"):
            one.ping("192.0.2.2")


@pytest.mark.vm("netdevsim")
def test_flows_between_representors_are_offloaded(tmp_path):
    """The driver takes them; it is a simulated one, which forwards nothing."""
    card = cards.netdevsim()
    card.set_vfs(2)
    run("devlink dev eswitch set netdevsim/netdevsim10 mode switchdev")
    cards.until(lambda: len(card.representors()) == 2, "two representors")
    one, two = (card.representors()[f"pf0vf{n}"] for n in range(2))
    with Switch(tmp_path, "hw-offload=true") as switch:
        switch.vsctl("add-br", "br0")
        for name in (one, two):
            run(f"ethtool -K {name} hw-tc-offload on; ip link set dev {name} up")
            switch.add_port("br0", name)
        # A representor drops what is sent to it; what a VF would send is injected behind it.
        run(f"""set -e
        ip link add name inject type veth peer name behind
        ip link set dev inject up; ip link set dev behind up
        tc qdisc add dev behind ingress
        tc filter add dev behind ingress matchall action mirred ingress redirect dev {one}
        """)
        _send("inject")
        flows = switch.appctl("ovs-vswitchd", "dpctl/dump-flows", "-m")
        offloaded = [f for f in flows.splitlines() if "offloaded:yes" in f and "dp:tc" in f]
        assert [flow for flow in offloaded if f"in_port({one})" in flow], flows
        rules = subprocess.run(
            ["tc", "filter", "show", "dev", one, "ingress"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "in_hw" in rules.stdout
    run("ip link del dev inject")


def _send(device: str) -> None:
    """Send an IPv4 packet now and then, until the switch has seen to its flow."""
    import socket

    frame = bytes.fromhex("020000000099 020000000007 0800 45000014000100004011") + bytes(50)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        for _ in range(8):
            sock.send(frame)
            time.sleep(0.2)


@pytest.mark.vm("plain")
def test_the_ovs_plugin_plugs_into_the_kernel_datapath(daemon, switch):
    """Hybrid VIFs and taps: ports with their QoS row and a ping through; nothing is left."""
    cfg.CONF.set_override("ovsdb_connection", switch.connection, group="os_vif_ovs")
    switch.vsctl("add-br", "br-int")
    before = snapshot()
    vifs = [ovs_vif(objects.VIFBridge, number=n) for n in (1, 2)]
    tap = ovs_vif(number=3, create_port=True, create_tap=True)
    with Guest() as one, Guest() as two, Hypervisor() as hypervisor:
        for number, (vif, guest) in enumerate(zip(vifs, (one, two), strict=True), 1):
            os_vif.plug(vif, INSTANCE)
            hypervisor.attach(guest, vif, f"192.0.2.{number}/24")
        os_vif.plug(tap, INSTANCE)
        assert [d for vif in (*vifs, tap) for d in os_vif.check(vif, INSTANCE)] == []
        assert len(switch.dump()["bridges"]["br-int"]["ports"]) == 4
        assert "answers" in one.ping("192.0.2.2")
        for vif in vifs:
            os_vif.plug(vif, INSTANCE)
        assert "answers" in one.ping("192.0.2.2")
    for vif in (*vifs, tap):
        os_vif.unplug(vif, INSTANCE)
    cfg.CONF.clear_override("ovsdb_connection", group="os_vif_ovs")
    assert differs(before) == []
