# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A pod on a Linux bridge: both ends of the veth pair, addresses, routes, and their removal."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import Sandbox, objects
from os_vif.testing.host_snapshots import ip
from tests.support.pod_cases import POD, new_pod, pod_bridge_vif, pod_ip, subnet

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


def test_a_routed_network_has_a_gateway_outside_the_subnet():
    """A link-local gateway and a prefix length of 32; and a route without a gateway."""
    routed = subnet("10.7.0.5/32", "10.7.0.5", gateway="169.254.1.1")
    routed.routes.objects.append(objects.Route(cidr="10.98.0.0/16"))
    six = subnet("2001:db8::5/128", "2001:db8::5", gateway="fe80::1")
    vif = pod_bridge_vif(1, routed, six)
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0", default_gateway=True)
        os_vif.plug_pod(vif, POD, sandbox)
        os_vif.plug_pod(vif, POD, sandbox)
        assert os_vif.check_pod(vif, POD, sandbox) == ()
        routes = {r["dst"]: r.get("gateway") for r in pod_ip(netns, "route")}
        assert routes == {"default": "169.254.1.1", "10.98.0.0/16": None}
        (default,) = pod_ip(netns, "-6", "route", "show", "default")
        assert default["gateway"] == "fe80::1"
        os_vif.unplug_pod(vif, POD, sandbox)
