# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A typed program that uses os_vif.testing: type checkers find no error, and pytest runs it."""

from __future__ import annotations

from typing import assert_type

import os_vif
from os_vif import objects
from os_vif.testing import Case, PodCase, Report, back_level, conformance, round_trip
from os_vif.testing.private_host import Host


def make_vif(number: int) -> objects.VIFBridge:
    """Make the VIF with a number. All VIFs share a bridge."""
    return objects.VIFBridge(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        address=f"fa:16:3e:00:00:{number:02x}",
        plugin="linux_bridge",
        vif_name=f"tap{number:08x}",
        bridge_name="brq-test",
        has_traffic_filtering=True,
        network=objects.Network(bridge="brq-test", mtu=1450, should_provide_bridge=True),
    )


CASES = [
    Case("bridge", make_vif(0), numbered=make_vif),
    Case(
        "bridge-of-others",
        make_vif(0),
        prepare="ip link add name brq-test type bridge stp_state 1",
        unrestored=["brq-test"],
    ),
]


def make_pod_vif(number: int) -> objects.VIFBridge:
    """Make the VIF of a pod with a number, with an address."""
    subnet = objects.Subnet(
        cidr="192.0.2.0/24",
        gateway="192.0.2.1",
        ips=objects.FixedIPList(objects=[objects.FixedIP(address=f"192.0.2.{number + 10}")]),
    )
    vif = make_vif(number)
    assert vif.network is not None
    vif.network.subnets = objects.SubnetList(objects=[subnet])
    return vif


POD_CASES = [PodCase("pod", make_pod_vif(0), numbered=make_pod_vif, ifname="net1")]


def check_pods(*checks: str) -> Report:
    """Run the conformance suite for VIFs of pods; fail and kill at each fourth step only."""
    report = conformance("linux_bridge", POD_CASES, checks=checks, stride=4)
    report.raise_for_failures()
    return report


def check_plugin(*checks: str) -> Report:
    """Run the conformance suite for a plugin."""
    report = conformance("linux_bridge", CASES, checks=checks)
    for result in report.failures:
        assert_type(result.reason, str)
    assert_type(report.passed, bool)
    report.raise_for_failures()
    return report


def check_objects() -> Report:
    """Run the suites for objects of an embedder: an object, and a class."""
    round_trip([make_vif(0), objects.VIFHostDevice]).raise_for_failures()
    report = back_level([make_vif(0), objects.VIFHostDevice], releases=["1.14.0"])
    report.raise_for_failures()
    return report


def plug_on(host: Host) -> None:
    """Plug and unplug on a host of the fixture ``host``."""
    before = host.snapshot()
    instance = objects.InstanceInfo(name="guest")
    os_vif.plug(make_vif(0), instance)
    assert "brq-test" in host.devices
    os_vif.unplug(make_vif(0), instance)
    assert host.differences(before) == []
