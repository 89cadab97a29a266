# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Back-ports of objects for receivers with another version of a class."""

from __future__ import annotations

import logging

import pytest

from os_vif import exception
from os_vif.objects.versioning import history
from os_vif.serialization import downgrade, messaging, to_document
from tests.support.data import expected_losses, released
from tests.support.messaging.in_process import running_server
from tests.support.strategies import ALL, PROFILES, make

#: The public releases with different manifests.
PUBLIC = tuple(r for r in expected_losses.RELEASES if r in released.MANIFESTS)


@pytest.mark.parametrize("release", PUBLIC)
def test_the_partial_manifest_of_oslo_is_completed(release):
    """The receiver's manifest of a VIF names no port profile class but the base class."""
    endpoint = messaging.BackportEndpoint(losses="tell")
    logging.disable()
    try:
        for profile in PROFILES:
            for name in ("VIFOpenVSwitch", "VIFBridge", "VIFVHostUser", "VIFHostDevice"):
                if name not in released.MANIFESTS[release]:
                    continue
                manifest = released.partial(name, release)
                obj = make(name, port_profile=make(profile))
                data = endpoint.object_backport_versions({}, obj, manifest)
                written = released.actual(data)
                agreed = released.agreed_versions(manifest)
                assert written == released.expected(obj, agreed), (profile, name)
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("release", PUBLIC)
def test_a_known_release_of_the_receivers_is_more_exact(release):
    endpoint = messaging.BackportEndpoint(release)
    for name in ALL:
        obj = make(name)
        manifest = released.partial(name, release) if name in history.manifest(release) else {}
        try:
            data, losses = downgrade(obj, release)
        except exception.UnknownKind:
            with pytest.raises(exception.UnknownKind, match=f"{name}; expected a class that"):
                endpoint.object_backport_versions({}, obj, manifest)
            continue
        if losses:
            with pytest.raises(exception.DataLoss) as caught:
                endpoint.object_backport_versions({}, obj, manifest)
            assert caught.value.losses == tuple(losses)
        else:
            assert endpoint.object_backport_versions({}, obj, manifest) == data


def test_a_receiver_of_an_older_release_than_expected_gets_its_own_versions():
    """The manifest of the receiver wins over the release of the endpoint."""
    obj = make("VIFBridge")
    oldest = released.partial("VIFBridge", "1.0.0")
    with pytest.raises(exception.DataLoss):
        messaging.BackportEndpoint("5.3.0").object_backport_versions({}, obj, oldest)
    endpoint = messaging.BackportEndpoint("5.3.0", losses="tell")
    data = endpoint.object_backport_versions({}, obj, oldest)
    assert data["versioned_object.version"] == oldest["VIFBridge"]


def test_the_endpoint_answers_calls():
    """The server may decode the object before the call, or not."""
    obj = make("VIFPortProfileOpenVSwitch", create_tap=False)
    manifest = {"VIFPortProfileOpenVSwitch": "1.2"}
    primitive = obj.obj_to_primitive()
    endpoint = messaging.BackportEndpoint(losses="tell")
    with running_server(messaging.Serializer(), endpoint) as running:
        for objinst in (primitive, to_document(obj)):
            data = running.call(
                "object_backport_versions", objinst=objinst, object_versions=manifest
            )
            assert data == endpoint.object_backport_versions({}, objinst, manifest)
            assert data["versioned_object.version"] == "1.2"
            assert "create_tap" not in data["versioned_object.data"]
        data = running.call("object_backport", objinst=primitive, target_version="1.2")
        assert data["versioned_object.version"] == "1.2"


@pytest.mark.parametrize(
    ("objinst", "manifest", "error", "text"),
    [
        (7, {}, exception.InvalidValue, "objinst: found an int"),
        ({"a": 1}, {}, exception.InvalidValue, "objinst: found a dict"),
        ({"versioned_object.name": "X"}, {}, exception.UnknownKind, "namespace"),
        ("object", None, exception.InvalidValue, "object_versions: found null"),
        ("object", ["VIFBridge"], exception.InvalidValue, "object_versions: found an array"),
        ("object", {"VIFBridge": "one"}, exception.InvalidValue, "object_versions.VIFBridge"),
        ("object", {"VIFBridge": 1}, exception.InvalidValue, "object_versions.VIFBridge"),
        ("object", {"VIFBridge": "0.1"}, exception.UnsupportedVersion, "object_versions"),
    ],
)
def test_invalid_arguments_are_refused(objinst, manifest, error, text):
    if objinst == "object":
        objinst = make("VIFBridge")
    with pytest.raises(error, match=text):
        messaging.BackportEndpoint().object_backport_versions({}, objinst, manifest)


def test_the_endpoint_checks_its_own_arguments():
    with pytest.raises(exception.UnsupportedVersion, match=r"release: found '7\.7'"):
        messaging.BackportEndpoint("7.7")
    with pytest.raises(ValueError, match="unknown losses 'all'"):
        messaging.BackportEndpoint(losses="all")
