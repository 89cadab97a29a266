# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Data of a newer minor version is read, and unknown fields are preserved."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_versionedobjects import exception as ovo_exception

from os_vif import exception, objects
from os_vif.codec import unknown
from os_vif.codec.order import in_order
from os_vif.serialization import downgrade, dumps, from_document, loads, to_document
from os_vif.serialization.json_text import compose
from tests.support.data.document_samples import VIF, primitive_of, shuffled, vif
from tests.support.strategies import KURYR, load, make, nested_primitives

#: The places of unknown fields of a newer version, by the path of the object.
PLACES = {
    "": (),
    "network": ("network",),
    "network.subnets[0]": ("network", "subnets", 0),
    "network.subnets[1].ips[0]": ("network", "subnets", 1, "ips", 0),
    "port_profile": ("port_profile",),
    "port_profile.datapath_offload": ("port_profile", "datapath_offload"),
}
#: The values of unknown fields, with objects that have their own ``kind``.
VALUES = {
    "a_new_one": {"kind": "Bandwidth", "egress": [1, 2.5, None], "a": {"deep": [[{}], ""]}},
    "zone": "z",
}
CLONES = {
    "itself": lambda obj: obj,
    "clone": lambda obj: obj.obj_clone(),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "clone of a copy": lambda obj: copy.copy(obj).obj_clone(),
}


def below(path, name):
    return f"{path}.{name}" if path else name


def at(data, where):
    for step in where:
        data = data[step]
    return data


def newer(places=PLACES, version="os-vif/2.7"):
    """Return a document of another version with unknown fields in the given places."""
    document = copy.deepcopy(VIF) | {"apiVersion": version}
    for path in places:
        at(document, PLACES[path]).update(copy.deepcopy(VALUES))
    return in_order(document)


@pytest.mark.parametrize("clone", CLONES.values(), ids=CLONES)
@pytest.mark.parametrize("places", [*([path] for path in PLACES), list(PLACES)], ids=str)
def test_unknown_fields_are_kept(places, clone):
    """Unknown fields at any depth survive every copy, and are written back byte for byte."""
    text = compose(newer(places))
    obj = loads(text)
    assert obj.port_profile.datapath_offload.representor_name == "rep0"
    assert dumps(clone(obj)) == text
    assert dumps(clone(loads(dumps(clone(obj))))) == text


@pytest.mark.parametrize("seed", range(3))
def test_order_does_not_matter(seed):
    """Unknown objects are written in the canonical order too."""
    assert dumps(from_document(shuffled(newer(), seed))) == compose(newer())


def test_known_fields_may_change():
    """A change of a known field leaves the unknown fields unchanged."""
    obj = from_document(newer())
    obj.vif_name = "tap0"
    obj.network.subnets.objects.append(objects.Subnet(cidr="192.0.2.0/24"))
    expected = newer()
    expected["vif_name"] = "tap0"
    expected["network"]["subnets"].append({"cidr": "192.0.2.0/24"})
    assert dumps(obj) == compose(expected)


def test_what_is_kept_belongs_to_its_object():
    """Unknown fields move with the object that has them."""
    obj = from_document(newer())
    network = to_document(obj.network)
    assert network == {"apiVersion": "os-vif/2.7", "kind": "Network"} | newer()["network"]
    obj.network = None
    assert "zone" in to_document(obj)
    obj = from_document(newer(["network"]))
    obj.network = objects.Network()
    assert to_document(obj)["apiVersion"] == "os-vif/2.0"


def test_copies_share_nothing_of_it():
    """Copies share no unknown field with each other, nor with the decoded data."""
    document = newer()
    obj = from_document(document)
    for data in (document, to_document(obj), to_document(obj.obj_clone())):
        data["a_new_one"]["egress"].append("changed")
        data["network"]["a_new_one"].clear()
    assert to_document(obj) == newer()


def test_shallow_copy_shares_no_unknown_field():
    """A change to the unknown fields of a copy does not change the original."""
    obj = from_document(newer())
    duplicate = copy.copy(obj)
    before = dumps(obj)
    assert dumps(duplicate) == before
    unknown.discard(duplicate, "ovo")
    assert dumps(duplicate) != before
    assert unknown.get(obj, "json").fields == VALUES


def test_a_newer_document_without_anything_new():
    """A document of a newer version without unknown fields is written in the present version."""
    assert to_document(from_document(newer([]))) == VIF


def test_vifs_of_a_pod_keep_theirs():
    """Unknown fields of the VIFs of a pod are preserved in dicts and in lists."""
    pod = to_document(make("PodState")) | {"apiVersion": "os-vif/2.1"}
    pod["additional_vifs"]["eth1"]["unknown"] = 1
    assert dumps(from_document(pod)) == compose(in_order(pod))
    with pytest.raises(exception.DataLoss) as caught:
        dumps(from_document(pod), form="ovo")
    assert [loss.path for loss in caught.value.losses] == ["additional_vifs.eth1.unknown"]


@pytest.mark.parametrize("path", PLACES)
def test_unknown_fields_of_a_known_version_are_refused(path):
    """Unknown fields of a known version are refused with the path of the first by name."""
    with pytest.raises(exception.UnknownField) as caught:
        from_document(newer([path], "os-vif/2.0"))
    assert caught.value.path == below(path, "a_new_one")
    assert str(caught.value).startswith(f"{below(path, 'a_new_one')}: found a field that ")


@pytest.mark.parametrize(
    "version",
    [
        *("os-vif/1.0", "os-vif/3.0", "os-vif/3.7", "os-vif/12.0", "os-vif/2", "os-vif/2.0.1"),
        *("os-vif/2.01", "os-vif/2.-1", "os-vif/2.9999999", "v1", "", "2.0", "other/2.0"),
        *("os-vif/", 2.0, None, ["os-vif/2.0"], {}, True),
    ],
)
def test_other_versions_are_refused(version):
    """A newer major version and text without a version are refused."""
    with pytest.raises(exception.UnsupportedVersion) as caught:
        from_document(VIF | {"apiVersion": version})
    assert caught.value.path == "apiVersion"


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1: 2}, (1,), b"x", object(), {"x": {None: 1}}, 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_what_is_kept_can_be_written(value):
    """Unknown values that JSON cannot express are refused at any depth."""
    document = newer()
    document["network"]["subnets"][1]["more"] = [0, value]
    with pytest.raises(exception.InvalidValue) as caught:
        from_document(document)
    assert caught.value.path.startswith("network.subnets[1].more[1]")


def ovo(places=PLACES, version="1.9"):
    """Return an OVO primitive with newer versions and unknown fields in the given places."""
    primitive = json.loads(dumps(vif(), form="ovo"))
    for path in places:
        inner = primitive
        for step in PLACES[path]:
            data = inner["versioned_object.data"]
            inner = data["objects"][step] if isinstance(step, int) else data[step]
        inner["versioned_object.version"] = version
        inner["versioned_object.data"].update(copy.deepcopy(VALUES))
    return primitive


@pytest.mark.parametrize("clone", CLONES.values(), ids=CLONES)
@pytest.mark.parametrize("places", [*([path] for path in PLACES), list(PLACES)], ids=str)
def test_newer_primitives_are_read(places, clone):
    """oslo refuses newer versions; this library preserves the versions and unknown fields."""
    with pytest.raises(ovo_exception.IncompatibleObjectVersion):
        load(ovo(places))
    text = json.dumps(ovo(places))
    obj = clone(loads(text))
    assert obj.port_profile.datapath_offload.representor_name == "rep0"
    assert json.loads(dumps(obj, form="ovo")) == ovo(places)
    assert dumps(loads(dumps(obj, form="ovo")), form="ovo") == dumps(obj, form="ovo")


@pytest.mark.parametrize("name", ["SubnetList", "VIFBridge", *KURYR])
def test_a_newer_version_alone_is_kept(name):
    """Without unknown fields, only the version is written back, and nothing is lost."""
    primitive = json.loads(dumps(make(name), form="ovo"))
    primitive["versioned_object.version"] = "1.77"
    obj = loads(json.dumps(primitive))
    assert json.loads(dumps(obj, form="ovo")) == primitive
    assert dumps(obj) == dumps(make(name))
    assert downgrade(obj, "kuryr-6.0.1") == downgrade(make(name), "kuryr-6.0.1")


def test_unknown_fields_of_a_known_primitive_are_kept():
    """Unknown fields of a known version are preserved; oslo ignores such fields."""
    primitive = primitive_of("VIFBridge", "1.0", plugin="ovs", more=[1])
    load(copy.deepcopy(primitive))
    obj = loads(json.dumps(primitive))
    assert json.loads(dumps(obj, form="ovo"))["versioned_object.data"] == {
        "more": [1],
        "plugin": "ovs",
    }


@pytest.mark.parametrize("number", ["2.0", "0.1", "1", "1.x", "", "1.1.1.1", None, 1.0])
@pytest.mark.parametrize("path", PLACES)
def test_other_versions_of_classes_are_refused(path, number):
    """Other major versions are refused with the path of the object."""
    with pytest.raises(exception.UnsupportedVersion) as caught:
        loads(json.dumps(ovo([path], number)))
    assert caught.value.path == below(path, "versioned_object.version")


def test_addresses_of_1_8_0_keep_what_is_unknown():
    """Unknown fields in the addresses of release 1.8.0 are preserved."""
    ip = primitive_of("FixedIP", "1.3", address="10.0.0.5", more=1)
    primitive = primitive_of(
        "VIFBase", "1.1", fixed_ips=primitive_of("FixedIPList", "1.0", objects=[ip])
    )
    obj = loads(json.dumps(primitive))
    written = json.loads(dumps(obj.obj_clone(), form="ovo"))
    assert ip in nested_primitives(written)
    with pytest.raises(exception.DataLoss) as caught:
        dumps(obj)
    assert [loss.path for loss in caught.value.losses] == ["fixed_ips[0].more"]


@pytest.mark.parametrize("release", ["5.3.0", "1.0.0", "kuryr-10.0.0"])
@pytest.mark.parametrize("read", ["json", "ovo"])
def test_for_an_older_release_it_is_lost(read, release):
    """Unknown fields are losses for an older release, each with a path."""
    expected = {below(path, name) for path in PLACES for name in VALUES}
    obj = from_document(newer()) if read == "json" else loads(json.dumps(ovo()))
    ours = {loss.path for loss in downgrade(vif(), release)[1]}
    lost = [loss.path for loss in downgrade(obj, release)[1]]
    assert set(lost) == expected | ours
    assert len(lost) == len(set(lost))
    with pytest.raises(exception.DataLoss) as caught:
        dumps(obj, release=release)
    assert {loss.path for loss in caught.value.losses} == expected | ours
    assert all(path in str(caught.value) for path in expected)


@pytest.mark.parametrize("read", ["json", "ovo"])
def test_the_other_form_has_no_place_for_it(read):
    """Unknown fields cannot be converted to the other form; each loss has a path."""
    obj = from_document(newer()) if read == "json" else loads(json.dumps(ovo()))
    expected = {below(path, name) for path in PLACES for name in VALUES}
    with pytest.raises(exception.DataLoss) as caught:
        dumps(obj, form="ovo" if read == "json" else "json")
    assert {loss.path for loss in caught.value.losses} == expected
    assert all(path in str(caught.value) for path in expected)
    dumps(obj, form=read)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(PLACES)), st.dictionaries(st.text(min_size=30, max_size=35), _json))
def test_anything_unknown_is_kept(path, fields):
    """Unknown fields of any name and value are preserved."""
    document = copy.deepcopy(VIF) | {"apiVersion": "os-vif/2.1"}
    at(document, PLACES[path]).update(fields)
    text = compose(in_order(document)) if fields else compose(VIF)
    assert dumps(loads(text).obj_clone()) == text
