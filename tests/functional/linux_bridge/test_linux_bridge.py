# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``linux_bridge`` plugin through the facade, the real daemon and the real kernel."""

from __future__ import annotations

import pathlib

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS
from os_vif.steps import SetLink
from os_vif.testing.guests import Guest, Hypervisor
from os_vif.testing.host_snapshots import ip, snapshot
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")


def sysctl(family: str, device: str, key: str) -> str:
    return pathlib.Path("/proc/sys/net", family, "conf", device, key).read_text().strip()


def test_plug_makes_a_bridge_as_the_plugin_says(vif, instance):
    """The bridge is up, marked, has the network's MTU, and forwards at once."""
    os_vif.plug(vif, instance)
    (bridge,) = ip("link", "show", "brq-test")
    data = bridge["linkinfo"]["info_data"]
    assert bridge["mtu"] == 1450
    assert "UP" in bridge["flags"]
    assert bridge["ifalias"] == MANAGED_ALIAS
    assert (data["forward_delay"], data["stp_state"], data["mcast_snooping"]) == (0, 0, 0)
    # The kernel's default: what a bridge forgets at once it floods (LP 1837252).
    assert data["ageing_time"] == 30000


def test_the_host_is_not_reachable_through_the_bridge(vif, instance):
    """No IPv6 address, and no answer to ARP for addresses of other devices."""
    os_vif.plug(vif, instance)
    assert sysctl("ipv6", "brq-test", "disable_ipv6") == "1"
    assert sysctl("ipv4", "brq-test", "arp_ignore") == "1"
    assert sysctl("ipv4", "brq-test", "arp_announce") == "2"
    assert not [a for link in ip("address", "show", "brq-test") for a in link["addr_info"]]


def test_the_mtu_is_the_option_where_the_network_has_none(vif, instance):
    """[os_vif_linux_bridge]network_device_mtu stands in."""
    vif.network.mtu = None
    os_vif.plug(vif, instance)
    assert ip("link", "show", "brq-test")[0]["mtu"] == 1500


def test_the_parent_of_a_vlan_is_set_up_after_the_vlan_is_in_the_bridge(instance):
    """A plug that dies before that leaves nothing up; an unplug keeps a bridge with its VLAN."""
    run("ip link add name uplink type veth peer name far")
    vif = bridge_vif(1)
    vif.network.bridge_interface = "uplink"
    vif.network.should_provide_vlan, vif.network.vlan = True, 7
    steps = [step for step in os_vif.plan(vif, instance) if isinstance(step, SetLink)]
    assert [(s.name, s.master, s.up) for s in steps if s.name != "brq-test"] == [
        ("vlan7", "brq-test", None),
        ("uplink", None, True),
        ("vlan7", "brq-test", True),
    ]


def test_the_printed_commands_do_the_same(vif, instance):
    """What plan() shows can be typed, to the same end."""
    for command in str(os_vif.plan(vif, instance)).splitlines():
        run(command)
    # Who uses the bridge is noted by os-vif alone.
    assert {difference.step for difference in os_vif.check(vif, instance)} == {"AddBridgeUser"}
    typed = snapshot()
    for command in str(os_vif.plan(vif, instance, unplug=True)).splitlines():
        run(command)
    os_vif.plug(vif, instance)
    plugged = snapshot()
    # What root notes for itself is not typed.
    assert typed.pop("files") != plugged.pop("files")
    for link in (*typed["links"], *plugged["links"]):
        if link["ifname"] == "brq-test":
            # Those of one device and no other.
            del link["ifindex"], link["address"]
            for key in ("bridge_id", "root_id"):
                del link["linkinfo"]["info_data"][key]
    assert plugged == typed


def test_plan_and_check_change_nothing(vif, instance):
    """They only read."""
    before = snapshot()
    os_vif.plan(vif, instance)
    os_vif.plan(vif, instance, unplug=True)
    assert [str(d) for d in os_vif.check(vif, instance)] == [
        "brq-test: device is missing, should be a bridge"
    ]
    assert snapshot() == before


@pytest.mark.parametrize(
    ("damage", "attribute"),
    [
        ("ip link set brq-test mtu 1300", "MTU"),
        ("ip link set brq-test down", "state"),
        ("sysctl -qw net/ipv6/conf/brq-test/disable_ipv6=0", "disable_ipv6"),
        ("sysctl -qw net/ipv4/conf/brq-test/arp_ignore=0", "arp_ignore"),
        ("sysctl -qw net/ipv4/conf/brq-test/arp_announce=0", "arp_announce"),
        ("ip link del brq-test", "device"),
    ],
)
def test_check_finds_a_change_and_plug_mends_it(vif, instance, damage, attribute):
    """Whatever somebody does to the bridge, plugging again converges."""
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()
    run(damage)
    assert [d.attribute for d in os_vif.check(vif, instance)] == [attribute]
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()


def test_plug_again_changes_nothing(vif, instance):
    """The second plug leaves even the bridge's index and MAC address."""
    os_vif.plug(vif, instance)
    before = snapshot()
    os_vif.plug(vif, instance)
    assert snapshot() == before


def test_unplug_leaves_nothing(vif, instance):
    """Unplug undoes plug; once more, or without a plug before, is no error."""
    before = snapshot()
    os_vif.unplug(vif, instance)
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    assert snapshot() == before
    os_vif.unplug(vif, instance)
    assert snapshot() == before


def test_a_bridge_of_others_is_used_and_stays(vif, instance):
    """A bridge without our mark is joined as it is, and survives unplug."""
    run("ip link add brq-test type bridge stp_state 1 forward_delay 400")
    run("ip link set dev brq-test up && ip address add 2001:db8::1/64 dev brq-test nodad")
    addresses = snapshot()["addresses"]
    os_vif.plug(vif, instance)
    # It may be the host's own: IPv6 stays on.
    assert snapshot()["addresses"] == addresses
    # Nothing notes who uses it: the guest's device tells.
    assert {difference.step for difference in os_vif.check(vif, instance)} == {"AwaitedPort"}
    (bridge,) = ip("link", "show", "brq-test")
    assert bridge["linkinfo"]["info_data"]["stp_state"] == 1
    assert bridge["mtu"] == 1450
    assert "ifalias" not in bridge
    os_vif.unplug(vif, instance)
    assert ip("link", "show", "brq-test")


def test_a_bridge_with_another_guest_in_it_stays(vif, instance):
    """Unplugging one VIF cuts nobody else off."""
    other = bridge_vif(2)
    os_vif.plug(vif, instance)
    os_vif.plug(other, instance)
    with Guest() as guest, Hypervisor() as hypervisor:
        hypervisor.attach(guest, other, "192.0.2.2/24")
        os_vif.unplug(vif, instance)
        assert os_vif.check(other, instance) == ()
    os_vif.unplug(other, instance)
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_guests_on_one_bridge_reach_each_other(vif, instance):
    """Packets pass, also after a plug of what is plugged."""
    other = bridge_vif(2)
    os_vif.plug(vif, instance)
    os_vif.plug(other, instance)
    with Guest() as first, Guest() as second, Hypervisor() as hypervisor:
        hypervisor.attach(first, vif, "192.0.2.1/24")
        hypervisor.attach(second, other, "192.0.2.2/24")
        assert "192.0.2.2 answers" in first.ping("192.0.2.2")
        os_vif.plug(vif, instance)
        assert "192.0.2.1 answers" in second.ping("192.0.2.1")


def test_a_device_of_another_kind_is_refused(vif, instance):
    """A name that is taken is said, with what took it, and nothing changes."""
    run("ip link add brq-test type veth peer name other")
    before = snapshot()
    with pytest.raises(exception.PlugException, match="brq-test is a device of kind veth") as info:
        os_vif.plug(vif, instance)
    assert isinstance(info.value.__cause__, exception.StepFailed)
    assert snapshot() == before
    assert str(os_vif.check(vif, instance)[0]) == (
        "brq-test: device is a device of kind veth, should be a bridge"
    )


@pytest.mark.parametrize(
    "flags",
    [{"should_provide_bridge": False}, {"multi_host": True}],
    ids=["neutron", "multi_host"],
)
def test_nothing_to_do_where_others_make_the_bridge(vif, instance, flags):
    """With Neutron, plug and unplug change nothing; check tells what the hypervisor has to do."""
    for flag, value in flags.items():
        setattr(vif.network, flag, value)
    before = snapshot()
    os_vif.plug(vif, instance)
    assert snapshot() == before
    assert len(os_vif.plan(vif, instance)) == 0
    (difference,) = os_vif.check(vif, instance)
    assert str(difference) == (
        f"{vif.vif_name}: device is missing, should be a port of brq-test (waits for the hypervisor)"
    )
    os_vif.unplug(vif, instance)
    assert snapshot() == before


def _network(**values: object) -> objects.Network:
    return objects.Network(should_provide_bridge=True, **values)


def _vlan(number: int | None) -> objects.Network:
    return _network(should_provide_vlan=True, bridge_interface="eth0", vlan=number)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bridge_name": "sixteen-bytes-xx"}, "vif.bridge_name"),
        ({"bridge_name": "with space"}, "vif.bridge_name"),
        ({"bridge_name": "with/slash"}, "vif.bridge_name"),
        ({"bridge_name": ".."}, "vif.bridge_name"),
        ({"bridge_name": "br%d"}, "vif.bridge_name"),
        ({"bridge_name": "all"}, "vif.bridge_name"),
        ({"bridge_name": ""}, "vif.bridge_name"),
        ({"network": None}, "vif.network"),
        ({"network": _network(mtu=67)}, "vif.network.mtu"),
        ({"network": _network(mtu=65536)}, "vif.network.mtu"),
        ({"network": _network(mtu=-1)}, "vif.network.mtu"),
        ({"network": _network(bridge_interface="eth0")}, "vif.network.bridge_interface"),
        ({"network": _network(bridge_interface="lo")}, "vif.network.bridge_interface"),
        ({"network": _network(bridge_interface="brq-test")}, "vif.network.bridge_interface"),
        ({"network": _network(bridge_interface="with space")}, "vif.network.bridge_interface"),
        ({"network": _network(should_provide_vlan=True)}, "vif.network.bridge_interface"),
        ({"network": _vlan(None)}, "vif.network.vlan"),
        ({"network": _vlan(0)}, "vif.network.vlan"),
        ({"network": _vlan(4095)}, "vif.network.vlan"),
        ({"id": "line\nbreak"}, "vif.id"),
    ],
)
def test_bad_input_is_refused_by_name_before_anything_is_touched(vif, instance, changes, field):
    """One error, which names the field and what was expected."""
    for name, value in changes.items():
        setattr(vif, name, value)
    before = snapshot()
    with pytest.raises(exception.PlugException, match=field.replace(".", r"\.")) as info:
        os_vif.plug(vif, instance)
    assert isinstance(info.value.__cause__, exception.InvalidField)
    assert "expected" in str(info.value)
    assert snapshot() == before
    with pytest.raises(exception.PlanException, match=field.replace(".", r"\.")):
        os_vif.plan(vif, instance)


def test_a_vif_of_another_class_is_refused(instance):
    """The plugin plugs bridges; anything else is an error that says so."""
    vif = objects.VIFGeneric(plugin="linux_bridge", vif_name="tap1", network=_network())
    with pytest.raises(exception.PlugException, match="VIFGeneric; expected a VIFBridge"):
        os_vif.plug(vif, instance)
