# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Port profiles and offloads in VIFs: the runtime class decides the conversion."""

from __future__ import annotations

import json

import pytest
from oslo_versionedobjects import base as ovo

from os_vif import objects, serialization
from os_vif.objects.versioning import history
from tests.support.data import released
from tests.support.strategies import (
    OFFLOADS,
    PROFILES,
    UUID,
    VIFS,
    load,
    make,
    nested_primitives,
    snapshot,
)

IN_RELEASE = [(v, r) for r in released.NEWEST for v in VIFS if v in released.MANIFESTS[r]]


def profile_of(primitive):
    """Return class, version and data of the port profile in the primitive of a VIF."""
    return released.actual(primitive["versioned_object.data"]["port_profile"])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("name", "release"), IN_RELEASE)
def test_profile_for_a_complete_manifest(name, release, profile):
    """Each release gets every profile in every VIF in the versions of the release."""
    vif = make(name, port_profile=make(profile))
    before = snapshot(vif)
    manifest = released.MANIFESTS[release]
    primitive = vif.obj_to_primitive(version_manifest=manifest)
    assert snapshot(vif) == before
    assert released.actual(primitive) == released.expected(vif, manifest)
    assert all(
        set(part.get("versioned_object.changes", ())) <= set(part["versioned_object.data"])
        for part in nested_primitives(primitive)
    )
    again = load(json.loads(json.dumps(primitive)))
    assert again.port_profile.obj_name() == profile_of(primitive)[0]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("release", released.NEWEST)
@pytest.mark.parametrize("name", ["VIFBase", "VIFOpenVSwitch", "VIFVHostUser"])
def test_profile_for_a_partial_manifest(name, release, profile):
    """A profile that a partial manifest does not name is kept."""
    vif = make(name, port_profile=make(profile))
    manifest = released.partial(name, release)
    if profile != "VIFPortProfileBase":
        assert profile not in manifest
    primitive = vif.obj_to_primitive(version_manifest=manifest)
    assert released.actual(primitive) == released.expected(vif, released.agreed_versions(manifest))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("name", ["VIFBase", "VIFVHostUser"])
def test_profile_without_a_manifest(name, version, profile):
    """The profile has the version of the newest release with this version of the VIF."""
    vif = make(name, port_profile=make(profile))
    primitive = vif.obj_to_primitive(target_version=version)
    manifest = released.MANIFESTS[released.newest_with(name, version)]
    assert released.actual(primitive) == released.expected(vif, manifest)


@pytest.mark.parametrize("offload", OFFLOADS)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("release", released.NEWEST)
def test_offload_for_a_complete_manifest(release, profile, offload):
    """Releases from 1.14.0 on get the offload; older releases get no offload."""
    vif = make("VIFBridge", port_profile=make(profile, datapath_offload=make(offload)))
    manifest = released.MANIFESTS[release]
    primitive = vif.obj_to_primitive(version_manifest=manifest)
    assert released.actual(primitive) == released.expected(vif, manifest)
    assert ("datapath_offload" in profile_of(primitive)[2]) == (offload in manifest)


@pytest.mark.parametrize(
    ("profile", "release", "ancestor"),
    [
        ("VIFPortProfileFPOpenVSwitch", "1.3.0", "VIFPortProfileOpenVSwitch"),
        ("VIFPortProfileOVSRepresentor", "1.6.0", "VIFPortProfileOpenVSwitch"),
        ("VIFPortProfileFPBridge", "1.3.0", "VIFPortProfileBase"),
        ("VIFPortProfileFPTap", "1.3.0", "VIFPortProfileBase"),
        ("VIFPortProfileK8sDPDK", "1.11.2", "VIFPortProfileBase"),
        ("VIFPortProfileSRIOV", "5.3.0", "VIFPortProfileBase"),
    ],
)
def test_unknown_profile_becomes_its_nearest_known_ancestor(profile, release, ancestor):
    """The reader gets the ancestor's name, version and fields."""
    vif = make("VIFBridge", port_profile=make(profile))
    primitive = vif.obj_to_primitive(version_manifest=history.manifest(release))
    name, version, data = profile_of(primitive)
    assert name == ancestor
    assert version == released.MANIFESTS[release][ancestor]
    assert set(data) == set(released.fields_of(ancestor, release))
    again = load(primitive).port_profile
    assert type(again) is getattr(objects, ancestor)
    assert all(
        getattr(again, field) == getattr(vif.port_profile, field)
        for field in again.fields
        if field in again
    )


def test_offload_that_a_complete_manifest_lacks_is_left_out():
    """A reader with port profiles of 1.14.0 and without offloads gets the profile without offload."""
    reader = {n: v for n, v in released.MANIFESTS["5.3.0"].items() if n not in OFFLOADS}
    primitive = make("VIFBridge").obj_to_primitive(version_manifest=reader)
    _, version, data = profile_of(primitive)
    assert version == "1.4"
    assert set(data) == set(released.fields_of("VIFPortProfileOpenVSwitch", "5.3.0")) - {
        "datapath_offload"
    }


def test_offload_becomes_its_known_ancestor():
    """A reader that knows only the base class of offloads gets the base class."""
    reader = dict(released.MANIFESTS["5.3.0"])
    del reader["DatapathOffloadRepresentor"]
    primitive = make("VIFBridge").obj_to_primitive(version_manifest=reader)
    assert profile_of(primitive)[2]["datapath_offload"] == ("DatapathOffloadBase", "1.0", {})


def test_what_only_this_library_has_is_a_loss_for_5_3_0():
    """The nearest parents are written, and the losses name the other fields by path."""
    profile = objects.VIFPortProfileSRIOV(
        vlan=7, datapath_offload=objects.DatapathOffloadVDPA(device_name="vdpa0")
    )
    primitive, lost = serialization.downgrade(make("VIFDirect", port_profile=profile), "5.3.0")
    assert profile_of(primitive)[:2] == ("VIFPortProfileBase", "1.1")
    assert profile_of(primitive)[2] == {"datapath_offload": ("DatapathOffloadBase", "1.0", {})}
    assert [loss.path for loss in lost] == [
        "port_profile",
        "port_profile.datapath_offload",
        "port_profile.datapath_offload.device_name",
        "port_profile.vlan",
    ]


@pytest.mark.parametrize(
    ("version", "kept", "lost"),
    [
        ("1.4", {"create_port", "create_tap", "multiqueue", "datapath_offload"}, set()),
        ("1.3", {"create_port", "datapath_offload"}, {"create_tap", "multiqueue"}),
        ("1.2", {"datapath_offload", "datapath_type"}, {"create_port", "create_tap"}),
        ("1.1", {"datapath_type"}, {"create_port", "datapath_offload"}),
        ("1.0", {"interface_id", "profile_id"}, {"create_port", "datapath_type"}),
    ],
)
@pytest.mark.parametrize("profile", [p for p in PROFILES if "OpenVSwitch" in p or "OVS" in p])
def test_fields_that_all_agreeing_releases_have_are_kept(profile, version, kept, lost):
    """The version of the OVS profile in a partial manifest decides about create_port."""
    vif = make("VIFOpenVSwitch", port_profile=make(profile))
    release = released.newest_with("VIFPortProfileOpenVSwitch", version)
    manifest = released.partial("VIFOpenVSwitch", release)
    manifest["VIFPortProfileOpenVSwitch"] = version
    _, _, data = profile_of(vif.obj_to_primitive(version_manifest=manifest))
    assert kept <= set(data)
    assert not lost & set(data)


@pytest.mark.parametrize("name", VIFS)
def test_manifest_of_today_keeps_what_every_agreeing_release_has(name):
    """Oslo's partial manifest of 5.3.0 matches all releases since 1.14.0, so create_port is left out.

    5.3.0 relabels the profile with the version of its base.
    """
    vif = make(name)
    primitive = vif.obj_to_primitive(version_manifest=ovo.obj_tree_get_versions(name))
    profile, version, data = profile_of(primitive)
    assert (profile, version) == ("VIFPortProfileOpenVSwitch", "1.2")
    assert set(data) == set(released.fields_of("VIFPortProfileOpenVSwitch", "1.14.0"))


def test_partial_manifest_that_no_release_had():
    """If no release matches, other classes have the versions of the newest release."""
    manifest = {"VIFBridge": "1.0", "Network": "1.0", "VIFPortProfileBase": "1.1"}
    primitive = make("VIFBridge").obj_to_primitive(version_manifest=manifest)
    data = released.actual(primitive)[2]
    assert data["network"][:2] == ("Network", "1.0")
    assert "mtu" not in data["network"][2]
    assert profile_of(primitive)[:2] == ("VIFPortProfileOpenVSwitch", "1.4")


def test_manifest_without_a_class_of_os_vif_selects_the_newest_release():
    """A manifest of another project's classes matches no release of os-vif."""
    vif = make("VIFVHostUser")
    primitive = vif.obj_to_primitive(version_manifest={"Pod": "1.0"})
    assert primitive == vif.obj_to_primitive(version_manifest=history.manifest("5.3.0"))


@pytest.mark.parametrize("unknown", [{"Instance": "2.8"}, {"PodState": "1.0"}])
def test_classes_of_others_in_a_partial_manifest_do_not_matter(unknown):
    """Classes of a consumer in the manifest do not decide which release matches."""
    vif = make("VIFBridge")
    manifest = released.partial("VIFBridge", "1.13.1")
    assert vif.obj_to_primitive(version_manifest=manifest | unknown) == vif.obj_to_primitive(
        version_manifest=manifest
    )


@pytest.mark.parametrize("name", ["VIFPortProfile", "VIFPortProfileBase"])
def test_manifest_with_a_profile_but_no_vif_is_partial(name):
    """A manifest without a class of release 1.0.0 is partial."""
    primitive = make("VIFBridge").obj_to_primitive(version_manifest={name: "1.1"})
    assert profile_of(primitive)[0] == "VIFPortProfileOpenVSwitch"


def test_unset_profile_stays_unset():
    """An unset profile or offload is not written."""
    vif = objects.VIFBridge(id=UUID)
    assert released.actual(vif.obj_to_primitive(version_manifest=history.manifest("1.2.1"))) == (
        "VIFBridge",
        "1.0",
        {"id": UUID},
    )
