# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plugging VIFs into pods passes the conformance suite."""

from __future__ import annotations

import os
from unittest import mock

import pytest

from os_vif.testing import PodCase, conformance, conformance_checks, conformance_pods
from tests.support.pod_cases import (
    macvlan_vif,
    pod_bridge_vif,
    pod_hybrid_vif,
    pod_ovs_vif,
    subnet,
)

pytestmark = pytest.mark.usefixtures("host")

DUAL = (
    subnet("10.7.0.0/24", "10.7.0.5", gateway="10.7.0.1", routes=(("10.99.0.0/16", "10.7.0.7"),)),
    subnet("2001:db8:7::/64", "2001:db8:7::5", gateway="2001:db8:7::1"),
)
_SWITCH = "add-br br-int -- set Bridge br-int datapath_type=netdev"
CASES = [
    PodCase("bridge", pod_bridge_vif(1, *DUAL), numbered=lambda n: pod_bridge_vif(n + 1)),
    PodCase("ovs", pod_ovs_vif(1), switch=_SWITCH, numbered=lambda n: pod_ovs_vif(n + 1)),
    PodCase(
        "macvlan",
        macvlan_vif(1),
        prepare="ip link add ovlink0 mtu 1450 type veth peer name ovlink1",
        common_options={"pod_link": "ovlink0"},
        # The link interface stays up.
        unrestored=("ovlink0", "ovlink1"),
        numbered=lambda n: macvlan_vif(n + 1),
    ),
    # The host is the gateway of the pods. The bridge ends with the last pod.
    pytest.param(
        PodCase(
            "gateway",
            pod_bridge_vif(1, *DUAL[:1]),
            bridge_addresses=("10.7.0.1/24",),
            unrestored=("lo",),
        ),
        marks=pytest.mark.soak,
    ),
    # The steps are those of the bridge and of Open vSwitch.
    pytest.param(PodCase("hybrid", pod_hybrid_vif(1), switch=_SWITCH), marks=pytest.mark.soak),
]
#: ``describe()`` lists the classes of virtual machines, too.
CHECKS = [name for name in conformance_checks.CHECKS if name != "describe"]
CHECKS += conformance_pods.POD_CHECKS


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("stride", [7, pytest.param(1, id="each-step", marks=pytest.mark.soak)])
def test_a_vif_of_a_pod_passes_the_suite(case, stride):
    """Faults, kills, repeated and concurrent calls, and pods that end."""
    with mock.patch.dict(os.environ):
        report = conformance(case.vif.plugin, [case], checks=CHECKS, stride=stride)
    report.raise_for_failures()
    assert report.skipped == (), str(report)
