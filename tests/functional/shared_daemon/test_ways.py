# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Every way of plugging through the shared daemon, called by another user."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import objects
from os_vif.testing.host_snapshots import changes, snapshot, without_addresses
from tests.support.cases import ALL, Case
from tests.support.shared_daemon.shared_daemons import FRIEND, call_as

INSTANCE = objects.InstanceInfo(name="guest")
#: The ways that tools/test.sh runs; a soak test runs all ways.
SHORT = ("ovs-tap", "ovs-hybrid", "ovs-representor")
WAYS = [
    case.param(marks=[] if case.name in SHORT else [pytest.mark.soak])
    for case in ALL
    if not case.soak
]


def check_way(case: Case, user: int) -> None:
    """Plug, check and unplug in a process of a user."""

    def differences() -> list[str]:
        return [str(d) for d in os_vif.check(case.vif, INSTANCE) if not d.pending]

    def plug() -> list[str]:
        os_vif.plug(case.vif, INSTANCE)
        return differences()

    before = without_addresses(snapshot())
    assert call_as(user, plug) == []
    plugged = without_addresses(snapshot())
    assert call_as(user, plug) == []
    assert changes(plugged, without_addresses(snapshot())) == []
    call_as(user, lambda: os_vif.unplug(case.vif, INSTANCE) and None)
    if not (case.keeps_bridge or case.keeps_device or case.loses_bridge):
        assert changes(before, without_addresses(snapshot())) == []


@pytest.mark.parametrize("case", WAYS)
def test_a_way_of_plugging_works_through_the_shared_daemon(daemon, case):
    """Open vSwitch gives its socket to root only: root calls for a switch."""
    with case.prepared():
        daemon.start()
        check_way(case, 0 if case.switch is not None else FRIEND)
        daemon.stop()
