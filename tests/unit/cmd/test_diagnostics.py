# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command validate prints all faults of an object, each with line and path."""

from __future__ import annotations

import copy
import json

import pytest

from os_vif import serialization
from os_vif.cmd.store import diagnostics
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.stored_entry import StoredEntry
from tests.support.data import document_samples
from tests.support.data.stored_samples import ROWS, pod, state
from tests.support.diagnoses import all_errors

DATA = "versioned_object.data"
ANNOTATION = "metadata.annotations['openstack.org/kuryr-vif']"


def every(data, line=1):
    text = data if isinstance(data, bytes) else json.dumps(data, indent=1).encode()
    return [*all_errors(Chunk(text, line, is_object=True))]


def primitive():
    """Return a VIF with four faults, and the places of the faults."""
    data = json.loads(json.dumps(document_samples.vif().obj_to_primitive()))
    network = data[DATA]["network"][DATA]
    network["mtu"] = "none"
    listed = network["subnets"][DATA]["objects"]
    listed[1][DATA]["cidr"] = "here"
    listed.insert(1, {"versioned_object.name": "Foo", "versioned_object.namespace": "os_vif"})
    data[DATA]["port_profile"]["versioned_object.version"] = "9.0"
    return data, {
        "network.mtu",
        "network.subnets[1].versioned_object.name",
        "network.subnets[2].cidr",
        "port_profile.versioned_object.version",
    }


def paths(found, before=""):
    return {fault.path.removeprefix(before) for fault in found}


def test_all_faults_of_a_document_with_their_lines():
    """All faults are printed, of which loading reports only the first."""
    data = copy.deepcopy(document_samples.VIF)
    data["address"] = "x"
    subnets = data["network"]["subnets"]
    subnets[0]["cidr"] = 1
    subnets.insert(0, 7)
    subnets.append({"dns": ["192.0.2.1", "z", None, "y"]})
    data["color"] = "blue"
    data["port_profile"]["kind"] = "Foo"
    found = every(data, line=100)
    assert [fault.path for fault in found] == [
        "address",
        "network.subnets[0]",
        "network.subnets[1].cidr",
        "network.subnets[3].dns[1]",
        "network.subnets[3].dns[2]",
        "network.subnets[3].dns[3]",
        "port_profile.kind",
        "color",
    ]
    lines = json.dumps(data, indent=1).splitlines()
    shown = [lines[fault.line - 100].strip(" ,") for fault in found]
    assert shown == [
        '"address": "x"', "7", '"cidr": 1', '"z"', "null", '"y"', '"kind": "Foo"', '"color": "blue"'
    ]  # fmt: skip
    assert str(found[0]).startswith("address: found 'x'; expected a MAC address")


def test_all_faults_of_a_primitive():
    data, expected = primitive()
    assert paths(every(data)) == expected


def test_all_faults_in_an_annotation_are_on_its_line():
    data, expected = primitive()
    stored = pod(json.dumps(state(default=data, additional_vifs={"eth1": data})))
    found = every(stored)
    places = {f"{ANNOTATION}.default_vif.", f"{ANNOTATION}.additional_vifs.eth1."}
    assert {fault.path for fault in found} == {p + path for p in places for path in expected}
    (line,) = {fault.line for fault in found}
    assert '"openstack.org/kuryr-vif"' in json.dumps(stored, indent=1).splitlines()[line - 1]


def test_a_default_vif_that_is_none_hides_no_other():
    data, expected = primitive()
    bad = {"versioned_object.name": "Foo"}
    found = every(pod(json.dumps(state(default=bad, additional_vifs={"eth1": data}))))
    others = paths(found, f"{ANNOTATION}.additional_vifs.eth1.")
    assert expected < others
    assert len(others) == len(expected) + 1


def test_all_faults_of_a_kuryrport():
    """The faults of each VIF and of the envelope are printed."""
    data, expected = primitive()
    vifs = {
        "eth0": {"vif": data},
        "eth1": {},
        "eth2": {"vif": {}},
        "eth3": {"vif": document_samples.VIF},
    }
    found = every({"kind": "KuryrPort", "status": {"vifs": vifs}})
    assert paths(found, "status.vifs.") == {f"eth0.vif.{path}" for path in expected} | {
        "eth1",
        "eth2.vif",
    }


@pytest.mark.parametrize(
    ("data", "line", "path", "words"),
    [
        (b'{"a":\n\n x}', 12, "", "invalid JSON: Expecting value (column 2)"),
        (b'{"a":"\xff"}', 10, "", "not UTF-8"),
        (
            b'{"a":1,\n"a":2}',
            11,
            "a",
            "found the name 'a' occurs twice in an object; expected each",
        ),
        (b"[" * 100_000, 10, "", "nest too deeply"),
        (b"\xff\x00", 10, "", "not UTF-8"),
        (5, 10, "", "expected an object"),
        ({"apiVersion": "os-vif/3.0"}, 11, "apiVersion", "found os-vif/3.0"),
        (pod("{"), 15, ANNOTATION, "Expecting property name"),
        (pod(5), 15, ANNOTATION, "expected text"),
        ({"status": {"vifs": None}}, 12, "status.vifs", "found null"),
    ],
)
def test_what_is_no_object_of_os_vif_has_one_fault(data, line, path, words):
    (fault,) = every(data, line=10)
    assert (fault.line, fault.path, words in fault.message) == (line, path, True), fault


def test_what_can_be_read_has_none():
    for row in ROWS:
        assert every(row["payload"]) == []
    assert every(serialization.dumps(document_samples.vif()).encode()) == []


def test_faults_without_end_are_told_up_to_a_limit():
    """Faults are printed up to a limit; the last line has the number of further faults."""
    data = {"apiVersion": "os-vif/2.0", "kind": "Subnet", "dns": ["x"] * 1000}
    *told, last = every(data)
    assert [fault.path for fault in told] == [f"dns[{n}]" for n in range(diagnostics.MAX_ERRORS)]
    assert last.message == "900 more errors in this object"


def test_names_that_occur_twice_have_lines_and_paths():
    """Names below a name without repetition are reported too."""
    text = b'{"a":1,\n"b":[\n{"c":1,\n"c":2}],\n"a":2}'
    assert [(fault.line, fault.path) for fault in every(text, line=10)] == [
        (13, "b[0].c"),
        (14, "a"),
    ]


@pytest.mark.parametrize(("limit", "count"), [(0, 1000), (2, 3), (999, 1000), (1000, 1000)])
def test_the_limit_of_errors_is_the_callers(limit, count):
    """The limit is an argument; 0 means no limit."""
    data = json.dumps({"apiVersion": "os-vif/2.0", "kind": "Subnet", "dns": ["x"] * 1000})
    entry = StoredEntry(Chunk(data.encode(), 1, is_object=True))
    assert len(diagnostics.all_errors(entry, limit)) == count


def test_unknown_fields_of_a_primitive_are_told_up_to_the_same_limit():
    data = json.loads(json.dumps(document_samples.vif().obj_to_primitive()))
    data[DATA] |= {f"x{n:03}": n for n in range(150)}
    *told, last = every(data)
    assert [fault.path for fault in told] == [f"x{n:03}" for n in range(diagnostics.MAX_ERRORS)]
    assert (last.message, last.is_note) == ("50 more errors in this object", False)


def test_many_notes_leave_an_object_valid():
    """Notes do not make an object invalid, even if the number is above the limit."""
    subnet = {
        "versioned_object.name": "Subnet",
        "versioned_object.namespace": "os_vif",
        "versioned_object.version": "1.9",
        "versioned_object.data": {},
    }
    listed = {"versioned_object.data": {"objects": [subnet] * 120}}
    data = {**subnet, **listed, "versioned_object.name": "SubnetList"}
    data["versioned_object.version"] = "1.0"
    found = every(data)
    assert found[-1].message == "20 more errors in this object"
    assert all(fault.is_note for fault in found)


@pytest.mark.parametrize("name", ["versioned_object.version", "q.version", "kind", "apiVersion"])
def test_a_field_with_the_name_of_a_head_hides_no_other(name):
    """An unknown field may have the name of an envelope key, at any depth."""
    data = {"apiVersion": "os-vif/2.0", "kind": "VIFGeneric", "x": True, "y": 1, "mtu": "z"}
    network = {"mtu": "z", "x": 1, name: "noop"}
    found = {fault.path for fault in every(data | {"network": network})}
    assert found == {"mtu", "x", "y", "network.mtu", "network.x", f"network.{name}"}
    if name not in data:
        assert {fault.path for fault in every(data | {name: "noop"})} == {"mtu", "x", "y", name}


def test_what_is_told_moves_no_cursor():
    """Names of the input are escaped, because a terminal would execute control characters."""
    (fault,) = every({"apiVersion": "os-vif/2.0", "kind": "Subnet", "\x1b[2J\n": 1})
    assert str(fault).isprintable()
