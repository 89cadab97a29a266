# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""All errors of documents and primitives, also with field types that other projects register."""

from __future__ import annotations

import copy
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import codec, exception, objects
from os_vif.codec import field
from os_vif.codec.document import field_codec
from os_vif.serialization import dumps, from_document, loads, to_document, validate
from tests.support.data.mutations import mutated, payloads
from tests.support.strategies import UUID

PAYLOADS = [payload for payload in payloads() if "versioned_object.name" in payload]


def told(error):
    return type(error), error.path, error.found, error.expected


@settings(deadline=None, max_examples=300, database=None)
@given(st.sampled_from(PAYLOADS), st.booleans(), st.integers(0, 2**32))
def test_the_first_error_is_that_of_loads(payload, as_document, seed):
    """The first error equals the error of ``loads``; readable data has no errors."""
    order = random.Random(seed)  # noqa: S311
    data = to_document(loads(json.dumps(payload))) if as_document else copy.deepcopy(payload)
    for _ in range(3):
        data = mutated(data, order)
    text = json.dumps(data)
    errors = [told(error) for error in validate(text)]
    if isinstance(data, dict):
        assert errors == [told(error) for error in validate(json.loads(text))]
    assert first_of_loads(text) == (errors or [None])[0]


def first_of_loads(text):
    try:
        loads(text)
    except exception.SerializationError as error:
        return told(error)
    return None


@pytest.mark.parametrize("count", [1, 150])
def test_every_error_has_its_path(count):
    """Errors at any depth are reported, in lists and beside unknown fields, without a limit."""
    subnets = [{"cidr": n, "dns": ["10.0.0.1", "x"], "more": 1} for n in range(count)]
    document = {
        "apiVersion": "os-vif/2.0",
        "kind": "VIFBridge",
        "active": "yes",
        "network": {"mtu": "z", "subnets": subnets},
        "port_profile": {"kind": "Network"},
        "versioned_object.version": "noop",
        "y": 1,
    }
    expected = {"active", "network.mtu", "port_profile.kind", "versioned_object.version", "y"}
    for n in range(count):
        expected |= {f"network.subnets[{n}].{name}" for name in ("cidr", "dns[1]", "more")}
    errors = validate(document)
    assert {error.path for error in errors} == expected
    assert len(errors) == len(expected)
    assert all(error.found and error.expected for error in errors)


def test_every_error_of_a_primitive():
    """The names of changed fields are checked, too."""
    primitive = json.loads(dumps(objects.VIFBridge(id=UUID, network=objects.Network()), "ovo"))
    data = primitive["versioned_object.data"]
    data |= {"address": "x", "vif_name": None}
    data["network"]["versioned_object.data"]["subnets"] = 1
    primitive["versioned_object.changes"] = 1
    found = [error.path for error in validate(primitive)]
    assert sorted(found) == [
        "address", "network.subnets", "versioned_object.changes", "vif_name"
    ]  # fmt: skip


def paths(data):
    return [error.path for error in validate(data)]


def test_every_refused_element_of_a_list_in_a_primitive_has_an_index():
    """The error of a single read names the first refused element."""
    primitive = json.loads(dumps(objects.Subnet(), "ovo"))
    primitive["versioned_object.data"] = {"dns": ["x", "10.0.0.1", "y"], "cidr": "z"}
    assert paths(primitive) == ["dns[0]", "dns[2]", "cidr"]
    assert first_of_loads(json.dumps(primitive))[1] == "dns[0]"


@pytest.fixture
def nullable_vif():
    """Return a class with a list and a dict whose members may be None."""

    class VIFNullable(objects.VIFBridge):
        VERSION = "1.0"
        fields = {
            "numbers": ovo_fields.Field(ovo_fields.List(ovo_fields.Integer(), nullable=True)),
            "table": ovo_fields.DictOfNullableStringsField(),
        }

    ovo.VersionedObjectRegistry.register(VIFNullable)
    yield VIFNullable
    del ovo.VersionedObjectRegistry.obj_classes()["VIFNullable"]


def test_every_refused_member_of_a_field_with_nullable_members(nullable_vif):
    """Every refused member is reported, in a document and in a primitive; null is permitted."""
    data = {"numbers": ["x", None, "1", "y"], "table": {"a": None, "b": {}, "c": ["y"]}}
    expected = ["numbers[0]", "numbers[3]", "table.b", "table.c"]
    assert paths({"apiVersion": "os-vif/2.0", "kind": "VIFNullable"} | data) == expected
    primitive = nullable_vif().obj_to_primitive()
    primitive["versioned_object.data"] = data
    assert paths(primitive) == expected
    document = {"apiVersion": "os-vif/2.0", "kind": "VIFNullable", "numbers": [None, "1"]}
    assert loads(json.dumps(document)).numbers == [None, 1]
    assert paths({**document, "numbers": "x"}) == ["numbers"]


def test_every_error_in_unknown_fields_of_a_newer_document():
    """Data of Python programs may have values and names that JSON does not have."""
    document = {"apiVersion": "os-vif/2.5", "kind": "VIFBridge"}
    document |= {"a": [float("nan"), 1, float("inf")], "b": {1: 2}, "c": {"d": float("nan")}}
    assert paths(document) == ["a[0]", "a[2]", "b", "c.d"]


def test_every_error_in_unknown_fields_of_a_primitive():
    primitive = json.loads(dumps(objects.VIFBridge(id=UUID), "ovo"))
    primitive["versioned_object.data"] |= {"a": float("nan"), "b": {1: 2}}
    assert paths(primitive) == ["a", "b"]


def test_an_invalid_schema_address_hides_no_other_error():
    document = {"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "$schema": 3, "active": "yes"}
    assert paths(document) == ["$schema", "active"]
    assert paths({**document, "kind": "Nothing"}) == ["$schema", "kind"]


def test_a_name_that_is_no_string_hides_no_other_error():
    """All errors are reported, in a dict of objects and among the fields of an object."""
    vifs = {"a": 5, 3: {"kind": "VIFBridge"}, "b": 6}
    document = {"apiVersion": "os-vif/2.0", "kind": "PodState", "additional_vifs": vifs}
    expected = ["additional_vifs.a", "additional_vifs", "additional_vifs.b"]
    assert paths(document) == expected
    assert paths({**document, 3: 1, "zz": 1}) == [*expected, "", "zz"]


@pytest.mark.parametrize("data", ["", "[]", "{}", b"\xff", '{"apiVersion":"os-vif/3.0"}'])
def test_what_is_no_object_has_one_error(data):
    (error,) = validate(data)
    assert isinstance(error, exception.SerializationError)


class Port(ovo_fields.FieldType):
    """A field type of another project."""

    @staticmethod
    def coerce(obj, attr, value):
        return int(value)


class PortCodec(codec.FieldCodec):
    expected = "a port number"

    def load(self, data):
        if type(data) is not int or not 0 < data < 65536:
            raise codec.invalid(data, self.expected)
        return data

    def json_schema(self):
        return {"type": "integer", "minimum": 1, "maximum": 65535}

    def proto_type(self):
        return "int64"


@pytest.fixture
def listener():
    """Return a class with a field of the type."""

    class AcmeListener(objects.VIFBridge):
        VERSION = "1.0"
        fields = {"port": ovo_fields.Field(Port())}

    ovo.VersionedObjectRegistry.register(AcmeListener)
    yield AcmeListener
    del ovo.VersionedObjectRegistry.obj_classes()["AcmeListener"]
    field._factories.pop(Port, None)
    field.register(Port, lambda _: PortCodec())
    del field._factories[Port]


def test_a_registered_field_type_is_first_class(listener):
    """The codec decides on documents, schema and errors; oslo decides on primitives."""
    document = {"apiVersion": "os-vif/2.0", "kind": "AcmeListener", "port": "80"}
    assert from_document(document).port == 80
    assert field_codec(listener, "port").json_schema() == {}
    codec.register(Port, lambda _: PortCodec())
    assert from_document(document | {"port": 80}).port == 80
    assert field_codec(listener, "port").json_schema()["maximum"] == 65535
    (error,) = validate(document)
    assert (error.path, error.found, error.expected) == ("port", "'80'", "a port number")
    vif = from_document(document | {"port": 80})
    assert to_document(vif)["port"] == 80
    text = dumps(vif, "ovo").replace('"port":80', '"port":"80"')
    assert loads(text).port == 80
