# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Pods in a virtual machine: macvlan devices on the link interface, named by an option or a route."""

from __future__ import annotations

import pathlib

import pytest

import os_vif
from os_vif import Sandbox, exception
from os_vif.host.netlink import namespaces, rtnetlink
from os_vif.testing.host_snapshots import snapshot
from os_vif.testing.private_namespaces import run
from tests.support.pod_cases import POD, macvlan_vif, new_pod, pod_ip, vlan_vif

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture
def uplink():
    """Provide a device that stands for the network card of a virtual machine."""
    run("ip link add ovlink0 mtu 1450 type veth peer name ovlink1")
    run("ip link set ovlink0 up")
    run("ip address add 192.0.2.2/24 dev ovlink0")
    return "ovlink0"


@pytest.mark.parametrize("option", [("pod_link", "ovlink0"), ("pod_link_route", "192.0.2.77")])
def test_a_macvlan_device_is_born_in_the_pod(uplink, option, configured):
    configured(option[0], option[1], "os_vif")
    vif, before = macvlan_vif(1), snapshot()
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0", default_gateway=True)
        result = os_vif.plug_pod(vif, POD, sandbox)
        (eth0,) = pod_ip(netns, "link", "show", "eth0")
        assert eth0["linkinfo"]["info_kind"] == "macvlan"
        assert (eth0["address"], eth0["mtu"]) == (vif.address, 1400)
        assert result.host_name == uplink
        assert {r["dst"] for r in pod_ip(netns, "route")} == {"default", "10.8.0.0/24"}
        assert os_vif.check_pod(vif, POD, sandbox) == ()
        os_vif.plug_pod(vif, POD, sandbox)
        assert os_vif.unplug_pod(vif, POD, sandbox) == ()
        os_vif.unplug_pod(vif, POD, sandbox)
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo"]
    assert snapshot() == before


def test_no_link_is_chosen_without_an_option(uplink):
    with new_pod() as netns, pytest.raises(exception.PlugException, match=r"\[os_vif\]pod_link"):
        os_vif.plug_pod(macvlan_vif(1), POD, Sandbox(netns, "eth0"))


def test_the_link_must_carry_packets_of_the_network(uplink, configured):
    configured("pod_link", uplink, "os_vif")
    with new_pod() as netns, pytest.raises(exception.PlugException, match="1450 bytes of ovlink0"):
        os_vif.plug_pod(macvlan_vif(1, mtu=1500), POD, Sandbox(netns, "eth0"))


def test_the_plan_of_a_vlan_device(uplink, configured):
    """The device itself is tested in a virtual machine: this kernel may have no VLANs."""
    configured("pod_link", uplink, "os_vif")
    with new_pod() as netns:
        plan = os_vif.plan_pod(vlan_vif(1, 101), POD, Sandbox(netns, "eth0"))
    first = str(plan).splitlines()[0]
    assert first == (
        f"ip link add link ovlink0 name eth0 address fa:16:3e:00:04:01 mtu 1400 netns {netns}"
        " type vlan id 101"
    )


@pytest.mark.parametrize("vlan", [0, 4095])
def test_a_vlan_id_is_checked(uplink, configured, vlan):
    configured("pod_link", uplink, "os_vif")
    with new_pod() as netns, pytest.raises(exception.PlugException, match=r"vif\.vlan_id"):
        os_vif.plug_pod(vlan_vif(1, vlan), POD, Sandbox(netns, "eth0"))


def test_devices_of_other_namespaces_are_found_and_deleted(uplink, configured):
    """As a VLAN device of a dead pod is: macvlan devices stand for VLAN devices."""
    configured("pod_link", uplink, "os_vif")
    with new_pod() as netns, rtnetlink.opened() as net:
        os_vif.plug_pod(macvlan_vif(1), POD, Sandbox(netns, "eth0"))
        with pathlib.Path(netns).open("rb") as file:
            number = namespaces.require_number(net, {"NETNSA_FD": file.fileno()})
        assert number in namespaces.numbers(net)
        (link,) = namespaces.links_in(net, number, "macvlan")
        assert (link.name, link.is_managed) == ("eth0", True)
        assert link.lower == net.require(uplink).index
        assert link.lower_netns is not None
        assert namespaces.links_in(net, number, "vlan") == []
        namespaces.delete_in(net, number, link)
        namespaces.delete_in(net, number, link)
        assert [each["ifname"] for each in pod_ip(netns, "link")] == ["lo"]
        assert namespaces.links_in(net, 9999, "macvlan") == []
