# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Random objects: downgrade for every release, and reading."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oslo_versionedobjects import base as ovo

from os_vif.objects.versioning import history
from tests.support.data import released
from tests.support.strategies import CLASSES, any_object, any_objects, load, nested

RANDOM = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def known(release):
    """Return the classes of a release."""
    return tuple(name for name in CLASSES if name in released.MANIFESTS[release])


def values(obj, releases):
    """Return the values of the fields of all the releases, at every depth.

    The addresses are left out for 1.8.0, which stored addresses in the VIF.
    """
    names = [cls.__name__ for cls in type(obj).__mro__]
    name = next(n for n in names if all(n in released.MANIFESTS[r] for r in releases))
    fields = set.intersection(*(set(released.fields_of(name, r)) for r in releases))
    if "1.8.0" in releases:
        fields -= {"ips", "fixed_ips"}
    found = {"": name}
    for field in sorted(fields):
        if obj.obj_attr_is_set(field):
            value = getattr(obj, field)
            if isinstance(value, ovo.VersionedObject):
                if not _exists(value, releases):
                    continue
                value = values(value, releases)
            elif isinstance(value, list) and value and isinstance(value[0], ovo.VersionedObject):
                value = [values(item, releases) for item in value]
            found[field] = value
    return found


def _exists(obj, releases):
    names = [cls.__name__ for cls in type(obj).__mro__]
    return any(all(n in released.MANIFESTS[r] for r in releases) for n in names)


def send(obj, release):
    """Return the object that a reader gets from ``obj`` written for ``release``."""
    return load(
        json.loads(json.dumps(obj.obj_to_primitive(version_manifest=history.manifest(release))))
    )


def only_known_is_set(obj, release):
    """Check that only fields of the release are set, except the defaults of a network."""
    for part in nested(obj):
        fields = set(released.fields_of(part.obj_name(), release))
        if part.obj_name() == "Network":
            fields.add("mtu")
        if release == "1.8.0" and part.obj_name() == "Subnet":
            fields.add("ips")
        assert {field for field in part.fields if part.obj_attr_is_set(field)} <= fields


@pytest.mark.parametrize("release", released.RELEASES)
@RANDOM
@given(data=st.data())
def test_release_reads_all_that_it_knows(release, data):
    """A reader of the release gets every value with a field in the release."""
    obj = data.draw(any_objects(known(release)))
    again = send(obj, release)
    assert values(again, [release]) == values(obj, [release])
    only_known_is_set(again, release)


@settings(RANDOM, max_examples=200)
@given(data=st.data())
def test_two_releases_keep_what_both_know(data):
    """A value survives from one release to another if both have the field."""
    first = data.draw(st.sampled_from(released.NEWEST))
    second = data.draw(st.sampled_from(released.NEWEST))
    names = [name for name in known(first) if name in known(second)]
    obj = data.draw(any_objects(names))
    again = send(send(obj, first), second)
    assert values(again, [first, second]) == values(obj, [first, second])


@pytest.mark.parametrize("name", CLASSES)
@RANDOM
@given(data=st.data())
def test_random_object_survives_json_and_cloning(name, data):
    """Reading and cloning return an equal object."""
    obj = data.draw(any_object(name))
    if data.draw(st.booleans()):
        obj.obj_reset_changes(recursive=True)
    text = json.dumps(obj.obj_to_primitive())
    assert json.dumps(load(json.loads(text)).obj_to_primitive()) == text
    assert json.dumps(obj.obj_clone().obj_to_primitive()) == text


@settings(RANDOM, max_examples=100)
@given(data=st.data())
def test_partial_manifest_of_any_release_gives_what_that_release_reads(data):
    """The release of the manifest reads every written version."""
    release = data.draw(st.sampled_from(released.NEWEST))
    obj = data.draw(any_objects(known(release)))
    manifest = released.partial(obj.obj_name(), release)
    primitive = obj.obj_to_primitive(version_manifest=manifest)
    for part in _frames(primitive):
        name, version = part["versioned_object.name"], part["versioned_object.version"]
        had = released.MANIFESTS[release].get(name)
        if had:
            assert released.number(version) <= released.number(had)
        assert set(part["versioned_object.data"]) <= set(
            released.fields_at(name, version, on_vif=release == "1.8.0")
        )


def _frames(primitive):
    yield primitive
    for value in primitive["versioned_object.data"].values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from _frames(item)
