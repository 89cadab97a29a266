# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs that another container, another network or a virtual machine has."""

from __future__ import annotations

import json

import pytest

import os_vif
from os_vif import objects, serialization
from os_vif.cni import attachment_records
from os_vif.testing.host_snapshots import state_files
from os_vif.testing.private_namespaces import run
from tests.support.cni import links_in, routes_in
from tests.support.pod_cases import given_vif, pod_bridge_vif

PLAIN = {"cniVersion": "1.1.0", "name": "net", "type": "os-vif-cni"}


def document(label=None):
    vif = pod_bridge_vif(1)
    if label:
        vif.network.label = label
    return json.loads(serialization.dumps(vif))


@pytest.fixture
def configuration():
    """Return a configuration with the document of a VIF."""
    return PLAIN | {"vif": document()}


@pytest.fixture
def moved(quick_runtime, pods, configuration):
    """Return a pod whose VIF was plugged into the pod of c1 before, without a DEL."""
    assert quick_runtime.call("ADD", configuration).code == 0
    run(f"ip netns delete {quick_runtime.netns.rpartition('/')[2]}")
    second = quick_runtime.for_container("c2", pods())
    assert second.call("ADD", configuration).code == 0
    assert "eth0" in links_in(second.netns)
    return second


@pytest.mark.parametrize("netns", ["with CNI_NETNS", "without CNI_NETNS"])
def test_del_of_an_earlier_container_leaves_the_vif_alone(
    quick_runtime, moved, configuration, netns
):
    changes = {} if netns == "with CNI_NETNS" else {"CNI_NETNS": None}
    for _ in range(2):
        quick_runtime.call("DEL", configuration, **changes).succeeded()
        assert "eth0" in links_in(moved.netns)
    assert [each.container_id for each in attachment_records.read_all()] == ["c2"]
    moved.call("DEL", configuration).succeeded()
    assert list(links_in(moved.netns)) == ["lo"]
    assert state_files() == {}


def test_gc_of_an_earlier_container_leaves_the_vif_alone(quick_runtime, moved, configuration):
    listed = [{"containerID": "c2", "ifname": "eth0"}]
    collected = configuration | {"cni.dev/valid-attachments": listed}
    quick_runtime.call("GC", collected).succeeded()
    assert "eth0" in links_in(moved.netns)
    assert [each.container_id for each in attachment_records.read_all()] == ["c2"]


def test_a_failed_add_leaves_the_vif_of_another_container_alone(
    quick_runtime, pods, configuration
):
    assert quick_runtime.call("ADD", configuration).code == 0
    second = quick_runtime.for_container("c2", pods())
    broken = document()
    broken["network"]["mtu"] = 67
    assert second.call("ADD", PLAIN | {"vif": broken}).code == 1
    # The runtime calls DEL after a failed ADD.
    second.call("DEL", PLAIN | {"vif": broken}, CNI_NETNS=None).succeeded()
    assert "eth0" in links_in(quick_runtime.netns)
    assert [each.container_id for each in attachment_records.read_all()] == ["c1"]


def test_an_add_does_not_take_the_vif_of_an_existing_pod(quick_runtime, pods):
    """The second pod cannot be plugged: the default route of another interface is in the way."""
    configuration = PLAIN | {"vif": json.loads(serialization.dumps(given_vif()))}
    assert quick_runtime.call("ADD", configuration).code == 0
    second = quick_runtime.for_container("c2", pods())
    in_second = f"nsenter --net={second.netns} ip"
    run(f"{in_second} link add net1 up type veth peer name peer1")
    run(f"{in_second} link set peer1 up")
    run(f"{in_second} address add 10.1.1.1/24 dev net1")
    run(f"{in_second} route add default via 10.1.1.2")
    error = second.call("ADD", configuration).error
    assert error["code"] == 11
    assert "eth0 of the container c1" in error["details"]
    second.call("DEL", configuration, CNI_NETNS=None).succeeded()
    assert routes_in(quick_runtime.netns)["default"] == "10.66.0.1"
    quick_runtime.call("DEL", configuration).succeeded()
    run(f"{in_second} link delete net1")
    assert second.call("ADD", configuration).code == 0


def test_del_leaves_the_vif_of_a_virtual_machine_alone(quick_runtime, configuration):
    vif = pod_bridge_vif(1)
    machine = objects.InstanceInfo(uuid="b" * 32, name="instance-1")
    os_vif.plug(vif, machine)
    before = state_files()
    quick_runtime.call("DEL", configuration, CNI_NETNS=None).succeeded()
    assert state_files() == before
    os_vif.unplug(vif, machine)


def test_gc_leaves_the_vifs_of_a_network_with_an_equal_label_alone(quick_runtime, pods):
    other = quick_runtime.for_container("c2", pods())
    added = PLAIN | {"name": "other", "vif": document(label="net")}
    assert other.call("ADD", added).code == 0
    collected = PLAIN | {"bridge": "br-cni", "cni.dev/valid-attachments": []}
    quick_runtime.call("GC", collected).succeeded()
    assert "eth0" in links_in(other.netns)
    quick_runtime.call("GC", added | {"cni.dev/valid-attachments": []}).succeeded()
    assert list(links_in(other.netns)) == ["lo"]
    assert state_files() == {}


@pytest.mark.parametrize("name", ["eth%d", "all", "default", "lo", "n" * 16, "a/b"])
def test_del_of_a_name_that_no_interface_can_have_is_no_error(quick_runtime, network, name):
    assert quick_runtime.call("ADD", network, CNI_IFNAME=name).error["code"] == 4
    quick_runtime.call("DEL", network, CNI_IFNAME=name).succeeded()


def test_requested_addresses_need_a_prefix(quick_runtime):
    configuration = PLAIN | {"bridge": "br-cni", "runtimeConfig": {"ips": ["10.6.0.5"]}}
    error = quick_runtime.call("ADD", configuration).error
    assert error["code"] == 7
    assert "10.6.0.5" in error["details"]
    assert "with a prefix" in error["details"]
    assert list(links_in(quick_runtime.netns)) == ["lo"]
