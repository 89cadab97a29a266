# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects that kuryr and zun stored are read from every envelope of every release."""

from __future__ import annotations

import contextlib
import json

import pytest

from os_vif import exception, objects, serialization
from os_vif.serialization import storage
from tests.support.data.stored_samples import (
    ANNOTATION,
    ROWS,
    content,
    contents,
    envelopes,
    expected_content,
    ids,
    kuryr_vif,
    parsed,
    pod,
    primitive_with_all_changes,
    state,
    without_changes,
)
from tests.support.strategies import make

VIFS = ("VIFVlanNested", "VIFMacvlanNested", "VIFBridge", "VIFOpenVSwitch", "VIFSriov")


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_what_kuryr_stored_is_read(row):
    """Each row of the corpus gives the classes and values that the corpus lists."""
    for payload in (row["payload"], json.dumps(row["payload"])):
        vifs = storage.read(payload)
        assert {name: content(vif) for name, vif in vifs.items()} == expected_content(row)


@pytest.mark.parametrize("kind", VIFS)
@pytest.mark.parametrize("place", envelopes(make("VIFBridge"), make("VIFBridge")))
def test_every_envelope_is_read(place, kind):
    """Reading returns the VIFs by interface, and does not change the data."""
    vif, other = make(kind), make("VIFVlanNested")
    data = envelopes(vif, other)[place]
    before = json.dumps(data) if isinstance(data, dict) else data
    expected = {"eth0": vif} | ({"eth1": other} if place.endswith("of two") else {})
    assert storage.read(data) == expected
    assert before == (json.dumps(data) if isinstance(data, dict) else data)


@pytest.mark.parametrize("data", [{}, {"vifs": {}}, {"status": {"vifs": {}}, "spec": {}}])
def test_a_port_without_vifs_has_none(data):
    """A new KuryrPort of kuryr has no VIFs yet."""
    assert storage.read(data) == {}


def test_what_counts_as_changed_is_what_was_stored_so():
    """Kuryr 0.5 to 2.1 and zun stored the changed fields."""
    vif = make("VIFBridge")
    assert (
        storage.read(primitive_with_all_changes(vif))["eth0"].obj_what_changed()
        == vif.obj_what_changed()
    )
    assert (
        storage.read(without_changes(primitive_with_all_changes(vif)))["eth0"].obj_what_changed()
        == set()
    )


def test_eth0_among_the_additional_ones_wins():
    """``eth0`` in ``additional_vifs`` replaces the default VIF, as in kuryr and in zun."""
    first, second = (
        primitive_with_all_changes(make("VIFBridge")),
        primitive_with_all_changes(make("VIFVlanNested")),
    )
    for name in ("PodState", "VIFState"):
        vifs = storage.read(state(name, first, additional_vifs={"eth0": second}))
        assert [vif.obj_name() for vif in vifs.values()] == ["VIFVlanNested"]


def test_an_interface_may_have_any_name():
    """The name of an interface may be the name of a key of kuryr."""
    vif = primitive_with_all_changes(make("VIFVlanNested"))
    more = {"default_vif": vif, "net1": vif}
    assert [*storage.read(state(additional_vifs=more))] == ["eth0", "default_vif", "net1"]
    assert [*storage.read({"vif": {"default": True, "vif": vif}})] == ["vif"]


@pytest.mark.parametrize("name", ["PodState", "VIFState"])
def test_a_document_in_the_place_of_a_primitive_is_read(name):
    """Documents are read in every envelope, beside primitives."""
    vif, other = make("VIFBridge"), make("VIFVlanNested")
    document = serialization.to_document(vif)
    both = contents({"eth0": vif, "eth1": other})
    pair = state(name, document, additional_vifs={"eth1": primitive_with_all_changes(other)})
    text = serialization.dumps(vif)
    for one in (document, text, pod(text), {"vif": document, "pid": 1}):
        assert contents(storage.read(one)) == {"eth0": content(vif)}
    ports = {
        "eth0": {"default": True, "vif": document},
        "eth1": {"vif": primitive_with_all_changes(other)},
    }
    for two in (pair, {"vif": pair}, pod(json.dumps(pair)), {"status": {"vifs": ports}}):
        assert contents(storage.read(two)) == both


def test_the_document_of_a_state_is_read():
    """The document of a state is read alone, in an annotation and in ``cni_metadata``."""
    vif, other = make("VIFBridge"), make("VIFVlanNested")
    whole = objects.PodState(default_vif=vif, additional_vifs={"eth1": other})
    document = serialization.to_document(whole)
    both = contents({"eth0": vif, "eth1": other})
    texts = serialization.dumps(whole), serialization.dumps(whole, form="ovo")
    for two in (document, {"vif": document}, *texts, *map(pod, texts)):
        assert contents(storage.read(two)) == both


def test_a_document_of_a_newer_minor_version_is_read_and_written_back():
    """Unknown fields are written back in the envelope; no kuryr can read these fields."""
    newer = serialization.to_document(kuryr_vif("VIFBridge")) | {
        "apiVersion": "os-vif/2.7",
        "x": 1,
    }
    vifs = storage.read({"vifs": {"eth0": {"default": True, "vif": newer}}})
    assert serialization.to_document(vifs["eth0"]) == newer
    with pytest.raises(exception.DataLoss) as info:
        storage.write(vifs, "kuryrport")
    assert [loss.path for loss in info.value.losses] == ["eth0.x"]


def sriov(version, *without) -> dict:
    pod_of_it = {"physnet": "physnet1", "pod_name": "p", "pod_link": "/api/v1/p"}
    primitive = without_changes(primitive_with_all_changes(kuryr_vif("VIFSriov", **pod_of_it)))
    primitive["versioned_object.version"] = version
    for name in without:
        del primitive["versioned_object.data"][name]
    return primitive


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_sriov_vif_without_what_1_1_brought_is_read(version):
    """Kuryr 0.6 to 1.0 wrote such VIFs, and the upgrade on Python 2 wrote a wrong version."""
    was = sriov(version, "pod_name", "pod_link")
    for data in (was, pod(json.dumps(state(default=was, additional_vifs={"eth1": was})))):
        vif = storage.read(data)["eth0"]
        assert vif.physnet == "physnet1"
        assert not vif.obj_attr_is_set("pod_name")
        assert not vif.obj_attr_is_set("pod_link")
    for release in ("kuryr-1.0.1", "kuryr-6.0.1"):
        envelope = "pod-state" if release == "kuryr-1.0.1" else "kuryrport"
        again = storage.read(storage.write({"eth0": vif}, envelope, release))["eth0"]
        assert content(again) == content(vif)
    assert parsed(storage.write({"eth0": vif}, "pod-vif", "6.0.0")) == was


# Errors


def port(vif) -> dict:
    return {"status": {"vifs": {"eth0": {"default": True, "vif": vif}}}}


def bad(**fields) -> dict:
    primitive = primitive_with_all_changes(make("VIFBridge"))
    primitive["versioned_object.data"] |= fields
    return primitive


WHERE = f"metadata.annotations[{ANNOTATION!r}]"
MAC = {"address": "no MAC"}
WRONG = {
    "no JSON": ("{", exception.MalformedDocument, ""),
    "a name twice": ('{"a":1,"a":2}', exception.MalformedDocument, "a"),
    "an array": ([], exception.InvalidValue, ""),
    "nothing": (None, exception.InvalidValue, ""),
    "a pod without the annotation": ({"kind": "Pod", "metadata": {}}, exception.InvalidValue, ""),
    "a KuryrPort without status": ({"kind": "KuryrPort", "spec": {}}, exception.InvalidValue, ""),
    "an annotation that is no text": (pod({}), exception.InvalidValue, WHERE),
    "an annotation that is no JSON": (pod("x"), exception.MalformedDocument, WHERE),
    "an annotation with something else": (pod("{}"), exception.InvalidValue, WHERE),
    "an address in an annotation": (
        pod(json.dumps(state(default=bad(**MAC)))),
        exception.InvalidValue,
        f"{WHERE}.default_vif.address",
    ),
    "an address in a vif": (bad(**MAC), exception.InvalidValue, "address"),
    "null as vifs": ({"status": {"vifs": None}}, exception.InvalidValue, "status.vifs"),
    "an array as vifs": ({"vifs": []}, exception.InvalidValue, "vifs"),
    "an interface without vif": ({"vifs": {"eth0": {}}}, exception.InvalidValue, "vifs.eth0"),
    "no interface": ({"eth0": 5}, exception.InvalidValue, "eth0"),
    "null as vif": (port(None), exception.InvalidValue, "status.vifs.eth0.vif"),
    "an address in a port": (
        port(bad(**MAC)),
        exception.InvalidValue,
        "status.vifs.eth0.vif.address",
    ),
    "an address in a document": (
        port(serialization.to_document(make("VIFBridge")) | MAC),
        exception.InvalidValue,
        "status.vifs.eth0.vif.address",
    ),
    "a newer document": (
        port({"apiVersion": "os-vif/3.0", "kind": "VIFBridge"}),
        exception.UnsupportedVersion,
        "status.vifs.eth0.vif.apiVersion",
    ),
    "something that is no VIF": (
        port(primitive_with_all_changes(make("Network"))),
        exception.UnknownKind,
        "status.vifs.eth0.vif",
    ),
    "a state in a port": (port(state()), exception.UnknownKind, "status.vifs.eth0.vif"),
    "an unknown class": (
        {"vif": state("VIFState", bad() | {"versioned_object.name": "VIFNone"})},
        exception.UnknownKind,
        "vif.default_vif.versioned_object.name",
    ),
    "an additional one": (
        state(additional_vifs={"eth1": bad(**MAC)}),
        exception.InvalidValue,
        "additional_vifs.eth1.address",
    ),
    "null as additional ones": (
        {"vif": state("VIFState", additional_vifs=None)},
        exception.InvalidValue,
        "vif.additional_vifs",
    ),
    "a state without data": (
        state() | {"versioned_object.data": 1},
        exception.InvalidValue,
        "versioned_object.data",
    ),
    "a state without default_vif": (
        state() | {"versioned_object.data": {"additional_vifs": {}}},
        exception.InvalidValue,
        "default_vif",
    ),
    "a document without default_vif": (
        {"apiVersion": "os-vif/2.0", "kind": "PodState"},
        exception.InvalidValue,
        "default_vif",
    ),
    "a state of another project": (
        state() | {"versioned_object.namespace": "zun"},
        exception.UnknownKind,
        "versioned_object.namespace",
    ),
    "a state of version 2": (
        {"vif": state("VIFState") | {"versioned_object.version": "2.0"}},
        exception.UnsupportedVersion,
        "vif.versioned_object.version",
    ),
    "more in a state": (state(more=1), exception.UnknownField, "more"),
    "more in a newer state": (
        {"vif": state("VIFState", more=1) | {"versioned_object.version": "1.1"}},
        exception.UnknownField,
        "vif.more",
    ),
    "more in a newer document": (
        {
            "apiVersion": "os-vif/2.1",
            "kind": "PodState",
            "default_vif": {"kind": "VIFBridge"},
            "more": 1,
        },
        exception.UnknownField,
        "more",
    ),
}


@pytest.mark.parametrize(("data", "error", "path"), WRONG.values(), ids=WRONG)
def test_an_error_names_the_path(data, error, path):
    """The path begins at the outermost object; the error has the found and the expected value."""
    with pytest.raises(exception.SerializationError) as info:
        storage.read(data)
    assert type(info.value) is error
    assert info.value.path == path
    assert info.value.found
    assert info.value.expected


@pytest.mark.filterwarnings("ignore:.* is an invalid UUID:FutureWarning")
def test_nothing_but_its_own_errors_comes_of_damage():
    """A missing or replaced part of stored data gives an object or a SerializationError."""
    whole = json.dumps(pod(json.dumps(state(additional_vifs={"eth1": bad()}))))
    ports = json.dumps(envelopes(make("VIFBridge"), make("VIFSriov"))["KuryrPort of two"])
    for text in (whole, ports):
        for name in set(json.dumps(json.loads(text)).split('"')):
            for other in ("x", "versioned_object.name", "apiVersion", "vif", "vifs"):
                damaged = text.replace(f'"{name}"', f'"{other}"')
                with contextlib.suppress(exception.SerializationError):
                    storage.read(damaged)


def test_the_name_of_an_interface_does_not_break_the_message():
    """An error is a single line, with any characters in the name of the interface."""
    with pytest.raises(exception.SerializationError) as info:
        storage.read({"vifs": {"a\nb": {"default": True, "vif": {}}}})
    assert "\n" not in str(info.value)
    assert info.value.path == r"vifs['a\nb'].vif"
