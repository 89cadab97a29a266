# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The document: form, canonical bytes and size."""

from __future__ import annotations

import copy
import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from os_vif import exception, objects
from os_vif.objects.base import VersionedObject
from os_vif.objects.vif import VIFBase
from os_vif.serialization import dumps, from_document, loads, storage, to_document, validate
from tests.support.data.document_samples import (
    VIF,
    document_fields,
    every_object,
    fill_lists,
    shuffled,
    vif,
)
from tests.support.data.processes import run_python
from tests.support.strategies import ALL, UUID, any_objects, make, nested

#: The maximum overhead of a document over the plain data, in bytes.
HEAD = 64

_PRINT_ALL = """
from os_vif.serialization import dumps
from tests.support.data.document_samples import every_object
for name, obj in every_object():
    for form in ("json", "ovo"):
        print(name, dumps(obj, form=form))
"""


def compact(data):
    return json.dumps(data, separators=(",", ":"))


@pytest.fixture(scope="module")
def everything():
    with warnings.catch_warnings(action="ignore"):
        return dict(every_object())


def test_a_vif_is_flat():
    """A document has one version, a ``kind`` where subclasses may occur, and lists as arrays."""
    assert to_document(vif()) == VIF
    assert dumps(vif()) == compact(VIF)


def test_what_people_write_is_read():
    """Fields may be absent, and names may have any order."""
    document = {
        "kind": "VIFOpenVSwitch",
        "vif_name": "tap22222222-22",
        "network": {"subnets": [{"cidr": "10.0.0.0/24", "ips": [{"address": "10.0.0.5"}]}]},
        "apiVersion": "os-vif/2.0",
        "address": "FA-16-3E-00-00-01",
    }
    obj = from_document(document)
    assert type(obj) is objects.VIFOpenVSwitch
    assert obj.address == "fa:16:3e:00:00:01"
    assert str(obj.network.subnets[0].ips[0].address) == "10.0.0.5"
    assert obj.network.mtu is None
    assert "plugin" not in obj


@pytest.mark.parametrize(
    "document", [VIF, {"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "network": {}}]
)
def test_what_was_read_has_not_changed(document):
    """Neither decoded fields nor defaults of new objects count as changed, at any depth."""
    assert not any(part.obj_what_changed() for part in nested(from_document(document)))


def test_a_document_is_the_plain_data_with_a_head(everything):
    """A document consists of ``apiVersion``, ``kind`` and the set fields."""
    assert len(everything) > 1700
    for name, obj in everything.items():
        head = {"apiVersion": "os-vif/2.0", "kind": name.split()[0]}
        assert to_document(obj) == head | document_fields(obj), name


def test_names_are_in_order(everything):
    """``apiVersion`` and ``kind`` are first; the other names are sorted, at every depth."""

    def check(data):
        if isinstance(data, dict):
            names = list(data)
            head = [name for name in ("apiVersion", "kind") if name in names]
            assert names == head + sorted(set(names) - set(head))
        for item in data.values() if isinstance(data, dict) else data:
            if isinstance(item, (dict, list)):
                check(item)

    for obj in everything.values():
        check(to_document(obj))


def test_interfaces_are_in_order():
    """The names of a dict are data, and are sorted too."""
    vifs = {name: make("VIFVlanNested", full=False) for name in ("eth2", "kind", "eth1")}
    document = to_document(objects.PodState(default_vif=vif(), additional_vifs=vifs))
    assert list(document["additional_vifs"]) == ["kind", "eth1", "eth2"]
    assert set(from_document(document).additional_vifs) == set(vifs)


@pytest.mark.parametrize("name", ["SubnetList", "RouteList", "FixedIPList"])
def test_a_list_alone_keeps_its_kind(name):
    """A list object at the top level is a JSON object, because a document has a version."""
    document = to_document(make(name))
    assert list(document) == ["apiVersion", "kind", "objects"]
    assert to_document(getattr(objects, name)()) == {"apiVersion": "os-vif/2.0", "kind": name}
    assert len(from_document(document)) == 1


@pytest.mark.parametrize(
    ("name", "field", "empty"),
    [
        ("VIFBridge", "network", {}),
        ("VIFBridge", "vif_name", ""),
        ("Network", "vlan", 0),
        ("Network", "bridge_interface", ""),
        ("Subnet", "dns", []),
        ("Subnet", "ips", []),
        ("PodState", "additional_vifs", {}),
        ("HostPluginInfo", "vif_info", []),
        ("VIFBridge", "port_profile", {"kind": "VIFPortProfileBase"}),
    ],
)
def test_unset_null_and_empty_differ(name, field, empty):
    """An unset field is absent, null is None, and an empty list stays an empty list."""
    head = {"apiVersion": "os-vif/2.0", "kind": name}
    cls = getattr(objects, name)
    if name != "PodState":
        assert field not in to_document(cls())
        assert field not in from_document(head)
    obj = from_document(head | {field: empty})
    assert field in obj
    assert getattr(obj, field) is not None
    if field != "network":
        assert to_document(obj)[field] == empty
    if not cls.fields[field].nullable:
        with pytest.raises(exception.InvalidValue, match=f"^{field}: found null"):
            from_document(head | {field: None})
        return
    obj = from_document(head | {field: None})
    assert getattr(obj, field) is None
    assert to_document(obj)[field] is None


def test_every_process_writes_the_same_bytes():
    """The bytes do not depend on the hash seed."""
    first, *others = [run_python(_PRINT_ALL, PYTHONHASHSEED=seed) for seed in ("0", "1", "4711")]
    assert len(first.splitlines()) > 3400
    assert all(other == first for other in others)


@pytest.mark.parametrize("name", ALL)
def test_order_of_arguments_does_not_matter(name):
    """The order of constructor arguments does not change the bytes of either form."""
    obj = make(name)
    values = {field: getattr(obj, field) for field in sorted(obj.fields, reverse=True)}
    other = type(obj)(**values)
    assert dumps(other) == dumps(obj)
    assert dumps(other, form="ovo") == dumps(obj, form="ovo")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ALL)
def test_order_of_names_does_not_matter(name, seed):
    """A document with names in any order is read, and written in the canonical order."""
    obj = make(name)
    assert dumps(from_document(shuffled(to_document(obj), seed))) == dumps(obj)
    primitive = shuffled(json.loads(dumps(obj, form="ovo")), seed)
    assert dumps(loads(json.dumps(primitive)), form="ovo") == dumps(obj, form="ovo")


def test_round_trips_give_the_same_bytes(everything):
    """The bytes are the same after other forms, clones and copies."""
    for name, obj in everything.items():
        if name.endswith("reset"):
            continue
        text = dumps(obj)
        ovo = dumps(obj, form="ovo")
        assert dumps(loads(text)) == text, name
        assert dumps(loads(text.encode())) == text, name
        assert dumps(loads(ovo)) == text, name
        assert dumps(loads(ovo), form="ovo") == ovo, name
        assert dumps(loads(dumps(loads(text), form="ovo"))) == text, name
        for clone in (obj.obj_clone(), copy.deepcopy(obj), copy.copy(obj)):
            assert dumps(clone) == text, name
            assert dumps(clone, form="ovo") == ovo, name


@settings(deadline=None, max_examples=100)
@given(any_objects(ALL), st.integers(0, 1000))
def test_random_objects_survive(obj, seed):
    """A document of a random object gives an equal object, for any order of names."""
    document = to_document(fill_lists(obj))
    again = from_document(shuffled(document, seed))
    assert compact(to_document(again)) == compact(document)
    assert compact(to_document(loads(dumps(again, form="ovo")))) == compact(document)


def test_size_of_any_document(everything):
    """A document is at most 64 bytes longer than the compact plain data."""
    for name, obj in everything.items():
        assert len(dumps(obj)) <= len(compact(document_fields(obj))) + HEAD, name


def test_size_of_a_typical_vif():
    """An OVO primitive of a typical VIF is more than three times as long as the document."""
    obj = vif()
    data = len(compact(document_fields(obj)))
    assert len(dumps(obj)) <= 1.15 * data
    assert len(dumps(obj, form="ovo")) > 3 * data


def test_what_a_document_cannot_say_is_refused_with_its_path():
    """A list object without a list cannot be a document; 1.x stored and read such objects."""
    obj = vif()
    obj.network.subnets[1].ips = objects.FixedIPList()
    with pytest.raises(exception.InvalidValue) as caught:
        dumps(obj)
    assert str(caught.value) == (
        "network.subnets[1].ips: found a FixedIPList without objects; "
        "expected objects, of which may be none."
    )
    assert "objects" not in loads(dumps(obj, form="ovo")).network.subnets[1].ips
    pod = objects.PodState(
        default_vif=vif(),
        additional_vifs={"a b": make("VIFBridge", address="fa:16:3e:00:00:01\n")},
    )
    with pytest.raises(exception.InvalidValue, match=r"^additional_vifs\['a b'\]\.address: "):
        dumps(pod)
    with pytest.raises(exception.InvalidValue, match=r"^mtu: found a huge number"):
        dumps(objects.Network(mtu=10**5000))


def test_an_attribute_that_is_no_field_is_no_data():
    """An attribute without a field is not written, also not the ``fixed_ips`` of 1.8.0."""
    obj = objects.VIFBridge(id=UUID, fixed_ips=["10.0.0.5"], other={})
    assert to_document(obj) == {"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "id": UUID}


@pytest.mark.parametrize("cls", [VersionedObject, VIFBase])
def test_oslos_call_reads_a_document_too(cls):
    """Software that reads primitives by oslo, such as kuryr-daemon, also reads documents."""
    document = {"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "id": "x", "bridge_name": "br"}
    context = object()
    obj = cls.obj_from_primitive(document, context)
    assert (obj.obj_name(), obj.id, obj.bridge_name) == ("VIFBridge", "x", "br")
    assert obj.obj_what_changed() == set()
    assert obj._context is context


def test_oslos_call_tells_what_is_wrong_with_a_document():
    with pytest.raises(exception.UnknownField) as caught:
        VersionedObject.obj_from_primitive(
            {"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "colour": 1}
        )
    assert caught.value.path == "colour"


@pytest.mark.parametrize("version", ["os-vif/2.0", "os-vif/2.7"])
def test_schema_address_at_the_top_level_is_ignored(version):
    """``$schema`` is not an unknown field, and is not written back, for every reading function."""
    document = {"$schema": "./VIF.json", "apiVersion": version, "kind": "VIFBridge", "id": UUID}
    plain_document = {name: document[name] for name in document if name != "$schema"}
    for obj in (
        from_document(document),
        loads(json.dumps(document)),
        VersionedObject.obj_from_primitive(document),
    ):
        assert to_document(obj) == {**plain_document, "apiVersion": "os-vif/2.0"}
        assert dumps(obj, form="ovo") == dumps(loads(json.dumps(plain_document)), form="ovo")
    assert validate(document) == []
    annotation = {storage.ANNOTATION: json.dumps({"eth0": document})}
    assert "$schema" not in dumps(storage.read(annotation)["eth0"])


@pytest.mark.parametrize("value", [None, 1, {}, ["./VIF.json"]])
def test_schema_address_is_a_string(value):
    """The error names ``$schema``."""
    document = {"$schema": value, "apiVersion": "os-vif/2.0", "kind": "VIFBridge"}
    with pytest.raises(exception.InvalidValue, match=r"^\$schema: found ") as caught:
        from_document(document)
    assert [str(error) for error in validate(document)] == [str(caught.value)]


@pytest.mark.parametrize("place", ["network", "port_profile"])
def test_schema_address_in_a_nested_object_is_an_unknown_field(place):
    """``$schema`` is permitted only at the top level, since one schema covers the document."""
    nested_objects = {
        "network": {"$schema": "x"},
        "port_profile": {"$schema": "x", "kind": "VIFPortProfileBase"},
    }
    document = {"apiVersion": "os-vif/2.0", "kind": "VIFBridge", place: nested_objects[place]}
    with pytest.raises(exception.UnknownField, match=rf"^{place}\['\$schema'\]: "):
        from_document(document)
