# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Attributes with an encoder and a decoder of their own in pyroute2, which does the work here too."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from os_vif.host.netlink.atoms import Codec

_HEADER = struct.Struct("=HH")


def through_pyroute2(cls: Any, init: str | None) -> Codec:
    """Return a codec of which a pyroute2 class does the work."""

    def encode(value: Any) -> bytes:
        part = cls(data=bytearray(), init=init)
        part.setvalue(_to_pyroute2(value))
        part["header"] = {"type": 0}
        part.encode()
        return bytes(part.data[_HEADER.size : part.length])

    def decode(data: bytes) -> Any:
        header = _HEADER.pack(_HEADER.size + len(data), 0)
        part = cls(data=header + data, length=_HEADER.size + len(data), init=init)
        part.decode()
        return from_pyroute2(part.getvalue())

    return Codec(encode, decode)


def _to_pyroute2(value: Any) -> Any:
    """Return a mapping with the attributes in a list, as pyroute2 expects."""
    if isinstance(value, Mapping):
        fields = {name: item for name, item in value.items() if not name.isupper()}
        attributes = [(n, _to_pyroute2(item)) for n, item in value.items() if n.isupper()]
        return fields | ({"attrs": attributes} if attributes else {})
    return [_to_pyroute2(item) for item in value] if isinstance(value, list) else value


def from_pyroute2(value: Any) -> Any:
    """Return a value of pyroute2 with the attributes of a mapping by their names."""
    if isinstance(value, Mapping):
        hidden = ("attrs", "header")
        fields = {name: value[name] for name in value if name not in hidden and name[0] != "_"}
        attributes = {slot[0]: from_pyroute2(slot[1]) for slot in value.get("attrs") or ()}
        return fields | attributes
    return [from_pyroute2(item) for item in value] if isinstance(value, list) else value
