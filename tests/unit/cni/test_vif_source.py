# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The VIF of an attachment, by source."""

from __future__ import annotations

import json

import pytest

from os_vif import objects, serialization
from os_vif.cni import invocation, vif_source
from os_vif.cni.cni_error import CniError
from os_vif.cni.invocation import Command
from os_vif.objects.kuryr import PodState
from os_vif.serialization import storage
from tests.support.vifs import bridge_vif

ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
ALLOCATED = {
    "ips": [
        {"address": "10.0.0.2/24", "gateway": "10.0.0.1"},
        {"address": "fd00::2/64", "gateway": "fd00::1"},
    ],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.0.0.9"}],
}


def _call(configuration=None, container_id="c1", ifname="eth0", arguments=""):
    plain = {"cniVersion": "1.1.0", "name": "net", "bridge": "br0", **(configuration or {})}
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": container_id,
        "CNI_NETNS": "/run/netns/c1",
        "CNI_IFNAME": ifname,
        "CNI_ARGS": arguments,
        "CNI_PATH": "",
    }
    return invocation.parse(Command.ADD, environment, json.dumps(plain).encode())


def _find(configuration=None, allocated=None, **environment):
    return vif_source.find(_call(configuration, **environment), allocated or {})


def _error(*arguments, **environment):
    with pytest.raises(CniError) as caught:
        _find(*arguments, **environment)
    assert caught.value.code == 7
    return str(caught.value)


def _document(vif):
    return json.loads(serialization.dumps(vif))


def test_a_vif_made_here():
    pod = _find({"mtu": 1400}, ALLOCATED)
    vif = pod.vif
    assert isinstance(vif, objects.VIFBridge)
    assert (vif.plugin, vif.bridge_name, vif.network.mtu) == ("linux_bridge", "br0", 1400)
    assert vif.vif_name == f"tap{vif.id}"[:14]
    assert vif.network.label == "net"
    first, second = vif.network.subnets
    assert (str(first.cidr), str(first.gateway)) == ("10.0.0.0/24", "10.0.0.1")
    assert [str(ip.address) for ip in first.ips] == ["10.0.0.2"]
    assert [(str(r.cidr), str(r.gateway)) for r in first.routes] == [("10.9.0.0/16", "10.0.0.9")]
    # No default route of IPv6 is asked for.
    assert "gateway" not in second
    assert str(second.cidr) == "fd00::/64"
    assert pod.is_made_here
    assert pod.instance.name == "c1"


def test_the_same_attachment_has_the_same_vif_and_others_have_others():
    vifs = [
        _find(**changes).vif
        for changes in (
            {},
            {},
            {"container_id": "c2"},
            {"ifname": "net1"},
            {"configuration": {"name": "other"}},
        )
    ]
    assert vifs[0].id == vifs[1].id
    assert vifs[0].address == vifs[1].address
    assert len({vif.id for vif in vifs}) == 4
    assert len({vif.address for vif in vifs}) == 4
    assert all(int(str(vif.address)[:2], 16) & 3 == 2 for vif in vifs)


def test_a_default_route_by_configuration():
    vif = _find({"isDefaultGateway": True}, {"ips": ALLOCATED["ips"]}).vif
    assert [str(subnet.gateway) for subnet in vif.network.subnets] == ["10.0.0.1", "fd00::1"]
    assert not any(
        "gateway" in s for s in _find({}, {"ips": ALLOCATED["ips"]}).vif.network.subnets
    )


def test_a_route_without_a_gateway_is_on_the_link():
    allocated = {"ips": [{"address": "10.0.0.2/24"}], "routes": [{"dst": "10.1.0.0/16"}]}
    (subnet,) = _find({}, allocated).vif.network.subnets
    (route,) = subnet.routes
    assert str(route.cidr) == "10.1.0.0/16"
    assert "gateway" not in route


def test_open_vswitch():
    vif = _find({"plugin": "ovs", "bridge": "br-int"}).vif
    assert isinstance(vif, objects.VIFOpenVSwitch)
    assert vif.port_profile.create_port
    assert vif.port_profile.interface_id == vif.id


def test_a_device_of_the_runtime():
    vif = _find({"bridge": None, "runtimeConfig": {"deviceID": "0000:01:10.1"}}).vif
    assert isinstance(vif, objects.VIFHostDevice)
    assert (vif.plugin, vif.dev_address) == ("sriov", "0000:01:10.1")
    assert "deviceID" in _error({"runtimeConfig": {"deviceID": "eth9"}})
    assert "deviceID" in _error({"runtimeConfig": {"deviceID": 5}})


@pytest.mark.parametrize(
    ("configuration", "arguments"),
    [
        ({"runtimeConfig": {"mac": "02:AA:00:00:00:01"}}, ""),
        ({"args": {"cni": {"mac": "02:aa:00:00:00:01"}}}, ""),
        ({}, "MAC=02:aa:00:00:00:01"),
        (
            {
                "runtimeConfig": {"mac": "02:aa:00:00:00:01"},
                "args": {"cni": {"mac": "02:bb:00:00:00:01"}},
            },
            "MAC=02:cc:00:00:00:01",
        ),
    ],
)
def test_a_requested_mac_address(configuration, arguments):
    assert _find(configuration, arguments=arguments).vif.address == "02:aa:00:00:00:01"
    document = {"vif": _document(bridge_vif(1))}
    given = _find(configuration | document, arguments=arguments).vif
    assert given.address == "02:aa:00:00:00:01"


def test_a_requested_mac_address_that_is_none():
    assert "runtimeConfig.mac" in _error({"runtimeConfig": {"mac": "x"}})


@pytest.mark.parametrize("holder", ["runtimeConfig", "args"])
def test_requested_addresses_without_an_ipam_plugin(holder):
    values = {"ips": ["10.0.0.5/24", "fd00::5/64"]}
    configuration = {holder: {"cni": values} if holder == "args" else values}
    first, second = _find(configuration).vif.network.subnets
    assert [str(first.ips[0].address), str(second.ips[0].address)] == ["10.0.0.5", "fd00::5"]


def test_requested_addresses_are_the_ipam_plugins_business():
    configuration = {"ipam": {"type": "host-local"}, "runtimeConfig": {"ips": ["10.0.0.5/24"]}}
    assert not len(_find(configuration).vif.network.subnets)


def test_requested_addresses_that_are_none():
    assert "ips.address" in _error({"runtimeConfig": {"ips": ["10.0.0.5/99"]}})
    assert "runtimeConfig.ips" in _error({"runtimeConfig": {"ips": "10.0.0.5/24"}})


GIVEN = bridge_vif(7)
POD_STATE = PodState(default_vif=GIVEN, additional_vifs={"net1": bridge_vif(8)})


@pytest.mark.parametrize(
    "configuration",
    [
        {"vif": _document(GIVEN)},
        {"vif": {"eth0": _document(GIVEN)}},
        {"vif": GIVEN.obj_to_primitive()},
        {"args": {"cni": {"vif": _document(GIVEN)}}},
        {"runtimeConfig": {ANNOTATIONS: {"openstack.org/os-vif": serialization.dumps(GIVEN)}}},
        {
            "runtimeConfig": {
                ANNOTATIONS: {
                    "openstack.org/os-vif": json.dumps(
                        {"eth0": _document(GIVEN), "net1": _document(bridge_vif(8))}
                    )
                }
            }
        },
        {
            "runtimeConfig": {
                ANNOTATIONS: {"openstack.org/kuryr-vif": json.dumps(POD_STATE.obj_to_primitive())}
            }
        },
    ],
)
def test_a_given_vif(configuration):
    pod = _find({"bridge": None, **configuration})
    assert pod.vif.id == GIVEN.id
    assert not pod.is_made_here
    assert not vif_source.needs_addresses(_call(configuration))


def test_kuryrs_annotation_by_interface():
    text = json.dumps(POD_STATE.obj_to_primitive())
    configuration = {"runtimeConfig": {ANNOTATIONS: {storage.ANNOTATION: text}}}
    assert _find(configuration, ifname="net1").vif.id == bridge_vif(8).id
    assert "without a VIF for net2" in _error(configuration, ifname="net2")


def test_the_configuration_precedes_arguments_and_annotations():
    configuration = {
        "vif": _document(bridge_vif(1)),
        "args": {"cni": {"vif": _document(bridge_vif(2))}},
        "runtimeConfig": {ANNOTATIONS: {"openstack.org/os-vif": serialization.dumps(GIVEN)}},
    }
    for number in (1, 2):
        assert _find(configuration).vif.id == bridge_vif(number).id
        del configuration["vif" if number == 1 else "args"]
    assert _find(configuration).vif.id == GIVEN.id


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "{",
        5,
        [],
        {},
        {"eth0": 5},
        {"kind": "VIFNothing"},
        {**_document(GIVEN), "address": "x"},
    ],
)
def test_an_invalid_vif_is_named(value):
    assert "vif" in _error({"vif": value})


def test_another_object_is_no_vif():
    instance = objects.InstanceInfo(name="x")
    assert "InstanceInfo" in _error({"vif": _document(instance)})


def test_the_default_route_of_a_given_vif():
    for ifname, configured, expected in (
        ("eth0", None, True),
        ("net1", None, False),
        ("eth0", False, False),
        ("net1", True, True),
    ):
        call = _call({"vif": _document(GIVEN), "isDefaultGateway": configured}, ifname=ifname)
        assert vif_source.find(call, {}).default_gateway(call) is expected


def test_a_network_without_a_bridge_and_a_vif_is_an_error():
    assert "bridge is missing" in _error({"bridge": None})


def test_the_uid_of_the_pod():
    uid = "5b0f8a1e-7f43-4c1f-9d39-1f1b3f1f9a01"
    assert _find(arguments=f"K8S_POD_UID={uid}").instance.uuid == uid
    assert _find(arguments="K8S_POD_UID=mirror-pod").instance.uuid == _find().instance.uuid
