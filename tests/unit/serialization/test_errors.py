# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Errors of documents and primitives: path, found and expected value."""

from __future__ import annotations

import copy
import json

import pytest

from os_vif import exception, objects
from os_vif.escape import with_article
from os_vif.serialization import (
    downgrade,
    dumps,
    from_document,
    loads,
    storage,
    to_document,
)
from tests.support.data.document_samples import VIF, primitive_of
from tests.support.strategies import make

HEAD = {"apiVersion": "os-vif/2.0"}
IP = "an IP address, such as 192.0.2.1 or 2001:db8::1"
NETWORK = "an IP network with its prefix length, such as 192.0.2.0/24"
MAC = "a MAC address, such as fa:16:3e:00:00:01"
PCI = "a PCI address, such as 0000:03:00.1"
KIND = "the name of a class of os-vif"

Malformed, Value, Field, Kind, Version = (
    exception.MalformedDocument,
    exception.InvalidValue,
    exception.UnknownField,
    exception.UnknownKind,
    exception.UnsupportedVersion,
)


def changed(path, value):
    """Return :data:`VIF` with another value at a path of names and numbers."""
    document = copy.deepcopy(VIF)
    *where, last = path
    inner = document
    for step in where:
        inner = inner[step]
    inner[last] = value
    return document


def without(name):
    return {key: value for key, value in VIF.items() if key != name}


SUBNET = ("network", "subnets", 1)
DOCUMENTS = [
    # The envelope.
    ([], Value, "The document: found an array; expected an object with apiVersion and kind."),
    (
        without("apiVersion"),
        Version,
        "apiVersion: found nothing; expected a version such as os-vif/2.0.",
    ),
    (
        changed(["apiVersion"], "v1"),
        Version,
        "apiVersion: found 'v1'; expected a version such as os-vif/2.0.",
    ),
    (
        changed(["apiVersion"], 2.0),
        Version,
        "apiVersion: found 2.0; expected a version such as os-vif/2.0.",
    ),
    (
        changed(["apiVersion"], "os-vif/3.0"),
        Version,
        "apiVersion: found os-vif/3.0; expected os-vif/2 with any minor version.",
    ),
    (without("kind"), Value, "kind: found nothing; expected the name of a class."),
    (changed(["kind"], "VIFTap"), Kind, f"kind: found 'VIFTap'; expected {KIND}."),
    (changed(["kind"], None), Kind, f"kind: found null; expected {KIND}."),
    (changed(["kind"], ["VIFBridge"]), Kind, f"kind: found an array; expected {KIND}."),
    (
        changed(["kind"], "x" * 99),
        Kind,
        f"kind: found '{'x' * 40}'… (99 characters); expected {KIND}.",
    ),
    # Names.
    (
        changed(["mtu"], 1450),
        Field,
        "mtu: found a field that VIFOpenVSwitch does not have; expected a field of os-vif/2.0.",
    ),
    (
        changed([*SUBNET, "ip"], []),
        Field,
        (
            "network.subnets[1].ip: found a field that Subnet does not have; "
            "expected a field of os-vif/2.0."
        ),
    ),
    (
        changed(["network", "kind"], "Network"),
        Field,
        "network.kind: found a field that Network does not have; expected a field of os-vif/2.0.",
    ),
    (
        changed(["a name\nof two lines"], 1),
        Field,
        (
            "['a name\\nof two lines']: found a field that VIFOpenVSwitch does not have; "
            "expected a field of os-vif/2.0."
        ),
    ),
    (
        changed(["network", "x" * 99], 1),
        Field,
        (
            f"network['{'x' * 40}'…]: found a field that Network does not have; "
            "expected a field of os-vif/2.0."
        ),
    ),
    (changed([5], 1), Value, "The document: found 5; expected a string as each name."),
    # Values.
    (changed(["vif_name"], 5), Value, "vif_name: found 5; expected a string."),
    (changed(["vif_name"], 1.5), Value, "vif_name: found 1.5; expected a string."),
    (changed(["vif_name"], True), Value, "vif_name: found true; expected a string."),
    (changed(["vif_name"], b"x"), Value, "vif_name: found a bytes; expected a string."),
    (
        changed(["vif_name"], None),
        Value,
        "vif_name: found null; expected a value, or no such name.",
    ),
    (changed(["active"], 1), Value, "active: found 1; expected true or false."),
    (changed(["active"], 0.0), Value, "active: found 0.0; expected true or false."),
    (changed(["active"], "yes"), Value, "active: found 'yes'; expected true or false."),
    (
        changed(["address"], "fa163e000001"),
        Value,
        f"address: found 'fa163e000001'; expected {MAC}.",
    ),
    (changed(["address"], ""), Value, f"address: found ''; expected {MAC}."),
    (
        changed(["network", "mtu"], "1450"),
        Value,
        "network.mtu: found '1450'; expected a whole number.",
    ),
    (changed(["network", "mtu"], 1.5), Value, "network.mtu: found 1.5; expected a whole number."),
    (
        changed(["network", "mtu"], False),
        Value,
        "network.mtu: found false; expected a whole number.",
    ),
    (
        changed(["network", "mtu"], 10**5000),
        Value,
        "network.mtu: found a huge number; expected a whole number.",
    ),
    (changed(["network"], []), Value, "network: found an array; expected an object."),
    (
        changed(["network", "subnets"], {"objects": []}),
        Value,
        "network.subnets: found an object; expected an array.",
    ),
    (
        changed(["network", "subnets"], None),
        Value,
        "network.subnets: found null; expected a value, or no such name.",
    ),
    (changed(SUBNET, None), Value, "network.subnets[1]: found null; expected an object."),
    (
        changed([*SUBNET, "cidr"], "10.0.0.1"),
        Value,
        f"network.subnets[1].cidr: found '10.0.0.1'; expected {NETWORK}.",
    ),
    (
        changed([*SUBNET, "cidr"], "10.0.0.0/33"),
        Value,
        f"network.subnets[1].cidr: found '10.0.0.0/33'; expected {NETWORK}.",
    ),
    (
        changed([*SUBNET, "ips", 0, "address"], "10.0.0.256"),
        Value,
        f"network.subnets[1].ips[0].address: found '10.0.0.256'; expected {IP}.",
    ),
    (
        changed(["network", "subnets", 0, "dns"], ["8.8.8.8", 8]),
        Value,
        f"network.subnets[0].dns[1]: found 8; expected {IP}.",
    ),
    (
        changed(["network", "subnets", 0, "dns"], "8.8.8.8"),
        Value,
        "network.subnets[0].dns: found '8.8.8.8'; expected an array.",
    ),
    # Open types.
    (
        changed(["port_profile"], {"interface_id": "x"}),
        Value,
        "port_profile: found an object; expected an object with the kind of a VIFPortProfileBase.",
    ),
    (
        changed(["port_profile"], "ovs"),
        Value,
        "port_profile: found 'ovs'; expected an object with the kind of a VIFPortProfileBase.",
    ),
    (
        changed(["port_profile", "kind"], "VIFBridge"),
        Kind,
        "port_profile.kind: found 'VIFBridge'; expected the name of a kind of VIFPortProfileBase.",
    ),
    (
        changed(["port_profile", "datapath_offload", "kind"], None),
        Kind,
        f"port_profile.datapath_offload.kind: found null; expected {KIND}.",
    ),
    (
        changed(["port_profile", "apiVersion"], "os-vif/2.0"),
        Field,
        (
            "port_profile.apiVersion: found a field that VIFPortProfileOpenVSwitch does not have; "
            "expected a field of os-vif/2.0."
        ),
    ),
    # Other errors.
    (
        HEAD | {"kind": "VIFDirect", "mode": "VEPA"},
        Value,
        "mode: found 'VEPA'; expected one of bridge, passthrough, vepa.",
    ),
    (
        HEAD | {"kind": "VIFDirect", "dev_address": "03:00.1"},
        Value,
        f"dev_address: found '03:00.1'; expected {PCI}.",
    ),
    (
        HEAD | {"kind": "PodState", "additional_vifs": {"eth1": {"kind": "VIFBase", "id": 1}}},
        Value,
        "additional_vifs.eth1.id: found 1; expected a string.",
    ),
    (
        HEAD | {"kind": "PodState", "additional_vifs": {"eth 1": None}},
        Value,
        "additional_vifs['eth 1']: found null; expected an object with the kind of a VIFBase.",
    ),
    (
        HEAD | {"kind": "PodState", "additional_vifs": None},
        Value,
        "additional_vifs: found null; expected a value, or no such name.",
    ),
    (
        HEAD | {"kind": "SubnetList", "objects": [{"cidr": 1}]},
        Value,
        f"objects[0].cidr: found 1; expected {NETWORK}.",
    ),
    (
        changed(["fixed_ips"], [{}, {"address": "x"}]),
        Value,
        f"fixed_ips[1].address: found 'x'; expected {IP}.",
    ),
    (
        {"apiVersion": "os-vif/2.1", "kind": "Network", "new": {"a": [float("nan")]}},
        Value,
        "new.a[0]: found nan; expected plain data.",
    ),
]


@pytest.mark.parametrize(
    ("document", "cls", "message"), DOCUMENTS, ids=[message for _, _, message in DOCUMENTS]
)
def test_documents(document, cls, message):
    """The message is one line with the path of the field."""
    with pytest.raises(cls) as caught:
        from_document(document)
    assert str(caught.value) == message
    assert_attributes(caught.value)


def assert_attributes(error):
    """Check that path, found and expected value are attributes of the error."""
    where = error.path or "The document"
    assert str(error) == f"{where}: found {error.found}; expected {error.expected}."


def bad(path, value):
    """Return the primitive of a VIF with another value at a path."""
    subnet = primitive_of("Subnet", "1.0", cidr="10.0.0.0/24")
    network = primitive_of(
        "Network", "1.1", subnets=primitive_of("SubnetList", "1.0", objects=[{}, subnet])
    )
    network["versioned_object.data"]["subnets"]["versioned_object.data"]["objects"][0] = (
        primitive_of("Subnet", "1.0")
    )
    payload = primitive_of(
        "VIFBridge", "1.0", network=network, port_profile=primitive_of("VIFPortProfileBase", "1.0")
    )
    inner = payload
    *where, last = path
    for step in where:
        inner = inner[step] if isinstance(step, int) else inner["versioned_object.data"][step]
        inner = inner["versioned_object.data"]["objects"] if step == "subnets" else inner
    key = f"versioned_object.{last}"
    if key in inner or last == "changes":
        inner[key] = value
    else:
        inner["versioned_object.data"][last] = value
    return payload


OVO = "versioned_object"
PRIMITIVES = [
    (bad(["name"], "VIFTap"), Kind, f"{OVO}.name: found 'VIFTap'; expected {KIND}."),
    (bad(["namespace"], "nova"), Kind, f"{OVO}.namespace: found 'nova'; expected 'os_vif'."),
    (
        bad(["version"], "2.0"),
        Version,
        f"{OVO}.version: found '2.0'; expected a version of VIFBridge that begins as 1.0 does.",
    ),
    (
        bad(["network", "version"], None),
        Version,
        (
            f"network.{OVO}.version: found null; "
            "expected a version of Network that begins as 1.1 does."
        ),
    ),
    (bad(["data"], []), Value, f"{OVO}.data: found an array; expected an object with the fields."),
    (bad(["changes"], 5), Value, f"{OVO}.changes: found 5; expected an array of names."),
    (
        bad(["network", "subnets", 1, "cidr"], "x"),
        Value,
        "network.subnets[1].cidr: found 'x'; expected an IP network with its prefix length, such as 192.0.2.0/24.",
    ),
    (
        bad(["network", "subnets", 1, "name"], "Route"),
        Kind,
        f"network.subnets[1].{OVO}.name: found 'Route'; expected a Subnet.",
    ),
    (
        bad(["network", "subnets", 1, "ips"], []),
        Value,
        f"network.subnets[1].ips: found an array; expected an object with {OVO}.name.",
    ),
    (
        bad(["port_profile", "name"], "VIFBridge"),
        Kind,
        (
            f"port_profile.{OVO}.name: found 'VIFBridge'; "
            "expected a VIFPortProfileBase or a kind of it."
        ),
    ),
    (
        bad(["plugin"], None),
        Value,
        "plugin: found null; expected a string.",
    ),
    (
        bad(["address"], "fa163e000001"),
        Value,
        "address: found 'fa163e000001'; expected a MAC address, such as fa:16:3e:00:00:01.",
    ),
    (
        bad(["fixed_ips"], None),
        Value,
        f"fixed_ips: found null; expected an object with {OVO}.name.",
    ),
]


@pytest.mark.parametrize(
    ("payload", "cls", "message"), PRIMITIVES, ids=[message for _, _, message in PRIMITIVES]
)
def test_primitives(payload, cls, message):
    """The path of a field is the path in a document."""
    with pytest.raises(cls) as caught:
        loads(json.dumps(payload))
    assert str(caught.value) == message
    assert_attributes(caught.value)


TEXTS = [
    ("", "invalid JSON at line 1, column 1 (Expecting value)"),
    ("{", "invalid JSON at line 1, column 2 (Expecting property name enclosed in double quotes)"),
    ('{"a": 1}\n x', "invalid JSON at line 2, column 2 (Extra data)"),
    (b"\xff", "a byte at 0 that is not UTF-8"),
    ("[NaN]", "NaN"),
    ("[1e999]", "a number that is too large"),
    ("[" * 100_000, "objects or arrays that nest too deeply"),
]


@pytest.mark.parametrize(("text", "found"), TEXTS, ids=[found for _, found in TEXTS])
def test_texts(text, found):
    """The error of invalid text has no path."""
    with pytest.raises(Malformed) as caught:
        loads(text)
    assert str(caught.value) == f"The document: found {found}; expected JSON in UTF-8."
    assert_attributes(caught.value)


def test_what_is_neither():
    """The error names the two formats."""
    for text in ("[]", "{}", "null", '{"kind": "VIFBridge"}'):
        with pytest.raises(Malformed) as caught:
            loads(text)
        assert str(caught.value) == (
            "The document: found JSON without apiVersion; expected a document (os-vif/2.0) "
            "or an OVO primitive (versioned_object.name)."
        )
    for data, found in (
        ({}, "a dict"),
        (3, "an int"),
        (object(), "an object"),
        (None, "a NoneType"),
    ):
        with pytest.raises(Malformed) as caught:
            loads(data)
        assert str(caught.value) == f"The document: found {found}; expected text or bytes."


@pytest.mark.parametrize(
    "write",
    [
        dumps,
        lambda obj: dumps(obj, "ovo"),
        lambda obj: dumps(obj, "protobuf"),
        lambda obj: dumps(obj, release="1.14.0"),
        to_document,
        lambda obj: downgrade(obj, "1.14.0"),
        lambda obj: downgrade(obj, "2.0.0"),
    ],
)
@pytest.mark.parametrize(
    ("obj", "found"),
    [
        (3, "an int (3)"),
        (None, "None"),
        ({"a": 1}, "a dict ({'a': 1})"),
        (objects.VIFBridge, "a type (<class 'os_vif.objects.vif.VIFBridge'>)"),
    ],
)
def test_writing_of_no_object_is_refused(write, obj, found):
    """The error has the value and the expected type."""
    with pytest.raises(Value) as caught:
        write(obj)
    assert str(caught.value) == (
        f"obj (the first argument): found {found}; expected a versioned object, such as "
        "os_vif.objects.vif.VIFBridge (for stored data, call os_vif.serialization.loads() first)."
    )


def test_writing_of_no_vif_into_an_envelope_is_refused():
    """The path is the name of the interface."""
    with pytest.raises(Value) as caught:
        storage.write({"eth0": "text"}, "pod-vif")
    assert str(caught.value).startswith("eth0: found a str ('text'); expected a versioned object")


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("int", "an int"), ("InstanceInfo", "an InstanceInfo"), ("UUID", "a UUID"), ("str", "a str")],
)
def test_article_fits_the_noun(noun, expected):
    """A noun with a vowel at the beginning has the article ``an``."""
    assert with_article(noun) == expected


def test_what_cannot_be_written():
    """Errors of writing have path, found and expected value too."""
    with pytest.raises(exception.DataLoss) as caught:
        dumps(objects.VIFVHostUser(vif_name="vhu0", path="/run"), release="1.3.0")
    assert str(caught.value) == "Writing for 1.3.0 would lose: vif_name (left out)."
    with pytest.raises(Kind) as caught:
        dumps(make("VIFNestedDPDK"), release="1.3.0")
    assert str(caught.value) == (
        "The document: found VIFNestedDPDK; expected a class that 1.3.0 has."
    )
    with pytest.raises(Version, match=r"^release: found '0\.9'; expected 1\.0\.0, 1\.1\.0, "):
        dumps(make("VIFBridge"), release="0.9")
    with pytest.raises(Value, match=r"^address: found 'fa:16:3e:00:00:01\\n'; expected a MAC"):
        dumps(objects.VIFBridge(address="fa:16:3e:00:00:01\n"))
