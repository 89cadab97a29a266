# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""bind(): reasons against a host, and hosts that are described by an agent or a chassis."""

from __future__ import annotations

import pytest

from os_vif import exception, negotiation
from os_vif.negotiation.released_plugins import plugins_of_release
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from tests.support.negotiation.host_offers import our_offer
from tests.support.negotiation.neutron_cases import case


def agent(kind, release="5.3.0", host="host-a", **configurations):
    return negotiation.of_agent(
        {
            "host": host,
            "agent_type": kind,
            "configurations": configurations,
            "resource_versions": {"os_vif": release},
        }
    )


def chassis(release, **config):
    options = {"ovn-cms-options": f"os-vif-release={release}"}
    return negotiation.of_chassis({"hostname": "host-a", "other_config": options | config})


def bind(made, *offers, **more):
    return negotiation.bind(*made.arguments(), offers, **more)


MACVTAP = {"macvtap_source": "eth1", "macvtap_mode": "vepa", "physical_interface": "eth1"}


@pytest.mark.parametrize(
    ("made", "offer"),
    [
        (case("a", "macvtap", "normal", **MACVTAP), agent("Macvtap agent")),
        (case("a", "ovs", "remote-managed"), chassis("5.3.0")),
        (case("a", "hostdev_physical", "direct-physical"), agent("NIC Switch agent")),
        (case("a", "vhostuser", vhostuser_socket="/x"), agent("Open vSwitch agent")),
        (case("a", "vhostuser", vhostuser_socket="/x"), agent("OVN Controller agent")),
    ],
)
def test_a_host_has_the_plugin_noop(made, offer):
    """Agents and chassis list no plugins; each host since 1.11.0 has the plugin."""
    bound = bind(made, offer)
    assert (bound.vif.plugin, bound.release) == ("noop", "5.3.0")


def test_a_host_before_1_11_0_has_no_plugin_noop():
    """The port is refused."""
    made = case("a", "macvtap", "normal", **MACVTAP)
    with pytest.raises(exception.NoUsableOffer, match="has no plugin 'noop'"):
        bind(made, agent("Macvtap agent", "1.10.0"))


@pytest.mark.parametrize("release", [None, "foo", "0.9"])
def test_an_unusable_release_leads_to_the_next_host(release):
    """The reason is the host's own."""
    made = case()
    made.port["binding:host_id"] = ""
    bad = our_offer(host="host-z")
    if release is None:
        del bad._obj_release
    else:
        bad.release = release
    assert bind(made, bad, our_offer()).host == "host-a"
    with pytest.raises(exception.NoUsableOffer, match=r"host-z: offer\.release is .*'; host-a "):
        bind(made, bad, our_offer(plugins=[]))
    with pytest.raises(exception.InvalidField, match=r"offer\.release is"):
        bind(made, bad)


def test_an_unreadable_document_in_a_binding_leads_to_the_next_host():
    """The error with the path is the reason of the host."""
    document = {"apiVersion": "os-vif/2.0", "kind": "VIFOpenVSwitch", "zzz": 1}
    bindings = [
        {"host": "host-z", "vif_type": "ovs", "vif_details": {"os_vif": document}},
        {"host": "host-b", "vif_type": "ovs", "vif_details": {}},
    ]
    bad, good = our_offer(host="host-z"), our_offer(host="host-b")
    assert bind(case(), bad, good, bindings=bindings).host == "host-b"
    with pytest.raises(
        exception.NoUsableOffer, match=r"host-z: binding\.vif_details\.os_vif\.zzz"
    ):
        bind(case(), bad, our_offer(host="host-b", plugins=[]), bindings=bindings)
    with pytest.raises(exception.UnknownField):
        bind(case(), bad, bindings=bindings)


def test_the_binding_of_the_port_is_for_one_host():
    """The details of host-a say nothing about host-b; an offer without a host is not refused."""
    with pytest.raises(exception.InvalidBinding, match="the bindings of the port") as raised:
        bind(case(), our_offer(host="host-b"))
    assert raised.value.path == "port.binding:host_id"
    assert bind(case(), our_offer(host="host-b"), our_offer()).host == "host-a"
    anonymous = our_offer()
    del anonymous._obj_host
    assert bind(case(), anonymous).host is None
    unbound = case()
    unbound.port["binding:host_id"] = ""
    assert bind(unbound, our_offer(host="host-b")).host == "host-b"


@pytest.mark.parametrize("wrap", [list, lambda answer: {"bindings": answer}])
def test_the_answer_of_the_api_is_unwrapped(wrap):
    """``GET /v2.0/ports/{id}/bindings`` answers with an object."""
    bindings = [{"host": "host-b", "vif_type": "ovs", "vif_details": {"ovs_hybrid_plug": True}}]
    bound = bind(case(), our_offer(host="host-b"), bindings=wrap(bindings))
    assert bound.vif.obj_name() == "VIFBridge"


def test_a_lost_vlan_or_port_profile_of_a_vf_is_a_reason():
    """An offer of a host that claims the plugin sriov for 5.3.0."""
    offer = our_offer(release="5.3.0")
    made = case("a VF", "hw_veb", "direct", vlan="5")
    with pytest.raises(exception.NoUsableOffer, match=r"5\.3\.0, which cannot read port_p"):
        bind(made, offer)
    assert bind(made, offer, our_offer()).release == CURRENT_RELEASE


@pytest.mark.parametrize(
    ("mappings", "networks"),
    [
        ("physnet1:br-ex", ["physnet1"]),
        ("physnet2:br-2, physnet1:br-ex,", ["physnet1", "physnet2"]),
        ("", []),
    ],
)
def test_an_agent_of_ovn_tells_the_physical_networks(mappings, networks):
    """The agents publish ``bridge-mappings`` as text."""
    offer = agent("OVN Controller agent", **{"bridge-mappings": mappings})
    assert offer.physical_networks == networks
    made = case()
    made.network["provider:physical_network"] = "physnet9"
    with pytest.raises(exception.NoUsableOffer, match="physical network 'physnet9'"):
        bind(made, offer)


def test_a_mapping_of_another_type_is_refused_by_path():
    """Neutron's agents publish text."""
    with pytest.raises(exception.InvalidField, match="bridge-mappings is an array"):
        agent("OVN Controller agent", **{"bridge-mappings": ["physnet1:br-ex"]})


def test_a_host_needs_the_physical_network_of_one_segment():
    """A segment of a tunnel network needs none."""
    made, name = case(), "provider:physical_network"
    offer = our_offer(physical_networks=["physnet1"])
    made.network["segments"] = [{name: "physnet8"}, {name: "physnet9"}]
    with pytest.raises(exception.NoUsableOffer, match=r"'physnet8'.*'physnet9'"):
        bind(made, offer)
    for segment in ({name: "physnet1"}, {name: None}):
        made.network["segments"][1] = segment
        assert bind(made, offer).host == "host-a"
    made.network["segments"] = [5]
    with pytest.raises(exception.InvalidBinding, match=r"network\.segments\[0\]: found 5"):
        bind(made, offer)


def test_a_document_of_an_earlier_host_is_left_out():
    """A public release reads no document, and would contradict a stale one after an upgrade."""
    offer = negotiation.Offer(
        host="host-a", release="5.3.0", plugins=plugins_of_release("5.3.0", ["ovs"])
    )
    bound = bind(case(), offer)
    assert bound.vif_details({"port_filter": True, "os_vif": {"stale": 1}}) == {
        "port_filter": True
    }
