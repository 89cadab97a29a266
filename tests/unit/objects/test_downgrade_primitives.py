# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Downgrade of every class to every version of the class."""

from __future__ import annotations

import json

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception

from os_vif import objects
from os_vif.objects.versioning import history
from tests.support.data import released
from tests.support.strategies import CLASSES, UUID, load, make, nested, nested_primitives, snapshot

#: Each class in each release that differs from the one before.
IN_RELEASE = [(n, r) for r in released.NEWEST for n in released.MANIFESTS[r]]


def check(obj, versions, *args, **kwargs):
    """Check that the primitive has exactly the data that a reader of the versions knows.

    Return the object read from the primitive. ``obj`` itself must be unchanged.
    """
    before, parts = snapshot(obj), [id(part) for part in nested(obj)]
    primitive = obj.obj_to_primitive(*args, **kwargs)
    assert snapshot(obj) == before
    assert [id(part) for part in nested(obj)] == parts
    assert released.actual(primitive) == released.expected(obj, versions)
    for part in nested_primitives(primitive):
        if "versioned_object.changes" in part:
            changes = part["versioned_object.changes"]
            assert changes == sorted(set(changes) & set(part["versioned_object.data"]))
            assert changes
    again = load(json.loads(json.dumps(primitive)))
    assert again.obj_name() == obj.obj_name()
    return again


@pytest.mark.parametrize("full", [True, False], ids=["full", "minimal"])
@pytest.mark.parametrize(("name", "release"), IN_RELEASE)
def test_complete_manifest(name, release, full):
    """Versions and field sets are exactly those of the release, at every depth."""
    manifest = released.MANIFESTS[release]
    again = check(make(name, full=full), manifest, version_manifest=dict(manifest))
    is_withdrawn = (name, manifest[name]) in (("VIFBase", "1.1"), ("Subnet", "1.1"))
    assert ("1.0" if is_withdrawn else manifest[name]) == again.VERSION


@pytest.mark.parametrize(("name", "release"), IN_RELEASE)
def test_complete_manifest_with_the_version_of_the_object(name, release):
    """oslo passes both arguments when it answers a peer."""
    manifest = released.MANIFESTS[release]
    check(make(name), manifest, manifest[name], version_manifest=dict(manifest))


@pytest.mark.parametrize(
    ("name", "target", "lost"),
    [
        ("VIFVHostUser", "1.0", {"vif_name"}),
        ("Network", "1.0", {"mtu"}),
        ("VIFPortProfileOpenVSwitch", "1.3", {"create_tap", "multiqueue"}),
        ("HostVIFInfo", "1.0", {"supported_port_profiles"}),
    ],
)
def test_version_that_is_asked_for_goes_before_the_manifest(name, target, lost):
    """The target version is for the object, and the manifest for nested objects."""
    obj = make(name)
    manifest = released.MANIFESTS["5.3.0"]
    check(obj, manifest | {name: target}, target, version_manifest=manifest)
    data = obj.obj_to_primitive(target, manifest)["versioned_object.data"]
    assert set(obj.fields) - set(data) == lost


@pytest.mark.parametrize(("name", "release"), IN_RELEASE)
def test_partial_manifest(name, release):
    """A manifest of the declared fields gives the versions that all matching releases read."""
    manifest = released.partial(name, release)
    check(make(name), released.agreed_versions(manifest), version_manifest=dict(manifest))


@pytest.mark.parametrize("full", [True, False], ids=["full", "minimal"])
@pytest.mark.parametrize(("name", "version"), released.VERSIONS)
def test_no_manifest(name, version, full):
    """Nested objects get the versions of the newest release with the target version."""
    manifest = released.MANIFESTS[released.newest_with(name, version)]
    assert manifest[name] == version
    check(make(name, full=full), manifest, target_version=version)


@pytest.mark.parametrize("name", CLASSES)
def test_partial_manifest_is_the_one_that_oslo_makes(name):
    """``released.partial`` returns the result of ``obj_tree_get_versions``."""
    assert released.partial(name, "5.3.0") == ovo.obj_tree_get_versions(name)


@pytest.mark.parametrize("manifest", [released.MANIFESTS["1.2.1"], {"Network": "1.0"}])
def test_manifest_of_the_caller_is_left_as_it_was(manifest):
    """A caller may use the manifest for several objects."""
    mine = dict(manifest)
    make("VIFBridge").obj_to_primitive(version_manifest=mine)
    assert mine == manifest


@pytest.mark.parametrize("release", released.NEWEST)
@pytest.mark.parametrize("name", ["VIFBase", "VIFOpenVSwitch", "VIFVHostUser"])
def test_unbound_call_writes_the_same(name, release):
    """Kuryr calls ``VersionedObject.obj_to_primitive(vif)``, also with a manifest."""
    vif, manifest = make(name), released.MANIFESTS[release]
    unbound = objects.base.VersionedObject.obj_to_primitive
    assert unbound(vif) == vif.obj_to_primitive()
    assert unbound(vif, version_manifest=manifest) == vif.obj_to_primitive(
        version_manifest=manifest
    )
    assert unbound(vif, manifest[name]) == vif.obj_to_primitive(target_version=manifest[name])


@pytest.mark.parametrize("name", CLASSES)
def test_current_release_loses_nothing(name):
    """A reader of release 5.3.0 gets the primitive that is written without a manifest."""
    obj = make(name)
    assert obj.obj_to_primitive(version_manifest=history.manifest("5.3.0")) == (
        obj.obj_to_primitive()
    )


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("VIFBridge", "0.9"),
        ("VIFBridge", "1.1"),
        ("VIFBase", "1.2"),
        ("Subnet", "1.2"),
        ("Network", "0.9"),
        ("Network", "1.2"),
        ("Network", "2.0"),
        ("VIFPortProfileOpenVSwitch", "1.5"),
    ],
)
def test_version_that_never_was_cannot_be_written(name, version):
    """oslo.versionedobjects raises an error for a version without a release."""
    with pytest.raises(exception.InvalidTargetVersion, match=version):
        make(name).obj_to_primitive(target_version=version)


@pytest.mark.parametrize("how", ["complete", "partial"])
@pytest.mark.parametrize("name", ["VIFBridge", "Network", "VIFPortProfileOpenVSwitch"])
def test_newer_reader_gets_what_we_have(name, how):
    """A manifest with newer versions gives the versions of this library."""
    obj = make(name)
    manifest = released.MANIFESTS["5.3.0"]
    if how == "partial":
        manifest = released.partial(name, "5.3.0")
    newer = {n: "1.9" if n in (name, "Network", "Subnet") else manifest[n] for n in manifest}
    assert obj.obj_to_primitive(version_manifest=newer) == obj.obj_to_primitive()


@pytest.mark.parametrize(
    "release", [r for r in released.NEWEST if "VIFNestedDPDK" not in released.MANIFESTS[r]]
)
def test_vif_that_a_complete_manifest_lacks_is_an_error(release):
    """A release before 1.12.0 has no VIFNestedDPDK, so an error is raised."""
    vif = make("VIFNestedDPDK")
    for target in (None, "1.0"):
        with pytest.raises(exception.UnsupportedObjectError, match="VIFNestedDPDK"):
            vif.obj_to_primitive(target, version_manifest=history.manifest(release))


@pytest.mark.parametrize("release", released.NEWEST)
@pytest.mark.parametrize("name", ["VIFVHostUser", "VIFOpenVSwitch", "HostVIFInfo", "Network"])
def test_loaded_object_is_written_in_no_newer_version_than_its_own(name, release):
    """A stored object is written in the older of the stored version and the reader's version."""
    old = load(make(name).obj_to_primitive(version_manifest=history.manifest("1.3.0")))
    primitive = old.obj_to_primitive(version_manifest=history.manifest(release))
    wanted = released.MANIFESTS[release]
    stored = released.MANIFESTS["1.3.0"]
    for part in nested_primitives(primitive):
        part_name = part["versioned_object.name"]
        versions = [wanted[part_name], stored[part_name]]
        if wanted[part_name] == "1.1" and part_name in ("VIFBase", "Subnet"):
            versions = ["1.1"]
        assert part["versioned_object.version"] == min(versions)


def test_stored_version_is_the_newest_that_can_be_asked_for():
    """An object stored as 1.0 cannot be written as 1.1; a clone of the object can."""
    vif = load(make("VIFVHostUser").obj_to_primitive(target_version="1.0"))
    with pytest.raises(exception.InvalidTargetVersion):
        vif.obj_to_primitive(target_version="1.1")
    assert vif.obj_clone().obj_to_primitive()["versioned_object.version"] == "1.1"


def test_changes_name_no_dropped_field():
    """A nested object with a dropped field as the only change has no changes for the reader."""
    vif = make("VIFOpenVSwitch")
    vif.obj_reset_changes(recursive=True)
    vif.network.mtu = 9000
    vif.port_profile.create_tap = True
    primitive = vif.obj_to_primitive(version_manifest=history.manifest("1.2.1"))
    data = primitive["versioned_object.data"]
    for field, dropped in (("network", "mtu"), ("port_profile", "create_tap")):
        assert dropped not in data[field]["versioned_object.data"]
        assert "versioned_object.changes" not in data[field]


def test_fields_that_are_none_stay_none():
    """None is a value, and is written."""
    vif = make("VIFOpenVSwitch", address=None, network=None)
    vif.port_profile.datapath_offload = None
    data = vif.obj_to_primitive(version_manifest=history.manifest("1.14.0"))[
        "versioned_object.data"
    ]
    assert data["address"] is None
    assert data["network"] is None
    assert data["port_profile"]["versioned_object.data"]["datapath_offload"] is None


def test_make_compatible_can_be_called_on_the_data_alone():
    """``obj_make_compatible`` converts the data of an object, as tests of other projects call it."""
    vif = objects.VIFVHostUser(id=UUID, path="/run/vhu0", mode="server", vif_name="vhu0")
    data = vif.obj_to_primitive()["versioned_object.data"]
    vif.obj_make_compatible(data, "1.0")
    assert data == {"id": UUID, "path": "/run/vhu0", "mode": "server"}
