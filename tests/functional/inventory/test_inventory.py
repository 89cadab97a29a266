# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The inventory has one entry for each plugged VIF, found on the host alone."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

import os_vif
from os_vif.host.state.directory import STATE
from testbed.namespaces import differences, snapshot, without_indexes
from tests.support.cases import PARAMS, Case

pytestmark = pytest.mark.usefixtures("daemon")

#: The ways of plugging by the name of a case. The cases that are left out have nothing of the VIF
#: on the host: the hypervisor adds the port, or the bridge is of another program.
WAYS = {
    "bare": "bridge",
    "rules": "bridge",
    "uplink": "bridge with uplink",
    "uplink-with-addresses-and-rules": "bridge with uplink",
    "network-manager": "bridge with uplink",
    "vlan": "bridge with VLAN",
    "ovs-first-bridge": "hybrid",
    "ovs-port-of-the-hypervisor": "port",
    "ovs-tap": "tap",
    "ovs-own-bridge": "per-port bridge",
    "ovs-own-bridge-of-the-hypervisor": "per-port bridge",
    "ovs-trunk": "trunk",
    "ovs-hybrid": "hybrid",
    "ovs-vhost-user": "vhost-user",
    "ovs-vhost-user-client": "vhost-user",
    "ovs-representor": "representor",
    "ovs-representor-of-dpdk": "DPDK representor",
    "sriov-host-device": "virtual function",
    "sriov-macvtap-passthrough": "macvtap",
    "sriov-macvtap-vepa": "macvtap",
    "sriov-macvtap-bridge": "macvtap",
}


@pytest.fixture(params=PARAMS)
def case(request, daemon) -> Iterator[Case]:
    """A host as the case has it."""
    with request.param.prepared():
        yield request.param


def forget_records() -> None:
    """Delete the records of plugged VIFs, as on a host of the public os-vif."""
    for path in pathlib.Path(STATE.path).glob("vif-*"):
        path.unlink()


def test_the_host_alone_tells_each_way_of_plugging(case, instance):
    """Without a record the entry has id, class, plugin, way, instance, state, and a VIF whose
    unplug plan is that of the real VIF; the unplug leaves the host as an unplug of the real VIF.
    """
    if case.name not in WAYS:
        pytest.skip("nothing of the VIF is on the host")
    nothing = os_vif.inventory()
    assert (nothing, nothing.errors) == ((), ())
    os_vif.plug(case.vif, instance)
    if not case.loses_bridge:
        os_vif.unplug(case.vif, instance)
    unplugged = without_indexes(snapshot())
    os_vif.plug(case.vif, instance)
    forget_records()
    (entry,) = os_vif.inventory()
    expected = case.vif.id, case.vif.obj_name(), case.vif.plugin, WAYS[case.name]
    assert (entry.id, entry.kind, entry.plugin, entry.way) == expected
    assert entry.owner is None
    if case.vif.plugin == "ovs":
        assert entry.instance.uuid == instance.uuid
    assert entry.differences == os_vif.check(case.vif, instance)
    assert not [d for d in entry.differences if not d.pending]
    real = os_vif.plan(case.vif, instance, unplug=True)
    assert os_vif.plan(entry.vif, entry.instance, unplug=True) == real
    os_vif.unplug(entry.vif, entry.instance)
    assert os_vif.inventory() == ()
    if not case.loses_bridge:
        assert differences(unplugged, indexes=False) == []
