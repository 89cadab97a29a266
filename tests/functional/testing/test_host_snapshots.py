# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Snapshots of a host: differences that depend on the order of calls only are left out."""

from __future__ import annotations

import pytest

from os_vif.testing import host_snapshots
from os_vif.testing.private_namespaces import private_namespace, run


def bridge_with_ports(*names: str, settings: str = "") -> host_snapshots.State:
    """Return a snapshot of a bridge that devices join in the given order."""
    with private_namespace():
        run("ip link add br0 type bridge")
        for name in sorted(names):
            run(f"ip tuntap add {name} mode tap")
        for name in names:
            run(f"ip link set {name} master br0")
        if settings:
            run(f"bridge link set dev p1 {settings}")
        return host_snapshots.without_addresses(host_snapshots.snapshot())


@pytest.mark.usefixtures("namespace")
def test_the_order_in_which_devices_join_a_bridge_is_no_difference():
    """The kernel numbers the ports in that order: concurrent calls get the numbers by chance."""
    first, second = bridge_with_ports("p1", "p2"), bridge_with_ports("p2", "p1")
    assert host_snapshots.changes(first, second) == []


@pytest.mark.usefixtures("namespace")
def test_a_setting_of_a_bridge_port_is_a_difference():
    first, second = bridge_with_ports("p1"), bridge_with_ports("p1", settings="isolated on")
    assert host_snapshots.changes(first, second) == [
        "/links[p1]/linkinfo/info_slave_data/isolated: False became True"
    ]
