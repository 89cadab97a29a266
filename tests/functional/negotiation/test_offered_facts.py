# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""os_vif.offer() on a host: facts of Open vSwitch and of network cards."""

from __future__ import annotations

import socket

import os_vif
from os_vif.testing.fake_card import Sysfs


def test_facts_of_open_vswitch(br_int):
    """Datapath types of the bridges, and the physical networks of OVN."""
    offer = os_vif.offer("host-a")
    assert offer.datapath_types == ["netdev"]
    assert offer.interface_types == []
    assert "physical_networks" not in offer
    br_int.vsctl(
        "set",
        "Open_vSwitch",
        ".",
        "external_ids:ovn-bridge-mappings=physnet2:br-2,physnet1:br-1",
        "external_ids:ovn-bridge-datapath-type=system",
    )
    offer = os_vif.offer()
    assert offer.host == socket.gethostname()
    assert offer.datapath_types == ["netdev", "system"]
    assert offer.physical_networks == ["physnet1", "physnet2"]


def test_a_host_without_open_vswitch(namespace, ovs_options, tmp_path):
    """The facts of the switch are unknown; the plugins are offered."""
    ovs_options(ovsdb_connection=f"unix:{tmp_path}/missing", ovs_vsctl_timeout=1)
    offer = os_vif.offer()
    assert "datapath_types" not in offer
    assert "ovs" in [plugin.name for plugin in offer.plugins]


def test_a_card_with_representors(namespace, tmp_path, monkeypatch):
    """A physical function in switchdev mode offers representors; the kernel has no vDPA."""
    sysfs = Sysfs(tmp_path)
    sysfs.shown(monkeypatch)
    assert os_vif.offer().offloads == []
    sysfs.physical("0000:03:00.0", "eth0", ["0000:03:00.2"])
    assert os_vif.offer().offloads == []
    sysfs.port("eth0", "0123abcd", "p0")
    assert os_vif.offer().offloads == ["representor"]
