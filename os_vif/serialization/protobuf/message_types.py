# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The protobuf messages of documents, derived from the classes and from recorded numbers.

Each class has a message with the fields of a document of the class. An absent field is unset;
``nulls`` lists the numbers of the fields that are null. A field with several permitted classes
has a message with one field for each class. The number of a field never changes: ``protobuf.json``
records all numbers, and the number of a removed field is reserved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

from os_vif.codec import FieldCodec, registry
from os_vif.codec import field as field_codecs
from os_vif.codec.document import field_codec, field_names
from os_vif.codec.field_comments import sentence_of, without_markup
from os_vif.objects.versioning import history

PACKAGE = "os_vif.v2"
#: The committed files: the messages, and the numbers of the fields.
MESSAGES, NUMBERS = "os_vif.proto", "protobuf.json"
#: The message of a whole document; the first fields are the version.
DOCUMENT, MAJOR, MINOR = "Document", "major", "minor"
#: The field with the numbers of the fields that are null.
NULLS = "nulls"
STRINGS = "Strings"
ITEMS = "items"

#: Numbers by message and field.
Numbers = dict[str, dict[str, int]]
#: Types and labels by message and field.
FieldTypes = dict[str, dict[str, tuple[str, str]]]


class Field(NamedTuple):
    """A field of a message."""

    name: str
    number: int
    #: ``string``, ``bool``, ``int64``, ``uint32``, or the name of a message.
    type: str
    #: ``optional``, ``repeated``, ``map`` (from strings), ``oneof``, or empty for a plain field.
    label: str = "optional"

    @property
    def field_name(self) -> str:
        """The name in the message; :attr:`name` of a field of a oneof is the name of the class."""
        return oneof_field(self.name) if self.label == "oneof" else self.name


Messages = dict[str, list[Field]]


def message_fields(classes: Mapping[str, type[Any]]) -> FieldTypes:
    """Return the fields of all messages, in the order in which new fields receive numbers."""
    types: FieldTypes = {
        DOCUMENT: {MAJOR: ("uint32", ""), MINOR: ("uint32", "")}
        | {name: (name, "oneof") for name in sorted(classes)},
        STRINGS: {ITEMS: ("string", "repeated")},
    }
    for name, cls in sorted(classes.items()):
        fields = {NULLS: ("uint32", "repeated")}
        for field in field_names(cls):
            codec = field_codec(cls, field)
            fields[field] = (codec.proto_type(), "optional")
            _add_wrappers(codec, classes, types)
        types[name] = fields
    return types


def _add_wrappers(codec: FieldCodec, classes: Mapping[str, type[Any]], types: FieldTypes) -> None:
    """Add the messages of lists, dicts and open types between a field and the values."""
    if isinstance(codec, (field_codecs.Array, field_codecs.Map)):
        label = "repeated" if isinstance(codec, field_codecs.Array) else "map"
        types[codec.proto_type()] = {ITEMS: (codec.item.proto_type(), label)}
        _add_wrappers(codec.item, classes, types)
    elif isinstance(codec, field_codecs.Nested) and codec.open_type:
        types[codec.proto_type()] = {
            name: (name, "oneof")
            for name, cls in sorted(classes.items())
            if codec.name in registry.ancestors(cls)
        }


def assign_numbers(recorded: Numbers, classes: Mapping[str, type[Any]] | None = None) -> Numbers:
    """Return the recorded numbers, and a new number for each new field.

    A number is never assigned twice in a message.
    """
    numbers = {name: dict(fields) for name, fields in recorded.items()}
    for name, fields in message_fields(classes or history.vocabulary()).items():
        assigned = numbers.setdefault(name, {})
        for field in fields:
            if field not in assigned:
                assigned[field] = max(assigned.values(), default=0) + 1
    return numbers


def numbered_messages(
    numbers: Numbers, classes: Mapping[str, type[Any]] | None = None
) -> Messages:
    """Return the fields of all messages, sorted by number."""
    return {
        name: sorted(
            (Field(field, numbers[name][field], *type_) for field, type_ in fields.items()),
            key=lambda field: field.number,
        )
        for name, fields in message_fields(classes or history.vocabulary()).items()
    }


def render(
    numbers: Numbers, messages: Messages, classes: Mapping[str, type[Any]] | None = None
) -> str:
    """Return the text of the ``.proto`` file, with the sentence of each field as a comment."""
    classes = classes or history.vocabulary()
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
    for name, fields in sorted(messages.items()):
        lines += ["", f"message {name} {{"]
        removed = sorted(numbers[name].items() - {(field.name, field.number) for field in fields})
        for field, number in removed:
            lines += [f"  reserved {number};", f'  reserved "{field}";']
        choice = [field for field in fields if field.label == "oneof"]
        for plain in fields:
            if plain.label != "oneof":
                lines += [*_comment(classes.get(name), plain), f"  {_declaration(plain)}"]
        if choice:
            lines += [
                "  oneof kind {",
                *(f"    {_declaration(field)}" for field in choice),
                "  }",
            ]
        lines.append("}")
    return "\n".join([*lines, ""])


def _comment(cls: type[Any] | None, field: Field) -> list[str]:
    """Return the line with the sentence of a field, if a class has such a field."""
    sentence = without_markup(sentence_of(cls, field.name)) if cls else ""
    return [f"  // {sentence}"] if sentence else []


def _declaration(field: Field) -> str:
    label = f"{field.label} " if field.label in {"optional", "repeated"} else ""
    type_ = f"map<string, {field.type}>" if field.label == "map" else field.type
    return f"{label}{type_} {field.field_name} = {field.number};"


def oneof_field(name: str) -> str:
    """Return the field for the objects of a class in a message of several classes."""
    return name.lower()


def read_numbers() -> Numbers:
    """Return the recorded numbers of this release."""
    folder = resources.files("os_vif.serialization")
    text = folder.joinpath("schema", "data", NUMBERS).read_text("utf-8")
    numbers: Numbers = json.loads(text)
    return numbers
