# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VLAN devices in the network namespaces of pods."""

from __future__ import annotations

import pytest
from oslo_config import cfg

import os_vif
from os_vif import Sandbox, exception
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from tests.support.pod_cases import POD, new_pod, pod_ip, vlan_vif

pytestmark = pytest.mark.vm("plain")


@pytest.fixture
def uplink(daemon):
    """Provide the link device."""
    run("ip link add name ovlink0 type veth peer name ovlink1; ip link set dev ovlink0 up")
    cfg.CONF.set_override("pod_link", "ovlink0", group="os_vif")
    yield "ovlink0"
    cfg.CONF.clear_override("pod_link", group="os_vif")


def test_a_vlan_device_is_born_in_the_pod(uplink):
    vif = vlan_vif(1, 101)
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0", default_gateway=True)
        os_vif.plug_pod(vif, POD, sandbox)
        (eth0,) = pod_ip(netns, "link", "show", "eth0")
        assert eth0["linkinfo"]["info_data"]["id"] == 101
        assert (eth0["address"], eth0["mtu"]) == (vif.address, 1400)
        assert os_vif.check_pod(vif, POD, sandbox) == ()
        os_vif.plug_pod(vif, POD, sandbox)
        os_vif.unplug_pod(vif, POD, sandbox)
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo"]


@pytest.mark.soak
def test_the_vlan_id_of_an_earlier_pod_is_taken(uplink):
    """The namespace of the earlier pod still exists; nobody has unplugged."""
    with new_pod() as earlier, new_pod() as later:
        os_vif.plug_pod(vlan_vif(1, 101), POD, Sandbox(earlier, "eth0"))
        os_vif.plug_pod(vlan_vif(2, 101), POD, Sandbox(later, "eth0"))
        assert [link["ifname"] for link in pod_ip(earlier, "link")] == ["lo"]
        assert os_vif.check_pod(vlan_vif(2, 101), POD, Sandbox(later, "eth0")) == ()


def test_the_vlan_id_of_another_program_stays(uplink):
    run("ip link add link ovlink0 name theirs type vlan id 101")
    with new_pod() as netns, pytest.raises(exception.PlugException, match="another device has"):
        os_vif.plug_pod(vlan_vif(1, 101), POD, Sandbox(netns, "eth0"))
    assert ip("link", "show", "theirs")
