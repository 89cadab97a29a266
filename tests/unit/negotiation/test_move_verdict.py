# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""verdict(): changes of a VIF in a live migration, and the reasons against the migration."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif import exception, negotiation, objects, serialization
from os_vif.negotiation.move_verdict import FREE
from tests.support.negotiation.host_offers import our_offer, public_offer
from tests.support.negotiation.neutron_cases import case
from tests.support.strategies import KURYR, VIFS, any_object, make

TAP = {"port_filter": True, "ovs_create_tap": True, "datapath_type": "netdev"}
HYBRID = {"port_filter": True, "ovs_hybrid_plug": True, "datapath_type": "system"}
SOCKET = {"vhostuser_ovs_plug": True, "vhostuser_mode": "server", "vhostuser_socket": "/run/vhu1"}


def vif(vif_type="ovs", vnic_type="normal", **details):
    return negotiation.vif_of(*case("a port", vif_type, vnic_type, **details).arguments())


def of_guest(**values):
    return our_offer(guest=negotiation.Guest(**values))


def test_from_a_tap_to_a_hybrid_host():
    """The kind of plugging may change: the guest has a tap device on both hosts."""
    verdict = negotiation.verdict(vif(**TAP), vif(**HYBRID), our_offer(hybrid_plug=True))
    assert verdict.possible
    assert verdict
    assert verdict.reasons == verdict.guest_visible == verdict.losses == ()
    changes = {change.path: change[1:] for change in verdict.changes}
    assert changes["kind"] == ("VIFOpenVSwitch", "VIFBridge")
    assert changes["port_profile.create_tap"][0] is True
    assert changes["port_profile.datapath_type"] == ("netdev", "system")
    assert str(verdict.changes[0]) == "kind: 'VIFOpenVSwitch' here, 'VIFBridge' there"


def test_the_outage_of_2026_is_one_reason():
    """ML2/OVS set ``ovs_create_tap`` for hybrid hosts, and no instance booted."""
    there = vif(**HYBRID, ovs_create_tap=True)
    verdict = negotiation.verdict(vif(**TAP), there, our_offer())
    assert not verdict
    (reason,) = verdict.reasons
    assert "ovs_create_tap with ovs_hybrid_plug" in reason
    made = case("a port", **HYBRID, ovs_create_tap=True)
    with pytest.raises(exception.NoUsableOffer, match="ovs_create_tap with ovs_hybrid_plug"):
        negotiation.bind(*made.arguments(), [our_offer()])
    assert negotiation.verdict(there, vif(**HYBRID), our_offer()).possible


def test_a_hybrid_host_needs_a_bridge():
    """The rules of iptables_hybrid are on the Linux bridge."""
    verdict = negotiation.verdict(vif(**TAP), vif(**TAP), our_offer(hybrid_plug=True))
    assert verdict.reasons == (
        "host-a filters on a Linux bridge (ovs_hybrid_plug), which a VIFOpenVSwitch has not",
    )


def test_a_virtual_function_cannot_move_to_a_host_with_5_3_0():
    """5.3.0 has no plugin sriov, and no port profile of the plugin."""
    function = vif("hw_veb", "direct", vlan="5")
    verdict = negotiation.verdict(function, function, public_offer("5.3.0"))
    plugin, profile, vlan = verdict.reasons
    assert plugin == "host-5.3.0 has no plugin 'sriov'; offered: noop, ovs"
    assert "port_profile, the settings of the plugin" in profile
    assert "port_profile.vlan=5, the VLAN of the virtual function" in vlan
    assert "port_profile.vlan" in {loss.path for loss in verdict.losses}


def test_the_guest_would_see_another_mtu():
    """A running guest keeps the MTU."""
    here, there = vif(**TAP), vif(**TAP)
    there.network.mtu = 1500
    verdict = negotiation.verdict(here, there, our_offer())
    assert verdict.changes == verdict.guest_visible == (("network.mtu", 1442, 1500),)
    assert verdict.reasons == (
        "the guest would see another MTU (network.mtu is 1442 here, 1500 there)",
    )


def test_the_guest_would_see_another_address_and_other_queues():
    """Both are named."""
    here, there = vif(**TAP), vif(**TAP)
    there.address = "fa:16:3e:00:00:09"
    there.port_profile.multiqueue = True
    verdict = negotiation.verdict(here, there, our_offer())
    assert [change.path for change in verdict.guest_visible] == [
        "address",
        "port_profile.multiqueue",
    ]
    assert len(verdict.reasons) == 2


def test_the_guest_would_see_another_kind_of_device():
    """A tap device, a vhost-user device and a VF are different devices."""
    verdict = negotiation.verdict(vif(**TAP), vif("vhostuser", **SOCKET), our_offer())
    assert "another kind of device (tap here, vhost-user there)" in verdict.reasons[0]
    function = vif("hw_veb", "direct", vlan="5")
    verdict = negotiation.verdict(vif(**TAP), function, our_offer())
    assert "another kind of device (tap here, hostdev there)" in verdict.reasons[0]


def test_the_assumption_of_the_release_is_named():
    """The losses are those of the assumed release."""
    verdict = negotiation.verdict(vif(**TAP), vif(**TAP), public_offer("5.3.0", stated=False))
    assert verdict.possible
    assert "1.11.0 is assumed" in verdict.assumption
    assert [loss.path for loss in verdict.losses] == [
        "port_profile.create_port",
        "port_profile.create_tap",
    ]


@pytest.mark.parametrize(
    ("there", "offer", "reason"),
    [
        (("vhostuser", SOCKET), of_guest(memory="private"), "needs shared memory"),
        (("vhostuser", SOCKET), of_guest(models=["e1000"]), "no device model 'virtio'"),
        (("vhostuser", SOCKET), our_offer(interface_types=["dpdkvhostuser"]), "of type"),
        (("ovs", TAP), our_offer(datapath_types=["system"]), "no datapath of type 'netdev'"),
        (("vhostuser", SOCKET), of_guest(memory="shared", models=["virtio"]), None),
        (("vhostuser", SOCKET), our_offer(interface_types=["dpdkvhostuserclient"]), None),
        (("ovs", TAP), our_offer(datapath_types=["netdev", "system"]), None),
    ],
)
def test_a_fact_of_the_host_or_the_guest_is_a_reason(there, offer, reason):
    """A known fact that contradicts the VIF is a reason."""
    kind, details = there
    wanted = vif(kind, **details)
    verdict = negotiation.verdict(wanted, wanted, offer)
    assert [reason in found for found in verdict.reasons] == ([True] if reason else [])


@pytest.mark.parametrize(
    ("offload", "offers", "possible"),
    [
        ("DatapathOffloadRepresentor", ["representor"], True),
        ("DatapathOffloadRepresentor", [], False),
        ("DatapathOffloadVDPA", ["representor"], False),
        ("DatapathOffloadVDPA", ["vdpa"], True),
    ],
)
def test_an_offload_needs_a_card(offload, offers, possible):
    """An unset list is unknown, and no reason."""
    profile = make("VIFPortProfileOpenVSwitch", datapath_offload=make(offload))
    device = make("VIFHostDevice", plugin="ovs", port_profile=profile)
    offer = our_offer(offloads=offers, datapath_types=[profile.datapath_type])
    assert negotiation.verdict(device, device, offer).possible is possible
    unknown = our_offer(datapath_types=[profile.datapath_type])
    assert negotiation.verdict(device, device, unknown).possible


def test_different_ports_are_no_migration():
    """The ids differ."""
    other = vif(**TAP)
    other.id = "11111111-2222-4333-8444-555555555556"
    (reason,) = negotiation.verdict(vif(**TAP), other, our_offer()).reasons
    assert reason.startswith("the VIFs belong to different ports")


def test_names_and_addresses_of_the_host_may_differ():
    """Each free field has a reason in the table."""
    here, there = vif(**TAP), vif(**TAP)
    there.active = not here.active
    there.vif_name, there.bridge_name, there.network.bridge = "tap9", "br-9", "br-9"
    assert negotiation.verdict(here, there, our_offer()).changes == ()
    assert all(FREE.values())


def test_an_unset_field_is_false():
    """A reader treats both alike."""
    here, there = vif(**TAP), vif(**TAP)
    here.port_profile.multiqueue = False
    assert negotiation.verdict(here, there, our_offer()).changes == ()


def has_document(obj):
    """Return False for random values without an expression in a document."""
    try:
        serialization.to_document(obj)
    except exception.InvalidValue:
        return False
    return True


_ANY = st.sampled_from((*VIFS, *KURYR[1:])).flatmap(any_object).filter(has_document)


@given(_ANY)
def test_the_verdict_of_the_same_vif_is_empty(same):
    """Nothing changes, and nothing is lost on a host with this library."""
    verdict = negotiation.verdict(same, copy.deepcopy(same), our_offer())
    assert (verdict.changes, verdict.guest_visible, verdict.losses) == ((), (), ())


@given(st.data())
def test_the_verdict_of_the_way_back_is_the_mirror(data):
    """``verdict(a, b)`` and ``verdict(b, a)`` have the same changes in the other direction."""
    here, there = data.draw(_ANY), data.draw(_ANY)
    forth = negotiation.verdict(here, there, our_offer())
    back = negotiation.verdict(there, here, our_offer())

    def swapped(changes):
        return tuple((path, after, before) for path, before, after in changes)

    assert back.changes == swapped(forth.changes)
    assert back.guest_visible == swapped(forth.guest_visible)


def test_a_vif_without_a_plugin_is_refused():
    """The plugin decides who plugs the VIF."""
    nothing = objects.VIFBridge()
    _, reason = negotiation.verdict(nothing, nothing, our_offer()).reasons
    assert reason == "VIFBridge names no plugin"


@pytest.mark.parametrize("release", ["1.17.0", "3.0.0"])
def test_a_lost_number_of_queues_is_a_reason(release):
    """The release cannot read the field, so that the guest would see one queue."""
    same = vif(**TAP)
    same.port_profile.multiqueue = True
    profiles = [offered_class("VIFOpenVSwitch", "VIFPortProfileOpenVSwitch")]
    plugins = [objects.OfferedPlugin(name="ovs", vifs=profiles)]
    verdict = negotiation.verdict(same, same, our_offer(release=release, plugins=plugins))
    assert not verdict.possible
    assert verdict.changes == ()
    assert verdict.guest_visible == (("port_profile.multiqueue", True, None),)
    (reason,) = verdict.reasons
    assert f"os-vif {release}, which cannot read port_profile.multiqueue=True" in reason
    same.port_profile.multiqueue = False
    assert negotiation.verdict(same, same, our_offer(release=release, plugins=plugins)).possible


def offered_class(name, *profiles):
    return objects.OfferedClass(name=name, profiles=list(profiles))


def test_a_lost_vlan_is_a_reason():
    """An offer may list the plugin and an older release."""
    function = vif("hw_veb", "direct", vlan="100")
    verdict = negotiation.verdict(function, function, our_offer(release="5.3.0"))
    assert not verdict.possible
    assert "cannot read port_profile.vlan=100" in verdict.reasons[-1]


def test_an_absent_vlan_is_a_reason():
    """The virtual function would send into another network."""
    here, there = vif("hw_veb", "direct", vlan="100"), vif("hw_veb", "direct")
    (reason,) = negotiation.verdict(here, there, our_offer()).reasons
    assert reason == "the virtual function has port_profile.vlan=100 here, and no VLAN there"
    there.plugin = "noop"
    assert negotiation.verdict(here, there, our_offer()).reasons == (reason,)
    there.plugin = "sriov"
    assert negotiation.verdict(there, here, our_offer()).possible
    in_switch = vif("ovs", "direct", bridge_name="br-int")
    assert negotiation.verdict(here, in_switch, our_offer()).possible


def test_different_networks_are_no_migration():
    """The id of the network is compared too."""
    other = vif(**TAP)
    other.network.id = "11111111-2222-4333-8444-555555555556"
    (reason,) = negotiation.verdict(vif(**TAP), other, our_offer()).reasons
    assert reason.startswith("the VIFs belong to different networks: network.id ")


def test_a_vif_without_an_id_is_no_migration():
    """Nothing tells that both VIFs belong to the same port."""
    here, there = (objects.VIFOpenVSwitch(plugin="ovs") for _ in range(2))
    verdict = negotiation.verdict(here, there, our_offer())
    assert verdict.changes == ()
    (reason,) = verdict.reasons
    assert "neither VIF has an id" in reason
    there.id = "11111111-2222-4333-8444-555555555556"
    (reason,) = negotiation.verdict(here, there, our_offer()).reasons
    assert "different ports: id unset here" in reason


def network(*subnets):
    return objects.Network(
        id="11111111-2222-4333-8444-555555555556",
        subnets=objects.SubnetList(objects=list(subnets)),
    )


def subnet(cidr, addresses, routes):
    return objects.Subnet(
        cidr=cidr,
        ips=objects.FixedIPList(objects=[objects.FixedIP(address=a) for a in addresses]),
        routes=objects.RouteList(objects=[objects.Route(cidr=c, gateway=g) for c, g in routes]),
    )


def test_the_order_of_subnets_addresses_and_routes_is_no_change():
    """Neutron's API guarantees no order."""
    here, there = vif(**TAP), vif(**TAP)
    routes = [
        ("10.1.0.0/16", "10.9.0.2"),
        ("10.1.0.0/16", "10.9.0.3"),
        ("10.2.0.0/16", "10.9.0.2"),
    ]
    four = subnet("10.9.0.0/24", ["10.9.0.5", "10.9.0.6"], routes)
    reverse = subnet("10.9.0.0/24", ["10.9.0.6", "10.9.0.5"], routes[::-1])
    six = subnet("fd00::/64", ["fd00::5"], [])
    here.network, there.network = network(four, six), network(six, reverse)
    assert negotiation.verdict(here, there, our_offer()).changes == ()
    there.network = network(subnet("fd00::/64", ["fd00::6"], []), four)
    assert negotiation.verdict(here, there, our_offer()).changes == (
        ("network.subnets[fd00::/64].ips[fd00::5].address", "fd00::5", None),
        ("network.subnets[fd00::/64].ips[fd00::6].address", None, "fd00::6"),
    )


_SUBNETS = st.builds(
    subnet,
    st.sampled_from(["10.9.0.0/24", "fd00::/64"]),
    st.lists(st.sampled_from(["10.9.0.5", "10.9.0.6", "10.9.0.7"]), max_size=3),
    st.lists(st.tuples(st.sampled_from(["10.1.0.0/16", "10.2.0.0/16"]), st.just("10.9.0.2"))),
)


@given(st.lists(_SUBNETS, max_size=4))
def test_no_order_is_a_change(subnets):
    """Subnets may have the same CIDR, and addresses may be equal."""
    here, there = vif(**TAP), vif(**TAP)
    here.network = network(*subnets)
    there.network = copy.deepcopy(here.network)
    there.network.subnets.objects.reverse()
    for reversed_subnet in there.network.subnets:
        reversed_subnet.ips.objects.reverse()
        reversed_subnet.routes.objects.reverse()
    assert negotiation.verdict(here, there, our_offer()).changes == ()


@pytest.mark.parametrize("name", ["here", "there", "offer"])
@pytest.mark.parametrize("value", [None, {}, "x", 5, objects.Network()])
def test_an_argument_of_another_class_is_refused(name, value):
    """The error names the argument."""
    arguments = {"here": vif(**TAP), "there": vif(**TAP), "offer": our_offer(), name: value}
    with pytest.raises(exception.InvalidValue) as raised:
        negotiation.verdict(**arguments)
    assert raised.value.path == name
    assert raised.value.found
    assert raised.value.expected == ("an Offer" if name == "offer" else "a VIF")
