# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Nothing grows, however often a VIF is plugged and unplugged."""

from __future__ import annotations

import os

import pytest

import os_vif
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from tests.support.cases import ALL, CASES
from tests.support.daemons import daemon_pid, descriptors


@pytest.mark.short_form(2)
@pytest.mark.parametrize(
    "pairs", [pytest.param(40, id="short"), pytest.param(2000, marks=pytest.mark.soak, id="long")]
)
@pytest.mark.parametrize(
    "name",
    ["bare", "rules", "uplink-with-addresses-and-rules", "ovs-hybrid",
     *(pytest.param(case.name, marks=pytest.mark.soak) for case in CASES["ovs"]
       if case.name not in ("ovs-hybrid", "ovs-vhost-user"))],
)  # fmt: skip
def test_nothing_grows(daemon, instance, pairs, name):
    """No descriptor, in the caller or in the daemon; no link, address, route, rule or file."""
    (case,) = (case for case in ALL if case.name == name)
    with case.prepared():
        vif = case.vif
        os_vif.plug(vif, instance)
        os_vif.unplug(vif, instance)
        # A bridge with an uplink stays; the first pair has made it.
        before = without_indexes(snapshot())
        # The daemon's threads open their sockets at first use.
        for _ in range(8):
            os_vif.plug(vif, instance)
            os_vif.unplug(vif, instance)
        pid = daemon_pid(vif.plugin)
        opened = descriptors("self"), descriptors(pid)
        for _ in range(pairs):
            os_vif.plug(vif, instance)
            os_vif.check(vif, instance)
            os_vif.unplug(vif, instance)
        assert descriptors("self") <= opened[0]
        # A thread of its pool may have been started, and opened its socket, only since.
        assert descriptors(pid) <= opened[1] + max(8, os.cpu_count() or 1)
        assert differences(before, indexes=False) == []
