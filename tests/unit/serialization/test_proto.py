# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The protobuf messages are generated from the classes, and assigned numbers never change."""

from __future__ import annotations

import copy
import sys

import pytest

from os_vif.codec.document import field_names
from os_vif.objects.versioning import history
from os_vif.serialization import dumps
from os_vif.serialization.protobuf import message_codec
from os_vif.serialization.protobuf import message_types as proto
from tests.support.strategies import make
from tools import compatibility, contract

NUMBERS = proto.read_numbers()


def test_every_field_of_every_kind_has_a_number():
    """Every field of every class has a number, and no message has a number twice."""
    messages = proto.numbered_messages(NUMBERS)
    for name, cls in history.vocabulary().items():
        assert {f.name for f in messages[name]} == {proto.NULLS, *field_names(cls)}
        assert name in {f.type for f in messages[proto.DOCUMENT]}
    for fields in NUMBERS.values():
        assert len(set(fields.values())) == len(fields)
        assert min(fields.values()) == 1
    assert (NUMBERS[proto.DOCUMENT][proto.MAJOR], message_codec.MAGIC) == (1, b"\x08")


def test_a_new_field_gets_a_new_number_and_that_of_a_lost_one_is_reserved():
    """A new field gets an unused number, and the number of a removed field is reserved."""
    before = copy.deepcopy(NUMBERS)
    del before["FixedIP"]["address"]
    before["FixedIP"]["lost"] = 9
    after = proto.assign_numbers(before)
    assert after["FixedIP"]["address"] == 10
    assert after["FixedIP"]["lost"] == 9
    text = proto.render(after, proto.numbered_messages(after))
    assert 'reserved 9;\n  reserved "lost";' in text
    assert "optional string address = 10;" in text
    assert proto.assign_numbers(NUMBERS) == NUMBERS


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda m: m["Route"].pop("gateway"), "Route.gateway: the field was removed"),
        (lambda m: m.pop("Route"), "Route.cidr: the field was removed"),
        (
            lambda m: m["Route"]["gateway"].__setitem__(0, 77),
            "Route.gateway: optional string 3 became optional string 77",
        ),
        (
            lambda m: m["Route"]["gateway"].__setitem__(1, "bool"),
            "Route.gateway: optional string 3 became optional bool 3",
        ),
        (
            lambda m: m["Route"].__setitem__("via", m["Route"].pop("gateway")),
            "Route.via: the number 3 belonged to gateway",
        ),
    ],
)
def test_what_breaks_a_reader_is_found(change, line):
    """A changed number, a changed type and a reused number are reported."""
    released = contract.describe_messages()
    now = copy.deepcopy(released)
    assert compatibility.compare_messages(released, now) == []
    change(now)
    assert line in compatibility.compare_messages(released, now)


def test_a_new_field_breaks_nobody():
    """A new field is compatible, since readers preserve unknown fields."""
    released, now = contract.describe_messages(), contract.describe_messages()
    now["Route"]["metric"] = [9, "int64", "optional"]
    assert compatibility.compare_messages(released, now) == []


def test_without_the_package(monkeypatch):
    """Without the package protobuf, the error names the package to install."""
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    message_codec.message_set.cache_clear()
    message_codec._runtime.cache_clear()
    for function in (
        lambda: dumps(make("VIFBridge"), form="protobuf"),
        lambda: message_codec.loads(message_codec.MAGIC),
    ):
        with pytest.raises(RuntimeError, match=r"install 'os-vif\[protobuf\]>=6.0'"):
            function()
    with pytest.raises(ValueError, match="does not read"):
        dumps(make("VIFBridge"), form="protobuf", release="5.3.0")
