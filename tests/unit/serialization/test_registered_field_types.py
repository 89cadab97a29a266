# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A registered field type in a class of a third party: every operation, and the schemas."""

from __future__ import annotations

import copy

import jsonschema
import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import codec, exception, objects
from os_vif.codec import field
from os_vif.objects.versioning import history
from os_vif.serialization import (
    downgrade,
    dumps,
    from_document,
    loads,
    schema,
    to_document,
    validate,
)
from tests.support.data.random_documents import StructuralValidator, Validator, is_readable
from tests.support.strategies import UUID, make

HEAD = {"apiVersion": "os-vif/2.0", "kind": "AcmePortVif"}
PORTS = [1, 80, 65535]
OTHER_VALUES = [0, 65536, -1, 1.5, "80", "any", True, None, [], [80], {}]
#: Schemas of the field type, which codecs may return; each accepts the ports only.
PORT_SCHEMAS = [
    {"type": "integer", "minimum": 1, "maximum": 65535},
    {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}]},
    {"type": "integer", "anyOf": [{"minimum": 1, "maximum": 65535}]},
    {"allOf": [{"type": "integer", "minimum": 1}, {"maximum": 65535}]},
    {"type": ["integer"], "minimum": 1, "maximum": 65535},
    {"if": {"type": "integer"}, "then": {"minimum": 1, "maximum": 65535}, "else": False},
]


class Port(ovo_fields.FieldType):
    @staticmethod
    def coerce(obj, attr, value):
        port = int(value)
        if not 0 < port < 65536:
            raise ValueError(f"{value!r} is not a port")
        return port


class PortCodec(codec.FieldCodec):
    expected = "a port number"
    schema = PORT_SCHEMAS[0]

    def load(self, data):
        if type(data) is not int or not 0 < data < 65536:
            raise codec.invalid(data, self.expected)
        return data

    def json_schema(self):
        return self.schema


@pytest.fixture
def port_vif():
    """Register a field type, and a class of a third party with fields of the type."""
    codec.register(Port, lambda _: PortCodec())

    class AcmePortVif(objects.VIFBridge):
        VERSION = "1.0"
        fields = {
            "port": ovo_fields.Field(Port()),
            "spare": ovo_fields.Field(Port(), nullable=True),
            "ports": ovo_fields.ListOfObjectsField("AcmePort"),
            "by_name": ovo_fields.Field(ovo_fields.Dict(Port())),
            "peer": ovo_fields.ObjectField("VIFBase", subclasses=True),
        }

    class AcmePort(objects.base.VersionedObject):
        VERSION = "1.0"
        fields = {"number": ovo_fields.Field(Port())}

    registry = ovo.VersionedObjectRegistry
    for cls in (AcmePortVif, AcmePort):
        registry.register(cls)
    yield AcmePortVif
    for cls in (AcmePortVif, AcmePort):
        del registry.obj_classes()[cls.__name__]
    del field._factories[Port]
    for clear_cache in field.on_register:
        clear_cache()


@pytest.fixture
def vif(port_vif):
    port = ovo.VersionedObjectRegistry.obj_classes()["AcmePort"][0]
    return port_vif(
        id=UUID,
        network=make("Network"),
        port="80",
        spare=None,
        ports=[port(number=1)],
        by_name={"http": "80"},
        peer=port_vif(port=81),
    )


def test_object_is_constructed_copied_and_compared(vif):
    """Construction and assignment coerce values; a copy is equal until it changes."""
    assert vif.port == 80
    assert vif.by_name == {"http": 80}
    for duplicate in (vif.obj_clone(), copy.deepcopy(vif)):
        assert duplicate == vif
        duplicate.port = 81
        duplicate.by_name["https"] = 443
        assert duplicate != vif
    assert vif.by_name == {"http": 80}
    with pytest.raises(ValueError, match="AcmePortVif"):
        vif.port = 0


@pytest.mark.parametrize("form", ["json", "ovo"])
def test_object_round_trips(vif, form):
    """The object of the written data is equal, and is written as the same text."""
    vif.obj_reset_changes(recursive=True)
    text = dumps(vif, form)
    assert validate(text) == []
    assert loads(text) == vif
    assert type(loads(text)) is type(vif)
    assert dumps(loads(text), form) == text


def test_object_is_downgraded(vif):
    """oslo applies the manifest of the release; a release has no class of a third party."""
    for release in ("1.14.0", "5.3.0"):
        with pytest.raises(exception.UnknownKind, match="AcmePortVif"):
            downgrade(vif, release)
    manifest = {**history.manifest("1.14.0"), "AcmePortVif": "1.0", "AcmePort": "1.0"}
    data = vif.obj_to_primitive(version_manifest=manifest)["versioned_object.data"]
    assert data["port"] == 80
    assert data["network"]["versioned_object.version"] == manifest["Network"]


def test_protobuf_of_a_class_of_a_third_party_is_refused(vif):
    """Protobuf has no message for the class; the error has the path."""
    with pytest.raises(exception.UnknownKind, match=r"^default_vif: found AcmePortVif;"):
        dumps(make("PodState", default_vif=vif), "protobuf")


@pytest.mark.parametrize("port_schema", PORT_SCHEMAS)
def test_schema_accepts_the_readable_documents(vif, port_schema, monkeypatch):
    """The schema accepts exactly what ``loads`` reads; the structural schema no less."""
    monkeypatch.setattr(PortCodec, "schema", port_schema)
    found = schema.load("AcmePortVif")
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["title"] == "AcmePortVif"
    validator = Validator(found)
    structural = StructuralValidator(schema.load_structural("AcmePortVif"))
    whole = to_document(vif)
    documents = [whole, HEAD, whole | {"port": 80, "unknown": 1}, whole | {"ports": [{"no": 1}]}]
    for value in PORTS + OTHER_VALUES:
        documents += [
            whole | {"port": value},
            whole | {"spare": value},
            whole | {"by_name": {"http": value}},
            whole | {"ports": [{"number": value}]},
            whole | {"peer": {"kind": "AcmePortVif", "port": value}},
            whole | {"peer": {"kind": "VIFBridge", "port": value}},
        ]
    readable = 0
    for document in documents:
        expected = is_readable(document)
        readable += expected
        assert validator.is_valid(document) == expected, document
        assert (validate(document) == []) == expected
        assert structural.is_valid(document) or not expected, document
    # Null is permitted in the field "spare" only.
    assert readable == 2 + len(PORTS) * 5 + 1


def test_schema_of_a_class_of_a_third_party_is_the_callers(port_vif):
    """A change to the returned schema changes neither the codec nor the next schema."""
    before = copy.deepcopy(schema.load("AcmePortVif"))
    schema.load("AcmePortVif")["properties"]["port"].clear()
    assert schema.load("AcmePortVif") == before


def test_schema_of_a_class_with_a_field_of_an_unregistered_class_is_refused(port_vif):
    """The error has the name of the unregistered class."""
    port = ovo.VersionedObjectRegistry.obj_classes().pop("AcmePort")
    try:
        with pytest.raises(exception.UnknownKind, match="'AcmePort'"):
            schema.load("AcmePortVif")
    finally:
        ovo.VersionedObjectRegistry.obj_classes()["AcmePort"] = port


def test_schemas_of_os_vif_do_not_change_with_a_registration(port_vif):
    """The committed schemas permit the classes of os-vif only."""
    kinds = schema.load("VIF")["properties"]["kind"]["enum"]
    assert "VIFBridge" in kinds
    assert "AcmePortVif" not in kinds
    assert not is_readable({"apiVersion": "os-vif/2.0", "kind": "AcmePortVif", "port": 0})
    assert from_document(HEAD | {"port": 1}).port == 1
