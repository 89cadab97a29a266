# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``isGateway``, and the fields of the plugin ``bridge`` that os-vif does not support."""

from __future__ import annotations

import json

import pytest

from os_vif import serialization
from os_vif.testing.host_snapshots import ip, state_files
from os_vif.testing.private_namespaces import run
from tests.support.cni import routes_in
from tests.support.pod_cases import pod_bridge_vif, send_datagram


def bridge_addresses():
    (bridge,) = (link for link in ip("address") if link["ifname"] == "br-cni")
    return [
        f"{each['local']}/{each['prefixlen']}"
        for each in bridge["addr_info"]
        if each["scope"] == "global"
    ]


@pytest.mark.parametrize("fields", [{"isGateway": True}, {"isDefaultGateway": True}], ids=str)
def test_the_host_is_the_gateway(quick_runtime, pods, network, fields):
    configuration = network | fields
    result = quick_runtime.call("ADD", configuration).result
    second = quick_runtime.for_container("c2", pods())
    assert second.call("ADD", configuration).code == 0
    assert result["ips"][0]["gateway"] == "10.77.0.1"
    assert bridge_addresses() == ["10.77.0.1/24"]
    checked = configuration | {"prevResult": result}
    quick_runtime.call("CHECK", checked).succeeded()
    send_datagram(quick_runtime.netns, "/proc/thread-self/ns/net", "10.77.0.1")
    run("ip address delete 10.77.0.1/24 dev br-cni")
    error = quick_runtime.call("CHECK", checked).error
    assert (error["code"], "10.77.0.1/24" in error["details"]) == (101, True)
    # A later pod repairs the bridge.
    third = quick_runtime.for_container("c3", pods())
    assert third.call("ADD", configuration).code == 0
    quick_runtime.call("CHECK", checked).succeeded()
    for each in (quick_runtime, second, third):
        each.call("DEL", configuration, CNI_NETNS=None).succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert state_files() == {}


def test_is_default_gateway_without_is_gateway(quick_runtime, network):
    configuration = network | {"isDefaultGateway": True, "isGateway": False}
    assert quick_runtime.call("ADD", configuration).code == 0
    assert bridge_addresses() == []
    assert routes_in(quick_runtime.netns)["default"] == "10.77.0.1"


def test_the_gateway_is_the_first_address_by_default(quick_runtime, network):
    configuration = network | {"isDefaultGateway": True, "ipam": {}}
    configuration["runtimeConfig"] = {"ips": ["10.5.0.9/24"]}
    result = quick_runtime.call("ADD", configuration).result
    assert bridge_addresses() == ["10.5.0.1/24"]
    assert result["ips"][0]["gateway"] == "10.5.0.1" == routes_in(quick_runtime.netns)["default"]
    quick_runtime.call("DEL", configuration).succeeded()
    configuration["runtimeConfig"] = {"ips": ["10.5.0.1/24"]}
    error = quick_runtime.call("ADD", configuration).error
    assert (error["code"], "10.5.0.1" in error["details"]) == (7, True)


#: Configurations that ADD refuses. The first field is the reason.
REFUSED = (
    {"ipMasq": True},
    {"hairpinMode": True},
    {"promiscMode": True},
    {"forceAddress": True},
    {"vlan": 7},
    {"macspoofchk": True},
    {"isGateway": True, "plugin": "ovs"},
    {"isGateway": True, "vif": json.loads(serialization.dumps(pod_bridge_vif(1)))},
    {"isGateway": "yes"},
)


def test_an_unsupported_field_is_an_error_that_names_the_field(quick_runtime, network, allocated):
    for fields in REFUSED:
        error = quick_runtime.call("ADD", network | fields).error
        assert error["code"] == 7
        assert next(iter(fields)) in error["details"]
        if fields.get("isGateway") != "yes":
            # The runtime calls DEL after a failed ADD.
            quick_runtime.call("DEL", network | fields).succeeded()
        assert [link["ifname"] for link in ip("link")] == ["lo"]
        assert allocated() == []
        assert state_files() == {}
    unset = dict.fromkeys((name for fields in REFUSED for name in fields), None)
    assert quick_runtime.call("ADD", network | unset).code == 0
