# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Messages of rtnetlink(7), packed and unpacked by tables.

pyroute2 takes 50 µs to write and 200 µs to read a message; this knows what os-vif uses, by the
same names. Source of the numbers: linux/{if_link,if_tun,veth,if_addr,rtnetlink}.h
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

HEADER, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
#: ``struct ifinfomsg``: family, padding, type, index, flags, change.
LINK = struct.Struct("=BxHiII")
_NESTED, _KIND_MASK = 0x8000, 0x3FFF

#: How the value of an attribute is written, and how it is read.
Codec = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]


class Table(dict[str, tuple[int, Codec]]):
    """Attributes by their names; and, for reading, by their numbers."""

    def __init__(self, **attributes: tuple[int, Codec]) -> None:
        super().__init__(attributes)
        self.by_number = {n & _KIND_MASK: (name, c[1]) for name, (n, c) in attributes.items()}


def _number(form: str) -> Codec:
    packer = struct.Struct(form)
    return packer.pack, lambda data: packer.unpack_from(data)[0]


U8, U16, U32, S32 = (_number(f"={form}") for form in "BHIi")
RAW: Codec = (bytes, bytes)
#: The kernel's names are bytes, of whatever encoding. An alias is without a zero, which would count.
TEXT: Codec = (
    lambda text: text.encode(errors="surrogateescape") + b"\0",
    lambda data: data.rstrip(b"\0").decode(errors="surrogateescape"),
)
ALIAS: Codec = (lambda text: text.encode(errors="surrogateescape"), TEXT[1])
MAC: Codec = (lambda text: bytes.fromhex(text.replace(":", "")), lambda data: data.hex(":"))
IP: Codec = (lambda text: ip_address(text).packed, lambda data: str(ip_address(data)))


def pack(attributes: Mapping[str, Any], table: Table) -> bytes:
    """Attributes as bytes. One that is None is left out."""
    parts: list[bytes] = []
    for name, value in attributes.items():
        if value is not None:
            number, codec = table[name]
            data = codec[0](value)
            parts += ATTRIBUTE.pack(4 + len(data), number), data, bytes(-len(data) % 4)
    return b"".join(parts)


def unpack(data: bytes, table: Table, unknown: list[int] | None = None) -> dict[str, Any]:
    """The attributes that the table knows. The numbers of others go into ``unknown``."""
    found, get, at, end = {}, table.by_number.get, 0, len(data) - 4
    while at <= end:
        length, number = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            break
        known = get(number & _KIND_MASK)
        if known is not None:
            found[known[0]] = known[1](data[at + 4 : at + length])
        elif unknown is not None:
            unknown.append(number & _KIND_MASK)
        at += (length + 3) & ~3
    return found


def _link_info(info: Mapping[str, Any]) -> bytes:
    table = DATA.get(info["IFLA_INFO_KIND"], Table())
    return pack({**info, "IFLA_INFO_DATA": pack(info["IFLA_INFO_DATA"], table) or None}, _INFO)


def _unpack_link_info(data: bytes) -> dict[str, Any]:
    info = unpack(data, _INFO)
    if "IFLA_INFO_DATA" in info:
        table = DATA.get(info.get("IFLA_INFO_KIND", ""), Table())
        info["IFLA_INFO_DATA"] = unpack(info["IFLA_INFO_DATA"], table)
    return info


def link(attributes: Mapping[str, Any], index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    """The body of a link message."""
    return LINK.pack(socket.AF_UNSPEC, 0, index, flags, change) + pack(attributes, IFLA)


_INFO = Table(IFLA_INFO_KIND=(1, TEXT), IFLA_INFO_DATA=(2 | _NESTED, RAW))
IFLA = Table(
    IFLA_ADDRESS=(1, MAC),
    IFLA_IFNAME=(3, TEXT),
    IFLA_ALT_IFNAME=(53, TEXT),
    IFLA_MTU=(4, U32),
    IFLA_LINK=(5, U32),
    IFLA_MASTER=(10, U32),
    IFLA_LINKINFO=(18 | _NESTED, (_link_info, _unpack_link_info)),
    IFLA_NET_NS_PID=(19, U32),
    IFLA_IFALIAS=(20, ALIAS),
    IFLA_GROUP=(27, U32),
    IFLA_NET_NS_FD=(28, U32),
    IFLA_EXT_MASK=(29, U32),
    IFLA_LINK_NETNSID=(37, S32),
    IFLA_TARGET_NETNSID=(46, S32),
)
#: ``IFLA_INFO_DATA`` of each kind of device.
DATA: Mapping[str, Table] = {
    "bridge": Table(
        IFLA_BR_FORWARD_DELAY=(1, U32),
        IFLA_BR_AGEING_TIME=(4, U32),
        IFLA_BR_STP_STATE=(5, U32),
        IFLA_BR_MCAST_SNOOPING=(23, U8),
    ),
    "veth": Table(VETH_INFO_PEER=(1 | _NESTED, (link, bytes))),
    "vlan": Table(IFLA_VLAN_ID=(1, U16)),
    "macvlan": Table(IFLA_MACVLAN_MODE=(1, U32)),
    "macvtap": Table(IFLA_MACVLAN_MODE=(1, U32)),
    "tun": Table(IFLA_TUN_TYPE=(3, U8), IFLA_TUN_MULTI_QUEUE=(7, U8)),
}
IFA = Table(
    IFA_ADDRESS=(1, IP),
    IFA_LOCAL=(2, IP),
    IFA_LABEL=(3, TEXT),
    IFA_BROADCAST=(4, IP),
    IFA_CACHEINFO=(6, RAW),
    IFA_FLAGS=(8, U32),
    IFA_RT_PRIORITY=(9, U32),
    IFA_PROTO=(11, U8),
)
RTA = Table(
    RTA_DST=(1, IP),
    RTA_OIF=(4, U32),
    RTA_GATEWAY=(5, IP),
    RTA_PRIORITY=(6, U32),
    RTA_PREFSRC=(7, IP),
    RTA_METRICS=(8 | _NESTED, RAW),
    RTA_CACHEINFO=(12, RAW),
    RTA_TABLE=(15, U32),
    RTA_PREF=(20, U8),
    RTA_EXPIRES=(23, U32),
)


def read_link(data: bytes) -> tuple[int, int, dict[str, Any]]:
    """Index, flags and attributes of a link message, given with its header."""
    _, _, index, flags, _ = LINK.unpack_from(data, HEADER.size)
    return index, flags, unpack(data[HEADER.size + LINK.size :], IFLA)
