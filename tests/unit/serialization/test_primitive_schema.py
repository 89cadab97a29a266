# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The schema of the primitives of a release accepts the data of the release, and no newer data."""

from __future__ import annotations

import json

import jsonschema
import pytest

from os_vif import exception, objects
from os_vif.objects.versioning import history
from os_vif.serialization.schema import primitive_schema
from tests.support.data import document_samples
from tests.support.interop import written
from tests.support.strategies import KURYR, make

ROWS = [json.loads(line) for line in document_samples.CORPUS.open(encoding="utf-8")]


def validator(kind, release):
    schema = primitive_schema.generate(kind, release)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


RELEASES = sorted({first for first, _ in written.SPANS})


def check_written(release, step):
    """Validate every n-th object written for a release."""
    validators = {}
    for line in [*written.stored_lines(release).values()][::step]:
        data = json.loads(line)
        kind = data["versioned_object.name"]
        if kind not in validators:
            validators[kind] = validator(kind, release)
        validators[kind].validate(data)
    assert len(validators) > 5


@pytest.mark.parametrize("release", RELEASES[::3])
def test_what_is_written_for_a_release(release):
    """A sample of the objects of many classes is accepted."""
    check_written(release, 100)


@pytest.mark.soak
@pytest.mark.parametrize("release", RELEASES)
def test_all_that_is_written_for_a_release(release):
    """All objects of all classes are accepted."""
    check_written(release, 1)


def check_corpus(step):
    """Validate every n-th payload of the corpus, as written by the first and by the last release."""
    for row in [row for row in ROWS if row["src"] == "os-vif"][::step]:
        for release in {row["releases"][0], row["releases"][-1]}:
            validator(row["object"], release).validate(row["payload"])


def test_what_the_releases_themselves_wrote():
    check_corpus(60)


@pytest.mark.soak
def test_all_that_the_releases_themselves_wrote():
    check_corpus(1)


@pytest.mark.parametrize(
    ("release", "newer"),
    [("1.14.0", ["create_port"]), ("1.15.0", []), ("1.7.0", ["create_port", "datapath_type"])],
)
def test_a_field_that_the_release_does_not_have_is_refused(release, newer):
    """Every newer field is refused."""
    checks = validator("VIFPortProfileOpenVSwitch", release)
    version = history.manifest(release)["VIFPortProfileOpenVSwitch"]
    for name, value in (("create_port", True), ("datapath_type", "x"), ("interface_id", "y")):
        part = document_samples.primitive_of("VIFPortProfileOpenVSwitch", version, **{name: value})
        assert checks.is_valid(part) == (name not in newer), name


@pytest.mark.parametrize(
    "change",
    [
        {"versioned_object.version": "7.0"},
        {"versioned_object.name": "Network"},
        {"versioned_object.namespace": "nova"},
        {"versioned_object.data": {"mtu": "1450"}},
        {"versioned_object.data": {"vif_name": 5}},
        {"versioned_object.data": {"address": "no MAC"}},
        {"versioned_object.data": {"network": {}}},
        {"versioned_object.changes": [5]},
        {"more": 1},
    ],
)
def test_what_no_release_writes_is_refused(change):
    data = make("VIFBridge").obj_to_primitive()
    checks = validator("VIFBridge", "6.0.0")
    checks.validate(data)
    assert not checks.is_valid(data | change)


@pytest.mark.parametrize("name", KURYR)
def test_the_kinds_of_kuryr(name):
    """Releases of kuryr have the kinds of kuryr; releases of os-vif do not."""
    release = "kuryr-6.0.1"
    data = make(name, full=False).obj_to_primitive()
    if name == "PodState":
        data = objects.PodState(default_vif=make("VIFVlanNested", full=False)).obj_to_primitive()
    validator(name, release).validate(data)
    with pytest.raises(exception.UnknownKind):
        primitive_schema.generate(name, "5.3.0")


def test_any_vif():
    checks = validator("VIF", "6.0.0")
    for name in ("VIFBridge", "VIFSriov", "VIFBase"):
        assert checks.is_valid(make(name).obj_to_primitive())
    assert not checks.is_valid(make("Network").obj_to_primitive())


@pytest.mark.parametrize("release", ["1.14.0", "5.3.0", "6.0.0"])
def test_validators_report_a_mistake_in_one_sentence(release):
    """The error has no context with errors of all kinds."""
    data = make("VIFBridge", full=False).obj_to_primitive()
    network = make("Network", full=False).obj_to_primitive()
    network["versioned_object.data"] = {"mtu": "1450"}
    data["versioned_object.data"]["network"] = network
    (error,) = validator("VIF", release).iter_errors(data)
    assert error.message == "'1450' is not of type 'integer', 'null'"
    assert not error.context


def test_a_release_or_a_kind_that_there_is_not():
    with pytest.raises(exception.UnsupportedVersion):
        primitive_schema.generate("VIF", "9.9")
    with pytest.raises(exception.UnknownKind):
        primitive_schema.generate("VIFNonesuch", "1.0.0")
