# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A class as an older reader knows it: the compiled view and ``obj_make_compatible`` agree."""

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
from tests.support.strategies import ALL, any_objects, make
from tests.unit.serialization.mutations import payloads

READERS = (*history.releases(), *history.peers())


def by_oslo(obj, *arguments):
    """Write an object through oslo's own code, which calls ``obj_make_compatible``."""
    with mock.patch.object(construct, "of_class", return_value=None):
        return obj.obj_to_primitive(*arguments)


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except (ovo_exception.VersionedObjectsException, ValueError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("name", sorted(history.vocabulary()))
def test_view_agrees_with_obj_make_compatible(name):
    """For each reader, and each version that the class ever had."""
    obj = make(name)
    for reader in READERS:
        peer = TargetManifest.of_release_alone(reader)
        assert outcome(obj.obj_to_primitive, None, peer) == outcome(by_oslo, obj, None, peer)
    for version in history.declared_history(type(obj)):
        ours = outcome(obj.obj_to_primitive, version.number)
        assert ours == outcome(by_oslo, obj, version.number), version


@settings(deadline=None, max_examples=100, database=None)
@given(any_objects(ALL), st.sampled_from(READERS), st.booleans())
def test_views_of_random_objects(obj, reader, is_unchanged):
    """Whatever is set, unset and changed."""
    if is_unchanged:
        obj.obj_reset_changes(recursive=True)
    peer = TargetManifest.of_release_alone(reader)
    ours = outcome(copy.deepcopy(obj).obj_to_primitive, None, peer)
    assert ours == outcome(by_oslo, obj, None, peer)


def test_downgrade_reads_nothing_back():
    """Losses are noted as fields are left out."""
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
