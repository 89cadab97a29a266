# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Classes of third parties, derived from classes of os-vif: reading, copying, downgrade."""

from __future__ import annotations

import json

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception

from os_vif import objects
from os_vif.objects.versioning import history
from tests.support.data import released
from tests.support.data.third_party import (
    PARENT_VERSIONS,
    PROFILES,
    VIFS,
    checked_primitive,
    expected_vif,
    peer,
)
from tests.support.strategies import UUID, load, make

#: Releases that keep addresses where everybody keeps them.
RELEASES = [release for release in released.NEWEST if release != "1.8.0"]


@pytest.mark.parametrize("name", VIFS)
def test_vif_round_trips(name, new):
    """Reading returns an object of the class and of the version."""
    vif = new(name)
    again = load(json.loads(json.dumps(vif.obj_to_primitive())))
    assert again == vif == vif.obj_clone()
    assert type(again) is type(vif)
    assert again.VERSION == type(vif).VERSION
    assert hasattr(again.network.subnets[0], "ips")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", VIFS)
def test_vif_that_a_complete_manifest_lists(name, release, new):
    """The fields of the class are kept; inherited fields are downgraded to the release."""
    vif = new(name)
    expected = expected_vif(vif, history.manifest(release))
    manifest = peer(release, **{name: vif.VERSION})
    assert checked_primitive(vif, version_manifest=manifest) == expected
    assert checked_primitive(vif, vif.VERSION, version_manifest=manifest) == expected


@pytest.mark.parametrize("release", released.NEWEST)
@pytest.mark.parametrize("name", VIFS)
@pytest.mark.parametrize("with_target", [False, True], ids=["", "target"])
def test_vif_that_a_complete_manifest_lacks(name, release, with_target, new):
    """The reader lacks a class that the manifest does not name, so an error is raised."""
    vif = new(name)
    target = vif.VERSION if with_target else None
    with pytest.raises(exception.UnsupportedObjectError, match=name):
        vif.obj_to_primitive(target, version_manifest=peer(release))


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ["TestSriov", "AcmeWithdrawnVif"])
def test_older_number_of_a_third_party(name, release, new):
    """A manifest with an older version of the class gets this version."""
    vif = new(name)
    if name == "AcmeWithdrawnVif":
        expected = expected_vif(vif, history.manifest(release), "1.0")
        del expected[2]["lane"]
    else:
        expected = expected_vif(vif, history.manifest(release), "1.0")
    assert checked_primitive(vif, version_manifest=peer(release, **{name: "1.0"})) == expected


@pytest.mark.parametrize("name", VIFS)
@pytest.mark.parametrize("release", RELEASES)
def test_vif_for_a_partial_manifest(name, release, new):
    """The manifest is the result of oslo in a peer with the release."""
    vif = new(name)
    partial = released.partial("VIFBase", release)
    del partial["VIFBase"]
    expected = expected_vif(vif, released.agreed_versions(partial))
    assert checked_primitive(vif, version_manifest=partial | {name: vif.VERSION}) == expected


@pytest.mark.parametrize("name", VIFS)
def test_vif_for_todays_partial_manifest(name, new):
    """The manifest of oslo for the class in this process is partial."""
    manifest = ovo.obj_tree_get_versions(name)
    ours = {n: v for n, v in manifest.items() if n != name}
    vif = new(name)
    expected = expected_vif(vif, released.agreed_versions(ours))
    assert checked_primitive(vif, version_manifest=manifest) == expected


@pytest.mark.parametrize("name", ["TestSriov", "AcmeWithdrawnVif"])
def test_vif_without_a_manifest(name, new):
    """An older version of the class does not decide the release of os-vif."""
    vif = new(name)
    expected = expected_vif(vif, history.manifest("5.3.0"), "1.0")
    if name == "AcmeWithdrawnVif":
        del expected[2]["lane"]
    assert checked_primitive(vif, "1.0") == expected
    assert checked_primitive(vif, vif.VERSION) == expected_vif(vif, history.manifest("5.3.0"))


@pytest.mark.parametrize("name", VIFS)
def test_vif_for_1_8_0(name, new):
    """The addresses are in the VIF, as for subclasses of VIFBase in 1.8.0."""
    vif = new(name)
    number, version, data = checked_primitive(
        vif, version_manifest=peer("1.8.0", **{name: vif.VERSION})
    )
    assert (number, version) == (name, vif.VERSION)
    assert data["fixed_ips"][2]["objects"][0][2]["address"] == "10.0.0.5"
    (subnet,) = data["network"][2]["subnets"][2]["objects"]
    assert subnet[:2] == ("Subnet", "1.1")
    assert "ips" not in subnet[2]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_withdrawn_number_is_ordinary_for_third_parties(version, new):
    """A class with version 1.1 is read as 1.1, and the addresses stay in the subnets."""
    vif = new("AcmeWithdrawnVif")
    again = load(vif.obj_to_primitive(target_version=version))
    assert version == again.VERSION
    assert again.obj_to_primitive()["versioned_object.version"] == version
    assert not hasattr(again, "fixed_ips")
    assert str(again.network.subnets[0].ips[0].address) == "10.0.0.5"
    with pytest.raises(exception.IncompatibleObjectVersion):
        load(vif.obj_to_primitive() | {"versioned_object.version": "1.2"})


@pytest.mark.parametrize("release", [None, "1.7.2", "1.8.0", "5.3.0"])
def test_own_field_with_the_name_of_1_8_0(release, classes):
    """A class of a third party may have an unset field ``fixed_ips``."""
    vif = classes.AcmeAddressedVif(id=UUID)
    manifest = peer(release, AcmeAddressedVif="1.0") if release else None
    assert checked_primitive(vif, version_manifest=manifest)[2] == {"id": UUID}
    vif.fixed_ips = objects.FixedIPList(objects=[objects.FixedIP(address="10.0.0.5")])
    assert set(checked_primitive(vif, version_manifest=manifest)[2]) == {"id", "fixed_ips"}


@pytest.mark.parametrize("with_addresses", [True, False])
def test_own_field_with_the_name_of_1_8_0_is_cloned(with_addresses, classes):
    """A clone has the field set exactly if the original has the field set."""
    vif = classes.AcmeAddressedVif(id=UUID)
    if with_addresses:
        vif.fixed_ips = objects.FixedIPList(objects=[])
    clone = vif.obj_clone()
    assert clone == vif == load(vif.obj_to_primitive())
    assert ("fixed_ips" in clone) == with_addresses


@pytest.mark.parametrize("release", [None, "1.7.2", "1.8.0", "5.3.0"])
@pytest.mark.parametrize("name", ["AcmeHistoryField", "AcmeHistoryMethod"])
def test_own_member_called_history(name, release, classes):
    """A field or a method ``history`` of a third party is no declared history."""
    vif = getattr(classes, name)(id=UUID)
    manifest = peer(release, **{name: "1.0"}) if release else None
    assert checked_primitive(vif, version_manifest=manifest)[2] == {"id": UUID}
    assert (
        objects.HostVIFInfo(
            vif_object_name=name, min_version="1.0", max_version="1.0"
        ).get_common_version()
        == "1.0"
    )


@pytest.mark.parametrize("version", PARENT_VERSIONS)
def test_override_reaches_the_history_of_the_class_it_names(version, new):
    """``super().obj_make_compatible(primitive, '1.2')`` means version 1.2 of the parent."""
    profile = new("AcmeOvsProfile")
    _, number, data = checked_primitive(profile, version)
    parents = released.fields_at("VIFPortProfileOpenVSwitch", PARENT_VERSIONS[version])
    assert number == version
    assert set(data) == {*parents, "color"} | ({"shade"} if version != "1.0" else set())


@pytest.mark.parametrize("vif_class", ["VIFBase", "VIFOpenVSwitch", "VIFVHostUser"])
@pytest.mark.parametrize(
    ("release", "version"), [("1.13.1", "1.0"), ("1.14.0", "1.1"), ("5.3.0", "1.2")]
)
def test_override_in_a_vif(vif_class, release, version, new):
    """A manifest with the profile gets the profile in the version of the manifest, in any VIF."""
    vif = make(vif_class, port_profile=new("AcmeOvsProfile"))
    manifest = peer(release, AcmeOvsProfile=version)
    name, number, data = checked_primitive(vif, version_manifest=manifest)[2]["port_profile"]
    parents = released.fields_of("VIFPortProfileOpenVSwitch", release)
    assert (name, number) == ("AcmeOvsProfile", version)
    assert set(data) == {*parents, "color"} | ({"shade"} if version != "1.0" else set())


@pytest.mark.parametrize("release", released.NEWEST)
@pytest.mark.parametrize(
    ("profile", "ancestor"),
    [
        ("AcmeOvsProfile", "VIFPortProfileOpenVSwitch"),
        ("AcmePlainProfile", "VIFPortProfileBase"),
    ],
)
@pytest.mark.parametrize("vif_class", ["VIFBase", "VIFOpenVSwitch"])
def test_profile_that_a_complete_manifest_lacks(vif_class, profile, ancestor, release, new):
    """The reader gets the nearest parent class that the reader has."""
    vif = make(vif_class, port_profile=new(profile))
    name, number, data = checked_primitive(vif, version_manifest=peer(release))[2]["port_profile"]
    assert (name, number) == (ancestor, released.MANIFESTS[release][ancestor])
    assert set(data) == set(released.fields_of(ancestor, release)) & {
        f for f in vif.port_profile.fields if vif.port_profile.obj_attr_is_set(f)
    }


@pytest.mark.parametrize("release", released.NEWEST)
@pytest.mark.parametrize("vif_class", ["VIFBase", "VIFOpenVSwitch"])
def test_profile_that_a_complete_manifest_lists(vif_class, release, new):
    """The reader gets the profile, with any release of os-vif."""
    vif = make(vif_class, port_profile=new("AcmePlainProfile"))
    manifest = peer(release, AcmePlainProfile="1.7")
    name, number, data = checked_primitive(vif, version_manifest=manifest)[2]["port_profile"]
    assert (name, number) == ("AcmePlainProfile", "1.7")
    parents = set(released.fields_of("VIFPortProfileBase", release))
    assert set(data) == (parents & {"datapath_offload"}) | {"color"}


@pytest.mark.parametrize("release", released.NEWEST)
def test_inherited_fields_follow_the_release(release, classes):
    """Without an override, inherited fields that the release lacks are left out."""
    inherited = make("VIFPortProfileOpenVSwitch")
    values = {name: getattr(inherited, name) for name in inherited.fields}
    profile = classes.AcmeHeirProfile(**values, color="red")
    vif = make("VIFBase", port_profile=profile)
    manifest = peer(release, AcmeHeirProfile="1.9")
    name, number, data = checked_primitive(vif, version_manifest=manifest)[2]["port_profile"]
    assert (name, number) == ("AcmeHeirProfile", "1.9")
    assert set(data) == {*released.fields_of("VIFPortProfileOpenVSwitch", release), "color"}


@pytest.mark.parametrize("version", ["1.1", "1.8"])
def test_inherited_fields_without_a_manifest(version, classes):
    """Without an override, an older version of the class does not select a release of os-vif."""
    profile = classes.AcmeHeirProfile(create_tap=True, color="red")
    data = {"create_tap": True, "color": "red"}
    assert checked_primitive(profile, version) == ("AcmeHeirProfile", version, data)


@pytest.mark.parametrize(("vif_class", "version"), [("VIFBase", "1.1"), ("VIFVHostUser", "1.0")])
@pytest.mark.parametrize("profile", PROFILES)
def test_profile_without_a_manifest(vif_class, version, profile, new):
    """An older version of the VIF does not change classes of third parties."""
    vif = make(vif_class, port_profile=new(profile))
    name, number, data = checked_primitive(vif, version)[2]["port_profile"]
    assert (name, number) == (profile, type(vif.port_profile).VERSION)
    assert data["color"] == "red"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("release", released.NEWEST)
def test_profile_for_a_partial_manifest(release, profile, new):
    """A profile that a partial manifest does not name is kept."""
    vif = make("VIFOpenVSwitch", port_profile=new(profile))
    manifest = released.partial("VIFOpenVSwitch", release)
    name, number, data = checked_primitive(vif, version_manifest=manifest)[2]["port_profile"]
    assert (name, number) == (profile, type(vif.port_profile).VERSION)
    assert data["color"] == "red"


@pytest.mark.parametrize(
    ("manifest", "offload"),
    [
        (peer("5.3.0"), ("DatapathOffloadBase", "1.0", {})),
        (peer("5.3.0", AcmeOffload="1.3"), ("AcmeOffload", "1.3", {"queue": 3})),
        (released.partial("VIFBridge", "5.3.0"), ("AcmeOffload", "1.3", {"queue": 3})),
        (peer("1.13.1", AcmeOffload="1.3"), None),
        (released.partial("VIFBridge", "1.13.1"), None),
    ],
    ids=["complete", "listed", "partial", "old-listed", "old-partial"],
)
def test_offload(manifest, offload, new):
    """An offload of a third party is kept, becomes the base class, or is left out with the field."""
    profile = make("VIFPortProfileOpenVSwitch", datapath_offload=new("AcmeOffload"))
    vif = make("VIFBridge", port_profile=profile)
    data = checked_primitive(vif, version_manifest=manifest)[2]["port_profile"][2]
    assert data.get("datapath_offload") == offload
