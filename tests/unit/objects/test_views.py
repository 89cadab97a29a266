# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The compiled view of a class for an older reader agrees with ``obj_make_compatible``."""

from __future__ import annotations

import copy
import json
import logging
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_versionedobjects import exception as ovo_exception

from os_vif import objects
from os_vif.codec import construct
from os_vif.objects.versioning import history
from os_vif.objects.versioning.manifest import TargetManifest
from os_vif.serialization import downgrade, loads
from tests.support.data.mutations import payloads
from tests.support.strategies import ALL, SUBCLASSES, any_objects, make

READERS = (*history.releases(), *history.peers())
#: A release for each distinct manifest.
MANIFESTS = {tuple(sorted(history.manifest(r).items())): r for r in READERS}


def by_oslo(obj, *arguments):
    """Write an object through oslo's own code, which calls ``obj_make_compatible``."""
    with mock.patch.object(construct, "of_class", return_value=None):
        return obj.obj_to_primitive(*arguments)


def outcome(function, *arguments):
    """Return the result of a call, or the type and the text of the error."""
    try:
        return function(*arguments)
    except (ovo_exception.VersionedObjectsException, ValueError) as error:
        return type(error), str(error)


def variants(name):
    """Yield objects of a class: full, bare, unchanged, and with each class in an open field.

    The last object was read from what release 1.8.0 stored; a VIF then has ``fixed_ips``.
    """
    cls = getattr(objects, name)
    yield make(name)
    yield make(name, full=False)
    unchanged = make(name)
    unchanged.obj_reset_changes(recursive=True)
    yield unchanged
    for field, kind in cls.fields.items():
        for nested in SUBCLASSES.get(getattr(kind, "objname", None), ()):
            yield make(name, **{field: make(nested)})
    if history.version_in_release(cls, "1.8.0"):
        stored = make(name).obj_to_primitive(version_manifest=history.manifest("1.8.0"))
        yield cls.obj_from_primitive(stored)


def readers(name):
    """Yield the arguments of ``obj_to_primitive`` for each reader of a class."""
    cls = getattr(objects, name)
    for release in MANIFESTS.values():
        yield None, TargetManifest.of_release_alone(release)
    for number in (*(version.number for version in history.declared_history(cls)), "0.9", "9.0"):
        yield number, None
        # A partial manifest, as of oslo's ``obj_tree_get_versions``.
        yield None, {name: number}
        if not history.withdrawn_version(cls, number):
            yield number, history.manifest("5.3.0")


@pytest.mark.parametrize("name", sorted(history.vocabulary()))
def test_view_agrees_with_obj_make_compatible(name):
    """For each reader, each version of the class, and each way in which an object is set."""
    for obj in variants(name):
        for arguments in readers(name):
            ours = outcome(obj.obj_to_primitive, *arguments)
            assert ours == outcome(by_oslo, obj, *arguments), (obj, arguments)


@pytest.mark.parametrize("name", sorted(history.vocabulary()))
def test_obj_make_compatible_alone_gives_the_data_of_the_view(name):
    """A third party's override calls the method with ``super()``, without a manifest."""
    for obj in variants(name):
        for number, *_ in history.declared_history(type(obj)):
            is_older = history.parse_version(number) < history.parse_version(obj.VERSION)
            if is_older or history.withdrawn_version(type(obj), number):
                data = obj.obj_to_primitive()["versioned_object.data"]
                obj.obj_make_compatible(data, number)
                written = obj.obj_to_primitive(number)
                assert data == written["versioned_object.data"], (obj, number)


@settings(max_examples=100, database=None)
@given(any_objects(ALL), st.sampled_from(READERS), st.booleans())
def test_views_of_random_objects(obj, reader, is_unchanged):
    """For objects with any set, unset and changed fields."""
    if is_unchanged:
        obj.obj_reset_changes(recursive=True)
    peer = TargetManifest.of_release_alone(reader)
    ours = outcome(copy.deepcopy(obj).obj_to_primitive, None, peer)
    assert ours == outcome(by_oslo, obj, None, peer)


def test_downgrade_reads_nothing_back():
    """The losses are noted while the object is written."""
    vif = loads(next(p for p in map(str_of, payloads()) if '"VIFOpenVSwitch"' in p))
    reading = AssertionError("a downgrade must not read")
    with mock.patch.object(
        objects.base.VersionedObject, "obj_from_primitive", side_effect=reading
    ):
        downgrade(vif, "1.0.0")


def str_of(payload):
    return json.dumps(payload)


def test_the_log_names_losses(caplog):
    """``obj_to_primitive`` cannot return the losses."""
    vif = make("VIFOpenVSwitch")
    with caplog.at_level(logging.WARNING):
        vif.obj_to_primitive(version_manifest=history.manifest("1.0.0"))
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("VIFOpenVSwitch was written for an older reader, and loses: ")
    assert "network.mtu" in message
