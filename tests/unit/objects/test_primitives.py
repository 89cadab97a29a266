# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""OVO primitives without downgrade: writing and reading."""

from __future__ import annotations

import copy
import json

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception

from os_vif import objects
from tests.support.data import released
from tests.support.data.processes import run_python
from tests.support.strategies import (
    CLASSES,
    PROFILES,
    UUID,
    VIFS,
    load,
    make,
    nested,
    nested_primitives,
)


def primitive(name, version, data, **more):
    """Return a primitive as another process would write it."""
    head = {"name": name, "namespace": "os_vif", "version": version, "data": data} | more
    return {f"versioned_object.{key}": value for key, value in head.items()}


NETWORK_1_0 = primitive("Network", "1.0", {"id": UUID, "bridge": "br-int"})


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("name", CLASSES)
def test_round_trip_through_json(name, full):
    """A written object is plain JSON, and reading returns an equal object."""
    obj = make(name, full=full)
    text = json.dumps(obj.obj_to_primitive())
    again = load(json.loads(text))
    assert type(again) is type(obj)
    assert json.dumps(again.obj_to_primitive()) == text


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", VIFS)
def test_round_trip_of_every_profile_in_every_vif(name, profile):
    """The class of the profile is kept, and not replaced by the declared class."""
    vif = make(name, port_profile=make(profile))
    assert load(json.loads(json.dumps(vif.obj_to_primitive()))) == vif


@pytest.mark.parametrize("name", CLASSES)
def test_primitive_has_the_frame_of_oslo(name):
    """Name, namespace, version, data and changes, at every depth; only set fields are data."""
    obj = make(name)
    data = obj.obj_to_primitive()
    assert data["versioned_object.name"] == name
    assert data["versioned_object.version"] == getattr(objects, name).VERSION
    assert set(data["versioned_object.data"]) == set(obj.fields)
    for part in nested_primitives(data):
        assert part["versioned_object.namespace"] == "os_vif"
        assert set(part) <= {
            f"versioned_object.{key}"
            for key in ("name", "namespace", "version", "data", "changes")
        }


@pytest.mark.parametrize("name", CLASSES)
def test_primitive_is_what_oslo_alone_would_write(name):
    """Only the order of ``changes`` differs from oslo's own method."""
    obj = make(name)
    theirs = ovo.VersionedObject.obj_to_primitive(obj)
    theirs.get("versioned_object.changes", []).sort()
    assert obj.obj_to_primitive() == theirs


@pytest.mark.parametrize("name", CLASSES)
def test_changes_are_sorted_at_every_depth(name):
    """Changed fields are listed in alphabetical order."""
    for part in nested_primitives(make(name).obj_to_primitive()):
        changes = part.get("versioned_object.changes", [])
        assert changes == sorted(set(changes))
        assert set(changes) <= set(part["versioned_object.data"])


DUMP = """
import json
from os_vif.objects.versioning import history
from tests.support.strategies import CLASSES, make
print(json.dumps([make(name).obj_to_primitive() for name in CLASSES]))
print(json.dumps([
    make(name).obj_to_primitive(version_manifest=history.manifest("1.8.0"))
    for name in ("VIFBase", "VIFBridge", "VIFVHostUser", "HostInfo")
]))
"""


def test_same_bytes_in_every_process():
    """Two processes that hash strings differently write the same bytes."""
    written = [run_python(DUMP, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert len(written[0]) > 1000
    assert written[0] == written[1]


@pytest.mark.parametrize("name", CLASSES)
def test_reset_is_recursive(name):
    """After a recursive reset, no object at any depth has changed fields."""
    obj = make(name)
    assert obj.obj_what_changed() or not obj.fields
    obj.obj_reset_changes(recursive=True)
    assert not any(part.obj_what_changed() for part in nested(obj))
    assert all(
        "versioned_object.changes" not in part
        for part in nested_primitives(obj.obj_to_primitive())
    )


def test_reset_that_is_not_recursive_leaves_what_is_nested():
    """A change in a nested object makes the field a changed field."""
    vif = make("VIFBridge")
    vif.obj_reset_changes()
    assert vif.obj_what_changed() == {"network", "port_profile"}


def test_assignment_is_a_change():
    """Reading restores the changed fields of the payload; an assignment adds a changed field."""
    vif = load(primitive("VIFBridge", "1.0", {"id": UUID, "plugin": "ovs"}, changes=["plugin"]))
    assert vif.obj_what_changed() == {"plugin"}
    vif.vif_name = "tap0"
    assert vif.obj_what_changed() == {"plugin", "vif_name"}


STORED = [row for row in released.VERSIONS if row not in [("VIFBase", "1.1"), ("Subnet", "1.1")]]


@pytest.mark.parametrize(("name", "version"), STORED)
def test_loaded_object_keeps_its_stored_version(name, version):
    """An object stored as 1.0 is written as 1.0; a clone has the current version."""
    vif = load(primitive(name, version, {}))
    assert version == vif.VERSION
    assert vif.obj_to_primitive()["versioned_object.version"] == version
    assert version == copy.copy(vif).VERSION
    assert vif.obj_clone().VERSION == getattr(objects, name).VERSION
    assert released.MANIFESTS["5.3.0"][name] == getattr(objects, name).VERSION


def test_nested_objects_keep_their_stored_versions():
    """A VIF stored in 2017 is written with the stored versions."""
    profile = primitive("VIFPortProfileOpenVSwitch", "1.0", {"interface_id": UUID})
    stored = primitive("VIFVHostUser", "1.0", {"id": UUID, "port_profile": profile})
    assert load(copy.deepcopy(stored)).obj_to_primitive() == stored


def test_network_1_0_is_loaded_with_the_constructors_values():
    """The payload has no MTU; the object has the MTU None, and the stored version."""
    network = load(copy.deepcopy(NETWORK_1_0))
    assert network.VERSION == "1.0"
    assert (network.id, network.bridge) == (UUID, "br-int")
    assert network.mtu is None
    assert network.multi_host is False
    assert network.should_provide_bridge is False
    assert network.should_provide_vlan is False
    assert len(network.subnets) == 0


@pytest.mark.parametrize("step", [(0, 1), (1, 0)])
@pytest.mark.parametrize("name", CLASSES)
def test_version_above_the_known_ones_is_refused(name, step):
    """oslo raises an error that names the newer minor or major version."""
    known = max(released.number(version) for n, version in released.VERSIONS if n == name)
    newer = ".".join(str(a + b) for a, b in zip(known, step, strict=True))
    with pytest.raises(exception.IncompatibleObjectVersion, match=f"Version {newer} of {name}"):
        load(primitive(name, newer, {}))


@pytest.mark.parametrize("namespace", ["nova", "versionedobjects", "", "OS_VIF"])
@pytest.mark.parametrize("depth", [0, 1])
def test_foreign_namespace_is_refused(namespace, depth):
    """An object or a nested object with another namespace is refused."""
    payload = NETWORK_1_0 | {"versioned_object.namespace": namespace}
    if depth:
        payload = primitive("VIFBridge", "1.0", {"network": payload})
    with pytest.raises(exception.UnsupportedObjectError, match="Network"):
        load(payload)


@pytest.mark.parametrize("key", ["name", "namespace", "version", "data"])
def test_incomplete_frame_is_refused(key):
    """The error names the missing key of the envelope."""
    payload = {k: v for k, v in NETWORK_1_0.items() if k != f"versioned_object.{key}"}
    with pytest.raises(KeyError, match=f"versioned_object.{key}"):
        load(payload)


def test_unknown_class_is_refused():
    """oslo raises an error that names the class that is not registered."""
    with pytest.raises(exception.UnsupportedObjectError, match="VIFQuantum"):
        load(primitive("VIFQuantum", "1.0", {}))


def test_unknown_field_of_a_payload_is_ignored():
    """Data and changes without a field in the class are dropped."""
    payload = primitive("VIFBridge", "1.0", {"id": UUID, "quantum": 1}, changes=["quantum", "id"])
    vif = load(payload)
    assert not hasattr(vif, "quantum")
    assert vif.obj_to_primitive() == primitive("VIFBridge", "1.0", {"id": UUID}, changes=["id"])


def test_primitive_may_be_read_through_any_class():
    """The payload decides the class of the object."""
    payload = make("VIFBridge").obj_to_primitive()
    for cls in (objects.base.VersionedObject, objects.VIFBase, objects.InstanceInfo):
        assert type(cls.obj_from_primitive(payload)) is objects.VIFBridge
    with pytest.raises(exception.UnsupportedObjectError):
        ovo.VersionedObject.obj_from_primitive(payload)
