# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Remains of unplugged VIFs are left over; devices and ports of other programs are not listed."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import objects
from os_vif.testing.host_snapshots import differences, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

_IDS = (
    "external_ids:iface-id=d0000000-0000-4000-8000-00000000000{} external_ids:iface-status=active"
)
_MAC = r"external_ids:attached-mac=fa\:16\:3e\:00\:00\:09"


def left_over():
    """Return the only entry, which is left over."""
    (entry,) = os_vif.inventory()
    assert (entry.state, len(entry.reasons)) == ("left over", 1)
    return entry


def unplug(entry):
    """Unplug an entry, and check that the host has no further entry."""
    os_vif.unplug(entry.vif, entry.instance)
    assert os_vif.inventory() == ()


def test_devices_and_ports_of_other_programs_are_not_listed(br_int):
    """Create ports of Neutron's agents, OVN and OVN-Kubernetes, with some keys of a VIF."""
    run("""
        ip link add name brq-neutron type bridge
        ip link add name tap-dhcp type veth peer name ns-dhcp
        ip link add name vethc type veth peer name eth-pod
        ip link add name vlan7 type bridge
        ip tuntap add dev tap0 mode tap
    """)
    agents = _IDS + " " + _MAC
    for number, (name, keys) in enumerate(
        (
            ("qr-router", f"type=internal {agents}"),
            ("tap-dhcp", agents),
            ("tap-meta", _IDS.split(maxsplit=1)[0]),
            ("vethc", f"{_IDS.split(maxsplit=1)[0]} external_ids:sandbox=1"),
            ("tpt-trunk", f"type=patch options:peer=tpi-trunk {agents}"),
            ("vhu-other", f"type=dpdkvhostuser {_IDS.split(maxsplit=1)[0]}"),
            ("eth9", "mtu_request=1500"),
        )
    ):
        br_int.vsctl(
            *("--no-wait", "add-port", "br-int", name, "--", "set", "Interface", name),
            *(keys.format(number).split()),
        )
    found = os_vif.inventory()
    assert (found, found.errors) == ((), ())


def test_two_vifs_of_a_bridge_are_two_entries(namespace, instance):
    """Unplug an entry; the bridge stays for the second VIF."""
    first, second = bridge_vif(1), bridge_vif(2)
    for vif in (first, second):
        os_vif.plug(vif, instance)
    entries = os_vif.inventory()
    assert [entry.id for entry in entries] == [first.id, second.id]
    assert {entry.bridge for entry in entries} == {"brq-test"}
    os_vif.unplug(entries[0].vif, entries[0].instance)
    (entry,) = os_vif.inventory()
    assert (entry.id, entry.state) == (second.id, "right")
    unplug(entry)
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_a_bridge_that_was_in_use_at_the_unplug_is_left_over(namespace, vif, instance):
    """Unplug before the runtime deletes the pod's device, as Kuryr does; the bridge stays."""
    os_vif.plug(vif, instance)
    run("ip link add name veth0 type veth peer name eth0; ip link set dev veth0 master brq-test")
    os_vif.unplug(vif, instance)
    assert os_vif.inventory() == ()
    run("ip link del dev veth0")
    entry = left_over()
    assert (entry.id, entry.bridge, entry.kind) == ("brq-test", "brq-test", "VIFBridge")
    assert entry.reasons == (
        "the bridge brq-test of os-vif has neither a recorded VIF nor a port",
    )
    unplug(entry)
    assert [link["ifname"] for link in ip("link")] == ["lo"]


@pytest.mark.parametrize("removed", ["port", "pair", "port and bridge"])
def test_halves_of_a_hybrid_vif_are_left_over(br_int, instance, removed):
    """Expect the part of the id in the names of the devices."""
    before = without_indexes(snapshot())
    vif = ovs_vif(objects.VIFBridge)
    os_vif.plug(vif, instance)
    part = vif.id[:11]
    br_int.vsctl("del-port", f"qvo{part}")
    if removed == "pair":
        run(f"ip link del dev qvb{part}")
    if removed == "port and bridge":
        run(f"ip link del dev qbr{part}")
    run("rm -f /run/os-vif/vif-*")
    entry = left_over()
    assert (entry.id, entry.kind, entry.way) == (part, "VIFBridge", "hybrid")
    assert vif.id.startswith(entry.id)
    unplug(entry)
    assert differences(before, indexes=False) == []


def test_a_tap_device_without_a_port_is_left_over(br_int, instance):
    """Delete the port as an operator."""
    before = without_indexes(snapshot())
    vif = ovs_vif(create_port=True, create_tap=True)
    os_vif.plug(vif, instance)
    br_int.vsctl("del-port", vif.vif_name)
    run("rm -f /run/os-vif/vif-*")
    entry = left_over()
    assert (entry.id, entry.devices) == (vif.id[:11], (vif.vif_name,))
    unplug(entry)
    assert differences(before, indexes=False) == []


def test_a_bridge_of_a_single_vif_without_the_patch_port_is_left_over(
    br_int, ovs_options, instance
):
    """Create the bridge by the option ``per_port_bridge``."""
    before = without_indexes(snapshot())
    ovs_options(per_port_bridge=True)
    vif = ovs_vif(datapath_type="netdev")
    os_vif.plug(vif, instance)
    br_int.vsctl("del-port", f"ibp{vif.id}")
    run("rm -f /run/os-vif/vif-*")
    entry = left_over()
    assert (entry.id, entry.kind) == (vif.id, "VIFOpenVSwitch")
    unplug(entry)
    assert differences(before, indexes=False) == []


def test_a_record_without_devices_is_left_over(namespace, vif, instance):
    """Delete the bridge by another program."""
    os_vif.plug(vif, instance)
    run("ip link del dev brq-test")
    entry = left_over()
    assert (entry.id, entry.owner is not None) == (vif.id, True)
    assert "only the record remains" in entry.reasons[0]
    unplug(entry)


def test_a_tap_device_in_a_bridge_of_neutron_is_a_vif(namespace):
    """Create the bridge as Neutron and the public 4.3.1, and the tap device as libvirt."""
    run("""
        ip link add name brq12345678-9a type bridge
        ip tuntap add dev tap5a1d3c2e-0b mode tap
        ip link set dev tap5a1d3c2e-0b master brq12345678-9a
        ip tuntap add dev vnet0 mode tap
        ip link set dev vnet0 master brq12345678-9a
    """)
    before = snapshot()
    (entry,) = os_vif.inventory()
    found = (entry.id, entry.kind, entry.plugin, entry.port, entry.bridge, str(entry.state))
    bridge, tap = "brq12345678-9a", "tap5a1d3c2e-0b"
    assert found == ("5a1d3c2e-0b", "VIFBridge", "linux_bridge", tap, bridge, "right")
    assert len(os_vif.plan(entry.vif, entry.instance, unplug=True)) == 0
    os_vif.unplug(entry.vif, entry.instance)
    assert differences(before) == []


def collect(*keep):
    """Collect at once all VIFs that are not in a keep list, and return the outcomes."""
    report = os_vif.collect(
        [*keep, "other"],
        unowned=True,
        pending=True,
        keep_unmatched=True,
        older_than=0,
        observations=1,
    )
    return [str(result.outcome) for result in report.results]


def test_a_keep_list_keeps_remains_of_the_vif(br_int, instance):
    """Compare the full id in the list with the known characters of the id."""
    vif = ovs_vif(objects.VIFBridge)
    os_vif.plug(vif, instance)
    br_int.vsctl("del-port", f"qvo{vif.id[:11]}")
    run("rm -f /run/os-vif/vif-*")
    assert collect(vif.id) == []
    assert left_over().id == vif.id[:11]
    assert collect() == ["removed"]
    assert os_vif.inventory() == ()


def test_a_vif_in_a_bridge_of_neutron_is_not_collected(namespace):
    """Create the devices of other programs."""
    run("""
        ip link add name brq12345678-9a type bridge
        ip tuntap add dev tap5a1d3c2e-0b mode tap
        ip link set dev tap5a1d3c2e-0b master brq12345678-9a
    """)
    assert collect() == ["spared"]
