# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``linux_bridge`` plugin with VLANs, end to end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import os_vif
from os_vif.testing.guests import Guest, Hypervisor
from os_vif.testing.host_snapshots import ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

pytestmark = [pytest.mark.vm("plain"), pytest.mark.usefixtures("daemon")]


def vlan_vif(number: int, vlan: int):
    vif = bridge_vif(number, bridge=f"brq-{vlan}")
    vif.network.bridge_interface = "uplink"
    vif.network.should_provide_vlan, vif.network.vlan = True, vlan
    return vif


@pytest.fixture
def hosts() -> Iterator[dict[int, Guest]]:
    """What is behind the uplink, by VLAN: a host on each."""
    run("ip link add name uplink type veth peer name far; ip link set dev far up")
    with Guest() as one, Guest() as two:
        found = {100: one, 200: two}
        for vlan, host in found.items():
            run(f"ip link add link far name eth0 netns {host.pid} type vlan id {vlan}")
            host.configure(f"192.0.2.{vlan}/24")
        yield found


def test_two_vlans_on_one_uplink_do_not_see_each_other(hosts, instance):
    """Each guest reaches the host on its own VLAN, and neither the other's nor the other guest."""
    before = without_indexes(snapshot())
    vifs = [vlan_vif(1, 100), vlan_vif(2, 200)]
    for vif in vifs:
        os_vif.plug(vif, instance)
        assert os_vif.check(vif, instance) == ()
    with Hypervisor() as hypervisor, Guest() as one, Guest() as two:
        hypervisor.attach(one, vifs[0], "192.0.2.1/24")
        hypervisor.attach(two, vifs[1], "192.0.2.2/24")
        assert "answers" in one.ping("192.0.2.100")
        assert "answers" in two.ping("192.0.2.200")
        for guest, hidden in ((one, "192.0.2.200"), (one, "192.0.2.2"), (two, "192.0.2.100")):
            with pytest.raises(OSError, match="does not answer"):
                guest.ping(hidden, attempts=3)
    assert tags() == {"vlan100": 100, "vlan200": 200}

    os_vif.unplug(vifs[0], instance)
    # Its bridge has an uplink: as with 4.3.1, it stays, and is ready for the next VIF.
    assert tags() == {"vlan100": 100, "vlan200": 200}
    os_vif.unplug(vifs[1], instance)
    after = without_indexes(snapshot())
    assert after["routes"] == before["routes"]
    assert after["addresses"]["uplink"] == before["addresses"]["uplink"] == []
    assert after["files"] == {}


def tags() -> dict[str, int]:
    return {
        link["ifname"]: link["linkinfo"]["info_data"]["id"]
        for link in ip("link", "show", "type", "vlan")
    }


@pytest.mark.soak
def test_guests_of_one_vlan_see_each_other(hosts, instance):
    """On one host, through one bridge."""
    vifs = [vlan_vif(1, 100), vlan_vif(2, 100)]
    for vif in vifs:
        os_vif.plug(vif, instance)
    with Hypervisor() as hypervisor, Guest() as one, Guest() as two:
        hypervisor.attach(one, vifs[0], "192.0.2.1/24")
        hypervisor.attach(two, vifs[1], "192.0.2.2/24")
        assert "answers" in one.ping("192.0.2.2")
