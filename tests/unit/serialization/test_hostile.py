# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Any input gives an object or a SerializationError, in bounded time and memory."""

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
#: Deeper than the recursion limit of the interpreter, and than any C stack.
DEEP = 100_000
#: Seconds of one reading, on a slow machine.
DEADLINE = 60
#: Bytes of memory for each byte of input: an object of oslo takes several hundred.
FACTOR = 100
#: Bytes of memory for any input, however short.
BASE = 2 * MEGABYTE


def documents():
    """Return the corpus as documents."""
    found = []
    for payload in payloads():
        if "versioned_object.name" in payload:
            with warnings.catch_warnings(action="ignore"):
                found.append(json.loads(dumps(loads(json.dumps(payload)))))
    return found


def newer(document):
    """Return a document as a document of a newer version, which may have unknown fields."""
    return document | {"apiVersion": "os-vif/2.1"}


def pod(text):
    """Return kuryr's annotation in a pod."""
    return json.dumps({"metadata": {"annotations": {storage.ANNOTATION: text}}})


def assert_well_formed(error):
    """Check that an error is one line with path, found and expected value."""
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
    """Return the read object; None for data that was refused with a well-formed error."""
    with warnings.catch_warnings():
        # Warnings of oslo about invalid UUIDs.
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
    """Check that an object is written and read back, or refused with a well-formed error."""
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
    """Mutate the corpus in all of its forms, and read the results."""
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
    """A few mutations of each kind give both outcomes: objects and errors."""
    outcomes = fuzz(2000, seed=1)
    assert min(outcomes.values()) > 200


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 20))
def test_many_mutations_of_the_corpus(seed):
    """The soak form of test_mutations_of_the_corpus, with 100,000 mutations."""
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
    """Each text is read or refused within a minute."""
    start = time.monotonic()
    read(function, text)
    if isinstance(text, str) and "\ud800" not in text:
        read(function, text.encode())
    assert time.monotonic() - start < DEADLINE


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_memory_is_bounded(text):
    """The memory depends on the length of the text, not on lengths and depths in the text."""
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
    """``loads`` refuses arguments other than text and bytes."""
    with pytest.raises(exception.MalformedDocument, match="expected text or bytes") as caught:
        loads(data)
    assert_well_formed(caught.value)


@pytest.mark.parametrize("convert", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes(convert):
    """``loads`` accepts every type of buffer."""
    assert dumps(loads(convert(json.dumps(VIF).encode()))) == dumps(vif())


@pytest.mark.parametrize(
    "data",
    [None, 1, "x", b"x", [], (), set(), object(), [VIF], json.dumps(VIF)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_document(data):
    """``from_document`` refuses arguments other than dicts."""
    with pytest.raises(exception.InvalidValue) as caught:
        from_document(data)
    assert_well_formed(caught.value)


def nested_in(inner, levels):
    """Return a value inside alternating lists and dicts."""
    for n in range(levels):
        inner = [inner] if n % 2 else {"a": inner}
    return inner


def endless():
    """Return a dict that contains itself."""
    data = {"kind": "VIFPortProfileBase"}
    data["port_profile"] = data["subnets"] = data["network"] = data
    return data


PLACES = ("network", "port_profile", "plugin", "id", "active", "fixed_ips", "no_such", "address")


@pytest.mark.parametrize("inner", [nested_in(1, DEEP), nested_in(1, 500), endless()])
@pytest.mark.parametrize("name", PLACES)
def test_dicts_without_end(name, inner):
    """Dicts that contain themselves are refused; RecursionError never escapes."""
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
    """A value whose methods all raise errors."""

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
    """Values without a JSON equivalent are refused with a path, at any depth."""
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
    """Names other than strings are refused in every object."""
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
    """Two references to one list at each of many levels are refused without exponential time."""
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
