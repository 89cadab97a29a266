# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Whatever is read: it gives an object or an error of the family, in bounded time and memory."""

from __future__ import annotations

import copy
import json
import random
import time
import tracemalloc
import warnings

import pytest
from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.serialization import dumps, from_document, loads, storage, validate
from tests.support.data.document_samples import VIF, primitive_of, vif
from tests.support.data.mutations import garbled, mutated, payloads

MEGABYTE = 1 << 20
#: Deeper than the interpreter's own limit, and than that of any stack.
DEEP = 100_000
#: Of one reading, on the slowest of machines.
DEADLINE = 60
#: How much memory each byte may take: an object of oslo's takes a few hundred.
FACTOR = 100
#: What is there for every reading, however short.
BASE = 2 * MEGABYTE


def documents():
    """What the corpus has, in the form of documents."""
    found = []
    for payload in payloads():
        if "versioned_object.name" in payload:
            with warnings.catch_warnings(action="ignore"):
                found.append(json.loads(dumps(loads(json.dumps(payload)))))
    return found


def newer(document):
    """The same of a newer version, in which anything more is kept."""
    return document | {"apiVersion": "os-vif/2.1"}


def pod(text):
    """Kuryr's annotation, in the pod that it stands in."""
    return json.dumps({"metadata": {"annotations": {storage.ANNOTATION: text}}})


def assert_well_formed(error):
    """An error says in one line where it is, what is there, and what should be."""
    text = str(error)
    assert text.isprintable(), text
    assert len(text) < 2000
    assert error.path in text
    if not error.path:
        assert text.startswith("The document: ")
    assert isinstance(error.found, str)
    assert error.found
    assert isinstance(error.expected, str)
    assert error.expected
    text.encode()


def read(function, data):
    """Read, and give the object; None if it was refused as it should be."""
    with warnings.catch_warnings():
        # oslo's, of odd UUIDs.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        try:
            obj = function(data)
        except exception.SerializationError as error:
            assert_well_formed(error)
            return None
    if isinstance(obj, ovo.VersionedObject):
        written(obj)
    else:
        assert all(isinstance(found, ovo.VersionedObject) for found in obj.values())
    return obj


def written(obj):
    """What could be read can be written, or is refused as it should be."""
    for form in ("json", "ovo"):
        try:
            text = dumps(obj, form=form)
        except exception.DataLoss as error:
            assert error.losses  # noqa: PT017
        except exception.SerializationError as error:
            assert_well_formed(error)
        else:
            text.encode("ascii")
            assert dumps(loads(text), form=form) == text


def fuzz(rounds, seed):
    """Mutate the corpus in all of its forms, and read it."""
    order = random.Random(seed)  # noqa: S311
    primitives, flat = payloads(), documents()
    outcomes = {"read": 0, "refused": 0}
    for n in range(rounds):
        data = order.choice((primitives, flat)[n % 2])
        if n % 4 == 1:
            data = newer(data)
        if n % 3:
            data = mutated(data, order)
            text = json.dumps(data)
        else:
            text = garbled(json.dumps(data), order)
        function, data = order.choice(
            (
                (loads, text),
                (loads, text),
                (storage.read, text),
                (storage.read, data),
                (from_document, data),
                (storage.read, pod(text if isinstance(text, str) else text.decode("latin-1"))),
                (storage.read, {"status": {"vifs": {"eth0": {"default": True, "vif": data}}}}),
            )
        )
        before = copy.deepcopy(data)
        outcomes["refused" if read(function, data) is None else "read"] += 1
        assert data == before
    return outcomes


def test_mutations_of_the_corpus():
    """A few of each kind of damage; both outcomes are common, so both are tried."""
    outcomes = fuzz(2000, seed=1)
    assert min(outcomes.values()) > 200


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 20))
def test_many_mutations_of_the_corpus(seed):
    """100,000 of them."""
    fuzz(10_000, seed)


LONG = "a" * (10 * MEGABYTE)
TEXTS = {
    "empty": "",
    "space": " \n",
    "BOM": "\ufeff" + json.dumps(VIF),
    "BOM in bytes": b"\xef\xbb\xbf" + json.dumps(VIF).encode(),
    "UTF-16": json.dumps(VIF).encode("utf-16"),
    "latin-1": json.dumps(VIF | {"plugin": "é"}, ensure_ascii=False).encode("latin-1"),
    "no UTF-8": b'{"apiVersion": "\xff\xfe"}',
    "surrogate in UTF-8": b'{"apiVersion": "os-vif/2.0", "kind": "\xed\xa0\x80"}',
    "surrogate": '{"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "plugin": "\ud800"}',
    "escaped surrogate": r'{"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "\ud800": 1}',
    "NUL": '{"apiVersion": "os-vif/2.0", "kind": "VIFBridge\x00"}',
    "truncated": json.dumps(VIF)[:-1],
    "two": json.dumps(VIF) * 2,
    "null": "null",
    "number": "1",
    "string": '"os-vif/2.0"',
    "array": json.dumps([VIF]),
    "object": "{}",
    "arrays": "[" * DEEP,
    "objects": '{"a":' * DEEP,
    "balanced": "[" * DEEP + "]" * DEEP,
    "deep document": json.dumps(VIF)[:-1] + ', "network": ' + "[" * DEEP + "]" * DEEP + "}",
    "deep primitive": '{"versioned_object.data": ' + "[" * DEEP + "]" * DEEP + "}",
    "less deep": '{"apiVersion":"os-vif/2.1","kind":"Network","x":' + "[" * 500 + "]" * 500 + "}",
    "NaN": '{"apiVersion": "os-vif/2.0", "kind": "Network", "mtu": NaN}',
    "Infinity": '{"apiVersion": "os-vif/2.0", "kind": "Network", "mtu": -Infinity}',
    "1e999": '{"apiVersion": "os-vif/2.1", "kind": "Network", "x": 1e999}',
    "-1e999 as text": json.dumps(primitive_of("VIFBridge", "1.0", plugin=0)).replace(
        "0}", "-1e999}"
    ),
    "1e400 digits": '{"apiVersion": "os-vif/2.0", "kind": "Network", "mtu": 1' + "0" * 5000 + "}",
    "a million digits": '{"apiVersion": "os-vif/2.1", "kind": "Network", "x": 1.'
    + "1" * MEGABYTE
    + "}",
    "name twice": '{"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "kind": "VIFBase"}',
    "name twice inside": '{"apiVersion": "os-vif/2.1", "kind": "Network", "x": {"a": 1, "a": 1}}',
    "name twice at the end": "{" + ",".join(f'"{n}":0' for n in range(200_000)) + ',"199999":0}',
    "long name": json.dumps(VIF | {LONG: 1}),
    "long name of a newer one": json.dumps(newer(VIF) | {LONG: 1}),
    "long value": json.dumps(VIF | {"plugin": LONG}),
    "long kind": json.dumps(VIF | {"kind": LONG}),
    "long version": json.dumps(VIF | {"apiVersion": LONG}),
    "long address": json.dumps(VIF | {"address": LONG}),
    "long digits": json.dumps({**VIF, "network": {"subnets": [{"gateway": "1" * MEGABYTE}]}}),
    "long network": json.dumps({**VIF, "network": {"subnets": [{"cidr": "1." * MEGABYTE}]}}),
    "long groups": json.dumps({**VIF, "network": {"subnets": [{"cidr": "0:" * MEGABYTE}]}}),
    "long mode": json.dumps(
        {"apiVersion": "os-vif/2.0", "kind": "VIFDirect", "mode": LONG, "dev_address": LONG}
    ),
    "long strings of oslo": json.dumps(
        primitive_of("VIFDirect", "1.0", mode=LONG, vif_name=LONG, dev_address="0" * MEGABYTE)
    ),
    "long address of oslo": json.dumps(primitive_of("FixedIP", "1.0", address="1" * MEGABYTE)),
    "long groups of oslo": json.dumps(primitive_of("FixedIP", "1.0", address="0:" * MEGABYTE)),
    "long prefix of oslo": json.dumps(
        primitive_of("Subnet", "1.0", cidr="10.0.0.0/" + "1" * MEGABYTE)
    ),
    "long number of oslo": json.dumps(primitive_of("Network", "1.1", mtu="1" * MEGABYTE)),
    "long name of oslo": json.dumps(primitive_of(LONG, "1.0")),
    "many addresses": json.dumps(VIF | {"fixed_ips": [{"address": "::1"}] * 5_000}),
    "many interfaces": json.dumps(
        {
            "apiVersion": "os-vif/2.0",
            "kind": "PodState",
            "additional_vifs": {f"eth{n}": {"kind": "VIFBridge"} for n in range(3_000)},
        }
    ),
}


@pytest.mark.parametrize("function", [loads, storage.read], ids=["loads", "storage.read"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_that_nobody_should_send(text, function):
    """Each is refused, or read, within a minute; within memory, see below."""
    start = time.monotonic()
    read(function, text)
    if isinstance(text, str) and "\ud800" not in text:
        read(function, text.encode())
    assert time.monotonic() - start < DEADLINE


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_memory_is_bounded(text):
    """It is what the text needs, and not what the text asks for."""
    read(loads, json.dumps(VIF))
    tracemalloc.start()
    try:
        with warnings.catch_warnings(action="ignore"):
            try:
                loads(text)
            except exception.SerializationError as error:
                str(error)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < BASE + FACTOR * len(text)


@pytest.mark.parametrize(
    "data", [None, 1, 1.5, True, [], {}, (), object(), VIF, open], ids=lambda v: type(v).__name__
)
def test_what_is_no_text(data):
    """``loads`` takes text and bytes."""
    with pytest.raises(exception.MalformedDocument, match="expected text or bytes") as caught:
        loads(data)
    assert_well_formed(caught.value)


@pytest.mark.parametrize("convert", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes(convert):
    """They may stand in any kind of buffer."""
    assert dumps(loads(convert(json.dumps(VIF).encode()))) == dumps(vif())


@pytest.mark.parametrize(
    "data",
    [None, 1, "x", b"x", [], (), set(), object(), [VIF], json.dumps(VIF)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_document(data):
    """``from_document`` takes a dict."""
    with pytest.raises(exception.InvalidValue) as caught:
        from_document(data)
    assert_well_formed(caught.value)


def nested_in(inner, levels):
    """Lists and dicts by turns, around something."""
    for n in range(levels):
        inner = [inner] if n % 2 else {"a": inner}
    return inner


def endless():
    """A dict that contains itself."""
    data = {"kind": "VIFPortProfileBase"}
    data["port_profile"] = data["subnets"] = data["network"] = data
    return data


PLACES = ("network", "port_profile", "plugin", "id", "active", "fixed_ips", "no_such", "address")


@pytest.mark.parametrize("inner", [nested_in(1, DEEP), nested_in(1, 500), endless()])
@pytest.mark.parametrize("name", PLACES)
def test_dicts_without_end(name, inner):
    """RecursionError never escapes; dicts may contain themselves."""
    for document in (VIF, newer(VIF)):
        with pytest.raises(exception.SerializationError) as caught:
            from_document(document | {name: inner})
        assert_well_formed(caught.value)
    payload = primitive_of("VIFBridge", "1.0", **{name: inner})
    try:
        storage.read({"status": {"vifs": {"eth0": {"vif": payload}}}})
    except exception.SerializationError as error:
        assert_well_formed(error)


class Odd:
    """A value with which nothing can be done."""

    def __repr__(self):
        raise RuntimeError

    __hash__ = None


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    "value",
    [Odd(), object(), b"x", (1,), {1}, 1j, float("nan"), float("inf"), -(10**5000), range(3)],
    ids=lambda value: type(value).__name__,
)
def test_dicts_with_what_is_no_json(name, value):
    """It is refused with its path, wherever it stands."""
    for document in (VIF, newer(VIF)):
        for found in (
            value,
            {"kind": value},
            [value],
            {"subnets": [value]},
            {"dns": {"x": value}},
        ):
            with pytest.raises(exception.SerializationError) as caught:
                from_document(document | {name: found})
            assert caught.value.path.startswith(name)
            assert_well_formed(caught.value)


@pytest.mark.parametrize("name", [1, None, (), 1.5, b"network", frozenset()])
def test_dicts_with_names_that_are_no_strings(name):
    """They are refused in every object."""
    for document in (VIF, newer(VIF)):
        for inner in ({name: 1}, {"network": {name: 1}}, {"port_profile": {"kind": "x", name: 1}}):
            with pytest.raises(exception.SerializationError) as caught:
                from_document(document | inner)
            assert_well_formed(caught.value)
    with pytest.raises(exception.InvalidValue, match=r"^additional_vifs: "):
        from_document(
            {"apiVersion": "os-vif/2.0", "kind": "PodState", "additional_vifs": {name: {}}}
        )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_lists_that_contain_a_list_twice_are_refused_at_once(version):
    """Plain data of a program: two references to a list, at each of many levels."""
    data = [1]
    for _ in range(60):
        data = [data, data]
    document = {"apiVersion": f"os-vif/{version}", "kind": "Network", "unknown": data}
    primitive = {
        "versioned_object.name": "Network",
        "versioned_object.namespace": "os_vif",
        "versioned_object.version": "1.99",
        "versioned_object.data": {"unknown": data},
    }
    for plain_data in (document, primitive):
        assert validate(plain_data)
    with pytest.raises(exception.SerializationError):
        from_document(document)
