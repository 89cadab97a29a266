# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The document in vif_details adds fields to the keys, and may not contradict the keys."""

from __future__ import annotations

import pytest

from os_vif import exception, negotiation, objects
from os_vif.serialization import to_document
from tests.support.negotiation.neutron_cases import NETWORK_ID, PORT_ID, case

OVS = {"port_filter": True, "ovs_hybrid_plug": False, "bridge_name": "br-int"}
OTHER_ID = PORT_ID.replace("1", "2")


def vif_of(made, document):
    made.port["binding:vif_details"]["os_vif"] = document
    return negotiation.vif_of(*made.arguments())


def document_of(made, **changes):
    """Return the document of the VIF of a port, with other values by path."""
    made.port["binding:vif_details"].pop("os_vif", None)
    document = to_document(negotiation.vif_of(*made.arguments()))
    for path, value in changes.items():
        *parents, name = path.split("__")
        target = document
        for parent in parents:
            target = target[parent]
        target[name] = value
    return document


def test_the_document_has_fields_that_no_key_expresses():
    made = case(**OVS)
    vif = vif_of(made, document_of(made, port_profile__multiqueue=True, network__vlan=5))
    assert vif.port_profile.multiqueue is True
    assert vif.network.vlan == 5


def test_a_short_document_is_completed_from_the_keys():
    """A mechanism driver knows neither the PCI device nor the addresses of the port."""
    made = case("a VF", "hw_veb", "direct", vlan="5")
    whole = negotiation.vif_of(*made.arguments())
    profile = {"kind": "VIFPortProfileSRIOV", "vlan": 5, "max_tx_rate": 100}
    short = {"apiVersion": "os-vif/2.0", "kind": "VIFHostDevice", "port_profile": profile}
    vif = vif_of(made, short)
    assert vif.port_profile.max_tx_rate == 100
    whole.port_profile.max_tx_rate = 100
    assert to_document(vif) == to_document(whole)


def test_the_present_network_goes_before_the_document():
    """Users rename networks, change the MTU and add addresses after the binding."""
    made = case(**OVS)
    document = document_of(made)
    made.network |= {"name": "renamed", "mtu": 1300}
    made.port["fixed_ips"].append({**made.port["fixed_ips"][0], "ip_address": "10.9.0.77"})
    made.port["status"] = "ACTIVE"
    vif = vif_of(made, document)
    assert (vif.network.label, vif.network.mtu, vif.active) == ("renamed", 1300, True)
    assert len(vif.network.subnets[0].ips) == 2


def test_a_document_of_a_newer_release_keeps_unknown_fields():
    made = case(**OVS)
    document = document_of(made, apiVersion="os-vif/2.99", new_field={"x": 1})
    assert to_document(vif_of(made, document))["new_field"] == {"x": 1}


@pytest.mark.parametrize(
    ("details", "changes", "path", "found", "expected"),
    [
        (
            {**OVS, "ovs_hybrid_plug": True},
            {"kind": "VIFOpenVSwitch", "bridge_name": "br-int"},
            "kind",
            "VIFOpenVSwitch",
            "VIFBridge, because of vif_type and vnic_type, ovs_hybrid_plug true",
        ),
        (OVS, {"plugin": "noop"}, "plugin", "'noop'", "'ovs', because of"),
        (OVS, {"id": OTHER_ID}, "id", f"'{OTHER_ID}'", "the id of the port"),
        (OVS, {"address": "fa:16:3e:00:00:02"}, "address", "'fa:16:3e:00:00:02'", "00:01"),
        (OVS, {"network__bridge": "br-x"}, "network.bridge", "'br-x'", "bridge_name"),
        (OVS, {"network__id": PORT_ID}, "network.id", f"'{PORT_ID}'", NETWORK_ID),
        (OVS, {"has_traffic_filtering": False}, "has_traffic_filtering", "false", "port_filter"),
        (
            {**OVS, "ovs_create_tap": True},
            {"port_profile__create_tap": False},
            "port_profile.create_tap",
            "false",
            "true, because of ovs_create_tap",
        ),
        (
            {**OVS, "datapath_type": "netdev"},
            {"port_profile__datapath_type": "system"},
            "port_profile.datapath_type",
            "'system'",
            "'netdev', because of datapath_type",
        ),
        (
            OVS,
            {"port_profile__interface_id": OTHER_ID},
            "port_profile.interface_id",
            f"'{OTHER_ID}'",
            f"'{PORT_ID}', because of the id of the port",
        ),
        (
            OVS,
            {"port_profile__create_tap": True},
            "port_profile.create_tap",
            "true",
            "false, because of the absent key ovs_create_tap",
        ),
        (
            {**OVS, "ovs_hybrid_plug": True},
            {"port_profile__create_tap": True},
            "port_profile.create_tap",
            "true",
            "false, because of the absent key ovs_create_tap",
        ),
        (
            {"bridge_name": "br-int"},
            {"has_traffic_filtering": True},
            "has_traffic_filtering",
            "true",
            "false, because of the absent key port_filter",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_contradiction_is_refused_with_the_path(details, changes, path, found, expected):
    made = case(**details)
    with pytest.raises(exception.InvalidBinding) as raised:
        vif_of(made, document_of(made, **changes))
    assert raised.value.path == f"port.binding:vif_details.os_vif.{path}"
    assert raised.value.found == found
    assert expected in raised.value.expected


def test_a_device_of_another_binding_is_refused():
    """nova assigned the device in the profile to the guest."""
    made = case("a VF", "hw_veb", "direct")
    with pytest.raises(exception.InvalidBinding) as raised:
        vif_of(made, document_of(made, dev_address="0000:03:10.5"))
    assert raised.value.path == "port.binding:vif_details.os_vif.dev_address"


@pytest.mark.parametrize(
    "path",
    ["port_profile.representor_address", "port_profile.datapath_offload.representor_address"],
)
def test_a_representor_of_another_device_is_refused(path):
    made = case("a VF", "ovs", "direct", bridge_name="br-int")
    document = document_of(made, **{path.replace(".", "__"): "0000:03:10.5"})
    with pytest.raises(exception.InvalidBinding) as raised:
        vif_of(made, document)
    assert raised.value.path == f"port.binding:vif_details.os_vif.{path}"
    assert raised.value.expected.endswith("because of pci_slot of the profile")


@pytest.mark.parametrize("vnic_type", ["direct", "macvtap", "vdpa"])
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("vlan", 7, "no value, because of the absent key vlan"),
        ("trusted", True, "no value, because of the absent trusted of the profile"),
    ],
)
def test_a_virtual_function_gains_nothing_in_the_document(vnic_type, name, value, expected):
    """Neutron's API decides on the VLAN, and on the trust in the guest."""
    made = case("a VF", "hw_veb", vnic_type)
    with pytest.raises(exception.InvalidBinding) as raised:
        vif_of(made, document_of(made, **{f"port_profile__{name}": value}))
    assert raised.value.path == f"port.binding:vif_details.os_vif.port_profile.{name}"
    assert raised.value.expected == expected


def test_a_virtual_function_loses_nothing_in_the_document():
    """A profile without the fields gets them; another class of profile is refused."""
    made = case("a VF", "hw_veb", "direct", vlan="5")
    made.port["binding:profile"]["trusted"] = "true"
    vif = vif_of(made, document_of(made, port_profile={"kind": "VIFPortProfileSRIOV"}))
    assert (vif.port_profile.vlan, vif.port_profile.trusted) == (5, True)
    with pytest.raises(exception.InvalidBinding) as raised:
        vif_of(made, document_of(made, port_profile={"kind": "VIFPortProfileBase"}))
    assert raised.value.path == "port.binding:vif_details.os_vif.port_profile.kind"
    assert raised.value.expected == "VIFPortProfileSRIOV, because of key vlan"
    for name, value in (("vlan", 6), ("trusted", False)):
        with pytest.raises(exception.InvalidBinding) as raised:
            vif_of(made, document_of(made, **{f"port_profile__{name}": value}))
        assert raised.value.path == f"port.binding:vif_details.os_vif.port_profile.{name}"


def test_a_mode_of_vhost_user_is_compared():
    made = case("a port", "vhostuser", vhostuser_mode="client", vhostuser_socket="/run/vhu1")
    for changes, path in (({"mode": "server"}, "mode"), ({"path": "/run/vhu2"}, "path")):
        with pytest.raises(exception.InvalidBinding) as raised:
            vif_of(made, document_of(made, **changes))
        assert raised.value.path == f"port.binding:vif_details.os_vif.{path}"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("x", ""),
        ({"kind": "VIFOpenVSwitch"}, ".apiVersion"),
        ({"apiVersion": "os-vif/2.0", "kind": "VIFNew"}, ".kind"),
        ({"apiVersion": "os-vif/2.0", "kind": "Network", "id": NETWORK_ID}, ".kind"),
        ({"apiVersion": "os-vif/2.0", "kind": "VIFOpenVSwitch", "address": "x"}, ".address"),
    ],
)
def test_an_unreadable_document_is_refused_with_the_path(document, path):
    with pytest.raises(exception.SerializationError) as raised:
        vif_of(case(**OVS), document)
    assert raised.value.path == f"port.binding:vif_details.os_vif{path}"


def test_a_modern_port_profile_may_stand_for_the_deprecated_class():
    """nova 34.0.0 uses the deprecated class VIFPortProfileOVSRepresentor."""
    made = case("a VF", "ovs", "direct", bridge_name="br-int")
    profile = {
        "kind": "VIFPortProfileOpenVSwitch",
        "interface_id": PORT_ID,
        "datapath_offload": {"kind": "DatapathOffloadRepresentor", "representor_name": "eth3"},
    }
    vif = vif_of(made, document_of(made, port_profile=profile))
    assert type(vif.port_profile) is objects.VIFPortProfileOpenVSwitch
