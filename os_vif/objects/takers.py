# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What fields make of values, where that is known.

Addresses are parsed by inet_pton(3), as netaddr does it, and made by netaddr's own pickle
protocol. They can be changed in place, so only what was parsed is kept, and never an address.
"""

from __future__ import annotations

import functools
import re
import socket
from collections.abc import Callable
from typing import Any, cast

import netaddr
from oslo_versionedobjects import fields as ovo_fields

Field = ovo_fields.Field[Any]
#: Of an object and a value: what the field makes of it; None if only the field itself knows.
Take = Callable[[Any, Any], Any]

#: How many addresses, and texts of some, are kept. Networks share most of theirs.
_KEPT = 4096
#: No address and no network is longer.
_LONGEST = 49
_BITS = {4: 32, 6: 128}

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_LENGTH = re.compile("0|[1-9][0-9]{0,2}", re.ASCII).fullmatch
_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}").fullmatch

#: Values of exactly that type are taken as they are.
PLAIN: dict[Any, type[Any]] = {
    ovo_fields.String: str,
    ovo_fields.Integer: int,
    ovo_fields.Boolean: bool,
}
#: Strings that are stored, and written, as they are once they have been taken.
SAME = frozenset(
    (ovo_fields.UUID, ovo_fields.MACAddress, ovo_fields.PCIAddress, ovo_fields.Enum)
)
_KNOWN = frozenset(
    (
        *PLAIN,
        *SAME,
        ovo_fields.IPAddress,
        ovo_fields.IPNetwork,
        ovo_fields.Object,
        ovo_fields.List,
        ovo_fields.Dict,
    )
)
_METHODS = ("coerce", "from_primitive", "to_primitive")


def kind_of(field: Field) -> type[ovo_fields.FieldType[Any]] | None:
    """The type of a field, if it is known: exactly one of oslo's, or a choice of strings."""
    if any(getattr(type(field), name) is not getattr(ovo_fields.Field, name) for name in _METHODS):
        return None
    kind = type(field._type)
    if issubclass(kind, ovo_fields.Enum) and all(
        getattr(kind, name) is getattr(ovo_fields.Enum, name) for name in _METHODS
    ):
        return ovo_fields.Enum
    return kind if kind in _KNOWN else None


def leaf(kind: type[ovo_fields.FieldType[Any]] | None) -> Take:
    """How values of a field that holds no objects are taken."""
    return _LEAVES.get(kind, _unknown)


def _unknown(obj: Any, value: Any) -> Any:
    return None


def _uuid(obj: Any, value: Any) -> Any:
    return value if type(value) is str and _UUID(value) else None


def _mac(obj: Any, value: Any) -> Any:
    return value if type(value) is str and _MAC(value) else None


def _address(obj: Any, value: Any) -> Any:
    if type(value) is str and len(value) <= _LONGEST and (state := parsed(value)):
        return made(state)
    return copied(value) if type(value) is netaddr.IPAddress else None


def _network(obj: Any, value: Any) -> Any:
    if type(value) is str and len(value) <= _LONGEST and (state := parsed_network(value)):
        return made_network(state)
    return copied(value) if type(value) is netaddr.IPNetwork else None


#: By the type of the field.
_LEAVES: dict[Any, Take] = {
    ovo_fields.UUID: _uuid,
    ovo_fields.MACAddress: _mac,
    ovo_fields.IPAddress: _address,
    ovo_fields.IPNetwork: _network,
}


def all_of(take: Take, name: str, field: Field, obj: Any, value: Any) -> Any:
    """What a field makes of a list, each element of which is taken so."""
    if type(value) is not list and type(value) is not ovo_fields.CoercedList:
        return None
    items = []
    for item in value:
        found = take(obj, item)
        if found is None:
            return None
        items.append(found)
    return listed(obj, name, field, items)


_new_list, _extend = list.__new__, list.extend


def listed(obj: Any, name: str, field: Field, items: list[Any]) -> Any:
    """The list that a field of ``obj`` keeps, of items that have been taken."""
    # Its __init__ sets nothing but what follows.
    found: Any = _new_list(ovo_fields.CoercedList)
    found.enable_coercing(cast("Any", field._type)._element_type, obj, name)
    _extend(found, items)
    return found


def tabled(obj: Any, name: str, field: Field, items: dict[str, Any]) -> Any:
    """The table that a field of ``obj`` keeps, of items that have been taken."""
    found: Any = ovo_fields.CoercedDict(items)
    found.enable_coercing(cast("Any", field._type)._element_type, obj, name)
    return found


# Addresses. What is kept of them is immutable.


@functools.lru_cache(maxsize=_KEPT)
def parsed(text: str) -> tuple[int, int] | None:
    """The number and the version of an IP address; None if it is none."""
    family, version = (socket.AF_INET6, 6) if ":" in text else (socket.AF_INET, 4)
    try:
        packed = socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None
    return int.from_bytes(packed, "big"), version


@functools.lru_cache(maxsize=_KEPT)
def parsed_network(text: str) -> tuple[int, int, int] | None:
    """The number, the prefix length and the version of an IP network; None if it is none."""
    address, _, length = text.partition("/")
    state = parsed(address)
    if state is None or not _LENGTH(length) or int(length) > _BITS[state[1]]:
        return None
    return state[0], int(length), state[1]


def made(state: tuple[int, int]) -> netaddr.IPAddress:
    address = object.__new__(netaddr.IPAddress)
    address.__setstate__(state)
    return address


def made_network(state: tuple[int, int, int]) -> netaddr.IPNetwork:
    network = object.__new__(netaddr.IPNetwork)
    network.__setstate__(state)
    return network


def copied(value: Any) -> Any:
    """Another address, or network, of the same value."""
    copy = object.__new__(type(value))
    copy.__setstate__(value.__getstate__())
    return copy


def text(value: Any) -> str:
    """An address, or a network, as text."""
    kind = type(value)
    if kind is netaddr.IPAddress:
        return _text(value.__getstate__())
    return _network_text(value.__getstate__()) if kind is netaddr.IPNetwork else str(value)


@functools.lru_cache(maxsize=_KEPT)
def _text(state: tuple[int, int]) -> str:
    return str(made(state))


@functools.lru_cache(maxsize=_KEPT)
def _network_text(state: tuple[int, int, int]) -> str:
    return str(made_network(state))
