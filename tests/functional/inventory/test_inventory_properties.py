# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Properties of the inventory for any set of VIFs on a host."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import os_vif
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from testbed import ovs_kinds
from tests.support.cases import configured
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

#: The kinds of VIFs; ``bridge`` is a VIF of the plugin ``linux_bridge``.
KINDS = ["bridge", *ovs_kinds.KINDS]


def plug(kind, number, instance):
    """Plug a VIF, and return the VIF."""
    if kind == "bridge":
        vif, options = bridge_vif(number), {}
    else:
        vif, options = ovs_kinds.vif(ovs_kinds.KINDS[kind], number), ovs_kinds.KINDS[kind].options
    with configured(**options):
        os_vif.plug(vif, instance)
    return vif


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_each_vif_of_a_set_has_one_entry_and_goes_through_the_entry(br_int, instance, data):
    """Forget some records, unplug some entries, and expect the entries of the remaining VIFs."""
    before = without_indexes(snapshot())
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
    vifs = [plug(kind, number, instance) for number, kind in enumerate(kinds, 1)]
    for vif in data.draw(st.sets(st.sampled_from([vif.id for vif in vifs]))):
        run(f"rm -f /run/os-vif/vif-*-{vif}.json")
    entries = os_vif.inventory()
    assert sorted(entry.id for entry in entries) == sorted(vif.id for vif in vifs)
    assert {entry.state for entry in entries} <= {"right", "pending"}
    gone = data.draw(st.sets(st.sampled_from([entry.id for entry in entries])))
    for entry in entries:
        if entry.id in gone:
            os_vif.unplug(entry.vif, entry.instance)
    rest = os_vif.inventory()
    assert [entry.id for entry in rest] == [e.id for e in entries if e.id not in gone]
    assert [entry.state for entry in rest] == [e.state for e in entries if e.id not in gone]
    for entry in rest:
        os_vif.unplug(entry.vif, entry.instance)
    assert differences(before, indexes=False) == []
