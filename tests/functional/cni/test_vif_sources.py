# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs of each source in a pod: Open vSwitch, documents, annotations and capabilities."""

from __future__ import annotations

import json

from oslo_config import cfg

import os_vif
from os_vif import objects, serialization
from os_vif.testing.host_snapshots import ip, state_files
from tests.support.cni import addresses_in, links_in, routes_in
from tests.support.pod_cases import given_vif, send_datagram

PLAIN = {"cniVersion": "1.1.0", "name": "net", "type": "os-vif-cni"}
ANNOTATIONS = "io.kubernetes.cri.pod-annotations"


def document(vif):
    return json.loads(serialization.dumps(vif))


def test_pods_on_open_vswitch_reach_each_other(quick_runtime, br_int, network, pods, allocated):
    cfg.CONF.set_override("ovsdb_connection", br_int.connection, group="os_vif_ovs")
    switch = network | {"plugin": "ovs", "bridge": "br-int"}
    other = quick_runtime.for_container("c2", pods())
    results = [pod.call("ADD", switch).result for pod in (quick_runtime, other)]
    send_datagram(other.netns, quick_runtime.netns, addresses_in(quick_runtime.netns)[0][:-3])
    for pod, result in zip((quick_runtime, other), results, strict=True):
        pod.call("CHECK", switch | {"prevResult": result}).succeeded()
        pod.call("DEL", switch | {"prevResult": result}).succeeded()
    assert allocated() == []
    assert br_int.vsctl("list-ports", "br-int").strip() == ""
    assert state_files() == {}


def test_pods_on_a_linux_bridge_reach_each_other(quick_runtime, network, pods):
    other = quick_runtime.for_container("c2", pods())
    for pod in (quick_runtime, other):
        assert pod.call("ADD", network).code == 0
    send_datagram(other.netns, quick_runtime.netns, addresses_in(quick_runtime.netns)[0][:-3])


def test_a_document_in_the_configuration_has_addresses_routes_and_dns(runtime):
    vif = given_vif()
    configuration = PLAIN | {"vif": document(vif), "ipam": {"type": "never-called"}}
    result = runtime.call("ADD", configuration).result
    assert addresses_in(runtime.netns) == ["10.66.0.6/24"]
    assert routes_in(runtime.netns) == {
        "default": "10.66.0.1",
        "10.66.0.0/24": None,
        "10.99.0.0/16": "10.66.0.9",
    }
    assert links_in(runtime.netns)["eth0"]["address"] == vif.address
    assert result["dns"] == {"nameservers": ["10.66.0.53"]}
    assert result["ips"] == [{"address": "10.66.0.6/24", "gateway": "10.66.0.1", "interface": 2}]
    assert {"dst": "0.0.0.0/0", "gw": "10.66.0.1"} in result["routes"]
    checked = configuration | {"prevResult": result}
    runtime.call("CHECK", checked).succeeded()
    runtime.call("DEL", checked).succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_del_uses_the_recorded_document(quick_runtime):
    """The runtime does not pass arguments and annotations to DEL."""
    added = PLAIN | {"args": {"cni": {"vif": document(given_vif())}}}
    assert quick_runtime.call("ADD", added).code == 0
    quick_runtime.call("DEL", PLAIN).succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert state_files() == {}
    quick_runtime.call("DEL", PLAIN).succeeded()


def test_an_annotation_of_the_pod_from_containerd(quick_runtime):
    vifs = {"eth0": document(given_vif(1)), "net1": document(given_vif(2))}
    for key in ("openstack.org/os-vif", "openstack.org/kuryr-vif"):
        text = json.dumps(vifs)
        if key.endswith("kuryr-vif"):
            text = json.dumps(given_vif(1).obj_to_primitive())
        configuration = PLAIN | {
            "capabilities": {ANNOTATIONS: True},
            "runtimeConfig": {ANNOTATIONS: {key: text, "app": "web"}},
        }
        result = quick_runtime.call("ADD", configuration).result
        assert addresses_in(quick_runtime.netns) == ["10.66.0.6/24"]
        quick_runtime.call("DEL", configuration | {"prevResult": result}).succeeded()


def test_an_invalid_document_changes_nothing(quick_runtime):
    broken = document(given_vif()) | {"address": "x"}
    error = quick_runtime.call("ADD", PLAIN | {"vif": broken}).error
    assert error["code"] == 7
    assert "address" in error["details"]
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert state_files() == {}


def test_capabilities_mac_and_ips(runtime):
    requested = {"mac": "02:00:00:00:0a:01", "ips": ["10.88.0.7/24", "fd00:88::7/64"]}
    configuration = PLAIN | {"bridge": "br-cni", "runtimeConfig": requested}
    result = runtime.call("ADD", configuration).result
    assert links_in(runtime.netns)["eth0"]["address"] == requested["mac"]
    assert addresses_in(runtime.netns) == requested["ips"]
    assert [each["address"] for each in result["ips"]] == requested["ips"]
    runtime.call("CHECK", configuration | {"prevResult": result}).succeeded()
    runtime.call("DEL", configuration).succeeded()


def test_the_capability_ips_is_passed_to_the_ipam_plugin(quick_runtime, network):
    configuration = network | {"runtimeConfig": {"ips": ["10.77.0.77/24"]}}
    assert quick_runtime.call("ADD", configuration).code == 0
    assert addresses_in(quick_runtime.netns) == ["10.77.0.77/24"]


def test_a_vhost_user_pod_has_a_socket_and_a_device_info_file(quick_runtime, br_int, tmp_path):
    cfg.CONF.set_override("ovsdb_connection", br_int.connection, group="os_vif_ovs")
    vif = objects.VIFVHostUser(
        id="00000009-0000-4000-8000-000000000000",
        address="fa:16:3e:00:00:09",
        plugin="ovs",
        path=str(tmp_path / "vhu00000009-00"),
        mode="server",
        vif_name="vhu00000009-00",
        network=objects.Network(bridge="br-int", mtu=1450),
        port_profile=objects.VIFPortProfileOpenVSwitch(
            interface_id="00000009-0000-4000-8000-000000000000", datapath_type="netdev"
        ),
    )
    info = tmp_path / "devinfo/cni/pod-device.json"
    configuration = PLAIN | {
        "vif": document(vif),
        "runtimeConfig": {"CNIDeviceInfoFile": str(info)},
    }
    result = quick_runtime.call("ADD", configuration).result
    assert result["interfaces"][-1]["socketPath"] == vif.path
    assert json.loads(info.read_text())["type"] == "vhost-user"
    quick_runtime.call("DEL", configuration).succeeded()
    assert not info.exists()
    assert br_int.vsctl("list-ports", "br-int").strip() == ""


def test_the_pods_are_in_the_inventory_with_their_owner(quick_runtime, network):
    assert quick_runtime.call("ADD", network).code == 0
    (entry,) = os_vif.inventory()
    assert (entry.owner, entry.instance.name) == ("os-vif-cni", "c1")
    assert entry.vif.network.label == "net"
