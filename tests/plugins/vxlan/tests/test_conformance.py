# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The suite that every plugin of os-vif passes, and two guests that ping through the overlay."""

import os_vif
import pytest
from os_vif import exception, objects
from os_vif.testing import Case, conformance
from os_vif.testing.conformance_case import configured
from os_vif.testing.guests import Guest
from os_vif.testing.private_host import Host

OPTIONS = {"local": "192.0.2.1", "remote": "192.0.2.2"}
INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
#: The other host: the kernel's own commands, without os-vif.
OTHER_HOST = """
    ip link add below type veth peer name eth0 netns {pid}
    ip address add 192.0.2.1/24 dev below
    ip link set below up
"""
OTHER_OVERLAY = """
    ip address add 192.0.2.2/24 dev eth0
    ip link set eth0 up
    ip link add overlay type vxlan id 10007 dstport 4789 local 192.0.2.2 remote 192.0.2.1
    ip address add 198.51.100.2/24 dev overlay
    ip link set overlay up
"""


def vif(number: int = 0, vlan: int = 7) -> objects.VIFBridge:
    """Return a VIF; VIFs with different numbers are on the host at the same time."""
    port_id = f"{number}1111111-2222-4333-8444-555555555555"
    return objects.VIFBridge(
        id=port_id,
        plugin="vxlan",
        address=f"02:00:00:00:00:0{number}",
        vif_name=f"tap{port_id[:11]}",
        bridge_name="brx-7",
        network=objects.Network(id="99999999-2222-4333-8444-555555555555", vlan=vlan, mtu=1400),
    )


def test_the_plugin_passes_the_conformance_suite() -> None:
    case = Case(
        "vxlan",
        vif(),
        numbered=vif,
        options=OPTIONS,
        prepare="ip link add below type veth; ip address add 192.0.2.1/24 dev below; "
        "ip link set below up",
        probe="ip link add v type vxlan id 1 dstport 4789",
        unrestored=("brx-7", "vxlan-7"),
    )
    conformance("vxlan", [case]).raise_for_failures()


def test_a_network_without_a_number_is_refused_by_field(host: Host) -> None:
    os_vif.initialize()
    with pytest.raises(exception.PlugException, match=r"vif\.network\.vlan is 5000"):
        os_vif.plug(vif(vlan=5000), INSTANCE)


def test_guests_on_two_hosts_ping_each_other(host: Host, guest: Guest) -> None:
    os_vif.initialize()
    with Guest() as other:
        host.run(OTHER_HOST.format(pid=other.pid))
        for line in OTHER_OVERLAY.strip().splitlines():
            host.run(f"nsenter --net=/proc/{other.pid}/ns/net {line.strip()}")
        with configured("os_vif_vxlan", OPTIONS):
            os_vif.plug(vif(), INSTANCE)
        host.run(f"ip link set gst01111111-22 name eth0 netns {guest.pid}")
        guest.configure("198.51.100.1/24")
        assert "198.51.100.2" in guest.ping("198.51.100.2")
        os_vif.unplug(vif(), INSTANCE)
        assert host.devices == {"lo", "below", "brx-7", "vxlan-7"}
