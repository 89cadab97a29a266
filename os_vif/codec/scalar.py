# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The codecs of field types without members: strings, numbers, addresses.

:mod:`.field` registers these codecs for the field types of oslo.versionedobjects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import netaddr

from os_vif.codec import address
from os_vif.codec.path import INTEGER_LIMIT, invalid

_V4 = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}"
_H = "[0-9A-Fa-f]{1,4}"
#: RFC 4291, section 2.2, as in inet_pton(3): ``::`` is at least a group.
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

# A repeated group takes longer to match than the written text.
_CANONICAL_MAC = "[0-9a-f]{2}" + 5 * ":[0-9a-f]{2}"
_CANONICAL_PCI = "[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f][.][0-7]"
_CANONICAL_UUID = re.compile("[0-9a-f]{8}" + 3 * "-[0-9a-f]{4}" + "-[0-9a-f]{12}").fullmatch
_new = object.__new__
_texts = address.texts
#: Integers of 64 bits need no further check.
_INT64 = 2**63


class FieldCodec:
    """The codec of a field type.

    A subclass defines :meth:`load`, and differences to the defaults.
    """

    #: The accepted values, in words, for error messages.
    expected = "a value"
    #: Data of exactly this type is the value, without a call of :meth:`load`.
    identity: type[Any] | None = None
    #: The same for the data of an OVO primitive and for the arguments of a constructor.
    coerce_identity: type[Any] | None = None
    #: True if the value itself is the data of a document; :meth:`dump` is not called.
    dumps_itself = False
    #: True if :meth:`coerce` has the results of ``coerce`` of the field. Otherwise OVO primitives
    #: and constructors use the methods of the field.
    is_native = False
    #: True if the field warns of some values, and therefore coerces decoded values.
    has_warnings = False
    #: True if the value itself is the data of an OVO primitive; only for native codecs.
    is_primitive = False

    def load(self, data: Any) -> Any:
        """Return the value of the data of a document, which is not null.

        :raises os_vif.exception.InvalidValue: for data refused by :meth:`json_schema`.
        """
        raise NotImplementedError

    def dump(self, value: Any) -> Any:
        """Return the data of a document for a value other than None.

        :raises os_vif.exception.InvalidValue: for a value without an expression in a document.
        """
        return value

    def coerce(self, value: Any) -> Any:
        """Return the stored value for a Python value, or for the data of an OVO primitive.

        :raises os_vif.exception.InvalidValue: for a value of an unusual type or spelling.
        """
        if type(value) is str:
            return self.load(value)
        raise invalid(value, self.expected)

    def duplicate(self, value: Any) -> Any:
        """Return a copy of a value, without shared mutable parts."""
        return value

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the data accepted by :meth:`load`, without null."""
        return {}

    def proto_type(self) -> str:
        """Return the protobuf type of the data: ``string``, ``bool`` or ``int64``."""
        return "string"


class Plain(FieldCodec):
    """Data of a type, without conversion: strings, and true and false."""

    dumps_itself = is_native = is_primitive = True

    def __init__(self, data_type: type[Any], expected: str, schema: dict[str, Any]) -> None:
        self._type = self.identity = self.coerce_identity = data_type
        self.expected = expected
        self._schema = schema

    def load(self, data: Any) -> Any:
        if not isinstance(data, self._type):
            raise invalid(data, self.expected)
        return data

    def json_schema(self) -> dict[str, Any]:
        return dict(self._schema)

    def proto_type(self) -> str:
        return "bool" if self._type is bool else "string"


class UUID(Plain):
    """A UUID. Documents accept any string, as oslo.versionedobjects does with a warning."""

    has_warnings = True

    def __init__(self) -> None:
        note = "A UUID; any other string is taken, as by oslo.versionedobjects"
        super().__init__(str, "a string", {"type": "string", "description": note})
        self.identity = self.coerce_identity = None

    def coerce(self, value: Any) -> Any:
        if type(value) is str and _CANONICAL_UUID(value):
            return value
        raise invalid(value, self.expected)


class Pattern(FieldCodec):
    """A string with several spellings and a stored spelling."""

    is_native = is_primitive = True

    def __init__(
        self, pattern: str, canonical: str, expected: str, convert: Callable[[str], str]
    ) -> None:
        self._pattern = pattern
        self._matches = re.compile(pattern[1:-1]).fullmatch
        self._is_canonical = re.compile(canonical).fullmatch
        self._convert = convert
        self.expected = expected

    def load(self, data: Any) -> Any:
        if type(data) is str and self._is_canonical(data):
            return data
        if not isinstance(data, str) or not self._matches(data):
            raise invalid(data, self.expected)
        return self._convert(data)

    def dump(self, value: Any) -> Any:
        # oslo.versionedobjects stores some strings with a line feed at their end.
        return self.load(value)

    def json_schema(self) -> dict[str, Any]:
        return _pattern_schema(self.expected, self._pattern)


def _pattern_schema(expected: str, pattern: str) -> dict[str, Any]:
    description = expected[:1].upper() + expected[1:]
    return {"type": "string", "description": description, "pattern": pattern}


class Address(FieldCodec):
    """An IP address, which is an object of netaddr."""

    is_native = True

    def __init__(self, cls: type[Any], parse: Any, pattern: str, expected: str) -> None:
        self._class = cls
        #: The states by text.
        self._states = address.BoundedCache(parse)
        self._pattern = pattern
        self.expected = expected

    def load(self, data: Any) -> Any:
        if not isinstance(data, str) or (state := self._states[data]) is None:
            raise invalid(data, self.expected)
        value = _new(self._class)
        value._value, value._module = state
        return value

    def dump(self, value: Any) -> Any:
        if type(value) is self._class:
            return _texts[value._value, value._module]
        return str(value)

    def coerce(self, value: Any) -> Any:
        if type(value) is str:
            return self.load(value)
        if type(value) is self._class:
            return self.duplicate(value)
        raise invalid(value, self.expected)

    def duplicate(self, value: Any) -> Any:
        copy = _new(type(value))
        copy._value, copy._module = value._value, value._module
        return copy

    def json_schema(self) -> dict[str, Any]:
        return _pattern_schema(self.expected, self._pattern)


class NetworkAddress(Address):
    """An IP network, which is an object of netaddr."""

    def load(self, data: Any) -> Any:
        if not isinstance(data, str) or (state := self._states[data]) is None:
            raise invalid(data, self.expected)
        value = _new(self._class)
        value._value, value._module, value._prefixlen = state
        return value

    def dump(self, value: Any) -> Any:
        if type(value) is self._class:
            return _texts[value._value, value._module, value._prefixlen]
        return str(value)

    def duplicate(self, value: Any) -> Any:
        copy = super().duplicate(value)
        copy._prefixlen = value._prefixlen
        return copy


class Enum(FieldCodec):
    """A string of a fixed set."""

    is_primitive = True

    def __init__(self, values: Sequence[str], *, is_native: bool) -> None:
        self._values = frozenset(values)
        self.is_native = is_native
        self.expected = "one of " + ", ".join(sorted(values))

    def load(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self._values:
            raise invalid(data, self.expected)
        return data

    def dump(self, value: Any) -> Any:
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(self._values)}


class Integer(FieldCodec):
    """A whole number; 1.0 is one, as in JSON Schema."""

    expected = "a whole number"
    coerce_identity: type[Any] | None = int
    is_native = is_primitive = True

    def load(self, data: Any) -> Any:
        if type(data) is int and -_INT64 <= data < _INT64:
            return data
        whole = isinstance(data, int) or (isinstance(data, float) and data.is_integer())
        if isinstance(data, bool) or not whole or not -INTEGER_LIMIT < data < INTEGER_LIMIT:
            raise invalid(data, "a whole number")
        return int(data)

    def dump(self, value: Any) -> Any:
        return Integer.load(self, value)

    def coerce(self, value: Any) -> Any:
        if type(value) is int:
            return value
        raise invalid(value, self.expected)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer"}

    def proto_type(self) -> str:
        return "int64"


class IntegerRange(Integer):
    """A whole number between two bounds, which are included."""

    coerce_identity = None

    def __init__(self, least: int, most: int, expected: str) -> None:
        self._least = least
        self._most = most
        self.expected = expected

    def load(self, data: Any) -> Any:
        number = super().load(data)
        if not self._least <= number <= self._most:
            raise invalid(data, self.expected)
        return number

    def coerce(self, value: Any) -> Any:
        if type(value) is int and self._least <= value <= self._most:
            return value
        raise invalid(value, self.expected)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self._least, "maximum": self._most}


STRING = Plain(str, "a string", {"type": "string"})
BOOLEAN = Plain(bool, "true or false", {"type": "boolean"})
MAC_ADDRESS = Pattern(
    _MAC,
    _CANONICAL_MAC,
    "a MAC address, such as fa:16:3e:00:00:01",
    lambda text: text.lower().replace("-", ":"),
)
PCI_ADDRESS = Pattern(_PCI, _CANONICAL_PCI, "a PCI address, such as 0000:03:00.1", str.lower)
IP_ADDRESS = Address(
    netaddr.IPAddress,
    address.parse_address,
    _ADDRESS,
    "an IP address, such as 192.0.2.1 or 2001:db8::1",
)
IP_NETWORK = NetworkAddress(
    netaddr.IPNetwork,
    address.parse_network,
    _NETWORK,
    "an IP network with its prefix length, such as 192.0.2.0/24",
)
