# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""bind(): the first host that can plug a port, and the text for the release of the host."""

from __future__ import annotations

import json

import pytest

from os_vif import exception, negotiation, serialization
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from tests.support.negotiation.host_offers import RECORDED, our_offer, public_offer
from tests.support.negotiation.neutron_cases import PORT_ID, case

TAP = {"port_filter": True, "ovs_create_tap": True, "datapath_type": "system"}
HYBRID = {"port_filter": True, "ovs_hybrid_plug": True, "datapath_type": "system"}


def bind(made, *offers, **more):
    """Bind a port that no host has yet."""
    made.port["binding:host_id"] = ""
    return negotiation.bind(*made.arguments(), offers, **more)


def binding(host, vif_type="ovs", **details):
    return {
        "host": host,
        "vif_type": vif_type,
        "vnic_type": "normal",
        "profile": {},
        "vif_details": details,
    }


def test_a_port_is_bound_to_the_first_host_that_can_plug_it():
    """A host without the plugin is passed over; later hosts are not asked."""
    made = case("a VF", "hw_veb", "direct", vlan="5")
    ours = our_offer(host="host-b")
    bound = bind(made, public_offer("5.3.0"), ours, our_offer(host="host-c"))
    assert (bound.host, bound.release) == ("host-b", CURRENT_RELEASE)
    assert bound.losses == ()
    assert bound.assumption is None
    assert serialization.dumps(serialization.loads(bound.text)) == bound.text
    assert bound.vif.plugin == "sriov"


def test_no_host_can_plug_a_port():
    """The error has the reason of each host."""
    made = case("a VF", "hw_veb", "direct", vlan="5")
    with pytest.raises(exception.NoUsableOffer) as raised:
        bind(made, public_offer("5.3.0"), our_offer(host="host-b", plugins=[]))
    assert raised.value.kwargs["port_id"] == PORT_ID
    text = str(raised.value)
    assert "host-5.3.0 has no plugin 'sriov'; offered: noop, ovs" in text
    assert "host-b has no plugin 'sriov'; offered: nothing" in text
    with pytest.raises(exception.NoUsableOffer, match="there is no offer"):
        bind(made)


@pytest.mark.parametrize("release", RECORDED)
def test_the_text_is_for_the_release_of_the_host(release):
    """The fields that the release lacks are in the losses, and the other fields in the text."""
    bound = bind(case("a port", **TAP), public_offer(release))
    assert bound.release == release
    paths = {loss.path for loss in bound.losses}
    lost = {"port_profile.create_port", "port_profile.create_tap"}
    assert paths == {"5.3.0": set(), "4.3.1": set()}.get(release, lost)
    primitive = json.loads(bound.text)
    assert primitive["versioned_object.name"] == "VIFOpenVSwitch"
    read = serialization.loads(bound.text)
    assert read.id == PORT_ID
    assert ("create_tap" in read.port_profile) is (not paths)


def test_the_assumed_release_is_named():
    """A public HostInfo without a release costs fields, and the bound port tells the reason."""
    bound = bind(case("a port", **TAP), public_offer("5.3.0", stated=False))
    assert bound.release == "1.11.0"
    assert "1.11.0 is assumed" in bound.assumption
    assert [loss.path for loss in bound.losses] == [
        "port_profile.create_port",
        "port_profile.create_tap",
    ]


def test_each_host_has_its_own_binding():
    """The VIF is of the binding of the host of the offer."""
    made = case("a port", **TAP)
    bindings = [binding("host-a", **TAP), binding("host-b", **HYBRID)]
    bound = bind(made, our_offer(host="host-b", hybrid_plug=True), bindings=bindings)
    assert bound.vif.obj_name() == "VIFBridge"
    assert bind(made, our_offer(), bindings=bindings).vif.obj_name() == "VIFOpenVSwitch"
    with pytest.raises(exception.InvalidBinding, match="a binding for host-c"):
        bind(made, our_offer(host="host-c"), bindings=bindings)


def test_a_failed_binding_leads_to_the_next_host():
    """Neutron could not bind the port on the first host."""
    bindings = [binding("host-a", "binding_failed"), binding("host-b", **TAP)]
    made = case("a port", **TAP)
    assert bind(made, our_offer(), our_offer(host="host-b"), bindings=bindings).host == "host-b"
    with pytest.raises(exception.NoUsableOffer, match=r"host-a: .*; host-c: "):
        bind(made, our_offer(), our_offer(host="host-c"), bindings=bindings)


def test_an_unusable_port_is_refused_by_path():
    """The error is that of vif_of()."""
    with pytest.raises(exception.InvalidBinding) as raised:
        bind(case("unbound", "unbound"), our_offer())
    assert raised.value.path == "port.binding:vif_type"


def test_the_profile_lists_what_the_guest_permits():
    """``binding:profile`` is where nova can tell the classes for a guest."""
    made = case("a port", **TAP)
    made.port["binding:profile"] = negotiation.profile_of_guest({}, ["VIFVHostUser"])
    assert made.port["binding:profile"] == {"os_vif": {"permitted": ["VIFVHostUser"]}}
    with pytest.raises(exception.NoUsableOffer, match="permits no VIFOpenVSwitch"):
        bind(made, our_offer())
    made.port["binding:profile"] = negotiation.profile_of_guest({}, ["VIFOpenVSwitch"])
    assert bind(made, our_offer()).host == "host-a"
    with pytest.raises(exception.InvalidBinding, match="at most 4095"):
        negotiation.profile_of_guest({"a": "x" * 4090}, ["VIFOpenVSwitch"])


def test_the_document_is_beside_the_old_keys():
    """A nova without knowledge of documents reads the keys; the size is checked before."""
    made = case("a port", **TAP)
    bound = bind(made, our_offer())
    details = bound.vif_details(TAP)
    assert {name: details[name] for name in TAP} == TAP
    assert details["os_vif"] == serialization.to_document(bound.vif)
    made.port["binding:vif_details"] = details
    again = negotiation.vif_of(*made.arguments())
    assert serialization.to_document(again) == details["os_vif"]
    assert bind(made, public_offer("5.3.0")).vif_details(TAP) == TAP
    with pytest.raises(exception.InvalidBinding, match="at most 4095"):
        bound.vif_details({"bridge_name": "x" * 3500})


def test_a_physical_network_that_the_host_lacks():
    """The network of the port names the physical network."""
    made = case("a port", **TAP)
    made.network["provider:physical_network"] = "physnet2"
    with pytest.raises(exception.NoUsableOffer, match="physical network 'physnet2'"):
        bind(made, our_offer(physical_networks=["physnet1"]))
    assert bind(made, our_offer(physical_networks=["physnet1", "physnet2"])).host == "host-a"
    assert bind(made, our_offer()).host == "host-a"


def test_an_offer_without_a_release_is_refused():
    """The release decides the text."""
    offer = our_offer()
    del offer._obj_release
    with pytest.raises(exception.InvalidField, match=r"offer\.release is unset"):
        bind(case("a port", **TAP), offer)
