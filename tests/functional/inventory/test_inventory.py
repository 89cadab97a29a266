# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The inventory has an entry for each plugged VIF, found on the host alone."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterator

import pytest

import os_vif
from os_vif import serialization
from os_vif.engine import recording
from os_vif.host.state.directory import STATE
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from tests.support.cases import PARAMS, Case

pytestmark = pytest.mark.usefixtures("daemon")

#: The ways of plugging by the name of a case. In the remaining cases only the record tells the
#: VIF: the hypervisor adds the port, or another program has created the bridge.
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
    """Provide the host of a case."""
    with request.param.prepared():
        yield request.param


def forget_records() -> None:
    """Delete the records of plugged VIFs, as on a host of the public os-vif."""
    for path in pathlib.Path(STATE.path).glob("vif-*"):
        path.unlink()


def test_each_way_of_plugging_has_one_entry_with_and_without_a_record(case, instance):
    """Check that a record gives the VIF of the plug. Without the record, the unplug plan of the
    entry is that of the real VIF, and the unplug leaves the host as an unplug of the real VIF.
    """
    before = os_vif.inventory()
    # The bridge of the trunk has a port of Neutron.
    assert (before, before.errors) == ((), ())
    os_vif.plug(case.vif, instance)
    if not case.loses_bridge:
        os_vif.unplug(case.vif, instance)
    unplugged = without_indexes(snapshot())
    os_vif.plug(case.vif, instance)
    if case.vif.plugin == "noop":
        # The plan is empty: the host has neither a device nor a record.
        assert os_vif.inventory() == ()
        assert len(os_vif.plan(case.vif, instance, unplug=True)) == 0
        assert list(pathlib.Path(STATE.path).glob("vif-*")) == []
        return
    require_recorded(case, instance)
    entry = require_recognised(case, instance) if case.name in WAYS else os_vif.inventory()[0]
    os_vif.unplug(entry.vif, entry.instance)
    assert os_vif.inventory() == ()
    if not case.loses_bridge:
        assert differences(unplugged, indexes=False) == []


def require_recorded(case, instance):
    """Check the entry of a VIF with a record."""
    (entry,) = os_vif.inventory()
    assert serialization.dumps(entry.vif) == serialization.dumps(case.vif)
    assert (entry.instance.uuid, entry.instance.name) == (instance.uuid, instance.name)
    assert entry.owner == recording.owner()
    assert abs(dt.datetime.now(dt.UTC) - entry.since) < dt.timedelta(hours=1)
    assert entry.differences == os_vif.check(case.vif, instance)
    assert entry.state == ("pending" if entry.differences else "right")


def require_recognised(case, instance):
    """Check the entry of a VIF without a record, and return the entry."""
    forget_records()
    (entry,) = os_vif.inventory()
    expected = case.vif.id, case.vif.obj_name(), case.vif.plugin, WAYS[case.name]
    assert (entry.id, entry.kind, entry.plugin, entry.way) == expected
    assert entry.since is None
    # The row of a created port has the owner too.
    assert entry.owner in (None, recording.owner())
    if case.vif.plugin == "ovs":
        assert entry.instance.uuid == instance.uuid
    assert entry.differences == os_vif.check(case.vif, instance)
    assert entry.state == ("pending" if entry.differences else "right")
    real = os_vif.plan(case.vif, instance, unplug=True)
    assert os_vif.plan(entry.vif, entry.instance, unplug=True) == real
    return entry
