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
from typing import Any, TypeVar

import netaddr
from oslo_versionedobjects import fields as ovo_fields

from os_vif.objects import fields

Field = ovo_fields.Field[Any]
K = TypeVar("K")
V = TypeVar("V")
#: Of an object and a value: what the field makes of it; None if only the field itself knows.
Take = Callable[[Any, Any], Any]

#: How many addresses, and texts of some, are kept. Networks share most of theirs.
KEPT = 4096
#: No address and no network is longer.
_LONGEST = 49
_new, _IPAddress, _IPNetwork = object.__new__, netaddr.IPAddress, netaddr.IPNetwork
_BITS = {4: 32, 6: 128}

# Written out, as a group that is repeated takes longer.
_UUID = re.compile("[0-9a-f]{8}" + 3 * "-[0-9a-f]{4}" + "-[0-9a-f]{12}").fullmatch
_LENGTH = re.compile("0|[1-9][0-9]{0,2}", re.ASCII).fullmatch
_PCI = re.compile("[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f][.][0-7]").fullmatch
_MAC = re.compile("[0-9a-f]{2}" + 5 * ":[0-9a-f]{2}").fullmatch

#: Values of exactly that type are taken as they are.
PLAIN: dict[Any, type[Any]] = {
    ovo_fields.String: str,
    ovo_fields.Integer: int,
    ovo_fields.Boolean: bool,
    fields.TrueOrFalse: bool,
}
#: Strings that are stored, and written, as they are once they have been taken.
SAME = frozenset((ovo_fields.UUID, ovo_fields.MACAddress, ovo_fields.PCIAddress, ovo_fields.Enum))
_KNOWN = frozenset(
    (
        *PLAIN,
        *SAME,
        fields.Range,
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


def of_text(field: Field, kind: Any) -> Callable[[str], Any] | None:
    """What such a field makes of a string, if that is not the string itself whatever it is.

    The result is None if only the field itself knows.
    """
    if kind is ovo_fields.Enum:
        choices: Any = field._type
        return functools.partial(_choice, choices)
    return _TEXTS.get(kind)


def _choice(choices: Any, text: str) -> str | None:
    return text if text in choices._valid_values else None


def uuid(text: str) -> str | None:
    """A UUID as everybody writes it; None for any other."""
    return text if _UUID(text) else None


def mac(text: str) -> str | None:
    """A MAC address as the field keeps it; None for any other."""
    return text if _MAC(text) else None


def pci(text: str) -> str | None:
    """A PCI address as the field keeps it; None for any other."""
    return text if _PCI(text) else None


def address(text: str) -> Any:
    """The IP address that is written so; None if it is none, or is written unusually."""
    if (state := _addresses[text]) is None:
        return None
    found = _new(_IPAddress)
    found.__setstate__(state)
    return found


def network(text: str) -> Any:
    """The IP network that is written so; None if it is none, or is written unusually."""
    if (state := _networks[text]) is None:
        return None
    found = _new(_IPNetwork)
    found.__setstate__(state)
    return found


_TEXTS: dict[Any, Callable[[str], Any]] = {
    ovo_fields.UUID: uuid,
    ovo_fields.MACAddress: mac,
    ovo_fields.PCIAddress: pci,
    ovo_fields.IPAddress: address,
    ovo_fields.IPNetwork: network,
}
_OF_ADDRESSES = {ovo_fields.IPAddress: _IPAddress, ovo_fields.IPNetwork: _IPNetwork}
ADDRESSES = frozenset(_OF_ADDRESSES.values())


def leaf(kind: Any, text: Callable[[str], Any] | None, _: Any, value: Any) -> Any:
    """What a field that holds no object makes of a value."""
    if text is not None and type(value) is str:
        return text(value)
    return copied(value) if type(value) is _OF_ADDRESSES.get(kind) else None


def all_of(take: Take, name: str, element: Field, obj: Any, value: Any) -> Any:
    """What a field makes of a list, each element of which is taken so."""
    if type(value) is not list and type(value) is not ovo_fields.CoercedList:
        return None
    items = []
    for item in value:
        found = take(obj, item)
        if found is None:
            return None
        items.append(found)
    return listed(obj, name, element, items)


_new_list, _extend = list.__new__, list.extend
_CoercedList: Any = ovo_fields.CoercedList


def listed(obj: Any, name: str, element: Field, items: list[Any]) -> Any:
    """The list that a field of ``obj`` keeps, of items that have been taken."""
    # Its __init__ sets nothing but what follows.
    found = _new_list(_CoercedList)
    found.enable_coercing(element, obj, name)
    _extend(found, items)
    return found


def tabled(obj: Any, name: str, element: Field, items: dict[str, Any]) -> Any:
    """The table that a field of ``obj`` keeps, of items that have been taken."""
    found: Any = ovo_fields.CoercedDict(items)
    found.enable_coercing(element, obj, name)
    return found


# Addresses. What is kept of them is immutable.


class Kept(dict[K, V]):
    """What was worked out, for as many as there is room; then all make room for new ones.

    A port's own addresses come once, so to find the one that was not asked for longest, as
    functools.lru_cache does it, costs more than it saves.
    """

    def __init__(self, work_out: Callable[[K], V]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, key: K) -> V:
        found = self._work_out(key)
        if found is not None:
            if len(self) >= KEPT:
                self.clear()
            self[key] = found
        return found


def parsed(text: str) -> tuple[int, int] | None:
    """The number and the version of an IP address; None if it is none."""
    if len(text) > _LONGEST:
        return None
    family, version = (socket.AF_INET6, 6) if ":" in text else (socket.AF_INET, 4)
    try:
        packed = socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None
    return int.from_bytes(packed, "big"), version


def parsed_network(text: str) -> tuple[int, int, int] | None:
    """The number, the prefix length and the version of an IP network; None if it is none."""
    address, _, length = text.partition("/")
    state = parsed(address)
    if state is None or not _LENGTH(length) or int(length) > _BITS[state[1]]:
        return None
    return state[0], int(length), state[1]


_addresses, _networks = Kept(parsed), Kept(parsed_network)


def copied(value: Any) -> Any:
    """Another address, or network, of the same value."""
    copy = _new(type(value))
    copy.__setstate__(value.__getstate__())
    return copy


def text(value: Any) -> str:
    """An address, or a network, as text."""
    return _texts[value.__getstate__()] if type(value) in ADDRESSES else str(value)


def text_of(state: tuple[int, ...]) -> str:
    """The same of the value that netaddr's pickle protocol gives."""
    number, *length, version = state
    if version == 4:  # noqa: PLR2004
        address = socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))
    else:
        address = socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))
    return f"{address}/{length[0]}" if length else address


_texts = Kept(text_of)
