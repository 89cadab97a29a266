# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A device is what the kernel calls it: an alternative name (``altname``) is for users only."""

from __future__ import annotations

import errno

import pytest

import os_vif
from os_vif import exception
from os_vif.host.netlink import rtnetlink
from os_vif.host.sriov import switch_ports
from os_vif.steps import (
    AddBridgeUser,
    DeleteAddress,
    DeleteBridge,
    DeleteLink,
    EnsureAddress,
    EnsureBridge,
    EnsureMacvlan,
    EnsureTap,
    EnsureVeth,
    EnsureVlan,
    MoveLink,
    RemoveBridgeUser,
    RenameLink,
    SetLink,
    SetSysctl,
)
from os_vif.steps.kernel_step import KernelStep
from os_vif.testing.host_snapshots import ip, snapshot, state_files
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.requirements import require, require_tun
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("namespace")

_LONG = "uplink-of-the-first-card-in-slot-3"


@pytest.fixture
def net(namespace):
    require("ip link add name a type dummy || ip link add name a type bridge\n"
            "ip link property add dev a altname b")  # fmt: skip
    with rtnetlink.opened() as net:
        yield net


@pytest.fixture
def foreign(net):
    """Another program's devices, whose alternative names are those of a VIF's."""
    run(
        "ip link add name theirs type veth peer name end; ip link set dev theirs up;"
        "ip link property add dev theirs altname taken;"
        "ip link add name br0 type bridge; ip link property add dev br0 altname taken-bridge"
    )


def test_a_link_has_one_name_and_is_resolved_by_others(net, foreign):
    """Also with what was read before, and by a name longer than the kernel's own may be."""
    run(f"ip link property add dev theirs altname {_LONG}")
    for _ in range(2):
        with net.cached() as cached:
            assert cached.link("taken") is None
            assert cached.resolve("taken") == cached.link("theirs") == cached.resolve("theirs")
            assert cached.resolve(_LONG) == cached.link("theirs")
            assert (
                cached.link("taken") is cached.link(_LONG) is cached.resolve("missing" * 3) is None
            )
    with pytest.raises(OSError, match="no device taken: that is an alternative name of theirs"):
        net.require("taken")
    assert [port.name for port in switch_ports.links("taken", "theirs")] == ["theirs"]


_GONE: list[KernelStep] = [
    DeleteLink("taken", include_unmanaged=True),
    DeleteBridge("taken-bridge", include_unmanaged=True),
    DeleteAddress("taken", "192.0.2.1/24"),
    AddBridgeUser("taken-bridge", "vif"),
    RemoveBridgeUser("taken-bridge", "vif"),
    SetLink("taken", up=False, mtu=1400, missing_ok=True),
    SetSysctl("taken", "disable_ipv6", 1),
    RenameLink("taken", "other", missing_ok=True),
]


@pytest.mark.parametrize("step", _GONE, ids=lambda step: type(step).__name__)
def test_nothing_is_done_to_a_device_by_an_alternative_name(net, foreign, step):
    """A foreign device whose altname was that of a VIF's device was deleted by unplug."""
    run("ip link set dev theirs alias os-vif; ip link set dev br0 alias os-vif")
    run("ip address add 192.0.2.1/24 dev theirs")
    before = snapshot()
    assert step.apply(net) == ()
    assert snapshot() == before
    assert state_files() == {}


_NEEDED: list[KernelStep] = [
    SetLink("taken", mtu=1400),
    SetLink("end", master="taken-bridge"),
    EnsureAddress("taken", "192.0.2.1/24"),
    EnsureMacvlan("macvlan", "taken"),
    EnsureVlan("vlan", "taken", 5),
    RenameLink("taken", "other"),
    MoveLink("taken", "1"),
]


@pytest.mark.parametrize("step", _NEEDED, ids=str)
def test_what_has_to_be_there_is_missed_by_name(net, foreign, step):
    """The error says whose alternative name it is."""
    before = snapshot()
    with pytest.raises(OSError, match=r"that is an alternative name of (theirs|br0)") as info:
        step.apply(net)
    assert info.value.errno == errno.ENODEV
    assert snapshot() == before


_MADE: list[KernelStep] = [
    EnsureBridge("taken"),
    EnsureVeth("taken", "qvo"),
    EnsureVeth("qvb", "taken"),
    EnsureVlan("taken", "end", 5),
    EnsureMacvlan("taken", "end"),
    EnsureTap("taken"),
    RenameLink("end", "taken"),
]


@pytest.mark.parametrize("step", _MADE, ids=str)
def test_no_device_is_made_under_an_alternative_name(net, foreign, step):
    """The kernel says EEXIST; the error says whose alternative name it is, and what to do."""
    if isinstance(step, EnsureTap):
        require_tun()
    before = snapshot()
    with pytest.raises(OSError, match="taken is an alternative name of theirs") as info:
        step.apply(net)
    assert info.value.errno == errno.EEXIST
    assert snapshot() == before
    if not isinstance(step, RenameLink | EnsureVeth):
        (difference,) = step.differences(net)
        assert difference.found == "missing (the name is an alternative name of theirs)"


@pytest.mark.usefixtures("daemon")
class TestLinuxBridge:
    """The plugin, by its daemon."""

    def test_a_bridge_that_is_found_by_an_alternative_name_is_another(self, foreign, instance):
        """It was recorded under two names, and then never deleted."""
        before = snapshot()
        vif = bridge_vif(1, bridge="taken-bridge")
        (missing, *_) = os_vif.check(vif, instance)
        assert missing.found == "missing (the name is an alternative name of br0)"
        with pytest.raises(exception.PlugException, match="taken-bridge is an alternative name"):
            os_vif.plug(vif, instance)
        os_vif.unplug(vif, instance)
        assert snapshot() == before
        assert state_files() == {}

    def test_a_bridge_of_ours_with_an_alternative_name_is_one_bridge(self, instance):
        """Who names it by the alternative one cannot keep it from going."""
        vif = bridge_vif(1)
        os_vif.plug(vif, instance)
        run("ip link property add dev brq-test altname brq-other")
        with pytest.raises(exception.PlugException, match="an alternative name of brq-test"):
            os_vif.plug(bridge_vif(2, bridge="brq-other"), instance)
        os_vif.unplug(bridge_vif(2, bridge="brq-other"), instance)
        assert list(state_files()) == ["brq-test.json"]
        os_vif.unplug(vif, instance)
        assert [link["ifname"] for link in ip("link")] == ["lo"]
        assert state_files() == {}

    @pytest.mark.parametrize("name", ["named", _LONG])
    @pytest.mark.parametrize("option", ["network", "flat_interface"])
    def test_an_uplink_may_be_named_by_any_of_its_names(self, instance, options, name, option):
        """It is in the bridge, locked and moved by the name that the kernel has."""
        run("ip link add name uplink type veth peer name far; ip link set dev far up")
        run(f"ip link set dev uplink up; ip link property add dev uplink altname {name}")
        run("ip address add 192.0.2.10/24 dev uplink")
        vif = bridge_vif(1)
        if option == "network":
            vif.network.bridge_interface = name
        else:
            options(flat_interface=name)
        plan = os_vif.plan(vif, instance)
        assert name not in {device for step in plan for device in step.devices}
        os_vif.plug(vif, instance)
        assert ip("link", "show", "uplink")[0]["master"] == "brq-test"
        assert os_vif.check(vif, instance) == ()
        # As a plug leaves it that was stopped.
        run("ip address add 192.0.2.10/24 dev uplink; ip address flush dev brq-test")
        os_vif.unplug(vif, instance)
        held = {a["local"] for a in ip("address", "show", "brq-test")[0]["addr_info"]}
        assert "192.0.2.10" in held
        assert not [a for a in ip("address", "show", "uplink")[0]["addr_info"]
                    if a["family"] == "inet"]  # fmt: skip

    def test_a_vlan_is_on_the_device_of_that_alternative_name(self, instance, options):
        """The VLAN's own name is no user's: it is made."""
        run("ip link add name uplink type veth peer name far; ip link set dev far up")
        run(f"ip link property add dev uplink altname {_LONG}")
        vif = bridge_vif(1)
        vif.network.should_provide_vlan, vif.network.vlan = True, 7
        options(vlan_interface=_LONG)
        plan = os_vif.plan(vif, instance)
        assert EnsureVlan("vlan7", "uplink", 7) in plan.steps
        assert _LONG not in str(plan)

    def test_a_device_to_forward_to_is_named_as_iptables_knows_it(self, instance, options):
        """A rule with an alternative name matches nothing."""
        run("ip link add name uplink type veth peer name far")
        run("ip link property add dev uplink altname named")
        options(forward_bridge_interface=["named"])
        vif = bridge_vif(1)
        vif.has_traffic_filtering = False
        plan = str(os_vif.plan(vif, instance))
        assert "uplink" in plan
        assert "named" not in plan


@pytest.mark.parametrize("kind", ["native", "tap", "hybrid"])
def test_unplug_of_an_ovs_vif_leaves_foreign_devices(br_int, instance, kind):
    """Of every name that a VIF's devices have."""
    vif = _ovs_vif(kind)
    for number, prefix in enumerate(("tap", "qvo", "qvb", "qbr")):
        name = f"{prefix}{vif.id}"[:14]
        kind_of = "bridge" if prefix == "qbr" else f"veth peer name end{number}"
        run(f"ip link add name theirs{number} type {kind_of}")
        run(f"ip link property add dev theirs{number} altname {name}")
    before = snapshot()
    os_vif.unplug(vif, instance)
    assert snapshot() == before


def test_a_switch_does_not_get_the_device_of_an_alternative_name(br_int, instance):
    """The hypervisor's device has yet to come: vswitchd would take the other one."""
    vif = _ovs_vif("native")
    run("ip link add name theirs type veth peer name end")
    run(f"ip link property add dev theirs altname {vif.vif_name}")
    with pytest.raises(
        exception.PlugException, match=r"vif\.vif_name.*alternative name of theirs"
    ):
        os_vif.plug(vif, instance)
    assert vif.vif_name not in br_int.vsctl("list-ports", "br-int")


def _ovs_vif(kind):
    if kind == "hybrid":
        return ovs_vif(os_vif.objects.VIFBridge)
    return ovs_vif(create_port=True, create_tap=kind == "tap")
