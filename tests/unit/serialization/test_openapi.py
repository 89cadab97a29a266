# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Tests of the OpenAPI document, the structural schemas and the CRD of KuryrPort."""

from __future__ import annotations

import copy
import functools

import pytest
import yaml
from hypothesis import given, settings
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.codec import primitive
from os_vif.objects import fields
from os_vif.objects.versioning import history
from os_vif.serialization import from_document, schema, storage, to_document
from os_vif.serialization.schema import json_schema, kuryrport, openapi
from tests.support.data.random_documents import (
    KINDS,
    RANDOM,
    VIFS,
    StructuralValidator,
    any_document,
)
from tests.support.strategies import make

WHOLE = json_schema.generate()
SCHEMAS = {
    name: openapi.structural(json_schema.bundle(WHOLE, name))
    for name in (*history.vocabulary(), "VIF")
}
CRD = kuryrport.generate()
PORT = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
PRESERVE = "x-kubernetes-preserve-unknown-fields"

#: Keywords that an API server refuses everywhere, besides names that start with a dollar sign.
FORBIDDEN = {
    "definitions",
    "dependencies",
    "deprecated",
    "discriminator",
    "id",
    "patternProperties",
    "readOnly",
    "writeOnly",
    "xml",
    "const",
}
#: Keywords that an API server refuses in anyOf, oneOf, allOf and not.
OUTSIDE = {"additionalProperties", "default", "description", "nullable", "title", "type", PRESERVE}
JUNCTORS = ("allOf", "anyOf", "not", "oneOf")


def violations(node, path="", *, root=True):
    """Yield the breaches of the rules of structural schemas, as an API server reports them."""
    yield from _forms(node, path)
    metadata = node.get("properties", {}).get("metadata")
    if root and node.get("type") != "object":
        yield f"{path}: the root is no object"
    elif "type" not in node and not node.get(PRESERVE):
        yield f"{path}: no type"
    if root and metadata not in (None, {"type": "object"}):
        yield f"{path}.metadata: more than a type"
    for step, inner in _below(node):
        if inner is not metadata or not root:
            yield from violations(inner, path + step, root=False)
    for key in JUNCTORS:
        inner = node.get(key, ())
        for restriction in [inner] if isinstance(inner, dict) else inner:
            yield from _inside(restriction, node, f"{path}.{key}")


def _below(node):
    """Yield the schemas of the parts of a value, each with the step of the path."""
    yield from ((f".{name}", inner) for name, inner in node.get("properties", {}).items())
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield f".{key}", node[key]


def _forms(node, path):
    for key in node:
        if key in FORBIDDEN or key.startswith("$"):
            yield f"{path}: {key}"
    if not isinstance(node.get("type", ""), str) or node.get("type") == "null":
        yield f"{path}: several types, or null"
    if node.get("type") == "array" and "items" not in node:
        yield f"{path}: an array without items"
    if node.get("additionalProperties") is False:
        yield f"{path}: additionalProperties is false"
    if "additionalProperties" in node and "properties" in node:
        yield f"{path}: properties and additionalProperties"
    if node.get(PRESERVE, True) is not True:
        yield f"{path}: {PRESERVE} is not true"
    if node.get("uniqueItems"):
        yield f"{path}: uniqueItems"


def _inside(node, outside, path):
    """Yield the breaches in anyOf, oneOf, allOf and not, which may restrict but not declare."""
    yield from (f"{path}: {key}" for key in node if key in OUTSIDE)
    for name, inner in node.get("properties", {}).items():
        if name not in outside.get("properties", {}):
            yield f"{path}.{name}: not declared outside"
        else:
            yield from _inside(inner, outside["properties"][name], f"{path}.{name}")


def nodes(node):
    """Yield all schemas in a schema."""
    yield node
    for _, inner in _below(node):
        yield from nodes(inner)


# The rules


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schema_keeps_the_rules_of_kubernetes(kind):
    """The structural schema of each kind can be part of a CRD."""
    assert list(violations(SCHEMAS[kind])) == []


def test_crd_keeps_the_rules_of_kubernetes():
    """An API server accepts the CRD."""
    assert list(violations(PORT)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"properties": {"a": {}}}, ".a: no type"),
        ({"type": "string"}, ": the root is no object"),
        ({"properties": {"a": {"type": ["string", "null"]}}}, ".a: several types, or null"),
        ({"properties": {"a": {"type": "array"}}}, ".a: an array without items"),
        ({"properties": {"a": {"$ref": "#/b", PRESERVE: True}}}, ".a: $ref"),
        ({"properties": {"a": {"type": "string", "const": "b"}}}, ".a: const"),
        ({"properties": {}, "additionalProperties": {"type": "string"}}, ": properties and"),
        ({"additionalProperties": False}, ": additionalProperties is false"),
        ({"additionalProperties": {}}, ".additionalProperties: no type"),
        ({"patternProperties": {}}, ": patternProperties"),
        ({PRESERVE: False}, f": {PRESERVE} is not true"),
        ({"anyOf": [{"type": "object"}]}, ".anyOf: type"),
        ({"not": {"nullable": True}}, ".not: nullable"),
        ({"oneOf": [{"properties": {"b": {"pattern": "c"}}}]}, ".oneOf.b: not declared outside"),
        ({"properties": {"metadata": {"type": "object", PRESERVE: True}}}, ".metadata: more than"),
    ],
)
def test_breach_of_a_rule_is_found(change, expected):
    """The tests above recognize a breach of each rule."""
    assert any(line.startswith(expected) for line in violations({"type": "object"} | change))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_nothing_of_a_newer_version_is_pruned(kind):
    """An API server keeps unknown fields at every depth."""
    objects = [node for node in nodes(SCHEMAS[kind]) if node.get("type") == "object"]
    assert objects
    for node in objects:
        assert node.get(PRESERVE) or "additionalProperties" in node


def test_kuryrport_is_the_one_that_kuryr_has():
    """The CRD has the names, the scope and the version of kuryr."""
    spec = CRD["spec"]
    assert CRD["apiVersion"] == "apiextensions.k8s.io/v1"
    assert CRD["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert spec["names"]["shortNames"] == ["kp"]
    assert (spec["names"]["kind"], spec["group"], spec["scope"]) == (
        *("KuryrPort", "openstack.org"),
        "Namespaced",
    )
    assert [version["name"] for version in spec["versions"]] == ["v1"]


# Accepted documents


@pytest.mark.parametrize("kind", KINDS)
def test_full_document_is_accepted(kind):
    """Documents with all fields at all depths are accepted."""
    StructuralValidator(SCHEMAS[kind]).validate(to_document(make(kind)))


@given(found=any_document())
@settings(RANDOM)
def test_all_that_is_written_is_accepted(found):
    """Documents of all kinds with random fields are accepted."""
    StructuralValidator(SCHEMAS[found["kind"]]).validate(found)


@given(found=any_document(VIFS))
@settings(RANDOM)
def test_any_vif_is_accepted_in_a_kuryrport(found):
    """VIFs of all kinds are accepted in ``status.vifs``."""
    StructuralValidator(PORT).validate(port(found))


def port(vif, **more):
    """Return a KuryrPort with a VIF."""
    return {
        "apiVersion": "openstack.org/v1",
        "kind": "KuryrPort",
        "metadata": {"name": "pod"},
        "spec": {"podUid": "1", "podNodeName": "node", "podStatic": False},
        "status": {"vifs": {"eth0": {"default": True, "vif": vif}}},
    } | more


def test_newer_minor_version_is_accepted_with_all_that_is_new():
    """An API server keeps the CRD while the stored VIFs become newer."""
    found = to_document(make("VIFOpenVSwitch")) | {"apiVersion": "os-vif/2.7", "more": {"a": 1}}
    found["network"]["more"] = []
    StructuralValidator(PORT).validate(port(found))
    found["port_profile"] = {"kind": "VIFPortProfileOfTheFuture"}
    StructuralValidator(PORT).validate(port(found))
    found["apiVersion"] = "os-vif/3.0"
    assert not StructuralValidator(PORT).is_valid(port(found))


@pytest.mark.parametrize("kind", VIFS)
def test_vif_that_kuryr_stored_before_is_accepted(kind):
    """A stored KuryrPort stays valid, so that its finalizer can be removed."""
    status = storage.write({"eth0": make(kind)}, "kuryrport", "6.0.0")
    StructuralValidator(PORT).validate(port(None, status=status))
    assert primitive.NAME in status["vifs"]["eth0"]["vif"]


@pytest.mark.parametrize(
    "more",
    [
        {"spec": {"podUid": "1"}},
        {"spec": {"podUid": "1", "podNodeName": None}},
        {"spec": {"podUid": "1", "podNodeName": "node", "podStatic": "no"}},
        {"status": {"vifs": []}},
        {"status": {"vifs": {"eth0": {"default": True}}}},
        {"status": {"vifs": {"eth0": {"default": 1, "vif": {primitive.NAME: "VIFBridge"}}}}},
        {"status": {"vifs": {"eth0": {"vif": {}}}}},
        {"status": {"vifs": {"eth0": {"vif": {"apiVersion": "os-vif/2.0"}}}}},
        {"status": {"vifs": {"eth0": {"vif": None}}}},
    ],
)
def test_kuryrport_without_what_it_needs_is_refused(more):
    """The CRD refuses incomplete KuryrPorts, which kuryr's own CRD accepts."""
    found = port({"apiVersion": "os-vif/2.0", "kind": "VIFBridge"})
    StructuralValidator(PORT).validate(found)
    assert not StructuralValidator(PORT).is_valid(found | more)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("address", "fa:16:3e"),
        ("active", "true"),
        ("mode", "Vepa"),
        ("dev_address", "03:00.1"),
        ("vif_name", None),
        ("network", []),
        ("network", {"mtu": "1450"}),
        ("network", {"subnets": [{"cidr": "10.0.0.0"}]}),
        ("port_profile", {"interface_id": "without a kind"}),
        ("fixed_ips", [{"address": "10.0.0"}]),
    ],
)
def test_mistake_in_a_field_is_refused(name, value):
    """The API server refuses the mistake."""
    found = {"apiVersion": "os-vif/2.0", "kind": "VIFDirect", name: value}
    with pytest.raises(exception.SerializationError):
        from_document(found)
    assert not StructuralValidator(SCHEMAS["VIFDirect"]).is_valid(found)
    assert not StructuralValidator(SCHEMAS["VIF"]).is_valid(found)
    assert not component("Document").is_valid(found)


def _nodes(node):
    """Yield all objects in plain data."""
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from _nodes(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _nodes(inner)


@pytest.mark.parametrize("data", [*SCHEMAS.values(), kuryrport.generate()])
def test_a_choice_that_may_be_null_is_a_pattern(data):
    """Kubernetes before 1.23 refuses null in an enum, and applies an enum to null."""
    assert not [n for n in _nodes(data) if None in n.get("enum", ())]
    assert not [n for n in _nodes(data) if n.get("nullable") and "enum" in n]


def test_a_choice_that_may_be_null_accepts_its_values_and_null():
    """The pattern of link_state accepts the values of the enumeration and null."""
    profile = {"kind": "VIFPortProfileSRIOV"}
    port = {"apiVersion": "os-vif/2.0", "kind": "VIFDirect"}
    validator = StructuralValidator(SCHEMAS["VIFDirect"])
    for value in ("auto", "disable", "enable", None):
        assert validator.is_valid(port | {"port_profile": profile | {"link_state": value}})
    for value in ("", "autox", "on", "null", 1):
        assert not validator.is_valid(port | {"port_profile": profile | {"link_state": value}})


def test_the_definition_of_kuryrports_has_the_columns_of_kuryr():
    """``kubectl get kuryrports`` prints the same columns as with the CRD of kuryr."""
    (version,) = kuryrport.generate()["spec"]["versions"]
    columns = {c["name"]: c["jsonPath"] for c in version["additionalPrinterColumns"]}
    assert columns == {
        "PodUID": ".spec.podUid",
        "Nodename": ".spec.podNodeName",
        "labels": ".metadata.labels",
    }


# The OpenAPI document


OPENAPI = openapi.generate()
COMPONENTS = OPENAPI["components"]["schemas"]


def component(name):
    """Return a validator of a component of the OpenAPI document."""
    return StructuralValidator(OPENAPI | {"$ref": f"#/components/schemas/{name}"})


def test_components_refer_to_components():
    """Every reference has a component, and every definition is a component."""
    assert {*json_schema.references(COMPONENTS)} <= {*COMPONENTS}
    assert {*COMPONENTS} == {*WHOLE["$defs"], "VIF", "Document"}
    assert "oneOf" not in {key for node in nodes(COMPONENTS["VIFBridge"]) for key in node}


def test_kind_is_the_discriminator_of_every_choice():
    """The value of the discriminator is the name of the component, so no mapping is required."""
    choices = {name: chosen for name, chosen in COMPONENTS.items() if "oneOf" in chosen}
    assert {"AnyVIFBase", "AnyVIFPortProfileBase", "Document", "VIF"} <= {*choices}
    for chosen in choices.values():
        assert chosen["discriminator"] == {"propertyName": "kind"}
        for name in json_schema.references(chosen["oneOf"]):
            assert COMPONENTS[name]["properties"]["kind"] == {"type": "string", "enum": [name]}
            assert "kind" in COMPONENTS[name]["required"]


@given(found=any_document())
@settings(RANDOM)
def test_all_that_is_written_is_accepted_by_the_components(found):
    """The components of documents, of the kind and of VIFs accept a document."""
    component("Document").validate(found | {"$schema": "./os-vif.json"})
    component(found["kind"]).validate(found)
    assert component("VIF").is_valid(found) == (found["kind"] in VIFS)


def test_component_accepts_a_newer_minor_version():
    """Unknown fields and newer minor versions are accepted, and other major versions are not."""
    found = to_document(make("VIFOpenVSwitch")) | {"apiVersion": "os-vif/2.7", "more": {"a": 1}}
    assert component("Document").is_valid(found)
    assert not component("Document").is_valid(found | {"apiVersion": "os-vif/3.0"})
    assert not component("Document").is_valid({n: found[n] for n in found if n != "apiVersion"})


# The union of kinds


def test_open_type_has_the_fields_of_all_kinds():
    """An open type has the fields and the enumerated values of all kinds."""
    names = {name for kind in VIFS for name in SCHEMAS[kind]["properties"]}
    vif = SCHEMAS["VIF"]["properties"]
    assert set(vif) == names
    assert vif["mode"]["enum"] == ["bridge", "client", "passthrough", "server", "vepa"]
    assert vif["kind"] == {"type": "string"}
    assert SCHEMAS["VIFDirect"]["properties"]["kind"] == {"type": "string", "enum": ["VIFDirect"]}


ODD = {
    "a string": ovo_fields.StringField(),
    "another string": ovo_fields.StringField(nullable=True),
    "a number": ovo_fields.IntegerField(),
    "an address": ovo_fields.IPAddressField(),
    "a MAC address": ovo_fields.MACAddressField(),
    "a choice": fields.VIFDirectModeField(),
    "another choice": fields.VIFVHostUserModeField(),
    "somebody's": ovo_fields.DateTimeField(),
    "numbers": ovo_fields.ListOfIntegersField(),
    "strings": ovo_fields.ListOfStringsField(),
    "a table": ovo_fields.DictOfIntegersField(),
    "another table": ovo_fields.DictOfStringsField(),
    "an object": ovo_fields.ObjectField("Route"),
    "another object": ovo_fields.ObjectField("FixedIP"),
}


@functools.cache
def widened(one, other):
    """Return the schema of a field with different declarations in two kinds of VIFs."""
    classes = dict(history.vocabulary())
    for name, field in (("OddOne", one), ("OddOther", other)):
        parents = (classes["VIFBase"],)
        classes[name] = type(name, parents, {"fields": {"odd": ODD[field]}})
    return openapi.structural(json_schema.bundle(json_schema.generate(classes), "VIF"))[
        "properties"
    ]["odd"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a string", "a string", {"type": "string"}),
        ("a string", "another string", {"type": "string", "nullable": True}),
        ("a string", "a number", {PRESERVE: True}),
        ("another string", "a number", {PRESERVE: True, "nullable": True}),
        ("an address", "a MAC address", {"type": "string"}),
        ("a choice", "a string", {"type": "string"}),
        ("somebody's", "a string", {PRESERVE: True}),
        ("numbers", "strings", {"type": "array", "items": {PRESERVE: True}}),
        ("a table", "another table", {"type": "object", "additionalProperties": {PRESERVE: True}}),
        ("a table", "an object", {"type": "object", PRESERVE: True}),
    ],
)
def test_field_that_kinds_declare_differently_takes_what_either_takes(one, other, expected):
    """The schema accepts the values of both declarations."""
    assert widened(one, other) == widened(other, one) == expected


def test_objects_that_kinds_declare_differently_become_one():
    """The schema has the fields of both objects."""
    found = widened("an object", "another object")
    assert set(found["properties"]) == {*history.vocabulary()["Route"].fields} | {
        *history.vocabulary()["FixedIP"].fields
    }


def test_widening_leaves_what_it_is_made_of_alone():
    """Generation does not change schemas that were generated before."""
    before = copy.deepcopy(SCHEMAS)
    kuryrport.generate()
    openapi.generate()
    assert before == SCHEMAS


# Committed files


@pytest.mark.parametrize("kind", SCHEMAS)
def test_committed_schema_is_the_generated_one(kind):
    """The structural schema of the shipped file equals the generated schema."""
    assert openapi.load(kind) == SCHEMAS[kind]


def test_committed_crd_is_the_generated_one():
    """The committed CRD is YAML without aliases, which API servers refuse."""
    text = kuryrport.load()
    assert yaml.safe_load(text) == CRD
    assert not any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text))


def test_unknown_kind_has_no_schema():
    """The error is UnknownKind."""
    with pytest.raises(exception.UnknownKind):
        openapi.load("VIFBrigde")


def test_public_functions_return_the_schemas():
    """The package has the documented functions."""
    assert schema.load("Network") == json_schema.bundle(WHOLE, "Network")
    assert schema.load_structural("VIF") == SCHEMAS["VIF"]
    assert yaml.safe_load(schema.load_kuryrport()) == CRD
    assert schema.load_primitive("VIF", "1.14.0")["$id"] == "urn:os-vif:ovo:1.14.0:VIF"


def test_classes_of_the_tests_are_registered_nowhere():
    """Generation registers no class."""
    widened("a string", "a number")
    assert not {"OddOne", "OddOther"} & {*history.vocabulary()}
    assert "OddOne" not in ovo.VersionedObjectRegistry.obj_classes()
