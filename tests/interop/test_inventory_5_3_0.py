# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The inventory lists the VIFs that the public os-vif 5.3.0 has plugged, by rows and names alone."""

from __future__ import annotations

import pytest

import os_vif
from testbed.namespaces import snapshot
from tests.interop import test_ovs_5_3_0 as turns

public, rights = turns.public, turns.rights

#: The class and the way by the kind. The kinds that are left out have no port of os-vif.
WAYS = {
    "tap": "port",
    "own-bridge": "per-port bridge",
    "hybrid": "hybrid",
    "port": "port",
    "isolated": "port",
    "vhost-user": "vhost-user",
    "multiqueue": "port",
    "isolated-hybrid": "hybrid",
    "trunk": "trunk",
    "hybrid-in-a-trunk": "hybrid",
    "representor": "representor",
    "representor-of-dpdk": "DPDK representor",
    "vhost-user-client": "vhost-user",
    "own-bridge-isolated": "per-port bridge",
    "vhost-user-without-a-datapath": "vhost-user",
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(name, marks=() if name == "hybrid" else [pytest.mark.interop]) for name in WAYS],
)
def test_a_vif_of_5_3_0_is_listed_and_unplugged_through_the_entry(public, tmp_path, kind):
    """Compare the entry with the VIF, and the host after the unplug with the host before."""
    name, kind = kind, turns.ALL[kind]
    options = {"has_card": kind.card, **kind.options}
    with turns.host(public, tmp_path / "switch", **options) as switch:
        before = snapshot()
        vif = kind.make()
        turns.by_public(public, switch, "plug", vif)
        (entry,) = os_vif.inventory()
        expected = (vif.id, vif.obj_name(), WAYS[name], "ovs", turns.INSTANCE.uuid)
        assert (
            entry.id, entry.kind, entry.way, entry.plugin, entry.instance.uuid,
        ) == expected  # fmt: skip
        assert (entry.owner, entry.since) == (None, None)
        # 5.3.0 leaves IPv6 on for the halves of a pair.
        assert [
            d for d in entry.differences if not d.pending and d.attribute != "disable_ipv6"
        ] == []
        real = os_vif.plan(vif, turns.INSTANCE, unplug=True)
        assert os_vif.plan(entry.vif, entry.instance, unplug=True) == real
        os_vif.unplug(entry.vif, entry.instance)
        assert os_vif.inventory() == ()
        if name != "vhost-user-without-a-datapath":
            assert turns.is_gone(before, switch)
