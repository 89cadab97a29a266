# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Link messages of rtnetlink(7), packed and unpacked by tables.

pyroute2 knows all of every message, and takes 50 µs to write and 200 µs to read one. This knows
the attributes that os-vif uses, under pyroute2's names, and skips the rest.
Source of the numbers: linux/if_link.h, linux/if_tun.h, linux/veth.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

HEADER, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
#: ``struct ifinfomsg``: family, padding, type, index, flags, change.
LINK = struct.Struct("=BxHiII")
_NESTED, _KIND_MASK = 0x8000, 0x3FFF


class Codec(NamedTuple):
    """How the value of an attribute is written and read."""

    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


def _number(form: str) -> Codec:
    packer = struct.Struct(form)
    return Codec(packer.pack, lambda data: packer.unpack_from(data)[0])


U8, U16, U32, S32 = (_number(f"={form}") for form in "BHIi")
_ANY = "surrogateescape"
#: The kernel's names are bytes, of whatever encoding.
TEXT = Codec(
    lambda text: text.encode(errors=_ANY) + b"\0",
    lambda data: data.rstrip(b"\0").decode(errors=_ANY),
)
#: Without the zero, which would count.
ALIAS = Codec(lambda text: text.encode(errors=_ANY), TEXT.unpack)
RAW = Codec(bytes, bytes)
MAC = Codec(lambda text: bytes.fromhex(text.replace(":", "")), lambda data: data.hex(":"))

Table = Mapping[str, tuple[int, Codec]]


def pack(attributes: Mapping[str, Any], table: Table) -> bytes:
    parts: list[bytes] = []
    for name, value in attributes.items():
        number, codec = table[name]
        data = codec.pack(value)
        parts += ATTRIBUTE.pack(ATTRIBUTE.size + len(data), number), data, bytes(-len(data) % 4)
    return b"".join(parts)


def unpack(data: bytes, table: Mapping[int, tuple[str, Codec]]) -> dict[str, Any]:
    """The attributes that the table knows."""
    found = {}
    get, size, at = table.get, ATTRIBUTE.size, 0
    end = len(data) - size
    while at <= end:
        length, number = ATTRIBUTE.unpack_from(data, at)
        if length < size:
            break
        known = get(number & _KIND_MASK)
        if known is not None:
            found[known[0]] = known[1].unpack(data[at + size : at + length])
        at += (length + 3) & ~3
    return found


def _by_number(table: Table) -> dict[int, tuple[str, Codec]]:
    return {number & _KIND_MASK: (name, codec) for name, (number, codec) in table.items()}


def _link_info(info: Mapping[str, Any]) -> bytes:
    kind = info["IFLA_INFO_KIND"]
    data = pack(info.get("IFLA_INFO_DATA", {}), DATA.get(kind, {}))
    raw = {"IFLA_INFO_KIND": kind} | ({"IFLA_INFO_DATA": data} if data else {})
    return pack(raw, {"IFLA_INFO_KIND": (1, TEXT), "IFLA_INFO_DATA": (2 | _NESTED, RAW)})


def _unpack_link_info(data: bytes) -> dict[str, Any]:
    info = unpack(data, {1: ("IFLA_INFO_KIND", TEXT), 2: ("IFLA_INFO_DATA", RAW)})
    kind = info.get("IFLA_INFO_KIND", "")
    if "IFLA_INFO_DATA" in info:
        info["IFLA_INFO_DATA"] = unpack(info["IFLA_INFO_DATA"], _DATA_BY_NUMBER.get(kind, {}))
    return info


def _peer(attributes: Mapping[str, Any]) -> bytes:
    """The other end of a veth pair: a link message of its own, without a header."""
    return LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + pack(attributes, IFLA)


IFLA: Table = {
    "IFLA_ADDRESS": (1, MAC),
    "IFLA_IFNAME": (3, TEXT),
    "IFLA_MTU": (4, U32),
    "IFLA_LINK": (5, U32),
    "IFLA_MASTER": (10, U32),
    "IFLA_LINKINFO": (18 | _NESTED, Codec(_link_info, _unpack_link_info)),
    "IFLA_NET_NS_PID": (19, U32),
    "IFLA_IFALIAS": (20, ALIAS),
    "IFLA_GROUP": (27, U32),
    "IFLA_NET_NS_FD": (28, U32),
    "IFLA_EXT_MASK": (29, U32),
    "IFLA_PROMISCUITY": (30, U32),
    "IFLA_LINK_NETNSID": (37, S32),
    "IFLA_TARGET_NETNSID": (46, S32),
}

_MACVLAN: Table = {"IFLA_MACVLAN_MODE": (1, U32)}
#: ``IFLA_INFO_DATA`` of each kind of device.
DATA: Mapping[str, Table] = {
    "bridge": {
        "IFLA_BR_FORWARD_DELAY": (1, U32),
        "IFLA_BR_AGEING_TIME": (4, U32),
        "IFLA_BR_STP_STATE": (5, U32),
        "IFLA_BR_MCAST_SNOOPING": (23, U8),
    },
    "veth": {"VETH_INFO_PEER": (1 | _NESTED, Codec(_peer, bytes))},
    "vlan": {"IFLA_VLAN_ID": (1, U16)},
    "macvlan": _MACVLAN,
    "macvtap": _MACVLAN,
    "tun": {"IFLA_TUN_TYPE": (3, U8), "IFLA_TUN_MULTI_QUEUE": (7, U8)},
}

_IFLA_BY_NUMBER = _by_number(IFLA)
_DATA_BY_NUMBER = {kind: _by_number(table) for kind, table in DATA.items()}


def message(kind: int, flags: int, number: int, body: bytes) -> bytes:
    """A netlink message, with its header."""
    return HEADER.pack(HEADER.size + len(body), kind, flags, number, 0) + body


def link(attributes: Mapping[str, Any], index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    """The body of a link message."""
    return LINK.pack(socket.AF_UNSPEC, 0, index, flags, change) + pack(attributes, IFLA)


def read_link(data: bytes) -> tuple[int, int, dict[str, Any]]:
    """Index, flags and attributes of a link message, given with its header."""
    _, _, index, flags, _ = LINK.unpack_from(data, HEADER.size)
    return index, flags, unpack(data[HEADER.size + LINK.size :], _IFLA_BY_NUMBER)
