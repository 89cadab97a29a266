# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Addresses that no pod can have are refused before the first change."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import Sandbox, exception
from os_vif.testing.host_snapshots import differences, snapshot
from tests.support.pod_cases import POD, new_pod, pod_bridge_vif, pod_ip, subnet

pytestmark = pytest.mark.usefixtures("daemon")

ADDRESS = r"subnets\[0\]\.ips\[0\]\.address"


#: A subnet, and the field in the error.
REFUSED = (
    (subnet("10.1.0.0/24", "fd00::5"), ADDRESS),
    (subnet("fd00::/64", "10.1.0.5"), ADDRESS),
    (subnet("10.1.0.0/24", "10.2.0.5"), ADDRESS),
    (subnet("224.0.0.0/24", "224.0.0.5"), ADDRESS),
    (subnet("ff02::/64", "ff02::5"), ADDRESS),
    (subnet("127.0.0.0/8", "127.0.0.5"), ADDRESS),
    (subnet("10.1.0.0/24", "10.1.0.0"), ADDRESS),
    (subnet("10.1.0.0/24", "10.1.0.255"), ADDRESS),
    (subnet("10.1.0.0/24", "10.1.0.5", gateway="fd00::1"), r"subnets\[0\]\.gateway"),
    (
        subnet("10.1.0.0/24", "10.1.0.5", routes=(("10.9.0.0/16", "fd00::1"),)),
        r"routes\[0\]\.gateway",
    ),
)


def test_an_address_that_no_pod_can_have():
    with new_pod() as netns:
        before = snapshot()
        for given, text in REFUSED:
            with pytest.raises(exception.PlugException, match=text) as info:
                os_vif.plug_pod(pod_bridge_vif(1, given), POD, Sandbox(netns, "eth0"))
            assert isinstance(info.value.__cause__, exception.InvalidField)
        assert differences(before) == []


def test_ipv6_needs_an_mtu_of_1280_bytes():
    vif = pod_bridge_vif(1, subnet("fd00::/64", "fd00::5"))
    vif.network.mtu = 1279
    with new_pod() as netns:
        with pytest.raises(exception.PlugException, match=r"vif\.network\.mtu.*1279"):
            os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        vif.network.mtu = 1280
        os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))


def test_addresses_of_networks_of_one_and_two_hosts():
    vif = pod_bridge_vif(1, subnet("10.1.0.0/31", "10.1.0.0"), subnet("10.2.0.7/32", "10.2.0.7"))
    with new_pod() as netns:
        result = os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        assert [each.address for each in result.addresses] == ["10.1.0.0/31", "10.2.0.7/32"]
        (eth0,) = pod_ip(netns, "address", "show", "eth0")
        assert [each["local"] for each in eth0["addr_info"]] == ["10.1.0.0", "10.2.0.7"]
