# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fields of third parties: types with other primitives, field classes, and registered codecs."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import codec, exception, objects
from os_vif.codec import descriptions, field
from os_vif.serialization import downgrade, dumps, from_document, loads, to_document, validate


class JsonText(ovo_fields.FieldType):
    """A type with JSON text as primitive."""

    @staticmethod
    def coerce(obj, attr, value):
        return value

    @staticmethod
    def to_primitive(obj, attr, value):
        return json.dumps(value)

    @staticmethod
    def from_primitive(obj, attr, value):
        return json.loads(value)


class Wrapped(JsonText):
    """A type with the value inside an object as primitive."""

    @staticmethod
    def to_primitive(obj, attr, value):
        return {"items": value}

    @staticmethod
    def from_primitive(obj, attr, value):
        return value["items"]


class JsonTextField(ovo_fields.StringField):
    """A field class with its own methods."""

    def coerce(self, obj, attr, value):
        return value

    def to_primitive(self, obj, attr, value):
        return json.dumps(value)

    def from_primitive(self, obj, attr, value):
        return json.loads(value)


class Number(ovo_fields.FieldType):
    """A type with a registered codec."""

    @staticmethod
    def coerce(obj, attr, value):
        number = int(value)
        if number < 0:
            raise ValueError("negative")
        return number


class Anything(ovo_fields.FieldType):
    """A type that accepts every value."""

    @staticmethod
    def coerce(obj, attr, value):
        return value


class NumberCodec(codec.FieldCodec):
    expected = "a number of Acme"

    def load(self, data):
        return int(data)

    def dump(self, value):
        if value == 13:
            raise ValueError("unlucky")
        return value


@pytest.fixture
def acme():
    """A VIF class of another project, with a field of each type."""

    class AcmeFields(objects.VIFBridge):
        VERSION = "1.0"
        fields = {
            "text": ovo_fields.Field(JsonText(), nullable=True),
            "wrapped": ovo_fields.Field(Wrapped(), nullable=True),
            "own": JsonTextField(nullable=True),
            "number": ovo_fields.Field(Number(), nullable=True),
            "anything": ovo_fields.Field(Anything(), nullable=True),
        }

    ovo.VersionedObjectRegistry.register(AcmeFields)
    yield AcmeFields
    del ovo.VersionedObjectRegistry.obj_classes()["AcmeFields"]


@pytest.fixture
def number_codec():
    codec.register(Number, lambda _: NumberCodec())
    yield
    del field._factories[Number], descriptions.registered[Number]
    for clear_cache in field.on_register:
        clear_cache()


VALUES = [{"a": [1]}, ["a", "b"], [], {}, "x", [{"b": None}]]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", ["text", "wrapped", "own"])
@pytest.mark.parametrize("form", ["json", "ovo"])
def test_value_with_a_primitive_of_another_shape_is_written_and_read(acme, form, name, value):
    vif = acme(**{name: value})
    assert getattr(loads(dumps(vif, form=form)), name) == value
    pod = loads(dumps(objects.PodState(default_vif=vif), form=form))
    assert getattr(pod.default_vif, name) == value


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", ["text", "wrapped", "own"])
def test_value_with_a_primitive_of_another_shape_is_downgraded(acme, name, value):
    vif = acme(**{name: value})
    primitive, losses = downgrade(vif, "6.0.0")
    assert losses == []
    assert acme.obj_from_primitive(primitive).obj_to_primitive() == vif.obj_to_primitive()
    pod, _ = downgrade(objects.PodState(default_vif=vif), "kuryr-10.0.0")
    assert pod["versioned_object.data"]["default_vif"]["versioned_object.name"] == "VIFBridge"
    assert vif.obj_to_primitive(version_manifest={"AcmeFields": "1.0", "VIFBase": "1.0"})


@pytest.mark.parametrize("name", ["text", "wrapped", "own", "anything"])
def test_document_shares_no_part_of_a_value(acme, name):
    vif = acme(**{name: {"a": [1]}})
    data = to_document(vif)[name]
    if isinstance(data, dict):
        data.setdefault("a", []).append(2)
        data.clear()
    assert getattr(vif, name) == {"a": [1]}


@pytest.mark.parametrize("value", [{1, 2}, dt.date(2026, 1, 1), float("nan"), {1: 2, "a": 3}])
def test_value_without_an_expression_in_json_is_refused_with_the_path(acme, value):
    vif = acme(anything=value)
    for write in (dumps, to_document):
        with pytest.raises(exception.InvalidValue) as caught:
            write(vif)
        assert caught.value.path == "anything"
    with pytest.raises(exception.InvalidValue):
        dumps(vif, form="ovo")


def test_error_of_a_registered_codec_names_path_found_and_expected(acme, number_codec):
    document = {"apiVersion": "os-vif/2.0", "kind": "AcmeFields", "number": "x", "id": 3}
    for data, found in (("x", "'x'"), ([], "an array")):
        with pytest.raises(exception.InvalidValue) as caught:
            from_document(document | {"number": data})
        error = caught.value
        assert (error.path, error.found, error.expected) == ("number", found, "a number of Acme")
    assert sorted(error.path for error in validate(document)) == ["id", "number"]
    with pytest.raises(exception.InvalidValue) as caught:
        dumps(acme(number=13))
    assert (caught.value.path, caught.value.found) == ("number", "13")


def test_description_of_a_registered_codec_is_in_every_error(acme, number_codec):
    with pytest.raises(
        ValueError, match=r"AcmeFields.number: found -1; expected a number of Acme"
    ):
        acme(number=-1)
    vif = acme()
    with pytest.raises(
        ValueError, match=r"AcmeFields.number: found -1; expected a number of Acme"
    ):
        vif.number = -1
    text = dumps(acme(number=4), form="ovo").replace(":4", ":-4")
    with pytest.raises(
        exception.InvalidValue, match=r"number: found -4; expected a number of Acme"
    ):
        loads(text)


@pytest.mark.parametrize("wrong", [ovo_fields.StringField, Number(), int, "Number"])
def test_only_a_field_type_is_registered(wrong):
    before = dict(field._factories)
    with pytest.raises(TypeError, match=r"field_type: found .*; expected a subclass of"):
        codec.register(wrong, lambda _: NumberCodec())
    assert field._factories == before


def test_only_a_factory_of_codecs_is_registered(acme):
    with pytest.raises(TypeError, match=r"factory: found .*NumberCodec"):
        codec.register(Number, NumberCodec())
    assert Number not in field._factories
    codec.register(Number, lambda _: "a codec")
    try:
        with pytest.raises(
            TypeError, match=r"the factory registered for Number: returned 'a codec'"
        ):
            from_document({"apiVersion": "os-vif/2.0", "kind": "AcmeFields", "number": 1})
    finally:
        del field._factories[Number], descriptions.registered[Number]
        for clear_cache in field.on_register:
            clear_cache()


class UpperCase(codec.FieldCodec):
    is_native = True

    def load(self, data):
        return data

    def dump(self, value):
        return value.upper()


def test_registration_reaches_the_compiled_views_of_older_readers():
    network = objects.Network(bridge="br")
    factory = field._factories[ovo_fields.String]
    assert downgrade(network, "1.14.0")[0]["versioned_object.data"]["bridge"] == "br"
    codec.register(ovo_fields.String, lambda _: UpperCase())
    try:
        assert downgrade(network, "1.14.0")[0]["versioned_object.data"]["bridge"] == "BR"
    finally:
        field._factories[ovo_fields.String] = factory
        del descriptions.registered[ovo_fields.String]
        for clear_cache in field.on_register:
            clear_cache()
    assert downgrade(network, "1.14.0")[0]["versioned_object.data"]["bridge"] == "br"


def test_many_objects_of_a_third_party_are_no_deep_nesting(acme):
    vifs = {f"e{n}": {"kind": "AcmeFields", "zz": 1} for n in range(40)}
    document = {"apiVersion": "os-vif/2.0", "kind": "PodState", "additional_vifs": vifs}
    assert {error.path for error in validate(document)} == {
        f"additional_vifs.e{n}.zz" for n in range(40)
    }
