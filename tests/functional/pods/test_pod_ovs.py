# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Pods on Open vSwitch: the port of the veth pair, hybrid VIFs, and vhost-user sockets."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import Sandbox
from testbed.ovs import row
from tests.support.pod_cases import POD, new_pod, pod_ip, pod_ovs_vif, send_datagram

pytestmark = pytest.mark.usefixtures("br_int")


def test_two_pods_reach_each_other(br_int):
    first, second = pod_ovs_vif(1), pod_ovs_vif(2)
    with new_pod() as one, new_pod() as two:
        os_vif.plug_pod(first, POD, Sandbox(one, "eth0", default_gateway=True))
        os_vif.plug_pod(second, POD, Sandbox(two, "eth0"))
        send_datagram(one, two, "10.9.0.4")
        os_vif.unplug_pod(first, POD, Sandbox(one, "eth0"))
        os_vif.unplug_pod(second, POD, Sandbox(None, "eth0"))


def test_the_port_has_the_ids_of_the_vif_and_is_removed(br_int):
    vif = pod_ovs_vif(3)
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0")
        result = os_vif.plug_pod(vif, POD, sandbox)
        (ids,) = row(br_int, "Interface", vif.vif_name, "external_ids")
        assert vif.id in ids
        assert result.host_name == vif.vif_name
        assert os_vif.check_pod(vif, POD, sandbox) == ()
        os_vif.plug_pod(vif, POD, sandbox)
        os_vif.unplug_pod(vif, POD, sandbox)
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo"]
        assert vif.vif_name not in br_int.vsctl("list-ports", "br-int").split()
