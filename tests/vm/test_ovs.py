# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Open vSwitch with the kernel's datapath, and with offload."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

import os_vif
from os_vif import objects
from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import changes, differences, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from testbed.ovs import Switch, row
from testbed.vm import cards
from tests.support.cases import in_kernel, ovs_vif
from tests.support.ovs.vifs import INSTANCE, TAP, VIFS, guest_on
from tests.support.vm.devices import offloaded


@pytest.mark.soak
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


@pytest.mark.soak
@pytest.mark.vm("plain")
def test_flows_between_representors_are_offloaded(tmp_path):
    """The driver takes them; it is a simulated one, which forwards nothing."""
    card = cards.netdevsim()
    card.set_vfs(2)
    run("devlink dev eswitch set netdevsim/netdevsim10 mode switchdev")
    cards.wait_until(lambda: len(card.representors()) == 2, "two representors")
    one, two = (card.representors()[f"pf0vf{n}"] for n in range(2))
    with Switch(tmp_path, "hw-offload=true") as switch:
        switch.vsctl("add-br", "br0")
        for name in (one, two):
            run(f"ethtool -K {name} hw-tc-offload on; ip link set dev {name} up")
            switch.add_port("br0", name)
        assert offloaded(switch, one)
        rules = subprocess.run(
            ["tc", "filter", "show", "dev", one, "ingress"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "in_hw" in rules.stdout


TRUNK = (
    "add-br tbr-1 -- add-port tbr-1 tpt -- set Interface tpt type=patch options:peer=tpi -- "
    "add-port br-int tpi -- set Interface tpi type=patch options:peer=tpt"
)
#: By name: the VIF, and whether it has a bridge of its own. Guests are on all of them.
WAYS = {
    "hypervisor": (VIFS["hypervisor"](1), False),
    "multiqueue": (VIFS["multiqueue"](2), False),
    "hybrid": (VIFS["hybrid"](3), False),
    "own-bridge": (VIFS["own-bridge"](4), True),
    "trunk": (ovs_vif(number=5, bridge="tbr-1", **TAP), False),
}
#: And these, which make their bridges.
WITHOUT_GUEST = (
    ovs_vif(number=6, bridge="br-new"),
    ovs_vif(objects.VIFVHostUser, number=7, bridge="br-user"),
)


@pytest.mark.vm("plain")
@pytest.mark.parametrize(
    "names",
    [("hybrid", "trunk"), pytest.param(tuple(WAYS), marks=pytest.mark.soak)],
    ids=["short", "all"],
)
def test_every_way_of_plugging_is_there_in_the_kernel_s_datapath(br_int, ovs_options, names):
    """Guests reach each other, also after a plug again with other options; nothing is left."""
    before = snapshot()
    br_int.vsctl(*TRUNK.split())
    ways = [(in_kernel(vif), own) for vif, own in map(WAYS.get, names)]

    def plug(**given):
        for vif, own in ways:
            ovs_options(per_port_bridge=own, **given)
            os_vif.plug(vif, INSTANCE)
        for vif in WITHOUT_GUEST:
            os_vif.plug(vif, INSTANCE)

    plug(default_qos_type="linux-htb")
    with contextlib.ExitStack() as stack:
        first, *others = [
            stack.enter_context(guest_on(vif, f"192.0.2.{number}/24"))
            for number, (vif, _) in enumerate(ways, 1)
        ]
        for number, _ in enumerate(others, 2):
            first.ping(f"192.0.2.{number}")
        assert "system@ovs-system" in br_int.appctl("ovs-vswitchd", "dpctl/dump-dps")
        assert row(br_int, "Bridge", "br-new", "datapath_type") == ["system"]
        assert row(br_int, "Bridge", "br-user", "datapath_type") == ["netdev"]
        plugged = br_int.dump()
        plug(default_qos_type="linux-noop", isolate_vif=True)
        assert changes(plugged, br_int.dump()) == []
        for vif, own in ways:
            ovs_options(per_port_bridge=own)
            assert os_vif.check(vif, INSTANCE) == ()
        assert [d.pending for vif in WITHOUT_GUEST for d in os_vif.check(vif, INSTANCE)] == [
            True,
            True,
        ]
        for number, _ in enumerate(others, 2):
            first.ping(f"192.0.2.{number}")
    for vif in (*(vif for vif, _ in ways), *WITHOUT_GUEST):
        os_vif.unplug(vif, INSTANCE)
    # What is Neutron's, and what stays for others.
    assert br_int.vsctl("list-ports", "br-int") == "tpi"
    assert br_int.vsctl("list-br").split() == ["br-int", "br-new", "br-user"]
    br_int.vsctl("del-port", "tpi", "--", "del-br", "br-new", "--", "del-br", "br-user")
    assert differences(without_indexes(before), indexes=False) == []
