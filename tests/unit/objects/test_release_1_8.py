# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Payloads of release 1.8.0, which stored addresses in the VIF: reading and writing."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import netaddr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from os_vif import objects
from os_vif.objects.versioning import history
from tests.support.data import released
from tests.support.strategies import UUID, VIFS, any_object, load, make, nested, nested_primitives

CORPUS = Path(__file__).parents[2] / "interop" / "corpus" / "corpus_public.jsonl"
#: A payload of release 1.8.0, with the properties of no other release.
ROWS = [
    row
    for row in map(json.loads, CORPUS.read_text("utf-8").splitlines())
    if row["releases"] == ["1.8.0"]
]
STORED = {f"{row['object']}-{row['variant']}": row["payload"] for row in ROWS}
WITH_ADDRESSES = [name for name in STORED if "fixed_ips" in STORED[name]["versioned_object.data"]]
OTHERS = [release for release in released.NEWEST if release != "1.8.0"]

MANIFEST = history.manifest("1.8.0")


def stored(name):
    """Return a copy of a payload."""
    return copy.deepcopy(STORED[name])


def normal(payload):
    """Return a payload with sorted changes."""
    if isinstance(payload, dict):
        return {
            key: sorted(value) if key == "versioned_object.changes" else normal(value)
            for key, value in payload.items()
        }
    return [normal(item) for item in payload] if isinstance(payload, list) else payload


def without_changes(payload):
    """Return a payload without changes."""
    if isinstance(payload, dict):
        return {
            key: without_changes(value)
            for key, value in payload.items()
            if key != "versioned_object.changes"
        }
    return [without_changes(item) for item in payload] if isinstance(payload, list) else payload


def payload_addresses(payload):
    """Return the addresses of a payload as plain data."""
    listed = payload["versioned_object.data"]["fixed_ips"]["versioned_object.data"]["objects"]
    return [ip["versioned_object.data"]["address"] for ip in listed]


def addresses(ips):
    return [str(ip.address) for ip in ips]


def subnets_of(vif):
    """Return the subnets of a VIF, or an empty list."""
    if "network" not in vif or vif.network is None or "objects" not in vif.network.subnets:
        return []
    return vif.network.subnets.objects


def handmade():
    """Return a VIF of 1.8.0 with two subnets, and an address outside the subnets."""

    def part(name, version, **data):
        return {
            "versioned_object.name": name,
            "versioned_object.namespace": "os_vif",
            "versioned_object.version": version,
            "versioned_object.data": data,
        }

    ips = [
        part("FixedIP", "1.0", address="10.0.0.5", floating_ips=["192.0.2.5"]),
        part("FixedIP", "1.0", address="198.51.100.1"),
        part("FixedIP", "1.0", address="2001:db8::5"),
        part("FixedIP", "1.0", address="10.0.0.6"),
    ]
    subnets = [
        part("Subnet", "1.1", cidr="10.0.0.0/24"),
        part("Subnet", "1.1", cidr="2001:db8::/64"),
        part("Subnet", "1.1", cidr="10.0.1.0/24"),
        part("Subnet", "1.1", gateway="10.0.0.1"),
    ]
    network = part(
        "Network",
        "1.1",
        id=UUID,
        mtu=None,
        multi_host=False,
        should_provide_bridge=False,
        should_provide_vlan=False,
        subnets=part("SubnetList", "1.0", objects=subnets),
    )
    fixed_ips = part("FixedIPList", "1.0", objects=ips)
    return part("VIFBase", "1.1", id=UUID, network=network, fixed_ips=fixed_ips)


def test_corpus_has_payloads_of_every_vif_of_1_8_0():
    """The corpus has at least a payload of each VIF class of 1.8.0."""
    assert {row["object"] for row in ROWS} >= set(VIFS) - {"VIFNestedDPDK"}
    assert len(WITH_ADDRESSES) > 20


@pytest.mark.parametrize("name", STORED)
def test_withdrawn_versions_become_1_0_on_loading(name):
    """VIFBase 1.1 and Subnet 1.1 are read as 1.0; other versions are kept."""
    payload = stored(name)
    obj = load(payload)
    assert payload == STORED[name]
    for part in nested(obj):
        if part.obj_name() in ("VIFBase", "Subnet", "VIFBridge", "VIFOpenVSwitch"):
            assert part.VERSION == "1.0"
        else:
            assert released.MANIFESTS["1.8.0"][part.obj_name()] == part.VERSION


@pytest.mark.parametrize("name", STORED)
def test_other_values_are_those_of_the_payload(name):
    """All values except the addresses are read unchanged."""
    payload = load(stored(name)).obj_to_primitive()
    theirs = STORED[name]["versioned_object.data"]
    ours = payload["versioned_object.data"]
    assert set(ours) == set(theirs) - {"fixed_ips"}
    for field in set(ours) - {"network", "subnets", "objects"}:
        assert normal(ours[field]) == normal(theirs[field])


@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_vif_has_the_addresses(name):
    """``vif.fixed_ips`` is a FixedIPList, as in 1.8.0."""
    vif = load(stored(name))
    assert type(vif.fixed_ips) is objects.FixedIPList
    assert addresses(vif.fixed_ips) == payload_addresses(STORED[name])
    assert vif.obj_what_changed() <= set(vif.fields)
    assert "fixed_ips" not in vif.fields


@pytest.mark.parametrize(
    "clone", [lambda vif: vif.obj_clone(), copy.deepcopy, copy.copy], ids=["clone", "deep", "copy"]
)
@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_addresses_survive_copying(name, clone):
    """A clone, a deep copy and a shallow copy have the addresses in the VIF and in the subnets."""
    vif = load(stored(name))
    other = clone(vif)
    assert addresses(other.fixed_ips) == addresses(vif.fixed_ips)
    assert normal(other.obj_to_primitive(version_manifest=MANIFEST)) == normal(
        vif.obj_to_primitive(version_manifest=MANIFEST)
    )


@pytest.mark.parametrize("clone", [lambda vif: vif.obj_clone(), copy.deepcopy])
def test_deep_copy_shares_no_address(clone):
    """A change of an address of the clone does not change the original."""
    vif = load(handmade())
    other = clone(vif)
    other.fixed_ips[0].address = "10.0.0.99"
    other.fixed_ips.objects.pop()
    assert addresses(vif.fixed_ips) == ["10.0.0.5", "198.51.100.1", "2001:db8::5", "10.0.0.6"]


def test_vif_of_another_release_has_no_addresses_of_its_own():
    """Only a VIF of 1.8.0 has the attribute."""
    assert not hasattr(make("VIFBridge"), "fixed_ips")
    assert not hasattr(load(make("VIFBridge").obj_to_primitive()), "fixed_ips")
    assert not hasattr(make("VIFBridge").obj_clone(), "fixed_ips")


@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_address_is_shown_in_the_subnet_that_contains_it(name):
    """Each subnet has exactly the addresses within its CIDR."""
    vif = load(stored(name))
    for subnet in subnets_of(vif):
        inside = [a for a in addresses(vif.fixed_ips) if netaddr.IPAddress(a) in subnet.cidr]
        assert subnet.obj_attr_is_set("ips") == bool(inside)
        if inside:
            assert addresses(subnet.ips) == inside


def test_each_subnet_gets_its_own_addresses():
    """A subnet without a CIDR, or without addresses within its CIDR, has no addresses."""
    vif = load(handmade())
    shown = [addresses(s.ips) if s.obj_attr_is_set("ips") else None for s in subnets_of(vif)]
    assert shown == [["10.0.0.5", "10.0.0.6"], ["2001:db8::5"], None, None]
    assert str(vif.network.subnets[0].ips[0].floating_ips[0]) == "192.0.2.5"
    assert addresses(vif.fixed_ips)[1] == "198.51.100.1"


def test_shown_address_is_not_shared():
    """The addresses in the subnet and in the VIF are different objects."""
    vif = load(handmade())
    vif.network.subnets[0].ips[0].floating_ips.append(netaddr.IPAddress("192.0.2.9"))
    vif.network.subnets[0].ips[1].address = "10.0.0.7"
    vif.network.subnets[0].ips.objects.append(objects.FixedIP(address="10.0.0.8"))
    assert addresses(vif.fixed_ips) == ["10.0.0.5", "198.51.100.1", "2001:db8::5", "10.0.0.6"]
    assert [str(ip) for ip in vif.fixed_ips[0].floating_ips] == ["192.0.2.5"]


def test_shown_addresses_are_no_changes():
    """A VIF from a payload without changes has no changed fields."""
    vif = load(handmade())
    assert not any(part.obj_what_changed() for part in nested(vif))


def test_subnet_that_has_addresses_keeps_them():
    """A subnet that has addresses in the payload keeps these addresses."""
    payload = handmade()
    subnets = payload["versioned_object.data"]["network"]["versioned_object.data"]["subnets"]
    subnet = subnets["versioned_object.data"]["objects"][0]
    ips = objects.FixedIPList(objects=[objects.FixedIP(address="10.0.0.77")]).obj_to_primitive()
    subnet["versioned_object.data"]["ips"] = ips
    assert addresses(load(payload).network.subnets[0].ips) == ["10.0.0.77"]


@pytest.mark.parametrize("name", STORED)
def test_values_written_for_1_8_0_are_those_of_the_payload(name):
    """Names, versions and data at every depth are equal to the payload."""
    written = load(stored(name)).obj_to_primitive(version_manifest=MANIFEST)
    assert without_changes(written) == without_changes(STORED[name])


@pytest.mark.parametrize("name", STORED)
def test_what_is_written_for_1_8_0_is_the_payload(name):
    """The written primitive is equal to the payload, including the changes."""
    written = load(stored(name)).obj_to_primitive(version_manifest=MANIFEST)
    assert normal(written) == normal(STORED[name])


@pytest.mark.parametrize("name", [n for n in STORED if n.startswith(("VIFBase", "Subnet-"))])
def test_withdrawn_version_is_a_valid_target(name):
    """``target_version='1.1'`` writes for 1.8.0."""
    written = load(stored(name)).obj_to_primitive(target_version="1.1")
    assert without_changes(written) == without_changes(STORED[name])


@pytest.mark.parametrize("name", [n for n in STORED if n.startswith("VIF")])
def test_partial_manifest_of_1_8_0_is_enough(name):
    """Only 1.8.0 matches the partial manifest that oslo makes in 1.8.0."""
    vif = load(stored(name))
    partial = released.partial(vif.obj_name(), "1.8.0")
    written = vif.obj_to_primitive(version_manifest=partial)
    assert without_changes(written) == without_changes(STORED[name])


@pytest.mark.parametrize("release", OTHERS)
@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_other_releases_get_the_addresses_in_the_subnets(name, release):
    """Every other release gets Subnet 1.0 with the addresses."""
    vif = load(stored(name))
    primitive = vif.obj_to_primitive(version_manifest=history.manifest(release))
    assert "fixed_ips" not in primitive["versioned_object.data"]
    subnets = [
        part for part in nested_primitives(primitive) if part["versioned_object.name"] == "Subnet"
    ]
    assert {part["versioned_object.version"] for part in subnets} <= {"1.0"}
    again = load(json.loads(json.dumps(primitive)))
    assert not hasattr(again, "fixed_ips")
    assert [addresses(s.ips) for s in subnets_of(again) if s.obj_attr_is_set("ips")] == [
        addresses(s.ips) for s in subnets_of(vif) if s.obj_attr_is_set("ips")
    ]


@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_without_a_manifest_the_addresses_are_in_the_subnets(name):
    """A primitive without a manifest has no fixed_ips."""
    primitive = load(stored(name)).obj_to_primitive()
    assert "fixed_ips" not in primitive["versioned_object.data"]
    for part in nested_primitives(primitive):
        assert (part["versioned_object.name"], part["versioned_object.version"]) not in (
            ("VIFBase", "1.1"),
            ("Subnet", "1.1"),
        )


def test_address_in_no_subnet_goes_back_to_1_8_0():
    """An address outside every subnet is written for 1.8.0, in the order of the payload."""
    vif = load(handmade())
    written = vif.obj_to_primitive(version_manifest=MANIFEST)
    assert without_changes(written) == handmade()
    elsewhere = load(vif.obj_to_primitive())
    shown = [addresses(s.ips) for s in subnets_of(elsewhere) if s.obj_attr_is_set("ips")]
    assert shown == [["10.0.0.5", "10.0.0.6"], ["2001:db8::5"]]


def test_reset_reaches_the_addresses():
    """After a recursive reset, the primitive for 1.8.0 has no changes."""
    vif = load(stored("VIFBase-typical"))
    vif.obj_reset_changes(recursive=True)
    written = vif.obj_to_primitive(version_manifest=MANIFEST)
    assert written == without_changes(STORED["VIFBase-typical"])


@pytest.mark.parametrize("name", [n for n in VIFS if n in released.MANIFESTS["1.8.0"]])
def test_addresses_of_subnets_are_moved_for_1_8_0(name):
    """A VIF of this library is written for 1.8.0, and reading returns an equal VIF."""
    vif = make(name)
    primitive = vif.obj_to_primitive(version_manifest=MANIFEST)
    assert payload_addresses(primitive) == ["10.0.0.5"]
    for part in nested_primitives(primitive):
        assert "ips" not in part["versioned_object.data"]
    again = load(json.loads(json.dumps(primitive)))
    assert addresses(again.fixed_ips) == addresses(again.network.subnets[0].ips) == ["10.0.0.5"]


def test_addresses_with_changes_are_a_change_of_the_vif():
    """1.8.0 marks changed addresses as a change of the VIF, and so does this library."""
    vif = make("VIFBridge")
    assert (
        "fixed_ips" in vif.obj_to_primitive(version_manifest=MANIFEST)["versioned_object.changes"]
    )
    vif.obj_reset_changes(recursive=True)
    assert "versioned_object.changes" not in vif.obj_to_primitive(version_manifest=MANIFEST)


def test_address_that_was_added_to_a_subnet_is_written_too():
    """Kuryr appends addresses to the subnets of VIFs that it has read."""
    vif = load(handmade())
    vif.network.subnets[0].ips.objects.append(objects.FixedIP(address="10.0.0.8"))
    primitive = vif.obj_to_primitive(version_manifest=MANIFEST)
    assert payload_addresses(primitive) == [
        "10.0.0.5",
        "198.51.100.1",
        "2001:db8::5",
        "10.0.0.6",
        "10.0.0.8",
    ]


@pytest.mark.parametrize("network", [None, objects.Network()], ids=["none", "empty"])
def test_vif_without_addresses_has_none_for_1_8_0(network):
    """A VIF without addresses is written without fixed_ips."""
    vif = objects.VIFBridge(id=UUID, network=network)
    data = vif.obj_to_primitive(version_manifest=MANIFEST)["versioned_object.data"]
    assert set(data) == {"id", "network"}


def test_addresses_without_a_network():
    """A VIF may have addresses and no network, or an empty list of addresses."""
    payload = handmade()
    del payload["versioned_object.data"]["network"]
    vif = load(copy.deepcopy(payload))
    assert len(vif.fixed_ips) == 4
    assert without_changes(vif.obj_to_primitive(version_manifest=MANIFEST)) == payload
    payload["versioned_object.data"]["fixed_ips"]["versioned_object.data"]["objects"] = []
    vif = load(copy.deepcopy(payload))
    assert without_changes(vif.obj_to_primitive(version_manifest=MANIFEST)) == payload


@pytest.mark.parametrize("listed", ["fixed_ips", "subnets"])
def test_list_without_objects(listed):
    """``SubnetList([subnet])``, which documentation once showed, is stored without objects."""
    payload = handmade()
    data = payload["versioned_object.data"]
    if listed == "subnets":
        data = data["network"]["versioned_object.data"]
    data[listed]["versioned_object.data"] = {}
    vif = load(payload)
    assert "objects" not in (vif.fixed_ips if listed == "fixed_ips" else vif.network.subnets)
    assert all(not subnet.obj_attr_is_set("ips") for subnet in subnets_of(vif))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_random_vif_keeps_its_addresses_through_1_8_0(data):
    """All addresses of all subnets are on the VIF, in their order."""
    vif = data.draw(st.sampled_from(["VIFBase", "VIFBridge", "VIFVHostUser"]).flatmap(any_object))
    given_addresses = [
        ip
        for subnet in subnets_of(vif)
        if subnet.obj_attr_is_set("ips") and subnet.ips.obj_attr_is_set("objects")
        for ip in subnet.ips.objects
    ]
    again = load(vif.obj_to_primitive(version_manifest=MANIFEST))
    found = again.fixed_ips.objects if hasattr(again, "fixed_ips") else []
    assert without_changes([ip.obj_to_primitive() for ip in found]) == without_changes(
        [ip.obj_to_primitive() for ip in given_addresses]
    )


def test_any_keyword_called_fixed_ips_is_not_taken_for_addresses():
    """A constructor takes any keyword; the addresses of the subnets are written all the same."""
    vif = make("VIFBridge", fixed_ips="none")
    data = vif.obj_to_primitive(version_manifest=history.manifest("1.8.0"))[
        "versioned_object.data"
    ]
    assert len(data["fixed_ips"]["versioned_object.data"]["objects"]) == 1


def test_subnet_with_unset_addresses_is_written_for_1_8_0():
    cidr = netaddr.IPNetwork("10.0.0.0/24")
    subnet = objects.subnet.Subnet(cidr=cidr, ips=objects.fixed_ip.FixedIPList())
    subnets = objects.subnet.SubnetList(objects=[subnet])
    vif = make("VIFGeneric", network=objects.network.Network(subnets=subnets))
    data = vif.obj_to_primitive(version_manifest=MANIFEST)["versioned_object.data"]
    written = data["network"]["versioned_object.data"]["subnets"]["versioned_object.data"]
    assert "ips" not in written["objects"][0]["versioned_object.data"]
