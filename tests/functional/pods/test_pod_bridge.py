# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A pod on a Linux bridge: both ends of the veth pair, addresses, routes, and their removal."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import Sandbox
from testbed.namespaces import ip
from tests.support.pod_cases import POD, new_pod, pod_bridge_vif, pod_ip

pytestmark = pytest.mark.usefixtures("daemon")


def test_a_pod_has_the_interface_of_the_vif():
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0", default_gateway=True)
        result = os_vif.plug_pod(vif, POD, sandbox)
        eth0 = pod_ip(netns, "link", "show", "eth0")[0]
        assert eth0["address"] == vif.address == result.mac
        assert eth0["mtu"] == 1400 == result.mtu
        assert "UP" in eth0["flags"]
        addresses = pod_ip(netns, "address", "show", "eth0")[0]["addr_info"]
        assert [(a["local"], a["prefixlen"]) for a in addresses] == [("10.7.0.3", 24)]
        routes = {r["dst"]: r.get("gateway") for r in pod_ip(netns, "route")}
        assert routes == {"default": "10.7.0.1", "10.7.0.0/24": None}
        (host,) = ip("link", "show", vif.vif_name)
        assert (host["master"], host["mtu"]) == ("brpod", 1400)
        assert result.host_name == vif.vif_name
        assert result.dns == ("10.7.0.9",)
        assert os_vif.check_pod(vif, POD, sandbox) == ()
        os_vif.unplug_pod(vif, POD, sandbox)
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo"]


def test_an_unplug_without_the_pod_removes_the_pair_and_the_bridge():
    """As the garbage collector does, which knows no pods."""
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        assert os_vif.unplug(vif, POD) == ()
        assert [link["ifname"] for link in ip("link")] == ["lo"]
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo"]


def test_a_vif_of_a_pod_is_in_the_inventory():
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        (found,) = os_vif.inventory()
        assert (found.id, found.instance.name, str(found.state)) == (vif.id, POD.name, "right")
        os_vif.unplug_pod(vif, POD, Sandbox(None, "eth0"))
        assert list(os_vif.inventory()) == []
