# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Usage of the objects by nova, neutron, kuryr, zun and out-of-tree plugins."""

from __future__ import annotations

import json

import pytest

from os_vif import objects
from tests.support.strategies import UUID, load

MAC = "fa:16:3e:00:00:01"

pytestmark = pytest.mark.filterwarnings("ignore:'' is an invalid UUID:FutureWarning")


def nova_network():
    """Return a network, set field by field as in nova's os_vif_util."""
    subnet = objects.subnet.Subnet(
        dns=["8.8.8.8"],
        ips=objects.fixed_ip.FixedIPList(
            objects=[objects.fixed_ip.FixedIP(address="10.0.0.5", floating_ips=["192.0.2.1"])]
        ),
        routes=objects.route.RouteList(objects=[]),
    )
    subnet.cidr = "10.0.0.0/24"
    subnet.gateway = "10.0.0.1"
    route = objects.route.Route(cidr="10.1.0.0/16")
    route.interface = "eth0"
    route.gateway = "10.0.0.254"
    subnet.routes.objects.append(route)
    network = objects.network.Network(
        id=UUID, bridge_interface=None, subnets=objects.subnet.SubnetList(objects=[subnet])
    )
    network.bridge = "br-int"
    network.label = "net"
    network.mtu = 1450
    network.multi_host = False
    network.should_provide_bridge = False
    network.should_provide_vlan = True
    network.vlan = 100
    return network


def nova_vif(cls, **more):
    return cls(
        id=UUID,
        address=MAC,
        network=nova_network(),
        has_traffic_filtering=True,
        preserve_on_delete=False,
        active=True,
        plugin="ovs",
        **more,
    )


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("VIFGeneric", {"vif_name": "tap0"}),
        ("VIFBridge", {"vif_name": "tap0", "bridge_name": "qbr0"}),
        ("VIFOpenVSwitch", {"vif_name": "tap0", "bridge_name": "br-int"}),
        ("VIFVHostUser", {"vif_name": "vhu0", "path": "/run/vhu0", "mode": "server"}),
        ("VIFHostDevice", {"dev_type": "ethernet", "dev_address": "0000:03:00.1"}),
    ],
)
def test_vif_of_nova_survives_the_wire(name, more):
    """Another process reads the values that nova set."""
    vif = nova_vif(getattr(objects.vif, name), **more)
    vif.port_profile = objects.vif.VIFPortProfileOpenVSwitch(interface_id=UUID)
    vif.port_profile.create_port = True
    again = load(json.loads(json.dumps(vif.obj_to_primitive())))
    assert again == vif
    assert again.obj_name() == name
    assert {field: getattr(again, field) for field in more} == more
    (subnet,) = again.network.subnets
    assert (str(subnet.cidr), str(subnet.gateway)) == ("10.0.0.0/24", "10.0.0.1")
    assert str(subnet.routes[0].gateway) == "10.0.0.254"
    assert [str(ip) for ip in subnet.ips[0].floating_ips] == ["192.0.2.1"]
    assert again.network.vlan == 100
    assert "project_id" not in objects.instance_info.InstanceInfo(uuid=UUID, name="vm")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("VIFVHostUser", "bridge_name", "br-int"), ("VIFHostDevice", "vif_name", "pf0vf1")],
)
@pytest.mark.parametrize("by_keyword", [True, False])
def test_nova_sets_names_that_are_no_fields(name, field, value, by_keyword):
    """``VIFVHostUser.bridge_name`` and ``VIFHostDevice(vif_name=…)``; agilio and kuryr as well."""
    cls = getattr(objects.vif, name)
    vif = nova_vif(cls, **{field: value}) if by_keyword else nova_vif(cls)
    if not by_keyword:
        setattr(vif, field, value)
    assert getattr(vif, field) == value
    assert field not in vif.obj_what_changed()
    assert field not in vif.obj_to_primitive()["versioned_object.data"]
    assert vif == nova_vif(cls)
    assert not hasattr(load(vif.obj_to_primitive()), field)


def test_nova_asks_what_is_set_before_it_reads():
    """``in profile.fields`` tests for a field of the class, ``in profile`` for a set field."""
    vif = objects.vif.VIFOpenVSwitch(network=objects.network.Network(mtu=1450))
    assert "port_profile" in vif.fields
    assert "port_profile" not in vif
    assert "network" in vif
    assert "mtu" in vif.network
    vif.port_profile = objects.vif.VIFPortProfileOpenVSwitch(create_tap=True)
    for field in ("create_tap", "create_port", "multiqueue"):
        assert field in vif.port_profile.fields
    assert "create_tap" in vif.port_profile
    assert vif.port_profile.create_tap is True
    assert "multiqueue" not in vif.port_profile
    assert vif.port_profile.obj_name() == "VIFPortProfileOpenVSwitch"


@pytest.mark.parametrize(
    "name", ["VIFPortProfileBase", "VIFPortProfileFPOpenVSwitch", "VIFPortProfileFPBridge"]
)
def test_nova_adds_an_offload_to_any_profile(name):
    """Nova creates the base class of the profiles, and sets the offload afterwards."""
    vif = objects.vif.VIFHostDevice(port_profile=getattr(objects.vif, name)())
    vif.port_profile.datapath_offload = objects.vif.DatapathOffloadRepresentor(
        representor_name="rep0", representor_address="0000:03:00.1"
    )
    again = load(vif.obj_to_primitive())
    assert again.port_profile.obj_name() == name
    assert again.port_profile.datapath_offload.representor_name == "rep0"


def test_nova_fills_the_deprecated_representor_profile_and_the_offload():
    """Profile and offload have the same values, and both are written."""
    vif = nova_vif(
        objects.vif.VIFHostDevice,
        dev_type=objects.fields.VIFHostDeviceDevType.ETHERNET,
        dev_address="0000:03:00.1",
        port_profile=objects.vif.VIFPortProfileOVSRepresentor(
            interface_id=UUID,
            representor_name="rep0",
            representor_address="0000:03:00.1",
            datapath_offload=objects.vif.DatapathOffloadRepresentor(representor_name="rep0"),
        ),
    )
    again = load(vif.obj_to_primitive())
    assert again == vif
    assert again.port_profile.representor_name == "rep0"
    assert again.port_profile.datapath_offload.representor_name == "rep0"


def test_neutron_plugs_without_ids():
    """The VIF of a smart NIC and the network have no id; the id of the instance is empty."""
    vif = objects.vif.VIFOpenVSwitch(
        vif_name="rep0",
        plugin="ovs",
        port_profile=objects.vif.VIFPortProfileOpenVSwitch(interface_id=UUID, create_port=True),
        network=objects.network.Network(bridge="br-int", mtu=1500),
        address=MAC,
    )
    info = objects.instance_info.InstanceInfo(uuid="")
    assert info.uuid == ""
    assert load(vif.obj_to_primitive()) == vif
    assert {"id", "bridge_name", "active"}.isdisjoint(vif.obj_what_changed())


def kuryr_vif():
    network = objects.network.Network(id=UUID, label="net", mtu=1450, bridge="br-int")
    subnet = objects.subnet.Subnet(
        cidr="10.0.0.0/24",
        dns=["8.8.8.8"],
        gateway="10.0.0.1",
        routes=objects.route.RouteList(
            objects=[objects.route.Route(cidr="10.1.0.0/16", gateway="10.0.0.254")]
        ),
    )
    network.subnets = objects.subnet.SubnetList(objects=[subnet.obj_clone()])
    network.subnets.objects[0].ips = objects.fixed_ip.FixedIPList(objects=[])
    network.subnets.objects[0].ips.objects.append(objects.fixed_ip.FixedIP(address="10.0.0.5"))
    return objects.vif.VIFOpenVSwitch(
        id=UUID,
        address=MAC,
        network=network.obj_clone(),
        has_traffic_filtering=False,
        preserve_on_delete=False,
        active=True,
        port_profile=objects.vif.VIFPortProfileOpenVSwitch(interface_id=UUID),
        plugin="ovs",
        vif_name="tap11111111-11",
        bridge_name="br-int",
    )


def test_kuryr_stores_what_its_facts_say():
    """The primitive in a KuryrPort, reset before it is dumped, has this form since 3.0.0."""
    vif = kuryr_vif()
    vif.obj_reset_changes(recursive=True)

    def plain(value):
        if isinstance(value, list):
            return [plain(item) for item in value]
        if not isinstance(value, dict):
            return value
        assert set(value) == {
            f"versioned_object.{key}" for key in ("name", "namespace", "version", "data")
        }
        head = f"{value['versioned_object.name']} {value['versioned_object.version']}"
        data = value["versioned_object.data"]
        return {head: {field: plain(data[field]) for field in data}}

    assert plain(vif.obj_to_primitive()) == {
        "VIFOpenVSwitch 1.0": {
            "active": True,
            "address": MAC,
            "bridge_name": "br-int",
            "has_traffic_filtering": False,
            "id": UUID,
            "plugin": "ovs",
            "preserve_on_delete": False,
            "vif_name": "tap11111111-11",
            "network": {
                "Network 1.1": {
                    "id": UUID,
                    "bridge": "br-int",
                    "label": "net",
                    "mtu": 1450,
                    "multi_host": False,
                    "should_provide_bridge": False,
                    "should_provide_vlan": False,
                    "subnets": {"SubnetList 1.0": {"objects": [SUBNET]}},
                }
            },
            "port_profile": {"VIFPortProfileOpenVSwitch 1.4": {"interface_id": UUID}},
        }
    }


SUBNET = {
    "Subnet 1.0": {
        "cidr": "10.0.0.0/24",
        "dns": ["8.8.8.8"],
        "gateway": "10.0.0.1",
        "ips": {"FixedIPList 1.0": {"objects": [{"FixedIP 1.0": {"address": "10.0.0.5"}}]}},
        "routes": {
            "RouteList 1.0": {
                "objects": [{"Route 1.0": {"cidr": "10.1.0.0/16", "gateway": "10.0.0.254"}}]
            }
        },
    }
}


def test_kuryr_and_zun_write_through_the_base_class():
    """``VersionedObject.obj_to_primitive(vif)``, unbound, returns the primitive of the VIF."""
    vif = kuryr_vif()
    assert objects.base.VersionedObject.obj_to_primitive(vif) == vif.obj_to_primitive()


def test_kuryr_reads_addresses_as_netaddr_does():
    """The CNI plugin reads the family of addresses and the length of networks."""
    vif = load(kuryr_vif().obj_to_primitive())
    (subnet,) = vif.network.subnets.objects
    assert (subnet.cidr.version, subnet.cidr.prefixlen) == (4, 24)
    assert subnet.ips.objects[0].address.version == 4
    assert [str(ip.address) for ip in subnet.ips] == ["10.0.0.5"]
    assert subnet.obj_attr_is_set("gateway")
    assert not subnet.obj_attr_is_set("dhcp_server")


def test_kuryr_compares_what_it_migrates():
    """``state.default_vif == vif`` is true after writing and reading."""
    assert load(kuryr_vif().obj_to_primitive()) == kuryr_vif()


def test_contrail_asks_for_the_schema_of_host_info():
    """An out-of-tree plugin sets the field only if the class has the field."""
    assert "supported_port_profiles" in objects.host_info.HostVIFInfo.fields
    info = objects.host_info.HostVIFInfo(
        vif_object_name=objects.vif.VIFVHostUser.__name__,
        min_version="1.0",
        max_version="1.0",
        supported_port_profiles=[
            objects.host_info.HostPortProfileInfo(
                profile_object_name="VIFPortProfileBase", min_version="1.0", max_version="1.0"
            )
        ],
    )
    assert load(info.obj_to_primitive()) == info
