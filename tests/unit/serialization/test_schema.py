# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The JSON Schemas accept exactly the documents that the library reads."""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import socket

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import codec, exception
from os_vif.codec import scalar
from os_vif.codec.document import field_codec
from os_vif.objects import fields
from os_vif.objects.versioning import history
from os_vif.serialization import to_document
from os_vif.serialization.schema import json_schema
from tests.support.data.random_documents import (
    KINDS,
    RANDOM,
    STRINGS,
    VIFS,
    Validator,
    any_damaged_document,
    any_document,
    edited_text,
    is_readable,
)
from tests.support.strategies import UUID, make
from tools import contract

WHOLE = json_schema.generate()
SCHEMAS = {name: json_schema.bundle(WHOLE, name) for name in (*history.vocabulary(), "VIF")}
VALIDATORS = {name: Validator(found) for name, found in SCHEMAS.items()}
ANY_DOCUMENT = Validator(WHOLE)
HEAD = {"apiVersion": "os-vif/2.0"}


def accepts(found):
    """Return True if the schema of the kind accepts a document."""
    kind = found.get("kind")
    return isinstance(kind, str) and kind in KINDS and VALIDATORS[kind].is_valid(found)


# Schemas


def test_there_is_a_schema_of_every_kind_and_of_any_vif():
    """Every class of the vocabulary has a schema."""
    assert sorted(SCHEMAS) == sorted([*history.vocabulary(), "VIF"])


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_one(name):
    """The schema is valid, and has the dialect, an id and a title."""
    found = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    assert found["$id"] == f"urn:os-vif:2.0:{name}"
    assert found["title"] == name


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_holds_all_that_it_refers_to(name):
    """A schema is self-contained, and has no unused definition."""
    defined = SCHEMAS[name].get("$defs", {})
    assert {*json_schema.references(SCHEMAS[name])} == {*defined}


@pytest.mark.parametrize("name", SCHEMAS)
def test_committed_schema_is_the_generated_one(name):
    """The shipped schema equals the schema generated from the classes."""
    assert json_schema.load(name) == SCHEMAS[name]


def test_loaded_schema_is_the_callers():
    """A caller may change the returned schema."""
    json_schema.load("VIFBridge").clear()
    assert json_schema.load("VIFBridge") == SCHEMAS["VIFBridge"]


@pytest.mark.parametrize("kind", ["VIFBrigde", "openapi", "../2.0/VIF", "", None, 1, []])
def test_unknown_kind_has_no_schema(kind):
    """The error has the path of the kind; no file is opened."""
    with pytest.raises(exception.UnknownKind) as raised:
        json_schema.load(kind)
    assert raised.value.path == "kind"


def test_docstrings_describe_the_kinds_without_markup():
    """Descriptions have no markup of Sphinx."""
    assert SCHEMAS["VIFBridge"]["description"] == "A tap device on a Linux bridge."
    texts = json.dumps(SCHEMAS)
    assert ":class:" not in texts
    assert "`" not in texts


def test_patterns_mean_the_same_to_everybody():
    """Patterns use the common syntax of ECMA-262, RE2 and Python; only ``$`` differs."""
    texts = json.dumps(SCHEMAS)
    patterns = {json.loads(f'"{text}"') for text in re.findall(r'"pattern": "(.*?)"', texts)}
    assert len(patterns) == 4
    for pattern in patterns:
        assert pattern[0] == "^"
        assert pattern[-1] == "$"
        assert not re.search(r"[\^$]", re.sub(r"\[\^", "[", pattern[1:-1]))
        assert not re.search(r"\(\?|\\[^.]|[*+?}][?+]", pattern)


def test_schema_of_all_documents_is_the_committed_one():
    """The committed file is valid, and every definition is used."""
    assert json.loads(json_schema.read(json_schema.FILE)) == WHOLE
    jsonschema.Draft202012Validator.check_schema(WHOLE)
    assert {*json_schema.references(WHOLE)} == {*WHOLE["$defs"]}


def test_new_class_adds_lines_to_the_file_and_changes_none():
    """A class with two fields adds at most forty lines."""
    cls = history.vocabulary()["VIFBridge"]
    declared = {"bridge_name": ovo_fields.StringField(), "vif_name": ovo_fields.StringField()}
    classes = {
        **history.vocabulary(),
        "VIFNew": type("VIFNew", cls.__bases__, {"fields": declared}),
    }
    before, after = (
        contract.format_json(schema).splitlines()
        for schema in (WHOLE, json_schema.generate(classes))
    )
    changes = [line[0] for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert set(changes) == {"+"}
    assert len(changes) <= 40


# Accepted documents


@pytest.mark.parametrize("kind", KINDS)
def test_full_document_is_accepted(kind):
    """Documents with all fields at all depths are accepted."""
    assert accepts(to_document(make(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_empty_document_is_accepted(kind):
    """No field is required."""
    found = HEAD | {"kind": kind}
    assert is_readable(found)
    assert accepts(found)


@given(found=any_document())
@settings(RANDOM)
def test_all_that_is_written_is_accepted(found):
    """Documents of all kinds with random fields are accepted."""
    VALIDATORS[found["kind"]].validate(found)


@given(found=any_document(VIFS))
@settings(RANDOM)
def test_any_vif_is_accepted_as_one(found):
    """A consumer that stores VIFs needs a single schema."""
    VALIDATORS["VIF"].validate(found)


@pytest.mark.parametrize("kind", sorted({*KINDS} - {*VIFS}))
def test_no_other_kind_is_a_vif(kind):
    """Only subclasses of VIFBase are VIFs."""
    assert not VALIDATORS["VIF"].is_valid(HEAD | {"kind": kind})


@given(found=any_document())
@settings(RANDOM)
def test_schema_of_all_documents_accepts_each(found):
    """The kind selects the definition."""
    ANY_DOCUMENT.validate(found)


@pytest.mark.parametrize("value", ["./VIF.json", "", None, 1, {}])
def test_address_of_a_schema_is_accepted_where_it_is_read(value):
    """``$schema`` is a string at the top level of a document."""
    vif = {"kind": "VIFBridge", "network": {}}
    for found in (
        {**HEAD, **vif, "$schema": value},
        {**HEAD, **vif, "network": {"$schema": value}},
        {**HEAD, "kind": "PodState", "default_vif": {**vif, "$schema": value}},
    ):
        expected = "$schema" in found and isinstance(value, str)
        assert (is_readable(found), accepts(found), ANY_DOCUMENT.is_valid(found)) == (
            expected,
        ) * 3


# Refused documents


#: The schemas as they were recorded for 2.0, in which several kinds are ``oneOf``.
RELEASED = json.loads((contract.RELEASED / "document-2.0.json").read_text("utf-8"))
RELEASED_VALIDATORS = {
    name: Validator({**schema, "$defs": RELEASED["$defs"]})
    for name, schema in RELEASED["kinds"].items()
}


@given(found=any_damaged_document() | any_document())
@settings(RANDOM, max_examples=250)
def test_schemas_accept_what_the_recorded_schemas_accept(found):
    """The new form of the schema accepts the same documents."""
    kind = found.get("kind")
    expected = (
        isinstance(kind, str) and kind in KINDS and RELEASED_VALIDATORS[kind].is_valid(found)
    )
    assert accepts(found) == expected
    assert ANY_DOCUMENT.is_valid(found) == expected
    assert VALIDATORS["VIF"].is_valid(found) == RELEASED_VALIDATORS["VIF"].is_valid(found)


#: A mistake in a VIF, with the path and the message that jsonschema reports.
MISTAKES = (
    ({"network": {"mtu": "1450"}}, "$.network.mtu", "'1450' is not of type 'integer', 'null'"),
    ({"network": {"subnets": [{"dns": [5]}]}}, "$.network.subnets[0].dns[0]", "5 is not of type"),
    ({"network": 5}, "$.network", "5 is not of type 'object'"),
    ({"address": 5}, "$.address", "5 is not of type 'string', 'null'"),
    ({"port_profile": {}}, "$.port_profile", "'kind' is a required property"),
    ({"port_profile": 5}, "$.port_profile", "5 is not of type 'object'"),
    ({"port_profile": {"kind": "VIFBase"}}, "$.port_profile.kind", "'VIFBase' is not one of ["),
    ({"kind": "VIFBrigde"}, "$.kind", "'VIFBrigde' is not one of ["),
    ({"colour": 1}, "$", "Additional properties are not allowed ('colour' was unexpected)"),
    (
        {"port_profile": {"kind": "VIFPortProfileOpenVSwitch", "datapath_offload": {"kind": 1}}},
        *("$.port_profile.datapath_offload.kind", "1 is not one of ["),
    ),
)


@pytest.mark.parametrize(("mistake", "path", "sentence"), MISTAKES)
@pytest.mark.parametrize("outside", ["VIF", "PodState", None])
def test_validators_report_a_mistake_in_one_sentence(outside, mistake, path, sentence):
    """The error has the path of the mistake, at any depth, and no errors of other kinds."""
    found = HEAD | {"kind": "VIFOpenVSwitch", "id": UUID, "active": True} | mistake
    if outside == "PodState":
        del found["apiVersion"]
        path = path.replace("$", "$.default_vif", 1)
        found = HEAD | {"kind": "PodState", "default_vif": found}
    schema = SCHEMAS[outside] if outside else WHOLE
    (error,) = jsonschema.Draft202012Validator(schema).iter_errors(found)
    assert (error.json_path, list(error.context)) == (path, [])
    assert error.message.startswith(sentence)


@given(found=any_damaged_document())
@settings(RANDOM, max_examples=250)
def test_schema_and_library_accept_the_same(found):
    """The schema and the library refuse the same documents."""
    assert accepts(found) == is_readable(found)


@given(found=any_damaged_document(VIFS))
@settings(RANDOM, max_examples=100)
def test_schema_of_any_vif_accepts_what_is_read_as_one(found):
    """The schema of VIFs accepts the same documents as the schemas of the kinds."""
    is_vif = isinstance(found.get("kind"), str) and found["kind"] in VIFS
    assert VALIDATORS["VIF"].is_valid(found) == (is_vif and is_readable(found))


#: A field of each kind of value.
TYPED = (
    ("FixedIP", "address", "the address"),
    ("FixedIP", "floating_ips", "addresses"),
    ("Subnet", "cidr", "the network"),
    ("Subnet", "ips", "a closed list"),
    ("VIFBase", "address", "the MAC address"),
    ("VIFBase", "active", "a boolean"),
    ("VIFBase", "network", "a closed object"),
    ("VIFBase", "port_profile", "an open type"),
    ("VIFBase", "fixed_ips", "where 1.8.0 kept the addresses"),
    ("VIFDirect", "dev_address", "the PCI address"),
    ("VIFDirect", "mode", "a choice"),
    ("VIFHostDevice", "dev_type", "a choice"),
    ("Network", "mtu", "a number"),
    ("VIFPortProfileOpenVSwitch", "datapath_type", "a string or null"),
    ("VIFPortProfileOpenVSwitch", "datapath_offload", "an open type or null"),
    ("PodState", "additional_vifs", "a table"),
    ("SubnetList", "objects", "an array"),
)
VALUES = (
    *(None, True, False, 0, 1, 1.0, 1e3, 1.5, -0.0, 2**70, [], {}, [[]], [{}], [None], [1]),
    *({"kind": "VIFBase"}, {"kind": "VIFPortProfileBase"}, {"kind": "Network"}, {"id": UUID}),
    *({"eth0": {}}, {"eth0": None}, {"eth0": {"kind": "VIFBase"}}, {"kind": "VIFBase", "id": 1}),
    *({"kind": "DatapathOffloadBase"}, {"kind": "VIFBase", **HEAD}, {"kind": None}, {"kind": []}),
    *([{"address": "10.0.0.5"}], [{"cidr": "10.0.0.5"}], {"objects": []}, [{"kind": "FixedIP"}]),
    *STRINGS,
    *([text] for text in STRINGS[:30]),
)


@pytest.mark.parametrize(("kind", "name"), [field[:2] for field in TYPED])
def test_value_is_accepted_where_it_is_read(kind, name):
    """Nearly valid values of fields of all types are accepted exactly if they are readable."""
    for value in VALUES:
        found = HEAD | {"kind": kind, name: value}
        assert accepts(found) == is_readable(found), value


def test_some_values_are_read_and_some_are_not():
    """The values of the test above include accepted and refused values for each field."""
    for kind, name, _ in TYPED:
        seen = {is_readable(HEAD | {"kind": kind, name: value}) for value in VALUES}
        assert seen == {True, False}


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"kind": "VIFBridge"},
        {"apiVersion": "os-vif/2.0"},
        {"apiVersion": "os-vif/2.0\n", "kind": "VIFBridge"},
        {"apiVersion": "os-vif/1.9", "kind": "VIFBridge"},
        {"apiVersion": "os-vif/3.0", "kind": "VIFBridge"},
        {"apiVersion": 2.0, "kind": "VIFBridge"},
        {"apiVersion": None, "kind": "VIFBridge"},
        {"apiVersion": "os-vif/2.0", "kind": "VIF"},
        {"apiVersion": "os-vif/2.0", "kind": None},
        {"apiVersion": "os-vif/2.0", "kind": ["VIFBridge"]},
        {"apiVersion": "os-vif/2.0", "kind": {}},
    ],
)
def test_without_its_head_it_is_no_document(head):
    """A document has a known version and a known kind."""
    assert not is_readable(head)
    assert not accepts(head)
    assert not VALIDATORS["VIF"].is_valid(head)


def test_newer_minor_version_has_schemas_of_its_own():
    """The library reads a newer minor version; the schema is of the current minor version."""
    newer = {"apiVersion": "os-vif/2.1", "kind": "VIFBridge", "more": 1}
    assert is_readable(newer)
    assert not accepts(newer)


# Addresses


def is_address(text):
    """Return True if inet_pton(3) accepts a text."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def is_network(text):
    """Return True for an address with a decimal prefix length of at most the bits of the family."""
    address, _, prefix = text.partition("/")
    if not is_address(address) or not re.fullmatch("0|[1-9][0-9]*", prefix):
        return False
    return int(prefix) <= ipaddress.ip_address(address).max_prefixlen


def matches(cls, name, text):
    """Return True if the pattern of a field matches."""
    pattern = field_codec(history.vocabulary()[cls], name).json_schema()["pattern"]
    return Validator({"pattern": pattern}).is_valid(text)


_groups = st.lists(
    st.sampled_from(("0", "1", "ab", "F00", "2001", "10000", "", "g")), min_size=1, max_size=9
).map(":".join)
_loose = st.builds(
    lambda *parts: "".join(parts),
    _groups,
    st.sampled_from(("", ":", "::", ":::")),
    st.sampled_from(("", "1", "10.0.0.5", "1:2", "1:2:3:4:5:6", "10.0.0.256", "1.2.3")),
)
_addresses = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded.upper()),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
    _groups,
    _loose,
)


@given(text=_addresses | _addresses.flatmap(edited_text) | st.sampled_from(STRINGS))
@settings(RANDOM, max_examples=400)
@example(text="1:2:3:4:5:6:7::")
@example(text="::2:3:4:5:6:7:8")
@example(text="1:2:3:4:5:6::8")
@example(text="1:2:3:4:5:6:10.0.0.5")
@example(text="1:2:3:4:5::10.0.0.5")
@example(text="::2:3:4:5:6:10.0.0.5")
@example(text="1:2:3:4:5:6::10.0.0.5")
@example(text="1:2:3:4:5:6:7:10.0.0.5")
def test_address_is_what_the_c_library_takes(text):
    """The pattern and the library accept the same addresses as inet_pton(3)."""
    expected = is_address(text)
    assert matches("FixedIP", "address", text) == expected
    assert is_readable(HEAD | {"kind": "FixedIP", "address": text}) == expected


@given(
    text=st.builds(
        "{}/{}".format, _addresses, st.integers(-1, 140) | st.sampled_from(("", "08", "24\n"))
    ).flatmap(lambda text: st.just(text) | edited_text(text))
)
@settings(RANDOM, max_examples=200)
def test_network_is_an_address_with_a_prefix_length(text):
    """A netmask, a leading zero and too many bits are refused."""
    expected = is_network(text)
    assert matches("Subnet", "cidr", text) == expected
    assert is_readable(HEAD | {"kind": "Subnet", "cidr": text}) == expected


# Classes outside the vocabulary


def generated(**declared):
    """Return the schema of a class with certain fields."""
    odd = type("Odd", (ovo.VersionedObject,), {"fields": declared, "__doc__": None})
    whole = json_schema.generate({**history.vocabulary(), "Odd": odd})
    return json_schema.bundle(whole, "Odd")


def test_choice_or_null_accepts_both():
    """A nullable enumeration has null among its values."""
    found = generated(mode=fields.VIFDirectModeField(nullable=True))
    assert found["properties"]["mode"] == {
        "type": ["string", "null"],
        "enum": ["bridge", "passthrough", "vepa", None],
    }
    assert "description" not in found


def test_registered_codec_or_null_accepts_both(monkeypatch):
    """The schema of a codec of a third party need not have a type."""

    class Port(ovo_fields.Integer):
        pass

    class PortCodec(scalar.Integer):
        def json_schema(self):
            return {"anyOf": [{"type": "integer"}, {"const": "any"}]}

    monkeypatch.setattr(codec.field, "_factories", {**codec.field._factories})
    codec.register(Port, lambda _: PortCodec())
    declared = ovo_fields.Field(Port(), nullable=True)
    found = Validator(generated(port=declared)["properties"]["port"])
    assert [found.is_valid(value) for value in (80, "any", None, "x")] == [True, True, True, False]


def test_type_of_somebody_else_may_be_anything():
    """A field type without a codec accepts any value."""
    found = generated(when=ovo_fields.DateTimeField(nullable=True))
    assert found["properties"]["when"] == {}


def test_table_is_an_object_with_values_of_one_kind():
    """The names of a table are data."""
    found = generated(more=ovo_fields.DictOfIntegersField())
    assert found["properties"]["more"] == {
        "type": "object",
        "additionalProperties": scalar.Integer().json_schema(),
    }
