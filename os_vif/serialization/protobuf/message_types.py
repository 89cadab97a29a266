# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The protobuf messages of documents: they follow from the classes, and from recorded numbers.

Each class is a message with the fields that its documents have. ``nulls`` lists the numbers of
those that are null, so a field that is absent is unset. Where a subclass may stand there is a
message with one field for each. A number that was given stays given: it is recorded in
``protobuf.json``, and that of a field which is no more is reserved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

from os_vif.codec import FieldCodec, registry
from os_vif.codec import field as field_codecs
from os_vif.codec.document import field_codec, field_names
from os_vif.objects.versioning import history

PACKAGE = "os_vif.v2"
#: The committed files: the messages, and the numbers of their fields.
MESSAGES, NUMBERS = "os_vif.proto", "protobuf.json"
#: The message of a whole document, with its version before all.
DOCUMENT, MAJOR, MINOR = "Document", "major", "minor"
#: In the message of a class: the numbers of the fields that are null.
NULLS = "nulls"
STRINGS = "Strings"
ITEMS = "items"

Numbers = dict[str, dict[str, int]]


class Field(NamedTuple):
    """A field of a message."""

    name: str
    number: int
    #: ``string``, ``bool``, ``int64``, ``uint32``, or the name of a message.
    type: str
    #: ``optional``, ``repeated``, ``map`` (from strings), or empty: one of several.
    label: str = "optional"


Messages = dict[str, list[Field]]


def wanted(classes: Mapping[str, type[Any]]) -> dict[str, dict[str, tuple[str, str]]]:
    """Message to field to its type and label, in the order in which numbers are given."""
    found: dict[str, dict[str, tuple[str, str]]] = {
        DOCUMENT: {MAJOR: ("uint32", ""), MINOR: ("uint32", "")}
        | {name: (name, "oneof") for name in sorted(classes)},
        STRINGS: {ITEMS: ("string", "repeated")},
    }
    for name, cls in sorted(classes.items()):
        fields = {NULLS: ("uint32", "repeated")}
        for field in field_names(cls):
            value = field_codec(cls, field)
            fields[field] = (value.proto_type(), "optional")
            _around(value, classes, found)
        found[name] = fields
    return found


def _around(
    value: FieldCodec,
    classes: Mapping[str, type[Any]],
    found: dict[str, dict[str, tuple[str, str]]],
) -> None:
    """The messages between a field and what stands in it."""
    if isinstance(value, (field_codecs.Array, field_codecs.Map)):
        label = "repeated" if isinstance(value, field_codecs.Array) else "map"
        found[value.proto_type()] = {ITEMS: (value.item.proto_type(), label)}
        _around(value.item, classes, found)
    elif isinstance(value, field_codecs.Nested) and value.open_type:
        fitting = [
            n for n, cls in sorted(classes.items()) if value.name in registry.ancestors(cls)
        ]
        found[value.proto_type()] = {name: (name, "oneof") for name in fitting}


def numbered(recorded: Numbers, classes: Mapping[str, type[Any]] | None = None) -> Numbers:
    """Return the numbers, with a number for each new field. No number is ever assigned twice."""
    numbers = {name: dict(fields) for name, fields in recorded.items()}
    for name, fields in wanted(classes or history.vocabulary()).items():
        given = numbers.setdefault(name, {})
        for field in fields:
            if field not in given:
                given[field] = max(given.values(), default=0) + 1
    return numbers


def messages(numbers: Numbers, classes: Mapping[str, type[Any]] | None = None) -> Messages:
    """The messages with the numbers of their fields."""
    return {
        name: sorted(
            (Field(field, numbers[name][field], *of) for field, of in fields.items()),
            key=lambda field: field.number,
        )
        for name, fields in wanted(classes or history.vocabulary()).items()
    }


def text(numbers: Numbers, found: Messages) -> str:
    """The ``.proto`` file."""
    lines = [
        "// SPDX-FileCopyrightText: The os-vif developers",
        "// SPDX-License-Identifier: Apache-2.0",
        "",
        "// The documents of os-vif. Made from the classes: see tools/contract.py.",
        "",
        'syntax = "proto3";',
        "",
        f"package {PACKAGE};",
    ]
    for name, fields in sorted(found.items()):
        lines += ["", f"message {name} {{"]
        lost = sorted(numbers[name].items() - {(field.name, field.number) for field in fields})
        for field, number in lost:
            lines += [f"  reserved {number};", f'  reserved "{field}";']
        choice = [field for field in fields if field.label == "oneof"]
        lines += [f"  {_declared(field)}" for field in fields if field.label != "oneof"]
        if choice:
            lines += ["  oneof kind {", *(f"    {_declared(field)}" for field in choice), "  }"]
        lines.append("}")
    return "\n".join([*lines, ""])


def _declared(field: Field) -> str:
    labels = {"optional": "optional ", "repeated": "repeated "}
    kind = f"map<string, {field.type}>" if field.label == "map" else field.type
    name = field.name if field.label != "oneof" else of_kind(field.name)
    return f"{labels.get(field.label, '')}{kind} {name} = {field.number};"


def of_kind(name: str) -> str:
    """The field for the objects of a class, among others."""
    return name.lower()


def read_numbers() -> Numbers:
    """Those that are recorded with this release."""
    data = (
        resources.files("os_vif.serialization")
        .joinpath("schema", "data", NUMBERS)
        .read_text("utf-8")
    )
    numbers: Numbers = json.loads(data)
    return numbers
