# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""This library reads an OVO primitive as oslo does: the same object, or an error from both."""

from __future__ import annotations

import copy
import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from os_vif import exception, objects
from os_vif.objects.versioning import history
from os_vif.serialization import loads
from tests.support.data.document_samples import primitive_of
from tests.support.data.expected_losses import flat
from tests.support.data.mutations import mutated, payloads
from tests.support.strategies import ALL, CLASSES, any_objects, load, make, nested_primitives

PAYLOADS = [payload for payload in payloads() if "versioned_object.name" in payload]


def by_oslo(payload):
    """Return the object that oslo reads, or the error."""
    objects.register_all()
    try:
        return load(copy.deepcopy(payload))
    except Exception as error:  # noqa: BLE001
        return error


def by_us(payload):
    """Return the object that this library reads, or the error."""
    try:
        return loads(json.dumps(payload))
    except exception.SerializationError as error:
        return error


def newer(payload):
    """Return whether an object has a newer minor version, which this library reads and oslo
    refuses.
    """
    for inner in nested_primitives(payload):
        cls = history.vocabulary().get(str(inner["versioned_object.name"]))
        version = inner.get("versioned_object.version")
        if cls and isinstance(version, str) and re.fullmatch(r"\d+\.\d+(\.\d+)?", version):
            if history.withdrawn_version(cls, version):
                continue
            if tuple(map(int, version.split("."))) > tuple(map(int, cls.VERSION.split("."))):
                return True
    return False


def has_another_class(data, name):
    """Return whether data is an object, but not an OVO primitive of the named class."""
    return isinstance(data, dict) and bool(data) and data.get("versioned_object.name") != name


def refused_here(payload):
    """Return whether this library refuses a payload that oslo accepts by accident.

    No release ever wrote such payloads: data without names, a version of a single number, and an
    object of another class where release 1.8.0 kept addresses. A payload with an apiVersion is a
    document.
    """
    if "apiVersion" in payload:
        return True
    for inner in nested_primitives(payload):
        data = inner.get("versioned_object.data", {})
        addresses = data.get("fixed_ips") if isinstance(data, dict) else None
        if (
            not isinstance(data, dict)
            or inner.get("versioned_object.version") == "1"
            or has_another_class(addresses, "FixedIPList")
        ):
            return True
    return False


def assert_same(payload):
    theirs, ours = by_oslo(payload), by_us(payload)
    if isinstance(ours, Exception):
        assert isinstance(theirs, Exception) or refused_here(payload), (payload, ours)
    elif isinstance(theirs, Exception):
        assert newer(payload), (payload, theirs)
    else:
        assert type(ours) is type(theirs)
        assert flat(ours) == flat(theirs)
        assert ours.obj_to_primitive() == theirs.obj_to_primitive()
        assert flat(vars(ours).get("fixed_ips")) == flat(vars(theirs).get("fixed_ips"))


@pytest.mark.parametrize("name", sorted({p["versioned_object.name"] for p in PAYLOADS}))
def test_payloads_of_every_release(name):
    """Payloads of the corpus, written by the releases themselves."""
    for payload in PAYLOADS:
        if payload["versioned_object.name"] == name:
            assert not isinstance(by_us(payload), Exception)
            assert_same(payload)


@settings(deadline=None, max_examples=100)
@given(any_objects(ALL))
def test_random_objects(obj):
    """Random objects written by this version."""
    assert_same(obj.obj_to_primitive())


@settings(deadline=None, max_examples=1500, database=None)
@given(st.sampled_from(PAYLOADS), st.integers(0, 2**32))
def test_mutations(payload, seed):
    """Random changes of payloads. Only newer versions are read by this library alone."""
    assert_same(mutated(payload, random.Random(seed)))  # noqa: S311


@pytest.mark.parametrize("odd", ["x", ["10.0.0.1"], 5, {"a": 1}], ids=repr)
def test_mutation_of_addresses_of_another_class(odd):
    """A field that only release 1.8.0 had may hold any value, beside data that is refused."""
    subnet = primitive_of("Subnet", "1.0") | {"versioned_object.data": []}
    subnets = primitive_of("SubnetList", "1.0", objects=[subnet])
    payload = primitive_of("Network", "1.0", fixed_ips=odd, subnets=subnets)
    assert isinstance(by_us(payload), exception.SerializationError)
    assert not isinstance(by_oslo(payload), Exception)
    assert_same(payload)


@pytest.mark.soak
def test_many_mutations():
    """The soak form of test_mutations."""
    order = random.Random(0)  # noqa: S311
    for _ in range(100_000):
        assert_same(mutated(order.choice(PAYLOADS), order))


@pytest.mark.parametrize(
    "payload",
    [
        primitive_of("VIFBridge", "1.0", active="no", id=5, plugin=1.5, vif_name=True),
        primitive_of("VIFBridge", "1.0", active=None, has_traffic_filtering=[]),
        primitive_of("VIFBridge", "1.0", active=[[[[]]]], id={"a": 1}),
        primitive_of("VIFBridge", "1.0", address="FA-16-3E-00-00-0A\n", no_such_field=1),
        primitive_of("VIFBridge", "1.0", network=None, address=None),
        primitive_of("Network", "1.1", mtu="1450", vlan=True),
        primitive_of("Network", "1.0", mtu=1450),
        primitive_of("Subnet", "1.0", cidr="10.0.0.1", gateway=167772161, dns={"10.0.0.1": 0}),
        primitive_of("SubnetList", "1.0", objects={}),
        primitive_of("SubnetList", "1.0", objects=""),
        primitive_of("PodState", "1.0", additional_vifs=None),
        primitive_of("FixedIP", "1.0", floating_ips="")
        | {"versioned_object.changes": ["address", "x"]},
        primitive_of("FixedIP", "1.0") | {"versioned_object.changes": {"address": 1}},
        primitive_of("FixedIP", "1.0") | {"versioned_object.changes": "address"},
        primitive_of("FixedIP", "1.0") | {"something.else": 1},
        primitive_of("VIFBase", "1.1", fixed_ips=primitive_of("FixedIPList", "1.0", objects=[])),
        primitive_of("VIFBridge", "1.0", fixed_ips=primitive_of("FixedIPList", "1.0")),
        primitive_of("Subnet", "1.1", ips=primitive_of("FixedIPList", "1.0", objects=[])),
    ],
    ids=json.dumps,
)
def test_laxity_that_is_kept(payload):
    """Values of other types that oslo accepts."""
    assert not isinstance(by_oslo(payload), Exception) or "floating_ips" in json.dumps(payload)
    assert_same(payload)


@pytest.mark.parametrize("data", [[], "id", 0, None, True])
def test_data_without_names_is_refused(data):
    """oslo finds no field in an empty array; this library reports the expected type."""
    payload = primitive_of("VIFBridge", "1.0") | {"versioned_object.data": data}
    with pytest.raises(exception.InvalidValue, match=r"^versioned_object\.data: found"):
        loads(json.dumps(payload))


@pytest.mark.parametrize("name", CLASSES)
def test_a_third_number_is_read(name):
    """oslo accepts such versions, for branches of old releases."""
    payload = json.loads(json.dumps(make(name).obj_to_primitive()))
    payload["versioned_object.version"] += ".0"
    assert flat(loads(json.dumps(payload))) == flat(load(payload))
