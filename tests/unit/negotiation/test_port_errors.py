# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""An unusable port is refused with the path, the found value and the expected value."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif import exception, negotiation, objects
from tests.support.negotiation.neutron_cases import NETWORK_ID, SUBNET_ID, case

#: Values of other types and formats.
UNUSABLE = [None, True, 5, -1, 1e99, "", "x", "\0", [], ["x"], {}, {"x": 1}, [[]], "9" * 5000]


def refuse(made, binding=None):
    with pytest.raises(exception.InvalidBinding) as raised:
        negotiation.vif_of(*made.arguments(), binding)
    return raised.value


@pytest.mark.parametrize(
    ("place", "value", "path", "expected"),
    [
        (("port", "mac_address"), "fa:16:3e", "port.mac_address", "a MAC address"),
        (("port", "mac_address"), None, "port.mac_address", "a MAC address"),
        (("port", "id"), "port1", "port.id", "a UUID"),
        (("port", "admin_state_up"), "yes", "port.admin_state_up", "true or false"),
        (("port", "network_id"), SUBNET_ID, "port.network_id", NETWORK_ID),
        (("port", "fixed_ips"), {}, "port.fixed_ips", "an array"),
        (
            ("port", "fixed_ips", 0, "ip_address"),
            "10.9.0",
            "port.fixed_ips[0].ip_address",
            "an IP",
        ),
        (
            ("port", "fixed_ips", 0, "ip_address"),
            "10.8.0.5",
            "port.fixed_ips[0].ip_address",
            "10.9",
        ),
        (
            ("port", "fixed_ips", 0, "subnet_id"),
            NETWORK_ID,
            "port.fixed_ips[0].subnet_id",
            "subnets",
        ),
        (("port", "binding:vif_type"), None, "port.binding:vif_type", "administrators"),
        (("port", "binding:vif_type"), "unbound", "port.binding:vif_type", "bound to a host"),
        (("port", "binding:vif_type"), "binding_failed", "port.binding:vif_type", "driver"),
        (("port", "binding:vif_type"), "bridge", "port.binding:vif_type", "one of ovs, vhostuser"),
        (("port", "binding:vif_details"), "{}", "port.binding:vif_details", "an object"),
        (
            ("port", "binding:vif_details", "ovs_hybrid_plug"),
            "False",
            "port.binding:vif_details.ovs_hybrid_plug",
            "true or false",
        ),
        (
            ("port", "binding:vif_details", "bridge_name"),
            "",
            "port.binding:vif_details.bridge_name",
            "the name of a bridge",
        ),
        (("network", "id"), None, "network.id", "a UUID"),
        (("network", "mtu"), "x", "network.mtu", "an MTU"),
        (("network", "mtu"), 70000, "network.mtu", "65535"),
        (("network", "name"), 5, "network.name", "a text"),
        (("subnets", 0), "x", "subnets[0]", "an object"),
        (("subnets", 0, "cidr"), "10.9.0.0/33", "subnets[0].cidr", "an IP network"),
        (("subnets", 0, "gateway_ip"), "", "subnets[0].gateway_ip", "an IP address"),
        (("subnets", 0, "dns_nameservers", 0), "dns1", "subnets[0].dns_nameservers[0]", "an IP"),
        (
            ("subnets", 0, "host_routes", 0, "nexthop"),
            None,
            "subnets[0].host_routes[0].nexthop",
            "an IP address",
        ),
    ],
)
def test_the_error_has_the_path_of_the_value(place, value, path, expected):
    made = case(port_filter=True)
    target = vars(made)
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    error = refuse(made)
    assert error.path == path
    assert expected in error.expected
    assert str(error).startswith(f"{path}: found ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("integration_bridge", value) for value in (None, 5, b"br-int", [], "", "br\0")),
        *(("preserve_on_delete", value) for value in (None, 1, "yes", [])),
    ],
)
def test_an_unusable_argument_is_refused_by_name(name, value):
    with pytest.raises(exception.InvalidBinding) as raised:
        negotiation.vif_of(*case().arguments(), **{name: value})
    assert raised.value.path == name
    assert raised.value.found
    assert raised.value.expected in {"the name of a bridge", "True or False"}


@pytest.mark.parametrize("address", ["10000:03:00.2", "0001abcd:03:00.2"])
def test_a_pci_address_with_a_long_domain_is_refused_with_the_reason(address):
    """The fields of VIFs take 4 digits, as in the public releases."""
    with pytest.raises(ValueError, match=address):
        objects.VIFHostDevice(dev_address=address)
    made = case("a VF", "hw_veb", "direct")
    made.port["binding:profile"]["pci_slot"] = address
    error = refuse(made)
    assert (error.path, error.found) == ("port.binding:profile.pci_slot", repr(address))
    assert "a domain of 4 digits" in error.expected
    assert "cannot have a longer domain" in error.expected


def test_a_binding_of_another_host_has_paths_of_its_own():
    made = case(port_filter=True)
    error = refuse(
        made, {"host": "host-b", "vif_type": "ovs", "vif_details": {"port_filter": "x"}}
    )
    assert error.path == "binding.vif_details.port_filter"


def test_a_binding_of_another_host_replaces_the_binding_of_the_port():
    """The answers of ``/ports/{id}/bindings`` have no prefix ``binding:``."""
    made = case(port_filter=True)
    details = {"port_filter": True, "ovs_hybrid_plug": True}
    other = {"host": "host-b", "vnic_type": "normal", "vif_type": "ovs", "vif_details": details}
    assert negotiation.vif_of(*made.arguments()).obj_name() == "VIFOpenVSwitch"
    assert negotiation.vif_of(*made.arguments(), other).obj_name() == "VIFBridge"


def places(value, above=()):
    """Yield the place of each member of nested dictionaries and lists."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for part, member in list(members):
        yield (*above, part)
        if isinstance(member, dict | list):
            yield from places(member, (*above, part))


DETAILS = {
    "ovs": {"port_filter": True, "bridge_name": "br-int", "datapath_type": "netdev"},
    "vhostuser": {"vhostuser_socket": "/run/vhu1", "vhostuser_mode": "client"},
    "hw_veb": {"vlan": "5"},
    "macvtap": {"macvtap_source": "e", "macvtap_mode": "vepa", "physical_interface": "e"},
}


@given(
    vif_type=st.sampled_from(sorted(DETAILS)),
    vnic_type=st.sampled_from(["normal", "direct", "macvtap"]),
    with_document=st.booleans(),
    data=st.data(),
)
def test_a_changed_port_is_read_or_refused_with_one_family(
    vif_type, vnic_type, with_document, data
):
    """No other exception leaves the function, and the arguments do not change."""
    made = case("a port", vif_type, vnic_type, **DETAILS[vif_type])
    arguments = list(made.arguments())
    if with_document:
        try:
            vif = negotiation.vif_of(*arguments)
        except exception.InvalidBinding:
            return
        arguments[0]["binding:vif_details"] |= negotiation.details_of(vif)[1]
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(list(places(arguments))))
        target = arguments
        for part in above:
            target = target[part]
        value = data.draw(st.sampled_from([*UNUSABLE, "delete"]))
        if value == "delete" and isinstance(target, dict):
            del target[last]
        else:
            target[last] = copy.deepcopy(value)
    before = copy.deepcopy(arguments)
    error = error_of(arguments)
    assert error is None or (error.expected and len(str(error)) < 1000)
    assert arguments == before


def error_of(arguments):
    """Return the error of the family for a port, or None."""
    try:
        negotiation.vif_of(*arguments).obj_to_primitive()
    except exception.SerializationError as error:
        return error
    return None
