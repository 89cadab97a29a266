# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Names of bridges and ports that are longer than those of the kernel's devices."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine import runner
from os_vif.steps import EnsureVeth
from os_vif.steps.ovs.bridge import DeleteOvsBridge, EnsureOvsBridge
from os_vif.steps.ovs.port import EnsureOvsPort
from os_vif.steps.plan import OvsdbTarget, Plan
from os_vif.testing.host_snapshots import differences, ip, snapshot
from testbed.ovs import row
from tests.support.cases import ovs_vif
from tests.support.ovs.vifs import guest_on
from tests.support.requirements import require_tun
from vif_plug_ovs import privsep
from vif_plug_ovs.ovsdb import ovsdb_lib

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
LONG = "br-provider-network-1"
#: The longest that os-vif takes.
LONGEST = "b" * 249
DAEMON = privsep.__name__
NETDEV = {"datapath_type": "netdev"}
TAP = NETDEV | {"create_port": True, "create_tap": True}
#: Each way of plugging into a bridge in user space.
VIFS = {
    "bridge only": lambda bridge: ovs_vif(bridge=bridge, **NETDEV),
    "tap": lambda bridge: ovs_vif(bridge=bridge, **TAP),
    "hybrid": lambda bridge: ovs_vif(objects.VIFBridge, bridge, **NETDEV),
    "vhost-user": lambda bridge: ovs_vif(objects.VIFVHostUser, bridge, **NETDEV),
    "vhost-user by default": lambda bridge: ovs_vif(objects.VIFVHostUser, bridge),
}


@pytest.mark.short_form(4)
@pytest.mark.parametrize(
    ("kind", "bridge"),
    [*((kind, LONG) for kind in VIFS), ("vhost-user", "é" * 8), ("tap", "tbr-" + "0" * 12),
     ("vhost-user", "tbr-" + "0" * 12), ("vhost-user by default", LONGEST)],
)  # fmt: skip
def test_a_bridge_in_user_space_may_have_a_long_name(br_int, kind, bridge):
    """It is made, opens, and holds; a trunk's goes with its VIF."""
    require_tun()
    vif = VIFS[kind](bridge)
    before = snapshot()
    for _ in range(2):
        os_vif.plug(vif, INSTANCE)
        assert [found for found in os_vif.check(vif, INSTANCE) if not found.pending] == []
    assert row(br_int, "Bridge", bridge, "datapath_type") == ["netdev"]
    assert row(br_int, "Interface", bridge, "ofport") == ["65534"]
    if bridge.isascii():
        # Its device has the beginning of its name.
        assert bridge[:15] in {link["ifname"] for link in ip("link")}
    os_vif.unplug(vif, INSTANCE)
    there = bridge in br_int.vsctl("list-br").split()
    assert there == (not bridge.startswith("tbr-"))
    br_int.vsctl("--if-exists", "del-br", bridge)
    assert differences(before) == []


def test_two_bridges_that_begin_alike_both_work(br_int):
    """ovs-vswitchd gives the second no device, and yet forwards: packets pass, as with 5.3.0."""
    require_tun()
    vifs = [ovs_vif(bridge=f"br-provider-network-{n}", number=n, **TAP) for n in (1, 2)]
    for vif in vifs:
        os_vif.plug(vif, INSTANCE)
        assert os_vif.check(vif, INSTANCE) == ()
    second = ovs_vif(bridge="br-provider-network-2", number=3, **TAP)
    os_vif.plug(second, INSTANCE)
    error = br_int.vsctl("get", "Interface", "br-provider-network-2", "error")
    assert "Device or resource busy" in error
    with guest_on(vifs[1], "192.0.2.1/24") as near, guest_on(second, "192.0.2.2/24"):
        near.ping("192.0.2.2")


def test_packets_pass_between_ports_of_a_bridge_with_a_long_name(br_int):
    require_tun()
    vifs = [ovs_vif(bridge=LONG, number=n, **TAP) for n in (1, 2)]
    for vif in vifs:
        os_vif.plug(vif, INSTANCE)
    with guest_on(vifs[0], "192.0.2.1/24") as near, guest_on(vifs[1], "192.0.2.2/24"):
        near.ping("192.0.2.2")


SYSTEM = {
    "by default": lambda: ovs_vif(bridge=LONG),
    "by name": lambda: ovs_vif(bridge=LONG, datapath_type="system"),
    "tap": lambda: ovs_vif(bridge=LONG, create_port=True, create_tap=True),
    "hybrid": lambda: ovs_vif(objects.VIFBridge, LONG),
    "trunk": lambda: ovs_vif(bridge="tbr-" + "0" * 12, create_port=True, create_tap=True),
    "vhost-user": lambda: ovs_vif(objects.VIFVHostUser, LONG, datapath_type="system"),
}


@pytest.mark.short_form(2)
@pytest.mark.parametrize("name", SYSTEM)
def test_the_kernel_s_datapath_refuses_a_long_name(br_int, name):
    """Before anything is touched, and with what may have one; unplugging goes on all the same."""
    vif = SYSTEM[name]()
    before = snapshot()
    with pytest.raises(exception.PlugException) as info:
        os_vif.plug(vif, INSTANCE)
    said = str(info.value)
    assert (
        f"vif.network.bridge is '{vif.network.bridge}', for a bridge of datapath_type system; "
        "expected a device name of 1 to 15 bytes" in said
    )
    assert "a longer name is for a bridge in user space, of datapath_type netdev" in said
    assert snapshot() == before
    os_vif.unplug(vif, INSTANCE)
    assert snapshot() == before


def test_the_bridge_that_is_there_decides(br_int):
    """One in user space is used whatever the VIF says; one of the kernel's is refused."""
    br_int.vsctl("add-br", LONG, "--", "set", "Bridge", LONG, "datapath_type=netdev")
    vif = ovs_vif(objects.VIFBridge, LONG)
    os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()
    os_vif.unplug(vif, INSTANCE)
    br_int.vsctl("--no-wait", "set", "Bridge", LONG, "datapath_type=system")
    vif = ovs_vif(objects.VIFVHostUser, LONG)
    with pytest.raises(exception.PlugException, match="for a bridge of datapath_type system"):
        os_vif.plug(vif, INSTANCE)


def test_a_name_that_is_too_long_for_any_bridge_is_refused(br_int):
    vif = ovs_vif(objects.VIFVHostUser, LONGEST + "b")
    before = snapshot()
    with pytest.raises(exception.PlugException, match="a bridge's name of 1 to 249 bytes"):
        os_vif.plug(vif, INSTANCE)
    assert snapshot() == before


def test_a_failed_plan_restores_a_bridge_with_a_long_name(br_int):
    """And its ports; a step without a datapath makes no bridge of a long name."""
    switch, bridge = OvsdbTarget(br_int.connection, 10), "tbr-" + "0" * 12
    patch = EnsureOvsPort(bridge, "patch-port-with-a-long-name", "patch", options=(("peer", "x"),))
    runner.run(Plan(EnsureOvsBridge(bridge, "netdev"), patch, switch=switch), DAEMON)
    before = br_int.dump()
    plan = Plan(
        DeleteOvsBridge(bridge),
        EnsureVeth("a", "b"),
        EnsureOvsBridge("br-sixteen-bytes"),
        switch=switch,
    )
    with pytest.raises(
        exception.StepFailed, match="EnsureOvsBridge failed on br-sixteen-bytes: br-six"
    ):
        runner.run(plan, DAEMON)
    assert br_int.dump() == before
    assert "a" not in {link["ifname"] for link in ip("link")}
    with pytest.raises(exception.InvalidStep, match="of datapath_type netdev"):
        EnsureOvsBridge("br-sixteen-bytes", "system")


@pytest.mark.parametrize("kind", ["dpdkvhostuser", "dpdkvhostuserclient"])
def test_old_calls_take_long_names_of_vhost_user_ports(br_int, ovs_options, kind):
    """The port, its MTU and its end; there is no device that could be set or deleted."""
    from oslo_config import cfg

    name = "vhu-port-with-a-long-name"
    before = snapshot()
    old = ovsdb_lib.BaseOVS(cfg.CONF.os_vif_ovs)
    old.create_ovs_vif_port(LONG, name, "an-id", "fa:16:3e:00:00:01", "an-instance", mtu=1450,
                            interface_type=kind, datapath_type="netdev")  # fmt: skip
    assert row(br_int, "Interface", name, "type", "mtu_request") == [kind, "1450"]
    old.update_ovs_vif_port(name, mtu=1400, interface_type=kind)
    assert row(br_int, "Interface", name, "mtu_request") == ["1400"]
    old.update_ovs_vif_port(name, mtu=1300)
    assert old.port_exists(name, LONG)
    old.delete_ovs_vif_port(LONG, name)
    assert not old.port_exists(name, LONG)
    br_int.vsctl("del-br", LONG)
    assert differences(before) == []
