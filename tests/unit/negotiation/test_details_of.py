# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""A VIF becomes vif_type and vif_details: the keys that nova reads, and a document."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif import exception, negotiation, objects
from os_vif.negotiation import neutron_limits
from os_vif.serialization import to_document
from tests.support import strategies
from tests.support.negotiation.neutron_cases import NETWORK_ID, PORT_ID, Case, all_cases, case

#: A part of the cases, with all pairs of details: see test_nova_translation.
STEP = 5
PLUGINS = ("ovs", "agilio_ovs", "vhostuser_fp", "vrouter", "ivs", "sriov", "noop", "linux_bridge")
#: Details that have no effect on the VIF for nova and for us.
MACVTAP = {
    "macvtap_source": "eth1.5",
    "macvtap_mode": "vepa",
    "physical_interface": "eth1",
    "vlan": 5,
}


def bindable() -> list[tuple[Case, objects.VIFBase]]:
    """Return cases with the VIF, for ports that can be bound."""
    added = [
        case("a VF", "hw_veb", "direct", vlan="5"),
        case("a VF", "hw_veb", "macvtap"),
        case("a VF", "hw_veb", "vdpa"),
        case("a PF", "hostdev_physical", "direct-physical"),
        case("a macvtap port", "macvtap", **MACVTAP),
    ]
    found = []
    for made in itertools.chain(all_cases()[::STEP], added):
        try:
            found.append((made, negotiation.vif_of(*made.arguments())))
        except exception.InvalidBinding:
            continue
    return found


def bound_again(made: Case, vif_type: str, details: dict) -> objects.VIFBase:
    """Return the VIF of the port with other details."""
    made.port |= {"binding:vif_type": vif_type, "binding:vif_details": details}
    return negotiation.vif_of(*made.arguments())


def test_the_keys_of_a_vif_give_the_vif_again():
    """nova reads the keys only; the class, the plugin and all fields are the same."""
    pairs = bindable()
    assert len(pairs) > 400
    for made, vif in pairs:
        vif_type, details = negotiation.details_of(vif, document=False)
        assert vif_type == made.port["binding:vif_type"] or vif_type == "ovs"
        again = bound_again(made, vif_type, details)
        assert to_document(again) == to_document(vif), made.name


def test_details_with_a_document_give_the_vif_again():
    for made, vif in bindable()[::4]:
        again = bound_again(made, *negotiation.details_of(vif))
        assert to_document(again) == to_document(vif), made.name


def test_the_details_of_neutron_come_back():
    """Keys with the default value may be added, and keys that nova ignores are left out."""
    details = {"port_filter": True, "ovs_hybrid_plug": False, "bridge_name": "br-int"}
    details |= {"ovs_create_tap": True, "datapath_type": "netdev"}
    vif = negotiation.vif_of(*case(**details, connectivity="l2").arguments())
    assert negotiation.details_of(vif, document=False) == ("ovs", details)


def test_details_are_json():
    """The document is plain data, as Neutron's database stores JSON."""
    _, details = negotiation.details_of(negotiation.vif_of(*case().arguments()))
    assert json.loads(json.dumps(details)) == details
    assert details["os_vif"]["kind"] == "VIFOpenVSwitch"
    assert neutron_limits.json_size(details) < 1500


@pytest.mark.parametrize(
    ("vif", "path", "expected"),
    [
        (objects.VIFBridge(id=PORT_ID, plugin="linux_bridge"), "vif.plugin", "one of agilio_ovs"),
        (objects.VIFGeneric(id=PORT_ID, plugin="ovs"), "vif", "VIFBridge or"),
        (objects.VIFGeneric(id=PORT_ID), "vif.plugin", "a value"),
        (objects.VIFVHostUser(plugin="noop", mode="client"), "vif.path", "a value"),
        (objects.VIFOpenVSwitch(plugin="ovs", network=None), "vif.network.bridge", "a value"),
        (objects.Network(id=NETWORK_ID), "vif", "a VIF"),
        (None, "vif", "a VIF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_vif_without_a_counterpart_in_neutron_is_refused(vif, path, expected):
    with pytest.raises(exception.InvalidBinding) as raised:
        negotiation.details_of(vif)
    assert raised.value.path == path
    assert expected in raised.value.expected


def test_details_larger_than_the_column_are_refused_with_sizes():
    """Neutron's column has 4,095 characters; a network with many routes has a larger document."""
    made = case()
    made.subnets[0]["host_routes"] = [
        {"destination": f"10.{n}.0.0/16", "nexthop": "10.9.0.254"} for n in range(100)
    ]
    vif = negotiation.vif_of(*made.arguments())
    with pytest.raises(exception.InvalidBinding) as raised:
        negotiation.details_of(vif)
    assert raised.value.path == "vif_details"
    assert raised.value.expected == "at most 4095 characters, the size of Neutron's column"
    sizes = [int(word) for word in raised.value.found.replace(")", "").split() if word.isdigit()]
    assert sizes[0] > 4095
    assert "os_vif has" in raised.value.found
    vif_type, details = negotiation.details_of(vif, document=False)
    assert bound_again(made, vif_type, details).obj_to_primitive() == vif.obj_to_primitive()


@pytest.mark.parametrize(("attribute", "limit"), sorted(neutron_limits.COLUMN_LIMITS.items()))
def test_the_limit_of_a_column_is_exact(attribute, limit):
    """A text of the size of the column fits."""
    fitting = {"x": "y" * (limit - len('{"x": ""}'))}
    neutron_limits.require_fits_column(attribute, fitting)
    with pytest.raises(exception.InvalidBinding, match=rf"^{attribute}: found {limit + 1} char"):
        neutron_limits.require_fits_column(attribute, {"x": fitting["x"] + "y"})


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
#: Details of Open vSwitch and of vhost-user; a missing detail has the default of the second member.
DETAILS = {
    "port_filter": (st.booleans(), False),
    "ovs_hybrid_plug": (st.booleans(), False),
    "ovs_create_tap": (st.booleans(), False),
    "bridge_name": (TEXTS, "br-int"),
    "datapath_type": (st.sampled_from(["", "system", "netdev"]), None),
    "vhostuser_socket": (TEXTS, None),
    "vhostuser_mode": (st.sampled_from(["client", "server"]), "server"),
    "vhostuser_ovs_plug": (st.booleans(), False),
}
#: The details with an effect, by the class of the VIF.
EFFECTIVE = {
    "VIFOpenVSwitch": (
        "port_filter",
        "ovs_hybrid_plug",
        "ovs_create_tap",
        "bridge_name",
        "datapath_type",
    ),
    "VIFBridge": (
        "port_filter",
        "ovs_hybrid_plug",
        "ovs_create_tap",
        "bridge_name",
        "datapath_type",
    ),
    "VIFVHostUser": ("port_filter", "vhostuser_socket", "vhostuser_mode", "vhostuser_ovs_plug"),
}


@given(
    details=st.fixed_dictionaries({}, optional={name: of for name, (of, _) in DETAILS.items()}),
    is_vhost_user=st.booleans(),
    document=st.booleans(),
)
def test_the_details_with_an_effect_come_back(details, is_vhost_user, document):
    """The VIF of the returned details is the VIF of the first details, for any text as a name."""
    vif_type = "vhostuser" if is_vhost_user else "ovs"
    made = case(
        "a port", vif_type, **details | ({"vhostuser_socket": "/s"} if is_vhost_user else {})
    )
    given_details = made.port["binding:vif_details"]
    vif = negotiation.vif_of(*made.arguments())
    again_type, again = negotiation.details_of(vif, document=document)
    assert again_type == vif_type
    for name in EFFECTIVE[vif.obj_name()]:
        default = DETAILS[name][1]
        assert again.get(name, default) == given_details.get(name, default), name
    assert to_document(bound_again(made, again_type, again)) == to_document(vif)


#: Types and details of ports, whose VIFs have a port profile.
PROFILED = (
    ("ovs", "normal", {}),
    ("ovs", "normal", {"ovs_hybrid_plug": True}),
    ("ovs", "direct", {}),
    ("agilio_ovs", "virtio-forwarder", {"vhostuser_socket": "/s"}),
    ("vhostuser", "normal", {"vhostuser_socket": "/s", "vhostuser_ovs_plug": True}),
    (
        "vhostuser",
        "normal",
        {"vhostuser_socket": "/s", "vhostuser_ovs_plug": True, "vhostuser_fp_plug": True},
    ),
    ("hw_veb", "direct", {}),
    ("hw_veb", "macvtap", {}),
)
FLAGS = ("create_port", "create_tap", "hybrid_plug", "multiqueue", "spoof_check", "trusted")


@given(
    bound=st.sampled_from(PROFILED),
    flags=st.dictionaries(st.sampled_from(FLAGS), st.booleans()),
    filters=st.booleans(),
    vlan=st.none() | st.integers(0, 4094),
    datapath_type=st.none() | st.sampled_from(["system", "netdev"]),
)
def test_written_details_with_a_document_are_accepted(bound, flags, filters, vlan, datapath_type):
    """The keys and the document of the details never contradict each other."""
    vif_type, vnic_type, details = bound
    made = case("a VF", vif_type, vnic_type, **details)
    vif = negotiation.vif_of(*made.arguments())
    vif.has_traffic_filtering = filters
    for name, value in {**flags, "vlan": vlan, "datapath_type": datapath_type}.items():
        if name in vif.port_profile.fields:
            setattr(vif.port_profile, name, value)
    if flags.get("trusted") is not None:
        made.port["binding:profile"]["trusted"] = str(flags["trusted"])
    again = bound_again(made, *negotiation.details_of(vif))
    assert to_document(again) == to_document(vif)


@given(st.sampled_from(strategies.VIFS).flatmap(strategies.any_object), st.sampled_from(PLUGINS))
def test_any_vif_becomes_details_or_an_error_of_the_family(vif, plugin):
    """Each field may be unset, and have each permitted value."""
    vif.plugin = plugin
    error = error_of(vif)
    assert error is None or (error.path.startswith("vif") and error.expected)


def error_of(vif: objects.VIFBase) -> exception.SerializationError | None:
    """Return the error for a VIF, or None."""
    try:
        vif_type, details = negotiation.details_of(vif)
    except exception.SerializationError as error:
        return error
    assert vif_type
    assert details == json.loads(json.dumps(details))
    return None
