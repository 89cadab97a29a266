# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The values of fields, as they stand in a document.

Each kind of value says in one place how it is written, how it is read, and what its JSON Schema
is; so a document is read if, and only if, its schema accepts it.
"""

from __future__ import annotations

import copy
import functools
import math
import re
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import netaddr
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.objects import descriptions
from os_vif.objects import fields as osv_fields
from os_vif.objects.losses import below

#: How deep a document may nest. Ours need five levels.
DEEPEST = 32
#: How much of a string is shown.
_LONG = 60
#: Below it a whole number can be written in decimal, and read again.
_LARGEST = 10**4300

_V4 = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}"
_H = "[0-9A-Fa-f]{1,4}"
#: RFC 4291, section 2.2, as inet_pton(3) takes it: ``::`` stands for one group or more.
_V6 = "|".join(
    (
        f"({_H}:){{7}}{_H}",
        f"({_H}:){{1,7}}:",
        *(f"({_H}:){{1,{n}}}(:{_H}){{1,{7 - n}}}" for n in range(6, 0, -1)),
        f":((:{_H}){{1,7}}|:)",
        f"({_H}:){{6}}{_V4}",
        f"({_H}:){{1,5}}:{_V4}",
        *(f"({_H}:){{1,{n}}}(:{_H}){{1,{5 - n}}}:{_V4}" for n in range(4, 0, -1)),
        f":(:{_H}){{0,5}}:{_V4}",
    )
)
_ADDRESS = f"^({_V4}|{_V6})$"
_NETWORK = f"^(({_V4})/(3[0-2]|[12]?[0-9])|({_V6})/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$"
_MAC = "^[0-9A-Fa-f]{2}([-:][0-9A-Fa-f]{2}){5}$"
#: The last separator may be any character, as in oslo.versionedobjects.
_PCI = "^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:[01][0-9A-Fa-f][^\n\u0130][0-7]$"


class Value(Protocol):
    """How one field stands in a document."""

    def encode(self, value: Any) -> Any:
        """The plain data of a value that is not None."""

    def decode(self, data: Any, place: Place) -> Any:
        """The value of plain data that is not null.

        :raises os_vif.exception.SerializationError: for anything else.
        """

    def schema(self) -> dict[str, Any]:
        """What :meth:`decode` takes, as JSON Schema; null is not its affair."""


class Place:
    """Where in a document: names of fields, and places in lists.

    :param newer: the minor version of the document, if it is one that is not known here; then
        unknown fields are kept.
    """

    __slots__ = ("newer", "parts")

    def __init__(self, *parts: str | int, newer: int | None = None) -> None:
        self.parts = parts
        self.newer = newer

    def __truediv__(self, part: str | int) -> Place:
        if len(self.parts) >= DEEPEST:
            raise exception.MalformedDocument(
                path=str(self), found="more below it", expected=f"at most {DEEPEST} levels"
            )
        return Place(*self.parts, part, newer=self.newer)

    def __str__(self) -> str:
        return functools.reduce(below, self.parts, "")


def shown(data: Any) -> str:
    """What was found, in few words."""
    if isinstance(data, str):
        return repr(data) if len(data) <= _LONG else f"{data[:40]!r}… ({len(data)} characters)"
    if data is None or isinstance(data, bool):
        return {None: "null", True: "true", False: "false"}[data]
    if isinstance(data, dict):
        return "an object"
    if isinstance(data, list):
        return "an array"
    if isinstance(data, int):
        return repr(data) if abs(data) < 10**30 else "a huge number"
    return repr(data) if isinstance(data, float) else f"a {type(data).__name__}"


def refuse(place: Place, data: Any, expected: str) -> exception.InvalidValue:
    return refuse_at(str(place), data, expected)


def refuse_at(path: str, data: Any, expected: str) -> exception.InvalidValue:
    return exception.InvalidValue(path=path, found=shown(data), expected=expected)


def inside(part: str | int, error: exception.InvalidValue) -> exception.InvalidValue:
    """The same error, of what contains the value that has it."""
    path = below("", part) + ("." if error.path[:1] not in ("", "[") else "") + error.path
    return exception.InvalidValue(path=path, found=error.found, expected=error.expected)


def named(name: Any, place: Place) -> str:
    """A name in an object; data that was not JSON may have others."""
    if not isinstance(name, str):
        raise refuse(place, name, "a string as each name")
    return name


def plain(data: Any, place: Place) -> Any:
    """A copy of data of which nothing is known but that it can be written as JSON."""
    if isinstance(data, dict):
        return {name: plain(item, place / named(name, place)) for name, item in data.items()}
    if isinstance(data, list):
        return [plain(item, place / n) for n, item in enumerate(data)]
    if data is None or isinstance(data, (str, bool)):
        return data
    if isinstance(data, int):
        return Integer().decode(data, place)
    if not isinstance(data, float) or not math.isfinite(data):
        raise refuse(place, data, "plain data")
    return data


class Text:
    """Any string."""

    expected = "a string"
    pattern: str | None = None

    def __init__(self, note: str | None = None) -> None:
        self._note = note

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, data: Any, place: Place) -> Any:
        if not isinstance(data, str):
            raise refuse(place, data, self.expected)
        return data

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string"}
        if self._note:
            schema["description"] = self._note
        return schema


class Pattern(Text):
    """A string of a certain form, which may be written in more ways than it is stored."""

    def __init__(self, pattern: str, expected: str, convert: Any) -> None:
        super().__init__(expected[:1].upper() + expected[1:])
        self.pattern = pattern
        self.expected = expected
        self._matches = re.compile(pattern[1:-1]).fullmatch
        self._convert = convert

    def encode(self, value: Any) -> Any:
        # oslo takes some strings with a line feed at their end.
        return self.decode(value, Place()) if isinstance(value, str) else str(value)

    def decode(self, data: Any, place: Place) -> Any:
        if not isinstance(data, str) or not self._matches(data):
            raise refuse(place, data, self.expected)
        return self._convert(data)

    def schema(self) -> dict[str, Any]:
        return super().schema() | {"pattern": self.pattern}


class Choice(Text):
    """One of some strings."""

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__()
        self._values = sorted(values)
        self.expected = "one of " + ", ".join(self._values)

    def decode(self, data: Any, place: Place) -> Any:
        if not isinstance(data, str) or data not in self._values:
            raise refuse(place, data, self.expected)
        return data

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self._values)}


class Integer:
    """A whole number; 1.0 is one, as in JSON Schema."""

    def encode(self, value: int) -> int:
        return self.decode(value, Place())

    def decode(self, data: Any, place: Place) -> int:
        whole = isinstance(data, int) or (isinstance(data, float) and data.is_integer())
        if isinstance(data, bool) or not whole or not -_LARGEST < data < _LARGEST:
            raise refuse(place, data, "a whole number")
        return int(data)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"}


class Range(Integer):
    """A whole number between two, which are included."""

    def __init__(self, least: int, most: int, expected: str) -> None:
        self._least = least
        self._most = most
        self._expected = expected

    def decode(self, data: Any, place: Place) -> int:
        number = super().decode(data, place)
        if not self._least <= number <= self._most:
            raise refuse(place, data, self._expected)
        return number

    def schema(self) -> dict[str, Any]:
        return super().schema() | {"minimum": self._least, "maximum": self._most}


class Boolean:
    def encode(self, value: bool) -> bool:
        return value

    def decode(self, data: Any, place: Place) -> bool:
        if not isinstance(data, bool):
            raise refuse(place, data, "true or false")
        return data

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


#: What a value that cannot be makes a type of field, or an object, raise.
REFUSALS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


class Foreign:
    """A type of field that somebody else brings: as its own ``to_primitive`` has it."""

    def __init__(
        self, cls: type[ovo.VersionedObject], name: str, field: ovo_fields.Field[Any]
    ) -> None:
        self._cls = cls
        self._name = name
        self._field = field

    def encode(self, value: Any) -> Any:
        return copy.deepcopy(self._field.to_primitive(self._cls(), self._name, value))

    def decode(self, data: Any, place: Place) -> Any:
        try:
            blank = self._cls()
            value = self._field.from_primitive(blank, self._name, copy.deepcopy(data))
            return self._field.coerce(blank, self._name, value)
        except REFUSALS as error:
            raise refuse(place, data, descriptions.of_field(self._field)) from error

    def schema(self) -> dict[str, Any]:
        return {}


class Array:
    def __init__(self, item: Value) -> None:
        self.item = item

    def encode(self, value: Sequence[Any]) -> list[Any]:
        data: list[Any] = []
        for item in value:
            try:
                data.append(self.item.encode(item))
            except exception.InvalidValue as error:
                raise inside(len(data), error) from None
        return data

    def decode(self, data: Any, place: Place) -> list[Any]:
        if not isinstance(data, list):
            raise refuse(place, data, "an array")
        return [self.item.decode(item, place / n) for n, item in enumerate(data)]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema()}


class Table:
    """An object whose names are data."""

    def __init__(self, item: Value) -> None:
        self.item = item

    def encode(self, value: Mapping[str, Any]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name, item in value.items():
            try:
                data[name] = self.item.encode(item)
            except exception.InvalidValue as error:
                raise inside(name, error) from None
        return data

    def decode(self, data: Any, place: Place) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise refuse(place, data, "an object")
        return {
            name: self.item.decode(item, place / named(name, place)) for name, item in data.items()
        }

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.schema()}


class Object:
    """A nested object.

    :param name: the class that the field declares.
    :param open_type: whether subclasses may stand there; then ``kind`` says which.
    """

    def __init__(self, name: str, *, open_type: bool) -> None:
        self.name = name
        self.open_type = open_type

    def encode(self, value: ovo.VersionedObject) -> Any:
        from os_vif.serialization import document

        return document.encode_nested(value, self)

    def decode(self, data: Any, place: Place) -> Any:
        from os_vif.serialization import document

        return document.decode_nested(data, place, self)

    def schema(self) -> dict[str, Any]:
        """By reference: the one that names it defines it, too."""
        return {"$ref": f"#/$defs/{self.name}"}


_address = Pattern(_ADDRESS, descriptions.IP_ADDRESS, netaddr.IPAddress)
_SIMPLE: dict[type[ovo_fields.FieldType[Any]], Value] = {
    ovo_fields.String: Text(),
    ovo_fields.UUID: Text("A UUID; any other string is taken, as by oslo.versionedobjects"),
    ovo_fields.Integer: Integer(),
    ovo_fields.Boolean: Boolean(),
    osv_fields.TrueOrFalse: Boolean(),
    ovo_fields.IPAddress: _address,
    ovo_fields.IPNetwork: Pattern(_NETWORK, descriptions.IP_NETWORK, netaddr.IPNetwork),
    ovo_fields.MACAddress: Pattern(
        _MAC,
        descriptions.MAC_ADDRESS,
        lambda text: text.lower().replace("-", ":"),
    ),
    ovo_fields.PCIAddress: Pattern(_PCI, descriptions.PCI_ADDRESS, str.lower),
}


def _simple(kind: Any) -> Value | None:
    if type(kind) is osv_fields.Range:
        return Range(kind.least, kind.most, kind.expected)
    return _SIMPLE.get(type(kind))


def _of_type(cls: type[Any], name: str, kind: Any, field: Any) -> Value:
    """The value of a type of field, which may be an element of another."""
    if (simple := _simple(kind)) is not None:
        return simple
    if isinstance(kind, ovo_fields.Enum):
        return Choice(list(kind.valid_values))
    if type(kind) is ovo_fields.Object:
        return Object(kind._obj_name, open_type=kind._subclasses)
    if type(kind) is ovo_fields.List and not kind._element_type.nullable:
        return Array(_of_type(cls, name, kind._element_type._type, kind._element_type))
    if type(kind) is ovo_fields.Dict and not kind._element_type.nullable:
        return Table(_of_type(cls, name, kind._element_type._type, kind._element_type))
    return Foreign(cls, name, cast("ovo_fields.Field[Any]", field))


_known: weakref.WeakKeyDictionary[type[Any], dict[str, Value]] = weakref.WeakKeyDictionary()


def of_field(cls: type[Any], name: str) -> Value:
    """How a field of a class stands in a document."""
    values = _known.setdefault(cls, {})
    if name not in values:
        field = cls.fields[name]
        values[name] = _of_type(cls, name, field._type, field)
    return values[name]
